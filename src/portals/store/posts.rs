//! What a post needs of the database: which portal sends it, and what is stored beside what it says.

use chrono::{NaiveDateTime, TimeDelta, Timelike as _};
use diesel::prelude::*;

use super::key_place;
use crate::{
    db::{
        AnyConnection, LimitConst as _, PortalId, TenantId,
        schema::{idempotency_keys, portal_nonces, portals, tenants},
        share_portal,
    },
    error::{Error, Result},
    portals::model::{Caller, KEY_LASTS, ReturnOrigins, Scope},
    secrets::{KeyRing, PlainToken},
};

/// For how long a nonce is kept that has ended: a clock that ran ahead and was set right again brings no old form to life.
const NONCE_KEPT: TimeDelta = TimeDelta::days(1);

#[derive(Queryable, Selectable)]
#[diesel(table_name = portals)]
struct Row {
    id: PortalId,
    name: String,
    tenant: TenantId,
    saves_members: bool,
    fires_alerts: bool,
    return_origins: String,
    per_minute: Option<i64>,
    last_used_at: Option<NaiveDateTime>,
}

/// The slug and the name of a tenant.
type Town = (String, String);

/// The columns of [`Town`].
const TOWN: (tenants::slug, tenants::name) = (tenants::slug, tenants::name);

fn caller((row, (slug, tenant_name)): (Row, Town)) -> Caller {
    Caller {
        id: row.id,
        name: row.name,
        tenant: row.tenant,
        slug,
        tenant_name,
        saves_members: row.saves_members,
        fires_alerts: row.fires_alerts,
        return_origins: ReturnOrigins::stored(&row.return_origins),
        per_minute: row.per_minute,
        last_used_at: row.last_used_at,
    }
}

/// The portals that are not revoked, of tenants that are not deleted.
#[diesel::dsl::auto_type(no_type_alias)]
fn open() -> _ {
    portals::table
        .inner_join(tenants::table)
        .filter(portals::revoked_at.is_null())
        .filter(tenants::deleted_at.is_null())
}

/// The portal of a token, its present one or one that was rotated away not long ago. It is found by the token's hash, so
/// that no time tells how much of a wrong token is right.
///
/// # Errors
/// When the database cannot be read.
pub fn by_token(c: &mut AnyConnection, token: &PlainToken, now: NaiveDateTime) -> Result<Option<Caller>> {
    let hash = token.hash();
    let was = portals::old_token_hash.eq(Some(hash.clone())).and(portals::overlap_until.gt(Some(now)));
    let found = open()
        .filter(portals::token_hash.eq(hash).or(was.assume_not_null()))
        .select((Row::as_select(), TOWN))
        .first_cached::<(Row, Town), _>(c)
        .optional()?;
    Ok(found.map(caller))
}

/// What a portal may do while a transaction lasts.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = portals)]
pub struct Standing {
    token_hash: Vec<u8>,
    old_token_hash: Option<Vec<u8>>,
    overlap_until: Option<NaiveDateTime>,
    saves_members: bool,
    fires_alerts: bool,
}

impl Standing {
    /// Whether a post is proven that was proven by the credentials of the token with this hash.
    #[must_use]
    pub fn accepts(&self, token_hash: &[u8], now: NaiveDateTime) -> bool {
        let is_old = self.old_token_hash.as_deref() == Some(token_hash);
        self.token_hash == token_hash || is_old && self.overlap_until.is_some_and(|until| until > now)
    }

    /// Whether the portal may do this.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        match scope {
            Scope::SaveMembers => self.saves_members,
            Scope::FireAlerts => self.fires_alerts,
        }
    }
}

/// What a portal may do now, which on Postgres nobody changes before the transaction ends; nothing when it is revoked or its
/// tenant is deleted.
///
/// # Errors
/// When the database cannot be read.
pub fn standing(c: &mut AnyConnection, portal: PortalId) -> Result<Option<Standing>> {
    share_portal(c, portal)?;
    Ok(open().filter(portals::id.eq(portal)).select(Standing::as_select()).first_cached(c).optional()?)
}

/// The hash of a token, the key that is sealed beside it, and what was rotated away, with its end.
type Sealed = (Vec<u8>, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, Option<NaiveDateTime>);

