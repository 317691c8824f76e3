//! Folding: what waits for a robot becomes one message, in few statements however much it is, and falls in two when that
//! message is refused.
//!
//! What one entry of an alert's time line says at a robot counts as one alert, for however many of its members: it would have
//! been one message too.

use chrono::NaiveDateTime;
use diesel::{
    AppearsOnTable, Expression, ExpressionMethods as _, OptionalExtension as _, QueryDsl as _, QueryResult,
    QueryableByName, RunQueryDsl as _,
    backend::Backend,
    expression::ValidGrouping,
    insert_into,
    query_builder::{AstPass, QueryFragment, QueryId},
    serialize::ToSql,
    sql_query,
    sql_types::{BigInt, Bool, HasSqlType, Nullable, Text, Timestamp},
};

use crate::{
    db::{
        AlertId, AnyConnection, MessageId, RobotId, TenantId, cached_update,
        schema::{deliveries, messages},
    },
    delivery::{
        digest::{self, DigestContext, DigestCounts, DigestLine, DigestRendererFactory},
        model::{DeliveryKind, DeliveryState, Priority},
    },
    error::{Error, Result},
    robots::{Channel, OutgoingMessage, fits_channel},
    secrets::random_bytes,
};

/// The most deliveries that one message carries. SQLite stores nothing else while they are put into it, or while their end is
/// recorded, so it is not much more than a robot needs that takes 20 messages a minute: 500 each for 10,000 alerts a minute.
const MAX_DELIVERIES: i64 = 600;

/// A transaction that has folded so many alerts folds no other message.
pub(super) const MAX_ALERTS_PER_ROUND: i64 = MAX_DELIVERIES / 4;

/// The most lines that are tried: more than any channel takes.
const MAX_LINES: i64 = 400;

/// The most people whom a message mentions; DingTalk takes no more.
const MAX_MENTIONS: i64 = 50;

/// The most names that a template may be given.
const MAX_RECIPIENT_NAMES: i64 = 50;

/// What makes deliveries of a robot one alert: the entry, or else each for itself.
macro_rules! notice {
    () => {
        "coalesce(deliveries.entry, -deliveries.id)"
    };
}

/// The priority of a delivery, also of one that a message carries.
macro_rules! urgency {
    () => {
        "(CASE WHEN deliveries.kind <> 'resolved' AND EXISTS (SELECT 1 FROM alert_entries WHERE alert_entries.id = \
         deliveries.entry AND alert_entries.severity = 'critical') THEN 1 ELSE 2 END)"
    };
}

/// Whether a delivery of a robot may go now: that an alert is over waits while an older message that tells of the alert is
/// still to be sent, or the group could hear of the end first. Whatever fires does not wait.
#[derive(Clone, Copy, Debug, QueryId, ValidGrouping)]
pub(super) struct InOrder(pub RobotId);

/// The SQL of [`InOrder`] before, between and behind the robot's id.
const IN_ORDER: [&str; 3] = [
    "(deliveries.kind <> 'resolved' OR deliveries.alert IS NULL OR deliveries.alert NOT IN (SELECT older.alert FROM messages \
     JOIN deliveries AS older ON older.message = messages.id \
     WHERE messages.fingerprint = (SELECT robots.fingerprint FROM robots WHERE robots.id = ",
    ") AND messages.state = 'waiting' AND messages.finished_at IS NULL AND messages.robot = ",
    " AND older.finished_at IS NULL AND older.alert IS NOT NULL))",
];

impl Expression for InOrder {
    type SqlType = Bool;
}

impl AppearsOnTable<deliveries::table> for InOrder {}

impl<DB> QueryFragment<DB> for InOrder
where
    DB: Backend + HasSqlType<BigInt>,
    i64: ToSql<BigInt, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        let [before, between, behind] = IN_ORDER;
        out.push_sql(before);
        out.push_bind_param::<BigInt, _>(&self.0.0)?;
        out.push_sql(between);
        out.push_bind_param::<BigInt, _>(&self.0.0)?;
        out.push_sql(behind);
        Ok(())
    }
}

