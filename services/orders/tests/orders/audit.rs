//! The auditor: what must be true of the database at any moment, whoever left, died or was late.

use std::collections::HashMap;

use prost::Message as _;
use souk_kit::id::OrderId;
use souk_proto::souk::catalog::v2::ReservationStatus;
use souk_proto::souk::orders::v1::{OrderEvent, OrderStatus};
use sqlx::{Acquire as _, PgConnection};
use uuid::Uuid;

use crate::support::World;

/// Orders that are not whole, and what belongs to no order: a question each, which nothing must answer.
const WRONG: &[(&str, &str)] = &[
    (
        "an order whose lines are not all there",
        "select orders.id from orders left join (
             select order_id, count(*) as lines, max(position) as last,
                 sum(unit_price_minor * quantity) as total
             from order_lines group by order_id
         ) as sums on order_id = orders.id
         where lines is null or lines <> last or total <> total_minor",
    ),
    (
        "a line without its order",
        "select order_id from order_lines where order_id not in (select id from orders)",
    ),
    (
        "an order whose events have a gap",
        "select orders.id from orders left join (
             select subject, count(*) as events, min(sequence) as first, max(sequence) as last
             from outbox group by subject
         ) as sums on subject = orders.id
         where events is null or first <> 1 or last <> version or events <> version",
    ),
    (
        "an event without its order",
        "select subject from outbox where subject not in (select id from orders)",
    ),
    (
        "an order without the record of its call",
        "select orders.id from orders
         left join idempotency_keys on principal = customer_id and key = idempotency_key
             and operation like '%/CreateOrder'
         where resource is distinct from orders.id
             or idempotency_keys.fingerprint <> orders.fingerprint
             or (status is null) <> (state = 'pending')",
    ),
    (
        "the record of a call without its order",
        "select principal from idempotency_keys
         where operation like '%/CreateOrder'
             and (resource is null or resource not in (select id from orders))",
    ),
    (
        "an order that nobody will look at again",
        "select id from orders where due_at is null
             and state in ('pending', 'reserved', 'paying', 'payment_failed')",
    ),
    (
        "an order that is paid without a payment, or with too much or too little",
        "select orders.id from orders
         left join payments on order_id = orders.id and payments.state = 'succeeded'
         where orders.state in ('paid', 'fulfilled', 'delivered', 'refunded', 'partially_refunded')
             and (amount_minor is distinct from total_minor or paid_minor <> total_minor)
             or orders.state not in ('paying', 'paid', 'fulfilled', 'delivered', 'refunded',
                 'partially_refunded') and amount_minor is not null",
    ),
    (
        "a payment whose refunds do not add up",
        "select payments.id from payments left join (
             select payment_id, sum(amount_minor) as sum from refunds where state <> 'failed'
             group by payment_id
         ) as sums on payment_id = payments.id
         where refunded_minor <> coalesce(sum, 0)",
    ),
    (
        "an order that has not got back what its refunds say",
        "select orders.id from orders left join (
             select refunds.order_id, sum(refunds.amount_minor) as sum from refunds
             join payments on payments.id = payment_id and payments.state = 'succeeded'
             where refunds.state = 'succeeded' group by refunds.order_id
         ) as sums on order_id = orders.id
         where orders.refunded_minor <> coalesce(sum, 0)
             or (orders.state = 'refunded') <> (coalesce(sum, 0) = total_minor)",
    ),
    (
        "money of a bank that no payment knows of, once nothing is open",
        "select payment_id from sandbox_charges as charge
         where charged_at <= now() - interval '5 seconds'
             and not exists (select from payments where payments.reference = charge.reference
                 and payments.state in ('succeeded', 'surplus'))
             and not exists (select from payments where payments.id = charge.payment_id
                 and state in ('pending', 'confirming', 'failed'))",
    ),
    (
        "a bank that has given back what nobody asked for, or more than it had",
        "select refund_id from sandbox_refunds as given
         where not exists (select from refunds where refunds.id = given.refund_id
             and refunds.amount_minor = given.amount_minor)",
    ),
    (
        "a list whose length is wrong",
        "select customer_id from (
             select customer_id, count(*) as orders from orders group by customer_id
         ) as lists
         where orders is distinct from (
             select sum(count) from totals where list = 'orders of ' || customer_id)",
    ),
];

