//! The pages Fire Alert and Alert Events, and one event with its time line.

use std::collections::{BTreeMap, HashMap};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{Data, Path},
};
use askama::Template;
use chrono::NaiveDateTime;
use serde::Deserialize;

use super::{
    AlertContext, AlertFields, EventPosition, EventStatus, IncomingAlert, Matcher, NoRecipientReason, Operator,
    RobotDelivery, RoutingPreview, Severity, Signal, Source, Tools, Verdict,
    fire_form::{FormNonce, unknown_members_error},
    handling::{self, HandleForm, Handling, MuteUnit},
    list::EventListQuery,
    outcome_key, preview_routing,
    store::{
        candidates,
        events::{self, EntryKind},
        handling as event_handling,
        list::{self as events_list, EventRow},
        timeline::{self as shown, EventDetails, NamedRobot, Timeline, TimelineEntry},
    },
};
use crate::{
    access::{
        Action, Can, Role, Tenant,
        permissions::{FireAlerts, HandleAlerts, ViewAlerts},
    },
    audit::{self, Change},
    db::{AlertId, AnyConnection, EntryId, Keyset, MemberId, RobotId},
    deliveries::store::DeliveryScope,
    error::{Error, Result},
    retention,
    text::join_names,
    web::{
        self, FieldErrors, Form, ListParameters, PageContext, Parameters, Times, Unread, query_string,
        redirect_with_flash, request_actor, unread,
    },
};

/// Where the tenant's events are.
fn alerts_path(tenant: &Tenant) -> String {
    format!("/t/{}/alerts", tenant.slug)
}

#[derive(Template)]
#[template(path = "alerts/fire.html")]
struct FirePage {
    ctx: PageContext,
    path: String,
    fields: AlertFields,
    nonce: FormNonce,
    errors: FieldErrors,
    preview: Option<PreviewSection>,
}

/// Who would hear the alert, as the page shows it.
struct PreviewSection {
    routing_preview: RoutingPreview,
    /// The robots, for those who may see them.
    robots: HashMap<(MemberId, RobotId), NamedRobot>,
}

impl PreviewSection {
    fn robot(&self, delivery: &RobotDelivery) -> Option<&NamedRobot> {
        self.robots.get(&(delivery.person.member?, delivery.robot))
    }
}

impl FirePage {
    /// The names of the rules that chose somebody, or that the sender did.
    fn rule_names_text(&self, rules: &[String]) -> String {
        if rules.is_empty() { self.ctx.t("alerts-by-sender").into_owned() } else { join_names(rules, ", ") }
    }

    fn receivers(&self) -> String {
        self.fields.receivers.join("\n")
    }

    /// Whether something is set that the page hides at first.
    fn has_optional_values(&self) -> bool {
        let fields = &self.fields;
        !fields.key.is_empty() || fields.status == Signal::Resolved.as_str() || self.errors.for_field("key").is_some()
    }
}

/// The form Fire Alert.
pub async fn fire_form(who: Can<FireAlerts>, ctx: PageContext) -> Result<HttpResponse> {
    let fields = AlertFields { severity: Severity::Warning.as_str().to_owned(), ..AlertFields::default() };
    let path = alerts_path(&who.tenant);
    let (errors, nonce) = (FieldErrors::default(), FormNonce::generate()?);
    web::render_page(
        StatusCode::OK,
        &FirePage { ctx: ctx.with_viewer(&who), path, fields, nonce, errors, preview: None },
    )
}

