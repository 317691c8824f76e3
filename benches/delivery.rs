//! Measures delivery against its aims, in one run: messages a second, how long an alert takes while other robots hang, memory
//! while much waits, and what a message costs after a million others. It measures; it does not fail.
//!
//! `cargo bench --bench delivery`; see README.md beside this file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on ends"
)]
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

mod crew;
#[expect(dead_code, reason = "the other bench loads pages")]
mod load;
#[expect(dead_code, reason = "the other bench posts as fast as it can")]
mod post;
#[expect(dead_code, reason = "the other benches ask for the memory of the moment")]
mod process;
mod robots;

use std::{
    thread,
    time::{Duration, Instant},
};

use belfry::{
    db::DatabaseAddress,
    sandbox::{InjectedFault, RecordedCall, Sandbox},
};
use crew::{CREW, token};
use diesel::connection::SimpleConnection as _;
use post::Poster;
use process::Belfry;

/// How many messages a quiet robot is sent one by one, not folded.
const EACH: u64 = 12;
/// How many robots hang, while alerts come in at this pace for so long.
const HANGING: u64 = 10;
const PACE: u64 = 200;
const SECONDS: u64 = 15;
/// How much was delivered before, when the cost of a message is measured.
const BEFORE: [u64; 2] = [10_000, 1_000_000];
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() {
    drop(rustls::crypto::ring::default_provider().install_default());
    sends();
    hanging();
    memory();
    costs();
}

/// A database of its own with robots, and all that is needed to start Belfry on it.
struct Site {
    folder: tempfile::TempDir,
    database: String,
    origins: String,
    sandboxes: Vec<Sandbox>,
    key: String,
}

impl Site {
    fn new(sandboxes: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let database = format!("sqlite://{}", folder.path().join("belfry.db").display());
        let (sandboxes, origins): (Vec<_>, Vec<_>) = (0..sandboxes).map(|number| robots::start(number * CREW)).unzip();
        let names: Vec<&str> = origins.iter().map(String::as_str).collect();
        let key = crew::seed(&DatabaseAddress::parse(&database).unwrap(), folder.path(), &names);
        Self { folder, database, origins: origins.join(","), sandboxes, key }
    }

    fn address(&self) -> DatabaseAddress {
        DatabaseAddress::parse(&self.database).unwrap()
    }

    fn belfry(&self) -> Belfry {
        let settings = [
            ("BELFRY_DATABASE_URL", self.database.as_str()),
            ("BELFRY_ROBOT_ORIGINS", &self.origins),
            ("BELFRY_LOG", "warn"),
        ];
        Belfry::start(self.folder.path(), &settings)
    }

    fn sql(&self, statements: &str) {
        self.address().connect().expect("a connection").batch_execute(statements).expect("statements that work");
    }

    /// The robots: their sandbox, and the number of their member.
    fn robots(&self) -> impl Iterator<Item = (&Sandbox, u64)> {
        let numbered = (0..).step_by(usize::try_from(CREW).unwrap()).zip(&self.sandboxes);
        numbered.flat_map(|(first, sandbox)| (first..first + CREW).map(move |number| (sandbox, number)))
    }

    /// The calls of all robots, once there are so many.
    fn called(&self, times: u64) -> Vec<RecordedCall> {
        let (times, deadline) = (usize::try_from(times).unwrap(), Instant::now() + PATIENCE);
        loop {
            let calls: Vec<RecordedCall> =
                self.robots().flat_map(|(sandbox, number)| sandbox.calls(&token(number))).collect();
            if calls.len() >= times || Instant::now() > deadline {
                return calls;
            }
            thread::sleep(Duration::from_millis(250));
        }
    }
}

/// How many messages a second one process sends to many robots.
fn sends() {
    let site = Site::new(2);
    crew::enqueue(&site.address(), EACH);
    let _belfry = site.belfry();
    let mut arrived: Vec<Instant> = site.called(2 * CREW * EACH).iter().map(|call| call.instant).collect();
    arrived.sort();
    let took = arrived[arrived.len() - 1] - arrived[0];
    let rate = float(arrived.len()) / took.as_secs_f64();
    row(&format!("messages a second, {} to {} robots", arrived.len(), 2 * CREW), rate, "≥ 1,500");
}

