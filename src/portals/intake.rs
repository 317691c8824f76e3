//! The doors that portals post to: who posts is proven, what is posted is read, and all that follows is stored in one
//! transaction before anything is answered.

mod storing;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::Duration,
};

use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse,
    http::header,
    web::{Data, Payload},
};
use chrono::{DateTime, NaiveDateTime};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    content::decoded,
    fields::{Encoding, Posted},
    model::{Caller, FORM_LASTS, LONGEST_KEY, Scope},
    monitoring::{Body, Group},
    problem::{self, Answer, FOREIGN_RETURN, Problem},
    refusals::note_caller,
    signing,
    store::posts,
};
use crate::{
    alerts::{
        self, AlertFields, IncomingAlert, IngestTransaction, Ingested, NoRecipientReason, PORTAL_LABEL, PreparedBatch,
        Snapshots, Source, link_error,
    },
    db::{AnyConnection, Batchable, Database, Lane, PortalId, Workload},
    error::{Error, Result},
    language::Language,
    members::{EditAccount, PostedMember, Saved, Sender, Tools, save_posted},
    secrets::PlainToken,
    templates::store as templates,
    text::{close_directions, isolated, join_names, trim_invisible, whole_number},
    web::{FieldError, FieldErrors, WebConfig, accepted_language, check_length, client_address, own_origin, read_body},
};

/// Every path of the intake, known or not.
pub const ANYWHERE: &str = "/intake{rest:(/.*)?}";
/// The largest form, in bytes: the longest content and a thousand receivers, percent-encoded.
const LARGEST_FORM: usize = 128 * 1024;
/// The largest group of a monitoring system, in bytes: some thousand alerts.
const LARGEST_GROUP: usize = 2 * 1024 * 1024;
/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often alerts are decided again when what they are decided by changes meanwhile.
const ROUNDS: usize = 3;
/// The fields that prove who sends a signed form.
const PROOF: [&str; 4] = ["portal", "expires", "nonce", "signature"];
/// The field that says where the person is sent afterwards.
const RETURN_TO: &str = "return_to";
/// The longest nonce, in characters.
const LONGEST_NONCE: usize = 255;
/// The fields of a member.
const MEMBER: [&str; 10] = [
    "username",
    "display_name",
    "phone",
    "email",
    "dingtalk_robot",
    "dingtalk_secret",
    "lark_robot",
    "lark_secret",
    "wecom_robot",
    "notify",
];
/// The fields of an alert.
const ALERT: [&str; 7] = ["title", "content", "severity", "status", "key", "receivers", "link"];

/// The result of everything that can be refused.
type Proven<T> = std::result::Result<T, Problem>;

/// A post whose sender is proven and may do what this door is for.
#[derive(Clone, Debug)]
pub struct Post {
    /// Who sends it.
    pub caller: Caller,
    /// The hash of the token that proves it, or that was made with the key of its signature.
    token_hash: Vec<u8>,
    /// What it needs the portal's permission for.
    scope: Scope,
    /// The address that it came from.
    pub address: String,
    /// When it came in.
    pub now: NaiveDateTime,
    /// The origin of our pages, for the address of what is stored.
    origin: String,
    /// The word that every message holds.
    product: String,
    /// What makes a repetition be answered as the first was.
    key: Option<Key>,
    /// The nonce that is spent, of a signed form.
    form: Option<SignedForm>,
    /// Where the person is sent when the post is accepted.
    return_to: Option<String>,
    /// The language of the answer.
    language: Language,
    /// Whether fields stand in the address, where nothing reads them.
    has_query: bool,
    /// What alerts are decided by.
    snapshots: Snapshots,
}

/// An idempotency key, and the hash of what was posted with it.
#[derive(Clone, Debug)]
struct Key {
    text: String,
    body_hash: Vec<u8>,
}

/// What a signed form says of itself.
#[derive(Clone, Debug)]
struct SignedForm {
    nonce: String,
    /// Unix seconds.
    expires: i64,
}

