//! How a DingTalk custom robot judges a call: <https://open.dingtalk.com/document/orgapp/custom-robots-send-group-messages>.

use chrono::NaiveDateTime;
use serde_json::Value;

use super::{
    check::{BANNED_TEXT, Incoming, Refusal, Visit, address_allowed, signature_matches},
    group::{Group, Standing, Wording},
    record::Message,
};

/// Most bytes of a body.
const MOST_BYTES: usize = 20_000;
/// How far a signature's timestamp may be from now, in milliseconds.
const SIGNATURE_AGE: i64 = 3_600_000;

/// The checks, in the robot's order.
pub(super) fn judge(visit: &Visit<'_>) -> Result<Message, Refusal> {
    let incoming = visit.incoming;
    if !incoming.is_post() {
        return Err(Refusal::new(43002, "需要POST请求"));
    }
    if visit.token.is_empty() {
        return Err(Refusal::new(40035, "缺少参数 access_token"));
    }
    let wording = visit.group.map_or(Wording::New, |group| group.wording);
    if !visit.in_pace {
        return Err(too_fast(wording));
    }
    let group = visit.group.ok_or_else(|| unknown_token(wording))?;
    standing(group)?;
    let json = body(incoming, wording)?;
    if !address_allowed(&group.allowed_ips, incoming.peer) {
        return Err(foreign_address(wording, incoming));
    }
    if let Some(secret) = &group.secret {
        signature(incoming, secret, visit.now, wording)?;
    }
    let message = read(&json);
    if !message.as_ref().is_some_and(|message| message.contains_one_of(&group.keywords)) && !group.keywords.is_empty() {
        return Err(keyword_missing(wording));
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
fn too_fast(wording: Wording) -> Refusal {
    match wording {
        Wording::Old => Refusal::new(130_101, "send too fast, exceed 20 times per minute"),
        Wording::Middle => Refusal::new(410_100, "发送速度太快而限流"),
        Wording::New | Wording::NewChinese => Refusal::new(660_026, "sending too many messages per minute"),
    }
}

fn unknown_token(wording: Wording) -> Refusal {
    match wording {
        Wording::Old => Refusal::new(300_001, "token is not exist"),
        Wording::Middle => Refusal::new(300_001, "description: robot 不存在；solution:请确认 token 是否正确；"),
        Wording::New | Wording::NewChinese => Refusal::new(300_005, "token is not exist"),
    }
}

fn standing(group: &Group) -> Result<(), Refusal> {
    match group.standing {
        Standing::Open => Ok(()),
        Standing::Disabled => Err(Refusal::new(400_102, disabled(group.wording))),
        Standing::Removed => Err(Refusal::new(400_106, "机器人不存在")),
        Standing::GroupGone => Err(Refusal::new(400_013, "群已被解散")),
        Standing::TokenReset => Err(unknown_token(group.wording)),
    }
}

fn disabled(wording: Wording) -> String {
    match wording {
        Wording::Old | Wording::Middle => "机器人已停用".to_owned(),
        Wording::New | Wording::NewChinese => {
            worded(wording, "", "机器人已经停用或者未启用", "请联系群管理员启用机器人")
        }
    }
}

fn body(incoming: &Incoming, wording: Wording) -> Result<Value, Refusal> {
    if !incoming.content_type.eq_ignore_ascii_case("application/json") {
        return Err(Refusal::new(43004, "无效的HTTP HEADER Content-Type"));
    }
    let json = incoming.json().ok_or_else(|| Refusal::new(40035, "缺少参数 json"))?;
    if incoming.body.len() > MOST_BYTES {
        return Err(too_long(wording));
    }
    Ok(json)
}

fn too_long(wording: Wording) -> Refusal {
    match wording {
        Wording::Old => Refusal::new(101_002, "message is too long"),
        Wording::Middle => Refusal::new(460_101, "message too long, exceed 20000 bytes"),
        Wording::New | Wording::NewChinese => {
            Refusal::new(460_101, worded(wording, "", " body 大小不合法", "请保持大小在 20000bytes 以内"))
        }
    }
}

fn foreign_address(wording: Wording, incoming: &Incoming) -> Refusal {
    let address = incoming.peer.map(|address| address.to_string()).unwrap_or_default();
    let english = format!("ip {address} not in whitelist");
    refusal_310000(wording, &english, "ip 不在白名单中", "请联系对应群的管理员，设置机器人安全ip地址段")
}

/// Key is the secret, message is timestamp, line feed, secret.
fn signature(incoming: &Incoming, secret: &str, now: NaiveDateTime, wording: Wording) -> Result<(), Refusal> {
    let timestamp = incoming.parameter("timestamp").unwrap_or_default();
    let sign = incoming.parameter("sign").unwrap_or_default();
    if !signature_matches(secret, &format!("{timestamp}\n{secret}"), &sign) {
        let remedy = "请确认签名和生成签名的时间戳必须都放在调用的网址中，请确认机器人的密钥加密和填写正确";
        return Err(refusal_310000(wording, "sign not match", "机器人发送签名不匹配", remedy));
    }
    let now = now.and_utc().timestamp_millis();
    let fresh = timestamp.parse::<i64>().is_ok_and(|signed| now.abs_diff(signed) <= SIGNATURE_AGE.unsigned_abs());
    if !fresh {
        let remedy = "签名生成时间和发送时间请保持在 timestampms 以内";
        return Err(refusal_310000(wording, "invalid timestamp", "机器人发送签名过期", remedy));
    }
    Ok(())
}

fn keyword_missing(wording: Wording) -> Refusal {
    let remedy = "请联系群管理员查看此机器人的关键词，并在发送的信息中包含此关键词";
    refusal_310000(wording, "keywords not in content", "关键词不匹配", remedy)
}

/// The one code of all security settings.
fn refusal_310000(wording: Wording, english: &str, problem: &str, remedy: &str) -> Refusal {
    Refusal::new(310_000, worded(wording, english, problem, remedy))
}

/// An error text in a generation's form.
fn worded(wording: Wording, english: &str, problem: &str, remedy: &str) -> String {
    match wording {
        Wording::Old => english.to_owned(),
        Wording::Middle => format!("{english}, more: [https://ding-doc.dingtalk.com/doc#/serverapi2/qf2nxq]"),
        Wording::New => format!("description:{problem};solution:{remedy};"),
        Wording::NewChinese => format!("错误描述:{problem};解决方案:{remedy};"),
    }
}

/// The message, or `None` when its type is none of the five that a webhook takes.
fn read(json: &Value) -> Option<Message> {
    let kind = json.get("msgtype")?.as_str()?;
    let content = json.get(kind).unwrap_or(&Value::Null);
    let field = |name: &str| content.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (title, text) = match kind {
        "text" => (None, field("content")),
        "markdown" | "link" | "actionCard" => (Some(field("title")), field("text")),
        "feedCard" => (None, feed_titles(content)),
        _ => return None,
    };
    let (mentions, mentions_all) = mentions(json.get("at").unwrap_or(&Value::Null), &text);
    let msg_uuid = json.get("msgUuid").and_then(Value::as_str).filter(|uuid| !uuid.is_empty()).map(str::to_owned);
    Some(Message { kind: kind.to_owned(), title, text, mentions, mentions_all, msg_uuid })
}

fn feed_titles(content: &Value) -> String {
    let links = content.get("links").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    links.iter().filter_map(|link| link.get("title")?.as_str()).collect::<Vec<_>>().join("\n")
}

/// Who is really called: whoever `at` lists and the text names behind an `@`; everyone needs no text.
fn mentions(at: &Value, text: &str) -> (Vec<String>, bool) {
    let listed = ["atMobiles", "atUserIds"].into_iter().filter_map(|key| at.get(key)?.as_array()).flatten();
    let named = |id: &&str| text.contains(&format!("@{id}"));
    let mentioned = listed.filter_map(Value::as_str).filter(named).map(str::to_owned).collect();
    (mentioned, at.get("isAtAll").and_then(Value::as_bool).unwrap_or(false))
}
