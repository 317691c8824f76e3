//! A robot's address: read strictly, from what a person pastes, and always written the same way.
//!
//! Belfry calls whatever address it is given, so this is where a forged one must stop: known hosts or origins that the
//! operator named, exact paths, plausible tokens, and nothing else in the address at all.

use url::{Host, Origin, Url};

use super::{Channel, RobotUrl, dingtalk, lark, parse_origin, redact::redact, wecom};
use crate::text::trim_invisible;

/// The longest address that is read, in bytes. A signed DingTalk address has about 230.
const MAX_URL_BYTES: usize = 1024;

/// The longest token, in characters. DingTalk's have 64, Lark's and WeCom's 36.
const MAX_TOKEN_CHARS: usize = 128;

/// Of tokens shorter than this nothing is shown: four characters would be too great a part of them.
const MIN_TOKEN_CHARS_FOR_HINT: usize = 12;

/// The operator's further origins that robots may live at: a private DingTalk, the sandbox.
///
/// Plain http, odd ports and private network addresses are permitted for these origins only.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RobotOrigins(Vec<Origin>);

impl RobotOrigins {
    /// Reads origins separated by commas, as in `https://ding.corp.example,http://127.0.0.1:9100`. Empty text is no origin.
    ///
    /// # Errors
    ///
    /// A sentence for each entry that is not an origin, with anything like a token masked.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let entries = text.split(',').map(trim_invisible).filter(|entry| !entry.is_empty());
        let (mut origins, mut faults) = (Vec::new(), Vec::new());
        for entry in entries {
            match parse_robot_origin(entry) {
                Ok(origin) => origins.push(origin),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() { Ok(Self(origins)) } else { Err(faults) }
    }

    /// Whether the operator named the origin that this URL belongs to.
    #[must_use]
    pub fn contains(&self, url: &Url) -> bool {
        self.0.contains(&url.origin())
    }
}

fn parse_robot_origin(entry: &str) -> Result<Origin, String> {
    parse_origin(entry)
        .map(|url| url.origin())
        .map_err(|why| format!("BELFRY_ROBOT_ORIGINS: \"{}\" is not an origin for robots: {why}.", redact(entry)))
}

/// The address of a robot, checked for its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotAddress {
    channel: Channel,
    url: RobotUrl,
    host: String,
    last_four: String,
}

impl RobotAddress {
    /// Reads an address as a person pastes it. It is put together again from its checked parts, so the same robot always
    /// has the same text, and reading that text again gives the same address. Stored addresses are read back through here
    /// too: an origin that the operator no longer names is then refused.
    ///
    /// # Errors
    ///
    /// Says which part is wrong, without repeating it.
    pub fn parse(channel: Channel, text: &str, origins: &RobotOrigins) -> Result<Self, AddressFault> {
        let text = trim_invisible(text);
        if text.len() > MAX_URL_BYTES {
            return Err(AddressFault::TooLong);
        }
        // URL parsers mend what they are given (tabs vanish, backslashes turn, full-width letters shrink); an address that
        // needs mending is not the one that the vendor's page showed.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(AddressFault::Characters);
        }
        let url = Url::parse(text).map_err(|fault| match fault {
            url::ParseError::InvalidPort => AddressFault::Port,
            _ => AddressFault::NotAUrl,
        })?;
        let (authority, path) = split_as_written(text, &url).ok_or(AddressFault::NotAUrl)?;
        let is_operator_origin = origins.contains(&url);
        check_origin(channel, &url, authority, is_operator_origin)?;
        if url.fragment().is_some() {
            return Err(AddressFault::ExtraParts);
        }
        let token = extract_token(channel, path, url.query())?;
        Ok(Self::from_parts(channel, &url, token))
    }

    fn from_parts(channel: Channel, url: &Url, token: &str) -> Self {
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let origin = format!("{}://{host}", url.scheme());
        let text = match channel {
            Channel::DingTalk => format!("{origin}{}?access_token={token}", dingtalk::PATH),
            Channel::Lark => format!("{origin}{}{token}", lark::PATH),
            Channel::WeCom => format!("{origin}{}?key={token}", wecom::PATH),
        };
        let last_four = match token.len() {
            length if length >= MIN_TOKEN_CHARS_FOR_HINT => token.get(length - 4..).unwrap_or_default().to_owned(),
            _ => String::new(),
        };
        Self { channel, url: RobotUrl::new(text), host, last_four }
    }

    /// The channel that the address was read for.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// The whole address, a secret.
    #[must_use]
    pub fn url(&self) -> &RobotUrl {
        &self.url
    }

    /// The host, with the port when it is not the scheme's own. Not a secret.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The last four characters of the token, which may be shown; empty when the token is shorter than twelve characters.
    #[must_use]
    pub fn last_four(&self) -> &str {
        &self.last_four
    }

    /// A text that came from this robot, with its token masked, and whatever else looks like a secret.
    pub(super) fn mask_token(&self, text: &str) -> String {
        let token = self.url.expose().rsplit(['=', '/']).next().unwrap_or_default();
        // One to three characters are no secret, and would be found in every other word.
        if token.len() < 4 { redact(text) } else { redact(&text.replace(token, "***")) }
    }
}

