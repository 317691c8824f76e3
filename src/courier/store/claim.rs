//! Claiming: takes the next message of each due bell, for a limited time and with a number that grows at every claim.
//!
//! The attempt is written before the call, so that it counts for the pace whatever happens afterwards. A claim whose time
//! ran out without a record (the process ended, or stood still) is taken back here; its late record is refused by the
//! number.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{
    BoolExpressionMethods as _, Connection as _, ExpressionMethods as _, JoinOnDsl as _,
    NullableExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _, dsl::min, insert_into,
};

use super::{
    bells::{self, Bell},
    complete::{self, OnTheWire},
    fold, outbox,
    robots::{RobotState, channel_of, secret_place, url_place},
};
use crate::{
    courier::{
        digest::Speller,
        model::{DeliveryState, Fault, Priority, Reason},
        pace::{self, Call, Crowd},
        policy::Ending,
        sender::{Called, WHOLE_CALL},
    },
    db::{
        AnyConnection, AtMost as _, DeliveryId, EntryId, INSTANCE_SCOPE, MessageId, RobotId, TenantId, change,
        directly,
        schema::{attempts, channel_switches, deliveries, messages, robots, tenants},
        text_literal,
    },
    error::{Error, Result},
    robots::{Channel, limits},
    secrets::{KeyRing, Place, random},
};

/// How long a claim holds: the whole call and time to record it.
pub(in crate::courier) const LEASE: TimeDelta = TimeDelta::seconds(45);

text_literal!(
    /// [`DeliveryState::Waiting`].
    WaitingState = "waiting"
);
text_literal!(
    /// [`DeliveryState::Sending`].
    SendingState = "sending"
);

/// How many rows of a queue are looked at to see how many messages they make: more than any window takes, also where several
/// members share a robot.
const GLANCE: i64 = 200;

/// When to look again at a bell whose rows could not be worked with, so that it does not keep the others waiting.
const POSTPONED: TimeDelta = TimeDelta::seconds(30);

/// A message to be sent now, by whoever holds this.
pub(in crate::courier) struct Claim {
    pub wire: OnTheWire,
    pub tenant: TenantId,
    /// What the message carries, for the log; nothing for a digest, whose deliveries point to it.
    pub deliveries: Vec<DeliveryId>,
    /// How many alerts a digest lists or counts; none of a message for one.
    pub alerts: usize,
    pub channel: Channel,
    pub sealed_url: Vec<u8>,
    pub sealed_secret: Option<Vec<u8>>,
    pub title: String,
    pub body: String,
    /// Whom the message mentions, by phone number.
    pub mentions: Vec<String>,
    /// What is said instead of the body, sealed, and the delivery it is sealed for.
    pub sealed_body: Option<(DeliveryId, Vec<u8>)>,
    pub msg_uuid: String,
    /// After this moment the message may be somebody else's.
    pub lease_until: NaiveDateTime,
}

impl Claim {
    /// Where the robot's address is sealed for.
    pub(in crate::courier) fn url_place(&self) -> Place<'_> {
        url_place(self.tenant, &self.wire.fingerprint)
    }

    /// Where the robot's secret is sealed for.
    pub(in crate::courier) fn secret_place(&self) -> Place<'_> {
        secret_place(self.tenant, &self.wire.fingerprint)
    }

    /// The text for the wire.
    pub(in crate::courier) fn text(&self, keys: &KeyRing) -> Result<String> {
        match &self.sealed_body {
            Some((delivery, sealed)) => keys.unseal(outbox::body_place(self.tenant, &delivery.0.to_be_bytes()), sealed),
            None => Ok(self.body.clone()),
        }
    }
}

/// What a look at the due bells brought.
#[derive(Default)]
pub(in crate::courier) struct Round {
    /// How many bells were looked at.
    pub looked_at: usize,
    /// What is to be sent now.
    pub claims: Vec<Claim>,
    /// Whether deliveries ended without a call.
    pub ended: bool,
}

