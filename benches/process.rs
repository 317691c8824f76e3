//! The real binary, running, and a browser's session with it.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use reqwest::{
    Client, Url,
    cookie::{CookieStore as _, Jar},
};

use crate::seed::{PASSWORD, Size};

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

    /// Where the first page of the members of a tenant is.
    pub fn members_page(&self, size: Size) -> String {
        format!("{}/t/{}/members", self.origin, size.slug)
    }

    /// Its resident memory, in KiB.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Belfry {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A signed-in browser.
pub struct Session {
    client: Client,
    jar: Arc<Jar>,
    origin: Url,
}

impl Session {
    /// Logs the administrator in.
    pub fn log_in(origin: &str) -> Self {
        let jar = Arc::new(Jar::default());
        let client = Client::builder().cookie_provider(Arc::clone(&jar)).build().expect("a client");
        let session = Self { client, jar, origin: origin.parse().expect("an origin") };
        let page = String::from_utf8(session.get(&format!("{origin}/login"))).expect("a page");
        let token =
            page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a token");
        let form = [("csrf", token), ("username", "root"), ("password", PASSWORD)];
        let answer = wait(async { session.client.post(format!("{origin}/login")).form(&form).send().await });
        assert!(!answer.expect("an answer").url().path().starts_with("/login"), "the administrator is logged in");
        session
    }

    /// The header `Cookie` of its requests.
    pub fn cookies(&self) -> String {
        let cookies = self.jar.cookies(&self.origin).expect("cookies");
        cookies.to_str().expect("readable cookies").to_owned()
    }

    /// A page, as it is.
    pub fn get(&self, url: &str) -> Vec<u8> {
        self.fetch(url, "identity")
    }

    /// A page, as it comes over the wire to a browser.
    pub fn get_compressed(&self, url: &str) -> Vec<u8> {
        self.fetch(url, "gzip")
    }

    fn fetch(&self, url: &str, encoding: &str) -> Vec<u8> {
        wait(async {
            let answer = self.client.get(url).header("accept-encoding", encoding).send().await.expect("an answer");
            assert_eq!(answer.status(), 200, "{url}");
            answer.bytes().await.expect("a whole answer").to_vec()
        })
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(work)
}
