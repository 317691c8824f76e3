//! The real Alertmanager, from Debian, on a loopback port of its own.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// `prometheus-alertmanager`, running. It is killed with this value, and its log is shown when the test has failed.
pub struct Alertmanager {
    child: Child,
    log: PathBuf,
    /// `ADDRESS:PORT`.
    pub address: String,
}

impl Alertmanager {
    /// Starts it with this configuration and waits until it listens. Its files go into the folder.
    pub fn start(folder: &Path, configuration: &str) -> Self {
        let file = folder.join("alertmanager.yml");
        fs::write(&file, configuration).expect("a configuration");
        let log = folder.join("alertmanager.log");
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
            // It chooses the port itself: one that was free a moment ago may be somebody else's by now.
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address=", "--log.level=debug"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log"))
            .spawn()
            .expect("prometheus-alertmanager is installed");
        let mut started = Self { child, log, address: String::new() };
        let deadline = Instant::now() + PATIENCE;
        while started.address.is_empty() {
            assert!(Instant::now() < deadline, "Alertmanager does not start");
            thread::sleep(Duration::from_millis(20));
            started.address = listening(&started.log()).unwrap_or_default().to_owned();
        }
        started
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("a log")
    }
}

/// Where it says in its log that it listens.
fn listening(log: &str) -> Option<&str> {
    let (_, rest) = log.split_once("msg=\"Listening on\" address=")?;
    rest.split_once('\n').map(|(address, _)| address)
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}
