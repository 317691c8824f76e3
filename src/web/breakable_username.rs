//! Usernames that wrap where a reader would break them.

use askama::filters::{Html, Safe, escape};

use crate::text::close_directions;

/// The longest part of a username, in characters, that is kept on one line even where nothing in it invites a break.
const MAX_UNBROKEN_CHARS: usize = 15;

/// A username as HTML that may wrap after `.`, `_`, `-` and `@`, and elsewhere only within a part that is longer than
/// `LONGEST_PART`.
#[must_use]
pub fn breakable_username(username: &str) -> Safe<String> {
    let mut html = String::with_capacity(username.len() + 40);
    html.push_str("<span class=\"username\">");
    let mut length = 0;
    for part in close_directions(username).split_inclusive(['.', '_', '-', '@']) {
        if length > 0 {
            html.push_str("<wbr>");
        }
        for (index, letter) in part.chars().enumerate() {
            if index > 0 && index % MAX_UNBROKEN_CHARS == 0 {
                html.push_str("<wbr>");
            }
            push_escaped(&mut html, letter);
        }
        length += part.len();
    }
    html.push_str("</span>");
    Safe(html)
}

fn push_escaped(html: &mut String, letter: char) {
    if letter.is_alphanumeric() {
        html.push(letter);
    } else {
        let Ok(escaped) = escape(letter.to_string(), Html);
        html.push_str(&escaped.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_wraps_only_after_its_separators() {
        assert_eq!(
            breakable_username("wang.li_2-a@x").0,
            "<span class=\"username\">wang.<wbr>li_<wbr>2-<wbr>a@<wbr>x</span>"
        );
        assert_eq!(breakable_username("mia").0, "<span class=\"username\">mia</span>");
        assert_eq!(breakable_username("\u{202e}x").0, "<span class=\"username\">\u{202e}x\u{202c}</span>");
        assert_eq!(breakable_username("<b>").0, "<span class=\"username\">&#60;b&#62;</span>");
        assert_eq!(
            breakable_username(&"a".repeat(45)).0.matches("<wbr>").count(),
            2,
            "a part without end must not widen the page"
        );
    }
}
