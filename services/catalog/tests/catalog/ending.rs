//! How reservations end: released, expired or committed, and only one of these.

use futures::future::join_all;
use souk_kit::id::{self, OrderId};
use souk_proto::souk::catalog::v2::ReservationStatus;
use souk_testing::Proxy;
use tonic::Code;

use crate::support::{World, reason, soon};

async fn let_time_pass(world: &World) {
    world.test.sql("update reservations set expires_at = now() where status = 'held'").await;
}

#[tokio::test]
async fn a_release_that_meets_its_reservation_leaves_nothing_held() {
    let world = World::new().await;
    let shops = [world.shop().await, world.shop().await];
    let product = shops[0].product("BOOK", 1_000).await.id;
    let wanted = [(product.as_str(), 3)];
    let orders: Vec<OrderId> = (0..60).map(|_| id::new()).collect();
    let meetings = orders.iter().zip(0..).map(|(order, turn)| {
        let (shop, other) = (&shops[turn % 2], &shops[usize::from(turn % 3 == 0)]);
        let wanted = &wanted;
        async move { tokio::join!(shop.reserve(*order, wanted), other.release(*order)) }
    });
    for (reserved, released) in join_all(meetings).await {
        let status = reserved.unwrap().status();
        assert!(matches!(status, ReservationStatus::Held | ReservationStatus::Released));
        assert_eq!(released.unwrap().status(), ReservationStatus::Released);
    }
    assert_eq!(world.stock(&product).await, (1_000, 0));
    // who comes later still finds them released
    let late = shops[0].reserve(orders[0], &wanted).await.unwrap();
    assert_eq!(late.status(), ReservationStatus::Released);
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_release_commit_and_expiry_one_happens() {
    const ORDERS: usize = 90;
    let world = World::new().await;
    let shops = [world.shop().await, world.shop().await];
    let products =
        [shops[0].product("ONE", 1_000).await.id, shops[0].product("TWO", 1_000).await.id];
    let orders: Vec<OrderId> = (0..ORDERS).map(|_| id::new()).collect();
    let lines = [(products[0].as_str(), 2), (products[1].as_str(), 1)];
    let lines_back = [lines[1], lines[0]];
    let reserve = orders.iter().zip(0..).map(|(order, turn)| {
        let lines = if turn % 2 == 0 { &lines } else { &lines_back };
        shops[0].reserve(*order, lines)
    });
    for reservation in join_all(reserve).await {
        assert_eq!(reservation.unwrap().status(), ReservationStatus::Held);
    }
    let_time_pass(&world).await;
    // all of it at once, each order in another way
    shops[0].work();
    let races = orders.iter().zip(0..).map(|(order, turn)| {
        let (one, other) = (&shops[turn % 2], &shops[(turn + 1) % 2]);
        async move {
            match turn % 3 {
                0 => (one.release(*order).await, other.release(*order).await),
                1 => (one.commit(*order).await, other.commit(*order).await),
                _ => tokio::join!(one.release(*order), other.commit(*order)),
            }
        }
    });
    let mut committed = 0;
    for (turn, (one, other)) in (0..).zip(join_all(races).await) {
        let status = |answer: &Result<_, _>| match answer {
            Ok(reservation) => souk_proto::souk::catalog::v2::Reservation::status(reservation),
            Err(refused) => {
                assert_eq!(reason(refused), "ILLEGAL_TRANSITION");
                ReservationStatus::Unspecified
            }
        };
        let (one, other) = (status(&one), status(&other));
        match turn % 3 {
            // the same call twice has the same end
            0 | 1 => assert_eq!(one, other),
            _ => assert!(
                (one == ReservationStatus::Unspecified)
                    != (other == ReservationStatus::Unspecified),
                "{one:?} and {other:?}"
            ),
        }
        let is_committed = |status| status == ReservationStatus::Committed;
        committed += i64::from(is_committed(one) || is_committed(other));
    }
    soon("the rest expires", || async {
        world.test.count("reservations where status = 'held'").await == 0
    })
    .await;
    assert_eq!(world.test.count("reservations where status = 'committed'").await, committed);
    let committed = i32::try_from(committed).unwrap();
    assert_eq!(world.stock(&products[0]).await, (1_000 - 2 * committed, 0));
    assert_eq!(world.stock(&products[1]).await, (1_000 - committed, 0));
    world.audit().await;
}

#[tokio::test]
async fn more_reservations_than_one_batch_expire() {
    let world = World::new().await;
    let shop = world.shop().await;
    let products = [shop.product("ONE", 5_000).await.id, shop.product("TWO", 5_000).await.id];
    // as many reservations as several batches, as if they had been made one by one
    world
        .test
        .sql(
            "insert into reservations (order_id, status, product_ids, quantities, expires_at)
             select gen_random_uuid(), 'held',
                 array(select product_id from stock order by product_id), '{1,2}', now()
             from generate_series(1, 1700);
             insert into stock_moves (product_id, order_id, kind, available, reserved, actor)
             select product_id, order_id, 'reserve', -quantity, quantity, 'orders'
             from reservations, unnest(product_ids, quantities) as lines (product_id, quantity);
             update stock set available = available - taken, reserved = reserved + taken
             from (select product_id, sum(reserved) as taken from stock_moves group by product_id)
                 as sums
             where sums.product_id = stock.product_id",
        )
        .await;
    world.audit().await;
    let held: OrderId = id::new();
    shop.reserve(held, &[(products[0].as_str(), 7)]).await.unwrap();
    shop.work();
    soon("all expire", || async {
        world.test.count("reservations where status = 'expired'").await == 1_700
    })
    .await;
    // and what is not over stays
    assert_eq!(world.stock(&products[0]).await, (4_993, 7));
    assert_eq!(world.stock(&products[1]).await, (5_000, 0));
    world.audit().await;
}

#[tokio::test]
async fn a_reservation_whose_time_is_over_is_neither_held_nor_committed() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let order: OrderId = id::new();
    shop.reserve(order, &[(product.as_str(), 2)]).await.unwrap();
    let_time_pass(&world).await;
    shop.work();
    soon("it expires", || async { world.stock(&product).await == (10, 0) }).await;
    let late = shop.commit(order).await.unwrap_err();
    assert_eq!(late.code(), Code::FailedPrecondition);
    assert_eq!(shop.release(order).await.unwrap().status(), ReservationStatus::Expired);
    let again = shop.reserve(order, &[(product.as_str(), 2)]).await.unwrap();
    assert_eq!(again.status(), ReservationStatus::Expired);
    world.audit().await;
}

