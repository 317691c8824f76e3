//! The retry schedule: how long to wait after each try that met a passing fault. The operator may set another one.

use std::{sync::Arc, time::Duration};

/// The pauses between tries where the operator says nothing: the first two soon enough for a hiccup, all of them together 27 hours
/// and 42 minutes, so that a fault that lasts a day loses nothing. After the last one follows one more try.
const DEFAULT: &str = "5s,30s,2m,10m,30m,1h,2h,4h,6h,6h,8h";

/// The most pauses of a schedule.
pub(super) const MOST: usize = 50;

/// How long a schedule lasts at least: a fault that began in the evening is mended by somebody who comes the next morning and
/// needs some hours.
const SHORTEST: Duration = Duration::from_secs(27 * 3600);

/// The longest pause: a schedule of fewer and longer ones would meet nobody.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// Pauses up to this long are varied downwards, longer ones upwards: hiccups are met early, and the whole hardly shrinks.
const EARLY: Duration = Duration::from_secs(30);

/// By how much a pause is varied, so that what failed together does not come back together.
const JITTER: f64 = 0.2;

/// The pauses between the tries of a message. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetrySchedule(Arc<[Duration]>);

impl Default for RetrySchedule {
    fn default() -> Self {
        let pauses = DEFAULT.split(',').filter_map(pause);
        Self(pauses.collect())
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
            pause(text).filter(|pause| (Duration::from_secs(1)..=LONGEST_PAUSE).contains(pause)).ok_or_else(|| {
                format!("has a pause that is not 1s to 24h, written as in 5s, 10m or 2h: {:?}", text.trim())
            })
        };
        let schedule = Self(text.split(',').map(read).collect::<Result<_, _>>()?);
        if schedule.0.len() > MOST {
            return Err(format!("has more than {MOST} pauses"));
        }
        let whole: Duration = schedule.0.iter().map(|pause| varied(*pause, 0.0).min(varied(*pause, 1.0))).sum();
        if whole < SHORTEST {
            let hours = whole.as_secs_f64() / 3600.0;
            return Err(format!(
                "may be over after {hours:.1} hours; what fails for a night must outlast it: 27 at least"
            ));
        }
        Ok(schedule)
    }

    /// The pause after this try (the first is 1), varied by a random number from 0 to 1; none when it was the last.
    pub(super) fn pause_after(&self, tries: i64, dice: f64) -> Option<Duration> {
        let step = usize::try_from(tries.max(1) - 1).ok()?;
        self.0.get(step).map(|pause| varied(*pause, dice))
    }
}

fn varied(pause: Duration, dice: f64) -> Duration {
    let vary = JITTER * dice.clamp(0.0, 1.0);
    pause.mul_f64(if pause <= EARLY { 1.0 - vary } else { 1.0 + vary })
}

/// One pause: a whole number, and s, m or h for its unit.
fn pause(text: &str) -> Option<Duration> {
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

    fn whole(schedule: &RetrySchedule, dice: f64) -> Duration {
        (1..).map_while(|tries| schedule.pause_after(tries, dice)).sum()
    }

    #[test]
    fn the_default_lasts_for_27_hours_whatever_the_dice_say_and_is_a_schedule_that_may_be_set() {
        assert_eq!(RetrySchedule::parse(DEFAULT), Ok(RetrySchedule::default()));
        assert_eq!(RetrySchedule::parse(" "), Ok(RetrySchedule::default()));
        assert_eq!(RetrySchedule::default().0.len(), 11);
        for dice in [0.0, 0.5, 1.0] {
            assert!(whole(&RetrySchedule::default(), dice) >= SHORTEST);
        }
    }

    #[test]
    fn a_schedule_is_written_in_seconds_minutes_and_hours() {
        let schedule = RetrySchedule::parse("5, 30s,2m ,24h,3h").unwrap();
        let seconds: Vec<u64> = schedule.0.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [5, 30, 120, 86_400, 10_800]);
    }

    #[test]
    fn a_schedule_that_is_too_short_or_cannot_be_read_is_refused_with_the_reason() {
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
        let many = vec!["1h"; MOST + 1].join(",");
        assert!(RetrySchedule::parse(&many).unwrap_err().contains("more than 50"));
    }

    #[test]
    fn the_first_two_retries_come_within_five_and_thirty_seconds() {
        for dice in [0.0, 0.5, 1.0] {
            let pause = |tries| RetrySchedule::default().pause_after(tries, dice).unwrap().as_secs_f64();
            assert!((4.0..=5.0).contains(&pause(1)));
            assert!((24.0..=30.0).contains(&pause(2)));
        }
    }

    proptest! {
        #[test]
        fn whatever_schedule_is_taken_lasts_for_27_hours_and_varies_by_a_fifth(
            pauses in prop::collection::vec(1_u64..90_000, 1..60),
            dice in 0.0..=1.0_f64,
        ) {
            let text = pauses.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            if let Ok(schedule) = RetrySchedule::parse(&text) {
                prop_assert!(whole(&schedule, dice) >= SHORTEST);
                for (tries, pause) in (1..).zip(&pauses) {
                    let varied = schedule.pause_after(tries, dice).unwrap().as_secs_f64();
                    let exact = f64::from(u32::try_from(*pause).unwrap());
                    prop_assert!((varied / exact - 1.0).abs() <= JITTER + 1e-6);
                }
            }
        }
    }
}
