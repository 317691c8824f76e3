//! A database or key file that cannot be used: the start ends within seconds with a sentence that names it, and whatever waits is
//! ended by a signal.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{IpAddr, TcpListener, TcpStream},
    os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use belfry::{db::DatabaseAddress, sandbox::RobotKind, secrets::KeyRing};
use diesel::connection::SimpleConnection as _;

use crate::harness::{
    Backend, Process, Starting, TestApp, TestDatabase, Tweaks, User, folder, refuses_to_start,
    refuses_to_start_through, run_with,
};

const REAL: Tweaks = Tweaks { flags: &[], only_database: true };
const ROBOT: &str = "00000000000000000000000000000000000000000000000000000000fake0307";
/// How long a start may take to see that it cannot go on: a host that does not answer is given up after five seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How a shell runs the binary as somebody who is bound by the modes of files, as root is not.
fn bound_by_modes(folder: &Path) -> &'static str {
    match fs::metadata(folder).expect("a folder").uid() {
        0 => "exec setpriv --bounding-set=-all --inh-caps=-all \"$0\"",
        _ => "exec \"$0\"",
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode");
}

/// Makes `belfry.db` and `belfry.key` by a first start.
fn made(folder: &Path) -> [(&'static str, &'static str); 2] {
    let settings = [("BELFRY_DATABASE_URL", "sqlite://data/belfry.db"), ("BELFRY_KEY_FILE", "belfry.key")];
    let process = Process::start(folder, &settings);
    process.signal("TERM");
    assert!(process.wait().0.success());
    // Whoever closes a database last moves its log into it, and removes the side files.
    drop(DatabaseAddress::Sqlite(folder.join("data/belfry.db")).connect().expect("a connection"));
    settings
}

#[test]
fn a_database_that_may_not_be_used_ends_the_start_and_changes_nothing() {
    let cases: [(&str, u32, &str, u32); 5] = [
        // A file, its mode, its folder, and its mode.
        ("data/belfry.db", 0o400, "data", 0o700),
        ("data/belfry.db", 0o000, "data", 0o700),
        ("data/belfry.db", 0o600, "data", 0o500),
        ("data/belfry.db", 0o600, "data", 0o000),
        ("data/other.db", 0o600, "data", 0o500),
    ];
    for (file, file_mode, in_folder, folder_mode) in cases {
        let folder = folder();
        made(folder.path());
        let (file_path, folder_path) = (folder.path().join(file), folder.path().join(in_folder));
        if file_path.exists() {
            set_mode(&file_path, file_mode);
        }
        set_mode(&folder_path, folder_mode);
        let url = format!("sqlite://{file}");
        for work in ["BELFRY_SERVE_ONLY", "BELFRY_DELIVER_ONLY"] {
            let settings = [("BELFRY_DATABASE_URL", url.as_str()), ("BELFRY_KEY_FILE", "belfry.key"), (work, "true")];
            let begun = Instant::now();
            let sentence = refuses_to_start_through(folder.path(), &settings, bound_by_modes(folder.path()));
            assert!(sentence.contains(file), "{file} {file_mode:o} {folder_mode:o} {work}: {sentence}");
            assert!(begun.elapsed() < PATIENCE);
        }
        set_mode(&folder_path, 0o700);
    }
}

#[test]
fn what_is_no_file_is_not_taken_for_an_empty_database() {
    let folder = folder();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for (url, words) in [
        ("sqlite://pipe", "pipe (BELFRY_DATABASE_URL) could not be opened: it is no regular file"),
        ("sqlite:///dev/null", "/dev/null (BELFRY_DATABASE_URL) could not be opened: it is no regular file"),
        ("sqlite://.", "it is a folder"),
        ("sqlite:belfry.db", "no scheme"),
        ("sqlite:/belfry.db", "no scheme"),
        ("SQLITE://belfry.db", "unknown scheme"),
        ("sqlite3://belfry.db", "unknown scheme"),
        ("file://belfry.db", "unknown scheme"),
        ("postgres:localhost/belfry", "no scheme"),
        ("postgresql+psycopg://localhost/belfry", "unknown scheme"),
        ("host=localhost dbname=belfry", "no scheme"),
        ("", "no scheme"),
    ] {
        let sentence = refuses_to_start(folder.path(), &[("BELFRY_DATABASE_URL", url)]);
        assert!(sentence.contains(words), "{url}: {sentence}");
    }
    let sentence = refuses_to_start(folder.path(), &[("BELFRY_PASSWORD_BLOCKLIST_FILE", "pipe")]);
    assert!(sentence.contains("BELFRY_PASSWORD_BLOCKLIST_FILE") && sentence.contains("regular file"), "{sentence}");
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["pipe"], "nothing was made");
}

