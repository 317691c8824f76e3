//! The pages on which instance administrators manage tenants.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use chrono_tz::{TZ_VARIANTS, Tz};
use serde::Deserialize;

use super::{Details, Slug, form, store};
use crate::{
    access::Actor,
    access::{Affected, CanInstance, permissions::ManageTenants},
    accounts::{Username, store as accounts},
    clock::Clock,
    db::{Database, PAGE_SIZE, Pager, TenantId, lock_settings},
    error::{Error, Result},
    secrets::{Passwords, PlainToken, one_time_code},
    web::{self, Edits as _, FieldErrors, Form, Frame, Query, Times, actor, redirect_saying},
};

/// The list's address.
const LIST: &str = "/instance/tenants";

/// Which page of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Page {
    page: Option<i64>,
}

#[derive(Template)]
#[template(path = "tenants/list.html")]
struct ListPage {
    frame: Frame,
    tenants: Vec<store::Listed>,
    pager: Pager,
}

/// All tenants of the instance.
pub async fn list(
    db: Data<Database>,
    who: CanInstance<ManageTenants>,
    frame: Frame,
    Query(query): Query<Page>,
) -> Result<HttpResponse> {
    let (tenants, pager) = db
        .read(move |c| {
            let pager = Pager::new(query.page.unwrap_or(1), store::count(c)?);
            Ok((store::list(c, PAGE_SIZE, pager.offset())?, pager))
        })
        .await?;
    web::page(StatusCode::OK, &ListPage { frame: frame.seen_by(&who), tenants, pager })
}

#[derive(Template)]
#[template(path = "tenants/new.html")]
struct AddPage {
    frame: Frame,
    form: form::AddTenant,
    errors: FieldErrors,
    zones: &'static [Tz],
}

/// Where a tenant is added.
pub async fn add_form(db: Data<Database>, who: CanInstance<ManageTenants>, frame: Frame) -> Result<HttpResponse> {
    let language = frame.language;
    let (proposed, tenants) = db.read(move |c| Ok((store::proposed_locale(c, language)?, store::count(c)?))).await?;
    // Who sets up the instance most likely adds the first tenant for himself.
    let super_admin = if tenants <= 1 { who.principal.account.username.clone() } else { String::new() };
    let form =
        form::AddTenant { details: form::EditTenant::proposing(proposed), super_admin, ..form::AddTenant::default() };
    add_page(StatusCode::OK, frame.seen_by(&who), form, FieldErrors::default())
}

fn add_page(status: StatusCode, frame: Frame, form: form::AddTenant, errors: FieldErrors) -> Result<HttpResponse> {
    web::page(status, &AddPage { frame, form, errors, zones: &TZ_VARIANTS })
}

#[derive(Template)]
#[template(path = "tenants/added.html")]
struct AddedPage {
    frame: Frame,
    name: String,
    username: String,
    code: PlainToken,
}

/// Adds a tenant. A super administrator without an account gets one, and the answer shows its one-time code, once.
pub async fn add(
    db: Data<Database>,
    clock: Data<Clock>,
    passwords: Data<Passwords>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    frame: Frame,
    Form(form): Form<form::AddTenant>,
) -> Result<HttpResponse> {
    let (refused, frame) = (StatusCode::UNPROCESSABLE_ENTITY, frame.seen_by(&who));
    let language = frame.language;
    let proposed = db.read(move |c| store::proposed_locale(c, language)).await?;
    let (slug, details, username) = match form.check(proposed) {
        Ok(checked) => checked,
        Err(errors) => return add_page(refused, frame, form, errors),
    };
    let (wanted, owner) = (slug.clone(), username.clone());
    let (taken, known) =
        db.read(move |c| Ok((store::slug_is_taken(c, wanted.as_str())?, accounts::by_username(c, &owner)?))).await?;
    let mut errors = FieldErrors::default();
    if taken {
        errors.add("slug", "tenants-slug-taken");
    }
    if known.as_ref().is_some_and(accounts::Credentials::holds_a_tenants_code) {
        errors.add("super_admin", "members-account-unused");
    }
    if !errors.is_empty() {
        return add_page(refused, frame, form, errors);
    }
    let code = if known.is_some() { None } else { Some(one_time_code()?) };
    let code_hash = match &code {
        Some(code) => Some(hash(&passwords, code, &who, &request).await?),
        None => None,
    };
    let addition = Addition { slug, details, username, code_hash };
    let (name, username) = (addition.details.name.clone(), addition.username.as_str().to_owned());
    let owner = addition.username.key();
    // Who adds a tenant for himself goes on in it.
    let is_own = username.eq_ignore_ascii_case(&who.principal.account.username);
    let to = if is_own { format!("/t/{}", addition.slug.as_str()) } else { LIST.to_owned() };
    let (actor, now) = (actor(&request, &who.principal.account), clock.now());
    who.permit().affecting(Affected::Username(owner)).write(&db, move |c| addition.write(c, &actor, now)).await?;
    match code {
        Some(code) => web::page(StatusCode::CREATED, &AddedPage { frame, name, username, code }),
        None => Ok(redirect_saying(&to, "flash-tenant-added")),
    }
}

/// The hash of a one-time code, which takes as long as any password's.
async fn hash(
    passwords: &Passwords,
    code: &PlainToken,
    who: &CanInstance<ManageTenants>,
    request: &HttpRequest,
) -> Result<String> {
    let (account, network) = (who.principal.account.id.to_string(), accounts::network(&web::address(request)));
    let _place = passwords.place(&account, &network).await?;
    passwords.hash(code.expose()).await
}

