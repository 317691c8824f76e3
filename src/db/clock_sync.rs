//! The database's clock, which all machines that share a Postgres go by.

use diesel::{
    RunQueryDsl as _,
    dsl::{select, sql},
    sql_types::Timestamp,
};

use super::AnyConnection;
use crate::{clock::Clock, error::Result};

/// Looks at the database's clock, for this one to go by. A SQLite database is on the machine itself, whose clock it has.
///
/// # Errors
/// When the database cannot be used; then the clock goes on as it did.
pub fn sync_clock(c: &mut AnyConnection, clock: &Clock) -> Result<()> {
    let AnyConnection::Postgres(c) = c else { return Ok(()) };
    // Not now(), which is when the transaction began.
    let query = select(sql::<Timestamp>("clock_timestamp() AT TIME ZONE 'UTC'"));
    clock.sync_with(|| Ok(query.get_result(c)?))
}
