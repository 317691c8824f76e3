//! Portals in the database: what administrators see and change. Every query takes the tenant first.

pub mod posts;
pub mod refused;

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::model::{Details, OVERLAP, ReturnOrigins};
use crate::{
    db::{AnyConnection, LimitConst as _, PortalId, TenantId, schema::portals},
    error::{Error, Result},
    secrets::{AssociatedData, KeyRing, PORTAL_TOKEN_PREFIX, PlainToken},
};

/// A portal as its tenant's administrators see it.
#[derive(Clone, Debug)]
pub struct Portal {
    /// Its id, which signed forms name.
    pub id: PortalId,
    /// What it is called and may do.
    pub details: Details,
    /// The last four characters of its token.
    pub last_four: String,
    /// Until when the token and key before are accepted, when they are.
    pub overlap_until: Option<NaiveDateTime>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<NaiveDateTime>,
    /// When it was added.
    pub created_at: NaiveDateTime,
    /// When it was revoked, if it was.
    pub revoked_at: Option<NaiveDateTime>,
}

impl Portal {
    /// Whether the token and key before are accepted too.
    #[must_use]
    pub fn is_rotating(&self, now: NaiveDateTime) -> bool {
        self.overlap_until.is_some_and(|until| until > now)
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = portals)]
struct Row {
    id: PortalId,
    name: String,
    saves_members: bool,
    fires_alerts: bool,
    return_origins: String,
    per_minute: Option<i64>,
    token_last_four: String,
    overlap_until: Option<NaiveDateTime>,
    last_used_at: Option<NaiveDateTime>,
    created_at: NaiveDateTime,
    revoked_at: Option<NaiveDateTime>,
}

impl From<Row> for Portal {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            details: Details {
                name: row.name,
                saves_members: row.saves_members,
                fires_alerts: row.fires_alerts,
                return_origins: ReturnOrigins::stored(&row.return_origins),
                per_minute: row.per_minute,
            },
            last_four: row.token_last_four,
            overlap_until: row.overlap_until,
            last_used_at: row.last_used_at,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// The portals of a tenant, those in use first, by name.
///
/// # Errors
/// When the database cannot be read.
pub fn list(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<Portal>> {
    let rows: Vec<Row> = portals::table
        .filter(portals::tenant.eq(tenant))
        .order((portals::revoked_at.is_not_null(), portals::name_key, portals::id))
        .select(Row::as_select())
        .load(c)?;
    Ok(rows.into_iter().map(Portal::from).collect())
}

/// A portal of this tenant, revoked or not.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id.
pub fn find(c: &mut AnyConnection, tenant: TenantId, id: PortalId) -> Result<Portal> {
    let row: Row = portals::table
        .filter(portals::tenant.eq(tenant))
        .filter(portals::id.eq(id))
        .select(Row::as_select())
        .first_cached(c)?;
    Ok(row.into())
}

/// The portal in use that has this name.
///
/// # Errors
/// When the database cannot be read.
pub fn by_name(c: &mut AnyConnection, tenant: TenantId, name: &str) -> Result<Option<PortalId>> {
    let named = portals::table.filter(portals::tenant.eq(tenant)).filter(portals::name_key.eq(name.to_lowercase()));
    Ok(named.select(portals::id).first_cached(c).optional()?)
}

/// What a portal proves itself with. It is shown once.
#[derive(Clone, Debug)]
pub struct Secrets {
    /// For the header `Authorization`.
    pub token: PlainToken,
    /// For signing forms.
    pub signing_key: PlainToken,
}

/// What every signing key begins with.
const KEY_PREFIX: &str = "belfry_key_";

impl Secrets {
    /// Fresh ones.
    ///
    /// # Errors
    /// [`Error::Internal`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self> {
        Ok(Self {
            token: PlainToken::generate_with_prefix(PORTAL_TOKEN_PREFIX)?,
            signing_key: PlainToken::generate_with_prefix(KEY_PREFIX)?,
        })
    }

    /// Both in one text, for the page that shows them.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{} {}", self.token.expose(), self.signing_key.expose())
    }

    /// Reads what [`Self::text`] wrote.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (token, key) = text.split_once(' ')?;
        Some(Self { token: PlainToken::from_presented(token), signing_key: PlainToken::from_presented(key) })
    }

    fn last_four(&self) -> String {
        let text = self.token.expose();
        text.chars().skip(text.chars().count().saturating_sub(4)).collect()
    }

    fn sealed_key(&self, keys: &KeyRing, tenant: TenantId) -> Result<Vec<u8>> {
        keys.seal(key_place(tenant, &self.token.hash()), self.signing_key.expose())
    }
}

/// Where a signing key is sealed for: the token that it was made with stays beside it, also when both are rotated away.
fn key_place(tenant: TenantId, token_hash: &[u8]) -> AssociatedData<'_> {
    AssociatedData { tenant, column: "portals.sealed_signing_key", row: token_hash }
}

