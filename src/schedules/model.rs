//! When which shift is on duty: calendar arithmetic in the tenant's time zone, without any clock of its own.

use chrono::{DateTime, Days, LocalResult, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone as _};
use chrono_tz::{GapInfo, Tz};

use crate::{db::AccountId, people, text::read_day};

/// The most people of a schedule, as in Dataphin's page on the duty table.
pub const MOST_PEOPLE: usize = 20;
/// The most shifts of a schedule: a turn may come to the same people more than once in a round.
pub const MOST_SHIFTS: usize = 100;
/// The days on which a schedule may start.
pub const START_DATES: (NaiveDate, NaiveDate) = (day(2000), day(2199));

/// The first day of a year.
const fn day(year: i32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, 1, 1) {
        Some(day) => day,
        None => NaiveDate::MIN,
    }
}

/// What the length of a shift is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Days.
    Day,
    /// Weeks.
    Week,
    /// Calendar months.
    Month,
}

impl Unit {
    /// All, shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The word in the database and in forms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| unit.as_str() == word)
    }

    /// The key of its name on pages.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Day => "schedules-unit-day",
            Self::Week => "schedules-unit-week",
            Self::Month => "schedules-unit-month",
        }
    }

    /// The most of it that one shift lasts: a year, as in Dataphin's page on the duty table.
    #[must_use]
    pub fn most(self) -> u32 {
        match self {
            Self::Day => 366,
            Self::Week => 53,
            Self::Month => 12,
        }
    }
}

/// A plan of who is on duty when. Turn follows turn without end, and the shifts take them one after the other.
///
/// Times of the day are minutes from midnight on the wall clock of the zone that the methods are given. One that a clock
/// change skips means the moment after the change; one that comes twice means the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// What the length of a turn is counted in.
    pub unit: Unit,
    /// How many units a turn lasts, from 1.
    pub every: u32,
    /// The day on which the first turn begins.
    pub starts_on: NaiveDate,
    /// When one turn ends and the next begins.
    pub handover: u16,
    /// The hours of duty, from and to; over midnight when they end before they begin. Nothing for the whole day.
    pub hours: Option<(u16, u16)>,
    /// Who is rung outside the hours of duty.
    pub outside: Option<AccountId>,
    /// The people of each shift, in the order of their turns.
    pub shifts: Vec<Vec<AccountId>>,
}

/// Who is on duty at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDuty<'s> {
    /// The people whose turn it is.
    Shift(&'s [AccountId]),
    /// Outside the hours of duty: who is rung instead.
    Outside(AccountId),
    /// Nobody: the schedule has not begun, or nobody is named for outside the hours.
    Nobody,
}

/// A turn of a shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn<'s> {
    /// When it begins, UTC.
    pub starts_at: NaiveDateTime,
    /// When the next begins, UTC.
    pub ends_at: NaiveDateTime,
    /// Whose turn it is.
    pub shift: &'s [AccountId],
}

