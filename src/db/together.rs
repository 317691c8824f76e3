//! What many requests ask for at the same time, stored for all of them at once.
//!
//! A burst of alerts is many small writes of one kind. Each alone would look up the same tenant, and have SQLite keep what every
//! page was before it; together they do so once.

use std::{any::Any, time::Instant};

use diesel::Connection as _;
use tokio::sync::oneshot;

use super::{
    AnyConnection,
    writer::{Answer, Transaction},
};
use crate::{
    error::{Error, Result},
    metrics::Metrics,
};

/// A write that can be stored together with others of its kind.
pub trait Together: Send + Sized + 'static {
    /// What each is answered with.
    type Stored: Send + 'static;

    /// Stores all of these, and answers for each in their order. After an error nothing of any is kept, and each is tried
    /// alone, so that one that cannot be stored takes no other with it.
    ///
    /// # Errors
    /// When one of them cannot be stored.
    fn store(c: &mut AnyConnection, all: &[&Self]) -> Result<Vec<Self::Stored>>;

    /// How much work it is beside an ordinary write, by which a transaction is bounded.
    fn weight(&self) -> usize {
        1
    }
}

/// Stores one write alone, in a transaction of its own.
pub(super) fn store_alone<T: Together>(c: &mut AnyConnection, what: &T) -> Result<T::Stored> {
    c.transaction(|c| store_one(c, what))
}

fn store_one<T: Together>(c: &mut AnyConnection, what: &T) -> Result<T::Stored> {
    store_each(c, &[what])?.pop().ok_or_else(|| Error::internal("a write was not answered"))
}

fn store_each<T: Together>(c: &mut AnyConnection, all: &[&T]) -> Result<Vec<T::Stored>> {
    let stored = T::store(c, all)?;
    if stored.len() == all.len() { Ok(stored) } else { Err(Error::internal("not each write was answered")) }
}

/// A write that waits for others of its kind.
pub(super) struct Ask {
    waiting: Box<dyn Any + Send>,
    store: fn(Vec<Self>, &mut Transaction<'_>) -> Answer,
}

/// One write, and who waits for its outcome.
struct Waiting<T: Together> {
    what: T,
    asked: Instant,
    metrics: Metrics,
    span: tracing::Span,
    outcome: oneshot::Sender<Result<T::Stored>>,
}

impl Ask {
    /// The write as the writer takes it, and where its outcome comes out.
    pub fn new<T: Together>(what: T, metrics: Metrics) -> (Self, oneshot::Receiver<Result<T::Stored>>) {
        let (outcome, stored) = oneshot::channel();
        let waiting = Waiting { what, asked: Instant::now(), metrics, span: tracing::Span::current(), outcome };
        (Self { waiting: Box::new(waiting), store: store::<T> }, stored)
    }

    /// Whether both are of one kind.
    pub fn is_like(&self, other: &Self) -> bool {
        (*self.waiting).type_id() == (*other.waiting).type_id()
    }

    /// Stores writes of one kind in the transaction.
    pub fn store_all(all: Vec<Self>, transaction: &mut Transaction<'_>) -> Answer {
        match all.first().map(|ask| ask.store) {
            Some(store) => store(all, transaction),
            None => Box::new(|_| ()),
        }
    }
}

fn store<T: Together>(all: Vec<Ask>, transaction: &mut Transaction<'_>) -> Answer {
    let all: Vec<Waiting<T>> =
        all.into_iter().filter_map(|ask| ask.waiting.downcast().ok()).map(|waiting| *waiting).collect();
    for waiting in &all {
        waiting.metrics.waited_for_writer(waiting.asked.elapsed());
    }
    let results = store_in(transaction, &all);
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
fn store_in<T: Together>(transaction: &mut Transaction<'_>, all: &[Waiting<T>]) -> Vec<Result<T::Stored>> {
    if let [_, _, ..] = all {
        let whats: Vec<&T> = all.iter().map(|waiting| &waiting.what).collect();
        if let Ok(stored) = transaction.all_or_nothing(|c| store_each(c, &whats)) {
            return stored.into_iter().map(Ok).collect();
        }
    }
    let alone =
        |waiting: &Waiting<T>| waiting.span.in_scope(|| transaction.all_or_nothing(|c| store_one(c, &waiting.what)));
    all.iter().map(alone).collect()
}
