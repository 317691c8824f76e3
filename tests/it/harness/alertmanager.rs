//! The real Alertmanager, from Debian, on a loopback port of its own.

use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How long it may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// `prometheus-alertmanager`, running. It is killed with this value.
pub struct Alertmanager {
    child: Child,
    /// `ADDRESS:PORT`.
    pub address: String,
}

impl Alertmanager {
    /// Starts it with this configuration and waits until it listens. Its files go into the folder.
    pub fn start(folder: &Path, configuration: &str) -> Self {
        let file = folder.join("alertmanager.yml");
        fs::write(&file, configuration).expect("a configuration");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = free.expect("a free port").to_string();
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("prometheus-alertmanager is installed");
        let started = Self { child, address };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(&started.address).is_err() {
            assert!(Instant::now() < deadline, "Alertmanager does not start");
            thread::sleep(Duration::from_millis(20));
        }
        started
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
