//! Many orders at once: everybody gets on.

use futures::stream::{FuturesUnordered, StreamExt as _};
use souk_proto::souk::orders::v1::OrderStatus;
use tonic::Status;

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::support::World;

#[tokio::test]
async fn more_orders_than_one_scan_claims_expire() {
    const ORDERS: usize = 200;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shop = world.shop().await;
    let buyer = world.buyer();
    shop.orders(&buyer, ORDERS, &product).await;
    assert_eq!(world.catalog.stock(&product), (800, 200));
    world.let_reservations_end().await;
    shop.work();
    world.all_become("expired", 200).await;
    world.settles().await;
    assert_eq!(world.catalog.stock(&product), (1_000, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn retries_have_room_while_new_orders_wait_for_a_slow_catalog() {
    const RETRIES: usize = 20;
    const FLOOD: usize = 300;
    let world = World::new().await;
    let (wanted, hot) = (world.catalog.product("5.00", 100), world.catalog.product("5.00", 1_000));
    let shop = world.shop().await;
    let buyer = world.buyer();
    world.catalog.always(Rpc::Reserve, Fault::Fail(Status::unavailable("it is down")));
    world.leave_orders(&shop, &buyer, RETRIES, &wanted).await;
    // back, but slow where everybody goes
    let gate = Gate::new();
    world.catalog.heal();
    world.catalog.always_for(Rpc::Reserve, &hot, Fault::Hold(gate.clone()));
    let keys: Vec<String> = (0..FLOOD).map(|number| format!("flood-{number}")).collect();
    let mut flood: FuturesUnordered<_> =
        keys.iter().map(|key| shop.create(buyer.order(key, &[(&hot, 1)]))).collect();
    tokio::select! {
        () = gate.arrived(FLOOD) => {}
        answer = flood.next() => panic!("nobody was held: {answer:?}"),
    }
    shop.work();
    // all of the flood are still under way when the others are done
    world.all_become("reserved", i64::try_from(RETRIES).unwrap()).await;
    assert_eq!(world.catalog.stock(&wanted), (80, 20));
    gate.open();
    while let Some(answer) = flood.next().await {
        assert_eq!(answer.unwrap().get_ref().status(), OrderStatus::Reserved);
    }
    world.settles().await;
    assert_eq!(world.catalog.stock(&hot), (700, 300));
    world.audit().await;
    world.audit_stock().await;
}
