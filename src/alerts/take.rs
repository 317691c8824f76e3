//! Taking an alert in: its event, who hears it, and what goes out, in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::NaiveDateTime;

use super::{
    choose::{Choice, Pick, Sent, Verdict, reach},
    decider::{Chosen, Decider},
    model::{Incoming, Rule, Signal},
    store::{
        events::{self, EntryKind, Event, EventKey, Mark, NewEntry},
        fan_outs::{self, FanOut},
        rules, snapshots,
    },
    unheard::Unheard,
    words::{Telling, Told},
};
use crate::{
    db::{AccountId, AdvisoryLock, AlertId, AnyConnection, EntryId, PortalId, RuleId, TenantId, acquire_lock},
    delivery::{self, AlertDetails, DeliveryKind, Notice, Outbox, UnreachableRecipient},
    error::{Error, Result},
    robots::Channel,
    templates::Words,
    text::join_names,
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
    /// How many deliveries wait for a robot now. When there are any, wake the delivery worker after the commit.
    pub deliveries: i64,
    /// Why nobody is notified, when nobody is.
    pub unheard: Option<Unheard>,
    /// The receivers that no member is, when others are notified.
    pub unknown_receivers: Vec<String>,
}

/// Stores an alert, with everything that follows from it, as [`take_all`] does with several.
///
/// # Errors
/// When the database cannot be used.
pub fn take(c: &mut AnyConnection, context: &Context, alert: &Incoming) -> Result<Taken> {
    let taken = take_all(c, context, [alert])?;
    taken.into_iter().next().ok_or_else(|| Error::internal("an alert was not taken in"))
}

/// Stores alerts, with everything that follows from them. Call it in the [`crate::db::Database::write`] of whatever else
/// belongs together with them, as the last thing there, and wake the delivery worker afterwards.
///
/// # Errors
/// When the database cannot be used.
pub fn take_all<'a>(
    c: &mut AnyConnection,
    context: &Context,
    alerts: impl IntoIterator<Item = &'a Incoming>,
) -> Result<Vec<Taken>> {
    let alerts: Vec<&Incoming> = alerts.into_iter().collect();
    lock_groups(c, context.tenant, &alerts)?;
    let decider = Decider::new(Arc::new(snapshots::load(c, context.tenant, None)?));
    let mut outbox = Outbox::default();
    let taken = take_each(c, context, &decider, &alerts, &mut outbox)?;
    outbox.schedule(c, context.now)?;
    Ok(taken)
}

/// Two groups with the same alerts in another order would each wait for an event that the other has locked.
fn lock_groups(c: &mut AnyConnection, tenant: TenantId, alerts: &[&Incoming]) -> Result<()> {
    if alerts.iter().any(|alert| Some(&alert.key) != alerts.first().map(|first| &first.key)) {
        acquire_lock(c, AdvisoryLock::AlertGroups(tenant))?;
    }
    Ok(())
}

fn take_each(
    c: &mut AnyConnection,
    context: &Context,
    decider: &Decider,
    alerts: &[&Incoming],
    outbox: &mut Outbox,
) -> Result<Vec<Taken>> {
    let take = |alert: &&Incoming| match alert.signal {
        Signal::Firing => fired(c, context, decider, alert, outbox),
        Signal::Resolved => resolved(c, context, decider, alert, outbox),
    };
    alerts.iter().map(take).collect()
}

/// Takes in alerts of several posts in one transaction, each as it was prepared.
#[derive(Default)]
#[must_use = "what is put into the outbox goes out only when it is ended"]
pub struct Ingest {
    outbox: Outbox,
    /// The versions that were read in this transaction.
    versions: BTreeMap<TenantId, i64>,
}

impl Ingest {
    /// Stores alerts of a post, as [`take_all`] does; nothing when what they were prepared by has changed meanwhile.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub fn take(
        &mut self,
        c: &mut AnyConnection,
        context: &Context,
        alerts: &[&Incoming],
        prepared: &Prepared,
    ) -> Result<Option<Vec<Taken>>> {
        let tenant = context.tenant;
        lock_groups(c, tenant, alerts)?;
        let version = match self.versions.get(&tenant) {
            Some(version) => *version,
            None => {
                let version = snapshots::version(c, tenant)?;
                self.versions.insert(tenant, version);
                version
            }
        };
        if version != prepared.decider.snapshot.version {
            return Ok(None);
        }
        prepared.decider.begin();
        take_each(c, context, &prepared.decider, alerts, &mut self.outbox).map(Some)
    }

    /// Ends it. The last thing in a transaction.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn end(self, c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
        self.outbox.schedule(c, now)
    }
}

