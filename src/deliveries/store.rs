//! Reading the delivery worker's rows. Every query takes the tenant first, and whose rows may be seen.

use std::borrow::Cow;

use chrono::NaiveDateTime;
use diesel::{
    dsl::sql,
    prelude::*,
    sql_types::{BigInt, Bool, Text, Timestamp},
};

use crate::{
    db::{
        AlertId, AnyConnection, Cursor, DeliveryId, Keyset, LimitConst as _, MemberId, MessageId, TenantId,
        ascii_lower_sql, position_function_sql,
        schema::{accounts, attempts, deliveries, messages, robots},
    },
    delivery::{DeliveryKind, DeliveryReason, DeliveryState, RobotState},
    error::{Error, Result},
    language::Language,
    robots::Channel,
};

/// The most deliveries that are sent again by one press of a button: as long as that takes, nothing else is stored.
pub const MAX_RESENT_AT_ONCE: usize = 5_000;

/// The two databases behind one connection.
type Backend = <AnyConnection as Connection>::Backend;

/// Whose rows somebody may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryScope {
    /// All of the tenant's.
    Tenant,
    /// Those that are for this member.
    Member(MemberId),
}

/// Which rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Only those in this state.
    pub state: Option<DeliveryState>,
    /// Only those over this channel.
    pub channel: Option<Channel>,
    /// Only those with this reason.
    pub reason: Option<DeliveryReason>,
    /// Only those with this in their object or recipient, ASCII letters in any case; empty for all.
    pub text: String,
    /// Only those with this in their recipient, in the same way.
    pub recipient: String,
    /// Only those made then or later.
    pub since: Option<NaiveDateTime>,
    /// Only those made before.
    pub until: Option<NaiveDateTime>,
    /// Only those that this message carries.
    pub message: Option<MessageId>,
}

/// A delivery as the record lists it.
#[derive(Clone, Debug)]
pub struct DeliveryRow {
    /// Its id.
    pub id: DeliveryId,
    /// What it is about: the title of its alert, or its own.
    pub object: String,
    /// The alert event that it tells of.
    pub alert: Option<AlertId>,
    /// The channel it goes over; none for a receiver who could not be reached at all.
    pub channel: Option<Channel>,
    /// Who it is for, by the name as it was.
    pub recipient: String,
    /// How many members it is about, when it is about several that were added together: then `recipient` is that number in words.
    pub member_count: Option<i64>,
    /// When it was put into the outbox.
    pub created_at: NaiveDateTime,
    /// When it ended.
    pub finished_at: Option<NaiveDateTime>,
    /// How far it is.
    pub state: DeliveryState,
    /// Why: a word for [`reason_key`](crate::delivery::reason_key).
    pub reason: String,
    /// The names of the alert rules that chose the recipient; empty when there were none.
    pub rule_names: String,
    /// The delivery by which it was sent again.
    pub resent_as: Option<DeliveryId>,
    /// Whether it can be sent again: it failed, was not sent again yet, and is no test.
    pub may_be_resent: bool,
}

#[derive(Queryable)]
struct StoredDeliveryRow {
    id: DeliveryId,
    kind: String,
    object: String,
    alert: Option<AlertId>,
    channel: String,
    recipient: String,
    created_at: NaiveDateTime,
    finished_at: Option<NaiveDateTime>,
    state: String,
    reason: String,
    rule_names: String,
    resent_as: Option<DeliveryId>,
}

/// The columns of [`StoredDeliveryRow`].
macro_rules! delivery_columns {
    () => {
        (
            deliveries::id,
            deliveries::kind,
            sql::<Text>(OBJECT_SQL),
            deliveries::alert,
            deliveries::channel,
            deliveries::recipient,
            deliveries::created_at,
            deliveries::finished_at,
            deliveries::state,
            deliveries::reason,
            deliveries::rule_names,
            deliveries::resent_as,
        )
    };
}

/// What a delivery is about.
const OBJECT_SQL: &str =
    "coalesce((SELECT alerts.title FROM alerts WHERE alerts.id = deliveries.alert), deliveries.title)";

impl TryFrom<StoredDeliveryRow> for DeliveryRow {
    type Error = Error;

