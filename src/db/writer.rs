//! Group commit on SQLite: one thread takes waiting writes, runs each as all or nothing, or those of one kind as one, commits
//! them together, and only then answers.
//!
//! SQLite takes one writer at a time and a durable commit costs a disk flush. Committing many writes with one flush is what lets
//! many requests a second be on disk before their answer. Writes are taken in the order of [`FairQueue`], and a transaction is
//! bounded, so that a tenant's backlog delays another tenant by a transaction and not by its length.

use std::{
    cmp::Reverse,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        LazyLock,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use diesel::{
    Connection as _,
    connection::{AnsiTransactionManager, TransactionManager},
};
use tokio::sync::oneshot;

use super::{
    AnyConnection, DatabaseAddress, Workload,
    batch_write::{BatchWrite, Batchable},
    checkpoint,
    fair_queue::{FairQueue, QueuedWrite},
    lanes::Lane,
    opened_file::OpenedFile,
};
use crate::{
    error::{Error, Result},
    log::BoundedLines,
    metrics::Metrics,
};

/// The most writes one transaction takes, so that the first of them is not kept waiting for ever.
const MAX_BATCH_WRITES: usize = 256;
/// The most work one transaction takes, by the weights of its writes: of what an alert to one receiver is, about 5 ms.
const MAX_BATCH_WEIGHT: usize = 100;
/// A write of this weight begins a transaction and joins none, and the next transaction takes lighter ones first: they are not to
/// wait for several of these.
const HEAVY: usize = 50;
/// How long a transaction takes further writes after it began, for writes that are more work than their weight says.
const BATCH_WINDOW: Duration = Duration::from_millis(5);

/// Clients write as often as they like while nothing can be committed.
static LINES: LazyLock<BoundedLines> = LazyLock::new(BoundedLines::default);

/// Hands writes to the writer thread. The thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Writer {
    jobs: Sender<QueuedWrite<WriteJob>>,
    metrics: Metrics,
}

/// What waits for the writer.
enum WriteJob {
    Single(WriteClosure),
    Batched(BatchWrite),
}

/// What the writer does in one go: a closure, or writes of one kind.
enum WriteTask {
    Single(WriteClosure),
    Batch(Vec<BatchWrite>),
}

/// Runs in the transaction, and gives what is to be called with the outcome of the commit.
type WriteClosure = Box<dyn FnOnce(&mut BatchTransaction<'_>) -> CommitCallback + Send>;
/// Tells everybody who asked what became of it.
pub(super) type CommitCallback = Box<dyn FnOnce(std::result::Result<(), String>)>;

impl Writer {
    /// Starts the thread with its own connection, and the one that makes its checkpoints.
    pub fn start(
        connection: AnyConnection,
        address: DatabaseAddress,
        file: OpenedFile,
        metrics: Metrics,
    ) -> std::result::Result<Self, String> {
        let (jobs, waiting) = channel();
        let counting = metrics.clone();
        let checkpoints = checkpoint::start(address)?;
        thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || run_writer((connection, file), &waiting, &counting, &checkpoints))
            .map_err(|fault| format!("The writer thread could not be started: {fault}"))?;
        Ok(Self { jobs, metrics })
    }

    /// Runs the closure in a transaction of its own kind of all or nothing, and answers once it is on disk.
    pub async fn write<T, F>(&self, (workload, lane): (Workload, Lane), weight: usize, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let (requested_at, metrics, span) = (Instant::now(), self.metrics.clone(), tracing::Span::current());
        let (job, outcome) = prepare_job(move |connection| {
            metrics.record_writer_wait(requested_at.elapsed());
            span.in_scope(|| job(connection))
        });
        self.submit(QueuedWrite { workload, lane, weight, job }, outcome).await
    }

    /// Stores this with whatever else of its kind is waiting, and answers once it is on disk.
    pub async fn write_together<T: Batchable>(
        &self,
        (workload, lane): (Workload, Lane),
        write: T,
    ) -> Result<T::Output> {
        let weight = write.weight();
        let (batch_write, outcome) = BatchWrite::new(write, self.metrics.clone());
        self.submit(QueuedWrite { workload, lane, weight, job: WriteJob::Batched(batch_write) }, outcome).await
    }

    async fn submit<T>(&self, write: QueuedWrite<WriteJob>, outcome: oneshot::Receiver<Result<T>>) -> Result<T> {
        self.jobs.send(write).map_err(|_| Error::unavailable("the writer has ended"))?;
        outcome.await.map_err(|_| Error::internal("a write panicked"))?
    }
}

