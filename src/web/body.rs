//! Reading the body of a request: as much as it may be, and no longer than it may take.

use std::time::Duration;

use actix_web::{
    dev::Payload,
    http::header::{self, HeaderMap},
};
use futures_util::StreamExt as _;

use crate::error::{Error, Result};

/// Refuses a body by the length that its request states, before anything of it is awaited.
///
/// # Errors
/// [`Error::TooLarge`].
pub fn check_length(headers: &HeaderMap, largest: usize) -> Result<()> {
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let is_too_large = stated
        .and_then(|text| text.parse::<u64>().ok())
        .is_some_and(|stated| u64::try_from(largest).is_ok_and(|largest| stated > largest));
    if is_too_large { Err(Error::TooLarge) } else { Ok(()) }
}

/// Reads a body of at most so many bytes.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::BodyTimeout`], or [`Error::Malformed`] when the connection breaks off.
pub async fn read_body(payload: Payload, max_bytes: usize, timeout: Duration) -> Result<Vec<u8>> {
    tokio::time::timeout(timeout, collect(payload, max_bytes)).await.map_err(|_| Error::BodyTimeout)?
}

async fn collect(mut payload: Payload, max_bytes: usize) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Error::Malformed)?;
        if body.len() + chunk.len() > max_bytes {
            return Err(Error::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
