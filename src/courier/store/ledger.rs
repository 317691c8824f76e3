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
    courier::model::DeliveryState,
    db::{AlertId, AnyConnection, DeliveryId, MessageId, TenantId},
    error::Result,
    robots::Meaning,
};

/// How many rows are named for each kind of discrepancy; the others are counted.
const NAMED: i64 = 1_000;
/// How long a claim may be over before nobody can be about to take it back.
const LONG_OVER: TimeDelta = TimeDelta::minutes(10);

/// How many receivers there are, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// All that were chosen, as far as it was written down apart from their rows.
    pub chosen: i64,
    /// Their group has the message.
    pub delivered: i64,
    /// It is still to come, or just being sent.
    pub waiting: i64,
    /// It will not be tried again.
    pub given_up: i64,
}

impl Sums {
    /// Whether everybody who was chosen is accounted for.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.chosen == self.delivered + self.waiting + self.given_up
    }

    /// Counts so many rows in this state.
    fn count(&mut self, state: &str, rows: i64) {
        self.chosen += rows;
        match DeliveryState::parse(state) {
            Some(DeliveryState::Success) => self.delivered += rows,
            Some(DeliveryState::Waiting | DeliveryState::Sending) => self.waiting += rows,
            Some(DeliveryState::Failed) => self.given_up += rows,
            None => {}
        }
    }

    fn add(&mut self, other: &Self) {
        self.chosen += other.chosen;
        self.delivered += other.delivered;
        self.waiting += other.waiting;
        self.given_up += other.given_up;
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chosen, delivered, waiting, given_up } = self;
        let sign = if self.balances() { "=" } else { "≠" };
        write!(f, "chosen {chosen} {sign} delivered {delivered} + waiting {waiting} + given up {given_up}")
    }
}

/// What can be wrong with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Discrepancy {
    /// An alert chose another number of receivers than it has deliveries.
    Receivers,
    /// The state of a delivery is none that there is.
    UnknownState,
    /// It counts as delivered, but no robot took it.
    NotTaken,
    /// It waits, but stands in no queue, and no message carries it.
    Stranded,
    /// It waits for a robot that works, and nobody will look at it.
    Forgotten,
    /// It counts as being sent, but no call is going on.
    NotSending,
    /// It failed without a reason.
    NoReason,
    /// It has ended without a time, or goes on with one.
    WrongEnd,
    /// It has ended, and stands in a queue all the same.
    QueuedAgain,
    /// A call ended long ago, and nobody took its message back.
    LostCall,
    /// A message is to be sent that carries nothing.
    EmptyMessage,
}

