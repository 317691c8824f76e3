//! Events and their time lines.

use chrono::NaiveDateTime;
use diesel::{dsl::Eq, prelude::*};

use crate::{
    accounts::Username,
    alerts::model::{IncomingAlert, Severity, Signal, Source},
    db::{
        AlertId, AnyConnection, EntryId, LimitConst as _, TenantId, cached_update, on_backend,
        schema::{alert_entries, alerts, tenants},
    },
    error::{Error, Result},
};

/// What an alert did to its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// The event began.
    Firing,
    /// It fired again.
    Repeated,
    /// It was resolved.
    Resolved,
    /// A user muted it.
    Muted,
    /// A user unmuted it.
    Unmuted,
    /// It was over, and the alerts it had suppressed were notified of.
    MuteEnded,
    /// A user finished it by hand.
    Finished,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Firing, Self::Repeated, Self::Resolved, Self::Muted, Self::Unmuted, Self::MuteEnded, Self::Finished];

    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Repeated => "repeated",
            Self::Resolved => "resolved",
            Self::Muted => "quiet",
            Self::Unmuted => "loud",
            Self::MuteEnded => "quiet-ended",
            Self::Finished => "finished",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// What makes two alerts the same event: the key, within a tenant, of one sender.
#[derive(Clone, Copy, Debug)]
pub struct EventKey<'k> {
    /// The tenant.
    pub tenant: TenantId,
    /// Whose key it is, as [`AlertContext::key_owner`](crate::alerts::AlertContext::key_owner) says it.
    pub owner: &'k str,
    /// The key.
    pub key: &'k str,
}

/// The owner of the keys of events that were stored before keys had owners: they belong to whoever sends their key next.
const UNOWNED: &str = "";

/// An event, as far as a new alert needs to know it.
#[derive(Clone, Debug, Queryable)]
pub struct Event {
    /// Its id.
    pub id: AlertId,
    /// How many firings came in, this one included.
    pub count: i64,
    /// When it began.
    pub first_at: NaiveDateTime,
    /// Until when nobody is to be disturbed.
    pub muted_until: Option<NaiveDateTime>,
    /// The word of the door by which it came in first.
    pub source: String,
    /// When it was resolved or finished by hand.
    pub finished_at: Option<NaiveDateTime>,
    /// Until when its rules are silent.
    pub throttled_until: Option<NaiveDateTime>,
    /// The gravest firing that do not disturb suppressed and nobody has been notified of since.
    pub suppressed_entry: Option<EntryId>,
    /// When it began by its sender.
    pub started_at: Option<NaiveDateTime>,
}

impl Event {
    /// When it began: by its sender, or else when it came in.
    #[must_use]
    pub fn began_at(&self) -> NaiveDateTime {
        self.started_at.unwrap_or(self.first_at)
    }

    /// The event that a firing begins, before it is written.
    #[must_use]
    pub fn from_firing(alert: &IncomingAlert, now: NaiveDateTime) -> Self {
        Self {
            id: AlertId(0),
            count: 1,
            first_at: now,
            muted_until: None,
            source: alert.source.as_str().to_owned(),
            finished_at: None,
            throttled_until: None,
            suppressed_entry: None,
            started_at: alert.plausible_start(now),
        }
    }

    /// Whether the next firing of its key belongs to it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.finished_at.is_none()
    }

    /// Until when nobody is to be disturbed, if that holds now. It ends with the event.
    #[must_use]
    pub fn active_mute_until(&self, now: NaiveDateTime) -> Option<NaiveDateTime> {
        self.muted_until.filter(|until| self.is_open() && *until > now)
    }
}

/// What an [`Event`] is read from.
type EventColumns = (
    alerts::id,
    alerts::count,
    alerts::first_at,
    alerts::muted_until,
    alerts::source,
    alerts::finished_at,
    alerts::throttled_until,
    alerts::suppressed_entry,
    alerts::started_at,
);
const EVENT_COLUMNS: EventColumns = (
    alerts::id,
    alerts::count,
    alerts::first_at,
    alerts::muted_until,
    alerts::source,
    alerts::finished_at,
    alerts::throttled_until,
    alerts::suppressed_entry,
    alerts::started_at,
);

