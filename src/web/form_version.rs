//! The version of a form: which values it showed when it was opened.
//!
//! A page that edits something carries it in a hidden field. When the form comes back, it tells what its user changed from
//! what was only shown, so that a save writes the former alone and is refused where somebody else changed the same meanwhile.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};

use super::form::{FieldError, FieldErrors};
use crate::error::{Error, Result};

/// Characters of a value's hash that the version keeps: 64 bits.
const HASH_HEX_CHARS: usize = 16;

/// The values of each field that a form showed, as hashes. Empty for a form that was not opened first, such as one that a
/// script posts: all its fields count as changed by its user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormVersion(BTreeMap<String, String>);

impl FormVersion {
    /// The version of a page that shows these values. `form` is whatever the page's fields are read into.
    #[must_use]
    pub fn from_form(form: &impl Serialize) -> Self {
        Self(form_values(form).into_iter().map(|(field, values)| (field, hash_values(&values))).collect())
    }

    /// Whether a form came without one.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a field no longer holds what was shown. A field that was not shown held nothing.
    #[must_use]
    pub fn field_differs(&self, field: &str, form: &impl Serialize) -> bool {
        self.is_changed(field, form_values(form).get(field).map(Vec::as_slice).unwrap_or_default())
    }

    fn is_changed(&self, field: &str, values: &[String]) -> bool {
        match self.0.get(field) {
            Some(shown) => *shown != hash_values(values),
            None => values.iter().any(|value| !value.is_empty()),
        }
    }
}

impl std::fmt::Display for FormVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts: Vec<String> = self.0.iter().map(|(field, hash)| format!("{field}:{hash}")).collect();
        f.write_str(&parts.join(" "))
    }
}

impl<'de> Deserialize<'de> for FormVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.split(' ').filter_map(|part| part.split_once(':'));
        Ok(Self(parts.map(|(field, hash)| (field.to_owned(), hash.to_owned())).collect()))
    }
}

/// A form that edits what is stored. It is read from a post and written into one by the same names, its version aside.
pub trait EditForm: Clone + Serialize + DeserializeOwned {
    /// What its page showed.
    fn form_version(&self) -> &FormVersion;

    /// The same, to be set.
    fn form_version_mut(&mut self) -> &mut FormVersion;

    /// The form as a page shows it: with the version of its values.
    #[must_use]
    fn with_version(mut self) -> Self {
        *self.form_version_mut() = FormVersion::from_form(&self);
        self
    }

    /// Whether `now` is what the form was reconciled with. Who reconciles before the write, because checking a form takes long,
    /// looks again under the lock.
    #[must_use]
    fn is_based_on(&self, stored: &Self) -> bool {
        self.form_version().is_absent() || *self.form_version() == FormVersion::from_form(stored)
    }

    /// What is to be stored in the place of `now`, the form as it would be opened at this moment, which has to be read under
    /// the lock of the row that is going to be written. Of `fields`, those that the user left as they were shown are as they
    /// are now, whoever changed them meanwhile. Where both changed the same field otherwise, the save is refused.
    ///
    /// # Errors
    /// [`Error::Internal`] when the form cannot be read again.
    fn reconcile(&self, stored: &Self, fields: &[&str]) -> Result<std::result::Result<Self, EditConflict<Self>>> {
        let version = self.form_version();
        if version.is_absent() {
            return Ok(Ok(self.clone()));
        }
        let (stored_values, mut submitted_values) = (form_values(stored), form_values(self));
        let mut conflicts = Vec::new();
        for field in fields {
            let stored_value = stored_values.get(*field).cloned().unwrap_or_default();
            let submitted_value = submitted_values.get(*field).cloned().unwrap_or_default();
            if !version.is_changed(field, &submitted_value) {
                submitted_values.insert((*field).to_owned(), stored_value);
            } else if version.is_changed(field, &stored_value)
                && hash_values(&stored_value) != hash_values(&submitted_value)
            {
                conflicts.push(FieldConflict {
                    field: (*field).to_owned(),
                    stored: stored_value,
                    submitted: submitted_value,
                });
            }
        }
        let pairs = submitted_values
            .into_iter()
            .flat_map(|(field, values)| values.into_iter().map(move |value| (field.clone(), value)));
        let encoded = serde_html_form::to_string(pairs.collect::<Vec<_>>()).map_err(Error::internal)?;
        let mut form: Self = serde_html_form::from_str(&encoded).map_err(Error::internal)?;
        *form.form_version_mut() = FormVersion::from_form(stored);
        Ok(if conflicts.is_empty() { Ok(form) } else { Err(EditConflict { form, conflicts }) })
    }
}