fn resolved_order_sql(robot: RobotId) -> String {
    let [before, between, behind] = IN_ORDER;
    format!("{before}{robot}{between}{robot}{behind}")
}

/// The robot that a digest is for.
pub(super) struct DigestRobot<'r> {
    pub id: RobotId,
    pub fingerprint: &'r [u8],
    pub tenant: TenantId,
    pub channel: Channel,
}

/// Makes the message that carries what waits for a robot, tests excepted, and belongs to this portion.
///
/// The rows are taken first and read afterwards, so that what is listed and counted is exactly what the message carries,
/// whatever else comes in meanwhile. Answers how many alerts they are, too.
pub(super) fn build_digest(
    c: &mut AnyConnection,
    robot: &DigestRobot<'_>,
    batch_no: i64,
    renderers: &DigestRendererFactory,
    now: NaiveDateTime,
) -> Result<(MessageId, i64)> {
    let msg_uuid = hex::encode(random_bytes::<16>()?);
    let message = insert_into(messages::table)
        .values((
            messages::robot.eq(robot.id),
            messages::fingerprint.eq(robot.fingerprint),
            messages::channel.eq(robot.channel.as_str()),
            messages::title.eq(""),
            messages::body.eq(""),
            messages::msg_uuid.eq(&msg_uuid),
            messages::priority.eq(Priority::Ordinary.as_i64()),
            messages::state.eq(DeliveryState::Waiting.as_str()),
            messages::due_at.eq(now),
            messages::fence.eq(0),
            messages::tries.eq(0),
            messages::created_at.eq(now),
        ))
        .returning(messages::id)
        .get_result::<MessageId>(c)?;
    assign_deliveries(c, robot.id, batch_no, message)?;
    let totals = load_totals(c, message)?;
    let lines = load_lines(c, message)?;
    let mobiles = load_mentions(c, message)?;
    let recipients = load_recipient_names(c, message)?;
    let context =
        DigestContext { tenant: robot.tenant, channel: robot.channel, message, recipients, counts: totals.counts() };
    let renderer = renderers(c, context)?;
    let fits = |title: &str, body: &str| {
        let (title, text) = (title.to_owned(), body.to_owned());
        fits_channel(robot.channel, &OutgoingMessage { title, text, mobiles: mobiles.clone(), uuid: msg_uuid.clone() })
    };
    let layout = digest::lay_out(renderer.as_ref(), &lines, totals.notices, fits);
    tracing::info!(message_id = %message, alerts = totals.notices, lines = layout.listed_lines, "what waits for a robot was folded");
    let columns = (
        messages::title.eq(layout.title),
        messages::body.eq(layout.body),
        messages::priority.eq(totals.urgency),
        messages::due_at.eq(totals.since),
        messages::created_at.eq(totals.since),
        messages::alert_count.eq(totals.notices),
    );
    cached_update(messages::table, messages::id.eq(message)).set(columns).execute(c)?;
    Ok((message, totals.notices))
}

/// That an alert is over waits also while an older delivery that tells of it belongs to another portion: by itself it would come
/// after that one, but what is urgent in a portion takes the others along. The sum keeps SQLite to the index of the alert: a
/// queue may be long.
fn batch_order_sql(robot: RobotId) -> String {
    format!(
        "(deliveries.kind <> 'resolved' OR NOT EXISTS (SELECT 1 FROM deliveries AS queued \
         WHERE queued.alert = deliveries.alert AND queued.id < deliveries.id AND queued.robot + 0 = {robot} \
         AND queued.priority IS NOT NULL AND queued.batch_no <> deliveries.batch_no))"
    )
}

