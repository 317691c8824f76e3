//! WeCom's group robot: how its requests are laid out. It does not sign.
//!
//! Source: developer.work.weixin.qq.com, document 99110.

use serde_json::json;

use super::{
    OutgoingMessage,
    markdown::{Atom, Span, markup_lines, parse_lines, plain_text},
    message::{MessageBody, local_mobiles, title_and_heading},
    truncation::{fit_lines, graphemes},
};

pub(super) const HOSTS: [&str; 1] = ["qyapi.weixin.qq.com"];
pub(super) const PATH: &str = "/cgi-bin/webhook/send";

/// The documented limits of the content, in bytes of UTF-8.
const MAX_MARKDOWN_BYTES: usize = 4096;
const MAX_TEXT_BYTES: usize = 2048;

/// No limit of mentions is documented; this is DingTalk's.
const MAX_MENTIONS: usize = 50;

/// Markdown, unless somebody is to be mentioned: WeCom mentions by mobile number only in plain text, and a person who
/// must wake up matters more than bold letters and the second half of a long message. Where plain text would lose a link for its
/// length, Markdown, which takes twice as much, carries it, and nobody is mentioned.
pub(super) fn build_body(message: &OutgoingMessage) -> MessageBody {
    let (title, heading) = title_and_heading(message);
    let mobiles: Vec<String> = local_mobiles(message).take(MAX_MENTIONS).collect();
    let plain = match mobiles.is_empty() {
        true => None,
        false => Some(fit_lines(&plain_lines(&title, &message.text), "\n", MAX_TEXT_BYTES, char::len_utf8)),
    };
    match plain {
        Some(fitted) if !fitted.lost_link => {
            let text = json!({ "content": fitted.text, "mentioned_mobile_list": mobiles });
            MessageBody { json: json!({ "msgtype": "text", "text": text }), is_complete: fitted.is_complete }
        }
        plain => {
            let lines = [vec![heading], markup_lines(&message.text)].concat();
            let fitted = fit_lines(&lines, "\n", MAX_MARKDOWN_BYTES, char::len_utf8);
            let json = json!({ "msgtype": "markdown", "markdown": { "content": fitted.text } });
            MessageBody { json, is_complete: fitted.is_complete && plain.is_none() }
        }
    }
}

/// Words of plain text. `<@userid>` mentions there too.
fn text_atoms(text: &str) -> Vec<Atom> {
    graphemes(&text.replace("<@", "<\u{200b}@")).map(|cluster| Atom::Text(cluster.to_owned())).collect()
}

/// The lines without markup, with the addresses of their links written out.
fn plain_lines(title: &str, text: &str) -> Vec<Vec<Atom>> {
    let atoms = |span: Span| match span {
        Span::Text(text) => text_atoms(&plain_text(&text)),
        Span::Link { text, url } => {
            let words = graphemes(&plain_text(&text).replace("<@", "<\u{200b}@")).map(str::to_owned).collect();
            vec![Atom::Link { open: String::new(), words, close: format!(" {url} ") }]
        }
    };
    let lines = parse_lines(text).map(|line| line.into_iter().flat_map(atoms).collect());
    [text_atoms(title)].into_iter().chain(lines).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(mobiles: &[&str]) -> OutgoingMessage {
        OutgoingMessage {
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
            "markdown": { "content": "### Dataphin <\u{200b}＠all>\n**bold** [page](https://a.example)" },
        });
        assert_eq!(build_body(&message(&[])).json, expected);
    }

    #[test]
    fn a_message_with_mentions_is_plain_text() {
        let expected = json!({
            "msgtype": "text",
            "text": { "content": "Dataphin <\u{200b}@all>\nbold page https://a.example ", "mentioned_mobile_list": ["13800000000"] },
        });
        assert_eq!(build_body(&message(&["+8613800000000"])).json, expected);
    }
}
