use souk_db::Access;
use souk_db::idempotency::{Answer, Call, LIFETIME, Record};
use sqlx::types::Json;
use sqlx::{FromRow as _, Row as _};
use uuid::Uuid;

/// What is known of an earlier call with the same key.
pub async fn of_call(access: &Access, call: &Call) -> Result<Option<Record>, sqlx::Error> {
    let row = sqlx::query(
        "select fingerprint, resource, status, metadata, response from idempotency_keys
         where principal = $1 and operation = $2 and key = $3",
    )
    .bind(call.principal)
    .bind(call.operation.as_str())
    .bind(call.key.as_str())
    .fetch_optional(access)
    .await?;
    row.as_ref().map(Record::from_row).transpose()
}

/// Keeps a call that has changed nothing, with what it is answered. `false` when the key was used before.
pub async fn keep(
    access: &Access,
    call: &Call,
    resource: Uuid,
    answer: &Answer,
) -> Result<bool, sqlx::Error> {
    let kept = sqlx::query(
        "insert into idempotency_keys
             (principal, operation, key, fingerprint, resource, status, metadata, response, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, now() + $9 * interval '1 second')
         on conflict do nothing",
    )
    .bind(call.principal)
    .bind(call.operation.as_str())
    .bind(call.key.as_str())
    .bind(call.fingerprint.as_bytes())
    .bind(resource)
    .bind(answer.status)
    .bind(Json(&answer.metadata))
    .bind(answer.body.as_slice())
    .bind(LIFETIME.as_secs_f64())
    .execute(access)
    .await?;
    Ok(kept.rows_affected() == 1)
}

/// What is known of earlier calls that place orders, with the same keys. The record of a call is forgotten after a while,
/// the order that it placed never.
pub async fn find(access: &Access, calls: &[Call]) -> Result<Vec<Option<Record>>, sqlx::Error> {
    let rows = sqlx::query(
        "select place::int, record.fingerprint, record.resource, record.status, record.metadata,
             record.response, orders.id, orders.fingerprint as order_fingerprint
         from unnest($1::uuid[], $2::text[], $3::text[]) with ordinality
             as given (principal, operation, key, place)
         left join idempotency_keys as record using (principal, operation, key)
         left join orders on customer_id = principal and idempotency_key = key
         where record.principal is not null or orders.id is not null",
    )
    .bind(calls.iter().map(|call| call.principal).collect::<Vec<_>>())
    .bind(calls.iter().map(|call| call.operation.as_str()).collect::<Vec<_>>())
    .bind(calls.iter().map(|call| call.key.as_str()).collect::<Vec<_>>())
    .fetch_all(access)
    .await?;
    let mut found: Vec<Option<Record>> = vec![None; calls.len()];
    for row in rows {
        let place: i32 = row.try_get("place")?;
        let record = match row.try_get::<Option<Vec<u8>>, _>("fingerprint")? {
            Some(_) => Record::from_row(&row)?,
            None => Record::of_resource(row.try_get("id")?, row.try_get("order_fingerprint")?),
        };
        let slot = usize::try_from(place - 1).ok().and_then(|place| found.get_mut(place));
        if let Some(slot) = slot {
            *slot = Some(record);
        }
    }
    Ok(found)
}
