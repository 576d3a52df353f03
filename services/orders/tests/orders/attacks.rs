//! What attackers have found, who wanted to lose money, stock or memory.

use std::time::Duration;

use souk_proto::souk::catalog::v2::ReservationStatus;
use souk_proto::souk::orders::v1::{
    ConfirmPaymentRequest, ListOrdersRequest, OrderStatus, PaymentStatus, WatchOrderRequest,
    WatchOrdersRequest,
};
use souk_testing::Proxy;
use sqlx::AssertSqlSafe;
use tokio::time::sleep;
use tonic::Status;

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::support::{World, soon, uuid};

/// What a process of release 5f27916 does with a cancelled or expired order that is due: claims it, calls
/// `ReleaseStock` (which has no fence there: 0), and notes that there is nothing more to do, ever.
async fn the_release_before_claims(world: &World, order: &str) {
    let id = uuid(order);
    let claim = format!(
        "update orders set epoch = epoch + 1, attempts = attempts + 1,
             due_at = now() + interval '10 seconds'
         where id in (
             select id from orders
             where due_at <= now() and state in ('pending', 'reserved', 'cancelled', 'expired')
               and id = '{id}' for update skip locked)
         returning epoch"
    );
    let epoch: i64 = loop {
        let found = sqlx::query_scalar(AssertSqlSafe(claim.clone()));
        match found.fetch_optional(&world.test.pool).await.unwrap() {
            Some(epoch) => break epoch,
            None => sleep(Duration::from_millis(50)).await,
        }
    };
    world.catalog.release_without_fence(order);
    let wait_until = format!(
        "update orders set attempts = 0, due_at = null where id = '{id}' and epoch = {epoch}"
    );
    world.test.sql(&wait_until).await;
}

#[tokio::test]
async fn a_late_charge_of_a_cancelled_order_goes_back_beside_the_release_before() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    let paid = shop.pay(&buyer, "pay", &order, "late").await.unwrap().into_inner();
    assert_eq!(paid.status(), PaymentStatus::Failed);
    assert_eq!(shop.cancel(&buyer, &order).await.unwrap().status(), OrderStatus::Cancelled);
    // due when the provider is to be asked again: whoever scans first has it
    the_release_before_claims(&world, &order).await;
    shop.work();
    soon("the late charge", || async { world.charges(&order).await.0 == 1 }).await;
    world.settle_due().await;
    assert_eq!(world.charges(&order).await, (1, 1), "charged, and given back");
}

#[tokio::test]
async fn a_surplus_goes_back_beside_the_release_before() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    shop.pay(&buyer, "pay", &order, "late").await.unwrap();
    // its time is over, and somebody else buys the unit before the money is there
    world.stock_is(&order, "held").await;
    world.catalog.let_reservations_end();
    world.let_reservations_end().await;
    let other = world.buyer();
    shop.order(&other, "key", &[(&product, 1)]).await;
    soon("the late charge", || async { world.charges(&order).await.0 == 1 }).await;
    // the provider does not answer to the refund: what is to be done is in the database
    world.test.sql("alter table sandbox_refunds rename to away").await;
    shop.work();
    world.becomes(&order, "expired").await;
    soon("a surplus", || async { world.test.count("refunds where state = 'pending'").await == 1 })
        .await;
    shop.rest().await;
    the_release_before_claims(&world, &order).await;
    world.test.sql("alter table away rename to sandbox_refunds").await;
    shop.work();
    world.settle_due().await;
    assert_eq!(world.charges(&order).await, (1, 1), "charged, and given back");
}

#[tokio::test]
async fn pinned_stock_of_a_cancelled_order_goes_back_beside_the_release_before() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 4)]).await.id;
    let down = || Fault::Fail(Status::unavailable("it is down"));
    world.catalog.always(Rpc::Unpin, down());
    world.catalog.always(Rpc::Release, down());
    shop.pay(&buyer, "pay", &order, "declined").await.unwrap();
    let cancelled = buyer.cancellation(&order);
    let _ =
        tokio::time::timeout(Duration::from_secs(1), shop.client().cancel_order(cancelled)).await;
    world.becomes(&order, "cancelled").await;
    world.catalog.heal();
    the_release_before_claims(&world, &order).await;
    world.let_time_pass().await;
    world.catalog.let_reservations_end();
    shop.work();
    world.settle_due().await;
    assert_ne!(world.catalog.reservation(&order), Some(ReservationStatus::Held), "for ever");
    assert_eq!(world.catalog.stock(&product), (10, 0));
}

