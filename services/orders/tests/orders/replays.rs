//! Idempotency keys: who repeats a call gets the first answer, however much time has passed.

use futures::future::join_all;
use souk_proto::souk::orders::v1::OrderStatus;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::support::{Buyer, Shop, World, is_pending, is_replayed, reason, soon};

async fn refused(shop: &Shop, buyer: &Buyer, key: &str, items: &[(&str, i32)]) -> Status {
    shop.create(buyer.order(key, items)).await.unwrap_err()
}

#[tokio::test]
async fn the_same_key_and_request_get_the_same_answer() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let (shop, other) = (world.shop().await, world.shop().await);
    let buyer = world.buyer();
    let first = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
    assert!(!is_replayed(first.metadata()));
    for shop in [&shop, &other] {
        let again = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
        assert!(is_replayed(again.metadata()));
        assert_eq!(again.get_ref(), first.get_ref());
    }
    // the answer is the first one, not how the order is by now
    shop.cancel(&buyer, &first.get_ref().id).await.unwrap();
    let again = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
    assert_eq!(again.get_ref(), first.get_ref());
    assert_eq!(world.test.count("orders").await, 1);
    world.audit().await;
}

#[tokio::test]
async fn a_repeat_does_not_wait_for_a_catalog_that_does_not_answer() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let first = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
    let gate = Gate::new();
    world.catalog.always(Rpc::Quote, Fault::Hold(gate.clone()));
    // and it never does
    let again = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.get_ref(), first.get_ref());
    // who asks for the first time waits for the prices
    let (new, ()) = tokio::join!(shop.create(buyer.order("new", &[(&product, 1)])), async {
        gate.arrived(2).await;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        gate.open();
    });
    assert_eq!(new.unwrap().get_ref().status(), OrderStatus::Reserved);
    world.audit().await;
}

#[tokio::test]
async fn a_refusal_is_repeated_to_the_byte() {
    let world = World::new().await;
    let (plenty, scarce) = (world.catalog.product("5.00", 10), world.catalog.product("5.00", 1));
    let shop = world.shop().await;
    let buyer = world.buyer();
    let items: &[(&str, i32)] = &[(&plenty, 1), (&scarce, 3)];
    let first = refused(&shop, &buyer, "key", items).await;
    assert_eq!((first.code(), reason(&first)), (Code::FailedPrecondition, "OUT_OF_STOCK".into()));
    assert!(!is_replayed(first.metadata()));
    let violations = first.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "items[1].quantity");
    // from the record, and when that is forgotten, from the order
    for _ in 0..2 {
        let again = refused(&shop, &buyer, "key", items).await;
        assert!(is_replayed(again.metadata()));
        assert_eq!((again.code(), again.message()), (first.code(), first.message()));
        assert_eq!(again.details(), first.details());
        world.test.sql("delete from idempotency_keys").await;
    }
    assert_eq!(world.test.count("orders").await, 1);
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    shop.order(&buyer, "key", &[(&product, 2)]).await;
    let another = refused(&shop, &buyer, "key", &[(&product, 3)]).await;
    assert_eq!(
        (another.code(), reason(&another)),
        (Code::InvalidArgument, "IDEMPOTENCY_KEY_REUSED".into())
    );
    // and when only the order is left to tell
    world.test.sql("delete from idempotency_keys").await;
    let another = refused(&shop, &buyer, "key", &[(&product, 3)]).await;
    assert_eq!(reason(&another), "IDEMPOTENCY_KEY_REUSED");
    // the keys of others are their own
    shop.order(&world.buyer(), "key", &[(&product, 3)]).await;
    assert_eq!(world.test.count("orders").await, 2);
    assert_eq!(world.catalog.stock(&product), (5, 5));
}

