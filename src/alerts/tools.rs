//! What the handlers of this room work with.

use super::Snapshots;
use crate::{clock::Clock, courier::Waker, db::Database};

/// Clones share everything.
#[derive(Clone)]
pub struct Tools {
    /// The database.
    pub db: Database,
    /// The time.
    pub clock: Clock,
    /// Wakes the courier.
    pub waker: Waker,
    /// What alerts are decided by.
    pub snapshots: Snapshots,
}
