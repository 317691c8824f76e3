//! Members in the database. Every query takes the tenant first.

use std::collections::BTreeMap;

use chrono::NaiveDateTime;
use diesel::{
    dsl::{exists, sql},
    prelude::*,
    sql_types::{Bool, Text},
};

pub mod added;
pub mod broken;
pub mod invitations;
pub mod stranded;
pub mod verifications;

use super::{
    ContactState, Status,
    list::{Filter, Sort},
    model::{Contact, ContactChange, Member, RobotChange, masked_email, masked_phone},
};
use crate::{
    access::{Role, Tenant},
    accounts::Username,
    audit::Change,
    channels::channel_key,
    db::{
        AccountId, AnyConnection, DbEnum, DeliveryId, FastEnum, FastTimestamp, LimitConst as _, MemberId, RobotId,
        TenantId, on_backend, position_function_sql,
        schema::{contacts, members, robots, tenants, user_group_accounts, user_groups},
    },
    db::{PAGE_SIZE, Pager},
    delivery,
    error::{Error, Result},
    robots::Channel,
    secrets::KeyRing,
};

/// The kind of database behind a connection, as diesel's query types name it.
type Backend = <AnyConnection as Connection>::Backend;

/// How many ids a search finds before it is counted apart.
const PROBE: i64 = 5_000;
/// How many rows may lie between a page and the nearer end of the list for Postgres to read them all the same.
const NEAR: i64 = 1_000;
/// How many of those who share a robot are named.
const SHARED_NAMES: i64 = 8;

/// A member to be added.
#[derive(Clone, Debug)]
pub struct NewMember<'m> {
    /// The account that becomes a member.
    pub account: AccountId,
    /// Its name.
    pub username: &'m Username,
    /// What the tenant calls the person.
    pub display_name: &'m str,
    /// The role.
    pub role: Role,
}

/// Adds a member who has the rights of his role at once: the tenant made his account, or its owner adds himself.
///
/// # Errors
/// [`Error::AlreadyExists`] when the account is a member already.
pub fn insert(c: &mut AnyConnection, tenant: TenantId, member: &NewMember<'_>, now: NaiveDateTime) -> Result<MemberId> {
    insert_as(c, tenant, member, Status::Active, now)
}

/// Adds a member who has no rights until the owner of the account accepts.
///
/// # Errors
/// [`Error::AlreadyExists`] when the account is a member already.
pub fn invite(c: &mut AnyConnection, tenant: TenantId, member: &NewMember<'_>, now: NaiveDateTime) -> Result<MemberId> {
    insert_as(c, tenant, member, Status::Invited, now)
}

fn insert_as(
    c: &mut AnyConnection,
    tenant: TenantId,
    member: &NewMember<'_>,
    status: Status,
    now: NaiveDateTime,
) -> Result<MemberId> {
    let id = diesel::insert_into(members::table)
        .values((
            members::tenant.eq(tenant),
            members::account.eq(member.account),
            members::username.eq(member.username.as_str()),
            members::username_key.eq(member.username.key()),
            members::display_name.eq(member.display_name),
            members::display_name_key.eq(member.display_name.to_lowercase()),
            members::search_text.eq(search_text(&member.username.key(), member.display_name)),
            members::role.eq(member.role.as_str()),
            members::phone.eq(""),
            members::email.eq(""),
            members::status.eq(status.as_str()),
            members::robot_count.eq(0),
            members::joined_at.eq(now),
            members::accepted_at.eq((status == Status::Active).then_some(now)),
        ))
        .returning(members::id)
        .get_result(c)?;
    diesel::update(tenants::table.find(tenant)).set(tenants::member_count.eq(tenants::member_count + 1)).execute(c)?;
    Ok(id)
}

/// What a search looks into. No typed search holds the line feed, so it never matches across the two names.
fn search_text(username_key: &str, display_name: &str) -> String {
    format!("{username_key}\n{}", display_name.to_lowercase())
}

