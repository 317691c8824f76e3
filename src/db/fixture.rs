//! A database of its own for each test of a store.

use tempfile::TempDir;

use super::{AnyConnection, Database, DatabaseAddress};

/// An empty SQLite database with all its tables. It goes when the folder is dropped.
pub fn database() -> (TempDir, AnyConnection) {
    let folder = tempfile::tempdir().unwrap();
    let address = DatabaseAddress::Sqlite(folder.path().join("belfry.db"));
    drop(Database::open(&address).unwrap());
    let connection = address.connect().unwrap();
    (folder, connection)
}
