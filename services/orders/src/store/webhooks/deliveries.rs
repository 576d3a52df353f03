use souk_db::Access;
use souk_kit::id::{EventId, OrderId, UserId, WebhookDeliveryId, WebhookEndpointId};
use souk_kit::page::{Entry, Window};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row as _};
use uuid::Uuid;

use crate::webhooks::delivery::{Delivery, Log, State, TEST};
use crate::webhooks::endpoint::Keeper;

/// Of more deliveries that tell of an order the newest are told.
const MOST: i64 = 1000;

impl FromRow<'_, PgRow> for Delivery {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let subject: Option<Uuid> = row.try_get("subject")?;
        Ok(Self {
            id: WebhookDeliveryId::from_uuid(row.try_get("id")?),
            endpoint: WebhookEndpointId::from_uuid(row.try_get("endpoint_id")?),
            event: EventId::from_uuid(row.try_get("event_id")?),
            event_type: row.try_get("type")?,
            order: subject.map(OrderId::from_uuid),
            sequence: row.try_get("sequence")?,
            state: State::from_word(row.try_get("state")?),
            attempts: row.try_get("attempts")?,
            attempted_at: row.try_get("attempted_at")?,
            outcome: row.try_get("outcome")?,
            status: row.try_get("status")?,
            excerpt: row.try_get("excerpt")?,
            took_ms: row.try_get("took_ms")?,
            due_at: row.try_get("due_at")?,
            delivered_at: row.try_get("delivered_at")?,
            created_at: row.try_get("created_at")?,
        })
    }
}

/// Deliveries of a log, newest first.
pub async fn list(
    access: &Access,
    log: Log,
    window: Window,
) -> Result<Vec<Entry<Delivery>>, sqlx::Error> {
    let rows = sqlx::query(
        "select delivery.*, event.type, event.sequence
         from webhook_deliveries as delivery join webhook_events as event on event.id = event_id
         where endpoint_id = $1 and delivery.id < $2 and ($3::text is null or state = $3)
         order by delivery.id desc limit $4 offset $5",
    )
    .bind(log.endpoint.uuid())
    .bind(window.after.unwrap_or(Uuid::max()))
    .bind(log.state.map(State::as_str))
    .bind(window.limit)
    .bind(window.offset)
    .fetch_all(access)
    .await?;
    souk_db::entries(&rows)
}

/// How many deliveries a log has, counted as far as one more than `most`.
pub async fn count(access: &Access, log: Log, most: i32) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar(
        "select count(*)::int from (
             select from webhook_deliveries
             where endpoint_id = $1 and ($2::text is null or state = $2)
             limit $3
         ) as deliveries",
    )
    .bind(log.endpoint.uuid())
    .bind(log.state.map(State::as_str))
    .bind(i64::from(most) + 1)
    .fetch_one(access)
    .await
}

/// Deliveries that tell of an order, to all endpoints or to those that an owner keeps, oldest first.
pub async fn of_order(
    access: &Access,
    order: OrderId,
    owner: Option<UserId>,
) -> Result<Vec<Delivery>, sqlx::Error> {
    sqlx::query_as(
        "select * from (
             select delivery.*, event.type, event.sequence
             from webhook_deliveries as delivery join webhook_events as event on event.id = event_id
             join webhook_endpoints as endpoint on endpoint.id = endpoint_id
             where delivery.subject = $1
               and ($2::uuid is null or endpoint.owner_id = $2 and not all_orders)
             order by delivery.id desc limit $3
         ) as newest order by id",
    )
    .bind(order.uuid())
    .bind(owner.map(|owner| owner.uuid()))
    .bind(MOST)
    .fetch_all(access)
    .await
}

/// Makes a test event and its delivery; `None` where somebody keeps no such endpoint.
pub async fn insert_test(
    transaction: &mut PgConnection,
    id: WebhookDeliveryId,
    event: EventId,
    endpoint: WebhookEndpointId,
    keeper: Keeper,
) -> Result<Option<Delivery>, sqlx::Error> {
    sqlx::query_as(
        "with endpoint as (
             select id, owner_id from webhook_endpoints
             where id = $3 and case when all_orders then $5 else owner_id = $4 end
               and deleted_at is null for key share
         ), event as (
             insert into webhook_events (id, type) select $2, $6 from endpoint
             returning id, type, sequence
         ), made as (
             insert into webhook_deliveries (id, endpoint_id, owner_id, event_id)
             select $1, endpoint.id, owner_id, event.id from endpoint cross join event
             returning *
         )
         select made.*, event.type, event.sequence from made cross join event",
    )
    .bind(id.uuid())
    .bind(event.uuid())
    .bind(endpoint.uuid())
    .bind(keeper.account.uuid())
    .bind(keeper.sees_all_orders)
    .bind(TEST)
    .fetch_optional(transaction)
    .await
}

/// Has an event sent again: its schedule begins anew. One that is on its way is left to that.
pub async fn renew(
    transaction: &mut PgConnection,
    id: WebhookDeliveryId,
    endpoint: WebhookEndpointId,
    keeper: Keeper,
) -> Result<Option<Delivery>, sqlx::Error> {
    sqlx::query_as(
        "update webhook_deliveries as delivery
         set state = 'pending', due_at = now(), scheduled_at = now(), failures = 0
         from webhook_endpoints as endpoint, webhook_events as event
         where delivery.id = $1 and delivery.endpoint_id = $2
           and endpoint.id = delivery.endpoint_id and endpoint.deleted_at is null
           and case when all_orders then $4 else endpoint.owner_id = $3 end
           and event.id = delivery.event_id
         returning delivery.*, event.type, event.sequence",
    )
    .bind(id.uuid())
    .bind(endpoint.uuid())
    .bind(keeper.account.uuid())
    .bind(keeper.sees_all_orders)
    .fetch_optional(transaction)
    .await
}
