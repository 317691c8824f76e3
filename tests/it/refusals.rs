//! What is refused: who is told why, what the operator sees of it, and what a flood of it cannot do.

use std::{
    io::{Read as _, Write as _},
    net::{IpAddr, Shutdown, TcpStream},
};

use diesel::connection::SimpleConnection as _;
use reqwest::{Method, header};

use crate::harness::{Backend, PASSWORD, Process, TestApp, Tweaks, folder, lines, run_with};

/// How often each refusal is repeated: none of the repetitions may write a line of its own.
const OFTEN: usize = 30;

/// The value of a metric; zero when it is not there yet.
fn value(metrics: &str, name: &str) -> usize {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0, |value| value.trim().parse().expect("a number"))
}

fn refusals(metrics: &str, kind: &str) -> usize {
    value(metrics, &format!("belfry_refusals_total{{kind=\"{kind}\"}}"))
}

/// How many lines of a log tell a refusal of this kind.
fn told(log: &str, kind: &str) -> usize {
    log.lines().filter(|line| line.contains(&format!("kind=\"{kind}\""))).count()
}

on_both! {
    async fn each_kind_of_refusal_of_a_page_or_post_is_counted(app: &TestApp) {
        let town = app.settle().await;
        app.portal(town.ours, "the portal").await;
        let (mut mia, mut theo) = (app.log_in("mia").await, app.log_in("theo").await);
        for _ in 0..2 {
            mia.get("/t/ours/settings/portals/new").await.is(403);
            mia.get("/instance/tenants").await.is(403);
            theo.get("/t/ours/members").await.is(404);
        }
        theo.get("/t/theirs/members/999999/edit").await.is(404);
        mia.get("/t/no-such-tenant").await.is(404);
        let request = mia.request(Method::POST, "/logout").form(&[("csrf", "0")]).header("origin", "https://evil.example");
        mia.send(request).await.is(403);
        let mut sender = app.visitor();
        for token in ["Bearer belfry_0000", "Bearer x", "Basic x"] {
            let request = sender.request(Method::POST, "/intake/alerts").form(&[("title", "x")]);
            sender.send(request.header(header::AUTHORIZATION, token)).await.is(401);
        }
        let form = [("title", "x"), ("portal", "1"), ("expires", "1"), ("nonce", "n"), ("signature", "00")];
        sender.send(sender.request(Method::POST, "/intake/alerts").form(&form)).await.is(401);
        let request = sender.request(Method::GET, "/login").header(header::HOST, "evil.example");
        sender.send(request).await.is(400);
        let metrics = app.visitor().get("/metrics").await.is(200).body;
        for (kind, times) in [
            ("forbidden", 4),
            ("foreign-tenant", 3),
            ("cross-site", 1),
            ("wrong-host", 1),
        ] {
            assert_eq!(refusals(&metrics, kind), times, "{kind} in {metrics}");
        }
        for (problem, times) in [("not-proven", 3), ("wrong-signature", 1)] {
            let name = format!("belfry_intake_refused_posts_total{{portal=\"\",type=\"{problem}\"}}");
            assert_eq!(value(&metrics, &name), times, "{problem} in {metrics}");
        }
    }

    async fn ending_sessions_that_are_not_there_leaves_no_audit_row(app: &TestApp) {
        app.settle().await;
        let mut sam = app.log_in("sam").await;
        sam.post("/account/sessions/end", &[("session", "no-such-session")]).await.is(303);
        sam.post("/account/sessions/end-others", &[("password", PASSWORD)]).await.is(303);
        app.visitor().post("/logout", &[]).await;
        let rows = async || {
            let ended = "SELECT action AS line FROM audit WHERE action IN ('session-ended', 'log-out')";
            app.db.read(|c| lines(c, ended.to_owned())).await.expect("the audit log").len()
        };
        assert_eq!(rows().await, 0);
        app.log_in("sam").await;
        sam.post("/account/sessions/end-others", &[("password", PASSWORD)]).await.is(303);
        assert_eq!(rows().await, 1);
        sam.post("/account/sessions/end-others", &[("password", PASSWORD)]).await.is(303);
        assert_eq!(rows().await, 1);
    }
}

