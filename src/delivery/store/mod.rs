//! The delivery worker's rows: robots and their endpoints, the outbox, what is on the wire, and every call.
//!
//! An endpoint (a row of `endpoints`) is one webhook URL, shared by all tenants that use it. Whoever takes from its queue or records
//! a call locks that row first, so of all processes only one at a time decides for an endpoint, and nobody waits in a circle.

pub(super) mod claim;
pub(super) mod clock_jump;
pub(super) mod digest;
pub(super) mod endpoints;
pub(super) mod ledger;
pub(super) mod metrics;
pub(super) mod outbox;
pub(super) mod outcome;
pub(super) mod reroute;
pub(super) mod resend;
pub(super) mod retention;
pub(super) mod robots;
pub(super) mod seals;
