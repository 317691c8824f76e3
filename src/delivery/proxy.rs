//! The proxy that the operator names for calls of the vendors' robots.

use std::fmt;

use reqwest::Proxy;
use url::Url;

use crate::robots::parse_origin;
use crate::text::trim_invisible;

/// An http or https proxy. Its URL may hold a password: `Debug` masks it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct RobotProxy(Url);

impl RobotProxy {
    /// Reads `http(s)://[USER:PASSWORD@]HOST:PORT`; nothing at all is no proxy.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that does not repeat the URL.
    pub fn parse(text: &str) -> Result<Option<Self>, &'static str> {
        let text = trim_invisible(text);
        if text.is_empty() {
            return Ok(None);
        }
        let (scheme, rest) = text.split_once("://").ok_or("it must begin with http:// or https://")?;
        let (credentials, authority) =
            rest.rsplit_once('@').map_or((None, rest), |(user, authority)| (Some(user), authority));
        // The same rules as for any other origin, and then the name and password.
        let origin = parse_origin(&format!("{scheme}://{authority}"))?;
        let has_port = authority.trim_end_matches('/').rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        if !has_port {
            return Err("it must name the port");
        }
        let is_valid = |credentials: &str| {
            let (user, _) = credentials.split_once(':').unwrap_or((credentials, ""));
            let escaped = |byte: u8| byte.is_ascii_graphic() && !b"/?#@[]\\\"<>^`{|}".contains(&byte);
            !user.is_empty() && credentials.bytes().all(escaped) && credentials.matches(':').count() <= 1
        };
        if !credentials.is_none_or(is_valid) {
            return Err("its user name or password has characters that must be percent-encoded");
        }
        let url = credentials.map_or_else(|| Ok(origin), |_| Url::parse(text));
        url.map(|url| Some(Self(url))).map_err(|_| "it cannot be read")
    }

    /// The proxy for https as the client of the calls takes it.
    ///
    /// # Errors
    /// When the client does not take it.
    pub(super) fn to_reqwest_proxy(&self) -> reqwest::Result<Proxy> {
        Proxy::https(self.0.clone())
    }
}

impl fmt::Debug for RobotProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RobotProxy(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_an_origin_with_a_port_and_perhaps_a_name_and_password() {
        for good in [
            "http://proxy.corp.example:3128",
            " http://127.0.0.1:3128/ ",
            "https://proxy.corp.example:443",
            "http://ann:pa%2Fss@proxy.corp.example:3128",
            "http://ann@[fd00::1]:3128",
        ] {
            assert!(RobotProxy::parse(good).unwrap().is_some(), "{good}");
        }
        assert_eq!(RobotProxy::parse("\u{a0}"), Ok(None));
        for wrong in [
            "proxy.corp.example:3128",
            "http://proxy.corp.example",
            "http://[fd00::1]",
            "socks5://proxy.corp.example:1080",
            "http://proxy.corp.example:3128/path",
            "http://ann:pa/ss@proxy.corp.example:3128",
            "http://ann:pa?ss@proxy.corp.example:3128",
            "http://ann:p@ss@proxy.corp.example:3128",
            "http://:secret@proxy.corp.example:3128",
            "http://ann:a:b@proxy.corp.example:3128",
            "http://ann:pa ss@proxy.corp.example:3128",
            "http:proxy.corp.example:3128",
        ] {
            assert!(RobotProxy::parse(wrong).is_err(), "{wrong}");
        }
        let proxy = RobotProxy::parse("http://ann:s3cret@proxy.corp.example:3128").unwrap();
        assert_eq!(format!("{proxy:?}"), "Some(RobotProxy(***))");
    }
}
