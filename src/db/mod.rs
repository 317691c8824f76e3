//! The database: SQLite or Postgres behind one connection type, and the two ways to it, [`Database::read`] and
//! [`Database::write`].
//!
//! A write is one closure: business rows, audit row and outbox row are in one transaction or not there at all. On
//! SQLite a single writer thread commits all waiting closures together; on Postgres each takes a
//! pooled connection.

mod batch_write;
mod cached_update;
mod checkpoint;
mod clock_sync;
mod connection;
mod cursor;
mod database_url;
mod fair_queue;
#[cfg(test)]
pub mod fixture;
mod health;
mod lanes;
mod limit_const;
mod listen;
mod locks;
mod opened_file;
mod pager;
mod pool;
mod pool_budget;
pub mod schema;
mod settings_lock;
mod tcp_timeouts;
mod text_literal;
mod types;
mod writer;

use std::{
    os::unix::fs::OpenOptionsExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use diesel::{Connection as _, connection::SimpleConnection};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

pub use batch_write::Batchable;
pub use cached_update::cached_update;
pub use clock_sync::sync_clock;
pub use connection::AnyConnection;
pub(crate) use connection::on_backend;
pub use cursor::{Cursor, Keyset};
pub use health::{database_errors, durability_warnings, has_no_tables};
pub use lanes::{Lane, in_lane};
pub use limit_const::LimitConst;
pub use listen::Listener;
pub use locks::{AdvisoryLock, acquire_lock, lock_portal, lock_tenant, share_portal, share_tenant};
pub use pager::{PAGE_SIZE, Pager};
pub use pool::DatabaseAddress;
pub use pool_budget::Workload;
pub use settings_lock::lock_settings;
pub(crate) use text_literal::text_literal;
pub use types::{
    AccountId, AlertId, DbEnum, DeliveryId, EntryId, FastEnum, FastTimestamp, GroupId, INSTANCE_SCOPE, MemberId,
    MessageId, PortalId, RobotId, RuleId, ScheduleId, TenantId,
};

use crate::{
    error::{Error, Result},
    metrics::Metrics,
};
use lanes::LaneLimits;
use opened_file::OpenedFile;
use pool::{ConnectionEpoch, ConnectionManager, Pool};
use pool_budget::{KeyedMutex, PoolBudget};
use writer::Writer;

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Connections for reading on SQLite; WAL lets them read while the writer writes.
const SQLITE_READER_CONNECTIONS: u32 = 4;
/// How much of what takes long runs at a time, of one lane and of all: some readers are left for what is quick.
const MAX_BLOCKING_PER_LANE: usize = 1;
const MAX_BLOCKING: usize = 3;
/// What the writer's connection has besides: room for the pages of a burst, in KiB. With less it would write pages to disk that
/// it is about to change again.
const SQLITE_WRITER_PRAGMAS: &str = "PRAGMA cache_size = -8000";

/// The way to the database. Clones share the pool and the writer.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// Told when the database was not to be had.
    connection_epoch: ConnectionEpoch,
    permits: PoolBudget,
    /// The places for what takes long, of each lane and of all.
    blocking_permits: (LaneLimits, Arc<Semaphore>),
    /// Bounds what one lane has of each share, where shares are apart.
    lane_limits: Option<LaneLimits>,
    workload: Workload,
    /// Whose work it is, when that is not what the task says.
    lane: Option<Lane>,
    in_process_locks: KeyedMutex,
    writer: Option<Writer>,
    metrics: Metrics,
    address: Arc<DatabaseAddress>,
}

impl Database {
    /// Opens the database, making a SQLite file when there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// A sentence for the operator when the database cannot be reached, opened or migrated. It names no password.
    pub fn open(address: &DatabaseAddress) -> std::result::Result<Self, String> {
        Self::open_with_metrics(address, Metrics::default())
    }

