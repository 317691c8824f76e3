//! The alerts of the demo: who is to hear what in a tenant, a portal that posts, and what has come in lately.

use chrono::{NaiveDateTime, TimeDelta};

use super::login;
use crate::{
    access::Actor,
    alerts::{
        self, AlertFields, Handling, IncomingAlert, Matcher, Receiver, Rule, Severity, Source, Window,
        store::{handling::apply_to_events, rules},
    },
    db::{AnyConnection, GroupId, PortalId, RuleId, ScheduleId, TenantId},
    error::{Error, Result},
    groups,
    portals::{self, Examples, ReturnOrigins},
    robots::Channel,
    schedules::{self, Unit},
    secrets::{KeyRing, PlainToken},
};

/// The name of each tenant's portal.
const PORTAL: &str = "Orders 订单系统";
/// Who fires the alerts that come from the form.
const CHIEF: &str = "chen.jing";

/// A portal that posts can be tried with.
pub struct Portal {
    /// The tenant's name.
    pub tenant: &'static str,
    /// Its id, which signed forms name.
    pub id: PortalId,
    details: portals::Details,
    secrets: portals::store::Secrets,
}

impl Portal {
    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.details.name
    }

    /// What it proves itself with.
    #[must_use]
    pub fn token(&self) -> &PlainToken {
        &self.secrets.token
    }

    /// The line for a shell that fires an alert through a Belfry at this origin.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn curl(&self, origin: &str, now: NaiveDateTime) -> Result<String> {
        let key = self.secrets.signing_key.expose();
        let examples = Examples::new(origin, self.id, &self.details, key, Some(self.token()), now)?;
        Ok(examples.curl.into_iter().next().unwrap_or_default())
    }
}

/// An alert that came in.
struct Sample {
    minutes_ago: i64,
    source: Source,
    key: &'static str,
    title: &'static str,
    content: &'static str,
    severity: &'static str,
    status: &'static str,
    /// The label `team`.
    team: &'static str,
    /// The numbers of the people it names.
    receivers: &'static [usize],
    /// Whether somebody then asked not to be disturbed by it.
    is_quieted: bool,
}

const SAMPLE: Sample = Sample {
    minutes_ago: 0,
    source: Source::Alertmanager,
    key: "",
    title: "",
    content: "",
    severity: "warning",
    status: "firing",
    team: "",
    receivers: &[],
    is_quieted: false,
};

/// What came in, oldest first. What rings a robot is recent: it is delivered when the demo starts.
const SAMPLES: [Sample; 11] = [
    // No rule is meant for it: nobody hears it.
    Sample {
        minutes_ago: 2_700,
        source: Source::Grafana,
        title: "Checkout page slower than 2 s",
        content: "p95 = 2.8 s",
        team: "shop",
        ..SAMPLE
    },
    // Whom it names has no robot.
    Sample {
        minutes_ago: 1_560,
        source: Source::Form,
        title: "许可证将于周五到期 The licence ends on Friday",
        severity: "info",
        receivers: &[6],
        ..SAMPLE
    },
    Sample {
        minutes_ago: 190,
        source: Source::Form,
        title: "机房空调维护 The machine room's cooling is serviced",
        severity: "info",
        receivers: &[6, 13],
        ..SAMPLE
    },
    Sample {
        minutes_ago: 9,
        source: Source::Portal,
        key: "orders-late",
        title: "订单同步延迟 Orders are late",
        content: "The oldest one waits since 14 minutes.",
        ..SAMPLE
    },
    DISK_FULL,
    // One rule rings again, the other one cools down.
    Sample { minutes_ago: 5, content: "97 % of /var are used.", ..DISK_FULL },
    Sample {
        minutes_ago: 4,
        source: Source::Portal,
        key: "orders-late",
        title: "订单同步延迟 Orders are late",
        status: "resolved",
        ..SAMPLE
    },
    Sample {
        minutes_ago: 3,
        title: "Replica lag above 30 s",
        content: "db-3 is 41 s behind.",
        team: "data-warehouse",
        is_quieted: true,
        ..SAMPLE
    },
    // Their robots answer with mistakes.
    Sample {
        minutes_ago: 2,
        source: Source::Form,
        title: "备份耗时过长 The backup took too long",
        receivers: &[2, 3],
        ..SAMPLE
    },
    Sample { minutes_ago: 1, title: "Certificate of api.corp.example renewed", severity: "info", ..SAMPLE },
    Sample {
        source: Source::Portal,
        title: "今日订单 Orders of today",
        content: "1,284 orders, 3 of them by hand.",
        severity: "info",
        ..SAMPLE
    },
];

const DISK_FULL: Sample = Sample {
    minutes_ago: 8,
    key: "disk-db-7",
    title: "Disk full on db-7",
    content: "93 % of /var are used.",
    severity: "critical",
    team: "data-platform",
    ..SAMPLE
};

impl Sample {
    /// The alert as it comes in by its door, in the tenant with this slug.
    fn alert(&self, slug: &str) -> Result<IncomingAlert> {
        let fields = AlertFields {
            title: self.title.to_owned(),
            content: self.content.to_owned(),
            severity: self.severity.to_owned(),
            status: self.status.to_owned(),
            key: self.key.to_owned(),
            receivers: logins(self.receivers, slug),
            link: String::new(),
        };
        let labels = match self.source {
            Source::Portal => vec![("portal", PORTAL)],
            Source::Form => Vec::new(),
            Source::Alertmanager | Source::Grafana => vec![("alertname", self.title), ("team", self.team)],
        };
        let labels = labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        fields.check(self.source, labels).map_err(|_| Error::internal("a demo alert is not valid"))
    }

