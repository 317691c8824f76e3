//! A tenant's robots: their sealed address and secret, and whether their configuration works.

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, JoinOnDsl as _, NullableExpressionMethods as _,
    OptionalExtension as _, QueryDsl as _, RunQueryDsl as _, insert_into, update,
};

use super::endpoints;
use crate::{
    db::{
        AccountId, AnyConnection, DeliveryId, LimitConst as _, MemberId, RobotId, TenantId, cached_update, on_backend,
        schema::{deliveries, robots},
    },
    delivery::model::{DeliveryKind, Priority},
    error::{Error, Result},
    robots::{Channel, Meaning, RobotAddress, SigningSecret},
    secrets::{AssociatedData, KeyRing},
};

/// Whether a robot's configuration works, as far as its answers told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RobotState {
    /// Nothing is known against it.
    Healthy,
    /// Its last answers said that it cannot work until somebody mends it. Its queue is held.
    Broken,
}

impl RobotState {
    /// The name in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "ok",
            Self::Broken => "broken",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Healthy, Self::Broken].into_iter().find(|state| state.as_str() == name)
    }
}

/// Where a robot's address is sealed for.
pub(in crate::delivery) fn url_associated_data(tenant: TenantId, fingerprint: &[u8]) -> AssociatedData<'_> {
    AssociatedData { tenant, column: "robots.sealed_url", row: fingerprint }
}

/// Where a robot's signing secret is sealed for.
pub(in crate::delivery) fn secret_associated_data(tenant: TenantId, fingerprint: &[u8]) -> AssociatedData<'_> {
    AssociatedData { tenant, column: "robots.sealed_secret", row: fingerprint }
}

/// The robot of this address in the tenant, made when it is new. A given secret replaces the stored one; none keeps it. The
/// answer also says whether anything is new or changed; then a broken robot gets another chance.
///
/// # Errors
/// [`Error::Internal`] when sealing fails, or what the database answers.
pub fn upsert_robot(
    c: &mut AnyConnection,
    keys: &KeyRing,
    tenant: TenantId,
    address: &RobotAddress,
    secret: Option<&SigningSecret>,
    now: NaiveDateTime,
) -> Result<(RobotId, bool)> {
    let url = address.url().expose();
    let fingerprint = keys.keyed_hash("robot", url.as_bytes());
    let sealed_url = keys.seal(url_associated_data(tenant, &fingerprint), url)?;
    let sealed_secret =
        secret.map(|secret| keys.seal(secret_associated_data(tenant, &fingerprint), secret.expose())).transpose()?;
    // Every way to a robot's row goes by its endpoint first, so that two of them cannot wait for each other.
    endpoints::mark_due(c, &fingerprint, address.channel(), now)?;
    let row = (
        robots::tenant.eq(tenant),
        robots::channel.eq(address.channel().as_str()),
        robots::fingerprint.eq(fingerprint.as_slice()),
        robots::sealed_url.eq(&sealed_url),
        robots::sealed_secret.eq(&sealed_secret),
        robots::host.eq(address.host()),
        robots::last_four.eq(address.last_four()),
        robots::state.eq(RobotState::Healthy.as_str()),
        robots::reason.eq(""),
        robots::created_at.eq(now),
    );
    let key = (robots::tenant, robots::fingerprint);
    let inserted = match c {
        AnyConnection::Sqlite(c) => insert_into(robots::table).values(row).on_conflict(key).do_nothing().execute(c),
        AnyConnection::Postgres(c) => insert_into(robots::table).values(row).on_conflict(key).do_nothing().execute(c),
    }?;
    let (robot, stored_url, stored) = robots::table
        .filter(robots::tenant.eq(tenant))
        .filter(robots::fingerprint.eq(fingerprint.as_slice()))
        .select((robots::id, robots::sealed_url, robots::sealed_secret))
        .first_cached::<(RobotId, Vec<u8>, Option<Vec<u8>>), _>(c)?;
    if inserted > 0 {
        return Ok((robot, true));
    }
    // Whoever enters a webhook again wants another try, and an address that does not open any more opens again by it.
    if keys.unseal(url_associated_data(tenant, &fingerprint), &stored_url).is_err() {
        update(robots::table.filter(robots::id.eq(robot))).set(robots::sealed_url.eq(sealed_url)).execute(c)?;
    }
    mark_healthy(c, robot)?;
    let Some(secret) = secret else { return Ok((robot, false)) };
    let stored = stored.and_then(|stored| keys.unseal(secret_associated_data(tenant, &fingerprint), &stored).ok());
    if stored.as_deref() == Some(secret.expose()) {
        return Ok((robot, false));
    }
    update(robots::table.filter(robots::id.eq(robot))).set(robots::sealed_secret.eq(sealed_secret)).execute(c)?;
    Ok((robot, true))
}