/// The closure as the writer takes it, and where its outcome comes out.
fn prepare_job<T, F>(job: F) -> (WriteJob, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
{
    let (sender, outcome) = oneshot::channel();
    let run: WriteClosure = Box::new(move |transaction| {
        let result = transaction.all_or_nothing(job);
        Box::new(move |committed| {
            let answer = match committed {
                Ok(()) => result,
                Err(fault) => result.and_then(|_| Err(Error::unavailable(fault))),
            };
            // The request may have been given up meanwhile; then nobody listens.
            drop(sender.send(answer));
        })
    });
    (WriteJob::Single(run), outcome)
}

fn run_writer(
    (mut connection, file): (AnyConnection, OpenedFile),
    arriving: &Receiver<QueuedWrite<WriteJob>>,
    metrics: &Metrics,
    checkpoints: &Sender<()>,
) {
    let mut queue = FairQueue::default();
    let (mut last, mut was_heavy) = (0, false);
    loop {
        if last > 1 {
            // Those who were just answered are about to ask again: with them the next commit is for more.
            thread::yield_now();
        }
        arriving.try_iter().for_each(|waiting| queue.push(waiting));
        let lighter = was_heavy.then(|| queue.pop_lighter(HEAVY)).flatten();
        if let Some(first) = lighter.or_else(|| queue.pop()) {
            was_heavy = first.0 >= HEAVY;
            let mut in_place = false;
            let may_commit = || file.is_in_place().inspect(|()| in_place = true);
            last = commit_batch(&mut connection, first, &mut queue, arriving, may_commit);
            metrics.record_commit(last);
            if in_place {
                // That thread would make a file where there is none. Without it the writer makes all of a checkpoint itself.
                let _ended = checkpoints.send(());
            }
        } else {
            match arriving.recv() {
                Ok(waiting) => queue.push(waiting),
                Err(_) => return,
            }
        }
    }
}

/// Runs this and what is waiting, as far as a transaction is bounded, and answers how many writes it were. When `may_commit` fails,
/// all of it is undone.
fn commit_batch(
    connection: &mut AnyConnection,
    first: (usize, WriteJob),
    queue: &mut FairQueue<WriteJob>,
    arriving: &Receiver<QueuedWrite<WriteJob>>,
    may_commit: impl FnOnce() -> std::result::Result<(), String>,
) -> u32 {
    let mut transaction = BatchTransaction::begin(connection);
    let begun = Instant::now();
    let mut answers = Vec::new();
    let (mut next, mut writes, mut total_weight) = (Some(first), 0, 0);
    // While these are run, others come: a commit for more of them costs little more.
    while let Some((weight, first)) = next {
        let mut jobs = vec![first];
        total_weight += weight;
        while writes + jobs.len() < MAX_BATCH_WRITES
            && total_weight < MAX_BATCH_WEIGHT
            && let Some((weight, job)) = queue.pop_lighter(HEAVY)
        {
            jobs.push(job);
            total_weight += weight;
        }
        writes += jobs.len();
        for task in group_into_tasks(jobs) {
            match catch_unwind(AssertUnwindSafe(|| task.run(&mut transaction))) {
                Ok(answer) => answers.push(answer),
                Err(_) => transaction.mark_failed("a write panicked; what was to be committed with it is undone"),
            }
        }
        arriving.try_iter().for_each(|waiting| queue.push(waiting));
        let has_room = writes < MAX_BATCH_WRITES && total_weight < MAX_BATCH_WEIGHT && begun.elapsed() < BATCH_WINDOW;
        next = if has_room { queue.pop_lighter(HEAVY) } else { None };
    }
    if let Err(fault) = may_commit() {
        transaction.mark_failed(&fault);
    }
    let committed = transaction.commit();
    if let Err(fault) = &committed
        && let Some(left_out) = LINES.admit("not-committed", "")
    {
        tracing::error!(%fault, left_out, "a transaction could not be committed");
    }
    for answer in answers {
        answer(committed.clone());
    }
    u32::try_from(writes).unwrap_or(u32::MAX)
}

/// The transaction of a batch.
pub(super) struct BatchTransaction<'c> {
    connection: &'c mut AnyConnection,
    /// Why nothing more may be stored in it, if so.
    fault: Option<String>,
    /// Whether anything was stored in it.
    is_empty: bool,
}

