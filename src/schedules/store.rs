//! Shift schedules in the database. Every query takes the tenant first.

use std::collections::HashMap;

use chrono::{NaiveDate, NaiveDateTime};
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{Bool, Text},
};

use super::{
    Schedule, Unit,
    model::{clock_time, read_start_date},
};
use crate::{
    access::Actor,
    audit::{self, Change, Effect},
    db::{
        AccountId, AnyConnection, LimitConst as _, PAGE_SIZE, Pager, ScheduleId, TenantId, position_function_sql,
        schema::{accounts, members, shift_accounts, shift_schedules},
    },
    error::{Error, Result},
    people::{self, Person, store::Receiver},
};

/// The kind of database behind a connection, as diesel's query types name it.
type Backend = <AnyConnection as Connection>::Backend;

/// A schedule as somebody asked for it, with names in the place of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// Its name; an edited schedule keeps the one it has.
    pub name: String,
    /// See [`Schedule::unit`].
    pub unit: Unit,
    /// See [`Schedule::every`].
    pub every: u32,
    /// See [`Schedule::starts_on`].
    pub starts_on: NaiveDate,
    /// See [`Schedule::handover`].
    pub handover: u16,
    /// See [`Schedule::hours`].
    pub hours: Option<(u16, u16)>,
    /// The username of [`Schedule::outside`].
    pub outside: Option<String>,
    /// The usernames of [`Schedule::shifts`].
    pub shifts: Vec<Vec<String>>,
}

/// The usernames of a draft that nobody in the tenant has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// In the shifts.
    pub shifts: Vec<String>,
    /// Outside the hours.
    pub outside: Vec<String>,
}

/// Which schedules a list shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// A part of the schedule's name or of somebody's in one of its shifts, in lower case; empty for all.
    pub search: String,
    /// Only those that are counted in this unit.
    pub unit: Option<Unit>,
}

/// A schedule with everybody in it.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its id.
    pub id: ScheduleId,
    /// Its name.
    pub name: String,
    /// When whose turn it is.
    pub schedule: Schedule,
    /// Everybody in it, by username.
    pub people: Vec<Person>,
}

impl Found {
    /// Somebody in it.
    #[must_use]
    pub fn person(&self, account: &AccountId) -> Option<&Person> {
        self.people.iter().find(|person| person.account == *account)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = shift_schedules)]
struct Row {
    id: ScheduleId,
    name: String,
    unit: String,
    shift_length: i64,
    starts_on: String,
    handover_minute: i64,
    hours_from: Option<i64>,
    hours_to: Option<i64>,
    off_hours_account: Option<AccountId>,
}

impl Row {
    fn schedule(&self, shifts: Vec<Vec<AccountId>>) -> Result<Schedule> {
        let broken = || Error::internal("a shift schedule is not one that was ever saved");
        let minute = |minute: i64| u16::try_from(minute).map_err(|_| broken());
        let hours = match (self.hours_from, self.hours_to) {
            (Some(from), Some(to)) => Some((minute(from)?, minute(to)?)),
            _ => None,
        };
        Ok(Schedule {
            unit: Unit::parse(&self.unit).ok_or_else(broken)?,
            every: u32::try_from(self.shift_length).map_err(|_| broken())?,
            starts_on: read_start_date(&self.starts_on).ok_or_else(broken)?,
            handover: minute(self.handover_minute)?,
            hours,
            outside: self.off_hours_account,
            shifts,
        })
    }
}

/// One page of the schedules, by name.
///
/// # Errors
/// When the database cannot be read.
pub fn list(c: &mut AnyConnection, tenant: TenantId, filter: &Filter, page: i64) -> Result<(Vec<Found>, Pager)> {
    let position = position_function_sql(c);
    let by_people = match filter.search.as_str() {
        "" => Vec::new(),
        search => with_people(c, tenant, search, position)?,
    };
    let query = || filtered(tenant, filter, position, by_people.clone());
    let pager = Pager::new(page, query().count().get_result(c)?);
    let rows: Vec<Row> = query()
        .order((shift_schedules::name_key, shift_schedules::id))
        .limit(PAGE_SIZE)
        .offset(pager.offset())
        .select(Row::as_select())
        .load(c)?;
    Ok((with_everybody(c, tenant, rows)?, pager))
}

