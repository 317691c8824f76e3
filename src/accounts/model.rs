//! What a username is, and the numbers behind lock-out.

use chrono::{NaiveDateTime, TimeDelta};
use validator::Validate;

use crate::{db::TenantId, language::Language};

/// The longest username, in characters.
const LONGEST: usize = 64;

/// How long failed log-ins of an account count.
pub const FAILURES_COUNT_FOR: TimeDelta = TimeDelta::hours(1);
/// How long failed log-ins from an address count.
pub const ADDRESS_COUNTS_FOR: TimeDelta = TimeDelta::minutes(15);
/// So many failed log-ins from one address within that time, and it has to wait: the bits of an IPv6 address that count, and how
/// many. Whoever has one address of a network may have more of it, and so may others.
pub const NETWORK_FAILURES: [(u32, i64); 3] = [(64, 20), (56, 80), (48, 200)];
/// So many failed log-ins from one IPv4 address.
pub const ADDRESS_FAILURES: i64 = 20;
/// How long a browser in which an account has logged in stays known.
pub const DEVICE_LASTS: TimeDelta = TimeDelta::days(180);
/// How many browsers of an account are known at most.
pub const MOST_DEVICES: i64 = 20;
/// The longest pause after a failed log-in of an account, as a power of two in seconds.
pub const LONGEST_PAUSE: u32 = 6;
/// How long a one-time code can be used.
pub const CODE_LASTS: TimeDelta = TimeDelta::hours(24);

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
pub fn account_pause(failures: i64, limit: i64) -> TimeDelta {
    match failures.saturating_sub(limit) {
        ..0 => TimeDelta::zero(),
        over => TimeDelta::seconds((1_i64 << over.min(i64::from(LONGEST_PAUSE))).min(60)),
    }
}

/// Who made an account, and when. Pages show it before they give an existing account rights: a username is free for
/// everybody to take, and says nothing about whose account it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The account's name, as it writes it.
    pub username: String,
    /// The tenant whose administrator made it; nothing for an account of the instance.
    pub made_in: Option<(TenantId, String)>,
    /// When.
    pub made_at: NaiveDateTime,
}

impl Origin {
    /// Whether the tenant made the account itself.
    #[must_use]
    pub fn is_of(&self, tenant: TenantId) -> bool {
        self.made_in.as_ref().is_some_and(|(made_in, _)| *made_in == tenant)
    }

    /// Who made it and on which day, in words. Only somebody who sees all tenants anyway is told the name of another.
    #[must_use]
    pub fn sentence(&self, language: Language, here: Option<TenantId>, sees_tenants: bool, day: &str) -> String {
        let (key, tenant) = match &self.made_in {
            None => ("accounts-made-by-instance", ""),
            Some((made_in, _)) if Some(*made_in) == here => ("accounts-made-by-this-tenant", ""),
            Some((_, name)) if sees_tenants => ("accounts-made-by-tenant", name.as_str()),
            Some(_) => ("accounts-made-by-another-tenant", ""),
        };
        let variables = [("username", self.username.as_str()), ("tenant", tenant), ("day", day)];
        language.text_with(key, &variables).into_owned()
    }

    /// What the checkbox of a page that asks about this account sends, so that it confirms no other.
    #[must_use]
    pub fn confirmation(&self) -> String {
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
        let valid = (1..=LONGEST).contains(&text.len())
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
        Self::key_of(&self.0)
    }

    /// A name that is stored or was typed, as it is compared: the one canonical form.
    #[must_use]
    pub fn key_of(username: &str) -> String {
        username.trim().to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_of_an_account_begins_at_the_limit_and_grows_to_a_minute() {
        assert_eq!(account_pause(4, 5), TimeDelta::zero());
        let pauses: Vec<i64> = (5..14).map(|failures| account_pause(failures, 5).num_seconds()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(account_pause(i64::MAX, 3).num_seconds(), 60);
    }

    #[test]
    fn a_letter_that_unicode_folds_to_an_ascii_one_is_another() {
        assert_eq!(Username::parse("\u{212a}im"), Err(InvalidUsername));
        assert_eq!(Username::key_of(" \u{212a}IM "), "\u{212a}im");
    }

    #[test]
    fn usernames_are_compared_without_case_and_hold_nothing_strange() {
        assert_eq!(Username::parse(" Ann.Lee@corp-1_x ").unwrap().key(), "ann.lee@corp-1_x");
        for strange in ["", " ", "a b", "a/b", "张伟", "a\u{0}", &"a".repeat(65)] {
            assert_eq!(Username::parse(strange), Err(InvalidUsername), "{strange:?}");
        }
    }
}
