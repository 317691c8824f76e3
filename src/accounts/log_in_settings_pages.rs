//! The page Logon Security Settings: how long sessions last and when accounts are locked out.

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web::Data};
use askama::Template;

use super::{form, store};
use crate::{
    access::{CanInstance, permissions::EditLogIn},
    clock::Clock,
    db::{Database, lock_settings},
    error::Result,
    web::{self, Edits as _, FieldErrors, Form, Frame, actor, redirect_saying},
};

#[derive(Template)]
#[template(path = "accounts/log_in_settings.html")]
struct SettingsPage {
    frame: Frame,
    form: form::LogInSettings,
    errors: FieldErrors,
}

/// The settings as they are.
pub async fn show(db: Data<Database>, who: CanInstance<EditLogIn>, frame: Frame) -> Result<HttpResponse> {
    let form = db.read(store::log_in_settings).await?.into();
    web::page(StatusCode::OK, &SettingsPage { frame: frame.seen_by(&who), form, errors: FieldErrors::default() })
}

/// Saves the settings. They count from the next request on, for sessions that are open too.
pub async fn save(
    db: Data<Database>,
    clock: Data<Clock>,
    who: CanInstance<EditLogIn>,
    request: HttpRequest,
    frame: Frame,
    Form(form): Form<form::LogInSettings>,
) -> Result<HttpResponse> {
    let (actor, now) = (actor(&request, &who.principal.account), clock.now());
    let saved = who
        .write(&db, move |c| {
            lock_settings(c, None)?;
            let form = match form.reconciled(&store::log_in_settings(c)?.into(), &form::LOG_IN_FIELDS)? {
                Ok(form) => form,
                Err(outdated) => return Ok(Err(outdated.refused())),
            };
            match form.check() {
                Ok(settings) => store::set_log_in_settings(c, &settings, &actor, now).map(Ok),
                Err(errors) => Ok(Err((form, errors))),
            }
        })
        .await?;
    match saved {
        Ok(effect) => Ok(redirect_saying("/instance/log-in", effect.flash_key())),
        Err((form, errors)) => {
            let page = SettingsPage { frame: frame.seen_by(&who), form, errors };
            web::page(StatusCode::UNPROCESSABLE_ENTITY, &page)
        }
    }
}
