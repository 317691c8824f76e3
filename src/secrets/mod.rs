//! Secrets: sealing what must be read again, hashing what must only be recognised, and tokens that are shown once.

mod blocklist;
mod password_hash;
mod passwords;
mod sealing;
mod tokens;

pub use blocklist::Blocklist;
pub use passwords::{PasswordPlace, Passwords, Turn, UNUSABLE_HASH, Weakness, length_fault};
pub use sealing::{KeyRing, Place};
pub use tokens::{PlainToken, one_time_code, one_time_code_as_typed, random, same, six_digits};