/// A purchase is read by several statements at once: that of the order may be slower than that of its payments (it
/// waits for a connection, say), and another process has the customer pay between the two.
#[tokio::test]
async fn who_cancels_on_half_old_rows_forgets_no_payment() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    let (id, customer) = (uuid(&order), buyer.id.uuid());
    // until it is over, the statement that reads the order waits; those that read the rest do not
    let mut slow = world.test.pool.begin().await.unwrap();
    sqlx::raw_sql("lock table orders in access exclusive mode").execute(&mut *slow).await.unwrap();
    let cancelling = shop.cancel(&buyer, &order);
    let paying = async {
        sleep(Duration::from_millis(1500)).await;
        // what another process writes meanwhile of a payment that fails, and succeeds three seconds later
        let written = format!(
            "insert into payments (id, order_id, customer_id, number, provider, method, state,
                 amount_minor, currency, failure, look_at, created_at, updated_at)
             values ('01900000-0000-7000-8000-000000000001', '{id}', '{customer}', 1, 'sandbox',
                 'late', 'failed', 500, 'USD', 'card_declined', now() + interval '3500 ms', now(),
                 now());
             insert into sandbox_charges (reference, payment_id, order_id, method, amount_minor,
                 currency, declined, charged_at)
             values ('sbx_01900000000070008000000000000001_1',
                 '01900000-0000-7000-8000-000000000001', '{id}', 'late', 500, 'USD', true,
                 now() + interval '3 seconds');
             update orders set state = 'payment_failed', version = version + 2, epoch = epoch + 1,
                 stock = 'held', due_at = now() + interval '3500 ms' where id = '{id}'"
        );
        sqlx::raw_sql(AssertSqlSafe(written)).execute(&mut *slow).await.unwrap();
        slow.commit().await.unwrap();
    };
    let (cancelled, ()) = tokio::join!(cancelling, paying);
    assert_eq!(cancelled.unwrap().status(), OrderStatus::Cancelled);
    shop.work();
    soon("the late charge", || async { world.charges(&order).await.0 == 1 }).await;
    world.settle_due().await;
    assert_eq!(world.charges(&order).await, (1, 1), "charged, and given back");
}

#[tokio::test]
async fn the_end_of_all_times_is_a_filter() {
    let world = World::new().await;
    let shop = world.shop().await;
    let created_before = prost_types::Timestamp { seconds: 253_402_300_799, nanos: 0 };
    let request =
        ListOrdersRequest { created_before: Some(created_before), ..ListOrdersRequest::default() };
    shop.client().list_orders(world.buyer().sign(request)).await.unwrap();
}

/// A service has places for 2,048 streams, 512 of them for one client (the gateway is one). What is read of the database
/// and not yet taken by the client stays in memory.
#[tokio::test]
async fn who_follows_and_hardly_reads_costs_little_memory() {
    const FOLLOWERS: usize = 5;
    const MOST: usize = 1 << 20;
    let world = World::new().await;
    let products: Vec<String> = (0..100).map(|_| world.catalog.product_with_long_name()).collect();
    let items: Vec<(&str, i32)> = products.iter().map(|product| (product.as_str(), 1)).collect();
    let shop = world.working_shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    for number in 0..15 {
        shop.paid_order(&buyer, &format!("key-{number}"), &items).await;
    }
    soon("positions", || async { world.test.count("outbox where position is null").await == 0 })
        .await;
    let all: i64 = world.test.ask("select sum(length(payload)) from outbox").await;
    assert!(all > i64::try_from(MOST).unwrap(), "there is too little to read");
    // a process that does nothing but tell
    let proxy = Proxy::before(&world.test.options).await;
    let other = world.shop_with(proxy.options(), &world.catalog).await;
    let mut streams = Vec::new();
    for who in [&buyer, &staff] {
        proxy.take_round_trips();
        for _ in 0..FOLLOWERS {
            let request = who.sign(WatchOrdersRequest { after_position: "0".to_owned() });
            let mut stream = other.events().watch_orders(request).await.unwrap().into_inner();
            stream.message().await.unwrap().unwrap();
            streams.push(stream);
        }
        let read: usize = proxy.take_round_trips().iter().map(|trip| trip.answered).sum();
        assert!(read > FOLLOWERS, "nothing was read");
        assert!(read / FOLLOWERS < MOST, "{} bytes for each follower", read / FOLLOWERS);
    }
}

