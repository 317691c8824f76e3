//! What the end of a call means for the message, for its robot and for the endpoint: pure rules, with the times in one place.

use std::time::Duration;

use chrono::TimeDelta;

use super::{
    model::{CallFault, DeliveryReason, Priority},
    retries::{self, RetrySchedule},
};
use crate::robots::{BrokenCause, Channel, Meaning, RobotResponse, rate_limit_cooldown};

/// A test gets one more try, this soon: somebody is waiting for the answer.
const TEST_RETRY_DELAY: Duration = Duration::from_secs(2);

/// How many tries a message may have used whose call was never recorded: as many as the longest schedule has.
const MAX_LEASE_EXPIRIES: i64 = retries::MAX_DELAYS as i64;

/// After "too fast", should the answer not say how long.
const DEFAULT_COOLDOWN: Duration = Duration::from_secs(60);

/// What is known at the end of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallContext<'s> {
    /// The pauses between tries.
    pub schedule: &'s RetrySchedule,
    pub priority: Priority,
    /// How many tries this message has used, this one included; at least one.
    pub tries: i64,
    /// How many answers in a row from this endpoint meant what this one means, itself included; at least one.
    pub consecutive_failures: u32,
    /// A random number from 0 to 1.
    pub jitter: f64,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(super) enum CallOutcome {
    /// The robot answered.
    Answered(RobotResponse),
    /// Belfry itself refuses the stored address; nobody was called.
    AddressRefused,
    /// There is no answer.
    Failed(CallFault),
}

impl CallOutcome {
    /// Why the message is not delivered, in one word.
    pub(super) fn reason(&self) -> DeliveryReason {
        match self {
            Self::Answered(answer) => DeliveryReason::Robot(answer.meaning),
            Self::AddressRefused => DeliveryReason::Robot(Meaning::Broken(BrokenCause::AddressRefused)),
            Self::Failed(fault) => DeliveryReason::Call(*fault),
        }
    }
}

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Disposition {
    /// The group has it.
    Delivered,
    /// It is tried again after this pause; the try used up a step of the schedule.
    Retry(Duration),
    /// It keeps its place in the queue and its tries, until the endpoint has rested or the robot's configuration is mended.
    Hold,
    /// It ends here, visibly.
    Failed(DeliveryReason),
}

/// The whole decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CallDecision {
    pub disposition: Disposition,
    /// How long nobody may call this endpoint.
    pub cooldown: Option<Duration>,
    /// The robot's configuration is broken, and from now on its messages are held.
    pub broken_cause: Option<BrokenCause>,
}

/// Decides. A test never waits for anything but a place in its minute: every answer but a hiccup ends it at once, so that
/// the person who pressed the button reads what the robot said.
pub(super) fn decide(outcome: &CallOutcome, context: &CallContext<'_>) -> CallDecision {
    let reason = outcome.reason();
    let cooldown = match outcome {
        CallOutcome::Answered(RobotResponse { meaning: Meaning::RateLimited, cooldown: rest, .. }) => {
            Some(rest.unwrap_or(DEFAULT_COOLDOWN))
        }
        CallOutcome::Answered(answer) => answer.cooldown,
        CallOutcome::AddressRefused | CallOutcome::Failed(_) => None,
    };
    let broken_cause = match reason {
        DeliveryReason::Robot(Meaning::Broken(cause))
            if context.consecutive_failures >= cause.confirmations_required() =>
        {
            Some(cause)
        }
        _ => None,
    };
    let disposition = match (reason, context.priority) {
        (DeliveryReason::Robot(Meaning::Delivered), _) => Disposition::Delivered,
        (_, Priority::Interactive) => test_disposition(reason, cooldown, context),
        (DeliveryReason::Robot(Meaning::RateLimited), _) => Disposition::Hold,
        (DeliveryReason::Robot(Meaning::TooLong | Meaning::ContentRefused | Meaning::InvalidRequest), _) => {
            Disposition::Failed(reason)
        }
        (DeliveryReason::Robot(Meaning::Broken(_)), _) if broken_cause.is_some() => Disposition::Hold,
        // The process ended in between, which says nothing about the robot: no reason to let the message wait longer, nor to
        // give it up after its last try, but one that ends every process has an end too.
        (DeliveryReason::Call(CallFault::LeaseExpired), _) if context.tries <= MAX_LEASE_EXPIRIES => {
            Disposition::Retry(Duration::ZERO)
        }
        (DeliveryReason::Call(CallFault::LeaseExpired), _) => Disposition::Failed(DeliveryReason::RetriesExhausted),
        _ => match context.schedule.backoff_after(context.tries, context.jitter) {
            Some(pause) => Disposition::Retry(pause.max(cooldown.unwrap_or_default())),
            None => Disposition::Failed(DeliveryReason::RetriesExhausted),
        },
    };
    CallDecision { disposition, cooldown, broken_cause }
}

