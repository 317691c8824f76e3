//! The chat groups' robots: what their addresses look like, what a message to them says on the wire, and what their answers mean.
//!
//! Pure rules: nothing here sends, waits, stores, logs or asks what time it is. What is known about DingTalk, Lark and
//! WeCom stands in this room and nowhere else.
//!
//! Sources: DingTalk "Custom robots" (open.dingtalk.com, help.dingtalk.io), Lark "Custom bot" (open.feishu.cn), WeCom
//! "Message push" (developer.work.weixin.qq.com, document 99110), and answers seen in the field where those are silent.

mod address;
mod dingtalk;
mod give_way;
mod lark;
mod markdown;
mod message;
mod origin;
mod rate_limit;
mod redact;
mod response;
mod secret;
mod truncation;
mod wecom;

pub use address::{AddressFault, RobotAddress, RobotOrigins};
pub use give_way::with_less_content;
pub use markdown::{escape_lines, escape_link_url, escape_markdown, escape_title, keep_links_only, unescape_markdown};
pub use message::{CONTENT_TYPE, OutgoingMessage, RobotRequest, build_request, fits_channel};
pub use origin::parse_origin;
pub use rate_limit::{RateLimit, rate_limit_cooldown, rate_limits};
pub use response::{BrokenCause, Meaning, RobotResponse, parse_response, parse_retry_after};
pub use secret::{RobotUrl, SecretFault, SigningSecret};
pub use truncation::{truncate_bytes, truncate_chars};

/// A kind of group robot, by the product whose chat groups it lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Channel {
    /// DingTalk custom robot (钉钉自定义机器人).
    DingTalk,
    /// Lark or Feishu custom bot (飞书自定义机器人).
    Lark,
    /// WeCom group robot (企业微信群机器人, 消息推送).
    WeCom,
}

impl Channel {
    /// Every channel, in the order in which pages list them.
    pub const ALL: [Self; 3] = [Self::DingTalk, Self::Lark, Self::WeCom];

    /// The name in the database, in field names and in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DingTalk => "dingtalk",
            Self::Lark => "lark",
            Self::WeCom => "wecom",
        }
    }

    /// The channel of that name; names are written as [`Channel::as_str`] writes them and no other way.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name)
    }

    /// The hosts that the vendor documents for this channel.
    const fn hosts(self) -> &'static [&'static str] {
        match self {
            Self::DingTalk => &dingtalk::HOSTS,
            Self::Lark => &lark::HOSTS,
            Self::WeCom => &wecom::HOSTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_read_back_from_its_name() {
        for channel in Channel::ALL {
            assert_eq!(Channel::parse(channel.as_str()), Some(channel));
        }
        assert_eq!(Channel::parse("DingTalk"), None);
        assert_eq!(Channel::parse(""), None);
    }
}