/// Looks at the due bells, at most so many and at most [`bells::CLAIM_BATCH_SIZE`], and claims the next message of each that may ring.
pub(in crate::courier) fn claim_due(
    c: &mut AnyConnection,
    now: NaiveDateTime,
    at_most: usize,
    speller: &Speller,
) -> Result<Round> {
    let mut bells = bells::lock_due(c, now)?;
    bells.truncate(at_most);
    let mut round = Round { looked_at: bells.len(), claims: Vec::new(), ended: false };
    let mut folded = 0;
    for bell in bells {
        // Nothing else is stored meanwhile on SQLite: what is left stays due, and has its turn in the next round.
        if folded >= fold::ENOUGH {
            break;
        }
        // A savepoint, so that rows nobody can work with spoil their own bell's turn alone.
        match c.transaction(|c| turn(c, &bell, now, speller)) {
            Ok(turn) => {
                round.claims.extend(turn.claim);
                round.ended |= turn.ended;
                folded += turn.folded;
            }
            Err(Error::Unavailable(fault)) => return Err(Error::Unavailable(fault)),
            Err(fault) => {
                tracing::error!(%fault, "the queue of a robot cannot be worked on; it is tried again later");
                bells::look_again(c, &bell.fingerprint, Some(now + POSTPONED), None)?;
            }
        }
    }
    Ok(round)
}

/// What one bell's turn brought.
#[derive(Default)]
struct Turn {
    claim: Option<Claim>,
    /// When to look at the bell again; never, until something is put into its queue.
    look_again: Option<NaiveDateTime>,
    /// Until when nothing ordinary can go out, whatever is put into the queue.
    full_until: Option<NaiveDateTime>,
    /// Whether deliveries ended without a call.
    ended: bool,
    /// How many alerts were folded.
    folded: i64,
}

/// One tenant's robot at a bell.
#[derive(diesel::Queryable)]
struct Rope {
    robot: RobotId,
    tenant: TenantId,
    channel: String,
    state: String,
    sealed_url: Vec<u8>,
    sealed_secret: Option<Vec<u8>>,
    channel_mode: String,
    deleted_at: Option<NaiveDateTime>,
}

impl Rope {
    fn is_broken(&self) -> bool {
        RobotState::parse(&self.state) == Some(RobotState::Broken)
    }
}

/// What could go out next. Ordered by what goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    priority: i64,
    /// Since when it could have gone out.
    since: NaiveDateTime,
    work: Work,
    /// With which others it may be folded, and whether there are any.
    portion: i64,
    company: bool,
}

/// What a robot's queue begins with, and how many messages it makes, as far as that was looked at.
#[derive(Default)]
struct Queue {
    first: Option<Candidate>,
    crowd: Crowd,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// A delivery that no message carries yet.
    Fresh(DeliveryId),
    /// A message that was tried before.
    Again(MessageId),
}

/// Decides for a locked bell: the next message, if it may ring, and when to look again.
fn turn(c: &mut AnyConnection, bell: &Bell, now: NaiveDateTime, speller: &Speller) -> Result<Turn> {
    let (busy_until, lost) = in_flight(c, bell, now)?;
    let mut turn = match busy_until {
        Some(lease_until) => Turn { look_again: Some(lease_until), full_until: Some(lease_until), ..Turn::default() },
        None => next(c, bell, now, speller)?,
    };
    turn.ended |= lost;
    bells::look_again(c, &bell.fingerprint, turn.look_again, turn.full_until)?;
    Ok(turn)
}

