//! Times as people read them: in their tenant's time zone.

use chrono::{NaiveDateTime, TimeZone as _};
use chrono_tz::Tz;

/// Writes times for one time zone.
#[derive(Clone, Copy, Debug)]
pub struct Times(Tz);

impl Times {
    /// Times in this IANA zone; an unknown one reads as UTC.
    #[must_use]
    pub fn of(zone: &str) -> Self {
        Self(zone.parse().unwrap_or(Tz::UTC))
    }

    /// Times in UTC, for what belongs to no tenant.
    #[must_use]
    pub fn utc() -> Self {
        Self(Tz::UTC)
    }

    /// `2026-11-22 03:04:05`, in this zone.
    #[must_use]
    pub fn show(&self, time: &NaiveDateTime) -> String {
        self.0.from_utc_datetime(time).format("%Y-%m-%d %H:%M:%S").to_string()
    }

    /// `2026-11-22`, in this zone.
    #[must_use]
    pub fn day(&self, time: &NaiveDateTime) -> String {
        self.0.from_utc_datetime(time).date_naive().to_string()
    }

    /// The zone's name, for the head of a column.
    #[must_use]
    pub fn zone(&self) -> &'static str {
        self.0.name()
    }

    /// The machine-readable form for `<time datetime>`.
    #[must_use]
    pub fn machine(time: &NaiveDateTime) -> String {
        time.and_utc().to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    }
}
