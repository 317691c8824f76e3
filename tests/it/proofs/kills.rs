//! `kill -9` at random moments while alerts come in and go out: nothing answered is lost, nothing is there that nobody sent, and
//! only what was in flight at a kill is ever doubled: at each kill at most one message of a robot, which is called once at a time,
//! and over all no more messages than kills.
//!
//! Full form: 100 kills, 4,000 alerts, 20 robots.

use std::{
    collections::{BTreeMap, BTreeSet},
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
    let mut flights = Flights::default();
    let killing = async {
        for kill in 1..=kills {
            let process = Process::start(app.folder(), &settings);
            sender.post_to(vec![process.origin.clone()]);
            tokio::time::sleep(Duration::from_millis(below(sized(400, 2_000)))).await;
            process.kill();
            sender.post_to(Vec::new());
            is_noticed(app).await;
            is_whole(app).await;
            flights.cut_off(on_the_wire(app).await);
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
    // What the last kill cut off is claimed again after 45 s, and a robot whose minute is full by then waits for another.
    drained(app, sized(240, 1_800)).await;
    is_whole(app).await;
    process.signal("TERM");
    assert!(process.wait().0.success());

    let (acknowledged, unanswered) = sender.sums();
    let read = crew.read(app);
    let verdict = Verdict::of(&acknowledged, &unanswered, &read).holds();
    let cut_off = sender.cut_off.load(std::sync::atomic::Ordering::Relaxed);
    let doubled = flights.doubled(&read.times).expect("only what was in flight at a kill is doubled, once at each");
    let most = doubled.iter().max().copied().unwrap_or_default();
    eprintln!(
        "{kills} kills over {alerts} alerts to {robots} robots in {:.0?}: {cut_off} posts cut off, {} messages in flight at a \
         kill, {} of them doubled, at most {most} at one kill, {} messages read; {verdict}",
        begun.elapsed(),
        flights.0.iter().map(Vec::len).sum::<usize>(),
        doubled.iter().sum::<usize>(),
        read.messages
    );
    assert_eq!(acknowledged.len(), usize::try_from(alerts).unwrap());
    assert!(cut_off > 0, "no kill came while a post was on its way");
    assert!(doubled.iter().sum::<usize>() <= usize::try_from(kills).unwrap(), "{doubled:?} were doubled, kill by kill");
    let dingtalk = Verdict::of(&Numbers::new(), &acknowledged, &crew.read_by(app, |kind| kind == RobotKind::DingTalk));
    assert!(dingtalk.doubled.is_empty(), "DingTalk knows what it has heard: {dingtalk}");
    crew.was_never_refused(app);
    is_balanced(&app.db, app.clock.now()).await;
}

/// Waits until nothing goes on for the process that was killed: Postgres may still be storing what it was told last.
async fn is_noticed(app: &TestApp) {
    if app.postgres.is_none() {
        return;
    }
    let busy = "SELECT '' AS line FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
    let deadline = Instant::now() + Duration::from_secs(20);
    while !query(app, busy).await.is_empty() {
        assert!(Instant::now() < deadline, "Postgres does not notice a kill");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
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
                UNION ALL SELECT 'key ' || key || ' without an answer' FROM idempotency_keys WHERE status <> 201
                UNION ALL SELECT count(*) || ' alerts under ' || (SELECT count(*) FROM idempotency_keys) || ' keys' FROM alerts
                HAVING count(*) <> (SELECT count(*) FROM idempotency_keys)";
    assert_eq!(query(app, torn).await, Vec::<String>::new());
}

/// A call that a kill cut off, as far as anybody can know: it was not recorded.
struct Flight {
    robot: String,
    /// The message and the number of the claim, which is another at each try.
    call: String,
    /// The alerts that it carries.
    alerts: Numbers,
}

/// The calls that were cut off at each kill.
#[derive(Default)]
struct Flights(Vec<Vec<Flight>>);

impl Flights {
    /// Notes what is unrecorded after one more kill. What was so at an earlier kill already was cut off there.
    #[track_caller]
    fn cut_off(&mut self, unrecorded: Vec<Flight>) {
        let robots: BTreeSet<&String> = unrecorded.iter().map(|flight| &flight.robot).collect();
        assert_eq!(robots.len(), unrecorded.len(), "a robot was called twice at a time");
        let known = |flight: &Flight| self.0.iter().flatten().any(|earlier| earlier.call == flight.call);
        let new = unrecorded.into_iter().filter(|flight| !known(flight)).collect();
        self.0.push(new);
    }

    /// How many messages were doubled by each kill, by how often each alert was read. A message that was cut off at several
    /// kills counts for the first of them, as often as it was read too often.
    ///
    /// # Errors
    /// The alerts that were read more often than calls with them were cut off, and how much more often.
    fn doubled(&self, times: &BTreeMap<u64, u64>) -> Result<Vec<usize>, BTreeMap<u64, u64>> {
        let mut unexplained: BTreeMap<u64, u64> =
            times.iter().filter(|(_, times)| **times > 1).map(|(alert, times)| (*alert, times - 1)).collect();
        let mut doubled = Vec::new();
        for kill in &self.0 {
            let mut messages = 0;
            for flight in kill {
                let mut explains = 0;
                for alert in &flight.alerts {
                    if let Some(left) = unexplained.get_mut(alert).filter(|left| **left > 0) {
                        *left -= 1;
                        explains = 1;
                    }
                }
                messages += explains;
            }
            doubled.push(messages);
        }
        unexplained.retain(|_, left| *left > 0);
        if unexplained.is_empty() { Ok(doubled) } else { Err(unexplained) }
    }
}

/// What was being sent when the process was killed.
async fn on_the_wire(app: &TestApp) -> Vec<Flight> {
    let sending = "SELECT m.robot || ' ' || m.id || '/' || m.fence || ' ' || d.title AS line
                   FROM messages m JOIN deliveries d ON d.message = m.id
                   WHERE m.state = 'sending' AND m.finished_at IS NULL";
    let mut flights: BTreeMap<String, Flight> = BTreeMap::new();
    for line in query(app, sending).await {
        let mut words = line.split(' ').map(str::to_owned);
        let (robot, call) = (words.next().expect("a robot"), words.next().expect("a call"));
        let flight = flights.entry(call.clone()).or_insert_with(|| Flight { robot, call, alerts: Numbers::new() });
        flight.alerts.extend(named(&line));
    }
    flights.into_values().collect()
}

#[test]
fn a_message_that_is_doubled_is_counted_at_the_kill_that_cut_it_off() {
    let flight = |robot: &str, call: &str, alerts: &[u64]| Flight {
        robot: robot.to_owned(),
        call: call.to_owned(),
        alerts: alerts.iter().copied().collect(),
    };
    let mut flights = Flights::default();
    flights.cut_off(vec![flight("1", "7/1", &[1, 2]), flight("2", "8/1", &[3])]);
    // 8 is still unrecorded, 7 was called again.
    flights.cut_off(vec![flight("1", "7/2", &[1, 2]), flight("2", "8/1", &[3])]);
    let doubled = |times: &[(u64, u64)]| flights.doubled(&times.iter().copied().collect());
    assert_eq!(doubled(&[(1, 2), (2, 2), (3, 1), (4, 1)]), Ok(vec![1, 0]));
    assert_eq!(doubled(&[(1, 3), (2, 3), (3, 2)]), Ok(vec![2, 1]));
    for (alert, times) in [(1, 4), (3, 3), (4, 2)] {
        assert_eq!(doubled(&[(alert, times)]), Err([(alert, 1)].into()));
    }
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
