//! Templates in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{Reason, Source, Templates, choice::Own};
use crate::{
    db::{
        AnyConnection, AtMost as _, TenantId, directly,
        schema::{message_templates, tenants},
    },
    error::{Error, Result},
    language::Language,
    robots::Channel,
};

/// The templates of a tenant and the language of its messages, in one query.
///
/// # Errors
/// [`Error::NotFound`] when there is no such tenant.
pub fn load(c: &mut AnyConnection, tenant: TenantId) -> Result<Templates> {
    type Row = (String, Option<(String, String, String, String, NaiveDateTime)>);
    let rows = tenants::table
        .left_join(message_templates::table.on(message_templates::tenant.eq(tenants::id)))
        .filter(tenants::id.eq(tenant))
        .select((
            tenants::message_language,
            (
                message_templates::channel,
                message_templates::reason,
                message_templates::title,
                message_templates::body,
                message_templates::changed_at,
            )
                .nullable(),
        ));
    let rows: Vec<Row> = directly!(c, c => rows.load(c)?);
    let (language, _) = rows.first().ok_or(Error::NotFound)?;
    let language = Language::from_tag(language).unwrap_or_default();
    // A channel or reason of another version has no messages here.
    let own = rows.into_iter().filter_map(|(_, own)| {
        let (channel, reason, title, body, changed_at) = own?;
        let source = Source { title, body };
        Some(Own { channel: Channel::parse(&channel)?, reason: Reason::parse(&reason)?, source, changed_at })
    });
    Ok(Templates { tenant, language, own: own.collect() })
}

/// A tenant's name, and the slug in the addresses of its pages.
///
/// # Errors
/// [`Error::NotFound`] when there is no such tenant.
pub fn name_and_slug(c: &mut AnyConnection, tenant: TenantId) -> Result<(String, String)> {
    Ok(tenants::table.find(tenant).select((tenants::name, tenants::slug)).first(c)?)
}

/// A template as the list shows it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The channel it is for.
    pub channel: Channel,
    /// The reason it is for.
    pub reason: Reason,
    /// The username of who wrote it.
    pub changed_by: String,
    /// When.
    pub changed_at: NaiveDateTime,
}

/// The templates that a tenant has written itself.
///
/// # Errors
/// When the database cannot be read.
pub fn list(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<Listed>> {
    let rows: Vec<(String, String, String, NaiveDateTime)> = message_templates::table
        .filter(message_templates::tenant.eq(tenant.0))
        .select((
            message_templates::channel,
            message_templates::reason,
            message_templates::changed_by,
            message_templates::changed_at,
        ))
        .load(c)?;
    let listed = rows.into_iter().filter_map(|(channel, reason, changed_by, changed_at)| {
        Some(Listed { channel: Channel::parse(&channel)?, reason: Reason::parse(&reason)?, changed_by, changed_at })
    });
    Ok(listed.collect())
}

/// A tenant's own template, with who wrote it and when; nothing where Belfry's stands.
///
/// # Errors
/// When the database cannot be read.
pub fn find(
    c: &mut AnyConnection,
    tenant: TenantId,
    channel: Channel,
    reason: Reason,
) -> Result<Option<(Source, Listed)>> {
    let row = message_templates::table
        .find((tenant.0, channel.as_str(), reason.as_str()))
        .select((
            message_templates::title,
            message_templates::body,
            message_templates::changed_by,
            message_templates::changed_at,
        ))
        .first_row::<(String, String, String, NaiveDateTime), _>(c)
        .optional()?;
    Ok(row.map(|(title, body, changed_by, changed_at)| {
        (Source { title, body }, Listed { channel, reason, changed_by, changed_at })
    }))
}

/// Writes a tenant's own template.
///
/// # Errors
/// [`Error::Taken`] when somebody else has just written the first.
pub fn save(
    c: &mut AnyConnection,
    tenant: TenantId,
    channel: Channel,
    reason: Reason,
    source: &Source,
    (by, now): (&str, NaiveDateTime),
) -> Result<()> {
    let values = (
        message_templates::title.eq(&source.title),
        message_templates::body.eq(&source.body),
        message_templates::changed_by.eq(by),
        message_templates::changed_at.eq(now),
    );
    let place = message_templates::table.find((tenant.0, channel.as_str(), reason.as_str()));
    if diesel::update(place).set(values).execute(c)? == 0 {
        let place = (
            message_templates::tenant.eq(tenant.0),
            message_templates::channel.eq(channel.as_str()),
            message_templates::reason.eq(reason.as_str()),
        );
        diesel::insert_into(message_templates::table).values((place, values)).execute(c)?;
    }
    Ok(())
}

/// Goes back to Belfry's own words. Says whether there were others.
///
/// # Errors
/// When the database cannot be written.
pub fn reset(c: &mut AnyConnection, tenant: TenantId, channel: Channel, reason: Reason) -> Result<bool> {
    let place = message_templates::table.find((tenant.0, channel.as_str(), reason.as_str()));
    Ok(diesel::delete(place).execute(c)? > 0)
}

/// The language of a tenant's messages.
///
/// # Errors
/// [`Error::NotFound`] when there is no such tenant.
pub fn language(c: &mut AnyConnection, tenant: TenantId) -> Result<Language> {
    let tag: String = tenants::table.find(tenant).select(tenants::message_language).first_row(c)?;
    Ok(Language::from_tag(&tag).unwrap_or_default())
}

/// Sets the language of a tenant's messages.
///
/// # Errors
/// When the database cannot be written.
pub fn set_language(c: &mut AnyConnection, tenant: TenantId, language: Language) -> Result<()> {
    diesel::update(tenants::table.find(tenant)).set(tenants::message_language.eq(language.tag())).execute(c)?;
    Ok(())
}
