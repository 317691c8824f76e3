//! What monitoring systems and scripts really post: compressed, with a byte order mark, with null and numbers in it. Each is
//! stored, or refused by what is wrong with it.

use std::io::Write as _;

use belfry::db::{AlertId, AnyConnection, schema::alerts};
use diesel::prelude::*;
use flate2::{Compression, write::GzEncoder};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp, User};

const AM: &str = "/intake/alertmanager";
const GF: &str = "/intake/grafana";
const IA: &str = "/intake/alerts";
const IM: &str = "/intake/members";

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
}
