//! The SQL of the orders service, and nothing else.

use std::collections::HashMap;
use std::str::FromStr as _;
use std::time::Duration;

use souk_db::idempotency::{Call, Record};
use souk_kit::id::{OrderId, ProductId, UserId};
use souk_kit::page::Window;
use souk_kit::{Currency, Money};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, PgConnection, PgPool, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::orders::{Line, Order, Shortage};
use crate::state::State;

/// How long a claim on an order lasts: longer than a step takes, and as long as a crash delays it.
pub const LEASE: Duration = Duration::from_secs(10);
/// The epoch of an order that its acceptor carries.
pub const FIRST_EPOCH: i64 = 1;

/// What to write of an order's new state.
#[derive(Debug)]
pub struct Change {
    state: State,
    shortages: Vec<Shortage>,
    reserved_until: Option<OffsetDateTime>,
    /// When the saga looks at the order again, from now.
    due_after: Option<Duration>,
}

impl Change {
    /// To a state in which the saga has nothing to do.
    pub fn to(state: State) -> Self {
        Self { state, shortages: Vec::new(), reserved_until: None, due_after: None }
    }

    #[must_use]
    pub fn short_of(self, shortages: Vec<Shortage>) -> Self {
        Self { shortages, ..self }
    }

    /// The saga looks again when the reservation ends.
    #[must_use]
    pub fn reserved_until(self, until: OffsetDateTime) -> Self {
        Self { reserved_until: Some(until), ..self }
    }

    #[must_use]
    pub fn due_after(self, delay: Duration) -> Self {
        Self { due_after: Some(delay), ..self }
    }
}

/// An order without its lines.
struct Head(Order);

impl FromRow<'_, PgRow> for Head {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let Json(shortages) = row.try_get::<Json<Vec<Shortage>>, _>("shortages")?;
        let due_at: Option<OffsetDateTime> = row.try_get("due_at")?;
        Ok(Self(Order {
            id: OrderId::from_uuid(row.try_get("id")?),
            customer: UserId::from_uuid(row.try_get("customer_id")?),
            state: state(row.try_get("state")?)?,
            lines: Vec::new(),
            total: money(row.try_get("total_minor")?, currency(row.try_get("currency")?)?)?,
            shortages,
            reserved_until: row.try_get("reserved_until")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            is_due: due_at.is_some(),
            request_id: row.try_get("request_id")?,
        }))
    }
}

/// Adds an order; `false` when the customer used the key before. The one who accepts it has the
/// first claim on it.
pub async fn insert(
    connection: &mut PgConnection,
    order: &Order,
    call: &Call,
) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query(
        "insert into orders (id, customer_id, idempotency_key, fingerprint, state, total_minor,
             currency, request_id, created_at, updated_at, due_at, epoch)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, now() + $10 * interval '1 second', $11)
         on conflict (customer_id, idempotency_key) do nothing",
    )
    .bind(order.id.uuid())
    .bind(order.customer.uuid())
    .bind(call.key.as_str())
    .bind(call.fingerprint.as_bytes())
    .bind(order.state.as_str())
    .bind(order.total.minor())
    .bind(order.total.currency().code())
    .bind(&order.request_id)
    .bind(order.created_at)
    .bind(LEASE.as_secs_f64())
    .bind(FIRST_EPOCH)
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

