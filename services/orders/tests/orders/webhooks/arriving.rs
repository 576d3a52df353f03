//! Webhooks arrive: signed, and all of them, whatever receivers do.

use std::collections::HashSet;
use std::time::Duration;

use souk_proto::souk::orders::v1::WebhookDeliveryStatus;

use super::receiver::{Hit, Receiver, Reply};
use crate::support::World;

/// The events of an order that is paid.
const PAID: [&str; 4] = ["order.created", "order.reserved", "order.paying", "order.paid"];

fn ids(hits: &[Hit]) -> HashSet<String> {
    hits.iter().map(|hit| hit.id().to_owned()).collect()
}

#[tokio::test]
async fn an_owner_is_told_of_an_order_in_webhooks_that_others_verify() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    let endpoint = shop.endpoint(&owner, &receiver.url()).await;
    let secret = endpoint.secret.unwrap();
    let order = shop.paid_order(&owner, "key", &[(&product, 2)]).await;

    let mut hits = receiver.has_taken(4).await;
    hits.sort_by_key(Hit::sequence);
    for (hit, (sequence, name)) in hits.iter().zip((1..).zip(PAID)) {
        assert!(hit.is_signed_with(&secret), "{hit:?}");
        assert_eq!((hit.name().as_str(), hit.sequence()), (name, sequence));
        assert_eq!(hit.order(), order.id);
        assert!(hit.id().starts_with("evt_"));
        assert_eq!(hit.body()["data"]["event_id"], hit.id());
        assert_eq!(hit.headers["content-type"], "application/json");
    }
    let told = hits[3].body()["data"]["order"].clone();
    assert_eq!((&told["status"], &told["id"]), (&"paid".into(), &order.id.clone().into()));
    assert!(hits[3].text.contains(r#""total":10.00,"#), "{}", hits[3].text);
    assert_eq!(told["shipping_address"], serde_json::Value::Null);

    shop.all_are(&owner, &endpoint.id, WebhookDeliveryStatus::Delivered).await;
    let log = shop.log(&owner, &endpoint.id).await;
    assert_eq!((log.len(), ids(&hits).len()), (4, 4));
    for delivery in log {
        assert_eq!((delivery.attempts, delivery.response_status), (1, Some(204)));
        assert_eq!((delivery.last_outcome.as_str(), &delivery.order_id), ("delivered", &order.id));
        assert!(delivery.delivered_at.is_some() && delivery.next_attempt_at.is_none());
    }
    world.audit().await;
}

#[tokio::test]
async fn a_receiver_that_is_down_for_an_hour_loses_nothing_and_delays_nobody() {
    const ORDERS: usize = 6;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let (down, up) = (Receiver::new(Reply::Status(503)).await, Receiver::good().await);
    let endpoint = shop.endpoint(&owner, &down.url()).await;
    shop.endpoint(&owner, &up.url()).await;
    for hour in 0..6 {
        shop.order(&owner, &format!("key-{hour}"), &[(&product, 1)]).await;
        // who is up hears of it at once
        up.has_taken(2 * (hour + 1)).await;
        world.let_webhooks_wait("10 minutes").await;
    }
    assert!(down.taken().is_empty());
    assert!(down.hits().len() > 2 * ORDERS, "it was tried again");
    let log = shop.log(&owner, &endpoint.id).await;
    assert!(log.iter().all(|delivery| delivery.status() == WebhookDeliveryStatus::Pending));
    assert_eq!(log[0].last_outcome, "the receiver has answered 503");
    assert_eq!(log[0].response_excerpt, "well");

    down.reply(Reply::Status(200));
    world.let_webhooks_wait("3 hours").await;
    let taken = down.has_taken(2 * ORDERS).await;
    assert_eq!(taken.len(), 2 * ORDERS, "each once");
    assert_eq!(ids(&taken), ids(&up.taken()));
    shop.all_are(&owner, &endpoint.id, WebhookDeliveryStatus::Delivered).await;
}

#[tokio::test]
async fn a_receiver_that_answers_garbage_loses_nothing() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let receiver = Receiver::new(Reply::Raw("HTTP/1.1 banana\r\n\r\n")).await;
    let endpoint = shop.endpoint(&owner, &receiver.url()).await;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    receiver.has_got(2).await;
    world.webhooks_rest().await;
    for garbage in ["", "\0\u{1}\u{2}", "HTTP/1.1 500 x\r\ncontent-length: 9\r\n\r\ncut", "200 OK"]
    {
        receiver.reply(Reply::Raw(garbage));
        let before = receiver.hits().len();
        world.let_webhooks_wait("20 minutes").await;
        assert_eq!(receiver.hits().len(), before + 2, "{garbage:?}");
    }
    receiver.reply(Reply::Status(302));
    world.let_webhooks_wait("1 hour").await;
    let log = shop.log(&owner, &endpoint.id).await;
    assert!(log[0].last_outcome.contains("redirect"), "{:?}", log[0]);
    receiver.reply(Reply::Status(200));
    world.let_webhooks_wait("3 hours").await;
    assert_eq!(receiver.taken().len(), 2);
    shop.all_are(&owner, &endpoint.id, WebhookDeliveryStatus::Delivered).await;
}

#[tokio::test]
async fn a_receiver_is_left_alone_for_as_long_as_it_asks_for() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let busy = "HTTP/1.1 429 x\r\nretry-after: 7200\r\ncontent-length: 0\r\n\r\n";
    let receiver = Receiver::new(Reply::Raw(busy)).await;
    shop.endpoint(&owner, &receiver.url()).await;
    shop.order(&owner, "key", &[(&product, 1)]).await;
    receiver.has_got(2).await;
    world.webhooks_rest().await;
    receiver.reply(Reply::Status(200));
    world.let_webhooks_wait("1 hour").await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.hits().len(), 2);
    world.let_webhooks_wait("1 hour").await;
    receiver.has_taken(2).await;
}