/// Takes a robot's signing secret away. Says whether it had one; then a broken robot gets another chance.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has no such robot.
pub fn clear_secret(c: &mut AnyConnection, tenant: TenantId, robot: RobotId, now: NaiveDateTime) -> Result<bool> {
    let known = load_robot(c, tenant, robot)?;
    endpoints::mark_due(c, &known.fingerprint, known.channel, now)?;
    let with_secret = robots::table
        .filter(robots::tenant.eq(tenant))
        .filter(robots::id.eq(robot))
        .filter(robots::sealed_secret.is_not_null());
    let cleared = update(with_secret).set(robots::sealed_secret.eq(None::<Vec<u8>>)).execute(c)? > 0;
    if cleared {
        mark_healthy(c, robot)?;
    }
    Ok(cleared)
}

/// Gives a robot another signing secret; then a broken robot gets another chance. Says whether it is another one.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has no such robot.
pub fn set_secret(
    c: &mut AnyConnection,
    keys: &KeyRing,
    tenant: TenantId,
    robot: RobotId,
    secret: &SigningSecret,
    now: NaiveDateTime,
) -> Result<bool> {
    let known = load_robot(c, tenant, robot)?;
    endpoints::mark_due(c, &known.fingerprint, known.channel, now)?;
    let associated_data = secret_associated_data(tenant, &known.fingerprint);
    let sealed: Option<Vec<u8>> = robots::table.find(robot).select(robots::sealed_secret).first_cached(c)?;
    // One that does not open any more is another one.
    let stored = sealed.and_then(|sealed| keys.unseal(associated_data, &sealed).ok());
    if stored.as_deref() == Some(secret.expose()) {
        return Ok(false);
    }
    let sealed = keys.seal(associated_data, secret.expose())?;
    update(robots::table.find(robot)).set(robots::sealed_secret.eq(Some(sealed))).execute(c)?;
    mark_healthy(c, robot)?;
    Ok(true)
}

/// The tenant's robot of this address, if there is one.
///
/// # Errors
/// When the database cannot be read.
pub fn find_robot_by_address(
    c: &mut AnyConnection,
    keys: &KeyRing,
    tenant: TenantId,
    address: &RobotAddress,
) -> Result<Option<RobotId>> {
    let fingerprint = keys.keyed_hash("robot", address.url().expose().as_bytes());
    let known = robots::table
        .filter(robots::tenant.eq(tenant))
        .filter(robots::fingerprint.eq(fingerprint.as_slice()))
        .select(robots::id);
    Ok(known.first_cached(c).optional()?)
}

/// The robot that a test message of this account for this member went to: what was typed and tested, but not saved yet.
///
/// # Errors
/// [`Error::NotFound`] when there was no such test; a number that somebody else was given is worth nothing.
pub fn find_tested_robot(
    c: &mut AnyConnection,
    tenant: TenantId,
    test: DeliveryId,
    (member, requested_by): (MemberId, AccountId),
    channel: Channel,
) -> Result<RobotId> {
    deliveries::table
        .filter(deliveries::tenant.eq(tenant))
        .filter(deliveries::id.eq(test))
        .filter(deliveries::kind.eq(DeliveryKind::Test.as_str()))
        .filter(deliveries::member.eq(Some(member)))
        .filter(deliveries::requested_by.eq(Some(requested_by)))
        .filter(deliveries::channel.eq(channel.as_str()))
        .select(deliveries::robot.assume_not_null())
        .first_cached(c)
        .optional()?
        .ok_or(Error::NotFound)
}

/// Takes the endpoints of these robots and addresses until the transaction ends, in the order that every transaction keeps. Call
/// it before several robots are changed in one transaction.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has no such robot.
pub fn lock_endpoints(
    c: &mut AnyConnection,
    keys: &KeyRing,
    tenant: TenantId,
    robots: &[RobotId],
    addresses: &[&RobotAddress],
    now: NaiveDateTime,
) -> Result<()> {
    let mut endpoints: Vec<(Vec<u8>, Channel)> = addresses
        .iter()
        .map(|address| (keys.keyed_hash("robot", address.url().expose().as_bytes()).to_vec(), address.channel()))
        .collect();
    for robot in robots {
        let known = load_robot(c, tenant, *robot)?;
        endpoints.push((known.fingerprint, known.channel));
    }
    endpoints::mark_all_due(c, endpoints.iter().map(|(fingerprint, channel)| (fingerprint.as_slice(), *channel)), now)
}

