//! The words of the audit log: what can be done, and what changed by it.

use serde::{Deserialize, Serialize};

use crate::access::Role;

/// Every word for what can be done; the key of its text is `audit-action-` and the word.
pub const ACTIONS: &[&str] = &[
    "log-in",
    "log-in-failed",
    "log-in-locked",
    "log-out",
    "password-changed",
    "password-change-failed",
    "session-ended",
    "session-end-failed",
    "member-added",
    "member-invited",
    "member-suspended",
    "invitation-accepted",
    "invitation-declined",
    "member-edited",
    "member-disabled",
    "member-reinstated",
    "member-removed",
    "member-sessions-ended",
    "member-code-renewed",
    "test-sent",
    "verification-sent",
    "contact-verified",
    "channels-changed",
    "tenant-added",
    "tenant-edited",
    "tenant-deleted",
    "tenant-restored",
    "super-administrator-named",
    "log-in-settings-changed",
    "retention-changed",
    "portal-added",
    "portal-edited",
    "portal-rotated",
    "portal-overlap-ended",
    "portal-revoked",
    "alert-fired",
    "alert-quieted",
    "alert-disturbed",
    "alert-finished",
    "deliveries-resent",
    "template-changed",
    "template-reset",
    "message-language-changed",
    "group-added",
    "group-edited",
    "group-enabled",
    "group-disabled",
    "group-deleted",
    "schedule-added",
    "schedule-edited",
    "schedule-deleted",
    "rule-added",
    "rule-edited",
    "rule-enabled",
    "rule-disabled",
    "rule-deleted",
];

/// The fields whose values are `on` and `off`.
const SWITCHES: &[&str] = &[
    "channel-dingtalk",
    "channel-lark",
    "channel-wecom",
    "role-super-administrator",
    "role-system-administrator",
    "role-member",
];

/// One value that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key of the field's label.
    pub field: String,
    /// What it was.
    pub before: String,
    /// What it is now.
    pub after: String,
}

impl Change {
    /// The change of a field, when there is one.
    #[must_use]
    pub fn between(field: &str, before: &str, after: &str) -> Option<Self> {
        (before != after).then(|| Self { field: field.to_owned(), before: before.to_owned(), after: after.to_owned() })
    }

    /// The change of a field whose values are not written down: they are secret, or too long.
    #[must_use]
    pub fn unsaid(field: &str) -> Self {
        Self { field: field.to_owned(), before: String::new(), after: String::new() }
    }

    /// Whether the values are not written down: the row says only that they changed.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        self.before.is_empty() && self.after.is_empty()
    }

    /// The key of the text for a value of this field that is a word of the program; nothing for what people typed.
    #[must_use]
    pub fn word_key(&self, value: &str) -> Option<&'static str> {
        match (self.field.as_str(), value) {
            ("portals-save-members" | "portals-fire-alerts", "on") => Some("yes"),
            ("portals-save-members" | "portals-fire-alerts", "off") => Some("no"),
            ("rules-is-on", "on") => Some("rules-on"),
            ("rules-is-on", "off") => Some("rules-off"),
            (field, "on") if SWITCHES.contains(&field) => Some("channels-on"),
            (field, "off") if SWITCHES.contains(&field) => Some("channels-off"),
            ("channels-settings", "system") => Some("channels-system-default"),
            ("channels-settings", "custom") => Some("channels-tenant-custom"),
            ("channel-dingtalk" | "channel-lark" | "channel-wecom", "unverified") => Some("members-contact-unverified"),
            ("channel-dingtalk" | "channel-lark" | "channel-wecom", "verified") => Some("members-contact-verified"),
            ("members-may-fire", "yes") => Some("yes"),
            ("members-may-fire", "no") => Some("no"),
            ("schedules-unit", "day") => Some("schedules-unit-day"),
            ("schedules-unit", "week") => Some("schedules-unit-week"),
            ("schedules-unit", "month") => Some("schedules-unit-month"),
            ("members-role", word) => Role::parse(word).map(Role::key),
            ("rules-severity", "info") => Some("alerts-severity-info"),
            ("rules-severity", "warning") => Some("alerts-severity-warning"),
            ("rules-severity", "critical") => Some("alerts-severity-critical"),
            ("rules-source", "any") => Some("rules-any-source"),
            ("rules-source", "form") => Some("alerts-source-form"),
            ("rules-source", "portal") => Some("alerts-source-portal"),
            ("rules-source", "alertmanager") => Some("alerts-source-alertmanager"),
            ("rules-source", "grafana") => Some("alerts-source-grafana"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    #[test]
    fn every_action_has_a_text_in_both_languages() {
        for action in ACTIONS {
            let key = format!("audit-action-{action}");
            for language in Language::ALL {
                assert_ne!(language.text(&key), key, "in {}", language.tag());
            }
        }
    }

    #[test]
    fn words_of_the_program_are_translated_and_what_people_typed_is_not() {
        let change = |field: &str| Change { field: field.to_owned(), before: String::new(), after: String::new() };
        assert_eq!(change("members-role").word_key("member"), Some("role-member"));
        assert_eq!(change("channel-lark").word_key("on"), Some("channels-on"));
        assert_eq!(change("channels-settings").word_key("custom"), Some("channels-tenant-custom"));
        assert_eq!(change("rules-is-on").word_key("off"), Some("rules-off"));
        assert_eq!(change("rules-severity").word_key("critical"), Some("alerts-severity-critical"));
        assert_eq!(change("rules-name").word_key("critical"), None);
        assert_eq!(change("tenants-name").word_key("member"), None);
        assert_eq!(change("tenants-name").word_key("on"), None);
    }
}
