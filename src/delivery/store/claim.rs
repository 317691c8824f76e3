//! Claiming: takes the next message of each due endpoint, for a limited time and with a number that grows at every claim.
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
    digest,
    endpoints::{self, LockedEndpoint},
    outbox,
    outcome::{self, InFlight},
    robots::{RobotState, parse_channel, secret_associated_data, url_associated_data},
};
use crate::{
    db::{
        AnyConnection, DeliveryId, EntryId, INSTANCE_SCOPE, LimitConst as _, MessageId, RobotId, TenantId,
        cached_update, on_backend,
        schema::{attempts, channel_switches, deliveries, messages, robots, tenants},
        text_literal,
    },
    delivery::{
        digest::DigestRendererFactory,
        model::{CallFault, DeliveryReason, DeliveryState, Priority},
        pace::{self, Backlog, PastCall},
        policy::CallOutcome,
        sender::{CALL_TIMEOUT, CallResult},
    },
    error::{Error, Result},
    robots::{Channel, rate_limits},
    secrets::{AssociatedData, KeyRing, random_bytes},
};

/// How long a claim holds: the whole call and time to record it.
pub(in crate::delivery) const LEASE_DURATION: TimeDelta = TimeDelta::seconds(45);

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
const QUEUE_SCAN_LIMIT: i64 = 200;

/// When to look again at an endpoint whose rows could not be worked with, so that it does not keep the others waiting.
const ERROR_BACKOFF: TimeDelta = TimeDelta::seconds(30);

/// A message to be sent now, by whoever holds this.
pub(in crate::delivery) struct Claim {
    pub in_flight: InFlight,
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
    pub(in crate::delivery) fn url_associated_data(&self) -> AssociatedData<'_> {
        url_associated_data(self.tenant, &self.in_flight.fingerprint)
    }

    /// Where the robot's secret is sealed for.
    pub(in crate::delivery) fn secret_associated_data(&self) -> AssociatedData<'_> {
        secret_associated_data(self.tenant, &self.in_flight.fingerprint)
    }

    /// The text for the wire.
    pub(in crate::delivery) fn message_text(&self, keys: &KeyRing) -> Result<String> {
        match &self.sealed_body {
            Some((delivery, sealed)) => {
                keys.unseal(outbox::body_associated_data(self.tenant, &delivery.0.to_be_bytes()), sealed)
            }
            None => Ok(self.body.clone()),
        }
    }
}

/// What a look at the due endpoints brought.
#[derive(Default)]
pub(in crate::delivery) struct ClaimBatch {
    /// How many endpoints were looked at.
    pub endpoint_count: usize,
    /// What is to be sent now.
    pub claims: Vec<Claim>,
    /// Whether deliveries ended without a call.
    pub any_ended: bool,
}

/// Looks at the due endpoints, at most `limit` and at most [`endpoints::CLAIM_BATCH_SIZE`], and claims the next message of each
/// whose rate limit allows one.
pub(in crate::delivery) fn claim_due(
    c: &mut AnyConnection,
    now: NaiveDateTime,
    limit: usize,
    renderers: &DigestRendererFactory,
) -> Result<ClaimBatch> {
    let mut endpoints = endpoints::lock_due(c, now)?;
    endpoints.truncate(limit);
    let mut batch = ClaimBatch { endpoint_count: endpoints.len(), claims: Vec::new(), any_ended: false };
    let mut digest_alerts = 0;
    for endpoint in endpoints {
        // Nothing else is stored meanwhile on SQLite: what is left stays due, and has its turn in the next round.
        if digest_alerts >= digest::MAX_ALERTS_PER_ROUND {
            break;
        }
        // A savepoint, so that rows nobody can work with spoil their own endpoint's turn alone.
        match c.transaction(|c| decide(c, &endpoint, now, renderers)) {
            Ok(decision) => {
                batch.claims.extend(decision.claim);
                batch.any_ended |= decision.any_ended;
                digest_alerts += decision.digest_alerts;
            }
            Err(Error::Unavailable(fault)) => return Err(Error::Unavailable(fault)),
            Err(fault) => {
                tracing::error!(%fault, "the queue of a robot cannot be worked on; it is tried again later");
                endpoints::set_next_due(c, &endpoint.fingerprint, Some(now + ERROR_BACKOFF), None)?;
            }
        }
    }
    Ok(batch)
}

