//! Rules for text that every entrance and exit shares: what is blank, what is trimmed, what turns the direction of writing.

use std::borrow::Cow;

use chrono::NaiveDate;

/// What editors and shells on Windows write before a text.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// The most changes of direction that are open at a time: who nests deeper means no text.
const DEEPEST: usize = 8;

/// The first byte of every direction control in UTF-8.
const FIRST_BYTE_OF_CONTROLS: u8 = 0xe2;

/// Ends an embedding or override.
const POP: char = '\u{202c}';
/// Begins an isolate whose direction is that of its first letter, and ends one.
const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_ISOLATE: char = '\u{2069}';

/// Whether a character shows nothing by itself: white space, controls, fillers and most format characters.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | BYTE_ORDER_MARK | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1343f}' | '\u{16fe4}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}')
}

/// Whether a text shows nothing at all.
#[must_use]
pub fn is_blank(text: &str) -> bool {
    // Variation selectors and tags change the character before them, and show nothing without one.
    text.chars().all(|c| is_invisible(c) || matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}'))
}

/// The first character of a name that is not seen, or seen only on a character that is not there. Names that look the same would be
/// different ones with it. What belongs to an emoji or to a letter of another script stays.
#[must_use]
pub fn unseen_in_name(name: &str) -> Option<char> {
    let mut before = ' ';
    let mut characters = name.chars().peekable();
    while let Some(c) = characters.next() {
        let is_seen = match c {
            // Objects and lines of a text that is more than a name.
            '\u{fffc}' | '\u{2028}' | '\u{2029}' => false,
            // Joiners: within emoji, and within words of scripts that need them.
            '\u{200c}' | '\u{200d}' => !before.is_ascii() && characters.peek().is_some_and(|next| !next.is_ascii()),
            // Variation selectors and the marks of letters belong to the character before them.
            '\u{fe00}'..='\u{fe0f}' => !before.is_whitespace(),
            '\u{300}'..='\u{36f}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
            | '\u{fe20}'..='\u{fe2f}' => !before.is_whitespace(),
            // Tags: a flag's, behind its black flag.
            '\u{e0000}'..='\u{e0fff}' => matches!(before, '\u{1f3f4}' | '\u{e0020}'..='\u{e007f}'),
            _ => !is_invisible(c) || c.is_whitespace(),
        };
        if !is_seen {
            return Some(c);
        }
        before = c;
    }
    None
}

/// A name as it is stored: without the invisible characters at its ends, and with one plain space for each stretch of white space.
#[must_use]
pub fn as_name(text: &str) -> String {
    trim_invisible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A whole number as people and Belfry's own pages write one: digits alone, without a sign or zeros before them.
#[must_use]
pub fn whole_number(text: &str) -> Option<i64> {
    let text = trim_invisible(text);
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

/// A day of the calendar, written as `YYYY-MM-DD`.
#[must_use]
pub fn read_day(text: &str) -> Option<NaiveDate> {
    // The parser takes a sign before the year, too.
    let text = Some(trim_invisible(text)).filter(|text| text.starts_with(|first: char| first.is_ascii_digit()))?;
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// A text without the invisible characters at its ends.
#[must_use]
pub fn trim_invisible(text: &str) -> &str {
    text.trim_matches(is_invisible)
}

/// The first of these texts that shows something, trimmed.
pub fn first_visible<'t>(texts: impl IntoIterator<Item = &'t str>) -> Option<&'t str> {
    texts.into_iter().find(|text| !is_blank(text)).map(trim_invisible)
}

/// A text in which every change of direction ends, at the latest with its line: what it leaves open cannot turn what follows.
/// Ends without a beginning are left out, and so is every change where they are nested too deep.
#[must_use]
pub fn close_directions(text: &str) -> Cow<'_, str> {
    // Nearly every value of a page is without, and its bytes are looked through in a sixth of the time of its characters.
    if !text.as_bytes().contains(&FIRST_BYTE_OF_CONTROLS) || !text.contains(is_direction_control) {
        return Cow::Borrowed(text);
    }
    let mut closed = String::with_capacity(text.len() + POP.len_utf8());
    let mut open = Vec::new();
    for character in text.chars() {
        match character {
            '\u{202a}' | '\u{202b}' | '\u{202d}' | '\u{202e}' => open.push(POP),
            '\u{2066}'..='\u{2068}' => open.push(POP_ISOLATE),
            POP | POP_ISOLATE if open.last() != Some(&character) => continue,
            POP | POP_ISOLATE => drop(open.pop()),
            '\n' | '\r' => closed.extend(open.drain(..).rev()),
            _ => {}
        }
        if open.len() > DEEPEST {
            return Cow::Owned(text.chars().filter(|character| !is_direction_control(*character)).collect());
        }
        closed.push(character);
    }
    closed.extend(open.into_iter().rev());
    Cow::Owned(closed)
}

