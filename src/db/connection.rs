//! The one connection type that every query is written for: SQLite or Postgres behind one enum.
//!
//! Alone in its file because the derive puts its own code beside it.

#![expect(missing_docs, reason = "the derive generates undocumented items")]

/// Runs a query on SQLite's or Postgres's own connection.
///
/// Through [`AnyConnection`] diesel writes the SQL of a query anew each time to find its prepared statement. The
/// connection within knows a query that is always the same by its type. For what every request asks.
macro_rules! on_backend {
    ($any:expr, $c:ident => $run:expr) => {
        match $any {
            $crate::db::AnyConnection::Sqlite($c) => $run,
            $crate::db::AnyConnection::Postgres($c) => $run,
        }
    };
}
pub(crate) use on_backend;

/// A connection to the database, whichever it is.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    Sqlite(diesel::SqliteConnection),
    Postgres(diesel::PgConnection),
}
