//! The one connection type that every query is written for: SQLite or Postgres behind one enum.
//!
//! Alone in its file because the derive puts its own code beside it.

#![expect(missing_docs, reason = "the derive generates undocumented items")]

/// A connection to the database, whichever it is.
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    Sqlite(diesel::SqliteConnection),
    Postgres(diesel::PgConnection),
}
