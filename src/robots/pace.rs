//! How often each kind of robot may ring, and how long it must rest after it was told to slow down.

use std::time::Duration;

use super::Channel;

/// At most `count` messages in any window of length `per`, for one robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// How many messages.
    pub count: u32,
    /// In how long a sliding window.
    pub per: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

/// A rest that an answer asks for is believed within these bounds.
const SHORTEST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(600);

/// The vendor's limits for one robot; all of them hold at once.
///
/// Sources: DingTalk "Custom robots" (20 a minute), Lark "Custom bot" (5 a second and 100 a minute), WeCom document 99110 (20 a minute).
#[must_use]
pub const fn limits(channel: Channel) -> &'static [Limit] {
    const TWENTY_A_MINUTE: &[Limit] = &[Limit { count: 20, per: MINUTE }];
    const LARK: &[Limit] = &[Limit { count: 5, per: Duration::from_secs(1) }, Limit { count: 100, per: MINUTE }];
    match channel {
        Channel::DingTalk | Channel::WeCom => TWENTY_A_MINUTE,
        Channel::Lark => LARK,
    }
}

/// How long a robot rests after it answered "too fast". `asked` is what its answer asks for, if it does.
///
/// DingTalk documents a block of ten minutes, and WeCom's lasts as long as its window, whatever a proxy in between may
/// claim. Lark's lasts as long as its answer says (within a second and ten minutes), else a minute.
#[must_use]
pub fn rest_after_throttle(channel: Channel, asked: Option<Duration>) -> Duration {
    match channel {
        Channel::DingTalk => LONGEST_REST,
        Channel::Lark => asked.map_or(MINUTE, bounded_rest),
        Channel::WeCom => MINUTE,
    }
}

/// A rest that someone else's answer asks for, kept within reason.
pub(super) fn bounded_rest(asked: Duration) -> Duration {
    asked.clamp(SHORTEST_REST, LONGEST_REST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_the_vendors() {
        assert_eq!(limits(Channel::DingTalk), [Limit { count: 20, per: MINUTE }]);
        assert_eq!(limits(Channel::WeCom), [Limit { count: 20, per: MINUTE }]);
        assert_eq!(
            limits(Channel::Lark),
            [Limit { count: 5, per: Duration::from_secs(1) }, Limit { count: 100, per: MINUTE }]
        );
    }

    #[test]
    fn dingtalk_rests_ten_minutes_and_wecom_one_whatever_the_answer_asks() {
        for asked in [None, Some(Duration::from_secs(5)), Some(Duration::MAX)] {
            assert_eq!(rest_after_throttle(Channel::DingTalk, asked), Duration::from_secs(600));
            assert_eq!(rest_after_throttle(Channel::WeCom, asked), Duration::from_secs(60));
        }
    }

    #[test]
    fn lark_rests_as_its_answer_asks_within_bounds() {
        let rest = |asked: Option<u64>| rest_after_throttle(Channel::Lark, asked.map(Duration::from_secs)).as_secs();
        assert_eq!([rest(None), rest(Some(0)), rest(Some(7)), rest(Some(1_000_000_000))], [60, 1, 7, 600]);
    }
}
