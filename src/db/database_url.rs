//! What a database URL may say: everything of it is used, or it is refused.
//!
//! SQLite and libpq take much that starts something else than what was meant: an in-memory database for each connection, a file
//! named `belfry.db?mode=ro`, a host that is half a password, the last of two contradicting parameters.

use std::collections::BTreeSet;

/// Why a path is no file of a SQLite database, as the end of a sentence.
pub fn sqlite_path_error(path: &str) -> Option<&'static str> {
    match path {
        "" => Some("it names no file"),
        _ if path.contains(":memory:") => Some("every connection would have a database of its own, in memory"),
        _ if path.starts_with("file:") => Some("a file: URI is not read here: write the path behind sqlite://"),
        _ if path.contains(['?', '#']) => Some("parameters mean nothing here: leave out everything after the path"),
        _ if path.contains(['%', '$']) || path.starts_with('~') => {
            Some("%, $ and ~ are not expanded: write the path as it is")
        }
        _ if path.chars().any(char::is_control) => Some("the path has control characters"),
        _ if path.ends_with('/') => Some("the path is a folder: name a file in it"),
        _ => None,
    }
}

/// What stands between the commas of a Postgres URL's parts, read as libpq reads it.
struct UrlParts<'u> {
    credentials: Option<&'u str>,
    /// With ports, between commas.
    hosts: &'u str,
    database: &'u str,
    parameters: Option<&'u str>,
}

impl<'u> UrlParts<'u> {
    fn parse(url: &'u str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let end = rest.find(['@', '/']).filter(|index| rest.get(*index..).is_some_and(|rest| rest.starts_with('@')));
        let (credentials, rest) = match end {
            Some(index) => (rest.get(..index), rest.get(index + 1..)?),
            None => (None, rest),
        };
        let (rest, parameters) = rest.split_once('?').map_or((rest, None), |(rest, after)| (rest, Some(after)));
        let (hosts, database) = rest.split_once('/').unwrap_or((rest, ""));
        Some(Self { credentials, hosts, database, parameters })
    }
}

/// Why a URL does not mean one Postgres database, as the end of a sentence that repeats nothing of the URL but the names of
/// parameters.
pub fn postgres_url_error(url: &str) -> Option<String> {
    let Some(UrlParts { credentials, hosts, database, parameters }) = UrlParts::parse(url) else {
        return Some("it cannot be read".to_owned());
    };
    if url.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return Some("it has blanks, which must be percent-encoded".to_owned());
    }
    if [hosts, database].iter().any(|part| part.contains(['@', '#'])) {
        return Some(
            "characters like / ? # @ in a user name, password or database name must be percent-encoded".to_owned(),
        );
    }
    let mut names = BTreeSet::new();
    for parameter in parameters.into_iter().flat_map(|parameters| parameters.split('&')) {
        let Some((name, _)) = parameter.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            let empty = parameters.is_some_and(str::is_empty);
            if empty {
                continue;
            }
            return Some("it has a parameter that is not NAME=VALUE".to_owned());
        };
        if !names.insert(name) {
            return Some(format!("it names the parameter {name} twice"));
        }
    }
    let user = credentials.map(|credentials| credentials.split_once(':').map_or(credentials, |(user, _)| user));
    let has_password = credentials.is_some_and(|credentials| credentials.contains(':'));
    let has_port = hosts.split(',').any(|host| host.rsplit(']').next().unwrap_or_default().contains(':'));
    let components = [
        ("user", user.is_some_and(|user| !user.is_empty())),
        ("password", has_password),
        ("host", !hosts.is_empty()),
        ("port", has_port),
        ("dbname", !database.is_empty()),
    ];
    let duplicate = components.iter().find(|(name, is_stated)| *is_stated && names.contains(name));
    duplicate.map(|(name, _)| format!("it says the {name} twice, before the question mark and behind it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_as_it_stands_or_refused() {
        for good in ["data/belfry.db", "/var/lib/belfry/belfry.db", "数据/belfry.db", "a b.db", "C:db", "./x@y.db"] {
            assert_eq!(sqlite_path_error(good), None, "{good}");
        }
        for wrong in [
            "",
            ":memory:",
            "file:belfry.db",
            "file::memory:?cache=shared",
            "belfry.db?mode=ro",
            "/data/belfry.db#x",
            "my%20data/belfry.db",
            "~/belfry.db",
            "$HOME/belfry.db",
            "${DATA}/belfry.db",
            "data/",
            "data/belfry\n.db",
            "data/belfry\0.db",
        ] {
            assert!(sqlite_path_error(wrong).is_some(), "{wrong:?}");
        }
    }

    #[test]
    fn a_postgres_url_says_everything_once() {
        for good in [
            "postgres://",
            "postgres://db.example",
            "postgresql:///belfry?host=/run/postgresql&user=belfry",
            "postgres://ann:pa%2Fss@db.example:5432/belfry?sslmode=verify-full",
            "postgres://ann:pa?ss@db.example/belfry",
            "postgres://ann:a#b@db.example/belfry",
            "postgres://ann@one:1,two:2/belfry?target_session_attrs=read-write",
            "postgres://%2Frun%2Fpostgresql/belfry?port=5433",
            "postgres://[::1]/belfry?port=5433",
            "postgres://db.example/belfry?",
            "postgres://db.example/belfry?options=-c%20search_path%3Dx&password=a@b",
        ] {
            assert_eq!(postgres_url_error(good), None, "{good}");
        }
        for wrong in [
            "postgres://ann:pa/ss@db.example/belfry",
            "postgres://ann:12/34@db.example/belfry",
            "postgres://ann:p@ss@db.example/belfry",
            "postgres://db.example/belfry#x",
            "postgres://db.example/bel fry",
            "postgres://db.example/belfry\n",
            "postgres://db.example/belfry?sslmode=require&sslmode=disable",
            "postgres://db.example/belfry?host=other.example",
            "postgres://db.example:5432/belfry?port=5433",
            "postgres://ann@db.example/belfry?user=bob",
            "postgres://ann:secret@db.example/belfry?password=other",
            "postgres://db.example/belfry?dbname=other",
            "postgres://db.example/belfry?sslmode",
            "postgres://db.example/belfry?=require",
            "postgres://db.example/belfry?sslmode=require&",
        ] {
            assert!(postgres_url_error(wrong).is_some(), "{wrong:?}");
        }
        for secret in ["postgres://ann:s3cret/x@db.example/belfry", "postgres://ann:s3@cret@db.example/x"] {
            assert!(!postgres_url_error(secret).unwrap().contains("s3"));
        }
    }
}
