//! The language of templates: minijinja, without anything that could loop, grow without bound or reach outside.
//!
//! What is left are variables, a few filters, comparisons and `{% if %}`. A template is held against that list by its
//! tokens before it is compiled: fuel alone would bound the steps, but neither the memory of `{% set a = a ~ a %}` nor the
//! depth of an expression.

use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, LazyLock},
};

use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, Template, UndefinedBehavior, context,
    machinery::{Token, WhitespaceConfig, tokenize},
    syntax::SyntaxConfig,
    value::{Enumerator, Object, ObjectRepr, Value},
};
use url::Url;

use super::{MessageReason, MessageText, TemplateError, TemplateSource, Variables, defaults};
use crate::{
    language::Language,
    robots::{escape_lines, escape_link_url, truncate_bytes, truncate_chars},
    text::{close_directions, join_names},
};

/// The longest title, in bytes: what all channels take uncut.
const MAX_TITLE_BYTES: usize = 1000;
/// The longest rendered text, in bytes: more than any channel takes, also where every character of it is escaped.
const MAX_BODY_BYTES: usize = 48 * 1024;
/// The most bytes of a title that are rendered before it is cut.
const MAX_RENDERED_TITLE_BYTES: usize = 8 * 1024;
/// The most steps of one rendering.
const MAX_RENDER_STEPS: u64 = 20_000;
/// The most work of one rendering, in bytes of text that filters, comparisons and output go through.
const MAX_RENDER_WORK_BYTES: usize = 1024 * 1024;
/// How long a text is taken to be when a template is saved, in bytes: that of a content, labels or recipients, and any other.
const LONG_TEXT_BYTES: usize = 16 * 1024;
const SHORT_TEXT_BYTES: usize = 1024;
/// The variables that may be long.
const LONG_VARIABLES: [&str; 3] = ["content", "labels", "recipients"];
/// The most words and signs between `{{` and `}}`.
const MAX_TAG_TOKENS: usize = 64;
/// The most tags: each `{% elif %}` stands one deeper in the compiler.
const MAX_TAGS: usize = 200;
/// How much `truncate` leaves when it is not told.
const DEFAULT_TRUNCATE_CHARS: usize = 200;

/// Templates end so by whether they make a title, which is plain text, or a text, which is Markdown.
const TITLE_SUFFIX: &str = "title";
const BODY_SUFFIX: &str = "body";

const ALLOWED_FILTERS: [&str; 4] = ["default", "truncate", "upper", "lower"];
const ALLOWED_STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
/// The words of expressions that name no variable.
const EXPRESSION_KEYWORDS: [&str; 11] =
    ["and", "or", "not", "in", "if", "else", "true", "false", "none", "True", "False"];

thread_local! {
    /// How much work is left to the rendering that goes on in this thread.
    static WORK_LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Counts that a text of so many bytes is gone through.
fn charge_work(bytes: usize) -> Result<(), Error> {
    let left = WORK_LEFT.get().checked_sub(bytes);
    WORK_LEFT.set(left.unwrap_or_default());
    left.map(drop).ok_or_else(|| Error::new(ErrorKind::OutOfFuel, "filling it in is too much work"))
}

/// The text of a value that a filter changes.
fn charged_text(value: &Value) -> Result<String, Error> {
    let text = value.to_string();
    charge_work(text.len())?;
    Ok(text)
}

/// The engine, with Belfry's own templates compiled.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_fuel(Some(MAX_RENDER_STEPS));
    engine.set_trim_blocks(true);
    engine.set_lstrip_blocks(true);
    engine.set_auto_escape_callback(|name| match name.ends_with(BODY_SUFFIX) {
        true => AutoEscape::Custom("markdown"),
        false => AutoEscape::None,
    });
    engine.set_formatter(write_value);
    engine.add_filter("default", |value: Value, other: Option<Value>| match value.is_true() {
        true => value,
        false => other.unwrap_or_default(),
    });
    engine.add_filter("truncate", |value: Value, length: Option<usize>| {
        charged_text(&value)
            .map(|text| with_same_safety(&value, &truncate_chars(&text, length.unwrap_or(DEFAULT_TRUNCATE_CHARS))))
    });
    engine.add_filter("upper", |value: Value| {
        charged_text(&value).map(|text| with_same_safety(&value, &text.to_uppercase()))
    });
    engine.add_filter("lower", |value: Value| {
        charged_text(&value).map(|text| with_same_safety(&value, &text.to_lowercase()))
    });
    for (language, reason) in Language::ALL.into_iter().flat_map(|it| MessageReason::ALL.map(|reason| (it, reason))) {
        let TemplateSource { title, body } = defaults::default_source(language, reason);
        let added = engine
            .add_template_owned(template_name(language, reason, TITLE_SUFFIX), title)
            .and_then(|()| engine.add_template_owned(template_name(language, reason, BODY_SUFFIX), body));
        if let Err(fault) = added {
            tracing::error!(%fault, "a template of Belfry's own cannot be compiled");
        }
    }
    engine
});

