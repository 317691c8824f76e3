//! Errors as pages, in the reader's language, with a way out.

use std::{cell::OnceCell, rc::Rc};

use actix_session::SessionExt as _;
use actix_web::{
    HttpMessage as _, HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        StatusCode,
        header::{self, HeaderValue},
        uri::PathAndQuery,
    },
    middleware::Next,
    web::Data,
};
use askama::Template;
use percent_encoding::percent_decode_str;
use url::form_urlencoded::byte_serialize;

use super::{
    Fields, PageContext, WebConfig, accepts_pages, bearer_token, client_address, names_json, redirect, render_page,
    request_log::RequestId, resubmit::RetryLink, safe_return_path,
};
use crate::{
    access::{self, AnyoneSignedIn},
    error::Error,
    refusals::{Refusal, RefusalLog},
    secrets::PORTAL_TOKEN_PREFIX,
};

/// In how many seconds it is worth trying again when the database cannot be used.
const UNAVAILABLE_RETRY_SECONDS: i64 = 5;

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    ctx: PageContext,
    title: &'static str,
    advice: &'static str,
    /// Where to try again what may well be possible in a moment.
    retry_path: Option<String>,
    /// The form to be posted there, sealed.
    sealed_form: Option<String>,
    /// What is to be done before that.
    next_step: ResubmitStep,
    /// The texts of a form whose object is not there, by the keys of what the pages call its fields.
    typed: Vec<(&'static str, String)>,
    /// The number of the request, where its log lines say what went wrong.
    request_id: Option<String>,
}

/// The fields of forms at the address of one object that hold a text somebody composed, and the keys of what they are called.
/// Webhooks, secrets and codes are in no page a second time.
const TEXT_FIELDS: [(&str, &str); 11] = [
    ("name", "rules-name"),
    ("description", "tenants-description"),
    ("phone", "members-phone"),
    ("email", "members-email"),
    ("members", "groups-members"),
    ("admins", "groups-admins"),
    ("shifts", "schedules-shifts"),
    ("outside", "schedules-outside"),
    ("matchers", "rules-matchers"),
    ("return_origins", "portals-return-origins"),
    ("super_admin", "tenants-super-admin"),
];

/// What was typed into a form whose object is not there, so that its reader can copy it.
fn typed_texts(request: &HttpRequest) -> Vec<(&'static str, String)> {
    let extensions = request.extensions();
    let Some(fields) = extensions.get::<Fields>() else { return Vec::new() };
    let text_of = |(field, label): &(&'static str, &'static str)| {
        let text = fields.get(field).filter(|text| !text.trim().is_empty())?;
        Some((*label, text.to_owned()))
    };
    TEXT_FIELDS.iter().filter_map(text_of).collect()
}

/// What somebody does before he sends a kept form again.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ResubmitStep {
    /// He waits a moment.
    Wait,
    /// He logs in, in another tab.
    LogIn,
    /// He has logged in, and says that it is still meant.
    Confirm,
}

impl ResubmitStep {
    fn for_error(fault: Option<&Error>, request: &HttpRequest) -> Self {
        match fault {
            Some(Error::SessionExpired) if access::is_logged_in(&request.get_session()) => Self::Confirm,
            Some(Error::SessionExpired) => Self::LogIn,
            _ => Self::Wait,
        }
    }
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::LogInRequired | Self::PasswordChangeRequired | Self::SetUpRequired => StatusCode::SEE_OTHER,
            Self::Forbidden | Self::CrossSite | Self::MisconfiguredOrigin | Self::SessionExpired => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed | Self::ResubmitExpired | Self::WrongHost => StatusCode::BAD_REQUEST,
            Self::NoForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::TooManyAttempts { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::AlreadyExists => StatusCode::CONFLICT,
            Self::Unavailable(_) | Self::TooBusy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The bare answer; [`error_pages`] makes it a page.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        match self {
            Self::LogInRequired => redirect("/login"),
            Self::PasswordChangeRequired => redirect("/account/password"),
            Self::SetUpRequired => redirect("/setup"),
            Self::MethodNotAllowed { allow } => {
                HttpResponse::MethodNotAllowed().insert_header((header::ALLOW, *allow)).finish()
            }
            _ => HttpResponse::new(self.status_code()),
        }
    }
}

/// Turns every answer that is an error into a page.
///
/// # Errors
/// None of ours: those are answers by now.
pub async fn error_pages(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let answer = next.call(request).await?;
    // It is taken out of the request first, which would hold itself otherwise and never go.
    let request_slot = answer.request().extensions_mut().remove::<RequestSlot>();
    if let Some(outside) = request_slot {
        drop(outside.0.set(answer.request().clone()));
    }
    let status = answer.status();
    // actix itself answers a method that a page does not have without any error to show.
    let is_bare = status.is_client_error() && !answer.headers().contains_key(header::CONTENT_TYPE);
    let mut response = match answer.response().error() {
        Some(fault) => render_error(fault, answer.request()),
        None if is_bare => {
            if let Some(shared) = answer.request().app_data::<Data<WebConfig>>() {
                record_refusal(None, status, answer.request(), &shared.refusals);
            }
            error_page(None, status, answer.request())
        }
        None => return Ok(answer.map_into_boxed_body()),
    };
    // The forms of an error page need the visitor's cookie as any other's do.
    for cookie in answer.headers().get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    Ok(answer.into_response(response))
}

