//! The form of a shift schedule, and what its list can be asked for.

use std::ops::RangeInclusive;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::{
    Unit,
    model::{
        MOST_PEOPLE, MOST_SHIFTS, START_DATES, ShiftFault, clock_time, is_day, read_clock_time, read_shifts,
        read_start_date,
    },
    store::{Draft, Filter, Found, Unknown},
};
use crate::{
    db::AccountId,
    people::{joined, typed_names, words},
    text::{as_name, whole_number},
    web::{
        EditForm as _, FieldError, FieldErrors, FormVersion, ListParameters, Unread, impl_edit_form, is_page, name,
        query_string, unread, validate_form,
    },
};

/// How many names an error repeats.
const NAMES_IN_ERRORS: usize = 10;

/// A schedule as it is typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Validate)]
#[serde(default)]
pub struct EditSchedule {
    /// Its name; it cannot be changed later.
    #[validate(custom(function = "name"), length(max = 64, code = "form-too-long"))]
    pub name: String,
    /// The people: a shift a line.
    pub shifts: String,
    /// How many units a shift lasts.
    pub every: String,
    /// The unit's word.
    pub unit: String,
    /// The first day.
    pub starts_on: String,
    /// `all` for the whole day, `hours` for set hours.
    pub day: String,
    /// When one shift takes over from the one before, on whole days.
    pub handover: String,
    /// When the hours of duty begin; then one shift takes over from the one before.
    pub hours_from: String,
    /// When they end.
    pub hours_to: String,
    /// The username of who is rung outside them; empty for nobody.
    pub outside: String,
    /// Anything when the roster is to be shown and nothing saved.
    pub preview: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(EditSchedule);

/// The fields that are saved; the name never changes.
pub const SAVED_FIELDS: [&str; 9] =
    ["shifts", "every", "unit", "starts_on", "day", "handover", "hours_from", "hours_to", "outside"];

impl EditSchedule {
    /// What a new schedule is unless something else is typed: a week each, from today on.
    pub fn starting(today: NaiveDate) -> Self {
        Self {
            every: "1".to_owned(),
            unit: Unit::Week.as_str().to_owned(),
            starts_on: today.to_string(),
            day: "all".to_owned(),
            handover: "09:00".to_owned(),
            hours_from: "09:00".to_owned(),
            hours_to: "18:00".to_owned(),
            ..Self::default()
        }
    }

    /// Whether the roster is asked for before anything is saved.
    pub fn wants_preview(&self) -> bool {
        !self.preview.is_empty()
    }

    /// The schedule that was asked for; the names in it are yet to be looked up.
    pub fn check(&self) -> Result<Draft, FieldErrors> {
        let mut errors = validate_form(self).err().unwrap_or_default();
        let shifts = read_shifts(&self.shifts).map_err(|fault| add_shift_fault(&mut errors, fault)).ok();
        let unit = Unit::parse(&self.unit);
        if unit.is_none() {
            errors.add("unit", "form-choose");
        }
        let every = number(&self.every, 1..=unit.map_or(u32::MAX, Unit::most), &mut errors);
        let starts_on = read_start_date(&self.starts_on);
        if starts_on.is_none() {
            // A day that the calendar does not have is out of no range.
            let key = if is_day(&self.starts_on) { "schedules-date-rule" } else { "schedules-date-unknown" };
            errors.0.push(range_error("starts_on", key, START_DATES.0, START_DATES.1));
        }
        let duty = self.duty(&mut errors);
        let outside: Vec<&str> = words(&self.outside).collect();
        let outside = outside.as_slice();
        if duty.is_some_and(|duty| duty.hours.is_some()) && outside.len() > 1 {
            errors.add("outside", "schedules-outside-rule");
        }
        match (shifts, unit, every, starts_on, duty) {
            (Some(shifts), Some(unit), Some(every), Some(starts_on), Some(duty)) if errors.is_empty() => {
                let outside = outside.first().filter(|_| duty.hours.is_some()).map(|name| (*name).to_owned());
                let name = as_name(&self.name);
                Ok(Draft { name, unit, every, starts_on, handover: duty.handover, hours: duty.hours, outside, shifts })
            }
            _ => Err(errors),
        }
    }

