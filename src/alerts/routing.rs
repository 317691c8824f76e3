//! Resolves an alert's recipients: which rules notify, their candidates, each one's robots, and who is undeliverable
//! and why. Pure.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::model::{IncomingAlert, Rule, Severity};
use crate::{
    channels::Switches,
    db::{AccountId, MemberId, RobotId},
    delivery::DeliveryReason,
    robots::Channel,
};

/// How often a rule notified of an event, and when it last did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleHistory {
    /// How often.
    pub sends: i64,
    /// When it last notified.
    pub notified_at: Option<NaiveDateTime>,
    /// When it last rang, would have but for its window, or reached nobody: the record says so, and not with every firing.
    pub recorded_at: NaiveDateTime,
    /// The severity of the firing at `notified_at`; nothing when it is not known.
    pub notified_severity: Option<Severity>,
    /// The severity of the firing at `recorded_at`; nothing when it is not known.
    pub recorded_severity: Option<Severity>,
}

/// Whether a firing is of higher severity than the last one, or that one's severity is not known.
fn is_more_severe(alert: &IncomingAlert, last: Option<Severity>) -> bool {
    last.is_none_or(|last| alert.severity > last)
}

/// The verdict of a rule on an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The rule notifies.
    Notifies,
    /// The rule does not match the alert.
    NoMatch,
    /// The rule notified of this event recently and is throttled until this time.
    Throttled(NaiveDateTime),
    /// The rule reached its notification limit for this event.
    LimitReached,
    /// It is outside its window of the day.
    QuietHours,
}

impl Verdict {
    /// Whether the rule looks for its receivers: it rings, or would but for the hour, which the record then says.
    #[must_use]
    pub fn selects_recipients(self) -> bool {
        matches!(self, Self::Notifies | Self::QuietHours)
    }

    /// The word on the time line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notifies => "rings",
            Self::NoMatch => "other",
            Self::Throttled(_) => "cools-down",
            Self::LimitReached => "enough",
            Self::QuietHours => "quiet-hours",
        }
    }

    /// The key of the text that says it of a rule.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Notifies => "rules-verdict-rings",
            Self::NoMatch => "rules-verdict-other",
            Self::Throttled(_) => "rules-verdict-cools-down",
            Self::LimitReached => "rules-verdict-enough",
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
    fn is_in_window(&self, moment: NaiveDateTime, zone: Tz) -> bool {
        self.window.is_none_or(|window| window.contains_at(moment, zone))
    }

    /// Until when the record need not say again whom it misses while it is open. A higher severity is said at once.
    #[must_use]
    pub fn recorded_until(
        &self,
        alert: &IncomingAlert,
        history: Option<RuleHistory>,
        now: NaiveDateTime,
        zone: Tz,
    ) -> Option<NaiveDateTime> {
        let recorded = history.filter(|sent| {
            self.is_in_window(sent.recorded_at, zone) && !is_more_severe(alert, sent.recorded_severity)
        })?;
        Some(recorded.recorded_at + self.frequency).filter(|until| *until > now)
    }

    /// What this rule says to a firing of an event for which it rang so often already. A firing of higher severity than the last
    /// one it notified of waits for no cool-down and is not subject to the limit: a first critical alert is never suppressed
    /// because of the warnings before it. Three severities bound how often that happens.
    #[must_use]
    pub fn evaluate(
        &self,
        alert: &IncomingAlert,
        history: Option<RuleHistory>,
        now: NaiveDateTime,
        zone: Tz,
    ) -> Verdict {
        if self.matches(alert) { self.evaluate_matching(alert, history, now, zone) } else { Verdict::NoMatch }
    }

    /// The same for an alert that the rule is meant for.
    #[must_use]
    pub fn evaluate_matching(
        &self,
        alert: &IncomingAlert,
        history: Option<RuleHistory>,
        now: NaiveDateTime,
        zone: Tz,
    ) -> Verdict {
        let is_open = self.is_in_window(now, zone);
        if let Some(sent) = history {
            // A rule that has notified nobody yet has no severity to rise above.
            let is_escalation = sent.notified_at.is_some() && is_more_severe(alert, sent.notified_severity);
            if self.max_sends.is_some_and(|most| sent.sends >= most) && !is_escalation {
                return Verdict::LimitReached;
            }
            // A record alone does not throttle the first notification after quiet hours, or once somebody can be reached.
            let throttled_since = match is_open {
                true => sent.notified_at.filter(|_| !is_escalation),
                false => Some(sent.recorded_at).filter(|_| !is_more_severe(alert, sent.recorded_severity)),
            };
            if let Some(until) = throttled_since.map(|since| since + self.frequency).filter(|until| *until > now) {
                return Verdict::Throttled(until);
            }
        }
        if is_open { Verdict::Notifies } else { Verdict::QuietHours }
    }
}

