//! The time: UTC, cut to microseconds, and settable in tests.
//!
//! Postgres keeps microseconds and SQLite keeps nanoseconds; cutting here makes what is read equal what was written.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, NaiveDateTime, SubsecRound, TimeDelta, Utc};

/// Tells the time. Clones share the same hands.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// How far a test has moved the hands, in microseconds. Zero outside tests.
    shift: Arc<AtomicI64>,
}

impl Clock {
    /// The moment, UTC, in whole microseconds.
    #[must_use]
    pub fn now(&self) -> NaiveDateTime {
        let shift = TimeDelta::microseconds(self.shift.load(Ordering::Relaxed));
        let now: DateTime<Utc> = Utc::now();
        now.naive_utc().checked_add_signed(shift).unwrap_or(now.naive_utc()).trunc_subsecs(6)
    }

    /// Moves the hands by this much, for tests.
    pub fn advance(&self, by: TimeDelta) {
        self.shift.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
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
}
