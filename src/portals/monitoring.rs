//! What monitoring systems post: Prometheus Alertmanager's webhook body, version 4, and Grafana Alerting's, which grew out of it.
//!
//! Sources: "Configuration: webhook_config" of the Prometheus documentation, "Configure webhook notifications" of Grafana's. Both
//! send groups: each alert of a group is an event of its own here, known by the fingerprint of its labels. Fields that are not
//! known are left alone, since newer versions add some.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::problem::Problem;
use crate::{
    alerts::{AlertFields, Incoming, LONGEST_CONTENT, LONGEST_LINK, LONGEST_TITLE, Severity, Signal, Source, is_https},
    language::Language,
    web::FieldErrors,
};

/// The version of the body that Alertmanager sends, and of Grafana's.
const ALERTMANAGER_VERSION: &str = "4";
const GRAFANA_VERSION: &str = "1";
/// The most alerts of one body: they are stored together, and everybody else who writes waits for them.
const MOST_ALERTS: usize = 2000;

/// Names by which alerts call what needs somebody at once, beyond our own word.
const CRITICAL: [&str; 8] = ["critical", "page", "error", "fatal", "emergency", "disaster", "high", "p1"];
/// Names for what is only good to know.
const INFO: [&str; 6] = ["info", "information", "informational", "none", "notice", "low"];

/// A posted body.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Body {
    version: String,
    /// firing as long as one alert of the group fires.
    #[serde(default)]
    status: String,
    #[serde(default)]
    alerts: Vec<Alert>,
    #[serde(default)]
    group_key: String,
    #[serde(default)]
    group_labels: BTreeMap<String, String>,
    /// How many alerts of the group the sender left out (`max_alerts`).
    #[serde(default)]
    truncated_alerts: u64,
    #[serde(default, rename = "externalURL")]
    external_url: String,
}

/// One alert of the group.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    fingerprint: String,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    #[serde(default, rename = "dashboardURL")]
    dashboard_url: String,
    #[serde(default, rename = "panelURL")]
    panel_url: String,
    #[serde(default)]
    value_string: String,
}

/// What a posted group says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its alerts, in their order.
    pub alerts: Vec<Incoming>,
    /// The event that stands for what the sender left out: it fires, or, when nothing was left out this time, it is over.
    pub left_out: Incoming,
}

