//! What waits at broken robots for members whom they do not reach any more.

use chrono::NaiveDateTime;
use diesel::{
    dsl::{exists, not, sql},
    prelude::*,
    sql_types::Bool,
};

use super::lock;
use crate::{
    db::{
        AnyConnection, MemberId, RobotId, TenantId,
        schema::{contacts, deliveries, robots},
    },
    delivery::{self, DeliveryKind, DeliveryState},
    error::{Error, Result},
    robots::Channel,
};

/// How many are answered at once; the rest is found by the next look.
const AT_ONCE: i64 = 100;

/// A member, and a broken robot that holds something for him and does not reach him.
#[derive(Clone, Copy, Debug, Queryable)]
pub struct Stranded {
    /// The tenant of both.
    pub tenant: TenantId,
    /// The member; perhaps removed meanwhile.
    pub member: MemberId,
    /// The robot.
    pub robot: RobotId,
}

/// Some of those for whom something waits like that.
///
/// # Errors
/// When the database cannot be read.
pub fn stranded(c: &mut AnyConnection) -> Result<Vec<Stranded>> {
    let reaches = contacts::table
        .filter(contacts::member.nullable().eq(deliveries::member))
        .filter(contacts::robot.eq(robots::id));
    Ok(deliveries::table
        .inner_join(robots::table.on(deliveries::robot.eq(robots::id.nullable())))
        // Written out, so that the index of the broken ones is seen to fit.
        .filter(sql::<Bool>("robots.state = 'broken'"))
        .filter(deliveries::finished_at.is_null())
        .filter(deliveries::state.eq(DeliveryState::Waiting.as_str()))
        .filter(deliveries::kind.eq_any(DeliveryKind::resendable_names()))
        .filter(deliveries::member.is_not_null())
        .filter(not(exists(reaches)))
        .select((deliveries::tenant, deliveries::member.assume_not_null(), robots::id))
        .distinct()
        .limit(AT_ONCE)
        .load(c)?)
}

/// Moves it to the robot that reaches the member over the same channel now, or ends it.
///
/// # Errors
/// When the database cannot be written.
pub fn follow(c: &mut AnyConnection, Stranded { tenant, member, robot }: Stranded, now: NaiveDateTime) -> Result<()> {
    let channel: String = robots::table.find(robot).select(robots::channel).first(c)?;
    let channel = Channel::parse(&channel).ok_or_else(|| Error::internal("a robot has an unknown channel"))?;
    // Locked, so that his robots stay what they are.
    let present = match lock(c, tenant, member) {
        Ok(member) => member.robot(&channel).map(|contact| contact.robot),
        Err(Error::NotFound) => None,
        Err(fault) => return Err(fault),
    };
    if present == Some(robot) {
        return Ok(());
    }
    delivery::reroute_waiting(c, tenant, member, robot, present, now)
}
