//! Against forms on other sites: every unsafe request must come from a page of ours and carry its session's token.
//!
//! The token is the keyed hash of the session's id, or of a random cookie for a visitor who is not signed in, so that
//! nothing has to be stored for it. Each page has it masked by other random bytes: compressed pages would tell it by their size
//! otherwise (BREACH). This middleware also reads the form, once, so that no handler can forget to.

use std::time::Duration;

use actix_session::SessionExt as _;
use actix_web::{
    HttpMessage as _, HttpRequest,
    body::{BoxBody, MessageBody},
    cookie::{Cookie, SameSite},
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header},
    middleware::Next,
    web::Data,
};

use super::{
    body::{check_length, read_body},
    flash,
    form::{Fields, is_readable_path},
    page_context::WebConfig,
    page_secret,
    request::own_origin,
    resubmit::{self, MAX_RESUBMIT_BYTES, is_resubmit},
};
use crate::{
    access,
    error::{Error, Result},
    secrets::{PlainToken, constant_time_eq, random_bytes},
};

/// The hidden field of every form.
pub(super) const FIELD_NAME: &str = "csrf";
/// The largest form a page of ours posts, in bytes.
pub(super) const MAX_FORM_BYTES: usize = 64 * 1024;

/// How long a form may take to arrive: a body that trickles in for ever holds a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Whose forms need no session: one that is not valid any more is opened anew.
const VISITOR_FORM_PATHS: [&str; 2] = ["/login", "/setup"];

/// The token that forms of this request carry, masked.
#[derive(Clone)]
pub(super) struct CsrfToken(pub String);

/// How many bytes a token has.
const TOKEN_BYTES: usize = 32;

/// The token of a session or a visitor.
#[derive(Clone, Copy)]
struct Token([u8; TOKEN_BYTES]);

impl Token {
    fn derive(config: &WebConfig, kind: &str, id: &str) -> Self {
        Self(config.keys.keyed_hash(kind, id.as_bytes()))
    }

    /// As it stands on a page: random bytes, and the token XOR these.
    fn masked(self) -> Result<String> {
        let mask = random_bytes::<TOKEN_BYTES>()?;
        Ok(hex::encode(mask) + &hex::encode(xor(&mask, &self.0)))
    }

    /// Whether this stood on a page of the token's.
    fn matches_masked(self, masked: &str) -> bool {
        let bytes = hex::decode(masked).unwrap_or_default();
        match bytes.split_at_checked(TOKEN_BYTES) {
            Some((mask, rest)) if rest.len() == TOKEN_BYTES => constant_time_eq(&xor(mask, rest), &self.0),
            _ => false,
        }
    }
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

/// The cookie that binds the token of somebody who is not signed in.
#[must_use]
pub fn visitor_cookie_name(https: bool) -> &'static str {
    if https { "__Host-belfry-visitor" } else { "belfry-visitor" }
}

/// Reads the form of an unsafe request and lets it through only when it comes from a page of ours.
///
/// # Errors
/// What the handlers answer. Its own refusals are answers: [`Error::NotFound`], [`Error::CrossSite`], [`Error::SessionExpired`],
/// [`Error::Malformed`], [`Error::NoForm`], [`Error::TooLarge`], [`Error::BodyTimeout`], [`Error::ResubmitExpired`], and
/// [`Error::Unavailable`] when the session could not be read.
pub async fn csrf_guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> std::result::Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let new_cookie = match check_request(&mut request).await {
        Ok(new_cookie) => new_cookie,
        Err(fault) => return Ok(request.error_response(fault)),
    };
    let mut response = next.call(request).await?.map_into_boxed_body();
    if let Some(cookie) = new_cookie {
        response.response_mut().add_cookie(&cookie)?;
    }
    if let Some(cookie) = page_secret::clearing_cookie_when_left(response.request(), response.status()) {
        response.response_mut().add_cookie(&cookie)?;
    }
    let shown = !response.status().is_redirection();
    if shown && flash::flash_message(response.request()).is_some() {
        response.response_mut().add_cookie(&flash::clearing_cookie())?;
    }
    Ok(response)
}

