//! Who changed what, written in the same transaction as the change itself. Secrets are never in it.

mod model;
pub mod pages;
pub mod store;

pub use model::{ACTIONS, Change};
pub use store::{Effect, Entry, clean, record, record_changes, save_changes};
