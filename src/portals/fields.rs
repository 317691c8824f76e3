//! What is posted: the fields of a form or of a JSON object of the same names, each at most once.

use std::{collections::BTreeSet, fmt};

use serde::{
    Deserialize,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use super::problem::Problem;
use crate::web::{FieldErrors, Fields};

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
            Encoding::Form => Fields::decode(body).map_err(|_| Problem::Malformed)?.0,
            Encoding::Json => json(body)?,
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

/// The members of a JSON object, those of one name too: a map would keep the last of them in silence.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Object(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn json(body: &[u8]) -> Result<Vec<(String, String)>, Problem> {
    let Object(members) = serde_json::from_slice(body).map_err(|_| Problem::Malformed)?;
    let mut fields: Vec<(String, String)> = Vec::new();
    let (mut faults, mut lists) = (FieldErrors::default(), 0);
    for (name, value) in members {
        match value {
            Value::String(text) => fields.push((name, text)),
            Value::Number(number) => fields.push((name, number.to_string())),
            Value::Array(list) if name == REPEATABLE => {
                lists += 1;
                for value in list {
                    match value {
                        Value::String(text) => fields.push((REPEATABLE.to_owned(), text)),
                        _ => faults.add(REPEATABLE, "portals-not-a-text"),
                    }
                }
            }
            _ => faults.add(name, "portals-not-a-text"),
        }
    }
    let has_nul = fields.iter().any(|(name, value)| name.contains('\0') || value.contains('\0'));
    match () {
        () if has_nul => Err(Problem::Malformed),
        () if lists > 1 => Err(Problem::Doubled(vec![REPEATABLE.to_owned()])),
        () if !faults.is_empty() => Err(Problem::Fields(faults)),
        () => Ok(fields),
    }
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
    fn what_is_no_text_is_named_and_what_cannot_be_read_is_malformed() {
        for body in [r#"{"title":null}"#, r#"{"title":["a"]}"#, r#"{"receivers":[7]}"#, r#"{"title":{"a":1}}"#] {
            assert!(matches!(object(body), Err(Problem::Fields(_))), "{body}");
        }
        let deep = format!("{}1{}", r#"{"title":"#.repeat(200), "}".repeat(200));
        for body in ["", "[]", "7", "{", r#"{"title":"a"} x"#, r#"{"title":"\u0000"}"#, r#"{"title":"\ud800"}"#, &deep]
        {
            assert!(matches!(object(body), Err(Problem::Malformed)), "{body}");
        }
        for body in [&b"title=%FF"[..], b"title=a%00", b"\xff=1"] {
            assert!(matches!(Posted::parse(Encoding::Form, body), Err(Problem::Malformed)));
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
