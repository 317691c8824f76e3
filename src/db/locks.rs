//! Locks of things that a transaction relies on, which last until it ends. SQLite has one writer, and needs none.
//!
//! A tenant is locked before a portal, and a portal before every row.

use diesel::{RunQueryDsl as _, sql_query, sql_types::BigInt};

use super::{AnyConnection, PortalId, TenantId};
use crate::error::Result;

/// Everything that Postgres's advisory locks stand for. All of Belfry's processes share their numbers, which must not change
/// between versions that may run beside each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdvisoryLock {
    /// The migrations at the start.
    Migrations,
    /// Notices about broken robots.
    RobotNotices,
    /// The removal of what is past its retention.
    Retention,
    /// Notifications of what do-not-disturb suppressed.
    SuppressedAlerts,
    /// The existence of a tenant. Writes in it share the lock.
    Tenant(TenantId),
    /// The permissions of a portal. Its posts share the lock.
    Portal(PortalId),
    /// The events of a tenant, for whoever locks several.
    AlertGroups(TenantId),
    /// Something that has no id yet, by the first bytes of a hash.
    Hashed(i64),
}

impl AdvisoryLock {
    /// The lock for what has this hash. Two subjects with the same first eight bytes wait for each other.
    #[must_use]
    pub fn from_hash(hash: &[u8]) -> Self {
        Self::Hashed(hash.first_chunk().map_or(0, |bytes| i64::from_be_bytes(*bytes)))
    }

    /// The number of the lock. The prefixes are the words "tenant", "portal" and "group" in ASCII.
    pub(super) const fn key(self) -> i64 {
        match self {
            Self::Migrations => 726_354,
            Self::RobotNotices => 726_355,
            Self::Retention => 726_356,
            Self::SuppressedAlerts => 726_357,
            Self::Tenant(tenant) => 0x7465_6e61_6e74_0000 ^ tenant.0,
            Self::Portal(portal) => 0x706f_7274_616c_0000 ^ portal.0,
            Self::AlertGroups(tenant) => 0x6772_6f75_7000_0000 ^ tenant.0,
            Self::Hashed(hash) => hash,
        }
    }
}

/// Waits until no other transaction holds the lock, and holds it until the end of this one.
///
/// # Errors
/// When the database cannot be used.
pub fn acquire_lock(c: &mut AnyConnection, lock: AdvisoryLock) -> Result<()> {
    execute(c, "SELECT pg_advisory_xact_lock($1)", lock)
}

/// Waits until no other transaction holds the lock alone, and shares it until the end of this one.
fn share_lock(c: &mut AnyConnection, lock: AdvisoryLock) -> Result<()> {
    execute(c, "SELECT pg_advisory_xact_lock_shared($1)", lock)
}

fn execute(c: &mut AnyConnection, statement: &str, lock: AdvisoryLock) -> Result<()> {
    if let AnyConnection::Postgres(c) = c {
        sql_query(statement).bind::<BigInt, _>(lock.key()).execute(c)?;
    }
    Ok(())
}

/// Keeps a tenant from being deleted. Writes in one tenant hold it together.
///
/// # Errors
/// When the database cannot be used.
pub fn share_tenant(c: &mut AnyConnection, tenant: TenantId) -> Result<()> {
    share_lock(c, AdvisoryLock::Tenant(tenant))
}

/// Waits until nobody writes in a tenant, and lets no such write begin: for whoever deletes it.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_tenant(c: &mut AnyConnection, tenant: TenantId) -> Result<()> {
    acquire_lock(c, AdvisoryLock::Tenant(tenant))
}

/// Keeps what a portal may do as it is. Posts of one portal hold it together.
///
/// # Errors
/// When the database cannot be used.
pub fn share_portal(c: &mut AnyConnection, portal: PortalId) -> Result<()> {
    share_lock(c, AdvisoryLock::Portal(portal))
}

/// Waits until no post of a portal is being stored, and lets none begin: for whoever changes what it may do.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_portal(c: &mut AnyConnection, portal: PortalId) -> Result<()> {
    acquire_lock(c, AdvisoryLock::Portal(portal))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_locks_have_the_same_number() {
        let alone = [
            AdvisoryLock::Migrations,
            AdvisoryLock::RobotNotices,
            AdvisoryLock::Retention,
            AdvisoryLock::SuppressedAlerts,
        ];
        let of_ids = (0..1_000).flat_map(|id| {
            let (tenant, portal) = (TenantId(id), PortalId(id));
            [AdvisoryLock::Tenant(tenant), AdvisoryLock::Portal(portal), AdvisoryLock::AlertGroups(tenant)]
        });
        let locks: Vec<AdvisoryLock> = alone.into_iter().chain(of_ids).collect();
        assert_eq!(locks.iter().map(|lock| lock.key()).collect::<BTreeSet<_>>().len(), locks.len());
    }

    #[test]
    fn a_hash_is_known_by_its_first_eight_bytes() {
        assert_eq!(AdvisoryLock::from_hash(&[0, 0, 0, 0, 0, 0, 1, 2, 3]), AdvisoryLock::Hashed(258));
        assert_eq!(AdvisoryLock::from_hash(&[1, 2]), AdvisoryLock::Hashed(0));
    }
}