/// What one endpoint's turn brought.
#[derive(Default)]
struct EndpointDecision {
    claim: Option<Claim>,
    /// When to look at the endpoint again; never, until something is put into its queue.
    next_due: Option<NaiveDateTime>,
    /// Until when nothing ordinary can go out, whatever is put into the queue.
    capacity_at: Option<NaiveDateTime>,
    /// Whether deliveries ended without a call.
    any_ended: bool,
    /// How many alerts were folded.
    digest_alerts: i64,
}

/// One tenant's robot at an endpoint.
#[derive(diesel::Queryable)]
struct EndpointRobot {
    id: RobotId,
    tenant: TenantId,
    channel: String,
    state: String,
    sealed_url: Vec<u8>,
    sealed_secret: Option<Vec<u8>>,
    channel_mode: String,
    deleted_at: Option<NaiveDateTime>,
}

impl EndpointRobot {
    fn is_broken(&self) -> bool {
        RobotState::parse(&self.state) == Some(RobotState::Broken)
    }
}

/// What could go out next. Ordered by what goes first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SendCandidate {
    priority: i64,
    /// Since when it could have gone out.
    ready_since: NaiveDateTime,
    item: WorkItem,
    /// With which others it may be folded, and whether there are any.
    batch_no: i64,
    is_batchable: bool,
}

