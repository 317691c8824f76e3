//! What a robot's answer means. HTTP 200 alone says nothing: whether a message was delivered stands in the body's code.
//!
//! One table for all channels. Codes decide; where the vendors have changed them over the years, or use one code for
//! several things, the wording decides. What cannot be read is [`Meaning::Unknown`], never a success.
//!
//! Sources: the vendors' error tables (DingTalk "custom robots", Lark "custom bot" and "common error codes", WeCom
//! documents 90313 and 99110) and answers logged in the field, which are newer than the tables.

use std::time::Duration;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

use super::{
    Channel, RobotAddress,
    rate_limit::{clamp_cooldown, rate_limit_cooldown},
    truncation::truncate,
};

/// How much of an answer's text is kept, in characters.
const MAX_TEXT_CHARS: usize = 500;

/// How much of a code that is no number is kept, in characters.
const MAX_CODE_CHARS: usize = 32;

/// How much of a body is looked at when it is no JSON, in bytes.
const MAX_SCANNED_BYTES: usize = 4096;

/// DingTalk bans the calling address for five minutes after 10,000 calls in 20 seconds.
const GATEWAY_BAN: Duration = Duration::from_secs(300);

/// An answer, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotResponse {
    /// What to make of it.
    pub meaning: Meaning,
    /// How long the robot is to be left alone: always there for [`Meaning::RateLimited`]; for [`Meaning::Temporary`] when the
    /// answer asks for it.
    pub cooldown: Option<Duration>,
    /// The vendor's code, as in `310000`; none when the answer has none.
    pub code: Option<String>,
    /// The vendor's words for the record: one line of at most 500 characters, secrets masked. Shown as text, not as HTML.
    pub text: String,
}

/// What an answer means for the message and for the robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// The group has it.
    Delivered,
    /// Too fast: the robot rests, and the message goes out afterwards.
    RateLimited,
    /// A passing fault on the other side: try again.
    Temporary,
    /// The message is too long.
    TooLong,
    /// The content was refused: the same text must not be repeated.
    ContentRefused,
    /// The robot's configuration is broken: nothing gets through until an administrator acts.
    Broken(BrokenCause),
    /// Our request was wrong: repeating it is of no use.
    InvalidRequest,
    /// It cannot be told. Tried again like a passing fault, then shown.
    Unknown,
}

impl Meaning {
    /// Every meaning, with each cause.
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = [
            Self::Delivered,
            Self::RateLimited,
            Self::Temporary,
            Self::TooLong,
            Self::ContentRefused,
            Self::InvalidRequest,
            Self::Unknown,
        ];
        plain.into_iter().chain(BrokenCause::ALL.map(Self::Broken))
    }

    /// The name in the database and in metrics: the text's key without its `robots-`, as in `broken-keyword`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.key().trim_start_matches("robots-")
    }

    /// The meaning of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|meaning| meaning.as_str() == name)
    }

    /// The key of the text that says what happened and what to do.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Delivered => "robots-delivered",
            Self::RateLimited => "robots-wait",
            Self::Temporary => "robots-passing",
            Self::TooLong => "robots-too-long",
            Self::ContentRefused => "robots-content-refused",
            Self::Broken(cause) => cause.key(),
            Self::InvalidRequest => "robots-our-fault",
            Self::Unknown => "robots-unknown",
        }
    }
}

/// Which part of a robot's configuration is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BrokenCause {
    /// The message has none of the robot's keywords.
    Keyword,
    /// The signing secret is missing or wrong.
    Signature,
    /// The signature's time is more than an hour off: somebody's clock is wrong.
    ClockSkew,
    /// The robot does not accept calls from this address.
    IpNotAllowed,
    /// One of the robot's security settings refused, and the answer does not say which.
    SecuritySetting,
    /// No robot has this token.
    UnknownToken,
    /// The robot is switched off.
    Disabled,
    /// The robot was removed.
    Removed,
    /// The robot may not write to the group, or is not in it any more.
    NotInGroup,
    /// The group was dissolved.
    GroupDissolved,
    /// The host has no robots at this path.
    WrongPath,
    /// The host says that the robot lives elsewhere for good; Belfry follows no redirects, since they lead anywhere.
    Moved,
    /// The organisation's quota for the month is used up.
    QuotaExhausted,
    /// Belfry itself refuses the stored address: its origin is no longer one that the operator permits. No answer says this;
    /// it is here so that the record has one list of causes.
    AddressRefused,
}

