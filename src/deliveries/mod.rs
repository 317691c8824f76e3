//! The Alert Delivery Record: what was sent to whom over which channel, how it ended and why.
//!
//! The rows are the courier's; this room reads them, and asks the courier to send again what failed.

mod export;
mod form;
mod model;
pub mod pages;
pub mod store;

pub use model::{first_sentence, reasons, state_badge, state_key};
