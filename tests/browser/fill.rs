//! What the pages show in the tests that look at them: two tenants, names as long as they may be, robots that work and
//! robots that do not, and a record of what they answered.

use std::{collections::BTreeMap, time::Duration};

use belfry::{
    access::{Actor, Role},
    accounts::{self, Username},
    alerts::{self, AlertContext, AlertFields, Matcher, Receiver, Rule, Severity, Source, Window, store::rules},
    channels::{self, Mode, Switches},
    db::{
        AccountId, AlertId, AnyConnection, DeliveryId, GroupId, MemberId, RuleId, ScheduleId, TenantId,
        schema::deliveries,
    },
    delivery,
    error::Result,
    groups::{self, Details},
    language::Language,
    members::{
        ContactChange, Email, Phone, RobotChange,
        store::{self as members, Edit, NewMember},
    },
    robots::{Channel, RobotAddress, RobotOrigins},
    schedules::{self, Unit, store::Draft},
    secrets::{KeyRing, Passwords},
    tenants::store::{self as tenants, NewTenant},
};
use chrono::{NaiveDateTime, TimeDelta};
use diesel::prelude::*;

use crate::site::{PASSWORD, Robot, Site};

/// Sixty-four letters without any place to break a line.
pub const LONG_LATIN: &str = "Donaudampfschifffahrtselektrizitaetenhauptbetriebswerkbauunterbe";

/// How long the robots may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the pages of what was filled in are.
#[derive(Clone, Debug)]
pub struct Places {
    /// The origin of the sandbox.
    pub sandbox: String,
    /// The origin of a sandbox without robots.
    pub quiet_sandbox: String,
    /// A member with robots of every kind, of which one is broken.
    pub mia: MemberId,
    /// A member without any.
    pub nora: MemberId,
    /// The tenant `filled`.
    pub tenant: TenantId,
    /// A delivery of it that failed.
    pub delivery: DeliveryId,
    /// A user group of it with people in every standing, which an alert rule rings.
    pub group: GroupId,
    /// A shift schedule of it with people in every standing.
    pub schedule: ScheduleId,
    /// An alert event of it.
    pub alert: AlertId,
}

impl Default for Places {
    /// Nowhere: for looking at the list of pages only.
    fn default() -> Self {
        let (mia, nora, tenant, delivery, alert) = (MemberId(1), MemberId(2), TenantId(1), DeliveryId(1), AlertId(1));
        let (sandbox, quiet_sandbox, group, schedule) = (String::new(), String::new(), GroupId(1), ScheduleId(1));
        Self { sandbox, quiet_sandbox, mia, nora, tenant, delivery, group, schedule, alert }
    }
}

/// Fills the database, and waits until every message has been answered.
pub async fn fill(site: &Site) -> Places {
    let hash = Passwords::new(1).hash(PASSWORD).await.expect("a hash");
    let (keys, origins, now) = (site.keys.clone(), site.origins.clone(), site.clock.now());
    let webhooks = [
        (Channel::DingTalk, site.webhook(Robot::Disabled)),
        (Channel::Lark, site.webhook(Robot::Lark)),
        (Channel::WeCom, site.webhook(Robot::WeCom)),
    ];
    let good = site.webhook(Robot::Good);
    let filling = Filling { keys, origins, hash, now, webhooks, good };
    let (mia, nora, tenant, group, schedule) =
        site.db.write(move |c| filling.fill(c)).await.expect("the database is filled");
    answered(site).await;
    let now = site.clock.now();
    let alert = site.db.write(move |c| fire(c, tenant, now)).await.expect("an alert");
    let delivery = answered(site).await;
    Places {
        sandbox: site.sandbox_origin.clone(),
        quiet_sandbox: site.start_quiet_sandbox(),
        mia,
        nora,
        tenant,
        delivery,
        group,
        schedule,
        alert,
    }
}

