//! Alerts: ingest, routing to recipients, and the event lifecycle.
//!
//! Every source (the form Fire Alert, internal portals, monitoring systems) makes an [`IncomingAlert`] by the same rules and hands it to
//! [`ingest()`], which stores the event, its receivers and what goes out to them in one transaction.

mod decider;
mod fan_out;
mod fire_form;
mod form;
mod handling;
mod ingest;
mod list;
mod matcher;
mod model;
mod no_recipient;
mod notification;
pub mod pages;
mod portal_names;
mod prepare;
mod routing;
mod rule_form;
pub mod rule_pages;
mod rule_text;
mod severity_aliases;
mod snapshot;
pub mod store;
mod suppressed_notifier;
#[cfg(test)]
mod tests;
mod tools;

pub use fan_out::{expand_pending, run_fan_out};
pub use form::{AlertFields, MAX_CONTENT_BYTES, MAX_LINK_CHARS, MAX_TITLE_CHARS, link_error};
pub use handling::Handling;
pub use ingest::{
    AlertContext, IngestTransaction, Ingested, PreparedBatch, RoutingPreview, ingest, ingest_all, preview_routing,
    preview_routing_with_rule,
};
pub use list::{EventFilter, EventPosition};
pub use matcher::{Matcher, Operator};
pub use model::{EventStatus, IncomingAlert, Receiver, Rule, Severity, Signal, Source, Window};
pub use no_recipient::NoRecipientReason;
pub use portal_names::{PORTAL_LABEL, follow_portal_rename};
pub use routing::{
    Candidate, RecipientProfile, RobotDelivery, Routing, RuleHistory, Undeliverable, Verdict, outcome_key,
    resolve_recipients,
};
pub use severity_aliases::parse_severity_alias;
pub use snapshot::Snapshots;
pub use suppressed_notifier::SuppressedNotifier;
pub use tools::Tools;
