//! The sandbox's pages: the groups, each group's chat with what its robot refused, and the switches of a robot.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{AcceptLanguage, Header, LOCATION, ORIGIN},
    },
    web::{Data, Form, Path, Query, ServiceConfig, get, post, resource},
};
use askama::Template;
use chrono::NaiveDateTime;
use serde::Deserialize;

use super::{
    Robot, Sandbox,
    group::{Fault, RobotKind, Standing},
    markdown,
    record::{Call, Verdict},
};
use crate::language::Language;

/// Most calls that a chat shows; the sandbox remembers more.
const MOST_SHOWN: usize = 200;
const STYLE: &str = include_str!("../../static/sandbox.css");
/// No script, nothing from elsewhere, no framing.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The pages' addresses.
pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .route("/", get().to(index))
        .route("/sandbox.css", get().to(style))
        .service(resource("/groups/{number}").route(get().to(chat)).route(post().to(switch)))
        .route("/groups/{number}/robot", get().to(robot));
}

/// What every page says about a group.
struct GroupCard {
    number: usize,
    name: String,
    /// The kind's style class.
    kind: &'static str,
    kind_text: String,
    token: String,
    heard: u64,
    calls: u64,
    /// Keys of the texts that say what is wrong with it; empty when nothing is.
    troubles: Vec<String>,
}

#[derive(Template)]
#[template(path = "sandbox/index.html")]
struct IndexPage {
    language: Language,
    groups: Vec<GroupCard>,
    /// Where robots are made on first use: what to paste into Belfry.
    offer: Option<Offer>,
}

