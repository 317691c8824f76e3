//! WeCom's group robot: how its requests are laid out. It does not sign.
//!
//! Source: developer.work.weixin.qq.com, document 99110.

use std::borrow::Cow;

use serde_json::json;

use super::{
    Message,
    fit::{cut, is_whole},
    markdown::{Span, lines},
    message::{Body, headed, mobiles},
};

pub(super) const HOSTS: [&str; 1] = ["qyapi.weixin.qq.com"];
pub(super) const PATH: &str = "/cgi-bin/webhook/send";

/// The documented limits of the content, in bytes of UTF-8.
const MAX_MARKDOWN: usize = 4096;
const MAX_TEXT: usize = 2048;

/// No limit of mentions is documented; this is DingTalk's.
const MAX_MENTIONS: usize = 50;

/// Markdown, unless somebody is to be mentioned: WeCom mentions by mobile number only in plain text, and a person who
/// must wake up matters more than bold letters and the second half of a long message.
pub(super) fn body(message: &Message) -> Body {
    let (title, heading) = headed(message);
    let mobiles: Vec<String> = mobiles(message).take(MAX_MENTIONS).collect();
    if mobiles.is_empty() {
        let content = format!("{heading}\n{}", message.text);
        let content = cut(&content, MAX_MARKDOWN, char::len_utf8);
        let json = json!({ "msgtype": "markdown", "markdown": { "content": content } });
        return Body { json, whole: is_whole(&content) };
    }
    let content = format!("{}\n{}", unmentioning(&title), plain(&message.text));
    let content = cut(&content, MAX_TEXT, char::len_utf8);
    let json = json!({ "msgtype": "text", "text": { "content": content, "mentioned_mobile_list": mobiles } });
    Body { json, whole: is_whole(&content) }
}

/// `<@userid>` mentions in plain text too.
fn unmentioning(title: &str) -> Cow<'_, str> {
    if title.contains("<@") { Cow::Owned(title.replace("<@", "<\u{200b}@")) } else { Cow::Borrowed(title) }
}

/// The text without markup, with the addresses of its links written out.
fn plain(text: &str) -> String {
    let line = |spans: Vec<Span<'_>>| -> String {
        spans
            .into_iter()
            .map(|span| match span {
                Span::Text(text) => text,
                Span::Link { text, url } => format!("{text} {url} "),
            })
            .collect()
    };
    let lines: Vec<String> = lines(text).map(line).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mobiles: &[&str]) -> Message {
        Message {
            title: "Dataphin <@all>".to_owned(),
            text: "**bold** [page](https://a.example)".to_owned(),
            mobiles: mobiles.iter().map(|mobile| (*mobile).to_owned()).collect(),
            uuid: "u".to_owned(),
        }
    }

    #[test]
    fn a_message_is_markdown_when_nobody_is_mentioned() {
        let expected = json!({
            "msgtype": "markdown",
            "markdown": { "content": "### Dataphin <\u{200b}@all>\n**bold** [page](https://a.example)" },
        });
        assert_eq!(body(&message(&[])).json, expected);
    }

    #[test]
    fn a_message_with_mentions_is_plain_text() {
        let expected = json!({
            "msgtype": "text",
            "text": { "content": "Dataphin <\u{200b}@all>\nbold page https://a.example ", "mentioned_mobile_list": ["13800000000"] },
        });
        assert_eq!(body(&message(&["+8613800000000"])).json, expected);
    }
}
