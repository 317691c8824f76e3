//! The whole product to try, without DingTalk and without the internet: two tenants, a few hundred members, alerts, and
//! sandbox robots, in a folder that is thrown away.

mod alerts;

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use crate::{
    access::Actor,
    access::Role,
    accounts::{self, Username},
    channels::{self, Mode, Switches},
    clock::Clock,
    db::{AccountId, AnyConnection, Database, TenantId},
    delivery,
    error::{Error, Result},
    language::Language,
    members::{
        ContactChange, Email, Phone, RobotChange,
        store::{self as members, Edit, NewMember, verifications},
    },
    robots::{Channel, RobotAddress, RobotOrigins, SigningSecret},
    sandbox::{Group, RobotKind, RobotStatus, Sandbox},
    secrets::{KeyRing, Passwords, PlainToken, random_bytes},
    settings::Settings,
    tenants::store::{self as tenants, NewTenant},
};

pub use alerts::Portal;

/// The secret of the one demo robot that checks signatures.
const SECRET: &str = "SECdemo0000000000000000000000000000000000000000000000000000000000";

/// The groups of the demo: channel, name, and what is special about its robot.
const GROUPS: [(RobotKind, &str, Special); 6] = [
    (RobotKind::DingTalk, "数据平台值班群", Special::Nothing),
    (RobotKind::DingTalk, "Night shift", Special::Signed),
    (RobotKind::DingTalk, "Wrong keyword", Special::WrongKeyword),
    (RobotKind::DingTalk, "已停用的机器人", Special::Disabled),
    (RobotKind::Lark, "Overseas on call", Special::Nothing),
    (RobotKind::WeCom, "华东运维群", Special::Nothing),
];

/// The tenants of the demo: name, slug, and how many people they have.
const TENANTS: [(&str, &str, usize); 2] =
    [("北风数据 Northwind Data", "northwind", 300), ("Harbour Logistics 海港物流", "harbour", 120)];

/// What is special about a demo robot.
#[derive(Clone, Copy)]
enum Special {
    Nothing,
    Signed,
    WrongKeyword,
    Disabled,
}

/// A demo that is ready to be served.
pub struct Demo {
    /// The settings of the throw-away deployment.
    pub settings: Settings,
    /// Where the sandbox answers.
    pub sandbox: SocketAddr,
    /// The running sandbox.
    pub robots: actix_web::dev::Server,
    /// The log-ins: who, username.
    pub log_ins: Vec<(&'static str, &'static str)>,
    /// The password of all of them.
    pub password: PlainToken,
    /// A portal of each tenant.
    pub portals: Vec<Portal>,
    /// The folder that is thrown away at the end.
    pub folder: PathBuf,
}

/// Makes the demo: the folder, the sandbox and the database.
///
/// # Errors
/// One sentence for the operator.
pub async fn make(settings: Settings, clock: &Clock) -> std::result::Result<Demo, String> {
    let suffix: [u8; 6] = random_bytes().map_err(|fault| fault.to_string())?;
    let folder = std::env::temp_dir().join(format!("belfry-demo-{}", hex::encode(suffix)));
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|fault| format!("The sandbox cannot listen: {fault}"))?;
    let sandbox = listener.local_addr().map_err(|fault| fault.to_string())?;
    let base = format!("http://{sandbox}");
    let groups = Groups::make(clock, &settings.product_name, &base)?;
    let settings = Settings {
        database: crate::db::DatabaseAddress::Sqlite(folder.join("belfry.db")),
        key_file: folder.join("belfry.key"),
        robot_origins: RobotOrigins::parse(&base).map_err(|faults| faults.join(" "))?,
        ..settings
    };
    let keys = KeyRing::open(&settings.key_file)?;
    let db = Database::open(&settings.database)?;
    let password = PlainToken::generate().map_err(|fault| fault.to_string())?;
    let hash = Passwords::new(1).hash(password.expose()).await.map_err(|fault| fault.to_string())?;
    let addresses = groups.addresses(&settings.robot_origins)?;
    let filling = Filling { keys, hash, addresses, now: clock.now(), product: settings.product_name.clone() };
    let portals = db.write(move |c| filling.fill(c)).await.map_err(|fault| fault.to_string())?;
    let robots = groups.sandbox.serve(listener).map_err(|fault| format!("The sandbox cannot start: {fault}"))?;
    let log_ins = vec![
        ("instance administrator", "admin"),
        ("super administrator of both tenants", "chen.jing"),
        ("system administrator of the first", "li.na"),
        ("member of the first", "wang.wei"),
    ];
    Ok(Demo { settings, sandbox, robots, log_ins, password, portals, folder })
}

