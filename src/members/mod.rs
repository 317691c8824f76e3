//! Members of a tenant: who they are, which role they have, and by which robots they are reached.

pub mod store;
