//! Ingests alerts: stores the event, its recipients and their deliveries in one transaction.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use chrono::NaiveDateTime;

use super::{
    decider::{AlertRecipients, Decider},
    model::{IncomingAlert, Rule, Signal},
    no_recipient::NoRecipientReason,
    notification::{Notification, NotificationRenderer},
    routing::{Candidate, Routing, RuleHistory, Verdict, resolve_recipients},
    store::{
        events::{self, EntryKind, Event, EventKey, EventUpdate, NewEntry},
        fan_outs::{self, FanOut},
        rules, snapshots,
    },
};
use crate::{
    db::{AccountId, AdvisoryLock, AlertId, AnyConnection, EntryId, PortalId, RuleId, TenantId, acquire_lock},
    delivery::{self, AlertDetails, DeliveryKind, Notice, Outbox, UnreachableRecipient},
    error::{Error, Result},
    robots::Channel,
    templates::MessageText,
    text::join_names,
};

/// Where an alert comes in, and when.
#[derive(Clone, Debug)]
pub struct AlertContext {
    /// The tenant whose alert it is.
    pub tenant: TenantId,
    /// The portal's name or the username.
    pub sender: String,
    /// The account that fired it, if one did.
    pub fired_by: Option<AccountId>,
    /// The portal that sent it, if one did.
    pub portal: Option<PortalId>,
    /// The word that every message holds: the robots' keyword.
    pub product: String,
    /// When.
    pub now: NaiveDateTime,
}

impl AlertContext {
    /// The owner of the alerts' keys: no sender counts, resolves or mutes the events of another by using its key.
    #[must_use]
    pub fn key_owner(&self) -> String {
        match (self.portal, self.fired_by) {
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

/// The result of ingesting an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingested {
    /// Its event.
    pub alert: AlertId,
    /// Its entry on the event's time line.
    pub entry: EntryId,
    /// How many deliveries wait for a robot now. When there are any, wake the delivery worker after the commit.
    pub deliveries: i64,
    /// Why nobody is notified, when nobody is.
    pub no_recipient_reason: Option<NoRecipientReason>,
    /// The receivers that no member is, when others are notified.
    pub unknown_receivers: Vec<String>,
}

/// Stores an alert, with everything that follows from it, as [`ingest_all`] does with several.
///
/// # Errors
/// When the database cannot be used.
pub fn ingest(c: &mut AnyConnection, context: &AlertContext, alert: &IncomingAlert) -> Result<Ingested> {
    let ingested = ingest_all(c, context, [alert])?;
    ingested.into_iter().next().ok_or_else(|| Error::internal("an alert was not taken in"))
}

/// Stores alerts, with everything that follows from them. Call it in the [`crate::db::Database::write`] of whatever else
/// belongs together with them, as the last thing there, and wake the delivery worker afterwards.
///
/// # Errors
/// When the database cannot be used.
pub fn ingest_all<'a>(
    c: &mut AnyConnection,
    context: &AlertContext,
    alerts: impl IntoIterator<Item = &'a IncomingAlert>,
) -> Result<Vec<Ingested>> {
    let alerts: Vec<&IncomingAlert> = alerts.into_iter().collect();
    lock_multi_key_batch(c, context.tenant, &alerts)?;
    let decider = Decider::new(Arc::new(snapshots::load_snapshot(c, context.tenant, None)?));
    let mut outbox = Outbox::default();
    let ingested = ingest_each(c, context, &decider, &alerts, &mut outbox)?;
    outbox.schedule(c, context.now)?;
    Ok(ingested)
}

/// Two groups with the same alerts in another order would each wait for an event that the other has locked.
fn lock_multi_key_batch(c: &mut AnyConnection, tenant: TenantId, alerts: &[&IncomingAlert]) -> Result<()> {
    if alerts.iter().any(|alert| Some(&alert.key) != alerts.first().map(|first| &first.key)) {
        acquire_lock(c, AdvisoryLock::AlertGroups(tenant))?;
    }
    Ok(())
}

fn ingest_each(
    c: &mut AnyConnection,
    context: &AlertContext,
    decider: &Decider,
    alerts: &[&IncomingAlert],
    outbox: &mut Outbox,
) -> Result<Vec<Ingested>> {
    let ingest_one = |alert: &&IncomingAlert| match alert.signal {
        Signal::Firing => ingest_firing(c, context, decider, alert, outbox),
        Signal::Resolved => ingest_resolved(c, context, decider, alert, outbox),
    };
    alerts.iter().map(ingest_one).collect()
}

/// Takes in alerts of several posts in one transaction, each as it was prepared.
#[derive(Default)]
#[must_use = "what is put into the outbox goes out only when it is ended"]
pub struct IngestTransaction {
    outbox: Outbox,
    /// The versions that were read in this transaction.
    snapshot_versions: BTreeMap<TenantId, i64>,
}

impl IngestTransaction {
    /// Stores alerts of a post, as [`ingest_all`] does; nothing when what they were prepared by has changed meanwhile.
    ///
    /// # Errors
    /// When the database cannot be used.
    pub fn ingest_prepared(
        &mut self,
        c: &mut AnyConnection,
        context: &AlertContext,
        alerts: &[&IncomingAlert],
        prepared: &PreparedBatch,
    ) -> Result<Option<Vec<Ingested>>> {
        let tenant = context.tenant;
        lock_multi_key_batch(c, tenant, alerts)?;
        let version = match self.snapshot_versions.get(&tenant) {
            Some(version) => *version,
            None => {
                let version = snapshots::load_version(c, tenant)?;
                self.snapshot_versions.insert(tenant, version);
                version
            }
        };
        if version != prepared.decider.snapshot.version {
            return Ok(None);
        }
        prepared.decider.reset_capacity();
        ingest_each(c, context, &prepared.decider, alerts, &mut self.outbox).map(Some)
    }

