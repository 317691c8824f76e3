//! Bells: which of them have something to do, and the lock that makes one process at a time decide for one.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _, insert_into, update};

use crate::{
    db::{AnyConnection, AtMost as _, schema::paces},
    error::Result,
    robots::Channel,
};

/// A bell that is locked until the transaction ends.
#[derive(diesel::Queryable)]
pub(super) struct Bell {
    pub fingerprint: Vec<u8>,
    pub rest_until: NaiveDateTime,
}

/// Says that something waits for this bell from now on. On Postgres this also makes a process that is just deciding for
/// the bell, without knowing of this transaction, look again.
pub(super) fn touch(c: &mut AnyConnection, fingerprint: &[u8], channel: Channel, now: NaiveDateTime) -> Result<()> {
    let row = (
        paces::fingerprint.eq(fingerprint),
        paces::channel.eq(channel.as_str()),
        paces::rest_until.eq(now),
        paces::due_at.eq(Some(now)),
    );
    let due = paces::due_at.eq(Some(now));
    match c {
        AnyConnection::Sqlite(c) => {
            insert_into(paces::table).values(row).on_conflict(paces::fingerprint).do_update().set(due).execute(c)
        }
        AnyConnection::Postgres(c) => {
            insert_into(paces::table).values(row).on_conflict(paces::fingerprint).do_update().set(due).execute(c)
        }
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

/// Locks the bells that are due, longest due first. On Postgres those that another process has locked are left out.
pub(super) fn lock_due(c: &mut AnyConnection, now: NaiveDateTime, at_most: i64) -> Result<Vec<Bell>> {
    let due = paces::table
        .filter(paces::due_at.le(Some(now)))
        .order(paces::due_at)
        .limit(at_most)
        .select((paces::fingerprint, paces::rest_until));
    Ok(match c {
        AnyConnection::Sqlite(c) => due.load(c),
        AnyConnection::Postgres(c) => due.for_update().skip_locked().load(c),
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

/// When to look at this bell again; never, until something is put into its queue.
pub(super) fn look_again(c: &mut AnyConnection, fingerprint: &[u8], at: Option<NaiveDateTime>) -> Result<()> {
    update(paces::table.filter(paces::fingerprint.eq(fingerprint))).set(paces::due_at.eq(at)).execute(c)?;
    Ok(())
}

/// Lets the bell rest until then.
pub(super) fn rest(c: &mut AnyConnection, fingerprint: &[u8], until: NaiveDateTime) -> Result<()> {
    update(paces::table.filter(paces::fingerprint.eq(fingerprint))).set(paces::rest_until.eq(until)).execute(c)?;
    Ok(())
}

/// When the next bell is due, of all there are.
pub(crate) fn next_due(c: &mut AnyConnection) -> Result<Option<NaiveDateTime>> {
    let first = paces::table.filter(paces::due_at.is_not_null()).order(paces::due_at).select(paces::due_at);
    Ok(first.first_row::<Option<NaiveDateTime>, _>(c).optional()?.flatten())
}
