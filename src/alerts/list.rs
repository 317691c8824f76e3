//! The list's query: by what alert events are searched and filtered, as it stands in the URL.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDateTime};
use serde::Deserialize;

use super::model::{EventStatus, Severity, Source};
use crate::{
    db::{AlertId, Cursor, MemberId},
    web::{ListParameters, Times, Unread, query_string, swapped_days, unread},
};

/// The query of the list of alert events, as the URL has it. A word that means nothing filters nothing, and the page says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct EventListQuery {
    /// Part of a title, a key or a sender's name.
    pub q: String,
    /// A status, or nothing for all.
    pub status: String,
    /// A severity, or nothing for all.
    pub severity: String,
    /// A door, or nothing for all.
    pub source: String,
    /// `me`: only what was for whoever is looking.
    pub recipient: String,
    /// The first day of the last alert, by the clocks of the tenant.
    pub from: String,
    /// The last day of the last alert, by the clocks of the tenant.
    pub until: String,
    /// The page of the events older than this place.
    pub before: String,
    /// The page of the events newer than this place.
    pub after: String,
}

/// Where an event stands in the list: by its last alert, then by its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventPosition {
    /// The time of the last alert, in microseconds since 1970.
    micros: i64,
    id: i64,
}

impl EventPosition {
    /// The place of an event.
    #[must_use]
    pub fn for_event(last_at: NaiveDateTime, id: AlertId) -> Self {
        Self { micros: last_at.and_utc().timestamp_micros(), id: id.0 }
    }

    /// The time of the last alert and the id.
    #[must_use]
    pub fn to_parts(self) -> Option<(NaiveDateTime, AlertId)> {
        DateTime::from_timestamp_micros(self.micros).map(|time| (time.naive_utc(), AlertId(self.id)))
    }
}

impl fmt::Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.micros, self.id)
    }
}

impl FromStr for EventPosition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('.').ok_or(())?;
        let position = Self { micros: micros.parse().map_err(drop)?, id: id.parse().map_err(drop)? };
        position.to_parts().map(|_| position).ok_or(())
    }
}

/// What a list shows.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Part of a title, key or sender, ASCII letters in lower case; empty for all.
    pub text: String,
    /// Only those that stand so.
    pub status: Option<EventStatus>,
    /// Only those that are so grave.
    pub severity: Option<Severity>,
    /// Only those that came in by this door.
    pub source: Option<Source>,
    /// Only those with a delivery for this member.
    pub recipient: Option<MemberId>,
    /// Only those whose last alert came in then or later.
    pub from: Option<NaiveDateTime>,
    /// Only those whose last alert came in earlier.
    pub until: Option<NaiveDateTime>,
    /// The time by which the status is told.
    pub now: NaiveDateTime,
    /// Which page.
    pub seek: Cursor<EventPosition>,
}

impl EventFilter {
    /// All events, the newest page.
    #[must_use]
    pub fn unfiltered(now: NaiveDateTime) -> Self {
        EventListQuery::default().filter(now, Times::utc(), None)
    }
}

impl ListParameters for EventListQuery {
    const NAMES: &'static [&'static str] =
        &["q", "status", "severity", "source", "recipient", "from", "until", "before", "after"];

    fn unknown_parameters(&self) -> Unread {
        let is_position = |text: &str| text.parse::<EventPosition>().is_ok();
        let unread = unread(&[
            ("status", &self.status, EventStatus::parse(&self.status).is_some()),
            ("severity", &self.severity, Severity::parse(&self.severity).is_some()),
            ("source", &self.source, Source::parse(&self.source).is_some()),
            ("recipient", &self.recipient, self.recipient == "me"),
            ("from", &self.from, Times::parse_day(&self.from).is_some()),
            ("until", &self.until, Times::parse_day(&self.until).is_some()),
            ("before", &self.before, is_position(&self.before)),
            ("after", &self.after, is_position(&self.after) && !is_position(&self.before)),
        ]);
        unread.into_iter().chain(swapped_days("from", &self.from, &self.until)).collect()
    }
}