/// Lets a form with a field `form_version` edit what is stored.
macro_rules! impl_edit_form {
    ($form:ty) => {
        impl $crate::web::EditForm for $form {
            fn form_version(&self) -> &$crate::web::FormVersion {
                &self.form_version
            }

            fn form_version_mut(&mut self) -> &mut $crate::web::FormVersion {
                &mut self.form_version
            }
        }
    };
}
pub(crate) use impl_edit_form;

/// A save that is refused because somebody else changed the same meanwhile.
#[derive(Clone, Debug)]
pub struct EditConflict<F> {
    /// What was typed, and what is stored now where nothing was; saving it once more replaces what somebody else stored.
    pub form: F,
    /// The fields that both changed.
    pub conflicts: Vec<FieldConflict>,
}

/// A field that two people changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    /// Its name.
    pub field: String,
    /// What somebody else stored.
    pub stored: Vec<String>,
    /// What was typed.
    pub submitted: Vec<String>,
}

impl<F> EditConflict<F> {
    /// The form, and what is wrong with it.
    #[must_use]
    pub fn into_errors(self) -> (F, FieldErrors) {
        self.into_errors_with_labels(|_, _| None)
    }

    /// The same, where the values of some fields are words that the page shows otherwise.
    #[must_use]
    pub fn into_errors_with_labels(self, label: impl Fn(&str, &str) -> Option<String>) -> (F, FieldErrors) {
        let error = |FieldConflict { field, stored: now, submitted: yours }: FieldConflict| {
            let text = |values: &[String]| {
                let named = values.iter().map(|value| label(&field, value).unwrap_or_else(|| value.trim().to_owned()));
                shorten_value(&named.collect::<Vec<_>>().join(" · "))
            };
            let variables = vec![("now".into(), text(&now)), ("yours".into(), text(&yours))];
            FieldError { key: "form-changed-meanwhile".into(), variables, field: field.into() }
        };
        let errors = FieldErrors(self.conflicts.into_iter().map(error).collect());
        (self.form, errors)
    }
}

/// The longest value that a refusal repeats, in characters.
const MAX_SHOWN_CHARS: usize = 200;

/// A value on one line, cut at its end; a dash for an empty one.
fn shorten_value(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = line.chars().take(MAX_SHOWN_CHARS).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    if cut.is_empty() { "—".to_owned() } else { cut }
}

/// The values of each field, in the order in which a browser would post them.
fn form_values(form: &impl Serialize) -> BTreeMap<String, Vec<String>> {
    let encoded = serde_html_form::to_string(form).unwrap_or_default();
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (field, value) in url::form_urlencoded::parse(encoded.as_bytes()) {
        fields.entry(field.into_owned()).or_default().push(value.into_owned());
    }
    fields
}

/// Browsers end the lines of a text with two characters, and people leave spaces around it.
fn normalize(value: &str) -> String {
    value.replace("\r\n", "\n").trim().to_owned()
}

