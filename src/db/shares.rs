//! Who may use how many connections, and who waits without one.
//!
//! Whoever waits for a lock in the database holds a connection meanwhile. A flood of one kind of work would take them all, and
//! nobody could log in, nor any robot be rung, until it is over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard, Semaphore};

/// What connections are used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Share {
    /// Pages, and whatever the process does by itself.
    Pages,
    /// What internal portals and monitoring systems post.
    Intake,
    /// Claiming messages, and recording what robots answered.
    Courier,
}

impl Share {
    /// Every share.
    pub(super) const EACH: [Self; 3] = [Self::Pages, Self::Intake, Self::Courier];

    /// How many connections to Postgres a process uses at most.
    pub(super) const ALL: u32 = Self::Pages.size() + Self::Intake.size() + Self::Courier.size();

    const fn size(self) -> u32 {
        match self {
            Self::Pages | Self::Intake => 5,
            Self::Courier => 6,
        }
    }

    /// How many of them one lane has at a time, so that a flood of one tenant leaves others some.
    pub(super) const fn for_a_lane(self) -> usize {
        match self {
            Self::Pages => 3,
            Self::Intake => 2,
            Self::Courier => Self::Courier.size() as usize,
        }
    }
}

/// As many permits as there are connections: a request waits here without holding a thread.
#[derive(Clone)]
pub struct Permits {
    pages: Arc<Semaphore>,
    intake: Arc<Semaphore>,
    courier: Arc<Semaphore>,
}

impl Permits {
    /// Permits that everybody shares.
    pub fn in_common(connections: u32) -> Self {
        let all = Arc::new(Semaphore::new(connections as usize));
        Self { pages: Arc::clone(&all), intake: Arc::clone(&all), courier: all }
    }

    /// For each share its own.
    pub fn apart() -> Self {
        let of = |share: Share| Arc::new(Semaphore::new(share.size() as usize));
        Self { pages: of(Share::Pages), intake: of(Share::Intake), courier: of(Share::Courier) }
    }

    /// Those of one share.
    pub fn of(&self, share: Share) -> &Arc<Semaphore> {
        match share {
            Share::Pages => &self.pages,
            Share::Intake => &self.intake,
            Share::Courier => &self.courier,
        }
    }
}

/// The turns of this process's writers that would only wait for each other in the database.
#[derive(Clone, Default)]
pub struct Turns(Arc<Mutex<HashMap<i64, Weak<Turn<()>>>>>);

impl Turns {
    /// The next turn for a key, in the order in which they were asked for. It ends when it is dropped.
    pub async fn next(&self, key: i64) -> OwnedMutexGuard<()> {
        self.turn(key).lock_owned().await
    }

    fn turn(&self, key: i64) -> Arc<Turn<()>> {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        turns.retain(|_, turn| turn.strong_count() > 0);
        match turns.get(&key).and_then(Weak::upgrade) {
            Some(turn) => turn,
            None => {
                let turn = Arc::default();
                turns.insert(key, Arc::downgrade(&turn));
                turn
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn turns_of_one_key_follow_each_other_and_those_of_others_do_not_wait() {
        let turns = Turns::default();
        let first = turns.next(1).now_or_never().unwrap();
        let (mut second, other) = (Box::pin(turns.next(1)), turns.next(2).now_or_never());
        assert!(other.is_some() && second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().is_some());
        drop(other);
        let last = turns.next(3).now_or_never();
        assert_eq!(turns.0.lock().unwrap().len(), 1, "turns that nobody has are forgotten");
        drop(last);
    }

    #[test]
    fn a_share_that_is_used_up_leaves_the_others_theirs() {
        let permits = Permits::apart();
        let flood: Vec<_> = std::iter::from_fn(|| permits.of(Share::Intake).try_acquire().ok()).collect();
        assert_eq!(flood.len(), Share::Intake.size() as usize);
        assert!([Share::Pages, Share::Courier].into_iter().all(|share| permits.of(share).try_acquire().is_ok()));
    }
}
