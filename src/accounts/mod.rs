//! Accounts: setting the deployment up, logging in and out, lock-out, and a person's own account.

mod browser;
mod form;
mod log_in;
pub mod log_in_settings_pages;
mod model;
pub mod pages;
pub mod store;
mod tools;

pub use form::RenewCode;
pub use model::{AccountOrigin, InvalidUsername, LogInSettings, Username};
pub use tools::Tools;
