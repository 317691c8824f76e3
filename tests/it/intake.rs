//! What monitoring systems and scripts really post: compressed, with a byte order mark, with null and numbers in it. Each is
//! stored, or refused by what is wrong with it.

use std::{io::Write as _, time::Duration};

use belfry::{
    db::{
        AlertId, AnyConnection,
        schema::{alerts, members},
    },
    sandbox::{RecordedCall, RobotKind},
};
use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;
use flate2::{Compression, write::GzEncoder};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp, User};

const AM: &str = "/intake/alertmanager";
const GF: &str = "/intake/grafana";
const IA: &str = "/intake/alerts";
const IM: &str = "/intake/members";
const ROBOT: &str = "00000000000000000000000000000000000000000000000000000000fake0007";
const PATIENCE: Duration = Duration::from_secs(30);

/// Adds a portal that may do everything: its token.
async fn portal(user: &mut User, name: &str) -> String {
    let fields = [("name", name), ("scopes", "fire_alerts"), ("scopes", "save_members")];
    let page = user.post("/t/ours/settings/portals/new", &fields).await.is(201);
    page.attribute("#f-token", "value").expect("a token")
}

/// Posts to a door with a token.
async fn send(app: &TestApp, path: &str, token: &str, build: impl FnOnce(RequestBuilder) -> RequestBuilder) -> Answer {
    let mut visitor = app.visitor();
    let request = build(visitor.request(Method::POST, path).bearer_auth(token));
    visitor.send(request).await
}

async fn post(app: &TestApp, path: &str, token: &str, body: impl Into<Vec<u8>>) -> Answer {
    let body = body.into();
    send(app, path, token, |request| request.header("content-type", "application/json").body(body)).await
}

/// The problem document of a refusal.
#[track_caller]
fn problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.body);
    serde_json::from_str(&answer.body).expect("JSON")
}

/// The first field that a refusal names.
#[track_caller]
fn named(answer: &Answer) -> String {
    problem(answer, 422)["errors"][0]["field"].as_str().expect("a field").to_owned()
}

fn zipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// The titles of the stored events, oldest first.
async fn titles(app: &TestApp) -> Vec<String> {
    let titles = |c: &mut AnyConnection| Ok(alerts::table.order(alerts::id).select(alerts::title).load(c)?);
    app.db.read(titles).await.expect("the events")
}

