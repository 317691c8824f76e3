//! The frame around a page: the bar on top, the ways to other pages, the language, and what was just done.

use std::{borrow::Cow, convert::Infallible, future::Ready, future::ready};

use actix_session::SessionExt as _;
use actix_web::{
    FromRequest, HttpMessage as _, HttpRequest,
    cookie::{Cookie, SameSite, time::Duration},
    dev::Payload,
    http::header::{self, AcceptLanguage, Header as _},
    web::Data,
};

use ipnet::IpNet;

use super::{FieldError, FieldErrors, Times, Unread, csrf::CsrfToken, flash, request::own_origin, static_files};
use crate::{
    access::{Action, AnyoneSignedIn, Can, CanInstance, MemberRights, Principal, Tenant, is_allowed},
    language::Language,
    refusals::RefusalLog,
    secrets::KeyRing,
    text::isolated,
};

/// What every page of the process shares.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// The word in every message: the robots' custom keyword.
    pub product: String,
    /// The portal's own name, in its bar and page titles.
    pub portal_name: String,
    /// Whether users come by https.
    pub https: bool,
    /// The only host that is answered, when the operator named one.
    pub public_host: Option<String>,
    /// The keys behind form tokens.
    pub keys: KeyRing,
    /// Where refusals leave their trace.
    pub refusals: RefusalLog,
    /// The proxies that are believed when they say whom a request comes from.
    pub trusted_proxies: Vec<IpNet>,
}

/// The cookie that keeps the choice of language of somebody who is not signed in.
const LANGUAGE_COOKIE: &str = "belfry-language";

/// The cookie that keeps a choice of language for a year.
#[must_use]
pub fn language_cookie(language: Language) -> Cookie<'static> {
    Cookie::build(LANGUAGE_COOKIE, language.tag())
        .path("/")
        .http_only(true)
        .same_site(SameSite::Lax)
        .max_age(Duration::days(365))
        .finish()
}

/// How many of the own tenants the navigation of an instance's page names; the start page lists them all.
const MAX_NAV_TENANTS: usize = 8;

/// What a page needs to know of its request, before it knows who is looking.
#[derive(Clone, Debug)]
pub struct PageContext {
    /// The language of the page.
    pub language: Language,
    /// The token of its forms.
    pub csrf: String,
    /// The word in every message: the robots' custom keyword.
    pub product: String,
    /// The portal's own name, in the bar and the title.
    pub portal_name: String,
    /// Where to come back to after a change of language: a page that can be asked for again.
    pub return_to: String,
    /// The path of the request, for the link of the navigation that leads here.
    path: String,
    /// What was just done.
    pub flash: Option<flash::FlashMessage>,
    /// Parameters of the URL that cannot be used: the page says so instead of ignoring them.
    pub unknown_parameters: Unread,
    /// Who is looking, and where.
    pub viewer: Option<Viewer>,
}

/// Who is looking at a page, and in which tenant.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Who it is.
    pub principal: Principal,
    /// The tenant of the page.
    pub tenant: Option<Tenant>,
    /// What he is there.
    pub rights: Option<MemberRights>,
}

/// A group of the navigation, with its heading.
#[derive(Clone, Debug)]
pub struct NavGroup {
    /// The key of the heading.
    pub heading_key: &'static str,
    /// The key of the heading one level below, when the source document has two.
    pub subheading_key: Option<&'static str>,
    /// Its links.
    pub links: Vec<NavLink>,
}

/// A link of the navigation.
#[derive(Clone, Debug)]
pub struct NavLink {
    /// Its text.
    pub text: String,
    /// Where it goes.
    pub href: String,
    /// Whether this page is there, or below it.
    pub is_current: bool,
}

impl<P> From<&Can<P>> for Viewer {
    fn from(who: &Can<P>) -> Self {
        Self { principal: who.principal.clone(), tenant: Some(who.tenant.clone()), rights: who.rights() }
    }
}

