//! No secret in the clear, anywhere: canary tokens go through every door, and are then looked for in the log at its most
//! talkative, in every page, and in every column of the database.

use std::{fs, time::Duration};

use belfry::{
    access::Role,
    sandbox::{InjectedFault, RobotKind},
};

use crate::harness::{Backend, PASSWORD, Process, TestApp, Tweaks, User, dump, run_with};

const REAL: Tweaks = Tweaks { flags: &[], only_database: true };

/// Secrets that are stored, and secrets that are refused on the way in.
const CANARIES: [&str; 8] = [
    "ca9a51c0ffee00000000000000000000000000000000000000000000d1d1a001",
    "ca9a52c0-ffee-4000-8000-00000001a002",
    "ca9a53c0-ffee-4000-8000-00000003ec03",
    "SECca9a54c0ffee000000000000000000000000000000000000000000005ec04a",
    "ca9a55c0ffee0000000000000000000000000000000000000000000000000bad",
    "ca9a56c0ffee00000000000000000000000000000000000000000000000dead0",
    "ca9a57c0ffee000000000000000000000000000000000000000000000testme7",
    "SECca9a58c0ffee00000000000000000000000000000000000000000000bad58",
];

/// Every page that may show something of a member, followed by its links.
async fn pages(user: &mut User, member: &str) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    let mut paths = vec![
        "/".to_owned(),
        "/account".to_owned(),
        "/t/ours".to_owned(),
        "/t/ours/members".to_owned(),
        format!("/t/ours/members/{member}/edit"),
        "/t/ours/me".to_owned(),
        "/t/ours/settings/message-channel".to_owned(),
        "/t/ours/deliveries".to_owned(),
        "/t/ours/audit".to_owned(),
        "/metrics".to_owned(),
        "/readyz".to_owned(),
    ];
    paths.extend((1..=8).map(|delivery| format!("/t/ours/deliveries/{delivery}")));
    for path in paths {
        let page = user.get(&path).await;
        pages.push((path, format!("{:?} {}", page.headers, page.body)));
    }
    pages
}

/// Whether a text holds a canary, whole or in its first or last part, plain or in hexadecimal.
fn canary_in(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    CANARIES.into_iter().find(|canary| {
        let canary = canary.to_lowercase();
        let parts = [&canary[..12], &canary[canary.len() - 12..]];
        parts.iter().any(|part| text.contains(*part) || text.contains(&hex::encode(part)))
    })
}

async fn leave_canaries(app: &TestApp) {
    let ours = app.tenant("ours", "sue").await;
    let mia = app.member(ours, "mia", Role::Member).await.to_string();
    app.switch_on().await;
    let settings = app.settings();
    let mut settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    settings.push(("BELFRY_LOG", "trace"));
    let process = Process::start(app.folder(), &settings);
    let mut sue = app.visitor().at(&process.origin);
    sue.log_in("sue", PASSWORD).await.is(303);

    let dingtalk =
        app.robot_in(RobotKind::DingTalk, CANARIES[0], belfry::sandbox::Group::default().with_secret(CANARIES[3]));
    let lark = app.robot(RobotKind::Lark, CANARIES[1]);
    let wecom = app.robot(RobotKind::WeCom, CANARIES[2]);
    // What a robot answers may hold its own address.
    app.sandbox.inject_fault(CANARIES[1], InjectedFault::Redirect(lark.clone()), Some(1));
    app.sandbox.inject_fault(CANARIES[2], InjectedFault::Status(502), Some(1));
    let (edit, test) = (format!("/t/ours/members/{mia}/edit"), format!("/t/ours/members/{mia}/test"));
    let stored = [
        ("dingtalk_robot", dingtalk.as_str()),
        ("dingtalk_secret", CANARIES[3]),
        ("lark_robot", &lark),
        ("wecom_robot", &wecom),
    ];
    let mut answers = vec![sue.post(&edit, &stored).await.is(303)];
    // Refused: a foreign host, another channel's field, a secret of the wrong form.
    let foreign = RobotKind::DingTalk.webhook_url("https://evil.example", CANARIES[4]);
    answers.push(sue.post(&edit, &[("dingtalk_robot", &foreign), ("phone", "x")]).await.is(422));
    answers.push(sue.post(&edit, &[("wecom_robot", &foreign), ("dingtalk_secret", &CANARIES[7][3..])]).await.is(422));
    // A permitted origin where nobody listens, and a token that no robot has.
    let dead = RobotKind::DingTalk.webhook_url("http://127.0.0.1:1", CANARIES[5]);
    answers.push(sue.post(&test, &[("dingtalk_robot", &dead)]).await.is(200));
    let unknown = RobotKind::DingTalk.webhook_url(&app.sandbox_origin, CANARIES[6]);
    answers.push(sue.post(&test, &[("dingtalk_robot", &unknown)]).await.is(200));
    // In a place where no secret belongs.
    answers.push(sue.get(&format!("/t/ours/members?q={}", CANARIES[4])).await);
    for token in [CANARIES[0], CANARIES[1], CANARIES[2], CANARIES[6]] {
        assert!(app.sandbox.wait_for_calls(token, |calls| !calls.is_empty(), Duration::from_secs(20)).await, "{token}");
    }

    let searched = "/t/ours/members?q=";
    for answer in &answers[..answers.len() - 1] {
        assert_eq!(canary_in(&format!("{:?} {}", answer.headers, answer.body)), None, "{}", answer.body);
    }
    for (path, page) in pages(&mut sue, &mia).await {
        assert_eq!(canary_in(&page), None, "{path}");
    }
    for (table, rows) in dump(&app.db).await {
        for row in rows {
            assert_eq!(canary_in(&row), None, "{table}: {row}");
        }
    }
    process.signal("TERM");
    let (log, status) = process.wait_with_log();
    assert!(status.success());
    assert!(log.lines().count() > 20, "the log is silent: {log}");
    for line in log.lines().filter(|line| !line.contains(searched)) {
        assert_eq!(canary_in(line), None, "{line}");
    }
    for entry in fs::read_dir(app.folder()).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(canary_in(&String::from_utf8_lossy(&bytes)), None, "{}", path.display());
    }
}

#[test]
fn no_canary_is_found_anywhere_on_sqlite() {
    run_with(Backend::Sqlite, REAL, leave_canaries);
}

#[test]
fn no_canary_is_found_anywhere_on_postgres() {
    run_with(Backend::Postgres, REAL, leave_canaries);
}

#[test]
fn a_canary_is_seen_whole_in_part_and_in_hexadecimal() {
    assert!(canary_in("x ca9a51c0ffee0000 y").is_some());
    assert!(canary_in(&hex::encode("CA9A52C0-ffee")).is_some() || canary_in(&hex::encode("ca9a52c0-ffee")).is_some());
    assert_eq!(canary_in("host …a001"), None);
}
