//! Cutting a text so that it fits: never inside a character, only at the end, and so that it shows.

use std::borrow::Cow;

/// What stands where something was cut away.
pub(super) const ELLIPSIS: &str = "…";

/// The longest prefix of `text` whose characters weigh at most `budget` in all. When anything was cut away, an ellipsis,
/// which counts too, stands at the end and the answer is `Cow::Owned`; a budget without room for one leaves nothing.
pub(super) fn cut(text: &str, budget: usize, weigh: fn(char) -> usize) -> Cow<'_, str> {
    let mark: usize = ELLIPSIS.chars().map(weigh).sum();
    let (mut weight, mut keep) = (0, 0);
    for (start, character) in text.char_indices() {
        if weight + mark <= budget {
            keep = start;
        }
        weight += weigh(character);
        if weight > budget {
            let kept = text.get(..keep).unwrap_or_default();
            return Cow::Owned(if mark <= budget { format!("{kept}{ELLIPSIS}") } else { String::new() });
        }
    }
    Cow::Borrowed(text)
}

/// Whether a text that went through [`cut`] is still whole.
#[expect(clippy::ptr_arg, reason = "whether anything was cut away is what the Cow tells")]
pub(super) fn is_whole(text: &Cow<'_, str>) -> bool {
    matches!(text, Cow::Borrowed(_))
}

/// How many bytes a character takes inside a JSON string, as `serde_json` writes it.
pub(super) fn json_weight(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        _ => character.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weight(text: &str, weigh: fn(char) -> usize) -> usize {
        text.chars().map(weigh).sum()
    }

    #[test]
    fn a_text_that_fits_exactly_is_left_alone() {
        assert_eq!(cut("告警告警", 12, char::len_utf8), "告警告警");
        assert_eq!(cut("告警告警", 11, char::len_utf8), "告警…");
        assert_eq!(cut("告警", 5, char::len_utf8), "…");
        assert_eq!(cut("告警", 2, char::len_utf8), "");
        assert_eq!(cut("", 0, char::len_utf8), "");
    }

    proptest! {
        #[test]
        fn the_weight_of_a_character_is_what_json_needs(text in any::<String>()) {
            prop_assert_eq!(weight(&text, json_weight) + 2, serde_json::to_string(&text).unwrap().len());
        }

        #[test]
        fn a_cut_text_fits_and_is_the_longest_prefix_that_does(text in "(\\PC|[\"\\\\\n]){0,60}", budget in 0_usize..150) {
            for weigh in [char::len_utf8 as fn(char) -> usize, json_weight] {
                let short = cut(&text, budget, weigh);
                prop_assert!(weight(&short, weigh) <= budget);
                prop_assert_eq!(is_whole(&short), weight(&text, weigh) <= budget);
                if !is_whole(&short) && budget >= 3 {
                    let kept = short.strip_suffix(ELLIPSIS).unwrap();
                    prop_assert!(text.starts_with(kept));
                    let next = text[kept.len()..].chars().next().unwrap();
                    prop_assert!(weight(kept, weigh) + weigh(next) + 3 > budget);
                }
            }
        }
    }
}
