//! Bells: which of them have something to do, and the lock that makes one process at a time decide for one.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _, OptionalExtension as _,
    QueryDsl as _, RunQueryDsl as _, dsl::case_when, insert_into,
};

use crate::{
    courier::model::Priority,
    db::{AnyConnection, AtMost as _, change, schema::paces},
    error::Result,
    robots::Channel,
};

/// How many robots are looked at in one transaction, which other writes wait for on SQLite.
pub(super) const CLAIM_BATCH_SIZE: i64 = 8;

/// A bell that is locked until the transaction ends.
#[derive(diesel::Queryable)]
pub(super) struct Bell {
    pub fingerprint: Vec<u8>,
    pub rest_until: NaiveDateTime,
}

/// Says that something is to be decided for this bell from now on. On Postgres this also makes a process that is just deciding
/// for the bell, without knowing of this transaction, look again.
pub(super) fn touch(c: &mut AnyConnection, fingerprint: &[u8], channel: Channel, now: NaiveDateTime) -> Result<()> {
    let due = paces::due_at.eq(Some(now));
    if change(paces::table, paces::fingerprint.eq(fingerprint)).set(due).execute(c)? > 0 {
        return Ok(());
    }
    let row = (
        paces::fingerprint.eq(fingerprint),
        paces::channel.eq(channel.as_str()),
        paces::rest_until.eq(now),
        paces::due_at.eq(Some(now)),
    );
    let insert = insert_into(paces::table).values(row);
    // Another transaction may have begun it since that look.
    match c {
        AnyConnection::Sqlite(c) => insert.on_conflict(paces::fingerprint).do_update().set(due).execute(c),
        AnyConnection::Postgres(c) => insert.on_conflict(paces::fingerprint).do_update().set(due).execute(c),
    }?;
    Ok(())
}

/// Says so of several bells, in the one order that every transaction keeps, so that no two wait for each other.
pub(super) fn touch_all<'b>(
    c: &mut AnyConnection,
    bells: impl IntoIterator<Item = (&'b [u8], Channel)>,
    now: NaiveDateTime,
) -> Result<()> {
    let in_order: BTreeMap<&[u8], Channel> = bells.into_iter().collect();
    in_order.into_iter().try_for_each(|(fingerprint, channel)| touch(c, fingerprint, channel, now))
}

/// Says that something was put into the queues of these bells, each with the priority of the most urgent, in the order that every
/// transaction keeps. Only what may go out before the bell's next ordinary message makes it due before that.
pub(super) fn queued<'b>(
    c: &mut AnyConnection,
    bells: impl IntoIterator<Item = (&'b [u8], Channel, Priority)>,
    now: NaiveDateTime,
) -> Result<()> {
    let mut in_order: BTreeMap<&[u8], (Priority, Channel)> = BTreeMap::new();
    for (fingerprint, channel, priority) in bells {
        let known = in_order.entry(fingerprint).or_insert((priority, channel));
        *known = (*known).min((priority, channel));
    }
    in_order.into_iter().try_for_each(|(fingerprint, (priority, channel))| match priority {
        Priority::Ordinary => wait_in_line(c, fingerprint, now),
        Priority::Test | Priority::Urgent => touch(c, fingerprint, channel, now),
    })
}

/// Makes a bell due when it has a place for an ordinary message, unless it is due before.
fn wait_in_line(c: &mut AnyConnection, fingerprint: &[u8], now: NaiveDateTime) -> Result<()> {
    let bell = paces::fingerprint.eq(fingerprint);
    match c {
        // With one writer, what is due soon enough needs no write.
        AnyConnection::Sqlite(_) => {
            let turn = case_when(paces::full_until.gt(Some(now)), paces::full_until).otherwise(Some(now));
            let late = bell.and(paces::due_at.is_null().or(paces::due_at.gt(turn).assume_not_null()));
            change(paces::table, late).set(paces::due_at.eq(turn)).execute(c)
        }
        // The row is written in any case: whoever is just deciding for the bell has not seen what was put into its queue, and
        // this waits until he has decided.
        AnyConnection::Postgres(_) => {
            let soonest = case_when(paces::due_at.lt(paces::full_until), paces::due_at).otherwise(paces::full_until);
            let turn = case_when(paces::full_until.gt(Some(now)), soonest).otherwise(Some(now));
            change(paces::table, bell).set(paces::due_at.eq(turn)).execute(c)
        }
    }?;
    Ok(())
}

/// Locks the bells that are due, longest due first, at most [`CLAIM_BATCH_SIZE`]. On Postgres those that another process has
/// locked are left out.
pub(super) fn lock_due(c: &mut AnyConnection, now: NaiveDateTime) -> Result<Vec<Bell>> {
    let due = paces::table
        .filter(paces::due_at.le(Some(now)))
        .order(paces::due_at)
        .select((paces::fingerprint, paces::rest_until));
    Ok(match c {
        AnyConnection::Sqlite(c) => due.at_most::<CLAIM_BATCH_SIZE>().load(c),
        AnyConnection::Postgres(c) => due.limit(CLAIM_BATCH_SIZE).for_update().skip_locked().load(c),
    }?)
}

/// Locks one bell.
pub(super) fn lock(c: &mut AnyConnection, fingerprint: &[u8]) -> Result<Bell> {
    let bell = paces::table.filter(paces::fingerprint.eq(fingerprint)).select((paces::fingerprint, paces::rest_until));
    Ok(match c {
        AnyConnection::Sqlite(c) => bell.first_row(c),
        AnyConnection::Postgres(c) => bell.for_update().first(c),
    }?)
}

/// Locks all bells, in the order that every transaction keeps.
pub(super) fn lock_all(c: &mut AnyConnection) -> Result<()> {
    if let AnyConnection::Postgres(c) = c {
        let all = paces::table.order(paces::fingerprint).select(paces::fingerprint);
        all.for_update().load::<Vec<u8>>(c)?;
    }
    Ok(())
}

/// When to look at this bell again; never, until something is put into its queue. Until `full_until` nothing ordinary that is
/// put there makes it due.
pub(super) fn look_again(
    c: &mut AnyConnection,
    fingerprint: &[u8],
    at: Option<NaiveDateTime>,
    full_until: Option<NaiveDateTime>,
) -> Result<()> {
    let look = (paces::due_at.eq(at), paces::full_until.eq(full_until));
    change(paces::table, paces::fingerprint.eq(fingerprint)).set(look).execute(c)?;
    Ok(())
}

/// Lets the bell rest until then, unless it rests longer anyway.
pub(super) fn rest(c: &mut AnyConnection, fingerprint: &[u8], until: NaiveDateTime) -> Result<()> {
    let shorter = paces::fingerprint.eq(fingerprint).and(paces::rest_until.lt(until));
    change(paces::table, shorter).set(paces::rest_until.eq(until)).execute(c)?;
    Ok(())
}

/// When the next bell is due, of all there are.
pub(crate) fn next_due(c: &mut AnyConnection) -> Result<Option<NaiveDateTime>> {
    let first = paces::table.filter(paces::due_at.is_not_null()).order(paces::due_at).select(paces::due_at);
    Ok(first.first_row::<Option<NaiveDateTime>, _>(c).optional()?.flatten())
}
