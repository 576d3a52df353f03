//! The catalog is down, slow, or does its work without anybody hearing of it.

use souk_proto::souk::orders::v1::OrderStatus;
use tonic::{Code, Status};

use crate::catalog::{Fault, Rpc};
use crate::support::{World, is_pending, reason};

fn down() -> Fault {
    Fault::Fail(Status::unavailable("it is down"))
}

#[tokio::test]
async fn orders_that_arrive_while_the_catalog_goes_down_are_reserved_when_it_is_back() {
    const ORDERS: usize = 40;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    // it still says what things cost
    world.catalog.always(Rpc::Reserve, down());
    let hasty = shop.create(buyer.hasty_order("hasty", &[(&product, 1)])).await.unwrap();
    assert!(is_pending(&hasty), "accepted, and still under way");
    world.leave_orders(&shop, &buyer, ORDERS, &product).await;
    let waiting = async {
        // who has time waits for the end
        let order = shop.order(&buyer, "patient", &[(&product, 1)]).await;
        assert_eq!(order.status(), OrderStatus::Reserved);
    };
    let back = async {
        while world.test.count("orders").await < i64::try_from(ORDERS).unwrap() + 2 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        world.catalog.heal();
    };
    tokio::join!(waiting, back);
    world.all_become("reserved", 42).await;
    assert_eq!(world.catalog.stock(&product), (958, 42));
    // who has left learns it with the same key
    for order in shop.orders(&buyer, ORDERS, &product).await {
        assert_eq!(order.status(), OrderStatus::Reserved);
    }
    assert_eq!(world.test.count("orders").await, 42);
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn nothing_is_accepted_while_nobody_can_say_what_it_costs() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    world.catalog.always(Rpc::Quote, down());
    let refused = shop.create(buyer.order("key", &[(&product, 1)])).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused)), (Code::Unavailable, "UNAVAILABLE".to_owned()));
    assert_eq!(world.test.count("orders").await, 0);
    world.catalog.heal();
    shop.order(&buyer, "key", &[(&product, 1)]).await;
    world.audit().await;
}

#[tokio::test]
async fn a_repeat_needs_no_prices() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await;
    world.catalog.delete(&product);
    world.catalog.always(Rpc::Quote, down());
    assert_eq!(shop.order(&buyer, "key", &[(&product, 1)]).await, order);
}

#[tokio::test]
async fn stock_that_was_reserved_unheard_is_reserved_once() {
    let world = World::new().await;
    let (product, scarce) = (world.catalog.product("5.00", 10), world.catalog.product("5.00", 1));
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    world.catalog.once(Rpc::Reserve, Fault::LoseAnswer);
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await;
    assert_eq!(order.status(), OrderStatus::Reserved);
    assert_eq!(world.catalog.calls_for(Rpc::Reserve, &order.id), 2);
    world.catalog.once(Rpc::Reserve, Fault::LoseAnswer);
    let refused = shop.create(buyer.order("too-many", &[(&scarce, 2)])).await.unwrap_err();
    assert_eq!(reason(&refused), "OUT_OF_STOCK");
    assert_eq!(world.catalog.stock(&product), (8, 2));
    assert_eq!(world.catalog.stock(&scarce), (1, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn a_reservation_that_ended_before_anybody_heard_of_it_expires_the_order() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    world.catalog.always(Rpc::Reserve, Fault::LoseAnswer);
    let answer = shop.create(buyer.hasty_order("key", &[(&product, 2)])).await.unwrap();
    let order = answer.into_inner().id;
    // the catalog has given the stock back meanwhile
    world.catalog.let_reservations_end();
    world.catalog.heal();
    world.becomes(&order, "expired").await;
    world.settles().await;
    assert_eq!(shop.get(&buyer, &order).await.unwrap().status(), OrderStatus::Expired);
    assert_eq!(world.catalog.stock(&product), (10, 0));
    world.audit().await;
}

#[tokio::test]
async fn stock_that_could_not_be_given_back_is_given_back_later() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    world.catalog.once(Rpc::Release, down());
    world.catalog.once(Rpc::Release, Fault::LoseAnswer);
    let cancelled = shop.cancel(&buyer, &order).await.unwrap();
    assert_eq!(cancelled.status(), OrderStatus::Cancelled);
    world.settles().await;
    assert_eq!(world.catalog.calls_for(Rpc::Release, &order), 3);
    assert_eq!(world.catalog.stock(&product), (10, 0));
    world.audit().await;
}