/// A key that forms may be signed with.
pub struct SigningKey {
    /// The key.
    pub key: String,
    /// The hash of the token that was made with it.
    pub token_hash: Vec<u8>,
}

/// A portal with the keys that its forms may be signed with.
///
/// # Errors
/// When the database cannot be read or a key does not open.
pub fn with_keys(
    c: &mut AnyConnection,
    id: PortalId,
    ring: &KeyRing,
    now: NaiveDateTime,
) -> Result<Option<(Caller, Vec<SigningKey>)>> {
    let sealed = (
        portals::token_hash,
        portals::sealed_signing_key,
        portals::old_token_hash,
        portals::old_sealed_signing_key,
        portals::overlap_until,
    );
    let found = open()
        .filter(portals::id.eq(id))
        .select((Row::as_select(), TOWN, sealed))
        .first_cached::<(Row, Town, Sealed), _>(c)
        .optional()?;
    let Some((row, town, (hash, key, old_hash, old_key, overlap_until))) = found else { return Ok(None) };
    let unsealed = |hash: Vec<u8>, key: &[u8]| {
        Ok::<_, Error>(SigningKey { key: ring.unseal(key_place(row.tenant, &hash), key)?, token_hash: hash })
    };
    let mut keys = vec![unsealed(hash, &key)?];
    if let (Some(hash), Some(key), true) = (old_hash, old_key, overlap_until.is_some_and(|until| until > now)) {
        keys.push(unsealed(hash, &key)?);
    }
    Ok(Some((caller((row, town)), keys)))
}

/// Counts a post against the portal's own limit.
///
/// Returns whether there was room for it in this minute.
///
/// # Errors
/// When the database cannot be written.
pub fn count(c: &mut AnyConnection, portal: PortalId, at_most: i64, now: NaiveDateTime) -> Result<bool> {
    let minute = minute(now);
    let this = portals::table.filter(portals::id.eq(portal)).filter(portals::rate_window_start.eq(Some(minute)));
    let this = this.filter(portals::rate_window_count.lt(at_most));
    let other = portals::table.filter(portals::id.eq(portal));
    let other = other.filter(portals::rate_window_start.is_null().or(portals::rate_window_start.ne(Some(minute))));
    let one_more = portals::rate_window_count.eq(portals::rate_window_count + 1);
    let first = (portals::rate_window_start.eq(Some(minute)), portals::rate_window_count.eq(1));
    // The last look is for who came second when the minute began.
    Ok(diesel::update(this).set(one_more).execute(c)? == 1
        || diesel::update(other).set(first).execute(c)? == 1
        || diesel::update(this).set(one_more).execute(c)? == 1)
}

fn minute(now: NaiveDateTime) -> NaiveDateTime {
    now - TimeDelta::seconds(i64::from(now.second())) - TimeDelta::nanoseconds(i64::from(now.nanosecond()))
}

/// The seconds until the next minute is counted.
#[must_use]
pub fn until_next_minute(now: NaiveDateTime) -> i64 {
    60 - i64::from(now.second())
}

/// Notes that a portal is used.
///
/// # Errors
/// When the database cannot be written.
pub fn note_use(c: &mut AnyConnection, portal: PortalId, now: NaiveDateTime) -> Result<()> {
    diesel::update(portals::table.find(portal)).set(portals::last_used_at.eq(Some(now))).execute(c)?;
    Ok(())
}

/// Spends the nonce of a signed form.
///
/// Returns whether it had not been spent before.
///
/// # Errors
/// When the database cannot be written.
pub fn spend(c: &mut AnyConnection, portal: PortalId, nonce: &str, expires_at: NaiveDateTime) -> Result<bool> {
    let insert = diesel::insert_into(portal_nonces::table).values((
        portal_nonces::portal.eq(portal),
        portal_nonces::nonce.eq(nonce),
        portal_nonces::expires_at.eq(expires_at),
    ));
    let spent = match c {
        AnyConnection::Sqlite(c) => insert.on_conflict_do_nothing().execute(c),
        AnyConnection::Postgres(c) => insert.on_conflict_do_nothing().execute(c),
    }?;
    Ok(spent == 1)
}

