//! JSON as it was written: numbers keep their digits, a member that stands twice is seen, every mistake is known by its path.
//!
//! `serde_json::Value` would round numbers and keep the last of two members of one name in silence.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{collections::BTreeSet, fmt};

use super::problem::{Problem, Unreadable};
use crate::web::FieldErrors;

/// The deepest nesting that is read.
const DEEPEST: usize = 128;

/// Reads a body as one JSON value.
///
/// # Errors
/// [`Unreadable`], with line and column.
pub fn parse(body: &[u8]) -> Result<&RawValue, Unreadable> {
    let text = std::str::from_utf8(body).map_err(|fault| {
        let (line, column) = place(body, fault.valid_up_to());
        Unreadable::NotUtf8 { line, column }
    })?;
    let raw: &RawValue = serde_json::from_str(text).map_err(|fault| {
        let (line, column) = (fault.line(), fault.column());
        if fault.is_eof() { Unreadable::CutOff { line, column } } else { Unreadable::NotJson { line, column } }
    })?;
    match too_deep(text) {
        Some(at) => {
            let (line, column) = place(body, at);
            Err(Unreadable::TooDeep { line, column })
        }
        None => Ok(raw),
    }
}

/// The line and the column (in bytes) of a byte, both counted from 1.
fn place(body: &[u8], at: usize) -> (usize, usize) {
    let before = body.get(..at).unwrap_or(body);
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    (before.iter().filter(|byte| **byte == b'\n').count() + 1, before.len() - line_start + 1)
}

/// Where a JSON text is nested deeper than is read.
fn too_deep(text: &str) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > DEEPEST {
                    return Some(at);
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The members of an object in their order, those of one name too.
struct Members<'b>(Vec<(String, &'b RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

/// A JSON value by its kind.
pub enum Value<'b> {
    /// `null`: as if it were not there.
    Null,
    /// A text; of a number or a boolean, what stands there.
    Text(String),
    /// A list.
    List(Vec<&'b RawValue>),
    /// An object, members of one name included.
    Object(Vec<(String, &'b RawValue)>),
}

/// Reads values of a body, and collects what is wrong with them.
#[derive(Default)]
pub struct Reader {
    errors: FieldErrors,
    unreadable: Option<Unreadable>,
}

impl Reader {
    /// A value; nothing when a text in it is none.
    pub fn value<'b>(&mut self, path: &str, raw: &'b RawValue) -> Option<Value<'b>> {
        let text = raw.get();
        let value = match text.bytes().next() {
            Some(b'n') => Ok(Value::Null),
            Some(b'"') => serde_json::from_str(text).map(Value::Text),
            Some(b'[') => serde_json::from_str(text).map(Value::List),
            Some(b'{') => serde_json::from_str(text).map(|Members(members)| Value::Object(members)),
            _ => Ok(Value::Text(text.to_owned())),
        };
        let has_nul = |text: &String| text.contains('\0');
        match value {
            Ok(Value::Text(text)) if has_nul(&text) => self.fail(Unreadable::Nul { field: path.to_owned() }),
            Ok(Value::Object(members)) if members.iter().any(|(name, _)| has_nul(name)) => {
                self.fail(Unreadable::Nul { field: path.to_owned() })
            }
            Ok(value) => Some(value),
            // The syntax was read before; what is left is an escape that is half a character.
            Err(_) => self.fail(Unreadable::HalfCharacter { field: path.to_owned() }),
        }
    }

    fn fail<T>(&mut self, unreadable: Unreadable) -> Option<T> {
        self.unreadable.get_or_insert(unreadable);
        None
    }

    /// Notes a mistake.
    pub fn refuse(&mut self, path: impl Into<String>, key: &'static str) {
        self.errors.add(path.into(), key);
    }

    /// A text; empty when it is null.
    pub fn text(&mut self, path: &str, raw: &RawValue) -> String {
        match self.value(path, raw) {
            Some(Value::Text(text)) => text,
            Some(Value::List(_) | Value::Object(_)) => {
                self.refuse(path, "portals-not-a-text");
                String::new()
            }
            Some(Value::Null) | None => String::new(),
        }
    }

    /// The elements of a list; none when it is null.
    pub fn list<'b>(&mut self, path: &str, raw: &'b RawValue) -> Vec<&'b RawValue> {
        match self.value(path, raw) {
            Some(Value::List(list)) => list,
            Some(Value::Text(_) | Value::Object(_)) => {
                self.refuse(path, "portals-not-a-list");
                Vec::new()
            }
            Some(Value::Null) | None => Vec::new(),
        }
    }

    /// The members of an object, each name once; none when it is null. Those that stand there twice are noted by their path.
    pub fn object<'b>(&mut self, path: &str, raw: &'b RawValue) -> Vec<(String, &'b RawValue)> {
        match self.value(path, raw) {
            Some(Value::Object(members)) => {
                let mut seen = BTreeSet::new();
                let doubled: BTreeSet<&String> =
                    members.iter().map(|(name, _)| name).filter(|name| !seen.insert(*name)).collect();
                for name in doubled {
                    self.refuse(join(path, name), "portals-field-doubled");
                }
                members
            }
            Some(Value::Text(_) | Value::List(_)) => {
                self.refuse(path, "portals-not-an-object");
                Vec::new()
            }
            Some(Value::Null) | None => Vec::new(),
        }
    }

    /// The members of an object of texts, without those that are null.
    pub fn texts<B: FromIterator<(String, String)>>(&mut self, path: &str, raw: &RawValue) -> B {
        let members = self.object(path, raw);
        let given = members.into_iter().filter(|(_, raw)| raw.get() != "null");
        given
            .map(|(name, raw)| {
                let text = self.text(&join(path, &name), raw);
                (name, text)
            })
            .collect()
    }

    /// What is wrong with the values that were read.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for a text that is none.
    pub fn into_errors(self) -> Result<FieldErrors, Problem> {
        match self.unreadable {
            Some(unreadable) => Err(Problem::Malformed(unreadable)),
            None => Ok(self.errors),
        }
    }

    /// What was read, if nothing was wrong with it.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for a text that is none, else [`Problem::Fields`] with everything that is wrong.
    pub fn finish<T>(self, read: T) -> Result<T, Problem> {
        let errors = self.into_errors()?;
        if errors.is_empty() { Ok(read) } else { Err(Problem::Fields(errors)) }
    }
}

