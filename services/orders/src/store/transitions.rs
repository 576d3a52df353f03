use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use souk_db::Access;
use souk_db::idempotency::Answer;
use sqlx::types::Json;
use uuid::Uuid;

use crate::order::Order;
use crate::state::State;

/// A change of an order, with all that is written of it.
#[derive(Debug, Clone)]
pub struct Transition {
    /// The order after the change.
    pub order: Order,
    /// The state and the epoch that the order must still be in.
    pub from: (State, i64),
    /// The epoch afterwards: a new one makes earlier claims void.
    pub epoch: i64,
    /// When the saga looks at the order again, from now; otherwise when its reservation ends.
    pub due_after: Option<Duration>,
    /// Who changed it, and how the audit log calls what they did.
    pub actor: String,
    pub action: &'static str,
    pub request_id: String,
    /// The id and the bytes of the event.
    pub event: (Uuid, Vec<u8>),
    /// What the call that placed the order is answered, with the operation that its key belongs to.
    pub answer: Option<(String, Answer)>,
}

/// Changes orders, each whole or not at all: state, event, audit line, and the answer to the call that
/// placed it. Whether each was changed: not where it is in another state or epoch meanwhile.
pub async fn apply(access: &Access, changes: &[Transition]) -> Result<Vec<bool>, sqlx::Error> {
    let orders = || changes.iter().map(|change| &change.order);
    let answers = || changes.iter().map(|change| change.answer.as_ref());
    let nothing = BTreeMap::new();
    let metadata = |answer: Option<&(String, Answer)>| {
        Json(answer.map_or_else(|| nothing.clone(), |(_, answer)| answer.metadata.clone()))
    };
    let changed: Vec<Uuid> = sqlx::query_scalar(
        "with given as (
             select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::jsonb[],
                     $6::timestamptz[], $7::float8[], $8::timestamptz[], $9::bigint[], $10::int[],
                     $11::uuid[], $12::bytea[], $13::text[], $14::text[], $15::text[], $16::text[],
                     $17::uuid[], $18::text[], $19::text[], $20::int[], $21::jsonb[], $22::bytea[])
                 as given (id, from_state, from_epoch, state, shortages, reserved_until, due_after,
                     updated_at, epoch, version, event_id, payload, actor, action, subject,
                     request_id, customer_id, operation, key, status, metadata, response)
         ), changed as (
             update orders set
                 state = given.state,
                 shortages = given.shortages,
                 reserved_until = given.reserved_until,
                 due_at = coalesce(now() + given.due_after * interval '1 second',
                     case when given.state = 'reserved' then given.reserved_until end),
                 version = given.version,
                 epoch = given.epoch,
                 attempts = 0,
                 updated_at = given.updated_at
             from given
             where orders.id = given.id and orders.state = given.from_state
               and orders.epoch = given.from_epoch
             returning orders.id
         ), kept as (
             select given.* from given join changed using (id)
         ), told as (
             insert into outbox (event_id, subject, sequence, kind, payload)
             select event_id, id, version, 'order.' || state, payload from kept
         ), audited as (
             insert into audit_log (actor, action, subject, request_id)
             select actor, action, subject, request_id from kept
         ), answered as (
             update idempotency_keys as record
             set status = kept.status, metadata = kept.metadata, response = kept.response
             from kept
             where record.principal = kept.customer_id and record.operation = kept.operation
               and record.key = kept.key and record.status is null
         )
         select id from changed",
    )
    .bind(orders().map(|order| order.id.uuid()).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.from.0.as_str()).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.from.1).collect::<Vec<_>>())
    .bind(orders().map(|order| order.state.as_str()).collect::<Vec<_>>())
    .bind(orders().map(|order| Json(&order.shortages)).collect::<Vec<_>>())
    .bind(orders().map(|order| order.reserved_until).collect::<Vec<_>>())
    .bind(
        changes
            .iter()
            .map(|change| change.due_after.map(|after| after.as_secs_f64()))
            .collect::<Vec<_>>(),
    )
    .bind(orders().map(|order| order.updated_at).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.epoch).collect::<Vec<_>>())
    .bind(orders().map(|order| order.version).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.event.0).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.event.1.as_slice()).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.actor.as_str()).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.action).collect::<Vec<_>>())
    .bind(orders().map(|order| order.id.to_string()).collect::<Vec<_>>())
    .bind(changes.iter().map(|change| change.request_id.as_str()).collect::<Vec<_>>())
    .bind(orders().map(|order| order.customer.uuid()).collect::<Vec<_>>())
    .bind(answers().map(|answer| answer.map(|(operation, _)| operation)).collect::<Vec<_>>())
    .bind(orders().map(|order| order.key.as_str()).collect::<Vec<_>>())
    .bind(answers().map(|answer| answer.map(|(_, answer)| answer.status)).collect::<Vec<_>>())
    .bind(answers().map(metadata).collect::<Vec<_>>())
    .bind(
        answers()
            .map(|answer| answer.map(|(_, answer)| answer.body.as_slice()))
            .collect::<Vec<_>>(),
    )
    .fetch_all(access)
    .await?;
    let changed: HashSet<Uuid> = changed.into_iter().collect();
    Ok(orders().map(|order| changed.contains(&order.id.uuid())).collect())
}
