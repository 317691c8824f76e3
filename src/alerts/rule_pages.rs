//! The pages of alert rules: the list, the form, and the preview of who would hear an alert.

use std::collections::HashMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use chrono::NaiveDateTime;

use super::{
    choose::{Call, Verdict},
    matcher::Matcher,
    model::{Incoming, LARGEST_EXPRESSIONS, Receiver, Rule, Severity, Source},
    rule_form::{Example, ListQuery, Proposed, RuleForm, SAVED_FIELDS, Ticked, Typed},
    rule_words::{changes, condition, receivers, window},
    store::{
        rules::{self as store, MOST_RULES, Names},
        show::{self as shown, NamedRobot},
    },
    take::{Context, Preview, preview as preview_of, preview_with},
};
use crate::{
    access::{
        Action, Actor, Can, Role,
        permissions::{EditAlertRules, ViewAlerts},
    },
    accounts::Username,
    audit::{self, Change, Effect},
    channels::{Switches, channel_key, store as channels},
    clock::Clock,
    db::{AnyConnection, Database, GroupId, MemberId, RobotId, RuleId, ScheduleId, TenantId},
    delivery::reason_key,
    error::{Error, Result},
    first_steps::{Step, store as first_steps},
    language::Language,
    robots::Channel,
    text::as_name,
    web::{self, Edits as _, FieldError, FieldErrors, Form, Frame, Parameters, Query, actor, redirect_saying},
};

/// The id of a rule that is not stored yet; stored ones start at 1.
const UNSAVED: RuleId = RuleId(0);

fn list_path<P>(who: &Can<P>) -> String {
    format!("/t/{}/alert-rules", who.tenant.slug)
}

/// A rule as the list shows it.
struct ListRow {
    rule: Rule,
    conditions: Vec<String>,
    receivers: Vec<String>,
    window: Option<String>,
}

#[derive(Template)]
#[template(path = "alert-rules/list.html")]
struct ListPage {
    frame: Frame,
    query: ListQuery,
    rows: Vec<ListRow>,
    /// How many rules the tenant has.
    total: usize,
    errors: FieldErrors,
    example: Example,
    may_edit: bool,
    path: String,
    /// Where the tenant's pages are, and the step to go on with.
    base: String,
    next: Option<Step>,
}

impl ListPage {
    fn is_ticked(&self) -> bool {
        self.errors.of("rules").is_some()
    }
}

/// The list of rules.
pub async fn list(
    db: Data<Database>,
    who: Can<ViewAlerts>,
    frame: Frame,
    Parameters(query, unread): Parameters<ListQuery>,
) -> Result<HttpResponse> {
    list_page(&db, &who, frame.refusing(unread), query, FieldErrors::default()).await
}

async fn list_page<P>(
    db: &Database,
    who: &Can<P>,
    frame: Frame,
    query: ListQuery,
    errors: FieldErrors,
) -> Result<HttpResponse> {
    let (tenant, language, may_edit) = (who.tenant.id, frame.language, who.may(Action::EditAlertRules));
    let goes_on = may_edit && frame.said.is_some();
    let (rules, names, progress) = db
        .read(move |c| {
            let rules = store::all(c, tenant)?;
            let names = store::names(c, tenant, &rules.iter().collect::<Vec<_>>())?;
            let progress = goes_on.then(|| first_steps::progress(c, tenant)).transpose()?;
            Ok((rules, names, progress))
        })
        .await?;
    let next = progress.and_then(|progress| progress.next_after(Step::Rule));
    let total = rules.len();
    let rows = rules.into_iter().filter(|rule| query.shows(rule)).map(|rule| row(rule, &names, language)).collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (path, base) = (list_path(who), format!("/t/{}", who.tenant.slug));
    let (frame, example) = (frame.seen_by(who), Example::default());
    web::page(status, &ListPage { frame, query, rows, total, errors, example, may_edit, path, base, next })
}

fn row(rule: Rule, names: &Names, language: Language) -> ListRow {
    ListRow {
        conditions: rule.matchers.iter().map(|matcher| condition(matcher, language)).collect(),
        receivers: receivers(&rule, names, language),
        window: window(&rule),
        rule,
    }
}

/// What every request that changes rules brings.
type Asked = (Data<Database>, Data<Clock>, Can<EditAlertRules>, HttpRequest, Frame);

/// Who changes rules, where and when.
struct Task {
    tenant: TenantId,
    actor: Actor,
    now: NaiveDateTime,
}

