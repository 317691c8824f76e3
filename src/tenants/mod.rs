//! Tenants: adding, editing, deleting and restoring them, and the home page of each.

mod chart;
mod form;
pub mod home_pages;
mod model;
pub mod pages;
pub mod store;

pub use model::{Details, InvalidSlug, Locale, Slug};
