//! Reservations while money moves: they are kept, held again after their end, and taken back when it goes back.

use futures::future::join_all;
use souk_kit::id::{self, OrderId};
use souk_proto::souk::catalog::v2::{
    DeleteProductRequest, PinStockRequest, ReleaseStockRequest, Reservation, ReservationStatus,
    ReserveStockRequest, ReturnStockRequest, UnpinStockRequest,
};
use tonic::{Code, Status};

use crate::support::{Shop, World, reason, reservation, soon};

/// What those ask for who have a claim on an order.
impl Shop {
    pub async fn pin(&self, order: OrderId, fence: i64) -> Result<Reservation, Status> {
        let message = PinStockRequest { order_id: order.to_string(), fence };
        Ok(self.client().pin_stock(self.warehouse(message)).await?.into_inner())
    }

    pub async fn unpin(&self, order: OrderId, fence: i64) -> Result<Reservation, Status> {
        let message = UnpinStockRequest { order_id: order.to_string(), fence };
        Ok(self.client().unpin_stock(self.warehouse(message)).await?.into_inner())
    }

    pub async fn release_as(&self, order: OrderId, fence: i64) -> Result<Reservation, Status> {
        let message = ReleaseStockRequest { order_id: order.to_string(), fence };
        Ok(self.client().release_stock(self.warehouse(message)).await?.into_inner())
    }

    pub async fn reserve_again(
        &self,
        order: OrderId,
        lines: &[(&str, i32)],
        fence: i64,
    ) -> Result<Reservation, Status> {
        let message = ReserveStockRequest { fence, again: true, ..reservation(order, lines) };
        Ok(self.client().reserve_stock(self.warehouse(message)).await?.into_inner())
    }

    pub async fn take_back(&self, order: OrderId) -> Result<Reservation, Status> {
        let message = ReturnStockRequest { order_id: order.to_string() };
        Ok(self.client().return_stock(self.warehouse(message)).await?.into_inner())
    }
}

impl World {
    /// Lets the time of a reservation be over.
    pub async fn let_end(&self, order: OrderId) {
        let over = "update reservations set expires_at = now() - interval '1 minute'
            where order_id = $1 and status = 'held'";
        sqlx::query(over).bind(order.uuid()).execute(&self.test.pool).await.unwrap();
    }

    pub async fn wait_for_expiry(&self, order: OrderId) {
        let expired =
            format!("reservations where order_id = '{}' and status = 'expired'", order.uuid());
        soon("it expires", || async { self.test.count(&expired).await == 1 }).await;
    }
}

fn stands(reservation: &Reservation) -> (ReservationStatus, bool) {
    (reservation.status(), reservation.pinned)
}

const HELD: (ReservationStatus, bool) = (ReservationStatus::Held, false);
const PINNED: (ReservationStatus, bool) = (ReservationStatus::Held, true);
const REJECTED: (ReservationStatus, bool) = (ReservationStatus::Rejected, false);
const RELEASED: (ReservationStatus, bool) = (ReservationStatus::Released, false);
const EXPIRED: (ReservationStatus, bool) = (ReservationStatus::Expired, false);
const COMMITTED: (ReservationStatus, bool) = (ReservationStatus::Committed, false);
const RETURNED: (ReservationStatus, bool) = (ReservationStatus::Returned, false);