/// Until when somebody is calling this robot. A claim that ran out is taken back; the second value says so.
fn in_flight(c: &mut AnyConnection, bell: &Bell, now: NaiveDateTime) -> Result<(Option<NaiveDateTime>, bool)> {
    let sending = messages::table
        .filter(messages::fingerprint.eq(&bell.fingerprint))
        .filter(messages::state.eq(SendingState))
        .filter(messages::finished_at.is_null())
        .select((
            messages::id,
            messages::robot,
            messages::fence,
            messages::tries,
            messages::priority,
            messages::lease_until,
        ))
        .first_row::<(MessageId, RobotId, i64, i64, i64, Option<NaiveDateTime>), _>(c)
        .optional()?;
    let Some((message, robot, fence, tries, priority, lease_until)) = sending else { return Ok((None, false)) };
    if let Some(until) = lease_until.filter(|until| *until > now) {
        return Ok((Some(until), false));
    }
    tracing::warn!(message_id = %message, "a call was not recorded in time; its message goes out again");
    let fingerprint = bell.fingerprint.clone();
    let wire = OnTheWire { message, robot, fingerprint, fence, tries, priority: Priority::of(priority) };
    complete::settle(c, &wire, &Called::without_answer(Ending::Failed(Fault::Lost), String::new()), 0.0, now)?;
    Ok((None, true))
}

fn next(c: &mut AnyConnection, bell: &Bell, now: NaiveDateTime, speller: &Speller) -> Result<Turn> {
    let mut turn = Turn::default();
    let mut open = Vec::new();
    for rope in ropes(c, bell)? {
        match closed(c, &rope)? {
            Some(reason) => turn.ended |= outbox::turn_away(c, &bell.fingerprint, rope.robot, reason, now)?,
            None => open.push(rope),
        }
    }
    let (mut best, mut crowd): (Option<(Candidate, &Rope)>, _) = (None, Crowd::default());
    for rope in &open {
        let again = again(c, bell, rope, now)?;
        let behind = again.first.is_some() || is_any_waiting(c, bell, rope)?;
        let fresh = fresh(c, rope, behind)?;
        for queue in [fresh, again] {
            crowd.urgent += queue.crowd.urgent;
            crowd.ordinary += queue.crowd.ordinary;
            if let Some(first) = queue.first
                && best.is_none_or(|(other, _)| first < other)
            {
                best = Some((first, rope));
            }
        }
    }
    let Some((candidate, rope)) = best else {
        turn.look_again = next_due(c, bell, &open, now)?;
        return Ok(turn);
    };
    let priority = Priority::of(candidate.priority);
    if bell.rest_until > now && priority == Priority::Test {
        // Whoever waits for a test is told what a call would answer, without making the robot's rest longer.
        outbox::give_up(c, candidate.work, Reason::TestTooFast, now)?;
        return Ok(Turn { look_again: Some(now), ended: true, ..turn });
    }
    let next = next_turn(c, bell, rope, (priority, crowd), now)?;
    let start = next.start.max(bell.rest_until);
    if start > now {
        // What is ordinary starts no sooner than what is urgent.
        (turn.look_again, turn.full_until) = (Some(start), Some(start));
    } else {
        let message = match candidate.work {
            Work::Again(message) => message,
            Work::Fresh(_) if candidate.company && (next.folds || candidate.portion > 0) => {
                let channel = channel_of(&rope.channel)?;
                let robot =
                    fold::Robot { robot: rope.robot, fingerprint: &bell.fingerprint, tenant: rope.tenant, channel };
                let (message, alerts) = fold::fold(c, &robot, candidate.portion, speller, now)?;
                turn.folded = alerts;
                message
            }
            Work::Fresh(delivery) => carry(c, bell, rope, delivery)?,
        };
        let claim = take(c, bell, rope, message, now)?;
        (turn.look_again, turn.full_until) = (Some(claim.lease_until), Some(claim.lease_until));
        turn.claim = Some(claim);
    }
    Ok(turn)
}

fn ropes(c: &mut AnyConnection, bell: &Bell) -> Result<Vec<Rope>> {
    let ropes = robots::table
        .inner_join(tenants::table.on(tenants::id.eq(robots::tenant)))
        .filter(robots::fingerprint.eq(&bell.fingerprint))
        .order(robots::id)
        .select((
            robots::id,
            robots::tenant,
            robots::channel,
            robots::state,
            robots::sealed_url,
            robots::sealed_secret,
            tenants::channel_mode,
            tenants::deleted_at,
        ));
    Ok(ropes.load(c)?)
}

