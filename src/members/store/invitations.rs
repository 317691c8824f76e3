//! Invitations of accounts into tenants that did not make them, and what becomes of memberships when such an account may have
//! come into other hands.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{Status, remove};
use crate::{
    access::{Actor, Role},
    audit,
    db::{
        AccountId, AnyConnection, MemberId, TenantId,
        schema::{members, tenants},
    },
    error::{Error, Result},
};

/// A tenant that wants to add an account.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// The member that the account is to be.
    pub member: MemberId,
    /// The tenant's name.
    pub tenant: String,
    /// The role that is offered.
    pub role: Role,
    /// Since when the account has been invited.
    pub invited_at: NaiveDateTime,
}

/// The invitations that the owner of an account has not answered, by the tenants' names.
///
/// # Errors
/// When the database cannot be read.
pub fn of_account(c: &mut AnyConnection, account: AccountId) -> Result<Vec<Invitation>> {
    let rows: Vec<(MemberId, String, String, NaiveDateTime)> = open(account)
        .order((tenants::name, tenants::id))
        .select((members::id, tenants::name, members::role, members::joined_at))
        .load(c)?;
    let invitation = |(member, tenant, role, invited_at): (MemberId, String, String, NaiveDateTime)| {
        let role = Role::parse(&role).ok_or_else(|| Error::internal("a member has an unknown role"))?;
        Ok(Invitation { member, tenant, role, invited_at })
    };
    rows.into_iter().map(invitation).collect()
}

#[diesel::dsl::auto_type(no_type_alias)]
fn open(account: AccountId) -> _ {
    members::table
        .inner_join(tenants::table)
        .filter(members::account.eq(account))
        .filter(members::status.eq("invited"))
        .filter(tenants::deleted_at.is_null())
}

/// Accepts an invitation: from now on the account has the rights of its role. Returns the tenant's slug; nothing when the role is
/// not the one that was shown, because an administrator has changed it since.
///
/// # Errors
/// [`Error::NotFound`] when the account has no such invitation.
pub fn accept(
    c: &mut AnyConnection,
    account: AccountId,
    member: MemberId,
    shown: &str,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<Option<String>> {
    let Answered { tenant, username, slug, role } = answered(c, account, member)?;
    if shown != role {
        return Ok(None);
    }
    diesel::update(members::table.find(member))
        .set((members::status.eq(Status::Active.as_str()), members::accepted_at.eq(Some(now))))
        .execute(c)?;
    record(c, tenant, "invitation-accepted", &username, who, now)?;
    Ok(Some(slug))
}

/// Declines an invitation: the membership is removed.
///
/// # Errors
/// [`Error::NotFound`] when the account has no such invitation.
pub fn decline(
    c: &mut AnyConnection,
    account: AccountId,
    member: MemberId,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<()> {
    let Answered { tenant, username, .. } = answered(c, account, member)?;
    remove(c, tenant, member)?;
    record(c, tenant, "invitation-declined", &username, who, now)
}

/// An invitation that is being answered.
#[derive(Queryable)]
struct Answered {
    tenant: TenantId,
    username: String,
    slug: String,
    role: String,
}

/// An invitation that is still open, locked.
fn answered(c: &mut AnyConnection, account: AccountId, member: MemberId) -> Result<Answered> {
    if let AnyConnection::Postgres(c) = c {
        // SQLite has one writer, and needs no lock.
        let row = members::table.filter(members::id.eq(member)).filter(members::account.eq(account));
        row.select(members::id).for_no_key_update().first::<MemberId>(c)?;
    }
    let columns = (tenants::id, members::username, tenants::slug, members::role);
    Ok(open(account).filter(members::id.eq(member)).select(columns).first(c)?)
}

/// Takes an account's rights in every tenant but its home, because its home is about to hand the account over with a new
/// one-time code: otherwise the administrators of one tenant could walk into another. Each of those tenants finds it in its
/// audit log. The caller has locked the account.
///
/// # Errors
/// When the database cannot be written.
pub fn suspend_elsewhere(c: &mut AnyConnection, account: AccountId, home: TenantId, now: NaiveDateTime) -> Result<()> {
    let elsewhere = members::table.filter(members::account.eq(account)).filter(members::tenant.ne(home));
    // In one order, so that no two transactions wait for each other.
    let found: Vec<(MemberId, TenantId, String, String)> = elsewhere
        .order(members::id)
        .select((members::id, members::tenant, members::username, members::status))
        .load(c)?;
    diesel::update(elsewhere).set(members::accepted_at.eq(None::<NaiveDateTime>)).execute(c)?;
    let has_rights = [Status::Active, Status::Invited].map(Status::as_str);
    diesel::update(elsewhere.filter(members::status.eq_any(has_rights)))
        .set(members::status.eq(Status::Suspended.as_str()))
        .execute(c)?;
    // Which tenant it was, and who in it, is not for the other tenants to know.
    let who = Actor { account: None, name: "belfry".to_owned(), address: String::new() };
    for (_, tenant, username, _) in found.iter().filter(|(.., status)| has_rights.contains(&status.as_str())) {
        record(c, *tenant, "member-suspended", username, &who, now)?;
    }
    Ok(())
}

fn record(
    c: &mut AnyConnection,
    tenant: TenantId,
    action: &'static str,
    username: &str,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<()> {
    let entry = audit::Entry { tenant: Some(tenant), action, object: username, changes: Vec::new() };
    audit::record(c, who, &entry, now)
}
