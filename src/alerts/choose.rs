//! Who hears an alert: which rules ring, whom they pick, over which robot each is reached, and who is not and why. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::model::{Incoming, Rule, Severity};
use crate::{
    channels::Switches,
    db::{AccountId, MemberId, RobotId},
    delivery::DeliveryReason,
    robots::Channel,
};

/// How often a rule rang for an event, and when it last did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// How often.
    pub sends: i64,
    /// When it last rang.
    pub rang_at: Option<NaiveDateTime>,
    /// When it last rang, would have but for its window, or reached nobody: the record says so, and not with every firing.
    pub last_at: NaiveDateTime,
    /// The severity of the firing at `rang_at`; nothing when it is not known.
    pub notified_severity: Option<Severity>,
    /// The severity of the firing at `last_at`; nothing when it is not known.
    pub noted_severity: Option<Severity>,
}

/// Whether a firing is of higher severity than the last one, or that one's severity is not known.
fn rises(alert: &Incoming, last: Option<Severity>) -> bool {
    last.is_none_or(|last| alert.severity > last)
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
    /// Whether the rule looks for its receivers: it rings, or would but for the hour, which the record then says.
    #[must_use]
    pub fn picks(self) -> bool {
        matches!(self, Self::Rings | Self::QuietHours)
    }

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

    /// The key of the text that says it of a rule.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Rings => "rules-verdict-rings",
            Self::Other => "rules-verdict-other",
            Self::CoolsDown(_) => "rules-verdict-cools-down",
            Self::Enough => "rules-verdict-enough",
            Self::QuietHours => "rules-verdict-quiet-hours",
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
    /// Whether a moment is in its window of the day.
    fn is_open(&self, moment: NaiveDateTime, zone: Tz) -> bool {
        self.window.is_none_or(|window| window.holds_at(moment, zone))
    }

    /// Until when the record need not say again whom it misses while it is open. A higher severity is said at once.
    #[must_use]
    pub fn noted_until(
        &self,
        alert: &Incoming,
        sent: Option<Sent>,
        now: NaiveDateTime,
        zone: Tz,
    ) -> Option<NaiveDateTime> {
        let noted = sent.filter(|sent| self.is_open(sent.last_at, zone) && !rises(alert, sent.noted_severity))?;
        Some(noted.last_at + self.frequency).filter(|until| *until > now)
    }

    /// What this rule says to a firing of an event for which it rang so often already. A firing of higher severity than the last
    /// one it notified of waits for no cool-down and is not subject to the limit: a first critical alert is never suppressed
    /// because of the warnings before it. Three severities bound how often that happens.
    #[must_use]
    pub fn verdict(&self, alert: &Incoming, sent: Option<Sent>, now: NaiveDateTime, zone: Tz) -> Verdict {
        if self.matches(alert) { self.verdict_when_meant(alert, sent, now, zone) } else { Verdict::Other }
    }

    /// The same for an alert that the rule is meant for.
    #[must_use]
    pub fn verdict_when_meant(&self, alert: &Incoming, sent: Option<Sent>, now: NaiveDateTime, zone: Tz) -> Verdict {
        let is_open = self.is_open(now, zone);
        if let Some(sent) = sent {
            // A rule that has notified nobody yet has no severity to rise above.
            let has_risen = sent.rang_at.is_some() && rises(alert, sent.notified_severity);
            if self.max_sends.is_some_and(|most| sent.sends >= most) && !has_risen {
                return Verdict::Enough;
            }
            // What was only noted does not silence the first ring after the quiet hours, or once somebody can be reached.
            let silent_since = match is_open {
                true => sent.rang_at.filter(|_| !has_risen),
                false => Some(sent.last_at).filter(|_| !rises(alert, sent.noted_severity)),
            };
            if let Some(until) = silent_since.map(|since| since + self.frequency).filter(|until| *until > now) {
                return Verdict::CoolsDown(until);
            }
        }
        if is_open { Verdict::Rings } else { Verdict::QuietHours }
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
    pub who: Result<Person, (String, DeliveryReason)>,
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
    pub reason: DeliveryReason,
    /// The names of the rules that chose him.
    pub chosen_by: Vec<String>,
}

/// Who hears an alert, and who does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// In the order of channels and robots.
    pub calls: Vec<Call>,
    /// By name.
    pub misses: Vec<Miss>,
}

impl Choice {
    /// The names of the rules by which somebody is rung.
    #[must_use]
    pub fn rung_by(&self) -> BTreeSet<String> {
        self.calls.iter().flat_map(|call| call.chosen_by.iter().cloned()).collect()
    }

    /// Leaves out who is missed by these rules alone.
    pub fn forget_misses_of(&mut self, rules: &BTreeSet<String>) {
        self.misses.retain_mut(|miss| {
            let was_chosen = !miss.chosen_by.is_empty();
            miss.chosen_by.retain(|rule| !rules.contains(rule));
            !was_chosen || !miss.chosen_by.is_empty()
        });
    }

    /// The names that were given as receivers and that no member has.
    #[must_use]
    pub fn unknown_receivers(&self) -> Vec<String> {
        let unknown = self.misses.iter().filter(|miss| miss.reason == DeliveryReason::NoSuchMember);
        unknown.map(|miss| miss.name.clone()).collect()
    }

    /// How many receivers there are: each is written into the record, reached or not.
    #[must_use]
    pub fn receivers(&self) -> usize {
        self.calls.len() + self.misses.len()
    }
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
    let mut nobodies: BTreeMap<(String, &'static str), (DeliveryReason, Vec<String>)> = BTreeMap::new();
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
                let rules = nobodies.entry((name, reason.as_str())).or_insert_with(|| (reason, Vec::new()));
                add(&mut rules.1, &rule);
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
    for ((name, _), (reason, rules)) in nobodies {
        choice.misses.push(Miss { member: None, name, reason, chosen_by: rules });
    }
    choice.misses.sort_by(|left, right| left.name.cmp(&right.name));
    choice.calls.sort_by_key(|call| (place(call.channel), call.robot));
    choice
}

/// The place of a channel in [`Channel::ALL`].
pub(super) fn place(channel: Channel) -> Option<usize> {
    Channel::ALL.iter().position(|known| *known == channel)
}

fn add(rules: &mut Vec<String>, rule: &str) {
    if !rule.is_empty() && !rules.iter().any(|known| known == rule) {
        rules.push(rule.to_owned());
    }
}

/// The robots that ring for one person, or why none does.
fn calls(picked: &Picked, on: &Switches) -> Result<Vec<Call>, DeliveryReason> {
    let person = &picked.person;
    if person.member.is_none() {
        // Rules, groups and schedules name accounts; a username without one was named by the sender.
        return Err(if person.account.is_some() { DeliveryReason::LeftTenant } else { DeliveryReason::NoSuchMember });
    }
    if !person.is_active {
        return Err(DeliveryReason::MemberDisabled);
    }
    if picked.only_quiet {
        return Err(DeliveryReason::QuietHours);
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
        true if is_off => Err(DeliveryReason::ChannelOff),
        true => Err(DeliveryReason::NoContact),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

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
