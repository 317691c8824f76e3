//! Opening connections: which database a URL means, and the pool of readers.

use std::{
    env, fmt, fs,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::{
    Connection as _, PgConnection, SqliteConnection, connection::SimpleConnection, r2d2, r2d2::R2D2Connection,
};
use percent_encoding::percent_decode_str;
use scheduled_thread_pool::ScheduledThreadPool;
use url::Url;

use super::{
    AnyConnection,
    database_url::{postgres_url_error, sqlite_path_error},
    tcp_timeouts::with_tcp_timeouts,
};

/// How long a request waits for a free connection before it is told that the database is busy.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How every SQLite connection is set up. `busy_timeout` covers other processes (a backup, `belfry check`).
const SQLITE_PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                             PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;";

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseAddress {
    /// A SQLite file.
    Sqlite(PathBuf),
    /// A Postgres URL, handed to libpq with bounds on how long it waits for a host that has vanished. It may hold a password.
    Postgres(String),
}

impl DatabaseAddress {
    /// Reads `sqlite://PATH` or `postgres://…`.
    ///
    /// # Errors
    /// A sentence for the operator. Any other scheme is an error: a typo must not quietly make an empty database.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("sqlite", path)) => match sqlite_path_error(path) {
                Some(why) => Err(format!("BELFRY_DATABASE_URL is not sqlite://PATH: {why}.")),
                None => Ok(Self::Sqlite(PathBuf::from(path))),
            },
            Some(("postgres" | "postgresql", _)) => match postgres_url_error(text) {
                Some(why) => Err(format!("BELFRY_DATABASE_URL is not a clear postgres:// URL: {why}.")),
                None => Ok(Self::Postgres(text.to_owned())),
            },
            Some((scheme, _)) => Err(format!(
                "BELFRY_DATABASE_URL has the unknown scheme {scheme:?}: write sqlite://PATH or postgres://….",
            )),
            None => Err("BELFRY_DATABASE_URL has no scheme: write sqlite://PATH or postgres://….".to_owned()),
        }
    }

    /// Opens one connection.
    ///
    /// # Errors
    /// A sentence for the operator that names no password.
    pub fn connect(&self) -> Result<AnyConnection, String> {
        let cannot = |fault: &dyn fmt::Display| {
            format!("The database at {self} (BELFRY_DATABASE_URL) could not be opened: {fault}")
        };
        match self {
            Self::Sqlite(path) => {
                // SQLite takes a device or a pipe for an empty database.
                match fs::metadata(path) {
                    Ok(there) if there.is_dir() => return Err(cannot(&"it is a folder")),
                    Ok(there) if !there.is_file() => return Err(cannot(&"it is no regular file")),
                    _ => {}
                }
                if let Some(folder) = folder_beside(path) {
                    return Err(cannot(&format!("{} is a folder, and SQLite needs a file there", folder.display())));
                }
                create_private_file(path).map_err(|fault| cannot(&fault))?;
                let mut sqlite =
                    SqliteConnection::establish(&path.to_string_lossy()).map_err(|fault| cannot(&fault))?;
                sqlite.batch_execute(SQLITE_PRAGMAS).map_err(|fault| cannot(&fault))?;
                Ok(AnyConnection::Sqlite(sqlite))
            }
            Self::Postgres(url) => {
                let url_with_timeouts = with_tcp_timeouts(url, |variable| env::var_os(variable).is_some());
                PgConnection::establish(&url_with_timeouts)
                    .map(AnyConnection::Postgres)
                    .map_err(|fault| cannot(&redact_libpq_error(&fault.to_string(), url)))
            }
        }
    }
}

/// What libpq says of a URL, whose first line says what is wrong, without what it quotes of it: where a password holds a sign
/// that should have been escaped, libpq takes part of it for the host or the port, and says so. The host, user, database and
/// names of parameters of a URL that can be read safely stay.
fn redact_libpq_error(fault: &str, url: &str) -> String {
    let parsed = Url::parse(url).ok().filter(is_unambiguous);
    let public_parts = parsed
        .as_ref()
        .map(|url| [url.host_str().unwrap_or_default(), url.username(), url.path().trim_start_matches('/')]);
    let names = parsed.as_ref().map(parameter_names).unwrap_or_default();
    let is_secret = |quoted: &str| {
        let of_url = url.contains(quoted) || percent_decode_str(url).decode_utf8_lossy().contains(quoted);
        of_url && !names.contains(&quoted) && !public_parts.is_some_and(|shown| shown.contains(&quoted))
    };
    let line = fault.lines().next().unwrap_or_default().replace(url, "…");
    let quoted = line.split('"').enumerate().map(|(place, part)| match place % 2 == 1 && is_secret(part) {
        true => "…",
        false => part,
    });
    quoted.collect::<Vec<_>>().join("\"")
}

