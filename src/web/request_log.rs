//! What is known of every request from outside it: a number by which its log lines and its answer are found together, and
//! how long it took.

use std::time::Instant;

use actix_web::{
    HttpMessage as _, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
    web::Data,
};
use ipnet::IpNet;
use tracing::{Instrument as _, field::Empty};

use super::{
    page_context::WebConfig,
    request::{client_address, is_in_networks},
};
use crate::{
    access::{Lane, in_lane},
    metrics::Metrics,
    secrets::random_bytes,
};

/// The header that carries the number.
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest number that a proxy may give, in characters.
const MAX_REQUEST_ID_CHARS: usize = 64;

/// The number of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The number of this request.
    pub(super) fn from_request(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// The number as text.
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The header of the answer.
    fn to_header(&self) -> (HeaderName, HeaderValue) {
        (REQUEST_ID_HEADER, self.0.clone())
    }

    /// A proxy's own number, when it is one that is trusted; a new one otherwise.
    fn accept_or_generate(request: &ServiceRequest, trusted: &[IpNet]) -> Self {
        let from_trusted_proxy = request.peer_addr().is_some_and(|peer| is_in_networks(trusted, peer.ip()));
        let given = request.headers().get(REQUEST_ID_HEADER).filter(|given| from_trusted_proxy && is_safe_id(given));
        given.cloned().map_or_else(Self::generate, Self)
    }

    fn generate() -> Self {
        // Without random numbers nothing else works either; requests then share a number.
        let number = hex::encode(random_bytes::<8>().unwrap_or_default());
        Self(HeaderValue::from_str(&number).unwrap_or_else(|_| HeaderValue::from_static("0")))
    }
}

/// Whether it can stand in a log line and on a page without being more than a name.
fn is_safe_id(given: &HeaderValue) -> bool {
    let bytes = given.as_bytes();
    (1..=MAX_REQUEST_ID_CHARS).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// The database lane of a request: its tenant's slug for pages below `/t/`, otherwise the address it comes from.
fn request_lane(request: &HttpRequest) -> Lane {
    match request.path().strip_prefix("/t/").and_then(|rest| rest.split('/').next()) {
        Some(slug) => Lane::for_tenant_pages(slug),
        None => Lane::for_address(&client_address(request)),
    }
}

/// Numbers every request, puts the number into its log lines and its answer, and counts it.
///
/// # Errors
/// What the handlers answer.
pub async fn log_request(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let started_at = Instant::now();
    let trusted = request.app_data::<Data<WebConfig>>().map_or(&[][..], |shared| &shared.trusted_proxies);
    let id = RequestId::accept_or_generate(&request, trusted);
    let metrics = request.app_data::<Data<Metrics>>().cloned();
    request.extensions_mut().insert(id.clone());
    // At the level of errors, so that a filter that lets only those through still shows whose they are. The query is left
    // out: people search for what nobody else is to read.
    let span = tracing::error_span!(
        "request", id = id.as_str(), method = request.method().as_str(), path = ?request.path(), tenant = Empty
    );
    let lane = request_lane(request.request());
    let answer = in_lane(lane, next.call(request)).instrument(span.clone()).await;
    let status = match &answer {
        Ok(answer) => answer.status(),
        Err(fault) => fault.as_response_error().status_code(),
    };
    let elapsed = started_at.elapsed();
    span.in_scope(|| tracing::debug!(status = status.as_u16(), took = ?elapsed, "answered"));
    if let Some(metrics) = metrics {
        metrics.record_request(status.as_u16(), elapsed);
    }
    answer.map(|mut answer| {
        let (name, value) = id.to_header();
        answer.headers_mut().insert(name, value);
        answer
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn accepted_id(peer: &str, given: &str) -> String {
        let peer = format!("{peer}:1").parse().unwrap();
        let request = TestRequest::default().peer_addr(peer).insert_header(("x-request-id", given)).to_srv_request();
        RequestId::accept_or_generate(&request, &["127.0.0.0/8".parse().unwrap()]).as_str().to_owned()
    }

    #[test]
    fn a_tenants_pages_share_a_lane_and_others_use_their_address() {
        let lane = |peer: &str, path: &str| {
            request_lane(&TestRequest::with_uri(path).peer_addr(format!("{peer}:1").parse().unwrap()).to_http_request())
        };
        assert_eq!(lane("192.0.2.1", "/t/north/members"), lane("192.0.2.2", "/t/north/alerts?q=1"));
        assert_ne!(lane("192.0.2.1", "/t/north/members"), lane("192.0.2.1", "/t/south/members"));
        assert_eq!(lane("192.0.2.1", "/login"), lane("192.0.2.1", "/intake/alerts"));
        assert_ne!(lane("192.0.2.1", "/login"), lane("192.0.2.2", "/login"));
    }

    #[test]
    fn only_a_trusted_proxy_may_set_a_request_id_and_only_a_plain_one() {
        assert_eq!(accepted_id("127.0.0.1", "abc-1.2_Z"), "abc-1.2_Z");
        for (peer, given) in [
            ("192.0.2.7", "abc"),
            ("127.0.0.1", ""),
            ("127.0.0.1", "a b"),
            ("127.0.0.1", "<b>"),
            ("127.0.0.1", &"x".repeat(65)),
        ] {
            let id = accepted_id(peer, given);
            assert_ne!(id, given);
            assert_eq!((id.len(), id.chars().all(|c| c.is_ascii_hexdigit())), (16, true), "{id}");
        }
        assert_ne!(accepted_id("192.0.2.7", "abc"), accepted_id("192.0.2.7", "abc"));
    }
}
