//! Writes of several requests that are stored in one transaction.
//!
//! A burst of alerts is many small writes of one kind. Each alone would look up the same tenant, and have SQLite keep what every
//! page was before it; together they do so once.

use std::{any::Any, time::Instant};

use diesel::Connection as _;
use tokio::sync::oneshot;

use super::{
    AnyConnection,
    writer::{BatchTransaction, CommitCallback},
};
use crate::{
    error::{Error, Result},
    metrics::Metrics,
};

/// A write that can be stored together with others of its kind.
pub trait Batchable: Send + Sized + 'static {
    /// What each is answered with.
    type Output: Send + 'static;

    /// Stores all of these, and answers for each in their order. After an error nothing of any is kept, and each is tried
    /// alone, so that one that cannot be stored takes no other with it.
    ///
    /// # Errors
    /// When one of them cannot be stored.
    fn store_batch(c: &mut AnyConnection, all: &[&Self]) -> Result<Vec<Self::Output>>;

    /// How much work it is beside an ordinary write, by which a transaction is bounded.
    fn weight(&self) -> usize {
        1
    }
}

/// Stores one write alone, in a transaction of its own.
pub(super) fn store_in_own_transaction<T: Batchable>(c: &mut AnyConnection, write: &T) -> Result<T::Output> {
    c.transaction(|c| store_one(c, write))
}

fn store_one<T: Batchable>(c: &mut AnyConnection, write: &T) -> Result<T::Output> {
    store_checked(c, &[write])?.pop().ok_or_else(|| Error::internal("a write was not answered"))
}

fn store_checked<T: Batchable>(c: &mut AnyConnection, all: &[&T]) -> Result<Vec<T::Output>> {
    let stored = T::store_batch(c, all)?;
    if stored.len() == all.len() { Ok(stored) } else { Err(Error::internal("not each write was answered")) }
}

/// A write that waits for others of its kind.
pub(super) struct BatchWrite {
    pending: Box<dyn Any + Send>,
    store_fn: fn(Vec<Self>, &mut BatchTransaction<'_>) -> CommitCallback,
}

/// One write, and who waits for its outcome.
struct PendingWrite<T: Batchable> {
    write: T,
    requested_at: Instant,
    metrics: Metrics,
    span: tracing::Span,
    outcome: oneshot::Sender<Result<T::Output>>,
}

impl BatchWrite {
    /// The write as the writer takes it, and where its outcome comes out.
    pub fn new<T: Batchable>(write: T, metrics: Metrics) -> (Self, oneshot::Receiver<Result<T::Output>>) {
        let (outcome, receiver) = oneshot::channel();
        let pending =
            PendingWrite { write, requested_at: Instant::now(), metrics, span: tracing::Span::current(), outcome };
        (Self { pending: Box::new(pending), store_fn: store_pending::<T> }, receiver)
    }

    /// Whether both are of one kind.
    pub fn is_same_kind(&self, other: &Self) -> bool {
        (*self.pending).type_id() == (*other.pending).type_id()
    }

    /// Stores writes of one kind in the transaction.
    pub fn store_all(all: Vec<Self>, transaction: &mut BatchTransaction<'_>) -> CommitCallback {
        match all.first().map(|ask| ask.store_fn) {
            Some(store) => store(all, transaction),
            None => Box::new(|_| ()),
        }
    }
}

fn store_pending<T: Batchable>(all: Vec<BatchWrite>, transaction: &mut BatchTransaction<'_>) -> CommitCallback {
    let all: Vec<PendingWrite<T>> =
        all.into_iter().filter_map(|ask| ask.pending.downcast().ok()).map(|waiting| *waiting).collect();
    for waiting in &all {
        waiting.metrics.record_writer_wait(waiting.requested_at.elapsed());
    }
    let results = store_all_or_each(transaction, &all);
    Box::new(move |committed| {
        for (waiting, result) in all.into_iter().zip(results) {
            let answer = match &committed {
                Ok(()) => result,
                Err(fault) => result.and_then(|_| Err(Error::unavailable(fault))),
            };
            // The request may have been given up meanwhile; then nobody listens.
            drop(waiting.outcome.send(answer));
        }
    })
}

/// Stores all of them, or else each alone.
fn store_all_or_each<T: Batchable>(
    transaction: &mut BatchTransaction<'_>,
    all: &[PendingWrite<T>],
) -> Vec<Result<T::Output>> {
    if let [_, _, ..] = all {
        let writes: Vec<&T> = all.iter().map(|waiting| &waiting.write).collect();
        if let Ok(stored) = transaction.all_or_nothing(|c| store_checked(c, &writes)) {
            return stored.into_iter().map(Ok).collect();
        }
    }
    let store_alone_in_savepoint = |waiting: &PendingWrite<T>| {
        waiting.span.in_scope(|| transaction.all_or_nothing(|c| store_one(c, &waiting.write)))
    };
    all.iter().map(store_alone_in_savepoint).collect()
}