/// Why nothing may go out by this robot at all, if so: by the tenant's own switches, or the instance's.
fn closed(c: &mut AnyConnection, rope: &Rope) -> Result<Option<Reason>> {
    if rope.deleted_at.is_some() {
        return Ok(Some(Reason::TenantDeleted));
    }
    let scope = if rope.channel_mode == "custom" { rope.tenant.0 } else { INSTANCE_SCOPE };
    let switch = channel_switches::table
        .filter(channel_switches::scope.eq(scope))
        .filter(channel_switches::channel.eq(&rope.channel))
        .select(channel_switches::is_on);
    let is_on = switch.first_row::<bool, _>(c).optional()?.unwrap_or(false);
    Ok((!is_on).then_some(Reason::ChannelOff))
}

/// The lowest priority that this robot takes at the moment: while it is broken, tests alone.
fn lowest(rope: &Rope) -> i64 {
    if rope.is_broken() { Priority::Test.number() } else { i64::MAX }
}

/// A delivery in the queue: priority, since when, id, entry and portion.
type Queued = (i64, NaiveDateTime, DeliveryId, Option<EntryId>, i64);

/// What waits and was not tried yet. `behind` says whether some message is still to be tried again: then the end of what it
/// tells of waits for it.
fn fresh(c: &mut AnyConnection, rope: &Rope, behind: bool) -> Result<Queue> {
    let queue = deliveries::table
        .filter(deliveries::robot.eq(rope.robot))
        .filter(deliveries::priority.le(lowest(rope)))
        .order((deliveries::priority, deliveries::id))
        .select((
            deliveries::priority.assume_not_null(),
            deliveries::created_at,
            deliveries::id,
            deliveries::entry,
            deliveries::portion,
        ));
    let rows: Vec<Queued> = match behind {
        true => directly!(c, c => queue.filter(fold::InOrder(rope.robot)).at_most::<GLANCE>().load(c))?,
        false => directly!(c, c => queue.at_most::<GLANCE>().load(c))?,
    };
    let Some(&(priority, since, delivery, _, portion)) = rows.first() else { return Ok(Queue::default()) };
    let notice = |(_, _, id, entry, _): &Queued| entry.map_or(-id.0, |entry| entry.0);
    let is_test = |row: &Queued| Priority::of(row.0) == Priority::Test;
    // What belongs to a portion makes one message, and everything else one for each alert.
    let mut messages: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for row in rows.iter().filter(|row| !is_test(row)) {
        let message = if row.4 > 0 { (row.4, 0) } else { (0, notice(row)) };
        messages.entry(message).or_insert(row.0);
    }
    let urgent = messages.values().filter(|priority| Priority::of(**priority) == Priority::Urgent).count();
    let company: BTreeSet<i64> = rows.iter().filter(|row| row.4 == portion && !is_test(row)).map(notice).collect();
    let first = Candidate { priority, since, work: Work::Fresh(delivery), portion, company: company.len() > 1 };
    Ok(Queue { first: Some(first), crowd: Crowd { urgent, ordinary: messages.len() - urgent } })
}

fn again(c: &mut AnyConnection, bell: &Bell, rope: &Rope, now: NaiveDateTime) -> Result<Queue> {
    let due: Vec<(i64, NaiveDateTime, MessageId)> = messages::table
        .filter(messages::fingerprint.eq(&bell.fingerprint))
        .filter(messages::state.eq(WaitingState))
        .filter(messages::finished_at.is_null())
        .filter(messages::robot.eq(rope.robot))
        .filter(messages::due_at.le(now))
        .filter(messages::priority.le(lowest(rope)))
        .order((messages::priority, messages::due_at, messages::id))
        .select((messages::priority, messages::due_at, messages::id))
        .at_most::<GLANCE>()
        .load(c)?;
    let of = |priority| due.iter().filter(|row| Priority::of(row.0) == priority).count();
    let crowd = Crowd { urgent: of(Priority::Urgent), ordinary: of(Priority::Ordinary) };
    let first = due.first().map(|(priority, since, message)| {
        let work = Work::Again(*message);
        Candidate { priority: *priority, since: *since, work, portion: 0, company: false }
    });
    Ok(Queue { first, crowd })
}

