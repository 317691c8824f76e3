//! What is posted: the fields of a form or of a JSON object of the same names, each at most once.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use super::{
    json::{self, Reader, Value},
    problem::{DOUBLED_FIELD, Problem, UNKNOWN_FIELD, Unreadable},
};
use crate::{
    text::BYTE_ORDER_MARK,
    web::{FieldErrors, Fields},
};

/// The one field that may stand there several times.
const REPEATABLE: &str = "receivers";

/// How the fields are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
}

/// The fields of a post, in the order in which they came, and what is wrong with them.
#[derive(Clone, PartialEq, Eq)]
pub struct Posted {
    pairs: Vec<(String, String)>,
    errors: FieldErrors,
}

// A value may be a webhook.
impl fmt::Debug for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Posted(***)")
    }
}

impl Posted {
    /// Reads a body. Notes the fields that stand there twice, and the values that are no texts.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for what cannot be read, [`Problem::JsonAsForm`] for JSON that is said to be a form.
    pub fn parse(encoding: Encoding, body: &[u8]) -> Result<Self, Problem> {
        let (pairs, errors) = match encoding {
            Encoding::Form if body.trim_ascii_start().starts_with(b"{") => return Err(Problem::JsonAsForm),
            Encoding::Form => form(body)?,
            Encoding::Json => object(body)?,
        };
        Ok(Self { pairs, errors })
    }

    /// The names and values, for their signature.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.pairs
    }

    /// The value of a field, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field; empty when it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// Every value of a field that may stand there several times.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<String> {
        self.pairs.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone()).collect()
    }

    /// Notes names that nobody reads: a misspelt one must not be lost in silence.
    pub fn refuse_unknown(&mut self, known: &[&str]) {
        let unknown = self.pairs.iter().map(|(name, _)| name).filter(|name| !known.contains(&name.as_str()));
        let unknown: BTreeSet<String> = unknown.cloned().collect();
        for name in unknown {
            self.refuse(name, UNKNOWN_FIELD);
        }
    }

    /// Notes a mistake.
    pub fn refuse(&mut self, name: impl Into<Cow<'static, str>>, key: &'static str) {
        self.errors.add(name, key);
    }

    /// Whether a mistake was noted.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// What was made of the fields, if nothing is wrong with them; else all mistakes together. Of a field that cannot be read
    /// that is its mistake, and not what its value would be.
    ///
    /// # Errors
    /// Every mistake, by field.
    pub fn finish<T>(&self, read: Result<T, FieldErrors>) -> Result<T, FieldErrors> {
        let found = match read {
            Ok(read) if !self.has_errors() => return Ok(read),
            Ok(_) => FieldErrors::default(),
            Err(errors) => errors,
        };
        let mut errors = self.errors.clone();
        errors.0.extend(found.0.into_iter().filter(|error| self.errors.for_field(&error.field).is_none()));
        Err(errors)
    }
}

/// The fields of a form. A byte order mark before the first name is no part of it, written as `%EF%BB%BF` neither.
fn form(body: &[u8]) -> Result<(Vec<(String, String)>, FieldErrors), Problem> {
    let mut fields = Fields::decode(body).map_err(|_| Problem::Malformed(unreadable_field(body)))?.0;
    let mut errors = FieldErrors::default();
    if let Some((name, _)) = fields.first_mut()
        && let Some(bare) = name.strip_prefix(BYTE_ORDER_MARK)
    {
        *name = bare.to_owned();
    }
    let (mut seen, mut doubled) = (BTreeSet::new(), BTreeSet::new());
    for (name, _) in &fields {
        if name != REPEATABLE && !seen.insert(name) && doubled.insert(name) {
            errors.add(name.clone(), DOUBLED_FIELD);
        }
    }
    Ok((fields, errors))
}

