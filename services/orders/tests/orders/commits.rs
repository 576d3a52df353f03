//! The answer of a commit is lost: the database has done it, and nobody hears of that.

use std::time::Duration;

use souk_proto::souk::orders::v1::OrderStatus;
use souk_testing::{Happened, Proxy};
use tonic::Code;

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::support::{CHANGE, LOOK_UP, POSTPONE, World, has_seen, is_replayed, reason, soon};

/// Something goes wrong with the next result of the catalog.
async fn fault_of_the_result(world: &World, fault: impl FnOnce() -> Happened) -> Happened {
    let gate = Gate::new();
    world.catalog.once(Rpc::Reserve, Fault::Hold(gate.clone()));
    gate.arrived(1).await;
    let happened = fault();
    gate.open();
    happened
}

#[tokio::test]
async fn an_order_whose_acceptance_was_not_heard_of_is_the_callers_all_the_same() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_with(proxy.options(), &world.catalog).await;
    let buyer = world.buyer();
    let lost = proxy.lose_answer(CHANGE);
    // nobody works in the background: who has accepted the order carries it
    let answer = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
    assert!(lost.yet() && !is_replayed(answer.metadata()));
    let order = answer.into_inner();
    assert_eq!(order.status(), OrderStatus::Reserved);
    let again = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.into_inner(), order);
    assert_eq!(world.catalog.stock(&product), (8, 2));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn an_order_of_which_nobody_can_tell_is_found_by_a_retry() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_with(proxy.options(), &world.catalog).await;
    let buyer = world.buyer();
    let lost = [proxy.lose_answer(CHANGE), proxy.lose_request(LOOK_UP)];
    let refused = shop.create(buyer.order("key", &[(&product, 2)])).await;
    assert!(lost.iter().all(Happened::yet));
    assert_eq!(refused.unwrap_err().code(), Code::Unavailable);
    let early = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap_err();
    assert_eq!(reason(&early), "IN_FLIGHT");

    // its first lease ends some time, and the scan finds it like any other
    world.let_time_pass().await;
    shop.work();
    world.all_become("reserved", 1).await;
    let again = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(world.catalog.stock(&product), (8, 2));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn an_acceptance_that_never_arrives_leaves_nothing() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_with(proxy.options(), &world.catalog).await;
    let buyer = world.buyer();
    let lost = proxy.lose_request(CHANGE);
    let refused = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap_err();
    assert!(lost.yet() && refused.code() == Code::Unavailable);
    assert_eq!(world.test.count("orders").await, 0);
    world.audit().await;
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await;
    assert_eq!(order.status(), OrderStatus::Reserved);
    world.audit().await;
}

#[tokio::test]
async fn a_result_whose_commit_was_not_heard_of_counts_once() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_with(proxy.options(), &world.catalog).await;
    shop.work();
    let buyer = world.buyer();
    let fault = fault_of_the_result(&world, || proxy.lose_answer(CHANGE));
    let lines = [(&*product, 2)];
    let (lost, order) = tokio::join!(fault, shop.order(&buyer, "key", &lines));
    assert!(lost.yet());
    assert_eq!(order.status(), OrderStatus::Reserved);
    let again = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.into_inner(), order);
    assert_eq!((world.test.count("outbox").await, world.catalog.stock(&product)), (2, (8, 2)));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn what_has_ended_unheard_is_not_tried_again() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1);
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_with(proxy.options(), &world.catalog).await;
    let buyer = world.buyer();
    let fault = fault_of_the_result(&world, || proxy.lose_answer(CHANGE));
    let mut request = buyer.order("key", &[(&product, 2)]);
    // nobody wakes the caller, who looks in the end
    request.set_timeout(Duration::from_secs(2));
    let (lost, refused) = tokio::join!(fault, shop.create(request));
    assert!(lost.yet());
    assert_eq!(reason(&refused.unwrap_err()), "OUT_OF_STOCK");
    soon("it is postponed", || async { has_seen(&proxy, POSTPONE) }).await;
    assert_eq!(world.test.count("orders where state = 'rejected' and due_at is null").await, 1);
}

#[tokio::test]
async fn a_result_that_never_arrives_is_brought_again() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_with(proxy.options(), &world.catalog).await;
    shop.work();
    let buyer = world.buyer();
    let fault = fault_of_the_result(&world, || proxy.lose_request(CHANGE));
    let lines = [(&*product, 2)];
    let (lost, order) = tokio::join!(fault, shop.order(&buyer, "key", &lines));
    assert!(lost.yet());
    assert_eq!(order.status(), OrderStatus::Reserved);
    assert_eq!(world.catalog.calls_for(Rpc::Reserve, &order.id), 2);
    assert_eq!(world.catalog.stock(&product), (8, 2));
    world.audit().await;
}

#[tokio::test]
async fn a_cancellation_whose_commit_was_not_heard_of_is_one() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_with(proxy.options(), &world.catalog).await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    let lost = proxy.lose_answer(CHANGE);
    let refused = shop.cancel(&buyer, &order).await.unwrap_err();
    assert!(lost.yet() && refused.code() == Code::Unavailable);
    let again = shop.cancel(&buyer, &order).await.unwrap();
    assert_eq!(again.status(), OrderStatus::Cancelled);
    world.let_time_pass().await;
    shop.work();
    world.settles().await;
    assert_eq!(world.catalog.stock(&product), (10, 0));
    world.audit().await;
    world.audit_stock().await;
}
