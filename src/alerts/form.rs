//! The fields of an alert, the same for the page Fire Alert, for internal portals and for monitoring systems.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use url::Url;
use validator::Validate;

use super::model::{Incoming, Severity, Signal, Source};
use crate::{
    accounts::Username,
    robots::trim_pasted,
    web::{FieldErrors, filled, one_line, validated},
};

/// The longest headline, in characters.
pub const LONGEST_TITLE: u64 = 128;
/// The longest content, in bytes.
pub const LONGEST_CONTENT: usize = 16 * 1024;
/// The longest link, in characters.
pub const LONGEST_LINK: u64 = 2048;
/// The most people an alert names.
const MOST_RECEIVERS: usize = 1000;

/// An alert as it is typed or posted.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(default)]
pub struct AlertFields {
    /// The headline.
    #[validate(length(max = LONGEST_TITLE, code = "form-too-long"), custom(function = "filled"), custom(function = "one_line"))]
    pub title: String,
    /// More about it.
    pub content: String,
    /// critical, warning or info; warning when empty.
    pub severity: String,
    /// firing or resolved; firing when empty.
    pub status: String,
    /// What makes two firings the same event; the title when empty.
    #[validate(length(max = 255, code = "form-too-long"), custom(function = "one_line"))]
    pub key: String,
    /// Usernames, with commas or line ends between them, and repeatable.
    pub receivers: Vec<String>,
    /// A page about it.
    #[validate(length(max = LONGEST_LINK, code = "form-too-long"))]
    pub link: String,
}

impl AlertFields {
    /// The alert.
    ///
    /// # Errors
    /// Every mistake, beside its field.
    pub fn check(&self, source: Source, labels: BTreeMap<String, String>) -> Result<Incoming, FieldErrors> {
        let mut errors = validated(self).err().unwrap_or_default();
        if self.content.len() > LONGEST_CONTENT {
            errors.add("content", "alerts-content-too-long");
        }
        let severity = word(&self.severity, Severity::Warning, Severity::parse);
        if severity.is_none() {
            errors.add("severity", "form-choose");
        }
        let signal = word(&self.status, Signal::Firing, Signal::parse);
        if signal.is_none() {
            errors.add("status", "form-choose");
        }
        let link = trim_pasted(&self.link);
        if !link.is_empty() && !is_https(link) {
            errors.add("link", "alerts-link-rule");
        }
        let receivers = usernames(&self.receivers);
        if receivers.is_none() {
            errors.add("receivers", "alerts-receivers-rule");
        }
        match (severity, signal, receivers) {
            (Some(severity), Some(signal), Some(receivers)) if errors.is_empty() => {
                let title = self.title.trim().to_owned();
                let key = if self.key.is_empty() { title.clone() } else { self.key.clone() };
                let (content, link) = (self.content.replace("\r\n", "\n"), link.to_owned());
                Ok(Incoming { source, signal, key, title, content, severity, link, labels, receivers })
            }
            _ => Err(errors),
        }
    }
}

/// Everybody who is named, once each; nothing when one of them cannot be a username, or there are too many.
pub(super) fn usernames<'t>(fields: impl IntoIterator<Item = &'t String>) -> Option<Vec<Username>> {
    let names = fields.into_iter().flat_map(|field| field.split([',', '，', '\n', '\r']));
    let names = names.map(str::trim).filter(|name| !name.is_empty());
    let (mut usernames, mut known) = (Vec::new(), HashSet::new());
    for name in names {
        let username = Username::parse(name).ok()?;
        if known.insert(username.key()) {
            usernames.push(username);
        }
    }
    (usernames.len() <= MOST_RECEIVERS).then_some(usernames)
}

/// What a word means; the default when there is none.
pub(super) fn word<T>(text: &str, default: T, parse: fn(&str) -> Option<T>) -> Option<T> {
    if text.is_empty() { Some(default) } else { parse(text) }
}

/// Whether a link may stand in a message: https, with a host, without a password in it.
pub fn is_https(link: &str) -> bool {
    Url::parse(link).is_ok_and(|url| url.scheme() == "https" && url.host().is_some() && url.username().is_empty())
        && !link.chars().any(|c| c.is_whitespace() || c.is_control())
}