impl Task {
    fn of((_, clock, who, request, _): &Asked) -> Self {
        Self { tenant: who.tenant.id, actor: actor(request, &who.principal.account), now: clock.now() }
    }

    fn save(
        &self,
        c: &mut AnyConnection,
        action: &'static str,
        object: &str,
        changes: Vec<Change>,
        write: impl FnOnce(&mut AnyConnection) -> Result<()>,
    ) -> Result<Effect> {
        let entry = audit::Entry { tenant: Some(self.tenant), action, object, changes };
        audit::save_changes(c, &self.actor, &entry, self.now, write)
    }
}

/// What is done to the rules that are ticked.
#[derive(Clone, Copy)]
enum Deed {
    Enable,
    Disable,
    Delete,
}

impl Deed {
    fn do_it(self, c: &mut AnyConnection, task: &Task, rule: &Rule) -> Result<()> {
        let (action, after) = match self {
            Self::Enable => ("rule-enabled", Some(Rule { is_on: true, ..rule.clone() })),
            Self::Disable => ("rule-disabled", Some(Rule { is_on: false, ..rule.clone() })),
            Self::Delete => ("rule-deleted", None),
        };
        let names = store::names(c, task.tenant, &[rule])?;
        let changes = changes(Some(rule), after.as_ref(), &names);
        let write = |c: &mut AnyConnection| match after {
            Some(after) => store::set_on(c, task.tenant, rule.id, after.is_on),
            None => store::delete(c, task.tenant, rule.id),
        };
        task.save(c, action, &rule.name, changes, write).map(drop)
    }

    fn said(self) -> &'static str {
        match self {
            Self::Enable => "flash-rules-enabled",
            Self::Disable => "flash-rules-disabled",
            Self::Delete => "flash-rules-deleted",
        }
    }
}

/// The tenant's rules that are ticked. What somebody else deleted meanwhile is left out.
fn ticked(c: &mut AnyConnection, tenant: TenantId, ids: &[RuleId]) -> Result<Vec<Rule>> {
    let rules: Vec<Rule> = store::all(c, tenant)?.into_iter().filter(|rule| ids.contains(&rule.id)).collect();
    if rules.is_empty() { Err(Error::NotFound) } else { Ok(rules) }
}

async fn deed(asked: Asked, deed: Deed, Ticked { id: ids, .. }: Ticked) -> Result<HttpResponse> {
    let task = Task::of(&asked);
    let (db, _, who, _, frame) = asked;
    if ids.is_empty() {
        let errors = FieldErrors::one("rules", "rules-none-ticked");
        return list_page(&db, &who, frame, ListQuery::default(), errors).await;
    }
    who.write(&db, move |c| {
        store::lock(c, task.tenant)?;
        ticked(c, task.tenant, &ids)?.iter().try_for_each(|rule| deed.do_it(c, &task, rule))
    })
    .await?;
    Ok(redirect_saying(&list_path(&who), deed.said()))
}

/// Switches rules on.
pub async fn enable(asked: Asked, Form(form): Form<Ticked>) -> Result<HttpResponse> {
    deed(asked, Deed::Enable, form).await
}

/// Switches rules off.
pub async fn disable(asked: Asked, Form(form): Form<Ticked>) -> Result<HttpResponse> {
    deed(asked, Deed::Disable, form).await
}

#[derive(Template)]
#[template(path = "alert-rules/delete.html")]
struct DeletePage {
    frame: Frame,
    rules: Vec<Rule>,
    path: String,
}

/// Asks whether rules are really to be deleted, and deletes them once that is confirmed.
pub async fn delete(asked: Asked, Form(form): Form<Ticked>) -> Result<HttpResponse> {
    if form.sure == "yes" || form.id.is_empty() {
        return deed(asked, Deed::Delete, form).await;
    }
    let (db, _, who, _, frame) = asked;
    let tenant = who.tenant.id;
    let rules = db.read(move |c| ticked(c, tenant, &form.id)).await?;
    let path = list_path(&who);
    web::page(StatusCode::OK, &DeletePage { frame: frame.seen_by(&who), rules, path })
}