fn hash_values(values: &[String]) -> String {
    let mut hasher = Sha256::new();
    for value in values.iter().map(|value| normalize(value)).filter(|value| !value.is_empty()) {
        hasher.update(value.as_bytes());
        hasher.update([0]);
    }
    hex::encode(hasher.finalize()).chars().take(HASH_HEX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
    #[serde(default)]
    struct Person {
        name: String,
        phone: String,
        groups: Vec<String>,
        #[serde(skip_serializing)]
        form_version: FormVersion,
    }
    impl_edit_form!(Person);

    const FIELDS: [&str; 3] = ["name", "phone", "groups"];

    fn person(name: &str, phone: &str, groups: &[&str]) -> Person {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Person { name: name.into(), phone: phone.into(), groups, ..Person::default() }.with_version()
    }

    /// The form as it comes back from a browser that was shown `opened` and sends `typed`.
    fn posted(opened: &Person, typed: &Person) -> Person {
        let version = serde_html_form::to_string([("form_version", opened.form_version.to_string())]).unwrap();
        let typed = serde_html_form::to_string(typed).unwrap();
        serde_html_form::from_str(&format!("{version}&{typed}")).unwrap()
    }

    #[test]
    fn untouched_fields_keep_what_somebody_else_stored() {
        let opened = person("Ann", "1", &["day", "night"]);
        let now = person("Ann", "2", &["day", "night"]);
        let merged = posted(&opened, &person(" Anna ", "1", &["day"])).reconcile(&now, &FIELDS).unwrap().unwrap();
        assert_eq!((merged.name.trim(), merged.phone.as_str(), merged.groups.len()), ("Anna", "2", 1));
    }

    #[test]
    fn a_field_changed_by_both_is_refused_once_with_both_values() {
        let opened = person("Ann", "1", &[]);
        let now = person("Ann", "2", &["day"]);
        let outdated = posted(&opened, &person("Ann", "3", &[])).reconcile(&now, &FIELDS).unwrap().unwrap_err();
        let (form, errors) = outdated.into_errors();
        assert_eq!(errors.0.len(), 1);
        let text = errors.for_field("phone").unwrap().text(crate::language::Language::English).into_owned();
        assert!(text.contains('2') && text.contains('3'), "{text}");
        assert_eq!((form.phone.as_str(), form.groups.len()), ("3", 1), "what was not typed is as it is now");
        let again = posted(&form, &form).reconcile(&now, &FIELDS).unwrap().unwrap();
        assert_eq!(again.phone, "3");
    }

    #[test]
    fn a_form_without_a_version_means_what_it_says() {
        let (typed, now) =
            (Person { form_version: FormVersion::default(), ..person("B", "", &[]) }, person("A", "1", &[]));
        assert_eq!(typed.reconcile(&now, &FIELDS).unwrap().unwrap().phone, "");
    }

    #[test]
    fn how_browsers_end_lines_changes_nothing() {
        let opened = person("a\nb", "", &[]);
        assert!(!opened.form_version.field_differs("name", &person("a\r\nb ", "", &[])));
        assert!(opened.form_version.field_differs("name", &person("ab", "", &[])));
    }

    fn persons() -> impl Strategy<Value = Person> {
        ("[ab]?", "[12]?", prop::collection::vec("[xy]", 0..3))
            .prop_map(|(name, phone, groups)| Person { name, phone, groups, ..Person::default() }.with_version())
    }

    proptest! {
        #[test]
        fn a_save_changes_only_what_its_user_changed_and_never_undoes_a_change(
            opened in persons(), typed in persons(), now in persons(),
        ) {
            match posted(&opened, &typed).reconcile(&now, &FIELDS).unwrap() {
                Ok(merged) => for field in FIELDS {
                    let (was, is) = (form_values(&opened), form_values(&now));
                    let (wanted, got) = (form_values(&typed), form_values(&merged));
                    let same = |one: &BTreeMap<_, _>, other: &BTreeMap<_, _>| one.get(field) == other.get(field);
                    let right = if same(&was, &wanted) {
                        same(&got, &is)
                    } else {
                        same(&got, &wanted) && (same(&was, &is) || same(&is, &wanted))
                    };
                    prop_assert!(right, "{field}");
                },
                Err(outdated) => prop_assert!(!outdated.conflicts.is_empty()),
            }
        }
    }
}
