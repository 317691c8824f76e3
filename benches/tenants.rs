//! Measures what one tenant feels of another that works at every limit at once, beside the same alone, in one run: how long an
//! alert takes to be answered, and a log-in. It measures; it does not fail.
//!
//! `cargo bench --bench tenants`; see README.md beside this file.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a measurement that cannot go on ends"
)]
#![expect(clippy::print_stdout, reason = "the figures are what this program is for")]

#[expect(dead_code, reason = "the other benches fill a crew")]
mod crew;
#[expect(dead_code, reason = "the other bench loads pages")]
mod load;
#[path = "../tests/it/harness/postgres.rs"]
#[expect(dead_code, reason = "the tests need more of it")]
mod postgres;
#[expect(dead_code, reason = "the bench of the courier asks for more")]
mod process;
mod robots;
#[expect(dead_code, reason = "the bench of the pages asks for more")]
mod session;

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use belfry::{
    access::{Actor, Role},
    accounts::{self, Username},
    alerts::{Matcher, Receiver, Rule, Severity, store::rules},
    channels::{self, Mode, Switches},
    db::{AnyConnection, Database, DatabaseAddress, RuleId, TenantId, schema::contacts},
    delivery,
    error::Result,
    language::Language,
    members::store::{self as members, NewMember},
    portals::{self, ReturnOrigins, store::Secrets},
    robots::{Channel, RobotAddress, RobotOrigins},
    sandbox::RobotKind,
    secrets::{KeyRing, Passwords},
    templates::{self, MessageReason, TemplateSource},
    tenants::store::{self as tenants, NewTenant},
};
use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;
use process::Belfry;
use session::Session;

/// What [`session`] logs in with.
mod seed {
    pub const PASSWORD: &str = "seven quiet bells at dawn";
}

/// How many people hear of every alert of the busy tenant.
const PEOPLE: u64 = 258;
/// How long each of the two is measured.
const TIME: Duration = Duration::from_secs(20);
/// How many alerts a group of the busy tenant holds, and how many connections post groups, long alerts, and ask for previews.
const GROUP: u64 = 1_000;
const OF_EACH: usize = 4;

fn main() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (_sandbox, robots) = robots::start(0);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sqlite = format!("sqlite://{}", folder.path().join("belfry.db").display());
    measure("SQLite", &sqlite, folder.path(), &robots);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let database = postgres::TestDatabase::migrated();
    measure("Postgres", &database.url, folder.path(), &robots);
}

fn measure(name: &str, database: &str, folder: &Path, robots: &str) {
    let [quiet, busy] = fill(&DatabaseAddress::parse(database).unwrap(), folder, robots);
    let settings = [("BELFRY_DATABASE_URL", database), ("BELFRY_ROBOT_ORIGINS", robots)];
    let belfry = Belfry::start(folder, &settings);
    let address = belfry.origin.trim_start_matches("http://").to_owned();
    let alone = feel(&belfry, &address, &quiet);
    let (stop, stored, refused) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let session = Session::log_in(&belfry.origin);
    let preview = format!(
        "GET /t/busy/alert-rules/preview?preview=1&example_title=x&example_labels=team%3D{} HTTP/1.1\r\nhost: {address}\r\n\
         cookie: {}\r\nconnection: close\r\n\r\n",
        "x".repeat(2_000),
        session.cookies()
    );
    let next = AtomicU64::new(0);
    let beside = thread::scope(|scope| {
        for place in 0..3 * OF_EACH {
            let (stop, stored, refused, next, address, busy, preview) =
                (&stop, &stored, &refused, &next, &address, &busy, &preview);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let answer = match place % 3 {
                        0 => post(address, "/intake/alertmanager", busy, &group(number, place)),
                        1 => post(address, "/intake/alerts", busy, &long(number)),
                        _ => ask(address, preview.as_bytes()),
                    };
                    if (200..300).contains(&answer) { stored } else { refused }.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // The backlog is there when the measurement begins.
        thread::sleep(Duration::from_secs(3));
        let beside = feel(&belfry, &address, &quiet);
        stop.store(true, Ordering::Relaxed);
        beside
    });
    for ((what, alone), (_, beside)) in alone.into_iter().zip(beside) {
        let ratio = beside.1.as_secs_f64() / alone.1.as_secs_f64();
        row(&format!("{name}: {what}, alone, median and p95, ms"), &milliseconds(alone), "");
        row("… beside the busy tenant", &milliseconds(beside), "p95 < 250");
        row("… ratio of p95", &format!("{ratio:.1}"), "≤ 10");
    }
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed).to_string();
    row("… requests of the busy tenant, done and refused", &format!("{} / {}", count(&stored), count(&refused)), "");
}

