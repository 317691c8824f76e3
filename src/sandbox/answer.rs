//! How a call is answered: the robot's genuine words, and what the faults make of them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    check::{self, Incoming, Refusal},
    group::{Fault, Group, RobotKind},
    record::{Message, Verdict},
};

const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
/// The longest that a call is left hanging.
const LONGEST_HANG: Duration = Duration::from_secs(600);

/// An answer, ready to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub body: String,
    pub sending: Sending,
}

/// In which manner an answer is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sending {
    /// At once.
    Plain,
    /// This much later.
    Late(Duration),
    /// Byte by byte, this far apart.
    Slow(Duration),
    /// Not at all: the connection is closed after this time.
    Cut(Duration),
}

impl Answer {
    fn json(status: u16, body: &Value) -> Self {
        Self { status, content_type: JSON, headers: Vec::new(), body: body.to_string(), sending: Sending::Plain }
    }

    fn html(status: u16, title: &str) -> Self {
        let body = format!("<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n");
        Self { status, content_type: HTML, headers: Vec::new(), body, sending: Sending::Plain }
    }

    fn cut_after(hang: Duration) -> Self {
        Self { sending: Sending::Cut(hang), ..Self::html(200, "") }
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
pub(super) fn stopped(kind: RobotKind, fault: &Fault, incoming: &Incoming) -> (Answer, Verdict, Option<Message>) {
    let answer = match fault {
        Fault::Busy => {
            let refusal = check::busy(kind, incoming);
            return refused(kind, None, refusal, None);
        }
        Fault::Status(status) => Answer::html(*status, &format!("{status} Error")),
        Fault::Punished => {
            let uuid = "00000000000000000000000000000000";
            let body = json!({ "status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": uuid });
            Answer { content_type: HTML, ..Answer::json(200, &body) }
        }
        Fault::TooMany(wait) => too_many(kind, *wait),
        Fault::Redirect(to) => Answer::html(301, "301 Moved Permanently").with_header("Location", to),
        Fault::Hang => Answer::cut_after(LONGEST_HANG),
        Fault::Reset => Answer::cut_after(Duration::ZERO),
        // The rest stand behind the robot and never come here.
        _ => Answer::html(200, "Welcome to nginx!"),
    };
    (answer, Verdict::Stopped, None)
}

/// Lark's platform names the wait in a header of its own.
fn too_many(kind: RobotKind, wait: Duration) -> Answer {
    let seconds = wait.as_secs().to_string();
    let answer = match kind {
        RobotKind::Lark => {
            let body = json!({ "code": 99_991_400, "msg": "request trigger frequency limit" });
            Answer::json(429, &body).with_header("x-ogw-ratelimit-reset", &seconds)
        }
        RobotKind::DingTalk | RobotKind::WeCom => Answer::html(429, "429 Too Many Requests"),
    };
    answer.with_header("Retry-After", seconds)
}

/// What becomes of a call that reached the robot, with what a fault makes of the answer.
pub(super) fn judged(
    kind: RobotKind,
    group: Option<&Group>,
    judged: Result<Message, Refusal>,
    repeated: bool,
    fault: Option<&Fault>,
) -> (Answer, Verdict, Option<Message>) {
    match judged {
        Ok(message) => {
            let verdict = if repeated { Verdict::Repeated } else { Verdict::Heard };
            (spoilt(Answer::json(200, &check::accepted(kind, group)), fault), verdict, Some(message))
        }
        Err(refusal) => refused(kind, group, refusal, fault),
    }
}

fn refused(
    kind: RobotKind,
    group: Option<&Group>,
    refusal: Refusal,
    fault: Option<&Fault>,
) -> (Answer, Verdict, Option<Message>) {
    let answer = Answer::json(refusal.status, &check::refused(kind, group, &refusal));
    (spoilt(answer, fault), Verdict::Refused { code: refusal.code, reason: refusal.reason }, None)
}

/// What a fault behind the robot makes of its answer.
fn spoilt(genuine: Answer, fault: Option<&Fault>) -> Answer {
    match fault {
        Some(Fault::Delay(delay)) => Answer { sending: Sending::Late(*delay), ..genuine },
        Some(Fault::SlowBytes(gap)) => Answer { sending: Sending::Slow(*gap), ..genuine },
        Some(Fault::ResetAfterHearing) => Answer::cut_after(Duration::ZERO),
        Some(Fault::Empty) => Answer { status: 200, body: String::new(), ..genuine },
        Some(Fault::Truncated) => Answer { body: half(&genuine.body), ..genuine },
        _ => genuine,
    }
}

/// The first half of a text.
fn half(text: &str) -> String {
    text.chars().take(text.chars().count() / 2).collect()
}