    /// The same, and counts here how long is waited for it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with_metrics(address: &DatabaseAddress, metrics: Metrics) -> std::result::Result<Self, String> {
        let mut first = first_connection(address)?;
        let (connections, permits, lane_limits, writer) = match first {
            AnyConnection::Sqlite(ref mut sqlite) => {
                sqlite.batch_execute(SQLITE_WRITER_PRAGMAS).map_err(|fault| fault.to_string())?;
                // Readers of SQLite wait for nobody, and its writes have a thread of their own.
                let permits = PoolBudget::shared(SQLITE_READER_CONNECTIONS);
                let file = opened_file(address)?;
                let writer = Writer::start(first, address.clone(), file, metrics.clone())?;
                (SQLITE_READER_CONNECTIONS, permits, None, Some(writer))
            }
            AnyConnection::Postgres(_) => {
                (Workload::TOTAL_CONNECTIONS, PoolBudget::per_workload(), Some(LaneLimits::default()), None)
            }
        };
        let connection_epoch = ConnectionEpoch::default();
        let pool = ConnectionManager::new(address.clone(), connection_epoch.clone())
            .build_pool(connections)
            .map_err(|fault| format!("The database at {address} could not be opened: {fault}"))?;
        let address = Arc::new(address.clone());
        let blocking_permits = (LaneLimits::default(), Arc::new(Semaphore::new(MAX_BLOCKING)));
        let (workload, lane, in_process_locks) = (Workload::Pages, None, KeyedMutex::default());
        Ok(Self {
            pool,
            connection_epoch,
            permits,
            blocking_permits,
            lane_limits,
            workload,
            lane,
            in_process_locks,
            writer,
            metrics,
            address,
        })
    }

    /// The same database by the connections that are kept for this. At first it is [`Workload::Pages`].
    #[must_use]
    pub fn for_workload(&self, workload: Workload) -> Self {
        Self { workload, ..self.clone() }
    }

    /// The same database for work of this lane, whatever lane the task is in.
    #[must_use]
    pub fn in_lane(&self, lane: Lane) -> Self {
        Self { lane: Some(lane), ..self.clone() }
    }

    fn current_lane(&self) -> Lane {
        self.lane.unwrap_or_else(Lane::current)
    }

    /// Waits until nobody else in this process has the turn for this key, which ends when the answer is dropped. For writes that
    /// would wait for each other anyway, by [`acquire_lock`] or in SQLite's queue of writes: here they hold no connection
    /// meanwhile, and let others go first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not come in time.
    pub async fn in_process_lock(&self, key: i64) -> Result<OwnedMutexGuard<()>> {
        let guard = tokio::time::timeout(pool::ACQUIRE_TIMEOUT, self.in_process_locks.lock(key)).await;
        guard.map_err(|_| Error::unavailable("others were first for too long"))
    }

    /// Runs queries that change nothing.
    ///
    /// # Errors
    /// What the closure answers, or [`Error::Unavailable`] when no connection is to be had.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        self.run_on_pool(job).await
    }

    /// The same on a thread of its own, for what takes long: others go on reading and answering meanwhile, and the next of
    /// the same lane waits.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_blocking<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let _permit = self.blocking_permit().await?;
        tokio::task::spawn_blocking(self.acquire_connection(job).await?).await.map_err(Error::internal)?
    }

    /// Runs what computes for long and needs no connection, as [`Self::read_blocking`] runs what reads for long.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when its turn does not come in time.
    pub async fn compute_blocking<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let _permit = self.blocking_permit().await?;
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(job)).await.map_err(Error::internal)
    }

    /// The turn of this lane on a thread of its own, and a place for it.
    async fn blocking_permit(&self) -> Result<(Option<OwnedSemaphorePermit>, OwnedSemaphorePermit)> {
        let (lane_permits, total_permits) = &self.blocking_permits;
        let lane_permit = match self.current_lane() {
            Lane::SYSTEM => None,
            lane => Some(acquire_permit(lane_permits.permits(self.workload, lane, MAX_BLOCKING_PER_LANE)).await?),
        };
        Ok((lane_permit, acquire_permit(Arc::clone(total_permits)).await?))
    }

    /// Where whoever has the way to the database counts.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Runs one transaction: everything in the closure is kept, or nothing.
    ///
    /// When this answers `Ok`, it is on disk.
    ///
    /// # Errors
    /// What the closure answers (then nothing is kept), or [`Error::Unavailable`] when it could not be stored.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        self.write_weighted(1, job).await
    }

    /// The same for a write that is as much work as so many ordinary ones: SQLite's writer takes the fewer others into its
    /// transaction.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_weighted<T, F>(&self, weight: usize, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        match &self.writer {
            Some(writer) => writer.write((self.workload, self.current_lane()), weight, job).await,
            None => self.run_on_pool(|connection| connection.transaction(job)).await,
        }
    }

    /// Stores this in one transaction; on SQLite, whose writers wait for each other anyway, in one with whatever else of its kind
    /// is waiting.
    ///
    /// When this answers `Ok`, it is on disk.
    ///
    /// # Errors
    /// What it answers when it is stored alone (then nothing of it is kept), or [`Error::Unavailable`] when it could not be stored.
    pub async fn write_batched<T: Batchable>(&self, write: T) -> Result<T::Output> {
        match &self.writer {
            Some(writer) => writer.write_together((self.workload, self.current_lane()), write).await,
            None => self.run_on_pool(move |connection| batch_write::store_in_own_transaction(connection, &write)).await,
        }
    }

    /// Runs one transaction that may turn out to be refused: then nothing of it is kept, and this is why.
    ///
    /// # Errors
    /// As [`Self::write_weighted`].
    pub async fn try_write<T, R, F>(&self, weight: usize, job: F) -> Result<std::result::Result<T, R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<std::result::Result<T, R>> + Send + 'static,
    {
        let (refusal_sender, refusal) = std::sync::mpsc::channel();
        let written = self
            .write_weighted(weight, move |connection| {
                job(connection)?.map_err(|why| {
                    // Whoever waits for the answer may have gone; the error undoes the transaction all the same.
                    drop(refusal_sender.send(why));
                    Error::AlreadyExists
                })
            })
            .await;
        match (written, refusal.try_recv()) {
            (Err(_), Ok(why)) => Ok(Err(why)),
            (written, _) => written.map(Ok),
        }
    }

    /// The job with a connection to run on, once there is one. Its log lines belong to the request that it is for.
    async fn acquire_connection<T, F>(&self, job: F) -> Result<impl FnOnce() -> Result<T> + Send + use<T, F>>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let requested_at = Instant::now();
        let lane_permit = match (&self.lane_limits, self.current_lane()) {
            (None, _) | (_, Lane::SYSTEM) => None,
            (Some(limits), lane) => {
                Some(acquire_permit(limits.permits(self.workload, lane, self.workload.max_per_lane())).await?)
            }
        };
        let permit = (lane_permit, acquire_permit(Arc::clone(self.permits.semaphore(self.workload))).await?);
        let (pool, connection_epoch, metrics) =
            (self.pool.clone(), self.connection_epoch.clone(), self.metrics.clone());
        let span = tracing::Span::current();
        Ok(move || {
            let _permit = permit;
            let mut pooled = pool.get().map_err(Error::unavailable)?;
            metrics.record_pool_wait(requested_at.elapsed());
            let result = span.in_scope(|| job(&mut pooled.connection));
            if let Err(Error::Unavailable(_)) = &result {
                connection_epoch.advance();
            }
            result
        })
    }

    async fn run_on_pool<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let run = self.acquire_connection(job).await?;
        if self.writer.is_some() {
            // SQLite reads from this process's own memory, for less time than handing the work to another thread takes.
            return catch_unwind(AssertUnwindSafe(run)).map_err(|_| Error::internal("a query panicked"))?;
        }
        tokio::task::spawn_blocking(run).await.map_err(Error::internal)?
    }

    /// A consistent copy of a live SQLite database in a new file.
    ///
    /// # Errors
    /// A sentence for the operator: on Postgres, when the file exists, or when it cannot be written.
    pub fn backup(address: &DatabaseAddress, file: &std::path::Path) -> std::result::Result<(), String> {
        let DatabaseAddress::Sqlite(source) = address else {
            return Err("This database is Postgres: use pg_dump for a copy of it.".to_owned());
        };
        if !source.exists() {
            return Err(format!("There is no database {} to copy.", source.display()));
        }
        let AnyConnection::Sqlite(mut connection) = address.connect()? else {
            return Err(format!("{} is not a SQLite database.", source.display()));
        };
        let name = file.to_str().ok_or_else(|| format!("The name {} is not UTF-8.", file.display()))?;
        let cannot = |fault: &dyn std::fmt::Display| format!("The copy could not be written to {name}: {fault}");
        // SQLite writes into a file that is there and empty, and so the copy is its owner's alone whatever the umask says.
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(|fault| match fault
            .kind()
        {
            std::io::ErrorKind::AlreadyExists => format!("{name} exists already; choose another file name."),
            _ => cannot(&fault),
        })?;
        let quoted = name.replace('\'', "''");
        let copied = connection.batch_execute(&format!("VACUUM INTO '{quoted}'")).map_err(|fault| cannot(&fault));
        if copied.is_err() {
            // Half a copy is none.
            drop(std::fs::remove_file(file));
        }
        copied
    }
}