    /// Ends it. The last thing in a transaction.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn finish(self, c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
        self.outbox.schedule(c, now)
    }
}

fn ingest_firing(
    c: &mut AnyConnection,
    context: &AlertContext,
    decider: &Decider,
    alert: &IncomingAlert,
    outbox: &mut Outbox,
) -> Result<Ingested> {
    let owner = context.key_owner();
    let key = context.event_key(&owner, &alert.key);
    // Another look is needed only when the event ends, or another begins, between the look and the write.
    for _ in 0..3 {
        let last = events::lock_last_of_key(c, key)?;
        let muted_until = last.as_ref().and_then(|event| event.active_mute_until(context.now));
        let open = last.filter(Event::is_open);
        let reports_suppressed = reports_suppressed(c, context, open.as_ref(), alert)?;
        let histories = match &open {
            Some(event) if !reports_suppressed => rules::load_histories(c, event.id)?,
            _ => BTreeMap::new(),
        };
        let mut selection = if muted_until.is_some() {
            CandidateSelection::default()
        } else {
            select_candidates(c, context, decider, alert, &histories)?
        };
        let recipients = selection.resolve_and_drop_repeats(decider, context.now);
        let notifying_rules = &recipients.notifying_rules;
        let starts_throttle = |evaluation: &&RuleEvaluation| {
            evaluation.verdict == Verdict::QuietHours || notifying_rules.contains(&evaluation.name)
        };
        let throttle_ends = selection
            .selecting_evaluations()
            .filter(starts_throttle)
            .map(|evaluation| context.now + evaluation.frequency)
            .max();
        let throttled_until = throttle_ends.or(open.as_ref().and_then(|event| event.throttled_until));
        let reached = i64::try_from(recipients.routing.deliveries.len()).map_err(Error::internal)?;
        let update =
            EventUpdate { reached, throttled_until, started_at: earliest_start(context, open.as_ref(), alert) };
        let unheard = NoRecipientReason::for_firing(muted_until.is_some(), &selection.evaluations, &recipients.routing);
        let (kind, event) = match open {
            Some(open) => (EntryKind::Repeated, events::record_repeat(c, open.id, &owner, alert, update, context.now)?),
            None => (EntryKind::Firing, events::create(c, key, alert, &context.sender, update, context.now)?),
        };
        let Some(event) = event else { continue };
        let verdicts =
            if muted_until.is_some() { MUTED_OUTCOME_JSON.to_owned() } else { selection.evaluations_json()? };
        let receivers = recipients.routing.recipient_count();
        let entry =
            NewEntry { kind, actor: &context.sender, alert: Some(alert), rules: &verdicts, recipient_count: receivers };
        let entry = events::add_entry(c, event.id, entry, context.now)?;
        let note = if kind == EntryKind::Firing { rules::note_first_send } else { rules::record_evaluation };
        for evaluation in selection.selecting_evaluations() {
            note(
                c,
                event.id,
                evaluation.rule,
                alert.severity,
                notifying_rules.contains(&evaluation.name),
                context.now,
            )?;
        }
        if muted_until.is_some() {
            events::record_suppressed(c, &event, entry, alert.severity, context.now)?;
        } else if reports_suppressed {
            events::clear_suppressed(c, event.id)?;
        }
        let kind = if kind == EntryKind::Firing { DeliveryKind::Firing } else { DeliveryKind::Repeated };
        let notification = Notification { kind, alert, event: &event, fired_at: context.now };
        enqueue_notifications(c, context, decider, &notification, entry, &recipients, outbox)?;
        let unknown_receivers = if unheard.is_none() { recipients.routing.unknown_receivers() } else { Vec::new() };
        return Ok(Ingested {
            alert: event.id,
            entry,
            deliveries: reached,
            no_recipient_reason: unheard,
            unknown_receivers,
        });
    }
    Err(Error::unavailable("an event begins and ends all the time"))
}