/// Somebody who may be rung, as the tenant knows him at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecipientProfile {
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
pub struct Candidate {
    /// Who: or else the name of a group or schedule that has nobody, and why.
    pub receiver: Result<RecipientProfile, (String, DeliveryReason)>,
    /// The rule's name; nothing when the sender named him.
    pub rule_name: String,
    /// The channels to ring over.
    pub channels: Vec<Channel>,
    /// Whether the rule is outside its window.
    pub in_quiet_hours: bool,
}

/// One robot is to ring for one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotDelivery {
    /// For whom.
    pub person: RecipientProfile,
    /// Over which channel.
    pub channel: Channel,
    /// By which robot.
    pub robot: RobotId,
    /// The names of the rules that chose him.
    pub rule_names: Vec<String>,
}

/// A recipient who was selected and cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeliverable {
    /// The member, if he is one.
    pub member: Option<MemberId>,
    /// His name, or that of the group or schedule.
    pub name: String,
    /// Why.
    pub reason: DeliveryReason,
    /// The names of the rules that chose him.
    pub rule_names: Vec<String>,
}

/// Who hears an alert, and who does not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// In the order of channels and robots.
    pub deliveries: Vec<RobotDelivery>,
    /// By name.
    pub undeliverables: Vec<Undeliverable>,
}

impl Routing {
    /// The names of the rules with at least one delivery.
    #[must_use]
    pub fn notified_by(&self) -> BTreeSet<String> {
        self.deliveries.iter().flat_map(|delivery| delivery.rule_names.iter().cloned()).collect()
    }

    /// Leaves out who is missed by these rules alone.
    pub fn drop_undeliverable_of(&mut self, rules: &BTreeSet<String>) {
        self.undeliverables.retain_mut(|undeliverable| {
            let was_chosen = !undeliverable.rule_names.is_empty();
            undeliverable.rule_names.retain(|rule| !rules.contains(rule));
            !was_chosen || !undeliverable.rule_names.is_empty()
        });
    }

    /// The names that were given as receivers and that no member has.
    #[must_use]
    pub fn unknown_receivers(&self) -> Vec<String> {
        let unknown = self.undeliverables.iter().filter(|miss| miss.reason == DeliveryReason::NoSuchMember);
        unknown.map(|miss| miss.name.clone()).collect()
    }

    /// How many receivers there are: each is written into the record, reached or not.
    #[must_use]
    pub fn recipient_count(&self) -> usize {
        self.deliveries.len() + self.undeliverables.len()
    }
}

/// Everything that was picked for one person.
struct MergedCandidate {
    person: RecipientProfile,
    channels: Vec<(Channel, String)>,
    rules: Vec<String>,
    only_in_quiet_hours: bool,
}

