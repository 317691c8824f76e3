//! Who stands behind accounts and names. Every query takes the tenant first.

use std::collections::HashMap;

use diesel::prelude::*;

use super::{Person, Standing};
use crate::{
    db::{
        AccountId, AnyConnection, GroupId, ScheduleId, TenantId,
        schema::{accounts, alert_rules, members, rule_receivers, tenants},
    },
    error::Result,
};

/// Who these accounts are to the tenant now, by username.
///
/// # Errors
/// When the database cannot be read.
pub fn of_accounts(c: &mut AnyConnection, tenant: TenantId, ids: &[AccountId]) -> Result<Vec<Person>> {
    let found = accounts::table
        .filter(accounts::id.eq_any(ids))
        .order(accounts::username_key)
        .select((accounts::id, accounts::username))
        .load(c)?;
    people(c, tenant, found)
}

/// The members of the tenant with these usernames, in any case of letters. Accounts that were `kept` from before are found
/// even when they have left; any other that is no member looks like one that does not exist.
///
/// # Errors
/// When the database cannot be read.
pub fn named(c: &mut AnyConnection, tenant: TenantId, names: &[String], kept: &[AccountId]) -> Result<Vec<Person>> {
    let keys: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    let found = accounts::table
        .filter(accounts::username_key.eq_any(keys))
        .order(accounts::username_key)
        .select((accounts::id, accounts::username))
        .load(c)?;
    let mut people = people(c, tenant, found)?;
    people.retain(|person| person.standing != Standing::Left || kept.contains(&person.account));
    Ok(people)
}

/// Several people under one name, whom an alert rule rings together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    /// A user group.
    Group(GroupId),
    /// A shift schedule: whoever is on duty.
    Schedule(ScheduleId),
}

impl Receiver {
    /// The word and the id that stand for it among an alert rule's receivers.
    fn in_rules(self) -> (&'static str, i64) {
        match self {
            Self::Group(id) => ("group", id.0),
            Self::Schedule(id) => ("schedule", id.0),
        }
    }
}

/// Lets one transaction at a time change the tenant's rules, or delete what rules ring: the lock of whoever saves a rule.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_rules(c: &mut AnyConnection, tenant: TenantId) -> Result<()> {
    // SQLite has one writer anyway.
    if let AnyConnection::Postgres(c) = c {
        tenants::table.find(tenant).select(tenants::id).for_no_key_update().first::<TenantId>(c)?;
    }
    Ok(())
}

/// The names of the alert rules of the tenant that ring this receiver: while there are any, it is not deleted.
///
/// # Errors
/// When the database cannot be read.
pub fn rules_ringing(c: &mut AnyConnection, tenant: TenantId, receiver: Receiver) -> Result<Vec<String>> {
    let (kind, target) = receiver.in_rules();
    Ok(rule_receivers::table
        .inner_join(alert_rules::table.on(alert_rules::id.eq(rule_receivers::rule)))
        .filter(alert_rules::tenant.eq(tenant))
        .filter(rule_receivers::kind.eq(kind))
        .filter(rule_receivers::target.eq(target))
        .order(alert_rules::name_key)
        .select(alert_rules::name)
        .load(c)?)
}

fn people(c: &mut AnyConnection, tenant: TenantId, found: Vec<(AccountId, String)>) -> Result<Vec<Person>> {
    let ids: Vec<AccountId> = found.iter().map(|(id, _)| *id).collect();
    let rows: Vec<(AccountId, String, String, i64)> = members::table
        .filter(members::tenant.eq(tenant))
        .filter(members::account.eq_any(ids))
        .select((members::account, members::display_name, members::status, members::robot_count))
        .load(c)?;
    let mut members: HashMap<AccountId, (String, Standing)> =
        rows.into_iter().map(|(account, name, status, robots)| (account, (name, standing(&status, robots)))).collect();
    let person = |(account, username): (AccountId, String)| {
        let (display_name, standing) = members.remove(&account).unwrap_or_else(|| (username.clone(), Standing::Left));
        Person { account, username, display_name, standing }
    };
    Ok(found.into_iter().map(person).collect())
}

fn standing(status: &str, robots: i64) -> Standing {
    match (status, robots) {
        ("disabled", _) => Standing::Disabled,
        (_, 0) => Standing::WithoutRobot,
        _ => Standing::Reachable,
    }
}
