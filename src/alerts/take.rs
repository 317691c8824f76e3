//! Taking an alert in: its event, who hears it, and what goes out, in one transaction.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use chrono_tz::Tz;

use super::{
    choose::{Choice, Pick, Sent, Verdict, reach},
    model::{Incoming, Rule, Signal},
    store::{
        events::{self, EntryKind, NewEntry},
        people, rules,
    },
    words::{Telling, Told},
};
use crate::{
    channels::store as channels,
    courier::{self, AboutAlert, Kind, Notice, Unreached},
    db::{AccountId, AlertId, AnyConnection, EntryId, RuleId, TenantId},
    error::{Error, Result},
    robots::Channel,
    templates::{Words, store as templates},
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
    /// The word that every message holds: the robots' keyword.
    pub product: String,
    /// When.
    pub now: NaiveDateTime,
}

/// What became of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Its event.
    pub alert: AlertId,
    /// Its entry on the event's time line.
    pub entry: EntryId,
    /// How many deliveries wait for a robot now. When there are any, wake the courier after the commit.
    pub deliveries: i64,
}

/// What every alert of a tenant needs to know of it.
pub(super) struct Town {
    pub name: String,
    pub zone: Tz,
}

fn town(c: &mut AnyConnection, tenant: TenantId) -> Result<Town> {
    let (name, zone) = events::name_and_zone(c, tenant)?;
    Ok(Town { name, zone: zone.parse().unwrap_or(Tz::UTC) })
}

/// Stores an alert, with everything that follows from it. Call it in the [`crate::db::Database::write`] of whatever else
/// belongs together with it, and wake the courier afterwards.
///
/// # Errors
/// When the database cannot be used.
pub fn take(c: &mut AnyConnection, context: &Context, alert: &Incoming) -> Result<Taken> {
    let town = town(c, context.tenant)?;
    match alert.signal {
        Signal::Firing => fired(c, context, &town, alert),
        Signal::Resolved => resolved(c, context, &town, alert),
    }
}

fn fired(c: &mut AnyConnection, context: &Context, town: &Town, alert: &Incoming) -> Result<Taken> {
    let (event, kind) = events::fire(c, context.tenant, alert, &context.sender, context.now)?;
    let sent = match kind {
        EntryKind::Repeated => rules::sent(c, event.id)?,
        _ => BTreeMap::new(),
    };
    let quiet = event.quiet_until.is_some_and(|until| until > context.now);
    let plan = if quiet { Plan::default() } else { plan(c, context, town, alert, &sent, None)? };
    let verdicts = if quiet { DO_NOT_DISTURB.to_owned() } else { plan.written()? };
    let choice = plan.reach(c, context.tenant)?;
    let chosen = choice.receivers();
    let entry = NewEntry { kind, actor: &context.sender, alert: Some(alert), rules: &verdicts, chosen };
    let entry = events::add_entry(c, event.id, entry, context.now)?;
    let kind = if kind == EntryKind::Firing { Kind::Firing } else { Kind::Repeated };
    // A rule all of whose receivers were missed has not rung: it may do so as often as before.
    let rang: BTreeSet<String> = choice.calls.iter().flat_map(|call| call.chosen_by.iter().cloned()).collect();
    let deliveries = tell(c, context, town, &Telling { kind, alert, event: &event }, entry, choice)?;
    let mut silent_until = None;
    for asked in &plan.asked {
        if matches!(asked.verdict, Verdict::Rings | Verdict::QuietHours) {
            rules::note_send(c, event.id, asked.rule, rang.contains(&asked.name), context.now)?;
            silent_until = silent_until.max(Some(context.now + asked.frequency));
        }
    }
    if deliveries > 0 || silent_until.is_some() {
        events::note_reached(c, event.id, deliveries, silent_until)?;
    }
    Ok(Taken { alert: event.id, entry, deliveries })
}

