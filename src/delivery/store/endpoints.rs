//! Endpoints: which of them have something to do, and the lock that makes one process at a time decide for one.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _,
    QueryDsl as _, RunQueryDsl as _, dsl::case_when, insert_into,
};

use crate::{
    db::{AnyConnection, LimitConst as _, cached_update, schema::endpoints},
    delivery::model::Priority,
    error::Result,
    robots::Channel,
};

/// How many robots are looked at in one transaction, which other writes wait for on SQLite.
pub(super) const CLAIM_BATCH_SIZE: i64 = 8;

/// An endpoint that is locked until the transaction ends.
#[derive(diesel::Queryable)]
pub(super) struct LockedEndpoint {
    pub fingerprint: Vec<u8>,
    pub cooldown_until: NaiveDateTime,
}

/// Says that something is to be decided for this endpoint from now on. On Postgres this also makes a process that is just deciding
/// for the endpoint, without knowing of this transaction, look again.
pub(super) fn mark_due(c: &mut AnyConnection, fingerprint: &[u8], channel: Channel, now: NaiveDateTime) -> Result<()> {
    let due = endpoints::due_at.eq(Some(now));
    if cached_update(endpoints::table, endpoints::fingerprint.eq(fingerprint)).set(due).execute(c)? > 0 {
        return Ok(());
    }
    let row = (
        endpoints::fingerprint.eq(fingerprint),
        endpoints::channel.eq(channel.as_str()),
        endpoints::cooldown_until.eq(now),
        endpoints::due_at.eq(Some(now)),
    );
    let insert = insert_into(endpoints::table).values(row);
    // Another transaction may have begun it since that look.
    match c {
        AnyConnection::Sqlite(c) => insert.on_conflict(endpoints::fingerprint).do_update().set(due).execute(c),
        AnyConnection::Postgres(c) => insert.on_conflict(endpoints::fingerprint).do_update().set(due).execute(c),
    }?;
    Ok(())
}

/// Says so of several endpoints, in the one order that every transaction keeps, so that no two wait for each other.
pub(super) fn mark_all_due<'b>(
    c: &mut AnyConnection,
    endpoints: impl IntoIterator<Item = (&'b [u8], Channel)>,
    now: NaiveDateTime,
) -> Result<()> {
    let sorted: BTreeMap<&[u8], Channel> = endpoints.into_iter().collect();
    sorted.into_iter().try_for_each(|(fingerprint, channel)| mark_due(c, fingerprint, channel, now))
}

/// Says that something was put into the queues of these endpoints, each with the priority of the most urgent, in the order that every
/// transaction keeps. Only what may go out before the endpoint's next ordinary message makes it due before that.
pub(super) fn mark_queued<'b>(
    c: &mut AnyConnection,
    endpoints: impl IntoIterator<Item = (&'b [u8], Channel, Priority)>,
    now: NaiveDateTime,
) -> Result<()> {
    let mut sorted: BTreeMap<&[u8], (Priority, Channel)> = BTreeMap::new();
    for (fingerprint, channel, priority) in endpoints {
        let known = sorted.entry(fingerprint).or_insert((priority, channel));
        *known = (*known).min((priority, channel));
    }
    sorted.into_iter().try_for_each(|(fingerprint, (priority, channel))| match priority {
        Priority::Ordinary => defer_until_capacity(c, fingerprint, now),
        Priority::Interactive | Priority::Urgent => mark_due(c, fingerprint, channel, now),
    })
}

