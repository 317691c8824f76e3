//! The people whom alerts reach, with the robots that reach them.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::fan_outs;
use crate::{
    access::Role,
    accounts::Username,
    alerts::choose::{Person, Pick},
    db::{
        AccountId, AlertId, AnyConnection, AtMost as _, MemberId, RobotId, TenantId, directly,
        schema::{accounts, contacts, deliveries, members},
    },
    delivery::DeliveryReason,
    error::Result,
    robots::Channel,
};

/// How many names one statement asks for.
const CHUNK: usize = 500;

/// One robot of a member, or none: the account, the username as it is compared, the member.
type Row = (AccountId, String, (MemberId, String, String, String), Option<(String, RobotId)>);

#[diesel::dsl::auto_type(no_type_alias)]
fn rows(tenant: TenantId) -> _ {
    members::table.left_join(contacts::table).filter(members::tenant.eq(tenant)).select((
        members::account,
        members::username_key,
        (members::id, members::display_name, members::status, members::phone),
        (contacts::channel, contacts::robot).nullable(),
    ))
}

/// The members of these usernames, in their order. Who is no member of the tenant is there too, without a member.
///
/// # Errors
/// When the database cannot be read.
pub fn named(c: &mut AnyConnection, tenant: TenantId, usernames: &[Username]) -> Result<Vec<Person>> {
    let keys: Vec<String> = usernames.iter().map(Username::key).collect();
    let mut found = Vec::new();
    match keys.as_slice() {
        // Unlike a list, a statement that the database has to read only once.
        [key] => {
            let of_name = rows(tenant).filter(members::username_key.eq(key));
            found = directly!(c, c => of_name.load::<Row>(c)?);
        }
        keys => {
            for keys in keys.chunks(CHUNK) {
                found.extend(rows(tenant).filter(members::username_key.eq_any(keys)).load::<Row>(c)?);
            }
        }
    }
    let mut people = by(found, |row| row.1.clone());
    Ok(usernames.iter().map(|name| people.remove(&name.key()).unwrap_or_else(|| stranger(name.as_str()))).collect())
}

/// The members behind these accounts, each once. Who left the tenant is there too, without a member.
///
/// # Errors
/// When the database cannot be read.
pub fn of_accounts(c: &mut AnyConnection, tenant: TenantId, ids: &[AccountId]) -> Result<Vec<Person>> {
    let mut found = Vec::new();
    match ids {
        [id] => {
            let of_account = rows(tenant).filter(members::account.eq(id));
            found = directly!(c, c => of_account.load::<Row>(c)?);
        }
        ids => {
            for ids in ids.chunks(CHUNK) {
                found.extend(rows(tenant).filter(members::account.eq_any(ids)).load::<Row>(c)?);
            }
        }
    }
    let mut people = by(found, |row| row.0);
    let mut once = HashSet::new();
    let ids = ids.iter().filter(|id| once.insert(**id));
    ids.map(|id| people.remove(id).map_or_else(|| gone(c, *id), Ok)).collect()
}

/// The members of a role who are not disabled. Who has not accepted yet has none of its rights, but hears what it hears.
///
/// # Errors
/// When the database cannot be read.
pub fn of_role(c: &mut AnyConnection, tenant: TenantId, role: Role) -> Result<Vec<Person>> {
    let rows = rows(tenant).filter(members::role.eq(role.as_str())).filter(members::status.ne("disabled"));
    Ok(by(rows.load::<Row>(c)?, |row| row.0).into_values().collect())
}

/// Everybody for whom a message about this event was put into the outbox, or will be, over the same channels.
///
/// # Errors
/// When the database cannot be read.
pub fn heard(c: &mut AnyConnection, tenant: TenantId, alert: AlertId) -> Result<Vec<Pick>> {
    let mut heard = fan_outs::pending(c, alert)?;
    let delivered: Vec<fan_outs::Reached> = deliveries::table
        .filter(deliveries::tenant.eq(tenant))
        .filter(deliveries::alert.eq(Some(alert)))
        .filter(deliveries::channel.ne(""))
        .select((deliveries::member, deliveries::recipient, deliveries::channel, deliveries::chosen_by))
        .distinct()
        .load(c)?;
    heard.extend(delivered);
    let ids: Vec<MemberId> = heard.iter().filter_map(|(member, ..)| *member).collect();
    let mut found = Vec::new();
    for ids in ids.chunks(CHUNK) {
        found.extend(rows(tenant).filter(members::id.eq_any(ids)).load::<Row>(c)?);
    }
    let people = by(found, |row| row.2.0);
    let pick = |(member, recipient, channel, rule): (Option<MemberId>, String, String, String)| {
        let who = member.and_then(|member| people.get(&member).cloned()).ok_or((recipient, DeliveryReason::LeftTenant));
        Pick { who, rule, channels: Channel::parse(&channel).into_iter().collect(), is_quiet: false }
    };
    Ok(heard.into_iter().map(pick).collect())
}

fn by<K: Eq + std::hash::Hash>(rows: Vec<Row>, key: impl Fn(&Row) -> K) -> HashMap<K, Person> {
    let mut people: HashMap<K, Person> = HashMap::new();
    for row in rows {
        let key = key(&row);
        let (account, _, (member, name, status, phone), contact) = row;
        let person = people.entry(key).or_insert_with(|| Person {
            account: Some(account),
            member: Some(member),
            name,
            is_active: status != "disabled",
            phone,
            robots: Vec::new(),
        });
        person.robots.extend(contact.and_then(|(channel, robot)| Some((Channel::parse(&channel)?, robot))));
    }
    people
}

fn stranger(name: &str) -> Person {
    Person {
        account: None,
        member: None,
        name: name.to_owned(),
        is_active: false,
        phone: String::new(),
        robots: Vec::new(),
    }
}

/// Somebody who is no member any more, by the name of his account.
fn gone(c: &mut AnyConnection, id: AccountId) -> Result<Person> {
    let name: String = accounts::table.find(id).select(accounts::username).first_row(c)?;
    Ok(Person { account: Some(id), ..stranger(&name) })
}
