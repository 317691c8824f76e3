//! Names, titles and contents that change the direction of writing, or show nothing: they turn nothing that stands behind them,
//! in pages, files, logs and messages.

use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};

use belfry::{
    access::Actor,
    db::{AnyConnection, GroupId, TenantId},
    groups::{self, Details},
    sandbox::{Group, RobotKind},
    tenants,
    text::close_directions,
};
use scraper::{Html, Node, node::Element};
use serde_json::json;

use crate::harness::{Answer, Backend, Process, TestApp, Tweaks, User, run_with};

const PATIENCE: Duration = Duration::from_secs(30);
const DINGTALK: &str = "00000000000000000000000000000000000000000000000000000000fake0001";
const LARK: &str = "00000000-0000-4000-8000-0000fake0002";

/// Names that are left open, end what they did not begin, or are written from right to left.
const NAMES: [&str; 8] = [
    "a\u{202e}rlo",
    "b\u{202b}rle",
    "c\u{2066}lri",
    "d\u{2067}rli\u{202d}lro",
    "e\u{2069}pdi\u{202c}pdf",
    "f\u{2068}fsi \u{200b}\u{ad}\u{180e}",
    "שלום",
    "مرحبا 5",
];

/// The most pages that are looked at.
const MOST_PAGES: usize = 250;

/// Whether an element shows its text in a box of its own, or in an isolate by the style sheet.
fn isolates(element: &Element) -> bool {
    let own = [
        "a", "b", "bdi", "button", "code", "dd", "dt", "h1", "h2", "label", "li", "option", "p", "pre", "span", "td",
        "title",
    ];
    own.contains(&element.name())
}

/// What is written from right to left outside of isolates.
fn turning(text: &str) -> String {
    let mut depth = 0_i32;
    text.chars()
        .filter(|character| {
            depth += match character {
                '\u{2068}' => 1,
                '\u{2069}' => -1,
                _ => 0,
            };
            depth == 0 && matches!(character, '\u{590}'..='\u{6ff}')
        })
        .collect()
}

/// Fails where a text or an attribute of a page leaves a change of direction open, or a right-to-left name stands beside other words.
#[track_caller]
fn turns_nothing(path: &str, page: &Answer) {
    let html = Html::parse_document(&page.body);
    for node in html.tree.nodes() {
        match node.value() {
            Node::Element(element) => {
                let typed = |name: &str| element.name() == "input" && name == "value";
                for (name, value) in element.attrs().filter(|(name, _)| !typed(name)) {
                    assert_eq!(close_directions(value), value, "{name} of {} on {path}", element.name());
                }
            }
            Node::Text(text) => {
                let Some(parent) = node.parent().and_then(|parent| parent.value().as_element()) else { continue };
                if parent.name() == "textarea" {
                    continue;
                }
                assert_eq!(close_directions(text), **text, "a text of {} on {path}", parent.name());
                let is_alone = NAMES.contains(&text.trim()) && isolates(parent);
                // A message's title is a value too, and a name its end.
                let is_title = text.trim().starts_with("[Dataphin]") || text.trim().starts_with("Dataphin:");
                let is_own = is_alone || is_title || ["pre", "dd", "title"].contains(&parent.name());
                assert!(is_own || turning(text).is_empty(), "{text:?} in {} on {path}", parent.name());
            }
            _ => {}
        }
    }
}

/// Looks at the pages that links lead to from here, and returns how many they are and how many show each of the names.
async fn walk(user: &mut User, starts: &[&str]) -> (usize, [usize; NAMES.len()]) {
    let mut queue: VecDeque<String> = starts.iter().map(|start| (*start).to_owned()).collect();
    let mut known: BTreeSet<String> = queue.iter().cloned().collect();
    let (mut seen, mut named) = (0, [0; NAMES.len()]);
    while let Some(path) = queue.pop_front().filter(|_| seen < MOST_PAGES) {
        let page = user.get(&path).await;
        if page.header("content-type") != Some("text/html; charset=utf-8") {
            continue;
        }
        turns_nothing(&path, &page);
        seen += 1;
        for (count, name) in named.iter_mut().zip(NAMES) {
            *count += usize::from(page.body.contains(close_directions(name).as_ref()));
        }
        let links = page.attributes("a[href]", "href").into_iter();
        for link in links.map(|link| link.split('#').next().unwrap_or_default().to_owned()) {
            let leads_here = link.starts_with('/') && !link.contains("sort=") && !link.contains(".csv");
            if leads_here && known.insert(link.clone()) {
                queue.push_back(link);
            }
        }
    }
    (seen, named)
}

