//! Measures the intake of alerts against its aims, in one run: how many a second are on disk before their answer beside how
//! many Alertmanager takes into memory, and how long an alert takes from its post to its robot. It measures; it does not fail.
//!
//! `cargo bench --bench intake`; see README.md beside this file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on ends"
)]
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

#[path = "../tests/it/harness/alertmanager.rs"]
mod alertmanager;
#[expect(dead_code, reason = "the other bench fills the outbox itself")]
mod crew;
mod everyday;
#[expect(dead_code, reason = "the other bench loads pages")]
mod load;
mod post;
#[expect(dead_code, reason = "the bench of the courier asks for more")]
mod process;
mod robots;

use std::{
    thread,
    time::{Duration, Instant},
};

use alertmanager::Alertmanager;
use belfry::{db::DatabaseAddress, sandbox::Sandbox};
use crew::{CREW, token};
use post::Poster;
use process::Belfry;

/// How often each of the two is loaded in turn, and for how long.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
/// How many alerts a second are followed to their robots, and for how long.
const PACE: u64 = 200;
const SECONDS: u64 = 15;
/// How many members hear of the alerts that are taken in as fast as can be: so few that their robots' minutes are soon full and
/// the intake is measured, which is what Alertmanager does here, and not the sending.
const FEW: u64 = 20;
/// How long the last of them may take.
const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (sandbox, origin) = robots::start(0);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = format!("sqlite://{}", folder.path().join("belfry.db").display());
    let key = crew::seed(&DatabaseAddress::parse(&database).unwrap(), folder.path(), &[&origin]);
    let everyday_key = everyday::seed(&DatabaseAddress::parse(&database).unwrap(), folder.path(), &sandbox, &origin);
    let settings = [("BELFRY_DATABASE_URL", database.as_str()), ("BELFRY_ROBOT_ORIGINS", &origin)];
    let belfry = Belfry::start(folder.path(), &settings);
    let poster = |key: &str, path, body| Poster {
        address: belfry.origin.trim_start_matches("http://").to_owned(),
        path,
        headers: format!("authorization: Bearer {key}\r\n"),
        body,
    };
    receipt(&poster(&key, "/intake/alerts", |number| alert(number, CREW)), &sandbox);
    rates(&poster(&key, "/intake/alerts", |number| alert(number, FEW)), folder.path());
    by_rules(&poster(&everyday_key, "/intake/alertmanager", everyday::alert));
    row("started within, ms", &format!("{:.0}", belfry.started_within.as_secs_f64() * 1000.0), "");
    row("resident after all this, KiB", &belfry.resident().to_string(), "");
}

/// An alert for one of the first so many members.
fn alert(number: u64, members: u64) -> String {
    let member = number % members;
    format!(
        "{{\"title\":\"bench {number}\",\"content\":\"{WORDS}\",\"severity\":\"warning\",\"receivers\":[\"m{member}\"]}}"
    )
}

/// What every alert says.
const WORDS: &str = "a text of some length that says what is wrong and what to do about it";

/// How long alerts take from their post to their robots' receipt, at a steady pace.
fn receipt(ours: &Poster, sandbox: &Sandbox) {
    let sent = ours.pace(PACE, SECONDS, 0);
    let deadline = Instant::now() + PATIENCE;
    let calls = |robot: u64| sandbox.calls(&token(robot));
    let arrived = || (0..CREW).map(|robot| calls(robot).len()).sum::<usize>();
    while arrived() < sent.len() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(50));
    }
    // Each robot is called in the order in which its alerts were posted.
    let mut times: Vec<Duration> = (0..CREW)
        .flat_map(|robot| {
            let own = sent.iter().skip(usize::try_from(robot).unwrap()).step_by(usize::try_from(CREW).unwrap());
            calls(robot).into_iter().zip(own).map(|(call, sent)| call.instant - *sent).collect::<Vec<_>>()
        })
        .collect();
    times.sort();
    row("alerts posted, and received by their robots", &format!("{} / {}", sent.len(), times.len()), "all");
    for (name, part, aim) in [("median", 50, ""), ("95 %", 95, "≤ 100"), ("99 %", 99, "")] {
        let time = times[(times.len() - 1) * part / 100];
        row(
            &format!("post to receipt at {PACE} a second, {name}, ms"),
            &format!("{:.1}", time.as_secs_f64() * 1000.0),
            aim,
        );
    }
}

/// How many alerts a second are on disk before their answer, beside how many Alertmanager takes into memory.
fn rates(ours: &Poster, folder: &std::path::Path) {
    let alertmanager = Alertmanager::start(folder, "route:\n  receiver: none\nreceivers:\n  - name: none\n");
    let theirs = Poster {
        address: alertmanager.address.clone(),
        path: "/api/v2/alerts",
        headers: String::new(),
        body: |number| {
            format!(
                "[{{\"labels\":{{\"alertname\":\"bench {number}\",\"severity\":\"warning\"}},\"annotations\":{{\"description\":\"{WORDS}\"}}}}]"
            )
        },
    };
    let (mut stored, mut taken, mut next) = (Vec::new(), Vec::new(), 1_000_000);
    for _ in 0..ROUNDS {
        taken.push(theirs.load(ROUND, next).0);
        let (rate, after) = ours.load(ROUND, next);
        stored.push(rate);
        next = after;
    }
    let (stored, taken) = (median(&mut stored), median(&mut taken));
    row("Alertmanager, alerts into memory a second", &format!("{taken:.0}"), "");
    row("Belfry, alerts on disk before their answer a second", &format!("{stored:.0}"), "");
    row("… ratio", &format!("{:.2}", stored / taken), "≥ 0.7");
}

/// How many alerts a second are on disk before their answer when rules choose who is notified.
fn by_rules(ours: &Poster) {
    let (mut stored, mut next) = (Vec::new(), 10_000_000);
    for _ in 0..ROUNDS {
        let (rate, after) = ours.load(ROUND, next);
        stored.push(rate);
        next = after;
    }
    let name = "by three rules, four receivers, three channels, alerts a second";
    row(name, &format!("{:.0}", median(&mut stored)), "");
}

fn row(what: &str, figure: &str, aim: &str) {
    println!("{what:<64} {figure:>22}  {aim}");
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
