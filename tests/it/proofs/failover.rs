//! A Postgres primary dies under load and its synchronous standby takes its place: every alert that was answered with 201 is
//! delivered, whoever asks meanwhile is told that nothing is stored, a form that is posted meanwhile is kept and saved by a click
//! afterwards, and the service comes back by itself.
//!
//! Full form: 200 alerts a second for 40 seconds, and nobody promotes the standby for twelve: longer than requests wait for the
//! database, so that they are told.

use std::time::{Duration, Instant};

use belfry::sandbox::{Group, RobotKind};
use futures_util::StreamExt as _;
use reqwest::Method;

use super::{
    crew::{Crew, drained, is_balanced},
    full,
    oracle::Verdict,
    sender::Sender,
    sized,
};
use crate::harness::{PASSWORD, PostgresPair, Process, TestApp, lines, run_on};

#[test]
fn a_primary_that_dies_under_load_loses_no_answered_alert_and_is_ridden_out() {
    let mut pair = PostgresPair::start();
    run_on(&pair.url(), async |app: &TestApp| ride_out(app, &mut pair).await);
}

async fn ride_out(app: &TestApp, pair: &mut PostgresPair) {
    let (a_second, seconds, robots) = (sized(50_u64, 200), sized(6_u64, 40), 100);
    let crew = Crew::hire(app, (0..robots).map(|_| RobotKind::DingTalk)).await;
    for (_, token) in &crew.robots {
        app.sandbox.update_group(token, |group: &mut Group| group.has_no_rate_limit = true);
    }
    let sender = Sender::new(&crew);
    let settings = app.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(app.folder(), &settings);
    sender.post_to(vec![process.origin.clone()]);

    let mut sue = process.visitor();
    sue.log_in("sue", PASSWORD).await.is(303);
    let token = sue.token().await;
    let form = [("csrf", token.as_str()), ("phone", ""), ("email", "sue@corp.example")];
    let form = sue.request(Method::POST, "/t/ours/me").form(&form);

    let begun = Instant::now();
    let alerts = a_second * seconds;
    let post = async |number: u64| {
        let due = begun + Duration::from_secs(1).mul_f64(number as f64 / a_second as f64);
        tokio::time::sleep_until(due.into()).await;
        // Each once, and not again: what is not answered with 201 is not to be counted on.
        (sender.post(number, "A text.").await, Instant::now())
    };
    let posting = futures_util::stream::iter((0..alerts).map(post)).buffer_unordered(4_000).collect::<Vec<_>>();
    let dying = async {
        tokio::time::sleep(Duration::from_secs(seconds) / 3).await;
        let killed = Instant::now();
        pair.kill_primary();
        // Somebody, or some program, has to notice; and somebody else saves a form meanwhile.
        let noticed = tokio::time::sleep(Duration::from_millis(sized(1_000, 12_000)));
        let (kept, ()) = tokio::join!(sue.send(form), noticed);
        pair.promote();
        (killed, Instant::now(), kept.is(503))
    };
    let (answers, (killed, promoted, kept)) = tokio::join!(posting, dying);
    // The service is back when a post is stored again.
    let back = begin_again(&sender, alerts).await;
    let first_stored =
        answers.iter().filter(|(status, at)| *status == Some(201) && *at > promoted).map(|(_, at)| *at).min();
    let back = first_stored.map_or(back, |first| first.min(back));

    sue.try_again(&kept).await.leads_to("/t/ours/me");
    let saved = sue.get("/t/ours/me").await.is(200).attribute("#f-email", "value");
    assert_eq!(saved.as_deref(), Some("sue@corp.example"), "what was typed while there was no primary");

    // The test's own connections have died as well.
    drop(app.db.read(|c| lines(c, "SELECT '' AS line".to_owned())).await);
    drained(app, sized(60, 300)).await;
    process.signal("TERM");
    let (log, status) = process.wait_with_log();
    assert!(status.success());
    let (acknowledged, unanswered) = sender.sums();
    let read = crew.read(app);
    let verdict = Verdict::of(&acknowledged, &unanswered, &read).holds();
    let count = |status: Option<u16>| answers.iter().filter(|(answered, _)| *answered == status).count();
    eprintln!(
        "failover at {a_second} alerts a second: {} answered with 201, {} with 503, {} not at all; without service for {:.1?} \
         of which {:.1?} after the promotion; {} messages read; {verdict}",
        count(Some(201)),
        count(Some(503)),
        count(None),
        back - killed,
        back - promoted,
        read.messages
    );
    assert!(back > promoted && count(Some(201)) > 0, "the primary died unnoticed");
    if full() {
        assert!(count(Some(503)) > 0, "nobody was told");
    }
    assert!(
        back - promoted < Duration::from_secs(10),
        "the service came back {:?} after the promotion",
        back - promoted
    );
    assert!(verdict.doubled.is_empty(), "DingTalk knows what it has heard: {verdict}");
    is_balanced(&app.db, app.clock.now()).await;
    if full() {
        eprintln!("  {} lines of its log are faults", log.lines().filter(|line| line.contains("ERROR")).count());
    }
}

/// Stores one more alert: when that was.
async fn begin_again(sender: &Sender<'_>, number: u64) -> Instant {
    tokio::time::timeout(Duration::from_secs(60), sender.store(number)).await.expect("the service does not come back");
    Instant::now()
}
