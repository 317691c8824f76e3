//! The real binary, running.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// `belfry serve`, running. It is killed with this value.
pub struct Belfry {
    child: Child,
    /// `http://ADDRESS:PORT`.
    pub origin: String,
    /// From the start of the process to its first answer.
    pub started_within: Duration,
}

impl Belfry {
    /// Starts it with these settings, and asks it for a page.
    pub fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_belfry"))
            .env_clear()
            .current_dir(folder)
            .env("BELFRY_LISTEN", "127.0.0.1:0")
            .env("BELFRY_KEY_FILE", folder.join("belfry.key"))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("belfry starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe")).read_line(&mut line).expect("a line");
        let origin = line.trim_end().strip_prefix("listening on ").expect("it listens").to_owned();
        let mut belfry = Self { child, origin, started_within: Duration::ZERO };
        belfry.get("/login");
        belfry.started_within = start.elapsed();
        belfry
    }

    /// Asks for a page as a stranger, on a connection of its own.
    pub fn get(&self, path: &str) {
        crate::load::Target::new(&self.origin, path, "", "identity").ask(1);
    }

    /// Its resident memory, in KiB.
    pub fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most resident memory that it ever had, in KiB.
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// The processor time that it has used.
    pub fn processor_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("Linux");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        let ticks = |place: usize| fields[place].parse::<u64>().expect("a number");
        // In hundredths of a second, in user and in system mode.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }
}

impl Drop for Belfry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
