//! The principal: an account, its memberships, and whether it administers the instance, in one query.

use diesel::prelude::*;

use super::{MemberRights, Role};
use crate::{
    db::{
        AccountId, AnyConnection, LimitConst as _, MemberId, PortalId, TenantId, on_backend,
        schema::{accounts, members, portals, tenants},
    },
    error::{Error, Result},
    language::Language,
};

/// The account behind a session.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The name it logs in with.
    pub username: String,
    /// The language it chose, if it did.
    pub language: Option<Language>,
    /// Whether it was let in with a one-time code and must choose a password before anything else.
    pub must_choose_password: bool,
    /// The session's id: not secret, and not enough to be let in.
    pub session_id: String,
}

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

/// A tenant as every page of it needs it.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Whether this is the metadata warehouse tenant, whose administrators administer the instance.
    pub metadata_warehouse: bool,
    /// The IANA name of the time zone its pages show times in.
    pub time_zone: String,
    /// How many members it has, disabled ones included.
    pub member_count: i64,
}

/// What an account is in one tenant.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The tenant.
    pub tenant: Tenant,
    /// The member.
    pub member: MemberId,
    /// The member's role.
    pub role: Role,
    /// Whether he was given the permission to fire alerts; administrators need none.
    pub may_fire: bool,
}

impl Membership {
    /// What the matrix asks of it.
    #[must_use]
    pub fn rights(&self) -> MemberRights {
        MemberRights { role: self.role, may_fire: self.may_fire }
    }
}

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The account.
    pub account: Account,
    /// Its active memberships, of tenants that are not deleted, by name: who is invited, suspended or disabled has no rights.
    pub memberships: Vec<Membership>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = tenants)]
struct TenantRow {
    id: TenantId,
    slug: String,
    name: String,
    metadata_warehouse: bool,
    time_zone: String,
    member_count: i64,
}

impl From<TenantRow> for Tenant {
    fn from(row: TenantRow) -> Self {
        let TenantRow { id, slug, name, metadata_warehouse, time_zone, member_count } = row;
        Self { id, slug, name, metadata_warehouse, time_zone, member_count }
    }
}

impl Principal {
    /// Loads the memberships of an account.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn load(c: &mut AnyConnection, account: Account) -> Result<Self> {
        let active_memberships = members::table
            .inner_join(tenants::table)
            .filter(members::account.eq(account.id))
            .filter(members::status.eq("active"))
            .filter(tenants::deleted_at.is_null())
            .order((tenants::name, tenants::id));
        let rows: Vec<(TenantRow, MemberId, String, bool)> = on_backend!(c, c => {
            active_memberships
                .select((TenantRow::as_select(), members::id, members::role, members::may_fire))
                .load(c)?
        });
        let memberships = rows
            .into_iter()
            .map(|(tenant, member, role, may_fire)| {
                let role = Role::parse(&role).ok_or_else(|| Error::internal("a member has an unknown role"))?;
                Ok(Membership { tenant: tenant.into(), member, role, may_fire })
            })
            .collect::<Result<_>>()?;
        Ok(Self { account, memberships })
    }

    /// Whether this account administers the instance: it administers the metadata warehouse tenant.
    #[must_use]
    pub fn administers_instance(&self) -> bool {
        self.instance_role().is_some_and(Role::administers)
    }

    /// The role in the metadata warehouse tenant.
    #[must_use]
    pub fn instance_role(&self) -> Option<Role> {
        self.memberships
            .iter()
            .find(|membership| membership.tenant.metadata_warehouse)
            .map(|membership| membership.role)
    }

    /// The membership of the tenant with this slug.
    #[must_use]
    pub fn membership(&self, slug: &str) -> Option<&Membership> {
        self.memberships.iter().find(|membership| membership.tenant.slug == slug)
    }
}

/// The tenant with this slug, for those who need not be its members.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is deleted.
pub fn find_tenant_by_slug(c: &mut AnyConnection, slug: &str) -> Result<Tenant> {
    let row: TenantRow = tenants::table
        .filter(tenants::slug.eq(slug))
        .filter(tenants::deleted_at.is_null())
        .select(TenantRow::as_select())
        .first_cached(c)?;
    Ok(row.into())
}

/// Locks the rows of accounts until the transaction ends, in the order of their ids. SQLite has one writer, and needs no lock.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_accounts(c: &mut AnyConnection, accounts: Vec<AccountId>) -> Result<()> {
    if let AnyConnection::Postgres(c) = c {
        let rows = accounts::table.filter(accounts::id.eq_any(accounts)).order(accounts::id).select(accounts::id);
        rows.for_no_key_update().load::<AccountId>(c)?;
    }
    Ok(())
}

/// The account of a member, whatever its status.
///
/// # Errors
/// When the database cannot be read.
pub fn find_account_of_member(c: &mut AnyConnection, member: MemberId) -> Result<Option<AccountId>> {
    Ok(members::table.find(member).select(members::account).first_cached(c).optional()?)
}

/// The tenant of a member, whatever its status.
///
/// # Errors
/// When the database cannot be read.
pub fn tenant_of_member(c: &mut AnyConnection, member: MemberId) -> Result<Option<TenantId>> {
    Ok(members::table.find(member).select(members::tenant).first_cached(c).optional()?)
}

/// The account with this username in its canonical form.
///
/// # Errors
/// When the database cannot be read.
pub fn find_account_by_username(c: &mut AnyConnection, key: &str) -> Result<Option<AccountId>> {
    Ok(accounts::table.filter(accounts::username_key.eq(key)).select(accounts::id).first_cached(c).optional()?)
}

/// The super administrator of a tenant.
///
/// # Errors
/// When the database cannot be read.
pub fn find_super_administrator(c: &mut AnyConnection, tenant: TenantId) -> Result<Option<AccountId>> {
    Ok(tenants::table.find(tenant).select(tenants::super_admin).first_cached(c).optional()?)
}

/// The portals of a tenant that are not revoked, in the order of their ids.
///
/// # Errors
/// When the database cannot be read.
pub fn active_portals(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<PortalId>> {
    let portals = portals::table.filter(portals::tenant.eq(tenant)).filter(portals::revoked_at.is_null());
    Ok(portals.order(portals::id).select(portals::id).load(c)?)
}

/// Whether there is no such tenant any more.
///
/// # Errors
/// When the database cannot be read.
pub fn tenant_is_deleted(c: &mut AnyConnection, tenant: TenantId) -> Result<bool> {
    let present = tenants::table.find(tenant).filter(tenants::deleted_at.is_null()).select(tenants::id);
    Ok(present.first_cached::<TenantId, _>(c).optional()?.is_none())
}
