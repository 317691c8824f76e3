//! Writes of pages. What a request was allowed to do when it came is checked again inside the transaction that does it.
//!
//! Between the two a request waits: for its body, for a password hash, for SQLite's writer, for a row lock. Meanwhile its session
//! may end, or its account be disabled, removed or demoted.

use super::{
    Account, Action, InstanceAction, Principal, Standing, allows, instance_allows,
    principal::{
        account_of_member, account_of_username, lock_accounts, portals_of, super_administrator, tenant_is_deleted,
        tenant_of_member,
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
    session: String,
    right: Right,
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
enum Right {
    /// The session, also one that may do nothing but choose a password.
    Session,
    /// The session of an account that has a password of its own.
    SignedIn,
    /// A right in a tenant. The role may not be lower than it was when the request came: handlers decide by that one.
    Tenant { tenant: TenantId, action: Action, standing: Option<Standing> },
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
            Self::Tenant(tenant) => portals_of(c, *tenant)?.into_iter().try_for_each(|portal| lock_portal(c, portal)),
            _ => Ok(()),
        }
    }

    fn account(&self, c: &mut AnyConnection) -> Result<Option<AccountId>> {
        match self {
            Self::Member(member) => account_of_member(c, *member),
            Self::Username(key) => account_of_username(c, key),
            Self::SuperAdministrator(tenant) => super_administrator(c, *tenant),
            _ => Ok(None),
        }
    }
}

impl WritePermit {
    fn new(account: &Account, right: Right) -> Self {
        Self { account: account.id, session: account.session.clone(), right, affected: Vec::new() }
    }

    pub(super) fn of_session(account: &Account) -> Self {
        Self::new(account, Right::Session)
    }

    pub(super) fn of_signed_in(account: &Account) -> Self {
        Self::new(account, Right::SignedIn)
    }

    pub(super) fn in_tenant(account: &Account, tenant: TenantId, action: Action, standing: Option<Standing>) -> Self {
        Self::new(account, Right::Tenant { tenant, action, standing })
    }

    pub(super) fn on_instance(account: &Account, action: InstanceAction) -> Self {
        Self::new(account, Right::Instance(action))
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
    /// [`Error::LogInFirst`] when the session has ended, [`Error::PasswordFirst`] when the account was given a one-time code,
    /// [`Error::Forbidden`] when the right is gone, [`Error::NotFound`] when the tenant is deleted, or what the job answers. Nothing
    /// is stored then.
    pub async fn write<T, F>(&self, db: &Database, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let permit = self.clone();
        db.write(move |c| {
            permit.confirm(c)?;
            job(c)
        })
        .await
    }

    fn confirm(&self, c: &mut AnyConnection) -> Result<()> {
        self.affected.iter().try_for_each(|affected| affected.lock_tenant(c))?;
        if let Right::Tenant { tenant, .. } = &self.right {
            share_tenant(c, *tenant)?;
        }
        self.affected.iter().try_for_each(|affected| affected.lock_portals(c))?;
        let mut accounts = vec![self.account];
        for affected in &self.affected {
            accounts.extend(affected.account(c)?);
        }
        lock_accounts(c, accounts)?;
        let account = session::account_of(c, &self.session, self.account)?.ok_or(Error::LogInFirst)?;
        if account.must_choose_password && !matches!(self.right, Right::Session) {
            return Err(Error::PasswordFirst);
        }
        let allowed = match &self.right {
            Right::Session | Right::SignedIn => true,
            Right::Tenant { tenant, action, standing } => {
                let principal = Principal::load(c, account)?;
                let now = principal.memberships.iter().find(|membership| membership.tenant.id == *tenant);
                if now.is_none() && tenant_is_deleted(c, *tenant)? {
                    return Err(Error::NotFound);
                }
                let now = now.map(super::Membership::standing);
                let as_high = standing.is_none_or(|before| now.is_some_and(|now| now.role >= before.role));
                as_high && allows(*action, now, principal.administers_instance())
            }
            Right::Instance(action) => instance_allows(*action, Principal::load(c, account)?.administers_instance()),
        };
        if allowed { Ok(()) } else { Err(Error::Forbidden) }
    }
}
