//! Cancelling: at the same time as everything else that may happen to an order.

use std::time::Duration;

use futures::future::join_all;
use souk_proto::souk::catalog::v2::ReservationStatus;
use souk_proto::souk::orders::v1::OrderStatus;
use souk_testing::Proxy;
use tonic::Code;

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::support::{CHANGE, World, has_seen, is_pending, is_replayed, reason, soon};

/// Cancels an order whose worker waits for the catalog, which holds its request or its answer.
async fn cancel_while_reserving(fault: impl Fn(Gate) -> Fault) -> (World, String) {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_with(proxy.options(), &world.catalog).await;
    let (buyer, gate) = (world.buyer(), Gate::new());
    world.catalog.once(Rpc::Reserve, fault(gate.clone()));
    let answer = shop.create(buyer.hasty_order("key", &[(&product, 2)])).await.unwrap();
    assert!(is_pending(&answer));
    let order = answer.into_inner().id;
    gate.arrived(1).await;
    let cancelled = shop.cancel(&buyer, &order).await.unwrap();
    assert_eq!(cancelled.status(), OrderStatus::Cancelled);
    assert_eq!(world.catalog.calls_for(Rpc::Release, &order), 1);
    // and then the worker brings its result
    proxy.take_round_trips();
    gate.open();
    soon("the result", || async { has_seen(&proxy, CHANGE) }).await;
    world.settles().await;
    assert_eq!(world.state(&order).await, "cancelled");
    assert_eq!(world.catalog.stock(&product), (10, 0));
    // who placed it is told what has become of it
    let again = shop.order(&buyer, "key", &[(&product, 2)]).await;
    assert_eq!(again.status(), OrderStatus::Cancelled);
    world.audit().await;
    world.audit_stock().await;
    (world, order)
}

#[tokio::test]
async fn an_order_can_be_cancelled_before_its_stock_is_reserved() {
    let (world, order) = cancel_while_reserving(Fault::Hold).await;
    assert_eq!(world.catalog.reservation(&order), Some(ReservationStatus::Released));
}

#[tokio::test]
async fn an_order_can_be_cancelled_after_its_stock_was_reserved_unheard() {
    cancel_while_reserving(Fault::HoldAnswer).await;
}

#[tokio::test]
async fn who_waits_for_an_order_that_is_cancelled_is_told_so() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let (buyer, gate) = (world.buyer(), Gate::new());
    world.catalog.once(Rpc::Reserve, Fault::Hold(gate.clone()));
    let cancelling = async {
        gate.arrived(1).await;
        let order = world.catalog.calls().last().unwrap().order.clone();
        shop.cancel(&buyer, &order).await.unwrap()
    };
    let request = buyer.order("key", &[(&product, 1)]);
    let (answer, cancelled) = tokio::join!(shop.create(request), cancelling);
    assert_eq!(answer.unwrap().into_inner(), cancelled);
    gate.open();
    world.settles().await;
    world.audit().await;
}