#[tokio::test]
async fn an_end_whose_commit_was_not_heard_of_is_one() {
    let world = World::new().await;
    let proxy = Proxy::before(&world.test.options).await;
    let shop = world.shop_on(proxy.options()).await;
    let product = shop.product("BOOK", 10).await.id;
    let orders: [OrderId; 3] = [id::new(), id::new(), id::new()];
    let wanted = [(product.as_str(), 2)];
    let reserve = "insert into reservations\n                 (order_id, status, shortages";
    let lost = proxy.lose_answer(reserve);
    let refused = shop.reserve(orders[0], &wanted).await.unwrap_err();
    assert!(lost.yet() && refused.code() == Code::Unavailable);
    for order in orders {
        let held = shop.reserve(order, &wanted).await.unwrap();
        assert_eq!(held.status(), ReservationStatus::Held);
    }
    assert_eq!(world.stock(&product).await, (4, 6));
    let end = "update reservations set status";
    let lost = proxy.lose_answer(end);
    assert_eq!(shop.release(orders[0]).await.unwrap_err().code(), Code::Unavailable);
    assert!(lost.yet());
    assert_eq!(shop.release(orders[0]).await.unwrap().status(), ReservationStatus::Released);
    let lost = proxy.lose_answer(end);
    assert_eq!(shop.commit(orders[1]).await.unwrap_err().code(), Code::Unavailable);
    assert!(lost.yet());
    assert_eq!(shop.commit(orders[1]).await.unwrap().status(), ReservationStatus::Committed);
    assert_eq!(world.stock(&product).await, (6, 2));
    world.audit().await;
}
