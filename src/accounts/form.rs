//! The forms of set-up, log-in and the own account.

use chrono::NaiveDateTime;
use serde::{Deserialize, Serialize};

use super::{LogInSettings as Settings, Username};
use crate::{
    db::MemberId,
    secrets::{PlainToken, length_weakness, one_time_code_as_typed},
    text::{trim_invisible, whole_number},
    web::{EditForm as _, FieldErrors, FormVersion, impl_edit_form, validate_form},
};

/// The first account of a deployment.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetUpForm {
    /// The code that the console printed.
    pub code: TypedSecret,
    /// The name of the account.
    pub username: String,
    /// Its password.
    pub password: TypedSecret,
}

/// A log-in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogInForm {
    /// Who it is.
    pub username: String,
    /// The password, or the one-time code of a new account.
    pub password: TypedSecret,
    /// The page that was asked for without a session.
    pub next: String,
}

/// The button that gives an account a new one-time code.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RenewCode {
    /// Until when a code was valid that the page was opened beside, as a hash.
    form_version: FormVersion,
}

impl RenewCode {
    /// The version of a page with the button: until when the account's one-time code is valid, or nothing when it has a password.
    #[must_use]
    pub fn version(code_until: Option<NaiveDateTime>) -> FormVersion {
        FormVersion::from_form(&Self::state(code_until))
    }

    fn state(code_until: Option<NaiveDateTime>) -> [(&'static str, String); 1] {
        [("code_until", code_until.map(|until| until.and_utc().timestamp_micros().to_string()).unwrap_or_default())]
    }

    /// Whether nobody renewed the code or chose a password after the page was opened.
    #[must_use]
    pub fn is_current(&self, code_until: Option<NaiveDateTime>) -> bool {
        self.form_version.is_absent() || !self.form_version.field_differs("code_until", &Self::state(code_until))
    }

    /// The error when the code was renewed or a password chosen meanwhile.
    #[must_use]
    pub fn refused() -> FieldErrors {
        FieldErrors::for_whole_form("members-code-renewed-meanwhile")
    }
}

/// The query of the log-in page.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogInQuery {
    /// The page that was asked for without a session.
    pub next: String,
}

/// A new password.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NewPasswordForm {
    /// The present password; not asked for after a log-in with a one-time code.
    pub current_password: TypedSecret,
    /// The new one.
    pub new_password: TypedSecret,
    /// The new one again.
    pub confirm_password: TypedSecret,
}

/// A choice of language.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LanguageForm {
    /// Its tag.
    pub language: String,
    /// The page to come back to.
    pub return_to: String,
}

/// A session to end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndSessionForm {
    /// Its id.
    pub session: String,
}

/// Ending all other own sessions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndOtherSessionsForm {
    /// The present password: whoever finds a browser open must not be able to shut its owner out.
    pub password: TypedSecret,
}

/// Logon Security Settings, as they were typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct LogInSettingsForm {
    /// Minutes without a request after which a session ends.
    pub idle_minutes: String,
    /// Failed log-ins after which an account is locked out.
    pub failures: String,
    /// Minutes for which it is.
    pub lock_minutes: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(LogInSettingsForm);

/// The fields of the page.
pub const LOG_IN_SETTINGS_FIELDS: [&str; 3] = ["idle_minutes", "failures", "lock_minutes"];

impl From<Settings> for LogInSettingsForm {
    fn from(settings: Settings) -> Self {
        Self {
            idle_minutes: settings.idle_minutes.to_string(),
            failures: settings.failures.to_string(),
            lock_minutes: settings.lock_minutes.to_string(),
            form_version: FormVersion::default(),
        }
        .with_version()
    }
}

impl LogInSettingsForm {
    /// The numbers.
    pub fn check(&self) -> Result<Settings, FieldErrors> {
        // What is no number is outside every range, and is told so in the same words.
        let number = |text: &str| whole_number(text).unwrap_or(i64::MIN);
        let settings = Settings {
            idle_minutes: number(&self.idle_minutes),
            failures: number(&self.failures),
            lock_minutes: number(&self.lock_minutes),
        };
        validate_form(&settings).map(|()| settings)
    }
}

/// A password or a code as it was typed: exactly, and never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct TypedSecret(String);

impl TypedSecret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for TypedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The answer to an invitation.
#[derive(Clone, Debug, Deserialize)]
pub struct InvitationForm {
    /// The member that the account is to be.
    pub invitation: MemberId,
    /// The role that the page offered, as the database has it.
    #[serde(default)]
    pub role: String,
}

impl SetUpForm {
    /// The code, if one was typed.
    pub fn code(&self) -> Option<PlainToken> {
        let code = self.typed_code();
        (!code.is_empty()).then(|| PlainToken::from_presented(&code))
    }

    fn typed_code(&self) -> String {
        let code = trim_invisible(self.code.expose());
        one_time_code_as_typed(code).unwrap_or_else(|| code.to_owned())
    }

    /// The account to make and the code that allows it, by what can be seen at once: whether the password is easy to guess takes long.
    pub fn check(&self) -> Result<(Username, PlainToken), FieldErrors> {
        let mut errors = FieldErrors::default();
        let code = self.typed_code();
        if code.is_empty() {
            errors.add("code", "form-required");
        }
        let username = Username::parse(&self.username);
        if username.is_err() {
            errors.add("username", "accounts-username-rule");
        }
        if let Some(fault) = length_weakness(self.password.expose()) {
            errors.add("password", fault.key());
        }
        match username {
            Ok(username) if errors.is_empty() => Ok((username, PlainToken::from_presented(&code))),
            _ => Err(errors),
        }
    }
}

impl NewPasswordForm {
    /// What can be seen at once of the new password: its length, and that it is confirmed.
    pub fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        if let Some(fault) = length_weakness(self.new_password.expose()) {
            errors.add("new_password", fault.key());
        }
        if self.new_password.expose() != self.confirm_password.expose() {
            errors.add("confirm_password", "accounts-password-differs");
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn settings(idle_minutes: &str, failures: &str, lock_minutes: &str) -> LogInSettingsForm {
        let [idle_minutes, failures, lock_minutes] = [idle_minutes, failures, lock_minutes].map(str::to_owned);
        LogInSettingsForm { idle_minutes, failures, lock_minutes, ..LogInSettingsForm::default() }
    }

    #[test]
    fn the_ends_of_each_range_are_in_it() {
        let lowest = settings("15", " 3 ", "15").check().unwrap();
        assert_eq!((lowest.idle_minutes, lowest.failures, lowest.lock_minutes), (15, 3, 15));
        assert!(settings("1440", "10", "60").check().is_ok());
    }

    #[test]
    fn an_invalid_number_gets_an_error_that_names_the_range() {
        for (idle, failures, lock) in [("14", "2", "14"), ("1441", "11", "61"), ("", "x", "15.5"), ("-20", "5e0", "٢٠")]
        {
            let errors = settings(idle, failures, lock).check().unwrap_err();
            let text = |field| errors.for_field(field).unwrap().text(Language::English);
            assert!(text("idle_minutes").contains("15 to 1440"), "{}", text("idle_minutes"));
            assert!(text("failures").contains("3 to 10"));
            assert!(text("lock_minutes").contains("15 to 60"));
        }
    }
}
