//! What the three robots' checks have in common: the call as it came in, a refusal, and proofs by HMAC and by address.

use std::net::{IpAddr, Ipv4Addr};

use actix_web::web::Bytes;
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::NaiveDateTime;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::{
    call_log::ReceivedMessage,
    group::{ApiGeneration, Group, RobotKind},
    {dingtalk, lark, wecom},
};

/// Text in a message that DingTalk and Lark refuse as unfit content, for tests. WeCom documents no such check.
pub const BANNED_TEXT: &str = "[banned]";

/// A call as it came in.
pub(super) struct IncomingRequest {
    pub method: String,
    pub query: String,
    pub headers: Vec<(String, String)>,
    pub content_type: String,
    pub body: Bytes,
    pub peer: Option<IpAddr>,
}

impl IncomingRequest {
    pub fn is_post(&self) -> bool {
        self.method == "POST"
    }

    /// A parameter of the query, decoded exactly once and with `+` read as a space, as servers do: that is what exposes
    /// senders that encode a signature not at all, or twice.
    pub fn parameter(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// The body as JSON, when it is an object.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok().filter(Value::is_object)
    }
}

/// A call together with what the robot needs to judge it.
pub(super) struct CheckInput<'v> {
    pub incoming: &'v IncomingRequest,
    pub token: &'v str,
    /// `None` when nobody knows the token.
    pub group: Option<&'v Group>,
    pub is_within_rate_limit: bool,
    pub now: NaiveDateTime,
}

/// An answer other than success.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    pub code: i64,
    pub reason: String,
}

impl Refusal {
    /// A refusal with HTTP 200, as nearly all of them are.
    pub fn new(code: i64, reason: impl Into<String>) -> Self {
        Self { status: 200, code, reason: reason.into() }
    }
}

/// Passes the call through the checks of its kind of robot, in the robot's order.
pub(super) fn check_request(kind: RobotKind, input: &CheckInput<'_>) -> Result<ReceivedMessage, Refusal> {
    match kind {
        RobotKind::DingTalk => dingtalk::check_request(input),
        RobotKind::Lark => lark::check_request(input),
        RobotKind::WeCom => wecom::check_request(input),
    }
}

/// The body of the answer that success gets.
pub(super) fn accepted_body(kind: RobotKind, group: Option<&Group>) -> Value {
    let generation = group.map_or(ApiGeneration::New, |group| group.generation);
    match kind {
        RobotKind::DingTalk => errcode_body(group, 0, "ok"),
        RobotKind::Lark => lark::accepted_body(generation),
        RobotKind::WeCom => errcode_body(group, 0, wecom::accepted_text(generation)),
    }
}

/// The body of the answer that a refused call gets.
pub(super) fn refused_body(kind: RobotKind, group: Option<&Group>, refusal: &Refusal) -> Value {
    match kind {
        RobotKind::DingTalk | RobotKind::WeCom => errcode_body(group, refusal.code, &refusal.reason),
        RobotKind::Lark => lark::refused_body(refusal),
    }
}

/// What a robot says when its own back end is overloaded.
pub(super) fn busy_refusal(kind: RobotKind, incoming: &IncomingRequest) -> Refusal {
    match kind {
        RobotKind::DingTalk => Refusal::new(-1, "系统繁忙"),
        RobotKind::Lark => Refusal::new(2200, "internal error"),
        RobotKind::WeCom => wecom::refusal_with_hint(incoming, -1, "system error"),
    }
}

/// DingTalk's and WeCom's shape of an answer.
fn errcode_body(group: Option<&Group>, code: i64, message: &str) -> Value {
    let code = match group {
        Some(group) if group.code_as_string => Value::from(code.to_string()),
        _ => Value::from(code),
    };
    serde_json::json!({ "errcode": code, "errmsg": message })
}

/// Whether a signature is the standard base64 of HMAC-SHA256 of the message under the key.
pub(super) fn signature_matches(key: &str, message: &str, signature: &str) -> bool {
    let (Ok(mut mac), Ok(signature)) = (Hmac::<Sha256>::new_from_slice(key.as_bytes()), STANDARD.decode(signature))
    else {
        return false;
    };
    mac.update(message.as_bytes());
    mac.verify_slice(&signature).is_ok()
}

