//! Recording a call: what its end means for the message, its deliveries, the robot and the bell, in one transaction.

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, dsl::exists, select,
};

use super::{
    bells, fold,
    outbox::{self, Received},
    robots,
};
use crate::{
    courier::{
        model::{DeliveryState, Kind, Priority, Reason},
        policy::{self, Decision, Ending, Fate, Situation},
        retries::RetrySchedule,
        sender::Called,
    },
    db::{
        AnyConnection, MessageId, RobotId, change,
        schema::{attempts, deliveries, messages},
    },
    error::Result,
    robots::Meaning,
};

/// A message that somebody has claimed.
#[derive(Clone)]
pub(in crate::courier) struct OnTheWire {
    pub message: MessageId,
    pub robot: RobotId,
    pub fingerprint: Vec<u8>,
    /// The number of this claim. When the row has another one, the message is somebody else's by now.
    pub fence: i64,
    pub tries: i64,
    pub priority: Priority,
}

/// Records how a call ended, and answers what its group has now. Answers nothing when the record comes too late: the claim ran
/// out and the message went back to its queue. Then nothing changes but the attempt's own row, and the bell rests all the same
/// where the robot asked for that.
pub(in crate::courier) fn record(
    c: &mut AnyConnection,
    wire: &OnTheWire,
    called: &Called,
    (schedule, dice): (&RetrySchedule, f64),
    now: NaiveDateTime,
) -> Result<Option<Vec<Received>>> {
    let bell = bells::lock(c, &wire.fingerprint)?;
    let settled = settle_by(c, wire, called, (schedule, dice), now)?;
    if settled.is_some() {
        bells::look_again(c, &bell.fingerprint, Some(now), None)?;
    }
    Ok(settled)
}

/// The same for a caller that has locked the bell, about a claim that ran out: no schedule says what becomes of that.
pub(super) fn settle(
    c: &mut AnyConnection,
    wire: &OnTheWire,
    called: &Called,
    dice: f64,
    now: NaiveDateTime,
) -> Result<Option<Vec<Received>>> {
    settle_by(c, wire, called, (&RetrySchedule::default(), dice), now)
}

fn settle_by(
    c: &mut AnyConnection,
    wire: &OnTheWire,
    called: &Called,
    (schedule, dice): (&RetrySchedule, f64),
    now: NaiveDateTime,
) -> Result<Option<Vec<Received>>> {
    let reason = called.ending.reason();
    let in_a_row = 1 + before_in_a_row(c, wire, reason)?;
    let situation = Situation { schedule, priority: wire.priority, tries: wire.tries, in_a_row, dice };
    let decision = policy::decide(&called.ending, &situation);
    note_attempt(c, wire, called, now)?;
    if let Some(rest) = decision.rest {
        bells::rest(c, &wire.fingerprint, now + delta(rest))?;
    }
    if !release(c, wire, &decision, now)? {
        return Ok(None);
    }
    let mut received = Vec::new();
    match decision.fate {
        Fate::Delivered => {
            received = outbox::deliver(c, wire.message, now)?;
            robots::mend(c, wire.robot)?;
        }
        // Because of one text that it lists, perhaps: the others are not to be lost with it.
        Fate::Failed(Reason::Robot(Meaning::TooLong | Meaning::ContentRefused | Meaning::OurFault))
            if fold::fall_apart(c, wire.message, now)? => {}
        Fate::Failed(reason) => outbox::finish(c, wire.message, DeliveryState::Failed, reason.as_str(), now)?,
        Fate::Again(_) | Fate::Held => wait(c, wire.message, reason)?,
    }
    if decision.breaks.is_some()
        && let Reason::Robot(meaning) = reason
    {
        let untold_since = is_worth_telling(c, wire.message)?.then_some(now);
        robots::break_down(c, wire.robot, meaning, untold_since)?;
    }
    Ok(Some(received))
}

fn delta(duration: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX / 4)
}