impl BrokenCause {
    /// Every cause.
    pub const ALL: [Self; 14] = [
        Self::Keyword,
        Self::Signature,
        Self::ClockSkew,
        Self::IpNotAllowed,
        Self::SecuritySetting,
        Self::UnknownToken,
        Self::Disabled,
        Self::Removed,
        Self::NotInGroup,
        Self::GroupDissolved,
        Self::WrongPath,
        Self::Moved,
        Self::QuotaExhausted,
        Self::AddressRefused,
    ];

    /// The key of the text that tells the administrator what to do.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Keyword => "robots-broken-keyword",
            Self::Signature => "robots-broken-signature",
            Self::ClockSkew => "robots-broken-clock-skew",
            Self::IpNotAllowed => "robots-broken-ip-not-allowed",
            Self::SecuritySetting => "robots-broken-security",
            Self::UnknownToken => "robots-broken-unknown-token",
            Self::Disabled => "robots-broken-disabled",
            Self::Removed => "robots-broken-removed",
            Self::NotInGroup => "robots-broken-not-in-group",
            Self::GroupDissolved => "robots-broken-group-gone",
            Self::WrongPath => "robots-broken-wrong-path",
            Self::Moved => "robots-broken-moved",
            Self::QuotaExhausted => "robots-broken-quota-spent",
            Self::AddressRefused => "robots-broken-address-refused",
        }
    }

    /// How many such answers in a row it takes to believe it and pause the robot. DingTalk has been seen to alternate
    /// between success and "token is not exist" for one and the same robot, and a signature that is too old deserves one
    /// more attempt, which is signed anew.
    #[must_use]
    pub const fn confirmations_required(self) -> u32 {
        match self {
            Self::UnknownToken => 3,
            Self::ClockSkew => 2,
            _ => 1,
        }
    }
}

/// Reads an answer of the robot at `address`. `retry_after` is what the header of that name asks for, or Lark's
/// `x-ogw-ratelimit-reset`, by [`parse_retry_after`]. Time-outs and broken connections have no answer
/// and are the caller's.
#[must_use]
pub fn parse_response(
    address: &RobotAddress,
    http_status: u16,
    body: &[u8],
    retry_after: Option<Duration>,
) -> RobotResponse {
    let channel = address.channel();
    let json = serde_json::from_slice::<Value>(body).ok().filter(Value::is_object);
    let code = json.as_ref().and_then(|json| response_code(channel, json));
    let words = match &json {
        Some(json) => response_text(json),
        None => String::from_utf8_lossy(body.get(..MAX_SCANNED_BYTES).unwrap_or(body)).into_owned(),
    };
    let meaning = match &code {
        Some(code) => meaning_by_code(channel, http_status, code, &words.to_lowercase()),
        None if json.as_ref().is_some_and(is_gateway_ban) => Meaning::Temporary,
        None => meaning_by_status(http_status),
    };
    let cooldown = match meaning {
        // A gateway in between, which speaks for itself, and not the vendor.
        Meaning::RateLimited if code.is_none() && retry_after.is_some() => retry_after.map(clamp_cooldown),
        Meaning::RateLimited => Some(rate_limit_cooldown(channel, retry_after)),
        Meaning::Temporary if code.is_none() && json.as_ref().is_some_and(is_gateway_ban) => Some(GATEWAY_BAN),
        Meaning::Temporary => retry_after.map(clamp_cooldown),
        _ => None,
    };
    let truncated = |text: &str, length| truncate(&address.mask_token(text), length, |_| 1).into_owned();
    RobotResponse {
        meaning,
        cooldown,
        code: code.map(|code| truncated(&code, MAX_CODE_CHARS)),
        text: truncated(&words, MAX_TEXT_CHARS),
    }
}

/// How long the header `Retry-After` asks to wait: whole seconds, or until a date, of which `now` is held against the second;
/// nothing when it can be read as neither.
#[must_use]
pub fn parse_retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    // The three forms of HTTP dates: that of today, and the two that RFC 9110 still has receivers understand.
    let forms = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = forms.into_iter().find_map(|form| NaiveDateTime::parse_from_str(value, form).ok())?;
    Some((date.and_utc() - now).to_std().unwrap_or(Duration::ZERO))
}

/// The code, which some answers give as a number and others as text. Lark's older answers have only `StatusCode`.
fn response_code(channel: Channel, json: &Value) -> Option<String> {
    let value = match channel {
        Channel::DingTalk | Channel::WeCom => json.get("errcode"),
        Channel::Lark => json.get("code").or_else(|| json.get("StatusCode")),
    };
    match value? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim().to_owned()),
        _ => None,
    }
}