/// Whether an address is on a robot's list. Both vendors list IPv4 only.
pub(super) fn address_allowed(rules: &[String], peer: Option<IpAddr>) -> bool {
    if rules.is_empty() {
        return true;
    }
    match peer.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => rules.iter().any(|rule| rule_matches(rule, address)),
        Some(IpAddr::V6(_)) | None => false,
    }
}

/// A rule is an address, a CIDR range, or Lark's `1.2.3.*`.
fn rule_matches(rule: &str, address: Ipv4Addr) -> bool {
    if let Some(prefix) = rule.strip_suffix('*') {
        return prefix.ends_with('.') && address.to_string().starts_with(prefix);
    }
    let (network, length) = rule.split_once('/').unwrap_or((rule, "32"));
    let (Ok(network), Ok(length @ 0..=32)) = (network.parse::<Ipv4Addr>(), length.parse::<u32>()) else {
        return false;
    };
    let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
    network.to_bits() & mask == address.to_bits() & mask
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(rule: &str, address: &str) -> bool {
        address_allowed(&[rule.to_owned()], Some(address.parse().unwrap()))
    }

    #[test]
    fn an_address_list_takes_addresses_ranges_and_stars() {
        assert!(allowed("10.1.2.3", "10.1.2.3"));
        assert!(!allowed("10.1.2.3", "10.1.2.4"));
        assert!(allowed("10.1.0.0/16", "10.1.255.4"));
        assert!(!allowed("10.1.0.0/16", "10.2.0.1"));
        assert!(allowed("0.0.0.0/0", "203.0.113.9"));
        assert!(allowed("1.2.3.*", "1.2.3.77"));
        assert!(!allowed("1.2.3.*", "1.2.30.7"));
    }

    #[test]
    fn only_ipv4_and_mapped_ipv4_match_and_invalid_rules_match_nothing() {
        assert!(!allowed("0.0.0.0/0", "2001:db8::1"));
        assert!(allowed("10.0.0.0/8", "::ffff:10.0.0.1"));
        assert!(!allowed("10.0.0.0/33", "10.0.0.0"));
        assert!(!allowed("anything", "10.0.0.0"));
        assert!(address_allowed(&[], None));
    }

    // Vectors A to D for DingTalk: the key is the secret, the message is the timestamp, a line feed and the secret.
    #[test]
    fn dingtalk_signatures_computed_elsewhere_match() {
        let zeros = format!("SEC{}", "0".repeat(64));
        for (timestamp, secret, signature) in [
            ("1700000000000", "this is secret", "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0="),
            ("1577262236757", "this is secret", "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="),
            ("1700000000001", "this is secret", "aOZ0Y/R7BCg4xs87AcG5MYf26YmwfVRTLD0z3X+p/mM="),
            ("1700000000000", &zeros, "+8WOOUUcTkFRyfCevQaISh9EUbkxaatnd6MLtL7dAY8="),
        ] {
            assert!(signature_matches(secret, &format!("{timestamp}\n{secret}"), signature), "{timestamp}");
        }
    }

    // Lark has key and message the other way round: the key is the timestamp, a line feed and the secret; no message.
    #[test]
    fn lark_signatures_computed_elsewhere_match() {
        for (timestamp, secret, signature) in [
            ("1599360473", "demo", "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8="),
            ("100", "demo", "jquNHnVOwmDRfw+vqTIrY5dooJAgi5EcRtLsQE4wfXg="),
            ("1710000000", "secret", "jWsBkWnzlRKtaP+iZgwraSojMWik4cJR7aysApQZuoA="),
        ] {
            assert!(signature_matches(&format!("{timestamp}\n{secret}"), "", signature), "{timestamp}");
        }
    }

    #[test]
    fn seconds_for_milliseconds_and_swapped_roles_do_not_match() {
        let (secret, message) = ("this is secret", "1700000000000\nthis is secret");
        assert!(!signature_matches(secret, message, "0gy50rUziRgEQQ5BlfpijB6FVcJUiEcvkYhmxakRD7c="));
        assert!(!signature_matches(secret, message, "J85Yk9GFYQfBxRSGeVjqb6vzpr2HAroZsCi0DUtIhuM="));
        assert!(!signature_matches(secret, message, ""));
    }
}
