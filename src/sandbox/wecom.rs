//! How a WeCom group robot judges a call: <https://developer.work.weixin.qq.com/document/path/99110>.

use serde_json::Value;

use super::{
    call_log::ReceivedMessage,
    check::{CheckInput, IncomingRequest, Refusal},
    group::{ApiGeneration, RobotStatus},
};

/// The checks. A WeCom robot has no keyword, signature or address list.
pub(super) fn check_request(input: &CheckInput<'_>) -> Result<ReceivedMessage, Refusal> {
    let incoming = input.incoming;
    let refuse = |code: i64, reason: &str| Err(refusal_with_hint(incoming, code, reason));
    if !incoming.is_post() {
        return refuse(43002, "require POST method");
    }
    if input.token.is_empty() {
        return refuse(93000, "invalid webhook url");
    }
    if !input.is_within_rate_limit {
        return refuse(45009, "api freq out of limit");
    }
    match input.group.map(|group| group.status) {
        Some(RobotStatus::Active) => {}
        Some(RobotStatus::Disabled) => return refuse(93004, "robot is disabled"),
        Some(RobotStatus::GroupDissolved) => return refuse(93008, "not in group"),
        Some(RobotStatus::Removed | RobotStatus::TokenReset) | None => return refuse(93000, "invalid webhook url"),
    }
    if incoming.body.is_empty() {
        return refuse(93017, "empty body");
    }
    let Some(body) = incoming.json() else {
        return refuse(40058, "Warning: wrong json format. invalid Request Parameter");
    };
    let Some((message, limit)) = parse_message(&body) else {
        return refuse(40008, "invalid message type");
    };
    if message.text.trim().is_empty() {
        return refuse(44004, "empty content");
    }
    if message.text.len() > limit {
        let kind = &message.kind;
        return refuse(40058, &format!("{kind}.content exceed max length {limit}. invalid Request Parameter"));
    }
    Ok(message)
}

/// The text of success; a warning may stand behind it.
pub(super) fn accepted_text(generation: ApiGeneration) -> &'static str {
    match generation {
        ApiGeneration::Middle => "ok. Warning: wrong json format. ",
        _ => "ok",
    }
}

/// A refusal with the tail that WeCom's have, the sender's address in it.
pub(super) fn refusal_with_hint(incoming: &IncomingRequest, code: i64, reason: &str) -> Refusal {
    let peer = incoming.peer.map(|address| address.to_string()).unwrap_or_default();
    let link = "https://open.work.weixin.qq.com/devtool/query";
    let hint = "1592021214_50_0123456789abcdef0123456789abcdef";
    Refusal::new(code, format!("{reason}, hint: [{hint}], from ip: {peer}, more info at {link}?e={code}"))
}

/// The message and the most bytes that its text may have, or `None` when its type is unknown.
fn parse_message(body: &Value) -> Option<(ReceivedMessage, usize)> {
    let kind = body.get("msgtype")?.as_str()?;
    let content = body.get(kind).unwrap_or(&Value::Null);
    let (text, limit) = match kind {
        "text" => (content_text(content), 2048),
        "markdown" | "markdown_v2" => (content_text(content), 4096),
        // Types without a text of their own are shown as they came; their limits are not checked here.
        "image" | "news" | "file" | "voice" | "template_card" => (content.to_string(), usize::MAX),
        _ => return None,
    };
    let (everyone, mentions): (Vec<_>, Vec<_>) =
        parse_mentions(kind, content, &text).into_iter().partition(|id| id == "@all" || id == "all");
    let mentions_all = !everyone.is_empty();
    Some((
        ReceivedMessage {
            kind: kind.to_owned(),
            text,
            mentions,
            mentions_everyone: mentions_all,
            ..ReceivedMessage::default()
        },
        limit,
    ))
}

fn content_text(content: &Value) -> String {
    content.get("content").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Lists work in `text` only, `<@userid>` in `text` and `markdown`, nothing in `markdown_v2`.
fn parse_mentions(kind: &str, content: &Value, text: &str) -> Vec<String> {
    let lists: &[&str] = if kind == "text" { &["mentioned_list", "mentioned_mobile_list"] } else { &[] };
    let listed = lists.iter().filter_map(|list| content.get(list)?.as_array()).flatten().filter_map(Value::as_str);
    let inline = matches!(kind, "text" | "markdown").then(|| text.split("<@").skip(1)).into_iter().flatten();
    let inline = inline.filter_map(|rest| rest.split_once('>').map(|(id, _)| id));
    listed.chain(inline).map(str::to_owned).collect()
}