fn render_error(fault: &actix_web::Error, request: &HttpRequest) -> HttpResponse<BoxBody> {
    let error = fault.as_error::<Error>();
    if let Some(Error::LogInRequired) = error {
        return redirect(&log_in_url(request));
    }
    let status = fault.as_response_error().status_code();
    if let Some(config) = request.app_data::<Data<WebConfig>>() {
        match error {
            // The first of them is a warning, and health and metrics tell the rest.
            Some(Error::Unavailable(_) | Error::TooBusy) => {
                tracing::debug!(%fault, path = request.path(), "a request was not answered");
                config.refusals.record(Refusal::Unavailable, "", &fault.to_string());
            }
            _ if status.is_server_error() => {
                config.refusals.note_failure(&request.match_pattern().unwrap_or_default(), fault);
            }
            _ => record_refusal(error, status, request, &config.refusals),
        }
    }
    if status == StatusCode::SEE_OTHER {
        return fault.error_response();
    }
    let mut response = error_page(error, status, request);
    let headers = response.headers_mut();
    match error {
        Some(Error::TooManyAttempts { retry_after }) => headers.insert(header::RETRY_AFTER, (*retry_after).into()),
        Some(Error::Unavailable(_) | Error::TooBusy) => {
            headers.insert(header::RETRY_AFTER, UNAVAILABLE_RETRY_SECONDS.into())
        }
        Some(Error::MethodNotAllowed { allow }) => headers.insert(header::ALLOW, HeaderValue::from_static(allow)),
        _ => return response,
    };
    response
}

/// Leaves a trace of what was refused.
fn record_refusal(fault: Option<&Error>, status: StatusCode, request: &HttpRequest, refusals: &RefusalLog) {
    if is_misdirected_post(status, request) {
        return refusals.record(Refusal::WrongPath, &client_address(request), request.path());
    }
    let who = AnyoneSignedIn::from_extensions(request);
    let foreign = || {
        let (slug, who) = (request.match_info().get("tenant")?, who.as_ref()?);
        let is_foreign = who.principal.membership(slug).is_none() && !who.principal.administers_instance();
        is_foreign.then_some(Refusal::ForeignTenant)
    };
    let refusal = match fault {
        Some(Error::Forbidden) => Some(Refusal::Forbidden),
        Some(Error::CrossSite | Error::MisconfiguredOrigin) => Some(Refusal::CrossSite),
        Some(Error::NotFound) => foreign(),
        _ => None,
    };
    let Some(refusal) = refusal else { return };
    let sender = who.map_or_else(|| client_address(request), |who| who.principal.account.username);
    refusals.record(refusal, &sender, request.path());
}

/// Whether a system posts with a token to a path where nothing takes it, as one does whose address lacks its path.
fn is_misdirected_post(status: StatusCode, request: &HttpRequest) -> bool {
    let takes_none =
        [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::UNSUPPORTED_MEDIA_TYPE].contains(&status);
    takes_none && !request.method().is_safe() && bearer_token(request).is_some()
}

/// The log-in page, which leads on to what was asked for: the address of an alert is read in a group long after a session's end.
fn log_in_url(request: &HttpRequest) -> String {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    if !request.method().is_safe() || path == "/" || safe_return_path(path) != path {
        return "/login".to_owned();
    }
    format!("/login?next={}", byte_serialize(path.as_bytes()).collect::<String>())
}

/// Whether a program asks, which reads no page: its path is one for programs, however its slashes are written, it sends a
/// portal's token, it sends what no browser sends to a page, or it accepts JSON and no HTML.
fn is_api_client(request: &HttpRequest) -> bool {
    let path = percent_decode_str(request.path()).decode_utf8_lossy();
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let is_below = matches!(parts.next(), Some("intake" | "api"));
    // A proxy that logs people in may add a bearer token of its own to what browsers send.
    let is_portal = bearer_token(request).is_some_and(|token| token.starts_with(PORTAL_TOKEN_PREFIX));
    let sends_as_program =
        names_json(request, header::CONTENT_TYPE) || request.headers().contains_key(header::AUTHORIZATION);
    is_below || is_portal || names_json(request, header::ACCEPT) || sends_as_program && !accepts_pages(request)
}

/// The error as a problem document (RFC 9457).
fn problem_document(error: Option<&Error>, status: StatusCode, request: &HttpRequest) -> HttpResponse<BoxBody> {
    let (title, detail) = match is_misdirected_post(status, request) {
        true => ("error-wrong-path", "error-wrong-path-advice"),
        false => text_keys(error, status, false, ResubmitStep::Wait),
    };
    let language = PageContext::for_request(request).language;
    let document = serde_json::json!({
        "type": "about:blank",
        "title": language.text(title),
        "status": status.as_u16(),
        "detail": language.text(detail),
    });
    HttpResponse::build(status).content_type("application/problem+json").body(document.to_string())
}

