//! A private Postgres cluster for one run of the tests: made in a temporary folder, reached by a Unix socket there, and
//! gone when the run ends, however it ends.
//!
//! A guard process owns the server. It reads a pipe whose other end this process holds: when this process is gone,
//! killed or not, the pipe closes, and the guard stops the server and removes the folder.

use std::{
    env, fs,
    os::unix::{
        fs::{MetadataExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use belfry::db::{Database, DatabaseAddress};
use chrono::TimeDelta;
use diesel::{
    Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, dsl::sql, sql_types::BigInt,
};

/// $1 is the folder, $2 where the programs are, the rest a command that gives up root's rights.
const GUARD: &str = r#"
folder=$1 programs=$2
shift 2
"$@" "$programs/initdb" -D "$folder/data" -U postgres -A trust -E UTF8 --no-locale --no-sync >"$folder/log" 2>&1 || {
    cat "$folder/log" >&2
    rm -rf "$folder"
    exit 1
}
"$@" "$programs/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= -c max_connections=300 \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
    -c search_path=public,hands,pg_catalog >>"$folder/log" 2>&1 &
server=$!
touch "$folder/started"
cat >/dev/null
kill -QUIT "$server" 2>/dev/null
wait "$server"
rm -rf "$folder"
"#;

/// A clock in the place of the server's, which no test could set: its schema comes before Postgres's own in the search path.
const HANDS: &str = "
BEGIN;
CREATE SCHEMA hands;
CREATE TABLE hands.clock (ahead interval NOT NULL);
INSERT INTO hands.clock VALUES ('0');
CREATE FUNCTION hands.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT pg_catalog.clock_timestamp() + ahead FROM hands.clock';
COMMIT;
";

/// The migrated database that every test's own is a copy of.
const TEMPLATE: &str = "belfry_template";

static CLUSTER: LazyLock<Cluster> = LazyLock::new(Cluster::start);
static NUMBER: AtomicU32 = AtomicU32::new(1);

struct Cluster {
    folder: PathBuf,
    /// Holds the pipe that keeps the guard waiting.
    guard: Mutex<Child>,
}

impl Cluster {
    fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("belfry-pg-").tempdir().expect("a temporary folder").keep();
        let guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&folder)
            .arg(&programs)
            .args(without_root(&folder))
            .stdin(Stdio::piped())
            .process_group(0)
            .current_dir("/")
            .spawn()
            .expect("sh starts");
        let cluster = Self { folder, guard: Mutex::new(guard) };
        cluster.wait();
        cluster.execute(&format!("CREATE DATABASE {TEMPLATE}"));
        drop(Database::open(&cluster.address(TEMPLATE)).expect("the template is migrated"));
        cluster
    }

    fn url(&self, database: &str) -> String {
        let folder = self.folder.to_str().expect("a readable path").replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}")
    }

    fn address(&self, database: &str) -> DatabaseAddress {
        DatabaseAddress::parse(&self.url(database)).expect("an address of Postgres")
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !self.folder.join("started").exists() || PgConnection::establish(&self.url("postgres")).is_err() {
            let ended = self.guard.lock().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "initdb failed; its output is above.");
            let log = || fs::read_to_string(self.folder.join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "The tests' Postgres did not start in a minute:\n{}", log());
            sleep(Duration::from_millis(20));
        }
    }

    fn execute(&self, statement: &str) {
        self.execute_in("postgres", statement);
    }

    fn execute_in(&self, database: &str, statement: &str) {
        let mut connection = PgConnection::establish(&self.url(database)).expect("the tests' Postgres answers");
        connection.batch_execute(statement).expect(statement);
    }
}

/// Where initdb and postgres are: in PATH, or where Debian puts them.
pub(super) fn programs() -> PathBuf {
    let debian =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let mut debian: Vec<PathBuf> = debian.collect();
    debian.sort();
    let path = env::var_os("PATH").unwrap_or_default();
    let in_path = env::split_paths(&path).filter_map(|folder| fs::canonicalize(folder.join("initdb")).ok());
    debian
        .into_iter()
        .rev()
        .chain(in_path.filter_map(|initdb| initdb.parent().map(Path::to_owned)))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .expect("The tests need PostgreSQL's server programs (initdb, postgres): apt-get install postgresql.")
}

/// Postgres refuses to run as root: when we are root, the folder and the server belong to somebody else.
pub(super) fn without_root(folder: &Path) -> Vec<String> {
    if fs::metadata(folder).expect("the folder is there").uid() != 0 {
        return Vec::new();
    }
    let id = |flag: &str, user: &str| -> Option<u32> {
        let output = Command::new("id").args([flag, user]).output().ok()?;
        String::from_utf8(output.stdout).ok()?.trim().parse().ok()
    };
    let (user, group) = ["postgres", "nobody"]
        .into_iter()
        .find_map(|user| Some((id("-u", user)?, id("-g", user)?)))
        .expect("the tests run as root and need a user postgres or nobody to run Postgres as");
    chown(folder, Some(user), Some(group)).expect("root may give a folder away");
    ["setpriv", &format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"].map(str::to_owned).into()
}

/// How long a test waits for what is about to happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database of one test. It is dropped with this value.
pub struct TestDatabase {
    name: String,
    /// As it is written in `BELFRY_DATABASE_URL`.
    pub url: String,
    /// Whether its clock was set once.
    has_hands: AtomicBool,
}

impl TestDatabase {
    /// A migrated one.
    pub fn migrated() -> Self {
        Self::make(&format!("TEMPLATE {TEMPLATE}"))
    }

    /// One without any table.
    pub fn empty() -> Self {
        Self::make("")
    }

    fn make(how: &str) -> Self {
        let name = format!("belfry_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        CLUSTER.execute(&format!("CREATE DATABASE {name} {how}"));
        Self { url: CLUSTER.url(&name), name, has_hands: AtomicBool::new(false) }
    }
}

impl TestDatabase {
    /// Sets the server's clock, as this database shows it, forwards or backwards by this much.
    pub fn set_clock(&self, by: TimeDelta) {
        if !self.has_hands.swap(true, Ordering::Relaxed) {
            CLUSTER.execute_in(&self.name, HANDS);
        }
        let by = by.num_seconds();
        CLUSTER.execute_in(&self.name, &format!("UPDATE hands.clock SET ahead = ahead + interval '{by} seconds'"));
    }

    /// How many of its connections wait for a lock.
    pub fn waiting(&self) -> i64 {
        let mut c = PgConnection::establish(&self.url).expect("a connection");
        let waiting = sql::<BigInt>(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        );
        waiting.get_result(&mut c).expect("a count")
    }

    /// Waits until one does.
    pub async fn somebody_waits(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.waiting() == 0 {
            assert!(Instant::now() < deadline, "nobody waits for a lock");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Ends every connection and takes no other, as if the server were gone.
    pub fn close(&self) {
        CLUSTER.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS false", self.name));
        let theirs = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'", self.name);
        CLUSTER.execute(&theirs);
    }

    /// Takes connections again.
    pub fn open(&self) {
        CLUSTER.execute(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS true", self.name));
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Only to save space while other tests run: the whole cluster is removed at the end.
        if !std::thread::panicking() {
            CLUSTER.execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}