#[test]
fn side_files_of_a_database_that_cannot_be_used_end_the_start() {
    let folder = folder();
    let settings = made(folder.path());
    let log = folder.path().join("data/belfry.db-wal");
    drop(fs::remove_file(&log));
    fs::create_dir(&log).unwrap();
    let sentence = refuses_to_start(folder.path(), &settings);
    assert!(sentence.contains("data/belfry.db"), "{sentence}");
}

#[test]
fn an_empty_file_is_a_new_database() {
    let folder = folder();
    fs::write(folder.path().join("empty.db"), "").unwrap();
    Process::start(folder.path(), &[("BELFRY_DATABASE_URL", "sqlite://empty.db")]).set_up_code();
}

/// The binary with files of at most so many blocks of 512 bytes.
fn small_files(blocks: u32) -> String {
    format!("ulimit -f {blocks} && exec \"$0\"")
}

#[test]
fn a_limit_of_file_sizes_is_told_like_a_full_disk_and_ends_nothing_without_a_word() {
    // A first start that has no room for the tables.
    let folder = folder();
    let sentence = refuses_to_start_through(folder.path(), &[], &small_files(64));
    assert!(sentence.contains("data/belfry.db") && sentence.contains("disk"), "{sentence}");
    // A later one has no room for the log of changes.
    let folder = crate::harness::folder();
    let settings = made(folder.path());
    let sentence = refuses_to_start_through(folder.path(), &settings, &small_files(1));
    assert!(sentence.contains("disk"), "{sentence}");
    // And one that runs out of room goes on, and ends when it is told to.
    for signal in ["TERM", "INT"] {
        let folder = crate::harness::folder();
        let settings = made(folder.path());
        let largest = fs::metadata(folder.path().join("data/belfry.db")).unwrap().len();
        let process = Process::start_through(folder.path(), &settings, &small_files((largest / 512) as u32 + 8));
        actix_web::rt::System::new().block_on(async {
            let mut last = 0;
            for number in 0..250 {
                // An address has a limit of its own.
                let mut visitor = User::new(&process.origin, Some(IpAddr::from([127, 0, 1, number])));
                last = visitor.log_in(&format!("nobody-{number}"), "no password").await.status;
                if last == 503 {
                    break;
                }
            }
            assert_eq!(last, 503, "there was room for everything");
        });
        process.signal(signal);
        assert_eq!(process.wait().0.code(), Some(0), "{signal}");
    }
}

