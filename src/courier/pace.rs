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
use crate::robots::Limit;

/// How many places of each minute are kept for tests and critical alerts.
const KEPT: u32 = 2;

/// Limits over at least this long have places to keep; a limit over a second is too small to share.
const LONG_WINDOW: Duration = Duration::from_secs(60);

/// The part of the ordinary places, one in so many, that single messages leave to digests.
const FOR_DIGESTS: usize = 3;

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

/// By how much a clock may jump without being taken for set: one that is kept in step jumps a little now and then.
pub(super) const SLACK: TimeDelta = TimeDelta::milliseconds(100);

/// The window and a sixtieth, since vendors may count in whole seconds, and what the clock may have jumped meanwhile.
fn window(limit: Limit) -> TimeDelta {
    let millis = limit.per.as_millis() + limit.per.as_millis().div_ceil(60);
    TimeDelta::milliseconds(i64::try_from(millis).unwrap_or(i64::MAX / 2)) + SLACK
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
    let leaving = leaving(limit, calls, longest_call, now);
    // With as many calls inside as there are places, all but (places - 1) of them must leave first.
    match leaving.len().checked_sub(places(limit, priority)) {
        Some(last_to_leave) => leaving.get(last_to_leave).copied().unwrap_or(now),
        None => now,
    }
}

/// How many messages of this priority a window takes.
fn places(limit: Limit, priority: Priority) -> usize {
    let kept = if priority < Priority::Ordinary || limit.per < LONG_WINDOW { 0 } else { KEPT };
    usize::try_from(limit.count.saturating_sub(kept).max(1)).unwrap_or(usize::MAX)
}

/// When each call that still has a place gives it back, soonest first.
fn leaving(limit: Limit, calls: &[Call], longest_call: TimeDelta, now: NaiveDateTime) -> Vec<NaiveDateTime> {
    let leaves = calls.iter().map(|call| call.leaves(limit, longest_call));
    let mut leaving: Vec<NaiveDateTime> = leaves.filter(|leaves| *leaves > now).collect();
    leaving.sort_unstable();
    leaving
}

/// How many messages wait for a robot at this moment if nothing is folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Crowd {
    /// Critical ones.
    pub urgent: usize,
    /// All others but tests.
    pub ordinary: usize,
}

/// How the next message goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The earliest start; not after `now` means at once.
    pub start: NaiveDateTime,
    /// Whether it is to take everything along that waits with it.
    pub folds: bool,
}

/// When the next message may start, and whether it is to be a digest. A critical one is never kept waiting as long as each of
/// them finds a place; the others leave a part of the places to digests.
pub(super) fn next_turn(
    limits: &[Limit],
    priority: Priority,
    crowd: Crowd,
    calls: &[Call],
    longest_call: TimeDelta,
    now: NaiveDateTime,
) -> Turn {
    let at_once = next_start(limits, priority, calls, longest_call, now);
    let waiting = match priority {
        Priority::Test => 0,
        Priority::Urgent => crowd.urgent,
        Priority::Ordinary => crowd.urgent + crowd.ordinary,
    };
    let long = || limits.iter().filter(|limit| limit.per >= LONG_WINDOW);
    let spare = |limit: &Limit| {
        let places = places(*limit, priority);
        let for_digests = if priority == Priority::Ordinary { places / FOR_DIGESTS } else { 0 };
        places.saturating_sub(for_digests + leaving(*limit, calls, longest_call, now).len())
    };
    if long().all(|limit| waiting <= spare(limit)) {
        return Turn { start: at_once, folds: false };
    }
    let spread = long().map(|limit| spread(*limit, priority, calls, longest_call, now));
    Turn { start: spread.fold(at_once, NaiveDateTime::max), folds: true }
}

