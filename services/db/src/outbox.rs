//! The outbox: events that commit with the change they tell of. Each is written by the statement that
//! makes the change; here is what is common to all.
//!
//! A service whose events can be followed has a column `position` and a function `place_events` besides. An event gets its
//! position once it is committed: positions have no gaps, and of what one subject does the order stays.

use std::time::Duration;

use crate::access::Access;

/// How long events are kept while nobody publishes them.
pub const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many events are forgotten in one statement.
pub const FORGET_BATCH: i64 = 1000;

/// Forgets events whose time is over, some at once: how many. Orders, whose events others wait for as well, have their
/// own statement, which locks in the same order.
///
/// # Errors
///
/// The database's.
pub async fn forget_old(access: &Access) -> Result<u64, sqlx::Error> {
    // ids grow with time: the oldest are at the beginning of the primary key. Locked in their order, as who gives
    // them positions does.
    let deleted = sqlx::query(
        "delete from outbox where id in (
             select id from (select id, created_at from outbox order by id limit $1 for update) as oldest
             where created_at < now() - $2 * interval '1 second')",
    );
    let deleted = deleted.bind(FORGET_BATCH).bind(LIFETIME.as_secs_f64());
    Ok(deleted.execute(access).await?.rows_affected())
}

/// How many events get a position in one statement.
const PLACE_BATCH: i32 = 1000;

/// Gives positions to events that are committed and have none: how many, and the last position that there is. One
/// process does so at a time.
///
/// # Errors
///
/// The database's.
pub async fn place(access: &Access) -> Result<(i64, i64), sqlx::Error> {
    // a function of the schema: whose turn it is must be settled before the events are read
    sqlx::query_as("select placed, ended from place_events($1)")
        .bind(PLACE_BATCH)
        .fetch_one(access)
        .await
}
