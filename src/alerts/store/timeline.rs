//! One event with its time line: what came in, who was chosen by which rule, every message and what its robot answered.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDateTime};
use diesel::prelude::*;
use serde::Deserialize;

use super::{
    events::EntryKind,
    list::{parse_severity, parse_source},
};
use crate::{
    alerts::{
        model::{EventStatus, Severity, Source},
        parse_severity_alias,
    },
    db::{
        AlertId, AnyConnection, DeliveryId, EntryId, LimitConst as _, MemberId, MessageId, RobotId, TenantId,
        schema::{alert_entries, alerts, attempts, contacts, deliveries, messages, robots},
    },
    deliveries::store::{Attempt, DeliveryScope},
    delivery::{DeliveryState, RobotState},
    error::{Error, Result},
    members::ContactState,
    robots::Channel,
    text,
};

/// Entries on a page of a time line.
const ENTRIES_PER_PAGE: i64 = 100;
/// Deliveries on a page of a time line.
const MAX_DELIVERIES_PER_PAGE: i64 = 1000;
/// How many ids one statement asks for.
const ID_BATCH_SIZE: usize = 500;

/// An event with all that is known of it.
#[derive(Clone, Debug)]
pub struct EventDetails {
    /// Its id.
    pub id: AlertId,
    /// Its headline.
    pub title: String,
    /// What it said first.
    pub content: String,
    /// How grave it is.
    pub severity: Severity,
    /// By which door it came in.
    pub source: Source,
    /// Who sent it first.
    pub sender: String,
    /// What makes two firings the same event.
    pub key: String,
    /// A page about it; empty when there is none.
    pub link: String,
    /// What the sender knows about it, by name.
    pub labels: BTreeMap<String, String>,
    /// What else the sender said of it first, by name.
    pub annotations: BTreeMap<String, String>,
    /// The usernames that the sender named; none when the alert rules choose.
    pub receivers: Vec<String>,
    /// How many firings came in.
    pub count: i64,
    /// How many of its receivers could be reached, over all firings.
    pub reached: i64,
    /// When its first alert came in.
    pub first_at: NaiveDateTime,
    /// When it began by its sender.
    pub started_at: Option<NaiveDateTime>,
    /// When it ended by its sender.
    pub ended_at: Option<NaiveDateTime>,
    /// When the last alert of it came in.
    pub last_at: NaiveDateTime,
    /// Until when its rules do not ring again.
    pub throttled_until: Option<NaiveDateTime>,
    /// Until when nobody is to be disturbed.
    pub muted_until: Option<NaiveDateTime>,
    /// When it was resolved or finished by hand.
    pub finished_at: Option<NaiveDateTime>,
}

impl EventDetails {
    /// How it stands at this moment.
    #[must_use]
    pub fn status(&self, now: &NaiveDateTime) -> EventStatus {
        EventStatus::from_timestamps(*now, self.finished_at, self.muted_until, self.throttled_until)
    }

    /// When it began: by its sender, or else when it came in.
    #[must_use]
    pub fn began_at(&self) -> NaiveDateTime {
        self.started_at.unwrap_or(self.first_at)
    }

    /// The annotations that the page does not show as title or content.
    pub fn other_annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        let shown = |text: &str| [self.title.as_str(), self.content.as_str()].contains(&text::trim_invisible(text));
        let all = self.annotations.iter().map(|(name, text)| (name.as_str(), text.as_str()));
        all.filter(move |(_, text)| !text::is_blank(text) && !shown(text))
    }

    /// The word of a monitoring system for the severity, when it is none that is known, so that the event counts as a warning.
    #[must_use]
    pub fn unknown_severity(&self) -> Option<&str> {
        let word = self.labels.get("severity").filter(|_| self.source.is_monitoring())?;
        (!text::is_blank(word) && parse_severity_alias(word).is_none()).then(|| text::trim_invisible(word))
    }

    /// Until when nobody is to be disturbed, if that holds at this moment.
    #[must_use]
    pub fn active_mute_until(&self, now: &NaiveDateTime) -> Option<NaiveDateTime> {
        self.muted_until.filter(|until| self.finished_at.is_none() && until > now)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = alerts)]
struct Row {
    id: AlertId,
    title: String,
    content: String,
    severity: String,
    source: String,
    sender: String,
    key: String,
    link: String,
    labels: String,
    annotations: String,
    receivers: String,
    count: i64,
    reached: i64,
    first_at: NaiveDateTime,
    started_at: Option<NaiveDateTime>,
    ended_at: Option<NaiveDateTime>,
    last_at: NaiveDateTime,
    throttled_until: Option<NaiveDateTime>,
    muted_until: Option<NaiveDateTime>,
    finished_at: Option<NaiveDateTime>,
}

