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
    ingest::{AlertContext, RoutingPreview, preview_routing as preview_of, preview_routing_with_rule},
    matcher::Matcher,
    model::{IncomingAlert, MAX_EXPRESSION_BYTES_PER_TENANT, Receiver, Rule, Severity, Source},
    routing::{RobotDelivery, Verdict},
    rule_form::{ExampleAlert, RuleDraft, RuleForm, RuleListQuery, RulePrefill, SAVED_FIELDS, SelectedRules},
    rule_text::{describe_condition, format_window, receiver_names, rule_changes},
    store::{
        rules::{self as store, MAX_RULES, ReceiverNames},
        timeline::{self as shown, NamedRobot},
    },
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
    first_steps::{FirstStep, store as first_steps},
    language::Language,
    robots::Channel,
    text::as_name,
    web::{
        self, EditForm as _, FieldError, FieldErrors, Form, PageContext, Parameters, Query, redirect_with_flash,
        request_actor,
    },
};

/// The id of a rule that is not stored yet; stored ones start at 1.
const UNSAVED: RuleId = RuleId(0);

fn rules_path<P>(who: &Can<P>) -> String {
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
    ctx: PageContext,
    query: RuleListQuery,
    rows: Vec<ListRow>,
    /// How many rules the tenant has.
    total: usize,
    errors: FieldErrors,
    example: ExampleAlert,
    may_edit: bool,
    path: String,
    /// Where the tenant's pages are, and the step to go on with.
    base: String,
    next_step: Option<FirstStep>,
}

impl ListPage {
    fn has_selection_error(&self) -> bool {
        self.errors.for_field("rules").is_some()
    }
}

/// The list of rules.
pub async fn list(
    db: Data<Database>,
    who: Can<ViewAlerts>,
    ctx: PageContext,
    Parameters(query, unread): Parameters<RuleListQuery>,
) -> Result<HttpResponse> {
    list_page(&db, &who, ctx.with_unknown_parameters(unread), query, FieldErrors::default()).await
}

async fn list_page<P>(
    db: &Database,
    who: &Can<P>,
    ctx: PageContext,
    query: RuleListQuery,
    errors: FieldErrors,
) -> Result<HttpResponse> {
    let (tenant, language, may_edit) = (who.tenant.id, ctx.language, who.may(Action::EditAlertRules));
    let shows_next_step = may_edit && ctx.flash.is_some();
    let (rules, names, progress) = db
        .read(move |c| {
            let rules = store::load_all(c, tenant)?;
            let names = store::load_names(c, tenant, &rules.iter().collect::<Vec<_>>())?;
            let progress = shows_next_step.then(|| first_steps::load_progress(c, tenant)).transpose()?;
            Ok((rules, names, progress))
        })
        .await?;
    let next = progress.and_then(|progress| progress.next_step_after(FirstStep::Rule));
    let total = rules.len();
    let rows =
        rules.into_iter().filter(|rule| query.matches(rule)).map(|rule| to_row(rule, &names, language)).collect();
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (path, base) = (rules_path(who), format!("/t/{}", who.tenant.slug));
    let (ctx, example) = (ctx.with_viewer(who), ExampleAlert::default());
    web::render_page(
        status,
        &ListPage { ctx, query, rows, total, errors, example, may_edit, path, base, next_step: next },
    )
}

fn to_row(rule: Rule, names: &ReceiverNames, language: Language) -> ListRow {
    ListRow {
        conditions: rule.matchers.iter().map(|matcher| describe_condition(matcher, language)).collect(),
        receivers: receiver_names(&rule, names, language),
        window: format_window(&rule),
        rule,
    }
}

/// What every request that changes rules brings.
type RuleRequest = (Data<Database>, Data<Clock>, Can<EditAlertRules>, HttpRequest, PageContext);

/// Who changes rules, where and when.
struct RuleChange {
    tenant: TenantId,
    actor: Actor,
    now: NaiveDateTime,
}

