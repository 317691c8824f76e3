//! The page Internal Portals: adding, editing, rotating and revoking, and what is shown once.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;

use super::{
    example::Examples,
    form::{EditPortal, SAVED_FIELDS, ShownToken},
    model::Details,
    problem::title_of,
    refusals::Refusals,
    store::{
        self, Portal, Secrets,
        refused::{self, RefusedPosts},
    },
};
use crate::{
    access::{Actor, Affected, Can, WritePermit, permissions::ManagePortals},
    alerts::follow_portal_rename,
    audit::{self, Change, Effect},
    db::{AnyConnection, PortalId, TenantId, lock_settings},
    error::{Error, Result},
    members::Tools,
    text::{as_name, join_names},
    web::{
        self, EditForm as _, FieldErrors, Form, PageContext, Times, WebConfig, own_origin, redirect_with_flash,
        reload_cookie, reloaded_secret, request_actor,
    },
};

#[derive(Template)]
#[template(path = "portals/list.html")]
struct ListPage {
    ctx: PageContext,
    portals: Vec<Portal>,
    path: String,
}

/// The portals of a tenant.
pub async fn list(tools: Data<Tools>, who: Can<ManagePortals>, ctx: PageContext) -> Result<HttpResponse> {
    let tenant = who.tenant.id;
    let portals = tools.db.read(move |c| store::list(c, tenant)).await?;
    web::render_page(StatusCode::OK, &ListPage { path: list_path(&who), ctx: ctx.with_viewer(&who), portals })
}

fn list_path(who: &Can<ManagePortals>) -> String {
    format!("/t/{}/settings/portals", who.tenant.slug)
}

#[derive(Template)]
#[template(path = "portals/new.html")]
struct AddPage {
    ctx: PageContext,
    form: EditPortal,
    errors: FieldErrors,
    path: String,
}

/// Where a portal is added.
pub async fn add_form(who: Can<ManagePortals>, ctx: PageContext) -> Result<HttpResponse> {
    add_page(StatusCode::OK, &who, ctx, EditPortal::default(), FieldErrors::default())
}

fn add_page(
    status: StatusCode,
    who: &Can<ManagePortals>,
    ctx: PageContext,
    form: EditPortal,
    errors: FieldErrors,
) -> Result<HttpResponse> {
    web::render_page(status, &AddPage { path: list_path(who), ctx: ctx.with_viewer(who), form, errors })
}

/// Adds a portal, and shows its token and signing key, once.
pub async fn add(
    tools: Data<Tools>,
    who: Can<ManagePortals>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<EditPortal>,
) -> Result<HttpResponse> {
    let refused = StatusCode::UNPROCESSABLE_ENTITY;
    let details = match form.check() {
        Ok(details) => details,
        Err(errors) => {
            let (tenant, name) = (who.tenant.id, as_name(&form.name));
            let looked_up = tools.db.read(move |c| look_up(c, tenant, &name, None)).await?;
            let errors = looked_up.joined_with::<()>(Err(errors)).err().unwrap_or_default();
            return add_page(refused, &who, ctx, form, errors);
        }
    };
    let (asked, secrets) = (Asked::new(&tools, &who, &request), Secrets::generate()?);
    let (shared, given, typed) = (asked.clone(), secrets.clone(), details.clone());
    let added = who
        .write(&tools.db, move |c| {
            let id = store::insert(c, shared.tenant, &details, &given, &shared.tools.keys, shared.tools.clock.now())?;
            shared.record(c, "portal-added", &details.name, changes(None, &details))?;
            Ok(id)
        })
        .await;
    match added {
        Ok(id) => asked.page((&request, id), StatusCode::CREATED, &who, ctx, None, Some(secrets)).await,
        // Reloading the page of a portal that was just added sends the form once more.
        Err(Error::AlreadyExists) if let Some(id) = asked.just_added(&request, &who, &typed).await? => {
            asked.page((&request, id), StatusCode::CREATED, &who, ctx, None, None).await
        }
        Err(Error::AlreadyExists) => {
            add_page(refused, &who, ctx, form, FieldErrors::single("name", "portals-name-taken"))
        }
        Err(fault) => Err(fault),
    }
}

