//! Who you are and what you may do: the session, the membership, and one permission matrix that extractors enforce.
//!
//! A handler's argument list is its access rule: [`Can<EditMembers>`](Can) is only made for someone who may. It writes by
//! [`Can::write`], which checks the right again in the transaction.

mod extract;
mod matrix;
mod permit;
mod principal;
mod session;

/// Database lanes, which keep one tenant or address from delaying the others.
pub use crate::db::{Lane, in_lane};
pub use extract::{AnyoneSignedIn, Can, CanInstance};
pub use matrix::{
    Action, InstanceAction, MemberRights, Role, is_allowed, is_allowed_on_instance, may_change_role, may_edit,
    may_reinstate_suspended, may_remove, may_renew_code, permissions,
};
pub use permit::{Affected, WritePermit};
pub use principal::{Account, Actor, Membership, Principal, Tenant};
pub use session::{AccountSession, DatabaseSessionStore, NewSession, check_was_read, cookie_name, is_logged_in};
