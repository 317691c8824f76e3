//! The pages of user groups.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;

use super::{
    form::{Asked, EditGroup},
    store::{self, Group, Listed},
};
use crate::{
    access::{
        Can, Role,
        permissions::{ManageGroups, ViewGroups},
    },
    clock::Clock,
    db::{AccountId, AnyConnection, Database, GroupId, Pager, TenantId},
    error::{Error, Result},
    people::{joined, typed_names},
    text::as_name,
    web::{self, EditForm as _, FieldErrors, Form, PageContext, Parameters, redirect_with_flash, request_actor},
};

/// How many alert rules are named when they stand in the way of deleting a group.
const RULES_NAMED: usize = 20;

/// What somebody may do to a group, from little to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Right {
    /// See who is in it.
    View,
    /// Change its members, and switch it on and off: its own administrators.
    Members,
    /// Everything: administrators of the tenant.
    All,
}

/// Who asks, in which tenant.
#[derive(Clone, Copy, Debug)]
struct Asker {
    tenant: TenantId,
    account: AccountId,
    role: Role,
}

impl Asker {
    fn of<P>(who: &Can<P>) -> Result<Self> {
        let role = who.role().ok_or(Error::NotFound)?;
        Ok(Self { tenant: who.tenant.id, account: who.principal.account.id, role })
    }

    fn right(self, c: &mut AnyConnection, group: GroupId) -> Result<Right> {
        if self.role.administers() {
            return Ok(Right::All);
        }
        let own = store::administers(c, self.tenant, group, self.account)?;
        Ok(if own { Right::Members } else { Right::View })
    }

    /// The group, locked, for somebody who may change it this far.
    fn lock(self, c: &mut AnyConnection, group: GroupId, needed: Right) -> Result<Group> {
        let found = store::lock(c, self.tenant, group)?;
        if self.right(c, group)? < needed { Err(Error::Forbidden) } else { Ok(found) }
    }
}

fn list_path<P>(who: &Can<P>) -> String {
    format!("/t/{}/groups", who.tenant.slug)
}

#[derive(Template)]
#[template(path = "groups/list.html")]
struct ListPage {
    ctx: PageContext,
    path: String,
    asked: Asked,
    may_add: bool,
    rows: Vec<Listed>,
    pager: Pager,
}

/// The groups of the tenant.
pub async fn list(
    db: Data<Database>,
    who: Can<ViewGroups>,
    ctx: PageContext,
    Parameters(asked, unread): Parameters<Asked>,
) -> Result<HttpResponse> {
    let asker = Asker::of(&who)?;
    let (filter, page) = (asked.filter(), asked.page());
    let (rows, pager) = db.read(move |c| store::list(c, asker.tenant, &filter, page)).await?;
    let (path, may_add) = (list_path(&who), asker.role.administers());
    let ctx = ctx.with_viewer(&who).with_unknown_parameters(unread);
    web::render_page(StatusCode::OK, &ListPage { ctx, path, asked, may_add, rows, pager })
}

#[derive(Template)]
#[template(path = "groups/edit.html")]
struct EditPage {
    ctx: PageContext,
    /// Where the form goes.
    action: String,
    /// Where Cancel leads.
    back: String,
    /// Nothing for a group that is to be added.
    group: Option<Group>,
    /// Whether everything of the group can be changed, or its members alone.
    whole: bool,
    form: EditGroup,
    errors: FieldErrors,
}

fn add_page(who: &Can<ManageGroups>, ctx: PageContext, form: EditGroup, errors: FieldErrors) -> Result<HttpResponse> {
    let back = list_path(who);
    let status = status(&errors);
    let (ctx, action) = (ctx.with_viewer(who), format!("{back}/new"));
    web::render_page(status, &EditPage { ctx, action, back, group: None, whole: true, form, errors })
}

fn status(errors: &FieldErrors) -> StatusCode {
    if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
}

/// Where a group is added.
pub async fn add_form(who: Can<ManageGroups>, ctx: PageContext) -> Result<HttpResponse> {
    add_page(&who, ctx, EditGroup::default(), FieldErrors::default())
}

