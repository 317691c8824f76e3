//! `belfry check` and the other commands for operators, by the real binary.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use belfry::{
    db::{Database, DatabaseAddress, MemberId, TenantId},
    delivery::{self, DeliveryKind, Notice},
    robots::{Channel, RobotAddress, RobotOrigins},
    sandbox::RobotKind,
    secrets::KeyRing,
};
use diesel::connection::SimpleConnection as _;

use crate::harness::{Backend, PASSWORD, Process, TestApp, TestDatabase, Tweaks, folder, run_with};

const REAL: Tweaks = Tweaks { flags: &[], only_database: true };
const ROBOT: &str = "00000000000000000000000000000000000000000000000000000000fake0301";

fn settings(app: &TestApp) -> Vec<(&'static str, String)> {
    app.settings()
}

/// Runs a command with the settings of this application, and some others.
fn command(app: &TestApp, others: &[(&str, &str)], arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let own = settings(app);
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    let all: Vec<(&str, &str)> = own.filter(|own| others.iter().all(|other| other.0 != own.0)).collect();
    Process::ends(app.folder(), &[&all[..], others].concat(), arguments, input)
}

fn check(folder: &Path, settings: &[(&str, &str)], flags: &[&str]) -> (Option<i32>, String) {
    Process::ends(folder, settings, &[&["check"], flags].concat(), "")
}

async fn execute(app: &TestApp, statement: &'static str) {
    app.db.write(move |c| Ok(c.batch_execute(statement)?)).await.expect("a statement");
}

/// Puts a message whose text is sealed into the outbox, for a robot whose address is sealed too.
async fn sealed(app: &TestApp, tenant: TenantId, member: MemberId) {
    let keys = KeyRing::open(&app.folder().join("belfry.key")).expect("the keys");
    let origins = RobotOrigins::parse(&app.sandbox_origin).expect("an origin");
    let webhook = RobotKind::DingTalk.webhook_url(&app.sandbox_origin, ROBOT);
    let address = RobotAddress::parse(Channel::DingTalk, &webhook, &origins).expect("an address");
    let now = app.clock.now();
    app.db
        .write(move |c| {
            let (robot, _) = delivery::upsert_robot(c, &keys, tenant, &address, None, now)?;
            let notice = Notice {
                tenant,
                kind: DeliveryKind::Verification,
                title: "Dataphin: a code".to_owned(),
                body: "The code is ******.".to_owned(),
                robot,
                member: Some(member),
                recipient: "somebody".to_owned(),
                requested_by: None,
                alert: None,
            };
            delivery::enqueue_sealed(c, &keys, notice, "The code is 123456.", now)
        })
        .await
        .expect("a sealed message");
}

/// A key file of another deployment.
fn foreign_key(folder: &Path) -> PathBuf {
    let file = folder.join("foreign.key");
    drop(KeyRing::open(&file).expect("a key file"));
    file
}

