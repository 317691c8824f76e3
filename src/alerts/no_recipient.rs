//! Why an alert notifies nobody, in words for whoever sent it.

use super::{
    ingest::RuleEvaluation,
    routing::{Routing, Verdict},
};
use crate::{
    delivery::{DeliveryReason, reason_key},
    language::Language,
    text::isolated,
};

/// The most names that one sentence lists.
const MAX_NAMES_SHOWN: usize = 10;

/// Why an alert notifies nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoRecipientReason {
    /// No alert rule matches it.
    NoMatchingRule,
    /// Rules match it, and have notified of its event a short while ago or as often as they may.
    Throttled(Vec<String>),
    /// Its event is muted.
    Muted,
    /// Nobody who was chosen can be reached: each with the reason.
    Unreachable(Vec<(String, DeliveryReason)>),
    /// It resolves an event that is not open.
    NotOpen,
}

impl NoRecipientReason {
    /// Why a firing notifies nobody; nothing when it notifies somebody.
    #[must_use]
    pub(super) fn for_firing(is_muted: bool, evaluations: &[RuleEvaluation], routing: &Routing) -> Option<Self> {
        if !routing.deliveries.is_empty() {
            return None;
        }
        let throttled = evaluations
            .iter()
            .filter(|evaluation| matches!(evaluation.verdict, Verdict::Throttled(_) | Verdict::LimitReached));
        let throttled: Vec<String> = throttled.map(|evaluation| evaluation.name.clone()).collect();
        Some(match () {
            () if is_muted => Self::Muted,
            () if !routing.undeliverables.is_empty() => Self::Unreachable(
                routing
                    .undeliverables
                    .iter()
                    .map(|undeliverable| (undeliverable.name.clone(), undeliverable.reason))
                    .collect(),
            ),
            () if !throttled.is_empty() => Self::Throttled(throttled),
            () => Self::NoMatchingRule,
        })
    }

    /// The sentence that says so.
    #[must_use]
    pub fn describe(&self, language: Language) -> String {
        let listed = |names: Vec<String>| {
            let more = names.len().saturating_sub(MAX_NAMES_SHOWN);
            let mut shown = names.into_iter().take(MAX_NAMES_SHOWN).collect::<Vec<_>>().join("; ");
            if more > 0 {
                shown.push_str("; …");
            }
            shown
        };
        match self {
            Self::NoMatchingRule => language.text("alerts-unheard-no-rule").into_owned(),
            Self::Muted => language.text("alerts-unheard-muted").into_owned(),
            Self::NotOpen => language.text("alerts-unheard-not-open").into_owned(),
            Self::Throttled(rules) => language
                .text_with(
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
                language.text_with("alerts-unheard-unreachable", &[("people", &people)]).into_owned()
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
            NoRecipientReason::NoMatchingRule,
            NoRecipientReason::Muted,
            NoRecipientReason::NotOpen,
            NoRecipientReason::Throttled(many),
            NoRecipientReason::Unreachable(vec![("dan".to_owned(), DeliveryReason::MemberDisabled)]),
        ];
        for language in Language::ALL {
            for reason in &reasons {
                let sentence = reason.describe(language);
                assert!(sentence.ends_with(['.', '。']) && !sentence.contains("alerts-"), "{sentence}");
            }
            assert!(reasons[3].describe(language).contains("rule 9; …"));
            assert!(reasons[4].describe(language).contains("dan: "));
        }
    }
}
