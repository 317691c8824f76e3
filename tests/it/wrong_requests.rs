//! Requests that are wrong in one way: the answer names that way, and a program gets no page.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use reqwest::{Method, RequestBuilder, header};
use serde_json::Value;

use crate::{
    harness::{Answer, TestApp, User},
    permissions::routes,
};

const INTAKE: [&str; 4] = ["/intake/alerts", "/intake/members", "/intake/alertmanager", "/intake/grafana"];
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
/// What Java's `HttpURLConnection` accepts when its program names nothing, before and since release 18.
const JAVA: [&str; 2] =
    ["text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", "text/html, image/gif, image/jpeg, */*; q=0.2"];

/// Adds a portal that may do everything, and returns its token.
async fn token(app: &TestApp) -> String {
    let mut sue = app.log_in("sue").await;
    let fields = [("name", "tickets"), ("scopes", "save_members"), ("scopes", "fire_alerts")];
    let page = sue.post("/t/ours/settings/portals/new", &fields).await.is(201);
    page.attribute("#f-token", "value").expect("a token")
}

/// The problem of an answer to a program; the last part of its type.
#[track_caller]
fn problem(answer: &Answer, what: &str) -> (u16, String, Value) {
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/problem+json"), "{what}: {} {}", answer.status, answer.body);
    let document: Value = serde_json::from_str(&answer.body).expect("JSON");
    assert_eq!(document["status"], answer.status, "{what}");
    let word = document["type"].as_str().and_then(|name| name.rsplit(':').next()).unwrap_or_default().to_owned();
    (answer.status, word, document)
}

/// The fields that a problem names.
fn errors(document: &Value) -> Vec<&str> {
    document["errors"].as_array().expect("a list").iter().filter_map(|error| error["field"].as_str()).collect()
}

/// The first line of the answer to a head whose body never comes; nothing when none comes before the body is given up.
fn first_line(address: &str, head: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time limit");
    stream.write_all(head.as_bytes()).expect("the head is sent");
    let mut line = String::new();
    _ = BufReader::new(stream).read_line(&mut line);
    line
}

fn cut_gzip() -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(br#"{"title":"x"}"#).expect("it is compressed");
    let mut whole = encoder.finish().expect("it is compressed");
    whole.truncate(whole.len() - 9);
    whole
}

/// Who posts what to which page, and the fields in which it is wrong.
type Case<'c> = (&'c str, &'c str, &'c [(&'c str, &'c str)], &'c [&'c str]);
type Change = fn(RequestBuilder) -> RequestBuilder;

/// What a post with a token and a body of JSON is changed by, and the problem that it has then.
fn wrong_bodies() -> Vec<(&'static str, Change, u16, &'static str)> {
    vec![
        ("deflate", |r| r.header("content-encoding", "deflate").body("{}"), 415, "wrong-content-encoding"),
        ("gzip twice", |r| r.header("content-encoding", "gzip, gzip").body("{}"), 415, "wrong-content-encoding"),
        ("no gzip", |r| r.header("content-encoding", "gzip").body("{}"), 400, "malformed"),
        ("cut gzip", |r| r.header("content-encoding", "gzip").body(cut_gzip()), 400, "malformed"),
        ("UTF-16", |r| r.header("content-type", "application/json; charset=utf-16").body("{}"), 415, "wrong-charset"),
        (
            "GBK",
            |r| {
                r.header("content-type", "application/json; charset=gbk").body(&b"{\"title\":\"\xb4\xc5\xc5\xcc\"}"[..])
            },
            415,
            "wrong-charset",
        ),
        ("no UTF-8", |r| r.body(&b"{\"title\":\"\xb4\xc5\"}"[..]), 400, "malformed"),
        ("cut off", |r| r.body("{\"title\":"), 400, "malformed"),
        ("empty key", |r| r.header("idempotency-key", "").body("{}"), 400, "wrong-idempotency-key"),
    ]
}

