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
    access::{Action, AnyoneSignedIn, Can, CanInstance, Principal, Standing, Tenant, allows},
    language::Language,
    refusals::Refusals,
    secrets::KeyRing,
    text::isolated,
};

/// What every page of the process shares.
#[derive(Clone, Debug)]
pub struct Shared {
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
    pub refusals: Refusals,
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
const OWN_TENANTS: usize = 8;

/// What a page needs to know of its request, before it knows who is looking.
#[derive(Clone, Debug)]
pub struct Frame {
    /// The language of the page.
    pub language: Language,
    /// The token of its forms.
    pub csrf: String,
    /// The word in every message: the robots' custom keyword.
    pub product: String,
    /// The portal's own name, in the bar and the title.
    pub portal_name: String,
    /// Where to come back to after a change of language: a page that can be asked for again.
    pub here: String,
    /// The path of the request, for the link of the navigation that leads here.
    path: String,
    /// What was just done.
    pub said: Option<flash::Said>,
    /// Parameters of the URL that cannot be used: the page says so instead of ignoring them.
    pub unread: Unread,
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
    pub standing: Option<Standing>,
}

/// A group of the navigation, with its heading.
#[derive(Clone, Debug)]
pub struct NavGroup {
    /// The key of the heading.
    pub key: &'static str,
    /// The key of the heading one level below, when the source document has two.
    pub sub: Option<&'static str>,
    /// Its links.
    pub links: Vec<NavLink>,
}

/// A link of the navigation.
#[derive(Clone, Debug)]
pub struct NavLink {
    /// Its text.
    pub text: String,
    /// Where it goes.
    pub to: String,
    /// Whether this page is there, or below it.
    pub current: bool,
}

impl<P> From<&Can<P>> for Viewer {
    fn from(who: &Can<P>) -> Self {
        Self { principal: who.principal.clone(), tenant: Some(who.tenant.clone()), standing: who.standing() }
    }
}

impl<P> From<&CanInstance<P>> for Viewer {
    fn from(who: &CanInstance<P>) -> Self {
        Self { principal: who.principal.clone(), tenant: None, standing: None }
    }
}

impl From<&AnyoneSignedIn> for Viewer {
    fn from(who: &AnyoneSignedIn) -> Self {
        Self { principal: who.principal.clone(), tenant: None, standing: None }
    }
}

impl Frame {
    /// The frame of a request.
    #[must_use]
    pub fn of(request: &HttpRequest) -> Self {
        let shared = request.app_data::<Data<Shared>>();
        Self {
            language: language(request),
            csrf: request.extensions().get::<CsrfToken>().map(|token| token.0.clone()).unwrap_or_default(),
            product: shared.map(|shared| shared.product.clone()).unwrap_or_default(),
            portal_name: shared.map(|shared| shared.portal_name.clone()).unwrap_or_default(),
            here: here(request, shared.map(Data::get_ref)),
            path: request.path().to_owned(),
            said: flash::said(request),
            unread: Vec::new(),
            viewer: None,
        }
    }

    /// The same frame, with somebody looking at it.
    #[must_use]
    pub fn seen_by(self, viewer: impl Into<Viewer>) -> Self {
        Self { viewer: Some(viewer.into()), ..self }
    }

    /// The same frame, which names the parameters of the URL that cannot be used.
    #[must_use]
    pub fn refusing(self, unread: Unread) -> Self {
        Self { unread, ..self }
    }

    /// The text behind a key.
    #[must_use]
    pub fn t(&self, key: &str) -> Cow<'static, str> {
        self.language.text(key)
    }

