//! Which words a message gets: those of its tenant's template, or Belfry's own where there is none or it is of no use.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, Mutex, PoisonError},
};

use chrono::NaiveDateTime;

use super::{MessageReason, MessageText, TemplateSource, Variables, engine};
use crate::{
    db::TenantId,
    language::Language,
    robots::{self, Channel, OutgoingMessage, truncate_chars},
};

/// How far into a text the keyword must stand so that it is there after the text was cut for its channel, in bytes.
const KEYWORD_WITHIN_BYTES: usize = 4096;

/// The most people whom a message mentions.
pub const MAX_MENTIONS: usize = 50;
/// As long as a phone number gets, and the identity of a message.
const MAX_PHONE_CHARS: usize = 20;
const MAX_MESSAGE_UUID_CHARS: usize = 64;

/// The fewest characters that are left of a name, and the fewest of those whom a message is for.
const MIN_SHORTENED_LENGTH: usize = 20;

/// A template, as it was written at one time.
type TemplateVersion = (TenantId, Channel, MessageReason, NaiveDateTime);

/// The templates that were told of already, so that a bad one does not fill the log.
static WARNED_VERSIONS: LazyLock<Mutex<BTreeSet<TemplateVersion>>> = LazyLock::new(Mutex::default);

/// A tenant's templates and the language of its messages.
#[derive(Clone, Debug)]
pub struct Templates {
    pub(super) tenant: TenantId,
    pub(super) language: Language,
    pub(super) custom: Vec<CustomTemplate>,
}

/// A template of the tenant's own.
#[derive(Clone, Debug)]
pub(super) struct CustomTemplate {
    pub channel: Channel,
    pub reason: MessageReason,
    pub source: TemplateSource,
    pub changed_at: NaiveDateTime,
}

impl Templates {
    /// The language of the tenant's messages, in which [`Variables::severity`] and [`Variables::duration`] are to be.
    #[must_use]
    pub fn language(&self) -> Language {
        self.language
    }

    /// The words of a message. A template that fails, or loses the title or DingTalk's keyword, is told of in the log,
    /// and Belfry's own words stand in.
    #[must_use]
    pub fn render(&self, channel: Channel, reason: MessageReason, variables: &Variables) -> MessageText {
        if let Some(custom) = self.custom.iter().find(|custom| custom.channel == channel && custom.reason == reason) {
            match engine::render(&custom.source, variables) {
                Ok(text) if is_usable(channel, &text, &variables.product) => return text,
                Ok(_) => self.warn_unusable(custom, "it has no title or lacks the product's name"),
                Err(fault) => self.warn_unusable(custom, &fault.to_string()),
            }
        }
        self.render_default(reason, variables)
    }

    /// The words of a message that mentions so many people, as long as its channel takes.
    ///
    /// The content gives way first, then the labels, then the other texts that people wrote. Links and fixed lines stay whole.
    #[must_use]
    pub fn render_within_limits(
        &self,
        channel: Channel,
        reason: MessageReason,
        variables: &Variables,
        mentions: usize,
    ) -> MessageText {
        let fitting = |mentions: usize| {
            self.render_shortened(channel, reason, variables, |text| fits_channel(channel, text, mentions))
        };
        // WeCom takes more where nobody is mentioned, and sends it so when a link would be lost otherwise.
        let text = fitting(mentions.min(MAX_MENTIONS)).or_else(|| fitting(0));
        text.unwrap_or_else(|| self.render(channel, reason, variables))
    }

    /// The words of a message that `fits`, shortened for that where they must be; nothing when they cannot be shortened so far.
    fn render_shortened(
        &self,
        channel: Channel,
        reason: MessageReason,
        variables: &Variables,
        fits: impl Fn(&MessageText) -> bool,
    ) -> Option<MessageText> {
        let unshortened = self.render(channel, reason, variables);
        if fits(&unshortened) {
            return Some(unshortened);
        }
        let render_if_fitting = |variables: &Variables| {
            Some(self.render(channel, reason, variables)).filter(|render_if_fitting| fits(render_if_fitting))
        };
        for part in Shortenable::ALL {
            let (mut fit, mut too_much) = (0, part.longest_text(variables));
            let Some(mut fitting) = render_if_fitting(&part.shorten(variables, 0)) else { continue };
            while too_much - fit > 1 {
                let half = fit.midpoint(too_much);
                match render_if_fitting(&part.shorten(variables, half)) {
                    Some(longer) => (fit, fitting) = (half, longer),
                    None => too_much = half,
                }
            }
            return Some(fitting);
        }
        None
    }

