//! An origin as a setting or a form names it: nothing of what is written is mended or left unused.

use crate::text::trim_invisible;
use url::{Host, Url};

/// The longest host name and the longest part of one, in characters (RFC 1035).
const LONGEST_NAME: usize = 253;
const LONGEST_PART: usize = 63;

/// Reads `scheme://host` or `scheme://host:port`, with at most a slash behind it. Invisible characters at the ends are dropped.
///
/// A URL parser would mend much more (a missing slash, `0x7f.1`, percent signs, a user name before an empty host), so that
/// something else would be named than what was written.
///
/// # Errors
/// What is wrong, as the end of a sentence.
pub fn parse_origin(text: &str) -> Result<Url, &'static str> {
    let text = trim_invisible(text);
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\%".contains(&byte)) {
        return Err("it has blanks or characters that no host has; write names in other letters in their xn-- form");
    }
    let (scheme, rest) = text.split_once("://").ok_or("it must begin with https:// or http://")?;
    let is_http = ["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
    if !is_http {
        return Err("it must begin with https:// or http://");
    }
    if rest.contains('@') {
        return Err("it must not contain a user name or password");
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err("leave out everything after the host and port");
    }
    let url = Url::parse(text).map_err(|_| "its host or port cannot be read")?;
    let host = url.host_str().unwrap_or_default();
    if let Some(Host::Domain(name)) = url.host() {
        check_name(name)?;
    }
    let port = authority.to_ascii_lowercase().strip_prefix(host).map(str::to_owned);
    let port = port.filter(|_| !host.is_empty()).ok_or("its host is written in an unusual way")?;
    let expected = url.port_or_known_default().unwrap_or_default();
    let is_plain = port.is_empty() || port.strip_prefix(':').is_some_and(|port| port == expected.to_string());
    if is_plain && expected != 0 { Ok(url) } else { Err("its port is not a number from 1 to 65535") }
}

/// Refuses a name that no host can have. Underscores are no letters of host names, but those of containers have them.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.contains('*') {
        return Err("* stands for no other host: name each one");
    }
    let is_part = |part: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let has_letter = part.bytes().any(|byte| byte.is_ascii_alphanumeric());
        has_letter
            && part.len() <= LONGEST_PART
            && part.bytes().all(is_known)
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    match name.len() <= LONGEST_NAME && name.split('.').all(is_part) {
        true => Ok(()),
        false => {
            Err("no host has this name: its parts between dots are letters, digits and hyphens, and none is empty")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port_as_they_are_written() {
        for (text, origin) in [
            ("https://belfry.example", "https://belfry.example"),
            ("HTTPS://Belfry.Example/", "https://belfry.example"),
            ("\u{feff}http://127.0.0.1:8080\u{a0}", "http://127.0.0.1:8080"),
            ("https://[::1]:8443", "https://[::1]:8443"),
            ("https://belfry.example:443", "https://belfry.example"),
            ("http://belfry_db-1:8080", "http://belfry_db-1:8080"),
            ("https://xn--jvrv1w.example", "https://xn--jvrv1w.example"),
        ] {
            assert_eq!(parse_origin(text).unwrap().origin().ascii_serialization(), origin, "{text}");
        }
    }

    #[test]
    fn origins_that_a_parser_would_repair_or_ignore_are_refused() {
        for text in [
            "",
            "belfry.example",
            "https:belfry.example",
            "https:/belfry.example",
            "https:\\\\belfry.example",
            "https:///belfry.example",
            "https://",
            "https://:8080",
            "https://belfry.example:",
            "https://belfry.example:0",
            "https://belfry.example:08443",
            "https://belfry.example:99999",
            "https://belfry.example//",
            "https://belfry.example/path",
            "https://belfry.example?q",
            "https://belfry.example#f",
            "https://@belfry.example",
            "https://ann@belfry.example",
            "https://belfry%2Eexample",
            "https://bel fry.example",
            "https://bel\tfry.example",
            "https://*",
            "https://*.example",
            "https://belfry..example",
            "https://.example",
            "https://belfry.example.",
            "https://-belfry.example",
            "https://belfry-.example",
            "https://_",
            "https://__.example",
            "https://bel!fry.example",
            "https://bel,fry.example",
            "https://'belfry.example'",
            "https://(belfry).example",
            "https://0x7f.1",
            "http://127.1",
            "https://belfry．example",
            "ftp://belfry.example",
            "postgres://belfry.example",
        ] {
            assert!(parse_origin(text).is_err(), "{text}");
        }
    }
}
