//! The parameters of a list's URL. What cannot be used is named on the page: it neither fails the page nor is left out in silence.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode};
use serde::de::DeserializeOwned;

use super::{form::Fields, times::Times};
use crate::{
    error::{Error, Result},
    language::Language,
    text::whole_number,
};

/// The most parameters that a page names.
const MOST_NAMED: usize = 10;
/// The longest name or value that a page repeats, in characters.
const LONGEST: usize = 64;

/// Parameters that cannot be used, each with its name and its value.
pub type Unread = Vec<(String, String)>;

/// What a list can be asked for.
pub trait ListParameters: DeserializeOwned {
    /// The names of its parameters, whose values are read as text.
    const NAMES: &'static [&'static str];

    /// Those whose values mean nothing.
    fn unknown_parameters(&self) -> Unread;
}

/// The parameters of a URL, and those among them that cannot be used: unknown ones, those that stand there twice, and those whose
/// values mean nothing. An empty one is none.
#[derive(Clone, Debug)]
pub struct Parameters<T>(pub T, pub Unread);

impl<T: ListParameters> Parameters<T> {
    fn read(query: &str) -> Result<Self> {
        let given = Fields::decode(query.as_bytes())?.0;
        let given: Vec<(String, String)> = given.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
        let is_used =
            |name: &str| T::NAMES.contains(&name) && given.iter().filter(|(other, _)| other == name).count() == 1;
        let (used, unread): (Vec<_>, Vec<_>) = given.iter().cloned().partition(|(name, _)| is_used(name));
        let parameters: T = Fields(used).deserialize()?;
        let mut unread: Unread = unread
            .into_iter()
            .map(|(name, value)| (shortened(&name), shortened(&value)))
            .chain(parameters.unknown_parameters())
            .collect();
        if unread.len() > MOST_NAMED {
            unread.truncate(MOST_NAMED);
            unread.push(("…".to_owned(), String::new()));
        }
        Ok(Self(parameters, unread))
    }
}

impl<T: ListParameters> FromRequest for Parameters<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request.query_string()))
    }
}

/// Those parameters, each with its name, its value and whether that means something, that are filled in and mean nothing.
#[must_use]
pub fn unread(parameters: &[(&str, &str, bool)]) -> Unread {
    let odd = parameters.iter().filter(|(_, value, is_known)| !value.trim().is_empty() && !is_known);
    odd.map(|(name, value, _)| ((*name).to_owned(), shortened(value))).collect()
}

/// A first day of a list that is after its last one, as its parameter. Neither of the two can be used.
#[must_use]
pub fn swapped_days(name: &str, first: &str, last: &str) -> Option<(String, String)> {
    let are_days = Times::parse_day(first).is_some() && Times::parse_day(last).is_some();
    let is_swapped = are_days && Times::typed_days(first, last) == (None, None);
    is_swapped.then(|| (name.to_owned(), format!("{} > {}", first.trim(), last.trim())))
}

/// The answer to a program that asked for a file by parameters that cannot be used: a file would not say so.
#[must_use]
pub fn refuse_parameters(unread: &Unread, language: Language) -> HttpResponse {
    let named =
        unread.iter().map(|(name, value)| if value.is_empty() { name.clone() } else { format!("{name}: {value}") });
    let detail = language.text_with("query-refused", &[("parameters", &named.collect::<Vec<_>>().join("; "))]);
    let document = serde_json::json!({
        "type": "about:blank",
        "title": language.text("error-malformed"),
        "status": StatusCode::BAD_REQUEST.as_u16(),
        "detail": detail,
    });
    HttpResponse::BadRequest().content_type("application/problem+json").body(document.to_string())
}

/// Whether this is the number of a page.
#[must_use]
pub fn is_page(text: &str) -> bool {
    whole_number(text).is_some_and(|page| page > 0)
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Asked {
        q: String,
        page: String,
    }

    impl ListParameters for Asked {
        const NAMES: &'static [&'static str] = &["q", "page"];

        fn unknown_parameters(&self) -> Unread {
            unread(&[("page", &self.page, is_page(&self.page))])
        }
    }

    fn read(query: &str) -> (String, String, Vec<String>) {
        let Parameters(Asked { q, page }, unread) = Parameters::<Asked>::read(query).unwrap();
        (q, page, unread.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn days_are_swapped_when_both_are_days_and_the_first_is_later() {
        let swapped = |first, last| swapped_days("from", first, last).map(|(_, value)| value);
        assert_eq!(swapped("2026-12-02", " 2026-12-01").as_deref(), Some("2026-12-02 > 2026-12-01"));
        for (first, last) in [("2026-12-01", "2026-12-01"), ("2026-12-02", ""), ("", ""), ("x", "2026-12-01")] {
            assert_eq!(swapped(first, last), None, "{first} {last}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_and_the_rest_is_used() {
        let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(read("q=a&page=2"), ("a".into(), "2".into(), named(&[])));
        assert_eq!(read("q=&page=+&=&&"), (String::new(), String::new(), named(&[])));
        assert_eq!(read("page=0&x=1"), (String::new(), "0".into(), named(&["x=1", "page=0"])));
        assert_eq!(read("q=a&q=b&page=2"), (String::new(), "2".into(), named(&["q=a", "q=b"])));
        assert_eq!(read("q=a&q="), ("a".into(), String::new(), named(&[])));
        assert_eq!(read("q[]=a&=b"), (String::new(), String::new(), named(&["q[]=a", "=b"])));
        let many = (0..99).map(|number| format!("x{number}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(read(&many).2.len(), MOST_NAMED + 1);
        assert!(matches!(Parameters::<Asked>::read("q=%ff"), Err(Error::Malformed)));
    }
}
