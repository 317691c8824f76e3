//! The page Data Retention Settings: how long alert events, deliveries and the audit log are kept.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;

use super::{form, store};
use crate::{
    access::{CanInstance, permissions::EditRetention},
    clock::Clock,
    db::{Database, lock_settings},
    error::Result,
    web::{self, Edits as _, FieldErrors, Form, Frame, actor, redirect_saying},
};

#[derive(Template)]
#[template(path = "retention/settings.html")]
struct SettingsPage {
    frame: Frame,
    form: form::Typed,
    errors: FieldErrors,
}

/// The settings as they are.
pub async fn show(db: Data<Database>, who: CanInstance<EditRetention>, frame: Frame) -> Result<HttpResponse> {
    let form = db.read(store::settings).await?.into();
    web::page(StatusCode::OK, &SettingsPage { frame: frame.seen_by(&who), form, errors: FieldErrors::default() })
}

/// Saves the settings. They count from the next cleaning on.
pub async fn save(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<EditRetention>,
    request: HttpRequest,
    frame: Frame,
    Form(form): Form<form::Typed>,
) -> Result<HttpResponse> {
    let (actor, now) = (actor(&request, &who.principal.account), clock.now());
    let saved = who
        .write(&db, move |c| {
            lock_settings(c, None)?;
            let form = match form.reconciled(&store::settings(c)?.into(), &form::SAVED_FIELDS)? {
                Ok(form) => form,
                Err(outdated) => return Ok(Err(outdated.refused())),
            };
            match form.check() {
                Ok(settings) => store::save(c, &settings, &actor, now).map(Ok),
                Err(errors) => Ok(Err((form, errors))),
            }
        })
        .await?;
    match saved {
        Ok(effect) => Ok(redirect_saying("/instance/retention", effect.flash_key())),
        Err((form, errors)) => {
            let page = SettingsPage { frame: frame.seen_by(&who), form, errors };
            web::page(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}
