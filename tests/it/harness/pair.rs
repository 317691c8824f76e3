//! A Postgres primary with a synchronous standby, on two ports of this machine, for the one test that kills the primary.
//!
//! As with the cluster of all other tests, a guard process ends both servers and removes their folder when this process is gone.

use std::{
    fs,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use diesel::{
    Connection as _, PgConnection, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::Text,
};

use super::postgres::{programs, without_root};

/// $1 is the folder. Each line that comes in is the process id of a server that is to be ended in the end.
const GUARD: &str = r#"
folder=$1
servers=
while read -r server; do servers="$servers $server"; done
kill -QUIT $servers 2>/dev/null
sleep 1
kill -KILL $servers 2>/dev/null
rm -rf "$folder"
"#;

/// How long a server may take to do what it is told.
const PATIENCE: Duration = Duration::from_secs(60);

/// Both servers.
pub struct PostgresPair {
    folder: PathBuf,
    programs: PathBuf,
    without_root: Vec<String>,
    primary: Server,
    standby: Server,
    guard: Child,
}

struct Server {
    process: Child,
    port: u16,
}

#[derive(diesel::QueryableByName)]
struct Line {
    #[diesel(sql_type = Text)]
    line: String,
}

impl PostgresPair {
    /// Makes a primary and a standby that every commit waits for.
    pub fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("belfry-pair-").tempdir().expect("a temporary folder").keep();
        let without_root = without_root(&folder);
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard"])
            .arg(&folder)
            .stdin(Stdio::piped())
            .process_group(0)
            .current_dir("/")
            .spawn()
            .expect("sh starts");
        let run = |program: &str, arguments: &[&str]| {
            let output =
                command(&folder, &programs, &without_root, program).args(arguments).output().expect("it starts");
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        };
        run("initdb", &["-D", "primary", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
        let mut start = |name: &str| {
            let server = Server::start(&folder, &programs, &without_root, name);
            let line = format!("{}\n", server.process.id());
            std::io::Write::write_all(guard.stdin.as_mut().expect("a pipe"), line.as_bytes()).expect("the guard reads");
            server.wait();
            server
        };
        let primary = start("primary");
        let from = primary.port.to_string();
        run(
            "pg_basebackup",
            &["-h", "127.0.0.1", "-p", &from, "-U", "postgres", "-D", "standby", "-R", "-X", "stream", "-c", "fast"],
        );
        let standby = start("standby");
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.execute("SELECT pg_reload_conf()");
        let pair = Self { folder, programs, without_root, primary, standby, guard };
        pair.wait_until_synchronous();
        pair.primary.execute("CREATE DATABASE belfry");
        pair
    }

    fn wait_until_synchronous(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.primary.ask("SELECT coalesce(max(sync_state), '') AS line FROM pg_stat_replication") != "sync" {
            assert!(Instant::now() < deadline, "the standby does not follow");
            sleep(Duration::from_millis(50));
        }
    }

    /// As it is written in `BELFRY_DATABASE_URL`: both hosts, and whichever takes writes.
    pub fn url(&self) -> String {
        format!(
            "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/belfry?target_session_attrs=read-write&connect_timeout=2",
            self.primary.port, self.standby.port
        )
    }

    /// Kills every process of the primary, without any warning to it or to its clients.
    pub fn kill_primary(&mut self) {
        let postmaster = self.primary.process.id().to_string();
        let of = Command::new("ps").args(["-o", "pid=", "--ppid", &postmaster]).output().expect("ps starts");
        let children = String::from_utf8(of.stdout).expect("numbers");
        let killed = Command::new("kill").arg("-KILL").arg(&postmaster).args(children.split_whitespace()).status();
        assert!(killed.is_ok(), "the primary can be killed");
        self.primary.process.wait().expect("the primary has ended");
    }

    /// Makes the standby the primary.
    pub fn promote(&self) {
        let output = command(&self.folder, &self.programs, &self.without_root, "pg_ctl")
            .args(["promote", "-D", "standby", "-w"])
            .output()
            .expect("pg_ctl starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for PostgresPair {
    fn drop(&mut self) {
        drop(self.primary.process.kill());
        drop(self.standby.process.kill());
        drop((self.primary.process.wait(), self.standby.process.wait()));
        drop(self.guard.stdin.take());
        drop(self.guard.wait());
    }
}

/// A program of Postgres, run in the pair's folder by somebody who is not root.
fn command(folder: &Path, programs: &Path, without_root: &[String], program: &str) -> Command {
    let program = programs.join(program);
    let mut command = match without_root.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
        None => Command::new(program),
    };
    command.current_dir(folder).stdin(Stdio::null());
    command
}

impl Server {
    fn start(folder: &Path, programs: &Path, without_root: &[String], name: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        let log = fs::File::create(folder.join(format!("{name}.log"))).expect("a log");
        let process = command(folder, programs, without_root, "postgres")
            .args(["-D", name, "-k", "", "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .arg("-c")
            .arg(format!("port={port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres starts");
        Self { process, port }
    }

    fn connect(&self) -> diesel::ConnectionResult<PgConnection> {
        PgConnection::establish(&format!("postgres://postgres@127.0.0.1:{}/postgres", self.port))
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while let Err(fault) = self.connect() {
            assert!(Instant::now() < deadline, "a server did not start: {fault}");
            sleep(Duration::from_millis(50));
        }
    }

    fn execute(&self, statement: &str) {
        self.connect().expect("the server answers").batch_execute(statement).expect(statement);
    }

    fn ask(&self, query: &str) -> String {
        let lines: Vec<Line> = sql_query(query).load(&mut self.connect().expect("the server answers")).expect(query);
        lines.into_iter().map(|row| row.line).collect()
    }
}
