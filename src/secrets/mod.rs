//! Secrets: sealing what must be read again, hashing what must only be recognised, and tokens that are shown once.

mod blocklist;
mod password_hash;
mod passwords;
mod sealing;
mod tokens;

pub use blocklist::Blocklist;
pub use passwords::{Passwords, RequestPermit, UNUSABLE_HASH, Weakness, WorkPermit, length_weakness};
pub use sealing::{AssociatedData, KeyRing};
pub use tokens::{
    PORTAL_TOKEN_PREFIX, PlainToken, constant_time_eq, one_time_code, one_time_code_as_typed, random_bytes,
    six_digit_code,
};
