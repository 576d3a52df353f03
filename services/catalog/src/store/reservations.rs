use souk_db::Access;
use souk_kit::id::OrderId;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row as _};
use uuid::Uuid;

use crate::reservation::{Pin, Request, Reservation, Shortage, Status, Step, Turn};
use crate::stock::MoveKind;

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
            pinned: row.try_get("pinned")?,
            fence: row.try_get("fence")?,
        })
    }
}

/// Decides reservations of several orders, in their order, and moves their stock: all lines of an order
/// or none. Those that are decided now are returned. Left out are orders that were decided before and
/// are not to be again, and those of which it depends on the others here whether they fit: the first of
/// these is decided when they are asked for again.
pub async fn reserve(
    access: &Access,
    requests: &[&Request],
) -> Result<Vec<Reservation>, sqlx::Error> {
    let lines = || {
        requests.iter().flat_map(|request| request.lines.iter().map(|line| (request.order, line)))
    };
    let again = requests.iter().filter(|request| request.again);
    let ended = Status::ALL.into_iter().filter(|status| status.may_be_held_again());
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
                 (order_id, status, shortages, product_ids, quantities, expires_at, pinned, fence)
             select order_id, case when fits then 'held' else 'rejected' end,
                 coalesce(shortages, '[]'), case when fits then product_ids else '{}' end,
                 case when fits then quantities else '{}' end, now() + ttl * interval '1 second',
                 fits and order_id = any ($9), fence
             from judged join unnest($4::uuid[], $5::float8[], $8::bigint[])
                 as orders (order_id, ttl, fence) using (order_id)
             where fits or shortages is not null order by order_id
             -- what has ended holds nothing; who wants it again has a higher fence than its end
             on conflict (order_id) do update set status = excluded.status,
                 shortages = excluded.shortages, product_ids = excluded.product_ids,
                 quantities = excluded.quantities, expires_at = excluded.expires_at,
                 pinned = excluded.pinned, fence = excluded.fence, updated_at = now()
             where reservations.order_id = any ($9) and reservations.status = any ($10)
                 and reservations.fence < excluded.fence
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
         select order_id, status, shortages, expires_at, pinned, fence from decided",
    )
    .bind(lines().map(|(order, _)| order.uuid()).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.product.uuid()).collect::<Vec<_>>())
    .bind(lines().map(|(_, line)| line.quantity).collect::<Vec<_>>())
    .bind(requests.iter().map(|request| request.order.uuid()).collect::<Vec<_>>())
    .bind(requests.iter().map(|request| request.ttl.as_secs_f64()).collect::<Vec<_>>())
    .bind(requests.iter().map(|request| request.actor.as_str()).collect::<Vec<_>>())
    .bind(MoveKind::Reserve.as_str())
    .bind(requests.iter().map(|request| request.fence).collect::<Vec<_>>())
    .bind(again.map(|request| request.order.uuid()).collect::<Vec<_>>())
    .bind(ended.map(Status::as_str).collect::<Vec<_>>())
    .fetch_all(access)
    .await?;
    rows.iter().map(Reservation::from_row).collect()
}

