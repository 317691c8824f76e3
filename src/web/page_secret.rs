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

use super::frame::Shared;
use crate::{
    clock::Clock,
    error::{Error, Result},
    secrets::{AssociatedData, KeyRing},
};

/// The cookie that carries it.
const COOKIE: &str = "belfry-page-secret";
/// How long a reload shows it.
const LASTS: TimeDelta = TimeDelta::minutes(10);

/// The cookie by which the page at this path shows the secret again.
///
/// # Errors
/// When it cannot be sealed.
pub fn keep_for_reload(request: &HttpRequest, path: &str, secret: &str) -> Result<Cookie<'static>> {
    let (shared, now) =
        context(request).ok_or_else(|| Error::internal("a page's secret needs the keys and the clock"))?;
    let sealed = seal(&shared.keys, &row(request, path), secret, now)?;
    Ok(cookie(sealed, shared.https, Duration::minutes(LASTS.num_minutes())))
}

/// The secret that the page at this path has shown to this session a short while ago.
#[must_use]
pub fn kept_for_reload(request: &HttpRequest, path: &str) -> Option<String> {
    let (shared, now) = context(request)?;
    unseal(&shared.keys, &row(request, path), request.cookie(COOKIE)?.value(), now)
}

/// The cookie that ends it, for an answer with a page that is not the one which shows it.
pub(super) fn forgotten_when_left(request: &HttpRequest, status: StatusCode) -> Option<Cookie<'static>> {
    let is_page = request.method() == Method::GET && status == StatusCode::OK;
    let left = is_page && request.cookie(COOKIE).is_some() && kept_for_reload(request, request.path()).is_none();
    left.then(|| cookie(String::new(), context(request).is_some_and(|(shared, _)| shared.https), Duration::ZERO))
}

fn context(request: &HttpRequest) -> Option<(&Data<Shared>, NaiveDateTime)> {
    Some((request.app_data::<Data<Shared>>()?, request.app_data::<Data<Clock>>()?.now()))
}

fn cookie(value: String, https: bool, max_age: Duration) -> Cookie<'static> {
    let cookie = Cookie::build(COOKIE, value).path("/").http_only(true).secure(https).same_site(SameSite::Strict);
    cookie.max_age(max_age).finish()
}

/// What it is sealed for: another session's page cannot show it, nor another page of this session.
fn row(request: &HttpRequest, path: &str) -> String {
    let session = request.get_session().get::<String>("id").ok().flatten().unwrap_or_default();
    format!("{session} {path}")
}

fn place(row: &str) -> AssociatedData<'_> {
    AssociatedData::without_tenant("page.secret", row.as_bytes())
}

fn seal(keys: &KeyRing, row: &str, secret: &str, now: NaiveDateTime) -> Result<String> {
    let until = (now + LASTS).and_utc().timestamp();
    Ok(URL_SAFE_NO_PAD.encode(keys.seal(place(row), &format!("{until} {secret}"))?))
}

fn unseal(keys: &KeyRing, row: &str, sealed: &str, now: NaiveDateTime) -> Option<String> {
    let text = keys.unseal(place(row), &URL_SAFE_NO_PAD.decode(sealed).ok()?).ok()?;
    let (until, secret) = text.split_once(' ')?;
    (now.and_utc().timestamp() < until.parse().ok()?).then(|| secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_for_its_session_and_page_and_for_ten_minutes_alone() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyRing::open(&folder.path().join("belfry.key")).unwrap();
        let now: NaiveDateTime = "2026-11-22T12:00:00".parse().unwrap();
        let sealed = seal(&keys, "s1 /t/ours/settings/portals/7", "belfry_token belfry_key", now).unwrap();
        let opened = |row: &str, minutes: i64| unseal(&keys, row, &sealed, now + TimeDelta::minutes(minutes));
        assert!(!sealed.contains("belfry_"));
        assert_eq!(opened("s1 /t/ours/settings/portals/7", 9).as_deref(), Some("belfry_token belfry_key"));
        assert_eq!(opened("s1 /t/ours/settings/portals/7", 10), None);
        assert_eq!(opened("s2 /t/ours/settings/portals/7", 0), None);
        assert_eq!(opened("s1 /t/ours/settings/portals/8", 0), None);
        assert_eq!(unseal(&keys, "s1 /", "forged", now), None);
    }
}