#[tokio::test]
async fn a_pinned_reservation_outlives_its_time_until_the_pin_goes() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let (pinned, other): (OrderId, OrderId) = (id::new(), id::new());
    let before = shop.reserve(pinned, &[(&product, 2)]).await.unwrap();
    shop.reserve(other, &[(&product, 3)]).await.unwrap();
    let kept = shop.pin(pinned, 1).await.unwrap();
    assert_eq!((stands(&kept), kept.expires_at), (PINNED, before.expires_at));
    assert_eq!(shop.pin(pinned, 1).await.unwrap(), kept, "a repeat");
    for order in [pinned, other] {
        world.let_end(order).await;
    }
    shop.work();
    world.wait_for_expiry(other).await;
    assert_eq!(world.stock(&product).await, (8, 2), "the other has ended, it has not");
    // neither does a release end it that knows no pins
    let unaware = "update reservations set status = 'expired' where status = 'held'";
    world.test.sql(unaware).await;
    let still = shop.reserve(pinned, &[(&product, 2)]).await.unwrap();
    assert_eq!(stands(&still), PINNED);
    let unpinned = shop.unpin(pinned, 1).await.unwrap();
    assert_eq!((stands(&unpinned), unpinned.expires_at), (HELD, still.expires_at));
    world.wait_for_expiry(pinned).await;
    assert_eq!(world.stock(&product).await, (10, 0));
    assert_eq!(stands(&shop.unpin(pinned, 1).await.unwrap()), EXPIRED);
    world.audit().await;
}

#[tokio::test]
async fn a_pin_that_comes_after_the_unpin_of_a_later_claim_is_none() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let order: OrderId = id::new();
    shop.reserve(order, &[(&product, 2)]).await.unwrap();
    assert_eq!(stands(&shop.pin(order, 1).await.unwrap()), PINNED);
    assert_eq!(stands(&shop.unpin(order, 2).await.unwrap()), HELD);
    assert_eq!(stands(&shop.pin(order, 1).await.unwrap()), HELD, "it is late");
    assert_eq!(stands(&shop.pin(order, 0).await.unwrap()), HELD, "it has no claim");
    assert_eq!(stands(&shop.pin(order, 3).await.unwrap()), PINNED);
    assert_eq!(stands(&shop.unpin(order, 2).await.unwrap()), PINNED, "it is late");
    assert_eq!(stands(&shop.release_as(order, 2).await.unwrap()), PINNED, "it is late");
    assert_eq!(world.stock(&product).await, (8, 2));
    // a pin keeps it from ending by itself, and from nothing else
    assert_eq!(stands(&shop.release_as(order, 3).await.unwrap()), RELEASED);
    assert_eq!(world.stock(&product).await, (10, 0));
    world.audit().await;
}

#[tokio::test]
async fn what_is_not_held_is_neither_pinned_nor_changed() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let (released, rejected, committed, never): (OrderId, OrderId, OrderId, OrderId) =
        (id::new(), id::new(), id::new(), id::new());
    shop.release(released).await.unwrap();
    shop.reserve(rejected, &[(&product, 20)]).await.unwrap();
    shop.reserve(committed, &[(&product, 2)]).await.unwrap();
    shop.commit(committed).await.unwrap();
    for (order, end) in [(released, RELEASED), (rejected, REJECTED), (committed, COMMITTED)] {
        assert_eq!(stands(&shop.pin(order, 7).await.unwrap()), end);
        assert_eq!(stands(&shop.unpin(order, 7).await.unwrap()), end);
    }
    assert_eq!(world.test.count("reservations where fence > 0").await, 0);
    for refused in [shop.pin(never, 1).await, shop.unpin(never, 1).await, shop.commit(never).await]
    {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert_eq!(reason(&refused), "ILLEGAL_TRANSITION");
    }
    let below_none = shop.pin(released, -1).await.unwrap_err();
    assert_eq!(reason(&below_none), "VALIDATION_FAILED");
    world.audit().await;
}