impl Discrepancy {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::Receivers,
        Self::UnknownState,
        Self::NotTaken,
        Self::Stranded,
        Self::Forgotten,
        Self::NotSending,
        Self::NoReason,
        Self::WrongEnd,
        Self::QueuedAgain,
        Self::LostCall,
        Self::EmptyMessage,
    ];

    /// What is wrong, for the operator.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Receivers => "The alert chose another number of receivers than it has deliveries",
            Self::UnknownState => "The delivery's state is none that there is",
            Self::NotTaken => "The delivery counts as delivered, but no robot took it",
            Self::Stranded => "The delivery waits, but stands in no queue, and no open message carries it",
            Self::Forgotten => "The delivery waits for a robot that works, and nobody is going to look at it",
            Self::NotSending => "The delivery counts as being sent, but no call is going on",
            Self::NoReason => "The delivery failed without a reason",
            Self::WrongEnd => "The delivery has ended without a time, or goes on with one",
            Self::QueuedAgain => "The delivery has ended, but stands in a queue all the same",
            Self::LostCall => "The message's call ended long ago, and nobody took it back: does a process deliver?",
            Self::EmptyMessage => "The message is to be sent, but carries nothing",
        }
    }

    /// The rows that it concerns: tenant, alert, delivery, message.
    fn query(self, c: &AnyConnection, now: NaiveDateTime) -> String {
        let deliveries = |wrong: &str| {
            format!("SELECT d.tenant, d.alert, d.id AS delivery, d.message FROM deliveries d WHERE {wrong}")
        };
        let messages = |wrong: &str| {
            let nothing = "CAST(NULL AS BIGINT)";
            format!(
                "SELECT r.tenant, {nothing} AS alert, {nothing} AS delivery, m.id AS message \
                 FROM messages m JOIN robots r ON r.id = m.robot WHERE m.finished_at IS NULL AND {wrong}"
            )
        };
        match self {
            Self::Receivers => format!(
                "SELECT DISTINCT a.tenant, a.id AS alert, CAST(NULL AS BIGINT) AS delivery, \
                 CAST(NULL AS BIGINT) AS message FROM {ENTRIES} WHERE e.chosen <> {RECEIVERS}"
            ),
            Self::UnknownState => deliveries("d.state NOT IN ('waiting', 'sending', 'success', 'failed')"),
            Self::NotTaken => deliveries(&format!(
                "d.state = 'success' AND NOT EXISTS (SELECT 1 FROM messages m JOIN attempts t ON t.message = m.id \
                 WHERE m.id = d.message AND m.state = 'success' AND t.meaning = '{}')",
                Meaning::Delivered.as_str()
            )),
            Self::Stranded => deliveries(
                "d.finished_at IS NULL AND d.state = 'waiting' AND (d.robot IS NULL OR \
                 CASE WHEN d.priority IS NULL THEN 0 ELSE 1 END + (SELECT count(*) FROM messages m \
                 WHERE m.id = d.message AND m.state = 'waiting' AND m.finished_at IS NULL) <> 1)",
            ),
            Self::Forgotten => deliveries(
                "d.finished_at IS NULL AND d.state = 'waiting' AND EXISTS (SELECT 1 FROM robots r \
                 LEFT JOIN paces p ON p.fingerprint = r.fingerprint \
                 WHERE r.id = d.robot AND r.state = 'ok' AND p.due_at IS NULL)",
            ),
            Self::NotSending => deliveries(
                "d.finished_at IS NULL AND d.state = 'sending' AND NOT EXISTS (SELECT 1 FROM messages m \
                 WHERE m.id = d.message AND m.state = 'sending' AND m.finished_at IS NULL)",
            ),
            Self::NoReason => deliveries("d.state = 'failed' AND d.reason = ''"),
            Self::WrongEnd => deliveries("(d.state IN ('success', 'failed')) <> (d.finished_at IS NOT NULL)"),
            Self::QueuedAgain => deliveries("d.priority IS NOT NULL AND d.finished_at IS NOT NULL"),
            Self::LostCall => messages(&format!(
                "m.state = 'sending' AND (m.lease_until IS NULL OR m.lease_until < {})",
                moment(c, now - LONG_OVER)
            )),
            Self::EmptyMessage => {
                messages("NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.message = m.id AND d.finished_at IS NULL)")
            }
        }
    }
}

/// The entries of time lines whose receivers were counted.
const ENTRIES: &str = "(SELECT * FROM alert_entries WHERE chosen IS NOT NULL) e JOIN alerts a ON a.id = e.alert";
/// How many receivers an entry has by its rows: what was sent again has a row more, and says so in the one that failed.
/// What was put off will have rows, and counts as waiting until then.
const RECEIVERS: &str = "((SELECT count(*) FROM deliveries d WHERE d.entry = e.id AND d.resent_as IS NULL) \
                         + (SELECT coalesce(sum(p.size), 0) FROM fan_outs f JOIN fan_out_parts p \
                         ON p.plan = f.plan AND p.part >= f.part WHERE f.entry = e.id))";
/// How many receivers were put off, by tenant, as rows that wait.
const PUT_OFF: &str = "SELECT f.tenant, 'waiting' AS state, CAST(sum(p.size) AS BIGINT) AS count FROM fan_outs f \
                       JOIN fan_out_parts p ON p.plan = f.plan AND p.part >= f.part GROUP BY f.tenant";

/// A time as diesel writes it; on SQLite times are compared as texts.
fn moment(c: &AnyConnection, time: NaiveDateTime) -> String {
    let typed = match c {
        AnyConnection::Sqlite(_) => "",
        AnyConnection::Postgres(_) => "TIMESTAMP ",
    };
    format!("{typed}'{}'", time.format("%F %T%.f"))
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
pub struct Wrong {
    /// In which way.
    pub what: Discrepancy,
    /// How many rows.
    pub count: i64,
    /// The first of them.
    pub named: Vec<Finding>,
}

/// The whole ledger, as it stood at one moment.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The sums of each tenant, with its slug.
    pub tenants: BTreeMap<TenantId, (String, Sums)>,
    /// What does not add up.
    pub wrong: Vec<Wrong>,
}

impl Ledger {
    /// Whether everything adds up.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.wrong.is_empty() && self.tenants.values().all(|(_, sums)| sums.balances())
    }

    /// The sums over all tenants.
    #[must_use]
    pub fn all(&self) -> Sums {
        let mut all = Sums::default();
        self.tenants.values().for_each(|(_, sums)| all.add(sums));
        all
    }
}

