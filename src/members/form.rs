//! The forms of Member Management and of My Contact Information.

use serde::{Deserialize, Serialize};
use validator::Validate;

use super::model::{ContactChange, Email, Member, Phone, RobotChange};
use crate::{
    access::Role,
    accounts::Username,
    db::DeliveryId,
    error::Result,
    language::Language,
    robots::{Channel, RobotAddress, RobotOrigins, SigningSecret},
    secrets::PlainToken,
    text::{self, trim_invisible},
    web::{EditForm as _, FieldErrors, FormVersion, impl_edit_form, single_line, validate_form},
};

/// The key of what is said of a robot that somebody else changed meanwhile: what was typed in its place is right all the same.
pub(super) const CHANGED_ROBOT: &str = "form-changed-secret";

/// The dialog Edit Account. Robot fields that are empty keep what is stored.
#[derive(Clone, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct EditAccount {
    /// The role; absent on My Contact Information.
    pub role: String,
    /// `yes` when the checkbox May fire alerts is ticked; only an ordinary member's dialog has it.
    pub may_fire: String,
    /// The phone number.
    pub phone: String,
    /// The email address.
    pub email: String,
    /// The webhook of the DingTalk robot.
    #[serde(skip_serializing)]
    pub dingtalk_robot: String,
    /// Its signing secret.
    #[serde(skip_serializing)]
    pub dingtalk_secret: String,
    /// The webhook of the Lark robot.
    #[serde(skip_serializing)]
    pub lark_robot: String,
    /// Its signing secret.
    #[serde(skip_serializing)]
    pub lark_secret: String,
    /// The webhook of the WeCom robot.
    #[serde(skip_serializing)]
    pub wecom_robot: String,
    /// The robots to remove, by channel, and `secret_` with a channel for their secrets.
    #[serde(skip_serializing)]
    pub remove: Vec<String>,
    /// Test messages whose robots are not saved yet, as `channel:delivery`.
    #[serde(skip_serializing)]
    pub tested: Vec<String>,
    /// Webhooks and secrets that were typed before the form came back with an error, sealed.
    #[serde(skip_serializing)]
    pub typed: Vec<String>,
    /// The account that the checkbox confirms before an administrator's role is given: [`AccountOrigin::confirmation_value`].
    ///
    /// [`AccountOrigin::confirmation_value`]: crate::accounts::AccountOrigin::confirmation_value
    pub confirmed: String,
    /// Which DingTalk robot is stored, and whether with a secret; empty for none. Never posted, only part of the version.
    #[serde(skip_deserializing)]
    pub dingtalk_stored: String,
    /// Which Lark robot is.
    #[serde(skip_deserializing)]
    pub lark_stored: String,
    /// Which WeCom robot is.
    #[serde(skip_deserializing)]
    pub wecom_stored: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(EditAccount);

impl std::fmt::Debug for EditAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EditAccount(***)")
    }
}

/// The key of what a channel's vendor is called, over the fields of its robot.
#[must_use]
pub fn vendor_key(channel: &Channel) -> &'static str {
    match channel {
        Channel::DingTalk => "vendor-dingtalk",
        Channel::Lark => "vendor-lark",
        Channel::WeCom => "vendor-wecom",
    }
}

/// The name of a channel's webhook field.
#[must_use]
pub fn robot_field(channel: &Channel) -> &'static str {
    match channel {
        Channel::DingTalk => "dingtalk_robot",
        Channel::Lark => "lark_robot",
        Channel::WeCom => "wecom_robot",
    }
}

/// The name of a channel's field for the signing secret; WeCom has none.
#[must_use]
pub fn secret_field(channel: &Channel) -> Option<&'static str> {
    match channel {
        Channel::DingTalk => Some("dingtalk_secret"),
        Channel::Lark => Some("lark_secret"),
        Channel::WeCom => None,
    }
}

/// The name of a channel's field for the verification code.
#[must_use]
pub fn code_field(channel: &Channel) -> &'static str {
    match channel {
        Channel::DingTalk => "dingtalk_code",
        Channel::Lark => "lark_code",
        Channel::WeCom => "wecom_code",
    }
}

/// The name under which the version of the form holds a channel's stored robot.
#[must_use]
pub fn stored_field(channel: &Channel) -> &'static str {
    match channel {
        Channel::DingTalk => "dingtalk_stored",
        Channel::Lark => "lark_stored",
        Channel::WeCom => "wecom_stored",
    }
}