fn template_name(language: Language, reason: MessageReason, part: &str) -> String {
    format!("{}/{}/{part}", language.tag(), reason.as_str())
}

/// Writes a value where it stands in a template: into a title as it is, into a text without markup of its own. Line ends stay, and
/// what turns the direction of writing ends with the value and with each of its lines.
fn write_value(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = charged_text(value)?;
    let text = close_directions(&text);
    let needs_escaping = matches!(state.auto_escape(), AutoEscape::Custom(_)) && !value.is_safe();
    out.write_str(&if needs_escaping { escape_lines(&text).into() } else { text })?;
    Ok(())
}

/// A text that was made of a value, and needs escaping only if the value did.
fn with_same_safety(value: &Value, text: &str) -> Value {
    if value.is_safe() { Value::from_safe_string(text.to_owned()) } else { Value::from(text) }
}

/// A text on one line.
fn flatten_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// Names and values that are printed as `name=value, name=value`.
#[derive(Debug)]
struct LabelMap(BTreeMap<String, String>);

impl Object for LabelMap {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_str()?).map(|value| Value::from(value.as_str()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Value::from(key.as_str())).collect())
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pairs =
            self.0.iter().map(|(name, value)| format!("{}={}", close_directions(name), close_directions(value)));
        f.write_str(&pairs.collect::<Vec<_>>().join(", "))
    }
}

/// Names that are printed one after the other.
#[derive(Debug)]
struct NameList(Vec<String>);

impl Object for NameList {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.0.get(key.as_usize()?).map(|name| Value::from(name.as_str()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&join_names(&self.0, ", "))
    }
}

/// The variables of a title: as people typed them.
fn title_variables(variables: &Variables) -> Value {
    context! {
        labels => Value::from_object(LabelMap(variables.labels.clone())),
        annotations => Value::from_object(LabelMap(variables.annotations.clone())),
        recipients => Value::from_object(NameList(variables.recipients.clone())),
        link => safe_link(&variables.link),
        ..Value::from_serialize(variables)
    }
}

/// The variables of a text. The product's name stays byte for byte, because it is a keyword; content keeps its line ends;
/// an address must stay one.
fn body_variables(variables: &Variables) -> Value {
    let content = variables.content.clone();
    let content = if variables.content_is_markdown { Value::from_safe_string(content) } else { Value::from(content) };
    let flat_pairs = |pairs: &BTreeMap<String, String>| {
        pairs.iter().map(|(name, value)| (flatten_line(name), flatten_line(value))).collect()
    };
    let (labels, annotations) = (flat_pairs(&variables.labels), flat_pairs(&variables.annotations));
    let flattened = Variables {
        tenant: flatten_line(&variables.tenant),
        title: flatten_line(&variables.title),
        source: flatten_line(&variables.source),
        key: flatten_line(&variables.key),
        labels,
        annotations,
        recipients: variables.recipients.iter().map(|name| flatten_line(name)).collect(),
        member: flatten_line(&variables.member),
        by: flatten_line(&variables.by),
        ..variables.clone()
    };
    context! {
        product => Value::from_safe_string(variables.product.clone()),
        content => content,
        link => Value::from_safe_string(escape_link_url(&safe_link(&variables.link))),
        ..title_variables(&flattened)
    }
}

/// An address as it is; nothing when it leads elsewhere than to the web.
pub fn safe_link(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) => url.into(),
        _ => String::new(),
    }
}

/// A text that takes so many bytes and no more.
struct BoundedWriter {
    bytes: Vec<u8>,
    limit_bytes: usize,
    is_full: bool,
}

impl BoundedWriter {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit_bytes: limit, is_full: false }
    }

    /// What was written, cut visibly where it did not fit.
    fn into_text(self) -> String {
        let written = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(fault) => self
                .bytes
                .get(..fault.valid_up_to())
                .and_then(|written| std::str::from_utf8(written).ok())
                .unwrap_or_default(),
        };
        if !self.is_full {
            return written.to_owned();
        }
        // Between two words: neither inside a link nor between a backslash and what it escapes.
        let end = written.rfind('\n').or_else(|| written.rfind(' ')).unwrap_or(written.len());
        format!("{}…", written.get(..end).unwrap_or_default().trim_end_matches('\\'))
    }
}