    fn sender(&self) -> &'static str {
        if self.source == Source::Form { CHIEF } else { PORTAL }
    }
}

/// The usernames of the people with these numbers.
fn logins(numbers: &[usize], slug: &str) -> Vec<String> {
    numbers.iter().map(|number| login(*number, slug)).collect()
}

/// A tenant that is given alerts.
pub(super) struct Town<'t> {
    pub tenant: TenantId,
    pub name: &'static str,
    pub slug: &'t str,
    pub product: &'t str,
    pub keys: &'t KeyRing,
    pub who: &'t Actor,
    pub now: NaiveDateTime,
}

impl Town<'_> {
    /// Makes everything about alerts, and answers the tenant's portal.
    pub fn fill(&self, c: &mut AnyConnection) -> Result<Portal> {
        let (group, schedule) = (self.group(c)?, self.schedule(c)?);
        for rule in made_rules(group, schedule)? {
            rules::insert(c, self.tenant, &rule, self.now)?;
        }
        let portal = self.portal(c)?;
        for sample in &SAMPLES {
            self.take(c, sample)?;
        }
        Ok(portal)
    }

    /// Four people, of whom three share the robot of one group.
    fn group(&self, c: &mut AnyConnection) -> Result<GroupId> {
        let details = groups::Details {
            name: "数据平台 Data platform".to_owned(),
            description: "Whoever looks after the data platform".to_owned(),
            admins: logins(&[0], self.slug),
        };
        let members = logins(&[0, 7, 14, 11], self.slug);
        let made = groups::store::insert(c, self.tenant, &details, &members, self.who, self.now)?;
        made.map_err(|_| Error::internal("a demo group names nobody"))
    }

    /// Weekly shifts, the last of which has somebody without a robot.
    fn schedule(&self, c: &mut AnyConnection) -> Result<ScheduleId> {
        let draft = schedules::store::Draft {
            name: "值班表 On call".to_owned(),
            unit: Unit::Week,
            every: 1,
            starts_on: (self.now - TimeDelta::days(3)).date(),
            handover: 9 * 60,
            hours: Some((9 * 60, 21 * 60)),
            outside: Some(login(5, self.slug)),
            shifts: [[1, 4], [5, 11], [8, 6]].iter().map(|shift| logins(shift, self.slug)).collect(),
        };
        let made = schedules::store::insert(c, self.tenant, &draft, self.who, self.now)?;
        made.map_err(|_| Error::internal("a demo schedule names nobody"))
    }

    fn portal(&self, c: &mut AnyConnection) -> Result<Portal> {
        let return_origins = ReturnOrigins::parse("http://localhost:3000").map_err(Error::internal)?;
        let name = PORTAL.to_owned();
        let details =
            portals::Details { name, saves_members: true, fires_alerts: true, return_origins, per_minute: None };
        let secrets = portals::store::Secrets::generate()?;
        let id = portals::store::insert(c, self.tenant, &details, &secrets, self.keys, self.now)?;
        Ok(Portal { tenant: self.name, id, details, secrets })
    }

    fn take(&self, c: &mut AnyConnection, sample: &Sample) -> Result<()> {
        let now = self.now - TimeDelta::minutes(sample.minutes_ago);
        let context = alerts::AlertContext {
            tenant: self.tenant,
            sender: sample.sender().to_owned(),
            fired_by: None,
            portal: None,
            product: self.product.to_owned(),
            now,
        };
        let taken = alerts::ingest(c, &context, &sample.alert(self.slug)?)?;
        if sample.is_quieted {
            let quiet = Handling::Mute(self.now + TimeDelta::hours(2));
            apply_to_events(c, self.tenant, &[taken.alert], quiet, CHIEF, now)?;
        }
        Ok(())
    }
}

/// The alert rules of a tenant.
fn made_rules(group: GroupId, schedule: ScheduleId) -> Result<Vec<Rule>> {
    let group = vec![Receiver::Group(group)];
    let critical = vec![Receiver::Schedule(schedule)];
    Ok(vec![
        Rule {
            severity: Severity::Critical,
            frequency: TimeDelta::minutes(2),
            max_sends: Some(20),
            ..rule("严重告警 Critical - who is on duty", critical)
        },
        Rule { matchers: matchers(r#"team=~"data-.*""#)?, ..rule("数据平台 Data platform", group.clone()) },
        Rule {
            severity: Severity::Info,
            source: Some(Source::Portal),
            matchers: matchers(&format!("portal=\"{PORTAL}\""))?,
            ..rule("订单系统 Orders", group.clone())
        },
        Rule {
            is_on: false,
            window: Some(Window { from: 22 * 60, to: 7 * 60 }),
            ..rule("夜间变更 Changes at night", group)
        },
    ])
}

/// A rule for warnings of every kind.
fn rule(name: &str, receivers: Vec<Receiver>) -> Rule {
    Rule {
        id: RuleId(0),
        name: name.to_owned(),
        is_on: true,
        severity: Severity::Warning,
        source: None,
        matchers: Vec::new(),
        channels: Channel::ALL.to_vec(),
        frequency: TimeDelta::minutes(15),
        max_sends: None,
        window: None,
        receivers,
    }
}

fn matchers(text: &str) -> Result<Vec<Matcher>> {
    let matcher = Matcher::parse(text).map_err(|_| Error::internal("a demo matcher is not valid"))?;
    Ok(vec![matcher])
}
