//! Adjusting stock: a delivery counts once, however often it is told.

use futures::future::join_all;
use souk_kit::id::{self, ProductId};
use souk_testing::{Moment, Proxy, leave_after};
use tonic::Code;

use crate::support::{World, is_replayed, reason, soon};

#[tokio::test]
async fn a_repeat_answers_the_same_and_moves_nothing() {
    let world = World::new().await;
    let shop = world.shop().await;
    let other = world.shop().await.with_admin_of(&shop);
    let product = shop.product("BOOK", 10).await.id;
    let first = shop.adjust("key", &product, 5).await.unwrap();
    assert!(!is_replayed(first.metadata()));
    assert_eq!((first.get_ref().available, first.get_ref().on_hand), (15, 15));
    shop.adjust("another", &product, 100).await.unwrap();
    for shop in [&shop, &other] {
        let again = shop.adjust("key", &product, 5).await.unwrap();
        assert!(is_replayed(again.metadata()));
        assert_eq!(again.get_ref(), first.get_ref());
    }
    assert_eq!(world.stock(&product).await, (115, 0));
    world.audit().await;
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (product, other) = (shop.product("ONE", 10).await.id, shop.product("TWO", 10).await.id);
    shop.adjust("key", &product, 5).await.unwrap();
    for (product, delta) in [(&product, 6), (&other, 5)] {
        let refused = shop.adjust("key", product, delta).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert_eq!(reason(&refused), "IDEMPOTENCY_KEY_REUSED");
    }
    // the keys of somebody else are their own
    world.shop().await.adjust("key", &other, 5).await.unwrap();
    assert_eq!((world.stock(&product).await, world.stock(&other).await), ((15, 0), (15, 0)));
    world.audit().await;
}

#[tokio::test]
async fn what_cannot_be_done_leaves_the_key_free() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 3).await.id;
    let never: ProductId = id::new();
    let refused = shop.adjust("key", &product, -4).await.unwrap_err();
    assert_eq!(reason(&refused), "INSUFFICIENT_STOCK");
    let refused = shop.adjust("key", &never.to_string(), 4).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_FOUND");
    let done = shop.adjust("key", &product, -3).await.unwrap();
    assert!(!is_replayed(done.metadata()) && done.get_ref().available == 0);
    world.audit().await;
}

#[tokio::test]
async fn of_many_calls_with_one_key_at_once_one_moves_stock() {
    let world = World::new().await;
    let shops = [world.shop().await, world.shop().await];
    let product = shops[0].product("BOOK", 10).await.id;
    let mut request = shops[0].keyed("key", crate::support::adjustment(&product, 5));
    request.set_timeout(crate::support::PATIENCE);
    let calls = (0..30).map(|turn| {
        // the same caller in both processes
        let mut again = tonic::Request::new(request.get_ref().clone());
        *again.metadata_mut() = request.metadata().clone();
        let mut client = shops[turn % 2].client();
        async move { client.adjust_stock(again).await.unwrap() }
    });
    let answers = join_all(calls).await;
    assert_eq!(answers.iter().filter(|answer| !is_replayed(answer.metadata())).count(), 1);
    assert!(answers.iter().all(|answer| answer.get_ref().available == 15));
    assert_eq!(world.stock(&product).await, (15, 0));
    world.audit().await;
}

#[tokio::test]
async fn a_call_that_was_cut_off_and_is_repeated_moves_stock_once() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 0).await.id;
    let mut moved = 0;
    for moment in Moment::ALL {
        for polls in 0.. {
            let key = format!("{moment:?}-{polls}");
            let call = shop.adjust(&key, &product, 1);
            let answer = leave_after(polls, moment, call).await;
            let again = shop.adjust(&key, &product, 1).await.unwrap();
            moved += 1;
            assert_eq!(again.get_ref().available, moved);
            assert_eq!(world.stock(&product).await, (moved, 0));
            world.audit().await;
            if answer.is_some() {
                assert!(is_replayed(again.metadata()));
                break;
            }
        }
    }
    assert!(moved > 4, "adjusting stock waited for nothing");
}

#[tokio::test]
async fn a_move_whose_commit_was_not_heard_of_is_one() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_on(proxy.options()).await;
    let product = shop.product("BOOK", 10).await.id;
    let lost = proxy.lose_answer("COMMIT");
    let unheard = shop.adjust("key", &product, 5).await.unwrap_err();
    assert!(lost.yet() && unheard.code() == Code::Unavailable);
    let again = shop.adjust("key", &product, 5).await.unwrap();
    assert!(is_replayed(again.metadata()) && again.get_ref().available == 15);
    let lost = proxy.lose_request("COMMIT");
    assert!(shop.adjust("other", &product, 5).await.is_err() && lost.yet());
    let done = shop.adjust("other", &product, 5).await.unwrap();
    assert!(!is_replayed(done.metadata()) && done.get_ref().available == 20);
    world.audit().await;
}

#[tokio::test]
async fn keys_are_kept_for_three_days() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    shop.adjust("old", &product, 1).await.unwrap();
    shop.adjust("young", &product, 1).await.unwrap();
    let lifetime =
        "select bool_and(expires_at - created_at = interval '72 hours') from idempotency_keys";
    assert!(world.test.ask::<bool>(lifetime).await);
    world.test.sql("update idempotency_keys set expires_at = now() where key = 'old'").await;
    shop.work();
    soon("the old one goes", || async { world.test.count("idempotency_keys").await == 1 }).await;
    assert!(is_replayed(shop.adjust("young", &product, 1).await.unwrap().metadata()));
    assert!(!is_replayed(shop.adjust("old", &product, 1).await.unwrap().metadata()));
}
