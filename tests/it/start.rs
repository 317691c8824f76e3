//! Starting and ending, seen from outside: the real binary, its exit code and its two outputs.

use std::{
    fs,
    io::Read as _,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use crate::harness::{Process, Starting, TestDatabase, folder, refuses_to_start};

#[test]
fn the_first_start_makes_its_data_folder_says_one_line_and_ends_well_when_told_to() {
    for signal in ["TERM", "INT"] {
        let folder = folder();
        let process = Process::start(folder.path(), &[]);
        assert!(process.line.starts_with("listening on http://127.0.0.1:"), "{}", process.line);
        assert_ne!(process.origin, "http://127.0.0.1:0");
        assert_eq!(process.set_up_code().len(), 23);
        process.signal(signal);
        let (status, rest) = process.wait();
        assert_eq!((status.code(), rest.as_str()), (Some(0), ""), "{signal}");
        let mode = |path: &str| fs::metadata(folder.path().join(path)).expect(path).permissions().mode() & 0o777;
        assert_eq!(mode("data"), 0o700);
        assert_eq!(mode("data/belfry.db"), 0o600);
        assert_eq!(mode("data/belfry.key"), 0o600);
    }
}

#[test]
fn the_set_up_code_is_shown_whatever_the_log_filter_says_and_is_another_at_every_start() {
    let folder = folder();
    let first = Process::start(folder.path(), &[("BELFRY_LOG", "off")]).set_up_code();
    let second = Process::start(folder.path(), &[("BELFRY_LOG", "off")]).set_up_code();
    assert_ne!(first, second);
}

#[test]
fn it_serves_on_postgres_too() {
    let (folder, database) = (folder(), TestDatabase::empty());
    let process = Process::start(folder.path(), &[("BELFRY_DATABASE_URL", &database.url)]);
    process.signal("TERM");
    assert_eq!(process.wait().0.code(), Some(0));
}

#[test]
fn a_postgres_without_a_table_or_a_column_ends_the_start_and_the_check_with_their_names() {
    let (folder, database) = (folder(), TestDatabase::empty());
    let settings = [("BELFRY_DATABASE_URL", database.url.as_str())];
    drop(Process::start(folder.path(), &settings));
    let mut c = belfry::db::DatabaseAddress::parse(&database.url).unwrap().connect().unwrap();
    let half = "ALTER TABLE portal_nonces RENAME TO gone; ALTER TABLE members DROP COLUMN email CASCADE";
    diesel::connection::SimpleConnection::batch_execute(&mut c, half).unwrap();
    let words = "it has no table portal_nonces and no column members.email; restore a backup.";
    let sentence = refuses_to_start(folder.path(), &settings);
    assert!(sentence.contains(words), "{sentence}");
    let (_, said) = Process::ends(folder.path(), &settings, &["check"], "");
    assert!(said.contains(words), "{said}");
}

#[test]
fn two_processes_that_start_at_once_on_an_empty_postgres_both_serve() {
    let (folder, database) = (folder(), TestDatabase::empty());
    std::thread::scope(|scope| {
        let start = || drop(Process::start(folder.path(), &[("BELFRY_DATABASE_URL", &database.url)]));
        scope.spawn(start);
        scope.spawn(start);
    });
}

#[test]
fn processes_that_start_at_once_on_an_empty_folder_all_serve() {
    for _ in 0..4 {
        let folder = folder();
        let file = folder.path().join("data/belfry.db");
        let mut other = belfry::db::DatabaseAddress::Sqlite(file).connect().unwrap();
        let mut run = |sql| diesel::connection::SimpleConnection::batch_execute(&mut other, sql).unwrap();
        // All of them come to where they make the tables, and go on at the same moment.
        run("BEGIN IMMEDIATE");
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let process = Process::start(folder.path(), &[]);
                    process.signal("TERM");
                    assert_eq!(process.wait().0.code(), Some(0));
                });
            }
            std::thread::sleep(Duration::from_millis(500));
            run("ROLLBACK");
        });
    }
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let folder = folder();
    drop(Process::start(folder.path(), &[]));
    let key = folder.path().join("data/belfry.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let sentence = refuses_to_start(folder.path(), &[]);
    assert!(sentence.contains("belfry.key") && sentence.contains("chmod 600"), "{sentence}");
}