#[test]
fn a_foreign_host_is_told_the_setting_and_leaves_one_warning_a_minute() {
    let folder = folder();
    let process = Process::start(folder.path(), &[]);
    actix_web::rt::System::new().block_on(async {
        let mut visitor = process.visitor();
        for _ in 0..OFTEN {
            let request = visitor.request(Method::GET, "/login").header(header::HOST, "belfry.example");
            let page = visitor.send(request).await.is(400).text("main");
            assert!(page.contains("Host") && page.contains("BELFRY_PUBLIC_URL"), "{page}");
        }
        let request = visitor.request(Method::POST, "/intake/alerts").header(header::HOST, "belfry.example");
        let request = request.header(header::AUTHORIZATION, "Bearer belfry_0000").form(&[("title", "x")]);
        let answer = visitor.send(request).await.is(400);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        let problem: serde_json::Value = serde_json::from_str(&answer.body).expect("a problem");
        assert_eq!(problem["type"], "urn:belfry:problem:wrong-host");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("BELFRY_PUBLIC_URL")), "{problem}");
        visitor.language = "zh-CN";
        let request = visitor.request(Method::GET, "/login").header(header::HOST, "belfry.example");
        assert!(visitor.send(request).await.is(400).text("main").contains("BELFRY_PUBLIC_URL"));
        let metrics = process.visitor().get("/metrics").await.is(200).body;
        assert_eq!(refusals(&metrics, "wrong-host"), OFTEN + 2);
    });
    process.signal("TERM");
    let (log, _) = process.wait_with_log();
    assert_eq!(told(&log, "wrong-host"), 1, "{log}");
    assert!(log.contains("belfry.example") && log.contains("BELFRY_PUBLIC_URL"), "{log}");
    assert_eq!(log.lines().filter(|line| line.contains("WARN")).count(), 1, "{log}");
}

#[test]
fn a_refused_post_writes_one_line_with_its_problem_portal_and_path() {
    run_with(Backend::Sqlite, Tweaks { flags: &[], only_database: true }, async |app: &TestApp| {
        app.settle().await;
        let settings = app.settings();
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let process = Process::start(app.folder(), &settings);
        let mut sue = app.visitor().at(&process.origin);
        sue.log_in("sue", PASSWORD).await.is(303);
        let added =
            sue.post("/t/ours/settings/portals/new", &[("name", "tickets"), ("scopes", "fire_alerts")]).await.is(201);
        let token = added.attribute("#f-token", "value").expect("a token");
        let refused = [("/intake/members", "out-of-scope", 403), ("/intake/alerts", "invalid-fields", 422)];
        for (path, _, status) in refused {
            let request = sue.request(Method::POST, path).form(&[("titel", "x")]);
            sue.send(request.header(header::AUTHORIZATION, format!("Bearer {token}"))).await.is(status);
        }
        process.signal("TERM");
        let (log, _) = process.wait_with_log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
        assert_eq!(lines.len(), refused.len(), "{log}");
        for (line, (path, problem, _)) in lines.iter().zip(refused) {
            let parts = [format!("kind=\"{problem}\""), "portal=".to_owned(), path.to_owned(), "127.0.0.1".to_owned()];
            assert!(parts.iter().all(|part| line.contains(part)) && !line.contains(&token), "{line}");
        }
    });
}

