//! Sending again what failed: each row stays as it ended, and a new one takes its place in the queue.

use std::collections::{BTreeSet, HashMap};

use chrono::NaiveDateTime;
use diesel::{
    BoolExpressionMethods as _, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, RunQueryDsl as _,
    insert_into, update,
};

use super::{
    endpoints,
    robots::{self, RobotInfo},
};
use crate::{
    db::{
        AccountId, AlertId, AnyConnection, DeliveryId, EntryId, INSTANCE_SCOPE, LimitConst as _, MemberId, RobotId,
        TenantId,
        schema::{alert_entries, alerts, channel_switches, contacts, deliveries, members, tenants},
    },
    delivery::model::{DeliveryKind, DeliveryReason, DeliveryState, Priority},
    error::{Error, Result},
    robots::{Channel, OutgoingMessage, fits_channel, with_less_content},
};

/// A title and a text that are no longer together, in bytes, are taken by every channel.
const ALWAYS_FITS: usize = 1_000;

/// As long as a phone number gets, and the identity of a message.
const LONGEST_NUMBER: usize = 20;
const LONGEST_IDENTITY: usize = 64;

/// How many ids one statement names.
const IDS_PER_STATEMENT: usize = 1_000;

/// What became of one delivery that was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resent {
    /// The one that failed.
    pub original: DeliveryId,
    /// The new one.
    pub replacement: DeliveryId,
    /// Whether the new one waits for a robot. Otherwise there is still none to call, and it failed too.
    pub is_waiting: bool,
}

/// Sends those of these deliveries again that failed, are no tests and were not sent again before; the others are left out
/// of the answer. Each goes to the member's present robot of its channel, or else to the first that he has; what was for nobody
/// in particular goes to the robot it was for. Call [`crate::delivery::Waker::wake`] after the transaction.
///
/// # Errors
/// When the database cannot be written.
pub fn resend(
    c: &mut AnyConnection,
    tenant: TenantId,
    delivery_ids: &[DeliveryId],
    requested_by: AccountId,
    now: NaiveDateTime,
) -> Result<Vec<Resent>> {
    let mut rows = Vec::new();
    for ids in delivery_ids.chunks(IDS_PER_STATEMENT) {
        rows.extend(lock_failed(c, tenant, ids)?);
    }
    rows.sort_by_key(|row| row.id);
    let recipients = Recipients::load(c, tenant, &rows)?;
    let targets: Vec<ResendTarget> = rows.iter().map(|row| recipients.choose_target(row)).collect();
    let critical_alerts = critical_alerts(c, tenant, &rows)?;
    for row in &mut rows {
        row.mention = recipients.current_mention(row);
    }
    let robots = schedule_endpoints(c, tenant, &targets, now)?;
    shorten_contents(c, &mut rows, &targets, &robots)?;
    let context = ResendContext { tenant, critical_alerts, robots, requested_by, now };
    rows.into_iter().zip(targets).map(|(row, target)| context.insert_retry(c, row, target)).collect()
}

/// The critical alerts among those that these rows are about: what they say goes out before everything else.
fn critical_alerts(c: &mut AnyConnection, tenant: TenantId, rows: &[FailedDelivery]) -> Result<BTreeSet<AlertId>> {
    let alert_ids: BTreeSet<AlertId> = rows.iter().filter_map(|row| row.alert).collect();
    let alert_ids: Vec<AlertId> = alert_ids.into_iter().collect();
    let mut found_alerts = BTreeSet::new();
    for ids in alert_ids.chunks(IDS_PER_STATEMENT) {
        let found = alerts::table
            .filter(alerts::tenant.eq(tenant).and(alerts::id.eq_any(ids)))
            .filter(alerts::severity.eq("critical"))
            .select(alerts::id);
        found_alerts.extend(found.load::<AlertId>(c)?);
    }
    Ok(found_alerts)
}

/// A delivery that failed, and all that its successor takes over.
#[derive(diesel::Queryable)]
struct FailedDelivery {
    id: DeliveryId,
    kind: String,
    title: String,
    body: String,
    channel: String,
    robot: Option<RobotId>,
    member: Option<MemberId>,
    recipient: String,
    reason: String,
    alert: Option<AlertId>,
    entry: Option<EntryId>,
    mention: String,
    chosen_by: String,
}

