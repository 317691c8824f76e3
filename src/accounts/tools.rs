//! What the handlers of this room work with.

use crate::{
    clock::Clock,
    db::Database,
    secrets::{KeyRing, Passwords},
};

/// Clones share everything.
#[derive(Clone)]
pub struct Tools {
    /// The database.
    pub db: Database,
    /// The time.
    pub clock: Clock,
    /// The keys behind subjects of lock-out.
    pub keys: KeyRing,
    /// The hashing of passwords.
    pub passwords: Passwords,
}