/// What an alert does to its event.
#[derive(Clone, Copy, Debug, Default)]
pub struct EventUpdate {
    /// For how many a message waits because of it.
    pub reached: i64,
    /// Until when its rules are silent.
    pub throttled_until: Option<NaiveDateTime>,
    /// When it began by its sender.
    pub started_at: Option<NaiveDateTime>,
}

/// Counts one more firing of an open event; nothing when it is open no longer.
///
/// # Errors
/// When the database cannot be written.
pub fn record_repeat(
    c: &mut AnyConnection,
    event: AlertId,
    owner: &str,
    alert: &IncomingAlert,
    update: EventUpdate,
    now: NaiveDateTime,
) -> Result<Option<Event>> {
    let is_owned = alerts::key_owner.eq(owner).or(alerts::key_owner.eq(UNOWNED));
    let open = alerts::id.eq(event).and(alerts::finished_at.is_null()).and(is_owned);
    let fired = (
        alerts::key_owner.eq(owner),
        alerts::started_at.eq(update.started_at),
        alerts::count.eq(alerts::count + 1),
        alerts::last_at.eq(now),
        alerts::severity.eq(alert.severity.as_str()),
        alerts::reached.eq(alerts::reached + update.reached),
        alerts::throttled_until.eq(update.throttled_until),
    );
    let fired = cached_update(alerts::table, open).set(fired).returning(EVENT_COLUMNS);
    Ok(fired.get_result::<Event>(c).optional()?)
}

/// A new event of a firing, unless there is an open one of its key by now.
///
/// # Errors
/// When the database cannot be written.
pub fn create(
    c: &mut AnyConnection,
    event_key: EventKey<'_>,
    alert: &IncomingAlert,
    sender: &str,
    update: EventUpdate,
    now: NaiveDateTime,
) -> Result<Option<Event>> {
    insert(c, event_key, alert, sender, (1, None), update, now)
}

fn insert(
    c: &mut AnyConnection,
    event_key: EventKey<'_>,
    alert: &IncomingAlert,
    sender: &str,
    (count, finished_at): (i64, Option<NaiveDateTime>),
    update: EventUpdate,
    now: NaiveDateTime,
) -> Result<Option<Event>> {
    let names: Vec<&str> = alert.receivers.iter().map(|name| name.as_str()).collect();
    let search_text = [&alert.title, &alert.key, sender].join("\n").to_ascii_lowercase();
    let row = (
        alerts::tenant.eq(event_key.tenant),
        alerts::source.eq(alert.source.as_str()),
        alerts::sender.eq(sender),
        alerts::key_owner.eq(event_key.owner),
        alerts::key.eq(&alert.key),
        alerts::title.eq(&alert.title),
        alerts::content.eq(&alert.content),
        alerts::severity.eq(alert.severity.as_str()),
        alerts::link.eq(&alert.link),
        alerts::labels.eq(serde_json::to_string(&alert.labels).map_err(Error::internal)?),
        alerts::annotations.eq(serde_json::to_string(&alert.annotations).map_err(Error::internal)?),
        alerts::receivers.eq(serde_json::to_string(&names).map_err(Error::internal)?),
        alerts::search_text.eq(search_text),
        alerts::count.eq(count),
        alerts::reached.eq(update.reached),
        alerts::first_at.eq(now),
        alerts::last_at.eq(now),
        alerts::throttled_until.eq(update.throttled_until),
        alerts::finished_at.eq(finished_at),
        alerts::started_at.eq(update.started_at),
        alerts::ended_at.eq(finished_at.and_then(|now| alert.plausible_end(now))),
    );
    let insert = diesel::insert_into(alerts::table).values(row);
    Ok(on_backend!(c, c => {
        insert.on_conflict_do_nothing().returning(EVENT_COLUMNS).get_result::<Event>(c).optional()?
    }))
}

#[diesel::dsl::auto_type(no_type_alias)]
fn latest_of_key_query<'k>(tenant: TenantId, owner: &'k str, key: &'k str) -> _ {
    let newest_first = alerts::id.desc();
    let columns: EventColumns = EVENT_COLUMNS;
    let nobody: &'static str = UNOWNED;
    let is_owned = alerts::key_owner.eq(owner).or(alerts::key_owner.eq(nobody));
    let known = alerts::table.filter(alerts::tenant.eq(tenant)).filter(alerts::key.eq(key)).filter(is_owned);
    known.order(newest_first).select(columns)
}

