//! The forms of Member Management and of My Contact Information.

use serde::Deserialize;
use validator::Validate;

use super::model::{ContactChange, Email, Phone, RobotChange};
use crate::{
    access::Role,
    accounts::Username,
    db::DeliveryId,
    robots::{Channel, Origins, RobotAddress, SigningSecret, trim_pasted},
    secrets::PlainToken,
    web::{FieldErrors, one_line, validated},
};

/// The dialog Edit Account. Robot fields that are empty keep what is stored.
#[derive(Clone, Default, Deserialize)]
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
    pub dingtalk_robot: String,
    /// Its signing secret.
    pub dingtalk_secret: String,
    /// The webhook of the Lark robot.
    pub lark_robot: String,
    /// Its signing secret.
    pub lark_secret: String,
    /// The webhook of the WeCom robot.
    pub wecom_robot: String,
    /// The robots to remove, by channel, and `secret_` with a channel for their secrets.
    pub remove: Vec<String>,
    /// Test messages whose robots are not saved yet, as `channel:delivery`.
    pub tested: Vec<String>,
    /// Webhooks and secrets that were typed before the form came back with an error, sealed.
    pub typed: Vec<String>,
}

impl std::fmt::Debug for EditAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EditAccount(***)")
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

impl EditAccount {
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
    pub fn role(&self) -> Result<Option<Role>, FieldErrors> {
        if self.role.is_empty() {
            return Ok(None);
        }
        Role::parse(&self.role).map(Some).ok_or_else(|| FieldErrors::one("role", "form-choose"))
    }

    /// What is to become of the contact information.
    ///
    /// # Errors
    /// Every mistake, beside its field. None of them repeats a webhook or a secret.
    pub fn check(&self, origins: &Origins) -> Result<ContactChange, FieldErrors> {
        let mut errors = FieldErrors::default();
        let phone = Phone::parse(&self.phone);
        if phone.is_none() {
            errors.add("phone", "members-phone-rule");
        }
        let email = Email::parse(&self.email);
        if email.is_none() {
            errors.add("email", "members-email-rule");
        }
        let robots = Channel::ALL.map(|channel| (channel, self.robot_change(channel, origins, &mut errors))).to_vec();
        match (phone, email) {
            (Some(phone), Some(email)) if errors.is_empty() => Ok(ContactChange { phone, email, robots }),
            _ => Err(errors),
        }
    }

    fn robot_change(&self, channel: Channel, origins: &Origins, errors: &mut FieldErrors) -> RobotChange {
        let (webhook, secret) = (trim_pasted(self.webhook(channel)), trim_pasted(self.secret(channel)));
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
    pub fn channel(&self) -> Result<Channel, FieldErrors> {
        Channel::parse(&self.channel).ok_or_else(|| FieldErrors::of_form("members-verify-nothing"))
    }

    /// The channel and the code, which may be typed in groups and with the digits of a Chinese keyboard.
    ///
    /// # Errors
    /// A word that is no channel, or a text that is no code.
    pub fn check(&self) -> Result<(Channel, PlainToken), FieldErrors> {
        let channel = self.channel()?;
        let digit = |c: char| match c {
            '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
            _ => Some(c),
        };
        let code: String = self.code.chars().filter(|c| !c.is_whitespace()).filter_map(digit).collect();
        if code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok((channel, PlainToken::presented(&code)))
        } else {
            Err(FieldErrors::one(code_field(&channel), "members-verify-rule"))
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
    #[validate(length(max = 128, code = "form-too-long"), custom(function = "one_line"))]
    pub display_name: String,
    /// The role.
    pub role: String,
}

impl AddMember {
    /// The account's name, the display name and the role.
    ///
    /// # Errors
    /// Every mistake, beside its field.
    pub fn check(&self) -> Result<(Username, String, Role), FieldErrors> {
        let mut errors = validated(self).err().unwrap_or_default();
        let username = Username::parse(&self.username);
        if username.is_err() {
            errors.add("username", "accounts-username-rule");
        }
        let role = Role::parse(&self.role).filter(|role| *role != Role::SuperAdministrator);
        if role.is_none() {
            errors.add("role", "form-choose");
        }
        match (username, role) {
            (Ok(username), Some(role)) if errors.is_empty() => {
                let name = self.display_name.trim();
                let name = if name.is_empty() { username.as_str() } else { name };
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
        form.check(&Origins::default()).unwrap().robots.remove(0).1
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
        let errors = form.check(&Origins::default()).unwrap_err();
        for field in ["phone", "email", "dingtalk_robot"] {
            assert!(errors.of(field).is_some(), "{field}");
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
            assert!(code(typed).unwrap_err().of("lark_code").is_some(), "{typed}");
        }
        assert!(Verify { channel: "fax".into(), code: "012345".into() }.check().is_err());
    }

    #[test]
    fn nobody_is_added_as_super_administrator() {
        let form = AddMember { username: "li".into(), role: "super_administrator".into(), ..AddMember::default() };
        assert!(form.check().unwrap_err().of("role").is_some());
        let form = AddMember { role: "member".into(), ..form };
        assert_eq!(form.check().unwrap().1, "li");
    }

    #[test]
    fn a_display_name_is_any_printable_text_of_128_characters() {
        let form = |name: &str| AddMember { username: "li".into(), display_name: name.into(), role: "member".into() };
        assert!(form(&"名".repeat(128)).check().is_ok());
        assert!(form("مرحبا 🔔").check().is_ok());
        assert!(form(&"名".repeat(129)).check().is_err());
        assert!(form("a\nb").check().is_err());
    }
}
