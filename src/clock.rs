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
static PROCESS_START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Two readings that are further apart than this were interrupted, and are taken again.
const MAX_SAMPLE_GAP: Duration = Duration::from_millis(10);

/// A moment by both of the machine's clocks.
#[derive(Clone, Copy, Debug)]
pub struct ClockSample {
    /// The time of day, as [`Clock::now`] shows it.
    pub now: NaiveDateTime,
    /// How much time has gone by since some start. It goes on evenly, also when somebody sets the clock.
    monotonic: TimeDelta,
}

impl ClockSample {
    /// What the clock would show at this moment if nobody had set it since the earlier one.
    #[must_use]
    pub fn expected_from(self, earlier: Self) -> NaiveDateTime {
        earlier.now + (self.monotonic - earlier.monotonic)
    }
}

/// Tells the time. Clones share the same hands.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    /// How much time has gone by in a test beyond what really has, in microseconds. Zero outside tests.
    test_elapsed: Arc<AtomicI64>,
    /// By how much a test has set the hands without any time going by, in microseconds. Zero outside tests.
    test_offset: Arc<AtomicI64>,
    /// What another clock showed when counting began, in microseconds since 1970, where that is the one to go by; zero where
    /// it is the machine's own.
    reference: Arc<AtomicI64>,
}

impl Clock {
    /// The moment, UTC, in whole microseconds.
    #[must_use]
    pub fn now(&self) -> NaiveDateTime {
        let start = *PROCESS_START;
        self.time_at(Utc::now(), start.elapsed(), self.test_elapsed.load(Ordering::Relaxed))
    }

    /// From now on goes by another clock, which the closure looks at: it showed that at some moment between asking and answering.
    /// From one look to the next the time goes on evenly, whatever becomes of the machine's own clock.
    ///
    /// # Errors
    /// What the closure answers; then nothing has changed.
    pub fn sync_with<E>(&self, read_reference: impl FnOnce() -> Result<NaiveDateTime, E>) -> Result<(), E> {
        let (start, known) = (*PROCESS_START, self.reference.load(Ordering::Relaxed));
        let earliest = to_micros(start.elapsed());
        let reference_time = read_reference()?.and_utc().timestamp_micros();
        let latest = to_micros(start.elapsed());
        let best = known.clamp(reference_time - latest, reference_time - earliest);
        // Whoever looked at the same time was as right.
        let _lost_race = self.reference.compare_exchange(known, best, Ordering::Relaxed, Ordering::Relaxed);
        Ok(())
    }

    /// By how much the machine's own clock is ahead of the one that is gone by.
    #[must_use]
    pub fn machine_skew(&self) -> TimeDelta {
        let machine = Self { reference: Arc::default(), ..self.clone() };
        machine.now() - self.now()
    }

    /// The moment, with what tells later whether somebody has set the clock since.
    #[must_use]
    pub fn sample(&self) -> ClockSample {
        let start = *PROCESS_START;
        let (wall, monotonic) = loop {
            let (before, wall, after) = (Instant::now(), Utc::now(), Instant::now());
            if after - before < MAX_SAMPLE_GAP {
                break (wall, after - start);
            }
        };
        let shift = self.test_elapsed.load(Ordering::Relaxed);
        let elapsed = TimeDelta::microseconds(to_micros(monotonic).saturating_add(shift));
        ClockSample { now: self.time_at(wall, monotonic, shift), monotonic: elapsed }
    }

    /// What is shown when the machine's clock shows `wall`, and this much time has gone by since counting began.
    fn time_at(&self, wall: DateTime<Utc>, running: Duration, shift: i64) -> NaiveDateTime {
        let base = match self.reference.load(Ordering::Relaxed) {
            0 => wall.checked_add_signed(TimeDelta::microseconds(self.test_offset.load(Ordering::Relaxed))),
            other => DateTime::from_timestamp_micros(other.saturating_add(to_micros(running))),
        };
        let shifted = base.and_then(|hands| hands.checked_add_signed(TimeDelta::microseconds(shift)));
        shifted.unwrap_or(wall).naive_utc().trunc_subsecs(6)
    }

