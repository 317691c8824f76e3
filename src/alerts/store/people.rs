//! The people whom alerts reach, with the robots that reach them.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use diesel::prelude::*;

use crate::{
    access::Role,
    accounts::Username,
    alerts::{
        choose::{Person, Pick},
        model::Receiver,
    },
    courier::Reason,
    db::{
        AccountId, AlertId, AnyConnection, AtMost as _, GroupId, MemberId, RobotId, ScheduleId, TenantId, directly,
        schema::{accounts, contacts, deliveries, members},
    },
    error::Result,
    groups::store as groups,
    robots::Channel,
    schedules::{OnDuty, store as schedules},
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

/// The active members of a role.
///
/// # Errors
/// When the database cannot be read.
pub fn of_role(c: &mut AnyConnection, tenant: TenantId, role: Role) -> Result<Vec<Person>> {
    let rows = rows(tenant).filter(members::role.eq(role.as_str())).filter(members::status.eq("active"));
    Ok(by(rows.load::<Row>(c)?, |row| row.0).into_values().collect())
}

/// Somebody whom a rule picks, or the name of a group or schedule that has nobody, and why.
type Who = std::result::Result<Person, (String, Reason)>;

/// What is there, or the name of what has nobody.
type Nobody<T> = std::result::Result<T, String>;

/// Everybody behind the receivers of a rule at this moment.
///
/// # Errors
/// When the database cannot be read.
pub fn behind(
    c: &mut AnyConnection,
    tenant: TenantId,
    receivers: &[Receiver],
    now: NaiveDateTime,
    zone: Tz,
) -> Result<Vec<Who>> {
    let (mut accounts, mut found) = (Vec::new(), Vec::new());
    for receiver in receivers {
        match *receiver {
            Receiver::Account(account) => accounts.push(account),
            Receiver::Role(role) => found.extend(of_role(c, tenant, role)?.into_iter().map(Ok)),
            Receiver::Group(group) => match in_group(c, tenant, group)? {
                Ok(in_group) => accounts.extend(in_group),
                Err(name) => found.push(Err((name, Reason::GroupOff))),
            },
            Receiver::Schedule(schedule) => match on_duty(c, tenant, schedule, now, zone)? {
                Ok(on_duty) => accounts.extend(on_duty),
                Err(name) => found.push(Err((name, Reason::NobodyOnDuty))),
            },
        }
    }
    found.extend(of_accounts(c, tenant, &accounts)?.into_iter().map(Ok));
    Ok(found)
}

/// The accounts of a user group, or its name when it is off or has none.
fn in_group(c: &mut AnyConnection, tenant: TenantId, group: GroupId) -> Result<Nobody<Vec<AccountId>>> {
    Ok(match groups::accounts_of(c, tenant, group)? {
        Some((_, true, accounts)) if !accounts.is_empty() => Ok(accounts),
        Some((name, ..)) => Err(name),
        None => Err(String::new()),
    })
}

/// The accounts that are on duty at this moment, or the schedule's name when nobody is.
fn on_duty(
    c: &mut AnyConnection,
    tenant: TenantId,
    schedule: ScheduleId,
    now: NaiveDateTime,
    zone: Tz,
) -> Result<Nobody<Vec<AccountId>>> {
    let Some((name, schedule)) = schedules::load(c, tenant, schedule)? else { return Ok(Err(String::new())) };
    Ok(match schedule.on_duty(now, zone) {
        OnDuty::Shift(accounts) => Ok(accounts.to_vec()),
        OnDuty::Outside(account) => Ok(vec![account]),
        OnDuty::Nobody => Err(name),
    })
}

/// Everybody for whom a message about this event was put into the outbox, over the same channels.
///
/// # Errors
/// When the database cannot be read.
pub fn heard(c: &mut AnyConnection, tenant: TenantId, alert: AlertId) -> Result<Vec<Pick>> {
    let heard: Vec<(Option<MemberId>, String, String, String)> = deliveries::table
        .filter(deliveries::tenant.eq(tenant))
        .filter(deliveries::alert.eq(Some(alert)))
        .filter(deliveries::channel.ne(""))
        .select((deliveries::member, deliveries::recipient, deliveries::channel, deliveries::chosen_by))
        .distinct()
        .load(c)?;
    let ids: Vec<MemberId> = heard.iter().filter_map(|(member, ..)| *member).collect();
    let mut found = Vec::new();
    for ids in ids.chunks(CHUNK) {
        found.extend(rows(tenant).filter(members::id.eq_any(ids)).load::<Row>(c)?);
    }
    let people = by(found, |row| row.2.0);
    let pick = |(member, recipient, channel, rule): (Option<MemberId>, String, String, String)| {
        let person = member.and_then(|member| people.get(&member).cloned());
        let channels = Channel::parse(&channel).into_iter().collect();
        Pick { who: Ok(person.unwrap_or_else(|| stranger(&recipient))), rule, channels, is_quiet: false }
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
            is_active: status == "active",
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
