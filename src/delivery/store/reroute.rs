//! A member is reached by another robot from now on, or by none: what still waits for him goes with him.

use chrono::NaiveDateTime;
use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, dsl::exists, select, update};

use super::{
    digest, endpoints,
    outbox::failed_change,
    robots::{self, RobotInfo},
};
use crate::{
    db::{
        AnyConnection, MemberId, MessageId, RobotId, TenantId,
        schema::{deliveries, messages},
    },
    delivery::model::{DeliveryKind, DeliveryReason, DeliveryState},
    error::Result,
};

/// What still waits for a member at a robot. A test is not among it: whoever pressed the button waits for that very robot.
#[diesel::dsl::auto_type(no_type_alias)]
fn waiting_deliveries(tenant: TenantId, member: MemberId, robot: RobotId) -> _ {
    let waiting: &'static str = DeliveryState::Waiting.as_str();
    deliveries::table
        .filter(deliveries::robot.eq(robot))
        .filter(deliveries::finished_at.is_null())
        .filter(deliveries::state.eq(waiting))
        .filter(deliveries::tenant.eq(tenant))
        .filter(deliveries::member.eq(member))
}

/// Moves what waits for a member at a broken robot to the queue of another, whether or not it was tried before: nothing stays
/// for ever at a robot that nobody mends any more. What waits at one that works goes out there. Without another robot it ends, so that it is seen and can be sent again. What is
/// being sent at this moment stays where it is. Call [`crate::delivery::Waker::wake`] after the transaction.
///
/// # Errors
/// [`crate::error::Error::NotFound`] when the tenant has no such robot.
pub fn reroute_waiting(
    c: &mut AnyConnection,
    tenant: TenantId,
    member: MemberId,
    from: RobotId,
    to: Option<RobotId>,
    now: NaiveDateTime,
) -> Result<()> {
    let old = robots::load_robot(c, tenant, from)?;
    if old.broken_reason.is_none() {
        return Ok(());
    }
    let new = to.map(|to| robots::load_robot(c, tenant, to).map(|known| (to, known))).transpose()?;
    // With the endpoints of both in its hands, nobody takes from either queue meanwhile.
    let both = [Some(&old), new.as_ref().map(|(_, known)| known)];
    endpoints::mark_all_due(c, both.into_iter().flatten().map(RobotInfo::endpoint), now)?;
    let detached = detach_from_messages(c, tenant, member, from, (new.is_some(), now))?;
    let rows =
        waiting_deliveries(tenant, member, from).filter(deliveries::kind.eq_any(DeliveryKind::resendable_names()));
    match new {
        Some((robot, RobotInfo { broken_reason, .. })) => {
            let new_robot =
                (deliveries::robot.eq(Some(robot)), deliveries::reason.eq(broken_reason.unwrap_or_default()));
            update(rows).set(new_robot).execute(c)?
        }
        None => update(rows).set(failed_change(DeliveryReason::NoContact, now)).execute(c)?,
    };
    detached.into_iter().try_for_each(|message| finish_if_empty(c, message, now))
}

/// The messages that carry what waits. When it goes on elsewhere, they do so no longer: what it said of the old robot's answers
/// does not count for the new one.
fn detach_from_messages(
    c: &mut AnyConnection,
    tenant: TenantId,
    member: MemberId,
    from: RobotId,
    (keeps_waiting, now): (bool, NaiveDateTime),
) -> Result<Vec<MessageId>> {
    let messages_to_detach: Vec<(MessageId, i64)> = waiting_deliveries(tenant, member, from)
        .inner_join(messages::table)
        .filter(deliveries::kind.eq_any(DeliveryKind::resendable_names()))
        .select((messages::id, messages::priority))
        .distinct()
        .load(c)?;
    for (message, priority) in &messages_to_detach {
        if digest::is_digest(c, *message)? {
            // It tells of what others hear as well, and would still tell of what is not to be heard there now.
            digest::dissolve_digest(c, *message, now)?;
            continue;
        }
        if !keeps_waiting {
            continue;
        }
        let rows = waiting_deliveries(tenant, member, from).filter(deliveries::message.eq(message));
        let queued = (deliveries::message.eq(None::<MessageId>), deliveries::priority.eq(Some(*priority)));
        update(rows).set(queued).execute(c)?;
    }
    Ok(messages_to_detach.into_iter().map(|(message, _)| message).collect())
}

/// Ends a message that nobody waits for any more.
fn finish_if_empty(c: &mut AnyConnection, message: MessageId, now: NaiveDateTime) -> Result<()> {
    let carried = deliveries::table
        .filter(deliveries::message.eq(Some(message)))
        .filter(deliveries::finished_at.is_null())
        .select(deliveries::id);
    if select(exists(carried)).get_result::<bool>(c)? {
        return Ok(());
    }
    let ended = (messages::state.eq(DeliveryState::Failed.as_str()), messages::finished_at.eq(Some(now)));
    update(messages::table.find(message)).set(ended).execute(c)?;
    Ok(())
}
