//! Removing finished events with everything that belongs to them.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use diesel::{
    dsl::{exists, not},
    prelude::*,
};

use crate::{
    db::{
        AlertId, AnyConnection, EntryId,
        schema::{alert_entries, alerts, deliveries, fan_outs, rule_sends},
    },
    delivery,
    error::Result,
};

/// How many events a step looks at.
const EVENTS_PER_STEP: i64 = 100;

/// Removes events that were over before this moment, oldest first: about so many rows of them, entry by entry with all its
/// deliveries, and each event itself when none of its entries is left. An event some of whose messages wait, or were sent again
/// since, is kept, and so is one that still keeps its key quiet. Answers how many rows were removed.
///
/// # Errors
/// When the database cannot be written.
pub fn delete_finished_events(c: &mut AnyConnection, before: NaiveDateTime, at_most: i64) -> Result<usize> {
    let old = lock_idle_events(c, before)?;
    let entries: Vec<EntryId> = alert_entries::table
        .filter(alert_entries::alert.eq_any(&old))
        .order((alert_entries::alert, alert_entries::id))
        .limit(at_most)
        .select(alert_entries::id)
        .load(c)?;
    let deliveries = delivery::count_deliveries_by_entry(c, &entries)?.into_iter().collect();
    let entries = take_up_to_rows(at_most, entries, &deliveries);
    let mut removed = delivery::delete_deliveries_of_entries(c, &entries, before)?;
    removed += diesel::delete(alert_entries::table.filter(alert_entries::id.eq_any(&entries))).execute(c)?;
    let remaining: Vec<AlertId> = alert_entries::table
        .filter(alert_entries::alert.eq_any(&old))
        .select(alert_entries::alert)
        .distinct()
        .load(c)?;
    let deletable: Vec<AlertId> = old.into_iter().filter(|alert| !remaining.contains(alert)).collect();
    removed += delivery::delete_deliveries_of_alerts(c, &deletable, before)?;
    diesel::delete(rule_sends::table.filter(rule_sends::alert.eq_any(&deletable))).execute(c)?;
    removed += diesel::delete(alerts::table.filter(alerts::id.eq_any(&deletable))).execute(c)?;
    Ok(removed)
}

/// The oldest events that can go. On Postgres they are locked and looked at once more: what is sent again meanwhile would belong
/// to one of them, and go with it.
fn lock_idle_events(c: &mut AnyConnection, before: NaiveDateTime) -> QueryResult<Vec<AlertId>> {
    let is_idle = || {
        let active = deliveries::table
            .filter(deliveries::alert.eq(alerts::id.nullable()))
            .filter(deliveries::finished_at.is_null().or(deliveries::finished_at.ge(before)));
        let pending_fan_outs = fan_outs::table.filter(fan_outs::alert.eq(alerts::id));
        let has_no_active_mute = alerts::muted_until.is_null().or(alerts::muted_until.lt(before));
        alerts::finished_at
            .lt(before)
            .and(has_no_active_mute)
            .and(not(exists(active)))
            .and(not(exists(pending_fan_outs)))
    };
    let idle = alerts::table
        .filter(is_idle())
        .order((alerts::finished_at, alerts::id))
        .limit(EVENTS_PER_STEP)
        .select(alerts::id)
        .load(c)?;
    let AnyConnection::Postgres(c) = c else { return Ok(idle) };
    let among = || alerts::table.filter(alerts::id.eq_any(&idle)).select(alerts::id);
    among().order(alerts::id).for_update().load::<AlertId>(c)?;
    among().filter(is_idle()).load(c)
}

/// The first of these entries: as many as make so many rows with their deliveries, and one in any case.
fn take_up_to_rows(at_most: i64, entries: Vec<EntryId>, deliveries: &BTreeMap<EntryId, i64>) -> Vec<EntryId> {
    let mut rows = 0;
    let fits = |entry: &EntryId| {
        let is_first = rows == 0;
        rows += 1 + deliveries.get(entry).copied().unwrap_or_default();
        is_first || rows <= at_most
    };
    entries.into_iter().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_takes_whole_entries_and_an_oversized_one_alone() {
        let deliveries = [(1, 4), (3, 900)].map(|(entry, count)| (EntryId(entry), count)).into();
        let of = |entries: &[i64]| {
            let taken = take_up_to_rows(10, entries.iter().map(|entry| EntryId(*entry)).collect(), &deliveries);
            taken.into_iter().map(|entry| entry.0).collect::<Vec<_>>()
        };
        assert_eq!(of(&[1, 2, 4, 5, 6, 7, 8]), [1, 2, 4, 5, 6, 7]);
        assert_eq!(of(&[1, 3, 4]), [1]);
        assert_eq!(of(&[3, 4]), [3]);
        assert_eq!(of(&[]), [0_i64; 0]);
    }
}
