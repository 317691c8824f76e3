//! User groups: members under one name, for alert rules to ring together.

mod form;
mod model;
pub mod pages;
pub mod store;

pub use model::{Details, MOST_ADMINS};
