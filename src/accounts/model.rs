//! What a username is, and the numbers behind lock-out.

use chrono::TimeDelta;
use validator::Validate;

/// The longest username, in characters.
const LONGEST: usize = 64;

/// How long failed log-ins of an account count.
pub const FAILURES_COUNT_FOR: TimeDelta = TimeDelta::hours(1);
/// How long failed log-ins from an address count.
pub const ADDRESS_COUNTS_FOR: TimeDelta = TimeDelta::minutes(15);
/// So many failed log-ins from one address within that time, and it has to wait.
pub const ADDRESS_FAILURES: i64 = 20;
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

    /// A name that is stored, as it is compared.
    #[must_use]
    pub fn key_of(username: &str) -> String {
        username.to_ascii_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_are_compared_without_case_and_hold_nothing_strange() {
        assert_eq!(Username::parse(" Ann.Lee@corp-1_x ").unwrap().key(), "ann.lee@corp-1_x");
        for strange in ["", " ", "a b", "a/b", "张伟", "a\u{0}", &"a".repeat(65)] {
            assert_eq!(Username::parse(strange), Err(InvalidUsername), "{strange:?}");
        }
    }
}