impl From<&Member> for EditAccount {
    fn from(member: &Member) -> Self {
        let stored = |channel: Channel| {
            member
                .robot(&channel)
                .map(|contact| format!("{} {}", contact.robot, contact.has_secret))
                .unwrap_or_default()
        };
        Self {
            role: member.role.as_str().to_owned(),
            may_fire: if member.may_fire { "yes".to_owned() } else { String::new() },
            phone: member.phone.clone(),
            email: member.email.clone(),
            dingtalk_stored: stored(Channel::DingTalk),
            lark_stored: stored(Channel::Lark),
            wecom_stored: stored(Channel::WeCom),
            ..Self::default()
        }
        .with_version()
    }
}

impl EditAccount {
    /// What is to be saved in the place of what is stored now, which `self` edits; see [`EditForm::reconcile`](crate::web::EditForm::reconcile). A robot that
    /// somebody else replaced or removed meanwhile is not changed either.
    ///
    /// # Errors
    /// [`Error::Internal`](crate::error::Error::Internal) when the form cannot be read again.
    pub(super) fn reconciled_with(
        &self,
        member: &Member,
        own: bool,
        robots: &[(Channel, RobotChange)],
        language: Language,
    ) -> Result<std::result::Result<Self, (Self, FieldErrors)>> {
        let now = Self::from(member);
        let mut fields = vec!["phone", "email"];
        if !own && !self.role.is_empty() {
            fields.push("role");
        }
        if !own && member.role == Role::Member {
            fields.push("may_fire");
        }
        let word = |field: &str, value: &str| match field {
            "role" => Role::parse(value).map(|role| language.text(role.key()).into_owned()),
            "may_fire" => Some(language.text("yes").into_owned()),
            _ => None,
        };
        let (merged, mut errors) = match self.reconcile(&now, &fields)? {
            Ok(form) => (form, FieldErrors::default()),
            Err(outdated) => outdated.into_errors_with_labels(word),
        };
        if !self.form_version.is_absent() {
            for (channel, _) in robots.iter().filter(|(_, change)| !matches!(change, RobotChange::Keep)) {
                if self.form_version.field_differs(stored_field(channel), &now) {
                    let stored =
                        member.robot(channel).map(|contact| format!("{} …{}", contact.host, contact.last_four));
                    errors.add_with_variable(
                        robot_field(channel),
                        CHANGED_ROBOT,
                        "now",
                        stored.unwrap_or_else(|| "—".to_owned()),
                    );
                }
            }
        }
        let Self { role, may_fire, phone, email, form_version, .. } = merged;
        let form = Self { role, may_fire, phone, email, form_version, ..self.clone() };
        Ok(if errors.is_empty() { Ok(form) } else { Err((form, errors)) })
    }

    pub(super) fn webhook(&self, channel: Channel) -> &str {
        match channel {
            Channel::DingTalk => &self.dingtalk_robot,
            Channel::Lark => &self.lark_robot,
            Channel::WeCom => &self.wecom_robot,
        }
    }

    pub(super) fn secret(&self, channel: Channel) -> &str {
        match channel {
            Channel::DingTalk => &self.dingtalk_secret,
            Channel::Lark => &self.lark_secret,
            Channel::WeCom => "",
        }
    }

    /// Whether a checkbox Remove is ticked.
    #[must_use]
    pub fn removes(&self, what: &str) -> bool {
        self.remove.iter().any(|word| word == what)
    }

    /// Whether the checkbox May fire alerts is ticked.
    #[must_use]
    pub fn may_fire(&self) -> bool {
        !self.may_fire.is_empty()
    }

    /// The test message whose robot of this channel is not saved yet.
    #[must_use]
    pub fn tested(&self, channel: &Channel) -> Option<DeliveryId> {
        self.tested.iter().find_map(|word| {
            let (name, delivery) = word.split_once(':')?;
            (name == channel.as_str()).then(|| delivery.parse().ok().map(DeliveryId)).flatten()
        })
    }

    /// The role, when the form has one.
    ///
    /// # Errors
    /// A word that is no role.
    pub fn role(&self) -> std::result::Result<Option<Role>, FieldErrors> {
        if self.role.is_empty() {
            return Ok(None);
        }
        Role::parse(&self.role).map(Some).ok_or_else(|| FieldErrors::single("role", "form-choose"))
    }

