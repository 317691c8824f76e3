//! How the record names the states and reasons of a delivery.

use crate::courier::{DeliveryState, Reason};

/// The key of a state's name on pages.
#[must_use]
pub const fn state_key(state: &DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting => "deliveries-waiting",
        DeliveryState::Sending => "deliveries-sending",
        DeliveryState::Success => "deliveries-success",
        DeliveryState::Failed => "deliveries-failed",
    }
}

/// How a state looks: the class of its badge in the stylesheet.
#[must_use]
pub const fn state_badge(state: &DeliveryState) -> &'static str {
    match state {
        DeliveryState::Waiting | DeliveryState::Sending => "wait",
        DeliveryState::Success => "good",
        DeliveryState::Failed => "bad",
    }
}

/// The reasons that a row can have, for a choice among them: the first sentence of each text is its name.
pub fn reasons() -> impl Iterator<Item = Reason> {
    Reason::all().filter(|reason| *reason != Reason::Robot(crate::robots::Meaning::Delivered))
}

/// The first sentence of a reason's text: what happened, without what to do.
#[must_use]
pub fn first_sentence(text: &str) -> &str {
    let end = text.match_indices(['.', '。']).find(|(place, stop)| {
        let rest = text.get(place + stop.len()..).unwrap_or_default();
        *stop == "。" || rest.is_empty() || rest.starts_with(' ')
    });
    end.and_then(|(place, _)| text.get(..place)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    #[test]
    fn the_first_sentence_ends_at_a_full_stop_and_not_inside_a_name() {
        assert_eq!(first_sentence("No answer from a.example in time. Try again."), "No answer from a.example in time");
        assert_eq!(first_sentence("该渠道已关闭。管理员可开启。"), "该渠道已关闭");
        assert_eq!(first_sentence("no stop"), "no stop");
    }

    #[test]
    fn reasons_are_told_apart_by_their_first_sentences() {
        for language in Language::ALL {
            let texts: Vec<_> = reasons().map(|reason| language.text(reason.key())).collect();
            let mut names: Vec<&str> = texts.iter().map(|text| first_sentence(text)).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{names:?}");
        }
    }
}
