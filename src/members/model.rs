//! What a member is: a phone, an email, a status, and the robots by which he is reached.

use chrono::NaiveDateTime;
use email_address::{EmailAddress, Options};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, enums::Region};

use crate::{
    access::Role,
    db::{AccountId, DeliveryId, MemberId, RobotId},
    robots::{Channel, RobotAddress, SigningSecret},
    text::trim_invisible,
};

/// Whether a member has rights in the tenant, and whether alerts reach him.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Takes part: the only one with rights.
    Active,
    /// The owner of the account has not accepted the invitation. No rights; alerts reach the robots that the tenant chose.
    Invited,
    /// The tenant that made the account gave it a new one-time code, so that somebody else may log in with it. No rights
    /// until an administrator reinstates the member and the owner accepts again; alerts go on.
    Suspended,
    /// Stopped by an administrator: sees nothing of the tenant and hears nothing.
    Disabled,
}

impl Status {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Active, Self::Invited, Self::Suspended, Self::Disabled];

    /// The word in the database and in forms.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Invited => "invited",
            Self::Suspended => "suspended",
            Self::Disabled => "disabled",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether alerts reach the member. Whose robot they go to was chosen by the tenant and is no right of the account.
    #[must_use]
    pub fn is_notified(self) -> bool {
        self != Self::Disabled
    }

    /// The key of its name on pages.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Active => "members-status-active",
            Self::Invited => "members-status-invited",
            Self::Suspended => "members-status-suspended",
            Self::Disabled => "members-status-disabled",
        }
    }

    /// The class of its badge in the stylesheet.
    #[must_use]
    pub fn badge(self) -> &'static str {
        match self {
            Self::Active => "good",
            Self::Invited | Self::Suspended => "wait",
            Self::Disabled => "off",
        }
    }
}

/// A phone number that exists somewhere, in E.164; or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// Reads a number of any country; without a country code it is one of mainland China. Nothing typed is no number.
    ///
    /// Every character counts: an extension, letters or a second number, which the library would drop in silence, are no part of a number
    /// by which somebody is mentioned.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = trim_invisible(text);
        if text.is_empty() {
            return Some(Self::default());
        }
        let is_written = |c: char| c.is_numeric() || c.is_whitespace() || "+＋-‐‑–－.()（）/".contains(c);
        if !text.chars().all(is_written) || text.chars().filter(|c| "+＋".contains(*c)).count() > 1 {
            return None;
        }
        let number = PHONE_NUMBER_UTIL.parse(text, Some(Region::CN)).ok()?;
        number.is_valid().then(|| Self(number.format_as(PhoneNumberFormat::E164).into_owned()))
    }

    /// The number, or nothing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Only the address itself: no name around it, no numeric host.
fn email_options() -> Options {
    Options::default().without_display_text().without_domain_literal()
}

/// An email address; or none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Email(String);

/// Which part of an email address is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmailFault {
    /// It is none at all.
    Whole,
    /// The part before the @ has quotation marks, or characters that a `mailto:` link must encode (RFC 6068).
    Name,
    /// The part behind the @ is no domain name.
    Domain,
}

impl EmailFault {
    /// The key of the text that says so.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Whole => "members-email-rule",
            Self::Name => "members-email-name",
            Self::Domain => "members-email-domain",
        }
    }
}

impl Email {
    /// Reads an address. Nothing typed is no address.
    ///
    /// # Errors
    /// Which part of it is wrong.
    pub fn parse(text: &str) -> Result<Self, EmailFault> {
        let text = trim_invisible(text);
        if text.is_empty() {
            return Ok(Self::default());
        }
        EmailAddress::parse_with_options(text, email_options()).map_err(|_| EmailFault::Whole)?;
        let (name, domain) = text.rsplit_once('@').ok_or(EmailFault::Whole)?;
        if !name.chars().all(|c| c.is_alphanumeric() || ".-_~+'*!$=".contains(c)) {
            return Err(EmailFault::Name);
        }
        let is_label = |label: &str| {
            let is_known = label.chars().all(|c| c.is_alphanumeric() || c == '-');
            is_known && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
        };
        if domain.split('.').all(is_label) { Ok(Self(text.to_owned())) } else { Err(EmailFault::Domain) }
    }

