//! Calls a robot: one https request to one vetted host, and nothing that a forged address or answer could lead to.
//!
//! Before each call the stored address is read anew, by the rules of today and the origins that the operator names today.
//! Names are resolved here; one forbidden address among the answers refuses them all, and the connection goes to the
//! very addresses that were looked at. No redirects, no proxies from the environment, no repetition behind our back, and
//! no URL in any fault.
//!
//! Through the operator's proxy, which resolves names itself, a vendor's name is looked at all the same where it can be resolved
//! here. Where it cannot, what remains is that only vendors' own names are called, by https, with their certificates checked.

use std::{error::Error as StdError, fmt, net::SocketAddr, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use reqwest::{
    Client, Response,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{CONTENT_TYPE, RETRY_AFTER},
    redirect::Policy,
};
use url::{Host, Url};

use super::{
    address_vetting::is_public, model::CallFault, policy::CallOutcome, proxy::RobotProxy, store::claim::Claim,
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    robots::{self, OutgoingMessage, RobotAddress, RobotOrigins, RobotRequest, SigningSecret},
    secrets::KeyRing,
};

/// For the connection, name and certificate included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// For the whole call, from the name to the last byte. Shorter ones cost duplicates: the message may well have arrived.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept: shorter than servers keep theirs, so that no message meets one that is just being closed.
const IDLE_CONNECTION_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a name may take to resolve before the proxy is asked, which may be the only one who can.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(1);

/// How much of an answer is read; the vendors' have a few hundred bytes.
const MAX_RESPONSE_BYTES: usize = 20_000;

/// How much of a connection's fault is kept for the record, in characters.
const MAX_FAULT_CHARS: usize = 200;

/// Lark's name for the seconds to wait.
const LARK_RATE_LIMIT_RESET_HEADER: &str = "x-ogw-ratelimit-reset";

/// A call that has ended, for the record.
#[derive(Debug)]
pub(super) struct CallResult {
    /// How it ended.
    pub outcome: CallOutcome,
    /// The status, when there was an answer.
    pub http_status: Option<u16>,
    /// What went wrong with the connection, in the operating system's words; never with an address.
    pub detail: String,
}

impl CallResult {
    /// A call that nobody answered.
    pub(super) fn without_response(outcome: CallOutcome, detail: String) -> Self {
        Self { outcome, http_status: None, detail }
    }
}

/// Everything for one attempt.
struct PreparedCall<'s> {
    client: &'s Client,
    /// Whether this client asks a proxy.
    is_proxied: bool,
    address: RobotAddress,
    request: RobotRequest,
}

/// Calls robots. Clones share their connections.
#[derive(Clone)]
pub(super) struct Sender {
    keys: KeyRing,
    origins: RobotOrigins,
    clock: Clock,
    /// For the vendors' hosts: https to public addresses and nothing else.
    vendor_client: Client,
    /// Whether the guarded calls go through a proxy, which then resolves their names.
    has_proxy: bool,
    /// For the origins that the operator named, which may be plain http in a private network.
    operator_client: Client,
}

impl Sender {
    /// A sender with its own connections.
    ///
    /// # Errors
    /// [`Error::Internal`] when the system's certificates cannot be read.
    pub(super) fn new(keys: KeyRing, origins: RobotOrigins, clock: Clock, proxy: Option<&RobotProxy>) -> Result<Self> {
        // Answers an error when somebody else has done it already, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let guarded = client_builder().https_only(true);
        let guarded = match proxy {
            // The one name that is resolved here is then the proxy's, which may live in the operator's own network.
            Some(proxy) => guarded.proxy(proxy.to_reqwest_proxy().map_err(Error::internal)?),
            None => guarded.dns_resolver(Arc::new(PublicAddressResolver)),
        };
        Ok(Self {
            keys,
            origins,
            clock,
            vendor_client: guarded.build().map_err(Error::internal)?,
            has_proxy: proxy.is_some(),
            operator_client: client_builder().build().map_err(Error::internal)?,
        })
    }