/// The mistakes of a form that only the database knows: a name that is another portal's.
fn look_up(c: &mut AnyConnection, tenant: TenantId, name: &str, own: Option<PortalId>) -> Result<FieldErrors> {
    let known = store::by_name(c, tenant, name)?;
    let is_taken = known.is_some_and(|known| Some(known) != own);
    Ok(if is_taken { FieldErrors::single("name", "portals-name-taken") } else { FieldErrors::default() })
}

/// What every request about a tenant's portals has in common.
#[derive(Clone)]
struct Asked {
    tools: Tools,
    tenant: TenantId,
    actor: Actor,
    origin: String,
    refusals: Option<Data<Refusals>>,
}

impl Asked {
    fn new(tools: &Tools, who: &Can<ManagePortals>, request: &HttpRequest) -> Self {
        let shared = request.app_data::<Data<WebConfig>>();
        Self {
            refusals: request.app_data::<Data<Refusals>>().cloned(),
            tools: tools.clone(),
            tenant: who.tenant.id,
            actor: request_actor(request, &who.principal.account),
            origin: shared.map(|shared| own_origin(request, shared)).unwrap_or_default(),
        }
    }

    fn record(&self, c: &mut AnyConnection, action: &'static str, name: &str, changes: Vec<Change>) -> Result<()> {
        let entry = audit::Entry { tenant: Some(self.tenant), action, object: name, changes };
        audit::record(c, &self.actor, &entry, self.tools.clock.now())
    }

    /// The portal with just these details whose secrets this session's page shows.
    async fn just_added(
        &self,
        request: &HttpRequest,
        who: &Can<ManagePortals>,
        typed: &Details,
    ) -> Result<Option<PortalId>> {
        let (tenant, typed) = (self.tenant, typed.clone());
        let same = move |c: &mut AnyConnection| {
            let Some(id) = store::by_name(c, tenant, &typed.name)? else { return Ok(None) };
            Ok((store::find(c, tenant, id)?.details == typed).then_some(id))
        };
        let found: Option<PortalId> = self.tools.db.read(same).await?;
        Ok(found.filter(|id| reloaded_secret(request, &format!("{}/{id}", list_path(who))).is_some()))
    }

    /// The page of a portal whose token is not the one any more that its user looked at.
    async fn rotated_meanwhile(
        self,
        (request, id): (&HttpRequest, PortalId),
        who: &Can<ManagePortals>,
        ctx: PageContext,
    ) -> Result<HttpResponse> {
        let tenant = self.tenant;
        let portal = self.tools.db.read(move |c| store::find(c, tenant, id)).await?;
        let refused = (EditPortal::from(&portal.details), FieldErrors::for_whole_form("portals-rotated-meanwhile"));
        self.page((request, id), StatusCode::UNPROCESSABLE_ENTITY, who, ctx, Some(refused), None).await
    }

    /// The page of a portal, with what was typed if it is wrong, and with its secrets from when they were made until it is left.
    async fn page(
        self,
        (request, id): (&HttpRequest, PortalId),
        status: StatusCode,
        who: &Can<ManagePortals>,
        ctx: PageContext,
        typed: Option<(EditPortal, FieldErrors)>,
        secrets: Option<Secrets>,
    ) -> Result<HttpResponse> {
        let now = self.tools.clock.now();
        let path = list_path(who);
        let own_path = format!("{path}/{id}");
        let (secrets, cookie) = match secrets {
            Some(secrets) => {
                let cookie = reload_cookie(request, &own_path, &secrets.text())?;
                (Some(secrets), Some(cookie))
            }
            None => (reloaded_secret(request, &own_path).and_then(|text| Secrets::read(&text)), None),
        };
        let token = secrets.as_ref().map(|secrets| secrets.token.clone());
        // A line for the shell that is copied later takes the token from the environment.
        let fresh = token.clone().filter(|_| cookie.is_some());
        // What this process has not stored yet belongs to the page as well.
        if let Some(refusals) = &self.refusals
            && let Err(fault) = refusals.store().await
        {
            tracing::debug!(%fault, "refused posts not stored");
        }
        let (portal, examples, refused) = self
            .tools
            .db
            .clone()
            .read(move |c| {
                let portal = store::find(c, self.tenant, id)?;
                let key = store::signing_key(c, self.tenant, id, &self.tools.keys)?;
                let mut examples = Examples::new(&self.origin, id, &portal.details, &key, fresh.as_ref(), now)?;
                if let Some(token) = &token {
                    examples.fill_in(&self.origin, token)?;
                }
                Ok((portal, examples, refused::list(c, id)?))
            })
            .await?;
        let (form, errors) = typed.unwrap_or_else(|| (EditPortal::from(&portal.details), FieldErrors::default()));
        let is_rotating = portal.is_rotating(now);
        let ctx = ctx.with_viewer(who);
        let page = PortalPage { ctx, portal, form, errors, secrets, examples, path, is_rotating, refused };
        let mut response = web::render_page(status, &page)?;
        if let Some(cookie) = cookie {
            response.add_cookie(&cookie).map_err(Error::internal)?;
        }
        Ok(response)
    }
}