pub async fn insert_lines(connection: &mut PgConnection, order: &Order) -> Result<(), sqlx::Error> {
    let lines = &order.lines;
    sqlx::query(
        "insert into order_lines (order_id, position, product_id, name, unit_price_minor, quantity)
         select $1, position, product_id, name, unit_price_minor, quantity
         from unnest($2::uuid[], $3::text[], $4::bigint[], $5::int[]) with ordinality
             as lines (product_id, name, unit_price_minor, quantity, position)",
    )
    .bind(order.id.uuid())
    .bind(lines.iter().map(|line| line.product.uuid()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.unit_price.minor()).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.quantity).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// An order; only the customer's, where there is one.
pub async fn get(
    connection: &mut PgConnection,
    id: OrderId,
    customer: Option<UserId>,
) -> Result<Option<Order>, sqlx::Error> {
    let head: Option<Head> = sqlx::query_as(
        "select * from orders where id = $1 and ($2::uuid is null or customer_id = $2)",
    )
    .bind(id.uuid())
    .bind(customer.map(|customer| customer.uuid()))
    .fetch_optional(&mut *connection)
    .await?;
    Ok(with_lines(connection, head.into_iter().collect()).await?.pop())
}

/// Orders of a customer, or of everybody, newest first.
pub async fn list(
    pool: &PgPool,
    customer: Option<UserId>,
    window: Window,
) -> Result<Vec<Order>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    // two statements rather than an `or`: each has an index to walk
    let heads: Vec<Head> = match customer {
        Some(customer) => sqlx::query_as(
            "select * from orders where customer_id = $4 and id < $1
             order by id desc limit $2 offset $3",
        )
        .bind(window.after.unwrap_or(Uuid::max()))
        .bind(window.limit)
        .bind(window.offset)
        .bind(customer.uuid()),
        None => {
            sqlx::query_as("select * from orders where id < $1 order by id desc limit $2 offset $3")
                .bind(window.after.unwrap_or(Uuid::max()))
                .bind(window.limit)
                .bind(window.offset)
        }
    }
    .fetch_all(&mut *connection)
    .await?;
    with_lines(&mut connection, heads).await
}

pub async fn count(pool: &PgPool, customer: Option<UserId>) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar(
        "select count(*)::int from orders where $1::uuid is null or customer_id = $1",
    )
    .bind(customer.map(|customer| customer.uuid()))
    .fetch_one(pool)
    .await
}

/// The order that a customer placed with a key, as an idempotency record without an answer.
pub async fn find_by_key(pool: &PgPool, call: &Call) -> Result<Option<Record>, sqlx::Error> {
    let found: Option<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select id, fingerprint from orders where customer_id = $1 and idempotency_key = $2",
    )
    .bind(call.principal)
    .bind(call.key.as_str())
    .fetch_optional(pool)
    .await?;
    Ok(found.map(|(resource, fingerprint)| Record {
        same_request: fingerprint == call.fingerprint.as_bytes(),
        resource,
        response: None,
    }))
}

/// Reads the state and epoch of a customer's order and keeps others from changing it.
pub async fn lock(
    connection: &mut PgConnection,
    id: OrderId,
    customer: UserId,
) -> Result<Option<(State, i64)>, sqlx::Error> {
    let locked: Option<(String, i64)> = sqlx::query_as(
        "select state, epoch from orders where id = $1 and customer_id = $2 for update",
    )
    .bind(id.uuid())
    .bind(customer.uuid())
    .fetch_optional(connection)
    .await?;
    locked.map(|(word, epoch)| Ok((state(&word)?, epoch))).transpose()
}

/// Begins a new epoch, in which earlier claims are void.
pub async fn take_over(
    connection: &mut PgConnection,
    id: OrderId,
    epoch: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "update orders set epoch = epoch + 1, attempts = 0 where id = $1 and epoch = $2
         returning epoch",
    )
    .bind(id.uuid())
    .bind(epoch)
    .fetch_one(connection)
    .await
}

/// Claims orders that are due, so that nobody else does for the length of the lease. States that
/// this version does not carry are left to the one that does.
pub async fn claim_due(pool: &PgPool, limit: usize) -> Result<Vec<(Order, i64)>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
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
    .fetch_all(&mut *connection)
    .await?;
    let mut epochs = HashMap::with_capacity(rows.len());
    let mut heads = Vec::with_capacity(rows.len());
    for row in &rows {
        let head = match Head::from_row(row) {
            Ok(head) => head,
            Err(error) => {
                tracing::error!(%error, "an order cannot be read");
                continue;
            }
        };
        epochs.insert(head.0.id.uuid(), row.try_get("epoch")?);
        heads.push(head);
    }
    let orders = with_lines(&mut connection, heads).await?;
    let epoch = |order: &Order| epochs.get(&order.id.uuid()).copied().unwrap_or_default();
    Ok(orders
        .into_iter()
        .map(|order| {
            let epoch = epoch(&order);
            (order, epoch)
        })
        .collect())
}

