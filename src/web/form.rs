//! Reading forms strictly, and telling what is wrong with one beside each field.
//!
//! Input that is not UTF-8 or holds a NUL is refused as a whole: nothing is replaced in silence.

use std::{borrow::Cow, future::Ready, future::ready};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;
use validator::{Validate, ValidationError};

use crate::{
    error::{Error, Result},
    language::Language,
    text::{self, BYTE_ORDER_MARK},
};

/// The fields of a posted form, which [`guard`](super::csrf_guard) has read and found to come from a page of ours.
#[derive(Clone, Debug)]
pub struct Form<T>(pub T);

/// The fields of the URL's query.
#[derive(Clone, Debug)]
pub struct Query<T>(pub T);

/// The decoded fields of a form, in the order in which they came.
#[derive(Clone)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    /// The first value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Decodes `a=1&b=2`. A byte order mark before it is ignored.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it is not UTF-8 or holds a NUL.
    pub fn decode(encoded: &[u8]) -> Result<Self> {
        let mut mark = [0; 4];
        let encoded = encoded.strip_prefix(BYTE_ORDER_MARK.encode_utf8(&mut mark).as_bytes()).unwrap_or(encoded);
        encoded
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let mut halves = pair.splitn(2, |byte| *byte == b'=');
                let name = decode_component(halves.next().unwrap_or_default())?;
                let value = decode_component(halves.next().unwrap_or_default())?;
                Ok((name, value))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Encodes them as `a=1&b=2`, every byte that is not plain as `%XX`.
    pub(super) fn encode(&self) -> Result<String> {
        serde_html_form::to_string(&self.0).map_err(|_| Error::Malformed)
    }

    pub(super) fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        serde_html_form::from_str(&self.encode()?).map_err(|_| Error::Malformed)
    }
}

/// Decodes one name or value: `+` is a space, `%XX` a byte, the whole UTF-8 without NUL.
fn decode_component(encoded: &[u8]) -> Result<String> {
    let spaced: Vec<u8> = encoded.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    let text = percent_decode(&spaced).decode_utf8().map_err(|_| Error::Malformed)?;
    if text.contains('\0') { Err(Error::Malformed) } else { Ok(text.into_owned()) }
}

/// Whether the path of a request can be read: UTF-8, without NUL.
pub(super) fn is_readable_path(path: &str) -> bool {
    percent_decode(path.as_bytes()).decode_utf8().is_ok_and(|text| !text.contains('\0'))
}

impl<T: DeserializeOwned> FromRequest for Form<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let fields = request.extensions().get::<Fields>().cloned();
        ready(fields.ok_or(Error::Malformed).and_then(|fields| fields.deserialize()).map(Self))
    }
}

impl<T: DeserializeOwned> FromRequest for Query<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Fields::decode(request.query_string().as_bytes()).and_then(|fields| fields.deserialize()).map(Self))
    }
}

/// Fields written as the query of a URL; empty ones are left out.
#[must_use]
pub fn query_string(fields: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    query.finish()
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name in the form; empty when the mistake belongs to the form as a whole and to no single field.
    pub field: Cow<'static, str>,
    /// The key of the text that says so.
    pub key: Cow<'static, str>,
    /// The variables of that text.
    pub variables: Vec<(Cow<'static, str>, String)>,
}

impl FieldError {
    /// The text in this language.
    #[must_use]
    pub fn text(&self, language: Language) -> Cow<'static, str> {
        let variables: Vec<(&str, &str)> =
            self.variables.iter().map(|(name, value)| (name.as_ref(), value.as_str())).collect();
        language.text_with(&self.key, &variables)
    }
}

/// What is wrong with a form, in the order of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(pub Vec<FieldError>);

impl FieldErrors {
    /// One mistake.
    #[must_use]
    pub fn single(field: &'static str, key: &'static str) -> Self {
        let mut errors = Self::default();
        errors.add(field, key);
        errors
    }

    /// One mistake that belongs to the form as a whole: the summary states it as a sentence, and no field is marked.
    #[must_use]
    pub fn for_whole_form(key: &'static str) -> Self {
        Self::single("", key)
    }

