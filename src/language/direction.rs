//! Text that turns the direction in which what stands around it is read.

use std::borrow::Cow;

/// The most ends that are added: who nests deeper means no text.
const DEEPEST: usize = 8;

/// What ends an embedding or override, and what ends an isolate.
const POP: char = '\u{202c}';
const POP_ISOLATE: char = '\u{2069}';

/// A line of text in which every change of direction ends: what it leaves open is closed, so that it cannot turn what follows.
/// Ends without a beginning are left out, and so is every change where they are nested too deep.
#[must_use]
pub fn close_directions(line: &str) -> Cow<'_, str> {
    if !line.contains(is_control) {
        return Cow::Borrowed(line);
    }
    let mut closed = String::with_capacity(line.len() + 3);
    let mut open = Vec::new();
    for character in line.chars() {
        match character {
            '\u{202a}' | '\u{202b}' | '\u{202d}' | '\u{202e}' => open.push(POP),
            '\u{2066}'..='\u{2068}' => open.push(POP_ISOLATE),
            POP | POP_ISOLATE if open.last() != Some(&character) => continue,
            POP | POP_ISOLATE => drop(open.pop()),
            _ => {}
        }
        if open.len() > DEEPEST {
            return Cow::Owned(line.chars().filter(|character| !is_control(*character)).collect());
        }
        closed.push(character);
    }
    closed.extend(open.into_iter().rev());
    Cow::Owned(closed)
}

/// Whether a character changes the direction of those around it.
fn is_control(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_left_open_is_closed_and_an_end_without_a_beginning_is_left_out() {
        let lines = [
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
        ];
        for (line, expected) in lines {
            assert_eq!(close_directions(line), expected, "{line:?}");
        }
        assert_eq!(close_directions(&format!("{}x", "\u{202e}".repeat(9))), "x");
    }

    proptest! {
        #[test]
        fn every_change_of_direction_ends_with_the_text(line in "[a\u{202a}-\u{202e}\u{2066}-\u{2069}\u{5d0}]{0,40}") {
            let closed = close_directions(&line);
            let mut open = Vec::new();
            for character in closed.chars() {
                match character {
                    '\u{202a}' | '\u{202b}' | '\u{202d}' | '\u{202e}' => open.push(POP),
                    '\u{2066}'..='\u{2068}' => open.push(POP_ISOLATE),
                    POP | POP_ISOLATE => prop_assert_eq!(open.pop(), Some(character)),
                    _ => {}
                }
            }
            prop_assert!(open.is_empty());
            let words = |text: &str| text.chars().filter(|character| !is_control(*character)).collect::<String>();
            prop_assert_eq!(words(&closed), words(&line));
        }
    }
}
