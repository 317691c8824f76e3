//! What a tenant is called, and how it stands in URLs.

use chrono_tz::Tz;

use crate::language::Language;

/// The longest slug, in characters.
const LONGEST_SLUG: usize = 64;

/// A tenant's name in URLs: lower-case letters, digits and hyphens, no hyphen at either end. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(String);

/// A slug with other characters, or none, or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidSlug;

impl Slug {
    /// Reads a slug as somebody typed it; spaces around it are no part of it.
    ///
    /// # Errors
    /// [`InvalidSlug`].
    pub fn parse(text: &str) -> Result<Self, InvalidSlug> {
        let text = text.trim();
        let valid = (1..=LONGEST_SLUG).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidSlug) }
    }

    /// The slug itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What can be changed about a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// Its name for people.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// How its times and messages are written.
    pub locale: Locale,
}

/// How a tenant's times and messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Locale {
    /// The time zone that its pages and messages show times in.
    pub time_zone: Tz,
    /// The language of its messages.
    pub message_language: Language,
}

impl Locale {
    /// What is proposed to somebody who uses this language: mainland China's zone with Chinese, otherwise the zone of the
    /// metadata warehouse tenant, or UTC where there is none yet.
    #[must_use]
    pub fn proposed(language: Language, warehouse: Option<Tz>) -> Self {
        let time_zone = match language {
            Language::Chinese => Tz::Asia__Shanghai,
            Language::English => warehouse.unwrap_or(Tz::UTC),
        };
        Self { time_zone, message_language: language }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proposed_zone_is_chinas_with_chinese_and_otherwise_that_of_the_warehouse() {
        for (language, warehouse, zone) in [
            (Language::Chinese, None, Tz::Asia__Shanghai),
            (Language::Chinese, Some(Tz::UTC), Tz::Asia__Shanghai),
            (Language::English, None, Tz::UTC),
            (Language::English, Some(Tz::Europe__Berlin), Tz::Europe__Berlin),
        ] {
            let proposed = Locale::proposed(language, warehouse);
            assert_eq!((proposed.time_zone, proposed.message_language), (zone, language));
        }
    }

    #[test]
    fn a_slug_holds_only_what_needs_no_escaping_in_a_url_and_reads_well() {
        for good in ["a", "data-platform", "9", " ops ", &"a".repeat(64)] {
            assert_eq!(Slug::parse(good).unwrap().as_str(), good.trim());
        }
        for bad in ["", " ", "-a", "a-", "A", "a b", "a/b", "a_b", "租户", "é", &"a".repeat(65)] {
            assert_eq!(Slug::parse(bad), Err(InvalidSlug), "{bad:?}");
        }
    }
}