/// Which field of a form cannot be read, and why.
fn unreadable_field(body: &[u8]) -> Unreadable {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    for (number, pair) in (1..).zip(pairs) {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        let name = Fields::decode(name).ok().and_then(|fields| fields.0.into_iter().next());
        let field = name.map_or_else(|| format!("#{number}"), |(name, _)| name);
        // NUL is the one character that no text may hold.
        let without_nul = String::from_utf8_lossy(pair).replace("%00", "").replace('\0', "");
        if std::str::from_utf8(pair).is_ok()
            && Fields::decode(pair).is_err()
            && Fields::decode(without_nul.as_bytes()).is_ok()
        {
            return Unreadable::Nul { field };
        }
        if Fields::decode(pair).is_err() {
            return Unreadable::FieldNotUtf8 { field };
        }
    }
    Unreadable::Request
}

/// The members of a JSON object, those of one name too: a map would keep the last of them in silence.
fn object(body: &[u8]) -> Result<(Vec<(String, String)>, FieldErrors), Problem> {
    let raw = json::parse(body).map_err(Problem::Malformed)?;
    if !raw.get().starts_with('{') {
        return Err(Problem::Malformed(Unreadable::NotAnObject));
    }
    let (mut reader, mut fields) = (Reader::default(), Vec::new());
    for (name, raw) in reader.object("", raw) {
        match reader.value(&name, raw) {
            Some(Value::Text(text)) => fields.push((name, text)),
            Some(Value::List(list)) if name == REPEATABLE => {
                for (place, raw) in list.into_iter().enumerate() {
                    let text = reader.text(&format!("{REPEATABLE}[{place}]"), raw);
                    fields.push((REPEATABLE.to_owned(), text));
                }
            }
            Some(Value::List(_) | Value::Object(_)) => reader.refuse(name, "portals-not-a-text"),
            Some(Value::Null) | None => {}
        }
    }
    Ok((fields, reader.into_errors()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(body: &str) -> Result<Posted, Problem> {
        Posted::parse(Encoding::Form, body.as_bytes())
    }

    fn object(body: &str) -> Result<Posted, Problem> {
        Posted::parse(Encoding::Json, body.as_bytes())
    }

    fn named(fields: &Posted, key: &str) -> Vec<String> {
        let errors = fields.errors.0.iter().filter(|error| error.key == key);
        errors.map(|error| error.field.clone().into_owned()).collect()
    }

    #[test]
    fn a_form_and_an_object_of_the_same_names_are_the_same() {
        let written = form("title=a+b&receivers=li&receivers=wu&expires=7").unwrap();
        assert_eq!(object(r#"{"title":"a b","receivers":["li","wu"],"expires":7}"#).unwrap(), written);
        assert_eq!(written.all("receivers"), ["li", "wu"]);
        assert_eq!(form("receivers=li").unwrap(), object(r#"{"receivers":"li"}"#).unwrap());
    }

    #[test]
    fn a_field_that_stands_there_twice_is_named_and_none_of_the_two_is_taken() {
        let doubled = |result: Result<Posted, Problem>| named(&result.unwrap(), DOUBLED_FIELD);
        assert_eq!(doubled(form("title=a&severity=info&title=b&severity=info&title=c")), ["title", "severity"]);
        assert_eq!(doubled(object(r#"{"title":"a","title":null}"#)), ["title"]);
        assert_eq!(doubled(object(r#"{"receivers":["a"],"receivers":["b"]}"#)), ["receivers"]);
    }

    #[test]
    fn null_is_absent_and_numbers_and_booleans_are_texts() {
        let written = form("title=7.10&receivers=8&receivers=true").unwrap();
        assert_eq!(object(r#"{"title":7.10,"link":null,"receivers":[8,true]}"#).unwrap(), written);
        assert_eq!(object(r#"{"title":null}"#).unwrap().get("title"), None);
    }

    #[test]
    fn the_unreadable_field_of_a_form_is_named() {
        let named = |body: &[u8]| match Posted::parse(Encoding::Form, body) {
            Err(Problem::Malformed(fault)) => fault,
            other => panic!("{other:?}"),
        };
        let field = |name: &str| name.to_owned();
        assert_eq!(named(b"a=1&title=%FF"), Unreadable::FieldNotUtf8 { field: field("title") });
        assert_eq!(named(b"a=1&title=\xb4\xc5"), Unreadable::FieldNotUtf8 { field: field("title") });
        assert_eq!(named(b"a=1&%ff=2"), Unreadable::FieldNotUtf8 { field: field("#2") });
        assert_eq!(named(b"title=a%00b"), Unreadable::Nul { field: field("title") });
        assert_eq!(named(b"title=a\0b"), Unreadable::Nul { field: field("title") });
    }

    #[test]
    fn a_byte_order_mark_before_the_first_name_is_no_part_of_it() {
        for body in ["\u{feff}title=a", "%EF%BB%BFtitle=a", "%ef%bb%bftitle=a"] {
            assert_eq!(form(body).unwrap(), form("title=a").unwrap(), "{body:?}");
        }
        assert_eq!(form("title=%EF%BB%BFa").unwrap().text("title"), "\u{feff}a");
    }

    #[test]
    fn what_is_no_text_is_named_and_what_cannot_be_read_is_malformed() {
        for body in [r#"{"title":["a"]}"#, r#"{"receivers":[[]]}"#, r#"{"title":{"a":1}}"#] {
            assert_eq!(named(&object(body).unwrap(), "portals-not-a-text").len(), 1, "{body}");
        }
        let deep = format!("{}1{}", r#"{"title":"#.repeat(200), "}".repeat(200));
        for body in ["", "[]", "7", "{", r#"{"title":"a"} x"#, r#"{"title":"\u0000"}"#, r#"{"title":"\ud800"}"#, &deep]
        {
            assert!(matches!(object(body), Err(Problem::Malformed(_))), "{body}");
        }
        for body in [&b"title=%FF"[..], b"title=a%00", b"\xff=1"] {
            assert!(matches!(Posted::parse(Encoding::Form, body), Err(Problem::Malformed(_))));
        }
    }

    #[test]
    fn an_unknown_name_is_refused() {
        let mut fields = form("title=a&sevrity=info&sevrity=info").unwrap();
        fields.refuse_unknown(&["title", "sevrity"]);
        assert!(named(&fields, UNKNOWN_FIELD).is_empty());
        fields.refuse_unknown(&["title"]);
        assert_eq!(named(&fields, UNKNOWN_FIELD), ["sevrity"]);
    }

    #[test]
    fn all_mistakes_are_named_together_and_each_field_once() {
        let mut fields = form("title=&title=&severty=info&status=x").unwrap();
        fields.refuse_unknown(&["title", "status"]);
        let mut errors = FieldErrors::single("title", "form-required");
        errors.add("status", "form-choose");
        let errors = fields.finish::<()>(Err(errors)).unwrap_err();
        let named: Vec<(&str, &str)> = errors.0.iter().map(|error| (&*error.field, &*error.key)).collect();
        assert_eq!(named, [("title", DOUBLED_FIELD), ("severty", UNKNOWN_FIELD), ("status", "form-choose")]);
        assert_eq!(form("title=a").unwrap().finish(Ok(7)), Ok(7));
    }

    #[test]
    fn json_that_is_said_to_be_a_form_is_named() {
        for body in ["{\"title\":\"a\"}", " \n{\"title\": 1}"] {
            assert!(matches!(form(body), Err(Problem::JsonAsForm)), "{body}");
        }
        assert!(form("title={}").is_ok());
    }

    #[test]
    fn a_percent_sign_that_begins_no_escape_stands_for_itself() {
        assert_eq!(form("title=CPU+95%+at+a%zz+%41").unwrap().text("title"), "CPU 95% at a%zz A");
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..512)) {
            for encoding in [Encoding::Form, Encoding::Json] {
                drop(Posted::parse(encoding, &body));
            }
        }

        #[test]
        fn no_text_like_an_object_makes_it_panic(body in r#"[{}\[\]":,\\u0-9a-f ]{0,80}"#) {
            drop(Posted::parse(Encoding::Json, body.as_bytes()));
        }
    }
}