    fn try_from(row: StoredDeliveryRow) -> Result<Self> {
        let channel = match row.channel.as_str() {
            "" => None,
            word => Some(Channel::parse(word).ok_or_else(|| Error::internal("a delivery has an unknown channel"))?),
        };
        let state = DeliveryState::parse(&row.state);
        let state = state.ok_or_else(|| Error::internal("a delivery has an unknown state"))?;
        let of_kind = DeliveryKind::parse(&row.kind).is_some_and(DeliveryKind::can_be_resent);
        Ok(Self {
            may_be_resent: state == DeliveryState::Failed && of_kind && row.resent_as.is_none(),
            id: row.id,
            object: row.object,
            alert: row.alert,
            channel,
            member_count: (row.kind == DeliveryKind::MemberSaved.as_str()).then(|| counted(&row.recipient)).flatten(),
            recipient: row.recipient,
            created_at: row.created_at,
            finished_at: row.finished_at,
            state,
            reason: row.reason,
            rule_names: row.rule_names,
            resent_as: row.resent_as,
        })
    }
}

/// The number in a recipient that is the number of members in words of whichever language.
fn counted(recipient: &str) -> Option<i64> {
    let count = recipient.split(' ').next()?.parse().ok()?;
    Language::ALL.into_iter().any(|language| language.text_count(ADDED, count) == recipient).then_some(count)
}

/// The key of the text that counts members.
const ADDED: &str = "members-added-count";

impl DeliveryRow {
    /// Who it is for, in the words of whoever reads it.
    #[must_use]
    pub fn recipient_in(&self, language: &Language) -> Cow<'_, str> {
        self.member_count.map_or(Cow::Borrowed(&self.recipient), |count| language.text_count(ADDED, count))
    }
}

/// The rows that may be seen and fit.
fn filter_query<'q>(
    c: &AnyConnection,
    tenant: TenantId,
    scope: DeliveryScope,
    filter: &DeliveryFilter,
) -> deliveries::BoxedQuery<'q, Backend> {
    let mut query = deliveries::table.into_boxed();
    query = match scope {
        DeliveryScope::Tenant => query.filter(deliveries::tenant.eq(tenant)),
        // As a sum, the tenant leads to no index: a member's own rows are few, and always found by him.
        DeliveryScope::Member(member) => query
            .filter(deliveries::member.eq(Some(member)))
            .filter(sql::<BigInt>("deliveries.tenant + 0").eq(tenant.0)),
    };
    if let Some(state) = filter.state {
        query = query.filter(deliveries::state.eq(state.as_str()));
    }
    if let Some(channel) = filter.channel {
        query = query.filter(deliveries::channel.eq(channel.as_str()));
    }
    if let Some(reason) = filter.reason {
        // Written out, so that the index of the rows that have a reason is seen to fit.
        query = query.filter(deliveries::reason.eq(reason.as_str())).filter(sql::<Bool>("deliveries.reason <> ''"));
    }
    if let Some(message) = filter.message {
        query = query.filter(deliveries::message.eq(Some(message)));
    }
    if let Some(since) = filter.since {
        query = query.filter(deliveries::created_at.ge(since));
    }
    if let Some(until) = filter.until {
        query = query.filter(deliveries::created_at.lt(until));
    }
    let position = position_function_sql(c);
    let in_recipient = format!("{position}({}, ", ascii_lower_sql(c, "deliveries.recipient"));
    let recipient_holds =
        |text: &str| sql::<Bool>(&in_recipient).bind::<Text, _>(text.to_ascii_lowercase()).sql(") > 0");
    if !filter.text.is_empty() {
        let text = filter.text.to_ascii_lowercase();
        let [own, alerts] = ["deliveries.title", "alerts.title"].map(|column| ascii_lower_sql(c, column));
        // The alerts that fit are looked up once, not for each row.
        let object_holds = sql::<Bool>(&format!("(deliveries.alert IS NULL AND {position}({own}, "))
            .bind::<Text, _>(text.clone())
            .sql(") > 0 OR deliveries.alert IN (SELECT alerts.id FROM alerts WHERE alerts.tenant = ")
            .bind::<BigInt, _>(tenant.0)
            .sql(&format!(" AND {position}({alerts}, "))
            .bind::<Text, _>(text)
            .sql(") > 0))");
        query = query.filter(object_holds.or(recipient_holds(&filter.text)));
    }
    if !filter.recipient.is_empty() {
        query = query.filter(recipient_holds(&filter.recipient));
    }
    query
}

