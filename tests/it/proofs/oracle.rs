//! The oracle of the proofs, after the checker `total-queue` of Jepsen: once everything is drained, nothing that was
//! acknowledged may be lost, and nothing may be there that nobody sent. What is there twice is listed.
//!
//! Every alert of a proof has a number in its title. A group has read of an alert when a message of its own, or a line of a
//! digest, names the number. A digest that ends with "and N more" carries N alerts that no message names: as many of the
//! acknowledged ones may be unnamed, and no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::LazyLock,
};

use belfry::sandbox::DeliveredMessage;
use regex::Regex;

/// Alerts by their numbers.
pub type Numbers = BTreeSet<u64>;

/// The title of an alert: letters and digits alone, so that no mark-up gets between them.
pub fn title(number: u64) -> String {
    format!("proof{number:06}x")
}

/// The numbers that a text names.
pub fn named(text: &str) -> Numbers {
    static NUMBER: LazyLock<Regex> = LazyLock::new(|| Regex::new("proof([0-9]{6})x").expect("a pattern"));
    NUMBER.captures_iter(text).filter_map(|found| found[1].parse().ok()).collect()
}

/// How many alerts a message carries without naming them.
fn unnamed(text: &str) -> u64 {
    static MORE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("and ([0-9]+) more|另有 ?([0-9]+) ?条").expect("a pattern"));
    // Languages may set numbers apart by invisible marks.
    let text: String = text.chars().filter(|c| !matches!(c, '\u{2068}' | '\u{2069}' | ',' | '*')).collect();
    let counts =
        MORE.captures_iter(&text).filter_map(|found| found.get(1).or(found.get(2))?.as_str().parse::<u64>().ok());
    counts.sum()
}

/// What groups have read.
#[derive(Debug, Default)]
pub struct Read {
    /// How many messages name each alert.
    pub times: BTreeMap<u64, u64>,
    /// How many alerts are carried by messages that do not name them.
    pub unnamed: u64,
    /// How many messages there are.
    pub messages: u64,
}

impl Read {
    /// What these messages say.
    pub fn of(heard: impl IntoIterator<Item = DeliveredMessage>) -> Self {
        let mut read = Self::default();
        for DeliveredMessage { message, .. } in heard {
            let text = format!("{} {}", message.title.unwrap_or_default(), message.text);
            let (named, unnamed) = (named(&text), unnamed(&text));
            read.messages += u64::from(!named.is_empty() || unnamed > 0);
            read.unnamed += unnamed;
            for number in named {
                *read.times.entry(number).or_default() += 1;
            }
        }
        read
    }

    /// Adds what other groups have read.
    pub fn and(mut self, other: Self) -> Self {
        for (number, times) in other.times {
            *self.times.entry(number).or_default() += times;
        }
        Self { unnamed: self.unnamed + other.unnamed, messages: self.messages + other.messages, ..self }
    }
}

/// What the oracle says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acknowledged, and read by nobody.
    pub lost: Numbers,
    /// Read, and sent by nobody.
    pub unexpected: Numbers,
    /// Read more than once.
    pub doubled: Numbers,
    /// Read, though the sender never had an answer.
    pub recovered: Numbers,
    /// Counted by digests beyond all that is unnamed.
    pub overcounted: u64,
}

impl Verdict {
    /// Holds what was acknowledged, and what was sent without an answer, against what was read.
    pub fn of(acknowledged: &Numbers, unanswered: &Numbers, read: &Read) -> Self {
        let unnamed: Numbers = acknowledged.iter().copied().filter(|number| !read.times.contains_key(number)).collect();
        let recovered: Numbers =
            unanswered.difference(acknowledged).copied().filter(|number| read.times.contains_key(number)).collect();
        let known = |number: &u64| acknowledged.contains(number) || unanswered.contains(number);
        let missing = u64::try_from(unnamed.len()).expect("a count");
        Self {
            // When fewer are counted than are unnamed, nobody can say which of them are lost.
            lost: if missing > read.unnamed { unnamed } else { Numbers::new() },
            unexpected: read.times.keys().copied().filter(|number| !known(number)).collect(),
            doubled: read.times.iter().filter(|(_, times)| **times > 1).map(|(number, _)| *number).collect(),
            recovered,
            overcounted: read.unnamed.saturating_sub(missing),
        }
    }

    /// Fails unless nothing is lost and nothing unexpected.
    #[track_caller]
    pub fn holds(self) -> Self {
        assert!(self.lost.is_empty() && self.unexpected.is_empty(), "{self}");
        self
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lost, unexpected, doubled, recovered, overcounted } = self;
        write!(f, "lost = {lost:?}, unexpected = {unexpected:?}, duplicated = {doubled:?}, recovered = {recovered:?}")?;
        if *overcounted > 0 { write!(f, ", counted beyond what is unnamed = {overcounted}") } else { Ok(()) }
    }
}

/// A text of a group, as [`Read`] sees it.
#[cfg(test)]
fn read(texts: &[&str]) -> Read {
    let mut all = Read::default();
    for text in texts {
        all.unnamed += unnamed(text);
        for number in named(text) {
            *all.times.entry(number).or_default() += 1;
        }
    }
    all
}

#[test]
fn the_oracle_sees_what_is_lost_unexpected_and_doubled() {
    let sent = Numbers::from([1, 2, 3]);
    let (all, none) = (read(&["proof000001x", "proof000002x proof000002x", "proof000003x"]), Numbers::new());
    assert_eq!(Verdict::of(&sent, &none, &all), Verdict::default());
    let verdict = Verdict::of(
        &sent,
        &Numbers::from([4]),
        &read(&["proof000001x", "proof000001x", "proof000004x", "proof000009x"]),
    );
    assert_eq!(verdict.lost, Numbers::from([2, 3]));
    assert_eq!((verdict.unexpected, verdict.doubled, verdict.recovered), ([9].into(), [1].into(), [4].into()));
}

#[test]
fn the_oracle_believes_a_digest_as_far_as_it_counts() {
    let sent: Numbers = (1..=5).collect();
    for more in ["and 3 more", "另有 3 条", "and \u{2068}3\u{2069} more"] {
        let verdict = Verdict::of(&sent, &Numbers::new(), &read(&["proof000001x\nproof000002x", more]));
        assert_eq!(verdict, Verdict::default(), "{more}");
    }
    let verdict = Verdict::of(&sent, &Numbers::new(), &read(&["proof000001x proof000002x and 2 more"]));
    assert_eq!(verdict.lost, Numbers::from([3, 4, 5]));
    let verdict = Verdict::of(&sent, &Numbers::new(), &read(&["proof000001x proof000002x and 4 more"]));
    assert_eq!((verdict.lost.len(), verdict.overcounted), (0, 1));
}
