//! What people do to events, and its entries on the time lines.

use chrono::{NaiveDateTime, SecondsFormat};
use diesel::prelude::*;

use super::events::{EntryKind, unmute};
use crate::{
    alerts::handling::{Handling, Muted},
    db::{
        AlertId, AnyConnection, LimitConst as _, TenantId,
        schema::{alert_entries, alerts},
    },
    error::{Error, Result},
};

/// The events of a tenant among these, locked, with the do not disturb that holds for them at this moment.
///
/// # Errors
/// When the database cannot be read.
pub fn lock(c: &mut AnyConnection, tenant: TenantId, ids: &[AlertId], now: NaiveDateTime) -> Result<Vec<Muted>> {
    let chosen = alerts::table.filter(alerts::tenant.eq(tenant)).filter(alerts::id.eq_any(ids)).order(alerts::id);
    if let AnyConnection::Postgres(c) = c {
        // SQLite has one writer, and needs no lock.
        chosen.clone().select(alerts::id).for_no_key_update().load::<AlertId>(c)?;
    }
    type Row = (AlertId, String, Option<NaiveDateTime>, Option<NaiveDateTime>);
    let rows: Vec<Row> =
        chosen.select((alerts::id, alerts::title, alerts::muted_until, alerts::finished_at)).load(c)?;
    let muted = |(id, title, until, finished): Row| {
        let until = until.filter(|until| finished.is_none() && *until > now);
        Muted { id, title, until }
    };
    Ok(rows.into_iter().map(muted).collect())
}

/// Does this to events of a tenant, and answers the titles of those that it changed. Do not disturb belongs to the event: a
/// finished one has none.
///
/// # Errors
/// [`Error::NotFound`] when one of them is no event of the tenant; then nothing is done.
pub fn apply_to_events(
    c: &mut AnyConnection,
    tenant: TenantId,
    ids: &[AlertId],
    what: Handling,
    actor: &str,
    now: NaiveDateTime,
) -> Result<Vec<String>> {
    let mut titles = Vec::new();
    for id in ids {
        let event = alerts::table.filter(alerts::tenant.eq(tenant)).filter(alerts::id.eq(id));
        let known: Option<AlertId> = event.select(alerts::id).first_cached(c).optional()?;
        let id = known.ok_or(Error::NotFound)?;
        if let Some(title) = apply_to_event(c, id, what, now)? {
            add_handling_entry(c, id, what, actor, now)?;
            titles.push(title);
        }
    }
    Ok(titles)
}

/// The event's title, when there was something to change.
fn apply_to_event(c: &mut AnyConnection, id: AlertId, what: Handling, now: NaiveDateTime) -> Result<Option<String>> {
    let event = alerts::table.filter(alerts::id.eq(id));
    let title = match what {
        Handling::Mute(until) => {
            let open = event.filter(alerts::finished_at.is_null());
            let other = open.filter(alerts::muted_until.is_null().or(alerts::muted_until.ne(until)));
            diesel::update(other).set(alerts::muted_until.eq(Some(until))).returning(alerts::title).get_result(c)
        }
        Handling::Unmute => {
            let muted = event.filter(alerts::muted_until.gt(now));
            let unmuted = alerts::muted_until.eq(None::<NaiveDateTime>);
            diesel::update(muted).set(unmuted).returning(alerts::title).get_result(c)
        }
        Handling::Finish => {
            let open = event.filter(alerts::finished_at.is_null());
            diesel::update(open)
                .set((alerts::finished_at.eq(Some(now)), unmute()))
                .returning(alerts::title)
                .get_result(c)
        }
    };
    Ok(title.optional()?)
}

fn add_handling_entry(
    c: &mut AnyConnection,
    id: AlertId,
    what: Handling,
    actor: &str,
    now: NaiveDateTime,
) -> Result<()> {
    let (kind, content) = match what {
        Handling::Mute(until) => (EntryKind::Muted, until.and_utc().to_rfc3339_opts(SecondsFormat::Secs, true)),
        Handling::Unmute => (EntryKind::Unmuted, String::new()),
        Handling::Finish => (EntryKind::Finished, String::new()),
    };
    let row = (
        alert_entries::alert.eq(id),
        alert_entries::kind.eq(kind.as_str()),
        alert_entries::actor.eq(actor),
        alert_entries::title.eq(""),
        alert_entries::content.eq(content),
        alert_entries::severity.eq(""),
        alert_entries::rules.eq("[]"),
        alert_entries::at.eq(now),
    );
    diesel::insert_into(alert_entries::table).values(row).execute(c)?;
    Ok(())
}
