//! Accounts in the database, the failed log-ins, and the codes of set-up.

use std::net::Ipv6Addr;

use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;

use super::{
    AccountOrigin, LogInSettings, Username,
    model::{
        ACCOUNT_FAILURE_WINDOW, ADDRESS_FAILURE_WINDOW, CODE_VALIDITY, DEVICE_VALIDITY, IPV4_FAILURE_LIMIT,
        MAX_BACKOFF_EXPONENT, MAX_KNOWN_DEVICES, NETWORK_FAILURE_LIMITS, account_backoff,
    },
};
use crate::{
    access::{AccountSession, Actor, Tenant},
    audit::{self, Change, Effect},
    db::{
        AccountId, AdvisoryLock, AnyConnection, LimitConst as _, TenantId, acquire_lock,
        schema::{accounts, known_devices, lockouts, log_in_failures, log_in_settings, set_up_codes, tenants},
    },
    error::{Error, Result},
    language::Language,
    members::store::invitations,
    secrets::{KeyRing, PlainToken, UNUSABLE_HASH},
};

/// What a log-in is checked against.
#[derive(Debug)]
pub struct Credentials {
    /// The account.
    pub id: AccountId,
    /// Its name as it was given.
    pub username: String,
    /// The hash of its password or code.
    pub password_hash: String,
    /// For a code: until when it may be used.
    pub code_expires_at: Option<NaiveDateTime>,
    /// For a code: when it logged somebody in, which it does once.
    pub code_used_at: Option<NaiveDateTime>,
    /// The tenant whose administrator made it.
    pub created_by_tenant: Option<TenantId>,
}

impl Credentials {
    /// Whether this is an account with a password, or with a code that can be used now.
    #[must_use]
    pub fn is_usable(&self, now: NaiveDateTime) -> bool {
        self.code_expires_at.is_none_or(|until| until > now && self.code_used_at.is_none())
    }

    /// Whether the account still waits for its one-time code to be used, which somebody outside this tenant was shown:
    /// whoever that is could walk into the tenant with it.
    #[must_use]
    pub fn has_pending_code_from_other_tenant(&self, tenant: TenantId) -> bool {
        self.code_expires_at.is_some() && self.created_by_tenant != Some(tenant)
    }

    /// Whether the account becomes a member of a tenant at once: the tenant made it, so that its password was chosen under
    /// that tenant's code. Any other is invited, because its name says nothing about whose it is.
    #[must_use]
    pub fn joins_without_invitation(&self, tenant: TenantId) -> bool {
        self.created_by_tenant == Some(tenant)
    }

    /// Whether the account waits for its code to be used and a tenant's administrator was shown that code.
    #[must_use]
    pub fn has_pending_tenant_code(&self) -> bool {
        self.code_expires_at.is_some() && self.created_by_tenant.is_some()
    }

    /// The name, as the account writes it.
    ///
    /// # Errors
    /// [`Error::Internal`] when the database holds one that cannot be.
    pub fn username(&self) -> Result<Username> {
        Username::parse(&self.username).map_err(|_| Error::internal("an account has an invalid username"))
    }
}

/// Whether the deployment has an account.
pub fn has_accounts(c: &mut AnyConnection) -> Result<bool> {
    Ok(diesel::select(diesel::dsl::exists(accounts::table.select(accounts::id))).get_result(c)?)
}

/// Keeps an account as it is for everybody else who locks it, until the transaction ends: to whom its one-time code was shown
/// decides who may take it into a tenant, and which tenants it is in decides who may renew that code.
///
/// # Errors
/// When the database cannot be used.
pub fn lock_account(c: &mut AnyConnection, account: AccountId) -> Result<()> {
    if let AnyConnection::Postgres(c) = c {
        let row = accounts::table.find(account).select(accounts::id);
        row.for_no_key_update().first::<AccountId>(c)?;
    }
    Ok(())
}

