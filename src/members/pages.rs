//! The pages of Member Management and of My Contact Information.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::{
    Template,
    filters::{Html, Safe, escape},
};

use super::{
    ContactState, Status, Tools,
    edit::{ContactPart, Task},
    form::{AddMember, EditAccount, Verify, code_field, robot_field, secret_field, vendor_key},
    list::ListQuery,
    model::Member,
    store::{self, ListRow, NewMember},
};
use crate::{
    access::{
        AccountSession, Affected, Can, Role, may_edit, may_reinstate_suspended, may_remove,
        permissions::{EditMembers, EditOwnContact, ViewTenant},
    },
    accounts::{
        AccountOrigin, RenewCode, Username,
        store::{self as accounts, Credentials},
    },
    audit::{self, Change, Effect},
    channels::channel_key,
    db::{AnyConnection, Database, MemberId, Pager, TenantId},
    error::{Error, Result},
    first_steps::{FirstStep, store as first_steps},
    robots::Channel,
    secrets::{PlainToken, one_time_code},
    web::{self, FieldErrors, Form, PageContext, Parameters, Times, redirect_with_flash, request_actor},
};

/// The list as a page shows it, alone or behind a dialog.
struct ListPart {
    query: ListQuery,
    rows: Vec<ListRow>,
    pager: Pager,
    /// Whether contact values are shown, masked, and members can be edited.
    administers: bool,
    role: Role,
    path: String,
    /// The query to come back to, with its question mark.
    back: String,
    times: Times,
}

/// What every row repeats, looked up and escaped once for the page.
struct RowTexts {
    roles: [String; 3],
    statuses: [String; 4],
    channels: [String; 3],
    states: [String; 3],
    no_robot: Safe<String>,
    edit: Safe<String>,
    path: Safe<String>,
    back: Safe<String>,
}

impl RowTexts {
    fn of(ctx: &PageContext, list: &ListPart) -> Self {
        Self {
            roles: Role::ALL.map(|role| escaped(&ctx.t(role.key()))),
            statuses: Status::ALL.map(|status| escaped(&ctx.t(status.key()))),
            channels: Channel::ALL.map(|channel| escaped(&ctx.t(channel_key(&channel)))),
            states: ContactState::ALL.map(|state| escaped(&ctx.t(state.key()))),
            no_robot: Safe(escaped(&ctx.t("members-no-robot"))),
            edit: Safe(escaped(&ctx.t("members-edit"))),
            path: Safe(escaped(&list.path)),
            back: Safe(escaped(&list.back)),
        }
    }

    fn role(&self, role: &Role) -> Safe<&str> {
        text_of(Role::ALL, &self.roles, role)
    }

    fn status(&self, status: &Status) -> Safe<&str> {
        text_of(Status::ALL, &self.statuses, status)
    }

    fn channel(&self, channel: &Channel) -> Safe<&str> {
        text_of(Channel::ALL, &self.channels, channel)
    }

    fn state(&self, state: &ContactState) -> Safe<&str> {
        text_of(ContactState::ALL, &self.states, state)
    }
}

/// The escaped text that stands in the place where its word does.
fn text_of<'t, W: PartialEq, const N: usize>(words: [W; N], texts: &'t [String; N], word: &W) -> Safe<&'t str> {
    Safe(words.iter().zip(texts).find(|(known, _)| *known == word).map(|(_, text)| text.as_str()).unwrap_or_default())
}

fn escaped(text: &str) -> String {
    let Ok(escaped) = escape(text, Html);
    escaped.to_string()
}

impl ListPart {
    fn may_edit(&self, row: &ListRow) -> bool {
        self.administers && may_edit(self.role, row.role)
    }

    /// Whether a member can be reinstated from the list: one whose dialog this administrator may not open.
    fn may_reinstate(&self, row: &ListRow) -> bool {
        row.status == Status::Suspended && self.administers && !may_edit(self.role, row.role)
    }
}

