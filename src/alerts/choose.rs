//! Who hears an alert: which rules ring, whom they pick, over which robot each is reached, and who is not and why. Pure.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::model::{Incoming, Rule};
use crate::{
    channels::Switches,
    courier::Reason,
    db::{AccountId, MemberId, RobotId},
    robots::Channel,
};

/// How often a rule rang for an event, and when it last did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How often.
    pub sends: i64,
    /// When it last rang, or would have but for its window.
    pub last_at: NaiveDateTime,
}

/// What a rule says to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It rings.
    Rings,
    /// It is meant for other alerts.
    Other,
    /// It rang for this event a short while ago, and is silent until then.
    CoolsDown(NaiveDateTime),
    /// It rang for this event as often as it may.
    Enough,
    /// It is outside its window of the day.
    QuietHours,
}

impl Verdict {
    /// The word on the time line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rings => "rings",
            Self::Other => "other",
            Self::CoolsDown(_) => "cools-down",
            Self::Enough => "enough",
            Self::QuietHours => "quiet-hours",
        }
    }
}

/// The key of the text for the word of a [`Verdict`] on the time line. A word from another version has a text too.
#[must_use]
pub fn outcome_key(word: &str) -> &'static str {
    match word {
        "rings" => "alerts-outcome-rings",
        "other" => "alerts-outcome-other",
        "cools-down" => "alerts-outcome-cools-down",
        "enough" => "alerts-outcome-enough",
        "quiet-hours" => "alerts-outcome-quiet-hours",
        "do-not-disturb" => "alerts-outcome-do-not-disturb",
        _ => "alerts-outcome-unknown",
    }
}

impl Rule {
    /// What this rule says to a firing of an event for which it rang so often already.
    #[must_use]
    pub fn verdict(&self, alert: &Incoming, sent: Option<Sent>, now: NaiveDateTime, zone: Tz) -> Verdict {
        if !self.matches(alert) {
            return Verdict::Other;
        }
        if let Some(sent) = sent {
            if self.max_sends.is_some_and(|most| sent.sends >= most) {
                return Verdict::Enough;
            }
            let until = sent.last_at + self.frequency;
            if until > now {
                return Verdict::CoolsDown(until);
            }
        }
        match self.window {
            Some(window) if !window.holds_at(now, zone) => Verdict::QuietHours,
            _ => Verdict::Rings,
        }
    }
}

/// Somebody who may be rung, as the tenant knows him at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The account; nothing for a username that nobody has.
    pub account: Option<AccountId>,
    /// The member; nothing when he is none (any more).
    pub member: Option<MemberId>,
    /// The display name, or else the username.
    pub name: String,
    /// Whether he takes part.
    pub is_active: bool,
    /// The phone number, or nothing.
    pub phone: String,
    /// The robots that reach him.
    pub robots: Vec<(Channel, RobotId)>,
}

/// Somebody whom a rule, or the sender, picked.
#[derive(Clone, Debug)]
pub struct Pick {
    /// Who: or else the name of a group or schedule that has nobody, and why.
    pub who: Result<Person, (String, Reason)>,
    /// The rule's name; nothing when the sender named him.
    pub rule: String,
    /// The channels to ring over.
    pub channels: Vec<Channel>,
    /// Whether the rule is outside its window.
    pub is_quiet: bool,
}

/// One robot is to ring for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// For whom.
    pub person: Person,
    /// Over which channel.
    pub channel: Channel,
    /// By which robot.
    pub robot: RobotId,
    /// The names of the rules that chose him.
    pub chosen_by: Vec<String>,
}

/// Somebody who was chosen and cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Miss {
    /// The member, if he is one.
    pub member: Option<MemberId>,
    /// His name, or that of the group or schedule.
    pub name: String,
    /// Why.
    pub reason: Reason,
    /// The names of the rules that chose him.
    pub chosen_by: Vec<String>,
}

/// Who hears an alert, and who does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// In the order of channels and robots, in which bells are locked.
    pub calls: Vec<Call>,
    /// By name.
    pub misses: Vec<Miss>,
}