impl SignedForm {
    fn read(fields: &Posted) -> Proven<Self> {
        let mut errors = FieldErrors::default();
        let (nonce, expires) = (fields.text("nonce"), whole_number(&fields.text("expires")));
        if nonce.is_empty() || nonce.chars().count() > LONGEST_NONCE {
            errors.add("nonce", "portals-nonce-rule");
        }
        if expires.is_none() {
            errors.add("expires", "portals-expires-rule");
        }
        match expires {
            Some(expires) if errors.is_empty() => Ok(Self { nonce, expires }),
            _ => Err(Problem::Fields(errors)),
        }
    }

    /// The moment it expires, if it may be accepted now.
    fn expires_at(&self, now: NaiveDateTime) -> Proven<NaiveDateTime> {
        let ahead = self.expires.saturating_sub(now.and_utc().timestamp());
        let expires_at = DateTime::from_timestamp(self.expires, 0).ok_or(Problem::TooFarAhead);
        match ahead {
            ..=0 => Err(Problem::Expired),
            ahead if ahead > FORM_LASTS.num_seconds() => Err(Problem::TooFarAhead),
            _ => expires_at.map(|at| at.naive_utc()),
        }
    }
}

impl Post {
    /// Takes a post of raw bytes, which a token proves.
    ///
    /// # Errors
    /// Why it is refused.
    pub async fn with_body(
        tools: &Tools,
        request: &HttpRequest,
        payload: Payload,
        scope: Scope,
        largest: usize,
    ) -> Proven<(Self, Vec<u8>)> {
        let token = token(request)?.ok_or(Problem::NotProven)?;
        let proven = by_token(tools, token).await?;
        note_caller(request, &proven.0);
        let body = read(request, payload, largest).await?;
        let post = Self::new(tools, request, proven, scope, &body)?;
        if post.caller.may(scope) { Ok((post, body)) } else { Err(Problem::OutOfScope) }
    }

    /// Takes a post of fields, of which these are known, and which a token proves or a signature.
    async fn with_fields(
        tools: &Tools,
        request: &HttpRequest,
        payload: Payload,
        scope: Scope,
        known: &[&str],
    ) -> Proven<(Self, Posted)> {
        let proven = match token(request)? {
            Some(token) => Some(by_token(tools, token).await?),
            None => None,
        };
        if let Some(proven) = &proven {
            note_caller(request, &proven.0);
        }
        let encoding = encoding(request)?;
        let body = read(request, payload, LARGEST_FORM).await?;
        let mut fields = Posted::parse(encoding, &body)?;
        let (mut post, known) = match proven {
            Some(proven) => (Self::new(tools, request, proven, scope, &body)?, [known, &[RETURN_TO]].concat()),
            // Which value of a field that stands there twice is signed cannot be known.
            None if fields.has_errors() => {
                fields.refuse_unknown(&[known, &PROOF, &[RETURN_TO]].concat());
                return Err(fields.finish(Ok(())).err().map_or(Problem::NotProven, Problem::Fields));
            }
            None => {
                let proven = by_signature(tools, &fields).await?;
                note_caller(request, &proven.0);
                let post = Self::new(tools, request, proven, scope, &body)?;
                (post.signed(&fields)?, [known, &PROOF, &[RETURN_TO]].concat())
            }
        };
        if !post.caller.may(scope) {
            return Err(Problem::OutOfScope);
        }
        fields.refuse_unknown(&known);
        if let Some(return_to) = fields.get(RETURN_TO).filter(|return_to| !trim_invisible(return_to).is_empty()) {
            post.return_to = post.caller.return_origins.accept(return_to);
            if post.return_to.is_none() {
                fields.refuse(RETURN_TO, FOREIGN_RETURN);
            }
        }
        Ok((post, fields))
    }

