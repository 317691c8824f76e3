//! Tenants of the instance: each with its own members, channels and records, kept apart from all others.

pub mod store;
