//! Delivery: sends every message in the outbox to its robot. It loses none, and it keeps every robot's rate limit.
//!
//! A request writes a notice into the outbox ([`enqueue`]) in the same transaction as what the notice is about, and goes on.
//! The worker ([`DeliveryWorker`]) claims what is due, commits, calls the robot, and records the end; no transaction is open
//! during a call. Several processes may work on one database. What is claimed and never recorded goes out again with the same
//! identity, so a crash can double a message that was in flight, but not lose one.

mod address_vetting;
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
mod worker;

pub use digest::{DigestContext, DigestCounts, DigestLine, DigestRenderer, DigestRendererFactory};
pub use model::{
    AlertDetails, CallFault, DeliveryKind, DeliveryReason, DeliveryState, DeliveryStatus, Notice, UnreachableRecipient,
    reason_key,
};
pub use proxy::RobotProxy;
pub use retries::RetrySchedule;
pub use store::{
    ledger::{DeliveryTotals, Discrepancy, DiscrepancyReport, Finding, Ledger, load_ledger, load_totals},
    metrics::{QueueDepth, count_broken_robots, load_queue_depths},
    outbox::{Outbox, enqueue, enqueue_all, enqueue_sealed, load_delivery_status, record_unreachable},
    reroute::reroute_waiting,
    resend::{Resent, resend},
    retention::{
        count_deliveries_by_entry, delete_deliveries_of_alerts, delete_deliveries_of_entries, delete_empty_messages,
        delete_old_deliveries,
    },
    robots::{
        RobotState, clear_secret, find_robot_by_address, find_tested_robot, is_test_limited, lock_endpoints,
        reseal_robots, set_secret, upsert_robot, wake_all,
    },
    seals::{count_unreadable_values, list_sealed_bodies, newest_opens, reseal_bodies},
};
pub use worker::{CallSettings, DeliveryWorker, Heartbeat, Waker};
