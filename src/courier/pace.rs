//! When a robot has room for one more message, so that it never gets more than its limit in any window of time.
//!
//! The vendor counts when a call arrives, which lies between its start and its end. A call therefore keeps its place
//! until a whole window after its *end*: whatever the network did in between, no window at the vendor's holds more
//! calls than the limit.

use std::time::Duration;

use chrono::{NaiveDateTime, TimeDelta};

use super::model::Priority;
use crate::robots::Limit;

/// How many places of each minute are kept for tests and critical alerts.
const KEPT: u32 = 2;

/// Limits over at least this long have places to keep; a limit over a second is too small to share.
const LONG_WINDOW: Duration = Duration::from_secs(60);

/// A call as the pace sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub started_at: NaiveDateTime,
    pub finished_at: Option<NaiveDateTime>,
}

impl Call {
    /// When its place is free again. A call without an end may arrive until it is given up.
    fn leaves(self, limit: Limit, longest_call: TimeDelta) -> NaiveDateTime {
        let end = self.finished_at.unwrap_or(self.started_at + longest_call).max(self.started_at);
        end + window(limit)
    }
}

/// The window and a sixtieth: clocks of several machines differ a little, and vendors may count in whole seconds.
fn window(limit: Limit) -> TimeDelta {
    let millis = limit.per.as_millis() + limit.per.as_millis().div_ceil(60);
    TimeDelta::milliseconds(i64::try_from(millis).unwrap_or(i64::MAX / 2))
}

/// How far back calls can still matter: those that started earlier have left every window.
pub(super) fn horizon(limits: &[Limit], longest_call: TimeDelta) -> TimeDelta {
    limits.iter().map(|limit| window(*limit)).max().unwrap_or_default() + longest_call
}

/// When the next message may start at the earliest; not after `now` means at once. `calls` are all that started within the
/// horizon, in any order.
pub(super) fn next_start(
    limits: &[Limit],
    priority: Priority,
    calls: &[Call],
    longest_call: TimeDelta,
    now: NaiveDateTime,
) -> NaiveDateTime {
    limits.iter().map(|limit| next_within(*limit, priority, calls, longest_call, now)).fold(now, NaiveDateTime::max)
}

fn next_within(
    limit: Limit,
    priority: Priority,
    calls: &[Call],
    longest_call: TimeDelta,
    now: NaiveDateTime,
) -> NaiveDateTime {
    let kept = if priority < Priority::Ordinary || limit.per < LONG_WINDOW { 0 } else { KEPT };
    let places = usize::try_from(limit.count.saturating_sub(kept).max(1)).unwrap_or(usize::MAX);
    let mut leaving: Vec<NaiveDateTime> =
        calls.iter().map(|call| call.leaves(limit, longest_call)).filter(|leaves| *leaves > now).collect();
    leaving.sort_unstable();
    // With as many calls inside as there are places, all but (places - 1) of them must leave first.
    match leaving.len().checked_sub(places) {
        Some(last_to_leave) => leaving.get(last_to_leave).copied().unwrap_or(now),
        None => now,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::robots::{Channel, limits};

    const LONGEST: TimeDelta = TimeDelta::seconds(10);

    fn at(millis: i64) -> NaiveDateTime {
        NaiveDateTime::default() + TimeDelta::milliseconds(millis)
    }

    fn call(started: i64, finished: i64) -> Call {
        Call { started_at: at(started), finished_at: Some(at(finished)) }
    }

    fn next(channel: Channel, priority: Priority, calls: &[Call], now: i64) -> i64 {
        let next = next_start(limits(channel), priority, calls, LONGEST, at(now));
        (next - at(0)).num_milliseconds()
    }

    #[test]
    fn a_quiet_robot_rings_at_once() {
        assert_eq!(next(Channel::DingTalk, Priority::Ordinary, &[], 500), 500);
    }

    #[test]
    fn ordinary_messages_leave_two_places_of_the_minute_to_tests() {
        let calls: Vec<Call> = (0..18).map(|n| call(n * 100, n * 100 + 50)).collect();
        assert_eq!(next(Channel::DingTalk, Priority::Ordinary, &calls, 2_000), 61_050);
        assert_eq!(next(Channel::DingTalk, Priority::Test, &calls, 2_000), 2_000);
        let calls: Vec<Call> = (0..20).map(|n| call(n * 100, n * 100 + 50)).collect();
        assert_eq!(next(Channel::DingTalk, Priority::Test, &calls, 2_000), 61_050);
        // Two have to leave before an ordinary one fits again, and one more.
        assert_eq!(next(Channel::DingTalk, Priority::Ordinary, &calls, 2_000), 61_250);
    }

    #[test]
    fn lark_keeps_both_of_its_limits() {
        let calls: Vec<Call> = (0..5).map(|n| call(n * 10, n * 10 + 5)).collect();
        assert_eq!(next(Channel::Lark, Priority::Ordinary, &calls, 100), 1_022);
        let calls: Vec<Call> = (0..98).map(|n| call(n * 250, n * 250 + 5)).collect();
        assert_eq!(next(Channel::Lark, Priority::Ordinary, &calls, 30_000), 61_005);
    }

    #[test]
    fn a_call_without_an_end_keeps_its_place_as_long_as_it_could_take() {
        let open = Call { started_at: at(0), finished_at: None };
        let calls = [open; 18];
        assert_eq!(next(Channel::WeCom, Priority::Ordinary, &calls, 1_000), 71_000);
    }

    proptest! {
        /// Messages are sent as soon as the pace allows; each arrives at some moment between start and end of its call.
        #[test]
        fn no_window_at_the_vendor_ever_holds_more_than_the_limit(
            channel in prop::sample::select(&Channel::ALL[..]),
            plan in prop::collection::vec((0_i64..4_000, 0_i64..3_000, 0_u8..=100, any::<bool>()), 1..160),
        ) {
            let limits = limits(channel);
            let (mut now, mut calls, mut arrivals) = (0_i64, Vec::new(), Vec::new());
            for (pause, took, arrived, test) in plan {
                now += pause / 8;
                let priority = if test { Priority::Test } else { Priority::Ordinary };
                now = next(channel, priority, &calls, now);
                calls.push(call(now, now + took));
                arrivals.push(now + took * i64::from(arrived) / 100);
                now += took;
            }
            arrivals.sort_unstable();
            for limit in limits {
                let window = i64::try_from(limit.per.as_millis()).unwrap();
                let count = usize::try_from(limit.count).unwrap();
                for (first, beyond) in arrivals.iter().zip(arrivals.iter().skip(count)) {
                    prop_assert!(beyond - first > window, "{count} and one more within {window} ms");
                }
            }
        }

        /// A queue never stands still for longer than it must.
        #[test]
        fn there_is_room_again_within_a_window_after_the_last_call(ends in prop::collection::vec(0_i64..60_000, 0..200)) {
            let calls: Vec<Call> = ends.iter().map(|end| call((end - 100).max(0), *end)).collect();
            let last = ends.iter().copied().max().unwrap_or_default();
            prop_assert!(next(Channel::DingTalk, Priority::Ordinary, &calls, last) <= last + 61_000);
        }
    }
}
