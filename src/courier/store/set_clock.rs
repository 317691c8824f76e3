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

use super::{bells, claim::LEASE};
use crate::{
    courier::{model::DeliveryState, pace, policy, retries::RetrySchedule, sender::WHOLE_CALL},
    db::{
        AnyConnection, AtMost as _, MessageId,
        schema::{attempts, messages, paces},
    },
    error::{Error, Result},
    robots::{Channel, limits},
};

/// Differences up to this are those of a good clock that is kept in step. The pace leaves as much room.
const TOLERANCE: TimeDelta = pace::SLACK;

/// Whether a clock that shows `now` was set, when it would show `before` if nobody had.
pub(in crate::courier) fn is_set(before: NaiveDateTime, now: NaiveDateTime) -> bool {
    (now - before).abs() > TOLERANCE
}

/// When the last call was made: where that is still to come, the clock was set back while nobody was running.
pub(in crate::courier) fn last_call(c: &mut AnyConnection) -> Result<Option<NaiveDateTime>> {
    Ok(attempts::table.order(attempts::id.desc()).select(attempts::started_at).first_row(c).optional()?)
}

/// The clock shows `now`, and would show `before` if nobody had set it.
pub(in crate::courier) fn adjust(
    c: &mut AnyConnection,
    schedule: &RetrySchedule,
    before: NaiveDateTime,
    now: NaiveDateTime,
) -> Result<()> {
    let change = Change { before, now };
    // The bells first, as everybody takes them, and in the order that everybody keeps.
    bells::lock_all(c)?;
    update(paces::table.filter(paces::due_at.is_not_null())).set(paces::due_at.eq(Some(now))).execute(c)?;
    // Whether a minute is full is found out anew at each bell's next turn.
    let full = paces::table.filter(paces::full_until.is_not_null());
    update(full).set(paces::full_until.eq(None::<NaiveDateTime>)).execute(c)?;
    change.rests(c)?;
    change.leases(c)?;
    change.retries(c, schedule)?;
    change.calls(c)
}

struct Change {
    before: NaiveDateTime,
    now: NaiveDateTime,
}

impl Change {
    fn is_forward(&self) -> bool {
        self.now > self.before
    }

    /// When something is due that was due at that moment of the old time, and that nothing puts off for longer than this.
    /// Nothing changes for what can be as it is.
    fn moved(&self, due: NaiveDateTime, at_most: TimeDelta) -> Option<NaiveDateTime> {
        let latest = self.now + at_most;
        let moved = self.now + (due - self.before).max(TimeDelta::zero());
        let is_due = if self.is_forward() { due <= self.before } else { due <= latest };
        (!is_due).then(|| moved.min(latest))
    }

    fn rests(&self, c: &mut AnyConnection) -> Result<()> {
        let later = self.before.min(self.now);
        let resting = paces::table.filter(paces::rest_until.gt(later)).select((paces::fingerprint, paces::rest_until));
        for (bell, until) in resting.load::<(Vec<u8>, NaiveDateTime)>(c)? {
            if let Some(moved) = self.moved(until, policy::longest_rest()) {
                update(paces::table.filter(paces::fingerprint.eq(bell))).set(paces::rest_until.eq(moved)).execute(c)?;
            }
        }
        Ok(())
    }

    /// Who sends a message keeps it for as long as anybody who begins now.
    fn leases(&self, c: &mut AnyConnection) -> Result<()> {
        let holds = if self.is_forward() { self.before } else { self.now + LEASE };
        let held = messages::table
            .filter(messages::state.eq(DeliveryState::Sending.as_str()))
            .filter(messages::finished_at.is_null())
            .filter(messages::lease_until.gt(Some(holds)));
        update(held).set(messages::lease_until.eq(Some(self.now + LEASE))).execute(c)?;
        Ok(())
    }

    fn retries(&self, c: &mut AnyConnection, schedule: &RetrySchedule) -> Result<()> {
        let waiting = messages::table
            .filter(messages::state.eq(DeliveryState::Waiting.as_str()))
            .filter(messages::finished_at.is_null())
            .filter(messages::due_at.gt(self.before.min(self.now)))
            .select((messages::id, messages::due_at, messages::tries));
        for (message, due, tries) in waiting.load::<(MessageId, NaiveDateTime, i64)>(c)? {
            if let Some(moved) = self.moved(due, policy::longest_pause(schedule, tries)) {
                update(messages::table.find(message)).set(messages::due_at.eq(moved)).execute(c)?;
            }
        }
        Ok(())
    }

    /// Calls that count for the pace count as made now, and those before them no more.
    fn calls(&self, c: &mut AnyConnection) -> Result<()> {
        let longest = TimeDelta::from_std(WHOLE_CALL).map_err(Error::internal)?;
        let horizon = Channel::ALL.into_iter().map(|channel| pace::horizon(limits(channel), longest)).max();
        let horizon = horizon.unwrap_or_default();
        let recent = self.before - horizon;
        let (from, until) = if self.is_forward() {
            (recent, self.now - TOLERANCE)
        } else {
            (recent.max(self.now), self.before + TimeDelta::days(1))
        };
        let counting = attempts::table.filter(attempts::started_at.gt(from)).filter(attempts::started_at.lt(until));
        let ended = counting.filter(attempts::finished_at.is_not_null());
        update(ended).set((attempts::started_at.eq(self.now), attempts::finished_at.eq(Some(self.now)))).execute(c)?;
        update(counting).set(attempts::started_at.eq(self.now)).execute(c)?;
        let past = self.now - horizon;
        let gone =
            attempts::table.filter(attempts::started_at.gt(self.now)).filter(attempts::finished_at.is_not_null());
        update(gone).set((attempts::started_at.eq(past), attempts::finished_at.eq(Some(past)))).execute(c)?;
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
    fn due(set_by: i64, remaining: i64, at_most: i64) -> Option<i64> {
        let change = Change { before: at(100_000), now: at(100_000 + set_by) };
        let moved = change.moved(at(100_000 + remaining), TimeDelta::seconds(at_most));
        moved.map(|moved| (moved - change.now).num_seconds())
    }

    #[test]
    fn what_waits_goes_on_waiting_for_as_long_whichever_way_the_clock_is_set() {
        for set_by in [3_600, 86_400, -3_600, -86_400] {
            assert_eq!(due(set_by, 5, 36), Some(5));
            assert_eq!(due(set_by, 30, 36), Some(30));
        }
        assert_eq!(due(60, 500, 600), Some(500));
        // What was due is due.
        assert_eq!(due(3_600, -5, 600), None);
        assert_eq!(due(-3_600, -5, 600), Some(0));
    }

    #[test]
    fn doing_it_twice_makes_nothing_early_and_nothing_later_than_it_may_be() {
        for set_by in [3_600, 86_400, -3_600, -86_400] {
            let change = Change { before: at(100_000), now: at(100_000 + set_by) };
            let once = change.moved(at(100_030), TimeDelta::seconds(36)).unwrap();
            let twice = change.moved(once, TimeDelta::seconds(36)).unwrap_or(once);
            assert!(twice >= once && twice <= change.now + TimeDelta::seconds(36));
        }
    }
}
