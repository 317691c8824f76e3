//! The whole URL map, a line a route. Nothing else imports pages.

use actix_web::{
    HttpResponse,
    web::{Data, ServiceConfig, get, post, resource},
};

use crate::{
    accounts::{log_in_settings_pages as log_in_settings, pages as accounts},
    audit::pages as audit,
    channels::pages as channels,
    db::Database,
    deliveries::pages as deliveries,
    error::{Error, Result},
    members::pages as members,
    tenants::{home_pages as home, pages as tenants},
};

/// What answers without a session: health and static files.
pub fn open(config: &mut ServiceConfig) {
    config
        .route("/healthz", get().to(alive))
        .route("/readyz", get().to(ready))
        .route("/static/{file}", get().to(crate::web::file));
}

/// Every page.
pub fn pages(config: &mut ServiceConfig) {
    config
        .service(resource("/setup").get(accounts::set_up_form).post(accounts::set_up))
        .service(resource("/login").get(accounts::log_in_form).post(accounts::log_in))
        .route("/logout", post().to(accounts::log_out))
        .route("/language", post().to(accounts::choose_language))
        .route("/", get().to(accounts::start))
        .service(resource("/account").get(accounts::own_account).post(accounts::change_password))
        .service(resource("/account/password").get(accounts::choose_password_form).post(accounts::choose_password))
        .route("/account/sessions/end", post().to(accounts::end_session))
        .route("/account/sessions/end-others", post().to(accounts::end_other_sessions))
        .service(resource("/instance/message-channel").get(channels::show_instance).post(channels::save_instance))
        .service(resource("/t/{tenant}/settings/message-channel").get(channels::show).post(channels::save))
        .route("/t/{tenant}/members", get().to(members::list))
        .service(resource("/t/{tenant}/members/new").get(members::add_form).post(members::add))
        .service(resource("/t/{tenant}/members/{id}/edit").get(members::edit_form).post(members::save))
        .route("/t/{tenant}/members/{id}/test", post().to(members::test))
        .route("/t/{tenant}/members/{id}/disable", post().to(members::disable))
        .route("/t/{tenant}/members/{id}/reinstate", post().to(members::reinstate))
        .route("/t/{tenant}/members/{id}/remove", post().to(members::remove))
        .route("/t/{tenant}/members/{id}/code", post().to(members::renew_code))
        .service(resource("/t/{tenant}/me").get(members::me_form).post(members::me_save))
        .route("/t/{tenant}/me/test", post().to(members::me_test))
        .service(resource("/instance/log-in").get(log_in_settings::show).post(log_in_settings::save))
        .route("/instance/audit", get().to(audit::instance))
        .route("/instance/tenants", get().to(tenants::list))
        .service(resource("/instance/tenants/new").get(tenants::add_form).post(tenants::add))
        .service(resource("/instance/tenants/{id}/edit").get(tenants::edit_form).post(tenants::edit))
        .service(resource("/instance/tenants/{id}/delete").get(tenants::delete_form).post(tenants::delete))
        .route("/instance/tenants/{id}/restore", post().to(tenants::restore))
        .route("/t/{tenant}", get().to(home::home))
        .route("/t/{tenant}/audit", get().to(audit::tenant))
        .route("/t/{tenant}/deliveries", get().to(deliveries::list))
        .route("/t/{tenant}/deliveries/{id}", get().to(deliveries::show))
        .default_service(actix_web::web::to(nothing_here));
}

/// Alive: the process answers.
async fn alive() -> &'static str {
    "ok\n"
}

/// Ready: the database answers too.
async fn ready(db: Data<Database>) -> Result<&'static str> {
    db.read(crate::accounts::store::any).await?;
    Ok("ready\n")
}

async fn nothing_here() -> Result<HttpResponse> {
    Err(Error::NotFound)
}
