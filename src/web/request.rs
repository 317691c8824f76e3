//! Small facts of a request: who sends it, where it came from, what the browser calls itself.

use actix_web::{HttpRequest, http::header};

use crate::access::{Account, Actor};

/// The address of the other end of the connection. Headers that claim another one are not believed.
#[must_use]
pub fn address(request: &HttpRequest) -> String {
    request.peer_addr().map(|peer| peer.ip().to_canonical().to_string()).unwrap_or_default()
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