/// The authority and the path just as they are written, or nothing when the address is not of the form `scheme://host…`.
fn split_as_written<'t>(text: &'t str, url: &Url) -> Option<(&'t str, &'t str)> {
    let rest = text.get(url.scheme().len()..)?.strip_prefix("://")?;
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    (!authority.is_empty()).then_some((authority, path))
}

fn check_origin(channel: Channel, url: &Url, authority: &str, is_operator_origin: bool) -> Result<(), AddressFault> {
    if url.scheme() != "https" && !is_operator_origin {
        return Err(AddressFault::NotHttps);
    }
    if authority.contains('@') {
        return Err(AddressFault::UserInfo);
    }
    let host = url.host_str().unwrap_or_default();
    if !is_operator_origin && !is_vendor_host(channel, url) {
        let is_other_vendor = Channel::ALL.into_iter().any(|other| is_vendor_host(other, url));
        return Err(if is_other_vendor { AddressFault::OtherChannel } else { AddressFault::UnknownHost });
    }
    // 0x7f000001, %6fapi… and the like: other spellings of a permitted host that a parser mends.
    let authority = authority.to_ascii_lowercase();
    let port = authority.strip_prefix(host).ok_or(AddressFault::UnknownHost)?;
    let expected = url.port_or_known_default().unwrap_or_default();
    let is_expected_port = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port == expected.to_string());
    if !is_expected_port || (!is_operator_origin && expected != 443) {
        return Err(AddressFault::Port);
    }
    Ok(())
}

fn is_vendor_host(channel: Channel, url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(host)) if channel.hosts().contains(&host))
}

/// The token, from where the channel has it. `path` is as it was written: a parser would resolve its dots.
fn extract_token<'u>(channel: Channel, path: &'u str, query: Option<&'u str>) -> Result<&'u str, AddressFault> {
    let token = match channel {
        // `timestamp` and `sign` belong to one sending, so a pair that was pasted along is of no use and silently dropped.
        Channel::DingTalk => expect_path(path, dingtalk::PATH)
            .and_then(|()| single_query_value(query, "access_token", &["timestamp", "sign"]))?,
        Channel::WeCom => expect_path(path, wecom::PATH).and_then(|()| single_query_value(query, "key", &[]))?,
        Channel::Lark => {
            let token = path.strip_prefix(lark::PATH).ok_or(AddressFault::Path)?;
            if query.is_some() {
                return Err(AddressFault::ExtraParts);
            }
            token
        }
    };
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if token.is_empty() || token.len() > MAX_TOKEN_CHARS || !token.bytes().all(is_token_byte) {
        return Err(AddressFault::Token);
    }
    Ok(token)
}

fn expect_path(path: &str, expected: &str) -> Result<(), AddressFault> {
    if path == expected { Ok(()) } else { Err(AddressFault::Path) }
}

/// The value of the one key that a query must have; the droppable ones may stand beside it, once each.
fn single_query_value<'q>(query: Option<&'q str>, key: &str, ignored: &[&str]) -> Result<&'q str, AddressFault> {
    let mut seen: Vec<&str> = Vec::new();
    let mut token = None;
    for pair in query.ok_or(AddressFault::Token)?.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if seen.contains(&name) || (name != key && !ignored.contains(&name)) {
            return Err(AddressFault::ExtraParts);
        }
        if name == key {
            token = Some(value);
        }
        seen.push(name);
    }
    token.ok_or(AddressFault::Token)
}