    /// What is to become of the contact information.
    ///
    /// # Errors
    /// Every mistake, beside its field. None of them repeats a webhook or a secret.
    pub fn check(&self, origins: &RobotOrigins) -> std::result::Result<ContactChange, FieldErrors> {
        let mut errors = FieldErrors::default();
        let phone = Phone::parse(&self.phone);
        if phone.is_none() {
            errors.add("phone", "members-phone-rule");
        }
        let email = Email::parse(&self.email).map_err(|fault| errors.add("email", fault.key()));
        let robots = Channel::ALL.map(|channel| (channel, self.robot_change(channel, origins, &mut errors))).to_vec();
        match (phone, email) {
            (Some(phone), Ok(email)) if errors.is_empty() => Ok(ContactChange { phone, email, robots }),
            _ => Err(errors),
        }
    }

    /// The secrets whose robot neither comes with them nor stays: they would be dropped.
    pub(super) fn secrets_without_robot(&self, member: &Member) -> FieldErrors {
        let mut errors = FieldErrors::default();
        for channel in Channel::ALL {
            let has_secret = !trim_invisible(self.secret(channel)).is_empty();
            let brings_robot = !trim_invisible(self.webhook(channel)).is_empty() || self.tested(&channel).is_some();
            let keeps_robot = member.robot(&channel).is_some() && !self.removes(channel.as_str());
            if has_secret && !brings_robot && !keeps_robot {
                errors.add(secret_field(&channel).unwrap_or(robot_field(&channel)), "members-secret-without-robot");
            }
        }
        errors
    }

    fn robot_change(&self, channel: Channel, origins: &RobotOrigins, errors: &mut FieldErrors) -> RobotChange {
        let (webhook, secret) = (trim_invisible(self.webhook(channel)), trim_invisible(self.secret(channel)));
        if self.removes(channel.as_str()) && webhook.is_empty() {
            return RobotChange::Remove;
        }
        let parsed = if secret.is_empty() { Ok(None) } else { SigningSecret::parse(channel, secret).map(Some) };
        let secret = parsed.unwrap_or_else(|fault| {
            errors.add(secret_field(&channel).unwrap_or("wecom_robot"), fault.key());
            None
        });
        if !webhook.is_empty() {
            return match RobotAddress::parse(channel, webhook, origins) {
                Ok(address) => RobotChange::Set(address, secret),
                Err(fault) => {
                    errors.add(robot_field(&channel), fault.key());
                    RobotChange::Keep
                }
            };
        }
        match (self.tested(&channel), secret) {
            (Some(delivery), secret) => RobotChange::Tested(delivery, secret),
            (None, Some(secret)) => RobotChange::NewSecret(secret),
            (None, None) if self.removes(&format!("secret_{}", channel.as_str())) => RobotChange::NoSecret,
            (None, None) => RobotChange::Keep,
        }
    }
}

/// The button Verify beside a stored robot, and the field for the code that it sends.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Verify {
    /// The robot's channel.
    pub channel: String,
    /// The code that was read in the group.
    pub code: String,
}

impl std::fmt::Debug for Verify {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verify(***)")
    }
}

impl Verify {
    /// The channel.
    ///
    /// # Errors
    /// A word that is no channel.
    pub fn channel(&self) -> std::result::Result<Channel, FieldErrors> {
        Channel::parse(&self.channel).ok_or_else(|| FieldErrors::for_whole_form("members-verify-nothing"))
    }

    /// The channel and the code, which may be typed in groups and with the digits of a Chinese keyboard.
    ///
    /// # Errors
    /// A word that is no channel, or a text that is no code.
    pub fn check(&self) -> std::result::Result<(Channel, PlainToken), FieldErrors> {
        let channel = self.channel()?;
        let digit = |c: char| match c {
            '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
            _ => Some(c),
        };
        let code: String = self.code.chars().filter(|c| !c.is_whitespace()).filter_map(digit).collect();
        if code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok((channel, PlainToken::from_presented(&code)))
        } else {
            Err(FieldErrors::single(code_field(&channel), "members-verify-rule"))
        }
    }
}

/// The page Add Member.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(default)]
pub struct AddMember {
    /// The name of the account; an unknown one is made.
    pub username: String,
    /// What the tenant calls the person; the username when empty.
    #[validate(length(max = 128, code = "form-too-long"), custom(function = "single_line"))]
    pub display_name: String,
    /// The role.
    pub role: String,
    /// The account that the checkbox confirms, when there was one of this name already: [`AccountOrigin::confirmation_value`].
    ///
    /// [`AccountOrigin::confirmation_value`]: crate::accounts::AccountOrigin::confirmation_value
    pub confirmed: String,
}