impl RuleChange {
    fn from_request((_, clock, who, request, _): &RuleRequest) -> Self {
        Self { tenant: who.tenant.id, actor: request_actor(request, &who.principal.account), now: clock.now() }
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
enum BulkAction {
    Enable,
    Disable,
    Delete,
}

impl BulkAction {
    fn apply(self, c: &mut AnyConnection, change: &RuleChange, rule: &Rule) -> Result<()> {
        let (action, after) = match self {
            Self::Enable => ("rule-enabled", Some(Rule { is_on: true, ..rule.clone() })),
            Self::Disable => ("rule-disabled", Some(Rule { is_on: false, ..rule.clone() })),
            Self::Delete => ("rule-deleted", None),
        };
        let names = store::load_names(c, change.tenant, &[rule])?;
        let changes = rule_changes(Some(rule), after.as_ref(), &names);
        let write = |c: &mut AnyConnection| match after {
            Some(after) => store::set_enabled(c, change.tenant, rule.id, after.is_on),
            None => store::delete(c, change.tenant, rule.id),
        };
        change.save(c, action, &rule.name, changes, write).map(drop)
    }

    fn flash_key(self) -> &'static str {
        match self {
            Self::Enable => "flash-rules-enabled",
            Self::Disable => "flash-rules-disabled",
            Self::Delete => "flash-rules-deleted",
        }
    }
}

/// The tenant's rules that are ticked. What somebody else deleted meanwhile is left out.
fn selected_rules(c: &mut AnyConnection, tenant: TenantId, ids: &[RuleId]) -> Result<Vec<Rule>> {
    let rules: Vec<Rule> = store::load_all(c, tenant)?.into_iter().filter(|rule| ids.contains(&rule.id)).collect();
    if rules.is_empty() { Err(Error::NotFound) } else { Ok(rules) }
}

async fn apply_bulk_action(
    parts: RuleRequest,
    action: BulkAction,
    SelectedRules { id: ids, .. }: SelectedRules,
) -> Result<HttpResponse> {
    let change = RuleChange::from_request(&parts);
    let (db, _, who, _, ctx) = parts;
    if ids.is_empty() {
        let errors = FieldErrors::single("rules", "rules-none-ticked");
        return list_page(&db, &who, ctx, RuleListQuery::default(), errors).await;
    }
    who.write(&db, move |c| {
        store::lock(c, change.tenant)?;
        selected_rules(c, change.tenant, &ids)?.iter().try_for_each(|rule| action.apply(c, &change, rule))
    })
    .await?;
    Ok(redirect_with_flash(&rules_path(&who), action.flash_key()))
}

/// Switches rules on.
pub async fn enable(parts: RuleRequest, Form(form): Form<SelectedRules>) -> Result<HttpResponse> {
    apply_bulk_action(parts, BulkAction::Enable, form).await
}

/// Switches rules off.
pub async fn disable(parts: RuleRequest, Form(form): Form<SelectedRules>) -> Result<HttpResponse> {
    apply_bulk_action(parts, BulkAction::Disable, form).await
}

#[derive(Template)]
#[template(path = "alert-rules/delete.html")]
struct DeletePage {
    ctx: PageContext,
    rules: Vec<Rule>,
    path: String,
}

/// Asks whether rules are really to be deleted, and deletes them once that is confirmed.
pub async fn delete(parts: RuleRequest, Form(form): Form<SelectedRules>) -> Result<HttpResponse> {
    if form.sure == "yes" || form.id.is_empty() {
        return apply_bulk_action(parts, BulkAction::Delete, form).await;
    }
    let (db, _, who, _, ctx) = parts;
    let tenant = who.tenant.id;
    let rules = db.read(move |c| selected_rules(c, tenant, &form.id)).await?;
    let path = rules_path(&who);
    web::render_page(StatusCode::OK, &DeletePage { ctx: ctx.with_viewer(&who), rules, path })
}

/// Who would hear an example alert, in words.
struct PreviewResult {
    /// What the rule that is being typed says: the key of the text.
    draft_verdict: Option<&'static str>,
    /// The rules that are meant for the alert, with the key of what each says.
    verdicts: Vec<(String, &'static str)>,
    deliveries: Vec<RobotDelivery>,
    robots: HashMap<(MemberId, RobotId), NamedRobot>,
    /// The name, the key of the reason, and the rules.
    undeliverables: Vec<(String, &'static str, Vec<String>)>,
}

impl PreviewResult {
    /// Whether the rule that is being typed rings.
    fn draft_notifies(&self) -> bool {
        self.draft_verdict == Some(Verdict::Notifies.key())
    }

    fn robot(&self, call: &RobotDelivery) -> Option<&NamedRobot> {
        self.robots.get(&(call.person.member?, call.robot))
    }

    fn load(c: &mut AnyConnection, tenant: TenantId, preview: RoutingPreview, draft: Option<&Rule>) -> Result<Self> {
        let verdict_key = |rule: &Rule| {
            let verdict =
                preview.verdicts.iter().find(|(name, _)| *name == rule.name).map(|(_, verdict)| verdict.key());
            if rule.is_on { verdict.unwrap_or("rules-verdict-other") } else { "rules-verdict-off" }
        };
        let draft = draft.map(verdict_key);
        let ids: Vec<MemberId> =
            preview.routing.deliveries.iter().filter_map(|delivery| delivery.person.member).collect();
        let robots = shown::find_named_robots(c, tenant, &ids)?;
        let undeliverables = preview.routing.undeliverables.into_iter();
        Ok(Self {
            draft_verdict: draft,
            verdicts: preview.verdicts.into_iter().map(|(name, verdict)| (name, verdict.key())).collect(),
            deliveries: preview.routing.deliveries,
            robots,
            undeliverables: undeliverables
                .map(|undeliverable| {
                    (undeliverable.name, reason_key(undeliverable.reason.as_str()), undeliverable.rule_names)
                })
                .collect(),
        })
    }
}

#[derive(Template)]
#[template(path = "alert-rules/preview.html")]
struct PreviewPage {
    ctx: PageContext,
    errors: FieldErrors,
    example: ExampleAlert,
    outcome: Option<PreviewResult>,
    path: String,
}

/// Who would hear an example alert by all rules as they are stored.
pub async fn preview(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<EditAlertRules>,
    ctx: PageContext,
    Query(example): Query<ExampleAlert>,
) -> Result<HttpResponse> {
    let checked = if example.is_requested() { example.check().map(Some) } else { Ok(None) };
    let (outcome, errors) = match checked {
        Ok(None) => (None, FieldErrors::default()),
        Ok(Some(alert)) => {
            let context = preview_context(&who, &ctx, clock.now());
            let outcome = db.read_blocking(move |c| {
                let preview = preview_of(c, &context, &alert)?;
                PreviewResult::load(c, context.tenant, preview, None)
            });
            (Some(outcome.await?), FieldErrors::default())
        }
        Err(errors) => (None, errors),
    };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (ctx, path) = (ctx.with_viewer(&who), rules_path(&who));
    web::render_page(status, &PreviewPage { ctx, errors, example, outcome, path })
}

fn preview_context<P>(who: &Can<P>, ctx: &PageContext, now: NaiveDateTime) -> AlertContext {
    let account = &who.principal.account;
    let (sender, product) = (account.username.clone(), ctx.product.clone());
    AlertContext { tenant: who.tenant.id, sender, fired_by: Some(account.id), portal: None, product, now }
}

#[derive(Template)]
#[template(path = "alert-rules/edit.html")]
struct EditPage {
    ctx: PageContext,
    /// The rule that is edited; nothing for a new one.
    rule: Option<Rule>,
    form: RuleForm,
    errors: FieldErrors,
    names: ReceiverNames,
    switches: Switches,
    example: ExampleAlert,
    outcome: Option<PreviewResult>,
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
struct EditPageState {
    rule: Option<Rule>,
    form: Option<RuleForm>,
    errors: FieldErrors,
    example: ExampleAlert,
    outcome: Option<PreviewResult>,
}

async fn edit_page(
    db: &Database,
    who: &Can<EditAlertRules>,
    ctx: PageContext,
    shown: EditPageState,
) -> Result<HttpResponse> {
    let EditPageState { rule, form, errors, example, outcome } = shown;
    let (tenant, stored) = (who.tenant.id, rule.clone());
    let (names, switches, is_first) = db
        .read(move |c| {
            let names = store::load_names(c, tenant, &stored.iter().collect::<Vec<_>>())?;
            Ok((names, channels::settings(c, tenant)?.effective().clone(), store::load_all(c, tenant)?.is_empty()))
        })
        .await?;
    let form = form.unwrap_or_else(|| match &rule {
        Some(rule) => RuleForm::from_rule(rule, &receiver_usernames(rule, &names)),
        None if is_first => RuleForm::for_first_rule(&switches, &ctx.t("rules-first-name")),
        None => RuleForm::for_new_rule(&switches),
    });
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let (ctx, path) = (ctx.with_viewer(who), rules_path(who));
    web::render_page(status, &EditPage { ctx, rule, form, errors, names, switches, example, outcome, path })
}

fn receiver_usernames<'n>(rule: &Rule, names: &'n ReceiverNames) -> Vec<&'n str> {
    let mut usernames: Vec<&str> =
        rule.named_accounts().filter_map(|account| names.accounts.get(&account).map(String::as_str)).collect();
    usernames.sort_unstable();
    usernames
}

/// Where a rule is added.
pub async fn add_form(
    (db, _, who, _, ctx): RuleRequest,
    Parameters(proposed, unread): Parameters<RulePrefill>,
) -> Result<HttpResponse> {
    let (tenant, ctx) = (who.tenant.id, ctx.with_unknown_parameters(unread));
    let form = if proposed == RulePrefill::default() {
        None
    } else {
        let switches = db.read(move |c| Ok(channels::settings(c, tenant)?.effective().clone())).await?;
        Some(proposed.into_form(&switches))
    };
    let shown = EditPageState {
        rule: None,
        form,
        errors: FieldErrors::default(),
        example: ExampleAlert::default(),
        outcome: None,
    };
    edit_page(&db, &who, ctx, shown).await
}

/// Where a rule is edited.
pub async fn edit_form((db, _, who, _, ctx): RuleRequest, path: Path<(String, RuleId)>) -> Result<HttpResponse> {
    let (tenant, id) = (who.tenant.id, path.1);
    let rule = db.read(move |c| store::find(c, tenant, id)).await?;
    let (errors, example) = (FieldErrors::default(), ExampleAlert::default());
    edit_page(&db, &who, ctx, EditPageState { rule: Some(rule), form: None, errors, example, outcome: None }).await
}

/// Adds a rule, or shows who would hear an alert if it were there.
pub async fn add(
    parts: RuleRequest,
    Form(form): Form<RuleForm>,
    Form(example): Form<ExampleAlert>,
) -> Result<HttpResponse> {
    submit_form(parts, None, form, example).await
}

/// Saves an edited rule, or shows who would hear an alert if it were saved.
pub async fn edit(
    parts: RuleRequest,
    path: Path<(String, RuleId)>,
    Form(form): Form<RuleForm>,
    Form(example): Form<ExampleAlert>,
) -> Result<HttpResponse> {
    let (tenant, id) = (parts.2.tenant.id, path.1);
    let rule = parts.0.read(move |c| store::find(c, tenant, id)).await?;
    submit_form(parts, Some(rule), form, example).await
}

async fn submit_form(
    parts: RuleRequest,
    rule: Option<Rule>,
    mut form: RuleForm,
    example: ExampleAlert,
) -> Result<HttpResponse> {
    let change = RuleChange::from_request(&parts);
    let (db, _, who, _, ctx) = parts;
    if let Some(stored) = rule.clone().filter(|_| !example.is_requested()) {
        match reconcile_with_stored(&db, change.tenant, stored, form, ctx.language).await? {
            Ok(merged) => form = merged,
            Err((form, errors)) => {
                let shown = EditPageState { rule, form: Some(form), errors, example, outcome: None };
                return edit_page(&db, &who, ctx, shown).await;
            }
        }
    }
    let (id, typed_form) = (rule.as_ref().map_or(UNSAVED, |rule| rule.id), form.clone());
    // Regular expressions take a while to compile.
    let checked = db.compute_blocking(move || typed_form.check(id)).await?;
    let alert = if example.is_requested() { example.check().map(Some) } else { Ok(None) };
    let looked_up = look_up(&db, change.tenant, id, (&form, &checked), !example.is_requested()).await?;
    let (alert, errors) = match looked_up.joined_with(alert) {
        Ok(alert) => (alert, FieldErrors::default()),
        Err(errors) => (None, errors),
    };
    let done = match errors.joined_with(checked).map(|draft| (draft, alert)) {
        Ok((draft, Some(alert))) => {
            let context = preview_context(&who, &ctx, change.now);
            db.read_blocking(move |c| preview_draft(c, &context, &alert, draft)).await?
        }
        Ok((draft, None)) => match save(&db, &who, change, draft, form.clone()).await? {
            Ok(effect) => return Ok(redirect_with_flash(&rules_path(&who), effect.flash_key())),
            Err(errors) => Err(errors),
        },
        Err(errors) => Err(errors),
    };
    let (outcome, errors) = match done {
        Ok(outcome) => (Some(outcome), FieldErrors::default()),
        Err(errors) => (None, errors),
    };
    edit_page(&db, &who, ctx, EditPageState { rule, form: Some(form), errors, example, outcome }).await
}

/// The form with what somebody else changed in the rule meanwhile, or what both changed.
async fn reconcile_with_stored(
    db: &Database,
    tenant: TenantId,
    stored: Rule,
    form: RuleForm,
    language: Language,
) -> Result<std::result::Result<RuleForm, (RuleForm, FieldErrors)>> {
    let (names, stored) = db.read(move |c| Ok((store::load_names(c, tenant, &[&stored])?, stored))).await?;
    let shown = RuleForm::from_rule(&stored, &receiver_usernames(&stored, &names));
    let outdated = match form.reconcile(&shown, &SAVED_FIELDS)? {
        Ok(form) => return Ok(Ok(form)),
        Err(outdated) => outdated,
    };
    Ok(Err(outdated.into_errors_with_labels(|field, value| display_value(field, value, &names, language))))
}

/// What the page calls a value of one of its fields; nothing where it is shown as it is.
fn display_value(field: &str, value: &str, names: &ReceiverNames, language: Language) -> Option<String> {
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
type FormResult<T> = std::result::Result<T, FieldErrors>;

fn preview_draft(
    c: &mut AnyConnection,
    context: &AlertContext,
    alert: &IncomingAlert,
    draft: RuleDraft,
) -> Result<FormResult<PreviewResult>> {
    let rule = match resolve_draft_members(c, context.tenant, draft)? {
        Ok(rule) => rule,
        Err(errors) => return Ok(Err(errors)),
    };
    let preview = preview_routing_with_rule(c, context, alert, &rule)?;
    Ok(Ok(PreviewResult::load(c, context.tenant, preview, Some(&rule))?))
}

/// The mistakes of a form that only the database knows. Where the rule is not to be saved, they are those about whom it names.
async fn look_up(
    db: &Database,
    tenant: TenantId,
    id: RuleId,
    (form, checked): (&RuleForm, &FormResult<RuleDraft>),
    is_saved: bool,
) -> Result<FieldErrors> {
    let typed = form.clone();
    let (mut errors, rules) = db
        .read(move |c| {
            let (mut errors, rules) = (FieldErrors::default(), store::load_all(c, tenant)?);
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
    if id == UNSAVED && rules.len() >= MAX_RULES {
        errors.add("", "rules-too-many");
    }
    let read = checked.as_ref().ok().map(|typed| typed.rule.matchers.clone());
    let typed = form.clone();
    let own = move || read.unwrap_or_else(|| typed.readable_matchers());
    errors.0.extend(db.compute_blocking(move || expressions_too_large(&rules, id, &own())).await?);
    Ok(errors)
}

async fn save(
    db: &Database,
    who: &Can<EditAlertRules>,
    change: RuleChange,
    draft: RuleDraft,
    form: RuleForm,
) -> Result<FormResult<Effect>> {
    match who.write(db, move |c| save_draft(c, &change, draft, &form)).await {
        Err(Error::AlreadyExists) => Ok(Err(FieldErrors::single("name", "rules-name-taken"))),
        saved => saved,
    }
}

/// What is wrong when the expressions of the tenant's rules would be too large with this rule in the place of the stored one.
fn expressions_too_large(rules: &[Rule], id: RuleId, matchers: &[Matcher]) -> Option<FieldError> {
    let own: usize = matchers.iter().map(Matcher::expression_bytes).sum();
    let others: usize = rules.iter().filter(|rule| rule.id != id).map(Rule::expression_bytes).sum();
    let largest = matchers.iter().max_by_key(|matcher| matcher.expression_bytes())?;
    // A rule that has none, or becomes smaller, can always be saved.
    let before = rules.iter().find(|rule| rule.id == id).map_or(0, Rule::expression_bytes);
    if own <= before || own + others <= MAX_EXPRESSION_BYTES_PER_TENANT {
        return None;
    }
    let kib = |bytes: usize| (bytes / 1024).to_string();
    let variables = vec![
        ("all".into(), kib(own + others)),
        ("most".into(), kib(MAX_EXPRESSION_BYTES_PER_TENANT)),
        ("largest".into(), largest.to_string()),
        ("size".into(), kib(largest.expression_bytes())),
    ];
    Some(FieldError { field: "matchers".into(), key: "rules-expressions-too-large".into(), variables })
}

fn save_draft(
    c: &mut AnyConnection,
    change: &RuleChange,
    draft: RuleDraft,
    form: &RuleForm,
) -> Result<FormResult<Effect>> {
    store::lock(c, change.tenant)?;
    if draft.rule.id != UNSAVED {
        let stored = store::find(c, change.tenant, draft.rule.id)?;
        let names = store::load_names(c, change.tenant, &[&stored])?;
        if !form.is_based_on(&RuleForm::from_rule(&stored, &receiver_usernames(&stored, &names))) {
            return Ok(Err(FieldErrors::for_whole_form("form-saved-by-another")));
        }
    }
    let rule = match resolve_draft_members(c, change.tenant, draft)? {
        Ok(rule) => rule,
        Err(errors) => return Ok(Err(errors)),
    };
    let rules = store::load_all(c, change.tenant)?;
    let before = rules.iter().find(|known| known.id == rule.id);
    let named: Vec<&Rule> = before.into_iter().chain([&rule]).collect();
    let names = store::load_names(c, change.tenant, &named)?;
    let changes = rule_changes(before, Some(&rule), &names);
    let action = match before {
        Some(_) => "rule-edited",
        None if rule.id != UNSAVED => return Err(Error::NotFound),
        None if rules.len() >= MAX_RULES => return Ok(Err(FieldErrors::for_whole_form("rules-too-many"))),
        None => "rule-added",
    };
    let write = |c: &mut AnyConnection| match before {
        Some(_) => store::update(c, change.tenant, &rule),
        None => store::insert(c, change.tenant, &rule, change.now).map(drop),
    };
    change.save(c, action, &rule.name, changes, write).map(Ok)
}

/// The rule with the members whom it names.
fn resolve_draft_members(c: &mut AnyConnection, tenant: TenantId, draft: RuleDraft) -> Result<FormResult<Rule>> {
    let RuleDraft { mut rule, members } = draft;
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
) -> Result<FormResult<Vec<Receiver>>> {
    let stored: Vec<Rule> = store::load_all(c, tenant)?.into_iter().filter(|known| known.id == id).collect();
    let names = store::load_names(c, tenant, &stored.iter().collect::<Vec<_>>())?;
    let known = store::member_accounts(c, tenant, members)?;
    let already_named =
        |key: &str| names.accounts.iter().find(|(_, name)| name.eq_ignore_ascii_case(key)).map(|(id, _)| *id);
    let (mut errors, mut unknown) = (FieldErrors::default(), Vec::new());
    for member in members {
        match known.get(&member.key()).copied().or_else(|| already_named(&member.key())) {
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