#[test]
fn a_log_in_by_https_that_belfry_does_not_know_of_names_the_setting() {
    run_with(Backend::Sqlite, Tweaks::default(), async |app: &TestApp| {
        app.settle().await;
        let mut sue = app.visitor();
        let token = sue.token().await;
        let host = app.origin.trim_start_matches("http://");
        let fields = [("csrf", token.as_str()), ("username", "sue"), ("password", "x")];
        let log_in = |headers: &[(&'static str, String)]| {
            let request = sue.request(Method::POST, "/login").form(&fields);
            headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
        };
        let ours = [
            log_in(&[("origin", format!("https://{host}"))]),
            log_in(&[("origin", "https://belfry.example".to_owned()), ("sec-fetch-site", "same-origin".to_owned())]),
        ];
        let foreign = [
            log_in(&[("origin", "https://evil.example".to_owned())]),
            log_in(&[("origin", format!("https://{host}")), ("sec-fetch-site", "cross-site".to_owned())]),
            log_in(&[("origin", "null".to_owned())]),
        ];
        for request in ours {
            let page = app.visitor().send(request).await.is(403).text("main");
            assert!(page.contains("Origin") && page.contains("BELFRY_PUBLIC_URL"), "{page}");
        }
        for request in foreign {
            assert!(!app.visitor().send(request).await.is(403).body.contains("BELFRY_PUBLIC_URL"));
        }
    });
}

/// Requests that no browser sends, each of them whole.
fn malformed() -> Vec<Vec<u8>> {
    let texts = [
        "GET / HTTP/9.9\r\n\r\n",
        "\u{1}\u{2}\u{3}\r\n\r\n",
        "GET  /\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /login HTTP/1.1\r\nhost 127.0.0.1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 50\r\n\r\nhalf a form",
        "POST /intake/alerts HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer x\r\ncontent-length: 50\r\n\r\nhalf",
        "GET /login HTTP/1.1\r\nhost: 127.0.0.1\r\ncookie: belfry-session=forged; belfry-visitor=\u{7f}\r\n\r\n",
        "GET /login?next=%FF HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
        "BREW /login HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
        "PUT /intake/alerts HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n",
        "GET /login HTTP/1.1\r\n",
    ];
    let long = ["GET /login HTTP/1.1\r\nx: ", &"x".repeat(300_000), "\r\n\r\n"].concat();
    let many = ["GET /login HTTP/1.1\r\n", &"x: y\r\n".repeat(200), "\r\n"].concat();
    let form = "POST /login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/x-www-form-urlencoded\r\n";
    let large = format!("{form}content-length: 200000\r\n\r\n{}", "x".repeat(200_000));
    let tls = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec();
    texts.map(str::to_owned).into_iter().chain([long, many, large]).map(String::into_bytes).chain([tls]).collect()
}

#[test]
fn floods_of_refusals_and_of_malformed_requests_write_a_few_lines_and_no_errors() {
    let folder = folder();
    let process = Process::start(folder.path(), &[]);
    let address = process.origin.trim_start_matches("http://").to_owned();
    for _ in 0..OFTEN {
        for request in malformed() {
            let mut stream = TcpStream::connect(&address).unwrap();
            // What has not been read whole is refused all the same, and then its rest cannot be written.
            drop(stream.write_all(&request));
            drop(stream.shutdown(Shutdown::Write));
            drop(stream.read_to_end(&mut Vec::new()));
        }
    }
    actix_web::rt::System::new().block_on(async {
        let mut sender = process.visitor();
        for _ in 0..OFTEN {
            let request = sender.request(Method::POST, "/intake/alerts").form(&[("title", "x")]);
            sender.send(request.header(header::AUTHORIZATION, "Bearer belfry_s3cret")).await.is(401);
            let request = sender.request(Method::POST, "/login").form(&[("csrf", "0")]);
            sender.send(request.header("origin", "https://evil.example")).await.is(403);
        }
        sender.get("/setup").await.is(200);
    });
    process.signal("TERM");
    let (log, _) = process.wait_with_log();
    assert_eq!((told(&log, "not-proven"), told(&log, "cross-site")), (1, 1), "{log}");
    assert!(!log.contains("ERROR") && log.lines().count() < 20 && !log.contains("s3cret"), "{log}");
}

#[test]
fn a_flood_of_requests_while_the_database_is_away_writes_a_few_lines() {
    run_with(Backend::Sqlite, Tweaks { flags: &[], only_database: true }, async |app: &TestApp| {
        let ours = app.settle().await.ours;
        app.portal(ours, "the portal").await;
        let settings = app.settings();
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let process = Process::start(app.folder(), &settings);
        let mut sam = app.visitor().at(&process.origin);
        sam.log_in("sam", PASSWORD).await.is(303);
        let rename = async |from: &str, to: &str| {
            let tables = ["sessions", "portals", "deliveries"];
            let sql = tables.map(|table| format!("ALTER TABLE {table}{from} RENAME TO {table}{to};")).concat();
            app.db.write(move |c| Ok(c.batch_execute(&sql)?)).await.expect("the tables are renamed");
        };
        rename("", "_away").await;
        for _ in 0..OFTEN {
            assert!(sam.get("/t/ours").await.status >= 500);
            let request = sam.request(Method::POST, "/intake/alerts").form(&[("title", "x")]);
            assert!(sam.send(request.header(header::AUTHORIZATION, "Bearer belfry_0")).await.status >= 500);
            sam.get("/metrics").await.is(200);
        }
        rename("_away", "").await;
        process.signal("TERM");
        let (log, _) = process.wait_with_log();
        for message in ["request failed", "request refused", "health check failed"] {
            let lines = log.lines().filter(|line| line.contains(message)).count();
            assert!(lines <= 3, "{lines} times {message}: {log}");
        }
        assert!(log.lines().count() < 60, "{log}");
    });
}

const BEHIND_A_PROXY: Tweaks = Tweaks {
    flags: &["--public-url", "http://belfry.example", "--trusted-proxies", "127.0.0.9"],
    only_database: false,
};

#[test]
fn metrics_are_for_addresses_of_the_machine_and_for_nobody_who_comes_by_proxy_or_name() {
    run_with(Backend::Sqlite, BEHIND_A_PROXY, async |app: &TestApp| {
        let from = |last: u8| app.visitor_from(IpAddr::from([127, 0, 0, last]));
        from(1).get("/metrics").await.is(200);
        from(9).get("/metrics").await.is(404);
        let mut visitor = from(1);
        for host in
            ["belfry.example", "BELFRY.example", "belfry.example:8080", "evil.example", "127.0.0.1.evil.example", ""]
        {
            let request = visitor.request(Method::GET, "/metrics").header(header::HOST, host);
            visitor.send(request).await.is(404);
        }
        for host in ["127.0.0.1:9", "[::1]:9", "localhost", "192.0.2.7:8080"] {
            let request = visitor.request(Method::GET, "/metrics").header(header::HOST, host);
            visitor.send(request).await.is(200);
        }
        // Health is asked by load balancers, by whatever name and way they have.
        for path in ["/healthz", "/readyz"] {
            from(9).get(path).await.is(200);
            let request = visitor.request(Method::GET, path).header(header::HOST, "evil.example");
            visitor.send(request).await.is(200);
        }
    });
}

const PUBLIC_ADDRESS: Tweaks = Tweaks { flags: &["--public-url", "http://192.0.2.7:8080"], only_database: false };

#[test]
fn metrics_are_not_told_at_a_public_url_that_is_an_address() {
    run_with(Backend::Sqlite, PUBLIC_ADDRESS, async |app: &TestApp| {
        let mut visitor = app.visitor();
        let request = visitor.request(Method::GET, "/metrics").header(header::HOST, "192.0.2.7:8080");
        visitor.send(request).await.is(404);
        visitor.get("/metrics").await.is(200);
    });
}

#[test]
fn one_visitor_who_opens_connections_without_end_shuts_nobody_out() {
    let folder = folder();
    // 256 descriptors: an address may hold 32 connections.
    let process = Process::start_limited(folder.path(), 256);
    let address = process.origin.trim_start_matches("http://").to_owned();
    actix_web::rt::System::new().block_on(async {
        let attacker = IpAddr::from([127, 0, 0, 9]);
        let mut held = Vec::new();
        for _ in 0..400 {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind((attacker, 0).into()).unwrap();
            let stream = socket.connect(address.parse().unwrap()).await.unwrap();
            // One that is closed already cannot be written to.
            drop(stream.try_write(b"GET /login HTTP/1.1\r\nhost:"));
            held.push(stream);
        }
        let mut visitor = process.visitor();
        visitor.get("/healthz").await.is(200);
        visitor.get("/setup").await.is(200);
        let metrics = visitor.get("/metrics").await.is(200).body;
        assert!(refusals(&metrics, "connection") > 0, "{metrics}");
        drop(held);
    });
    process.signal("TERM");
    let (log, status) = process.wait_with_log();
    assert!(status.success());
    assert_eq!(told(&log, "connection"), 1, "{log}");
}

#[test]
fn the_limit_of_open_files_is_raised_at_the_start_and_told_by_check() {
    let folder = folder();
    let process = Process::start_with_soft_limit(folder.path(), 64);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).expect("Linux");
    let line = limits.lines().find(|line| line.starts_with("Max open files")).expect("a limit");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[3], words[4], "{line}");
    let (_, told) = Process::ends(folder.path(), &[], &["check", "--deploy"], "");
    assert!(told.contains("open files") && told.contains("connections"), "{told}");
}