async fn list_part<P>(db: &Database, who: &Can<P>, query: ListQuery) -> Result<ListPart> {
    let role = who.role().ok_or(Error::NotFound)?;
    // Who can be reached is for administrators to know.
    let query =
        if role.administers() { query } else { ListQuery { contact: String::new(), robot: String::new(), ..query } };
    let (tenant, filter, order, page) = (who.tenant.clone(), query.filter(), query.order(), query.page());
    let (rows, pager) = db.read(move |c| store::list(c, &tenant, &filter, order, page)).await?;
    let path = format!("/t/{}/members", who.tenant.slug);
    let (back, times) = (query.marked(), Times::for_zone(&who.tenant.time_zone));
    Ok(ListPart { query, rows, pager, administers: role.administers(), role, path, back, times })
}

#[derive(Template)]
#[template(path = "members/list.html")]
struct ListPage {
    ctx: PageContext,
    list: ListPart,
}

/// The list of members.
pub async fn list(
    tools: Data<Tools>,
    who: Can<ViewTenant>,
    ctx: PageContext,
    Parameters(query, mut unread): Parameters<ListQuery>,
) -> Result<HttpResponse> {
    unread.extend(query.withheld(who.role().is_some_and(Role::administers)));
    let ctx = ctx.with_viewer(&who).with_unknown_parameters(unread);
    let list = list_part(&tools.db, &who, query).await?;
    web::render_page(StatusCode::OK, &ListPage { ctx, list })
}

#[derive(Template)]
#[template(path = "members/add.html")]
struct AddPage {
    ctx: PageContext,
    list: ListPart,
    form: AddMember,
    errors: FieldErrors,
    /// The account that there is already, when it must be confirmed, and who made it.
    existing: Option<Existing>,
}

/// An account that a page asks about before it is given rights.
struct Existing {
    confirmation: String,
    made: String,
    /// Whether it is invited, because another made it.
    is_invited: bool,
}

#[derive(Template)]
#[template(path = "members/added.html")]
struct CodePage {
    ctx: PageContext,
    username: String,
    /// Nothing for an account that had a password before.
    code: Option<String>,
    /// Whether its owner has yet to accept.
    is_invited: bool,
    back: String,
}

/// The dialog Add Member.
pub async fn add_form(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    ctx: PageContext,
    Parameters(query, _): Parameters<ListQuery>,
) -> Result<HttpResponse> {
    let form = AddMember { role: Role::Member.as_str().to_owned(), ..AddMember::default() };
    add_page(&tools, &who, ctx, query, form, FieldErrors::default(), None).await
}

async fn add_page(
    tools: &Tools,
    who: &Can<EditMembers>,
    ctx: PageContext,
    query: ListQuery,
    form: AddMember,
    errors: FieldErrors,
    existing: Option<Existing>,
) -> Result<HttpResponse> {
    let list = list_part(&tools.db, who, query).await?;
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    web::render_page(status, &AddPage { ctx: ctx.with_viewer(who), list, form, errors, existing })
}

