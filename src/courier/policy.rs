//! What the end of a call means for the message, for its robot and for the bell: pure rules, with the times in one place.

use std::time::Duration;

use chrono::TimeDelta;

use super::{
    model::{Fault, Priority, Reason},
    retries::{self, RetrySchedule},
};
use crate::robots::{Answer, Cause, Channel, Meaning, rest_after_throttle};

/// A test gets one more try, this soon: somebody is waiting for the answer.
const TEST_RETRY: Duration = Duration::from_secs(2);

/// How many tries a message may have used whose call was never recorded: as many as the longest schedule has.
const MOST_LOST: i64 = retries::MOST as i64;

/// After "too fast", should the answer not say how long.
const REST: Duration = Duration::from_secs(60);

/// What is known at the end of a call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation<'s> {
    /// The pauses between tries.
    pub schedule: &'s RetrySchedule,
    pub priority: Priority,
    /// How many tries this message has used, this one included; at least one.
    pub tries: i64,
    /// How many answers in a row from this bell meant what this one means, itself included; at least one.
    pub in_a_row: u32,
    /// A random number from 0 to 1.
    pub dice: f64,
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    /// The robot answered.
    Answered(Answer),
    /// Belfry itself refuses the stored address; nobody was called.
    Refused,
    /// There is no answer.
    Failed(Fault),
}

impl Ending {
    /// Why the message is not delivered, in one word.
    pub(super) fn reason(&self) -> Reason {
        match self {
            Self::Answered(answer) => Reason::Robot(answer.meaning),
            Self::Refused => Reason::Robot(Meaning::Broken(Cause::AddressRefused)),
            Self::Failed(fault) => Reason::Call(*fault),
        }
    }
}

/// What becomes of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The group has it.
    Delivered,
    /// It is tried again after this pause; the try used up a step of the schedule.
    Again(Duration),
    /// It keeps its place in the queue and its tries, until the bell has rested or the robot's configuration is mended.
    Held,
    /// It ends here, visibly.
    Failed(Reason),
}

/// The whole decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub fate: Fate,
    /// For how long nobody may ring this bell.
    pub rest: Option<Duration>,
    /// The robot's configuration is broken, and from now on its messages are held.
    pub breaks: Option<Cause>,
}

/// Decides. A test never waits for anything but a place in its minute: every answer but a hiccup ends it at once, so that
/// the person who pressed the button reads what the robot said.
pub(super) fn decide(ending: &Ending, situation: &Situation<'_>) -> Decision {
    let reason = ending.reason();
    let rest = match ending {
        Ending::Answered(Answer { meaning: Meaning::Wait, rest, .. }) => Some(rest.unwrap_or(REST)),
        Ending::Answered(answer) => answer.rest,
        Ending::Refused | Ending::Failed(_) => None,
    };
    let breaks = match reason {
        Reason::Robot(Meaning::Broken(cause)) if situation.in_a_row >= cause.answers_to_believe() => Some(cause),
        _ => None,
    };
    let fate = match (reason, situation.priority) {
        (Reason::Robot(Meaning::Delivered), _) => Fate::Delivered,
        (_, Priority::Test) => test_fate(reason, rest, situation),
        (Reason::Robot(Meaning::Wait), _) => Fate::Held,
        (Reason::Robot(Meaning::TooLong | Meaning::ContentRefused | Meaning::OurFault), _) => Fate::Failed(reason),
        (Reason::Robot(Meaning::Broken(_)), _) if breaks.is_some() => Fate::Held,
        // The process ended in between, which says nothing about the robot: no reason to let the message wait longer, nor to
        // give it up after its last try, but one that ends every process has an end too.
        (Reason::Call(Fault::Lost), _) if situation.tries <= MOST_LOST => Fate::Again(Duration::ZERO),
        (Reason::Call(Fault::Lost), _) => Fate::Failed(Reason::GivenUp),
        _ => match situation.schedule.pause_after(situation.tries, situation.dice) {
            Some(pause) => Fate::Again(pause.max(rest.unwrap_or_default())),
            None => Fate::Failed(Reason::GivenUp),
        },
    };
    Decision { fate, rest, breaks }
}

