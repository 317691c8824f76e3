//! The ledger: recounts from the rows that every receiver who was chosen is delivered, still waiting, or given up with a
//! reason.
//!
//! The rows cannot vouch for themselves: one that vanished, or was never written, leaves a sum that adds up all the same. So
//! each alert's time line says how many receivers were chosen, in the transaction that wrote their deliveries, and is held
//! against them here. Every statement counts in the database and brings home what is wrong alone; nothing is changed.

use std::{collections::BTreeMap, fmt};

use chrono::{NaiveDateTime, TimeDelta};
use diesel::{
    Connection as _, QueryableByName, RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types,
};

use crate::{
    db::{AlertId, AnyConnection, DeliveryId, MessageId, TenantId},
    delivery::model::DeliveryState,
    error::Result,
    robots::Meaning,
};

/// How many rows are named for each kind of discrepancy; the others are counted.
const MAX_EXAMPLES: i64 = 1_000;
/// How long a claim may be over before nobody can be about to take it back.
const LEASE_GRACE_PERIOD: TimeDelta = TimeDelta::minutes(10);

/// How many receivers there are, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeliveryTotals {
    /// All that were chosen, as far as it was written down apart from their rows.
    pub recipients: i64,
    /// Their group has the message.
    pub delivered: i64,
    /// It is still to come, or just being sent.
    pub waiting: i64,
    /// It will not be tried again.
    pub failed: i64,
}

impl DeliveryTotals {
    /// Whether everybody who was chosen is accounted for.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.recipients == self.delivered + self.waiting + self.failed
    }

    /// Counts so many rows in this state.
    fn add_rows(&mut self, state: &str, rows: i64) {
        self.recipients += rows;
        match DeliveryState::parse(state) {
            Some(DeliveryState::Success) => self.delivered += rows,
            Some(DeliveryState::Waiting | DeliveryState::Sending) => self.waiting += rows,
            Some(DeliveryState::Failed) => self.failed += rows,
            None => {}
        }
    }

    fn add(&mut self, other: &Self) {
        self.recipients += other.recipients;
        self.delivered += other.delivered;
        self.waiting += other.waiting;
        self.failed += other.failed;
    }
}

impl fmt::Display for DeliveryTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { recipients: chosen, delivered, waiting, failed: given_up } = self;
        let sign = if self.is_balanced() { "=" } else { "≠" };
        write!(f, "chosen {chosen} {sign} delivered {delivered} + waiting {waiting} + given up {given_up}")
    }
}

/// What can be wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Discrepancy {
    /// An alert chose another number of receivers than it has deliveries.
    RecipientCount,
    /// The state of a delivery is none that there is.
    UnknownState,
    /// It counts as delivered, but no robot took it.
    NotAccepted,
    /// It waits, but stands in no queue, and no message carries it.
    NotQueued,
    /// It waits for a robot that works, and nobody will look at it.
    NotScheduled,
    /// It counts as being sent, but no call is going on.
    NoCallInProgress,
    /// It failed without a reason.
    NoReason,
    /// It has ended without a time, or goes on with one.
    EndTimeMismatch,
    /// It has ended, and stands in a queue all the same.
    QueuedAfterEnd,
    /// A call ended long ago, and nobody took its message back.
    LeaseNotReclaimed,
    /// A message is to be sent that carries nothing.
    EmptyMessage,
}

