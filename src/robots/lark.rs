//! Lark's (Feishu's) custom bot: how its requests are signed and laid out.
//!
//! Source: open.feishu.cn "custom bot guide". A message is a `post` (rich text): its title and texts are what the
//! keyword is looked for in, and it has links but no markup, so nothing that somebody typed can become a mention.

use serde_json::{Value, json};

use super::{
    OutgoingMessage, SigningSecret,
    markdown::{Span, parse_lines, plain_text},
    message::{MessageBody, hmac_base64, title_and_heading},
    truncation::{ELLIPSIS, graphemes, is_untruncated, json_weight, truncate, weight},
};

/// Feishu in China and Lark elsewhere.
pub(super) const HOSTS: [&str; 2] = ["open.feishu.cn", "open.larksuite.com"];
pub(super) const PATH: &str = "/open-apis/bot/v2/hook/";

/// The documented limit is 20 KB; other pages name more, so the least one holds.
const MAX_BODY_BYTES: usize = 20_000;
const MAX_TITLE_BYTES: usize = 1024;

/// What time stamp and signature take in the body at most; kept free whether the robot signs or not, so that what fits
/// does not depend on it.
const SIGNATURE_BYTES: usize =
    r#","timestamp":"-9223372036854775","sign":"12345678901234567890123456789012345678901234""#.len();

/// What a paragraph of plain text costs around its text, with the comma before it.
const PARAGRAPH_OVERHEAD_BYTES: usize = r#",[{"tag":"text","text":""}]"#.len();

/// Key and message in roles of their own: the text to sign is the key, and the message is empty.
fn sign(secret: &str, seconds: i64) -> String {
    hmac_base64(&format!("{seconds}\n{secret}"), "")
}

pub(super) fn build_body(message: &OutgoingMessage, secret: Option<&SigningSecret>, now: i64) -> MessageBody {
    let (title, _) = title_and_heading(message);
    let short_title = truncate(&title, MAX_TITLE_BYTES, char::len_utf8);
    let to_json = |content: &[Value]| {
        json!({
            "msg_type": "post",
            "content": { "post": { "zh_cn": { "title": short_title, "content": content } } },
        })
    };
    let used_bytes = to_json(&[]).to_string().len() + SIGNATURE_BYTES;
    let (mut content, whole) = fit_paragraphs(&message.text, MAX_BODY_BYTES.saturating_sub(used_bytes));
    if content.is_empty() {
        // A post needs a body; the title is the one thing that is always there.
        content.push(text_paragraph(&short_title));
    }
    let mut json = to_json(&content);
    if let (Some(secret), Some(fields)) = (secret, json.as_object_mut()) {
        let seconds = now.div_euclid(1000);
        fields.insert("timestamp".to_owned(), seconds.to_string().into());
        fields.insert("sign".to_owned(), sign(secret.expose(), seconds).into());
    }
    MessageBody { json, is_complete: whole && is_untruncated(&short_title) }
}

/// As many paragraphs as `budget` bytes of JSON hold, and whether that is all of them. Blank lines are left out: paragraphs
/// stand apart anyway.
fn fit_paragraphs(text: &str, budget: usize) -> (Vec<Value>, bool) {
    // Room for a paragraph that is nothing but an ellipsis is kept free until the end.
    let mut left = budget.saturating_sub(PARAGRAPH_OVERHEAD_BYTES + ELLIPSIS.len());
    let mut content = Vec::new();
    for line in parse_lines(text).filter(|line| !line.is_empty()) {
        let elements = Value::Array(line.iter().map(span_element).collect());
        let cost = elements.to_string().len() + 1;
        if cost > left {
            content.push(truncate_line(&line, left));
            return (content, false);
        }
        left -= cost;
        content.push(elements);
    }
    (content, true)
}

fn text_paragraph(text: &str) -> Value {
    json!([{ "tag": "text", "text": text }])
}

fn span_element(span: &Span) -> Value {
    match span {
        Span::Text(text) => json!({ "tag": "text", "text": break_mentions(&plain_text(text)) }),
        Span::Link { text, url } => json!({ "tag": "a", "text": break_mentions(&plain_text(text)), "href": url }),
    }
}

/// The words as they are. Lark's plain texts mention by `<at user_id="…">`; should its posts come to do so as well, this does not.
fn break_mentions(words: &str) -> String {
    let mut shown = String::with_capacity(words.len());
    let mut rest = words;
    while let Some(position) = rest.find('<') {
        let (before, tag) = rest.split_at(position);
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
fn truncate_line(line: &[Span], budget: usize) -> Value {
    let (mut elements, mut left) = (Vec::new(), budget);
    for span in line {
        let whole = span_element(span);
        let cost = whole.to_string().len() + 1;
        if let Some(rest) = left.checked_sub(cost) {
            left = rest;
            elements.push(whole);
            continue;
        }
        // What the element costs without its words.
        let (text, ctx) = match span {
            Span::Text(text) => (break_mentions(&plain_text(text)), span_element(&Span::Text(Vec::new()))),
            Span::Link { text, url } => {
                (break_mentions(&plain_text(text)), span_element(&Span::Link { text: Vec::new(), url: url.clone() }))
            }
        };
        let budget = left.checked_sub(ctx.to_string().len() + 1).map(|budget| budget + ELLIPSIS.len());
        let first = graphemes(&text).next().map_or(0, |first| weight(first, json_weight));
        if let Some(budget) = budget.filter(|budget| *budget >= first + ELLIPSIS.len()) {
            let mut element = ctx;
            if let Some(fields) = element.as_object_mut() {
                fields.insert("text".to_owned(), truncate(&format!("{text}{ELLIPSIS}"), budget, json_weight).into());
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

    fn message(text: &str) -> OutgoingMessage {
        OutgoingMessage {
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
        let json = build_body(&message("x"), Some(&SigningSecret::from_trusted("demo")), 100_999).json;
        assert_eq!(json["timestamp"], "100");
        assert_eq!(json["sign"], "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg=");
        let unsigned = build_body(&message("x"), None, 100_999).json;
        assert!(unsigned.get("sign").is_none() && unsigned.get("timestamp").is_none());
    }

    #[test]
    fn a_message_is_a_post_with_a_title_paragraphs_and_links() {
        let json = build_body(&message("## One\n\ntwo [page](https://a.example)"), None, 0).json;
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
            build_body(&message("\n"), None, 0).json["content"]["post"]["zh_cn"]["content"],
            json!([[{ "tag": "text", "text": "Dataphin" }]])
        );
    }
}