/// The robots of the sandbox and their URLs.
struct Groups {
    sandbox: Sandbox,
    urls: Vec<(Channel, String, Option<&'static str>)>,
}

impl Groups {
    fn make(clock: &Clock, product: &str, base: &str) -> std::result::Result<Self, String> {
        let sandbox = Sandbox::new(clock.clone());
        let mut urls = Vec::new();
        for (kind, name, special) in GROUPS {
            let token: [u8; 32] = random_bytes().map_err(|fault| fault.to_string())?;
            let token = hex::encode(token);
            let channel = match kind {
                RobotKind::DingTalk => Channel::DingTalk,
                RobotKind::Lark => Channel::Lark,
                RobotKind::WeCom => Channel::WeCom,
            };
            let group = Group::named(name);
            let (group, secret) = match special {
                Special::Nothing if channel == Channel::DingTalk => (group.with_keyword(product), None),
                Special::Nothing => (group, None),
                Special::Signed => (group.with_keyword(product).with_secret(SECRET), Some(SECRET)),
                Special::WrongKeyword => (group.with_keyword("another word"), None),
                Special::Disabled => (Group { status: RobotStatus::Disabled, ..group }, None),
            };
            sandbox.add_robot(kind, &token, group);
            urls.push((channel, kind.webhook_url(base, &token), secret));
        }
        Ok(Self { sandbox, urls })
    }

    fn addresses(
        &self,
        origins: &RobotOrigins,
    ) -> std::result::Result<Vec<(Channel, RobotAddress, Option<SigningSecret>)>, String> {
        self.urls
            .iter()
            .map(|(channel, url, secret)| {
                let address = RobotAddress::parse(*channel, url, origins).map_err(|fault| format!("{fault:?}"))?;
                let secret = secret.map(|secret| SigningSecret::parse(*channel, secret)).transpose();
                Ok((*channel, address, secret.map_err(|fault| format!("{fault:?}"))?))
            })
            .collect()
    }
}

/// What the database is filled with.
struct Filling {
    keys: KeyRing,
    hash: String,
    addresses: Vec<(Channel, RobotAddress, Option<SigningSecret>)>,
    now: chrono::NaiveDateTime,
    product: String,
}

impl Filling {
    fn fill(&self, c: &mut AnyConnection) -> Result<Vec<Portal>> {
        let who = Actor { account: None, name: "demo".to_owned(), address: String::new() };
        let admin = username("admin")?;
        accounts::store::create_first_account(c, &admin, &self.hash, Language::English, &who, self.now)?;
        let chief = username("chen.jing")?;
        let chief_id = accounts::store::insert_account(c, &chief, &self.hash, false, self.now)?;
        TENANTS.iter().map(|tenant| self.tenant(c, tenant, (chief_id, &chief), &who)).collect()
    }

