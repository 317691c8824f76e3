//! A Postgres host that vanishes without a word: how soon libpq gives up waiting for it.
//!
//! A server that dies closes its connections. A machine that loses its power or its network does not: by the system's own
//! rules a query waits for it for a quarter of an hour, and an idle connection stands for two hours.

use std::borrow::Cow;

/// What libpq is told when the URL does not say otherwise ("Parameter Key Words" in its manual): to give up on a host that does
/// not take a connection within 5 seconds, to ask an idle one after 10 seconds and every 5 from then on, and to end a
/// connection when nothing that was sent has arrived for 15 (milliseconds are their unit). So a query ends within half a
/// minute after its host has vanished. Connections by a Unix socket take no notice.
const TCP_TIMEOUT_PARAMETERS: [(&str, &str); 5] = [
    ("connect_timeout", "5"),
    ("keepalives_idle", "10"),
    ("keepalives_interval", "5"),
    ("keepalives_count", "3"),
    ("tcp_user_timeout", "15000"),
];

/// The URL with these bounds. What it says itself stays, and so does what a service file or the environment may say:
/// `is_set` answers for a variable of the environment.
pub fn with_tcp_timeouts(url: &str, is_set: impl Fn(&str) -> bool) -> Cow<'_, str> {
    let parameters = url_parameters(url);
    let is_in_url = |key: &str| {
        let named = |parameter: &str| parameter.split('=').next() == Some(key);
        parameters.is_some_and(|parameters| parameters.split('&').any(named))
    };
    if is_in_url("service") || is_set("PGSERVICE") {
        return url.into();
    }
    let is_configured = |key: &str| is_in_url(key) || key == "connect_timeout" && is_set("PGCONNECT_TIMEOUT");
    let added = TCP_TIMEOUT_PARAMETERS
        .iter()
        .filter(|(key, _)| !is_configured(key))
        .map(|(key, value)| format!("{key}={value}"));
    let added: Vec<String> = added.collect();
    match (added.is_empty(), parameters) {
        (true, _) => url.into(),
        (false, None) => format!("{url}?{}", added.join("&")).into(),
        (false, Some("")) => format!("{url}{}", added.join("&")).into(),
        (false, Some(_)) => format!("{url}&{}", added.join("&")).into(),
    }
}

/// What stands behind the question mark, read as libpq reads a URL: a user and password, up to an `@` before any slash, may
/// hold a question mark too.
fn url_parameters(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let credentials = rest.find(['@', '/']).filter(|place| rest[*place..].starts_with('@'));
    let rest = credentials.map_or(rest, |place| &rest[place + 1..]);
    rest.split_once('?').map(|(_, parameters)| parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL_PARAMETERS: &str =
        "connect_timeout=5&keepalives_idle=10&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=15000";

    fn with_all_timeouts(url: &str) -> String {
        with_tcp_timeouts(url, |_| false).into_owned()
    }

    #[test]
    fn every_form_of_a_url_gets_the_timeouts_appended() {
        for (url, glue) in [
            ("postgres://host", "?"),
            ("postgresql://ann:s3cret@db.example:5432/belfry", "?"),
            ("postgres://postgres@one:1,two:2/belfry?target_session_attrs=read-write", "&"),
            ("postgres://postgres@%2Ftmp%2Fsocket/belfry", "?"),
            ("postgresql:///belfry?host=/tmp/socket&user=u", "&"),
            ("postgres://[::1]:5432/belfry?", ""),
            // libpq takes this for a password, whatever others make of it.
            ("postgres://u:pa?ss@host/belfry", "?"),
            ("postgres://u:pa?connect_timeout=1@host/belfry", "?"),
        ] {
            assert_eq!(with_all_timeouts(url), format!("{url}{glue}{ALL_PARAMETERS}"));
        }
    }

    #[test]
    fn timeouts_set_elsewhere_are_kept() {
        let own = with_all_timeouts("postgres://host/belfry?connect_timeout=2&tcp_user_timeout=0");
        let rest = "keepalives_idle=10&keepalives_interval=5&keepalives_count=3";
        assert_eq!(own, format!("postgres://host/belfry?connect_timeout=2&tcp_user_timeout=0&{rest}"));
        let all = format!("postgres://host/belfry?{ALL_PARAMETERS}");
        assert_eq!(with_all_timeouts(&all), all);
        let environment = with_tcp_timeouts("postgres://host/belfry", |name| name == "PGCONNECT_TIMEOUT");
        assert_eq!(environment, format!("postgres://host/belfry?{rest}&tcp_user_timeout=15000"));
        assert_eq!(with_tcp_timeouts("postgres://host/belfry", |name| name == "PGSERVICE"), "postgres://host/belfry");
        assert_eq!(with_all_timeouts("postgres:///?service=own"), "postgres:///?service=own");
    }
}
