//! The bytes of a post as they are read: decompressed within a limit, and without a byte order mark.

use std::io::Read as _;

use actix_web::{HttpMessage as _, HttpRequest, http::header};
use flate2::bufread::MultiGzDecoder;

use super::problem::{Problem, Unreadable};
use crate::text::BYTE_ORDER_MARK;

/// A body as it was meant: its `Content-Encoding` undone, to at most so many bytes, without a byte order mark at its start.
///
/// # Errors
/// [`Problem::WrongCharset`] for another character set than UTF-8, [`Problem::WrongContentEncoding`] for any other encoding than gzip, [`Problem::TooLarge`] for what grows beyond the limit,
/// [`Problem::Malformed`] for what is not gzip.
pub fn decoded(request: &HttpRequest, body: Vec<u8>, largest: usize) -> Result<Vec<u8>, Problem> {
    let mut encodings = request.headers().get_all(header::CONTENT_ENCODING).flat_map(|value| {
        value.to_str().unwrap_or("?").split(',').map(|word| word.trim().to_ascii_lowercase()).collect::<Vec<_>>()
    });
    let body = match (encodings.next().as_deref(), encodings.next()) {
        (None | Some("identity" | ""), None) => body,
        (Some("gzip" | "x-gzip"), None) => unzipped(&body, largest)?,
        _ => return Err(Problem::WrongContentEncoding),
    };
    if is_of_another_charset(request, &body) { Err(Problem::WrongCharset) } else { Ok(without_mark(body)) }
}

/// Whether a body is said to be in another character set than UTF-8. Senders often name one that is not true of what is ASCII, and
/// then it does no harm, unless characters are of several bytes each.
fn is_of_another_charset(request: &HttpRequest, body: &[u8]) -> bool {
    let Ok(Some(media)) = request.mime_type() else { return false };
    let Some(charset) = media.get_param(mime::CHARSET) else { return false };
    let charset = charset.as_str().to_ascii_lowercase();
    let is_ours = ["utf-8", "utf8", "us-ascii", "ascii"].contains(&charset.as_str());
    !is_ours && (!body.is_ascii() || charset.starts_with("utf-16") || charset.starts_with("utf-32"))
}

fn unzipped(body: &[u8], largest: usize) -> Result<Vec<u8>, Problem> {
    let limit = u64::try_from(largest).unwrap_or(u64::MAX).saturating_add(1);
    let mut decoded = Vec::new();
    let read = MultiGzDecoder::new(body).take(limit).read_to_end(&mut decoded);
    match read {
        Ok(_) if decoded.len() > largest => Err(Problem::TooLarge),
        Ok(_) => Ok(decoded),
        Err(_) => Err(Problem::Malformed(Unreadable::NotGzip)),
    }
}

fn without_mark(mut body: Vec<u8>) -> Vec<u8> {
    let mut mark = [0; 4];
    if body.starts_with(BYTE_ORDER_MARK.encode_utf8(&mut mark).as_bytes()) {
        body.drain(..BYTE_ORDER_MARK.len_utf8());
    }
    body
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use actix_web::test::TestRequest;
    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn zipped(body: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    fn read(encoding: &[&str], body: &[u8]) -> Result<Vec<u8>, Problem> {
        let request = encoding
            .iter()
            .fold(TestRequest::post(), |request, encoding| request.append_header(("content-encoding", *encoding)));
        decoded(&request.to_http_request(), body.to_vec(), 1000)
    }

    #[test]
    fn gzip_is_decoded_as_far_as_the_limit_of_the_decoded_size() {
        let body = "{\"a\":\"磁盘\"}".as_bytes();
        for encoding in ["gzip", "GZIP", "x-gzip", " gzip "] {
            assert_eq!(read(&[encoding], &zipped(body)).unwrap(), body, "{encoding}");
        }
        assert_eq!(read(&["gzip"], &[zipped(b"{\"a\""), zipped(b":1}")].concat()).unwrap(), b"{\"a\":1}");
        assert_eq!(read(&[], body).unwrap(), body);
        assert_eq!(read(&["identity"], body).unwrap(), body);
        assert_eq!(read(&["gzip"], &zipped(&[b'a'; 1000])).unwrap().len(), 1000);
        assert!(matches!(read(&["gzip"], &zipped(&[b'a'; 1001])), Err(Problem::TooLarge)));
        assert!(matches!(read(&["gzip"], &zipped(&vec![b'a'; 10_000_000])), Err(Problem::TooLarge)));
    }

    #[test]
    fn what_is_not_gzip_is_refused_by_what_it_is() {
        for body in [&b""[..], b"{}", &zipped(b"{}")[..9], &zipped(b"{}")[..20]] {
            assert!(matches!(read(&["gzip"], body), Err(Problem::Malformed(Unreadable::NotGzip))), "{body:?}");
        }
        for encoding in [&["deflate"][..], &["br"], &["zstd"], &["gzip, gzip"], &["gzip", "gzip"], &["identity", "br"]]
        {
            assert!(matches!(read(encoding, &zipped(b"{}")), Err(Problem::WrongContentEncoding)), "{encoding:?}");
        }
    }

    #[test]
    fn one_byte_order_mark_at_the_start_is_ignored() {
        assert_eq!(read(&[], "\u{feff}{}".as_bytes()).unwrap(), b"{}");
        assert_eq!(read(&["gzip"], &zipped("\u{feff}{}".as_bytes())).unwrap(), b"{}");
        assert_eq!(read(&[], "\u{feff}\u{feff}{}".as_bytes()).unwrap(), "\u{feff}{}".as_bytes());
        assert_eq!(read(&[], b"\xef\xbb").unwrap(), b"\xef\xbb");
        assert_eq!(read(&[], "a\u{feff}".as_bytes()).unwrap(), "a\u{feff}".as_bytes());
    }
}
