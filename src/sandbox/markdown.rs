//! A message's Markdown as harmless HTML, so that a chat looks as it does in the messenger.
//!
//! Standard Markdown has the habit that senders forget: a single line feed does not break a line.

use pulldown_cmark::{CowStr, Event, Parser, Tag, TagEnd, html::push_html};

/// Whether the text of a message of this type is Markdown.
pub(super) fn is_markdown(kind: &str) -> bool {
    matches!(kind, "markdown" | "markdown_v2" | "actionCard" | "interactive")
}

/// HTML without any of the message's own: raw tags are shown as text, images become links, and links lead to the web
/// or into the messenger only.
pub fn to_html(markdown: &str) -> String {
    let mut html = String::with_capacity(markdown.len() * 2);
    push_html(&mut html, Parser::new(markdown).flat_map(sanitize_event));
    html
}

/// Headings become bold lines: in the page's outline they are none.
fn sanitize_event(event: Event<'_>) -> Vec<Event<'_>> {
    match event {
        Event::Html(raw) | Event::InlineHtml(raw) => vec![Event::Text(raw)],
        Event::Start(Tag::HtmlBlock) => vec![Event::Start(Tag::Paragraph)],
        Event::End(TagEnd::HtmlBlock) => vec![Event::End(TagEnd::Paragraph)],
        Event::Start(Tag::Heading { .. }) => vec![Event::Start(Tag::Paragraph), Event::Start(Tag::Strong)],
        Event::End(TagEnd::Heading(_)) => vec![Event::End(TagEnd::Strong), Event::End(TagEnd::Paragraph)],
        // Written here, because pulldown-cmark encodes the brackets of an IPv6 address, which then is none.
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            vec![Event::InlineHtml(format!("<a href=\"{}\">", attribute(&sanitize_url(dest_url))).into())]
        }
        Event::End(TagEnd::Link | TagEnd::Image) => vec![Event::InlineHtml("</a>".into())],
        other => vec![other],
    }
}

/// A text as the value of an attribute in double quotation marks.
fn attribute(text: &str) -> String {
    text.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A link's address, or nothing when its scheme is not one that a chat opens.
fn sanitize_url(address: CowStr<'_>) -> CowStr<'_> {
    let opened = ["http://", "https://", "dingtalk://"].iter().any(|scheme| address.starts_with(scheme));
    if opened { address } else { CowStr::Borrowed("") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use scraper::{Html, Selector};

    use super::*;

    #[test]
    fn headings_bold_and_links_are_shown() {
        assert_eq!(
            to_html("### Disk\n\n**full** [see](https://example.com/a)"),
            "<p><strong>Disk</strong></p>\n<p><strong>full</strong> <a href=\"https://example.com/a\">see</a></p>\n"
        );
    }

    #[test]
    fn a_link_keeps_its_address() {
        for address in
            ["http://[fd00::1]:3000/d?a=1", "https://例子.example/磁盘?q=%22", "https://g.example/?a=1&b=\"c\""]
        {
            let page = Html::parse_fragment(&to_html(&format!("[Open]({address})")));
            let link = page.select(&Selector::parse("a").unwrap()).next().unwrap();
            assert_eq!((link.attr("href"), link.inner_html().as_str()), (Some(address), "Open"));
        }
    }

    #[test]
    fn raw_html_images_and_script_links_are_disarmed() {
        let html = to_html("<script>x</script>\n\na <img src=x> ![i](https://example.com/i) [l](javascript:x)");
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("javascript:"), "{html}");
        assert!(html.contains("&lt;script&gt;") && html.contains("<a href=\"https://example.com/i\">i</a>"), "{html}");
    }

    proptest! {
        #[test]
        fn nothing_but_formatting_ever_comes_out(text in "[<>a-z\\[\\]()!#*`/:\"'= \n-]{0,120}") {
            let page = Html::parse_fragment(&to_html(&text));
            let tags = Selector::parse("*").unwrap();
            let plain = ["html", "p", "strong", "em", "a", "ul", "ol", "li", "code", "pre", "blockquote", "hr", "br"];
            for element in page.select(&tags) {
                prop_assert!(plain.contains(&element.value().name()), "{}", element.value().name());
            }
        }
    }
}
