use souk_db::Access;
use souk_kit::id::{PaymentId, RefundId};

use crate::payment::Provider;
use crate::state::State;

/// Something that a provider tells, and what it is about, as far as it says so.
#[derive(Debug, Clone)]
pub struct Told {
    pub provider: Provider,
    /// The provider's id of it, by which it is known when it comes again.
    pub event: String,
    pub kind: String,
    pub payment: Option<PaymentId>,
    pub provider_order: Option<String>,
    /// The provider's name of a charge.
    pub reference: Option<String>,
    pub refund: Option<RefundId>,
}

/// Takes note of an event, and has the provider asked about what it names: whoever has the order has lost it, since
/// what they know may be older. Whether the event is new.
pub async fn receive(access: &Access, told: &Told) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "with told as (
             insert into provider_events (provider, event_id, kind) values ($1, $2, $3)
             on conflict do nothing
             returning 1
         ), found as (
             select id, order_id from payments
             where provider = $1 and (id = $4 or provider_order = $5 or reference = $6)
                 and exists (select from told)
             order by number limit 1
         ), due as (
             update orders set epoch = epoch + 1, due_at = now() from found
             where orders.id = found.order_id and orders.state = any ($8)
             returning found.id, found.order_id
         ), looked as (
             update payments set look_at = now() from due where payments.id = due.id
         ), asked as (
             update refunds set look_at = now() from due
             where refunds.id = $7 and refunds.order_id = due.order_id and refunds.state = 'pending'
         )
         select exists (select from told)",
    )
    .bind(told.provider.name())
    .bind(&told.event)
    .bind(&told.kind)
    .bind(told.payment.map(|id| id.uuid()))
    .bind(told.provider_order.as_deref())
    .bind(told.reference.as_deref())
    .bind(told.refund.map(|id| id.uuid()))
    .bind(State::ALL.map(State::as_str))
    .fetch_one(access)
    .await
}

/// Forgets some of the events that no provider sends again; how many.
pub async fn forget_old(access: &Access) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query(
        "delete from provider_events where (provider, event_id) in (
             select provider, event_id from provider_events
             where received_at < now() - interval '30 days' limit 1000)",
    );
    Ok(forgotten.execute(access).await?.rows_affected())
}
