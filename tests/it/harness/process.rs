//! The real binary, for what only a process shows: exit codes, standard output, signals, being killed.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::User;

/// How long a process may take to start, or to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// `belfry serve`, running. It is killed with this value.
pub struct Process {
    child: Child,
    /// Its one line on standard output.
    pub line: String,
    /// `http://ADDRESS:PORT`; nothing when it only delivers.
    pub origin: String,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<String>>,
}

/// The binary with these settings and no others, in this folder.
fn command(folder: &Path, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belfry"));
    command
        .env_clear()
        .current_dir(folder)
        .env("BELFRY_LISTEN", "127.0.0.1:0")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The binary as [`command`] has it, run by this command of a shell, in which it is `"$0"`.
fn through(folder: &Path, settings: &[(&str, &str)], shell_command: &str) -> Command {
    let plain = command(folder, settings);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", shell_command]).arg(plain.get_program());
    let variables = plain.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned())));
    shell.env_clear().envs(variables).current_dir(folder);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

/// Starts the binary with settings it must refuse: fails unless it exits with code 1 and one sentence, whatever the
/// log filter says. Answers the sentence.
#[track_caller]
pub fn refuses_to_start(folder: &Path, settings: &[(&str, &str)]) -> String {
    refuses_to_start_through(folder, settings, "exec \"$0\"")
}

/// The same by this command of a shell, in which the binary is `"$0"`.
#[track_caller]
pub fn refuses_to_start_through(folder: &Path, settings: &[(&str, &str)], shell_command: &str) -> String {
    let run = |log: &str| {
        let settings: Vec<(&str, &str)> = settings.iter().copied().chain([("BELFRY_LOG", log)]).collect();
        let Output { status, stdout, stderr } =
            end(through(folder, &settings, shell_command).spawn().expect("belfry starts"));
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!((status.code(), stdout.as_str()), (Some(1), ""), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        stderr
    };
    let sentence = run("off");
    assert_eq!(run("info"), sentence);
    sentence
}

impl Process {
    /// Runs one command to its end with these settings and this standard input: its exit code, and both its outputs.
    pub fn ends(folder: &Path, settings: &[(&str, &str)], arguments: &[&str], input: &str) -> (Option<i32>, String) {
        let mut child = command(folder, settings).args(arguments).stdin(Stdio::piped()).spawn().expect("belfry starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("a command reads its input");
        drop(stdin);
        let Output { status, stdout, stderr } = end(child);
        let told = [stdout, stderr].map(|output| String::from_utf8(output).expect("text")).concat();
        (status.code(), told)
    }
}

impl Process {
    /// Runs the binary to its end by this command of a shell, in which it is `"$0"`: its exit code, and both its outputs.
    pub fn ends_through(folder: &Path, settings: &[(&str, &str)], shell_command: &str) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } =
            end(through(folder, settings, shell_command).spawn().expect("belfry starts"));
        (status.code(), [stdout, stderr].map(|output| String::from_utf8(output).expect("text")).concat())
    }
}

/// The binary, starting: nobody knows yet whether it will serve. It is killed with this value.
pub struct Starting(Option<Child>);

impl Starting {
    /// Starts it with these settings.
    pub fn with(folder: &Path, settings: &[(&str, &str)]) -> Self {
        Self(Some(command(folder, settings).spawn().expect("belfry starts")))
    }

    /// Sends a signal by its name, as in `TERM`.
    pub fn signal(&self, name: &str) {
        send(name, self.0.as_ref().expect("a process").id());
    }