    /// Makes one attempt. It always ends, at the latest after ten seconds.
    pub(super) async fn call(&self, claim: &Claim) -> CallResult {
        let PreparedCall { client, is_proxied, address, request } = match self.prepare_call(claim) {
            Ok(prepared) => prepared,
            Err(ending) => return CallResult::without_response(ending, String::new()),
        };
        let attempt = async {
            if is_proxied && !may_resolve_to_public(address.host()).await {
                return Ok(CallResult::without_response(
                    CallOutcome::Failed(CallFault::ForbiddenAddress),
                    ForbiddenAddress.to_string(),
                ));
            }
            let response = client.post(request.url.expose()).header(CONTENT_TYPE, robots::CONTENT_TYPE);
            let response = response.body(request.body).send().await?;
            read_response(&address, response, self.clock.now().and_utc()).await
        };
        match tokio::time::timeout(CALL_TIMEOUT, attempt).await {
            Ok(Ok(called)) => called,
            Ok(Err(fault)) => connection_failure(fault),
            Err(_) => CallResult::without_response(CallOutcome::Failed(CallFault::NoResponse), String::new()),
        }
    }

    /// Opens and checks the stored address, and signs the request with the time of this attempt.
    fn prepare_call(&self, claim: &Claim) -> std::result::Result<PreparedCall<'_>, CallOutcome> {
        let unseal_failed = |_| CallOutcome::Failed(CallFault::UnsealFailed);
        let url = self.keys.unseal(claim.url_associated_data(), &claim.sealed_url).map_err(unseal_failed)?;
        let address =
            RobotAddress::parse(claim.channel, &url, &self.origins).map_err(|_| CallOutcome::AddressRefused)?;
        let secret = claim
            .sealed_secret
            .as_deref()
            .map(|unseal_failed| self.keys.unseal(claim.secret_associated_data(), unseal_failed));
        let secret = secret.transpose().map_err(unseal_failed)?;
        let secret = secret.map(|secret| SigningSecret::parse(claim.channel, &secret)).transpose();
        let secret = secret.map_err(|_| CallOutcome::Failed(CallFault::UnsealFailed))?;
        let (client, is_proxied) = self.client_for_address(&address).ok_or(CallOutcome::AddressRefused)?;
        let message = OutgoingMessage {
            title: claim.title.clone(),
            text: claim.message_text(&self.keys).map_err(unseal_failed)?,
            mobiles: claim.mentions.clone(),
            uuid: claim.msg_uuid.clone(),
        };
        let now = self.clock.now().and_utc().timestamp_millis();
        let request = robots::build_request(&address, secret.as_ref(), &message, now);
        Ok(PreparedCall { client, is_proxied, address, request })
    }

    /// A literal address is never looked up, so the guarded client would not see it: only origins named by the operator may be one.
    fn client_for_address(&self, address: &RobotAddress) -> Option<(&Client, bool)> {
        let url = Url::parse(address.url().expose()).ok()?;
        if self.origins.contains(&url) {
            return Some((&self.operator_client, false));
        }
        matches!(url.host(), Some(Host::Domain(_))).then_some((&self.vendor_client, self.has_proxy))
    }
}

fn client_builder() -> reqwest::ClientBuilder {
    Client::builder()
        .user_agent("Belfry")
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_CONNECTION_TIMEOUT)
}

/// Reads the answer up to its limit; what lies beyond is not needed to know what it means.
async fn read_response(
    address: &RobotAddress,
    mut response: Response,
    now: DateTime<Utc>,
) -> reqwest::Result<CallResult> {
    let status = response.status().as_u16();
    let headers = response.headers();
    let retry_after = headers.get(RETRY_AFTER).or_else(|| headers.get(LARK_RATE_LIMIT_RESET_HEADER));
    let retry_after =
        retry_after.and_then(|value| value.to_str().ok()).and_then(|value| robots::parse_retry_after(value, now));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let remaining = MAX_RESPONSE_BYTES - body.len();
        body.extend(chunk.iter().take(remaining));
        if chunk.len() >= remaining {
            break;
        }
    }
    let answer = robots::parse_response(address, status, &body, retry_after);
    Ok(CallResult { outcome: CallOutcome::Answered(answer), http_status: Some(status), detail: String::new() })
}

/// What a fault of the connection means, with the innermost cause in the system's own words: the outer ones quote the URL.
fn connection_failure(fault: reqwest::Error) -> CallResult {
    let fault = fault.without_url();
    let causes = || std::iter::successors(fault.source(), |cause| (*cause).source());
    let meaning = if causes().any(|cause| cause.is::<ForbiddenAddress>()) {
        CallFault::ForbiddenAddress
    } else if fault.is_connect() || fault.is_builder() {
        CallFault::Unreachable
    } else {
        CallFault::NoResponse
    };
    let detail =
        causes().last().map(|cause| cause.to_string().chars().take(MAX_FAULT_CHARS).collect()).unwrap_or_default();
    CallResult::without_response(CallOutcome::Failed(meaning), detail)
}

