//! Alerts in the database. Every query takes the tenant first.

pub mod clean;
pub mod events;
pub mod fan_outs;
pub mod handle;
pub mod list;
pub mod people;
pub mod rules;
pub mod show;
pub mod snapshots;