fn filtered<'q>(
    tenant: TenantId,
    filter: &Filter,
    position: &str,
    by_people: Vec<ScheduleId>,
) -> shift_schedules::BoxedQuery<'q, Backend> {
    let mut query = shift_schedules::table.filter(shift_schedules::tenant.eq(tenant)).into_boxed();
    if !filter.search.is_empty() {
        let in_name = sql::<Bool>(&format!("{position}(shift_schedules.name_key, "))
            .bind::<Text, _>(filter.search.clone())
            .sql(") > 0");
        query = query.filter(in_name.or(shift_schedules::id.eq_any(by_people)));
    }
    if let Some(unit) = filter.unit {
        query = query.filter(shift_schedules::unit.eq(unit.as_str()));
    }
    query
}

/// The schedules that have somebody in a shift whose name holds this text: the names that the tenant calls its members,
/// and the usernames of those who have left too.
fn with_people(c: &mut AnyConnection, tenant: TenantId, search: &str, position: &str) -> Result<Vec<ScheduleId>> {
    let holds =
        |column: &str| sql::<Bool>(&format!("{position}({column}, ")).bind::<Text, _>(search.to_owned()).sql(") > 0");
    let mut found: Vec<ScheduleId> = shift_accounts::table
        .inner_join(shift_schedules::table.on(shift_schedules::id.eq(shift_accounts::schedule)))
        .inner_join(accounts::table.on(accounts::id.eq(shift_accounts::account)))
        .filter(shift_schedules::tenant.eq(tenant))
        .filter(holds("accounts.username_key"))
        .select(shift_accounts::schedule)
        .distinct()
        .load(c)?;
    let by_name: Vec<ScheduleId> = shift_accounts::table
        .inner_join(shift_schedules::table.on(shift_schedules::id.eq(shift_accounts::schedule)))
        .inner_join(members::table.on(members::account.eq(shift_accounts::account)))
        .filter(shift_schedules::tenant.eq(tenant))
        .filter(members::tenant.eq(tenant))
        .filter(holds("members.display_name_key"))
        .select(shift_accounts::schedule)
        .distinct()
        .load(c)?;
    found.extend(by_name);
    Ok(found)
}

fn with_everybody(c: &mut AnyConnection, tenant: TenantId, rows: Vec<Row>) -> Result<Vec<Found>> {
    let ids: Vec<ScheduleId> = rows.iter().map(|row| row.id).collect();
    let mut shifts = shifts_of(c, &ids)?;
    let mut everybody: Vec<AccountId> = shifts.values().flatten().flatten().copied().collect();
    everybody.extend(rows.iter().filter_map(|row| row.off_hours_account));
    let people = people::store::of_accounts(c, tenant, &everybody)?;
    rows.into_iter()
        .map(|row| {
            let schedule = row.schedule(shifts.remove(&row.id).unwrap_or_default())?;
            let accounts = schedule.accounts();
            let people = people.iter().filter(|person| accounts.contains(&person.account)).cloned().collect();
            Ok(Found { id: row.id, name: row.name, schedule, people })
        })
        .collect()
}

