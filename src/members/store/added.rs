//! Members that portals gave to a group robot within a short time.

use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;

use crate::{
    db::{
        AnyConnection, RobotId, TenantId,
        schema::{bulk_additions, robots},
    },
    delivery::RobotState,
    error::Result,
    robots::Channel,
};

/// After so long without another one, the next is the first again.
const APART: TimeDelta = TimeDelta::minutes(10);
/// After so long without another one, the group is told of those gathered.
const SETTLED: TimeDelta = TimeDelta::seconds(5);
/// So long they are gathered at most.
const LONGEST: TimeDelta = TimeDelta::minutes(2);
/// How many robots are looked at in one go.
const AT_ONCE: i64 = 100;

/// Members that a group was not told of yet.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct Added {
    /// The robot of the group.
    pub robot: RobotId,
    /// Its tenant.
    pub tenant: TenantId,
    /// The portal that added the last.
    pub added_by: String,
    /// How many, with the first, of whom the group was told.
    pub count: i64,
}

/// Counts a member who was given to a robot. Returns whether its group is told of this one: it is the first in a while.
///
/// # Errors
/// When the database cannot be written.
pub fn count(c: &mut AnyConnection, tenant: TenantId, robot: RobotId, by: &str, now: NaiveDateTime) -> Result<bool> {
    let known = bulk_additions::table.filter(bulk_additions::robot.eq(robot));
    let is_announced = bulk_additions::count.eq(bulk_additions::announced_count);
    let again = known.filter(bulk_additions::last_at.lt(now - APART)).filter(is_announced);
    let first = (
        bulk_additions::count.eq(1),
        bulk_additions::announced_count.eq(1),
        bulk_additions::began_at.eq(now),
        bulk_additions::last_at.eq(now),
        bulk_additions::added_by.eq(by),
    );
    if diesel::update(again).set(first).execute(c)? == 1 {
        return Ok(true);
    }
    let one_more = (
        bulk_additions::count.eq(bulk_additions::count + 1),
        bulk_additions::last_at.eq(now),
        bulk_additions::added_by.eq(by),
    );
    let add = |c: &mut AnyConnection| -> Result<bool> {
        let begins = known.filter(bulk_additions::count.eq(bulk_additions::announced_count));
        let goes_on = known.filter(bulk_additions::count.ne(bulk_additions::announced_count));
        Ok(diesel::update(begins).set((one_more, bulk_additions::began_at.eq(now))).execute(c)? == 1
            || diesel::update(goes_on).set(one_more).execute(c)? == 1)
    };
    if add(c)? {
        return Ok(false);
    }
    let insert = diesel::insert_into(bulk_additions::table).values((
        bulk_additions::robot.eq(robot),
        bulk_additions::tenant.eq(tenant),
        first,
    ));
    let inserted = match c {
        AnyConnection::Sqlite(c) => insert.on_conflict_do_nothing().execute(c),
        AnyConnection::Postgres(c) => insert.on_conflict_do_nothing().execute(c),
    }?;
    Ok(inserted == 1 || !add(c)?)
}

/// The robots whose groups are to be told now.
///
/// # Errors
/// When the database cannot be read.
pub fn due(c: &mut AnyConnection, now: NaiveDateTime) -> Result<Vec<Added>> {
    let is_due = bulk_additions::last_at.le(now - SETTLED).or(bulk_additions::began_at.le(now - LONGEST));
    Ok(bulk_additions::table
        .filter(bulk_additions::count.gt(bulk_additions::announced_count))
        .filter(is_due)
        .order(bulk_additions::robot)
        .limit(AT_ONCE)
        .select((bulk_additions::robot, bulk_additions::tenant, bulk_additions::added_by, bulk_additions::count))
        .load(c)?)
}

/// Notes that the group of a robot is told of so many. Returns whether it had not been, as another process may have done.
///
/// # Errors
/// When the database cannot be written.
pub fn announce(c: &mut AnyConnection, added: &Added) -> Result<bool> {
    let row = bulk_additions::table.filter(bulk_additions::robot.eq(added.robot));
    let untold = row.filter(bulk_additions::announced_count.lt(added.count));
    Ok(diesel::update(untold).set(bulk_additions::announced_count.eq(added.count)).execute(c)? == 1)
}

/// The channel of a robot that works.
///
/// # Errors
/// When the database cannot be read.
pub fn channel(c: &mut AnyConnection, added: &Added) -> Result<Option<Channel>> {
    let robot = robots::table.filter(robots::id.eq(added.robot)).filter(robots::tenant.eq(added.tenant));
    let works = robot.filter(robots::state.ne(RobotState::Broken.as_str()));
    let channel: Option<String> = works.select(robots::channel).first(c).optional()?;
    Ok(channel.and_then(|word| Channel::parse(&word)))
}

/// Removes what has been told long enough ago.
///
/// # Errors
/// When the database cannot be written.
pub fn sweep(c: &mut AnyConnection, now: NaiveDateTime) -> Result<usize> {
    let told = bulk_additions::count.le(bulk_additions::announced_count);
    Ok(diesel::delete(bulk_additions::table.filter(told.and(bulk_additions::last_at.lt(now - APART)))).execute(c)?)
}