    fn new(
        tools: &Tools,
        request: &HttpRequest,
        (caller, token_hash): (Caller, Vec<u8>),
        scope: Scope,
        body: &[u8],
    ) -> Proven<Self> {
        let shared = request.app_data::<Data<WebConfig>>().ok_or_else(|| missing("the shared values"))?;
        let alert_tools = request.app_data::<Data<alerts::Tools>>().ok_or_else(|| missing("the tools of alerts"))?;
        tracing::Span::current().record("tenant", caller.tenant.0);
        let hash = || [request.path().as_bytes(), &[0], body].concat();
        let key = key(request)?.map(|text| Key { text, body_hash: Sha256::digest(hash()).to_vec() });
        Ok(Self {
            caller,
            token_hash,
            scope,
            address: client_address(request),
            now: tools.clock.now(),
            origin: own_origin(request, shared),
            product: shared.product.clone(),
            key,
            form: None,
            return_to: None,
            language: accepted_language(request).unwrap_or_default(),
            has_query: !request.query_string().is_empty(),
            snapshots: alert_tools.snapshots.clone(),
        })
    }

    /// The same post, proven by the signature of its fields.
    fn signed(mut self, fields: &Posted) -> Proven<Self> {
        let form = SignedForm::read(fields)?;
        // A repetition is answered as the first was, however late it comes.
        if self.key.is_none() {
            form.expires_at(self.now)?;
        }
        self.form = Some(form);
        Ok(self)
    }

    /// What alerts of this post are taken in with.
    #[must_use]
    pub fn context(&self) -> alerts::AlertContext {
        alerts::AlertContext {
            tenant: self.caller.tenant,
            sender: self.caller.name.clone(),
            fired_by: None,
            portal: Some(self.caller.id),
            product: self.product.clone(),
            now: self.now,
        }
    }

    /// The answer to a post that stored something, which stands at this path below its tenant, with what whoever posts should know:
    /// what was left out, and why nobody is notified.
    fn answer_with(&self, status: u16, id: i64, path: &str, deliveries: i64, mut warnings: Vec<String>) -> Answer {
        if self.has_query {
            warnings.push(self.language.text("portals-query-unread").into_owned());
        }
        let url = format!("{}/t/{}/{path}", self.origin, self.caller.slug);
        let mut document = json!({ "id": id, "url": url, "deliveries": deliveries });
        if let (Some(document), false) = (document.as_object_mut(), warnings.is_empty()) {
            document.insert("warnings".to_owned(), json!(warnings));
        }
        Answer { status, body: document.to_string() }
    }

    /// The sentences for what was left out of an alert that is stored all the same.
    fn left_out(&self, faults: &FieldErrors) -> Vec<String> {
        let sentence = |fault: &FieldError| format!("{}: {}", fault.field, fault.text(self.language));
        listed(faults.0.iter().map(sentence).collect(), self.language)
    }

    /// Who a member is saved by.
    fn sender(&self) -> Sender {
        Sender {
            tenant: self.caller.tenant,
            tenant_name: self.caller.tenant_name.clone(),
            product: self.product.clone(),
            name: self.caller.name.clone(),
            address: self.address.clone(),
        }
    }

    fn saved(&self, saved: Saved) -> Answer {
        let Saved { member, is_new, deliveries, is_invited } = saved;
        let status = if is_new { 201 } else { 200 };
        let warning = is_invited.then(|| self.language.text("portals-member-invited").into_owned());
        self.answer_with(status, member.0, &format!("members/{member}/edit"), deliveries, warning.into_iter().collect())
    }

    /// Takes an alert in, and answers with its event and with what was left out of it.
    ///
    /// # Errors
    /// Why nothing was stored.
    pub async fn fire(&self, tools: &Tools, alert: IncomingAlert, faults: FieldErrors) -> Proven<Answer> {
        if self.can_be_refused() {
            return self.take(tools, vec![alert], None, faults).await;
        }
        let mut alert = alert;
        for _ in 0..ROUNDS {
            let (alerts, prepared) = self.snapshots.prepare(&self.db(tools), &self.context(), vec![alert]).await?;
            let Some(single) = alerts.into_iter().next() else { return Err(missing("the prepared alert")) };
            let firing = Firing { post: self.clone(), alert: single.clone(), faults: faults.clone(), prepared };
            if let Some(answer) = self.db(tools).write_batched(firing).await? {
                self.wake(tools);
                return answer;
            }
            alert = single;
        }
        Err(changing().into())
    }

