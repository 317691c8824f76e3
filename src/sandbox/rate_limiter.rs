//! The robots' rate limits, counted over a rolling window and told the time from outside.

use std::collections::VecDeque;

use chrono::{NaiveDateTime, TimeDelta};

use super::group::RobotKind;

/// At most `calls` within any `seconds`.
struct WindowLimit {
    calls: usize,
    seconds: i64,
}

/// What the vendors' documents promise: DingTalk and WeCom 20 a minute, Lark 5 a second and 100 a minute.
fn window_limits(kind: RobotKind) -> &'static [WindowLimit] {
    match kind {
        RobotKind::DingTalk | RobotKind::WeCom => &[WindowLimit { calls: 20, seconds: 60 }],
        RobotKind::Lark => &[WindowLimit { calls: 5, seconds: 1 }, WindowLimit { calls: 100, seconds: 60 }],
    }
}

/// How long a robot that was called too often stays shut. DingTalk documents ten minutes; with the others the window has
/// only to pass.
fn block_duration(kind: RobotKind) -> Option<TimeDelta> {
    match kind {
        RobotKind::DingTalk => Some(TimeDelta::minutes(10)),
        RobotKind::Lark | RobotKind::WeCom => None,
    }
}

/// The recent calls of one token.
#[derive(Default)]
pub(super) struct RateLimiter {
    admitted: VecDeque<NaiveDateTime>,
    blocked_until: Option<NaiveDateTime>,
}

impl RateLimiter {
    /// Counts a call and says whether it is within the limits.
    pub fn try_admit(&mut self, kind: RobotKind, now: NaiveDateTime) -> bool {
        if self.is_blocked(now) {
            return false;
        }
        let is_within = |seconds: i64| {
            let start = now - TimeDelta::seconds(seconds);
            move |at: &&NaiveDateTime| **at > start
        };
        self.admitted.retain(|at| is_within(60)(&at));
        if window_limits(kind)
            .iter()
            .any(|limit| self.admitted.iter().filter(is_within(limit.seconds)).count() >= limit.calls)
        {
            if let Some(length) = block_duration(kind) {
                self.blocked_until = Some(now + length);
                self.admitted.clear();
            }
            return false;
        }
        self.admitted.push_back(now);
        true
    }

    /// Whether the robot is shut for having been called too often.
    pub fn is_blocked(&self, now: NaiveDateTime) -> bool {
        self.blocked_until.is_some_and(|until| now < until)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at_millis(milliseconds: i64) -> NaiveDateTime {
        NaiveDateTime::default() + TimeDelta::milliseconds(milliseconds)
    }

    #[test]
    fn the_21st_call_in_a_minute_blocks_a_dingtalk_robot_for_ten_minutes() {
        let mut pace = RateLimiter::default();
        assert!((0..20).all(|second| pace.try_admit(RobotKind::DingTalk, at_millis(second * 1000))));
        assert!(!pace.try_admit(RobotKind::DingTalk, at_millis(59_999)));
        assert!(pace.is_blocked(at_millis(59_999 + 599_999)));
        assert!(!pace.try_admit(RobotKind::DingTalk, at_millis(59_999 + 599_999)));
        assert!(pace.try_admit(RobotKind::DingTalk, at_millis(59_999 + 600_000)));
    }

    #[test]
    fn a_wecom_robot_accepts_again_as_the_window_passes() {
        let mut pace = RateLimiter::default();
        assert!((0..20).all(|_| pace.try_admit(RobotKind::WeCom, at_millis(0))));
        assert!(!pace.try_admit(RobotKind::WeCom, at_millis(59_999)));
        assert!(pace.try_admit(RobotKind::WeCom, at_millis(60_000)));
    }

    #[test]
    fn a_lark_robot_takes_five_a_second_and_a_hundred_a_minute() {
        let mut pace = RateLimiter::default();
        assert!((0..5).all(|_| pace.try_admit(RobotKind::Lark, at_millis(0))));
        assert!(!pace.try_admit(RobotKind::Lark, at_millis(999)));
        for second in 1..20 {
            assert!((0..5).all(|_| pace.try_admit(RobotKind::Lark, at_millis(second * 1000))));
        }
        assert!(!pace.try_admit(RobotKind::Lark, at_millis(30_000)));
        assert!(pace.try_admit(RobotKind::Lark, at_millis(60_000)));
    }

    proptest! {
        #[test]
        fn no_minute_ever_holds_more_than_twenty_admitted_calls(gaps in prop::collection::vec(0_i64..9000, 1..200)) {
            for kind in [RobotKind::DingTalk, RobotKind::WeCom] {
                let mut pace = RateLimiter::default();
                let mut now = 0;
                let mut admitted = Vec::new();
                for gap in &gaps {
                    now += gap;
                    if pace.try_admit(kind, at_millis(now)) {
                        admitted.push(now);
                    }
                }
                prop_assert!(admitted.windows(21).all(|run| run[20] - run[0] >= 60_000));
            }
        }
    }
}
