//! Belfry's own words, one file a reason and language: the first line is the title, the rest the text.

use super::{Reason, Source};
use crate::language::Language;

/// The template that stands where a tenant has none.
#[must_use]
pub fn source(language: Language, reason: Reason) -> Source {
    let (title, body) = file(language, reason).split_once("\n\n").unwrap_or_default();
    Source { title: title.to_owned(), body: body.trim_end().to_owned() }
}

fn file(language: Language, reason: Reason) -> &'static str {
    macro_rules! words {
        ($language:literal) => {
            match reason {
                Reason::Firing => include_str!(concat!("words/", $language, "/firing.md")),
                Reason::Repeated => include_str!(concat!("words/", $language, "/repeated.md")),
                Reason::Resolved => include_str!(concat!("words/", $language, "/resolved.md")),
                Reason::Digest => include_str!(concat!("words/", $language, "/digest.md")),
                Reason::MemberSaved => include_str!(concat!("words/", $language, "/member_saved.md")),
                Reason::Test => include_str!(concat!("words/", $language, "/test.md")),
            }
        };
    }
    match language {
        Language::English => words!("en"),
        Language::Chinese => words!("zh-CN"),
    }
}
