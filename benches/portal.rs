//! Measures the portal against its aims, in one run: start-up, idle memory, the member list beside a bare page, the
//! slowest questions to a large tenant on both databases, and the weight of a page. It measures; it does not fail.
//!
//! `cargo bench --bench portal`; see README.md beside this file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on ends"
)]
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

mod bare;
mod load;
#[path = "../tests/it/harness/postgres.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod postgres;
#[expect(dead_code, reason = "the bench of the courier asks for more")]
mod process;
mod seed;
mod session;

use std::{
    env,
    time::{Duration, Instant},
};

use belfry::db::DatabaseAddress;
use load::Target;
use process::Belfry;
use seed::{LARGE, SMALL, Size};
use session::Session;

/// How often a start is timed.
const STARTS: usize = 11;
/// How often each of two servers is loaded in turn, and for how long.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
/// How often each question is asked.
const QUESTIONS: usize = 100;

/// The seeded robots hold random bytes in place of sealed addresses, which no key file opens.
const SEALED_WITH_NO_KEY: (&str, &str) = ("BELFRY_ACCEPT_LOST_SECRETS", "true");

/// What is asked of the tenant of 100,000.
const ASKED: [(&str, &str); 12] = [
    ("first page, total", ""),
    ("middle page", "?page=1000"),
    ("last page", "?page=2000"),
    ("search 王伟, 1,112 hits", "?q=%E7%8E%8B%E4%BC%9F"),
    ("search 欧阳, 4 hits", "?q=%E6%AC%A7%E9%98%B3"),
    ("search of a common part", "?q=a"),
    ("search of a common part, deep page", "?q=a&page=700"),
    ("search without hits", "?q=nobody-is-called-so"),
    ("by display name, middle page", "?sort=display_name&page=1000"),
    ("by joined, middle page", "?sort=-joined&page=1000"),
    ("a search by display name", "?q=%E7%8E%8B%E4%BC%9F&sort=display_name"),
    ("without any robot, deep page", "?contact=none&page=200"),
];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    // The bare page is a process of its own, as the portal is.
    if let Some(place) = arguments.iter().position(|argument| argument == "--bare") {
        return bare::serve(&arguments[place + 1], &arguments[place + 2]);
    }
    drop(rustls::crypto::ring::default_provider().install_default());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sqlite = format!("sqlite://{}", folder.path().join("belfry.db").display());
    println!("seeding {} and {} members on SQLite…", SMALL.members, LARGE.members);
    seed::seed(&DatabaseAddress::parse(&sqlite).unwrap());
    let settings = [("BELFRY_DATABASE_URL", sqlite.as_str()), SEALED_WITH_NO_KEY];
    starts(folder.path(), &settings);
    let belfry = Belfry::start(folder.path(), &settings);
    memory(&belfry);
    let session = Session::log_in(&belfry.origin);
    weight(&belfry, &session);
    let bare = bare::start(&folder.path().join("belfry.db"));
    for (size, encoding) in [(SMALL, "identity"), (LARGE, "identity"), (LARGE, "gzip")] {
        throughput(&belfry, &session, &bare.address, size, encoding);
    }
    drop(bare);
    compression(&belfry, &session);
    questions("SQLite", &belfry, &session);
    row("resident after all this, MiB", &format!("{:.1}", mebibytes(belfry.resident())), "");
    drop(belfry);

    let database = postgres::TestDatabase::migrated();
    println!("seeding on Postgres…");
    seed::seed(&DatabaseAddress::parse(&database.url).unwrap());
    let belfry = Belfry::start(folder.path(), &[("BELFRY_DATABASE_URL", &database.url), SEALED_WITH_NO_KEY]);
    let session = Session::log_in(&belfry.origin);
    questions("Postgres", &belfry, &session);
}

/// Where the first page of the members of a tenant is.
fn members_page(belfry: &Belfry, size: Size) -> String {
    format!("{}/t/{}/members", belfry.origin, size.slug)
}

fn starts(folder: &std::path::Path, settings: &[(&str, &str)]) {
    let times = (0..STARTS).map(|_| Belfry::start(folder, settings).started_within).collect();
    let times: Vec<Duration> = sorted(times);
    row("start to the first answer, median, ms", &milliseconds(times[STARTS / 2]), "≤ 150");
    row("… slowest", &milliseconds(times[STARTS - 1]), "");
}

