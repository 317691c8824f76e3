//! The forms that add and edit a tenant.

use chrono_tz::Tz;
use serde::Deserialize;
use validator::Validate;

use super::{Details, Slug};
use crate::{
    accounts::Username,
    web::{FieldErrors, filled, one_line, validated},
};

/// What can be changed about a tenant.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(default)]
pub struct EditTenant {
    /// Its name for people.
    #[validate(custom(function = "filled"), custom(function = "one_line"), length(max = 128, code = "form-too-long"))]
    pub name: String,
    /// What it is for.
    #[validate(length(max = 1024, code = "form-too-long"))]
    pub description: String,
    /// The IANA name of its time zone.
    pub time_zone: String,
}

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
}

impl Default for EditTenant {
    fn default() -> Self {
        Self { name: String::new(), description: String::new(), time_zone: Tz::UTC.name().to_owned() }
    }
}

impl From<Details> for EditTenant {
    fn from(details: Details) -> Self {
        Self { name: details.name, description: details.description, time_zone: details.time_zone.name().to_owned() }
    }
}

impl EditTenant {
    /// The change that was asked for.
    pub fn check(&self) -> Result<Details, FieldErrors> {
        let mut errors = validated(self).err().unwrap_or_default();
        let time_zone = self.time_zone.trim().parse::<Tz>();
        if time_zone.is_err() {
            errors.add("time_zone", "tenants-time-zone-unknown");
        }
        match time_zone {
            Ok(time_zone) if errors.is_empty() => Ok(Details {
                name: self.name.trim().to_owned(),
                description: self.description.trim().to_owned(),
                time_zone,
            }),
            _ => Err(errors),
        }
    }
}

impl AddTenant {
    /// The tenant to make and who is to be its super administrator.
    pub fn check(&self) -> Result<(Slug, Details, Username), FieldErrors> {
        let details = self.details.check();
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
        }
    }

    fn keys(form: &AddTenant) -> Vec<(String, String)> {
        let errors = form.check().err().unwrap_or_default();
        errors.0.into_iter().map(|error| (error.field.into_owned(), error.key.into_owned())).collect()
    }

    #[test]
    fn spaces_around_a_name_are_dropped_and_the_time_zone_is_utc_unless_chosen() {
        let (slug, details, super_admin) = form().check().unwrap();
        assert_eq!((slug.as_str(), super_admin.as_str()), ("data", "ann"));
        assert_eq!((details.name.as_str(), details.time_zone), ("数据平台", Tz::UTC));
    }

    #[test]
    fn lengths_count_characters_and_not_bytes() {
        let mut longest = form();
        longest.details.name = "名".repeat(128);
        longest.details.description = "述".repeat(1024);
        assert_eq!(keys(&longest), []);
        longest.details.name.push('名');
        longest.details.description.push('述');
        let errors = longest.check().unwrap_err();
        let long = |field| errors.of(field).unwrap().text(crate::language::Language::English);
        assert!(long("name").contains("128") && long("description").contains("1024"));
    }

    #[test]
    fn every_mistake_is_told_at_once_beside_its_field() {
        let mut wrong = form();
        wrong.details = EditTenant { name: " ".into(), description: String::new(), time_zone: "Mars/Base".into() };
        wrong.slug = "Data".into();
        wrong.super_admin = "a b".into();
        let expected = [
            ("name", "form-required"),
            ("time_zone", "tenants-time-zone-unknown"),
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
        assert_eq!(read.check().unwrap().1.time_zone, Tz::Asia__Shanghai);
    }
}