/// Locks those that may be sent again until the transaction ends: of two who press the button at once, one does it.
fn lock_failed(c: &mut AnyConnection, tenant: TenantId, ids: &[DeliveryId]) -> Result<Vec<FailedDelivery>> {
    let query = deliveries::table
        .filter(deliveries::tenant.eq(tenant).and(deliveries::id.eq_any(ids)))
        .filter(deliveries::state.eq(DeliveryState::Failed.as_str()))
        .filter(deliveries::kind.eq_any(DeliveryKind::resendable_names()))
        .filter(deliveries::resent_as.is_null())
        .order(deliveries::id)
        .select((
            deliveries::id,
            deliveries::kind,
            deliveries::title,
            deliveries::body,
            deliveries::channel,
            deliveries::robot,
            deliveries::member,
            deliveries::recipient,
            deliveries::reason,
            deliveries::alert,
            deliveries::entry,
            deliveries::mention,
            deliveries::rule_names,
        ));
    Ok(match c {
        AnyConnection::Sqlite(c) => query.load(c),
        AnyConnection::Postgres(c) => query.for_update().load(c),
    }?)
}

/// Where a delivery goes when it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResendTarget {
    Robot(RobotId),
    Unreachable(DeliveryReason),
}

/// What is known today of the members who were not reached.
struct Recipients {
    /// The members that still are, and whether each is reached: all but disabled ones.
    is_active: HashMap<MemberId, bool>,
    /// Their phone numbers, by which messages about alerts mention them.
    phones: HashMap<MemberId, String>,
    /// Their robots.
    robots: HashMap<(MemberId, &'static str), RobotId>,
    /// The channels that are on.
    enabled_channels: BTreeSet<&'static str>,
}

impl Recipients {
    fn load(c: &mut AnyConnection, tenant: TenantId, rows: &[FailedDelivery]) -> Result<Self> {
        let ids: BTreeSet<MemberId> = rows.iter().filter_map(|row| row.member).collect();
        let ids: Vec<MemberId> = ids.into_iter().collect();
        let (active, phones, robots) = (HashMap::new(), HashMap::new(), HashMap::new());
        let mut recipients = Self { is_active: active, phones, robots, enabled_channels: enabled_channels(c, tenant)? };
        for ids in ids.chunks(IDS_PER_STATEMENT) {
            let present: Vec<(MemberId, String, String)> = members::table
                .filter(members::tenant.eq(tenant).and(members::id.eq_any(ids)))
                .select((members::id, members::status, members::phone))
                .load(c)?;
            for (member, status, phone) in present {
                recipients.is_active.insert(member, status != "disabled");
                recipients.phones.insert(member, phone);
            }
            let robots: Vec<(MemberId, String, RobotId)> = contacts::table
                .filter(contacts::member.eq_any(ids))
                .select((contacts::member, contacts::channel, contacts::robot))
                .load(c)?;
            for (member, channel, robot) in robots {
                recipients.robots.insert((member, robots::parse_channel(&channel)?.as_str()), robot);
            }
        }
        Ok(recipients)
    }

    /// Whom the message mentions: the member by the number that he has now, when it is about an alert.
    fn current_mention(&self, row: &FailedDelivery) -> String {
        let phone = row.member.filter(|_| row.alert.is_some()).and_then(|member| self.phones.get(&member));
        phone.unwrap_or(&row.mention).clone()
    }

    fn choose_target(&self, row: &FailedDelivery) -> ResendTarget {
        // What was for nobody in particular, such as a group that is off, has no other way than it had.
        let Some(member) = row.member else {
            return row.robot.map_or(ResendTarget::Unreachable(original_reason(row)), ResendTarget::Robot);
        };
        match self.is_active.get(&member) {
            None => ResendTarget::Unreachable(DeliveryReason::LeftTenant),
            Some(false) => ResendTarget::Unreachable(DeliveryReason::MemberDisabled),
            Some(true) => match Channel::parse(&row.channel) {
                Some(channel) => self
                    .robots
                    .get(&(member, channel.as_str()))
                    .map_or_else(|| self.first_enabled_robot(member), |robot| ResendTarget::Robot(*robot)),
                None => self.first_enabled_robot(member),
            },
        }
    }

