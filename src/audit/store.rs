//! The rows of the audit log.

use chrono::NaiveDateTime;
use diesel::{dsl::sql, prelude::*, sql_types::Text};

use super::Change;
use crate::{
    access::Actor,
    db::{
        AnyConnection, Cursor, Keyset, TenantId,
        schema::{audit, tenants},
    },
    error::{Error, Result},
};

/// What was done.
#[derive(Clone, Debug)]
pub struct Entry<'e> {
    /// The tenant it was done in; nothing for the instance.
    pub tenant: Option<TenantId>,
    /// A word for what was done; the key of its text is `audit-action-` and this word.
    pub action: &'static str,
    /// What it was done to, by the name people know.
    pub object: &'e str,
    /// The values that changed. A secret is named by its field alone.
    pub changes: Vec<Change>,
}

/// Writes one row. It belongs into the same [`Database::write`](crate::db::Database::write) as the change.
///
/// # Errors
/// When the database cannot be written.
pub fn record(c: &mut AnyConnection, who: &Actor, entry: &Entry<'_>, now: NaiveDateTime) -> Result<()> {
    let changes = serde_json::to_string(&entry.changes).map_err(Error::internal)?;
    diesel::insert_into(audit::table)
        .values((
            audit::tenant.eq(entry.tenant),
            audit::account.eq(who.account),
            audit::actor.eq(&who.name),
            audit::action.eq(entry.action),
            audit::object.eq(entry.object),
            audit::changes.eq(changes),
            audit::address.eq(&who.address),
            audit::at.eq(now),
        ))
        .execute(c)?;
    Ok(())
}

/// Whether a save changed anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Something is other than it was.
    Changed,
    /// What was saved is what was there.
    Unchanged,
}

impl Effect {
    /// The key of what the next page says.
    #[must_use]
    pub const fn flash_key(self) -> &'static str {
        self.flash_key_or("flash-saved")
    }

    /// The same, with another text for a change.
    #[must_use]
    pub const fn flash_key_or(self, changed: &'static str) -> &'static str {
        match self {
            Self::Changed => changed,
            Self::Unchanged => "flash-unchanged",
        }
    }
}

/// Writes the row of a save; none when nothing changed.
///
/// # Errors
/// When the database cannot be written.
pub fn record_changes(c: &mut AnyConnection, who: &Actor, entry: &Entry<'_>, now: NaiveDateTime) -> Result<Effect> {
    if entry.changes.is_empty() {
        return Ok(Effect::Unchanged);
    }
    record(c, who, entry, now)?;
    Ok(Effect::Changed)
}

/// Saves what changed, and writes its row; neither when nothing changed.
///
/// # Errors
/// Those of the write.
pub fn save_changes(
    c: &mut AnyConnection,
    who: &Actor,
    entry: &Entry<'_>,
    now: NaiveDateTime,
    write: impl FnOnce(&mut AnyConnection) -> Result<()>,
) -> Result<Effect> {
    if !entry.changes.is_empty() {
        write(c)?;
    }
    record_changes(c, who, entry, now)
}

/// Removes rows from before this moment, oldest first and at most so many. Answers how many.
///
/// The first rows by id are the oldest, so that no index by time is needed; after a clock was set back, one may stay for as long
/// as its neighbours do.
///
/// # Errors
/// When the database cannot be written.
pub fn clean(c: &mut AnyConnection, before: NaiveDateTime, at_most: i64) -> Result<usize> {
    let first: Vec<(i64, NaiveDateTime)> =
        audit::table.order(audit::id).limit(at_most).select((audit::id, audit::at)).load(c)?;
    let old: Vec<i64> = first.into_iter().take_while(|(_, at)| *at < before).map(|(id, _)| id).collect();
    Ok(diesel::delete(audit::table.filter(audit::id.eq_any(old))).execute(c)?)
}

/// A row as pages show it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id: the larger the later.
    pub id: i64,
    /// The name of the tenant it was done in; nothing for the instance.
    pub tenant: Option<String>,
    /// The username of who did it.
    pub actor: String,
    /// The word for what was done.
    pub action: String,
    /// What it was done to.
    pub object: String,
    /// The values that changed.
    pub changes: Vec<Change>,
    /// The address the request came from.
    pub address: String,
    /// When it was.
    pub at: NaiveDateTime,
}

/// Which rows, and which page of them.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only what this username did, in any case; empty for everyone.
    pub actor: String,
    /// Only this action.
    pub action: Option<&'static str>,
    /// Which page.
    pub seek: Cursor,
}

