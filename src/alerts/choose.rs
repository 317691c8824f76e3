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
    /// What this rule says to a firing of an event for which it rang so often already.
    #[must_use]
    pub fn verdict(&self, alert: &Incoming, sent: Option<Sent>, now: NaiveDateTime, zone: Tz) -> Verdict {
        if !self.matches(alert) {
            return Verdict::Other;
        }
        let is_open = |moment| self.window.is_none_or(|window| window.holds_at(moment, zone));
        if let Some(sent) = sent {
            if self.max_sends.is_some_and(|most| sent.sends >= most) {
                return Verdict::Enough;
            }
            // What was only noted in quiet hours does not silence the first ring after them.
            let until = sent.last_at + self.frequency;
            if until > now && (is_open(sent.last_at) || !is_open(now)) {
                return Verdict::CoolsDown(until);
            }
        }
        if is_open(now) { Verdict::Rings } else { Verdict::QuietHours }
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
    let mut nobodies: BTreeMap<(String, &'static str), (Reason, Vec<String>)> = BTreeMap::new();
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

    use chrono::{NaiveDate, TimeDelta, TimeZone as _};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        alerts::model::{Severity, Signal, Source, Window},
        db::RuleId,
        language::Language,
    };

    fn alert() -> Incoming {
        Incoming {
            source: Source::Form,
            signal: Signal::Firing,
            key: "k".into(),
            title: "t".into(),
            content: String::new(),
            severity: Severity::Warning,
            link: String::new(),
            labels: BTreeMap::new(),
            receivers: Vec::new(),
        }
    }

    fn rule(frequency: i64, max_sends: Option<i64>, window: Option<Window>) -> Rule {
        Rule {
            id: RuleId(1),
            name: "r".into(),
            is_on: true,
            severity: Severity::Info,
            source: None,
            matchers: Vec::new(),
            channels: Channel::ALL.to_vec(),
            frequency: TimeDelta::minutes(frequency),
            max_sends,
            window,
            receivers: Vec::new(),
        }
    }

    fn start() -> NaiveDateTime {
        // The day before clocks in New York go forward.
        NaiveDate::from_ymd_opt(2026, 3, 7).unwrap().and_hms_opt(12, 0, 0).unwrap()
    }

    /// Whether the clock on the wall shows a time in the window, read as text.
    fn is_open(window: Option<Window>, moment: NaiveDateTime, zone: Tz) -> bool {
        let Some(Window { from, to }) = window else { return true };
        let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
        let (from, to, shown) = (text(from), text(to), zone.from_utc_datetime(&moment).format("%H:%M").to_string());
        if from < to { from <= shown && shown < to } else { from <= shown || shown < to }
    }

    fn window() -> impl Strategy<Value = Option<Window>> {
        proptest::option::of((0u16..1440, 0u16..1440).prop_map(|(from, to)| Window { from, to }))
    }

    fn zone() -> impl Strategy<Value = Tz> {
        proptest::sample::select(vec![Tz::UTC, Tz::Asia__Shanghai, Tz::America__New_York, Tz::Australia__Lord_Howe])
    }

    proptest! {
        #[test]
        fn a_rule_rings_exactly_when_it_is_open_has_rested_and_has_not_rung_enough(
            frequency in 1i64..=59,
            max_sends in proptest::option::of(1i64..6),
            window in window(),
            zone in zone(),
            // In seconds: bursts, pauses about as long as a rest, and whole nights.
            gaps in proptest::collection::vec(prop_oneof![0i64..120, 0i64..4000, 0i64..40_000], 1..60),
        ) {
            let rule = rule(frequency, max_sends, window);
            let (mut now, mut sent, mut rings, mut notes) = (start(), None::<Sent>, Vec::new(), Vec::new());
            for gap in gaps {
                now += TimeDelta::seconds(gap);
                let verdict = rule.verdict(&alert(), sent, now, zone);
                let rests = |moments: &[NaiveDateTime]| moments.iter().all(|at| *at + rule.frequency <= now);
                let is_enough = max_sends.is_some_and(|most| rings.len() as i64 >= most);
                let expected = !is_enough && is_open(window, now, zone) && rests(&rings);
                prop_assert_eq!(verdict == Verdict::Rings, expected, "{:?} at {}", verdict, now);
                if verdict == Verdict::QuietHours {
                    prop_assert!(!is_open(window, now, zone) && rests(&rings) && rests(&notes));
                    notes.push(now);
                }
                if verdict == Verdict::Rings {
                    rings.push(now);
                }
                // As the store notes it.
                if matches!(verdict, Verdict::Rings | Verdict::QuietHours) {
                    let sends = sent.map_or(0, |sent| sent.sends) + i64::from(verdict == Verdict::Rings);
                    sent = Some(Sent { sends, last_at: now });
                }
            }
        }

        #[test]
        fn a_window_is_what_the_clock_on_the_wall_shows(
            window in window(),
            zone in zone(),
            minutes in 0i64..(400 * 1440),
        ) {
            let moment = start() + TimeDelta::minutes(minutes);
            let holds = window.is_none_or(|window| window.holds_at(moment, zone));
            prop_assert_eq!(holds, is_open(window, moment, zone));
        }
    }

    /// How many minutes of a day, from midnight to midnight of that zone, a window holds.
    fn minutes_held(window: Window, zone: Tz, (year, month, day): (i32, u32, u32)) -> usize {
        let midnight =
            |day: NaiveDate| zone.from_local_datetime(&day.and_hms_opt(0, 0, 0).unwrap()).unwrap().naive_utc();
        let day = NaiveDate::from_ymd_opt(year, month, day).unwrap();
        let (begin, end) = (midnight(day), midnight(day.succ_opt().unwrap()));
        let minutes = (end - begin).num_minutes();
        (0..minutes).filter(|minute| window.holds_at(begin + TimeDelta::minutes(*minute), zone)).count()
    }

    #[test]
    fn on_the_days_when_clocks_change_an_hour_is_left_out_or_comes_twice() {
        let (new_york, at_two, at_one) =
            (Tz::America__New_York, Window { from: 120, to: 180 }, Window { from: 60, to: 120 });
        let (forward, back, usual) = ((2026, 3, 8), (2026, 11, 1), (2026, 6, 1));
        assert_eq!(minutes_held(at_two, new_york, usual), 60);
        assert_eq!(minutes_held(at_two, new_york, forward), 0, "from two to three there is no such hour");
        assert_eq!(minutes_held(at_one, new_york, back), 120, "from one to two comes twice");
        let (night, all_day) = (Window { from: 22 * 60, to: 6 * 60 }, Window { from: 300, to: 300 });
        assert_eq!(minutes_held(night, new_york, usual), 480);
        assert_eq!(minutes_held(night, new_york, forward), 420);
        assert_eq!(minutes_held(all_day, new_york, forward), 23 * 60);
        assert_eq!(minutes_held(all_day, new_york, back), 25 * 60);
    }

    proptest! {
        #[test]
        fn an_alert_is_meant_when_every_condition_holds(
            least in 0usize..3,
            severity in 0usize..3,
            only in proptest::option::of(0usize..4),
            source in 0usize..4,
            wanted in proptest::option::of("[ab]"),
            team in proptest::option::of("[ab]"),
        ) {
            let matchers = wanted.iter().map(|team| format!("team={team}")).collect::<Vec<_>>();
            let rule = Rule {
                severity: Severity::ALL[least],
                source: only.map(|only| Source::ALL[only]),
                matchers: matchers.iter().map(|text| crate::alerts::Matcher::parse(text).unwrap()).collect(),
                ..rule(5, None, None)
            };
            let labels = team.iter().map(|team| ("team".to_owned(), team.clone())).collect();
            let alert = Incoming { severity: Severity::ALL[severity], source: Source::ALL[source], labels, ..alert() };
            let expected = severity >= least && only.is_none_or(|only| only == source) && (wanted.is_none() || team == wanted);
            prop_assert_eq!(rule.matches(&alert), expected);
            prop_assert_eq!(rule.verdict(&alert, None, start(), Tz::UTC) == Verdict::Other, !expected);
        }
    }

    /// A person of the town: whether he is a member, takes part, and which channels reach him.
    type Sketch = (bool, bool, [bool; 3]);
    /// A pick: who, by which rule, over which channels, and whether that rule is quiet.
    type PickSketch = (usize, usize, [bool; 3], bool);

    const RULES: [&str; 3] = ["", "day", "night"];

    fn channels(chosen: [bool; 3]) -> Vec<Channel> {
        Channel::ALL.into_iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(channel, _)| channel).collect()
    }

    fn person(place: usize, (is_member, is_active, reached): Sketch) -> Person {
        let number = i64::try_from(place).unwrap() + 1;
        let robot = |channel| RobotId(10 * number + i64::try_from(super::place(channel).unwrap()).unwrap());
        Person {
            account: Some(AccountId(number)),
            member: is_member.then_some(MemberId(number)),
            name: format!("person {place}"),
            is_active,
            phone: String::new(),
            robots: channels(reached).into_iter().map(|channel| (channel, robot(channel))).collect(),
        }
    }

    /// The names of the rules of these picks, each once, in their order.
    fn rules_of<'p>(picks: impl Iterator<Item = &'p PickSketch>) -> Vec<String> {
        let mut names = Vec::new();
        for (_, rule, ..) in picks {
            if *rule > 0 && !names.contains(&RULES[*rule].to_owned()) {
                names.push(RULES[*rule].to_owned());
            }
        }
        names
    }

    /// What is to become of one person, written out.
    fn expected(place: usize, sketch: Sketch, picks: &[PickSketch], on: &Switches) -> (Vec<Call>, Option<Miss>) {
        let person = person(place, sketch);
        let own: Vec<PickSketch> = picks.iter().filter(|pick| pick.0 == place).copied().collect();
        if own.is_empty() {
            return (Vec::new(), None);
        }
        let loud = || own.iter().filter(|pick| !pick.3);
        let asked: BTreeSet<usize> = loud().flat_map(|pick| channels(pick.2)).filter_map(super::place).collect();
        let wants = |channel: Channel| asked.contains(&super::place(channel).unwrap());
        let rings = person.robots.iter().filter(|(channel, _)| wants(*channel) && on.is_on(channel));
        let calls: Vec<Call> = rings
            .map(|(channel, robot)| Call {
                person: person.clone(),
                channel: *channel,
                robot: *robot,
                chosen_by: rules_of(loud().filter(|pick| channels(pick.2).contains(channel))),
            })
            .collect();
        let reason = match () {
            () if !sketch.0 => Reason::LeftTenant,
            () if !sketch.1 => Reason::MemberDisabled,
            () if loud().next().is_none() => Reason::QuietHours,
            () if !calls.is_empty() => return (calls, None),
            () if person.robots.iter().any(|(channel, _)| wants(*channel)) => Reason::ChannelOff,
            () => Reason::NoContact,
        };
        let chosen_by = rules_of(own.iter());
        (Vec::new(), Some(Miss { member: person.member, name: person.name, reason, chosen_by }))
    }

    proptest! {
        #[test]
        fn everybody_who_is_picked_is_called_once_over_each_robot_or_missed_for_the_first_reason_that_holds(
            sketches in proptest::collection::vec(any::<Sketch>(), 4),
            picks in proptest::collection::vec((0usize..4, 0usize..3, any::<[bool; 3]>(), any::<bool>()), 0..12),
            on in any::<[bool; 3]>(),
        ) {
            let on = Switches::on(channels(on));
            let pick = |(who, rule, asked, is_quiet): &PickSketch| Pick {
                who: Ok(person(*who, sketches[*who])),
                rule: RULES[*rule].to_owned(),
                channels: channels(*asked),
                is_quiet: *is_quiet,
            };
            let choice = reach(picks.iter().map(pick).collect(), &on);
            let (mut calls, mut misses) = (Vec::new(), Vec::new());
            for (place, sketch) in sketches.iter().enumerate() {
                let (called, missed) = expected(place, *sketch, &picks, &on);
                calls.extend(called);
                misses.extend(missed);
            }
            calls.sort_by_key(|call| (place(call.channel), call.robot));
            prop_assert_eq!(choice, Choice { calls, misses });
        }
    }

    #[test]
    fn a_group_that_has_nobody_is_missed_once_however_many_rules_picked_it() {
        let pick = |rule: &str| Pick {
            who: Err(("night watch".to_owned(), Reason::GroupOff)),
            rule: rule.to_owned(),
            channels: Channel::ALL.to_vec(),
            is_quiet: false,
        };
        let choice = reach(vec![pick("a"), pick("b")], &Switches::on(Channel::ALL));
        let miss = Miss {
            member: None,
            name: "night watch".into(),
            reason: Reason::GroupOff,
            chosen_by: vec!["a".into(), "b".into()],
        };
        assert_eq!(choice, Choice { calls: Vec::new(), misses: vec![miss] });
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