fn test_disposition(reason: DeliveryReason, cooldown: Option<Duration>, context: &CallContext<'_>) -> Disposition {
    // After a time-out the person has waited long enough, and the group may have the message.
    let is_transient = matches!(
        reason,
        DeliveryReason::Robot(Meaning::Temporary | Meaning::Unknown | Meaning::Broken(BrokenCause::ClockSkew))
            | DeliveryReason::Call(CallFault::Unreachable | CallFault::LeaseExpired)
    );
    if is_transient && cooldown.is_none() && context.tries <= 1 {
        return Disposition::Retry(TEST_RETRY_DELAY);
    }
    // These are tried again otherwise, and their texts say so; a test is not.
    Disposition::Failed(match reason {
        DeliveryReason::Robot(Meaning::RateLimited) => DeliveryReason::TestRateLimited,
        DeliveryReason::Robot(Meaning::Temporary) => DeliveryReason::TestTemporaryFault,
        DeliveryReason::Robot(Meaning::Unknown) => DeliveryReason::TestUnreadable,
        other => other,
    })
}

/// For how long an endpoint rests at the very most, whatever an answer asks for.
pub(super) fn max_cooldown() -> TimeDelta {
    Channel::ALL
        .into_iter()
        .filter_map(|channel| TimeDelta::from_std(rate_limit_cooldown(channel, Some(Duration::MAX))).ok())
        .max()
        .unwrap_or_default()
}