/// A name or another value as it stands within a sentence: where it is written from right to left, or changes the direction, it
/// cannot turn the words and numbers around it.
#[must_use]
pub fn isolated(value: &str) -> Cow<'_, str> {
    match !value.is_ascii() && value.contains(turns_direction) {
        true => Cow::Owned(format!("{FIRST_STRONG_ISOLATE}{}{POP_ISOLATE}", close_directions(value))),
        false => Cow::Borrowed(value),
    }
}

/// Names one after the other, none of which turns those behind it.
#[must_use]
pub fn join_names<N: AsRef<str>>(names: impl IntoIterator<Item = N>, separator: &str) -> String {
    let closed = names.into_iter().map(|name| close_directions(name.as_ref()).into_owned());
    closed.collect::<Vec<_>>().join(separator)
}

/// Whether a character changes the direction of those behind it.
#[must_use]
pub fn is_direction_control(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character is written from right to left, or can turn others.
fn turns_direction(character: char) -> bool {
    is_direction_control(character)
        || matches!(character,
            '\u{590}'..='\u{8ff}' | '\u{200f}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}'
            | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_day_has_no_sign_and_is_in_the_calendar() {
        assert_eq!(read_day(" 2026-11-29\u{200b}"), NaiveDate::from_ymd_opt(2026, 11, 29));
        for wrong in
            ["", "+2026-11-29", "-2026-11-29", "2026-02-30", "2026-11-29x", "2026-11", "29.11.2026", "٢٠٢٦-١١-٢٩"]
        {
            assert_eq!(read_day(wrong), None, "{wrong}");
        }
    }

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
            // Mongolian vowel separator, null notehead, a hieroglyph's joiner, Khitan's filler, Hangul's.
            "\u{180e}",
            "\u{1d159}",
            "\u{13430}",
            "\u{16fe4}",
            "\u{115f}\u{1160}\u{ffa0}",
            "\u{2066}\u{2069}",
            "\u{e0067}\u{e007f}",
        ] {
            assert!(is_blank(blank), "{blank:?}");
            assert_eq!(first_visible([blank, " b "]), Some("b"));
        }
        for visible in ["a", "磁盘", "❤\u{fe0f}", "。", "\u{200b}x", "👨\u{200d}👩", "\u{661}", "-", "0", "\u{301}"]
        {
            assert!(!is_blank(visible), "{visible:?}");
            assert_eq!(first_visible([visible, "b"]), Some(trim_invisible(visible)));
        }
        assert_eq!(first_visible(["", "\u{200b}"]), None);
    }

    #[test]
    fn a_name_holds_nothing_that_is_not_seen() {
        for good in [
            "night shift",
            "夜班 值班",
            "cafe\u{301}",
            "👨\u{200d}👩\u{200d}👧",
            "❤\u{fe0f} on call",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
            "می\u{200c}خواهم",
            "שלום",
            "a\u{a0}b",
        ] {
            assert_eq!(unseen_in_name(good), None, "{good:?}");
        }
        for (name, unseen) in [
            ("night\u{200b} shift", '\u{200b}'),
            ("a\u{2028}b", '\u{2028}'),
            ("a\u{fffc}", '\u{fffc}'),
            ("\u{301}a", '\u{301}'),
            ("a \u{301}", '\u{301}'),
            ("a\u{202e}b", '\u{202e}'),
            ("\u{2066}a\u{2069}", '\u{2066}'),
            ("a\u{ad}b", '\u{ad}'),
            ("a\u{200d}b", '\u{200d}'),
            ("a\u{200f}", '\u{200f}'),
            ("a\u{e0041}", '\u{e0041}'),
            ("\u{fe0f}a", '\u{fe0f}'),
        ] {
            assert_eq!(unseen_in_name(name), Some(unseen), "{name:?}");
        }
        assert_eq!(as_name("\u{feff} night\u{a0}\u{3000} shift\u{200b}"), "night shift");
    }

    #[test]
    fn a_number_is_written_in_one_way() {
        assert_eq!(["0", "7", " 60 ", "100001"].map(whole_number), [Some(0), Some(7), Some(60), Some(100_001)]);
        for wrong in ["", "+5", "-5", "05", "00", "5.0", "1e3", "６０", "5 0", "9223372036854775808"] {
            assert_eq!(whole_number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_emoji_keeps_its_variation_selector() {
        assert_eq!(trim_invisible("\u{feff} ❤\u{fe0f}\u{200b}"), "❤\u{fe0f}");
    }

    #[test]
    fn what_is_left_open_is_closed_and_an_end_without_a_beginning_is_left_out() {
        let texts = [
            ("plain", "plain"),
            ("שלום", "שלום"),
            ("\u{202e}gpj.exe", "\u{202e}gpj.exe\u{202c}"),
            ("\u{202a}a\u{202c}b", "\u{202a}a\u{202c}b"),
            ("a\u{202c}b", "ab"),
            ("\u{2066}a", "\u{2066}a\u{2069}"),
            ("\u{2067}a\u{2069}\u{2069}", "\u{2067}a\u{2069}"),
            ("\u{2068}\u{202b}a", "\u{2068}\u{202b}a\u{202c}\u{2069}"),
            ("\u{202d}a\u{2069}", "\u{202d}a\u{202c}"),
            ("\u{200f}a\u{200e}", "\u{200f}a\u{200e}"),
            ("\u{202e}a\nb\u{202c}", "\u{202e}a\u{202c}\nb"),
            ("\u{2067}a\r\nb", "\u{2067}a\u{2069}\r\nb"),
        ];
        for (text, expected) in texts {
            assert_eq!(close_directions(text), expected, "{text:?}");
            assert_eq!(close_directions(expected), expected, "{text:?}");
        }
        assert_eq!(close_directions(&format!("{}x", "\u{202e}".repeat(9))), "x");
    }

    #[test]
    fn a_value_is_isolated_where_it_could_turn_what_stands_around_it() {
        for plain in ["", "mia", "磁盘 95 %", "👨\u{200d}👩", "e\u{301}", "\u{200b}x", "\u{feff}"] {
            assert_eq!(isolated(plain), plain);
        }
        for (turning, expected) in [
            ("שלום", "\u{2068}שלום\u{2069}"),
            ("مرحبا 5", "\u{2068}مرحبا 5\u{2069}"),
            ("a\u{200f}", "\u{2068}a\u{200f}\u{2069}"),
            ("\u{202e}a", "\u{2068}\u{202e}a\u{202c}\u{2069}"),
            ("\u{2066}a", "\u{2068}\u{2066}a\u{2069}\u{2069}"),
            ("a\u{2069}", "\u{2068}a\u{2069}"),
        ] {
            assert_eq!(isolated(turning), expected);
        }
        assert_eq!(join_names(["\u{202e}a", "b"], ", "), "\u{202e}a\u{202c}, b");
    }

    proptest! {
        #[test]
        fn every_change_of_direction_ends_with_its_line(text in "[a\n\u{202a}-\u{202e}\u{2066}-\u{2069}\u{5d0}]{0,40}") {
            let closed = close_directions(&text);
            let mut open = Vec::new();
            for character in closed.chars() {
                match character {
                    '\u{202a}' | '\u{202b}' | '\u{202d}' | '\u{202e}' => open.push(POP),
                    '\u{2066}'..='\u{2068}' => open.push(POP_ISOLATE),
                    POP | POP_ISOLATE => prop_assert_eq!(open.pop(), Some(character)),
                    '\n' => prop_assert!(open.is_empty()),
                    _ => {}
                }
            }
            prop_assert!(open.is_empty());
            let words = |text: &str| text.chars().filter(|character| !is_direction_control(*character)).collect::<String>();
            prop_assert_eq!(words(&closed), words(&text));
        }

        #[test]
        fn trimming_removes_nothing_visible(text in any::<String>()) {
            let kept: String = text.chars().filter(|c| !is_invisible(*c)).collect();
            prop_assert_eq!(trim_invisible(&text).chars().filter(|c| !is_invisible(*c)).collect::<String>(), kept);
        }
    }
}
