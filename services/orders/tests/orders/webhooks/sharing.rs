//! Several processes carry webhooks, and some of them die.

use std::collections::HashSet;

use souk_proto::souk::orders::v1::WebhookDeliveryStatus;
use souk_testing::Proxy;

use super::receiver::{Hit, Receiver};
use crate::support::{World, soon};

/// A text that only the statement has which writes what became of an attempt.
const NOTE: &str = "failures = failures + case";

#[tokio::test]
async fn two_processes_send_each_event_once() {
    const ORDERS: usize = 30;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let (one, other) = (world.working_shop().await, world.working_shop().await);
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    let endpoint = one.endpoint(&owner, &receiver.url()).await;
    tokio::join!(one.orders(&owner, ORDERS / 2, &product), async {
        for number in ORDERS / 2..ORDERS {
            other.order(&owner, &format!("key-{number}"), &[(&product, 1)]).await;
        }
    });
    receiver.has_taken(2 * ORDERS).await;
    one.all_are(&owner, &endpoint.id, WebhookDeliveryStatus::Delivered).await;
    one.rest().await;
    other.rest().await;
    let hits = receiver.hits();
    let ids: HashSet<&str> = hits.iter().map(Hit::id).collect();
    assert_eq!((hits.len(), ids.len()), (2 * ORDERS, 2 * ORDERS));
    world.audit().await;
}

#[tokio::test]
async fn what_was_sent_by_who_died_before_writing_it_down_is_sent_again_under_the_same_id() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_with(proxy.options(), &world.catalog).await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    let endpoint = shop.endpoint(&owner, &receiver.url()).await;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    let died = proxy.lose_request(NOTE);
    shop.work();
    soon("the outcome is lost", || async { died.yet() }).await;
    assert_eq!(receiver.hits().len(), 1);
    // whoever is left finds it when the lease is over
    world.test.sql("update webhook_deliveries set leased_until = now()").await;
    let hits = receiver.has_taken(3).await;
    let ids: HashSet<&str> = hits.iter().map(Hit::id).collect();
    assert_eq!(ids.len(), 2);
    shop.all_are(&owner, &endpoint.id, WebhookDeliveryStatus::Delivered).await;
    let log = shop.log(&owner, &endpoint.id).await;
    assert_eq!(log.iter().map(|delivery| delivery.attempts).sum::<i32>(), 3);
}

#[tokio::test]
async fn events_of_a_time_when_nobody_worked_are_sent_and_those_of_before_an_endpoint_are_not() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    shop.order(&owner, "before", &[(&product, 1)]).await;
    shop.endpoint(&owner, &receiver.url()).await;
    let after = shop.order(&owner, "after", &[(&product, 1)]).await;
    shop.work();
    let hits = receiver.has_taken(2).await;
    world.webhooks_rest().await;
    assert!(hits.iter().all(|hit| hit.order() == after.id));
    assert_eq!(receiver.hits().len(), 2);
}

#[tokio::test]
async fn webhooks_of_events_that_nobody_was_there_to_tell_for_a_week_are_sent() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    shop.endpoint(&owner, &receiver.url()).await;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    world
        .test
        .sql(
            "update webhook_endpoints set created_at = created_at - interval '8 days';
             update outbox set created_at = created_at - interval '8 days'",
        )
        .await;
    shop.work();
    receiver.has_taken(2).await;
}