impl Write for BoundedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let remaining = self.limit_bytes.saturating_sub(self.bytes.len());
        if bytes.len() > remaining {
            self.bytes.extend(bytes.iter().take(remaining));
            self.is_full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn render_part(template: &Template<'_, '_>, variables: Value, limit: usize, max_work: usize) -> Result<String, Error> {
    WORK_LEFT.set(max_work);
    let mut out = BoundedWriter::new(limit);
    match template.render_captured_to(variables, &mut out) {
        Err(fault) if !out.is_full => Err(fault),
        _ => Ok(out.into_text()),
    }
}

/// One line without blanks around it, which channels take uncut.
fn to_headline(text: &str) -> String {
    let line = flatten_line(text.trim());
    close_directions(&truncate_bytes(&line, MAX_TITLE_BYTES)).into_owned()
}

/// Fills a template in.
///
/// # Errors
/// When it cannot be compiled, or a step of it fails.
pub fn render(source: &TemplateSource, variables: &Variables) -> Result<MessageText, Error> {
    let title = ENGINE.template_from_named_str(TITLE_SUFFIX, &source.title)?;
    let body = ENGINE.template_from_named_str(BODY_SUFFIX, &source.body)?;
    render_compiled(&title, &body, variables, MAX_RENDER_WORK_BYTES)
}

/// What a variable holds, as it is printed.
#[must_use]
pub fn variable_text(name: &str, variables: &Variables) -> String {
    title_variables(variables).get_attr(name).map(|value| value.to_string()).unwrap_or_default()
}

/// Belfry's own words.
#[must_use]
pub fn render_default(language: Language, reason: MessageReason, variables: &Variables) -> MessageText {
    let render_both = || {
        let title = ENGINE.get_template(&template_name(language, reason, TITLE_SUFFIX))?;
        let body = ENGINE.get_template(&template_name(language, reason, BODY_SUFFIX))?;
        // They are few, and the last resort.
        render_compiled(&title, &body, variables, usize::MAX)
    };
    render_both().unwrap_or_else(|fault| {
        tracing::error!(%fault, reason = reason.as_str(), "Belfry's own words could not be written");
        let title = to_headline(&format!("[{}] {}{}", variables.product, variables.title, variables.member));
        MessageText { title, body: escape_lines(&close_directions(&variables.content)) }
    })
}

fn render_compiled(
    title: &Template<'_, '_>,
    body: &Template<'_, '_>,
    variables: &Variables,
    max_work: usize,
) -> Result<MessageText, Error> {
    Ok(MessageText {
        title: to_headline(&render_part(title, title_variables(variables), MAX_RENDERED_TITLE_BYTES, max_work)?),
        body: close_directions(render_part(body, body_variables(variables), MAX_BODY_BYTES, max_work)?.trim())
            .into_owned(),
    })
}

/// Holds a part of a template against what templates may do, and compiles it.
///
/// # Errors
/// The first thing that is wrong.
pub fn check_source(source: &str, reason: MessageReason) -> Result<(), TemplateError> {
    let mut reader = TokenChecker { reason, ..TokenChecker::default() };
    for token in tokenize(source, false, SyntaxConfig, WhitespaceConfig::default()) {
        let (token, span) = token.map_err(|fault| syntax_error(&fault))?;
        reader.check_token(&token, usize::from(span.start_line))?;
    }
    ENGINE.template_from_named_str(BODY_SUFFIX, source).map(drop).map_err(|fault| syntax_error(&fault))
}

/// The fault of a template that the engine does not understand.
pub fn syntax_error(fault: &Error) -> TemplateError {
    TemplateError::Syntax { line: fault.line().unwrap_or(1).max(1) }
}

/// What the token before this one was, as far as it decides what this one may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum PrecedingToken {
    /// Something after which a value may begin.
    #[default]
    Operator,
    /// `{%`
    BlockStart,
    /// A variable or a value made of one. Only labels have parts.
    Value { has_parts: bool },
    /// `.`, after something that has parts.
    Dot,
    /// `|`
    Pipe,
    /// The name of a filter.
    Filter,
}

/// Reads the tokens of a template in their order.
#[derive(Debug)]
struct TokenChecker {
    reason: MessageReason,
    before: PrecedingToken,
    tokens_in_tag: usize,
    tags: usize,
    /// The longest text that this tag names, in bytes, and how often a text is gone through.
    longest_text_bytes: usize,
    text_passes: usize,
    /// The work of all tags before, in bytes.
    work_bytes: usize,
}

