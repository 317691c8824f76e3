//! What monitoring systems post: Prometheus Alertmanager's webhook body, version 4, and Grafana Alerting's, which grew out of it.
//!
//! Sources: "Configuration: webhook_config" of the Prometheus documentation, "Configure webhook notifications" of Grafana's. Both
//! send groups: each alert of a group is an event of its own here, known by the fingerprint of its labels. Fields that are not
//! known are left alone, since newer versions add some.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike as _};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

use super::{
    json::{self, Reader},
    problem::{Problem, Unreadable},
};
use crate::{
    alerts::{
        AlertFields, IncomingAlert, MAX_CONTENT_BYTES, MAX_TITLE_CHARS, Severity, Signal, Source, link_error,
        parse_severity_alias,
    },
    language::Language,
    text,
    web::FieldErrors,
};

/// The version of the body that Alertmanager sends, and of Grafana's.
const ALERTMANAGER_VERSION: &str = "4";
const GRAFANA_VERSION: &str = "1";
/// The most alerts of one body that are stored: they are stored together, and everybody else who writes waits for them. An event
/// of its own says how many more there were.
const MOST_ALERTS: usize = 2000;
/// The most characters of a fingerprint that an event is known by.
const LONGEST_FINGERPRINT: usize = 64;
/// How many nanoseconds a second has.
const NANOSECONDS: u32 = 1_000_000_000;

/// A posted body.
#[derive(Clone, Debug, Default)]
pub struct Body {
    /// Empty when the sender gives none.
    version: String,
    /// firing as long as one alert of the group fires.
    status: String,
    alerts: Vec<Alert>,
    group_key: String,
    group_labels: BTreeMap<String, String>,
    /// How many alerts of the group the sender left out (`max_alerts`).
    truncated_alerts: u64,
    /// How many are left out here.
    dropped: u64,
    external_url: String,
}

/// One alert of the group.
#[derive(Clone, Debug, Default)]
struct Alert {
    status: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    fingerprint: String,
    generator_url: String,
    dashboard_url: String,
    panel_url: String,
    value_string: String,
    starts_at: String,
    ends_at: String,
}

/// What a posted group says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its alerts, in their order.
    pub alerts: Vec<IncomingAlert>,
    /// The event that stands for what the sender left out: it fires, or, when nothing was left out this time, it is over.
    pub left_out: IncomingAlert,
    /// What was left out of an alert that is stored all the same, each by its path.
    pub warnings: FieldErrors,
}

impl Body {
    /// Reads what a monitoring system posted.
    ///
    /// # Errors
    /// [`Problem::Malformed`] when it is no JSON object, [`Problem::Fields`] for everything in it that cannot be taken, by its path.
    pub fn read(bytes: &[u8]) -> Result<Self, Problem> {
        let raw = json::parse(bytes).map_err(Problem::Malformed)?;
        if !raw.get().starts_with('{') {
            return Err(Problem::Malformed(Unreadable::NotAnObject));
        }
        let mut reader = Reader::default();
        let body = Self::of(&mut reader, raw);
        reader.finish(body)
    }

    fn of(reader: &mut Reader, raw: &RawValue) -> Self {
        let mut body = Self::default();
        for (name, raw) in reader.object("", raw) {
            match name.as_str() {
                "version" => body.version = reader.text(&name, raw),
                "status" => body.status = word(&reader.text(&name, raw)),
                "groupKey" => body.group_key = reader.text(&name, raw),
                "groupLabels" => body.group_labels = reader.texts(&name, raw),
                "externalURL" => body.external_url = reader.text(&name, raw),
                "truncatedAlerts" => {
                    let count = reader.text(&name, raw);
                    let parsed = if text::is_blank(&count) { Ok(0) } else { text::trim_invisible(&count).parse() };
                    body.truncated_alerts = parsed.unwrap_or_else(|_| {
                        reader.refuse(&name, "portals-not-a-count");
                        0
                    });
                }
                "alerts" => {
                    let alerts = reader.list(&name, raw);
                    body.dropped = u64::try_from(alerts.len().saturating_sub(MOST_ALERTS)).unwrap_or(u64::MAX);
                    let alerts = alerts.into_iter().take(MOST_ALERTS).enumerate();
                    body.alerts =
                        alerts.map(|(place, raw)| Alert::of(reader, &format!("alerts[{place}]"), raw)).collect();
                }
                _ => {}
            }
        }
        body
    }

