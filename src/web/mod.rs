//! What every page shares: strict reading of forms, the token against foreign forms, headers, the frame around a page,
//! error pages, and the embedded files.

mod body;
mod breakable_username;
mod csrf;
mod device;
mod errors;
mod escape;
mod flash;
mod form;
mod form_version;
mod headers;
mod page_context;
mod page_secret;
mod parameters;
mod request;
mod request_log;
mod resubmit;
mod static_files;
mod times;

pub use body::{check_length, read_body};
pub use breakable_username::breakable_username;
pub use csrf::{csrf_guard, visitor_cookie_name};
pub use device::{device_cookie, device_tokens};
pub use errors::{error_pages, unsaved_session_pages};
pub use escape::Closing;
pub use flash::{FlashMessage, redirect, redirect_with_counted_flash, redirect_with_flash};
pub use form::{
    FieldError, FieldErrors, Fields, Form, Query, name, not_blank, query_string, single_line, validate_form,
};
pub(crate) use form_version::impl_edit_form;
pub use form_version::{EditConflict, EditForm, FieldConflict, FormVersion};
pub use headers::{head_as_get, host_guard, is_internal_request, security_headers};
pub use page_context::{NavGroup, NavLink, PageContext, Viewer, WebConfig, accepted_language, language_cookie};
pub use page_secret::{reload_cookie, reloaded_secret};
pub use parameters::{ListParameters, Parameters, Unread, is_page, refuse_parameters, swapped_days, unread};
pub use request::{
    accepts_pages, bearer_token, client_address, is_in_networks, names_json, own_origin, request_actor,
    safe_return_path, user_agent,
};
pub use request_log::log_request;
pub use static_files::{serve_static_file, stylesheet_path};
pub use times::Times;

use actix_web::{HttpResponse, http::StatusCode, http::header::ContentType};

use crate::error::{Error, Result};

/// What nearly every page finds room in, in bytes, so that it does not move while it grows.
const PAGE_BUFFER_BYTES: usize = 32 * 1024;

/// Answers with a page.
///
/// # Errors
/// [`Error::Internal`] when the template fails.
pub fn render_page(status: StatusCode, template: &impl askama::Template) -> Result<HttpResponse> {
    let mut html = String::with_capacity(PAGE_BUFFER_BYTES);
    template.render_into(&mut html).map_err(Error::internal)?;
    Ok(HttpResponse::build(status).content_type(ContentType::html()).body(html))
}