/// The present signing key of a portal, to sign an example with.
///
/// # Errors
/// [`Error::NotFound`] when the tenant has none of this id; [`Error::Internal`] when the key does not open.
pub fn signing_key(c: &mut AnyConnection, tenant: TenantId, id: PortalId, keys: &KeyRing) -> Result<String> {
    let row = portals::table.filter(portals::tenant.eq(tenant)).filter(portals::id.eq(id));
    let (hash, sealed): (Vec<u8>, Vec<u8>) =
        row.select((portals::token_hash, portals::sealed_signing_key)).first_cached(c)?;
    keys.unseal(key_place(tenant, &hash), &sealed)
}

/// Adds a portal.
///
/// # Errors
/// [`Error::AlreadyExists`] when the tenant has one of this name.
pub fn insert(
    c: &mut AnyConnection,
    tenant: TenantId,
    details: &Details,
    secrets: &Secrets,
    keys: &KeyRing,
    now: NaiveDateTime,
) -> Result<PortalId> {
    Ok(diesel::insert_into(portals::table)
        .values((
            portals::tenant.eq(tenant),
            changed(details),
            portals::rate_window_count.eq(0),
            portals::token_hash.eq(secrets.token.hash()),
            portals::token_last_four.eq(secrets.last_four()),
            portals::sealed_signing_key.eq(secrets.sealed_key(keys, tenant)?),
            portals::created_at.eq(now),
        ))
        .returning(portals::id)
        .get_result(c)?)
}

/// What can be changed about a portal.
#[derive(AsChangeset, Insertable)]
#[diesel(table_name = portals, treat_none_as_null = true)]
struct Changed<'d> {
    name: &'d str,
    name_key: String,
    saves_members: bool,
    fires_alerts: bool,
    return_origins: String,
    per_minute: Option<i64>,
}

fn changed(details: &Details) -> Changed<'_> {
    Changed {
        name: &details.name,
        name_key: details.name.to_lowercase(),
        saves_members: details.saves_members,
        fires_alerts: details.fires_alerts,
        return_origins: details.return_origins.lines(),
        per_minute: details.per_minute,
    }
}

/// A portal that is not revoked.
#[diesel::dsl::auto_type(no_type_alias)]
fn in_use(tenant: TenantId, id: PortalId) -> _ {
    portals::table.filter(portals::tenant.eq(tenant)).filter(portals::id.eq(id)).filter(portals::revoked_at.is_null())
}

fn one(changed: usize) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Error::NotFound) }
}

/// Changes what a portal is called and may do.
///
/// # Errors
/// [`Error::NotFound`] when there is none that is in use, [`Error::AlreadyExists`] when another has this name.
pub fn update(c: &mut AnyConnection, tenant: TenantId, id: PortalId, details: &Details) -> Result<()> {
    one(diesel::update(in_use(tenant, id)).set(changed(details)).execute(c)?)
}

/// Gives a portal another token and key. What it has is accepted for a while yet; while something older still is, that is
/// what stays, and what was made last ends at once: a second click takes nothing away from those who work with the first.
///
/// # Errors
/// [`Error::NotFound`] when there is none that is in use.
pub fn rotate(
    c: &mut AnyConnection,
    tenant: TenantId,
    id: PortalId,
    secrets: &Secrets,
    keys: &KeyRing,
    now: NaiveDateTime,
) -> Result<()> {
    let without_old = in_use(tenant, id).filter(portals::overlap_until.is_null().or(portals::overlap_until.le(now)));
    diesel::update(without_old)
        .set((
            portals::old_token_hash.eq(portals::token_hash.nullable()),
            portals::old_sealed_signing_key.eq(portals::sealed_signing_key.nullable()),
            portals::overlap_until.eq(Some(now + OVERLAP)),
        ))
        .execute(c)?;
    let renewed = (
        portals::token_hash.eq(secrets.token.hash()),
        portals::token_last_four.eq(secrets.last_four()),
        portals::sealed_signing_key.eq(secrets.sealed_key(keys, tenant)?),
    );
    one(diesel::update(in_use(tenant, id)).set(renewed).execute(c)?)
}

/// Ends at once what was rotated away.
///
/// # Errors
/// [`Error::NotFound`] when there is no portal that is in use.
pub fn end_overlap(c: &mut AnyConnection, tenant: TenantId, id: PortalId) -> Result<()> {
    let ended = (
        portals::old_token_hash.eq(None::<Vec<u8>>),
        portals::old_sealed_signing_key.eq(None::<Vec<u8>>),
        portals::overlap_until.eq(None::<NaiveDateTime>),
    );
    one(diesel::update(in_use(tenant, id)).set(ended).execute(c)?)
}

