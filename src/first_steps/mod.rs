//! The steps from an empty deployment to the first alert in a group, each with its state and the page where it is done.

mod model;
pub mod store;

pub use model::{FirstStep, FirstStepsProgress};