/// Finds for each person that was picked the robots that ring for him, each once however many rules picked him.
#[must_use]
pub fn resolve_recipients(candidates: Vec<Candidate>, switches: &Switches) -> Routing {
    let mut routing = Routing::default();
    let mut people: BTreeMap<(String, Option<AccountId>), MergedCandidate> = BTreeMap::new();
    let mut empty_receivers: BTreeMap<(String, &'static str), (DeliveryReason, Vec<String>)> = BTreeMap::new();
    for Candidate { receiver, rule_name: rule, channels, in_quiet_hours } in candidates {
        match receiver {
            Ok(person) => {
                let key = (person.name.clone(), person.account);
                let candidate = people.entry(key).or_insert_with(|| MergedCandidate {
                    person,
                    channels: Vec::new(),
                    rules: Vec::new(),
                    only_in_quiet_hours: true,
                });
                candidate.only_in_quiet_hours &= in_quiet_hours;
                if !in_quiet_hours {
                    candidate.channels.extend(channels.into_iter().map(|channel| (channel, rule.clone())));
                }
                push_unique(&mut candidate.rules, &rule);
            }
            Err((name, reason)) => {
                let rules = empty_receivers.entry((name, reason.as_str())).or_insert_with(|| (reason, Vec::new()));
                push_unique(&mut rules.1, &rule);
            }
        }
    }
    for candidate in people.into_values() {
        match robot_deliveries(&candidate, switches) {
            Ok(deliveries) => routing.deliveries.extend(deliveries),
            Err(reason) => {
                let MergedCandidate { person, rules, .. } = candidate;
                routing.undeliverables.push(Undeliverable {
                    member: person.member,
                    name: person.name,
                    reason,
                    rule_names: rules,
                });
            }
        }
    }
    for ((name, _), (reason, rules)) in empty_receivers {
        routing.undeliverables.push(Undeliverable { member: None, name, reason, rule_names: rules });
    }
    routing.undeliverables.sort_by(|left, right| left.name.cmp(&right.name));
    routing.deliveries.sort_by_key(|delivery| (channel_order(delivery.channel), delivery.robot));
    routing
}

/// The place of a channel in [`Channel::ALL`].
pub(super) fn channel_order(channel: Channel) -> Option<usize> {
    Channel::ALL.iter().position(|known| *known == channel)
}

fn push_unique(rules: &mut Vec<String>, rule: &str) {
    if !rule.is_empty() && !rules.iter().any(|known| known == rule) {
        rules.push(rule.to_owned());
    }
}

/// The robots that ring for one person, or why none does.
fn robot_deliveries(candidate: &MergedCandidate, switches: &Switches) -> Result<Vec<RobotDelivery>, DeliveryReason> {
    let person = &candidate.person;
    if person.member.is_none() {
        // Rules, groups and schedules name accounts; a username without one was named by the sender.
        return Err(if person.account.is_some() { DeliveryReason::LeftTenant } else { DeliveryReason::NoSuchMember });
    }
    if !person.is_active {
        return Err(DeliveryReason::MemberDisabled);
    }
    if candidate.only_in_quiet_hours {
        return Err(DeliveryReason::QuietHours);
    }
    let mut is_off = false;
    let mut deliveries = Vec::new();
    for (channel, robot) in &person.robots {
        let mut chosen_by = Vec::new();
        let mut wanted = false;
        for (_, rule) in candidate.channels.iter().filter(|(asked, _)| asked == channel) {
            wanted = true;
            push_unique(&mut chosen_by, rule);
        }
        if wanted && switches.is_on(channel) {
            deliveries.push(RobotDelivery {
                person: person.clone(),
                channel: *channel,
                robot: *robot,
                rule_names: chosen_by,
            });
        }
        is_off |= wanted && !switches.is_on(channel);
    }
    match deliveries.is_empty() {
        false => Ok(deliveries),
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
        let verdicts = [
            Verdict::Notifies,
            Verdict::NoMatch,
            Verdict::Throttled(until),
            Verdict::LimitReached,
            Verdict::QuietHours,
        ];
        for word in verdicts.map(Verdict::as_str).into_iter().chain(["do-not-disturb", "a word from another version"]) {
            let key = outcome_key(word);
            assert_eq!(key == "alerts-outcome-unknown", word.contains(' '), "{word}");
            for language in Language::ALL {
                assert_ne!(language.text(key), key, "in {}", language.tag());
            }
        }
    }
}
