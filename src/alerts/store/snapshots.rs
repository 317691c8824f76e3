//! Reading a `Snapshot` and its version.

use std::collections::{BTreeMap, BTreeSet};

use chrono_tz::Tz;
use diesel::prelude::*;

use super::{candidates, events, rules};
use crate::{
    alerts::{
        matcher::{Matcher, Operator},
        model::{MAX_EXPRESSION_BYTES_PER_TENANT, Receiver, Rule},
        snapshot::Snapshot,
    },
    channels::store as channels,
    db::{AnyConnection, INSTANCE_SCOPE, TenantId, on_backend, schema::config_versions},
    error::Result,
    groups::store as groups,
    schedules::store as schedules,
    templates::store as templates,
};

/// The version of everything that a tenant's alerts are decided by. It never falls.
///
/// # Errors
/// When the database cannot be read.
pub fn load_version(c: &mut AnyConnection, tenant: TenantId) -> Result<i64> {
    let in_scope = config_versions::scope.eq(tenant.0).or(config_versions::scope.eq(INSTANCE_SCOPE));
    let versions = config_versions::table.filter(in_scope).select(config_versions::version);
    let versions: Vec<i64> = on_backend!(c, c => versions.load(c)?);
    Ok(versions.iter().sum())
}

/// Reads the snapshot of a tenant; with a rule that is only typed so far in the place of the stored one.
///
/// # Errors
/// When the database cannot be read.
pub fn load_snapshot(c: &mut AnyConnection, tenant: TenantId, draft: Option<&Rule>) -> Result<Snapshot> {
    // First, so that what changes while the rest is read is found out.
    let version = load_version(c, tenant)?;
    let (name, zone) = events::tenant_name_and_zone(c, tenant)?;
    let (templates, switches) = (templates::load(c, tenant)?, channels::settings(c, tenant)?);
    let mut of_tenant = rules::load_enabled(c, tenant)?;
    if let Some(draft) = draft {
        of_tenant.retain(|rule| rule.id != draft.id);
        of_tenant.extend(Some(draft.clone()).filter(|draft| draft.is_on));
    }
    let (rules, expressions_size) = limit_expressions(tenant, of_tenant);
    let receivers: BTreeSet<Receiver> = rules.iter().flat_map(|rule| rule.receivers.iter().copied()).collect();
    let (mut groups_by_id, mut schedules_by_id, mut roles) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut accounts = BTreeSet::new();
    for receiver in receivers {
        match receiver {
            Receiver::Account(account) => drop(accounts.insert(account)),
            Receiver::Role(role) => drop(roles.insert(role, candidates::find_by_role(c, tenant, role)?)),
            Receiver::Group(id) => {
                if let Some(group) = groups::accounts_of(c, tenant, id)? {
                    accounts.extend(&group.2);
                    groups_by_id.insert(id, group);
                }
            }
            Receiver::Schedule(id) => {
                if let Some((name, schedule)) = schedules::load(c, tenant, id)? {
                    accounts.extend(schedule.accounts());
                    schedules_by_id.insert(id, (name, schedule));
                }
            }
        }
    }
    let accounts: Vec<_> = accounts.into_iter().collect();
    let people = candidates::find_by_accounts(c, tenant, &accounts)?;
    let people = people.into_iter().filter_map(|person| Some((person.account?, person))).collect();
    Ok(Snapshot {
        version,
        name,
        zone: zone.parse().unwrap_or(Tz::UTC),
        templates,
        switches: switches.effective().clone(),
        rules,
        groups: groups_by_id,
        schedules: schedules_by_id,
        roles,
        people,
        expressions_size,
    })
}

/// The rules, and how much memory their expressions take. They were bounded when they were saved; where more are stored all the
/// same, those beyond the bound are not even compiled and taken to fit: an alert too many does less harm than one too few.
fn limit_expressions(tenant: TenantId, mut rules: Vec<Rule>) -> (Vec<Rule>, usize) {
    let (mut size, mut is_full, mut left_out) = (0, false, Vec::new());
    for rule in &mut rules {
        let own = if is_full { 0 } else { rule.expression_bytes() };
        is_full |= size + own > MAX_EXPRESSION_BYTES_PER_TENANT;
        if !is_full {
            size += own;
        } else if rule.matchers.iter().any(|matcher| matcher.operator == Operator::Matches) {
            left_out.push(rule.name.clone());
            rule.matchers = std::mem::take(&mut rule.matchers).into_iter().map(Matcher::without_expression).collect();
        }
    }
    if let Some(first) = left_out.first() {
        let rules = left_out.len();
        tracing::warn!(
            tenant = tenant.0,
            rules,
            rule = first,
            "regular expressions are too large and match everything"
        );
    }
    (rules, size)
}
