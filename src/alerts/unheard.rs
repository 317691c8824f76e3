//! Why an alert notifies nobody, in words for whoever sent it.

use super::{
    choose::{Choice, Verdict},
    take::Asked,
};
use crate::{
    delivery::{DeliveryReason, reason_key},
    language::Language,
    text::isolated,
};

/// The most names that one sentence lists.
const MOST_NAMES: usize = 10;

/// Why an alert notifies nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// No alert rule matches it.
    NoRule,
    /// Rules match it, and have notified of its event a short while ago or as often as they may.
    Throttled(Vec<String>),
    /// Its event is muted.
    Muted,
    /// Nobody who was chosen can be reached: each with the reason.
    Unreachable(Vec<(String, DeliveryReason)>),
    /// It resolves an event that is not open.
    NotOpen,
}

impl Unheard {
    /// Why a firing notifies nobody; nothing when it notifies somebody.
    #[must_use]
    pub(super) fn of(is_muted: bool, asked: &[Asked], choice: &Choice) -> Option<Self> {
        if !choice.calls.is_empty() {
            return None;
        }
        let throttled = asked.iter().filter(|asked| matches!(asked.verdict, Verdict::CoolsDown(_) | Verdict::Enough));
        let throttled: Vec<String> = throttled.map(|asked| asked.name.clone()).collect();
        Some(match () {
            () if is_muted => Self::Muted,
            () if !choice.misses.is_empty() => {
                Self::Unreachable(choice.misses.iter().map(|miss| (miss.name.clone(), miss.reason)).collect())
            }
            () if !throttled.is_empty() => Self::Throttled(throttled),
            () => Self::NoRule,
        })
    }

    /// The sentence that says so.
    #[must_use]
    pub fn sentence(&self, language: Language) -> String {
        let listed = |names: Vec<String>| {
            let more = names.len().saturating_sub(MOST_NAMES);
            let mut shown = names.into_iter().take(MOST_NAMES).collect::<Vec<_>>().join("; ");
            if more > 0 {
                shown.push_str("; …");
            }
            shown
        };
        match self {
            Self::NoRule => language.text("alerts-unheard-no-rule").into_owned(),
            Self::Muted => language.text("alerts-unheard-muted").into_owned(),
            Self::NotOpen => language.text("alerts-unheard-not-open").into_owned(),
            Self::Throttled(rules) => language
                .with(
                    "alerts-unheard-throttled",
                    &[("rules", &listed(rules.iter().map(|rule| isolated(rule).into_owned()).collect()))],
                )
                .into_owned(),
            Self::Unreachable(people) => {
                let why = |(name, reason): &(String, DeliveryReason)| {
                    format!(
                        "{}: {}",
                        isolated(name),
                        language.text(reason_key(reason.as_str())).trim_end_matches(['.', '。'])
                    )
                };
                let people = listed(people.iter().map(why).collect());
                language.with("alerts-unheard-unreachable", &[("people", &people)]).into_owned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_a_sentence_in_both_languages() {
        let many = (0..12).map(|number| format!("rule {number}")).collect();
        let reasons = [
            Unheard::NoRule,
            Unheard::Muted,
            Unheard::NotOpen,
            Unheard::Throttled(many),
            Unheard::Unreachable(vec![("dan".to_owned(), DeliveryReason::MemberDisabled)]),
        ];
        for language in Language::ALL {
            for reason in &reasons {
                let sentence = reason.sentence(language);
                assert!(sentence.ends_with(['.', '。']) && !sentence.contains("alerts-"), "{sentence}");
            }
            assert!(reasons[3].sentence(language).contains("rule 9; …"));
            assert!(reasons[4].sentence(language).contains("dan: "));
        }
    }
}