/// Moves an order from the state of a claim to another; `None` when the claim is void.
pub async fn change(
    connection: &mut PgConnection,
    id: OrderId,
    (from, epoch): (State, i64),
    change: &Change,
) -> Result<Option<Order>, sqlx::Error> {
    let head: Option<Head> = sqlx::query_as(
        "update orders set
             state = $4,
             shortages = $5,
             reserved_until = coalesce($6, reserved_until),
             due_at = coalesce(now() + $7 * interval '1 second', $6),
             version = version + 1,
             attempts = 0,
             updated_at = now()
         where id = $1 and state = $2 and epoch = $3
         returning *",
    )
    .bind(id.uuid())
    .bind(from.as_str())
    .bind(epoch)
    .bind(change.state.as_str())
    .bind(Json(&change.shortages))
    .bind(change.reserved_until)
    .bind(change.due_after.map(|delay| delay.as_secs_f64()))
    .fetch_optional(&mut *connection)
    .await?;
    Ok(with_lines(connection, head.into_iter().collect()).await?.pop())
}

/// Notes that the saga has nothing left to do with an order; `None` when the claim is void.
pub async fn finish(pool: &PgPool, id: OrderId, epoch: i64) -> Result<Option<Order>, sqlx::Error> {
    wait_until(pool, id, epoch, None).await
}

/// Notes when the saga looks at an order again; `None` when the claim is void.
pub async fn wait_until(
    pool: &PgPool,
    id: OrderId,
    epoch: i64,
    due_at: Option<OffsetDateTime>,
) -> Result<Option<Order>, sqlx::Error> {
    let mut connection = pool.acquire().await?;
    let head: Option<Head> = sqlx::query_as(
        // a little later at least: this process's clock may be behind the database's
        "update orders set attempts = 0,
             due_at = case when $3 is null then null
                 else greatest($3, now() + interval '1 second') end
         where id = $1 and epoch = $2 returning *",
    )
    .bind(id.uuid())
    .bind(epoch)
    .bind(due_at)
    .fetch_optional(&mut *connection)
    .await?;
    Ok(with_lines(&mut connection, head.into_iter().collect()).await?.pop())
}

/// Puts an order off, longer with every attempt, up to `last`, with jitter so that orders that
/// failed together do not come back together.
pub async fn postpone(
    pool: &PgPool,
    id: OrderId,
    epoch: i64,
    first: Duration,
    last: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "update orders set due_at = now() + (0.5 + random() / 2)
             * least($3 * power(2, least(attempts, 20)), $4) * interval '1 second'
         where id = $1 and epoch = $2",
    )
    .bind(id.uuid())
    .bind(epoch)
    .bind(first.as_secs_f64())
    .bind(last.as_secs_f64())
    .execute(pool)
    .await?;
    Ok(())
}

async fn with_lines(
    connection: &mut PgConnection,
    heads: Vec<Head>,
) -> Result<Vec<Order>, sqlx::Error> {
    if heads.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<Uuid> = heads.iter().map(|head| head.0.id.uuid()).collect();
    let rows: Vec<(Uuid, Uuid, String, i64, i32)> = sqlx::query_as(
        "select order_id, product_id, name, unit_price_minor, quantity from order_lines
         where order_id = any ($1) order by order_id, position",
    )
    .bind(ids)
    .fetch_all(connection)
    .await?;
    let mut lines: HashMap<Uuid, Vec<(Uuid, String, i64, i32)>> = HashMap::new();
    for (order, product, name, price, quantity) in rows {
        lines.entry(order).or_default().push((product, name, price, quantity));
    }
    heads
        .into_iter()
        .map(|Head(mut order)| {
            let currency = order.total.currency();
            let rows = lines.remove(&order.id.uuid()).unwrap_or_default();
            order.lines =
                rows.into_iter().map(|row| line(row, currency)).collect::<Result<_, _>>()?;
            Ok(order)
        })
        .collect()
}

fn line(
    (product, name, price, quantity): (Uuid, String, i64, i32),
    currency: Currency,
) -> Result<Line, sqlx::Error> {
    let unit_price = money(price, currency)?;
    let total =
        unit_price.times(quantity).ok_or_else(|| broken("a line total that does not fit"))?;
    Ok(Line { product: ProductId::from_uuid(product), name, quantity, unit_price, total })
}

fn money(minor: i64, currency: Currency) -> Result<Money, sqlx::Error> {
    Money::from_minor(minor, currency).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn currency(code: &str) -> Result<Currency, sqlx::Error> {
    Currency::from_str(code).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

fn state(word: &str) -> Result<State, sqlx::Error> {
    State::from_word(word).ok_or_else(|| broken("a state that does not exist"))
}

fn broken(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(what.into())
}
