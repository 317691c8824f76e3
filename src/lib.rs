//! Belfry: a self-hosted portal that decides which message channels ring whom, and rings them so that no alert is lost.
//!
//! The map of the house, one room a line; `ARCHITECTURE.md` tells how they stand to each other.

// The templates' escaper is named by the crate's name, so that the benches find it too.
extern crate self as belfry;

pub mod access; // who you are and what you may do
pub mod accounts; // set-up, log-in, lock-out, the own account
pub mod alerts; // what comes in, who hears it, what becomes of it
pub mod app; // one runnable application out of settings
pub mod audit; // who changed what
pub mod channels; // Message Channel Settings
pub mod check; // everything that is wrong with a deployment
pub mod clock; // the time
pub mod connections; // accepted connections and how many one address may hold
pub mod db; // SQLite or Postgres, reading and writing
pub mod deliveries; // the record of what was delivered
pub mod delivery; // from the outbox to the robot, and what became of it
pub mod demo; // the whole product to try
pub mod error; // what can go wrong
pub mod first_steps; // from an empty deployment to the first alert in a group
pub mod groups; // user groups
pub mod health; // alive, ready, and how it fares
pub mod language; // every text, in two languages
pub mod log; // log lines: bounded, and without unseen characters
pub mod members; // who is reached by which robot
pub mod metrics; // what the process counts of itself
pub mod people; // members as groups and schedules name them
pub mod portals; // what internal portals may post, and the doors they post to
pub mod refusals; // what is refused leaves a trace, bounded in number
pub mod retention; // how long what has ended is kept
pub mod robots; // what each vendor's robots want and answer
pub mod routes; // the URL map
pub mod sandbox; // robots that answer like the real ones
pub mod schedules; // shift schedules
pub mod secrets; // sealing, hashing, tokens
pub mod settings; // what the operator decides
pub mod stores; // the database and its key file
pub mod templates; // the words of messages
pub mod tenants; // tenants of the instance
pub mod text; // blank, trimmed, closed: rules for text of every entrance and exit
pub mod web; // what every page shares
