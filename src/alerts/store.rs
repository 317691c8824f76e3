//! Alerts in the database. Every query takes the tenant first.

pub mod candidates;
pub mod events;
pub mod fan_outs;
pub mod handling;
pub mod list;
pub mod retention;
pub mod rules;
pub mod snapshots;
pub mod timeline;