/// What a robot's queue begins with, and how many messages it makes, as far as that was looked at.
#[derive(Default)]
struct RobotQueue {
    first: Option<SendCandidate>,
    backlog: Backlog,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WorkItem {
    /// A delivery that no message carries yet.
    Unsent(DeliveryId),
    /// A message that was tried before.
    Retry(MessageId),
}

/// Decides for a locked endpoint: the next message, if the rate limit allows one, and when to look again.
fn decide(
    c: &mut AnyConnection,
    endpoint: &LockedEndpoint,
    now: NaiveDateTime,
    renderers: &DigestRendererFactory,
) -> Result<EndpointDecision> {
    let (busy_until, reclaimed) = check_in_flight(c, endpoint, now)?;
    let mut decision = match busy_until {
        Some(lease_until) => EndpointDecision {
            next_due: Some(lease_until),
            capacity_at: Some(lease_until),
            ..EndpointDecision::default()
        },
        None => decide_next(c, endpoint, now, renderers)?,
    };
    decision.any_ended |= reclaimed;
    endpoints::set_next_due(c, &endpoint.fingerprint, decision.next_due, decision.capacity_at)?;
    Ok(decision)
}

/// Until when somebody is calling this robot. A claim that ran out is taken back; the second value says so.
fn check_in_flight(
    c: &mut AnyConnection,
    endpoint: &LockedEndpoint,
    now: NaiveDateTime,
) -> Result<(Option<NaiveDateTime>, bool)> {
    let sending = messages::table
        .filter(messages::fingerprint.eq(&endpoint.fingerprint))
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
        .first_cached::<(MessageId, RobotId, i64, i64, i64, Option<NaiveDateTime>), _>(c)
        .optional()?;
    let Some((message, robot, fence, tries, priority, lease_until)) = sending else { return Ok((None, false)) };
    if let Some(until) = lease_until.filter(|until| *until > now) {
        return Ok((Some(until), false));
    }
    tracing::warn!(message_id = %message, "a call was not recorded in time; its message goes out again");
    let fingerprint = endpoint.fingerprint.clone();
    let expired = InFlight { message, robot, fingerprint, fence, tries, priority: Priority::from_i64(priority) };
    outcome::record_expired_lease(
        c,
        &expired,
        &CallResult::without_response(CallOutcome::Failed(CallFault::LeaseExpired), String::new()),
        0.0,
        now,
    )?;
    Ok((None, true))
}

fn decide_next(
    c: &mut AnyConnection,
    endpoint: &LockedEndpoint,
    now: NaiveDateTime,
    renderers: &DigestRendererFactory,
) -> Result<EndpointDecision> {
    let mut decision = EndpointDecision::default();
    let mut open = Vec::new();
    for robot in endpoint_robots(c, endpoint)? {
        match disabled_reason(c, &robot)? {
            Some(reason) => {
                decision.any_ended |= outbox::fail_all_waiting(c, &endpoint.fingerprint, robot.id, reason, now)?
            }
            None => open.push(robot),
        }
    }
    let (mut best, mut backlog): (Option<(SendCandidate, &EndpointRobot)>, _) = (None, Backlog::default());
    for robot in &open {
        let retries = next_retry(c, endpoint, robot, now)?;
        let has_retries = retries.first.is_some() || has_pending_retries(c, endpoint, robot)?;
        let unsent = next_unsent(c, robot, has_retries)?;
        for queue in [unsent, retries] {
            backlog.urgent += queue.backlog.urgent;
            backlog.ordinary += queue.backlog.ordinary;
            if let Some(first) = queue.first
                && best.is_none_or(|(other, _)| first < other)
            {
                best = Some((first, robot));
            }
        }
    }
    let Some((candidate, robot)) = best else {
        decision.next_due = next_retry_due(c, endpoint, &open, now)?;
        return Ok(decision);
    };
    let priority = Priority::from_i64(candidate.priority);
    if endpoint.cooldown_until > now && priority == Priority::Interactive {
        // Whoever waits for a test is told what a call would answer, without making the robot's rest longer.
        outbox::fail_without_call(c, candidate.item, DeliveryReason::TestRateLimited, now)?;
        return Ok(EndpointDecision { next_due: Some(now), any_ended: true, ..decision });
    }
    let slot = next_slot(c, endpoint, robot, (priority, backlog), now)?;
    let start = slot.start.max(endpoint.cooldown_until);
    if start > now {
        // What is ordinary starts no sooner than what is urgent.
        (decision.next_due, decision.capacity_at) = (Some(start), Some(start));
    } else {
        let message = match candidate.item {
            WorkItem::Retry(message) => message,
            WorkItem::Unsent(_) if candidate.is_batchable && (slot.is_digest || candidate.batch_no > 0) => {
                let channel = parse_channel(&robot.channel)?;
                let robot = digest::DigestRobot {
                    id: robot.id,
                    fingerprint: &endpoint.fingerprint,
                    tenant: robot.tenant,
                    channel,
                };
                let (message, alerts) = digest::build_digest(c, &robot, candidate.batch_no, renderers, now)?;
                decision.digest_alerts = alerts;
                message
            }
            WorkItem::Unsent(delivery) => create_message(c, endpoint, robot, delivery)?,
        };
        let claim = lease(c, endpoint, robot, message, now)?;
        (decision.next_due, decision.capacity_at) = (Some(claim.lease_until), Some(claim.lease_until));
        decision.claim = Some(claim);
    }
    Ok(decision)
}

fn endpoint_robots(c: &mut AnyConnection, endpoint: &LockedEndpoint) -> Result<Vec<EndpointRobot>> {
    let query = robots::table
        .inner_join(tenants::table.on(tenants::id.eq(robots::tenant)))
        .filter(robots::fingerprint.eq(&endpoint.fingerprint))
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
    Ok(query.load(c)?)
}

/// Why nothing may go out by this robot at all, if so: by the tenant's own switches, or the instance's.
fn disabled_reason(c: &mut AnyConnection, robot: &EndpointRobot) -> Result<Option<DeliveryReason>> {
    if robot.deleted_at.is_some() {
        return Ok(Some(DeliveryReason::TenantDeleted));
    }
    let scope = if robot.channel_mode == "custom" { robot.tenant.0 } else { INSTANCE_SCOPE };
    let switch = channel_switches::table
        .filter(channel_switches::scope.eq(scope))
        .filter(channel_switches::channel.eq(&robot.channel))
        .select(channel_switches::is_on);
    let is_on = switch.first_cached::<bool, _>(c).optional()?.unwrap_or(false);
    Ok((!is_on).then_some(DeliveryReason::ChannelOff))
}

/// The lowest priority that this robot takes at the moment: while it is broken, tests alone.
fn lowest_priority(robot: &EndpointRobot) -> i64 {
    if robot.is_broken() { Priority::Interactive.as_i64() } else { i64::MAX }
}

/// A delivery in the queue: priority, since when, id, entry and portion.
type QueuedRow = (i64, NaiveDateTime, DeliveryId, Option<EntryId>, i64);

/// What waits and was not tried yet. `behind` says whether some message is still to be tried again: then the end of what it
/// tells of waits for it.
fn next_unsent(c: &mut AnyConnection, robot: &EndpointRobot, has_retries: bool) -> Result<RobotQueue> {
    let queue = deliveries::table
        .filter(deliveries::robot.eq(robot.id))
        .filter(deliveries::priority.le(lowest_priority(robot)))
        .order((deliveries::priority, deliveries::id))
        .select((
            deliveries::priority.assume_not_null(),
            deliveries::created_at,
            deliveries::id,
            deliveries::entry,
            deliveries::batch_no,
        ));
    let rows: Vec<QueuedRow> = match has_retries {
        true => on_backend!(c, c => queue.filter(digest::InOrder(robot.id)).limit_const::<QUEUE_SCAN_LIMIT>().load(c))?,
        false => on_backend!(c, c => queue.limit_const::<QUEUE_SCAN_LIMIT>().load(c))?,
    };
    let Some(&(priority, since, delivery, _, batch_no)) = rows.first() else { return Ok(RobotQueue::default()) };
    let alert_key = |(_, _, id, entry, _): &QueuedRow| entry.map_or(-id.0, |entry| entry.0);
    let is_test = |row: &QueuedRow| Priority::from_i64(row.0) == Priority::Interactive;
    // What belongs to a portion makes one message, and everything else one for each alert.
    let mut messages: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for row in rows.iter().filter(|row| !is_test(row)) {
        let message = if row.4 > 0 { (row.4, 0) } else { (0, alert_key(row)) };
        messages.entry(message).or_insert(row.0);
    }
    let urgent = messages.values().filter(|priority| Priority::from_i64(**priority) == Priority::Urgent).count();
    let batch_keys: BTreeSet<i64> =
        rows.iter().filter(|row| row.4 == batch_no && !is_test(row)).map(alert_key).collect();
    let first = SendCandidate {
        priority,
        ready_since: since,
        item: WorkItem::Unsent(delivery),
        batch_no,
        is_batchable: batch_keys.len() > 1,
    };
    Ok(RobotQueue { first: Some(first), backlog: Backlog { urgent, ordinary: messages.len() - urgent } })
}

fn next_retry(
    c: &mut AnyConnection,
    endpoint: &LockedEndpoint,
    robot: &EndpointRobot,
    now: NaiveDateTime,
) -> Result<RobotQueue> {
    let due: Vec<(i64, NaiveDateTime, MessageId)> = messages::table
        .filter(messages::fingerprint.eq(&endpoint.fingerprint))
        .filter(messages::state.eq(WaitingState))
        .filter(messages::finished_at.is_null())
        .filter(messages::robot.eq(robot.id))
        .filter(messages::due_at.le(now))
        .filter(messages::priority.le(lowest_priority(robot)))
        .order((messages::priority, messages::due_at, messages::id))
        .select((messages::priority, messages::due_at, messages::id))
        .limit_const::<QUEUE_SCAN_LIMIT>()
        .load(c)?;
    let count_of = |priority| due.iter().filter(|row| Priority::from_i64(row.0) == priority).count();
    let backlog = Backlog { urgent: count_of(Priority::Urgent), ordinary: count_of(Priority::Ordinary) };
    let first = due.first().map(|(priority, since, message)| {
        let item = WorkItem::Retry(*message);
        SendCandidate { priority: *priority, ready_since: *since, item, batch_no: 0, is_batchable: false }
    });
    Ok(RobotQueue { first, backlog })
}

/// Whether any message is to be tried again, be it later.
fn has_pending_retries(c: &mut AnyConnection, endpoint: &LockedEndpoint, robot: &EndpointRobot) -> Result<bool> {
    let waiting = messages::table
        .filter(messages::fingerprint.eq(&endpoint.fingerprint))
        .filter(messages::state.eq(WaitingState))
        .filter(messages::finished_at.is_null())
        .filter(messages::robot.eq(robot.id))
        .select(messages::id);
    Ok(on_backend!(c, c => waiting.first::<MessageId>(c)).optional()?.is_some())
}

/// When the first message that waits for a later moment is due.
fn next_retry_due(
    c: &mut AnyConnection,
    endpoint: &LockedEndpoint,
    robots: &[EndpointRobot],
    now: NaiveDateTime,
) -> Result<Option<NaiveDateTime>> {
    let mut earliest: Option<NaiveDateTime> = None;
    for robot in robots {
        let retry_due = messages::table
            .filter(messages::fingerprint.eq(&endpoint.fingerprint))
            .filter(messages::state.eq(WaitingState))
            .filter(messages::finished_at.is_null())
            .filter(messages::robot.eq(robot.id))
            .filter(messages::due_at.gt(now))
            .filter(messages::priority.le(lowest_priority(robot)))
            .select(min(messages::due_at))
            .first_cached::<Option<NaiveDateTime>, _>(c)?;
        earliest = [earliest, retry_due].into_iter().flatten().min();
    }
    Ok(earliest)
}

/// When the pace allows the next call, and whether that is to be a digest; the calls of all tenants, processes and restarts count.
fn next_slot(
    c: &mut AnyConnection,
    endpoint: &LockedEndpoint,
    robot: &EndpointRobot,
    (priority, crowd): (Priority, Backlog),
    now: NaiveDateTime,
) -> Result<pace::Slot> {
    let limits = rate_limits(parse_channel(&robot.channel)?);
    let max_call = TimeDelta::from_std(CALL_TIMEOUT).map_err(Error::internal)?;
    let calls = attempts::table
        .filter(attempts::fingerprint.eq(&endpoint.fingerprint))
        .filter(attempts::started_at.gt(now - pace::lookback(limits, max_call)))
        .select((attempts::started_at, attempts::finished_at))
        .load::<(NaiveDateTime, Option<NaiveDateTime>)>(c)?;
    let calls: Vec<PastCall> =
        calls.into_iter().map(|(started_at, finished_at)| PastCall { started_at, finished_at }).collect();
    Ok(pace::next_slot(limits, priority, crowd, &calls, max_call, now))
}

/// Takes the work: the message is on the wire from here on, and the attempt counts.
fn lease(
    c: &mut AnyConnection,
    endpoint: &LockedEndpoint,
    robot: &EndpointRobot,
    message: MessageId,
    now: NaiveDateTime,
) -> Result<Claim> {
    let lease_until = now + LEASE_DURATION;
    let is_waiting = messages::id.eq(message).and(messages::state.eq(DeliveryState::Waiting.as_str()));
    let (fence, tries, priority, title, body, msg_uuid, alert_count) = cached_update(messages::table, is_waiting)
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
            messages::alert_count,
        ))
        .get_result::<(i64, i64, i64, String, String, String, i64)>(c)?;
    let MessageContents { deliveries: carried, mentions, sealed_body } = mark_sending(c, message, alert_count > 0)?;
    insert_into(attempts::table)
        .values((
            attempts::message.eq(message),
            attempts::fingerprint.eq(&endpoint.fingerprint),
            attempts::number.eq(fence),
            attempts::started_at.eq(now),
            attempts::code.eq(""),
            attempts::meaning.eq(""),
            attempts::answer.eq(""),
        ))
        .execute(c)?;
    let fingerprint = endpoint.fingerprint.clone();
    Ok(Claim {
        in_flight: InFlight {
            message,
            robot: robot.id,
            fingerprint,
            fence,
            tries,
            priority: Priority::from_i64(priority),
        },
        tenant: robot.tenant,
        deliveries: carried,
        alerts: usize::try_from(alert_count).unwrap_or_default(),
        channel: parse_channel(&robot.channel)?,
        sealed_url: robot.sealed_url.clone(),
        sealed_secret: robot.sealed_secret.clone(),
        title,
        body,
        mentions,
        sealed_body,
        msg_uuid,
        lease_until,
    })
}