#[derive(Template)]
#[template(path = "portals/portal.html")]
struct PortalPage {
    ctx: PageContext,
    portal: Portal,
    form: EditPortal,
    errors: FieldErrors,
    /// From when they were made until the page is left.
    secrets: Option<Secrets>,
    examples: Examples,
    path: String,
    /// Whether something older is accepted yet.
    is_rotating: bool,
    refused: Vec<RefusedPosts>,
}

impl PortalPage {
    /// A problem in words; its type when it is of another version.
    fn problem(&self, word: &str) -> String {
        title_of(word, self.ctx.language)
    }

    fn time(&self, at: &chrono::NaiveDateTime) -> String {
        format!("{} {}", self.ctx.times().format(at), self.ctx.times().zone_name())
    }
}

/// What every request about one portal brings: who asks, and the portal in the path.
type AboutPortal = (Data<Tools>, Can<ManagePortals>, HttpRequest, PageContext, Path<(String, PortalId)>);

/// A portal, with everything that is needed to connect it.
pub async fn show((tools, who, request, ctx, path): AboutPortal) -> Result<HttpResponse> {
    Asked::new(&tools, &who, &request).page((&request, path.1), StatusCode::OK, &who, ctx, None, None).await
}

/// Saves an edited portal.
pub async fn edit((tools, who, request, ctx, path): AboutPortal, Form(form): Form<EditPortal>) -> Result<HttpResponse> {
    let (asked, id) = (Asked::new(&tools, &who, &request), path.1);
    let (shared, typed) = (asked.clone(), form.clone());
    let refused = match about(&who, id).write(&tools.db, move |c| shared.update(c, id, typed)).await {
        Ok(Ok(effect)) => return Ok(redirect_with_flash(&format!("{}/{id}", list_path(&who)), effect.flash_key())),
        Ok(Err(refused)) => refused,
        Err(Error::AlreadyExists) => (form, FieldErrors::single("name", "portals-name-taken")),
        Err(fault) => return Err(fault),
    };
    asked.page((&request, id), StatusCode::UNPROCESSABLE_ENTITY, &who, ctx, Some(refused), None).await
}

impl Asked {
    fn update(
        &self,
        c: &mut AnyConnection,
        id: PortalId,
        typed: EditPortal,
    ) -> Result<std::result::Result<Effect, (EditPortal, FieldErrors)>> {
        lock_settings(c, Some(self.tenant))?;
        let before = store::find(c, self.tenant, id)?.details;
        let form = match typed.reconcile(&EditPortal::from(&before), &SAVED_FIELDS)? {
            Ok(form) => form,
            Err(outdated) => return Ok(Err(outdated.into_errors())),
        };
        let looked_up = look_up(c, self.tenant, &as_name(&form.name), Some(id))?;
        let details = match looked_up.joined_with(form.check()) {
            Ok(details) => details,
            Err(errors) => return Ok(Err((form, errors))),
        };
        if let Some(errors) = self.rules_left_behind(c, &before.name, &details.name)? {
            return Ok(Err((form, errors)));
        }
        let changes = changes(Some(&before), &details);
        let entry = audit::Entry { tenant: Some(self.tenant), action: "portal-edited", object: &details.name, changes };
        let save = |c: &mut AnyConnection| store::update(c, self.tenant, id, &details);
        audit::save_changes(c, &self.actor, &entry, self.tools.clock.now(), save).map(Ok)
    }

