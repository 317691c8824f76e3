//! The switches in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{Mode, Settings, Switches};
use crate::{
    db::{
        AnyConnection, INSTANCE_SCOPE, TenantId, on_backend,
        schema::{channel_switches, tenants},
    },
    delivery,
    error::{Error, Result},
    robots::Channel,
};

/// The instance's switches.
///
/// # Errors
/// When the database cannot be read.
pub fn instance(c: &mut AnyConnection) -> Result<Switches> {
    switches(c, INSTANCE_SCOPE)
}

/// All there is to know of a tenant's channels, in one query.
///
/// # Errors
/// [`Error::NotFound`] when there is no such tenant.
pub fn settings(c: &mut AnyConnection, tenant: TenantId) -> Result<Settings> {
    type Row = (String, Option<(i64, String, bool)>);
    let in_scope = channel_switches::scope.eq(tenant.0).or(channel_switches::scope.eq(INSTANCE_SCOPE));
    let rows = tenants::table.find(tenant).left_join(channel_switches::table.on(in_scope)).select((
        tenants::channel_mode,
        (channel_switches::scope, channel_switches::channel, channel_switches::is_on).nullable(),
    ));
    let rows: Vec<Row> = on_backend!(c, c => rows.load(c)?);
    let (mode, _) = rows.first().ok_or(Error::NotFound)?;
    let mode = Mode::parse(mode).ok_or_else(|| Error::internal("a tenant has an unknown channel mode"))?;
    let on = |wanted: i64| {
        let switches = rows.iter().filter_map(|(_, switch)| switch.as_ref());
        let on = switches.filter(|(scope, _, is_on)| *scope == wanted && *is_on);
        Switches::on(on.filter_map(|(_, channel, _)| Channel::parse(channel)))
    };
    Ok(Settings { mode, custom: on(tenant.0), system: on(INSTANCE_SCOPE) })
}

/// Sets the instance's switches.
///
/// # Errors
/// When the database cannot be written.
pub fn save_instance(c: &mut AnyConnection, switches: &Switches, now: NaiveDateTime) -> Result<()> {
    save_switches(c, INSTANCE_SCOPE, switches)?;
    delivery::wake_all(c, None, now)
}

/// Sets a tenant's mode and its own switches.
///
/// # Errors
/// When the database cannot be written.
pub fn save(
    c: &mut AnyConnection,
    tenant: TenantId,
    mode: Mode,
    switches: &Switches,
    now: NaiveDateTime,
) -> Result<()> {
    diesel::update(tenants::table.find(tenant)).set(tenants::channel_mode.eq(mode.as_str())).execute(c)?;
    save_switches(c, tenant.0, switches)?;
    delivery::wake_all(c, Some(tenant), now)
}

fn switches(c: &mut AnyConnection, scope: i64) -> Result<Switches> {
    let on: Vec<String> = channel_switches::table
        .filter(channel_switches::scope.eq(scope))
        .filter(channel_switches::is_on.eq(true))
        .select(channel_switches::channel)
        .load(c)?;
    Ok(Switches::on(on.iter().filter_map(|word| Channel::parse(word))))
}

fn save_switches(c: &mut AnyConnection, scope: i64, switches: &Switches) -> Result<()> {
    diesel::delete(channel_switches::table.filter(channel_switches::scope.eq(scope))).execute(c)?;
    for channel in Channel::ALL {
        diesel::insert_into(channel_switches::table)
            .values((
                channel_switches::scope.eq(scope),
                channel_switches::channel.eq(channel.as_str()),
                channel_switches::is_on.eq(switches.is_on(&channel)),
            ))
            .execute(c)?;
    }
    Ok(())
}