/// The names of a URL's parameters that are no part of a value: what stands behind a password may be the rest of it, after a `&` that
/// should have been escaped.
fn parameter_names(url: &Url) -> Vec<&str> {
    let pairs: Vec<(&str, &str)> =
        url.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('=')).collect();
    let end = pairs.iter().position(|(name, _)| name.contains("password")).map_or(pairs.len(), |place| place + 1);
    let is_value = |name: &str| url.password() == Some(name) || pairs.iter().any(|(_, value)| *value == name);
    pairs.iter().take(end).map(|(name, _)| *name).filter(|name| !is_value(name)).collect()
}

/// A folder that stands where SQLite keeps a side file of this database. SQLite says something else about each.
fn folder_beside(path: &Path) -> Option<PathBuf> {
    let side_files = ["-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    });
    side_files.into_iter().find(|file| file.is_dir())
}

/// Makes the file, and the folder it is in, for its owner alone: people's contact information is in it. SQLite gives its
/// side files the same mode.
fn create_private_file(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    fs::OpenOptions::new().create(true).append(true).mode(0o600).open(path).map(drop)
}

impl fmt::Display for DatabaseAddress {
    /// The address as it may be logged: a Postgres URL without user, password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => match Url::parse(url) {
                Ok(url) if is_unambiguous(&url) => {
                    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                    write!(f, "postgres://{}{port}{}", url.host_str().unwrap_or_default(), url.path())
                }
                _ => f.write_str("postgres://…"),
            },
        }
    }
}

/// Whether the host is where it seems to be: after a password with an unescaped `/`, `?` or `#`, part of it stands in the
/// host's place, and an `@` behind it.
fn is_unambiguous(url: &Url) -> bool {
    ![Some(url.path()), url.query(), url.fragment()].into_iter().flatten().any(|part| part.contains('@'))
}

impl fmt::Debug for DatabaseAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The pool of connections.
pub type Pool = r2d2::Pool<ConnectionManager>;

/// A connection of the pool.
pub struct PooledConnection {
    /// The connection.
    pub connection: AnyConnection,
    /// How many doubts there were when it was last known to work.
    verified_epoch: u64,
}

/// Says that the database was not to be had: every connection that was opened before is tried before it is used again.
///
/// A server that dies or restarts takes all its connections with it, and the pool would hand out each of the dead ones once
/// more. Trying them at every use would cost every query a round trip.
#[derive(Clone, Debug, Default)]
pub struct ConnectionEpoch(Arc<AtomicU64>);