    /// Waits for its end: the exit code, none when a signal ended it, and what it wrote.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = end(self.0.take().expect("a process"));
        (status.code(), [stdout, stderr].map(|output| String::from_utf8(output).expect("text")).concat())
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn send(name: &str, process: u32) {
    let sent = Command::new("kill").arg(format!("-{name}")).arg(process.to_string()).status();
    assert!(sent.expect("kill starts").success());
}

fn end(mut child: Child) -> Output {
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().expect("the process can be asked").is_none() {
        if Instant::now() > deadline {
            drop(child.kill());
            panic!("belfry neither started nor ended: {:?}", child.wait_with_output());
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("the output can be read")
}

impl Process {
    /// Starts the binary and waits until it accepts requests, or delivers.
    pub fn start(folder: &Path, settings: &[(&str, &str)]) -> Self {
        Self::of(command(folder, settings))
    }

    /// Starts the binary by this command of a shell, in which it is `"$0"`, and waits until it accepts requests.
    pub fn start_through(folder: &Path, settings: &[(&str, &str)], shell_command: &str) -> Self {
        Self::of(through(folder, settings, shell_command))
    }

    /// Starts the binary with a hard limit of so many open files.
    pub fn start_limited(folder: &Path, descriptors: u32) -> Self {
        Self::start_through(folder, &[], &format!("ulimit -n {descriptors} && exec \"$0\""))
    }

    /// Starts the binary with a soft limit of so many open files, below the hard one.
    pub fn start_with_soft_limit(folder: &Path, descriptors: u32) -> Self {
        Self::start_through(folder, &[], &format!("ulimit -S -n {descriptors} && exec \"$0\""))
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Starts the demo, whose own folder is made in this one, and waits until it accepts requests.
    pub fn start_demo(folder: &Path) -> Self {
        let mut command = command(folder, &[]);
        command.arg("demo").env("TMPDIR", folder);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("belfry starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let stderr = Arc::new(Mutex::new(String::new()));
        let heard = Arc::clone(&stderr);
        let errors = thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap();
                heard.push_str(&line);
                heard.push('\n');
            }
            String::new()
        });
        let mut line = String::new();
        stdout.read_line(&mut line).expect("standard output can be read");
        let line = line.trim_end().to_owned();
        let origin = match line.as_str() {
            "delivering" => Some(String::new()),
            line => line.strip_prefix("listening on ").map(str::to_owned),
        };
        let rest = thread::spawn(move || {
            let mut rest = String::new();
            drop(stdout.read_to_string(&mut rest));
            rest
        });
        let origin = origin.unwrap_or_else(|| panic!("belfry did not start: {line:?} {}", stderr.lock().unwrap()));
        Self { child, line, origin, stderr, readers: vec![rest, errors] }
    }

    /// Somebody who has not signed in.
    pub fn visitor(&self) -> User {
        User::new(&self.origin, None)
    }

    /// Ends it without any warning.
    pub fn kill(mut self) {
        self.child.kill().expect("the process can be killed");
        self.child.wait().expect("the process has ended");
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// The code of set-up, as the console showed it.
    pub fn set_up_code(&self) -> String {
        self.told("type this code: ")
    }

    /// What the console shows behind these words, up to the end of the line.
    pub fn told(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let stderr = self.stderr();
            if let Some(told) = stderr.lines().find_map(|line| line.split(words).nth(1)) {
                return told.trim().to_owned();
            }
            assert!(Instant::now() < deadline, "no {words:?} in {stderr}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal by its name, as in `TERM`.
    pub fn signal(&self, name: &str) {
        send(name, self.child.id());
    }

    /// Waits for its end: everything it wrote to standard error, and the exit status.
    pub fn wait_with_log(self) -> (String, ExitStatus) {
        let stderr = Arc::clone(&self.stderr);
        let (status, _) = self.wait();
        let log = stderr.lock().unwrap().clone();
        (log, status)
    }

    /// Waits for its end: the exit status and everything that came to standard output after the first line.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("the process can be asked") {
                break status;
            }
            assert!(Instant::now() < deadline, "belfry did not end: {}", self.stderr());
            thread::sleep(Duration::from_millis(5));
        };
        let rest = self.readers.drain(..).map(|reader| reader.join().unwrap()).collect();
        (status, rest)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