fn fired(
    c: &mut AnyConnection,
    context: &Context,
    decider: &Decider,
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
        let mut plan = if quiet_until.is_some() { Plan::default() } else { plan(c, context, decider, alert, &sent)? };
        let chosen = plan.choose(decider, context.now);
        let rang = &chosen.rang;
        let rests = |asked: &&Asked| asked.verdict == Verdict::QuietHours || rang.contains(&asked.name);
        let silenced = plan.ringing().filter(rests).map(|asked| context.now + asked.frequency).max();
        let silent_until = silenced.or(open.as_ref().and_then(|event| event.silent_until));
        let reached = i64::try_from(chosen.choice.calls.len()).map_err(Error::internal)?;
        let mark = Mark { reached, silent_until, started_at: started_at(context, open.as_ref(), alert) };
        let unheard = Unheard::of(quiet_until.is_some(), &plan.asked, &chosen.choice);
        let (kind, event) = match open {
            Some(open) => (EntryKind::Repeated, events::repeat(c, open.id, &owner, alert, mark, context.now)?),
            None => (EntryKind::Firing, events::begin(c, key, alert, &context.sender, mark, context.now)?),
        };
        let Some(event) = event else { continue };
        let verdicts = if quiet_until.is_some() { DO_NOT_DISTURB.to_owned() } else { plan.written()? };
        let receivers = chosen.choice.receivers();
        let entry = NewEntry { kind, actor: &context.sender, alert: Some(alert), rules: &verdicts, chosen: receivers };
        let entry = events::add_entry(c, event.id, entry, context.now)?;
        let note = if kind == EntryKind::Firing { rules::note_first_send } else { rules::note_send };
        for asked in plan.ringing() {
            note(c, event.id, asked.rule, alert.severity, rang.contains(&asked.name), context.now)?;
        }
        if quiet_until.is_some() {
            events::suppress(c, &event, entry, alert.severity, context.now)?;
        } else if says_suppressed {
            events::forget_suppressed(c, event.id)?;
        }
        let kind = if kind == EntryKind::Firing { DeliveryKind::Firing } else { DeliveryKind::Repeated };
        let telling = Telling { kind, alert, event: &event, fired_at: context.now };
        tell(c, context, decider, &telling, entry, &chosen, outbox)?;
        let unknown_receivers = if unheard.is_none() { chosen.choice.unknown_receivers() } else { Vec::new() };
        return Ok(Taken { alert: event.id, entry, deliveries: reached, unheard, unknown_receivers });
    }
    Err(Error::unavailable("an event begins and ends all the time"))
}

/// When an event begins by its senders, once this alert has come in.
fn started_at(context: &Context, open: Option<&Event>, alert: &Incoming) -> Option<NaiveDateTime> {
    let given = alert.started(context.now);
    match open {
        Some(event) => given.map(|given| given.min(event.since())).or(event.started_at),
        None => given,
    }
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
    decider: &Decider,
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
    let chosen = match tells {
        true => decider.told_of(c, context.tenant, event.id, event.count)?,
        false => Arc::new(Chosen::new(Choice::default())),
    };
    let (kind, receivers) = (EntryKind::Resolved, chosen.choice.receivers());
    let entry = NewEntry { kind, actor: &context.sender, alert: Some(alert), rules, chosen: receivers };
    let entry = events::add_entry(c, event.id, entry, context.now)?;
    let deliveries = i64::try_from(chosen.choice.calls.len()).map_err(Error::internal)?;
    let telling = Telling { kind: DeliveryKind::Resolved, alert, event: &event, fired_at: context.now };
    tell(c, context, decider, &telling, entry, &chosen, outbox)?;
    let unheard = (!was_open).then_some(Unheard::NotOpen);
    Ok(Taken { alert: event.id, entry, deliveries, unheard, unknown_receivers: Vec::new() })
}

