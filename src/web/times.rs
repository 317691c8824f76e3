//! Times as people read them: in their tenant's time zone.

use std::fmt::Write as _;

use chrono::{
    DateTime, Datelike as _, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, Offset as _, TimeDelta, TimeZone as _,
    Timelike as _,
};
use chrono_tz::Tz;

use crate::text::read_day;

/// Writes times for one time zone.
#[derive(Clone, Copy, Debug)]
pub struct Times(Tz);

impl From<Tz> for Times {
    fn from(zone: Tz) -> Self {
        Self(zone)
    }
}

impl Times {
    /// Times in this IANA zone; an unknown one reads as UTC.
    #[must_use]
    pub fn for_zone(zone: &str) -> Self {
        Self(zone.parse().unwrap_or(Tz::UTC))
    }

    /// Times in UTC, for what belongs to no tenant.
    #[must_use]
    pub fn utc() -> Self {
        Self(Tz::UTC)
    }

    /// `2026-11-22 03:04:05`, in this zone.
    #[must_use]
    pub fn format(&self, time: &NaiveDateTime) -> String {
        self.0.from_utc_datetime(time).format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `2026-11-22 03:04:05 UTC+8`, in this zone: for messages, which are read far from any page that names the zone.
    #[must_use]
    pub fn format_with_zone(&self, time: &NaiveDateTime) -> String {
        format!("{} {}", self.format(time), format_utc_offset(self.0.from_utc_datetime(time).offset().fix()))
    }

    /// `2026-11-22`, in this zone.
    #[must_use]
    pub fn format_day(&self, time: &NaiveDateTime) -> String {
        let (day, mut text) = (self.local_date(time), String::with_capacity("2026-11-22".len()));
        // A text takes whatever is written.
        _ = write!(text, "{day}");
        text
    }

    /// The day that it is in this zone.
    #[must_use]
    pub fn local_date(&self, time: &NaiveDateTime) -> NaiveDate {
        self.0.from_utc_datetime(time).date_naive()
    }

    /// `2026-11-22 03:04:05+08:00`, in this zone: for files, which are read elsewhere.
    #[must_use]
    pub fn format_with_offset(&self, time: &NaiveDateTime) -> String {
        self.0.from_utc_datetime(time).format("%Y-%m-%d %H:%M:%S%:z").to_string()
    }

    /// `11-22 03:04`, in this zone.
    #[must_use]
    pub fn format_minute(&self, time: &NaiveDateTime) -> String {
        self.0.from_utc_datetime(time).format("%m-%d %H:%M").to_string()
    }

    /// When this day of the zone begins, in UTC. Where the clocks skip midnight it begins with its first moment.
    #[must_use]
    pub fn day_start(&self, day: NaiveDate) -> NaiveDateTime {
        let midnight = day.and_time(NaiveTime::MIN);
        let quarters = (0..=12).map(|quarters| midnight + TimeDelta::minutes(15 * quarters));
        let mut there = quarters.filter_map(|local| self.0.from_local_datetime(&local).earliest());
        there.next().map_or(midnight, |start: DateTime<Tz>| start.naive_utc())
    }

    /// When the day of the zone that this moment is in ends, in UTC.
    #[must_use]
    pub fn day_end(&self, time: &NaiveDateTime) -> NaiveDateTime {
        let today = self.0.from_utc_datetime(time).date_naive();
        today.succ_opt().map_or(*time, |tomorrow| self.day_start(tomorrow))
    }

    /// When the hour of the zone that this moment is in began, in UTC.
    #[must_use]
    pub fn hour_start(&self, time: &NaiveDateTime) -> NaiveDateTime {
        let local = self.0.from_utc_datetime(time);
        let since = TimeDelta::seconds(i64::from(local.minute() * 60 + local.second()))
            + TimeDelta::nanoseconds(i64::from(time.nanosecond()));
        *time - since
    }

    /// A day as a form sends it, `2026-11-22`; of years that both databases know.
    #[must_use]
    pub fn parse_day(text: &str) -> Option<NaiveDate> {
        let day = read_day(text)?;
        (1970..=9000).contains(&day.year()).then_some(day)
    }

    /// The first and the last day of a list; neither when the last is before the first.
    #[must_use]
    pub fn typed_days(first: &str, last: &str) -> (Option<NaiveDate>, Option<NaiveDate>) {
        match (Self::parse_day(first), Self::parse_day(last)) {
            (Some(first), Some(last)) if first > last => (None, None),
            days => days,
        }
    }

    /// The zone's name, for the head of a column.
    #[must_use]
    pub fn zone_name(&self) -> &'static str {
        self.0.name()
    }

