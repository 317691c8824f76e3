//! A tenant as companies have it: a few people on three channels, a user group, a shift schedule, and rules with expressions.

use std::path::Path;

use belfry::{
    access::{Actor, Role},
    accounts::{self, Username},
    alerts::{Matcher, Receiver, Rule, Severity, store::rules},
    channels::{self, Mode, Switches},
    db::{
        AccountId, AnyConnection, Database, DatabaseAddress, RuleId, TenantId,
        schema::{accounts as accounts_table, contacts},
    },
    delivery,
    error::Result,
    groups,
    language::Language,
    members::store::{self as members, NewMember},
    portals::{self, ReturnOrigins, store::Secrets},
    robots::{Channel, RobotAddress, RobotOrigins},
    sandbox::{Group, RobotKind, Sandbox},
    schedules::{self, Unit, store::Draft},
    secrets::KeyRing,
    tenants::store::{self as tenants, NewTenant},
};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use diesel::prelude::*;

use crate::crew::token;

/// How many members the tenant has.
const MEMBERS: u64 = 6;
const CHANNELS: [(Channel, RobotKind); 3] =
    [(Channel::DingTalk, RobotKind::DingTalk), (Channel::Lark, RobotKind::Lark), (Channel::WeCom, RobotKind::WeCom)];

/// Alertmanager's body with an alert that one of the three rules is for, of an event of its own.
pub fn alert(number: u64) -> String {
    let service =
        ["checkout", "payments", "search"].get(usize::try_from(number % 3).unwrap_or(0)).copied().unwrap_or("");
    format!(
        "{{\"version\":\"4\",\"status\":\"firing\",\"groupKey\":\"{number}\",\"alerts\":[{{\"status\":\"firing\",\
         \"labels\":{{\"alertname\":\"High error rate {number}\",\"service\":\"{service}-api\",\"severity\":\"warning\",\
         \"instance\":\"10.0.{}.7:9090\",\"env\":\"prod\",\"team\":\"core-{}\"}},\
         \"annotations\":{{\"description\":\"5xx above 2 % for five minutes\"}}}}]}}",
        number % 200,
        number % 4
    )
}

/// Adds the tenant and its robots: the token of its portal. The database has been filled with a crew.
pub fn seed(address: &DatabaseAddress, folder: &Path, sandbox: &Sandbox, origin: &str) -> String {
    let keys = KeyRing::open(&folder.join("belfry.key")).expect("the keys");
    let origins = RobotOrigins::parse(origin).expect("an origin");
    let secrets = Secrets::generate().expect("secrets");
    let (db, portal_token) = (Database::open(address).expect("the database opens"), secrets.token.expose().to_owned());
    let mut addresses = Vec::new();
    for number in 0..MEMBERS {
        for (channel, kind) in CHANNELS {
            let token = token(1_000_000 + number);
            sandbox.add_robot(kind, &token, Group::default());
            let address =
                RobotAddress::parse(channel, &kind.webhook_url(origin, &token), &origins).expect("an address");
            addresses.push((number, channel, address));
        }
    }
    let filled = db.write(move |c| {
        let now = belfry::clock::Clock::default().now();
        let tenant = tenant(c, now)?;
        for number in 0..MEMBERS {
            let own = addresses.iter().filter(|(member, ..)| *member == number);
            let robots: Vec<_> = own.map(|(_, channel, address)| (*channel, address)).collect();
            member(c, tenant, &name(number), &robots, &keys, now)?;
        }
        rules_for(c, tenant, now)?;
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
    portal_token
}

fn name(number: u64) -> String {
    format!("everyday{number}")
}

fn bench() -> Actor {
    Actor { account: None, name: "bench".to_owned(), address: String::new() }
}

fn account(c: &mut AnyConnection, username: &str) -> Result<AccountId> {
    let found = accounts_table::table.filter(accounts_table::username.eq(username)).select(accounts_table::id);
    Ok(found.first(c)?)
}

fn tenant(c: &mut AnyConnection, now: NaiveDateTime) -> Result<TenantId> {
    let root = Username::parse("root").expect("a username");
    let root_id = account(c, "root")?;
    let tenant = NewTenant {
        name: "everyday",
        slug: "everyday",
        description: "",
        metadata_warehouse: false,
        locale: belfry::tenants::Locale {
            time_zone: chrono_tz::Tz::Asia__Shanghai,
            message_language: Language::English,
        },
    };
    let tenant = tenants::insert(c, &tenant, root_id, &root, &bench(), now)?;
    channels::store::save(c, tenant, Mode::Custom, &Switches::on(Channel::ALL), now)?;
    Ok(tenant)
}

fn member(
    c: &mut AnyConnection,
    tenant: TenantId,
    name: &str,
    robots: &[(Channel, &RobotAddress)],
    keys: &KeyRing,
    now: NaiveDateTime,
) -> Result<()> {
    let username = Username::parse(name).expect("a username");
    let account = accounts::store::insert_account(c, &username, "-", false, now)?;
    let member = NewMember { account, username: &username, display_name: name, role: Role::Member };
    let member = members::insert(c, tenant, &member, now)?;
    for (channel, address) in robots {
        let (robot, _) = delivery::upsert_robot(c, keys, tenant, address, None, now)?;
        let contact = (contacts::member.eq(member), contacts::channel.eq(channel.as_str()), contacts::robot.eq(robot));
        diesel::insert_into(contacts::table).values(contact).execute(c)?;
    }
    Ok(())
}

/// Three rules, each with two expressions and a comparison, for a person, a role, a group and a schedule.
fn rules_for(c: &mut AnyConnection, tenant: TenantId, now: NaiveDateTime) -> Result<()> {
    let details = groups::Details { name: "core".to_owned(), description: String::new(), admins: Vec::new() };
    let group = groups::store::insert(c, tenant, &details, &[name(1), name(2)], &bench(), now)?.expect("members");
    let draft = Draft {
        name: "nights".to_owned(),
        unit: Unit::Week,
        every: 1,
        starts_on: NaiveDate::from_ymd_opt(2026, 1, 5).expect("a day"),
        handover: 540,
        hours: None,
        outside: None,
        shifts: vec![vec![name(3)], vec![name(4)]],
    };
    let schedule = schedules::store::insert(c, tenant, &draft, &bench(), now)?.expect("members");
    let receivers = vec![
        Receiver::Account(account(c, &name(0))?),
        Receiver::Role(Role::SystemAdministrator),
        Receiver::Group(group),
        Receiver::Schedule(schedule),
    ];
    for service in ["checkout", "payments", "search"] {
        let service_matcher = format!("service=~{service}-(api|web|worker).*");
        let matchers = [service_matcher.as_str(), "instance=~10[.]0[.][0-9]+[.].*", "env=prod"]
            .map(|text| Matcher::parse(text).expect("a matcher"));
        let rule = Rule {
            id: RuleId(0),
            name: service.to_owned(),
            is_on: true,
            severity: Severity::Info,
            source: None,
            matchers: matchers.to_vec(),
            channels: Channel::ALL.to_vec(),
            frequency: TimeDelta::minutes(5),
            max_sends: None,
            window: None,
            receivers: receivers.clone(),
        };
        rules::insert(c, tenant, &rule, now)?;
    }
    Ok(())
}
