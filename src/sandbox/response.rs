//! How a call is answered: the robot's genuine words, and what the faults make of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    call_log::{CallVerdict, ReceivedMessage},
    check::{self, IncomingRequest, Refusal},
    group::{Group, InjectedFault, RobotKind},
};

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
/// The longest that a call is left hanging.
const MAX_HANG: Duration = Duration::from_secs(600);

/// An answer, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SimulatedResponse {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub send_mode: SendMode,
}

/// In which manner an answer is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendMode {
    /// At once.
    Immediate,
    /// This much later.
    Delayed(Duration),
    /// Byte by byte, this far apart.
    ByteByByte(Duration),
    /// Not at all: the connection is closed after this time.
    CloseConnection(Duration),
}

impl SimulatedResponse {
    fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: JSON, headers: Vec::new(), body: body.to_string(), send_mode: SendMode::Immediate }
    }

    fn html(status: u16, title: &str) -> Self {
        let body = format!("<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n");
        Self { status, content_type: HTML, headers: Vec::new(), body, send_mode: SendMode::Immediate }
    }

    fn close_after(hang: Duration) -> Self {
        Self { send_mode: SendMode::CloseConnection(hang), ..Self::html(200, "") }
    }

    fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// DingTalk's answer to a path that it does not have.
    pub fn unknown_path() -> Self {
        Self::json(200, &json!({ "errcode": 404, "errmsg": "请求的URI地址不存在" }))
    }

    /// A gateway's answer to a body larger than it reads at all.
    pub fn gateway_too_large() -> Self {
        Self::html(413, "413 Request Entity Too Large")
    }
}

/// What becomes of a call that a fault keeps from the robot.
pub(super) fn intercepted_response(
    kind: RobotKind,
    fault: &InjectedFault,
    incoming: &IncomingRequest,
) -> (SimulatedResponse, CallVerdict, Option<ReceivedMessage>) {
    let answer = match fault {
        InjectedFault::Busy => {
            let refusal = check::busy_refusal(kind, incoming);
            return refused_response(kind, None, refusal, None);
        }
        InjectedFault::Status(status) => SimulatedResponse::html(*status, &format!("{status} Error")),
        InjectedFault::FirewallBan => {
            let uuid = "00000000000000000000000000000000";
            let body = json!({ "status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": uuid });
            SimulatedResponse { content_type: HTML, ..SimulatedResponse::json(200, &body) }
        }
        InjectedFault::TooManyRequests(wait) => too_many_requests(kind, *wait),
        InjectedFault::Redirect(to) => {
            SimulatedResponse::html(301, "301 Moved Permanently").with_header("Location", to)
        }
        InjectedFault::NeverAnswers => SimulatedResponse::close_after(MAX_HANG),
        InjectedFault::ConnectionReset => SimulatedResponse::close_after(Duration::ZERO),
        // The rest stand behind the robot and never come here.
        _ => SimulatedResponse::html(200, "Welcome to nginx!"),
    };
    (answer, CallVerdict::Intercepted, None)
}

/// Lark's platform names the wait in a header of its own.
fn too_many_requests(kind: RobotKind, wait: Duration) -> SimulatedResponse {
    let seconds = wait.as_secs().to_string();
    let answer = match kind {
        RobotKind::Lark => {
            let body = json!({ "code": 99_991_400, "msg": "request trigger frequency limit" });
            SimulatedResponse::json(429, &body).with_header("x-ogw-ratelimit-reset", &seconds)
        }
        RobotKind::DingTalk | RobotKind::WeCom => SimulatedResponse::html(429, "429 Too Many Requests"),
    };
    answer.with_header("Retry-After", seconds)
}

/// What becomes of a call that reached the robot, with what a fault makes of the answer.
pub(super) fn response_for(
    kind: RobotKind,
    group: Option<&Group>,
    checked: Result<ReceivedMessage, Refusal>,
    is_duplicate: bool,
    fault: Option<&InjectedFault>,
) -> (SimulatedResponse, CallVerdict, Option<ReceivedMessage>) {
    match checked {
        Ok(message) => {
            let verdict = if is_duplicate { CallVerdict::Duplicate } else { CallVerdict::Delivered };
            (
                apply_fault(SimulatedResponse::json(200, &check::accepted_body(kind, group)), fault),
                verdict,
                Some(message),
            )
        }
        Err(refusal) => refused_response(kind, group, refusal, fault),
    }
}

fn refused_response(
    kind: RobotKind,
    group: Option<&Group>,
    refusal: Refusal,
    fault: Option<&InjectedFault>,
) -> (SimulatedResponse, CallVerdict, Option<ReceivedMessage>) {
    let answer = SimulatedResponse::json(refusal.status, &check::refused_body(kind, group, &refusal));
    (apply_fault(answer, fault), CallVerdict::Refused { code: refusal.code, reason: refusal.reason }, None)
}

/// What a fault behind the robot makes of its answer.
fn apply_fault(response: SimulatedResponse, fault: Option<&InjectedFault>) -> SimulatedResponse {
    match fault {
        Some(InjectedFault::Delay(delay)) => SimulatedResponse { send_mode: SendMode::Delayed(*delay), ..response },
        Some(InjectedFault::SlowBytes(gap)) => SimulatedResponse { send_mode: SendMode::ByteByByte(*gap), ..response },
        Some(InjectedFault::ResetAfterDelivery) => SimulatedResponse::close_after(Duration::ZERO),
        Some(InjectedFault::EmptyBody) => SimulatedResponse { status: 200, body: String::new(), ..response },
        Some(InjectedFault::TruncatedBody) => SimulatedResponse { body: first_half(&response.body), ..response },
        _ => response,
    }
}

/// The first half of a text.
fn first_half(text: &str) -> String {
    text.chars().take(text.chars().count() / 2).collect()
}
