//! The Alert Delivery Record: what was sent to whom over which channel, how it ended and why.
//!
//! The rows are the courier's; this room only reads them.

mod form;
mod model;
pub mod pages;
pub mod store;

pub use model::{state_badge, state_key};
