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
    Sandbox, SimulatedRobot,
    call_log::{CallVerdict, RecordedCall},
    group::{InjectedFault, RobotKind, RobotStatus},
    markdown,
};
use crate::language::Language;

/// Most calls that a chat shows; the sandbox remembers more.
const MAX_SHOWN_CALLS: usize = 200;
const STYLESHEET: &str = include_str!("../../static/sandbox.css");
/// No script, nothing from elsewhere, no framing.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The pages' addresses.
pub(super) fn configure_routes(config: &mut ServiceConfig) {
    config
        .route("/", get().to(show_groups))
        .route("/sandbox.css", get().to(show_stylesheet))
        .service(resource("/groups/{number}").route(get().to(show_chat)).route(post().to(apply_switches)))
        .route("/groups/{number}/robot", get().to(show_robot));
}

/// What every page says about a group.
struct GroupCard {
    number: usize,
    name: String,
    /// The kind's style class.
    kind: &'static str,
    kind_text: String,
    token: String,
    delivered_count: u64,
    call_count: u64,
    /// Keys of the texts that say what is wrong with it; empty when nothing is.
    problem_keys: Vec<String>,
}

#[derive(Template)]
#[template(path = "sandbox/index.html")]
struct IndexPage {
    language: Language,
    groups: Vec<GroupCard>,
    /// Where robots are made on first use: what to paste into Belfry.
    offer: Option<WebhookOffer>,
}

/// Webhooks to try, and how Belfry is started so that it accepts them.
struct WebhookOffer {
    /// The kind's name, its text, and the webhook of a robot of this kind.
    webhooks: Vec<(&'static str, String, String)>,
    /// The line for a shell.
    start_command: String,
    /// The custom keyword of the DingTalk robot.
    keyword: String,
}

impl WebhookOffer {
    fn for_request(request: &HttpRequest, keyword: &str, language: Language) -> Self {
        let origin = {
            let connection = request.connection_info();
            format!("{}://{}", connection.scheme(), connection.host())
        };
        let webhook = |kind: RobotKind| {
            let text = language.text(&format!("sandbox-kind-{}", kind.name())).into_owned();
            (kind.name(), text, kind.webhook_url(&origin, &format!("sandbox-{}", kind.name())))
        };
        Self {
            webhooks: [RobotKind::DingTalk, RobotKind::Lark, RobotKind::WeCom].map(webhook).to_vec(),
            start_command: format!("BELFRY_ROBOT_ORIGINS={origin} belfry"),
            keyword: keyword.to_owned(),
        }
    }
}

async fn show_groups(request: HttpRequest, sandbox: Data<Sandbox>) -> HttpResponse {
    let language = request_language(&request);
    let now = sandbox.clock.now();
    let state = sandbox.lock_state();
    let groups = state.robots.iter().zip(1..).map(|(robot, number)| group_card(robot, number, language, now)).collect();
    let offer =
        state.auto_create_keyword.as_deref().map(|keyword| WebhookOffer::for_request(&request, keyword, language));
    drop(state);
    render_page(StatusCode::OK, &IndexPage { language, groups, offer })
}

#[derive(Template)]
#[template(path = "sandbox/chat.html")]
struct ChatPage {
    language: Language,
    group: GroupCard,
    /// Newest first: the style sheet turns the list upside down, so that it opens at its newest end.
    lines: Vec<ChatLine>,
    paused: bool,
}

/// One line of a chat.
struct ChatLine {
    /// RFC 3339, for machines.
    timestamp: String,
    /// The time of day, UTC.
    time: String,
    content: ChatContent,
}

enum ChatContent {
    /// A message, as HTML where its type is marked-up text.
    Message { title: Option<String>, text: String, html: Option<String>, mentions: Vec<String>, note: Option<String> },
    /// What the group did not hear, and why.
    System(String),
}

#[derive(Deserialize)]
struct ChatQuery {
    paused: Option<String>,
}

async fn show_chat(
    request: HttpRequest,
    number: Path<usize>,
    query: Query<ChatQuery>,
    sandbox: Data<Sandbox>,
) -> HttpResponse {
    let language = request_language(&request);
    let now = sandbox.clock.now();
    let mut state = sandbox.lock_state();
    let Some(robot) = number.checked_sub(1).and_then(|place| state.robots.get_mut(place)) else {
        return not_found(language);
    };
    let lines =
        robot.call_log.calls().iter().rev().take(MAX_SHOWN_CALLS).map(|call| chat_line(call, language)).collect();
    let group = group_card(robot, *number, language, now);
    drop(state);
    render_page(StatusCode::OK, &ChatPage { language, group, lines, paused: query.paused.is_some() })
}

fn chat_line(call: &RecordedCall, language: Language) -> ChatLine {
    let fault = call.fault.as_ref().map(|fault| language.text(&fault_key(fault)).into_owned());
    let named = |key: &str| language.text_with(key, &[("fault", fault.as_deref().unwrap_or_default())]).into_owned();
    let note = fault.as_ref().map(|_| named("sandbox-answer-suffered"));
    let said = match (&call.verdict, &call.message) {
        (CallVerdict::Delivered, Some(message)) => {
            let everyone = message.mentions_everyone.then(|| language.text("sandbox-everyone").into_owned());
            ChatContent::Message {
                title: message.title.clone(),
                html: markdown::is_markdown(&message.kind).then(|| markdown::to_html(&message.text)),
                text: message.text.clone(),
                mentions: everyone.into_iter().chain(message.mentions.iter().cloned()).collect(),
                note,
            }
        }
        (CallVerdict::Refused { code, reason }, _) => {
            let code = code.to_string();
            ChatContent::System(
                language.text_with("sandbox-refused", &[("code", &code), ("reason", reason)]).into_owned(),
            )
        }
        (CallVerdict::Intercepted, _) => ChatContent::System(named("sandbox-stopped")),
        (CallVerdict::Delivered | CallVerdict::Duplicate, _) => {
            ChatContent::System(language.text("sandbox-repeated").into_owned())
        }
    };
    ChatLine { timestamp: call.at.and_utc().to_rfc3339(), time: call.at.format("%H:%M:%S").to_string(), content: said }
}

#[derive(Template)]
#[template(path = "sandbox/robot.html")]
struct RobotPage {
    language: Language,
    group: GroupCard,
    status_options: Vec<SelectOption>,
    fault_options: Vec<SelectOption>,
}

/// An entry of a list to choose from.
struct SelectOption {
    value: &'static str,
    text: String,
    is_selected: bool,
}

async fn show_robot(request: HttpRequest, number: Path<usize>, sandbox: Data<Sandbox>) -> HttpResponse {
    let language = request_language(&request);
    let now = sandbox.clock.now();
    let state = sandbox.lock_state();
    let Some(robot) = number.checked_sub(1).and_then(|place| state.robots.get(place)) else {
        return not_found(language);
    };
    let choice = |value: &'static str, key: &str, chosen: bool| SelectOption {
        value,
        text: language.text(key).into_owned(),
        is_selected: chosen,
    };
    let status_options = RobotStatus::ALL
        .into_iter()
        .map(|standing| choice(standing.name(), &status_key(standing), standing == robot.group.status))
        .collect();
    let scheduled = robot.faults.front().map(|scheduled| scheduled.fault.name());
    let faults = InjectedFault::all_offered()
        .iter()
        .map(|fault| choice(fault.name(), &fault_key(fault), scheduled == Some(fault.name())))
        .collect();
    let group = group_card(robot, *number, language, now);
    drop(state);
    render_page(StatusCode::OK, &RobotPage { language, group, status_options, fault_options: faults })
}