/// A row of the list.
#[derive(Clone, Debug)]
pub struct ListRow {
    /// The member's id.
    pub id: MemberId,
    /// The name it logs in with.
    pub username: String,
    /// What the tenant calls the person.
    pub display_name: String,
    /// The role.
    pub role: Role,
    /// Whether the member takes part.
    pub status: Status,
    /// The phone number, masked.
    pub phone: String,
    /// The email address, masked.
    pub email: String,
    /// The robots: channel, last four characters, how far it can be relied on.
    pub robots: Vec<(Channel, String, ContactState)>,
    /// When the member joined.
    pub joined_at: NaiveDateTime,
}

/// One page of the list.
///
/// # Errors
/// When the database cannot be read.
pub fn list(
    c: &mut AnyConnection,
    tenant: &Tenant,
    filter: &Filter,
    order: Order,
    page: i64,
) -> Result<(Vec<ListRow>, Pager)> {
    if filter.is_everything() {
        // The whole tenant's number is kept beside it, so that it need not be counted.
        let pager = Pager::new(page, tenant.member_count);
        return Ok((whole(c, tenant.id, order, &pager)?, pager));
    }
    let (ids, pager) = found(c, tenant.id, filter, order, page)?;
    Ok((rows_of(c, &ids)?, pager))
}

/// What a list is sorted by, and whether the other way round.
type Order = (Sort, bool);

/// A page of all members. Near to either end of the list one statement reads its rows; far from them an index alone finds
/// their ids, because Postgres looks at the row of everything that it steps over otherwise.
fn whole(c: &mut AnyConnection, tenant: TenantId, order: Order, pager: &Pager) -> Result<Vec<ListRow>> {
    let window = Window::of(pager);
    if window.offset > NEAR && matches!(c, AnyConnection::Postgres(_)) {
        let ids = ids(c, tenant, &Filter::everything(), order, window)?;
        return rows_of(c, &ids);
    }
    let mut found = lines(c, tenant, order, window)?;
    if window.from_end {
        found.reverse();
    }
    let reached = match (order.0, found.first(), found.last()) {
        (Sort::Username, Some(first), Some(last)) => robots_between(c, tenant, first, last)?,
        _ => robots_of(c, &found.iter().map(|row| row.id).collect::<Vec<_>>())?,
    };
    list_rows(found, reached)
}

/// The rows of a part of the whole list, in the order in which they are read.
fn lines(c: &mut AnyConnection, tenant: TenantId, (sort, descending): Order, window: Window) -> Result<Vec<Line>> {
    let of_tenant = members::table.filter(members::tenant.eq(tenant));
    macro_rules! by {
        ($order:expr) => {{
            let lines = of_tenant.order($order);
            on_backend!(c, c => lines.select(Line::as_select()).limit_const::<PAGE_SIZE>().offset(window.offset).load(c)?)
        }};
    }
    let mut lines: Vec<Line> = match (sort, descending != window.from_end) {
        (Sort::Username, false) => by!((members::username_key.asc(), members::id.asc())),
        (Sort::Username, true) => by!((members::username_key.desc(), members::id.desc())),
        (Sort::DisplayName, false) => by!((members::display_name_key.asc(), members::id.asc())),
        (Sort::DisplayName, true) => by!((members::display_name_key.desc(), members::id.desc())),
        (Sort::Joined, false) => by!((members::joined_at.asc(), members::id.asc())),
        (Sort::Joined, true) => by!((members::joined_at.desc(), members::id.desc())),
    };
    lines.truncate(usize::try_from(window.length).map_err(Error::internal)?);
    Ok(lines)
}