/// Who would hear an example alert, in words.
struct Outcome {
    /// What the rule that is being typed says: the key of the text.
    typed: Option<&'static str>,
    /// The rules that are meant for the alert, with the key of what each says.
    rules: Vec<(String, &'static str)>,
    calls: Vec<Call>,
    robots: HashMap<(MemberId, RobotId), NamedRobot>,
    /// The name, the key of the reason, and the rules.
    misses: Vec<(String, &'static str, Vec<String>)>,
}

impl Outcome {
    /// Whether the rule that is being typed rings.
    fn rings(&self) -> bool {
        self.typed == Some(Verdict::Rings.key())
    }

    fn robot(&self, call: &Call) -> Option<&NamedRobot> {
        self.robots.get(&(call.person.member?, call.robot))
    }

    fn of(c: &mut AnyConnection, tenant: TenantId, preview: Preview, typed: Option<&Rule>) -> Result<Self> {
        let said = |rule: &Rule| {
            let verdict = preview.rules.iter().find(|(name, _)| *name == rule.name).map(|(_, verdict)| verdict.key());
            if rule.is_on { verdict.unwrap_or("rules-verdict-other") } else { "rules-verdict-off" }
        };
        let typed = typed.map(said);
        let ids: Vec<MemberId> = preview.choice.calls.iter().filter_map(|call| call.person.member).collect();
        let robots = shown::robots(c, tenant, &ids)?;
        let misses = preview.choice.misses.into_iter();
        Ok(Self {
            typed,
            rules: preview.rules.into_iter().map(|(name, verdict)| (name, verdict.key())).collect(),
            calls: preview.choice.calls,
            robots,
            misses: misses.map(|miss| (miss.name, reason_key(miss.reason.as_str()), miss.chosen_by)).collect(),
        })
    }
}

#[derive(Template)]
#[template(path = "alert-rules/preview.html")]
struct PreviewPage {
    frame: Frame,
    errors: FieldErrors,
    example: Example,
    outcome: Option<Outcome>,
    path: String,
}

/// Who would hear an example alert by all rules as they are stored.
pub async fn preview(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<EditAlertRules>,
    frame: Frame,
    Query(example): Query<Example>,
) -> Result<HttpResponse> {
    let checked = if example.is_asked() { example.check().map(Some) } else { Ok(None) };
    let (outcome, errors) = match checked {
        Ok(None) => (None, FieldErrors::default()),
        Ok(Some(alert)) => {
            let context = context(&who, &frame, clock.now());
            let outcome = db.read_aside(move |c| {
                let preview = preview_of(c, &context, &alert)?;
                Outcome::of(c, context.tenant, preview, None)
            });
            (Some(outcome.await?), FieldErrors::default())
        }
        Err(errors) => (None, errors),
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (frame, path) = (frame.seen_by(&who), list_path(&who));
    web::page(status, &PreviewPage { frame, errors, example, outcome, path })
}

fn context<P>(who: &Can<P>, frame: &Frame, now: NaiveDateTime) -> Context {
    let account = &who.principal.account;
    let (sender, product) = (account.username.clone(), frame.product.clone());
    Context { tenant: who.tenant.id, sender, by: Some(account.id), portal: None, product, now }
}

#[derive(Template)]
#[template(path = "alert-rules/edit.html")]
struct EditPage {
    frame: Frame,
    /// The rule that is edited; nothing for a new one.
    rule: Option<Rule>,
    form: RuleForm,
    errors: FieldErrors,
    names: Names,
    switches: Switches,
    example: Example,
    outcome: Option<Outcome>,
    path: String,
}

impl EditPage {
    fn action(&self) -> String {
        match &self.rule {
            Some(rule) => format!("{}/{}/edit", self.path, rule.id),
            None => format!("{}/new", self.path),
        }
    }

    fn title(&self) -> &'static str {
        if self.rule.is_some() { "rules-edit-title" } else { "rules-add" }
    }

    fn matcher_errors(&self) -> Vec<&FieldError> {
        self.errors.0.iter().filter(|error| error.field == "matchers").collect()
    }

    fn channels_path(&self) -> String {
        self.path.replace("/alert-rules", "/settings/message-channel")
    }
}

/// What became of a form: the page is shown again with it, unless it was saved.
struct Shown {
    rule: Option<Rule>,
    form: Option<RuleForm>,
    errors: FieldErrors,
    example: Example,
    outcome: Option<Outcome>,
}

async fn edit_page(db: &Database, who: &Can<EditAlertRules>, frame: Frame, shown: Shown) -> Result<HttpResponse> {
    let Shown { rule, form, errors, example, outcome } = shown;
    let (tenant, stored) = (who.tenant.id, rule.clone());
    let (names, switches, is_first) = db
        .read(move |c| {
            let names = store::names(c, tenant, &stored.iter().collect::<Vec<_>>())?;
            Ok((names, channels::settings(c, tenant)?.effective().clone(), store::all(c, tenant)?.is_empty()))
        })
        .await?;
    let form = form.unwrap_or_else(|| match &rule {
        Some(rule) => RuleForm::of(rule, &usernames(rule, &names)),
        None if is_first => RuleForm::first(&switches, &frame.t("rules-first-name")),
        None => RuleForm::fresh(&switches),
    });
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (frame, path) = (frame.seen_by(who), list_path(who));
    web::page(status, &EditPage { frame, rule, form, errors, names, switches, example, outcome, path })
}

fn usernames<'n>(rule: &Rule, names: &'n Names) -> Vec<&'n str> {
    let mut usernames: Vec<&str> =
        rule.accounts().filter_map(|account| names.accounts.get(&account).map(String::as_str)).collect();
    usernames.sort_unstable();
    usernames
}

