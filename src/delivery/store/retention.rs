//! Removing what has ended: deliveries, the messages that carried them, and the calls that were made for those.
//!
//! A delivery that belongs to an alert is only removed together with its entry of the time line, so that whoever counts an
//! entry's receivers against its deliveries never finds some of them missing.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, NullableExpressionMethods as _, QueryDsl as _,
    RunQueryDsl as _, delete,
    dsl::{exists, not, sql},
    sql_types::Bool,
    update,
};

use crate::{
    db::{
        AlertId, AnyConnection, DeliveryId, EntryId, MessageId,
        schema::{attempts, deliveries, messages, verifications},
    },
    error::Result,
};

/// How many ids one statement names.
const IDS_PER_STATEMENT: usize = 1_000;

/// A delivery, and the message that carried it.
type Row = (DeliveryId, Option<MessageId>);

/// Removes deliveries without an alert that ended before this moment, oldest first and at most so many. Answers how many.
///
/// # Errors
/// When the database cannot be written.
pub fn delete_old_deliveries(c: &mut AnyConnection, before: NaiveDateTime, limit: i64) -> Result<usize> {
    let rows = deliveries::table
        .filter(deliveries::alert.is_null())
        .filter(deliveries::finished_at.lt(before))
        .order((deliveries::finished_at, deliveries::id))
        .limit(limit)
        .select((deliveries::id, deliveries::message))
        .load(c)?;
    delete_deliveries(c, &rows, before)
}

/// Removes messages that ended before this moment and carry nothing any more, because what they carried went on without them.
///
/// # Errors
/// When the database cannot be written.
pub fn delete_empty_messages(c: &mut AnyConnection, before: NaiveDateTime, limit: i64) -> Result<usize> {
    // With an offset Postgres asks for each of these few messages, and does not read every delivery instead.
    let carried = deliveries::table.filter(deliveries::message.eq(messages::id.nullable())).limit(1).offset(0);
    let empty: Vec<MessageId> = messages::table
        // Written out, so that the index of these alone is seen to fit.
        .filter(sql::<Bool>("messages.state = 'failed'"))
        .filter(messages::finished_at.lt(before))
        .filter(not(exists(carried)))
        .order((messages::finished_at, messages::id))
        .limit(limit)
        .select(messages::id)
        .load(c)?;
    delete_messages(c, &empty)
}

/// Removes the deliveries of these entries of alerts' time lines, all of which have ended; the messages that carried them as far
/// as they ended before this moment. Answers how many deliveries.
///
/// # Errors
/// When the database cannot be written.
pub fn delete_deliveries_of_entries(
    c: &mut AnyConnection,
    entries: &[EntryId],
    before: NaiveDateTime,
) -> Result<usize> {
    let of_entries = deliveries::table.filter(deliveries::entry.eq_any(entries));
    let rows = of_entries.select((deliveries::id, deliveries::message)).load(c)?;
    delete_deliveries(c, &rows, before)
}

/// Removes what is left of these alerts' deliveries, as [`delete_deliveries_of_entries`] does.
///
/// # Errors
/// When the database cannot be written.
pub fn delete_deliveries_of_alerts(c: &mut AnyConnection, alerts: &[AlertId], before: NaiveDateTime) -> Result<usize> {
    let of_alerts = deliveries::table.filter(deliveries::alert.eq_any(alerts));
    let rows = of_alerts.select((deliveries::id, deliveries::message)).load(c)?;
    delete_deliveries(c, &rows, before)
}

/// How many deliveries each of these entries has; those without any are left out.
///
/// # Errors
/// When the database cannot be read.
pub fn count_deliveries_by_entry(c: &mut AnyConnection, entries: &[EntryId]) -> Result<Vec<(EntryId, i64)>> {
    let counted = deliveries::table.filter(deliveries::entry.eq_any(entries)).group_by(deliveries::entry);
    Ok(counted.select((deliveries::entry.assume_not_null(), diesel::dsl::count_star())).load(c)?)
}

fn delete_deliveries(c: &mut AnyConnection, rows: &[Row], before: NaiveDateTime) -> Result<usize> {
    for rows in rows.chunks(IDS_PER_STATEMENT) {
        let ids: Vec<DeliveryId> = rows.iter().map(|(delivery, _)| *delivery).collect();
        // A code that is as old as its delivery is worth nothing any more.
        delete(verifications::table.filter(verifications::delivery.eq_any(&ids))).execute(c)?;
        let resent = deliveries::table.filter(deliveries::resent_as.eq_any(&ids));
        update(resent).set(deliveries::resent_as.eq(None::<DeliveryId>)).execute(c)?;
        delete(deliveries::table.filter(deliveries::id.eq_any(&ids))).execute(c)?;
    }
    let carriers: BTreeSet<MessageId> = rows.iter().filter_map(|(_, message)| *message).collect();
    let carriers: Vec<MessageId> = carriers.into_iter().collect();
    for carriers in carriers.chunks(IDS_PER_STATEMENT) {
        let carried = deliveries::table.filter(deliveries::message.eq(messages::id.nullable()));
        let empty: Vec<MessageId> = messages::table
            .filter(messages::id.eq_any(carriers).and(messages::finished_at.lt(before)).and(not(exists(carried))))
            .select(messages::id)
            .load(c)?;
        delete_messages(c, &empty)?;
    }
    Ok(rows.len())
}

/// Removes messages with their calls. Calls this old count for no robot's pace any more.
fn delete_messages(c: &mut AnyConnection, ids: &[MessageId]) -> Result<usize> {
    delete(attempts::table.filter(attempts::message.eq_any(ids))).execute(c)?;
    Ok(delete(messages::table.filter(messages::id.eq_any(ids))).execute(c)?)
}
