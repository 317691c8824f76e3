//! User groups in the database. Every query takes the tenant first.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::{
    dsl::{count_star, exists, sql},
    prelude::*,
    sql_types::{Bool, Text},
};

use super::Details;
use crate::{
    access::Actor,
    audit::{self, Change, Effect},
    db::{
        AccountId, AnyConnection, GroupId, LimitConst as _, PAGE_SIZE, Pager, TenantId, position_function_sql,
        schema::{user_group_accounts, user_groups},
    },
    error::Result,
    people::{self, Person, joined, store::Receiver},
};

/// The kind of database behind a connection, as diesel's query types name it.
type Backend = <AnyConnection as Connection>::Backend;

/// How many names a row of the audit log lists.
const NAMES_IN_AUDIT: usize = 50;

/// Which groups a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A part of the name, in lower case; empty for all.
    pub search: String,
    /// Only those that are on, or off.
    pub is_on: Option<bool>,
}

/// A row of the list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The group's id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether alert rules ring it.
    pub is_on: bool,
    /// How many members it has, whatever has become of them.
    pub member_count: i64,
    /// Its administrators.
    pub admins: Vec<Person>,
}

/// A group with everybody in it.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Whether alert rules ring it.
    pub is_on: bool,
    /// Those who hear what the group hears.
    pub members: Vec<Person>,
    /// Those who may change its members.
    pub admins: Vec<Person>,
}

/// The usernames that were asked for and that nobody in the tenant has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Among the members.
    pub members: Vec<String>,
    /// Among the administrators.
    pub admins: Vec<String>,
}

/// One page of the groups, by name.
///
/// # Errors
/// When the database cannot be read.
pub fn list(c: &mut AnyConnection, tenant: TenantId, filter: &Filter, page: i64) -> Result<(Vec<Listed>, Pager)> {
    let position = position_function_sql(c);
    let pager = Pager::new(page, filtered(tenant, filter, position).count().get_result(c)?);
    let rows: Vec<(GroupId, String, String, bool)> = filtered(tenant, filter, position)
        .order((user_groups::name_key, user_groups::id))
        .limit(PAGE_SIZE)
        .offset(pager.offset())
        .select((user_groups::id, user_groups::name, user_groups::description, user_groups::is_on))
        .load(c)?;
    let ids: Vec<GroupId> = rows.iter().map(|row| row.0).collect();
    let counts: HashMap<GroupId, i64> = user_group_accounts::table
        .filter(user_group_accounts::user_group.eq_any(&ids))
        .filter(user_group_accounts::is_member)
        .group_by(user_group_accounts::user_group)
        .select((user_group_accounts::user_group, count_star()))
        .load::<(GroupId, i64)>(c)?
        .into_iter()
        .collect();
    let mut admins = admins_of(c, tenant, &ids)?;
    let listed = |(id, name, description, is_on)| Listed {
        id,
        name,
        description,
        is_on,
        member_count: counts.get(&id).copied().unwrap_or_default(),
        admins: admins.remove(&id).unwrap_or_default(),
    };
    Ok((rows.into_iter().map(listed).collect(), pager))
}

fn filtered<'q>(tenant: TenantId, filter: &Filter, position: &str) -> user_groups::BoxedQuery<'q, Backend> {
    let mut query = user_groups::table.filter(user_groups::tenant.eq(tenant)).into_boxed();
    if !filter.search.is_empty() {
        let in_name = sql::<Bool>(&format!("{position}(user_groups.name_key, "))
            .bind::<Text, _>(filter.search.clone())
            .sql(") > 0");
        query = query.filter(in_name);
    }
    if let Some(is_on) = filter.is_on {
        query = query.filter(user_groups::is_on.eq(is_on));
    }
    query
}

fn admins_of(c: &mut AnyConnection, tenant: TenantId, ids: &[GroupId]) -> Result<HashMap<GroupId, Vec<Person>>> {
    let rows: Vec<(GroupId, AccountId)> = user_group_accounts::table
        .filter(user_group_accounts::user_group.eq_any(ids))
        .filter(user_group_accounts::is_admin)
        .select((user_group_accounts::user_group, user_group_accounts::account))
        .load(c)?;
    let accounts: Vec<AccountId> = rows.iter().map(|(_, account)| *account).collect();
    let mut admins: HashMap<GroupId, Vec<Person>> = HashMap::new();
    for person in people::store::of_accounts(c, tenant, &accounts)? {
        for (group, _) in rows.iter().filter(|(_, account)| *account == person.account) {
            admins.entry(*group).or_default().push(person.clone());
        }
    }
    Ok(admins)
}

