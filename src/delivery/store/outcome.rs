//! Recording a call: what its end means for the message, its deliveries, the robot and the endpoint, in one transaction.

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, dsl::exists, select,
};

use super::{
    digest, endpoints,
    outbox::{self, DeliveredRow},
    robots,
};
use crate::{
    db::{
        AnyConnection, MessageId, RobotId, cached_update,
        schema::{attempts, deliveries, messages},
    },
    delivery::{
        model::{DeliveryKind, DeliveryReason, DeliveryState, Priority},
        policy::{self, CallContext, CallDecision, CallOutcome, Disposition},
        retries::RetrySchedule,
        sender::CallResult,
    },
    error::Result,
    robots::Meaning,
};

/// A message that somebody has claimed.
#[derive(Clone)]
pub(in crate::delivery) struct InFlight {
    pub message: MessageId,
    pub robot: RobotId,
    pub fingerprint: Vec<u8>,
    /// The number of this claim. When the row has another one, the message is somebody else's by now.
    pub fence: i64,
    pub tries: i64,
    pub priority: Priority,
}

/// Records how a call ended, and answers what its group has now. Answers nothing when the record comes too late: the claim ran
/// out and the message went back to its queue. Then nothing changes but the attempt's own row, and the endpoint rests all the same
/// where the robot asked for that.
pub(in crate::delivery) fn record_outcome(
    c: &mut AnyConnection,
    in_flight: &InFlight,
    result: &CallResult,
    (schedule, jitter): (&RetrySchedule, f64),
    now: NaiveDateTime,
) -> Result<Option<Vec<DeliveredRow>>> {
    let endpoint = endpoints::lock(c, &in_flight.fingerprint)?;
    let received = apply_outcome(c, in_flight, result, (schedule, jitter), now)?;
    if received.is_some() {
        endpoints::set_next_due(c, &endpoint.fingerprint, Some(now), None)?;
    }
    Ok(received)
}

/// The same for a caller that has locked the endpoint, about a claim that ran out: no schedule says what becomes of that.
pub(super) fn record_expired_lease(
    c: &mut AnyConnection,
    in_flight: &InFlight,
    result: &CallResult,
    jitter: f64,
    now: NaiveDateTime,
) -> Result<Option<Vec<DeliveredRow>>> {
    apply_outcome(c, in_flight, result, (&RetrySchedule::default(), jitter), now)
}

fn apply_outcome(
    c: &mut AnyConnection,
    in_flight: &InFlight,
    result: &CallResult,
    (schedule, jitter): (&RetrySchedule, f64),
    now: NaiveDateTime,
) -> Result<Option<Vec<DeliveredRow>>> {
    let reason = result.outcome.reason();
    let consecutive_failures = 1 + previous_same_answers(c, in_flight, reason)?;
    let context =
        CallContext { schedule, priority: in_flight.priority, tries: in_flight.tries, consecutive_failures, jitter };
    let decision = policy::decide(&result.outcome, &context);
    finish_attempt(c, in_flight, result, now)?;
    if let Some(cooldown) = decision.cooldown {
        endpoints::start_cooldown(c, &in_flight.fingerprint, now + to_time_delta(cooldown))?;
    }
    if !release_lease(c, in_flight, &decision, now)? {
        return Ok(None);
    }
    let mut received = Vec::new();
    match decision.disposition {
        Disposition::Delivered => {
            received = outbox::mark_delivered(c, in_flight.message, now)?;
            robots::mark_healthy(c, in_flight.robot)?;
        }
        // Because of one text that it lists, perhaps: the others are not to be lost with it.
        Disposition::Failed(DeliveryReason::Robot(
            Meaning::TooLong | Meaning::ContentRefused | Meaning::InvalidRequest,
        )) if digest::split_digest(c, in_flight.message, now)? => {}
        Disposition::Failed(reason) => {
            outbox::mark_finished(c, in_flight.message, DeliveryState::Failed, reason.as_str(), now)?
        }
        Disposition::Retry(_) | Disposition::Hold => requeue(c, in_flight.message, reason)?,
    }
    if decision.broken_cause.is_some()
        && let DeliveryReason::Robot(meaning) = reason
    {
        let notice_pending_since = needs_broken_notice(c, in_flight.message)?.then_some(now);
        robots::mark_broken(c, in_flight.robot, meaning, notice_pending_since)?;
    }
    Ok(Some(received))
}