    /// The names in the shifts, and those outside the hours where hours are set, right or wrong.
    pub fn names(&self) -> (Vec<String>, Vec<String>) {
        let outside = if self.day == "hours" { typed_names(&self.outside) } else { Vec::new() };
        (typed_names(&self.shifts), outside)
    }

    fn duty(&self, errors: &mut FieldErrors) -> Option<Duty> {
        let mut time = |field: &'static str, text: &str| {
            let time = read_clock_time(text);
            if time.is_none() {
                errors.add(field, "schedules-time-rule");
            }
            time
        };
        match self.day.as_str() {
            "all" => Some(Duty { handover: time("handover", &self.handover)?, hours: None }),
            "hours" => {
                let (from, to) = (time("hours_from", &self.hours_from), time("hours_to", &self.hours_to));
                let hours = (from?, to?);
                if hours.0 == hours.1 {
                    errors.add("hours_to", "schedules-hours-rule");
                    return None;
                }
                // The people of a shift change when its hours begin, so that a night is not divided.
                Some(Duty { handover: hours.0, hours: Some(hours) })
            }
            _ => {
                errors.add("day", "form-choose");
                None
            }
        }
    }
}

/// The times of a day.
#[derive(Clone, Copy)]
struct Duty {
    handover: u16,
    hours: Option<(u16, u16)>,
}

fn number(text: &str, range: RangeInclusive<u32>, errors: &mut FieldErrors) -> Option<u32> {
    let number =
        whole_number(text).and_then(|number| u32::try_from(number).ok()).filter(|number| range.contains(number));
    if number.is_none() {
        errors.0.push(range_error("every", "form-number", range.start(), range.end()));
    }
    number
}

fn range_error(field: &'static str, key: &'static str, min: impl ToString, max: impl ToString) -> FieldError {
    let variables = vec![("min".into(), min.to_string()), ("max".into(), max.to_string())];
    FieldError { field: field.into(), key: key.into(), variables }
}

fn add_shift_fault(errors: &mut FieldErrors, fault: ShiftFault) {
    match fault {
        ShiftFault::Empty => errors.add("shifts", "form-required"),
        ShiftFault::TooManyPeople => {
            errors.add_with_variable("shifts", "schedules-people-rule", "max", MOST_PEOPLE.to_string());
        }
        ShiftFault::TooManyShifts => {
            errors.add_with_variable("shifts", "schedules-shifts-rule", "max", MOST_SHIFTS.to_string());
        }
        ShiftFault::Twice(names) => errors.add_with_variable("shifts", "schedules-twice", "names", in_line(&names)),
    }
}

fn in_line(names: &[String]) -> String {
    joined(names.iter().map(String::as_str), NAMES_IN_ERRORS)
}

impl From<Unknown> for FieldErrors {
    fn from(unknown: Unknown) -> Self {
        let mut errors = Self::default();
        for (field, names) in [("shifts", unknown.shifts), ("outside", unknown.outside)] {
            if !names.is_empty() {
                errors.add_with_variable(field, "people-unknown", "names", in_line(&names));
            }
        }
        errors
    }
}

impl From<&Found> for EditSchedule {
    fn from(found: &Found) -> Self {
        let schedule = &found.schedule;
        let usual = Self::starting(schedule.starts_on);
        let name_of = |account: &AccountId| found.person(account).map_or("", |person| person.username.as_str());
        let line = |shift: &Vec<AccountId>| shift.iter().map(name_of).collect::<Vec<_>>().join(", ");
        let (hours_from, hours_to) = match schedule.hours {
            Some((from, to)) => (clock_time(from), clock_time(to)),
            None => (usual.hours_from, usual.hours_to),
        };
        Self {
            name: found.name.clone(),
            shifts: schedule.shifts.iter().map(line).collect::<Vec<_>>().join("\n"),
            every: schedule.every.to_string(),
            unit: schedule.unit.as_str().to_owned(),
            starts_on: schedule.starts_on.to_string(),
            day: if schedule.hours.is_some() { "hours" } else { "all" }.to_owned(),
            handover: clock_time(schedule.handover),
            hours_from,
            hours_to,
            outside: schedule.outside.as_ref().map(name_of).unwrap_or_default().to_owned(),
            form_version: FormVersion::default(),
            preview: String::new(),
        }
        .with_version()
    }
}

