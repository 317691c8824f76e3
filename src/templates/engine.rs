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

use super::{Fault, Reason, Source, Variables, Words, belfrys};
use crate::{
    language::Language,
    robots::{escape_lines, escape_link_url, truncate_bytes, truncate_chars},
    text::{close_directions, join_names},
};

/// The longest title, in bytes: what all channels take uncut.
const LONGEST_TITLE: usize = 1000;
/// The longest rendered text, in bytes: more than any channel takes, also where every character of it is escaped.
const LARGEST_BODY: usize = 48 * 1024;
/// The most bytes of a title that are rendered before it is cut.
const LARGEST_TITLE: usize = 8 * 1024;
/// The most steps of one rendering.
const FUEL: u64 = 20_000;
/// The most work of one rendering, in bytes of text that filters, comparisons and output go through.
const MOST_WORK: usize = 1024 * 1024;
/// How long a text is taken to be when a template is saved, in bytes: that of a content, labels or recipients, and any other.
const LONG_TEXT: usize = 16 * 1024;
const SHORT_TEXT: usize = 1024;
/// The variables that may be long.
const LONG_VARIABLES: [&str; 3] = ["content", "labels", "recipients"];
/// The most words and signs between `{{` and `}}`.
const LONGEST_TAG: usize = 64;
/// The most tags: each `{% elif %}` stands one deeper in the compiler.
const MOST_TAGS: usize = 200;
/// How much `truncate` leaves when it is not told.
const TRUNCATED: usize = 200;

/// Templates end so by whether they make a title, which is plain text, or a text, which is Markdown.
const TITLE: &str = "title";
const BODY: &str = "body";

const FILTERS: [&str; 4] = ["default", "truncate", "upper", "lower"];
const STATEMENTS: [&str; 4] = ["if", "elif", "else", "endif"];
/// The words of expressions that name no variable.
const WORDS: [&str; 11] = ["and", "or", "not", "in", "if", "else", "true", "false", "none", "True", "False"];

thread_local! {
    /// How much work is left to the rendering that goes on in this thread.
    static WORK_LEFT: Cell<usize> = const { Cell::new(0) };
}

/// Counts that a text of so many bytes is gone through.
fn work(bytes: usize) -> Result<(), Error> {
    let left = WORK_LEFT.get().checked_sub(bytes);
    WORK_LEFT.set(left.unwrap_or_default());
    left.map(drop).ok_or_else(|| Error::new(ErrorKind::OutOfFuel, "filling it in is too much work"))
}

/// The text of a value that a filter changes.
fn text_of(value: &Value) -> Result<String, Error> {
    let text = value.to_string();
    work(text.len())?;
    Ok(text)
}

/// The engine, with Belfry's own templates compiled.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut engine = Environment::empty();
    engine.set_undefined_behavior(UndefinedBehavior::Chainable);
    engine.set_fuel(Some(FUEL));
    engine.set_trim_blocks(true);
    engine.set_lstrip_blocks(true);
    engine.set_auto_escape_callback(|name| match name.ends_with(BODY) {
        true => AutoEscape::Custom("markdown"),
        false => AutoEscape::None,
    });
    engine.set_formatter(write_value);
    engine.add_filter("default", |value: Value, other: Option<Value>| match value.is_true() {
        true => value,
        false => other.unwrap_or_default(),
    });
    engine.add_filter("truncate", |value: Value, length: Option<usize>| {
        text_of(&value).map(|text| alike(&value, &truncate_chars(&text, length.unwrap_or(TRUNCATED))))
    });
    engine.add_filter("upper", |value: Value| text_of(&value).map(|text| alike(&value, &text.to_uppercase())));
    engine.add_filter("lower", |value: Value| text_of(&value).map(|text| alike(&value, &text.to_lowercase())));
    for (language, reason) in Language::ALL.into_iter().flat_map(|it| Reason::ALL.map(|reason| (it, reason))) {
        let Source { title, body } = belfrys::source(language, reason);
        let added = engine
            .add_template_owned(name(language, reason, TITLE), title)
            .and_then(|()| engine.add_template_owned(name(language, reason, BODY), body));
        if let Err(fault) = added {
            tracing::error!(%fault, "a template of Belfry's own cannot be compiled");
        }
    }
    engine
});

fn name(language: Language, reason: Reason, part: &str) -> String {
    format!("{}/{}/{part}", language.tag(), reason.as_str())
}

/// Writes a value where it stands in a template: into a title as it is, into a text without markup of its own. Line ends stay, and
/// what turns the direction of writing ends with the value and with each of its lines.
fn write_value(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = text_of(value)?;
    let text = close_directions(&text);
    let marked_up = matches!(state.auto_escape(), AutoEscape::Custom(_)) && !value.is_safe();
    out.write_str(&if marked_up { escape_lines(&text).into() } else { text })?;
    Ok(())
}

/// A text that was made of a value, and needs escaping only if the value did.
fn alike(value: &Value, text: &str) -> Value {
    if value.is_safe() { Value::from_safe_string(text.to_owned()) } else { Value::from(text) }
}

