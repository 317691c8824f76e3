//! When somebody sets the machine's clock: what was written by the old time is brought into line with the new one.
//!
//! Pace, leases, rests and retries are kept as moments, so that several processes and restarts can share them. A clock that is
//! set an hour forwards would make a burst of what looks as if it had waited, and take messages away from those who are sending
//! them; one that is set backwards would keep everything waiting for that hour.
//!
//! Several processes see the same change, of the machine's clock or of the database's that all of them go by, and each does this; so
//! nothing here is worse when it is done twice.

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _, update};

use super::{claim::LEASE_DURATION, endpoints};
use crate::{
    db::{
        AnyConnection, LimitConst as _, MessageId,
        schema::{attempts, endpoints as endpoint_rows, messages},
    },
    delivery::{model::DeliveryState, pace, policy, retries::RetrySchedule, sender::CALL_TIMEOUT},
    error::{Error, Result},
    robots::{Channel, rate_limits},
};

/// Differences up to this are those of a good clock that is kept in step. The pace leaves as much room.
const JUMP_TOLERANCE: TimeDelta = pace::CLOCK_TOLERANCE;

/// Whether a clock that shows `now` was set, when it would show `before` if nobody had.
pub(in crate::delivery) fn is_jump(expected: NaiveDateTime, now: NaiveDateTime) -> bool {
    (now - expected).abs() > JUMP_TOLERANCE
}

/// When the last call was made: where that is still to come, the clock was set back while nobody was running.
pub(in crate::delivery) fn last_call_started_at(c: &mut AnyConnection) -> Result<Option<NaiveDateTime>> {
    Ok(attempts::table.order(attempts::id.desc()).select(attempts::started_at).first_cached(c).optional()?)
}

/// The clock shows `now`, and would show `before` if nobody had set it.
pub(in crate::delivery) fn adjust_for_jump(
    c: &mut AnyConnection,
    schedule: &RetrySchedule,
    expected: NaiveDateTime,
    now: NaiveDateTime,
) -> Result<()> {
    let jump = ClockJump { expected, now };
    // The endpoints first, as everybody takes them, and in the order that everybody keeps.
    endpoints::lock_all(c)?;
    update(endpoint_rows::table.filter(endpoint_rows::due_at.is_not_null()))
        .set(endpoint_rows::due_at.eq(Some(now)))
        .execute(c)?;
    // Whether a minute is full is found out anew at each endpoint's next turn.
    let with_capacity_at = endpoint_rows::table.filter(endpoint_rows::capacity_at.is_not_null());
    update(with_capacity_at).set(endpoint_rows::capacity_at.eq(None::<NaiveDateTime>)).execute(c)?;
    jump.adjust_cooldowns(c)?;
    jump.adjust_leases(c)?;
    jump.adjust_retries(c, schedule)?;
    jump.adjust_attempts(c)
}

struct ClockJump {
    expected: NaiveDateTime,
    now: NaiveDateTime,
}

impl ClockJump {
    fn is_forward(&self) -> bool {
        self.now > self.expected
    }

    /// When something is due that was due at that moment of the old time, and that nothing puts off for longer than this.
    /// Nothing changes for what can be as it is.
    fn adjusted(&self, due: NaiveDateTime, max_delay: TimeDelta) -> Option<NaiveDateTime> {
        let latest = self.now + max_delay;
        let adjusted = self.now + (due - self.expected).max(TimeDelta::zero());
        let is_due = if self.is_forward() { due <= self.expected } else { due <= latest };
        (!is_due).then(|| adjusted.min(latest))
    }

    fn adjust_cooldowns(&self, c: &mut AnyConnection) -> Result<()> {
        let later = self.expected.min(self.now);
        let cooling_down = endpoint_rows::table
            .filter(endpoint_rows::cooldown_until.gt(later))
            .select((endpoint_rows::fingerprint, endpoint_rows::cooldown_until));
        for (endpoint, until) in cooling_down.load::<(Vec<u8>, NaiveDateTime)>(c)? {
            if let Some(adjusted) = self.adjusted(until, policy::max_cooldown()) {
                update(endpoint_rows::table.filter(endpoint_rows::fingerprint.eq(endpoint)))
                    .set(endpoint_rows::cooldown_until.eq(adjusted))
                    .execute(c)?;
            }
        }
        Ok(())
    }