async fn check_request(request: &mut ServiceRequest) -> Result<Option<Cookie<'static>>> {
    if !is_readable_path(request.path()) {
        return Err(Error::Malformed);
    }
    // Whatever is posted to an address that is none, that is what is wrong with it.
    if !request.method().is_safe() && !request.resource_map().has_resource(request.match_info().as_str()) {
        return Err(Error::NotFound);
    }
    let config = web_config(request.request())?;
    let session_read = access::check_was_read(&request.get_session());
    let (token, new_cookie) = session_or_visitor_token(request.request(), &config)?;
    request.extensions_mut().insert(CsrfToken(token.masked()?));
    // Pages know no other methods: every resource refuses them itself, and names those that it knows.
    let is_form = *request.method() == Method::POST;
    if is_form {
        if !is_same_origin(request.request(), &config) {
            let is_own_origin = is_origin_misconfigured(request.request());
            return Err(if is_own_origin { Error::MisconfiguredOrigin } else { Error::CrossSite });
        }
        let posted_fields = read_form(request, BODY_TIMEOUT).await?;
        let fields = resubmit::restore_form(request.request(), posted_fields)?;
        let is_token = |token: Token| token.matches_masked(fields.get(FIELD_NAME).unwrap_or_default());
        // A session that could not be read may have ended, and the form may be a visitor's since then. It changes nothing now;
        // when it is posted again, it is the session that counts.
        let is_visitor_token = || visitor_token(request.request(), &config).is_some_and(is_token);
        if new_cookie.is_some() || !(is_token(token) || session_read.is_err() && is_visitor_token()) {
            let session_expired = session_read.is_ok() && is_from_own_page(request.request(), &config);
            if !session_expired || VISITOR_FORM_PATHS.contains(&request.path()) {
                return Err(Error::CrossSite);
            }
            // For the page that says so, which keeps what was typed; nothing else gets to see it.
            request.extensions_mut().insert(fields);
            return Err(Error::SessionExpired);
        }
        request.extensions_mut().insert(fields);
    }
    // Not before what cannot be let in was refused, and what was typed is at hand for the page that says so.
    session_read.map(|()| new_cookie)
}

fn web_config(request: &HttpRequest) -> Result<Data<WebConfig>> {
    request.app_data::<Data<WebConfig>>().cloned().ok_or_else(|| Error::internal("no shared values were given"))
}

/// The token of this request's session, or of its visitor, who may get his cookie only now.
fn session_or_visitor_token(request: &HttpRequest, config: &WebConfig) -> Result<(Token, Option<Cookie<'static>>)> {
    let session = request.get_session().get::<String>("id").map_err(Error::internal)?;
    let known = session.map(|id| Token::derive(config, "csrf session", &id)).or_else(|| visitor_token(request, config));
    if let Some(token) = known {
        return Ok((token, None));
    }
    let visitor = PlainToken::generate()?;
    let cookie = Cookie::build(visitor_cookie_name(config.https), visitor.expose().to_owned())
        .path("/")
        .http_only(true)
        .secure(config.https)
        .same_site(SameSite::Lax)
        .finish();
    Ok((Token::derive(config, "csrf visitor", visitor.expose()), Some(cookie)))
}

/// The token of a visitor, by his cookie.
fn visitor_token(request: &HttpRequest, config: &WebConfig) -> Option<Token> {
    let cookie = request.cookie(visitor_cookie_name(config.https)).filter(|cookie| cookie.value().len() == 32)?;
    Some(Token::derive(config, "csrf visitor", cookie.value()))
}