#[test]
fn a_key_file_that_cannot_be_read_is_told() {
    let folder = folder();
    fs::create_dir(folder.path().join("key")).unwrap();
    fs::set_permissions(folder.path().join("key"), fs::Permissions::from_mode(0o700)).unwrap();
    let sentence = refuses_to_start(folder.path(), &[("BELFRY_KEY_FILE", "key")]);
    assert!(sentence.contains("key is no key file") && sentence.contains("folder"), "{sentence}");
    fs::write(folder.path().join("damaged"), "not a key ring").unwrap();
    fs::set_permissions(folder.path().join("damaged"), fs::Permissions::from_mode(0o600)).unwrap();
    let sentence = refuses_to_start(folder.path(), &[("BELFRY_KEY_FILE", "damaged")]);
    assert!(sentence.contains("damaged is no key file of Belfry") && sentence.contains("Restore"), "{sentence}");
    assert!(!sentence.contains("not a key ring"), "{sentence}");
}

#[test]
fn a_postgres_that_cannot_be_reached_is_told_without_its_password() {
    let begun = Instant::now();
    let url = "postgres://ann:s3cret-word@127.0.0.1:1/belfry";
    let sentence = refuses_to_start(folder().path(), &[("BELFRY_DATABASE_URL", url)]);
    assert!(sentence.contains("127.0.0.1:1/belfry") && sentence.contains("BELFRY_DATABASE_URL"), "{sentence}");
    assert!(!sentence.contains("s3cret-word"), "{sentence}");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_database_file_that_cannot_be_made_is_told() {
    let sentence = refuses_to_start(folder().path(), &[("BELFRY_DATABASE_URL", "sqlite:///dev/null/belfry.db")]);
    assert!(sentence.contains("/dev/null/belfry.db"), "{sentence}");
    let folder = folder();
    fs::write(folder.path().join("text.db"), "no database at all, but a longer text than a header of SQLite has")
        .unwrap();
    let sentence = refuses_to_start(folder.path(), &[("BELFRY_DATABASE_URL", "sqlite://text.db")]);
    assert!(sentence.contains("text.db"), "{sentence}");
}

#[test]
fn an_unknown_database_scheme_is_told_and_makes_no_file() {
    let folder = folder();
    for (url, word) in [("mysql://localhost/belfry", "mysql"), ("belfry.db", "scheme"), ("sqlite://", "sqlite")] {
        let sentence = refuses_to_start(folder.path(), &[("BELFRY_DATABASE_URL", url)]);
        assert!(sentence.contains("BELFRY_DATABASE_URL") && sentence.contains(word), "{sentence}");
    }
    assert!(!folder.path().join("belfry.db").exists());
}

#[test]
fn a_port_in_use_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let sentence = refuses_to_start(folder().path(), &[("BELFRY_LISTEN", &address)]);
    assert!(sentence.contains(&address) && sentence.contains("BELFRY_LISTEN"), "{sentence}");
}

#[test]
fn everything_that_is_wrong_with_the_settings_is_told_at_once() {
    let sentence = refuses_to_start(
        folder().path(),
        &[
            ("BELFRY_LISTEN", "here"),
            ("BELFRY_PUBLIC_URL", "belfry.example"),
            ("BELFRY_ROBOT_ORIGINS", "ftp://x,https://*.corp.example"),
            ("BELFRY_TRUSTED_PROXIES", "proxy.example"),
            ("BELFRY_PRODUCT_NAME", ""),
            ("BELFRY_PORTAL_NAME", "two\nlines"),
            ("BELFRY_LOG_FORMAT", "xml"),
            ("BELFRY_PASSWORD_BLOCKLIST_FILE", "no/such/list"),
            ("BELFRY_DATABASE_URL", "oracle://x"),
        ],
    );
    for word in [
        "BELFRY_LISTEN",
        "BELFRY_PUBLIC_URL",
        "ftp://x",
        "*.corp.example",
        "proxy.example",
        "BELFRY_PRODUCT_NAME",
        "BELFRY_PORTAL_NAME",
        "BELFRY_LOG_FORMAT",
        "no/such/list",
        "oracle",
    ] {
        assert!(sentence.contains(word), "{word} in {sentence}");
    }
}