/// A group of this tenant.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound) when the tenant has none of this id.
pub fn find(c: &mut AnyConnection, tenant: TenantId, id: GroupId) -> Result<Group> {
    let (name, description, is_on) = of_tenant(tenant, id)
        .select((user_groups::name, user_groups::description, user_groups::is_on))
        .first_cached(c)?;
    let places = places(c, id)?;
    let accounts: Vec<AccountId> = places.keys().copied().collect();
    let (mut members, mut admins) = (Vec::new(), Vec::new());
    for person in people::store::of_accounts(c, tenant, &accounts)? {
        let place = places.get(&person.account).copied().unwrap_or_default();
        if place.is_admin {
            admins.push(person.clone());
        }
        if place.is_member {
            members.push(person);
        }
    }
    Ok(Group { id, name, description, is_on, members, admins })
}

/// A group that stays as it is until the transaction ends, unless this transaction changes it.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound) when the tenant has none of this id.
pub fn lock(c: &mut AnyConnection, tenant: TenantId, id: GroupId) -> Result<Group> {
    if let AnyConnection::Postgres(c) = c {
        // SQLite has one writer, and needs no lock.
        let row = user_groups::table.filter(user_groups::tenant.eq(tenant)).filter(user_groups::id.eq(id));
        row.select(user_groups::id).for_update().first::<GroupId>(c)?;
    }
    find(c, tenant, id)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn of_tenant(tenant: TenantId, id: GroupId) -> _ {
    user_groups::table.filter(user_groups::tenant.eq(tenant)).filter(user_groups::id.eq(id))
}

/// What an account is in a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Place {
    is_member: bool,
    is_admin: bool,
}

fn places(c: &mut AnyConnection, id: GroupId) -> Result<HashMap<AccountId, Place>> {
    let rows: Vec<(AccountId, bool, bool)> = user_group_accounts::table
        .filter(user_group_accounts::user_group.eq(id))
        .select((user_group_accounts::account, user_group_accounts::is_member, user_group_accounts::is_admin))
        .load(c)?;
    Ok(rows.into_iter().map(|(account, is_member, is_admin)| (account, Place { is_member, is_admin })).collect())
}

/// Whether an account is one of a group's own administrators.
///
/// # Errors
/// When the database cannot be read.
pub fn administers(c: &mut AnyConnection, tenant: TenantId, group: GroupId, account: AccountId) -> Result<bool> {
    let place = user_group_accounts::table
        .inner_join(user_groups::table.on(user_groups::id.eq(user_group_accounts::user_group)))
        .filter(user_groups::tenant.eq(tenant))
        .filter(user_groups::id.eq(group))
        .filter(user_group_accounts::account.eq(account))
        .filter(user_group_accounts::is_admin);
    Ok(diesel::select(exists(place.select(user_group_accounts::account))).get_result(c)?)
}

/// Everybody that a group rings, and its name, and whether it is on; nothing when the tenant has no such group. Whoever of
/// them has left or is disabled is the caller's to tell.
///
/// # Errors
/// When the database cannot be read.
pub fn accounts_of(
    c: &mut AnyConnection,
    tenant: TenantId,
    id: GroupId,
) -> Result<Option<(String, bool, Vec<AccountId>)>> {
    let group = of_tenant(tenant, id).select((user_groups::name, user_groups::is_on)).first_cached(c).optional()?;
    let Some((name, is_on)) = group else { return Ok(None) };
    let accounts = user_group_accounts::table
        .filter(user_group_accounts::user_group.eq(id))
        .filter(user_group_accounts::is_member)
        .order(user_group_accounts::account)
        .select(user_group_accounts::account)
        .load(c)?;
    Ok(Some((name, is_on, accounts)))
}

