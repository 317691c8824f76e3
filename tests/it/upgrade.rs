//! Upgrades a database of release 0.1.0: every row is kept, every waiting delivery is sent, and the ledger balances.
//!
//! `upgrade/v0.1.0/` holds a dump for each database and the key file that opens its sealed columns. They were made for this test by
//! the code of that release; their robots are at [`ROBOTS`].

use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use belfry::{
    clock::Clock,
    db::{AnyConnection, Database, DatabaseAddress},
    sandbox::{Group, RobotKind, Sandbox},
};
use diesel::connection::SimpleConnection as _;

use crate::harness::{Backend, PASSWORD, Process, TestDatabase, folder, lines};

/// The address of the robots in the dumps.
const ROBOTS: &str = "127.83.12.7:18080";
/// The robots in the dumps, by vendor and token.
const GROUPS: [(RobotKind, &str); 4] = [
    (RobotKind::DingTalk, "0000000000000000000000000000000000000000000000000000000000fa0001"),
    (RobotKind::DingTalk, "0000000000000000000000000000000000000000000000000000000000fa0002"),
    (RobotKind::Lark, "00000000-0000-4000-8000-0000fa0e0003"),
    (RobotKind::DingTalk, "0000000000000000000000000000000000000000000000000000000000fa0004"),
];
/// The tables that were renamed since.
const RENAMED_TABLES: [(&str, &str); 3] =
    [("paces", "endpoints"), ("idempotency", "idempotency_keys"), ("added_members", "bulk_additions")];
/// How long to wait for the robots' port, and for deliveries to end.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The recipients of the alert whose fan-out is unfinished.
const FAN_OUT_SIZE: usize = 111;

fn one(c: &mut AnyConnection, query: &str) -> String {
    let mut rows = lines(c, query.to_owned()).expect("the database answers");
    assert_eq!(rows.len(), 1, "{query}");
    rows.remove(0)
}

/// The number of rows of each table in a dump, by the name that the table has now.
fn rows_of(dump: &str) -> BTreeMap<String, usize> {
    let mut rows = BTreeMap::new();
    for line in dump.lines().filter_map(|line| line.strip_prefix("INSERT INTO ")) {
        let table = line.split([' ', '(']).next().expect("a table").trim_start_matches("public.");
        let renamed = RENAMED_TABLES.iter().find(|(old, _)| *old == table);
        let table = renamed.map_or(table, |(_, new)| new);
        *rows.entry(table.to_owned()).or_insert(0) += 1;
    }
    rows.retain(|table, _| !table.starts_with("__") && table != "sqlite_sequence");
    rows
}

async fn wait_for_port() -> TcpListener {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match TcpListener::bind(ROBOTS) {
            Ok(listener) => return listener,
            Err(fault) => assert!(Instant::now() < deadline, "{ROBOTS}: {fault}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until this many deliveries are open and no fan-out is unfinished.
async fn wait_for_open(c: &mut AnyConnection, expected: usize) {
    let deadline = Instant::now() + TIMEOUT;
    let query = "SELECT (SELECT count(*) FROM deliveries WHERE finished_at IS NULL) || ' ' || (SELECT count(*) FROM fan_outs) \
                 AS line";
    while one(c, query) != format!("{expected} 0") {
        assert!(Instant::now() < deadline, "open deliveries and fan-outs: {}", one(c, query));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn upgrade(url: &str, dump: &str, key: &str) {
    drop(rustls::crypto::ring::default_provider().install_default());
    let (folder, address) = (folder(), DatabaseAddress::parse(url).unwrap());
    let mut c = address.connect().unwrap();
    c.batch_execute(dump).expect("the dump is loaded");
    drop(c);
    drop(Database::open(&address).expect("the database is migrated"));
    let mut c = address.connect().unwrap();
    let rows = rows_of(dump);
    assert!(rows.len() > 25, "{rows:?}");
    for (table, count) in &rows {
        assert_eq!(one(&mut c, &format!("SELECT count(*) || '' AS line FROM {table}")), count.to_string(), "{table}");
    }

    let sandbox = Sandbox::new(Clock::default());
    for (kind, token) in GROUPS {
        sandbox.add_robot(kind, token, Group::default().with_keyword("Dataphin"));
    }
    let robots = sandbox.clone().serve(wait_for_port().await).expect("the sandbox is served");
    let stop = robots.handle();
    actix_web::rt::spawn(robots);
    let key_file = folder.path().join("belfry.key");
    fs::write(&key_file, key).unwrap();
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let (origins, key_file) = (format!("http://{ROBOTS}"), key_file.display().to_string());
    let settings = [("BELFRY_DATABASE_URL", url), ("BELFRY_KEY_FILE", &key_file), ("BELFRY_ROBOT_ORIGINS", &origins)];
    let process = Process::start(folder.path(), &settings);

    // The Lark robot is broken: its deliveries wait until a test message succeeds.
    wait_for_open(&mut c, 2).await;
    let mut sue = process.visitor();
    sue.log_in("sue", PASSWORD).await.is(303);
    sue.post("/t/ours/me/test", &[]).await.is(200);
    wait_for_open(&mut c, 0).await;
    let undelivered = "SELECT title || ' ' || state || ' ' || reason AS line FROM deliveries WHERE state <> 'success'";
    // One recipient has no robot.
    assert_eq!(
        lines(&mut c, undelivered.to_owned()).unwrap(),
        ["[Dataphin] Critical: Dataphin: core switch failed no-contact"]
    );
    let fanned_out =
        "SELECT count(*) || '' AS line FROM deliveries WHERE kind = 'firing' AND title LIKE '%core switch%'";
    assert_eq!(one(&mut c, fanned_out), FAN_OUT_SIZE.to_string());
    for ((_, token), title) in GROUPS.iter().zip(["disk full", "link down", "link down", "core switch"]) {
        assert!(
            format!("{:?}", sandbox.delivered_messages(token)).contains(title),
            "{title}: {:?}",
            sandbox.delivered_messages(token)
        );
    }
    process.signal("TERM");
    assert!(process.wait().0.success());
    stop.stop(false).await;
    let (code, output) = Process::ends(folder.path(), &settings, &["check", "--ledger"], "");
    assert_eq!(code, Some(0), "{output}");
}

fn upgrade_on(backend: Backend, dump: &'static str, key: &'static str) {
    let (folder, database) = (folder(), (backend == Backend::Postgres).then(TestDatabase::empty));
    let url = match &database {
        Some(database) => database.url.clone(),
        None => format!("sqlite://{}", folder.path().join("belfry.db").display()),
    };
    actix_web::rt::System::new().block_on(upgrade(&url, dump, key));
}

#[test]
fn a_database_of_release_0_1_0_is_upgraded_on_sqlite() {
    upgrade_on(Backend::Sqlite, include_str!("upgrade/v0.1.0/sqlite.sql"), include_str!("upgrade/v0.1.0/sqlite.key"));
}

#[test]
fn a_database_of_release_0_1_0_is_upgraded_on_postgres() {
    upgrade_on(
        Backend::Postgres,
        include_str!("upgrade/v0.1.0/postgres.sql"),
        include_str!("upgrade/v0.1.0/postgres.key"),
    );
}
