//! Cutting a text so that it fits: never inside a character or inside markup, only at the end, and so that it shows.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation as _;

use super::markdown::Atom;

/// What stands where something was cut away.
pub(super) const ELLIPSIS: &str = "…";

/// The characters of a text as they are seen: letters with their accents, emoji with what changes them.
pub(super) fn graphemes(text: &str) -> impl Iterator<Item = &str> {
    text.graphemes(true)
}

/// The beginning of a text, at most so many characters as they are seen; cut visibly.
#[must_use]
pub fn truncate_chars(text: &str, max_chars: usize) -> Cow<'_, str> {
    match text.grapheme_indices(true).nth(max_chars) {
        Some((end, _)) => Cow::Owned(format!("{}{ELLIPSIS}", text.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(text),
    }
}

/// The beginning of a text, at most so many bytes; cut visibly, and never inside a character as it is seen.
#[must_use]
pub fn truncate_bytes(text: &str, max_bytes: usize) -> Cow<'_, str> {
    truncate(text, max_bytes, char::len_utf8)
}

/// The longest prefix of `text` whose characters weigh at most `budget` in all. When anything was cut away, an ellipsis,
/// which counts too, stands at the end and the answer is `Cow::Owned`; a budget without room for one leaves nothing.
pub(super) fn truncate(text: &str, budget: usize, weigh: fn(char) -> usize) -> Cow<'_, str> {
    let mark = weight(ELLIPSIS, weigh);
    let (mut taken, mut keep) = (0, 0);
    for (start, cluster) in text.grapheme_indices(true) {
        if taken + mark <= budget {
            keep = start;
        }
        taken += weight(cluster, weigh);
        if taken > budget {
            let kept = text.get(..keep).unwrap_or_default();
            return Cow::Owned(if mark <= budget { format!("{kept}{ELLIPSIS}") } else { String::new() });
        }
    }
    Cow::Borrowed(text)
}

/// Whether a text that went through [`truncate`] is still whole.
#[expect(clippy::ptr_arg, reason = "whether anything was cut away is what the Cow tells")]
pub(super) fn is_untruncated(text: &Cow<'_, str>) -> bool {
    matches!(text, Cow::Borrowed(_))
}

/// What a text weighs.
pub(super) fn weight(text: &str, weigh: fn(char) -> usize) -> usize {
    text.chars().map(weigh).sum()
}

/// How many bytes a character takes inside a JSON string, as `serde_json` writes it.
pub(super) fn json_weight(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

/// A text that was made to fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FittedText {
    pub text: String,
    /// Whether nothing was cut away.
    pub is_complete: bool,
    /// Whether the address of a link was among what was cut away.
    pub lost_link: bool,
}

/// Puts lines together, as many pieces as `budget` has room for: no piece is broken, a link keeps its address whole or is left
/// out, and what is open at the cut is closed behind it.
pub(super) fn fit_lines(lines: &[Vec<Atom>], line_end: &str, budget: usize, weigh: fn(char) -> usize) -> FittedText {
    let line_end = Atom::Text(line_end.to_owned());
    let mut atoms: Vec<&Atom> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if number > 0 {
            atoms.push(&line_end);
        }
        atoms.extend(line);
    }
    let mark = weight(ELLIPSIS, weigh);
    let (mut text, mut taken, mut open): (String, usize, Vec<&str>) = (String::new(), 0, Vec::new());
    // The longest beginning after which an ellipsis and the ends of what is open have room.
    let mut kept: Option<(usize, usize, String)> = (mark <= budget).then(|| (0, 0, String::new()));
    for (number, atom) in atoms.iter().enumerate() {
        let written = atom.markup();
        let length = weight(&written, weigh);
        if taken + length > budget {
            let (count, end, ends) = kept.unwrap_or_default();
            let is_lost = |count| atoms.iter().skip(count).any(|atom| matches!(atom, Atom::Link { .. }));
            let room = budget.saturating_sub(taken + closing_marks_weight(&open, weigh));
            let shorter = match atom {
                Atom::Link { .. } if end == text.len() => atom.shortened_link(room, weigh),
                _ => None,
            };
            if let Some(shorter) = shorter {
                text.push_str(&shorter);
                text.push_str(&closing_marks(&open));
                return FittedText { text, is_complete: false, lost_link: is_lost(number + 1) };
            }
            text.truncate(end);
            if mark <= budget {
                text.push_str(ELLIPSIS);
            }
            text.push_str(&ends);
            return FittedText { text, is_complete: false, lost_link: is_lost(count) };
        }
        taken += length;
        text.push_str(&written);
        match atom {
            Atom::Open { end, .. } => open.push(end),
            Atom::Close(_) => drop(open.pop()),
            Atom::Text(_) | Atom::Link { .. } => {}
        }
        if taken + mark + closing_marks_weight(&open, weigh) <= budget {
            kept = Some((number + 1, text.len(), closing_marks(&open)));
        }
    }
    FittedText { text, is_complete: true, lost_link: false }
}

fn closing_marks(open: &[&str]) -> String {
    open.iter().rev().copied().collect()
}

fn closing_marks_weight(open: &[&str], weigh: fn(char) -> usize) -> usize {
    open.iter().map(|end| weight(end, weigh)).sum()
}