impl AddMember {
    /// The account's name, the display name and the role.
    ///
    /// # Errors
    /// Every mistake, beside its field.
    pub fn check(&self) -> std::result::Result<(Username, String, Role), FieldErrors> {
        let mut errors = validate_form(self).err().unwrap_or_default();
        let username = Username::parse(&self.username);
        if username.is_err() {
            errors.add("username", "accounts-username-rule");
        }
        // Spaces are an empty field; other characters that show nothing are meant to be seen, and would not be.
        if !self.display_name.trim().is_empty() && text::is_blank(&self.display_name) {
            errors.add("display_name", "form-invisible");
        }
        let role = Role::parse(&self.role).filter(|role| *role != Role::SuperAdministrator);
        if role.is_none() {
            errors.add("role", "form-choose");
        }
        match (username, role) {
            (Ok(username), Some(role)) if errors.is_empty() => {
                let name = text::first_visible([self.display_name.as_str(), username.as_str()]).unwrap_or_default();
                Ok((username.clone(), name.to_owned(), role))
            }
            _ => Err(errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEBHOOK: &str = "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn dingtalk(form: &EditAccount) -> RobotChange {
        form.check(&RobotOrigins::default()).unwrap().robots.remove(0).1
    }

    #[test]
    fn an_empty_field_keeps_the_stored_robot_and_the_checkbox_clears_it() {
        assert_eq!(dingtalk(&EditAccount::default()), RobotChange::Keep);
        let remove = EditAccount { remove: vec!["dingtalk".into()], ..EditAccount::default() };
        assert_eq!(dingtalk(&remove), RobotChange::Remove);
        let secret = EditAccount { remove: vec!["secret_dingtalk".into()], ..EditAccount::default() };
        assert_eq!(dingtalk(&secret), RobotChange::NoSecret);
        let replaced = EditAccount { dingtalk_robot: WEBHOOK.into(), ..remove };
        assert!(matches!(dingtalk(&replaced), RobotChange::Set(_, None)));
    }

    #[test]
    fn every_mistake_is_named_and_no_webhook_is_repeated() {
        let form = EditAccount {
            phone: "12".into(),
            email: "nobody".into(),
            dingtalk_robot: "http://evil.example/canary-token".into(),
            ..EditAccount::default()
        };
        let errors = form.check(&RobotOrigins::default()).unwrap_err();
        for field in ["phone", "email", "dingtalk_robot"] {
            assert!(errors.for_field(field).is_some(), "{field}");
        }
        assert!(!format!("{errors:?} {form:?}").contains("canary"));
    }

    #[test]
    fn a_code_is_six_digits_however_they_are_grouped() {
        let code = |code: &str| {
            let form = Verify { channel: "lark".into(), code: code.into() };
            form.check().map(|(_, code)| code.expose().to_owned())
        };
        for typed in ["012345", " 012 345 ", "０１２３４５"] {
            assert_eq!(code(typed).unwrap(), "012345", "{typed}");
        }
        for typed in ["", "12345", "1234567", "12345x", "-12345", "١٢٣٤٥٦"] {
            assert!(code(typed).unwrap_err().for_field("lark_code").is_some(), "{typed}");
        }
        assert!(Verify { channel: "fax".into(), code: "012345".into() }.check().is_err());
    }

    #[test]
    fn nobody_is_added_as_super_administrator() {
        let form = AddMember { username: "li".into(), role: "super_administrator".into(), ..AddMember::default() };
        assert!(form.check().unwrap_err().for_field("role").is_some());
        let form = AddMember { role: "member".into(), ..form };
        assert_eq!(form.check().unwrap().1, "li");
    }

    #[test]
    fn a_display_name_is_any_printable_text_of_128_characters() {
        let form = |name: &str| AddMember {
            username: "li".into(),
            display_name: name.into(),
            role: "member".into(),
            ..AddMember::default()
        };
        assert!(form(&"名".repeat(128)).check().is_ok());
        assert!(form("مرحبا 🔔").check().is_ok());
        assert!(form(&"名".repeat(129)).check().is_err());
        assert!(form("a\nb").check().is_err());
        assert_eq!(form(" \u{3000}").check().unwrap().1, "li");
        for invisible in
            ["\u{200b}", "\u{feff}", "\u{ad}", "\u{3164}", "\u{2066}\u{2069}", "\u{180e}", "\u{fe0f}", "\u{e0041}"]
        {
            assert!(form(invisible).check().unwrap_err().for_field("display_name").is_some(), "{invisible:?}");
        }
    }
}
