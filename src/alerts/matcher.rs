//! Conditions on an alert's labels, as Prometheus writes them: `team="db"`, `host=~"db-.*"`.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError, Weak},
};

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::text::{is_invisible, trim_invisible, unseen_in_name};

/// The longest label name, in characters.
const MAX_LABEL_CHARS: usize = 128;
/// The longest value or expression, in characters.
const MAX_VALUE_CHARS: usize = 512;
/// The most memory a compiled expression may take, in bytes, and the least that it counts for.
const MAX_EXPRESSION_BYTES: usize = 256 * 1024;
const MIN_EXPRESSION_BYTES: usize = 1024;
/// The most memory that the states of an expression may take while it is compared, in bytes.
const MAX_DFA_BYTES: usize = 256 * 1024;

/// Quotation marks that editors and messengers write in the place of `"`, or that mean the same elsewhere.
const CURLY_QUOTES: [char; 8] = ['“', '”', '„', '‘', '’', '「', '」', '＂'];
const OTHER_QUOTES: [char; 10] = ['“', '”', '„', '‘', '’', '「', '」', '＂', '\'', '`'];

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// The label has exactly this value.
    #[serde(rename = "=")]
    Equal,
    /// The label's whole value fits this regular expression.
    #[serde(rename = "=~")]
    Matches,
}

/// A condition on one label: `name="value"` or `name=~"expression"`. A label that is not there has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name.
    pub label: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    pub value: String,
    /// The compiled expression, made when it is first needed: most alerts are told apart by cheaper conditions.
    expression: OnceLock<Option<Arc<Expression>>>,
}

/// A compiled expression.
#[derive(Debug)]
struct Expression {
    regex: Regex,
    /// The power of two that it fits into, in bytes: how much memory it takes, and so how long compiling and comparing take.
    size: usize,
}

/// The expressions that some rule in memory has, so that a rule that is read again is not compiled again.
static EXPRESSION_CACHE: LazyLock<Mutex<HashMap<String, Weak<Expression>>>> = LazyLock::new(Mutex::default);

/// What is wrong with a matcher as somebody typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatcherError {
    /// It is no name, operator and value.
    Malformed,
    /// Its operator is one that Prometheus has and Belfry has not.
    UnsupportedOperator,
    /// A quotation mark is missing, or something stands behind the closing one.
    UnbalancedQuotes,
    /// The value stands in quotation marks that count as its letters.
    OtherQuotes,
    /// The value shows nothing.
    Invisible,
    /// The name or the value is too long.
    TooLong,
    /// The value has a character that is not seen.
    Unseen,
    /// The expression cannot be read, or becomes too large.
    InvalidExpression,
}

impl MatcherError {
    /// The key of the text that says so; it has the variable `line`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Malformed => "rules-matcher-shape",
            Self::UnsupportedOperator => "rules-matcher-operator",
            Self::UnbalancedQuotes => "rules-matcher-quotes",
            Self::OtherQuotes => "rules-matcher-other-quotes",
            Self::Invisible => "rules-matcher-invisible",
            Self::TooLong => "rules-matcher-too-long",
            Self::Unseen => "rules-matcher-unseen",
            Self::InvalidExpression => "rules-matcher-expression",
        }
    }
}

impl Matcher {
    /// A matcher that was checked before. An expression that cannot be read any more is taken to fit: an alert too many
    /// does less harm than one too few.
    #[must_use]
    pub fn from_stored(label: String, operator: Operator, value: String) -> Self {
        Self { label, operator, value, expression: OnceLock::new() }
    }

