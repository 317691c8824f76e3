//! What a pretended group and its robot are set to: security settings, standing, wording, and the faults to play.

use std::time::Duration;

/// The messenger whose robot is pretended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RobotKind {
    /// A DingTalk custom robot.
    DingTalk,
    /// A Lark (Feishu) custom bot.
    Lark,
    /// A WeCom group robot.
    WeCom,
}

impl RobotKind {
    /// A lower-case name for texts' keys and style classes.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::DingTalk => "dingtalk",
            Self::Lark => "lark",
            Self::WeCom => "wecom",
        }
    }

    /// The webhook of the robot with this token, below an origin such as `http://127.0.0.1:9100`.
    #[must_use]
    pub fn webhook_url(self, base: &str, token: &str) -> String {
        let base = base.trim_end_matches('/');
        match self {
            Self::DingTalk => format!("{base}/robot/send?access_token={token}"),
            Self::Lark => format!("{base}/open-apis/bot/v2/hook/{token}"),
            Self::WeCom => format!("{base}/cgi-bin/webhook/send?key={token}"),
        }
    }
}

/// Which generation of the vendor's answers a robot speaks. All of them are still met in the wild.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApiGeneration {
    /// DingTalk until about 2021: plain English, 130101 for "too fast", 300001 for an unknown token, 101002 for "too
    /// long". Lark: success has only `StatusCode`, and "too fast" is 9499 with HTTP 400.
    Old,
    /// DingTalk afterwards: English with `more: [link]`, 410100 for "too fast". Lark: "too fast" is 9499 with HTTP 400.
    /// WeCom: a warning behind the `ok`.
    Middle,
    /// DingTalk today: `description:…;solution:…;`, 660026 for "too fast". Lark: "too fast" is 11232 with HTTP 200.
    #[default]
    New,
    /// As `New`, with DingTalk's labels in Chinese: `错误描述:…;解决方案:…;`.
    NewChinese,
}

/// Whether a robot is there and may speak.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RobotStatus {
    /// The robot takes messages.
    #[default]
    Active,
    /// A group administrator switched the robot off.
    Disabled,
    /// The robot was taken out of its group.
    Removed,
    /// The group was dissolved.
    GroupDissolved,
    /// The robot's address was reset, so that nobody knows this token any more.
    TokenReset,
}

impl RobotStatus {
    /// Every standing, in the order in which the page offers them.
    pub const ALL: [Self; 5] = [Self::Active, Self::Disabled, Self::Removed, Self::GroupDissolved, Self::TokenReset];

    /// A name for the form and for texts' keys.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "open",
            Self::Disabled => "disabled",
            Self::Removed => "removed",
            Self::GroupDissolved => "group-gone",
            Self::TokenReset => "token-reset",
        }
    }
}

/// A group with its robot. It holds the signing secret, so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Group {
    /// The group's name; when empty the page numbers it.
    pub name: String,
    /// Custom keywords: a message must contain at least one, byte for byte. WeCom has none.
    pub keywords: Vec<String>,
    /// The signing secret (DingTalk's starts with `SEC`). WeCom has none.
    pub secret: Option<String>,
    /// IPv4 addresses, CIDR ranges or `1.2.3.*` that may call; empty lets everyone. WeCom has none.
    pub allowed_ips: Vec<String>,
    /// Whether the robot is there and may speak.
    pub status: RobotStatus,
    /// Which generation of answers it gives.
    pub generation: ApiGeneration,
    /// Answers `"errcode":"0"` instead of `0`, as DingTalk's response example does.
    pub code_as_string: bool,
    /// Switches the rate limit off, for load tests.
    pub has_no_rate_limit: bool,
}

impl Group {
    /// A group of this name whose robot has no security settings.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// With this custom keyword.
    #[must_use]
    pub fn with_keyword(mut self, keyword: impl Into<String>) -> Self {
        self.keywords.push(keyword.into());
        self
    }

    /// With this signing secret.
    #[must_use]
    pub fn with_secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// With this generation of answers.
    #[must_use]
    pub fn with_generation(mut self, generation: ApiGeneration) -> Self {
        self.generation = generation;
        self
    }
}

/// Something that goes wrong between a sender and the robot.
///
/// The first group stands before the robot, which then hears nothing. The second stands behind it: the message is
/// heard (or refused) as usual, and only the answer suffers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InjectedFault {
    /// Before: this HTTP status with a gateway's HTML page.
    Status(u16),
    /// Before: HTTP 200 with an HTML page.
    HtmlPage,
    /// Before: the body with which DingTalk's firewall bans an address; it has no `errcode`.
    FirewallBan,
    /// Before: "system busy", -1 at DingTalk and WeCom, 2200 at Lark.
    Busy,
    /// Before: HTTP 429 with `Retry-After`, in whole seconds.
    TooManyRequests(Duration),
    /// Before: HTTP 301 to this location.
    Redirect(String),
    /// Before: never answers (for ten minutes at most).
    NeverAnswers,
    /// Before: closes the connection instead of answering.
    ConnectionReset,
    /// Behind: the answer comes this much later.
    Delay(Duration),
    /// Behind: the answer's JSON stops in the middle.
    TruncatedBody,
    /// Behind: HTTP 200 with an empty body.
    EmptyBody,
    /// Behind: one byte of the answer at a time, this far apart.
    SlowBytes(Duration),
    /// Behind: closes the connection after the message was heard.
    ResetAfterDelivery,
}

impl InjectedFault {
    /// The faults that the page offers.
    pub(super) fn all_offered() -> Vec<Self> {
        vec![
            Self::Busy,
            Self::Status(500),
            Self::Status(502),
            Self::HtmlPage,
            Self::FirewallBan,
            Self::TooManyRequests(Duration::from_secs(30)),
            Self::Redirect("https://example.com/elsewhere".to_owned()),
            Self::NeverAnswers,
            Self::ConnectionReset,
            Self::Delay(Duration::from_secs(30)),
            Self::TruncatedBody,
            Self::EmptyBody,
            Self::SlowBytes(Duration::from_secs(1)),
            Self::ResetAfterDelivery,
        ]
    }

    /// A name for the form and for texts' keys.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Status(500) => "status-500",
            Self::Status(_) => "status",
            Self::HtmlPage => "html",
            Self::FirewallBan => "punished",
            Self::Busy => "busy",
            Self::TooManyRequests(_) => "too-many",
            Self::Redirect(_) => "redirect",
            Self::NeverAnswers => "hang",
            Self::ConnectionReset => "reset",
            Self::Delay(_) => "delay",
            Self::TruncatedBody => "truncated",
            Self::EmptyBody => "empty",
            Self::SlowBytes(_) => "slow-bytes",
            Self::ResetAfterDelivery => "reset-after-hearing",
        }
    }

    /// Whether the robot hears nothing of the call.
    #[must_use]
    pub fn prevents_delivery(&self) -> bool {
        match self {
            Self::Status(_)
            | Self::HtmlPage
            | Self::FirewallBan
            | Self::Busy
            | Self::TooManyRequests(_)
            | Self::Redirect(_)
            | Self::NeverAnswers
            | Self::ConnectionReset => true,
            Self::Delay(_) | Self::TruncatedBody | Self::EmptyBody | Self::SlowBytes(_) | Self::ResetAfterDelivery => {
                false
            }
        }
    }
}
