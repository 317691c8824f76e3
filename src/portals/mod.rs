//! Internal portals: the systems that may post forms into a tenant, what they prove themselves with, and the doors they
//! post to.
//!
//! A portal's post is proven ([`intake::Post`]), read, and stored with everything that belongs to it in one transaction: the
//! nonce that it spends, the answer that its idempotency key stands for, and what it is about.

mod content;
mod example;
mod fields;
mod form;
pub mod intake;
mod json;
mod model;
mod monitoring;
pub mod pages;
mod problem;
mod refusals;
mod signing;
pub mod store;

pub use example::Examples;
pub use model::{Caller, Details, ReturnOrigins, Scope};
pub use problem::{Problem, Unreadable, answer_bare_errors};
pub use refusals::Refusals;
