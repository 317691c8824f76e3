//! How a Lark custom bot judges a call: <https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot>.

use chrono::NaiveDateTime;
use serde_json::{Value, json};

use super::{
    call_log::ReceivedMessage,
    check::{BANNED_TEXT, CheckInput, Refusal, address_allowed, signature_matches},
    group::{ApiGeneration, RobotStatus},
};

/// Most bytes of a body: the document says 20 KB (the error text says 30 KB).
const MAX_BODY_BYTES: usize = 20 * 1024;
/// How far a signature's timestamp may be from now, in seconds.
const MAX_SIGNATURE_AGE_SECONDS: u64 = 3600;

/// The checks, in the order in which the sandbox's DingTalk robot has them.
pub(super) fn check_request(input: &CheckInput<'_>) -> Result<ReceivedMessage, Refusal> {
    let incoming = input.incoming;
    if !incoming.is_post() {
        return Err(gateway_refusal("Bad Request"));
    }
    let generation = input.group.map_or(ApiGeneration::New, |group| group.generation);
    if !input.is_within_rate_limit {
        return Err(rate_limited(generation));
    }
    let unknown = || Refusal::new(19001, "param invalid: incoming webhook access token invalid");
    let group = input.group.filter(|group| group.status == RobotStatus::Active).ok_or_else(unknown)?;
    let body = incoming.json().ok_or_else(|| gateway_refusal("Bad Request"))?;
    if incoming.body.len() > MAX_BODY_BYTES {
        return Err(Refusal::new(19036, "message exceeds the size limit of 30KB"));
    }
    if !address_allowed(&group.allowed_ips, incoming.peer) {
        return Err(Refusal::new(19022, "Ip Not Allowed"));
    }
    if group.secret.as_ref().is_some_and(|secret| !is_signed(&body, secret, input.now)) {
        let reason = "sign match fail or timestamp is not within one hour from current time";
        return Err(Refusal::new(19021, reason));
    }
    let message = parse_message(&body)
        .filter(|message| !message.text.trim().is_empty())
        .ok_or_else(|| Refusal::new(19002, "incorrect input format or can't find msg_type"))?;
    if !message.contains_one_of(&group.keywords) {
        return Err(Refusal::new(19024, "Key Words Not Found"));
    }
    if message.text.contains(BANNED_TEXT) {
        return Err(Refusal::new(11246, "message content is rejected"));
    }
    Ok(message)
}

/// The answer to success; the oldest generation had only the legacy names.
pub(super) fn accepted_body(generation: ApiGeneration) -> Value {
    match generation {
        ApiGeneration::Old => json!({ "StatusCode": 0, "StatusMessage": "success" }),
        _ => json!({ "StatusCode": 0, "StatusMessage": "success", "code": 0, "data": {}, "msg": "success" }),
    }
}

/// The answer to a refused call.
pub(super) fn refused_body(refusal: &Refusal) -> Value {
    json!({ "code": refusal.code, "data": {}, "msg": refusal.reason })
}

/// The gateway's refusal: one code for a malformed body and for too many requests, told apart only by its text.
fn gateway_refusal(reason: &str) -> Refusal {
    Refusal { status: 400, code: 9499, reason: reason.to_owned() }
}

fn rate_limited(generation: ApiGeneration) -> Refusal {
    match generation {
        ApiGeneration::Old | ApiGeneration::Middle => gateway_refusal("too many request"),
        ApiGeneration::New | ApiGeneration::NewChinese => {
            Refusal::new(11232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]")
        }
    }
}

/// Key is timestamp, line feed, secret; the message is empty; both fields are strings in the body.
fn is_signed(body: &Value, secret: &str, now: NaiveDateTime) -> bool {
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let timestamp = field("timestamp");
    let now = now.and_utc().timestamp();
    timestamp.parse::<i64>().is_ok_and(|signed| now.abs_diff(signed) <= MAX_SIGNATURE_AGE_SECONDS)
        && signature_matches(&format!("{timestamp}\n{secret}"), "", field("sign"))
}

/// The message, or `None` when its type is unknown or its shape is wrong.
fn parse_message(body: &Value) -> Option<ReceivedMessage> {
    let kind = body.get("msg_type")?.as_str()?;
    let (title, text) = match kind {
        "text" => (None, body.pointer("/content/text")?.as_str()?.to_owned()),
        "post" => parse_post(body.pointer("/content/post")?)?,
        "interactive" => parse_card(body.get("card")?),
        "image" => (None, body.pointer("/content/image_key")?.as_str()?.to_owned()),
        "share_chat" => (None, body.pointer("/content/share_chat_id")?.as_str()?.to_owned()),
        _ => return None,
    };
    let (everyone, mentions): (Vec<_>, Vec<_>) = parse_mentions(&text).into_iter().partition(|id| id == "all");
    Some(ReceivedMessage {
        kind: kind.to_owned(),
        title,
        text,
        mentions,
        mentions_everyone: !everyone.is_empty(),
        msg_uuid: None,
    })
}

/// A post is lines of tagged pieces, once for each language; the first language is read.
fn parse_post(post: &Value) -> Option<(Option<String>, String)> {
    let post = post.as_object()?.values().next()?;
    let title = post.get("title").and_then(Value::as_str).filter(|title| !title.is_empty()).map(str::to_owned);
    let lines = post.get("content")?.as_array()?.iter();
    let text = lines.map(|line| line.as_array().into_iter().flatten().map(post_piece).collect::<String>());
    Some((title, text.collect::<Vec<_>>().join("\n")))
}

fn post_piece(piece: &Value) -> String {
    let field = |name: &str| piece.get(name).and_then(Value::as_str).unwrap_or_default();
    match field("tag") {
        "at" => format!("<at user_id=\"{}\"></at>", field("user_id")),
        _ => field("text").to_owned(),
    }
}

/// A card's title, and every text that its elements hold.
fn parse_card(card: &Value) -> (Option<String>, String) {
    let title = card.pointer("/header/title/content").and_then(Value::as_str).map(str::to_owned);
    let mut texts = Vec::new();
    for elements in [card.get("elements"), card.pointer("/body/elements")].into_iter().flatten() {
        collect_texts(elements, &mut texts);
    }
    (title, texts.join("\n"))
}

fn collect_texts<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(fields) => {
            texts.extend(fields.get("content").and_then(Value::as_str));
            fields.values().for_each(|field| collect_texts(field, texts));
        }
        _ => {}
    }
}

/// The ids in `<at user_id="ou_x">` (texts, posts) and `<at id=ou_x>` (cards).
fn parse_mentions(text: &str) -> Vec<String> {
    let tags = text.split("<at ").skip(1).filter_map(|rest| rest.split('>').next());
    let ids = tags.filter_map(|tag| tag.split_once("id=").map(|(_, id)| id));
    ids.map(|id| id.trim_matches(['"', '\'', '/', ' ']).to_owned()).filter(|id| !id.is_empty()).collect()
}