    /// Lets what was stored go out.
    fn wake(&self, tools: &Tools) {
        tools.waker.wake();
        self.snapshots.request_fan_out();
    }

    /// Whether the portal may still do what this post asks for: inside the transaction that does it.
    fn confirm(&self, standing: Option<&posts::Standing>) -> Proven<()> {
        match standing {
            Some(standing) if standing.accepts(&self.token_hash, self.now) => {
                if standing.may(self.scope) {
                    Ok(())
                } else {
                    Err(Problem::OutOfScope)
                }
            }
            _ if self.form.is_some() => Err(Problem::WrongSignature),
            _ => Err(Problem::NotProven),
        }
    }

    /// Whether what the database knows can be a reason not to store it.
    fn can_be_refused(&self) -> bool {
        self.key.is_some() || self.form.is_some() || self.caller.per_minute.is_some()
    }

    fn taken<'a>(
        &self,
        taken: &[Ingested],
        alerts: impl Iterator<Item = &'a IncomingAlert>,
        faults: &FieldErrors,
    ) -> Answer {
        let deliveries = taken.iter().map(|taken| taken.deliveries).sum();
        let id = taken.first().map_or(0, |taken| taken.alert.0);
        let mut warnings = self.left_out(faults);
        let unknown: BTreeSet<&str> =
            taken.iter().flat_map(|taken| &taken.unknown_receivers).map(String::as_str).collect();
        if !unknown.is_empty() {
            let names = join_names(unknown.into_iter().map(|name| isolated(name)).take(MOST_WARNINGS), "; ");
            warnings.push(self.language.text_with("portals-unknown-receivers", &[("names", &names)]).into_owned());
        }
        let unheard =
            taken.iter().zip(alerts).filter_map(|(taken, alert)| Some((taken.no_recipient_reason.as_ref()?, alert)));
        let sentence = |(unheard, alert): (&NoRecipientReason, &IncomingAlert)| match taken.len() {
            1 => unheard.describe(self.language),
            _ => format!("{}: {}", close_directions(&alert.title), unheard.describe(self.language)),
        };
        warnings.extend(listed(unheard.map(sentence).collect(), self.language));
        self.answer_with(201, id, &format!("alerts/{id}"), deliveries, warnings)
    }

    /// Takes in what a monitoring system posts: its alerts, and the event that stands for what it left out. A tenant's groups
    /// are long, and wait for each other: while one is stored, the next does not stand in anybody's way.
    async fn fire_group(&self, tools: &Tools, body: Body, source: Source) -> Proven<Answer> {
        let _turn = tools.db.in_process_lock(self.caller.tenant.0).await?;
        let tenant = self.caller.tenant;
        let language = self.db(tools).read(move |c| templates::load_language(c, tenant)).await?;
        let Group { alerts, left_out, warnings } = body.check(source, language, self.now).map_err(Problem::Fields)?;
        self.take(tools, alerts, Some(left_out), warnings).await
    }

    /// The database for the work of this post: in the lane of its tenant.
    fn db(&self, tools: &Tools) -> Database {
        tools.db.for_workload(Workload::Intake).in_lane(Lane::for_tenant(self.caller.tenant))
    }
}

/// The most warnings of one kind in an answer.
const MOST_WARNINGS: usize = 20;

/// Warnings for an answer: of very many the first, and how many more there are.
fn listed(mut warnings: Vec<String>, language: Language) -> Vec<String> {
    if let Some(more) = warnings.len().checked_sub(MOST_WARNINGS).filter(|more| *more > 0) {
        warnings.truncate(MOST_WARNINGS);
        let more = i64::try_from(more).unwrap_or(i64::MAX);
        warnings.push(language.text_count("portals-more-warnings", more).into_owned());
    }
    warnings
}

/// A part of the program that was not handed to the intake.
fn missing(part: &str) -> Problem {
    Problem::Internal(format!("{part} are missing"))
}