async fn portal_token(user: &mut User, name: &str) -> String {
    let fields = [("name", name), ("scopes", "fire_alerts"), ("scopes", "save_members")];
    user.post("/t/ours/settings/portals/new", &fields).await.is(201).attribute("#f-token", "value").expect("a token")
}

/// A portal with a name from before names were looked at, and its token.
async fn old_portal(app: &TestApp, user: &mut User, ours: TenantId, name: &str) -> String {
    let portal = app.portal(ours, name).await;
    let rotated = user.post(&format!("/t/ours/settings/portals/{portal}/rotate"), &[]).await.is(200);
    rotated.attribute("#f-token", "value").expect("a token")
}

fn console() -> Actor {
    Actor { account: None, name: "test".to_owned(), address: String::new() }
}

/// Gives the tenant a name that no form takes any more.
async fn rename_tenant(app: &TestApp, ours: TenantId, name: &str) {
    let (name, now) = (name.to_owned(), app.clock.now());
    let rename = move |c: &mut AnyConnection| {
        let details = tenants::store::find(c, ours)?.details;
        let details = tenants::Details { description: name.clone(), name, ..details };
        tenants::store::update(c, ours, &details, &console(), now)
    };
    app.db.write(rename).await.expect("a renamed tenant");
}

async fn post(app: &TestApp, path: &str, token: &str, body: &serde_json::Value) -> Answer {
    let mut visitor = app.visitor();
    let request = visitor.request(reqwest::Method::POST, path).bearer_auth(token);
    visitor.send(request.json(body)).await
}

/// Everything that can have a name, with each of the names.
async fn name_everything(app: &TestApp, ours: TenantId) {
    let mut sue = app.log_in("sue").await;
    for (number, name) in NAMES.into_iter().enumerate() {
        let username = format!("p{number}");
        let fields = [("username", username.as_str()), ("display_name", name), ("role", "member")];
        sue.post("/t/ours/members/new", &fields).await;
        let group = old_group(app, ours, name, &username).await;
        app.schedule(ours, name, &username).await;
        app.rule_ringing(ours, name, belfry::alerts::Receiver::Group(group)).await;
        let token = old_portal(app, &mut sue, ours, name).await;
        let alert = json!({ "title": name, "content": format!("{name}\n{name} 5"), "key": format!("key {name}"), "severity": "critical" });
        post(app, "/intake/alerts", &token, &alert).await.is(201);
        let labels = json!({ "alertname": name, name: name, "severity": name });
        let annotations = json!({ "summary": name, name: name });
        let alert = json!({ "status": "firing", "labels": labels, "annotations": annotations });
        post(app, "/intake/alertmanager", &token, &json!({ "version": "4", "alerts": [alert] })).await.is(201);
        // The new name of the tenant stands in the audit log, with the one before.
        rename_tenant(app, ours, name).await;
    }
    let template = [("title", "\u{202e}{{ title }} {{ product }}"), ("body", "\u{2067}{{ content }} {{ labels }}")];
    sue.post("/t/ours/templates/dingtalk/firing", &template).await.is(303);
}

/// A group with a name from before names were looked at, and with one member.
async fn old_group(app: &TestApp, ours: TenantId, name: &str, member: &str) -> GroupId {
    let (details, members) =
        (Details { name: name.to_owned(), description: name.to_owned(), admins: Vec::new() }, [member.to_owned()]);
    let now = app.clock.now();
    let made = app.db.write(move |c| groups::store::insert(c, ours, &details, &members, &console(), now)).await;
    made.expect("a group").expect("a known member")
}

