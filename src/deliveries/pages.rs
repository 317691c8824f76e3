//! The pages of the Alert Delivery Record.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Bytes, Data, Path},
};
use askama::Template;
use futures_util::{Stream, StreamExt as _, stream};

use super::{
    export,
    form::DeliveryQuery,
    model::DeliveryViewer,
    store::{self, DeliveryDetails, DeliveryFilter, DeliveryRow, DeliveryScope, MAX_RESENT_AT_ONCE},
};
use crate::{
    access::{
        Actor, Can, Role,
        permissions::{ResendDeliveries, ViewDeliveries},
    },
    audit::{self, Change, Entry},
    channels::{Switches, channel_key, store as channels},
    clock::Clock,
    db::{AccountId, AnyConnection, Database, DeliveryId, Keyset, TenantId},
    delivery::{self, DeliveryReason, DeliveryState, Waker, reason_key},
    error::{Error, Result},
    language::Language,
    retention::{self, Removed, reaches},
    robots::Channel,
    web::{
        self, Form, ListParameters as _, PageContext, Parameters, Times, redirect, redirect_with_flash, request_actor,
    },
};

/// Rows of a download that are read at once.
const CSV_BATCH_ROWS: usize = 1_000;

/// Administrators see every row of their tenant, members their own.
fn visible_scope(who: &Can<ViewDeliveries>) -> Result<DeliveryScope> {
    match &who.membership {
        Some(membership) if membership.role.administers() => Ok(DeliveryScope::Tenant),
        Some(membership) => Ok(DeliveryScope::Member(membership.member)),
        None => Err(Error::NotFound),
    }
}

/// Where the record is.
fn record_path<P>(who: &Can<P>) -> String {
    format!("/t/{}/deliveries", who.tenant.slug)
}

#[derive(Template)]
#[template(path = "deliveries/list.html")]
struct ListPage {
    ctx: PageContext,
    /// Where the tenant's pages are.
    base: String,
    path: String,
    is_own_only: bool,
    filters: DeliveryQuery,
    switches: Switches,
    rows: Vec<DeliveryRow>,
    keyset: Keyset,
    /// What is no longer there, where the list ends.
    removed: Vec<String>,
}

impl ListPage {
    /// The names of the channels that are off; nothing when none is.
    fn disabled_channels(&self) -> String {
        let disabled = Channel::ALL.iter().filter(|channel| !self.switches.is_on(channel));
        disabled.map(|channel| self.ctx.t(channel_key(channel))).collect::<Vec<_>>().join(" · ")
    }

    /// The reasons that can be chosen, by word, each with the first sentence of its text.
    fn reason_options(&self) -> Vec<(&'static str, String)> {
        let name = |reason: DeliveryReason| super::first_sentence(&self.ctx.t(reason.key())).to_owned();
        super::selectable_reasons().map(|reason| (reason.as_str(), name(reason))).collect()
    }
}

/// The record.
pub async fn list(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<ViewDeliveries>,
    ctx: PageContext,
    Parameters(asked, unread): Parameters<DeliveryQuery>,
) -> Result<HttpResponse> {
    let ctx = ctx.with_viewer(&who).with_unknown_parameters(unread);
    let (tenant, scope, filter, seek) = (who.tenant.id, visible_scope(&who)?, asked.filter(ctx.times()), asked.seek());
    let (since, now) = (filter.since, clock.now());
    let ((rows, keyset), settings, removed) = db
        .read(move |c| {
            let listed = store::list(c, tenant, scope, &filter, seek)?;
            Ok((listed, channels::settings(c, tenant)?, retention::store::removed(c, Some(tenant), now)?))
        })
        .await?;
    let removed = if keyset.older.is_none() { removal_notices(&ctx, removed, since) } else { Vec::new() };
    let page = ListPage {
        path: record_path(&who),
        base: format!("/t/{}", who.tenant.slug),
        is_own_only: !who.role().is_some_and(Role::administers),
        ctx,
        filters: asked,
        switches: settings.effective().clone(),
        rows,
        keyset,
        removed,
    };
    web::render_page(StatusCode::OK, &page)
}