/// The account with this name, locked as by [`lock_account`].
///
/// # Errors
/// When the database cannot be used.
pub fn find_and_lock_by_username(c: &mut AnyConnection, username: &Username) -> Result<Option<Credentials>> {
    if let Some(known) = find_by_username(c, username)? {
        lock_account(c, known.id)?;
    }
    find_by_username(c, username)
}

/// The account with this name.
pub fn find_by_username(c: &mut AnyConnection, username: &Username) -> Result<Option<Credentials>> {
    let row = accounts::table
        .filter(accounts::username_key.eq(username.key()))
        .select((
            accounts::id,
            accounts::username,
            accounts::password_hash,
            accounts::code_expires_at,
            accounts::code_used_at,
            accounts::created_by_tenant,
        ))
        .first_cached(c)
        .optional()?;
    Ok(row.map(|(id, username, password_hash, code_expires_at, code_used_at, created_by_tenant)| Credentials {
        id,
        username,
        password_hash,
        code_expires_at,
        code_used_at,
        created_by_tenant,
    }))
}

/// Makes an account. With a code for a password it must be changed at first use, within 24 hours.
///
/// # Errors
/// [`Error::AlreadyExists`] when there is one of this name.
pub fn insert_account(
    c: &mut AnyConnection,
    username: &Username,
    password_hash: &str,
    is_code: bool,
    now: NaiveDateTime,
) -> Result<AccountId> {
    let code_expires_at = is_code.then(|| now + CODE_VALIDITY);
    Ok(diesel::insert_into(accounts::table)
        .values((
            accounts::username.eq(username.as_str()),
            accounts::username_key.eq(username.key()),
            accounts::password_hash.eq(password_hash),
            accounts::code_expires_at.eq(code_expires_at),
            accounts::created_at.eq(now),
        ))
        .returning(accounts::id)
        .get_result(c)?)
}

/// Makes an account with a one-time code for a tenant, whose administrators alone may renew the code.
///
/// # Errors
/// [`Error::AlreadyExists`] when there is one of this name.
pub fn insert_for_tenant(
    c: &mut AnyConnection,
    username: &Username,
    code_hash: &str,
    tenant: TenantId,
    now: NaiveDateTime,
) -> Result<AccountId> {
    let account = insert_account(c, username, code_hash, true, now)?;
    diesel::update(accounts::table.find(account)).set(accounts::created_by_tenant.eq(Some(tenant))).execute(c)?;
    Ok(account)
}

/// Makes an account that nobody can log in to until the tenant's administrators make a one-time code for it.
///
/// # Errors
/// [`Error::AlreadyExists`] when there is one of this name.
pub fn insert_without_code(
    c: &mut AnyConnection,
    username: &Username,
    tenant: TenantId,
    now: NaiveDateTime,
) -> Result<AccountId> {
    let account = insert_for_tenant(c, username, UNUSABLE_HASH, tenant, now)?;
    diesel::update(accounts::table.find(account)).set(accounts::code_expires_at.eq(Some(now))).execute(c)?;
    Ok(account)
}

/// Whether a tenant is an account's home, whose administrators may recover it: the tenant that made it; for an account of
/// the instance the metadata warehouse. It never changes.
///
/// # Errors
/// When the database cannot be read.
pub fn is_home_tenant(c: &mut AnyConnection, account: AccountId, tenant: &Tenant) -> Result<bool> {
    let created_by_tenant: Option<TenantId> =
        accounts::table.find(account).select(accounts::created_by_tenant).first_cached(c)?;
    Ok(created_by_tenant.map_or(tenant.metadata_warehouse, |made_in| made_in == tenant.id))
}

/// Who made an account, and when.
///
/// # Errors
/// When the database cannot be read.
pub fn load_origin(c: &mut AnyConnection, account: AccountId) -> Result<AccountOrigin> {
    let (username, created_by_tenant, created_at): (String, Option<TenantId>, NaiveDateTime) = accounts::table
        .find(account)
        .select((accounts::username, accounts::created_by_tenant, accounts::created_at))
        .first_cached(c)?;
    let created_by_tenant = match created_by_tenant {
        Some(tenant) => Some((tenant, tenants::table.find(tenant).select(tenants::name).first_cached(c)?)),
        None => None,
    };
    Ok(AccountOrigin { username, created_by_tenant, created_at })
}

