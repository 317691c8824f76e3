//! The application and its robots, for one browser test: port 0, a fresh SQLite database, the sandbox.

use std::net::TcpListener;

use belfry::{
    app::App,
    clock::Clock,
    db::{Database, DatabaseAddress},
    robots::RobotOrigins,
    sandbox::{Group, RobotKind, RobotStatus, Sandbox},
    secrets::KeyRing,
    settings::{ProcessRole, Settings},
};
use tempfile::TempDir;

/// The password of every account of these tests.
pub const PASSWORD: &str = "seven quiet bells at dawn";
/// The signing secret of the robot that has one.
pub const SECRET: &str = "SEC1111111111111111111111111111111111111111111111111111111111111111";

/// A running application with its robots. Everything of it is gone with this value.
pub struct Site {
    /// `http://127.0.0.1:PORT`.
    pub origin: String,
    /// Where the groups' chats are.
    pub sandbox_origin: String,
    /// The robots.
    pub sandbox: Sandbox,
    /// A second way to the application's database.
    pub db: Database,
    /// Its keys.
    pub keys: KeyRing,
    /// The origins that its robots may live at.
    pub origins: RobotOrigins,
    /// The time that both go by.
    pub clock: Clock,
    /// The code that the console printed.
    pub set_up_code: String,
    _folder: TempDir,
}

/// The robots of the sandbox, in the order of their pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Robot {
    Good,
    Signed,
    OtherKeyword,
    Disabled,
    Lark,
    WeCom,
    /// One that no group has.
    Unknown,
}

impl Robot {
    fn kind(self) -> RobotKind {
        match self {
            Self::Lark => RobotKind::Lark,
            Self::WeCom => RobotKind::WeCom,
            _ => RobotKind::DingTalk,
        }
    }

    /// Its token: fake, of the right length.
    pub fn token(self) -> String {
        format!("{:064x}", 0xbe11_f000_u64 + self as u64)
    }

    /// The number of its group's page.
    pub fn page(self) -> usize {
        self as usize + 1
    }
}

impl Site {
    /// Starts one.
    pub async fn start() -> Self {
        // The first in a process wins; all are the same.
        drop(rustls::crypto::ring::default_provider().install_default());
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::default();
        let sandbox = robots(&clock);
        let sandbox_origin = serve(sandbox.clone());
        let settings = Settings {
            listen: "127.0.0.1:0".parse().unwrap(),
            database: DatabaseAddress::Sqlite(folder.path().join("belfry.db")),
            key_file: folder.path().join("belfry.key"),
            public_url: None,
            trusted_proxies: Vec::new(),
            robot_proxy: None,
            robot_origins: RobotOrigins::parse(&sandbox_origin).expect("an origin"),
            retry_schedule: belfry::delivery::RetrySchedule::default(),
            accepts_lost_secrets: false,
            password_blocklist: belfry::secrets::Blocklist::default(),
            product_name: "Dataphin".to_owned(),
            portal_name: "Belfry".to_owned(),
            role: ProcessRole::ServeAndDeliver,
        };
        let app = App::build(settings.clone(), clock.clone()).await.expect("the application is built");
        let origin = format!("http://{}", app.address().expect("an address"));
        let set_up_code = app.set_up_code().expect("a code").to_owned();
        actix_web::rt::spawn(app.run(std::future::pending()));
        Self {
            origin,
            sandbox_origin,
            sandbox,
            db: Database::open(&settings.database).expect("the database opens"),
            keys: KeyRing::open(&settings.key_file).expect("the keys"),
            origins: settings.robot_origins,
            clock,
            set_up_code,
            _folder: folder,
        }
    }

    /// Serves a sandbox without any robot: its origin.
    pub fn start_quiet_sandbox(&self) -> String {
        serve(Sandbox::new(self.clock.clone()))
    }

    /// The webhook of a robot.
    pub fn webhook(&self, robot: Robot) -> String {
        robot.kind().webhook_url(&self.sandbox_origin, &robot.token())
    }

    /// The page with what a group heard, which does not reload itself.
    pub fn chat(&self, robot: Robot) -> String {
        format!("{}/groups/{}?paused=1", self.sandbox_origin, robot.page())
    }
}

/// Serves a sandbox on a free port: its origin.
fn serve(sandbox: Sandbox) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let origin = format!("http://{}", listener.local_addr().unwrap());
    actix_web::rt::spawn(sandbox.serve(listener).expect("the sandbox is served"));
    origin
}

fn robots(clock: &Clock) -> Sandbox {
    let sandbox = Sandbox::new(clock.clone());
    let disabled = Group { status: RobotStatus::Disabled, ..Group::named("已停用的机器人") };
    for (robot, group) in [
        (Robot::Good, Group::named("数据平台值班群").with_keyword("Dataphin")),
        (Robot::Signed, Group::named("Night shift").with_secret(SECRET)),
        (Robot::OtherKeyword, Group::named("Another keyword").with_keyword("another word")),
        (Robot::Disabled, disabled),
        (Robot::Lark, Group::named("Overseas on call")),
        (Robot::WeCom, Group::named("华东运维群")),
    ] {
        sandbox.add_robot(robot.kind(), &robot.token(), group);
    }
    sandbox
}