/// An event of this tenant.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has no such event.
pub fn find(c: &mut AnyConnection, tenant: TenantId, id: AlertId) -> Result<EventDetails> {
    let event = alerts::table.filter(alerts::tenant.eq(tenant)).filter(alerts::id.eq(id));
    let row: Row = event.select(Row::as_select()).first_cached(c)?;
    Ok(EventDetails {
        id: row.id,
        severity: parse_severity(&row.severity)?,
        source: parse_source(&row.source)?,
        labels: serde_json::from_str(&row.labels).map_err(Error::internal)?,
        annotations: serde_json::from_str(&row.annotations).map_err(Error::internal)?,
        receivers: serde_json::from_str(&row.receivers).map_err(Error::internal)?,
        title: row.title,
        content: row.content,
        sender: row.sender,
        key: row.key,
        link: row.link,
        count: row.count,
        reached: row.reached,
        first_at: row.first_at,
        started_at: row.started_at,
        ended_at: row.ended_at,
        last_at: row.last_at,
        throttled_until: row.throttled_until,
        muted_until: row.muted_until,
        finished_at: row.finished_at,
    })
}

/// A page of an event's time line, newest first.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// What happened.
    pub entries: Vec<TimelineEntry>,
    /// There are older entries than this one, the last shown.
    pub older: Option<EntryId>,
    /// Whether there are more deliveries than the page shows.
    pub is_truncated: bool,
}

/// What happened to an event, and what went out because of it.
#[derive(Clone, Debug)]
pub struct TimelineEntry {
    /// What it was.
    pub kind: EntryKind,
    /// The portal's name or the username.
    pub actor: String,
    /// What it said, where that differs from the event's first words.
    pub title: String,
    /// See `title`.
    pub content: String,
    /// How grave it was, when something came in.
    pub severity: Option<Severity>,
    /// The rules that were asked, with a word for [`outcome_key`](crate::alerts::outcome_key).
    pub rules: Vec<EvaluatedRule>,
    /// When it was.
    pub at: NaiveDateTime,
    /// Which firing of the event it was, when it was not the first.
    pub number: Option<i64>,
    /// Until when nobody was to be disturbed from there on.
    pub muted_until: Option<NaiveDateTime>,
    /// Who was to hear it, reached or not.
    pub deliveries: Vec<EntryDelivery>,
    /// The calls of the robots that the viewer may see.
    pub attempts: Vec<EntryAttempt>,
}

/// A rule that was asked.
#[derive(Clone, Debug, Deserialize)]
pub struct EvaluatedRule {
    /// Its name; empty for none.
    pub rule: String,
    /// What it said.
    pub outcome: String,
}

/// Somebody who was to hear of an entry.
#[derive(Clone, Debug)]
pub struct EntryDelivery {
    /// The delivery.
    pub id: DeliveryId,
    /// His name, as it was.
    pub recipient: String,
    /// Over which channel; nothing when he could not be reached.
    pub channel: Option<Channel>,
    /// How far it is.
    pub state: DeliveryState,
    /// Why: a word for [`reason_key`](crate::delivery::reason_key).
    pub reason: String,
    /// The names of the rules that chose him; empty when the sender named him.
    pub rule_names: String,
    /// Whether the viewer may open it.
    pub is_visible: bool,
    message: Option<MessageId>,
    entry: EntryId,
}

/// A call of a robot.
#[derive(Clone, Debug)]
pub struct EntryAttempt {
    /// The channel.
    pub channel: Channel,
    /// Host and last four characters of the webhook.
    pub robot: (String, String),
    /// The message, and of how many alerts it tells when it is a digest; else 0.
    pub message: (MessageId, i64),
    /// The call and its answer.
    pub attempt: Attempt,
}