#[test]
fn a_deployment_that_was_never_started_is_fine_and_stays_untouched() {
    let folder = folder();
    let (code, told) = check(folder.path(), &[], &[]);
    assert_eq!((code, told.as_str()), (Some(0), "Nothing is wrong.\n"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn settings_key_file_and_database_are_found_wrong_all_at_once() {
    let folder = folder();
    drop(Process::start(folder.path(), &[]));
    let key = folder.path().join("data/belfry.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(folder.path().join("text.db"), "no database at all, but a longer text than a header of SQLite has")
        .unwrap();
    let wrong = [
        ("BELFRY_LISTEN", "here"),
        ("BELFRY_LOG_FORMAT", "xml"),
        ("BELFRY_LOG", "belfry=loud=er"),
        ("BELFRY_PUBLICURL", "https://belfry.example"),
        ("BELFRY_DATABASE_URL", "sqlite://text.db"),
    ];
    let (code, told) = check(folder.path(), &wrong, &[]);
    assert_eq!(code, Some(1), "{told}");
    for word in ["BELFRY_LISTEN", "BELFRY_LOG_FORMAT", "BELFRY_LOG is", "chmod 600", "text.db", "BELFRY_PUBLICURL"] {
        assert!(told.contains(word), "{word} in {told}");
    }
}

async fn secrets(app: &TestApp) {
    let town = app.settle().await;
    assert_eq!(command(app, &[], &["check"], "").0, Some(0));
    sealed(app, town.ours, town.mia).await;
    let (code, told) = command(app, &[], &["check"], "");
    assert_eq!((code, told.as_str()), (Some(0), "Nothing is wrong.\n"));
    let foreign = foreign_key(app.folder()).display().to_string();
    let (code, told) = command(app, &[("BELFRY_KEY_FILE", &foreign)], &["check"], "");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("2 of 2 sealed secrets do not open") && told.contains("foreign.key"), "{told}");
    let missing = app.folder().join("missing.key");
    let (code, told) = command(app, &[("BELFRY_KEY_FILE", &missing.display().to_string())], &["check"], "");
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("is not there") && !missing.exists(), "{told}");
}

#[test]
fn a_key_file_that_does_not_open_what_is_sealed_is_told_on_sqlite() {
    run_with(Backend::Sqlite, REAL, secrets);
}

#[test]
fn a_key_file_that_does_not_open_what_is_sealed_is_told_on_postgres() {
    run_with(Backend::Postgres, REAL, secrets);
}

async fn versions(app: &TestApp) {
    execute(app, "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')").await;
    let (code, told) = command(app, &[], &["check"], "");
    assert!(code == Some(1) && told.contains("newer Belfry"), "{told}");
    execute(app, "DELETE FROM __diesel_schema_migrations WHERE version > '00000000000002'").await;
    let (code, told) = command(app, &[], &["check"], "");
    assert!(code == Some(1) && told.contains("older Belfry"), "{told}");
}

#[test]
fn a_database_of_another_version_is_told_on_sqlite() {
    run_with(Backend::Sqlite, REAL, versions);
}

#[test]
fn a_database_of_another_version_is_told_on_postgres() {
    run_with(Backend::Postgres, REAL, versions);
}

#[test]
fn rows_that_point_to_nothing_are_told() {
    run_with(Backend::Sqlite, REAL, async |app: &TestApp| {
        app.settle().await;
        let address = DatabaseAddress::Sqlite(app.folder().join("belfry.db"));
        let mut c = address.connect().expect("a connection");
        c.batch_execute("PRAGMA foreign_keys = OFF; UPDATE members SET tenant = 4711 WHERE username = 'mia'").unwrap();
        let (code, told) = command(app, &[], &["check"], "");
        assert!(code == Some(1) && told.contains("1 rows of members point to rows of tenants"), "{told}");
    });
}

#[test]
fn what_is_unsafe_in_production_is_told_with_what_to_do() {
    let folder = folder();
    drop(Process::start(folder.path(), &[]));
    let data = folder.path().join("data");
    let deploy = |settings: &[(&str, &str)]| check(folder.path(), settings, &["--deploy"]);
    let https = ("BELFRY_PUBLIC_URL", "https://belfry.example");
    let proxy = ("BELFRY_TRUSTED_PROXIES", "127.0.0.1");
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[], "BELFRY_PUBLIC_URL is not set"),
        (&[("BELFRY_LISTEN", "0.0.0.0:0")], "which others can reach"),
        (&[("BELFRY_PUBLIC_URL", "http://belfry.example")], "use https"),
        (&[https], "BELFRY_TRUSTED_PROXIES is empty"),
        (&[https, proxy, ("BELFRY_ROBOT_ORIGINS", "http://ding.corp.example")], "http://ding.corp.example"),
        (
            &[https, proxy, ("BELFRY_DATABASE_URL", "postgres://ann:s3cret@127.0.0.2:1,db.invalid:1/belfry")],
            "sslmode=verify-full",
        ),
    ];
    for (settings, words) in cases {
        let (code, told) = deploy(settings);
        assert!(code == Some(1) && told.contains(words), "{words} in {told}");
        assert!(!told.contains("s3cret"), "{told}");
    }
    let (code, told) = deploy(&[https, proxy]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("Remember: The key file") && told.contains("belfry backup FILE"), "{told}");
    for (path, mode, words) in [(data.clone(), 0o755, "chmod 700"), (data.join("belfry.db"), 0o644, "chmod 600")] {
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let (code, told) = deploy(&[https, proxy]);
        assert!(code == Some(1) && told.contains(words), "{words} in {told}");
        fs::set_permissions(&path, before).unwrap();
    }
}

#[test]
fn a_postgres_that_acknowledges_before_it_is_on_disk_is_told() {
    let database = TestDatabase::migrated();
    let safe = ("BELFRY_PUBLIC_URL", "http://127.0.0.1:1");
    let folder = folder();
    let url = |options: &str| {
        format!(
            "{}{}options=-c%20synchronous_commit%3D{options}",
            database.url,
            if database.url.contains('?') { '&' } else { '?' }
        )
    };
    let careless = check(folder.path(), &[safe, ("BELFRY_DATABASE_URL", &url("off"))], &["--deploy"]);
    assert!(careless.0 == Some(1) && careless.1.contains("synchronous_commit off"), "{}", careless.1);
    let careful = check(folder.path(), &[safe, ("BELFRY_DATABASE_URL", &url("on"))], &["--deploy"]);
    assert!(!careful.1.contains("synchronous_commit"), "{}", careful.1);
}

