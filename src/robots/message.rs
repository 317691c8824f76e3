//! A message to a group, and the request that carries it.

use std::fmt;

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{
    Channel, RobotAddress, RobotUrl, SigningSecret, dingtalk, lark,
    markdown::{self, Atom},
    wecom,
};

/// The content type of every request; DingTalk refuses any other.
pub const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// What a group is to read. One message suits every channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// The headline, not empty; the keyword that robots may ask for belongs here. It stands on top of the message, so
    /// the text need not repeat it.
    pub title: String,
    /// The body, in markdown of the kind that all channels have: headings, quotes, bold, lists, links. A line end is a
    /// line end. What members or other systems wrote goes through [`super::escape_markdown`] first.
    pub text: String,
    /// Whom to mention, by mobile number. Lark knows no mentions by number and leaves them out.
    pub mobiles: Vec<String>,
    /// The same over all attempts at this message, at most 64 characters, so that DingTalk can drop a duplicate.
    pub uuid: String,
}

/// A POST request, ready to send with [`CONTENT_TYPE`].
#[derive(Clone, PartialEq, Eq)]
pub struct RobotRequest {
    /// The address, with the signature where that belongs into the address.
    pub url: RobotUrl,
    /// The JSON body.
    pub body: Vec<u8>,
}

impl fmt::Debug for RobotRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("url", &self.url).field("body_bytes", &self.body.len()).finish()
    }
}

/// A laid-out body, and whether all of the message is in it.
pub(super) struct MessageBody {
    pub json: serde_json::Value,
    pub is_complete: bool,
}

/// The request for one attempt. `now` is the moment of sending in Unix milliseconds: a signature is good for an hour,
/// so each attempt needs a request of its own. A message that is too long is cut at its end, visibly.
#[must_use]
pub fn build_request(
    address: &RobotAddress,
    secret: Option<&SigningSecret>,
    message: &OutgoingMessage,
    now: i64,
) -> RobotRequest {
    let url = match (address.channel(), secret) {
        (Channel::DingTalk, Some(secret)) => dingtalk::sign_url(address.url(), secret, now),
        _ => address.url().clone(),
    };
    RobotRequest { url, body: build_body(address.channel(), secret, message, now).json.to_string().into_bytes() }
}

/// Whether the channel takes the message whole, so that whoever writes a digest knows how much goes into it.
#[must_use]
pub fn fits_channel(channel: Channel, message: &OutgoingMessage) -> bool {
    build_body(channel, None, message, 0).is_complete
}

fn build_body(channel: Channel, secret: Option<&SigningSecret>, message: &OutgoingMessage, now: i64) -> MessageBody {
    match channel {
        Channel::DingTalk => dingtalk::build_body(message),
        Channel::Lark => lark::build_body(message, secret, now),
        Channel::WeCom => wecom::build_body(message),
    }
}

/// Base64 of HMAC-SHA256.
#[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
pub(super) fn hmac_base64(key: &str, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("any key length");
    mac.update(message.as_bytes());
    BASE64_STANDARD.encode(mac.finalize().into_bytes())
}

/// The numbers to mention, as DingTalk and WeCom know them: mainland numbers without their country code.
pub(super) fn local_mobiles(message: &OutgoingMessage) -> impl Iterator<Item = String> {
    message.mobiles.iter().map(|mobile| local_mobile(mobile)).filter(|mobile| !mobile.is_empty())
}

fn local_mobile(mobile: &str) -> String {
    let number: String = mobile.chars().filter(|c| c.is_ascii_digit() || matches!(c, '+' | '-')).take(20).collect();
    match number.strip_prefix("+86") {
        Some(local) => local.trim_start_matches('-').to_owned(),
        None => number,
    }
}

