//! The order of an order's webhooks, where an endpoint asks for it.

use std::collections::HashMap;

use souk_proto::souk::orders::v1::CreateWebhookEndpointRequest;

use super::all;
use super::receiver::{Hit, Receiver, Reply};
use crate::support::World;

fn strict(url: &str) -> CreateWebhookEndpointRequest {
    CreateWebhookEndpointRequest { strict_order: true, ..all(url) }
}

/// Has nothing of orders of two units that are reserved.
fn no_pairs_reserved(hit: &Hit) -> u16 {
    let is_pair = hit.body()["data"]["order"]["items"][0]["quantity"] == 2;
    if is_pair && hit.name() == "order.reserved" { 500 } else { 200 }
}

#[tokio::test]
async fn a_strict_endpoint_stalls_behind_what_fails_of_an_order_and_of_no_other() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.working_shop().await;
    let owner = world.buyer();
    let picky = Receiver::new(Reply::Each(no_pairs_reserved)).await;
    let lax = Receiver::new(Reply::Each(no_pairs_reserved)).await;
    shop.try_endpoint(&owner, strict(&picky.url())).await.unwrap();
    shop.endpoint(&owner, &lax.url()).await;
    let pair = shop.paid_order(&owner, "pair", &[(&product, 2)]).await.id;
    let single = shop.paid_order(&owner, "single", &[(&product, 1)]).await.id;
    let of = |receiver: &Receiver, order: &str| -> Vec<i64> {
        let hits = receiver.taken();
        hits.iter().filter(|hit| hit.order() == order).map(Hit::sequence).collect()
    };
    // all but the one that fails
    lax.has_taken(7).await;
    picky.has_taken(5).await;
    world.webhooks_rest().await;
    assert_eq!(of(&picky, &pair), [1], "what comes behind waits");
    assert_eq!(of(&picky, &single), [1, 2, 3, 4]);
    let mut at_once = of(&lax, &pair);
    at_once.sort_unstable();
    assert_eq!(at_once, [1, 3, 4]);

    picky.reply(Reply::Status(200));
    world.let_webhooks_wait("1 minute").await;
    picky.has_taken(8).await;
    assert_eq!(of(&picky, &pair), [1, 2, 3, 4]);
}

#[tokio::test]
async fn a_strict_endpoint_hears_of_each_order_in_its_sequence_from_several_processes() {
    const ORDERS: usize = 10;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let (shop, _other) = (world.working_shop().await, world.working_shop().await);
    let owner = world.buyer();
    let receiver = Receiver::good().await;
    shop.try_endpoint(&owner, strict(&receiver.url())).await.unwrap();
    for number in 0..ORDERS {
        shop.paid_order(&owner, &format!("key-{number}"), &[(&product, 1)]).await;
    }
    let taken = receiver.has_taken(4 * ORDERS).await;
    assert_eq!(taken.len(), 4 * ORDERS);
    let mut last: HashMap<String, i64> = HashMap::new();
    for hit in taken {
        let last = last.entry(hit.order()).or_default();
        assert_eq!(hit.sequence(), *last + 1);
        *last += 1;
    }
}