/// An event: its order, its place, its kind, its bytes.
type Told = (Uuid, i32, String, Vec<u8>);

impl World {
    /// Asserts all of it, at one moment, while anything may be under way.
    pub async fn audit(&self) {
        let mut connection = self.test.pool.acquire().await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        sqlx::query("set transaction isolation level repeatable read, read only")
            .execute(&mut *transaction)
            .await
            .unwrap();
        for (what, question) in WRONG {
            let wrong: Vec<Uuid> =
                sqlx::query_scalar(*question).fetch_all(&mut *transaction).await.unwrap();
            assert!(wrong.is_empty(), "{what}: {wrong:?}");
        }
        assert_events(&mut transaction).await;
        assert_audit_log(&mut transaction).await;
        transaction.rollback().await.unwrap();
        drop(connection);
        self.test.assert_no_transaction_left_open().await;
    }

    /// Asserts that orders and catalog agree, once nothing is under way.
    pub async fn audit_stock(&self) {
        let orders: Vec<(Uuid, String)> = sqlx::query_as("select id, state from orders")
            .fetch_all(&self.test.pool)
            .await
            .unwrap();
        for (id, state) in orders {
            let order = OrderId::from_uuid(id).to_string();
            let reservation = self.catalog.reservation(&order);
            let agrees = match state.as_str() {
                "reserved" | "paying" | "payment_failed" => {
                    reservation == Some(ReservationStatus::Held)
                }
                "paid" | "fulfilled" | "delivered" | "partially_refunded" => {
                    reservation == Some(ReservationStatus::Committed)
                }
                "refunded" => matches!(
                    reservation,
                    Some(ReservationStatus::Returned | ReservationStatus::Committed)
                ),
                "rejected" => reservation == Some(ReservationStatus::Rejected),
                "cancelled" | "expired" => {
                    !matches!(reservation, None | Some(ReservationStatus::Held))
                }
                _ => false,
            };
            assert!(agrees, "{order} is {state}, and the catalog says {reservation:?}");
        }
    }
}

/// Every event says how its order was, and the last one how it is.
async fn assert_events(connection: &mut PgConnection) {
    let events: Vec<Told> = sqlx::query_as(
        "select subject, sequence, kind, payload from outbox order by subject, sequence",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let mut last = HashMap::new();
    for (id, sequence, kind, payload) in events {
        let event = OrderEvent::decode(payload.as_slice()).unwrap();
        let told = event.order.unwrap();
        assert_eq!(
            (event.sequence, told.id.clone()),
            (sequence, OrderId::from_uuid(id).to_string())
        );
        assert_eq!(kind, format!("order.{}", word(told.status())));
        last.insert(id, kind);
    }
    let orders: Vec<(Uuid, String)> =
        sqlx::query_as("select id, state from orders").fetch_all(connection).await.unwrap();
    for (id, state) in orders {
        assert_eq!(last[&id], format!("order.{state}"), "the last event of {id}");
    }
}

/// Every change of an order has a line, and every line an order.
async fn assert_audit_log(connection: &mut PgConnection) {
    let lines: Vec<(String, i64)> = sqlx::query_as(
        "select subject, count(*) from audit_log where actor <> '' and request_id <> ''
         group by subject",
    )
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    let orders: Vec<(Uuid, i32)> =
        sqlx::query_as("select id, version from orders").fetch_all(connection).await.unwrap();
    let changes: HashMap<String, i64> = (orders.into_iter())
        .map(|(id, version)| (OrderId::from_uuid(id).to_string(), i64::from(version)))
        .collect();
    assert_eq!(lines.into_iter().collect::<HashMap<_, _>>(), changes, "the audit log");
}

/// The word of the database for a status.
fn word(status: OrderStatus) -> String {
    status.as_str_name().trim_start_matches("ORDER_STATUS_").to_lowercase()
}