    /// Who sends a message keeps it for as long as anybody who begins now.
    fn adjust_leases(&self, c: &mut AnyConnection) -> Result<()> {
        let threshold = if self.is_forward() { self.expected } else { self.now + LEASE_DURATION };
        let held = messages::table
            .filter(messages::state.eq(DeliveryState::Sending.as_str()))
            .filter(messages::finished_at.is_null())
            .filter(messages::lease_until.gt(Some(threshold)));
        update(held).set(messages::lease_until.eq(Some(self.now + LEASE_DURATION))).execute(c)?;
        Ok(())
    }

    fn adjust_retries(&self, c: &mut AnyConnection, schedule: &RetrySchedule) -> Result<()> {
        let waiting = messages::table
            .filter(messages::state.eq(DeliveryState::Waiting.as_str()))
            .filter(messages::finished_at.is_null())
            .filter(messages::due_at.gt(self.expected.min(self.now)))
            .select((messages::id, messages::due_at, messages::tries));
        for (message, due, tries) in waiting.load::<(MessageId, NaiveDateTime, i64)>(c)? {
            if let Some(adjusted) = self.adjusted(due, policy::max_backoff(schedule, tries)) {
                update(messages::table.find(message)).set(messages::due_at.eq(adjusted)).execute(c)?;
            }
        }
        Ok(())
    }

    /// Calls that count for the pace count as made now, and those before them no more.
    fn adjust_attempts(&self, c: &mut AnyConnection) -> Result<()> {
        let max_call = TimeDelta::from_std(CALL_TIMEOUT).map_err(Error::internal)?;
        let lookback = Channel::ALL.into_iter().map(|channel| pace::lookback(rate_limits(channel), max_call)).max();
        let lookback = lookback.unwrap_or_default();
        let recent = self.expected - lookback;
        let (from, until) = if self.is_forward() {
            (recent, self.now - JUMP_TOLERANCE)
        } else {
            (recent.max(self.now), self.expected + TimeDelta::days(1))
        };
        let recent_calls = attempts::table.filter(attempts::started_at.gt(from)).filter(attempts::started_at.lt(until));
        let ended = recent_calls.filter(attempts::finished_at.is_not_null());
        update(ended).set((attempts::started_at.eq(self.now), attempts::finished_at.eq(Some(self.now)))).execute(c)?;
        update(recent_calls).set(attempts::started_at.eq(self.now)).execute(c)?;
        let past = self.now - lookback;
        let in_future =
            attempts::table.filter(attempts::started_at.gt(self.now)).filter(attempts::finished_at.is_not_null());
        update(in_future).set((attempts::started_at.eq(past), attempts::finished_at.eq(Some(past)))).execute(c)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> NaiveDateTime {
        NaiveDateTime::default() + TimeDelta::seconds(seconds)
    }

    /// When something is due `remaining` seconds after a clock at 100,000 is set by this much, in seconds from then.
    fn due_after(set_by: i64, remaining: i64, max_delay: i64) -> Option<i64> {
        let jump = ClockJump { expected: at(100_000), now: at(100_000 + set_by) };
        let adjusted = jump.adjusted(at(100_000 + remaining), TimeDelta::seconds(max_delay));
        adjusted.map(|adjusted| (adjusted - jump.now).num_seconds())
    }

    #[test]
    fn what_waits_goes_on_waiting_for_as_long_whichever_way_the_clock_is_set() {
        for set_by in [3_600, 86_400, -3_600, -86_400] {
            assert_eq!(due_after(set_by, 5, 36), Some(5));
            assert_eq!(due_after(set_by, 30, 36), Some(30));
        }
        assert_eq!(due_after(60, 500, 600), Some(500));
        // What was due is due.
        assert_eq!(due_after(3_600, -5, 600), None);
        assert_eq!(due_after(-3_600, -5, 600), Some(0));
    }

    #[test]
    fn doing_it_twice_makes_nothing_early_and_nothing_later_than_it_may_be() {
        for set_by in [3_600, 86_400, -3_600, -86_400] {
            let jump = ClockJump { expected: at(100_000), now: at(100_000 + set_by) };
            let once = jump.adjusted(at(100_030), TimeDelta::seconds(36)).unwrap();
            let twice = jump.adjusted(once, TimeDelta::seconds(36)).unwrap_or(once);
            assert!(twice >= once && twice <= jump.now + TimeDelta::seconds(36));
        }
    }
}