/// Adds a member; an unknown username makes the account and shows its one-time code, once. An account that another tenant
/// made is invited.
pub async fn add(
    tools: Data<Tools>,
    who: Can<EditMembers>,
    request: HttpRequest,
    ctx: PageContext,
    Parameters(query, _): Parameters<ListQuery>,
    Form(form): Form<AddMember>,
) -> Result<HttpResponse> {
    let added = match form.check() {
        Ok((username, name, role)) => {
            let confirmed = form.confirmed.clone();
            add_checked(&tools, &who, &request, username, name, role, confirmed).await?
        }
        Err(errors) => {
            let (tenant, typed) = (who.tenant.id, form.clone());
            let (looked_up, origin) = tools.db.read(move |c| look_up(c, tenant, &typed)).await?;
            let errors = looked_up.joined_with::<()>(Err(errors)).err().unwrap_or_default();
            Added::Refused(errors, origin)
        }
    };
    match added {
        Added::Done { username, code, is_invited } => {
            let back = format!("/t/{}/members", who.tenant.slug);
            let page = CodePage { ctx: ctx.with_viewer(&who), username, code, is_invited, back };
            web::render_page(StatusCode::OK, &page)
        }
        Added::Refused(errors, origin) => {
            let existing = origin.map(|origin| {
                let day = Times::for_zone(&who.tenant.time_zone).format_day(&origin.created_at);
                let sees_tenants = who.principal.administers_instance();
                Existing {
                    confirmation: origin.confirmation_value(),
                    made: origin.describe(ctx.language, Some(who.tenant.id), sees_tenants, &day),
                    is_invited: !origin.is_created_by(who.tenant.id),
                }
            });
            add_page(&tools, &who, ctx, query, form, errors, existing).await
        }
    }
}

/// What became of Add Member.
enum Added {
    Done {
        username: String,
        code: Option<String>,
        is_invited: bool,
    },
    /// Something is wrong; with the account of this name, where it has to be confirmed that it is the right one.
    Refused(FieldErrors, Option<AccountOrigin>),
}

/// The mistakes of a form that only the database knows, and the account that has to be confirmed.
fn look_up(c: &mut AnyConnection, tenant: TenantId, form: &AddMember) -> Result<(FieldErrors, Option<AccountOrigin>)> {
    let known = match Username::parse(&form.username) {
        Ok(username) => accounts::find_by_username(c, &username)?,
        Err(_) => None,
    };
    let Some(known) = known else { return Ok((FieldErrors::default(), None)) };
    Ok(objection(c, tenant, &known, Role::parse(&form.role), &form.confirmed)?.unwrap_or_default())
}

/// What stands against making the owner of an account a member, and the account where it has yet to be confirmed.
fn objection(
    c: &mut AnyConnection,
    tenant: TenantId,
    known: &Credentials,
    role: Option<Role>,
    confirmed: &str,
) -> Result<Option<(FieldErrors, Option<AccountOrigin>)>> {
    let refused = |key| Ok(Some((FieldErrors::single("username", key), None)));
    if store::of_account(c, tenant, known.id)?.is_some() {
        return refused("members-already");
    }
    if known.has_pending_code_from_other_tenant(tenant) {
        return refused("members-account-unused");
    }
    let origin = accounts::load_origin(c, known.id)?;
    let asks = role.is_some_and(Role::administers) || !known.joins_without_invitation(tenant);
    let asks = asks && confirmed != origin.confirmation_value();
    Ok(asks.then(|| (FieldErrors::single("confirmed", "accounts-confirm-first"), Some(origin))))
}

async fn add_checked(
    tools: &Tools,
    who: &Can<EditMembers>,
    request: &HttpRequest,
    username: Username,
    display_name: String,
    role: Role,
    confirmed: String,
) -> Result<Added> {
    let (code, hash) = new_code(tools, who, request).await?;
    let (tenant, actor, now) = (who.tenant.id, request_actor(request, &who.principal.account), tools.clock.now());
    let stored = who
        .permit()
        .affecting(Affected::Username(username.key()))
        .write(&tools.db, move |c| {
            let (account, username, code, joins_directly) = match accounts::find_and_lock_by_username(c, &username)? {
                Some(known) => {
                    if let Some((errors, origin)) = objection(c, tenant, &known, Some(role), &confirmed)? {
                        return Ok(Added::Refused(errors, origin));
                    }
                    let joins_directly = known.joins_without_invitation(tenant);
                    // As the account writes it, not as it was typed here.
                    (known.id, known.username()?, None, joins_directly)
                }
                None => {
                    let account = accounts::insert_for_tenant(c, &username, &hash, tenant, now)?;
                    (account, username, Some(code.expose().to_owned()), true)
                }
            };
            let member = NewMember { account, username: &username, display_name: &display_name, role };
            let action = if joins_directly {
                store::insert(c, tenant, &member, now)?;
                "member-added"
            } else {
                store::invite(c, tenant, &member, now)?;
                "member-invited"
            };
            let changes = Change::between("members-role", "", role.as_str()).into_iter().collect();
            let entry = audit::Entry { tenant: Some(tenant), action, object: username.as_str(), changes };
            audit::record(c, &actor, &entry, now)?;
            Ok(Added::Done { username: username.as_str().to_owned(), code, is_invited: !joins_directly })
        })
        .await;
    match stored {
        // Somebody else has just added it.
        Err(Error::AlreadyExists) => Ok(Added::Refused(FieldErrors::single("username", "members-already"), None)),
        stored => stored,
    }
}

