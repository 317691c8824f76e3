//! Templates in the database.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{MessageReason, TemplateSource, Templates, tenant_templates::CustomTemplate};
use crate::{
    db::{
        AnyConnection, LimitConst as _, TenantId, on_backend,
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
    let rows: Vec<Row> = on_backend!(c, c => rows.load(c)?);
    let (language, _) = rows.first().ok_or(Error::NotFound)?;
    let language = Language::from_tag(language).unwrap_or_default();
    // A channel or reason of another version has no messages here.
    let custom_templates = rows.into_iter().filter_map(|(_, custom)| {
        let (channel, reason, title, body, changed_at) = custom?;
        let source = TemplateSource { title, body };
        Some(CustomTemplate {
            channel: Channel::parse(&channel)?,
            reason: MessageReason::parse(&reason)?,
            source,
            changed_at,
        })
    });
    Ok(Templates { tenant, language, custom: custom_templates.collect() })
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
pub struct TemplateRow {
    /// The channel it is for.
    pub channel: Channel,
    /// The reason it is for.
    pub reason: MessageReason,
    /// The username of who wrote it.
    pub changed_by: String,
    /// When.
    pub changed_at: NaiveDateTime,
}

/// The templates that a tenant has written itself.
///
/// # Errors
/// When the database cannot be read.
pub fn list(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<TemplateRow>> {
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
        Some(TemplateRow {
            channel: Channel::parse(&channel)?,
            reason: MessageReason::parse(&reason)?,
            changed_by,
            changed_at,
        })
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
    reason: MessageReason,
) -> Result<Option<(TemplateSource, TemplateRow)>> {
    let row = message_templates::table
        .find((tenant.0, channel.as_str(), reason.as_str()))
        .select((
            message_templates::title,
            message_templates::body,
            message_templates::changed_by,
            message_templates::changed_at,
        ))
        .first_cached::<(String, String, String, NaiveDateTime), _>(c)
        .optional()?;
    Ok(row.map(|(title, body, changed_by, changed_at)| {
        (TemplateSource { title, body }, TemplateRow { channel, reason, changed_by, changed_at })
    }))
}

/// Writes a tenant's own template.
///
/// # Errors
/// [`Error::AlreadyExists`] when somebody else has just written the first.
pub fn save(
    c: &mut AnyConnection,
    tenant: TenantId,
    channel: Channel,
    reason: MessageReason,
    source: &TemplateSource,
    (by, now): (&str, NaiveDateTime),
) -> Result<()> {
    let values = (
        message_templates::title.eq(&source.title),
        message_templates::body.eq(&source.body),
        message_templates::changed_by.eq(by),
        message_templates::changed_at.eq(now),
    );
    let row = message_templates::table.find((tenant.0, channel.as_str(), reason.as_str()));
    if diesel::update(row).set(values).execute(c)? == 0 {
        let row = (
            message_templates::tenant.eq(tenant.0),
            message_templates::channel.eq(channel.as_str()),
            message_templates::reason.eq(reason.as_str()),
        );
        diesel::insert_into(message_templates::table).values((row, values)).execute(c)?;
    }
    Ok(())
}

/// Goes back to Belfry's own words. Says whether there were others.
///
/// # Errors
/// When the database cannot be written.
pub fn reset(c: &mut AnyConnection, tenant: TenantId, channel: Channel, reason: MessageReason) -> Result<bool> {
    let row = message_templates::table.find((tenant.0, channel.as_str(), reason.as_str()));
    Ok(diesel::delete(row).execute(c)? > 0)
}

/// The language of a tenant's messages.
///
/// # Errors
/// [`Error::NotFound`] when there is no such tenant.
pub fn load_language(c: &mut AnyConnection, tenant: TenantId) -> Result<Language> {
    let tag: String = tenants::table.find(tenant).select(tenants::message_language).first_cached(c)?;
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