on_both! {
    async fn null_and_numbers_in_a_group_lose_no_alert_and_the_rest_is_named_by_its_path(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let group = r#"{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A"},"annotations":null}]}"#;
        post(app, AM, &token, group).await.is(201);
        let group = r#"{"alerts":[{"status":"firing","labels":{"alertname":"B","port":8080},"startsAt":null}]}"#;
        post(app, AM, &token, group).await.is(201);
        post(app, GF, &token, group.replace("\"B\"", "\"C\"")).await.is(201);
        assert_eq!(titles(app).await, ["A", "B", "C"]);
        let group = r#"{"version":"4","alerts":[{"status":"firing","labels":{"port":[1]}}]}"#;
        assert_eq!(named(&post(app, AM, &token, group).await), "alerts[0].labels.port");
        let group = r#"{"version":"4","alerts":[{"status":"firing","labels":{"a":"1","a":"2"}}]}"#;
        assert_eq!(named(&post(app, GF, &token, group).await), "alerts[0].labels.a");
        let cut = problem(&post(app, AM, &token, "{\n\"version\":").await, 400);
        assert!(cut["detail"].as_str().is_some_and(|detail| detail.contains("line 2")), "{cut}");
        let latin = problem(&post(app, AM, &token, b"{\"version\":\"\xe4\"}".to_vec()).await, 400);
        assert!(latin["detail"].as_str().is_some_and(|detail| detail.contains("UTF-8") && detail.contains("13")), "{latin}");
        let list = problem(&post(app, AM, &token, "[]").await, 400);
        assert!(list["detail"].as_str().is_some_and(|detail| detail.contains("object")), "{list}");
        assert_eq!(titles(app).await.len(), 3);
    }

    async fn a_compressed_post_is_read_at_every_door_within_the_limit_of_what_it_unfolds_to(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let group = json!({ "version": "4", "alerts": [{ "status": "firing", "labels": { "alertname": "A" } }] });
        let (group, alert, member) = (group.to_string(), r#"{"title":"B"}"#, r#"{"username":"zoe"}"#);
        let grafana = group.replace("\"4\"", "\"1\"").replace("\"A\"", "\"C\"");
        for (path, body) in [(AM, &group[..]), (IA, alert), (GF, &grafana[..]), (IM, member)] {
            let gzip = |request: RequestBuilder| request.header("content-encoding", "gzip").header("content-type", "application/json");
            send(app, path, &token, |request| gzip(request).body(zipped(body.as_bytes()))).await.is(201);
            let bomb = zipped(&vec![b' '; 40 * 1024 * 1024]);
            problem(&send(app, path, &token, |request| gzip(request).body(bomb)).await, 413);
            problem(&send(app, path, &token, |request| gzip(request).body(body.to_owned())).await, 400);
            for encoding in ["deflate", "br", "gzip, gzip"] {
                let refused = send(app, path, &token, |request| {
                    request.header("content-encoding", encoding).header("content-type", "application/json").body(body.to_owned())
                });
                let refused = refused.await;
                let document = problem(&refused, 415);
                assert!(document["detail"].as_str().is_some_and(|detail| detail.contains("Content-Encoding")), "{document}");
                assert_eq!(refused.header("accept-encoding"), Some("gzip, identity"));
            }
        }
        let form = |request: RequestBuilder| {
            request.header("content-encoding", "gzip").header("content-type", "application/x-www-form-urlencoded")
        };
        send(app, IA, &token, |request| form(request).body(zipped(b"title=D"))).await.is(201);
        assert_eq!(titles(app).await, ["A", "B", "C", "D"]);
    }

    async fn a_byte_order_mark_before_a_post_is_ignored(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let group = r#"{"version":"4","alerts":[{"status":"firing","labels":{"alertname":"A"}}]}"#;
        post(app, AM, &token, format!("\u{feff}{group}")).await.is(201);
        post(app, IA, &token, "\u{feff}{\"title\":\"B\"}").await.is(201);
        post(app, IM, &token, "\u{feff}{\"username\":\"zoe\"}").await.is(201);
        for body in ["\u{feff}title=C", "%EF%BB%BFtitle=C"] {
            let form = |request: RequestBuilder| request.header("content-type", "application/x-www-form-urlencoded");
            send(app, IA, &token, |request| form(request).body(body)).await.is(201);
        }
        assert_eq!(titles(app).await, ["A", "B", "C"]);
        // The same for what a page posts.
        let form = format!("\u{feff}csrf={}&form_id=1&title=D", sam.token().await);
        let request = sam.request(Method::POST, "/t/ours/alerts/new").header("content-type", "application/x-www-form-urlencoded");
        sam.send(request.body(form)).await.is(303);
        assert_eq!(titles(app).await, ["A", "B", "C", "D"]);
    }

    async fn a_program_is_never_answered_with_a_page(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let mut visitor = app.visitor();
        for path in ["/intake", "/intake/", "/intake/alert", "/intake/alerts/7", "/intake/prometheus/api/v1/alerts"] {
            for method in [Method::GET, Method::POST, Method::PUT] {
                let request = visitor.request(method, path).bearer_auth(&token).body("{}");
                assert_eq!(problem(&visitor.send(request).await, 404)["type"], "urn:belfry:problem:not-found", "{path}");
            }
        }
        for path in [AM, GF, IA, IM] {
            for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
                let request = visitor.request(method, path);
                let refused = visitor.send(request).await;
                problem(&refused, 405);
                assert_eq!(refused.header("allow"), Some("POST"));
            }
            problem(&send(app, path, &token, |request| request.header("content-type", "application/json").body(vec![b' '; 3 << 20])).await, 413);
        }
        // The same on every other path for who accepts JSON and no HTML.
        for (path, accept, status) in [
            ("/api", "*/*", 404),
            ("/api/v1/alerts", "*/*", 404),
            ("/api/v1/alerts", "text/html", 404),
            ("/nothing", "application/json", 404),
            ("/t/ours/nothing", "application/json, text/plain", 404),
            ("/t/nobody/members", "application/problem+json", 404),
            ("/instance/tenants", "application/json", 403),
        ] {
            let request = sam.request(Method::GET, path).header("accept", accept);
            problem(&sam.send(request).await, status);
        }
        let request = sam.request(Method::PUT, "/t/ours/members").header("accept", "application/json");
        problem(&sam.send(request).await, 405);
        let request = sam.request(Method::GET, "/nothing").header("accept", "text/html, application/json");
        assert!(sam.send(request).await.is(404).body.contains("<html"));
        // A form without a word about what is accepted comes from a script.
        let request = visitor.request(Method::POST, IA).form(&[("title", "")]).bearer_auth(&token);
        problem(&visitor.send(request).await, 422);
        let request = visitor.request(Method::POST, IA).form(&[("title", "")]).header("accept", "text/plain");
        problem(&visitor.send(request).await, 401);
    }

    async fn severity_words_of_monitoring_systems_count_and_unknown_ones_are_named_on_the_event(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let words = ["P0", "sev0", "crit", "emerg", "Critical ", "严重", "紧急", "致命", "P1", "warn", "提示", "none", "bogus", ""];
        let alert = |word: &&str| json!({ "status": "firing", "labels": { "alertname": format!("A{word}"), "severity": word } });
        let alerts: Vec<Value> = words.iter().map(alert).collect();
        for path in [AM, GF] {
            let body = json!({ "alerts": alerts });
            post(app, path, &token, body.to_string()).await.is(201);
        }
        let severities = |c: &mut AnyConnection| {
            Ok(alerts::table.order(alerts::id).select((alerts::id, alerts::severity)).load(c)?)
        };
        let severities: Vec<(AlertId, String)> = app.db.read(severities).await.expect("the events");
        let counted: Vec<&str> = severities.iter().map(|(_, severity)| severity.as_str()).collect();
        let expected = [&["critical"; 9][..], &["warning", "info", "info", "warning", "warning"]].concat();
        assert_eq!(counted[..14], expected);
        let note = async |sam: &mut User, place: usize| {
            sam.get(&format!("/t/ours/alerts/{}", severities[place].0)).await.is(200).texts("#unknown-severity").concat()
        };
        assert!(note(&mut sam, 12).await.contains("bogus"));
        assert_eq!(note(&mut sam, 0).await + &note(&mut sam, 13).await, "");
        // The other doors keep their three words.
        assert_eq!(named(&post(app, IA, &token, r#"{"title":"A","severity":"P1"}"#).await), "severity");
    }

    async fn times_of_the_sender_are_shown(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let webhook = app.robot(RobotKind::DingTalk, ROBOT);
        sam.post(&format!("/t/ours/members/{}/edit", town.mia), &[("dingtalk_robot", &webhook)]).await.is(303);
        let rule = [("name", "all"), ("on", "yes"), ("channels", "dingtalk"), ("members", "mia")];
        sam.post("/t/ours/alert-rules/new", &rule).await.is(303);
        let now = app.clock.now();
        let (start, end) = (now - TimeDelta::days(2), now - TimeDelta::hours(1));
        let rfc = |time: NaiveDateTime| format!("{}Z", time.format("%FT%T%.6f"));
        // The clocks of the tenant are those of Shanghai.
        let shown = |time: NaiveDateTime| (time + TimeDelta::hours(8)).format("%F %T").to_string();
        let group = |status: &str, start: &str, end: &str| {
            json!({ "version": "4", "status": status, "alerts": [{
                "status": status, "labels": { "alertname": "A" }, "fingerprint": "a1", "startsAt": start, "endsAt": end,
            }] })
        };
        let event = async |app: &TestApp, body: Value| {
            let answer = post(app, AM, &token, body.to_string()).await.is(201);
            let document: Value = serde_json::from_str(&answer.body).expect("JSON");
            (format!("/t/ours/alerts/{}", document["id"]), document)
        };
        let received = async || {
            let latest = |c: &mut AnyConnection| {
                Ok(alerts::table.order(alerts::id.desc()).select(alerts::first_at).first::<NaiveDateTime>(c)?)
            };
            shown(app.db.read(latest).await.expect("an event"))
        };
        let (path, _) = event(app, group("firing", &rfc(start), "0001-01-01T00:00:00Z")).await;
        let page = sam.get(&path).await.is(200);
        assert_eq!(page.text("#since"), shown(start));
        assert_eq!(page.text("#received"), received().await);
        let list = sam.get("/t/ours/alerts").await.is(200);
        assert!(list.text("tbody tr").contains(&shown(start)), "{}", list.text("tbody tr"));
        // A repetition keeps the earliest start, and an earlier one wins.
        let earlier = start - TimeDelta::days(1);
        for (said, since) in [(now - TimeDelta::minutes(1), start), (earlier, earlier), (start, earlier)] {
            assert_eq!(event(app, group("firing", &rfc(said), "")).await.0, path);
            assert_eq!(sam.get(&path).await.text("#since"), shown(since));
        }
        let (_, document) = event(app, group("resolved", &rfc(start), &rfc(end))).await;
        assert_eq!(document["warnings"], Value::Null);
        assert_eq!(sam.get(&path).await.text("#ended"), shown(end));
        let enough = |calls: &[RecordedCall]| calls.iter().filter(|call| call.delivered_message().is_some()).count() >= 3;
        assert!(app.sandbox.wait_for_calls(ROBOT, enough, PATIENCE).await, "{:?}", app.sandbox.delivered_messages(ROBOT));
        let heard = format!("{:?}", app.sandbox.delivered_messages(ROBOT));
        assert!(heard.contains(&shown(start)) && heard.contains(&shown(end)), "{heard}");
        // The year 1 and the future are no times; what cannot be read is said.
        for odd in ["0001-01-01T00:00:00Z", &rfc(app.clock.now() + TimeDelta::hours(1)), ""] {
            let (path, document) = event(app, group("firing", odd, "")).await;
            let page = sam.get(&path).await.is(200);
            assert_eq!((page.text("#since"), page.texts("#received").len()), (received().await, 0), "{odd}");
            let is_ahead = odd.starts_with("20");
            assert_eq!(document.to_string().contains("more than five minutes in the future"), is_ahead, "{document}");
            event(app, group("resolved", "", "")).await;
        }
        let (_, document) = event(app, group("resolved", &rfc(end), &rfc(start))).await;
        assert!(document["warnings"][0].as_str().is_some_and(|text| text.contains("alerts[0].endsAt")), "{document}");
        let (_, document) = event(app, group("firing", "yesterday", "")).await;
        assert!(document["warnings"][0].as_str().is_some_and(|text| text.contains("alerts[0].startsAt")), "{document}");
    }

    async fn annotations_are_kept_on_the_event_and_in_templates(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let webhook = app.robot(RobotKind::DingTalk, ROBOT);
        sam.post(&format!("/t/ours/members/{}/edit", town.mia), &[("dingtalk_robot", &webhook)]).await.is(303);
        let rule = [("name", "all"), ("on", "yes"), ("channels", "dingtalk"), ("members", "mia")];
        sam.post("/t/ours/alert-rules/new", &rule).await.is(303);
        let body = "{{ product }} {{ title }} impact={{ annotations.impact }} all={{ annotations }}";
        let template = [("title", "{{ product }} {{ title }}"), ("body", body)];
        sam.post("/t/ours/templates/dingtalk/firing", &template).await.is(303);
        let group = json!({ "version": "4", "alerts": [{
            "status": "firing", "labels": { "alertname": "A" },
            "annotations": {
                "summary": "The disk", "description": "is full", "impact": "No orders", "runbook": "http://wiki.corp/disk",
                "script": "javascript://alert(1)", "retries": 3, "empty": "",
            },
        }] });
        let answer = post(app, AM, &token, group.to_string()).await.is(201);
        let document: Value = serde_json::from_str(&answer.body).expect("JSON");
        let page = sam.get(&format!("/t/ours/alerts/{}", document["id"])).await.is(200);
        assert_eq!(page.texts("#annotations dt"), ["impact", "retries", "runbook", "script"]);
        assert_eq!(page.texts("#annotations dd"), ["No orders", "3", "http://wiki.corp/disk", "javascript://alert(1)"]);
        assert_eq!(page.attributes("#annotations a", "href"), ["http://wiki.corp/disk"]);
        let heard = |calls: &[RecordedCall]| calls.iter().filter(|call| call.delivered_message().is_some()).count() >= 2;
        assert!(app.sandbox.wait_for_calls(ROBOT, heard, PATIENCE).await, "{:?}", app.sandbox.delivered_messages(ROBOT));
        let heard = format!("{:?}", app.sandbox.delivered_messages(ROBOT));
        assert!(heard.contains("impact=No orders") && heard.contains("retries=3"), "{heard}");
    }

    async fn a_link_that_cannot_be_kept_costs_the_link_and_not_the_alert(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let kept = post(app, IA, &token, r#"{"title":"A","link":"http://grafana.corp/d/1"}"#).await.is(201);
        let document: Value = serde_json::from_str(&kept.body).expect("JSON");
        assert!(!document["warnings"].to_string().contains("link"), "{document}");
        let page = sam.get(&format!("/t/ours/alerts/{}", document["id"])).await.is(200);
        assert_eq!(page.attributes("dl.facts a", "href"), ["http://grafana.corp/d/1"]);
        let long = format!("https://g.example/{}", "a".repeat(2048));
        for link in ["javascript:alert(1)", "https://user:secret@g.example/", "https://:secret@g.example/", "wiki", &long] {
            let answer = post(app, IA, &token, json!({ "title": "B", "link": link }).to_string()).await.is(201);
            let document: Value = serde_json::from_str(&answer.body).expect("JSON");
            assert!(document["warnings"][0].as_str().is_some_and(|text| text.starts_with("link: ")), "{document}");
            assert!(!answer.body.contains("secret"));
            let page = sam.get(&format!("/t/ours/alerts/{}", document["id"])).await.is(200);
            assert!(page.texts("dl.facts a").is_empty() && !page.body.contains("secret"), "{link}");
            // A person can correct it.
            let page = sam.post("/t/ours/alerts/new", &[("title", "B"), ("link", link)]).await.is(422);
            assert!(!page.text("#e-link").is_empty(), "{link}");
        }
        let group = json!({ "alerts": [{
            "status": "firing", "labels": { "alertname": "C" }, "generatorURL": "http://prom.corp:9090/graph",
            "annotations": { "runbook_url": "https://u:p@wiki.corp/" },
        }, { "status": "firing", "labels": { "alertname": "D" }, "generatorURL": "https://u:p@prom.corp/" }] });
        let answer = post(app, GF, &token, group.to_string()).await.is(201);
        let document: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert!(document["warnings"][0].as_str().is_some_and(|text| text.starts_with("alerts[1].generatorURL: ")), "{document}");
        let links = |c: &mut AnyConnection| Ok(alerts::table.order(alerts::id.desc()).limit(2).select(alerts::link).load(c)?);
        let links: Vec<String> = app.db.read(links).await.expect("the events");
        assert_eq!(links, ["", "http://prom.corp:9090/graph"]);
    }

    async fn a_fingerprint_that_is_replaced_is_named(app: &TestApp) {
        app.settle().await;
        let token = portal(&mut app.log_in("sam").await, "P").await;
        for path in [AM, GF] {
            for (fingerprint, is_kept) in [("c6eadffa33fcdf37", true), ("", true), ("a b", false), (&"f".repeat(65), false)] {
                let body = json!({ "status": "firing", "alerts": [
                    { "status": "firing", "labels": { "alertname": "A" }, "fingerprint": "a1" },
                    { "status": "firing", "labels": { "alertname": "B" }, "fingerprint": fingerprint },
                ] });
                let answer: Value = serde_json::from_str(&post(app, path, &token, body.to_string()).await.is(201).body).expect("JSON");
                let warnings = answer["warnings"].as_array().cloned().unwrap_or_default();
                let named = warnings.iter().filter_map(Value::as_str).filter(|text| text.contains("fingerprint"));
                let named: Vec<&str> = named.collect();
                assert_eq!(named.is_empty(), is_kept, "{path} {fingerprint}: {answer}");
                assert!(named.iter().all(|text| text.starts_with("alerts[1].fingerprint: ")), "{answer}");
            }
        }
    }

    async fn a_key_or_a_name_that_shows_nothing_does_not_win_over_what_does(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "OA").await;
        for (number, blank) in ["", " ", "\u{200b}", "\u{feff}", "\u{a0}\u{3000}", "\u{2060}", "\u{ad}", "\u{3164}", "\u{2800}", "\u{200d}"].iter().enumerate() {
            let title = format!("T{number}");
            post(app, IA, &token, json!({ "title": title, "key": blank }).to_string()).await.is(201);
            assert_eq!(named(&post(app, IA, &token, json!({ "title": blank }).to_string()).await), "title", "{blank:?}");
            let name = if blank.trim().is_empty() { blank } else { "" };
            let member = json!({ "username": format!("m{number}"), "display_name": name });
            post(app, IM, &token, member.to_string()).await.is(201);
            let named = move |c: &mut AnyConnection| {
                Ok(members::table.filter(members::display_name.eq(format!("m{number}"))).count().get_result::<i64>(c)?)
            };
            assert_eq!(app.db.read(named).await.expect("the members"), 1, "{blank:?}");
        }
        // Blanks around a key are no part of it, as around a title.
        for key in ["k", " k ", "\u{feff}k\u{200b}"] {
            post(app, IA, &token, json!({ "title": "keyed", "key": key }).to_string()).await.is(201);
        }
        let keys = |c: &mut AnyConnection| Ok(alerts::table.order(alerts::id).select(alerts::key).load::<String>(c)?);
        let mut keys = app.db.read(keys).await.expect("the events");
        assert_eq!(keys.pop().as_deref(), Some("k"));
        assert_eq!(keys, (0..10).map(|number| format!("T{number}")).collect::<Vec<_>>());
    }

    async fn an_alert_that_notifies_nobody_says_why_and_leads_to_a_rule_for_it(app: &TestApp) {
        let town = app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "OA").await;
        let warning = |answer: &Answer| {
            let document: Value = serde_json::from_str(&answer.body).expect("JSON");
            document["warnings"][0].as_str().unwrap_or_default().to_owned()
        };
        let none = post(app, IA, &token, r#"{"title":"Disk full (db-7)!","severity":"critical"}"#).await.is(201);
        assert!(warning(&none).contains("no alert rule matches"), "{}", none.body);
        let unknown = post(app, IA, &token, r#"{"title":"B","receivers":"mia, nobody"}"#).await.is(201);
        assert!(warning(&unknown).contains("mia: ") && warning(&unknown).contains("nobody: "), "{}", unknown.body);
        let not_open = post(app, IA, &token, r#"{"title":"C","status":"resolved"}"#).await.is(201);
        assert!(warning(&not_open).contains("no open event"), "{}", not_open.body);
        let group = json!({ "alerts": [{ "status": "firing", "labels": { "alertname": "D" } }, { "status": "firing", "labels": { "alertname": "E" } }] });
        let group = post(app, AM, &token, group.to_string()).await.is(201);
        assert!(warning(&group).starts_with("D: "), "{}", group.body);

        // The event's page says so too, and proposes a rule with the alert's values.
        let document: Value = serde_json::from_str(&none.body).expect("JSON");
        let page = sam.get(&format!("/t/ours/alerts/{}", document["id"])).await.is(200);
        assert!(page.text("#unheard").contains("no alert rule matches"));
        let form = sam.get(&page.attribute("#unheard a", "href").expect("a link")).await.is(200);
        assert_eq!(form.attribute("#f-name", "value").as_deref(), Some("Disk full db-7"));
        assert_eq!(form.text("#f-matchers"), "portal=\"OA\"");
        assert_eq!(form.attribute("#f-severity option[selected]", "value").as_deref(), Some("critical"));
        assert_eq!(form.attribute("#f-source option[selected]", "value").as_deref(), Some("portal"));

        // Fire Alert does not answer in green.
        let fired = sam.post("/t/ours/alerts/new", &[("title", "F")]).await.is(303);
        let page = sam.get(fired.header("location").expect("an event")).await.is(200);
        assert!(page.texts(".note.good").is_empty());
        assert!(page.text(".note.wait").contains("nobody was notified"), "{}", page.text(".note.wait"));
        assert!(page.attribute("#unheard a", "href").is_some_and(|link| link.contains("/alert-rules/new?name=F")));

        // Once somebody is reached, nothing of it is left.
        let webhook = app.robot(RobotKind::DingTalk, ROBOT);
        sam.post(&format!("/t/ours/members/{}/edit", town.mia), &[("dingtalk_robot", &webhook)]).await.is(303);
        let heard = post(app, IA, &token, r#"{"title":"G","receivers":"mia"}"#).await.is(201);
        let document: Value = serde_json::from_str(&heard.body).expect("JSON");
        assert_eq!((&document["deliveries"], &document["warnings"]), (&json!(1), &Value::Null));
        assert!(sam.get(&format!("/t/ours/alerts/{}", document["id"])).await.is(200).texts("#unheard").is_empty());
    }

    async fn a_key_belongs_to_its_sender(app: &TestApp) {
        let town = app.settle().await;
        let mut sam = app.log_in("sam").await;
        let (a, b) = (portal(&mut sam, "A").await, portal(&mut sam, "B").await);
        let send = async |token: &str, status: &str| {
            let body = json!({ "title": "T", "key": "k", "status": status }).to_string();
            let answer = post(app, IA, token, body).await.is(201);
            serde_json::from_str::<Value>(&answer.body).expect("JSON")["id"].as_i64().expect("an id")
        };
        let open = async || {
            let open = |c: &mut AnyConnection| {
                let open = alerts::table.filter(alerts::finished_at.is_null()).order(alerts::id);
                Ok(open.select((alerts::id, alerts::count)).load::<(i64, i64)>(c)?)
            };
            app.db.read(open).await.expect("the events")
        };
        let event = send(&a, "firing").await;
        let other = send(&b, "resolved").await;
        assert_ne!(other, event);
        assert_eq!(open().await, [(event, 1)], "what B says does not end what A fired");
        let of_b = send(&b, "firing").await;
        assert_eq!(open().await, [(event, 1), (of_b, 1)]);
        assert_eq!((send(&a, "firing").await, send(&a, "resolved").await), (event, event));
        assert_eq!(open().await, [(of_b, 1)]);
        // The same for persons, and for a fingerprint that two monitoring systems send.
        let mut sue = app.log_in("sue").await;
        let fields = [("title", "T"), ("key", "k")];
        sue.post("/t/ours/alerts/new", &fields).await.is(303);
        assert_eq!(open().await.len(), 2);
        let refused = sam.post("/t/ours/alerts/new", &[&fields[..], &[("status", "resolved")]].concat()).await.is(422);
        assert!(refused.text("#e-status").contains("another sender"));
        assert_eq!(open().await.len(), 2);
        sue.post("/t/ours/alerts/new", &[&fields[..], &[("status", "resolved")]].concat()).await.is(303);
        assert_eq!(open().await, [(of_b, 1)]);
        let group = |status: &str| json!({ "alerts": [{ "status": status, "fingerprint": "f1" }] }).to_string();
        post(app, AM, &a, group("firing")).await.is(201);
        post(app, AM, &b, group("resolved")).await.is(201);
        assert_eq!(open().await.len(), 2);
        post(app, AM, &a, group("resolved")).await.is(201);
        assert_eq!(open().await, [(of_b, 1)]);
        // An event from before keys had owners goes on with whoever sends its key next, and is that sender's from then on.
        let old = app.alert(town.ours, "k2").await;
        let again = |token: &str, status: &'static str| {
            let (body, token) = (json!({ "title": "k2", "status": status }).to_string(), token.to_owned());
            async move { post(app, IA, &token, body).await.is(201) }
        };
        again(&a, "firing").await;
        assert_eq!(open().await, [(of_b, 1), (old.0, 2)]);
        again(&b, "resolved").await;
        assert_eq!(open().await.len(), 2);
        again(&a, "resolved").await;
        assert_eq!(open().await, [(of_b, 1)]);
    }

    async fn what_is_beyond_two_thousand_alerts_is_counted_by_an_event(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let group = |count: usize| {
            let alert = |number: usize| json!({ "status": "firing", "fingerprint": format!("f{number}") });
            json!({ "status": "firing", "groupKey": "g", "alerts": (0..count).map(alert).collect::<Vec<_>>() }).to_string()
        };
        let answer = post(app, AM, &token, group(2003)).await.is(201);
        let document: Value = serde_json::from_str(&answer.body).expect("JSON");
        assert!(document["warnings"][0].as_str().is_some_and(|text| text.starts_with("alerts: ")), "{document}");
        let stored = titles(app).await;
        assert_eq!(stored.len(), 2001);
        assert!(stored[2000].starts_with("3 more alerts of this group were left out"), "{}", stored[2000]);
        let finished = |c: &mut AnyConnection| Ok(alerts::table.filter(alerts::finished_at.is_not_null()).count().get_result::<i64>(c)?);
        post(app, AM, &token, group(1)).await.is(201);
        assert_eq!(app.db.read(finished).await.expect("the events"), 1, "once all fit, that event is over");
    }

    async fn a_group_of_several_transactions_is_stored_once_for_its_key(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let group = |first: usize| {
            let alert = |number| json!({ "status": "firing", "labels": { "alertname": format!("A{number}") } });
            json!({ "version": "4", "alerts": (first..first + 60).map(alert).collect::<Vec<_>>() }).to_string()
        };
        let keyed = async |body: String| {
            let with_key = |request: RequestBuilder| {
                request.header("content-type", "application/json").header("idempotency-key", "k").body(body)
            };
            send(app, AM, &token, with_key).await
        };
        let counts = async || {
            let of_events = |c: &mut AnyConnection| Ok(alerts::table.order(alerts::id).select(alerts::count).load::<i64>(c)?);
            app.db.read(of_events).await.expect("the events")
        };
        let first = keyed(group(0)).await.is(201);
        assert_eq!(counts().await, [1; 60]);
        assert_eq!(keyed(group(0)).await.is(201).body, first.body);
        problem(&keyed(group(30)).await, 409);
        assert_eq!(counts().await, [1; 60], "a repetition stores nothing");
        post(app, AM, &token, group(0)).await.is(201);
        assert_eq!(counts().await, [2; 60]);
    }

    async fn every_refused_post_is_seen_on_the_portals_page_and_in_the_metrics(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "monitoring").await;
        let list = sam.get("/t/ours/settings/portals").await.is(200);
        let path = list.attribute("td a.edit", "href").expect("the portal");
        assert!(sam.get(&path).await.is(200).texts("table.refused").is_empty());
        for _ in 0..3 {
            post(app, AM, &token, vec![b' '; 3 << 20]).await.is(413);
        }
        post(app, AM, &token, "{ canary").await.is(400);
        post(app, IA, &token, r#"{"title":"canary","sevrity":"info"}"#).await.is(422);
        post(app, IA, &token, r#"{"title":""}"#).await.is(422);
        post(app, IA, "belfry_nobody", r#"{"title":"x"}"#).await.is(401);
        let page = sam.get(&path).await.is(200);
        let kinds = page.texts("table.refused code");
        assert_eq!(kinds, ["invalid-fields", "unknown-fields", "malformed", "too-large"]);
        assert_eq!(page.texts("table.refused td:last-child"), ["1", "1", "1", "3"]);
        assert!(page.texts("table.refused td:nth-child(3)").iter().all(|address| address == "127.0.0.1"));
        assert!(!page.body.contains("canary") && !page.body.contains("sevrity") && !page.body.contains(&token));
        // What comes after that is added, and what is a month old is not shown any more.
        post(app, AM, &token, vec![b' '; 3 << 20]).await.is(413);
        let page = sam.get(&path).await.is(200);
        assert_eq!((page.text("table.refused code"), page.text("table.refused td:last-child")), ("too-large".into(), "4".into()));
        let metrics = app.visitor().get("/metrics").await.is(200).body;
        let portal = path.rsplit('/').next().expect("an id");
        for line in [
            format!("belfry_intake_refused_posts_total{{portal=\"{portal}\",type=\"too-large\"}} 4"),
            "belfry_intake_refused_posts_total{portal=\"\",type=\"not-proven\"} 1".to_owned(),
        ] {
            assert!(metrics.lines().any(|found| found == line), "{line} is not in:\n{metrics}");
        }
        let months_later = app.clock.now() + TimeDelta::days(31);
        app.db.write(move |c| belfry::portals::store::posts::sweep(c, months_later)).await.expect("a sweep");
        assert!(sam.get(&path).await.is(200).texts("table.refused").is_empty());
    }

    async fn a_group_that_many_members_are_added_to_hears_their_number_and_not_each(app: &TestApp) {
        app.settle().await;
        app.switch_on().await;
        let mut sam = app.log_in("sam").await;
        let token = portal(&mut sam, "HR").await;
        let member = |number: usize, webhook: &str, notify: &str| {
            json!({ "username": format!("new.{number}"), "dingtalk_robot": webhook, "notify": notify }).to_string()
        };
        let webhook = app.robot(RobotKind::DingTalk, ROBOT);
        for number in 0..25 {
            let answer = post(app, IM, &token, member(number, &webhook, "yes")).await.is(201);
            let document: Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!(document["deliveries"], i64::from(number == 0), "{number}");
        }
        app.clock.advance(TimeDelta::seconds(10));
        let enough = |calls: &[RecordedCall]| calls.iter().filter(|call| call.delivered_message().is_some()).count() >= 2;
        assert!(app.sandbox.wait_for_calls(ROBOT, enough, PATIENCE).await, "{:?}", app.sandbox.delivered_messages(ROBOT));
        let heard = app.sandbox.delivered_messages(ROBOT);
        let last = format!("{:?}", heard.last());
        assert!(heard.len() == 2 && last.contains("25 members"), "{heard:?}");
        // Or none at all.
        let other = "00000000000000000000000000000000000000000000000000000000fake0008";
        let webhook = app.robot(RobotKind::DingTalk, other);
        for (number, notify) in [(100, "no"), (101, "No"), (102, "false")] {
            let answer = post(app, IM, &token, member(number, &webhook, notify)).await.is(201);
            assert!(answer.body.contains("\"deliveries\":0"), "{}", answer.body);
        }
        assert_eq!(named(&post(app, IM, &token, member(103, &webhook, "maybe")).await), "notify");
        app.clock.advance(TimeDelta::minutes(3));
        post(app, IM, &token, member(104, &webhook, "yes")).await.is(201);
        let enough = |calls: &[RecordedCall]| calls.iter().any(|call| call.delivered_message().is_some());
        assert!(app.sandbox.wait_for_calls(other, enough, PATIENCE).await);
        assert_eq!(app.sandbox.delivered_messages(other).len(), 1);
    }

    async fn a_portals_page_has_recipes_and_shows_the_token_again_until_it_is_left(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        let new = "/t/ours/settings/portals/new";
        let fields = [("name", "monitoring"), ("scopes", "fire_alerts")];
        let page = sam.post(new, &fields).await.is(201);
        let token = page.attribute("#f-token", "value").expect("a token");
        let path = format!("/t/ours/settings/portals/{}", page.text("#portal-id"));
        let (alertmanager, grafana) = (page.text("#recipe-alertmanager"), page.text("#recipe-grafana"));
        for part in [&format!("{}/intake/alertmanager", app.origin), "send_resolved: true", "max_alerts: 1000", &token] {
            assert!(alertmanager.contains(part), "{part} is not in {alertmanager}");
        }
        for part in [&format!("{}/intake/grafana", app.origin), "disableResolveMessage: false", "maxAlerts: 1000", &token] {
            assert!(grafana.contains(part), "{part} is not in {grafana}");
        }
        let curl = page.texts("code.curl");
        assert!(curl[0].contains("'key=disk-db-7'") && curl[0].contains(&token), "{curl:?}");
        assert!(curl[1].contains("'key=disk-db-7'") && curl[1].contains("'status=resolved'"), "{curl:?}");

        // A reload of either kind shows it again, to this session alone.
        let shown = |page: &Answer| page.attribute("#f-token", "value");
        assert_eq!(shown(&sam.get(&path).await.is(200)), Some(token.clone()));
        assert_eq!(shown(&sam.post(new, &fields).await.is(201)), Some(token.clone()));
        assert_eq!(shown(&sam.get(&path).await.is(200)), Some(token.clone()));
        let mut eve = app.log_in("eve").await;
        assert_eq!(shown(&eve.get(&path).await.is(200)), None);
        eve.post(new, &fields).await.is(422);
        sam.get("/t/ours/members").await.is(200);
        assert_eq!(shown(&sam.get(&path).await.is(200)), None);
        sam.post(new, &fields).await.is(422);

        let page = sam.post(&format!("{path}/rotate"), &[]).await.is(200);
        let rotated = shown(&page).expect("a token");
        assert_ne!(rotated, token);
        assert_eq!(shown(&sam.get(&path).await.is(200)), Some(rotated));
        app.clock.advance(TimeDelta::minutes(10));
        assert_eq!(shown(&sam.get(&path).await.is(200)), None);
    }

    async fn a_parameter_that_cannot_be_used_is_named_on_the_list(app: &TestApp) {
        let town = app.settle().await;
        let event = format!("alerts/{}", app.alert(town.ours, "Dataphin disk").await);
        let (mut sam, mut mia, mut root) = (app.log_in("sam").await, app.log_in("mia").await, app.log_in("root").await);
        let of_list: &[(&str, &[(&str, &str)])] = &[
            ("alerts", &[
                ("status=odd", "status"), ("severity=critcal", "severity"), ("source=fax", "source"),
                ("recipient=you", "recipient"), ("from=yesterday", "from"), ("until=2026-02-30", "until"),
                ("from=2026-12-02&until=2026-12-01", "from"), ("before=7", "before"), ("after=x.y", "after"), ("before=5.6&after=5.6", "after"),
            ]),
            ("deliveries", &[
                ("status=fialed", "status"), ("channel=fax", "channel"), ("reason=none", "reason"),
                ("from=1600-01-01", "from"), ("to=22.11.2026", "to"), ("from=2026-12-02&to=2026-12-01", "from"), ("message=7a", "message"), ("before=abc", "before"),
                ("after=99999999999999999999", "after"), ("before=5&after=5", "after"),
            ]),
            ("members", &[
                ("role=boss", "role"), ("status=x", "status"), ("contact=any", "contact"), ("robot=x", "robot"),
                ("sort=age", "sort"), ("page=two", "page"), ("page=0", "page"), ("page=-1", "page"), ("page=1.5", "page"),
            ]),
            ("groups", &[("status=maybe", "status"), ("page=x", "page")]),
            ("schedules", &[("unit=year", "unit"), ("page=0", "page")]),
            ("audit", &[("action=nothing", "action"), ("before=abc", "before"), ("after=1e3", "after")]),
            ("alert-rules", &[("state=maybe", "state")]),
            ("alert-rules/new", &[("severity=zz", "severity"), ("source=fax", "source")]),
            (&event, &[("before=abc", "before")]),
            ("", &[("span=year", "span")]),
        ];
        for (list, wrong) in of_list {
            let path = format!("/t/ours/{list}").trim_end_matches('/').to_owned();
            for (query, name) in wrong.iter().chain(&[("colour=red", "colour"), ("%3Cb%3E=1", "<b>")]) {
                let page = sam.get(&format!("{path}?{query}")).await.is(200);
                assert_eq!(page.texts("#unread code"), [*name], "{path}?{query}");
            }
            let twice = wrong[0].1;
            let page = sam.get(&format!("{path}?{twice}=1&{twice}=2")).await.is(200);
            assert_eq!(page.texts("#unread code"), [twice, twice], "{path}");
            assert!(sam.get(&path).await.is(200).texts("#unread").is_empty(), "{path}");
            // What the page's own form sends, and a field that is left empty, can be used.
            let own = sam.get(&path).await.attributes("form.filters [name]", "name").join("=&");
            assert!(sam.get(&format!("{path}?{own}=")).await.is(200).texts("#unread").is_empty(), "{path}?{own}");
        }
        for (path, query, name) in [("tenants", "page=x", "page"), ("audit", "before=abc", "before"), ("audit", "x=1", "x")] {
            let page = root.get(&format!("/instance/{path}?{query}")).await.is(200);
            assert_eq!(page.texts("#unread code"), [name], "{path}?{query}");
        }
        let page = mia.get("/t/ours/members?contact=none").await.is(200);
        assert_eq!(page.texts("#unread code"), ["contact"], "for administrators to know");
        assert!(sam.get("/t/ours/members?contact=none&page=999").await.is(200).texts("#unread").is_empty());
        sam.get("/t/ours/members?q=%FF").await.is(400);
        // A file would not say so, and all would be sent again for a filter that narrows nothing.
        for path in ["deliveries.csv", "deliveries/resend"] {
            let to = "/t/ours/deliveries?from=yesterday";
            for (query, to) in [("from=yesterday", to), ("status=failed&x=1", "/t/ours/deliveries?status=failed&x=1")] {
                let request = sam.request(Method::GET, &format!("/t/ours/{path}?{query}"));
                sam.send(request.header("accept", "text/html,*/*;q=0.8")).await.leads_to(to);
            }
        }
        let swapped = ("from=2026-12-02&to=2026-12-01", "from: 2026-12-02 > 2026-12-01");
        for (query, named) in [("from=yesterday", "from: yesterday"), ("status=failed&x=1", "x: 1"), swapped] {
            let answer = sam.get(&format!("/t/ours/deliveries.csv?{query}")).await;
            let detail = problem(&answer, 400)["detail"].to_string();
            assert!(detail.contains(named), "{detail}");
        }
        let event = sam.get("/t/ours/alerts?from=2026-12-02&until=2026-12-01").await.is(200);
        assert_eq!(event.texts("tbody tr").len(), 1, "the days narrow nothing");
    }
}
