//! Tenants in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    access::Role,
    accounts::Username,
    audit::{self, Actor},
    db::{AccountId, AnyConnection, TenantId, schema::tenants},
    error::Result,
    members::store::{NewMember, insert as insert_member},
};

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct NewTenant<'t> {
    /// Its name for people.
    pub name: &'t str,
    /// Its name in URLs.
    pub slug: &'t str,
    /// What it is for.
    pub description: &'t str,
    /// Whether its administrators administer the instance.
    pub metadata_warehouse: bool,
    /// The IANA name of its time zone.
    pub time_zone: &'t str,
}

/// Makes a tenant with its super administrator, who is its first member.
///
/// # Errors
/// [`Error::Taken`](crate::error::Error::Taken) when the slug is.
pub fn insert(
    c: &mut AnyConnection,
    tenant: &NewTenant<'_>,
    super_admin: AccountId,
    username: &Username,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<TenantId> {
    let id: TenantId = diesel::insert_into(tenants::table)
        .values((
            tenants::slug.eq(tenant.slug),
            tenants::name.eq(tenant.name),
            tenants::description.eq(tenant.description),
            tenants::metadata_warehouse.eq(tenant.metadata_warehouse),
            tenants::channel_mode.eq("system"),
            tenants::super_admin.eq(super_admin),
            tenants::time_zone.eq(tenant.time_zone),
            tenants::member_count.eq(0),
            tenants::created_at.eq(now),
        ))
        .returning(tenants::id)
        .get_result(c)?;
    let member =
        NewMember { account: super_admin, username, display_name: username.as_str(), role: Role::SuperAdministrator };
    insert_member(c, id, &member, now)?;
    let entry = audit::Entry { tenant: Some(id), action: "tenant-added", object: tenant.name, changes: Vec::new() };
    audit::record(c, who, &entry, now)?;
    Ok(id)
}

/// Makes an account super administrator of the metadata warehouse tenant, whose administrators administer the instance.
/// The tenant is made when there is none.
///
/// # Errors
/// When the database cannot be written.
pub fn join_metadata_warehouse(
    c: &mut AnyConnection,
    account: AccountId,
    username: &Username,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<TenantId> {
    let known = tenants::table.filter(tenants::metadata_warehouse.eq(true)).select(tenants::id).first(c).optional()?;
    if let Some(id) = known {
        let member = NewMember { account, username, display_name: username.as_str(), role: Role::SuperAdministrator };
        insert_member(c, id, &member, now)?;
        let object = username.as_str();
        let entry = audit::Entry { tenant: Some(id), action: "member-added", object, changes: Vec::new() };
        audit::record(c, who, &entry, now)?;
        return Ok(id);
    }
    let tenant = NewTenant {
        name: "Metadata warehouse",
        slug: "metadata-warehouse",
        description: "",
        metadata_warehouse: true,
        time_zone: "UTC",
    };
    insert(c, &tenant, account, username, who, now)
}
