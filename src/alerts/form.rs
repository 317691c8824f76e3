//! The fields of an alert, the same for the page Fire Alert, for internal portals and for monitoring systems.

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;
use url::Url;
use validator::Validate;

use super::model::{IncomingAlert, Severity, Signal, Source};
use crate::{
    accounts::Username,
    text::{self, is_invisible, trim_invisible},
    web::{FieldErrors, not_blank, single_line, validate_form},
};

/// The longest headline, in characters.
pub const MAX_TITLE_CHARS: u64 = 128;
/// The longest content, in bytes.
pub const MAX_CONTENT_BYTES: usize = 16 * 1024;
/// The longest link, in characters.
pub const MAX_LINK_CHARS: u64 = 2048;
/// The most people an alert names.
const MAX_RECEIVERS: usize = 1000;

/// An alert as it is typed or posted.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(default)]
pub struct AlertFields {
    /// The headline.
    #[validate(length(max = MAX_TITLE_CHARS, code = "form-too-long"), custom(function = "not_blank"), custom(function = "single_line"))]
    pub title: String,
    /// More about it.
    pub content: String,
    /// critical, warning or info; warning when empty.
    pub severity: String,
    /// firing or resolved; firing when empty.
    pub status: String,
    /// What makes two firings the same event; the title when empty.
    #[validate(length(max = 255, code = "form-too-long"), custom(function = "single_line"))]
    pub key: String,
    /// Usernames, with commas or line ends between them, and repeatable.
    pub receivers: Vec<String>,
    /// A page about it.
    pub link: String,
}

impl AlertFields {
    /// The alert.
    ///
    /// # Errors
    /// Every mistake, beside its field.
    pub fn check(&self, source: Source, labels: BTreeMap<String, String>) -> Result<IncomingAlert, FieldErrors> {
        let mut errors = validate_form(self).err().unwrap_or_default();
        if self.content.len() > MAX_CONTENT_BYTES {
            errors.add("content", "alerts-content-too-long");
        }
        let severity = parse_or_default(&self.severity, Severity::Warning, Severity::parse);
        if severity.is_none() {
            errors.add("severity", "form-choose");
        }
        let signal = parse_or_default(&self.status, Signal::Firing, Signal::parse);
        if signal.is_none() {
            errors.add("status", "form-choose");
        }
        let link = trim_invisible(&self.link);
        if let Some(fault) = link_error(link) {
            errors.add("link", fault);
        }
        let receivers = parse_usernames("receivers", &self.receivers, &mut errors);
        match (severity, signal, receivers) {
            (Some(severity), Some(signal), Some(receivers)) if errors.is_empty() => {
                let firing = IncomingAlert::firing(source, severity, self.title.trim().to_owned(), labels);
                let key =
                    if text::is_blank(&self.key) { firing.key.clone() } else { trim_invisible(&self.key).to_owned() };
                let (content, link) = (self.content.replace("\r\n", "\n"), link.to_owned());
                Ok(IncomingAlert { signal, key, content, link, receivers, ..firing })
            }
            _ => Err(errors),
        }
    }
}

impl AlertFields {
    /// The people it names, as far as they can be read.
    #[must_use]
    pub fn readable_receivers(&self) -> Vec<Username> {
        readable_usernames(&self.receivers)
    }

    /// The key of the event that it resolves; nothing when it resolves none, or none can be read.
    #[must_use]
    pub fn resolved_key(&self) -> Option<&str> {
        let key = if text::is_blank(&self.key) { self.title.trim() } else { trim_invisible(&self.key) };
        Some(key).filter(|key| Signal::parse(&self.status) == Some(Signal::Resolved) && !key.is_empty())
    }
}

/// How many names an error repeats.
const MAX_NAMES_IN_ERROR: usize = 10;

/// Everybody who is named in a field, once each; nothing, and a mistake that names them, when some cannot be usernames or there are too
/// many.
pub(super) fn parse_usernames<'t>(
    field: &'static str,
    typed: impl IntoIterator<Item = &'t String>,
    errors: &mut FieldErrors,
) -> Option<Vec<Username>> {
    let (usernames, wrong) = split_usernames(typed);
    if !wrong.is_empty() {
        let shown: Vec<String> =
            wrong.iter().take(MAX_NAMES_IN_ERROR).map(|name| name.chars().take(64).collect()).collect();
        let mut shown = shown.join(", ");
        if wrong.len() > MAX_NAMES_IN_ERROR {
            shown.push_str(", …");
        }
        errors.add_with_variable(field, "alerts-receivers-not-usernames", "names", shown);
        return None;
    }
    if usernames.len() > MAX_RECEIVERS {
        errors.add(field, "alerts-receivers-rule");
        return None;
    }
    Some(usernames)
}

/// The usernames in a field, once each, and what stands there and cannot be one.
fn split_usernames<'t>(typed: impl IntoIterator<Item = &'t String>) -> (Vec<Username>, Vec<&'t str>) {
    let names = typed.into_iter().flat_map(|text| text.split([',', '，', '\n', '\r']));
    let names = names.map(trim_invisible).filter(|name| !name.is_empty());
    let (mut usernames, mut known, mut wrong) = (Vec::new(), HashSet::new(), Vec::new());
    for name in names {
        match Username::parse(name) {
            Ok(username) if known.insert(username.key()) => usernames.push(username),
            Ok(_) => {}
            Err(_) => wrong.push(name),
        }
    }
    (usernames, wrong)
}

