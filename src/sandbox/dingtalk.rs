//! How a DingTalk custom robot judges a call: <https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages>.

use chrono::NaiveDateTime;
use serde_json::Value;

use super::{
    call_log::ReceivedMessage,
    check::{BANNED_TEXT, CheckInput, IncomingRequest, Refusal, address_allowed, signature_matches},
    group::{ApiGeneration, Group, RobotStatus},
};

/// Most bytes of a body.
const MAX_BODY_BYTES: usize = 20_000;
/// How far a signature's timestamp may be from now, in milliseconds.
const MAX_SIGNATURE_AGE_MS: i64 = 3_600_000;

/// The checks, in the robot's order.
pub(super) fn check_request(input: &CheckInput<'_>) -> Result<ReceivedMessage, Refusal> {
    let incoming = input.incoming;
    if !incoming.is_post() {
        return Err(Refusal::new(43002, "需要POST请求"));
    }
    if input.token.is_empty() {
        return Err(Refusal::new(40035, "缺少参数 access_token"));
    }
    let generation = input.group.map_or(ApiGeneration::New, |group| group.generation);
    if !input.is_within_rate_limit {
        return Err(rate_limited(generation));
    }
    let group = input.group.ok_or_else(|| unknown_token(generation))?;
    check_status(group)?;
    let json = parse_body(incoming, generation)?;
    if !address_allowed(&group.allowed_ips, incoming.peer) {
        return Err(address_not_allowed(generation, incoming));
    }
    if let Some(secret) = &group.secret {
        check_signature(incoming, secret, input.now, generation)?;
    }
    let message = parse_message(&json);
    if !message.as_ref().is_some_and(|message| message.contains_one_of(&group.keywords)) && !group.keywords.is_empty() {
        return Err(keyword_missing(generation));
    }
    let message = message.ok_or_else(|| Refusal::new(400_105, "不支持的消息类型"))?;
    if message.is_blank() {
        return Err(Refusal::new(300_001, "message param title or text is null "));
    }
    if message.text.contains(BANNED_TEXT) {
        return Err(Refusal::new(430_102, "发送消息包含不合适的文本"));
    }
    Ok(message)
}

/// The three codes that the one condition has had over the years.
fn rate_limited(generation: ApiGeneration) -> Refusal {
    match generation {
        ApiGeneration::Old => Refusal::new(130_101, "send too fast, exceed 20 times per minute"),
        ApiGeneration::Middle => Refusal::new(410_100, "发送速度太快而限流"),
        ApiGeneration::New | ApiGeneration::NewChinese => Refusal::new(660_026, "sending too many messages per minute"),
    }
}

fn unknown_token(generation: ApiGeneration) -> Refusal {
    match generation {
        ApiGeneration::Old => Refusal::new(300_001, "token is not exist"),
        ApiGeneration::Middle => Refusal::new(300_001, "description: robot 不存在；solution:请确认 token 是否正确；"),
        ApiGeneration::New | ApiGeneration::NewChinese => Refusal::new(300_005, "token is not exist"),
    }
}

fn check_status(group: &Group) -> Result<(), Refusal> {
    match group.status {
        RobotStatus::Active => Ok(()),
        RobotStatus::Disabled => Err(Refusal::new(400_102, disabled_text(group.generation))),
        RobotStatus::Removed => Err(Refusal::new(400_106, "机器人不存在")),
        RobotStatus::GroupDissolved => Err(Refusal::new(400_013, "群已被解散")),
        RobotStatus::TokenReset => Err(unknown_token(group.generation)),
    }
}

fn disabled_text(generation: ApiGeneration) -> String {
    match generation {
        ApiGeneration::Old | ApiGeneration::Middle => "机器人已停用".to_owned(),
        ApiGeneration::New | ApiGeneration::NewChinese => {
            error_text(generation, "", "机器人已经停用或者未启用", "请联系群管理员启用机器人")
        }
    }
}

fn parse_body(incoming: &IncomingRequest, generation: ApiGeneration) -> Result<Value, Refusal> {
    if !incoming.content_type.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::new(43004, "无效的HTTP HEADER Content-Type"));
    }
    let json = incoming.json().ok_or_else(|| Refusal::new(40035, "缺少参数 json"))?;
    if incoming.body.len() > MAX_BODY_BYTES {
        return Err(body_too_long(generation));
    }
    Ok(json)
}

