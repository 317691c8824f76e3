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
    db::{AnyConnection, Database, lock_settings},
    error::Result,
    first_steps::{FirstStep, store as first_steps},
    language::Language,
    robots::Channel,
    web::{self, EditForm as _, FieldErrors, Form, PageContext, redirect_with_flash, request_actor},
};

#[derive(Template)]
#[template(path = "channels/channels.html")]
struct ChannelsPage {
    ctx: PageContext,
    errors: FieldErrors,
    form: form::Channels,
    /// Nothing on the instance's page, which has the switches alone.
    tenant: Option<TenantPart>,
    /// The switches that apply.
    switches: Switches,
    may_edit: bool,
    action: String,
    /// Where the tenant's pages are, and the step to go on with.
    base: String,
    next: Option<FirstStep>,
}

/// What only a tenant's page has.
struct TenantPart {
    mode: Mode,
    system: Switches,
}

impl ChannelsPage {
    fn of_tenant(ctx: PageContext, slug: &str, settings: Settings, may_edit: bool, errors: FieldErrors) -> Self {
        let switches = settings.effective().clone();
        Self {
            ctx,
            errors,
            form: form::Channels::showing(Some(settings.mode), &switches),
            tenant: Some(TenantPart { mode: settings.mode, system: settings.system }),
            switches,
            may_edit,
            action: format!("/t/{slug}/settings/message-channel"),
            base: format!("/t/{slug}"),
            next: None,
        }
    }

    fn of_instance(ctx: PageContext, switches: Switches, errors: FieldErrors) -> Self {
        Self {
            ctx,
            errors,
            form: form::Channels::showing(None, &switches),
            tenant: None,
            switches,
            may_edit: true,
            action: "/instance/message-channel".to_owned(),
            base: String::new(),
            next: None,
        }
    }

    /// What is true now: whose switches apply, and which channels are on.
    fn state(&self) -> String {
        let keys = match self.tenant.as_ref().map(|part| part.mode) {
            Some(Mode::System) => ["channels-now-system", "channels-now-system-off"],
            Some(Mode::Custom) => ["channels-now-custom", "channels-now-custom-off"],
            None => ["channels-now-instance", "channels-now-instance-off"],
        };
        let [on_key, off_key] = keys;
        let on = Channel::ALL.iter().filter(|channel| self.switches.is_on(channel));
        let names: Vec<String> = on.map(|channel| self.ctx.t(channel_key(channel)).into_owned()).collect();
        if names.is_empty() {
            self.ctx.t(off_key).into_owned()
        } else {
            let names = names.join(&self.ctx.t("list-separator"));
            self.ctx.t_with(on_key, "channels", &names).into_owned()
        }
    }
}

/// The tenant's page; who may not edit sees it read-only.
pub async fn show(db: Data<Database>, who: Can<ViewChannels>, ctx: PageContext) -> Result<HttpResponse> {
    let tenant = who.tenant.id;
    let may_edit = who.may(Action::EditChannels);
    let goes_on = may_edit && ctx.flash.is_some();
    let (settings, progress) = db
        .read(move |c| {
            let progress = goes_on.then(|| first_steps::load_progress(c, tenant)).transpose()?;
            Ok((store::settings(c, tenant)?, progress))
        })
        .await?;
    let ctx = ctx.with_viewer(&who);
    let page = ChannelsPage::of_tenant(ctx, &who.tenant.slug, settings, may_edit, FieldErrors::default());
    let next = progress.and_then(|progress| progress.next_step_after(FirstStep::Channel));
    web::render_page(StatusCode::OK, &ChannelsPage { next, ..page })
}

