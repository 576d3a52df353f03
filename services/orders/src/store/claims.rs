use std::collections::HashMap;
use std::time::Duration;

use souk_db::Access;
use souk_kit::id::{OrderId, PaymentId, RefundId};
use souk_kit::page::Entry;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::changes::Due;
use super::orders::with_lines;
use super::purchases;
use crate::purchase::Purchase;
use crate::state::State;
use crate::stock::Stock;

/// How long a claim on an order lasts: longer than a step takes, and as long as a crash delays it.
pub const LEASE: Duration = Duration::from_secs(10);

/// Claims orders that are due, so that nobody else does for the length of the lease, each with its
/// epoch; and how many were claimed, with those that cannot be read. States that this version does not
/// know are left to the one that does.
pub async fn claim_due(
    access: &Access,
    limit: usize,
) -> Result<(Vec<(Purchase, i64)>, usize), sqlx::Error> {
    let rows: Vec<PgRow> = sqlx::query(
        "update orders set epoch = epoch + 1, attempts = attempts + 1,
             due_at = now() + $1 * interval '1 second'
         where id in (
             select id from orders where due_at <= now() and state = any ($3)
             order by due_at limit $2 for update skip locked)
         returning *",
    )
    .bind(LEASE.as_secs_f64())
    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
    .bind(State::ALL.map(State::as_str))
    .fetch_all(access)
    .await?;
    let mut epochs: HashMap<Uuid, i64> = HashMap::with_capacity(rows.len());
    for row in &rows {
        epochs.insert(row.try_get("id")?, row.try_get("epoch")?);
    }
    let orders = with_lines(access, souk_db::entries(&rows)?).await?;
    let orders = orders.into_iter().filter_map(Entry::row).collect();
    let claimed = purchases::of_orders(access, orders).await?.into_iter().map(|purchase| {
        let epoch = epochs.get(&purchase.id().uuid()).copied().unwrap_or_default();
        (purchase, epoch)
    });
    Ok((claimed.collect(), rows.len()))
}

/// What the saga notes of an order without a change of it.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub stock: Stock,
    /// When it looks at the order again; `None` for never.
    pub due: Due,
    /// What it has looked at, and when it does so again.
    pub looked: Option<(Looked, Option<OffsetDateTime>)>,
}

/// What a provider was asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Looked {
    Payment(PaymentId),
    Refund(RefundId),
}

impl Looked {
    fn uuid(self) -> Uuid {
        match self {
            Self::Payment(id) => id.uuid(),
            Self::Refund(id) => id.uuid(),
        }
    }
}

/// Makes a claim last so long from now on. Whether it was still good.
pub async fn prolong(
    access: &Access,
    id: OrderId,
    epoch: i64,
    lease: Duration,
) -> Result<bool, sqlx::Error> {
    let prolonged = sqlx::query(
        "update orders set due_at = now() + $3 * interval '1 second' where id = $1 and epoch = $2",
    );
    let prolonged = prolonged.bind(id.uuid()).bind(epoch).bind(lease.as_secs_f64());
    Ok(prolonged.execute(access).await?.rows_affected() > 0)
}

/// Notes how far the saga is with an order. Whether the claim was still good.
pub async fn note(
    access: &Access,
    id: OrderId,
    epoch: i64,
    progress: Progress,
) -> Result<bool, sqlx::Error> {
    let (delay, at) = progress.due.parts();
    let done: Option<i32> = sqlx::query_scalar(
        // a little later at least: this process's clock may be behind the database's
        "with noted as (
             update orders set attempts = 0, stock = $3,
                 due_at = case when $5::timestamptz is null then now() + $4 * interval '1 second'
                     else greatest($5, now() + interval '200 milliseconds') end
             where id = $1 and epoch = $2
             returning 1 as one
         ), looked as (
             update payments set look_at = $7 from noted where id = $6
         ), asked as (
             update refunds set look_at = $7 from noted where id = $6
         )
         select one from noted",
    )
    .bind(id.uuid())
    .bind(epoch)
    .bind(progress.stock.as_str())
    .bind(delay)
    .bind(at)
    .bind(progress.looked.map(|(looked, _)| looked.uuid()))
    .bind(progress.looked.and_then(|(_, at)| at))
    .fetch_optional(access)
    .await?;
    Ok(done.is_some())
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
