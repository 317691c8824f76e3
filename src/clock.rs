//! The time: UTC, cut to microseconds, and settable in tests.
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
const AT_ONCE: Duration = Duration::from_millis(100);

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
}

impl Clock {
    /// The moment, UTC, in whole microseconds.
    #[must_use]
    pub fn now(&self) -> NaiveDateTime {
        self.show(Utc::now(), self.shift.load(Ordering::Relaxed))
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
        let running = TimeDelta::from_std(running).unwrap_or(TimeDelta::MAX / 4) + TimeDelta::microseconds(shift);
        Moment { now: self.show(wall, shift), running }
    }

    fn show(&self, wall: DateTime<Utc>, shift: i64) -> NaiveDateTime {
        let moved = TimeDelta::microseconds(shift) + TimeDelta::microseconds(self.set.load(Ordering::Relaxed));
        wall.naive_utc().checked_add_signed(moved).unwrap_or(wall.naive_utc()).trunc_subsecs(6)
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
        Self { shift: Arc::clone(&self.shift), set: Arc::default() }
    }
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
}
