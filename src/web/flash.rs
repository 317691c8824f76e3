//! After a form was accepted: on to the next page, which says once what was done.
//!
//! What is said travels in a cookie as the key of a text, so that it needs no row and can say nothing of its own.

use actix_web::{
    HttpRequest, HttpResponse,
    cookie::{Cookie, SameSite, time::Duration},
    http::header,
};
use chrono::{DateTime, NaiveDateTime};

/// The cookie that carries the key.
pub(super) const COOKIE_NAME: &str = "belfry-flash";

/// See other.
#[must_use]
pub fn redirect(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// See other, where the text behind this key is shown once. Its key starts with `flash-`.
#[must_use]
pub fn redirect_with_flash(path: &str, key: &'static str) -> HttpResponse {
    let cookie = Cookie::build(COOKIE_NAME, key)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::minutes(1));
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).cookie(cookie.finish()).finish()
}

/// The same with a text that counts something since a moment: the variables `count` and `since`.
#[must_use]
pub fn redirect_with_counted_flash(path: &str, key: &'static str, count: i64, since: NaiveDateTime) -> HttpResponse {
    let value = format!("{key}:{count}:{}", since.and_utc().timestamp());
    let cookie = Cookie::build(COOKIE_NAME, value)
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::minutes(1));
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).cookie(cookie.finish()).finish()
}

/// The cookie that takes the key away again, for a page that has said it.
pub(super) fn clearing_cookie() -> Cookie<'static> {
    Cookie::build(COOKIE_NAME, "").path("/").http_only(true).same_site(SameSite::Lax).max_age(Duration::ZERO).finish()
}

/// What is to be said on this page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlashMessage {
    /// The key of its text.
    pub key: String,
    /// What it counts, and since when.
    pub counted: Option<(i64, NaiveDateTime)>,
}

impl FlashMessage {
    /// The class of its note: amber where somebody was not reached or log-ins failed, none where nothing was done, else green.
    #[must_use]
    pub fn class(&self) -> &'static str {
        if self.counted.is_some() || self.key.ends_with("-unheard") {
            "wait"
        } else if self.key.ends_with("-unchanged") {
            ""
        } else {
            "good"
        }
    }
}

/// What is to be said on this page.
pub(super) fn flash_message(request: &HttpRequest) -> Option<FlashMessage> {
    parse_cookie(request.cookie(COOKIE_NAME)?.value())
}

fn parse_cookie(value: &str) -> Option<FlashMessage> {
    let mut parts = value.split(':');
    let key = parts.next()?.to_owned();
    let is_key = key.starts_with("flash-") && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    let counted = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => None,
        (Some(count), Some(since), None) => {
            Some((count.parse().ok()?, DateTime::from_timestamp(since.parse().ok()?, 0)?.naive_utc()))
        }
        _ => return None,
    };
    is_key.then_some(FlashMessage { key, counted })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_holds_only_a_known_key_with_a_count_and_a_time() {
        assert_eq!(parse_cookie("flash-saved"), Some(FlashMessage { key: "flash-saved".to_owned(), counted: None }));
        let since = DateTime::from_timestamp(1_800_000_000, 0).unwrap().naive_utc();
        let counted = FlashMessage { key: "flash-failed-log-ins".to_owned(), counted: Some((3, since)) };
        assert_eq!(parse_cookie("flash-failed-log-ins:3:1800000000"), Some(counted));
        for value in
            ["", "saved", "flash-x:3", "flash-x:three:1", "flash-x:3:1:1", "flash-<b>", "flash-x:3:99999999999999999"]
        {
            assert_eq!(parse_cookie(value), None, "{value}");
        }
    }
}
