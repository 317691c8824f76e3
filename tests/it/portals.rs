//! Internal portals: what proves a post, what is stored for it, and what each mistake is answered.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
    time::Duration,
};

use belfry::{
    access::Role,
    db::{
        AnyConnection, PortalId, TenantId,
        schema::{alerts, idempotency_keys, portal_nonces, portals, tenants},
    },
    sandbox::RobotKind,
    secrets::KeyRing,
};
use chrono::TimeDelta;
use diesel::prelude::*;
use futures_util::future::join_all;
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::Sha256;
use url::form_urlencoded::byte_serialize;

use crate::{
    harness::{Answer, Backend, PASSWORD, Process, TestApp, Tweaks, User, dump, run_with},
    permits::{PORTAL_LOCKS, form_waits, hold},
};

const PORTALS: &str = "/t/ours/settings/portals";
const ALERTS: &str = "/intake/alerts";
const MEMBERS: &str = "/intake/members";
const ROBOT: &str = "00000000000000000000000000000000000000000000000000000000fake0007";
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
const BOTH: [(&str, &str); 2] = [("scopes", "save_members"), ("scopes", "fire_alerts")];

/// A portal, as the page showed it once.
#[derive(Clone, Debug)]
struct Portal {
    id: String,
    token: String,
    key: String,
}

impl Portal {
    fn shown(page: &Answer) -> Self {
        let value = |field| page.attribute(&format!("input[readonly]{field}"), "value").expect("it is shown");
        Self { id: page.text("#portal-id"), token: value("#f-token"), key: value("#f-signing-key") }
    }

    async fn add(user: &mut User, name: &str, fields: &[(&str, &str)]) -> Self {
        let fields: Vec<(&str, &str)> = [("name", name)].iter().chain(fields).copied().collect();
        Self::shown(&user.post(&format!("{PORTALS}/new"), &fields).await.is(201))
    }

    fn path(&self) -> String {
        format!("{PORTALS}/{}", self.id)
    }

    /// A form, signed as the interface says: written out here once more, on purpose.
    fn sign(&self, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut fields: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut sorted = fields.clone();
        sorted.sort();
        let write = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let pairs: Vec<String> =
            sorted.iter().map(|(name, value)| format!("{}={}", write(name), write(value))).collect();
        let mut mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()).unwrap();
        mac.update(pairs.join("&").as_bytes());
        fields.push(("signature".to_owned(), hex::encode(mac.finalize().into_bytes())));
        fields
    }

    /// A signed form of an alert that lasts for so long.
    fn form(&self, app: &TestApp, nonce: &str, lasts: TimeDelta, fields: &[(&str, &str)]) -> Vec<(String, String)> {
        let expires = (app.clock.now() + lasts).and_utc().timestamp().to_string();
        let proof = [("portal", self.id.as_str()), ("expires", &expires), ("nonce", nonce)];
        self.sign(&[fields, &proof].concat())
    }
}

const SOON: TimeDelta = TimeDelta::minutes(10);

/// Posts as somebody who is not signed in.
async fn post(app: &TestApp, path: &str, change: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Answer {
    let mut visitor = app.visitor();
    let request = change(visitor.request(Method::POST, path));
    visitor.send(request).await
}

/// Posts fields with a token, asking for JSON.
async fn with_token(app: &TestApp, path: &str, portal: &Portal, fields: &[(&str, &str)]) -> Answer {
    post(app, path, |request| request.bearer_auth(&portal.token).form(fields)).await
}

/// Posts a form as a script that wants JSON.
async fn with_form(app: &TestApp, fields: &[(String, String)]) -> Answer {
    post(app, ALERTS, |request| request.header("accept", "application/json").form(fields)).await
}

fn document(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).expect("JSON")
}

/// The last part of a problem's type. Fails unless it is a whole problem document of the answer's status.
#[track_caller]
fn problem(answer: &Answer, status: u16) -> String {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let document = document(answer);
    assert_eq!(document["status"], status);
    assert!(document["title"].as_str().is_some_and(|title| !title.is_empty()));
    assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
    document["type"].as_str().expect("a type").trim_start_matches("urn:belfry:problem:").to_owned()
}

