//! The words of alerts: what comes in, how grave it is, which rule is meant for it.

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, NaiveTime, TimeDelta, TimeZone as _, Timelike as _};
use chrono_tz::Tz;

use super::matcher::{Matcher, Operator};
use crate::{
    access::Role,
    accounts::Username,
    db::{AccountId, GroupId, RuleId, ScheduleId},
    robots::Channel,
};

/// Declares an enum whose values are words in the database, in forms and in other systems' posts.
macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident, $count:literal { $($(#[$value_doc:meta])* $value:ident = $word:literal, $key:literal;)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// Every value, in its order.
            pub const ALL: [Self; $count] = [$(Self::$value),+];

            /// The word in the database and in forms.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }

            /// Reads the word.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.as_str() == word)
            }

            /// The key of its name on pages.
            #[must_use]
            pub const fn key(self) -> &'static str {
                match self {
                    $(Self::$value => $key,)+
                }
            }
        }
    };
}

string_enum! {
    /// How grave an alert is; the greater the graver.
    Severity, 3 {
        /// Good to know.
        Info = "info", "alerts-severity-info";
        /// Somebody should look soon.
        Warning = "warning", "alerts-severity-warning";
        /// Somebody should look now: it goes out before everything else.
        Critical = "critical", "alerts-severity-critical";
    }
}

string_enum! {
    /// What an incoming alert says of its event.
    Signal, 2 {
        /// It is there.
        Firing = "firing", "alerts-signal-firing";
        /// It is over.
        Resolved = "resolved", "alerts-signal-resolved";
    }
}

string_enum! {
    /// By which door an alert came in.
    Source, 4 {
        /// The page Fire Alert.
        Form = "form", "alerts-source-form";
        /// An internal portal.
        Portal = "portal", "alerts-source-portal";
        /// Prometheus Alertmanager.
        Alertmanager = "alertmanager", "alerts-source-alertmanager";
        /// Grafana Alerting.
        Grafana = "grafana", "alerts-source-grafana";
    }
}

string_enum! {
    /// How an event stands.
    EventStatus, 4 {
        /// It is firing, and its next firing rings.
        Alerting = "alerting", "alerts-status-alerting";
        /// It is firing, and its rules cool down before they ring again.
        Throttled = "silencing", "alerts-status-silencing";
        /// Somebody asked not to be disturbed by it for a while.
        Muted = "do_not_disturb", "alerts-status-do-not-disturb";
        /// It was resolved, or finished by hand.
        Finished = "finished", "alerts-status-finished";
    }
}

impl Source {
    /// Whether a monitoring system posts here, with labels and words of its own.
    #[must_use]
    pub const fn is_monitoring(self) -> bool {
        matches!(self, Self::Alertmanager | Self::Grafana)
    }
}

impl EventStatus {
    /// How an event stands now, by what its row says.
    #[must_use]
    pub fn from_timestamps(
        now: NaiveDateTime,
        finished_at: Option<NaiveDateTime>,
        muted_until: Option<NaiveDateTime>,
        throttled_until: Option<NaiveDateTime>,
    ) -> Self {
        let lasts = |until: Option<NaiveDateTime>| until.is_some_and(|until| until > now);
        match () {
            () if finished_at.is_some() => Self::Finished,
            () if lasts(muted_until) => Self::Muted,
            () if lasts(throttled_until) => Self::Throttled,
            () => Self::Alerting,
        }
    }
}

impl EventStatus {
    /// How it looks: the class of its badge in the stylesheet.
    #[must_use]
    pub const fn badge(self) -> &'static str {
        match self {
            Self::Alerting => "bad",
            Self::Throttled => "wait",
            Self::Muted => "off",
            Self::Finished => "good",
        }
    }
}

impl Severity {
    /// How it looks: the class of its badge in the stylesheet.
    #[must_use]
    pub const fn badge(self) -> &'static str {
        match self {
            Self::Info => "off",
            Self::Warning => "wait",
            Self::Critical => "bad",
        }
    }
}

/// An alert as it comes in, by whichever door, with everything checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncomingAlert {
    /// The door.
    pub source: Source,
    /// Whether it begins or ends.
    pub signal: Signal,
    /// What makes two firings the same event.
    pub key: String,
    /// The headline, at most 128 characters, not empty.
    pub title: String,
    /// More about it, at most 16 KiB.
    pub content: String,
    /// How grave it is.
    pub severity: Severity,
    /// A page about it; http or https, or empty.
    pub link: String,
    /// What the sender knows about it, by name.
    pub labels: BTreeMap<String, String>,
    /// What else the sender says of it, by name.
    pub annotations: BTreeMap<String, String>,
    /// When it began by the sender (UTC).
    pub starts_at: Option<NaiveDateTime>,
    /// When it ended by the sender (UTC).
    pub ends_at: Option<NaiveDateTime>,
    /// Who is to hear it; nobody named means whom the alert rules choose.
    pub receivers: Vec<Username>,
}

impl IncomingAlert {
    /// A firing of which nothing else is known.
    #[must_use]
    pub fn firing(source: Source, severity: Severity, title: String, labels: BTreeMap<String, String>) -> Self {
        Self {
            source,
            signal: Signal::Firing,
            key: title.clone(),
            title,
            content: String::new(),
            severity,
            link: String::new(),
            labels,
            annotations: BTreeMap::new(),
            starts_at: None,
            ends_at: None,
            receivers: Vec::new(),
        }
    }
}

