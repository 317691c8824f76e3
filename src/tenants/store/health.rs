//! How a tenant's deliveries and robots fare: the numbers behind the pictures of its home page, and what somebody has to
//! look after.

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{
    dsl::{count_star, exists, sql},
    prelude::*,
    sql_query,
    sql_types::{BigInt, Bool},
};

use crate::{
    db::{
        AlertId, AnyConnection, MemberId, RobotId, TenantId,
        schema::{alerts, contacts, deliveries, endpoints, members, robots},
    },
    delivery::{DeliveryKind, DeliveryState, RobotState},
    error::{Error, Result},
    robots::Channel,
};

/// How many of each sort are named on the page; the rest is counted.
const NAMED: i64 = 10;
/// How many receivers are named beside a reason.
const NAMED_RECIPIENTS: usize = 3;
/// How many of a reason's newest rows are looked at for their names.
const LOOKED_AT: i64 = 50;

/// The deliveries of one hour, by their result so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, QueryableByName)]
pub struct Hour {
    /// Those that the group has.
    #[diesel(sql_type = BigInt)]
    pub success: i64,
    /// Those that are still to come.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
    /// Those that were given up.
    #[diesel(sql_type = BigInt)]
    pub failed: i64,
    /// All that were chosen, counted by another index than the others: the sum of them, or the books are wrong.
    #[diesel(sql_type = BigInt)]
    pub chosen: i64,
}

impl Hour {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.success + self.waiting + self.failed
    }
}

/// The deliveries made in each of these hours, given by their beginnings: the tenant's, or only those for a member.
///
/// Every number is a range of an index, so that an hour costs what was made in it and the rest of the record nothing.
///
/// # Errors
/// When the database cannot be read.
pub fn hours(
    c: &mut AnyConnection,
    tenant: TenantId,
    member: Option<MemberId>,
    starts: &[NaiveDateTime],
) -> Result<Vec<Hour>> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    let typed = match c {
        AnyConnection::Sqlite(_) => "",
        AnyConnection::Postgres(_) => "TIMESTAMP ",
    };
    // As diesel writes a time on SQLite, where times are compared as texts.
    let moment = |time: NaiveDateTime| format!("{typed}'{}'", time.format("%F %T%.f"));
    let bounds = starts
        .iter()
        .enumerate()
        .map(|(number, start)| format!("({number}, {}, {})", moment(*start), moment(*start + TimeDelta::hours(1))));
    let whose = member.map(|member| format!(" AND member = {member}")).unwrap_or_default();
    let those = |of_state: &str| {
        format!(
            "(SELECT count(*) FROM deliveries WHERE tenant = {tenant}{whose}{of_state} \
             AND created_at >= hours.since AND created_at < hours.until)"
        )
    };
    let count = |state: DeliveryState| those(&format!(" AND state = '{}'", state.as_str()));
    let query = format!(
        "WITH hours (number, since, until) AS (VALUES {}) \
         SELECT {} AS success, {} + {} AS waiting, {} AS failed, {} AS chosen FROM hours ORDER BY number",
        bounds.collect::<Vec<_>>().join(", "),
        count(DeliveryState::Success),
        count(DeliveryState::Waiting),
        count(DeliveryState::Sending),
        count(DeliveryState::Failed),
        those(""),
    );
    Ok(sql_query(query).load(c)?)
}

/// How many of the robots that reach somebody work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RobotCounts {
    /// They take messages.
    pub ok: i64,
    /// They were told to slow down, and take messages again after a while.
    pub resting: i64,
    /// Somebody has to mend them.
    pub broken: i64,
}

/// Counts the robots of a tenant that are some member's contact.
///
/// # Errors
/// When the database cannot be read.
pub fn robot_counts(c: &mut AnyConnection, tenant: TenantId, now: NaiveDateTime) -> Result<RobotCounts> {
    let in_use = || exists(contacts::table.filter(contacts::robot.eq(robots::id)));
    let of_tenant = || robots::table.filter(robots::tenant.eq(tenant)).filter(in_use());
    let all: i64 = of_tenant().count().get_result(c)?;
    let broken: i64 = of_tenant().filter(is_broken()).count().get_result(c)?;
    let resting: i64 = endpoints::table
        .inner_join(robots::table.on(robots::fingerprint.eq(endpoints::fingerprint)))
        .filter(endpoints::cooldown_until.gt(now))
        .filter(robots::tenant.eq(tenant))
        .filter(robots::state.ne(RobotState::Broken.as_str()))
        .filter(in_use())
        .count()
        .get_result(c)?;
    Ok(RobotCounts { ok: all - broken - resting, resting, broken })
}

/// Written out, so that the index of the broken ones is seen to fit.
fn is_broken() -> diesel::expression::SqlLiteral<Bool> {
    sql::<Bool>("robots.state = 'broken'")
}

/// A robot that somebody has to mend.
#[derive(Clone, Debug)]
pub struct BrokenRobot {
    /// Its channel.
    pub channel: Channel,
    /// Its id.
    pub robot: RobotId,
    /// The host and the last four characters of its webhook.
    pub name: String,
    /// Why: a word for [`reason_key`](crate::delivery::reason_key), whose text says what to do.
    pub reason: String,
    /// Some of those whom it reaches: ids, for the way to where it is mended, and usernames.
    pub members: Vec<(MemberId, String)>,
    /// How many others it reaches.
    pub others: i64,
}