/// Whether any message is to be tried again, be it later.
fn is_any_waiting(c: &mut AnyConnection, bell: &Bell, rope: &Rope) -> Result<bool> {
    let waiting = messages::table
        .filter(messages::fingerprint.eq(&bell.fingerprint))
        .filter(messages::state.eq(WaitingState))
        .filter(messages::finished_at.is_null())
        .filter(messages::robot.eq(rope.robot))
        .select(messages::id);
    Ok(directly!(c, c => waiting.first::<MessageId>(c)).optional()?.is_some())
}

/// When the first message that waits for a later moment is due.
fn next_due(c: &mut AnyConnection, bell: &Bell, ropes: &[Rope], now: NaiveDateTime) -> Result<Option<NaiveDateTime>> {
    let mut next: Option<NaiveDateTime> = None;
    for rope in ropes {
        let again = messages::table
            .filter(messages::fingerprint.eq(&bell.fingerprint))
            .filter(messages::state.eq(WaitingState))
            .filter(messages::finished_at.is_null())
            .filter(messages::robot.eq(rope.robot))
            .filter(messages::due_at.gt(now))
            .filter(messages::priority.le(lowest(rope)))
            .select(min(messages::due_at))
            .first_row::<Option<NaiveDateTime>, _>(c)?;
        next = [next, again].into_iter().flatten().min();
    }
    Ok(next)
}

/// When the pace allows the next call, and whether that is to be a digest; the calls of all tenants, processes and restarts count.
fn next_turn(
    c: &mut AnyConnection,
    bell: &Bell,
    rope: &Rope,
    (priority, crowd): (Priority, Crowd),
    now: NaiveDateTime,
) -> Result<pace::Turn> {
    let limits = limits(channel_of(&rope.channel)?);
    let longest = TimeDelta::from_std(WHOLE_CALL).map_err(Error::internal)?;
    let calls = attempts::table
        .filter(attempts::fingerprint.eq(&bell.fingerprint))
        .filter(attempts::started_at.gt(now - pace::horizon(limits, longest)))
        .select((attempts::started_at, attempts::finished_at))
        .load::<(NaiveDateTime, Option<NaiveDateTime>)>(c)?;
    let calls: Vec<Call> =
        calls.into_iter().map(|(started_at, finished_at)| Call { started_at, finished_at }).collect();
    Ok(pace::next_turn(limits, priority, crowd, &calls, longest, now))
}

/// Takes the work: the message is on the wire from here on, and the attempt counts.
fn take(c: &mut AnyConnection, bell: &Bell, rope: &Rope, message: MessageId, now: NaiveDateTime) -> Result<Claim> {
    let lease_until = now + LEASE;
    let waiting = messages::id.eq(message).and(messages::state.eq(DeliveryState::Waiting.as_str()));
    let (fence, tries, priority, title, body, msg_uuid, folded) = change(messages::table, waiting)
        .set((
            messages::state.eq(DeliveryState::Sending.as_str()),
            messages::lease_until.eq(Some(lease_until)),
            messages::fence.eq(messages::fence + 1),
            messages::tries.eq(messages::tries + 1),
        ))
        .returning((
            messages::fence,
            messages::tries,
            messages::priority,
            messages::title,
            messages::body,
            messages::msg_uuid,
            messages::folded,
        ))
        .get_result::<(i64, i64, i64, String, String, String, i64)>(c)?;
    let Carried { deliveries: carried, mentions, sealed_body } = sending(c, message, folded > 0)?;
    insert_into(attempts::table)
        .values((
            attempts::message.eq(message),
            attempts::fingerprint.eq(&bell.fingerprint),
            attempts::number.eq(fence),
            attempts::started_at.eq(now),
            attempts::code.eq(""),
            attempts::meaning.eq(""),
            attempts::answer.eq(""),
        ))
        .execute(c)?;
    let fingerprint = bell.fingerprint.clone();
    Ok(Claim {
        wire: OnTheWire { message, robot: rope.robot, fingerprint, fence, tries, priority: Priority::of(priority) },
        tenant: rope.tenant,
        deliveries: carried,
        alerts: usize::try_from(folded).unwrap_or_default(),
        channel: channel_of(&rope.channel)?,
        sealed_url: rope.sealed_url.clone(),
        sealed_secret: rope.sealed_secret.clone(),
        title,
        body,
        mentions,
        sealed_body,
        msg_uuid,
        lease_until,
    })
}

