//! Every page in every state, in both languages, light and dark, wide and narrow: axe-core finds nothing, and nothing
//! has to be scrolled sideways, no table either.

use std::{collections::BTreeSet, fs, path::Path};

use belfry::language::Language;
use diesel::connection::SimpleConnection as _;
use serde_json::{Value, json};

use crate::{
    driver::{Browser, with_browser},
    fill::{LONG_LATIN, Places, fill},
    site::{PASSWORD, Site},
    words::words,
};

/// The rules: WCAG 2.2 to level AA, and axe-core's best practices.
const TAGS: [&str; 6] = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
/// A desktop and a telephone, in CSS pixels.
const WIDTHS: [u32; 2] = [1280, 375];

/// Who looks at a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Stranger,
    /// Super administrator of the instance and of both tenants.
    Root,
    /// A member without rights of the tenant `filled`.
    Clerk,
    /// Somebody who has only a one-time code yet.
    Newcomer,
}

/// A page, and how one gets to see it.
#[derive(Clone, Debug)]
struct Stop {
    who: Who,
    url: String,
    /// What is typed into the form that posts to the second value, if any.
    form: Option<(Vec<(&'static str, String)>, &'static str)>,
    status: u16,
}

fn stop(who: Who, url: impl Into<String>) -> Stop {
    Stop { who, url: url.into(), form: None, status: 200 }
}

impl Stop {
    /// Fills the form whose action ends so, and submits it without the browser's own checks.
    fn posting(self, action: &'static str, fields: &[(&'static str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { form: Some((fields, action)), ..self }
    }

