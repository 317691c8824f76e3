//! The pages of shift schedules.

use std::borrow::Cow;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use chrono::{NaiveDateTime, TimeZone as _};
use chrono_tz::Tz;

use super::{
    OnDuty, Schedule, Unit,
    form::{Asked, EditSchedule, SAVED_FIELDS},
    model::clock_time,
    store::{self, Found},
};
use crate::{
    access::{
        Can, Role, Tenant,
        permissions::{ManageSchedules, ViewSchedules},
    },
    clock::Clock,
    db::{AccountId, AnyConnection, Database, Pager, ScheduleId, TenantId},
    error::{Error, Result},
    people::{Person, Standing, joined},
    text::as_name,
    web::{self, EditForm as _, FieldErrors, Form, PageContext, Parameters, redirect_with_flash, request_actor},
};

/// How many coming turns a roster shows.
const TURNS_SHOWN: usize = 14;
/// How many alert rules are named when they stand in the way of deleting a schedule.
const RULES_NAMED: usize = 20;

/// How long a shift lasts, in words.
fn rotation(ctx: &PageContext, schedule: &Schedule) -> Cow<'static, str> {
    let key = match schedule.unit {
        Unit::Day => "schedules-every-days",
        Unit::Week => "schedules-every-weeks",
        Unit::Month => "schedules-every-months",
    };
    ctx.t_count(key, &i64::from(schedule.every))
}

/// At which times of the day it holds, in words.
fn times_of_day(ctx: &PageContext, schedule: &Schedule) -> Cow<'static, str> {
    match schedule.hours {
        Some((from, to)) => {
            let (from, to) = (clock_time(from), clock_time(to));
            ctx.language.text_with("schedules-from-to", &[("from", from.as_str()), ("to", to.as_str())])
        }
        None => ctx.t_with("schedules-all-day-from", "time", &clock_time(schedule.handover)),
    }
}

/// The people of these accounts, in their order.
fn people_of(accounts: &[AccountId], people: &[Person]) -> Vec<Person> {
    accounts.iter().filter_map(|account| people.iter().find(|person| person.account == *account)).cloned().collect()
}

/// The moment that pages show, in the tenant's time zone.
#[derive(Clone, Copy, Debug)]
struct Now {
    at: NaiveDateTime,
    zone: Tz,
}

impl Now {
    fn of(clock: &Clock, tenant: &Tenant) -> Self {
        Self { at: clock.now(), zone: tenant.time_zone.parse().unwrap_or(Tz::UTC) }
    }

    fn show(&self, time: &NaiveDateTime) -> String {
        self.zone.from_utc_datetime(time).format("%Y-%m-%d %H:%M").to_string()
    }

    /// Who is rung now; nobody when the list is empty.
    fn on_duty(&self, schedule: &Schedule, people: &[Person]) -> Vec<Person> {
        match schedule.on_duty(self.at, self.zone) {
            OnDuty::Shift(shift) => people_of(shift, people),
            OnDuty::Outside(account) => people_of(&[account], people),
            OnDuty::Nobody => Vec::new(),
        }
    }

    fn roster(&self, schedule: &Schedule, people: &[Person]) -> Vec<ShownTurn> {
        let turns = schedule.turns(self.at, self.zone).take(TURNS_SHOWN);
        turns
            .map(|turn| ShownTurn {
                starts: self.show(&turn.starts_at),
                ends: self.show(&turn.ends_at),
                people: people_of(turn.shift, people),
            })
            .collect()
    }
}

/// A turn of a roster, in the tenant's time zone.
struct ShownTurn {
    starts: String,
    ends: String,
    people: Vec<Person>,
}

fn list_path<P>(who: &Can<P>) -> String {
    format!("/t/{}/schedules", who.tenant.slug)
}

#[derive(Template)]
#[template(path = "schedules/list.html")]
struct ListPage {
    ctx: PageContext,
    path: String,
    asked: Asked,
    administers: bool,
    now: Now,
    rows: Vec<Found>,
    pager: Pager,
}

/// The schedules of the tenant, and who is on duty now.
pub async fn list(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<ViewSchedules>,
    ctx: PageContext,
    Parameters(asked, unread): Parameters<Asked>,
) -> Result<HttpResponse> {
    let (tenant, filter, page) = (who.tenant.id, asked.filter(), asked.page());
    let (rows, pager) = db.read(move |c| store::list(c, tenant, &filter, page)).await?;
    let administers = who.role().is_some_and(Role::administers);
    let (path, now) = (list_path(&who), Now::of(&clock, &who.tenant));
    let ctx = ctx.with_viewer(&who).with_unknown_parameters(unread);
    web::render_page(StatusCode::OK, &ListPage { ctx, path, asked, administers, now, rows, pager })
}