/// The earliest start if the free places, and those that come free, are used at even distances from the last call on.
fn spread(
    limit: Limit,
    priority: Priority,
    calls: &[Call],
    longest_call: TimeDelta,
    now: NaiveDateTime,
) -> NaiveDateTime {
    let leaving = leaving(limit, calls, longest_call, now);
    let Some(last) = calls.iter().map(|call| call.started_at).max().filter(|_| !leaving.is_empty()) else { return now };
    let free = places(limit, priority).saturating_sub(leaving.len());
    // The n-th call from here on needs the place that comes free n-th: it is not too soon when n distances reach there.
    let distances = leaving.iter().zip(free + 1..).map(|(leaves, nth)| {
        let nth = i32::try_from(nth).unwrap_or(i32::MAX);
        (*leaves - last) / nth
    });
    // A last call in the future is a clock that was set back: no reason to wait for more than a window.
    (last + distances.max().unwrap_or_default()).min(now + window(limit))
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
        assert_eq!(next(Channel::DingTalk, Priority::Ordinary, &calls, 2_000), 61_150);
        assert_eq!(next(Channel::DingTalk, Priority::Test, &calls, 2_000), 2_000);
        let calls: Vec<Call> = (0..20).map(|n| call(n * 100, n * 100 + 50)).collect();
        assert_eq!(next(Channel::DingTalk, Priority::Test, &calls, 2_000), 61_150);
        // Two have to leave before an ordinary one fits again, and one more.
        assert_eq!(next(Channel::DingTalk, Priority::Ordinary, &calls, 2_000), 61_350);
    }

    #[test]
    fn lark_keeps_both_of_its_limits() {
        let calls: Vec<Call> = (0..5).map(|n| call(n * 10, n * 10 + 5)).collect();
        assert_eq!(next(Channel::Lark, Priority::Ordinary, &calls, 100), 1_122);
        let calls: Vec<Call> = (0..98).map(|n| call(n * 250, n * 250 + 5)).collect();
        assert_eq!(next(Channel::Lark, Priority::Ordinary, &calls, 30_000), 61_105);
    }

    #[test]
    fn a_call_without_an_end_keeps_its_place_as_long_as_it_could_take() {
        let open = Call { started_at: at(0), finished_at: None };
        let calls = [open; 18];
        assert_eq!(next(Channel::WeCom, Priority::Ordinary, &calls, 1_000), 71_100);
    }

    fn turn(channel: Channel, priority: Priority, waiting: usize, calls: &[Call], now: i64) -> (i64, bool) {
        let crowd = match priority {
            Priority::Urgent => Crowd { urgent: waiting, ordinary: 1_000 },
            _ => Crowd { urgent: 0, ordinary: waiting },
        };
        let turn = next_turn(limits(channel), priority, crowd, calls, LONGEST, at(now));
        ((turn.start - at(0)).num_milliseconds(), turn.folds)
    }

    #[test]
    fn what_a_quiet_robot_takes_goes_out_one_by_one_and_more_than_that_at_once_as_a_digest() {
        assert_eq!(turn(Channel::DingTalk, Priority::Ordinary, 12, &[], 5), (5, false));
        assert_eq!(turn(Channel::DingTalk, Priority::Ordinary, 13, &[], 5), (5, true));
        assert_eq!(turn(Channel::DingTalk, Priority::Urgent, 20, &[], 5), (5, false));
        assert_eq!(turn(Channel::DingTalk, Priority::Urgent, 21, &[], 5), (5, true));
        assert_eq!(turn(Channel::Lark, Priority::Ordinary, 66, &[], 5), (5, false));
        assert_eq!(turn(Channel::Lark, Priority::Ordinary, 67, &[], 5), (5, true));
    }

    #[test]
    fn a_critical_one_has_the_kept_places_while_ordinary_ones_wait_for_their_digest() {
        let calls: Vec<Call> = (0..18).map(|n| call(n * 3_400, n * 3_400 + 50)).collect();
        let now = 17 * 3_400 + 100;
        assert_eq!(turn(Channel::DingTalk, Priority::Urgent, 2, &calls, now), (now, false));
        assert_eq!(turn(Channel::DingTalk, Priority::Test, 0, &calls, now), (now, false));
        assert!(turn(Channel::DingTalk, Priority::Urgent, 3, &calls, now).1);
        let (start, folds) = turn(Channel::DingTalk, Priority::Ordinary, 1, &calls, now);
        assert!(folds && (17 * 3_400 + 3_300..18 * 3_400 + 100).contains(&start), "{start}");
    }

    #[test]
    fn in_a_lasting_storm_a_group_never_waits_longer_than_a_few_seconds() {
        for (channel, first, later) in [(Channel::DingTalk, 9_000, 4_500), (Channel::Lark, 2_500, 1_000)] {
            // An alert every tenth of a second.
            let (mut now, mut told, mut calls, mut starts) = (0, 0, Vec::new(), Vec::new());
            while now < 300_000 {
                let came_in = now / 100 + 1;
                let (start, folds) =
                    turn(channel, Priority::Ordinary, usize::try_from(came_in - told).unwrap(), &calls, now);
                if start > now {
                    now = start;
                    continue;
                }
                told = if folds { came_in } else { told + 1 };
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
        assert!(turn(Channel::WeCom, Priority::Ordinary, 5, &calls, 0).0 <= 61_100);
    }

    proptest! {
        /// Messages are sent as soon as the pace allows; each arrives at some moment between start and end of its call. There is
        /// room for a clock that jumps meanwhile.
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
                    prop_assert!(beyond - first > window + SLACK.num_milliseconds(), "{count} and one more within {window} ms");
                }
            }
        }

        /// Spreading never starts a message before it has a place, nor folds what finds room.
        #[test]
        fn a_turn_is_never_sooner_than_the_pace(
            channel in prop::sample::select(&Channel::ALL[..]),
            ends in prop::collection::vec(0_i64..60_000, 0..120),
            waiting in 1_usize..200,
            urgent in any::<bool>(),
        ) {
            let calls: Vec<Call> = ends.iter().map(|end| call((end - 100).max(0), *end)).collect();
            let now = ends.iter().copied().max().unwrap_or_default();
            let priority = if urgent { Priority::Urgent } else { Priority::Ordinary };
            let (start, folds) = turn(channel, priority, waiting, &calls, now);
            let at_once = next(channel, priority, &calls, now);
            prop_assert!(start >= at_once && start <= now + 61_100);
            prop_assert!(folds || start == at_once);
        }

        /// A queue never stands still for longer than it must.
        #[test]
        fn there_is_room_again_within_a_window_after_the_last_call(ends in prop::collection::vec(0_i64..60_000, 0..200)) {
            let calls: Vec<Call> = ends.iter().map(|end| call((end - 100).max(0), *end)).collect();
            let last = ends.iter().copied().max().unwrap_or_default();
            prop_assert!(next(Channel::DingTalk, Priority::Ordinary, &calls, last) <= last + 61_100);
        }
    }
}
