//! The numbers of Data Retention Settings in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{Removed, Retention};
use crate::{
    access::Actor,
    audit::{self, Change, Effect},
    db::{
        AnyConnection, LimitConst as _, TenantId,
        schema::{retention, tenants},
    },
    error::Result,
};

/// The settings.
///
/// # Errors
/// When the database cannot be read.
pub fn settings(c: &mut AnyConnection) -> Result<Retention> {
    let (alert_days, delivery_days, audit_days) =
        retention::table.select((retention::alert_days, retention::delivery_days, retention::audit_days)).first(c)?;
    Ok(Retention { alert_days, delivery_days, audit_days })
}

/// What was removed by now of what a tenant's lists show, or those of the instance where none is named.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound) when there is no such tenant.
pub fn removed(c: &mut AnyConnection, tenant: Option<TenantId>, now: NaiveDateTime) -> Result<Removed> {
    let created_at: NaiveDateTime = match tenant {
        Some(tenant) => tenants::table.find(tenant).select(tenants::created_at).first_cached(c)?,
        None => {
            let warehouse = tenants::table.filter(tenants::metadata_warehouse.eq(true));
            warehouse.select(tenants::created_at).first_cached(c).optional()?.unwrap_or(now)
        }
    };
    Ok(Removed::of(settings(c)?, created_at, now))
}

/// Changes the settings.
///
/// # Errors
/// When the database cannot be written.
pub fn save(c: &mut AnyConnection, settings: &Retention, who: &Actor, now: NaiveDateTime) -> Result<Effect> {
    let before = self::settings(c)?;
    let change = |field, before: i64, after: i64| Change::between(field, &before.to_string(), &after.to_string());
    let changes: Vec<Change> = [
        change("retention-alert-days", before.alert_days, settings.alert_days),
        change("retention-delivery-days", before.delivery_days, settings.delivery_days),
        change("retention-audit-days", before.audit_days, settings.audit_days),
    ]
    .into_iter()
    .flatten()
    .collect();
    let entry = audit::Entry { tenant: None, action: "retention-changed", object: "", changes };
    let values = (
        retention::alert_days.eq(settings.alert_days),
        retention::delivery_days.eq(settings.delivery_days),
        retention::audit_days.eq(settings.audit_days),
    );
    audit::save_changes(c, who, &entry, now, |c| {
        diesel::update(retention::table).set(values).execute(c)?;
        Ok(())
    })
}
