//! Writes of pages. What a request was allowed to do when it came is checked again inside the transaction that does it.
//!
//! Between the two a request waits: for its body, for a password hash, for SQLite's writer, for a row lock. Meanwhile its session
//! may end, or its account be disabled, removed or demoted.

use super::{
    Account, Action, InstanceAction, MemberRights, Principal, is_allowed, is_allowed_on_instance,
    principal::{
        active_portals, find_account_by_username, find_account_of_member, find_super_administrator, lock_accounts,
        tenant_is_deleted, tenant_of_member,
    },
    session,
};
use crate::{
    db::{AccountId, AnyConnection, Database, MemberId, PortalId, TenantId, lock_portal, lock_tenant, share_tenant},
    error::{Error, Result},
};

/// The right to one write, which [`Self::write`] checks and uses in one transaction.
///
/// On Postgres the tenant and the account's row are locked first, so that everything that deletes the tenant or changes the
/// account's rights waits for the writes that rely on them, and the other way round.
#[derive(Clone, Debug)]
pub struct WritePermit {
    account: AccountId,
    session_id: String,
    right: RequiredRight,
    affected: Vec<Affected>,
}

/// What a write relies on or changes besides: a tenant, or somebody's rights, sessions or password. Tenants first, then
/// portals, then accounts are locked, portals and accounts in the order of their ids, before anything else: two administrators who
/// disable each other do not wait for each other.
#[derive(Clone, Debug)]
pub enum Affected {
    /// The account of a member.
    Member(MemberId),
    /// The account with this username in its canonical form, if there is one.
    Username(String),
    /// The super administrator of a tenant.
    SuperAdministrator(TenantId),
    /// No account, but a portal, whose posts rely on what it may do.
    Portal(PortalId),
    /// A tenant that is deleted or restored, with all that is written in it and posted by its portals.
    Tenant(TenantId),
    /// A tenant that must stay there for a write that needs no right in it.
    InTenant(TenantId),
    /// The tenant of a member, in the same way.
    InTenantOf(MemberId),
}

/// The condition that is checked when the write begins.
#[derive(Clone, Debug)]
enum RequiredRight {
    /// The session, also one that may do nothing but choose a password.
    Session,
    /// The session of an account that has a password of its own.
    SignedIn,
    /// A right in a tenant. The role may not be lower than it was when the request came: handlers decide by that one.
    Tenant { tenant: TenantId, action: Action, rights: Option<MemberRights> },
    /// A right on the instance.
    Instance(InstanceAction),
}

impl Affected {
    fn lock_tenant(&self, c: &mut AnyConnection) -> Result<()> {
        match self {
            Self::Tenant(tenant) => lock_tenant(c, *tenant),
            Self::InTenant(tenant) => share_tenant(c, *tenant),
            Self::InTenantOf(member) => tenant_of_member(c, *member)?.map_or(Ok(()), |tenant| share_tenant(c, tenant)),
            Self::Member(_) | Self::Username(_) | Self::SuperAdministrator(_) | Self::Portal(_) => Ok(()),
        }
    }

    fn lock_portals(&self, c: &mut AnyConnection) -> Result<()> {
        match self {
            Self::Portal(portal) => lock_portal(c, *portal),
            Self::Tenant(tenant) => {
                active_portals(c, *tenant)?.into_iter().try_for_each(|portal| lock_portal(c, portal))
            }
            _ => Ok(()),
        }
    }

    fn load_account(&self, c: &mut AnyConnection) -> Result<Option<AccountId>> {
        match self {
            Self::Member(member) => find_account_of_member(c, *member),
            Self::Username(key) => find_account_by_username(c, key),
            Self::SuperAdministrator(tenant) => find_super_administrator(c, *tenant),
            _ => Ok(None),
        }
    }
}

impl WritePermit {
    fn new(account: &Account, right: RequiredRight) -> Self {
        Self { account: account.id, session_id: account.session_id.clone(), right, affected: Vec::new() }
    }

    pub(super) fn for_session(account: &Account) -> Self {
        Self::new(account, RequiredRight::Session)
    }

    pub(super) fn for_signed_in(account: &Account) -> Self {
        Self::new(account, RequiredRight::SignedIn)
    }

    pub(super) fn for_tenant(
        account: &Account,
        tenant: TenantId,
        action: Action,
        rights: Option<MemberRights>,
    ) -> Self {
        Self::new(account, RequiredRight::Tenant { tenant, action, rights })
    }

    pub(super) fn for_instance(account: &Account, action: InstanceAction) -> Self {
        Self::new(account, RequiredRight::Instance(action))
    }

    /// The same for a write that changes somebody's rights, sessions or password.
    #[must_use]
    pub fn affecting(mut self, affected: Affected) -> Self {
        self.affected.push(affected);
        self
    }

    /// Runs the job in one transaction, after checking that the permit still holds.
    ///
    /// # Errors
    /// [`Error::LogInRequired`] when the session has ended, [`Error::PasswordChangeRequired`] when the account was given a one-time code,
    /// [`Error::Forbidden`] when the right is gone, [`Error::NotFound`] when the tenant is deleted, or what the job answers. Nothing
    /// is stored then.
    pub async fn write<T, F>(&self, db: &Database, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let permit = self.clone();
        db.write(move |c| {
            permit.check_still_allowed(c)?;
            job(c)
        })
        .await
    }

    fn check_still_allowed(&self, c: &mut AnyConnection) -> Result<()> {
        self.affected.iter().try_for_each(|affected| affected.lock_tenant(c))?;
        if let RequiredRight::Tenant { tenant, .. } = &self.right {
            share_tenant(c, *tenant)?;
        }
        self.affected.iter().try_for_each(|affected| affected.lock_portals(c))?;
        let mut accounts = vec![self.account];
        for affected in &self.affected {
            accounts.extend(affected.load_account(c)?);
        }
        lock_accounts(c, accounts)?;
        let account = session::load_session_account(c, &self.session_id, self.account)?.ok_or(Error::LogInRequired)?;
        if account.must_choose_password && !matches!(self.right, RequiredRight::Session) {
            return Err(Error::PasswordChangeRequired);
        }
        let allowed = match &self.right {
            RequiredRight::Session | RequiredRight::SignedIn => true,
            RequiredRight::Tenant { tenant, action, rights: standing } => {
                let principal = Principal::load(c, account)?;
                let membership = principal.memberships.iter().find(|membership| membership.tenant.id == *tenant);
                if membership.is_none() && tenant_is_deleted(c, *tenant)? {
                    return Err(Error::NotFound);
                }
                let rights_now = membership.map(super::Membership::rights);
                let has_kept_role = standing.is_none_or(|before| rights_now.is_some_and(|now| now.role >= before.role));
                has_kept_role && is_allowed(*action, rights_now, principal.administers_instance())
            }
            RequiredRight::Instance(action) => {
                is_allowed_on_instance(*action, Principal::load(c, account)?.administers_instance())
            }
        };
        if allowed { Ok(()) } else { Err(Error::Forbidden) }
    }
}