/// The accounts behind names. Who is in the group already may stay, even when he has left the tenant; without names of
/// administrators, they stay who they are.
fn resolve(
    c: &mut AnyConnection,
    tenant: TenantId,
    before: Option<&Group>,
    admins: Option<&[String]>,
    members: &[String],
) -> Result<std::result::Result<HashMap<AccountId, Place>, Unknown>> {
    let was_admin = |account| before.is_some_and(|group| holds(&group.admins, account));
    let admins = match admins {
        Some(admins) => admins.to_vec(),
        None => before.iter().flat_map(|group| group.admins.iter().map(|admin| admin.username.clone())).collect(),
    };
    let kept: Vec<AccountId> = before
        .iter()
        .flat_map(|group| group.members.iter().chain(&group.admins))
        .map(|person| person.account)
        .collect();
    let names: Vec<String> = members.iter().chain(&admins).cloned().collect();
    let known = people::store::named(c, tenant, &names, &kept)?;
    let members = people::match_names(members, &known);
    // Having been a mere member does not make somebody who left an administrator.
    let may_administer: Vec<Person> = known
        .into_iter()
        .filter(|person| person.standing != people::Standing::Left || was_admin(person.account))
        .collect();
    let admins = people::match_names(&admins, &may_administer);
    match (members, admins) {
        (Ok(members), Ok(admins)) => {
            let mut places: HashMap<AccountId, Place> = HashMap::new();
            for account in members {
                places.entry(account).or_default().is_member = true;
            }
            for account in admins {
                places.entry(account).or_default().is_admin = true;
            }
            Ok(Ok(places))
        }
        (members, admins) => {
            Ok(Err(Unknown { members: members.err().unwrap_or_default(), admins: admins.err().unwrap_or_default() }))
        }
    }
}

/// The names that nobody in the tenant has. Who is in the group already may stay in it.
///
/// # Errors
/// When the database cannot be read.
pub fn unknown_names(
    c: &mut AnyConnection,
    tenant: TenantId,
    before: Option<&Group>,
    admins: Option<&[String]>,
    members: &[String],
) -> Result<Unknown> {
    Ok(resolve(c, tenant, before, admins, members)?.err().unwrap_or_default())
}

/// Whether another group than this one has the name.
///
/// # Errors
/// When the database cannot be read.
pub fn name_is_taken(c: &mut AnyConnection, tenant: TenantId, name: &str, own: Option<GroupId>) -> Result<bool> {
    let named = user_groups::table.filter(user_groups::tenant.eq(tenant));
    let named = named.filter(user_groups::name_key.eq(name.to_lowercase()));
    let found: Option<GroupId> = named.select(user_groups::id).first_cached(c).optional()?;
    Ok(found.is_some_and(|found| Some(found) != own))
}

fn holds(people: &[Person], account: AccountId) -> bool {
    people.iter().any(|person| person.account == account)
}

/// Makes a group, which is on. Names that nobody has are answered, and then nothing is made.
///
/// # Errors
/// [`Error::AlreadyExists`](crate::error::Error::AlreadyExists) when the name is another group's.
pub fn insert(
    c: &mut AnyConnection,
    tenant: TenantId,
    details: &Details,
    members: &[String],
    who: &Actor,
    now: NaiveDateTime,
) -> Result<std::result::Result<GroupId, Unknown>> {
    let places = match resolve(c, tenant, None, Some(&details.admins), members)? {
        Ok(places) => places,
        Err(unknown) => return Ok(Err(unknown)),
    };
    let id: GroupId = diesel::insert_into(user_groups::table)
        .values((
            user_groups::tenant.eq(tenant),
            user_groups::name.eq(&details.name),
            user_groups::name_key.eq(details.name.to_lowercase()),
            user_groups::description.eq(&details.description),
            user_groups::is_on.eq(true),
            user_groups::created_at.eq(now),
        ))
        .returning(user_groups::id)
        .get_result(c)?;
    set_places(c, id, &HashMap::new(), &places)?;
    let group = find(c, tenant, id)?;
    let changes = differences(None, &group);
    audit::record(c, who, &entry(tenant, "group-added", &group.name, changes), now)?;
    Ok(Ok(id))
}

/// Changes a group, which the caller has locked: its members, and its details when there are any. Names that nobody has
/// are answered, and then nothing is changed.
///
/// # Errors
/// [`Error::AlreadyExists`](crate::error::Error::AlreadyExists) when the name is another group's.
pub fn update(
    c: &mut AnyConnection,
    tenant: TenantId,
    before: &Group,
    details: Option<&Details>,
    members: &[String],
    who: &Actor,
    now: NaiveDateTime,
) -> Result<std::result::Result<Effect, Unknown>> {
    let places_now = match resolve(c, tenant, Some(before), details.map(|details| details.admins.as_slice()), members)?
    {
        Ok(places) => places,
        Err(unknown) => return Ok(Err(unknown)),
    };
    if let Some(details) = details {
        diesel::update(of_tenant(tenant, before.id))
            .set((
                user_groups::name.eq(&details.name),
                user_groups::name_key.eq(details.name.to_lowercase()),
                user_groups::description.eq(&details.description),
            ))
            .execute(c)?;
    }
    let places_before = places(c, before.id)?;
    set_places(c, before.id, &places_before, &places_now)?;
    let after = find(c, tenant, before.id)?;
    let changes = differences(Some(before), &after);
    audit::record_changes(c, who, &entry(tenant, "group-edited", &after.name, changes), now).map(Ok)
}