/// Where a rule is added.
pub async fn add_form(
    (db, _, who, _, frame): Asked,
    Parameters(proposed, unread): Parameters<Proposed>,
) -> Result<HttpResponse> {
    let (tenant, frame) = (who.tenant.id, frame.refusing(unread));
    let form = if proposed == Proposed::default() {
        None
    } else {
        let switches = db.read(move |c| Ok(channels::settings(c, tenant)?.effective().clone())).await?;
        Some(proposed.form(&switches))
    };
    let shown = Shown { rule: None, form, errors: FieldErrors::default(), example: Example::default(), outcome: None };
    edit_page(&db, &who, frame, shown).await
}

/// Where a rule is edited.
pub async fn edit_form((db, _, who, _, frame): Asked, path: Path<(String, RuleId)>) -> Result<HttpResponse> {
    let (tenant, id) = (who.tenant.id, path.1);
    let rule = db.read(move |c| store::find(c, tenant, id)).await?;
    let (errors, example) = (FieldErrors::default(), Example::default());
    edit_page(&db, &who, frame, Shown { rule: Some(rule), form: None, errors, example, outcome: None }).await
}

/// Adds a rule, or shows who would hear an alert if it were there.
pub async fn add(asked: Asked, Form(form): Form<RuleForm>, Form(example): Form<Example>) -> Result<HttpResponse> {
    answer(asked, None, form, example).await
}

/// Saves an edited rule, or shows who would hear an alert if it were saved.
pub async fn edit(
    asked: Asked,
    path: Path<(String, RuleId)>,
    Form(form): Form<RuleForm>,
    Form(example): Form<Example>,
) -> Result<HttpResponse> {
    let (tenant, id) = (asked.2.tenant.id, path.1);
    let rule = asked.0.read(move |c| store::find(c, tenant, id)).await?;
    answer(asked, Some(rule), form, example).await
}

async fn answer(asked: Asked, rule: Option<Rule>, mut form: RuleForm, example: Example) -> Result<HttpResponse> {
    let task = Task::of(&asked);
    let (db, _, who, _, frame) = asked;
    if let Some(stored) = rule.clone().filter(|_| !example.is_asked()) {
        match reconciled(&db, task.tenant, stored, form, frame.language).await? {
            Ok(merged) => form = merged,
            Err((form, errors)) => {
                let shown = Shown { rule, form: Some(form), errors, example, outcome: None };
                return edit_page(&db, &who, frame, shown).await;
            }
        }
    }
    let (id, typed) = (rule.as_ref().map_or(UNSAVED, |rule| rule.id), form.clone());
    // Regular expressions take a while to compile.
    let checked = db.compute_aside(move || typed.check(id)).await?;
    let alert = if example.is_asked() { example.check().map(Some) } else { Ok(None) };
    let looked_up = look_up(&db, task.tenant, id, (&form, &checked), !example.is_asked()).await?;
    let (alert, errors) = match looked_up.joined_with(alert) {
        Ok(alert) => (alert, FieldErrors::default()),
        Err(errors) => (None, errors),
    };
    let done = match errors.joined_with(checked).map(|typed| (typed, alert)) {
        Ok((typed, Some(alert))) => {
            let context = context(&who, &frame, task.now);
            db.read_aside(move |c| previewed(c, &context, &alert, typed)).await?
        }
        Ok((typed, None)) => match save(&db, &who, task, typed, form.clone()).await? {
            Ok(effect) => return Ok(redirect_saying(&list_path(&who), effect.flash_key())),
            Err(errors) => Err(errors),
        },
        Err(errors) => Err(errors),
    };
    let (outcome, errors) = match done {
        Ok(outcome) => (Some(outcome), FieldErrors::default()),
        Err(errors) => (None, errors),
    };
    edit_page(&db, &who, frame, Shown { rule, form: Some(form), errors, example, outcome }).await
}

