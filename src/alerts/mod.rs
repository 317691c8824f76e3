//! Alerts: they come in, find those who are to hear them, and are followed until they end.
//!
//! Every door (the form Fire Alert, internal portals, monitoring systems) makes an [`Incoming`] by the same rules and hands it to
//! [`take`], which stores the event, its receivers and what goes out to them in one transaction.

mod choose;
mod form;
mod matcher;
mod model;
mod rule_form;
pub mod rule_pages;
mod rule_words;
pub mod store;
mod take;
#[cfg(test)]
mod tests;
mod words;

pub use choose::{Call, Choice, Miss, Person, Pick, Sent, Verdict, reach};
pub use form::AlertFields;
pub use matcher::{Matcher, Operator};
pub use model::{EventStatus, Incoming, Receiver, Rule, Severity, Signal, Source, Window};
pub use take::{Context, Preview, Taken, preview, preview_with, take};
