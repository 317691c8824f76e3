//! Message templates: the words in which a group hears of an alert or a member, Belfry's own or a tenant's.
//!
//! The writer of a message loads its tenant's [`Templates`] and asks them for [`MessageText`]; that never fails, because an
//! alert must not be lost by a bad template. Administrators change the words on the pages of this room.

mod defaults;
mod digest;
mod engine;
mod example;
mod form;
mod model;
pub mod pages;
pub mod store;
mod tenant_templates;

pub use digest::digest_renderer;
pub use form::TemplateForm;
pub use model::{MessageReason, MessageText, TemplateError, TemplateSource, Variables, format_duration};
pub use tenant_templates::{MAX_MENTIONS, Templates};
