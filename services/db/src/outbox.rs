//! The outbox: events that commit with the change they tell of. Each is written by the statement that
//! makes the change; here is what is common to all.

use std::time::Duration;

use crate::access::Access;

/// How long events are kept while nobody publishes them.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// How many events are forgotten in one statement.
const FORGET_BATCH: i64 = 1000;

/// Forgets events whose time is over, some at once: how many.
///
/// # Errors
///
/// The database's.
pub async fn forget_old(access: &Access) -> Result<u64, sqlx::Error> {
    // ids grow with time: the oldest are at the beginning of the primary key
    let deleted = sqlx::query(
        "delete from outbox where id in (
             select id from (select id, created_at from outbox order by id limit $1) as oldest
             where created_at < now() - $2 * interval '1 second')",
    );
    let deleted = deleted.bind(FORGET_BATCH).bind(LIFETIME.as_secs_f64());
    Ok(deleted.execute(access).await?.rows_affected())
}