/// How many test messages and codes a robot may get within a minute: half of what DingTalk and WeCom allow, so that tests, which go
/// before everything else, never keep other messages waiting for good.
const MAX_ROBOT_TESTS_PER_MINUTE: i64 = 10;
/// How many of them one account may send within a minute, to whatever robots.
const MAX_ACCOUNT_TESTS_PER_MINUTE: i64 = 60;

/// A test message or a code: its robot, who asked for it, when it ended.
type TestRow = (Option<RobotId>, Option<AccountId>, Option<NaiveDateTime>);

/// Whether a test message or a code for this robot must wait: one is on its way, or there were many within the minute.
///
/// # Errors
/// When the database cannot be read.
pub fn is_test_limited(
    c: &mut AnyConnection,
    tenant: TenantId,
    robot: RobotId,
    requested_by: AccountId,
    now: NaiveDateTime,
) -> Result<bool> {
    // The last minute's rows alone are read: a record of years must not make a test slow, nor a burst of alerts hide one.
    let tests: Vec<TestRow> = deliveries::table
        .filter(deliveries::tenant.eq(tenant))
        .filter(deliveries::created_at.gt(now - TimeDelta::minutes(1)))
        .filter(deliveries::kind.eq_any(DeliveryKind::interactive_names()))
        .select((deliveries::robot, deliveries::requested_by, deliveries::finished_at))
        .load(c)?;
    let robot_tests = || tests.iter().filter(|(tested, ..)| *tested == Some(robot));
    let reaches = |count: usize, limit: i64| i64::try_from(count).is_ok_and(|count| count >= limit);
    Ok(robot_tests().any(|(.., finished_at)| finished_at.is_none())
        || reaches(robot_tests().count(), MAX_ROBOT_TESTS_PER_MINUTE)
        || reaches(
            tests.iter().filter(|(_, account, _)| *account == Some(requested_by)).count(),
            MAX_ACCOUNT_TESTS_PER_MINUTE,
        ))
}

/// Looks again at everything that waits for this tenant's robots, or for all: a channel was switched off, or a tenant was
/// deleted, and what waits for a broken robot would not be looked at by itself.
///
/// # Errors
/// When the database cannot be written.
pub fn wake_all(c: &mut AnyConnection, tenant: Option<TenantId>, now: NaiveDateTime) -> Result<()> {
    let mut waiting = deliveries::table
        .inner_join(robots::table.on(deliveries::robot.eq(robots::id.nullable())))
        .filter(deliveries::finished_at.is_null())
        .select((robots::channel, robots::fingerprint))
        .distinct()
        .into_boxed();
    if let Some(tenant) = tenant {
        waiting = waiting.filter(deliveries::tenant.eq(tenant));
    }
    let rows: Vec<(String, Vec<u8>)> = waiting.load(c)?;
    let endpoints = rows.iter().map(|(channel, fingerprint)| Ok((fingerprint.as_slice(), parse_channel(channel)?)));
    endpoints::mark_all_due(c, endpoints.collect::<Result<Vec<_>>>()?, now)
}

/// A robot with what is sealed of it.
type SealedRow = (RobotId, TenantId, Vec<u8>, Vec<u8>, Option<Vec<u8>>);

/// Seals the next robots after this one with the newest key, and answers the last it looked at; nothing when there are no
/// more. What is sealed with the newest key already stays.
///
/// # Errors
/// [`Error::Internal`] when a value does not open with any key of the ring.
pub fn reseal_robots(c: &mut AnyConnection, keys: &KeyRing, after: RobotId, limit: i64) -> Result<Option<RobotId>> {
    let rows: Vec<SealedRow> = robots::table
        .filter(robots::id.gt(after))
        .order(robots::id)
        .limit(limit)
        .select((robots::id, robots::tenant, robots::fingerprint, robots::sealed_url, robots::sealed_secret))
        .load(c)?;
    for (robot, tenant, fingerprint, url, secret) in &rows {
        let row = robots::table.filter(robots::id.eq(robot));
        if !keys.is_sealed_with_newest_key(url) {
            let associated_data = url_associated_data(*tenant, fingerprint);
            let sealed = keys.seal(associated_data, &keys.unseal(associated_data, url)?)?;
            // Only what is still as it was read: a robot that is saved meanwhile keeps what was saved.
            update(row.filter(robots::sealed_url.eq(url))).set(robots::sealed_url.eq(sealed)).execute(c)?;
        }
        if let Some(secret) = secret.as_ref().filter(|secret| !keys.is_sealed_with_newest_key(secret)) {
            let associated_data = secret_associated_data(*tenant, fingerprint);
            let sealed = keys.seal(associated_data, &keys.unseal(associated_data, secret)?)?;
            let unchanged = row.filter(robots::sealed_secret.eq(secret));
            update(unchanged).set(robots::sealed_secret.eq(Some(sealed))).execute(c)?;
        }
    }
    Ok(rows.last().map(|(robot, ..)| *robot))
}