/// A text on one line.
fn flat(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// Names and values that are printed as `name=value, name=value`.
#[derive(Debug)]
struct Labels(BTreeMap<String, String>);

impl Object for Labels {
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
struct Names(Vec<String>);

impl Object for Names {
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
fn plain(variables: &Variables) -> Value {
    context! {
        labels => Value::from_object(Labels(variables.labels.clone())),
        annotations => Value::from_object(Labels(variables.annotations.clone())),
        recipients => Value::from_object(Names(variables.recipients.clone())),
        link => link(&variables.link),
        ..Value::from_serialize(variables)
    }
}

/// The variables of a text. The product's name stays byte for byte, because it is a keyword; content keeps its line ends;
/// an address must stay one.
fn marked_up(variables: &Variables) -> Value {
    let content = variables.content.clone();
    let content = if variables.content_is_markdown { Value::from_safe_string(content) } else { Value::from(content) };
    let flat_pairs =
        |pairs: &BTreeMap<String, String>| pairs.iter().map(|(name, value)| (flat(name), flat(value))).collect();
    let (labels, annotations) = (flat_pairs(&variables.labels), flat_pairs(&variables.annotations));
    let flat = Variables {
        tenant: flat(&variables.tenant),
        title: flat(&variables.title),
        source: flat(&variables.source),
        key: flat(&variables.key),
        labels,
        annotations,
        recipients: variables.recipients.iter().map(|name| flat(name)).collect(),
        member: flat(&variables.member),
        by: flat(&variables.by),
        ..variables.clone()
    };
    context! {
        product => Value::from_safe_string(variables.product.clone()),
        content => content,
        link => Value::from_safe_string(escape_link_url(&link(&variables.link))),
        ..plain(&flat)
    }
}

/// An address as it is; nothing when it leads elsewhere than to the web.
pub fn link(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if ["http", "https"].contains(&url.scheme()) => url.into(),
        _ => String::new(),
    }
}

/// A text that takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_full: bool,
}

impl Bounded {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, is_full: false }
    }

    /// What was written, cut visibly where it did not fit.
    fn into_text(self) -> String {
        let kept = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(fault) => self
                .bytes
                .get(..fault.valid_up_to())
                .and_then(|kept| std::str::from_utf8(kept).ok())
                .unwrap_or_default(),
        };
        if !self.is_full {
            return kept.to_owned();
        }
        // Between two words: neither inside a link nor between a backslash and what it escapes.
        let end = kept.rfind('\n').or_else(|| kept.rfind(' ')).unwrap_or(kept.len());
        format!("{}…", kept.get(..end).unwrap_or_default().trim_end_matches('\\'))
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.limit.saturating_sub(self.bytes.len());
        if bytes.len() > room {
            self.bytes.extend(bytes.iter().take(room));
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

fn rendered(template: &Template<'_, '_>, variables: Value, limit: usize, most_work: usize) -> Result<String, Error> {
    WORK_LEFT.set(most_work);
    let mut out = Bounded::new(limit);
    match template.render_captured_to(variables, &mut out) {
        Err(fault) if !out.is_full => Err(fault),
        _ => Ok(out.into_text()),
    }
}

/// One line without blanks around it, which channels take uncut.
fn headline(text: &str) -> String {
    let line = flat(text.trim());
    close_directions(&truncate_bytes(&line, LONGEST_TITLE)).into_owned()
}

/// Fills a template in.
///
/// # Errors
/// When it cannot be compiled, or a step of it fails.
pub fn words(source: &Source, variables: &Variables) -> Result<Words, Error> {
    let title = ENGINE.template_from_named_str(TITLE, &source.title)?;
    let body = ENGINE.template_from_named_str(BODY, &source.body)?;
    filled(&title, &body, variables, MOST_WORK)
}

/// What a variable holds, as it is printed.
#[must_use]
pub fn value(name: &str, variables: &Variables) -> String {
    plain(variables).get_attr(name).map(|value| value.to_string()).unwrap_or_default()
}

/// Belfry's own words.
#[must_use]
pub fn belfrys_words(language: Language, reason: Reason, variables: &Variables) -> Words {
    let words = || {
        let title = ENGINE.get_template(&name(language, reason, TITLE))?;
        let body = ENGINE.get_template(&name(language, reason, BODY))?;
        // They are few, and the last resort.
        filled(&title, &body, variables, usize::MAX)
    };
    words().unwrap_or_else(|fault| {
        tracing::error!(%fault, reason = reason.as_str(), "Belfry's own words could not be written");
        let title = headline(&format!("[{}] {}{}", variables.product, variables.title, variables.member));
        Words { title, body: escape_lines(&close_directions(&variables.content)) }
    })
}

fn filled(
    title: &Template<'_, '_>,
    body: &Template<'_, '_>,
    variables: &Variables,
    most_work: usize,
) -> Result<Words, Error> {
    Ok(Words {
        title: headline(&rendered(title, plain(variables), LARGEST_TITLE, most_work)?),
        body: close_directions(rendered(body, marked_up(variables), LARGEST_BODY, most_work)?.trim()).into_owned(),
    })
}

/// Holds a part of a template against what templates may do, and compiles it.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(source: &str, reason: Reason) -> Result<(), Fault> {
    let mut reader = Reader { reason, ..Reader::default() };
    for token in tokenize(source, false, SyntaxConfig, WhitespaceConfig::default()) {
        let (token, span) = token.map_err(|fault| syntax(&fault))?;
        reader.read(&token, usize::from(span.start_line))?;
    }
    ENGINE.template_from_named_str(BODY, source).map(drop).map_err(|fault| syntax(&fault))
}

