//! The outbox: what is to be delivered, written in the same transaction as what it is about.

use std::collections::{BTreeMap, btree_map::Entry};

use chrono::NaiveDateTime;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, RunQueryDsl as _, insert_into, update,
};

use super::{
    claim::WorkItem,
    endpoints,
    robots::{self, RobotInfo},
};
use crate::{
    db::{
        AnyConnection, DeliveryId, LimitConst as _, MessageId, RobotId, TenantId, cached_update, on_backend,
        schema::{attempts, deliveries, endpoints as endpoint_rows, messages, robots as all_robots},
    },
    delivery::model::{DeliveryReason, DeliveryState, DeliveryStatus, Notice, Priority, UnreachableRecipient},
    error::{Error, Result},
    secrets::{AssociatedData, KeyRing},
};

/// Puts a notice into the outbox; call it in the [`crate::db::Database::write`] that stores what the notice is about, and
/// [`crate::delivery::Waker::wake`] after it. What is for a broken robot waits with the robot's reason; a test goes out all the same.
///
/// Several notices go by an [`Outbox`], which takes their endpoints in one order.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has no such robot.
pub fn enqueue(c: &mut AnyConnection, notice: Notice, now: NaiveDateTime) -> Result<DeliveryId> {
    let mut outbox = Outbox::default();
    let delivery = outbox.add(c, notice, now)?;
    outbox.schedule(c, now)?;
    Ok(delivery)
}

/// Puts several notices into the outbox, as [`enqueue`] does with one, and answers their deliveries in the same order.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has no such robot.
pub fn enqueue_all(c: &mut AnyConnection, notices: Vec<Notice>, now: NaiveDateTime) -> Result<Vec<DeliveryId>> {
    let mut outbox = Outbox::default();
    let deliveries = notices.into_iter().map(|notice| outbox.add(c, notice, now)).collect::<Result<_>>()?;
    outbox.schedule(c, now)?;
    Ok(deliveries)
}

/// Notices of one transaction. Their endpoints are rung at its end, in the one order that every transaction keeps: on Postgres each is
/// locked from then on until the transaction ends, and no two transactions wait for each other.
#[derive(Default)]
#[must_use = "what is put into it goes out only when it is rung"]
pub struct Outbox {
    /// The robots, each with the priority of the most urgent of what was put into its queue.
    robots: BTreeMap<RobotId, (RobotInfo, Priority)>,
}

impl Outbox {
    /// Puts a notice into it, as [`enqueue`] does. Nothing goes out before [`Self::schedule`].
    ///
    /// # Errors
    /// [`Error::NotFound`] when the tenant has no such robot.
    pub fn add(&mut self, c: &mut AnyConnection, notice: Notice, now: NaiveDateTime) -> Result<DeliveryId> {
        let priority = notice.priority();
        let (robot, highest) = match self.robots.entry(notice.robot) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert((robots::load_robot(c, notice.tenant, notice.robot)?, priority)),
        };
        *highest = priority.min(*highest);
        insert_delivery(c, notice, robot, now)
    }

    /// Rings the endpoints of everything that was put into it. The last thing in a transaction.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn schedule(self, c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
        endpoints::mark_queued(
            c,
            self.robots.values().map(|(robot, highest)| robot.endpoint_with_priority(*highest)),
            now,
        )
    }
}

fn insert_delivery(c: &mut AnyConnection, notice: Notice, robot: &RobotInfo, now: NaiveDateTime) -> Result<DeliveryId> {
    let reason = robot.broken_reason.as_deref().filter(|_| !notice.kind.is_interactive()).unwrap_or_default();
    let priority = notice.priority().as_i64();
    let alert = notice.alert.as_ref();
    let row = insert_into(deliveries::table).values((
        deliveries::tenant.eq(notice.tenant),
        deliveries::kind.eq(notice.kind.as_str()),
        deliveries::title.eq(notice.title),
        deliveries::body.eq(notice.body),
        deliveries::channel.eq(robot.channel.as_str()),
        deliveries::robot.eq(Some(notice.robot)),
        deliveries::member.eq(notice.member),
        deliveries::recipient.eq(notice.recipient),
        deliveries::requested_by.eq(notice.requested_by),
        deliveries::state.eq(DeliveryState::Waiting.as_str()),
        deliveries::reason.eq(reason),
        deliveries::priority.eq(Some(priority)),
        deliveries::created_at.eq(now),
        deliveries::alert.eq(alert.map(|about| about.alert)),
        deliveries::entry.eq(alert.map(|about| about.entry)),
        deliveries::mention.eq(alert.map(|about| about.mention.as_str()).unwrap_or_default()),
        deliveries::rule_names.eq(alert.map(|about| about.rule_names.as_str()).unwrap_or_default()),
    ));
    Ok(on_backend!(c, c => row.returning(deliveries::id).get_result(c)?))
}