#[tokio::test]
async fn a_result_and_a_cancellation_in_one_statement_happen_one_after_the_other() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let others = shop.orders(&buyer, 3, &product).await;
    let gate = Gate::new();
    world.catalog.once(Rpc::Reserve, Fault::HoldAnswer(gate.clone()));
    let answer = shop.create(buyer.hasty_order("key", &[(&product, 1)])).await.unwrap();
    let order = answer.into_inner().id;

    // three statements wait for a lock that somebody has on their orders: no fourth begins
    let mut busy = world.test.pool.begin().await.unwrap();
    let lock = "select from orders where state = 'reserved' for update";
    sqlx::query(lock).execute(&mut *busy).await.unwrap();
    let waiting = async |lanes| {
        let waiting =
            "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
        soon("lanes are taken", || async { world.test.count(waiting).await == lanes }).await;
    };
    let blocked = join_all((0..).zip(&others).map(|(earlier, order)| {
        let (waiting, shop, buyer) = (&waiting, &shop, &buyer);
        async move {
            // those that come together would go in one statement
            waiting(earlier).await;
            shop.cancel(buyer, &order.id).await
        }
    }));
    let both = async {
        waiting(3).await;
        gate.open();
        let release = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            busy.rollback().await.unwrap();
        };
        tokio::join!(shop.cancel(&buyer, &order), release).0.unwrap()
    };
    let (blocked, cancelled) = tokio::join!(blocked, both);
    for cancelled in blocked.into_iter().map(Result::unwrap).chain([cancelled]) {
        assert_eq!(cancelled.status(), OrderStatus::Cancelled);
    }
    world.settles().await;
    assert_eq!(world.state(&order).await, "cancelled");
    assert_eq!(world.catalog.stock(&product), (100, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn many_results_and_cancellations_at_once_are_whole_each() {
    const ORDERS: usize = 60;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shop = world.shop().await;
    let (buyer, gate) = (world.buyer(), Gate::new());
    world.catalog.always(Rpc::Reserve, Fault::HoldAnswer(gate.clone()));
    let cancelling = async {
        gate.arrived(ORDERS).await;
        let calls = world.catalog.calls().into_iter().filter(|call| call.rpc == Rpc::Reserve);
        let orders: Vec<String> = calls.map(|call| call.order).collect();
        world.catalog.heal();
        let cancelled = join_all(orders.iter().map(|order| shop.cancel(&buyer, order)));
        let (cancelled, ()) = tokio::join!(cancelled, async { gate.open() });
        for cancelled in cancelled {
            assert_eq!(cancelled.unwrap().status(), OrderStatus::Cancelled);
        }
    };
    let (placed, ()) = tokio::join!(shop.orders(&buyer, ORDERS, &product), cancelling);
    for order in placed {
        let status = order.status();
        assert!(matches!(status, OrderStatus::Reserved | OrderStatus::Cancelled), "{status:?}");
    }
    world.settles().await;
    assert_eq!(world.test.count("orders where state = 'cancelled'").await, 60);
    assert_eq!(world.catalog.stock(&product), (1_000, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn of_cancellation_and_expiry_one_happens() {
    const ORDERS: usize = 40;
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let (shop, other) = (world.shop().await, world.shop().await);
    let buyer = world.buyer();
    let orders = shop.orders(&buyer, ORDERS, &product).await;
    world.let_reservations_end().await;
    other.work();
    let cancelling = join_all(orders.iter().map(|order| shop.cancel(&buyer, &order.id))).await;
    world.settles().await;
    for (order, cancelled) in orders.iter().zip(cancelling) {
        let state = world.state(&order.id).await;
        match cancelled {
            Ok(_) => assert_eq!(state, "cancelled"),
            Err(refused) => {
                assert_eq!(
                    (reason(&refused), state.as_str()),
                    ("ILLEGAL_TRANSITION".to_owned(), "expired")
                );
            }
        }
    }
    assert_eq!(world.test.count("outbox").await, 3 * 40);
    assert_eq!(world.catalog.stock(&product), (1_000, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn cancelling_twice_is_cancelling_once() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    let twice = join_all((0..8).map(|_| shop.cancel(&buyer, &order))).await;
    let later = shop.cancel(&buyer, &order).await.unwrap();
    for cancelled in twice {
        assert_eq!(cancelled.unwrap(), later);
    }
    world.settles().await;
    assert_eq!(world.test.count("outbox where kind = 'order.cancelled'").await, 1);
    assert_eq!(world.catalog.stock(&product), (10, 0));
    world.audit().await;
}

#[tokio::test]
async fn a_cancellation_with_a_key_is_answered_the_same_whatever_has_followed() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shops = [world.shop().await, world.shop().await];
    let buyer = world.buyer();
    let order = shops[0].order(&buyer, "key", &[(&product, 2)]).await.id;
    shops[0].pay(&buyer, "pay", &order, "late").await.unwrap();
    let cancel = async |number: usize| {
        let call = buyer.keyed_cancellation("cancel", &order);
        shops[number % 2].client().cancel_order(call).await.unwrap()
    };
    let answers = join_all((0..8).map(&cancel)).await;
    assert_eq!(answers.iter().filter(|answer| !is_replayed(answer.metadata())).count(), 1);
    let first = answers[0].get_ref();
    assert_eq!(first.status(), OrderStatus::Cancelled);
    assert!(answers.iter().all(|answer| answer.get_ref() == first));
    // and then money comes, and goes back
    soon("the late charge", || async { world.charges(&order).await.0 == 1 }).await;
    shops[0].work();
    world.settle_due().await;
    assert_eq!(world.charges(&order).await, (1, 1));
    assert_ne!(shops[1].get(&buyer, &order).await.unwrap(), *first);
    let again = cancel(1).await;
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.get_ref(), first);
    assert_eq!(world.test.count("audit_log where action = 'order.cancel'").await, 1);
    world.audit().await;
}

#[tokio::test]
async fn a_key_of_one_cancellation_cancels_no_other_order() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let [one, other] = [
        shop.order(&buyer, "one", &[(&product, 1)]).await.id,
        shop.order(&buyer, "other", &[(&product, 1)]).await.id,
    ];
    let cancel = async |key: &str, order: &str| {
        shop.client().cancel_order(buyer.keyed_cancellation(key, order)).await
    };
    // also one that has changed nothing
    for key in ["first", "second"] {
        cancel(key, &one).await.unwrap();
        let refused = cancel(key, &other).await.unwrap_err();
        assert_eq!(reason(&refused), "IDEMPOTENCY_KEY_REUSED");
        assert!(is_replayed(cancel(key, &one).await.unwrap().metadata()));
    }
    let refused = cancel("no key", &other).await.unwrap_err();
    assert_eq!(reason(&refused), "IDEMPOTENCY_KEY_MISSING");
    assert_eq!(world.state(&other).await, "reserved");
    // others have keys of their own, and what is refused leaves them free
    let stranger = world.buyer().keyed_cancellation("third", &other);
    assert_eq!(shop.client().cancel_order(stranger).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(cancel("third", &other).await.unwrap().get_ref().status(), OrderStatus::Cancelled);
    world.audit().await;
}

#[tokio::test]
async fn what_is_final_cannot_be_cancelled() {
    let world = World::new().await;
    let (product, none) = (world.catalog.product("5.00", 10), world.catalog.product("5.00", 0));
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    shop.create(buyer.order("rejected", &[(&none, 1)])).await.unwrap_err();
    shop.order(&buyer, "expired", &[(&product, 1)]).await;
    world.let_reservations_end().await;
    world.all_become("expired", 1).await;
    world.settles().await;
    let orders: Vec<uuid::Uuid> =
        sqlx::query_scalar("select id from orders").fetch_all(&world.test.pool).await.unwrap();
    for order in orders {
        let order = souk_kit::id::OrderId::from_uuid(order).to_string();
        let before = shop.get(&buyer, &order).await.unwrap();
        let refused = shop.cancel(&buyer, &order).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "ILLEGAL_TRANSITION");
        assert_eq!(shop.get(&buyer, &order).await.unwrap(), before);
    }
    world.audit().await;
}

#[tokio::test]
async fn nobody_cancels_the_order_of_somebody_else() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let (buyer, clerk) = (world.buyer(), world.buyer_with("orders:read_all"));
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    for stranger in [world.buyer(), clerk] {
        let refused = shop.cancel(&stranger, &order).await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
    }
    assert_eq!(world.state(&order).await, "reserved");
}