/// A page that cannot be drawn must not be answered with a page that cannot be drawn.
fn error_page(error: Option<&Error>, status: StatusCode, request: &HttpRequest) -> HttpResponse<BoxBody> {
    if is_api_client(request) {
        return problem_document(error, status, request);
    }
    let next_step = ResubmitStep::for_error(error, request);
    let retry = if status == StatusCode::SERVICE_UNAVAILABLE || next_step != ResubmitStep::Wait {
        RetryLink::for_request(request)
    } else {
        None
    };
    let (retry_path, sealed_form) = retry.map_or((None, None), |again| (Some(again.path), again.sealed_form));
    let typed = if status == StatusCode::NOT_FOUND { typed_texts(request) } else { Vec::new() };
    let ((title, advice), ctx) =
        (text_keys(error, status, sealed_form.is_some(), next_step), PageContext::for_request(request));
    let advice = if typed.is_empty() { advice } else { "error-not-found-typed" };
    // Nothing leads away from a page that keeps a form.
    let ctx = match AnyoneSignedIn::from_extensions(request).filter(|_| sealed_form.is_none()) {
        Some(who) => ctx.with_viewer(&who),
        None => ctx,
    };
    let request_id =
        RequestId::from_request(request).filter(|_| status.is_server_error()).map(|id| id.as_str().to_owned());
    render_page(status, &ErrorPage { ctx, title, advice, retry_path, sealed_form, next_step, typed, request_id })
        .unwrap_or_else(|_| HttpResponse::new(status))
}

/// The keys of a page's title and advice. Of a form nobody knows whether it was saved when the connection broke.
fn text_keys(
    error: Option<&Error>,
    status: StatusCode,
    form_kept: bool,
    next_step: ResubmitStep,
) -> (&'static str, &'static str) {
    match (error, status) {
        (Some(Error::SessionExpired), _) if form_kept && next_step == ResubmitStep::LogIn => {
            ("error-session-over", "error-session-over-advice")
        }
        (Some(Error::SessionExpired), _) if form_kept => ("error-other-session", "error-other-session-advice"),
        (Some(Error::TooBusy), _) => ("error-busy", "error-busy-advice"),
        (Some(Error::WrongHost), _) => ("error-host", "error-host-advice"),
        (Some(Error::MisconfiguredOrigin), _) => ("error-origin", "error-origin-advice"),
        (Some(Error::ResubmitExpired), _) => ("error-not-kept", "error-not-kept-advice"),
        (Some(Error::CrossSite | Error::SessionExpired), _) => ("error-cross-site", "error-cross-site-advice"),
        (_, StatusCode::FORBIDDEN) => ("error-forbidden", "error-forbidden-advice"),
        (_, StatusCode::NOT_FOUND) => ("error-not-found", "error-not-found-advice"),
        (_, StatusCode::METHOD_NOT_ALLOWED) => ("error-method", "error-method-advice"),
        (_, StatusCode::UNSUPPORTED_MEDIA_TYPE) => ("error-no-form", "error-no-form-advice"),
        (_, StatusCode::PAYLOAD_TOO_LARGE) => ("error-too-large", "error-too-large-advice"),
        (_, StatusCode::REQUEST_TIMEOUT) => ("error-too-slow", "error-too-slow-advice"),
        (_, StatusCode::TOO_MANY_REQUESTS) => ("error-too-many", "error-too-many-advice"),
        (_, StatusCode::CONFLICT) => ("error-taken", "error-taken-advice"),
        (_, StatusCode::SERVICE_UNAVAILABLE) if form_kept => ("error-unavailable", "error-unavailable-kept"),
        (_, StatusCode::SERVICE_UNAVAILABLE) => ("error-unavailable", "error-unavailable-advice"),
        (_, status) if status.is_client_error() => ("error-malformed", "error-malformed-advice"),
        _ => ("error-internal", "error-internal-advice"),
    }
}

/// The request of an answer that is on its way out, for whoever stands outside of the session.
#[derive(Clone, Default)]
struct RequestSlot(Rc<OnceCell<HttpRequest>>);

/// Makes a page of it when a session could not be saved, which the middleware of the sessions does after every page: somebody
/// has logged in, and the database is gone. Only forms change sessions; all else passes.
///
/// # Errors
/// None of ours: those are answers by now.
pub async fn unsaved_session_pages(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if request.method().is_safe() {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    let request_slot = RequestSlot::default();
    request.extensions_mut().insert(request_slot.clone());
    match (next.call(request).await, request_slot.0.get()) {
        (Err(fault), Some(request)) => {
            let fault = Error::unavailable(fault).into();
            Ok(ServiceResponse::new(request.clone(), render_error(&fault, request)))
        }
        (answer, _) => Ok(answer?.map_into_boxed_body()),
    }
}
