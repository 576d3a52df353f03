//! Money moves once, and only for stock that is there.

use std::time::Duration;

use futures::future::join_all;
use souk_proto::souk::catalog::v2::ReservationStatus;
use souk_proto::souk::orders::v1::{
    ConfirmPaymentRequest, OrderStatus, PaymentStatus, RefundStatus,
};
use tonic::{Code, Status};

use crate::catalog::{Fault, Rpc};
use crate::gate::Gate;
use crate::support::{World, is_replayed, reason, soon};

fn down() -> Fault {
    Fault::Fail(Status::unavailable("it is down"))
}

#[tokio::test]
async fn a_paid_order_takes_its_stock_with_it() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.paid_order(&buyer, "key", &[(&product, 2)]).await;
    assert_eq!(order.status(), OrderStatus::Paid);
    assert_eq!(order.amount_paid.unwrap().value, "10.00");
    assert!(order.expires_at.is_none());
    world.settles().await;
    assert_eq!(world.catalog.stock(&product), (8, 0));
    assert_eq!(world.charges(&order.id).await, (1, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn stock_is_pinned_before_money_moves() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    let gate = Gate::new();
    world.catalog.once(Rpc::Pin, Fault::Hold(gate.clone()));
    let paying = shop.pay(&buyer, "pay", &order, "ok");
    let looking = async {
        gate.arrived(1).await;
        assert_eq!(world.charges(&order).await, (0, 0), "not before the pin");
        gate.open();
    };
    let (paid, ()) = tokio::join!(paying, looking);
    assert_eq!(paid.unwrap().get_ref().status(), PaymentStatus::Succeeded);
    world.settles().await;
    world.audit().await;
}

#[tokio::test]
async fn a_reservation_that_has_ended_charges_nobody() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    // the catalog's clock is ahead
    world.catalog.let_reservations_end();
    let payment = shop.pay(&buyer, "pay", &order, "ok").await.unwrap().into_inner();
    assert_eq!(payment.status(), PaymentStatus::Failed);
    assert_eq!(payment.failure_code.as_deref(), Some("reservation_ended"));
    world.let_reservations_end().await;
    world.becomes(&order, "expired").await;
    world.settles().await;
    assert_eq!(world.charges(&order).await, (0, 0));
    assert_eq!(world.catalog.stock(&product), (10, 0));
    world.audit().await;
}

#[tokio::test]
async fn a_declined_payment_leaves_the_stock_held_and_another_may_follow() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    let declined = shop.pay(&buyer, "first", &order, "declined").await.unwrap().into_inner();
    assert_eq!(declined.status(), PaymentStatus::Failed);
    assert_eq!(declined.failure_code.as_deref(), Some("card_declined"));
    let failed = shop.get(&buyer, &order).await.unwrap();
    assert_eq!(failed.status(), OrderStatus::PaymentFailed);
    assert!(failed.expires_at.is_some());
    assert_eq!(world.catalog.stock(&product), (8, 2));
    let paid = shop.pay(&buyer, "second", &order, "ok").await.unwrap().into_inner();
    assert_eq!(paid.status(), PaymentStatus::Succeeded);
    world.settles().await;
    let payments = shop.payments_of(&buyer, &order).await;
    assert_eq!(payments.len(), 2);
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn an_order_that_nobody_pays_after_a_failure_expires() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 2)]).await.id;
    shop.pay(&buyer, "first", &order, "declined").await.unwrap();
    let unpinned = || async {
        world.catalog.let_reservations_end();
        world.catalog.reservation(&order) == Some(ReservationStatus::Expired)
    };
    soon("the pin goes", unpinned).await;
    world.let_reservations_end().await;
    world.becomes(&order, "expired").await;
    world.settles().await;
    assert_eq!(world.catalog.stock(&product), (10, 0));
    let refused = shop.pay(&buyer, "late", &order, "ok").await.unwrap_err();
    assert_eq!(reason(&refused), "ILLEGAL_TRANSITION");
    world.audit().await;
}

#[tokio::test]
async fn a_charge_whose_answer_is_lost_is_found_and_never_made_again() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    let paid = shop.pay(&buyer, "pay", &order, "timeout").await.unwrap().into_inner();
    assert_eq!(paid.status(), PaymentStatus::Succeeded);
    world.settles().await;
    assert_eq!(world.charges(&order).await, (1, 0));
    world.audit().await;
}

