//! Belfry seen from outside: its metrics, whether it is ready, and the number that finds a request in the log.

use std::{net::TcpListener, sync::mpsc, time::Duration};

use belfry::{db::schema::log_in_settings, sandbox::RobotKind};
use diesel::{connection::SimpleConnection as _, prelude::*};
use serde_json::Value;

use crate::{
    harness::{Backend, PASSWORD, Process, TestApp, Tweaks, folder, run_with},
    ledger::scene,
};

/// The value of a metric, by its name and labels.
#[track_caller]
fn value(text: &str, metric: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {metric} in:\n{text}")).parse().expect("a number")
}

/// Waits until /readyz answers like this. What it found is kept for a second.
async fn readyz(app: &TestApp, status: u16, word: &str) {
    let mut last = String::new();
    for _ in 0..100 {
        let answer = app.visitor().get("/readyz").await;
        last = format!("{} {}", answer.status, answer.body.trim_end());
        if last == format!("{status} {word}") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{last} in the place of {status} {word}");
}

on_both! {
    async fn the_metrics_tell_what_was_delivered_what_waits_and_what_is_broken_and_name_nobody(app: &TestApp) {
        scene(app).await;
        app.visitor().log_in("sam", "not the password").await.is(422);
        let answer = app.visitor().get("/metrics").await.is(200);
        let kind = answer.header("content-type").expect("a media type");
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
        let text = answer.body;
        assert_eq!(value(&text, "belfry_attempts_total{channel=\"dingtalk\",meaning=\"delivered\"}") as u32, 2);
        assert!(value(&text, "belfry_attempts_total{channel=\"dingtalk\",meaning=\"broken-keyword\"}") >= 1.0);
        for kind in ["member_saved", "firing"] {
            let metric = format!("belfry_receipt_seconds_count{{channel=\"dingtalk\",kind=\"{kind}\"}}");
            assert_eq!(value(&text, &metric) as u32, 1);
        }
        assert_eq!(value(&text, "belfry_queue_depth{channel=\"dingtalk\"}") as u32, 2);
        assert!(value(&text, "belfry_queue_oldest_seconds{channel=\"dingtalk\"}") < 60.0);
        assert_eq!(value(&text, "belfry_robots_broken{channel=\"dingtalk\"}") as u32, 1);
        for (became, receivers) in [("chosen", 5), ("delivered", 2), ("waiting", 2), ("given_up", 1)] {
            assert_eq!(value(&text, &format!("belfry_ledger_receivers{{became=\"{became}\"}}")) as u32, receivers);
        }
        assert_eq!(value(&text, "belfry_log_in_failures_total") as u32, 1);
        assert!(value(&text, "belfry_http_requests_total{status=\"4xx\"}") >= 1.0);
        assert!(value(&text, "belfry_http_request_seconds_count") >= 4.0);
        assert!(value(&text, "belfry_database_pool_wait_seconds_count") >= 4.0);
        assert!(text.contains("belfry_build_info{version="));
        assert!(text.ends_with("# EOF\n"));
        for name in ["ours", "theirs", "hal", "hugo", "sam", "fake02", "127.0.0.1", "http:"] {
            assert!(!text.contains(name), "{name} in:\n{text}");
        }
    }

    async fn who_comes_by_a_proxy_is_not_told_the_metrics(app: &TestApp) {
        let mut visitor = app.visitor();
        for header in ["X-Forwarded-For", "Forwarded"] {
            let request = visitor.request(reqwest::Method::GET, "/metrics").header(header, "203.0.113.7");
            let answer = visitor.send(request).await.is(404);
            assert!(!answer.body.contains("belfry_"));
        }
        visitor.get("/metrics").await.is(200);
    }

    async fn it_is_ready_as_long_as_the_database_is_of_its_version_and_takes_writes(app: &TestApp) {
        readyz(app, 200, "ready").await;
        // Another connection holds what a write needs, for as long as this end of the channel lives.
        let (release, held) = mpsc::channel::<()>();
        let db = app.db.clone();
        let holding = actix_web::rt::spawn(async move {
            db.write(move |c| {
                diesel::update(log_in_settings::table).set(log_in_settings::id.eq(1)).execute(c)?;
                assert!(held.recv().is_err(), "nobody sends");
                Ok(())
            })
            .await
        });
        readyz(app, 503, "database-unwritable").await;
        app.visitor().get("/healthz").await.is(200);
        drop(release);
        holding.await.expect("no panic").expect("a write");
        readyz(app, 200, "ready").await;
        for (statement, status, word) in [
            ("ALTER TABLE refused_posts RENAME TO gone", 503, "database-version"),
            ("ALTER TABLE gone RENAME TO refused_posts", 200, "ready"),
            ("ALTER TABLE refused_posts RENAME COLUMN first_at TO gone_at", 503, "database-version"),
            ("ALTER TABLE refused_posts RENAME COLUMN gone_at TO first_at", 200, "ready"),
        ] {
            app.db.write(move |c| Ok(c.batch_execute(statement)?)).await.expect("a statement");
            readyz(app, status, word).await;
        }
        let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')";
        app.db.write(move |c| Ok(c.batch_execute(newer)?)).await.expect("a row");
        readyz(app, 503, "database-version").await;
    }

    async fn every_answer_carries_the_number_of_its_request_and_no_stranger_chooses_it(app: &TestApp) {
        let mut visitor = app.visitor();
        let mut seen = std::collections::BTreeSet::new();
        for path in ["/healthz", "/login", "/a-page-that-is-not-there", "/intake/alerts", "/static/none"] {
            let request = visitor.request(reqwest::Method::GET, path).header("X-Request-Id", "mine");
            let answer = visitor.send(request).await;
            let id = answer.header("x-request-id").unwrap_or_else(|| panic!("none on {path}")).to_owned();
            assert!(id.len() == 16 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
            assert!(seen.insert(id), "{path} has the number of another");
        }
    }
}

const BEHIND_A_PROXY: Tweaks = Tweaks { flags: &["--trusted-proxies", "127.0.0.1"], only_database: false };

#[test]
fn a_trusted_proxy_may_number_the_requests() {
    run_with(Backend::Sqlite, BEHIND_A_PROXY, async |app: &TestApp| {
        let mut visitor = app.visitor();
        let request = visitor.request(reqwest::Method::GET, "/login").header("X-Request-Id", "edge-7.42");
        assert_eq!(visitor.send(request).await.header("x-request-id"), Some("edge-7.42"));
    });
}

/// The log lines of a process that say this, as JSON.
fn lines(log: &str, message: &str) -> Vec<Value> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["fields"]["message"] == message).collect()
}

