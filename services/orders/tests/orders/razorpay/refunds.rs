//! Money goes back once, and is said to when it has.

use souk_proto::souk::orders::v1::{OrderStatus, RefundStatus};

use super::{Stage, TOO_LATE};
use crate::fake::Fault;
use crate::support::soon;

const REFUNDS: &str = "POST /v1/payments/pay_00000000000000/refund";

#[tokio::test]
async fn a_refund_is_made_once_whatever_becomes_of_the_answer() {
    for fault in [Fault::Lost, Fault::Garbage, Fault::Status(503), Fault::Late(TOO_LATE)] {
        let stage = Stage::with(10).await;
        let (order, _) = stage.settled("key").await;
        let staff = stage.world.staff();
        stage.fake.plan(REFUNDS, vec![fault; 4], true);
        stage.shop.refund(&staff, "part", &order, Some("2.50")).await.unwrap();
        stage.world.becomes(&order, "partially_refunded").await;
        stage.fake.recovers();
        stage.shop.refund(&staff, "rest", &order, None).await.unwrap();
        stage.world.becomes(&order, "refunded").await;
        assert_eq!((stage.sums(), stage.fake.refunds().len()), ((1_000, 0), 2));
        let amounts: Vec<_> =
            stage.fake.refunds().iter().map(|refund| refund["amount"].as_i64().unwrap()).collect();
        assert_eq!(amounts, [250, 750]);
        stage.world.settles().await;
        stage.world.audit().await;
        stage.world.audit_stock().await;
    }
}

#[tokio::test]
async fn a_refund_is_pending_until_the_provider_has_sent_it() {
    let stage = Stage::with(10).await;
    let (order, _) = stage.settled("key").await;
    stage.fake.is_slow_with_refunds();
    stage.shop.refund(&stage.world.staff(), "all", &order, None).await.unwrap();
    soon("the provider has it", || async { stage.fake.refunds().len() == 1 }).await;
    let waits = "refunds where state = 'pending' and look_at > now()";
    soon("it waits", || async { stage.world.test.count(waits).await == 1 }).await;
    assert_eq!(stage.world.state(&order).await, "paid");
    stage.fake.settle_refunds("processed");
    let refund = stage.fake.refunds()[0]["id"].as_str().unwrap().to_owned();
    stage.tell(&stage.fake.refund_event("refund.processed", &refund)).await.unwrap();
    stage.world.becomes(&order, "refunded").await;
    let refunds = stage.shop.refunds_of(&stage.buyer, &order).await;
    assert_eq!(refunds[0].provider_reference(), refund);
    stage.world.settles().await;
    assert_eq!(stage.fake.refunds().len(), 1);
    stage.world.audit().await;
}

#[tokio::test]
async fn a_refund_that_fails_in_the_end_leaves_the_money_and_another_may_follow() {
    let stage = Stage::with(10).await;
    let (order, _) = stage.settled("key").await;
    stage.fake.is_slow_with_refunds();
    stage.shop.refund(&stage.world.staff(), "all", &order, None).await.unwrap();
    soon("the provider has it", || async { stage.fake.refunds().len() == 1 }).await;
    stage.fake.settle_refunds("failed");
    // which nobody tells
    let waits = "refunds where state = 'pending' and look_at > now()";
    soon("it waits", || async { stage.world.test.count(waits).await == 1 }).await;
    stage.look_after(15).await;
    let failed = || async {
        stage.shop.refunds_of(&stage.buyer, &order).await[0].status() == RefundStatus::Failed
    };
    soon("it fails", failed).await;
    let kept = stage.shop.get(&stage.buyer, &order).await.unwrap();
    assert_eq!(
        (kept.status(), kept.amount_refunded.unwrap().value.as_str()),
        (OrderStatus::Paid, "0.00")
    );
    stage.world.audit().await;
}

#[tokio::test]
async fn a_refund_that_is_refused_fails_unless_the_order_does_not_want_the_money() {
    let stage = Stage::with(10).await;
    let (order, payment, _) = stage.paid("key", "captured").await;
    let second = stage.fake.pay(payment.provider_reference(), "captured");
    stage.fake.refuses_refunds(true);
    stage.tell(&stage.fake.payment_event("payment.captured", &second)).await.unwrap();
    stage.world.becomes(&order, "paid").await;
    let again = "refunds where state = 'pending' and look_at > now()";
    soon("another follows", || async { stage.world.test.count(again).await == 1 }).await;
    stage.shop.refund(&stage.world.staff(), "all", &order, None).await.unwrap();
    let failed = "refunds where state = 'failed'";
    soon("it fails", || async { stage.world.test.count(failed).await == 2 }).await;
    stage.fake.refuses_refunds(false);
    stage.look_after(15).await;
    soon("the surplus goes back", || async { stage.sums() == (1_000, 1_000) }).await;
    stage.world.settles().await;
    stage.world.audit().await;
}