#[test]
fn a_process_whose_database_file_is_locked_is_ended_by_a_signal() {
    let folder = folder();
    let settings = made(folder.path());
    for signal in ["TERM", "INT"] {
        let process = Process::start(folder.path(), &settings);
        let file = folder.path().join("data/belfry.db");
        let mut other = DatabaseAddress::Sqlite(file).connect().expect("another connection");
        other.batch_execute("BEGIN IMMEDIATE").expect("the lock");
        let address = process.origin.trim_start_matches("http://").to_owned();
        let mut waiting = TcpStream::connect(&address).unwrap();
        waiting.write_all(format!("GET /login HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).unwrap();
        process.signal(signal);
        assert_eq!(process.wait().0.code(), Some(0), "{signal}");
    }
}

#[test]
fn nothing_is_acknowledged_into_a_database_file_that_was_taken_away() {
    let folder = folder();
    let settings = made(folder.path());
    let [file, away] = ["belfry.db", "away.db"].map(|name| folder.path().join("data").join(name));
    for put_another in [false, true] {
        let process = Process::start(folder.path(), &settings);
        actix_web::rt::System::new().block_on(async {
            let mut visitor = process.visitor();
            visitor.log_in("nobody", "no password").await.is(422);
            fs::rename(&file, &away).expect("the file is moved");
            if put_another {
                fs::copy(&away, &file).expect("a copy takes its place");
            }
            visitor.log_in("nobody", "no password").await.is(503);
            let ready = visitor.get("/readyz").await.is(503);
            assert!(ready.body.contains("database-unwritable"), "{}", ready.body);
            fs::rename(&away, &file).expect("the file is back");
            visitor.log_in("nobody", "no password").await.is(422);
        });
        process.signal("TERM");
        assert_eq!(process.wait().0.code(), Some(0));
    }
}

#[test]
fn standard_error_that_takes_nothing_ends_nothing() {
    let folder = folder();
    // The set-up code has nowhere to go; everything else works.
    let process = Process::start_through(folder.path(), &[], "exec \"$0\" 2>/dev/full");
    actix_web::rt::System::new().block_on(async {
        let mut visitor = process.visitor();
        visitor.get("/setup").await.is(200);
        visitor.log_in("nobody", "no password").await;
        visitor.get("/readyz").await.is(200);
    });
    process.signal("TERM");
    assert_eq!(process.wait().0.code(), Some(0));
    let refused = Process::ends_through(folder.path(), &[("BELFRY_LISTEN", "here")], "exec \"$0\" 2>/dev/full");
    assert_eq!(refused, (Some(1), String::new()));
}

/// What a server says after the first message of a client.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// It closes the connection.
    Nothing,
    /// It speaks another protocol.
    Http,
    /// An error with this SQLSTATE and these words, after it has asked for a password.
    Error(&'static str, &'static str),
    /// That the client is let in, and nothing more.
    Welcome,
}

/// A message of Postgres's protocol.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[kind][..], &length, body].concat()
}

fn converse(mut stream: TcpStream, says: Says) {
    let read = |stream: &mut TcpStream| stream.read(&mut [0; 1024]).unwrap_or_default();
    if let Says::Nothing = says {
        return;
    }
    let mut first = [0; 8];
    stream.read_exact(&mut first).unwrap_or_default();
    if let Says::Http = says {
        drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"));
        return;
    }
    // The request for TLS comes before everything else; it is declined.
    if first[4..] == 80_877_103_u32.to_be_bytes() {
        drop(stream.write_all(b"N"));
    }
    read(&mut stream);
    match says {
        Says::Error(code, words) => {
            drop(stream.write_all(&message(b'R', &3_u32.to_be_bytes())));
            read(&mut stream);
            let body = format!("SFATAL\0VFATAL\0C{code}\0M{words}\0\0");
            drop(stream.write_all(&message(b'E', body.as_bytes())));
        }
        _ => {
            let let_in = [message(b'R', &0_u32.to_be_bytes()), message(b'Z', b"I")].concat();
            drop(stream.write_all(&let_in));
            while read(&mut stream) > 0 {}
        }
    }
}

/// A server that says this to everybody: its URL.
fn postgres_that(says: Says) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://ann:s3cret@{}/belfry", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || converse(stream, says));
        }
    });
    url
}

#[test]
fn a_postgres_that_refuses_ends_the_start_with_its_reason() {
    for (says, words) in [
        (Says::Nothing, "closed"),
        (Says::Http, ""),
        (Says::Error("28P01", "password authentication failed for user \"ann\""), "password authentication failed"),
        (Says::Error("3D000", "database \"belfry\" does not exist"), "does not exist"),
        (Says::Error("53300", "sorry, too many clients already"), "too many clients"),
        (Says::Error("57P03", "the database system is starting up"), "starting up"),
    ] {
        let url = postgres_that(says);
        let begun = Instant::now();
        let sentence = refuses_to_start(folder().path(), &[("BELFRY_DATABASE_URL", &url)]);
        assert!(sentence.contains("postgres://127.0.0.1") && sentence.contains(words), "{says:?}: {sentence}");
        assert!(!sentence.contains("s3cret"), "{says:?}: {sentence}");
        assert!(begun.elapsed() < PATIENCE, "{says:?}");
    }
}

#[test]
fn a_start_whose_postgres_lets_it_in_and_says_nothing_more_is_ended_by_a_signal() {
    for signal in ["TERM", "INT"] {
        let url = postgres_that(Says::Welcome);
        let starting = Starting::with(folder().path(), &[("BELFRY_DATABASE_URL", &url)]);
        // Long enough to come that far; a signal that comes before ends it all the same.
        thread::sleep(Duration::from_millis(500));
        starting.signal(signal);
        let (code, told) = starting.wait();
        assert!([None, Some(0)].contains(&code), "{signal}: {code:?} {told}");
    }
}