/// Where a row stands in the record.
type RowPosition = (NaiveDateTime, DeliveryId);

/// Where the row of this id stands, if the tenant has it.
fn find_position(c: &mut AnyConnection, tenant: TenantId, id: i64) -> Result<Option<RowPosition>> {
    let row = deliveries::table.filter(deliveries::tenant.eq(tenant)).filter(deliveries::id.eq(id));
    Ok(row.select((deliveries::created_at, deliveries::id)).first_cached(c).optional()?)
}

/// The rows that stand on this side of a place: `<` for the older ones, `>` for the newer.
fn beyond_position<'q>(
    query: deliveries::BoxedQuery<'q, Backend>,
    side: &str,
    (created_at, id): RowPosition,
) -> deliveries::BoxedQuery<'q, Backend> {
    // Compared as one value, in the order of the indexes, a page is found by a step into the index.
    let is_beyond = sql::<Bool>(&format!("(deliveries.created_at, deliveries.id) {side} ("))
        .bind::<Timestamp, _>(created_at)
        .sql(", ")
        .bind::<BigInt, _>(id.0)
        .sql(")");
    query.filter(is_beyond)
}

/// One page of the record, newest first.
///
/// The page is found by the row next to it, so a record of any length costs the same and is never counted.
///
/// # Errors
/// When the database cannot be read.
pub fn list(
    c: &mut AnyConnection,
    tenant: TenantId,
    scope: DeliveryScope,
    filter: &DeliveryFilter,
    seek: Cursor,
) -> Result<(Vec<DeliveryRow>, Keyset)> {
    let mut query = filter_query(c, tenant, scope, filter);
    if let Some(position) = seek.before.or(seek.after).map(|id| find_position(c, tenant, id)).transpose()?.flatten() {
        query = beyond_position(query, if seek.is_ascending() { ">" } else { "<" }, position);
    }
    query = match seek.is_ascending() {
        true => query.order((deliveries::created_at.asc(), deliveries::id.asc())),
        false => query.order((deliveries::created_at.desc(), deliveries::id.desc())),
    };
    let rows: Vec<StoredDeliveryRow> = query.limit(Cursor::QUERY_LIMIT).select(delivery_columns!()).load(c)?;
    let (rows, keyset) = seek.page(rows, |row| row.id.0);
    Ok((rows.into_iter().map(DeliveryRow::try_from).collect::<Result<_>>()?, keyset))
}

/// So many rows that come after this one in the record, or its first.
///
/// # Errors
/// When the database cannot be read.
pub fn load_batch(
    c: &mut AnyConnection,
    tenant: TenantId,
    scope: DeliveryScope,
    filter: &DeliveryFilter,
    after: Option<RowPosition>,
    size: i64,
) -> Result<Vec<DeliveryRow>> {
    let mut query = filter_query(c, tenant, scope, filter);
    if let Some(position) = after {
        query = beyond_position(query, "<", position);
    }
    let query = query.order((deliveries::created_at.desc(), deliveries::id.desc()));
    let rows: Vec<StoredDeliveryRow> = query.limit(size).select(delivery_columns!()).load(c)?;
    rows.into_iter().map(DeliveryRow::try_from).collect()
}

/// Those of the tenant's rows that fit and can be sent again, oldest first, and one more than are sent at once to know
/// whether there are more. None that is newer than the row `newest`, if that is given.
///
/// # Errors
/// When the database cannot be read.
pub fn find_resendable(
    c: &mut AnyConnection,
    tenant: TenantId,
    filter: &DeliveryFilter,
    newest: Option<i64>,
) -> Result<Vec<DeliveryId>> {
    let failed = DeliveryState::Failed;
    if filter.state.is_some_and(|state| state != failed) {
        return Ok(Vec::new());
    }
    let filter = DeliveryFilter { state: Some(failed), ..filter.clone() };
    let mut query = filter_query(c, tenant, DeliveryScope::Tenant, &filter)
        .filter(deliveries::kind.eq_any(DeliveryKind::resendable_names()))
        .filter(deliveries::resent_as.is_null());
    if let Some(newest) = newest {
        query = query.filter(deliveries::id.le(newest));
    }
    let limit = i64::try_from(MAX_RESENT_AT_ONCE).unwrap_or(i64::MAX).saturating_add(1);
    let query = query.order((deliveries::created_at.asc(), deliveries::id.asc()));
    Ok(query.limit(limit).select(deliveries::id).load(c)?)
}