impl Default for TokenChecker {
    fn default() -> Self {
        Self {
            reason: MessageReason::Firing,
            before: PrecedingToken::Operator,
            tokens_in_tag: 0,
            tags: 0,
            longest_text_bytes: 0,
            text_passes: 0,
            work_bytes: 0,
        }
    }
}

impl TokenChecker {
    fn check_token(&mut self, token: &Token<'_>, line: usize) -> Result<(), TemplateError> {
        self.tokens_in_tag += 1;
        self.count_work(token);
        if self.work_bytes > MAX_RENDER_WORK_BYTES {
            return Err(TemplateError::TooExpensive { line });
        }
        self.before = match token {
            Token::TemplateData(_) => PrecedingToken::Operator,
            Token::VariableStart | Token::BlockStart => {
                self.tokens_in_tag = 0;
                self.tags += 1;
                if matches!(token, Token::BlockStart) { PrecedingToken::BlockStart } else { PrecedingToken::Operator }
            }
            Token::Ident(name) => self.check_identifier(name, line)?,
            Token::Dot if self.before == (PrecedingToken::Value { has_parts: true }) => PrecedingToken::Dot,
            Token::BracketOpen | Token::Dot if self.before == (PrecedingToken::Value { has_parts: false }) => {
                return Err(TemplateError::Forbidden { line, what: token_source(token) });
            }
            Token::ParenOpen if matches!(self.before, PrecedingToken::Value { .. }) => {
                return Err(TemplateError::Forbidden { line, what: token_source(token) });
            }
            Token::Pipe => PrecedingToken::Pipe,
            Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Float(_) => {
                PrecedingToken::Value { has_parts: false }
            }
            Token::ParenClose | Token::BracketClose => PrecedingToken::Value { has_parts: false },
            Token::ParenOpen
            | Token::BracketOpen
            | Token::Comma
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte
            | Token::VariableEnd
            | Token::BlockEnd => PrecedingToken::Operator,
            Token::BraceClose => return Err(TemplateError::Syntax { line }),
            other => return Err(TemplateError::Forbidden { line, what: token_source(other) }),
        };
        if self.tokens_in_tag > MAX_TAG_TOKENS || self.tags > MAX_TAGS {
            return Err(TemplateError::TooComplex { line });
        }
        Ok(())
    }

    /// Counts the work of filling in: each tag once, and once more for each filter, over the longest text in it.
    fn count_work(&mut self, token: &Token<'_>) {
        match token {
            Token::VariableStart | Token::BlockStart => (self.longest_text_bytes, self.text_passes) = (0, 1),
            Token::Pipe => self.text_passes += 1,
            Token::Ident("in") => self.text_passes += 1,
            Token::Ident(name) if LONG_VARIABLES.contains(name) => {
                self.longest_text_bytes = self.longest_text_bytes.max(LONG_TEXT_BYTES)
            }
            Token::Ident(_) => self.longest_text_bytes = self.longest_text_bytes.max(SHORT_TEXT_BYTES),
            Token::Str(text) => self.longest_text_bytes = self.longest_text_bytes.max(text.len()),
            Token::String(text) => self.longest_text_bytes = self.longest_text_bytes.max(text.len()),
            Token::VariableEnd | Token::BlockEnd => self.work_bytes += self.longest_text_bytes * self.text_passes,
            _ => {}
        }
    }

    fn check_identifier(&self, name: &str, line: usize) -> Result<PrecedingToken, TemplateError> {
        match self.before {
            PrecedingToken::BlockStart if ALLOWED_STATEMENTS.contains(&name) => Ok(PrecedingToken::Operator),
            PrecedingToken::BlockStart => Err(TemplateError::Forbidden { line, what: name.to_owned() }),
            PrecedingToken::Dot => Ok(PrecedingToken::Value { has_parts: false }),
            PrecedingToken::Pipe if ALLOWED_FILTERS.contains(&name) => Ok(PrecedingToken::Filter),
            PrecedingToken::Pipe => Err(TemplateError::UnknownFilter { line, name: name.to_owned() }),
            _ if EXPRESSION_KEYWORDS.contains(&name) => Ok(PrecedingToken::Operator),
            _ if self.reason.variables().contains(&name) => {
                Ok(PrecedingToken::Value { has_parts: ["labels", "annotations", "recipients"].contains(&name) })
            }
            _ => Err(TemplateError::UnknownVariable { line, name: name.to_owned() }),
        }
    }
}

/// A token as it was written.
fn token_source(token: &Token<'_>) -> String {
    token.to_string().trim_matches('`').to_owned()
}

#[cfg(test)]
mod tests;