    /// Lets this much time go by, for tests.
    pub fn advance(&self, by: TimeDelta) {
        self.test_elapsed.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }

    /// Sets the hands forwards or backwards by this much, as somebody might set the machine's clock, for tests: no time goes by.
    pub fn jump(&self, by: TimeDelta) {
        self.test_offset.fetch_add(by.num_microseconds().unwrap_or(0), Ordering::Relaxed);
    }

    /// A clock for which the same time goes by, and which nobody sets, for tests: that of another machine.
    #[must_use]
    pub fn on_other_machine(&self) -> Self {
        Self { test_elapsed: Arc::clone(&self.test_elapsed), ..Self::default() }
    }
}

fn to_micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_their_offset_and_keep_whole_microseconds() {
        let clock = Clock::default();
        let before = clock.clone().now();
        clock.advance(TimeDelta::hours(2));
        let after = clock.clone().now();
        assert!(after - before >= TimeDelta::hours(2));
        assert_eq!(after.and_utc().timestamp_subsec_nanos() % 1000, 0);
    }

    #[test]
    fn a_clock_jump_is_distinguished_from_elapsed_time() {
        let clock = Clock::default();
        let elsewhere = clock.on_other_machine();
        let before = clock.sample();
        clock.advance(TimeDelta::hours(2));
        let near = |left: TimeDelta, right: TimeDelta| (left - right).abs() < TimeDelta::minutes(1);
        let after = clock.sample();
        assert!(near(after.now - after.expected_from(before), TimeDelta::zero()));
        clock.jump(TimeDelta::days(-1));
        let after = clock.sample();
        assert!(near(after.now - after.expected_from(before), TimeDelta::days(-1)));
        assert!(near(elsewhere.now() - before.now, TimeDelta::hours(2)));
    }

    #[test]
    fn a_synced_clock_follows_its_reference_and_not_the_machine() {
        let (clock, other) = (Clock::default(), Clock::default());
        let near = |left: TimeDelta, right: TimeDelta| (left - right).abs() < TimeDelta::minutes(1);
        other.jump(TimeDelta::hours(-3));
        clock.sync_with(|| Ok::<_, ()>(other.now())).unwrap();
        assert!(near(clock.now() - other.now(), TimeDelta::zero()));
        assert!(near(clock.machine_skew(), TimeDelta::hours(3)));
        let before = clock.sample();
        clock.jump(TimeDelta::days(1));
        let after = clock.sample();
        assert!(
            near(after.now - other.now(), TimeDelta::zero())
                && near(after.now - after.expected_from(before), TimeDelta::zero())
        );
        // The other one is set, and that shows at the next look.
        other.jump(TimeDelta::hours(5));
        assert_eq!(clock.sync_with(|| Err("not to be had")), Err("not to be had"));
        assert!(near(clock.now() - other.now(), TimeDelta::hours(-5)));
        clock.sync_with(|| Ok::<_, ()>(other.now())).unwrap();
        let after = clock.sample();
        assert!(near(after.now - after.expected_from(before), TimeDelta::hours(5)));
    }

    #[test]
    fn a_slow_reading_changes_nothing_while_it_may_be_true() {
        let clock = Clock::default();
        clock.sync_with(|| Ok::<_, ()>(Utc::now().naive_utc())).unwrap();
        let known = clock.reference.load(Ordering::Relaxed);
        let slow = || {
            let shown = Utc::now().naive_utc();
            std::thread::sleep(Duration::from_millis(20));
            Ok::<_, ()>(shown)
        };
        clock.sync_with(slow).unwrap();
        assert!((clock.reference.load(Ordering::Relaxed) - known).abs() < 5_000);
    }
}