fn set_places(
    c: &mut AnyConnection,
    id: GroupId,
    before: &HashMap<AccountId, Place>,
    after: &HashMap<AccountId, Place>,
) -> Result<()> {
    let gone: Vec<AccountId> = before
        .iter()
        .filter(|(account, place)| after.get(account) != Some(place))
        .map(|(account, _)| *account)
        .collect();
    let rows = user_group_accounts::table.filter(user_group_accounts::user_group.eq(id));
    diesel::delete(rows.filter(user_group_accounts::account.eq_any(gone))).execute(c)?;
    for (account, place) in after.iter().filter(|(account, place)| before.get(account) != Some(place)) {
        diesel::insert_into(user_group_accounts::table)
            .values((
                user_group_accounts::user_group.eq(id),
                user_group_accounts::account.eq(account),
                user_group_accounts::is_member.eq(place.is_member),
                user_group_accounts::is_admin.eq(place.is_admin),
            ))
            .execute(c)?;
    }
    Ok(())
}

/// What differs between a group as it was and as it is, for the audit log.
fn differences(before: Option<&Group>, after: &Group) -> Vec<Change> {
    let text = |of: fn(&Group) -> &str| before.map(of).unwrap_or_default();
    let (old_members, old_admins) =
        before.map(|group| (group.members.as_slice(), group.admins.as_slice())).unwrap_or_default();
    let in_line = |people: &[Person]| joined(people.iter().map(|person| person.username.as_str()), NAMES_IN_AUDIT);
    let missing_in = |people: &[Person], others: &[Person]| {
        let missing = people.iter().filter(|person| !holds(others, person.account));
        in_line(&missing.cloned().collect::<Vec<_>>())
    };
    [
        Change::between("groups-name", text(|group| &group.name), &after.name),
        Change::between("groups-description", text(|group| &group.description), &after.description),
        Change::between("groups-admins", &in_line(old_admins), &in_line(&after.admins)),
        Change::between("groups-members-added", "", &missing_in(&after.members, old_members)),
        Change::between("groups-members-removed", &missing_in(old_members, &after.members), ""),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn entry<'e>(tenant: TenantId, action: &'static str, object: &'e str, changes: Vec<Change>) -> audit::Entry<'e> {
    audit::Entry { tenant: Some(tenant), action, object, changes }
}

/// Switches a group, which the caller has locked, on or off.
///
/// # Errors
/// When the database cannot be written.
pub fn set_on(
    c: &mut AnyConnection,
    tenant: TenantId,
    group: &Group,
    is_on: bool,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<Effect> {
    if group.is_on == is_on {
        return Ok(Effect::Unchanged);
    }
    diesel::update(of_tenant(tenant, group.id)).set(user_groups::is_on.eq(is_on)).execute(c)?;
    let action = if is_on { "group-enabled" } else { "group-disabled" };
    audit::record(c, who, &entry(tenant, action, &group.name, Vec::new()), now).map(|()| Effect::Changed)
}

/// Deletes a group, which the caller has locked. While alert rules ring it, nothing is deleted and their names are
/// answered.
///
/// # Errors
/// When the database cannot be written.
pub fn delete(
    c: &mut AnyConnection,
    tenant: TenantId,
    group: &Group,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<std::result::Result<(), Vec<String>>> {
    // No rule begins to ring the group from here on.
    people::store::lock_rules(c, tenant)?;
    let rules = people::store::rules_ringing(c, tenant, Receiver::Group(group.id))?;
    if !rules.is_empty() {
        return Ok(Err(rules));
    }
    let places = user_group_accounts::table.filter(user_group_accounts::user_group.eq(group.id));
    diesel::delete(places).execute(c)?;
    diesel::delete(of_tenant(tenant, group.id)).execute(c)?;
    audit::record(c, who, &entry(tenant, "group-deleted", &group.name, Vec::new()), now)?;
    Ok(Ok(()))
}