    /// Renames the portal in the alert rules too, or names those that cannot follow.
    fn rules_left_behind(&self, c: &mut AnyConnection, before: &str, after: &str) -> Result<Option<FieldErrors>> {
        if before == after {
            return Ok(None);
        }
        let now = self.tools.clock.now();
        let stuck = follow_portal_rename(c, self.tenant, &self.actor, (before, after), now)?;
        let mut errors = FieldErrors::default();
        if !stuck.is_empty() {
            errors.add_with_variable("name", "portals-name-in-rules", "rules", join_names(stuck, ", "));
        }
        Ok((!errors.is_empty()).then_some(errors))
    }
}

/// The right to change what a portal may do.
fn about(who: &Can<ManagePortals>, portal: PortalId) -> WritePermit {
    who.permit().affecting(Affected::Portal(portal))
}

/// What an administrator decided otherwise than it was.
fn changes(before: Option<&Details>, after: &Details) -> Vec<Change> {
    let change =
        |key: &str, of: fn(&Details) -> String| Change::between(key, &before.map(of).unwrap_or_default(), &of(after));
    [
        change("portals-name", |details| details.name.clone()),
        change("portals-save-members", |details| switch(details.saves_members)),
        change("portals-fire-alerts", |details| switch(details.fires_alerts)),
        change("portals-return-origins", |details| details.return_origins.lines().replace('\n', ", ")),
        change("portals-per-minute", |details| details.per_minute.map(|most| most.to_string()).unwrap_or_default()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The word of the audit log for a checkbox.
fn switch(is_on: bool) -> String {
    if is_on { "on" } else { "off" }.to_owned()
}

/// Gives a portal another token and signing key, and shows them, once. Those before are accepted for a day yet.
pub async fn rotate(
    (tools, who, request, ctx, path): AboutPortal,
    Form(shown): Form<ShownToken>,
) -> Result<HttpResponse> {
    let (asked, secrets, id) = (Asked::new(&tools, &who, &request), Secrets::generate()?, path.1);
    let (shared, given) = (asked.clone(), secrets.clone());
    let is_rotated = about(&who, id)
        .write(&tools.db, move |c| {
            let portal = store::find(c, shared.tenant, id)?;
            if !shown.is_current(&portal.last_four) {
                return Ok(false);
            }
            store::rotate(c, shared.tenant, id, &given, &shared.tools.keys, shared.tools.clock.now())?;
            shared.record(c, "portal-rotated", &portal.details.name, Vec::new()).map(|()| true)
        })
        .await?;
    if is_rotated {
        return asked.page((&request, id), StatusCode::OK, &who, ctx, None, Some(secrets)).await;
    }
    asked.rotated_meanwhile((&request, id), &who, ctx).await
}

/// Ends what was rotated away, at once.
pub async fn end_overlap(
    (tools, who, request, ctx, path): AboutPortal,
    Form(shown): Form<ShownToken>,
) -> Result<HttpResponse> {
    let (asked, id) = (Asked::new(&tools, &who, &request), path.1);
    let shared = asked.clone();
    let is_ended = about(&who, id)
        .write(&tools.db, move |c| {
            let portal = store::find(c, shared.tenant, id)?;
            if !shown.is_current(&portal.last_four) {
                return Ok(false);
            }
            // A second click finds what it wants done already.
            if portal.revoked_at.is_none() && !portal.is_rotating(shared.tools.clock.now()) {
                return Ok(true);
            }
            store::end_overlap(c, shared.tenant, id)?;
            shared.record(c, "portal-overlap-ended", &portal.details.name, Vec::new()).map(|()| true)
        })
        .await?;
    if is_ended {
        return Ok(redirect_with_flash(&format!("{}/{id}", list_path(&who)), "flash-portal-overlap-ended"));
    }
    asked.rotated_meanwhile((&request, id), &who, ctx).await
}

/// Revokes a portal, at once and for ever.
pub async fn revoke((tools, who, request, _, path): AboutPortal) -> Result<HttpResponse> {
    let (asked, id) = (Asked::new(&tools, &who, &request), path.1);
    about(&who, id)
        .write(&tools.db, move |c| {
            let portal = store::find(c, asked.tenant, id)?;
            // A second click finds what it wants done already.
            if portal.revoked_at.is_some() {
                return Ok(());
            }
            store::revoke(c, asked.tenant, id, asked.tools.clock.now())?;
            asked.record(c, "portal-revoked", &portal.details.name, Vec::new())
        })
        .await?;
    Ok(redirect_with_flash(&list_path(&who), "flash-portal-revoked"))
}