#[test]
fn a_log_filter_that_cannot_be_read_is_told() {
    for filter in ["verbose", "belfry=loud", "info,debug", ""] {
        let (code, told) = Process::ends(folder().path(), &[("BELFRY_LOG", filter)], &["serve"], "");
        assert_eq!((code, told.lines().count()), (Some(1), 1), "{filter}: {told}");
        assert!(told.starts_with("belfry: BELFRY_LOG is not a filter"), "{told}");
    }
}

#[test]
fn one_file_for_the_key_and_the_database_is_refused_before_anything_is_written() {
    let folder = folder();
    let settings = [("BELFRY_DATABASE_URL", "sqlite://data/belfry"), ("BELFRY_KEY_FILE", "./data/belfry")];
    let sentence = refuses_to_start(folder.path(), &settings);
    assert!(sentence.contains("BELFRY_KEY_FILE and BELFRY_DATABASE_URL name the same file"), "{sentence}");
    assert!(!folder.path().join("data").exists());
}

#[test]
fn a_key_file_without_its_database_is_told_at_the_start() {
    let folder = folder();
    drop(Process::start(folder.path(), &[]));
    let process = Process::start(folder.path(), &[("BELFRY_DATABASE_URL", "sqlite://data/other.db")]);
    assert!(process.told("was there before the database").contains("BELFRY_DATABASE_URL"));
}

#[test]
fn a_part_of_the_log_filter_that_writes_nothing_is_named_in_the_log() {
    let folder = folder();
    let process = Process::start(folder.path(), &[("BELFRY_LOG", "info,belfry::curier=debug")]);
    assert!(process.told("BELFRY_LOG names belfry::curier, ").contains("no log lines"));
}

#[test]
fn a_retry_schedule_that_does_not_outlast_a_night_is_refused_with_the_reason() {
    let sentence = refuses_to_start(folder().path(), &[("BELFRY_RETRY_SCHEDULE", "5s,30s,1h")]);
    assert!(sentence.contains("BELFRY_RETRY_SCHEDULE may be over after 1.0 hours"), "{sentence}");
}

#[test]
fn an_unknown_variable_is_named_in_the_log_with_the_nearest_setting() {
    let folder = folder();
    let process = Process::start(folder.path(), &[("BELFRY_PUBLICURL", "https://s3cret.example")]);
    assert_eq!(
        process.told("BELFRY_PUBLICURL is no setting of Belfry and has no effect: did you mean "),
        "BELFRY_PUBLIC_URL?"
    );
    process.signal("TERM");
    let (log, status) = process.wait_with_log();
    assert!(status.success() && !log.contains("s3cret"), "{log}");
}

#[test]
fn a_proxy_of_the_environment_that_is_not_used_is_named_in_the_log() {
    let told = |settings: &[(&str, &str)]| {
        let folder = folder();
        let process = Process::start(folder.path(), settings);
        process.set_up_code();
        process.signal("TERM");
        process.wait_with_log().0
    };
    let environment = ("HTTPS_PROXY", "http://ann:s3cret@127.0.0.1:1");
    let log = told(&[environment]);
    assert!(log.contains("HTTPS_PROXY is set, which Belfry does not use") && !log.contains("s3cret"), "{log}");
    assert!(!told(&[environment, ("BELFRY_ROBOT_PROXY", "http://127.0.0.1:1")]).contains("HTTPS_PROXY"));
}

#[test]
fn a_closed_terminal_does_not_end_it() {
    let folder = folder();
    let process = Process::start(folder.path(), &[]);
    process.signal("HUP");
    process.signal("HUP");
    // Signals of one kind are not counted, but each is handled before the next of another.
    process.signal("TERM");
    assert_eq!(process.wait().0.code(), Some(0));
}

