//! Rules for text that every entrance shares: what is blank, what is trimmed, the byte order mark.

/// What editors and shells on Windows write before a text.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Whether a character shows nothing by itself: white space, controls, fillers and most format characters.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | BYTE_ORDER_MARK | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}')
}

/// Whether a text shows nothing at all.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    // Variation selectors and tags change the character before them, and show nothing without one.
    text.chars().all(|c| is_invisible(c) || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}'))
}

/// A text without the invisible characters at its ends.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(is_invisible)
}

/// The first of these texts that shows something, trimmed.
pub fn first_visible<'t>(texts: impl IntoIterator<Item = &'t str>) -> Option<&'t str> {
    texts.into_iter().find(|text| !is_blank(text)).map(trimmed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_shows_nothing_is_blank() {
        for blank in [
            "",
            " ",
            "\t\r\n",
            "\u{a0}",
            "\u{3000}",
            "\u{200b}",
            "\u{feff}",
            "\u{200d}\u{200c}",
            "\u{2060}",
            "\u{ad}",
            "\u{3164}",
            "\u{2800}",
            "\u{202e}",
            "\u{fe0f}",
            "\u{1}",
            "\u{e0001}",
        ] {
            assert!(is_blank(blank), "{blank:?}");
            assert_eq!(first_visible([blank, " b "]), Some("b"));
        }
        for visible in ["a", "磁盘", "❤\u{fe0f}", "。", "\u{200b}x", "👨\u{200d}👩", "\u{661}", "-", "0", "\u{301}"]
        {
            assert!(!is_blank(visible), "{visible:?}");
            assert_eq!(first_visible([visible, "b"]), Some(trimmed(visible)));
        }
        assert_eq!(first_visible(["", "\u{200b}"]), None);
    }

    #[test]
    fn an_emoji_keeps_what_belongs_to_it() {
        assert_eq!(trimmed("\u{feff} ❤\u{fe0f}\u{200b}"), "❤\u{fe0f}");
    }

    proptest! {
        #[test]
        fn trimming_takes_nothing_that_shows(text in any::<String>()) {
            let kept: String = text.chars().filter(|c| !is_invisible(*c)).collect();
            prop_assert_eq!(trimmed(&text).chars().filter(|c| !is_invisible(*c)).collect::<String>(), kept);
        }
    }
}
