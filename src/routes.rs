//! The whole URL map, a line a route. Nothing else imports pages.

use std::future::ready;

use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder,
    body::BoxBody,
    dev::{AppService, HttpServiceFactory, ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::{self as actix, ServiceConfig},
};

use crate::{
    access::AnyoneSignedIn,
    accounts::{log_in_settings_pages as log_in_settings, pages as accounts},
    alerts::{pages as alerts, rule_pages as alert_rules},
    audit::pages as audit,
    channels::pages as channels,
    deliveries::pages as deliveries,
    error::{Error, Result},
    groups::pages as groups,
    health,
    members::pages as members,
    portals::{answer_bare_errors, intake, pages as portals},
    retention::pages as retention,
    schedules::pages as schedules,
    templates::pages as templates,
    tenants::{home_pages as home, pages as tenants},
    web::host_guard,
};

/// What answers without a session: health, metrics and static files.
pub fn public(config: &mut ServiceConfig) {
    config
        .service(resource("/healthz").get(health::alive))
        .service(resource("/readyz").get(health::ready))
        .service(resource("/metrics").get(health::metrics))
        .service(resource("/static/{file}").get(crate::web::serve_static_file));
}

/// Where other systems post. Neither sessions nor form tokens count here.
pub fn intake(config: &mut ServiceConfig) {
    config
        .service(api_resource("/intake/members").post(intake::members))
        .service(api_resource("/intake/alerts").post(intake::alerts))
        .service(api_resource("/intake/alertmanager").post(intake::alertmanager))
        .service(api_resource("/intake/grafana").post(intake::grafana))
        // Whoever posts below here is a program, and reads no page that says so.
        .service(api_resource(intake::ANYWHERE).default_service(actix::to(unknown_api_path)));
}

/// Every page.
pub fn pages(config: &mut ServiceConfig) {
    config
        // They are tried one after the other: the longest list goes first.
        .service(resource("/t/{tenant}/members").get(members::list))
        .service(resource("/setup").get(accounts::set_up_form).post(accounts::set_up))
        .service(resource("/login").get(accounts::log_in_form).post(accounts::log_in))
        .service(resource("/logout").post(accounts::log_out))
        .service(resource("/language").post(accounts::choose_language))
        .service(resource("/").get(accounts::list_own_tenants))
        .service(resource("/invitations/accept").post(accounts::accept_invitation))
        .service(resource("/invitations/decline").post(accounts::decline_invitation))
        .service(resource("/account").get(accounts::own_account).post(accounts::change_password))
        .service(resource("/account/password").get(accounts::choose_password_form).post(accounts::choose_password))
        .service(resource("/account/sessions/end").post(accounts::end_session))
        .service(resource("/account/sessions/end-others").post(accounts::end_other_sessions))
        .service(resource("/instance/message-channel").get(channels::show_instance).post(channels::save_instance))
        .service(resource("/t/{tenant}/settings/message-channel").get(channels::show).post(channels::save))
        .service(resource("/t/{tenant}/settings/portals").get(portals::list))
        .service(resource("/t/{tenant}/settings/portals/new").get(portals::add_form).post(portals::add))
        .service(resource("/t/{tenant}/settings/portals/{id}").get(portals::show).post(portals::edit))
        .service(resource("/t/{tenant}/settings/portals/{id}/rotate").post(portals::rotate))
        .service(resource("/t/{tenant}/settings/portals/{id}/end-overlap").post(portals::end_overlap))
        .service(resource("/t/{tenant}/settings/portals/{id}/revoke").post(portals::revoke))
        .service(resource("/t/{tenant}/members/new").get(members::add_form).post(members::add))
        .service(resource("/t/{tenant}/members/{id}/edit").get(members::edit_form).post(members::save))
        .service(resource("/t/{tenant}/members/{id}/test").post(members::test))
        .service(resource("/t/{tenant}/members/{id}/verify").post(members::verify))
        .service(resource("/t/{tenant}/members/{id}/confirm").post(members::confirm))
        .service(resource("/t/{tenant}/members/{id}/disable").post(members::disable))
        .service(resource("/t/{tenant}/members/{id}/reinstate").post(members::reinstate))
        .service(resource("/t/{tenant}/members/{id}/remove").post(members::remove))
        .service(resource("/t/{tenant}/members/{id}/end-sessions").post(members::end_sessions))
        .service(resource("/t/{tenant}/members/{id}/code").post(members::renew_code))
        .service(resource("/t/{tenant}/me").get(members::me_form).post(members::me_save))
        .service(resource("/t/{tenant}/me/test").post(members::me_test))
        .service(resource("/t/{tenant}/me/verify").post(members::me_verify))
        .service(resource("/t/{tenant}/me/confirm").post(members::me_confirm))
        .service(resource("/instance/log-in").get(log_in_settings::show).post(log_in_settings::save))
        .service(resource("/instance/retention").get(retention::show).post(retention::save))
        .service(resource("/instance/audit").get(audit::instance))
        .service(resource("/instance/tenants").get(tenants::list))
        .service(resource("/instance/tenants/new").get(tenants::add_form).post(tenants::add))
        .service(resource("/instance/tenants/{id}/edit").get(tenants::edit_form).post(tenants::edit))
        .service(resource("/instance/tenants/{id}/delete").get(tenants::delete_form).post(tenants::delete))
        .service(resource("/instance/tenants/{id}/code").post(tenants::renew_code))
        .service(resource("/instance/tenants/{id}/super-admin").post(tenants::name_super_admin))
        .service(resource("/instance/tenants/{id}/restore").post(tenants::restore))
        .service(resource("/t/{tenant}").get(home::home))
        .service(resource("/t/{tenant}/alerts").get(alerts::list).post(alerts::handle_many))
        .service(resource("/t/{tenant}/alerts/new").get(alerts::fire_form).post(alerts::fire))
        .service(resource("/t/{tenant}/alerts/{id}").get(alerts::show).post(alerts::handle))
        .service(resource("/t/{tenant}/audit").get(audit::tenant))
        .service(resource("/t/{tenant}/alert-rules").get(alert_rules::list))
        .service(resource("/t/{tenant}/alert-rules/new").get(alert_rules::add_form).post(alert_rules::add))
        .service(resource("/t/{tenant}/alert-rules/preview").get(alert_rules::preview))
        .service(resource("/t/{tenant}/alert-rules/enable").post(alert_rules::enable))
        .service(resource("/t/{tenant}/alert-rules/disable").post(alert_rules::disable))
        .service(resource("/t/{tenant}/alert-rules/delete").post(alert_rules::delete))
        .service(resource("/t/{tenant}/alert-rules/{id}/edit").get(alert_rules::edit_form).post(alert_rules::edit))
        .service(resource("/t/{tenant}/templates").get(templates::list).post(templates::save_language))
        .service(resource("/t/{tenant}/templates/{channel}/{reason}").get(templates::show).post(templates::save))
        .service(resource("/t/{tenant}/templates/{channel}/{reason}/preview").post(templates::preview))
        .service(resource("/t/{tenant}/templates/{channel}/{reason}/reset").post(templates::reset))
        .service(resource("/t/{tenant}/deliveries").get(deliveries::list))
        .service(resource("/t/{tenant}/deliveries.csv").get(deliveries::download))
        .service(
            resource("/t/{tenant}/deliveries/resend").get(deliveries::resend_all_form).post(deliveries::resend_all),
        )
        .service(resource("/t/{tenant}/deliveries/{id}").get(deliveries::show))
        .service(resource("/t/{tenant}/deliveries/{id}/resend").post(deliveries::resend))
        .service(resource("/t/{tenant}/groups").get(groups::list))
        .service(resource("/t/{tenant}/groups/new").get(groups::add_form).post(groups::add))
        .service(resource("/t/{tenant}/groups/{id}").get(groups::show))
        .service(resource("/t/{tenant}/groups/{id}/edit").get(groups::edit_form).post(groups::edit))
        .service(resource("/t/{tenant}/groups/{id}/enable").post(groups::enable))
        .service(resource("/t/{tenant}/groups/{id}/disable").post(groups::disable))
        .service(resource("/t/{tenant}/groups/{id}/delete").post(groups::delete))
        .service(resource("/t/{tenant}/schedules").get(schedules::list))
        .service(resource("/t/{tenant}/schedules/new").get(schedules::add_form).post(schedules::add))
        .service(resource("/t/{tenant}/schedules/{id}").get(schedules::show))
        .service(resource("/t/{tenant}/schedules/{id}/edit").get(schedules::edit_form).post(schedules::edit))
        .service(resource("/t/{tenant}/schedules/{id}/delete").post(schedules::delete))
        .default_service(actix::to(unknown_page));
}

