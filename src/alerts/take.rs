//! Taking an alert in: its event, who hears it, and what goes out, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::{
    choose::{Choice, Pick, Sent, Verdict, reach},
    model::{Incoming, Rule, Signal},
    store::{
        events::{self, EntryKind, Event, EventKey, Mark, NewEntry},
        people, rules,
    },
    unheard::Unheard,
    words::{Telling, Told},
};
use crate::{
    channels::{Switches, store as channels},
    courier::{self, AboutAlert, Kind, Notice, Outbox, Unreached},
    db::{AccountId, AlertId, AnyConnection, EntryId, PortalId, RuleId, TenantId, one_at_a_time},
    error::{Error, Result},
    robots::Channel,
    templates::{Templates, Words, store as templates},
};

/// Where an alert comes in, and when.
#[derive(Clone, Debug)]
pub struct Context {
    /// The tenant whose alert it is.
    pub tenant: TenantId,
    /// The portal's name or the username.
    pub sender: String,
    /// The account that fired it, if one did.
    pub by: Option<AccountId>,
    /// The portal that sent it, if one did.
    pub portal: Option<PortalId>,
    /// The word that every message holds: the robots' keyword.
    pub product: String,
    /// When.
    pub now: NaiveDateTime,
}

impl Context {
    /// Whose keys the alerts have: no sender counts, resolves or mutes the events of another by using its key.
    #[must_use]
    pub fn key_owner(&self) -> String {
        match (self.portal, self.by) {
            (Some(portal), _) => format!("portal:{portal}"),
            (None, Some(account)) => format!("account:{account}"),
            (None, None) => String::new(),
        }
    }

    /// The key of an event of this sender, whom [`Self::key_owner`] names.
    #[must_use]
    pub fn event_key<'k>(&self, owner: &'k str, key: &'k str) -> EventKey<'k> {
        EventKey { tenant: self.tenant, owner, key }
    }
}

/// What became of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its event.
    pub alert: AlertId,
    /// Its entry on the event's time line.
    pub entry: EntryId,
    /// How many deliveries wait for a robot now. When there are any, wake the courier after the commit.
    pub deliveries: i64,
    /// Why nobody is notified, when nobody is.
    pub unheard: Option<Unheard>,
}

/// What every alert of a tenant needs to know of it, read once for all alerts of a post.
pub(super) struct Town {
    pub name: String,
    pub zone: Tz,
    pub templates: Templates,
    switches: Switches,
    /// The rules that are on, once an alert has asked for them.
    rules: Option<Vec<Rule>>,
}

impl Town {
    fn load(c: &mut AnyConnection, tenant: TenantId) -> Result<Self> {
        let (name, zone) = events::name_and_zone(c, tenant)?;
        let (templates, switches) = (templates::load(c, tenant)?, channels::settings(c, tenant)?);
        let zone = zone.parse().unwrap_or(Tz::UTC);
        Ok(Self { name, zone, templates, switches: switches.effective().clone(), rules: None })
    }

    fn rules(&mut self, c: &mut AnyConnection, tenant: TenantId) -> Result<&[Rule]> {
        if self.rules.is_none() {
            self.rules = Some(rules::active(c, tenant)?);
        }
        Ok(self.rules.as_deref().unwrap_or_default())
    }
}

/// Of the locks that a tenant's groups of alerts are taken in by, one after the other. The number is arbitrary.
const GROUPS: i64 = 0x6772_6f75_7000_0000;

/// Stores an alert, with everything that follows from it, as [`take_all`] does with several.
///
/// # Errors
/// When the database cannot be used.
pub fn take(c: &mut AnyConnection, context: &Context, alert: &Incoming) -> Result<Taken> {
    let taken = take_all(c, context, [alert])?;
    taken.into_iter().next().ok_or_else(|| Error::internal("an alert was not taken in"))
}