fn response_text(json: &Value) -> String {
    let message = ["errmsg", "msg", "StatusMessage", "message"].into_iter().find_map(|name| json.get(name)?.as_str());
    message.map_or_else(|| json.to_string(), str::to_owned)
}

/// The page that DingTalk's gateway gives to an address that calls too often; it has no code.
fn is_gateway_ban(json: &Value) -> bool {
    json.get("source").and_then(Value::as_str) == Some("x5") && json.get("wait").is_some()
}

fn meaning_by_code(channel: Channel, http_status: u16, code: &str, words: &str) -> Meaning {
    if code == "0" {
        // A success inside a failure is none.
        return if (200..300).contains(&http_status) { Meaning::Delivered } else { meaning_by_status(http_status) };
    }
    let number = code.parse().ok();
    number
        .and_then(|number| meaning_of_listed_code(channel, number, words))
        .or_else(|| meaning_by_wording(words))
        .unwrap_or_else(|| meaning_by_status(http_status))
}

/// What a code means; `words` are in lower case. `None` when the code is not listed or leaves it to the words.
fn meaning_of_listed_code(channel: Channel, code: i64, words: &str) -> Option<Meaning> {
    use Channel::{DingTalk, Lark, WeCom};
    use Meaning::{Broken, ContentRefused, InvalidRequest, RateLimited, Temporary, TooLong};
    let meaning = match (channel, code) {
        (DingTalk | WeCom, -1) => Temporary,

        // The same condition, by the year: 130101 to 2023, 410100 in the documents, 660026 seen since.
        (DingTalk, 130_101 | 410_100 | 660_026) => RateLimited,
        (DingTalk, 90_002 | 90_018) => Temporary,
        (DingTalk, 90_020) => Broken(BrokenCause::QuotaExhausted),
        (DingTalk, 22 | 88 | 404) => Broken(BrokenCause::WrongPath),
        (DingTalk, 40_035 | 43_002 | 43_004 | 400_105) => InvalidRequest,
        (DingTalk, 101_002 | 460_101) => TooLong,
        (DingTalk, 300_001) if words.contains("title or text is null") => InvalidRequest,
        (DingTalk, 300_001 | 300_005 | 400_101) => Broken(BrokenCause::UnknownToken),
        (DingTalk, 400_013) => Broken(BrokenCause::GroupDissolved),
        (DingTalk, 400_102) => Broken(BrokenCause::Disabled),
        (DingTalk, 400_106) => Broken(BrokenCause::Removed),
        (DingTalk, 430_101..=430_104) => ContentRefused,
        // One code for every security setting.
        (DingTalk, 310_000) => Broken(security_cause(words).unwrap_or(BrokenCause::SecuritySetting)),

        (Lark, 1500 | 2200) => Temporary,
        (Lark, 9499) if words.contains("too many request") => RateLimited,
        (Lark, 9499) if words.contains("bad request") => InvalidRequest,
        (Lark, 11_232 | 11_233 | 11_247 | 99_991_400) => RateLimited,
        (Lark, 11_246 | 11_248 | 11_312) => ContentRefused,
        (Lark, 19_001) => Broken(BrokenCause::UnknownToken),
        (Lark, 19_002) => InvalidRequest,
        // "sign match fail or timestamp is not within one hour": the wrong secret is far more common than a wrong clock.
        (Lark, 19_021) => Broken(BrokenCause::Signature),
        (Lark, 19_022) => Broken(BrokenCause::IpNotAllowed),
        (Lark, 19_024) => Broken(BrokenCause::Keyword),
        (Lark, 19_036) => TooLong,

        (WeCom, 45_009) => RateLimited,
        (WeCom, 45_033) => Temporary,
        (WeCom, 40_058) if words.contains("exceed max length") => TooLong,
        (WeCom, 45_002) => TooLong,
        (WeCom, 40_008 | 40_058 | 44_004 | 93_017) => InvalidRequest,
        (WeCom, 93_000) => Broken(BrokenCause::UnknownToken),
        (WeCom, 93_001 | 93_008) => Broken(BrokenCause::NotInGroup),
        (WeCom, 93_004) => Broken(BrokenCause::Disabled),
        _ => return None,
    };
    Some(meaning)
}