/// A path for other systems, whose every answer can be read by them.
fn api_resource(
    path: &str,
) -> Resource<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<BoxBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let resource = actix::resource(path).default_service(actix::to(post_only));
    resource.wrap(from_fn(host_guard)).wrap(from_fn(answer_bare_errors))
}

/// A path that is used by GET (and HEAD, which is answered as GET) or POST, and tells whoever uses another method which it knows.
/// There is no third method: forms of other sites are kept off by what reads forms, which are posted.
struct PageResource {
    resource: Resource,
    allow: &'static str,
}

fn resource(path: &str) -> PageResource {
    PageResource { resource: actix::resource(path), allow: "" }
}

impl PageResource {
    fn get<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let allow = if self.allow.is_empty() { "GET, HEAD" } else { "GET, HEAD, POST" };
        Self { resource: self.resource.get(handler), allow }
    }

    fn post<F, A>(self, handler: F) -> Self
    where
        F: Handler<A>,
        A: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let allow = if self.allow.is_empty() { "POST" } else { "GET, HEAD, POST" };
        Self { resource: self.resource.post(handler), allow }
    }
}

impl HttpServiceFactory for PageResource {
    fn register(self, config: &mut AppService) {
        let allow = self.allow;
        let refuse = move |_: Result<AnyoneSignedIn>| ready(Err::<HttpResponse, _>(Error::MethodNotAllowed { allow }));
        self.resource.default_service(actix::to(refuse)).register(config);
    }
}

/// Whoever is signed in keeps his navigation on the page that says so.
async fn unknown_page(_: Result<AnyoneSignedIn>) -> Result<HttpResponse> {
    Err(Error::NotFound)
}

async fn unknown_api_path() -> Result<HttpResponse> {
    Err(Error::NotFound)
}

async fn post_only() -> Result<HttpResponse> {
    Err(Error::MethodNotAllowed { allow: "POST" })
}
