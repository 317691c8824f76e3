//! Who changed what, written in the same transaction as the change itself. Secrets are never in it.

mod store;

pub use store::{Actor, Change, Entry, record};