fn test_fate(reason: Reason, rest: Option<Duration>, situation: &Situation<'_>) -> Fate {
    // After a time-out the person has waited long enough, and the group may have the message.
    let hiccup = matches!(
        reason,
        Reason::Robot(Meaning::Passing | Meaning::Unknown | Meaning::Broken(Cause::ClockSkew))
            | Reason::Call(Fault::Unreachable | Fault::Lost)
    );
    if hiccup && rest.is_none() && situation.tries <= 1 {
        return Fate::Again(TEST_RETRY);
    }
    // These are tried again otherwise, and their texts say so; a test is not.
    Fate::Failed(match reason {
        Reason::Robot(Meaning::Wait) => Reason::TestTooFast,
        Reason::Robot(Meaning::Passing) => Reason::TestPassing,
        Reason::Robot(Meaning::Unknown) => Reason::TestUnknown,
        other => other,
    })
}

/// For how long a bell rests at the very most, whatever an answer asks for.
pub(super) fn longest_rest() -> TimeDelta {
    Channel::ALL
        .into_iter()
        .filter_map(|channel| TimeDelta::from_std(rest_after_throttle(channel, Some(Duration::MAX))).ok())
        .max()
        .unwrap_or_default()
}

/// For how long a message that was tried so often waits at the very most.
pub(super) fn longest_pause(schedule: &RetrySchedule, tries: i64) -> TimeDelta {
    let longest = [0.0, 1.0].into_iter().filter_map(|dice| schedule.pause_after(tries, dice)).max();
    let whole = TimeDelta::from_std(longest.unwrap_or_default()).unwrap_or_default();
    if tries == 0 { TimeDelta::zero() } else { whole.max(longest_rest()) }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    fn answered(meaning: Meaning, rest: Option<u64>) -> Ending {
        Ending::Answered(Answer { meaning, rest: rest.map(Duration::from_secs), code: None, text: String::new() })
    }

    static SCHEDULE: LazyLock<RetrySchedule> = LazyLock::new(RetrySchedule::default);

    fn after(priority: Priority, tries: i64, in_a_row: u32) -> Situation<'static> {
        Situation { schedule: &SCHEDULE, priority, tries, in_a_row, dice: 0.5 }
    }

    fn any_meaning() -> impl Strategy<Value = Meaning> {
        prop::sample::select(Meaning::all().collect::<Vec<_>>())
    }

    fn any_ending() -> impl Strategy<Value = Ending> {
        prop_oneof![
            (any_meaning(), prop::option::of(1_u64..600)).prop_map(|(meaning, rest)| answered(meaning, rest)),
            Just(Ending::Refused),
            prop::sample::select(&Fault::ALL[..]).prop_map(Ending::Failed),
        ]
    }

    #[test]
    fn a_passing_fault_is_tried_twelve_times_over_at_least_27_hours_and_then_given_up() {
        for dice in [0.0, 0.3, 1.0] {
            let (mut tries, mut whole) = (1, Duration::ZERO);
            let end = loop {
                let situation = Situation { dice, ..after(Priority::Ordinary, tries, 1) };
                match decide(&answered(Meaning::Passing, None), &situation).fate {
                    Fate::Again(after) => whole += after,
                    other => break other,
                }
                tries += 1;
            };
            assert_eq!((end, tries), (Fate::Failed(Reason::GivenUp), 12));
            assert!(whole >= Duration::from_secs(27 * 3600), "{whole:?}");
        }
    }

    #[test]
    fn too_fast_lets_the_bell_rest_and_costs_the_message_no_try() {
        let decision = decide(&answered(Meaning::Wait, Some(600)), &after(Priority::Ordinary, 12, 1));
        let ten_minutes = Duration::from_secs(600);
        assert_eq!(decision.fate, Fate::Held);
        assert_eq!(decision.rest, Some(ten_minutes));
        let test = decide(&answered(Meaning::Wait, Some(600)), &after(Priority::Test, 1, 1));
        assert_eq!((test.fate, test.rest), (Fate::Failed(Reason::TestTooFast), Some(ten_minutes)));
    }

    #[test]
    fn an_answer_that_asks_for_time_is_given_it() {
        let decision = decide(&answered(Meaning::Passing, Some(300)), &after(Priority::Ordinary, 1, 1));
        assert_eq!(decision.fate, Fate::Again(Duration::from_secs(300)));
        let later = decide(&answered(Meaning::Passing, Some(1)), &after(Priority::Ordinary, 4, 1));
        assert!(matches!(later.fate, Fate::Again(after) if after >= Duration::from_secs(600)));
    }

    #[test]
    fn a_broken_configuration_holds_the_message_and_fails_a_test_with_its_cause() {
        let keyword = answered(Meaning::Broken(Cause::Keyword), None);
        let held = decide(&keyword, &after(Priority::Ordinary, 1, 1));
        assert_eq!((held.fate, held.breaks), (Fate::Held, Some(Cause::Keyword)));
        let test = decide(&keyword, &after(Priority::Test, 1, 1));
        assert_eq!(test.fate, Fate::Failed(Reason::Robot(Meaning::Broken(Cause::Keyword))));
        assert_eq!(test.breaks, Some(Cause::Keyword));
    }

    #[test]
    fn an_unknown_token_is_believed_after_three_in_a_row_but_told_to_a_test_at_once() {
        let unknown = answered(Meaning::Broken(Cause::UnknownToken), None);
        for (in_a_row, believed) in [(1, false), (2, false), (3, true)] {
            let decision = decide(&unknown, &after(Priority::Ordinary, 1, in_a_row));
            assert_eq!(decision.breaks.is_some(), believed);
            assert_eq!(decision.fate == Fate::Held, believed);
        }
        let test = decide(&unknown, &after(Priority::Test, 1, 1));
        assert_eq!(test.fate, Fate::Failed(Reason::Robot(Meaning::Broken(Cause::UnknownToken))));
        assert_eq!(test.breaks, None);
    }

    #[test]
    fn a_test_has_one_quick_retry_after_a_hiccup_and_none_after_a_time_out() {
        let hiccup = answered(Meaning::Passing, None);
        assert_eq!(decide(&hiccup, &after(Priority::Test, 1, 1)).fate, Fate::Again(TEST_RETRY));
        assert_eq!(decide(&hiccup, &after(Priority::Test, 2, 1)).fate, Fate::Failed(Reason::TestPassing));
        let slow = decide(&Ending::Failed(Fault::NoAnswer), &after(Priority::Test, 1, 1));
        assert_eq!(slow.fate, Fate::Failed(Reason::Call(Fault::NoAnswer)));
    }

    proptest! {
        #[test]
        fn only_a_clear_success_is_a_success(ending in any_ending(), tries in 1_i64..20, test in any::<bool>(), dice in 0.0..=1.0_f64) {
            let priority = if test { Priority::Test } else { Priority::Ordinary };
            let decision = decide(&ending, &Situation { dice, ..after(priority, tries, 1) });
            let success = ending.reason() == Reason::Robot(Meaning::Delivered);
            prop_assert_eq!(decision.fate == Fate::Delivered, success);
        }

        #[test]
        fn a_message_is_not_tried_for_ever_and_a_test_at_most_twice(ending in any_ending(), dice in 0.0..=1.0_f64) {
            let counted = |priority, tries| {
                let fate = decide(&ending, &Situation { dice, ..after(priority, tries, 1) }).fate;
                matches!(fate, Fate::Again(_))
            };
            let is_lost = ending.reason() == Reason::Call(Fault::Lost);
            prop_assert!(is_lost || !counted(Priority::Ordinary, 12));
            prop_assert!(!counted(Priority::Ordinary, MOST_LOST + 1));
            prop_assert!(!counted(Priority::Test, 2));
        }

        #[test]
        fn what_is_held_has_a_broken_robot_or_a_resting_bell(ending in any_ending(), tries in 1_i64..20, in_a_row in 1_u32..5) {
            let decision = decide(&ending, &after(Priority::Ordinary, tries, in_a_row));
            let throttled = ending.reason() == Reason::Robot(Meaning::Wait);
            prop_assert_eq!(decision.fate == Fate::Held, decision.breaks.is_some() || throttled);
            prop_assert!(!throttled || decision.rest.is_some());
        }
    }
}
