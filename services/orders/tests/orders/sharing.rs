//! Several orders processes on one database.

use std::time::Duration;

use futures::future::join_all;
use souk_proto::souk::catalog::v2::ReservationStatus;
use souk_proto::souk::orders::v1::{Order, OrderStatus};
use souk_testing::Proxy;
use sqlx::{Postgres, Transaction};
use tokio::time::sleep;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::support::{CHANGE, World, has_seen, is_pending, reason, soon, uuid};

#[tokio::test]
async fn the_late_result_of_a_worker_that_stalled_past_its_lease_changes_nothing() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let stalled = world.shop_with(proxy.options(), &world.catalog).await;
    let other = world.shop().await;
    let (buyer, gate) = (world.buyer(), Gate::new());
    // reserved, but the worker has not heard of it yet
    world.catalog.once(Rpc::Reserve, Fault::HoldAnswer(gate.clone()));
    let answer = stalled.create(buyer.hasty_order("key", &[(&product, 2)])).await.unwrap();
    assert!(is_pending(&answer));
    let order = answer.into_inner().id;
    gate.arrived(1).await;

    // its lease ends, and another process takes the order over
    world.let_time_pass().await;
    other.work();
    world.becomes(&order, "reserved").await;
    world.audit().await;
    // what the stalled one hears now came too late
    let epoch: i64 = world.test.ask("select epoch from orders").await;
    proxy.take_round_trips();
    gate.open();
    soon("the late result", || async { has_seen(&proxy, CHANGE) }).await;
    world.audit().await;
    assert_eq!(world.test.ask::<i64>("select epoch from orders").await, epoch);
    assert_eq!(world.test.count("outbox").await, 2);
    assert_eq!(world.catalog.stock(&product), (8, 2));
}

#[tokio::test]
async fn a_claim_that_was_taken_over_is_void_before_its_successor_is_done() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let stalled = world.shop_with(proxy.options(), &world.catalog).await;
    let other = world.shop().await;
    let (buyer, gates) = (world.buyer(), [Gate::new(), Gate::new()]);
    for gate in &gates {
        world.catalog.once(Rpc::Reserve, Fault::HoldAnswer(gate.clone()));
    }
    let answer = stalled.create(buyer.hasty_order("key", &[(&product, 2)])).await.unwrap();
    let order = answer.into_inner().id;
    gates[0].arrived(1).await;
    world.let_time_pass().await;
    other.work();
    gates[1].arrived(1).await;

    proxy.take_round_trips();
    gates[0].open();
    soon("the late result", || async { has_seen(&proxy, CHANGE) }).await;
    assert_eq!(world.state(&order).await, "pending");
    gates[1].open();
    world.becomes(&order, "reserved").await;
    assert_eq!(world.catalog.stock(&product), (8, 2));
    world.audit().await;
}

#[tokio::test]
async fn a_stalled_worker_does_not_undo_what_has_happened_since() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let stalled = world.shop_with(proxy.options(), &world.catalog).await;
    let other = world.shop().await;
    let (buyer, gate) = (world.buyer(), Gate::new());
    // it stalls before the catalog hears of the order at all
    world.catalog.once(Rpc::Reserve, Fault::Hold(gate.clone()));
    let answer = stalled.create(buyer.hasty_order("key", &[(&product, 2)])).await.unwrap();
    let order = answer.into_inner().id;
    gate.arrived(1).await;
    world.let_time_pass().await;
    other.work();
    world.becomes(&order, "reserved").await;
    let cancelled = other.cancel(&buyer, &order).await.unwrap();
    assert_eq!(cancelled.status(), OrderStatus::Cancelled);

    proxy.take_round_trips();
    gate.open();
    soon("the late result", || async { has_seen(&proxy, CHANGE) }).await;
    world.settles().await;
    assert_eq!(world.state(&order).await, "cancelled");
    assert_eq!(world.catalog.reservation(&order), Some(ReservationStatus::Released));
    assert_eq!(world.catalog.stock(&product), (10, 0));
    world.audit().await;
}