/// A page of what a filter finds: its ids, and the pager. A search reads an index from end to end, so near the start of
/// the list it is done once: the first so many ids also say how many there are, unless there are more.
fn found(
    c: &mut AnyConnection,
    tenant: TenantId,
    filter: &Filter,
    order: Order,
    page: i64,
) -> Result<(Vec<MemberId>, Pager)> {
    if page > PROBE / PAGE_SIZE {
        let pager = Pager::new(page, count(c, tenant, filter)?);
        return Ok((ids(c, tenant, filter, order, Window::of(&pager))?, pager));
    }
    let probed = ids(c, tenant, filter, order, Window { offset: 0, length: PROBE, from_end: false })?;
    let total = match i64::try_from(probed.len()).map_err(Error::internal)? {
        PROBE => count(c, tenant, filter)?,
        total => total,
    };
    let pager = Pager::new(page, total);
    Ok((slice(&probed, &pager), pager))
}

fn count(c: &mut AnyConnection, tenant: TenantId, filter: &Filter) -> Result<i64> {
    Ok(filtered(tenant, filter, position_function_sql(c)).count().get_result(c)?)
}

fn slice(ids: &[MemberId], pager: &Pager) -> Vec<MemberId> {
    let (skip, take) = (usize::try_from(pager.offset()), usize::try_from(PAGE_SIZE));
    ids.iter().skip(skip.unwrap_or_default()).take(take.unwrap_or_default()).copied().collect()
}

/// The part of an ordered list that a page shows, counted from whichever end is nearer.
#[derive(Clone, Copy)]
struct Window {
    offset: i64,
    length: i64,
    from_end: bool,
}

impl Window {
    fn of(pager: &Pager) -> Self {
        let from_end = pager.offset() > pager.total / 2;
        let length = (pager.total - pager.offset()).clamp(0, PAGE_SIZE);
        let offset = if from_end { pager.total - pager.offset() - length } else { pager.offset() };
        Self { offset, length, from_end }
    }
}

fn ids(
    c: &mut AnyConnection,
    tenant: TenantId,
    filter: &Filter,
    order: Order,
    window: Window,
) -> Result<Vec<MemberId>> {
    let query = filtered(tenant, filter, position_function_sql(c)).select(members::id);
    let mut ids: Vec<MemberId> = ordered(query, order, window).load(c)?;
    if window.from_end {
        ids.reverse();
    }
    Ok(ids)
}

fn ordered<'q, S: 'q>(
    query: members::BoxedQuery<'q, Backend, S>,
    (sort, descending): Order,
    window: Window,
) -> members::BoxedQuery<'q, Backend, S> {
    let query = query.limit(window.length).offset(window.offset);
    match (sort, descending != window.from_end) {
        (Sort::Username, false) => query.order((members::username_key.asc(), members::id.asc())),
        (Sort::Username, true) => query.order((members::username_key.desc(), members::id.desc())),
        (Sort::DisplayName, false) => query.order((members::display_name_key.asc(), members::id.asc())),
        (Sort::DisplayName, true) => query.order((members::display_name_key.desc(), members::id.desc())),
        (Sort::Joined, false) => query.order((members::joined_at.asc(), members::id.asc())),
        (Sort::Joined, true) => query.order((members::joined_at.desc(), members::id.desc())),
    }
}

fn filtered<'q>(tenant: TenantId, filter: &Filter, position: &str) -> members::BoxedQuery<'q, Backend> {
    let mut query = members::table.filter(members::tenant.eq(tenant)).into_boxed();
    if !filter.search.is_empty() {
        let in_names = sql::<Bool>(&format!("{position}(members.search_text, "))
            .bind::<Text, _>(filter.search.clone())
            .sql(") > 0");
        query = match filter.search.parse().map(MemberId) {
            Ok(id) => query.filter(in_names.or(members::id.eq(id))),
            Err(_) => query.filter(in_names),
        };
    }
    if let Some(role) = filter.role {
        query = query.filter(members::role.eq(role.as_str()));
    }
    if let Some(status) = filter.status {
        query = query.filter(members::status.eq(status.as_str()));
    }
    if filter.no_contact {
        query = query.filter(members::robot_count.eq(0));
    }
    if let Some(robot) = filter.robot {
        let reached = contacts::table.filter(contacts::member.eq(members::id)).filter(contacts::robot.eq(robot));
        query = query.filter(exists(reached));
    }
    query
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = members)]
struct Line {
    id: MemberId,
    username: String,
    display_name: String,
    role: FastEnum<Role>,
    status: FastEnum<Status>,
    phone: String,
    email: String,
    joined_at: FastTimestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = members)]
