//! `kill -9` at random moments while alerts come in and go out: nothing answered is lost, nothing is there that nobody sent, and
//! only what was in flight at a kill is ever doubled, at most one message for each kill.
//!
//! Full form: 100 kills, 4,000 alerts, 20 robots.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use belfry::sandbox::RobotKind;

use super::{
    below,
    crew::{Crew, age_leases, drained, is_balanced, query},
    full,
    oracle::{Numbers, Verdict, named},
    sender::Sender,
    sized,
};
use crate::harness::{Backend, Process, TestApp, Tweaks, run_with};

/// DingTalk drops what it has heard before; the others do not, so that a doubled message shows.
fn kind(robot: usize) -> RobotKind {
    match robot % 10 {
        0 => RobotKind::Lark,
        5 => RobotKind::WeCom,
        _ => RobotKind::DingTalk,
    }
}

async fn kill_and_account(app: &TestApp) {
    let (kills, alerts, robots) = (sized(6, 100), sized(200_u64, 4_000), 20);
    let crew = Crew::hire(app, (0..robots).map(kind)).await;
    let sender = Sender::new(&crew);
    let settings = app.settings();
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let begun = Instant::now();
    let mut in_flight: BTreeMap<String, Numbers> = BTreeMap::new();
    let killing = async {
        for kill in 1..=kills {
            let process = Process::start(app.folder(), &settings);
            sender.post_to(vec![process.origin.clone()]);
            tokio::time::sleep(Duration::from_millis(below(sized(400, 2_000)))).await;
            process.kill();
            sender.post_to(Vec::new());
            is_whole(app).await;
            in_flight.extend(on_the_wire(app).await);
            if full() && kill % 10 == 0 {
                eprintln!("  {kill} kills, {} alerts answered", sender.sums().0.len());
            }
        }
        if !full() {
            age_leases(app, i64::MAX).await;
        }
        let process = Process::start(app.folder(), &settings);
        sender.post_to(vec![process.origin.clone()]);
        process
    };
    // So many in each life that the last ones are posted at the last kills.
    let posting = async {
        let in_a_life = alerts.div_ceil(kills);
        for life in 0..kills {
            let numbers = life * in_a_life..((life + 1) * in_a_life).min(alerts);
            sender.store_all(numbers, 8).await;
            tokio::time::sleep(Duration::from_millis(sized(50, 500))).await;
        }
    };
    let (process, ()) = tokio::join!(killing, posting);
    drained(app, sized(90, 1_800)).await;
    is_whole(app).await;
    process.signal("TERM");
    assert!(process.wait().0.success());

    let (acknowledged, unanswered) = sender.sums();
    let read = crew.read(app);
    let verdict = Verdict::of(&acknowledged, &unanswered, &read).holds();
    let cut_off = sender.cut_off.load(std::sync::atomic::Ordering::Relaxed);
    eprintln!(
        "{kills} kills over {alerts} alerts to {robots} robots in {:.0?}: {cut_off} posts cut off, {} messages in flight at a \
         kill, {} messages read; {verdict}",
        begun.elapsed(),
        in_flight.len(),
        read.messages
    );
    assert_eq!(acknowledged.len(), usize::try_from(alerts).unwrap());
    assert!(cut_off > 0, "no kill came while a post was on its way");
    let on_the_wire: Numbers = in_flight.values().flatten().copied().collect();
    assert!(verdict.doubled.is_subset(&on_the_wire), "doubled without having been in flight: {verdict}");
    let doubled = in_flight.values().filter(|carried| !carried.is_disjoint(&verdict.doubled)).count();
    assert!(u64::try_from(doubled).unwrap() <= kills, "{doubled} messages were doubled by {kills} kills");
    let dingtalk = Verdict::of(&Numbers::new(), &acknowledged, &crew.read_by(app, |kind| kind == RobotKind::DingTalk));
    assert!(dingtalk.doubled.is_empty(), "DingTalk knows what it has heard: {dingtalk}");
    crew.was_never_refused(app);
    is_balanced(&app.db, app.clock.now()).await;
}

/// Fails unless the database is whole: by SQLite's own check, and by a recount of what belongs together.
async fn is_whole(app: &TestApp) {
    if app.settings().iter().any(|(_, value)| value.starts_with("sqlite:")) {
        let check = query(app, "SELECT integrity_check AS line FROM pragma_integrity_check").await;
        assert_eq!(check, ["ok"]);
    }
    // A message and what it carries end together and alike; what no message carries waits in the queue or has ended; an alert
    // that is stored has its entry, its delivery and the answer that its key stands for.
    let torn = "SELECT 'delivery ' || d.id || ' is ' || d.state || ', its message ' || m.state AS line
                FROM deliveries d JOIN messages m ON m.id = d.message
                WHERE (d.finished_at IS NULL) <> (m.finished_at IS NULL) OR (d.finished_at IS NOT NULL AND d.state <> m.state)
                UNION ALL SELECT 'delivery ' || id || ' waits nowhere' FROM deliveries
                WHERE message IS NULL AND priority IS NULL AND finished_at IS NULL
                UNION ALL SELECT 'alert ' || a.id || ' without a delivery' FROM alerts a
                WHERE NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.alert = a.id)
                UNION ALL SELECT 'alert ' || a.id || ' without an entry' FROM alerts a
                WHERE NOT EXISTS (SELECT 1 FROM alert_entries e WHERE e.alert = a.id)
                UNION ALL SELECT 'key ' || key || ' without an answer' FROM idempotency WHERE status <> 201
                UNION ALL SELECT count(*) || ' alerts under ' || (SELECT count(*) FROM idempotency) || ' keys' FROM alerts
                HAVING count(*) <> (SELECT count(*) FROM idempotency)";
    assert_eq!(query(app, torn).await, Vec::<String>::new());
}

/// The alerts of each message that was being sent when the process was killed.
async fn on_the_wire(app: &TestApp) -> BTreeMap<String, Numbers> {
    let sending = "SELECT m.id || ' ' || d.title AS line FROM messages m JOIN deliveries d ON d.message = m.id
                   WHERE m.state = 'sending' AND m.finished_at IS NULL";
    let mut messages: BTreeMap<String, Numbers> = BTreeMap::new();
    for line in query(app, sending).await {
        let message = line.split(' ').next().unwrap_or_default().to_owned();
        messages.entry(message).or_default().extend(named(&line));
    }
    messages
}

const REAL: Tweaks = Tweaks { flags: &[], only_database: true };

#[test]
fn kills_lose_no_answered_alert_and_double_only_what_was_in_flight_on_sqlite() {
    run_with(Backend::Sqlite, REAL, kill_and_account);
}

#[test]
fn kills_lose_no_answered_alert_and_double_only_what_was_in_flight_on_postgres() {
    run_with(Backend::Postgres, REAL, kill_and_account);
}
