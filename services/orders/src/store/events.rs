use souk_db::Access;
use souk_db::outbox::{FORGET_BATCH, LIFETIME};
use souk_kit::id::{OrderId, UserId};

/// How many events are read at once: few, since each may have a hundred lines, and who follows may be slow.
pub const PAGE: i64 = 16;

/// Both columns at once, in the order of their index: equality with the first would leave it open to walk another one,
/// and to leave out the events of others.
pub(super) const OF_CUSTOMER: &str = "
    select position, payload from outbox
    where (customer, position) > ($1, $2) and customer <= $1 and position is not null
    order by customer, position limit $3";

/// An event as it is kept: its position, once it has one, and its bytes.
pub type Kept = (Option<i64>, Vec<u8>);

/// Events behind a position, in their order.
pub async fn after(access: &Access, position: i64) -> Result<Vec<Kept>, sqlx::Error> {
    sqlx::query_as(
        "select position, payload from outbox where position > $1 order by position limit $2",
    )
    .bind(position)
    .bind(PAGE)
    .fetch_all(access)
    .await
}

/// The same of a customer's orders.
pub async fn of_customer(
    access: &Access,
    customer: UserId,
    position: i64,
) -> Result<Vec<Kept>, sqlx::Error> {
    sqlx::query_as(OF_CUSTOMER)
        .bind(customer.uuid())
        .bind(position)
        .bind(PAGE)
        .fetch_all(access)
        .await
}

/// Events of an order behind one, in their order.
pub async fn of_order(
    access: &Access,
    order: OrderId,
    sequence: i32,
) -> Result<Vec<Kept>, sqlx::Error> {
    sqlx::query_as(
        "select position, payload from outbox where subject = $1 and sequence > $2
         order by sequence limit $3",
    )
    .bind(order.uuid())
    .bind(sequence)
    .bind(PAGE)
    .fetch_all(access)
    .await
}

/// The first position that is still known, and the last that was given.
pub async fn ends(access: &Access) -> Result<(i64, i64), sqlx::Error> {
    sqlx::query_as(
        "select coalesce((select min(outbox.position) from outbox), ended.position + 1),
             ended.position
         from outbox_end as ended",
    )
    .fetch_one(access)
    .await
}

/// Forgets events whose time is over, some at once: how many. Those of which webhooks are still to be made stay, however
/// long nobody was there to make them.
pub async fn forget_old(access: &Access) -> Result<u64, sqlx::Error> {
    // the oldest first, and locked in their order, as who gives them positions does
    let deleted = sqlx::query(
        "delete from outbox where id in (
             select id from (
                 select id, created_at, position from outbox order by id limit $1 for update
             ) as oldest
             where created_at < now() - $2 * interval '1 second'
               and position <= (select webhook_cursor.position from webhook_cursor))",
    );
    let deleted = deleted.bind(FORGET_BATCH).bind(LIFETIME.as_secs_f64());
    Ok(deleted.execute(access).await?.rows_affected())
}
