//! What a robot remembers of its calls: when they came, byte for byte what they said, and what became of them.

use std::{
    collections::{HashSet, VecDeque},
    fmt,
    time::Instant,
};

use actix_web::web::Bytes;
use chrono::NaiveDateTime;

use super::{group::InjectedFault, rate_limiter::RateLimiter};

/// Most calls that a robot remembers.
const MAX_CALLS: usize = 10_000;
/// Most bytes of bodies that a robot remembers.
const MAX_BODY_BYTES_KEPT: usize = 32 * 1024 * 1024;

/// A message as the group reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The vendor's name of its type, such as `markdown`.
    pub kind: String,
    /// The title, for types that have one.
    pub title: Option<String>,
    /// The text, in the vendor's own mark-up.
    pub text: String,
    /// Who is really mentioned: DingTalk needs the number or id in the text as well as in `at`.
    pub mentions: Vec<String>,
    /// Whether everyone is mentioned.
    pub mentions_everyone: bool,
    /// DingTalk's idempotency key.
    pub msg_uuid: Option<String>,
}

impl ReceivedMessage {
    /// Whether one of these keywords is in the title or the text; an empty list asks for none.
    pub(super) fn contains_one_of(&self, keywords: &[String]) -> bool {
        let contains = |keyword: &String| {
            self.text.contains(keyword.as_str()) || self.title.as_ref().is_some_and(|title| title.contains(keyword))
        };
        keywords.is_empty() || keywords.iter().any(contains)
    }

    /// Whether the text, or the title of a type that has one, is blank.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty() || self.title.as_ref().is_some_and(|title| title.trim().is_empty())
    }
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallVerdict {
    /// The group heard it.
    Delivered,
    /// The robot said ok, but had heard this `msgUuid` before: the group sees nothing new.
    Duplicate,
    /// The robot refused it.
    Refused {
        /// The vendor's error code.
        code: i64,
        /// The vendor's error text.
        reason: String,
    },
    /// A fault stood before the robot.
    Intercepted,
}

/// One call of a robot. Its `Debug` leaves out query, headers and body, which hold the token.
#[derive(Clone)]
pub struct RecordedCall {
    /// Counts from 1 for each robot.
    pub number: u64,
    /// When it came, by the injected clock.
    pub at: NaiveDateTime,
    /// When it came, by the machine's monotonic clock: what pacing is measured with.
    pub instant: Instant,
    /// The HTTP method.
    pub method: String,
    /// The query exactly as sent, undecoded.
    pub query: String,
    /// The headers in the order received, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body exactly as sent.
    pub body: Bytes,
    /// What became of it.
    pub verdict: CallVerdict,
    /// The fault that was played on it.
    pub fault: Option<InjectedFault>,
    /// The HTTP status that was answered (200 even when a fault then cut the connection).
    pub status: u16,
    /// The message, when the robot said ok.
    pub message: Option<ReceivedMessage>,
}

impl fmt::Debug for RecordedCall {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("number", &self.number)
            .field("at", &self.at)
            .field("verdict", &self.verdict)
            .field("fault", &self.fault)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl RecordedCall {
    /// The message, when the group heard it in this call (and not in an earlier one).
    #[must_use]
    pub fn delivered_message(&self) -> Option<DeliveredMessage> {
        let message = (self.verdict == CallVerdict::Delivered).then(|| self.message.clone()).flatten()?;
        Some(DeliveredMessage { at: self.at, instant: self.instant, message })
    }

    /// The first header of this lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A message that the group heard, counted once.
#[derive(Clone, Debug)]
pub struct DeliveredMessage {
    /// When, by the injected clock.
    pub at: NaiveDateTime,
    /// When, by the machine's monotonic clock.
    pub instant: Instant,
    /// What.
    pub message: ReceivedMessage,
}

/// The memory of one token.
#[derive(Default)]
pub(super) struct CallLog {
    pub rate_limiter: RateLimiter,
    calls: VecDeque<RecordedCall>,
    bytes: usize,
    delivered_uuids: HashSet<String>,
    call_count: u64,
    delivered_count: u64,
}

impl CallLog {
    /// Remembers a call, gives it its number, and forgets the oldest ones when there are too many.
    pub fn record(&mut self, mut call: RecordedCall) {
        self.call_count += 1;
        call.number = self.call_count;
        self.bytes += call.body.len();
        if call.verdict == CallVerdict::Delivered {
            self.delivered_count += 1;
            self.delivered_uuids.extend(call.message.as_ref().and_then(|message| message.msg_uuid.clone()));
        }
        self.calls.push_back(call);
        while self.calls.len() > MAX_CALLS || self.bytes > MAX_BODY_BYTES_KEPT {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(call) = self.calls.pop_front() else { return };
        self.bytes -= call.body.len();
        if call.verdict == CallVerdict::Delivered
            && let Some(uuid) = call.message.and_then(|message| message.msg_uuid)
        {
            self.delivered_uuids.remove(&uuid);
        }
    }

    /// Whether a message with this `msgUuid` was heard.
    pub fn has_delivered(&self, uuid: Option<&String>) -> bool {
        uuid.is_some_and(|uuid| self.delivered_uuids.contains(uuid))
    }

    /// The remembered calls, oldest first.
    pub fn calls(&mut self) -> &[RecordedCall] {
        self.calls.make_contiguous()
    }

    /// How many messages were heard and how many calls came, forgotten ones included.
    pub fn totals(&self) -> (u64, u64) {
        (self.delivered_count, self.call_count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(body: usize, uuid: &str) -> RecordedCall {
        RecordedCall {
            number: 0,
            at: NaiveDateTime::default(),
            instant: Instant::now(),
            method: "POST".to_owned(),
            query: "access_token=fake-canary".to_owned(),
            headers: Vec::new(),
            body: Bytes::from(vec![b' '; body]),
            verdict: CallVerdict::Delivered,
            fault: None,
            status: 200,
            message: Some(ReceivedMessage { msg_uuid: Some(uuid.to_owned()), ..ReceivedMessage::default() }),
        }
    }

    #[test]
    fn the_oldest_calls_are_dropped_but_stay_counted() {
        let mut ledger = CallLog::default();
        (0..=MAX_CALLS).for_each(|number| ledger.record(call(1, &number.to_string())));
        assert_eq!(ledger.calls().len(), MAX_CALLS);
        assert_eq!(ledger.calls()[0].number, 2);
        assert_eq!(ledger.totals(), (MAX_CALLS as u64 + 1, MAX_CALLS as u64 + 1));
        assert!(!ledger.has_delivered(Some(&"0".to_owned())));
        assert!(ledger.has_delivered(Some(&"1".to_owned())));
    }

    #[test]
    fn large_bodies_are_bounded_by_their_bytes() {
        let mut ledger = CallLog::default();
        (0..40).for_each(|number| ledger.record(call(1024 * 1024, &number.to_string())));
        assert_eq!(ledger.calls().len(), 32);
    }

    #[test]
    fn a_call_printed_for_debugging_does_not_show_its_token() {
        assert!(!format!("{:?}", call(1, "u")).contains("canary"));
    }
}