    /// Notes a mistake.
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, key: impl Into<Cow<'static, str>>) {
        self.0.push(FieldError { field: field.into(), key: key.into(), variables: Vec::new() });
    }

    /// Notes a mistake whose text has a variable.
    pub fn add_with_variable(&mut self, field: &'static str, key: &'static str, variable: &'static str, value: String) {
        let variables = vec![(variable.into(), value)];
        self.0.push(FieldError { field: field.into(), key: key.into(), variables });
    }

    /// What a form says, when neither it nor what was looked up about it is wrong.
    ///
    /// # Errors
    /// Every mistake: those of the form, then these.
    pub fn joined_with<T>(self, checked: std::result::Result<T, Self>) -> std::result::Result<T, Self> {
        match checked {
            Ok(value) if self.is_empty() => Ok(value),
            Ok(_) => Err(self),
            Err(mut errors) => {
                errors.0.extend(self.0);
                Err(errors)
            }
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with this field, first mistake first.
    #[must_use]
    pub fn for_field(&self, field: &str) -> Option<&FieldError> {
        self.0.iter().find(|error| error.field == field)
    }
}

/// Checks a form by its `validator` rules. A rule's `code` is the key of the text that says what is wrong.
///
/// # Errors
/// Every mistake, by field.
pub fn validate_form(form: &impl Validate) -> std::result::Result<(), FieldErrors> {
    let Err(faults) = form.validate() else { return Ok(()) };
    let mut errors: Vec<FieldError> = faults
        .field_errors()
        .into_iter()
        .flat_map(|(field, faults)| faults.iter().map(move |fault| field_error(field.clone(), fault)))
        .collect();
    errors.sort_by(|left, right| left.field.cmp(&right.field));
    Err(FieldErrors(errors))
}

fn field_error(field: Cow<'static, str>, fault: &ValidationError) -> FieldError {
    let variables = fault
        .params
        .iter()
        .filter(|(name, _)| *name != "value")
        .map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        .collect();
    FieldError { field, key: fault.code.clone(), variables }
}

/// A `validator` rule: something that shows.
///
/// # Errors
/// `form-required`.
pub fn not_blank(text: &str) -> std::result::Result<(), ValidationError> {
    if text::is_blank(text) { Err(ValidationError::new("form-required")) } else { Ok(()) }
}

/// A `validator` rule for the name of a thing: it shows something, it is one line, and everything in it is seen.
///
/// # Errors
/// `form-required`, `form-control`, or `form-unseen` with the number of the character.
pub fn name(text: &str) -> std::result::Result<(), ValidationError> {
    not_blank(text)?;
    let text = text::trim_invisible(text);
    single_line(text)?;
    match text::unseen_in_name(text) {
        None => Ok(()),
        Some(unseen) => {
            let mut fault = ValidationError::new("form-unseen");
            fault.add_param("character".into(), &format!("U+{:04X}", u32::from(unseen)));
            Err(fault)
        }
    }
}

/// A `validator` rule: one line of printable text.
///
/// # Errors
/// `form-control`.
pub fn single_line(text: &str) -> std::result::Result<(), ValidationError> {
    if text.chars().any(char::is_control) { Err(ValidationError::new("form-control")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_that_is_not_utf_8_or_holds_a_nul_is_refused_whole() {
        assert!(matches!(Fields::decode(b"name=%FF"), Err(Error::Malformed)));
        assert!(matches!(Fields::decode(b"name=a%00b"), Err(Error::Malformed)));
        assert!(matches!(Fields::decode(b"name=\xC3\x28"), Err(Error::Malformed)));
        let fields = Fields::decode("name=%E5%BC%A0%E4%BC%9F+%2B&x".as_bytes()).unwrap();
        assert_eq!(fields.get("name"), Some("张伟 +"));
        assert_eq!(fields.get("x"), Some(""));
        assert_eq!(Fields::decode("\u{feff}name=a".as_bytes()).unwrap().get("name"), Some("a"));
    }

    #[test]
    fn a_path_with_a_nul_cannot_be_read() {
        assert!(!is_readable_path("/t/a%00"));
        assert!(!is_readable_path("/t/%ff"));
        assert!(is_readable_path("/t/%E5%BC%A0"));
    }

    #[test]
    fn a_query_is_written_without_its_empty_fields() {
        assert_eq!(query_string(&[("q", "张 伟"), ("role", ""), ("page", "2")]), "q=%E5%BC%A0+%E4%BC%9F&page=2");
    }
}