    fn answers(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

/// Before anybody has set the deployment up.
fn first_stops() -> Vec<Stop> {
    let wrong = [("code", "not the code"), ("username", "no spaces"), ("password", "short")];
    vec![stop(Who::Stranger, "/setup"), stop(Who::Stranger, "/setup").posting("/setup", &wrong).answers(422)]
}

/// Everything else. `visit` makes names that are not taken yet.
fn stops(places: &Places, visit: usize) -> Vec<Stop> {
    let Places { sandbox, quiet_sandbox, mia, nora, tenant, delivery, group, schedule, alert } = places;
    let wrong_contact = [
        ("phone", "12"),
        ("email", "nobody"),
        ("dingtalk_robot", "https://chat.example/send"),
        ("dingtalk_secret", "secret"),
        ("lark_robot", LONG_LATIN),
        ("wecom_robot", "http://"),
    ];
    let wrong_rule = [("name", LONG_LATIN), ("members", "no spaces"), ("matchers", "team~db"), ("frequency", "99")];
    let mut all = vec![
        stop(Who::Stranger, "/login"),
        stop(Who::Stranger, "/login").posting("/login", &[("username", LONG_LATIN), ("password", "no")]).answers(422),
        stop(Who::Stranger, "/a-page-that-is-not-there").answers(404),
        stop(Who::Newcomer, "/account/password"),
        stop(Who::Newcomer, "/account/password")
            .posting("/account/password", &[("new_password", "short"), ("confirm_password", "other")])
            .answers(422),
        stop(Who::Clerk, "/"),
        stop(Who::Clerk, "/t/filled"),
        stop(Who::Clerk, "/t/filled/members"),
        stop(Who::Clerk, "/t/filled/me"),
        stop(Who::Clerk, "/t/filled/me").posting("/t/filled/me", &wrong_contact).answers(422),
        stop(Who::Clerk, "/t/filled/settings/message-channel"),
        stop(Who::Clerk, "/t/filled/alert-rules"),
        stop(Who::Clerk, "/instance/tenants").answers(403),
        stop(Who::Root, "/"),
        stop(Who::Root, "/account"),
        stop(Who::Root, "/account").posting("/account", &[("current_password", "no")]).answers(422),
        stop(Who::Root, "/instance/message-channel"),
        stop(Who::Root, "/instance/log-in"),
        stop(Who::Root, "/instance/log-in").posting("/instance/log-in", &[("failures", "99")]).answers(422),
        stop(Who::Root, "/instance/retention"),
        stop(Who::Root, "/instance/retention").posting("/instance/retention", &[("alert_days", "6")]).answers(422),
        stop(Who::Root, "/instance/audit"),
        stop(Who::Root, "/instance/tenants"),
        stop(Who::Root, "/instance/tenants/new"),
        stop(Who::Root, "/instance/tenants/new")
            .posting("/instance/tenants/new", &[("name", ""), ("slug", "No Slug"), ("time_zone", "Nowhere")])
            .answers(422),
        stop(Who::Root, format!("/instance/tenants/{tenant}/edit")),
        stop(Who::Root, format!("/instance/tenants/{tenant}/edit")).posting("/edit", &[("name", "")]).answers(422),
        stop(Who::Root, format!("/instance/tenants/{tenant}/delete")),
    ];
    for slug in ["filled", "empty"] {
        let pages = [
            "",
            "/members",
            "/groups",
            "/schedules",
            "/me",
            "/settings/message-channel",
            "/settings/portals",
            "/audit",
            "/deliveries",
            "/alerts",
            "/alerts/new",
            "/alert-rules",
            "/alert-rules/new",
            "/alert-rules/preview",
        ];
        all.extend(pages.map(|page| stop(Who::Root, format!("/t/{slug}{page}"))));
    }
    all.extend(["filled", "empty"].map(|slug| stop(Who::Root, format!("/t/{slug}/templates"))));
    let template = "/t/filled/templates/dingtalk/firing";
    all.extend([
        stop(Who::Clerk, "/t/filled/templates"),
        stop(Who::Clerk, template),
        stop(Who::Root, template),
        stop(Who::Root, template).posting("/firing", &[("title", "{{ tilte }}"), ("body", LONG_LATIN)]).answers(422),
        stop(Who::Root, "/t/filled/templates/lark/member_saved"),
    ]);
    let (added, portal) = (format!("added-{visit}"), format!("门户 {visit} {LONG_LATIN}"));
    let portal = portal.chars().take(64).collect::<String>();
    all.extend([
        stop(Who::Root, "/t/filled/members?q=nobody-is-called-so"),
        stop(Who::Root, "/t/filled/members?page=2&sort=-display_name"),
        stop(Who::Root, "/t/filled/members/new"),
        stop(Who::Root, "/t/filled/members/new").posting("/members/new", &[("username", "no spaces")]).answers(422),
        stop(Who::Root, "/t/filled/members/new").posting("/members/new", &[("username", &added)]),
        stop(Who::Root, format!("/t/filled/members/{mia}/edit")),
        stop(Who::Root, format!("/t/filled/members/{nora}/edit")),
        stop(Who::Root, format!("/t/filled/members/{mia}/edit")).posting("/edit", &wrong_contact).answers(422),
        stop(Who::Root, "/t/filled/settings/portals/new"),
        stop(Who::Root, "/t/filled/settings/portals/new")
            .posting("/portals/new", &[("name", ""), ("return_origins", "http://oa.corp.example"), ("per_minute", "0")])
            .answers(422),
        stop(Who::Root, "/t/filled/settings/portals/new")
            .posting("/portals/new", &[("name", &portal), ("scopes", "fire_alerts")])
            .answers(201),
        // The first that these stops add.
        stop(Who::Root, "/t/filled/settings/portals/1"),
        stop(Who::Root, "/t/filled/settings/portals/1").posting("/portals/1", &[("name", "")]).answers(422),
        stop(Who::Root, "/t/filled/settings/portals/1").posting("/portals/1/rotate", &[]),
        stop(Who::Root, "/t/filled/settings/portals"),
        stop(Who::Root, format!("/t/filled/members/{mia}/edit")).posting("/verify", &[("channel", "lark")]),
        stop(Who::Root, format!("/t/filled/members/{mia}/edit")).posting("/confirm", &[("code", "12")]).answers(422),
        stop(Who::Root, format!("/t/filled/deliveries/{delivery}")),
        stop(Who::Root, "/t/filled/deliveries?status=failed&q=nothing"),
        stop(Who::Clerk, "/t/filled/alerts"),
        stop(Who::Clerk, "/t/filled/alerts/new").answers(403),
        stop(Who::Root, "/t/filled/alerts?status=finished&q=nothing"),
        stop(Who::Root, "/t/filled/alerts").posting("/alerts", &[("lasts", "0")]).answers(422),
        stop(Who::Root, format!("/t/filled/alerts/{alert}")),
        stop(Who::Clerk, format!("/t/filled/alerts/{alert}")),
        stop(Who::Root, "/t/filled/alerts/new")
            .posting(
                "/alerts/new",
                &[("title", ""), ("link", LONG_LATIN), ("receivers", "two words"), ("key", LONG_LATIN)],
            )
            .answers(422),
        stop(Who::Root, "/t/filled/deliveries/resend"),
        stop(Who::Root, "/t/filled/deliveries/resend?q=nothing"),
        stop(Who::Clerk, "/t/filled/groups?q=nothing-is-called-so"),
        stop(Who::Clerk, format!("/t/filled/groups/{group}")),
        stop(Who::Clerk, format!("/t/filled/groups/{group}/edit")),
        stop(Who::Clerk, format!("/t/filled/groups/{group}/edit"))
            .posting("/edit", &[("members", "张三")])
            .answers(422),
        stop(Who::Root, "/t/filled/groups/new"),
        stop(Who::Root, "/t/filled/groups/new")
            .posting("/groups/new", &[("name", ""), ("members", LONG_LATIN), ("admins", "a b c d e f")])
            .answers(422),
        stop(Who::Root, format!("/t/filled/groups/{group}")),
        stop(Who::Root, format!("/t/filled/groups/{group}/edit")),
        stop(Who::Clerk, "/t/filled/schedules?q=nothing-is-called-so"),
        stop(Who::Clerk, format!("/t/filled/schedules/{schedule}")),
        stop(Who::Root, "/t/filled/schedules/new"),
        stop(Who::Root, "/t/filled/schedules/new")
            .posting("/schedules/new", &[("name", ""), ("every", "0"), ("starts_on", ""), ("outside", "张三")])
            .answers(422),
        stop(Who::Root, format!("/t/filled/schedules/{schedule}")),
        stop(Who::Root, format!("/t/filled/schedules/{schedule}/edit")),
        stop(Who::Root, "/t/filled/alert-rules?q=no-rule-is-called-so"),
        stop(Who::Root, "/t/filled/alert-rules/1/edit"),
        stop(Who::Root, "/t/filled/alert-rules/1/edit").posting("/alert-rules/delete", &[]),
        stop(Who::Root, "/t/filled/alert-rules/new").posting("/alert-rules/new", &wrong_rule).answers(422),
        stop(Who::Root, "/t/filled/alert-rules/preview?preview=yes&example_labels=team%3Ddb"),
        stop(Who::Root, "/t/filled/alert-rules/preview?preview=yes&example_labels=team").answers(422),
        stop(Who::Stranger, format!("{sandbox}/")),
        stop(Who::Stranger, format!("{quiet_sandbox}/")),
        // A chat reloads itself every three seconds unless it is paused; axe-core looks at the paused one.
        stop(Who::Stranger, format!("{sandbox}/groups/1?paused=1")),
        stop(Who::Stranger, format!("{sandbox}/groups/4?paused=1")),
        stop(Who::Stranger, format!("{sandbox}/groups/1/robot")),
        stop(Who::Stranger, format!("{sandbox}/groups/99")).answers(404),
    ]);
    all
}

#[test]
fn every_page_is_accessible_and_fits_a_telephone_in_english() {
    look(Language::English);
}

#[test]
fn every_page_is_accessible_and_fits_a_telephone_in_chinese() {
    look(Language::Chinese);
}

fn look(language: Language) {
    actix_web::rt::System::new().block_on(async {
        let site = Site::start().await;
        with_browser(language, true, async |browser| {
            let mut round = Round { browser, language, axe: axe(), faults: BTreeSet::new() };
            for width in WIDTHS {
                round.look_at(&site, width, &first_stops()).await;
            }
            let places = fill(&site).await;
            for (visit, width) in WIDTHS.into_iter().enumerate() {
                round.look_at(&site, width, &stops(&places, visit)).await;
            }
            let faults: Vec<&str> = round.faults.iter().map(String::as_str).collect();
            assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
        })
        .await;
    });
}

/// The checker itself.
fn axe() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/node_modules/axe-core/axe.min.js");
    fs::read_to_string(file).expect("The browser tests need axe-core: run `npm ci` in tests/browser.")
}

struct Round<'r> {
    browser: &'r Browser,
    language: Language,
    axe: String,
    faults: BTreeSet<String>,
}

impl Round<'_> {
    async fn look_at(&mut self, site: &Site, width: u32, stops: &[Stop]) {
        self.browser.width(width).await;
        let mut current = None;
        for stop in stops {
            if current != Some(stop.who) {
                self.sign_in(site, stop.who).await;
                current = Some(stop.who);
            }
            self.open(site, stop).await;
            let place = format!("{:?} {} {:?} at {width}", stop.who, stop.url, stop.form.as_ref().map(|form| form.1));
            let status = self.browser.script(STATUS, vec![]).await;
            assert_eq!(status, json!(stop.status), "{place}: {}", self.browser.text("main").await);
            self.must_fit(&place, width).await;
            for scheme in ["light", "dark"] {
                self.browser.scheme(scheme).await;
                self.must_be_accessible(&format!("{place} {scheme}")).await;
            }
        }
    }

