//! The time: UTC, cut to microseconds, and settable in tests.
//!
//! Where several machines share a database, its clock is the one that all of them go by: leases, pace and rests are moments that
//! one machine writes and another reads. A machine of its own goes by its own clock.
//!
//! Postgres keeps microseconds and SQLite keeps nanoseconds; cutting here makes what is read equal what was written.

use std::{
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, NaiveDateTime, SubsecRound, TimeDelta, Utc};

/// From where the time that goes by is counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Two readings that are further apart than this were interrupted, and are taken again.
const AT_ONCE: Duration = Duration::from_millis(10);

/// A moment by both of the machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The time of day, as [`Clock::now`] shows it.
    pub now: NaiveDateTime,
    /// How much time has gone by since some start. It goes on evenly, also when somebody sets the clock.
    running: TimeDelta,
}

impl Moment {
    /// What the clock would show at this moment if nobody had set it since the earlier one.
    #[must_use]
    pub fn unset_since(self, earlier: Self) -> NaiveDateTime {
        earlier.now + (self.running - earlier.running)
    }
}

/// Tells the time. Clones share the same hands.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// How much time has gone by in a test beyond what really has, in microseconds. Zero outside tests.
    shift: Arc<AtomicI64>,
    /// By how much a test has set the hands without any time going by, in microseconds. Zero outside tests.
    set: Arc<AtomicI64>,
    /// What another clock showed when counting began, in microseconds since 1970, where that is the one to go by; zero where
    /// it is the machine's own.
    other: Arc<AtomicI64>,
}

impl Clock {
    /// The moment, UTC, in whole microseconds.
    #[must_use]
    pub fn now(&self) -> NaiveDateTime {
        let start = *START;
        self.show(Utc::now(), start.elapsed(), self.shift.load(Ordering::Relaxed))
    }

    /// From now on goes by another clock, which the closure looks at: it showed that at some moment between asking and answering.
    /// From one look to the next the time goes on evenly, whatever becomes of the machine's own clock.
    ///
    /// # Errors
    /// What the closure answers; then nothing has changed.
    pub fn go_by<E>(&self, look: impl FnOnce() -> Result<NaiveDateTime, E>) -> Result<(), E> {
        let (start, known) = (*START, self.other.load(Ordering::Relaxed));
        let earliest = micros(start.elapsed());
        let shown = look()?.and_utc().timestamp_micros();
        let latest = micros(start.elapsed());
        let best = known.clamp(shown - latest, shown - earliest);
        // Whoever looked at the same time was as right.
        let _other_look = self.other.compare_exchange(known, best, Ordering::Relaxed, Ordering::Relaxed);
        Ok(())
    }

    /// By how much the machine's own clock is ahead of the one that is gone by.
    #[must_use]
    pub fn machine_ahead(&self) -> TimeDelta {
        let machine = Self { other: Arc::default(), ..self.clone() };
        machine.now() - self.now()
    }

    /// The moment, with what tells later whether somebody has set the clock since.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let start = *START;
        let (wall, running) = loop {
            let (before, wall, after) = (Instant::now(), Utc::now(), Instant::now());
            if after - before < AT_ONCE {
                break (wall, after - start);
            }
        };
        let shift = self.shift.load(Ordering::Relaxed);
        let gone_by = TimeDelta::microseconds(micros(running).saturating_add(shift));
        Moment { now: self.show(wall, running, shift), running: gone_by }
    }

    /// What is shown when the machine's clock shows `wall`, and this much time has gone by since counting began.
    fn show(&self, wall: DateTime<Utc>, running: Duration, shift: i64) -> NaiveDateTime {
        let hands = match self.other.load(Ordering::Relaxed) {
            0 => wall.checked_add_signed(TimeDelta::microseconds(self.set.load(Ordering::Relaxed))),
            other => DateTime::from_timestamp_micros(other.saturating_add(micros(running))),
        };
        let shown = hands.and_then(|hands| hands.checked_add_signed(TimeDelta::microseconds(shift)));
        shown.unwrap_or(wall).naive_utc().trunc_subsecs(6)
    }

    /// Lets this much time go by, for tests.
    pub fn advance(&self, by: TimeDelta) {
        self.shift.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }

    /// Sets the hands forwards or backwards by this much, as somebody might set the machine's clock, for tests: no time goes by.
    pub fn set(&self, by: TimeDelta) {
        self.set.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }

    /// A clock for which the same time goes by, and which nobody sets, for tests: that of another machine.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        Self { shift: Arc::clone(&self.shift), ..Self::default() }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_shares_the_hands_and_keeps_whole_microseconds() {
        let clock = Clock::default();
        let before = clock.clone().now();
        clock.advance(TimeDelta::hours(2));
        let after = clock.clone().now();
        assert!(after - before >= TimeDelta::hours(2));
        assert_eq!(after.and_utc().timestamp_subsec_nanos() % 1000, 0);
    }

    #[test]
    fn a_clock_that_is_set_is_told_from_time_that_goes_by() {
        let clock = Clock::default();
        let elsewhere = clock.elsewhere();
        let before = clock.moment();
        clock.advance(TimeDelta::hours(2));
        let near = |left: TimeDelta, right: TimeDelta| (left - right).abs() < TimeDelta::minutes(1);
        let after = clock.moment();
        assert!(near(after.now - after.unset_since(before), TimeDelta::zero()));
        clock.set(TimeDelta::days(-1));
        let after = clock.moment();
        assert!(near(after.now - after.unset_since(before), TimeDelta::days(-1)));
        assert!(near(elsewhere.now() - before.now, TimeDelta::hours(2)));
    }

    #[test]
    fn whoever_goes_by_another_clock_shows_what_that_shows_whatever_becomes_of_his_own() {
        let (clock, other) = (Clock::default(), Clock::default());
        let near = |left: TimeDelta, right: TimeDelta| (left - right).abs() < TimeDelta::minutes(1);
        other.set(TimeDelta::hours(-3));
        clock.go_by(|| Ok::<_, ()>(other.now())).unwrap();
        assert!(near(clock.now() - other.now(), TimeDelta::zero()));
        assert!(near(clock.machine_ahead(), TimeDelta::hours(3)));
        let before = clock.moment();
        clock.set(TimeDelta::days(1));
        let after = clock.moment();
        assert!(
            near(after.now - other.now(), TimeDelta::zero())
                && near(after.now - after.unset_since(before), TimeDelta::zero())
        );
        // The other one is set, and that shows at the next look.
        other.set(TimeDelta::hours(5));
        assert_eq!(clock.go_by(|| Err("not to be had")), Err("not to be had"));
        assert!(near(clock.now() - other.now(), TimeDelta::hours(-5)));
        clock.go_by(|| Ok::<_, ()>(other.now())).unwrap();
        let after = clock.moment();
        assert!(near(after.now - after.unset_since(before), TimeDelta::hours(5)));
    }

    #[test]
    fn an_answer_that_took_long_changes_nothing_as_long_as_it_may_be_true() {
        let clock = Clock::default();
        clock.go_by(|| Ok::<_, ()>(Utc::now().naive_utc())).unwrap();
        let known = clock.other.load(Ordering::Relaxed);
        let slow = || {
            let shown = Utc::now().naive_utc();
            std::thread::sleep(Duration::from_millis(20));
            Ok::<_, ()>(shown)
        };
        clock.go_by(slow).unwrap();
        assert!((clock.other.load(Ordering::Relaxed) - known).abs() < 5_000);
    }
}
