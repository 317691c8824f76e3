//! What every page shares: strict reading of forms, the token against foreign forms, headers, the frame around a page,
//! error pages, and the embedded files.

mod body;
mod breakable;
mod csrf;
mod device;
mod errors;
mod escape;
mod flash;
mod form;
mod frame;
mod headers;
mod kept;
mod observe;
mod page_secret;
mod parameters;
mod request;
mod static_files;
mod times;
mod version;

pub use body::{check_length, read_body};
pub use breakable::breakable;
pub use csrf::{guard, visitor_cookie_name};
pub use device::{device_cookie, device_tokens};
pub use errors::{error_pages, unsaved_sessions};
pub use escape::Closing;
pub use flash::{Said, redirect, redirect_counting, redirect_saying};
pub use form::{FieldError, FieldErrors, Fields, Form, Query, filled, name, one_line, query_string, validated};
pub use frame::{Frame, NavGroup, NavLink, Shared, Viewer, language_cookie, wished_language};
pub use headers::{head_as_get, host_guard, is_internal, security_headers};
pub use observe::observe;
pub use page_secret::{keep_for_reload, kept_for_reload};
pub use parameters::{ListParameters, Parameters, Unread, is_page, refuse_parameters, swapped_days, unread};
pub use request::{accepts_pages, actor, address, agent, bearer_token, is_within, names_json, own_origin, own_page};
pub use static_files::{file, stylesheet_path};
pub use times::Times;
pub(crate) use version::edits;
pub use version::{Conflict, Edits, FormVersion, Outdated};

use actix_web::{HttpResponse, http::StatusCode, http::header::ContentType};

use crate::error::{Error, Result};

/// What nearly every page finds room in, in bytes, so that it does not move while it grows.
const PAGE_ROOM: usize = 32 * 1024;

/// Answers with a page.
///
/// # Errors
/// [`Error::Internal`] when the template fails.
pub fn page(status: StatusCode, template: &impl askama::Template) -> Result<HttpResponse> {
    let mut html = String::with_capacity(PAGE_ROOM);
    template.render_into(&mut html).map_err(Error::internal)?;
    Ok(HttpResponse::build(status).content_type(ContentType::html()).body(html))
}