/// The form with what somebody else changed in the rule meanwhile, or what both changed.
async fn reconciled(
    db: &Database,
    tenant: TenantId,
    stored: Rule,
    form: RuleForm,
    language: Language,
) -> Result<std::result::Result<RuleForm, (RuleForm, FieldErrors)>> {
    let (names, stored) = db.read(move |c| Ok((store::names(c, tenant, &[&stored])?, stored))).await?;
    let shown = RuleForm::of(&stored, &usernames(&stored, &names));
    let outdated = match form.reconciled(&shown, &SAVED_FIELDS)? {
        Ok(form) => return Ok(Ok(form)),
        Err(outdated) => outdated,
    };
    Ok(Err(outdated.refused_in_words(|field, value| value_in_words(field, value, &names, language))))
}

/// What the page calls a value of one of its fields; nothing where it is shown as it is.
fn value_in_words(field: &str, value: &str, names: &Names, language: Language) -> Option<String> {
    let key = match field {
        "severity" => Severity::parse(value)?.key(),
        "source" => Source::parse(value)?.key(),
        "roles" => Role::parse(value)?.key(),
        "channels" => channel_key(&Channel::parse(value)?),
        "on" => "rules-on",
        "groups" => return names.group(GroupId(value.parse().ok()?)).map(ToOwned::to_owned),
        "schedules" => return names.schedule(ScheduleId(value.parse().ok()?)).map(ToOwned::to_owned),
        _ => return None,
    };
    Some(language.text(key).into_owned())
}

/// What an accepted form leads to, or what was wrong with it after all.
type Checked<T> = std::result::Result<T, FieldErrors>;

fn previewed(c: &mut AnyConnection, context: &Context, alert: &Incoming, typed: Typed) -> Result<Checked<Outcome>> {
    let rule = match completed(c, context.tenant, typed)? {
        Ok(rule) => rule,
        Err(errors) => return Ok(Err(errors)),
    };
    let preview = preview_with(c, context, alert, &rule)?;
    Ok(Ok(Outcome::of(c, context.tenant, preview, Some(&rule))?))
}

/// The mistakes of a form that only the database knows. Where the rule is not to be saved, they are those about whom it names.
async fn look_up(
    db: &Database,
    tenant: TenantId,
    id: RuleId,
    (form, checked): (&RuleForm, &Checked<Typed>),
    is_saved: bool,
) -> Result<FieldErrors> {
    let typed = form.clone();
    let (mut errors, rules) = db
        .read(move |c| {
            let (mut errors, rules) = (FieldErrors::default(), store::all(c, tenant)?);
            if is_saved && store::name_is_taken(c, tenant, &as_name(&typed.name), id)? {
                errors.add("name", "rules-name-taken");
            }
            let (members, receivers) = typed.readable_receivers();
            let unknown = all_receivers(c, tenant, id, &members, receivers)?.err().unwrap_or_default();
            errors.0.extend(unknown.0);
            Ok((errors, rules))
        })
        .await?;
    if !is_saved {
        return Ok(errors);
    }
    if id == UNSAVED && rules.len() >= MOST_RULES {
        errors.add("", "rules-too-many");
    }
    let read = checked.as_ref().ok().map(|typed| typed.rule.matchers.clone());
    let typed = form.clone();
    let own = move || read.unwrap_or_else(|| typed.readable_matchers());
    errors.0.extend(db.compute_aside(move || too_large(&rules, id, &own())).await?);
    Ok(errors)
}

async fn save(
    db: &Database,
    who: &Can<EditAlertRules>,
    task: Task,
    typed: Typed,
    form: RuleForm,
) -> Result<Checked<Effect>> {
    match who.write(db, move |c| saved(c, &task, typed, &form)).await {
        Err(Error::Taken) => Ok(Err(FieldErrors::one("name", "rules-name-taken"))),
        saved => saved,
    }
}