    /// A tenant with its people and its alerts.
    fn tenant(
        &self,
        c: &mut AnyConnection,
        &(name, slug, people): &(&'static str, &str, usize),
        (chief_id, chief): (AccountId, &Username),
        who: &Actor,
    ) -> Result<Portal> {
        let tenant = NewTenant {
            name,
            slug,
            description: "",
            metadata_warehouse: false,
            locale: crate::tenants::Locale {
                time_zone: chrono_tz::Tz::Asia__Shanghai,
                message_language: Language::English,
            },
        };
        let tenant = tenants::insert(c, &tenant, chief_id, chief, who, self.now)?;
        channels::store::save(c, tenant, Mode::Custom, &Switches::on(Channel::ALL), self.now)?;
        if slug == "northwind" {
            self.member(c, tenant, "li.na", "李娜", Role::SystemAdministrator, 0)?;
            self.member(c, tenant, "wang.wei", "王伟", Role::Member, 1)?;
        }
        for number in 0..people {
            self.member(c, tenant, &login(number, slug), &person(number).1, Role::Member, number)?;
        }
        let (product, now) = (self.product.as_str(), self.now);
        alerts::Town { tenant, name, slug, product, keys: &self.keys, who, now }.fill(c)
    }

    /// A member who is reached by the robot of his number, every seventh by none; every third has proved it to be his.
    fn member(
        &self,
        c: &mut AnyConnection,
        tenant: TenantId,
        login: &str,
        name: &str,
        role: Role,
        number: usize,
    ) -> Result<()> {
        let username = username(login)?;
        let account = accounts::store::insert_account(c, &username, &self.hash, false, self.now)?;
        let new = NewMember { account, username: &username, display_name: name, role };
        let id = members::insert(c, tenant, &new, self.now)?;
        let member = members::find(c, tenant, id)?;
        let robots = match self.addresses.get(number % 7) {
            Some((channel, address, secret)) => {
                vec![(*channel, RobotChange::Set(address.clone(), secret.clone()))]
            }
            None => Vec::new(),
        };
        let change = ContactChange {
            phone: Phone::parse(&format!("138{:08}", 138_000 + number)).unwrap_or_default(),
            email: Email::parse(&format!("{login}@corp.example")).unwrap_or_default(),
            robots,
        };
        let edit = Edit { keys: &self.keys, tenant, by: Some(account), now: self.now };
        let updated = members::update(c, edit, &member, None, &change)?;
        for (channel, robot) in updated.ringing.iter().filter(|_| number.is_multiple_of(3)) {
            verifications::prove(c, id, *channel, *robot, self.now)?;
        }
        // The first ones of each group say hello, so that the record and the chats are not empty.
        if number < self.addresses.len() {
            for (_, robot) in updated.ringing {
                let notice = delivery::Notice {
                    tenant,
                    kind: delivery::DeliveryKind::MemberSaved,
                    title: format!("{}: alerts for {name} arrive in this group", self.product),
                    body: "The demo says hello.".to_owned(),
                    robot,
                    member: Some(id),
                    recipient: name.to_owned(),
                    requested_by: None,
                    alert: None,
                };
                delivery::enqueue(c, notice, self.now)?;
            }
        }
        Ok(())
    }
}

fn username(text: &str) -> Result<Username> {
    Username::parse(text).map_err(|_| Error::internal("a demo username is not valid"))
}

/// The username of a made-up person in the tenant with this slug.
fn login(number: usize, slug: &str) -> String {
    format!("{}.{slug}", person(number).0)
}

/// What a made-up person's username begins with, and the name.
fn person(number: usize) -> (String, String) {
    const FAMILY: [(&str, &str); 10] = [
        ("wang", "王"),
        ("li", "李"),
        ("zhang", "张"),
        ("liu", "刘"),
        ("chen", "陈"),
        ("yang", "杨"),
        ("zhao", "赵"),
        ("huang", "黄"),
        ("zhou", "周"),
        ("wu", "吴"),
    ];
    const GIVEN: [(&str, &str); 9] = [
        ("wei", "伟"),
        ("fang", "芳"),
        ("min", "敏"),
        ("jing", "静"),
        ("lei", "磊"),
        ("yang", "洋"),
        ("xiaoming", "晓明"),
        ("lihua", "丽华"),
        ("jianguo", "建国"),
    ];
    const ABROAD: [(&str, &str); 4] = [
        ("anna.schmidt", "Anna Schmidt"),
        ("omar.haddad", "عمر حداد"),
        ("jean.dupont", "Jean-Baptiste Dupont-Lefèvre"),
        ("maria.silva", "María Silva 🔔"),
    ];
    let pick = |list: &[(&'static str, &'static str)], number: usize| {
        list.get(number % list.len().max(1)).copied().unwrap_or_default()
    };
    if number % 11 == 10 {
        let (login, name) = pick(&ABROAD, number / 11);
        return (format!("{login}.{number:03}"), name.to_owned());
    }
    let (family, given) = (pick(&FAMILY, number), pick(&GIVEN, number / 10));
    (format!("{}.{}.{number:03}", family.0, given.0), format!("{}{}", family.1, given.1))
}