/// The newest entries of an event of the tenant, or those older than the one named. Answers of robots are there for those in
/// scope alone.
///
/// # Errors
/// When the database cannot be read.
pub fn load_timeline(
    c: &mut AnyConnection,
    tenant: TenantId,
    event: &EventDetails,
    before: Option<EntryId>,
    scope: DeliveryScope,
) -> Result<Timeline> {
    let (mut entries, older) = load_entries(c, event, before)?;
    let Some(((newest, _), (oldest, _))) = entries.first().zip(entries.last()) else {
        return Ok(Timeline { entries: Vec::new(), older: None, is_truncated: false });
    };
    let (told_deliveries, is_truncated) = load_deliveries(c, tenant, event.id, (*oldest, *newest), scope)?;
    let mut attempts = load_attempts(c, &told_deliveries)?;
    let mut by_entry: HashMap<EntryId, Vec<EntryDelivery>> = HashMap::new();
    for delivery in told_deliveries {
        by_entry.entry(delivery.entry).or_default().push(delivery);
    }
    for (id, entry) in &mut entries {
        entry.deliveries = by_entry.remove(id).unwrap_or_default();
        let messages = entry.deliveries.iter().filter_map(|delivery| delivery.message);
        entry.attempts = messages.flat_map(|message| attempts.remove(&message).unwrap_or_default()).collect();
    }
    Ok(Timeline { entries: entries.into_iter().map(|(_, entry)| entry).collect(), older, is_truncated })
}

type EntryRow = (EntryId, String, String, String, String, String, String, NaiveDateTime);
type EntryPage = (Vec<(EntryId, TimelineEntry)>, Option<EntryId>);

fn load_entries(c: &mut AnyConnection, event: &EventDetails, before: Option<EntryId>) -> Result<EntryPage> {
    let mut query = alert_entries::table.filter(alert_entries::alert.eq(event.id)).into_boxed();
    if let Some(before) = before {
        query = query.filter(alert_entries::id.lt(before));
    }
    let mut rows: Vec<EntryRow> = query
        .order(alert_entries::id.desc())
        .limit(ENTRIES_PER_PAGE + 1)
        .select((
            alert_entries::id,
            alert_entries::kind,
            alert_entries::actor,
            alert_entries::title,
            alert_entries::content,
            alert_entries::severity,
            alert_entries::rules,
            alert_entries::at,
        ))
        .load(c)?;
    let shown = usize::try_from(ENTRIES_PER_PAGE).map_err(Error::internal)?;
    let has_older = rows.len() > shown;
    rows.truncate(shown);
    let older = rows.last().map(|row| row.0).filter(|_| has_older);
    let mut number = event.count - firings_since(c, event.id, before)?;
    let mut entries = Vec::new();
    for row in rows {
        let (id, mut entry) = parse_entry(row)?;
        if is_firing(entry.kind) {
            entry.number = (entry.kind == EntryKind::Repeated).then_some(number);
            number -= 1;
        }
        entries.push((id, entry));
    }
    Ok((entries, older))
}

fn is_firing(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::Firing | EntryKind::Repeated)
}

/// How many firings of an event are on the newer pages of its time line.
fn firings_since(c: &mut AnyConnection, event: AlertId, before: Option<EntryId>) -> Result<i64> {
    let Some(before) = before else { return Ok(0) };
    let kinds = EntryKind::ALL.into_iter().filter(|kind| is_firing(*kind)).map(EntryKind::as_str);
    Ok(alert_entries::table
        .filter(alert_entries::alert.eq(event))
        .filter(alert_entries::id.ge(before))
        .filter(alert_entries::kind.eq_any(kinds.collect::<Vec<_>>()))
        .count()
        .get_result(c)?)
}

fn parse_entry((id, kind, actor, title, content, word, rules, at): EntryRow) -> Result<(EntryId, TimelineEntry)> {
    let kind = EntryKind::parse(&kind).ok_or_else(|| Error::internal("a time line has an unknown entry"))?;
    let until = (kind == EntryKind::Muted).then(|| DateTime::parse_from_rfc3339(&content).ok()).flatten();
    let entry = TimelineEntry {
        kind,
        actor,
        title,
        content: if kind == EntryKind::Muted { String::new() } else { content },
        severity: Severity::parse(&word),
        rules: serde_json::from_str(&rules).map_err(Error::internal)?,
        at,
        number: None,
        muted_until: until.map(|until| until.naive_utc()),
        deliveries: Vec::new(),
        attempts: Vec::new(),
    };
    Ok((id, entry))
}

type EntryDeliveryRow =
    (DeliveryId, Option<EntryId>, Option<MemberId>, Option<MessageId>, String, String, (String, String, String));

