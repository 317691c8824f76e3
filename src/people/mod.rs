//! Members as groups, schedules and rules name them: by account, whether or not they still take part.

mod model;
pub mod store;

pub use model::{Person, Standing, joined, match_names, typed_names, words};