/// What the browser says about where the form was. `Sec-Fetch-Site` cannot be set by a page; `Origin` is what older
/// browsers send. A program that sends neither has no cookies to be misused.
fn is_same_origin(request: &HttpRequest, config: &WebConfig) -> bool {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let origin = text(header::ORIGIN.as_str()).is_none_or(|origin| origin == own_origin(request, config));
    site && origin
}

/// Whether a form that seems to be from another origin is from a page of ours all the same, whose address the settings do not know:
/// its host is the one that was asked for, only by another scheme, or the browser itself says that it is ours. It is refused like
/// any other; what is said about it differs.
fn is_origin_misconfigured(request: &HttpRequest) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let origin = text(header::ORIGIN.as_str());
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let is_same_host = !host.is_empty() && host.eq_ignore_ascii_case(text(header::HOST.as_str()));
    let site = text("sec-fetch-site");
    site == "same-origin" || site.is_empty() && is_same_host
}

/// Whether the browser itself says that the form was on a page of ours.
fn is_from_own_page(request: &HttpRequest, config: &WebConfig) -> bool {
    let is =
        |name: &str, value: &str| request.headers().get(name).is_some_and(|said| said.as_bytes() == value.as_bytes());
    is("sec-fetch-site", "same-origin") || is(header::ORIGIN.as_str(), &own_origin(request, config))
}

async fn read_form(request: &mut ServiceRequest, timeout: Duration) -> Result<Fields> {
    let form = request.content_type().eq_ignore_ascii_case(mime::APPLICATION_WWW_FORM_URLENCODED.as_ref());
    if !form {
        return Err(Error::NoForm);
    }
    check_length(request.headers(), MAX_RESUBMIT_BYTES)?;
    let body = read_body(request.take_payload(), MAX_RESUBMIT_BYTES, timeout).await?;
    if body.len() > MAX_FORM_BYTES && !is_resubmit(&body) {
        return Err(Error::TooLarge);
    }
    Fields::decode(&body)
}

#[cfg(test)]
mod tests {
    use actix_web::{dev::Payload, error::PayloadError, test::TestRequest, web::Bytes};
    use futures_util::{StreamExt as _, stream};

    use super::*;

    fn form(
        chunks: impl futures_util::Stream<Item = std::result::Result<Bytes, PayloadError>> + 'static,
    ) -> ServiceRequest {
        let mut request =
            TestRequest::post().insert_header(("content-type", "application/x-www-form-urlencoded")).to_srv_request();
        request.set_payload(Payload::Stream { payload: Box::pin(chunks) });
        request
    }

    #[test]
    fn each_page_has_a_different_mask_and_every_mask_is_accepted() {
        let (token, other) = (Token([7; TOKEN_BYTES]), Token([8; TOKEN_BYTES]));
        let (one, two) = (token.masked().unwrap(), token.masked().unwrap());
        assert!(one != two && token.matches_masked(&one) && token.matches_masked(&two) && !other.matches_masked(&one));
        let plain = hex::encode(token.0);
        let short = one.get(2..).unwrap_or_default();
        for wrong in ["", &plain, short, &format!("{one}00"), &one.replace(|c: char| c.is_ascii_digit(), "g")] {
            assert!(!token.matches_masked(wrong), "{wrong}");
        }
    }

    #[actix_web::test]
    async fn a_form_that_never_ends_times_out() {
        let begun = stream::once(async { Ok(Bytes::from_static(b"a=1&")) });
        let mut request = form(begun.chain(stream::pending()));
        assert!(matches!(read_form(&mut request, Duration::from_millis(20)).await, Err(Error::BodyTimeout)));
    }

    #[actix_web::test]
    async fn a_form_that_comes_in_pieces_is_read_whole() {
        let mut request = form(stream::iter([b"a=1".as_slice(), b"2&b=3"]).map(|chunk| Ok(Bytes::from_static(chunk))));
        let fields = read_form(&mut request, BODY_TIMEOUT).await.unwrap();
        assert_eq!((fields.get("a"), fields.get("b")), (Some("12"), Some("3")));
    }
}
