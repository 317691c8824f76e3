//! The pages on which instance administrators manage tenants.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use chrono::NaiveDateTime;
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::Deserialize;

use super::{Details, Slug, form, store};
use crate::{
    access::{Actor, Affected, CanInstance, Principal, permissions::ManageTenants},
    accounts::{AccountOrigin, RenewCode, Username, store as accounts},
    clock::Clock,
    db::{AccountId, AnyConnection, Database, PAGE_SIZE, Pager, TenantId, lock_settings},
    error::{Error, Result},
    secrets::{Passwords, PlainToken, one_time_code},
    text::whole_number,
    web::{
        self, EditForm as _, FieldErrors, Form, FormVersion, ListParameters, PageContext, Parameters, Times, Unread,
        is_page, redirect_with_flash, request_actor, unread,
    },
};

/// The list's address.
const LIST: &str = "/instance/tenants";

/// Which page of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    page: String,
}

impl ListParameters for Asked {
    const NAMES: &'static [&'static str] = &["page"];

    fn unknown_parameters(&self) -> Unread {
        unread(&[("page", &self.page, is_page(&self.page))])
    }
}

#[derive(Template)]
#[template(path = "tenants/list.html")]
struct ListPage {
    ctx: PageContext,
    tenants: Vec<store::Listed>,
    pager: Pager,
}

/// All tenants of the instance.
pub async fn list(
    db: Data<Database>,
    who: CanInstance<ManageTenants>,
    ctx: PageContext,
    Parameters(asked, unread): Parameters<Asked>,
) -> Result<HttpResponse> {
    let (tenants, pager) = db
        .read(move |c| {
            let pager = Pager::new(whole_number(&asked.page).unwrap_or(1), store::count(c)?);
            Ok((store::list(c, PAGE_SIZE, pager.offset())?, pager))
        })
        .await?;
    web::render_page(
        StatusCode::OK,
        &ListPage { ctx: ctx.with_viewer(&who).with_unknown_parameters(unread), tenants, pager },
    )
}

#[derive(Template)]
#[template(path = "tenants/new.html")]
struct AddPage {
    ctx: PageContext,
    form: form::AddTenant,
    errors: FieldErrors,
    zones: &'static [Tz],
    existing: Option<Existing>,
}

/// An account that a page asks about before it becomes a super administrator: what the checkbox sends, and who made it.
struct Existing {
    confirmation: String,
    made: String,
}

impl Existing {
    fn of(origin: &AccountOrigin, ctx: &PageContext, here: Option<TenantId>) -> Self {
        let day = ctx.times().format_day(&origin.created_at);
        Self { confirmation: origin.confirmation_value(), made: origin.describe(ctx.language, here, true, &day) }
    }
}

/// Where a tenant is added.
pub async fn add_form(db: Data<Database>, who: CanInstance<ManageTenants>, ctx: PageContext) -> Result<HttpResponse> {
    let language = ctx.language;
    let (proposed, tenants) = db.read(move |c| Ok((store::proposed_locale(c, language)?, store::count(c)?))).await?;
    // Who sets up the instance most likely adds the first tenant for himself.
    let super_admin = if tenants <= 1 { who.principal.account.username.clone() } else { String::new() };
    let form =
        form::AddTenant { details: form::EditTenant::proposing(proposed), super_admin, ..form::AddTenant::default() };
    add_page(StatusCode::OK, ctx.with_viewer(&who), form, FieldErrors::default(), None)
}

fn add_page(
    status: StatusCode,
    ctx: PageContext,
    form: form::AddTenant,
    errors: FieldErrors,
    existing: Option<Existing>,
) -> Result<HttpResponse> {
    web::render_page(status, &AddPage { ctx, form, errors, zones: &TZ_VARIANTS, existing })
}

#[derive(Template)]
#[template(path = "tenants/added.html")]
struct AddedPage {
    ctx: PageContext,
    name: String,
    username: String,
    code: PlainToken,
}