impl EventListQuery {
    /// What the list shows to this member of a tenant with these clocks.
    #[must_use]
    pub fn filter(&self, now: NaiveDateTime, times: Times, viewer: Option<MemberId>) -> EventFilter {
        let (first, last) = Times::typed_days(&self.from, &self.until);
        EventFilter {
            text: self.q.trim().to_ascii_lowercase(),
            status: EventStatus::parse(&self.status),
            severity: Severity::parse(&self.severity),
            source: Source::parse(&self.source),
            recipient: viewer.filter(|_| self.recipient == "me"),
            from: first.map(|day| times.day_start(day)),
            until: last.and_then(|day| day.succ_opt()).map(|day| times.day_start(day)),
            now,
            seek: Cursor { before: self.before.parse().ok(), after: self.after.parse().ok() },
        }
    }

    /// Whether anything narrows the list.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        !self.without_page().is_empty()
    }

    /// The query of the URL, without the page.
    #[must_use]
    pub fn without_page(&self) -> String {
        query_string(&self.filter_fields())
    }

    /// The whole query with its question mark; nothing for no query.
    #[must_use]
    pub fn to_url_suffix(&self) -> String {
        let page = [("before", self.before.as_str()), ("after", self.after.as_str())];
        let query = query_string(&[&self.filter_fields()[..], &page[..]].concat());
        if query.is_empty() { query } else { format!("?{query}") }
    }

    fn filter_fields(&self) -> [(&str, &str); 7] {
        [
            ("q", &self.q),
            ("status", &self.status),
            ("severity", &self.severity),
            ("source", &self.source),
            ("recipient", &self.recipient),
            ("from", &self.from),
            ("until", &self.until),
        ]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        text.parse().unwrap()
    }

    #[test]
    fn days_are_in_the_tenants_zone_and_unknown_values_filter_nothing() {
        let query =
            EventListQuery { from: "2026-11-22".into(), until: "2026-11-22".into(), ..EventListQuery::default() };
        let filter = query.filter(at("2026-11-22T00:00:00"), Times::for_zone("Asia/Shanghai"), Some(MemberId(1)));
        assert_eq!(filter.from, Some(at("2026-11-21T16:00:00")));
        assert_eq!(filter.until, Some(at("2026-11-22T16:00:00")));
        assert_eq!(filter.recipient, None);
        let odd = EventListQuery {
            from: "soon".into(),
            status: "odd".into(),
            before: "7".into(),
            ..EventListQuery::default()
        };
        let filter = odd.filter(at("2026-11-22T00:00:00"), Times::utc(), None);
        assert!(filter.from.is_none() && filter.status.is_none() && filter.seek == Cursor::default());
    }

    #[test]
    fn the_query_comes_back_with_its_page_and_without() {
        let query = EventListQuery { q: "磁盘".into(), before: "5.6".into(), ..EventListQuery::default() };
        assert_eq!(query.without_page(), "q=%E7%A3%81%E7%9B%98");
        assert_eq!(query.to_url_suffix(), "?q=%E7%A3%81%E7%9B%98&before=5.6");
        assert_eq!(EventListQuery::default().to_url_suffix(), "");
    }

    proptest! {
        #[test]
        fn a_position_in_a_url_is_read_back(micros in 0i64..4_000_000_000_000_000, id in 1i64..) {
            let time = DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            let position = EventPosition::for_event(time, AlertId(id));
            prop_assert_eq!(position.to_string().parse(), Ok(position));
            prop_assert_eq!(position.to_parts(), Some((time, AlertId(id))));
        }

        #[test]
        fn parsing_any_text_as_a_position_never_panics(text in ".{0,40}") {
            let _ = text.parse::<EventPosition>();
        }
    }
}