/// Fires the alert, or shows who would hear it.
pub async fn fire(
    tools: Data<Tools>,
    who: Can<FireAlerts>,
    request: HttpRequest,
    ctx: PageContext,
    Form(fields): Form<AlertFields>,
    Form(nonce): Form<FormNonce>,
) -> Result<HttpResponse> {
    let path = alerts_path(&who.tenant);
    let submission = AlertSubmission {
        context: AlertContext {
            tenant: who.tenant.id,
            sender: who.principal.account.username.clone(),
            fired_by: Some(who.principal.account.id),
            portal: None,
            product: ctx.product.clone(),
            now: tools.clock.now(),
        },
        is_administrator: who.role().is_some_and(Role::administers),
        form_hash: nonce.hash(&fields),
    };
    let outcome = match fields.check(Source::Form, BTreeMap::new()) {
        Err(errors) => {
            let typed = fields.clone();
            let looked_up = tools.db.read(move |c| submission.look_up(c, &typed)).await?;
            looked_up.joined_with(Err(errors))
        }
        Ok(alert) if nonce.preview.is_empty() => {
            submission.submit(&tools, who.tenant.clone(), &request, &who, (fields.clone(), alert)).await?
        }
        Ok(alert) => {
            let typed = fields.clone();
            tools.db.read_blocking(move |c| submission.preview(c, &typed, &alert)).await?
        }
    };
    let (status, errors, preview) = match outcome {
        Ok(FireOutcome::Fired(event, flash_key)) => {
            return Ok(redirect_with_flash(&format!("{path}/{event}"), flash_key));
        }
        Ok(FireOutcome::Preview(part)) => (StatusCode::OK, FieldErrors::default(), Some(part)),
        Err(errors) => (StatusCode::UNPROCESSABLE_ENTITY, errors, None),
    };
    web::render_page(status, &FirePage { ctx: ctx.with_viewer(&who), path, fields, nonce, errors, preview })
}

/// What became of the form.
enum FireOutcome {
    /// The event, and the key of what the next page says.
    Fired(AlertId, &'static str),
    Preview(PreviewSection),
}

/// Somebody who fires an alert by the form.
#[derive(Clone)]
struct AlertSubmission {
    context: AlertContext,
    is_administrator: bool,
    /// What the database keeps of the form.
    form_hash: Option<Vec<u8>>,
}

impl AlertSubmission {
    /// The mistakes that only the database knows: whom a person names is somebody of the tenant, and what he resolves is his to
    /// resolve.
    fn look_up(&self, c: &mut AnyConnection, fields: &AlertFields) -> Result<FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Some(key) = fields.resolved_key() {
            let owner = self.context.key_owner();
            let key = self.context.event_key(&owner, key);
            let own = events::last_of_key(c, key)?.filter(|event| event.is_open());
            // Events from before keys had owners: whoever only fires alerts must not be able to end those of other systems.
            if own.as_ref().is_some_and(|event| event.source != Source::Form.as_str() && !self.is_administrator) {
                errors.add("status", "alerts-resolve-rule");
            }
            if own.is_none() && events::is_open_for_other_owner(c, key)? {
                errors.add("status", "alerts-resolve-other");
            }
        }
        let named = candidates::find_by_usernames(c, self.context.tenant, &fields.readable_receivers())?;
        let unknown = named.into_iter().filter(|person| person.member.is_none());
        let unknown: Vec<String> = unknown.map(|person| person.name).collect();
        if !unknown.is_empty() {
            errors.0.extend(unknown_members_error(&unknown).0);
        }
        Ok(errors)
    }

    fn preview(
        &self,
        c: &mut AnyConnection,
        fields: &AlertFields,
        alert: &IncomingAlert,
    ) -> Result<std::result::Result<FireOutcome, FieldErrors>> {
        let errors = self.look_up(c, fields)?;
        if !errors.is_empty() {
            return Ok(Err(errors));
        }
        let routing_preview = preview_routing(c, &self.context, alert)?;
        let mut robots = HashMap::new();
        if self.is_administrator {
            let ids: Vec<MemberId> =
                routing_preview.routing.deliveries.iter().filter_map(|delivery| delivery.person.member).collect();
            robots = shown::find_named_robots(c, self.context.tenant, &ids)?;
        }
        Ok(Ok(FireOutcome::Preview(PreviewSection { routing_preview, robots })))
    }

