//! Migrations of databases with people in them, up and down.

use belfry::db::{AnyConnection, Database, DatabaseAddress};
use diesel::{connection::SimpleConnection as _, migration::MigrationSource};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

use crate::harness::{Backend, PASSWORD, Process, TestDatabase, folder, lines, password_hash};

/// The last migration before members could be invited and suspended.
const BEFORE_INVITATIONS: &str = "00000000000010";

/// The migrations of a database up to and including this one.
fn migrate_to(c: &mut AnyConnection, last: &str) {
    fn run<DB: diesel::backend::Backend>(c: &mut impl MigrationHarness<DB>, kind: &str, last: &str) {
        let folder = format!("{}/migrations/{kind}", env!("CARGO_MANIFEST_DIR"));
        let mut all = MigrationSource::<DB>::migrations(&FileBasedMigrations::from_path(folder).unwrap()).unwrap();
        all.retain(|migration| migration.name().version().to_string().as_str() <= last);
        assert!(!all.is_empty());
        // This makes the table that remembers them.
        drop(c.applied_migrations().expect("the database answers"));
        all.sort_by_key(|migration| migration.name().version().as_owned());
        c.run_migrations(&all).expect("the migrations run");
    }
    match c {
        AnyConnection::Sqlite(c) => run(c, "sqlite", last),
        AnyConnection::Postgres(c) => run(c, "postgres", last),
    }
}

/// Takes back every migration after this one, the newest first.
fn revert_to(c: &mut AnyConnection, last: &str) {
    fn run<DB: diesel::backend::Backend>(c: &mut impl MigrationHarness<DB>, kind: &str, last: &str) {
        let folder = format!("{}/migrations/{kind}", env!("CARGO_MANIFEST_DIR"));
        let source = FileBasedMigrations::from_path(folder).unwrap();
        while c.applied_migrations().unwrap().iter().any(|version| version.to_string().as_str() > last) {
            c.revert_last_migration(source.clone()).expect("a migration is taken back");
        }
    }
    match c {
        AnyConnection::Sqlite(c) => run(c, "sqlite", last),
        AnyConnection::Postgres(c) => run(c, "postgres", last),
    }
}

/// A tenant as the version before left it: `sue` administers it, `mia` is a member, `dan` a disabled one, and `theo` was added
/// although another tenant made his account.
fn people_from_before(hash: &str) -> String {
    let account = |id: i64, name: &str, made_in: &str| {
        format!(
            "INSERT INTO accounts (id, username, username_key, password_hash, made_in, created_at) \
             VALUES ({id}, '{name}', '{name}', '{hash}', {made_in}, '2026-01-02 03:04:05');"
        )
    };
    let member = |id: i64, tenant: i64, name: &str, role: &str, status: &str| {
        format!(
            "INSERT INTO members (id, tenant, account, username, username_key, display_name, display_name_key, search_text, \
             role, phone, email, status, robot_count, joined_at, may_fire) VALUES ({id}, {tenant}, {id}, '{name}', '{name}', \
             '{name}', '{name}', '{name}\n{name}', '{role}', '', '', '{status}', 0, '2026-01-0{id} 03:04:05', false);"
        )
    };
    let tenant = |id: i64, slug: &str| {
        format!(
            "INSERT INTO tenants (id, slug, name, description, metadata_warehouse, channel_mode, super_admin, time_zone, \
             message_language, member_count, created_at) VALUES ({id}, '{slug}', '{slug}', '', false, 'system', 1, \
             'Asia/Shanghai', 'en', 4, '2026-01-02 03:04:05');"
        )
    };
    [
        account(1, "sue", "NULL"),
        account(2, "mia", "1"),
        account(3, "dan", "1"),
        account(4, "theo", "2"),
        tenant(1, "ours"),
        tenant(2, "theirs"),
        member(1, 1, "sue", "super_administrator", "active"),
        member(2, 1, "mia", "member", "active"),
        member(3, 1, "dan", "member", "disabled"),
        member(4, 1, "theo", "system_administrator", "active"),
    ]
    .concat()
}

fn members(c: &mut AnyConnection) -> Vec<String> {
    let query = "SELECT id || ' ' || tenant || ' ' || account || ' ' || username || ' ' || role || ' ' || status || ' ' || \
                 joined_at AS line FROM members ORDER BY id";
    lines(c, query.to_owned()).expect("the members")
}