fn body_too_long(generation: ApiGeneration) -> Refusal {
    match generation {
        ApiGeneration::Old => Refusal::new(101_002, "message is too long"),
        ApiGeneration::Middle => Refusal::new(460_101, "message too long, exceed 20000 bytes"),
        ApiGeneration::New | ApiGeneration::NewChinese => {
            Refusal::new(460_101, error_text(generation, "", " body 大小不合法", "请保持大小在 20000bytes 以内"))
        }
    }
}

fn address_not_allowed(generation: ApiGeneration, incoming: &IncomingRequest) -> Refusal {
    let address = incoming.peer.map(|address| address.to_string()).unwrap_or_default();
    let english = format!("ip {address} not in whitelist");
    security_refusal(generation, &english, "ip 不在白名单中", "请联系对应群的管理员，设置机器人安全ip地址段")
}

/// Key is the secret, message is timestamp, line feed, secret.
fn check_signature(
    incoming: &IncomingRequest,
    secret: &str,
    now: NaiveDateTime,
    generation: ApiGeneration,
) -> Result<(), Refusal> {
    let timestamp = incoming.parameter("timestamp").unwrap_or_default();
    let sign = incoming.parameter("sign").unwrap_or_default();
    if !signature_matches(secret, &format!("{timestamp}\n{secret}"), &sign) {
        let remedy = "请确认签名和生成签名的时间戳必须都放在调用的网址中，请确认机器人的密钥加密和填写正确";
        return Err(security_refusal(generation, "sign not match", "机器人发送签名不匹配", remedy));
    }
    let now = now.and_utc().timestamp_millis();
    let is_recent =
        timestamp.parse::<i64>().is_ok_and(|signed| now.abs_diff(signed) <= MAX_SIGNATURE_AGE_MS.unsigned_abs());
    if !is_recent {
        let remedy = "签名生成时间和发送时间请保持在 timestampms 以内";
        return Err(security_refusal(generation, "invalid timestamp", "机器人发送签名过期", remedy));
    }
    Ok(())
}

fn keyword_missing(generation: ApiGeneration) -> Refusal {
    let remedy = "请联系群管理员查看此机器人的关键词，并在发送的信息中包含此关键词";
    security_refusal(generation, "keywords not in content", "关键词不匹配", remedy)
}

/// The one code of all security settings.
fn security_refusal(generation: ApiGeneration, english: &str, problem: &str, remedy: &str) -> Refusal {
    Refusal::new(310_000, error_text(generation, english, problem, remedy))
}

/// An error text in a generation's form.
fn error_text(generation: ApiGeneration, english: &str, problem: &str, remedy: &str) -> String {
    match generation {
        ApiGeneration::Old => english.to_owned(),
        ApiGeneration::Middle => format!("{english}, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"),
        ApiGeneration::New => format!("description:{problem};solution:{remedy};"),
        ApiGeneration::NewChinese => format!("错误描述:{problem};解决方案:{remedy};"),
    }
}

/// The message, or `None` when its type is none of the five that a webhook takes.
fn parse_message(json: &Value) -> Option<ReceivedMessage> {
    let kind = json.get("msgtype")?.as_str()?;
    let content = json.get(kind).unwrap_or(&Value::Null);
    let field = |name: &str| content.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (title, text) = match kind {
        "text" => (None, field("content")),
        "markdown" | "link" | "actionCard" => (Some(field("title")), field("text")),
        "feedCard" => (None, feed_card_titles(content)),
        _ => return None,
    };
    let (mentions, mentions_all) = effective_mentions(json.get("at").unwrap_or(&Value::Null), &text);
    let msg_uuid = json.get("msgUuid").and_then(Value::as_str).filter(|uuid| !uuid.is_empty()).map(str::to_owned);
    Some(ReceivedMessage { kind: kind.to_owned(), title, text, mentions, mentions_everyone: mentions_all, msg_uuid })
}

fn feed_card_titles(content: &Value) -> String {
    let links = content.get("links").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    links.iter().filter_map(|link| link.get("title")?.as_str()).collect::<Vec<_>>().join("\n")
}

/// Who is really called: whoever `at` lists and the text names behind an `@`; everyone needs no text.
fn effective_mentions(at: &Value, text: &str) -> (Vec<String>, bool) {
    let listed = ["atMobiles", "atUserIds"].into_iter().filter_map(|key| at.get(key)?.as_array()).flatten();
    let named = |id: &&str| text.contains(&format!("@{id}"));
    let mentioned = listed.filter_map(Value::as_str).filter(named).map(str::to_owned).collect();
    (mentioned, at.get("isAtAll").and_then(Value::as_bool).unwrap_or(false))
}
