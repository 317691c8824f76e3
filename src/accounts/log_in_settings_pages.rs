//! The page Logon Security Settings: how long sessions last and when accounts are locked out.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;

use super::{form, store};
use crate::{
    access::{CanInstance, permissions::EditLogIn},
    clock::Clock,
    db::{Database, lock_settings},
    error::Result,
    web::{self, EditForm as _, FieldErrors, Form, PageContext, redirect_with_flash, request_actor},
};

#[derive(Template)]
#[template(path = "accounts/log_in_settings.html")]
struct LogInSettingsPage {
    ctx: PageContext,
    form: form::LogInSettingsForm,
    errors: FieldErrors,
}

/// The settings as they are.
pub async fn show(db: Data<Database>, who: CanInstance<EditLogIn>, ctx: PageContext) -> Result<HttpResponse> {
    let form = db.read(store::load_log_in_settings).await?.into();
    web::render_page(
        StatusCode::OK,
        &LogInSettingsPage { ctx: ctx.with_viewer(&who), form, errors: FieldErrors::default() },
    )
}

/// Saves the settings. They count from the next request on, for sessions that are open too.
pub async fn save(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<EditLogIn>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<form::LogInSettingsForm>,
) -> Result<HttpResponse> {
    let (actor, now) = (request_actor(&request, &who.principal.account), clock.now());
    let saved = who
        .write(&db, move |c| {
            lock_settings(c, None)?;
            let form = match form.reconcile(&store::load_log_in_settings(c)?.into(), &form::LOG_IN_SETTINGS_FIELDS)? {
                Ok(form) => form,
                Err(outdated) => return Ok(Err(outdated.into_errors())),
            };
            match form.check() {
                Ok(settings) => store::save_log_in_settings(c, &settings, &actor, now).map(Ok),
                Err(errors) => Ok(Err((form, errors))),
            }
        })
        .await?;
    match saved {
        Ok(effect) => Ok(redirect_with_flash("/instance/log-in", effect.flash_key())),
        Err((form, errors)) => {
            let page = LogInSettingsPage { ctx: ctx.with_viewer(&who), form, errors };
            web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}