/// How long alerts take to robots that work while others hang.
fn hanging() {
    let site = Site::new(1);
    for number in 0..HANGING {
        site.sandboxes[0].inject_fault(&token(number), InjectedFault::NeverAnswers, None);
    }
    let belfry = site.belfry();
    let poster = Poster {
        address: belfry.origin.trim_start_matches("http://").to_owned(),
        path: "/intake/alerts",
        headers: format!("authorization: Bearer {}\r\n", site.key),
        body: |number| {
            format!("{{\"title\":\"bench {number}\",\"severity\":\"warning\",\"receivers\":[\"m{}\"]}}", number % CREW)
        },
    };
    let sent = poster.pace(PACE, SECONDS, 0);
    thread::sleep(Duration::from_secs(2));
    let crew = usize::try_from(CREW).unwrap();
    let mut times: Vec<Duration> = (HANGING..CREW)
        .flat_map(|robot| {
            // Each robot is called in the order in which its alerts were posted.
            let own = sent.iter().skip(usize::try_from(robot).unwrap()).step_by(crew);
            let calls = site.sandboxes[0].calls(&token(robot));
            calls.into_iter().zip(own).map(|(call, sent)| call.instant - *sent).collect::<Vec<_>>()
        })
        .collect();
    times.sort();
    let healthy = sent.len() / crew * usize::try_from(CREW - HANGING).unwrap();
    row(&format!("receipts of {healthy} while {HANGING} robots hang"), float(times.len()), "all");
    let slow = times[(times.len() - 1) * 95 / 100];
    row("… post to receipt, 95 %, ms", slow.as_secs_f64() * 1000.0, "≤ 100");
}

/// How much memory Belfry takes while much waits: all robots rest, as after "too fast".
fn memory() {
    let site = Site::new(2);
    crew::enqueue(&site.address(), 50);
    site.sql("UPDATE endpoints SET cooldown_until = datetime('now', '+10 minutes')");
    let belfry = site.belfry();
    thread::sleep(Duration::from_secs(15));
    let peak = float(usize::try_from(belfry.peak()).unwrap()) / 1024.0;
    row("resident with 100,000 waiting, at most, MiB", peak, "≤ 96");
}

/// What a message costs after few others and after many.
fn costs() {
    let mut costs = Vec::new();
    for delivered in BEFORE {
        let site = Site::new(1);
        history(&site, delivered);
        crew::enqueue(&site.address(), EACH);
        let belfry = site.belfry();
        let start = belfry.processor_time();
        let calls = site.called(CREW * EACH).len();
        // Until the last calls are recorded.
        thread::sleep(Duration::from_secs(1));
        let each = (belfry.processor_time() - start).as_secs_f64() * 1_000_000.0 / float(calls);
        row(&format!("processor time of a message after {delivered} others, µs"), each, "");
        costs.push(each);
    }
    row("… ratio", costs[1] / costs[0], "1");
}

/// Deliveries that ended long ago, with their messages and calls.
fn history(site: &Site, rows: u64) {
    let numbers = format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})");
    let robot = format!("JOIN robots ON robots.id = (SELECT MIN(id) FROM robots) + i % {CREW}");
    let (began, ended) = ("'2026-01-01 00:00:00'", "'2026-01-01 00:00:01'");
    site.sql(&format!(
        "BEGIN;
         {numbers}
         INSERT INTO messages (id, robot, fingerprint, channel, title, body, msg_uuid, priority, state, due_at, fence, tries,
             created_at, finished_at)
         SELECT i, robots.id, robots.fingerprint, 'dingtalk', 'Dataphin: old', 'Old.', 'u' || i, 2, 'success', {began}, 1, 1,
             {began}, {ended} FROM n {robot};
         {numbers}
         INSERT INTO attempts (message, fingerprint, number, started_at, finished_at, http_status, code, meaning, answer)
         SELECT i, robots.fingerprint, 1, {began}, {ended}, 200, '0', 'delivered', 'ok' FROM n {robot};
         {numbers}
         INSERT INTO deliveries (tenant, kind, title, body, channel, robot, recipient, state, reason, message, created_at,
             finished_at)
         SELECT robots.tenant, 'member_saved', 'Dataphin: old', 'Old.', 'dingtalk', robots.id, 'somebody', 'success', '', i,
             {began}, {ended} FROM n {robot};
         COMMIT;"
    ));
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a number"))
}

fn row(what: &str, figure: f64, aim: &str) {
    println!("{what:<66} {figure:>12.2}  {aim}");
}
