//! The extractors: whoever is not allowed never reaches a handler.

use std::{future::Future, marker::PhantomData, pin::Pin};

use actix_session::SessionExt as _;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, web::Data};

use super::{
    Account, MemberRights, Membership, Principal, Role, Tenant, WritePermit,
    matrix::{
        Action, is_allowed, is_allowed_on_instance,
        permissions::{InstancePermission, Permission},
    },
    principal::find_tenant_by_slug,
    session::session_account,
};
use crate::{
    db::{AnyConnection, Database, MemberId},
    error::{Error, Result},
};

type Extraction<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

/// Anyone who is signed in, tenant or not.
#[derive(Clone, Debug)]
pub struct AnyoneSignedIn {
    /// Who it is.
    pub principal: Principal,
}

/// Somebody who may do what `P` permits in the tenant of the URL.
#[derive(Clone, Debug)]
pub struct Can<P> {
    /// Who it is.
    pub principal: Principal,
    /// The tenant of the URL.
    pub tenant: Tenant,
    /// What he is there; nothing for an instance administrator who is no member.
    pub membership: Option<Membership>,
    permission: PhantomData<P>,
}

/// Somebody who may do what `P` permits to the instance.
#[derive(Clone, Debug)]
pub struct CanInstance<P> {
    /// Who it is.
    pub principal: Principal,
    permission: PhantomData<P>,
}

impl<P> Can<P> {
    /// The role in this tenant. Somebody who is no member has none.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        self.membership.as_ref().map(|membership| membership.role)
    }

    /// What the matrix asks of him in this tenant. Somebody who is no member has none.
    #[must_use]
    pub fn rights(&self) -> Option<MemberRights> {
        self.membership.as_ref().map(Membership::rights)
    }

    /// Whether he may do this too.
    #[must_use]
    pub fn may(&self, action: Action) -> bool {
        is_allowed(action, self.rights(), self.principal.administers_instance())
    }

    /// The member, when he is one.
    #[must_use]
    pub fn member(&self) -> Option<MemberId> {
        self.membership.as_ref().map(|membership| membership.member)
    }
}

impl<P: Permission> Can<P> {
    /// The right to one write in this tenant.
    #[must_use]
    pub fn permit(&self) -> WritePermit {
        WritePermit::for_tenant(&self.principal.account, self.tenant.id, P::ACTION, self.rights())
    }
}

impl<P: InstancePermission> CanInstance<P> {
    /// The right to one write on the instance.
    #[must_use]
    pub fn permit(&self) -> WritePermit {
        WritePermit::for_instance(&self.principal.account, P::ACTION)
    }
}

impl AnyoneSignedIn {
    /// The right to one write about the own account.
    #[must_use]
    pub fn permit(&self) -> WritePermit {
        WritePermit::for_signed_in(&self.principal.account)
    }
}

impl Account {
    /// The right to one write about this account, also while it has to choose a password first.
    #[must_use]
    pub fn permit(&self) -> WritePermit {
        WritePermit::for_session(self)
    }
}

/// Gives whoever has a permit the short way to use it.
macro_rules! impl_write {
    ($([$($generics:tt)*] $type:ty),+ $(,)?) => {
        $(
            impl<$($generics)*> $type {
                /// Runs one transaction, in which the right is checked again first: [`WritePermit::write`].
                ///
                /// # Errors
                /// As [`WritePermit::write`].
                pub async fn write<T, F>(&self, db: &Database, job: F) -> Result<T>
                where
                    T: Send + 'static,
                    F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
                {
                    self.permit().write(db, job).await
                }
            }
        )+
    };
}

impl_write!([P: Permission] Can<P>, [P: InstancePermission] CanInstance<P>, [] AnyoneSignedIn, [] Account);

/// The account of the request, in a state in which it may use the product.
fn signed_in_account(request: &HttpRequest) -> Result<Account> {
    let account = session_account(&request.get_session())?.ok_or(Error::LogInRequired)?;
    if account.must_choose_password { Err(Error::PasswordChangeRequired) } else { Ok(account) }
}

fn request_database(request: &HttpRequest) -> Result<Database> {
    request
        .app_data::<Data<Database>>()
        .map(|db| db.get_ref().clone())
        .ok_or_else(|| Error::internal("no database was given to the server"))
}

async fn load_principal(request: HttpRequest) -> Result<Principal> {
    let account = signed_in_account(&request)?;
    let principal = request_database(&request)?.read(|c| Principal::load(c, account)).await?;
    remember_principal(&request, &principal);
    Ok(principal)
}

/// Notes who is asking, for a page that says why he gets no other.
fn remember_principal(request: &HttpRequest, principal: &Principal) {
    request.extensions_mut().insert(AnyoneSignedIn { principal: principal.clone() });
}

impl AnyoneSignedIn {
    /// Who is asking, as far as a request has found out.
    #[must_use]
    pub fn from_extensions(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }
}

async fn extract_can<P: Permission>(request: HttpRequest) -> Result<Can<P>> {
    let account = signed_in_account(&request)?;
    let slug = request.match_info().get("tenant").unwrap_or_default().to_owned();
    let (principal, tenant) = request_database(&request)?
        .read(move |c| {
            let principal = Principal::load(c, account)?;
            let tenant = match principal.membership(&slug) {
                Some(membership) => Ok(membership.tenant.clone()),
                // To everyone else a foreign tenant looks like one that does not exist.
                None if principal.administers_instance() => find_tenant_by_slug(c, &slug),
                None => Err(Error::NotFound),
            };
            Ok((principal, tenant))
        })
        .await?;
    remember_principal(&request, &principal);
    let tenant = tenant?;
    tracing::Span::current().record("tenant", tenant.id.0);
    let membership = principal.membership(&tenant.slug).cloned();
    let extracted = Can { principal, tenant, membership, permission: PhantomData };
    if extracted.may(P::ACTION) { Ok(extracted) } else { Err(Error::Forbidden) }
}

async fn extract_can_instance<P: InstancePermission>(request: HttpRequest) -> Result<CanInstance<P>> {
    let principal = load_principal(request).await?;
    if !is_allowed_on_instance(P::ACTION, principal.administers_instance()) {
        return Err(Error::Forbidden);
    }
    Ok(CanInstance { principal, permission: PhantomData })
}

impl FromRequest for AnyoneSignedIn {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let principal = load_principal(request.clone());
        Box::pin(async { Ok(Self { principal: principal.await? }) })
    }
}

impl<P: Permission> FromRequest for Can<P> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(extract_can(request.clone()))
    }
}

impl<P: InstancePermission> FromRequest for CanInstance<P> {
    type Error = Error;
    type Future = Extraction<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        Box::pin(extract_can_instance(request.clone()))
    }
}

/// An account that is signed in but may still have to choose a password: for the page where it does, and log-out.
impl FromRequest for Account {
    type Error = Error;
    type Future = std::future::Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(
            session_account(&request.get_session()).and_then(|account| account.ok_or(Error::LogInRequired)),
        )
    }
}