/// What the words mean when the code is not listed: vendors renumber faster than they reword.
fn meaning_by_wording(words: &str) -> Option<Meaning> {
    let contains_any = |any: &[&str]| any.iter().any(|wording| words.contains(wording));
    if contains_any(&[
        "send too fast",
        "too many messages",
        "too many request",
        "frequency limited",
        "freq out of limit",
        "限流",
    ]) {
        return Some(Meaning::RateLimited);
    }
    if contains_any(&["too long", "exceed max length", "exceeds the size limit", "大小不合法"]) {
        return Some(Meaning::TooLong);
    }
    if contains_any(&[
        "token is not exist",
        "access token invalid",
        "access_token不存在",
        "robot 不存在",
        "invalid webhook url",
    ]) {
        return Some(Meaning::Broken(BrokenCause::UnknownToken));
    }
    if contains_any(&["机器人已停用", "机器人已经停用"]) {
        return Some(Meaning::Broken(BrokenCause::Disabled));
    }
    if contains_any(&["机器人不存在"]) {
        return Some(Meaning::Broken(BrokenCause::Removed));
    }
    if contains_any(&["群已被解散"]) {
        return Some(Meaning::Broken(BrokenCause::GroupDissolved));
    }
    if contains_any(&["系统繁忙", "system busy", "system is busy"]) {
        return Some(Meaning::Temporary);
    }
    security_cause(words).map(Meaning::Broken)
}

/// Which security setting refused, by all generations of wordings. The expired signature is looked for before the wrong one,
/// since both speak of the signature.
fn security_cause(words: &str) -> Option<BrokenCause> {
    let contains_any = |any: &[&str]| any.iter().any(|wording| words.contains(wording));
    if contains_any(&["关键词", "keywords not in content", "key words not found"]) {
        Some(BrokenCause::Keyword)
    } else if contains_any(&["签名过期", "invalid timestamp"]) {
        Some(BrokenCause::ClockSkew)
    } else if contains_any(&["签名", "sign not match", "sign match fail"]) {
        Some(BrokenCause::Signature)
    } else if contains_any(&["白名单", "whitelist", "ip not allowed"]) {
        Some(BrokenCause::IpNotAllowed)
    } else {
        None
    }
}

