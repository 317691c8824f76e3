//! Belfry: a self-hosted portal that decides which message channels ring whom, and rings them so that no alert is lost.
//!
//! The map of the house, one room a line; `ARCHITECTURE.md` tells how they stand to each other.

pub mod clock;
pub mod courier;
pub mod db;
pub mod error;
pub mod language;
pub mod robots;
pub mod sandbox;
pub mod secrets;
