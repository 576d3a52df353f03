//! What is written of an order in the course of its life: its events, and its lines in the audit log.

use prost::Message as _;
use souk_kit::id::OrderId;
use souk_proto::souk::orders::v1::{Order, OrderEvent, OrderStatus};

use crate::catalog::{Fault, Rpc};
use crate::support::{Buyer, World, reason, uuid};

/// The events of an order, from the first, each with its kind.
async fn events(world: &World, order: &str) -> Vec<(String, OrderEvent)> {
    let rows: Vec<(String, Vec<u8>, uuid::Uuid)> = sqlx::query_as(
        "select kind, payload, event_id from outbox where subject = $1 order by sequence",
    )
    .bind(uuid(order))
    .fetch_all(&world.test.pool)
    .await
    .unwrap();
    let event = |(kind, payload, id): (String, Vec<u8>, uuid::Uuid)| {
        let event = OrderEvent::decode(payload.as_slice()).unwrap();
        assert_eq!(event.id, souk_kit::id::EventId::from_uuid(id).to_string());
        (kind, event)
    };
    rows.into_iter().map(event).collect()
}

/// What the audit log says of an order: who did what, for which request.
async fn audited(world: &World, order: &str) -> Vec<(String, String, String)> {
    sqlx::query_as("select actor, action, request_id from audit_log where subject = $1 order by id")
        .bind(order)
        .fetch_all(&world.test.pool)
        .await
        .unwrap()
}

fn with_request_id<T>(mut request: tonic::Request<T>, id: &str) -> tonic::Request<T> {
    request.metadata_mut().insert("x-request-id", id.parse().unwrap());
    request
}

fn line(actor: &str, action: &str, request: &str) -> (String, String, String) {
    (actor.to_owned(), action.to_owned(), request.to_owned())
}

/// Asserts that an order's events say one after the other how it was, and returns the orders in them.
async fn history(world: &World, order: &str, kinds: &[&str]) -> Vec<Order> {
    let events = events(world, order).await;
    let told: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(told, kinds);
    let mut orders = Vec::new();
    for ((_, event), sequence) in events.into_iter().zip(1..) {
        let told = event.order.unwrap();
        assert_eq!(event.sequence, sequence);
        assert_eq!(event.occurred_at, told.updated_at);
        assert_eq!(told.id, order);
        orders.push(told);
    }
    orders
}

async fn placed(world: &World, buyer: &Buyer) -> Order {
    let (one, other) = (world.catalog.product("5.00", 10), world.catalog.product("0.99", 10));
    let shop = world.shop().await;
    let request = buyer.order("key", &[(&one, 2), (&other, 3)]);
    let answer = shop.create(with_request_id(request, "req-place")).await;
    answer.unwrap().into_inner()
}

#[tokio::test]
async fn an_order_that_is_cancelled_has_three_events_and_three_lines() {
    let world = World::new().await;
    let buyer = world.buyer();
    let order = placed(&world, &buyer).await;
    let shop = world.shop().await;
    let request = with_request_id(buyer.cancellation(&order.id), "req-cancel");
    let cancelled = shop.client().cancel_order(request).await.unwrap().into_inner();

    let kinds = ["order.pending", "order.reserved", "order.cancelled"];
    let told = history(&world, &order.id, &kinds).await;
    assert_eq!(told[0].status(), OrderStatus::Pending);
    assert_eq!((told[0].expires_at, &told[0].items), (None, &order.items));
    assert_eq!(told[0].total.as_ref().unwrap().value, "12.97");
    // each event has the order as its reader was told it at that moment
    assert_eq!((&told[1], &told[2]), (&order, &cancelled));
    let person = buyer.id.to_string();
    assert_eq!(
        audited(&world, &order.id).await,
        [
            line(&person, "order.create", "req-place"),
            line("orders", "order.reserve", "req-place"),
            line(&person, "order.cancel", "req-cancel"),
        ]
    );
    world.audit().await;
}

#[tokio::test]
async fn an_order_that_expires_says_so() {
    let world = World::new().await;
    let buyer = world.buyer();
    let order = placed(&world, &buyer).await;
    let shop = world.working_shop().await;
    world.let_reservations_end().await;
    world.becomes(&order.id, "expired").await;
    let kinds = ["order.pending", "order.reserved", "order.expired"];
    let told = history(&world, &order.id, &kinds).await;
    assert_eq!(told[2], shop.get(&buyer, &order.id).await.unwrap());
    assert_eq!(told[2].expires_at, None);
    let lines = audited(&world, &order.id).await;
    assert_eq!(lines[2], line("orders", "order.expire", "req-place"));
    world.settles().await;
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn an_order_that_is_rejected_says_so() {
    let world = World::new().await;
    let (plenty, scarce) = (world.catalog.product("5.00", 10), world.catalog.product("5.00", 1));
    let shop = world.shop().await;
    let buyer = world.buyer();
    let request = with_request_id(buyer.order("key", &[(&plenty, 1), (&scarce, 2)]), "req-place");
    let refused = shop.create(request).await.unwrap_err();
    assert_eq!(reason(&refused), "OUT_OF_STOCK");
    let order: uuid::Uuid = world.test.ask("select id from orders").await;
    let order = OrderId::from_uuid(order).to_string();
    let told = history(&world, &order, &["order.pending", "order.rejected"]).await;
    assert_eq!(told[1], shop.get(&buyer, &order).await.unwrap());
    assert_eq!(
        audited(&world, &order).await,
        [
            line(&buyer.id.to_string(), "order.create", "req-place"),
            line("orders", "order.reject", "req-place"),
        ]
    );
    assert_eq!(world.catalog.stock(&plenty), (10, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn what_a_worker_did_in_vain_is_no_event() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    for _ in 0..2 {
        let down = Fault::Fail(tonic::Status::unavailable("it is down"));
        world.catalog.once(Rpc::Reserve, down);
    }
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await;
    assert_eq!(world.catalog.calls_for(Rpc::Reserve, &order.id), 3);
    history(&world, &order.id, &["order.pending", "order.reserved"]).await;
    world.audit().await;
}