/// The usernames in a field that can be looked up, whatever else is wrong with it.
pub(super) fn readable_usernames<'t>(typed: impl IntoIterator<Item = &'t String>) -> Vec<Username> {
    let (mut usernames, _) = split_usernames(typed);
    usernames.truncate(MAX_RECEIVERS);
    usernames
}

/// What a word means; the default when there is none.
pub(super) fn parse_or_default<T>(text: &str, default: T, parse: fn(&str) -> Option<T>) -> Option<T> {
    if text.is_empty() { Some(default) } else { parse(text) }
}

/// Why a link cannot be kept: the key of the text. An empty link is none.
#[must_use]
pub fn link_error(link: &str) -> Option<&'static str> {
    if link.is_empty() {
        return None;
    }
    // Clients drop invisible characters from a link, and a browser reads `http:x` as a relative path.
    if link.chars().any(|c| c.is_whitespace() || c.is_control() || is_invisible(c)) || !names_a_host(link) {
        return Some("alerts-link-rule");
    }
    match Url::parse(link) {
        Ok(url) if !matches!(url.scheme(), "http" | "https") => Some("alerts-link-scheme"),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => Some("alerts-link-password"),
        Ok(_) if u64::try_from(link.chars().count()).is_ok_and(|length| length > MAX_LINK_CHARS) => {
            Some("alerts-link-long")
        }
        Ok(url) if url.host().is_some() => None,
        _ => Some("alerts-link-rule"),
    }
}

/// Whether a host follows the scheme, which parsers supply otherwise; of another scheme than http it need not.
fn names_a_host(link: &str) -> bool {
    let Some((scheme, rest)) = link.split_once(':') else { return false };
    let is_web = ["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    !is_web || rest.strip_prefix("//").is_some_and(|host| !host.starts_with(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_split_and_invalid_ones_are_listed_in_the_error() {
        let read = |typed: &str| {
            let mut errors = FieldErrors::default();
            let names = parse_usernames("receivers", &[typed.to_owned()], &mut errors);
            let names =
                names.map(|names| names.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join(" "));
            (
                names,
                errors
                    .for_field("receivers")
                    .map(|error| error.variables.first().map(|(_, text)| text.clone()).unwrap_or_default()),
            )
        };
        for (typed, names) in [
            ("", ""),
            (" , ,\n", ""),
            ("li", "li"),
            ("li,wu", "li wu"),
            ("li，wu\r\nwang", "li wu wang"),
            ("LI, li", "LI"),
            ("\u{feff}li\u{200b}, wu\u{a0}", "li wu"),
        ] {
            assert_eq!(read(typed), (Some(names.to_owned()), None), "{typed:?}");
        }
        for (typed, wrong) in [
            ("li wu", "li wu"),
            ("li; wu, ok", "li; wu"),
            ("李娜, li, 王伟", "李娜, 王伟"),
            ("li、wu", "li、wu"),
            ("li<li@corp.example>", "li<li@corp.example>"),
            ("a/b, c", "a/b"),
            ("li\u{200b}wu", "li\u{200b}wu"),
        ] {
            assert_eq!(read(typed), (None, Some(wrong.to_owned())), "{typed:?}");
        }
        let many: Vec<String> = (0..12).map(|number| format!("a {number}")).collect();
        assert!(read(&many.join(",")).1.is_some_and(|names| names.ends_with("a 9, …")));
    }

    #[test]
    fn a_link_leads_to_the_web_and_holds_no_password() {
        for kept in [
            "",
            "https://g.example/d/1?x=%E5%91%8A#part",
            "http://grafana.corp/d/1",
            "http://10.0.0.1:3000/",
            "http://[::1]:3000/",
            "HTTP://GRAFANA/d",
            "https://例子.example/磁盘",
            "https://g.example/a@b",
            "http://localhost",
            "https://g.example/?q=a:b@c",
        ] {
            assert_eq!(link_error(kept), None, "{kept}");
        }
        for (refused, why) in [
            ("javascript:alert(1)", "alerts-link-scheme"),
            ("data:text/html,x", "alerts-link-scheme"),
            ("ftp://g.example/", "alerts-link-scheme"),
            ("http:x", "alerts-link-rule"),
            ("https:g.example/d", "alerts-link-rule"),
            ("http:///g.example", "alerts-link-rule"),
            ("http:\\\\g.example", "alerts-link-rule"),
            ("http://g.example/\u{202e}y", "alerts-link-rule"),
            ("http://g.example/\u{200b}", "alerts-link-rule"),
            ("file:///etc/passwd", "alerts-link-scheme"),
            ("mailto:a@b.example", "alerts-link-scheme"),
            ("https://user@g.example/", "alerts-link-password"),
            ("https://user:secret@g.example/", "alerts-link-password"),
            ("https://:secret@g.example/", "alerts-link-password"),
            ("http://user:@g.example/", "alerts-link-password"),
            ("grafana.corp/d/1", "alerts-link-rule"),
            ("/d/1", "alerts-link-rule"),
            ("https://", "alerts-link-rule"),
            ("https://g.example/ x", "alerts-link-rule"),
            ("https://g.example/\n", "alerts-link-rule"),
            (&format!("https://g.example/{}", "a".repeat(2048)), "alerts-link-long"),
        ] {
            assert_eq!(link_error(refused), Some(why), "{refused}");
        }
    }
}
