//! A form that could not be saved, or whose session was over, kept in the very page that says so: one click posts it once more.
//!
//! What was typed may hold passwords and webhooks, and there is no database to put it into, so that it goes to the browser
//! sealed, in one hidden field. When that field comes back, the [guard](super::csrf_guard) opens it and goes on as if the form had
//! been posted at first. That takes nothing from the guard:
//!
//! - It looks at where the post comes from before it opens anything, and a post that it refuses is kept in no page.
//! - The token is the one of the first post, sealed with the rest and compared with the session when it comes back. A form
//!   that somebody else got kept carries his token and is refused as his form would be. Only beside it, in a page that asks
//!   whoever logged in anew whether to send it, stands a token of his, and counts.
//! - The seal holds for one path and query: a form cannot be posted where its reader never posted it.
//! - It holds for an hour, so that a page that was left open does nothing much later.

use actix_web::{HttpMessage as _, HttpRequest, web::Data};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{NaiveDateTime, TimeDelta};

use super::{
    csrf::{self, MAX_FORM_BYTES},
    form::Fields,
    page_context::WebConfig,
    request::safe_return_path,
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    secrets::{AssociatedData, KeyRing},
};

/// The field that carries a form.
const FIELD_NAME: &str = "kept";
/// How long a form is kept.
const VALIDITY: TimeDelta = TimeDelta::hours(1);
/// The largest body that carries a form, in bytes: encoding its bytes as `%XX` makes at most three of one, base64 four of
/// three, and the rest is the field's name, the end of its time, what the seal adds, and a token beside it.
pub(super) const MAX_RESUBMIT_BYTES: usize = 4 * MAX_FORM_BYTES + 384;

/// How the reader of a page tries again what could not be done.
pub(super) struct RetryLink {
    /// Where to: the path and query that were asked for.
    pub path: String,
    /// The form that was posted there, sealed.
    pub sealed_form: Option<String>,
}

impl RetryLink {
    /// The way back to where this request went. There is none after a form that the guard did not let in.
    pub(super) fn for_request(request: &HttpRequest) -> Option<Self> {
        let path = request_path(request);
        if safe_return_path(&path) != path {
            return None;
        }
        let sealed_form = match request.method().is_safe() {
            true => None,
            false => Some(encrypt_posted_form(request, &path)?),
        };
        Some(Self { path, sealed_form })
    }
}

fn encrypt_posted_form(request: &HttpRequest, path: &str) -> Option<String> {
    let fields = request.extensions().get::<Fields>()?.encode().ok()?;
    let (config, clock) = (request.app_data::<Data<WebConfig>>()?, request.app_data::<Data<Clock>>()?);
    encrypt_form(&config.keys, path, &fields, clock.now()).ok()
}

