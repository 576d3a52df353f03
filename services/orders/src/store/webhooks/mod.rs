//! Webhooks: making deliveries, claiming them, and what became of them.

pub mod deliveries;
pub mod endpoints;

use std::time::Duration;

use souk_db::Access;
use souk_kit::id::{EventId, WebhookDeliveryId, WebhookEndpointId};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};

use crate::webhooks::delivery::{Claimed, Event, Verdict};
use crate::webhooks::endpoint::Disabled;
use crate::webhooks::sending::Outcome;

/// How long deliveries are kept after they were scheduled.
const LIFETIME: Duration = Duration::from_secs(30 * 24 * 3600);
/// How many rows are forgotten in one statement.
const FORGET_BATCH: i64 = 1000;

/// How much may be claimed.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// In all, and for endpoints that are not well.
    pub all: i64,
    pub rest: i64,
    /// What an endpoint that has shown that it is well has on its way at once.
    pub each: i64,
}

/// Makes deliveries of the next events, with the cursor: how many events it has passed.
pub async fn fan_out(access: &Access, most: i32) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("select fan_out_webhooks($1)").bind(most).fetch_one(access).await
}

impl FromRow<'_, PgRow> for Claimed {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        let previous: Option<Vec<u8>> = row.try_get("previous_secret")?;
        let secrets = [Some(row.try_get("secret")?), previous];
        Ok(Self {
            id: WebhookDeliveryId::from_uuid(row.try_get("id")?),
            endpoint: WebhookEndpointId::from_uuid(row.try_get("endpoint_id")?),
            epoch: row.try_get("epoch")?,
            failures: row.try_get("failures")?,
            event: Event {
                id: EventId::from_uuid(row.try_get("event_id")?),
                name: row.try_get("type")?,
                payload: row.try_get("payload")?,
                occurred_at: row.try_get("occurred_at")?,
            },
            url: row.try_get("url")?,
            secrets: secrets.into_iter().flatten().collect(),
            is_well: row.try_get("is_well")?,
        })
    }
}

/// Claims deliveries that are due, for the length of the lease: of each endpoint no more than its share, and the first
/// of each before the second of any.
pub async fn claim(
    access: &Access,
    room: Room,
    lease: Duration,
) -> Result<Vec<Claimed>, sqlx::Error> {
    // a function of the schema: what it claims may be newer than the statement that calls it
    sqlx::query_as("select * from claim_webhooks($1, $2, $3, $4)")
        .bind(room.each)
        .bind(room.rest)
        .bind(room.all)
        .bind(lease.as_secs_f64())
        .fetch_all(access)
        .await
}

/// Writes what became of an attempt, if its claim still holds. Whether the endpoint gets no more.
pub async fn note(
    access: &Access,
    claimed: &Claimed,
    outcome: &Outcome,
    told: &str,
    verdict: Verdict,
) -> Result<bool, sqlx::Error> {
    let stopped: Option<bool> = sqlx::query_scalar(include_str!("note.sql"))
        .bind(claimed.id.uuid())
        .bind(claimed.endpoint.uuid())
        .bind(claimed.epoch)
        .bind(verdict.state.as_str())
        .bind(verdict.again.map(|again| again.as_secs_f64()))
        .bind(told)
        .bind(outcome.status.map(i32::from))
        .bind(&outcome.excerpt)
        .bind(i32::try_from(outcome.took.as_millis()).unwrap_or(i32::MAX))
        .bind(verdict.disables.map(Disabled::as_str))
        .bind(verdict.is_well)
        .fetch_optional(access)
        .await?;
    Ok(stopped.unwrap_or_default())
}

/// Forgets deliveries whose time is over, some at once: how many.
pub async fn forget_deliveries(access: &Access) -> Result<u64, sqlx::Error> {
    let deleted = sqlx::query(
        "delete from webhook_deliveries where id in (
             select id from webhook_deliveries
             where scheduled_at < now() - $1 * interval '1 second'
             order by scheduled_at limit $2 for update skip locked)",
    );
    let deleted = deleted.bind(LIFETIME.as_secs_f64()).bind(FORGET_BATCH);
    Ok(deleted.execute(access).await?.rows_affected())
}

/// Forgets events that no delivery tells any more, and endpoints that were deleted and have no log any more.
pub async fn forget_rest(access: &Access) -> Result<u64, sqlx::Error> {
    let events = sqlx::query(
        "delete from webhook_events where id in (
             select id from webhook_events as event
             where occurred_at < now() - $1 * interval '1 second'
               and not exists (select from webhook_deliveries where event_id = event.id)
             order by occurred_at limit $2)",
    );
    let events = events.bind(LIFETIME.as_secs_f64()).bind(FORGET_BATCH).execute(access).await?;
    sqlx::query(
        "delete from webhook_endpoints as endpoint
         where deleted_at < now() - $1 * interval '1 second'
           and not exists (select from webhook_deliveries where endpoint_id = endpoint.id)",
    )
    .bind(LIFETIME.as_secs_f64())
    .execute(access)
    .await?;
    Ok(events.rows_affected())
}
