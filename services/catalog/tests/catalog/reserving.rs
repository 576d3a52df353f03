//! Holding stock: never more than there is, all lines of an order or none, each order once.

use futures::future::join_all;
use souk_kit::id::{self, OrderId, ProductId};
use souk_proto::souk::catalog::v2::{DeleteProductRequest, Reservation, ReservationStatus};
use souk_testing::Dice;
use tonic::Code;

use crate::support::{Shop, World, reason, soon};

fn is_held(reservation: &Reservation) -> bool {
    reservation.status() == ReservationStatus::Held
}

#[tokio::test]
async fn of_many_who_want_the_last_units_exactly_as_many_get_them_as_there_are() {
    let world = World::new().await;
    let shops = [world.shop().await, world.shop().await];
    let product = shops[0].product("HOT", 50).await.id;
    let wanted = [(product.as_str(), 1)];
    let calls = (0..120).map(|buyer| shops[buyer % 2].reserve(id::new(), &wanted));
    let mut held = 0;
    for reservation in join_all(calls).await {
        let reservation = reservation.unwrap();
        held += usize::from(is_held(&reservation));
        if !is_held(&reservation) {
            assert_eq!(reservation.status(), ReservationStatus::Rejected);
            let shortage = &reservation.shortages[0];
            assert_eq!((shortage.requested, shortage.available), (1, 0));
            assert_eq!(reservation.expires_at, None);
        }
    }
    assert_eq!(held, 50);
    assert_eq!(world.stock(&product).await, (0, 50));
    world.audit().await;
}

#[tokio::test]
async fn stock_that_comes_back_while_somebody_waits_for_it_is_theirs() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("HOT", 5).await.id;
    let id: ProductId = product.parse().unwrap();
    let mut back = world.test.pool.begin().await.unwrap();
    let more = "with moved as (update stock set available = available + 3 where product_id = $1)
        insert into stock_moves (product_id, kind, available, reserved, actor)
        values ($1, 'adjust', 3, 0, 'test')";
    sqlx::query(more).bind(id.uuid()).execute(&mut *back).await.unwrap();
    let waiting =
        "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    let wanted = [(product.as_str(), 7)];
    let (reservation, ()) = tokio::join!(shop.reserve(id::new(), &wanted), async {
        soon("it waits", || async { world.test.count(waiting).await == 1 }).await;
        back.commit().await.unwrap();
    });
    assert!(is_held(&reservation.unwrap()));
    assert_eq!(world.stock(&product).await, (1, 7));
    world.audit().await;
}

#[tokio::test]
async fn who_is_refused_wanted_more_than_there_was() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("HOT", 100).await.id;
    let mut dice = Dice::new(1);
    let wants: Vec<i32> = (0..80).map(|_| 1 + i32::try_from(dice.below(9)).unwrap()).collect();
    let lines: Vec<[(&str, i32); 1]> =
        wants.iter().map(|units| [(product.as_str(), *units)]).collect();
    let calls = lines.iter().map(|lines| shop.reserve(id::new(), lines));
    let reservations: Vec<Reservation> =
        join_all(calls).await.into_iter().map(Result::unwrap).collect();
    let (left, held) = world.stock(&product).await;
    let mut sold = 0;
    for (reservation, wanted) in reservations.iter().zip(wants) {
        match is_held(reservation) {
            true => sold += wanted,
            false => {
                let shortage = &reservation.shortages[0];
                assert_eq!(shortage.requested, wanted);
                assert!(shortage.available < wanted, "{shortage:?}");
                assert!(shortage.available >= left, "stock does not come back here");
            }
        }
    }
    assert_eq!((sold, sold + left), (held, 100));
    assert!(left < 9, "{left} units are left, and nobody who wanted fewer was refused");
    world.audit().await;
}

/// Lines of several products, in any order, some of them more than there is.
fn some_lines(dice: &mut Dice, products: &[String]) -> Vec<(String, i32)> {
    let mut left: Vec<&String> = products.iter().collect();
    let count = 1 + dice.below(4);
    let line = |_| {
        let place = usize::try_from(dice.below(left.len() as u64)).unwrap();
        (left.swap_remove(place).clone(), 1 + i32::try_from(dice.below(4)).unwrap())
    };
    (0..count).map(line).collect()
}

