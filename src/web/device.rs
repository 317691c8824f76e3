//! The cookie of a browser in which an account has logged in before: one for each account.

use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    web::Data,
};

use super::page_context::WebConfig;
use crate::secrets::PlainToken;

/// How long a browser keeps it.
const DEVICE_COOKIE_MAX_AGE: Duration = Duration::days(180);

fn cookie_prefix(request: &HttpRequest) -> &'static str {
    let https = request.app_data::<Data<WebConfig>>().is_some_and(|shared| shared.https);
    if https { "__Host-belfry-device-" } else { "belfry-device-" }
}

/// The ids of accounts that say that they have logged in here before, and the tokens that have to prove it.
#[must_use]
pub fn device_tokens(request: &HttpRequest) -> Vec<(i64, PlainToken)> {
    let prefix = cookie_prefix(request);
    let Ok(cookies) = request.cookies() else { return Vec::new() };
    let tokens = cookies.iter().filter_map(|cookie| {
        let account = cookie.name().strip_prefix(prefix)?.parse().ok()?;
        Some((account, PlainToken::from_presented(cookie.value())))
    });
    tokens.collect()
}

/// The cookie that makes this browser known to an account.
#[must_use]
pub fn device_cookie(request: &HttpRequest, account: i64, token: &PlainToken) -> Cookie<'static> {
    let prefix = cookie_prefix(request);
    Cookie::build(format!("{prefix}{account}"), token.expose().to_owned())
        .path("/")
        .http_only(true)
        .secure(prefix.starts_with("__Host"))
        .same_site(SameSite::Lax)
        .max_age(DEVICE_COOKIE_MAX_AGE)
        .finish()
}