/// What every request about one schedule brings: who asks, and the schedule in the path.
type AboutSchedule<P = ManageSchedules> =
    (Data<Database>, Data<Clock>, Can<P>, HttpRequest, PageContext, Path<(String, ScheduleId)>);

#[derive(Template)]
#[template(path = "schedules/show.html")]
struct ShowPage {
    ctx: PageContext,
    list: String,
    path: String,
    found: Found,
    now: Now,
    roster: Vec<ShownTurn>,
    administers: bool,
    /// The alert rules in the way of deleting it; nothing when that was not asked for.
    rules: Option<String>,
}

/// A schedule and its coming turns.
pub async fn show(about: AboutSchedule<ViewSchedules>) -> Result<HttpResponse> {
    show_page(about, None).await
}

async fn show_page<P>((db, clock, who, _, ctx, path): AboutSchedule<P>, rules: Option<String>) -> Result<HttpResponse> {
    let (tenant, id) = (who.tenant.id, path.1);
    let found = db.read(move |c| store::find(c, tenant, id)).await?;
    let now = Now::of(&clock, &who.tenant);
    let roster = now.roster(&found.schedule, &found.people);
    let list = list_path(&who);
    let (path, administers) = (format!("{list}/{id}"), who.role().is_some_and(Role::administers));
    let status = if rules.is_some() { StatusCode::CONFLICT } else { StatusCode::OK };
    web::render_page(
        status,
        &ShowPage { ctx: ctx.with_viewer(&who), list, path, found, now, roster, administers, rules },
    )
}

#[derive(Template)]
#[template(path = "schedules/edit.html")]
struct EditPage {
    ctx: PageContext,
    /// Where the form goes.
    action: String,
    /// Where Cancel leads.
    back: String,
    /// Whether the schedule is there already, so that its name stays.
    exists: bool,
    form: EditSchedule,
    errors: FieldErrors,
    zone: &'static str,
    /// The people that an alert would not reach.
    unreached: Vec<Person>,
    /// The coming turns, when they were asked for.
    roster: Option<Vec<ShownTurn>>,
}

impl EditPage {
    fn of(who: &Can<ManageSchedules>, ctx: PageContext, now: Now, found: Option<&Found>, form: EditSchedule) -> Self {
        let list = list_path(who);
        let (action, back) = match found {
            Some(found) => (format!("{list}/{}/edit", found.id), format!("{list}/{}", found.id)),
            None => (format!("{list}/new"), list),
        };
        Self {
            ctx: ctx.with_viewer(who),
            action,
            back,
            exists: found.is_some(),
            form,
            errors: FieldErrors::default(),
            zone: now.zone.name(),
            unreached: found.map(|found| unreached(&found.people)).unwrap_or_default(),
            roster: None,
        }
    }

    fn answer(self) -> Result<HttpResponse> {
        let status = if self.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
        web::render_page(status, &self)
    }

    fn with_errors(self, errors: FieldErrors) -> Self {
        Self { errors, ..self }
    }
}

fn unreached(people: &[Person]) -> Vec<Person> {
    people.iter().filter(|person| person.standing != Standing::Reachable).cloned().collect()
}

/// Where a schedule is added.
pub async fn add_form(clock: Data<Clock>, who: Can<ManageSchedules>, ctx: PageContext) -> Result<HttpResponse> {
    let now = Now::of(&clock, &who.tenant);
    let today = now.zone.from_utc_datetime(&now.at).date_naive();
    EditPage::of(&who, ctx, now, None, EditSchedule::starting(today)).answer()
}

/// Adds a schedule, or shows the roster that it would have.
pub async fn add(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<ManageSchedules>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<EditSchedule>,
) -> Result<HttpResponse> {
    let (now, tenant, typed) = (Now::of(&clock, &who.tenant), who.tenant.id, form.clone());
    let page = EditPage::of(&who, ctx, now, None, form);
    if typed.wants_preview() {
        return preview(&db, &who, page, None, now).await;
    }
    let actor = request_actor(&request, &who.principal.account);
    let store = move |c: &mut AnyConnection| {
        let looked_up = look_up(c, tenant, None, &typed)?;
        match looked_up.joined_with(typed.check()) {
            Ok(draft) => Ok(store::insert(c, tenant, &draft, &actor, now.at)?.map_err(FieldErrors::from)),
            Err(errors) => Ok(Err(errors)),
        }
    };
    let stored = match who.write(&db, store).await {
        Err(Error::AlreadyExists) => Err(FieldErrors::single("name", "schedules-name-taken")),
        stored => stored?,
    };
    match stored {
        Ok(id) => Ok(redirect_with_flash(&format!("{}/{id}", list_path(&who)), "flash-saved")),
        Err(errors) => page.with_errors(errors).answer(),
    }
}