/// Connects to a database that this program may use, brings its tables up to date, and makes sure that it can be written to.
fn first_connection(address: &DatabaseAddress) -> std::result::Result<AnyConnection, String> {
    let mut first = address.connect()?;
    if let Some(why) = health::unusable_reason(&mut first) {
        return Err(format!("The database at {address} cannot be used: {why}."));
    }
    run_migrations(&mut first)
        .map_err(|fault| format!("The database at {address} could not be migrated: {fault}{}", what_to_do(&fault)))?;
    match health::missing_parts(&mut first) {
        Ok(None) => {}
        Ok(Some(missing)) => return Err(format!("The database at {address} cannot be used: {missing}.")),
        Err(fault) => return Err(format!("The database at {address} cannot be read: {fault}")),
    }
    if let AnyConnection::Sqlite(sqlite) = &mut first {
        // A file that may only be read is opened for reading, and tables that are up to date are not written to.
        let written = sqlite.batch_execute("BEGIN IMMEDIATE; UPDATE log_in_settings SET id = id; ROLLBACK");
        written.map_err(|fault| format!("The database at {address} cannot be written to: {fault}"))?;
    }
    Ok(first)
}

/// Advice for the operator about a fault of SQLite, as the end of a sentence; empty when there is none.
fn what_to_do(fault: &str) -> &'static str {
    match fault.contains("locked") {
        true => {
            ": another program holds it in a transaction; end that one (an SQL shell, a copy that is being made), and start again"
        }
        false => "",
    }
}