    async fn submit(
        &self,
        tools: &Tools,
        tenant: Tenant,
        request: &HttpRequest,
        who: &Can<FireAlerts>,
        (fields, alert): (AlertFields, IncomingAlert),
    ) -> Result<std::result::Result<FireOutcome, FieldErrors>> {
        let (submission, actor) = (self.clone(), request_actor(request, &who.principal.account));
        let stored = who
            .write(&tools.db, move |c| {
                if let Some(event) = submission.find_earlier(c)? {
                    return Ok(Ok(event));
                }
                let errors = submission.look_up(c, &fields)?;
                if !errors.is_empty() {
                    return Ok(Err(errors));
                }
                let ingested = super::ingest::ingest(c, &submission.context, &alert)?;
                if let Some(form) = &submission.form_hash {
                    events::record_form_hash(c, ingested.entry, form)?;
                }
                let entry = audit::Entry {
                    tenant: Some(tenant.id),
                    action: "alert-fired",
                    object: &alert.title,
                    changes: Vec::new(),
                };
                audit::record(c, &actor, &entry, submission.context.now)?;
                let resolves = alert.signal == Signal::Resolved;
                let flash_key = match &ingested.no_recipient_reason {
                    Some(NoRecipientReason::NotOpen) => "flash-alert-not-open-unheard",
                    Some(_) => "flash-alert-fired-unheard",
                    None if resolves => "flash-alert-resolved",
                    None => "flash-alert-fired",
                };
                Ok(Ok(FireOutcome::Fired(ingested.alert, flash_key)))
            })
            .await;
        match stored {
            // Two clicks at the same moment: the other one was stored.
            Err(Error::AlreadyExists) => {
                let submission = self.clone();
                let before = tools.db.read(move |c| submission.find_earlier(c)).await?;
                before.map(Ok).ok_or(Error::AlreadyExists)
            }
            stored => stored.inspect(|_| tools.waker.wake()),
        }
    }

    /// What this very form has fired already.
    fn find_earlier(&self, c: &mut AnyConnection) -> Result<Option<FireOutcome>> {
        let Some(form) = &self.form_hash else { return Ok(None) };
        let event = events::find_by_form_hash(c, self.context.tenant, form)?;
        Ok(event.map(|event| FireOutcome::Fired(event, "flash-alert-fired-once")))
    }
}

#[derive(Template)]
#[template(path = "alerts/list.html")]
struct ListPage {
    ctx: PageContext,
    path: String,
    query: EventListQuery,
    rows: Vec<EventRow>,
    keyset: Keyset<EventPosition>,
    now: NaiveDateTime,
    may_fire: bool,
    may_handle: bool,
    form: HandleForm,
    errors: FieldErrors,
    /// What is no longer there, where the list ends.
    removed: Vec<String>,
}

impl ListPage {
    fn is_selected(&self, id: &AlertId) -> bool {
        self.form.id.contains(id)
    }
}

async fn list_page<P>(
    tools: &Tools,
    who: &Can<P>,
    ctx: PageContext,
    query: EventListQuery,
    form: HandleForm,
    errors: FieldErrors,
) -> Result<HttpResponse> {
    let (tenant, now) = (who.tenant.id, tools.clock.now());
    let filter = query.filter(now, Times::for_zone(&who.tenant.time_zone), who.member());
    let since = filter.from;
    let ((rows, keyset), removed) = tools
        .db
        .read(move |c| {
            Ok((events_list::list(c, tenant, &filter)?, retention::store::removed(c, Some(tenant), now)?.alerts))
        })
        .await?;
    let ends = keyset.older.is_none() && retention::reaches(removed, since);
    let removed = removed.filter(|_| ends).map(|before| Times::for_zone(&who.tenant.time_zone).format_day(&before));
    let removed = removed.map(|local_date| ctx.t_with("retention-removed-alerts", "date", &local_date).into_owned());
    let ctx = ctx.with_viewer(who);
    let version = handling::version(rows.iter().map(|row| (row.id, row.is_quiet_until(&now))));
    let form = HandleForm { form_version: version, ..form };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = ListPage {
        ctx,
        path: alerts_path(&who.tenant),
        query,
        rows,
        keyset,
        now,
        may_fire: who.may(Action::FireAlerts),
        may_handle: who.may(Action::HandleAlerts),
        form,
        errors,
        removed: removed.into_iter().collect(),
    };
    web::render_page(status, &page)
}

/// The events.
pub async fn list(
    tools: Data<Tools>,
    who: Can<ViewAlerts>,
    ctx: PageContext,
    Parameters(query, unread): Parameters<EventListQuery>,
) -> Result<HttpResponse> {
    list_page(&tools, &who, ctx.with_unknown_parameters(unread), query, HandleForm::default(), FieldErrors::default())
        .await
}