    /// Reads a matcher as somebody typed it; quotation marks around the value may be left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, MatcherError> {
        let text = text.trim_start_matches(is_invisible).trim_end();
        let end = text.find(|c: char| !is_label_char(c)).ok_or(MatcherError::Malformed)?;
        let (label, rest) = text.split_at(end);
        let rest = rest.trim_start();
        if rest.starts_with("!=") || rest.starts_with("!~") {
            return Err(MatcherError::UnsupportedOperator);
        }
        let rest = rest.strip_prefix('=').ok_or(MatcherError::Malformed)?;
        let (operator, rest) = match rest.strip_prefix('~') {
            Some(rest) => (Operator::Matches, rest),
            None => (Operator::Equal, rest),
        };
        if rest.starts_with('=') {
            return Err(MatcherError::UnsupportedOperator);
        }
        let value = typed_value(rest.trim())?;
        if !is_label_name(label) {
            return Err(MatcherError::Malformed);
        }
        if label.chars().count() > MAX_LABEL_CHARS || value.chars().count() > MAX_VALUE_CHARS {
            return Err(MatcherError::TooLong);
        }
        if unseen_in_name(&value).is_some() {
            return Err(MatcherError::Unseen);
        }
        let matcher = Self::from_stored(label.to_owned(), operator, value);
        // What is not an expression by itself, such as `a)|(b`, must not become one by what is put around it.
        let is_valid_alone = || RegexBuilder::new(&matcher.value).size_limit(2 * MAX_EXPRESSION_BYTES).build().is_ok();
        if operator == Operator::Matches && !(matcher.expression().is_some() && is_valid_alone()) {
            return Err(MatcherError::InvalidExpression);
        }
        Ok(matcher)
    }

    /// How much memory its expression takes, in bytes, rounded up to a power of two. Compiles it.
    #[must_use]
    pub fn expression_bytes(&self) -> usize {
        match self.operator {
            Operator::Equal => 0,
            Operator::Matches => self.expression().map_or(0, |expression| expression.size),
        }
    }

    /// The same matcher without its expression, which is taken to fit.
    #[must_use]
    pub fn without_expression(self) -> Self {
        let expression = OnceLock::new();
        // A fresh lock is empty.
        drop(expression.set(None));
        Self { expression, ..self }
    }

    /// Whether an alert with these labels is meant.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.matches_value(labels.get(&self.label).map(String::as_str).unwrap_or_default())
    }

    /// Whether an alert is meant whose label has this value.
    #[must_use]
    pub fn matches_value(&self, value: &str) -> bool {
        match self.operator {
            Operator::Equal => value == self.value,
            Operator::Matches => self.expression().is_none_or(|expression| expression.regex.is_match(value)),
        }
    }

    /// Whether no value of the label that both are about fits both, as far as one of them names the value.
    #[must_use]
    pub fn contradicts(&self, other: &Self) -> bool {
        let excludes = |one: &Self, other: &Self| one.operator == Operator::Equal && !other.matches_value(&one.value);
        self.label == other.label && (excludes(self, other) || excludes(other, self))
    }

    fn expression(&self) -> Option<&Expression> {
        self.expression.get_or_init(|| compile_cached(&self.value)).as_deref()
    }
}

/// The expression for a whole value: the one that is known, or a new one.
fn compile_cached(expression: &str) -> Option<Arc<Expression>> {
    let known = || EXPRESSION_CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(expression) = known().get(expression).and_then(Weak::upgrade) {
        return Some(expression);
    }
    let compiled = Arc::new(compile(expression)?);
    let mut known = known();
    // Those that nobody has any more go whenever there are many of them.
    if known.len() == known.capacity() {
        known.retain(|_, expression| expression.strong_count() > 0);
    }
    known.insert(expression.to_owned(), Arc::downgrade(&compiled));
    Some(compiled)
}

/// Compiles an expression under rising limits: one that does not fit a limit costs no more than the limit.
fn compile(expression: &str) -> Option<Expression> {
    let anchored = format!("^(?:{expression})$");
    let sizes = std::iter::successors(Some(MIN_EXPRESSION_BYTES), |size| Some(size * 2));
    sizes.take_while(|size| *size <= MAX_EXPRESSION_BYTES).find_map(|size| {
        let regex = RegexBuilder::new(&anchored).size_limit(size).dfa_size_limit(MAX_DFA_BYTES).build();
        regex.ok().map(|regex| Expression { regex, size })
    })
}

