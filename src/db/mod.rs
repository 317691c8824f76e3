//! The database: SQLite or Postgres behind one connection type, and the two ways to it, [`Database::read`] and
//! [`Database::write`].
//!
//! A write is one closure: business rows, audit row and outbox row are in one transaction or not there at all. On
//! SQLite a single writer thread commits all waiting closures together; on Postgres each takes a
//! pooled connection.

mod at_most;
mod change;
mod checkpoint;
mod condition;
mod connection;
mod database_url;
mod fair_queue;
#[cfg(test)]
pub mod fixture;
mod keyset;
mod lanes;
mod listen;
mod locks;
mod opened_file;
mod pager;
mod pool;
pub mod schema;
mod settings_lock;
mod shares;
mod text_literal;
mod time;
mod together;
mod types;
mod vanished;
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

pub use at_most::AtMost;
pub use change::change;
pub use condition::{careless, faults, is_empty};
pub use connection::AnyConnection;
pub(crate) use connection::directly;
pub use keyset::{Keyset, Seek};
pub use lanes::{Lane, in_lane};
pub use listen::Listener;
pub use locks::{AdvisoryLock, acquire_lock, lock_portal, lock_tenant, share_portal, share_tenant};
pub use pager::{PAGE_SIZE, Pager};
pub use pool::Address;
pub use settings_lock::lock_settings;
pub use shares::Share;
pub(crate) use text_literal::text_literal;
pub use time::keep_time;
pub use together::Together;
pub use types::{
    AccountId, AlertId, DeliveryId, EntryId, GroupId, INSTANCE_SCOPE, MemberId, MessageId, Moment, PortalId, RobotId,
    RuleId, ScheduleId, TenantId, Word, Worded,
};

use crate::{
    error::{Error, Result},
    metrics::Metrics,
};
use lanes::LaneLimits;
use opened_file::OpenedFile;
use pool::{Doubts, Manager, Pool};
use shares::{Permits, Turns};
use writer::Writer;

const SQLITE_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES_MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Connections for reading on SQLite; WAL lets them read while the writer writes.
const SQLITE_READERS: u32 = 4;
/// How much of what takes long runs at a time, of one lane and of all: some readers are left for what is quick.
const ASIDE_OF_A_LANE: usize = 1;
const ASIDE: usize = 3;
/// What the writer's connection has besides: room for the pages of a burst, in KiB. With less it would write pages to disk that
/// it is about to change again.
const SQLITE_WRITER: &str = "PRAGMA cache_size = -8000";

/// The way to the database. Clones share the pool and the writer.
#[derive(Clone)]
pub struct Database {
    pool: Pool,
    /// Told when the database was not to be had.
    doubts: Doubts,
    permits: Permits,
    /// The places for what takes long, of each lane and of all.
    aside: (LaneLimits, Arc<Semaphore>),
    /// Bounds what one lane has of each share, where shares are apart.
    lane_limits: Option<LaneLimits>,
    share: Share,
    /// Whose work it is, when that is not what the task says.
    lane: Option<Lane>,
    turns: Turns,
    writer: Option<Writer>,
    metrics: Metrics,
    address: Arc<Address>,
}

impl Database {
    /// Opens the database, making a SQLite file when there is none, and brings its tables up to date.
    ///
    /// # Errors
    /// A sentence for the operator when the database cannot be reached, opened or migrated. It names no password.
    pub fn open(address: &Address) -> std::result::Result<Self, String> {
        Self::open_counting(address, Metrics::default())
    }