/// Tells those who heard of the event that it is over.
fn resolved(c: &mut AnyConnection, context: &Context, town: &Town, alert: &Incoming) -> Result<Taken> {
    let (event, was_open) = events::resolve(c, context.tenant, alert, &context.sender, context.now)?;
    let quiet = event.quiet_until.is_some_and(|until| until > context.now);
    let rules = if was_open && quiet { DO_NOT_DISTURB } else { "[]" };
    let tells = was_open && !quiet;
    let picks = if tells { people::heard(c, context.tenant, event.id)? } else { Vec::new() };
    let choice = Plan { picks, asked: Vec::new() }.reach(c, context.tenant)?;
    let (kind, chosen) = (EntryKind::Resolved, choice.receivers());
    let entry = NewEntry { kind, actor: &context.sender, alert: Some(alert), rules, chosen };
    let entry = events::add_entry(c, event.id, entry, context.now)?;
    let telling = Telling { kind: Kind::Resolved, alert, event: &event };
    let deliveries = tell(c, context, town, &telling, entry, choice)?;
    Ok(Taken { alert: event.id, entry, deliveries })
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

    fn reach(&self, c: &mut AnyConnection, tenant: TenantId) -> Result<Choice> {
        if self.picks.is_empty() {
            return Ok(Choice::default());
        }
        let settings = channels::settings(c, tenant)?;
        Ok(reach(self.picks.clone(), settings.effective()))
    }
}

/// Whom the sender named, or else whom the rules pick; with a rule that is only typed so far in the place of the stored one.
fn plan(
    c: &mut AnyConnection,
    context: &Context,
    town: &Town,
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
    let mut plan = Plan::default();
    let mut rules = rules::active(c, context.tenant)?;
    if let Some(typed) = typed {
        rules.retain(|rule| rule.id != typed.id);
        rules.extend(typed.is_on.then(|| typed.clone()));
    }
    for rule in rules {
        let verdict = rule.verdict(alert, sent.get(&rule.id).copied(), context.now, town.zone);
        if matches!(verdict, Verdict::Rings | Verdict::QuietHours) {
            plan.picks.extend(picks(c, context, town, &rule, verdict == Verdict::QuietHours)?);
        }
        // A rule that is meant for other alerts has nothing to do with this one.
        if verdict != Verdict::Other {
            plan.asked.push(Asked { rule: rule.id, name: rule.name, verdict, frequency: rule.frequency });
        }
    }
    Ok(plan)
}

/// Whom a rule picks at this moment.
fn picks(c: &mut AnyConnection, context: &Context, town: &Town, rule: &Rule, is_quiet: bool) -> Result<Vec<Pick>> {
    let who = people::behind(c, context.tenant, &rule.receivers, context.now, town.zone)?;
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
) -> Result<i64> {
    let Choice { calls, misses } = choice;
    if calls.is_empty() && misses.is_empty() {
        return Ok(0);
    }
    let templates = templates::load(c, context.tenant)?;
    let mut told = Told::new(templates, context, town, telling, &calls);
    let mut notices = Vec::with_capacity(calls.len());
    for call in calls {
        let Words { title, body } = told.over(call.channel);
        notices.push(Notice {
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
        });
    }
    let deliveries = courier::enqueue_all(c, notices, context.now)?.len();
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
    i64::try_from(deliveries).map_err(Error::internal)
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
    let town = town(c, context.tenant)?;
    let last = events::last_of_key(c, context.tenant, &alert.key)?;
    let quiet_until = last.as_ref().and_then(|event| event.quiet_until).filter(|until| *until > context.now);
    let open = last.filter(|event| event.is_open()).map(|event| event.id);
    let plan = match (alert.signal, open) {
        _ if quiet_until.is_some() => Plan::default(),
        (Signal::Firing, Some(event)) => {
            let sent = rules::sent(c, event)?;
            plan(c, context, &town, alert, &sent, typed)?
        }
        (Signal::Firing, None) => plan(c, context, &town, alert, &BTreeMap::new(), typed)?,
        (Signal::Resolved, Some(event)) => Plan { picks: people::heard(c, context.tenant, event)?, asked: Vec::new() },
        (Signal::Resolved, None) => Plan::default(),
    };
    let choice = plan.reach(c, context.tenant)?;
    let rules = plan.asked.into_iter().map(|asked| (asked.name, asked.verdict)).collect();
    Ok(Preview { rules, choice, quiet_until })
}