/// Which deliveries are no longer there, of those that a list back to `since` would show.
fn removal_notices(ctx: &PageContext, removed: Removed, since: Option<chrono::NaiveDateTime>) -> Vec<String> {
    let sentence = |key, before: Option<chrono::NaiveDateTime>| {
        let date = before.filter(|_| reaches(before, since)).map(|before| ctx.times().format_day(&before))?;
        Some(ctx.t_with(key, "date", &date).into_owned())
    };
    let sentences = if removed.alerts == removed.deliveries {
        [sentence("retention-removed-all-deliveries", removed.deliveries), None]
    } else {
        [
            sentence("retention-removed-alert-deliveries", removed.alerts),
            sentence("retention-removed-deliveries", removed.deliveries),
        ]
    };
    sentences.into_iter().flatten().collect()
}

/// The record as a CSV file.
pub async fn download(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<ViewDeliveries>,
    request: HttpRequest,
    ctx: PageContext,
    Parameters(asked, unread): Parameters<DeliveryQuery>,
) -> Result<HttpResponse> {
    // A file would not say which of its filters was left out; the page does.
    if !unread.is_empty() && !web::accepts_pages(&request) {
        return Ok(web::refuse_parameters(&unread, ctx.language));
    }
    if !unread.is_empty() {
        return Ok(redirect(&format!("{}?{}", record_path(&who), request.query_string())));
    }
    let ctx = ctx.with_viewer(&who);
    let (times, language) = (ctx.times(), ctx.language);
    let name = format!("deliveries-{}-{}.csv", who.tenant.slug, times.format_day(&clock.now()));
    let (tenant, scope, filter) = (who.tenant.id, visible_scope(&who)?, asked.filter(times));
    let head = Bytes::from(export::csv_header(language)?);
    let rows = csv_stream(db, tenant, scope, filter, language, times);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")))
        .streaming(stream::iter([Ok(head)]).chain(rows)))
}

/// How far a download is.
enum DownloadState {
    Rows(Option<(chrono::NaiveDateTime, DeliveryId)>),
    Done,
}

/// The lines of a download, batch after batch, so that a record of any length needs the memory of one batch. Rows that
/// come in meanwhile are newer than what is read and are left out.
fn csv_stream(
    db: Data<Database>,
    tenant: TenantId,
    scope: DeliveryScope,
    filter: DeliveryFilter,
    language: Language,
    times: Times,
) -> impl Stream<Item = Result<Bytes>> {
    stream::try_unfold(DownloadState::Rows(None), move |progress| {
        let (db, filter) = (db.clone(), filter.clone());
        async move {
            let DownloadState::Rows(after) = progress else { return Ok(None) };
            let size = i64::try_from(CSV_BATCH_ROWS).unwrap_or(i64::MAX);
            let batch = db.read(move |c| store::load_batch(c, tenant, scope, &filter, after, size)).await;
            // The head of the answer is sent already: all that the reader sees is a file that breaks off.
            let batch = batch.inspect_err(|fault| tracing::warn!(%tenant, %fault, "download broken off"))?;
            let next = match batch.last() {
                Some(last) if batch.len() == CSV_BATCH_ROWS => DownloadState::Rows(Some((last.created_at, last.id))),
                _ => DownloadState::Done,
            };
            Ok(Some((Bytes::from(export::csv_rows(&batch, language, times)?), next)))
        }
    })
}

#[derive(Template)]
#[template(path = "deliveries/show.html")]
struct ShowPage {
    ctx: PageContext,
    slug: String,
    /// Whether the delivery's channel is on, if it has one.
    channel_is_on: bool,
    /// Whether the viewer may send it again.
    may_resend: bool,
    delivery: DeliveryDetails,
    viewer: DeliveryViewer,
}

impl ShowPage {
    /// Why it stands as it does; to the recipient himself it is said in the second person.
    fn reason(&self) -> String {
        let word = self.delivery.row.reason.as_str();
        let key =
            if word == "no-contact" && self.viewer.is_own() { "courier-no-contact-own" } else { reason_key(word) };
        self.ctx.t(key).into_owned()
    }