fn shifts_of(c: &mut AnyConnection, ids: &[ScheduleId]) -> Result<HashMap<ScheduleId, Vec<Vec<AccountId>>>> {
    let rows: Vec<(ScheduleId, i64, AccountId)> = shift_accounts::table
        .filter(shift_accounts::schedule.eq_any(ids))
        .order((shift_accounts::schedule, shift_accounts::shift, shift_accounts::position))
        .select((shift_accounts::schedule, shift_accounts::shift, shift_accounts::account))
        .load(c)?;
    let mut shifts: HashMap<ScheduleId, Vec<Vec<AccountId>>> = HashMap::new();
    for together in rows.chunk_by(|one, next| (one.0, one.1) == (next.0, next.1)) {
        if let Some((schedule, _, _)) = together.first() {
            shifts.entry(*schedule).or_default().push(together.iter().map(|row| row.2).collect());
        }
    }
    Ok(shifts)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn of_tenant(tenant: TenantId, id: ScheduleId) -> _ {
    shift_schedules::table.filter(shift_schedules::tenant.eq(tenant)).filter(shift_schedules::id.eq(id))
}

/// A schedule of this tenant.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn find(c: &mut AnyConnection, tenant: TenantId, id: ScheduleId) -> Result<Found> {
    let row: Row = of_tenant(tenant, id).select(Row::as_select()).first_cached(c)?;
    with_everybody(c, tenant, vec![row])?.pop().ok_or(Error::NotFound)
}

/// A schedule that stays as it is until the transaction ends, unless this transaction changes it.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn lock(c: &mut AnyConnection, tenant: TenantId, id: ScheduleId) -> Result<Found> {
    if let AnyConnection::Postgres(c) = c {
        // SQLite has one writer, and needs no lock.
        let row = shift_schedules::table.filter(shift_schedules::tenant.eq(tenant)).filter(shift_schedules::id.eq(id));
        row.select(shift_schedules::id).for_update().first::<ScheduleId>(c)?;
    }
    find(c, tenant, id)
}

/// A schedule and its name, to find who is on duty; nothing when the tenant has no such schedule. Whoever of its people
/// has left or is disabled is the caller's to tell.
///
/// # Errors
/// When the database cannot be read.
pub fn load(c: &mut AnyConnection, tenant: TenantId, id: ScheduleId) -> Result<Option<(String, Schedule)>> {
    let row: Option<Row> = of_tenant(tenant, id).select(Row::as_select()).first_cached(c).optional()?;
    let Some(row) = row else { return Ok(None) };
    let shifts = shifts_of(c, &[id])?.remove(&id).unwrap_or_default();
    let schedule = row.schedule(shifts)?;
    Ok(Some((row.name, schedule)))
}