    /// The alerts of this group, received now. What the sender left out is said in this language, that of the tenant's messages.
    ///
    /// # Errors
    /// What cannot be taken, by the path of its field.
    pub fn check(&self, source: Source, language: Language, now: NaiveDateTime) -> Result<Group, FieldErrors> {
        let version = if source == Source::Alertmanager { ALERTMANAGER_VERSION } else { GRAFANA_VERSION };
        // A template of the sender's may leave it out.
        if !text::is_blank(&self.version) && text::trim_invisible(&self.version) != version {
            return Err(FieldErrors::single("version", "portals-monitoring-version"));
        }
        if self.alerts.is_empty() {
            return Err(FieldErrors::single("alerts", "form-required"));
        }
        let (mut errors, mut warnings) = (FieldErrors::default(), FieldErrors::default());
        let mut alerts = Vec::with_capacity(self.alerts.len());
        for (index, alert) in self.alerts.iter().enumerate() {
            let (fields, faults) = alert.fields(self);
            for (field, key) in faults {
                warnings.add(format!("alerts[{index}].{field}"), key);
            }
            match fields.check(source, alert.labels.clone()) {
                Ok(checked) => {
                    let (starts_at, ends_at) = (time(&alert.starts_at), time(&alert.ends_at));
                    let alert = IncomingAlert { annotations: alert.annotations.clone(), starts_at, ends_at, ..checked };
                    for (field, key) in alert.refused_times(now) {
                        warnings.add(format!("alerts[{index}].{field}"), key);
                    }
                    alerts.push(alert);
                }
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
        if self.dropped > 0 {
            warnings.add("alerts", "portals-too-many-alerts");
        }
        Ok(Group { alerts, left_out: self.left_out(source, language)?, warnings })
    }

    fn left_out(&self, source: Source, language: Language) -> Result<IncomingAlert, FieldErrors> {
        let group: Vec<String> = self.group_labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let count = i64::try_from(self.truncated_alerts.saturating_add(self.dropped)).unwrap_or(i64::MAX);
        let group_fires = match self.status.as_str() {
            "" => self.alerts.iter().any(|alert| alert.status == Signal::Firing.as_str()),
            status => status == Signal::Firing.as_str(),
        };
        // Among what is left out here may be alerts that fire while their group is said to be over.
        let fires = self.dropped > 0 || count > 0 && group_fires;
        let signal = if fires { Signal::Firing } else { Signal::Resolved };
        let title = match self.dropped {
            0 => "portals-monitoring-left-out",
            _ => "portals-monitoring-too-many",
        };
        let fields = AlertFields {
            title: language.text_count(title, count).into_owned(),
            content: cut_bytes(&group.join("\n"), MAX_CONTENT_BYTES),
            status: signal.as_str().to_owned(),
            // A group's key may be longer than an event's.
            key: format!("left-out:{}", hex::encode(Sha256::digest(&self.group_key))),
            link: link(&[("externalURL", &self.external_url)]).0,
            ..AlertFields::default()
        };
        fields.check(source, self.group_labels.clone())
    }
}

impl Alert {
    fn of(reader: &mut Reader, path: &str, raw: &RawValue) -> Self {
        let mut alert = Self::default();
        if raw.get() == "null" {
            reader.refuse(path, "portals-not-an-object");
        }
        for (name, raw) in reader.object(path, raw) {
            let path = json::join(path, &name);
            match name.as_str() {
                "status" => alert.status = word(&reader.text(&path, raw)),
                "labels" => alert.labels = reader.texts(&path, raw),
                "annotations" => alert.annotations = reader.texts(&path, raw),
                "fingerprint" => alert.fingerprint = reader.text(&path, raw),
                "generatorURL" => alert.generator_url = reader.text(&path, raw),
                "dashboardURL" => alert.dashboard_url = reader.text(&path, raw),
                "panelURL" => alert.panel_url = reader.text(&path, raw),
                "valueString" => alert.value_string = reader.text(&path, raw),
                "startsAt" => alert.starts_at = reader.text(&path, raw),
                "endsAt" => alert.ends_at = reader.text(&path, raw),
                _ => {}
            }
        }
        alert
    }

    /// The fields of the alert, and what of it cannot be kept: each field with the key of the reason.
    fn fields(&self, body: &Body) -> (AlertFields, Vec<(&'static str, &'static str)>) {
        let said = |names: &[&str]| {
            text::first_visible(names.iter().filter_map(|name| self.annotations.get(*name)).map(String::as_str))
        };
        let alertname = self.labels.get("alertname").map(String::as_str);
        let title = said(&["summary", "title"]).or_else(|| text::first_visible(alertname));
        let content = said(&["description", "message"]).unwrap_or(&self.value_string);
        let runbook = self.annotations.get("runbook_url").map(String::as_str).unwrap_or_default();
        let (link, mut faults) = link(&[
            ("panelURL", &self.panel_url),
            ("dashboardURL", &self.dashboard_url),
            ("generatorURL", &self.generator_url),
            ("annotations.runbook_url", runbook),
            ("externalURL", &body.external_url),
        ]);
        for (field, text) in [("startsAt", &self.starts_at), ("endsAt", &self.ends_at)] {
            if !text::is_blank(text) && time(text).is_none() {
                faults.push((field, "portals-time-unreadable"));
            }
        }
        if !self.fingerprint.is_empty() && !self.has_fingerprint() {
            faults.push(("fingerprint", "portals-fingerprint-replaced"));
        }
        let fields = AlertFields {
            title: one_line(title.unwrap_or("Alert")),
            content: cut_bytes(content, MAX_CONTENT_BYTES),
            severity: self.severity().as_str().to_owned(),
            status: self.signal(body),
            key: self.key(),
            receivers: Vec::new(),
            link,
        };
        (fields, faults)
    }

    /// The word for the door's rules: the alert's own status, or its group's where it has none.
    fn signal(&self, body: &Body) -> String {
        let said = if self.status.is_empty() { &body.status } else { &self.status };
        if Signal::parse(said).is_some() { said.clone() } else { "?".to_owned() }
    }

    /// Whether the sender gives a fingerprint that can be one.
    fn has_fingerprint(&self) -> bool {
        let letters = self.fingerprint.bytes().all(|byte| byte.is_ascii_alphanumeric());
        letters && (1..=LONGEST_FINGERPRINT).contains(&self.fingerprint.len())
    }

    /// The fingerprint of the alert's labels, or our own where the sender gives none.
    fn key(&self) -> String {
        if self.has_fingerprint() {
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

    /// How severe the label `severity` says it is; a warning where it says nothing that is known, which the event's page shows.
    fn severity(&self) -> Severity {
        self.labels.get("severity").and_then(|word| parse_severity_alias(word)).unwrap_or(Severity::Warning)
    }
}

/// The first of these fields whose link can be kept, or nothing; and those before it, each with the key of the reason.
fn link(fields: &[(&'static str, &str)]) -> (String, Vec<(&'static str, &'static str)>) {
    let mut faults = Vec::new();
    for (name, link) in
        fields.iter().map(|(name, link)| (*name, text::trim_invisible(link))).filter(|(_, link)| !link.is_empty())
    {
        match link_error(link) {
            None => return (link.to_owned(), faults),
            Some(fault) => faults.push((name, fault)),
        }
    }
    (String::new(), faults)
}

/// A time of the sender's, in UTC. A leap second counts as the second after it, as Unix time has it.
fn time(text: &str) -> Option<NaiveDateTime> {
    let time = DateTime::parse_from_rfc3339(text::trim_invisible(text)).ok()?.naive_utc();
    match time.nanosecond().checked_sub(NANOSECONDS) {
        None => Some(time),
        Some(beyond) => time.with_nanosecond(beyond)?.checked_add_signed(TimeDelta::seconds(1)),
    }
}

/// A word of the sender's, as words are compared.
fn word(text: &str) -> String {
    text::trim_invisible(text).to_ascii_lowercase()
}

fn characters(text: &str) -> u64 {
    u64::try_from(text.chars().count()).unwrap_or(u64::MAX)
}

/// A headline: one line, cut at its end when it is too long.
fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text::trim_invisible(&text);
    if characters(text) <= MAX_TITLE_CHARS {
        return text.to_owned();
    }
    let kept = usize::try_from(MAX_TITLE_CHARS - 1).unwrap_or(usize::MAX);
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

    fn now() -> NaiveDateTime {
        "2026-11-22T12:00:00".parse().unwrap()
    }

    fn group(alerts: serde_json::Value) -> Body {
        let body = json!({ "version": "4", "groupKey": "{}:{}", "externalURL": "http://am.example", "alerts": alerts });
        Body::read(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn an_alert_is_known_by_its_fingerprint_and_as_grave_as_its_label_says() {
        let posted = group(json!([
            { "status": "firing", "fingerprint": "c6eadffa33fcdf37", "labels": { "alertname": "Disk", "severity": "page" },
              "annotations": { "summary": "Disk full", "description": "95 %\nof it" }, "generatorURL": "https://prom.example/graph" },
            { "status": "resolved", "labels": { "alertname": "Disk" } },
        ]));
        let posted = posted.check(Source::Alertmanager, Language::English, now()).unwrap();
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
    fn times_that_cannot_be_meant_are_named() {
        let named = |status: &str, starts: &str, ends: &str| {
            let posted = group(json!([{ "status": status, "startsAt": starts, "endsAt": ends }]));
            let faults = posted.check(Source::Alertmanager, Language::English, now()).unwrap().warnings.0;
            faults.into_iter().map(|fault| format!("{} {}", fault.field, fault.key)).collect::<Vec<_>>().join(", ")
        };
        let (hour_ago, minute_ago, ahead) = ("2026-11-22T11:00:00Z", "2026-11-22T11:59:00Z", "2026-11-22T13:00:00Z");
        assert_eq!(named("resolved", hour_ago, minute_ago), "");
        assert_eq!(named("resolved", minute_ago, hour_ago), "alerts[0].endsAt alerts-time-order");
        assert_eq!(named("resolved", hour_ago, ahead), "alerts[0].endsAt alerts-time-ahead");
        assert_eq!(named("firing", ahead, ""), "alerts[0].startsAt alerts-time-ahead");
        // Within what clocks differ by, no time at all, and the end that a sender expects.
        assert_eq!(named("firing", "2026-11-22T12:04:00Z", "0001-01-01T00:00:00Z"), "");
        assert_eq!(named("firing", "0001-01-01T00:00:00Z", ahead), "");
    }

    #[test]
    fn a_leap_second_is_the_second_after_it() {
        let read = |text: &str| time(text).map(|time| time.and_utc().to_rfc3339());
        assert_eq!(read("2016-12-31T23:59:60Z").as_deref(), Some("2017-01-01T00:00:00+00:00"));
        assert_eq!(read("2016-12-31T23:59:60.5Z").as_deref(), Some("2017-01-01T00:00:00.500+00:00"));
        assert_eq!(read("2026-11-22T11:00:61Z"), None);
    }

    #[test]
    fn what_the_sender_left_out_is_an_event_of_its_own() {
        let mut group = group(json!([{ "status": "firing", "labels": { "alertname": "Disk" } }]));
        group.truncated_alerts = 7;
        group.status = "firing".to_owned();
        let posted = group.check(Source::Alertmanager, Language::English, now()).unwrap();
        let over = Body { status: "resolved".to_owned(), ..group.clone() };
        assert_eq!(
            over.check(Source::Alertmanager, Language::English, now()).unwrap().left_out.signal,
            Signal::Resolved
        );
        let (signal, title) = (posted.left_out.signal, posted.left_out.title);
        assert_eq!(
            (signal, title.as_str()),
            (Signal::Firing, "7 more alerts of this group were left out by their sender")
        );
    }

    #[test]
    fn what_is_beyond_two_thousand_alerts_is_an_event_of_its_own() {
        let body = |count: usize, status: &str| {
            let alerts: Vec<_> =
                (0..count).map(|number| json!({ "status": status, "fingerprint": format!("f{number}") })).collect();
            let body = json!({ "status": status, "alerts": alerts, "truncatedAlerts": 5 });
            Body::read(body.to_string().as_bytes())
                .unwrap()
                .check(Source::Alertmanager, Language::English, now())
                .unwrap()
        };
        let group = body(2007, "firing");
        assert_eq!((group.alerts.len(), group.left_out.signal), (2000, Signal::Firing));
        assert!(group.left_out.title.starts_with("12 more alerts"), "{}", group.left_out.title);
        assert_eq!(group.warnings.0[0].field, "alerts");
        assert_eq!(body(2001, "resolved").left_out.signal, Signal::Firing);
        let fits = body(2000, "resolved");
        assert!(fits.warnings.is_empty() && fits.left_out.signal == Signal::Resolved);
    }

    #[test]
    fn another_version_an_empty_group_and_an_unknown_status_are_refused_by_name() {
        let fields = |group: Body| {
            group
                .check(Source::Alertmanager, Language::English, now())
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
    fn http_links_are_kept_and_what_cannot_be_kept_is_named() {
        let linked = |fields: serde_json::Value| {
            let mut alert = json!({ "status": "firing" });
            alert.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            let group = read(&alert.to_string()).unwrap();
            let warned: Vec<String> = group.warnings.0.into_iter().map(|fault| fault.field.into_owned()).collect();
            (group.alerts[0].link.clone(), warned.join(" "))
        };
        let kept = |link: &str| (link.to_owned(), String::new());
        let warned = |link: &str, fields: &str| (link.to_owned(), fields.to_owned());
        assert_eq!(linked(json!({ "generatorURL": "http://prom:9090/graph" })), kept("http://prom:9090/graph"));
        assert_eq!(linked(json!({ "annotations": { "runbook_url": "http://wiki/x" } })), kept("http://wiki/x"));
        assert_eq!(linked(json!({ "dashboardURL": "http://g/d", "generatorURL": "http://p/" })), kept("http://g/d"));
        assert_eq!(
            linked(json!({ "panelURL": "", "dashboardURL": " ", "generatorURL": "http://p/" })),
            kept("http://p/")
        );
        assert_eq!(linked(json!({})), kept(""));
        let both = json!({ "panelURL": "javascript:alert(1)", "generatorURL": "http://p/" });
        assert_eq!(linked(both), warned("http://p/", "alerts[0].panelURL"));
        let secret = json!({ "generatorURL": "https://user:secret@p/" });
        assert_eq!(linked(secret), warned("", "alerts[0].generatorURL"));
        let secret = json!({ "generatorURL": "https://:secret@p/", "annotations": { "runbook_url": "wiki" } });
        assert_eq!(linked(secret), warned("", "alerts[0].generatorURL alerts[0].annotations.runbook_url"));
        let long = json!({ "panelURL": format!("https://p/{}", "a".repeat(3000)) });
        assert_eq!(linked(long), warned("", "alerts[0].panelURL"));
        let times = json!({ "startsAt": "yesterday", "endsAt": "2026-11-22" });
        assert_eq!(linked(times), warned("", "alerts[0].startsAt alerts[0].endsAt"));
    }

    #[test]
    fn times_count_but_for_the_year_one_and_the_future() {
        let now: NaiveDateTime = "2026-11-22T12:00:00".parse().unwrap();
        let alert = |starts: &str, ends: &str| {
            let alert = json!({ "status": "resolved", "startsAt": starts, "endsAt": ends });
            let alert = read(&alert.to_string()).unwrap().alerts.remove(0);
            let text =
                |time: Option<NaiveDateTime>| time.map(|time| time.format("%d %T").to_string()).unwrap_or_default();
            (text(alert.plausible_start(now)), text(alert.plausible_end(now)))
        };
        let expected = |starts: &str, ends: &str| (starts.to_owned(), ends.to_owned());
        assert_eq!(alert("2026-11-20T12:00:00Z", "2026-11-21T12:00:00Z"), expected("20 12:00:00", "21 12:00:00"));
        assert_eq!(alert("2026-11-20T20:00:00.157076+08:00", ""), expected("20 12:00:00", ""));
        assert_eq!(alert(" 2026-11-20T12:00:00-01:00 ", ""), expected("20 13:00:00", ""));
        assert_eq!(alert("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"), expected("", ""));
        assert_eq!(alert("1970-01-01T00:00:00Z", ""), expected("", ""));
        assert_eq!(alert("2026-11-22T12:04:59Z", ""), expected("22 12:00:00", ""));
        assert_eq!(alert("2026-11-22T12:05:01Z", "2027-01-01T00:00:00Z"), expected("", ""));
        assert_eq!(alert("2026-11-20T12:00:00Z", "2026-11-19T12:00:00Z"), expected("20 12:00:00", ""));
        assert_eq!(alert("9999-12-31T23:59:60Z", "x"), expected("", ""));
        assert_eq!(alert("2026-11-20", "12:00"), expected("", ""));
    }

    #[test]
    fn a_link_with_a_password_and_a_summary_of_control_characters_lose_no_alert() {
        let posted = group(json!([{
            "status": "firing", "labels": { "alertname": "Disk" }, "annotations": { "summary": "\u{1}\n" },
            "generatorURL": "https://user:secret@prom.example/graph",
        }]));
        let posted = posted.check(Source::Alertmanager, Language::English, now()).unwrap();
        assert_eq!((posted.alerts[0].title.as_str(), posted.alerts[0].link.as_str()), ("Disk", "http://am.example"));
    }

    #[test]
    fn a_nul_is_refused_and_a_backslash_before_such_an_escape_is_not() {
        let body =
            |value: &str| format!(r#"{{"version":"4","alerts":[{{"status":"firing","labels":{{"a":"{value}"}}}}]}}"#);
        assert!(matches!(Body::read(body("\\u0000").as_bytes()), Err(Problem::Malformed(_))));
        assert!(Body::read(body("\\\\u0000").as_bytes()).is_ok());
    }

    fn read(alert: &str) -> Result<Group, Vec<String>> {
        let body = format!(r#"{{"version":"4","alerts":[{alert}]}}"#);
        let named = |problem| match problem {
            Problem::Fields(errors) => errors.0.into_iter().map(|error| error.field.into_owned()).collect(),
            other => vec![format!("{other:?}")],
        };
        let group = Body::read(body.as_bytes()).map_err(named)?;
        group.check(Source::Alertmanager, Language::English, now()).map_err(|errors| named(Problem::Fields(errors)))
    }

    #[test]
    fn null_is_absent_and_numbers_and_booleans_are_texts() {
        let title = |alert: &str| read(alert).unwrap().alerts.remove(0).title;
        for alert in [
            r#"{"status":"firing","labels":{"alertname":"A"},"annotations":null}"#,
            r#"{"status":"firing","labels":{"alertname":"A"},"annotations":{"summary":null}}"#,
            r#"{"status":"firing","labels":{"alertname":"A","x":null},"fingerprint":null,"generatorURL":null}"#,
            r#"{"status":"firing","labels":{"alertname":"A"},"panelURL":null,"dashboardURL":null,"valueString":null}"#,
            r#"{"status":"firing","labels":{"alertname":"A"},"startsAt":null,"endsAt":null,"values":null}"#,
            r#"{"status":" Firing ","labels":{"alertname":"A"}}"#,
        ] {
            assert_eq!(title(alert), "A", "{alert}");
        }
        assert_eq!(title(r#"{"status":"firing","labels":null,"annotations":null}"#), "Alert");
        let labels = |alert: &str| read(alert).unwrap().alerts.remove(0).labels;
        let alert = r#"{"status":"firing","labels":{"port":8080,"ratio":1.50,"up":false,"gone":null}}"#;
        let expected = [("port", "8080"), ("ratio", "1.50"), ("up", "false")];
        assert_eq!(labels(alert), expected.map(|(name, text)| (name.to_owned(), text.to_owned())).into());
    }

    #[test]
    fn what_cannot_be_taken_is_named_by_its_path() {
        for (alert, path) in [
            (r#"{"status":"firing","labels":{"port":[8080]}}"#, "alerts[0].labels.port"),
            (r#"{"status":"firing","labels":{"port":{"a":1}}}"#, "alerts[0].labels.port"),
            (r#"{"status":"firing","labels":{"a":"1","a":"2"}}"#, "alerts[0].labels.a"),
            (r#"{"status":"firing","annotations":{"summary":"1","summary":"2"}}"#, "alerts[0].annotations.summary"),
            (r#"{"status":"firing","status":"resolved"}"#, "alerts[0].status"),
            (r#"{"status":"firing","labels":[]}"#, "alerts[0].labels"),
            (r#"{"status":"firing","labels":"a=b"}"#, "alerts[0].labels"),
            (r#"{"status":["firing"]}"#, "alerts[0].status"),
            (r#"{"status":"maybe"}"#, "alerts[0].status"),
            (r#"{"labels":{"alertname":"A"}}"#, "alerts[0].status"),
            (r#"{"status":"firing","generatorURL":{}}"#, "alerts[0].generatorURL"),
            (r#"{"status":"firing"},null"#, "alerts[1]"),
            (r#"{"status":"firing"},7"#, "alerts[1]"),
        ] {
            assert_eq!(read(alert).unwrap_err(), [path], "{alert}");
        }
        let body = |text: &str| match Body::read(text.as_bytes()) {
            Err(Problem::Fields(errors)) => errors.0[0].field.clone().into_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(body(r#"{"alerts":{"status":"firing"}}"#), "alerts");
        assert_eq!(body(r#"{"alerts":[],"alerts":[]}"#), "alerts");
        assert_eq!(body(r#"{"alerts":[],"truncatedAlerts":"many"}"#), "truncatedAlerts");
        assert_eq!(body(r#"{"alerts":[],"truncatedAlerts":-1}"#), "truncatedAlerts");
        assert_eq!(body(r#"{"alerts":[],"truncatedAlerts":1.5}"#), "truncatedAlerts");
        assert_eq!(body(r#"{"alerts":[],"groupLabels":7}"#), "groupLabels");
    }

    #[test]
    fn a_missing_version_and_the_groups_status_are_enough() {
        let read = |text: &str, source| Body::read(text.as_bytes()).unwrap().check(source, Language::English, now());
        for text in [r#"{"alerts":[{"status":"firing"}]}"#, r#"{"version":null,"status":"firing","alerts":[{}]}"#] {
            assert_eq!(read(text, Source::Grafana).unwrap().alerts[0].signal, Signal::Firing);
        }
        assert!(read(r#"{"version":4,"alerts":[{"status":"firing"}]}"#, Source::Alertmanager).is_ok());
        assert!(read(r#"{"version":4,"alerts":[{"status":"firing"}]}"#, Source::Grafana).is_err());
    }

    #[test]
    fn what_shows_nothing_does_not_win_over_what_does() {
        for (annotations, alertname, title) in [
            (json!({ "summary": "", "title": "T" }), "A", "T"),
            (json!({ "summary": " \t\n", "title": "T" }), "A", "T"),
            (json!({ "summary": "\u{200b}", "title": "T" }), "A", "T"),
            (json!({ "summary": "\u{feff}\u{a0}", "title": "T" }), "A", "T"),
            (json!({ "summary": null, "title": "T" }), "A", "T"),
            (json!({ "summary": "\u{3164}", "title": "\u{2060}" }), "A", "A"),
            (json!({ "title": "" }), "A", "A"),
            (json!({ "summary": "S", "title": "T" }), "A", "S"),
            (json!({ "summary": "\u{feff} S \u{200b}" }), "A", "S"),
            (json!({ "summary": "" }), " ", "Alert"),
            (json!({}), "\u{200b}", "Alert"),
        ] {
            let alert = json!({ "status": "firing", "labels": { "alertname": alertname }, "annotations": annotations });
            assert_eq!(read(&alert.to_string()).unwrap().alerts[0].title, title, "{alert}");
        }
        for (annotations, content) in [
            (json!({ "description": " ", "message": "M" }), "M"),
            (json!({ "description": "\u{200b}", "message": "M" }), "M"),
            (json!({ "description": "", "message": "" }), "V"),
            (json!({}), "V"),
        ] {
            let alert = json!({ "status": "firing", "annotations": annotations, "valueString": "V" });
            assert_eq!(read(&alert.to_string()).unwrap().alerts[0].content, content, "{alert}");
        }
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
            let posted = group.check(Source::Alertmanager, Language::English, now());
            prop_assert!(posted.is_ok(), "{:?}", posted);
            prop_assert!(characters(&posted.unwrap().alerts[0].title) <= MAX_TITLE_CHARS);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            if let Ok(group) = Body::read(&bytes) {
                drop(group.check(Source::Grafana, Language::English, now()));
            }
        }
    }
}