    /// The robot of the first channel that is on, for whom no channel could be found before, or who has no robot there now.
    fn first_enabled_robot(&self, member: MemberId) -> ResendTarget {
        let member_robots =
            || Channel::ALL.into_iter().map(Channel::as_str).filter(|word| self.robots.contains_key(&(member, *word)));
        match member_robots()
            .find(|word| self.enabled_channels.contains(word))
            .and_then(|word| self.robots.get(&(member, word)))
        {
            Some(robot) => ResendTarget::Robot(*robot),
            None if member_robots().next().is_some() => ResendTarget::Unreachable(DeliveryReason::ChannelOff),
            None => ResendTarget::Unreachable(DeliveryReason::NoContact),
        }
    }
}

fn original_reason(row: &FailedDelivery) -> DeliveryReason {
    DeliveryReason::parse(&row.reason).unwrap_or(DeliveryReason::NoContact)
}

/// The channels that the tenant's own switches, or the instance's, have on.
fn enabled_channels(c: &mut AnyConnection, tenant: TenantId) -> Result<BTreeSet<&'static str>> {
    let mode: String = tenants::table.find(tenant).select(tenants::channel_mode).first_cached(c)?;
    let scope = if mode == "custom" { tenant.0 } else { INSTANCE_SCOPE };
    let channels: Vec<String> = channel_switches::table
        .filter(channel_switches::scope.eq(scope))
        .filter(channel_switches::is_on.eq(true))
        .select(channel_switches::channel)
        .load(c)?;
    channels.iter().map(|word| robots::parse_channel(word).map(|channel| channel.as_str())).collect()
}

/// Shortens the contents of what is longer than its robot's channel takes, as of what was written for another channel.
fn shorten_contents(
    c: &mut AnyConnection,
    rows: &mut [FailedDelivery],
    targets: &[ResendTarget],
    robots: &HashMap<RobotId, RobotInfo>,
) -> Result<()> {
    // What one entry has for one robot goes out as one message, which mentions all whom it is for.
    let mut mentions: HashMap<(EntryId, RobotId), BTreeSet<String>> = HashMap::new();
    for (row, target) in rows.iter().zip(targets) {
        if let (Some(entry), ResendTarget::Robot(robot), false) = (row.entry, target, row.mention.is_empty()) {
            mentions.entry((entry, *robot)).or_default().insert(row.mention.clone());
        }
    }
    let mut made: HashMap<(EntryId, String, Channel, usize), String> = HashMap::new();
    for (row, target) in rows.iter_mut().zip(targets) {
        let (Some(entry), ResendTarget::Robot(robot)) = (row.entry, *target) else { continue };
        let is_long = row.title.len() + row.body.len() > ALWAYS_FITS;
        let Some(RobotInfo { channel, .. }) = robots.get(&robot).filter(|_| is_long) else { continue };
        let count = mentions.get(&(entry, robot)).map_or(0, BTreeSet::len);
        let key = (entry, row.channel.clone(), *channel, count);
        row.body = match made.get(&key) {
            Some(body) => body.clone(),
            None => {
                let body = fitting_body(c, row, entry, *channel, count)?;
                made.insert(key, body.clone());
                body
            }
        };
    }
    Ok(())
}

/// The text of a row for this channel, with so many people mentioned.
fn fitting_body(
    c: &mut AnyConnection,
    row: &FailedDelivery,
    entry: EntryId,
    channel: Channel,
    mentions: usize,
) -> Result<String> {
    let message = OutgoingMessage {
        title: row.title.clone(),
        text: row.body.clone(),
        mobiles: vec!["0".repeat(LONGEST_NUMBER); mentions],
        uuid: "0".repeat(LONGEST_IDENTITY),
    };
    if fits_channel(channel, &message) {
        return Ok(message.text);
    }
    let content = content_of(c, entry)?;
    // Without mentions WeCom takes more, and sends it so when a link would be lost otherwise.
    let without = OutgoingMessage { mobiles: Vec::new(), ..message.clone() };
    let shorter = [&message, &without].into_iter().find_map(|it| with_less_content(channel, it, &content));
    Ok(shorter.unwrap_or(message.text))
}