/// What the outbox needs to know of a robot of this tenant.
pub(super) struct RobotInfo {
    pub fingerprint: Vec<u8>,
    pub channel: Channel,
    /// Why it is broken, if it is.
    pub broken_reason: Option<String>,
}

impl RobotInfo {
    /// The endpoint that it hangs on, for [`endpoints::mark_all_due`].
    pub fn endpoint(&self) -> (&[u8], Channel) {
        (&self.fingerprint, self.channel)
    }

    /// The endpoint, with the priority of what was put into its queue, for [`endpoints::mark_queued`].
    pub fn endpoint_with_priority(&self, priority: Priority) -> (&[u8], Channel, Priority) {
        (&self.fingerprint, self.channel, priority)
    }
}

/// A robot of this tenant; any other is not found.
pub(super) fn load_robot(c: &mut AnyConnection, tenant: TenantId, robot: RobotId) -> Result<RobotInfo> {
    let row = robots::table.filter(robots::tenant.eq(tenant)).filter(robots::id.eq(robot)).select((
        robots::fingerprint,
        robots::channel,
        robots::state,
        robots::reason,
    ));
    let row: Option<(Vec<u8>, String, String, String)> = on_backend!(c, c => row.first_cached(c).optional()?);
    let (fingerprint, channel, state, reason) = row.ok_or(Error::NotFound)?;
    let is_broken = RobotState::parse(&state) == Some(RobotState::Broken);
    Ok(RobotInfo { fingerprint, channel: parse_channel(&channel)?, broken_reason: is_broken.then_some(reason) })
}

/// The channel in a row.
pub(super) fn parse_channel(name: &str) -> Result<Channel> {
    Channel::parse(name).ok_or_else(|| Error::internal("a row names a channel that does not exist"))
}

/// Holds everything that waits for this robot until it is mended. One that has worked until now is marked as untold since that
/// moment, if any, so that somebody tells the administrators; it is a fact in the same transaction and needs no memory.
pub(super) fn mark_broken(
    c: &mut AnyConnection,
    robot: RobotId,
    meaning: Meaning,
    notice_pending_since: Option<NaiveDateTime>,
) -> Result<()> {
    let row = robots::table.filter(robots::id.eq(robot));
    let broken = RobotState::Broken.as_str();
    update(row.filter(robots::state.ne(broken)))
        .set(robots::notice_pending_since.eq(notice_pending_since))
        .execute(c)?;
    update(row).set((robots::state.eq(broken), robots::reason.eq(meaning.as_str()))).execute(c)?;
    set_waiting_reason(c, robot, meaning.as_str())
}

/// Marks a broken robot as working: it proved to work, or its configuration was changed. The caller has locked or
/// touched its endpoint before, so that it is looked at.
pub(super) fn mark_healthy(c: &mut AnyConnection, robot: RobotId) -> Result<()> {
    let broken = robots::id.eq(robot).and(robots::state.eq(RobotState::Broken.as_str()));
    let state = (
        robots::state.eq(RobotState::Healthy.as_str()),
        robots::reason.eq(""),
        robots::notice_pending_since.eq(None::<NaiveDateTime>),
    );
    if cached_update(robots::table, broken).set(state).execute(c)? > 0 {
        set_waiting_reason(c, robot, "")?;
    }
    Ok(())
}

fn set_waiting_reason(c: &mut AnyConnection, robot: RobotId, reason: &str) -> Result<()> {
    let waiting = deliveries::table
        .filter(deliveries::robot.eq(robot))
        .filter(deliveries::finished_at.is_null())
        .filter(deliveries::state.eq(crate::delivery::DeliveryState::Waiting.as_str()));
    update(waiting).set(deliveries::reason.eq(reason)).execute(c)?;
    Ok(())
}
