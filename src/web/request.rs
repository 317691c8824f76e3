//! Small facts of a request: who sends it, where it came from, what the browser calls itself.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::LazyLock,
};

use actix_web::{HttpRequest, http::header, web::Data};
use ipnet::IpNet;

use super::page_context::WebConfig;
use crate::{
    access::{Account, Actor},
    log::BoundedLines,
};

/// A proxy that writes what cannot be read does so with every request.
static LINES: LazyLock<BoundedLines> = LazyLock::new(BoundedLines::default);

/// The header in which each proxy adds, at the right, the address that it was asked from.
const FORWARDED_FOR_HEADER: &str = "x-forwarded-for";

/// The address that a request comes from: the other end of the connection, or what a trusted proxy there says.
#[must_use]
pub fn client_address(request: &HttpRequest) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else { return String::new() };
    let trusted = request.app_data::<Data<WebConfig>>().map_or(&[][..], |shared| &shared.trusted_proxies);
    let hops = request.headers().get_all(FORWARDED_FOR_HEADER).map(|value| value.to_str().unwrap_or("?"));
    let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).map(str::trim).collect();
    let (origin, is_readable) = resolve_client_address(peer, trusted, &hops);
    if !is_readable && let Some(left_out) = LINES.admit("forwarded-for", &peer.to_string()) {
        tracing::warn!(proxy = %peer, left_out, "{FORWARDED_FOR_HEADER} of a trusted proxy cannot be read: its requests count as its own");
    }
    origin.to_string()
}

/// Whether one of the networks holds this address. An IPv4 address in the clothes of an IPv6 one is judged as what it is.
#[must_use]
pub fn is_in_networks(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address.to_canonical()))
}

/// The last address on the way here that is no trusted proxy. What stands left of it anybody can write; where something
/// else than an address stands, the peer itself is all that is known, and the second value is false.
fn resolve_client_address(peer: IpAddr, trusted: &[IpNet], hops: &[&str]) -> (IpAddr, bool) {
    if !is_in_networks(trusted, peer) {
        return (peer, true);
    }
    let mut untrusted = hops.iter().rev().map(|hop| hop_address(hop));
    match untrusted.find(|hop| !hop.is_some_and(|address| is_in_networks(trusted, address))) {
        Some(Some(address)) => (address, true),
        Some(None) => (peer, false),
        None => (peer, true),
    }
}

/// The address of a hop. Some proxies, such as Azure's, add the port of the connection, and with it the brackets of IPv6.
fn hop_address(hop: &str) -> Option<IpAddr> {
    let with_port = || hop.parse::<SocketAddr>().map(|socket| socket.ip());
    let in_brackets = || hop.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    let address = hop.parse::<IpAddr>().or_else(|_| with_port()).ok().or_else(in_brackets)?;
    Some(address.to_canonical())
}

/// The origin of our pages, as the browser names it.
#[must_use]
pub fn own_origin(request: &HttpRequest, config: &WebConfig) -> String {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    format!("{}://{host}", if config.https { "https" } else { "http" })
}

/// What the browser calls itself.
#[must_use]
pub fn user_agent(request: &HttpRequest) -> String {
    request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Who does what this request asks for, as the audit log names him.
#[must_use]
pub fn request_actor(request: &HttpRequest, account: &Account) -> Actor {
    Actor { account: Some(account.id), name: account.username.clone(), address: client_address(request) }
}

/// How `Accept` begins where Java's `HttpURLConnection` sends it for a program that names nothing.
const JAVA_ACCEPT: &str = "text/html, image/gif, image/jpeg,";

/// Whether a request names pages among what it accepts, as every browser's does.
#[must_use]
pub fn accepts_pages(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let accepted = accepted.to_ascii_lowercase();
    accepted.contains("html") && !accepted.starts_with(JAVA_ACCEPT)
}

/// The bearer token of a request. Browsers behind a proxy that asks for a password send authorization of other kinds.
#[must_use]
pub fn bearer_token(request: &HttpRequest) -> Option<&str> {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())?;
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Whether the values of a header name JSON and no HTML.
#[must_use]
pub fn names_json(request: &HttpRequest, name: header::HeaderName) -> bool {
    let values = request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    let values = values.collect::<Vec<_>>().join(",").to_ascii_lowercase();
    values.contains("json") && !values.contains("html")
}

/// A path of ours to come back to, or to try again; anything else is the start page.
#[must_use]
pub fn safe_return_path(path: &str) -> &str {
    let ours = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    if ours { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(peer: &str, hops: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["127.0.0.1/32", "10.0.0.8/31"].iter().map(|text| text.parse().unwrap()).collect();
        resolve_client_address(peer.parse().unwrap(), &trusted, hops).0.to_string()
    }

    #[test]
    fn a_hop_may_have_a_port_and_brackets() {
        for (hop, address) in [
            ("203.0.113.7:5678", "203.0.113.7"),
            ("[2001:db8::1]:80", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[::ffff:203.0.113.10]:443", "203.0.113.10"),
        ] {
            assert_eq!(resolved("127.0.0.1", &[hop]), address);
        }
    }

    #[test]
    fn a_header_that_cannot_be_read_is_told_apart_from_one_that_is_not_there() {
        let trusted = ["127.0.0.1/32".parse().unwrap()];
        let is_readable = |hops: &[&str]| resolve_client_address("127.0.0.1".parse().unwrap(), &trusted, hops).1;
        assert!(is_readable(&[]) && is_readable(&["127.0.0.1"]) && is_readable(&["junk", "203.0.113.8"]));
        for hop in
            ["unknown", "", "?", "203.0.113.011", "203.0.113.7:", "203.0.113.7:99999", "_hidden", "[203.0.113.7]"]
        {
            assert!(!is_readable(&[hop]), "{hop:?}");
        }
    }

    #[test]
    fn only_addresses_added_by_trusted_proxies_count() {
        assert_eq!(resolved("192.0.2.7", &["198.51.100.1"]), "192.0.2.7", "anybody can write a header");
        assert_eq!(resolved("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(resolved("127.0.0.1", &["203.0.113.5", "198.51.100.1"]), "198.51.100.1", "the left one is claimed");
        assert_eq!(resolved("127.0.0.1", &["198.51.100.1", "10.0.0.9", "::ffff:127.0.0.1"]), "198.51.100.1");
        assert_eq!(resolved("127.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn a_missing_or_invalid_address_falls_back_to_the_proxy() {
        for hops in [&[][..], &["unknown"], &[""], &["198.51.100.1", "?"], &["10.0.0.9"]] {
            assert_eq!(resolved("127.0.0.1", hops), "127.0.0.1", "{hops:?}");
        }
    }

    #[test]
    fn a_return_path_leads_to_our_own_pages_only() {
        assert_eq!(safe_return_path("/t/a/members?page=2"), "/t/a/members?page=2");
        for foreign in ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nb"] {
            assert_eq!(safe_return_path(foreign), "/", "{foreign:?}");
        }
    }
}
