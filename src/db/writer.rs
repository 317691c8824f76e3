//! Group commit on SQLite: one thread takes all closures that are waiting, runs each in its own savepoint, commits them
//! together, and only then answers.
//!
//! SQLite takes one writer at a time and a durable commit costs a disk flush. Committing everything that waits with
//! one flush is what lets many requests a second be on disk before their answer.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

use diesel::{
    Connection as _,
    connection::{AnsiTransactionManager, TransactionManager},
};
use tokio::sync::oneshot;

use super::AnyConnection;
use crate::error::{Error, Result};

/// The most closures one transaction takes, so that the first of them is not kept waiting for ever.
const BATCH: usize = 256;

/// Hands closures to the writer thread. The thread ends when the last clone is gone.
#[derive(Clone)]
pub struct Writer {
    jobs: Sender<Job>,
}

/// Runs in the transaction, and gives what is to be called with the outcome of the commit.
type Job = Box<dyn FnOnce(&mut AnyConnection) -> Answer + Send>;
type Answer = Box<dyn FnOnce(std::result::Result<(), String>)>;

impl Writer {
    /// Starts the thread with its own connection.
    pub fn start(connection: AnyConnection) -> std::result::Result<Self, String> {
        let (jobs, waiting) = channel();
        thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || serve(connection, &waiting))
            .map_err(|fault| format!("The writer thread could not be started: {fault}"))?;
        Ok(Self { jobs })
    }

    /// Runs the closure in a transaction of its own kind of all or nothing, and answers once it is on disk.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut AnyConnection) -> Result<T> + Send + 'static,
    {
        let (sender, outcome) = oneshot::channel();
        let run: Job = Box::new(move |connection| {
            // Nested in the batch's transaction, this is a savepoint: an error undoes this closure alone.
            let result = connection.transaction(job);
            Box::new(move |committed| {
                let answer = match committed {
                    Ok(()) => result,
                    Err(fault) => result.and_then(|_| Err(Error::unavailable(fault))),
                };
                // The request may have been given up meanwhile; then nobody listens.
                drop(sender.send(answer));
            })
        });
        self.jobs.send(run).map_err(|_| Error::unavailable("the writer has ended"))?;
        outcome.await.map_err(|_| Error::internal("a write panicked"))?
    }
}

fn serve(mut connection: AnyConnection, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let batch = std::iter::once(first).chain(waiting.try_iter().take(BATCH - 1));
        commit_together(&mut connection, batch);
    }
}

fn commit_together(connection: &mut AnyConnection, batch: impl Iterator<Item = Job>) {
    let mut state = begin(connection);
    let mut answers = Vec::new();
    for job in batch {
        // Without a transaction a closure's savepoint would be a real one and outlive a failed commit: refuse instead.
        if state.is_ok() {
            match catch_unwind(AssertUnwindSafe(|| job(connection))) {
                Ok(answer) => answers.push(answer),
                Err(_) => state = Err("a write panicked; what was to be committed with it is undone".to_owned()),
            }
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
}

/// Takes the write lock at once: a transaction that starts as a reader could not wait for it later.
fn begin(connection: &mut AnyConnection) -> std::result::Result<(), String> {
    let AnyConnection::Sqlite(sqlite) = connection else {
        return Err("only SQLite has a writer thread".to_owned());
    };
    AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE").map_err(|fault| fault.to_string())
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