/// Puts what waits into the message, which is sent in the same transaction: a second change of so many rows is spared.
fn assign_deliveries(c: &mut AnyConnection, robot: RobotId, batch_no: i64, message: MessageId) -> Result<()> {
    let carried = format!("UPDATE deliveries SET message = {message}, priority = NULL, state = 'sending' WHERE");
    let first = format!(
        "{carried} id IN (SELECT deliveries.id FROM deliveries WHERE deliveries.robot = {robot} \
         AND deliveries.priority >= {} AND deliveries.batch_no = {batch_no} AND {} AND {} \
         ORDER BY deliveries.priority, deliveries.id LIMIT {MAX_DELIVERIES})",
        Priority::Urgent.as_i64(),
        resolved_order_sql(robot),
        batch_order_sql(robot)
    );
    if i64::try_from(sql_query(first).execute(c)?).is_ok_and(|taken| taken >= MAX_DELIVERIES) {
        // There may be others of the last entry, who are to hear of it in the same message.
        let same_entry = format!(
            "{carried} robot = {robot} AND priority IS NOT NULL AND entry IN (SELECT own.entry FROM deliveries AS own \
             WHERE own.message = {message} AND own.entry IS NOT NULL)"
        );
        sql_query(same_entry).execute(c)?;
    }
    Ok(())
}

/// All that a message carries.
#[derive(QueryableByName)]
struct DigestTotals {
    /// How many alerts.
    #[diesel(sql_type = BigInt)]
    notices: i64,
    #[diesel(sql_type = BigInt)]
    firing: i64,
    #[diesel(sql_type = BigInt)]
    repeated: i64,
    #[diesel(sql_type = BigInt)]
    resolved: i64,
    #[diesel(sql_type = BigInt)]
    urgency: i64,
    #[diesel(sql_type = Timestamp)]
    since: NaiveDateTime,
}

impl DigestTotals {
    fn counts(&self) -> DigestCounts {
        let Self { firing, repeated, resolved, .. } = *self;
        DigestCounts { firing, repeated, resolved, notices: self.notices - firing - repeated - resolved }
    }
}

/// How many alerts of one kind a message carries.
macro_rules! of_kind {
    ($kind:literal) => {
        concat!("COUNT(DISTINCT CASE WHEN deliveries.kind = '", $kind, "' THEN ", notice!(), " END) AS ", $kind, ", ")
    };
}

fn load_totals(c: &mut AnyConnection, message: MessageId) -> Result<DigestTotals> {
    let query = format!(
        concat!(
            "SELECT COUNT(DISTINCT ",
            notice!(),
            ") AS notices, ",
            of_kind!("firing"),
            of_kind!("repeated"),
            of_kind!("resolved"),
            "CAST(MIN(",
            urgency!(),
            ") AS BIGINT) AS urgency, MIN(deliveries.created_at) AS since FROM deliveries WHERE deliveries.message = {}"
        ),
        message
    );
    sql_query(query).get_result(c).optional()?.ok_or_else(|| Error::internal("there was nothing to fold"))
}

#[derive(QueryableByName)]
struct DigestLineRow {
    #[diesel(sql_type = BigInt)]
    times: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    alert: Option<AlertId>,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Text)]
    title: String,
    #[diesel(sql_type = Text)]
    severity: String,
    #[diesel(sql_type = Text)]
    link: String,
}

/// The first lines of a message: an event each, as it stands last; critical ones first, then by age.
fn load_lines(c: &mut AnyConnection, message: MessageId) -> Result<Vec<DigestLine>> {
    let query = format!(
        concat!(
            "WITH events AS (SELECT MIN(",
            urgency!(),
            ") AS urgency, MIN(deliveries.id) AS oldest, MAX(deliveries.id) AS newest, COUNT(DISTINCT ",
            notice!(),
            ") AS times FROM deliveries WHERE deliveries.message = {} ",
            "GROUP BY coalesce(deliveries.alert, -deliveries.id) ORDER BY 1, 2 LIMIT {}) ",
            "SELECT events.times, last.alert, last.kind, ",
            "coalesce(nullif(alert_entries.title, ''), alerts.title, last.title) AS title, ",
            "coalesce(alert_entries.severity, '') AS severity, coalesce(alerts.link, '') AS link ",
            "FROM events JOIN deliveries AS last ON last.id = events.newest ",
            "LEFT JOIN alerts ON alerts.id = last.alert LEFT JOIN alert_entries ON alert_entries.id = last.entry ",
            "ORDER BY events.urgency, events.oldest"
        ),
        message, MAX_LINES
    );
    let line = |row: DigestLineRow| {
        let kind = DeliveryKind::parse(&row.kind).ok_or_else(|| Error::internal("a delivery has an unknown kind"))?;
        let DigestLineRow { times: count, alert, severity, link, .. } = row;
        Ok(DigestLine { alert, title: digest::truncate_title(&row.title), kind, severity, link, count })
    };
    sql_query(query).load::<DigestLineRow>(c)?.into_iter().map(line).collect()
}

