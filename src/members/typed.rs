//! Webhooks and signing secrets that were typed into a form that came back with an error: no page repeats them, so that the form
//! carries them sealed until it is sent again.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::form::{EditAccount, robot_field, secret_field};
use crate::{
    db::{AccountId, MemberId, TenantId},
    error::{Error, Result},
    robots::Channel,
    secrets::{AssociatedData, KeyRing},
    text::trim_invisible,
    web::FieldErrors,
};

/// Whose form it is: the seal holds for the same person's form about the same member alone.
#[derive(Clone, Copy)]
pub(super) struct Whose {
    pub tenant: TenantId,
    pub member: MemberId,
    pub by: AccountId,
}

impl Whose {
    fn row(self) -> Vec<u8> {
        [self.member.0.to_be_bytes(), self.by.0.to_be_bytes()].concat()
    }
}

/// What a form carries of one field.
pub(super) struct Typed {
    /// The field's name.
    field: &'static str,
    /// The value of the hidden field.
    pub sealed: String,
}

impl Typed {
    pub fn is_of(&self, field: &str) -> bool {
        self.field == field
    }
}

/// Seals what was typed into the fields that no page repeats, but for what is wrong itself.
///
/// # Errors
/// [`Error::Internal`] when sealing fails.
pub(super) fn seal(keys: &KeyRing, whose: Whose, form: &EditAccount, errors: &FieldErrors) -> Result<Vec<Typed>> {
    let row = whose.row();
    let place = AssociatedData { tenant: whose.tenant, column: "page.typed", row: &row };
    let seal = |(field, value): (&'static str, &str)| {
        let sealed = keys.seal(place, &format!("{field} {value}"))?;
        Ok(Typed { field, sealed: URL_SAFE_NO_PAD.encode(sealed) })
    };
    let right =
        fields(form).filter(|(field, value)| !trim_invisible(value).is_empty() && errors.for_field(field).is_none());
    right.map(seal).collect()
}

/// The form with what it carries sealed, where nothing else was typed since and its robot or secret is not to be removed.
///
/// # Errors
/// [`Error::ResubmitExpired`] when it carries something that does not open.
pub(super) fn recall(keys: &KeyRing, whose: Whose, mut form: EditAccount) -> Result<EditAccount> {
    let row = whose.row();
    let place = AssociatedData { tenant: whose.tenant, column: "page.typed", row: &row };
    for sealed in std::mem::take(&mut form.typed) {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Error::ResubmitExpired)?;
        let text = keys.unseal(place, &sealed).map_err(|_| Error::ResubmitExpired)?;
        let (field, value) = text.split_once(' ').ok_or(Error::ResubmitExpired)?;
        let removed = form.remove.clone();
        let is_removed = |words: [&str; 2]| removed.iter().any(|word| words.contains(&word.as_str()));
        if let Some((into, words)) = field_of(&mut form, field)
            && trim_invisible(into).is_empty()
            && !is_removed(words)
        {
            value.clone_into(into);
        }
    }
    Ok(form)
}

fn fields(form: &EditAccount) -> impl Iterator<Item = (&'static str, &str)> {
    Channel::ALL.into_iter().flat_map(|channel| {
        let secret = secret_field(&channel).map(|field| (field, form.secret(channel)));
        std::iter::once((robot_field(&channel), form.webhook(channel))).chain(secret)
    })
}

/// A field, with the words of the checkboxes that empty it.
fn field_of<'f>(form: &'f mut EditAccount, name: &str) -> Option<(&'f mut String, [&'static str; 2])> {
    match name {
        "dingtalk_robot" => Some((&mut form.dingtalk_robot, ["dingtalk", "dingtalk"])),
        "dingtalk_secret" => Some((&mut form.dingtalk_secret, ["dingtalk", "secret_dingtalk"])),
        "lark_robot" => Some((&mut form.lark_robot, ["lark", "lark"])),
        "lark_secret" => Some((&mut form.lark_secret, ["lark", "secret_lark"])),
        "wecom_robot" => Some((&mut form.wecom_robot, ["wecom", "wecom"])),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBHOOK: &str = "https://oapi.dingtalk.com/robot/send?access_token=canary";
    const OURS: Whose = Whose { tenant: TenantId(1), member: MemberId(2), by: AccountId(3) };

    fn ring() -> (tempfile::TempDir, KeyRing) {
        let folder = tempfile::tempdir().unwrap();
        let ring = KeyRing::open(&folder.path().join("belfry.key")).unwrap();
        (folder, ring)
    }

    fn form() -> EditAccount {
        EditAccount { dingtalk_robot: WEBHOOK.into(), lark_secret: "a secret".into(), ..EditAccount::default() }
    }

    /// The form as the page sends it again, with what it carries.
    fn again(keys: &KeyRing, errors: &FieldErrors) -> EditAccount {
        let typed = seal(keys, OURS, &form(), errors).unwrap().into_iter().map(|typed| typed.sealed).collect();
        EditAccount { typed, ..EditAccount::default() }
    }

    #[test]
    fn what_was_typed_is_there_again_and_cannot_be_read_in_the_page() {
        let (_folder, keys) = ring();
        let again = again(&keys, &FieldErrors::default());
        assert!(again.typed.len() == 2 && !again.typed.concat().contains("canary"));
        let form = recall(&keys, OURS, again).unwrap();
        assert_eq!((form.dingtalk_robot.as_str(), form.lark_secret.as_str()), (WEBHOOK, "a secret"));
    }

    #[test]
    fn what_is_wrong_is_not_kept() {
        let (_folder, keys) = ring();
        let again = again(&keys, &FieldErrors::single("dingtalk_robot", "a rule"));
        assert_eq!(recall(&keys, OURS, again).unwrap().dingtalk_robot, "");
    }

    #[test]
    fn what_is_typed_or_removed_afterwards_counts_and_not_what_was_kept() {
        let (_folder, keys) = ring();
        let typed = EditAccount { dingtalk_robot: "another".into(), ..again(&keys, &FieldErrors::default()) };
        assert_eq!(recall(&keys, OURS, typed).unwrap().dingtalk_robot, "another");
        let removed = EditAccount { remove: vec!["dingtalk".into()], ..again(&keys, &FieldErrors::default()) };
        assert_eq!(recall(&keys, OURS, removed).unwrap().dingtalk_robot, "");
    }

    #[test]
    fn it_opens_in_no_other_form() {
        let (_folder, keys) = ring();
        for other in [
            Whose { tenant: TenantId(9), ..OURS },
            Whose { member: MemberId(9), ..OURS },
            Whose { by: AccountId(9), ..OURS },
        ] {
            let again = again(&keys, &FieldErrors::default());
            assert!(matches!(recall(&keys, other, again), Err(Error::ResubmitExpired)));
        }
        let forged = EditAccount { typed: vec!["forged".into()], ..EditAccount::default() };
        assert!(matches!(recall(&keys, OURS, forged), Err(Error::ResubmitExpired)));
    }
}