/// Notifies of what do not disturb suppressed, now that it is over: once, whatever cools down, by the gravest of those firings.
/// Returns whether there was anything to say; call it in a transaction of its own, and wake the delivery worker afterwards.
pub(super) fn notify_of_suppressed(c: &mut AnyConnection, context: &Context, id: AlertId) -> Result<bool> {
    let Some(event) = events::lock_ended_quiet(c, id, context.now)? else { return Ok(false) };
    let Some(suppressed) = event.suppressed_entry else { return Ok(false) };
    let (alert, sender, fired_at) = events::firing_of(c, event.id, suppressed)?;
    let context = Context { sender, ..context.clone() };
    let decider = Decider::new(Arc::new(snapshots::load(c, context.tenant, None)?));
    let mut outbox = Outbox::default();
    let mut plan = plan(c, &context, &decider, &alert, &BTreeMap::new())?;
    let chosen = plan.reached(&decider, context.now);
    let rang = &chosen.rang;
    let silenced = plan.ringing().filter(|asked| rang.contains(&asked.name)).map(|asked| context.now + asked.frequency);
    let reached = i64::try_from(chosen.choice.calls.len()).map_err(Error::internal)?;
    let mark = Mark { reached, silent_until: silenced.max().or(event.silent_until), started_at: event.started_at };
    events::end_quiet(c, event.id, mark)?;
    let (rules, receivers) = (plan.written()?, chosen.choice.receivers());
    let entry =
        NewEntry { kind: EntryKind::QuietEnded, actor: "", alert: Some(&alert), rules: &rules, chosen: receivers };
    let entry = events::add_entry(c, event.id, entry, context.now)?;
    for asked in plan.ringing() {
        rules::note_send(c, event.id, asked.rule, alert.severity, rang.contains(&asked.name), context.now)?;
    }
    let telling = Telling { kind: DeliveryKind::Repeated, alert: &alert, event: &event, fired_at };
    tell(c, &context, &decider, &telling, entry, &chosen, &mut outbox)?;
    outbox.schedule(c, context.now)?;
    Ok(true)
}

/// What was worked out about the alerts of a post before the transaction that takes them in.
pub struct Prepared {
    decider: Decider,
    /// How much work it is to take them in, beside an ordinary write.
    weight: usize,
    /// Those whose receivers are too many for the transaction, until they are stored as a plan.
    put_off: Vec<Arc<Chosen>>,
}

impl Prepared {
    /// How much work it is to take the alerts in, beside an ordinary write.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The plans that are to be stored before.
    pub(super) fn put_off(&self) -> &[Arc<Chosen>] {
        &self.put_off
    }
}

/// Works out what alerts lead to as things stand, so that their transaction only looks it up.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn prepare(
    c: &mut AnyConnection,
    context: &Context,
    decider: Decider,
    alerts: &[Incoming],
) -> Result<Prepared> {
    let mut prepared = Prepared { decider, weight: alerts.len(), put_off: Vec::new() };
    let (owner, mut foreseen) = (context.key_owner(), BTreeMap::<&str, Foreseen>::new());
    for alert in alerts {
        let last = match foreseen.remove(alert.key.as_str()) {
            Some(last) => last,
            None => Foreseen { event: events::last_of_key(c, context.event_key(&owner, &alert.key))?, chosen: None },
        };
        let next = foresee(c, context, &prepared.decider, alert, last)?;
        if let Some(chosen) = next.chosen.clone() {
            let receivers = chosen.choice.receivers();
            // Each rule by which it is heard keeps when that was.
            prepared.weight += chosen.rang.len() / 10;
            if prepared.decider.has_room(receivers) {
                prepared.weight += receivers;
            } else if !prepared.put_off.iter().any(|known| Arc::ptr_eq(known, &chosen)) {
                prepared.put_off.push(chosen);
            }
        }
        foreseen.insert(alert.key.as_str(), next);
    }
    Ok(prepared)
}

/// The last event of a key as an alert will have left it, and who heard of that.
struct Foreseen {
    event: Option<Event>,
    chosen: Option<Arc<Chosen>>,
}

