//! Tenants in the database.

pub mod health;
pub mod overview;

use chrono::NaiveDateTime;
use chrono_tz::Tz;
use diesel::{dsl::exists, prelude::*};

use super::{Details, Locale};
use crate::{
    access::{self, Actor, Principal, Role},
    accounts::Username,
    audit::{self, Change, Effect},
    db::{
        AccountId, AnyConnection, LimitConst as _, MemberId, TenantId,
        schema::{accounts, members, tenants},
    },
    delivery,
    error::{Error, Result},
    language::Language,
    members::{
        Status,
        store::{self as members_store, NewMember, insert as insert_member, invite as invite_member},
    },
};

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct NewTenant<'t> {
    /// Its name for people.
    pub name: &'t str,
    /// Its name in URLs.
    pub slug: &'t str,
    /// What it is for.
    pub description: &'t str,
    /// Whether its administrators administer the instance.
    pub metadata_warehouse: bool,
    /// How its times and messages are written, until its administrators choose otherwise.
    pub locale: Locale,
}

/// Makes a tenant with its super administrator, who is its first member and has his rights at once: his account was made for
/// it, or he adds himself.
///
/// # Errors
/// [`Error::AlreadyExists`] when the slug is.
pub fn insert(
    c: &mut AnyConnection,
    tenant: &NewTenant<'_>,
    super_admin: AccountId,
    username: &Username,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<TenantId> {
    insert_with(c, tenant, (super_admin, username, insert_member), who, now)
}

/// Makes a tenant whose super administrator is invited: nobody has rights in it until the owner of the account accepts.
///
/// # Errors
/// [`Error::AlreadyExists`] when the slug is.
pub fn insert_inviting(
    c: &mut AnyConnection,
    tenant: &NewTenant<'_>,
    super_admin: AccountId,
    username: &Username,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<TenantId> {
    insert_with(c, tenant, (super_admin, username, invite_member), who, now)
}

/// How a member comes into a tenant: at once or by an invitation.
type Join = fn(&mut AnyConnection, TenantId, &NewMember<'_>, NaiveDateTime) -> Result<MemberId>;

fn insert_with(
    c: &mut AnyConnection,
    tenant: &NewTenant<'_>,
    (super_admin, username, join): (AccountId, &Username, Join),
    who: &Actor,
    now: NaiveDateTime,
) -> Result<TenantId> {
    let id: TenantId = diesel::insert_into(tenants::table)
        .values((
            tenants::slug.eq(tenant.slug),
            tenants::name.eq(tenant.name),
            tenants::description.eq(tenant.description),
            tenants::metadata_warehouse.eq(tenant.metadata_warehouse),
            tenants::channel_mode.eq("system"),
            tenants::super_admin.eq(super_admin),
            tenants::time_zone.eq(tenant.locale.time_zone.name()),
            tenants::message_language.eq(tenant.locale.message_language.tag()),
            tenants::member_count.eq(0),
            tenants::created_at.eq(now),
        ))
        .returning(tenants::id)
        .get_result(c)?;
    join(c, id, &super_administrator(super_admin, username), now)?;
    let changes = Change::between("tenants-super-admin", "", username.as_str()).into_iter().collect();
    let entry = audit::Entry { tenant: Some(id), action: "tenant-added", object: tenant.name, changes };
    audit::record(c, who, &entry, now)?;
    Ok(id)
}

fn super_administrator(account: AccountId, username: &Username) -> NewMember<'_> {
    NewMember { account, username, display_name: username.as_str(), role: Role::SuperAdministrator }
}

/// Makes an account super administrator of the metadata warehouse tenant, whose administrators administer the instance.
/// The tenant is made when there is none, with the zone and language proposed to whoever uses this language.
///
/// # Errors
/// When the database cannot be written.
pub fn join_metadata_warehouse(
    c: &mut AnyConnection,
    account: AccountId,
    username: &Username,
    language: Language,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<TenantId> {
    let known =
        tenants::table.filter(tenants::metadata_warehouse.eq(true)).select(tenants::id).first_cached(c).optional()?;
    if let Some(id) = known {
        insert_member(c, id, &super_administrator(account, username), now)?;
        let object = username.as_str();
        let entry = audit::Entry { tenant: Some(id), action: "member-added", object, changes: Vec::new() };
        audit::record(c, who, &entry, now)?;
        return Ok(id);
    }
    let tenant = NewTenant {
        name: "Metadata warehouse",
        slug: "metadata-warehouse",
        description: "",
        metadata_warehouse: true,
        locale: Locale::proposed(language, None),
    };
    insert(c, &tenant, account, username, who, now)
}

/// The zone and language that are proposed for a new tenant to somebody who uses this language.
///
/// # Errors
/// When the database cannot be read.
pub fn proposed_locale(c: &mut AnyConnection, language: Language) -> Result<Locale> {
    let warehouse: Option<String> = tenants::table
        .filter(tenants::metadata_warehouse.eq(true))
        .select(tenants::time_zone)
        .first_cached(c)
        .optional()?;
    Ok(Locale::proposed(language, warehouse.map(|zone_name| parse_zone(&zone_name)).transpose()?))
}

fn parse_zone(name: &str) -> Result<Tz> {
    name.parse().map_err(|_| Error::internal("a tenant has an unknown time zone"))
}

/// A tenant as the list shows it.
#[derive(Clone, Debug, Queryable)]
pub struct Listed {
    /// Its id.
    pub id: TenantId,
    /// Its name for people.
    pub name: String,
    /// Its name in URLs.
    pub slug: String,
    /// Whether its administrators administer the instance.
    pub metadata_warehouse: bool,
    /// The username of its super administrator.
    pub super_admin: String,
    /// The word for his [`Status`]; nothing when he declined the invitation.
    pub super_admin_status: Option<String>,
    /// How many members it has.
    pub member_count: i64,
    /// When it was made.
    pub created_at: NaiveDateTime,
    /// When it was deleted, if it is.
    pub deleted_at: Option<NaiveDateTime>,
}

/// How many tenants there are, deleted ones too.
///
/// # Errors
/// When the database cannot be read.
pub fn count(c: &mut AnyConnection) -> Result<i64> {
    Ok(tenants::table.count().get_result(c)?)
}

/// Tenants by name, deleted ones too.
///
/// # Errors
/// When the database cannot be read.
pub fn list(c: &mut AnyConnection, limit: i64, offset: i64) -> Result<Vec<Listed>> {
    let his = members::tenant.eq(tenants::id).and(members::account.eq(tenants::super_admin));
    Ok(tenants::table
        .inner_join(accounts::table.on(accounts::id.eq(tenants::super_admin)))
        .left_join(members::table.on(his.and(members::role.eq(Role::SuperAdministrator.as_str()))))
        .order((tenants::name, tenants::id))
        .limit(limit)
        .offset(offset)
        .select((
            tenants::id,
            tenants::name,
            tenants::slug,
            tenants::metadata_warehouse,
            accounts::username,
            members::status.nullable(),
            tenants::member_count,
            tenants::created_at,
            tenants::deleted_at,
        ))
        .load(c)?)
}

impl Listed {
    /// What is to be said of the super administrator beside his name: the class of the badge and the key of the text;
    /// nothing when he has his rights.
    #[must_use]
    pub fn super_admin_note(&self) -> Option<(&'static str, &'static str)> {
        super_admin_note(self.super_admin_status.as_deref().and_then(Status::parse))
    }
}

fn super_admin_note(status: Option<Status>) -> Option<(&'static str, &'static str)> {
    match status {
        Some(Status::Active) => None,
        Some(status) => Some((status.badge(), status.key())),
        None => Some(("bad", "tenants-super-admin-none")),
    }
}

/// A tenant to be edited, deleted or restored.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its id.
    pub id: TenantId,
    /// Its name in URLs.
    pub slug: String,
    /// What can be changed about it.
    pub details: Details,
    /// The username of its super administrator.
    pub super_admin: String,
    /// His status; nothing when he declined the invitation.
    pub super_admin_status: Option<Status>,
    /// Whether no administrator has rights in the tenant, so that the instance may name a super administrator.
    pub is_without_administrator: bool,
    /// Until when the one-time code of the super administrator is valid; nothing once he has chosen a password.
    pub super_admin_code_until: Option<NaiveDateTime>,
    /// Whether the instance made the super administrator's account.
    super_admin_is_of_instance: bool,
    /// What that account is in the metadata warehouse tenant, if anything.
    super_admin_in_warehouse: Option<Role>,
    /// The account.
    super_admin_account: AccountId,
    /// How many members it has.
    pub member_count: i64,
    /// Whether its administrators administer the instance; it cannot be deleted.
    pub metadata_warehouse: bool,
    /// Whether it is deleted.
    pub deleted: bool,
}

impl Found {
    /// Whether an instance administrator may give the super administrator's account a new one-time code: one that the
    /// instance made, and that is no peer or superior of his in the metadata warehouse tenant.
    #[must_use]
    pub fn may_renew_code(&self, by: &Principal) -> bool {
        let oneself = self.super_admin_account == by.account.id;
        let outranked = self
            .super_admin_in_warehouse
            .is_none_or(|role| by.instance_role().is_some_and(|by| access::may_renew_code(by, role, oneself)));
        !self.deleted && !self.metadata_warehouse && self.super_admin_is_of_instance && outranked
    }

    /// What is to be said of the super administrator beside his name, as in [`Listed::super_admin_note`].
    #[must_use]
    pub fn super_admin_note(&self) -> Option<(&'static str, &'static str)> {
        super_admin_note(self.super_admin_status)
    }
}

/// A tenant, deleted or not.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub fn find(c: &mut AnyConnection, tenant: TenantId) -> Result<Found> {
    type Row = (
        String,
        String,
        String,
        (String, String),
        (String, Option<NaiveDateTime>, bool),
        i64,
        bool,
        Option<NaiveDateTime>,
    );
    let (slug, name, description, locale, owner, member_count, metadata_warehouse, deleted_at): Row = tenants::table
        .inner_join(accounts::table.on(accounts::id.eq(tenants::super_admin)))
        .filter(tenants::id.eq(tenant))
        .select((
            tenants::slug,
            tenants::name,
            tenants::description,
            (tenants::time_zone, tenants::message_language),
            (accounts::username, accounts::code_expires_at, accounts::created_by_tenant.is_null()),
            tenants::member_count,
            tenants::metadata_warehouse,
            tenants::deleted_at,
        ))
        .first_cached(c)?;
    let (time_zone, message_language) = locale;
    let locale = Locale {
        time_zone: parse_zone(&time_zone)?,
        message_language: Language::from_tag(&message_language)
            .ok_or_else(|| Error::internal("a tenant has an unknown language"))?,
    };
    let details = Details { name, description, locale };
    let (super_admin_account, super_admin_in_warehouse) = super_admin_account(c, tenant)?;
    let of_tenant = members::table.filter(members::tenant.eq(tenant));
    let super_admin_status: Option<String> = of_tenant
        .inner_join(tenants::table)
        .filter(members::account.eq(tenants::super_admin))
        .filter(members::role.eq(Role::SuperAdministrator.as_str()))
        .select(members::status)
        .first_cached(c)
        .optional()?;
    let administrators = [Role::SuperAdministrator, Role::SystemAdministrator].map(Role::as_str);
    let with_rights =
        of_tenant.filter(members::role.eq_any(administrators)).filter(members::status.eq(Status::Active.as_str()));
    let is_without_administrator = !diesel::select(exists(with_rights)).get_result::<bool>(c)?;
    Ok(Found {
        id: tenant,
        slug,
        details,
        super_admin: owner.0,
        super_admin_status: super_admin_status.as_deref().and_then(Status::parse),
        is_without_administrator,
        super_admin_code_until: owner.1,
        super_admin_is_of_instance: owner.2,
        super_admin_in_warehouse,
        super_admin_account,
        member_count,
        metadata_warehouse,
        deleted: deleted_at.is_some(),
    })
}

/// The account of a tenant's super administrator, and what it is in the metadata warehouse tenant.
fn super_admin_account(c: &mut AnyConnection, tenant: TenantId) -> Result<(AccountId, Option<Role>)> {
    let account: AccountId = tenants::table.find(tenant).select(tenants::super_admin).first_cached(c)?;
    let role: Option<String> = members::table
        .inner_join(tenants::table)
        .filter(members::account.eq(account))
        .filter(tenants::metadata_warehouse.eq(true))
        .select(members::role)
        .first_cached(c)
        .optional()?;
    Ok((account, role.as_deref().and_then(Role::parse)))
}

/// Whether a tenant, deleted or not, has this slug.
///
/// # Errors
/// When the database cannot be read.
pub fn slug_is_taken(c: &mut AnyConnection, slug: &str) -> Result<bool> {
    Ok(diesel::select(exists(tenants::table.filter(tenants::slug.eq(slug)))).get_result(c)?)
}

/// Changes a tenant.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is deleted.
pub fn update(
    c: &mut AnyConnection,
    tenant: TenantId,
    details: &Details,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<Effect> {
    let found = find(c, tenant)?;
    if found.deleted {
        return Err(Error::NotFound);
    }
    let before = found.details;
    let changes: Vec<Change> = [
        Change::between("tenants-name", &before.name, &details.name),
        Change::between("tenants-description", &before.description, &details.description),
        Change::between("tenants-time-zone", before.locale.time_zone.name(), details.locale.time_zone.name()),
        Change::between(
            "templates-language",
            before.locale.message_language.name(),
            details.locale.message_language.name(),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    let entry = audit::Entry { tenant: Some(tenant), action: "tenant-edited", object: &before.name, changes };
    let values = (
        tenants::name.eq(&details.name),
        tenants::description.eq(&details.description),
        tenants::time_zone.eq(details.locale.time_zone.name()),
        tenants::message_language.eq(details.locale.message_language.tag()),
    );
    audit::save_changes(c, who, &entry, now, |c| {
        diesel::update(tenants::table.find(tenant)).set(values).execute(c)?;
        Ok(())
    })
}

/// Deletes a tenant: from now on it is not there for its members, but everything in it is kept.
///
/// # Errors
/// [`Error::Forbidden`] for the metadata warehouse tenant, without which nobody could administer the instance;
/// [`Error::NotFound`] when there is none, or it is deleted already.
pub fn delete(c: &mut AnyConnection, tenant: TenantId, who: &Actor, now: NaiveDateTime) -> Result<()> {
    let found = find(c, tenant)?;
    if found.metadata_warehouse {
        return Err(Error::Forbidden);
    }
    if found.deleted {
        return Err(Error::NotFound);
    }
    diesel::update(tenants::table.find(tenant)).set(tenants::deleted_at.eq(Some(now))).execute(c)?;
    delivery::wake_all(c, Some(tenant), now)?;
    note(c, tenant, "tenant-deleted", &found.details.name, Vec::new(), who, now)
}

/// Gives a super administrator whose account the instance made a new one-time code: because the first was never used, or
/// because he forgot his password. In the latter case his rights are suspended in this tenant too, so that instance
/// administrators cannot walk into it with the code: an administrator of the tenant reinstates him. Answers nothing, and does
/// nothing, when `is_current` says that the code is not what the page showed any more.
///
/// # Errors
/// [`Error::NotFound`] when there is no such tenant, or [`Found::may_renew_code`] says no.
pub fn renew_code(
    c: &mut AnyConnection,
    tenant: TenantId,
    (hash, is_current): (&str, impl FnOnce(Option<NaiveDateTime>) -> bool),
    (by, who): (&Principal, &Actor),
    now: NaiveDateTime,
) -> Result<Option<Found>> {
    let found = find(c, tenant)?;
    if !found.may_renew_code(by) {
        return Err(Error::NotFound);
    }
    crate::accounts::store::lock_account(c, found.super_admin_account)?;
    if !is_current(crate::accounts::store::code_until(c, found.super_admin_account)?) {
        return Ok(None);
    }
    let home = metadata_warehouse(c)?;
    crate::accounts::store::renew_code(c, found.super_admin_account, home, hash, now)?;
    note(c, tenant, "member-code-renewed", &found.super_admin, Vec::new(), who, now)?;
    Ok(Some(found))
}

/// The account that is to be a tenant's super administrator.
#[derive(Clone, Copy, Debug)]
pub struct Named<'n> {
    /// The account, which the caller has locked.
    pub account: AccountId,
    /// Its name.
    pub username: &'n Username,
    /// Whether it has its rights at once: it was made for this, by this tenant, or is that of whoever names it.
    pub joins_directly: bool,
}

/// Names another super administrator of a tenant in which no administrator has rights: he declined the invitation or does
/// not answer it, or his account was recovered by those who made it. The one before becomes a member, or leaves when he
/// never accepted.
///
/// # Errors
/// [`Error::Forbidden`] when an administrator has rights in the tenant, which then needs nobody from outside, and for the
/// metadata warehouse tenant, for which `create-admin` is the way; [`Error::NotFound`] when there is none, or it is deleted.
pub fn name_super_admin(
    c: &mut AnyConnection,
    tenant: TenantId,
    named: Named<'_>,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<Effect> {
    lock(c, tenant)?;
    let found = find(c, tenant)?;
    if found.deleted {
        return Err(Error::NotFound);
    }
    if found.metadata_warehouse || !found.is_without_administrator {
        return Err(Error::Forbidden);
    }
    let others: Vec<(MemberId, String)> = members::table
        .filter(members::tenant.eq(tenant))
        .filter(members::role.eq(Role::SuperAdministrator.as_str()))
        .filter(members::account.ne(named.account))
        .select((members::id, members::status))
        .load(c)?;
    let mut is_changed = !others.is_empty() || found.super_admin_account != named.account;
    for (member, status) in others {
        if Status::parse(&status) == Some(Status::Invited) {
            members_store::remove(c, tenant, member)?;
        } else {
            let role = members::role.eq(Role::Member.as_str());
            diesel::update(members::table.find(member)).set(role).execute(c)?;
        }
    }
    match members_store::of_account(c, tenant, named.account)? {
        Some(member) => {
            let member = members_store::lock(c, tenant, member)?;
            let role = members::role.eq(Role::SuperAdministrator.as_str());
            diesel::update(members::table.find(member.id)).set(role).execute(c)?;
            let status = members_store::reinstate(c, tenant, &member)?;
            is_changed |= status != member.status || member.role != Role::SuperAdministrator;
        }
        None => {
            let join: Join = if named.joins_directly { insert_member } else { invite_member };
            join(c, tenant, &super_administrator(named.account, named.username), now)?;
            is_changed = true;
        }
    }
    if !is_changed {
        return Ok(Effect::Unchanged);
    }
    diesel::update(tenants::table.find(tenant)).set(tenants::super_admin.eq(named.account)).execute(c)?;
    let changes = Change::between("tenants-super-admin", &found.super_admin, named.username.as_str());
    let changes = changes.into_iter().collect();
    note(c, tenant, "super-administrator-named", &found.details.name, changes, who, now).map(|()| Effect::Changed)
}

/// Keeps a tenant as it is until the transaction ends.
fn lock(c: &mut AnyConnection, tenant: TenantId) -> Result<()> {
    if let AnyConnection::Postgres(c) = c {
        // SQLite has one writer, and needs no lock.
        tenants::table.find(tenant).select(tenants::id).for_no_key_update().first::<TenantId>(c)?;
    }
    Ok(())
}

/// The metadata warehouse tenant.
fn metadata_warehouse(c: &mut AnyConnection) -> Result<TenantId> {
    Ok(tenants::table.filter(tenants::metadata_warehouse.eq(true)).select(tenants::id).first_cached(c)?)
}

/// Brings a deleted tenant back as it was.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is not deleted.
pub fn restore(c: &mut AnyConnection, tenant: TenantId, who: &Actor, now: NaiveDateTime) -> Result<()> {
    let found = find(c, tenant)?;
    if !found.deleted {
        return Err(Error::NotFound);
    }
    diesel::update(tenants::table.find(tenant)).set(tenants::deleted_at.eq(None::<NaiveDateTime>)).execute(c)?;
    note(c, tenant, "tenant-restored", &found.details.name, Vec::new(), who, now)
}

/// The row is the tenant's: its administrators read it there, and the log of the instance shows every tenant's rows.
fn note(
    c: &mut AnyConnection,
    tenant: TenantId,
    action: &'static str,
    name: &str,
    changes: Vec<Change>,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<()> {
    audit::record(c, who, &audit::Entry { tenant: Some(tenant), action, object: name, changes }, now)
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::{accounts, audit::store as log, clock::Clock, db::fixture::database};

    fn who() -> Actor {
        Actor { account: None, name: "root".into(), address: "192.0.2.1".into() }
    }

    fn make(c: &mut AnyConnection, slug: &str, username: &str) -> Result<TenantId> {
        let (username, now) = (Username::parse(username).unwrap(), Clock::default().now());
        let account = match accounts::store::find_by_username(c, &username)? {
            Some(account) => account.id,
            None => accounts::store::insert_account(c, &username, "no hash", true, now)?,
        };
        let tenant = NewTenant {
            name: slug,
            slug,
            description: "",
            metadata_warehouse: slug == "meta",
            locale: Locale::proposed(Language::English, None),
        };
        insert(c, &tenant, account, &username, &who(), now)
    }

    fn details(name: &str) -> Details {
        Details {
            name: name.into(),
            description: "for tests".into(),
            locale: Locale::proposed(Language::Chinese, None),
        }
    }

    #[test]
    fn a_new_tenant_has_its_super_administrator_as_its_one_member() {
        let (_folder, mut c) = database();
        let tenant = make(&mut c, "data", "Ann").unwrap();
        let found = find(&mut c, tenant).unwrap();
        assert_eq!((found.super_admin.as_str(), found.member_count, found.deleted), ("Ann", 1, false));
    }

    #[test]
    fn a_slug_stays_taken_when_its_tenant_is_deleted() {
        let (_folder, mut c) = database();
        let tenant = make(&mut c, "data", "ann").unwrap();
        delete(&mut c, tenant, &who(), Clock::default().now()).unwrap();
        assert!(slug_is_taken(&mut c, "data").unwrap());
        assert!(matches!(make(&mut c, "data", "ann"), Err(Error::AlreadyExists)));
        assert!(!slug_is_taken(&mut c, "other").unwrap());
    }

    #[test]
    fn an_edit_is_kept_and_noted_with_what_was_before() {
        let (_folder, mut c) = database();
        let tenant = make(&mut c, "data", "ann").unwrap();
        update(&mut c, tenant, &details("Data"), &who(), Clock::default().now()).unwrap();
        assert_eq!(find(&mut c, tenant).unwrap().details, details("Data"));
        let (rows, _) = log::list(&mut c, Some(tenant), &log::Filter::default()).unwrap();
        assert_eq!(rows[0].action, "tenant-edited");
        let change = |field| rows[0].changes.iter().find(|change| change.field == field).unwrap();
        assert_eq!((change("tenants-name").before.as_str(), change("tenants-name").after.as_str()), ("data", "Data"));
        assert_eq!(change("tenants-time-zone").after, "Asia/Shanghai");
    }

    #[test]
    fn saving_what_is_there_already_notes_nothing() {
        let (_folder, mut c) = database();
        let tenant = make(&mut c, "data", "ann").unwrap();
        for _ in 0..2 {
            update(&mut c, tenant, &details("Data"), &who(), Clock::default().now()).unwrap();
        }
        let (rows, _) = log::list(&mut c, Some(tenant), &log::Filter::default()).unwrap();
        assert_eq!(rows.iter().filter(|row| row.action == "tenant-edited").count(), 1);
    }

    #[test]
    fn a_deleted_tenant_can_only_be_restored_and_comes_back_as_it_was() {
        let (_folder, mut c) = database();
        let now = Clock::default().now();
        let tenant = make(&mut c, "data", "ann").unwrap();
        assert!(matches!(restore(&mut c, tenant, &who(), now), Err(Error::NotFound)));
        delete(&mut c, tenant, &who(), now).unwrap();
        assert!(matches!(update(&mut c, tenant, &details("x"), &who(), now), Err(Error::NotFound)));
        assert!(matches!(delete(&mut c, tenant, &who(), now), Err(Error::NotFound)));
        assert!(list(&mut c, 1, 0).unwrap()[0].deleted_at.is_some());
        restore(&mut c, tenant, &who(), now).unwrap();
        let found = find(&mut c, tenant).unwrap();
        assert_eq!((found.deleted, found.details.name.as_str(), found.member_count), (false, "data", 1));
    }

    #[test]
    fn the_metadata_warehouse_tenant_cannot_be_deleted() {
        let (_folder, mut c) = database();
        let tenant = make(&mut c, "meta", "ann").unwrap();
        assert!(matches!(delete(&mut c, tenant, &who(), Clock::default().now()), Err(Error::Forbidden)));
        assert!(!find(&mut c, tenant).unwrap().deleted);
    }

    #[test]
    fn a_tenant_that_is_not_there_is_not_found() {
        let (_folder, mut c) = database();
        assert!(matches!(find(&mut c, TenantId(7)), Err(Error::NotFound)));
    }
}
