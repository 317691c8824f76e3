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
    form::{Fields, path_is_readable},
    frame::Shared,
    kept::{self, LARGEST_KEPT, is_kept},
    page_secret,
    request::own_origin,
};
use crate::{
    access,
    error::{Error, Result},
    secrets::{PlainToken, constant_time_eq, random_bytes},
};

/// The hidden field of every form.
pub(super) const FIELD: &str = "csrf";
/// The largest form a page of ours posts, in bytes.
pub(super) const LARGEST: usize = 64 * 1024;

/// How long a form may take to arrive: a body that trickles in for ever holds a connection.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose forms need no session: one that is not valid any more is opened anew.
const FOR_VISITORS: [&str; 2] = ["/login", "/setup"];

/// The token that forms of this request carry, masked.
#[derive(Clone)]
pub(super) struct CsrfToken(pub String);

/// How many bytes a token has.
const LENGTH: usize = 32;

/// The token of a session or a visitor.
#[derive(Clone, Copy)]
struct Token([u8; LENGTH]);

impl Token {
    fn derive(shared: &Shared, kind: &str, id: &str) -> Self {
        Self(shared.keys.keyed_hash(kind, id.as_bytes()))
    }

    /// As it stands on a page: random bytes, and the token XOR these.
    fn masked(self) -> Result<String> {
        let mask = random_bytes::<LENGTH>()?;
        Ok(hex::encode(mask) + &hex::encode(xor(&mask, &self.0)))
    }

    /// Whether this stood on a page of the token's.
    fn is_in(self, masked: &str) -> bool {
        let bytes = hex::decode(masked).unwrap_or_default();
        match bytes.split_at_checked(LENGTH) {
            Some((mask, rest)) if rest.len() == LENGTH => constant_time_eq(&xor(mask, rest), &self.0),
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
/// What the handlers answer. Its own refusals are answers: [`Error::NotFound`], [`Error::CrossSite`], [`Error::SessionOver`],
/// [`Error::Malformed`], [`Error::NoForm`], [`Error::TooLarge`], [`Error::TooSlow`], [`Error::NotKept`], and
/// [`Error::Unavailable`] when the session could not be read.
pub async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> std::result::Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let new_cookie = match check(&mut request).await {
        Ok(new_cookie) => new_cookie,
        Err(fault) => return Ok(request.error_response(fault)),
    };
    let mut response = next.call(request).await?.map_into_boxed_body();
    if let Some(cookie) = new_cookie {
        response.response_mut().add_cookie(&cookie)?;
    }
    if let Some(cookie) = page_secret::forgotten_when_left(response.request(), response.status()) {
        response.response_mut().add_cookie(&cookie)?;
    }
    let shown = !response.status().is_redirection();
    if shown && flash::said(response.request()).is_some() {
        response.response_mut().add_cookie(&flash::said_once())?;
    }
    Ok(response)
}

async fn check(request: &mut ServiceRequest) -> Result<Option<Cookie<'static>>> {
    if !path_is_readable(request.path()) {
        return Err(Error::Malformed);
    }
    // Whatever is posted to an address that is none, that is what is wrong with it.
    if !request.method().is_safe() && !request.resource_map().has_resource(request.match_info().as_str()) {
        return Err(Error::NotFound);
    }
    let shared = shared(request.request())?;
    let was_read = access::was_read(&request.get_session());
    let (token, new_cookie) = token(request.request(), &shared)?;
    request.extensions_mut().insert(CsrfToken(token.masked()?));
    // Pages know no other methods: every resource refuses them itself, and names those that it knows.
    let is_form = *request.method() == Method::POST;
    if is_form {
        if !same_origin(request.request(), &shared) {
            let ours = is_misconfigured(request.request());
            return Err(if ours { Error::OtherOrigin } else { Error::CrossSite });
        }
        let posted = read(request, PATIENCE).await?;
        let fields = kept::open(request.request(), posted)?;
        let is_token = |token: Token| token.is_in(fields.get(FIELD).unwrap_or_default());
        // A session that could not be read may have ended, and the form may be a visitor's since then. It changes nothing now;
        // when it is posted again, it is the session that counts.
        let is_visitors = || visitor_token(request.request(), &shared).is_some_and(is_token);
        if new_cookie.is_some() || !(is_token(token) || was_read.is_err() && is_visitors()) {
            let is_late = was_read.is_ok() && is_from_here(request.request(), &shared);
            if !is_late || FOR_VISITORS.contains(&request.path()) {
                return Err(Error::CrossSite);
            }
            // For the page that says so, which keeps what was typed; nothing else gets to see it.
            request.extensions_mut().insert(fields);
            return Err(Error::SessionOver);
        }
        request.extensions_mut().insert(fields);
    }
    // Not before what cannot be let in was refused, and what was typed is at hand for the page that says so.
    was_read.map(|()| new_cookie)
}

fn shared(request: &HttpRequest) -> Result<Data<Shared>> {
    request.app_data::<Data<Shared>>().cloned().ok_or_else(|| Error::internal("no shared values were given"))
}

/// The token of this request's session, or of its visitor, who may get his cookie only now.
fn token(request: &HttpRequest, shared: &Shared) -> Result<(Token, Option<Cookie<'static>>)> {
    let session = request.get_session().get::<String>("id").map_err(Error::internal)?;
    let known = session.map(|id| Token::derive(shared, "csrf session", &id)).or_else(|| visitor_token(request, shared));
    if let Some(token) = known {
        return Ok((token, None));
    }
    let visitor = PlainToken::generate()?;
    let cookie = Cookie::build(visitor_cookie_name(shared.https), visitor.expose().to_owned())
        .path("/")
        .http_only(true)
        .secure(shared.https)
        .same_site(SameSite::Lax)
        .finish();
    Ok((Token::derive(shared, "csrf visitor", visitor.expose()), Some(cookie)))
}

/// The token of a visitor, by his cookie.
fn visitor_token(request: &HttpRequest, shared: &Shared) -> Option<Token> {
    let cookie = request.cookie(visitor_cookie_name(shared.https)).filter(|cookie| cookie.value().len() == 32)?;
    Some(Token::derive(shared, "csrf visitor", cookie.value()))
}

/// What the browser says about where the form was. `Sec-Fetch-Site` cannot be set by a page; `Origin` is what older
/// browsers send. A program that sends neither has no cookies to be misused.
fn same_origin(request: &HttpRequest, shared: &Shared) -> bool {
    let text = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or("?"));
    let site = text("sec-fetch-site").is_none_or(|site| site == "same-origin" || site == "none");
    let origin = text(header::ORIGIN.as_str()).is_none_or(|origin| origin == own_origin(request, shared));
    site && origin
}