/// A password that its owner chose, in place of the password or code that he showed to be his.
#[derive(Debug)]
pub struct NewPassword {
    /// The hash of the new one.
    pub hash: String,
    /// The hash of the one in whose place it comes.
    pub previous_hash: String,
    /// The session that chose it: the owner's others end.
    pub session_id: String,
}

/// Sets a password that its owner chose. Answers whether it did: not when the one before has been replaced meanwhile, or
/// was a code and can be used no more.
pub fn set_password(
    c: &mut AnyConnection,
    account: AccountId,
    password: &NewPassword,
    now: NaiveDateTime,
) -> Result<bool> {
    let usable = accounts::code_expires_at.is_null().or(accounts::code_expires_at.gt(Some(now)).assume_not_null());
    let current_row =
        accounts::table.find(account).filter(accounts::password_hash.eq(&password.previous_hash)).filter(usable);
    let updated = diesel::update(current_row)
        .set((accounts::password_hash.eq(&password.hash), accounts::code_expires_at.eq(None::<NaiveDateTime>)))
        .execute(c)?;
    if updated > 0 {
        delete_devices(c, account)?;
        AccountSession::end_others(c, account, &password.session_id)?;
    }
    Ok(updated > 0)
}

/// Gives an account a new one-time code in place of its password, and ends its sessions. Whoever is shown the code can log
/// in, so that the account's rights in every tenant but its home are suspended, unless nobody has chosen a password yet.
///
/// # Errors
/// When the database cannot be written.
pub fn renew_code(
    c: &mut AnyConnection,
    account: AccountId,
    home: TenantId,
    hash: &str,
    now: NaiveDateTime,
) -> Result<()> {
    lock_account(c, account)?;
    if code_until(c, account)?.is_none() {
        invitations::suspend_elsewhere(c, account, home, now)?;
    }
    diesel::update(accounts::table.find(account))
        .set((
            accounts::password_hash.eq(hash),
            accounts::code_expires_at.eq(Some(now + CODE_VALIDITY)),
            accounts::code_used_at.eq(None::<NaiveDateTime>),
        ))
        .execute(c)?;
    delete_devices(c, account)?;
    AccountSession::end_all(c, account).map(drop)
}

/// Until when the one-time code of an account is valid; nothing when it has a password.
///
/// # Errors
/// When the database cannot be read.
pub fn code_until(c: &mut AnyConnection, account: AccountId) -> Result<Option<NaiveDateTime>> {
    Ok(accounts::table.find(account).select(accounts::code_expires_at).first_cached(c)?)
}

/// Uses the one-time code of an account whose row is locked. Returns whether it could be used.
pub fn consume_code(c: &mut AnyConnection, account: AccountId, now: NaiveDateTime) -> Result<bool> {
    let unused = accounts::table
        .find(account)
        .filter(accounts::code_used_at.is_null())
        .filter(accounts::code_expires_at.gt(Some(now)).assume_not_null());
    Ok(diesel::update(unused).set(accounts::code_used_at.eq(Some(now))).execute(c)? > 0)
}

/// The hash of an account's password.
pub fn load_password_hash(c: &mut AnyConnection, account: AccountId) -> Result<String> {
    Ok(accounts::table.find(account).select(accounts::password_hash).first_cached(c)?)
}

/// Keeps the language an account chose.
pub fn save_language(c: &mut AnyConnection, account: AccountId, language: Language) -> Result<()> {
    diesel::update(accounts::table.find(account)).set(accounts::language.eq(language.tag())).execute(c)?;
    Ok(())
}

/// Who tries a password: an account's name, existing or not, an address with its networks, and the two together. Kept as keyed
/// hashes.
#[derive(Clone, Debug)]
pub struct ThrottleSubjects {
    username_key: String,
    account: Vec<u8>,
    account_at_address: Vec<u8>,
    /// Each network of the address, and how many failures it has.
    networks: Vec<(Vec<u8>, i64)>,
    devices: Vec<ClaimedDevice>,
}

