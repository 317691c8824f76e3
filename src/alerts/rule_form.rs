//! The form of an alert rule, the example alert of a preview, and the query of the list of rules.

use std::{collections::BTreeMap, ops::RangeInclusive};

use chrono::{NaiveTime, TimeDelta, Timelike as _};
use serde::{Deserialize, Serialize};
use validator::{Validate, ValidationError};

use super::{
    form::{parse_or_default, parse_usernames, readable_usernames},
    matcher::{Matcher, is_label_name, unquote},
    model::{IncomingAlert, Receiver, Rule, Severity, Source, Window},
};
use crate::{
    access::Role,
    accounts::Username,
    channels::Switches,
    db::{GroupId, RuleId, ScheduleId},
    robots::Channel,
    text::{as_name, whole_number},
    web::{
        EditForm as _, FieldError, FieldErrors, FormVersion, ListParameters, Unread, impl_edit_form, name, single_line,
        unread, validate_form,
    },
};

/// The most conditions of a rule.
const MAX_MATCHERS: usize = 20;
/// The most labels of an example.
const MAX_EXAMPLE_LABELS: usize = 64;
/// The minutes between two sends that can be chosen.
const FREQUENCY_MINUTES: RangeInclusive<i64> = 1..=59;
/// The minutes between two sends unless others are chosen.
const DEFAULT_FREQUENCY_MINUTES: i64 = 5;
/// The numbers of sends that can be chosen.
const MAX_SENDS_RANGE: RangeInclusive<i64> = 1..=1000;

/// An alert rule as it is typed.
#[derive(Clone, Debug, Default, Deserialize, Serialize, Validate)]
#[serde(default)]
pub struct RuleForm {
    /// Its name.
    #[validate(
        length(max = 36, code = "form-too-long"),
        custom(function = "name"),
        custom(function = "allowed_name_chars")
    )]
    pub name: String,
    /// `yes` when it is to be asked.
    pub on: String,
    /// The least severity; any when empty.
    pub severity: String,
    /// The only door; any when empty.
    pub source: String,
    /// The conditions on labels, one a line.
    pub matchers: String,
    /// Usernames, with commas or line ends between them.
    pub members: String,
    /// Roles.
    pub roles: Vec<String>,
    /// User groups.
    pub groups: Vec<GroupId>,
    /// Shift schedules.
    pub schedules: Vec<ScheduleId>,
    /// Channels.
    pub channels: Vec<String>,
    /// Minutes between two sends.
    pub frequency: String,
    /// The most sends for one event; no limit when empty.
    pub max_sends: String,
    /// `hours` for a window of the day.
    pub window: String,
    /// Its first minute, as HH:MM.
    pub from: String,
    /// The first minute after it, as HH:MM.
    pub to: String,
    /// The values that the page showed, as hashes; a save that would undo a later change is refused by them.
    #[serde(skip_serializing)]
    pub form_version: FormVersion,
}
impl_edit_form!(RuleForm);

/// The fields of the page that say what a rule is.
pub const SAVED_FIELDS: [&str; 15] = [
    "name",
    "on",
    "severity",
    "source",
    "matchers",
    "members",
    "roles",
    "groups",
    "schedules",
    "channels",
    "frequency",
    "max_sends",
    "window",
    "from",
    "to",
];

/// What a link to the page Add Rule proposes for some fields; the rest is as for any new rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct RulePrefill {
    /// See [`RuleForm::name`].
    pub name: String,
    /// See [`RuleForm::severity`].
    pub severity: String,
    /// See [`RuleForm::source`].
    pub source: String,
    /// See [`RuleForm::matchers`].
    pub matchers: String,
}

impl ListParameters for RulePrefill {
    const NAMES: &'static [&'static str] = &["name", "severity", "source", "matchers"];

    fn unknown_parameters(&self) -> Unread {
        unread(&[
            ("severity", &self.severity, Severity::parse(&self.severity).is_some()),
            ("source", &self.source, Source::parse(&self.source).is_some()),
        ])
    }
}

impl RulePrefill {
    /// The form with what is proposed.
    #[must_use]
    pub fn into_form(self, switches: &Switches) -> RuleForm {
        let Self { name, severity, source, matchers } = self;
        let severity = Severity::parse(&severity).map(|known| known.as_str().to_owned()).unwrap_or_default();
        let source = Source::parse(&source).map(|known| known.as_str().to_owned()).unwrap_or_default();
        RuleForm { name, severity, source, matchers, ..RuleForm::for_new_rule(switches) }
    }
}