/// Stores alerts, with everything that follows from them. Call it in the [`crate::db::Database::write`] of whatever else
/// belongs together with them, as the last thing there, and wake the courier afterwards.
///
/// # Errors
/// When the database cannot be used.
pub fn take_all<'a>(
    c: &mut AnyConnection,
    context: &Context,
    alerts: impl IntoIterator<Item = &'a Incoming>,
) -> Result<Vec<Taken>> {
    let alerts: Vec<&Incoming> = alerts.into_iter().collect();
    if alerts.iter().any(|alert| Some(&alert.key) != alerts.first().map(|first| &first.key)) {
        // Two groups with the same alerts in another order would each wait for an event that the other has locked.
        one_at_a_time(c, GROUPS ^ context.tenant.0)?;
    }
    let mut town = Town::load(c, context.tenant)?;
    let mut outbox = Outbox::default();
    let mut taken = Vec::new();
    for alert in alerts {
        taken.push(match alert.signal {
            Signal::Firing => fired(c, context, &mut town, alert, &mut outbox)?,
            Signal::Resolved => resolved(c, context, &town, alert, &mut outbox)?,
        });
    }
    outbox.ring(c, context.now)?;
    Ok(taken)
}

fn fired(
    c: &mut AnyConnection,
    context: &Context,
    town: &mut Town,
    alert: &Incoming,
    outbox: &mut Outbox,
) -> Result<Taken> {
    let owner = context.key_owner();
    let key = context.event_key(&owner, &alert.key);
    // Another look is needed only when the event ends, or another begins, between the look and the write.
    for _ in 0..3 {
        let last = events::lock_last_of_key(c, key)?;
        let quiet_until = last.as_ref().and_then(|event| event.is_quiet_until(context.now));
        let open = last.filter(Event::is_open);
        let says_suppressed = says_suppressed(c, context, open.as_ref(), alert)?;
        let sent = match &open {
            Some(event) if !says_suppressed => rules::sent(c, event.id)?,
            _ => BTreeMap::new(),
        };
        let mut plan =
            if quiet_until.is_some() { Plan::default() } else { plan(c, context, town, alert, &sent, None)? };
        let mut choice = plan.reach(&town.switches);
        plan.calm(&mut choice);
        let rang = choice.rung_by();
        let rests = |asked: &&Asked| asked.verdict == Verdict::QuietHours || rang.contains(&asked.name);
        let silenced = plan.ringing().filter(rests).map(|asked| context.now + asked.frequency).max();
        let silent_until = silenced.or(open.as_ref().and_then(|event| event.silent_until));
        let reached = i64::try_from(choice.calls.len()).map_err(Error::internal)?;
        let given = alert.started(context.now);
        let started_at = match &open {
            Some(event) => given.map(|given| given.min(event.since())).or(event.started_at),
            None => given,
        };
        let mark = Mark { reached, silent_until, started_at };
        let unheard = Unheard::of(quiet_until.is_some(), &plan.asked, &choice);
        let (kind, event) = match open {
            Some(open) => (EntryKind::Repeated, events::repeat(c, open.id, &owner, alert, mark, context.now)?),
            None => (EntryKind::Firing, events::begin(c, key, alert, &context.sender, mark, context.now)?),
        };
        let Some(event) = event else { continue };
        let verdicts = if quiet_until.is_some() { DO_NOT_DISTURB.to_owned() } else { plan.written()? };
        let chosen = choice.receivers();
        let entry = NewEntry { kind, actor: &context.sender, alert: Some(alert), rules: &verdicts, chosen };
        let entry = events::add_entry(c, event.id, entry, context.now)?;
        for asked in plan.ringing() {
            rules::note_send(c, event.id, asked.rule, alert.severity, rang.contains(&asked.name), context.now)?;
        }
        if quiet_until.is_some() {
            events::suppress(c, &event, entry, alert.severity, context.now)?;
        } else if says_suppressed {
            events::forget_suppressed(c, event.id)?;
        }
        let kind = if kind == EntryKind::Firing { Kind::Firing } else { Kind::Repeated };
        let telling = Telling { kind, alert, event: &event, fired_at: context.now };
        tell(c, context, town, &telling, entry, choice, outbox)?;
        return Ok(Taken { alert: event.id, entry, deliveries: reached, unheard });
    }
    Err(Error::unavailable("an event begins and ends all the time"))
}

