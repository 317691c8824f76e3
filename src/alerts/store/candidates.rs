//! The people whom alerts reach, with the robots that reach them.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;

use super::fan_outs;
use crate::{
    access::Role,
    accounts::Username,
    alerts::routing::{Candidate, RecipientProfile},
    db::{
        AccountId, AlertId, AnyConnection, LimitConst as _, MemberId, RobotId, TenantId, on_backend,
        schema::{accounts, contacts, deliveries, members},
    },
    delivery::DeliveryReason,
    error::Result,
    robots::Channel,
};

/// How many names one statement asks for.
const ID_BATCH_SIZE: usize = 500;

/// One robot of a member, or none: the account, the username as it is compared, the member.
type Row = (AccountId, String, (MemberId, String, String, String), Option<(String, RobotId)>);

#[diesel::dsl::auto_type(no_type_alias)]
fn member_rows(tenant: TenantId) -> _ {
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
pub fn find_by_usernames(
    c: &mut AnyConnection,
    tenant: TenantId,
    usernames: &[Username],
) -> Result<Vec<RecipientProfile>> {
    let keys: Vec<String> = usernames.iter().map(Username::key).collect();
    let mut found = Vec::new();
    match keys.as_slice() {
        // Unlike a list, a statement that the database has to read only once.
        [key] => {
            let of_name = member_rows(tenant).filter(members::username_key.eq(key));
            found = on_backend!(c, c => of_name.load::<Row>(c)?);
        }
        keys => {
            for keys in keys.chunks(ID_BATCH_SIZE) {
                found.extend(member_rows(tenant).filter(members::username_key.eq_any(keys)).load::<Row>(c)?);
            }
        }
    }
    let mut people = group_people(found, |row| row.1.clone());
    Ok(usernames
        .iter()
        .map(|name| people.remove(&name.key()).unwrap_or_else(|| unknown_person(name.as_str())))
        .collect())
}

/// The members behind these accounts, each once. Who left the tenant is there too, without a member.
///
/// # Errors
/// When the database cannot be read.
pub fn find_by_accounts(c: &mut AnyConnection, tenant: TenantId, ids: &[AccountId]) -> Result<Vec<RecipientProfile>> {
    let mut found = Vec::new();
    match ids {
        [id] => {
            let of_account = member_rows(tenant).filter(members::account.eq(id));
            found = on_backend!(c, c => of_account.load::<Row>(c)?);
        }
        ids => {
            for ids in ids.chunks(ID_BATCH_SIZE) {
                found.extend(member_rows(tenant).filter(members::account.eq_any(ids)).load::<Row>(c)?);
            }
        }
    }
    let mut people = group_people(found, |row| row.0);
    let mut once = HashSet::new();
    let ids = ids.iter().filter(|id| once.insert(**id));
    ids.map(|id| people.remove(id).map_or_else(|| former_member(c, *id), Ok)).collect()
}

/// The members of a role who are not disabled. Who has not accepted yet has none of its rights, but hears what it hears.
///
/// # Errors
/// When the database cannot be read.
pub fn find_by_role(c: &mut AnyConnection, tenant: TenantId, role: Role) -> Result<Vec<RecipientProfile>> {
    let rows = member_rows(tenant).filter(members::role.eq(role.as_str())).filter(members::status.ne("disabled"));
    Ok(group_people(rows.load::<Row>(c)?, |row| row.0).into_values().collect())
}

/// Everybody for whom a message about this event was put into the outbox, or will be, over the same channels.
///
/// # Errors
/// When the database cannot be read.
pub fn notified_candidates(c: &mut AnyConnection, tenant: TenantId, alert: AlertId) -> Result<Vec<Candidate>> {
    let mut recipients = fan_outs::pending_recipients(c, alert)?;
    let delivered: Vec<fan_outs::PendingRecipient> = deliveries::table
        .filter(deliveries::tenant.eq(tenant))
        .filter(deliveries::alert.eq(Some(alert)))
        .filter(deliveries::channel.ne(""))
        .select((deliveries::member, deliveries::recipient, deliveries::channel, deliveries::rule_names))
        .distinct()
        .load(c)?;
    recipients.extend(delivered);
    let ids: Vec<MemberId> = recipients.iter().filter_map(|(member, ..)| *member).collect();
    let mut found = Vec::new();
    for ids in ids.chunks(ID_BATCH_SIZE) {
        found.extend(member_rows(tenant).filter(members::id.eq_any(ids)).load::<Row>(c)?);
    }
    let people = group_people(found, |row| row.2.0);
    let to_candidate = |(member, recipient, channel, rule_name): (Option<MemberId>, String, String, String)| {
        let who = member.and_then(|member| people.get(&member).cloned()).ok_or((recipient, DeliveryReason::LeftTenant));
        Candidate {
            receiver: who,
            rule_name,
            channels: Channel::parse(&channel).into_iter().collect(),
            in_quiet_hours: false,
        }
    };
    Ok(recipients.into_iter().map(to_candidate).collect())
}

fn group_people<K: Eq + std::hash::Hash>(rows: Vec<Row>, key: impl Fn(&Row) -> K) -> HashMap<K, RecipientProfile> {
    let mut people: HashMap<K, RecipientProfile> = HashMap::new();
    for row in rows {
        let key = key(&row);
        let (account, _, (member, name, status, phone), contact) = row;
        let person = people.entry(key).or_insert_with(|| RecipientProfile {
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

fn unknown_person(name: &str) -> RecipientProfile {
    RecipientProfile {
        account: None,
        member: None,
        name: name.to_owned(),
        is_active: false,
        phone: String::new(),
        robots: Vec::new(),
    }
}

/// Somebody who is no member any more, by the name of his account.
fn former_member(c: &mut AnyConnection, id: AccountId) -> Result<RecipientProfile> {
    let name: String = accounts::table.find(id).select(accounts::username).first_cached(c)?;
    Ok(RecipientProfile { account: Some(id), ..unknown_person(&name) })
}