impl Schedule {
    /// Who is on duty at a moment, UTC, in this zone.
    #[must_use]
    pub fn on_duty(&self, at: NaiveDateTime, zone: Tz) -> OnDuty<'_> {
        let Some(shift) = self.number_at(at, zone).and_then(|number| self.shift_of(number)) else {
            return OnDuty::Nobody;
        };
        match (self.is_in_hours(at, zone), self.outside) {
            (true, _) => OnDuty::Shift(shift),
            (false, Some(account)) => OnDuty::Outside(account),
            (false, None) => OnDuty::Nobody,
        }
    }

    /// The turns from the one that goes on at `from`, UTC, or from the first one when none has begun yet.
    pub fn turns(&self, from: NaiveDateTime, zone: Tz) -> impl Iterator<Item = Turn<'_>> {
        let first = self.number_at(from, zone).unwrap_or(0);
        (first..)
            .map_while(move |number| {
                let (starts_at, ends_at) = (self.begin(number, zone)?, self.begin(number.checked_add(1)?, zone)?);
                Some(Turn { starts_at, ends_at, shift: self.shift_of(number)? })
            })
            // A zone that moves over the date line skips a whole day.
            .filter(|turn| turn.starts_at < turn.ends_at)
    }

    /// Everybody in it, each once: of the shifts in their order, then whoever is rung outside the hours.
    #[must_use]
    pub fn accounts(&self) -> Vec<AccountId> {
        let mut accounts: Vec<AccountId> = Vec::new();
        for account in self.shifts.iter().flatten().chain(&self.outside) {
            if !accounts.contains(account) {
                accounts.push(*account);
            }
        }
        accounts
    }

    /// The number, from 0, of the turn that goes on at a moment; nothing before the first.
    fn number_at(&self, at: NaiveDateTime, zone: Tz) -> Option<u32> {
        use chrono::Datelike as _;
        let today = zone.from_utc_datetime(&at).date_naive();
        let elapsed = match self.unit {
            Unit::Day => (today - self.starts_on).num_days(),
            Unit::Week => (today - self.starts_on).num_days() / 7,
            Unit::Month => {
                let months = |day: NaiveDate| i64::from(day.year()) * 12 + i64::from(day.month0());
                months(today) - months(self.starts_on)
            }
        };
        let near = u32::try_from(elapsed.max(0)).ok()?.checked_div(self.every)?;
        // Today's handover may be yet to come; and a clock set back over midnight shows yesterday once more.
        let candidates = near.saturating_sub(1)..=near.saturating_add(1);
        candidates.rev().find(|number| self.begin(*number, zone).is_some_and(|begin| begin <= at))
    }

    fn shift_of(&self, number: u32) -> Option<&[AccountId]> {
        let place = usize::try_from(number).ok()?.checked_rem(self.shifts.len())?;
        self.shifts.get(place).map(Vec::as_slice)
    }

    /// When a turn begins, UTC. It is counted from the first day each time, so that a schedule that starts on a 31st
    /// comes back to the 31st after a shorter month.
    fn begin(&self, number: u32, zone: Tz) -> Option<NaiveDateTime> {
        let units = self.every.checked_mul(number)?;
        let day = match self.unit {
            Unit::Day => self.starts_on.checked_add_days(Days::new(units.into())),
            Unit::Week => self.starts_on.checked_add_days(Days::new(u64::from(units) * 7)),
            Unit::Month => self.starts_on.checked_add_months(Months::new(units)),
        };
        moment(day?, self.handover, zone)
    }

    fn is_in_hours(&self, at: NaiveDateTime, zone: Tz) -> bool {
        let Some((from, to)) = self.hours else { return true };
        let today = zone.from_utc_datetime(&at).date_naive();
        // Hours over midnight that began yesterday may still go on.
        let holds = |day: NaiveDate| {
            let last = if from < to { day } else { day.succ_opt()? };
            Some(moment(day, from, zone)? <= at && at < moment(last, to, zone)?)
        };
        [today.pred_opt(), Some(today)].into_iter().flatten().any(|day| holds(day).unwrap_or_default())
    }
}

/// The moment, UTC, when the clocks of a zone come to this minute of a day.
fn moment(day: NaiveDate, minute: u16, zone: Tz) -> Option<NaiveDateTime> {
    let local = day.and_time(NaiveTime::from_num_seconds_from_midnight_opt(u32::from(minute) * 60, 0)?);
    match zone.from_local_datetime(&local) {
        LocalResult::Single(time) | LocalResult::Ambiguous(time, _) => Some(time.naive_utc()),
        LocalResult::None => GapInfo::new(&local, &zone)?.end.as_ref().map(DateTime::naive_utc),
    }
}

/// The minutes from midnight as a clock shows them: `HH:MM`.
#[must_use]
pub fn clock_time(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Reads `HH:MM`, also with `:00` for the seconds, as minutes from midnight.
#[must_use]
pub fn read_clock_time(text: &str) -> Option<u16> {
    use chrono::Timelike as _;
    let text = text.trim();
    let time =
        NaiveTime::parse_from_str(text, "%H:%M").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:00")).ok()?;
    u16::try_from(time.hour() * 60 + time.minute()).ok()
}

/// Reads a day on which a schedule may start, as `YYYY-MM-DD`.
#[must_use]
pub fn read_start_date(text: &str) -> Option<NaiveDate> {
    let day = read_day(text)?;
    (START_DATES.0..START_DATES.1).contains(&day).then_some(day)
}

/// Whether the calendar has this day, written as `YYYY-MM-DD`.
#[must_use]
pub fn is_day(text: &str) -> bool {
    read_day(text).is_some()
}

/// What is wrong with the shifts that were typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShiftFault {
    /// There is nobody.
    Empty,
    /// More people than a schedule has.
    TooManyPeople,
    /// More lines than a schedule has shifts.
    TooManyShifts,
    /// These stand twice in one shift.
    Twice(Vec<String>),
}

