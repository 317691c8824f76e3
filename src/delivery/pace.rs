//! When a robot has room for one more message, so that it never gets more than its limit in any window of time.
//!
//! The vendor counts when a call arrives, which lies between its start and its end. A call therefore keeps its place
//! until a whole window after its *end*: whatever the network did in between, no window at the vendor's holds more
//! calls than the limit.
//!
//! What waits goes out one by one as long as it makes fewer messages than the robot has places to spare. Otherwise it is
//! folded, and the places that are left are spread over the time until used ones come free, so that a group in a storm
//! hears something every few seconds and is never cut off for the rest of a minute.

use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};

use super::model::Priority;
use crate::robots::RateLimit;

/// How many places of each minute are kept for tests and critical alerts.
const RESERVED: u32 = 2;

/// Limits over at least this long have places to keep; a limit over a second is too small to share.
const MIN_SHARED_WINDOW: Duration = Duration::from_secs(60);

/// The part of the ordinary places, one in so many, that single messages leave to digests.
const DIGEST_SHARE_DIVISOR: usize = 3;

/// A call as the pace sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct PastCall {
    pub started_at: NaiveDateTime,
    pub finished_at: Option<NaiveDateTime>,
}

impl PastCall {
    /// When its place is free again. A call without an end may arrive until it is given up.
    fn frees_at(self, limit: RateLimit, longest_call: TimeDelta) -> NaiveDateTime {
        let end = self.finished_at.unwrap_or(self.started_at + longest_call).max(self.started_at);
        end + effective_window(limit)
    }
}

/// By how much a clock may jump without being taken for set: one that is kept in step jumps a little now and then.
pub(super) const CLOCK_TOLERANCE: TimeDelta = TimeDelta::milliseconds(100);

/// The window and a sixtieth, since vendors may count in whole seconds, and what the clock may have jumped meanwhile.
fn effective_window(limit: RateLimit) -> TimeDelta {
    let millis = limit.window.as_millis() + limit.window.as_millis().div_ceil(60);
    TimeDelta::milliseconds(i64::try_from(millis).unwrap_or(i64::MAX / 2)) + CLOCK_TOLERANCE
}

/// How far back calls can still matter: those that started earlier have left every window.
pub(super) fn lookback(limits: &[RateLimit], longest_call: TimeDelta) -> TimeDelta {
    limits.iter().map(|limit| effective_window(*limit)).max().unwrap_or_default() + longest_call
}

/// When the next message may start at the earliest; not after `now` means at once. `calls` are all that started within the
/// horizon, in any order.
pub(super) fn next_start(
    limits: &[RateLimit],
    priority: Priority,
    calls: &[PastCall],
    longest_call: TimeDelta,
    now: NaiveDateTime,
) -> NaiveDateTime {
    limits
        .iter()
        .map(|limit| next_start_within(*limit, priority, calls, longest_call, now))
        .fold(now, NaiveDateTime::max)
}

fn next_start_within(
    limit: RateLimit,
    priority: Priority,
    calls: &[PastCall],
    longest_call: TimeDelta,
    now: NaiveDateTime,
) -> NaiveDateTime {
    let expiries = expiry_times(limit, calls, longest_call, now);
    // With as many calls inside as there are places, all but (places - 1) of them must leave first.
    match expiries.len().checked_sub(capacity(limit, priority)) {
        Some(last_to_expire) => expiries.get(last_to_expire).copied().unwrap_or(now),
        None => now,
    }
}

/// How many messages of this priority a window takes.
fn capacity(limit: RateLimit, priority: Priority) -> usize {
    let reserved = if priority < Priority::Ordinary || limit.window < MIN_SHARED_WINDOW { 0 } else { RESERVED };
    usize::try_from(limit.max_messages.saturating_sub(reserved).max(1)).unwrap_or(usize::MAX)
}