/// Does something to the events that were chosen in the list.
pub async fn handle_many(
    tools: Data<Tools>,
    who: Can<HandleAlerts>,
    request: HttpRequest,
    ctx: PageContext,
    Parameters(query, unread): Parameters<EventListQuery>,
    Form(form): Form<HandleForm>,
) -> Result<HttpResponse> {
    let what = form.check(tools.clock.now(), Times::for_zone(&who.tenant.time_zone));
    match (form.selected_ids(), what) {
        (Ok(ids), Ok(what)) => match apply_handling(&tools, &who, &request, ids, what, form.clone()).await? {
            Ok(flash_key) => {
                Ok(redirect_with_flash(&format!("{}{}", alerts_path(&who.tenant), query.to_url_suffix()), flash_key))
            }
            Err(errors) => list_page(&tools, &who, ctx.with_unknown_parameters(unread), query, form, errors).await,
        },
        (ids, what) => {
            let errors = FieldErrors(ids.err().into_iter().chain(what.err()).flat_map(|errors| errors.0).collect());
            list_page(&tools, &who, ctx.with_unknown_parameters(unread), query, form, errors).await
        }
    }
}

/// Does it, and answers the key of what the next page says, unless somebody else changed the same meanwhile.
async fn apply_handling(
    tools: &Tools,
    who: &Can<HandleAlerts>,
    request: &HttpRequest,
    ids: Vec<AlertId>,
    what: Handling,
    form: HandleForm,
) -> Result<std::result::Result<&'static str, FieldErrors>> {
    let (tenant, actor, now) = (who.tenant.id, request_actor(request, &who.principal.account), tools.clock.now());
    let times = Times::for_zone(&who.tenant.time_zone);
    who.write(&tools.db, move |c| {
        let events = event_handling::lock(c, tenant, &ids, now)?;
        if let Err(errors) = form.check_unchanged(what, &events, times) {
            return Ok(Err(errors));
        }
        let titles = event_handling::apply_to_events(c, tenant, &ids, what, &actor.name, now)?;
        for title in &titles {
            let changes = match what {
                Handling::Mute(until) => {
                    let until = format!("{} ({})", times.format(&until), times.zone_name());
                    Change::between("alerts-quiet-until", "", &until).into_iter().collect()
                }
                Handling::Unmute | Handling::Finish => Vec::new(),
            };
            let entry = audit::Entry { tenant: Some(tenant), action: what.audit_action(), object: title, changes };
            audit::record(c, &actor, &entry, now)?;
        }
        Ok(Ok(what.flash_key(titles.len())))
    })
    .await
}

/// Which page of a time line is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct TimelineQuery {
    /// The page of the entries older than this one.
    before: String,
}

impl TimelineQuery {
    fn before(&self) -> Option<EntryId> {
        self.before.parse().ok().map(EntryId)
    }
}

impl ListParameters for TimelineQuery {
    const NAMES: &'static [&'static str] = &["before"];

    fn unknown_parameters(&self) -> Unread {
        unread(&[("before", &self.before, self.before().is_some())])
    }
}

#[derive(Template)]
#[template(path = "alerts/show.html")]
struct ShowPage {
    ctx: PageContext,
    base: String,
    event: EventDetails,
    timeline: Timeline,
    /// Whether this is not the newest page of the time line.
    is_older: bool,
    now: NaiveDateTime,
    may_handle: bool,
    may_add_rules: bool,
    form: HandleForm,
    errors: FieldErrors,
}

/// The fields of a rule that matches alerts like this one, as the query of the page that adds it.
fn new_rule_query(event: &EventDetails) -> String {
    let label = ["alertname", "portal"].into_iter().find_map(|name| Some((name, event.labels.get(name)?)));
    let matcher =
        label.map(|(name, value)| Matcher::from_stored(name.to_owned(), Operator::Equal, value.clone()).to_string());
    let letters = event.title.chars().map(|c| if c.is_alphanumeric() || "_- ".contains(c) { c } else { ' ' });
    let words: String = letters.take(36).collect();
    let name = words.split_whitespace().collect::<Vec<_>>().join(" ");
    query_string(&[
        ("name", &name),
        ("severity", event.severity.as_str()),
        ("source", event.source.as_str()),
        ("matchers", matcher.as_deref().unwrap_or_default()),
    ])
}

impl ShowPage {
    fn path(&self) -> String {
        format!("{}/alerts", self.base)
    }

    fn rule_names_text(&self, rules: &str) -> String {
        if rules.is_empty() { self.ctx.t("alerts-by-sender").into_owned() } else { rules.to_owned() }
    }