impl<'c> BatchTransaction<'c> {
    /// Takes the write lock at once: a transaction that starts as a reader could not wait for it later.
    fn begin(connection: &'c mut AnyConnection) -> Self {
        let fault = begin(connection).err();
        Self { connection, fault, is_empty: true }
    }

    /// Runs a job. An error undoes all of it, and nothing of another.
    ///
    /// # Errors
    /// That of the job, or why it cannot be stored.
    pub fn all_or_nothing<T>(&mut self, job: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        if let Some(fault) = &self.fault {
            // Without a transaction a savepoint would be a real one and outlive a failed commit: refuse.
            return Err(Error::unavailable(fault));
        }
        if self.is_empty {
            return self.run_first(job);
        }
        // In a transaction this is a savepoint.
        let result = self.connection.transaction(job);
        self.fault = check_still_open(self.connection).err();
        result
    }

    /// What is first needs no savepoint, for which SQLite would keep what every page was before: there is nothing else to undo.
    fn run_first<T>(&mut self, job: impl FnOnce(&mut AnyConnection) -> Result<T>) -> Result<T> {
        let result = job(self.connection);
        if result.is_ok() {
            self.is_empty = false;
            self.fault = check_still_open(self.connection).err();
        } else {
            roll_back(self.connection);
            self.fault = begin(self.connection).err();
        }
        result
    }

    fn mark_failed(&mut self, fault: &str) {
        self.fault = Some(fault.to_owned());
    }

    fn commit(self) -> std::result::Result<(), String> {
        let committed = self.fault.map_or_else(|| commit(self.connection), Err);
        if committed.is_err() {
            // The next batch must start from nothing, whatever a failed commit or a panic left open.
            roll_back(self.connection);
        }
        committed
    }
}

impl WriteTask {
    fn run(self, transaction: &mut BatchTransaction<'_>) -> CommitCallback {
        match self {
            Self::Single(closure) => closure(transaction),
            Self::Batch(asks) => BatchWrite::store_all(asks, transaction),
        }
    }
}

/// Puts writes of one kind together. The largest task comes first: it is the one that needs no savepoint.
fn group_into_tasks(jobs: Vec<WriteJob>) -> Vec<WriteTask> {
    let mut tasks: Vec<WriteTask> = Vec::with_capacity(jobs.len());
    for job in jobs {
        let batch_write = match job {
            WriteJob::Single(closure) => {
                tasks.push(WriteTask::Single(closure));
                continue;
            }
            WriteJob::Batched(batch_write) => batch_write,
        };
        let same_kind = tasks.iter_mut().find_map(|task| match task {
            WriteTask::Batch(asks) if asks.first().is_some_and(|first| first.is_same_kind(&batch_write)) => Some(asks),
            _ => None,
        });
        match same_kind {
            Some(asks) => asks.push(batch_write),
            None => tasks.push(WriteTask::Batch(vec![batch_write])),
        }
    }
    tasks.sort_by_key(|task| match task {
        WriteTask::Single(_) => Reverse(1),
        WriteTask::Batch(asks) => Reverse(asks.len()),
    });
    tasks
}

