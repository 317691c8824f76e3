//! What the handlers of this room work with.

use crate::{
    clock::Clock,
    db::Database,
    delivery::Waker,
    robots::RobotOrigins,
    secrets::{KeyRing, Passwords},
};

/// Clones share everything.
#[derive(Clone)]
pub struct Tools {
    /// The database.
    pub db: Database,
    /// The time.
    pub clock: Clock,
    /// The keys that seal webhooks.
    pub keys: KeyRing,
    /// The hashing of one-time codes.
    pub passwords: Passwords,
    /// Where robots may live.
    pub origins: RobotOrigins,
    /// Wakes the delivery worker.
    pub waker: Waker,
}