/// When an event begins by its senders, once this alert has come in.
fn earliest_start(context: &AlertContext, open: Option<&Event>, alert: &IncomingAlert) -> Option<NaiveDateTime> {
    let given = alert.plausible_start(context.now);
    match open {
        Some(event) => given.map(|given| given.min(event.began_at())).or(event.started_at),
        None => given,
    }
}

/// Whether a firing is the first after do not disturb, and says what that suppressed as well: then no rule cools down. A graver
/// one that was suppressed is said by itself.
fn reports_suppressed(
    c: &mut AnyConnection,
    context: &AlertContext,
    open: Option<&Event>,
    alert: &IncomingAlert,
) -> Result<bool> {
    let ended = open.filter(|event| event.active_mute_until(context.now).is_none());
    let Some(entry) = ended.and_then(|event| event.suppressed_entry) else { return Ok(false) };
    Ok(events::entry_severity(c, entry)?.is_none_or(|suppressed| alert.severity >= suppressed))
}

/// Notifies the recipients of the event that it is resolved.
fn ingest_resolved(
    c: &mut AnyConnection,
    context: &AlertContext,
    decider: &Decider,
    alert: &IncomingAlert,
    outbox: &mut Outbox,
) -> Result<Ingested> {
    let owner = context.key_owner();
    let key = context.event_key(&owner, &alert.key);
    // The end lifts do not disturb, which still holds for the end itself.
    let last = events::lock_last_of_key(c, key)?;
    let is_muted = last.is_some_and(|event| event.active_mute_until(context.now).is_some());
    let (event, was_open) = events::resolve(c, key, alert, &context.sender, context.now)?;
    let rules = if was_open && is_muted { MUTED_OUTCOME_JSON } else { "[]" };
    let notifies = was_open && !is_muted;
    let recipients = match notifies {
        true => decider.notified_recipients(c, context.tenant, event.id, event.count)?,
        false => Arc::new(AlertRecipients::new(Routing::default())),
    };
    let (kind, receivers) = (EntryKind::Resolved, recipients.routing.recipient_count());
    let entry = NewEntry { kind, actor: &context.sender, alert: Some(alert), rules, recipient_count: receivers };
    let entry = events::add_entry(c, event.id, entry, context.now)?;
    let deliveries = i64::try_from(recipients.routing.deliveries.len()).map_err(Error::internal)?;
    let notification = Notification { kind: DeliveryKind::Resolved, alert, event: &event, fired_at: context.now };
    enqueue_notifications(c, context, decider, &notification, entry, &recipients, outbox)?;
    let unheard = (!was_open).then_some(NoRecipientReason::NotOpen);
    Ok(Ingested { alert: event.id, entry, deliveries, no_recipient_reason: unheard, unknown_receivers: Vec::new() })
}