    /// The same, and counts here how long is waited for it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_counting(address: &Address, metrics: Metrics) -> std::result::Result<Self, String> {
        let mut first = first_connection(address)?;
        let (connections, permits, lane_limits, writer) = match first {
            AnyConnection::Sqlite(ref mut sqlite) => {
                sqlite.batch_execute(SQLITE_WRITER).map_err(|fault| fault.to_string())?;
                // Readers of SQLite wait for nobody, and its writes have a thread of their own.
                let permits = Permits::in_common(SQLITE_READERS);
                let file = opened_file(address)?;
                let writer = Writer::start(first, address.clone(), file, metrics.clone())?;
                (SQLITE_READERS, permits, None, Some(writer))
            }
            AnyConnection::Postgres(_) => (Share::ALL, Permits::apart(), Some(LaneLimits::default()), None),
        };
        let doubts = Doubts::default();
        let pool = Manager::new(address.clone(), doubts.clone())
            .pool(connections)
            .map_err(|fault| format!("The database at {address} could not be opened: {fault}"))?;
        let address = Arc::new(address.clone());
        let aside = (LaneLimits::default(), Arc::new(Semaphore::new(ASIDE)));
        let (share, lane, turns) = (Share::Pages, None, Turns::default());
        Ok(Self { pool, doubts, permits, aside, lane_limits, share, lane, turns, writer, metrics, address })
    }

    /// The same database by the connections that are kept for this. At first it is [`Share::Pages`].
    #[must_use]
    pub fn by(&self, share: Share) -> Self {
        Self { share, ..self.clone() }
    }

    /// The same database for work of this lane, whatever lane the task is in.
    #[must_use]
    pub fn in_lane(&self, lane: Lane) -> Self {
        Self { lane: Some(lane), ..self.clone() }
    }

    fn lane(&self) -> Lane {
        self.lane.unwrap_or_else(Lane::current)
    }

    /// Waits until nobody else in this process has the turn for this key, which ends when the answer is dropped. For writes that
    /// would wait for each other anyway, by [`acquire_lock`] or in SQLite's queue of writes: here they hold no connection
    /// meanwhile, and let others go first.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not come in time.
    pub async fn turn(&self, key: i64) -> Result<OwnedMutexGuard<()>> {
        let turn = tokio::time::timeout(pool::WAIT, self.turns.next(key)).await;
        turn.map_err(|_| Error::unavailable("others were first for too long"))
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
        self.pooled(job).await
    }

    /// The same on a thread of its own, for what takes long: others go on reading and answering meanwhile, and the next of
    /// the same lane waits.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_aside<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let _turn = self.turn_aside().await?;
        tokio::task::spawn_blocking(self.with_connection(job).await?).await.map_err(Error::internal)?
    }

    /// Runs what computes for long and needs no connection, as [`Self::read_aside`] runs what reads for long.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when its turn does not come in time.
    pub async fn compute_aside<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let _turn = self.turn_aside().await?;
        let span = tracing::Span::current();
        tokio::task::spawn_blocking(move || span.in_scope(job)).await.map_err(Error::internal)
    }

    /// The turn of this lane on a thread of its own, and a place for it.
    async fn turn_aside(&self) -> Result<(Option<OwnedSemaphorePermit>, OwnedSemaphorePermit)> {
        let (of_lanes, of_all) = &self.aside;
        let of_lane = match self.lane() {
            Lane::SYSTEM => None,
            lane => Some(permit(of_lanes.of(self.share, lane, ASIDE_OF_A_LANE)).await?),
        };
        Ok((of_lane, permit(Arc::clone(of_all)).await?))
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
        self.write_weighing(1, job).await
    }

    /// The same for a write that is as much work as so many ordinary ones: SQLite's writer takes the fewer others into its
    /// transaction.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub async fn write_weighing<T, F>(&self, weight: usize, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        match &self.writer {
            Some(writer) => writer.write((self.share, self.lane()), weight, job).await,
            None => self.pooled(|connection| connection.transaction(job)).await,
        }
    }

    /// Stores this in one transaction; on SQLite, whose writers wait for each other anyway, in one with whatever else of its kind
    /// is waiting.
    ///
    /// When this answers `Ok`, it is on disk.
    ///
    /// # Errors
    /// What it answers when it is stored alone (then nothing of it is kept), or [`Error::Unavailable`] when it could not be stored.
    pub async fn write_together<T: Together>(&self, what: T) -> Result<T::Stored> {
        match &self.writer {
            Some(writer) => writer.write_together((self.share, self.lane()), what).await,
            None => self.pooled(move |connection| together::store_alone(connection, &what)).await,
        }
    }

    /// Runs one transaction that may turn out to be refused: then nothing of it is kept, and this is why.
    ///
    /// # Errors
    /// As [`Self::write_weighing`].
    pub async fn write_unless<T, R, F>(&self, weight: usize, job: F) -> Result<std::result::Result<T, R>>
    where
        T: Send + 'static,
        R: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<std::result::Result<T, R>> + Send + 'static,
    {
        let (sender, refusal) = std::sync::mpsc::channel();
        let written = self
            .write_weighing(weight, move |connection| {
                job(connection)?.map_err(|why| {
                    // Whoever waits for the answer may have gone; the error undoes the transaction all the same.
                    drop(sender.send(why));
                    Error::Taken
                })
            })
            .await;
        match (written, refusal.try_recv()) {
            (Err(_), Ok(why)) => Ok(Err(why)),
            (written, _) => written.map(Ok),
        }
    }

    /// The job with a connection to run on, once there is one. Its log lines belong to the request that it is for.
    async fn with_connection<T, F>(&self, job: F) -> Result<impl FnOnce() -> Result<T> + Send + use<T, F>>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let asked = Instant::now();
        let of_lane = match (&self.lane_limits, self.lane()) {
            (None, _) | (_, Lane::SYSTEM) => None,
            (Some(limits), lane) => Some(permit(limits.of(self.share, lane, self.share.for_a_lane())).await?),
        };
        let permit = (of_lane, permit(Arc::clone(self.permits.of(self.share))).await?);
        let (pool, doubts, metrics) = (self.pool.clone(), self.doubts.clone(), self.metrics.clone());
        let span = tracing::Span::current();
        Ok(move || {
            let _permit = permit;
            let mut pooled = pool.get().map_err(Error::unavailable)?;
            metrics.waited_for_connection(asked.elapsed());
            let answer = span.in_scope(|| job(&mut pooled.connection));
            if let Err(Error::Unavailable(_)) = &answer {
                doubts.add();
            }
            answer
        })
    }

    async fn pooled<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let run = self.with_connection(job).await?;
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
    pub fn backup(address: &Address, file: &std::path::Path) -> std::result::Result<(), String> {
        let Address::Sqlite(source) = address else {
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
fn first_connection(address: &Address) -> std::result::Result<AnyConnection, String> {
    let mut first = address.connect()?;
    if let Some(why) = condition::not_ours(&mut first) {
        return Err(format!("The database at {address} cannot be used: {why}."));
    }
    migrate(&mut first)
        .map_err(|fault| format!("The database at {address} could not be migrated: {fault}{}", what_to_do(&fault)))?;
    match condition::missing_parts(&mut first) {
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
fn opened_file(address: &Address) -> std::result::Result<OpenedFile, String> {
    let Address::Sqlite(path) = address else { return Err(format!("The database at {address} has no file.")) };
    OpenedFile::at(path).map_err(|fault| format!("The database at {address} could not be opened: {fault}"))
}

/// Waits for one of these permits.
async fn permit(permits: Arc<Semaphore>) -> Result<OwnedSemaphorePermit> {
    tokio::time::timeout(pool::WAIT, permits.acquire_owned())
        .await
        .map_err(|_| Error::unavailable("no database connection became free in time"))?
        .map_err(Error::unavailable)
}

/// Brings the tables up to date. Processes that start together on one database wait for each other.
fn migrate(connection: &mut AnyConnection) -> std::result::Result<(), String> {
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
pub fn ascii_lower(connection: &AnyConnection, column: &str) -> String {
    match connection {
        AnyConnection::Sqlite(_) => format!("lower({column})"),
        AnyConnection::Postgres(_) => format!("lower({column} COLLATE \"C\")"),
    }
}

/// The SQL function that finds one text in another: its position, or zero.
#[must_use]
pub fn position_function(connection: &AnyConnection) -> &'static str {
    match connection {
        AnyConnection::Sqlite(_) => "instr",
        AnyConnection::Postgres(_) => "strpos",
    }
}
