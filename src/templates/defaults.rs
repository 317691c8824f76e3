//! Belfry's own words, one file a reason and language: the first line is the title, the rest the text.

use super::{MessageReason, TemplateSource};
use crate::language::Language;

/// The template that stands where a tenant has none.
#[must_use]
pub fn default_source(language: Language, reason: MessageReason) -> TemplateSource {
    let (title, body) = default_file(language, reason).split_once("\n\n").unwrap_or_default();
    TemplateSource { title: title.to_owned(), body: body.trim_end().to_owned() }
}

fn default_file(language: Language, reason: MessageReason) -> &'static str {
    macro_rules! default_files {
        ($language:literal) => {
            match reason {
                MessageReason::Firing => include_str!(concat!("defaults/", $language, "/firing.md")),
                MessageReason::Repeated => include_str!(concat!("defaults/", $language, "/repeated.md")),
                MessageReason::Resolved => include_str!(concat!("defaults/", $language, "/resolved.md")),
                MessageReason::Digest => include_str!(concat!("defaults/", $language, "/digest.md")),
                MessageReason::MemberSaved => include_str!(concat!("defaults/", $language, "/member_saved.md")),
                MessageReason::Test => include_str!(concat!("defaults/", $language, "/test.md")),
            }
        };
    }
    match language {
        Language::English => default_files!("en"),
        Language::Chinese => default_files!("zh-CN"),
    }
}
