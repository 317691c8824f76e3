//! The forms that add and edit a tenant.

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use validator::Validate;

use super::{Details, Locale, Slug};
use crate::{
    accounts::Username,
    language::Language,
    text::as_name,
    web::{EditForm as _, FieldErrors, FormVersion, impl_edit_form, name, validate_form},
};

/// What can be changed about a tenant.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Validate)]
#[serde(default)]
pub struct EditTenant {
    /// Its name for people.
    #[validate(custom(function = "name"), length(max = 128, code = "form-too-long"))]
    pub name: String,
    /// What it is for.
    #[validate(length(max = 1024, code = "form-too-long"))]
    pub description: String,
    /// The IANA name of its time zone; the proposed one when empty.
    pub time_zone: String,
    /// The BCP 47 tag of the language of its messages; the proposed one when empty.
    pub message_language: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(EditTenant);

/// The fields of the page that edits a tenant.
pub const SAVED_FIELDS: [&str; 4] = ["name", "description", "time_zone", "message_language"];

/// A tenant to be made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct AddTenant {
    /// What can be changed later.
    #[serde(flatten)]
    pub details: EditTenant,
    /// Its name in URLs.
    pub slug: String,
    /// The username of its super administrator.
    pub super_admin: String,
    /// The account that the checkbox confirms, when there was one of this name already: [`AccountOrigin::confirmation_value`].
    ///
    /// [`AccountOrigin::confirmation_value`]: crate::accounts::AccountOrigin::confirmation_value
    pub confirmed: String,
}

/// The super administrator of a tenant in which no administrator has rights.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct NameSuperAdmin {
    /// The username.
    pub super_admin: String,
    /// The account that the checkbox confirms, as in [`AddTenant`].
    pub confirmed: String,
}

impl NameSuperAdmin {
    /// The username.
    pub fn check(&self) -> Result<Username, FieldErrors> {
        Username::parse(&self.super_admin).map_err(|_| FieldErrors::single("super_admin", "accounts-username-rule"))
    }
}

impl From<Details> for EditTenant {
    fn from(Details { name, description, locale }: Details) -> Self {
        Self { name, description, ..Self::proposing(locale) }.with_version()
    }
}

impl EditTenant {
    /// The empty form, with a zone and a language proposed.
    pub fn proposing(Locale { time_zone, message_language }: Locale) -> Self {
        let (time_zone, message_language) = (time_zone.name().to_owned(), message_language.tag().to_owned());
        Self { time_zone, message_language, ..Self::default() }
    }

    /// The change that was asked for; a zone or language that was left out is the proposed one.
    pub fn check(&self, proposed: Locale) -> Result<Details, FieldErrors> {
        let mut errors = validate_form(self).err().unwrap_or_default();
        let time_zone = match self.time_zone.trim() {
            "" => Some(proposed.time_zone),
            name => name.parse::<Tz>().ok(),
        };
        if time_zone.is_none() {
            errors.add("time_zone", "tenants-time-zone-unknown");
        }
        let message_language = match self.message_language.as_str() {
            "" => Some(proposed.message_language),
            tag => Language::ALL.into_iter().find(|language| language.tag() == tag),
        };
        if message_language.is_none() {
            errors.add("message_language", "form-choose");
        }
        match (time_zone, message_language) {
            (Some(time_zone), Some(message_language)) if errors.is_empty() => Ok(Details {
                name: as_name(&self.name),
                description: self.description.trim().to_owned(),
                locale: Locale { time_zone, message_language },
            }),
            _ => Err(errors),
        }
    }
}

impl AddTenant {
    /// The tenant to make and who is to be its super administrator.
    pub fn check(&self, proposed: Locale) -> Result<(Slug, Details, Username), FieldErrors> {
        let details = self.details.check(proposed);
        let mut errors = details.as_ref().err().cloned().unwrap_or_default();
        let slug = Slug::parse(&self.slug);
        if slug.is_err() {
            errors.add("slug", "tenants-slug-rule");
        }
        let super_admin = Username::parse(&self.super_admin);
        if super_admin.is_err() {
            errors.add("super_admin", "accounts-username-rule");
        }
        match (slug, details, super_admin) {
            (Ok(slug), Ok(details), Ok(super_admin)) => Ok((slug, details, super_admin)),
            _ => Err(errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> AddTenant {
        AddTenant {
            details: EditTenant { name: " 数据平台 ".into(), ..EditTenant::default() },
            slug: "data".into(),
            super_admin: "ann".into(),
            confirmed: String::new(),
        }
    }

    const PROPOSED: Locale = Locale { time_zone: Tz::UTC, message_language: Language::English };

    fn keys(form: &AddTenant) -> Vec<(String, String)> {
        let errors = form.check(PROPOSED).err().unwrap_or_default();
        errors.0.into_iter().map(|error| (error.field.into_owned(), error.key.into_owned())).collect()
    }

    #[test]
    fn spaces_around_a_name_are_dropped_and_zone_and_language_are_those_proposed_unless_chosen() {
        let (slug, details, super_admin) = form().check(PROPOSED).unwrap();
        assert_eq!((slug.as_str(), super_admin.as_str()), ("data", "ann"));
        assert_eq!((details.name.as_str(), details.locale), ("数据平台", PROPOSED));
        let mut chosen = form();
        chosen.details.message_language = "zh-CN".into();
        chosen.details.time_zone = "Asia/Urumqi".into();
        let locale = Locale { time_zone: Tz::Asia__Urumqi, message_language: Language::Chinese };
        assert_eq!(chosen.check(PROPOSED).unwrap().1.locale, locale);
    }

    #[test]
    fn lengths_count_characters_and_not_bytes() {
        let mut longest = form();
        longest.details.name = "名".repeat(128);
        longest.details.description = "述".repeat(1024);
        assert_eq!(keys(&longest), []);
        longest.details.name.push('名');
        longest.details.description.push('述');
        let errors = longest.check(PROPOSED).unwrap_err();
        let long = |field| errors.for_field(field).unwrap().text(Language::English);
        assert!(long("name").contains("128") && long("description").contains("1024"));
    }

    #[test]
    fn every_mistake_is_told_at_once_beside_its_field() {
        let mut wrong = form();
        wrong.details = EditTenant {
            name: " ".into(),
            time_zone: "Mars/Base".into(),
            message_language: "la".into(),
            ..EditTenant::default()
        };
        wrong.slug = "Data".into();
        wrong.super_admin = "a b".into();
        let expected = [
            ("name", "form-required"),
            ("time_zone", "tenants-time-zone-unknown"),
            ("message_language", "form-choose"),
            ("slug", "tenants-slug-rule"),
            ("super_admin", "accounts-username-rule"),
        ];
        assert_eq!(keys(&wrong), expected.map(|(field, key)| (field.to_owned(), key.to_owned())));
    }

    #[test]
    fn a_name_is_one_line() {
        let mut wrong = form();
        wrong.details.name = "a\r\nb".into();
        assert_eq!(keys(&wrong), [("name".to_owned(), "form-control".to_owned())]);
    }

    #[test]
    fn what_a_browser_sends_is_read() {
        let read: AddTenant =
            serde_html_form::from_str("csrf=x&name=A&slug=a&description=&time_zone=Asia%2FShanghai&super_admin=ann")
                .unwrap();
        assert_eq!(read.check(PROPOSED).unwrap().1.locale.time_zone, Tz::Asia__Shanghai);
    }
}