/// A browser that says that an account has logged in there before.
#[derive(Clone, Debug)]
struct ClaimedDevice {
    account: AccountId,
    token_hash: Vec<u8>,
    subject: Vec<u8>,
}

impl ThrottleSubjects {
    /// The subjects of a log-in. `devices` are the accounts that the browser says it is known to, with its tokens.
    pub fn for_log_in(keys: &KeyRing, typed_username: &str, address: &str, devices: &[(i64, PlainToken)]) -> Self {
        let username_key = Username::normalize(typed_username);
        let networks: Vec<(String, i64)> = network_limits(address);
        let nearest = networks.first().map(|(network, _)| network.as_str()).unwrap_or_default();
        let device = |(account, token): &(i64, PlainToken)| {
            let token_hash = token.hash();
            let subject = keys.keyed_hash("log-in device", &token_hash).to_vec();
            ClaimedDevice { account: AccountId(*account), token_hash, subject }
        };
        Self {
            account: keys.keyed_hash("log-in account", username_key.as_bytes()).to_vec(),
            account_at_address: keys
                .keyed_hash("log-in account at address", format!("{username_key}\n{nearest}").as_bytes())
                .to_vec(),
            networks: networks
                .iter()
                .map(|(network, most)| (keys.keyed_hash("log-in address", network.as_bytes()).to_vec(), *most))
                .collect(),
            devices: devices.iter().map(device).collect(),
            username_key,
        }
    }

    /// What a log-in takes a place by: the account at this address, and the address.
    #[must_use]
    pub fn concurrency_keys(&self) -> (String, String) {
        let network = self.networks.first().map(|(subject, _)| hex::encode(subject)).unwrap_or_default();
        (hex::encode(&self.account_at_address), network)
    }

    /// The browser, when the account is known to have logged in there.
    fn find_known_device(&self, c: &mut AnyConnection, now: NaiveDateTime) -> Result<Option<&ClaimedDevice>> {
        if self.devices.is_empty() {
            return Ok(None);
        }
        let known: Vec<(AccountId, Vec<u8>)> = known_devices::table
            .inner_join(accounts::table)
            .filter(accounts::username_key.eq(&self.username_key))
            .filter(known_devices::token_hash.eq_any(self.devices.iter().map(|device| &device.token_hash)))
            .filter(known_devices::seen_at.gt(now - DEVICE_VALIDITY))
            .select((known_devices::account, known_devices::token_hash))
            .load(c)?;
        let is_known = |device: &&ClaimedDevice| {
            known.iter().any(|(account, hash)| *account == device.account && *hash == device.token_hash)
        };
        Ok(self.devices.iter().find(is_known))
    }

    /// Whether these subjects may try a password now.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] with the seconds that they still have to wait.
    pub fn check_may_try(&self, c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
        let mut blocked_until = None;
        if self.find_known_device(c, now)?.is_none() {
            blocked_until = self.locked_until(c, now)?.max(self.paused_until(c, now)?);
        }
        for (subject, limit) in &self.networks {
            let failed = latest_failures(c, subject, now - ADDRESS_FAILURE_WINDOW, *limit)?;
            let is_full = i64::try_from(failed.len()).is_ok_and(|count| count >= *limit);
            blocked_until =
                blocked_until.max(failed.last().filter(|_| is_full).map(|oldest| *oldest + ADDRESS_FAILURE_WINDOW));
        }
        match blocked_until.filter(|until| *until > now) {
            Some(until) => Err(Error::TooManyAttempts { retry_after: (until - now).num_seconds().max(1) }),
            None => Ok(()),
        }
    }

    fn locked_until(&self, c: &mut AnyConnection, now: NaiveDateTime) -> Result<Option<NaiveDateTime>> {
        let lock = lockouts::table
            .filter(lockouts::subject.eq(&self.account_at_address))
            .filter(lockouts::locked_until.gt(now));
        Ok(lock.select(lockouts::locked_until).first_cached(c).optional()?)
    }

