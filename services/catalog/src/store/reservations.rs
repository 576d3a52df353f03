use std::time::Duration;

use souk_kit::id::{OrderId, ProductId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgPool, Row as _};
use uuid::Uuid;

use crate::reservations::{Line, Reservation, Shortage, Status};

impl FromRow<'_, PgRow> for Reservation {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let word: &str = row.try_get("status")?;
        let status = Status::from_word(word)
            .ok_or_else(|| sqlx::Error::Decode(format!("no such status: {word}").into()))?;
        let Json(shortages) = row.try_get::<Json<Vec<Shortage>>, _>("shortages")?;
        Ok(Self {
            order: OrderId::from_uuid(row.try_get("order_id")?),
            status,
            shortages,
            expires_at: row.try_get("expires_at")?,
        })
    }
}

/// Notes the reservation of an order; `false` when the order has one already. One that is being
/// decided at this moment is waited for.
pub async fn claim(
    connection: &mut PgConnection,
    order: OrderId,
    status: Status,
    ttl: Duration,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "insert into reservations (order_id, status, expires_at)
         values ($1, $2, now() + $3 * interval '1 second') on conflict do nothing",
    )
    .bind(order.uuid())
    .bind(status.as_str())
    .bind(ttl.as_secs_f64())
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub async fn add_lines(
    connection: &mut PgConnection,
    order: OrderId,
    lines: &[Line],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into reservation_lines (order_id, product_id, quantity)
         select $1, product_id, quantity
         from unnest($2::uuid[], $3::int[]) as lines (product_id, quantity)",
    )
    .bind(order.uuid())
    .bind(lines.iter().map(|line| line.product.uuid()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.quantity).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn reject(
    connection: &mut PgConnection,
    order: OrderId,
    shortages: &[Shortage],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update reservations set status = 'rejected', shortages = $2, updated_at = now()
         where order_id = $1 and status = 'held'",
    )
    .bind(order.uuid())
    .bind(Json(shortages))
    .execute(connection)
    .await?;
    Ok(())
}

pub async fn set_status(
    connection: &mut PgConnection,
    order: OrderId,
    status: Status,
) -> Result<(), sqlx::Error> {
    sqlx::query("update reservations set status = $2, updated_at = now() where order_id = $1")
        .bind(order.uuid())
        .bind(status.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

pub async fn get(
    connection: &mut PgConnection,
    order: OrderId,
) -> Result<Option<Reservation>, sqlx::Error> {
    sqlx::query_as("select * from reservations where order_id = $1")
        .bind(order.uuid())
        .fetch_optional(connection)
        .await
}

/// Reads a reservation and keeps others from changing it until the transaction ends.
pub async fn lock(
    connection: &mut PgConnection,
    order: OrderId,
) -> Result<Option<Reservation>, sqlx::Error> {
    sqlx::query_as("select * from reservations where order_id = $1 for update")
        .bind(order.uuid())
        .fetch_optional(connection)
        .await
}

pub async fn lines(
    connection: &mut PgConnection,
    order: OrderId,
) -> Result<Vec<Line>, sqlx::Error> {
    let rows: Vec<(Uuid, i32)> = sqlx::query_as(
        "select product_id, quantity from reservation_lines where order_id = $1 order by product_id",
    )
    .bind(order.uuid())
    .fetch_all(connection)
    .await?;
    let line = |(product, quantity)| Line { product: ProductId::from_uuid(product), quantity };
    Ok(rows.into_iter().map(line).collect())
}

/// Held reservations whose time is over.
pub async fn due(pool: &PgPool, limit: i64) -> Result<Vec<OrderId>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select order_id from reservations where status = 'held' and expires_at <= now()
         order by expires_at limit $1",
    )
    .bind(limit)
    .fetch_all(pool)
    .await?;
    Ok(ids.into_iter().map(OrderId::from_uuid).collect())
}
