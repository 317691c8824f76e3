//! How much waits, since when, and what it waits for: what monitoring systems ask every few seconds.
//!
//! Each is one statement over an index of what has not ended, so that it costs the same however much was delivered.

use chrono::NaiveDateTime;
use diesel::{
    QueryableByName, RunQueryDsl as _, sql_query,
    sql_types::{BigInt, Text, Timestamp},
};

use super::robots::parse_channel;
use crate::{db::AnyConnection, error::Result, robots::Channel};

/// What waits over one channel, or is just being sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueDepth {
    /// The channel.
    pub channel: Channel,
    /// How many deliveries.
    pub depth: i64,
    /// When the oldest of them was made.
    pub oldest: NaiveDateTime,
}

#[derive(QueryableByName)]
struct QueueRow {
    #[diesel(sql_type = Text)]
    channel: String,
    #[diesel(sql_type = BigInt)]
    depth: i64,
    #[diesel(sql_type = Timestamp)]
    oldest: NaiveDateTime,
}

#[derive(QueryableByName)]
struct BrokenRow {
    #[diesel(sql_type = Text)]
    channel: String,
    #[diesel(sql_type = BigInt)]
    count: i64,
}

/// The queues that are not empty.
///
/// # Errors
/// When the database cannot be read.
pub fn load_queue_depths(c: &mut AnyConnection) -> Result<Vec<QueueDepth>> {
    // The first delivery of a robot is its oldest: only one row of each queue is read besides the index.
    let rows: Vec<QueueRow> = sql_query(
        "SELECT r.channel, CAST(sum(o.depth) AS BIGINT) AS depth, min(d.created_at) AS oldest \
         FROM (SELECT robot, count(*) AS depth, min(id) AS first FROM deliveries \
               WHERE finished_at IS NULL GROUP BY robot) o \
         JOIN robots r ON r.id = o.robot JOIN deliveries d ON d.id = o.first GROUP BY r.channel",
    )
    .load(c)?;
    let read =
        |row: QueueRow| Ok(QueueDepth { channel: parse_channel(&row.channel)?, depth: row.depth, oldest: row.oldest });
    rows.into_iter().map(read).collect()
}

/// How many robots have to be mended, by channel, where there are any. Those that are nobody's any more do not count.
///
/// # Errors
/// When the database cannot be read.
pub fn count_broken_robots(c: &mut AnyConnection) -> Result<Vec<(Channel, i64)>> {
    let rows: Vec<BrokenRow> = sql_query(
        "SELECT r.channel, count(*) AS count FROM robots r WHERE r.state = 'broken' \
         AND EXISTS (SELECT 1 FROM contacts t WHERE t.robot = r.id) GROUP BY r.channel",
    )
    .load(c)?;
    rows.into_iter().map(|row| Ok((parse_channel(&row.channel)?, row.count))).collect()
}