/// A delivery with all that is known of it.
#[derive(Clone, Debug)]
pub struct DeliveryDetails {
    /// What the list shows of it.
    pub row: DeliveryRow,
    /// The member it is for.
    pub member: Option<MemberId>,
    /// The text that was or will be sent, as Markdown.
    pub body: String,
    /// Who caused it, by username.
    pub requested_by: Option<String>,
    /// Its robot: host and last four characters of the webhook.
    pub robot: Option<(String, String)>,
    /// Whether it waits until its robot's configuration is mended.
    pub is_held: bool,
    /// When its message is to be tried again, if that is known.
    pub next_attempt_at: Option<NaiveDateTime>,
    /// The digest that it went out in, and of how many alerts that tells.
    pub digest: Option<(MessageId, i64)>,
    /// Every call of the robot, first to last.
    pub attempts: Vec<Attempt>,
}

/// One call of a robot.
#[derive(Clone, Debug, Queryable)]
pub struct Attempt {
    /// Which one, from 1.
    pub number: i64,
    /// When it began.
    pub started_at: NaiveDateTime,
    /// When it ended; nothing while it is going on.
    pub finished_at: Option<NaiveDateTime>,
    /// The HTTP status, when there was an answer.
    pub http_status: Option<i64>,
    /// The vendor's own code; empty when there was none.
    pub code: String,
    /// What it meant: a word for [`reason_key`](crate::delivery::reason_key).
    pub meaning: String,
    /// The robot's own words, secrets masked.
    pub answer: String,
}

/// A delivery of this tenant that may be seen.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is not for this member.
pub fn find(
    c: &mut AnyConnection,
    tenant: TenantId,
    scope: DeliveryScope,
    delivery: DeliveryId,
) -> Result<DeliveryDetails> {
    type Rest = (Option<MemberId>, String, Option<String>, Option<(String, String, String)>);
    let (listed, rest, message): (StoredDeliveryRow, Rest, Option<(MessageId, NaiveDateTime, i64)>) = deliveries::table
        .left_join(accounts::table.on(deliveries::requested_by.eq(accounts::id.nullable())))
        .left_join(robots::table.on(deliveries::robot.eq(robots::id.nullable())))
        .left_join(messages::table)
        .filter(deliveries::tenant.eq(tenant))
        .filter(deliveries::id.eq(delivery))
        .select((
            delivery_columns!(),
            (
                deliveries::member,
                deliveries::body,
                accounts::username.nullable(),
                (robots::host, robots::last_four, robots::state).nullable(),
            ),
            (messages::id, messages::due_at, messages::alert_count).nullable(),
        ))
        .first_cached(c)?;
    let (member, body, requested_by, robot) = rest;
    if matches!(scope, DeliveryScope::Member(own) if member != Some(own)) {
        return Err(Error::NotFound);
    }
    let listed = DeliveryRow::try_from(listed)?;
    let is_waiting = listed.state == DeliveryState::Waiting;
    let is_broken = robot.as_ref().is_some_and(|(_, _, state)| state == RobotState::Broken.as_str());
    let robot = robot.map(|(host, last_four, _)| (host, last_four));
    let is_held = is_waiting && is_broken;
    let next_attempt_at = message.map(|(_, due_at, _)| due_at).filter(|_| is_waiting && !is_held);
    let digest = message.map(|(message, _, alerts)| (message, alerts)).filter(|(_, alerts)| *alerts > 0);
    let attempts = match message {
        Some((message, ..)) => load_attempts(c, message)?,
        None => Vec::new(),
    };
    Ok(DeliveryDetails { row: listed, member, body, requested_by, robot, is_held, next_attempt_at, digest, attempts })
}

fn load_attempts(c: &mut AnyConnection, message: MessageId) -> Result<Vec<Attempt>> {
    Ok(attempts::table
        .filter(attempts::message.eq(message))
        .order(attempts::number)
        .select((
            attempts::number,
            attempts::started_at,
            attempts::finished_at,
            attempts::http_status,
            attempts::code,
            attempts::meaning,
            attempts::answer,
        ))
        .load(c)?)
}

#[cfg(test)]
mod tests {
    use diesel::insert_into;