impl<P> From<&CanInstance<P>> for Viewer {
    fn from(who: &CanInstance<P>) -> Self {
        Self { principal: who.principal.clone(), tenant: None, rights: None }
    }
}

impl From<&AnyoneSignedIn> for Viewer {
    fn from(who: &AnyoneSignedIn) -> Self {
        Self { principal: who.principal.clone(), tenant: None, rights: None }
    }
}

impl PageContext {
    /// The frame of a request.
    #[must_use]
    pub fn for_request(request: &HttpRequest) -> Self {
        let config = request.app_data::<Data<WebConfig>>();
        Self {
            language: request_language(request),
            csrf: request.extensions().get::<CsrfToken>().map(|token| token.0.clone()).unwrap_or_default(),
            product: config.map(|shared| shared.product.clone()).unwrap_or_default(),
            portal_name: config.map(|shared| shared.portal_name.clone()).unwrap_or_default(),
            return_to: return_path(request, config.map(Data::get_ref)),
            path: request.path().to_owned(),
            flash: flash::flash_message(request),
            unknown_parameters: Vec::new(),
            viewer: None,
        }
    }

    /// The same frame, with somebody looking at it.
    #[must_use]
    pub fn with_viewer(self, viewer: impl Into<Viewer>) -> Self {
        Self { viewer: Some(viewer.into()), ..self }
    }

    /// The same frame, which names the parameters of the URL that cannot be used.
    #[must_use]
    pub fn with_unknown_parameters(self, unknown_parameters: Unread) -> Self {
        Self { unknown_parameters, ..self }
    }

