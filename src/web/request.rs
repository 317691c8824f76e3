//! Small facts of a request: who sends it, where it came from, what the browser calls itself.

use std::net::IpAddr;

use actix_web::{HttpRequest, http::header, web::Data};
use ipnet::IpNet;

use super::frame::Shared;
use crate::access::{Account, Actor};

/// The header in which each proxy adds, at the right, the address that it was asked from.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The address that a request comes from: the other end of the connection, or what a trusted proxy there says.
#[must_use]
pub fn address(request: &HttpRequest) -> String {
    let Some(peer) = request.peer_addr().map(|peer| peer.ip().to_canonical()) else { return String::new() };
    let trusted = request.app_data::<Data<Shared>>().map_or(&[][..], |shared| &shared.trusted_proxies);
    let hops = request.headers().get_all(FORWARDED_FOR).map(|value| value.to_str().unwrap_or("?"));
    let hops: Vec<&str> = hops.flat_map(|value| value.split(',')).map(str::trim).collect();
    origin_of(peer, trusted, &hops).to_string()
}

/// Whether one of the networks holds this address. An IPv4 address in the clothes of an IPv6 one is judged as what it is.
#[must_use]
pub fn is_within(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address.to_canonical()))
}

/// The last address on the way here that is no trusted proxy. What stands left of it anybody can write; where something
/// else than an address stands, the peer itself is all that is known.
fn origin_of(peer: IpAddr, trusted: &[IpNet], hops: &[&str]) -> IpAddr {
    if !is_within(trusted, peer) {
        return peer;
    }
    let hops = hops.iter().rev().map(|hop| hop.parse::<IpAddr>().map(|address| address.to_canonical()));
    let mut strangers = hops.filter(|hop| !hop.as_ref().is_ok_and(|address| is_within(trusted, *address)));
    strangers.next().and_then(|hop| hop.ok()).unwrap_or(peer)
}

/// The origin of our pages, as the browser names it.
#[must_use]
pub fn own_origin(request: &HttpRequest, shared: &Shared) -> String {
    let host = request.headers().get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    format!("{}://{host}", if shared.https { "https" } else { "http" })
}

/// What the browser calls itself.
#[must_use]
pub fn agent(request: &HttpRequest) -> String {
    request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Who does what this request asks for, as the audit log names him.
#[must_use]
pub fn actor(request: &HttpRequest, account: &Account) -> Actor {
    Actor { account: Some(account.id), name: account.username.clone(), address: address(request) }
}

/// A path of ours to come back to, or to try again; anything else is the start page.
#[must_use]
pub fn own_page(path: &str) -> &str {
    let ours = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains('\\')
        && path.bytes().all(|byte| byte.is_ascii_graphic());
    if ours { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, hops: &[&str]) -> String {
        let trusted: Vec<IpNet> = ["127.0.0.1/32", "10.0.0.8/31"].iter().map(|text| text.parse().unwrap()).collect();
        origin_of(peer.parse().unwrap(), &trusted, hops).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_what_it_added_itself() {
        assert_eq!(seen("192.0.2.7", &["198.51.100.1"]), "192.0.2.7", "anybody can write a header");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["203.0.113.5", "198.51.100.1"]), "198.51.100.1", "the left one is claimed");
        assert_eq!(seen("127.0.0.1", &["198.51.100.1", "10.0.0.9", "::ffff:127.0.0.1"]), "198.51.100.1");
        assert_eq!(seen("127.0.0.1", &["2001:db8::1"]), "2001:db8::1");
    }

    #[test]
    fn what_is_no_address_or_not_there_leaves_the_proxy_itself() {
        for hops in [&[][..], &["unknown"], &[""], &["198.51.100.1", "?"], &["10.0.0.9"]] {
            assert_eq!(seen("127.0.0.1", hops), "127.0.0.1", "{hops:?}");
        }
    }

    #[test]
    fn a_way_back_leads_to_a_page_of_ours_only() {
        assert_eq!(own_page("/t/a/members?page=2"), "/t/a/members?page=2");
        for foreign in ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nb"] {
            assert_eq!(own_page(foreign), "/", "{foreign:?}");
        }
    }
}
