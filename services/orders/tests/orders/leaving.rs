//! Callers that leave, at any moment.

use std::time::Duration;

use futures::future::join_all;
use souk_proto::souk::orders::v1::OrderStatus;
use souk_testing::{Dice, Moment, leave_after};

use crate::support::{Buyer, Shop, World, reason, soon};

impl World {
    /// So many orders of callers who leave, which have been tried in vain: the catalog must fail.
    pub async fn leave_orders(&self, shop: &Shop, buyer: &Buyer, count: usize, product: &str) {
        let placed = format!("orders where customer_id = '{}'", buyer.id.uuid());
        let before = self.test.count(&placed).await;
        let all = before + i64::try_from(count).unwrap();
        let accepted =
            soon("orders are accepted", || async { self.test.count(&placed).await == all });
        tokio::select! {
            _ = shop.orders(buyer, count, product) => panic!("the catalog has answered"),
            () = accepted => {}
        }
        // postponed, for less than a lease
        let untried = format!("{placed} and due_at > now() + interval '2 seconds'");
        soon("orders are tried", || async { self.test.count(&untried).await == 0 }).await;
    }
}

/// Repeats an order until it is answered: as long as the first call is under way, it is not.
async fn until_answered(shop: &Shop, buyer: &Buyer, key: &str, product: &str) -> OrderStatus {
    // less than the lease of an order that nobody carries
    for _ in 0..1_000 {
        match shop.create(buyer.order(key, &[(product, 1)])).await {
            Ok(answer) => return answer.get_ref().status(),
            Err(status) => assert_eq!(reason(&status), "IN_FLIGHT", "{status:?}"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("the order is accepted, and nobody carries it");
}

#[tokio::test]
async fn who_leaves_while_placing_an_order_leaves_it_whole_or_not_begun() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shop = world.shop().await;
    let (buyer, honest) = (world.buyer(), world.buyer());
    // connections and tokens are there, as ever but at the start
    shop.order(&honest, "first", &[(&product, 1)]).await;
    let mut placed = 1;
    for moment in Moment::ALL {
        for polls in 0.. {
            let key = format!("{moment:?}-{polls}");
            let call = shop.create(buyer.order(&key, &[(&product, 1)]));
            let answer = leave_after(polls, moment, call).await;
            world.audit().await;
            // an honest caller on the same connections
            shop.order(&honest, &key, &[(&product, 1)]).await;
            assert_eq!(until_answered(&shop, &buyer, &key, &product).await, OrderStatus::Reserved);
            placed += 2;
            assert_eq!(world.test.count("orders where state = 'reserved'").await, placed);
            if answer.is_some() {
                assert!(polls > 1, "placing an order waited for nothing");
                break;
            }
        }
    }
    assert_eq!(i64::from(world.catalog.stock(&product).1), placed);
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn who_leaves_while_cancelling_an_order_leaves_it_cancelled_or_as_it_was() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1_000);
    let shop = world.shop().await;
    let (buyer, honest) = (world.buyer(), world.buyer());
    for moment in Moment::ALL {
        for polls in 0.. {
            let key = format!("{moment:?}-{polls}");
            let order = shop.order(&buyer, &key, &[(&product, 1)]).await.id;
            let answer = leave_after(polls, moment, shop.cancel(&buyer, &order)).await;
            world.audit().await;
            let theirs = shop.order(&honest, &key, &[(&product, 1)]).await.id;
            shop.cancel(&honest, &theirs).await.unwrap();
            assert_eq!(world.state(&theirs).await, "cancelled");
            // whatever has become of the first, the second finds it possible
            let cancelled = shop.cancel(&buyer, &order).await.unwrap();
            assert_eq!(cancelled.status(), OrderStatus::Cancelled);
            if answer.is_some() {
                assert!(polls > 1, "cancelling an order waited for nothing");
                break;
            }
        }
    }
    // stock that nobody has stayed to give back goes back by itself
    world.let_time_pass().await;
    shop.work();
    world.settles().await;
    assert_eq!(world.catalog.stock(&product), (1_000, 0));
    world.audit().await;
    world.audit_stock().await;
}

/// Calls of which most are cut off, by their deadline or by a caller that leaves: how many were.
async fn rage(shop: &Shop, buyer: &Buyer, product: &str, seed: u64) -> usize {
    let mut dice = Dice::new(seed);
    let mut placed: Vec<String> = Vec::new();
    let mut cut_off = 0;
    for number in 0..CALLS {
        let key = format!("rage-{seed}-{number}");
        let deadline = Duration::from_micros(dice.below(5_000));
        let polls = usize::try_from(dice.below(8)).unwrap();
        let moment = Moment::ALL[usize::try_from(dice.below(2)).unwrap()];
        let mut order = buyer.order(&key, &[(product, 1)]);
        let ended = match (dice.below(4), placed.last()) {
            (0, _) => {
                order.set_timeout(deadline);
                shop.create(order).await.ok().map(|order| placed.push(order.into_inner().id))
            }
            (1, _) => {
                let order = leave_after(polls, moment, shop.create(order)).await;
                order.map(|order| placed.push(order.unwrap().into_inner().id))
            }
            (2, Some(order)) => {
                let mut cancellation = buyer.cancellation(order);
                cancellation.set_timeout(deadline);
                shop.client().cancel_order(cancellation).await.ok().map(drop)
            }
            (_, Some(order)) => {
                let cancelled = leave_after(polls, moment, shop.cancel(buyer, order)).await;
                placed.pop();
                cancelled.map(drop)
            }
            (_, None) => {
                placed.push(shop.order(buyer, &key, &[(product, 1)]).await.id);
                Some(())
            }
        };
        cut_off += usize::from(ended.is_none());
    }
    cut_off
}

const CALLERS: u64 = 40;
const CALLS: u64 = 90;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_calls_that_are_cut_off_cost_an_honest_caller_nothing() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100_000);
    let shop = world.working_shop().await;
    let (buyer, honest) = (world.buyer(), world.buyer());
    let storm = join_all((0..CALLERS).map(|seed| rage(&shop, &buyer, &product, seed)));
    let mut wrote = Vec::new();
    let writing = async {
        for number in 0.. {
            let order = shop.order(&honest, &format!("honest-{number}"), &[(&product, 1)]).await.id;
            assert_eq!(world.state(&order).await, "reserved");
            let mut state = "reserved";
            if number % 2 == 0 {
                shop.cancel(&honest, &order).await.unwrap();
                state = "cancelled";
            }
            wrote.push((order, state));
        }
    };
    let cut_off: usize = tokio::select! {
        cut_off = storm => cut_off.iter().sum(),
        () = writing => 0,
    };
    assert!(cut_off > 1_000, "only {cut_off} calls were cut off");
    assert!(wrote.len() > 10, "the honest caller has hardly got on: {}", wrote.len());
    world.let_time_pass().await;
    world.settles().await;
    for (order, state) in wrote {
        assert_eq!(world.state(&order).await, state);
    }
    world.audit().await;
    world.audit_stock().await;
    let orders = world.test.count("orders where state = 'reserved'").await;
    assert_eq!(i64::from(world.catalog.stock(&product).1), orders);
}
