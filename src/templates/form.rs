//! The form in which a template is edited.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

use super::{
    MessageReason, MessageText, TemplateError, TemplateSource, Variables, engine,
    model::{MAX_BODY_BYTES, MAX_TITLE_CHARS},
    tenant_templates,
};
use crate::{
    language::Language,
    robots::Channel,
    web::{EditForm as _, FieldError, FieldErrors, FormVersion, impl_edit_form, not_blank, single_line, validate_form},
};

/// A template, as it is typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Validate)]
#[serde(default)]
pub struct TemplateForm {
    /// The headline's template.
    #[validate(
        custom(function = "not_blank"),
        custom(function = "single_line"),
        length(max = MAX_TITLE_CHARS, code = "form-too-long")
    )]
    pub title: String,
    /// The text's template.
    #[validate(custom(function = "not_blank"), custom(function = "fits_size"))]
    pub body: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(TemplateForm);

/// The language of a tenant's messages.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct MessageLanguageForm {
    /// Its BCP 47 tag.
    pub message_language: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(MessageLanguageForm);

impl From<Language> for MessageLanguageForm {
    fn from(language: Language) -> Self {
        Self { message_language: language.tag().to_owned(), form_version: FormVersion::default() }.with_version()
    }
}

impl MessageLanguageForm {
    /// The language that was chosen.
    ///
    /// # Errors
    /// When it is none of those offered.
    pub fn check(&self) -> Result<Language, FieldErrors> {
        let selected = Language::ALL.into_iter().find(|language| language.tag() == self.message_language);
        selected.ok_or_else(|| FieldErrors::single("message_language", "form-choose"))
    }
}

impl From<TemplateSource> for TemplateForm {
    fn from(source: TemplateSource) -> Self {
        Self { title: source.title, body: source.body, form_version: FormVersion::default() }.with_version()
    }
}

/// A `validator` rule: a text of a size that a template may have.
fn fits_size(text: &str) -> Result<(), ValidationError> {
    if normalize_line_ends(text).len() > MAX_BODY_BYTES {
        Err(ValidationError::new("templates-too-large"))
    } else {
        Ok(())
    }
}

/// Browsers end the lines of a text with two characters.
fn normalize_line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(text) }
}

impl TemplateForm {
    /// The template that was typed, and what it makes of an example.
    ///
    /// # Errors
    /// Everything that is wrong with it, the lack of DingTalk's keyword too.
    pub fn check(
        &self,
        channel: Channel,
        reason: MessageReason,
        example: &Variables,
    ) -> Result<(TemplateSource, MessageText), FieldErrors> {
        let mut errors = validate_form(self).err().unwrap_or_default();
        let source = TemplateSource {
            title: self.title.trim().to_owned(),
            body: normalize_line_ends(&self.body).trim_end().to_owned(),
        };
        for (field, part) in [("title", &source.title), ("body", &source.body)] {
            if errors.for_field(field).is_none()
                && let Err(fault) = engine::check_source(part, reason)
            {
                errors.0.push(template_error(field, fault));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        // What is missing in an alert must not take the keyword away, nor may the alert's own words bring it.
        let bare = Variables { product: example.product.clone(), ..Variables::default() };
        let mut text = MessageText::default();
        for variables in [&bare, example] {
            text = engine::render(&source, variables).map_err(|fault| {
                let field = if fault.name() == Some("title") { "title" } else { "body" };
                FieldErrors(vec![template_error(field, engine::syntax_error(&fault))])
            })?;
            if !tenant_templates::has_keyword(channel, &text, &variables.product) {
                let variables = vec![("product".into(), variables.product.clone())];
                let error = FieldError { field: "title".into(), key: "templates-keyword-missing".into(), variables };
                return Err(FieldErrors(vec![error]));
            }
        }
        if text.title.is_empty() {
            return Err(FieldErrors::single("title", "templates-title-empty"));
        }
        if reason == MessageReason::Digest && !text.body.contains(&example.content) {
            return Err(FieldErrors::single("body", "templates-list-missing"));
        }
        Ok((source, text))
    }
}

fn template_error(field: &'static str, fault: TemplateError) -> FieldError {
    let (key, line, what) = match fault {
        TemplateError::UnknownVariable { line, name } => ("templates-fault-variable", line, Some(("name", name))),
        TemplateError::UnknownFilter { line, name } => ("templates-fault-filter", line, Some(("name", name))),
        TemplateError::Forbidden { line, what } => ("templates-fault-forbidden", line, Some(("what", what))),
        TemplateError::Syntax { line } => ("templates-fault-syntax", line, None),
        TemplateError::TooComplex { line } => ("templates-fault-too-much", line, None),
        TemplateError::TooExpensive { line } => ("templates-fault-too-much-work", line, None),
    };
    let mut variables = vec![("line".into(), line.to_string())];
    variables.extend(what.map(|(name, value)| (name.into(), value)));
    FieldError { field: field.into(), key: key.into(), variables }
}
