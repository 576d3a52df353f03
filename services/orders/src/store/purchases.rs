use std::collections::HashMap;

use serde::Deserialize;
use souk_db::Access;
use souk_kit::id::{OrderId, PaymentId, RefundId, ShipmentId, UserId};
use souk_kit::idempotency::Key;
use sqlx::postgres::PgRow;
use sqlx::{FromRow as _, Row as _};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::orders::{self, broken, money, rows};
use crate::order::Order;
use crate::payment::{Payment, PaymentState, Provider};
use crate::purchase::Purchase;
use crate::refund::{Refund, RefundState};
use crate::shipment::Shipment;

/// Whose order somebody wants to read; anybody's where there is no owner.
pub type Wanted = (OrderId, Option<UserId>);

/// A purchase and the epoch of the last claim on it; `None` where there is no such order, and an error where a later
/// release has written it.
pub type Found = Result<Option<(Purchase, i64)>, sqlx::Error>;

pub async fn get(access: &Access, id: OrderId, customer: Option<UserId>) -> Found {
    get_many(access, &[(id, customer)]).await?.pop().unwrap_or(Ok(None))
}

/// Purchases, each as it was at one moment: an order with what is beside it.
pub async fn get_many(access: &Access, wanted: &[Wanted]) -> Result<Vec<Found>, sqlx::Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "select orders.*, place::int,
             (select json_agg(order_lines order by position)
              from order_lines where order_id = orders.id) as lines,
             (select json_agg(payments order by payments.number)
              from payments where order_id = orders.id) as payments,
             (select json_agg(refunds order by refunds.created_at, refunds.id)
              from refunds where order_id = orders.id) as refunds,
             (select json_agg(shipments) from shipments where order_id = orders.id) as shipments
         from unnest($1::uuid[], $2::uuid[]) with ordinality as wanted (wanted_id, owner, place)
             join orders on orders.id = wanted_id and (owner is null or customer_id = owner)",
    )
    .bind(wanted.iter().map(|(order, _)| order.uuid()).collect::<Vec<_>>())
    .bind(wanted.iter().map(|(_, owner)| owner.map(|owner| owner.uuid())).collect::<Vec<_>>())
    .fetch_all(access)
    .await?;
    let mut found = HashMap::with_capacity(rows.len());
    for row in rows {
        let place: i32 = row.try_get("place")?;
        let read = purchase(&row).and_then(|read| Ok((read, row.try_get("epoch")?)));
        if let Err(error) = &read {
            let id = OrderId::from_uuid(row.try_get("id")?);
            tracing::error!(order_id = %id, %error, "an order cannot be read");
        }
        found.insert(place, read);
    }
    let places = (1..).take(wanted.len());
    Ok(places.map(|place| found.remove(&place).transpose()).collect())
}

fn purchase(row: &PgRow) -> Result<Purchase, sqlx::Error> {
    let payments = rows::<PaymentRow>(row, "payments")?.into_iter().map(payment);
    let refunds = rows::<RefundRow>(row, "refunds")?.into_iter().map(refund);
    let shipment = rows::<ShipmentRow>(row, "shipments")?.pop();
    Ok(Purchase {
        order: Order::from_row(row)?,
        payments: payments.collect::<Result<_, _>>()?,
        refunds: refunds.collect::<Result<_, _>>()?,
        shipment: shipment.map(self::shipment).transpose()?,
    })
}

#[derive(Deserialize)]
struct PaymentRow {
    id: Uuid,
    number: i32,
    provider: String,
    method: String,
    state: String,
    amount_minor: i64,
    refunded_minor: i64,
    currency: String,
    provider_order: Option<String>,
    reference: Option<String>,
    failure: Option<String>,
    operation: Option<String>,
    key: Option<String>,
    look_at: Option<String>,
    created_at: String,
    updated_at: String,
}

fn payment(row: PaymentRow) -> Result<Payment, sqlx::Error> {
    let currency = orders::currency(&row.currency)?;
    Ok(Payment {
        id: PaymentId::from_uuid(row.id),
        number: row.number,
        provider: Provider::from_name(&row.provider)
            .ok_or_else(|| broken("a provider of a later release"))?,
        method: row.method,
        state: PaymentState::from_word(&row.state)
            .ok_or_else(|| broken("a payment in a state of a later release"))?,
        amount: money(row.amount_minor, currency)?,
        refunded: money(row.refunded_minor, currency)?,
        provider_order: row.provider_order,
        reference: row.reference,
        failure: row.failure,
        call: row.operation.zip(row.key.as_deref().and_then(Key::parse)),
        look_at: row.look_at.as_deref().map(moment).transpose()?,
        created_at: moment(&row.created_at)?,
        updated_at: moment(&row.updated_at)?,
    })
}

#[derive(Deserialize)]
struct RefundRow {
    id: Uuid,
    payment_id: Uuid,
    state: String,
    amount_minor: i64,
    currency: String,
    reason: String,
    reference: Option<String>,
    look_at: Option<String>,
    created_at: String,
    updated_at: String,
}

fn refund(row: RefundRow) -> Result<Refund, sqlx::Error> {
    let currency = orders::currency(&row.currency)?;
    Ok(Refund {
        id: RefundId::from_uuid(row.id),
        payment: PaymentId::from_uuid(row.payment_id),
        state: RefundState::from_word(&row.state)
            .ok_or_else(|| broken("a refund in a state of a later release"))?,
        amount: money(row.amount_minor, currency)?,
        reason: row.reason,
        reference: row.reference,
        look_at: row.look_at.as_deref().map(moment).transpose()?,
        created_at: moment(&row.created_at)?,
        updated_at: moment(&row.updated_at)?,
    })
}

#[derive(Deserialize)]
struct ShipmentRow {
    id: Uuid,
    carrier: String,
    tracking_number: String,
    created_at: String,
    delivered_at: Option<String>,
}

fn shipment(row: ShipmentRow) -> Result<Shipment, sqlx::Error> {
    Ok(Shipment {
        id: ShipmentId::from_uuid(row.id),
        carrier: row.carrier,
        tracking_number: row.tracking_number,
        created_at: moment(&row.created_at)?,
        delivered_at: row.delivered_at.as_deref().map(moment).transpose()?,
    })
}

/// A moment as the database writes it in JSON.
fn moment(text: &str) -> Result<OffsetDateTime, sqlx::Error> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}