/// Reads shifts: one a line, the usernames in it separated by commas or spaces. Empty lines are none.
///
/// # Errors
/// The first fault of the list.
pub fn read_shifts(text: &str) -> Result<Vec<Vec<String>>, ShiftFault> {
    let lines = text.lines().map(|line| people::words(line).map(str::to_owned).collect::<Vec<_>>());
    let shifts: Vec<Vec<String>> = lines.filter(|shift| !shift.is_empty()).collect();
    if shifts.is_empty() {
        return Err(ShiftFault::Empty);
    }
    if shifts.len() > MOST_SHIFTS {
        return Err(ShiftFault::TooManyShifts);
    }
    if people::typed_names(text).len() > MOST_PEOPLE {
        return Err(ShiftFault::TooManyPeople);
    }
    let twice: Vec<String> = shifts.iter().flat_map(|shift| repeated(shift)).collect();
    if twice.is_empty() { Ok(shifts) } else { Err(ShiftFault::Twice(twice)) }
}

fn repeated(names: &[String]) -> Vec<String> {
    let stands_before =
        |place: usize, name: &String| names.iter().take(place).any(|other| other.eq_ignore_ascii_case(name));
    names.iter().enumerate().filter(|(place, name)| stands_before(*place, name)).map(|(_, name)| name.clone()).collect()
}

#[cfg(test)]
mod tests {
    use chrono::{Datelike as _, TimeDelta};
    use proptest::prelude::*;

    use super::*;

