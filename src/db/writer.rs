//! Group commit on SQLite: one thread takes all closures that are waiting, runs each in its own savepoint, commits them
//! together, and only then answers.
//!
//! SQLite takes one writer at a time and a durable commit costs a disk flush. Committing everything that waits with
//! one flush is what lets many requests a second be on disk before their answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Instant,
};

use diesel::{
    Connection as _,
    connection::{AnsiTransactionManager, TransactionManager},
};
use tokio::sync::oneshot;

use super::AnyConnection;
use crate::{
    error::{Error, Result},
    metrics::Metrics,
};

/// The most closures one transaction takes, so that the first of them is not kept waiting for ever.
const BATCH: usize = 256;

/// Hands closures to the writer thread. The thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Writer {
    jobs: Sender<Job>,
    metrics: Metrics,
}

/// Runs in the transaction, or is told why there is none, and gives what is to be called with the outcome of the commit.
type Job = Box<dyn FnOnce(std::result::Result<&mut AnyConnection, String>) -> Answer + Send>;
type Answer = Box<dyn FnOnce(std::result::Result<(), String>)>;

impl Writer {
    /// Starts the thread with its own connection.
    pub fn start(connection: AnyConnection, metrics: Metrics) -> std::result::Result<Self, String> {
        let (jobs, waiting) = channel();
        let counting = metrics.clone();
        thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || serve(connection, &waiting, &counting))
            .map_err(|fault| format!("The writer thread could not be started: {fault}"))?;
        Ok(Self { jobs, metrics })
    }

    /// Runs the closure in a transaction of its own kind of all or nothing, and answers once it is on disk.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let (asked, metrics, span) = (Instant::now(), self.metrics.clone(), tracing::Span::current());
        let (job, outcome) = prepare(move |connection| {
            metrics.waited_for_writer(asked.elapsed());
            span.in_scope(|| job(connection))
        });
        self.jobs.send(job).map_err(|_| Error::unavailable("the writer has ended"))?;
        outcome.await.map_err(|_| Error::internal("a write panicked"))?
    }
}

