//! Starting and ending, seen from outside: the real binary, its exit code and its two outputs.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use crate::harness::{Process, TestDatabase, folder, refuses_to_start};

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
fn two_processes_that_start_at_once_on_an_empty_postgres_both_serve() {
    let (folder, database) = (folder(), TestDatabase::empty());
    std::thread::scope(|scope| {
        let start = || drop(Process::start(folder.path(), &[("BELFRY_DATABASE_URL", &database.url)]));
        scope.spawn(start);
        scope.spawn(start);
    });
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let folder = folder();
    drop(Process::start(folder.path(), &[]));
    let key = folder.path().join("data/belfry.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    let sentence = refuses_to_start(folder.path(), &[]);
    assert!(sentence.contains("belfry.key") && sentence.contains("chmod 600"), "{sentence}");
}

#[test]
fn a_key_file_that_cannot_be_read_is_told() {
    let folder = folder();
    fs::create_dir(folder.path().join("key")).unwrap();
    fs::set_permissions(folder.path().join("key"), fs::Permissions::from_mode(0o700)).unwrap();
    let sentence = refuses_to_start(folder.path(), &[("BELFRY_KEY_FILE", "key")]);
    assert!(sentence.contains("key file key"), "{sentence}");
    fs::write(folder.path().join("damaged"), "not a key ring").unwrap();
    fs::set_permissions(folder.path().join("damaged"), fs::Permissions::from_mode(0o600)).unwrap();
    let sentence = refuses_to_start(folder.path(), &[("BELFRY_KEY_FILE", "damaged")]);
    assert!(sentence.contains("key file damaged") && !sentence.contains("not a key ring"), "{sentence}");
}

#[test]
fn a_postgres_that_cannot_be_reached_is_told_without_its_password() {
    let begun = Instant::now();
    let url = "postgres://ann:s3cret-word@127.0.0.1:1/belfry";
    let sentence = refuses_to_start(folder().path(), &[("BELFRY_DATABASE_URL", url)]);
    assert!(sentence.contains("127.0.0.1:1/belfry") && !sentence.contains("s3cret-word"), "{sentence}");
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
            ("BELFRY_ROBOT_ORIGINS", "ftp://x"),
            ("BELFRY_TRUSTED_PROXIES", "proxy.example"),
            ("BELFRY_PRODUCT_NAME", ""),
            ("BELFRY_PORTAL_NAME", "two\nlines"),
            ("BELFRY_LOG_FORMAT", "xml"),
            ("BELFRY_DATABASE_URL", "oracle://x"),
        ],
    );
    for word in [
        "BELFRY_LISTEN",
        "BELFRY_PUBLIC_URL",
        "ftp://x",
        "proxy.example",
        "BELFRY_PRODUCT_NAME",
        "BELFRY_PORTAL_NAME",
        "BELFRY_LOG_FORMAT",
        "oracle",
    ] {
        assert!(sentence.contains(word), "{word} in {sentence}");
    }
}

#[test]
fn a_log_filter_that_cannot_be_read_is_told() {
    let sentence = Process::start(folder().path(), &[("BELFRY_LOG", "belfry=loud")]).stderr();
    assert!(sentence.is_empty() || !sentence.contains("panicked"), "{sentence}");
}

#[test]
fn a_retry_schedule_that_does_not_outlast_a_night_is_refused_with_the_reason() {
    let sentence = refuses_to_start(folder().path(), &[("BELFRY_RETRY_SCHEDULE", "5s,30s,1h")]);
    assert!(sentence.contains("BELFRY_RETRY_SCHEDULE may be over after 1.0 hours"), "{sentence}");
}