/// Takes those of the reservations a step further that stand where it begins, and moves their stock: how they are then.
/// An expiry takes only those whose time is over and that nothing keeps, and a fence only those that have seen no
/// higher one. Each turn is of another order, and of this step.
pub async fn step(
    access: &Access,
    step: Step,
    turns: &[&Turn],
) -> Result<Vec<Reservation>, sqlx::Error> {
    let (available, reserved) = step.unit();
    sqlx::query_as(
        "with asked as (
             select * from unnest($1::uuid[], $4::bigint[], $8::text[]) as asked (order_id, fence, actor)
         ), found as (
             -- one by one: together they would be looked for among all of that status
             select asked.*, product_ids, quantities from asked cross join lateral (
                 select status, product_ids, quantities from reservations
                 where order_id = asked.order_id offset 0
             ) as found
             where status = $2
         ), lines as (
             select order_id, product_id, quantity
             from found, unnest(product_ids, quantities) as lines (product_id, quantity)
         ), locked as (
             -- the stock before the reservation, as who reserves does
             select product_id, available, reserved from stock
             where product_id in (select product_id from lines) order by product_id for update
         ), mine as (
             -- these in their order, too, after the stock
             select order_id from reservations, (select count(*) from locked) as stock_is_locked
             where order_id in (select order_id from found)
             order by order_id for update of reservations
         ), taken as (
             update reservations set status = $3, pinned = false,
                 fence = greatest(reservations.fence, found.fence), updated_at = now()
             from found join mine using (order_id)
             where reservations.order_id = found.order_id and status = $2
               -- what has ended since then and is held again may hold something else
               and reservations.product_ids = found.product_ids
               and reservations.quantities = found.quantities
               and (found.fence is null or reservations.fence <= found.fence)
               and ($3 <> 'expired' or (expires_at <= now() and not pinned))
             returning reservations.*, actor
         ), units as (
             select order_id, product_id, quantity * $5 as available, quantity * $6 as reserved, actor
             from lines join taken using (order_id)
         ), moved as (
             update stock set
                 available = locked.available + sums.available,
                 reserved = locked.reserved + sums.reserved
             from (select product_id, sum(available)::int as available,
                       sum(reserved)::int as reserved
                   from units group by product_id) as sums join locked using (product_id)
             where stock.product_id = sums.product_id
         ), noted as (
             insert into stock_moves (order_id, product_id, kind, available, reserved, actor)
             select order_id, product_id, $7, available, reserved, actor from units
         )
         select order_id, status, shortages, expires_at, pinned, fence from taken",
    )
    .bind(turns.iter().map(|turn| turn.order.uuid()).collect::<Vec<_>>())
    .bind(step.start().as_str())
    .bind(step.end().as_str())
    .bind(turns.iter().map(|turn| turn.fence).collect::<Vec<_>>())
    .bind(available)
    .bind(reserved)
    .bind(step.move_kind().as_str())
    .bind(turns.iter().map(|turn| turn.actor.as_str()).collect::<Vec<_>>())
    .fetch_all(access)
    .await
}

/// Pins held reservations that have seen no higher fence, or takes the pins off: how they are then. Each is of another
/// order.
pub async fn set_pinned(access: &Access, pins: &[&Pin]) -> Result<Vec<Reservation>, sqlx::Error> {
    sqlx::query_as(
        "with asked as (
             -- in one order for all: two statements never wait for each other in a circle
             select * from unnest($1::uuid[], $2::bool[], $3::bigint[])
                 as asked (order_id, pinned, fence)
             order by order_id
         ), locked as (
             -- one by one: together they would be looked for among all that are held
             select asked.* from asked cross join lateral (
                 select status, fence from reservations where order_id = asked.order_id for update
             ) as found
             where status = 'held' and found.fence <= asked.fence
         )
         update reservations
         set pinned = locked.pinned, fence = locked.fence, updated_at = now()
         from locked where reservations.order_id = locked.order_id
         returning reservations.order_id, status, shortages, expires_at, reservations.pinned,
             reservations.fence",
    )
    .bind(pins.iter().map(|pin| pin.order.uuid()).collect::<Vec<_>>())
    .bind(pins.iter().map(|pin| pin.pinned).collect::<Vec<_>>())
    .bind(pins.iter().map(|pin| pin.fence).collect::<Vec<_>>())
    .fetch_all(access)
    .await
}

/// Notes that an order which never reserved is released: a reserve that comes late finds it. Of a
/// reservation that exists it notes how recent the claim is, and leaves it as it is.
pub async fn bury(access: &Access, order: OrderId, fence: i64) -> Result<(), sqlx::Error> {
    sqlx::query(
        "insert into reservations (order_id, status, expires_at, fence) values ($1, $2, now(), $3)
         on conflict (order_id) do update set fence = excluded.fence
         where reservations.fence < excluded.fence",
    )
    .bind(order.uuid())
    .bind(Status::Released.as_str())
    .bind(fence)
    .execute(access)
    .await?;
    Ok(())
}

pub async fn get_many(
    access: &Access,
    orders: &[OrderId],
) -> Result<Vec<Reservation>, sqlx::Error> {
    sqlx::query_as(
        "select order_id, status, shortages, expires_at, pinned, fence from reservations
         where order_id = any ($1)",
    )
    .bind(orders.iter().map(OrderId::uuid).collect::<Vec<_>>())
    .fetch_all(access)
    .await
}

/// Held reservations whose time is over, and that nothing keeps.
pub async fn due(access: &Access, limit: i64) -> Result<Vec<OrderId>, sqlx::Error> {
    let ids: Vec<Uuid> = sqlx::query_scalar(
        "select order_id from reservations
         where status = 'held' and expires_at <= now() and not pinned order by expires_at limit $1",
    )
    .bind(limit)
    .fetch_all(access)
    .await?;
    Ok(ids.into_iter().map(OrderId::from_uuid).collect())
}