/// The closure as the writer takes it, and where its outcome comes out.
fn prepare<T, F>(job: F) -> (Job, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
{
    let (sender, outcome) = oneshot::channel();
    let run: Job = Box::new(move |transaction| {
        let result = match transaction {
            // Nested in the batch's transaction, this is a savepoint: an error undoes this closure alone.
            Ok(connection) => connection.transaction(job),
            Err(fault) => Err(Error::unavailable(fault)),
        };
        Box::new(move |committed| {
            let answer = match committed {
                Ok(()) => result,
                Err(fault) => result.and_then(|_| Err(Error::unavailable(fault))),
            };
            // The request may have been given up meanwhile; then nobody listens.
            drop(sender.send(answer));
        })
    });
    (run, outcome)
}

fn serve(mut connection: AnyConnection, waiting: &Receiver<Job>, metrics: &Metrics) {
    while let Ok(first) = waiting.recv() {
        let batch = std::iter::once(first).chain(waiting.try_iter().take(BATCH - 1));
        metrics.committed(commit_together(&mut connection, batch));
    }
}

/// Runs a batch and answers how many closures it had.
fn commit_together(connection: &mut AnyConnection, batch: impl Iterator<Item = Job>) -> u32 {
    let mut state = begin(connection);
    let mut answers = Vec::new();
    let mut writes = 0;
    for job in batch {
        writes += 1;
        match &state {
            Ok(()) => match catch_unwind(AssertUnwindSafe(|| job(Ok(&mut *connection)))) {
                Ok(answer) => {
                    answers.push(answer);
                    state = still_open(connection);
                }
                Err(_) => state = Err("a write panicked; what was to be committed with it is undone".to_owned()),
            },
            // Without a transaction a closure's savepoint would be a real one and outlive a failed commit: refuse.
            Err(fault) => answers.push(job(Err(fault.clone()))),
        }
    }
    let committed = state.and_then(|()| commit(connection));
    if committed.is_err() {
        // The next batch must start from nothing, whatever a failed commit or a panic left open.
        roll_back(connection);
    }
    if let Err(fault) = &committed {
        tracing::error!(%fault, "a transaction could not be committed");
    }
    for answer in answers {
        answer(committed.clone());
    }
    writes
}

/// Takes the write lock at once: a transaction that starts as a reader could not wait for it later.
fn begin(connection: &mut AnyConnection) -> std::result::Result<(), String> {
    let AnyConnection::Sqlite(sqlite) = connection else {
        return Err("only SQLite has a writer thread".to_owned());
    };
    AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE").map_err(|fault| fault.to_string())
}

/// Whether the batch's transaction is open, and nothing in it: SQLite itself ends it when the disk is full or fails.
fn still_open(connection: &mut AnyConnection) -> std::result::Result<(), String> {
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
    use crate::db::{Address, fixture::database};

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

    fn note(text: &'static str) -> (Job, oneshot::Receiver<Result<()>>) {
        prepare(move |c| add(c, text))
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
        let (bad, mut bad_outcome) = prepare(|c| add(c, "bad").and(Err::<(), _>(Error::Forbidden)));
        let (last, mut last_outcome) = note("last");
        commit_together(&mut c, [first, bad, last].into_iter());
        assert!(is_stored(&mut first_outcome) && is_stored(&mut last_outcome));
        assert!(matches!(bad_outcome.try_recv(), Ok(Err(Error::Forbidden))));
        assert_eq!(notes(&mut c), ["first", "last"]);
    }

    #[test]
    fn a_panic_undoes_its_batch_and_says_so_and_the_next_batch_is_stored() {
        let (_folder, mut c) = notebook();
        let (first, mut first_outcome) = note("first");
        let (bad, mut bad_outcome) = prepare(|c| -> Result<()> {
            add(c, "bad")?;
            panic!("a test's panic")
        });
        let (last, mut last_outcome) = note("last");
        commit_together(&mut c, [first, bad, last].into_iter());
        assert!(is_unavailable(&mut first_outcome) && is_unavailable(&mut last_outcome));
        assert!(bad_outcome.try_recv().is_err(), "it is told that it panicked");
        assert_eq!(notes(&mut c), Vec::<String>::new());
        let (next, mut next_outcome) = note("next");
        commit_together(&mut c, std::iter::once(next));
        assert!(is_stored(&mut next_outcome));
        assert_eq!(notes(&mut c), ["next"]);
    }

    #[test]
    fn while_another_connection_holds_the_lock_every_waiting_write_is_told_that_nothing_was_stored() {
        let (folder, mut c) = notebook();
        c.batch_execute("PRAGMA busy_timeout = 1").unwrap();
        let mut other = Address::Sqlite(folder.path().join("belfry.db")).connect().unwrap();
        other.batch_execute("BEGIN IMMEDIATE").unwrap();
        let ((first, mut first_outcome), (second, mut second_outcome)) = (note("first"), note("second"));
        commit_together(&mut c, [first, second].into_iter());
        assert!(is_unavailable(&mut first_outcome) && is_unavailable(&mut second_outcome));
        other.batch_execute("ROLLBACK").unwrap();
        let (next, mut next_outcome) = note("next");
        commit_together(&mut c, std::iter::once(next));
        assert!(is_stored(&mut next_outcome));
        assert_eq!(notes(&mut c), ["next"]);
    }

    #[test]
    fn when_the_disk_is_full_nothing_of_the_batch_is_stored_and_every_write_is_told_so() {
        let (_folder, mut c) = notebook();
        c.batch_execute("PRAGMA max_page_count = 1").unwrap();
        let (first, mut first_outcome) = note("first");
        let (large, mut large_outcome) = prepare(|c| add(c, &"x".repeat(1_000_000)));
        let (last, mut last_outcome) = note("last");
        commit_together(&mut c, [first, large, last].into_iter());
        assert!(is_unavailable(&mut large_outcome), "it did not fit");
        assert!(is_unavailable(&mut first_outcome) && is_unavailable(&mut last_outcome));
        assert_eq!(notes(&mut c), Vec::<String>::new());
        c.batch_execute("PRAGMA max_page_count = 1000000").unwrap();
        let (next, mut next_outcome) = note("next");
        commit_together(&mut c, std::iter::once(next));
        assert!(is_stored(&mut next_outcome));
        assert_eq!(notes(&mut c), ["next"]);
    }
}