/// Puts a notice into the outbox whose text its group alone may read: the rows keep the notice's body, in which the secret is
/// masked, and the text sealed, until it has ended.
///
/// # Errors
/// As [`enqueue`]; [`Error::Internal`] when sealing fails.
pub fn enqueue_sealed(
    c: &mut AnyConnection,
    keys: &KeyRing,
    notice: Notice,
    text: &str,
    now: NaiveDateTime,
) -> Result<DeliveryId> {
    let tenant = notice.tenant;
    let delivery = enqueue(c, notice, now)?;
    let sealed = keys.seal(body_associated_data(tenant, &delivery.0.to_be_bytes()), text)?;
    update(deliveries::table.find(delivery)).set(deliveries::sealed_body.eq(Some(sealed))).execute(c)?;
    Ok(delivery)
}

/// Where a delivery's text is sealed for. The row is the delivery's id.
pub(super) fn body_associated_data(tenant: TenantId, row: &[u8]) -> AssociatedData<'_> {
    AssociatedData { tenant, column: "deliveries.sealed_body", row }
}

/// Writes a receiver who cannot be reached into the record: a delivery that ended at once, over no channel.
///
/// # Errors
/// When the database cannot be written.
pub fn record_unreachable(
    c: &mut AnyConnection,
    recipient: UnreachableRecipient,
    now: NaiveDateTime,
) -> Result<DeliveryId> {
    Ok(insert_into(deliveries::table)
        .values((
            deliveries::tenant.eq(recipient.tenant),
            deliveries::kind.eq(recipient.kind.as_str()),
            deliveries::title.eq(recipient.title),
            deliveries::body.eq(recipient.body),
            deliveries::channel.eq(""),
            deliveries::member.eq(recipient.member),
            deliveries::recipient.eq(recipient.recipient),
            deliveries::requested_by.eq(recipient.requested_by),
            deliveries::state.eq(DeliveryState::Failed.as_str()),
            deliveries::reason.eq(recipient.reason.as_str()),
            deliveries::created_at.eq(now),
            deliveries::finished_at.eq(Some(now)),
            deliveries::alert.eq(recipient.alert),
            deliveries::entry.eq(recipient.entry),
            deliveries::rule_names.eq(recipient.rule_names),
        ))
        .returning(deliveries::id)
        .get_result(c)?)
}

/// How a delivery of this tenant stands.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has no such delivery.
pub fn load_delivery_status(c: &mut AnyConnection, tenant: TenantId, delivery: DeliveryId) -> Result<DeliveryStatus> {
    let row = deliveries::table
        .filter(deliveries::tenant.eq(tenant))
        .filter(deliveries::id.eq(delivery))
        .select((deliveries::state, deliveries::reason, deliveries::message, deliveries::robot))
        .first_cached::<(String, String, Option<MessageId>, Option<RobotId>), _>(c)
        .optional()?;
    let (state, reason, message, robot) = row.ok_or(Error::NotFound)?;
    let state = DeliveryState::parse(&state).ok_or_else(|| Error::internal("a delivery has an unknown state"))?;
    let last = attempts::table
        .filter(attempts::message.nullable().eq(message))
        .filter(attempts::finished_at.is_not_null())
        .order(attempts::number.desc())
        .select((attempts::code, attempts::answer));
    let (code, answer) = last.first_cached::<(String, String), _>(c).optional()?.unwrap_or_default();
    let rests_until = match robot.filter(|_| reason == DeliveryReason::TestRateLimited.as_str()) {
        Some(robot) => rests_until(c, robot)?,
        None => None,
    };
    Ok(DeliveryStatus { state, reason, code, answer, rests_until })
}

/// Until when a robot's address rests.
fn rests_until(c: &mut AnyConnection, robot: RobotId) -> Result<Option<NaiveDateTime>> {
    let resting = endpoint_rows::table
        .inner_join(all_robots::table.on(all_robots::fingerprint.eq(endpoint_rows::fingerprint)))
        .filter(all_robots::id.eq(robot))
        .select(endpoint_rows::cooldown_until);
    Ok(resting.first_cached(c).optional()?)
}