#[tokio::test]
async fn a_repeat_of_a_call_that_is_under_way_is_told_to_come_again() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let (buyer, gate) = (world.buyer(), Gate::new());
    world.catalog.once(Rpc::Reserve, Fault::Hold(gate.clone()));
    let repeating = async {
        gate.arrived(1).await;
        let early = refused(&shop, &buyer, "key", &[(&product, 1)]).await;
        let another = refused(&shop, &buyer, "key", &[(&product, 2)]).await;
        gate.open();
        (early, another)
    };
    let request = buyer.order("key", &[(&product, 1)]);
    let (first, (early, another)) = tokio::join!(shop.create(request), repeating);
    assert_eq!((early.code(), reason(&early)), (Code::Aborted, "IN_FLIGHT".into()));
    assert!(early.get_details_retry_info().unwrap().retry_delay.is_some());
    assert_eq!(reason(&another), "IDEMPOTENCY_KEY_REUSED");
    let first = first.unwrap().into_inner();
    assert_eq!(shop.order(&buyer, "key", &[(&product, 1)]).await, first);
    world.audit().await;
}

#[tokio::test]
async fn of_many_calls_with_one_key_at_once_one_places_the_order() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shops = [world.shop().await, world.shop().await];
    let buyer = world.buyer();
    let calls =
        (0..40).map(|number| shops[number % 2].create(buyer.order("key", &[(&product, 1)])));
    let mut orders = Vec::new();
    for answer in join_all(calls).await {
        match answer {
            Ok(answer) => orders.push(answer.into_inner()),
            Err(refused) => assert_eq!(reason(&refused), "IN_FLIGHT"),
        }
    }
    assert!(orders.iter().all(|order| *order == orders[0]));
    assert_eq!(world.test.count("orders").await, 1);
    assert_eq!(world.catalog.stock(&product), (9, 1));
    world.audit().await;
}

#[tokio::test]
async fn an_order_is_found_by_its_key_for_ever() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await;
    let kept: bool = world
        .test
        .ask("select bool_and(expires_at - created_at = interval '72 hours') from idempotency_keys")
        .await;
    assert!(kept, "records are kept for three days");
    // a record that is over is forgotten, one that is not is not
    shop.order(&buyer, "young", &[(&product, 1)]).await;
    world.test.sql("update idempotency_keys set expires_at = now() where key = 'key'").await;
    shop.work();
    soon("the record is forgotten", || async { world.test.count("idempotency_keys").await == 1 })
        .await;
    let again = shop.create(buyer.order("key", &[(&product, 2)])).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.into_inner(), order);
    assert_eq!(world.test.count("orders").await, 2);
    assert_eq!(world.catalog.stock(&product), (7, 3));
}

#[tokio::test]
async fn what_is_refused_before_it_is_accepted_leaves_the_key_free() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let unknown: souk_kit::id::ProductId = souk_kit::id::new();
    let status = refused(&shop, &buyer, "key", &[(&unknown.to_string(), 1)]).await;
    assert_eq!(reason(&status), "VALIDATION_FAILED");
    let status = refused(&shop, &buyer, "key", &[(&product, 1), (&product, 1)]).await;
    assert_eq!(reason(&status), "VALIDATION_FAILED");
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await;
    assert_eq!(order.status(), OrderStatus::Reserved);
    world.audit().await;
}

#[tokio::test]
async fn who_was_told_that_an_order_is_under_way_learns_its_end_with_the_same_key() {
    let world = World::new().await;
    let scarce = world.catalog.product("5.00", 1);
    let shop = world.working_shop().await;
    let (buyer, gate) = (world.buyer(), Gate::new());
    world.catalog.once(Rpc::Reserve, Fault::Hold(gate.clone()));
    let answer = shop.create(buyer.hasty_order("key", &[(&scarce, 2)])).await.unwrap();
    assert!(is_pending(&answer));
    gate.open();
    world.becomes(&answer.get_ref().id, "rejected").await;
    let end = refused(&shop, &buyer, "key", &[(&scarce, 2)]).await;
    assert_eq!(reason(&end), "OUT_OF_STOCK");
    assert!(is_replayed(end.metadata()));
}