    /// The text behind a key.
    #[must_use]
    pub fn t(&self, key: &str) -> Cow<'static, str> {
        self.language.text(key)
    }

    /// The text behind a key, with one variable.
    #[must_use]
    pub fn t_with(&self, key: &str, name: &str, value: &str) -> Cow<'static, str> {
        self.language.text_with(key, &[(name, value)])
    }

    /// The text behind a key with something more in brackets, as the language writes them.
    #[must_use]
    pub fn bracketed(&self, key: &str, more: impl std::fmt::Display) -> Cow<'static, str> {
        self.language.text_with("in-brackets", &[("text", &self.t(key)), ("more", &more.to_string())])
    }

    /// What stands between two sentences: Chinese ones follow each other without a blank.
    #[must_use]
    pub fn gap(&self) -> &'static str {
        match self.language {
            Language::English => " ",
            Language::Chinese => "",
        }
    }

    /// What was just done, in words.
    #[must_use]
    pub fn flash_text(&self, flash: &flash::FlashMessage) -> Cow<'static, str> {
        let Some((count, since)) = &flash.counted else { return self.t(&flash.key) };
        let times = self.times();
        let variables = [("text", &*times.format(since)), ("more", times.zone_name())];
        let since = self.language.text_with("in-brackets", &variables);
        self.language.text_with(&flash.key, &[("count", &count.to_string()), ("since", &since)])
    }

    /// The text behind a key, with a number.
    #[must_use]
    pub fn t_count(&self, key: &str, count: &i64) -> Cow<'static, str> {
        self.language.text_count(key, *count)
    }

    /// Names one after the other.
    #[must_use]
    pub fn names(&self, names: &[String]) -> String {
        names.iter().map(|name| isolated(name)).collect::<Vec<_>>().join(&self.t("list-separator"))
    }

    /// What is wrong with a field, or nothing.
    #[must_use]
    pub fn field_error(&self, errors: &FieldErrors, field: &str) -> String {
        errors.for_field(field).map(|error| self.error_text(error)).unwrap_or_default()
    }

    /// What is wrong with a form as a whole, a sentence each.
    #[must_use]
    pub fn form_errors(&self, errors: &FieldErrors) -> Vec<String> {
        errors.0.iter().filter(|error| error.field.is_empty()).map(|error| self.error_text(error)).collect()
    }

    /// What is wrong with a form, from its top to its bottom: the name of each field, and what is wrong with it behind what the
    /// page calls it. `labels` are the fields of the page in their order, with the keys of what they are called; what belongs
    /// to none of them stands last.
    #[must_use]
    pub fn labelled_errors<'e>(&self, errors: &'e FieldErrors, labels: &[(&str, &str)]) -> Vec<(&'e str, String)> {
        let position = |error: &FieldError| labels.iter().position(|(field, _)| *field == error.field);
        let field_errors = errors.0.iter().filter(|error| !error.field.is_empty());
        let mut errors: Vec<_> = field_errors.map(|error| (position(error).unwrap_or(labels.len()), error)).collect();
        errors.sort_by_key(|(place, _)| *place);
        errors
            .into_iter()
            .map(|(position, error)| {
                let fault = self.error_text(error);
                let text = match labels.get(position) {
                    Some((_, label)) => self
                        .language
                        .text_with("form-fault", &[("label", &self.t(label)), ("fault", &fault)])
                        .into_owned(),
                    None => fault,
                };
                (error.field.as_ref(), text)
            })
            .collect()
    }

    /// What is wrong, in this page's language.
    #[must_use]
    pub fn error_text(&self, error: &FieldError) -> String {
        error.text(self.language).into_owned()
    }

    /// The tenant of the page.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        self.viewer.as_ref().and_then(|viewer| viewer.tenant.as_ref())
    }

    /// The name of whoever is signed in.
    #[must_use]
    pub fn username(&self) -> Option<&str> {
        self.viewer.as_ref().map(|viewer| viewer.principal.account.username.as_str())
    }

    /// Whether whoever is looking administers the instance.
    #[must_use]
    pub fn administers_instance(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.principal.administers_instance())
    }

    /// Times as this page shows them.
    #[must_use]
    pub fn times(&self) -> Times {
        self.tenant().map_or(Times::utc(), |tenant| Times::for_zone(&tenant.time_zone))
    }

    /// The path of the stylesheet.
    #[must_use]
    pub fn stylesheet(&self) -> &'static str {
        static_files::stylesheet_path()
    }

    /// The path of the icon.
    #[must_use]
    pub fn icon(&self) -> &'static str {
        static_files::icon_path()
    }

    /// The ways from here that whoever is looking may go.
    #[must_use]
    pub fn navigation(&self) -> Vec<NavGroup> {
        let Some(viewer) = &self.viewer else { return Vec::new() };
        let mut groups = Vec::new();
        if let Some(tenant) = &viewer.tenant {
            groups.extend(self.tenant_groups(viewer, tenant));
        } else if !viewer.principal.memberships.is_empty() {
            let own = viewer.principal.memberships.iter().take(MAX_NAV_TENANTS);
            let links = own.map(|own| self.link_named(&own.tenant.name, format!("/t/{}", own.tenant.slug))).collect();
            groups.push(NavGroup { heading_key: "nav-own-tenants", subheading_key: None, links });
        }
        if viewer.principal.administers_instance() {
            groups.push(NavGroup {
                heading_key: "nav-instance",
                subheading_key: None,
                links: vec![
                    self.link("nav-tenants", "/instance/tenants".to_owned()),
                    self.link("nav-instance-channels", "/instance/message-channel".to_owned()),
                    self.link("nav-log-in", "/instance/log-in".to_owned()),
                    self.link("nav-retention", "/instance/retention".to_owned()),
                    self.link("nav-instance-audit", "/instance/audit".to_owned()),
                ],
            });
        }
        groups
    }

    fn tenant_groups(&self, viewer: &Viewer, tenant: &Tenant) -> Vec<NavGroup> {
        let is_allowed = |action| is_allowed(action, viewer.rights, viewer.principal.administers_instance());
        let link = |key, page: &str| self.link(key, format!("/t/{}{page}", tenant.slug));
        let mut alerts = vec![];
        if is_allowed(Action::ViewTenant) {
            alerts.push(link("nav-home", ""));
        }
        let (mut events, fire) = (link("nav-alerts", "/alerts"), link("nav-fire-alert", "/alerts/new"));
        // Fire Alert lies below the events and has a link of its own.
        events.is_current &= !fire.is_current;
        if is_allowed(Action::ViewAlerts) {
            alerts.push(events);
        }
        if is_allowed(Action::FireAlerts) {
            alerts.push(fire);
        }
        if is_allowed(Action::ViewDeliveries) {
            alerts.push(link("nav-deliveries", "/deliveries"));
        }
        if is_allowed(Action::ViewAlerts) {
            alerts.push(link("nav-alert-rules", "/alert-rules"));
        }
        if is_allowed(Action::ViewTemplates) {
            alerts.push(link("nav-templates", "/templates"));
        }
        let mut management = vec![];
        if is_allowed(Action::ViewTenant) {
            management.push(link("nav-members", "/members"));
        }
        if is_allowed(Action::ViewGroups) {
            management.push(link("groups-title", "/groups"));
        }
        if is_allowed(Action::ViewSchedules) {
            management.push(link("schedules-title", "/schedules"));
        }
        if is_allowed(Action::EditOwnContact) {
            management.push(link("nav-me", "/me"));
        }
        if is_allowed(Action::ViewAudit) {
            management.push(link("nav-audit", "/audit"));
        }
        let mut settings = vec![link("nav-channels", "/settings/message-channel")];
        if is_allowed(Action::ManagePortals) {
            settings.push(link("nav-portals", "/settings/portals"));
        }
        [
            NavGroup { heading_key: "nav-alert-center", subheading_key: None, links: alerts },
            NavGroup { heading_key: "nav-management-center", subheading_key: None, links: management },
            NavGroup {
                heading_key: "nav-system-settings",
                subheading_key: Some("nav-tenant-settings"),
                links: settings,
            },
        ]
        .into_iter()
        .filter(|group| !group.links.is_empty())
        .collect()
    }

    fn link(&self, key: &'static str, href: String) -> NavLink {
        self.link_named(&self.t(key), href)
    }

    fn link_named(&self, text: &str, href: String) -> NavLink {
        let path = self.path.as_str();
        // A tenant's home is above all its pages, and only itself.
        let below = href.matches('/').count() > 2 || href.starts_with("/instance");
        let current =
            path == href || (below && path.strip_prefix(href.as_str()).is_some_and(|rest| rest.starts_with('/')));
        NavLink { text: text.to_owned(), href, is_current: current }
    }
}