/// Whether a firing is the first after do not disturb, and says what that suppressed as well: then no rule cools down. A graver
/// one that was suppressed is said by itself.
fn says_suppressed(c: &mut AnyConnection, context: &Context, open: Option<&Event>, alert: &Incoming) -> Result<bool> {
    let ended = open.filter(|event| event.is_quiet_until(context.now).is_none());
    let Some(entry) = ended.and_then(|event| event.suppressed_entry) else { return Ok(false) };
    Ok(events::severity_of(c, entry)?.is_none_or(|suppressed| alert.severity >= suppressed))
}

/// Tells those who heard of the event that it is over.
fn resolved(
    c: &mut AnyConnection,
    context: &Context,
    town: &Town,
    alert: &Incoming,
    outbox: &mut Outbox,
) -> Result<Taken> {
    let owner = context.key_owner();
    let key = context.event_key(&owner, &alert.key);
    // The end lifts do not disturb, which still holds for the end itself.
    let last = events::lock_last_of_key(c, key)?;
    let quiet = last.is_some_and(|event| event.is_quiet_until(context.now).is_some());
    let (event, was_open) = events::resolve(c, key, alert, &context.sender, context.now)?;
    let rules = if was_open && quiet { DO_NOT_DISTURB } else { "[]" };
    let tells = was_open && !quiet;
    let picks = if tells { people::heard(c, context.tenant, event.id)? } else { Vec::new() };
    let choice = Plan { picks, asked: Vec::new() }.reach(&town.switches);
    let (kind, chosen) = (EntryKind::Resolved, choice.receivers());
    let entry = NewEntry { kind, actor: &context.sender, alert: Some(alert), rules, chosen };
    let entry = events::add_entry(c, event.id, entry, context.now)?;
    let deliveries = i64::try_from(choice.calls.len()).map_err(Error::internal)?;
    let telling = Telling { kind: Kind::Resolved, alert, event: &event, fired_at: context.now };
    tell(c, context, town, &telling, entry, choice, outbox)?;
    let unheard = (!was_open).then_some(Unheard::NotOpen);
    Ok(Taken { alert: event.id, entry, deliveries, unheard })
}

/// Notifies of what do not disturb suppressed, now that it is over: once, whatever cools down, by the gravest of those firings.
/// Returns whether there was anything to say; call it in a transaction of its own, and wake the courier afterwards.
pub(super) fn notify_of_suppressed(c: &mut AnyConnection, context: &Context, id: AlertId) -> Result<bool> {
    let Some(event) = events::lock_ended_quiet(c, id, context.now)? else { return Ok(false) };
    let Some(suppressed) = event.suppressed_entry else { return Ok(false) };
    let (alert, sender, fired_at) = events::firing_of(c, event.id, suppressed)?;
    let context = Context { sender, ..context.clone() };
    let (mut town, mut outbox) = (Town::load(c, context.tenant)?, Outbox::default());
    let plan = plan(c, &context, &mut town, &alert, &BTreeMap::new(), None)?;
    let choice = plan.reach(&town.switches);
    let rang = choice.rung_by();
    let silenced = plan.ringing().filter(|asked| rang.contains(&asked.name)).map(|asked| context.now + asked.frequency);
    let reached = i64::try_from(choice.calls.len()).map_err(Error::internal)?;
    let mark = Mark { reached, silent_until: silenced.max().or(event.silent_until), started_at: event.started_at };
    events::end_quiet(c, event.id, mark)?;
    let (rules, chosen) = (plan.written()?, choice.receivers());
    let entry = NewEntry { kind: EntryKind::QuietEnded, actor: "", alert: Some(&alert), rules: &rules, chosen };
    let entry = events::add_entry(c, event.id, entry, context.now)?;
    for asked in plan.ringing() {
        rules::note_send(c, event.id, asked.rule, alert.severity, rang.contains(&asked.name), context.now)?;
    }
    let telling = Telling { kind: Kind::Repeated, alert: &alert, event: &event, fired_at };
    tell(c, &context, &town, &telling, entry, choice, &mut outbox)?;
    outbox.ring(c, context.now)?;
    Ok(true)
}

