//! Settings have no row that is locked by its own id: the tenant's row stands for them.

use diesel::prelude::*;

use super::{AnyConnection, TenantId, schema::tenants};
use crate::error::Result;

/// Until the end of the transaction nobody else changes the settings of a tenant, or of the instance where none is named.
///
/// # Errors
/// When the database cannot be read.
pub fn lock_settings(c: &mut AnyConnection, tenant: Option<TenantId>) -> Result<()> {
    // SQLite has one writer, and needs no lock.
    if let AnyConnection::Postgres(c) = c {
        let row = tenants::table.select(tenants::id).for_no_key_update();
        match tenant {
            Some(tenant) => row.filter(tenants::id.eq(tenant)).load::<TenantId>(c)?,
            None => row.filter(tenants::metadata_warehouse.eq(true)).load::<TenantId>(c)?,
        };
    }
    Ok(())
}
