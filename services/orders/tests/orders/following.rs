//! Following orders live: nothing is missed, and nothing comes out of order.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::join_all;
use souk_proto::souk::orders::v1::{OrderEvent, WatchOrderRequest, WatchOrdersRequest};
use tokio::time::timeout;
use tonic::{Code, Request, Streaming};

use crate::support::{Buyer, PATIENCE, Shop, World, reason};

async fn one(shop: &Shop, buyer: &Buyer, order: &str, after: i32) -> Streaming<OrderEvent> {
    let message = WatchOrderRequest { id: order.to_owned(), after_sequence: after };
    shop.events().watch_order(buyer.sign(message)).await.unwrap().into_inner()
}

fn from(buyer: &Buyer, position: &str) -> Request<WatchOrdersRequest> {
    buyer.sign(WatchOrdersRequest { after_position: position.to_owned() })
}

async fn all(shop: &Shop, buyer: &Buyer, after: &str) -> Streaming<OrderEvent> {
    shop.events().watch_orders(from(buyer, after)).await.unwrap().into_inner()
}

async fn next(stream: &mut Streaming<OrderEvent>) -> OrderEvent {
    let next = timeout(PATIENCE, stream.message()).await.expect("an event");
    next.unwrap().expect("no end")
}

#[tokio::test]
async fn who_follows_an_order_hears_all_of_it_from_any_process() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let (one_shop, other) = (world.working_shop().await, world.working_shop().await);
    let buyer = world.buyer();
    let order = one_shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    let mut here = one(&one_shop, &buyer, &order, 0).await;
    let mut there = one(&other, &buyer, &order, 1).await;
    for sequence in 1..=2 {
        assert_eq!(next(&mut here).await.sequence, sequence);
    }
    assert_eq!(next(&mut there).await.action, "order.reserve");
    other.pay(&buyer, "pay", &order, "ok").await.unwrap();
    for stream in [&mut here, &mut there] {
        let (begun, paid) = (next(stream).await, next(stream).await);
        assert_eq!((begun.sequence, begun.action.as_str()), (3, "order.pay"));
        assert_eq!((paid.sequence, paid.action.as_str()), (4, "order.collect"));
        assert!(paid.position.is_empty());
    }
    // who comes back goes on where it was
    let mut again = buyer.sign(WatchOrderRequest { id: order.clone(), after_sequence: 0 });
    again.metadata_mut().insert("last-event-id", "3".parse().unwrap());
    let mut again = one_shop.events().watch_order(again).await.unwrap().into_inner();
    assert_eq!(next(&mut again).await.sequence, 4);
    let stranger = WatchOrderRequest { id: order, after_sequence: 0 };
    let refused = one_shop.events().watch_order(world.buyer().sign(stranger)).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn the_stream_of_all_orders_misses_nothing_across_reconnects_and_processes() {
    const ORDERS: usize = 30;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shops = [world.working_shop().await, world.working_shop().await];
    let (buyer, staff) = (world.buyer(), world.staff());
    let mut live = all(&shops[0], &staff, "").await;
    let buying = join_all((0..ORDERS).map(|number| {
        let (shop, buyer, product) = (&shops[number % 2], &buyer, &product);
        async move { shop.paid_order(buyer, &format!("key-{number}"), &[(product, 1)]).await }
    }));
    // who hears a few and breaks off, again and again, now here and now there
    let listening = async {
        let mut events = Vec::new();
        let mut turn = 0;
        while events.len() < ORDERS * 4 {
            turn += 1;
            for _ in 0..7 {
                let Ok(event) = timeout(Duration::from_secs(5), live.message()).await else {
                    break;
                };
                events.push(event.unwrap().unwrap());
            }
            let last: &OrderEvent = events.last().unwrap();
            live = all(&shops[turn % 2], &staff, &last.position).await;
        }
        events
    };
    let (_, events) = tokio::join!(buying, listening);
    assert_eq!(events.len(), ORDERS * 4);
    let positions: Vec<i64> = events.iter().map(|event| event.position.parse().unwrap()).collect();
    assert!(positions.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{positions:?}");
    let mut sequences: HashMap<String, i32> = HashMap::new();
    for event in events {
        let last = sequences.entry(event.order.unwrap().id).or_default();
        assert_eq!(event.sequence, *last + 1);
        *last += 1;
    }
    assert!(sequences.values().all(|sequence| *sequence == 4));
    world.settles().await;
    world.audit().await;
}

#[tokio::test]
async fn customers_hear_of_their_own_orders_only() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shop = world.working_shop().await;
    let (ada, grace) = (world.buyer(), world.buyer());
    let mut hers = all(&shop, &ada, "").await;
    shop.order(&grace, "key", &[(&product, 1)]).await;
    let own = shop.order(&ada, "key", &[(&product, 1)]).await;
    for _ in 0..2 {
        assert_eq!(next(&mut hers).await.order.unwrap().id, own.id);
    }
    // and from the beginning
    let mut hers = all(&shop, &ada, "0").await;
    assert_eq!(next(&mut hers).await.order.unwrap().id, own.id);
}

#[tokio::test]
async fn events_of_the_release_before_are_told_to_their_customers() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let mut live = all(&shop, &buyer, "").await;
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await;
    // it has not said whose they are
    let told = next(&mut live).await;
    next(&mut live).await;
    world.test.sql("update outbox set customer = null").await;
    world.test.sql(include_str!("../../migrations/0010_events_of_before.sql")).await;
    let mut again = all(&shop, &buyer, "0").await;
    assert_eq!(next(&mut again).await, told);
    assert_eq!(next(&mut again).await.order.unwrap().id, order.id);
}

#[tokio::test]
async fn who_comes_back_too_late_is_told() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shop = world.working_shop().await;
    let staff = world.staff();
    let mut live = all(&shop, &staff, "").await;
    shop.order(&world.buyer(), "key", &[(&product, 1)]).await;
    let last = (next(&mut live).await, next(&mut live).await).1;
    world.test.sql("delete from outbox").await;
    let forgotten = shop.events().watch_orders(from(&staff, "1")).await.unwrap_err();
    assert_eq!(reason(&forgotten), "EVENTS_FORGOTTEN");
    // who has seen all of them has missed nothing
    let mut live = all(&shop, &staff, &last.position).await;
    shop.order(&world.buyer(), "key", &[(&product, 1)]).await;
    assert_eq!(next(&mut live).await.action, "order.create");
    for odd in ["-1", "x", "99999"] {
        assert!(shop.events().watch_orders(from(&staff, odd)).await.is_err(), "{odd}");
    }
}