/// Makes an endpoint due when it has a place for an ordinary message, unless it is due before.
fn defer_until_capacity(c: &mut AnyConnection, fingerprint: &[u8], now: NaiveDateTime) -> Result<()> {
    let endpoint = endpoints::fingerprint.eq(fingerprint);
    match c {
        // With one writer, what is due soon enough needs no write.
        AnyConnection::Sqlite(_) => {
            let next_due_at =
                case_when(endpoints::capacity_at.gt(Some(now)), endpoints::capacity_at).otherwise(Some(now));
            let due_later =
                endpoint.and(endpoints::due_at.is_null().or(endpoints::due_at.gt(next_due_at).assume_not_null()));
            cached_update(endpoints::table, due_later).set(endpoints::due_at.eq(next_due_at)).execute(c)
        }
        // The row is written in any case: whoever is just deciding for the endpoint has not seen what was put into its queue, and
        // this waits until he has decided.
        AnyConnection::Postgres(_) => {
            let soonest = case_when(endpoints::due_at.lt(endpoints::capacity_at), endpoints::due_at)
                .otherwise(endpoints::capacity_at);
            let next_due_at = case_when(endpoints::capacity_at.gt(Some(now)), soonest).otherwise(Some(now));
            cached_update(endpoints::table, endpoint).set(endpoints::due_at.eq(next_due_at)).execute(c)
        }
    }?;
    Ok(())
}

/// Locks the endpoints that are due, longest due first, at most [`CLAIM_BATCH_SIZE`]. On Postgres those that another process has
/// locked are left out.
pub(super) fn lock_due(c: &mut AnyConnection, now: NaiveDateTime) -> Result<Vec<LockedEndpoint>> {
    let due = endpoints::table
        .filter(endpoints::due_at.le(Some(now)))
        .order(endpoints::due_at)
        .select((endpoints::fingerprint, endpoints::cooldown_until));
    Ok(match c {
        AnyConnection::Sqlite(c) => due.limit_const::<CLAIM_BATCH_SIZE>().load(c),
        AnyConnection::Postgres(c) => due.limit(CLAIM_BATCH_SIZE).for_update().skip_locked().load(c),
    }?)
}

/// Locks one endpoint.
pub(super) fn lock(c: &mut AnyConnection, fingerprint: &[u8]) -> Result<LockedEndpoint> {
    let endpoint = endpoints::table
        .filter(endpoints::fingerprint.eq(fingerprint))
        .select((endpoints::fingerprint, endpoints::cooldown_until));
    Ok(match c {
        AnyConnection::Sqlite(c) => endpoint.first_cached(c),
        AnyConnection::Postgres(c) => endpoint.for_update().first(c),
    }?)
}

/// Locks all endpoints, in the order that every transaction keeps.
pub(super) fn lock_all(c: &mut AnyConnection) -> Result<()> {
    if let AnyConnection::Postgres(c) = c {
        let all = endpoints::table.order(endpoints::fingerprint).select(endpoints::fingerprint);
        all.for_update().load::<Vec<u8>>(c)?;
    }
    Ok(())
}

/// When to look at this endpoint again; never, until something is put into its queue. Until `capacity_at` nothing ordinary that is
/// put there makes it due.
pub(super) fn set_next_due(
    c: &mut AnyConnection,
    fingerprint: &[u8],
    due_at: Option<NaiveDateTime>,
    capacity_at: Option<NaiveDateTime>,
) -> Result<()> {
    let next = (endpoints::due_at.eq(due_at), endpoints::capacity_at.eq(capacity_at));
    cached_update(endpoints::table, endpoints::fingerprint.eq(fingerprint)).set(next).execute(c)?;
    Ok(())
}

/// Lets the endpoint rest until then, unless it rests longer anyway.
pub(super) fn start_cooldown(c: &mut AnyConnection, fingerprint: &[u8], until: NaiveDateTime) -> Result<()> {
    let ends_sooner = endpoints::fingerprint.eq(fingerprint).and(endpoints::cooldown_until.lt(until));
    cached_update(endpoints::table, ends_sooner).set(endpoints::cooldown_until.eq(until)).execute(c)?;
    Ok(())
}

/// When the next endpoint is due, of all there are.
pub(crate) fn next_due(c: &mut AnyConnection) -> Result<Option<NaiveDateTime>> {
    let earliest =
        endpoints::table.filter(endpoints::due_at.is_not_null()).order(endpoints::due_at).select(endpoints::due_at);
    Ok(earliest.first_cached::<Option<NaiveDateTime>, _>(c).optional()?.flatten())
}