#[tokio::test]
async fn who_comes_back_to_an_order_after_too_long_is_told_so() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.paid_order(&buyer, "key", &[(&product, 1)]).await.id;
    // what `forget_old` does after seven days
    world.test.sql("delete from outbox where sequence <= 3").await;
    let request = buyer.sign(WatchOrderRequest { id: order, after_sequence: 1 });
    match shop.events().watch_order(request).await {
        Err(_) => {}
        Ok(stream) => {
            let event = stream.into_inner().message().await;
            let sequence =
                event.as_ref().ok().and_then(|event| event.as_ref()).map(|it| it.sequence);
            assert!(event.is_err(), "2 and 3 are missed without a word, {sequence:?} comes");
        }
    }
}

#[tokio::test]
async fn what_is_all_going_back_is_not_sent() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let (buyer, staff) = (world.buyer(), world.staff());
    let order = shop.paid_order(&buyer, "key", &[(&product, 1)]).await.id;
    world.stock_is(&order, "committed").await;
    // the provider takes its time
    world.test.sql("alter table sandbox_refunds rename to away").await;
    shop.refund(&staff, "refund", &order, None).await.unwrap();
    let shipped = shop.ship(&staff, "ship", &order).await;
    world.test.sql("alter table away rename to sandbox_refunds").await;
    shop.work();
    world.becomes(&order, "refunded").await;
    assert!(shipped.is_err(), "sent, and all of its money went back");
}

#[tokio::test]
async fn a_key_of_a_confirmation_that_changed_nothing_is_kept_too() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    let other = shop.order(&buyer, "other", &[(&product, 1)]).await.id;
    let id = shop.pay(&buyer, "pay", &order, "confirm").await.unwrap().into_inner().id;
    let other_id = shop.pay(&buyer, "pay-2", &other, "confirm").await.unwrap().into_inner().id;
    let confirm = |key: &str, order: &str, id: &str| {
        let (order_id, id) = (order.to_owned(), id.to_owned());
        let message = ConfirmPaymentRequest { order_id, id, ..ConfirmPaymentRequest::default() };
        buyer.keyed(key, message)
    };
    shop.payments().confirm_payment(confirm("one", &order, &id)).await.unwrap();
    // answered, with a key of its own
    shop.payments().confirm_payment(confirm("two", &order, &id)).await.unwrap();
    let again = shop.payments().confirm_payment(confirm("two", &other, &other_id)).await;
    assert!(again.is_err(), "the key was used for something else before");
}

/// The first payment has failed, and its worker is slow to take the pin off; the customer pays again meanwhile.
#[tokio::test]
async fn a_payment_after_one_that_failed_has_its_stock_pinned_too() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    let gate = Gate::new();
    world.catalog.once(Rpc::Unpin, Fault::Hold(gate.clone()));
    let failed = shop.pay(&buyer, "one", &order, "declined").await.unwrap().into_inner();
    assert_eq!(failed.status(), PaymentStatus::Failed);
    gate.arrived(1).await;
    let id = shop.pay(&buyer, "two", &order, "confirm").await.unwrap().into_inner().id;
    // and now the first worker goes on
    gate.open();
    sleep(Duration::from_secs(1)).await;
    // the time of the reservation is over: what is pinned stays
    world.catalog.let_reservations_end();
    let kept = world.catalog.reservation(&order);
    let other = world.buyer();
    let sold = shop.create(other.order("other", &[(&product, 1)])).await;
    let order_id = order.clone();
    let confirmation = ConfirmPaymentRequest { order_id, id, ..ConfirmPaymentRequest::default() };
    let paid = shop.payments().confirm_payment(buyer.keyed("confirm", confirmation)).await;
    assert_eq!(kept, Some(ReservationStatus::Held), "money moves for stock that is not pinned");
    assert!(sold.is_err(), "sold to another");
    assert_eq!(paid.unwrap().into_inner().status(), PaymentStatus::Succeeded);
    assert_eq!(world.charges(&order).await, (1, 0));
}

/// The same, when the first worker had taken it off, and died before it could say so.
#[tokio::test]
async fn a_pin_that_was_taken_off_unheard_is_put_on_again() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 1);
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    world.catalog.once(Rpc::Unpin, Fault::LoseAnswer);
    shop.pay(&buyer, "one", &order, "declined").await.unwrap();
    soon("unpinned", || async { world.catalog.calls_for(Rpc::Unpin, &order) == 1 }).await;
    shop.pay(&buyer, "two", &order, "confirm").await.unwrap();
    world.catalog.let_reservations_end();
    let kept = world.catalog.reservation(&order);
    assert_eq!(kept, Some(ReservationStatus::Held), "money moves for stock that is not pinned");
}