/// For how long a message that was tried so often waits at the very most.
pub(super) fn max_backoff(schedule: &RetrySchedule, tries: i64) -> TimeDelta {
    let max_pause = [0.0, 1.0].into_iter().filter_map(|jitter| schedule.backoff_after(tries, jitter)).max();
    let whole = TimeDelta::from_std(max_pause.unwrap_or_default()).unwrap_or_default();
    if tries == 0 { TimeDelta::zero() } else { whole.max(max_cooldown()) }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    fn answered(meaning: Meaning, cooldown: Option<u64>) -> CallOutcome {
        CallOutcome::Answered(RobotResponse {
            meaning,
            cooldown: cooldown.map(Duration::from_secs),
            code: None,
            text: String::new(),
        })
    }

    static SCHEDULE: LazyLock<RetrySchedule> = LazyLock::new(RetrySchedule::default);

    fn context(priority: Priority, tries: i64, consecutive_failures: u32) -> CallContext<'static> {
        CallContext { schedule: &SCHEDULE, priority, tries, consecutive_failures, jitter: 0.5 }
    }

    fn any_meaning() -> impl Strategy<Value = Meaning> {
        prop::sample::select(Meaning::all().collect::<Vec<_>>())
    }

    fn any_outcome() -> impl Strategy<Value = CallOutcome> {
        prop_oneof![
            (any_meaning(), prop::option::of(1_u64..600)).prop_map(|(meaning, cooldown)| answered(meaning, cooldown)),
            Just(CallOutcome::AddressRefused),
            prop::sample::select(&CallFault::ALL[..]).prop_map(CallOutcome::Failed),
        ]
    }

    #[test]
    fn a_temporary_fault_fails_after_twelve_attempts_over_27_hours() {
        for jitter in [0.0, 0.3, 1.0] {
            let (mut tries, mut whole) = (1, Duration::ZERO);
            let end = loop {
                let context = CallContext { jitter, ..context(Priority::Ordinary, tries, 1) };
                match decide(&answered(Meaning::Temporary, None), &context).disposition {
                    Disposition::Retry(after) => whole += after,
                    other => break other,
                }
                tries += 1;
            };
            assert_eq!((end, tries), (Disposition::Failed(DeliveryReason::RetriesExhausted), 12));
            assert!(whole >= Duration::from_secs(27 * 3600), "{whole:?}");
        }
    }

    #[test]
    fn a_rate_limit_starts_a_cooldown_and_costs_the_message_no_attempt() {
        let decision = decide(&answered(Meaning::RateLimited, Some(600)), &context(Priority::Ordinary, 12, 1));
        let ten_minutes = Duration::from_secs(600);
        assert_eq!(decision.disposition, Disposition::Hold);
        assert_eq!(decision.cooldown, Some(ten_minutes));
        let test = decide(&answered(Meaning::RateLimited, Some(600)), &context(Priority::Interactive, 1, 1));
        assert_eq!(
            (test.disposition, test.cooldown),
            (Disposition::Failed(DeliveryReason::TestRateLimited), Some(ten_minutes))
        );
    }

    #[test]
    fn a_retry_waits_as_long_as_the_response_asks() {
        let decision = decide(&answered(Meaning::Temporary, Some(300)), &context(Priority::Ordinary, 1, 1));
        assert_eq!(decision.disposition, Disposition::Retry(Duration::from_secs(300)));
        let later = decide(&answered(Meaning::Temporary, Some(1)), &context(Priority::Ordinary, 4, 1));
        assert!(matches!(later.disposition, Disposition::Retry(after) if after >= Duration::from_secs(600)));
    }

    #[test]
    fn a_broken_configuration_holds_messages_and_fails_tests() {
        let keyword = answered(Meaning::Broken(BrokenCause::Keyword), None);
        let held = decide(&keyword, &context(Priority::Ordinary, 1, 1));
        assert_eq!((held.disposition, held.broken_cause), (Disposition::Hold, Some(BrokenCause::Keyword)));
        let test = decide(&keyword, &context(Priority::Interactive, 1, 1));
        assert_eq!(test.disposition, Disposition::Failed(DeliveryReason::Robot(Meaning::Broken(BrokenCause::Keyword))));
        assert_eq!(test.broken_cause, Some(BrokenCause::Keyword));
    }

    #[test]
    fn an_unknown_token_breaks_after_three_answers_and_fails_a_test_at_once() {
        let unknown = answered(Meaning::Broken(BrokenCause::UnknownToken), None);
        for (consecutive_failures, is_believed) in [(1, false), (2, false), (3, true)] {
            let decision = decide(&unknown, &context(Priority::Ordinary, 1, consecutive_failures));
            assert_eq!(decision.broken_cause.is_some(), is_believed);
            assert_eq!(decision.disposition == Disposition::Hold, is_believed);
        }
        let test = decide(&unknown, &context(Priority::Interactive, 1, 1));
        assert_eq!(
            test.disposition,
            Disposition::Failed(DeliveryReason::Robot(Meaning::Broken(BrokenCause::UnknownToken)))
        );
        assert_eq!(test.broken_cause, None);
    }

    #[test]
    fn a_test_has_one_quick_retry_after_a_hiccup_and_none_after_a_time_out() {
        let is_transient = answered(Meaning::Temporary, None);
        assert_eq!(
            decide(&is_transient, &context(Priority::Interactive, 1, 1)).disposition,
            Disposition::Retry(TEST_RETRY_DELAY)
        );
        assert_eq!(
            decide(&is_transient, &context(Priority::Interactive, 2, 1)).disposition,
            Disposition::Failed(DeliveryReason::TestTemporaryFault)
        );
        let slow = decide(&CallOutcome::Failed(CallFault::NoResponse), &context(Priority::Interactive, 1, 1));
        assert_eq!(slow.disposition, Disposition::Failed(DeliveryReason::Call(CallFault::NoResponse)));
    }

    proptest! {
        #[test]
        fn only_a_clear_success_is_a_success(ending in any_outcome(), tries in 1_i64..20, test in any::<bool>(), jitter in 0.0..=1.0_f64) {
            let priority = if test { Priority::Interactive } else { Priority::Ordinary };
            let decision = decide(&ending, &CallContext { jitter, ..context(priority, tries, 1) });
            let success = ending.reason() == DeliveryReason::Robot(Meaning::Delivered);
            prop_assert_eq!(decision.disposition == Disposition::Delivered, success);
        }

        #[test]
        fn a_message_is_not_tried_for_ever_and_a_test_at_most_twice(ending in any_outcome(), jitter in 0.0..=1.0_f64) {
            let counted = |priority, tries| {
                let disposition = decide(&ending, &CallContext { jitter, ..context(priority, tries, 1) }).disposition;
                matches!(disposition, Disposition::Retry(_))
            };
            let is_lost = ending.reason() == DeliveryReason::Call(CallFault::LeaseExpired);
            prop_assert!(is_lost || !counted(Priority::Ordinary, 12));
            prop_assert!(!counted(Priority::Ordinary, MAX_LEASE_EXPIRIES + 1));
            prop_assert!(!counted(Priority::Interactive, 2));
        }

        #[test]
        fn a_held_message_has_a_broken_robot_or_a_cooldown(ending in any_outcome(), tries in 1_i64..20, in_a_row in 1_u32..5) {
            let decision = decide(&ending, &context(Priority::Ordinary, tries, in_a_row));
            let throttled = ending.reason() == DeliveryReason::Robot(Meaning::RateLimited);
            prop_assert_eq!(decision.disposition == Disposition::Hold, decision.broken_cause.is_some() || throttled);
            prop_assert!(!throttled || decision.cooldown.is_some());
        }
    }
}