impl fmt::Display for Ledger {
    /// A line for the whole, one a tenant, and one for each thing that is wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "all tenants: {}", self.all())?;
        for (tenant, (slug, sums)) in &self.tenants {
            writeln!(f, "tenant {tenant} ({slug}): {sums}")?;
        }
        for Wrong { what, count, named } in &self.wrong {
            for finding in named {
                writeln!(f, "{}: {finding}.", what.sentence())?;
            }
            let others = count - i64::try_from(named.len()).unwrap_or(*count);
            if others > 0 {
                writeln!(f, "{}: {others} more.", what.sentence())?;
            }
        }
        Ok(())
    }
}

#[derive(QueryableByName)]
struct Counted {
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
struct Missing {
    #[diesel(sql_type = sql_types::BigInt)]
    tenant: TenantId,
    #[diesel(sql_type = sql_types::Text)]
    slug: String,
    #[diesel(sql_type = sql_types::BigInt)]
    missing: i64,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

/// Recounts everything, as of one moment, beside whoever is writing.
///
/// # Errors
/// When the database cannot be read.
pub fn ledger(c: &mut AnyConnection, now: NaiveDateTime) -> Result<Ledger> {
    c.transaction(|c| {
        if let AnyConnection::Postgres(postgres) = c {
            // One picture for all statements, as SQLite gives it anyway.
            postgres.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
        }
        let mut wrong = Vec::new();
        for what in Discrepancy::ALL {
            wrong.extend(look_for(c, what, now)?);
        }
        Ok(Ledger { tenants: sums(c)?, wrong })
    })
}

#[derive(QueryableByName)]
struct OfState {
    #[diesel(sql_type = sql_types::Text)]
    state: String,
    #[diesel(sql_type = sql_types::BigInt)]
    count: i64,
}

/// The sums over all tenants by the rows alone: reads one index from end to end, and finds nothing that is missing.
///
/// # Errors
/// When the database cannot be read.
pub fn totals(c: &mut AnyConnection) -> Result<Sums> {
    // By tenant too: that is the order of the index, so that nothing has to be sorted.
    let query = sql_query(format!(
        "SELECT state, count(*) AS count FROM deliveries GROUP BY tenant, state \
         UNION ALL SELECT state, count FROM ({PUT_OFF}) put_off"
    ));
    let rows: Vec<OfState> = query.load(c)?;
    let mut sums = Sums::default();
    rows.iter().for_each(|row| sums.count(&row.state, row.count));
    Ok(sums)
}

fn look_for(c: &mut AnyConnection, what: Discrepancy, now: NaiveDateTime) -> Result<Option<Wrong>> {
    let query = what.query(c, now);
    let named: Vec<Finding> =
        sql_query(format!("{query} ORDER BY tenant, alert, delivery, message LIMIT {NAMED}")).load(c)?;
    let count = match i64::try_from(named.len()) {
        Ok(count) if count < NAMED => count,
        _ => sql_query(format!("SELECT count(*) AS count FROM ({query}) found")).get_result::<Number>(c)?.count,
    };
    Ok((count > 0).then_some(Wrong { what, count, named }))
}

fn sums(c: &mut AnyConnection) -> Result<BTreeMap<TenantId, (String, Sums)>> {
    let rows: Vec<Counted> = sql_query(format!(
        "SELECT t.id AS tenant, t.slug, n.state, n.count FROM tenants t \
         JOIN (SELECT tenant, state, count(*) AS count FROM deliveries GROUP BY tenant, state \
         UNION ALL {PUT_OFF}) n ON n.tenant = t.id"
    ))
    .load(c)?;
    let mut tenants: BTreeMap<TenantId, (String, Sums)> = BTreeMap::new();
    for Counted { tenant, slug, state, count } in rows {
        let (_, sums) = tenants.entry(tenant).or_insert_with(|| (slug, Sums::default()));
        sums.count(&state, count);
    }
    let missing: Vec<Missing> = sql_query(format!(
        "SELECT t.id AS tenant, t.slug, CAST(sum(e.chosen - {RECEIVERS}) AS BIGINT) AS missing \
         FROM {ENTRIES} JOIN tenants t ON t.id = a.tenant WHERE e.chosen <> {RECEIVERS} GROUP BY t.id, t.slug"
    ))
    .load(c)?;
    for Missing { tenant, slug, missing } in missing {
        let (_, sums) = tenants.entry(tenant).or_insert_with(|| (slug, Sums::default()));
        sums.chosen += missing;
    }
    Ok(tenants)
}