    /// The name of the page where the cause can be removed, and its path.
    fn remedy_link(&self) -> Option<(&'static str, String)> {
        self.viewer.remedy_link(&self.delivery.row.reason, &format!("/t/{}", self.slug))
    }
}

/// One delivery, with every call of its robot.
pub async fn show(
    db: Data<Database>,
    who: Can<ViewDeliveries>,
    ctx: PageContext,
    path: Path<(String, DeliveryId)>,
) -> Result<HttpResponse> {
    let (tenant, scope, (_, id)) = (who.tenant.id, visible_scope(&who)?, path.into_inner());
    let (delivery, settings) =
        db.read(move |c| Ok((store::find(c, tenant, scope, id)?, channels::settings(c, tenant)?))).await?;
    let channel_is_on = delivery.row.channel.is_none_or(|channel| settings.effective().is_on(&channel));
    let may_resend = delivery.row.may_be_resent && who.role().is_some_and(Role::administers);
    let slug = who.tenant.slug.clone();
    let viewer = DeliveryViewer {
        viewer: who.member(),
        is_administrator: who.role().is_some_and(Role::administers),
        recipient: delivery.member,
        alert: delivery.row.alert,
    };
    web::render_page(
        StatusCode::OK,
        &ShowPage { ctx: ctx.with_viewer(&who), slug, channel_is_on, may_resend, delivery, viewer },
    )
}

/// Who sends again what failed in a tenant, and when.
struct ResendRequest {
    tenant: TenantId,
    account: AccountId,
    actor: Actor,
    now: chrono::NaiveDateTime,
}

impl ResendRequest {
    fn from_request(who: &Can<ResendDeliveries>, request: &HttpRequest, clock: &Clock) -> Self {
        let account = &who.principal.account;
        Self { tenant: who.tenant.id, account: account.id, actor: request_actor(request, account), now: clock.now() }
    }

    /// Sends again what may be of these, and writes down what was asked for.
    fn resend_and_audit(
        &self,
        c: &mut AnyConnection,
        deliveries: &[DeliveryId],
        object: &str,
        changes: Vec<Change>,
    ) -> Result<Vec<delivery::Resent>> {
        let resent = delivery::resend(c, self.tenant, deliveries, self.account, self.now)?;
        if !resent.is_empty() {
            let entry = Entry { tenant: Some(self.tenant), action: "deliveries-resent", object, changes };
            audit::record(c, &self.actor, &entry, self.now)?;
        }
        Ok(resent)
    }
}

/// Sends one delivery again.
pub async fn resend(
    (db, clock, waker): (Data<Database>, Data<Clock>, Data<Waker>),
    who: Can<ResendDeliveries>,
    request: HttpRequest,
    path: Path<(String, DeliveryId)>,
) -> Result<HttpResponse> {
    let (resend_request, (_, id)) = (ResendRequest::from_request(&who, &request, &clock), path.into_inner());
    let resent = who
        .write(&db, move |c| {
            let found = store::find(c, resend_request.tenant, DeliveryScope::Tenant, id)?.row;
            let number = Change::between("deliveries-number", "", &id.to_string());
            resend_request.resend_and_audit(c, &[id], &found.object, number.into_iter().collect())
        })
        .await?;
    let page = |id: DeliveryId| format!("{}/{id}", record_path(&who));
    let Some(one) = resent.first() else { return Ok(redirect_with_flash(&page(id), "flash-deliveries-not-resent")) };
    waker.wake();
    let flash_key = if one.is_waiting { "flash-deliveries-resent-one" } else { "flash-deliveries-resent-in-vain" };
    Ok(redirect_with_flash(&page(one.replacement), flash_key))
}

#[derive(Template)]
#[template(path = "deliveries/resend.html")]
struct ResendPage {
    ctx: PageContext,
    path: String,
    filters: DeliveryQuery,
    /// How many are sent again.
    count: i64,
    /// The newest of them.
    newest: i64,
    /// Whether more fit than are sent at once.
    has_more: bool,
}