/// Adds a group.
pub async fn add(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<ManageGroups>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<EditGroup>,
) -> Result<HttpResponse> {
    let (tenant, actor, now) = (who.tenant.id, request_actor(&request, &who.principal.account), clock.now());
    let typed = form.clone();
    let store = move |c: &mut AnyConnection| {
        let looked_up = look_up(c, tenant, None, true, &typed)?;
        match looked_up.joined_with(typed.check()) {
            Ok((details, members)) => {
                let stored = store::insert(c, tenant, &details, &members, &actor, now)?;
                Ok(stored.map_err(FieldErrors::from))
            }
            Err(errors) => Ok(Err(errors)),
        }
    };
    let stored = match who.write(&db, store).await {
        Err(Error::AlreadyExists) => Err(FieldErrors::single("name", "groups-name-taken")),
        stored => stored?,
    };
    match stored {
        Ok(id) => Ok(redirect_with_flash(&format!("{}/{id}", list_path(&who)), "flash-saved")),
        Err(errors) => add_page(&who, ctx, form, errors),
    }
}

/// The mistakes of a form that only the database knows. Whoever may change the members alone answers for them alone.
fn look_up(
    c: &mut AnyConnection,
    tenant: TenantId,
    before: Option<&Group>,
    whole: bool,
    form: &EditGroup,
) -> Result<FieldErrors> {
    let mut errors = FieldErrors::default();
    if whole && store::name_is_taken(c, tenant, &as_name(&form.name), before.map(|group| group.id))? {
        errors.add("name", "groups-name-taken");
    }
    let admins = whole.then(|| typed_names(&form.admins));
    let unknown = store::unknown_names(c, tenant, before, admins.as_deref(), &form.members())?;
    errors.0.extend(FieldErrors::from(unknown).0);
    Ok(errors)
}

/// What every request about one group brings: who asks, and the group in the path.
type AboutGroup<P = ViewGroups> =
    (Data<Database>, Data<Clock>, Can<P>, HttpRequest, PageContext, Path<(String, GroupId)>);

#[derive(Template)]
#[template(path = "groups/show.html")]
struct ShowPage {
    ctx: PageContext,
    list: String,
    path: String,
    group: Group,
    right: Right,
    /// Whether it is shown who has no contact information.
    sees_contacts: bool,
    /// The alert rules in the way of deleting it; nothing when that was not asked for.
    rules: Option<String>,
}

/// A group and everybody in it.
pub async fn show(about: AboutGroup) -> Result<HttpResponse> {
    show_page(about, None).await
}

async fn show_page<P>((db, _, who, _, ctx, path): AboutGroup<P>, rules: Option<String>) -> Result<HttpResponse> {
    let (asker, id) = (Asker::of(&who)?, path.1);
    let (group, right) = db.read(move |c| Ok((store::find(c, asker.tenant, id)?, asker.right(c, id)?))).await?;
    let list = list_path(&who);
    let (path, sees_contacts) = (format!("{list}/{id}"), asker.role.administers());
    let status = if rules.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
    web::render_page(status, &ShowPage { ctx: ctx.with_viewer(&who), list, path, group, right, sees_contacts, rules })
}

/// The group, and how far whoever asks may change it; 403 when not at all.
async fn editable(db: &Database, asker: Asker, id: GroupId) -> Result<(Group, bool)> {
    let (group, right) = db.read(move |c| Ok((store::find(c, asker.tenant, id)?, asker.right(c, id)?))).await?;
    if right < Right::Members { Err(Error::Forbidden) } else { Ok((group, right == Right::All)) }
}

fn edit_page(
    who: &Can<ViewGroups>,
    ctx: PageContext,
    (group, whole): (Group, bool),
    form: EditGroup,
    errors: FieldErrors,
) -> Result<HttpResponse> {
    let back = format!("{}/{}", list_path(who), group.id);
    let status = status(&errors);
    let (ctx, action) = (ctx.with_viewer(who), format!("{back}/edit"));
    web::render_page(status, &EditPage { ctx, action, back, group: Some(group), whole, form, errors })
}