#[test]
fn a_database_that_cannot_be_used_ends_the_start_with_one_sentence() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let keeper = Process::start(folder.path(), &[("BELFRY_DATABASE_URL", "sqlite://good.db")]);
    drop(keeper);
    let sql = |name: &str, statement: &str| {
        let file = path(name);
        let address = belfry::db::DatabaseAddress::parse(&format!("sqlite://{}", file.display())).unwrap();
        diesel::connection::SimpleConnection::batch_execute(&mut address.connect().unwrap(), statement).unwrap();
    };
    sql("good.db", "PRAGMA wal_checkpoint(TRUNCATE)");
    let whole = fs::read(path("good.db")).unwrap();
    fs::create_dir(path("a-folder")).unwrap();
    fs::write(path("newer.db"), &whole).unwrap();
    fs::write(path("cut-off.db"), &whole[..whole.len() / 3]).unwrap();
    let mut mangled = whole.clone();
    mangled[100..2_000].fill(0x5a);
    fs::write(path("mangled.db"), mangled).unwrap();
    fs::write(path("text.db"), "no database at all, but a longer text than a header of SQLite has".repeat(30)).unwrap();
    sql("newer.db", "INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')");
    fs::write(path("cut-out.db"), &whole).unwrap();
    sql("cut-out.db", "DROP TABLE refused_posts; ALTER TABLE lockouts RENAME TO lockouts_old");
    fs::write(path("half.db"), &whole).unwrap();
    sql(
        "half.db",
        "ALTER TABLE refused_posts RENAME COLUMN first_at TO seen_at; ALTER TABLE audit RENAME COLUMN at TO time",
    );
    for side_file in ["beside.db-wal", "fresh.db-journal"] {
        fs::create_dir(path(side_file)).unwrap();
    }
    fs::write(path("with-shm.db"), &whole).unwrap();
    fs::create_dir(path("with-shm.db-shm")).unwrap();
    sql("foreign.db", "CREATE TABLE invoices (id INTEGER)");
    for (url, words) in [
        ("sqlite://a-folder", "a-folder (BELFRY_DATABASE_URL) could not be opened: it is a folder"),
        ("sqlite://good.db/belfry.db", "good.db/belfry.db"),
        ("sqlite:///proc/belfry.db", "/proc/belfry.db"),
        ("sqlite:///dev/full", "/dev/full"),
        ("sqlite://cut-off.db", "cut-off.db"),
        ("sqlite://mangled.db", "mangled.db"),
        ("sqlite://text.db", "text.db"),
        ("sqlite://newer.db", "newer Belfry"),
        ("sqlite://foreign.db", "tables of another program"),
        ("sqlite://cut-out.db", "has no table lockouts, refused_posts; restore a backup"),
        ("sqlite://beside.db", "beside.db-wal is a folder"),
        ("sqlite://with-shm.db", "with-shm.db-shm is a folder"),
        ("sqlite://fresh.db", "fresh.db-journal is a folder"),
        ("sqlite://half.db", "has no column audit.at, refused_posts.first_at; restore a backup"),
        ("sqlite://file:good.db?mode=ro", "a file: URI is not read"),
        ("sqlite://:memory:", "BELFRY_DATABASE_URL"),
        ("sqlite://good.db?mode=ro", "BELFRY_DATABASE_URL"),
        ("postgres://ann:s3cret@127.0.0.1:1/belfry", "127.0.0.1:1"),
        ("postgres://ann:s3cret@no-such-host.invalid/belfry", "no-such-host.invalid"),
        ("postgres://ann:s3cret/x@127.0.0.1/belfry", "BELFRY_DATABASE_URL"),
    ] {
        let begun = Instant::now();
        let sentence = refuses_to_start(folder.path(), &[("BELFRY_DATABASE_URL", url)]);
        assert!(sentence.contains(words) && !sentence.contains("s3cret"), "{url}: {sentence}");
        assert!(begun.elapsed() < Duration::from_secs(40), "{url}");
    }
    assert!(!path(":memory:").exists() && !path("good.db?mode=ro").exists());
}