/// Notifies of what do not disturb suppressed, now that it is over: once, whatever cools down, by the gravest of those firings.
/// Returns whether there was anything to say; call it in a transaction of its own, and wake the delivery worker afterwards.
pub(super) fn notify_suppressed(c: &mut AnyConnection, context: &AlertContext, id: AlertId) -> Result<bool> {
    let Some(event) = events::lock_expired_mute(c, id, context.now)? else { return Ok(false) };
    let Some(suppressed) = event.suppressed_entry else { return Ok(false) };
    let (alert, sender, fired_at) = events::load_firing(c, event.id, suppressed)?;
    let context = AlertContext { sender, ..context.clone() };
    let decider = Decider::new(Arc::new(snapshots::load_snapshot(c, context.tenant, None)?));
    let mut outbox = Outbox::default();
    let mut selection = select_candidates(c, &context, &decider, &alert, &BTreeMap::new())?;
    let recipients = selection.resolve(&decider, context.now);
    let notifying_rules = &recipients.notifying_rules;
    let throttle_ends = selection
        .selecting_evaluations()
        .filter(|evaluation| notifying_rules.contains(&evaluation.name))
        .map(|evaluation| context.now + evaluation.frequency);
    let reached = i64::try_from(recipients.routing.deliveries.len()).map_err(Error::internal)?;
    let update = EventUpdate {
        reached,
        throttled_until: throttle_ends.max().or(event.throttled_until),
        started_at: event.started_at,
    };
    events::end_mute(c, event.id, update)?;
    let (rules, receivers) = (selection.evaluations_json()?, recipients.routing.recipient_count());
    let entry = NewEntry {
        kind: EntryKind::MuteEnded,
        actor: "",
        alert: Some(&alert),
        rules: &rules,
        recipient_count: receivers,
    };
    let entry = events::add_entry(c, event.id, entry, context.now)?;
    for evaluation in selection.selecting_evaluations() {
        rules::record_evaluation(
            c,
            event.id,
            evaluation.rule,
            alert.severity,
            notifying_rules.contains(&evaluation.name),
            context.now,
        )?;
    }
    let notification = Notification { kind: DeliveryKind::Repeated, alert: &alert, event: &event, fired_at };
    enqueue_notifications(c, &context, &decider, &notification, entry, &recipients, &mut outbox)?;
    outbox.schedule(c, context.now)?;
    Ok(true)
}

/// The alerts of a post, decided before the transaction that ingests them.
pub struct PreparedBatch {
    decider: Decider,
    /// How much work it is to take them in, beside an ordinary write.
    weight: usize,
    /// Those whose receivers are too many for the transaction, until they are stored as a plan.
    deferred: Vec<Arc<AlertRecipients>>,
}

impl PreparedBatch {
    /// How much work it is to take the alerts in, beside an ordinary write.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.weight
    }

    /// The plans that are to be stored before.
    pub(super) fn deferred(&self) -> &[Arc<AlertRecipients>] {
        &self.deferred
    }
}

/// Works out what alerts lead to as things stand, so that their transaction only looks it up.
///
/// # Errors
/// When the database cannot be read.
pub(super) fn prepare_batch(
    c: &mut AnyConnection,
    context: &AlertContext,
    decider: Decider,
    alerts: &[IncomingAlert],
) -> Result<PreparedBatch> {
    let mut prepared = PreparedBatch { decider, weight: alerts.len(), deferred: Vec::new() };
    let (owner, mut foreseen) = (context.key_owner(), BTreeMap::<&str, PredictedEvent>::new());
    for alert in alerts {
        let last = match foreseen.remove(alert.key.as_str()) {
            Some(last) => last,
            None => PredictedEvent {
                event: events::last_of_key(c, context.event_key(&owner, &alert.key))?,
                recipients: None,
            },
        };
        let next = predict_event(c, context, &prepared.decider, alert, last)?;
        if let Some(recipients) = next.recipients.clone() {
            let receivers = recipients.routing.recipient_count();
            // Each rule by which it is heard keeps when that was.
            prepared.weight += recipients.notifying_rules.len() / 10;
            if prepared.decider.reserve_capacity(receivers) {
                prepared.weight += receivers;
            } else if !prepared.deferred.iter().any(|known| Arc::ptr_eq(known, &recipients)) {
                prepared.deferred.push(recipients);
            }
        }
        foreseen.insert(alert.key.as_str(), next);
    }
    Ok(prepared)
}

/// The last event of a key as an alert will have left it, and who heard of that.
struct PredictedEvent {
    event: Option<Event>,
    recipients: Option<Arc<AlertRecipients>>,
}