/// What a message that is about to be sent carries.
struct Carried {
    deliveries: Vec<DeliveryId>,
    mentions: Vec<String>,
    sealed_body: Option<(DeliveryId, Vec<u8>)>,
}

/// Marks what a message carries as being sent. A digest carries too much to be read row by row.
fn sending(c: &mut AnyConnection, message: MessageId, is_digest: bool) -> Result<Carried> {
    let state = DeliveryState::Sending.as_str();
    // A digest that was made just now is marked already.
    let carried =
        deliveries::message.eq(message).and(deliveries::finished_at.is_null()).and(deliveries::state.ne(state));
    let sending = change(deliveries::table, carried).set(deliveries::state.eq(state));
    if is_digest {
        sending.execute(c)?;
        return Ok(Carried { deliveries: Vec::new(), mentions: fold::mentions(c, message)?, sealed_body: None });
    }
    let carried: Vec<(DeliveryId, String, Option<Vec<u8>>)> =
        sending.returning((deliveries::id, deliveries::mention, deliveries::sealed_body)).get_results(c)?;
    let sealed_body = carried.iter().find_map(|(delivery, _, sealed)| Some((*delivery, sealed.clone()?)));
    let (deliveries, mentions): (Vec<_>, Vec<_>) =
        carried.into_iter().map(|(delivery, mention, _)| (delivery, mention)).unzip();
    Ok(Carried { deliveries, mentions: once_each(mentions), sealed_body })
}

/// The numbers that are there, each once.
fn once_each(mentions: Vec<String>) -> Vec<String> {
    let numbers: BTreeSet<String> = mentions.into_iter().filter(|number| !number.is_empty()).collect();
    numbers.into_iter().collect()
}

/// Makes the message that carries a delivery, and with it whatever else the same alert has for the same robot: a group hears of it
/// once, however many of its members are to hear. Its identity on the wire stays the same over all attempts.
fn carry(c: &mut AnyConnection, bell: &Bell, rope: &Rope, delivery: DeliveryId) -> Result<MessageId> {
    let (title, body, priority, since, entry) = deliveries::table
        .filter(deliveries::id.eq(delivery))
        .select((
            deliveries::title,
            deliveries::body,
            deliveries::priority.assume_not_null(),
            deliveries::created_at,
            deliveries::entry,
        ))
        .first_row::<(String, String, i64, NaiveDateTime, Option<EntryId>), _>(c)?;
    let message = insert_into(messages::table)
        .values((
            messages::robot.eq(rope.robot),
            messages::fingerprint.eq(&bell.fingerprint),
            messages::channel.eq(&rope.channel),
            messages::title.eq(title),
            messages::body.eq(body),
            messages::msg_uuid.eq(hex::encode(random::<16>()?)),
            messages::priority.eq(priority),
            messages::state.eq(DeliveryState::Waiting.as_str()),
            messages::due_at.eq(since),
            messages::fence.eq(0),
            messages::tries.eq(0),
            messages::created_at.eq(since),
        ))
        .returning(messages::id)
        .get_result::<MessageId>(c)?;
    let carried = (deliveries::message.eq(Some(message)), deliveries::priority.eq(None::<i64>));
    let taken = deliveries::id.eq(delivery).and(deliveries::priority.is_not_null());
    if change(deliveries::table, taken).set(carried).execute(c)? != 1 {
        return Err(Error::internal("a delivery was taken twice"));
    }
    if entry.is_some() {
        let of_entry = deliveries::entry.eq(entry).and(deliveries::robot.eq(rope.robot));
        let others = of_entry.and(deliveries::priority.is_not_null());
        change(deliveries::table, others).set(carried).execute(c)?;
    }
    Ok(message)
}