    use super::*;
    use crate::{clock::Clock, db::RobotId, db::fixture::database};

    const TENANT: TenantId = TenantId(1);

    /// Two tenants, each with one robot; foreign keys hold in tests too.
    fn seed_tenants(c: &mut AnyConnection) {
        let now = Clock::default().now();
        let ann = crate::accounts::Username::parse("ann").unwrap();
        let account = crate::accounts::store::insert_account(c, &ann, "no hash", false, now).unwrap();
        let who = crate::access::Actor { account: None, name: "root".into(), address: String::new() };
        for slug in ["one", "two"] {
            let tenant = crate::tenants::store::NewTenant {
                name: slug,
                slug,
                description: "",
                metadata_warehouse: false,
                locale: crate::tenants::Locale::proposed(Language::English, None),
            };
            let tenant = crate::tenants::store::insert(c, &tenant, account, &ann, &who, now).unwrap();
            insert_into(robots::table)
                .values((
                    robots::tenant.eq(tenant),
                    robots::channel.eq("dingtalk"),
                    robots::fingerprint.eq(slug.as_bytes()),
                    robots::sealed_url.eq(b"sealed".as_slice()),
                    robots::host.eq("oapi.dingtalk.com"),
                    robots::last_four.eq("beef"),
                    robots::state.eq("ok"),
                    robots::reason.eq(""),
                    robots::created_at.eq(now),
                ))
                .execute(c)
                .unwrap();
        }
    }

    /// Adds a delivery of a tenant for a member.
    fn add(c: &mut AnyConnection, tenant: i64, member: i64, title: &str, channel: &str, state: &str) -> DeliveryId {
        insert_into(deliveries::table)
            .values((
                deliveries::tenant.eq(TenantId(tenant)),
                deliveries::kind.eq("test"),
                deliveries::title.eq(title),
                deliveries::body.eq("body"),
                deliveries::channel.eq(channel),
                deliveries::robot.eq(Some(RobotId(tenant))),
                deliveries::member.eq(Some(MemberId(member))),
                deliveries::recipient.eq(format!("Member {member}")),
                deliveries::state.eq(state),
                deliveries::reason.eq(""),
                deliveries::created_at.eq(Clock::default().now()),
            ))
            .returning(deliveries::id)
            .get_result(c)
            .unwrap()
    }

    fn titles(c: &mut AnyConnection, scope: DeliveryScope, filter: &DeliveryFilter) -> Vec<String> {
        list(c, TENANT, scope, filter, Cursor::default()).unwrap().0.into_iter().map(|row| row.object).collect()
    }

    #[test]
    fn several_members_are_counted_in_the_words_of_whoever_reads() {
        for stored in ["2 members", "2 位成员"] {
            assert_eq!(counted(stored), Some(2), "{stored}");
        }
        for name in ["", "mia", "2", "2 friends", "members 2"] {
            assert_eq!(counted(name), None, "{name}");
        }
    }

    #[test]
    fn the_list_is_newest_first_and_a_member_sees_only_own_rows() {
        let (_folder, mut c) = database();
        seed_tenants(&mut c);
        add(&mut c, 1, 7, "first", "dingtalk", "success");
        add(&mut c, 2, 7, "foreign", "dingtalk", "success");
        add(&mut c, 1, 8, "second", "lark", "failed");
        assert_eq!(titles(&mut c, DeliveryScope::Tenant, &DeliveryFilter::default()), ["second", "first"]);
        assert_eq!(titles(&mut c, DeliveryScope::Member(MemberId(7)), &DeliveryFilter::default()), ["first"]);
    }

    #[test]
    fn the_list_filters_by_state_channel_title_and_recipient() {
        let (_folder, mut c) = database();
        seed_tenants(&mut c);
        add(&mut c, 1, 7, "Disk 磁盘 full", "dingtalk", "success");
        add(&mut c, 1, 8, "100% down", "lark", "failed");
        let everyone = DeliveryScope::Tenant;
        let failed = DeliveryFilter { state: Some(DeliveryState::Failed), ..DeliveryFilter::default() };
        assert_eq!(titles(&mut c, everyone, &failed), ["100% down"]);
        let dingtalk = DeliveryFilter { channel: Some(Channel::DingTalk), ..DeliveryFilter::default() };
        assert_eq!(titles(&mut c, everyone, &dingtalk), ["Disk 磁盘 full"]);
        for (text, found) in
            [("磁盘", "Disk 磁盘 full"), ("DISK", "Disk 磁盘 full"), ("ember 8", "100% down"), ("%", "100% down")]
        {
            let filter = DeliveryFilter { text: text.into(), ..DeliveryFilter::default() };
            assert_eq!(titles(&mut c, everyone, &filter), [found], "{text}");
        }
    }