impl ConnectionEpoch {
    /// One more.
    pub fn advance(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn current(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Makes the pool's connections. Its own, because diesel's tries each kind of database in turn, whatever the URL says.
#[derive(Debug)]
pub struct ConnectionManager {
    address: DatabaseAddress,
    epoch: ConnectionEpoch,
}

impl ConnectionManager {
    /// A manager for the database at this address.
    pub fn new(address: DatabaseAddress, epoch: ConnectionEpoch) -> Self {
        Self { address, epoch }
    }

    /// A pool of at most this many connections, of which one is opened at once.
    pub fn build_pool(self, size: u32) -> Result<Pool, r2d2::PoolError> {
        // Threads that open connections in the background. A file is opened at once; a host that does not answer keeps one busy.
        let opener_threads = match self.address {
            DatabaseAddress::Sqlite(_) => 1,
            DatabaseAddress::Postgres(_) => 3,
        };
        r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(ACQUIRE_TIMEOUT)
            .test_on_check_out(true)
            .thread_pool(Arc::new(ScheduledThreadPool::new(opener_threads)))
            .build(self)
    }
}

impl r2d2::ManageConnection for ConnectionManager {
    type Connection = PooledConnection;
    type Error = r2d2::Error;

    fn connect(&self) -> Result<PooledConnection, r2d2::Error> {
        let epoch = self.epoch.current();
        let connection = self
            .address
            .connect()
            .map_err(|fault| r2d2::Error::ConnectionError(diesel::ConnectionError::BadConnection(fault)))?;
        Ok(PooledConnection { connection, verified_epoch: epoch })
    }

    fn is_valid(&self, pooled: &mut PooledConnection) -> Result<(), r2d2::Error> {
        let epoch = self.epoch.current();
        if pooled.verified_epoch != epoch {
            pooled.connection.batch_execute("SELECT 1").map_err(r2d2::Error::QueryError)?;
            pooled.verified_epoch = epoch;
        }
        Ok(())
    }

    fn has_broken(&self, pooled: &mut PooledConnection) -> bool {
        let broken_transaction = R2D2Connection::is_broken(&mut pooled.connection);
        std::thread::panicking() || broken_transaction
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_scheme_is_an_error_and_never_a_new_file() {
        assert!(DatabaseAddress::parse("mysql://x").unwrap_err().contains("mysql"));
        assert!(DatabaseAddress::parse("data/belfry.db").is_err());
        assert!(DatabaseAddress::parse("sqlite://").is_err());
    }

    #[test]
    fn a_password_is_not_shown() {
        let address =
            DatabaseAddress::Postgres("postgres://ann:s3cret@db.example:5432/belfry?password=other".to_owned());
        assert_eq!(address.to_string(), "postgres://db.example:5432/belfry");
        assert!(!format!("{address:?}").contains("s3cret"));
    }

    #[test]
    fn a_password_that_is_not_escaped_is_not_quoted_by_a_fault() {
        for url in [
            "postgres://u:s3cr%zzet@localhost/db",
            "postgres://u:s3cret/tail@localhost/db",
            "postgres://u:abc@s3cret@localhost:1/db",
            "postgres://u:[s3cret@localhost/db",
            "postgres://u@localhost/db?password=s3cr%zzet",
            "postgres://u@localhost/db?password=s3=cret",
            "postgres://u@localhost/db?s3cret",
        ] {
            let fault = DatabaseAddress::Postgres(url.to_owned()).connect().err().unwrap();
            assert!(fault.starts_with("The database at postgres://") && !fault.contains("s3"), "{url}: {fault}");
        }
    }

    #[test]
    fn a_fault_names_a_parameter_and_never_its_value() {
        for (url, words) in [
            ("postgres://u@localhost/db?sslmod=require", "\"sslmod\""),
            ("postgres://u@localhost/db?sslmode=s3cret", "sslmode value: \"…\""),
            ("postgres://u@localhost/db?password=s3=cret", "\"password\""),
            ("postgres://u@localhost/db?password=x&s3cret=1", "\"…\""),
            ("postgres://u:s3cret@localhost/db?s3cret=1", "\"…\""),
            ("postgres://u@localhost/db?s3cret", "\"…\""),
        ] {
            let fault = DatabaseAddress::Postgres(url.to_owned()).connect().err().unwrap();
            assert!(fault.contains(words) && !fault.contains("s3"), "{url}: {fault}");
        }
    }

    #[test]
    fn a_fault_names_host_user_and_database() {
        let words = redact_libpq_error(
            "at \"db.example\", user \"ann\": no \"belfry\" but \"s3\"\nmore",
            "postgres://ann:s3@db.example/belfry",
        );
        assert_eq!(words, "at \"db.example\", user \"ann\": no \"belfry\" but \"…\"");
    }

    #[test]
    fn an_ambiguous_address_is_not_shown_at_all() {
        for url in [
            "postgres://u:pa?ss@host/belfry",
            "postgres://u:12?ss@host/belfry",
            "postgres://u:12/ss@host/belfry",
            "postgres://u:12#ss@host/belfry",
            "postgres://u:pa@one:1,two:2/belfry",
        ] {
            assert_eq!(DatabaseAddress::Postgres(url.to_owned()).to_string(), "postgres://…", "{url}");
        }
        assert_eq!(DatabaseAddress::parse("postgresql:///belfry?user=u").unwrap().to_string(), "postgres:///belfry");
        assert_eq!(DatabaseAddress::Postgres("postgres://u:p@ss@host".to_owned()).to_string(), "postgres://host");
    }
}