/// The mistakes of a form that only the database knows.
fn look_up(
    c: &mut AnyConnection,
    tenant: TenantId,
    before: Option<&Found>,
    form: &EditSchedule,
) -> Result<FieldErrors> {
    let mut errors = FieldErrors::default();
    if before.is_none() && store::name_is_taken(c, tenant, &as_name(&form.name))? {
        errors.add("name", "schedules-name-taken");
    }
    let (shifts, outside) = form.names();
    let unknown = store::unknown_names(c, tenant, &shifts, &outside, before)?;
    errors.0.extend(FieldErrors::from(unknown).0);
    Ok(errors)
}

/// The form as it was typed, with the roster that would come of it. Nothing is saved.
async fn preview(
    db: &Database,
    who: &Can<ManageSchedules>,
    page: EditPage,
    before: Option<Found>,
    now: Now,
) -> Result<HttpResponse> {
    let (tenant, typed) = (who.tenant.id, page.form.clone());
    let drafted = db.read(move |c| {
        let looked_up = look_up(c, tenant, before.as_ref(), &typed)?;
        match looked_up.joined_with(typed.check()) {
            Ok(draft) => Ok(store::resolve(c, tenant, &draft, before.as_ref())?.map_err(FieldErrors::from)),
            Err(errors) => Ok(Err(errors)),
        }
    });
    match drafted.await? {
        Ok((schedule, people)) => {
            let roster = Some(now.roster(&schedule, &people));
            EditPage { roster, unreached: unreached(&people), ..page }.answer()
        }
        Err(errors) => page.with_errors(errors).answer(),
    }
}

/// Where a schedule is edited.
pub async fn edit_form((db, clock, who, _, ctx, path): AboutSchedule) -> Result<HttpResponse> {
    let (tenant, id) = (who.tenant.id, path.1);
    let found = db.read(move |c| store::find(c, tenant, id)).await?;
    let (now, form) = (Now::of(&clock, &who.tenant), EditSchedule::from(&found));
    EditPage::of(&who, ctx, now, Some(&found), form).answer()
}

/// Saves an edited schedule, or shows the roster that it would have.
pub async fn edit(
    (db, clock, who, request, ctx, path): AboutSchedule,
    Form(form): Form<EditSchedule>,
) -> Result<HttpResponse> {
    let (tenant, id) = (who.tenant.id, path.1);
    let found = db.read(move |c| store::find(c, tenant, id)).await?;
    // The name is not the form's to change.
    let form = EditSchedule { name: found.name.clone(), ..form };
    let now = Now::of(&clock, &who.tenant);
    let page = EditPage::of(&who, ctx, now, Some(&found), form);
    if page.form.wants_preview() {
        return preview(&db, &who, page, Some(found), now).await;
    }
    let (actor, typed) = (request_actor(&request, &who.principal.account), page.form.clone());
    let save = move |c: &mut AnyConnection| {
        let before = store::lock(c, tenant, id)?;
        let form = match typed.reconcile(&EditSchedule::from(&before), &SAVED_FIELDS)? {
            Ok(form) => form,
            Err(outdated) => return Ok(Err(outdated.into_errors())),
        };
        let looked_up = look_up(c, tenant, Some(&before), &form)?;
        let draft = match looked_up.joined_with(form.check()) {
            Ok(draft) => draft,
            Err(errors) => return Ok(Err((form, errors))),
        };
        let stored = store::update(c, tenant, &before, &draft, &actor, now.at)?;
        Ok(stored.map_err(|unknown| (form, unknown.into())))
    };
    match who.write(&db, save).await? {
        Ok(effect) => Ok(redirect_with_flash(&format!("{}/{id}", list_path(&who)), effect.flash_key())),
        Err((form, errors)) => EditPage { form, ..page }.with_errors(errors).answer(),
    }
}

/// Deletes a schedule, unless an alert rule rings it: then its page says which.
pub async fn delete(about: AboutSchedule) -> Result<HttpResponse> {
    let (db, clock, who, request, _, path) = &about;
    let (tenant, id) = (who.tenant.id, path.1);
    let (actor, now) = (request_actor(request, &who.principal.account), clock.now());
    match who.write(db, move |c| store::delete(c, tenant, id, &actor, now)).await? {
        Ok(()) => Ok(redirect_with_flash(&list_path(who), "flash-schedule-deleted")),
        Err(rules) => show_page(about, Some(joined(rules.iter().map(String::as_str), RULES_NAMED))).await,
    }
}