/// One page of a tenant's log, or of everything that happened, newest first.
///
/// The page is found by id, so a log of any length costs the same and is never counted.
///
/// # Errors
/// When the database cannot be read.
pub fn list(c: &mut AnyConnection, tenant: Option<TenantId>, filter: &Filter) -> Result<(Vec<Row>, Keyset)> {
    type Raw = (i64, Option<String>, String, String, String, String, String, NaiveDateTime);
    let mut query = audit::table.left_join(tenants::table.on(audit::tenant.eq(tenants::id.nullable()))).into_boxed();
    if let Some(tenant) = tenant {
        query = query.filter(audit::tenant.eq(Some(tenant)));
    }
    if !filter.actor.is_empty() {
        // Usernames are ASCII, so both databases fold them alike.
        query = query.filter(sql::<Text>("lower(audit.actor)").eq(filter.actor.to_ascii_lowercase()));
    }
    if let Some(action) = filter.action {
        query = query.filter(audit::action.eq(action));
    }
    query = match (filter.seek.before, filter.seek.after) {
        (Some(before), _) => query.filter(audit::id.lt(before)).order(audit::id.desc()),
        (None, Some(after)) => query.filter(audit::id.gt(after)).order(audit::id.asc()),
        (None, None) => query.order(audit::id.desc()),
    };
    let rows: Vec<Raw> = query
        .limit(Cursor::QUERY_LIMIT)
        .select((
            audit::id,
            tenants::name.nullable(),
            audit::actor,
            audit::action,
            audit::object,
            audit::changes,
            audit::address,
            audit::at,
        ))
        .load(c)?;
    let (rows, keyset) = filter.seek.page(rows, |row| row.0);
    let rows = rows.into_iter().map(|(id, tenant, actor, action, object, changes, address, at)| {
        let changes = serde_json::from_str(&changes).map_err(Error::internal)?;
        Ok(Row { id, tenant, actor, action, object, changes, address, at })
    });
    Ok((rows.collect::<Result<_>>()?, keyset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{clock::Clock, db::fixture::database};

    fn note(c: &mut AnyConnection, tenant: Option<i64>, actor: &str, action: &'static str) {
        let who = Actor { account: None, name: actor.into(), address: "192.0.2.1".into() };
        let entry = Entry { tenant: tenant.map(TenantId), action, object: "x", changes: Vec::new() };
        record(c, &who, &entry, Clock::default().now()).unwrap();
    }

    fn actors(c: &mut AnyConnection, tenant: Option<i64>, filter: &Filter) -> Vec<String> {
        list(c, tenant.map(TenantId), filter).unwrap().0.into_iter().map(|row| row.actor).collect()
    }

    #[test]
    fn a_tenant_reads_its_own_rows_and_the_instance_reads_all_newest_first() {
        let (_folder, mut c) = database();
        note(&mut c, Some(1), "ann", "log-in");
        note(&mut c, Some(2), "bob", "log-in");
        note(&mut c, None, "root", "log-in");
        assert_eq!(actors(&mut c, Some(1), &Filter::default()), ["ann"]);
        assert_eq!(actors(&mut c, None, &Filter::default()), ["root", "bob", "ann"]);
    }

    #[test]
    fn rows_are_filtered_by_who_in_any_case_and_by_action() {
        let (_folder, mut c) = database();
        note(&mut c, None, "Ann", "log-in");
        note(&mut c, None, "ann", "log-out");
        note(&mut c, None, "bob", "log-in");
        let by = |actor: &str, action| Filter { actor: actor.into(), action, seek: Cursor::default() };
        assert_eq!(actors(&mut c, None, &by("aNN", None)), ["ann", "Ann"]);
        assert_eq!(actors(&mut c, None, &by("", Some("log-in"))), ["bob", "Ann"]);
        assert_eq!(actors(&mut c, None, &by("ann", Some("log-out"))), ["ann"]);
    }

    #[test]
    fn older_pages_follow_without_gap_even_when_rows_come_in_meanwhile() {
        let (_folder, mut c) = database();
        for number in 0..120 {
            note(&mut c, Some(1), &number.to_string(), "log-in");
        }
        let (first, keyset) = list(&mut c, Some(TenantId(1)), &Filter::default()).unwrap();
        note(&mut c, Some(1), "late", "log-in");
        let seek = Cursor { before: keyset.older, after: None };
        let (second, keyset) = list(&mut c, Some(TenantId(1)), &Filter { seek, ..Filter::default() }).unwrap();
        assert_eq!((first.len(), second.len()), (50, 50));
        assert_eq!((first[49].actor.as_str(), second[0].actor.as_str()), ("70", "69"));
        let seek = Cursor { before: None, after: keyset.newer };
        let back = list(&mut c, Some(TenantId(1)), &Filter { seek, ..Filter::default() }).unwrap();
        assert_eq!(
            back.0.iter().map(|row| row.id).collect::<Vec<_>>(),
            first.iter().map(|row| row.id).collect::<Vec<_>>()
        );
        assert!(back.1.newer.is_some(), "the row that came in is on a newer page");
    }
}
