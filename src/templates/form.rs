//! The form in which a template is edited.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

use super::{
    Fault, Reason, Source, Variables, Words, choice, engine,
    model::{LARGEST_BODY, LONGEST_TITLE},
};
use crate::{
    language::Language,
    robots::Channel,
    web::{Edits as _, FieldError, FieldErrors, FormVersion, edits, filled, one_line, validated},
};

/// A template, as it is typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Validate)]
#[serde(default)]
pub struct EditTemplate {
    /// The headline's template.
    #[validate(
        custom(function = "filled"),
        custom(function = "one_line"),
        length(max = LONGEST_TITLE, code = "form-too-long")
    )]
    pub title: String,
    /// The text's template.
    #[validate(custom(function = "filled"), custom(function = "fits"))]
    pub body: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
edits!(EditTemplate);

/// The language of a tenant's messages.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct EditLanguage {
    /// Its BCP 47 tag.
    pub message_language: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
edits!(EditLanguage);

impl From<Language> for EditLanguage {
    fn from(language: Language) -> Self {
        Self { message_language: language.tag().to_owned(), form_version: FormVersion::default() }.opened()
    }
}

impl EditLanguage {
    /// The language that was chosen.
    ///
    /// # Errors
    /// When it is none of those offered.
    pub fn check(&self) -> Result<Language, FieldErrors> {
        let chosen = Language::ALL.into_iter().find(|language| language.tag() == self.message_language);
        chosen.ok_or_else(|| FieldErrors::one("message_language", "form-choose"))
    }
}

impl From<Source> for EditTemplate {
    fn from(source: Source) -> Self {
        Self { title: source.title, body: source.body, form_version: FormVersion::default() }.opened()
    }
}

/// A `validator` rule: a text of a size that a template may have.
fn fits(text: &str) -> Result<(), ValidationError> {
    if unix_lines(text).len() > LARGEST_BODY { Err(ValidationError::new("templates-too-large")) } else { Ok(()) }
}

/// Browsers end the lines of a text with two characters.
fn unix_lines(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(text) }
}

impl EditTemplate {
    /// The template that was typed, and what it makes of an example.
    ///
    /// # Errors
    /// Everything that is wrong with it, the lack of DingTalk's keyword too.
    pub fn check(&self, channel: Channel, reason: Reason, example: &Variables) -> Result<(Source, Words), FieldErrors> {
        let mut errors = validated(self).err().unwrap_or_default();
        let source = Source { title: self.title.trim().to_owned(), body: unix_lines(&self.body).trim_end().to_owned() };
        for (field, part) in [("title", &source.title), ("body", &source.body)] {
            if errors.of(field).is_none()
                && let Err(fault) = engine::check(part, reason)
            {
                errors.0.push(field_error(field, fault));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        // What is missing in an alert must not take the keyword away, nor may the alert's own words bring it.
        let bare = Variables { product: example.product.clone(), ..Variables::default() };
        let mut words = Words::default();
        for variables in [&bare, example] {
            words = engine::words(&source, variables).map_err(|fault| {
                let field = if fault.name() == Some("title") { "title" } else { "body" };
                FieldErrors(vec![field_error(field, engine::syntax(&fault))])
            })?;
            if !choice::has_keyword(channel, &words, &variables.product) {
                let variables = vec![("product".into(), variables.product.clone())];
                let error = FieldError { field: "title".into(), key: "templates-keyword-missing".into(), variables };
                return Err(FieldErrors(vec![error]));
            }
        }
        if words.title.is_empty() {
            return Err(FieldErrors::one("title", "templates-title-empty"));
        }
        if reason == Reason::Digest && !words.body.contains(&example.content) {
            return Err(FieldErrors::one("body", "templates-list-missing"));
        }
        Ok((source, words))
    }
}

fn field_error(field: &'static str, fault: Fault) -> FieldError {
    let (key, line, what) = match fault {
        Fault::Variable { line, name } => ("templates-fault-variable", line, Some(("name", name))),
        Fault::Filter { line, name } => ("templates-fault-filter", line, Some(("name", name))),
        Fault::Forbidden { line, what } => ("templates-fault-forbidden", line, Some(("what", what))),
        Fault::Syntax { line } => ("templates-fault-syntax", line, None),
        Fault::TooMuch { line } => ("templates-fault-too-much", line, None),
        Fault::TooMuchWork { line } => ("templates-fault-too-much-work", line, None),
    };
    let mut variables = vec![("line".into(), line.to_string())];
    variables.extend(what.map(|(name, value)| (name.into(), value)));
    FieldError { field: field.into(), key: key.into(), variables }
}