/// What an alert makes of the last event of its key, and who hears it in which words, all of which the decider remembers.
fn foresee(
    c: &mut AnyConnection,
    context: &Context,
    decider: &Decider,
    alert: &Incoming,
    last: Foreseen,
) -> Result<Foreseen> {
    let quiet = last.event.as_ref().is_some_and(|event| event.is_quiet_until(context.now).is_some());
    let open = last.event.filter(Event::is_open);
    let says_suppressed = says_suppressed(c, context, open.as_ref(), alert)?;
    let (kind, event, chosen) = match (alert.signal, open) {
        (Signal::Firing, open) => {
            let counted = open.as_ref().filter(|_| !says_suppressed);
            let sent = counted.map(|event| rules::sent(c, event.id)).transpose()?.unwrap_or_default();
            let started_at = started_at(context, open.as_ref(), alert);
            let (kind, event) = match open {
                Some(open) => (DeliveryKind::Repeated, Event { count: open.count + 1, started_at, ..open }),
                None => (DeliveryKind::Firing, Event::begun_by(alert, context.now)),
            };
            if quiet {
                return Ok(Foreseen { event: Some(event), chosen: None });
            }
            (kind, event, plan(c, context, decider, alert, &sent)?.choose(decider, context.now))
        }
        (Signal::Resolved, Some(open)) => {
            let ended = Event { finished_at: Some(context.now), ..open };
            let chosen = match last.chosen {
                _ if quiet => return Ok(Foreseen { event: Some(ended), chosen: None }),
                // What this very post tells of has no deliveries yet.
                Some(chosen) => chosen,
                None => decider.told_of(c, context.tenant, ended.id, ended.count)?,
            };
            (DeliveryKind::Resolved, ended, chosen)
        }
        (Signal::Resolved, None) => return Ok(Foreseen { event: None, chosen: None }),
    };
    let telling = Telling { kind, alert, event: &event, fired_at: context.now };
    let mut told = Told::new(context, decider, &telling, &chosen);
    drop(told.over_all(&chosen.choice));
    Ok(Foreseen { event: Some(event), chosen: Some(chosen) })
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
    /// Whom the sender named.
    pub named: Vec<Pick>,
    /// The rules that pick somebody, each with whether it is outside its window.
    pub rings: Vec<(RuleId, bool)>,
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

    /// Everybody who was picked.
    fn reached(&mut self, decider: &Decider, now: NaiveDateTime) -> Arc<Chosen> {
        match std::mem::take(&mut self.named) {
            named if named.is_empty() => decider.chosen_by(&self.rings, &BTreeSet::new(), now),
            named => Arc::new(Chosen::new(reach(named, &decider.snapshot.switches))),
        }
    }

    /// Who hears it. A rule all of whose receivers are missed has not rung: it may do so with the very next firing, and as often
    /// as before. But the record names whom it misses no more often than it would ring.
    fn choose(&mut self, decider: &Decider, now: NaiveDateTime) -> Arc<Chosen> {
        let chosen = self.reached(decider, now);
        let mut noted = BTreeSet::new();
        for asked in &mut self.asked {
            if asked.verdict == Verdict::Rings
                && !chosen.rang.contains(&asked.name)
                && let Some(until) = asked.noted_until
            {
                asked.verdict = Verdict::CoolsDown(until);
                noted.insert(asked.name.clone());
            }
        }
        if noted.is_empty() { chosen } else { decider.chosen_by(&self.rings, &noted, now) }
    }

    /// The rules that ring, or would but for the hour.
    fn ringing(&self) -> impl Iterator<Item = &Asked> {
        self.asked.iter().filter(|asked| asked.verdict.picks())
    }
}

/// Whom the sender named, or else whom the rules pick.
fn plan(
    c: &mut AnyConnection,
    context: &Context,
    decider: &Decider,
    alert: &Incoming,
    sent: &BTreeMap<RuleId, Sent>,
) -> Result<Plan> {
    if !alert.receivers.is_empty() {
        let named = decider.named(c, context.tenant, &alert.receivers)?;
        let pick =
            |person| Pick { who: Ok(person), rule: String::new(), channels: Channel::ALL.to_vec(), is_quiet: false };
        return Ok(Plan { named: named.into_iter().map(pick).collect(), ..Plan::default() });
    }
    let (mut plan, zone) = (Plan::default(), decider.snapshot.zone);
    // A rule that is meant for other alerts has nothing to do with this one.
    let meant = decider.meant_for(alert);
    for rule in decider.snapshot.rules.iter().filter(|rule| meant.contains(&rule.id)) {
        let sent = sent.get(&rule.id).copied();
        let verdict = rule.verdict_when_meant(alert, sent, context.now, zone);
        if verdict.picks() {
            plan.rings.push((rule.id, verdict == Verdict::QuietHours));
        }
        let noted_until = rule.noted_until(alert, sent, context.now, zone);
        let (name, frequency) = (rule.name.clone(), rule.frequency);
        plan.asked.push(Asked { rule: rule.id, name, verdict, frequency, noted_until });
    }
    Ok(plan)
}

