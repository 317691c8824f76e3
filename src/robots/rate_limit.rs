//! How often each kind of robot may ring, and how long it must rest after it was told to slow down.

use std::time::Duration;

use super::Channel;

/// At most `count` messages in any window of length `window`, for one robot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// How many messages.
    pub max_messages: u32,
    /// In how long a sliding window.
    pub window: Duration,
}

const MINUTE: Duration = Duration::from_secs(60);

/// A rest that an answer asks for is believed within these bounds.
const MIN_COOLDOWN: Duration = Duration::from_secs(1);
const MAX_COOLDOWN: Duration = Duration::from_secs(600);

/// The vendor's limits for one robot; all of them hold at once.
///
/// Sources: DingTalk "Custom robots" (20 a minute), Lark "Custom bot" (5 a second and 100 a minute), WeCom document 99110 (20 a minute).
#[must_use]
pub const fn rate_limits(channel: Channel) -> &'static [RateLimit] {
    const TWENTY_A_MINUTE: &[RateLimit] = &[RateLimit { max_messages: 20, window: MINUTE }];
    const LARK: &[RateLimit] = &[
        RateLimit { max_messages: 5, window: Duration::from_secs(1) },
        RateLimit { max_messages: 100, window: MINUTE },
    ];
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
pub fn rate_limit_cooldown(channel: Channel, requested: Option<Duration>) -> Duration {
    match channel {
        Channel::DingTalk => MAX_COOLDOWN,
        Channel::Lark => requested.map_or(MINUTE, clamp_cooldown),
        Channel::WeCom => MINUTE,
    }
}

/// A rest that someone else's answer asks for, kept within reason.
pub(super) fn clamp_cooldown(requested: Duration) -> Duration {
    requested.clamp(MIN_COOLDOWN, MAX_COOLDOWN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_the_vendors() {
        assert_eq!(rate_limits(Channel::DingTalk), [RateLimit { max_messages: 20, window: MINUTE }]);
        assert_eq!(rate_limits(Channel::WeCom), [RateLimit { max_messages: 20, window: MINUTE }]);
        assert_eq!(
            rate_limits(Channel::Lark),
            [
                RateLimit { max_messages: 5, window: Duration::from_secs(1) },
                RateLimit { max_messages: 100, window: MINUTE }
            ]
        );
    }

    #[test]
    fn dingtalk_cools_down_ten_minutes_and_wecom_one() {
        for requested in [None, Some(Duration::from_secs(5)), Some(Duration::MAX)] {
            assert_eq!(rate_limit_cooldown(Channel::DingTalk, requested), Duration::from_secs(600));
            assert_eq!(rate_limit_cooldown(Channel::WeCom, requested), Duration::from_secs(60));
        }
    }

    #[test]
    fn lark_cools_down_as_its_response_asks_within_bounds() {
        let cooldown =
            |requested: Option<u64>| rate_limit_cooldown(Channel::Lark, requested.map(Duration::from_secs)).as_secs();
        assert_eq!(
            [cooldown(None), cooldown(Some(0)), cooldown(Some(7)), cooldown(Some(1_000_000_000))],
            [60, 1, 7, 600]
        );
    }
}
