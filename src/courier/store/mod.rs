//! The courier's rows: robots and their bells, the outbox, what is on the wire, and every call.
//!
//! A bell (a row of `paces`) is one robot URL, whoever rings it. Whoever takes from its queue or records a call locks
//! that row first, so of all processes only one at a time decides for a bell, and nobody waits in a circle.

pub(super) mod bells;
pub(super) mod claim;
pub(super) mod clean;
pub(super) mod complete;
pub(super) mod depth;
pub(super) mod fold;
pub(super) mod ledger;
pub(super) mod moving;
pub(super) mod outbox;
pub(super) mod resend;
pub(super) mod robots;
pub(super) mod seals;
pub(super) mod set_clock;