    async fn sign_in(&self, site: &Site, who: Who) {
        self.browser.forget_cookies().await;
        let username = match who {
            Who::Stranger => return,
            Who::Root => "root",
            Who::Clerk => "clerk",
            Who::Newcomer => {
                // Her code logs in once.
                let give_back = "UPDATE accounts SET code_used_at = NULL WHERE username_key = 'nora'";
                site.db.write(move |c| Ok(c.batch_execute(give_back)?)).await.expect("her code");
                "nora"
            }
        };
        let words = words(self.language);
        self.browser.go(&format!("{}/login", site.origin)).await;
        self.browser.field(words.username).await.fill(username).await;
        self.browser.field(words.password).await.fill(PASSWORD).await;
        self.browser.press(words.log_in).await;
    }

    async fn open(&self, site: &Site, stop: &Stop) {
        let url = if stop.url.starts_with('/') { format!("{}{}", site.origin, stop.url) } else { stop.url.clone() };
        self.browser.go(&url).await;
        if let Some((fields, action)) = &stop.form {
            self.browser.submit_by_script(SUBMIT, vec![json!(action), json!(fields)]).await;
        }
    }

    async fn must_fit(&mut self, place: &str, width: u32) {
        let found = self.browser.script(WIDEST, vec![]).await;
        let (widest, cause) = (found.pointer("/0").and_then(Value::as_u64), found.pointer("/1"));
        if widest.is_none_or(|widest| widest > u64::from(width)) {
            self.faults.insert(format!("{place}: {widest:?} pixels wide, because of {cause:?}"));
        }
        if let Some(table) = found.pointer("/2").and_then(Value::as_str) {
            self.faults.insert(format!("{place}: the table {table} has to be scrolled sideways"));
        }
    }