/// Everything that was picked for one person.
struct Picked {
    person: Person,
    channels: Vec<(Channel, String)>,
    rules: Vec<String>,
    only_quiet: bool,
}

/// Finds for each person that was picked the robots that ring for him, each once however many rules picked him.
#[must_use]
pub fn reach(picks: Vec<Pick>, on: &Switches) -> Choice {
    let mut choice = Choice::default();
    let mut people: BTreeMap<(String, Option<AccountId>), Picked> = BTreeMap::new();
    for Pick { who, rule, channels, is_quiet } in picks {
        match who {
            Ok(person) => {
                let key = (person.name.clone(), person.account);
                let picked = people.entry(key).or_insert_with(|| Picked {
                    person,
                    channels: Vec::new(),
                    rules: Vec::new(),
                    only_quiet: true,
                });
                picked.only_quiet &= is_quiet;
                if !is_quiet {
                    picked.channels.extend(channels.into_iter().map(|channel| (channel, rule.clone())));
                }
                add(&mut picked.rules, &rule);
            }
            Err((name, reason)) => {
                choice.misses.push(Miss { member: None, name, reason, chosen_by: vec![rule] });
            }
        }
    }
    for picked in people.into_values() {
        match calls(&picked, on) {
            Ok(calls) => choice.calls.extend(calls),
            Err(reason) => {
                let Picked { person, rules, .. } = picked;
                choice.misses.push(Miss { member: person.member, name: person.name, reason, chosen_by: rules });
            }
        }
    }
    choice.calls.sort_by_key(|call| (place(call.channel), call.robot));
    choice
}

/// The place of a channel in [`Channel::ALL`].
fn place(channel: Channel) -> Option<usize> {
    Channel::ALL.iter().position(|known| *known == channel)
}

fn add(rules: &mut Vec<String>, rule: &str) {
    if !rule.is_empty() && !rules.iter().any(|known| known == rule) {
        rules.push(rule.to_owned());
    }
}

