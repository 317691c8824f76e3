//! Reading alert rules, as those that decide about an alert need them.

use std::collections::{BTreeMap, HashMap};

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{prelude::*, upsert::excluded};
use serde::{Deserialize, Serialize};

use crate::{
    access::Role,
    alerts::{
        choose::Sent,
        model::{Matcher, Operator, Receiver, Rule, Severity, Source, Window},
    },
    db::{
        AccountId, AlertId, AnyConnection, GroupId, RuleId, ScheduleId, TenantId,
        schema::{alert_rules, rule_receivers, rule_sends},
    },
    error::{Error, Result},
    robots::Channel,
};

/// A matcher in the column `matchers`.
#[derive(Serialize, Deserialize)]
struct StoredMatcher {
    label: String,
    operator: Operator,
    value: String,
}

/// The column `matchers` for these matchers.
///
/// # Errors
/// Never for what a form accepted.
pub fn write_matchers(matchers: &[Matcher]) -> Result<String> {
    let stored = matchers.iter().map(|Matcher { label, operator, value, .. }| StoredMatcher {
        label: label.clone(),
        operator: *operator,
        value: value.clone(),
    });
    serde_json::to_string(&stored.collect::<Vec<_>>()).map_err(Error::internal)
}

/// The matchers in the column `matchers`.
///
/// # Errors
/// When it was not written by [`write_matchers`].
pub fn read_matchers(column: &str) -> Result<Vec<Matcher>> {
    let stored: Vec<StoredMatcher> = serde_json::from_str(column).map_err(Error::internal)?;
    stored
        .into_iter()
        .map(|StoredMatcher { label, operator, value }| {
            Matcher::new(label, operator, value).ok_or_else(|| Error::internal("a rule has an unreadable expression"))
        })
        .collect()
}

/// A row of `alert_rules`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = alert_rules)]
struct Row {
    id: RuleId,
    name: String,
    severity: String,
    source: String,
    matchers: String,
    channels: String,
    frequency: i64,
    max_sends: Option<i64>,
    window_from: Option<i64>,
    window_to: Option<i64>,
}

impl Row {
    fn rule(self, receivers: Vec<Receiver>) -> Result<Rule> {
        let minute = |minute: i64| u16::try_from(minute).map_err(Error::internal);
        let window = match (self.window_from, self.window_to) {
            (Some(from), Some(to)) => Some(Window { from: minute(from)?, to: minute(to)? }),
            _ => None,
        };
        Ok(Rule {
            id: self.id,
            severity: Severity::parse(&self.severity)
                .ok_or_else(|| Error::internal("a rule has an unknown severity"))?,
            source: Source::parse(&self.source),
            matchers: read_matchers(&self.matchers)?,
            channels: self.channels.split(',').filter_map(Channel::parse).collect(),
            frequency: TimeDelta::minutes(self.frequency),
            max_sends: self.max_sends,
            window,
            receivers,
            name: self.name,
        })
    }
}

/// The tenant's rules that are on, by name.
///
/// # Errors
/// When the database cannot be read.
pub fn active(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<Rule>> {
    let rows: Vec<Row> = alert_rules::table
        .filter(alert_rules::tenant.eq(tenant))
        .filter(alert_rules::is_on.eq(true))
        .order(alert_rules::name_key)
        .select(Row::as_select())
        .load(c)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut receivers = receivers(c, tenant)?;
    rows.into_iter()
        .map(|row| {
            let receivers = receivers.remove(&row.id).unwrap_or_default();
            row.rule(receivers)
        })
        .collect()
}

/// Whom the tenant's rules ring, by rule.
///
/// # Errors
/// When the database cannot be read.
pub fn receivers(c: &mut AnyConnection, tenant: TenantId) -> Result<HashMap<RuleId, Vec<Receiver>>> {
    let rows: Vec<(RuleId, String, i64, String)> = rule_receivers::table
        .inner_join(alert_rules::table.on(alert_rules::id.eq(rule_receivers::rule)))
        .filter(alert_rules::tenant.eq(tenant))
        .order((rule_receivers::kind, rule_receivers::target, rule_receivers::role))
        .select((rule_receivers::rule, rule_receivers::kind, rule_receivers::target, rule_receivers::role))
        .load(c)?;
    let mut receivers: HashMap<RuleId, Vec<Receiver>> = HashMap::new();
    for (rule, kind, target, role) in rows {
        let receiver = match kind.as_str() {
            "account" => Some(Receiver::Account(AccountId(target))),
            "group" => Some(Receiver::Group(GroupId(target))),
            "schedule" => Some(Receiver::Schedule(ScheduleId(target))),
            _ => Role::parse(&role).map(Receiver::Role),
        };
        receivers.entry(rule).or_default().extend(receiver);
    }
    Ok(receivers)
}

/// How often each rule rang for an event.
///
/// # Errors
/// When the database cannot be read.
pub fn sent(c: &mut AnyConnection, alert: AlertId) -> Result<BTreeMap<RuleId, Sent>> {
    let rows: Vec<(RuleId, i64, NaiveDateTime)> = rule_sends::table
        .filter(rule_sends::alert.eq(alert))
        .select((rule_sends::rule, rule_sends::sends, rule_sends::last_at))
        .load(c)?;
    Ok(rows.into_iter().map(|(rule, sends, last_at)| (rule, Sent { sends, last_at })).collect())
}

/// Notes that a rule rang for an event; with `rang` false, that it would have but for its window.
///
/// # Errors
/// When the database cannot be written.
pub fn note_send(c: &mut AnyConnection, alert: AlertId, rule: RuleId, rang: bool, now: NaiveDateTime) -> Result<()> {
    let row = (
        rule_sends::alert.eq(alert),
        rule_sends::rule.eq(rule),
        rule_sends::sends.eq(i64::from(rang)),
        rule_sends::last_at.eq(now),
    );
    let key = (rule_sends::alert, rule_sends::rule);
    let again = (
        rule_sends::sends.eq(rule_sends::sends + excluded(rule_sends::sends)),
        rule_sends::last_at.eq(excluded(rule_sends::last_at)),
    );
    let insert = diesel::insert_into(rule_sends::table).values(row);
    match c {
        AnyConnection::Sqlite(c) => insert.on_conflict(key).do_update().set(again).execute(c),
        AnyConnection::Postgres(c) => insert.on_conflict(key).do_update().set(again).execute(c),
    }?;
    Ok(())
}
