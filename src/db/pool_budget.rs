//! Who may use how many connections, and who waits without one.
//!
//! Whoever waits for a lock in the database holds a connection meanwhile. A flood of one kind of work would take them all, and
//! nobody could log in, nor any robot be rung, until it is over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, Semaphore};

/// The use of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Workload {
    /// Pages, and whatever the process does by itself.
    Pages,
    /// Posts of internal portals and monitoring systems.
    Intake,
    /// Claiming messages, and recording what robots answered.
    Delivery,
}

impl Workload {
    /// Every share.
    pub(super) const ALL: [Self; 3] = [Self::Pages, Self::Intake, Self::Delivery];

    /// How many connections to Postgres a process uses at most.
    pub(super) const TOTAL_CONNECTIONS: u32 =
        Self::Pages.connections() + Self::Intake.connections() + Self::Delivery.connections();

    const fn connections(self) -> u32 {
        match self {
            Self::Pages | Self::Intake => 5,
            Self::Delivery => 6,
        }
    }

    /// How many of them one lane has at a time, so that a flood of one tenant leaves others some.
    pub(super) const fn max_per_lane(self) -> usize {
        match self {
            Self::Pages => 3,
            Self::Intake => 2,
            Self::Delivery => Self::Delivery.connections() as usize,
        }
    }
}

/// As many permits as there are connections: a request waits here without holding a thread.
#[derive(Clone)]
pub struct PoolBudget {
    pages: Arc<Semaphore>,
    intake: Arc<Semaphore>,
    delivery: Arc<Semaphore>,
}

impl PoolBudget {
    /// Permits that everybody shares.
    pub fn shared(connections: u32) -> Self {
        let all = Arc::new(Semaphore::new(connections as usize));
        Self { pages: Arc::clone(&all), intake: Arc::clone(&all), delivery: all }
    }

    /// For each share its own.
    pub fn per_workload() -> Self {
        let sized_semaphore = |share: Workload| Arc::new(Semaphore::new(share.connections() as usize));
        Self {
            pages: sized_semaphore(Workload::Pages),
            intake: sized_semaphore(Workload::Intake),
            delivery: sized_semaphore(Workload::Delivery),
        }
    }

    /// Those of one share.
    pub fn semaphore(&self, workload: Workload) -> &Arc<Semaphore> {
        match workload {
            Workload::Pages => &self.pages,
            Workload::Intake => &self.intake,
            Workload::Delivery => &self.delivery,
        }
    }
}

/// The turns of this process's writers that would only wait for each other in the database.
#[derive(Clone, Default)]
pub struct KeyedMutex(Arc<Mutex<HashMap<i64, Weak<Turn<()>>>>>);

impl KeyedMutex {
    /// The next turn for a key, in the order in which they were asked for. It ends when it is dropped.
    pub async fn lock(&self, key: i64) -> OwnedMutexGuard<()> {
        self.mutex(key).lock_owned().await
    }

    fn mutex(&self, key: i64) -> Arc<Turn<()>> {
        let mut mutexes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mutexes.retain(|_, turn| turn.strong_count() > 0);
        match mutexes.get(&key).and_then(Weak::upgrade) {
            Some(turn) => turn,
            None => {
                let mutex = Arc::default();
                mutexes.insert(key, Arc::downgrade(&mutex));
                mutex
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn one_key_is_locked_in_turn_and_other_keys_do_not_wait() {
        let turns = KeyedMutex::default();
        let first = turns.lock(1).now_or_never().unwrap();
        let (mut second, other) = (Box::pin(turns.lock(1)), turns.lock(2).now_or_never());
        assert!(other.is_some() && second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().is_some());
        drop(other);
        let last = turns.lock(3).now_or_never();
        assert_eq!(turns.0.lock().unwrap().len(), 1, "turns that nobody has are forgotten");
        drop(last);
    }

    #[test]
    fn an_exhausted_workload_leaves_the_others_their_connections() {
        let permits = PoolBudget::per_workload();
        let flood: Vec<_> = std::iter::from_fn(|| permits.semaphore(Workload::Intake).try_acquire().ok()).collect();
        assert_eq!(flood.len(), Workload::Intake.connections() as usize);
        assert!(
            [Workload::Pages, Workload::Delivery]
                .into_iter()
                .all(|share| permits.semaphore(share).try_acquire().is_ok())
        );
    }
}