    #[test]
    fn non_ascii_search_is_case_sensitive() {
        let (_folder, mut c) = database();
        seed_tenants(&mut c);
        add(&mut c, 1, 7, "Ärger im ÖL-Lager", "dingtalk", "success");
        for text in ["Ärger", "ÄRGER IM", "Öl-lager"] {
            let filter = DeliveryFilter { text: text.into(), ..DeliveryFilter::default() };
            assert_eq!(titles(&mut c, DeliveryScope::Tenant, &filter).len(), 1, "{text}");
        }
    }

    #[test]
    fn deliveries_of_other_tenants_and_members_are_not_found() {
        let (_folder, mut c) = database();
        seed_tenants(&mut c);
        let foreign = add(&mut c, 2, 7, "foreign", "dingtalk", "success");
        let own = add(&mut c, 1, 7, "own", "dingtalk", "waiting");
        assert!(matches!(find(&mut c, TENANT, DeliveryScope::Tenant, foreign), Err(Error::NotFound)));
        assert!(matches!(find(&mut c, TENANT, DeliveryScope::Member(MemberId(8)), own), Err(Error::NotFound)));
        assert!(matches!(find(&mut c, TENANT, DeliveryScope::Tenant, DeliveryId(999)), Err(Error::NotFound)));
        let found = find(&mut c, TENANT, DeliveryScope::Member(MemberId(7)), own).unwrap();
        assert_eq!(found.robot, Some(("oapi.dingtalk.com".to_owned(), "beef".to_owned())));
        assert!(found.attempts.is_empty() && found.next_attempt_at.is_none());
    }

    #[test]
    fn a_delivery_lists_the_attempts_of_its_message_in_order() {
        let (_folder, mut c) = database();
        seed_tenants(&mut c);
        let delivery = add(&mut c, 1, 7, "own", "dingtalk", "waiting");
        let now = Clock::default().now();
        let message: MessageId = insert_into(messages::table)
            .values((
                messages::robot.eq(RobotId(1)),
                messages::fingerprint.eq(b"one".as_slice()),
                messages::channel.eq("dingtalk"),
                messages::title.eq("own"),
                messages::body.eq("body"),
                messages::msg_uuid.eq("uuid"),
                messages::priority.eq(0),
                messages::state.eq("waiting"),
                messages::due_at.eq(now),
                messages::fence.eq(2),
                messages::tries.eq(2),
                messages::created_at.eq(now),
            ))
            .returning(messages::id)
            .get_result(&mut c)
            .unwrap();
        diesel::update(deliveries::table.find(delivery)).set(deliveries::message.eq(message)).execute(&mut c).unwrap();
        for (number, code) in [(2, "310000"), (1, "-1")] {
            insert_into(attempts::table)
                .values((
                    attempts::message.eq(message),
                    attempts::fingerprint.eq(b"one".as_slice()),
                    attempts::number.eq(number),
                    attempts::started_at.eq(now),
                    attempts::finished_at.eq(Some(now)),
                    attempts::http_status.eq(Some(200)),
                    attempts::code.eq(code),
                    attempts::meaning.eq("broken-keyword"),
                    attempts::answer.eq("keywords not in content"),
                ))
                .execute(&mut c)
                .unwrap();
        }
        let found = find(&mut c, TENANT, DeliveryScope::Tenant, delivery).unwrap();
        let codes: Vec<&str> = found.attempts.iter().map(|attempt| attempt.code.as_str()).collect();
        assert_eq!((codes, found.next_attempt_at, found.is_held), (vec!["-1", "310000"], Some(now), false));
        diesel::update(robots::table).set(robots::state.eq("broken")).execute(&mut c).unwrap();
        let found = find(&mut c, TENANT, DeliveryScope::Tenant, delivery).unwrap();
        assert_eq!((found.next_attempt_at, found.is_held), (None, true), "it waits for the robot and for no time");
    }
}