struct Row {
    id: MemberId,
    account: AccountId,
    username: String,
    display_name: String,
    role: String,
    status: String,
    phone: String,
    email: String,
}

impl DbEnum for Role {
    fn from_word(word: &str) -> Option<Self> {
        Self::parse(word)
    }
}

impl DbEnum for Status {
    fn from_word(word: &str) -> Option<Self> {
        Self::parse(word)
    }
}

fn role(word: &str) -> Result<Role> {
    Role::parse(word).ok_or_else(|| Error::internal("a member has an unknown role"))
}

fn status(word: &str) -> Result<Status> {
    Status::parse(word).ok_or_else(|| Error::internal("a member has an unknown status"))
}

/// The rows of ids that a query of the tenant has just found, in their order. They are asked for by id and nothing else:
/// with the tenant beside it, a SQLite that was never analysed would walk the whole tenant instead.
fn rows_of(c: &mut AnyConnection, ids: &[MemberId]) -> Result<Vec<ListRow>> {
    let listed = members::table.filter(members::id.eq_any(ids));
    let mut found: Vec<Line> = on_backend!(c, c => listed.select(Line::as_select()).load(c)?);
    found.sort_by_key(|row| ids.iter().position(|id| *id == row.id));
    let reached = robots_of(c, ids)?;
    list_rows(found, reached)
}

fn list_rows(found: Vec<Line>, mut reached: BTreeMap<MemberId, Reached>) -> Result<Vec<ListRow>> {
    found
        .into_iter()
        .map(|row| {
            Ok(ListRow {
                id: row.id,
                role: row.role.0,
                status: row.status.0,
                phone: masked_phone(&row.phone),
                email: masked_email(&row.email),
                robots: reached.remove(&row.id).unwrap_or_default(),
                username: row.username,
                display_name: row.display_name,
                joined_at: row.joined_at.0,
            })
        })
        .collect()
}

/// The robots of a row: channel, last four characters, how far it can be relied on.
type Reached = Vec<(Channel, String, ContactState)>;

/// Whose robot, and what a row shows of it: channel, last four characters, whether it is broken, whether it is verified.
type Reaching = (MemberId, String, String, bool, bool);

fn robots_of(c: &mut AnyConnection, ids: &[MemberId]) -> Result<BTreeMap<MemberId, Reached>> {
    let rows: Vec<Reaching> = contacts::table
        .inner_join(robots::table)
        .filter(contacts::member.eq_any(ids))
        .order(contacts::channel)
        .select((
            contacts::member,
            contacts::channel,
            robots::last_four,
            robots::state.ne("ok"),
            contacts::verified_at.is_not_null(),
        ))
        .load(c)?;
    Ok(by_member(rows))
}

/// The robots of a stretch of the list by username, from whichever end: unlike a list of ids, a statement that the database
/// has to read only once.
fn robots_between(
    c: &mut AnyConnection,
    tenant: TenantId,
    one: &Line,
    other: &Line,
) -> Result<BTreeMap<MemberId, Reached>> {
    let (one, other) = (Username::normalize(&one.username), Username::normalize(&other.username));
    let (low, high) = (one.as_str().min(&other), one.as_str().max(&other));
    // In the order of the indexes, so that nothing has to be sorted.
    let reaching = members::table
        .inner_join(contacts::table.inner_join(robots::table))
        .filter(members::tenant.eq(tenant))
        .filter(members::username_key.ge(low))
        .filter(members::username_key.le(high))
        .order((members::username_key, members::id, contacts::channel))
        .select((
            contacts::member,
            contacts::channel,
            robots::last_four,
            robots::state.ne("ok"),
            contacts::verified_at.is_not_null(),
        ));
    Ok(by_member(on_backend!(c, c => reaching.load(c)?)))
}