/// The robots that ring for one person, or why none does.
fn calls(picked: &Picked, on: &Switches) -> Result<Vec<Call>, Reason> {
    let person = &picked.person;
    if person.member.is_none() {
        return Err(Reason::LeftTenant);
    }
    if !person.is_active {
        return Err(Reason::MemberDisabled);
    }
    if picked.only_quiet {
        return Err(Reason::QuietHours);
    }
    let mut is_off = false;
    let mut calls = Vec::new();
    for (channel, robot) in &person.robots {
        let mut chosen_by = Vec::new();
        let mut wanted = false;
        for (_, rule) in picked.channels.iter().filter(|(asked, _)| asked == channel) {
            wanted = true;
            add(&mut chosen_by, rule);
        }
        if wanted && on.is_on(channel) {
            calls.push(Call { person: person.clone(), channel: *channel, robot: *robot, chosen_by });
        }
        is_off |= wanted && !on.is_on(channel);
    }
    match calls.is_empty() {
        false => Ok(calls),
        true if is_off => Err(Reason::ChannelOff),
        true => Err(Reason::NoContact),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*, sample::subsequence};

    use super::*;
    use crate::language::Language;

    /// Six people, told apart by their account; some share a name, some left, some are disabled, some have no robot.
    fn people() -> impl Strategy<Value = Vec<Person>> {
        let robots = subsequence(Channel::ALL.to_vec(), 0..=3)
            .prop_flat_map(|channels| vec(1i64..4, channels.len()).prop_map(move |ids| (channels.clone(), ids)));
        let person = (any::<bool>(), any::<bool>(), 0..3, robots);
        let person = person.prop_map(|(is_member, is_active, name, (channels, ids))| Person {
            account: None,
            member: is_member.then_some(MemberId(0)),
            name: format!("name {name}"),
            is_active,
            phone: String::new(),
            robots: channels.into_iter().zip(ids.into_iter().map(RobotId)).collect(),
        });
        vec(person, 6).prop_map(|people| {
            let numbered = |(number, person): (i64, Person)| Person {
                account: Some(AccountId(number)),
                member: person.member.map(|_| MemberId(number)),
                ..person
            };
            (1..).zip(people).map(numbered).collect()
        })
    }

    fn picks() -> impl Strategy<Value = Vec<Pick>> {
        let pick = (0usize..7, 0..3, subsequence(Channel::ALL.to_vec(), 0..=3), any::<bool>());
        (people(), vec(pick, 0..12)).prop_map(|(people, picks)| {
            let pick = |(who, rule, channels, is_quiet): (usize, i32, _, _)| Pick {
                who: people.get(who).cloned().ok_or(("a group".to_owned(), Reason::GroupOff)),
                rule: if rule == 0 { String::new() } else { format!("rule {rule}") },
                channels,
                is_quiet,
            };
            picks.into_iter().map(pick).collect()
        })
    }

    fn switches() -> impl Strategy<Value = Switches> {
        subsequence(Channel::ALL.to_vec(), 0..=3).prop_map(Switches::on)
    }

    proptest! {
        #[test]
        fn everybody_who_was_picked_is_either_called_or_missed_and_nobody_else_is(picks in picks(), on in switches()) {
            let choice = reach(picks.clone(), &on);
            let called: BTreeSet<_> = choice.calls.iter().map(|call| call.person.account).collect();
            let picked: Vec<&Person> = picks.iter().filter_map(|pick| pick.who.as_ref().ok()).collect();
            let all: BTreeSet<_> = picked.iter().map(|person| person.account).collect();
            prop_assert!(called.is_subset(&all));
            let missed = all.difference(&called).count();
            let groups = picks.iter().filter(|pick| pick.who.is_err()).count();
            prop_assert_eq!(choice.misses.len(), missed + groups, "one reason for each who is not called");
            for miss in choice.misses.iter().filter(|miss| miss.member.is_some()) {
                prop_assert!(choice.calls.iter().all(|call| call.person.member != miss.member));
            }
        }

        #[test]
        fn a_person_is_called_over_a_channel_once_and_in_the_order_in_which_bells_are_locked(
            picks in picks(),
            on in switches(),
        ) {
            let calls = reach(picks, &on).calls;
            let mut ways = BTreeSet::new();
            for call in &calls {
                prop_assert!(ways.insert((call.person.account, place(call.channel))));
                prop_assert!(call.person.robots.contains(&(call.channel, call.robot)));
                prop_assert!(on.is_on(&call.channel));
            }
            prop_assert!(calls.is_sorted_by_key(|call| (place(call.channel), call.robot)));
        }

        #[test]
        fn whoever_is_called_was_asked_for_over_that_channel_by_the_rules_that_are_named(
            picks in picks(),
            on in switches(),
        ) {
            for call in reach(picks.clone(), &on).calls {
                let asking: BTreeSet<&str> = picks
                    .iter()
                    .filter(|pick| pick.who.as_ref().is_ok_and(|person| person.account == call.person.account))
                    .filter(|pick| !pick.is_quiet && pick.channels.contains(&call.channel))
                    .map(|pick| pick.rule.as_str())
                    .collect();
                prop_assert!(!asking.is_empty());
                let named: BTreeSet<&str> = call.chosen_by.iter().map(String::as_str).collect();
                prop_assert_eq!(named.len(), call.chosen_by.len());
                prop_assert!(named.iter().copied().eq(asking.into_iter().filter(|rule| !rule.is_empty())));
            }
        }
    }

    #[test]
    fn every_verdict_has_a_text_in_both_languages() {
        let until = NaiveDateTime::default();
        let verdicts =
            [Verdict::Rings, Verdict::Other, Verdict::CoolsDown(until), Verdict::Enough, Verdict::QuietHours];
        for word in verdicts.map(Verdict::as_str).into_iter().chain(["do-not-disturb", "a word from another version"]) {
            let key = outcome_key(word);
            assert_eq!(key == "alerts-outcome-unknown", word.contains(' '), "{word}");
            for language in Language::ALL {
                assert_ne!(language.text(key), key, "in {}", language.tag());
            }
        }
    }
}