#[test]
fn a_postgres_database_that_cannot_be_used_ends_the_start_with_one_sentence() {
    let database = TestDatabase::migrated();
    let refused = |url: &str, words: &str| {
        let sentence = refuses_to_start(folder().path(), &[("BELFRY_DATABASE_URL", url)]);
        assert!(sentence.contains(words), "{words}: {sentence}");
    };
    refused(&format!("{}_that_is_not_there", database.url), "does not exist");
    refused(&format!("{}?options=-c%20default_transaction_read_only%3Don", database.url), "read-only");
    let mut c = DatabaseAddress::parse(&database.url).unwrap().connect().unwrap();
    c.batch_execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('99999999999999')").unwrap();
    refused(&database.url, "newer Belfry");
}

/// Seals a webhook in the database of this application.
async fn seal_a_webhook(app: &TestApp) {
    let town = app.settle().await;
    app.robot(RobotKind::DingTalk, ROBOT);
    app.delivery(town.ours, town.mia).await;
    app.makes_up_deliveries();
}

async fn key_files(app: &TestApp) {
    seal_a_webhook(app).await;
    let own = app.settings();
    let with_key = |key: &str| -> Vec<(&'static str, String)> {
        own.iter()
            .map(|(name, value)| (*name, if *name == "BELFRY_KEY_FILE" { key.to_owned() } else { value.clone() }))
            .collect()
    };
    let refused = |key: &str, words: &str| {
        let settings = with_key(key);
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let sentence = refuses_to_start_through(app.folder(), &settings, bound_by_modes(app.folder()));
        assert!(sentence.contains(key) && sentence.contains(words), "{key}: {sentence}");
        let (code, told) = Process::ends(app.folder(), &settings, &["rotate-key"], "");
        assert_eq!(code, Some(1), "{key}: {told}");
    };
    drop(KeyRing::open(&app.folder().join("foreign.key")).expect("a key file"));
    refused("foreign.key", "opens none of the secrets");
    refused("missing.key", "is not there");
    assert!(!app.folder().join("missing.key").exists(), "no key file is made in the place of the lost one");

    // Whoever has lost the file for good says so.
    for key in ["foreign.key", "missing.key"] {
        let mut settings = with_key(key);
        settings.push(("BELFRY_ACCEPT_LOST_SECRETS", "true".to_owned()));
        let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let process = Process::start(app.folder(), &settings);
        process.signal("TERM");
        assert_eq!(process.wait().0.code(), Some(0));
    }
    let own: Vec<(&str, &str)> = own.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(app.folder(), &own);
    process.signal("TERM");
    assert_eq!(process.wait().0.code(), Some(0), "with its own key file it starts");
}

#[test]
fn a_key_file_that_is_not_the_databases_ends_the_start_on_sqlite() {
    run_with(Backend::Sqlite, REAL, key_files);
}

#[test]
fn a_key_file_that_is_not_the_databases_ends_the_start_on_postgres() {
    run_with(Backend::Postgres, REAL, key_files);
}

#[test]
fn a_key_file_that_may_not_be_read_ends_the_start() {
    let folder = folder();
    let settings = made(folder.path());
    let key = folder.path().join("belfry.key");
    set_mode(&key, 0o000);
    let sentence = refuses_to_start_through(folder.path(), &settings, bound_by_modes(folder.path()));
    assert!(sentence.contains("belfry.key cannot be read"), "{sentence}");
    // Nor is one made where nobody can see whether there is one.
    let hidden = folder.path().join("hidden");
    fs::create_dir(&hidden).unwrap();
    set_mode(&hidden, 0o000);
    let settings = [("BELFRY_DATABASE_URL", "sqlite://data/belfry.db"), ("BELFRY_KEY_FILE", "hidden/belfry.key")];
    let sentence = refuses_to_start_through(folder.path(), &settings, bound_by_modes(folder.path()));
    assert!(sentence.contains("hidden/belfry.key cannot be read"), "{sentence}");
    set_mode(&hidden, 0o700);
}