    /// The text behind a key, with one variable.
    #[must_use]
    pub fn with(&self, key: &str, name: &str, value: &str) -> Cow<'static, str> {
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
    pub fn said(&self, said: &flash::Said) -> Cow<'static, str> {
        let Some((count, since)) = &said.counted else { return self.t(&said.key) };
        let times = self.times();
        let variables = [("text", &*times.show(since)), ("more", times.zone())];
        let since = self.language.text_with("in-brackets", &variables);
        self.language.text_with(&said.key, &[("count", &count.to_string()), ("since", &since)])
    }

    /// The text behind a key, with a number.
    #[must_use]
    pub fn count(&self, key: &str, count: &i64) -> Cow<'static, str> {
        self.language.text_count(key, *count)
    }

    /// Names one after the other.
    #[must_use]
    pub fn names(&self, names: &[String]) -> String {
        names.iter().map(|name| isolated(name)).collect::<Vec<_>>().join(&self.t("list-separator"))
    }

    /// What is wrong with a field, or nothing.
    #[must_use]
    pub fn fault(&self, errors: &FieldErrors, field: &str) -> String {
        errors.of(field).map(|error| self.error(error)).unwrap_or_default()
    }

    /// What is wrong with a form as a whole, a sentence each.
    #[must_use]
    pub fn form_faults(&self, errors: &FieldErrors) -> Vec<String> {
        errors.0.iter().filter(|error| error.field.is_empty()).map(|error| self.error(error)).collect()
    }

    /// What is wrong with a form, from its top to its bottom: the name of each field, and what is wrong with it behind what the
    /// page calls it. `labels` are the fields of the page in their order, with the keys of what they are called; what belongs
    /// to none of them stands last.
    #[must_use]
    pub fn faults<'e>(&self, errors: &'e FieldErrors, labels: &[(&str, &str)]) -> Vec<(&'e str, String)> {
        let place = |error: &FieldError| labels.iter().position(|(field, _)| *field == error.field);
        let of_fields = errors.0.iter().filter(|error| !error.field.is_empty());
        let mut errors: Vec<_> = of_fields.map(|error| (place(error).unwrap_or(labels.len()), error)).collect();
        errors.sort_by_key(|(place, _)| *place);
        errors
            .into_iter()
            .map(|(place, error)| {
                let fault = self.error(error);
                let text = match labels.get(place) {
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
    pub fn error(&self, error: &FieldError) -> String {
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
        self.tenant().map_or(Times::utc(), |tenant| Times::of(&tenant.time_zone))
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
            let own = viewer.principal.memberships.iter().take(OWN_TENANTS);
            let links = own.map(|own| self.link_named(&own.tenant.name, format!("/t/{}", own.tenant.slug))).collect();
            groups.push(NavGroup { key: "nav-own-tenants", sub: None, links });
        }
        if viewer.principal.administers_instance() {
            groups.push(NavGroup {
                key: "nav-instance",
                sub: None,
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
        let may = |action| allows(action, viewer.standing, viewer.principal.administers_instance());
        let link = |key, page: &str| self.link(key, format!("/t/{}{page}", tenant.slug));
        let mut alerts = vec![];
        if may(Action::ViewTenant) {
            alerts.push(link("nav-home", ""));
        }
        let (mut events, fire) = (link("nav-alerts", "/alerts"), link("nav-fire-alert", "/alerts/new"));
        // Fire Alert lies below the events and has a link of its own.
        events.current &= !fire.current;
        if may(Action::ViewAlerts) {
            alerts.push(events);
        }
        if may(Action::FireAlerts) {
            alerts.push(fire);
        }
        if may(Action::ViewDeliveries) {
            alerts.push(link("nav-deliveries", "/deliveries"));
        }
        if may(Action::ViewAlerts) {
            alerts.push(link("nav-alert-rules", "/alert-rules"));
        }
        if may(Action::ViewTemplates) {
            alerts.push(link("nav-templates", "/templates"));
        }
        let mut management = vec![];
        if may(Action::ViewTenant) {
            management.push(link("nav-members", "/members"));
        }
        if may(Action::ViewGroups) {
            management.push(link("groups-title", "/groups"));
        }
        if may(Action::ViewSchedules) {
            management.push(link("schedules-title", "/schedules"));
        }
        if may(Action::EditOwnContact) {
            management.push(link("nav-me", "/me"));
        }
        if may(Action::ViewAudit) {
            management.push(link("nav-audit", "/audit"));
        }
        let mut settings = vec![link("nav-channels", "/settings/message-channel")];
        if may(Action::ManagePortals) {
            settings.push(link("nav-portals", "/settings/portals"));
        }
        [
            NavGroup { key: "nav-alert-center", sub: None, links: alerts },
            NavGroup { key: "nav-management-center", sub: None, links: management },
            NavGroup { key: "nav-system-settings", sub: Some("nav-tenant-settings"), links: settings },
        ]
        .into_iter()
        .filter(|group| !group.links.is_empty())
        .collect()
    }

    fn link(&self, key: &'static str, to: String) -> NavLink {
        self.link_named(&self.t(key), to)
    }

    fn link_named(&self, text: &str, to: String) -> NavLink {
        let path = self.path.as_str();
        // A tenant's home is above all its pages, and only itself.
        let below = to.matches('/').count() > 2 || to.starts_with("/instance");
        let current = path == to || (below && path.strip_prefix(to.as_str()).is_some_and(|rest| rest.starts_with('/')));
        NavLink { text: text.to_owned(), to, current }
    }
}

/// The page of a request. The answer to a form may stand at a path that only takes forms: then it is the page that the
/// form was on, which the browser names, or else the start page.
fn here(request: &HttpRequest, shared: Option<&Shared>) -> String {
    if request.method().is_safe() {
        return request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    }
    let before = || {
        let referer = request.headers().get(header::REFERER)?.to_str().ok()?;
        let path = referer.strip_prefix(&own_origin(request, shared?))?;
        path.starts_with('/').then(|| path.to_owned())
    };
    before().unwrap_or_else(|| "/".to_owned())
}

/// The language of a request: what the account chose, what this browser chose, what it would like.
fn language(request: &HttpRequest) -> Language {
    let chosen = || request.get_session().get::<String>("language").ok().flatten();
    let kept = || request.cookie(LANGUAGE_COOKIE).map(|cookie| cookie.value().to_owned());
    let chosen = chosen().or_else(kept).as_deref().and_then(Language::from_tag);
    chosen.or_else(|| wished_language(request)).unwrap_or_default()
}

/// The language that a request asks for in `Accept-Language`, when it is one of ours.
#[must_use]
pub fn wished_language(request: &HttpRequest) -> Option<Language> {
    let ranked = AcceptLanguage::parse(request).ok()?.ranked();
    ranked.into_iter().find_map(|tag| Language::from_tag(&tag.to_string()))
}

impl FromRequest for Frame {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
