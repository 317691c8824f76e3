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
    frame::Shared,
    request::{address, is_within},
};
use crate::{
    access::{Lane, in_lane},
    metrics::Metrics,
    secrets::random_bytes,
};

/// The header that carries the number.
const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// The longest number that a proxy may give, in characters.
const LONGEST: usize = 64;

/// The number of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestId(HeaderValue);

impl RequestId {
    /// The number of this request.
    pub(super) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// The number as text.
    pub(super) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The header of the answer.
    fn header(&self) -> (HeaderName, HeaderValue) {
        (HEADER, self.0.clone())
    }

    /// A proxy's own number, when it is one that is trusted; a new one otherwise.
    fn choose(request: &ServiceRequest, trusted: &[IpNet]) -> Self {
        let by_proxy = request.peer_addr().is_some_and(|peer| is_within(trusted, peer.ip()));
        let given = request.headers().get(HEADER).filter(|given| by_proxy && is_plain(given));
        given.cloned().map_or_else(Self::new, Self)
    }

    fn new() -> Self {
        // Without random numbers nothing else works either; requests then share a number.
        let number = hex::encode(random_bytes::<8>().unwrap_or_default());
        Self(HeaderValue::from_str(&number).unwrap_or_else(|_| HeaderValue::from_static("0")))
    }
}

/// Whether it can stand in a log line and on a page without being more than a name.
fn is_plain(given: &HeaderValue) -> bool {
    let bytes = given.as_bytes();
    (1..=LONGEST).contains(&bytes.len())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// The database lane of a request: its tenant's slug for pages below `/t/`, otherwise the address it comes from.
fn lane_of(request: &HttpRequest) -> Lane {
    match request.path().strip_prefix("/t/").and_then(|rest| rest.split('/').next()) {
        Some(slug) => Lane::of_pages(slug),
        None => Lane::of_address(&address(request)),
    }
}

/// Numbers every request, puts the number into its log lines and its answer, and counts it.
///
/// # Errors
/// What the handlers answer.
pub async fn observe(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let begun = Instant::now();
    let trusted = request.app_data::<Data<Shared>>().map_or(&[][..], |shared| &shared.trusted_proxies);
    let id = RequestId::choose(&request, trusted);
    let metrics = request.app_data::<Data<Metrics>>().cloned();
    request.extensions_mut().insert(id.clone());
    // At the level of errors, so that a filter that lets only those through still shows whose they are. The query is left
    // out: people search for what nobody else is to read.
    let span = tracing::error_span!(
        "request", id = id.as_str(), method = request.method().as_str(), path = ?request.path(), tenant = Empty
    );
    let lane = lane_of(request.request());
    let answer = in_lane(lane, next.call(request)).instrument(span.clone()).await;
    let status = match &answer {
        Ok(answer) => answer.status(),
        Err(fault) => fault.as_response_error().status_code(),
    };
    let took = begun.elapsed();
    span.in_scope(|| tracing::debug!(status = status.as_u16(), ?took, "answered"));
    if let Some(metrics) = metrics {
        metrics.answered(status.as_u16(), took);
    }
    answer.map(|mut answer| {
        let (name, value) = id.header();
        answer.headers_mut().insert(name, value);
        answer
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn chosen(peer: &str, given: &str) -> String {
        let peer = format!("{peer}:1").parse().unwrap();
        let request = TestRequest::default().peer_addr(peer).insert_header(("x-request-id", given)).to_srv_request();
        RequestId::choose(&request, &["127.0.0.0/8".parse().unwrap()]).as_str().to_owned()
    }

    #[test]
    fn the_pages_of_a_tenant_have_one_share_and_other_pages_that_of_their_address() {
        let lane = |peer: &str, path: &str| {
            lane_of(&TestRequest::with_uri(path).peer_addr(format!("{peer}:1").parse().unwrap()).to_http_request())
        };
        assert_eq!(lane("192.0.2.1", "/t/north/members"), lane("192.0.2.2", "/t/north/alerts?q=1"));
        assert_ne!(lane("192.0.2.1", "/t/north/members"), lane("192.0.2.1", "/t/south/members"));
        assert_eq!(lane("192.0.2.1", "/login"), lane("192.0.2.1", "/intake/alerts"));
        assert_ne!(lane("192.0.2.1", "/login"), lane("192.0.2.2", "/login"));
    }

    #[test]
    fn only_a_trusted_proxy_may_number_requests_and_only_plainly() {
        assert_eq!(chosen("127.0.0.1", "abc-1.2_Z"), "abc-1.2_Z");
        for (peer, given) in [
            ("192.0.2.7", "abc"),
            ("127.0.0.1", ""),
            ("127.0.0.1", "a b"),
            ("127.0.0.1", "<b>"),
            ("127.0.0.1", &"x".repeat(65)),
        ] {
            let id = chosen(peer, given);
            assert_ne!(id, given);
            assert_eq!((id.len(), id.chars().all(|c| c.is_ascii_hexdigit())), (16, true), "{id}");
        }
        assert_ne!(chosen("192.0.2.7", "abc"), chosen("192.0.2.7", "abc"));
    }
}
