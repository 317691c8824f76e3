//! Alert rules in words: for the list, and for the audit log.

use super::{
    matcher::{Matcher, Operator},
    model::{Receiver, Rule, Source},
    rule_form::format_minute,
    store::rules::ReceiverNames,
};
use crate::{
    access::Role, audit::Change, channels::channel_key, language::Language, robots::Channel, text::join_names,
};

/// A condition as a sentence.
#[must_use]
pub fn describe_condition(matcher: &Matcher, language: Language) -> String {
    let key = match (matcher.operator, matcher.value.is_empty()) {
        (Operator::Equal, true) => "rules-condition-empty",
        (Operator::Equal, false) => "rules-condition-equal",
        (Operator::Matches, _) => "rules-condition-fits",
    };
    language.text_with(key, &[("label", &matcher.label), ("value", &matcher.value)]).into_owned()
}

/// Whom a rule rings, by name.
#[must_use]
pub fn receiver_names(rule: &Rule, names: &ReceiverNames, language: Language) -> Vec<String> {
    let named = |key: &str, name: Option<&str>| language.text_with(key, &[("name", name.unwrap_or("?"))]).into_owned();
    let receiver_name = |receiver: &Receiver| match receiver {
        Receiver::Account(account) => names.accounts.get(account).cloned().unwrap_or_default(),
        Receiver::Role(role) => named("rules-receiver-role", Some(&language.text(role.key()))),
        Receiver::Group(group) => named("rules-receiver-group", names.group(*group)),
        Receiver::Schedule(schedule) => named("rules-receiver-schedule", names.schedule(*schedule)),
    };
    rule.receivers.iter().map(receiver_name).collect()
}

/// When in the day a rule rings; nothing for the whole day.
#[must_use]
pub fn format_window(rule: &Rule) -> Option<String> {
    rule.window.map(|window| format!("{}–{}", format_minute(window.from), format_minute(window.to)))
}

/// What changed when a rule was added, edited or deleted.
#[must_use]
pub fn rule_changes(before: Option<&Rule>, after: Option<&Rule>, names: &ReceiverNames) -> Vec<Change> {
    let facts = |rule: Option<&Rule>| rule.map(|rule| rule_facts(rule, names));
    let (before, after) = (facts(before), facts(after));
    let keys = before.as_ref().or(after.as_ref()).into_iter().flatten().map(|(key, _)| *key);
    let value = |facts: &Option<Vec<(&'static str, String)>>, place: usize| {
        facts.as_ref().and_then(|facts| facts.get(place)).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    keys.enumerate()
        .filter_map(|(place, key)| Change::between(key, &value(&before, place), &value(&after, place)))
        .collect()
}

/// Everything about a rule, by the keys of the labels, always in the same order. What is switched is `on` or `off`.
fn rule_facts(rule: &Rule, names: &ReceiverNames) -> Vec<(&'static str, String)> {
    let switch = |on: bool| if on { "on" } else { "off" }.to_owned();
    let matchers: Vec<String> = rule.matchers.iter().map(Matcher::to_string).collect();
    let joined = |receiver_name: fn(&ReceiverNames, &Receiver) -> Option<String>| {
        let named: Vec<String> = rule.receivers.iter().filter_map(|receiver| receiver_name(names, receiver)).collect();
        join_names(&named, ", ")
    };
    let mut facts = vec![
        ("rules-name", rule.name.clone()),
        ("rules-is-on", switch(rule.is_on)),
        ("rules-severity", rule.severity.as_str().to_owned()),
        ("rules-source", rule.source.map(Source::as_str).unwrap_or("any").to_owned()),
        ("rules-matchers", join_names(&matchers, ", ")),
        ("rules-members", joined(member_name)),
        ("rules-groups", joined(group_name)),
        ("rules-schedules", joined(schedule_name)),
        ("rules-frequency", rule.frequency.num_minutes().to_string()),
        ("rules-max-sends", rule.max_sends.map(|most| most.to_string()).unwrap_or_default()),
        ("rules-window", format_window(rule).unwrap_or_default()),
    ];
    facts.extend(Role::ALL.map(|role| (role.key(), switch(rule.receivers.contains(&Receiver::Role(role))))));
    facts.extend(Channel::ALL.map(|channel| (channel_key(&channel), switch(rule.channels.contains(&channel)))));
    facts
}

fn member_name(names: &ReceiverNames, receiver: &Receiver) -> Option<String> {
    match receiver {
        Receiver::Account(account) => names.accounts.get(account).cloned(),
        _ => None,
    }
}

fn group_name(names: &ReceiverNames, receiver: &Receiver) -> Option<String> {
    match receiver {
        Receiver::Group(group) => names.group(*group).map(str::to_owned),
        _ => None,
    }
}

fn schedule_name(names: &ReceiverNames, receiver: &Receiver) -> Option<String> {
    match receiver {
        Receiver::Schedule(schedule) => names.schedule(*schedule).map(str::to_owned),
        _ => None,
    }
}
