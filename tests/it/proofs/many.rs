//! Four processes on one Postgres: each alert is delivered by exactly one, no robot is rung too often by all of them together, and
//! a process that stood still for longer than its lease records nothing when it goes on.
//!
//! Full form: 4,000 alerts, and the process stands still for 50 seconds. The fast form has fewer, and lets the lease run out in
//! the database.

use std::time::{Duration, Instant};

use belfry::sandbox::{CallVerdict, InjectedFault, RecordedCall, RobotKind};

use super::{
    crew::{Crew, age_leases, drained, is_balanced, query},
    full, oracle,
    sender::Sender,
    sized,
};
use crate::harness::{Backend, Process, TestApp, Tweaks, run_with};

/// The rest of the alerts are Lark's, which takes five times as many a minute as the others and forgets at once what it heard.
fn kind(robot: usize) -> RobotKind {
    [RobotKind::Lark, RobotKind::Lark, RobotKind::DingTalk, RobotKind::WeCom][robot % 4]
}

async fn four_processes(app: &TestApp) {
    let (alerts, robots) = (sized(300_u64, 4_000), 40);
    let crew = Crew::hire(app, (0..robots).map(kind)).await;
    let sender = Sender::new(&crew);
    let settings = app.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let begun = Instant::now();

    // The first process calls a robot that takes its time to answer, and stands still before the answer comes.
    let still = Process::start(app.folder(), &settings);
    let (slow, number) = (crew.robots[0].1.as_str(), 0);
    app.sandbox.inject_fault(slow, InjectedFault::Delay(Duration::from_millis(1_500)), Some(1));
    sender.post_to(vec![still.origin.clone()]);
    sender.store(number).await;
    assert!(
        app.sandbox.wait_for_calls(slow, |calls| calls.len() == 1, Duration::from_secs(10)).await,
        "nothing was called"
    );
    still.signal("STOP");
    let stopped = Instant::now();

    let others: Vec<Process> = (0..3).map(|_| Process::start(app.folder(), &settings)).collect();
    let origins: Vec<String> = others.iter().map(|process| process.origin.clone()).collect();
    sender.post_to(origins.clone());
    sender.store_all(1..alerts / 2, 12).await;
    if full() {
        tokio::time::sleep(Duration::from_secs(50).saturating_sub(stopped.elapsed())).await;
    } else {
        age_leases(app, 1).await;
    }
    let heard_again = |calls: &[RecordedCall]| {
        let read = oracle::Read::of(calls.iter().filter_map(RecordedCall::delivered_message));
        read.times.get(&number) == Some(&2)
    };
    assert!(
        app.sandbox.wait_for_calls(slow, heard_again, Duration::from_secs(60)).await,
        "nobody took the message over"
    );
    still.signal("CONT");
    let late = still.told("a call was recorded too late");
    assert!(late.contains("went back to the queue"), "{late}");

    sender.post_to([origins, vec![still.origin.clone()]].concat());
    sender.store_all(alerts / 2..alerts, 12).await;
    drained(app, sized(60, 1_800)).await;
    let mut logs = Vec::new();
    for process in others.into_iter().chain([still]) {
        process.signal("TERM");
        let (log, status) = process.wait_with_log();
        assert!(status.success(), "{log}");
        logs.push(log);
    }

    let (acknowledged, unanswered) = sender.sums();
    let read = crew.read(app);
    let verdict = oracle::Verdict::of(&acknowledged, &unanswered, &read).holds();
    let calls: Vec<usize> = logs.iter().map(|log| log.matches("a robot was called").count()).collect();
    eprintln!(
        "four processes, {alerts} alerts to {robots} robots in {:.0?}: calls of each {calls:?}, {} messages read; {verdict}",
        begun.elapsed(),
        read.messages
    );
    assert_eq!(verdict.doubled, [number].into(), "only what was in flight when its process stood still");
    assert!(calls.iter().all(|calls| *calls > 0), "a process did nothing: {calls:?}");
    let attempts = "SELECT m.id || ': ' || count(*) AS line FROM attempts a JOIN messages m ON m.id = a.message
                    GROUP BY m.id HAVING count(*) > 1";
    assert_eq!(
        query(app, attempts).await.len(),
        1,
        "only the message of the process that stood still has two attempts"
    );
    let meanings = "SELECT a.meaning AS line FROM attempts a WHERE EXISTS
                    (SELECT 1 FROM attempts l WHERE l.message = a.message AND l.meaning = 'lost') ORDER BY a.number";
    assert_eq!(query(app, meanings).await, ["lost", "delivered"]);
    crew.was_never_refused(app);
    is_balanced(&app.db, app.clock.now()).await;
    crew.was_never_rung_too_often(app);
}

#[test]
fn four_processes_deliver_each_alert_once_and_one_that_stood_still_records_nothing() {
    run_with(Backend::Postgres, Tweaks { flags: &[], only_database: true }, four_processes);
}

#[test]
fn a_call_that_is_answered_after_its_lease_changes_nothing_in_one_process_either() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        run_with(backend, Tweaks::default(), async |app: &TestApp| {
            let crew = Crew::hire(app, [RobotKind::DingTalk; 2]).await;
            let sender = Sender::new(&crew);
            let token = crew.robots[0].1.as_str();
            app.sandbox.inject_fault(token, InjectedFault::Delay(Duration::from_secs(3)), Some(1));
            sender.post_to(vec![app.origin.clone()]);
            sender.store(0).await;
            assert!(app.sandbox.wait_for_calls(token, |calls| calls.len() == 1, Duration::from_secs(10)).await);
            app.clock.advance(chrono::TimeDelta::seconds(46));
            // Wakes the delivery worker.
            sender.store(1).await;
            assert!(app.sandbox.wait_for_calls(token, |calls| calls.len() == 2, Duration::from_secs(10)).await);
            // The first answer comes after the second.
            tokio::time::sleep(Duration::from_secs(3)).await;
            let verdicts: Vec<CallVerdict> = app.sandbox.calls(token).into_iter().map(|call| call.verdict).collect();
            assert_eq!(verdicts, [CallVerdict::Delivered, CallVerdict::Duplicate]);
            let attempts =
                query(app, "SELECT number || ' ' || meaning AS line FROM attempts WHERE message = 1 ORDER BY number")
                    .await;
            assert_eq!(attempts, ["1 lost", "2 delivered"]);
            let deliveries = query(app, "SELECT state AS line FROM deliveries").await;
            assert_eq!(deliveries, ["success", "success"]);
        });
    }
}