/// How far ahead of ours a sender's clock may be for its times to count.
const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(5);

/// A sender's time that can be meant at this moment: not the year 1 that stands for no time, and not in the future. What is ahead by
/// no more than the clocks differ is now.
fn plausible_time(time: Option<NaiveDateTime>, now: NaiveDateTime) -> Option<NaiveDateTime> {
    time.filter(|time| time.and_utc().timestamp() > 0 && *time <= now + MAX_CLOCK_SKEW).map(|time| time.min(now))
}

impl IncomingAlert {
    /// When it began, as far as its sender says so.
    #[must_use]
    pub fn plausible_start(&self, now: NaiveDateTime) -> Option<NaiveDateTime> {
        plausible_time(self.starts_at, now)
    }

    /// The times of the sender that do not count, each by the name that monitoring systems give it, with the key of the reason. The
    /// year 1, which stands for no time, is none of them, and neither is the end of what still fires: senders set one ahead.
    #[must_use]
    pub fn refused_times(&self, now: NaiveDateTime) -> Vec<(&'static str, &'static str)> {
        let is_ahead = |time: Option<NaiveDateTime>| time.is_some_and(|time| time > now + MAX_CLOCK_SKEW);
        let mut refused = Vec::new();
        if is_ahead(self.starts_at) {
            refused.push(("startsAt", "alerts-time-ahead"));
        }
        if self.signal == Signal::Resolved {
            if is_ahead(self.ends_at) {
                refused.push(("endsAt", "alerts-time-ahead"));
            } else if plausible_time(self.ends_at, now).is_some() && self.plausible_end(now).is_none() {
                refused.push(("endsAt", "alerts-time-order"));
            }
        }
        refused
    }

    /// When it ended, as far as its sender says so.
    #[must_use]
    pub fn plausible_end(&self, now: NaiveDateTime) -> Option<NaiveDateTime> {
        plausible_time(self.ends_at, now).filter(|end| self.plausible_start(now).is_none_or(|start| start <= *end))
    }
}

/// Hours of the day in a tenant's time zone, in minutes from midnight. One that ends before it begins goes over midnight; one
/// that ends when it begins, which the form refuses, is the whole day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The first minute that belongs to it.
    pub from: u16,
    /// The first minute after it.
    pub to: u16,
}

impl Window {
    /// Whether this time of the day is in it.
    #[must_use]
    pub fn contains(self, time: NaiveTime) -> bool {
        let minute = time.num_seconds_from_midnight() / 60;
        let (from, to) = (u32::from(self.from), u32::from(self.to));
        if from < to { (from..to).contains(&minute) } else { minute >= from || minute < to }
    }

    /// Whether this moment (UTC) is in it, by the clocks of a zone.
    #[must_use]
    pub fn contains_at(self, moment: NaiveDateTime, zone: Tz) -> bool {
        self.contains(zone.from_utc_datetime(&moment).time())
    }
}

/// Whom a rule rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Receiver {
    /// One person.
    Account(AccountId),
    /// Every active member of this role.
    Role(Role),
    /// Everybody in a user group.
    Group(GroupId),
    /// Whoever is on duty.
    Schedule(ScheduleId),
}

/// An alert rule: which alerts are meant, who hears them, how often.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// Its name.
    pub name: String,
    /// Whether it is asked at all.
    pub is_on: bool,
    /// The least severity.
    pub severity: Severity,
    /// The only door; any when there is none.
    pub source: Option<Source>,
    /// The conditions on labels; all must hold.
    pub matchers: Vec<Matcher>,
    /// The channels it rings over.
    pub channels: Vec<Channel>,
    /// How long after ringing for an event it does not ring for it again.
    pub frequency: TimeDelta,
    /// The most it rings for one event.
    pub max_sends: Option<i64>,
    /// When in the day it rings; always when there is none.
    pub window: Option<Window>,
    /// Whom it rings.
    pub receivers: Vec<Receiver>,
}

/// The most memory that the expressions of all rules of a tenant take, in bytes: each alert is compared with all of them.
pub const MAX_EXPRESSION_BYTES_PER_TENANT: usize = 2 * 1024 * 1024;

impl Rule {
    /// How much memory its expressions take, in bytes. Compiles them.
    #[must_use]
    pub fn expression_bytes(&self) -> usize {
        self.matchers.iter().map(Matcher::expression_bytes).sum()
    }

    /// The people whom it names one by one.
    pub fn named_accounts(&self) -> impl Iterator<Item = AccountId> {
        self.receivers.iter().filter_map(|receiver| match receiver {
            Receiver::Account(account) => Some(*account),
            _ => None,
        })
    }

    /// Whether this alert is meant.
    #[must_use]
    pub fn matches(&self, alert: &IncomingAlert) -> bool {
        // Expressions last: they are compiled only for alerts that pass everything else.
        let with_operator = |operator| self.matchers.iter().filter(move |matcher| matcher.operator == operator);
        alert.severity >= self.severity
            && self.source.is_none_or(|source| source == alert.source)
            && with_operator(Operator::Equal)
                .chain(with_operator(Operator::Matches))
                .all(|matcher| matcher.matches(&alert.labels))
    }
}