/// The title as one line, and as the heading above the text.
pub(super) fn title_and_heading(message: &OutgoingMessage) -> (String, Vec<Atom>) {
    let title = markdown::to_one_line(&message.title);
    let heading = markdown::to_heading(&title);
    (title, heading)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::robots::RobotOrigins;

    fn address(channel: Channel) -> RobotAddress {
        let text = match channel {
            Channel::DingTalk => "https://oapi.dingtalk.com/robot/send?access_token=fake",
            Channel::Lark => "https://open.feishu.cn/open-apis/bot/v2/hook/fake",
            Channel::WeCom => "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=fake",
        };
        RobotAddress::parse(channel, text, &RobotOrigins::default()).unwrap()
    }

    fn send(channel: Channel, message: &OutgoingMessage) -> (Vec<u8>, Value) {
        let secret = SigningSecret::from_trusted("SECfake");
        let body = build_request(&address(channel), Some(&secret), message, 1_700_000_000_000).body;
        let json = serde_json::from_slice(&body).unwrap();
        (body, json)
    }

    /// What the vendor measures, its limit, and where the title begins.
    fn measured(channel: Channel, body: &[u8], json: &Value) -> (usize, usize, String) {
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        match channel {
            Channel::DingTalk => (body.len(), 18_000, text("/markdown/title").unwrap()),
            Channel::Lark => (body.len(), 20_000, text("/content/post/zh_cn/title").unwrap()),
            Channel::WeCom => match text("/markdown/content") {
                Some(content) => (content.len(), 4096, content.strip_prefix("### ").unwrap().to_owned()),
                None => {
                    let content = text("/text/content").unwrap();
                    (content.len(), 2048, content)
                }
            },
        }
    }

    fn message(title: &str, text: &str) -> OutgoingMessage {
        OutgoingMessage { title: title.to_owned(), text: text.to_owned(), mobiles: Vec::new(), uuid: "u".to_owned() }
    }

    #[test]
    fn only_dingtalk_signs_in_the_address_and_no_channel_changes_it_otherwise() {
        let secret = SigningSecret::from_trusted("SECfake");
        for channel in Channel::ALL {
            let address = address(channel);
            let unsigned = build_request(&address, None, &message("t", "x"), 5);
            assert_eq!(&unsigned.url, address.url());
            let signed = build_request(&address, Some(&secret), &message("t", "x"), 5);
            assert_eq!(&signed.url != address.url(), channel == Channel::DingTalk);
        }
    }

    #[test]
    fn each_attempt_is_signed_at_its_own_time() {
        let secret = SigningSecret::from_trusted("SECfake");
        for channel in [Channel::DingTalk, Channel::Lark] {
            let at = |now| build_request(&address(channel), Some(&secret), &message("t", "x"), now);
            assert_ne!(at(1_700_000_000_000), at(1_700_000_001_000));
        }
    }

    #[test]
    fn a_request_shows_neither_address_nor_body_in_debug_output() {
        let shown = format!("{:?}", build_request(&address(Channel::WeCom), None, &message("t", "x"), 5));
        assert!(shown.contains("***") && !shown.contains("fake"), "{shown}");
    }

    /// What the channels show as the title.
    fn titles(message: &OutgoingMessage) -> [String; 4] {
        let text = |channel, message: &OutgoingMessage, pointer: &str| {
            let (_, json) = send(channel, message);
            json.pointer(pointer)
                .and_then(Value::as_str)
                .and_then(|text| text.lines().next())
                .unwrap_or_default()
                .to_owned()
        };
        let mentioning = OutgoingMessage { mobiles: vec!["13800000000".to_owned()], ..message.clone() };
        [
            text(Channel::DingTalk, message, "/markdown/text"),
            text(Channel::WeCom, message, "/markdown/content"),
            text(Channel::WeCom, &mentioning, "/text/content"),
            text(Channel::Lark, message, "/content/post/zh_cn/title"),
        ]
    }

    #[test]
    fn a_title_is_no_markup_on_any_channel_and_code_in_a_content_stays_as_it_is() {
        for (title, marked) in [
            ("*x* on db", "＊x＊ on db"),
            ("_x_", "_x_\u{200b}"),
            ("`x` `y`", "｀x｀ ｀y｀"),
            ("[x](y)", "[x]\u{200b}(y)"),
            ("C #", "C #\u{200b}"),
            ("<font color=\"info\">x</font>", "<\u{200b}font color=\"info\">x<\u{200b}/font>"),
            ("@all", "＠all"),
            ("rm *.log", "rm *.log"),
        ] {
            let heading = format!("### {marked}");
            let body = "`rm *.log`";
            assert_eq!(titles(&message(title, body)), [heading.as_str(), &heading, title, title]);
            let (_, json) = send(Channel::DingTalk, &message(title, body));
            assert_eq!(json["markdown"]["title"], title);
            assert!(json["markdown"]["text"].as_str().unwrap().ends_with("\n\n`rm *.log`"));
        }
    }

    #[test]
    fn a_message_fits_exactly_as_long_as_nothing_is_cut() {
        for channel in Channel::ALL {
            assert!(fits_channel(channel, &message("标题", "正文")));
            let fitting = (0..21_000)
                .collect::<Vec<_>>()
                .partition_point(|length| fits_channel(channel, &message("t", &"x".repeat(*length))))
                - 1;
            let (_, whole) = send(channel, &message("t", &"x".repeat(fitting)));
            let (_, cut) = send(channel, &message("t", &"x".repeat(fitting + 1)));
            assert!(!whole.to_string().contains('…') && cut.to_string().contains('…'), "{channel:?}");
            let expected = match channel {
                Channel::DingTalk => 17_000..18_000,
                Channel::Lark => 19_500..20_000,
                Channel::WeCom => 4_000..4_096,
            };
            assert!(expected.contains(&fitting), "{channel:?} {fitting}");
        }
    }

    #[test]
    fn a_title_of_512_bytes_is_never_cut_and_mentions_survive_a_cut() {
        let title = "警".repeat(170);
        for channel in Channel::ALL {
            let long =
                OutgoingMessage { mobiles: vec!["13800000000".to_owned()], ..message(&title, &"长\"\n".repeat(9000)) };
            let (body, json) = send(channel, &long);
            let (size, limit, shown) = measured(channel, &body, &json);
            assert!(size <= limit && size > limit - 200, "{channel:?} {size}");
            assert!(shown.starts_with(&title));
            assert_eq!(json.to_string().contains("13800000000"), channel != Channel::Lark);
        }
        let text = send(
            Channel::DingTalk,
            &OutgoingMessage { mobiles: vec!["13800000000".to_owned()], ..message("t", &"长".repeat(9000)) },
        )
        .1;
        assert!(text["markdown"]["text"].as_str().unwrap().ends_with("…\n\n@13800000000"));
    }

    #[test]
    fn a_line_too_long_for_lark_is_cut_within_and_shows_it() {
        let link = format!("[{}](https://a.example)", "字".repeat(8000));
        let (body, json) = send(Channel::Lark, &message("t", &format!("first\n{link}\nlast")));
        assert!(body.len() <= 20_000 && body.len() > 19_900);
        let content = json["content"]["post"]["zh_cn"]["content"].as_array().unwrap();
        assert_eq!(content.len(), 2);
        assert!(content[1][0]["text"].as_str().unwrap().ends_with('…'));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_message_exceeds_the_limit_and_every_title_begins_as_written(
            title in "[\\PC\n\"\\\\]{1,600}",
            piece in "(\\PC|[\"\\\\\n<]|\\[a\\]\\(https://b\\)){1,40}",
            times in 0_usize..2000,
            mobiles in prop::collection::vec("\\+?[0-9]{5,15}", 0..70),
            uuid in "[a-z0-9-]{0,64}",
            channel in prop::sample::select(&Channel::ALL[..]),
        ) {
            prop_assume!(!markdown::to_one_line(&title).is_empty());
            let message = OutgoingMessage { title, text: piece.repeat(times), mobiles, uuid };
            let (body, json) = send(channel, &message);
            let (size, limit, shown) = measured(channel, &body, &json);
            prop_assert!(size <= limit);
            let start: String = markdown::to_one_line(&message.title).chars().take_while(|c| !"<]_*`~@&\\#".contains(*c)).take(100).collect();
            prop_assert!(shown.starts_with(&start));
            if fits_channel(channel, &message) && !message.title.contains('…') && !message.text.contains('…') {
                prop_assert!(!json.to_string().contains('…'));
            }
        }
    }
}
