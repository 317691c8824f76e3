//! The rows of the audit log.

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{
    db::{AccountId, AnyConnection, TenantId, schema::audit},
    error::{Error, Result},
};

/// Who does something, and from where.
#[derive(Clone, Debug)]
pub struct Actor {
    /// The account; nothing for the command line.
    pub account: Option<AccountId>,
    /// Its name at the time.
    pub name: String,
    /// The address the request came from.
    pub address: String,
}

/// One value that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The key of the field's label.
    pub field: String,
    /// What it was.
    pub before: String,
    /// What it is now.
    pub after: String,
}

impl Change {
    /// The change of a field, when there is one.
    #[must_use]
    pub fn between(field: &str, before: &str, after: &str) -> Option<Self> {
        (before != after).then(|| Self { field: field.to_owned(), before: before.to_owned(), after: after.to_owned() })
    }
}

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