    async fn must_be_accessible(&mut self, place: &str) {
        let arguments = vec![json!(TAGS)];
        let found = self.browser.waiting_script(&format!("{}\n{RUN_AXE}", self.axe), arguments).await;
        let Value::Array(found) = found else { panic!("{place}: axe-core says {found}") };
        self.faults.extend(found.iter().map(|fault| format!("{place}: {}", fault.as_str().unwrap_or_default())));
    }
}

/// The HTTP status of the page.
const STATUS: &str = "return performance.getEntriesByType('navigation')[0].responseStatus";

const SUBMIT: &str = "
    const form = [...document.forms].find(form => form.method === 'post'
        && form.getAttribute('action').split('?')[0].endsWith(arguments[0]));
    form.noValidate = true;
    for (const [name, value] of arguments[1]) {
        if (!form.elements[name]) throw new Error(location + ' has no field ' + name);
        // A list of checkboxes takes no value: the one that stands for it is ticked.
        const box = [...form.querySelectorAll('[type=checkbox]')].find(box => box.name === name && box.value === value);
        if (box) box.checked = true;
        else form.elements[name].value = value;
    }
    form.requestSubmit();";

/// How wide the page is, the first element that makes it so, and the first table that hides some of its columns.
const WIDEST: &str = "
    const width = document.scrollingElement.scrollWidth;
    const clipped = element => element.parentElement
        && (getComputedStyle(element.parentElement).overflowX !== 'visible' || clipped(element.parentElement));
    const wide = [...document.body.querySelectorAll('*')]
        .find(element => element.getBoundingClientRect().right > innerWidth + 0.5 && !clipped(element));
    const table = [...document.querySelectorAll('.scroll')].find(table => table.scrollWidth > table.clientWidth);
    return [width, wide ? wide.outerHTML.slice(0, 200) : '', table && table.getAttribute('aria-label')];";

const RUN_AXE: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(document, {runOnly: {type: 'tag', values: arguments[0]}, resultTypes: ['violations']}).then(
        result => done(result.violations.map(rule => rule.id + ': ' + rule.help + ' '
            + rule.nodes.map(node => node.html.slice(0, 200) + ' (' + node.failureSummary + ')').join(' | '))),
        fault => done(String(fault)));";

/// The pages that the URL map has and no stop looks at would never be checked.
#[test]
fn every_page_of_the_url_map_is_looked_at() {
    let stops: Vec<Stop> = first_stops().into_iter().chain(stops(&Places::default(), 0)).collect();
    let pages = include_str!("../../src/routes.rs").lines().filter(|line| line.contains(").get("));
    let pages: Vec<&str> = pages.filter_map(|line| line.split('"').nth(1)).collect();
    assert!(pages.len() > 15, "the URL map is read: {pages:?}");
    let is_looked_at = |page: &str| stops.iter().any(|stop| fits(page, stop.url.split('?').next().unwrap_or_default()));
    let missed: Vec<&str> =
        pages.into_iter().filter(|page| !page.starts_with("/static") && !is_looked_at(page)).collect();
    assert_eq!(missed, ["/healthz", "/readyz", "/metrics", "/t/{tenant}/deliveries.csv"], "these are no pages");
}

/// Whether a path is one of a pattern such as `/t/{tenant}/members`.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    pattern.len() == path.len() && pattern.iter().zip(&path).all(|(word, part)| word.starts_with('{') || word == part)
}