fn to_time_delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX / 4)
}

/// Whether administrators are to hear that the robot of this message broke: not when all that it carries is such a notice itself,
/// so that broken robots do not ring one another down the line. The home page names those too.
fn needs_broken_notice(c: &mut AnyConnection, message: MessageId) -> Result<bool> {
    let others = deliveries::table
        .filter(deliveries::message.eq(Some(message)))
        .filter(deliveries::kind.ne(DeliveryKind::RobotBroken.as_str()))
        .select(deliveries::id);
    Ok(select(exists(others)).get_result(c)?)
}

/// How many of the endpoint's calls right before this one brought the same answer. Looked up only where it matters.
fn previous_same_answers(c: &mut AnyConnection, in_flight: &InFlight, reason: DeliveryReason) -> Result<u32> {
    let DeliveryReason::Robot(Meaning::Broken(cause)) = reason else { return Ok(0) };
    let needed = cause.confirmations_required().saturating_sub(1);
    let before = attempts::table
        .filter(attempts::fingerprint.eq(&in_flight.fingerprint))
        .filter(attempts::finished_at.is_not_null())
        .order((attempts::started_at.desc(), attempts::id.desc()))
        .limit(i64::from(needed))
        .select(attempts::meaning)
        .load::<String>(c)?;
    let same = before.iter().take_while(|meaning| meaning.as_str() == reason.as_str()).count();
    Ok(u32::try_from(same).unwrap_or(needed))
}

/// Fills in the attempt's row, unless that was done when its claim ran out.
fn finish_attempt(c: &mut AnyConnection, in_flight: &InFlight, result: &CallResult, now: NaiveDateTime) -> Result<()> {
    let (code, text) = match &result.outcome {
        CallOutcome::Answered(answer) => (answer.code.as_deref().unwrap_or_default(), answer.text.as_str()),
        CallOutcome::AddressRefused | CallOutcome::Failed(_) => ("", result.detail.as_str()),
    };
    let this = attempts::message.eq(in_flight.message).and(attempts::number.eq(in_flight.fence));
    let attempt = cached_update(attempts::table, this.and(attempts::finished_at.is_null()));
    let columns = (
        attempts::finished_at.eq(Some(now)),
        attempts::http_status.eq(result.http_status.map(i64::from)),
        attempts::code.eq(code),
        attempts::meaning.eq(result.outcome.reason().as_str()),
        attempts::answer.eq(text),
    );
    attempt.set(columns).execute(c)?;
    Ok(())
}

/// Gives the claim back, if it is still this one's.
fn release_lease(
    c: &mut AnyConnection,
    in_flight: &InFlight,
    decision: &CallDecision,
    now: NaiveDateTime,
) -> Result<bool> {
    let claim = messages::id.eq(in_flight.message).and(messages::fence.eq(in_flight.fence));
    let own_claim = cached_update(messages::table, claim.and(messages::state.eq(DeliveryState::Sending.as_str())));
    let released =
        (messages::state.eq(DeliveryState::Waiting.as_str()), messages::lease_until.eq(None::<NaiveDateTime>));
    let changed = match decision.disposition {
        Disposition::Retry(after) => {
            own_claim.set((released, messages::due_at.eq(now + to_time_delta(after)))).execute(c)?
        }
        // Back to its place in the queue, by its age, as if it had not been tried: nothing is wrong with the message.
        Disposition::Hold => {
            let as_before = (messages::due_at.eq(messages::created_at), messages::tries.eq(in_flight.tries - 1));
            own_claim.set((released, as_before)).execute(c)?
        }
        Disposition::Delivered | Disposition::Failed(_) => own_claim.set(released).execute(c)?,
    };
    Ok(changed == 1)
}

/// What the message carries waits with it.
fn requeue(c: &mut AnyConnection, message: MessageId, reason: DeliveryReason) -> Result<()> {
    let carried = deliveries::message.eq(message).and(deliveries::finished_at.is_null());
    let waiting = (deliveries::state.eq(DeliveryState::Waiting.as_str()), deliveries::reason.eq(reason.as_str()));
    cached_update(deliveries::table, carried).set(waiting).execute(c)?;
    Ok(())
}
