//! DingTalk's custom robot: how its requests are signed and laid out.
//!
//! Sources: open.dingtalk.com "custom robots send group messages", help.dingtalk.io "customize robot security settings".

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::{
    OutgoingMessage, RobotUrl, SigningSecret,
    markdown::markup_lines,
    message::{MessageBody, hmac_base64, local_mobiles, title_and_heading},
    truncation::{fit_lines, is_untruncated, json_weight, truncate},
};

/// The Chinese and the international edition.
pub(super) const HOSTS: [&str; 2] = ["oapi.dingtalk.com", "oapi.dingtalk.io"];
pub(super) const PATH: &str = "/robot/send";

/// DingTalk takes 20,000 bytes; whether it counts them as sent or escaped is not documented, hence the margin.
const MAX_BODY_BYTES: usize = 18_000;

/// DingTalk's markdown runs lines together unless two blanks stand before the line end.
const LINE_END: &str = "  \n";

/// The title shows in notifications, where no more than a line of it has room.
const MAX_TITLE_BYTES: usize = 1024;

/// The most people that one message may mention.
const MAX_MENTIONS: usize = 50;

/// The address with time stamp and signature, percent-encoded exactly once: base64's `+` would arrive as a blank, and a
/// second encoding would break its `=`.
pub(super) fn sign_url(url: &RobotUrl, secret: &SigningSecret, now: i64) -> RobotUrl {
    let signature = sign(secret.expose(), now);
    let signature = utf8_percent_encode(&signature, NON_ALPHANUMERIC);
    RobotUrl::new(format!("{}&timestamp={now}&sign={signature}", url.expose()))
}

/// The secret is the key and part of the message too.
fn sign(secret: &str, milliseconds: i64) -> String {
    hmac_base64(secret, &format!("{milliseconds}\n{secret}"))
}

pub(super) fn build_body(message: &OutgoingMessage) -> MessageBody {
    let (title, heading) = title_and_heading(message);
    let short_title = truncate(&title, MAX_TITLE_BYTES, char::len_utf8);
    let mobiles: Vec<String> = local_mobiles(message).take(MAX_MENTIONS).collect();
    let to_json = |text: &str| {
        json!({
            "msgtype": "markdown",
            "markdown": { "title": short_title, "text": text },
            "at": { "atMobiles": mobiles, "isAtAll": false },
            "msgUuid": message.uuid,
        })
    };
    // The mentions stand at the end, where a cut must not reach them: who is listed but not named in the text hears nothing.
    let mentions = mention_line(&mobiles);
    let lines = [vec![heading, Vec::new()], markup_lines(&message.text)].concat();
    let used_bytes = to_json(&mentions).to_string().len();
    let fitted = fit_lines(&lines, LINE_END, MAX_BODY_BYTES.saturating_sub(used_bytes), json_weight);
    let text = fitted.text.replacen(&LINE_END.repeat(2), "\n\n", 1);
    MessageBody {
        json: to_json(&format!("{text}{mentions}")),
        is_complete: is_untruncated(&short_title) && fitted.is_complete,
    }
}

fn mention_line(mobiles: &[String]) -> String {
    if mobiles.is_empty() {
        return String::new();
    }
    let names: Vec<String> = mobiles.iter().map(|mobile| format!("@{mobile}")).collect();
    format!("\n\n{}", names.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "this is secret";

    #[test]
    fn signatures_agree_with_an_independent_implementation() {
        let sec = format!("SEC{}", "0".repeat(64));
        for (now, secret, plain, encoded) in [
            (
                1_700_000_000_000,
                SECRET,
                "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0=",
                "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0%3D",
            ),
            (
                1_577_262_236_757,
                SECRET,
                "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM=",
                "hmPWwU%2B7lVdm3ZZz0r9tSfx0L4Q26jWOZr9%2BGs6EZQM%3D",
            ),
            (
                1_700_000_000_001,
                SECRET,
                "aOZ0Y/R7BCg4xs87AcG5MYf26YmwfVRTLD0z3X+p/mM=",
                "aOZ0Y%2FR7BCg4xs87AcG5MYf26YmwfVRTLD0z3X%2Bp%2FmM%3D",
            ),
            (
                1_700_000_000_000,
                sec.as_str(),
                "+8WOOUUcTkFRyfCevQaISh9EUbkxaatnd6MLtL7dAY8=",
                "%2B8WOOUUcTkFRyfCevQaISh9EUbkxaatnd6MLtL7dAY8%3D",
            ),
        ] {
            assert_eq!(sign(secret, now), plain);
            let url = RobotUrl::new("https://oapi.dingtalk.com/robot/send?access_token=fake".to_owned());
            let signed = sign_url(&url, &SigningSecret::from_trusted(secret), now);
            assert_eq!(signed.expose(), format!("{}&timestamp={now}&sign={encoded}", url.expose()));
        }
    }

    #[test]
    fn seconds_or_larks_roles_would_give_another_signature() {
        let signature = sign(SECRET, 1_700_000_000_000);
        assert_eq!(sign(SECRET, 1_700_000_000), "0gy50rUziRgEQQ5BlfpijB6FVcJUiEcvkYhmxakRD7c=");
        assert_ne!(signature, "0gy50rUziRgEQQ5BlfpijB6FVcJUiEcvkYhmxakRD7c=");
        assert_ne!(signature, "J85Yk9GFYQfBxRSGeVjqb6vzpr2HAroZsCi0DUtIhuM=");
    }

    #[test]
    fn a_message_is_markdown_with_the_mentioned_named_in_the_text_as_well() {
        let body = build_body(&OutgoingMessage {
            title: "Dataphin: disk full".to_owned(),
            text: "first  \nsecond\n\nthird".to_owned(),
            mobiles: vec!["+86-13800000000".to_owned(), "13900000000".to_owned()],
            uuid: "u-1".to_owned(),
        });
        assert!(body.is_complete);
        let text = "### Dataphin: disk full\n\nfirst  \nsecond  \n  \nthird\n\n@13800000000 @13900000000";
        let expected = json!({
            "msgtype": "markdown",
            "markdown": { "title": "Dataphin: disk full", "text": text },
            "at": { "atMobiles": ["13800000000", "13900000000"], "isAtAll": false },
            "msgUuid": "u-1",
        });
        assert_eq!(body.json, expected);
    }

    #[test]
    fn no_more_people_are_mentioned_than_dingtalk_allows() {
        let mobiles = (0..60).map(|n| format!("138000000{n:02}")).collect();
        let message = OutgoingMessage { title: "t".to_owned(), text: "x".to_owned(), mobiles, uuid: String::new() };
        let json = build_body(&message).json;
        assert_eq!(json["at"]["atMobiles"].as_array().unwrap().len(), 50);
        assert_eq!(json["markdown"]["text"].as_str().unwrap().matches('@').count(), 50);
    }
}