#[derive(QueryableByName)]
struct NameRow {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The numbers that a digest mentions, those of critical alerts first; beyond what a channel takes nobody is mentioned.
pub(super) fn load_mentions(c: &mut AnyConnection, message: MessageId) -> Result<Vec<String>> {
    let query = format!(
        concat!(
            "SELECT deliveries.mention AS name FROM deliveries WHERE deliveries.message = {} ",
            "AND deliveries.finished_at IS NULL AND deliveries.mention <> '' GROUP BY deliveries.mention ORDER BY MIN(",
            urgency!(),
            "), MIN(deliveries.id) LIMIT {}"
        ),
        message, MAX_MENTIONS
    );
    Ok(sql_query(query).load::<NameRow>(c)?.into_iter().map(|row| row.name).collect())
}

fn load_recipient_names(c: &mut AnyConnection, message: MessageId) -> Result<Vec<String>> {
    let query = format!(
        "SELECT deliveries.recipient AS name FROM deliveries WHERE deliveries.message = {message} \
         GROUP BY deliveries.recipient ORDER BY MIN(deliveries.id) LIMIT {MAX_RECIPIENT_NAMES}"
    );
    Ok(sql_query(query).load::<NameRow>(c)?.into_iter().map(|row| row.name).collect())
}

#[derive(QueryableByName)]
struct SplitPoint {
    /// The last alert of the first half.
    #[diesel(sql_type = BigInt)]
    middle: i64,
}

/// Puts what a refused digest carries back into the queue, in two portions that are not folded together again: one bad text
/// must not keep the others from the group, and is alone after a few halvings. Says false of a message that is no digest.
pub(super) fn split_digest(c: &mut AnyConnection, message: MessageId, now: NaiveDateTime) -> Result<bool> {
    if !is_digest(c, message)? {
        return Ok(false);
    }
    let carried = format!("FROM deliveries WHERE deliveries.message = {message} AND deliveries.finished_at IS NULL");
    let alert_key = notice!();
    let middle = format!(
        "SELECT {alert_key} AS middle {carried} GROUP BY {alert_key} ORDER BY {alert_key} \
         LIMIT 1 OFFSET (SELECT (COUNT(DISTINCT {alert_key}) - 1) / 2 {carried})"
    );
    let Some(SplitPoint { middle }) = sql_query(middle).get_result(c).optional()? else { return Ok(false) };
    let (first, second) = (message.0 * 2, message.0 * 2 + 1);
    let batch_no = format!("CASE WHEN {alert_key} <= {middle} THEN {first} ELSE {second} END");
    requeue_contents(c, message, &batch_no, now)?;
    tracing::warn!(message_id = %message, "a digest was refused; it goes out again in two parts");
    Ok(true)
}

/// Whether a message tells of several alerts.
pub(super) fn is_digest(c: &mut AnyConnection, message: MessageId) -> Result<bool> {
    Ok(messages::table.find(message).select(messages::alert_count).first::<i64>(c)? > 0)
}

/// Ends a digest that the group did not hear, and puts what it carries back into the queue, where it may be folded anew.
pub(super) fn dissolve_digest(c: &mut AnyConnection, message: MessageId, now: NaiveDateTime) -> Result<()> {
    requeue_contents(c, message, "0", now)
}

fn requeue_contents(c: &mut AnyConnection, message: MessageId, batch_no: &str, now: NaiveDateTime) -> Result<()> {
    let queued = format!(
        "UPDATE deliveries SET message = NULL, state = 'waiting', priority = {}, batch_no = {batch_no} \
         WHERE message = {message} AND finished_at IS NULL",
        urgency!()
    );
    sql_query(queued).execute(c)?;
    let ended = (messages::state.eq(DeliveryState::Failed.as_str()), messages::finished_at.eq(Some(now)));
    cached_update(messages::table, messages::id.eq(message)).set(ended).execute(c)?;
    Ok(())
}