/// The path of a member.
#[must_use]
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn unreadable(body: &[u8]) -> Unreadable {
        parse(body).expect_err("it cannot be read")
    }

    #[test]
    fn what_cannot_be_read_is_named_with_line_and_column() {
        assert_eq!(unreadable(b"{\n \"a\": \xff}"), Unreadable::NotUtf8 { line: 2, column: 7 });
        assert_eq!(unreadable(b"\xe5\xbc"), Unreadable::NotUtf8 { line: 1, column: 1 });
        assert_eq!(unreadable(b"{\n\n  nope }"), Unreadable::NotJson { line: 3, column: 3 });
        assert_eq!(unreadable(b"{\"a\": 1} x"), Unreadable::NotJson { line: 1, column: 10 });
        assert_eq!(unreadable(b"{\"a\": 01}"), Unreadable::NotJson { line: 1, column: 8 });
        assert_eq!(unreadable(b"{'a': 1}"), Unreadable::NotJson { line: 1, column: 2 });
        assert_eq!(unreadable(b"{\"a\": \"b"), Unreadable::CutOff { line: 1, column: 8 });
        assert_eq!(unreadable(b""), Unreadable::CutOff { line: 1, column: 0 });
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(unreadable(deep.as_bytes()), Unreadable::TooDeep { line: 1, column: 129 });
        let brackets_in_a_text = format!("{{\"a\": \"\\\"{}\"}}", "[".repeat(5000));
        assert!(parse(brackets_in_a_text.as_bytes()).is_ok());
    }

    #[test]
    fn numbers_and_booleans_are_texts_as_they_were_written_and_null_is_absent() {
        let body = br#"{"a":1.10,"b":12345678901234567890123,"c":1e999,"d":true,"e":null,"f":"x","g":-0}"#;
        let mut reader = Reader::default();
        let texts: BTreeMap<String, String> = reader.texts("", parse(body).unwrap());
        let texts: Vec<(&str, &str)> = texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        let expected =
            [("a", "1.10"), ("b", "12345678901234567890123"), ("c", "1e999"), ("d", "true"), ("f", "x"), ("g", "-0")];
        assert_eq!(texts, expected);
        assert!(reader.finish(()).is_ok());
    }

    #[test]
    fn every_mistake_is_known_by_its_path() {
        let paths = |body: &str| {
            let mut reader = Reader::default();
            let _: BTreeMap<String, String> = reader.texts("labels", parse(body.as_bytes()).unwrap());
            match reader.finish(()) {
                Ok(()) => Vec::new(),
                Err(Problem::Fields(errors)) => errors.0.into_iter().map(|error| error.field.into_owned()).collect(),
                Err(other) => vec![format!("{other:?}")],
            }
        };
        assert_eq!(paths(r#"{"port":[8080],"a":{},"b":"x"}"#), ["labels.port", "labels.a"]);
        assert_eq!(paths(r#"{"a":"1","a":"2","b":"3","a":"4"}"#), ["labels.a"]);
        assert_eq!(paths("[]"), ["labels"]);
        assert_eq!(paths("7"), ["labels"]);
        assert_eq!(paths("null"), [""; 0]);
        assert!(paths(r#"{"a":"\u0000"}"#)[0].contains("Nul { field: \"labels.a\" }"));
        assert!(paths(r#"{"\u0000":"a"}"#)[0].contains("Nul { field: \"labels\" }"));
        assert!(paths(r#"{"a":"\ud800"}"#)[0].contains("HalfCharacter { field: \"labels.a\" }"));
        assert_eq!(paths(r#"{"a":"\\u0000"}"#), [""; 0]);
    }

    proptest! {
        #[test]
        fn texts_are_read_as_any_reader_of_json_reads_them(texts in prop::collection::btree_map("\\PC{0,12}", "[^\\x00]{0,40}", 0..8)) {
            let body = serde_json::to_vec(&texts).unwrap();
            let mut reader = Reader::default();
            let read: BTreeMap<String, String> = reader.texts("", parse(&body).unwrap());
            prop_assert_eq!(read, texts);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), text in r#"[{}\[\]":,\\u0-9a-f ]{0,80}"#) {
            for body in [&bytes[..], text.as_bytes()] {
                if let Ok(raw) = parse(body) {
                    let mut reader = Reader::default();
                    let _: Vec<(String, String)> = reader.texts("", raw);
                    drop(reader.list("", raw));
                    drop(reader.finish(()));
                }
            }
        }
    }
}