impl ResendPage {
    /// What narrows the choice: the label's key, and the value as people read it.
    fn active_filters(&self) -> Vec<(&'static str, String)> {
        active_filters(&self.filters, |key| self.ctx.t(key).into_owned())
    }

    /// The largest number that is sent again at once.
    fn limit(&self) -> i64 {
        i64::try_from(MAX_RESENT_AT_ONCE).unwrap_or(i64::MAX)
    }
}

/// The filters that are set, by their labels' keys; the words of the program as `text` says them.
fn active_filters(query: &DeliveryQuery, text: impl Fn(&str) -> String) -> Vec<(&'static str, String)> {
    let display_value = |name: &str, value: &str| match name {
        "status" => DeliveryState::parse(value).map(|state| text(super::state_key(&state))),
        "channel" => Channel::parse(value).map(|channel| text(channel_key(&channel))),
        "reason" => DeliveryReason::parse(value).map(|reason| text(reason.key())),
        _ => Some(value.to_owned()),
    };
    let set = query.filter_fields().into_iter().filter(|(_, _, value)| !value.trim().is_empty());
    set.filter_map(|(key, name, value)| Some((key, display_value(name, value)?))).collect()
}

/// Asks whether all that failed and fits is really to be sent again.
pub async fn resend_all_form(
    db: Data<Database>,
    who: Can<ResendDeliveries>,
    request: HttpRequest,
    ctx: PageContext,
    Parameters(asked, unread): Parameters<DeliveryQuery>,
) -> Result<HttpResponse> {
    // What is narrowed by nothing would be everything.
    if !unread.is_empty() {
        return Ok(redirect(&format!("{}?{}", record_path(&who), request.query_string())));
    }
    let ctx = ctx.with_viewer(&who);
    let (tenant, filter) = (who.tenant.id, asked.filter(ctx.times()));
    let mut ids = db.read(move |c| store::find_resendable(c, tenant, &filter, None)).await?;
    let has_more = ids.len() > MAX_RESENT_AT_ONCE;
    ids.truncate(MAX_RESENT_AT_ONCE);
    let (count, newest) = (i64::try_from(ids.len()).unwrap_or(i64::MAX), ids.iter().max().map_or(0, |id| id.0));
    web::render_page(
        StatusCode::OK,
        &ResendPage { ctx, path: record_path(&who), filters: asked, count, newest, has_more },
    )
}

/// Sends again all that failed and fits.
pub async fn resend_all(
    (db, clock, waker): (Data<Database>, Data<Clock>, Data<Waker>),
    who: Can<ResendDeliveries>,
    request: HttpRequest,
    ctx: PageContext,
    Form(query): Form<DeliveryQuery>,
) -> Result<HttpResponse> {
    if !query.unknown_parameters().is_empty() {
        return Ok(redirect(&format!("{}?{}", record_path(&who), query.to_query_string())));
    }
    let (resend_request, filter) =
        (ResendRequest::from_request(&who, &request, &clock), query.filter(ctx.with_viewer(&who).times()));
    // Without a number nobody has seen how many it would be.
    let newest = query.newest.unwrap_or_default();
    let resent = who
        .write(&db, move |c| {
            let mut ids = store::find_resendable(c, resend_request.tenant, &filter, Some(newest))?;
            ids.truncate(MAX_RESENT_AT_ONCE);
            let count = ids.len().to_string();
            let filters = active_filters(&query, str::to_owned).into_iter();
            let filters = filters.filter_map(|(key, value)| Change::between(key, "", &value));
            let changes = filters.chain(Change::between("deliveries-count", "", &count)).collect();
            resend_request.resend_and_audit(c, &ids, "", changes)
        })
        .await?;
    if resent.is_empty() {
        return Ok(redirect_with_flash(&record_path(&who), "flash-deliveries-none-resent"));
    }
    waker.wake();
    let flash_key = match resent.iter().filter(|one| one.is_waiting).count() {
        0 => "flash-deliveries-all-in-vain",
        waiting if waiting < resent.len() => "flash-deliveries-resent-some",
        _ => "flash-deliveries-resent-all",
    };
    Ok(redirect_with_flash(&record_path(&who), flash_key))
}