    const ZONES: [Tz; 4] = [Tz::Europe__Berlin, Tz::America__New_York, Tz::Australia__Lord_Howe, Tz::Asia__Shanghai];

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn utc(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    fn schedule(unit: Unit, every: u32, starts_on: &str, handover: &str) -> Schedule {
        Schedule {
            unit,
            every,
            starts_on: date(starts_on),
            handover: read_clock_time(handover).unwrap(),
            hours: None,
            outside: None,
            shifts: vec![vec![AccountId(1)], vec![AccountId(2), AccountId(3)], vec![AccountId(4)]],
        }
    }

    fn begins(schedule: &Schedule, from: &str, zone: Tz, count: usize) -> Vec<String> {
        let local = |turn: Turn<'_>| zone.from_utc_datetime(&turn.starts_at).format("%m-%d %H:%M").to_string();
        schedule.turns(utc(from), zone).take(count).map(local).collect()
    }

    #[test]
    fn a_month_that_starts_on_the_31st_ends_with_each_month_and_comes_back_to_the_31st() {
        let monthly = schedule(Unit::Month, 1, "2024-01-31", "09:00");
        let expected = ["01-31 09:00", "02-29 09:00", "03-31 09:00", "04-30 09:00", "05-31 09:00"];
        assert_eq!(begins(&monthly, "2023-01-01 00:00", Tz::Asia__Shanghai, 5), expected);
        let yearly = schedule(Unit::Month, 12, "2024-02-29", "00:00");
        let years: Vec<NaiveDate> =
            yearly.turns(utc("2024-03-01 00:00"), Tz::UTC).take(5).map(|turn| turn.starts_at.date()).collect();
        assert_eq!(years, ["2024-02-29", "2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"].map(date));
    }

    #[test]
    fn days_go_on_over_a_leap_day_and_the_end_of_a_year() {
        let daily = schedule(Unit::Day, 1, "2023-12-31", "08:30");
        assert_eq!(begins(&daily, "2023-12-31 12:00", Tz::UTC, 2), ["12-31 08:30", "01-01 08:30"]);
        assert_eq!(begins(&daily, "2024-02-28 12:00", Tz::UTC, 3), ["02-28 08:30", "02-29 08:30", "03-01 08:30"]);
    }

    #[test]
    fn a_handover_that_the_clock_change_skips_comes_right_after_it_and_one_that_comes_twice_the_first_time() {
        let daily = schedule(Unit::Day, 1, "2026-01-01", "02:30");
        let berlin = |from| daily.turns(utc(from), Tz::Europe__Berlin).next().unwrap().starts_at;
        assert_eq!(berlin("2026-03-29 12:00"), utc("2026-03-29 01:00"));
        assert_eq!(berlin("2026-10-25 12:00"), utc("2026-10-25 00:30"));
        let new_york = |from| daily.turns(utc(from), Tz::America__New_York).next().unwrap().starts_at;
        assert_eq!(new_york("2026-03-08 12:00"), utc("2026-03-08 07:00"));
        // Half an hour only, on an island of Australia.
        let early = Schedule { handover: 135, ..daily };
        let lord_howe = early.turns(utc("2026-10-04 00:00"), Tz::Australia__Lord_Howe).next().unwrap();
        assert_eq!(lord_howe.starts_at, utc("2026-10-03 15:30"));
    }

    #[test]
    fn a_day_that_a_zone_skips_is_nobodys_turn() {
        // Samoa went over the date line and had no 30 December 2011.
        let daily = schedule(Unit::Day, 1, "2011-12-28", "00:00");
        let expected = ["12-29 00:00", "12-31 00:00", "01-01 00:00"];
        assert_eq!(begins(&daily, "2011-12-29 12:00", Tz::Pacific__Apia, 3), expected);
        let at = utc("2011-12-30 12:00");
        let turn = daily.turns(at, Tz::Pacific__Apia).next().unwrap();
        assert_eq!(daily.on_duty(at, Tz::Pacific__Apia), OnDuty::Shift(turn.shift));
    }

    #[test]
    fn outside_the_hours_somebody_else_is_rung_or_nobody_and_before_the_start_nobody() {
        let office = Schedule {
            hours: Some((9 * 60, 18 * 60)),
            outside: Some(AccountId(9)),
            ..schedule(Unit::Week, 1, "2026-01-05", "09:00")
        };
        let at = |text| office.on_duty(utc(text), Tz::UTC);
        assert_eq!(at("2026-01-05 08:59"), OnDuty::Nobody);
        assert_eq!(at("2026-01-05 09:00"), OnDuty::Shift(&[AccountId(1)]));
        assert_eq!(at("2026-01-05 17:59"), OnDuty::Shift(&[AccountId(1)]));
        assert_eq!(at("2026-01-05 18:00"), OnDuty::Outside(AccountId(9)));
        assert_eq!(at("2026-01-12 08:59"), OnDuty::Outside(AccountId(9)));
        assert_eq!(at("2026-01-12 09:00"), OnDuty::Shift(&[AccountId(2), AccountId(3)]));
        let alone = Schedule { outside: None, ..office.clone() };
        assert_eq!(alone.on_duty(utc("2026-01-05 18:00"), Tz::UTC), OnDuty::Nobody);
    }

    #[test]
    fn hours_over_midnight_belong_to_the_night_that_began() {
        let nights = Schedule { hours: Some((22 * 60, 6 * 60)), ..schedule(Unit::Day, 1, "2026-01-05", "22:00") };
        let at = |text| nights.on_duty(utc(text), Tz::UTC);
        assert_eq!(at("2026-01-05 21:59"), OnDuty::Nobody);
        assert_eq!(at("2026-01-05 22:00"), OnDuty::Shift(&[AccountId(1)]));
        assert_eq!(at("2026-01-06 05:59"), OnDuty::Shift(&[AccountId(1)]));
        assert_eq!(at("2026-01-06 06:00"), OnDuty::Nobody);
        assert_eq!(at("2026-01-06 22:00"), OnDuty::Shift(&[AccountId(2), AccountId(3)]));
    }

    #[test]
    fn hours_that_begin_at_a_time_that_comes_twice_begin_the_first_time_and_are_not_broken_off() {
        let nights = Schedule { hours: Some((150, 360)), ..schedule(Unit::Day, 1, "2026-10-01", "00:00") };
        let is_on = |text| nights.on_duty(utc(text), Tz::Europe__Berlin) != OnDuty::Nobody;
        // 02:30 comes at 00:30 and at 01:30; between them the clock shows 02:15 again.
        assert!(!is_on("2026-10-25 00:29") && is_on("2026-10-25 00:30") && is_on("2026-10-25 01:15"));
        assert!(is_on("2026-10-25 04:59") && !is_on("2026-10-25 05:00"));
        // 02:30 does not come at all.
        assert!(!is_on("2027-03-28 00:59") && is_on("2027-03-28 01:00"));
    }

    #[test]
    fn a_schedule_without_shifts_or_length_is_nobodys_and_ends() {
        let empty = Schedule { shifts: vec![], ..schedule(Unit::Day, 1, "2026-01-01", "00:00") };
        assert_eq!(empty.on_duty(utc("2026-06-01 00:00"), Tz::UTC), OnDuty::Nobody);
        assert_eq!(empty.turns(utc("2026-06-01 00:00"), Tz::UTC).count(), 0);
        let still = Schedule { every: 0, ..schedule(Unit::Day, 1, "2026-01-01", "00:00") };
        assert_eq!(still.on_duty(utc("2026-06-01 00:00"), Tz::UTC), OnDuty::Nobody);
    }

    #[test]
    fn shifts_are_lines_of_names_and_nobody_stands_twice_in_one() {
        let read = read_shifts("ann, bob\r\n\r\n eve\nann").unwrap();
        assert_eq!(read, [vec!["ann", "bob"], vec!["eve"], vec!["ann"]]);
        assert_eq!(read_shifts(" \n,\n"), Err(ShiftFault::Empty));
        assert_eq!(read_shifts("ann\nbob Ann BOB bob"), Err(ShiftFault::Twice(vec!["BOB".into(), "bob".into()])));
        let people = |count: usize| (0..count).map(|number| format!("p{number}")).collect::<Vec<_>>().join("\n");
        assert!(read_shifts(&people(20)).is_ok());
        assert!(read_shifts(&format!("{}\np0,P1", people(20))).is_ok());
        assert_eq!(read_shifts(&people(21)), Err(ShiftFault::TooManyPeople));
        assert_eq!(read_shifts(&"ann\n".repeat(101)), Err(ShiftFault::TooManyShifts));
    }

    #[test]
    fn times_and_dates_are_read_as_browsers_send_them() {
        assert_eq!(read_clock_time("09:05").map(clock_time).as_deref(), Some("09:05"));
        assert_eq!(read_clock_time("23:59:00"), Some(1439));
        for wrong in ["24:00", "9", "", "12:60", "-1:00", "09:00:59"] {
            assert_eq!(read_clock_time(wrong), None, "{wrong}");
        }
        assert_eq!(read_start_date("2024-02-29"), Some(date("2024-02-29")));
        for wrong in ["2023-02-29", "1999-12-31", "9999-01-01", "", "tomorrow"] {
            assert_eq!(read_start_date(wrong), None, "{wrong}");
        }
    }

    /// The first moment at which a wall clock that is watched minute by minute shows this or a later time.
    fn watched(local: NaiveDateTime, zone: Tz) -> NaiveDateTime {
        let mut at = local - TimeDelta::hours(20);
        while zone.from_utc_datetime(&at).naive_local() < local {
            at += TimeDelta::minutes(1);
        }
        at
    }

    /// The turn that goes on at a moment, found by going through the calendar day by day.
    fn walked(schedule: &Schedule, at: NaiveDateTime, zone: Tz) -> Option<usize> {
        let (mut day, mut count) = (schedule.starts_on, 0);
        let (mut days, mut months) = (0, 0);
        let every = schedule.every;
        while day <= at.date() + Days::new(2) {
            let month_ends = day.succ_opt().unwrap().month() != day.month();
            let is_start = match schedule.unit {
                Unit::Day => days % every == 0,
                Unit::Week => days % (7 * every) == 0,
                Unit::Month => {
                    let own_day =
                        day.day() == schedule.starts_on.day() || month_ends && day.day() < schedule.starts_on.day();
                    own_day && months % every == 0
                }
            };
            let local = day.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::minutes(schedule.handover.into());
            let is_past = day < at.date() - Days::new(2) || watched(local, zone) <= at;
            count += usize::from(is_start && is_past);
            months += u32::from(month_ends);
            days += 1;
            day = day.succ_opt().unwrap();
        }
        count.checked_sub(1)
    }

    prop_compose! {
        fn any_schedule()(
            unit in prop_oneof![Just(Unit::Day), Just(Unit::Week), Just(Unit::Month)],
            every in 1_u32..13,
            day in 0_u64..2_500,
            handover in prop_oneof![0_u16..1440, 60_u16..200],
            shifts in 1_i64..6,
        ) -> Schedule {
            Schedule {
                unit,
                every,
                starts_on: date("2022-01-01") + Days::new(day),
                handover,
                hours: None,
                outside: None,
                shifts: (0..shifts).map(|number| vec![AccountId(number)]).collect(),
            }
        }
    }

    fn any_zone() -> impl Strategy<Value = Tz> {
        prop::sample::select(ZONES.to_vec())
    }

    proptest! {
        #[test]
        fn who_is_on_duty_is_whom_a_walk_through_the_calendar_finds(
            schedule in any_schedule(),
            zone in any_zone(),
            minutes in -3_000_i64..1_200_000,
        ) {
            let at = schedule.starts_on.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::minutes(minutes);
            let expected = match walked(&schedule, at, zone) {
                Some(number) => OnDuty::Shift(&schedule.shifts[number % schedule.shifts.len()]),
                None => OnDuty::Nobody,
            };
            prop_assert_eq!(schedule.on_duty(at, zone), expected);
        }

        #[test]
        fn turns_follow_each_other_without_gap_and_agree_with_who_is_on_duty(
            schedule in any_schedule(),
            zone in any_zone(),
            minutes in -3_000_i64..1_200_000,
            within in 0.0..1.0,
        ) {
            let from = schedule.starts_on.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::minutes(minutes);
            let turns: Vec<Turn<'_>> = schedule.turns(from, zone).take(30).collect();
            prop_assert_eq!(turns.len(), 30);
            let has_begun = schedule.on_duty(from, zone) != OnDuty::Nobody;
            prop_assert_eq!(turns[0].starts_at <= from, has_begun);
            prop_assert!(from < turns[0].ends_at);
            for (turn, next) in turns.iter().zip(&turns[1..]) {
                prop_assert!(turn.starts_at < turn.ends_at);
                prop_assert_eq!(turn.ends_at, next.starts_at);
            }
            for turn in &turns {
                let length = (turn.ends_at - turn.starts_at).num_seconds() as f64;
                let inside = turn.starts_at + TimeDelta::seconds((length * within) as i64);
                for at in [turn.starts_at, inside, turn.ends_at - TimeDelta::microseconds(1)] {
                    prop_assert_eq!(schedule.on_duty(at, zone), OnDuty::Shift(turn.shift));
                }
            }
        }

        #[test]
        fn the_hours_of_duty_are_those_that_the_wall_clock_shows_on_days_without_a_change(
            schedule in any_schedule(),
            zone in any_zone(),
            (from, to) in (0_u16..1440, 0_u16..1440).prop_filter("hours", |(from, to)| from != to),
            minutes in 2_880_i64..1_200_000,
        ) {
            let schedule = Schedule { hours: Some((from, to)), outside: Some(AccountId(99)), ..schedule };
            let at = schedule.starts_on.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::minutes(minutes);
            let offset = |hours| {
                let at = at + TimeDelta::hours(hours);
                zone.from_utc_datetime(&at).naive_local() - at
            };
            prop_assume!(offset(-36) == offset(36));
            let midnight = (at + offset(0)).date().and_hms_opt(0, 0, 0).unwrap();
            let minute = (at + offset(0) - midnight).num_minutes();
            let (from, to) = (i64::from(from), i64::from(to));
            let is_in = if from < to { from <= minute && minute < to } else { from <= minute || minute < to };
            prop_assert_eq!(schedule.on_duty(at, zone) != OnDuty::Outside(AccountId(99)), is_in);
        }
    }
}