fn by_member(rows: Vec<Reaching>) -> BTreeMap<MemberId, Reached> {
    let mut reached: BTreeMap<MemberId, Reached> = BTreeMap::new();
    for (member, channel, last_four, broken, verified) in rows {
        if let Some(channel) = Channel::parse(&channel) {
            reached.entry(member).or_default().push((channel, last_four, ContactState::of(verified, broken)));
        }
    }
    reached
}

/// A member of this tenant, with his robots.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn find(c: &mut AnyConnection, tenant: TenantId, id: MemberId) -> Result<Member> {
    let (row, may_fire, has_accepted): (Row, bool, bool) = members::table
        .filter(members::tenant.eq(tenant))
        .filter(members::id.eq(id))
        .select((Row::as_select(), members::may_fire, members::accepted_at.is_not_null()))
        .first_cached(c)?;
    Ok(Member {
        id: row.id,
        account: row.account,
        role: role(&row.role)?,
        status: status(&row.status)?,
        robots: contacts_of(c, id)?,
        username: row.username,
        display_name: row.display_name,
        phone: row.phone,
        email: row.email,
        may_fire,
        has_accepted,
    })
}

/// A member of this tenant, who stays as he is until the transaction ends: what is decided by his role is decided by the
/// role that he has.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn lock(c: &mut AnyConnection, tenant: TenantId, id: MemberId) -> Result<Member> {
    let row = members::table.filter(members::tenant.eq(tenant)).filter(members::id.eq(id)).select(members::id);
    if let AnyConnection::Postgres(c) = c {
        // SQLite has one writer, and needs no lock.
        row.for_no_key_update().first::<MemberId>(c)?;
    }
    find(c, tenant, id)
}

/// The member of this tenant that an account is, if it is one.
///
/// # Errors
/// When the database cannot be read.
pub fn of_account(c: &mut AnyConnection, tenant: TenantId, account: AccountId) -> Result<Option<MemberId>> {
    let row = members::table.filter(members::tenant.eq(tenant)).filter(members::account.eq(account));
    Ok(row.select(members::id).first_cached(c).optional()?)
}

/// Changes what the tenant calls a member, and answers the change for the audit log.
///
/// # Errors
/// When the database cannot be written.
pub fn set_display_name(
    c: &mut AnyConnection,
    tenant: TenantId,
    member: &Member,
    name: &str,
) -> Result<Option<Change>> {
    let username_key = Username::normalize(&member.username);
    diesel::update(members::table.filter(members::tenant.eq(tenant)).filter(members::id.eq(member.id)))
        .set((
            members::display_name.eq(name),
            members::display_name_key.eq(name.to_lowercase()),
            members::search_text.eq(search_text(&username_key, name)),
        ))
        .execute(c)?;
    Ok(Change::between("members-display-name", &member.display_name, name))
}

fn contacts_of(c: &mut AnyConnection, member: MemberId) -> Result<Vec<Contact>> {
    type Row = (String, RobotId, String, String, bool, String, String, Option<NaiveDateTime>);
    let rows: Vec<Row> = contacts::table
        .inner_join(robots::table)
        .filter(contacts::member.eq(member))
        .select((
            contacts::channel,
            robots::id,
            robots::host,
            robots::last_four,
            robots::sealed_secret.is_not_null(),
            robots::state,
            robots::reason,
            contacts::verified_at,
        ))
        .load(c)?;
    rows.into_iter()
        .map(|(channel, robot, host, last_four, has_secret, state, reason, verified_at)| {
            Ok(Contact {
                channel: Channel::parse(&channel).ok_or_else(|| Error::internal("a contact of an unknown channel"))?,
                robot,
                host,
                last_four,
                has_secret,
                broken: (state != "ok").then_some(reason),
                verified_at,
                shared_count: others_on(robot, member).count().get_result(c)?,
                shared_with: names_on(c, robot, member)?,
            })
        })
        .collect()
}

