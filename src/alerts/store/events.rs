//! Events and their time lines.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    alerts::model::Incoming,
    db::{
        AlertId, AnyConnection, AtMost as _, EntryId, TenantId, change, directly,
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
    /// Somebody asked not to be disturbed by it.
    Quiet,
    /// Somebody took that back.
    Loud,
    /// Somebody finished it by hand.
    Finished,
}

impl EntryKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Firing, Self::Repeated, Self::Resolved, Self::Quiet, Self::Loud, Self::Finished];

    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Repeated => "repeated",
            Self::Resolved => "resolved",
            Self::Quiet => "quiet",
            Self::Loud => "loud",
            Self::Finished => "finished",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

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
    pub quiet_until: Option<NaiveDateTime>,
    /// The word of the door by which it came in first.
    pub source: String,
    /// When it was resolved or finished by hand.
    pub finished_at: Option<NaiveDateTime>,
    /// Until when its rules are silent.
    pub silent_until: Option<NaiveDateTime>,
}

impl Event {
    /// Whether the next firing of its key belongs to it.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.finished_at.is_none()
    }
}

/// What an [`Event`] is read from.
type Columns = (
    alerts::id,
    alerts::count,
    alerts::first_at,
    alerts::quiet_until,
    alerts::source,
    alerts::finished_at,
    alerts::silent_until,
);
const COLUMNS: Columns = (
    alerts::id,
    alerts::count,
    alerts::first_at,
    alerts::quiet_until,
    alerts::source,
    alerts::finished_at,
    alerts::silent_until,
);

/// What an alert does to its event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// For how many a message waits because of it.
    pub reached: i64,
    /// Until when nobody is to be disturbed.
    pub quiet_until: Option<NaiveDateTime>,
    /// Until when its rules are silent.
    pub silent_until: Option<NaiveDateTime>,
}

/// Counts one more firing of an open event; nothing when it is open no longer.
///
/// # Errors
/// When the database cannot be written.
pub fn repeat(
    c: &mut AnyConnection,
    event: AlertId,
    alert: &Incoming,
    mark: Mark,
    now: NaiveDateTime,
) -> Result<Option<Event>> {
    let open = alerts::id.eq(event).and(alerts::finished_at.is_null());
    let fired = (
        alerts::count.eq(alerts::count + 1),
        alerts::last_at.eq(now),
        alerts::severity.eq(alert.severity.as_str()),
        alerts::reached.eq(alerts::reached + mark.reached),
        alerts::silent_until.eq(mark.silent_until),
    );
    let fired = change(alerts::table, open).set(fired).returning(COLUMNS);
    Ok(fired.get_result::<Event>(c).optional()?)
}

/// A new event of a firing, unless there is an open one of its key by now.
///
/// # Errors
/// When the database cannot be written.
pub fn begin(
    c: &mut AnyConnection,
    tenant: TenantId,
    alert: &Incoming,
    sender: &str,
    mark: Mark,
    now: NaiveDateTime,
) -> Result<Option<Event>> {
    insert(c, tenant, alert, sender, (1, None), mark, now)
}

fn insert(
    c: &mut AnyConnection,
    tenant: TenantId,
    alert: &Incoming,
    sender: &str,
    (count, finished_at): (i64, Option<NaiveDateTime>),
    mark: Mark,
    now: NaiveDateTime,
) -> Result<Option<Event>> {
    let names: Vec<&str> = alert.receivers.iter().map(|name| name.as_str()).collect();
    let search_text = [&alert.title, &alert.key, sender].join("\n").to_ascii_lowercase();
    let row = (
        alerts::tenant.eq(tenant),
        alerts::source.eq(alert.source.as_str()),
        alerts::sender.eq(sender),
        alerts::key.eq(&alert.key),
        alerts::title.eq(&alert.title),
        alerts::content.eq(&alert.content),
        alerts::severity.eq(alert.severity.as_str()),
        alerts::link.eq(&alert.link),
        alerts::labels.eq(serde_json::to_string(&alert.labels).map_err(Error::internal)?),
        alerts::receivers.eq(serde_json::to_string(&names).map_err(Error::internal)?),
        alerts::search_text.eq(search_text),
        alerts::count.eq(count),
        alerts::reached.eq(mark.reached),
        alerts::first_at.eq(now),
        alerts::last_at.eq(now),
        alerts::quiet_until.eq(mark.quiet_until),
        alerts::silent_until.eq(mark.silent_until),
        alerts::finished_at.eq(finished_at),
    );
    let insert = diesel::insert_into(alerts::table).values(row);
    Ok(directly!(c, c => {
        insert.on_conflict_do_nothing().returning(COLUMNS).get_result::<Event>(c).optional()?
    }))
}

#[diesel::dsl::auto_type(no_type_alias)]
fn of_key<'k>(tenant: TenantId, key: &'k str) -> _ {
    let newest_first = alerts::id.desc();
    let columns: Columns = COLUMNS;
    alerts::table.filter(alerts::tenant.eq(tenant)).filter(alerts::key.eq(key)).order(newest_first).select(columns)
}