/// The latest event of a key, open or not.
///
/// # Errors
/// When the database cannot be read.
pub fn last_of_key(c: &mut AnyConnection, event_key: EventKey<'_>) -> Result<Option<Event>> {
    Ok(latest_of_key_query(event_key.tenant, event_key.owner, event_key.key).first_cached(c).optional()?)
}

/// The same, locked until the transaction ends: what is decided about an alert of this key depends on it.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_last_of_key(c: &mut AnyConnection, event_key: EventKey<'_>) -> Result<Option<Event>> {
    let query = latest_of_key_query(event_key.tenant, event_key.owner, event_key.key);
    Ok(match c {
        AnyConnection::Sqlite(c) => query.first_cached(c).optional(),
        // Not as strongly as for deletion: the delivery worker refers to the event while it holds an endpoint that is wanted here later.
        AnyConnection::Postgres(c) => query.for_no_key_update().first_cached(c).optional(),
    }?)
}

/// Whether an event of this key is going on.
///
/// # Errors
/// When the database cannot be read.
pub fn is_open(c: &mut AnyConnection, event_key: EventKey<'_>) -> Result<bool> {
    Ok(last_of_key(c, event_key)?.is_some_and(|event| event.is_open()))
}

/// Whether another sender has an open event of this key.
///
/// # Errors
/// When the database cannot be read.
pub fn is_open_for_other_owner(c: &mut AnyConnection, event_key: EventKey<'_>) -> Result<bool> {
    let others = alerts::table
        .filter(alerts::tenant.eq(event_key.tenant))
        .filter(alerts::key.eq(event_key.key))
        .filter(alerts::finished_at.is_null())
        .filter(alerts::key_owner.ne(event_key.owner).and(alerts::key_owner.ne(UNOWNED)))
        .select(alerts::id);
    Ok(others.first_cached::<AlertId, _>(c).optional()?.is_some())
}

/// The event that an alert resolves, and whether it was open. One that nobody knew is kept as an event that has ended.
///
/// # Errors
/// When the database cannot be used.
pub fn resolve(
    c: &mut AnyConnection,
    event_key: EventKey<'_>,
    alert: &IncomingAlert,
    sender: &str,
    now: NaiveDateTime,
) -> Result<(Event, bool)> {
    let is_owned = alerts::key_owner.eq(event_key.owner).or(alerts::key_owner.eq(UNOWNED));
    let of_key = alerts::tenant.eq(event_key.tenant).and(alerts::key.eq(&alert.key)).and(is_owned);
    let open = of_key.and(alerts::finished_at.is_null());
    let ended = (
        alerts::key_owner.eq(event_key.owner),
        alerts::finished_at.eq(Some(now)),
        alerts::last_at.eq(now),
        alerts::ended_at.eq(alert.plausible_end(now)),
        unmute(),
    );
    let ended = cached_update(alerts::table, open).set(ended).returning(EVENT_COLUMNS);
    let ended = ended.get_result::<Event>(c).optional()?;
    if let Some(event) = ended {
        return Ok((event, true));
    }
    let update = EventUpdate { started_at: alert.plausible_start(now), ..EventUpdate::default() };
    let known = match last_of_key(c, event_key)? {
        Some(event) => Some(event),
        None => insert(c, event_key, alert, sender, (0, Some(now)), update, now)?,
    };
    known.map(|event| (event, false)).ok_or_else(|| Error::unavailable("an event begins and ends all the time"))
}

/// What lifts do not disturb, as the end of an event does; what it suppressed is not notified of later.
pub(super) fn unmute() -> Unmute {
    (alerts::muted_until.eq(None), alerts::suppressed_entry.eq(None))
}

type Unmute = (Eq<alerts::muted_until, Option<NaiveDateTime>>, Eq<alerts::suppressed_entry, Option<EntryId>>);

/// The severity of what an entry of a time line says.
///
/// # Errors
/// When the database cannot be read.
pub fn entry_severity(c: &mut AnyConnection, entry: EntryId) -> Result<Option<Severity>> {
    let severity = alert_entries::table.find(entry).select(alert_entries::severity);
    Ok(severity.first_cached::<String, _>(c).optional()?.and_then(|as_str| Severity::parse(&as_str)))
}