/// A rule as it was typed, as far as it can be told without the database.
#[derive(Clone, Debug)]
pub struct RuleDraft {
    /// The rule, without the members whom it names.
    pub rule: Rule,
    /// The members whom it names.
    pub members: Vec<Username>,
}

/// A `validator` rule: letters of any script, digits, spaces, `_` and `-`.
fn allowed_name_chars(name: &str) -> Result<(), ValidationError> {
    let fits = as_name(name).chars().all(|c| c.is_alphanumeric() || "_- ".contains(c));
    if fits { Ok(()) } else { Err(ValidationError::new("rules-name-rule")) }
}

impl RuleForm {
    /// The form of a rule that is to be added: it rings over the channels that are on.
    #[must_use]
    pub fn for_new_rule(switches: &Switches) -> Self {
        let channels = Channel::ALL.iter().filter(|channel| switches.is_on(channel));
        Self {
            on: "yes".to_owned(),
            channels: channels.map(|channel| channel.as_str().to_owned()).collect(),
            frequency: DEFAULT_FREQUENCY_MINUTES.to_string(),
            ..Self::default()
        }
    }

    /// The form of a tenant's first rule: every alert for its super administrator, so that none is lost.
    #[must_use]
    pub fn for_first_rule(switches: &Switches, name: &str) -> Self {
        let roles = vec![Role::SuperAdministrator.as_str().to_owned()];
        Self { name: name.to_owned(), roles, ..Self::for_new_rule(switches) }
    }

    /// The form of a stored rule, with the usernames of those whom it names.
    #[must_use]
    pub fn from_rule(rule: &Rule, usernames: &[&str]) -> Self {
        let mut form = Self {
            name: rule.name.clone(),
            on: if rule.is_on { "yes" } else { "" }.to_owned(),
            severity: rule.severity.as_str().to_owned(),
            source: rule.source.map(Source::as_str).unwrap_or_default().to_owned(),
            matchers: rule.matchers.iter().map(Matcher::to_string).collect::<Vec<_>>().join("\n"),
            members: usernames.join("\n"),
            channels: rule.channels.iter().map(|channel| channel.as_str().to_owned()).collect(),
            frequency: rule.frequency.num_minutes().to_string(),
            max_sends: rule.max_sends.map(|most| most.to_string()).unwrap_or_default(),
            ..Self::default()
        };
        // Rules from before such a window was refused have it for the whole day.
        if let Some(window) = rule.window.filter(|window| window.from != window.to) {
            form.window = "hours".to_owned();
            (form.from, form.to) = (format_minute(window.from), format_minute(window.to));
        }
        for receiver in &rule.receivers {
            match receiver {
                Receiver::Account(_) => {}
                Receiver::Role(role) => form.roles.push(role.as_str().to_owned()),
                Receiver::Group(group) => form.groups.push(*group),
                Receiver::Schedule(schedule) => form.schedules.push(*schedule),
            }
        }
        form.with_version()
    }

    /// Whether a checkbox of roles or channels is ticked.
    #[must_use]
    pub fn is_checked(&self, word: &str) -> bool {
        self.roles.iter().chain(&self.channels).any(|selected| selected == word)
    }

    /// The rule that is to stand in the place of the one of this id.
    ///
    /// # Errors
    /// Every mistake, beside its field.
    pub fn check(&self, id: RuleId) -> Result<RuleDraft, FieldErrors> {
        let mut errors = validate_form(self).err().unwrap_or_default();
        let severity =
            require(parse_or_default(&self.severity, Severity::Info, Severity::parse), "severity", &mut errors);
        let source = match self.source.as_str() {
            "" => None,
            source => require(Source::parse(source), "source", &mut errors),
        };
        let matchers = self.parse_matchers(&mut errors);
        let members = parse_usernames("members", [&self.members], &mut errors);
        let receivers = self.parse_receivers(&mut errors);
        if members.as_ref().is_some_and(Vec::is_empty) && receivers.is_empty() {
            errors.add("members", "rules-receivers-none");
        }
        let channels = self.parse_channels(&mut errors);
        let frequency = parse_number("frequency", &self.frequency, FREQUENCY_MINUTES, &mut errors);
        let max_sends = parse_number("max_sends", &self.max_sends, MAX_SENDS_RANGE, &mut errors);
        let window = self.parse_window(&mut errors);
        match (severity, members) {
            (Some(severity), Some(members)) if errors.is_empty() => {
                let rule = Rule {
                    id,
                    name: as_name(&self.name),
                    is_on: self.on == "yes",
                    severity,
                    source,
                    matchers,
                    channels,
                    frequency: TimeDelta::minutes(frequency.unwrap_or(DEFAULT_FREQUENCY_MINUTES)),
                    max_sends,
                    window,
                    receivers,
                };
                Ok(RuleDraft { rule, members })
            }
            _ => Err(errors),
        }
    }