#[derive(Deserialize)]
struct SwitchForm {
    standing: String,
    fault: String,
    /// For how many calls; empty until cleared.
    calls: String,
}

async fn apply_switches(
    request: HttpRequest,
    number: Path<usize>,
    form: Form<SwitchForm>,
    sandbox: Data<Sandbox>,
) -> HttpResponse {
    let language = request_language(&request);
    if is_cross_site(&request) {
        return problem_page(StatusCode::FORBIDDEN, language, "sandbox-cross-site");
    }
    let Some((standing, fault, calls)) = parse_switches(&form) else {
        return problem_page(StatusCode::BAD_REQUEST, language, "sandbox-bad-form");
    };
    let token = {
        let state = sandbox.lock_state();
        number.checked_sub(1).and_then(|place| state.robots.get(place)).map(|robot| robot.token.clone())
    };
    let Some(token) = token else { return not_found(language) };
    sandbox.update_group(&token, |group| group.status = standing);
    sandbox.clear_faults(&token);
    if let Some(fault) = fault {
        sandbox.inject_fault(&token, fault, calls);
    }
    HttpResponse::SeeOther().insert_header((LOCATION, format!("/groups/{number}"))).finish()
}

/// The form's values, or `None` when a field holds what the page does not offer.
fn parse_switches(form: &SwitchForm) -> Option<(RobotStatus, Option<InjectedFault>, Option<u32>)> {
    let standing = RobotStatus::ALL.into_iter().find(|standing| standing.name() == form.standing)?;
    let fault = match form.fault.as_str() {
        "" => None,
        name => Some(InjectedFault::all_offered().into_iter().find(|fault| fault.name() == name)?),
    };
    let calls = match form.calls.trim() {
        "" => None,
        calls => Some(calls.parse().ok().filter(|calls| *calls > 0)?),
    };
    Some((standing, fault, calls))
}

async fn show_stylesheet() -> HttpResponse {
    response_with_security_headers(StatusCode::OK).content_type("text/css; charset=utf-8").body(STYLESHEET)
}

#[derive(Template)]
#[template(path = "sandbox/problem.html")]
struct ProblemPage {
    language: Language,
    problem: &'static str,
}

fn not_found(language: Language) -> HttpResponse {
    problem_page(StatusCode::NOT_FOUND, language, "sandbox-not-found")
}