/// Webhooks to try, and how Belfry is started so that it accepts them.
struct Offer {
    /// The kind's name, its text, and the webhook of a robot of this kind.
    webhooks: Vec<(&'static str, String, String)>,
    /// The line for a shell.
    start: String,
    /// The custom keyword of the DingTalk robot.
    keyword: String,
}

impl Offer {
    fn of(request: &HttpRequest, keyword: &str, language: Language) -> Self {
        let origin = {
            let connection = request.connection_info();
            format!("{}://{}", connection.scheme(), connection.host())
        };
        let webhook = |kind: RobotKind| {
            let text = language.text(&format!("sandbox-kind-{}", kind.name())).into_owned();
            (kind.name(), text, kind.url(&origin, &format!("sandbox-{}", kind.name())))
        };
        Self {
            webhooks: [RobotKind::DingTalk, RobotKind::Lark, RobotKind::WeCom].map(webhook).to_vec(),
            start: format!("BELFRY_ROBOT_ORIGINS={origin} belfry"),
            keyword: keyword.to_owned(),
        }
    }
}

async fn index(request: HttpRequest, sandbox: Data<Sandbox>) -> HttpResponse {
    let language = language(&request);
    let now = sandbox.clock.now();
    let room = sandbox.room();
    let groups = room.robots.iter().zip(1..).map(|(robot, number)| card(robot, number, language, now)).collect();
    let offer = room.first_use.as_deref().map(|keyword| Offer::of(&request, keyword, language));
    drop(room);
    page(StatusCode::OK, &IndexPage { language, groups, offer })
}

#[derive(Template)]
#[template(path = "sandbox/chat.html")]
struct ChatPage {
    language: Language,
    group: GroupCard,
    /// Newest first: the style sheet turns the list upside down, so that it opens at its newest end.
    lines: Vec<Line>,
    paused: bool,
}

/// One line of a chat.
struct Line {
    /// RFC 3339, for machines.
    moment: String,
    /// The time of day, UTC.
    time: String,
    said: Said,
}

enum Said {
    /// A message, as HTML where its type is marked-up text.
    Message { title: Option<String>, text: String, html: Option<String>, mentions: Vec<String>, note: Option<String> },
    /// What the group did not hear, and why.
    System(String),
}

#[derive(Deserialize)]
struct ChatQuery {
    paused: Option<String>,
}

async fn chat(
    request: HttpRequest,
    number: Path<usize>,
    query: Query<ChatQuery>,
    sandbox: Data<Sandbox>,
) -> HttpResponse {
    let language = language(&request);
    let now = sandbox.clock.now();
    let mut room = sandbox.room();
    let Some(robot) = number.checked_sub(1).and_then(|place| room.robots.get_mut(place)) else {
        return not_found(language);
    };
    let lines = robot.ledger.calls().iter().rev().take(MOST_SHOWN).map(|call| line(call, language)).collect();
    let group = card(robot, *number, language, now);
    drop(room);
    page(StatusCode::OK, &ChatPage { language, group, lines, paused: query.paused.is_some() })
}

fn line(call: &Call, language: Language) -> Line {
    let fault = call.fault.as_ref().map(|fault| language.text(&fault_key(fault)).into_owned());
    let named = |key: &str| language.with(key, &[("fault", fault.as_deref().unwrap_or_default())]).into_owned();
    let note = fault.as_ref().map(|_| named("sandbox-answer-suffered"));
    let said = match (&call.verdict, &call.message) {
        (Verdict::Heard, Some(message)) => {
            let everyone = message.mentions_all.then(|| language.text("sandbox-everyone").into_owned());
            Said::Message {
                title: message.title.clone(),
                html: markdown::is_marked_up(&message.kind).then(|| markdown::html(&message.text)),
                text: message.text.clone(),
                mentions: everyone.into_iter().chain(message.mentions.iter().cloned()).collect(),
                note,
            }
        }
        (Verdict::Refused { code, reason }, _) => {
            let code = code.to_string();
            Said::System(language.with("sandbox-refused", &[("code", &code), ("reason", reason)]).into_owned())
        }
        (Verdict::Stopped, _) => Said::System(named("sandbox-stopped")),
        (Verdict::Heard | Verdict::Repeated, _) => Said::System(language.text("sandbox-repeated").into_owned()),
    };
    Line { moment: call.at.and_utc().to_rfc3339(), time: call.at.format("%H:%M:%S").to_string(), said }
}

#[derive(Template)]
#[template(path = "sandbox/robot.html")]
struct RobotPage {
    language: Language,
    group: GroupCard,
    standings: Vec<Choice>,
    faults: Vec<Choice>,
}

/// An entry of a list to choose from.
struct Choice {
    value: &'static str,
    text: String,
    chosen: bool,
}

async fn robot(request: HttpRequest, number: Path<usize>, sandbox: Data<Sandbox>) -> HttpResponse {
    let language = language(&request);
    let now = sandbox.clock.now();
    let room = sandbox.room();
    let Some(robot) = number.checked_sub(1).and_then(|place| room.robots.get(place)) else {
        return not_found(language);
    };
    let choice =
        |value: &'static str, key: &str, chosen: bool| Choice { value, text: language.text(key).into_owned(), chosen };
    let standings = Standing::ALL
        .into_iter()
        .map(|standing| choice(standing.name(), &standing_key(standing), standing == robot.group.standing))
        .collect();
    let planned = robot.faults.front().map(|planned| planned.fault.name());
    let faults = Fault::offered()
        .iter()
        .map(|fault| choice(fault.name(), &fault_key(fault), planned == Some(fault.name())))
        .collect();
    let group = card(robot, *number, language, now);
    drop(room);
    page(StatusCode::OK, &RobotPage { language, group, standings, faults })
}

#[derive(Deserialize)]
struct SwitchForm {
    standing: String,
    fault: String,
    /// For how many calls; empty until cleared.
    calls: String,
}

async fn switch(
    request: HttpRequest,
    number: Path<usize>,
    form: Form<SwitchForm>,
    sandbox: Data<Sandbox>,
) -> HttpResponse {
    let language = language(&request);
    if is_from_elsewhere(&request) {
        return problem(StatusCode::FORBIDDEN, language, "sandbox-cross-site");
    }
    let Some((standing, fault, calls)) = parse(&form) else {
        return problem(StatusCode::BAD_REQUEST, language, "sandbox-bad-form");
    };
    let token = {
        let room = sandbox.room();
        number.checked_sub(1).and_then(|place| room.robots.get(place)).map(|robot| robot.token.clone())
    };
    let Some(token) = token else { return not_found(language) };
    sandbox.change(&token, |group| group.standing = standing);
    sandbox.clear_faults(&token);
    if let Some(fault) = fault {
        sandbox.fail(&token, fault, calls);
    }
    HttpResponse::SeeOther().insert_header((LOCATION, format!("/groups/{number}"))).finish()
}

/// The form's values, or `None` when a field holds what the page does not offer.
fn parse(form: &SwitchForm) -> Option<(Standing, Option<Fault>, Option<u32>)> {
    let standing = Standing::ALL.into_iter().find(|standing| standing.name() == form.standing)?;
    let fault = match form.fault.as_str() {
        "" => None,
        name => Some(Fault::offered().into_iter().find(|fault| fault.name() == name)?),
    };
    let calls = match form.calls.trim() {
        "" => None,
        calls => Some(calls.parse().ok().filter(|calls| *calls > 0)?),
    };
    Some((standing, fault, calls))
}

async fn style() -> HttpResponse {
    secured(StatusCode::OK).content_type("text/css; charset=utf-8").body(STYLE)
}

#[derive(Template)]
#[template(path = "sandbox/problem.html")]
struct ProblemPage {
    language: Language,
    problem: &'static str,
}

fn not_found(language: Language) -> HttpResponse {
    problem(StatusCode::NOT_FOUND, language, "sandbox-not-found")
}

fn problem(status: StatusCode, language: Language, problem: &'static str) -> HttpResponse {
    page(status, &ProblemPage { language, problem })
}

fn page(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => secured(status).content_type("text/html; charset=utf-8").body(html),
        Err(error) => {
            tracing::error!(%error, "a sandbox page could not be rendered");
            secured(StatusCode::INTERNAL_SERVER_ERROR).finish()
        }
    }
}

