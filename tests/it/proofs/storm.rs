//! A storm of alerts for one robot that takes twenty messages a minute: it is never told to slow down, and within a minute of the
//! last alert its group has every one of them, named or counted, none missing and none twice.
//!
//! Full form: 10,000 alerts within a minute, the real binary, real limits and no clock moved. The fast form has 400 and
//! lets the time go by.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use belfry::sandbox::{DeliveredMessage, RobotKind};
use chrono::TimeDelta;
use futures_util::StreamExt as _;

use super::{
    crew::{Crew, is_balanced, open, query},
    full,
    oracle::{Read, Verdict},
    sender::Sender,
};
use crate::harness::{Backend, Process, TestApp, Tweaks, run_with};

/// How soon after the last alert the group must have them all.
const SOON: Duration = Duration::from_secs(60);

/// Whether everything that was acknowledged has been read.
fn is_complete(sender: &Sender<'_>, read: &Read) -> bool {
    let (acknowledged, unanswered) = sender.sums();
    Verdict::of(&acknowledged, &unanswered, read).lost.is_empty()
}

/// Fails unless the oracle holds, nothing is doubled or counted twice, the record says of every alert which message carried it,
/// and the robot never refused anything.
async fn account(app: &TestApp, crew: &Crew, sender: &Sender<'_>, alerts: u64) -> Verdict {
    let (acknowledged, unanswered) = sender.sums();
    let verdict = Verdict::of(&acknowledged, &unanswered, &crew.read(app)).holds();
    assert!(verdict.doubled.is_empty() && verdict.overcounted == 0, "{verdict}");
    let carried = "SELECT count(*) || ' of ' || count(d.message) || ' by ' || count(m.id) AS line FROM deliveries d
                   LEFT JOIN messages m ON m.id = d.message AND m.state = 'success' WHERE d.state = 'success'";
    assert_eq!(query(app, carried).await, [format!("{alerts} of {alerts} by {alerts}")]);
    crew.was_never_refused(app);
    is_balanced(&app.db, app.clock.now()).await;
    verdict
}

async fn fast(app: &TestApp) {
    let alerts = 400;
    let crew = Crew::hire(app, [RobotKind::DingTalk]).await;
    let sender = Sender::new(&crew);
    sender.post_to(vec![app.origin.clone()]);
    sender.store_all(0..alerts, 16).await;
    let mut gone_by = 0;
    while !is_complete(&sender, &crew.read(app)) || open(app).await > 0 {
        assert!(gone_by <= SOON.as_secs(), "{} deliveries are open after {gone_by} s", open(app).await);
        app.clock.advance(TimeDelta::seconds(1));
        gone_by += 1;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let verdict = account(app, &crew, &sender, alerts).await;
    eprintln!("{alerts} alerts to one robot: in {} messages within {gone_by} s; {verdict}", crew.read(app).messages);
}

async fn whole(app: &TestApp) {
    let (alerts, within) = (10_000_u64, Duration::from_secs(55));
    let crew = Crew::hire(app, [RobotKind::DingTalk]).await;
    let token = crew.robots[0].1.as_str();
    let sender = Sender::new(&crew);
    let settings = app.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(app.folder(), &settings);
    sender.post_to(vec![process.origin.clone()]);
    let begun = Instant::now();
    let post = async |number: u64| {
        let due = begun
            + within.mul_f64(f64::from(u32::try_from(number).unwrap()) / f64::from(u32::try_from(alerts).unwrap()));
        tokio::time::sleep_until(due.into()).await;
        sender.store(number).await;
    };
    futures_util::stream::iter((0..alerts).map(post)).buffer_unordered(64).for_each(async |()| {}).await;
    let (posted, last) = (begun.elapsed(), Instant::now());
    let early = crew.read(app);
    eprintln!(
        "  {alerts} alerts stored within {posted:.1?}; {} messages read so far, which name {} and count {} more",
        early.messages,
        early.times.len(),
        early.unnamed
    );
    while !is_complete(&sender, &crew.read(app)) {
        assert!(last.elapsed() < SOON, "not all is read {SOON:?} after the last alert");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let complete = last.elapsed();
    while open(app).await > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    process.signal("TERM");
    assert!(process.wait().0.success());
    let verdict = account(app, &crew, &sender, alerts).await;
    crew.was_never_rung_too_often(app);
    let heard: Vec<DeliveredMessage> = app.sandbox.delivered_messages(token);
    let read = crew.read(app);
    eprintln!(
        "{alerts} alerts to one robot within {posted:.1?}: in {} messages, which name {} and count {} more, all {complete:.1?} \
         after the last one; {} posts were told to come again; {verdict}",
        heard.len(),
        read.times.len(),
        read.unnamed,
        sender.refused.load(Ordering::Relaxed)
    );
    assert!(posted <= Duration::from_secs(60), "posting took {posted:?}: this machine shows nothing about a minute");
}

fn storm(backend: Backend) {
    if full() {
        run_with(backend, Tweaks { flags: &[], only_database: true }, whole);
    } else {
        run_with(backend, Tweaks::default(), fast);
    }
}

#[test]
fn a_storm_is_accounted_for_within_a_minute_without_a_throttle_on_sqlite() {
    storm(Backend::Sqlite);
}

#[test]
fn a_storm_is_accounted_for_within_a_minute_without_a_throttle_on_postgres() {
    storm(Backend::Postgres);
}