/// The fault of a template that the engine does not understand.
pub fn syntax(fault: &Error) -> Fault {
    Fault::Syntax { line: fault.line().unwrap_or(1).max(1) }
}

/// What the token before this one was, as far as it decides what this one may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Before {
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
struct Reader {
    reason: Reason,
    before: Before,
    tokens_in_tag: usize,
    tags: usize,
    /// The longest text that this tag names, in bytes, and how often a text is gone through.
    longest: usize,
    passes: usize,
    /// The work of all tags before, in bytes.
    work: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            reason: Reason::Firing,
            before: Before::Operator,
            tokens_in_tag: 0,
            tags: 0,
            longest: 0,
            passes: 0,
            work: 0,
        }
    }
}

impl Reader {
    fn read(&mut self, token: &Token<'_>, line: usize) -> Result<(), Fault> {
        self.tokens_in_tag += 1;
        self.count(token);
        if self.work > MOST_WORK {
            return Err(Fault::TooMuchWork { line });
        }
        self.before = match token {
            Token::TemplateData(_) => Before::Operator,
            Token::VariableStart | Token::BlockStart => {
                self.tokens_in_tag = 0;
                self.tags += 1;
                if matches!(token, Token::BlockStart) { Before::BlockStart } else { Before::Operator }
            }
            Token::Ident(name) => self.name(name, line)?,
            Token::Dot if self.before == (Before::Value { has_parts: true }) => Before::Dot,
            Token::BracketOpen | Token::Dot if self.before == (Before::Value { has_parts: false }) => {
                return Err(Fault::Forbidden { line, what: token_text(token) });
            }
            Token::ParenOpen if matches!(self.before, Before::Value { .. }) => {
                return Err(Fault::Forbidden { line, what: token_text(token) });
            }
            Token::Pipe => Before::Pipe,
            Token::Str(_) | Token::String(_) | Token::Int(_) | Token::Float(_) => Before::Value { has_parts: false },
            Token::ParenClose | Token::BracketClose => Before::Value { has_parts: false },
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
            | Token::BlockEnd => Before::Operator,
            Token::BraceClose => return Err(Fault::Syntax { line }),
            other => return Err(Fault::Forbidden { line, what: token_text(other) }),
        };
        if self.tokens_in_tag > LONGEST_TAG || self.tags > MOST_TAGS {
            return Err(Fault::TooMuch { line });
        }
        Ok(())
    }

    /// Counts the work of filling in: each tag once, and once more for each filter, over the longest text in it.
    fn count(&mut self, token: &Token<'_>) {
        match token {
            Token::VariableStart | Token::BlockStart => (self.longest, self.passes) = (0, 1),
            Token::Pipe => self.passes += 1,
            Token::Ident("in") => self.passes += 1,
            Token::Ident(name) if LONG_VARIABLES.contains(name) => self.longest = self.longest.max(LONG_TEXT),
            Token::Ident(_) => self.longest = self.longest.max(SHORT_TEXT),
            Token::Str(text) => self.longest = self.longest.max(text.len()),
            Token::String(text) => self.longest = self.longest.max(text.len()),
            Token::VariableEnd | Token::BlockEnd => self.work += self.longest * self.passes,
            _ => {}
        }
    }

    fn name(&self, name: &str, line: usize) -> Result<Before, Fault> {
        match self.before {
            Before::BlockStart if STATEMENTS.contains(&name) => Ok(Before::Operator),
            Before::BlockStart => Err(Fault::Forbidden { line, what: name.to_owned() }),
            Before::Dot => Ok(Before::Value { has_parts: false }),
            Before::Pipe if FILTERS.contains(&name) => Ok(Before::Filter),
            Before::Pipe => Err(Fault::Filter { line, name: name.to_owned() }),
            _ if WORDS.contains(&name) => Ok(Before::Operator),
            _ if self.reason.variables().contains(&name) => {
                Ok(Before::Value { has_parts: ["labels", "annotations", "recipients"].contains(&name) })
            }
            _ => Err(Fault::Variable { line, name: name.to_owned() }),
        }
    }
}

/// A token as it was written.
fn token_text(token: &Token<'_>) -> String {
    token.to_string().trim_matches('`').to_owned()
}

#[cfg(test)]
mod tests;