    /// Whom it names, as far as that can be read.
    #[must_use]
    pub fn readable_receivers(&self) -> (Vec<Username>, Vec<Receiver>) {
        (readable_usernames([&self.members]), self.parse_receivers(&mut FieldErrors::default()))
    }

    /// Its conditions, as far as they can be read. Compiles their expressions.
    #[must_use]
    pub fn readable_matchers(&self) -> Vec<Matcher> {
        self.parse_matchers(&mut FieldErrors::default())
    }

    fn parse_matchers(&self, errors: &mut FieldErrors) -> Vec<Matcher> {
        let mut matchers = Vec::new();
        for (number, line) in numbered_lines(&self.matchers) {
            match Matcher::parse(line) {
                Ok(matcher) => matchers.push((number, matcher)),
                Err(fault) => errors.0.push(line_error("matchers", fault.key(), number)),
            }
        }
        if matchers.len() > MAX_MATCHERS {
            errors.add("matchers", "rules-matchers-many");
        }
        contradictions(&matchers, errors);
        matchers.into_iter().map(|(_, matcher)| matcher).collect()
    }

    /// Roles, groups and schedules, each once.
    fn parse_receivers(&self, errors: &mut FieldErrors) -> Vec<Receiver> {
        let mut receivers = Vec::new();
        for role in &self.roles {
            receivers.extend(require(Role::parse(role), "roles", errors).map(Receiver::Role));
        }
        receivers.extend(self.groups.iter().copied().map(Receiver::Group));
        receivers.extend(self.schedules.iter().copied().map(Receiver::Schedule));
        receivers.sort_unstable();
        receivers.dedup();
        receivers
    }

    fn parse_channels(&self, errors: &mut FieldErrors) -> Vec<Channel> {
        if self.channels.is_empty() {
            errors.add("channels", "rules-channels-none");
        }
        let mut selected = Vec::new();
        for word in &self.channels {
            selected.extend(require(Channel::parse(word), "channels", errors));
        }
        Channel::ALL.into_iter().filter(|channel| selected.contains(channel)).collect()
    }

    fn parse_window(&self, errors: &mut FieldErrors) -> Option<Window> {
        match self.window.as_str() {
            "hours" => {}
            // Times that stand beside All day mean nothing, but one that cannot be read is a mistake all the same.
            "" | "all-day" => {
                for (field, text) in [("from", &self.from), ("to", &self.to)] {
                    if !text.trim().is_empty() {
                        read_minute(field, text, errors);
                    }
                }
                return None;
            }
            _ => return require(None, "window", errors),
        }
        let (from, to) = (read_minute("from", &self.from, errors), read_minute("to", &self.to, errors));
        let window = Window { from: from?, to: to? };
        if window.from == window.to {
            errors.add("to", "rules-window-empty");
        }
        Some(window)
    }
}

/// A value that cannot be missing but by a mistake in its field.
fn require<T>(value: Option<T>, field: &'static str, errors: &mut FieldErrors) -> Option<T> {
    if value.is_none() {
        errors.add(field, "form-choose");
    }
    value
}

/// A whole number, when one is typed.
fn parse_number(field: &'static str, text: &str, range: RangeInclusive<i64>, errors: &mut FieldErrors) -> Option<i64> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let number = whole_number(text).filter(|number| range.contains(number));
    if number.is_none() {
        let bounds = [("min", range.start()), ("max", range.end())];
        let variables = bounds.map(|(name, bound)| (name.into(), bound.to_string())).to_vec();
        errors.0.push(FieldError { field: field.into(), key: "form-number".into(), variables });
    }
    number
}