/// When memory is read after a log-in.
const AFTER_LOG_IN: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(15)];

/// Idle: the pages of strangers have been asked for. The other figures come after two log-ins, each of which hashes a
/// password in 19 MiB.
fn memory(belfry: &Belfry) {
    for _ in 0..5 {
        belfry.get("/login");
    }
    row("resident when idle, MiB", &format!("{:.1}", mebibytes(belfry.resident())), "≤ 24");
    for _ in 0..2 {
        Session::log_in(&belfry.origin).get(&members_page(belfry, LARGE));
    }
    let since = Instant::now();
    for time in AFTER_LOG_IN {
        std::thread::sleep(time.saturating_sub(since.elapsed()));
        let what = format!("… {} s after two log-ins and the list", time.as_secs());
        row(&what, &format!("{:.1}", mebibytes(belfry.resident())), "≤ 24");
    }
}

fn weight(belfry: &Belfry, session: &Session) {
    let page = members_page(belfry, LARGE);
    let html = String::from_utf8(session.get(&page)).expect("a page");
    let style = html.split('"').find(|word| word.ends_with(".css")).expect("a stylesheet").to_owned();
    let page = session.get_compressed(&page).len();
    let style = session.get_compressed(&format!("{}{style}", belfry.origin)).len();
    row("page, gzip, KiB", &kibibytes(page), "");
    row("stylesheet, gzip, KiB", &kibibytes(style), "");
    row("page with stylesheet, KiB", &kibibytes(page + style), "≤ 12");
}

fn throughput(belfry: &Belfry, session: &Session, bare: &str, size: Size, encoding: &str) {
    let portal = Target::new(&belfry.origin, &format!("/t/{}/members", size.slug), &session.cookies(), encoding);
    let bare = Target::new(bare, &format!("/{}", size.slug), "", encoding);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.push(bare.load(ROUND));
        ours.push(portal.load(ROUND));
    }
    let (ours, theirs) = (median(&mut ours), median(&mut theirs));
    let of = format!("{} members, {encoding}", size.members);
    row(&format!("bare page, {of}, requests/s"), &format!("{theirs:.0}"), "");
    row(&format!("member list, {of}, requests/s"), &format!("{ours:.0}"), "");
    let aim = if size.members == LARGE.members { "≥ 0.5" } else { "" };
    row("… ratio", &format!("{:.2}", ours / theirs), aim);
}

/// Prints how much longer the slowest compressed answers take on a connection that stays open.
fn compression(belfry: &Belfry, session: &Session) {
    let page = format!("/t/{}/members", LARGE.slug);
    let slow = |encoding| {
        let times = sorted(Target::new(&belfry.origin, &page, &session.cookies(), encoding).ask(QUESTIONS));
        times[QUESTIONS * 95 / 100]
    };
    let (plain, compressed) = (slow("identity"), slow("gzip"));
    row("first page, plain and gzip, p95, ms", &format!("{}, {}", milliseconds(plain), milliseconds(compressed)), "");
    row("… what compression adds, ms", &milliseconds(compressed.saturating_sub(plain)), "≤ 3");
}

fn questions(database: &str, belfry: &Belfry, session: &Session) {
    for (name, query) in ASKED {
        let target =
            Target::new(&belfry.origin, &format!("/t/{}/members{query}", LARGE.slug), &session.cookies(), "identity");
        let times = sorted(target.ask(QUESTIONS));
        let (middle, slow) = (times[QUESTIONS / 2], times[QUESTIONS * 95 / 100]);
        let figure = format!("{} (median {})", milliseconds(slow), milliseconds(middle));
        row(&format!("{database}: {name}, p95, ms"), &figure, "≤ 30");
    }
}

fn row(what: &str, figure: &str, aim: &str) {
    println!("{what:<58} {figure:>22}  {aim}");
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort();
    times
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}

fn mebibytes(kibibytes: u64) -> f64 {
    f64::from(u32::try_from(kibibytes).expect("less than 4 TiB")) / 1024.0
}

fn kibibytes(bytes: usize) -> String {
    format!("{:.1}", f64::from(u32::try_from(bytes).expect("less than 4 GiB")) / 1024.0)
}
