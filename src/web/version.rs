//! The version of a form: which values it showed when it was opened.
//!
//! A page that edits something carries it in a hidden field. When the form comes back, it tells what its user changed from
//! what was only shown, so that a save writes the former alone and is refused where somebody else changed the same meanwhile.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};

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
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.split(' ').filter_map(|part| part.split_once(':'));
        Ok(Self(parts.map(|(field, hash)| (field.to_owned(), hash.to_owned())).collect()))
    }
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
