//! Alert rules: reading them, as those that decide about an alert need them, and writing them.

use std::collections::{BTreeMap, HashMap};

use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

pub use crate::people::store::lock_rules as lock;
use crate::{
    access::Role,
    accounts::Username,
    alerts::{
        matcher::{Matcher, Operator},
        model::{Receiver, Rule, Severity, Source, Window},
        routing::RuleHistory,
    },
    db::{
        AccountId, AlertId, AnyConnection, GroupId, LimitConst as _, RuleId, ScheduleId, TenantId, cached_update,
        on_backend,
        schema::{accounts, alert_rules, members, rule_receivers, rule_sends, user_groups},
    },
    error::{Error, Result},
    robots::Channel,
    schedules::store as schedules,
};

/// The most rules of a tenant.
pub const MAX_RULES: usize = 100;
/// How many names one statement asks for.
const ID_BATCH_SIZE: usize = 500;

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
pub fn matchers_to_json(matchers: &[Matcher]) -> Result<String> {
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
/// When it was not written by [`matchers_to_json`].
pub fn matchers_from_json(column: &str) -> Result<Vec<Matcher>> {
    let stored: Vec<StoredMatcher> = serde_json::from_str(column).map_err(Error::internal)?;
    let matcher = |StoredMatcher { label, operator, value }| Matcher::from_stored(label, operator, value);
    Ok(stored.into_iter().map(matcher).collect())
}

/// A row of `alert_rules`.
#[derive(Queryable, Selectable)]
#[diesel(table_name = alert_rules)]
struct Row {
    id: RuleId,
    name: String,
    is_on: bool,
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
    fn into_rule(self, receivers: Vec<Receiver>) -> Result<Rule> {
        let minute = |minute: i64| u16::try_from(minute).map_err(Error::internal);
        let window = match (self.window_from, self.window_to) {
            (Some(from), Some(to)) => Some(Window { from: minute(from)?, to: minute(to)? }),
            _ => None,
        };
        Ok(Rule {
            id: self.id,
            is_on: self.is_on,
            severity: Severity::parse(&self.severity)
                .ok_or_else(|| Error::internal("a rule has an unknown severity"))?,
            source: Source::parse(&self.source),
            matchers: matchers_from_json(&self.matchers)?,
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
pub fn load_enabled(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<Rule>> {
    load(c, tenant, true)
}

/// All rules of the tenant, by name; there are at most [`MAX_RULES`].
///
/// # Errors
/// When the database cannot be read.
pub fn load_all(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<Rule>> {
    load(c, tenant, false)
}

/// One rule of the tenant.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn find(c: &mut AnyConnection, tenant: TenantId, id: RuleId) -> Result<Rule> {
    load_all(c, tenant)?.into_iter().find(|rule| rule.id == id).ok_or(Error::NotFound)
}

/// Whether another rule than this one has the name.
///
/// # Errors
/// When the database cannot be read.
pub fn name_is_taken(c: &mut AnyConnection, tenant: TenantId, name: &str, own: RuleId) -> Result<bool> {
    let named = alert_rules::table.filter(alert_rules::tenant.eq(tenant));
    let named = named.filter(alert_rules::name_key.eq(name.to_lowercase()));
    let found: Option<RuleId> = named.select(alert_rules::id).first_cached(c).optional()?;
    Ok(found.is_some_and(|found| found != own))
}

fn load(c: &mut AnyConnection, tenant: TenantId, only_on: bool) -> Result<Vec<Rule>> {
    let mut rules = alert_rules::table.filter(alert_rules::tenant.eq(tenant)).into_boxed();
    if only_on {
        rules = rules.filter(alert_rules::is_on.eq(true));
    }
    let rows = rules.order(alert_rules::name_key).select(Row::as_select()).load::<Row>(c)?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut receivers = load_receivers(c, tenant)?;
    rows.into_iter()
        .map(|row| {
            let receivers = receivers.remove(&row.id).unwrap_or_default();
            row.into_rule(receivers)
        })
        .collect()
}

/// Whom the tenant's rules ring, by rule.
///
/// # Errors
/// When the database cannot be read.
pub fn load_receivers(c: &mut AnyConnection, tenant: TenantId) -> Result<HashMap<RuleId, Vec<Receiver>>> {
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
pub fn load_histories(c: &mut AnyConnection, alert: AlertId) -> Result<BTreeMap<RuleId, RuleHistory>> {
    type Row = (RuleId, i64, Option<NaiveDateTime>, NaiveDateTime, String, String);
    let rows: Vec<Row> = rule_sends::table
        .filter(rule_sends::alert.eq(alert))
        .select((
            rule_sends::rule,
            rule_sends::sends,
            rule_sends::notified_at,
            rule_sends::recorded_at,
            rule_sends::notified_severity,
            rule_sends::recorded_severity,
        ))
        .load(c)?;
    let read = |(rule, sends, notified_at, recorded_at, notified, recorded): Row| {
        let (notified_severity, recorded_severity) = (Severity::parse(&notified), Severity::parse(&recorded));
        (rule, RuleHistory { sends, notified_at, recorded_at, notified_severity, recorded_severity })
    };
    Ok(rows.into_iter().map(read).collect())
}

/// Notes that a rule rang for an event, which is locked; with `rang` false, that it would have but for its window, or reached
/// nobody.
///
/// # Errors
/// When the database cannot be written.
pub fn record_evaluation(
    c: &mut AnyConnection,
    alert: AlertId,
    rule: RuleId,
    severity: Severity,
    has_notified: bool,
    now: NaiveDateTime,
) -> Result<()> {
    // Unlike one that inserts or changes, these statements are planned once.
    let existing = rule_sends::alert.eq(alert).and(rule_sends::rule.eq(rule));
    let recorded = (rule_sends::recorded_at.eq(now), rule_sends::recorded_severity.eq(severity.as_str()));
    let changed = if has_notified {
        let sent = (
            rule_sends::sends.eq(rule_sends::sends + 1),
            rule_sends::notified_at.eq(Some(now)),
            rule_sends::notified_severity.eq(severity.as_str()),
        );
        cached_update(rule_sends::table, existing).set((recorded, sent)).execute(c)?
    } else {
        cached_update(rule_sends::table, existing).set(recorded).execute(c)?
    };
    if changed == 0 {
        note_first_send(c, alert, rule, severity, has_notified, now)?;
    }
    Ok(())
}

/// The same for an event that this rule has not been noted for, such as one that has just begun.
///
/// # Errors
/// When the database cannot be written.
pub fn note_first_send(
    c: &mut AnyConnection,
    alert: AlertId,
    rule: RuleId,
    severity: Severity,
    rang: bool,
    now: NaiveDateTime,
) -> Result<()> {
    let insert = diesel::insert_into(rule_sends::table).values((
        rule_sends::alert.eq(alert),
        rule_sends::rule.eq(rule),
        rule_sends::sends.eq(i64::from(rang)),
        rule_sends::recorded_at.eq(now),
        rule_sends::notified_at.eq(rang.then_some(now)),
        rule_sends::notified_severity.eq(if rang { severity.as_str() } else { "" }),
        rule_sends::recorded_severity.eq(severity.as_str()),
    ));
    on_backend!(c, c => insert.execute(c)?);
    Ok(())
}

/// What is written of a rule.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = alert_rules, treat_none_as_null = true)]
struct RuleColumns<'r> {
    name: &'r str,
    name_key: String,
    is_on: bool,
    severity: &'static str,
    source: &'static str,
    matchers: String,
    channels: String,
    frequency: i64,
    max_sends: Option<i64>,
    window_from: Option<i64>,
    window_to: Option<i64>,
}

impl<'r> RuleColumns<'r> {
    fn from_rule(rule: &'r Rule) -> Result<Self> {
        let channels: Vec<&str> = rule.channels.iter().map(|channel| channel.as_str()).collect();
        Ok(Self {
            name: &rule.name,
            name_key: rule.name.to_lowercase(),
            is_on: rule.is_on,
            severity: rule.severity.as_str(),
            source: rule.source.map(Source::as_str).unwrap_or_default(),
            matchers: matchers_to_json(&rule.matchers)?,
            channels: channels.join(","),
            frequency: rule.frequency.num_minutes(),
            max_sends: rule.max_sends,
            window_from: rule.window.map(|window| i64::from(window.from)),
            window_to: rule.window.map(|window| i64::from(window.to)),
        })
    }
}

/// Adds a rule; what stands in its id counts for nothing.
///
/// # Errors
/// [`Error::AlreadyExists`] when the tenant has a rule of this name.
pub fn insert(c: &mut AnyConnection, tenant: TenantId, rule: &Rule, now: NaiveDateTime) -> Result<RuleId> {
    let row = (alert_rules::tenant.eq(tenant), alert_rules::created_at.eq(now), RuleColumns::from_rule(rule)?);
    let id = diesel::insert_into(alert_rules::table).values(row).returning(alert_rules::id).get_result(c)?;
    write_receivers(c, id, &rule.receivers)?;
    Ok(id)
}

/// Writes a rule in the place of the one of its id.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id, [`Error::AlreadyExists`] when another has this name.
pub fn update(c: &mut AnyConnection, tenant: TenantId, rule: &Rule) -> Result<()> {
    let row = alert_rules::table.filter(alert_rules::tenant.eq(tenant)).filter(alert_rules::id.eq(rule.id));
    if diesel::update(row).set(RuleColumns::from_rule(rule)?).execute(c)? == 0 {
        return Err(Error::NotFound);
    }
    diesel::delete(rule_receivers::table.filter(rule_receivers::rule.eq(rule.id))).execute(c)?;
    write_receivers(c, rule.id, &rule.receivers)
}

fn write_receivers(c: &mut AnyConnection, rule: RuleId, receivers: &[Receiver]) -> Result<()> {
    for receiver in receivers {
        let (kind, target, role) = match receiver {
            Receiver::Account(account) => ("account", account.0, ""),
            Receiver::Role(role) => ("role", 0, role.as_str()),
            Receiver::Group(group) => ("group", group.0, ""),
            Receiver::Schedule(schedule) => ("schedule", schedule.0, ""),
        };
        let row = (
            rule_receivers::rule.eq(rule),
            rule_receivers::kind.eq(kind),
            rule_receivers::target.eq(target),
            rule_receivers::role.eq(role),
        );
        diesel::insert_into(rule_receivers::table).values(row).execute(c)?;
    }
    Ok(())
}

/// Switches a rule on or off.
///
/// # Errors
/// When the database cannot be written.
pub fn set_enabled(c: &mut AnyConnection, tenant: TenantId, id: RuleId, is_on: bool) -> Result<()> {
    let row = alert_rules::table.filter(alert_rules::tenant.eq(tenant)).filter(alert_rules::id.eq(id));
    diesel::update(row).set(alert_rules::is_on.eq(is_on)).execute(c)?;
    Ok(())
}

/// Deletes a rule. What the records say of it stays.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn delete(c: &mut AnyConnection, tenant: TenantId, id: RuleId) -> Result<()> {
    find(c, tenant, id)?;
    diesel::delete(rule_receivers::table.filter(rule_receivers::rule.eq(id))).execute(c)?;
    diesel::delete(alert_rules::table.filter(alert_rules::id.eq(id))).execute(c)?;
    Ok(())
}

/// The names of what the tenant's rules ring.
#[derive(Clone, Debug, Default)]
pub struct ReceiverNames {
    /// The usernames of the people whom rules name, whether or not they still take part.
    pub accounts: BTreeMap<AccountId, String>,
    /// All user groups, by name, with whether each is on.
    pub groups: Vec<(GroupId, String, bool)>,
    /// All shift schedules, by name.
    pub schedules: Vec<(ScheduleId, String)>,
}

impl ReceiverNames {
    /// The name of a user group.
    #[must_use]
    pub fn group(&self, id: GroupId) -> Option<&str> {
        self.groups.iter().find(|(known, ..)| *known == id).map(|(_, name, _)| name.as_str())
    }

    /// The name of a shift schedule.
    #[must_use]
    pub fn schedule(&self, id: ScheduleId) -> Option<&str> {
        self.schedules.iter().find(|(known, _)| *known == id).map(|(_, name)| name.as_str())
    }
}

/// The names of what these rules of the tenant ring, and could ring.
///
/// # Errors
/// When the database cannot be read.
pub fn load_names(c: &mut AnyConnection, tenant: TenantId, rules: &[&Rule]) -> Result<ReceiverNames> {
    let ids: Vec<AccountId> = rules.iter().flat_map(|rule| rule.named_accounts()).collect();
    let mut usernames = BTreeMap::new();
    for ids in ids.chunks(ID_BATCH_SIZE) {
        let found = accounts::table.filter(accounts::id.eq_any(ids)).select((accounts::id, accounts::username));
        usernames.extend(found.load::<(AccountId, String)>(c)?);
    }
    let groups = user_groups::table
        .filter(user_groups::tenant.eq(tenant))
        .order(user_groups::name_key)
        .select((user_groups::id, user_groups::name, user_groups::is_on))
        .load(c)?;
    Ok(ReceiverNames { accounts: usernames, groups, schedules: schedules::names(c, tenant)? })
}

/// The accounts of the tenant's members by their usernames as they are compared.
///
/// # Errors
/// When the database cannot be read.
pub fn member_accounts(
    c: &mut AnyConnection,
    tenant: TenantId,
    usernames: &[Username],
) -> Result<HashMap<String, AccountId>> {
    let keys: Vec<String> = usernames.iter().map(Username::key).collect();
    let mut found = HashMap::new();
    for keys in keys.chunks(ID_BATCH_SIZE) {
        let of_tenant = members::table.filter(members::tenant.eq(tenant));
        let named = of_tenant.filter(members::username_key.eq_any(keys));
        found.extend(named.select((members::username_key, members::account)).load::<(String, AccountId)>(c)?);
    }
    Ok(found)
}
