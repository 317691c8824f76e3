//! The pages of Message Channel Settings.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;

use super::{Mode, Settings, Switches, channel_key, form, store};
use crate::{
    access::{
        Action, Can, CanInstance,
        permissions::{EditChannels, EditInstanceChannels, ViewChannels},
    },
    audit::{self, Change},
    clock::Clock,
    db::Database,
    error::Result,
    robots::Channel,
    web::{self, FieldErrors, Form, Frame, actor, redirect_saying},
};

#[derive(Template)]
#[template(path = "channels/channels.html")]
struct ChannelsPage {
    frame: Frame,
    errors: FieldErrors,
    /// Nothing on the instance's page, which has the switches alone.
    tenant: Option<TenantPart>,
    switches: Switches,
    may_edit: bool,
    action: String,
}

/// What only a tenant's page has.
struct TenantPart {
    mode: Mode,
    system: Switches,
}

impl ChannelsPage {
    fn of_tenant(frame: Frame, slug: &str, settings: Settings, may_edit: bool, errors: FieldErrors) -> Self {
        Self {
            frame,
            errors,
            tenant: Some(TenantPart { mode: settings.mode, system: settings.system }),
            switches: settings.custom,
            may_edit,
            action: format!("/t/{slug}/settings/message-channel"),
        }
    }

    fn of_instance(frame: Frame, switches: Switches, errors: FieldErrors) -> Self {
        Self { frame, errors, tenant: None, switches, may_edit: true, action: "/instance/message-channel".to_owned() }
    }
}

/// The tenant's page; who may not edit sees it read-only.
pub async fn show(db: Data<Database>, who: Can<ViewChannels>, frame: Frame) -> Result<HttpResponse> {
    let tenant = who.tenant.id;
    let settings = db.read(move |c| store::settings(c, tenant)).await?;
    let may_edit = who.may(Action::EditChannels);
    let frame = frame.seen_by(&who);
    let page = ChannelsPage::of_tenant(frame, &who.tenant.slug, settings, may_edit, FieldErrors::default());
    web::page(StatusCode::OK, &page)
}

/// Saves the tenant's mode and switches.
pub async fn save(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<EditChannels>,
    request: HttpRequest,
    frame: Frame,
    Form(form): Form<form::Channels>,
) -> Result<HttpResponse> {
    let tenant = who.tenant.clone();
    let (mode, switches) = match form.check() {
        Ok(checked) => checked,
        Err(errors) => {
            let settings = db.read(move |c| store::settings(c, tenant.id)).await?;
            let page = ChannelsPage::of_tenant(frame.seen_by(&who), &who.tenant.slug, settings, true, errors);
            return web::page(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    let (actor, now) = (actor(&request, &who.principal.account), clock.now());
    let back = format!("/t/{}/settings/message-channel", tenant.slug);
    who.write(&db, move |c| {
        let before = store::settings(c, tenant.id)?;
        store::save(c, tenant.id, mode, &switches, now)?;
        let mut changes = changes(&before.custom, &switches);
        changes.extend(Change::between("channels-settings", before.mode.as_str(), mode.as_str()));
        let entry = audit::Entry { tenant: Some(tenant.id), action: "channels-changed", object: &tenant.name, changes };
        audit::record(c, &actor, &entry, now)
    })
    .await?;
    Ok(redirect_saying(&back, "flash-saved"))
}

/// The instance's page.
pub async fn show_instance(
    db: Data<Database>,
    who: CanInstance<EditInstanceChannels>,
    frame: Frame,
) -> Result<HttpResponse> {
    let switches = db.read(store::instance).await?;
    web::page(StatusCode::OK, &ChannelsPage::of_instance(frame.seen_by(&who), switches, FieldErrors::default()))
}

/// Saves the instance's switches.
pub async fn save_instance(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<EditInstanceChannels>,
    request: HttpRequest,
    frame: Frame,
    Form(form): Form<form::Channels>,
) -> Result<HttpResponse> {
    let switches = match form.switches() {
        Ok(switches) => switches,
        Err(errors) => {
            let switches = db.read(store::instance).await?;
            let page = ChannelsPage::of_instance(frame.seen_by(&who), switches, errors);
            return web::page(StatusCode::UNPROCESSABLE_ENTITY, &page);
        }
    };
    let (actor, now) = (actor(&request, &who.principal.account), clock.now());
    who.write(&db, move |c| {
        let changes = changes(&store::instance(c)?, &switches);
        store::save_instance(c, &switches, now)?;
        let entry = audit::Entry { tenant: None, action: "channels-changed", object: "", changes };
        audit::record(c, &actor, &entry, now)
    })
    .await?;
    Ok(redirect_saying("/instance/message-channel", "flash-saved"))
}

fn changes(before: &Switches, after: &Switches) -> Vec<Change> {
    let word = |switches: &Switches, channel| if switches.is_on(channel) { "on" } else { "off" };
    Channel::ALL
        .iter()
        .filter_map(|channel| Change::between(channel_key(channel), word(before, channel), word(after, channel)))
        .collect()
}