/// What is answered when what alerts are decided by changes all the time.
fn changing() -> Error {
    Error::unavailable("the rules or their receivers change all the time")
}

/// An alert whose post nothing speaks against.
struct Firing {
    post: Post,
    alert: IncomingAlert,
    /// What was left out of it.
    faults: FieldErrors,
    prepared: PreparedBatch,
}

impl Firing {
    fn answer(&self, taken: &Ingested) -> Answer {
        self.post.taken(std::slice::from_ref(taken), std::iter::once(&self.alert), &self.faults)
    }
}

impl Batchable for Firing {
    /// Nothing when what it was prepared by has changed since.
    type Output = Option<Proven<Answer>>;

    fn store_batch(c: &mut AnyConnection, all: &[&Self]) -> Result<Vec<Option<Proven<Answer>>>> {
        let mut portals: BTreeMap<PortalId, (Option<posts::Standing>, NaiveDateTime)> = BTreeMap::new();
        let mut ingest = IngestTransaction::default();
        let mut answers = Vec::with_capacity(all.len());
        for firing in all {
            let Self { post, alert, prepared, .. } = firing;
            let portal = post.caller.id;
            let (standing, _) = match portals.entry(portal) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    let standing = posts::standing(c, portal)?;
                    let latest = all.iter().map(|firing| &firing.post).filter(|post| post.caller.id == portal);
                    let latest = latest.map(|post| post.now).max().unwrap_or(post.now);
                    if post.caller.use_is_due(latest) && post.confirm(standing.as_ref()).is_ok() {
                        posts::note_use(c, portal, latest)?;
                    }
                    unknown.insert((standing, latest))
                }
            };
            answers.push(match post.confirm(standing.as_ref()) {
                Ok(()) => {
                    let taken = ingest.ingest_prepared(c, &post.context(), &[alert], prepared)?;
                    taken.and_then(|taken| taken.first().map(|taken| Ok(firing.answer(taken))))
                }
                Err(problem) => Some(Err(problem)),
            });
        }
        if let Some(now) = portals.values().map(|(_, latest)| *latest).max() {
            ingest.finish(c, now)?;
        }
        Ok(answers)
    }

    fn weight(&self) -> usize {
        self.prepared.weight()
    }
}

/// The token of a request. Whoever sends a header `Authorization` is judged by it and by nothing else.
fn token(request: &HttpRequest) -> Proven<Option<PlainToken>> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    match (headers.next(), headers.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => {
            let (scheme, token) =
                value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Problem::NotProven)?;
            let is_bearer = scheme.eq_ignore_ascii_case("bearer");
            is_bearer.then(|| Some(PlainToken::from_presented(trim_invisible(token)))).ok_or(Problem::NotProven)
        }
        _ => Err(Problem::NotProven),
    }
}

/// The body of a request, of at most so many bytes as it comes in and as it is decoded.
async fn read(request: &HttpRequest, payload: Payload, largest: usize) -> Proven<Vec<u8>> {
    check_length(request.headers(), largest)?;
    decoded(request, read_body(payload.into_inner(), largest, PATIENCE).await?, largest)
}

/// The portal of a token, and the token's hash.
async fn by_token(tools: &Tools, token: PlainToken) -> Proven<(Caller, Vec<u8>)> {
    let (now, hash) = (tools.clock.now(), token.hash());
    let found = tools.db.for_workload(Workload::Intake).read(move |c| posts::by_token(c, &token, now)).await?;
    found.map(|caller| (caller, hash)).ok_or(Problem::NotProven)
}

