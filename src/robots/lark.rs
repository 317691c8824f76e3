//! Lark's (Feishu's) custom bot: how its requests are signed and laid out.
//!
//! Source: open.feishu.cn "custom bot guide". A message is a `post` (rich text): its title and texts are what the
//! keyword is looked for in, and it has links but no markup, so nothing that somebody typed can become a mention.

use serde_json::{Value, json};

use super::{
    Message, SigningSecret,
    fit::{ELLIPSIS, clusters, cut, is_whole, json_weight, weight},
    markdown::{Span, lines, words},
    message::{Body, headed, hmac_base64},
};

/// Feishu in China and Lark elsewhere.
pub(super) const HOSTS: [&str; 2] = ["open.feishu.cn", "open.larksuite.com"];
pub(super) const PATH: &str = "/open-apis/bot/v2/hook/";

/// The documented limit is 20 KB; other pages name more, so the least one holds.
const MAX_BODY: usize = 20_000;
const MAX_TITLE: usize = 1024;

/// What time stamp and signature take in the body at most; kept free whether the robot signs or not, so that what fits
/// does not depend on it.
const SIGNATURE: usize =
    r#","timestamp":"-9223372036854775","sign":"12345678901234567890123456789012345678901234""#.len();

/// What a paragraph of plain text costs around its text, with the comma before it.
const PARAGRAPH: usize = r#",[{"tag":"text","text":""}]"#.len();

/// Key and message in roles of their own: the text to sign is the key, and the message is empty.
fn sign(secret: &str, seconds: i64) -> String {
    hmac_base64(&format!("{seconds}\n{secret}"), "")
}

pub(super) fn body(message: &Message, secret: Option<&SigningSecret>, now: i64) -> Body {
    let (title, _) = headed(message);
    let short_title = cut(&title, MAX_TITLE, char::len_utf8);
    let lay = |content: &[Value]| {
        json!({
            "msg_type": "post",
            "content": { "post": { "zh_cn": { "title": short_title, "content": content } } },
        })
    };
    let taken = lay(&[]).to_string().len() + SIGNATURE;
    let (mut content, whole) = paragraphs(&message.text, MAX_BODY.saturating_sub(taken));
    if content.is_empty() {
        // A post needs a body; the title is the one thing that is always there.
        content.push(paragraph(&short_title));
    }
    let mut json = lay(&content);
    if let (Some(secret), Some(fields)) = (secret, json.as_object_mut()) {
        let seconds = now.div_euclid(1000);
        fields.insert("timestamp".to_owned(), seconds.to_string().into());
        fields.insert("sign".to_owned(), sign(secret.expose(), seconds).into());
    }
    Body { json, whole: whole && is_whole(&short_title) }
}

/// As many paragraphs as `budget` bytes of JSON hold, and whether that is all of them. Blank lines are left out: paragraphs
/// stand apart anyway.
fn paragraphs(text: &str, budget: usize) -> (Vec<Value>, bool) {
    // Room for a paragraph that is nothing but an ellipsis is kept free until the end.
    let mut left = budget.saturating_sub(PARAGRAPH + ELLIPSIS.len());
    let mut content = Vec::new();
    for line in lines(text).filter(|line| !line.is_empty()) {
        let elements = Value::Array(line.iter().map(element).collect());
        let cost = elements.to_string().len() + 1;
        if cost > left {
            content.push(beginning(&line, left));
            return (content, false);
        }
        left -= cost;
        content.push(elements);
    }
    (content, true)
}

fn paragraph(text: &str) -> Value {
    json!([{ "tag": "text", "text": text }])
}

fn element(span: &Span) -> Value {
    match span {
        Span::Text(text) => json!({ "tag": "text", "text": unmentioning(&words(text)) }),
        Span::Link { text, url } => json!({ "tag": "a", "text": unmentioning(&words(text)), "href": url }),
    }
}

/// The words as they are. Lark's plain texts mention by `<at user_id="…">`; should its posts come to do so as well, this does not.
fn unmentioning(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(place) = rest.find('<') {
        let (before, tag) = rest.split_at(place);
        shown.push_str(before);
        shown.push('<');
        rest = tag.strip_prefix('<').unwrap_or_default();
        let name: String = rest.trim_start_matches('/').chars().take(2).collect();
        if name.eq_ignore_ascii_case("at") {
            shown.push('\u{200b}');
        }
    }
    shown.push_str(rest);
    shown
}

/// As much of a line as has room, with an ellipsis: a link has its address whole or is left out.
fn beginning(line: &[Span], room: usize) -> Value {
    let (mut elements, mut left) = (Vec::new(), room);
    for span in line {
        let whole = element(span);
        let cost = whole.to_string().len() + 1;
        if let Some(rest) = left.checked_sub(cost) {
            left = rest;
            elements.push(whole);
            continue;
        }
        // What the element costs without its words.
        let (text, frame) = match span {
            Span::Text(text) => (unmentioning(&words(text)), element(&Span::Text(Vec::new()))),
            Span::Link { text, url } => {
                (unmentioning(&words(text)), element(&Span::Link { text: Vec::new(), url: url.clone() }))
            }
        };
        let room = left.checked_sub(frame.to_string().len() + 1).map(|room| room + ELLIPSIS.len());
        let first = clusters(&text).next().map_or(0, |first| weight(first, json_weight));
        if let Some(room) = room.filter(|room| *room >= first + ELLIPSIS.len()) {
            let mut element = frame;
            if let Some(fields) = element.as_object_mut() {
                fields.insert("text".to_owned(), cut(&format!("{text}{ELLIPSIS}"), room, json_weight).into());
            }
            elements.push(element);
            return Value::Array(elements);
        }
        break;
    }
    elements.push(json!({ "tag": "text", "text": ELLIPSIS }));
    Value::Array(elements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message {
            title: "Dataphin".to_owned(),
            text: text.to_owned(),
            mobiles: vec!["13800000000".to_owned()],
            uuid: "u".to_owned(),
        }
    }

    #[test]
    fn signatures_agree_with_an_independent_implementation() {
        assert_eq!(sign("demo", 1_599_360_473), "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=");
        assert_eq!(sign("demo", 100), "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg=");
        assert_eq!(sign("secret", 1_710_000_000), "jWsBkWnzlRKtaP+iZgwraSojMWik4cJR7aysApQZuoA=");
    }

    #[test]
    fn the_signature_stands_in_the_body_with_the_seconds_as_text() {
        let json = body(&message("x"), Some(&SigningSecret::unchecked("demo")), 100_999).json;
        assert_eq!(json["timestamp"], "100");
        assert_eq!(json["sign"], "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg=");
        let unsigned = body(&message("x"), None, 100_999).json;
        assert!(unsigned.get("sign").is_none() && unsigned.get("timestamp").is_none());
    }

    #[test]
    fn a_message_is_a_post_with_a_title_paragraphs_and_links() {
        let json = body(&message("## One\n\ntwo [page](https://a.example)"), None, 0).json;
        let content = json!([
            [{ "tag": "text", "text": "One" }],
            [{ "tag": "text", "text": "two " }, { "tag": "a", "text": "page", "href": "https://a.example" }],
        ]);
        let expected = json!({ "msg_type": "post", "content": { "post": { "zh_cn": { "title": "Dataphin", "content": content } } } });
        assert_eq!(json, expected);
    }

    #[test]
    fn a_message_without_text_still_has_a_body() {
        assert_eq!(
            body(&message("\n"), None, 0).json["content"]["post"]["zh_cn"]["content"],
            json!([[{ "tag": "text", "text": "Dataphin" }]])
        );
    }
}
