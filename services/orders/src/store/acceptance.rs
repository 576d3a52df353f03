use std::collections::HashSet;

use souk_db::Access;
use souk_db::idempotency::{Call, LIFETIME};
use uuid::Uuid;

use super::claims::LEASE;
use crate::order::Order;
use crate::state::State;

/// The epoch of an order that its acceptor carries.
pub const FIRST_EPOCH: i64 = 1;

/// An order to accept.
#[derive(Debug, Clone)]
pub struct Acceptance {
    pub order: Order,
    pub call: Call,
    /// The id and the bytes of its first event.
    pub event: (Uuid, Vec<u8>),
}

/// Accepts orders: each with its lines, its idempotency record, its first event and its audit line, or
/// not at all; whether each was. One whose key the customer has used before is not. The one who
/// accepts an order has the first claim on it.
pub async fn accept(access: &Access, items: &[Acceptance]) -> Result<Vec<bool>, sqlx::Error> {
    let orders = || items.iter().map(|item| &item.order);
    let calls = || items.iter().map(|item| &item.call);
    let lines = || orders().flat_map(|order| order.lines.iter());
    let places = || {
        orders().flat_map(|order| (1_i32..).zip(&order.lines).map(|(place, _)| (order.id, place)))
    };
    let accepted: Vec<Uuid> = sqlx::query_scalar(
        "with given as (
             select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bigint[],
                     $6::text[], $7::text[], $8::timestamptz[], $9::text[], $10::text[],
                     $11::uuid[], $12::bytea[])
                 as given (id, customer_id, key, fingerprint, total_minor, currency, request_id,
                     created_at, actor, subject, event_id, payload)
         ), accepted as (
             -- of two with one key the first is kept, and the other does nothing
             insert into orders (id, customer_id, idempotency_key, fingerprint, state, total_minor,
                 currency, request_id, created_at, updated_at, due_at, epoch)
             select id, customer_id, key, fingerprint, $13, total_minor, currency, request_id,
                 created_at, created_at, now() + $14 * interval '1 second', $15
             from given
             on conflict (customer_id, idempotency_key) do nothing
             returning id
         ), kept as (
             select given.* from given join accepted using (id)
         ), recorded as (
             insert into idempotency_keys
                 (principal, operation, key, fingerprint, resource, expires_at)
             select customer_id, $16, key, fingerprint, id, now() + $17 * interval '1 second'
             from kept
             on conflict do nothing
         ), lined as (
             insert into order_lines
                 (order_id, position, product_id, name, unit_price_minor, quantity)
             select lines.*
             from unnest($18::uuid[], $19::int[], $20::uuid[], $21::text[], $22::bigint[],
                     $23::int[])
                 as lines (order_id, position, product_id, name, unit_price_minor, quantity)
             join accepted on id = order_id
         ), told as (
             insert into outbox (event_id, subject, sequence, kind, payload)
             select event_id, id, 1, 'order.' || $13, payload from kept
         ), audited as (
             insert into audit_log (actor, action, subject, request_id)
             select actor, 'order.create', subject, request_id from kept
         )
         select id from accepted",
    )
    .bind(orders().map(|order| order.id.uuid()).collect::<Vec<_>>())
    .bind(orders().map(|order| order.customer.uuid()).collect::<Vec<_>>())
    .bind(orders().map(|order| order.key.as_str()).collect::<Vec<_>>())
    .bind(calls().map(|call| call.fingerprint.as_bytes()).collect::<Vec<_>>())
    .bind(orders().map(|order| order.total.minor()).collect::<Vec<_>>())
    .bind(orders().map(|order| order.total.currency().code()).collect::<Vec<_>>())
    .bind(orders().map(|order| order.request_id.as_str()).collect::<Vec<_>>())
    .bind(orders().map(|order| order.created_at).collect::<Vec<_>>())
    .bind(orders().map(|order| order.customer.to_string()).collect::<Vec<_>>())
    .bind(orders().map(|order| order.id.to_string()).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.event.0).collect::<Vec<_>>())
    .bind(items.iter().map(|item| item.event.1.as_slice()).collect::<Vec<_>>())
    .bind(State::Pending.as_str())
    .bind(LEASE.as_secs_f64())
    .bind(FIRST_EPOCH)
    .bind(calls().next().map(|call| call.operation.as_str()))
    .bind(LIFETIME.as_secs_f64())
    .bind(places().map(|(order, _)| order.uuid()).collect::<Vec<_>>())
    .bind(places().map(|(_, place)| place).collect::<Vec<_>>())
    .bind(lines().map(|line| line.product.uuid()).collect::<Vec<_>>())
    .bind(lines().map(|line| line.name.as_str()).collect::<Vec<_>>())
    .bind(lines().map(|line| line.unit_price.minor()).collect::<Vec<_>>())
    .bind(lines().map(|line| line.quantity).collect::<Vec<_>>())
    .fetch_all(access)
    .await?;
    let accepted: HashSet<Uuid> = accepted.into_iter().collect();
    Ok(orders().map(|order| accepted.contains(&order.id.uuid())).collect())
}
