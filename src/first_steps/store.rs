//! What a tenant has done of the first steps.

use chrono::NaiveDateTime;
use diesel::{
    dsl::{exists, select},
    prelude::*,
};

use super::{FirstStep, FirstStepsProgress};
use crate::{
    db::{
        AnyConnection, INSTANCE_SCOPE, LimitConst as _, TenantId,
        schema::{alert_rules, channel_switches, deliveries, robots, tenants},
    },
    error::Result,
};

/// How far a tenant has come.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound) when there is no such tenant.
pub fn load_progress(c: &mut AnyConnection, tenant: TenantId) -> Result<FirstStepsProgress> {
    let (mode, created_at): (String, NaiveDateTime) =
        tenants::table.find(tenant).select((tenants::channel_mode, tenants::created_at)).first_cached(c)?;
    let scope = if mode == "custom" { tenant.0 } else { INSTANCE_SCOPE };
    let switches = channel_switches::table.filter(channel_switches::scope.eq(scope)).filter(channel_switches::is_on);
    let delivered = deliveries::table.filter(deliveries::tenant.eq(tenant)).filter(deliveries::state.eq("success"));
    let robots = robots::table.filter(robots::tenant.eq(tenant));
    let rules = alert_rules::table.filter(alert_rules::tenant.eq(tenant));
    let states = [
        (FirstStep::Tenant, true),
        (FirstStep::Channel, select(exists(switches)).get_result(c)?),
        (FirstStep::Robot, select(exists(robots)).get_result(c)?),
        (FirstStep::Message, select(exists(delivered)).get_result(c)?),
        (FirstStep::Rule, select(exists(rules)).get_result(c)?),
        (FirstStep::Alert, select(exists(delivered.filter(deliveries::alert.is_not_null()))).get_result(c)?),
    ];
    let done = states.into_iter().filter(|(_, is_done)| *is_done).map(|(step, _)| step).collect();
    Ok(FirstStepsProgress { done, created_at })
}