/// The tenant's schedules by name, for choosing among them.
///
/// # Errors
/// When the database cannot be read.
pub fn names(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<(ScheduleId, String)>> {
    Ok(shift_schedules::table
        .filter(shift_schedules::tenant.eq(tenant))
        .order((shift_schedules::name_key, shift_schedules::id))
        .select((shift_schedules::id, shift_schedules::name))
        .load(c)?)
}

/// The schedule that a draft means, and everybody in it; or the names that call nobody. Who is in the schedule already may
/// stay, even when he has left the tenant.
///
/// # Errors
/// When the database cannot be read.
pub fn resolve(
    c: &mut AnyConnection,
    tenant: TenantId,
    draft: &Draft,
    before: Option<&Found>,
) -> Result<std::result::Result<(Schedule, Vec<Person>), Unknown>> {
    let kept: Vec<AccountId> = before.map(|found| found.schedule.accounts()).unwrap_or_default();
    let names: Vec<String> = draft.shifts.iter().flatten().chain(&draft.outside).cloned().collect();
    let known = people::store::named(c, tenant, &names, &kept)?;
    let outside = people::match_names(draft.outside.as_slice(), &known);
    let (mut shifts, mut unknown) = (Vec::new(), Vec::new());
    for shift in &draft.shifts {
        match people::match_names(shift, &known) {
            Ok(accounts) => shifts.push(accounts),
            Err(names) => unknown.extend(names),
        }
    }
    match outside {
        Ok(outside) if unknown.is_empty() => {
            let schedule = Schedule {
                unit: draft.unit,
                every: draft.every,
                starts_on: draft.starts_on,
                handover: draft.handover,
                hours: draft.hours,
                outside: outside.first().copied(),
                shifts,
            };
            Ok(Ok((schedule, known)))
        }
        outside => Ok(Err(Unknown { shifts: unknown, outside: outside.err().unwrap_or_default() })),
    }
}

/// The names that nobody in the tenant has. Who is in the schedule already may stay in it.
///
/// # Errors
/// When the database cannot be read.
pub fn unknown_names(
    c: &mut AnyConnection,
    tenant: TenantId,
    shifts: &[String],
    outside: &[String],
    before: Option<&Found>,
) -> Result<Unknown> {
    let kept: Vec<AccountId> = before.map(|found| found.schedule.accounts()).unwrap_or_default();
    let known = people::store::named(c, tenant, &[shifts, outside].concat(), &kept)?;
    let unknown = |names| people::match_names(names, &known).err().unwrap_or_default();
    Ok(Unknown { shifts: unknown(shifts), outside: unknown(outside) })
}

/// Whether a schedule of the tenant has this name.
///
/// # Errors
/// When the database cannot be read.
pub fn name_is_taken(c: &mut AnyConnection, tenant: TenantId, name: &str) -> Result<bool> {
    let named = shift_schedules::table.filter(shift_schedules::tenant.eq(tenant));
    let named = named.filter(shift_schedules::name_key.eq(name.to_lowercase()));
    let found: Option<ScheduleId> = named.select(shift_schedules::id).first_cached(c).optional()?;
    Ok(found.is_some())
}

/// The columns that an edit changes.
#[derive(AsChangeset, Insertable)]
#[diesel(table_name = shift_schedules)]
#[diesel(treat_none_as_null = true)]
struct Columns {
    unit: &'static str,
    shift_length: i64,
    starts_on: String,
    handover_minute: i64,
    hours_from: Option<i64>,
    hours_to: Option<i64>,
    off_hours_account: Option<AccountId>,
}

impl From<&Schedule> for Columns {
    fn from(schedule: &Schedule) -> Self {
        Self {
            unit: schedule.unit.as_str(),
            shift_length: schedule.every.into(),
            starts_on: schedule.starts_on.to_string(),
            handover_minute: schedule.handover.into(),
            hours_from: schedule.hours.map(|hours| hours.0.into()),
            hours_to: schedule.hours.map(|hours| hours.1.into()),
            off_hours_account: schedule.outside,
        }
    }
}

/// Makes a schedule. Names that nobody has are answered, and then nothing is made.
///
/// # Errors
/// [`Error::AlreadyExists`] when the name is another schedule's.
pub fn insert(
    c: &mut AnyConnection,
    tenant: TenantId,
    draft: &Draft,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<std::result::Result<ScheduleId, Unknown>> {
    let (schedule, _) = match resolve(c, tenant, draft, None)? {
        Ok(resolved) => resolved,
        Err(unknown) => return Ok(Err(unknown)),
    };
    let id: ScheduleId = diesel::insert_into(shift_schedules::table)
        .values((
            shift_schedules::tenant.eq(tenant),
            shift_schedules::name.eq(&draft.name),
            shift_schedules::name_key.eq(draft.name.to_lowercase()),
            Columns::from(&schedule),
            shift_schedules::created_at.eq(now),
        ))
        .returning(shift_schedules::id)
        .get_result(c)?;
    insert_shifts(c, id, &schedule)?;
    let changes = differences(None, &find(c, tenant, id)?);
    audit::record(c, who, &entry(tenant, "schedule-added", &draft.name, changes), now)?;
    Ok(Ok(id))
}

fn insert_shifts(c: &mut AnyConnection, id: ScheduleId, schedule: &Schedule) -> Result<()> {
    for (shift, people) in (0_i64..).zip(&schedule.shifts) {
        for (position, account) in (0_i64..).zip(people) {
            diesel::insert_into(shift_accounts::table)
                .values((
                    shift_accounts::schedule.eq(id),
                    shift_accounts::shift.eq(shift),
                    shift_accounts::account.eq(account),
                    shift_accounts::position.eq(position),
                ))
                .execute(c)?;
        }
    }
    Ok(())
}

/// Changes a schedule, which the caller has locked; its name stays. Names that nobody has are answered, and then nothing
/// is changed.
///
/// # Errors
/// When the database cannot be written.
pub fn update(
    c: &mut AnyConnection,
    tenant: TenantId,
    before: &Found,
    draft: &Draft,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<std::result::Result<Effect, Unknown>> {
    let (schedule, _) = match resolve(c, tenant, draft, Some(before))? {
        Ok(resolved) => resolved,
        Err(unknown) => return Ok(Err(unknown)),
    };
    diesel::update(of_tenant(tenant, before.id)).set(Columns::from(&schedule)).execute(c)?;
    diesel::delete(shift_accounts::table.filter(shift_accounts::schedule.eq(before.id))).execute(c)?;
    insert_shifts(c, before.id, &schedule)?;
    let changes = differences(Some(before), &find(c, tenant, before.id)?);
    audit::record_changes(c, who, &entry(tenant, "schedule-edited", &before.name, changes), now).map(Ok)
}

/// A value of a schedule as the audit log shows it.
type InWords = fn(&Found) -> String;

/// What differs between a schedule as it was and as it is, for the audit log.
fn differences(before: Option<&Found>, after: &Found) -> Vec<Change> {
    let texts: [(&str, InWords); 7] = [
        ("schedules-unit", |found| found.schedule.unit.as_str().to_owned()),
        ("schedules-every", |found| found.schedule.every.to_string()),
        ("schedules-starts-on", |found| found.schedule.starts_on.to_string()),
        ("schedules-handover", |found| clock_time(found.schedule.handover)),
        ("schedules-hours", |found| found.schedule.hours.map(from_to).unwrap_or_default()),
        ("schedules-outside", |found| names_of(found, found.schedule.outside.as_slice())),
        ("schedules-shifts", |found| {
            found.schedule.shifts.iter().map(|shift| names_of(found, shift)).collect::<Vec<_>>().join(" | ")
        }),
    ];
    let change =
        |(field, text): (&str, InWords)| Change::between(field, &before.map(text).unwrap_or_default(), &text(after));
    texts.into_iter().filter_map(change).collect()
}

fn from_to((from, to): (u16, u16)) -> String {
    format!("{}–{}", clock_time(from), clock_time(to))
}

fn names_of(found: &Found, accounts: &[AccountId]) -> String {
    let names = accounts.iter().filter_map(|account| found.person(account));
    names.map(|person| person.username.as_str()).collect::<Vec<_>>().join(", ")
}

fn entry<'e>(tenant: TenantId, action: &'static str, object: &'e str, changes: Vec<Change>) -> audit::Entry<'e> {
    audit::Entry { tenant: Some(tenant), action, object, changes }
}

/// Deletes a schedule. While alert rules ring it, nothing is deleted and their names are answered.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn delete(
    c: &mut AnyConnection,
    tenant: TenantId,
    id: ScheduleId,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<std::result::Result<(), Vec<String>>> {
    let found = lock(c, tenant, id)?;
    // No rule begins to ring the schedule from here on.
    people::store::lock_rules(c, tenant)?;
    let rules = people::store::rules_ringing(c, tenant, Receiver::Schedule(id))?;
    if !rules.is_empty() {
        return Ok(Err(rules));
    }
    diesel::delete(shift_accounts::table.filter(shift_accounts::schedule.eq(id))).execute(c)?;
    diesel::delete(of_tenant(tenant, id)).execute(c)?;
    audit::record(c, who, &entry(tenant, "schedule-deleted", &found.name, Vec::new()), now)?;
    Ok(Ok(()))
}