#[tokio::test]
async fn an_order_that_was_paid_for_late_is_held_again_with_what_it_wants_now() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (one, two) = (shop.product("ONE", 10).await.id, shop.product("TWO", 10).await.id);
    let (released, rejected, expired): (OrderId, OrderId, OrderId) =
        (id::new(), id::new(), id::new());
    shop.reserve(released, &[(&one, 2)]).await.unwrap();
    shop.release_as(released, 4).await.unwrap();
    shop.reserve(rejected, &[(&one, 11)]).await.unwrap();
    shop.reserve(expired, &[(&one, 2)]).await.unwrap();
    world.let_end(expired).await;
    shop.work();
    world.wait_for_expiry(expired).await;
    let orders = [(released, RELEASED), (rejected, REJECTED), (expired, EXPIRED)];
    // without a claim that is more recent than its end, the first word stands
    for (order, end) in orders {
        let fence = if order == released { 4 } else { 0 };
        assert_eq!(stands(&shop.reserve_again(order, &[(&two, 3)], fence).await.unwrap()), end);
        assert_eq!(stands(&shop.reserve(order, &[(&two, 3)]).await.unwrap()), end);
    }
    // all of them at once, each several times, before one more that has never reserved
    let orders = orders.map(|(order, _)| order).into_iter().chain([id::new()]);
    let orders: Vec<OrderId> = orders.collect();
    let calls = (0..20).map(|turn| {
        let (shop, order, two) = (&shop, orders[turn % 4], two.as_str());
        async move { shop.reserve_again(order, &[(two, 2)], 5).await }
    });
    for reservation in join_all(calls).await {
        let reservation = reservation.unwrap();
        assert_eq!(stands(&reservation), PINNED);
        assert!(reservation.shortages.is_empty() && reservation.expires_at.is_some());
    }
    assert_eq!(world.stock(&one).await, (10, 0));
    assert_eq!(world.stock(&two).await, (2, 8));
    for order in &orders {
        world.let_end(*order).await;
        assert_eq!(stands(&shop.unpin(*order, 4).await.unwrap()), PINNED, "it is late");
        shop.commit(*order).await.unwrap();
        assert_eq!(stands(&shop.reserve_again(*order, &[(&two, 2)], 9).await.unwrap()), COMMITTED);
    }
    assert_eq!(world.stock(&two).await, (2, 0));
    world.audit().await;
}

#[tokio::test]
async fn who_is_held_again_is_short_when_others_have_it_by_then() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("LAST", 3).await.id;
    let orders: Vec<OrderId> = (0..5).map(|_| id::new()).collect();
    for order in &orders {
        shop.reserve(*order, &[(&product, 2)]).await.unwrap();
        shop.release_as(*order, 1).await.unwrap();
    }
    // in one batch, in which who fits depends on the others
    let product = product.as_str();
    let calls = orders.iter().map(|order| {
        let shop = &shop;
        async move { shop.reserve_again(*order, &[(product, 2)], 2).await }
    });
    let answers: Vec<Reservation> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    let winner = answers.iter().position(|answer| stands(answer) == PINNED).expect("one has it");
    for (place, answer) in answers.iter().enumerate().filter(|(place, _)| *place != winner) {
        assert_eq!(stands(answer), REJECTED);
        assert_eq!((answer.shortages[0].requested, answer.shortages[0].available), (2, 1));
        // a repeat is answered the same, also when there is more by then
        let again = shop.reserve_again(orders[place], &[(product, 1)], 2).await.unwrap();
        assert_eq!(&again, answer);
    }
    assert_eq!(world.stock(product).await, (1, 2));
    shop.release_as(orders[winner], 2).await.unwrap();
    let second = orders[usize::from(winner == 0)];
    assert_eq!(stands(&shop.reserve_again(second, &[(product, 3)], 3).await.unwrap()), PINNED);
    assert_eq!(world.stock(product).await, (0, 3));
    world.audit().await;
}

#[tokio::test]
async fn who_asks_again_for_what_is_held_keeps_it_and_pins_it() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let order: OrderId = id::new();
    let before = shop.reserve(order, &[(&product, 2)]).await.unwrap();
    // beside a repeat of the first call, in one batch
    let (more, less) = ([(product.as_str(), 20)], [(product.as_str(), 1)]);
    let (plain, again) =
        tokio::join!(shop.reserve(order, &less), shop.reserve_again(order, &more, 3));
    assert_eq!(plain.unwrap().status(), ReservationStatus::Held);
    let again = again.unwrap();
    assert_eq!((stands(&again), again.expires_at), (PINNED, before.expires_at));
    assert_eq!(stands(&shop.unpin(order, 4).await.unwrap()), HELD);
    assert_eq!(stands(&shop.reserve_again(order, &more, 3).await.unwrap()), HELD, "it is late");
    assert_eq!(world.stock(&product).await, (8, 2));
    world.audit().await;
}

