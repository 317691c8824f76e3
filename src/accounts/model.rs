//! What a username is, and the numbers behind lock-out.

use chrono::{NaiveDateTime, TimeDelta};
use validator::Validate;

use crate::{db::TenantId, language::Language};

/// The longest username, in characters.
const MAX_USERNAME_CHARS: usize = 64;

/// How long failed log-ins of an account count.
pub const ACCOUNT_FAILURE_WINDOW: TimeDelta = TimeDelta::hours(1);
/// How long failed log-ins from an address count.
pub const ADDRESS_FAILURE_WINDOW: TimeDelta = TimeDelta::minutes(15);
/// So many failed log-ins from one address within that time, and it has to wait: the bits of an IPv6 address that count, and how
/// many. Whoever has one address of a network may have more of it, and so may others.
pub const NETWORK_FAILURE_LIMITS: [(u32, i64); 3] = [(64, 20), (56, 80), (48, 200)];
/// So many failed log-ins from one IPv4 address.
pub const IPV4_FAILURE_LIMIT: i64 = 20;
/// How long a browser in which an account has logged in stays known.
pub const DEVICE_VALIDITY: TimeDelta = TimeDelta::days(180);
/// How many browsers of an account are known at most.
pub const MAX_KNOWN_DEVICES: i64 = 20;
/// The longest pause after a failed log-in of an account, as a power of two in seconds.
pub const MAX_BACKOFF_EXPONENT: u32 = 6;
/// How long a one-time code can be used.
pub const CODE_VALIDITY: TimeDelta = TimeDelta::hours(24);

/// The numbers of Logon Security Settings. The ranges are those of Dataphin's page of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Validate)]
pub struct LogInSettings {
    /// Minutes without a request after which a session ends.
    #[validate(range(min = 15, max = 1440, code = "form-number"))]
    pub idle_minutes: i64,
    /// Failed log-ins within an hour after which an account is locked out.
    #[validate(range(min = 3, max = 10, code = "form-number"))]
    pub failures: i64,
    /// Minutes for which it is.
    #[validate(range(min = 15, max = 60, code = "form-number"))]
    pub lock_minutes: i64,
}

/// How long an account's next log-in has to wait after its last failure, when so many failed within the hour over all addresses and
/// `limit` may: 1 s, 2 s, 4 s … at most a minute. A lock would let anybody shut the owner out.
#[must_use]
pub fn account_backoff(failures: i64, limit: i64) -> TimeDelta {
    match failures.saturating_sub(limit) {
        ..0 => TimeDelta::zero(),
        over => TimeDelta::seconds((1_i64 << over.min(i64::from(MAX_BACKOFF_EXPONENT))).min(60)),
    }
}

/// Who made an account, and when. Pages show it before they give an existing account rights: a username is free for
/// everybody to take, and says nothing about whose account it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountOrigin {
    /// The account's name, as it writes it.
    pub username: String,
    /// The tenant whose administrator made it; nothing for an account of the instance.
    pub created_by_tenant: Option<(TenantId, String)>,
    /// When.
    pub created_at: NaiveDateTime,
}

impl AccountOrigin {
    /// Whether the tenant made the account itself.
    #[must_use]
    pub fn is_created_by(&self, tenant: TenantId) -> bool {
        self.created_by_tenant.as_ref().is_some_and(|(made_in, _)| *made_in == tenant)
    }

    /// Who made it and on which day, in words. Only somebody who sees all tenants anyway is told the name of another.
    #[must_use]
    pub fn describe(&self, language: Language, this_tenant: Option<TenantId>, sees_tenants: bool, day: &str) -> String {
        let (key, tenant) = match &self.created_by_tenant {
            None => ("accounts-made-by-instance", ""),
            Some((made_in, _)) if Some(*made_in) == this_tenant => ("accounts-made-by-this-tenant", ""),
            Some((_, name)) if sees_tenants => ("accounts-made-by-tenant", name.as_str()),
            Some(_) => ("accounts-made-by-another-tenant", ""),
        };
        let variables = [("username", self.username.as_str()), ("tenant", tenant), ("day", day)];
        language.text_with(key, &variables).into_owned()
    }

    /// What the checkbox of a page that asks about this account sends, so that it confirms no other.
    #[must_use]
    pub fn confirmation_value(&self) -> String {
        self.username.to_ascii_lowercase()
    }
}

/// The name an account logs in with: letters, digits and `. _ - @`, compared without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

/// A username with other characters, or none, or too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUsername;

impl Username {
    /// Reads a username as somebody typed it; spaces around it are no part of it.
    ///
    /// # Errors
    /// [`InvalidUsername`].
    pub fn parse(text: &str) -> Result<Self, InvalidUsername> {
        let text = text.trim();
        let valid = (1..=MAX_USERNAME_CHARS).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte));
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidUsername) }
    }

    /// As it was typed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is compared.
    #[must_use]
    pub fn key(&self) -> String {
        Self::normalize(&self.0)
    }

    /// A name that is stored or was typed, as it is compared: the one canonical form.
    #[must_use]
    pub fn normalize(username: &str) -> String {
        username.trim().to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_backoff_starts_at_the_limit_and_grows_to_a_minute() {
        assert_eq!(account_backoff(4, 5), TimeDelta::zero());
        let pauses: Vec<i64> = (5..14).map(|failures| account_backoff(failures, 5).num_seconds()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(account_backoff(i64::MAX, 3).num_seconds(), 60);
    }

    #[test]
    fn a_letter_that_folds_to_ascii_is_a_different_letter() {
        assert_eq!(Username::parse("\u{212a}im"), Err(InvalidUsername));
        assert_eq!(Username::normalize(" \u{212a}IM "), "\u{212a}im");
    }

    #[test]
    fn usernames_ignore_case_and_allow_few_characters() {
        assert_eq!(Username::parse(" Ann.Lee@corp-1_x ").unwrap().key(), "ann.lee@corp-1_x");
        for strange in ["", " ", "a b", "a/b", "张伟", "a\u{0}", &"a".repeat(65)] {
            assert_eq!(Username::parse(strange), Err(InvalidUsername), "{strange:?}");
        }
    }
}
