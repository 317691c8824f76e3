//! What people read: every text of every page in English and Simplified Chinese, and the choice between the two.
//!
//! Texts live in Fluent files, one per feature and language (`en/members.ftl`, `zh-CN/members.ftl`), embedded in the
//! binary. A key that one language has and the other lacks fails a test.

use std::{borrow::Cow, collections::HashMap, sync::LazyLock};

use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::LanguageIdentifier;

use crate::text::isolated;

/// A language that pages and messages are written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, also the fallback.
    #[default]
    English,
    /// Simplified Chinese.
    Chinese,
}

/// The files of one language, in the order they are read.
macro_rules! texts {
    ($language:literal) => {
        texts!($language; "accounts", "alerts", "audit", "channels", "common", "courier", "deliveries", "first_steps", "groups", "members", "people", "portals", "retention", "robots", "rules", "sandbox", "schedules", "templates", "tenants")
    };
    ($language:literal; $($feature:literal),+) => {
        [$(include_str!(concat!($language, "/", $feature, ".ftl"))),+]
    };
}

static ENGLISH_TEXTS: LazyLock<Texts> = LazyLock::new(|| Texts::parse(Language::English, &texts!("en")));
static CHINESE_TEXTS: LazyLock<Texts> = LazyLock::new(|| Texts::parse(Language::Chinese, &texts!("zh-CN")));

/// The texts of one language: those without variables ready to print, the rest as a Fluent bundle.
struct Texts {
    plain: HashMap<String, String>,
    bundle: FluentBundle<FluentResource>,
}

impl Texts {
    fn parse(language: Language, files: &[&str]) -> Self {
        let id: LanguageIdentifier = language.tag().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![id]);
        // The isolation marks around variables are invisible characters that would end up in forms and robots' messages; those
        // variables that need them get them from `with`.
        bundle.set_use_isolating(false);
        let mut plain = HashMap::new();
        for file in files {
            let resource = match FluentResource::try_new((*file).to_owned()) {
                Ok(resource) => resource,
                Err((resource, faults)) => {
                    tracing::error!(language = language.tag(), ?faults, "a text file has faults");
                    resource
                }
            };
            bundle.add_resource_overriding(resource);
        }
        for key in files.iter().flat_map(|file| message_keys(file)) {
            if let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) {
                let mut faults = Vec::new();
                let text = bundle.format_pattern(pattern, None, &mut faults);
                if faults.is_empty() {
                    plain.insert(key.to_owned(), text.into_owned());
                }
            }
        }
        Self { plain, bundle }
    }
}

/// The message keys that a Fluent file defines.
fn message_keys(file: &str) -> impl Iterator<Item = &str> {
    file.lines()
        .filter(|line| line.starts_with(|first: char| first.is_ascii_lowercase()))
        .filter_map(|line| line.split_once('=').map(|(key, _)| key.trim_end()))
}

impl Language {
    /// Both languages, in the order in which the language choice offers them.
    pub const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The BCP 47 tag, as in `<html lang>` and in the database.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-CN",
        }
    }

    /// The language's own name for itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "简体中文",
        }
    }

    /// Reads a BCP 47 tag by its first part: any Chinese is Simplified Chinese here, any English is English.
    #[must_use]
    pub fn from_tag(tag: &str) -> Option<Self> {
        match tag.split('-').next().map(str::to_ascii_lowercase).as_deref() {
            Some("zh") => Some(Self::Chinese),
            Some("en") => Some(Self::English),
            _ => None,
        }
    }

    /// The text behind a key. A key that does not exist shows itself, so that a mistake is seen and breaks nothing.
    #[must_use]
    pub fn text(self, key: &str) -> Cow<'static, str> {
        match self.texts().plain.get(key) {
            Some(text) => Cow::Borrowed(text),
            None => self.text_with(key, &[]),
        }
    }

    /// The text behind a key, with its variables filled in. None of them turns the direction of the words around it.
    #[must_use]
    pub fn text_with(self, key: &str, variables: &[(&str, &str)]) -> Cow<'static, str> {
        self.format(key, variables.iter().map(|(name, value)| (*name, FluentValue::from(isolated(value)))))
    }

    /// The text behind a key, with a number that decides its plural form: the variable `$count`.
    #[must_use]
    pub fn text_count(self, key: &str, count: i64) -> Cow<'static, str> {
        self.format(key, [("count", FluentValue::from(count))])
    }

    fn format<'v>(
        self,
        key: &str,
        variables: impl IntoIterator<Item = (&'v str, FluentValue<'v>)>,
    ) -> Cow<'static, str> {
        let bundle = &self.texts().bundle;
        let Some(pattern) = bundle.get_message(key).and_then(|message| message.value()) else {
            tracing::error!(key, language = self.tag(), "a text is missing");
            return Cow::Owned(key.to_owned());
        };
        let arguments: FluentArgs<'_> = variables.into_iter().collect();
        let mut faults = Vec::new();
        let text = bundle.format_pattern(pattern, Some(&arguments), &mut faults).into_owned();
        if !faults.is_empty() {
            tracing::error!(key, language = self.tag(), ?faults, "a text could not be filled in");
        }
        Cow::Owned(text)
    }

    fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH_TEXTS,
            Self::Chinese => &CHINESE_TEXTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn both_languages_have_the_same_keys_and_no_key_twice() {
        let english: Vec<&str> = texts!("en").into_iter().flat_map(message_keys).collect();
        let chinese: Vec<&str> = texts!("zh-CN").into_iter().flat_map(message_keys).collect();
        let english_set: BTreeSet<&str> = english.iter().copied().collect();
        let chinese_set: BTreeSet<&str> = chinese.iter().copied().collect();
        assert_eq!(english_set, chinese_set);
        assert_eq!(english.len(), english_set.len(), "a key is defined twice in English");
        assert_eq!(chinese.len(), chinese_set.len(), "a key is defined twice in Chinese");
    }

    #[test]
    fn every_file_parses_without_faults() {
        for file in texts!("en").into_iter().chain(texts!("zh-CN")) {
            if let Err((_, faults)) = FluentResource::try_new(file.to_owned()) {
                panic!("{faults:?} in {}", file.lines().next().unwrap_or_default());
            }
        }
    }

    #[test]
    fn a_variable_does_not_turn_the_words_around_it() {
        let said = |name: &str| Language::English.text_with("members-is-added", &[("name", name)]).into_owned();
        assert_eq!(said("mia"), "mia was added");
        assert_eq!(said("שלום"), "\u{2068}שלום\u{2069} was added");
        assert_eq!(said("\u{202e}mia"), "\u{2068}\u{202e}mia\u{202c}\u{2069} was added");
        assert_eq!(said("\u{2067}mia"), "\u{2068}\u{2067}mia\u{2069}\u{2069} was added");
    }

    #[test]
    fn any_chinese_is_simplified_chinese_and_an_unknown_language_is_none() {
        assert_eq!(Language::from_tag("zh-TW"), Some(Language::Chinese));
        assert_eq!(Language::from_tag("EN-gb"), Some(Language::English));
        assert_eq!(Language::from_tag("fr"), None);
    }
}