/// What a message that is about to be sent carries.
struct MessageContents {
    deliveries: Vec<DeliveryId>,
    mentions: Vec<String>,
    sealed_body: Option<(DeliveryId, Vec<u8>)>,
}

/// Marks what a message carries as being sent. A digest carries too much to be read row by row.
fn mark_sending(c: &mut AnyConnection, message: MessageId, is_digest: bool) -> Result<MessageContents> {
    let state = DeliveryState::Sending.as_str();
    // A digest that was made just now is marked already.
    let carried =
        deliveries::message.eq(message).and(deliveries::finished_at.is_null()).and(deliveries::state.ne(state));
    let sending = cached_update(deliveries::table, carried).set(deliveries::state.eq(state));
    if is_digest {
        sending.execute(c)?;
        return Ok(MessageContents {
            deliveries: Vec::new(),
            mentions: digest::load_mentions(c, message)?,
            sealed_body: None,
        });
    }
    let carried: Vec<(DeliveryId, String, Option<Vec<u8>>)> =
        sending.returning((deliveries::id, deliveries::mention, deliveries::sealed_body)).get_results(c)?;
    let sealed_body = carried.iter().find_map(|(delivery, _, sealed)| Some((*delivery, sealed.clone()?)));
    let (deliveries, mentions): (Vec<_>, Vec<_>) =
        carried.into_iter().map(|(delivery, mention, _)| (delivery, mention)).unzip();
    Ok(MessageContents { deliveries, mentions: unique_numbers(mentions), sealed_body })
}