/// The contacts of the other members that a robot reaches.
#[diesel::dsl::auto_type(no_type_alias)]
fn others_on(robot: RobotId, member: MemberId) -> _ {
    contacts::table.filter(contacts::robot.eq(robot)).filter(contacts::member.ne(member))
}

/// The display names of the first of them.
fn names_on(c: &mut AnyConnection, robot: RobotId, member: MemberId) -> Result<Vec<String>> {
    Ok(others_on(robot, member)
        .inner_join(members::table)
        .order(members::display_name_key)
        .limit(SHARED_NAMES)
        .select(members::display_name)
        .load(c)?)
}

/// Who changes a member, where and when, and the keys that seal what is secret of it.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'e> {
    /// The keys.
    pub keys: &'e KeyRing,
    /// The tenant.
    pub tenant: TenantId,
    /// Who does it; nothing for another system, which has sent no test messages.
    pub by: Option<AccountId>,
    /// When.
    pub now: NaiveDateTime,
}

/// What an update did.
#[derive(Debug, Default)]
pub struct Updated {
    /// For the audit log.
    pub changes: Vec<Change>,
    /// The robots that are new or changed for this member.
    pub ringing: Vec<(Channel, RobotId)>,
}

/// Changes a member's role and contact information.
///
/// # Errors
/// [`Error::NotFound`] for a test message that was not this account's for this member.
pub fn update(
    c: &mut AnyConnection,
    edit: Edit<'_>,
    before: &Member,
    role: Option<Role>,
    change: &ContactChange,
) -> Result<Updated> {
    let role = role.unwrap_or(before.role);
    let mut updated = Updated::default();
    updated.changes.extend(Change::between("members-role", before.role.as_str(), role.as_str()));
    updated.changes.extend(masked("members-phone", masked_phone, &before.phone, change.phone.as_str()));
    updated.changes.extend(masked("members-email", masked_email, &before.email, change.email.as_str()));
    take_bells(c, edit, before, change)?;
    for (channel, robot) in &change.robots {
        let done = change_robot(c, edit, before, *channel, robot)?;
        updated.changes.extend(done.changes);
        updated.ringing.extend(done.ringing);
    }
    let robot_count: i64 = contacts::table.filter(contacts::member.eq(before.id)).count().get_result(c)?;
    // The caller holds the member's lock, so the role that is written is the one that was decided on.
    diesel::update(members::table.filter(members::tenant.eq(edit.tenant)).filter(members::id.eq(before.id)))
        .set((
            members::role.eq(role.as_str()),
            members::phone.eq(change.phone.as_str()),
            members::email.eq(change.email.as_str()),
            members::robot_count.eq(robot_count),
        ))
        .execute(c)?;
    Ok(updated)
}

/// Gives a member the permission to fire alerts, or takes it away. Answers the change for the audit log.
///
/// # Errors
/// When the database cannot be written.
pub fn set_may_fire(
    c: &mut AnyConnection,
    tenant: TenantId,
    member: &Member,
    may_fire: bool,
) -> Result<Option<Change>> {
    let row = members::table.filter(members::tenant.eq(tenant)).filter(members::id.eq(member.id));
    diesel::update(row).set(members::may_fire.eq(may_fire)).execute(c)?;
    let word = |may: bool| if may { "yes" } else { "no" };
    Ok(Change::between("members-may-fire", word(member.may_fire), word(may_fire)))
}

/// A change of a value that the audit log shows masked.
fn masked(field: &str, mask: fn(&str) -> String, before: &str, after: &str) -> Option<Change> {
    (before != after).then(|| Change { field: field.to_owned(), before: mask(before), after: mask(after) })
}