/// A one-time code and its hash, which takes as long as any password's.
async fn new_code(tools: &Tools, who: &Can<EditMembers>, request: &HttpRequest) -> Result<(PlainToken, String)> {
    let (account, network) =
        (who.principal.account.id.to_string(), accounts::nearest_network(&web::client_address(request)));
    let _place = tools.passwords.acquire_request_permit(&account, &network).await?;
    let code = one_time_code()?;
    let hash = tools.passwords.hash(code.expose()).await?;
    Ok((code, hash))
}

#[derive(Template)]
#[template(path = "members/edit.html")]
struct EditPage {
    ctx: PageContext,
    list: ListPart,
    part: ContactPart,
}

#[derive(Template)]
#[template(path = "members/me.html")]
struct MePage {
    ctx: PageContext,
    part: ContactPart,
    /// Where the tenant's pages are, and the step to go on with.
    base: String,
    next: Option<FirstStep>,
}

/// The dialog Edit Account.
pub async fn edit_form((tools, who, request, ctx, path, Parameters(query, _)): AboutMember) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, request_actor(&request, &who.principal.account), &ctx)?;
    let part = task.part(&tools, None, FieldErrors::default()).await?;
    edit_page(&tools, &who, ctx, query, part, StatusCode::OK).await
}

async fn edit_page(
    tools: &Tools,
    who: &Can<EditMembers>,
    ctx: PageContext,
    query: ListQuery,
    part: ContactPart,
    status: StatusCode,
) -> Result<HttpResponse> {
    let part = ContactPart { back: query.marked(), ..part };
    let list = list_part(&tools.db, who, query).await?;
    web::render_page(status, &EditPage { ctx: ctx.with_viewer(who), list, part })
}

