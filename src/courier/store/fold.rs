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
    courier::{
        digest::{self, About, Counts, Line, Speller},
        model::{DeliveryState, Kind, Priority},
    },
    db::{
        AlertId, AnyConnection, MessageId, RobotId, TenantId, change,
        schema::{deliveries, messages},
    },
    error::{Error, Result},
    robots::{Channel, Message, fits},
    secrets::random,
};

/// The most deliveries that one message carries. SQLite stores nothing else while they are put into it, or while their end is
/// recorded, so it is not much more than a robot needs that takes 20 messages a minute: 500 each for 10,000 alerts a minute.
const MOST: i64 = 600;

/// A transaction that has folded so many alerts folds no other message.
pub(super) const ENOUGH: i64 = MOST / 4;

/// The most lines that are tried: more than any channel takes.
const LINES: i64 = 400;

/// The most people whom a message mentions; DingTalk takes no more.
const MENTIONED: i64 = 50;

/// The most names that a template may be given.
const NAMED: i64 = 50;

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

fn in_order_sql(robot: RobotId) -> String {
    let [before, between, behind] = IN_ORDER;
    format!("{before}{robot}{between}{robot}{behind}")
}

/// The robot that a digest is for.
pub(super) struct Robot<'r> {
    pub robot: RobotId,
    pub fingerprint: &'r [u8],
    pub tenant: TenantId,
    pub channel: Channel,
}

/// Makes the message that carries what waits for a robot, tests excepted, and belongs to this portion.
///
/// The rows are taken first and read afterwards, so that what is listed and counted is exactly what the message carries,
/// whatever else comes in meanwhile. Answers how many alerts they are, too.
pub(super) fn fold(
    c: &mut AnyConnection,
    robot: &Robot<'_>,
    portion: i64,
    speller: &Speller,
    now: NaiveDateTime,
) -> Result<(MessageId, i64)> {
    let msg_uuid = hex::encode(random::<16>()?);
    let message = insert_into(messages::table)
        .values((
            messages::robot.eq(robot.robot),
            messages::fingerprint.eq(robot.fingerprint),
            messages::channel.eq(robot.channel.as_str()),
            messages::title.eq(""),
            messages::body.eq(""),
            messages::msg_uuid.eq(&msg_uuid),
            messages::priority.eq(Priority::Ordinary.number()),
            messages::state.eq(DeliveryState::Waiting.as_str()),
            messages::due_at.eq(now),
            messages::fence.eq(0),
            messages::tries.eq(0),
            messages::created_at.eq(now),
        ))
        .returning(messages::id)
        .get_result::<MessageId>(c)?;
    take_in(c, robot.robot, portion, message)?;
    let whole = whole(c, message)?;
    let lines = lines(c, message)?;
    let mobiles = mentions(c, message)?;
    let recipients = recipients(c, message)?;
    let about = About { tenant: robot.tenant, channel: robot.channel, message, recipients, counts: whole.counts() };
    let wording = speller(c, about)?;
    let fits = |title: &str, body: &str| {
        let (title, text) = (title.to_owned(), body.to_owned());
        fits(robot.channel, &Message { title, text, mobiles: mobiles.clone(), uuid: msg_uuid.clone() })
    };
    let laid = digest::lay(wording.as_ref(), &lines, whole.notices, fits);
    tracing::info!(message_id = %message, alerts = whole.notices, lines = laid.listed, "what waits for a robot was folded");
    let laid = (
        messages::title.eq(laid.title),
        messages::body.eq(laid.body),
        messages::priority.eq(whole.urgency),
        messages::due_at.eq(whole.since),
        messages::created_at.eq(whole.since),
        messages::folded.eq(whole.notices),
    );
    change(messages::table, messages::id.eq(message)).set(laid).execute(c)?;
    Ok((message, whole.notices))
}

/// That an alert is over waits also while an older delivery that tells of it belongs to another portion: by itself it would come
/// after that one, but what is urgent in a portion takes the others along. The sum keeps SQLite to the index of the alert: a
/// queue may be long.
fn in_order_of_portions_sql(robot: RobotId) -> String {
    format!(
        "(deliveries.kind <> 'resolved' OR NOT EXISTS (SELECT 1 FROM deliveries AS queued \
         WHERE queued.alert = deliveries.alert AND queued.id < deliveries.id AND queued.robot + 0 = {robot} \
         AND queued.priority IS NOT NULL AND queued.portion <> deliveries.portion))"
    )
}

/// Puts what waits into the message, which is sent in the same transaction: a second change of so many rows is spared.
fn take_in(c: &mut AnyConnection, robot: RobotId, portion: i64, message: MessageId) -> Result<()> {
    let carried = format!("UPDATE deliveries SET message = {message}, priority = NULL, state = 'sending' WHERE");
    let first = format!(
        "{carried} id IN (SELECT deliveries.id FROM deliveries WHERE deliveries.robot = {robot} \
         AND deliveries.priority >= {} AND deliveries.portion = {portion} AND {} AND {} \
         ORDER BY deliveries.priority, deliveries.id LIMIT {MOST})",
        Priority::Urgent.number(),
        in_order_sql(robot),
        in_order_of_portions_sql(robot)
    );
    if i64::try_from(sql_query(first).execute(c)?).is_ok_and(|taken| taken >= MOST) {
        // There may be others of the last entry, who are to hear of it in the same message.
        let others = format!(
            "{carried} robot = {robot} AND priority IS NOT NULL AND entry IN (SELECT own.entry FROM deliveries AS own \
             WHERE own.message = {message} AND own.entry IS NOT NULL)"
        );
        sql_query(others).execute(c)?;
    }
    Ok(())
}