    fn paused_until(&self, c: &mut AnyConnection, now: NaiveDateTime) -> Result<Option<NaiveDateTime>> {
        let limit = load_log_in_settings(c)?.failures;
        let row_limit = limit + i64::from(MAX_BACKOFF_EXPONENT);
        let failed = latest_failures(c, &self.account, now - ACCOUNT_FAILURE_WINDOW, row_limit)?;
        let pause = account_backoff(i64::try_from(failed.len()).unwrap_or(i64::MAX), limit);
        Ok(failed.first().map(|last| *last + pause))
    }

    /// The same, inside the write that counts the outcome: of many tries at once, each sees those before it. Whoever locks the
    /// account's row too does it before this.
    ///
    /// # Errors
    /// [`Error::TooManyAttempts`] with the seconds that they still have to wait.
    pub fn check_may_still_try(&self, c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
        let networks = self.networks.iter().map(|(subject, _)| AdvisoryLock::from_hash(subject));
        let mut locks: Vec<AdvisoryLock> = networks.chain([AdvisoryLock::from_hash(&self.account)]).collect();
        // Always in one order, so that no two wait for each other.
        locks.sort_unstable();
        locks.into_iter().try_for_each(|lock| acquire_lock(c, lock))?;
        self.check_may_try(c, now)
    }

    /// Counts a failed log-in. Returns whether it was one too many for this account from this address, which is locked now.
    pub fn record_failure(&self, c: &mut AnyConnection, now: NaiveDateTime) -> Result<bool> {
        let device = self.find_known_device(c, now)?;
        let networks = self.networks.iter().map(|(subject, _)| subject);
        let subjects = [&self.account, &self.account_at_address].into_iter().chain(networks);
        for subject in subjects.chain(device.map(|device| &device.subject)) {
            diesel::insert_into(log_in_failures::table)
                .values((log_in_failures::subject.eq(subject), log_in_failures::failed_at.eq(now)))
                .execute(c)?;
        }
        let LogInSettings { failures, lock_minutes, .. } = load_log_in_settings(c)?;
        let is_over_limit = |c: &mut AnyConnection, subject: &[u8]| {
            let failed = latest_failures(c, subject, now - ACCOUNT_FAILURE_WINDOW, failures)?;
            Ok::<_, Error>(i64::try_from(failed.len()).is_ok_and(|count| count >= failures))
        };
        if let Some(device) = device
            && is_over_limit(c, &device.subject)?
        {
            delete_failures(c, &device.subject)?;
            let row = known_devices::table.find((device.account, &device.token_hash));
            diesel::delete(row).execute(c)?;
        }
        if !is_over_limit(c, &self.account_at_address)? {
            return Ok(false);
        }
        delete_failures(c, &self.account_at_address)?;
        let until = now + TimeDelta::minutes(lock_minutes);
        // Another log-in may fail at the same time and lock the account too.
        let row = (lockouts::subject.eq(&self.account_at_address), lockouts::locked_until.eq(until));
        let insert = diesel::insert_into(lockouts::table).values(row).on_conflict(lockouts::subject).do_update();
        let upsert = insert.set(lockouts::locked_until.eq(until));
        match c {
            AnyConnection::Sqlite(c) => upsert.execute(c),
            AnyConnection::Postgres(c) => upsert.execute(c),
        }?;
        Ok(true)
    }

    /// Forgets the failures of the account: it logged in. Those of the address stay, or one good account would pay for
    /// guessing at others.
    pub fn clear_failures(&self, c: &mut AnyConnection) -> Result<()> {
        delete_failures(c, &self.account)?;
        delete_failures(c, &self.account_at_address)?;
        for device in &self.devices {
            delete_failures(c, &device.subject)?;
        }
        diesel::delete(lockouts::table.filter(lockouts::subject.eq(&self.account_at_address))).execute(c)?;
        Ok(())
    }

