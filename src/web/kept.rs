//! A form that could not be saved, or whose session was over, kept in the very page that says so: one click posts it once more.
//!
//! What was typed may hold passwords and webhooks, and there is no database to put it into, so that it goes to the browser
//! sealed, in one hidden field. When that field comes back, the [guard](super::guard) opens it and goes on as if the form had
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
    csrf::{self, LARGEST},
    form::Fields,
    frame::Shared,
    request::own_page,
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    secrets::{AssociatedData, KeyRing},
};

/// The field that carries a form.
const FIELD: &str = "kept";
/// How long a form is kept.
const LASTS: TimeDelta = TimeDelta::hours(1);
/// The largest body that carries a form, in bytes: encoding its bytes as `%XX` makes at most three of one, base64 four of
/// three, and the rest is the field's name, the end of its time, what the seal adds, and a token beside it.
pub(super) const LARGEST_KEPT: usize = 4 * LARGEST + 384;

/// How the reader of a page tries again what could not be done.
pub(super) struct Again {
    /// Where to: the path and query that were asked for.
    pub to: String,
    /// The form that was posted there, sealed.
    pub kept: Option<String>,
}

impl Again {
    /// The way back to where this request went. There is none after a form that the guard did not let in.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        let to = target(request);
        if own_page(&to) != to {
            return None;
        }
        let kept = match request.method().is_safe() {
            true => None,
            false => Some(keep(request, &to)?),
        };
        Some(Self { to, kept })
    }
}

fn keep(request: &HttpRequest, to: &str) -> Option<String> {
    let fields = request.extensions().get::<Fields>()?.encode().ok()?;
    let (shared, clock) = (request.app_data::<Data<Shared>>()?, request.app_data::<Data<Clock>>()?);
    seal(&shared.keys, to, &fields, clock.now()).ok()
}

/// Whether a body is that of a kept form, by how it begins: such a one may be larger than others.
pub(super) fn is_kept(body: &[u8]) -> bool {
    body.strip_prefix(FIELD.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

/// The fields as they were posted at first: what the only field holds when it is that of a kept form, or else these.
///
/// # Errors
/// [`Error::NotKept`] when it does not open here and now.
pub(super) fn open(request: &HttpRequest, posted: Fields) -> Result<Fields> {
    let (kept, token) = match posted.0.as_slice() {
        [(name, kept)] if name == FIELD => (kept, None),
        [(name, kept), (other, token)] if name == FIELD && other == csrf::FIELD => (kept, Some(token)),
        _ => return Ok(posted),
    };
    let missing = || Error::internal("a kept form needs the keys and the clock");
    let shared = request.app_data::<Data<Shared>>().ok_or_else(missing)?;
    let clock = request.app_data::<Data<Clock>>().ok_or_else(missing)?;
    let mut fields = Fields::decode(unseal(&shared.keys, &target(request), kept, clock.now())?.as_bytes())?;
    if let Some(token) = token {
        fields.0.retain(|(name, _)| name != csrf::FIELD);
        fields.0.push((csrf::FIELD.to_owned(), token.clone()));
    }
    Ok(fields)
}

/// What the seal is bound to. Pages take forms by POST alone, so that the method needs no mention.
fn target(request: &HttpRequest) -> String {
    request.uri().path_and_query().map(ToString::to_string).unwrap_or_default()
}

fn place(to: &str) -> AssociatedData<'_> {
    AssociatedData::without_tenant("page.kept_form", to.as_bytes())
}

fn seal(keys: &KeyRing, to: &str, form: &str, now: NaiveDateTime) -> Result<String> {
    let until = (now + LASTS).and_utc().timestamp();
    Ok(URL_SAFE_NO_PAD.encode(keys.seal(place(to), &format!("{until} {form}"))?))
}

fn unseal(keys: &KeyRing, to: &str, kept: &str, now: NaiveDateTime) -> Result<String> {
    let sealed = URL_SAFE_NO_PAD.decode(kept).map_err(|_| Error::NotKept)?;
    let text = keys.unseal(place(to), &sealed).map_err(|_| Error::NotKept)?;
    let (until, form) = text.split_once(' ').ok_or(Error::NotKept)?;
    let until: i64 = until.parse().map_err(|_| Error::NotKept)?;
    if now.and_utc().timestamp() < until { Ok(form.to_owned()) } else { Err(Error::NotKept) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TO: &str = "/t/ours/members/7/edit?page=2";
    const FORM: &str = "csrf=c0ffee&dingtalk_robot=https%3A%2F%2Frobot.example%2F%3Faccess_token%3D5ec2e7";

    fn ring() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(&folder.path().join("belfry.key")).unwrap();
        (folder, ring)
    }

    fn noon() -> NaiveDateTime {
        "2026-11-22T12:00:00".parse().unwrap()
    }

    #[test]
    fn a_form_comes_back_as_it_was_for_an_hour_and_to_its_own_address_alone() {
        let (_folder, keys) = ring();
        let kept = seal(&keys, TO, FORM, noon()).unwrap();
        let opened = |to: &str, minutes| unseal(&keys, to, &kept, noon() + TimeDelta::minutes(minutes));
        assert_eq!(opened(TO, 0).unwrap(), FORM);
        assert_eq!(opened(TO, 59).unwrap(), FORM);
        for (to, minutes) in
            [(TO, 60), (TO, 100_000), ("/t/ours/members/8/edit?page=2", 0), ("/t/ours/members/7/edit", 0)]
        {
            assert!(matches!(opened(to, minutes), Err(Error::NotKept)), "{to} after {minutes} minutes");
        }
    }

    #[test]
    fn nothing_of_a_form_can_be_read_or_changed_in_the_page() {
        let (_folder, keys) = ring();
        let kept = seal(&keys, TO, FORM, noon()).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&kept).unwrap();
        assert!(!bytes.windows(6).any(|part| part == b"5ec2e7") && !kept.contains("c0ffee"));
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 1;
            let changed = URL_SAFE_NO_PAD.encode(changed);
            assert!(matches!(unseal(&keys, TO, &changed, noon()), Err(Error::NotKept)), "byte {place}");
        }
        for other in ["", "kept", "*", &kept[1..], FORM, &seal(&ring().1, TO, FORM, noon()).unwrap()] {
            assert!(matches!(unseal(&keys, TO, other, noon()), Err(Error::NotKept)), "{other}");
        }
    }

    #[test]
    fn the_largest_form_that_is_taken_at_first_is_taken_again() {
        let (_folder, keys) = ring();
        // Bytes that are sent as they are and become %XX when the form is kept.
        let fields = Fields::decode(&["x=".as_bytes(), "張".repeat((LARGEST - 2) / 3).as_bytes()].concat()).unwrap();
        let kept = seal(&keys, TO, &fields.encode().unwrap(), noon()).unwrap();
        let body = format!("{FIELD}={kept}");
        assert!(is_kept(body.as_bytes()) && (LARGEST..=LARGEST_KEPT).contains(&body.len()), "{}", body.len());
        let again = Fields::decode(unseal(&keys, TO, &kept, noon()).unwrap().as_bytes()).unwrap();
        assert!(again.0 == fields.0);
    }
}