/// The portal that signed the fields, and the hash of the token that was made with its key.
async fn by_signature(tools: &Tools, fields: &Posted) -> Proven<(Caller, Vec<u8>)> {
    if PROOF.iter().any(|name| fields.get(name).is_none()) {
        return Err(Problem::NotProven);
    }
    // An id that is none is that of no portal, and no other answer than that of an unknown one.
    let portal = PortalId(whole_number(&fields.text("portal")).ok_or(Problem::WrongSignature)?);
    let (ring, now) = (tools.keys.clone(), tools.clock.now());
    let found = tools.db.for_workload(Workload::Intake).read(move |c| posts::with_keys(c, portal, &ring, now)).await?;
    let (caller, keys) = found.ok_or(Problem::WrongSignature)?;
    let signature = fields.text("signature");
    let signing = keys.into_iter().find(|key| signing::is_signed(fields.pairs(), &signature, &key.key));
    signing.map(|key| (caller, key.token_hash)).ok_or(Problem::WrongSignature)
}

fn encoding(request: &HttpRequest) -> Proven<Encoding> {
    match request.content_type().to_ascii_lowercase().as_str() {
        "application/x-www-form-urlencoded" => Ok(Encoding::Form),
        "application/json" => Ok(Encoding::Json),
        _ => Err(Problem::UnknownEncoding),
    }
}

/// The idempotency key of a request.
fn key(request: &HttpRequest) -> Proven<Option<String>> {
    let mut headers = request.headers().get_all("idempotency-key");
    let Some(value) = headers.next() else { return Ok(None) };
    let text = value.to_str().map_err(|_| Problem::WrongKey)?;
    let is_key = (1..=LONGEST_KEY).contains(&text.len()) && headers.next().is_none();
    if is_key { Ok(Some(text.to_owned())) } else { Err(Problem::WrongKey) }
}

/// Makes a member of a portal's tenant, or changes him.
pub async fn members(tools: Data<Tools>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (post, fields) = match Post::with_fields(&tools, &request, payload, Scope::SaveMembers, &MEMBER).await {
        Ok(proven) => proven,
        Err(problem) => return problem::answer(&request, Err(problem), None),
    };
    let (member, shared) = (member(&fields), tools.clone());
    if let Err(errors) = fields.finish(member.check(&tools.origins))
        && fields.has_errors()
    {
        return problem::answer(&request, Err(Problem::Fields(errors)), post.return_to.as_deref());
    }
    let outcome = post
        .store(&tools, move |c, post| {
            let saved = save_posted(c, &shared, &post.sender(), &member, post.now)?;
            Ok(saved.map(|saved| post.saved(saved)).map_err(Problem::from))
        })
        .await;
    problem::answer(&request, outcome, post.return_to.as_deref())
}

fn member(fields: &Posted) -> PostedMember {
    let given = |name| fields.get(name).map(str::to_owned);
    PostedMember {
        username: fields.text("username"),
        display_name: given("display_name"),
        phone: given("phone"),
        email: given("email"),
        robots: EditAccount {
            dingtalk_robot: fields.text("dingtalk_robot"),
            dingtalk_secret: fields.text("dingtalk_secret"),
            lark_robot: fields.text("lark_robot"),
            lark_secret: fields.text("lark_secret"),
            wecom_robot: fields.text("wecom_robot"),
            ..EditAccount::default()
        },
        notify: fields.text("notify"),
    }
}

/// Takes an alert of a portal in.
pub async fn alerts(tools: Data<Tools>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let (post, fields) = match Post::with_fields(&tools, &request, payload, Scope::FireAlerts, &ALERT).await {
        Ok(proven) => proven,
        Err(problem) => return problem::answer(&request, Err(problem), None),
    };
    let outcome = match fields.finish(alert(&post.caller.name, &fields)) {
        Ok((alert, faults)) => post.fire(&tools, alert, faults).await,
        Err(errors) => Err(Problem::Fields(errors)),
    };
    problem::answer(&request, outcome, post.return_to.as_deref())
}

/// The alert, and what of it cannot be kept: a link costs no alert.
fn alert(portal: &str, fields: &Posted) -> std::result::Result<(IncomingAlert, FieldErrors), FieldErrors> {
    let mut alert = AlertFields {
        title: fields.text("title"),
        content: fields.text("content"),
        severity: fields.text("severity"),
        status: fields.text("status"),
        key: fields.text("key"),
        receivers: fields.all("receivers"),
        link: fields.text("link"),
    };
    // Alert rules can be meant for one portal.
    let labels = BTreeMap::from([(PORTAL_LABEL.to_owned(), portal.to_owned())]);
    let mut faults = FieldErrors::default();
    if let Some(fault) = link_error(trim_invisible(&alert.link)) {
        alert.link.clear();
        faults.add("link", fault);
    }
    Ok((alert.check(Source::Portal, labels)?, faults))
}