/// How long alerts and log-ins take meanwhile: median and p95 of each.
fn feel(belfry: &Belfry, address: &str, token: &str) -> [(&'static str, (Duration, Duration)); 2] {
    let (mut alerts, mut log_ins, start) = (Vec::new(), Vec::new(), Instant::now());
    let mut number = 0;
    while start.elapsed() < TIME {
        for _ in 0..5 {
            number += 1;
            let body = format!("{{\"title\":\"quiet {number}\",\"key\":\"{:?}\"}}", start.elapsed());
            let asked = Instant::now();
            assert_eq!(post(address, "/intake/alerts", token, &body), 201, "the quiet tenant's alert is stored");
            alerts.push(asked.elapsed());
            thread::sleep(Duration::from_millis(20));
        }
        let asked = Instant::now();
        drop(Session::log_in(&belfry.origin));
        log_ins.push(asked.elapsed());
    }
    [("an alert is answered", part(alerts)), ("a log-in, three pages and a password", part(log_ins))]
}

fn part(mut times: Vec<Duration>) -> (Duration, Duration) {
    times.sort();
    (times[times.len() / 2], times[(times.len() - 1) * 95 / 100])
}

fn milliseconds((median, slow): (Duration, Duration)) -> String {
    format!("{:.1}, {:.1}", median.as_secs_f64() * 1000.0, slow.as_secs_f64() * 1000.0)
}

fn row(what: &str, figure: &str, aim: &str) {
    println!("{what:<66} {figure:>22}  {aim}");
}

/// Asks on a connection of its own: the status.
fn ask(address: &str, request: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.write_all(request).expect("it is sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

fn post(address: &str, path: &str, token: &str, body: &str) -> u16 {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    ask(address, request.as_bytes())
}

/// A group of alerts of Alertmanager's, of which now and then one is 16 kB long.
fn group(number: u64, place: usize) -> String {
    let alert = |alert: u64| {
        format!(
            "{{\"status\":\"firing\",\"labels\":{{\"alertname\":\"g{number}\",\"team\":\"team-{alert}\",\"place\":\"{place}\"}}}}"
        )
    };
    let alerts: Vec<String> = (0..GROUP).map(alert).collect();
    format!("{{\"version\":\"4\",\"status\":\"firing\",\"groupKey\":\"g{number}\",\"alerts\":[{}]}}", alerts.join(","))
}

/// An alert whose content is as long as may be.
fn long(number: u64) -> String {
    format!("{{\"title\":\"long {number}\",\"key\":\"long {number}\",\"content\":\"{}\"}}", "x".repeat(16 * 1024))
}

/// Fills an empty database with a quiet and a busy tenant: the tokens of their portals.
fn fill(address: &DatabaseAddress, folder: &Path, robots: &str) -> [String; 2] {
    let keys = KeyRing::open(&folder.join("belfry.key")).expect("the keys");
    let origins = RobotOrigins::parse(robots).expect("an origin");
    let (quiet, busy) = (Secrets::generate().expect("secrets"), Secrets::generate().expect("secrets"));
    let tokens = [quiet.token.expose().to_owned(), busy.token.expose().to_owned()];
    let (db, robots) = (Database::open(address).expect("the database opens"), robots.to_owned());
    let filled = async {
        let hash = Passwords::new(1).hash(seed::PASSWORD).await.expect("a hash");
        db.write(move |c| {
            let now = belfry::clock::Clock::default().now();
            let root = Username::parse("root").expect("a username");
            accounts::store::create_first_account(c, &root, &hash, Language::English, &bench(), now)?;
            let ours = tenant(c, "quiet", &root, now)?;
            portal(c, ours, &quiet, &keys, now)?;
            let theirs = tenant(c, "busy", &root, now)?;
            portal(c, theirs, &busy, &keys, now)?;
            work_at_every_limit(c, theirs, now)?;
            for number in 0..PEOPLE {
                let webhook = RobotKind::DingTalk.webhook_url(&robots, &crew::token(number));
                let address = RobotAddress::parse(Channel::DingTalk, &webhook, &origins).expect("an address");
                member(c, theirs, &format!("m{number}"), &address, &keys, now)?;
            }
            Ok(())
        })
        .await
    };
    actix_web::rt::System::new().block_on(filled).expect("the database is filled");
    tokens
}

fn bench() -> Actor {
    Actor { account: None, name: "bench".to_owned(), address: String::new() }
}

fn tenant(c: &mut AnyConnection, slug: &str, root: &Username, now: NaiveDateTime) -> Result<TenantId> {
    let id = belfry::db::schema::accounts::table
        .filter(belfry::db::schema::accounts::username.eq(root.as_str()))
        .select(belfry::db::schema::accounts::id)
        .first(c)?;
    let tenant = NewTenant {
        name: slug,
        slug,
        description: "",
        metadata_warehouse: false,
        locale: belfry::tenants::Locale {
            time_zone: chrono_tz::Tz::Asia__Shanghai,
            message_language: Language::English,
        },
    };
    let tenant = tenants::insert(c, &tenant, id, root, &bench(), now)?;
    channels::store::save(c, tenant, Mode::Custom, &Switches::on([Channel::DingTalk]), now)?;
    Ok(tenant)
}

fn portal(
    c: &mut AnyConnection,
    tenant: TenantId,
    secrets: &Secrets,
    keys: &KeyRing,
    now: NaiveDateTime,
) -> Result<()> {
    let details = portals::Details {
        name: "bench".to_owned(),
        saves_members: false,
        fires_alerts: true,
        return_origins: ReturnOrigins::default(),
        per_minute: None,
    };
    portals::store::insert(c, tenant, &details, secrets, keys, now).map(drop)
}

fn member(
    c: &mut AnyConnection,
    tenant: TenantId,
    name: &str,
    address: &RobotAddress,
    keys: &KeyRing,
    now: NaiveDateTime,
) -> Result<()> {
    let username = Username::parse(name).expect("a username");
    let account = accounts::store::insert_account(c, &username, "-", false, now)?;
    let member = NewMember { account, username: &username, display_name: name, role: Role::Member };
    let member = members::insert(c, tenant, &member, now)?;
    let (robot, _) = delivery::upsert_robot(c, keys, tenant, address, None, now)?;
    let contact = (contacts::member.eq(member), contacts::channel.eq("dingtalk"), contacts::robot.eq(robot));
    diesel::insert_into(contacts::table).values(contact).execute(c)?;
    Ok(())
}

/// Ninety rules of twenty expressions each, more than may be saved, a rule for everybody, and a template of 1,102 filters, which
/// may not be saved either: as an older version stored them.
fn work_at_every_limit(c: &mut AnyConnection, tenant: TenantId, now: NaiveDateTime) -> Result<()> {
    let rule = |name: String, matchers| Rule {
        id: RuleId(0),
        name,
        is_on: true,
        severity: Severity::Info,
        source: None,
        matchers,
        channels: vec![Channel::DingTalk],
        frequency: TimeDelta::minutes(1),
        max_sends: None,
        window: None,
        receivers: vec![Receiver::Role(Role::Member)],
    };
    rules::insert(c, tenant, &rule("everybody".to_owned(), Vec::new()), now)?;
    for number in 0..90 {
        let matcher =
            |place| Matcher::parse(&format!("team=~\"(team|\\w{{4}}{number}x{place})-.*\"")).expect("a matcher");
        rules::insert(c, tenant, &rule(format!("rule {number}"), (0..20).map(matcher).collect()), now)?;
    }
    let body = format!("{{{{content{}}}}}", "|upper".repeat(29)).repeat(38);
    let source = TemplateSource { title: "{{ product }}: {{ title }}".to_owned(), body };
    for reason in [MessageReason::Firing, MessageReason::Repeated, MessageReason::Resolved] {
        templates::store::save(c, tenant, Channel::DingTalk, reason, &source, ("bench", now))?;
    }
    Ok(())
}