/// Whether a name leads to the public internet, or cannot be resolved here, so that only the proxy can say.
async fn may_resolve_to_public(host: &str) -> bool {
    let found = tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host, 0))).await;
    found.ok().and_then(std::result::Result::ok).is_none_or(|found| require_public(found.collect()).is_ok())
}

/// Resolves names to public addresses only.
struct PublicAddressResolver;

impl Resolve for PublicAddressResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // The port is the URL's; zero says so.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses = require_public(found.collect())?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// All of them, or none when one is forbidden: a name with a public and a private address is a trap, not a choice.
fn require_public(addresses: Vec<SocketAddr>) -> std::result::Result<Vec<SocketAddr>, ForbiddenAddress> {
    if addresses.iter().all(|address| is_public(address.ip())) { Ok(addresses) } else { Err(ForbiddenAddress) }
}

/// A name led to an address outside the public internet.
#[derive(Debug)]
struct ForbiddenAddress;

impl fmt::Display for ForbiddenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host's name leads to an address outside the public internet")
    }
}

impl StdError for ForbiddenAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_forbidden_address_refuses_them_all() {
        let require_public_of =
            |addresses: &[&str]| require_public(addresses.iter().map(|address| address.parse().unwrap()).collect());
        assert_eq!(require_public_of(&["1.1.1.1:0", "[2606:4700::1]:0"]).unwrap().len(), 2);
        assert!(require_public_of(&["1.1.1.1:0", "10.0.0.1:0"]).is_err());
        assert!(require_public_of(&["1.1.1.1:0", "[::1]:0"]).is_err());
    }

    #[tokio::test]
    async fn a_name_resolving_to_loopback_is_not_connected_to() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let guarded = client_builder().https_only(true).dns_resolver(Arc::new(PublicAddressResolver)).build().unwrap();
        let fault = guarded.post(format!("https://localhost:{port}/robot/send?access_token=fake-token")).send().await;
        let result = connection_failure(fault.unwrap_err());
        assert!(matches!(result.outcome, CallOutcome::Failed(CallFault::ForbiddenAddress)), "{result:?}");
        assert!(!format!("{result:?}").contains("fake-token"));
        assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }

    #[tokio::test]
    async fn a_proxied_call_goes_by_name_and_its_fault_hides_the_password() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            String::from_utf8_lossy(&head[..length]).into_owned()
        });
        let proxy = RobotProxy::parse(&format!("http://ann:s3cret@localhost:{port}")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let keys = KeyRing::open(&folder.path().join("belfry.key")).unwrap();
        let sender = Sender::new(keys, RobotOrigins::default(), Clock::default(), proxy.as_ref()).unwrap();
        let url = format!("https://oapi.dingtalk.com/robot/send?access_token={}", "0123456789abcdef".repeat(4));
        let address = RobotAddress::parse(robots::Channel::DingTalk, &url, &RobotOrigins::default()).unwrap();
        let (client, is_proxied) = sender.client_for_address(&address).unwrap();
        assert!(is_proxied);
        let called = connection_failure(client.post(address.url().expose()).send().await.unwrap_err());
        let head = asked.await.unwrap();
        assert!(head.starts_with("CONNECT oapi.dingtalk.com:443 HTTP/1.1\r\n"), "{head}");
        assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic"), "{head}");
        assert!(!head.contains("access_token"), "the proxy sees no address of a robot: {head}");
        assert!(matches!(called.outcome, CallOutcome::Failed(CallFault::Unreachable)), "{called:?}");
        assert!(!format!("{called:?}").contains("s3cret") && !format!("{called:?}").contains("access_token"));
    }

    #[tokio::test]
    async fn a_name_resolving_to_loopback_is_refused_before_asking_the_proxy() {
        assert!(!may_resolve_to_public("localhost").await);
        assert!(may_resolve_to_public("no-such-name.invalid").await, "only the proxy can say");
    }

    #[tokio::test]
    async fn nobody_listening_is_unreachable_and_the_fault_holds_no_address() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("http://127.0.0.1:{port}/robot/send?access_token=fake-token");
        let result = connection_failure(client_builder().build().unwrap().post(url).send().await.unwrap_err());
        assert!(matches!(result.outcome, CallOutcome::Failed(CallFault::Unreachable)), "{result:?}");
        assert!(!format!("{result:?}").contains("fake-token"));
        assert!(!result.detail.is_empty());
    }
}