impl Atom {
    fn markup(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) | Self::Close(text) => Cow::Borrowed(text),
            Self::Open { mark, .. } => Cow::Borrowed(mark),
            Self::Link { open, words, close } => Cow::Owned(format!("{open}{}{close}", words.concat())),
        }
    }

    /// A link with fewer words, and its address whole, if that has room.
    fn shortened_link(&self, room: usize, weigh: fn(char) -> usize) -> Option<String> {
        let Self::Link { open, words, close } = self else { return None };
        let frame = weight(open, weigh) + weight(ELLIPSIS, weigh) + weight(close, weigh);
        let mut left = room.checked_sub(frame)?;
        let mut short = open.clone();
        for word in words {
            let Some(rest) = left.checked_sub(weight(word, weigh)) else { break };
            short.push_str(word);
            left = rest;
        }
        (short.len() > open.len()).then(|| format!("{short}{ELLIPSIS}{close}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_cut_is_never_inside_a_character_as_it_is_seen() {
        for whole in ["👨‍👩‍👧‍👦", "e\u{301}", "🇩🇪", "👍🏽", "한", "नि", "กำ", "❤️", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
        {
            let text = format!("a{whole}b");
            for budget in 0..text.len() {
                let cut = truncate(&text, budget, char::len_utf8);
                let expected = [String::new(), "…".to_owned(), "a…".to_owned(), format!("a{whole}…")];
                assert!(expected.contains(&cut.clone().into_owned()), "{cut:?} of {text:?}");
            }
            assert_eq!(truncate_chars(&text, 2), format!("a{whole}…"));
        }
    }

    #[test]
    fn a_cut_is_never_inside_a_link_or_bold_letters_or_code_or_a_tag() {
        let fitted =
            |text: &str, budget| fit_lines(&super::super::markdown::markup_lines(text), "\n", budget, char::len_utf8);
        let text = "ab [cd](https://a.example) **ef** `gh` <font color=\"info\">ij</font> kl";
        for budget in 3..text.len() {
            let cut = fitted(text, budget);
            assert!(!cut.is_complete && cut.text.len() <= budget && cut.text.contains('…'), "{cut:?}");
            let links = cut.text.matches('[').count();
            assert_eq!(cut.text.matches("](https://a.example)").count(), links, "{cut:?}");
            assert_eq!(cut.lost_link, links == 0, "{cut:?}");
            assert_eq!(cut.text.matches("**").count() % 2, 0, "{cut:?}");
            assert_eq!(cut.text.matches('`').count() % 2, 0, "{cut:?}");
            assert_eq!(
                cut.text.matches("<font color=\"info\">").count(),
                cut.text.matches("</font>").count(),
                "{cut:?}"
            );
            assert_eq!(cut.text.matches('<').count(), cut.text.matches('>').count(), "{cut:?}");
        }
        assert_eq!(fitted("[abcdef](https://a.example)", 26).text, "[ab…](https://a.example)");
        assert_eq!(fitted("**ab**", 6).text, "**ab**");
        assert_eq!(fitted("**abcd**", 8).text, "**abcd**");
        assert_eq!(fitted("**abcdefg**", 8).text, "**a…**");
        assert_eq!(fitted("**a** b", 3).text, "…");
    }

    #[test]
    fn a_text_that_fits_exactly_is_left_alone() {
        assert_eq!(truncate("告警告警", 12, char::len_utf8), "告警告警");
        assert_eq!(truncate("告警告警", 11, char::len_utf8), "告警…");
        assert_eq!(truncate("告警", 5, char::len_utf8), "…");
        assert_eq!(truncate("告警", 2, char::len_utf8), "");
        assert_eq!(truncate("", 0, char::len_utf8), "");
    }

    proptest! {
        #[test]
        fn the_weight_of_a_character_is_what_json_needs(text in any::<String>()) {
            prop_assert_eq!(weight(&text, json_weight) + 2, serde_json::to_string(&text).unwrap().len());
        }

        #[test]
        fn a_cut_text_fits_and_is_the_longest_prefix_that_does(text in "(\\PC|[\"\\\\\n]){0,60}", budget in 0_usize..150) {
            for weigh in [char::len_utf8 as fn(char) -> usize, json_weight] {
                let short = truncate(&text, budget, weigh);
                prop_assert!(weight(&short, weigh) <= budget);
                prop_assert_eq!(is_untruncated(&short), weight(&text, weigh) <= budget);
                if !is_untruncated(&short) && budget >= 3 {
                    let kept = short.strip_suffix(ELLIPSIS).unwrap();
                    prop_assert!(text.starts_with(kept));
                    let mut next = graphemes(&text).scan(0, |end, cluster| { *end += cluster.len(); Some((*end, cluster)) });
                    let next = next.find(|(end, _)| *end > kept.len()).unwrap().1;
                    prop_assert!(weight(kept, weigh) + weight(next, weigh) + 3 > budget);
                    let mut ends = graphemes(&text).scan(0, |end, cluster| { *end += cluster.len(); Some(*end) });
                    prop_assert!(kept.is_empty() || ends.any(|end| end == kept.len()));
                }
            }
        }
    }
}