    /// The machine-readable form for `<time datetime>`.
    #[must_use]
    pub fn format_rfc3339(time: &NaiveDateTime) -> String {
        time.and_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }
}

/// How far clocks are from UTC: `UTC+8`, `UTC+5:30`, `UTC-3:30`, `UTC`.
fn format_utc_offset(offset: FixedOffset) -> String {
    let minutes = offset.local_minus_utc() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    match (minutes.abs() / 60, minutes.abs() % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_zone_is_written_as_its_offset_from_utc() {
        let shown = [
            (0, "UTC"),
            (8 * 60, "UTC+8"),
            (-5 * 60, "UTC-5"),
            (5 * 60 + 30, "UTC+5:30"),
            (5 * 60 + 45, "UTC+5:45"),
            (-(3 * 60 + 30), "UTC-3:30"),
            (-30, "UTC-0:30"),
            (14 * 60, "UTC+14"),
            (-12 * 60, "UTC-12"),
            (10 * 60 + 30, "UTC+10:30"),
        ];
        for (minutes, expected) in shown {
            assert_eq!(format_utc_offset(FixedOffset::east_opt(minutes * 60).unwrap()), expected);
        }
    }

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").unwrap()
    }

    #[test]
    fn a_day_begins_at_midnight_or_at_its_first_moment() {
        let day = |text: &str| NaiveDate::parse_from_str(text, "%Y-%m-%d").unwrap();
        assert_eq!(Times::for_zone("Asia/Shanghai").day_start(day("2026-11-22")), at("2026-11-21 16:00:00"));
        // Clocks in Beirut went from 24:00 to 01:00 that night.
        assert_eq!(Times::for_zone("Asia/Beirut").day_start(day("2024-03-31")), at("2024-03-30 22:00:00"));
        // Midnight came twice in Havana; the day begins with the first.
        assert_eq!(Times::for_zone("America/Havana").day_start(day("2024-11-03")), at("2024-11-03 04:00:00"));
    }

    #[test]
    fn a_day_ends_where_the_next_begins_even_when_clocks_change() {
        let end = |zone: &str, time: &str| Times::for_zone(zone).day_end(&at(time));
        assert_eq!(end("Asia/Shanghai", "2026-11-22 15:59:59"), at("2026-11-22 16:00:00"));
        assert_eq!(end("Asia/Shanghai", "2026-11-22 16:00:00"), at("2026-11-23 16:00:00"));
        // In Berlin this day has 25 hours.
        assert_eq!(end("Europe/Berlin", "2026-10-24 22:00:00"), at("2026-10-25 23:00:00"));
        assert_eq!(end("Asia/Beirut", "2024-03-30 12:00:00"), at("2024-03-30 22:00:00"));
    }

    #[test]
    fn an_hour_begins_on_the_hour_of_the_zone() {
        assert_eq!(Times::for_zone("Asia/Kolkata").hour_start(&at("2026-11-22 08:45:10.5")), at("2026-11-22 08:30:00"));
        assert_eq!(Times::utc().hour_start(&at("2026-11-22 08:00:00")), at("2026-11-22 08:00:00"));
    }

    #[test]
    fn a_time_for_a_file_says_its_offset() {
        let time = at("2026-11-22 20:00:00");
        assert_eq!(Times::for_zone("Asia/Shanghai").format_with_offset(&time), "2026-11-23 04:00:00+08:00");
        assert_eq!(Times::utc().format_with_offset(&time), "2026-11-22 20:00:00+00:00");
    }
}
