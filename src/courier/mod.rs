//! The courier takes every message from the database to its robot: it loses none, and no robot gets more than it can bear.
//!
//! A request writes a notice into the outbox ([`enqueue`]) in the same transaction as what the notice is about, and goes on.
//! The worker ([`Courier`]) claims what is due, commits, calls the robot, and records the end; no transaction is open
//! during a call. Several processes may work on one database. What is claimed and never recorded goes out again with the same
//! identity, so a crash can double a message that was in flight, but not lose one.

mod digest;
mod model;
mod pace;
mod policy;
mod proxy;
mod retries;
mod sender;
mod store;
#[cfg(test)]
mod tests;
mod vetting;
mod worker;

pub use digest::{About, Counts, Line, Speller, Wording};
pub use model::{AboutAlert, DeliveryState, Fault, Kind, Notice, Outcome, Reason, Unreached, reason_key};
pub use proxy::RobotProxy;
pub use retries::RetrySchedule;
pub use store::{
    clean::{clean_deliveries, clean_messages, deliveries_of_entries, remove_of_alerts, remove_of_entries},
    depth::{Queue, broken, queues},
    ledger::{Discrepancy, Finding, Ledger, Sums, Wrong, ledger, totals},
    moving::move_waiting,
    outbox::{Outbox, enqueue, enqueue_all, enqueue_sealed, outcome, unreached},
    resend::{Resent, resend},
    robots::{
        RobotState, clear_secret, known_robot, look_again, reseal, set_secret, take_bells, test_must_wait,
        tested_robot, upsert_robot,
    },
    seals::{newest_opens, reseal_bodies, sealed_bodies, unopened},
};
pub use worker::{CallSettings, Courier, Pulse, Waker};