/// The effect of an alert on the last event of its key, its recipients and texts; the decider remembers all of them.
fn predict_event(
    c: &mut AnyConnection,
    context: &AlertContext,
    decider: &Decider,
    alert: &IncomingAlert,
    last: PredictedEvent,
) -> Result<PredictedEvent> {
    let is_muted = last.event.as_ref().is_some_and(|event| event.active_mute_until(context.now).is_some());
    let open = last.event.filter(Event::is_open);
    let reports_suppressed = reports_suppressed(c, context, open.as_ref(), alert)?;
    let (kind, event, recipients) = match (alert.signal, open) {
        (Signal::Firing, open) => {
            let counted = open.as_ref().filter(|_| !reports_suppressed);
            let histories = counted.map(|event| rules::load_histories(c, event.id)).transpose()?.unwrap_or_default();
            let started_at = earliest_start(context, open.as_ref(), alert);
            let (kind, event) = match open {
                Some(open) => (DeliveryKind::Repeated, Event { count: open.count + 1, started_at, ..open }),
                None => (DeliveryKind::Firing, Event::from_firing(alert, context.now)),
            };
            if is_muted {
                return Ok(PredictedEvent { event: Some(event), recipients: None });
            }
            (
                kind,
                event,
                select_candidates(c, context, decider, alert, &histories)?
                    .resolve_and_drop_repeats(decider, context.now),
            )
        }
        (Signal::Resolved, Some(open)) => {
            let ended = Event { finished_at: Some(context.now), ..open };
            let recipients = match last.recipients {
                _ if is_muted => return Ok(PredictedEvent { event: Some(ended), recipients: None }),
                // The deliveries of this post do not exist yet.
                Some(recipients) => recipients,
                None => decider.notified_recipients(c, context.tenant, ended.id, ended.count)?,
            };
            (DeliveryKind::Resolved, ended, recipients)
        }
        (Signal::Resolved, None) => return Ok(PredictedEvent { event: None, recipients: None }),
    };
    let notification = Notification { kind, alert, event: &event, fired_at: context.now };
    let mut renderer = NotificationRenderer::new(context, decider, &notification, &recipients);
    drop(renderer.render_all(&recipients.routing));
    Ok(PredictedEvent { event: Some(event), recipients: Some(recipients) })
}

/// The rule outcome of a firing that notified nobody because the event is muted.
const MUTED_OUTCOME_JSON: &str = r#"[{"rule":"","outcome":"do-not-disturb"}]"#;

/// A rule and its verdict on an alert.
#[derive(Clone, Debug)]
pub(super) struct RuleEvaluation {
    pub rule: RuleId,
    pub name: String,
    pub verdict: Verdict,
    pub frequency: chrono::TimeDelta,
    /// Until when the record knows already of whom it misses.
    pub recorded_until: Option<NaiveDateTime>,
}

/// Whom an alert is meant for, before anybody is looked for.
#[derive(Default)]
pub(super) struct CandidateSelection {
    /// Whom the sender named.
    pub named_candidates: Vec<Candidate>,
    /// The rules that pick somebody, each with whether it is outside its window.
    pub selecting_rules: Vec<(RuleId, bool)>,
    pub evaluations: Vec<RuleEvaluation>,
}

impl CandidateSelection {
    /// The column `rules` of a time line's entry.
    fn evaluations_json(&self) -> Result<String> {
        let rules: Vec<_> = self
            .evaluations
            .iter()
            .map(|evaluation| serde_json::json!({ "rule": evaluation.name, "outcome": evaluation.verdict.as_str() }))
            .collect();
        serde_json::to_string(&rules).map_err(Error::internal)
    }

    /// Everybody who was picked.
    fn resolve(&mut self, decider: &Decider, now: NaiveDateTime) -> Arc<AlertRecipients> {
        match std::mem::take(&mut self.named_candidates) {
            named if named.is_empty() => decider.recipients_of_rules(&self.selecting_rules, &BTreeSet::new(), now),
            named => Arc::new(AlertRecipients::new(resolve_recipients(named, &decider.snapshot.switches))),
        }
    }

