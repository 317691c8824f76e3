//! Shift schedules: whose turn it is to be rung, day after day.

mod form;
pub mod model;
pub mod pages;
pub mod store;

pub use model::{OnDuty, Schedule, Turn, Unit};
