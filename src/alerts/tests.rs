//! Who hears an alert, and when, held against models that are written out simply.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta, TimeZone as _};
use chrono_tz::Tz;
use proptest::prelude::*;

use super::{
    Candidate, IncomingAlert, Matcher, RecipientProfile, RobotDelivery, Routing, Rule, RuleHistory, Severity, Signal,
    Source, Undeliverable, Verdict, Window, resolve_recipients, routing::channel_order as place_of,
};
use crate::{
    channels::Switches,
    db::{AccountId, MemberId, RobotId, RuleId},
    delivery::DeliveryReason,
    robots::Channel,
};

fn alert() -> IncomingAlert {
    IncomingAlert {
        source: Source::Form,
        signal: Signal::Firing,
        key: "k".into(),
        title: "t".into(),
        content: String::new(),
        severity: Severity::Warning,
        link: String::new(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        starts_at: None,
        ends_at: None,
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

fn severity() -> impl Strategy<Value = Severity> {
    proptest::sample::select(Severity::ALL.to_vec())
}

fn zone() -> impl Strategy<Value = Tz> {
    proptest::sample::select(vec![Tz::UTC, Tz::Asia__Shanghai, Tz::America__New_York, Tz::Australia__Lord_Howe])
}

proptest! {
    #[test]
    fn a_rule_notifies_only_in_its_window_unthrottled_and_below_its_limit(
        frequency in 1i64..=59,
        max_sends in proptest::option::of(1i64..6),
        window in window(),
        zone in zone(),
        // In seconds: bursts, pauses about as long as a rest, and whole nights.
        gaps in proptest::collection::vec(
            (prop_oneof![0i64..120, 0i64..4000, 0i64..40_000], any::<bool>(), severity()),
            1..60,
        ),
    ) {
        let rule = rule(frequency, max_sends, window);
        let (mut now, mut history, mut notifications, mut records) = (start(), None::<RuleHistory>, Vec::new(), Vec::new());
        let (mut notified_severity, mut recorded_severity) = (None, None);
        for (gap, reaches, severity) in gaps {
            now += TimeDelta::seconds(gap);
            let alert = IncomingAlert { severity, ..alert() };
            let rises = |last: Option<Severity>| last.is_some_and(|last| severity > last);
            let verdict = rule.evaluate(&alert, history, now, zone);
            let has_cooled_down = |moments: &[NaiveDateTime]| moments.iter().all(|at| *at + rule.frequency <= now);
            let is_enough = max_sends.is_some_and(|most| notifications.len() as i64 >= most);
            let may_ring = rises(notified_severity) || (!is_enough && has_cooled_down(&notifications));
            let expected = may_ring && is_open(window, now, zone);
            prop_assert_eq!(verdict == Verdict::Notifies, expected, "{:?} at {}", verdict, now);
            if verdict == Verdict::QuietHours {
                prop_assert!(!is_open(window, now, zone));
                prop_assert!((has_cooled_down(&notifications) && has_cooled_down(&records)) || rises(recorded_severity));
                records.push(now);
            }
            let recorded_until = rule.recorded_until(&alert, history, now, zone);
            if verdict == Verdict::Notifies {
                let open_notes: Vec<_> = records.iter().copied().filter(|at| is_open(window, *at, zone)).collect();
                let is_noted =
                    records.last() == open_notes.last() && !has_cooled_down(&open_notes) && !rises(recorded_severity);
                prop_assert_eq!(recorded_until.is_some(), is_noted, "what was noted is noted as rarely as a rule rings");
                match reaches {
                    true => notifications.push(now),
                    false if is_noted => continue,
                    false => {}
                }
                records.push(now);
            }
            // As the store records it.
            if matches!(verdict, Verdict::Notifies | Verdict::QuietHours) {
                let has_notified = verdict == Verdict::Notifies && reaches;
                let (sends, notified_at) = history.map_or((0, None), |sent| (sent.sends, sent.notified_at));
                let notified_at = if has_notified { Some(now) } else { notified_at };
                notified_severity = if has_notified { Some(severity) } else { notified_severity };
                recorded_severity = Some(severity);
                let sends = sends + i64::from(has_notified);
                history = Some(RuleHistory { sends, notified_at, recorded_at: now, notified_severity, recorded_severity });
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
        let holds = window.is_none_or(|window| window.contains_at(moment, zone));
        prop_assert_eq!(holds, is_open(window, moment, zone));
    }
}

/// How many minutes of a day, from midnight to midnight of that zone, a window holds.
fn minutes_held(window: Window, zone: Tz, (year, month, day): (i32, u32, u32)) -> usize {
    let midnight = |day: NaiveDate| zone.from_local_datetime(&day.and_hms_opt(0, 0, 0).unwrap()).unwrap().naive_utc();
    let day = NaiveDate::from_ymd_opt(year, month, day).unwrap();
    let (begin, end) = (midnight(day), midnight(day.succ_opt().unwrap()));
    let minutes = (end - begin).num_minutes();
    (0..minutes).filter(|minute| window.contains_at(begin + TimeDelta::minutes(*minute), zone)).count()
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
    fn an_alert_matches_when_every_condition_holds(
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
            matchers: matchers.iter().map(|text| Matcher::parse(text).unwrap()).collect(),
            ..rule(5, None, None)
        };
        let labels = team.iter().map(|team| ("team".to_owned(), team.clone())).collect();
        let alert = IncomingAlert { severity: Severity::ALL[severity], source: Source::ALL[source], labels, ..alert() };
        let expected = severity >= least && only.is_none_or(|only| only == source) && (wanted.is_none() || team == wanted);
        prop_assert_eq!(rule.matches(&alert), expected);
        prop_assert_eq!(rule.evaluate(&alert, None, start(), Tz::UTC) == Verdict::NoMatch, !expected);
    }
}

/// A person of the town: whether he is a member, takes part, and which channels reach him.
type PersonSpec = (bool, bool, [bool; 3]);
/// A pick: who, by which rule, over which channels, and whether that rule is quiet.
type CandidateSpec = (usize, usize, [bool; 3], bool);

const RULES: [&str; 3] = ["", "day", "night"];

fn channels(chosen: [bool; 3]) -> Vec<Channel> {
    Channel::ALL.into_iter().zip(chosen).filter(|(_, chosen)| *chosen).map(|(channel, _)| channel).collect()
}

fn person(place: usize, (is_member, is_active, reached): PersonSpec) -> RecipientProfile {
    let number = i64::try_from(place).unwrap() + 1;
    let robot = |channel| RobotId(10 * number + i64::try_from(place_of(channel).unwrap()).unwrap());
    RecipientProfile {
        account: Some(AccountId(number)),
        member: is_member.then_some(MemberId(number)),
        name: format!("person {place}"),
        is_active,
        phone: String::new(),
        robots: channels(reached).into_iter().map(|channel| (channel, robot(channel))).collect(),
    }
}

/// The names of the rules of these picks, each once, in their order.
fn rule_names_of<'p>(picks: impl Iterator<Item = &'p CandidateSpec>) -> Vec<String> {
    let mut names = Vec::new();
    for (_, rule, ..) in picks {
        if *rule > 0 && !names.contains(&RULES[*rule].to_owned()) {
            names.push(RULES[*rule].to_owned());
        }
    }
    names
}

/// What is to become of one person, written out.
fn expected(
    place: usize,
    sketch: PersonSpec,
    picks: &[CandidateSpec],
    on: &Switches,
) -> (Vec<RobotDelivery>, Option<Undeliverable>) {
    let person = person(place, sketch);
    let own_candidates: Vec<CandidateSpec> =
        picks.iter().filter(|to_candidate| to_candidate.0 == place).copied().collect();
    if own_candidates.is_empty() {
        return (Vec::new(), None);
    }
    let outside_quiet_hours = || own_candidates.iter().filter(|to_candidate| !to_candidate.3);
    let wanted_channels: BTreeSet<usize> =
        outside_quiet_hours().flat_map(|to_candidate| channels(to_candidate.2)).filter_map(place_of).collect();
    let wants = |channel: Channel| wanted_channels.contains(&place_of(channel).unwrap());
    let notified = person.robots.iter().filter(|(channel, _)| wants(*channel) && on.is_on(channel));
    let deliveries: Vec<RobotDelivery> = notified
        .map(|(channel, robot)| RobotDelivery {
            person: person.clone(),
            channel: *channel,
            robot: *robot,
            rule_names: rule_names_of(
                outside_quiet_hours().filter(|to_candidate| channels(to_candidate.2).contains(channel)),
            ),
        })
        .collect();
    let reason = match () {
        () if !sketch.0 => DeliveryReason::LeftTenant,
        () if !sketch.1 => DeliveryReason::MemberDisabled,
        () if outside_quiet_hours().next().is_none() => DeliveryReason::QuietHours,
        () if !deliveries.is_empty() => return (deliveries, None),
        () if person.robots.iter().any(|(channel, _)| wants(*channel)) => DeliveryReason::ChannelOff,
        () => DeliveryReason::NoContact,
    };
    let chosen_by = rule_names_of(own_candidates.iter());
    (Vec::new(), Some(Undeliverable { member: person.member, name: person.name, reason, rule_names: chosen_by }))
}

proptest! {
    #[test]
    fn each_candidate_gets_one_delivery_per_robot_or_one_reason(
        sketches in proptest::collection::vec(any::<PersonSpec>(), 4),
        picks in proptest::collection::vec((0usize..4, 0usize..3, any::<[bool; 3]>(), any::<bool>()), 0..12),
        on in any::<[bool; 3]>(),
    ) {
        let on = Switches::on(channels(on));
        let to_candidate = |(who, rule, asked, is_quiet): &CandidateSpec| Candidate {
            receiver: Ok(person(*who, sketches[*who])),
            rule_name: RULES[*rule].to_owned(),
            channels: channels(*asked),
            in_quiet_hours: *is_quiet,
        };
        let routing = resolve_recipients(picks.iter().map(to_candidate).collect(), &on);
        let (mut deliveries, mut undeliverables) = (Vec::new(), Vec::new());
        for (place, sketch) in sketches.iter().enumerate() {
            let (called, missed) = expected(place, *sketch, &picks, &on);
            deliveries.extend(called);
            undeliverables.extend(missed);
        }
        deliveries.sort_by_key(|delivery| (place_of(delivery.channel), delivery.robot));
        prop_assert_eq!(routing, Routing { deliveries, undeliverables });
    }
}

#[test]
fn an_empty_group_is_undeliverable_once_however_many_rules_name_it() {
    let to_candidate = |rule: &str| Candidate {
        receiver: Err(("night watch".to_owned(), DeliveryReason::GroupDisabled)),
        rule_name: rule.to_owned(),
        channels: Channel::ALL.to_vec(),
        in_quiet_hours: false,
    };
    let routing = resolve_recipients(vec![to_candidate("a"), to_candidate("b")], &Switches::on(Channel::ALL));
    let undeliverable = Undeliverable {
        member: None,
        name: "night watch".into(),
        reason: DeliveryReason::GroupDisabled,
        rule_names: vec!["a".into(), "b".into()],
    };
    assert_eq!(routing, Routing { deliveries: Vec::new(), undeliverables: vec![undeliverable] });
}
