//! What a message can be about, what its template may name, and what comes out.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::language::Language;

/// The longest title of a template, in characters.
pub const MAX_TITLE_CHARS: u64 = 512;
/// The longest text of a template, in bytes of UTF-8.
pub const MAX_BODY_BYTES: usize = 8 * 1024;

/// Why a group is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MessageReason {
    /// An alert fires.
    Firing,
    /// It fires again, or goes on.
    Repeated,
    /// It is over.
    Resolved,
    /// Several alerts in one message, because the robot may not be rung more often.
    Digest,
    /// A member is reached through this group from now on.
    MemberSaved,
    /// Somebody tries whether the robot works.
    Test,
}

impl MessageReason {
    /// Every reason, as pages list them.
    pub const ALL: [Self; 6] =
        [Self::Firing, Self::Repeated, Self::Resolved, Self::Digest, Self::MemberSaved, Self::Test];

    /// The word in the database and in addresses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Repeated => "repeated",
            Self::Resolved => "resolved",
            Self::Digest => "digest",
            Self::MemberSaved => "member_saved",
            Self::Test => "test",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// The key of its name on pages.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Firing => "templates-firing",
            Self::Repeated => "templates-repeated",
            Self::Resolved => "templates-resolved",
            Self::Digest => "templates-digest",
            Self::MemberSaved => "templates-member-saved",
            Self::Test => "templates-test",
        }
    }

    /// The names that a template for this reason may use, in the order of the page's table.
    #[must_use]
    pub const fn variables(self) -> &'static [&'static str] {
        match self {
            Self::Firing | Self::Repeated | Self::Resolved => &[
                "product",
                "severity",
                "title",
                "content",
                "source",
                "labels",
                "annotations",
                "link",
                "count",
                "first_at",
                "last_at",
                "duration",
                "key",
                "severity_code",
                "recipients",
                "tenant",
            ],
            Self::Digest => &["product", "count", "content", "link", "recipients", "tenant"],
            Self::MemberSaved | Self::Test => &["product", "member", "by", "tenant"],
        }
    }
}

/// What a template may name. Texts are as people typed them; the engine escapes them. What a reason does not have stays
/// empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Variables {
    /// The product's name: the robots' keyword.
    pub product: String,
    /// The tenant's name.
    pub tenant: String,
    /// The alert's title.
    pub title: String,
    /// The alert's content; its line ends are kept. For a digest the list of what it carries, a line each.
    pub content: String,
    /// Whether the content is Markdown already, as a digest's list is. No template names this.
    #[serde(skip)]
    pub content_is_markdown: bool,
    /// The severity, as a word of the message's language.
    pub severity: String,
    /// The severity for comparisons: `critical`, `warning`, `info`.
    pub severity_code: String,
    /// Where the alert came from.
    pub source: String,
    /// A page about it, http or https; what is neither is left out.
    pub link: String,
    /// What makes two firings the same event.
    pub key: String,
    /// How often it fired; for a digest how many alerts the message stands for.
    pub count: i64,
    /// What the monitoring system says of it.
    pub labels: BTreeMap<String, String>,
    /// What else the sender says of it.
    pub annotations: BTreeMap<String, String>,
    /// When it fired first, in the tenant's time zone.
    pub first_at: String,
    /// When it fired last, or was resolved, in the tenant's time zone.
    pub last_at: String,
    /// From the first to the last, in words: see [`format_duration`].
    pub duration: String,
    /// The display names of those the message is for.
    pub recipients: Vec<String>,
    /// The member a group is told about.
    pub member: String,
    /// Who caused the message.
    pub by: String,
}

/// A message before it is laid out for a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageText {
    /// The headline, one line of plain text.
    pub title: String,
    /// Markdown of the kind that all channels have.
    pub body: String,
}

/// A template as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateSource {
    /// Of the headline.
    pub title: String,
    /// Of the text.
    pub body: String,
}

/// What is wrong with a template. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// There is no such variable.
    UnknownVariable {
        /// The line it stands in.
        line: usize,
        /// Its name, as it was written.
        name: String,
    },
    /// There is no such filter.
    UnknownFilter {
        /// The line it stands in.
        line: usize,
        /// Its name, as it was written.
        name: String,
    },
    /// Something that templates may not do, such as a loop.
    Forbidden {
        /// The line it stands in.
        line: usize,
        /// What was written.
        what: String,
    },
    /// It cannot be understood.
    Syntax {
        /// The line where that shows.
        line: usize,
    },
    /// A tag is longer, or there are more of them, than any message needs.
    TooComplex {
        /// The line where that shows.
        line: usize,
    },
    /// Filters go through long texts too often.
    TooExpensive {
        /// The line where that shows.
        line: usize,
    },
}

/// How long something lasted, in the two largest units: `2 h 5 min`.
#[must_use]
pub fn format_duration(language: Language, seconds: i64) -> String {
    let minutes = seconds.max(0) / 60;
    let units = [
        ("templates-days", minutes / 1440),
        ("templates-hours", minutes / 60 % 24),
        ("templates-minutes", minutes % 60),
    ];
    let largest: Vec<_> = units.into_iter().skip_while(|(_, count)| *count == 0).take(2).collect();
    let shown = largest.iter().filter(|(_, count)| *count > 0).map(|(key, count)| language.text_count(key, *count));
    let shown: Vec<_> = shown.collect();
    if shown.is_empty() { language.text("templates-no-minute").into_owned() } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reason_round_trips_and_has_a_name_in_both_languages() {
        for reason in MessageReason::ALL {
            assert_eq!(MessageReason::parse(reason.as_str()), Some(reason));
            for language in Language::ALL {
                assert_ne!(language.text(reason.key()), reason.key());
            }
        }
        assert_eq!(MessageReason::parse("Firing"), None);
    }

    #[test]
    fn every_template_variable_exists_and_is_explained_in_both_languages() {
        let known = serde_json::to_value(Variables::default()).unwrap();
        let mut used = std::collections::BTreeSet::new();
        for name in MessageReason::ALL.into_iter().flat_map(MessageReason::variables) {
            assert!(known.get(name).is_some(), "{name}");
            let key = format!("templates-variable-{name}");
            for language in Language::ALL {
                assert_ne!(language.text(&key), key);
            }
            used.insert(*name);
        }
        assert_eq!(used.len(), known.as_object().unwrap().len(), "a variable is in no table");
    }

    #[test]
    fn a_duration_is_shown_in_its_two_largest_units() {
        let shown_duration = |seconds| format_duration(Language::English, seconds);
        assert_eq!(shown_duration(-5), "less than a minute");
        assert_eq!(shown_duration(59), "less than a minute");
        assert_eq!(shown_duration(60), "1 min");
        assert_eq!(shown_duration(7_500), "2 h 5 min");
        assert_eq!(shown_duration(7_200), "2 h");
        assert_eq!(shown_duration(86_400 + 59), "1 d");
        assert_eq!(shown_duration(90_000 + 300), "1 d 1 h");
        assert_eq!(format_duration(Language::Chinese, 7_500), "2 小时 5 分钟");
    }
}
