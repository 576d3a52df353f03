//! Money that comes late, or that nobody wants.

use souk_proto::souk::orders::v1::{PaymentStatus, RefundStatus};

use super::{CAPTURES, Stage};
use crate::support::soon;

/// An order whose payment has failed there: the order, and the provider's name of the payment.
async fn failed(stage: &Stage, key: &str) -> (String, String) {
    let (order, _, charge) = stage.paid(key, "failed").await;
    stage.tell(&stage.fake.payment_event("payment.failed", &charge)).await.unwrap();
    stage.world.becomes(&order, "payment_failed").await;
    (order, charge)
}

/// The bank changes its mind.
async fn authorize(stage: &Stage, charge: &str) {
    stage.fake.settle(charge, "authorized");
    stage.tell(&stage.fake.payment_event("payment.authorized", charge)).await.unwrap();
}

#[tokio::test]
async fn a_payment_that_had_failed_is_taken_when_the_bank_changes_its_mind() {
    let stage = Stage::with(10).await;
    let (order, charge) = failed(&stage, "key").await;
    authorize(&stage, &charge).await;
    stage.world.becomes(&order, "paid").await;
    stage.world.settles().await;
    assert_eq!(stage.sums(), (0, 1_000));
    stage.world.audit().await;
    stage.world.audit_stock().await;
}

#[tokio::test]
async fn stock_that_went_back_is_held_again_before_money_is_taken() {
    let stage = Stage::with(10).await;
    let (order, charge) = failed(&stage, "key").await;
    stage.world.let_reservations_end().await;
    stage.world.becomes(&order, "expired").await;
    stage.world.stock_is(&order, "back").await;
    authorize(&stage, &charge).await;
    stage.world.becomes(&order, "paid").await;
    stage.world.settles().await;
    assert_eq!(stage.sums(), (0, 1_000));
    assert_eq!(stage.world.catalog.stock(&stage.product), (8, 0));
    stage.world.audit().await;
    stage.world.audit_stock().await;
}

#[tokio::test]
async fn money_for_stock_that_has_gone_is_never_taken() {
    let stage = Stage::with(2).await;
    let (order, charge) = failed(&stage, "key").await;
    stage.world.let_reservations_end().await;
    stage.world.becomes(&order, "expired").await;
    stage.world.stock_is(&order, "back").await;
    stage.shop.paid_order(&stage.world.buyer(), "other", &[(&stage.product, 1)]).await;
    authorize(&stage, &charge).await;
    let is_let_go = || async {
        let payment = stage.shop.payments_of(&stage.buyer, &order).await.swap_remove(0);
        payment.failure_code() == "out_of_stock"
    };
    soon("the money is let go", is_let_go).await;
    stage.is_looked_at(&order).await;
    assert_eq!(stage.world.state(&order).await, "expired");
    // nor later, though there may be stock again
    stage.look_after(24 * 60).await;
    stage.is_looked_at(&order).await;
    assert_eq!(
        (stage.world.state(&order).await.as_str(), stage.fake.count(CAPTURES)),
        ("expired", 0)
    );
    // until the provider has given it back
    stage.fake.settle(&charge, "refunded");
    stage.look_after(10 * 24 * 60).await;
    stage.is_looked_at(&order).await;
    assert_eq!(stage.world.test.count("payments where look_at is not null").await, 0);
    stage.world.audit().await;
    stage.world.audit_stock().await;
}