/// Which part of an address is wrong. Never holds the address, so it can be shown and logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFault {
    /// Not of the form `https://…` at all: a bare token, for instance.
    NotAUrl,
    /// White space, control characters, backslashes or anything beyond ASCII inside.
    Characters,
    /// More than 1024 bytes.
    TooLong,
    /// Another scheme than https, and not an origin that the operator named.
    NotHttps,
    /// Neither a host of this channel nor an origin that the operator named.
    UnknownHost,
    /// The address of another channel's robot.
    OtherChannel,
    /// A port other than 443.
    Port,
    /// A user name or password before the host.
    UserInfo,
    /// Not the path of this channel's robots.
    Path,
    /// The token is missing or cannot be one.
    Token,
    /// Something after or beside the token: a fragment, an unknown or a doubled key.
    ExtraParts,
}

impl AddressFault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::NotAUrl,
        Self::Characters,
        Self::TooLong,
        Self::NotHttps,
        Self::UnknownHost,
        Self::OtherChannel,
        Self::Port,
        Self::UserInfo,
        Self::Path,
        Self::Token,
        Self::ExtraParts,
    ];

    /// The key of the text that tells the person what to do.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::NotAUrl => "robots-fault-not-a-url",
            Self::Characters => "robots-fault-characters",
            Self::TooLong => "robots-fault-too-long",
            Self::NotHttps => "robots-fault-not-https",
            Self::UnknownHost => "robots-fault-unknown-host",
            Self::OtherChannel => "robots-fault-other-channel",
            Self::Port => "robots-fault-port",
            Self::UserInfo => "robots-fault-user-info",
            Self::Path => "robots-fault-path",
            Self::Token => "robots-fault-token",
            Self::ExtraParts => "robots-fault-extra-parts",
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UUID: &str = "00000000-1111-4222-8333-444444444444";

    fn no_origins() -> RobotOrigins {
        RobotOrigins::default()
    }

    fn parse(channel: Channel, text: &str) -> Result<RobotAddress, AddressFault> {
        RobotAddress::parse(channel, text, &no_origins())
    }

    fn fault_of(channel: Channel, text: &str) -> AddressFault {
        parse(channel, text).expect_err(text)
    }

    fn dingtalk_fault(origin: &str) -> AddressFault {
        fault_of(Channel::DingTalk, &format!("{origin}/robot/send?access_token={HEX}"))
    }

    #[test]
    fn every_documented_address_is_accepted_as_it_stands() {
        for (channel, text) in [
            (Channel::DingTalk, format!("https://oapi.dingtalk.com/robot/send?access_token={HEX}")),
            (Channel::DingTalk, format!("https://oapi.dingtalk.io/robot/send?access_token={HEX}")),
            (Channel::Lark, format!("https://open.feishu.cn/open-apis/bot/v2/hook/{UUID}")),
            (Channel::Lark, format!("https://open.larksuite.com/open-apis/bot/v2/hook/{UUID}")),
            (Channel::WeCom, format!("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={UUID}")),
        ] {
            let address = parse(channel, &text).unwrap();
            assert_eq!(address.url().expose(), text);
            assert_eq!(address.channel(), channel);
            assert_eq!(address.last_four(), &text[text.len() - 4..]);
            assert_eq!(address.host(), text.split('/').nth(2).unwrap());
        }
    }

    #[test]
    fn different_spellings_of_one_robot_become_the_same_text() {
        let plain = format!("https://oapi.dingtalk.com/robot/send?access_token={HEX}");
        for text in [
            format!("  {plain}\r\n"),
            format!("HTTPS://OAPI.DingTalk.com:443/robot/send?access_token={HEX}"),
            format!("{plain}&timestamp=1700000000000&sign=sSFW%2BELb%3D"),
            format!("https://oapi.dingtalk.com/robot/send?timestamp=1&access_token={HEX}&sign=x"),
        ] {
            assert_eq!(parse(Channel::DingTalk, &text).unwrap().url().expose(), plain, "{text}");
        }
    }

    #[test]
    fn neither_debug_output_nor_a_fault_tells_the_token() {
        let address =
            parse(Channel::DingTalk, &format!("https://oapi.dingtalk.com/robot/send?access_token={HEX}")).unwrap();
        let shown = format!("{address:?}");
        assert!(shown.contains("***") && !shown.contains("89abcdef0123"), "{shown}");
    }

    #[test]
    fn a_short_token_shows_nothing_of_itself() {
        let of = |token: &str| {
            parse(Channel::WeCom, &format!("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={token}")).unwrap()
        };
        assert_eq!(of("short-token").last_four(), "");
        assert_eq!(of("short-token1").last_four(), "ken1");
    }

    #[test]
    fn only_https_is_accepted() {
        assert_eq!(dingtalk_fault("http://oapi.dingtalk.com"), AddressFault::NotHttps);
        for text in ["ftp://oapi.dingtalk.com/", "gopher://x/", "dict://x/", "ldap://x/", "jar://x/"] {
            assert_eq!(fault_of(Channel::DingTalk, text), AddressFault::NotHttps, "{text}");
        }
        for text in [
            "",
            HEX,
            "oapi.dingtalk.com/robot/send",
            "javascript:alert(1)",
            "file:///etc/passwd",
            "data:text/plain,x",
            "https://",
        ] {
            assert_eq!(fault_of(Channel::DingTalk, text), AddressFault::NotAUrl, "{text}");
        }
    }

    #[test]
    fn addresses_that_a_parser_would_repair_are_refused() {
        for text in ["https:/oapi.dingtalk.com", "https:oapi.dingtalk.com", "https:///oapi.dingtalk.com"] {
            assert_eq!(dingtalk_fault(text), AddressFault::NotAUrl, "{text}");
        }
        for text in [
            "https://oapi.dingtalk.com\\@evil.example",
            "https:\\\\oapi.dingtalk.com",
            "https://oapi.ding\ttalk.com",
            "https://oapi.dingtalk.com\r\n",
            "https://oapi.ding\0talk.com",
            "https://oapi.dingtalk.com /",
            "https://оapi.dingtalk.com",  // Cyrillic о
            "https://oapi.dingtalk．com", // full-width full stop
            "https://ⓞapi.dingtalk.com",
        ] {
            assert_eq!(dingtalk_fault(text), AddressFault::Characters, "{text}");
        }
    }

    #[test]
    fn hosts_that_only_resemble_a_known_one_are_refused() {
        for text in [
            "https://oapi.dingtalk.com.evil.example",
            "https://evil.example/oapi.dingtalk.com",
            "https://evil.example#@oapi.dingtalk.com",
            "https://evil.example?@oapi.dingtalk.com",
            "https://oapi.dingtalk.com.",
            "https://oapi%2edingtalk.com",
            "https://%6fapi.dingtalk.com",
            "https://xn--api-6cd.dingtalk.com",
            "https://api.dingtalk.com",
            "https://localhost",
            "https://localhost.",
            "https://metadata.google.internal",
        ] {
            assert_eq!(dingtalk_fault(text), AddressFault::UnknownHost, "{text}");
        }
    }

    #[test]
    fn no_spelling_of_an_ip_address_is_a_known_host() {
        for host in [
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "0177.0.0.01",
            "017700000001",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "0",
            "0.0.0.0",
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "10.0.0.1",
            "[::]",
            "[::1]",
            "[0000::1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:127.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[fd00:ec2::254]",
            "100.64.0.1",
            "255.255.255.255",
        ] {
            assert_eq!(dingtalk_fault(&format!("https://{host}")), AddressFault::UnknownHost, "{host}");
        }
        assert_eq!(dingtalk_fault("https://[::1%25lo]"), AddressFault::NotAUrl);
    }

    #[test]
    fn user_names_and_passwords_are_refused() {
        for text in [
            "https://oapi.dingtalk.com@evil.example",
            "https://oapi.dingtalk.com:443@evil.example",
            "https://u:p@oapi.dingtalk.com",
            "https://@oapi.dingtalk.com",
        ] {
            assert_eq!(dingtalk_fault(text), AddressFault::UserInfo, "{text}");
        }
        // An encoded @ ends no user name; it is part of a host that does not exist.
        assert!(
            parse(Channel::DingTalk, "https://oapi.dingtalk.com%40evil.example/robot/send?access_token=x").is_err()
        );
    }

    #[test]
    fn only_the_port_of_https_is_accepted() {
        for port in ["22", "25", "80", "6379", "8443", "65536", "99999", "0443", ""] {
            assert_eq!(dingtalk_fault(&format!("https://oapi.dingtalk.com:{port}")), AddressFault::Port, "{port}");
        }
    }

    #[test]
    fn only_the_exact_path_is_accepted() {
        for path in [
            "",
            "/",
            "/robot/send/",
            "/robot//send",
            "/robot/sendx",
            "/Robot/send",
            "/a/../robot/send",
            "/%2e%2e/robot/send",
            "/robot/%73end",
            "/v1.0/robot/groupMessages/send",
        ] {
            let text = format!("https://oapi.dingtalk.com{path}?access_token={HEX}");
            assert_eq!(fault_of(Channel::DingTalk, &text), AddressFault::Path, "{path}");
        }
        assert_eq!(
            fault_of(Channel::Lark, &format!("https://open.feishu.cn/open-apis/bot/hook/{UUID}")),
            AddressFault::Path
        );
        assert_eq!(
            fault_of(Channel::WeCom, &format!("https://qyapi.weixin.qq.com/cgi-bin/webhook/upload_media?key={UUID}")),
            AddressFault::Path
        );
    }

    #[test]
    fn a_token_must_be_there_and_plausible() {
        for query in [
            "",
            "?",
            "?access_token",
            "?access_token=",
            "?access_token=a%20b",
            "?access_token=a/b",
            "?sign=x&timestamp=1",
        ] {
            let text = format!("https://oapi.dingtalk.com/robot/send{query}");
            let expected = if query == "?" { AddressFault::ExtraParts } else { AddressFault::Token };
            assert_eq!(fault_of(Channel::DingTalk, &text), expected, "{query}");
        }
        let of_length = |length| {
            parse(
                Channel::DingTalk,
                &format!("https://oapi.dingtalk.com/robot/send?access_token={}", "a".repeat(length)),
            )
        };
        assert!(of_length(128).is_ok());
        assert_eq!(of_length(129), Err(AddressFault::Token));
        assert_eq!(fault_of(Channel::Lark, "https://open.feishu.cn/open-apis/bot/v2/hook/"), AddressFault::Token);
        assert_eq!(fault_of(Channel::Lark, "https://open.feishu.cn/open-apis/bot/v2/hook/a/b"), AddressFault::Token);
        assert_eq!(fault_of(Channel::Lark, "https://open.feishu.cn/open-apis/bot/v2/hook/a/../b"), AddressFault::Token);
    }

    #[test]
    fn nothing_may_stand_beside_the_token() {
        for rest in ["&", "&x=1", "&access_token=b", "#", "#x", "&sign=a&sign=b", "&access%5ftoken=b", "&Sign=a"] {
            let text = format!("https://oapi.dingtalk.com/robot/send?access_token={HEX}{rest}");
            assert_eq!(fault_of(Channel::DingTalk, &text), AddressFault::ExtraParts, "{rest}");
        }
        assert_eq!(
            fault_of(Channel::WeCom, "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=a&sign=b"),
            AddressFault::ExtraParts
        );
        assert_eq!(
            fault_of(Channel::Lark, "https://open.feishu.cn/open-apis/bot/v2/hook/a?b=c"),
            AddressFault::ExtraParts
        );
    }

    #[test]
    fn a_robot_of_another_channel_is_distinguished_from_an_unknown_host() {
        let lark = format!("https://open.feishu.cn/open-apis/bot/v2/hook/{UUID}");
        assert_eq!(fault_of(Channel::DingTalk, &lark), AddressFault::OtherChannel);
        assert_eq!(fault_of(Channel::WeCom, &lark), AddressFault::OtherChannel);
    }

    #[test]
    fn an_address_may_have_1024_bytes() {
        let signed = |length: usize| {
            let start = "https://oapi.dingtalk.com/robot/send?access_token=abc&sign=";
            format!("{start}{}", "x".repeat(length - start.len()))
        };
        assert!(parse(Channel::DingTalk, &format!("  {}  ", signed(1024))).is_ok());
        assert_eq!(fault_of(Channel::DingTalk, &signed(1025)), AddressFault::TooLong);
    }

    #[test]
    fn a_named_origin_may_be_http_private_and_on_any_port_and_no_other_may() {
        let origins =
            RobotOrigins::parse("https://ding.corp.example, http://127.0.0.1:9100,http://[::1]:9100,").unwrap();
        let parse = |origin: &str| {
            RobotAddress::parse(Channel::DingTalk, &format!("{origin}/robot/send?access_token=tok-1"), &origins)
        };
        let address = parse("http://127.0.0.1:9100").unwrap();
        assert_eq!(address.host(), "127.0.0.1:9100");
        assert_eq!(address.url().expose(), "http://127.0.0.1:9100/robot/send?access_token=tok-1");
        assert_eq!(parse("http://[::1]:9100").unwrap().host(), "[::1]:9100");
        assert_eq!(parse("https://ding.corp.example").unwrap().host(), "ding.corp.example");
        assert_eq!(parse("http://127.0.0.1:9101"), Err(AddressFault::NotHttps));
        assert_eq!(parse("https://127.0.0.1:9100"), Err(AddressFault::UnknownHost));
        assert_eq!(parse("http://ding.corp.example"), Err(AddressFault::NotHttps));
        assert_eq!(parse("https://ding.corp.example:8443"), Err(AddressFault::UnknownHost));
        assert_eq!(parse("http://0x7f000001:9100"), Err(AddressFault::UnknownHost));
        assert_eq!(parse("http://u@127.0.0.1:9100"), Err(AddressFault::UserInfo));
        assert!(origins.contains(&Url::parse("http://127.0.0.1:9100/x").unwrap()));
        assert!(!origins.contains(&Url::parse("http://127.0.0.1/").unwrap()));
    }

    #[test]
    fn every_entry_that_is_no_origin_is_named_without_its_token() {
        for (entry, part) in [
            ("ding.corp.example", "ding.corp.example"),
            ("ftp://a.example", "https:// or http://"),
            ("https://u:p@a.example", "user name"),
            ("https://a.example/robot/send", "after the host"),
        ] {
            let faults = RobotOrigins::parse(&format!("http://127.0.0.1:9100,{entry},https://*.example")).unwrap_err();
            let [fault, wildcard] = faults.as_slice() else { panic!("{faults:?}") };
            assert!(fault.contains(part) && !fault.contains("127.0.0.1"), "{fault}");
            assert!(wildcard.contains("*.example") && wildcard.contains("name each one"), "{wildcard}");
        }
        let faults = RobotOrigins::parse("https://a.example/robot/send?access_token=fake").unwrap_err();
        assert!(!faults.concat().contains("fake"), "{faults:?}");
        assert_eq!(RobotOrigins::parse(" ").unwrap(), RobotOrigins::default());
    }

    proptest! {
        #[test]
        fn what_was_accepted_is_accepted_again_unchanged(
            token in "[A-Za-z0-9_-]{1,128}", signed in any::<bool>(), channel in prop::sample::select(&Channel::ALL[..]), host in 0_usize..2,
        ) {
            let host = channel.hosts()[host % channel.hosts().len()];
            let text = match channel {
                Channel::DingTalk if signed => format!("https://{host}/robot/send?sign=x&access_token={token}&timestamp=1"),
                Channel::DingTalk => format!("https://{host}/robot/send?access_token={token}"),
                Channel::Lark => format!("https://{host}/open-apis/bot/v2/hook/{token}"),
                Channel::WeCom => format!("https://{host}/cgi-bin/webhook/send?key={token}"),
            };
            let once = parse(channel, &text).unwrap();
            prop_assert_eq!(&parse(channel, once.url().expose()).unwrap(), &once);
            prop_assert!(once.url().expose().ends_with(&token));
        }

        #[test]
        fn whatever_is_accepted_points_at_a_known_host(before in "(https?:|//|/|@|\\.|:|[a-z0-9]|\\PC){0,12}", after in "(/|@|#|\\?|\\.|:[0-9]+|[a-z]|\\PC){0,12}") {
            let text = format!("{before}oapi.dingtalk.com{after}/robot/send?access_token={HEX}");
            if let Ok(address) = parse(Channel::DingTalk, &text) {
                prop_assert_eq!(address.host(), "oapi.dingtalk.com");
                prop_assert!(address.url().expose().starts_with("https://oapi.dingtalk.com/robot/send?access_token="));
            }
        }
    }
}