    /// The address, or nothing.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A phone number as lists show it: its first three and last four digits.
#[must_use]
pub fn masked_phone(phone: &str) -> String {
    let parts = phone.split_at_checked(3).and_then(|(first, rest)| {
        let (hidden, last) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
        (!hidden.is_empty()).then_some((first, hidden, last))
    });
    match parts {
        Some((first, hidden, last)) => {
            let mut masked = String::with_capacity(first.len() + 3 * hidden.len() + last.len());
            masked.push_str(first);
            masked.extend(hidden.chars().map(|_| '•'));
            masked.push_str(last);
            masked
        }
        None => "•".repeat(phone.chars().count()),
    }
}

/// An email address as lists show it: the first character and the domain.
#[must_use]
pub fn masked_email(email: &str) -> String {
    match email.rsplit_once('@') {
        Some((name, domain)) => {
            let first = name.chars().next().map_or("•", |first| name.split_at(first.len_utf8()).0);
            [first, "•••@", domain].concat()
        }
        None => String::new(),
    }
}

/// A member with all that administrators and he himself may see.
#[derive(Clone, Debug)]
pub struct Member {
    /// The member's id.
    pub id: MemberId,
    /// The account behind it.
    pub account: AccountId,
    /// The name it logs in with.
    pub username: String,
    /// What the tenant calls the person.
    pub display_name: String,
    /// The role.
    pub role: Role,
    /// The phone number, or nothing.
    pub phone: String,
    /// The email address, or nothing.
    pub email: String,
    /// Whether the member takes part.
    pub status: Status,
    /// The robots, by channel.
    pub robots: Vec<Contact>,
    /// Whether he was given the permission to fire alerts; administrators need none.
    pub may_fire: bool,
    /// Whether the owner of the account has accepted, and nobody else could log in with it since.
    pub has_accepted: bool,
}

impl Member {
    /// The robot of a channel.
    #[must_use]
    pub fn robot(&self, channel: &Channel) -> Option<&Contact> {
        self.robots.iter().find(|contact| contact.channel == *channel)
    }
}

/// How far a contact can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContactState {
    /// The member has proved that he reads the group.
    Verified,
    /// Nobody knows whether he reads it.
    Unverified,
    /// The robot's answers said that nothing reaches the group until somebody mends it.
    Broken,
}

impl ContactState {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Verified, Self::Unverified, Self::Broken];

    /// The state of a contact. A broken robot reaches nobody, verified or not.
    #[must_use]
    pub fn of(verified: bool, broken: bool) -> Self {
        match (broken, verified) {
            (true, _) => Self::Broken,
            (false, true) => Self::Verified,
            (false, false) => Self::Unverified,
        }
    }

    /// The key of its name on pages.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Verified => "members-contact-verified",
            Self::Unverified => "members-contact-unverified",
            Self::Broken => "members-contact-broken",
        }
    }

    /// Its class in the stylesheet, which sets a sign before it.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Unverified => "unverified",
            Self::Broken => "broken",
        }
    }
}

/// A robot by which a member is reached, as far as people may see it.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Its channel.
    pub channel: Channel,
    /// The tenant's robot.
    pub robot: RobotId,
    /// The host of its address.
    pub host: String,
    /// The last four characters of its token.
    pub last_four: String,
    /// Whether it has a signing secret.
    pub has_secret: bool,
    /// Whether it is broken, and the word for why.
    pub broken: Option<String>,
    /// When the member proved that he reads its group.
    pub verified_at: Option<NaiveDateTime>,
    /// How many other members of the tenant it reaches.
    pub shared_count: i64,
    /// The names of the first of them.
    pub shared_with: Vec<String>,
}

impl Contact {
    /// How far it can be relied on.
    #[must_use]
    pub fn state(&self) -> ContactState {
        ContactState::of(self.verified_at.is_some(), self.broken.is_some())
    }
}

/// What is to become of a member's robot of one channel.
#[derive(Clone, Debug, PartialEq)]
pub enum RobotChange {
    /// It stays as it is.
    Keep,
    /// It is this one from now on. No secret keeps the one that a known robot has.
    Set(RobotAddress, Option<SigningSecret>),
    /// It is the one that this test message went to, with this secret when one was typed after the test.
    Tested(DeliveryId, Option<SigningSecret>),
    /// It stays, with this secret.
    NewSecret(SigningSecret),
    /// It stays, without a secret.
    NoSecret,
    /// The member has none any more.
    Remove,
}

