//! What the handlers of this room work with.

use super::Snapshots;
use crate::{clock::Clock, db::Database, delivery::Waker};

/// Clones share everything.
#[derive(Clone)]
pub struct Tools {
    /// The database.
    pub db: Database,
    /// The time.
    pub clock: Clock,
    /// Wakes the delivery worker.
    pub waker: Waker,
    /// What alerts are decided by.
    pub snapshots: Snapshots,
}