impl Discrepancy {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::RecipientCount,
        Self::UnknownState,
        Self::NotAccepted,
        Self::NotQueued,
        Self::NotScheduled,
        Self::NoCallInProgress,
        Self::NoReason,
        Self::EndTimeMismatch,
        Self::QueuedAfterEnd,
        Self::LeaseNotReclaimed,
        Self::EmptyMessage,
    ];

    /// What is wrong, for the operator.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::RecipientCount => "The alert chose another number of receivers than it has deliveries",
            Self::UnknownState => "The delivery's state is none that there is",
            Self::NotAccepted => "The delivery counts as delivered, but no robot took it",
            Self::NotQueued => "The delivery waits, but stands in no queue, and no open message carries it",
            Self::NotScheduled => "The delivery waits for a robot that works, and nobody is going to look at it",
            Self::NoCallInProgress => "The delivery counts as being sent, but no call is going on",
            Self::NoReason => "The delivery failed without a reason",
            Self::EndTimeMismatch => "The delivery has ended without a time, or goes on with one",
            Self::QueuedAfterEnd => "The delivery has ended, but stands in a queue all the same",
            Self::LeaseNotReclaimed => {
                "The message's call ended long ago, and nobody took it back: does a process deliver?"
            }
            Self::EmptyMessage => "The message is to be sent, but carries nothing",
        }
    }

    /// The rows that it concerns: tenant, alert, delivery, message.
    fn query(self, c: &AnyConnection, now: NaiveDateTime) -> String {
        let deliveries = |condition: &str| {
            format!("SELECT d.tenant, d.alert, d.id AS delivery, d.message FROM deliveries d WHERE {condition}")
        };
        let messages = |condition: &str| {
            let nothing = "CAST(NULL AS BIGINT)";
            format!(
                "SELECT r.tenant, {nothing} AS alert, {nothing} AS delivery, m.id AS message \
                 FROM messages m JOIN robots r ON r.id = m.robot WHERE m.finished_at IS NULL AND {condition}"
            )
        };
        match self {
            Self::RecipientCount => format!(
                "SELECT DISTINCT a.tenant, a.id AS alert, CAST(NULL AS BIGINT) AS delivery, \
                 CAST(NULL AS BIGINT) AS message FROM {COUNTED_ENTRIES_SQL} WHERE e.recipient_count <> {RECIPIENT_COUNT_SQL}"
            ),
            Self::UnknownState => deliveries("d.state NOT IN ('waiting', 'sending', 'success', 'failed')"),
            Self::NotAccepted => deliveries(&format!(
                "d.state = 'success' AND NOT EXISTS (SELECT 1 FROM messages m JOIN attempts t ON t.message = m.id \
                 WHERE m.id = d.message AND m.state = 'success' AND t.meaning = '{}')",
                Meaning::Delivered.as_str()
            )),
            Self::NotQueued => deliveries(
                "d.finished_at IS NULL AND d.state = 'waiting' AND (d.robot IS NULL OR \
                 CASE WHEN d.priority IS NULL THEN 0 ELSE 1 END + (SELECT count(*) FROM messages m \
                 WHERE m.id = d.message AND m.state = 'waiting' AND m.finished_at IS NULL) <> 1)",
            ),
            Self::NotScheduled => deliveries(
                "d.finished_at IS NULL AND d.state = 'waiting' AND EXISTS (SELECT 1 FROM robots r \
                 LEFT JOIN endpoints p ON p.fingerprint = r.fingerprint \
                 WHERE r.id = d.robot AND r.state = 'ok' AND p.due_at IS NULL)",
            ),
            Self::NoCallInProgress => deliveries(
                "d.finished_at IS NULL AND d.state = 'sending' AND NOT EXISTS (SELECT 1 FROM messages m \
                 WHERE m.id = d.message AND m.state = 'sending' AND m.finished_at IS NULL)",
            ),
            Self::NoReason => deliveries("d.state = 'failed' AND d.reason = ''"),
            Self::EndTimeMismatch => deliveries("(d.state IN ('success', 'failed')) <> (d.finished_at IS NOT NULL)"),
            Self::QueuedAfterEnd => deliveries("d.priority IS NOT NULL AND d.finished_at IS NOT NULL"),
            Self::LeaseNotReclaimed => messages(&format!(
                "m.state = 'sending' AND (m.lease_until IS NULL OR m.lease_until < {})",
                timestamp_literal(c, now - LEASE_GRACE_PERIOD)
            )),
            Self::EmptyMessage => {
                messages("NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message = m.id AND d.finished_at IS NULL)")
            }
        }
    }
}

/// The entries of time lines whose receivers were counted.
const COUNTED_ENTRIES_SQL: &str =
    "(SELECT * FROM alert_entries WHERE recipient_count IS NOT NULL) e JOIN alerts a ON a.id = e.alert";