impl Body {
    /// Reads what a monitoring system posted.
    ///
    /// # Errors
    /// [`Problem::Malformed`] when it is no such body, [`Problem::TooLarge`] when it holds too many alerts.
    pub fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let body: Self = serde_json::from_slice(bytes).map_err(|_| Problem::Malformed)?;
        if body.alerts.len() > MOST_ALERTS {
            return Err(Problem::TooLarge);
        }
        // A NUL is refused everywhere; Postgres cannot keep one.
        if body.texts().any(|text| text.contains('\0')) { Err(Problem::Malformed) } else { Ok(body) }
    }

    /// Everything that it says and that is kept.
    fn texts(&self) -> impl Iterator<Item = &String> {
        let own = self.group_labels.iter().flat_map(|(name, value)| [name, value]);
        let alerts = self.alerts.iter().flat_map(|alert| {
            let named = alert.labels.iter().chain(&alert.annotations).flat_map(|(name, value)| [name, value]);
            named.chain([&alert.value_string])
        });
        own.chain(alerts)
    }

    /// The alerts of this group. What the sender left out is said in this language, that of the tenant's messages.
    ///
    /// # Errors
    /// What cannot be taken, by the path of its field.
    pub fn check(&self, source: Source, language: Language) -> Result<Group, FieldErrors> {
        let version = if source == Source::Alertmanager { ALERTMANAGER_VERSION } else { GRAFANA_VERSION };
        if self.version != version {
            return Err(FieldErrors::one("version", "portals-monitoring-version"));
        }
        if self.alerts.is_empty() {
            return Err(FieldErrors::one("alerts", "form-required"));
        }
        let mut errors = FieldErrors::default();
        let mut alerts = Vec::with_capacity(self.alerts.len());
        for (index, alert) in self.alerts.iter().enumerate() {
            match alert.fields(&self.external_url).check(source, alert.labels.clone()) {
                Ok(alert) => alerts.push(alert),
                Err(faults) => {
                    for fault in faults.0 {
                        errors.add(format!("alerts[{index}].{}", fault.field), fault.key);
                    }
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Group { alerts, left_out: self.left_out(source, language)? })
    }

    fn left_out(&self, source: Source, language: Language) -> Result<Incoming, FieldErrors> {
        let group: Vec<String> = self.group_labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let count = i64::try_from(self.truncated_alerts).unwrap_or(i64::MAX);
        let fires = count > 0 && self.status == Signal::Firing.as_str();
        let signal = if fires { Signal::Firing } else { Signal::Resolved };
        let fields = AlertFields {
            title: language.count("portals-monitoring-left-out", count).into_owned(),
            content: cut_bytes(&group.join("\n"), LONGEST_CONTENT),
            status: signal.as_str().to_owned(),
            // A group's key may be longer than an event's.
            key: format!("left-out:{}", hex::encode(Sha256::digest(&self.group_key))),
            link: https(&[&self.external_url]),
            ..AlertFields::default()
        };
        fields.check(source, self.group_labels.clone())
    }
}

impl Alert {
    fn fields(&self, external_url: &str) -> AlertFields {
        let said = |names: &[&str]| names.iter().find_map(|name| self.annotations.get(*name));
        let titles = [said(&["summary"]), said(&["title"]), self.labels.get("alertname")];
        let title = titles.into_iter().flatten().map(|text| one_line(text)).find(|title| !title.is_empty());
        let content = said(&["description", "message"]).unwrap_or(&self.value_string);
        let runbook = self.annotations.get("runbook_url").map(String::as_str).unwrap_or_default();
        AlertFields {
            title: title.unwrap_or_else(|| "Alert".to_owned()),
            content: cut_bytes(content, LONGEST_CONTENT),
            severity: self.severity().as_str().to_owned(),
            status: if Signal::parse(&self.status).is_some() { self.status.clone() } else { "?".to_owned() },
            key: self.key(),
            receivers: Vec::new(),
            link: https(&[&self.panel_url, &self.dashboard_url, &self.generator_url, runbook, external_url]),
        }
    }

    /// The fingerprint of the alert's labels, or our own where the sender gives none.
    fn key(&self) -> String {
        let given = !self.fingerprint.is_empty() && self.fingerprint.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if given && self.fingerprint.len() <= 64 {
            return self.fingerprint.clone();
        }
        let mut digest = Sha256::new();
        for (name, value) in &self.labels {
            for text in [name, value] {
                digest.update(text.len().to_be_bytes());
                digest.update(text);
            }
        }
        hex::encode(digest.finalize())
    }

    /// How grave the label `severity` says it is; a warning where it says nothing that is known.
    fn severity(&self) -> Severity {
        let word = self.labels.get("severity").map(|word| word.to_ascii_lowercase()).unwrap_or_default();
        match word.as_str() {
            word if CRITICAL.contains(&word) => Severity::Critical,
            word if INFO.contains(&word) => Severity::Info,
            _ => Severity::Warning,
        }
    }
}

/// The first of these that may be linked to, or nothing.
fn https(links: &[&str]) -> String {
    let fits = |link: &&&str| is_https(link) && characters(link) <= LONGEST_LINK;
    links.iter().find(fits).map(|link| (*link).to_owned()).unwrap_or_default()
}

fn characters(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

/// A headline: one line, cut at its end when it is too long.
fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    if characters(text) <= LONGEST_TITLE {
        return text.to_owned();
    }
    let kept = usize::try_from(LONGEST_TITLE - 1).unwrap_or(usize::MAX);
    text.chars().take(kept).chain(['…']).collect()
}

/// A text of at most so many bytes, cut between characters.
fn cut_bytes(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most - '…'.len_utf8()).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn group(alerts: serde_json::Value) -> Body {
        serde_json::from_value(
            json!({ "version": "4", "groupKey": "{}:{}", "externalURL": "http://am.example", "alerts": alerts }),
        )
        .unwrap()
    }

    #[test]
    fn an_alert_is_known_by_its_fingerprint_and_as_grave_as_its_label_says() {
        let posted = group(json!([
            { "status": "firing", "fingerprint": "c6eadffa33fcdf37", "labels": { "alertname": "Disk", "severity": "page" },
              "annotations": { "summary": "Disk full", "description": "95 %\nof it" }, "generatorURL": "https://prom.example/graph" },
            { "status": "resolved", "labels": { "alertname": "Disk" } },
        ]));
        let posted = posted.check(Source::Alertmanager, Language::English).unwrap();
        let first = &posted.alerts[0];
        assert_eq!(
            (first.key.as_str(), first.title.as_str(), first.severity),
            ("c6eadffa33fcdf37", "Disk full", Severity::Critical)
        );
        assert_eq!((first.content.as_str(), first.link.as_str()), ("95 %\nof it", "https://prom.example/graph"));
        let second = &posted.alerts[1];
        assert_eq!((second.signal, second.title.as_str(), second.key.len()), (Signal::Resolved, "Disk", 64));
        assert_eq!(posted.left_out.signal, Signal::Resolved);
    }

    #[test]
    fn what_the_sender_left_out_is_an_event_of_its_own() {
        let mut group = group(json!([{ "status": "firing", "labels": { "alertname": "Disk" } }]));
        group.truncated_alerts = 7;
        group.status = "firing".to_owned();
        let posted = group.check(Source::Alertmanager, Language::English).unwrap();
        let over = Body { status: "resolved".to_owned(), ..group.clone() };
        assert_eq!(over.check(Source::Alertmanager, Language::English).unwrap().left_out.signal, Signal::Resolved);
        let (signal, title) = (posted.left_out.signal, posted.left_out.title);
        assert_eq!(
            (signal, title.as_str()),
            (Signal::Firing, "7 more alerts of this group were left out by their sender")
        );
    }

    #[test]
    fn another_version_an_empty_group_and_an_unknown_status_are_refused_by_name() {
        let fields = |group: Body| {
            group
                .check(Source::Alertmanager, Language::English)
                .unwrap_err()
                .0
                .into_iter()
                .map(|e| e.field.into_owned())
                .collect::<Vec<_>>()
        };
        let newer = Body { version: "5".into(), ..group(json!([{ "status": "firing" }])) };
        assert_eq!(fields(newer), ["version"]);
        assert_eq!(fields(group(json!([]))), ["alerts"]);
        assert_eq!(fields(group(json!([{ "status": "firing" }, { "status": "maybe" }]))), ["alerts[1].status"]);
    }

    #[test]
    fn a_link_with_a_password_and_a_summary_of_control_characters_lose_no_alert() {
        let posted = group(json!([{
            "status": "firing", "labels": { "alertname": "Disk" }, "annotations": { "summary": "\u{1}\n" },
            "generatorURL": "https://user:secret@prom.example/graph",
        }]));
        let posted = posted.check(Source::Alertmanager, Language::English).unwrap();
        assert_eq!((posted.alerts[0].title.as_str(), posted.alerts[0].link.as_str()), ("Disk", ""));
    }

    #[test]
    fn a_nul_is_refused_and_a_backslash_before_such_an_escape_is_not() {
        let body =
            |value: &str| format!(r#"{{"version":"4","alerts":[{{"status":"firing","labels":{{"a":"{value}"}}}}]}}"#);
        assert!(matches!(Body::read(body("\\u0000").as_bytes()), Err(Problem::Malformed)));
        assert!(Body::read(body("\\\\u0000").as_bytes()).is_ok());
    }

    fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[a-z_]{0,12}", "\\PC{0,300}", 0..6)
    }

    proptest! {
        #[test]
        fn whatever_labels_and_annotations_say_the_alert_is_taken(
            labels in labels(), annotations in labels(), summary in any::<String>(), url in any::<String>(), resolved in any::<bool>()
        ) {
            let mut annotations = annotations;
            annotations.insert("summary".into(), summary.replace('\0', ""));
            let status = if resolved { "resolved" } else { "firing" };
            let group = group(json!([{ "status": status, "labels": labels, "annotations": annotations, "generatorURL": url }]));
            let posted = group.check(Source::Alertmanager, Language::English);
            prop_assert!(posted.is_ok(), "{:?}", posted);
            prop_assert!(characters(&posted.unwrap().alerts[0].title) <= LONGEST_TITLE);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            if let Ok(group) = serde_json::from_slice::<Body>(&bytes) {
                drop(group.check(Source::Grafana, Language::English));
            }
        }
    }
}