async fn reserve_owned(shop: &Shop, order: OrderId, lines: &[(String, i32)]) -> Reservation {
    let lines: Vec<(&str, i32)> = lines.iter().map(|(id, units)| (id.as_str(), *units)).collect();
    shop.reserve(order, &lines).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_several_products_in_any_order_are_whole_or_nothing() {
    let world = World::new().await;
    let shops = [world.shop().await, world.shop().await];
    let mut products = Vec::new();
    for number in 0..8 {
        products.push(shops[0].product(&format!("P{number}"), 60).await.id);
    }
    let mut dice = Dice::new(2);
    let orders: Vec<(OrderId, Vec<(String, i32)>)> =
        (0..250).map(|_| (id::new(), some_lines(&mut dice, &products))).collect();
    let calls = (orders.iter().zip(0..))
        .map(|((order, lines), turn)| reserve_owned(&shops[turn % 2], *order, lines));
    let reservations = join_all(calls).await;
    let mut held: i64 = 0;
    for (reservation, (_, lines)) in reservations.iter().zip(&orders) {
        if is_held(reservation) {
            held += lines.iter().map(|(_, units)| i64::from(*units)).sum::<i64>();
        } else {
            let wanted = |id: &str| lines.iter().find(|(product, _)| product == id).unwrap().1;
            for shortage in &reservation.shortages {
                assert_eq!(shortage.requested, wanted(&shortage.product_id));
                assert!(shortage.available < shortage.requested);
            }
            assert!(!reservation.shortages.is_empty());
        }
    }
    assert_eq!(world.test.ask::<i64>("select sum(reserved) from stock").await, held);
    assert!(reservations.iter().any(|one| !is_held(one)), "there was enough for everybody");
    world.audit().await;
}

#[tokio::test]
async fn an_order_that_asks_again_is_answered_the_same_and_holds_nothing_more() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let (order, short): (OrderId, OrderId) = (id::new(), id::new());
    // at once, in one batch, and later
    let (wanted, too_many) = ([(product.as_str(), 2)], [(product.as_str(), 20)]);
    let once = join_all((0..10).map(|_| shop.reserve(order, &wanted))).await;
    let refused = join_all((0..10).map(|_| shop.reserve(short, &too_many))).await;
    let first = once[0].as_ref().unwrap();
    assert!(is_held(first));
    for again in once.iter().chain([&shop.reserve(order, &wanted).await]) {
        assert_eq!(again.as_ref().unwrap(), first);
    }
    let rejected = refused[0].as_ref().unwrap();
    assert_eq!(rejected.shortages[0].available, 8);
    for again in refused.iter().chain([&shop.reserve(short, &too_many).await]) {
        assert_eq!(again.as_ref().unwrap(), rejected);
    }
    // the first word stands, whatever else the second wants
    let other = shop.reserve(order, &[(product.as_str(), 5)]).await.unwrap();
    assert_eq!(&other, first);
    assert_eq!(world.stock(&product).await, (8, 2));
    world.audit().await;
}

#[tokio::test]
async fn repeats_do_not_count_against_others_in_the_same_batch() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let wanted = [(product.as_str(), 4)];
    let orders: [OrderId; 2] = [id::new(), id::new()];
    assert!(is_held(&shop.reserve(orders[0], &wanted).await.unwrap()));
    // 6 are left: enough for the second, but not for repeats of the first as well
    let calls = (0..9).map(|number| shop.reserve(orders[usize::from(number == 8)], &wanted));
    for reservation in join_all(calls).await {
        assert!(is_held(&reservation.unwrap()));
    }
    assert_eq!(world.stock(&product).await, (2, 8));
    world.audit().await;
}

#[tokio::test]
async fn what_does_not_exist_is_short() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (product, gone) = (shop.product("BOOK", 10).await.id, shop.product("GONE", 10).await.id);
    let request = shop.admin(DeleteProductRequest { id: gone.clone() });
    shop.client().delete_product(request).await.unwrap();
    let never: ProductId = id::new();
    for missing in [gone, never.to_string()] {
        let lines = [(product.as_str(), 1), (missing.as_str(), 1)];
        let refused = shop.reserve(id::new(), &lines).await.unwrap();
        assert_eq!(refused.status(), ReservationStatus::Rejected);
        let short: Vec<&str> =
            refused.shortages.iter().map(|one| one.product_id.as_str()).collect();
        assert_eq!((short, refused.shortages[0].available), (vec![missing.as_str()], 0));
    }
    assert_eq!(world.stock(&product).await, (10, 0));
    world.audit().await;
}

#[tokio::test]
async fn a_product_stands_in_an_order_once() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let twice = [(product.as_str(), 1), (product.as_str(), 1)];
    let refused = shop.reserve(id::new(), &twice).await.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused)),
        (Code::InvalidArgument, "VALIDATION_FAILED".into())
    );
    assert_eq!(world.stock(&product).await, (10, 0));
}
