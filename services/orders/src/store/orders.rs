use std::str::FromStr as _;

use serde::Deserialize;
use souk_db::Access;
use souk_kit::id::{OrderId, ProductId, UserId};
use souk_kit::idempotency::Key;
use souk_kit::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, QueryBuilder, Row as _};
use uuid::Uuid;

use crate::address::PostalAddress;
use crate::order::{Line, Order};
use crate::shortage::Shortage;
use crate::state::State;
use crate::stock::Stock;

/// The columns of an order, one of which are its lines: all are as they were at one moment.
pub const COLUMNS: &str = "orders.*, (select json_agg(order_lines order by position)
     from order_lines where order_id = orders.id) as lines";

#[derive(Deserialize)]
struct LineRow {
    product_id: Uuid,
    name: String,
    unit_price_minor: i64,
    quantity: i32,
}

impl FromRow<'_, PgRow> for Order {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let Json(shortages) = row.try_get::<Json<Vec<Shortage>>, _>("shortages")?;
        let key = Key::parse(row.try_get("idempotency_key")?);
        let ships_to = row.try_get::<Option<Json<PostalAddress>>, _>("ships_to")?;
        let currency = currency(row.try_get("currency")?)?;
        let lines = rows::<LineRow>(row, "lines")?.into_iter();
        Ok(Self {
            id: OrderId::from_uuid(row.try_get("id")?),
            number: row.try_get("number")?,
            customer: UserId::from_uuid(row.try_get("customer_id")?),
            key: key.ok_or_else(|| broken("an idempotency key that is none"))?,
            state: State::from_word(row.try_get("state")?),
            stock: Stock::from_word(row.try_get("stock")?),
            lines: lines.map(|row| line(row, currency)).collect::<Result<_, _>>()?,
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
        })
    }
}

/// Rows of another table that are a column, which is null where there are none.
pub fn rows<T: for<'de> Deserialize<'de>>(
    row: &PgRow,
    column: &str,
) -> Result<Vec<T>, sqlx::Error> {
    let rows: Option<Json<Vec<T>>> = row.try_get(column)?;
    Ok(rows.map(|Json(rows)| rows).unwrap_or_default())
}

/// An order; only the customer's, where there is one.
pub async fn get(
    access: &Access,
    id: OrderId,
    customer: Option<UserId>,
) -> Result<Option<Order>, sqlx::Error> {
    let mut query = QueryBuilder::new("select ");
    query.push(COLUMNS).push(" from orders where id = ").push_bind(id.uuid());
    if let Some(customer) = customer {
        query.push(" and customer_id = ").push_bind(customer.uuid());
    }
    query.build_query_as().fetch_optional(access).await
}

fn line(row: LineRow, currency: Currency) -> Result<Line, sqlx::Error> {
    let unit_price = money(row.unit_price_minor, currency)?;
    let total =
        unit_price.times(row.quantity).ok_or_else(|| broken("a line total that does not fit"))?;
    Ok(Line {
        product: ProductId::from_uuid(row.product_id),
        name: row.name,
        quantity: row.quantity,
        unit_price,
        total,
    })
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