#[test]
fn a_locked_database_file_ends_the_start_with_one_sentence() {
    let folder = folder();
    drop(Process::start(folder.path(), &[("BELFRY_DATABASE_URL", "sqlite://belfry.db")]));
    let address =
        belfry::db::DatabaseAddress::parse(&format!("sqlite://{}", folder.path().join("belfry.db").display())).unwrap();
    let mut other = address.connect().unwrap();
    diesel::connection::SimpleConnection::batch_execute(&mut other, "BEGIN EXCLUSIVE").unwrap();
    let settings = [("BELFRY_DATABASE_URL", "sqlite://belfry.db"), ("BELFRY_LOG", "off")];
    let (code, told) = Process::ends(folder.path(), &settings, &["serve"], "");
    assert_eq!((code, told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.contains("locked") && told.contains("end that one"), "{told}");
    for signal in ["TERM", "INT"] {
        let starting = Starting::with(folder.path(), &[("BELFRY_DATABASE_URL", "sqlite://belfry.db")]);
        starting.signal(signal);
        let (code, told) = starting.wait();
        assert!([None, Some(0)].contains(&code), "{signal}: {told}");
    }
}

#[test]
fn a_postgres_that_accepts_and_says_nothing_ends_the_start_with_one_sentence() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://ann:s3cret@{}/belfry", silent.local_addr().unwrap());
    let sentence = refuses_to_start(folder().path(), &[("BELFRY_DATABASE_URL", &url)]);
    assert!(sentence.contains("postgres://127.0.0.1") && !sentence.contains("s3cret"), "{sentence}");
    for signal in ["TERM", "INT"] {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("postgres://ann@{}/belfry", silent.local_addr().unwrap());
        let starting = Starting::with(folder().path(), &[("BELFRY_DATABASE_URL", &url)]);
        // What it says first shows that it has come that far.
        let mut stream = silent.accept().unwrap().0;
        assert!(stream.read(&mut [0; 64]).unwrap() > 0);
        starting.signal(signal);
        let (code, told) = starting.wait();
        assert_eq!(code, Some(0), "{signal}: {told}");
    }
}

#[test]
fn a_start_that_waits_for_the_migration_of_another_process_is_ended_by_a_signal() {
    let (folder, database) = (folder(), TestDatabase::empty());
    let connect = || belfry::db::DatabaseAddress::parse(&database.url).unwrap().connect().unwrap();
    let (mut other, mut watcher) = (connect(), connect());
    diesel::connection::SimpleConnection::batch_execute(&mut other, "SELECT pg_advisory_lock(726354)").unwrap();
    let mut waits = || {
        let waiting = "SELECT 'x' AS line FROM pg_locks JOIN pg_database ON pg_database.oid = database \
                       WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted";
        !crate::harness::lines(&mut watcher, waiting.to_owned()).unwrap().is_empty()
    };
    for signal in ["TERM", "INT"] {
        let starting = Starting::with(folder.path(), &[("BELFRY_DATABASE_URL", &database.url)]);
        while !waits() {
            std::thread::yield_now();
        }
        starting.signal(signal);
        assert_eq!(starting.wait().0, Some(0), "{signal}");
        // The server notices that nobody waits there any more.
        while waits() {
            diesel::connection::SimpleConnection::batch_execute(
                &mut connect(),
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock'",
            )
            .unwrap();
        }
    }
}

#[test]
fn a_process_whose_postgres_does_not_answer_any_more_is_ended_by_a_signal() {
    let database = TestDatabase::migrated();
    for signal in ["TERM", "INT"] {
        let folder = folder();
        let process = Process::start(folder.path(), &[("BELFRY_DATABASE_URL", &database.url)]);
        let mut other = belfry::db::DatabaseAddress::parse(&database.url).unwrap().connect().unwrap();
        // Whoever reads or writes a session, an account or a message waits from now on for ever.
        let lock =
            "BEGIN; LOCK TABLE accounts, sessions, deliveries, messages, log_in_settings IN ACCESS EXCLUSIVE MODE";
        diesel::connection::SimpleConnection::batch_execute(&mut other, lock).unwrap();
        let address = process.origin.trim_start_matches("http://").to_owned();
        let mut waiting = std::net::TcpStream::connect(&address).unwrap();
        std::io::Write::write_all(&mut waiting, format!("GET /login HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes())
            .unwrap();
        let begun = Instant::now();
        process.signal(signal);
        assert_eq!(process.wait().0.code(), Some(0), "{signal}");
        eprintln!("ended {:?} after {signal}", begun.elapsed());
    }
}