/// What is to become of a member's contact information. What is absent stays as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct ContactChange {
    /// The phone number.
    pub phone: Phone,
    /// The email address.
    pub email: Email,
    /// The robots, by channel.
    pub robots: Vec<(Channel, RobotChange)>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_without_a_country_code_is_one_of_mainland_china() {
        assert_eq!(Phone::parse("138 0013 8000").unwrap().as_str(), "+8613800138000");
        assert_eq!(Phone::parse("+1 202-555-0173").map(|phone| phone.as_str().to_owned()), Some("+12025550173".into()));
        assert_eq!(Phone::parse("  ").unwrap().as_str(), "");
        for wrong in ["12", "hello", "+86 1"] {
            assert_eq!(Phone::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_number_is_used_whole_or_refused() {
        for (typed, number) in [
            ("+86 138-0013-8000", "+8613800138000"),
            ("０１３８００１３８０００".trim_start_matches('０'), "+8613800138000"),
            ("(+86) 138.0013.8000", "+8613800138000"),
            ("0086 13800138000", "+8613800138000"),
            ("010/6552 9988", "+861065529988"),
            ("\u{feff}13800138000\u{200b}", "+8613800138000"),
            ("+49 (0)30 123456", "+4930123456"),
        ] {
            assert_eq!(
                Phone::parse(typed).map(|phone| phone.as_str().to_owned()).as_deref(),
                Some(number),
                "{typed:?}"
            );
        }
        for dropped in [
            "13800138000 ext 5",
            "13800138000 ext. 5",
            "13800138000x5",
            "13800138000#5",
            "13800138000;ext=5",
            "13800138000,5",
            "13800138000转5",
            "13800138000 13900139000",
            "13800138000/13900139000",
            "13800138000 / 13900139000",
            "+8613800138000 +8613900139000",
            "13800138000;13900139000",
            "13800138000、13900139000",
            "138001380O0",
            "1-800-FLOWERS",
            "+1 800 FLOWERS",
            "tel:+8613800138000",
            "Li 13800138000",
            "13800138000 (Li)",
            "13800138000~5",
        ] {
            assert_eq!(Phone::parse(dropped), None, "{dropped:?}");
        }
    }

    #[test]
    fn an_email_field_holds_one_address() {
        for several in [
            "a@b.example, c@d.example",
            "a@b.example;c@d.example",
            "a@b.example c@d.example",
            "a@b.example\nc@d.example",
            "a@b.example,",
            "mailto:a@b.example,c@d.example",
            "a@b.example (Li)",
            "\"Li\" <a@b.example>",
            "<a@b.example>",
            "a@b@c.example",
            "a@b.example?cc=c@d.example",
        ] {
            assert!(Email::parse(several).is_err(), "{several:?}");
        }
        assert_eq!(Email::parse("\u{feff} a@b.example\u{200b}").unwrap().as_str(), "a@b.example");
    }

    #[test]
    fn an_email_address_has_a_name_and_a_domain() {
        assert!(Email::parse("li.wang@corp.example").is_ok());
        assert!(Email::parse("").is_ok());
        for wrong in ["li.wang", "a b@corp.example", "Li <li@corp.example>", "li@[127.0.0.1]"] {
            assert!(Email::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_stand_in_a_mailto_link_is_refused_by_its_part() {
        for good in ["o'brien+oncall@corp.example", "王伟@例子.example", "a_b=c@xn--fsq.example"] {
            assert!(Email::parse(good).is_ok(), "{good}");
        }
        for name in
            ["a%0ab@corp.example", "a&b@corp.example", "a?b@corp.example", "a#b@corp.example", "a/b@corp.example"]
        {
            assert_eq!(Email::parse(name), Err(EmailFault::Name), "{name}");
        }
        for wrong in [
            "\"a b\"@corp.example",
            "\"a\"@corp.example",
            "a@b.c?subject=x",
            "a@b.example%0a",
            "a@corp..example",
            "a@-corp.example",
            "a@corp_.example",
            "a@corp.example#x",
        ] {
            assert!(Email::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Email::parse("a@b.c?subject=x"), Err(EmailFault::Domain));
    }

    #[test]
    fn a_broken_contact_is_broken_whether_it_was_verified_or_not() {
        assert_eq!(ContactState::of(true, true), ContactState::Broken);
        assert_eq!(ContactState::of(false, true), ContactState::Broken);
        assert_eq!(ContactState::of(true, false), ContactState::Verified);
        assert_eq!(ContactState::of(false, false), ContactState::Unverified);
    }

    proptest! {
        #[test]
        fn a_masked_number_shows_at_most_seven_characters(digits in "[0-9]{1,15}") {
            let masked = masked_phone(&digits);
            prop_assert_eq!(masked.chars().count(), digits.len());
            prop_assert!(masked.chars().filter(char::is_ascii_digit).count() <= 7);
        }
    }
}