#[test]
fn the_log_lines_of_a_request_have_its_number_also_where_another_thread_writes_them() {
    run_with(Backend::Sqlite, Tweaks { flags: &[], only_database: true }, async |app: &TestApp| {
        let ours = app.settle().await.ours;
        let settings = app.settings();
        let mut settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        settings.extend([("BELFRY_LOG", "belfry=debug"), ("BELFRY_LOG_FORMAT", "json")]);
        let process = Process::start(app.folder(), &settings);
        let mut visitor = app.visitor().at(&process.origin);
        let failed = visitor.log_in("sam", "not the password").await.is(422);
        visitor.log_in("sam", PASSWORD).await.is(303);
        let home = visitor.get("/t/ours?q=what-nobody-else-reads").await.is(200);
        process.signal("TERM");
        let (log, status) = process.wait_with_log();
        assert!(status.success());
        let number = |answer: &crate::harness::Answer| answer.header("x-request-id").expect("a number").to_owned();
        let told = lines(&log, "request refused");
        assert_eq!(told.iter().map(|line| line["span"]["id"].clone()).collect::<Vec<_>>(), [number(&failed)], "{log}");
        let answered = lines(&log, "answered");
        let line = answered.iter().find(|line| line["span"]["id"] == number(&home)).expect("a line");
        assert_eq!((&line["span"]["tenant"], &line["fields"]["status"]), (&Value::from(ours.0), &Value::from(200)));
        assert_eq!(line["span"]["path"], "\"/t/ours\"");
        assert!(!log.contains("what-nobody-else-reads"));
    });
}

#[test]
fn a_line_about_a_call_says_whose_message_it_was_and_nothing_of_the_robot() {
    run_with(Backend::Sqlite, Tweaks { flags: &[], only_database: true }, async |app: &TestApp| {
        let town = app.settle().await;
        app.switch_on().await;
        let settings = app.settings();
        let mut settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        settings.push(("BELFRY_LOG_FORMAT", "json"));
        let process = Process::start(app.folder(), &settings);
        let mut sam = app.visitor().at(&process.origin);
        sam.log_in("sam", PASSWORD).await.is(303);
        let token = "0123456789abcdef".repeat(4);
        let webhook = app.robot(RobotKind::DingTalk, &token);
        sam.post(&format!("/t/ours/members/{}/edit", town.mia), &[("dingtalk_robot", &webhook)]).await.is(303);
        assert!(app.sandbox.wait_for_calls(&token, |calls| !calls.is_empty(), Duration::from_secs(20)).await);
        process.signal("TERM");
        let (log, status) = process.wait_with_log();
        assert!(status.success());
        let called = lines(&log, "a robot was called");
        let [line] = called.as_slice() else { panic!("{log}") };
        let field = |name: &str| line["fields"][name].as_str().unwrap_or_default().to_owned();
        assert_eq!((field("tenant"), field("meaning")), (town.ours.to_string(), "delivered".to_owned()));
        assert!(field("message_id").parse::<i64>().is_ok(), "{log}");
        assert!(!log.contains(&token[..8]), "{log}");
    });
}

#[test]
fn a_process_that_only_delivers_answers_health_and_metrics_alone() {
    let folder = folder();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let settings = [("BELFRY_DELIVER_ONLY", "true"), ("BELFRY_LISTEN", free.as_str())];
    let process = Process::start(folder.path(), &settings);
    assert_eq!(process.line, "delivering");
    actix_web::rt::System::new().block_on(async {
        let mut visitor = process.visitor().at(&format!("http://{free}"));
        visitor.get("/healthz").await.is(200);
        assert_eq!(visitor.get("/readyz").await.is(200).body, "ready\n");
        assert!(visitor.get("/metrics").await.is(200).body.contains("belfry_build_info"));
        for path in ["/", "/login", "/setup", "/intake/alerts"] {
            visitor.get(path).await.is(404);
        }
    });
    process.signal("TERM");
    let (status, rest) = process.wait();
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
}
