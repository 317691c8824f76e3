//! What is posted: the fields of a form or of a JSON object of the same names, each at most once.

use std::{collections::BTreeSet, fmt};

use super::{
    json::{self, Reader, Value},
    problem::{Problem, Unreadable},
};
use crate::{text::BYTE_ORDER_MARK, web::Fields};

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

/// The fields of a post, in the order in which they came.
#[derive(Clone, PartialEq, Eq)]
pub struct Posted(Vec<(String, String)>);

// A value may be a webhook.
impl fmt::Debug for Posted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Posted(***)")
    }
}

impl Posted {
    /// Reads a body.
    ///
    /// # Errors
    /// [`Problem::Malformed`] for what cannot be read, [`Problem::Doubled`] for a field that stands there twice,
    /// [`Problem::Fields`] for a value that is no text.
    pub fn parse(encoding: Encoding, body: &[u8]) -> Result<Self, Problem> {
        let fields = match encoding {
            Encoding::Form => form(body)?,
            Encoding::Json => object(body)?,
        };
        let mut seen = BTreeSet::new();
        let doubled: BTreeSet<&String> =
            fields.iter().map(|(name, _)| name).filter(|name| *name != REPEATABLE && !seen.insert(*name)).collect();
        if doubled.is_empty() {
            Ok(Self(fields))
        } else {
            Err(Problem::Doubled(doubled.into_iter().cloned().collect()))
        }
    }

    /// The names and values, for their signature.
    #[must_use]
    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The value of a field, if it is there.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field; empty when it is not there.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        self.get(name).unwrap_or_default().to_owned()
    }

    /// Every value of a field that may stand there several times.
    #[must_use]
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(field, _)| field == name).map(|(_, value)| value.clone()).collect()
    }

    /// Refuses names that nobody reads: a misspelt one must not be lost in silence.
    ///
    /// # Errors
    /// [`Problem::Unknown`].
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let unknown: BTreeSet<&String> =
            self.0.iter().map(|(name, _)| name).filter(|name| !known.contains(&name.as_str())).collect();
        if unknown.is_empty() { Ok(()) } else { Err(Problem::Unknown(unknown.into_iter().cloned().collect())) }
    }
}

/// The fields of a form. A byte order mark before the first name is no part of it, written as `%EF%BB%BF` neither.
fn form(body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let mut fields = Fields::decode(body).map_err(|_| Problem::Malformed(unreadable_field(body)))?.0;
    if let Some((name, _)) = fields.first_mut()
        && let Some(bare) = name.strip_prefix(BYTE_ORDER_MARK)
    {
        *name = bare.to_owned();
    }
    Ok(fields)
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
fn object(body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let raw = json::parse(body).map_err(Problem::Malformed)?;
    let mut reader = Reader::default();
    let members = match reader.value("", raw) {
        Some(Value::Object(members)) => members,
        Some(_) => return Err(Problem::Malformed(Unreadable::NotAnObject)),
        None => Vec::new(),
    };
    let (mut fields, mut lists): (Vec<(String, String)>, _) = (Vec::new(), 0);
    for (name, raw) in members {
        match reader.value(&name, raw) {
            Some(Value::Text(text)) => fields.push((name, text)),
            Some(Value::List(list)) if name == REPEATABLE => {
                lists += 1;
                for (place, raw) in list.into_iter().enumerate() {
                    let text = reader.text(&format!("{REPEATABLE}[{place}]"), raw);
                    fields.push((REPEATABLE.to_owned(), text));
                }
            }
            Some(Value::List(_) | Value::Object(_)) => reader.refuse(name, "portals-not-a-text"),
            Some(Value::Null) | None => {}
        }
    }
    let fields = reader.finish(fields)?;
    if lists > 1 { Err(Problem::Doubled(vec![REPEATABLE.to_owned()])) } else { Ok(fields) }
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

    #[test]
    fn a_form_and_an_object_of_the_same_names_are_the_same() {
        let written = form("title=a+b&receivers=li&receivers=wu&expires=7").unwrap();
        assert_eq!(object(r#"{"title":"a b","receivers":["li","wu"],"expires":7}"#).unwrap(), written);
        assert_eq!(written.all("receivers"), ["li", "wu"]);
        assert_eq!(form("receivers=li").unwrap(), object(r#"{"receivers":"li"}"#).unwrap());
    }

    #[test]
    fn a_field_that_stands_there_twice_is_named_and_none_of_the_two_is_taken() {
        let doubled = |result: Result<Posted, Problem>| match result {
            Err(Problem::Doubled(names)) => names,
            other => panic!("{other:?}"),
        };
        assert_eq!(doubled(form("title=a&severity=info&title=b&severity=info")), ["severity", "title"]);
        assert_eq!(doubled(object(r#"{"title":"a","title":"b"}"#)), ["title"]);
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
            assert!(matches!(object(body), Err(Problem::Fields(_))), "{body}");
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
        let fields = form("title=a&sevrity=info").unwrap();
        assert!(fields.only(&["title", "sevrity"]).is_ok());
        assert!(matches!(fields.only(&["title"]), Err(Problem::Unknown(names)) if names == ["sevrity"]));
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