#[tokio::test]
async fn two_processes_share_the_work_and_carry_each_order_once() {
    const ORDERS: usize = 150;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let entrance = world.shop().await;
    let buyer = world.buyer();
    world.catalog.always(Rpc::Reserve, Fault::Fail(Status::unavailable("it is down")));
    world.leave_orders(&entrance, &buyer, ORDERS, &product).await;
    world.catalog.heal();
    let before = world.catalog.calls().len();

    // neither gets further than it has room for, until the other has come
    let gate = Gate::new();
    world.catalog.always(Rpc::Reserve, Fault::Hold(gate.clone()));
    world.let_time_pass().await;
    let mut shops = Vec::new();
    for entrance in 1..=2 {
        let options = world.test.options.clone();
        let shop = world.shop_with(options, &world.catalog.entrance(entrance)).await;
        shop.work();
        shops.push(shop);
    }
    gate.arrived(100).await;
    gate.open();
    world.all_become("reserved", i64::try_from(ORDERS).unwrap()).await;

    let calls = world.catalog.calls().split_off(before);
    for entrance in 1..=2 {
        let took_part = calls.iter().any(|call| call.entrance == entrance);
        assert!(took_part, "process {entrance} has done nothing");
    }
    assert_eq!(calls.len(), ORDERS, "an order was carried twice");
    assert_eq!(world.catalog.stock(&product), (850, 150));
    world.audit().await;
    for shop in shops {
        shop.rest().await;
    }
}

/// Has these orders to itself until the end of the transaction.
async fn lock(world: &World, orders: &[Order]) -> Transaction<'static, Postgres> {
    let mut busy = world.test.pool.begin().await.unwrap();
    let lock = "select from orders where id = any ($1) for update";
    let ids: Vec<Uuid> = orders.iter().map(|order| uuid(&order.id)).collect();
    sqlx::query(lock).bind(ids).execute(&mut *busy).await.unwrap();
    busy
}

#[tokio::test]
async fn two_processes_that_change_the_same_orders_at_once_never_wait_for_each_other() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shops = [world.shop().await, world.shop().await];
    let buyer = world.buyer();
    let mut orders = shops[0].orders(&buyer, 8, &product).await;
    orders.sort_by_key(|order| uuid(&order.id));
    let (both, others) = orders.split_at(2);
    let waiting = async |statements: i64| {
        let waiting =
            "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        soon("they wait", || async { world.test.count(waiting).await == statements }).await;
    };

    // three statements of each process wait, one after the other: no fourth begins
    let (first, second) = (lock(&world, both).await, lock(&world, others).await);
    let blocked = join_all((0..).zip(others).map(|(earlier, order)| {
        let (shop, waiting, buyer) = (&shops[usize::from(earlier > 2)], &waiting, &buyer);
        async move {
            waiting(earlier).await;
            shop.cancel(buyer, &order.id).await
        }
    }));
    // and then go two changes together, in each process, which ask in another order
    let crossing = join_all([(0, 0), (1, 1), (0, 1), (1, 0)].into_iter().enumerate().map(
        |(place, (shop, order))| {
            let (shop, order, waiting, buyer) = (&shops[shop], &both[order], &waiting, &buyer);
            async move {
                waiting(6).await;
                sleep(Duration::from_millis(100) * (1 + u32::try_from(place).unwrap())).await;
                shop.cancel(buyer, &order.id).await
            }
        },
    ));
    let release = async {
        waiting(6).await;
        sleep(Duration::from_millis(700)).await;
        second.rollback().await.unwrap();
        waiting(2).await;
        first.rollback().await.unwrap();
    };
    let (blocked, crossing, ()) = tokio::join!(blocked, crossing, release);
    for cancelled in blocked.into_iter().chain(crossing) {
        assert_eq!(cancelled.unwrap().status(), OrderStatus::Cancelled);
    }
    world.settles().await;
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(world.test.ask::<i64>(deadlocks).await, 0);
    assert_eq!(world.catalog.stock(&product), (100, 0));
    world.audit().await;
}

/// The first process has written the order last, as far as it knows.
#[tokio::test]
async fn what_a_process_remembers_of_an_order_is_not_believed_where_another_has_changed_it() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let (first, second) = (world.shop().await, world.shop().await);
    let (buyer, stranger) = (world.buyer(), world.buyer());
    let order = first.order(&buyer, "key", &[(&product, 2)]).await.id;
    // nor shown to a stranger, who makes it be forgotten at most
    let refused = first.cancel(&stranger, &order).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);

    let other = first.order(&buyer, "another", &[(&product, 1)]).await.id;
    for id in [&order, &other] {
        second.pay(&buyer, &format!("pay-{id}"), id, "ok").await.unwrap();
        let refused = first.cancel(&buyer, id).await.unwrap_err();
        assert_eq!(reason(&refused), "ILLEGAL_TRANSITION");
        world.becomes(id, "paid").await;
    }
    world.audit().await;
}