/// Takes the endpoints of all robots that a change is about.
fn take_bells(c: &mut AnyConnection, edit: Edit<'_>, member: &Member, change: &ContactChange) -> Result<()> {
    let (mut robots, mut addresses) = (Vec::new(), Vec::new());
    for (channel, change) in change.robots.iter().filter(|(_, change)| *change != RobotChange::Keep) {
        match change {
            RobotChange::Set(address, _) => addresses.push(address),
            RobotChange::Tested(delivery, _) => robots.push(tested(c, edit, member, *delivery, *channel)?),
            _ => {}
        }
        robots.extend(member.robot(channel).map(|stored| stored.robot));
    }
    delivery::lock_endpoints(c, edit.keys, edit.tenant, &robots, &addresses, edit.now)
}

/// The robot that a test message of this account for this member went to.
fn tested(
    c: &mut AnyConnection,
    edit: Edit<'_>,
    member: &Member,
    test: DeliveryId,
    channel: Channel,
) -> Result<RobotId> {
    let by = edit.by.ok_or(Error::NotFound)?;
    delivery::find_tested_robot(c, edit.tenant, test, (member.id, by), channel)
}

fn change_robot(
    c: &mut AnyConnection,
    edit: Edit<'_>,
    member: &Member,
    channel: Channel,
    change: &RobotChange,
) -> Result<Updated> {
    let Edit { keys, tenant, now, .. } = edit;
    let stored = member.robot(&channel);
    let (robot, secret_changed) = match (change, stored) {
        (RobotChange::Set(address, secret), _) => {
            delivery::upsert_robot(c, keys, tenant, address, secret.as_ref(), now)?
        }
        (RobotChange::Tested(delivery, secret), _) => {
            let robot = tested(c, edit, member, *delivery, channel)?;
            let secret = secret.as_ref().map(|secret| delivery::set_secret(c, keys, tenant, robot, secret, now));
            (robot, secret.transpose()?.unwrap_or_default())
        }
        (RobotChange::NewSecret(secret), Some(stored)) => {
            (stored.robot, delivery::set_secret(c, keys, tenant, stored.robot, secret, now)?)
        }
        (RobotChange::NoSecret, Some(stored)) => (stored.robot, delivery::clear_secret(c, tenant, stored.robot, now)?),
        (RobotChange::Remove, Some(stored)) => {
            unlink(c, member.id, channel)?;
            delivery::reroute_waiting(c, tenant, member.id, stored.robot, None, now)?;
            let before = format!("{} …{}", stored.host, stored.last_four);
            let change = Change { field: channel_key(&channel).to_owned(), before, after: String::new() };
            return Ok(Updated { changes: vec![change], ringing: Vec::new() });
        }
        _ => return Ok(Updated::default()),
    };
    let mut updated = Updated::default();
    if stored.map(|stored| stored.robot) != Some(robot) {
        unlink(c, member.id, channel)?;
        link(c, member.id, channel, robot)?;
        if let Some(stored) = stored {
            delivery::reroute_waiting(c, tenant, member.id, stored.robot, Some(robot), now)?;
        }
        let after: (String, String) =
            robots::table.find(robot).select((robots::host, robots::last_four)).first_cached(c)?;
        updated.changes.push(Change {
            field: channel_key(&channel).to_owned(),
            before: stored.map(|stored| format!("{} …{}", stored.host, stored.last_four)).unwrap_or_default(),
            after: format!("{} …{}", after.0, after.1),
        });
        updated.ringing.push((channel, robot));
    } else if secret_changed {
        let field = "members-signing-secret".to_owned();
        updated.changes.push(Change { field, before: String::new(), after: String::new() });
        updated.ringing.push((channel, robot));
    }
    Ok(updated)
}

fn link(c: &mut AnyConnection, member: MemberId, channel: Channel, robot: RobotId) -> Result<()> {
    diesel::insert_into(contacts::table)
        .values((contacts::member.eq(member), contacts::channel.eq(channel.as_str()), contacts::robot.eq(robot)))
        .execute(c)?;
    Ok(())
}

fn unlink(c: &mut AnyConnection, member: MemberId, channel: Channel) -> Result<()> {
    // What was proved of the old robot's group says nothing about the next one's.
    verifications::forget(c, member, channel)?;
    let row = contacts::table.filter(contacts::member.eq(member)).filter(contacts::channel.eq(channel.as_str()));
    diesel::delete(row).execute(c)?;
    Ok(())
}

