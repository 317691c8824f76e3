//! Everything that is sealed in the delivery worker's rows: whether it opens with the key file at hand, and the texts of deliveries
//! sealed anew.

use diesel::{ExpressionMethods as _, QueryDsl as _, RunQueryDsl as _, update};

use super::{
    outbox::body_associated_data,
    robots::{secret_associated_data, url_associated_data},
};
use crate::{
    db::{
        AnyConnection, DeliveryId, RobotId, TenantId,
        schema::{deliveries, robots},
    },
    error::Result,
    secrets::KeyRing,
};

/// How many robots are read at a time.
const ROBOTS_PER_PAGE: i64 = 500;

/// The deliveries whose text is sealed, until they have ended: codes on their way to a group, so never many.
///
/// # Errors
/// When the database cannot be read.
pub fn list_sealed_bodies(c: &mut AnyConnection) -> Result<Vec<DeliveryId>> {
    let sealed = deliveries::table
        .filter(deliveries::finished_at.is_null())
        .filter(deliveries::sealed_body.is_not_null())
        .select(deliveries::id);
    Ok(sealed.load(c)?)
}

/// Seals the texts of these deliveries with the newest key, as far as they are not, and have not ended meanwhile.
///
/// # Errors
/// [`crate::error::Error::Internal`] when a text does not open with any key of the ring.
pub fn reseal_bodies(c: &mut AnyConnection, keys: &KeyRing, ids: &[DeliveryId]) -> Result<()> {
    let rows: Vec<(DeliveryId, TenantId, Option<Vec<u8>>)> = deliveries::table
        .filter(deliveries::id.eq_any(ids))
        .select((deliveries::id, deliveries::tenant, deliveries::sealed_body))
        .load(c)?;
    for (delivery, tenant, sealed) in rows {
        let Some(sealed) = sealed.filter(|sealed| !keys.is_sealed_with_newest_key(sealed)) else { continue };
        let row = delivery.0.to_be_bytes();
        let resealed =
            keys.seal(body_associated_data(tenant, &row), &keys.unseal(body_associated_data(tenant, &row), &sealed)?)?;
        // Only what is still as it was read: the text of a delivery that ends meanwhile is gone, and stays so.
        let unchanged =
            deliveries::table.filter(deliveries::id.eq(delivery)).filter(deliveries::sealed_body.eq(sealed));
        update(unchanged).set(deliveries::sealed_body.eq(Some(resealed))).execute(c)?;
    }
    Ok(())
}

/// Whether one of the webhooks of the newest robots, of at most this many, opens. Nothing when there is none.
///
/// # Errors
/// When the database cannot be read.
pub fn newest_opens(c: &mut AnyConnection, keys: Option<&KeyRing>, at_most: i64) -> Result<Option<bool>> {
    let rows: Vec<(TenantId, Vec<u8>, Vec<u8>)> = robots::table
        .order(robots::id.desc())
        .limit(at_most)
        .select((robots::tenant, robots::fingerprint, robots::sealed_url))
        .load(c)?;
    let opens = |(tenant, fingerprint, url): &(TenantId, Vec<u8>, Vec<u8>)| {
        keys.is_some_and(|keys| keys.unseal(url_associated_data(*tenant, fingerprint), url).is_ok())
    };
    Ok((!rows.is_empty()).then(|| rows.iter().any(opens)))
}

/// How many sealed values there are, and how many of them do not open. Without keys none does.
///
/// # Errors
/// When the database cannot be read.
pub fn count_unreadable_values(c: &mut AnyConnection, keys: Option<&KeyRing>) -> Result<(i64, i64)> {
    type Row = (RobotId, TenantId, Vec<u8>, Vec<u8>, Option<Vec<u8>>);
    let (mut all, mut unreadable, mut after) = (0, 0, RobotId(0));
    let mut count = |opens: bool| {
        all += 1;
        unreadable += i64::from(!opens);
    };
    loop {
        let rows: Vec<Row> = robots::table
            .filter(robots::id.gt(after))
            .order(robots::id)
            .limit(ROBOTS_PER_PAGE)
            .select((robots::id, robots::tenant, robots::fingerprint, robots::sealed_url, robots::sealed_secret))
            .load(c)?;
        let Some(last) = rows.last() else { break };
        after = last.0;
        for (_, tenant, fingerprint, url, secret) in &rows {
            count(keys.is_some_and(|keys| keys.unseal(url_associated_data(*tenant, fingerprint), url).is_ok()));
            if let Some(secret) = secret {
                count(
                    keys.is_some_and(|keys| keys.unseal(secret_associated_data(*tenant, fingerprint), secret).is_ok()),
                );
            }
        }
    }
    let bodies: Vec<(DeliveryId, TenantId, Option<Vec<u8>>)> = deliveries::table
        .filter(deliveries::finished_at.is_null())
        .filter(deliveries::sealed_body.is_not_null())
        .select((deliveries::id, deliveries::tenant, deliveries::sealed_body))
        .load(c)?;
    for (delivery, tenant, body) in bodies {
        let (row, body) = (delivery.0.to_be_bytes(), body.unwrap_or_default());
        count(keys.is_some_and(|keys| keys.unseal(body_associated_data(tenant, &row), &body).is_ok()));
    }
    Ok((all, unreadable))
}