    /// Who hears it. A rule all of whose receivers are missed has not rung: it may do so with the very next firing, and as often
    /// as before. But the record names whom it misses no more often than it would ring.
    fn resolve_and_drop_repeats(&mut self, decider: &Decider, now: NaiveDateTime) -> Arc<AlertRecipients> {
        let recipients = self.resolve(decider, now);
        let mut recorded = BTreeSet::new();
        for evaluation in &mut self.evaluations {
            if evaluation.verdict == Verdict::Notifies
                && !recipients.notifying_rules.contains(&evaluation.name)
                && let Some(until) = evaluation.recorded_until
            {
                evaluation.verdict = Verdict::Throttled(until);
                recorded.insert(evaluation.name.clone());
            }
        }
        if recorded.is_empty() {
            recipients
        } else {
            decider.recipients_of_rules(&self.selecting_rules, &recorded, now)
        }
    }

    /// The rules that notify, or would outside their quiet hours.
    fn selecting_evaluations(&self) -> impl Iterator<Item = &RuleEvaluation> {
        self.evaluations.iter().filter(|evaluation| evaluation.verdict.selects_recipients())
    }
}

/// Whom the sender named, or else whom the rules pick.
fn select_candidates(
    c: &mut AnyConnection,
    context: &AlertContext,
    decider: &Decider,
    alert: &IncomingAlert,
    histories: &BTreeMap<RuleId, RuleHistory>,
) -> Result<CandidateSelection> {
    if !alert.receivers.is_empty() {
        let people = decider.find_named(c, context.tenant, &alert.receivers)?;
        let to_candidate = |person| Candidate {
            receiver: Ok(person),
            rule_name: String::new(),
            channels: Channel::ALL.to_vec(),
            in_quiet_hours: false,
        };
        return Ok(CandidateSelection {
            named_candidates: people.into_iter().map(to_candidate).collect(),
            ..CandidateSelection::default()
        });
    }
    let (mut selection, zone) = (CandidateSelection::default(), decider.snapshot.zone);
    // A rule that is meant for other alerts has nothing to do with this one.
    let matching = decider.matching_rules(alert);
    for rule in decider.snapshot.rules.iter().filter(|rule| matching.contains(&rule.id)) {
        let history = histories.get(&rule.id).copied();
        let verdict = rule.evaluate_matching(alert, history, context.now, zone);
        if verdict.selects_recipients() {
            selection.selecting_rules.push((rule.id, verdict == Verdict::QuietHours));
        }
        let recorded_until = rule.recorded_until(alert, history, context.now, zone);
        let (name, frequency) = (rule.name.clone(), rule.frequency);
        selection.evaluations.push(RuleEvaluation { rule: rule.id, name, verdict, frequency, recorded_until });
    }
    Ok(selection)
}

/// Puts what is to be said into the outbox, once for each person and robot, and into the record who cannot be reached; or, where
/// they are too many for the transaction or would overtake others, puts that off.
fn enqueue_notifications(
    c: &mut AnyConnection,
    context: &AlertContext,
    decider: &Decider,
    notification: &Notification<'_>,
    entry: EntryId,
    recipients: &AlertRecipients,
    outbox: &mut Outbox,
) -> Result<()> {
    let Routing { deliveries, undeliverables } = &recipients.routing;
    if deliveries.is_empty() && undeliverables.is_empty() {
        return Ok(());
    }
    let mut renderer = NotificationRenderer::new(context, decider, notification, recipients);
    let follows = notification.kind != DeliveryKind::Firing && fan_outs::is_pending(c, notification.event.id)?;
    if follows || !decider.reserve_capacity(recipients.routing.recipient_count()) {
        return defer_fan_out(c, context, notification, entry, recipients, &mut renderer);
    }
    for delivery in deliveries {
        let MessageText { title, body } = renderer.render(delivery.channel);
        let notice = Notice {
            tenant: context.tenant,
            kind: notification.kind,
            title,
            body,
            robot: delivery.robot,
            member: delivery.person.member,
            recipient: delivery.person.name.clone(),
            requested_by: context.fired_by,
            alert: Some(AlertDetails {
                alert: notification.event.id,
                entry,
                is_urgent: notification.is_urgent(),
                mention: delivery.person.phone.clone(),
                rule_names: join_names(&delivery.rule_names, ", "),
            }),
        };
        outbox.add(c, notice, context.now)?;
    }
    for undeliverable in undeliverables {
        // The text of a resend, once the recipient can be reached.
        let MessageText { title, body } = renderer.render(Channel::DingTalk);
        let unreached = UnreachableRecipient {
            tenant: context.tenant,
            kind: notification.kind,
            title,
            body,
            member: undeliverable.member,
            recipient: undeliverable.name.clone(),
            reason: undeliverable.reason,
            requested_by: context.fired_by,
            alert: Some(notification.event.id),
            entry: Some(entry),
            rule_names: join_names(&undeliverable.rule_names, ", "),
        };
        delivery::record_unreachable(c, unreached, context.now)?;
    }
    Ok(())
}