/// What the status says when the body does not. The vendors answer 200 whatever happens, so all else comes from a
/// gateway, a proxy or a private edition in between.
fn meaning_by_status(http_status: u16) -> Meaning {
    match http_status {
        429 => Meaning::RateLimited,
        408 | 425 | 500..=599 => Meaning::Temporary,
        413 => Meaning::TooLong,
        404 | 405 => Meaning::Broken(BrokenCause::WrongPath),
        410 => Meaning::Broken(BrokenCause::Removed),
        // "For good" pauses the robot until its address is corrected. The other redirects may be a network's log-in page or
        // maintenance, gone in a minute: like everything unknown they are tried again.
        301 | 308 => Meaning::Broken(BrokenCause::Moved),
        _ => Meaning::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{language::Language, robots::RobotOrigins};

    fn response_of(channel: Channel, status: u16, body: &[u8], retry_after: Option<&str>) -> RobotResponse {
        let address = match channel {
            Channel::DingTalk => "https://oapi.dingtalk.com/robot/send?access_token=canary-of-dingtalk",
            Channel::Lark => "https://open.feishu.cn/open-apis/bot/v2/hook/canary-of-lark",
            Channel::WeCom => "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=canary-of-wecom",
        };
        let now = NaiveDateTime::parse_from_str("2037-10-21 07:27:00", "%F %T").unwrap().and_utc();
        let retry_after = retry_after.and_then(|value| parse_retry_after(value, now));
        parse_response(
            &RobotAddress::parse(channel, address, &RobotOrigins::default()).unwrap(),
            status,
            body,
            retry_after,
        )
    }

    fn read(channel: Channel, body: &str) -> RobotResponse {
        response_of(channel, 200, body.as_bytes(), None)
    }

    fn dingtalk(code: i64, words: &str) -> Meaning {
        read(Channel::DingTalk, &json!({ "errcode": code, "errmsg": words }).to_string()).meaning
    }

    fn lark(code: i64, words: &str) -> Meaning {
        read(Channel::Lark, &json!({ "code": code, "msg": words, "data": {} }).to_string()).meaning
    }

    fn wecom(code: i64, words: &str) -> Meaning {
        let suffix = ", hint: [1592021214_50_abc], from ip: 203.0.113.7, more info at https://open.work.weixin.qq.com/devtool/query?e=1";
        read(Channel::WeCom, &json!({ "errcode": code, "errmsg": format!("{words}{suffix}") }).to_string()).meaning
    }

    use Meaning::{Broken, ContentRefused, Delivered, InvalidRequest, RateLimited, Temporary, TooLong, Unknown};

    #[test]
    fn every_code_and_wording_of_dingtalk_is_understood() {
        for (code, words, meaning) in [
            (0, "ok", Delivered),
            (-1, "系统繁忙", Temporary),
            (404, "请求的URI地址不存在", Broken(BrokenCause::WrongPath)),
            (22, "Invalid method", Broken(BrokenCause::WrongPath)),
            (88, "sub_code 40014", Broken(BrokenCause::WrongPath)),
            (40_035, "缺少参数 access_token", InvalidRequest),
            (40_035, "缺少参数 json", InvalidRequest),
            (43_002, "需要POST请求", InvalidRequest),
            (43_004, "无效的HTTP HEADER Content-Type", InvalidRequest),
            (101_002, "message is too long", TooLong),
            (460_101, "description: body 大小不合法;solution:请保持大小在 20000bytes 以内;", TooLong),
            (460_101, "message too long, exceed 20000 bytes", TooLong),
            (130_101, "send too fast, exceed 20 times per minute", RateLimited),
            (410_100, "发送速度太快而限流", RateLimited),
            (660_026, "sending too many messages per minute", RateLimited),
            (90_018, "", Temporary),
            (90_002, "", Temporary),
            (90_020, "", Broken(BrokenCause::QuotaExhausted)),
            (300_001, "token is not exist", Broken(BrokenCause::UnknownToken)),
            (300_001, "description: robot 不存在；solution:请确认 token 是否正确；", Broken(BrokenCause::UnknownToken)),
            (300_001, "message param title or text is null ", InvalidRequest),
            (300_005, "token is not exist", Broken(BrokenCause::UnknownToken)),
            (400_101, "access_token不存在", Broken(BrokenCause::UnknownToken)),
            (400_102, "description:机器人已经停用或者未启用;solution:请联系管理员;", Broken(BrokenCause::Disabled)),
            (400_102, "机器人已停用", Broken(BrokenCause::Disabled)),
            (400_106, "机器人不存在", Broken(BrokenCause::Removed)),
            (400_013, "群已被解散", Broken(BrokenCause::GroupDissolved)),
            (400_105, "不支持的消息类型", InvalidRequest),
            (310_000, "keywords not in content", Broken(BrokenCause::Keyword)),
            (
                310_000,
                "keywords not in content, more: [https://ding-doc.dingtalk.com/doc#/x]",
                Broken(BrokenCause::Keyword),
            ),
            (
                310_000,
                "description:关键词不匹配;solution:请联系群管理员查看此机器人的关键词;",
                Broken(BrokenCause::Keyword),
            ),
            (310_000, "错误描述:关键词不匹配;解决方案:请联系群管理员;", Broken(BrokenCause::Keyword)),
            (310_000, "sign not match", Broken(BrokenCause::Signature)),
            (310_000, "sign not match, more: [https://ding-doc.dingtalk.com/doc#/x]", Broken(BrokenCause::Signature)),
            (
                310_000,
                "description:机器人发送签名不匹配;solution:请确认签名和生成签名的时间戳;",
                Broken(BrokenCause::Signature),
            ),
            (310_000, "invalid timestamp", Broken(BrokenCause::ClockSkew)),
            (
                310_000,
                "description:机器人发送签名过期;solution:签名生成时间和发送时间请保持在 timestampms 以内;",
                Broken(BrokenCause::ClockSkew),
            ),
            (310_000, "ip 203.0.113.7 not in whitelist", Broken(BrokenCause::IpNotAllowed)),
            (
                310_000,
                "description:ip 不在白名单中;solution:请联系对应群的管理员，设置机器人安全ip地址段",
                Broken(BrokenCause::IpNotAllowed),
            ),
            (310_000, "something new", Broken(BrokenCause::SecuritySetting)),
            (430_101, "unsafe external link", ContentRefused),
            (430_102, "", ContentRefused),
            (430_103, "", ContentRefused),
            (430_104, "", ContentRefused),
            (302_033, "", Unknown),
            (430_105, "", Unknown),
        ] {
            assert_eq!(dingtalk(code, words), meaning, "{code} {words}");
        }
    }

    #[test]
    fn every_code_and_wording_of_lark_is_understood() {
        for (code, words, meaning) in [
            (0, "success", Delivered),
            (19_001, "param invalid: incoming webhook access token invalid", Broken(BrokenCause::UnknownToken)),
            (19_002, "params error, msg_type need", InvalidRequest),
            (
                19_021,
                "sign match fail or timestamp is not within one hour from current time",
                Broken(BrokenCause::Signature),
            ),
            (19_022, "Ip Not Allowed", Broken(BrokenCause::IpNotAllowed)),
            (19_024, "Key Words Not Found", Broken(BrokenCause::Keyword)),
            (19_036, "message exceeds the size limit of 30KB", TooLong),
            (9499, "too many request", RateLimited),
            (9499, "Bad Request", InvalidRequest),
            (9499, "", Unknown),
            (11_232, "frequency limited psm[lark.oapi.app_platform_runtime]appID[1500]", RateLimited),
            (11_233, "", RateLimited),
            (11_247, "", RateLimited),
            (2200, "internal error", Temporary),
            (1500, "", Temporary),
            (11_246, "", ContentRefused),
            (11_248, "", ContentRefused),
            (11_312, "", ContentRefused),
            (99_991_400, "request trigger frequency limit", RateLimited),
            (12_345, "", Unknown),
            // A WeCom or DingTalk code means nothing here.
            (-1, "", Unknown),
            (310_000, "", Unknown),
        ] {
            assert_eq!(lark(code, words), meaning, "{code} {words}");
        }
    }

    #[test]
    fn every_code_and_wording_of_wecom_is_understood() {
        for (code, words, meaning) in [
            (0, "ok", Delivered),
            (-1, "system busy", Temporary),
            (93_000, "invalid webhook url", Broken(BrokenCause::UnknownToken)),
            (93_001, "chat not allowed", Broken(BrokenCause::NotInGroup)),
            (93_004, "robot disabled", Broken(BrokenCause::Disabled)),
            (93_008, "not in group", Broken(BrokenCause::NotInGroup)),
            (93_017, "empty body", InvalidRequest),
            (45_009, "api freq out of limit", RateLimited),
            (45_033, "api concurrent out of limit", Temporary),
            (40_008, "invalid message type", InvalidRequest),
            (40_058, "markdown.content exceed max length 4096. invalid Request Parameter", TooLong),
            (40_058, "invalid Request Parameter", InvalidRequest),
            (44_004, "empty content", InvalidRequest),
            (45_002, "content size out of limit", TooLong),
            (99_999, "something", Unknown),
        ] {
            assert_eq!(wecom(code, words), meaning, "{code} {words}");
        }
    }

    #[test]
    fn an_unlisted_code_is_understood_by_its_words() {
        assert_eq!(dingtalk(1, "Send too fast, exceed 20 times per minute"), RateLimited);
        assert_eq!(dingtalk(1, "message too long"), TooLong);
        assert_eq!(dingtalk(1, "token is not exist"), Broken(BrokenCause::UnknownToken));
        assert_eq!(dingtalk(1, "机器人已停用"), Broken(BrokenCause::Disabled));
        assert_eq!(dingtalk(1, "机器人不存在"), Broken(BrokenCause::Removed));
        assert_eq!(dingtalk(1, "群已被解散"), Broken(BrokenCause::GroupDissolved));
        assert_eq!(dingtalk(1, "系统繁忙"), Temporary);
        assert_eq!(dingtalk(1, "description:关键词不匹配"), Broken(BrokenCause::Keyword));
        assert_eq!(lark(1, "sign match fail"), Broken(BrokenCause::Signature));
        // Words never make a success.
        assert_eq!(dingtalk(1, "ok"), Unknown);
        assert_eq!(lark(1, "success"), Unknown);
    }

    #[test]
    fn a_code_may_be_text_and_larks_old_answers_have_only_a_status_code() {
        let ok = read(Channel::DingTalk, r#"{"errcode":"0","errmsg":"ok"}"#);
        assert_eq!((ok.meaning, ok.code.as_deref(), ok.text.as_str()), (Delivered, Some("0"), "ok"));
        assert_eq!(
            read(Channel::DingTalk, r#"{"errcode":"310000","errmsg":"sign not match"}"#).meaning,
            Broken(BrokenCause::Signature)
        );
        let old = read(Channel::Lark, r#"{"StatusCode":0,"StatusMessage":"success"}"#);
        assert_eq!((old.meaning, old.text.as_str()), (Delivered, "success"));
        assert_eq!(
            read(
                Channel::Lark,
                r#"{"StatusCode":0,"StatusMessage":"success","code":19024,"msg":"Key Words Not Found"}"#
            )
            .meaning,
            Broken(BrokenCause::Keyword)
        );
    }

    #[test]
    fn what_is_no_answer_of_a_robot_is_unknown_and_never_a_success() {
        for body in [
            "",
            "<html><body>ok</body></html>",
            r#"{"errcode":0,"errms"#,
            "0",
            "\"ok\"",
            "[]",
            "null",
            "{}",
            r#"{"errcode":null}"#,
            r#"{"errcode":0.0}"#,
            r#"{"errcode":false}"#,
            r#"{"errcode":""}"#,
            r#"{"errcode":"00"}"#,
            r#"{"data":{"errcode":0}}"#,
        ] {
            for channel in [Channel::DingTalk, Channel::WeCom] {
                assert_eq!(read(channel, body).meaning, Unknown, "{body}");
            }
        }
        // The other channel's field is not this channel's.
        assert_eq!(read(Channel::Lark, r#"{"errcode":0}"#).meaning, Unknown);
        assert_eq!(read(Channel::DingTalk, r#"{"code":0}"#).meaning, Unknown);
    }

    #[test]
    fn the_status_decides_when_the_body_has_no_code() {
        for (status, meaning) in [
            (201, Unknown),
            (204, Unknown),
            (301, Broken(BrokenCause::Moved)),
            (302, Unknown),
            (303, Unknown),
            (307, Unknown),
            (308, Broken(BrokenCause::Moved)),
            (400, Unknown),
            (401, Unknown),
            (403, Unknown),
            (404, Broken(BrokenCause::WrongPath)),
            (408, Temporary),
            (410, Broken(BrokenCause::Removed)),
            (413, TooLong),
            (429, RateLimited),
            (500, Temporary),
            (502, Temporary),
            (503, Temporary),
            (504, Temporary),
        ] {
            assert_eq!(response_of(Channel::DingTalk, status, b"<html>", None).meaning, meaning, "{status}");
        }
    }

    #[test]
    fn a_code_beats_the_status_but_a_success_needs_a_status_that_is_one() {
        let limited = br#"{"code":9499,"msg":"too many request"}"#;
        assert_eq!(response_of(Channel::Lark, 400, limited, None).meaning, RateLimited);
        let ok = br#"{"errcode":0,"errmsg":"ok"}"#;
        assert_eq!(response_of(Channel::DingTalk, 302, ok, None).meaning, Unknown);
        assert_eq!(response_of(Channel::DingTalk, 500, ok, None).meaning, Temporary);
        assert_eq!(response_of(Channel::DingTalk, 201, ok, None).meaning, Delivered);
    }

    #[test]
    fn a_rate_limited_robot_cools_down_as_its_channel_asks() {
        let rest = |channel, asked| response_of(channel, 429, b"", asked).cooldown.map(|rest| rest.as_secs());
        assert_eq!(rest(Channel::DingTalk, None), Some(600));
        assert_eq!(rest(Channel::DingTalk, Some("soon")), Some(600));
        for channel in Channel::ALL {
            assert_eq!(rest(channel, Some("2")), Some(2), "a gateway without a vendor's code");
            assert_eq!(rest(channel, Some("Wed, 21 Oct 2037 07:28:00 GMT")), Some(60));
            assert_eq!(response_of(channel, 503, b"", Some("2")).cooldown, Some(Duration::from_secs(2)));
        }
        let too_fast = br#"{"errcode":660026,"errmsg":"sending too many messages per minute"}"#;
        let rest_of = |body: &[u8]| response_of(Channel::DingTalk, 429, body, Some("5")).cooldown;
        assert_eq!(rest_of(too_fast), Some(Duration::from_secs(600)), "the vendor's own too fast");
        assert_eq!(rest(Channel::WeCom, None), Some(60));
        for (asked, seconds) in [
            (None, 60),
            (Some(" 7 "), 7),
            (Some("0"), 1),
            (Some("1000000000"), 600),
            (Some("-1"), 60),
            (Some("soon"), 60),
            (Some("Wed, 21 Oct 2026 07:28:00 GMT"), 1),
            (Some("Wed, 21 Oct 2037 07:27:07 GMT"), 7),
            (Some("Wednesday, 21-Oct-37 07:27:07 GMT"), 7),
            (Some("Wed Oct 21 07:27:07 2037"), 7),
            (Some("Wed, 21 Oct 2037 09:00:00 GMT"), 600),
            (Some("Wed, 32 Oct 2037 09:00:00 GMT"), 60),
            (Some("7.5"), 60),
        ] {
            assert_eq!(rest(Channel::Lark, asked), Some(seconds), "{asked:?}");
        }
        let busy = |asked| response_of(Channel::DingTalk, 503, b"", asked).cooldown;
        assert_eq!(busy(Some("30")), Some(Duration::from_secs(30)));
        assert_eq!(busy(None), None);
        assert_eq!(response_of(Channel::DingTalk, 200, br#"{"errcode":0}"#, Some("30")).cooldown, None);
    }

    #[test]
    fn dingtalks_gateway_page_is_a_ban_that_passes_unless_it_has_a_code() {
        let page =
            r#"{"status":1111,"wait":5,"source":"x5","punish":"deny","uuid":"0123456789abcdef0123456789abcdef"}"#;
        let answer = read(Channel::DingTalk, page);
        assert_eq!((answer.meaning, answer.cooldown), (Temporary, Some(GATEWAY_BAN)));
        assert!(!answer.text.contains("0123456789abcdef"));
        let coded =
            r#"{"errcode":130101,"errmsg":"send too fast","status":1111,"wait":5,"source":"x5","punish":"deny"}"#;
        let answer = read(Channel::DingTalk, coded);
        assert_eq!((answer.meaning, answer.cooldown), (RateLimited, Some(Duration::from_secs(600))));
    }

    #[test]
    fn the_recorded_text_is_short_and_masks_secrets() {
        let words =
            "invalid webhook url ?key=fake-key, hint: [1], from ip: 203.0.113.7\u{7}, /open-apis/bot/v2/hook/fake-hook";
        let answer = read(Channel::WeCom, &json!({ "errcode": 93_000, "errmsg": words }).to_string());
        assert_eq!(answer.text, "invalid webhook url ?key=***, hint: [1], from ip: ***, /open-apis/bot/v2/hook/***");
        let page =
            format!("<a href='https://oapi.dingtalk.com/robot/send?access_token=fake'>{}</a>", "错 ".repeat(4000));
        let answer = read(Channel::DingTalk, &page);
        assert_eq!(answer.text.chars().count(), 500);
        assert!(answer.text.ends_with('…') && !answer.text.contains("fake"));
    }

    #[test]
    fn the_robots_own_token_is_masked_wherever_the_answer_repeats_it() {
        let lark = read(Channel::Lark, r#"{"code":"canary-of-lark","msg":"no robot canary-of-lark here"}"#);
        assert_eq!((lark.code.as_deref(), lark.text.as_str()), (Some("***"), "no robot *** here"));
        assert_eq!(read(Channel::WeCom, "<p>canary-of-wecom</p>").text, "<p>***</p>");
    }

    #[test]
    fn every_meaning_parses_from_its_name_and_has_texts() {
        for meaning in Meaning::all() {
            assert_eq!(Meaning::parse(meaning.as_str()), Some(meaning));
            for language in Language::ALL {
                assert_ne!(language.text(meaning.key()), meaning.key());
            }
        }
        assert_eq!(Broken(BrokenCause::Keyword).as_str(), "broken-keyword");
        assert_eq!(Meaning::parse("broken"), None);
    }

    #[test]
    fn every_fault_has_its_text_in_both_languages() {
        let address = crate::robots::AddressFault::ALL.map(crate::robots::AddressFault::key);
        let secret = crate::robots::SecretFault::ALL.map(crate::robots::SecretFault::key);
        for key in address.into_iter().chain(secret) {
            for language in Language::ALL {
                assert_ne!(language.text(key), key);
            }
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_reading_panic_or_succeed(
            body in prop::collection::vec(any::<u8>(), 0..300), status in any::<u16>(), retry in prop::option::of("\\PC{0,12}"),
            channel in prop::sample::select(&Channel::ALL[..]),
        ) {
            let answer = response_of(channel, status, &body, retry.as_deref());
            prop_assert_ne!(answer.meaning, Delivered);
            prop_assert!(answer.text.chars().count() <= 500 && !answer.text.chars().any(char::is_control));
            prop_assert!(answer.cooldown.is_some() || answer.meaning != RateLimited);
        }

        #[test]
        fn only_code_zero_with_a_good_status_is_delivered(
            code in prop_oneof![Just(0_i64), any::<i64>(), -2_i64..100_000], as_text in any::<bool>(), status in 100_u16..600, words in "\\PC{0,30}",
            channel in prop::sample::select(&Channel::ALL[..]),
        ) {
            let value = if as_text { json!(code.to_string()) } else { json!(code) };
            let body = match channel {
                Channel::Lark => json!({ "code": value, "msg": words }),
                _ => json!({ "errcode": value, "errmsg": words }),
            };
            let answer = response_of(channel, status, body.to_string().as_bytes(), None);
            prop_assert_eq!(answer.meaning == Delivered, code == 0 && (200..300).contains(&status));
            prop_assert_eq!(answer.cooldown.is_some(), answer.meaning == RateLimited);
        }
    }
}
