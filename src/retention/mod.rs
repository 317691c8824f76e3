//! How long the record is kept: what has ended is removed after so many days, in small steps, and what waits never.

mod clean;
mod form;
mod model;
pub mod pages;
pub mod store;

pub use clean::clean;
pub use model::{Removed, Retention, reaches};
