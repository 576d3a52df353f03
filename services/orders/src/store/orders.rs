use std::collections::HashMap;
use std::str::FromStr as _;

use souk_db::Access;
use souk_kit::id::{OrderId, ProductId, UserId};
use souk_kit::idempotency::Key;
use souk_kit::page::{Entry, Window};
use souk_kit::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Postgres, QueryBuilder, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::address::PostalAddress;
use crate::listing::Filters;
use crate::order::{Line, Order};
use crate::shortage::Shortage;
use crate::state::State;
use crate::stock::Stock;

/// An id and the moment of an order come from one clock, and may still be this far apart.
const CLOCKS: time::Duration = time::Duration::minutes(1);

/// A line: product, name, price, quantity.
type LineRow = (Uuid, String, i64, i32);

/// An order without its lines.
pub struct Head(Order);

impl FromRow<'_, PgRow> for Head {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let Json(shortages) = row.try_get::<Json<Vec<Shortage>>, _>("shortages")?;
        let key = Key::parse(row.try_get("idempotency_key")?);
        let ships_to = row.try_get::<Option<Json<PostalAddress>>, _>("ships_to")?;
        let currency = currency(row.try_get("currency")?)?;
        Ok(Self(Order {
            id: OrderId::from_uuid(row.try_get("id")?),
            number: row.try_get("number")?,
            customer: UserId::from_uuid(row.try_get("customer_id")?),
            key: key.ok_or_else(|| broken("an idempotency key that is none"))?,
            state: State::from_word(row.try_get("state")?),
            stock: Stock::from_word(row.try_get("stock")?),
            lines: Vec::new(),
            total: money(row.try_get("total_minor")?, currency)?,
            paid: money(row.try_get("paid_minor")?, currency)?,
            refunded: money(row.try_get("refunded_minor")?, currency)?,
            ships_to: ships_to.map(|Json(address)| address),
            shortages,
            reserved_until: row.try_get("reserved_until")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            request_id: row.try_get("request_id")?,
        }))
    }
}

/// An order and the epoch of its last claim; only the customer's, where there is one.
pub async fn get(
    access: &Access,
    id: OrderId,
    customer: Option<UserId>,
) -> Result<Option<(Order, i64)>, sqlx::Error> {
    let Some((head, epoch)) = head(access, id, customer).await? else { return Ok(None) };
    Ok(Some((whole(access, head).await?, epoch)))
}

/// The same without its lines, which never change.
pub async fn head(
    access: &Access,
    id: OrderId,
    customer: Option<UserId>,
) -> Result<Option<(Head, i64)>, sqlx::Error> {
    let row: Option<PgRow> = sqlx::query(
        "select * from orders where id = $1 and ($2::uuid is null or customer_id = $2)",
    )
    .bind(id.uuid())
    .bind(customer.map(|customer| customer.uuid()))
    .fetch_optional(access)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((Head::from_row(&row)?, row.try_get("epoch")?)))
}

/// An order with its lines.
pub async fn whole(access: &Access, head: Head) -> Result<Order, sqlx::Error> {
    let order = with_lines(access, vec![Entry::Row(head)]).await?.pop();
    order.and_then(Entry::row).ok_or_else(|| broken("lines that cannot be read"))
}

/// Orders that the filters let through, newest first.
pub async fn list(
    access: &Access,
    filters: &Filters,
    window: Window,
) -> Result<Vec<Entry<Order>>, sqlx::Error> {
    let mut query = QueryBuilder::new("select * from orders where id < ");
    query.push_bind(window.after.unwrap_or(Uuid::max()));
    filter(&mut query, filters);
    query.push(" order by id desc limit ").push_bind(window.limit);
    query.push(" offset ").push_bind(window.offset);
    let rows = query.build().fetch_all(access).await?;
    with_lines(access, souk_db::entries(&rows)?).await
}

/// How many orders the filters let through, counted as far as one more than `most`.
pub async fn count(access: &Access, filters: &Filters, most: i32) -> Result<i32, sqlx::Error> {
    let mut query = QueryBuilder::new("select count(*)::int from (select from orders where true");
    filter(&mut query, filters);
    query.push(" limit ").push_bind(i64::from(most) + 1).push(") as orders");
    query.build_query_scalar().fetch_one(access).await
}

