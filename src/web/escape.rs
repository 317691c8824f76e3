//! How values are written into pages.

use std::fmt;

use askama::filters::{Escaper, Html};

use crate::text::close_directions;

/// Escapes a value for HTML, and ends the changes of direction that it begins: what users and senders supply cannot turn what
/// follows it, in texts and in attributes. The templates' own escaper, by `askama.toml`.
#[derive(Clone, Copy, Debug)]
pub struct Closing;

impl Escaper for Closing {
    fn write_escaped_str<W: fmt::Write>(&self, page: W, value: &str) -> fmt::Result {
        Html.write_escaped_str(page, &close_directions(value))
    }
}

#[cfg(test)]
mod tests {
    use askama::Template;

    #[derive(Template)]
    #[template(source = r#"<b title="{{ a }}">{{ a }}</b>{{ b }}<input value="{{ a|e("typed") }}">"#, ext = "html")]
    struct Page<'p> {
        a: &'p str,
        b: &'p str,
    }

    #[test]
    fn a_value_ends_what_it_begins_except_in_a_field() {
        let page = |a, b| Page { a, b }.render().unwrap();
        let expected =
            "<b title=\"&#60;\u{202e}x\u{202c}\">&#60;\u{202e}x\u{202c}</b>1<input value=\"&#60;\u{202e}x\">";
        assert_eq!(page("<\u{202e}x", "\u{2069}1"), expected);
        assert_eq!(page("a & b", "磁盘"), "<b title=\"a &#38; b\">a &#38; b</b>磁盘<input value=\"a &#38; b\">");
    }
}