    /// Makes this browser known to an account that has logged in. Returns whether it takes this token for a cookie; otherwise it has
    /// one already.
    pub fn remember_device(
        &self,
        c: &mut AnyConnection,
        account: AccountId,
        token: &PlainToken,
        now: NaiveDateTime,
    ) -> Result<bool> {
        if let Some(device) = self.find_known_device(c, now)? {
            let row = known_devices::table.find((account, &device.token_hash));
            diesel::update(row).set(known_devices::seen_at.eq(now)).execute(c)?;
            return Ok(false);
        }
        diesel::insert_into(known_devices::table)
            .values((
                known_devices::account.eq(account),
                known_devices::token_hash.eq(token.hash()),
                known_devices::seen_at.eq(now),
            ))
            .execute(c)?;
        let of_account = known_devices::table.filter(known_devices::account.eq(account));
        let newest_devices = of_account.order(known_devices::seen_at.desc()).limit(MAX_KNOWN_DEVICES + 1);
        let seen: Vec<NaiveDateTime> = newest_devices.select(known_devices::seen_at).load(c)?;
        if let Some(oldest) =
            seen.last().filter(|_| i64::try_from(seen.len()).is_ok_and(|count| count > MAX_KNOWN_DEVICES))
        {
            diesel::delete(of_account.filter(known_devices::seen_at.le(*oldest))).execute(c)?;
        }
        Ok(true)
    }
}

/// The times of a subject's failures after this moment, newest first and at most so many.
fn latest_failures(
    c: &mut AnyConnection,
    subject: &[u8],
    after: NaiveDateTime,
    limit: i64,
) -> Result<Vec<NaiveDateTime>> {
    Ok(log_in_failures::table
        .filter(log_in_failures::subject.eq(subject))
        .filter(log_in_failures::failed_at.gt(after))
        .order(log_in_failures::failed_at.desc())
        .limit(limit)
        .select(log_in_failures::failed_at)
        .load(c)?)
}

fn delete_failures(c: &mut AnyConnection, subject: &[u8]) -> Result<()> {
    diesel::delete(log_in_failures::table.filter(log_in_failures::subject.eq(subject))).execute(c)?;
    Ok(())
}

/// Makes every browser of an account unknown.
fn delete_devices(c: &mut AnyConnection, account: AccountId) -> Result<()> {
    diesel::delete(known_devices::table.filter(known_devices::account.eq(account))).execute(c)?;
    Ok(())
}

/// Log-ins of an account that failed since the last that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailedLogIns {
    /// How many.
    pub count: i64,
    /// When the first of them was.
    pub since: NaiveDateTime,
}

/// Counts a failed log-in for the owner of an account, whose row is locked.
pub fn increment_failures(c: &mut AnyConnection, account: AccountId, now: NaiveDateTime) -> Result<()> {
    let row = accounts::table.find(account);
    diesel::update(row).set(accounts::failed_log_ins.eq(accounts::failed_log_ins + 1)).execute(c)?;
    diesel::update(row.filter(accounts::failed_since.is_null()))
        .set(accounts::failed_since.eq(Some(now)))
        .execute(c)?;
    Ok(())
}

/// The failed log-ins of an account, to be told to its owner once; its row is locked.
pub fn take_failures(c: &mut AnyConnection, account: AccountId) -> Result<Option<FailedLogIns>> {
    let row = accounts::table.find(account);
    let (count, since): (i64, Option<NaiveDateTime>) =
        row.select((accounts::failed_log_ins, accounts::failed_since)).first_cached(c)?;
    let Some(since) = since else { return Ok(None) };
    diesel::update(row)
        .set((accounts::failed_log_ins.eq(0), accounts::failed_since.eq(None::<NaiveDateTime>)))
        .execute(c)?;
    Ok(Some(FailedLogIns { count, since }))
}

/// What an address counts as where it counts alone: an IPv6 address by its network.
pub fn nearest_network(address: &str) -> String {
    network_limits(address).into_iter().next().map(|(network, _)| network).unwrap_or_default()
}

