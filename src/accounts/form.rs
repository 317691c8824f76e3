//! The forms of set-up, log-in and the own account.

use serde::Deserialize;

use super::Username;
use crate::{
    secrets::{PlainToken, weakness},
    web::FieldErrors,
};

/// The first account of a deployment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetUp {
    /// The code that the console printed.
    pub code: String,
    /// The name of the account.
    pub username: String,
    /// Its password.
    pub password: PlainPassword,
}

/// A log-in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogIn {
    /// Who it is.
    pub username: String,
    /// The password, or the one-time code of a new account.
    pub password: PlainPassword,
}

/// A new password.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NewPassword {
    /// The present password; not asked for after a log-in with a one-time code.
    pub current_password: PlainPassword,
    /// The new one.
    pub new_password: PlainPassword,
    /// The new one again.
    pub confirm_password: PlainPassword,
}

/// A choice of language.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Language {
    /// Its tag.
    pub language: String,
    /// The page to come back to.
    pub return_to: String,
}

/// A session to end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndSession {
    /// Its id.
    pub session: String,
}

/// A password as it was typed: exactly, and never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct PlainPassword(String);

impl PlainPassword {
    /// The password itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PlainPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl SetUp {
    /// The account to make and the code that allows it.
    pub fn check(&self, product: &str) -> Result<(Username, PlainToken), FieldErrors> {
        let mut errors = FieldErrors::default();
        let code = self.code.trim();
        if code.is_empty() {
            errors.add("code", "form-required");
        }
        let username = Username::parse(&self.username);
        if username.is_err() {
            errors.add("username", "accounts-username-rule");
        }
        if let Some(weakness) = weakness(self.password.expose(), &[product, self.username.trim()]) {
            errors.add("password", weakness.key());
        }
        match username {
            Ok(username) if errors.is_empty() => Ok((username, PlainToken::presented(code))),
            _ => Err(errors),
        }
    }
}

impl NewPassword {
    /// Whether the new password may be used.
    pub fn check(&self, context: &[&str]) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Some(weakness) = weakness(self.new_password.expose(), context) {
            errors.add("new_password", weakness.key());
        }
        if self.new_password.expose() != self.confirm_password.expose() {
            errors.add("confirm_password", "accounts-password-differs");
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}
