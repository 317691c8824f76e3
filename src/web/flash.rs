//! After a form was accepted: on to the next page, which says once what was done.
//!
//! What is said travels in a cookie as the key of a text, so that it needs no row and can say nothing of its own.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    http::header,
};

/// The cookie that carries the key.
pub(super) const COOKIE: &str = "belfry-flash";

/// See other.
#[must_use]
pub fn redirect(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}

/// See other, where the text behind this key is shown once. Its key starts with `flash-`.
#[must_use]
pub fn redirect_saying(to: &str, key: &'static str) -> HttpResponse {
    let cookie =
        Cookie::build(COOKIE, key).path("/").http_only(true).same_site(SameSite::Lax).max_age(Duration::minutes(1));
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).cookie(cookie.finish()).finish()
}

/// The cookie that takes the key away again, for a page that has said it.
pub(super) fn said_once() -> Cookie<'static> {
    Cookie::build(COOKIE, "").path("/").http_only(true).same_site(SameSite::Lax).max_age(Duration::ZERO).finish()
}

/// The key of what is to be said on this page.
pub(super) fn said(request: &HttpRequest) -> Option<String> {
    let key = request.cookie(COOKIE)?.value().to_owned();
    let is_key = key.starts_with("flash-") && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    is_key.then_some(key)
}