/// What an address counts as, nearest network first, and how many failures each has. Whoever has one IPv6 address has all 2^64 of its
/// network, and often some networks.
fn network_limits(address: &str) -> Vec<(String, i64)> {
    let Ok(address) = address.parse::<Ipv6Addr>() else { return vec![(address.to_owned(), IPV4_FAILURE_LIMIT)] };
    let network = |(bits, limit): (u32, i64)| {
        let network = Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits)));
        // A larger network is not the first smaller one in it.
        let name = if bits == 64 { network.to_string() } else { format!("{network}/{bits}") };
        (name, limit)
    };
    NETWORK_FAILURE_LIMITS.into_iter().map(network).collect()
}

/// The numbers of Logon Security Settings.
pub fn load_log_in_settings(c: &mut AnyConnection) -> Result<LogInSettings> {
    let (idle_minutes, failures, lock_minutes) = log_in_settings::table
        .select((log_in_settings::idle_minutes, log_in_settings::failures, log_in_settings::lock_minutes))
        .first_cached(c)?;
    Ok(LogInSettings { idle_minutes, failures, lock_minutes })
}

/// Sets the numbers of Logon Security Settings.
pub fn save_log_in_settings(
    c: &mut AnyConnection,
    settings: &LogInSettings,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<Effect> {
    let before = load_log_in_settings(c)?;
    let change = |field, before: i64, after: i64| Change::between(field, &before.to_string(), &after.to_string());
    let changes: Vec<Change> = [
        change("accounts-idle-minutes", before.idle_minutes, settings.idle_minutes),
        change("accounts-failures", before.failures, settings.failures),
        change("accounts-lock-minutes", before.lock_minutes, settings.lock_minutes),
    ]
    .into_iter()
    .flatten()
    .collect();
    let entry = audit::Entry { tenant: None, action: "log-in-settings-changed", object: "", changes };
    let values = (
        log_in_settings::idle_minutes.eq(settings.idle_minutes),
        log_in_settings::failures.eq(settings.failures),
        log_in_settings::lock_minutes.eq(settings.lock_minutes),
    );
    audit::save_changes(c, who, &entry, now, |c| {
        diesel::update(log_in_settings::table).set(values).execute(c)?;
        Ok(())
    })
}

/// Removes failures and lock-outs that count no more.
pub fn delete_expired_lockouts(c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
    diesel::delete(log_in_failures::table.filter(log_in_failures::failed_at.lt(now - ACCOUNT_FAILURE_WINDOW)))
        .execute(c)?;
    diesel::delete(lockouts::table.filter(lockouts::locked_until.lt(now))).execute(c)?;
    diesel::delete(known_devices::table.filter(known_devices::seen_at.lt(now - DEVICE_VALIDITY))).execute(c)?;
    Ok(())
}

/// Keeps a code of set-up, for whichever process the first visitor comes to.
pub fn insert_set_up_code(c: &mut AnyConnection, code: &PlainToken) -> Result<()> {
    diesel::insert_into(set_up_codes::table).values(set_up_codes::code_hash.eq(code.hash())).execute(c)?;
    Ok(())
}

/// Whether this is a code of set-up.
pub fn is_set_up_code(c: &mut AnyConnection, code: &PlainToken) -> Result<bool> {
    let known = set_up_codes::table.filter(set_up_codes::code_hash.eq(code.hash()));
    Ok(diesel::select(diesel::dsl::exists(known)).get_result(c)?)
}

/// Uses up the codes of set-up; whether this was one of them.
pub fn consume_set_up_codes(c: &mut AnyConnection, code: &PlainToken) -> Result<bool> {
    if !is_set_up_code(c, code)? {
        return Ok(false);
    }
    diesel::delete(set_up_codes::table).execute(c)?;
    Ok(true)
}

/// Notes something that an account did to itself.
pub fn record_own_action(c: &mut AnyConnection, who: &Actor, action: &'static str, now: NaiveDateTime) -> Result<()> {
    let entry = audit::Entry { tenant: None, action, object: &who.name, changes: Vec::new() };
    audit::record(c, who, &entry, now)
}

/// The first account, super administrator of the metadata warehouse tenant.
///
/// # Errors
/// [`Error::AlreadyExists`] when there is an account already.
pub fn create_first_account(
    c: &mut AnyConnection,
    username: &Username,
    password_hash: &str,
    language: Language,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<AccountId> {
    if has_accounts(c)? {
        Err(Error::AlreadyExists)
    } else {
        create_administrator(c, username, password_hash, language, who, now)
    }
}

/// An account that is super administrator of the metadata warehouse tenant, which is made when there is none. The command
/// line makes one beside others, for whoever has lost every other way in.
///
/// # Errors
/// [`Error::AlreadyExists`] when the name is taken.
pub fn create_administrator(
    c: &mut AnyConnection,
    username: &Username,
    password_hash: &str,
    language: Language,
    who: &Actor,
    now: NaiveDateTime,
) -> Result<AccountId> {
    let account = insert_account(c, username, password_hash, false, now)?;
    crate::tenants::store::join_metadata_warehouse(c, account, username, language, who, now)?;
    Ok(account)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::store as log, clock::Clock, db::fixture::database};

    #[test]
    fn an_ipv6_address_counts_by_its_networks() {
        let in_place = |address: &str, place: usize| network_limits(address).get(place).cloned();
        assert_eq!(network_limits("2001:db8:1:2:3:4:5:6"), network_limits("2001:db8:1:2:ffff::1"));
        assert_ne!(in_place("2001:db8:1:2::1", 0), in_place("2001:db8:1:3::1", 0));
        assert_eq!(in_place("2001:db8:1:2::1", 1), in_place("2001:db8:1:3::1", 1));
        assert_ne!(in_place("2001:db8:1:2::1", 1), in_place("2001:db8:1:102::1", 1));
        assert_eq!(in_place("2001:db8:1:2::1", 2), in_place("2001:db8:1:ff02::1", 2));
        assert_ne!(in_place("2001:db8:1:2::1", 2), in_place("2001:db8:2:2::1", 2));
        assert_eq!(network_limits("192.0.2.1"), [("192.0.2.1".to_owned(), 20)]);
        assert_eq!(network_limits(""), [(String::new(), 20)]);
    }

    #[test]
    fn a_password_replaces_only_the_shown_one_while_that_is_usable() {
        let (_folder, mut c) = database();
        let now = Clock::default().now();
        let ann = insert_account(&mut c, &Username::parse("ann").unwrap(), "code", true, now).unwrap();
        let mut set = |before: &str, hash: &str, now| {
            let password = NewPassword { hash: hash.into(), previous_hash: before.into(), session_id: String::new() };
            set_password(&mut c, ann, &password, now).unwrap()
        };
        assert!(!set("another code", "first", now), "the code was renewed meanwhile");
        assert!(!set("code", "first", now + CODE_VALIDITY), "the code has expired");
        assert!(set("code", "first", now + CODE_VALIDITY - TimeDelta::seconds(1)));
        assert!(!set("code", "second", now), "a code serves once");
        assert!(set("first", "second", now + CODE_VALIDITY), "a password does not expire");
        assert_eq!(load_password_hash(&mut c, ann).unwrap(), "second");
    }

    #[test]
    fn a_settings_change_is_saved_and_audited_once() {
        let (_folder, mut c) = database();
        let who = Actor { account: None, name: "root".into(), address: String::new() };
        let before = load_log_in_settings(&mut c).unwrap();
        let settings = LogInSettings { failures: 3, ..before };
        for _ in 0..2 {
            save_log_in_settings(&mut c, &settings, &who, Clock::default().now()).unwrap();
        }
        assert_eq!(load_log_in_settings(&mut c).unwrap(), settings);
        let (rows, _) = log::list(&mut c, None, &log::Filter::default()).unwrap();
        let changes: Vec<&Change> = rows.iter().flat_map(|row| &row.changes).collect();
        assert_eq!(changes, [&Change::between("accounts-failures", "5", "3").unwrap()]);
        assert_eq!((before.idle_minutes, before.lock_minutes), (120, 15));
    }
}
