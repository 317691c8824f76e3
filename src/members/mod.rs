//! Members of a tenant: who they are, which role they have, and by which robots they are reached.

mod added;
mod broken;
mod edit;
mod form;
mod list;
mod model;
mod notice;
pub mod pages;
mod posted;
pub mod store;
mod stranded;
mod tools;
mod typed;
mod verify;

pub use broken::{Teller, look_after_broken_robots};
pub use form::EditAccount;
pub use model::{ContactChange, ContactState, Email, Phone, RobotChange, Status};
pub use posted::{PostedMember, Refused, Saved, Sender, save_posted};
pub use tools::Tools;