/// Saves the dialog.
pub async fn save(
    (tools, who, request, ctx, path, Parameters(query, _)): AboutMember,
    Form(form): Form<EditAccount>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, request_actor(&request, &who.principal.account), &ctx)?;
    let form = task.recall(&tools, form)?;
    match task.save(&tools, form).await? {
        Ok(effect) => Ok(redirect_with_flash(&list_url(&who, &query), effect.flash_key())),
        Err((form, errors)) => {
            let part = task.part(&tools, Some(form), errors).await?;
            edit_page(&tools, &who, ctx, query, part, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

/// Sends test messages, and shows the dialog again with the robots' answers and everything that was typed.
pub async fn test(
    (tools, who, request, ctx, path, Parameters(query, _)): AboutMember,
    Form(form): Form<EditAccount>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, request_actor(&request, &who.principal.account), &ctx)?;
    let (part, status) = tested_part(&task, &tools, form).await?;
    edit_page(&tools, &who, ctx, query, part, status).await
}

async fn tested_part(task: &Task, tools: &Tools, form: EditAccount) -> Result<(ContactPart, StatusCode)> {
    let form = task.recall(tools, form)?;
    match task.test(tools, &form).await? {
        Ok(answers) => {
            let part = task.part(tools, Some(form), FieldErrors::default()).await?;
            // What was typed was tested, and the form names the tests.
            Ok((ContactPart { answers, typed: Vec::new(), ..part }, StatusCode::OK))
        }
        Err(errors) => {
            // What cannot be tested now can still be right.
            let typed = task.keep(tools, &form, &form.check(&tools.origins).err().unwrap_or_default())?;
            let part = task.part(tools, Some(form), errors).await?;
            Ok((ContactPart { typed, ..part }, StatusCode::UNPROCESSABLE_ENTITY))
        }
    }
}

/// Sends a verification code to the group of a stored robot, and shows the dialog again with the robot's answer.
pub async fn verify(
    (tools, who, request, ctx, path, Parameters(query, _)): AboutMember,
    Form(form): Form<Verify>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, request_actor(&request, &who.principal.account), &ctx)?;
    let (part, status) = coded_part(&task, &tools, &form).await?;
    edit_page(&tools, &who, ctx, query, part, status).await
}

async fn coded_part(task: &Task, tools: &Tools, form: &Verify) -> Result<(ContactPart, StatusCode)> {
    match task.send_code(tools, form).await? {
        Ok(answers) => {
            let part = task.part(tools, None, FieldErrors::default()).await?;
            Ok((ContactPart { answers, ..part }, StatusCode::OK))
        }
        Err(errors) => Ok((task.part(tools, None, errors).await?, StatusCode::UNPROCESSABLE_ENTITY)),
    }
}

/// Takes the verification code that the member read in the group.
pub async fn confirm(
    (tools, who, request, ctx, path, Parameters(query, _)): AboutMember,
    Form(form): Form<Verify>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, request_actor(&request, &who.principal.account), &ctx)?;
    match task.confirm_code(&tools, &form).await? {
        Ok(()) => {
            let dialog = format!("/t/{}/members/{}/edit{}", who.tenant.slug, path.1, query.marked());
            Ok(redirect_with_flash(&dialog, "flash-verified"))
        }
        Err(errors) => {
            let part = task.part(&tools, None, errors).await?;
            edit_page(&tools, &who, ctx, query, part, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

fn list_url<P>(who: &Can<P>, query: &ListQuery) -> String {
    format!("/t/{}/members{}", who.tenant.slug, query.marked())
}

/// What every request about one member brings: who asks, the member in the path, and the list to come back to.
type AboutMember =
    (Data<Tools>, Can<EditMembers>, HttpRequest, PageContext, Path<(String, MemberId)>, Parameters<ListQuery>);

/// What administrators do to a member besides editing him.
#[derive(Clone, Copy)]
enum Deed {
    Disable,
    Reinstate,
    Remove,
    EndSessions,
}

impl Deed {
    fn is_allowed(self, task: &Task, member: &Member) -> bool {
        let oneself = member.account == task.by;
        match (self, member.status) {
            (Self::Reinstate, Status::Suspended) => may_reinstate_suspended(task.role, oneself),
            // Who has not joined is no concern of this tenant, which could otherwise log anybody out by inviting him.
            (Self::EndSessions, _) => member.has_accepted && may_remove(task.role, member.role, oneself),
            _ => may_remove(task.role, member.role, oneself),
        }
    }

    fn do_it(self, c: &mut AnyConnection, task: &Task, member: &Member) -> Result<Effect> {
        let (tenant, id) = (task.tenant.id, member.id);
        let is_changed = match self {
            Self::Disable => {
                store::disable(c, tenant, id)?;
                member.status != Status::Disabled
            }
            Self::Reinstate => store::reinstate(c, tenant, member)? != member.status,
            Self::Remove => {
                store::remove(c, tenant, id)?;
                true
            }
            Self::EndSessions => AccountSession::end_all(c, member.account)? > 0,
        };
        // Whoever has nothing left to see is logged out; elsewhere every page looks at the membership anyway.
        let ends = matches!(self, Self::Disable | Self::Remove)
            && member.has_accepted
            && !store::takes_part_elsewhere(c, member.account, tenant)?;
        if ends {
            AccountSession::end_all(c, member.account)?;
        }
        Ok(if is_changed { Effect::Changed } else { Effect::Unchanged })
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Disable => "member-disabled",
            Self::Reinstate => "member-reinstated",
            Self::Remove => "member-removed",
            Self::EndSessions => "member-sessions-ended",
        }
    }
}

async fn deed(
    (tools, who, request, ctx, path, query): AboutMember,
    deed: Deed,
    said: &'static str,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, request_actor(&request, &who.principal.account), &ctx)?;
    let shared = tools.clone();
    let permit = task.permit.clone();
    let effect = permit
        .write(&tools.db, move |c| {
            let member = store::lock(c, task.tenant.id, task.member)?;
            if !deed.is_allowed(&task, &member) {
                return Err(Error::Forbidden);
            }
            let effect = deed.do_it(c, &task, &member)?;
            if effect == Effect::Changed {
                task.record(c, &member, deed.action(), Vec::new(), &shared)?;
            }
            Ok(effect)
        })
        .await?;
    Ok(redirect_with_flash(&list_url(&who, &query.0), effect.flash_key_or(said)))
}

/// Stops a member.
pub async fn disable(asked: AboutMember) -> Result<HttpResponse> {
    deed(asked, Deed::Disable, "flash-member-disabled").await
}

/// Lets a member take part again.
pub async fn reinstate(asked: AboutMember) -> Result<HttpResponse> {
    deed(asked, Deed::Reinstate, "flash-member-reinstated").await
}

/// Removes a member from the tenant.
pub async fn remove(asked: AboutMember) -> Result<HttpResponse> {
    deed(asked, Deed::Remove, "flash-member-removed").await
}

/// Logs a member out everywhere: somebody else may have his browser.
pub async fn end_sessions(asked: AboutMember) -> Result<HttpResponse> {
    deed(asked, Deed::EndSessions, "flash-member-sessions-ended").await
}

/// Gives a member who forgot his password a new one-time code. His account's rights in other tenants are suspended.
pub async fn renew_code(
    (tools, who, request, ctx, path, Parameters(query, _)): AboutMember,
    Form(form): Form<RenewCode>,
) -> Result<HttpResponse> {
    let task = Task::new(&who, path.1, false, request_actor(&request, &who.principal.account), &ctx)?;
    let wanted = task.clone();
    let may = tools.db.read(move |c| wanted.find(c).and_then(|member| wanted.may_renew_code(c, &member))).await?;
    if !may {
        return Err(Error::Forbidden);
    }
    let (code, hash) = new_code(&tools, &who, &request).await?;
    let shared = tools.clone();
    let (permit, renewing) = (task.permit.clone(), task.clone());
    let renewed = permit
        .write(&tools.db, move |c| {
            let member = renewing.lock(c)?;
            if !renewing.may_renew_code(c, &member)? {
                return Err(Error::Forbidden);
            }
            accounts::lock_account(c, member.account)?;
            if !form.is_current(accounts::code_until(c, member.account)?) {
                return Ok(None);
            }
            let (home, now) = (renewing.tenant.id, shared.clock.now());
            accounts::renew_code(c, member.account, home, &hash, now)?;
            renewing.record(c, &member, "member-code-renewed", Vec::new(), &shared)?;
            Ok(Some(member.username))
        })
        .await?;
    let Some(username) = renewed else {
        let part = task.part(&tools, None, RenewCode::refused()).await?;
        return edit_page(&tools, &who, ctx, query, part, StatusCode::UNPROCESSABLE_ENTITY).await;
    };
    let back = format!("/t/{}/members", who.tenant.slug);
    let page = CodePage {
        ctx: ctx.with_viewer(&who),
        username,
        code: Some(code.expose().to_owned()),
        is_invited: false,
        back,
    };
    web::render_page(StatusCode::OK, &page)
}

fn own_task(who: &Can<EditOwnContact>, request: &HttpRequest, ctx: &PageContext) -> Result<Task> {
    let member = who.member().ok_or(Error::NotFound)?;
    Task::new(who, member, true, request_actor(request, &who.principal.account), ctx)
}

/// What the signed-in member is reached by.
pub async fn me_form(
    tools: Data<Tools>,
    who: Can<EditOwnContact>,
    request: HttpRequest,
    ctx: PageContext,
) -> Result<HttpResponse> {
    let task = own_task(&who, &request, &ctx)?;
    let part = task.part(&tools, None, FieldErrors::default()).await?;
    let next = next_step(&tools.db, &who, &ctx).await?;
    web::render_page(StatusCode::OK, &MePage { ctx: ctx.with_viewer(&who), part, next, base: base(&who) })
}

fn base<P>(who: &Can<P>) -> String {
    format!("/t/{}", who.tenant.slug)
}

/// The step of the first steps to go on with, for an administrator who has just saved a robot.
async fn next_step<P>(db: &Database, who: &Can<P>, ctx: &PageContext) -> Result<Option<FirstStep>> {
    if ctx.flash.is_none() || !who.role().is_some_and(Role::administers) {
        return Ok(None);
    }
    let tenant = who.tenant.id;
    Ok(db.read(move |c| first_steps::load_progress(c, tenant)).await?.next_step_after(FirstStep::Robot))
}

/// Saves the own contact information.
pub async fn me_save(
    tools: Data<Tools>,
    who: Can<EditOwnContact>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<EditAccount>,
) -> Result<HttpResponse> {
    let task = own_task(&who, &request, &ctx)?;
    let form = task.recall(&tools, form)?;
    match task.save(&tools, form).await? {
        Ok(effect) => Ok(redirect_with_flash(&format!("/t/{}/me", who.tenant.slug), effect.flash_key())),
        Err((form, errors)) => {
            let part = task.part(&tools, Some(form), errors).await?;
            web::render_page(
                StatusCode::UNPROCESSABLE_ENTITY,
                &MePage { ctx: ctx.with_viewer(&who), part, next: None, base: base(&who) },
            )
        }
    }
}

/// Sends test messages to the own robots.
pub async fn me_test(
    tools: Data<Tools>,
    who: Can<EditOwnContact>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<EditAccount>,
) -> Result<HttpResponse> {
    let task = own_task(&who, &request, &ctx)?;
    let (part, status) = tested_part(&task, &tools, form).await?;
    web::render_page(status, &MePage { ctx: ctx.with_viewer(&who), part, next: None, base: base(&who) })
}

/// Sends a verification code to the group of an own robot.
pub async fn me_verify(
    tools: Data<Tools>,
    who: Can<EditOwnContact>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<Verify>,
) -> Result<HttpResponse> {
    let task = own_task(&who, &request, &ctx)?;
    let (part, status) = coded_part(&task, &tools, &form).await?;
    web::render_page(status, &MePage { ctx: ctx.with_viewer(&who), part, next: None, base: base(&who) })
}

/// Takes the verification code that was read in the group of an own robot.
pub async fn me_confirm(
    tools: Data<Tools>,
    who: Can<EditOwnContact>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<Verify>,
) -> Result<HttpResponse> {
    let task = own_task(&who, &request, &ctx)?;
    match task.confirm_code(&tools, &form).await? {
        Ok(()) => Ok(redirect_with_flash(&format!("/t/{}/me", who.tenant.slug), "flash-verified-own")),
        Err(errors) => {
            let part = task.part(&tools, None, errors).await?;
            web::render_page(
                StatusCode::UNPROCESSABLE_ENTITY,
                &MePage { ctx: ctx.with_viewer(&who), part, next: None, base: base(&who) },
            )
        }
    }
}