/// What the time line says of a firing that rang nobody because somebody asked for it.
const DO_NOT_DISTURB: &str = r#"[{"rule":"","outcome":"do-not-disturb"}]"#;

/// What a rule was asked, and what it said.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub rule: RuleId,
    pub name: String,
    pub verdict: Verdict,
    pub frequency: chrono::TimeDelta,
    /// Until when the record knows already of whom it misses.
    pub noted_until: Option<NaiveDateTime>,
}

/// Whom an alert is meant for, before anybody is looked for.
#[derive(Default)]
pub(super) struct Plan {
    pub picks: Vec<Pick>,
    pub asked: Vec<Asked>,
}

impl Plan {
    /// The column `rules` of a time line's entry.
    fn written(&self) -> Result<String> {
        let rules: Vec<_> = self
            .asked
            .iter()
            .map(|asked| serde_json::json!({ "rule": asked.name, "outcome": asked.verdict.as_str() }))
            .collect();
        serde_json::to_string(&rules).map_err(Error::internal)
    }

    fn reach(&self, switches: &Switches) -> Choice {
        reach(self.picks.clone(), switches)
    }

    /// A rule all of whose receivers are missed has not rung: it may do so with the very next firing, and as often as before. But
    /// the record names whom it misses no more often than it would ring.
    fn calm(&mut self, choice: &mut Choice) {
        let rang = choice.rung_by();
        let mut noted = BTreeSet::new();
        for asked in &mut self.asked {
            if asked.verdict == Verdict::Rings
                && !rang.contains(&asked.name)
                && let Some(until) = asked.noted_until
            {
                asked.verdict = Verdict::CoolsDown(until);
                noted.insert(asked.name.clone());
            }
        }
        choice.forget_misses_of(&noted);
    }

    /// The rules that ring, or would but for the hour.
    fn ringing(&self) -> impl Iterator<Item = &Asked> {
        self.asked.iter().filter(|asked| asked.verdict.picks())
    }
}

/// Whom the sender named, or else whom the rules pick; with a rule that is only typed so far in the place of the stored one.
fn plan(
    c: &mut AnyConnection,
    context: &Context,
    town: &mut Town,
    alert: &Incoming,
    sent: &BTreeMap<RuleId, Sent>,
    typed: Option<&Rule>,
) -> Result<Plan> {
    if !alert.receivers.is_empty() {
        let named = people::named(c, context.tenant, &alert.receivers)?;
        let pick =
            |person| Pick { who: Ok(person), rule: String::new(), channels: Channel::ALL.to_vec(), is_quiet: false };
        return Ok(Plan { picks: named.into_iter().map(pick).collect(), asked: Vec::new() });
    }
    let (mut plan, zone) = (Plan::default(), town.zone);
    let stored = town.rules(c, context.tenant)?.iter();
    let stored = stored.filter(|rule| typed.is_none_or(|typed| typed.id != rule.id));
    for rule in stored.chain(typed.filter(|typed| typed.is_on)) {
        let sent = sent.get(&rule.id).copied();
        let verdict = rule.verdict(alert, sent, context.now, zone);
        if verdict.picks() {
            plan.picks.extend(picks(c, context, zone, rule, verdict == Verdict::QuietHours)?);
        }
        // A rule that is meant for other alerts has nothing to do with this one.
        if verdict != Verdict::Other {
            let noted_until = rule.noted_until(alert, sent, context.now, zone);
            let (name, frequency) = (rule.name.clone(), rule.frequency);
            plan.asked.push(Asked { rule: rule.id, name, verdict, frequency, noted_until });
        }
    }
    Ok(plan)
}

/// Whom a rule picks at this moment.
fn picks(c: &mut AnyConnection, context: &Context, zone: Tz, rule: &Rule, is_quiet: bool) -> Result<Vec<Pick>> {
    let who = people::behind(c, context.tenant, &rule.receivers, context.now, zone)?;
    let pick = |who| Pick { who, rule: rule.name.clone(), channels: rule.channels.clone(), is_quiet };
    Ok(who.into_iter().map(pick).collect())
}