    /// Why nobody has been notified of an open event, by its newest firing.
    fn no_recipient_key(&self) -> Option<&'static str> {
        if self.is_older || self.event.reached > 0 || self.event.finished_at.is_some() {
            return None;
        }
        let is_firing = |entry: &&TimelineEntry| matches!(entry.kind, EntryKind::Firing | EntryKind::Repeated);
        let entry = self.timeline.entries.iter().find(is_firing)?;
        Some(match () {
            () if entry.rules.iter().any(|evaluated| evaluated.outcome == "do-not-disturb") => "alerts-unheard-muted",
            () if !entry.deliveries.is_empty() => "alerts-unheard-nobody-reachable",
            () if !entry.rules.is_empty() => "alerts-unheard-rules",
            () => "alerts-unheard-no-rule",
        })
    }

    /// Where a rule for alerts like this one is added, for those who may.
    fn new_rule_url(&self) -> Option<String> {
        let event = &self.event;
        let is_rules = event.receivers.is_empty();
        (self.may_add_rules && is_rules).then(|| format!("{}/alert-rules/new?{}", self.base, new_rule_query(event)))
    }

    /// The key of an entry's heading.
    fn entry_key(&self, kind: &EntryKind) -> &'static str {
        match kind {
            EntryKind::Firing => "alerts-entry-firing",
            EntryKind::Repeated => "alerts-entry-repeated",
            EntryKind::Resolved => "alerts-entry-resolved",
            EntryKind::Muted => "alerts-entry-quiet",
            EntryKind::Unmuted => "alerts-entry-loud",
            EntryKind::MuteEnded => "alerts-entry-quiet-ended",
            EntryKind::Finished => "alerts-entry-finished",
        }
    }

    /// Whether an alert came in by this entry, so that somebody may have been told.
    fn is_incoming(&self, kind: &EntryKind) -> bool {
        matches!(kind, EntryKind::Firing | EntryKind::Repeated | EntryKind::MuteEnded | EntryKind::Resolved)
    }
}

async fn show_page<P>(
    tools: &Tools,
    who: &Can<P>,
    ctx: PageContext,
    (id, before): (AlertId, Option<EntryId>),
    form: HandleForm,
    errors: FieldErrors,
) -> Result<HttpResponse> {
    let tenant = who.tenant.id;
    let scope = match &who.membership {
        Some(membership) if membership.role.administers() => DeliveryScope::Tenant,
        Some(membership) => DeliveryScope::Member(membership.member),
        None => return Err(Error::NotFound),
    };
    let (event, timeline) = tools
        .db
        .read(move |c| {
            let event = shown::find(c, tenant, id)?;
            let timeline = shown::load_timeline(c, tenant, &event, before, scope)?;
            Ok((event, timeline))
        })
        .await?;
    let now = tools.clock.now();
    let form = HandleForm { form_version: handling::version([(event.id, event.active_mute_until(&now))]), ..form };
    let status = if errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = ShowPage {
        ctx: ctx.with_viewer(who),
        base: format!("/t/{}", who.tenant.slug),
        event,
        timeline,
        is_older: before.is_some(),
        now,
        may_handle: who.may(Action::HandleAlerts),
        may_add_rules: who.may(Action::EditAlertRules),
        form,
        errors,
    };
    web::render_page(status, &page)
}

/// One event with its time line.
pub async fn show(
    tools: Data<Tools>,
    who: Can<ViewAlerts>,
    ctx: PageContext,
    path: Path<(String, AlertId)>,
    Parameters(asked, unread): Parameters<TimelineQuery>,
) -> Result<HttpResponse> {
    let ctx = ctx.with_unknown_parameters(unread);
    show_page(&tools, &who, ctx, (path.1, asked.before()), HandleForm::default(), FieldErrors::default()).await
}

/// Does something to this event.
pub async fn handle(
    tools: Data<Tools>,
    who: Can<HandleAlerts>,
    request: HttpRequest,
    ctx: PageContext,
    path: Path<(String, AlertId)>,
    Form(form): Form<HandleForm>,
) -> Result<HttpResponse> {
    let id = path.1;
    match form.check(tools.clock.now(), Times::for_zone(&who.tenant.time_zone)) {
        Ok(what) => match apply_handling(&tools, &who, &request, vec![id], what, form.clone()).await? {
            Ok(flash_key) => Ok(redirect_with_flash(&format!("{}/{id}", alerts_path(&who.tenant)), flash_key)),
            Err(errors) => show_page(&tools, &who, ctx, (id, None), form, errors).await,
        },
        Err(errors) => show_page(&tools, &who, ctx, (id, None), form, errors).await,
    }
}