/// What an entry says: the event keeps its first words itself.
fn content_of(c: &mut AnyConnection, entry: EntryId) -> Result<String> {
    let found: Option<(String, String, String)> = alert_entries::table
        .inner_join(alerts::table)
        .filter(alert_entries::id.eq(entry))
        .select((alert_entries::title, alert_entries::content, alerts::content))
        .first_cached(c)
        .optional()?;
    let words = found.map(|(title, own, first)| if title.is_empty() { first } else { own });
    Ok(words.unwrap_or_default())
}

/// The robots that are to send, with their endpoints marked due in the order that every transaction keeps.
fn schedule_endpoints(
    c: &mut AnyConnection,
    tenant: TenantId,
    targets: &[ResendTarget],
    now: NaiveDateTime,
) -> Result<HashMap<RobotId, RobotInfo>> {
    let robot_ids: BTreeSet<RobotId> = targets
        .iter()
        .filter_map(|target| match target {
            ResendTarget::Robot(robot) => Some(*robot),
            ResendTarget::Unreachable(_) => None,
        })
        .collect();
    let mut robots = HashMap::new();
    for robot in robot_ids {
        robots.insert(robot, robots::load_robot(c, tenant, robot)?);
    }
    endpoints::mark_all_due(c, robots.values().map(RobotInfo::endpoint), now)?;
    Ok(robots)
}

/// What every successor is made with.
struct ResendContext {
    tenant: TenantId,
    /// The alerts that are critical.
    critical_alerts: BTreeSet<AlertId>,
    /// The robots that send.
    robots: HashMap<RobotId, RobotInfo>,
    requested_by: AccountId,
    now: NaiveDateTime,
}

impl ResendContext {
    /// As soon as the row that failed was to go out: that an alert is over is never urgent.
    fn priority(&self, row: &FailedDelivery) -> Priority {
        let is_critical = row.alert.is_some_and(|alert| self.critical_alerts.contains(&alert));
        if is_critical && row.kind != DeliveryKind::Resolved.as_str() { Priority::Urgent } else { Priority::Ordinary }
    }

    /// Makes the successor of a row, and says so in the row.
    fn insert_retry(&self, c: &mut AnyConnection, row: FailedDelivery, target: ResendTarget) -> Result<Resent> {
        let robot = match target {
            ResendTarget::Robot(robot) => {
                Some((robot, self.robots.get(&robot).ok_or_else(|| Error::internal("a robot was lost"))?))
            }
            ResendTarget::Unreachable(_) => None,
        };
        let (state, reason, priority, finished_at) = match target {
            ResendTarget::Robot(_) => {
                let broken = robot.and_then(|(_, known)| known.broken_reason.clone()).unwrap_or_default();
                (DeliveryState::Waiting, broken, Some(self.priority(&row).as_i64()), None)
            }
            ResendTarget::Unreachable(reason) => {
                (DeliveryState::Failed, reason.as_str().to_owned(), None, Some(self.now))
            }
        };
        let replacement: DeliveryId = insert_into(deliveries::table)
            .values((
                deliveries::tenant.eq(self.tenant),
                deliveries::kind.eq(row.kind),
                deliveries::title.eq(row.title),
                deliveries::body.eq(row.body),
                deliveries::channel.eq(robot.map_or(row.channel, |(_, known)| known.channel.as_str().to_owned())),
                deliveries::robot.eq(robot.map(|(robot, _)| robot)),
                deliveries::member.eq(row.member),
                deliveries::recipient.eq(row.recipient),
                deliveries::requested_by.eq(Some(self.requested_by)),
                deliveries::state.eq(state.as_str()),
                deliveries::reason.eq(reason),
                deliveries::priority.eq(priority),
                deliveries::created_at.eq(self.now),
                deliveries::finished_at.eq(finished_at),
                deliveries::alert.eq(row.alert),
                deliveries::entry.eq(row.entry),
                deliveries::mention.eq(row.mention),
                deliveries::rule_names.eq(row.chosen_by),
            ))
            .returning(deliveries::id)
            .get_result(c)?;
        let old = deliveries::table.filter(deliveries::id.eq(row.id));
        update(old).set(deliveries::resent_as.eq(Some(replacement))).execute(c)?;
        Ok(Resent { original: row.id, replacement, is_waiting: robot.is_some() })
    }
}
