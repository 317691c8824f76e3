//! The stylesheet and the icon: embedded in the binary, compressed once, named by their content so that browsers keep
//! them for ever.

use std::{io::Write as _, sync::LazyLock};

use actix_web::{HttpRequest, HttpResponse, http::header, web::Path};
use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

struct StaticFile {
    path: String,
    media_type: &'static str,
    plain: &'static [u8],
    gzip: Vec<u8>,
}

impl StaticFile {
    fn new(stem: &str, extension: &str, media_type: &'static str, plain: &'static [u8]) -> Self {
        let hash: String = hex::encode(Sha256::digest(plain)).chars().take(16).collect();
        Self { path: format!("/static/{stem}.{hash}.{extension}"), media_type, plain, gzip: gzip(plain) }
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing into memory does not fail; were it to, the plain file is served.
    encoder.write_all(plain).and_then(|()| encoder.finish()).unwrap_or_default()
}

static STYLESHEET: LazyLock<StaticFile> = LazyLock::new(|| {
    StaticFile::new("belfry", "css", "text/css; charset=utf-8", include_bytes!("../../static/belfry.css"))
});
static ICON: LazyLock<StaticFile> =
    LazyLock::new(|| StaticFile::new("bell", "svg", "image/svg+xml", include_bytes!("../../static/bell.svg")));

/// The path of the stylesheet.
#[must_use]
pub fn stylesheet_path() -> &'static str {
    &STYLESHEET.path
}

/// The path of the icon.
#[must_use]
pub fn icon_path() -> &'static str {
    &ICON.path
}

/// Serves an embedded file.
///
/// # Errors
/// [`Error::NotFound`] for any other name.
pub async fn serve_static_file(request: HttpRequest, name: Path<String>) -> Result<HttpResponse> {
    let wanted = format!("/static/{name}");
    let file = [&STYLESHEET, &ICON].into_iter().find(|file| file.path == wanted).ok_or(Error::NotFound)?;
    let accepted = request.headers().get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let mut response = HttpResponse::Ok();
    response
        .insert_header((header::CONTENT_TYPE, file.media_type))
        .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((header::VARY, "accept-encoding"));
    if accepted.is_some_and(|accepted| accepted.contains("gzip")) && !file.gzip.is_empty() {
        return Ok(response.insert_header((header::CONTENT_ENCODING, "gzip")).body(file.gzip.as_slice()));
    }
    Ok(response.body(file.plain))
}