/// Lets the receivers of an entry become deliveries afterwards.
fn defer_fan_out(
    c: &mut AnyConnection,
    context: &AlertContext,
    notification: &Notification<'_>,
    entry: EntryId,
    recipients: &AlertRecipients,
    renderer: &mut NotificationRenderer<'_>,
) -> Result<()> {
    let plan = match recipients.fan_out_plan.get() {
        Some(plan) => *plan,
        None => {
            let plan = fan_outs::create_plan(c, context.now)?;
            for (number, part) in fan_outs::split_into_parts(&recipients.routing).iter().enumerate() {
                fan_outs::add_part(c, plan, number, part)?;
            }
            plan
        }
    };
    let fan_out = FanOut {
        entry,
        alert: notification.event.id,
        tenant: context.tenant,
        kind: notification.kind,
        is_urgent: notification.is_urgent(),
        requested_by: context.fired_by,
        texts: renderer.render_all(&recipients.routing),
        created_at: context.now,
    };
    fan_outs::enqueue(c, plan, &fan_out)
}

/// Who would hear an alert that came in now.
#[derive(Clone, Debug)]
pub struct RoutingPreview {
    /// The rules that were asked, with what each says; none when the sender named people.
    pub verdicts: Vec<(String, Verdict)>,
    /// Who hears it, and who does not.
    pub routing: Routing,
    /// Until when nobody is disturbed by its event, so that nobody hears it and no rule is asked.
    pub muted_until: Option<NaiveDateTime>,
}

/// Answers who would hear an alert, without storing anything. An event of its key that is open counts, as it would when the
/// alert came in.
///
/// # Errors
/// When the database cannot be read.
pub fn preview_routing(c: &mut AnyConnection, context: &AlertContext, alert: &IncomingAlert) -> Result<RoutingPreview> {
    build_preview(c, context, alert, None)
}

/// Answers who would hear an alert if this rule stood in the place of the stored one of its id, or beside the others.
///
/// # Errors
/// When the database cannot be read.
pub fn preview_routing_with_rule(
    c: &mut AnyConnection,
    context: &AlertContext,
    alert: &IncomingAlert,
    draft: &Rule,
) -> Result<RoutingPreview> {
    build_preview(c, context, alert, Some(draft))
}

fn build_preview(
    c: &mut AnyConnection,
    context: &AlertContext,
    alert: &IncomingAlert,
    draft: Option<&Rule>,
) -> Result<RoutingPreview> {
    let decider = Decider::new(Arc::new(snapshots::load_snapshot(c, context.tenant, draft)?));
    let owner = context.key_owner();
    let last = events::last_of_key(c, context.event_key(&owner, &alert.key))?;
    let muted_until = last.as_ref().and_then(|event| event.active_mute_until(context.now));
    let open = last.filter(|event| event.is_open());
    let reports_suppressed = reports_suppressed(c, context, open.as_ref(), alert)?;
    let mut selection = CandidateSelection::default();
    let recipients = match (alert.signal, open) {
        _ if muted_until.is_some() => None,
        (Signal::Firing, open) => {
            let counted = open.filter(|_| !reports_suppressed);
            let histories = counted.map(|event| rules::load_histories(c, event.id)).transpose()?.unwrap_or_default();
            selection = select_candidates(c, context, &decider, alert, &histories)?;
            Some(selection.resolve(&decider, context.now))
        }
        (Signal::Resolved, Some(event)) => {
            Some(decider.notified_recipients(c, context.tenant, event.id, event.count)?)
        }
        (Signal::Resolved, None) => None,
    };
    let routing = recipients.map(|recipients| recipients.routing.clone()).unwrap_or_default();
    let rules = selection.evaluations.into_iter().map(|evaluation| (evaluation.name, evaluation.verdict)).collect();
    Ok(RoutingPreview { verdicts: rules, routing, muted_until })
}