/// Whether another member of the tenant is reached by a robot.
///
/// # Errors
/// When the database cannot be read.
pub fn is_shared(c: &mut AnyConnection, member: MemberId, robot: RobotId) -> Result<bool> {
    Ok(diesel::select(exists(others_on(robot, member).select(contacts::member))).get_result(c)?)
}

/// Whether any member of the tenant is reached by a robot.
///
/// # Errors
/// When the database cannot be read.
pub fn is_in_use(c: &mut AnyConnection, robot: RobotId) -> Result<bool> {
    let reached = contacts::table.filter(contacts::robot.eq(robot)).select(contacts::member);
    Ok(diesel::select(exists(reached)).get_result(c)?)
}

/// Stops a member.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn disable(c: &mut AnyConnection, tenant: TenantId, id: MemberId) -> Result<()> {
    set_status(c, tenant, id, Status::Disabled)
}

/// Lets a member take part again, whom the caller has locked. When the owner of the account has not accepted, or not since
/// somebody else could log in with it, he is invited. Answers the new status.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn reinstate(c: &mut AnyConnection, tenant: TenantId, member: &Member) -> Result<Status> {
    let status = if member.has_accepted { Status::Active } else { Status::Invited };
    set_status(c, tenant, member.id, status)?;
    Ok(status)
}

fn set_status(c: &mut AnyConnection, tenant: TenantId, id: MemberId, status: Status) -> Result<()> {
    let row = members::table.filter(members::tenant.eq(tenant)).filter(members::id.eq(id));
    match diesel::update(row).set(members::status.eq(status.as_str())).execute(c)? {
        0 => Err(Error::NotFound),
        _ => Ok(()),
    }
}

/// Removes a member from the tenant with every right in it: role, permission to fire alerts, administration of user groups.
/// His account stays, and so does what the records say of him; groups, schedules and rules go on naming him as somebody
/// who left.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn remove(c: &mut AnyConnection, tenant: TenantId, id: MemberId) -> Result<()> {
    let account = find(c, tenant, id)?.account;
    end_group_administration(c, tenant, account)?;
    verifications::forget_all(c, id)?;
    diesel::delete(contacts::table.filter(contacts::member.eq(id))).execute(c)?;
    let row = members::table.filter(members::tenant.eq(tenant)).filter(members::id.eq(id));
    if diesel::delete(row).execute(c)? == 0 {
        return Err(Error::NotFound);
    }
    diesel::update(tenants::table.find(tenant)).set(tenants::member_count.eq(tenants::member_count - 1)).execute(c)?;
    Ok(())
}

/// Whether an account takes part in any other tenant.
///
/// # Errors
/// When the database cannot be read.
pub fn takes_part_elsewhere(c: &mut AnyConnection, account: AccountId, tenant: TenantId) -> Result<bool> {
    let elsewhere = members::table
        .filter(members::account.eq(account))
        .filter(members::tenant.ne(tenant))
        .filter(members::status.eq(Status::Active.as_str()));
    Ok(diesel::select(exists(elsewhere.select(members::id))).get_result(c)?)
}

/// Takes the administration of the tenant's user groups from an account. Who only administered a group is no longer in it.
fn end_group_administration(c: &mut AnyConnection, tenant: TenantId, account: AccountId) -> Result<()> {
    let of_tenant = user_groups::table.filter(user_groups::tenant.eq(tenant)).select(user_groups::id);
    let places = user_group_accounts::table
        .filter(user_group_accounts::account.eq(account))
        .filter(user_group_accounts::user_group.eq_any(of_tenant));
    diesel::delete(places.filter(user_group_accounts::is_member.eq(false))).execute(c)?;
    diesel::update(places).set(user_group_accounts::is_admin.eq(false)).execute(c)?;
    Ok(())
}