/// A tenant to be written, with the account of its super administrator where there was none.
struct Addition {
    slug: Slug,
    details: Details,
    username: Username,
    /// The hash of the one-time code of an account to be made.
    code_hash: Option<String>,
}

impl Addition {
    /// Writes it. An account that came or went since it was looked for is [`Error::Taken`]: no code may be shown that
    /// opens nothing.
    fn write(self, c: &mut crate::db::AnyConnection, who: &Actor, now: chrono::NaiveDateTime) -> Result<TenantId> {
        let (account, username) = match &self.code_hash {
            Some(hash) => (accounts::insert(c, &self.username, hash, true, now)?, self.username.clone()),
            None => {
                let found = accounts::lock_by_username(c, &self.username)?.ok_or(Error::Taken)?;
                if found.holds_a_tenants_code() {
                    return Err(Error::Taken);
                }
                // As the account writes it, not as it was typed here.
                (found.id, found.username()?)
            }
        };
        let tenant = store::NewTenant {
            name: &self.details.name,
            slug: self.slug.as_str(),
            description: &self.details.description,
            metadata_warehouse: false,
            locale: self.details.locale,
        };
        store::insert(c, &tenant, account, &username, who, now)
    }
}

#[derive(Template)]
#[template(path = "tenants/edit.html")]
struct EditPage {
    frame: Frame,
    tenant: store::Found,
    form: form::EditTenant,
    errors: FieldErrors,
    zones: &'static [Tz],
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
    frame: Frame,
    tenant: Path<TenantId>,
) -> Result<HttpResponse> {
    let tenant = present(&db, *tenant).await?;
    let (form, errors) = (tenant.details.clone().into(), FieldErrors::default());
    web::page(StatusCode::OK, &EditPage { frame: frame.seen_by(&who), tenant, form, errors, zones: &TZ_VARIANTS })
}

/// Saves an edited tenant.
pub async fn edit(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    frame: Frame,
    tenant: Path<TenantId>,
    Form(form): Form<form::EditTenant>,
) -> Result<HttpResponse> {
    let (id, typed) = (*tenant, form.clone());
    let (actor, now) = (actor(&request, &who.principal.account), clock.now());
    let saved = who
        .write(&db, move |c| {
            lock_settings(c, Some(id))?;
            let before = store::find(c, id)?;
            if before.deleted {
                return Err(Error::NotFound);
            }
            let form = match typed.reconciled(&before.details.clone().into(), &form::SAVED_FIELDS)? {
                Ok(form) => form,
                Err(outdated) => return Ok(Err(outdated.refused())),
            };
            match form.check(before.details.locale) {
                Ok(details) => store::update(c, id, &details, &actor, now).map(Ok),
                Err(errors) => Ok(Err((form, errors))),
            }
        })
        .await?;
    if let Err((form, errors)) = saved {
        let tenant = present(&db, id).await?;
        let page = EditPage { frame: frame.seen_by(&who), tenant, form, errors, zones: &TZ_VARIANTS };
        return web::page(StatusCode::UNPROCESSABLE_ENTITY, &page);
    }
    Ok(redirect_saying(LIST, "flash-saved"))
}

/// Gives a super administrator who has not used the one-time code in time a new one, and shows it, once.
pub async fn renew_code(
    db: Data<Database>,
    clock: Data<Clock>,
    passwords: Data<Passwords>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    frame: Frame,
    tenant: Path<TenantId>,
) -> Result<HttpResponse> {
    let code = one_time_code()?;
    let hash = hash(&passwords, &code, &who, &request).await?;
    let (actor, now) = (actor(&request, &who.principal.account), clock.now());
    let permit = who.permit().affecting(Affected::SuperAdministrator(*tenant));
    let found = permit.write(&db, move |c| store::renew_code(c, *tenant, &hash, &actor, now)).await?;
    let page = AddedPage { frame: frame.seen_by(&who), name: found.details.name, username: found.super_admin, code };
    web::page(StatusCode::OK, &page)
}

#[derive(Template)]
#[template(path = "tenants/delete.html")]
struct DeletePage {
    frame: Frame,
    tenant: store::Found,
}

/// Asks whether a tenant is really to be deleted.
pub async fn delete_form(
    db: Data<Database>,
    who: CanInstance<ManageTenants>,
    frame: Frame,
    tenant: Path<TenantId>,
) -> Result<HttpResponse> {
    let tenant = present(&db, *tenant).await?;
    if tenant.metadata_warehouse {
        return Err(Error::Forbidden);
    }
    web::page(StatusCode::OK, &DeletePage { frame: frame.seen_by(&who), tenant })
}

/// Deletes a tenant.
pub async fn delete(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    tenant: Path<TenantId>,
) -> Result<HttpResponse> {
    let (actor, now) = (actor(&request, &who.principal.account), clock.now());
    let permit = who.permit().affecting(Affected::PortalsOf(*tenant));
    permit.write(&db, move |c| store::delete(c, *tenant, &actor, now)).await?;
    Ok(redirect_saying(LIST, "flash-tenant-deleted"))
}

/// Brings a deleted tenant back.
pub async fn restore(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<ManageTenants>,
    request: HttpRequest,
    tenant: Path<TenantId>,
) -> Result<HttpResponse> {
    let (actor, now) = (actor(&request, &who.principal.account), clock.now());
    who.write(&db, move |c| store::restore(c, *tenant, &actor, now)).await?;
    Ok(redirect_saying(LIST, "flash-tenant-restored"))
}
