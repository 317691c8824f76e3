//! For how many days what has ended is kept.

use chrono::{NaiveDateTime, TimeDelta};
use validator::{Validate, ValidationError};

/// The fewest days that the record is kept: what went wrong before a holiday must be there after it.
const FEWEST: i64 = 7;
/// The fewest days that the audit log is kept.
const FEWEST_OF_AUDIT: i64 = 30;
/// The most that are typed; whoever wants more wants it for ever.
const MOST: i64 = 3650;

/// The numbers of Data Retention Settings, in days; 0 is for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Validate)]
pub struct Retention {
    /// Finished alert events, with their time lines and deliveries.
    #[validate(custom(function = "days"))]
    pub alert_days: i64,
    /// Deliveries that belong to no alert, such as test messages.
    #[validate(custom(function = "days"))]
    pub delivery_days: i64,
    /// The audit log.
    #[validate(custom(function = "audit_days"))]
    pub audit_days: i64,
}

fn days(days: i64) -> Result<(), ValidationError> {
    for_ever_or_from(FEWEST, days)
}

fn audit_days(days: i64) -> Result<(), ValidationError> {
    for_ever_or_from(FEWEST_OF_AUDIT, days)
}

fn for_ever_or_from(fewest: i64, days: i64) -> Result<(), ValidationError> {
    if days == 0 || (fewest..=MOST).contains(&days) {
        return Ok(());
    }
    let mut fault = ValidationError::new("retention-number");
    fault.add_param("min".into(), &fewest);
    fault.add_param("max".into(), &MOST);
    Err(fault)
}

/// What ended before this moment is not kept any more; nothing when it is kept for ever.
#[must_use]
pub fn kept_since(days: i64, now: NaiveDateTime) -> Option<NaiveDateTime> {
    (days > 0).then(|| now - TimeDelta::days(days))
}

/// What is no longer kept because of its age, as the lists say it. Nothing is said of a time when there was nothing yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Finished alert events, and their deliveries, that ended before this moment.
    pub alerts: Option<NaiveDateTime>,
    /// Other deliveries that ended before.
    pub deliveries: Option<NaiveDateTime>,
    /// Rows of the audit log before.
    pub audit: Option<NaiveDateTime>,
}

impl Removed {
    /// What was removed by now, of somewhere that there is since `created_at`.
    #[must_use]
    pub fn of(settings: Retention, created_at: NaiveDateTime, now: NaiveDateTime) -> Self {
        let before = |days| kept_since(days, now).filter(|before| *before > created_at);
        Self {
            alerts: before(settings.alert_days),
            deliveries: before(settings.delivery_days),
            audit: before(settings.audit_days),
        }
    }
}

/// Whether a list that goes back to `since` (to the beginning when there is none) reaches into what was removed before this
/// moment.
#[must_use]
pub fn reaches(removed: Option<NaiveDateTime>, since: Option<NaiveDateTime>) -> bool {
    removed.is_some_and(|before| since.is_none_or(|since| since < before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_none_at_all_for_ever_or_within_their_range() {
        let of = |alert_days, delivery_days, audit_days| {
            Retention { alert_days, delivery_days, audit_days }.validate().map_err(|faults| faults.field_errors().len())
        };
        assert_eq!(of(0, 0, 0), Ok(()));
        assert_eq!(of(7, 3650, 30), Ok(()));
        assert_eq!(of(6, 3651, 29), Err(3));
        assert_eq!(of(-1, i64::MIN, i64::MAX), Err(3));
    }

    #[test]
    fn what_is_kept_for_ever_is_kept_since_ever() {
        let now = NaiveDateTime::default() + TimeDelta::days(400);
        assert_eq!(kept_since(0, now), None);
        assert_eq!(kept_since(90, now), Some(NaiveDateTime::default() + TimeDelta::days(310)));
    }
}
