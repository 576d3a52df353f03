use std::collections::{HashMap, HashSet};

use souk_db::Access;
use souk_kit::id::{OrderId, PaymentId, RefundId, ShipmentId, UserId};
use souk_kit::idempotency::Key;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::orders::{self, broken, money};
use crate::order::Order;
use crate::payment::{Payment, PaymentState, Provider};
use crate::purchase::Purchase;
use crate::refund::{Refund, RefundState};
use crate::shipment::Shipment;

/// A purchase and the epoch of the last claim on it; only the customer's, where there is one. What is beside the order
/// is read after it, and never at the same time: what is newer than the order is of a change that whoever goes on with
/// the purchase loses against, but what is older would be missed for good.
pub async fn get(
    access: &Access,
    id: OrderId,
    customer: Option<UserId>,
) -> Result<Option<(Purchase, i64)>, sqlx::Error> {
    let Some((head, epoch)) = orders::head(access, id, customer).await? else { return Ok(None) };
    let (order, mut beside) =
        tokio::try_join!(orders::whole(access, head), Beside::read(access, vec![id.uuid()]))?;
    let purchase = beside.complete(order).ok_or_else(|| broken("what is beside an order"))?;
    Ok(Some((purchase, epoch)))
}

/// Completes orders with what is beside them, without those of which something cannot be read.
pub async fn of_orders(access: &Access, orders: Vec<Order>) -> Result<Vec<Purchase>, sqlx::Error> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let ids = orders.iter().map(|order| order.id.uuid()).collect();
    let mut beside = Beside::read(access, ids).await?;
    Ok(orders.into_iter().filter_map(|order| beside.complete(order)).collect())
}

/// What is beside some orders, by their ids.
struct Beside {
    payments: HashMap<Uuid, Vec<Payment>>,
    refunds: HashMap<Uuid, Vec<Refund>>,
    shipments: HashMap<Uuid, Shipment>,
    /// Orders with something that cannot be read: a later release has written it.
    unreadable: HashSet<Uuid>,
}

impl Beside {
    async fn read(access: &Access, ids: Vec<Uuid>) -> Result<Self, sqlx::Error> {
        let payments =
            sqlx::query("select * from payments where order_id = any ($1) order by number");
        let refunds =
            sqlx::query("select * from refunds where order_id = any ($1) order by created_at, id");
        let shipments = sqlx::query("select * from shipments where order_id = any ($1)");
        let (payments, refunds, shipments) = tokio::try_join!(
            payments.bind(ids.clone()).fetch_all(access),
            refunds.bind(ids.clone()).fetch_all(access),
            shipments.bind(ids).fetch_all(access),
        )?;
        let mut unreadable = HashSet::new();
        Ok(Self {
            payments: grouped(&payments, payment, &mut unreadable)?,
            refunds: grouped(&refunds, refund, &mut unreadable)?,
            shipments: grouped(&shipments, shipment, &mut unreadable)?
                .into_iter()
                .filter_map(|(order, mut shipments)| Some((order, shipments.pop()?)))
                .collect(),
            unreadable,
        })
    }

    fn complete(&mut self, order: Order) -> Option<Purchase> {
        let id = order.id.uuid();
        (!self.unreadable.contains(&id)).then(|| Purchase {
            order,
            payments: self.payments.remove(&id).unwrap_or_default(),
            refunds: self.refunds.remove(&id).unwrap_or_default(),
            shipment: self.shipments.remove(&id),
        })
    }
}

fn grouped<T>(
    rows: &[PgRow],
    read: fn(&PgRow) -> Result<T, sqlx::Error>,
    unreadable: &mut HashSet<Uuid>,
) -> Result<HashMap<Uuid, Vec<T>>, sqlx::Error> {
    let mut groups: HashMap<Uuid, Vec<T>> = HashMap::new();
    for row in rows {
        let order = row.try_get("order_id")?;
        match read(row) {
            Ok(item) => groups.entry(order).or_default().push(item),
            Err(error) => {
                let id = OrderId::from_uuid(order);
                tracing::error!(order_id = %id, %error, "what is beside an order cannot be read");
                unreadable.insert(order);
            }
        }
    }
    Ok(groups)
}

fn payment(row: &PgRow) -> Result<Payment, sqlx::Error> {
    let currency = orders::currency(row.try_get("currency")?)?;
    let operation: Option<String> = row.try_get("operation")?;
    let key: Option<&str> = row.try_get("key")?;
    Ok(Payment {
        id: PaymentId::from_uuid(row.try_get("id")?),
        number: row.try_get("number")?,
        provider: Provider::from_name(row.try_get("provider")?)
            .ok_or_else(|| broken("a provider of a later release"))?,
        method: row.try_get("method")?,
        state: PaymentState::from_word(row.try_get("state")?)
            .ok_or_else(|| broken("a payment in a state of a later release"))?,
        amount: money(row.try_get("amount_minor")?, currency)?,
        refunded: money(row.try_get("refunded_minor")?, currency)?,
        provider_order: row.try_get("provider_order")?,
        reference: row.try_get("reference")?,
        failure: row.try_get("failure")?,
        call: operation.zip(key.and_then(Key::parse)),
        look_at: row.try_get("look_at")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn refund(row: &PgRow) -> Result<Refund, sqlx::Error> {
    let currency = orders::currency(row.try_get("currency")?)?;
    Ok(Refund {
        id: RefundId::from_uuid(row.try_get("id")?),
        payment: PaymentId::from_uuid(row.try_get("payment_id")?),
        state: RefundState::from_word(row.try_get("state")?)
            .ok_or_else(|| broken("a refund in a state of a later release"))?,
        amount: money(row.try_get("amount_minor")?, currency)?,
        reason: row.try_get("reason")?,
        reference: row.try_get("reference")?,
        look_at: row.try_get("look_at")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn shipment(row: &PgRow) -> Result<Shipment, sqlx::Error> {
    Ok(Shipment {
        id: ShipmentId::from_uuid(row.try_get("id")?),
        carrier: row.try_get("carrier")?,
        tracking_number: row.try_get("tracking_number")?,
        created_at: row.try_get("created_at")?,
        delivered_at: row.try_get("delivered_at")?,
    })
}