/// Notes pairs of matchers, each with its line, that no value of their label can fit.
fn contradictions(matchers: &[(usize, Matcher)], errors: &mut FieldErrors) {
    for (place, (line, matcher)) in matchers.iter().enumerate() {
        let earlier = matchers.iter().take(place).find(|(_, earlier)| earlier.contradicts(matcher));
        if let Some((first, _)) = earlier {
            let variables = vec![("line".into(), line.to_string()), ("first".into(), first.to_string())];
            let key = "rules-matcher-contradicts".into();
            errors.0.push(FieldError { field: "matchers".into(), key, variables });
        }
    }
}

/// The lines that are not empty, with their numbers from 1.
fn numbered_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(place, line)| (place + 1, line)).filter(|(_, line)| !line.trim().is_empty())
}

/// A mistake in a line.
fn line_error(field: &'static str, key: &'static str, line: usize) -> FieldError {
    FieldError { field: field.into(), key: key.into(), variables: vec![("line".into(), line.to_string())] }
}

/// A time of the day, or a mistake in its field.
fn read_minute(field: &'static str, text: &str, errors: &mut FieldErrors) -> Option<u16> {
    let minute = parse_minute(text);
    if minute.is_none() {
        errors.add(field, "rules-time-rule");
    }
    minute
}

/// Minutes from midnight of a time as HH:MM.
fn parse_minute(text: &str) -> Option<u16> {
    let time = NaiveTime::parse_from_str(text.trim(), "%H:%M").ok()?;
    u16::try_from(time.num_seconds_from_midnight() / 60).ok()
}

/// HH:MM of minutes from midnight.
#[must_use]
pub fn format_minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// The example alert that a preview is asked for.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(default)]
pub struct ExampleAlert {
    /// The headline.
    #[validate(length(max = 128, code = "form-too-long"), custom(function = "single_line"))]
    pub example_title: String,
    /// The severity; critical when empty.
    pub example_severity: String,
    /// The door; the page Fire Alert when empty.
    pub example_source: String,
    /// What the sender knows, as `name=value`, one a line.
    pub example_labels: String,
    /// Not empty when the button Preview was pressed.
    pub preview: String,
}

impl ExampleAlert {
    /// Whether the button Preview was pressed.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        !self.preview.is_empty()
    }

    /// The alert.
    ///
    /// # Errors
    /// Every mistake, beside its field.
    pub fn check(&self) -> Result<IncomingAlert, FieldErrors> {
        let mut errors = validate_form(self).err().unwrap_or_default();
        let severity = require(
            parse_or_default(&self.example_severity, Severity::Critical, Severity::parse),
            "example_severity",
            &mut errors,
        );
        let source =
            require(parse_or_default(&self.example_source, Source::Form, Source::parse), "example_source", &mut errors);
        let mut labels = BTreeMap::new();
        for (number, line) in numbered_lines(&self.example_labels) {
            match parse_label(line) {
                Some((name, _)) if labels.contains_key(&name) => {
                    errors.0.push(line_error("example_labels", "rules-example-label-twice", number));
                }
                Some((name, value)) => drop(labels.insert(name, value)),
                None => errors.0.push(line_error("example_labels", "rules-example-label", number)),
            }
        }
        if labels.len() > MAX_EXAMPLE_LABELS {
            errors.add("example_labels", "rules-example-labels-many");
        }
        match (severity, source) {
            (Some(severity), Some(source)) if errors.is_empty() => {
                Ok(IncomingAlert::firing(source, severity, self.example_title.trim().to_owned(), labels))
            }
            _ => Err(errors),
        }
    }
}

/// A label with its value, with or without quotation marks.
fn parse_label(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    is_label_name(name).then_some(())?;
    Some((name.to_owned(), unquote(value.trim())?))
}

/// The query of the list, as the URL has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct RuleListQuery {
    /// Part of a name.
    pub q: String,
    /// `on`, `off`, or nothing for all.
    pub state: String,
}

impl ListParameters for RuleListQuery {
    const NAMES: &'static [&'static str] = &["q", "state"];

    fn unknown_parameters(&self) -> Unread {
        unread(&[("state", &self.state, ["on", "off"].contains(&self.state.as_str()))])
    }
}

impl RuleListQuery {
    /// Whether a rule is shown.
    #[must_use]
    pub fn matches(&self, rule: &Rule) -> bool {
        let has_state = match self.state.as_str() {
            "on" => rule.is_on,
            "off" => !rule.is_on,
            _ => true,
        };
        has_state && rule.name.to_lowercase().contains(&self.q.trim().to_lowercase())
    }
}