on_both! {
    async fn a_wrong_post_to_the_intake_is_answered_as_a_problem_that_names_its_cause(app: &TestApp) {
        app.settle().await;
        let token = token(app).await;
        let mut sender = app.visitor();
        let request = |sender: &User, method: Method, path: &str| {
            let request = sender.request(method, path).header(header::ACCEPT, "application/json");
            request.header(header::CONTENT_TYPE, "application/json")
        };
        for path in INTAKE {
            for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
                let answer = sender.send(request(&sender, method.clone(), path).bearer_auth(&token)).await;
                assert_eq!(problem(&answer, path).1, "post-only", "{method} {path}");
                assert_eq!(answer.header("allow"), Some("POST"));
            }
            let name = path.trim_start_matches("/intake/");
            let elsewhere = [
                format!("{path}/"), format!("{path}/x"), format!("/{path}"), format!("/intake//{name}"),
                format!("/intake%2F{name}"), format!("{path}%2F"), format!("{path}%00"), "/intake".to_owned(),
                "/intake/".to_owned(), "/intake/unknown".to_owned(), format!("/Intake/{name}"), format!("/inteke/{name}"),
            ];
            for elsewhere in elsewhere {
                let answer = sender.send(request(&sender, Method::POST, &elsewhere).bearer_auth(&token).body("{}")).await;
                let (status, ..) = problem(&answer, &elsewhere);
                assert!(status == 404 || elsewhere.ends_with("%00") && status == 400, "{elsewhere}: {status}");
            }
            for wrong in ["", "Bearer", "Basic eDp5", "Bearer belfry_0000"] {
                let proof = request(&sender, Method::POST, path).header(header::AUTHORIZATION, wrong).body("{}");
                assert_eq!(problem(&sender.send(proof).await, path).1, "not-proven", "{path}: {wrong}");
            }
            let unproven = sender.send(request(&sender, Method::POST, path).body("{}")).await;
            assert_eq!(problem(&unproven, path).1, "not-proven", "{path}");
            for (what, change, status, word) in wrong_bodies() {
                let post = sender.request(Method::POST, path).header(header::ACCEPT, "application/json").bearer_auth(&token);
                let mut post = change(post).build().expect("a request");
                let json = header::HeaderValue::from_static("application/json");
                post.headers_mut().entry(header::CONTENT_TYPE).or_insert(json);
                let answer = sender.execute(post).await;
                let (got, named, document) = problem(&answer, what);
                assert_eq!((got, named.as_str()), (status, word), "{path}: {what}: {document}");
            }
        }
        for (path, kind) in [("/intake/alerts", "text/plain"), ("/intake/members", "multipart/form-data; boundary=x")] {
            let post = sender.request(Method::POST, path).bearer_auth(&token).header(header::CONTENT_TYPE, kind).body("title=x");
            assert_eq!(problem(&sender.send(post).await, path).1, "unknown-encoding", "{path}: {kind}");
            let large = sender.request(Method::POST, path).bearer_auth(&token).form(&[("content", "x".repeat(140_000))]);
            assert_eq!(problem(&sender.send(large).await, path).1, "too-large", "{path}");
        }
        // What is ASCII is the same in the character set that is claimed.
        let claims = request(&sender, Method::POST, "/intake/alerts").bearer_auth(&token);
        let claims = claims.header(header::CONTENT_TYPE, "application/json; charset=ISO-8859-1").body("{\"title\":\"x\"}");
        let mut claims = claims.build().expect("a request");
        let kind = header::HeaderValue::from_static("application/json; charset=ISO-8859-1");
        claims.headers_mut().insert(header::CONTENT_TYPE, kind);
        sender.execute(claims).await.is(201);
    }

    async fn a_wrong_path_or_content_type_is_named_before_anything_about_forms(app: &TestApp) {
        app.settle().await;
        let mut visitor = app.visitor();
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            let page = visitor.request(method.clone(), "/t/ours/no-such-page").header(header::ACCEPT, BROWSER);
            let page = visitor.send(page.form(&[("a", "b")])).await.is(404);
            assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{method}");
            let program = visitor.request(method, "/alerts").bearer_auth("x").json(&1);
            assert_eq!(problem(&visitor.send(program).await, "/alerts").0, 404);
        }
        let wrong_paths = || async {
            let metrics = app.visitor().get("/metrics").await.is(200).body;
            let line = metrics.lines().find(|line| line.contains("\"wrong-path\"")).expect("it is counted").to_owned();
            line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count")
        };
        let before = wrong_paths().await;
        let paths = ["/", "/t/ours", "/t/ours/audit", "/api/v1/alerts", "/webhook", "//intake/alerts"];
        for path in [&paths[..], &["/intake/nothing"]].concat() {
            let program = visitor.request(Method::POST, path).bearer_auth("x").json(&1);
            let (status, _, document) = problem(&visitor.send(program).await, path);
            assert!([404, 405, 415].contains(&status), "{path}: {status}");
            assert!(document["detail"].as_str().unwrap_or_default().contains("/intake/alertmanager"), "{path}: {document}");
        }
        let behind_proxy = visitor.request(Method::POST, "/webhook").basic_auth("ops", Some("x")).form(&[("a", "b")]);
        visitor.send(behind_proxy.header(header::ACCEPT, BROWSER)).await.is(404);
        assert_eq!(wrong_paths().await, before + paths.len() as u64, "each leaves a trace; what is below /intake is counted there");
        for kind in ["application/json", "multipart/form-data; boundary=x", "text/plain"] {
            let post = visitor.request(Method::POST, "/login").header(header::ACCEPT, BROWSER);
            let page = visitor.send(post.header(header::CONTENT_TYPE, kind).body("{}")).await.is(415);
            assert!(page.text("main").contains("application/x-www-form-urlencoded"), "{kind}: {}", page.body);
        }
        let (status, _, document) = problem(&visitor.send(visitor.request(Method::POST, "/login").json(&1)).await, "JSON");
        assert_eq!(status, 415);
        assert!(document["detail"].as_str().is_some_and(|detail| detail.contains("urlencoded")), "{document}");
    }

    async fn a_program_gets_problems_whatever_it_accepts_and_a_browser_pages(app: &TestApp) {
        app.settle().await;
        let token = token(app).await;
        let mut sender = app.visitor();
        let post = |sender: &User, path: &str, accept: &str| {
            sender.request(Method::POST, path).header(header::ACCEPT, accept).header(header::CONTENT_TYPE, "application/json")
        };
        for accept in [JAVA[0], JAVA[1], BROWSER] {
            for path in INTAKE {
                let wrong = post(&sender, path, accept).bearer_auth(&token).body("{");
                assert_eq!(problem(&sender.send(wrong).await, path).0, 400, "{accept}");
                let unproven = post(&sender, path, accept).body("{\"title\":\"x\"}");
                assert_eq!(problem(&sender.send(unproven).await, path).1, "not-proven", "{accept}");
                let get = sender.request(Method::GET, path).header(header::ACCEPT, accept).bearer_auth(&token);
                assert_eq!(problem(&sender.send(get).await, path).1, "post-only", "{accept}");
            }
            let form = sender.request(Method::POST, "/intake/alerts").header(header::ACCEPT, accept).bearer_auth(&token);
            assert_eq!(problem(&sender.send(form.form(&[("title", "")])).await, accept).1, "invalid-fields");
            let stored = post(&sender, "/intake/alerts", accept).bearer_auth(&token).body("{\"title\":\"x\"}");
            let stored = sender.send(stored).await.is(201);
            assert_eq!(stored.header("content-type"), Some("application/json"), "{accept}");
            for path in ["/webhook", "/t/ours/nothing", "/intake/nothing", "/api/v1/alerts"] {
                let astray = post(&sender, path, accept).bearer_auth(&token).body("{}");
                assert_eq!(problem(&sender.send(astray).await, path).0, 404, "{accept}");
            }
            let get = sender.request(Method::GET, "/t/ours").header(header::ACCEPT, accept).bearer_auth(&token);
            sender.send(get).await.leads_to("/login?next=%2Ft%2Fours");
        }
        for accept in JAVA {
            let signed = sender.request(Method::POST, "/intake/alerts").header(header::ACCEPT, accept).form(&[("title", "x")]);
            assert_eq!(problem(&sender.send(signed).await, accept).1, "not-proven");
            let page = sender.send(post(&sender, "/login", accept).body("{}")).await;
            assert_eq!(problem(&page, accept).0, 415);
        }
        // A signed form of a browser, and whatever a proxy adds to what browsers send.
        let signed = sender.request(Method::POST, "/intake/alerts").header(header::ACCEPT, BROWSER).form(&[("title", "x")]);
        assert!(sender.send(signed).await.is(401).body.contains("<html"));
        let behind_proxy = sender.request(Method::GET, "/nothing").header(header::ACCEPT, BROWSER).bearer_auth("eyJhbGciOi");
        assert!(sender.send(behind_proxy).await.is(404).body.contains("<html"));
    }

    async fn a_path_that_is_used_by_another_method_names_those_that_it_knows(app: &TestApp) {
        app.settle().await;
        let mut sue = app.log_in("sue").await;
        let routes = routes(include_str!("../../src/routes.rs"));
        let paths: BTreeSet<&str> = routes.iter().filter_map(|route| Some(route.split_once(' ')?.1)).collect();
        for path in paths {
            let takes = |method: &str| routes.contains(&format!("{method} {path}"));
            let allow = match (takes("GET"), takes("POST")) {
                (true, true) => "GET, HEAD, POST",
                (true, false) => "GET, HEAD",
                _ => "POST",
            };
            let named = [("{tenant}", "ours"), ("{id}", "1"), ("{file}", "x"), ("{channel}", "x"), ("{reason}", "x")];
            let address = named.iter().fold(path.to_owned(), |address, (name, value)| address.replace(name, value));
            let mut wrong = vec![Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS];
            wrong.extend((!takes("GET")).then_some(Method::GET));
            for method in wrong {
                for accept in [BROWSER, "application/json"] {
                    let request = sue.request(method.clone(), &address).header(header::ACCEPT, accept);
                    let answer = sue.send(request).await.is(405);
                    assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
                }
            }
        }
        let answer = sue.post("/t/ours/audit", &[]).await.is(405);
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
        assert!(answer.text("h1").len() > 1, "{}", answer.body);
    }

    async fn every_mistake_is_named_at_once(app: &TestApp) {
        let town = app.settle().await;
        let token = token(app).await;
        let mut sender = app.visitor();
        let fields = [("username", "a b"), ("phone", "x"), ("email", "x"), ("notify", "maybe"), ("lark_robot", "x")];
        let answer = sender.send(sender.request(Method::POST, "/intake/members").bearer_auth(&token).form(&fields)).await;
        let (status, word, document) = problem(&answer, "members");
        assert_eq!((status, word.as_str()), (422, "invalid-fields"));
        let named = errors(&document);
        assert!(fields.iter().all(|(field, _)| named.contains(field)), "{named:?}");

        let typed = [("usernme", "x"), ("phone", "x"), ("email", "y"), ("email", "y"), ("return_to", "https://evil.example/")];
        let answer = sender.send(sender.request(Method::POST, "/intake/members").bearer_auth(&token).form(&typed)).await;
        let (_, word, document) = problem(&answer, "members");
        assert_eq!(word, "invalid-fields");
        let mut fields = errors(&document);
        fields.sort_unstable();
        assert_eq!(fields, ["email", "phone", "return_to", "username", "usernme"], "{document}");
        let json = r#"{"sevrity":"x","status":"y","receivers":"a b","content":["z"],"link":"a","link":"b"}"#;
        let post = sender.request(Method::POST, "/intake/alerts").bearer_auth(&token).header(header::CONTENT_TYPE, "application/json");
        let (_, word, document) = problem(&sender.send(post.body(json)).await, "alerts");
        assert_eq!(word, "invalid-fields");
        let mut fields = errors(&document);
        fields.sort_unstable();
        assert_eq!(fields, ["content", "link", "receivers", "sevrity", "status", "title"], "{document}");

        let mut sue = app.log_in("sue").await;
        app.alert(town.ours, "Dataphin disk").await;
        let page = sue.post("/t/ours/alerts", &[("what", "quiet"), ("lasts", "0"), ("unit", "hours")]).await.is(422);
        assert_eq!(page.texts("main .fault").len(), 2, "{}", page.body);
        let page = sue.post("/t/ours/settings/message-channel", &[("mode", "odd"), ("on", "fax")]).await.is(422);
        assert_eq!(page.texts("main [role=alert] li").len(), 2, "{}", page.body);
    }

    async fn what_only_the_database_knows_is_named_with_every_other_mistake(app: &TestApp) {
        app.settle().await;
        let mut sue = app.log_in("sue").await;
        let (long, stranger) = ("x".repeat(200), "nobody.here");
        let schedule = [("shifts", "mia"), ("every", "1"), ("unit", "day"), ("starts_on", "2026-03-02"), ("day", "all"), ("handover", "09:00")];
        let rule = [("severity", "info"), ("roles", "super_administrator"), ("channels", "dingtalk"), ("frequency", "5")];
        let portal = [("name", "taken"), ("scopes", "fire_alerts")];
        sue.post("/t/ours/groups/new", &[("name", "taken")]).await.is(303);
        sue.post("/t/ours/schedules/new", &[&schedule[..], &[("name", "taken")]].concat()).await.is(303);
        sue.post("/t/ours/alert-rules/new", &[&rule[..], &[("name", "taken")]].concat()).await.is(303);
        sue.post("/t/ours/settings/portals/new", &portal).await.is(201);
        let group = sue.post("/t/ours/groups/new", &[("name", "other")]).await.is(303);
        let edit = format!("{}/edit", group.header("location").expect("a path"));
        let group = [("name", "Taken"), ("description", long.as_str()), ("members", stranger), ("admins", stranger)];
        let shifts = [("name", "Taken"), ("shifts", stranger), ("day", "hours"), ("hours_from", "x"), ("hours_to", "18:00"), ("outside", stranger)];
        let rules = [("name", "Taken"), ("members", stranger), ("groups", "999"), ("frequency", "x"), ("severity", "info"), ("channels", "dingtalk")];
        let fired = [("title", ""), ("receivers", stranger), ("key", "x"), ("link", "x")];
        let member = [("username", "mia"), ("display_name", "\u{200b}"), ("role", "x")];
        let tenant = [("name", ""), ("slug", "ours"), ("super_admin", "root")];
        let portal = [("name", "Taken"), ("return_origins", "x")];
        let cases: [Case<'_>; 8] = [
            ("sue", "/t/ours/groups/new", &group, &["admins", "description", "members", "name"]),
            ("sue", &edit, &group, &["admins", "description", "members", "name"]),
            ("sue", "/t/ours/schedules/new", &shifts, &["every", "hours_from", "name", "outside", "shifts", "starts_on", "unit"]),
            ("sue", "/t/ours/alert-rules/new", &rules, &["frequency", "groups", "members", "name"]),
            ("sue", "/t/ours/alerts/new", &fired, &["link", "receivers", "title"]),
            ("sue", "/t/ours/members/new", &member, &["display_name", "role", "username"]),
            ("sue", "/t/ours/settings/portals/new", &portal, &["name", "return_origins", "scopes"]),
            ("root", "/instance/tenants/new", &tenant, &["name", "slug"]),
        ];
        for (username, path, fields, wrong) in cases {
            let page = app.log_in(username).await.post(path, fields).await.is(422);
            let mut named = page.attributes("[role=alert] li a", "href");
            named.sort_unstable();
            assert_eq!(named, wrong.iter().map(|field| format!("#f-{field}")).collect::<Vec<_>>(), "{path}");
        }
        // An account that has to be confirmed is asked about beside the rest.
        let tenant = [("name", ""), ("slug", "Wrong"), ("super_admin", "sue")];
        let page = app.log_in("root").await.post("/instance/tenants/new", &tenant).await.is(422);
        assert!(page.attribute("#f-confirmed", "value").is_some(), "{}", page.body);
    }

    async fn a_body_that_is_said_to_be_too_large_is_refused_by_its_head(app: &TestApp) {
        app.settle().await;
        let token = token(app).await;
        let form = "application/x-www-form-urlencoded";
        for (path, kind, proof, status) in [
            ("/intake/alerts", form, "", "413"),
            ("/intake/alerts", "application/json", "", "413"),
            ("/intake/alerts", form, "Authorization: Bearer belfry_0000\r\n", "401"),
            ("/intake/alerts", form, &format!("Authorization: Bearer {token}\r\n"), "413"),
            ("/intake/alertmanager", "application/json", "", "401"),
            ("/intake/grafana", "application/json", &format!("Authorization: Bearer {token}\r\n"), "413"),
            ("/login", form, "", "413"),
        ] {
            let address = app.origin.trim_start_matches("http://").to_owned();
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: {kind}\r\nContent-Length: 50000000\r\n{proof}\r\n"
            );
            let answer = tokio::task::spawn_blocking(move || first_line(&address, &head)).await.expect("an answer");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{path} {kind} {proof}: {answer:?}");
        }
    }

    async fn what_stands_in_the_address_of_a_post_is_named_in_its_warnings(app: &TestApp) {
        app.settle().await;
        let token = token(app).await;
        let mut sender = app.visitor();
        for (path, fields) in [("/intake/alerts", [("title", "x")]), ("/intake/members", [("username", "new.person")])] {
            let warnings = async |sender: &mut User, path: &str| {
                let post = sender.request(Method::POST, path).bearer_auth(&token).form(&fields);
                let answer: Value = serde_json::from_str(&sender.send(post).await.body).expect("JSON");
                answer["warnings"].to_string()
            };
            assert!(warnings(&mut sender, &format!("{path}?severity=critical")).await.contains("query string"), "{path}");
            assert!(!warnings(&mut sender, path).await.contains("query string"), "{path}");
        }
    }
}