/// The file of a SQLite database that was just opened.
fn opened_file(address: &DatabaseAddress) -> std::result::Result<OpenedFile, String> {
    let DatabaseAddress::Sqlite(path) = address else { return Err(format!("The database at {address} has no file.")) };
    OpenedFile::at(path).map_err(|fault| format!("The database at {address} could not be opened: {fault}"))
}

/// Waits for one of these permits.
async fn acquire_permit(permits: Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    tokio::time::timeout(pool::ACQUIRE_TIMEOUT, permits.acquire_owned())
        .await
        .map_err(|_| Error::unavailable("no database connection became free in time"))?
        .map_err(Error::unavailable)
}

/// Brings the tables up to date. Processes that start together on one database wait for each other.
fn run_migrations(connection: &mut AnyConnection) -> std::result::Result<(), String> {
    match connection {
        AnyConnection::Sqlite(sqlite) => {
            // In one transaction: whoever starts meanwhile sees all tables or none, and so does the start after a crash.
            let migrated = sqlite.immediate_transaction(|c| c.run_pending_migrations(SQLITE_MIGRATIONS).map(drop));
            migrated.map_err(|fault: Box<dyn std::error::Error + Send + Sync>| fault.to_string())?;
        }
        AnyConnection::Postgres(postgres) => {
            let key = AdvisoryLock::Migrations.key();
            postgres.batch_execute(&format!("SELECT pg_advisory_lock({key})")).map_err(|fault| fault.to_string())?;
            let result = postgres.run_pending_migrations(POSTGRES_MIGRATIONS).map(drop);
            postgres.batch_execute(&format!("SELECT pg_advisory_unlock({key})")).map_err(|fault| fault.to_string())?;
            result.map_err(|fault| fault.to_string())?;
        }
    }
    Ok(())
}

/// SQL for a text column in lower case, the same on both databases: ASCII letters alone are folded, as by
/// [`str::to_ascii_lowercase`].
#[must_use]
pub fn ascii_lower_sql(connection: &AnyConnection, column: &str) -> String {
    match connection {
        AnyConnection::Sqlite(_) => format!("lower({column})"),
        AnyConnection::Postgres(_) => format!("lower({column} COLLATE \"C\")"),
    }
}

/// The SQL function that finds one text in another: its position, or zero.
#[must_use]
pub fn position_function_sql(connection: &AnyConnection) -> &'static str {
    match connection {
        AnyConnection::Sqlite(_) => "instr",
        AnyConnection::Postgres(_) => "strpos",
    }
}