/// The rules that are ticked on the list, and whether their deletion was confirmed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SelectedRules {
    /// The rules.
    pub id: Vec<RuleId>,
    /// `yes` once it was confirmed.
    pub sure: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::Language;

    const ID: RuleId = RuleId(7);

    fn form() -> RuleForm {
        RuleForm {
            name: " 数据库 night-shift_1 ".into(),
            members: "mia, sam\nMIA".into(),
            channels: vec!["dingtalk".into()],
            ..RuleForm::default()
        }
    }

    fn error_keys(form: &RuleForm) -> Vec<(String, String)> {
        let errors = form.check(ID).err().unwrap_or_default();
        errors.0.into_iter().map(|error| (error.field.into_owned(), error.key.into_owned())).collect()
    }

    fn only_error(form: RuleForm) -> (String, String) {
        let keys = error_keys(&form);
        assert_eq!(keys.len(), 1, "{keys:?}");
        keys.into_iter().next().unwrap()
    }

    fn expected_error(field: &str, key: &str) -> (String, String) {
        (field.to_owned(), key.to_owned())
    }

    #[test]
    fn a_label_that_stands_twice_in_an_example_is_named_by_its_line() {
        let example = ExampleAlert { example_labels: "a=1\nb=2\na=3".into(), ..ExampleAlert::default() };
        let errors = example.check().unwrap_err();
        assert!(errors.for_field("example_labels").unwrap().text(Language::English).contains('3'));
    }

    #[test]
    fn what_is_left_out_has_its_usual_value() {
        let RuleDraft { rule, members } = form().check(ID).unwrap();
        assert_eq!((rule.name.as_str(), rule.id, rule.is_on), ("数据库 night-shift_1", ID, false));
        assert_eq!((rule.severity, rule.source, rule.max_sends, rule.window), (Severity::Info, None, None, None));
        assert_eq!(rule.frequency, TimeDelta::minutes(5));
        assert_eq!(members.iter().map(Username::as_str).collect::<Vec<_>>(), ["mia", "sam"], "each once");
    }

    #[test]
    fn a_name_has_at_most_36_characters_of_letters_digits_and_a_few_signs() {
        let named = |name: &str| RuleForm { name: name.to_owned(), ..form() };
        assert!(named(&"名".repeat(36)).check(ID).is_ok());
        assert_eq!(only_error(named(&"名".repeat(37))), expected_error("name", "form-too-long"));
        assert_eq!(only_error(named("a/b")), expected_error("name", "rules-name-rule"));
        assert_eq!(only_error(named("  ")), expected_error("name", "form-required"));
    }

    #[test]
    fn every_mistake_in_a_matcher_names_its_line() {
        let wrong = RuleForm { matchers: "team=db\n\nhost=~(\nrack != 7".into(), ..form() };
        let errors = wrong.check(ID).unwrap_err();
        let texts: Vec<String> = errors.0.iter().map(|error| error.text(Language::English).into_owned()).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].contains("Line 3") && texts[1].contains("Line 4"), "{texts:?}");
        let many = RuleForm { matchers: "a=b\n".repeat(21), ..form() };
        assert_eq!(only_error(many), expected_error("matchers", "rules-matchers-many"));
    }

    #[test]
    fn a_rule_has_a_receiver_and_a_channel() {
        assert_eq!(
            only_error(RuleForm { members: String::new(), ..form() }),
            expected_error("members", "rules-receivers-none")
        );
        assert_eq!(
            only_error(RuleForm { channels: Vec::new(), ..form() }),
            expected_error("channels", "rules-channels-none")
        );
        assert_eq!(
            only_error(RuleForm { channels: vec!["pager".into()], ..form() }),
            expected_error("channels", "form-choose")
        );
        let role = RuleForm { members: String::new(), roles: vec!["member".into(), "member".into()], ..form() };
        assert_eq!(role.check(ID).unwrap().rule.receivers, [Receiver::Role(Role::Member)]);
        assert_eq!(
            only_error(RuleForm { members: "a b".into(), ..form() }),
            expected_error("members", "alerts-receivers-not-usernames")
        );
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        for text in ["0", "60", "-1", "five", "1.5"] {
            let wrong = RuleForm { frequency: text.into(), ..form() };
            assert!(
                wrong.check(ID).unwrap_err().for_field("frequency").unwrap().text(Language::English).contains("59"),
                "{text}"
            );
        }
        assert_eq!(
            only_error(RuleForm { max_sends: "1001".into(), ..form() }),
            expected_error("max_sends", "form-number")
        );
        let both = RuleForm { frequency: "59".into(), max_sends: "1000".into(), ..form() }.check(ID).unwrap().rule;
        assert_eq!((both.frequency, both.max_sends), (TimeDelta::minutes(59), Some(1000)));
    }

    #[test]
    fn a_window_has_two_times_and_may_go_over_midnight() {
        let hours =
            |from: &str, to: &str| RuleForm { window: "hours".into(), from: from.into(), to: to.into(), ..form() };
        let window = hours("22:30", "06:00").check(ID).unwrap().rule.window;
        assert_eq!(window, Some(Window { from: 22 * 60 + 30, to: 6 * 60 }));
        assert_eq!(only_error(hours("22:30", "")), expected_error("to", "rules-time-rule"));
        assert_eq!(error_keys(&hours("24:00", "six")).len(), 2);
        let all_day = RuleForm { window: "all-day".into(), ..hours("22:30", "") };
        assert_eq!(all_day.check(ID).unwrap().rule.window, None);
        let unread = RuleForm { window: "all-day".into(), ..hours("", "zz") };
        assert_eq!(only_error(unread), expected_error("to", "rules-time-rule"));
        assert_eq!(only_error(hours("08:00", "08:00")), expected_error("to", "rules-window-empty"));
        // A rule from before that was refused rings all day, and its form says so.
        let RuleDraft { rule, .. } = form().check(ID).unwrap();
        let shown = RuleForm::from_rule(&Rule { window: Some(Window { from: 480, to: 480 }), ..rule }, &["mia"]);
        assert_eq!((shown.window.as_str(), shown.from.as_str()), ("", ""));
    }

    #[test]
    fn matchers_that_no_alert_fits_together_are_named_by_their_lines() {
        let refused = |matchers: &str| {
            let errors = RuleForm { matchers: matchers.into(), ..form() }.check(ID).err().unwrap_or_default();
            let texts = errors.0.iter().map(|error| error.text(Language::English).into_owned());
            texts.collect::<Vec<_>>().join(" ")
        };
        for matchers in ["a=b\n\na=c", "a=b\n\na=~c.*", "a=~c.*\n\na=b", "a=\n\na=~.+"] {
            let text = refused(matchers);
            assert!(text.contains("Line 3") && text.contains("line 1"), "{matchers:?}: {text}");
        }
        for matchers in ["a=b\na=b", "a=b\nc=d", "a=b\na=~b|c", "a=~b\na=~c", "a=~\n a=~"] {
            assert_eq!(refused(matchers), "", "{matchers:?}");
        }
    }

    #[test]
    fn the_form_of_a_stored_rule_is_checked_into_the_same_rule() {
        let filled_form = RuleForm {
            on: "yes".into(),
            severity: "critical".into(),
            source: "grafana".into(),
            matchers: "team=\"d\\\"b\"\nhost=~\"db-\\\\d+\"".into(),
            roles: vec!["system_administrator".into()],
            groups: vec![GroupId(3)],
            schedules: vec![ScheduleId(4)],
            channels: vec!["wecom".into(), "dingtalk".into()],
            max_sends: "3".into(),
            window: "hours".into(),
            from: "08:00".into(),
            to: "00:00".into(),
            ..form()
        };
        let RuleDraft { rule, members } = filled_form.check(ID).unwrap();
        let names: Vec<&str> = members.iter().map(Username::as_str).collect();
        let reparsed = RuleForm::from_rule(&rule, &names).check(ID).unwrap();
        assert_eq!(format!("{:?}", reparsed.rule), format!("{rule:?}"));
        assert_eq!(reparsed.members, members);
    }

    #[test]
    fn an_example_has_labels_one_a_line() {
        let example = ExampleAlert { example_labels: "team=db\r\n\r\nsay = \"a b\"".into(), ..ExampleAlert::default() };
        let alert = example.check().unwrap();
        let pairs: Vec<(&str, &str)> =
            alert.labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("say", "a b"), ("team", "db")]);
        let wrong =
            ExampleAlert { example_labels: "team=db\nnothing".into(), ..ExampleAlert::default() }.check().unwrap_err();
        assert!(wrong.0[0].text(Language::English).contains("Line 2"));
    }
}
