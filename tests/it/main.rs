//! The integration tests: the whole application over HTTP, each test on a database of its own, on SQLite and on Postgres.
//!
//! `harness/` starts things; every other file is one promise of the product.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

#[macro_use]
mod harness;

mod accounts;
mod advisories;
mod alerts;
mod architecture;
mod broken_stores;
mod canary;
mod channels;
mod check;
mod csrf;
mod demo;
mod dependencies;
mod digests;
mod directions;
mod env_sample;
mod fairness;
mod fan_out;
mod first_steps;
mod groups;
mod hearing;
mod home;
mod intake;
mod invitations;
mod kill;
mod ledger;
mod limits;
mod members;
mod mending;
mod migrations;
mod monitoring;
mod outage;
mod pages;
mod permissions;
mod permits;
mod portals;
mod proofs;
mod record;
mod refusals;
mod retention;
mod role_matrix;
mod rules;
mod schedules;
mod schema;
mod seen;
mod sessions;
mod start;
mod templates;
mod tenant_deletion;
mod tenants;
mod two_editors;
mod unchanged;
mod upgrade;
mod verification;
mod waking;
mod wrong_requests;