/// Adds a tenant. A super administrator without an account gets one, and the answer shows its one-time code, once. An
/// account that there is already is shown with its maker, must be confirmed, and is invited.
pub async fn add(
    db: Data<Database>,
    clock: Data<Clock>,
    passwords: Data<Passwords>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<form::AddTenant>,
) -> Result<HttpResponse> {
    let (refused, ctx) = (StatusCode::UNPROCESSABLE_ENTITY, ctx.with_viewer(&who));
    let language = ctx.language;
    let proposed = db.read(move |c| store::proposed_locale(c, language)).await?;
    let (typed, by) = (form.clone(), who.principal.account.id);
    let (looked_up, origin) = db.read(move |c| look_up(c, &typed, by)).await?;
    let (slug, details, username) = match looked_up.joined_with(form.check(proposed)) {
        Ok(checked) => checked,
        Err(errors) => {
            let existing = origin.map(|origin| Existing::of(&origin, &ctx, None));
            return add_page(refused, ctx, form, errors, existing);
        }
    };
    let (code, code_hash) = new_code(&passwords, &who, &request).await?;
    let addition = Addition { slug, details, code_hash, confirmed: form.confirmed.clone(), username };
    let (name, username) = (addition.details.name.clone(), addition.username.as_str().to_owned());
    let owner = addition.username.key();
    // Who adds a tenant for himself goes on in it.
    let to = format!("/t/{}", addition.slug.as_str());
    let (actor, now) = (request_actor(&request, &who.principal.account), clock.now());
    let permit = who.permit().affecting(Affected::Username(owner));
    match permit.write(&db, move |c| addition.write(c, &actor, now)).await? {
        Chosen::New(()) => web::render_page(StatusCode::CREATED, &AddedPage { ctx, name, username, code }),
        Chosen::Oneself(()) => Ok(redirect_with_flash(&to, "flash-tenant-added")),
        Chosen::Invited(()) => Ok(redirect_with_flash(LIST, "flash-tenant-added-invited")),
        Chosen::Refused(key) => add_page(refused, ctx, form, FieldErrors::single("super_admin", key), None),
        Chosen::Asks(origin) => {
            let existing = Existing::of(&origin, &ctx, None);
            let errors = FieldErrors::single("confirmed", "accounts-confirm-first");
            add_page(refused, ctx, form, errors, Some(existing))
        }
    }
}

/// The mistakes of a form that only the database knows, and the account that becomes a super administrator once it is confirmed.
fn look_up(
    c: &mut AnyConnection,
    form: &form::AddTenant,
    by: AccountId,
) -> Result<(FieldErrors, Option<AccountOrigin>)> {
    let mut errors = FieldErrors::default();
    if let Ok(slug) = Slug::parse(&form.slug)
        && store::slug_is_taken(c, slug.as_str())?
    {
        errors.add("slug", "tenants-slug-taken");
    }
    let known = match Username::parse(&form.super_admin) {
        Ok(username) => accounts::find_by_username(c, &username)?,
        Err(_) => None,
    };
    let Some(known) = known.filter(|known| known.id != by) else { return Ok((errors, None)) };
    if known.has_pending_tenant_code() {
        errors.add("super_admin", "members-account-unused");
        return Ok((errors, None));
    }
    let origin = accounts::load_origin(c, known.id)?;
    if form.confirmed != origin.confirmation_value() {
        errors.add("confirmed", "accounts-confirm-first");
    }
    Ok((errors, Some(origin)))
}

/// A one-time code and its hash, which takes as long as any password's.
async fn new_code(
    passwords: &Passwords,
    who: &CanInstance<ManageTenants>,
    request: &HttpRequest,
) -> Result<(PlainToken, String)> {
    let (account, network) =
        (who.principal.account.id.to_string(), accounts::nearest_network(&web::client_address(request)));
    let _place = passwords.acquire_request_permit(&account, &network).await?;
    let code = one_time_code()?;
    let hash = passwords.hash(code.expose()).await?;
    Ok((code, hash))
}