/// Puts what is to be said into the outbox, once for each person and robot, and into the record who cannot be reached.
fn tell(
    c: &mut AnyConnection,
    context: &Context,
    town: &Town,
    telling: &Telling<'_>,
    entry: EntryId,
    choice: Choice,
    outbox: &mut Outbox,
) -> Result<()> {
    let Choice { calls, misses } = choice;
    if calls.is_empty() && misses.is_empty() {
        return Ok(());
    }
    let mut told = Told::new(context, town, telling, &calls);
    for call in calls {
        let Words { title, body } = told.over(call.channel);
        let notice = Notice {
            tenant: context.tenant,
            kind: telling.kind,
            title,
            body,
            robot: call.robot,
            member: call.person.member,
            recipient: call.person.name,
            requested_by: context.by,
            alert: Some(AboutAlert {
                alert: telling.event.id,
                entry,
                is_urgent: telling.is_urgent(),
                mention: call.person.phone,
                chosen_by: call.chosen_by.join(", "),
            }),
        };
        outbox.put(c, notice, context.now)?;
    }
    for miss in misses {
        // What a resend would say, once he can be reached.
        let Words { title, body } = told.over(Channel::DingTalk);
        let unreached = Unreached {
            tenant: context.tenant,
            kind: telling.kind,
            title,
            body,
            member: miss.member,
            recipient: miss.name,
            reason: miss.reason,
            requested_by: context.by,
            alert: Some(telling.event.id),
            entry: Some(entry),
            chosen_by: miss.chosen_by.join(", "),
        };
        courier::unreached(c, unreached, context.now)?;
    }
    Ok(())
}

/// Who would hear an alert that came in now.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The rules that were asked, with what each says; none when the sender named people.
    pub rules: Vec<(String, Verdict)>,
    /// Who hears it, and who does not.
    pub choice: Choice,
    /// Until when nobody is disturbed by its event, so that nobody hears it and no rule is asked.
    pub quiet_until: Option<NaiveDateTime>,
}

/// Answers who would hear an alert, without storing anything. An event of its key that is open counts, as it would when the
/// alert came in.
///
/// # Errors
/// When the database cannot be read.
pub fn preview(c: &mut AnyConnection, context: &Context, alert: &Incoming) -> Result<Preview> {
    previewed(c, context, alert, None)
}

/// Answers who would hear an alert if this rule stood in the place of the stored one of its id, or beside the others.
///
/// # Errors
/// When the database cannot be read.
pub fn preview_with(c: &mut AnyConnection, context: &Context, alert: &Incoming, typed: &Rule) -> Result<Preview> {
    previewed(c, context, alert, Some(typed))
}

fn previewed(c: &mut AnyConnection, context: &Context, alert: &Incoming, typed: Option<&Rule>) -> Result<Preview> {
    let mut town = Town::load(c, context.tenant)?;
    let owner = context.key_owner();
    let last = events::last_of_key(c, context.event_key(&owner, &alert.key))?;
    let quiet_until = last.as_ref().and_then(|event| event.is_quiet_until(context.now));
    let open = last.filter(|event| event.is_open());
    let says_suppressed = says_suppressed(c, context, open.as_ref(), alert)?;
    let plan = match (alert.signal, open.map(|event| event.id)) {
        _ if quiet_until.is_some() => Plan::default(),
        (Signal::Firing, Some(event)) if !says_suppressed => {
            let sent = rules::sent(c, event)?;
            plan(c, context, &mut town, alert, &sent, typed)?
        }
        (Signal::Firing, _) => plan(c, context, &mut town, alert, &BTreeMap::new(), typed)?,
        (Signal::Resolved, Some(event)) => Plan { picks: people::heard(c, context.tenant, event)?, asked: Vec::new() },
        (Signal::Resolved, None) => Plan::default(),
    };
    let choice = plan.reach(&town.switches);
    let rules = plan.asked.into_iter().map(|asked| (asked.name, asked.verdict)).collect();
    Ok(Preview { rules, choice, quiet_until })
}