/// Where a group is edited.
pub async fn edit_form((db, _, who, _, ctx, path): AboutGroup) -> Result<HttpResponse> {
    let (group, whole) = editable(&db, Asker::of(&who)?, path.1).await?;
    let form = EditGroup::from(&group);
    edit_page(&who, ctx, (group, whole), form, FieldErrors::default())
}

/// Saves an edited group.
pub async fn edit(
    (db, clock, who, request, ctx, path): AboutGroup,
    Form(form): Form<EditGroup>,
) -> Result<HttpResponse> {
    let (asker, id) = (Asker::of(&who)?, path.1);
    let (group, whole) = editable(&db, asker, id).await?;
    let (needed, fields) = match whole {
        true => (Right::All, ["name", "description", "members", "admins"].as_slice()),
        false => (Right::Members, ["members"].as_slice()),
    };
    let checked = move |form: &EditGroup| match whole {
        true => form.check().map(|(details, members)| (Some(details), members)),
        false => Ok((None, form.members())),
    };
    let (actor, now, typed) = (request_actor(&request, &who.principal.account), clock.now(), form.clone());
    let save = move |c: &mut AnyConnection| {
        let before = asker.lock(c, id, needed)?;
        let form = match typed.reconcile(&EditGroup::from(&before), fields)? {
            Ok(form) => form,
            Err(outdated) => return Ok(Err(outdated.into_errors())),
        };
        let looked_up = look_up(c, asker.tenant, Some(&before), whole, &form)?;
        let (details, members) = match looked_up.joined_with(checked(&form)) {
            Ok(checked) => checked,
            Err(errors) => return Ok(Err((form, errors))),
        };
        let stored = store::update(c, asker.tenant, &before, details.as_ref(), &members, &actor, now)?;
        Ok(stored.map_err(|unknown| (form, unknown.into())))
    };
    let saved = match who.write(&db, save).await {
        Err(Error::AlreadyExists) => Err((form, FieldErrors::single("name", "groups-name-taken"))),
        saved => saved?,
    };
    match saved {
        Ok(effect) => Ok(redirect_with_flash(&format!("{}/{id}", list_path(&who)), effect.flash_key())),
        Err((form, errors)) => edit_page(&who, ctx, (group, whole), form, errors),
    }
}

async fn switch((db, clock, who, request, _, path): AboutGroup, is_on: bool) -> Result<HttpResponse> {
    let (asker, id) = (Asker::of(&who)?, path.1);
    let (actor, now) = (request_actor(&request, &who.principal.account), clock.now());
    let set = move |c: &mut AnyConnection| {
        let group = asker.lock(c, id, Right::Members)?;
        store::set_on(c, asker.tenant, &group, is_on, &actor, now)
    };
    let effect = who.write(&db, set).await?;
    Ok(redirect_with_flash(&format!("{}/{id}", list_path(&who)), effect.flash_key()))
}

/// Lets alert rules ring a group again.
pub async fn enable(about: AboutGroup) -> Result<HttpResponse> {
    switch(about, true).await
}

/// Stops alert rules from ringing a group.
pub async fn disable(about: AboutGroup) -> Result<HttpResponse> {
    switch(about, false).await
}

/// Deletes a group, unless an alert rule rings it: then its page says which.
pub async fn delete(about: AboutGroup<ManageGroups>) -> Result<HttpResponse> {
    let (db, clock, who, request, _, path) = &about;
    let (tenant, id) = (who.tenant.id, path.1);
    let (actor, now) = (request_actor(request, &who.principal.account), clock.now());
    let deleted = who
        .write(db, move |c| {
            let group = store::lock(c, tenant, id)?;
            store::delete(c, tenant, &group, &actor, now)
        })
        .await?;
    match deleted {
        Ok(()) => Ok(redirect_with_flash(&list_path(who), "flash-group-deleted")),
        Err(rules) => show_page(about, Some(joined(rules.iter().map(String::as_str), RULES_NAMED))).await,
    }
}
