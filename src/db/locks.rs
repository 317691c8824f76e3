//! Locks of things that a transaction relies on, which last until it ends. SQLite has one writer, and needs none.
//!
//! A tenant is locked before a portal, and a portal before every row.

use diesel::{RunQueryDsl as _, sql_query, sql_types::BigInt};

use super::{AnyConnection, PortalId, TenantId};
use crate::error::Result;

/// Tells the locks of tenants and portals from all other keys of [`one_at_a_time`].
const TENANT_LOCKS: i64 = 0x7465_6e61_6e74_0000;
const PORTAL_LOCKS: i64 = 0x706f_7274_616c_0000;

/// Lets one transaction at a time go on from here for this key, until it ends.
///
/// # Errors
/// When the database cannot be used.
pub fn one_at_a_time(c: &mut AnyConnection, key: i64) -> Result<()> {
    lock(c, "SELECT pg_advisory_xact_lock($1)", key)
}

/// Lets no other transaction go on from here for this key alone, but all that share it.
fn share(c: &mut AnyConnection, key: i64) -> Result<()> {
    lock(c, "SELECT pg_advisory_xact_lock_shared($1)", key)
}

fn lock(c: &mut AnyConnection, statement: &str, key: i64) -> Result<()> {
    if let AnyConnection::Postgres(c) = c {
        sql_query(statement).bind::<BigInt, _>(key).execute(c)?;
    }
    Ok(())
}

/// Keeps a tenant from being deleted. Writes in one tenant hold it together.
///
/// # Errors
/// When the database cannot be used.
pub fn share_tenant(c: &mut AnyConnection, tenant: TenantId) -> Result<()> {
    share(c, TENANT_LOCKS ^ tenant.0)
}

/// Waits until nobody writes in a tenant, and lets no such write begin: for whoever deletes it.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_tenant(c: &mut AnyConnection, tenant: TenantId) -> Result<()> {
    one_at_a_time(c, TENANT_LOCKS ^ tenant.0)
}

/// Keeps what a portal may do as it is. Posts of one portal hold it together.
///
/// # Errors
/// When the database cannot be used.
pub fn share_portal(c: &mut AnyConnection, portal: PortalId) -> Result<()> {
    share(c, PORTAL_LOCKS ^ portal.0)
}

/// Waits until no post of a portal is being stored, and lets none begin: for whoever changes what it may do.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_portal(c: &mut AnyConnection, portal: PortalId) -> Result<()> {
    one_at_a_time(c, PORTAL_LOCKS ^ portal.0)
}