/// Takes in what Prometheus Alertmanager posts.
pub async fn alertmanager(tools: Data<Tools>, request: HttpRequest, payload: Payload) -> HttpResponse {
    monitoring(&tools, &request, payload, Source::Alertmanager).await
}

/// Takes in what Grafana Alerting posts.
pub async fn grafana(tools: Data<Tools>, request: HttpRequest, payload: Payload) -> HttpResponse {
    monitoring(&tools, &request, payload, Source::Grafana).await
}

async fn monitoring(tools: &Tools, request: &HttpRequest, payload: Payload, source: Source) -> HttpResponse {
    let (post, body) = match Post::with_body(tools, request, payload, Scope::FireAlerts, LARGEST_GROUP).await {
        Ok(proven) => proven,
        Err(problem) => return problem::answer(request, Err(problem), None),
    };
    let outcome = match Body::read(&body) {
        Ok(body) => post.fire_group(tools, body, source).await,
        Err(problem) => Err(problem),
    };
    problem::answer(request, outcome, None)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::robots::RobotOrigins;

    fn form(expires: i64) -> SignedForm {
        SignedForm { nonce: "n".to_owned(), expires }
    }

    #[test]
    fn a_form_lasts_until_its_moment_and_at_most_fifteen_minutes() {
        let now = DateTime::from_timestamp(1_800_000_000, 500_000_000).unwrap().naive_utc();
        let at = |ahead: i64| form(1_800_000_000 + ahead).expires_at(now);
        assert!(at(1).is_ok() && at(900).is_ok());
        assert!(matches!(at(0), Err(Problem::Expired)) && matches!(at(-9), Err(Problem::Expired)));
        assert!(matches!(at(901), Err(Problem::TooFarAhead)));
        assert!(matches!(form(i64::MAX).expires_at(now), Err(Problem::TooFarAhead)));
        assert!(matches!(form(i64::MIN).expires_at(now), Err(Problem::Expired)));
    }

    /// Everything that is done with a body before the database is asked.
    fn read(encoding: Encoding, body: &[u8]) {
        let Ok(mut fields) = Posted::parse(encoding, body) else { return };
        fields.refuse_unknown(&ALERT);
        if let Err(errors) = fields.finish(alert("a portal", &fields)) {
            for language in Language::ALL {
                assert!(errors.0.iter().all(|error| !error.text(language).is_empty()));
            }
        }
        drop(member(&fields).robots.check(&RobotOrigins::default()));
        drop(SignedForm::read(&fields));
        assert!(!signing::is_signed(fields.pairs(), &fields.text("signature"), "a key that nobody has"));
    }

    /// A body of known names and any values.
    fn fields() -> impl Strategy<Value = Vec<(String, String)>> {
        let names = [&ALERT[..], &MEMBER, &PROOF, &[RETURN_TO]].concat();
        let name = proptest::sample::select(names).prop_map(str::to_owned);
        let value = prop_oneof![".{0,40}", "https?://[a-z.:@/?=0-9]{0,40}", "[0-9+-]{0,24}"];
        proptest::collection::vec((name, value), 0..12)
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..600)) {
            read(Encoding::Form, &body);
            read(Encoding::Json, &body);
        }

        #[test]
        fn no_fields_make_it_panic(fields in fields()) {
            let form = serde_html_form::to_string(&fields).unwrap();
            read(Encoding::Form, form.as_bytes());
            let object: serde_json::Map<_, _> = fields.into_iter().map(|(name, value)| (name, value.into())).collect();
            read(Encoding::Json, serde_json::Value::from(object).to_string().as_bytes());
        }
    }
}
