//! Message templates: the words in which a group hears of an alert or a member, Belfry's own or a tenant's.
//!
//! Whoever writes a message loads its tenant's [`Templates`] and asks them for [`Words`]; that never fails, because an
//! alert must not be lost by a bad template. Administrators change the words on the pages of this room.

mod belfrys;
mod choice;
mod digest;
mod engine;
mod example;
mod form;
mod model;
pub mod pages;
pub mod store;

pub use choice::{MOST_MENTIONS, Templates};
pub use digest::speller;
pub use form::EditTemplate;
pub use model::{Fault, Reason, Source, Variables, Words, duration};