/// Revokes a portal, from this moment on and for ever. Its name is free again.
///
/// # Errors
/// [`Error::NotFound`] when there is none that is in use.
pub fn revoke(c: &mut AnyConnection, tenant: TenantId, id: PortalId, now: NaiveDateTime) -> Result<()> {
    let name_key: String = in_use(tenant, id).select(portals::name_key).first_cached(c)?;
    // No name that is typed holds a line feed.
    let ended = (portals::revoked_at.eq(Some(now)), portals::name_key.eq(format!("{name_key}\n{id}")));
    one(diesel::update(in_use(tenant, id)).set(ended).execute(c)?)?;
    diesel::update(portals::table.find(id))
        .set((portals::old_token_hash.eq(None::<Vec<u8>>), portals::old_sealed_signing_key.eq(None::<Vec<u8>>)))
        .execute(c)?;
    Ok(())
}

/// A portal with what is sealed of it.
type Sealed = (PortalId, TenantId, Vec<u8>, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

/// Seals the next portals' keys after this one with the newest key of the ring, and answers the last it looked at; nothing
/// when there are no more.
///
/// # Errors
/// [`Error::Internal`] when a value does not open with any key of the ring.
pub fn reseal(c: &mut AnyConnection, keys: &KeyRing, after: PortalId, at_most: i64) -> Result<Option<PortalId>> {
    let rows: Vec<Sealed> = portals::table
        .filter(portals::id.gt(after))
        .order(portals::id)
        .limit(at_most)
        .select((
            portals::id,
            portals::tenant,
            portals::token_hash,
            portals::sealed_signing_key,
            portals::old_token_hash,
            portals::old_sealed_signing_key,
        ))
        .load(c)?;
    for (id, tenant, hash, sealed, old_hash, old_sealed) in &rows {
        let row = portals::table.filter(portals::id.eq(id));
        if let Some(renewed) = resealed(keys, *tenant, hash, sealed)? {
            // Only what is still as it was read: a portal that is rotated meanwhile keeps what it was given.
            let unchanged = row.filter(portals::sealed_signing_key.eq(sealed));
            diesel::update(unchanged).set(portals::sealed_signing_key.eq(renewed)).execute(c)?;
        }
        if let (Some(hash), Some(sealed)) = (old_hash, old_sealed)
            && let Some(renewed) = resealed(keys, *tenant, hash, sealed)?
        {
            let unchanged = row.filter(portals::old_sealed_signing_key.eq(sealed));
            diesel::update(unchanged).set(portals::old_sealed_signing_key.eq(Some(renewed))).execute(c)?;
        }
    }
    Ok(rows.last().map(|(id, ..)| *id))
}

/// Whether one of the signing keys of the newest portals, of at most this many, opens. Nothing when there is none.
///
/// # Errors
/// When the database cannot be read.
pub fn newest_opens(c: &mut AnyConnection, keys: Option<&KeyRing>, at_most: i64) -> Result<Option<bool>> {
    let rows: Vec<(TenantId, Vec<u8>, Vec<u8>)> = portals::table
        .order(portals::id.desc())
        .limit(at_most)
        .select((portals::tenant, portals::token_hash, portals::sealed_signing_key))
        .load(c)?;
    let opens = |(tenant, hash, sealed): &(TenantId, Vec<u8>, Vec<u8>)| {
        keys.is_some_and(|keys| keys.unseal(key_place(*tenant, hash), sealed).is_ok())
    };
    Ok((!rows.is_empty()).then(|| rows.iter().any(opens)))
}

/// How many signing keys are sealed, and how many of them do not open. Without keys none does.
///
/// # Errors
/// When the database cannot be read.
pub fn unopened(c: &mut AnyConnection, keys: Option<&KeyRing>) -> Result<(i64, i64)> {
    type Row = (TenantId, Vec<u8>, Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);
    let rows: Vec<Row> = portals::table
        .select((
            portals::tenant,
            portals::token_hash,
            portals::sealed_signing_key,
            portals::old_token_hash,
            portals::old_sealed_signing_key,
        ))
        .load(c)?;
    let (mut all, mut closed) = (0, 0);
    for (tenant, hash, sealed, old_hash, old_sealed) in rows {
        for (hash, sealed) in [Some((hash, sealed)), old_hash.zip(old_sealed)].into_iter().flatten() {
            let opens = keys.is_some_and(|keys| keys.unseal(key_place(tenant, &hash), &sealed).is_ok());
            all += 1;
            closed += i64::from(!opens);
        }
    }
    Ok((all, closed))
}

/// A key sealed anew, unless it is sealed with the newest key already.
fn resealed(keys: &KeyRing, tenant: TenantId, hash: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>> {
    if keys.is_sealed_with_newest_key(sealed) {
        return Ok(None);
    }
    let place = key_place(tenant, hash);
    Ok(Some(keys.seal(place, &keys.unseal(place, sealed)?)?))
}
