//! What administrators do to alert events: do not disturb, disturb again, finish.

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, TimeDelta};
use serde::Deserialize;

use crate::{
    db::AlertId,
    text::whole_number,
    web::{FieldError, FieldErrors, FormVersion, Times},
};

/// The longest time without being disturbed, in minutes: a week.
const MAX_MUTE_MINUTES: i64 = 7 * 24 * 60;

/// What is done to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// Nobody is disturbed until then.
    Mute(NaiveDateTime),
    /// They disturb again.
    Unmute,
    /// They are finished by hand; no group is told.
    Finish,
}

impl Handling {
    /// The word in the audit log.
    #[must_use]
    pub const fn audit_action(self) -> &'static str {
        match self {
            Self::Mute(_) => "alert-quieted",
            Self::Unmute => "alert-disturbed",
            Self::Finish => "alert-finished",
        }
    }

    /// The key of what the next page says was done to so many events.
    #[must_use]
    pub const fn flash_key(self, changed: usize) -> &'static str {
        match self {
            _ if changed == 0 => "flash-alerts-unchanged",
            Self::Mute(_) => "flash-alerts-quiet",
            Self::Unmute => "flash-alerts-loud",
            Self::Finish => "flash-alerts-finished",
        }
    }
}

/// For how long nobody is to be disturbed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MuteUnit {
    /// So many minutes.
    Minutes,
    /// So many hours.
    Hours,
    /// Until midnight, by the tenant's clocks.
    Day,
}

impl MuteUnit {
    /// All, as the form lists them.
    pub const ALL: [Self; 3] = [Self::Minutes, Self::Hours, Self::Day];

    /// The word in the form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minutes => "minutes",
            Self::Hours => "hours",
            Self::Day => "day",
        }
    }

    /// The key of its name on pages.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Minutes => "alerts-unit-minutes",
            Self::Hours => "alerts-unit-hours",
            Self::Day => "alerts-unit-day",
        }
    }
}

/// The form, as it is typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct HandleForm {
    /// The events that were chosen in the list.
    pub id: Vec<AlertId>,
    /// Every event that the page showed.
    pub shown: Vec<AlertId>,
    /// Not empty: every event that the page showed is meant.
    pub all: String,
    /// What is to be done.
    pub what: String,
    /// For how long.
    pub lasts: String,
    /// In which unit.
    pub unit: String,
    /// Until when do not disturb held for each event that the page showed, as hashes.
    pub form_version: FormVersion,
}

/// An event, and until when do not disturb holds for it, if it does.
#[derive(Clone, Debug)]
pub struct Muted {
    /// The event.
    pub id: AlertId,
    /// Its headline.
    pub title: String,
    /// Until when.
    pub until: Option<NaiveDateTime>,
}

/// The version of a form that shows until when do not disturb holds for these events.
pub fn version(events: impl IntoIterator<Item = (AlertId, Option<NaiveDateTime>)>) -> FormVersion {
    FormVersion::from_form(&ends(events))
}

/// The fields of that version: the end of each event's do not disturb, empty for none, by the event's id.
fn ends(events: impl IntoIterator<Item = (AlertId, Option<NaiveDateTime>)>) -> BTreeMap<String, String> {
    let text = |until: NaiveDateTime| until.and_utc().timestamp_micros().to_string();
    events.into_iter().map(|(id, until)| (id.to_string(), until.map(text).unwrap_or_default())).collect()
}

impl Default for HandleForm {
    fn default() -> Self {
        Self {
            id: Vec::new(),
            shown: Vec::new(),
            all: String::new(),
            what: String::new(),
            lasts: "30".to_owned(),
            unit: MuteUnit::Minutes.as_str().to_owned(),
            form_version: FormVersion::default(),
        }
    }
}

impl HandleForm {
    /// The events that are meant, each once, in the order in which they are locked.
    ///
    /// # Errors
    /// When there are none.
    pub fn selected_ids(&self) -> Result<Vec<AlertId>, FieldErrors> {
        let mut selected = if self.all.is_empty() { self.id.clone() } else { self.shown.clone() };
        selected.sort_unstable();
        selected.dedup();
        if selected.is_empty() { Err(FieldErrors::single("id", "alerts-choose-some")) } else { Ok(selected) }
    }

    /// What is to be done.
    ///
    /// # Errors
    /// What is wrong with it, beside its field.
    pub fn check(&self, now: NaiveDateTime, times: Times) -> Result<Handling, FieldErrors> {
        match self.what.as_str() {
            "quiet" => self.mute_until(now, times).map(Handling::Mute),
            "loud" => Ok(Handling::Unmute),
            "finish" => Ok(Handling::Finish),
            _ => Err(FieldErrors::single("what", "form-choose")),
        }
    }