    /// The words of a message, whatever the tenant wrote itself.
    #[must_use]
    pub fn render_default(&self, reason: MessageReason, variables: &Variables) -> MessageText {
        engine::render_default(self.language, reason, variables)
    }

    fn warn_unusable(&self, custom: &CustomTemplate, fault: &str) {
        let edition = (self.tenant, custom.channel, custom.reason, custom.changed_at);
        if WARNED_VERSIONS.lock().unwrap_or_else(PoisonError::into_inner).insert(edition) {
            let (channel, reason) = (custom.channel.as_str(), custom.reason.as_str());
            tracing::warn!(tenant = self.tenant.0, channel, reason, fault, "a message template is not used");
        }
    }
}

/// Whether a channel takes these words whole, with so many people mentioned.
fn fits_channel(channel: Channel, words: &MessageText, mentions: usize) -> bool {
    let mobiles = vec!["0".repeat(MAX_PHONE_CHARS); mentions];
    let (title, text) = (words.title.clone(), words.body.clone());
    robots::fits_channel(channel, &OutgoingMessage { title, text, mobiles, uuid: "0".repeat(MAX_MESSAGE_UUID_CHARS) })
}

/// What gives way in a message that is too long, in this order.
#[derive(Clone, Copy)]
enum Shortenable {
    Content,
    Labels,
    Names,
}

impl Shortenable {
    const ALL: [Self; 3] = [Self::Content, Self::Labels, Self::Names];

    /// How many characters the longest text of this part has at most.
    fn longest_text(self, variables: &Variables) -> usize {
        match self {
            Self::Content => variables.content.len(),
            Self::Labels => {
                let values = variables.labels.values().chain(variables.annotations.values());
                values.map(String::len).max().unwrap_or_default()
            }
            Self::Names => {
                let names = variables.recipients.iter().map(String::len).max().unwrap_or_default();
                [&variables.title, &variables.source, &variables.key]
                    .map(String::len)
                    .into_iter()
                    .fold(names, usize::max)
            }
        }
    }

    /// With at most so many characters in each text of this part, and none in what gives way before it.
    fn shorten(self, variables: &Variables, most: usize) -> Variables {
        let content = match self {
            Self::Content => truncate_chars(&variables.content, most).into_owned(),
            Self::Labels | Self::Names => String::new(),
        };
        let pairs = |pairs: &BTreeMap<String, String>| match self {
            Self::Content => pairs.clone(),
            Self::Labels => {
                let pairs = pairs.iter().take(most.max(1));
                pairs.map(|(name, value)| (name.clone(), truncate_chars(value, most).into_owned())).collect()
            }
            Self::Names => BTreeMap::new(),
        };
        let (labels, annotations) = (pairs(&variables.labels), pairs(&variables.annotations));
        let mut short = Variables { content, labels, annotations, ..variables.clone() };
        if let Self::Names = self {
            for text in [&mut short.title, &mut short.source, &mut short.key] {
                *text = truncate_chars(text, most.max(MIN_SHORTENED_LENGTH)).into_owned();
            }
            short.recipients.truncate(most.max(MIN_SHORTENED_LENGTH));
        }
        short
    }
}

/// Whether a message can go out with these words: it has a title, and the keyword where one is asked for.
fn is_usable(channel: Channel, words: &MessageText, product: &str) -> bool {
    !words.title.is_empty() && has_keyword(channel, words, product)
}