/// When each call that still has a place gives it back, soonest first.
fn expiry_times(
    limit: RateLimit,
    calls: &[PastCall],
    longest_call: TimeDelta,
    now: NaiveDateTime,
) -> Vec<NaiveDateTime> {
    let expiry = calls.iter().map(|call| call.frees_at(limit, longest_call));
    let mut expiries: Vec<NaiveDateTime> = expiry.filter(|expiry| *expiry > now).collect();
    expiries.sort_unstable();
    expiries
}

/// How many messages wait for a robot at this moment if nothing is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    /// Critical ones.
    pub urgent: usize,
    /// All others but tests.
    pub ordinary: usize,
}

/// How the next message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    /// The earliest start; not after `now` means at once.
    pub start: NaiveDateTime,
    /// Whether it is to take everything along that waits with it.
    pub is_digest: bool,
}

/// When the next message may start, and whether it is to be a digest. A critical one is never kept waiting as long as each of
/// them finds a place; the others leave a part of the places to digests.
pub(super) fn next_slot(
    limits: &[RateLimit],
    priority: Priority,
    backlog: Backlog,
    calls: &[PastCall],
    longest_call: TimeDelta,
    now: NaiveDateTime,
) -> Slot {
    let earliest = next_start(limits, priority, calls, longest_call, now);
    let waiting = match priority {
        Priority::Interactive => 0,
        Priority::Urgent => backlog.urgent,
        Priority::Ordinary => backlog.urgent + backlog.ordinary,
    };
    let long = || limits.iter().filter(|limit| limit.window >= MIN_SHARED_WINDOW);
    let headroom = |limit: &RateLimit| {
        let limit_capacity = capacity(*limit, priority);
        let for_digests = if priority == Priority::Ordinary { limit_capacity / DIGEST_SHARE_DIVISOR } else { 0 };
        limit_capacity.saturating_sub(for_digests + expiry_times(*limit, calls, longest_call, now).len())
    };
    if long().all(|limit| waiting <= headroom(limit)) {
        return Slot { start: earliest, is_digest: false };
    }
    let spread_starts = long().map(|limit| spread_start(*limit, priority, calls, longest_call, now));
    Slot { start: spread_starts.fold(earliest, NaiveDateTime::max), is_digest: true }
}

