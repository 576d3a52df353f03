//! Slow receivers take up their share, and delay nobody else.

use std::time::{Duration, Instant};

use souk_proto::souk::orders::v1::WebhookDeliveryStatus;

use super::receiver::{Receiver, Reply};
use crate::support::World;

#[tokio::test]
async fn a_receiver_that_never_answers_delays_nobody_else() {
    const ORDERS: usize = 20;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let (stuck, quick) = (Receiver::new(Reply::Never).await, Receiver::good().await);
    let endpoint = shop.endpoint(&owner, &stuck.url()).await;
    shop.endpoint(&owner, &quick.url()).await;
    shop.orders(&owner, ORDERS, &product).await;
    let begin = Instant::now();
    quick.has_taken(2 * ORDERS).await;
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(stuck.hits().len(), 1, "one at a time, until it has shown that it is well");
    let pending = shop.log(&owner, &endpoint.id).await;
    assert!(pending.iter().all(|delivery| delivery.status() == WebhookDeliveryStatus::Pending));
}

/// Of an order that such an endpoint has not taken it gets nothing more for hours, and has some of it due all that time.
#[tokio::test]
async fn strict_endpoints_that_wait_for_what_has_failed_delay_nobody_else() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.shop().await;
    let (failed, behind) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    // more than are looked at at once
    let stalled = format!(
        "insert into webhook_endpoints (id, owner_id, url, description, events, all_orders,
             strict_order, secret, arrived_at, served_at)
         select gen_random_uuid(), gen_random_uuid(), 'https://shop.example/', '', '{{}}', false,
             true, '', now(), now() - interval '1 day'
         from generate_series(1, 600);
         insert into webhook_events (id, type, subject, sequence, payload)
         values ('{failed}', 'order.created', '{failed}', 1, ''),
             ('{behind}', 'order.reserved', '{failed}', 2, '');
         insert into webhook_deliveries (endpoint_id, owner_id, event_id, subject, position, due_at)
         select id, owner_id, '{failed}'::uuid, '{failed}'::uuid, 1, now() + interval '1 hour'
         from webhook_endpoints
         union all
         select id, owner_id, '{behind}'::uuid, '{failed}'::uuid, 2, now() from webhook_endpoints"
    );
    world.test.sql(&stalled).await;
    let (owner, quick) = (world.buyer(), Receiver::good().await);
    shop.endpoint(&owner, &quick.url()).await;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    shop.work();
    quick.has_taken(2).await;
}

#[tokio::test]
async fn many_receivers_that_never_answer_delay_nobody_else() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shop = world.working_shop().await;
    let stuck = Receiver::new(Reply::Never).await;
    let attackers: Vec<_> = (0..4).map(|_| world.buyer()).collect();
    for attacker in &attackers {
        for _ in 0..20 {
            shop.endpoint(attacker, &stuck.url()).await;
        }
        shop.order(attacker, "key", &[(&product, 1)]).await;
    }
    // more than are sent at once
    stuck.has_got(50).await;
    // they are known for what they are, fifteen seconds later
    world
        .test
        .sql("update webhook_endpoints set is_well = false; update webhook_deliveries set leased_until = null")
        .await;
    let owner = world.buyer();
    let quick = Receiver::good().await;
    let slow = world.buyer();
    let late = Receiver::new(Reply::Late(Duration::from_secs(4))).await;
    shop.endpoint(&owner, &quick.url()).await;
    let late_endpoint = shop.endpoint(&slow, &late.url()).await;
    for number in 0..3 {
        shop.order(&slow, &format!("key-{number}"), &[(&product, 1)]).await;
        shop.order(&owner, &format!("key-{number}"), &[(&product, 1)]).await;
        let begin = Instant::now();
        quick.has_taken(2 * (number + 1)).await;
        if number > 0 {
            assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        }
    }
    // who is slow has all of it in the end
    late.has_got(1).await;
    assert_eq!(shop.log(&slow, &late_endpoint.id).await.len(), 6);
}
