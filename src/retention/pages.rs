//! The page Data Retention Settings: how long alert events, deliveries and the audit log are kept.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;

use super::{form, store};
use crate::{
    access::{CanInstance, permissions::EditRetention},
    clock::Clock,
    db::{Database, lock_settings},
    error::Result,
    web::{self, EditForm as _, FieldErrors, Form, PageContext, redirect_with_flash, request_actor},
};

#[derive(Template)]
#[template(path = "retention/settings.html")]
struct SettingsPage {
    ctx: PageContext,
    form: form::Typed,
    errors: FieldErrors,
}

/// The settings as they are.
pub async fn show(db: Data<Database>, who: CanInstance<EditRetention>, ctx: PageContext) -> Result<HttpResponse> {
    let form = db.read(store::settings).await?.into();
    web::render_page(StatusCode::OK, &SettingsPage { ctx: ctx.with_viewer(&who), form, errors: FieldErrors::default() })
}

/// Saves the settings. They count from the next cleaning on.
pub async fn save(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<EditRetention>,
    request: HttpRequest,
    ctx: PageContext,
    Form(form): Form<form::Typed>,
) -> Result<HttpResponse> {
    let (actor, now) = (request_actor(&request, &who.principal.account), clock.now());
    let saved = who
        .write(&db, move |c| {
            lock_settings(c, None)?;
            let form = match form.reconcile(&store::settings(c)?.into(), &form::SAVED_FIELDS)? {
                Ok(form) => form,
                Err(outdated) => return Ok(Err(outdated.into_errors())),
            };
            match form.check() {
                Ok(settings) => store::save(c, &settings, &actor, now).map(Ok),
                Err(errors) => Ok(Err((form, errors))),
            }
        })
        .await?;
    match saved {
        Ok(effect) => Ok(redirect_with_flash("/instance/retention", effect.flash_key())),
        Err((form, errors)) => {
            let page = SettingsPage { ctx: ctx.with_viewer(&who), form, errors };
            web::render_page(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}