#[tokio::test]
async fn a_provider_that_charges_twice_gives_one_back() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    shop.pay(&buyer, "pay", &order, "twice").await.unwrap();
    world.settles().await;
    assert_eq!(world.charges(&order).await, (2, 1));
    let payments = shop.payments_of(&buyer, &order).await;
    let states: Vec<PaymentStatus> = payments.iter().map(|payment| payment.status()).collect();
    assert_eq!(states, [PaymentStatus::Succeeded, PaymentStatus::Surplus]);
    let refunds = shop.refunds_of(&buyer, &order).await;
    assert_eq!(refunds.len(), 1);
    assert_eq!(refunds[0].payment_id, payments[1].id);
    assert_eq!(refunds[0].status(), RefundStatus::Succeeded);
    // which is none of the order's money
    let paid = shop.get(&buyer, &order).await.unwrap();
    assert_eq!(paid.status(), OrderStatus::Paid);
    assert_eq!(paid.amount_refunded.unwrap().value, "0.00");
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn a_payment_that_needs_it_waits_for_the_customer() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 2);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    let asked = shop.pay(&buyer, "pay", &order, "confirm").await.unwrap().into_inner();
    assert_eq!(asked.status(), PaymentStatus::RequiresConfirmation);
    assert_eq!(world.charges(&order).await, (0, 0));
    // its stock is pinned for as long as that takes
    world.catalog.let_reservations_end();
    assert_eq!(world.catalog.stock(&product), (1, 1));
    let confirm = |key: &str| {
        let message = ConfirmPaymentRequest {
            order_id: order.clone(),
            id: asked.id.clone(),
            ..ConfirmPaymentRequest::default()
        };
        buyer.keyed(key, message)
    };
    let paid = shop.payments().confirm_payment(confirm("yes")).await.unwrap().into_inner();
    assert_eq!(paid.status(), PaymentStatus::Succeeded);
    let again = shop.payments().confirm_payment(confirm("yes")).await.unwrap();
    assert!(is_replayed(again.metadata()));
    assert_eq!(again.into_inner(), paid);
    // and the call that began it is answered as it was
    let first = shop.pay(&buyer, "pay", &order, "confirm").await.unwrap().into_inner();
    assert_eq!(first, asked);
    world.settles().await;
    assert_eq!(world.charges(&order).await, (1, 0));
    world.audit().await;
}

#[tokio::test]
async fn a_payment_that_nobody_confirms_fails() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 2);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    shop.pay(&buyer, "pay", &order, "confirm").await.unwrap();
    world
        .test
        .sql(
            "update payments set look_at = now() - interval '1 second',
                 created_at = created_at - interval '15 minutes'",
        )
        .await;
    world.let_time_pass().await;
    world.becomes(&order, "payment_failed").await;
    assert_eq!(world.charges(&order).await, (0, 0));
    world.audit().await;
}

#[tokio::test]
async fn who_pays_from_two_tabs_pays_once() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let (one, two) = (world.working_shop().await, world.working_shop().await);
    let buyer = world.buyer();
    for round in 0..10 {
        let key = format!("order-{round}");
        let order = one.order(&buyer, &key, &[(&product, 1)]).await.id;
        let tabs = (0..6).map(|tab| {
            let shop = if tab % 2 == 0 { &one } else { &two };
            let (buyer, key, order) = (&buyer, format!("{round}-{tab}"), order.clone());
            async move { shop.pay(buyer, &key, &order, "ok").await }
        });
        let paid: Vec<_> = join_all(tabs).await;
        let succeeded = paid.iter().filter(|paid| paid.is_ok()).count();
        assert_eq!(succeeded, 1);
        for refused in paid.into_iter().filter_map(Result::err) {
            assert_eq!(reason(&refused), "ILLEGAL_TRANSITION");
        }
        assert_eq!(world.charges(&order).await, (1, 0));
    }
    world.settles().await;
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn a_retry_with_the_same_key_returns_the_same_payment() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let (one, two) = (world.working_shop().await, world.working_shop().await);
    let buyer = world.buyer();
    let order = one.order(&buyer, "key", &[(&product, 1)]).await.id;
    let sends = (0..8).map(|send| {
        let shop = if send % 2 == 0 { &one } else { &two };
        let (buyer, order) = (&buyer, order.clone());
        async move { shop.pay(buyer, "pay", &order, "ok").await }
    });
    let mut paid = Vec::new();
    for answer in join_all(sends).await {
        match answer {
            Ok(answer) => paid.push(answer.into_inner()),
            Err(refused) => assert_eq!(reason(&refused), "IN_FLIGHT"),
        }
    }
    let again = two.pay(&buyer, "pay", &order, "ok").await.unwrap();
    assert!(is_replayed(again.metadata()));
    paid.push(again.into_inner());
    assert!(paid.iter().all(|payment| *payment == paid[0]), "{paid:?}");
    assert_eq!(world.charges(&order).await, (1, 0));
    let reused = one.pay(&buyer, "pay", &order, "declined").await.unwrap_err();
    assert_eq!(reason(&reused), "IDEMPOTENCY_KEY_REUSED");
    world.settles().await;
    world.audit().await;
}