fn begin(connection: &mut AnyConnection) -> std::result::Result<(), String> {
    let AnyConnection::Sqlite(sqlite) = connection else {
        return Err("only SQLite has a writer thread".to_owned());
    };
    AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE").map_err(|fault| fault.to_string())
}

/// Whether the batch's transaction is open, and nothing in it: SQLite itself ends it when the disk is full or fails.
fn check_still_open(connection: &mut AnyConnection) -> std::result::Result<(), String> {
    let status = <AnyConnection as diesel::Connection>::TransactionManager::transaction_manager_status_mut(connection);
    match status.transaction_depth() {
        Ok(Some(depth)) if depth.get() == 1 => Ok(()),
        _ => Err("the database ended the transaction; what was to be committed with it is undone".to_owned()),
    }
}

fn commit(connection: &mut AnyConnection) -> std::result::Result<(), String> {
    <AnyConnection as diesel::Connection>::TransactionManager::commit_transaction(connection)
        .map_err(|fault| fault.to_string())
}

fn roll_back(connection: &mut AnyConnection) {
    if let AnyConnection::Sqlite(sqlite) = connection {
        while AnsiTransactionManager::rollback_transaction(sqlite).is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use diesel::{RunQueryDsl as _, connection::SimpleConnection as _, sql_query, sql_types::Text};

    use super::*;
    use crate::db::{DatabaseAddress, fixture::database};

    #[derive(diesel::QueryableByName)]
    struct Note {
        #[diesel(sql_type = Text)]
        text: String,
    }

    /// A database with a table for notes.
    fn notebook() -> (tempfile::TempDir, AnyConnection) {
        let (folder, mut c) = database();
        c.batch_execute("CREATE TABLE notes (text TEXT NOT NULL)").unwrap();
        (folder, c)
    }

    fn add(c: &mut AnyConnection, text: &str) -> Result<()> {
        sql_query("INSERT INTO notes (text) VALUES (?)").bind::<Text, _>(text).execute(sqlite(c))?;
        Ok(())
    }

    fn sqlite(c: &mut AnyConnection) -> &mut diesel::SqliteConnection {
        match c {
            AnyConnection::Sqlite(c) => c,
            AnyConnection::Postgres(_) => panic!("these tests are about SQLite"),
        }
    }

    fn notes(c: &mut AnyConnection) -> Vec<String> {
        let notes: Vec<Note> = sql_query("SELECT text FROM notes ORDER BY rowid").load(sqlite(c)).unwrap();
        notes.into_iter().map(|note| note.text).collect()
    }

    fn note(text: &'static str) -> (WriteJob, oneshot::Receiver<Result<()>>) {
        prepare_job(move |c| add(c, text))
    }

    /// Commits these together.
    fn commit_all<const N: usize>(c: &mut AnyConnection, jobs: [WriteJob; N]) {
        let mut queue = FairQueue::default();
        jobs.into_iter().for_each(|job| queue.push(queued_for_system(job)));
        let first = queue.pop().unwrap();
        commit_batch(c, first, &mut queue, &channel().1, || Ok(()));
    }

    fn queued_for_system(job: WriteJob) -> QueuedWrite<WriteJob> {
        QueuedWrite { workload: Workload::Pages, lane: Lane::SYSTEM, weight: 1, job }
    }

    fn is_unavailable<T>(outcome: &mut oneshot::Receiver<Result<T>>) -> bool {
        matches!(outcome.try_recv(), Ok(Err(Error::Unavailable(_))))
    }

    fn is_stored<T>(outcome: &mut oneshot::Receiver<Result<T>>) -> bool {
        matches!(outcome.try_recv(), Ok(Ok(_)))
    }

    #[test]
    fn an_error_undoes_its_own_closure_alone() {
        let (_folder, mut c) = notebook();
        let (first, mut first_outcome) = note("first");
        let (bad, mut bad_outcome) = prepare_job(|c| add(c, "bad").and(Err::<(), _>(Error::Forbidden)));
        let (last, mut last_outcome) = note("last");
        commit_all(&mut c, [first, bad, last]);
        assert!(is_stored(&mut first_outcome) && is_stored(&mut last_outcome));
        assert!(matches!(bad_outcome.try_recv(), Ok(Err(Error::Forbidden))));
        assert_eq!(notes(&mut c), ["first", "last"]);
    }

    #[test]
    fn a_failing_first_write_is_undone_and_the_others_are_stored() {
        let (_folder, mut c) = notebook();
        let bad = || prepare_job(|c| add(c, "bad").and(Err::<(), _>(Error::Forbidden)));
        let ((first, mut first_outcome), (second, mut second_outcome)) = (bad(), bad());
        let (last, mut last_outcome) = note("last");
        commit_all(&mut c, [first, second, last]);
        assert!(matches!(first_outcome.try_recv(), Ok(Err(Error::Forbidden))));
        assert!(matches!(second_outcome.try_recv(), Ok(Err(Error::Forbidden))));
        assert!(is_stored(&mut last_outcome));
        assert_eq!(notes(&mut c), ["last"]);
    }

    #[test]
    fn a_first_write_too_large_for_the_disk_leaves_room_for_others() {
        let (_folder, mut c) = notebook();
        c.batch_execute("PRAGMA max_page_count = 1").unwrap();
        let (large, mut large_outcome) = prepare_job(|c| add(c, &"x".repeat(1_000_000)));
        let (last, mut last_outcome) = note("last");
        commit_all(&mut c, [large, last]);
        assert!(is_unavailable(&mut large_outcome) && is_stored(&mut last_outcome));
        assert_eq!(notes(&mut c), ["last"]);
    }

    #[test]
    fn a_panic_undoes_its_batch_and_the_next_batch_is_stored() {
        let (_folder, mut c) = notebook();
        let (first, mut first_outcome) = note("first");
        let (bad, mut bad_outcome) = prepare_job(|c| -> Result<()> {
            add(c, "bad")?;
            panic!("a test's panic")
        });
        let (last, mut last_outcome) = note("last");
        commit_all(&mut c, [first, bad, last]);
        assert!(is_unavailable(&mut first_outcome) && is_unavailable(&mut last_outcome));
        assert!(bad_outcome.try_recv().is_err(), "it is told that it panicked");
        assert_eq!(notes(&mut c), Vec::<String>::new());
        let (next, mut next_outcome) = note("next");
        commit_all(&mut c, [next]);
        assert!(is_stored(&mut next_outcome));
        assert_eq!(notes(&mut c), ["next"]);
    }

    #[test]
    fn a_locked_database_fails_every_waiting_write() {
        let (folder, mut c) = notebook();
        c.batch_execute("PRAGMA busy_timeout = 1").unwrap();
        let mut other = DatabaseAddress::Sqlite(folder.path().join("belfry.db")).connect().unwrap();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let ((first, mut first_outcome), (second, mut second_outcome)) = (note("first"), note("second"));
        commit_all(&mut c, [first, second]);
        assert!(is_unavailable(&mut first_outcome) && is_unavailable(&mut second_outcome));
        other.batch_execute("ROLLBACK").unwrap();
        let (next, mut next_outcome) = note("next");
        commit_all(&mut c, [next]);
        assert!(is_stored(&mut next_outcome));
        assert_eq!(notes(&mut c), ["next"]);
    }

    #[test]
    fn a_full_disk_fails_every_write_of_the_batch() {
        let (_folder, mut c) = notebook();
        c.batch_execute("PRAGMA max_page_count = 1").unwrap();
        let (first, mut first_outcome) = note("first");
        let (large, mut large_outcome) = prepare_job(|c| add(c, &"x".repeat(1_000_000)));
        let (last, mut last_outcome) = note("last");
        commit_all(&mut c, [first, large, last]);
        assert!(is_unavailable(&mut large_outcome), "it did not fit");
        assert!(is_unavailable(&mut first_outcome) && is_unavailable(&mut last_outcome));
        assert_eq!(notes(&mut c), Vec::<String>::new());
        c.batch_execute("PRAGMA max_page_count = 1000000").unwrap();
        let (next, mut next_outcome) = note("next");
        commit_all(&mut c, [next]);
        assert!(is_stored(&mut next_outcome));
        assert_eq!(notes(&mut c), ["next"]);
    }

    /// A note that is stored together with others, how many at a time is written beside it.
    struct BatchedNote(&'static str);

    impl Batchable for BatchedNote {
        type Output = usize;

        fn store_batch(c: &mut AnyConnection, all: &[&Self]) -> Result<Vec<usize>> {
            for Self(text) in all {
                add(c, text)?;
                match *text {
                    "bad" => return Err(Error::Forbidden),
                    "panic" => panic!("a test's panic"),
                    _ => {}
                }
            }
            Ok(vec![all.len(); all.len()])
        }
    }

    fn batched_note(text: &'static str) -> (WriteJob, oneshot::Receiver<Result<usize>>) {
        let (ask, outcome) = BatchWrite::new(BatchedNote(text), Metrics::default());
        (WriteJob::Batched(ask), outcome)
    }

    #[test]
    fn writes_of_one_kind_share_a_transaction_and_get_own_results() {
        let (_folder, mut c) = notebook();
        let ((first, mut first_outcome), (last, mut last_outcome)) = (batched_note("first"), batched_note("last"));
        let (other, mut other_outcome) = note("other");
        commit_all(&mut c, [first, other, last]);
        assert!(matches!(first_outcome.try_recv(), Ok(Ok(2))) && matches!(last_outcome.try_recv(), Ok(Ok(2))));
        assert!(is_stored(&mut other_outcome));
        assert_eq!(notes(&mut c), ["first", "last", "other"]);
    }

    #[test]
    fn a_failing_batched_write_does_not_fail_the_others() {
        let (_folder, mut c) = notebook();
        let (first, mut first_outcome) = batched_note("first");
        let (bad, mut bad_outcome) = batched_note("bad");
        let (last, mut last_outcome) = batched_note("last");
        commit_all(&mut c, [first, bad, last]);
        assert!(matches!(first_outcome.try_recv(), Ok(Ok(1))) && matches!(last_outcome.try_recv(), Ok(Ok(1))));
        assert!(matches!(bad_outcome.try_recv(), Ok(Err(Error::Forbidden))));
        assert_eq!(notes(&mut c), ["first", "last"]);
    }

    #[test]
    fn a_panic_in_a_batched_write_undoes_only_its_batch() {
        let (_folder, mut c) = notebook();
        let ((first, mut first_outcome), (bad, mut bad_outcome)) = (batched_note("first"), batched_note("panic"));
        commit_all(&mut c, [first, bad]);
        assert!(first_outcome.try_recv().is_err() && bad_outcome.try_recv().is_err(), "they are told that it panicked");
        assert_eq!(notes(&mut c), Vec::<String>::new());
        let (next, mut next_outcome) = batched_note("next");
        commit_all(&mut c, [next]);
        assert!(is_stored(&mut next_outcome));
        assert_eq!(notes(&mut c), ["next"]);
    }

    #[test]
    fn a_full_disk_stores_no_batched_write_outside_the_transaction() {
        let (_folder, mut c) = notebook();
        c.batch_execute("PRAGMA max_page_count = 1").unwrap();
        let large: &'static str = "x".repeat(1_000_000).leak();
        let ((first, mut first_outcome), (large, mut large_outcome)) = (batched_note("first"), batched_note(large));
        let (last, mut last_outcome) = batched_note("last");
        commit_all(&mut c, [first, large, last]);
        assert!(is_unavailable(&mut first_outcome) && is_unavailable(&mut large_outcome));
        assert!(is_unavailable(&mut last_outcome));
        assert_eq!(notes(&mut c), Vec::<String>::new());
    }

    #[test]
    fn writes_beyond_the_batch_limit_wait_for_the_next_batch() {
        let (_folder, mut c) = notebook();
        let (first, mut first_outcome) = note("first");
        let mut queue = FairQueue::default();
        (0..MAX_BATCH_WRITES).for_each(|_| queue.push(queued_for_system(note("waits").0)));
        let written = commit_batch(&mut c, (1, first), &mut queue, &channel().1, || Ok(()));
        assert!(written <= u32::try_from(MAX_BATCH_WRITES).unwrap() && is_stored(&mut first_outcome));
        let left = std::iter::from_fn(|| queue.pop()).count();
        assert_eq!(
            left + usize::try_from(written).unwrap(),
            MAX_BATCH_WRITES + 1,
            "nothing was taken out that was not stored"
        );
    }

    #[test]
    fn a_transaction_is_bounded_by_the_work_of_its_writes() {
        let (_folder, mut c) = notebook();
        let mut queue = FairQueue::default();
        (0..4).for_each(|_| {
            queue.push(QueuedWrite { weight: MAX_BATCH_WEIGHT / 2, ..queued_for_system(note("large").0) })
        });
        let first = queue.pop().unwrap();
        assert!(commit_batch(&mut c, first, &mut queue, &channel().1, || Ok(())) <= 2);
    }

    #[test]
    fn a_write_is_committed_before_a_heavy_one_behind_it_begins() {
        let (_folder, mut c) = notebook();
        let ((light, mut light_outcome), (heavy, mut heavy_outcome)) = (note("light"), note("heavy"));
        let mut queue = FairQueue::default();
        queue.push(queued_for_system(light));
        queue.push(QueuedWrite { weight: HEAVY, ..queued_for_system(heavy) });
        let first = queue.pop().unwrap();
        assert_eq!(commit_batch(&mut c, first, &mut queue, &channel().1, || Ok(())), 1);
        assert!(is_stored(&mut light_outcome) && !is_stored(&mut heavy_outcome));
        let next = queue.pop().unwrap();
        commit_batch(&mut c, next, &mut queue, &channel().1, || Ok(()));
        assert!(is_stored(&mut heavy_outcome));
    }

    #[test]
    fn a_write_is_in_the_next_batch_however_many_other_tenants_queue() {
        let (_folder, mut c) = notebook();
        let of = |tenant| Lane::for_tenant(crate::db::TenantId(tenant));
        let mut queue = FairQueue::default();
        for _ in 0..10 * MAX_BATCH_WRITES {
            queue.push(QueuedWrite { workload: Workload::Intake, lane: of(2), weight: 1, job: note("flood").0 });
        }
        let (alert, mut stored) = note("alert");
        let (log_in, mut logged_in) = note("log-in");
        queue.push(QueuedWrite { workload: Workload::Intake, lane: of(1), weight: 1, job: alert });
        queue.push(queued_for_system(log_in));
        let first = queue.pop().unwrap();
        commit_batch(&mut c, first, &mut queue, &channel().1, || Ok(()));
        assert!(is_stored(&mut stored) && is_stored(&mut logged_in));
        let order = notes(&mut c);
        assert!(order.iter().take(4).filter(|note| *note != "flood").count() == 2, "{order:?}");
    }
}
