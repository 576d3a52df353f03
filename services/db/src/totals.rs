//! How many rows the lists of a service have, without counting them: triggers keep the number in the
//! transaction that changes it. It is spread over several rows, so that writers do not wait for each
//! other.
//!
//! Every service that counts lists has the same table `totals`.

use crate::access::Access;

/// How many rows a list has.
///
/// # Errors
///
/// The database's.
pub async fn total(access: &Access, list: &str) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select coalesce(sum(count), 0)::int from totals where list = $1")
        .bind(list)
        .fetch_one(access)
        .await
}
