use souk_db::Access;
use souk_kit::id::OrderId;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row as _};
use uuid::Uuid;

use crate::reservation::{Request, Reservation, Shortage, Status, Step};
use crate::stock::{Actor, MoveKind};

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

/// Decides reservations of several orders, in their order, and moves their stock: all lines of an order
/// or none. Those that are decided now are returned. Left out are orders that were decided before, and
/// those of which it depends on the others here whether they fit: the first of these is decided when
/// they are asked for again.
pub async fn reserve(
    access: &Access,
    requests: &[&Request],
) -> Result<Vec<Reservation>, sqlx::Error> {
    let lines = || {
        requests.iter().flat_map(|request| request.lines.iter().map(|line| (request.order, line)))
    };
    let rows = sqlx::query(
        "with lines as (
             select * from unnest($1::uuid[], $2::uuid[], $3::int[]) with ordinality
                 as lines (order_id, product_id, quantity, place)
         ), locked as (
             -- in the order of their ids: two statements that share products wait, and never for
             -- each other
             select product_id, available, reserved from stock join products on id = product_id
             where product_id = any ($2) and deleted_at is null
             order by product_id for update of stock
         ), weighed as (
             select lines.*, coalesce(available, 0) as available,
                 sum(quantity) over (partition by product_id order by place) as wanted
             from lines left join locked using (product_id)
         ), judged as (
             select order_id, bool_and(wanted <= available) as fits,
                 jsonb_agg(jsonb_build_object(
                     'product', product_id, 'requested', quantity, 'available', available
                 )) filter (where quantity > available) as shortages,
                 array_agg(product_id order by product_id) as product_ids,
                 array_agg(quantity order by product_id) as quantities
             from weighed group by order_id
         ), decided as (
             insert into reservations
                 (order_id, status, shortages, product_ids, quantities, expires_at)
             select order_id, case when fits then 'held' else 'rejected' end,
                 coalesce(shortages, '[]'), case when fits then product_ids else '{}' end,
                 case when fits then quantities else '{}' end, now() + ttl * interval '1 second'
             from judged join unnest($4::uuid[], $5::float8[]) as orders (order_id, ttl)
                 using (order_id)
             where fits or shortages is not null
             on conflict (order_id) do nothing
             returning *
         ), held as (
             select order_id, product_id, quantity from lines join decided using (order_id)
             where status = 'held'
         ), moved as (
             -- from what was locked: the constraints look at what the row was when the statement
             -- began, before they learn that it has changed
             update stock set available = locked.available - taken.quantity,
                 reserved = locked.reserved + taken.quantity
             from (select product_id, sum(quantity)::int as quantity from held group by product_id)
                 as taken join locked using (product_id)
             where stock.product_id = taken.product_id
         ), noted as (
             insert into stock_moves (order_id, product_id, kind, available, reserved, actor)
             select order_id, product_id, $7, -quantity, quantity, actor
             from held join unnest($4::uuid[], $6::text[]) as orders (order_id, actor)
                 using (order_id)
         )
         select order_id, status, shortages, expires_at from decided",
    )
    .bind(lines().map(|(order, _)| order.uuid()).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.product.uuid()).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.quantity).collect::<Vec<_>>())
    .bind(requests.iter().map(|request| request.order.uuid()).collect::<Vec<_>>())
    .bind(requests.iter().map(|request| request.ttl.as_secs_f64()).collect::<Vec<_>>())
    .bind(requests.iter().map(|request| request.actor.as_str()).collect::<Vec<_>>())
    .bind(MoveKind::Reserve.as_str())
    .fetch_all(access)
    .await?;
    rows.iter().map(Reservation::from_row).collect()
}

/// Ends held reservations, and gives their stock back or lets it leave; which of them it has ended. An
/// expiry ends only those whose time is over.
pub async fn end(
    access: &Access,
    orders: &[OrderId],
    step: Step,
    actor: &Actor,
) -> Result<Vec<OrderId>, sqlx::Error> {
    let ended: Vec<Uuid> = sqlx::query_scalar(
        "with lines as (
             select order_id, product_id, quantity
             from reservations, unnest(product_ids, quantities) as lines (product_id, quantity)
             where order_id = any ($1) and status = 'held'
         ), locked as (
             -- the stock before the reservation, as who reserves does
             select product_id, available, reserved from stock
             where product_id in (select product_id from lines) order by product_id for update
         ), ended as (
             update reservations set status = $2, updated_at = now()
             from (select count(*) from locked) as stock_is_locked
             where order_id = any ($1) and status = 'held'
               and ($2 <> 'expired' or expires_at <= now())
             returning order_id
         ), back as (
             select order_id, product_id, quantity, case when $3 then quantity else 0 end as available
             from lines join ended using (order_id)
         ), moved as (
             update stock set
                 available = locked.available + sums.available,
                 reserved = locked.reserved - sums.quantity
             from (select product_id, sum(quantity)::int as quantity,
                       sum(available)::int as available
                   from back group by product_id) as sums join locked using (product_id)
             where stock.product_id = sums.product_id
         ), noted as (
             insert into stock_moves (order_id, product_id, kind, available, reserved, actor)
             select order_id, product_id, $4, available, -quantity, $5 from back
         )
         select order_id from ended",
    )
    .bind(orders.iter().map(OrderId::uuid).collect::<Vec<_>>())
    .bind(step.end().as_str())
    .bind(step.gives_back())
    .bind(step.move_kind().as_str())
    .bind(actor.as_str())
    .fetch_all(access)
    .await?;
    Ok(ended.into_iter().map(OrderId::from_uuid).collect())
}

/// Notes that an order which never reserved is released: a reserve that comes late finds it. Leaves
/// reservations that exist as they are.
pub async fn bury(access: &Access, order: OrderId) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into reservations (order_id, status, expires_at) values ($1, $2, now())
         on conflict do nothing",
    )
    .bind(order.uuid())
    .bind(Status::Released.as_str())
    .execute(access)
    .await?;
    Ok(())
}

pub async fn get_many(
    access: &Access,
    orders: &[OrderId],
) -> Result<Vec<Reservation>, sqlx::Error> {
    sqlx::query_as(
        "select order_id, status, shortages, expires_at from reservations
         where order_id = any ($1)",
    )
    .bind(orders.iter().map(OrderId::uuid).collect::<Vec<_>>())
    .fetch_all(access)
    .await
}

/// Held reservations whose time is over.
pub async fn due(access: &Access, limit: i64) -> Result<Vec<OrderId>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select order_id from reservations where status = 'held' and expires_at <= now()
         order by expires_at limit $1",
    )
    .bind(limit)
    .fetch_all(access)
    .await?;
    Ok(ids.into_iter().map(OrderId::from_uuid).collect())
}