/// What is wrong when the expressions of the tenant's rules would be too large with this rule in the place of the stored one.
fn too_large(rules: &[Rule], id: RuleId, matchers: &[Matcher]) -> Option<FieldError> {
    let own: usize = matchers.iter().map(Matcher::size).sum();
    let others: usize = rules.iter().filter(|rule| rule.id != id).map(Rule::expressions_size).sum();
    let largest = matchers.iter().max_by_key(|matcher| matcher.size())?;
    // A rule that has none, or becomes smaller, can always be saved.
    let before = rules.iter().find(|rule| rule.id == id).map_or(0, Rule::expressions_size);
    if own <= before || own + others <= LARGEST_EXPRESSIONS {
        return None;
    }
    let kib = |bytes: usize| (bytes / 1024).to_string();
    let variables = vec![
        ("all".into(), kib(own + others)),
        ("most".into(), kib(LARGEST_EXPRESSIONS)),
        ("largest".into(), largest.to_string()),
        ("size".into(), kib(largest.size())),
    ];
    Some(FieldError { field: "matchers".into(), key: "rules-expressions-too-large".into(), variables })
}

fn saved(c: &mut AnyConnection, task: &Task, typed: Typed, form: &RuleForm) -> Result<Checked<Effect>> {
    store::lock(c, task.tenant)?;
    if typed.rule.id != UNSAVED {
        let stored = store::find(c, task.tenant, typed.rule.id)?;
        let names = store::names(c, task.tenant, &[&stored])?;
        if !form.is_current(&RuleForm::of(&stored, &usernames(&stored, &names))) {
            return Ok(Err(FieldErrors::of_form("form-saved-by-another")));
        }
    }
    let rule = match completed(c, task.tenant, typed)? {
        Ok(rule) => rule,
        Err(errors) => return Ok(Err(errors)),
    };
    let rules = store::all(c, task.tenant)?;
    let before = rules.iter().find(|known| known.id == rule.id);
    let named: Vec<&Rule> = before.into_iter().chain([&rule]).collect();
    let names = store::names(c, task.tenant, &named)?;
    let changes = changes(before, Some(&rule), &names);
    let action = match before {
        Some(_) => "rule-edited",
        None if rule.id != UNSAVED => return Err(Error::NotFound),
        None if rules.len() >= MOST_RULES => return Ok(Err(FieldErrors::of_form("rules-too-many"))),
        None => "rule-added",
    };
    let write = |c: &mut AnyConnection| match before {
        Some(_) => store::update(c, task.tenant, &rule),
        None => store::insert(c, task.tenant, &rule, task.now).map(drop),
    };
    task.save(c, action, &rule.name, changes, write).map(Ok)
}

/// The rule with the members whom it names.
fn completed(c: &mut AnyConnection, tenant: TenantId, typed: Typed) -> Result<Checked<Rule>> {
    let Typed { mut rule, members } = typed;
    let receivers = all_receivers(c, tenant, rule.id, &members, std::mem::take(&mut rule.receivers))?;
    Ok(receivers.map(|receivers| Rule { receivers, ..rule }))
}

/// These receivers and the members of these names. Who left the tenant may stay in a rule that named him before.
fn all_receivers(
    c: &mut AnyConnection,
    tenant: TenantId,
    id: RuleId,
    members: &[Username],
    mut receivers: Vec<Receiver>,
) -> Result<Checked<Vec<Receiver>>> {
    let stored: Vec<Rule> = store::all(c, tenant)?.into_iter().filter(|known| known.id == id).collect();
    let names = store::names(c, tenant, &stored.iter().collect::<Vec<_>>())?;
    let known = store::member_accounts(c, tenant, members)?;
    let kept = |key: &str| names.accounts.iter().find(|(_, name)| name.eq_ignore_ascii_case(key)).map(|(id, _)| *id);
    let (mut errors, mut unknown) = (FieldErrors::default(), Vec::new());
    for member in members {
        match known.get(&member.key()).copied().or_else(|| kept(&member.key())) {
            Some(account) => receivers.push(Receiver::Account(account)),
            None => unknown.push(member.as_str()),
        }
    }
    if !unknown.is_empty() {
        let variables = vec![("names".into(), unknown.join(", "))];
        errors.0.push(FieldError { field: "members".into(), key: "rules-members-unknown".into(), variables });
    }
    for receiver in &receivers {
        match receiver {
            Receiver::Group(group) if names.group(*group).is_none() => errors.add("groups", "form-choose"),
            Receiver::Schedule(schedule) if names.schedule(*schedule).is_none() => {
                errors.add("schedules", "form-choose");
            }
            _ => {}
        }
    }
    receivers.sort_unstable();
    Ok(if errors.is_empty() { Ok(receivers) } else { Err(errors) })
}
