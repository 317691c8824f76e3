//! The form of a user group, and what its list can be asked for.

use serde::{Deserialize, Serialize};
use validator::Validate;

use super::{
    model::{Details, MOST_ADMINS, admins},
    store::{Filter, Group, Unknown},
};
use crate::{
    people::{Person, joined, typed_names},
    text::{as_name, whole_number},
    web::{
        EditForm as _, FieldErrors, FormVersion, ListParameters, Unread, impl_edit_form, is_page, name, query_string,
        unread, validate_form,
    },
};

/// How many unknown names an error repeats.
const NAMES_IN_ERRORS: usize = 10;

/// A group as it is typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Validate)]
#[serde(default)]
pub struct EditGroup {
    /// Its name.
    #[validate(custom(function = "name"), length(max = 128, code = "form-too-long"))]
    pub name: String,
    /// What it is for.
    #[validate(length(max = 128, code = "form-too-long"))]
    pub description: String,
    /// The usernames of its members, separated by commas or lines.
    pub members: String,
    /// The usernames of its administrators, likewise.
    pub admins: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(EditGroup);

impl From<&Group> for EditGroup {
    fn from(group: &Group) -> Self {
        Self {
            name: group.name.clone(),
            description: group.description.clone(),
            members: in_lines(&group.members),
            admins: in_lines(&group.admins),
            form_version: FormVersion::default(),
        }
        .with_version()
    }
}

fn in_lines(people: &[Person]) -> String {
    people.iter().map(|person| person.username.as_str()).collect::<Vec<_>>().join("\n")
}

impl EditGroup {
    /// What the group is to be, and the usernames of its members.
    pub fn check(&self) -> Result<(Details, Vec<String>), FieldErrors> {
        let mut errors = validate_form(self).err().unwrap_or_default();
        let admins = admins(&self.admins);
        if admins.is_none() {
            errors.add_with_variable("admins", "groups-admins-rule", "max", MOST_ADMINS.to_string());
        }
        match admins {
            Some(admins) if errors.is_empty() => {
                let (name, description) = (as_name(&self.name), self.description.trim().to_owned());
                Ok((Details { name, description, admins }, self.members()))
            }
            _ => Err(errors),
        }
    }

    /// The usernames of its members: all that a group's own administrators decide.
    pub fn members(&self) -> Vec<String> {
        typed_names(&self.members)
    }
}

impl From<Unknown> for FieldErrors {
    fn from(unknown: Unknown) -> Self {
        let mut errors = Self::default();
        for (field, names) in [("members", unknown.members), ("admins", unknown.admins)] {
            if !names.is_empty() {
                let names = joined(names.iter().map(String::as_str), NAMES_IN_ERRORS);
                errors.add_with_variable(field, "people-unknown", "names", names);
            }
        }
        errors
    }
}

/// The query of the list's URL. A word that means nothing filters nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    /// A part of the name.
    pub q: String,
    /// `on` or `off`.
    pub status: String,
    /// The page, from 1.
    pub page: String,
}

impl ListParameters for Asked {
    const NAMES: &'static [&'static str] = &["q", "status", "page"];

    fn unknown_parameters(&self) -> Unread {
        let is_status = ["on", "off"].contains(&self.status.as_str());
        unread(&[("status", &self.status, is_status), ("page", &self.page, is_page(&self.page))])
    }
}

impl Asked {
    /// The groups that were asked for.
    pub fn filter(&self) -> Filter {
        let is_on = match self.status.as_str() {
            "on" => Some(true),
            "off" => Some(false),
            _ => None,
        };
        Filter { search: self.q.trim().to_lowercase(), is_on }
    }

    /// Whether anything narrows the list.
    pub fn narrows(&self) -> bool {
        self.filter() != Filter::default()
    }

    /// The page that was asked for.
    pub fn page(&self) -> i64 {
        whole_number(&self.page).unwrap_or(1)
    }

    /// The query without the page.
    pub fn without_page(&self) -> String {
        query_string(&[("q", &self.q), ("status", &self.status)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> EditGroup {
        EditGroup {
            name: " 夜班 ".into(),
            members: "ann,bob\nAnn".into(),
            admins: "ann".into(),
            ..EditGroup::default()
        }
    }

    #[test]
    fn what_is_typed_becomes_a_group() {
        let (details, members) = form().check().unwrap();
        assert_eq!(members, ["ann", "bob"]);
        assert_eq!((details.name.as_str(), details.admins), ("夜班", vec!["ann".to_owned()]));
    }

    #[test]
    fn lengths_count_characters_and_every_mistake_is_told_at_once() {
        let longest = EditGroup { name: "名".repeat(128), description: "述".repeat(128), ..form() };
        assert!(longest.check().is_ok());
        let wrong =
            EditGroup {
                name: "名".repeat(129), description: "述".repeat(129), admins: "a b c d e f".into(), ..form()
            };
        let errors = wrong.check().unwrap_err();
        for field in ["name", "description", "admins"] {
            assert!(errors.for_field(field).is_some(), "{field}");
        }
        assert!(EditGroup { name: "a\nb".into(), ..form() }.check().is_err());
        assert!(EditGroup { name: "  ".into(), ..form() }.check().is_err());
        assert!(EditGroup { name: "night\u{200b} shift".into(), ..form() }.check().is_err());
        let spaced = EditGroup { name: "night\u{a0}  shift".into(), ..form() };
        assert_eq!(spaced.check().unwrap().0.name, "night shift");
    }
}