/// An event with everything that its page shows: it fired twice and is not to disturb, and another one that nobody hears.
fn fire(c: &mut AnyConnection, tenant: TenantId, now: NaiveDateTime) -> Result<AlertId> {
    let context = AlertContext {
        tenant,
        sender: LONG_LATIN.to_owned(),
        fired_by: None,
        portal: None,
        product: "Dataphin".to_owned(),
        now,
    };
    let alert = |fields: AlertFields| {
        fields
            .check(Source::Portal, BTreeMap::from([(LONG_LATIN.to_owned(), LONG_LATIN.to_owned())]))
            .expect("an alert")
    };
    alerts::ingest(c, &context, &alert(AlertFields { title: "无人接收".to_owned(), ..AlertFields::default() }))?;
    let fields = AlertFields {
        title: format!("{LONG_LATIN}{}", "磁盘将满".repeat(16)),
        content: LONG_LATIN.repeat(4),
        severity: "critical".to_owned(),
        receivers: vec![sharer()],
        link: format!("https://grafana.example/{LONG_LATIN}"),
        key: LONG_LATIN.to_owned(),
        ..AlertFields::default()
    };
    let taken = alerts::ingest(c, &context, &alert(fields.clone()))?;
    alerts::ingest(c, &context, &alert(AlertFields { title: "再次触发".to_owned(), ..fields }))?;
    Ok(taken.alert)
}

/// The username of the one who has the good robot.
fn sharer() -> String {
    format!("{}2", &LONG_LATIN[..60])
}