/// Notes that do not disturb suppressed this firing: one notification says it when do not disturb ends, unless a graver one is
/// noted already.
///
/// # Errors
/// When the database cannot be used.
pub fn record_suppressed(
    c: &mut AnyConnection,
    event: &Event,
    entry: EntryId,
    severity: Severity,
    now: NaiveDateTime,
) -> Result<()> {
    let recorded = event.suppressed_entry.map(|recorded| entry_severity(c, recorded)).transpose()?.flatten();
    if recorded.is_none_or(|recorded| severity >= recorded) {
        let gravest = alerts::suppressed_entry.eq(Some(entry));
        diesel::update(alerts::table.find(event.id)).set(gravest).execute(c)?;
    }
    if severity == Severity::Critical {
        let critical = alerts::suppressed_critical_at.eq(Some(now));
        diesel::update(alerts::table.find(event.id)).set(critical).execute(c)?;
    }
    Ok(())
}

/// Forgets what do not disturb suppressed: it is being notified of.
///
/// # Errors
/// When the database cannot be written.
pub fn clear_suppressed(c: &mut AnyConnection, event: AlertId) -> Result<()> {
    let nothing = alerts::suppressed_entry.eq(None::<EntryId>);
    diesel::update(alerts::table.find(event)).set(nothing).execute(c)?;
    Ok(())
}

/// Ends do not disturb for an open event, with the notification of what it suppressed.
///
/// # Errors
/// When the database cannot be written.
pub fn end_mute(c: &mut AnyConnection, event: AlertId, update: EventUpdate) -> Result<()> {
    let reached = alerts::reached.eq(alerts::reached + update.reached);
    let ended = (reached, alerts::throttled_until.eq(update.throttled_until), unmute());
    diesel::update(alerts::table.find(event)).set(ended).execute(c)?;
    Ok(())
}

/// Open events whose do not disturb is over and suppressed something that nobody has been notified of, at most so many.
///
/// # Errors
/// When the database cannot be read.
pub fn find_expired_mutes(c: &mut AnyConnection, now: NaiveDateTime, limit: i64) -> Result<Vec<(TenantId, AlertId)>> {
    let ended = alerts::table
        .inner_join(tenants::table.on(tenants::id.eq(alerts::tenant)))
        .filter(tenants::deleted_at.is_null())
        .filter(alerts::suppressed_entry.is_not_null())
        .filter(alerts::finished_at.is_null())
        .filter(alerts::muted_until.le(now))
        .order((alerts::muted_until, alerts::id))
        .limit(limit)
        .select((alerts::tenant, alerts::id));
    Ok(ended.load(c)?)
}

/// The same event, locked until the transaction ends, if it is still one of them.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_expired_mute(c: &mut AnyConnection, id: AlertId, now: NaiveDateTime) -> Result<Option<Event>> {
    let event = alerts::table
        .filter(alerts::id.eq(id))
        .filter(alerts::suppressed_entry.is_not_null())
        .filter(alerts::finished_at.is_null())
        .filter(alerts::muted_until.le(now))
        .select(EVENT_COLUMNS);
    Ok(match c {
        AnyConnection::Sqlite(c) => event.first::<Event>(c).optional(),
        AnyConnection::Postgres(c) => event.for_no_key_update().first::<Event>(c).optional(),
    }?)
}

/// A firing as it came in, put together from its event and its entry of the time line, and when it came in. The event keeps its
/// first words itself, and labels, link and named receivers alone.
///
/// # Errors
/// When the database cannot be read.
pub fn load_firing(
    c: &mut AnyConnection,
    event: AlertId,
    entry: EntryId,
) -> Result<(IncomingAlert, String, NaiveDateTime)> {
    type First = (String, String, String, String, String, String, (String, String), String);
    let (source, sender, key, title, content, link, (labels, annotations), receivers): First = alerts::table
        .find(event)
        .select((
            alerts::source,
            alerts::sender,
            alerts::key,
            alerts::title,
            alerts::content,
            alerts::link,
            (alerts::labels, alerts::annotations),
            alerts::receivers,
        ))
        .first_cached(c)?;
    let (said_title, said_content, severity, at): (String, String, String, NaiveDateTime) = alert_entries::table
        .find(entry)
        .select((alert_entries::title, alert_entries::content, alert_entries::severity, alert_entries::at))
        .first_cached(c)?;
    let names: Vec<String> = serde_json::from_str(&receivers).map_err(Error::internal)?;
    let has_words = !said_title.is_empty();
    let alert = IncomingAlert {
        source: Source::parse(&source).ok_or_else(|| Error::internal("an alert has an unknown source"))?,
        signal: Signal::Firing,
        key,
        title: if has_words { said_title } else { title },
        content: if has_words { said_content } else { content },
        severity: Severity::parse(&severity).ok_or_else(|| Error::internal("a firing has an unknown severity"))?,
        link,
        labels: serde_json::from_str(&labels).map_err(Error::internal)?,
        annotations: serde_json::from_str(&annotations).map_err(Error::internal)?,
        starts_at: None,
        ends_at: None,
        receivers: names.iter().filter_map(|name| stored_receiver(event, name)).collect(),
    };
    Ok((alert, sender, at))
}

