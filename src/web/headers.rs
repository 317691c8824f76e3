//! Headers of every answer, and the one Host that is answered at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use actix_web::{
    HttpRequest,
    body::{BoxBody, MessageBody},
    cookie::Cookie,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
    web::Data,
};

use super::{
    page_context::WebConfig,
    request::{client_address, is_in_networks},
};
use crate::{error::Error, refusals::Refusal};

/// Nothing may be loaded but our stylesheet and icons; nothing runs; nobody may frame us.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// How much of a foreign host is written into the log, in characters.
const MAX_LOGGED_HOST_CHARS: usize = 100;

/// The same for every answer.
const DEFAULT_HEADERS: [(&str, &str); 9] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=()"),
    // Pages hold people's contact information; the static files set their own.
    ("cache-control", "no-store"),
];

/// Adds the headers to every answer that does not have its own.
///
/// # Errors
/// What the handlers answer.
pub async fn security_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let https = request.app_data::<Data<WebConfig>>().is_some_and(|shared| shared.https);
    let mut response = next.call(request).await?;
    add_default_headers(response.headers_mut());
    if https {
        let value = HeaderValue::from_static("max-age=63072000; includeSubDomains");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
        make_cookies_secure(response.headers_mut());
    }
    Ok(response)
}

/// Makes every cookie one that is sent over https alone, whoever set it.
fn make_cookies_secure(headers: &mut HeaderMap) {
    let cookies: Vec<HeaderValue> = headers.remove(header::SET_COOKIE).collect();
    for cookie in cookies {
        let secure =
            cookie.to_str().ok().and_then(|text| Cookie::parse(text.to_owned()).ok()).and_then(|mut cookie| {
                cookie.set_secure(true);
                HeaderValue::from_str(&cookie.to_string()).ok()
            });
        headers.append(header::SET_COOKIE, secure.unwrap_or(cookie));
    }
}

/// Adds the headers that an answer does not have yet.
fn add_default_headers(headers: &mut HeaderMap) {
    for (name, value) in DEFAULT_HEADERS {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

/// Answers HEAD as GET: the connection leaves the body away.
///
/// # Errors
/// What the handlers answer.
pub async fn head_as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if request.method() == Method::HEAD {
        request.head_mut().method = Method::GET;
    }
    next.call(request).await
}

/// Refuses a request for another host: a foreign name that resolves to us must not reach a session.
///
/// # Errors
/// What the handlers answer. Its own refusal is an answer: [`Error::WrongHost`].
pub async fn host_guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let config = request.app_data::<Data<WebConfig>>();
    if config.is_some_and(|shared| is_allowed_host(request.request(), shared)) {
        return Ok(next.call(request).await?.map_into_boxed_body());
    }
    if let Some(shared) = config {
        let host = request_host(request.request()).chars().take(MAX_LOGGED_HOST_CHARS).collect::<String>();
        let allowed =
            shared.public_host.as_deref().unwrap_or("addresses and localhost, because BELFRY_PUBLIC_URL is not set");
        let sender = client_address(request.request());
        shared.refusals.record(
            Refusal::WrongHost,
            &sender,
            &format!("the header Host is {host:?}; answered: {allowed}"),
        );
    }
    Ok(request.error_response(Error::WrongHost))
}

fn is_allowed_host(request: &HttpRequest, config: &WebConfig) -> bool {
    let host = request_host(request);
    match &config.public_host {
        Some(ours) => host.eq_ignore_ascii_case(ours),
        None => is_ip_or_localhost(host),
    }
}

/// The host that a request names.
fn request_host(request: &HttpRequest) -> &str {
    let header = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    header.or_else(|| request.uri().authority().map(|authority| authority.as_str())).unwrap_or_default()
}

/// Whether a request comes straight from this machine or the operator's network: not by a proxy, nor by the name that people
/// type, nor by any other name. What is only for monitoring is answered to no other.
#[must_use]
pub fn is_internal_request(request: &HttpRequest) -> bool {
    let Some(config) = request.app_data::<Data<WebConfig>>() else { return false };
    let is_proxied = ["x-forwarded-for", "forwarded"].iter().any(|name| request.headers().contains_key(*name))
        || request.peer_addr().is_none_or(|peer| is_in_networks(&config.trusted_proxies, peer.ip()));
    let host = request_host(request);
    let is_public = config.public_host.as_deref().is_some_and(|public| {
        let name = |host: &str| host.rsplit_once(':').map_or(host, |(name, _)| name).to_ascii_lowercase();
        name(public) == name(host) && !is_loopback(&name(public))
    });
    !is_proxied && !is_public && is_ip_or_localhost(host)
}

fn is_loopback(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Without a public URL, an address or `localhost`: names are what rebinding attacks are made with.
fn is_ip_or_localhost(host: &str) -> bool {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => (name, port),
        _ => (host, "0"),
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let is_address = match address {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => name.parse::<Ipv4Addr>().is_ok(),
    };
    port.parse::<u16>().is_ok() && (is_address || name.eq_ignore_ascii_case("localhost"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_public_url_only_ip_addresses_are_accepted_as_host() {
        assert!(is_ip_or_localhost("127.0.0.1:8080"));
        assert!(is_ip_or_localhost("[::1]:8080"));
        assert!(is_ip_or_localhost("localhost:8080"));
        assert!(is_ip_or_localhost("127.0.0.1") && is_ip_or_localhost("[fe80::1]") && is_ip_or_localhost("LOCALHOST"));
        for name in
            ["evil.example:8080", "", "localhost.evil.example", "127.0.0.1.evil.example", "::1", "[::1", "127.0.0.1:"]
        {
            assert!(!is_ip_or_localhost(name), "{name}");
        }
        assert!(!is_ip_or_localhost("127.0.0.1:65536") && !is_ip_or_localhost("localhost:8080@evil.example"));
    }

    #[test]
    fn every_cookie_becomes_secure_and_is_otherwise_unchanged() {
        let mut headers = HeaderMap::new();
        for cookie in ["belfry-flash=flash-saved; HttpOnly; SameSite=Lax; Path=/; Max-Age=60", "a=b%20c; Secure"] {
            headers.append(header::SET_COOKIE, HeaderValue::from_static(cookie));
        }
        make_cookies_secure(&mut headers);
        let cookies: Vec<&str> = headers.get_all(header::SET_COOKIE).map(|value| value.to_str().unwrap()).collect();
        assert_eq!(
            cookies,
            ["belfry-flash=flash-saved; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=60", "a=b%20c; Secure"]
        );
    }
}
