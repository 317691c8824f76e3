//! Alerts: they come in, find those who are to hear them, and are followed until they end.
//!
//! Every door (the form Fire Alert, internal portals, monitoring systems) makes an [`Incoming`] by the same rules and hands it to
//! [`take`], which stores the event, its receivers and what goes out to them in one transaction.

mod choose;
mod decider;
mod fan_out;
mod fire;
mod form;
mod handle;
mod list;
mod matcher;
mod model;
pub mod pages;
mod portal_names;
mod prepare;
mod rule_form;
pub mod rule_pages;
mod rule_words;
mod severity_words;
mod snapshot;
pub mod store;
mod suppressed;
mod take;
#[cfg(test)]
mod tests;
mod tools;
mod unheard;
mod words;

pub use choose::{Call, Choice, Miss, Person, Pick, Sent, Verdict, outcome_key, reach};
pub use fan_out::{expand_all, expand_forever};
pub use form::{AlertFields, LONGEST_CONTENT, LONGEST_LINK, LONGEST_TITLE, link_fault};
pub use handle::Handling;
pub use list::{Filter, Place};
pub use matcher::{Matcher, Operator};
pub use model::{EventStatus, Incoming, Receiver, Rule, Severity, Signal, Source, Window};
pub use portal_names::{PORTAL_LABEL, follow_portal_rename};
pub use severity_words::severity_of;
pub use snapshot::Snapshots;
pub use suppressed::SuppressedNotifier;
pub use take::{Context, Ingest, Prepared, Preview, Taken, preview, preview_with, take, take_all};
pub use tools::Tools;
pub use unheard::Unheard;