fn filter(query: &mut QueryBuilder<Postgres>, filters: &Filters) {
    if let Some(customer) = filters.customer {
        query.push(" and customer_id = ").push_bind(customer.uuid());
    }
    if let Some(state) = filters.state {
        query.push(" and state = ").push_bind(state.as_str());
    }
    // ids grow with time: they bound what is read, and the moments themselves decide
    if let Some(after) = filters.created_after {
        query.push(" and created_at >= ").push_bind(after);
        let first = after.checked_sub(CLOCKS).map_or(Uuid::nil(), first_id);
        query.push(" and id >= ").push_bind(first);
    }
    if let Some(before) = filters.created_before {
        query.push(" and created_at < ").push_bind(before);
        let last = before.checked_add(CLOCKS).map_or(Uuid::max(), first_id);
        query.push(" and id <= ").push_bind(last);
    }
    if let Some(product) = filters.product {
        // order by order where there is a customer; of everybody's, by the index of the product
        if filters.customer.is_some() {
            query.push(
                " and exists (select from order_lines where order_id = orders.id and product_id = ",
            );
            query.push_bind(product.uuid()).push(" offset 0)");
        } else {
            query.push(" and id in (select order_id from order_lines where product_id = ");
            query.push_bind(product.uuid()).push(")");
        }
    }
}

/// The smallest id (UUIDv7) of a moment.
fn first_id(at: OffsetDateTime) -> Uuid {
    let millis = u128::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
    Uuid::from_u128(millis << 80)
}

/// Completes orders with their lines, in the same order.
pub async fn with_lines(
    access: &Access,
    heads: Vec<Entry<Head>>,
) -> Result<Vec<Entry<Order>>, sqlx::Error> {
    if heads.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = heads
        .iter()
        .filter_map(|head| match head {
            Entry::Row(Head(order)) => Some(order.id.uuid()),
            Entry::Unreadable { .. } => None,
        })
        .collect();
    let rows: Vec<(Uuid, Uuid, String, i64, i32)> = sqlx::query_as(
        "select order_id, product_id, name, unit_price_minor, quantity from order_lines
         where order_id = any ($1) order by order_id, position",
    )
    .bind(ids)
    .fetch_all(access)
    .await?;
    let mut lines: HashMap<Uuid, Vec<LineRow>> = HashMap::new();
    for (order, product, name, price, quantity) in rows {
        lines.entry(order).or_default().push((product, name, price, quantity));
    }
    let complete = |head| match head {
        Entry::Row(Head(order)) => {
            let rows = lines.remove(&order.id.uuid()).unwrap_or_default();
            completed(order, rows)
        }
        Entry::Unreadable { key, sort_key } => Entry::Unreadable { key, sort_key },
    };
    Ok(heads.into_iter().map(complete).collect())
}

fn completed(mut order: Order, rows: Vec<LineRow>) -> Entry<Order> {
    let currency = order.total.currency();
    match rows.into_iter().map(|row| line(row, currency)).collect() {
        Ok(lines) => {
            order.lines = lines;
            Entry::Row(order)
        }
        Err(error) => {
            tracing::error!(order_id = %order.id, %error, "the lines of an order cannot be read");
            Entry::unreadable(order.id.uuid())
        }
    }
}

fn line(
    (product, name, price, quantity): LineRow,
    currency: Currency,
) -> Result<Line, sqlx::Error> {
    let unit_price = money(price, currency)?;
    let total =
        unit_price.times(quantity).ok_or_else(|| broken("a line total that does not fit"))?;
    Ok(Line { product: ProductId::from_uuid(product), name, quantity, unit_price, total })
}

pub fn money(minor: i64, currency: Currency) -> Result<Money, sqlx::Error> {
    Money::from_minor(minor, currency).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub fn currency(code: &str) -> Result<Currency, sqlx::Error> {
    Currency::from_str(code).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

pub fn broken(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