    /// Refuses to replace a do not disturb that somebody else set or lifted after the page was opened.
    ///
    /// # Errors
    /// A sentence for each such event.
    pub fn check_unchanged(&self, what: Handling, events: &[Muted], times: Times) -> Result<(), FieldErrors> {
        if self.form_version.is_absent() {
            return Ok(());
        }
        let now = ends(events.iter().map(|event| (event.id, event.until)));
        let mut errors = FieldErrors::default();
        for event in events.iter().filter(|event| self.form_version.field_differs(&event.id.to_string(), &now)) {
            let (key, until) = match (what, event.until) {
                (Handling::Mute(_) | Handling::Unmute, Some(until)) => ("alerts-quiet-changed", times.format(&until)),
                (Handling::Mute(_), None) => ("alerts-quiet-ended", String::new()),
                (Handling::Unmute, None) | (Handling::Finish, _) => continue,
            };
            let variables = vec![("title".into(), event.title.clone()), ("until".into(), until)];
            errors.0.push(FieldError { field: "".into(), key: key.into(), variables });
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    fn mute_until(&self, now: NaiveDateTime, times: Times) -> Result<NaiveDateTime, FieldErrors> {
        let unit = MuteUnit::ALL.into_iter().find(|unit| unit.as_str() == self.unit);
        let minutes = match unit {
            None => return Err(FieldErrors::single("unit", "form-choose")),
            Some(MuteUnit::Day) => return Ok(times.day_end(&now)),
            Some(MuteUnit::Minutes) => 1,
            Some(MuteUnit::Hours) => 60,
        };
        let most = MAX_MUTE_MINUTES / minutes;
        let number = whole_number(&self.lasts).filter(|number| (1..=most).contains(number));
        match number {
            Some(number) => Ok(now + TimeDelta::minutes(number * minutes)),
            None => {
                let variables = vec![("min".into(), "1".to_owned()), ("max".into(), most.to_string())];
                Err(FieldErrors(vec![FieldError { field: "lasts".into(), key: "form-number".into(), variables }]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mute_until_or_error(lasts: &str, unit: &str) -> Result<NaiveDateTime, String> {
        let form = HandleForm { what: "quiet".into(), lasts: lasts.into(), unit: unit.into(), ..HandleForm::default() };
        match form.check("2026-11-22T03:04:05".parse().unwrap(), Times::for_zone("Asia/Shanghai")) {
            Ok(Handling::Mute(until)) => Ok(until),
            other => Err(other.unwrap_err().0[0].field.clone().into_owned()),
        }
    }

    #[test]
    fn a_mute_lasts_at_most_a_week_and_all_day_ends_at_midnight() {
        let at = |text: &str| Ok(text.parse().unwrap());
        assert_eq!(mute_until_or_error("90", "minutes"), at("2026-11-22T04:34:05"));
        assert_eq!(mute_until_or_error("168", "hours"), at("2026-11-29T03:04:05"));
        assert_eq!(mute_until_or_error("", "day"), at("2026-11-22T16:00:00"));
        for (lasts, unit) in [
            ("0", "minutes"),
            ("169", "hours"),
            ("10081", "minutes"),
            ("", "hours"),
            ("1.5", "hours"),
            ("+5", "hours"),
            ("05", "hours"),
        ] {
            assert_eq!(mute_until_or_error(lasts, unit), Err("lasts".to_owned()), "{lasts} {unit}");
        }
        assert_eq!(mute_until_or_error("1", "years"), Err("unit".to_owned()));
    }

    #[test]
    fn a_change_of_do_not_disturb_since_the_page_was_opened_is_not_replaced_unseen() {
        let times = Times::utc();
        let at = |text: &str| text.parse::<NaiveDateTime>().unwrap();
        let (shown, other) = (at("2026-11-22T04:00:00"), at("2026-11-22T05:00:00"));
        let (quiet, id) = (Handling::Mute(at("2026-11-22T06:00:00")), AlertId(7));
        let refused = |shown: Option<NaiveDateTime>, what, now: Option<NaiveDateTime>| {
            let form = HandleForm { form_version: version([(id, shown)]), ..HandleForm::default() };
            form.check_unchanged(what, &[Muted { id, title: "Disk full".into(), until: now }], times).is_err()
        };
        for what in [quiet, Handling::Unmute] {
            assert!(!refused(Some(shown), what, Some(shown)) && !refused(None, what, None));
            assert!(refused(Some(shown), what, Some(other)) && refused(None, what, Some(other)));
        }
        assert!(refused(Some(shown), quiet, None), "it was lifted");
        assert!(!refused(Some(shown), Handling::Unmute, None), "there is nothing to lift");
        assert!(!refused(None, Handling::Finish, Some(other)), "whoever finishes an event ends it whatever holds");
    }

    #[test]
    fn the_box_for_all_means_what_the_page_showed_and_nothing_else() {
        let form = HandleForm { id: vec![AlertId(9)], shown: vec![AlertId(3), AlertId(2)], ..HandleForm::default() };
        assert_eq!(form.selected_ids(), Ok(vec![AlertId(9)]));
        let all = HandleForm { all: "on".into(), ..form };
        assert_eq!(all.selected_ids(), Ok(vec![AlertId(2), AlertId(3)]));
        assert!(HandleForm::default().selected_ids().is_err());
    }
}