/// What an idempotency key stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyUse {
    /// Nothing yet: it is this post's now, and its answer is to be [`keep`]t.
    New,
    /// The answer that the same body was given: its status, and what it said.
    Answered(u16, String),
    /// Another body.
    OfAnother,
}

/// Takes an idempotency key for a post. Whoever comes with the same key meanwhile waits until this transaction ends.
///
/// # Errors
/// When the database cannot be written.
pub fn take_key(
    c: &mut AnyConnection,
    portal: PortalId,
    key: &str,
    body_hash: &[u8],
    now: NaiveDateTime,
) -> Result<KeyUse> {
    let insert = diesel::insert_into(idempotency_keys::table).values((
        idempotency_keys::portal.eq(portal),
        idempotency_keys::key.eq(key),
        idempotency_keys::body_hash.eq(body_hash),
        idempotency_keys::status.eq(0),
        idempotency_keys::response_body.eq(""),
        idempotency_keys::created_at.eq(now),
    ));
    let taken = match c {
        AnyConnection::Sqlite(c) => insert.on_conflict_do_nothing().execute(c),
        AnyConnection::Postgres(c) => insert.on_conflict_do_nothing().execute(c),
    }?;
    if taken == 1 {
        return Ok(KeyUse::New);
    }
    // One that has ended and was not swept yet is taken over.
    let row = idempotency_keys::table.filter(idempotency_keys::portal.eq(portal)).filter(idempotency_keys::key.eq(key));
    let ended = row.filter(idempotency_keys::created_at.le(now - KEY_LASTS));
    let renewed = (idempotency_keys::body_hash.eq(body_hash), idempotency_keys::created_at.eq(now));
    if diesel::update(ended).set(renewed).execute(c)? == 1 {
        return Ok(KeyUse::New);
    }
    // Swept away between the two looks: the next attempt finds the key free.
    known_key(c, portal, key, body_hash, now)?.ok_or_else(|| Error::unavailable("an idempotency key has just ended"))
}

/// What an idempotency key stands for, if it was taken and has not ended.
///
/// # Errors
/// When the database cannot be read.
pub fn known_key(
    c: &mut AnyConnection,
    portal: PortalId,
    key: &str,
    body_hash: &[u8],
    now: NaiveDateTime,
) -> Result<Option<KeyUse>> {
    let row = idempotency_keys::table.filter(idempotency_keys::portal.eq(portal)).filter(idempotency_keys::key.eq(key));
    let lasting = row.filter(idempotency_keys::created_at.gt(now - KEY_LASTS));
    let known =
        lasting.select((idempotency_keys::body_hash, idempotency_keys::status, idempotency_keys::response_body));
    let known: Option<(Vec<u8>, i64, String)> = known.first_cached(c).optional()?;
    let Some((hash, status, answer)) = known else { return Ok(None) };
    match u16::try_from(status) {
        Ok(status) if hash == body_hash => Ok(Some(KeyUse::Answered(status, answer))),
        Ok(_) => Ok(Some(KeyUse::OfAnother)),
        Err(fault) => Err(Error::internal(fault)),
    }
}

/// Keeps the answer that an idempotency key stands for from now on.
///
/// # Errors
/// When the database cannot be written.
pub fn keep(c: &mut AnyConnection, portal: PortalId, key: &str, status: u16, answer: &str) -> Result<()> {
    let row = idempotency_keys::table.filter(idempotency_keys::portal.eq(portal)).filter(idempotency_keys::key.eq(key));
    diesel::update(row)
        .set((idempotency_keys::status.eq(i64::from(status)), idempotency_keys::response_body.eq(answer)))
        .execute(c)?;
    Ok(())
}

/// Removes nonces and answers that have ended by age.
///
/// # Errors
/// When the database cannot be written.
pub fn sweep(c: &mut AnyConnection, now: NaiveDateTime) -> Result<()> {
    diesel::delete(portal_nonces::table.filter(portal_nonces::expires_at.lt(now - NONCE_KEPT))).execute(c)?;
    diesel::delete(idempotency_keys::table.filter(idempotency_keys::created_at.le(now - KEY_LASTS))).execute(c)?;
    super::refused::sweep(c, now)
}