/// The account that is to be a super administrator.
enum Chosen<T> {
    /// It was made, and its one-time code is to be shown.
    New(T),
    /// Whoever chooses it chooses himself.
    Oneself(T),
    /// There is one already, which is invited.
    Invited(T),
    /// There is one already, and nobody has confirmed that it is the right one.
    Asks(AccountOrigin),
    /// It cannot be one, and why.
    Refused(&'static str),
}

impl<T> Chosen<T> {
    fn map<U>(self, f: impl FnOnce(T, bool) -> Result<U>) -> Result<Chosen<U>> {
        Ok(match self {
            Self::New(chosen) => Chosen::New(f(chosen, true)?),
            Self::Oneself(chosen) => Chosen::Oneself(f(chosen, true)?),
            Self::Invited(chosen) => Chosen::Invited(f(chosen, false)?),
            Self::Asks(origin) => Chosen::Asks(origin),
            Self::Refused(key) => Chosen::Refused(key),
        })
    }
}

/// The account of this name with the name as it writes it, locked; it is made when there is none.
fn choose(
    c: &mut AnyConnection,
    username: &Username,
    code_hash: &str,
    confirmed: &str,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<Chosen<(AccountId, Username)>> {
    let Some(known) = accounts::find_and_lock_by_username(c, username)? else {
        let account = accounts::insert_account(c, username, code_hash, true, now)?;
        return Ok(Chosen::New((account, username.clone())));
    };
    if known.has_pending_tenant_code() {
        return Ok(Chosen::Refused("members-account-unused"));
    }
    let found = (known.id, known.username()?);
    if who.account == Some(known.id) {
        return Ok(Chosen::Oneself(found));
    }
    let origin = accounts::load_origin(c, known.id)?;
    Ok(if confirmed == origin.confirmation_value() { Chosen::Invited(found) } else { Chosen::Asks(origin) })
}

/// A tenant to be written, with the account of its super administrator where there was none.
struct Addition {
    slug: Slug,
    details: Details,
    username: Username,
    /// The account that was confirmed to be the right one.
    confirmed: String,
    /// The hash of the one-time code of an account to be made.
    code_hash: String,
}

impl Addition {
    fn write(self, c: &mut AnyConnection, who: &Actor, now: NaiveDateTime) -> Result<Chosen<()>> {
        let tenant = store::NewTenant {
            name: &self.details.name,
            slug: self.slug.as_str(),
            description: &self.details.description,
            metadata_warehouse: false,
            locale: self.details.locale,
        };
        let chosen = choose(c, &self.username, &self.code_hash, &self.confirmed, who, now)?;
        chosen.map(|(account, username), joins_directly| {
            let insert = if joins_directly { store::insert } else { store::insert_inviting };
            insert(c, &tenant, account, &username, who, now).map(|_| ())
        })
    }
}

#[derive(Template)]
#[template(path = "tenants/edit.html")]
struct EditPage {
    ctx: PageContext,
    tenant: store::Found,
    form: form::EditTenant,
    errors: FieldErrors,
    zones: &'static [Tz],
    /// The form that names another super administrator, where that may be done.
    naming: Naming,
}

impl EditPage {
    fn may_renew_code(&self) -> bool {
        self.ctx.viewer.as_ref().is_some_and(|viewer| self.tenant.may_renew_code(&viewer.principal))
    }

    fn code_version(&self) -> FormVersion {
        RenewCode::version(self.tenant.super_admin_code_until)
    }
}

/// The form that names another super administrator.
#[derive(Default)]
struct Naming {
    form: form::NameSuperAdmin,
    errors: FieldErrors,
    existing: Option<Existing>,
}

/// A tenant that is there for its members.
async fn present(db: &Database, tenant: TenantId) -> Result<store::Found> {
    let found = db.read(move |c| store::find(c, tenant)).await?;
    if found.deleted { Err(Error::NotFound) } else { Ok(found) }
}

/// Where a tenant is edited.
pub async fn edit_form(
    db: Data<Database>,
    who: CanInstance<ManageTenants>,
    ctx: PageContext,
    tenant: Path<TenantId>,
) -> Result<HttpResponse> {
    let tenant = present(&db, *tenant).await?;
    let (form, errors) = (tenant.details.clone().into(), FieldErrors::default());
    let (ctx, naming) = (ctx.with_viewer(&who), Naming::default());
    web::render_page(StatusCode::OK, &EditPage { ctx, tenant, form, errors, zones: &TZ_VARIANTS, naming })
}

/// Saves an edited tenant.
pub async fn edit(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    ctx: PageContext,
    tenant: Path<TenantId>,
    Form(form): Form<form::EditTenant>,
) -> Result<HttpResponse> {
    let (id, typed) = (*tenant, form.clone());
    let (actor, now) = (request_actor(&request, &who.principal.account), clock.now());
    let saved = who
        .permit()
        .affecting(Affected::InTenant(id))
        .write(&db, move |c| {
            lock_settings(c, Some(id))?;
            let before = store::find(c, id)?;
            if before.deleted {
                return Err(Error::NotFound);
            }
            let form = match typed.reconcile(&before.details.clone().into(), &form::SAVED_FIELDS)? {
                Ok(form) => form,
                Err(outdated) => return Ok(Err(outdated.into_errors())),
            };
            match form.check(before.details.locale) {
                Ok(details) => store::update(c, id, &details, &actor, now).map(Ok),
                Err(errors) => Ok(Err((form, errors))),
            }
        })
        .await?;
    match saved {
        Ok(effect) => Ok(redirect_with_flash(LIST, effect.flash_key())),
        Err((form, errors)) => {
            let tenant = present(&db, id).await?;
            let (ctx, naming) = (ctx.with_viewer(&who), Naming::default());
            let page = EditPage { ctx, tenant, form, errors, zones: &TZ_VARIANTS, naming };
            web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}

/// What a page works with that gives out a one-time code.
type Tools = (Data<Database>, Data<Clock>, Data<Passwords>);

/// Names another super administrator of a tenant in which no administrator has rights.
pub async fn name_super_admin(
    (db, clock, passwords): Tools,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    ctx: PageContext,
    tenant: Path<TenantId>,
    Form(form): Form<form::NameSuperAdmin>,
) -> Result<HttpResponse> {
    let (id, ctx) = (*tenant, ctx.with_viewer(&who));
    let tenant = present(&db, id).await?;
    if tenant.metadata_warehouse || !tenant.is_without_administrator {
        return Err(Error::Forbidden);
    }
    let name = tenant.details.name.clone();
    let (errors, existing) = match form.check() {
        Ok(username) => {
            let (code, code_hash) = new_code(&passwords, &who, &request).await?;
            let (actor, now) = (request_actor(&request, &who.principal.account), clock.now());
            let (wanted, confirmed) = (username.clone(), form.confirmed.clone());
            let permit = who
                .permit()
                .affecting(Affected::InTenant(id))
                .affecting(Affected::Username(username.key()))
                .affecting(Affected::SuperAdministrator(id));
            let named = permit.write(&db, move |c| {
                let chosen = choose(c, &wanted, &code_hash, &confirmed, &actor, now)?;
                chosen.map(|(account, username), joins_directly| {
                    let named = store::Named { account, username: &username, joins_directly };
                    store::name_super_admin(c, id, named, &actor, now)
                })
            });
            match named.await? {
                Chosen::New(_) => {
                    let page = AddedPage { ctx, name, username: username.as_str().to_owned(), code };
                    return web::render_page(StatusCode::OK, &page);
                }
                Chosen::Oneself(effect) | Chosen::Invited(effect) => {
                    return Ok(redirect_with_flash(LIST, effect.flash_key_or("flash-super-administrator-named")));
                }
                Chosen::Refused(key) => (FieldErrors::single("super_admin", key), None),
                Chosen::Asks(origin) => {
                    let existing = Existing::of(&origin, &ctx, Some(id));
                    (FieldErrors::single("confirmed", "accounts-confirm-first"), Some(existing))
                }
            }
        }
        Err(errors) => (errors, None),
    };
    let naming = Naming { form, errors, existing };
    let (form, errors) = (tenant.details.clone().into(), FieldErrors::default());
    let page = EditPage { ctx, tenant, form, errors, zones: &TZ_VARIANTS, naming };
    web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// Gives a super administrator whose account the instance made a new one-time code, and shows it, once.
pub async fn renew_code(
    (db, clock): (Data<Database>, Data<Clock>),
    passwords: Data<Passwords>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    ctx: PageContext,
    tenant: Path<TenantId>,
    Form(form): Form<RenewCode>,
) -> Result<HttpResponse> {
    let (code, hash) = new_code(&passwords, &who, &request).await?;
    let (actor, now) = (request_actor(&request, &who.principal.account), clock.now());
    let tenant = *tenant;
    let permit = who.permit().affecting(Affected::InTenant(tenant)).affecting(Affected::SuperAdministrator(tenant));
    let ctx = ctx.with_viewer(&who);
    let account = who.principal.account.clone();
    let renew = move |c: &mut AnyConnection| {
        // His rank as it is now, not as it was when the request came.
        let by = Principal::load(c, account)?;
        store::renew_code(c, tenant, (&hash, |until| form.is_current(until)), (&by, &actor), now)
    };
    match permit.write(&db, renew).await? {
        Some(found) => {
            let page = AddedPage { ctx, name: found.details.name, username: found.super_admin, code };
            web::render_page(StatusCode::OK, &page)
        }
        None => {
            let tenant = present(&db, tenant).await?;
            let (form, errors) = (tenant.details.clone().into(), RenewCode::refused());
            let naming = Naming::default();
            let page = EditPage { ctx, tenant, form, errors, zones: &TZ_VARIANTS, naming };
            web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}

#[derive(Template)]
#[template(path = "tenants/delete.html")]
struct DeletePage {
    ctx: PageContext,
    tenant: store::Found,
}

/// Asks whether a tenant is really to be deleted.
pub async fn delete_form(
    db: Data<Database>,
    who: CanInstance<ManageTenants>,
    ctx: PageContext,
    tenant: Path<TenantId>,
) -> Result<HttpResponse> {
    let tenant = present(&db, *tenant).await?;
    if tenant.metadata_warehouse {
        return Err(Error::Forbidden);
    }
    web::render_page(StatusCode::OK, &DeletePage { ctx: ctx.with_viewer(&who), tenant })
}

/// Deletes a tenant.
pub async fn delete(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    tenant: Path<TenantId>,
) -> Result<HttpResponse> {
    let (actor, now) = (request_actor(&request, &who.principal.account), clock.now());
    let permit = who.permit().affecting(Affected::Tenant(*tenant));
    permit.write(&db, move |c| store::delete(c, *tenant, &actor, now)).await?;
    Ok(redirect_with_flash(LIST, "flash-tenant-deleted"))
}

/// Brings a deleted tenant back.
pub async fn restore(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    tenant: Path<TenantId>,
) -> Result<HttpResponse> {
    let (actor, now) = (request_actor(&request, &who.principal.account), clock.now());
    let permit = who.permit().affecting(Affected::Tenant(*tenant));
    permit.write(&db, move |c| store::restore(c, *tenant, &actor, now)).await?;
    Ok(redirect_with_flash(LIST, "flash-tenant-restored"))
}