#[tokio::test]
async fn a_release_that_is_late_takes_nothing_from_who_has_reserved_again() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let order: OrderId = id::new();
    let wanted = [(product.as_str(), 2)];
    shop.reserve(order, &wanted).await.unwrap();
    assert_eq!(stands(&shop.release_as(order, 3).await.unwrap()), RELEASED);
    assert_eq!(stands(&shop.reserve_again(order, &wanted, 5).await.unwrap()), PINNED);
    for late in [0, 3, 4] {
        assert_eq!(stands(&shop.release_as(order, late).await.unwrap()), PINNED);
    }
    // the other way round: of a release that finds nothing to end, who comes late learns as well
    assert_eq!(stands(&shop.release_as(order, 5).await.unwrap()), RELEASED);
    assert_eq!(stands(&shop.release_as(order, 7).await.unwrap()), RELEASED);
    assert_eq!(stands(&shop.reserve_again(order, &wanted, 6).await.unwrap()), RELEASED);
    let never: OrderId = id::new();
    assert_eq!(stands(&shop.release_as(never, 7).await.unwrap()), RELEASED);
    assert_eq!(stands(&shop.reserve_again(never, &wanted, 7).await.unwrap()), RELEASED);
    assert_eq!(stands(&shop.reserve_again(never, &wanted, 8).await.unwrap()), PINNED);
    assert_eq!(world.stock(&product).await, (8, 2));
    world.audit().await;
}

#[tokio::test]
async fn what_was_sold_and_not_sent_comes_back_once() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (kept, gone) = (shop.product("KEPT", 10).await.id, shop.product("GONE", 10).await.id);
    let order: OrderId = id::new();
    let wanted = [(kept.as_str(), 2), (gone.as_str(), 3)];
    shop.reserve(order, &wanted).await.unwrap();
    let early = shop.take_back(order).await.unwrap_err();
    assert_eq!(reason(&early), "ILLEGAL_TRANSITION", "nothing has left");
    shop.commit(order).await.unwrap();
    let request = shop.admin(DeleteProductRequest { id: gone.clone() });
    shop.client().delete_product(request).await.unwrap();
    for answer in join_all((0..5).map(|_| shop.take_back(order))).await {
        assert_eq!(stands(&answer.unwrap()), RETURNED);
    }
    assert_eq!(world.stock(&kept).await, (10, 0));
    assert_eq!(world.stock(&gone).await, (10, 0));
    // and it never leaves again
    assert_eq!(reason(&shop.commit(order).await.unwrap_err()), "ILLEGAL_TRANSITION");
    assert_eq!(stands(&shop.release_as(order, 1).await.unwrap()), RETURNED);
    assert_eq!(stands(&shop.pin(order, 2).await.unwrap()), RETURNED);
    assert_eq!(stands(&shop.reserve_again(order, &wanted, 3).await.unwrap()), RETURNED);
    assert_eq!(world.stock(&kept).await, (10, 0));
    world.audit().await;
}

#[tokio::test]
async fn what_there_is_no_room_for_does_not_come_back() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await.id;
    let order: OrderId = id::new();
    shop.reserve(order, &[(&product, 2)]).await.unwrap();
    shop.commit(order).await.unwrap();
    shop.adjust("delivery", &product, 999_999_991).await.unwrap();
    assert_eq!(reason(&shop.take_back(order).await.unwrap_err()), "INSUFFICIENT_STOCK");
    assert_eq!(world.stock(&product).await, (999_999_999, 0));
    shop.adjust("breakage", &product, -1).await.unwrap();
    assert_eq!(stands(&shop.take_back(order).await.unwrap()), RETURNED);
    assert_eq!(world.stock(&product).await, (1_000_000_000, 0));
    world.audit().await;
}