/// The fields that a problem names.
fn named(answer: &Answer) -> Vec<String> {
    let errors = document(answer)["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().map(|error| error["field"].as_str().unwrap_or_default().to_owned()).collect()
}

/// How many alerts are stored, and how many firings they count.
async fn stored(app: &TestApp) -> (i64, i64) {
    let counts: Vec<i64> = app.db.read(|c| Ok(alerts::table.select(alerts::count).load(c)?)).await.expect("the alerts");
    (i64::try_from(counts.len()).unwrap(), counts.iter().sum())
}

/// Somebody who manages the portals of `ours`.
async fn settled(app: &TestApp) -> User {
    app.settle().await;
    app.switch_on().await;
    app.log_in("sam").await
}

on_both! {
    async fn a_portal_is_shown_once_and_its_alert_reaches_the_group_that_it_names(app: &TestApp) {
        let mut sam = settled(app).await;
        let town_robot = app.robot(RobotKind::DingTalk, ROBOT);
        let mut mia = app.log_in("mia").await;
        mia.post("/t/ours/me", &[("dingtalk_robot", &town_robot)]).await.is(303);
        assert!(sam.get(PORTALS).await.is(200).texts("p.empty").len() == 1);

        let portal = Portal::add(&mut sam, "办公门户 OA", &BOTH).await;
        assert!(portal.token.len() >= 43 + "belfry_".len() && portal.token.starts_with("belfry_"));
        for path in [PORTALS.to_owned(), portal.path()] {
            let page = sam.get(&path).await.is(200);
            assert!(page.body.contains("办公门户 OA") && !page.body.contains(&portal.token), "{path}");
            assert!(!page.body.contains(&portal.key), "{path}");
        }
        let fields = [("title", "Disk full"), ("receivers", "mia"), ("receivers", "nobody-here"), ("severity", "critical")];
        let answer = with_token(app, ALERTS, &portal, &fields).await.is(201);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let answer = document(&answer);
        let id = answer["id"].as_i64().expect("an id");
        assert_eq!(answer["url"], format!("{}/t/ours/alerts/{id}", app.origin));
        assert_eq!(answer["deliveries"], 1);
        let warnings = answer["warnings"].as_array().expect("the unknown receiver is named");
        assert!(warnings.len() == 1 && warnings[0].as_str().unwrap().contains("nobody-here"), "{warnings:?}");
        let heard = |calls: &[_]| calls.len() >= 2;
        assert!(app.sandbox.wait_for_calls(ROBOT, heard, Duration::from_secs(20)).await, "the group hears of it");
        assert!(format!("{:?}", app.sandbox.delivered_messages(ROBOT)).contains("Disk full"));

        let resolved = json!({ "title": "Disk full", "status": "resolved", "receivers": ["mia"] });
        let answer = post(app, ALERTS, |request| request.bearer_auth(&portal.token).json(&resolved)).await.is(201);
        assert_eq!((document(&answer)["id"].as_i64(), document(&answer)["deliveries"].as_i64()), (Some(id), Some(1)));
        let page = sam.get(&portal.path()).await.is(200);
        assert!(page.texts("dl.facts time").len() == 2, "it says when it was used");
    }

    async fn an_alert_that_nobody_hears_is_stored_all_the_same(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let answer = with_token(app, ALERTS, &portal, &[("title", "x")]).await.is(201);
        assert_eq!(document(&answer)["deliveries"], 0);
        assert_eq!(stored(app).await, (1, 1));
    }

    async fn every_mistake_of_a_signed_form_has_its_own_answer_and_stores_nothing(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &[BOTH[1], ("return_origins", "https://oa.corp.example")]).await;
        let title = [("title", "Disk full")];
        let form = |nonce: &str, lasts| portal.form(app, nonce, lasts, &title);
        let good = form("n", SOON);
        let changed = |name: &str, value: &str| {
            let mut form = good.clone();
            for field in form.iter_mut().filter(|field| field.0 == name) {
                field.1 = value.to_owned();
            }
            form
        };
        let with = |name: &str, value: &str| [&good[..], &[(name.to_owned(), value.to_owned())]].concat();
        let without = |name: &str| good.iter().filter(|field| field.0 != name).cloned().collect::<Vec<_>>();
        let foreign = portal.form(app, "n", SOON, &[title[0], ("return_to", "https://evil.example/")]);
        let misspelt = portal.form(app, "n", SOON, &[title[0], ("sevrity", "info")]);
        let cases = [
            ("a changed field", changed("title", "Disk fine"), 401, "wrong-signature"),
            ("a field too many", with("severity", "info"), 401, "wrong-signature"),
            ("a field too few", without("title"), 401, "wrong-signature"),
            ("a longer life", changed("expires", "4102444800"), 401, "wrong-signature"),
            ("another nonce", changed("nonce", "m"), 401, "wrong-signature"),
            ("another portal", changed("portal", "999999"), 401, "wrong-signature"),
            ("no id of a portal", changed("portal", "x"), 401, "wrong-signature"),
            ("another signature", changed("signature", &"0".repeat(64)), 401, "wrong-signature"),
            ("no signature", without("signature"), 401, "not-proven"),
            ("no nonce", without("nonce"), 401, "not-proven"),
            ("expired", form("n", TimeDelta::seconds(-1)), 401, "expired"),
            ("just expired", form("n", TimeDelta::zero()), 401, "expired"),
            ("too far ahead", form("n", TimeDelta::seconds(905)), 401, "too-far-ahead"),
            ("a foreign return_to", foreign, 422, "foreign-return-to"),
            ("a doubled parameter", with("title", "Disk fine"), 422, "doubled-fields"),
            ("a doubled parameter of the same value", with("title", "Disk full"), 422, "doubled-fields"),
            ("an unknown field", misspelt, 422, "unknown-fields"),
            ("no title", portal.form(app, "n", SOON, &[("title", " ")]), 422, "invalid-fields"),
        ];
        let before = dump(&app.db).await;
        for (what, form, status, kind) in cases {
            let answer = with_form(app, &form).await;
            assert_eq!(problem(&answer, status), kind, "{what}");
            assert_eq!(dump(&app.db).await, before, "{what} changed something");
        }
        // The very same nonce is still good: nothing that was refused has spent it.
        with_form(app, &good).await.is(201);
        assert_eq!(problem(&with_form(app, &good).await, 401), "nonce-used");
        let other = portal.form(app, "n", SOON, &[("title", "Another")]);
        assert_eq!(problem(&with_form(app, &other).await, 401), "nonce-used");
        with_form(app, &form("another", TimeDelta::minutes(15))).await.is(201);
        assert_eq!(stored(app).await, (1, 2));
    }

    async fn a_nonce_is_spent_once_however_many_come_at_a_time(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let form = portal.form(app, "once", SOON, &[("title", "x")]);
        let answers = join_all((0..8).map(|_| with_form(app, &form))).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 401, 401, 401, 401, 401, 401, 401]);
        assert_eq!(stored(app).await, (1, 1));
    }

    async fn a_browser_is_sent_back_or_shown_what_was_wrong(app: &TestApp) {
        let mut sam = settled(app).await;
        let origins = "https://oa.corp.example\nhttp://localhost:3000";
        let portal = Portal::add(&mut sam, "OA", &[BOTH[1], ("return_origins", origins)]).await;
        let browse = async |form: &[(String, String)], language: &'static str| {
            let mut visitor = app.visitor();
            visitor.language = language;
            let request = visitor.request(Method::POST, ALERTS).header("accept", BROWSER);
            visitor.send(request.header("origin", "https://oa.corp.example").form(form)).await
        };
        let back = |nonce: &str, to: &str| portal.form(app, nonce, SOON, &[("title", "x"), ("return_to", to)]);
        browse(&back("1", "https://oa.corp.example/done?id=7"), "en")
            .await
            .leads_to("https://oa.corp.example/done?id=7&result=ok");
        browse(&back("2", "http://localhost:3000/"), "en").await.leads_to("http://localhost:3000/?result=ok");
        browse(&back("5", ""), "en").await.is(201);
        for foreign in ["https://evil.example/", "http://oa.corp.example/", "https://oa.corp.example@evil.example/", "/x"] {
            let page = browse(&back("3", foreign), "en").await.is(422);
            assert_eq!(page.header("location"), None, "{foreign}");
            assert!(page.text("h1").contains("Return address"), "{foreign}");
        }
        let page = browse(&portal.form(app, "3", SOON, &[("title", "")]), "en").await.is(422);
        assert!(page.text(".note.bad li").contains("title"), "{}", page.body);
        assert!(page.text(".hint").contains("422"));
        let page = browse(&portal.form(app, "3", SOON, &[("title", "磁盘已满")]), "zh-CN").await.is(201);
        assert_eq!(page.text("h1"), "已收到");
        let json = |request: RequestBuilder| request.header("accept", "application/json");
        let answer = post(app, ALERTS, |request| json(request).form(&back("4", "https://oa.corp.example/"))).await;
        assert!(answer.is(201).header("location").is_none(), "who asks for JSON gets it");
    }

    async fn a_key_makes_a_repetition_be_answered_as_the_first_was(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let another = Portal::add(&mut sam, "Another", &BOTH).await;
        let send = async |portal: &Portal, key: &str, title: &str| {
            let (key, fields) = (key.to_owned(), [("title", title)]);
            post(app, ALERTS, |request| request.bearer_auth(&portal.token).header("idempotency-key", key).form(&fields)).await
        };
        // Refused, so that the key stands for nothing yet.
        assert_eq!(problem(&send(&portal, "k", "").await, 422), "invalid-fields");
        let first = send(&portal, "k", "one").await.is(201);
        let again = send(&portal, "k", "one").await.is(201);
        assert_eq!((&first.body, first.header("content-type")), (&again.body, again.header("content-type")));
        assert_eq!(problem(&send(&portal, "k", "two").await, 409), "idempotency-key-reused");
        send(&another, "k", "two").await.is(201);
        assert_eq!(stored(app).await, (2, 2));
        for wrong in ["", &"k".repeat(256)] {
            assert_eq!(problem(&send(&portal, wrong, "three").await, 400), "wrong-idempotency-key");
        }
        send(&portal, &"k".repeat(255), "one").await.is(201);
        assert_eq!(stored(app).await, (2, 3));
        app.clock.advance(TimeDelta::hours(24) + TimeDelta::seconds(1));
        send(&portal, "k", "two").await.is(201);
        assert_eq!(stored(app).await, (3, 4));
    }

    async fn a_post_whose_rules_change_while_it_waits_is_stored_with_its_key_and_nonce(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let rule = [
            ("name", "all"), ("on", "yes"), ("severity", "info"), ("roles", "super_administrator"), ("channels", "dingtalk"),
            ("frequency", "5"),
        ];
        sam.post("/t/ours/alert-rules/new", &rule).await.is(303);
        let lock = format!("SELECT pg_advisory_xact_lock({})", PORTAL_LOCKS ^ portal.id.parse::<i64>().expect("an id"));
        let keyed = |title: &str, sends: u32| {
            let request = app.visitor().request(Method::POST, ALERTS).header("idempotency-key", title.to_owned());
            (request.bearer_auth(&portal.token).form(&[("title", title)]), sends)
        };
        let form = portal.form(app, "n", SOON, &[("title", "signed")]);
        let signed = || app.visitor().request(Method::POST, ALERTS).header("accept", "application/json").form(&form);
        let posts = [keyed("one", 11), keyed("two", 12), (signed(), 13)];
        let mut ids = Vec::new();
        for (post, sends) in posts {
            let again = post.try_clone().expect("the same post");
            let (mut holder, browser) = (hold(app, &lock), sam.clone());
            let change = async {
                form_waits(app, browser).await;
                holder(&format!("UPDATE alert_rules SET max_sends = {sends}; COMMIT"));
            };
            let mut sender = app.visitor();
            let (answer, ()) = tokio::join!(sender.send(post), change);
            ids.push(document(&answer.is(201))["id"].clone());
            let repeated = sender.send(again).await;
            if sends < 13 {
                assert_eq!(Some(&document(&repeated.is(201))["id"]), ids.last());
            } else {
                assert_eq!(problem(&repeated, 401), "nonce-used");
            }
        }
        ids.dedup();
        assert_eq!(ids.len(), 3);
        assert_eq!(dump(&app.db).await["alerts"].len(), 3);
    }

    async fn eight_posts_with_one_key_at_a_time_are_one_alert(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let fields = [("title", "x")];
        let send = || post(app, ALERTS, |request| request.bearer_auth(&portal.token).header("idempotency-key", "k").form(&fields));
        let answers = join_all((0..8).map(|_| send())).await;
        let bodies: BTreeSet<String> = answers.into_iter().map(|answer| answer.is(201).body).collect();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        assert_eq!(stored(app).await, (1, 1));
    }

    async fn a_signed_form_with_a_key_may_be_repeated_even_after_its_time(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let form = portal.form(app, "n", SOON, &[("title", "x")]);
        let send = || post(app, ALERTS, |request| {
            request.header("accept", "application/json").header("idempotency-key", "k").form(&form)
        });
        let first = send().await.is(201).body;
        assert_eq!(send().await.is(201).body, first);
        app.clock.advance(TimeDelta::hours(1));
        assert_eq!(send().await.is(201).body, first);
        let late = portal.form(app, "m", TimeDelta::seconds(-5), &[("title", "y")]);
        let answer = post(app, ALERTS, |request| {
            request.header("accept", "application/json").header("idempotency-key", "other").form(&late)
        });
        assert_eq!(problem(&answer.await, 401), "expired");
        assert_eq!(stored(app).await, (1, 1));
    }

    async fn a_portal_does_what_its_scopes_say_and_nothing_proves_it_but_its_own_secrets(app: &TestApp) {
        let mut sam = settled(app).await;
        let saves = Portal::add(&mut sam, "Saves", &BOTH[..1]).await;
        let fires = Portal::add(&mut sam, "Fires", &BOTH[1..]).await;
        assert_eq!(problem(&with_token(app, ALERTS, &saves, &[("title", "x")]).await, 403), "out-of-scope");
        assert_eq!(problem(&with_token(app, MEMBERS, &fires, &[("username", "li")]).await, 403), "out-of-scope");
        let form = saves.form(app, "n", SOON, &[("title", "x")]);
        assert_eq!(problem(&with_form(app, &form).await, 403), "out-of-scope");
        for header in ["", "Bearer", "Bearer ", "Bearer wrong", "Basic c2FtOng=", &format!("Bearer {}x", fires.token)] {
            let header = header.to_owned();
            let answer = post(app, ALERTS, |request| request.header("authorization", header).form(&[("title", "x")])).await;
            assert_eq!(problem(&answer, 401), "not-proven");
        }
        let answer = post(app, ALERTS, |request| request.bearer_auth(&fires.key).form(&[("title", "x")])).await;
        assert_eq!(problem(&answer, 401), "not-proven", "a signing key is no token");
        // A session counts for nothing, and neither does its form token.
        let answer = sam.post(ALERTS, &[("title", "x")]).await;
        assert_eq!(answer.status, 401);
        assert_eq!(stored(app).await, (0, 0));
    }

    async fn what_cannot_be_read_is_refused_by_its_own_name(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let send = async |content_type: &str, body: Vec<u8>| {
            let content_type = content_type.to_owned();
            post(app, ALERTS, |request| request.bearer_auth(&portal.token).header("content-type", content_type).body(body)).await
        };
        let (form, json) = ("application/x-www-form-urlencoded", "application/json; charset=utf-8");
        let deep = format!("{}7{}", r#"{"title":"#.repeat(20_000), "}".repeat(20_000)).into_bytes();
        let cases = [
            ("", b"{\"title\":\"a\"}".to_vec(), 415, "unknown-encoding"),
            (form, b"{\"title\":\"a\"}".to_vec(), 415, "json-as-form"),
            (form, b"title=%FF".to_vec(), 400, "malformed"),
            (form, b"title=a%00".to_vec(), 400, "malformed"),
            (json, b"{\"title\":\"\\u0000\"}".to_vec(), 400, "malformed"),
            (json, b"[\"title\"]".to_vec(), 400, "malformed"),
            (json, b"{\"title\":".to_vec(), 400, "malformed"),
            (json, deep[..100_000].to_vec(), 400, "malformed"),
            (json, b"{\"title\":\"a\",\"title\":\"b\"}".to_vec(), 422, "doubled-fields"),
            (json, b"{\"title\":null}".to_vec(), 422, "invalid-fields"),
            ("text/plain", b"title=a".to_vec(), 415, "unknown-encoding"),
            ("multipart/form-data; boundary=x", b"--x--".to_vec(), 415, "unknown-encoding"),
            (form, [b"title=a&content=".to_vec(), vec![b'x'; 16 * 1024 + 1]].concat(), 422, "invalid-fields"),
            (form, [b"title=a&content=".to_vec(), vec![b'x'; 200 * 1024]].concat(), 413, "too-large"),
            (form, format!("title={}", "x".repeat(129)).into_bytes(), 422, "invalid-fields"),
        ];
        for (content_type, body, status, kind) in cases {
            let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let answer = send(content_type, body).await;
            assert_eq!(problem(&answer, status), kind, "{start}");
            assert!(status != 415 || answer.body.contains("header Content-Type"), "{start}: {}", answer.body);
        }
        let wrong = [("title", ""), ("severity", "fatal"), ("status", "x"), ("receivers", "a b")];
        let answer = with_token(app, ALERTS, &portal, &wrong).await;
        assert_eq!(problem(&answer, 422), "invalid-fields");
        let named: BTreeSet<String> = named(&answer).into_iter().collect();
        assert_eq!(named, wrong.map(|(name, _)| name.to_owned()).into());
        let content = "磁".repeat(16 * 1024 / 3);
        with_token(app, ALERTS, &portal, &[("title", &"名".repeat(128)), ("content", &content)]).await.is(201);
        let mut visitor = app.visitor();
        let request = visitor.request(Method::GET, ALERTS).header("accept", "application/json");
        let answer = visitor.send(request).await;
        assert_eq!((problem(&answer, 405).as_str(), answer.header("allow")), ("post-only", Some("POST")));
        let request = visitor.request(Method::POST, ALERTS).header("host", "evil.example").bearer_auth(&portal.token);
        assert_eq!(problem(&visitor.send(request.form(&[("title", "x")])).await, 400), "wrong-host");
        assert_eq!(stored(app).await, (1, 1));
    }

    async fn a_rotation_leaves_a_day_to_change_over_and_a_second_click_takes_nothing_away(app: &TestApp) {
        let mut sam = settled(app).await;
        let old = Portal::add(&mut sam, "OA", &BOTH).await;
        let status = async |portal: &Portal, nonce: &str| {
            let by_token = with_token(app, ALERTS, portal, &[("title", "x")]).await.status;
            let by_form = with_form(app, &portal.form(app, nonce, SOON, &[("title", "x")])).await.status;
            assert_eq!(by_token, by_form);
            by_token
        };
        let rotate = format!("{}/rotate", old.path());
        let lost = Portal::shown(&sam.post(&rotate, &[]).await.is(200));
        let new = Portal::shown(&sam.post(&rotate, &[]).await.is(200));
        assert!(sam.get(&old.path()).await.text(".note.wait").contains("until"));
        assert_eq!((status(&old, "1").await, status(&lost, "2").await, status(&new, "3").await), (201, 401, 201));
        app.clock.advance(TimeDelta::hours(23));
        assert_eq!((status(&old, "4").await, status(&new, "5").await), (201, 201));
        app.clock.advance(TimeDelta::hours(1));
        assert_eq!((status(&old, "6").await, status(&new, "7").await), (401, 201));

        let mut sam = app.log_in("sam").await;
        let newest = Portal::shown(&sam.post(&rotate, &[]).await.is(200));
        assert_eq!((status(&new, "8").await, status(&newest, "9").await), (201, 201));
        sam.post(&format!("{}/end-overlap", old.path()), &[]).await.leads_to(&old.path());
        assert_eq!((status(&new, "10").await, status(&newest, "11").await), (401, 201));

        for _ in 0..2 {
            sam.post(&format!("{}/revoke", old.path()), &[]).await.leads_to(PORTALS);
        }
        assert_eq!(status(&newest, "12").await, 401);
        for path in [rotate.clone(), format!("{}/end-overlap", old.path())] {
            sam.post(&path, &[]).await.is(404);
        }
        // Its name is free again, and its page tells what it was.
        Portal::add(&mut sam, "OA", &BOTH).await;
        assert!(sam.get(&old.path()).await.is(200).text(".note.bad").contains("Revoked since"));
    }

    async fn keys_that_are_sealed_anew_sign_as_before(app: &TestApp) {
        let mut sam = settled(app).await;
        let old = Portal::add(&mut sam, "OA", &BOTH).await;
        let new = Portal::shown(&sam.post(&format!("{}/rotate", old.path()), &[]).await.is(200));
        let sealed = async || {
            let keys = |c: &mut AnyConnection| {
                let columns = (portals::sealed_signing_key, portals::old_sealed_signing_key.assume_not_null());
                Ok(portals::table.select(columns).first::<(Vec<u8>, Vec<u8>)>(c)?)
            };
            app.db.read(keys).await.expect("the sealed keys")
        };
        let before = sealed().await;
        let ring = KeyRing::add_key(&app.folder().join("belfry.key")).expect("a new key");
        for expected in [Some(PortalId(1)), None] {
            let (ring, after) = (ring.clone(), PortalId(i64::from(expected.is_none())));
            let last = app.db.write(move |c| belfry::portals::store::reseal(c, &ring, after, 10)).await;
            assert_eq!(last.expect("they are sealed"), expected);
        }
        let after = sealed().await;
        assert!(ring.is_sealed_with_newest_key(&after.0) && ring.is_sealed_with_newest_key(&after.1));
        assert!(before.0 != after.0 && before.1 != after.1);
        for (portal, nonce) in [(&old, "1"), (&new, "2")] {
            with_form(app, &portal.form(app, nonce, SOON, &[("title", "x")])).await.is(201);
        }
    }

    async fn a_portal_of_a_deleted_tenant_is_none(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let mut root = app.log_in("root").await;
        let ours = |c: &mut AnyConnection| {
            Ok(tenants::table.filter(tenants::slug.eq("ours")).select(tenants::id).first::<TenantId>(c)?)
        };
        let ours = app.db.read(ours).await.expect("the tenant");
        root.post(&format!("/instance/tenants/{ours}/delete"), &[]).await.is(303);
        assert_eq!(problem(&with_token(app, ALERTS, &portal, &[("title", "x")]).await, 401), "not-proven");
    }

    async fn only_the_portals_own_limit_answers_429(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &[BOTH[1], ("per_minute", "3")]).await;
        // From the start of a minute on, so that none begins between.
        let second = i64::from(chrono::Timelike::second(&app.clock.now()));
        app.clock.advance(TimeDelta::seconds(61 - second));
        for _ in 0..3 {
            with_token(app, ALERTS, &portal, &[("title", "x")]).await.is(201);
        }
        let answer = with_token(app, ALERTS, &portal, &[("title", "x")]).await;
        assert_eq!(problem(&answer, 429), "too-many");
        let wait: i64 = answer.header("retry-after").expect("when to come again").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        app.clock.advance(TimeDelta::seconds(wait));
        with_token(app, ALERTS, &portal, &[("title", "x")]).await.is(201);
        assert_eq!(stored(app).await, (1, 4));
        let edited = [("name", "OA"), BOTH[1], ("per_minute", "")];
        sam.post(&portal.path(), &edited).await.leads_to(&portal.path());
        for _ in 0..10 {
            with_token(app, ALERTS, &portal, &[("title", "x")]).await.is(201);
        }
    }

    async fn a_member_is_made_or_changed_just_where_the_post_says_so(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "HR 门户", &BOTH[..1]).await;
        let robot = app.robot(RobotKind::DingTalk, ROBOT);
        let new = [
            ("username", "li.wang"),
            ("display_name", "王力"),
            ("phone", "138 0013 8000"),
            ("email", "li@corp.example"),
            ("dingtalk_robot", robot.as_str()),
        ];
        let answer = document(&with_token(app, MEMBERS, &portal, &new).await.is(201));
        assert_eq!(answer["deliveries"], 1);
        let path = answer["url"].as_str().unwrap().strip_prefix(&app.origin).unwrap().to_owned();
        assert!(app.sandbox.wait_for_calls(ROBOT, |calls| !calls.is_empty(), Duration::from_secs(20)).await);
        let heard = format!("{:?}", app.sandbox.delivered_messages(ROBOT));
        assert!(heard.contains("王力") && heard.contains("HR 门户"), "{heard}");
        let shown = async |sam: &mut User| {
            let page = sam.get(&path).await.is(200);
            ["phone", "email"].map(|field| page.attribute(&format!("#f-{field}"), "value").unwrap_or_default())
        };
        assert_eq!(shown(&mut sam).await, ["+8613800138000", "li@corp.example"]);

        let changed = [("username", "LI.wang"), ("email", "li.wang@corp.example")];
        let again = document(&with_token(app, MEMBERS, &portal, &changed).await.is(200));
        assert_eq!((&again["id"], &again["deliveries"]), (&answer["id"], &json!(0)));
        assert_eq!(shown(&mut sam).await, ["+8613800138000", "li.wang@corp.example"]);
        with_token(app, MEMBERS, &portal, &[("username", "li.wang"), ("display_name", "王立"), ("phone", "")]).await.is(200);
        assert_eq!(shown(&mut sam).await, ["", "li.wang@corp.example"]);
        assert!(sam.get("/t/ours/members?q=王立").await.body.contains("li.wang"));

        // Nobody knows a password of the new account, until an administrator makes a code for it.
        let mut li = app.visitor();
        for guess in ["", "!", PASSWORD] {
            assert_ne!(li.log_in("li.wang", guess).await.status, 303, "{guess}");
        }
        let code = sam.post(&path.replace("/edit", "/code"), &[]).await.is(200);
        let code = code.attribute("input[readonly]", "value").expect("a code");
        li.log_in("li.wang", &code).await.is(303);

        let log = sam.get("/t/ours/audit").await.is(200);
        let rows = log.texts("tbody tr");
        let by_portal: Vec<&String> = rows.iter().filter(|row| row.contains("li.wang") && row.contains("HR 门户")).collect();
        assert_eq!(by_portal.len(), 3, "{rows:?}");
    }

    async fn what_is_wrong_with_a_member_is_named_and_no_secret_is_repeated(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "HR", &BOTH[..1]).await;
        let before = dump(&app.db).await;
        let wrong = [
            ("username", "li"),
            ("phone", "12"),
            ("email", "nobody"),
            ("dingtalk_robot", "http://evil.example/robot/send?access_token=canary-of-a-token"),
            ("lark_secret", "a-secret-for-nothing"),
        ];
        let answer = with_token(app, MEMBERS, &portal, &wrong).await;
        assert_eq!(problem(&answer, 422), "invalid-fields");
        assert_eq!(named(&answer), ["phone", "email", "dingtalk_robot"]);
        assert!(!answer.body.contains("canary") && !answer.body.contains("a-secret"), "{}", answer.body);
        let lost = with_token(app, MEMBERS, &portal, &[("username", "li"), ("lark_secret", "a-secret-for-nothing")]).await;
        assert_eq!((problem(&lost, 422).as_str(), named(&lost)), ("invalid-fields", vec!["lark_secret".to_owned()]));
        let spoilt = with_token(app, MEMBERS, &portal, &[("username", "no spaces"), ("display_name", "a\nb")]).await;
        assert_eq!(named(&spoilt), ["display_name", "username"]);
        for field in ["role", "may_fire", "remove", "tested", "csrf"] {
            let answer = with_token(app, MEMBERS, &portal, &[("username", "li"), (field, "dingtalk")]).await;
            assert_eq!((problem(&answer, 422).as_str(), named(&answer)), ("unknown-fields", vec![field.to_owned()]));
        }
        let super_admin = with_token(app, MEMBERS, &portal, &[("username", "sue"), ("phone", "")]).await;
        assert_eq!(problem(&super_admin, 403), "protected-member");
        assert_eq!(dump(&app.db).await, before);
        // Somebody of another tenant is invited into this one, and nothing of him there is touched.
        let tom = with_token(app, MEMBERS, &portal, &[("username", "tom"), ("phone", "+1 202 555 0173")]).await.is(201);
        assert!(document(&tom)["url"].as_str().unwrap().contains("/t/ours/"));
        assert!(document(&tom)["warnings"][0].as_str().unwrap().contains("accepts the invitation"), "{}", tom.body);
        app.log_in("tom").await.get("/t/ours").await.is(404);
        let mut theo = app.log_in("theo").await;
        assert!(!theo.get("/t/theirs/members?q=tom").await.body.contains("0173"));
    }

    async fn eight_posts_of_one_new_member_at_a_time_make_him_once(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "HR", &BOTH[..1]).await;
        let send = || with_token(app, MEMBERS, &portal, &[("username", "li"), ("phone", "+1 202 555 0173")]);
        let mut statuses: Vec<u16> = join_all((0..8).map(|_| send())).await.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    }

    async fn alert_rules_follow_a_renamed_portal_or_hold_its_name_back(app: &TestApp) {
        let mut sam = settled(app).await;
        let robot = app.robot(RobotKind::DingTalk, ROBOT);
        app.log_in("mia").await.post("/t/ours/me", &[("dingtalk_robot", &robot)]).await.is(303);
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let rule = |name: &'static str, matcher: &'static str| {
            [("name", name), ("on", "yes"), ("channels", "dingtalk"), ("members", "mia"), ("matchers", matcher)]
        };
        sam.post("/t/ours/alert-rules/new", &rule("by name", "portal=OA")).await.is(303);
        sam.post("/t/ours/alert-rules/new", &rule("by expression", "portal=~OA|tickets")).await.is(303);
        let renamed = [("name", "OA 2"), BOTH[0], BOTH[1]];
        let before = dump(&app.db).await;
        let page = sam.post(&portal.path(), &renamed).await.is(422);
        let fault = page.text("#e-name");
        assert!(fault.contains("by expression") && !fault.contains("by name"), "{fault}");
        for table in ["alert_rules", "portals", "audit"] {
            assert_eq!(dump(&app.db).await[table], before[table], "{table}");
        }

        let id = sam.get("/t/ours/alert-rules?q=expression").await.is(200).attribute("input[name=id]", "value").unwrap();
        let path = format!("/t/ours/alert-rules/{id}/edit");
        sam.post(&path, &rule("by expression", "portal=~OA.*|tickets")).await.is(303);
        sam.post(&portal.path(), &renamed).await.is(303);
        let fired = document(&with_token(app, ALERTS, &portal, &[("title", "x")]).await.is(201));
        assert_eq!(fired["deliveries"], 1, "{fired}");
        assert!(sam.get("/t/ours/alert-rules").await.text("tbody").contains("OA 2"));
        let log = sam.get("/t/ours/audit").await.texts("tbody tr");
        let row = log.iter().find(|row| row.contains("Edited an alert rule") && row.contains("by name"));
        assert!(row.is_some_and(|row| row.contains(r#"portal="OA 2""#)), "{log:?}");
    }

    async fn a_receiver_who_never_was_a_member_is_not_called_a_former_one(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let answer = with_token(app, ALERTS, &portal, &[("title", "x"), ("receivers", "nobody-here")]).await.is(201);
        let warning = document(&answer)["warnings"].to_string();
        assert!(warning.contains("nobody-here: No member of this tenant has this username"), "{warning}");
        let record = sam.get("/t/ours/deliveries?reason=no-such-member").await.is(200);
        assert!(record.text("tbody tr").contains("nobody-here"), "{}", record.body);
        with_token(app, ALERTS, &portal, &[("title", "x"), ("status", "resolved")]).await.is(201);
    }

    async fn a_portals_form_says_what_is_wrong_and_its_changes_are_in_the_audit_log(app: &TestApp) {
        let mut sam = settled(app).await;
        let wrong = [("name", ""), ("return_origins", "http://oa.corp.example"), ("per_minute", "many")];
        let page = sam.post(&format!("{PORTALS}/new"), &wrong).await.is(422);
        for field in ["name", "scopes", "return_origins", "per_minute"] {
            assert!(!page.text(&format!("#e-{field}")).is_empty(), "{field}");
        }
        assert_eq!(page.text("#f-return_origins"), "http://oa.corp.example", "what was typed is kept");
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        let page = sam.post(&format!("{PORTALS}/new"), &[("name", "oa"), BOTH[0]]).await.is(422);
        assert!(page.text("#e-name").contains("another"), "{}", page.text("#e-name"));
        let other = Portal::add(&mut sam, "Other", &BOTH).await;
        sam.post(&other.path(), &[("name", "OA"), BOTH[0]]).await.is(422);
        let changed = [("name", "OA 2"), BOTH[0], ("return_origins", "https://oa.corp.example/")];
        sam.post(&portal.path(), &changed).await.leads_to(&portal.path());
        assert_eq!(sam.get(&portal.path()).await.text("#f-return_origins"), "https://oa.corp.example");
        sam.post(&format!("{}/rotate", portal.path()), &[]).await.is(200);
        sam.post(&format!("{}/revoke", portal.path()), &[]).await.is(303);
        let log = sam.get("/t/ours/audit").await.texts("tbody tr").join("\n");
        for words in ["Added an internal portal", "Edited an internal portal", "Rotated", "Revoked an internal portal", "OA 2"] {
            assert!(log.contains(words), "{words} in {log}");
        }
    }

    async fn the_recipe_of_the_page_signs_in_python_and_the_ready_form_can_be_sent(app: &TestApp) {
        let mut sam = settled(app).await;
        for fields in [&BOTH[1..], &BOTH[..1]] {
            let portal = Portal::add(&mut sam, &format!("门户 {}", fields[0].1), fields).await;
            let page = sam.get(&portal.path()).await.is(200);
            let recipe = raw(&page, "#recipe-python");
            let printed = run_python(&recipe, &portal.key);
            let ready = raw(&page, "#form-example");
            for form in [printed, ready] {
                let (action, fields) = form_of(&form);
                let path = action.strip_prefix(&app.origin).expect("a form for this origin").to_owned();
                let answer = post(app, &path, |request| request.header("accept", "application/json").form(&fields)).await;
                assert!([200, 201].contains(&answer.status), "{}", answer.body);
                let again = post(app, &path, |request| request.header("accept", "application/json").form(&fields)).await;
                assert_eq!(problem(&again, 401), "nonce-used");
            }
            // What a browser would send of values that are hard to write.
            let hard = recipe.replace("print(form([", "print(form([\n    (\"receivers\", \"wu\"), (\"receivers\", \"li\"), (\"content\", \"~*-._ +%&=<\\\"'\\n磁盘 🔔\"),");
            if fields[0].1 == "fire_alerts" {
                let (_, mut fields) = form_of(&run_python(&hard.replace("93 % of /var are used.", "x").replace("    (\"content\", \"x\"),\n", ""), &portal.key));
                for field in &mut fields {
                    field.1 = field.1.replace("\r\n", "\n").replace('\n', "\r\n");
                }
                with_form(app, &fields).await.is(201);
            }
            let curl = page.text("code.curl");
            assert!(curl.contains(&format!("{}/intake/", app.origin)) && curl.contains("$BELFRY_TOKEN"), "{curl}");
        }
    }

    async fn neither_token_nor_key_is_kept_in_the_clear_and_ended_nonces_and_answers_are_swept(app: &TestApp) {
        let mut sam = settled(app).await;
        let portal = Portal::add(&mut sam, "OA", &BOTH).await;
        with_form(app, &portal.form(app, "n", SOON, &[("title", "x")])).await.is(201);
        let key = |request: RequestBuilder| request.header("idempotency-key", "k");
        post(app, ALERTS, |request| key(request).bearer_auth(&portal.token).form(&[("title", "x")])).await.is(201);
        for (table, rows) in dump(&app.db).await {
            for secret in [&portal.token, &portal.key, &hex::encode(&portal.key), &hex::encode(&portal.token)] {
                assert!(!rows.iter().any(|row| row.to_lowercase().contains(&secret.to_lowercase())), "{table}");
            }
        }
        let rows = |app: &TestApp| {
            let db = app.db.clone();
            async move {
                db.read(|c| {
                    let nonces: i64 = portal_nonces::table.count().get_result(c)?;
                    let answers: i64 = idempotency_keys::table.count().get_result(c)?;
                    Ok((nonces, answers))
                })
                .await
                .expect("the rows")
            }
        };
        let sweep = async |hours: i64| {
            let now = app.clock.now() + TimeDelta::hours(hours);
            app.db.write(move |c| belfry::portals::store::posts::sweep(c, now)).await.expect("it is swept");
        };
        sweep(0).await;
        assert_eq!(rows(app).await, (1, 1));
        // A day longer than they hold: the clock may have been ahead.
        sweep(23).await;
        assert_eq!(rows(app).await, (1, 1));
        sweep(26).await;
        assert_eq!(rows(app).await, (0, 0));
    }
}

/// The text of an element, with every space as it stands there.
fn raw(page: &Answer, selector: &str) -> String {
    let selector = scraper::Selector::parse(selector).unwrap();
    let page = scraper::Html::parse_document(&page.body);
    page.select(&selector).next().expect("it stands on the page").text().collect()
}

/// The action and the fields of a form.
fn form_of(html: &str) -> (String, Vec<(String, String)>) {
    let document = scraper::Html::parse_fragment(html);
    let all = |selector: &str| scraper::Selector::parse(selector).unwrap();
    let attribute = |found: scraper::ElementRef<'_>, name| found.attr(name).unwrap_or_default().to_owned();
    let (forms, inputs) = (all("form"), all("input"));
    let form = document.select(&forms).next().expect("a form");
    let fields = document.select(&inputs).map(|input| (attribute(input, "name"), attribute(input, "value")));
    (attribute(form, "action"), fields.collect())
}

/// What a Python program prints, with the signing key where the recipe looks for it.
fn run_python(program: &str, key: &str) -> String {
    let output = Command::new("python3")
        .arg("-c")
        .arg(program)
        .env("BELFRY_SIGNING_KEY", key)
        .env("PYTHONUTF8", "1")
        .stdin(Stdio::null())
        .output()
        .expect("python3 is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

const REAL: Tweaks = Tweaks { flags: &[], only_database: true };

/// The log at its most talkative holds no secret of a portal, and no webhook that it posts.
async fn leave_no_secret_in_the_log(app: &TestApp) {
    let ours = app.tenant("ours", "sue").await;
    app.member(ours, "sam", Role::SystemAdministrator).await;
    let settings = app.settings();
    let mut settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(("BELFRY_LOG", "trace"));
    let process = Process::start(app.folder(), &settings);
    let mut sam = app.visitor().at(&process.origin);
    sam.log_in("sam", PASSWORD).await.is(303);
    let portal = Portal::add(&mut sam, "OA", &BOTH).await;
    let robot = app.robot(RobotKind::DingTalk, ROBOT);
    let mut visitor = app.visitor().at(&process.origin);
    let fields = [("username", "li"), ("dingtalk_robot", robot.as_str())];
    let request = visitor.request(Method::POST, MEMBERS).bearer_auth(&portal.token).form(&fields);
    visitor.send(request).await.is(201);
    let request =
        visitor.request(Method::POST, ALERTS).bearer_auth(&portal.token).form(&[("title", "x"), ("title", "y")]);
    visitor.send(request).await.is(422);
    let form = portal.form(app, "n", SOON, &[("title", "x")]);
    visitor.send(visitor.clone().request(Method::POST, ALERTS).form(&form)).await.is(201);
    process.signal("TERM");
    let (log, status) = process.wait_with_log();
    assert!(status.success() && log.lines().count() > 20, "the log is silent: {log}");
    for secret in [&portal.token, &portal.key, ROBOT] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn no_secret_of_a_portal_is_in_the_log_on_sqlite() {
    run_with(Backend::Sqlite, REAL, leave_no_secret_in_the_log);
}

#[test]
fn no_secret_of_a_portal_is_in_the_log_on_postgres() {
    run_with(Backend::Postgres, REAL, leave_no_secret_in_the_log);
}
