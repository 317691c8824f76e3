//! Robots that broke without their administrators knowing of it, and by what those are reached.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    access::Role,
    db::{
        AnyConnection, MemberId, RobotId, TenantId,
        schema::{contacts, members, robots, tenants},
    },
    delivery::RobotState,
    error::{Error, Result},
    members::Status,
    robots::Channel,
};

/// How many of those whom a robot reaches are named.
const NAMED: i64 = 8;
/// How many tenants are looked at in one go.
const AT_ONCE: i64 = 100;

/// The tenants some of whose robots broke before this moment without anybody having been told.
///
/// # Errors
/// When the database cannot be read.
pub fn tenants_to_tell(c: &mut AnyConnection, before: NaiveDateTime) -> Result<Vec<TenantId>> {
    let untold = robots::table
        .filter(robots::notice_pending_since.le(before))
        .filter(robots::notice_pending_since.is_not_null());
    Ok(untold.select(robots::tenant).distinct().limit(AT_ONCE).load(c)?)
}

/// A robot that broke.
#[derive(Clone, Debug)]
pub struct Untold {
    /// The robot.
    pub robot: RobotId,
    /// Its channel.
    pub channel: Channel,
    /// The host and the last four characters of its webhook.
    pub name: String,
    /// Why: a word for [`reason_key`](crate::delivery::reason_key).
    pub reason: String,
    /// The usernames of some whom it reaches; none when it reaches nobody any more.
    pub members: Vec<String>,
}

/// The robots of a tenant that broke and of which nobody was told.
///
/// # Errors
/// When the database cannot be read.
pub fn untold(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<Untold>> {
    type Row = (RobotId, String, String, String, String);
    let rows: Vec<Row> = robots::table
        .filter(robots::tenant.eq(tenant))
        .filter(robots::notice_pending_since.is_not_null())
        .order(robots::id)
        .select((robots::id, robots::channel, robots::host, robots::last_four, robots::reason))
        .load(c)?;
    let read = |(robot, channel, host, last_four, reason): Row| {
        let reached = contacts::table
            .inner_join(members::table)
            .filter(contacts::robot.eq(robot))
            .order(members::id)
            .limit(NAMED)
            .select(members::username)
            .load(c)?;
        Ok(Untold {
            robot,
            channel: channel_of(&channel)?,
            name: format!("{host} …{last_four}"),
            reason,
            members: reached,
        })
    };
    rows.into_iter().map(read).collect()
}

/// Notes that the administrators were told of these robots, as far as they can be.
///
/// # Errors
/// When the database cannot be written.
pub fn told(c: &mut AnyConnection, tenant: TenantId, robots: &[RobotId]) -> Result<()> {
    let told = robots::table.filter(robots::tenant.eq(tenant)).filter(robots::id.eq_any(robots));
    diesel::update(told).set(robots::notice_pending_since.eq(None::<NaiveDateTime>)).execute(c)?;
    Ok(())
}

/// A robot that works and reaches an administrator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Whom it reaches.
    pub member: MemberId,
    /// The name, as the record shows it.
    pub name: String,
    /// Over which channel.
    pub channel: Channel,
    /// The robot.
    pub robot: RobotId,
}

/// The ways to the administrators of a tenant, each one's best first: what he has verified before the rest.
///
/// # Errors
/// When the database cannot be read.
pub fn ways_to_administrators(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<Way>> {
    let administrators = [Role::SuperAdministrator, Role::SystemAdministrator].map(Role::as_str);
    let rows: Vec<(MemberId, String, String, RobotId)> = contacts::table
        .inner_join(members::table)
        .inner_join(robots::table)
        .filter(members::tenant.eq(tenant))
        .filter(members::role.eq_any(administrators))
        .filter(members::status.eq(Status::Active.as_str()))
        .filter(robots::state.eq(RobotState::Healthy.as_str()))
        .order((members::id, contacts::verified_at.is_null(), contacts::channel))
        .select((members::id, members::display_name, contacts::channel, robots::id))
        .load(c)?;
    let read = |(member, name, channel, robot): (MemberId, String, String, RobotId)| {
        Ok(Way { member, name, channel: channel_of(&channel)?, robot })
    };
    rows.into_iter().map(read).collect()
}

/// The name and the slug of a tenant; none when it was deleted.
///
/// # Errors
/// When the database cannot be read.
pub fn tenant_name(c: &mut AnyConnection, tenant: TenantId) -> Result<Option<(String, String)>> {
    let alive = tenants::table.find(tenant).filter(tenants::deleted_at.is_null());
    Ok(alive.select((tenants::name, tenants::slug)).first(c).optional()?)
}

fn channel_of(name: &str) -> Result<Channel> {
    Channel::parse(name).ok_or_else(|| Error::internal("a robot has an unknown channel"))
}