fn secured(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("Vary", "Accept-Language"))
        // Not `no-referrer`: with that, browsers send `Origin: null` even for our own forms.
        .insert_header(("Referrer-Policy", "same-origin"));
    response
}

/// Whether a browser says that another site sent this form. Callers that are no browsers say nothing, and may.
fn is_from_elsewhere(request: &HttpRequest) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = header("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    header(ORIGIN.as_str())
        .is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != Some(request.connection_info().host()))
}

/// The first language of the browser's list that there are texts in.
fn language(request: &HttpRequest) -> Language {
    let ranked = AcceptLanguage::parse(request).map(|accepted| accepted.ranked()).unwrap_or_default();
    ranked.iter().filter_map(|tag| Language::from_tag(tag.item()?.as_str())).next().unwrap_or_default()
}

fn card(robot: &Robot, number: usize, language: Language, now: NaiveDateTime) -> GroupCard {
    let (heard, calls) = robot.ledger.totals();
    let name = match robot.group.name.as_str() {
        "" => language.with("sandbox-unnamed", &[("number", &number.to_string())]).into_owned(),
        name => name.to_owned(),
    };
    let closed = (robot.group.standing != Standing::Open).then(|| standing_key(robot.group.standing));
    let throttled = robot.ledger.pace.is_blocked(now).then(|| "sandbox-throttled".to_owned());
    let fault = robot.faults.front().map(|planned| fault_key(&planned.fault));
    let troubles = closed.into_iter().chain(throttled).chain(fault).collect();
    let kind = robot.kind.name();
    let kind_text = language.text(&format!("sandbox-kind-{kind}")).into_owned();
    GroupCard { number, name, kind, kind_text, token: masked(&robot.token), heard, calls, troubles }
}

/// The last four characters of a token, and of a short one none.
fn masked(token: &str) -> String {
    let characters: Vec<char> = token.chars().collect();
    let shown = if characters.len() < 12 { 0 } else { 4 };
    format!("…{}", characters.iter().skip(characters.len() - shown).collect::<String>())
}

fn standing_key(standing: Standing) -> String {
    format!("sandbox-standing-{}", standing.name())
}

fn fault_key(fault: &Fault) -> String {
    format!("sandbox-fault-{}", fault.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_and_fault_has_a_text_in_both_languages() {
        let faults = Fault::offered();
        let keys = Standing::ALL.into_iter().map(standing_key).chain(faults.iter().map(fault_key));
        for key in keys {
            assert!(Language::ALL.iter().all(|language| language.text(&key) != key), "{key}");
        }
    }

    #[test]
    fn a_fault_is_found_again_by_the_name_that_the_form_sends() {
        for offered in Fault::offered() {
            let form =
                SwitchForm { standing: "open".to_owned(), fault: offered.name().to_owned(), calls: " 2 ".to_owned() };
            assert_eq!(parse(&form), Some((Standing::Open, Some(offered), Some(2))));
        }
    }

    #[test]
    fn a_form_with_unknown_values_is_not_read() {
        let form = |standing: &str, fault: &str, calls: &str| SwitchForm {
            standing: standing.to_owned(),
            fault: fault.to_owned(),
            calls: calls.to_owned(),
        };
        assert_eq!(parse(&form("open", "", "")), Some((Standing::Open, None, None)));
        assert_eq!(parse(&form("closed", "", "")), None);
        assert_eq!(parse(&form("open", "earthquake", "")), None);
        assert_eq!(parse(&form("open", "busy", "0")), None);
        assert_eq!(parse(&form("open", "busy", "some")), None);
    }

    #[test]
    fn a_masked_token_shows_its_last_four_characters_and_a_short_one_nothing() {
        assert_eq!(masked("0123456789abcdef"), "…cdef");
        assert_eq!(masked("short-token"), "…");
        assert_eq!(masked(""), "…");
    }
}