#[test]
fn a_backup_of_a_live_database_is_whole_and_replaces_nothing() {
    run_with(Backend::Sqlite, REAL, async |app: &TestApp| {
        app.settle().await;
        let file = app.folder().join("copy's.db");
        let name = file.display().to_string();
        let (code, told) = command(app, &[], &["backup", &name], "");
        assert_eq!((code, told.as_str()), (Some(0), ""));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let copy = Database::open(&DatabaseAddress::Sqlite(file.clone())).expect("the copy opens");
        assert_eq!(crate::harness::dump(&copy).await, crate::harness::dump(&app.db).await);
        let url = format!("sqlite://{name}");
        assert_eq!(command(app, &[("BELFRY_DATABASE_URL", &url)], &["check"], "").0, Some(0));
        let (code, told) = command(app, &[], &["backup", &name], "");
        assert!(code == Some(1) && told.contains("exists already"), "{told}");
    });
    run_with(Backend::Postgres, REAL, async |app: &TestApp| {
        let (code, told) = command(app, &[], &["backup", "copy.db"], "");
        assert!(code == Some(1) && told.contains("pg_dump"), "{told}");
    });
}

async fn administrators(app: &TestApp) {
    let make = |name: &str, password: &str| command(app, &[], &["create-admin", "--username", name], password);
    let (code, told) = make("ada", "short\n");
    assert!(code == Some(1) && !told.contains("short"), "{told}");
    let (code, told) = make("a da", PASSWORD);
    assert!(code == Some(1) && told.contains("username"), "{told}");
    for several in [format!("{PASSWORD}\nanother line\n"), format!("{PASSWORD}\0"), format!("\t{PASSWORD}")] {
        let (code, told) = make("ada", &several);
        assert!(code == Some(1) && told.contains("one line") && !told.contains(PASSWORD), "{told}");
    }
    let (code, told) = make("ada", &format!("{PASSWORD}\r\n"));
    assert!(code == Some(0) && told.contains("ada") && !told.contains(PASSWORD), "{told}");
    let (code, told) = make("ADA", PASSWORD);
    assert!(code == Some(1) && told.contains("already"), "{told}");
    let own = settings(app);
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(app.folder(), &own);
    let mut ada = app.visitor().at(&process.origin);
    ada.log_in("ada", PASSWORD).await.is(303);
    ada.get("/instance/tenants").await.is(200);
}

#[test]
fn an_operator_can_make_an_administrator_on_an_empty_database_on_sqlite() {
    run_with(Backend::Sqlite, REAL, administrators);
}

#[test]
fn an_operator_can_make_an_administrator_on_an_empty_database_on_postgres() {
    run_with(Backend::Postgres, REAL, administrators);
}

async fn rotation(app: &TestApp) {
    let town = app.settle().await;
    app.portal(town.ours, "the old portal").await;
    sealed(app, town.ours, town.mia).await;
    // Whoever mistypes a setting gets no new database and no new key.
    for (setting, name) in [("BELFRY_DATABASE_URL", "sqlite://nowhere/b.db"), ("BELFRY_KEY_FILE", "nowhere/b.key")] {
        let (code, told) = command(app, &[(setting, name)], &["rotate-key"], "");
        assert!(code == Some(1) && told.contains(setting) && told.contains("nothing was made"), "{told}");
        assert!(!app.folder().join("nowhere").exists());
    }
    for _ in 0..2 {
        let (code, told) = command(app, &[], &["rotate-key"], "");
        assert_eq!(code, Some(0), "{told}");
    }
    // With the newest key alone everything opens: nothing was left with an older one.
    let file = app.folder().join("belfry.key");
    let mut keys: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let seal = keys["seal"].as_array_mut().expect("keys");
    assert_eq!(seal.len(), 3);
    seal.drain(..2);
    let newest = app.folder().join("newest.key");
    fs::write(&newest, keys.to_string()).unwrap();
    fs::set_permissions(&newest, fs::Permissions::from_mode(0o600)).unwrap();
    let (code, told) = command(app, &[("BELFRY_KEY_FILE", &newest.display().to_string())], &["check"], "");
    assert_eq!((code, told.as_str()), (Some(0), "Nothing is wrong.\n"));
    // And the code still reaches its group.
    app.switch_on().await;
    app.robot(RobotKind::DingTalk, ROBOT);
    let own = settings(app);
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let _process = Process::start(app.folder(), &own);
    let heard = |calls: &[belfry::sandbox::RecordedCall]| calls.iter().any(|call| call.delivered_message().is_some());
    assert!(app.sandbox.wait_for_calls(ROBOT, heard, std::time::Duration::from_secs(20)).await);
    assert!(format!("{:?}", app.sandbox.delivered_messages(ROBOT)).contains("123456"));
}

#[test]
fn after_a_rotation_the_newest_key_alone_opens_everything_on_sqlite() {
    run_with(Backend::Sqlite, REAL, rotation);
}

#[test]
fn after_a_rotation_the_newest_key_alone_opens_everything_on_postgres() {
    run_with(Backend::Postgres, REAL, rotation);
}