/// Whether administrators are to hear that the robot of this message broke: not when all that it carries is such a notice itself,
/// so that broken robots do not ring one another down the line. The home page names those too.
fn is_worth_telling(c: &mut AnyConnection, message: MessageId) -> Result<bool> {
    let others = deliveries::table
        .filter(deliveries::message.eq(Some(message)))
        .filter(deliveries::kind.ne(Kind::RobotBroken.as_str()))
        .select(deliveries::id);
    Ok(select(exists(others)).get_result(c)?)
}

/// How many of the bell's calls right before this one brought the same answer. Looked up only where it matters.
fn before_in_a_row(c: &mut AnyConnection, wire: &OnTheWire, reason: Reason) -> Result<u32> {
    let Reason::Robot(Meaning::Broken(cause)) = reason else { return Ok(0) };
    let enough = cause.answers_to_believe().saturating_sub(1);
    let before = attempts::table
        .filter(attempts::fingerprint.eq(&wire.fingerprint))
        .filter(attempts::finished_at.is_not_null())
        .order((attempts::started_at.desc(), attempts::id.desc()))
        .limit(i64::from(enough))
        .select(attempts::meaning)
        .load::<String>(c)?;
    let same = before.iter().take_while(|meaning| meaning.as_str() == reason.as_str()).count();
    Ok(u32::try_from(same).unwrap_or(enough))
}

/// Fills in the attempt's row, unless that was done when its claim ran out.
fn note_attempt(c: &mut AnyConnection, wire: &OnTheWire, called: &Called, now: NaiveDateTime) -> Result<()> {
    let (code, text) = match &called.ending {
        Ending::Answered(answer) => (answer.code.as_deref().unwrap_or_default(), answer.text.as_str()),
        Ending::Refused | Ending::Failed(_) => ("", called.detail.as_str()),
    };
    let this = attempts::message.eq(wire.message).and(attempts::number.eq(wire.fence));
    let attempt = change(attempts::table, this.and(attempts::finished_at.is_null()));
    let noted = (
        attempts::finished_at.eq(Some(now)),
        attempts::http_status.eq(called.http_status.map(i64::from)),
        attempts::code.eq(code),
        attempts::meaning.eq(called.ending.reason().as_str()),
        attempts::answer.eq(text),
    );
    attempt.set(noted).execute(c)?;
    Ok(())
}

/// Gives the claim back, if it is still this one's.
fn release(c: &mut AnyConnection, wire: &OnTheWire, decision: &Decision, now: NaiveDateTime) -> Result<bool> {
    let claim = messages::id.eq(wire.message).and(messages::fence.eq(wire.fence));
    let mine = change(messages::table, claim.and(messages::state.eq(DeliveryState::Sending.as_str())));
    let released =
        (messages::state.eq(DeliveryState::Waiting.as_str()), messages::lease_until.eq(None::<NaiveDateTime>));
    let changed = match decision.fate {
        Fate::Again(after) => mine.set((released, messages::due_at.eq(now + delta(after)))).execute(c)?,
        // Back to its place in the queue, by its age, as if it had not been tried: nothing is wrong with the message.
        Fate::Held => {
            let as_before = (messages::due_at.eq(messages::created_at), messages::tries.eq(wire.tries - 1));
            mine.set((released, as_before)).execute(c)?
        }
        Fate::Delivered | Fate::Failed(_) => mine.set(released).execute(c)?,
    };
    Ok(changed == 1)
}

/// What the message carries waits with it.
fn wait(c: &mut AnyConnection, message: MessageId, reason: Reason) -> Result<()> {
    let carried = deliveries::message.eq(message).and(deliveries::finished_at.is_null());
    let waiting = (deliveries::state.eq(DeliveryState::Waiting.as_str()), deliveries::reason.eq(reason.as_str()));
    change(deliveries::table, carried).set(waiting).execute(c)?;
    Ok(())
}