/// Some of the robots that have to be mended.
///
/// # Errors
/// When the database cannot be read.
pub fn broken_robots(c: &mut AnyConnection, tenant: TenantId) -> Result<Vec<BrokenRobot>> {
    type Row = (RobotId, String, String, String, String);
    let rows: Vec<Row> = robots::table
        .filter(robots::tenant.eq(tenant))
        .filter(is_broken())
        .filter(exists(contacts::table.filter(contacts::robot.eq(robots::id))))
        .order(robots::id)
        .limit(NAMED)
        .select((robots::id, robots::channel, robots::host, robots::last_four, robots::reason))
        .load(c)?;
    let read = |(robot, channel, host, last_four, reason): Row| {
        let reached = || contacts::table.inner_join(members::table).filter(contacts::robot.eq(robot));
        let count: i64 = reached().count().get_result(c)?;
        let members = reached().order(members::id).limit(NAMED).select((members::id, members::username)).load(c)?;
        let others = (count - NAMED).max(0);
        let channel = Channel::parse(&channel).ok_or_else(|| Error::internal("a robot has an unknown channel"))?;
        Ok(BrokenRobot { channel, robot, name: format!("{host} …{last_four}"), reason, members, others })
    };
    rows.into_iter().map(read).collect()
}

/// Receivers who could not be reached, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// A word for [`reason_key`](crate::delivery::reason_key).
    pub reason: String,
    /// How many deliveries failed for it.
    pub deliveries: i64,
    /// Some of the receivers, the latest first.
    pub recipients: Vec<String>,
    /// Whether there are others.
    pub more: bool,
}

/// Why receivers could not be reached since then, the most frequent reason first. Tests are left out: whoever sends one
/// reads its answer.
///
/// # Errors
/// When the database cannot be read.
pub fn unreached(c: &mut AnyConnection, tenant: TenantId, since: NaiveDateTime) -> Result<Vec<Unreached>> {
    let failed = || {
        deliveries::table
            .filter(deliveries::tenant.eq(tenant))
            .filter(deliveries::state.eq(DeliveryState::Failed.as_str()))
            .filter(deliveries::created_at.ge(since))
            .filter(deliveries::kind.eq_any(DeliveryKind::resendable_names()))
            .filter(sql::<Bool>("deliveries.reason <> ''"))
    };
    let reasons: Vec<(String, i64)> =
        failed().group_by(deliveries::reason).select((deliveries::reason, count_star())).load(c)?;
    let read = |(reason, deliveries): (String, i64)| {
        let newest: Vec<String> = failed()
            .filter(deliveries::reason.eq(&reason))
            .order((deliveries::created_at.desc(), deliveries::id.desc()))
            .limit(LOOKED_AT)
            .select(deliveries::recipient)
            .load(c)?;
        let mut recipients = Vec::new();
        for name in newest {
            if !recipients.contains(&name) {
                recipients.push(name);
            }
        }
        let more = recipients.len() > NAMED_RECIPIENTS;
        recipients.truncate(NAMED_RECIPIENTS);
        Ok(Unreached { reason, deliveries, recipients, more })
    };
    let mut found: Vec<Unreached> = reasons.into_iter().map(read).collect::<Result<_>>()?;
    found.sort_by(|one, other| (other.deliveries, &one.reason).cmp(&(one.deliveries, &other.reason)));
    Ok(found)
}

/// Alerts that found no receiver at all.
#[derive(Clone, Debug, Default)]
pub struct Unheard {
    /// How many there are.
    pub count: i64,
    /// The latest of them: id, title and last firing.
    pub latest: Vec<(AlertId, String, NaiveDateTime)>,
}

/// The alerts that fired since then and reached nobody.
///
/// # Errors
/// When the database cannot be read.
pub fn unheard(c: &mut AnyConnection, tenant: TenantId, since: NaiveDateTime) -> Result<Unheard> {
    let nobody = || {
        alerts::table
            .filter(alerts::tenant.eq(tenant))
            // Written out, so that the index of these alone is seen to fit.
            .filter(sql::<Bool>("alerts.reached = 0"))
            // What ended without having begun was for nobody, and whom nobody may disturb is not to hear.
            .filter(alerts::count.gt(0))
            .filter(alerts::muted_until.is_null())
            .filter(alerts::last_at.ge(since))
    };
    let latest = nobody()
        .order((alerts::last_at.desc(), alerts::id.desc()))
        .limit(NAMED)
        .select((alerts::id, alerts::title, alerts::last_at))
        .load(c)?;
    Ok(Unheard { count: nobody().count().get_result(c)?, latest })
}

/// Events of which do not disturb suppressed a critical alert.
#[derive(Clone, Debug, Default)]
pub struct SuppressedCriticals {
    /// How many events there are.
    pub count: i64,
    /// The latest of them: id, title and when the last one was suppressed.
    pub latest: Vec<(AlertId, String, NaiveDateTime)>,
}

/// The events of which do not disturb suppressed a critical alert since then, open or not.
///
/// # Errors
/// When the database cannot be read.
pub fn suppressed_criticals(
    c: &mut AnyConnection,
    tenant: TenantId,
    since: NaiveDateTime,
) -> Result<SuppressedCriticals> {
    let suppressed = || {
        let of_tenant = alerts::table.filter(alerts::tenant.eq(tenant));
        of_tenant.filter(alerts::suppressed_critical_at.ge(since))
    };
    let latest = suppressed()
        .order((alerts::suppressed_critical_at.desc(), alerts::id.desc()))
        .limit(NAMED)
        .select((alerts::id, alerts::title, alerts::suppressed_critical_at.assume_not_null()))
        .load(c)?;
    Ok(SuppressedCriticals { count: suppressed().count().get_result(c)?, latest })
}
