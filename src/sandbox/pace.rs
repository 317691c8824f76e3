//! The robots' rate limits, counted over a rolling window and told the time from outside.

use std::collections::VecDeque;

use chrono::{NaiveDateTime, TimeDelta};

use super::group::RobotKind;

/// At most `calls` within any `seconds`.
struct Limit {
    calls: usize,
    seconds: i64,
}

/// What the vendors' documents promise: DingTalk and WeCom 20 a minute, Lark 5 a second and 100 a minute.
fn limits(kind: RobotKind) -> &'static [Limit] {
    match kind {
        RobotKind::DingTalk | RobotKind::WeCom => &[Limit { calls: 20, seconds: 60 }],
        RobotKind::Lark => &[Limit { calls: 5, seconds: 1 }, Limit { calls: 100, seconds: 60 }],
    }
}

/// How long a robot that was called too often stays shut. DingTalk documents ten minutes; with the others the window has
/// only to pass.
fn block(kind: RobotKind) -> Option<TimeDelta> {
    match kind {
        RobotKind::DingTalk => Some(TimeDelta::minutes(10)),
        RobotKind::Lark | RobotKind::WeCom => None,
    }
}

/// The recent calls of one token.
#[derive(Default)]
pub(super) struct Pace {
    admitted: VecDeque<NaiveDateTime>,
    blocked_until: Option<NaiveDateTime>,
}

impl Pace {
    /// Counts a call and says whether it is within the limits.
    pub fn admit(&mut self, kind: RobotKind, now: NaiveDateTime) -> bool {
        if self.is_blocked(now) {
            return false;
        }
        let within = |seconds: i64| {
            let begin = now - TimeDelta::seconds(seconds);
            move |at: &&NaiveDateTime| **at > begin
        };
        self.admitted.retain(|at| within(60)(&at));
        if limits(kind).iter().any(|limit| self.admitted.iter().filter(within(limit.seconds)).count() >= limit.calls) {
            if let Some(length) = block(kind) {
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

    fn moment(milliseconds: i64) -> NaiveDateTime {
        NaiveDateTime::default() + TimeDelta::milliseconds(milliseconds)
    }

    #[test]
    fn the_twenty_first_call_in_a_minute_shuts_a_dingtalk_robot_for_ten_minutes() {
        let mut pace = Pace::default();
        assert!((0..20).all(|second| pace.admit(RobotKind::DingTalk, moment(second * 1000))));
        assert!(!pace.admit(RobotKind::DingTalk, moment(59_999)));
        assert!(pace.is_blocked(moment(59_999 + 599_999)));
        assert!(!pace.admit(RobotKind::DingTalk, moment(59_999 + 599_999)));
        assert!(pace.admit(RobotKind::DingTalk, moment(59_999 + 600_000)));
    }

    #[test]
    fn a_wecom_robot_opens_again_as_the_window_passes() {
        let mut pace = Pace::default();
        assert!((0..20).all(|_| pace.admit(RobotKind::WeCom, moment(0))));
        assert!(!pace.admit(RobotKind::WeCom, moment(59_999)));
        assert!(pace.admit(RobotKind::WeCom, moment(60_000)));
    }

    #[test]
    fn a_lark_robot_takes_five_a_second_and_a_hundred_a_minute() {
        let mut pace = Pace::default();
        assert!((0..5).all(|_| pace.admit(RobotKind::Lark, moment(0))));
        assert!(!pace.admit(RobotKind::Lark, moment(999)));
        for second in 1..20 {
            assert!((0..5).all(|_| pace.admit(RobotKind::Lark, moment(second * 1000))));
        }
        assert!(!pace.admit(RobotKind::Lark, moment(30_000)));
        assert!(pace.admit(RobotKind::Lark, moment(60_000)));
    }

    proptest! {
        #[test]
        fn no_minute_ever_holds_more_than_twenty_admitted_calls(gaps in prop::collection::vec(0_i64..9000, 1..200)) {
            for kind in [RobotKind::DingTalk, RobotKind::WeCom] {
                let mut pace = Pace::default();
                let mut now = 0;
                let mut admitted = Vec::new();
                for gap in &gaps {
                    now += gap;
                    if pace.admit(kind, moment(now)) {
                        admitted.push(now);
                    }
                }
                prop_assert!(admitted.windows(21).all(|run| run[20] - run[0] >= 60_000));
            }
        }
    }
}
