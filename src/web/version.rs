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
const HASH_LENGTH: usize = 16;

/// The values of each field that a form showed, as hashes. Empty for a form that was not opened first, such as one that a
/// script posts: all its fields count as changed by its user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FormVersion(BTreeMap<String, String>);

impl FormVersion {
    /// The version of a page that shows these values. `form` is whatever the page's fields are read into.
    #[must_use]
    pub fn of(form: &impl Serialize) -> Self {
        Self(values(form).into_iter().map(|(field, values)| (field, hash(&values))).collect())
    }

    /// Whether a form came without one.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a field no longer holds what was shown. A field that was not shown held nothing.
    #[must_use]
    pub fn differs(&self, field: &str, form: &impl Serialize) -> bool {
        self.holds_other(field, values(form).get(field).map(Vec::as_slice).unwrap_or_default())
    }

    fn holds_other(&self, field: &str, values: &[String]) -> bool {
        match self.0.get(field) {
            Some(shown) => *shown != hash(values),
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
pub trait Edits: Clone + Serialize + DeserializeOwned {
    /// What its page showed.
    fn form_version(&self) -> &FormVersion;

    /// The same, to be set.
    fn form_version_mut(&mut self) -> &mut FormVersion;

    /// The form as a page shows it: with the version of its values.
    #[must_use]
    fn opened(mut self) -> Self {
        *self.form_version_mut() = FormVersion::of(&self);
        self
    }

    /// Whether `now` is what the form was reconciled with. Who reconciles before the write, because checking a form takes long,
    /// looks again under the lock.
    #[must_use]
    fn is_current(&self, now: &Self) -> bool {
        self.form_version().is_none() || *self.form_version() == FormVersion::of(now)
    }

    /// What is to be stored in the place of `now`, the form as it would be opened at this moment, which has to be read under
    /// the lock of the row that is going to be written. Of `fields`, those that the user left as they were shown are as they
    /// are now, whoever changed them meanwhile. Where both changed the same field otherwise, the save is refused.
    ///
    /// # Errors
    /// [`Error::Internal`] when the form cannot be read again.
    fn reconciled(&self, now: &Self, fields: &[&str]) -> Result<std::result::Result<Self, Outdated<Self>>> {
        let version = self.form_version();
        if version.is_none() {
            return Ok(Ok(self.clone()));
        }
        let (stored, mut values) = (values(now), values(self));
        let mut conflicts = Vec::new();
        for field in fields {
            let current = stored.get(*field).cloned().unwrap_or_default();
            let yours = values.get(*field).cloned().unwrap_or_default();
            if !version.holds_other(field, &yours) {
                values.insert((*field).to_owned(), current);
            } else if version.holds_other(field, &current) && hash(&current) != hash(&yours) {
                conflicts.push(Conflict { field: (*field).to_owned(), now: current, yours });
            }
        }
        let pairs =
            values.into_iter().flat_map(|(field, values)| values.into_iter().map(move |value| (field.clone(), value)));
        let encoded = serde_html_form::to_string(pairs.collect::<Vec<_>>()).map_err(Error::internal)?;
        let mut form: Self = serde_html_form::from_str(&encoded).map_err(Error::internal)?;
        *form.form_version_mut() = FormVersion::of(now);
        Ok(if conflicts.is_empty() { Ok(form) } else { Err(Outdated { form, conflicts }) })
    }
}

/// Lets a form with a field `form_version` edit what is stored.
macro_rules! edits {
    ($form:ty) => {
        impl $crate::web::Edits for $form {
            fn form_version(&self) -> &$crate::web::FormVersion {
                &self.form_version
            }

            fn form_version_mut(&mut self) -> &mut $crate::web::FormVersion {
                &mut self.form_version
            }
        }
    };
}
pub(crate) use edits;

/// A save that is refused because somebody else changed the same meanwhile.
#[derive(Clone, Debug)]
pub struct Outdated<F> {
    /// What was typed, and what is stored now where nothing was; saving it once more replaces what somebody else stored.
    pub form: F,
    /// The fields that both changed.
    pub conflicts: Vec<Conflict>,
}

/// A field that two people changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Its name.
    pub field: String,
    /// What somebody else stored.
    pub now: Vec<String>,
    /// What was typed.
    pub yours: Vec<String>,
}

impl<F> Outdated<F> {
    /// The form, and what is wrong with it.
    #[must_use]
    pub fn refused(self) -> (F, FieldErrors) {
        self.refused_in_words(|_, _| None)
    }

    /// The same, where the values of some fields are words that the page shows otherwise.
    #[must_use]
    pub fn refused_in_words(self, word: impl Fn(&str, &str) -> Option<String>) -> (F, FieldErrors) {
        let error = |Conflict { field, now, yours }: Conflict| {
            let text = |values: &[String]| {
                let named = values.iter().map(|value| word(&field, value).unwrap_or_else(|| value.trim().to_owned()));
                shown(&named.collect::<Vec<_>>().join(" · "))
            };
            let variables = vec![("now".into(), text(&now)), ("yours".into(), text(&yours))];
            FieldError { key: "form-changed-meanwhile".into(), variables, field: field.into() }
        };
        let errors = FieldErrors(self.conflicts.into_iter().map(error).collect());
        (self.form, errors)
    }
}

/// The longest value that a refusal repeats, in characters.
const LONGEST_SHOWN: usize = 200;

/// A value on one line, cut at its end; a dash for an empty one.
fn shown(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut cut: String = line.chars().take(LONGEST_SHOWN).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    if cut.is_empty() { "—".to_owned() } else { cut }
}

/// The values of each field, in the order in which a browser would post them.
fn values(form: &impl Serialize) -> BTreeMap<String, Vec<String>> {
    let encoded = serde_html_form::to_string(form).unwrap_or_default();
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (field, value) in url::form_urlencoded::parse(encoded.as_bytes()) {
        fields.entry(field.into_owned()).or_default().push(value.into_owned());
    }
    fields
}

/// Browsers end the lines of a text with two characters, and people leave spaces around it.
fn normal(value: &str) -> String {
    value.replace("\r\n", "\n").trim().to_owned()
}

fn hash(values: &[String]) -> String {
    let mut hasher = Sha256::new();
    for value in values.iter().map(|value| normal(value)).filter(|value| !value.is_empty()) {
        hasher.update(value.as_bytes());
        hasher.update([0]);
    }
    hex::encode(hasher.finalize()).chars().take(HASH_LENGTH).collect()
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
    edits!(Person);

    const FIELDS: [&str; 3] = ["name", "phone", "groups"];

    fn person(name: &str, phone: &str, groups: &[&str]) -> Person {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        Person { name: name.into(), phone: phone.into(), groups, ..Person::default() }.opened()
    }

    /// The form as it comes back from a browser that was shown `opened` and sends `typed`.
    fn posted(opened: &Person, typed: &Person) -> Person {
        let version = serde_html_form::to_string([("form_version", opened.form_version.to_string())]).unwrap();
        let typed = serde_html_form::to_string(typed).unwrap();
        serde_html_form::from_str(&format!("{version}&{typed}")).unwrap()
    }

    #[test]
    fn what_the_user_left_alone_stays_as_somebody_else_stored_it() {
        let opened = person("Ann", "1", &["day", "night"]);
        let now = person("Ann", "2", &["day", "night"]);
        let merged = posted(&opened, &person(" Anna ", "1", &["day"])).reconciled(&now, &FIELDS).unwrap().unwrap();
        assert_eq!((merged.name.trim(), merged.phone.as_str(), merged.groups.len()), ("Anna", "2", 1));
    }

    #[test]
    fn a_field_that_both_changed_is_refused_with_both_values_and_accepted_when_it_is_sent_once_more() {
        let opened = person("Ann", "1", &[]);
        let now = person("Ann", "2", &["day"]);
        let outdated = posted(&opened, &person("Ann", "3", &[])).reconciled(&now, &FIELDS).unwrap().unwrap_err();
        let (form, errors) = outdated.refused();
        assert_eq!(errors.0.len(), 1);
        let text = errors.of("phone").unwrap().text(crate::language::Language::English).into_owned();
        assert!(text.contains('2') && text.contains('3'), "{text}");
        assert_eq!((form.phone.as_str(), form.groups.len()), ("3", 1), "what was not typed is as it is now");
        let again = posted(&form, &form).reconciled(&now, &FIELDS).unwrap().unwrap();
        assert_eq!(again.phone, "3");
    }

    #[test]
    fn a_form_without_a_version_means_what_it_says() {
        let (typed, now) =
            (Person { form_version: FormVersion::default(), ..person("B", "", &[]) }, person("A", "1", &[]));
        assert_eq!(typed.reconciled(&now, &FIELDS).unwrap().unwrap().phone, "");
    }

    #[test]
    fn how_browsers_end_lines_changes_nothing() {
        let opened = person("a\nb", "", &[]);
        assert!(!opened.form_version.differs("name", &person("a\r\nb ", "", &[])));
        assert!(opened.form_version.differs("name", &person("ab", "", &[])));
    }

    fn persons() -> impl Strategy<Value = Person> {
        ("[ab]?", "[12]?", prop::collection::vec("[xy]", 0..3))
            .prop_map(|(name, phone, groups)| Person { name, phone, groups, ..Person::default() }.opened())
    }

    proptest! {
        #[test]
        fn a_save_changes_only_what_its_user_changed_and_never_undoes_a_change(
            opened in persons(), typed in persons(), now in persons(),
        ) {
            match posted(&opened, &typed).reconciled(&now, &FIELDS).unwrap() {
                Ok(merged) => for field in FIELDS {
                    let (was, is) = (values(&opened), values(&now));
                    let (wanted, got) = (values(&typed), values(&merged));
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