#[tokio::test]
async fn money_that_is_taken_for_stock_that_has_gone_goes_back() {
    let stage = Stage::with(2).await;
    let (order, charge) = failed(&stage, "key").await;
    stage.world.let_reservations_end().await;
    stage.world.becomes(&order, "expired").await;
    stage.world.stock_is(&order, "back").await;
    stage.shop.paid_order(&stage.world.buyer(), "other", &[(&stage.product, 1)]).await;
    // by the provider itself
    stage.fake.settle(&charge, "captured");
    stage.tell(&stage.fake.payment_event("payment.captured", &charge)).await.unwrap();
    soon("the money goes back", || async { stage.sums() == (1_000, 0) }).await;
    let payment = stage.payment_is(&order, PaymentStatus::Surplus).await;
    stage.world.settles().await;
    let refunds = stage.shop.refunds_of(&stage.buyer, &order).await;
    assert_eq!(
        (refunds[0].status(), &refunds[0].payment_id),
        (RefundStatus::Succeeded, &payment.id)
    );
    assert_eq!(stage.world.state(&order).await, "expired");
    stage.world.audit().await;
    stage.world.audit_stock().await;
}

#[tokio::test]
async fn of_two_payments_of_one_order_one_goes_back() {
    let stage = Stage::with(10).await;
    let (order, payment, _) = stage.paid("key", "captured").await;
    let second = stage.fake.pay(payment.provider_reference(), "captured");
    stage.tell(&stage.fake.payment_event("payment.captured", &second)).await.unwrap();
    stage.world.becomes(&order, "paid").await;
    soon("one goes back", || async { stage.sums() == (1_000, 1_000) }).await;
    stage.world.settles().await;
    let payments = stage.shop.payments_of(&stage.buyer, &order).await;
    let states: Vec<_> = payments.iter().map(|payment| payment.status()).collect();
    assert_eq!(states, [PaymentStatus::Succeeded, PaymentStatus::Surplus]);
    let refunds = stage.shop.refunds_of(&stage.buyer, &order).await;
    assert_eq!((refunds.len(), &refunds[0].payment_id), (1, &payments[1].id));
    stage.world.audit().await;
    stage.world.audit_stock().await;
}

#[tokio::test]
async fn an_order_that_is_paid_another_way_takes_nothing_more() {
    let stage = Stage::with(10).await;
    let (order, charge) = failed(&stage, "key").await;
    let paid = stage.shop.pay(&stage.buyer, "sandbox", &order, "ok").await.unwrap();
    assert_eq!(paid.get_ref().status(), PaymentStatus::Succeeded);
    authorize(&stage, &charge).await;
    let is_let_go = || async {
        let payment = stage.shop.payments_of(&stage.buyer, &order).await.swap_remove(0);
        payment.failure_code() == "not_wanted"
    };
    soon("the money is let go", is_let_go).await;
    stage.is_looked_at(&order).await;
    assert_eq!(stage.fake.count(CAPTURES), 0);
    // somebody takes it all the same, and nobody tells
    stage.fake.settle(&charge, "captured");
    stage.look_after(60).await;
    soon("the money goes back", || async { stage.sums() == (1_000, 0) }).await;
    stage.payment_is(&order, PaymentStatus::Surplus).await;
    assert_eq!(stage.world.state(&order).await, "paid");
    stage.world.settles().await;
    stage.world.audit().await;
    stage.world.audit_stock().await;
}

#[tokio::test]
async fn who_cancels_while_the_bank_changes_its_mind_pays_or_does_not() {
    let stage = Stage::with(100).await;
    for round in 0..8 {
        let (order, charge) = failed(&stage, &format!("key-{round}")).await;
        let before = stage.sums().1;
        let (cancelled, ()) =
            tokio::join!(stage.shop.cancel(&stage.buyer, &order), authorize(&stage, &charge));
        if cancelled.is_ok() {
            let is_let_go = || async {
                let payment = stage.shop.payments_of(&stage.buyer, &order).await.swap_remove(0);
                payment.failure_code() == "not_wanted"
            };
            soon("the money is let go", is_let_go).await;
            stage.is_looked_at(&order).await;
            assert_eq!(stage.world.state(&order).await, "cancelled");
            assert_eq!(stage.sums(), (0, before));
        } else {
            stage.world.becomes(&order, "paid").await;
            assert_eq!(stage.sums(), (0, before + 1_000));
        }
    }
    stage.world.audit().await;
}