/// Waits until no message is on its way any more: the first that failed.
async fn answered(site: &Site) -> DeliveryId {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found: Vec<(DeliveryId, String)> = site
            .db
            .read(|c| Ok(deliveries::table.select((deliveries::id, deliveries::state)).load(c)?))
            .await
            .expect("the record can be read");
        let is_open = |state: &str| delivery::DeliveryState::parse(state).is_some_and(|state| !state.is_final());
        let broken = found.iter().find(|(_, state)| state != "success");
        match broken {
            Some((id, _)) if found.iter().filter(|(_, state)| is_open(state)).count() <= 1 => return *id,
            _ => assert!(tokio::time::Instant::now() < deadline, "the robots did not answer: {found:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

struct Filling {
    keys: KeyRing,
    origins: RobotOrigins,
    hash: String,
    now: NaiveDateTime,
    webhooks: [(Channel, String); 3],
    good: String,
}

impl Filling {
    fn fill(&self, c: &mut AnyConnection) -> Result<(MemberId, MemberId, TenantId, GroupId, ScheduleId)> {
        let who = Actor { account: None, name: "test".to_owned(), address: String::new() };
        let root = name("root");
        let root_id = accounts::store::create_first_account(c, &root, &self.hash, Language::English, &who, self.now)?;
        let long = format!("{LONG_LATIN}{}", "北风数据平台研发中心".repeat(6));
        let [filled, _] = [("filled", long.as_str()), ("empty", "空租户")].map(|(slug, name)| {
            let tenant = NewTenant {
                name,
                slug,
                description: name,
                metadata_warehouse: false,
                locale: belfry::tenants::Locale {
                    time_zone: chrono_tz::Tz::Asia__Shanghai,
                    message_language: Language::English,
                },
            };
            tenants::insert(c, &tenant, root_id, &root, &who, self.now).expect("a tenant")
        });
        channels::store::save(
            c,
            filled,
            Mode::Custom,
            &Switches::on([Channel::DingTalk, Channel::Lark, Channel::WeCom]),
            self.now,
        )?;
        self.member(c, filled, "clerk", "值班员", false)?;
        let nora = self.member(c, filled, "nora", "诺拉", true)?;
        let mia = self.member(c, filled, LONG_LATIN, &"名字很长的成员".repeat(18), false)?;
        for number in 0..60 {
            self.member(c, filled, &format!("member.{number:03}"), &format!("成员{number}"), false)?;
        }
        self.reach(c, filled, mia, &self.webhooks)?;
        // Two who share a robot.
        let shared = [(Channel::DingTalk, self.good.clone())];
        let first = self.member(c, filled, &sharer(), LONG_LATIN, false)?;
        self.reach(c, filled, first, &shared)?;
        self.rules(c, filled)?;
        Ok((mia, nora, filled, self.group(c, filled)?, self.schedule(c, filled)?))
    }

    /// A group with a long name and description, of people with and without contact information.
    fn group(&self, c: &mut AnyConnection, tenant: TenantId) -> Result<GroupId> {
        let who = Actor { account: None, name: "test".to_owned(), address: String::new() };
        let members = [LONG_LATIN, "clerk", "nora"].map(str::to_owned);
        let details = Details { name: "夜".repeat(128), description: LONG_LATIN.repeat(2), admins: members.to_vec() };
        Ok(groups::store::insert(c, tenant, &details, &members, &who, self.now)?.expect("everybody is known"))
    }

    /// A schedule with a long name, whose shifts are of one and of several people.
    fn schedule(&self, c: &mut AnyConnection, tenant: TenantId) -> Result<ScheduleId> {
        let who = Actor { account: None, name: "test".to_owned(), address: String::new() };
        let shift = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let draft = Draft {
            name: "班".repeat(64),
            unit: Unit::Month,
            every: 1,
            starts_on: self.now.date(),
            handover: 22 * 60,
            hours: Some((22 * 60, 6 * 60)),
            outside: Some("nora".to_owned()),
            shifts: vec![shift(&[LONG_LATIN, "clerk"]), shift(&["nora"])],
        };
        Ok(schedules::store::insert(c, tenant, &draft, &who, self.now)?.expect("everybody is known"))
    }

    /// Two alert rules: one with everything that a rule can have, which is number 1, and one that is off.
    fn rules(&self, c: &mut AnyConnection, tenant: TenantId) -> Result<()> {
        let full = Rule {
            id: RuleId(0),
            name: "名字很长的告警规则名字很长的告警规则名字很长的告警规则名字很长的告警规".to_owned(),
            is_on: true,
            severity: Severity::Critical,
            source: Some(Source::Alertmanager),
            matchers: ["team=数据库", "host=~db-[0-9]+[.]corp[.]example"]
                .map(|text| Matcher::parse(text).expect("a matcher"))
                .to_vec(),
            channels: Channel::ALL.to_vec(),
            frequency: TimeDelta::minutes(5),
            max_sends: Some(3),
            window: Some(Window { from: 22 * 60, to: 6 * 60 }),
            receivers: vec![Receiver::Account(AccountId(1)), Receiver::Role(Role::SystemAdministrator)],
        };
        rules::insert(c, tenant, &full, self.now)?;
        let (name, matchers) = (LONG_LATIN[..36].to_owned(), Vec::new());
        rules::insert(c, tenant, &Rule { name, is_on: false, matchers, window: None, ..full }, self.now)?;
        Ok(())
    }

    fn member(
        &self,
        c: &mut AnyConnection,
        tenant: TenantId,
        username: &str,
        display_name: &str,
        is_new: bool,
    ) -> Result<MemberId> {
        let username = name(username);
        let account = accounts::store::insert_account(c, &username, &self.hash, is_new, self.now)?;
        let new = NewMember { account, username: &username, display_name, role: Role::Member };
        members::insert(c, tenant, &new, self.now)
    }

    /// Gives a member robots, each of which is rung.
    fn reach(
        &self,
        c: &mut AnyConnection,
        tenant: TenantId,
        id: MemberId,
        webhooks: &[(Channel, String)],
    ) -> Result<()> {
        let member = members::find(c, tenant, id)?;
        let address = |channel, url: &str| RobotAddress::parse(channel, url, &self.origins).expect("a webhook");
        let robots = webhooks.iter().map(|(channel, url)| (*channel, RobotChange::Set(address(*channel, url), None)));
        let change = ContactChange {
            phone: Phone::parse("13800138000").unwrap(),
            email: Email::parse(&format!("{}@corp.example", &LONG_LATIN[..40])).unwrap(),
            robots: robots.collect(),
        };
        let edit = Edit { keys: &self.keys, tenant, by: Some(AccountId(1)), now: self.now };
        for (_, robot) in members::update(c, edit, &member, None, &change)?.ringing {
            let notice = delivery::Notice {
                tenant,
                kind: delivery::DeliveryKind::MemberSaved,
                title: format!("Dataphin: {}", member.display_name),
                body: LONG_LATIN.to_owned(),
                robot,
                member: Some(id),
                recipient: member.display_name.clone(),
                requested_by: None,
                alert: None,
            };
            delivery::enqueue(c, notice, self.now)?;
        }
        Ok(())
    }
}

fn name(text: &str) -> Username {
    Username::parse(text).expect("a username")
}