fn problem_page(status: StatusCode, language: Language, problem: &'static str) -> HttpResponse {
    render_page(status, &ProblemPage { language, problem })
}

fn render_page(status: StatusCode, template: &impl Template) -> HttpResponse {
    match template.render() {
        Ok(html) => response_with_security_headers(status).content_type("text/html; charset=utf-8").body(html),
        Err(error) => {
            tracing::error!(%error, "a sandbox page could not be rendered");
            response_with_security_headers(StatusCode::INTERNAL_SERVER_ERROR).finish()
        }
    }
}

fn response_with_security_headers(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response
        .insert_header(("Content-Security-Policy", CONTENT_SECURITY_POLICY))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Cache-Control", "no-store"))
        .insert_header(("Vary", "Accept-Language"))
        // Not `no-referrer`: with that, browsers send `Origin: null` even for our own forms.
        .insert_header(("Referrer-Policy", "same-origin"));
    response
}

/// Whether a browser says that another site sent this form. Callers that are no browsers say nothing, and may.
fn is_cross_site(request: &HttpRequest) -> bool {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    if let Some(site) = header("sec-fetch-site") {
        return !matches!(site, "same-origin" | "none");
    }
    header(ORIGIN.as_str())
        .is_some_and(|origin| origin.split_once("://").map(|(_, host)| host) != Some(request.connection_info().host()))
}

/// The first language of the browser's list that there are texts in.
fn request_language(request: &HttpRequest) -> Language {
    let ranked = AcceptLanguage::parse(request).map(|accepted| accepted.ranked()).unwrap_or_default();
    ranked.iter().filter_map(|tag| Language::from_tag(tag.item()?.as_str())).next().unwrap_or_default()
}

fn group_card(robot: &SimulatedRobot, number: usize, language: Language, now: NaiveDateTime) -> GroupCard {
    let (heard, calls) = robot.call_log.totals();
    let name = match robot.group.name.as_str() {
        "" => language.text_with("sandbox-unnamed", &[("number", &number.to_string())]).into_owned(),
        name => name.to_owned(),
    };
    let closed = (robot.group.status != RobotStatus::Active).then(|| status_key(robot.group.status));
    let throttled = robot.call_log.rate_limiter.is_blocked(now).then(|| "sandbox-throttled".to_owned());
    let fault = robot.faults.front().map(|scheduled| fault_key(&scheduled.fault));
    let troubles = closed.into_iter().chain(throttled).chain(fault).collect();
    let kind = robot.kind.name();
    let kind_text = language.text(&format!("sandbox-kind-{kind}")).into_owned();
    GroupCard {
        number,
        name,
        kind,
        kind_text,
        token: mask_token(&robot.token),
        delivered_count: heard,
        call_count: calls,
        problem_keys: troubles,
    }
}

/// The last four characters of a token, and of a short one none.
fn mask_token(token: &str) -> String {
    let characters: Vec<char> = token.chars().collect();
    let shown = if characters.len() < 12 { 0 } else { 4 };
    format!("…{}", characters.iter().skip(characters.len() - shown).collect::<String>())
}

fn status_key(standing: RobotStatus) -> String {
    format!("sandbox-standing-{}", standing.name())
}

fn fault_key(fault: &InjectedFault) -> String {
    format!("sandbox-fault-{}", fault.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standing_and_fault_has_a_text_in_both_languages() {
        let faults = InjectedFault::all_offered();
        let keys = RobotStatus::ALL.into_iter().map(status_key).chain(faults.iter().map(fault_key));
        for key in keys {
            assert!(Language::ALL.iter().all(|language| language.text(&key) != key), "{key}");
        }
    }

    #[test]
    fn a_fault_is_found_again_by_the_name_that_the_form_sends() {
        for offered in InjectedFault::all_offered() {
            let form =
                SwitchForm { standing: "open".to_owned(), fault: offered.name().to_owned(), calls: " 2 ".to_owned() };
            assert_eq!(parse_switches(&form), Some((RobotStatus::Active, Some(offered), Some(2))));
        }
    }

    #[test]
    fn a_form_with_unknown_values_is_not_read() {
        let form = |standing: &str, fault: &str, calls: &str| SwitchForm {
            standing: standing.to_owned(),
            fault: fault.to_owned(),
            calls: calls.to_owned(),
        };
        assert_eq!(parse_switches(&form("open", "", "")), Some((RobotStatus::Active, None, None)));
        assert_eq!(parse_switches(&form("closed", "", "")), None);
        assert_eq!(parse_switches(&form("open", "earthquake", "")), None);
        assert_eq!(parse_switches(&form("open", "busy", "0")), None);
        assert_eq!(parse_switches(&form("open", "busy", "some")), None);
    }

    #[test]
    fn a_masked_token_shows_its_last_four_characters_and_a_short_one_nothing() {
        assert_eq!(mask_token("0123456789abcdef"), "…cdef");
        assert_eq!(mask_token("short-token"), "…");
        assert_eq!(mask_token(""), "…");
    }
}