/// The earliest start if the free places, and those that come free, are used at even distances from the last call on.
fn spread_start(
    limit: RateLimit,
    priority: Priority,
    calls: &[PastCall],
    longest_call: TimeDelta,
    now: NaiveDateTime,
) -> NaiveDateTime {
    let expiries = expiry_times(limit, calls, longest_call, now);
    let Some(last) = calls.iter().map(|call| call.started_at).max().filter(|_| !expiries.is_empty()) else {
        return now;
    };
    let free = capacity(limit, priority).saturating_sub(expiries.len());
    // The n-th call from here on needs the place that comes free n-th: it is not too soon when n distances reach there.
    let distances = expiries.iter().zip(free + 1..).map(|(expiry, nth)| {
        let nth = i32::try_from(nth).unwrap_or(i32::MAX);
        (*expiry - last) / nth
    });
    // A last call in the future is a clock that was set back: no reason to wait for more than a window.
    (last + distances.max().unwrap_or_default()).min(now + effective_window(limit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::robots::{Channel, rate_limits};

    const MAX_CALL: TimeDelta = TimeDelta::seconds(10);

    fn at(millis: i64) -> NaiveDateTime {
        NaiveDateTime::default() + TimeDelta::milliseconds(millis)
    }

    fn call(started: i64, finished: i64) -> PastCall {
        PastCall { started_at: at(started), finished_at: Some(at(finished)) }
    }

    fn next_start_ms(channel: Channel, priority: Priority, calls: &[PastCall], now: i64) -> i64 {
        let next = next_start(rate_limits(channel), priority, calls, MAX_CALL, at(now));
        (next - at(0)).num_milliseconds()
    }

    #[test]
    fn an_idle_robot_starts_at_once() {
        assert_eq!(next_start_ms(Channel::DingTalk, Priority::Ordinary, &[], 500), 500);
    }

    #[test]
    fn ordinary_messages_reserve_two_slots_a_minute_for_tests() {
        let calls: Vec<PastCall> = (0..18).map(|n| call(n * 100, n * 100 + 50)).collect();
        assert_eq!(next_start_ms(Channel::DingTalk, Priority::Ordinary, &calls, 2_000), 61_150);
        assert_eq!(next_start_ms(Channel::DingTalk, Priority::Interactive, &calls, 2_000), 2_000);
        let calls: Vec<PastCall> = (0..20).map(|n| call(n * 100, n * 100 + 50)).collect();
        assert_eq!(next_start_ms(Channel::DingTalk, Priority::Interactive, &calls, 2_000), 61_150);
        // Two have to leave before an ordinary one fits again, and one more.
        assert_eq!(next_start_ms(Channel::DingTalk, Priority::Ordinary, &calls, 2_000), 61_350);
    }

    #[test]
    fn lark_keeps_both_of_its_limits() {
        let calls: Vec<PastCall> = (0..5).map(|n| call(n * 10, n * 10 + 5)).collect();
        assert_eq!(next_start_ms(Channel::Lark, Priority::Ordinary, &calls, 100), 1_122);
        let calls: Vec<PastCall> = (0..98).map(|n| call(n * 250, n * 250 + 5)).collect();
        assert_eq!(next_start_ms(Channel::Lark, Priority::Ordinary, &calls, 30_000), 61_105);
    }

    #[test]
    fn an_unfinished_call_counts_until_its_timeout() {
        let open = PastCall { started_at: at(0), finished_at: None };
        let calls = [open; 18];
        assert_eq!(next_start_ms(Channel::WeCom, Priority::Ordinary, &calls, 1_000), 71_100);
    }

    fn slot_for(channel: Channel, priority: Priority, waiting: usize, calls: &[PastCall], now: i64) -> (i64, bool) {
        let backlog = match priority {
            Priority::Urgent => Backlog { urgent: waiting, ordinary: 1_000 },
            _ => Backlog { urgent: 0, ordinary: waiting },
        };
        let slot = next_slot(rate_limits(channel), priority, backlog, calls, MAX_CALL, at(now));
        ((slot.start - at(0)).num_milliseconds(), slot.is_digest)
    }

    #[test]
    fn a_backlog_above_the_headroom_becomes_a_digest() {
        assert_eq!(slot_for(Channel::DingTalk, Priority::Ordinary, 12, &[], 5), (5, false));
        assert_eq!(slot_for(Channel::DingTalk, Priority::Ordinary, 13, &[], 5), (5, true));
        assert_eq!(slot_for(Channel::DingTalk, Priority::Urgent, 20, &[], 5), (5, false));
        assert_eq!(slot_for(Channel::DingTalk, Priority::Urgent, 21, &[], 5), (5, true));
        assert_eq!(slot_for(Channel::Lark, Priority::Ordinary, 66, &[], 5), (5, false));
        assert_eq!(slot_for(Channel::Lark, Priority::Ordinary, 67, &[], 5), (5, true));
    }

    #[test]
    fn critical_messages_use_reserved_capacity_while_ordinary_ones_wait() {
        let calls: Vec<PastCall> = (0..18).map(|n| call(n * 3_400, n * 3_400 + 50)).collect();
        let now = 17 * 3_400 + 100;
        assert_eq!(slot_for(Channel::DingTalk, Priority::Urgent, 2, &calls, now), (now, false));
        assert_eq!(slot_for(Channel::DingTalk, Priority::Interactive, 0, &calls, now), (now, false));
        assert!(slot_for(Channel::DingTalk, Priority::Urgent, 3, &calls, now).1);
        let (start, is_digest) = slot_for(Channel::DingTalk, Priority::Ordinary, 1, &calls, now);
        assert!(is_digest && (17 * 3_400 + 3_300..18 * 3_400 + 100).contains(&start), "{start}");
    }

    #[test]
    fn in_a_lasting_storm_a_group_gets_a_digest_every_few_seconds() {
        for (channel, first, later) in [(Channel::DingTalk, 9_000, 4_500), (Channel::Lark, 2_500, 1_000)] {
            // An alert every tenth of a second.
            let (mut now, mut notified, mut calls, mut starts) = (0, 0, Vec::new(), Vec::new());
            while now < 300_000 {
                let came_in = now / 100 + 1;
                let (start, is_digest) =
                    slot_for(channel, Priority::Ordinary, usize::try_from(came_in - notified).unwrap(), &calls, now);
                if start > now {
                    now = start;
                    continue;
                }
                notified = if is_digest { came_in } else { notified + 1 };
                calls.push(call(now, now + 50));
                starts.push(now);
                now += 100;
            }
            let gaps: Vec<i64> = starts.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(gaps.iter().all(|gap| *gap <= first), "{gaps:?}");
            let settled = starts.windows(2).filter(|pair| pair[0] > 70_000).map(|pair| pair[1] - pair[0]);
            assert!(settled.max().unwrap() <= later, "{gaps:?}");
        }
    }

    #[test]
    fn after_a_clock_was_set_back_a_digest_waits_for_a_window_at_most() {
        let calls = [call(86_400_000, 86_400_050); 12];
        assert!(slot_for(Channel::WeCom, Priority::Ordinary, 5, &calls, 0).0 <= 61_100);
    }

    proptest! {
        /// Messages are sent as soon as the pace allows; each arrives at some moment between start and end of its call. There is
        /// room for a clock that jumps meanwhile.
        #[test]
        fn no_window_at_the_vendor_ever_holds_more_than_the_limit(
            channel in prop::sample::select(&Channel::ALL[..]),
            plan in prop::collection::vec((0_i64..4_000, 0_i64..3_000, 0_u8..=100, any::<bool>()), 1..160),
        ) {
            let limits = rate_limits(channel);
            let (mut now, mut calls, mut arrivals) = (0_i64, Vec::new(), Vec::new());
            for (pause, took, arrived, test) in plan {
                now += pause / 8;
                let priority = if test { Priority::Interactive } else { Priority::Ordinary };
                now = next_start_ms(channel, priority, &calls, now);
                calls.push(call(now, now + took));
                arrivals.push(now + took * i64::from(arrived) / 100);
                now += took;
            }
            arrivals.sort_unstable();
            for limit in limits {
                let window = i64::try_from(limit.window.as_millis()).unwrap();
                let count = usize::try_from(limit.max_messages).unwrap();
                for (first, beyond) in arrivals.iter().zip(arrivals.iter().skip(count)) {
                    prop_assert!(beyond - first > window + CLOCK_TOLERANCE.num_milliseconds(), "{count} and one more within {window} ms");
                }
            }
        }

        /// Spreading never starts a message before it has a place, nor folds what finds room.
        #[test]
        fn a_slot_is_never_earlier_than_the_rate_limit_allows(
            channel in prop::sample::select(&Channel::ALL[..]),
            ends in prop::collection::vec(0_i64..60_000, 0..120),
            waiting in 1_usize..200,
            urgent in any::<bool>(),
        ) {
            let calls: Vec<PastCall> = ends.iter().map(|end| call((end - 100).max(0), *end)).collect();
            let now = ends.iter().copied().max().unwrap_or_default();
            let priority = if urgent { Priority::Urgent } else { Priority::Ordinary };
            let (start, is_digest) = slot_for(channel, priority, waiting, &calls, now);
            let earliest = next_start_ms(channel, priority, &calls, now);
            prop_assert!(start >= earliest && start <= now + 61_100);
            prop_assert!(is_digest || start == earliest);
        }

        /// A queue never stands still for longer than it must.
        #[test]
        fn capacity_returns_within_a_window_after_the_last_call(ends in prop::collection::vec(0_i64..60_000, 0..200)) {
            let calls: Vec<PastCall> = ends.iter().map(|end| call((end - 100).max(0), *end)).collect();
            let last = ends.iter().copied().max().unwrap_or_default();
            prop_assert!(next_start_ms(Channel::DingTalk, Priority::Ordinary, &calls, last) <= last + 61_100);
        }
    }
}