/// A named receiver as he is stored; nothing, and a line in the log, when the rule for usernames has changed since.
fn stored_receiver(event: AlertId, name: &str) -> Option<Username> {
    let username = Username::parse(name).ok();
    if username.is_none() {
        tracing::warn!(alert = %event, receiver = ?name, "receiver left out: not a username");
    }
    username
}

/// What a new entry of a time line says.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'e> {
    /// What happened.
    pub kind: EntryKind,
    /// The portal's name or the username.
    pub actor: &'e str,
    /// What came in, when something did.
    pub alert: Option<&'e IncomingAlert>,
    /// JSON list of {rule, outcome}.
    pub rules: &'e str,
    /// How many receivers were chosen, with those who cannot be reached: as many deliveries are to be written for it.
    pub recipient_count: usize,
}

/// Adds to an event's time line.
///
/// # Errors
/// When the database cannot be written.
pub fn add_entry(c: &mut AnyConnection, event: AlertId, entry: NewEntry<'_>, now: NaiveDateTime) -> Result<EntryId> {
    // The event keeps its first words itself.
    let text = entry.alert.filter(|_| entry.kind != EntryKind::Firing);
    let row = (
        alert_entries::alert.eq(event),
        alert_entries::kind.eq(entry.kind.as_str()),
        alert_entries::actor.eq(entry.actor),
        alert_entries::title.eq(text.map(|alert| alert.title.as_str()).unwrap_or_default()),
        alert_entries::content.eq(text.map(|alert| alert.content.as_str()).unwrap_or_default()),
        alert_entries::severity.eq(entry.alert.map(|alert| alert.severity.as_str()).unwrap_or_default()),
        alert_entries::rules.eq(entry.rules),
        alert_entries::at.eq(now),
        alert_entries::recipient_count.eq(Some(i64::try_from(entry.recipient_count).map_err(Error::internal)?)),
    );
    let entry = diesel::insert_into(alert_entries::table).values(row).returning(alert_entries::id);
    Ok(on_backend!(c, c => entry.get_result(c)?))
}

/// Notes which form of the page Fire Alert made an entry, so that a second click on it fires nothing.
///
/// # Errors
/// [`Error::AlreadyExists`] when that form has made one already.
pub fn record_form_hash(c: &mut AnyConnection, entry: EntryId, form: &[u8]) -> Result<()> {
    diesel::update(alert_entries::table.find(entry)).set(alert_entries::form_hash.eq(Some(form))).execute(c)?;
    Ok(())
}

/// The event that a form of the page Fire Alert was about, if it has fired already.
///
/// # Errors
/// When the database cannot be read.
pub fn find_by_form_hash(c: &mut AnyConnection, tenant: TenantId, form: &[u8]) -> Result<Option<AlertId>> {
    let entry = alert_entries::table
        .inner_join(alerts::table)
        .filter(alert_entries::form_hash.eq(Some(form)))
        .filter(alerts::tenant.eq(tenant))
        .select(alerts::id);
    Ok(entry.first_cached(c).optional()?)
}

/// The name of a tenant and the time zone of its clocks, as they are stored.
///
/// # Errors
/// When the database cannot be read.
pub fn tenant_name_and_zone(c: &mut AnyConnection, tenant: TenantId) -> Result<(String, String)> {
    let found = tenants::table.find(tenant).select((tenants::name, tenants::time_zone));
    Ok(on_backend!(c, c => found.first_cached(c)?))
}