#[tokio::test]
async fn an_order_is_cancelled_or_paid_and_never_both() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 100);
    let (one, two) = (world.working_shop().await, world.working_shop().await);
    let buyer = world.buyer();
    for round in 0..15 {
        let order = one.order(&buyer, &format!("order-{round}"), &[(&product, 1)]).await.id;
        let key = format!("pay-{round}");
        let (paid, cancelled) =
            tokio::join!(one.pay(&buyer, &key, &order, "ok"), two.cancel(&buyer, &order),);
        assert_ne!(paid.is_ok(), cancelled.is_ok(), "{paid:?} {cancelled:?}");
    }
    world.settles().await;
    for order in world.orders().await {
        let charges = i64::from(world.state(&order).await == "paid");
        assert_eq!(world.charges(&order).await, (charges, 0));
    }
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn a_payment_goes_on_when_the_catalog_is_back() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    for (round, rpc) in [Rpc::Pin, Rpc::Commit].into_iter().enumerate() {
        for fault in [down(), Fault::LoseAnswer] {
            let key = format!("{round}-{fault:?}").replace(|it: char| !it.is_alphanumeric(), "");
            let order = shop.order(&buyer, &key, &[(&product, 1)]).await.id;
            world.catalog.always(rpc, fault);
            let mut request = buyer.payment(&key, &order, "ok");
            request.set_timeout(Duration::from_millis(900));
            let answer = shop.payments().create_payment(request).await.unwrap();
            let is_accepted =
                answer.metadata().get("x-http-code").is_some_and(|code| code == "202");
            assert_eq!(is_accepted, rpc == Rpc::Pin);
            world.catalog.heal();
            world.becomes(&order, "paid").await;
            world.settles().await;
            let again = shop.pay(&buyer, &key, &order, "ok").await.unwrap().into_inner();
            assert_eq!(again.status(), PaymentStatus::Succeeded);
            assert_eq!(world.charges(&order).await, (1, 0));
        }
    }
    assert_eq!(world.catalog.stock(&product), (6, 0));
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn a_payment_that_its_process_has_left_is_carried_by_another() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let gone = world.shop_with(world.test.options.clone(), &world.catalog.entrance(1)).await;
    let shop = world.shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    let gate = Gate::new();
    world.catalog.once(Rpc::Pin, Fault::HoldAnswer(gate.clone()));
    let mut request = buyer.payment("pay", &order, "ok");
    request.set_timeout(Duration::from_millis(700));
    let answer = gone.payments().create_payment(request).await.unwrap();
    assert_eq!(answer.get_ref().status(), PaymentStatus::Pending);
    world.let_time_pass().await;
    shop.work();
    world.becomes(&order, "paid").await;
    // whoever was thought to be gone comes back, and has lost it
    gate.open();
    world.settles().await;
    assert_eq!(world.charges(&order).await, (1, 0));
    let again = shop.pay(&buyer, "pay", &order, "ok").await.unwrap();
    assert_eq!(again.get_ref().status(), PaymentStatus::Succeeded);
    world.audit().await;
    world.audit_stock().await;
}

#[tokio::test]
async fn nobody_pays_the_order_of_another() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.shop().await;
    let (buyer, stranger, staff) = (world.buyer(), world.buyer(), world.staff());
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    for other in [&stranger, &staff] {
        let refused = shop.pay(other, "pay", &order, "ok").await.unwrap_err();
        assert_eq!(refused.code(), Code::NotFound);
    }
    let unknown = shop.pay(&buyer, "pay", &order, "gold").await.unwrap_err();
    assert_eq!(reason(&unknown), "VALIDATION_FAILED");
    assert_eq!(world.state(&order).await, "reserved");
    world.audit().await;
}

#[tokio::test]
async fn an_order_has_no_more_than_twenty_payments() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let shop = world.working_shop().await;
    let buyer = world.buyer();
    let order = shop.order(&buyer, "key", &[(&product, 1)]).await.id;
    for attempt in 0..20 {
        shop.pay(&buyer, &format!("pay-{attempt}"), &order, "declined").await.unwrap();
    }
    let refused = shop.pay(&buyer, "one more", &order, "ok").await;
    assert!(refused.is_err(), "a key of two words");
    let refused = shop.pay(&buyer, "one-more", &order, "ok").await.unwrap_err();
    assert_eq!(reason(&refused), "LIMIT_REACHED");
    world.audit().await;
}