/// Saves the tenant's mode and switches.
pub async fn save(
    db: Data<Database>,
    clock: Data<Clock>,
    who: Can<EditChannels>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<form::Channels>,
) -> Result<HttpResponse> {
    let tenant = who.tenant.clone();
    let (actor, now, words) =
        (request_actor(&request, &who.principal.account), clock.now(), value_in_words(ctx.language));
    let back = format!("/t/{}/settings/message-channel", tenant.slug);
    let saved = who
        .write(&db, move |c| {
            lock_settings(c, Some(tenant.id))?;
            let before = store::settings(c, tenant.id)?;
            let now_shown = form::Channels::showing(Some(before.mode), before.effective());
            let form = match form.reconcile(&now_shown, &["mode", "on"])? {
                Ok(form) => form,
                Err(outdated) => {
                    let (form, errors) = outdated.into_errors_with_labels(words);
                    return Ok(Err((before, form, errors)));
                }
            };
            let (mode, switches) = match form.check(&before) {
                Ok(checked) => checked,
                Err(errors) => return Ok(Err((before, form, errors))),
            };
            let mut changes = changes(&before.custom, &switches);
            changes.extend(Change::between("channels-settings", before.mode.as_str(), mode.as_str()));
            let entry =
                audit::Entry { tenant: Some(tenant.id), action: "channels-changed", object: &tenant.name, changes };
            let save = |c: &mut AnyConnection| store::save(c, tenant.id, mode, &switches, now);
            audit::save_changes(c, &actor, &entry, now, save).map(Ok)
        })
        .await?;
    match saved {
        Ok(effect) => Ok(redirect_with_flash(&back, effect.flash_key())),
        Err((settings, form, errors)) => {
            let page = ChannelsPage::of_tenant(ctx.with_viewer(&who), &who.tenant.slug, settings, true, errors);
            web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &ChannelsPage { form, ..page })
        }
    }
}

/// The instance's page.
pub async fn show_instance(
    db: Data<Database>,
    who: CanInstance<EditInstanceChannels>,
    ctx: PageContext,
) -> Result<HttpResponse> {
    let switches = db.read(store::instance).await?;
    web::render_page(
        StatusCode::OK,
        &ChannelsPage::of_instance(ctx.with_viewer(&who), switches, FieldErrors::default()),
    )
}

/// Saves the instance's switches.
pub async fn save_instance(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<EditInstanceChannels>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<form::Channels>,
) -> Result<HttpResponse> {
    let (actor, now, words) =
        (request_actor(&request, &who.principal.account), clock.now(), value_in_words(ctx.language));
    let saved = who
        .write(&db, move |c| {
            lock_settings(c, None)?;
            let before = store::instance(c)?;
            let form = match form.reconcile(&form::Channels::showing(None, &before), &["on"])? {
                Ok(form) => form,
                Err(outdated) => {
                    let (form, errors) = outdated.into_errors_with_labels(words);
                    return Ok(Err((before, form, errors)));
                }
            };
            let switches = match form.switches() {
                Ok(switches) => switches,
                Err(errors) => return Ok(Err((before, form, errors))),
            };
            let changes = changes(&before, &switches);
            let entry = audit::Entry { tenant: None, action: "channels-changed", object: "", changes };
            let save = |c: &mut AnyConnection| store::save_instance(c, &switches, now);
            audit::save_changes(c, &actor, &entry, now, save).map(Ok)
        })
        .await?;
    match saved {
        Ok(effect) => Ok(redirect_with_flash("/instance/message-channel", effect.flash_key())),
        Err((switches, form, errors)) => {
            let page = ChannelsPage::of_instance(ctx.with_viewer(&who), switches, errors);
            web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &ChannelsPage { form, ..page })
        }
    }
}

/// What the page calls a value of one of its fields.
fn value_in_words(language: Language) -> impl Fn(&str, &str) -> Option<String> {
    move |_, value| {
        let key =
            Mode::parse(value).map(Mode::key).or_else(|| Channel::parse(value).map(|channel| channel_key(&channel)))?;
        Some(language.text(key).into_owned())
    }
}

fn changes(before: &Switches, after: &Switches) -> Vec<Change> {
    let word = |switches: &Switches, channel| if switches.is_on(channel) { "on" } else { "off" };
    Channel::ALL
        .iter()
        .filter_map(|channel| Change::between(channel_key(channel), word(before, channel), word(after, channel)))
        .collect()
}