/// The query of the list's URL. A word that means nothing filters nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// A part of the schedule's name, or of somebody's in one of its shifts.
    pub q: String,
    /// The unit's word.
    pub unit: String,
    /// The page, from 1.
    pub page: String,
}

impl ListParameters for Asked {
    const NAMES: &'static [&'static str] = &["q", "unit", "page"];

    fn unknown_parameters(&self) -> Unread {
        let is_unit = Unit::parse(&self.unit).is_some();
        unread(&[("unit", &self.unit, is_unit), ("page", &self.page, is_page(&self.page))])
    }
}

impl Asked {
    /// The schedules that were asked for.
    pub fn filter(&self) -> Filter {
        Filter { search: self.q.trim().to_lowercase(), unit: Unit::parse(&self.unit) }
    }

    /// Whether anything narrows the list.
    pub fn narrows(&self) -> bool {
        self.filter() != Filter::default()
    }

    /// The page that was asked for.
    pub fn page(&self) -> i64 {
        whole_number(&self.page).unwrap_or(1)
    }

    /// The query without the page.
    pub fn without_page(&self) -> String {
        query_string(&[("q", &self.q), ("unit", &self.unit)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> EditSchedule {
        let today = read_start_date("2026-11-22").unwrap();
        EditSchedule { name: "夜班".into(), shifts: "ann\nbob, eve".into(), ..EditSchedule::starting(today) }
    }

    fn faulty(form: &EditSchedule) -> Vec<String> {
        let errors = form.check().err().unwrap_or_default();
        errors.0.into_iter().map(|error| error.field.into_owned()).collect()
    }

    #[test]
    fn the_hours_say_when_shifts_change_and_on_whole_days_nobody_is_rung_outside() {
        let whole = EditSchedule { outside: "zoe".into(), ..form() }.check().unwrap();
        assert_eq!((whole.handover, whole.hours, whole.outside), (540, None, None));
        let nights = EditSchedule {
            day: "hours".into(),
            hours_from: "22:00".into(),
            hours_to: "06:00".into(),
            outside: " zoe ".into(),
            handover: "no time".into(),
            ..form()
        };
        let nights = nights.check().unwrap();
        assert_eq!((nights.handover, nights.hours, nights.outside.as_deref()), (1320, Some((1320, 360)), Some("zoe")));
    }

    #[test]
    fn a_day_that_the_calendar_does_not_have_is_not_called_out_of_range() {
        let key = |day: &str| {
            let errors = EditSchedule { starts_on: day.into(), ..form() }.check().unwrap_err();
            errors.for_field("starts_on").unwrap().key.clone().into_owned()
        };
        assert_eq!(key("2026-02-30"), "schedules-date-unknown");
        assert_eq!(key("tomorrow"), "schedules-date-unknown");
        assert_eq!(key("1999-12-31"), "schedules-date-rule");
    }

    #[test]
    fn a_shift_lasts_at_most_a_year() {
        for (unit, most) in [("day", 366), ("week", 53), ("month", 12)] {
            let lasting = |every: u32| EditSchedule { unit: unit.into(), every: every.to_string(), ..form() };
            assert!(lasting(most).check().is_ok() && lasting(1).check().is_ok());
            assert_eq!(faulty(&lasting(most + 1)), ["every"]);
            assert_eq!(faulty(&lasting(0)), ["every"]);
        }
    }

    #[test]
    fn every_mistake_is_told_at_once_beside_its_field() {
        let wrong = EditSchedule {
            name: "名".repeat(65),
            shifts: String::new(),
            every: "x".into(),
            unit: "year".into(),
            starts_on: "2026-02-30".into(),
            day: "hours".into(),
            hours_from: "25:00".into(),
            hours_to: String::new(),
            ..EditSchedule::default()
        };
        assert_eq!(faulty(&wrong), ["name", "shifts", "unit", "every", "starts_on", "hours_from", "hours_to"]);
        let same = EditSchedule { day: "hours".into(), hours_to: "09:00".into(), outside: "a b".into(), ..form() };
        assert_eq!(faulty(&same), ["hours_to"]);
        let two = EditSchedule { hours_to: "10:00".into(), ..same };
        assert_eq!(faulty(&two), ["outside"]);
        assert_eq!(faulty(&EditSchedule { day: String::new(), ..form() }), ["day"]);
        assert!(EditSchedule { name: "名".repeat(64), ..form() }.check().is_ok());
    }
}