fn is_label_char(c: char) -> bool {
    c.is_alphanumeric() || "_.-:/".contains(c)
}

/// Whether this can be a label's name.
#[must_use]
pub fn is_label_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(is_label_char)
}

/// The value of a matcher as it was typed, with or without quotation marks around it.
fn typed_value(typed: &str) -> Result<String, MatcherError> {
    let shown = trim_invisible(typed);
    if shown.is_empty() && !typed.is_empty() {
        return Err(MatcherError::Invisible);
    }
    if shown.starts_with(OTHER_QUOTES) || !shown.starts_with('"') && shown.ends_with(CURLY_QUOTES) {
        return Err(MatcherError::OtherQuotes);
    }
    unquote(shown).ok_or(MatcherError::UnbalancedQuotes)
}

/// A value, with or without quotation marks around it; nothing when they do not fit together.
#[must_use]
pub fn unquote(text: &str) -> Option<String> {
    let Some(quoted) = text.strip_prefix('"') else { return Some(text.to_owned()) };
    let mut value = String::new();
    let mut rest = quoted.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => return rest.as_str().is_empty().then_some(value),
            '\\' => match rest.next()? {
                'n' => value.push('\n'),
                escaped @ ('"' | '\\') => value.push(escaped),
                // In an expression a backslash means something itself: `"db-\d+"`.
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}

/// As it is typed: what this writes, [`Matcher::parse`] reads.
impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let operator = match self.operator {
            Operator::Equal => "=",
            Operator::Matches => "=~",
        };
        let value = self.value.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
        write!(f, "{}{operator}\"{value}\"", self.label)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn matches(matcher: &str, pairs: &[(&str, &str)]) -> bool {
        Matcher::parse(matcher).unwrap().matches(&labels(pairs))
    }

    #[test]
    fn quotation_marks_and_spaces_around_the_operator_make_no_difference() {
        for text in [r#"team="db""#, "team=db", r#" team = "db" "#, "team =db"] {
            assert!(matches(text, &[("team", "db")]) && !matches(text, &[("team", "dbx")]), "{text}");
        }
        assert!(matches(r#"say="a \"b\" \\ c""#, &[("say", r#"a "b" \ c"#)]));
        assert!(matches("机房=上海", &[("机房", "上海")]));
        // Invisible characters that come with a copied line are no part of it.
        for text in ["\u{feff}team=db\u{200b}", "team=\u{200b}\"db\"\u{200b}", "team=db "] {
            assert!(matches(text, &[("team", "db")]), "{text:?}");
        }
        assert!(matches("say=\"“a” 'b'\"", &[("say", "“a” 'b'")]) && matches("who=it's", &[("who", "it's")]));
    }

    #[test]
    fn an_expression_fits_the_whole_value_or_not_at_all() {
        for text in [r#"host=~"db-\d+|web""#, r"host=~db-\d+|web"] {
            assert!(matches(text, &[("host", "db-12")]) && matches(text, &[("host", "web")]), "{text}");
            assert!(!matches(text, &[("host", "db-12x")]) && !matches(text, &[("host", "my-web")]), "{text}");
        }
    }

    #[test]
    fn a_label_that_is_not_there_has_the_empty_value() {
        assert!(matches(r#"team="""#, &[]) && matches("team=", &[]) && matches("team=~.*", &[]));
        assert!(!matches("team=db", &[]) && !matches("team=~.+", &[]));
    }

    #[test]
    fn every_kind_of_error_is_distinguished() {
        for (text, fault) in [
            ("", MatcherError::Malformed),
            ("team", MatcherError::Malformed),
            ("=db", MatcherError::Malformed),
            ("te am=db", MatcherError::Malformed),
            ("team=\"d\u{200b}b\"", MatcherError::Unseen),
            ("team\u{200b}=db", MatcherError::Malformed),
            ("team~db", MatcherError::Malformed),
            ("team!=db", MatcherError::UnsupportedOperator),
            ("team !~ db", MatcherError::UnsupportedOperator),
            (r#"team="db"#, MatcherError::UnbalancedQuotes),
            (r#"team="db" and"#, MatcherError::UnbalancedQuotes),
            ("team==db", MatcherError::UnsupportedOperator),
            ("team=~=db", MatcherError::UnsupportedOperator),
            ("team=“db”", MatcherError::OtherQuotes),
            ("team=‘db’", MatcherError::OtherQuotes),
            ("team='db'", MatcherError::OtherQuotes),
            ("team=~'db'", MatcherError::OtherQuotes),
            ("team=db”", MatcherError::OtherQuotes),
            ("team=\u{200b}", MatcherError::Invisible),
            ("team=~ \u{2060}\u{feff}", MatcherError::Invisible),
            ("team=~(db", MatcherError::InvalidExpression),
            ("team=~a)|(?:b", MatcherError::InvalidExpression),
            (r"team=~(\w{1000}){1000}", MatcherError::InvalidExpression),
        ] {
            assert_eq!(Matcher::parse(text).map(|_| ()), Err(fault), "{text}");
        }
        let long = format!("team={}", "x".repeat(513));
        assert_eq!(Matcher::parse(&long).map(|_| ()), Err(MatcherError::TooLong));
    }

    #[test]
    fn an_expression_counts_for_the_memory_it_takes_and_is_compiled_once() {
        let size = |text: &str| Matcher::parse(text).unwrap().expression_bytes();
        assert_eq!(size("team=db"), 0);
        assert_eq!(size("team=~db"), MIN_EXPRESSION_BYTES);
        assert!(size(r"team=~\w{4}") > 8 * size("team=~db-[0-9]+"), "letters of all scripts take more");
        let (first, second) = (Matcher::parse("team=~once-.*").unwrap(), Matcher::parse("other=~once-.*").unwrap());
        assert!(std::ptr::eq(first.expression().unwrap(), second.expression().unwrap()));
    }

    #[test]
    fn without_its_expression_a_matcher_fits() {
        assert!(!matches("team=~db", &[("team", "web")]));
        let matcher = Matcher::parse("team=~db").unwrap().without_expression();
        assert!(matcher.matches(&labels(&[("team", "web")])) && matcher.expression_bytes() == 0);
    }

    proptest! {
        #[test]
        fn nothing_that_is_typed_breaks_the_reader(text in ".{0,80}") {
            drop(Matcher::parse(&text));
        }

        #[test]
        fn what_is_written_is_read_as_the_same(label in "[a-z_]{1,8}", value in "[^\r]{0,20}") {
            prop_assume!(unseen_in_name(&value).is_none());
            let matcher = Matcher::from_stored(label.clone(), Operator::Equal, value.clone());
            let read = Matcher::parse(&matcher.to_string()).unwrap();
            prop_assert_eq!((read.label, read.operator, read.value), (label, Operator::Equal, value));
        }

        #[test]
        fn a_matcher_does_what_its_written_out_model_does(
            is_expression in any::<bool>(),
            known in proptest::option::of("[ab]{0,3}"),
            letters in "[ab]{0,3}",
            wanted in "[ab]{0,3}",
        ) {
            // The expression `x|y` means one of two whole values; `x` means that one.
            let text = if is_expression { format!("team=~\"{letters}|{wanted}\"") } else { format!("team=\"{wanted}\"") };
            let labels = known.iter().map(|value| ("team".to_owned(), value.clone())).collect();
            let value = known.unwrap_or_default();
            let expected = value == wanted || is_expression && value == letters;
            prop_assert_eq!(Matcher::parse(&text).unwrap().matches(&labels), expected);
        }
    }
}
