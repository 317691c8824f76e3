//! What a page shows once, such as a new token, stands there again when that page is reloaded, until it is left or ten minutes have
//! passed.
//!
//! It travels in a cookie, sealed for the session and the page. The database holds nothing of it.

use actix_session::SessionExt as _;
use actix_web::{
    HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    http::{Method, StatusCode},
    web::Data,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{NaiveDateTime, TimeDelta};

use super::page_context::WebConfig;
use crate::{
    clock::Clock,
    error::{Error, Result},
    secrets::{AssociatedData, KeyRing},
};

/// The cookie that carries it.
const COOKIE_NAME: &str = "belfry-page-secret";
/// How long a reload shows it.
const VALIDITY: TimeDelta = TimeDelta::minutes(10);

/// The cookie by which the page at this path shows the secret again.
///
/// # Errors
/// When it cannot be sealed.
pub fn reload_cookie(request: &HttpRequest, path: &str, secret: &str) -> Result<Cookie<'static>> {
    let (config, now) =
        config_and_time(request).ok_or_else(|| Error::internal("a page's secret needs the keys and the clock"))?;
    let sealed = encrypt_secret(&config.keys, &secret_scope(request, path), secret, now)?;
    Ok(cookie(sealed, config.https, Duration::minutes(VALIDITY.num_minutes())))
}

/// The secret that the page at this path has shown to this session a short while ago.
#[must_use]
pub fn reloaded_secret(request: &HttpRequest, path: &str) -> Option<String> {
    let (config, now) = config_and_time(request)?;
    decrypt_secret(&config.keys, &secret_scope(request, path), request.cookie(COOKIE_NAME)?.value(), now)
}

/// The cookie that ends it, for an answer with a page that is not the one which shows it.
pub(super) fn clearing_cookie_when_left(request: &HttpRequest, status: StatusCode) -> Option<Cookie<'static>> {
    let is_page = request.method() == Method::GET && status == StatusCode::OK;
    let left = is_page && request.cookie(COOKIE_NAME).is_some() && reloaded_secret(request, request.path()).is_none();
    left.then(|| {
        cookie(String::new(), config_and_time(request).is_some_and(|(shared, _)| shared.https), Duration::ZERO)
    })
}

fn config_and_time(request: &HttpRequest) -> Option<(&Data<WebConfig>, NaiveDateTime)> {
    Some((request.app_data::<Data<WebConfig>>()?, request.app_data::<Data<Clock>>()?.now()))
}

fn cookie(value: String, https: bool, max_age: Duration) -> Cookie<'static> {
    let cookie = Cookie::build(COOKIE_NAME, value).path("/").http_only(true).secure(https).same_site(SameSite::Strict);
    cookie.max_age(max_age).finish()
}

/// What it is sealed for: another session's page cannot show it, nor another page of this session.
fn secret_scope(request: &HttpRequest, path: &str) -> String {
    let session = request.get_session().get::<String>("id").ok().flatten().unwrap_or_default();
    format!("{session} {path}")
}

fn associated_data(scope: &str) -> AssociatedData<'_> {
    AssociatedData::without_tenant("page.secret", scope.as_bytes())
}

fn encrypt_secret(keys: &KeyRing, scope: &str, secret: &str, now: NaiveDateTime) -> Result<String> {
    let expires_at = (now + VALIDITY).and_utc().timestamp();
    Ok(URL_SAFE_NO_PAD.encode(keys.seal(associated_data(scope), &format!("{expires_at} {secret}"))?))
}

fn decrypt_secret(keys: &KeyRing, scope: &str, sealed: &str, now: NaiveDateTime) -> Option<String> {
    let text = keys.unseal(associated_data(scope), &URL_SAFE_NO_PAD.decode(sealed).ok()?).ok()?;
    let (expires_at, secret) = text.split_once(' ')?;
    (now.and_utc().timestamp() < expires_at.parse().ok()?).then(|| secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_secret_is_bound_to_session_page_and_ten_minutes() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyRing::open(&folder.path().join("belfry.key")).unwrap();
        let now: NaiveDateTime = "2026-11-22T12:00:00".parse().unwrap();
        let sealed = encrypt_secret(&keys, "s1 /t/ours/settings/portals/7", "belfry_token belfry_key", now).unwrap();
        let opened = |row: &str, minutes: i64| decrypt_secret(&keys, row, &sealed, now + TimeDelta::minutes(minutes));
        assert!(!sealed.contains("belfry_"));
        assert_eq!(opened("s1 /t/ours/settings/portals/7", 9).as_deref(), Some("belfry_token belfry_key"));
        assert_eq!(opened("s1 /t/ours/settings/portals/7", 10), None);
        assert_eq!(opened("s2 /t/ours/settings/portals/7", 0), None);
        assert_eq!(opened("s1 /t/ours/settings/portals/8", 0), None);
        assert_eq!(decrypt_secret(&keys, "s1 /", "forged", now), None);
    }
}
