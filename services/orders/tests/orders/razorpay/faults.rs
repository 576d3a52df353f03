//! Calls whose answers are lost, late, or none.

use std::time::Duration;

use souk_orders::http::Limits;
use souk_orders::razorpay::{Options, Razorpay};
use souk_proto::souk::orders::v1::PaymentStatus;

use super::{CAPTURES, ORDERS, Stage, TOO_LATE};
use crate::fake::{Fault, KEY_ID, KEY_SECRET, WEBHOOK_SECRET};

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_found_and_not_made_again() {
    for fault in [Fault::Lost, Fault::Broken, Fault::Status(502), Fault::Late(TOO_LATE)] {
        let stage = Stage::with(10).await;
        stage.fake.plan(ORDERS, [fault], true);
        stage.settled("key").await;
        assert_eq!((stage.fake.orders().len(), stage.fake.count(ORDERS)), (1, 1));
        stage.world.settles().await;
        stage.world.audit().await;
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_asked_until_it_is_not() {
    let stage = Stage::with(10).await;
    stage.fake.plan("", [const { Fault::Status(503) }; 8], false);
    let (order, payment) = stage.checkout("key").await;
    assert_eq!(stage.fake.orders().len(), 1);
    stage.fake.pay(payment.provider_reference(), "authorized");
    stage.fake.plan("", [const { Fault::Status(500) }; 5], false);
    stage.look_after(15).await;
    stage.world.becomes(&order, "paid").await;
    assert_eq!(stage.sums(), (0, 1_000));
    stage.world.audit().await;
}

#[tokio::test]
async fn money_is_taken_once_whatever_becomes_of_the_answer() {
    for fault in [Fault::Lost, Fault::Garbage, Fault::Status(500), Fault::Late(TOO_LATE)] {
        for is_done in [true, false] {
            let stage = Stage::with(10).await;
            stage.fake.plan(CAPTURES, [fault.clone()], is_done);
            let (_, charge) = stage.settled("key").await;
            assert_eq!(stage.sums(), (0, 1_000));
            assert_eq!(stage.fake.payments()[0]["id"], charge.as_str());
            stage.world.settles().await;
            stage.world.audit().await;
        }
    }
}

#[tokio::test]
async fn a_capture_without_an_answer_is_looked_up_before_it_is_made_again() {
    let stage = Stage::with(10).await;
    // neither the answer nor the look at it come through
    stage.fake.plan(CAPTURES, [Fault::Lost], true);
    stage.fake.plan("GET /v1/payments", [const { Fault::Status(500) }; 3], false);
    stage.settled("key").await;
    assert_eq!((stage.sums(), stage.fake.count(CAPTURES)), ((0, 1_000), 1));
}

#[tokio::test]
async fn money_that_a_bank_no_longer_holds_fails_the_attempt() {
    let stage = Stage::with(10).await;
    let (order, payment, charge) = stage.paid("key", "authorized").await;
    // between the look and the capture
    stage.fake.plan(CAPTURES, [Fault::Status(400)], false);
    stage.tell(&stage.fake.payment_event("payment.authorized", &charge)).await.unwrap();
    stage.world.becomes(&order, "payment_failed").await;
    stage.fake.settle(&charge, "refunded");
    let failed = stage.payment_is(&order, PaymentStatus::Failed).await;
    assert_eq!((failed.id, stage.sums()), (payment.id, (0, 0)));
    // and money that went back is none
    stage.look_after(60).await;
    stage.is_looked_at(&order).await;
    assert_eq!(stage.world.state(&order).await, "payment_failed");
    stage.world.audit().await;
}

#[tokio::test]
async fn a_call_may_take_longer_than_other_steps_and_nobody_takes_the_order_over_meanwhile() {
    let mut stage = Stage::with(10).await;
    let patient = Razorpay::with_limits(
        Options {
            key_id: KEY_ID.into(),
            key_secret: KEY_SECRET.into(),
            webhook_secret: WEBHOOK_SECRET.into(),
            base_url: stage.fake.url.clone(),
        },
        Limits { read: Duration::from_secs(15), ..Limits::default() },
    );
    let (options, razorpay) = (stage.world.test.options.clone(), Some(patient.unwrap()));
    let catalog = &stage.world.catalog;
    // the shop that was there goes on looking for what is due
    let other = stage.world.shop_before(options, catalog, razorpay).await;
    let impatient = std::mem::replace(&mut stage.shop, other);
    // longer than a lease that is not prolonged
    stage.fake.plan(ORDERS, [Fault::Late(Duration::from_secs(11))], true);
    stage.checkout("key").await;
    assert_eq!((stage.fake.orders().len(), stage.fake.calls().len()), (1, 1));
    impatient.rest().await;
    stage.world.audit().await;
}
