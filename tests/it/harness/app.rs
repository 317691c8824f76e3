//! An application on port 0 with a fresh database, its clock, and a sandbox for the robots it rings.

use std::{
    net::{IpAddr, TcpListener},
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use belfry::{
    app::App,
    channels::Switches,
    clock::Clock,
    db::Database,
    delivery,
    robots::Channel,
    sandbox::{Group, RobotKind, Sandbox},
    secrets::Passwords,
    settings,
};
use chrono::TimeDelta;
use clap::Parser as _;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{TestDatabase, User, folder};

/// The password of every account of the tests.
pub const PASSWORD: &str = "seven quiet bells at dawn";

/// How long the delivery worker may take to take back what a test's clock made old.
const BOOKKEEPING: Duration = Duration::from_secs(5);

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// What a test sets otherwise than the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tweaks {
    /// Further flags of the command line.
    pub flags: &'static [&'static str],
    /// Leaves the application away: the test starts the real binary with [`TestApp::settings`].
    pub only_database: bool,
}

/// Runs one test on a database of its own making, without an application.
pub fn run_on(database_url: &str, test: impl AsyncFnOnce(&TestApp)) {
    actix_web::rt::System::new().block_on(async {
        let tweaks = Tweaks { only_database: true, ..Tweaks::default() };
        let app = TestApp::start_on(database_url.to_owned(), folder(), None, tweaks).await;
        test(&app).await;
    });
}

/// A running application. Everything of it is gone with this value.
pub struct TestApp {
    /// `http://127.0.0.1:PORT`.
    pub origin: String,
    /// The hands of the application's and the sandbox's clock.
    pub clock: Clock,
    /// A second way to the application's database, as another process would have it.
    pub db: Database,
    /// The robots.
    pub sandbox: Sandbox,
    /// Where the sandbox is served.
    pub sandbox_origin: String,
    /// The code that the console printed at the start.
    pub set_up_code: Option<String>,
    numbers: AtomicU64,
    made_up: AtomicBool,
    database_url: String,
    folder: TempDir,
    /// The database, where it is one of Postgres. Dropped last: those above have connections to it.
    pub postgres: Option<TestDatabase>,
}

/// Runs one test with an application of its own.
pub fn run(backend: Backend, test: impl AsyncFnOnce(&TestApp)) {
    run_with(backend, Tweaks::default(), test);
}

/// Runs one test with an application that has these settings.
pub fn run_with(backend: Backend, tweaks: Tweaks, test: impl AsyncFnOnce(&TestApp)) {
    actix_web::rt::System::new().block_on(async {
        let app = TestApp::start(backend, tweaks).await;
        test(&app).await;
        if !app.made_up.load(Ordering::Relaxed) {
            app.ledger_balances().await;
        }
    });
}

impl TestApp {
    async fn start(backend: Backend, tweaks: Tweaks) -> Self {
        let folder = folder();
        let postgres = (backend == Backend::Postgres).then(TestDatabase::migrated);
        let database_url = match &postgres {
            Some(database) => database.url.clone(),
            None => format!("sqlite://{}", folder.path().join("belfry.db").display()),
        };
        Self::start_on(database_url, folder, postgres, tweaks).await
    }

    async fn start_on(database_url: String, folder: TempDir, postgres: Option<TestDatabase>, tweaks: Tweaks) -> Self {
        // The first in a process wins; all are the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let clock = Clock::default();
        let sandbox = Sandbox::new(clock.on_other_machine());
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let sandbox_origin = format!("http://{}", listener.local_addr().unwrap());
        actix_web::rt::spawn(sandbox.clone().serve(listener).expect("the sandbox is served"));
        let (origin, set_up_code) = match tweaks.only_database {
            true => (String::new(), None),
            false => serve(&folder, &database_url, &sandbox_origin, clock.clone(), tweaks).await,
        };
        let db = open(&database_url);
        Self {
            origin,
            clock,
            db,
            sandbox,
            sandbox_origin,
            set_up_code,
            numbers: AtomicU64::new(1),
            made_up: AtomicBool::new(false),
            database_url,
            folder,
            postgres,
        }
    }

    /// Starts another process's worth of application on the same database and keys: its origin and set-up code.
    pub async fn another(&self) -> (String, Option<String>) {
        self.another_with(&[]).await
    }

