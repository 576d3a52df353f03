use souk_db::Access;
use souk_kit::id::{UserId, WebhookEndpointId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Row as _};

use crate::webhooks::endpoint::{Changes, Disabled, Endpoint, Keeper, MAX_ENDPOINTS, Settings};

/// Of more endpoints than this the newest are listed: an account has few, and so has the shop.
const MOST: i64 = 1_000;
/// How long the secret before a new one signs as well, in hours.
const BOTH: i32 = 24;

impl FromRow<'_, PgRow> for Endpoint {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let disabled: Option<&str> = row.try_get("disabled_reason")?;
        Ok(Self {
            id: WebhookEndpointId::from_uuid(row.try_get("id")?),
            owner: UserId::from_uuid(row.try_get("owner_id")?),
            settings: Settings {
                url: row.try_get("url")?,
                description: row.try_get("description")?,
                events: row.try_get("events")?,
                all_orders: row.try_get("all_orders")?,
                strict_order: row.try_get("strict_order")?,
            },
            disabled_at: row.try_get("disabled_at")?,
            disabled: disabled.map(Disabled::from_word),
            secret: row.try_get("secret")?,
            previous_until: row.try_get("previous_until")?,
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
        })
    }
}

/// Adds an endpoint; `None` when the account has as many as it may.
pub async fn insert(
    transaction: &mut PgConnection,
    id: WebhookEndpointId,
    owner: UserId,
    settings: &Settings,
    secret: &[u8],
) -> Result<Option<Endpoint>, sqlx::Error> {
    // those of one account come one after the other, so that there are not too many
    sqlx::query("select pg_advisory_xact_lock(hashtextextended('webhooks ' || $1::text, 0))")
        .bind(owner.uuid())
        .execute(&mut *transaction)
        .await?;
    sqlx::query_as(
        "insert into webhook_endpoints (id, owner_id, url, description, events, all_orders,
             strict_order, secret)
         select $1, $2, $3, $4, $5, $6, $7, $8
         where (select count(*) from webhook_endpoints where owner_id = $2 and deleted_at is null) < $9
         returning *",
    )
    .bind(id.uuid())
    .bind(owner.uuid())
    .bind(&settings.url)
    .bind(&settings.description)
    .bind(&settings.events)
    .bind(settings.all_orders)
    .bind(settings.strict_order)
    .bind(secret)
    .bind(MAX_ENDPOINTS)
    .fetch_optional(transaction)
    .await
}

pub async fn get(
    access: &Access,
    id: WebhookEndpointId,
    keeper: Keeper,
) -> Result<Option<Endpoint>, sqlx::Error> {
    sqlx::query_as(
        "select * from webhook_endpoints
         where id = $1 and case when all_orders then $3 else owner_id = $2 end and deleted_at is null",
    )
    .bind(id.uuid())
    .bind(keeper.account.uuid())
    .bind(keeper.sees_all_orders)
    .fetch_optional(access)
    .await
}

/// All that somebody keeps, newest first.
pub async fn list(access: &Access, keeper: Keeper) -> Result<Vec<Endpoint>, sqlx::Error> {
    sqlx::query_as(
        "select * from (
             select * from webhook_endpoints
             where owner_id = $1 and not all_orders and deleted_at is null
             union all
             select * from webhook_endpoints where $2 and all_orders and deleted_at is null
         ) as endpoints order by id desc limit $3",
    )
    .bind(keeper.account.uuid())
    .bind(keeper.sees_all_orders)
    .bind(MOST)
    .fetch_all(access)
    .await
}

/// Changes an endpoint; not one of all orders into one that is not: what it has been told stays in its log.
pub async fn update(
    access: &Access,
    id: WebhookEndpointId,
    keeper: Keeper,
    changes: &Changes,
) -> Result<Option<Endpoint>, sqlx::Error> {
    sqlx::query_as(
        "update webhook_endpoints set url = coalesce($4, url),
             description = coalesce($5, description), events = coalesce($6, events),
             all_orders = coalesce($7, all_orders), strict_order = coalesce($8, strict_order),
             enabled = coalesce($9, enabled), updated_at = now(),
             disabled_at = case when coalesce($9, enabled) then null else coalesce(disabled_at, now()) end,
             disabled_reason = case when $9 is null then disabled_reason end
         where id = $1 and case when all_orders then $3 else owner_id = $2 end and deleted_at is null
           and (not all_orders or coalesce($7, true))
         returning *",
    )
    .bind(id.uuid())
    .bind(keeper.account.uuid())
    .bind(keeper.sees_all_orders)
    .bind(&changes.url)
    .bind(&changes.description)
    .bind(&changes.events)
    .bind(changes.all_orders)
    .bind(changes.strict_order)
    .bind(changes.enabled)
    .fetch_optional(access)
    .await
}

/// Gives an endpoint a new secret; the one before it signs as well for a while.
pub async fn rotate(
    transaction: &mut PgConnection,
    id: WebhookEndpointId,
    keeper: Keeper,
    secret: &[u8],
) -> Result<Option<Endpoint>, sqlx::Error> {
    sqlx::query_as(
        "update webhook_endpoints set secret = $4, previous_secret = secret,
             previous_until = now() + $5 * interval '1 hour', updated_at = now()
         where id = $1 and case when all_orders then $3 else owner_id = $2 end and deleted_at is null
         returning *",
    )
    .bind(id.uuid())
    .bind(keeper.account.uuid())
    .bind(keeper.sees_all_orders)
    .bind(secret)
    .bind(BOTH)
    .fetch_optional(transaction)
    .await
}

/// Whether there was such an endpoint. It goes when its log has; its secrets go at once, and nothing is sent there.
pub async fn delete(
    access: &Access,
    id: WebhookEndpointId,
    keeper: Keeper,
) -> Result<bool, sqlx::Error> {
    let deleted: Option<i32> = sqlx::query_scalar(
        "with deleted as (
             update webhook_endpoints
             set deleted_at = now(), secret = '', previous_secret = null, previous_until = null
             where id = $1 and case when all_orders then $3 else owner_id = $2 end
               and deleted_at is null
             returning id
         ), cancelled as (
             update webhook_deliveries set state = 'cancelled', due_at = null, leased_until = null
             from deleted where endpoint_id = deleted.id and state = 'pending'
         )
         select 1 from deleted",
    )
    .bind(id.uuid())
    .bind(keeper.account.uuid())
    .bind(keeper.sees_all_orders)
    .fetch_optional(access)
    .await?;
    Ok(deleted.is_some())
}