/// The latest event of a key, open or not.
///
/// # Errors
/// When the database cannot be read.
pub fn last_of_key(c: &mut AnyConnection, tenant: TenantId, key: &str) -> Result<Option<Event>> {
    Ok(of_key(tenant, key).first_row(c).optional()?)
}

/// The same, locked until the transaction ends: what is decided about an alert of this key depends on it.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_last_of_key(c: &mut AnyConnection, tenant: TenantId, key: &str) -> Result<Option<Event>> {
    Ok(match c {
        AnyConnection::Sqlite(c) => of_key(tenant, key).first_row(c).optional(),
        // Not as strongly as for deletion: the courier refers to the event while it holds a bell that is wanted here later.
        AnyConnection::Postgres(c) => of_key(tenant, key).for_no_key_update().first_row(c).optional(),
    }?)
}

/// Whether an event of this key is going on.
///
/// # Errors
/// When the database cannot be read.
pub fn is_open(c: &mut AnyConnection, tenant: TenantId, key: &str) -> Result<bool> {
    Ok(last_of_key(c, tenant, key)?.is_some_and(|event| event.is_open()))
}

/// The event that an alert resolves, and whether it was open. One that nobody knew is kept as an event that has ended.
///
/// # Errors
/// When the database cannot be used.
pub fn resolve(
    c: &mut AnyConnection,
    tenant: TenantId,
    alert: &Incoming,
    sender: &str,
    now: NaiveDateTime,
) -> Result<(Event, bool)> {
    let of_key = alerts::tenant.eq(tenant).and(alerts::key.eq(&alert.key));
    let open = of_key.and(alerts::finished_at.is_null());
    let ended = (alerts::finished_at.eq(Some(now)), alerts::last_at.eq(now));
    let ended = change(alerts::table, open).set(ended).returning(COLUMNS);
    let ended = ended.get_result::<Event>(c).optional()?;
    if let Some(event) = ended {
        return Ok((event, true));
    }
    let known = match last_of_key(c, tenant, &alert.key)? {
        Some(event) => Some(event),
        None => insert(c, tenant, alert, sender, (0, Some(now)), Mark::default(), now)?,
    };
    known.map(|event| (event, false)).ok_or_else(|| Error::unavailable("an event begins and ends all the time"))
}

/// What a new entry of a time line says.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'e> {
    /// What happened.
    pub kind: EntryKind,
    /// The portal's name or the username.
    pub actor: &'e str,
    /// What came in, when something did.
    pub alert: Option<&'e Incoming>,
    /// JSON list of {rule, outcome}.
    pub rules: &'e str,
    /// How many receivers were chosen, with those who cannot be reached: as many deliveries are to be written for it.
    pub chosen: usize,
}

/// Adds to an event's time line.
///
/// # Errors
/// When the database cannot be written.
pub fn add_entry(c: &mut AnyConnection, event: AlertId, entry: NewEntry<'_>, now: NaiveDateTime) -> Result<EntryId> {
    // The event keeps its first words itself.
    let words = entry.alert.filter(|_| entry.kind != EntryKind::Firing);
    let row = (
        alert_entries::alert.eq(event),
        alert_entries::kind.eq(entry.kind.as_str()),
        alert_entries::actor.eq(entry.actor),
        alert_entries::title.eq(words.map(|alert| alert.title.as_str()).unwrap_or_default()),
        alert_entries::content.eq(words.map(|alert| alert.content.as_str()).unwrap_or_default()),
        alert_entries::severity.eq(entry.alert.map(|alert| alert.severity.as_str()).unwrap_or_default()),
        alert_entries::rules.eq(entry.rules),
        alert_entries::at.eq(now),
        alert_entries::chosen.eq(Some(i64::try_from(entry.chosen).map_err(Error::internal)?)),
    );
    let entry = diesel::insert_into(alert_entries::table).values(row).returning(alert_entries::id);
    Ok(directly!(c, c => entry.get_result(c)?))
}

/// Notes which form of the page Fire Alert made an entry, so that a second click on it fires nothing.
///
/// # Errors
/// [`Error::Taken`] when that form has made one already.
pub fn note_form(c: &mut AnyConnection, entry: EntryId, form: &[u8]) -> Result<()> {
    diesel::update(alert_entries::table.find(entry)).set(alert_entries::form_hash.eq(Some(form))).execute(c)?;
    Ok(())
}

/// The event that a form of the page Fire Alert was about, if it has fired already.
///
/// # Errors
/// When the database cannot be read.
pub fn fired_by_form(c: &mut AnyConnection, tenant: TenantId, form: &[u8]) -> Result<Option<AlertId>> {
    let entry = alert_entries::table
        .inner_join(alerts::table)
        .filter(alert_entries::form_hash.eq(Some(form)))
        .filter(alerts::tenant.eq(tenant))
        .select(alerts::id);
    Ok(entry.first_row(c).optional()?)
}

/// The name of a tenant and the time zone of its clocks, as they are stored.
///
/// # Errors
/// When the database cannot be read.
pub fn name_and_zone(c: &mut AnyConnection, tenant: TenantId) -> Result<(String, String)> {
    let found = tenants::table.find(tenant).select((tenants::name, tenants::time_zone));
    Ok(directly!(c, c => found.first_row(c)?))
}
