use souk_kit::id::{OrderId, ProductId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::stock::{Entry, Move, Stock};

type Row = (Uuid, i32, i32, bool);

/// Locks the stock of products until the transaction ends, in the order of their ids, so that two
/// transactions never wait for each other.
pub async fn lock(
    connection: &mut PgConnection,
    products: &[ProductId],
) -> Result<Vec<Stock>, sqlx::Error> {
    let products: Vec<Uuid> = products.iter().map(ProductId::uuid).collect();
    let rows: Vec<Row> = sqlx::query_as(
        "select id, available, reserved, deleted_at is null from products
         where id = any ($1) order by id for update",
    )
    .bind(products)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(stock).collect())
}

/// Moves stock and notes every move in the ledger, in one statement: the only way in which stock
/// changes. A move that would leave less than nothing breaks a constraint, and nothing moves.
pub async fn record(
    connection: &mut PgConnection,
    entry: &Entry,
    moves: &[Move],
) -> Result<Vec<Stock>, sqlx::Error> {
    let rows: Vec<Row> = sqlx::query_as(
        "with moves as (
             select * from unnest($1::uuid[], $2::int[], $3::int[])
                 as moves (product_id, available, reserved)
         ), moved as (
             update products set
                 available = products.available + moves.available,
                 reserved = products.reserved + moves.reserved,
                 version = version + 1,
                 updated_at = now()
             from moves where id = moves.product_id
             returning id, products.available, products.reserved, deleted_at is null as live
         ), noted as (
             insert into stock_moves
                 (product_id, order_id, kind, available, reserved, reason, actor)
             select product_id, $4, $5, available, reserved, $6, $7 from moves
         )
         select id, available, reserved, live from moved",
    )
    .bind(moves.iter().map(|moved| moved.product.uuid()).collect::<Vec<_>>())
    .bind(moves.iter().map(|moved| moved.available).collect::<Vec<_>>())
    .bind(moves.iter().map(|moved| moved.reserved).collect::<Vec<_>>())
    .bind(entry.order.as_ref().map(OrderId::uuid))
    .bind(entry.kind.as_str())
    .bind(&entry.reason)
    .bind(&entry.actor.0)
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(stock).collect())
}

fn stock((id, available, reserved, live): Row) -> Stock {
    Stock { product: ProductId::from_uuid(id), available, reserved, live }
}
