use souk_kit::id::{OrderId, ProductId};
use sqlx::PgConnection;

use crate::product::Market;
use crate::stock::{Entry, Move, Stock};

/// Moves stock and notes every move in the ledger, in one statement. A move that would leave less than
/// nothing breaks a constraint, and nothing moves.
pub async fn record(
    connection: &mut PgConnection,
    entry: &Entry,
    moves: &[Move],
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "with moves as (
             select * from unnest($1::uuid[], $2::int[], $3::int[])
                 as moves (product_id, available, reserved)
         ), moved as (
             update stock set
                 available = stock.available + moves.available,
                 reserved = stock.reserved + moves.reserved
             from moves where stock.product_id = moves.product_id
         )
         insert into stock_moves (product_id, order_id, kind, available, reserved, reason, actor)
         select product_id, $4, $5, available, reserved, $6, $7 from moves",
    )
    .bind(moves.iter().map(|moved| moved.product.uuid()).collect::<Vec<_>>())
    .bind(moves.iter().map(|moved| moved.available).collect::<Vec<_>>())
    .bind(moves.iter().map(|moved| moved.reserved).collect::<Vec<_>>())
    .bind(entry.order.as_ref().map(OrderId::uuid))
    .bind(entry.kind.as_str())
    .bind(&entry.reason)
    .bind(entry.actor.as_str())
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds to the available stock of a live product, or takes from it, and notes it in the ledger; `None`
/// when there is no such product or the stock would leave its bounds.
pub async fn adjust(
    connection: &mut PgConnection,
    product: ProductId,
    market: Market,
    delta: i32,
    entry: &Entry,
) -> Result<Option<Stock>, sqlx::Error> {
    let row: Option<(i32, i32)> = sqlx::query_as(
        "with moved as (
             update stock set available = available + $2
             from products
             where product_id = $1 and id = product_id and deleted_at is null
               and ($6::text is null or currency = $6)
               -- what is reserved may come back: it has to fit as well
               and available::bigint + $2 between 0 and 1000000000 - reserved
             returning product_id, available, reserved
         ), noted as (
             insert into stock_moves (product_id, kind, available, reserved, reason, actor)
             select product_id, $3, $2, 0, $4, $5 from moved
         )
         select available, reserved from moved",
    )
    .bind(product.uuid())
    .bind(delta)
    .bind(entry.kind.as_str())
    .bind(&entry.reason)
    .bind(entry.actor.as_str())
    .bind(market.code())
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|(available, reserved)| Stock { product, available, reserved }))
}

/// How many units of a live product can be ordered.
pub async fn available(
    connection: &mut PgConnection,
    product: ProductId,
    market: Market,
) -> Result<Option<i32>, sqlx::Error> {
    sqlx::query_scalar(
        "select available from stock join products on id = product_id
         where product_id = $1 and deleted_at is null and ($2::text is null or currency = $2)",
    )
    .bind(product.uuid())
    .bind(market.code())
    .fetch_optional(connection)
    .await
}