/// Whether a body is that of a kept form, by how it begins: such a one may be larger than others.
pub(super) fn is_resubmit(body: &[u8]) -> bool {
    body.strip_prefix(FIELD_NAME.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

/// The fields as they were posted at first: what the only field holds when it is that of a kept form, or else these.
///
/// # Errors
/// [`Error::ResubmitExpired`] when it does not open here and now.
pub(super) fn restore_form(request: &HttpRequest, posted: Fields) -> Result<Fields> {
    let (sealed_form, token) = match posted.0.as_slice() {
        [(name, kept)] if name == FIELD_NAME => (kept, None),
        [(name, kept), (other, token)] if name == FIELD_NAME && other == csrf::FIELD_NAME => (kept, Some(token)),
        _ => return Ok(posted),
    };
    let missing = || Error::internal("a kept form needs the keys and the clock");
    let config = request.app_data::<Data<WebConfig>>().ok_or_else(missing)?;
    let clock = request.app_data::<Data<Clock>>().ok_or_else(missing)?;
    let mut fields =
        Fields::decode(decrypt_form(&config.keys, &request_path(request), sealed_form, clock.now())?.as_bytes())?;
    if let Some(token) = token {
        fields.0.retain(|(name, _)| name != csrf::FIELD_NAME);
        fields.0.push((csrf::FIELD_NAME.to_owned(), token.clone()));
    }
    Ok(fields)
}

/// The associated data of the seal. Pages take forms by POST alone, so it names no method.
fn request_path(request: &HttpRequest) -> String {
    request.uri().path_and_query().map(ToString::to_string).unwrap_or_default()
}

fn associated_data(path: &str) -> AssociatedData<'_> {
    AssociatedData::without_tenant("page.kept_form", path.as_bytes())
}

fn encrypt_form(keys: &KeyRing, path: &str, form: &str, now: NaiveDateTime) -> Result<String> {
    let expires_at = (now + VALIDITY).and_utc().timestamp();
    Ok(URL_SAFE_NO_PAD.encode(keys.seal(associated_data(path), &format!("{expires_at} {form}"))?))
}

fn decrypt_form(keys: &KeyRing, path: &str, sealed_form: &str, now: NaiveDateTime) -> Result<String> {
    let bytes = URL_SAFE_NO_PAD.decode(sealed_form).map_err(|_| Error::ResubmitExpired)?;
    let text = keys.unseal(associated_data(path), &bytes).map_err(|_| Error::ResubmitExpired)?;
    let (expires_at, form) = text.split_once(' ').ok_or(Error::ResubmitExpired)?;
    let until: i64 = expires_at.parse().map_err(|_| Error::ResubmitExpired)?;
    if now.and_utc().timestamp() < until { Ok(form.to_owned()) } else { Err(Error::ResubmitExpired) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &str = "/t/ours/members/7/edit?page=2";
    const FORM: &str = "csrf=c0ffee&dingtalk_robot=https%3A%2F%2Frobot.example%2F%3Faccess_token%3D5ec2e7";

    fn key_ring() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(&folder.path().join("belfry.key")).unwrap();
        (folder, ring)
    }

    fn noon() -> NaiveDateTime {
        "2026-11-22T12:00:00".parse().unwrap()
    }

    #[test]
    fn a_form_is_restored_for_an_hour_and_at_its_own_path_only() {
        let (_folder, keys) = key_ring();
        let kept = encrypt_form(&keys, TO, FORM, noon()).unwrap();
        let opened = |to: &str, minutes| decrypt_form(&keys, to, &kept, noon() + TimeDelta::minutes(minutes));
        assert_eq!(opened(TO, 0).unwrap(), FORM);
        assert_eq!(opened(TO, 59).unwrap(), FORM);
        for (to, minutes) in
            [(TO, 60), (TO, 100_000), ("/t/ours/members/8/edit?page=2", 0), ("/t/ours/members/7/edit", 0)]
        {
            assert!(matches!(opened(to, minutes), Err(Error::ResubmitExpired)), "{to} after {minutes} minutes");
        }
    }

    #[test]
    fn a_kept_form_can_be_neither_read_nor_changed() {
        let (_folder, keys) = key_ring();
        let kept = encrypt_form(&keys, TO, FORM, noon()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&kept).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"5ec2e7") && !kept.contains("c0ffee"));
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert!(matches!(decrypt_form(&keys, TO, &changed, noon()), Err(Error::ResubmitExpired)), "byte {place}");
        }
        for other in ["", "kept", "*", &kept[1..], FORM, &encrypt_form(&key_ring().1, TO, FORM, noon()).unwrap()] {
            assert!(matches!(decrypt_form(&keys, TO, other, noon()), Err(Error::ResubmitExpired)), "{other}");
        }
    }

    #[test]
    fn the_largest_accepted_form_can_be_resubmitted() {
        let (_folder, keys) = key_ring();
        // Bytes that are sent as they are and become %XX when the form is kept.
        let fields =
            Fields::decode(&["x=".as_bytes(), "張".repeat((MAX_FORM_BYTES - 2) / 3).as_bytes()].concat()).unwrap();
        let kept = encrypt_form(&keys, TO, &fields.encode().unwrap(), noon()).unwrap();
        let body = format!("{FIELD_NAME}={kept}");
        assert!(
            is_resubmit(body.as_bytes()) && (MAX_FORM_BYTES..=MAX_RESUBMIT_BYTES).contains(&body.len()),
            "{}",
            body.len()
        );
        let again = Fields::decode(decrypt_form(&keys, TO, &kept, noon()).unwrap().as_bytes()).unwrap();
        assert!(again.0 == fields.0);
    }
}