/// How many receivers an entry has by its rows: what was sent again has a row more, and says so in the one that failed.
/// What was put off will have rows, and counts as waiting until then.
const RECIPIENT_COUNT_SQL: &str = "((SELECT count(*) FROM deliveries d WHERE d.entry = e.id AND d.resent_as IS NULL) \
                         + (SELECT coalesce(sum(p.size), 0) FROM fan_outs f JOIN fan_out_parts p \
                         ON p.plan = f.plan AND p.part >= f.part WHERE f.entry = e.id))";
/// How many receivers were put off, by tenant, as rows that wait.
const FAN_OUT_COUNTS_SQL: &str = "SELECT f.tenant, 'waiting' AS state, CAST(sum(p.size) AS BIGINT) AS count FROM fan_outs f \
                       JOIN fan_out_parts p ON p.plan = f.plan AND p.part >= f.part GROUP BY f.tenant";

/// A time as diesel writes it; on SQLite times are compared as texts.
fn timestamp_literal(c: &AnyConnection, time: NaiveDateTime) -> String {
    let type_prefix = match c {
        AnyConnection::Sqlite(_) => "",
        AnyConnection::Postgres(_) => "TIMESTAMP ",
    };
    format!("{type_prefix}'{}'", time.format("%F %T%.f"))
}

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, QueryableByName)]
pub struct Finding {
    /// Whose it is.
    #[diesel(sql_type = sql_types::BigInt)]
    pub tenant: TenantId,
    /// The alert that it is about, when it is about one.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub alert: Option<AlertId>,
    /// The row of the record.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub delivery: Option<DeliveryId>,
    /// What goes over the wire.
    #[diesel(sql_type = sql_types::Nullable<sql_types::BigInt>)]
    pub message: Option<MessageId>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = [
            ("alert", self.alert.map(|id| id.0)),
            ("delivery", self.delivery.map(|id| id.0)),
            ("message", self.message.map(|id| id.0)),
        ];
        write!(f, "tenant {}", self.tenant)?;
        ids.iter().filter_map(|(name, id)| Some((name, (*id)?))).try_for_each(|(name, id)| write!(f, ", {name} {id}"))
    }
}

/// All that is wrong in one way.
#[derive(Clone, Debug)]
pub struct DiscrepancyReport {
    /// In which way.
    pub kind: Discrepancy,
    /// How many rows.
    pub count: i64,
    /// The first of them.
    pub examples: Vec<Finding>,
}

/// The whole ledger, as it stood at one moment.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The sums of each tenant, with its slug.
    pub tenants: BTreeMap<TenantId, (String, DeliveryTotals)>,
    /// What does not add up.
    pub discrepancies: Vec<DiscrepancyReport>,
}

impl Ledger {
    /// Whether everything adds up.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        self.discrepancies.is_empty() && self.tenants.values().all(|(_, sums)| sums.is_balanced())
    }

    /// The sums over all tenants.
    #[must_use]
    pub fn total(&self) -> DeliveryTotals {
        let mut total = DeliveryTotals::default();
        self.tenants.values().for_each(|(_, sums)| total.add(sums));
        total
    }
}

impl fmt::Display for Ledger {
    /// A line for the whole, one a tenant, and one for each thing that is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "all tenants: {}", self.total())?;
        for (tenant, (slug, sums)) in &self.tenants {
            writeln!(f, "tenant {tenant} ({slug}): {sums}")?;
        }
        for DiscrepancyReport { kind: what, count, examples: named } in &self.discrepancies {
            for finding in named {
                writeln!(f, "{}: {finding}.", what.description())?;
            }
            let others = count - i64::try_from(named.len()).unwrap_or(*count);
            if others > 0 {
                writeln!(f, "{}: {others} more.", what.description())?;
            }
        }
        Ok(())
    }
}