/// Whether a form that seems to be from another origin is from a page of ours all the same, whose address the settings do not know:
/// its host is the one that was asked for, only by another scheme, or the browser itself says that it is ours. It is refused like
/// any other; what is said about it differs.
fn is_misconfigured(request: &HttpRequest) -> bool {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let origin = text(header::ORIGIN.as_str());
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let is_same_host = !host.is_empty() && host.eq_ignore_ascii_case(text(header::HOST.as_str()));
    let site = text("sec-fetch-site");
    site == "same-origin" || site.is_empty() && is_same_host
}

/// Whether the browser itself says that the form was on a page of ours.
fn is_from_here(request: &HttpRequest, shared: &Shared) -> bool {
    let is =
        |name: &str, value: &str| request.headers().get(name).is_some_and(|said| said.as_bytes() == value.as_bytes());
    is("sec-fetch-site", "same-origin") || is(header::ORIGIN.as_str(), &own_origin(request, shared))
}

async fn read(request: &mut ServiceRequest, patience: Duration) -> Result<Fields> {
    let form = request.content_type().eq_ignore_ascii_case(mime::APPLICATION_WWW_FORM_URLENCODED.as_ref());
    if !form {
        return Err(Error::NoForm);
    }
    check_length(request.headers(), LARGEST_KEPT)?;
    let body = read_body(request.take_payload(), LARGEST_KEPT, patience).await?;
    if body.len() > LARGEST && !is_kept(&body) {
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
    fn a_token_stands_on_no_two_pages_alike_and_is_known_from_each() {
        let (token, other) = (Token([7; LENGTH]), Token([8; LENGTH]));
        let (one, two) = (token.masked().unwrap(), token.masked().unwrap());
        assert!(one != two && token.is_in(&one) && token.is_in(&two) && !other.is_in(&one));
        let plain = hex::encode(token.0);
        let short = one.get(2..).unwrap_or_default();
        for wrong in ["", &plain, short, &format!("{one}00"), &one.replace(|c: char| c.is_ascii_digit(), "g")] {
            assert!(!token.is_in(wrong), "{wrong}");
        }
    }

    #[actix_web::test]
    async fn a_form_that_never_ends_is_given_up() {
        let begun = stream::once(async { Ok(Bytes::from_static(b"a=1&")) });
        let mut request = form(begun.chain(stream::pending()));
        assert!(matches!(read(&mut request, Duration::from_millis(20)).await, Err(Error::TooSlow)));
    }

    #[actix_web::test]
    async fn a_form_that_comes_in_pieces_is_read_whole() {
        let mut request = form(stream::iter([b"a=1".as_slice(), b"2&b=3"]).map(|chunk| Ok(Bytes::from_static(chunk))));
        let fields = read(&mut request, PATIENCE).await.unwrap();
        assert_eq!((fields.get("a"), fields.get("b")), (Some("12"), Some("3")));
    }
}