/// Who was to hear of these entries, in the order in which they were put into the outbox, and whether there are more.
fn load_deliveries(
    c: &mut AnyConnection,
    tenant: TenantId,
    event: AlertId,
    (oldest, newest): (EntryId, EntryId),
    scope: DeliveryScope,
) -> Result<(Vec<EntryDelivery>, bool)> {
    let mut rows: Vec<EntryDeliveryRow> = deliveries::table
        .filter(deliveries::tenant.eq(tenant))
        .filter(deliveries::alert.eq(Some(event)))
        .filter(deliveries::entry.between(oldest, newest))
        .order(deliveries::id.desc())
        .limit(MAX_DELIVERIES_PER_PAGE + 1)
        .select((
            deliveries::id,
            deliveries::entry,
            deliveries::member,
            deliveries::message,
            deliveries::recipient,
            deliveries::channel,
            (deliveries::state, deliveries::reason, deliveries::rule_names),
        ))
        .load(c)?;
    let shown = usize::try_from(MAX_DELIVERIES_PER_PAGE).map_err(Error::internal)?;
    let is_truncated = rows.len() > shown;
    rows.truncate(shown);
    rows.reverse();
    let parse = |(id, entry, member, message, recipient, channel, rest): EntryDeliveryRow| {
        let (state, reason, rule_names) = rest;
        let state = DeliveryState::parse(&state).ok_or_else(|| Error::internal("a delivery has an unknown state"))?;
        let entry = entry.ok_or_else(|| Error::internal("a delivery of an alert has no entry"))?;
        let is_visible = match scope {
            DeliveryScope::Tenant => true,
            DeliveryScope::Member(own) => member == Some(own),
        };
        let channel = Channel::parse(&channel);
        Ok(EntryDelivery { id, recipient, channel, state, reason, rule_names, is_visible, message, entry })
    };
    Ok((rows.into_iter().map(parse).collect::<Result<_>>()?, is_truncated))
}

/// A call with its message (and of how many alerts that tells) and its robot.
type AttemptRow = ((MessageId, i64), (String, String, String), Attempt);

/// The calls for the deliveries that may be seen, by message.
fn load_attempts(
    c: &mut AnyConnection,
    entry_deliveries: &[EntryDelivery],
) -> Result<HashMap<MessageId, Vec<EntryAttempt>>> {
    let mut ids: Vec<MessageId> = entry_deliveries
        .iter()
        .filter(|delivery| delivery.is_visible)
        .filter_map(|delivery| delivery.message)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let mut attempts: HashMap<MessageId, Vec<EntryAttempt>> = HashMap::new();
    for ids in ids.chunks(ID_BATCH_SIZE) {
        let rows: Vec<AttemptRow> = attempts::table
            .inner_join(messages::table.inner_join(robots::table.on(robots::id.eq(messages::robot))))
            .filter(attempts::message.eq_any(ids))
            .order((attempts::message, attempts::number))
            .select((
                (attempts::message, messages::alert_count),
                (robots::channel, robots::host, robots::last_four),
                (
                    attempts::number,
                    attempts::started_at,
                    attempts::finished_at,
                    attempts::http_status,
                    attempts::code,
                    attempts::meaning,
                    attempts::answer,
                ),
            ))
            .load(c)?;
        for (message, (channel, host, last_four), attempt) in rows {
            let channel = Channel::parse(&channel).ok_or_else(|| Error::internal("a robot has an unknown channel"))?;
            let entry_attempt = EntryAttempt { channel, robot: (host, last_four), message, attempt };
            attempts.entry(message.0).or_default().push(entry_attempt);
        }
    }
    Ok(attempts)
}

/// A member's robot as a page names it.
#[derive(Clone, Debug)]
pub struct NamedRobot {
    /// The host of the webhook.
    pub host: String,
    /// Its last four characters.
    pub last_four: String,
    /// Whether the member has proven to read its group, and whether it works.
    pub state: ContactState,
}

/// The robots of these members of the tenant.
///
/// # Errors
/// When the database cannot be read.
pub fn find_named_robots(
    c: &mut AnyConnection,
    tenant: TenantId,
    ids: &[MemberId],
) -> Result<HashMap<(MemberId, RobotId), NamedRobot>> {
    let mut named = HashMap::new();
    for ids in ids.chunks(ID_BATCH_SIZE) {
        let rows: Vec<(MemberId, RobotId, String, String, String, bool)> = contacts::table
            .inner_join(robots::table)
            .filter(robots::tenant.eq(tenant))
            .filter(contacts::member.eq_any(ids))
            .select((
                contacts::member,
                contacts::robot,
                robots::host,
                robots::last_four,
                robots::state,
                contacts::verified_at.is_not_null(),
            ))
            .load(c)?;
        named.extend(rows.into_iter().map(|(member, robot, host, last_four, state, is_verified)| {
            let state = ContactState::of(is_verified, state == RobotState::Broken.as_str());
            ((member, robot), NamedRobot { host, last_four, state })
        }));
    }
    Ok(named)
}
