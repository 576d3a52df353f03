//! A customer pays in the checkout, and comes back.

use souk_proto::souk::orders::v1::PaymentStatus;
use tonic_types::StatusExt as _;

use super::{CAPTURES, ORDERS, Stage};
use crate::fake::Fake;
use crate::support::{World, reason};

#[tokio::test]
async fn an_order_is_paid_in_the_checkout_and_taken_when_the_provider_tells() {
    let stage = Stage::with(10).await;
    let (order, payment) = stage.checkout("key").await;
    let there = stage.fake.orders().swap_remove(0);
    assert_eq!(there["id"], payment.provider_reference());
    assert_eq!((&there["amount"], &there["currency"]), (&1_000.into(), &"USD".into()));
    assert_eq!(there["receipt"], payment.id.as_str());
    assert_eq!(stage.world.state(&order).await, "paying");

    let charge = stage.fake.pay(payment.provider_reference(), "authorized");
    stage.tell(&stage.fake.payment_event("payment.authorized", &charge)).await.unwrap();
    let paid = stage.payment_is(&order, PaymentStatus::Succeeded).await;
    assert_eq!(paid.provider_reference(), charge);
    assert_eq!(
        stage.shop.get(&stage.buyer, &order).await.unwrap().amount_paid.unwrap().value,
        "10.00"
    );
    stage.world.settles().await;
    assert_eq!((stage.sums(), stage.fake.count(CAPTURES)), ((0, 1_000), 1));
    assert_eq!(stage.world.catalog.stock(&stage.product), (8, 0));
    // the call that began it is answered as it was
    let again = stage.try_checkout("key", &order).await.unwrap().into_inner();
    assert_eq!((again, stage.fake.count(ORDERS)), (payment, 1));
    stage.world.audit().await;
    stage.world.audit_stock().await;
}

#[tokio::test]
async fn who_comes_back_with_a_signature_need_not_wait_for_the_provider_to_tell() {
    let stage = Stage::with(10).await;
    let (order, payment, charge) = stage.paid("key", "authorized").await;
    let signature = Fake::checkout_signature(payment.provider_reference(), &charge);
    let proof = (Some(&*charge), Some(&*signature));
    let paid = stage.confirm("yes", &payment, proof).await.unwrap();
    assert_eq!(paid.status(), PaymentStatus::Succeeded);
    assert_eq!(stage.world.state(&order).await, "paid");
    stage.world.settles().await;
    // which it does all the same, and too late to change anything
    stage.tell(&stage.fake.payment_event("payment.captured", &charge)).await.unwrap();
    stage.is_looked_at(&order).await;
    stage.world.settles().await;
    assert_eq!(stage.sums(), (0, 1_000));
    stage.world.audit().await;
}

#[tokio::test]
async fn what_the_provider_has_captured_by_itself_is_not_captured() {
    let stage = Stage::with(10).await;
    let (order, payment, _) = stage.paid("key", "captured").await;
    let paid = stage.confirm("yes", &payment, (None, None)).await.unwrap();
    assert_eq!(paid.status(), PaymentStatus::Succeeded);
    assert_eq!((stage.world.state(&order).await.as_str(), stage.fake.count(CAPTURES)), ("paid", 0));
    stage.world.audit().await;
}

#[tokio::test]
async fn a_signature_for_anything_else_is_refused() {
    let stage = Stage::with(10).await;
    let (order, payment, charge) = stage.paid("key", "authorized").await;
    let signature = Fake::checkout_signature(payment.provider_reference(), &charge);
    let other = Fake::checkout_signature("order_other", &charge);
    for (key, proof, field) in [
        ("other", (Some(&*charge), Some(&*other)), "provider_signature"),
        ("another", (Some("pay_other"), Some(&*signature)), "provider_signature"),
        ("no payment", (None, Some(&*signature)), "provider_payment_id"),
        ("no signature", (Some(&*charge), None), "provider_signature"),
    ] {
        let key = key.replace(' ', "-");
        let refused = stage.confirm(&key, &payment, proof).await.unwrap_err();
        assert_eq!(reason(&refused), "VALIDATION_FAILED");
        let details = refused.get_details_bad_request().unwrap();
        assert_eq!(details.field_violations[0].field, field);
    }
    assert_eq!(stage.world.state(&order).await, "paying");
    assert_eq!(stage.fake.count(CAPTURES), 0);
}

#[tokio::test]
async fn who_comes_back_before_the_provider_knows_goes_on_waiting() {
    let stage = Stage::with(10).await;
    let (order, payment) = stage.checkout("key").await;
    let asked = stage.confirm("early", &payment, (None, None)).await.unwrap();
    assert_eq!(asked.status(), PaymentStatus::RequiresConfirmation);
    stage.fake.pay(payment.provider_reference(), "authorized");
    let paid = stage.confirm("later", &payment, (None, None)).await.unwrap();
    assert_eq!(paid.status(), PaymentStatus::Succeeded);
    assert_eq!(stage.world.state(&order).await, "paid");
    stage.world.audit().await;
}

#[tokio::test]
async fn a_shop_without_razorpay_says_so() {
    let world = World::new().await;
    let product = world.catalog.product("5.00", 10);
    let (mut stage, shop) = (Stage::with(10).await, world.working_shop().await);
    (stage.shop, stage.world, stage.product) = (shop, world, product);
    stage.buyer = stage.world.buyer();
    let order = stage.order("key").await;
    let refused = stage.try_checkout("key", &order).await.unwrap_err();
    assert_eq!(reason(&refused), "VALIDATION_FAILED");
    let event = stage.fake.event("order.paid", serde_json::json!({}));
    assert_eq!(reason(&stage.tell(&event).await.unwrap_err()), "NOT_FOUND");
}

#[tokio::test]
async fn a_provider_that_refuses_makes_the_attempt_fail() {
    let stage = Stage::with(10).await;
    // less than the provider takes
    let cheap = stage.world.catalog.product("0.50", 10);
    let order = stage.shop.order(&stage.buyer, "key", &[(&cheap, 1)]).await.id;
    let failed = stage.try_checkout("key", &order).await.unwrap().into_inner();
    assert_eq!(failed.status(), PaymentStatus::Failed);
    assert_eq!(failed.failure_code(), "BAD_REQUEST_ERROR");
    assert_eq!(stage.world.state(&order).await, "payment_failed");
    stage.world.audit().await;
}
