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
const MAX_FORM_ID_BYTES: usize = 64;
/// How many strangers a message names.
const MAX_NAMES_SHOWN: usize = 20;

/// What the form holds besides the fields of the alert.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct FormNonce {
    /// A random word of the page, so that two clicks on it are known as one.
    pub form_id: String,
    /// Not empty: only a preview is wanted.
    pub preview: String,
}

impl FormNonce {
    /// The marks of a fresh page.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Self> {
        Ok(Self { form_id: PlainToken::generate()?.expose().to_owned(), preview: String::new() })
    }

    /// What the database keeps of the form. Whoever goes back, changes a field and fires again means another alert, so the
    /// fields are in it. A form without an id is always another one.
    #[must_use]
    pub fn hash(&self, fields: &AlertFields) -> Option<Vec<u8>> {
        if self.form_id.is_empty() || self.form_id.len() > MAX_FORM_ID_BYTES {
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
pub fn unknown_members_error(names: &[String]) -> FieldErrors {
    let mut shown = names.iter().take(MAX_NAMES_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if names.len() > MAX_NAMES_SHOWN {
        shown.push_str(", …");
    }
    let variables = vec![("names".into(), shown)];
    FieldErrors(vec![FieldError { field: "receivers".into(), key: "alerts-receivers-unknown".into(), variables }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_hash_depends_on_its_id_and_every_field() {
        let nonce = FormNonce::generate().unwrap();
        let fields = AlertFields { title: "Disk full".into(), ..AlertFields::default() };
        assert_eq!(nonce.hash(&fields), nonce.hash(&fields.clone()));
        let changed = AlertFields { content: "again".into(), ..fields.clone() };
        assert_ne!(nonce.hash(&fields), nonce.hash(&changed));
        assert_ne!(nonce.hash(&fields), FormNonce::generate().unwrap().hash(&fields));
        let moved = AlertFields { title: String::new(), content: "Disk full".into(), ..AlertFields::default() };
        assert_ne!(nonce.hash(&fields), nonce.hash(&moved), "a text in another field is another alert");
        assert_eq!(FormNonce::default().hash(&fields), None);
    }
}
