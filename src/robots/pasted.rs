//! What a person pastes: an address, a secret, a setting.

/// The text without white space and invisible characters at its ends: copying from a chat or a document brings along
/// no-break spaces, zero-width characters and direction marks that nobody sees. What stands inside stays.
#[must_use]
pub fn trim_pasted(text: &str) -> &str {
    text.trim_matches(is_invisible)
}

fn is_invisible(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_trimmed_at_the_ends_and_kept_inside() {
        for invisible in [
            " ", "\t", "\r\n", "\0", "\u{a0}", "\u{ad}", "\u{61c}", "\u{200b}", "\u{200e}", "\u{202a}", "\u{202c}",
            "\u{2060}", "\u{2066}", "\u{2069}", "\u{3000}", "\u{feff}", "\u{fe0f}",
        ] {
            assert_eq!(trim_pasted(&format!("{invisible}a{invisible}b{invisible}")), format!("a{invisible}b"));
            assert_eq!(trim_pasted(invisible), "");
        }
    }
}
