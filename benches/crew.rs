//! A tenant whose members each have a robot of their own, and a portal that fires alerts at them.

use std::path::Path;

use belfry::{
    access::{Actor, Role},
    accounts::{self, Username},
    channels::{self, Mode, Switches},
    db::{
        AnyConnection, Database, DatabaseAddress, RobotId, TenantId,
        schema::{contacts, robots},
    },
    delivery::{self, DeliveryKind, Notice},
    error::Result,
    language::Language,
    members::store::{self as members, NewMember},
    portals::{self, ReturnOrigins, store::Secrets},
    robots::{Channel, RobotAddress, RobotOrigins},
    sandbox::RobotKind,
    secrets::KeyRing,
    tenants::store::{self as tenants, NewTenant},
};
use chrono::NaiveDateTime;
use diesel::prelude::*;

/// How many members a sandbox has robots for, as many as it remembers: the first `m0` and on, the second those after them.
pub const CREW: u64 = 1000;

/// The token of the robot of a member.
pub fn token(number: u64) -> String {
    format!("{number:060x}fake")
}

/// Fills an empty database with a crew for each of these sandboxes: the portal's token.
pub fn seed(address: &DatabaseAddress, folder: &Path, sandboxes: &[&str]) -> String {
    let keys = KeyRing::open(&folder.join("belfry.key")).expect("the keys");
    let origins = RobotOrigins::parse(&sandboxes.join(",")).expect("origins");
    let secrets = Secrets::generate().expect("secrets");
    let (db, token) = (Database::open(address).expect("the database opens"), secrets.token.expose().to_owned());
    let sandboxes: Vec<String> = sandboxes.iter().map(|origin| (*origin).to_owned()).collect();
    let filled = db.write(move |c| {
        let now = belfry::clock::Clock::default().now();
        let tenant = tenant(c, now)?;
        for (number, sandbox) in (0..).zip(sandboxes.iter().flat_map(|origin| (0..CREW).map(move |_| origin))) {
            let webhook = RobotKind::DingTalk.webhook_url(sandbox, &self::token(number));
            let address = RobotAddress::parse(Channel::DingTalk, &webhook, &origins).expect("an address");
            member(c, tenant, &format!("m{number}"), &address, &keys, now)?;
        }
        let details = portals::Details {
            name: "bench".to_owned(),
            saves_members: false,
            fires_alerts: true,
            return_origins: ReturnOrigins::default(),
            per_minute: None,
        };
        portals::store::insert(c, tenant, &details, &secrets, &keys, now)
    });
    actix_web::rt::System::new().block_on(filled).expect("the database is filled");
    token
}

fn tenant(c: &mut AnyConnection, now: NaiveDateTime) -> Result<TenantId> {
    let who = Actor { account: None, name: "bench".to_owned(), address: String::new() };
    let root = Username::parse("root").expect("a username");
    let id = accounts::store::create_first_account(c, &root, "-", Language::English, &who, now)?;
    let tenant = NewTenant {
        name: "crew",
        slug: "crew",
        description: "",
        metadata_warehouse: false,
        locale: belfry::tenants::Locale {
            time_zone: chrono_tz::Tz::Asia__Shanghai,
            message_language: Language::English,
        },
    };
    let tenant = tenants::insert(c, &tenant, id, &root, &who, now)?;
    channels::store::save(c, tenant, Mode::Custom, &Switches::on([Channel::DingTalk]), now)?;
    Ok(tenant)
}

fn member(
    c: &mut AnyConnection,
    tenant: TenantId,
    name: &str,
    address: &RobotAddress,
    keys: &KeyRing,
    now: NaiveDateTime,
) -> Result<()> {
    let username = Username::parse(name).expect("a username");
    let account = accounts::store::insert_account(c, &username, "-", false, now)?;
    let member = NewMember { account, username: &username, display_name: name, role: Role::Member };
    let member = members::insert(c, tenant, &member, now)?;
    let (robot, _) = delivery::upsert_robot(c, keys, tenant, address, None, now)?;
    let contact = (contacts::member.eq(member), contacts::channel.eq("dingtalk"), contacts::robot.eq(robot));
    diesel::insert_into(contacts::table).values(contact).execute(c)?;
    Ok(())
}

/// Puts this many messages for each robot into the outbox of a database that was filled.
pub fn enqueue(address: &DatabaseAddress, each: u64) {
    let db = Database::open(address).expect("the database opens");
    let put = db.write(move |c| {
        let robots: Vec<(RobotId, TenantId)> =
            robots::table.order(robots::id).select((robots::id, robots::tenant)).load(c)?;
        let notice = |(robot, tenant), number| Notice {
            tenant,
            kind: DeliveryKind::MemberSaved,
            title: format!("Dataphin: message {number}"),
            body: "a text of some length that says what is wrong and what to do about it".to_owned(),
            robot,
            member: None,
            recipient: "somebody".to_owned(),
            requested_by: None,
            alert: None,
        };
        let notices = (0..each).flat_map(|number| robots.iter().map(move |robot| notice(*robot, number))).collect();
        delivery::enqueue_all(c, notices, belfry::clock::Clock::default().now())?;
        Ok(())
    });
    actix_web::rt::System::new().block_on(put).expect("the outbox is filled");
}
