//! Alerts in the database. Every query takes the tenant first.

pub mod events;
pub mod people;
pub mod rules;