    /// The same with these flags.
    pub async fn another_with(&self, flags: &'static [&'static str]) -> (String, Option<String>) {
        let tweaks = Tweaks { flags, ..Tweaks::default() };
        serve(&self.folder, &self.database_url, &self.sandbox_origin, self.clock.clone(), tweaks).await
    }

    /// Starts one on another machine, whose clock is ahead of this one's by so much: its origin.
    pub async fn another_machine(&self, ahead: TimeDelta) -> String {
        let clock = self.clock.on_other_machine();
        clock.jump(ahead);
        let tweaks = Tweaks::default();
        serve(&self.folder, &self.database_url, &self.sandbox_origin, clock, tweaks).await.0
    }

    /// Sets the clock that the application goes by, forwards or backwards: the machine's, or on Postgres the server's.
    pub fn set_clock(&self, by: TimeDelta) {
        match &self.postgres {
            Some(database) => database.set_clock(by),
            None => self.clock.jump(by),
        }
    }

    /// Its database, in a test for Postgres alone.
    pub fn on_postgres(&self) -> &TestDatabase {
        self.postgres.as_ref().expect("a test on Postgres")
    }

    /// The folder of the database and the key file.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The settings of another process on the same database, keys and robots, for the environment.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("BELFRY_DATABASE_URL", self.database_url.clone()),
            ("BELFRY_KEY_FILE", self.folder.path().join("belfry.key").display().to_string()),
            ("BELFRY_ROBOT_ORIGINS", format!("{},http://127.0.0.1:1", self.sandbox_origin)),
        ]
    }

    /// A robot of the sandbox: its webhook. Its keyword is the product's name.
    pub fn robot(&self, kind: RobotKind, token: &str) -> String {
        self.robot_in(kind, token, Group::default())
    }

    /// A robot of the sandbox in this group: its webhook.
    pub fn robot_in(&self, kind: RobotKind, token: &str, group: Group) -> String {
        let group = if group.keywords.is_empty() { group.with_keyword("Dataphin") } else { group };
        self.sandbox.add_robot(kind, token, group);
        self.sandbox.webhook_url(&self.sandbox_origin, token).expect("a robot")
    }

    /// Switches every channel on, for the instance and so for its tenants.
    pub async fn switch_on(&self) {
        let now = self.clock.now();
        self.db
            .write(move |c| belfry::channels::store::save_instance(c, &Switches::on(Channel::ALL.to_vec()), now))
            .await
            .expect("the switches are on");
    }

    /// Says that the test writes rows of deliveries by itself, which no delivery worker would write: nobody recounts them.
    pub fn makes_up_deliveries(&self) {
        self.made_up.store(true, Ordering::Relaxed);
    }

    /// Fails unless every receiver who was chosen is delivered, waiting or given up with a reason. Each test ends with it.
    pub async fn ledger_balances(&self) {
        let deadline = Instant::now() + BOOKKEEPING;
        loop {
            let now = self.clock.now();
            let ledger = self.db.read(move |c| delivery::load_ledger(c, now)).await.expect("the ledger can be read");
            if ledger.is_balanced() {
                return;
            }
            // A call that was lost, before the delivery worker takes it back, is seen when a test moves the clock.
            assert!(Instant::now() < deadline, "the ledger does not balance:\n{ledger}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A number that this application has not given yet, for names.
    pub fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Somebody with a browser, not signed in.
    pub fn visitor(&self) -> User {
        User::new(&self.origin, None)
    }

    /// Somebody not signed in whose requests come from this loopback address.
    pub fn visitor_from(&self, address: IpAddr) -> User {
        User::new(&self.origin, Some(address))
    }

    /// Somebody who has signed in through the page, with the password of every account.
    pub async fn log_in(&self, username: &str) -> User {
        let mut user = self.visitor();
        let answer = user.log_in(username, PASSWORD).await;
        assert_eq!(answer.status, 303, "{username} logs in: {}", answer.body);
        user
    }
}

fn open(url: &str) -> Database {
    Database::open(&belfry::db::DatabaseAddress::parse(url).expect("an address")).expect("the database opens")
}

/// The settings as the command line reads them.
#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    settings: settings::RawSettings,
}

async fn serve(
    folder: &TempDir,
    database_url: &str,
    sandbox_origin: &str,
    clock: Clock,
    tweaks: Tweaks,
) -> (String, Option<String>) {
    let key_file = folder.path().join("belfry.key").display().to_string();
    let flags = ["belfry", "--listen", "127.0.0.1:0", "--database-url", database_url, "--key-file", &key_file]
        .into_iter()
        .chain(["--robot-origins", sandbox_origin])
        .chain(tweaks.flags.iter().copied());
    let settings = Flags::parse_from(flags).settings.validate().expect("good settings");
    let app = App::build(settings, clock).await.expect("the application is built");
    let origin = format!("http://{}", app.address().expect("an address"));
    let code = app.set_up_code().map(str::to_owned);
    actix_web::rt::spawn(app.run(std::future::pending()));
    (origin, code)
}

/// The hash of [`PASSWORD`], made once.
pub async fn password_hash() -> &'static str {
    static HASH: OnceCell<String> = OnceCell::const_new();
    HASH.get_or_init(async || Passwords::new(1).hash(PASSWORD).await.expect("a hash")).await
}