/// Whether DingTalk, whose robots refuse a message without their keyword, will find the product's name.
pub(super) fn has_keyword(channel: Channel, words: &MessageText, product: &str) -> bool {
    let end = words.body.floor_char_boundary(KEYWORD_WITHIN_BYTES);
    let beginning = words.body.get(..end).unwrap_or_default();
    channel != Channel::DingTalk || words.title.contains(product) || beginning.contains(product)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::robots::{RobotAddress, RobotOrigins, build_request};

    const CUSTOM_BODY: &str = "{{ product }} **{{ content }}**\n> {{ labels }} {{ recipients }}\n`{{ key }}` {{ content }}\n\n\
                       <font color=\"info\">{{ title }}</font>\n[{{ title }}]({{ link }})";

    fn templates(own: bool, reason: MessageReason) -> Templates {
        let source = TemplateSource { title: "{{ title }} {{ product }}".to_owned(), body: CUSTOM_BODY.to_owned() };
        let custom = match own {
            true => Channel::ALL
                .map(|channel| CustomTemplate {
                    channel,
                    reason,
                    source: source.clone(),
                    changed_at: NaiveDateTime::default(),
                })
                .to_vec(),
            false => Vec::new(),
        };
        Templates { tenant: TenantId(1), language: Language::Chinese, custom }
    }

    /// What a robot is sent: the body, its title, its text and the addresses of its links.
    fn rendered_payload(channel: Channel, words: &MessageText, mobiles: &[String]) -> (usize, String, String) {
        let url = match channel {
            Channel::DingTalk => "https://oapi.dingtalk.com/robot/send?access_token=fake",
            Channel::Lark => "https://open.feishu.cn/open-apis/bot/v2/hook/fake",
            Channel::WeCom => "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=fake",
        };
        let address = RobotAddress::parse(channel, url, &RobotOrigins::default()).unwrap();
        let (title, text) = (words.title.clone(), words.body.clone());
        let message = OutgoingMessage { title, text, mobiles: mobiles.to_vec(), uuid: "u".repeat(32) };
        let body = build_request(&address, None, &message, 0).body;
        let json: Value = serde_json::from_slice(&body).unwrap();
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        match channel {
            Channel::DingTalk => (body.len(), text("/markdown/title"), text("/markdown/text")),
            Channel::Lark => {
                let content = json.pointer("/content/post/zh_cn/content").unwrap().to_string();
                (body.len(), text("/content/post/zh_cn/title"), content)
            }
            Channel::WeCom => {
                let content = text("/markdown/content") + &text("/text/content");
                let title = content.lines().next().unwrap_or_default().trim_start_matches("### ").to_owned();
                (content.len() + if json["msgtype"] == "text" { 2048 } else { 0 }, title, content)
            }
        }
    }

    #[test]
    fn content_is_shortened_before_the_link() {
        let link = format!("https://g.example/d?x={}", "%E5%91%8A".repeat(80));
        let variables = Variables {
            product: "Dataphin".to_owned(),
            title: "告".repeat(100),
            content: "告".repeat(1000),
            severity: "严重".to_owned(),
            link: link.clone(),
            ..Variables::default()
        };
        for (channel, mentions) in
            [(Channel::WeCom, 0), (Channel::WeCom, 1), (Channel::DingTalk, 1), (Channel::Lark, 0)]
        {
            let text = templates(false, MessageReason::Firing).render_within_limits(
                channel,
                MessageReason::Firing,
                &variables,
                mentions,
            );
            let (_, title, text) = rendered_payload(channel, &text, &vec!["13800138000".to_owned(); mentions]);
            assert!(title.contains(&variables.title) && text.contains(&link), "{channel:?} {text}");
            assert!(text.contains("告告告告") && text.contains("级别：严重") && text.contains("触发时间"), "{text}");
            assert_eq!(
                text.contains("…"),
                (channel, mentions) == (Channel::WeCom, 0) || mentions == 1 && channel == Channel::WeCom
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn link_title_and_keyword_survive_any_alert_text(
            title in prop_oneof!["[a-z告🔔 ]{1,128}", "\\PC{1,128}"],
            piece in "(\\PC|[\"\\\\\n<*_`|\\[\\]]){1,40}",
            times in 0_usize..400,
            labels in prop::collection::btree_map("[a-z]{1,20}", "\\PC{0,300}", 0..20),
            path in "[a-z0-9%/=&.-]{0,2000}",
            mentions in 0_usize..60,
            channel in prop::sample::select(&Channel::ALL[..]),
            reason in prop::sample::select(&[MessageReason::Firing, MessageReason::Repeated, MessageReason::Resolved][..]),
            own in any::<bool>(),
        ) {
            let link = format!("https://g.example/d?x={path}");
            let mut content = piece.repeat(times);
            content.truncate(content.floor_char_boundary(16 * 1024));
            let variables = Variables {
                product: "Dataphin".to_owned(),
                tenant: "north".to_owned(),
                title: title.clone(),
                content,
                severity: "严重".to_owned(),
                source: "prometheus".to_owned(),
                key: title.clone(),
                link: link.clone(),
                labels,
                recipients: vec!["李娜".to_owned(); 200],
                ..Variables::default()
            };
            let text = templates(own, reason).render_within_limits(channel, reason, &variables, mentions);
            let mobiles: Vec<String> = (0..mentions).map(|number| format!("138{number:08}")).collect();
            let (size, shown_title, text) = rendered_payload(channel, &text, &mobiles);
            let limit = match channel {
                Channel::DingTalk => 18_000,
                Channel::Lark => 20_000,
                Channel::WeCom => 4096,
            };
            prop_assert!(size <= limit, "{size}");
            prop_assert!(text.contains(&link), "{text}");
            let first: String = title.trim().chars().take(20).take_while(|character| !"<]_*`~@&\\#".contains(*character)).collect();
            prop_assert!(shown_title.contains(&first), "{shown_title} {first}");
            prop_assert!(shown_title.contains("Dataphin") || text.contains("Dataphin"));
        }
    }
}