/// All that a message carries.
#[derive(QueryableByName)]
struct Whole {
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

impl Whole {
    fn counts(&self) -> Counts {
        let Self { firing, repeated, resolved, .. } = *self;
        Counts { firing, repeated, resolved, notices: self.notices - firing - repeated - resolved }
    }
}

/// How many alerts of one kind a message carries.
macro_rules! of_kind {
    ($kind:literal) => {
        concat!("COUNT(DISTINCT CASE WHEN deliveries.kind = '", $kind, "' THEN ", notice!(), " END) AS ", $kind, ", ")
    };
}

fn whole(c: &mut AnyConnection, message: MessageId) -> Result<Whole> {
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
struct LineRow {
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
fn lines(c: &mut AnyConnection, message: MessageId) -> Result<Vec<Line>> {
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
        message, LINES
    );
    let line = |row: LineRow| {
        let kind = Kind::parse(&row.kind).ok_or_else(|| Error::internal("a delivery has an unknown kind"))?;
        let LineRow { times: count, alert, severity, link, .. } = row;
        Ok(Line { alert, title: digest::short(&row.title), kind, severity, link, count })
    };
    sql_query(query).load::<LineRow>(c)?.into_iter().map(line).collect()
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

/// The numbers that a digest mentions, those of critical alerts first; beyond what a channel takes nobody is mentioned.
pub(super) fn mentions(c: &mut AnyConnection, message: MessageId) -> Result<Vec<String>> {
    let query = format!(
        concat!(
            "SELECT deliveries.mention AS name FROM deliveries WHERE deliveries.message = {} ",
            "AND deliveries.finished_at IS NULL AND deliveries.mention <> '' GROUP BY deliveries.mention ORDER BY MIN(",
            urgency!(),
            "), MIN(deliveries.id) LIMIT {}"
        ),
        message, MENTIONED
    );
    Ok(sql_query(query).load::<Name>(c)?.into_iter().map(|row| row.name).collect())
}

fn recipients(c: &mut AnyConnection, message: MessageId) -> Result<Vec<String>> {
    let query = format!(
        "SELECT deliveries.recipient AS name FROM deliveries WHERE deliveries.message = {message} \
         GROUP BY deliveries.recipient ORDER BY MIN(deliveries.id) LIMIT {NAMED}"
    );
    Ok(sql_query(query).load::<Name>(c)?.into_iter().map(|row| row.name).collect())
}

#[derive(QueryableByName)]
struct Halves {
    /// The last alert of the first half.
    #[diesel(sql_type = BigInt)]
    middle: i64,
}

/// Puts what a refused digest carries back into the queue, in two portions that are not folded together again: one bad text
/// must not keep the others from the group, and is alone after a few halvings. Says false of a message that is no digest.
pub(super) fn fall_apart(c: &mut AnyConnection, message: MessageId, now: NaiveDateTime) -> Result<bool> {
    if !is_digest(c, message)? {
        return Ok(false);
    }
    let carried = format!("FROM deliveries WHERE deliveries.message = {message} AND deliveries.finished_at IS NULL");
    let notice = notice!();
    let middle = format!(
        "SELECT {notice} AS middle {carried} GROUP BY {notice} ORDER BY {notice} \
         LIMIT 1 OFFSET (SELECT (COUNT(DISTINCT {notice}) - 1) / 2 {carried})"
    );
    let Some(Halves { middle }) = sql_query(middle).get_result(c).optional()? else { return Ok(false) };
    let (first, second) = (message.0 * 2, message.0 * 2 + 1);
    let portion = format!("CASE WHEN {notice} <= {middle} THEN {first} ELSE {second} END");
    put_back(c, message, &portion, now)?;
    tracing::warn!(message_id = %message, "a digest was refused; it goes out again in two parts");
    Ok(true)
}

/// Whether a message tells of several alerts.
pub(super) fn is_digest(c: &mut AnyConnection, message: MessageId) -> Result<bool> {
    Ok(messages::table.find(message).select(messages::folded).first::<i64>(c)? > 0)
}

/// Ends a digest that the group did not hear, and puts what it carries back into the queue, where it may be folded anew.
pub(super) fn unfold(c: &mut AnyConnection, message: MessageId, now: NaiveDateTime) -> Result<()> {
    put_back(c, message, "0", now)
}

fn put_back(c: &mut AnyConnection, message: MessageId, portion: &str, now: NaiveDateTime) -> Result<()> {
    let queued = format!(
        "UPDATE deliveries SET message = NULL, state = 'waiting', priority = {}, portion = {portion} \
         WHERE message = {message} AND finished_at IS NULL",
        urgency!()
    );
    sql_query(queued).execute(c)?;
    let ended = (messages::state.eq(DeliveryState::Failed.as_str()), messages::finished_at.eq(Some(now)));
    change(messages::table, messages::id.eq(message)).set(ended).execute(c)?;
    Ok(())
}