on_both! {
    async fn no_name_turns_what_stands_behind_it_on_a_page(app: &TestApp) {
        let town = app.settle().await;
        name_everything(app, town.ours).await;
        let start = ["/", "/t/ours", "/account", "/t/ours/alert-rules/preview?preview=yes&example_title=a"];
        let (seen, named) = walk(&mut app.log_in("sue").await, &start).await;
        assert!(seen > 60 && named.iter().all(|count| *count >= 15), "{seen} pages, {named:?} with names");
        let (seen, named) = walk(&mut app.log_in("root").await, &["/", "/instance/tenants", "/instance/audit"]).await;
        assert!(seen > 10 && named.iter().all(|count| *count >= 1), "{seen} pages, {named:?} with names");
    }

    async fn what_was_typed_stays_as_it_was_in_its_field(app: &TestApp) {
        app.settle().await;
        let mut sue = app.log_in("sue").await;
        let text = format!("{}\n{}", NAMES[0], NAMES[3]);
        for name in NAMES {
            let fields = [("name", name), ("description", name), ("members", text.as_str())];
            let page = sue.post("/t/ours/groups/new", &fields).await.is(422);
            assert_eq!(page.attribute("#f-name", "value").as_deref(), Some(name));
            assert!(page.body.contains(&text), "the area holds what was typed");
            turns_nothing("a refused form", &page);
            let found = sue.get(&format!("/t/ours/members?q={name}")).await.is(200);
            assert_eq!(found.attribute("#q", "value").as_deref(), Some(name));
        }
    }

    async fn a_name_that_shows_nothing_is_refused_everywhere(app: &TestApp) {
        app.settle().await;
        let mut sue = app.log_in("sue").await;
        let token = portal_token(&mut sue, "OA").await;
        let nothing = ["\u{200b}", "\u{feff}", "\u{ad}", "\u{3164}", "\u{115f}", "\u{2066}\u{2069}", "\u{202e}", "\u{180e}", "\u{200d}", "\u{fe0f}", "\u{e0041}"];
        for name in nothing {
            let member = [("username", "nobody"), ("display_name", name), ("role", "member")];
            sue.post("/t/ours/members/new", &member).await.is(422);
            let member = json!({ "username": "nobody", "display_name": name });
            let answer = post(app, "/intake/members", &token, &member).await.is(422);
            assert!(answer.body.contains("\"display_name\""), "{}", answer.body);
            post(app, "/intake/alerts", &token, &json!({ "title": name })).await.is(422);
            sue.post("/t/ours/groups/new", &[("name", name)]).await.is(422);
            sue.post("/t/ours/settings/portals/new", &[("name", name), ("scopes", "fire_alerts")]).await.is(422);
            sue.post("/t/ours/templates/dingtalk/firing", &[("title", name), ("body", "x")]).await.is(422);
        }
    }

    async fn a_name_holds_nothing_that_is_not_seen_and_differs_by_more_than_its_spaces(app: &TestApp) {
        app.settle().await;
        let (mut sue, mut root) = (app.log_in("sue").await, app.log_in("root").await);
        for unseen in ["a\u{200b}b", "a\u{2028}b", "a\u{fffc}", "\u{301}a", "a\u{202e}b", "a\u{2066}b\u{2069}"] {
            let schedule = [("name", unseen), ("shifts", "mia"), ("every", "1"), ("unit", "week")];
            let rule = [("name", unseen), ("channels", "dingtalk"), ("members", "mia")];
            let portal = [("name", unseen), ("scopes", "fire_alerts")];
            let tenant = [("name", unseen), ("slug", "new"), ("super_admin", "root")];
            let forms: [(&str, &[(&str, &str)]); 5] = [
                ("/t/ours/groups/new", &[("name", unseen)]),
                ("/t/ours/schedules/new", &schedule),
                ("/t/ours/alert-rules/new", &rule),
                ("/t/ours/settings/portals/new", &portal),
                ("/instance/tenants/new", &tenant),
            ];
            for (page, fields) in forms {
                let user = if page.starts_with("/instance") { &mut root } else { &mut sue };
                let refused = user.post(page, fields).await.is(422);
                let told = refused.text("#e-name");
                assert!(told.contains("U+") && told.contains("invisible"), "{page} {unseen:?}: {told}");
            }
        }
        sue.post("/t/ours/groups/new", &[("name", "night shift")]).await.is(303);
        for same in ["night  shift", "night\u{a0}shift", " night\u{3000} shift "] {
            let told = sue.post("/t/ours/groups/new", &[("name", same)]).await.is(422).text("#e-name");
            assert!(!told.contains("invisible"), "{told}");
        }
    }

    async fn the_download_closes_and_shows_what_is_not_seen(app: &TestApp) {
        app.settle().await;
        let mut sue = app.log_in("sue").await;
        let token = portal_token(&mut sue, "OA").await;
        for title in [NAMES[0], NAMES[2], "ops\u{200b}", "\u{feff}=1+1"] {
            let alert = json!({ "title": title, "receivers": ["mia"] });
            post(app, "/intake/alerts", &token, &alert).await.is(201);
        }
        let file = sue.get("/t/ours/deliveries.csv").await.is(200).body;
        for shown in ["a\u{202e}rlo\u{202c}\"", "c\u{2066}lri\u{2069}\"", "ops\\u{200b}\"", "=1+1\""] {
            assert!(file.contains(shown), "{shown:?} is not in {file:?}");
        }
        assert!(!file.contains("\u{200b}"));
        for cell in file.split('"') {
            assert_eq!(close_directions(cell), cell);
        }
    }

    async fn every_notice_closes_what_a_name_leaves_open(app: &TestApp) {
        let ours = app.settle().await.ours;
        app.switch_on().await;
        let mut sue = app.log_in("sue").await;
        rename_tenant(app, ours, "ours\u{2066}").await;
        let token = old_portal(app, &mut sue, ours, "oa\u{202b}").await;
        let webhook = app.robot(RobotKind::DingTalk, DINGTALK);
        let member = json!({ "username": "mia", "display_name": "mia\u{202e}", "dingtalk_robot": webhook });
        post(app, "/intake/members", &token, &member).await.is(200);
        let mut mia = app.log_in("mia").await;
        mia.post("/t/ours/me/test", &[]).await.is(200);
        mia.post("/t/ours/me/verify", &[("channel", "dingtalk")]).await.is(200);
        // And a robot that breaks, of which the administrator is told.
        sue.post("/t/ours/me", &[("lark_robot", &app.robot(RobotKind::Lark, LARK))]).await.is(303);
        app.sandbox.update_group(DINGTALK, |group| *group = Group::default().with_keyword("another word"));
        mia.post("/t/ours/me/test", &[]).await.is(200);
        for (robot, count) in [(DINGTALK, 3), (LARK, 2)] {
            let enough = |calls: &[belfry::sandbox::RecordedCall]| calls.iter().filter(|call| call.delivered_message().is_some()).count() >= count;
            assert!(app.sandbox.wait_for_calls(robot, enough, PATIENCE).await, "{robot} heard too little");
        }
        let heard = [app.sandbox.delivered_messages(DINGTALK), app.sandbox.delivered_messages(LARK)].concat();
        assert!(heard.iter().any(|heard| heard.message.text.contains("Keyword not accepted")));
        for heard in heard {
            let (title, text) = (heard.message.title.unwrap_or_default(), heard.message.text);
            for line in text.lines().chain([title.as_str()]) {
                assert_eq!(close_directions(line), line);
                for (name, closed) in [("mia\u{202e}", "mia\u{202e}\u{202c}"), ("ours\u{2066}", "ours\u{2066}\u{2069}"), ("oa\u{202b}", "oa\u{202b}\u{202c}")] {
                    assert_eq!(line.matches(name).count(), line.matches(closed).count(), "{line:?}");
                }
            }
        }
    }
}

#[test]
fn a_log_line_shows_what_is_not_seen_and_is_one_line() {
    for (format, shown) in [("text", "BELFRY_LO\\u{202e}G\\u{a}ERROR"), ("json", "BELFRY_LO\\u202eG\\nERROR")] {
        run_with(Backend::Sqlite, Tweaks { flags: &[], only_database: true }, async |app: &TestApp| {
            let settings = app.settings();
            let mut settings: Vec<(&str, &str)> =
                settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
            settings.extend([("BELFRY_LO\u{202e}G\nERROR", "x"), ("BELFRY_LOG_FORMAT", format)]);
            let process = Process::start(app.folder(), &settings);
            process.signal("TERM");
            let (log, status) = process.wait_with_log();
            assert!(status.success());
            assert!(log.contains(shown) && !log.contains('\u{202e}'), "{log}");
            assert!(!log.lines().any(|line| line.starts_with("ERROR")), "{log}");
        });
    }
}