/// The page of a request. The answer to a form may stand at a path that only takes forms: then it is the page that the
/// form was on, which the browser names, or else the start page.
fn return_path(request: &HttpRequest, config: Option<&WebConfig>) -> String {
    if request.method().is_safe() {
        return request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    }
    let referring_path = || {
        let referer = request.headers().get(header::REFERER)?.to_str().ok()?;
        let path = referer.strip_prefix(&own_origin(request, config?))?;
        path.starts_with('/').then(|| path.to_owned())
    };
    referring_path().unwrap_or_else(|| "/".to_owned())
}

/// The language of a request: what the account chose, what this browser chose, what it would like.
fn request_language(request: &HttpRequest) -> Language {
    let from_session = || request.get_session().get::<String>("language").ok().flatten();
    let from_cookie = || request.cookie(LANGUAGE_COOKIE).map(|cookie| cookie.value().to_owned());
    let chosen = from_session().or_else(from_cookie).as_deref().and_then(Language::from_tag);
    chosen.or_else(|| accepted_language(request)).unwrap_or_default()
}

/// The language that a request asks for in `Accept-Language`, when it is one of ours.
#[must_use]
pub fn accepted_language(request: &HttpRequest) -> Option<Language> {
    let ranked = AcceptLanguage::parse(request).ok()?.ranked();
    ranked.into_iter().find_map(|tag| Language::from_tag(&tag.to_string()))
}

impl FromRequest for PageContext {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::for_request(request)))
    }
}
