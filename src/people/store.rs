//! Who stands behind accounts and names. Every query takes the tenant first.

use std::collections::HashMap;

use diesel::prelude::*;

use super::{Person, Standing};
use crate::{
    db::{
        AccountId, AnyConnection, TenantId,
        schema::{accounts, members},
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
        ("active", 0) => Standing::WithoutRobot,
        ("active", _) => Standing::Reachable,
        _ => Standing::Disabled,
    }
}