/// Puts what is to be said into the outbox, once for each person and robot, and into the record who cannot be reached; or, where
/// they are too many for the transaction or would overtake others, puts that off.
fn tell(
    c: &mut AnyConnection,
    context: &Context,
    decider: &Decider,
    telling: &Telling<'_>,
    entry: EntryId,
    chosen: &Chosen,
    outbox: &mut Outbox,
) -> Result<()> {
    let Choice { calls, misses } = &chosen.choice;
    if calls.is_empty() && misses.is_empty() {
        return Ok(());
    }
    let mut told = Told::new(context, decider, telling, chosen);
    let follows = telling.kind != DeliveryKind::Firing && fan_outs::is_pending(c, telling.event.id)?;
    if follows || !decider.has_room(chosen.choice.receivers()) {
        return put_off(c, context, telling, entry, chosen, &mut told);
    }
    for call in calls {
        let Words { title, body } = told.over(call.channel);
        let notice = Notice {
            tenant: context.tenant,
            kind: telling.kind,
            title,
            body,
            robot: call.robot,
            member: call.person.member,
            recipient: call.person.name.clone(),
            requested_by: context.by,
            alert: Some(AlertDetails {
                alert: telling.event.id,
                entry,
                is_urgent: telling.is_urgent(),
                mention: call.person.phone.clone(),
                rule_names: join_names(&call.chosen_by, ", "),
            }),
        };
        outbox.add(c, notice, context.now)?;
    }
    for miss in misses {
        // What a resend would say, once he can be reached.
        let Words { title, body } = told.over(Channel::DingTalk);
        let unreached = UnreachableRecipient {
            tenant: context.tenant,
            kind: telling.kind,
            title,
            body,
            member: miss.member,
            recipient: miss.name.clone(),
            reason: miss.reason,
            requested_by: context.by,
            alert: Some(telling.event.id),
            entry: Some(entry),
            rule_names: join_names(&miss.chosen_by, ", "),
        };
        delivery::record_unreachable(c, unreached, context.now)?;
    }
    Ok(())
}

/// Lets the receivers of an entry become deliveries afterwards.
fn put_off(
    c: &mut AnyConnection,
    context: &Context,
    telling: &Telling<'_>,
    entry: EntryId,
    chosen: &Chosen,
    told: &mut Told<'_>,
) -> Result<()> {
    let plan = match chosen.plan.get() {
        Some(plan) => *plan,
        None => {
            let plan = fan_outs::begin(c, context.now)?;
            for (number, part) in fan_outs::parts(&chosen.choice).iter().enumerate() {
                fan_outs::add_part(c, plan, number, part)?;
            }
            plan
        }
    };
    let fan_out = FanOut {
        entry,
        alert: telling.event.id,
        tenant: context.tenant,
        kind: telling.kind,
        is_urgent: telling.is_urgent(),
        requested_by: context.by,
        words: told.over_all(&chosen.choice),
        created_at: context.now,
    };
    fan_outs::add(c, plan, &fan_out)
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
    let decider = Decider::new(Arc::new(snapshots::load(c, context.tenant, typed)?));
    let owner = context.key_owner();
    let last = events::last_of_key(c, context.event_key(&owner, &alert.key))?;
    let quiet_until = last.as_ref().and_then(|event| event.is_quiet_until(context.now));
    let open = last.filter(|event| event.is_open());
    let says_suppressed = says_suppressed(c, context, open.as_ref(), alert)?;
    let mut plan = Plan::default();
    let chosen = match (alert.signal, open) {
        _ if quiet_until.is_some() => None,
        (Signal::Firing, open) => {
            let counted = open.filter(|_| !says_suppressed);
            let sent = counted.map(|event| rules::sent(c, event.id)).transpose()?.unwrap_or_default();
            plan = self::plan(c, context, &decider, alert, &sent)?;
            Some(plan.reached(&decider, context.now))
        }
        (Signal::Resolved, Some(event)) => Some(decider.told_of(c, context.tenant, event.id, event.count)?),
        (Signal::Resolved, None) => None,
    };
    let choice = chosen.map(|chosen| chosen.choice.clone()).unwrap_or_default();
    let rules = plan.asked.into_iter().map(|asked| (asked.name, asked.verdict)).collect();
    Ok(Preview { rules, choice, quiet_until })
}
