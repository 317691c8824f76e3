//! Message Channel Settings: which channels are on, for the instance and for each tenant.

mod form;
mod model;
pub mod pages;
pub mod store;

pub use model::{Mode, Settings, Switches, channel_key};
