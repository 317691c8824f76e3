//! The list of alert events.

use chrono::NaiveDateTime;
use diesel::{
    dsl::{exists, sql},
    prelude::*,
    sql_types::{Bool, Text},
};

use crate::{
    alerts::{
        list::{EventFilter, EventPosition},
        model::{EventStatus, Severity, Source},
    },
    db::{
        AlertId, AnyConnection, Cursor, Keyset, TenantId, position_function_sql,
        schema::{alerts, deliveries},
    },
    error::{Error, Result},
};

/// An event as a list shows it.
#[derive(Clone, Debug)]
pub struct EventRow {
    /// Its id.
    pub id: AlertId,
    /// Its headline.
    pub title: String,
    /// How grave it is.
    pub severity: Severity,
    /// By which door it came in.
    pub source: Source,
    /// Who sent it first.
    pub sender: String,
    /// How many firings came in.
    pub count: i64,
    /// How many of its receivers could be reached, over all firings.
    pub reached: i64,
    /// When it began: by its sender, or else when it came in.
    pub first_at: NaiveDateTime,
    /// When the last alert of it came in.
    pub last_at: NaiveDateTime,
    throttled_until: Option<NaiveDateTime>,
    muted_until: Option<NaiveDateTime>,
    finished_at: Option<NaiveDateTime>,
}

impl EventRow {
    /// How it stands at this moment.
    #[must_use]
    pub fn status(&self, now: &NaiveDateTime) -> EventStatus {
        EventStatus::from_timestamps(*now, self.finished_at, self.muted_until, self.throttled_until)
    }

    /// Until when nobody is to be disturbed, if that holds at this moment.
    #[must_use]
    pub fn is_quiet_until(&self, now: &NaiveDateTime) -> Option<NaiveDateTime> {
        self.muted_until.filter(|until| self.finished_at.is_none() && until > now)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = alerts)]
struct Row {
    id: AlertId,
    title: String,
    severity: String,
    source: String,
    sender: String,
    count: i64,
    reached: i64,
    first_at: NaiveDateTime,
    started_at: Option<NaiveDateTime>,
    last_at: NaiveDateTime,
    throttled_until: Option<NaiveDateTime>,
    muted_until: Option<NaiveDateTime>,
    finished_at: Option<NaiveDateTime>,
}

impl TryFrom<Row> for EventRow {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            title: row.title,
            severity: parse_severity(&row.severity)?,
            source: parse_source(&row.source)?,
            sender: row.sender,
            count: row.count,
            reached: row.reached,
            first_at: row.started_at.unwrap_or(row.first_at),
            last_at: row.last_at,
            throttled_until: row.throttled_until,
            muted_until: row.muted_until,
            finished_at: row.finished_at,
        })
    }
}

pub(super) fn parse_severity(word: &str) -> Result<Severity> {
    Severity::parse(word).ok_or_else(|| Error::internal("an alert has an unknown severity"))
}

pub(super) fn parse_source(word: &str) -> Result<Source> {
    Source::parse(word).ok_or_else(|| Error::internal("an alert has an unknown source"))
}

/// One page of the tenant's events, the one with the newest alert first.
///
/// The page is found by the place of the row next to it in the index, so it costs the same wherever it is; nothing is counted.
///
/// # Errors
/// When the database cannot be read.
pub fn list(
    c: &mut AnyConnection,
    tenant: TenantId,
    filter: &EventFilter,
) -> Result<(Vec<EventRow>, Keyset<EventPosition>)> {
    let seek = filter.seek;
    let query = filter_query(tenant, filter, position_function_sql(c));
    let query = match (seek.before.and_then(EventPosition::to_parts), seek.after.and_then(EventPosition::to_parts)) {
        // The first comparison is what the index is entered by; the second one tells those of one moment apart.
        (Some((at, id)), _) => query
            .filter(alerts::last_at.le(at))
            .filter(alerts::last_at.lt(at).or(alerts::id.lt(id)))
            .order((alerts::last_at.desc(), alerts::id.desc())),
        (None, Some((at, id))) => query
            .filter(alerts::last_at.ge(at))
            .filter(alerts::last_at.gt(at).or(alerts::id.gt(id)))
            .order((alerts::last_at.asc(), alerts::id.asc())),
        (None, None) => query.order((alerts::last_at.desc(), alerts::id.desc())),
    };
    let rows: Vec<Row> = query.limit(Cursor::QUERY_LIMIT).select(Row::as_select()).load(c)?;
    let (rows, keyset) = seek.page(rows, |row| EventPosition::for_event(row.last_at, row.id));
    Ok((rows.into_iter().map(EventRow::try_from).collect::<Result<_>>()?, keyset))
}

/// The tenant's so many events with the newest alerts.
///
/// # Errors
/// When the database cannot be read.
pub fn latest(c: &mut AnyConnection, tenant: TenantId, count: i64) -> Result<Vec<EventRow>> {
    let rows: Vec<Row> = alerts::table
        .filter(alerts::tenant.eq(tenant))
        .order((alerts::last_at.desc(), alerts::id.desc()))
        .limit(count)
        .select(Row::as_select())
        .load(c)?;
    rows.into_iter().map(EventRow::try_from).collect()
}

type Backend = <AnyConnection as Connection>::Backend;

fn filter_query<'q>(tenant: TenantId, filter: &EventFilter, position: &str) -> alerts::BoxedQuery<'q, Backend> {
    let mut query = alerts::table.filter(alerts::tenant.eq(tenant)).into_boxed();
    if !filter.text.is_empty() {
        let contains = sql::<Bool>(&format!("{position}(alerts.search_text, "));
        query = query.filter(contains.bind::<Text, _>(filter.text.clone()).sql(") > 0"));
    }
    if let Some(severity) = filter.severity {
        query = query.filter(alerts::severity.eq(severity.as_str()));
    }
    if let Some(source) = filter.source {
        query = query.filter(alerts::source.eq(source.as_str()));
    }
    if let Some(member) = filter.recipient {
        let of_event = deliveries::table.filter(deliveries::alert.eq(alerts::id.nullable()));
        query = query.filter(exists(of_event.filter(deliveries::member.eq(Some(member))).select(deliveries::id)));
    }
    if let Some(from) = filter.from {
        query = query.filter(alerts::last_at.ge(from));
    }
    if let Some(until) = filter.until {
        query = query.filter(alerts::last_at.lt(until));
    }
    match filter.status {
        Some(status) => with_status(query, status, filter.now),
        None => query,
    }
}

/// Only the events that [`EventStatus::from_timestamps`] calls so.
fn with_status<'q>(
    query: alerts::BoxedQuery<'q, Backend>,
    status: EventStatus,
    now: NaiveDateTime,
) -> alerts::BoxedQuery<'q, Backend> {
    if status == EventStatus::Finished {
        return query.filter(alerts::finished_at.is_not_null());
    }
    let open = query.filter(alerts::finished_at.is_null());
    if status == EventStatus::Muted {
        return open.filter(alerts::muted_until.gt(now));
    }
    let unmuted = open.filter(alerts::muted_until.is_null().or(alerts::muted_until.le(now)));
    if status == EventStatus::Throttled {
        return unmuted.filter(alerts::throttled_until.gt(now));
    }
    unmuted.filter(alerts::throttled_until.is_null().or(alerts::throttled_until.le(now)))
}
