//! The Alert Delivery Record: what was sent to whom over which channel, how it ended and why.
//!
//! The rows are the delivery worker's; this room reads them, and asks the delivery worker to send again what failed.

mod export;
mod form;
mod model;
pub mod pages;
pub mod store;

pub use model::{first_sentence, selectable_reasons, state_badge, state_key};
