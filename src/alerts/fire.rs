//! The form Fire Alert, as far as it is more than the fields of an alert.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::AlertFields;
use crate::{
    error::Result,
    secrets::PlainToken,
    web::{FieldError, FieldErrors},
};

/// The longest id of a form that is believed to be one of ours.
const LONGEST_ID: usize = 64;
/// How many strangers a message names.
const MOST_NAMES: usize = 20;

/// What the form holds besides the fields of the alert.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FormMarks {
    /// A random word of the page, so that two clicks on it are known as one.
    pub form_id: String,
    /// Not empty: only a preview is wanted.
    pub preview: String,
}

impl FormMarks {
    /// The marks of a fresh page.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn fresh() -> Result<Self> {
        Ok(Self { form_id: PlainToken::generate()?.expose().to_owned(), preview: String::new() })
    }

    /// What the database keeps of the form. Whoever goes back, changes a field and fires again means another alert, so the
    /// fields are in it. A form without an id is always another one.
    #[must_use]
    pub fn hash(&self, fields: &AlertFields) -> Option<Vec<u8>> {
        if self.form_id.is_empty() || self.form_id.len() > LONGEST_ID {
            return None;
        }
        let AlertFields { title, content, severity, status, key, receivers, link } = fields;
        let texts = [&self.form_id, title, content, severity, status, key, link];
        let mut hash = Sha256::new();
        // No field holds a NUL.
        for text in texts.into_iter().chain(receivers) {
            hash.update(text.as_bytes());
            hash.update([0]);
        }
        Some(hash.finalize().to_vec())
    }
}

/// What is wrong when a person names people who are no members of the tenant.
#[must_use]
pub fn strangers(names: &[String]) -> FieldErrors {
    let mut shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMES {
        shown.push_str(", …");
    }
    let variables = vec![("names".into(), shown)];
    FieldErrors(vec![FieldError { field: "receivers".into(), key: "alerts-receivers-unknown".into(), variables }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_known_again_by_its_id_and_its_fields() {
        let marks = FormMarks::fresh().unwrap();
        let fields = AlertFields { title: "Disk full".into(), ..AlertFields::default() };
        assert_eq!(marks.hash(&fields), marks.hash(&fields.clone()));
        let changed = AlertFields { content: "again".into(), ..fields.clone() };
        assert_ne!(marks.hash(&fields), marks.hash(&changed));
        assert_ne!(marks.hash(&fields), FormMarks::fresh().unwrap().hash(&fields));
        let moved = AlertFields { title: String::new(), content: "Disk full".into(), ..AlertFields::default() };
        assert_ne!(marks.hash(&fields), marks.hash(&moved), "a text in another field is another alert");
        assert_eq!(FormMarks::default().hash(&fields), None);
    }
}
