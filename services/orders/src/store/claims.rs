use std::collections::HashMap;
use std::time::Duration;

use souk_db::Access;
use souk_kit::id::OrderId;
use souk_kit::page::Entry;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::orders::with_lines;
use crate::order::Order;

/// How long a claim on an order lasts: longer than a step takes, and as long as a crash delays it.
pub const LEASE: Duration = Duration::from_secs(10);

/// Claims orders that are due, so that nobody else does for the length of the lease, each with its
/// epoch; and how many were claimed, with those that cannot be read. States that this version does not
/// carry are left to the one that does.
pub async fn claim_due(
    access: &Access,
    limit: usize,
) -> Result<(Vec<(Order, i64)>, usize), sqlx::Error> {
    let rows: Vec<PgRow> = sqlx::query(
        "update orders set epoch = epoch + 1, attempts = attempts + 1,
             due_at = now() + $1 * interval '1 second'
         where id in (
             select id from orders
             where due_at <= now() and state in ('pending', 'reserved', 'cancelled', 'expired')
             order by due_at limit $2 for update skip locked)
         returning *",
    )
    .bind(LEASE.as_secs_f64())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .fetch_all(access)
    .await?;
    let mut epochs: HashMap<Uuid, i64> = HashMap::with_capacity(rows.len());
    for row in &rows {
        epochs.insert(row.try_get("id")?, row.try_get("epoch")?);
    }
    let orders = with_lines(access, souk_db::entries(&rows)?).await?;
    let claimed = orders.into_iter().filter_map(Entry::row).map(|order| {
        let epoch = epochs.get(&order.id.uuid()).copied().unwrap_or_default();
        (order, epoch)
    });
    Ok((claimed.collect(), rows.len()))
}

/// Notes when the saga looks at an order again; `None` for never. Whether the claim was still good.
pub async fn wait_until(
    access: &Access,
    id: OrderId,
    epoch: i64,
    due_at: Option<OffsetDateTime>,
) -> Result<bool, sqlx::Error> {
    let done = sqlx::query(
        // a little later at least: this process's clock may be behind the database's
        "update orders set attempts = 0,
             due_at = case when $3 is null then null
                 else greatest($3, now() + interval '1 second') end
         where id = $1 and epoch = $2",
    )
    .bind(id.uuid())
    .bind(epoch)
    .bind(due_at)
    .execute(access)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Puts an order off, longer with every attempt, up to `last`, with jitter so that orders that
/// failed together do not come back together.
pub async fn postpone(
    access: &Access,
    id: OrderId,
    epoch: i64,
    first: Duration,
    last: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update orders set due_at = now() + (0.5 + random() / 2)
             * least($3 * power(2, least(attempts, 20)), $4) * interval '1 second'
         where id = $1 and epoch = $2 and due_at is not null",
    )
    .bind(id.uuid())
    .bind(epoch)
    .bind(first.as_secs_f64())
    .bind(last.as_secs_f64())
    .execute(access)
    .await?;
    Ok(())
}
