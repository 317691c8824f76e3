//! The retry schedule: how long to wait after each try that met a passing fault. The operator may set another one.

use std::{sync::Arc, time::Duration};

/// The pauses between tries where the operator says nothing: the first two soon enough for a hiccup, all of them together 27 hours
/// and 42 minutes, so that a fault that lasts a day loses nothing. After the last one follows one more try.
const DEFAULT_SCHEDULE: &str = "5s,30s,2m,10m,30m,1h,2h,4h,6h,6h,8h";

/// The most pauses of a schedule.
pub(super) const MAX_DELAYS: usize = 50;

/// How long a schedule lasts at least: a fault that began in the evening is mended by somebody who comes the next morning and
/// needs some hours.
const MIN_TOTAL: Duration = Duration::from_secs(27 * 3600);

/// The longest pause: a schedule of fewer and longer ones would meet nobody.
const MAX_DELAY: Duration = Duration::from_secs(24 * 3600);

/// Pauses up to this long are varied downwards, longer ones upwards: hiccups are met early, and the whole hardly shrinks.
const MAX_SHORTENED_DELAY: Duration = Duration::from_secs(30);

/// By how much a pause is varied, so that what failed together does not come back together.
const JITTER_FRACTION: f64 = 0.2;

/// The pauses between the tries of a message. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(Arc<[Duration]>);

impl Default for RetrySchedule {
    fn default() -> Self {
        let delays = DEFAULT_SCHEDULE.split(',').filter_map(parse_delay);
        Self(delays.collect())
    }
}

impl RetrySchedule {
    /// Reads pauses between commas, as in `5s,30s,2m,1h`; a number alone is in seconds. Nothing at all is the default.
    ///
    /// # Errors
    /// A sentence for the operator, beginning with what is wrong: a pause that cannot be read or is out of range, too many, or
    /// a whole that may end before 27 hours.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let read = |text: &str| {
            parse_delay(text).filter(|delay| (Duration::from_secs(1)..=MAX_DELAY).contains(delay)).ok_or_else(|| {
                format!("has a pause that is not 1s to 24h, written as in 5s, 10m or 2h: {:?}", text.trim())
            })
        };
        let schedule = Self(text.split(',').map(read).collect::<Result<_, _>>()?);
        if schedule.0.len() > MAX_DELAYS {
            return Err(format!("has more than {MAX_DELAYS} pauses"));
        }
        let total: Duration =
            schedule.0.iter().map(|delay| with_jitter(*delay, 0.0).min(with_jitter(*delay, 1.0))).sum();
        if total < MIN_TOTAL {
            let hours = total.as_secs_f64() / 3600.0;
            return Err(format!(
                "may be over after {hours:.1} hours; what fails for a night must outlast it: 27 at least"
            ));
        }
        Ok(schedule)
    }

    /// The pause after this try (the first is 1), varied by a random number from 0 to 1; none when it was the last.
    pub(super) fn backoff_after(&self, tries: i64, jitter: f64) -> Option<Duration> {
        let step = usize::try_from(tries.max(1) - 1).ok()?;
        self.0.get(step).map(|delay| with_jitter(*delay, jitter))
    }
}

fn with_jitter(delay: Duration, jitter: f64) -> Duration {
    let variation = JITTER_FRACTION * jitter.clamp(0.0, 1.0);
    delay.mul_f64(if delay <= MAX_SHORTENED_DELAY { 1.0 - variation } else { 1.0 + variation })
}

/// One pause: a whole number, and s, m or h for its unit.
fn parse_delay(text: &str) -> Option<Duration> {
    let text = text.trim();
    let (number, seconds) = match text.char_indices().last()? {
        (end, 's') => (text.get(..end)?, 1),
        (end, 'm') => (text.get(..end)?, 60),
        (end, 'h') => (text.get(..end)?, 3600),
        _ => (text, 1),
    };
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| number.parse().ok()).flatten()?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn total_delay(schedule: &RetrySchedule, jitter: f64) -> Duration {
        (1..).map_while(|tries| schedule.backoff_after(tries, jitter)).sum()
    }

    #[test]
    fn the_default_schedule_lasts_27_hours_and_parses() {
        assert_eq!(RetrySchedule::parse(DEFAULT_SCHEDULE), Ok(RetrySchedule::default()));
        assert_eq!(RetrySchedule::parse(" "), Ok(RetrySchedule::default()));
        assert_eq!(RetrySchedule::default().0.len(), 11);
        for jitter in [0.0, 0.5, 1.0] {
            assert!(total_delay(&RetrySchedule::default(), jitter) >= MIN_TOTAL);
        }
    }

    #[test]
    fn a_schedule_is_written_in_seconds_minutes_and_hours() {
        let schedule = RetrySchedule::parse("5, 30s,2m ,24h,3h").unwrap();
        let seconds: Vec<u64> = schedule.0.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [5, 30, 120, 86_400, 10_800]);
    }

    #[test]
    fn a_short_or_unreadable_schedule_is_refused_with_the_reason() {
        for (wrong, why) in [
            ("5s,30s,24h", "may be over after 24.0 hours"),
            ("27h", "has a pause that is not 1s to 24h"),
            ("0s,24h,24h", "0s"),
            ("1d,24h", "1d"),
            ("-5s,24h,24h", "-5s"),
            ("+5s,24h,24h", "+5s"),
            ("s,24h,24h", "\"s\""),
            ("24h,,24h", "\"\""),
            ("99999999999999999999h", "99999"),
            ("24时,24h", "24时"),
        ] {
            let fault = RetrySchedule::parse(wrong).expect_err(wrong);
            assert!(fault.contains(why), "{wrong}: {fault}");
        }
        let many = vec!["1h"; MAX_DELAYS + 1].join(",");
        assert!(RetrySchedule::parse(&many).unwrap_err().contains("more than 50"));
    }

    #[test]
    fn the_first_two_retries_come_within_five_and_thirty_seconds() {
        for dice in [0.0, 0.5, 1.0] {
            let pause = |tries| RetrySchedule::default().backoff_after(tries, dice).unwrap().as_secs_f64();
            assert!((4.0..=5.0).contains(&pause(1)));
            assert!((24.0..=30.0).contains(&pause(2)));
        }
    }

    proptest! {
        #[test]
        fn every_accepted_schedule_lasts_27_hours_and_jitters_by_a_fifth(
            pauses in prop::collection::vec(1_u64..90_000, 1..60),
            dice in 0.0..=1.0_f64,
        ) {
            let text = pauses.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            if let Ok(schedule) = RetrySchedule::parse(&text) {
                prop_assert!(total_delay(&schedule, dice) >= MIN_TOTAL);
                for (tries, pause) in (1..).zip(&pauses) {
                    let varied = schedule.backoff_after(tries, dice).unwrap().as_secs_f64();
                    let exact = f64::from(u32::try_from(*pause).unwrap());
                    prop_assert!((varied / exact - 1.0).abs() <= JITTER_FRACTION + 1e-6);
                }
            }
        }
    }
}