/// What a group has now: the word of its kind, and since when it was waited for.
pub(in crate::delivery) type DeliveredRow = (String, NaiveDateTime);

/// Ends a message that its robot took, and all that it carries.
pub(super) fn mark_delivered(
    c: &mut AnyConnection,
    message: MessageId,
    now: NaiveDateTime,
) -> Result<Vec<DeliveredRow>> {
    let ended = (messages::state.eq(DeliveryState::Success.as_str()), messages::finished_at.eq(Some(now)));
    cached_update(messages::table, messages::id.eq(message)).set(ended).execute(c)?;
    let carried = deliveries::message.eq(message).and(deliveries::finished_at.is_null());
    let columns = (deliveries::kind, deliveries::created_at);
    let delivered = cached_update(deliveries::table, carried).set(finished_change(DeliveryState::Success, "", now));
    Ok(delivered.returning(columns).get_results(c)?)
}

/// Ends a message and all that it carries.
pub(super) fn mark_finished(
    c: &mut AnyConnection,
    message: MessageId,
    state: DeliveryState,
    reason: &str,
    now: NaiveDateTime,
) -> Result<()> {
    let ended = (messages::state.eq(state.as_str()), messages::finished_at.eq(Some(now)));
    cached_update(messages::table, messages::id.eq(message)).set(ended).execute(c)?;
    let carried = deliveries::message.eq(message).and(deliveries::finished_at.is_null());
    let ended = (
        deliveries::state.eq(state.as_str()),
        deliveries::reason.eq(reason),
        deliveries::finished_at.eq(Some(now)),
        deliveries::sealed_body.eq(None::<Vec<u8>>),
    );
    cached_update(deliveries::table, carried).set(ended).execute(c)?;
    Ok(())
}

/// Ends one piece of work without a call.
pub(super) fn fail_without_call(
    c: &mut AnyConnection,
    item: WorkItem,
    reason: DeliveryReason,
    now: NaiveDateTime,
) -> Result<()> {
    match item {
        WorkItem::Retry(message) => mark_finished(c, message, DeliveryState::Failed, reason.as_str(), now),
        WorkItem::Unsent(delivery) => {
            update(deliveries::table.filter(deliveries::id.eq(delivery))).set(failed_change(reason, now)).execute(c)?;
            Ok(())
        }
    }
}

/// Ends everything that waits for this robot: the channel is off, or the tenant is gone. What is being sent stays. Says
/// whether anything was waiting.
pub(super) fn fail_all_waiting(
    c: &mut AnyConnection,
    fingerprint: &[u8],
    robot: RobotId,
    reason: DeliveryReason,
    now: NaiveDateTime,
) -> Result<bool> {
    let waiting = messages::table
        .filter(messages::fingerprint.eq(fingerprint))
        .filter(messages::robot.eq(robot))
        .filter(messages::state.eq(DeliveryState::Waiting.as_str()))
        .filter(messages::finished_at.is_null());
    let ended = (messages::state.eq(DeliveryState::Failed.as_str()), messages::finished_at.eq(Some(now)));
    update(waiting).set(ended).execute(c)?;
    let waiting = deliveries::table
        .filter(deliveries::robot.eq(robot))
        .filter(deliveries::finished_at.is_null())
        .filter(deliveries::state.eq(DeliveryState::Waiting.as_str()));
    Ok(update(waiting).set(failed_change(reason, now)).execute(c)? > 0)
}

/// The change of a delivery that ends.
#[derive(diesel::AsChangeset)]
#[diesel(table_name = deliveries, treat_none_as_null = true)]
pub(super) struct FinishedChange {
    state: &'static str,
    reason: &'static str,
    /// Out of the queue.
    priority: Option<i64>,
    finished_at: Option<NaiveDateTime>,
    /// What its group did not read, nobody does.
    sealed_body: Option<Vec<u8>>,
}

pub(super) fn failed_change(reason: DeliveryReason, now: NaiveDateTime) -> FinishedChange {
    finished_change(DeliveryState::Failed, reason.as_str(), now)
}

fn finished_change(state: DeliveryState, reason: &'static str, now: NaiveDateTime) -> FinishedChange {
    FinishedChange { state: state.as_str(), reason, priority: None, finished_at: Some(now), sealed_body: None }
}
