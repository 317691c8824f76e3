//! The list's query: by what alert events are searched and filtered, as it stands in the URL.

use std::{fmt, str::FromStr};

use chrono::{DateTime, NaiveDateTime};
use serde::Deserialize;

use super::model::{EventStatus, Severity, Source};
use crate::{
    db::{AlertId, MemberId, Seek},
    web::{ListParameters, Times, Unread, query_string, swapped_days, unread},
};

/// The query of the list of alert events, as the URL has it. A word that means nothing filters nothing, and the page says so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ListQuery {
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
pub struct Place {
    /// The time of the last alert, in microseconds since 1970.
    micros: i64,
    id: i64,
}

impl Place {
    /// The place of an event.
    #[must_use]
    pub fn of(last_at: NaiveDateTime, id: AlertId) -> Self {
        Self { micros: last_at.and_utc().timestamp_micros(), id: id.0 }
    }

    /// The time of the last alert and the id.
    #[must_use]
    pub fn parts(self) -> Option<(NaiveDateTime, AlertId)> {
        DateTime::from_timestamp_micros(self.micros).map(|time| (time.naive_utc(), AlertId(self.id)))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.micros, self.id)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (micros, id) = text.split_once('.').ok_or(())?;
        let place = Self { micros: micros.parse().map_err(drop)?, id: id.parse().map_err(drop)? };
        place.parts().map(|_| place).ok_or(())
    }
}

/// What a list shows.
#[derive(Clone, Debug)]
pub struct Filter {
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
    pub seek: Seek<Place>,
}

impl Filter {
    /// All events, the newest page.
    #[must_use]
    pub fn everything(now: NaiveDateTime) -> Self {
        ListQuery::default().filter(now, Times::utc(), None)
    }
}

impl ListParameters for ListQuery {
    const NAMES: &'static [&'static str] =
        &["q", "status", "severity", "source", "recipient", "from", "until", "before", "after"];

    fn unread(&self) -> Unread {
        let is_place = |text: &str| text.parse::<Place>().is_ok();
        let unread = unread(&[
            ("status", &self.status, EventStatus::parse(&self.status).is_some()),
            ("severity", &self.severity, Severity::parse(&self.severity).is_some()),
            ("source", &self.source, Source::parse(&self.source).is_some()),
            ("recipient", &self.recipient, self.recipient == "me"),
            ("from", &self.from, Times::typed_day(&self.from).is_some()),
            ("until", &self.until, Times::typed_day(&self.until).is_some()),
            ("before", &self.before, is_place(&self.before)),
            ("after", &self.after, is_place(&self.after) && !is_place(&self.before)),
        ]);
        unread.into_iter().chain(swapped_days("from", &self.from, &self.until)).collect()
    }
}

impl ListQuery {
    /// What the list shows to this member of a tenant with these clocks.
    #[must_use]
    pub fn filter(&self, now: NaiveDateTime, times: Times, viewer: Option<MemberId>) -> Filter {
        let (first, last) = Times::typed_days(&self.from, &self.until);
        Filter {
            text: self.q.trim().to_ascii_lowercase(),
            status: EventStatus::parse(&self.status),
            severity: Severity::parse(&self.severity),
            source: Source::parse(&self.source),
            recipient: viewer.filter(|_| self.recipient == "me"),
            from: first.map(|day| times.day_start(day)),
            until: last.and_then(|day| day.succ_opt()).map(|day| times.day_start(day)),
            now,
            seek: Seek { before: self.before.parse().ok(), after: self.after.parse().ok() },
        }
    }

    /// Whether anything narrows the list.
    #[must_use]
    pub fn narrows(&self) -> bool {
        !self.without_page().is_empty()
    }

    /// The query of the URL, without the page.
    #[must_use]
    pub fn without_page(&self) -> String {
        query_string(&self.fields())
    }

    /// The whole query with its question mark; nothing for no query.
    #[must_use]
    pub fn marked(&self) -> String {
        let page = [("before", self.before.as_str()), ("after", self.after.as_str())];
        let whole = query_string(&[&self.fields()[..], &page[..]].concat());
        if whole.is_empty() { whole } else { format!("?{whole}") }
    }

    fn fields(&self) -> [(&str, &str); 7] {
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
    fn days_are_those_of_the_tenants_clocks_and_what_means_nothing_filters_nothing() {
        let query = ListQuery { from: "2026-11-22".into(), until: "2026-11-22".into(), ..ListQuery::default() };
        let filter = query.filter(at("2026-11-22T00:00:00"), Times::of("Asia/Shanghai"), Some(MemberId(1)));
        assert_eq!(filter.from, Some(at("2026-11-21T16:00:00")));
        assert_eq!(filter.until, Some(at("2026-11-22T16:00:00")));
        assert_eq!(filter.recipient, None);
        let odd = ListQuery { from: "soon".into(), status: "odd".into(), before: "7".into(), ..ListQuery::default() };
        let filter = odd.filter(at("2026-11-22T00:00:00"), Times::utc(), None);
        assert!(filter.from.is_none() && filter.status.is_none() && filter.seek == Seek::default());
    }

    #[test]
    fn the_query_comes_back_with_its_page_and_without() {
        let query = ListQuery { q: "磁盘".into(), before: "5.6".into(), ..ListQuery::default() };
        assert_eq!(query.without_page(), "q=%E7%A3%81%E7%9B%98");
        assert_eq!(query.marked(), "?q=%E7%A3%81%E7%9B%98&before=5.6");
        assert_eq!(ListQuery::default().marked(), "");
    }

    proptest! {
        #[test]
        fn a_place_in_a_url_is_read_back(micros in 0i64..4_000_000_000_000_000, id in 1i64..) {
            let time = DateTime::from_timestamp_micros(micros).unwrap().naive_utc();
            let place = Place::of(time, AlertId(id));
            prop_assert_eq!(place.to_string().parse(), Ok(place));
            prop_assert_eq!(place.parts(), Some((time, AlertId(id))));
        }

        #[test]
        fn no_text_in_the_place_of_a_place_breaks_anything(text in ".{0,40}") {
            let _ = text.parse::<Place>();
        }
    }
}
