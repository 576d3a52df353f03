use souk_db::Access;
use souk_kit::id::{OrderId, ProductId};
use souk_kit::page::{self, Window};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::product::Market;
use crate::stock::{self, Actor, Entry, Level, Move, MoveKind, Moved, Stock};

/// Of more moves for an order than this the newest are told.
const MOST: i64 = 1000;

impl FromRow<'_, PgRow> for Stock {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            product: ProductId::from_uuid(row.try_get("product_id")?),
            available: row.try_get("available")?,
            reserved: row.try_get("reserved")?,
            low_threshold: row.try_get("low_threshold")?,
        })
    }
}

impl FromRow<'_, PgRow> for Moved {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let word: &str = row.try_get("kind")?;
        let kind = MoveKind::from_word(word)
            .ok_or_else(|| sqlx::Error::Decode(format!("no such kind: {word}").into()))?;
        let order: Option<Uuid> = row.try_get("order_id")?;
        Ok(Self {
            id: row.try_get("id")?,
            units: Move {
                product: ProductId::from_uuid(row.try_get("product_id")?),
                available: row.try_get("available")?,
                reserved: row.try_get("reserved")?,
            },
            entry: Entry {
                kind,
                actor: Actor::stored(row.try_get("actor")?),
                order: order.map(OrderId::from_uuid),
                reason: row.try_get("reason")?,
            },
            at: row.try_get("at")?,
        })
    }
}

/// Sets how many units can be ordered of products, and notes in the ledger by how many these are more or fewer, in
/// one statement.
pub async fn set_each(
    connection: &mut PgConnection,
    kind: MoveKind,
    actor: &Actor,
    wanted: &[(ProductId, i32)],
) -> Result<(), sqlx::Error> {
    let set = sqlx::query(
        "with wanted as (
             select * from unnest($1::uuid[], $2::int[]) as wanted (product_id, available)
         ), locked as (
             select product_id, wanted.available, wanted.available - stock.available as more
             from stock join wanted using (product_id) order by product_id for update of stock
         ), changed as (
             update stock set available = locked.available
             from locked where stock.product_id = locked.product_id and more <> 0
         )
         insert into stock_moves (product_id, kind, available, reserved, actor)
         select product_id, $3, more, 0, $4 from locked where more <> 0",
    );
    set.bind(wanted.iter().map(|(product, _)| product.uuid()).collect::<Vec<_>>())
        .bind(wanted.iter().map(|(_, available)| *available).collect::<Vec<_>>())
        .bind(kind.as_str())
        .bind(actor.as_str())
        .execute(connection)
        .await
        .map(drop)
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
    sqlx::query_as(
        "with moved as (
             update stock set available = available + $2
             from products
             where product_id = $1 and id = product_id and deleted_at is null
               and ($6::text is null or currency = $6)
               -- what is reserved may come back: it has to fit as well
               and available::bigint + $2 between 0 and 1000000000 - reserved
             returning product_id, available, reserved, low_threshold
         ), noted as (
             insert into stock_moves (product_id, kind, available, reserved, reason, actor)
             select product_id, $3, $2, 0, $4, $5 from moved
         )
         select * from moved",
    )
    .bind(product.uuid())
    .bind(delta)
    .bind(entry.kind.as_str())
    .bind(&entry.reason)
    .bind(entry.actor.as_str())
    .bind(market.code())
    .fetch_optional(connection)
    .await
}

/// Sets the available stock of a live product, if as many are available as expected, and notes the
/// difference in the ledger; `None` when there is no such product, or another number, or the stock would
/// leave its bounds.
pub async fn set(
    connection: &mut PgConnection,
    product: ProductId,
    level: Level,
    entry: &Entry,
) -> Result<Option<Stock>, sqlx::Error> {
    sqlx::query_as(
        "with locked as (
             select product_id, available as before from stock join products on id = product_id
             where product_id = $1 and deleted_at is null for update of stock
         ), moved as (
             update stock set available = $2
             from locked
             where stock.product_id = locked.product_id and ($3::int is null or before = $3)
               and $2 <= 1000000000 - reserved
             returning stock.product_id, available, reserved, low_threshold, before
         ), noted as (
             insert into stock_moves (product_id, kind, available, reserved, reason, actor)
             select product_id, $4, $2 - before, 0, $5, $6 from moved where $2 <> before
         )
         select * from moved",
    )
    .bind(product.uuid())
    .bind(level.available)
    .bind(level.expected)
    .bind(entry.kind.as_str())
    .bind(&entry.reason)
    .bind(entry.actor.as_str())
    .fetch_optional(connection)
    .await
}

pub async fn get(access: &Access, product: ProductId) -> Result<Option<Stock>, sqlx::Error> {
    let found = sqlx::query_as(
        "select stock.* from stock join products on id = product_id
         where product_id = $1 and deleted_at is null",
    );
    found.bind(product.uuid()).fetch_optional(access).await
}

/// Says when the stock of a live product is low; `None` when there is no such product.
pub async fn set_threshold(
    access: &Access,
    product: ProductId,
    threshold: Option<i32>,
) -> Result<Option<Stock>, sqlx::Error> {
    let changed = sqlx::query_as(
        "update stock set low_threshold = $2 from products
         where product_id = $1 and id = product_id and deleted_at is null
         returning stock.*",
    );
    changed.bind(product.uuid()).bind(threshold).fetch_optional(access).await
}

/// The ledger of a product, newest first.
pub async fn moves(
    access: &Access,
    product: ProductId,
    window: Window,
) -> Result<Vec<page::Entry<Moved>>, sqlx::Error> {
    let rows = sqlx::query(
        "select * from stock_moves where product_id = $1 and id < $2
         order by id desc limit $3 offset $4",
    )
    .bind(product.uuid())
    .bind(window.after.map_or(i64::MAX, stock::place_of))
    .bind(window.limit)
    .bind(window.offset)
    .fetch_all(access)
    .await?;
    let entry = |row: &PgRow| match Moved::from_row(row) {
        Ok(moved) => Ok(page::Entry::Row(moved)),
        Err(error) => {
            tracing::error!(%error, "a row cannot be read");
            row.try_get("id").map(stock::key_of).map(page::Entry::unreadable)
        }
    };
    rows.iter().map(entry).collect()
}

/// The part of the ledger that is for an order, oldest first.
pub async fn moves_of_order(access: &Access, order: OrderId) -> Result<Vec<Moved>, sqlx::Error> {
    let rows = sqlx::query(
        "select * from (
             select * from stock_moves where order_id = $1 order by id desc limit $2
         ) as newest order by id",
    )
    .bind(order.uuid())
    .bind(MOST)
    .fetch_all(access)
    .await?;
    Ok(souk_db::readable(&rows))
}

/// How many moves the ledger of a product has, counted as far as one more than `most`.
pub async fn count_moves(
    access: &Access,
    product: ProductId,
    most: i32,
) -> Result<i32, sqlx::Error> {
    let count = sqlx::query_scalar(
        "select count(*)::int from (select from stock_moves where product_id = $1 limit $2) as moves",
    );
    count.bind(product.uuid()).bind(i64::from(most) + 1).fetch_one(access).await
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