/// The numbers that are there, each once.
fn unique_numbers(mentions: Vec<String>) -> Vec<String> {
    let numbers: BTreeSet<String> = mentions.into_iter().filter(|number| !number.is_empty()).collect();
    numbers.into_iter().collect()
}

/// Makes the message that carries a delivery, and with it whatever else the same alert has for the same robot: a group hears of it
/// once, however many of its members are to hear. Its identity on the wire stays the same over all attempts.
fn create_message(
    c: &mut AnyConnection,
    endpoint: &LockedEndpoint,
    robot: &EndpointRobot,
    delivery: DeliveryId,
) -> Result<MessageId> {
    let (title, body, priority, since, entry) = deliveries::table
        .filter(deliveries::id.eq(delivery))
        .select((
            deliveries::title,
            deliveries::body,
            deliveries::priority.assume_not_null(),
            deliveries::created_at,
            deliveries::entry,
        ))
        .first_cached::<(String, String, i64, NaiveDateTime, Option<EntryId>), _>(c)?;
    let message = insert_into(messages::table)
        .values((
            messages::robot.eq(robot.id),
            messages::fingerprint.eq(&endpoint.fingerprint),
            messages::channel.eq(&robot.channel),
            messages::title.eq(title),
            messages::body.eq(body),
            messages::msg_uuid.eq(hex::encode(random_bytes::<16>()?)),
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
    let unclaimed = deliveries::id.eq(delivery).and(deliveries::priority.is_not_null());
    if cached_update(deliveries::table, unclaimed).set(carried).execute(c)? != 1 {
        return Err(Error::internal("a delivery was taken twice"));
    }
    if entry.is_some() {
        let entry_and_robot = deliveries::entry.eq(entry).and(deliveries::robot.eq(robot.id));
        let same_entry = entry_and_robot.and(deliveries::priority.is_not_null());
        cached_update(deliveries::table, same_entry).set(carried).execute(c)?;
    }
    Ok(message)
}
