//! How the record names the states and reasons of a delivery.

use crate::{
    db::{AlertId, MemberId},
    delivery::{DeliveryReason, DeliveryState},
};

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

/// Who looks at a delivery, and whom it was for.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryViewer {
    /// The member who looks, if he is one.
    pub viewer: Option<MemberId>,
    /// Whether he administers the tenant.
    pub is_administrator: bool,
    /// The member it was for.
    pub recipient: Option<MemberId>,
    /// The alert event it tells of.
    pub alert: Option<AlertId>,
}

impl DeliveryViewer {
    /// Whether it was for whoever looks.
    #[must_use]
    pub fn is_own(self) -> bool {
        self.recipient.is_some() && self.recipient == self.viewer
    }

    /// The page where the cause that a reason names can be removed, and the key of what it is called; nothing when there is
    /// none, or it is not for this viewer. `base` is the path of the tenant's pages.
    #[must_use]
    pub fn remedy_link(self, reason: &str, base: &str) -> Option<(&'static str, String)> {
        let for_administrators = |key, page: &str| self.is_administrator.then(|| (key, format!("{base}{page}")));
        match reason {
            "channel-off" => for_administrators("channels-title", "/settings/message-channel"),
            "group-off" => for_administrators("groups-title", "/groups"),
            "nobody-on-duty" => for_administrators("schedules-title", "/schedules"),
            "left-tenant" | "no-such-member" => for_administrators("nav-members", "/members"),
            "quiet-hours" => self.alert.map(|alert| ("deliveries-alert", format!("{base}/alerts/{alert}"))),
            "no-contact" | "given-up" | "sealed" | "test-too-fast" | "test-passing" => self.contact_link(base),
            "member-disabled" if !self.is_own() => self.contact_link(base),
            broken if broken.starts_with("broken-") => self.contact_link(base),
            _ => None,
        }
    }

    /// Where the recipient's robots are saved and tested.
    fn contact_link(self, base: &str) -> Option<(&'static str, String)> {
        match self.recipient {
            Some(_) if self.is_own() => Some(("nav-me", format!("{base}/me"))),
            Some(member) if self.is_administrator => {
                Some(("members-edit-account", format!("{base}/members/{member}/edit")))
            }
            _ => None,
        }
    }
}

/// The reasons that a row can have, for a choice among them: the first sentence of each text is its name.
pub fn selectable_reasons() -> impl Iterator<Item = DeliveryReason> {
    DeliveryReason::all().filter(|reason| *reason != DeliveryReason::Robot(crate::robots::Meaning::Delivered))
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
    fn reasons_differ_in_their_first_sentences() {
        for language in Language::ALL {
            let texts: Vec<_> = selectable_reasons().map(|reason| language.text(reason.key())).collect();
            let mut names: Vec<&str> = texts.iter().map(|text| first_sentence(text)).collect();
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all, "{names:?}");
        }
    }
}