#[derive(QueryableByName)]
struct TenantStateCountRow {
    #[diesel(sql_type = sql_types::BigInt)]
    tenant: TenantId,
    #[diesel(sql_type = sql_types::Text)]
    slug: String,
    #[diesel(sql_type = sql_types::Text)]
    state: String,
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

#[derive(QueryableByName)]
struct MissingRow {
    #[diesel(sql_type = sql_types::BigInt)]
    tenant: TenantId,
    #[diesel(sql_type = sql_types::Text)]
    slug: String,
    #[diesel(sql_type = sql_types::BigInt)]
    missing: i64,
}

#[derive(QueryableByName)]
struct CountRow {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

/// Recounts everything, as of one moment, beside whoever is writing.
///
/// # Errors
/// When the database cannot be read.
pub fn load_ledger(c: &mut AnyConnection, now: NaiveDateTime) -> Result<Ledger> {
    c.transaction(|c| {
        if let AnyConnection::Postgres(postgres) = c {
            // One picture for all statements, as SQLite gives it anyway.
            postgres.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        }
        let mut discrepancies = Vec::new();
        for kind in Discrepancy::ALL {
            discrepancies.extend(find_discrepancy(c, kind, now)?);
        }
        Ok(Ledger { tenants: load_tenant_totals(c)?, discrepancies })
    })
}

#[derive(QueryableByName)]
struct StateCountRow {
    #[diesel(sql_type = sql_types::Text)]
    state: String,
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

/// The sums over all tenants by the rows alone: reads one index from end to end, and finds nothing that is missing.
///
/// # Errors
/// When the database cannot be read.
pub fn load_totals(c: &mut AnyConnection) -> Result<DeliveryTotals> {
    // By tenant too: that is the order of the index, so that nothing has to be sorted.
    let query = sql_query(format!(
        "SELECT state, count(*) AS count FROM deliveries GROUP BY tenant, state \
         UNION ALL SELECT state, count FROM ({FAN_OUT_COUNTS_SQL}) put_off"
    ));
    let rows: Vec<StateCountRow> = query.load(c)?;
    let mut totals = DeliveryTotals::default();
    rows.iter().for_each(|row| totals.add_rows(&row.state, row.count));
    Ok(totals)
}

fn find_discrepancy(c: &mut AnyConnection, kind: Discrepancy, now: NaiveDateTime) -> Result<Option<DiscrepancyReport>> {
    let query = kind.query(c, now);
    let examples: Vec<Finding> =
        sql_query(format!("{query} ORDER BY tenant, alert, delivery, message LIMIT {MAX_EXAMPLES}")).load(c)?;
    let count = match i64::try_from(examples.len()) {
        Ok(count) if count < MAX_EXAMPLES => count,
        _ => sql_query(format!("SELECT count(*) AS count FROM ({query}) found")).get_result::<CountRow>(c)?.count,
    };
    Ok((count > 0).then_some(DiscrepancyReport { kind, count, examples }))
}

fn load_tenant_totals(c: &mut AnyConnection) -> Result<BTreeMap<TenantId, (String, DeliveryTotals)>> {
    let rows: Vec<TenantStateCountRow> = sql_query(format!(
        "SELECT t.id AS tenant, t.slug, n.state, n.count FROM tenants t \
         JOIN (SELECT tenant, state, count(*) AS count FROM deliveries GROUP BY tenant, state \
         UNION ALL {FAN_OUT_COUNTS_SQL}) n ON n.tenant = t.id"
    ))
    .load(c)?;
    let mut tenants: BTreeMap<TenantId, (String, DeliveryTotals)> = BTreeMap::new();
    for TenantStateCountRow { tenant, slug, state, count } in rows {
        let (_, sums) = tenants.entry(tenant).or_insert_with(|| (slug, DeliveryTotals::default()));
        sums.add_rows(&state, count);
    }
    let missing: Vec<MissingRow> = sql_query(format!(
        "SELECT t.id AS tenant, t.slug, CAST(sum(e.recipient_count - {RECIPIENT_COUNT_SQL}) AS BIGINT) AS missing \
         FROM {COUNTED_ENTRIES_SQL} JOIN tenants t ON t.id = a.tenant WHERE e.recipient_count <> {RECIPIENT_COUNT_SQL} GROUP BY t.id, t.slug"
    ))
    .load(c)?;
    for MissingRow { tenant, slug, missing } in missing {
        let (_, sums) = tenants.entry(tenant).or_insert_with(|| (slug, DeliveryTotals::default()));
        sums.recipients += missing;
    }
    Ok(tenants)
}
