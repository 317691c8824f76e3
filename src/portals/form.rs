//! The form that adds and edits a portal.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use validator::Validate;

use super::model::{Details, ReturnOrigins};
use crate::text::{as_name, whole_number};
use crate::web::{EditForm as _, FieldError, FieldErrors, FormVersion, impl_edit_form, name, validate_form};

/// The word of the checkbox for saving members.
pub const SAVE_MEMBERS: &str = "save_members";
/// The word of the checkbox for firing alerts.
pub const FIRE_ALERTS: &str = "fire_alerts";
/// The largest limit of posts a minute.
const HIGHEST_LIMIT: i64 = 100_000;

/// What can be decided about a portal.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Validate)]
#[serde(default)]
pub struct EditPortal {
    /// What it is called.
    #[validate(length(max = 64, code = "form-too-long"), custom(function = "name"))]
    pub name: String,
    /// What it may do, by the words of the checkboxes.
    pub scopes: Vec<String>,
    /// Where people may be sent back to, an origin a line.
    pub return_origins: String,
    /// The most posts a minute; empty for no limit.
    pub per_minute: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(EditPortal);

/// The token that a page showed which rotates it or ends its rotation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct ShownToken {
    /// Its last four characters; empty for a form that was not opened first, such as one that a script posts.
    pub token_last_four: String,
}

impl ShownToken {
    /// Whether it is still the portal's, whose token ends so. Otherwise somebody else rotated it meanwhile, and the newest token may
    /// be in use.
    #[must_use]
    pub fn is_current(&self, last_four: &str) -> bool {
        self.token_last_four.is_empty() || self.token_last_four == last_four
    }
}

/// The fields of the page.
pub const SAVED_FIELDS: [&str; 4] = ["name", "scopes", "return_origins", "per_minute"];

impl From<&Details> for EditPortal {
    fn from(details: &Details) -> Self {
        let scopes = [(SAVE_MEMBERS, details.saves_members), (FIRE_ALERTS, details.fires_alerts)];
        Self {
            name: details.name.clone(),
            scopes: scopes.into_iter().filter(|(_, may)| *may).map(|(word, _)| word.to_owned()).collect(),
            return_origins: details.return_origins.lines(),
            per_minute: details.per_minute.map(|most| most.to_string()).unwrap_or_default(),
            form_version: FormVersion::default(),
        }
        .with_version()
    }
}

impl EditPortal {
    /// Whether a checkbox is ticked.
    #[must_use]
    pub fn may(&self, scope: &str) -> bool {
        self.scopes.iter().any(|word| word == scope)
    }

    /// What was decided.
    ///
    /// # Errors
    /// Every mistake, beside its field.
    pub fn check(&self) -> Result<Details, FieldErrors> {
        let mut errors = validate_form(self).err().unwrap_or_default();
        let return_origins = ReturnOrigins::parse(&self.return_origins);
        if let Err(line) = &return_origins {
            errors.0.push(fault("return_origins", "portals-return-origin-rule", vec![("line", line.clone())]));
        }
        if self.scopes.iter().any(|scope| ![SAVE_MEMBERS, FIRE_ALERTS].contains(&scope.as_str())) {
            errors.add("scopes", "form-choose");
        } else if !self.may(SAVE_MEMBERS) && !self.may(FIRE_ALERTS) {
            errors.add("scopes", "portals-scopes-rule");
        }
        let per_minute = self.limit();
        if per_minute.is_err() {
            let range = vec![("min", "1".to_owned()), ("max", HIGHEST_LIMIT.to_string())];
            errors.0.push(fault("per_minute", "form-number", range));
        }
        match (return_origins, per_minute) {
            (Ok(return_origins), Ok(per_minute)) if errors.is_empty() => Ok(Details {
                name: as_name(&self.name),
                saves_members: self.may(SAVE_MEMBERS),
                fires_alerts: self.may(FIRE_ALERTS),
                return_origins,
                per_minute,
            }),
            _ => Err(errors),
        }
    }

    fn limit(&self) -> Result<Option<i64>, ()> {
        let text = self.per_minute.trim();
        if text.is_empty() {
            return Ok(None);
        }
        whole_number(text).filter(|most| (1..=HIGHEST_LIMIT).contains(most)).map(Some).ok_or(())
    }
}

fn fault(field: &'static str, key: &'static str, variables: Vec<(&'static str, String)>) -> FieldError {
    let variables = variables.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect();
    FieldError { field: field.into(), key: key.into(), variables }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    fn form() -> EditPortal {
        EditPortal {
            name: " 办公门户 ".into(),
            scopes: vec![FIRE_ALERTS.into()],
            return_origins: "https://oa.corp.example/\r\n".into(),
            per_minute: " 60 ".into(),
            ..EditPortal::default()
        }
    }

    #[test]
    fn what_was_decided_comes_back_into_the_form() {
        let details = form().check().unwrap();
        assert_eq!((details.name.as_str(), details.per_minute), ("办公门户", Some(60)));
        assert!(details.fires_alerts && !details.saves_members);
        let again = EditPortal::from(&details);
        assert_eq!(again.check().unwrap(), details);
        assert_eq!(EditPortal { per_minute: String::new(), ..form() }.check().unwrap().per_minute, None);
    }

    #[test]
    fn every_mistake_is_told_at_once_and_the_wrong_origin_is_named() {
        let wrong = EditPortal {
            name: " ".into(),
            return_origins: "https://oa.corp.example\nhttp://oa.corp.example".into(),
            per_minute: "0".into(),
            ..EditPortal::default()
        };
        let errors = wrong.check().unwrap_err();
        let text = |field| errors.for_field(field).unwrap().text(Language::English).into_owned();
        assert!(errors.for_field("name").is_some());
        assert!(text("return_origins").contains("http://oa.corp.example"), "{}", text("return_origins"));
        assert!(text("per_minute").contains("100000"), "{}", text("per_minute"));
        let unknown = EditPortal { scopes: vec![FIRE_ALERTS.into(), "fire".into()], ..form() };
        assert!(
            unknown.check().unwrap_err().for_field("scopes").is_some(),
            "nothing that was chosen is left out in silence"
        );
        for limit in
            ["-1", "1.5", "x", "100001", "9223372036854775808", "6 0", "60/min", "６０", "1e3", "0x10", "+60", "060"]
        {
            assert!(EditPortal { per_minute: limit.into(), ..form() }.check().is_err(), "{limit}");
        }
    }
}