async fn members_from_before_are_accepted(url: &str) {
    let address = DatabaseAddress::parse(url).unwrap();
    let mut c = address.connect().unwrap();
    migrate_to(&mut c, BEFORE_INVITATIONS);
    c.batch_execute(&people_from_before(password_hash().await)).unwrap();
    let before = members(&mut c);
    drop(Database::open(&address).expect("the database is migrated"));
    assert_eq!(members(&mut c), before);
    let unlike = "SELECT username AS line FROM members WHERE accepted_at IS NULL OR accepted_at <> joined_at";
    assert_eq!(lines(&mut c, unlike.to_owned()).unwrap(), Vec::<String>::new());

    let folder = folder();
    let process = Process::start(folder.path(), &[("BELFRY_DATABASE_URL", url)]);
    for (username, page) in [("mia", "/t/ours/me"), ("theo", "/t/ours/members/new"), ("sue", "/t/ours/members/new")] {
        let mut user = process.visitor();
        user.log_in(username, PASSWORD).await.is(303);
        user.get(page).await.is(200);
        assert_eq!(user.get("/").await.texts("form[action='/invitations/accept']"), Vec::<String>::new(), "{username}");
    }
    // Who was disabled has his rights back at once when he is reinstated, and is not invited again.
    let (mut sue, mut dan) = (process.visitor(), process.visitor());
    sue.log_in("sue", PASSWORD).await.is(303);
    dan.log_in("dan", PASSWORD).await.is(303);
    dan.get("/t/ours/me").await.is(404);
    sue.post("/t/ours/members/3/reinstate", &[]).await.is(303);
    dan.get("/t/ours/me").await.is(200);
}

async fn the_way_back_loses_no_member(url: &str) {
    let address = DatabaseAddress::parse(url).unwrap();
    let mut c = address.connect().unwrap();
    migrate_to(&mut c, BEFORE_INVITATIONS);
    c.batch_execute(&people_from_before(password_hash().await)).unwrap();
    let before = members(&mut c);
    drop(Database::open(&address).expect("the database is migrated"));
    let pending = "UPDATE members SET status = 'invited', accepted_at = NULL WHERE username = 'mia'; \
                   UPDATE members SET status = 'suspended', accepted_at = NULL WHERE username = 'theo';";
    c.batch_execute(pending).unwrap();
    revert_to(&mut c, BEFORE_INVITATIONS);
    // The version before would give rights to invited and suspended members: they are disabled.
    let disabled = |line: &String| match line {
        line if line.contains("mia") || line.contains("theo") => line.replace(" active ", " disabled "),
        line => line.clone(),
    };
    assert_eq!(members(&mut c), before.iter().map(disabled).collect::<Vec<_>>());
    assert!(lines(&mut c, "SELECT 'x' AS line FROM members WHERE accepted_at IS NULL".to_owned()).is_err());
    // Forth once more, and everybody is there still.
    drop(Database::open(&address).expect("the database is migrated again"));
    assert_eq!(members(&mut c).len(), 4);
    revert_to(&mut c, "");
    let tables = match c {
        AnyConnection::Sqlite(_) => "SELECT name AS line FROM sqlite_master WHERE type = 'table'",
        AnyConnection::Postgres(_) => {
            "SELECT table_name::text AS line FROM information_schema.tables WHERE table_schema = 'public'"
        }
    };
    let left = lines(&mut c, tables.to_owned()).unwrap();
    let left: Vec<&String> =
        left.iter().filter(|name| !name.starts_with("sqlite_") && !name.starts_with("__")).collect();
    assert_eq!(left, Vec::<&String>::new(), "what the first migration made is gone");
}

fn on(backend: Backend, test: impl AsyncFnOnce(&str)) {
    let (folder, database) = (folder(), (backend == Backend::Postgres).then(TestDatabase::empty));
    let url = match &database {
        Some(database) => database.url.clone(),
        None => format!("sqlite://{}", folder.path().join("belfry.db").display()),
    };
    actix_web::rt::System::new().block_on(test(&url));
}

#[test]
fn members_from_before_invitations_count_as_accepted_on_sqlite() {
    on(Backend::Sqlite, members_from_before_are_accepted);
}

#[test]
fn members_from_before_invitations_count_as_accepted_on_postgres() {
    on(Backend::Postgres, members_from_before_are_accepted);
}

#[test]
fn the_way_back_before_invitations_loses_no_member_on_sqlite() {
    on(Backend::Sqlite, the_way_back_loses_no_member);
}

#[test]
fn the_way_back_before_invitations_loses_no_member_on_postgres() {
    on(Backend::Postgres, the_way_back_loses_no_member);
}
