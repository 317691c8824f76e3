//! Errors as pages, in the reader's language, with a way out.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{StatusCode, header, header::ContentType},
    middleware::Next,
};
use askama::Template;

use super::{Frame, headers::add_headers, observe::RequestId, page, redirect};
use crate::{error::Error, language::Language};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    title: &'static str,
    advice: &'static str,
    /// The number of the request, where its log lines say what went wrong.
    number: Option<String>,
}

impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::LogInFirst | Self::PasswordFirst | Self::SetUpFirst => StatusCode::SEE_OTHER,
            Self::Forbidden | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::OtherWay => StatusCode::METHOD_NOT_ALLOWED,
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Taken => StatusCode::CONFLICT,
            Self::Unavailable(_) | Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The bare answer; [`error_pages`] makes it a page.
    fn error_response(&self) -> HttpResponse<BoxBody> {
        match self {
            Self::LogInFirst => redirect("/login"),
            Self::PasswordFirst => redirect("/account/password"),
            Self::SetUpFirst => redirect("/setup"),
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
    let status = answer.status();
    // actix itself answers a method that a page does not have without any error to show.
    let bare = status.is_client_error() && !answer.headers().contains_key(header::CONTENT_TYPE);
    let mut response = match answer.response().error() {
        Some(fault) => answer_to(fault.as_error::<Error>(), fault, answer.request()),
        None if bare => error_page(None, status, answer.request()),
        None => return Ok(answer.map_into_boxed_body()),
    };
    // The forms of an error page need the visitor's cookie as any other's do.
    for cookie in answer.headers().get_all(header::SET_COOKIE) {
        response.headers_mut().append(header::SET_COOKIE, cookie.clone());
    }
    Ok(answer.into_response(response))
}

fn answer_to(ours: Option<&Error>, fault: &actix_web::Error, request: &HttpRequest) -> HttpResponse<BoxBody> {
    let status = fault.as_response_error().status_code();
    if status.is_server_error() {
        tracing::error!(%fault, path = request.path(), "a request failed");
    }
    if status == StatusCode::SEE_OTHER {
        return fault.error_response();
    }
    let mut response = error_page(ours, status, request);
    if let Some(Error::TooMany { retry_after }) = ours
        && let Ok(value) = retry_after.to_string().parse()
    {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    response
}

/// A page that cannot be drawn must not be answered with a page that cannot be drawn.
fn error_page(ours: Option<&Error>, status: StatusCode, request: &HttpRequest) -> HttpResponse<BoxBody> {
    let ((title, advice), frame) = (texts(ours, status), Frame::of(request));
    let number = RequestId::of(request).filter(|_| status.is_server_error()).map(|id| id.as_str().to_owned());
    page(status, &ErrorPage { frame, title, advice, number }).unwrap_or_else(|_| HttpResponse::new(status))
}

fn texts(ours: Option<&Error>, status: StatusCode) -> (&'static str, &'static str) {
    match (ours, status) {
        (Some(Error::Busy), _) => ("error-busy", "error-busy-advice"),
        (Some(Error::CrossSite), _) => ("error-cross-site", "error-cross-site-advice"),
        (_, StatusCode::FORBIDDEN) => ("error-forbidden", "error-forbidden-advice"),
        (_, StatusCode::NOT_FOUND) => ("error-not-found", "error-not-found-advice"),
        (_, StatusCode::METHOD_NOT_ALLOWED) => ("error-method", "error-method-advice"),
        (_, StatusCode::PAYLOAD_TOO_LARGE) => ("error-too-large", "error-too-large-advice"),
        (_, StatusCode::REQUEST_TIMEOUT) => ("error-too-slow", "error-too-slow-advice"),
        (_, StatusCode::TOO_MANY_REQUESTS) => ("error-too-many", "error-too-many-advice"),
        (_, StatusCode::CONFLICT) => ("error-taken", "error-taken-advice"),
        (_, StatusCode::SERVICE_UNAVAILABLE) => ("error-unavailable", "error-unavailable-advice"),
        (_, status) if status.is_client_error() => ("error-malformed", "error-malformed-advice"),
        _ => ("error-internal", "error-internal-advice"),
    }
}

/// What is answered when not even a session can be looked at: the database is gone. There is no reader's language to know
/// then, so it says it in both.
///
/// # Errors
/// None: whatever comes from within is answered.
pub async fn last_resort(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let id = RequestId::of(request.request());
    match next.call(request).await {
        Ok(answer) => Ok(answer.map_into_boxed_body()),
        Err(fault) if fault.as_response_error().status_code().is_server_error() => {
            tracing::error!(%fault, "a request failed before it came to a page");
            Err(InternalError::from_response(fault, unavailable(id.as_ref())).into())
        }
        Err(fault) => Err(fault),
    }
}

fn unavailable(id: Option<&RequestId>) -> HttpResponse<BoxBody> {
    let [english, chinese] = Language::ALL.map(|language| {
        format!("{}. {}", language.text("error-unavailable"), language.text("error-unavailable-advice"))
    });
    let mut response = HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, "5"))
        .content_type(ContentType::plaintext())
        .body(format!("{english}\n\n{chinese}\n"));
    // An error passes the middleware that adds them to answers.
    add_headers(response.headers_mut());
    if let Some((name, value)) = id.map(RequestId::header) {
        response.headers_mut().insert(name, value);
    }
    response
}
