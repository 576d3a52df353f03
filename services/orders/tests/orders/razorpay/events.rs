//! What the provider tells, as often and in whatever order it does.

use serde_json::json;
use souk_proto::souk::orders::v1::PaymentStatus;

use super::{CAPTURES, Stage};
use crate::support::reason;

#[tokio::test]
async fn events_may_come_twice_and_in_any_order() {
    let stage = Stage::with(10).await;
    let (order, _, charge) = stage.paid("key", "authorized").await;
    let authorized = stage.fake.payment_event("payment.authorized", &charge);
    let failed = stage.fake.payment_event("payment.failed", &charge);
    let captured = stage.fake.payment_event("payment.captured", &charge);
    for event in [&captured, &failed, &authorized, &captured, &authorized, &failed] {
        stage.tell(event).await.unwrap();
    }
    stage.world.becomes(&order, "paid").await;
    stage.tell(&authorized).await.unwrap();
    stage.world.settles().await;
    assert_eq!((stage.sums(), stage.fake.count(CAPTURES)), ((0, 1_000), 1));
    assert_eq!(stage.world.test.count("provider_events").await, 3);
    assert_eq!(stage.shop.payments_of(&stage.buyer, &order).await.len(), 1);
    stage.world.audit().await;
    stage.world.audit_stock().await;
}

#[tokio::test]
async fn an_event_says_nothing_of_money_that_the_provider_does_not_have() {
    let stage = Stage::with(10).await;
    let (order, payment) = stage.checkout("key").await;
    // signed, and not so
    let lie = json!({ "payment": { "entity": {
        "id": "pay_lie", "order_id": payment.provider_reference(), "amount": 1_000,
        "currency": "USD", "status": "captured",
    } } });
    stage.tell(&stage.fake.event("payment.captured", lie)).await.unwrap();
    stage.is_looked_at(&order).await;
    let asked = stage.payment_is(&order, PaymentStatus::RequiresConfirmation).await;
    assert_eq!(asked.provider_reference(), payment.provider_reference());
    assert_eq!(stage.world.state(&order).await, "paying");
}

#[tokio::test]
async fn an_event_that_is_not_signed_is_refused_and_changes_nothing() {
    let stage = Stage::with(10).await;
    let (order, _, charge) = stage.paid("key", "authorized").await;
    let event = stage.fake.payment_event("payment.authorized", &charge);
    let (mut altered, mut unsigned, mut nameless) = (event.clone(), event.clone(), event);
    altered.body.push(b' ');
    unsigned.signature = String::new();
    nameless.id = String::new();
    for event in [&altered, &unsigned, &nameless] {
        let refused = stage.tell(event).await.unwrap_err();
        assert_eq!(reason(&refused), "MALFORMED_REQUEST");
    }
    let mut broken = stage.fake.event("payment.captured", json!({}));
    broken.id = "event_broken".to_owned();
    assert_eq!(reason(&stage.tell(&broken).await.unwrap_err()), "MALFORMED_REQUEST");
    assert_eq!(stage.world.test.count("provider_events").await, 0);
    assert_eq!(stage.world.state(&order).await, "paying");
}

#[tokio::test]
async fn events_about_what_is_not_ours_are_taken() {
    let stage = Stage::with(10).await;
    let other = stage.fake.event("payment.dispute.created", json!({ "dispute": {} }));
    stage.tell(&other).await.unwrap();
    let refund = json!({ "refund": { "entity": {
        "id": "rfnd_other", "payment_id": "pay_other", "amount": 1, "currency": "USD",
        "receipt": "whatever",
    } } });
    stage.tell(&stage.fake.event("refund.processed", refund)).await.unwrap();
    assert_eq!(stage.world.test.count("provider_events").await, 2);
}

#[tokio::test]
async fn what_nobody_tells_is_found_by_looking() {
    let stage = Stage::with(10).await;
    let (order, _, _) = stage.paid("key", "authorized").await;
    stage.look_after(15).await;
    stage.world.becomes(&order, "paid").await;
    stage.world.settles().await;
    assert_eq!(stage.sums(), (0, 1_000));
    stage.world.audit().await;
    stage.world.audit_stock().await;
}

#[tokio::test]
async fn who_does_not_pay_in_time_has_failed_and_is_looked_at_for_three_days() {
    let stage = Stage::with(10).await;
    let (order, _) = stage.checkout("key").await;
    // not yet
    stage.look_after(14).await;
    stage.is_looked_at(&order).await;
    assert_eq!(stage.world.state(&order).await, "paying");
    stage.look_after(15).await;
    stage.world.becomes(&order, "payment_failed").await;
    let failed = stage.payment_is(&order, PaymentStatus::Failed).await;
    assert_eq!(failed.failure_code(), "not_confirmed");
    let next = "payments where look_at > now() + interval '";
    for (age, least) in [(60, "50 minutes"), (600, "9 hours"), (4_000, "4 hours")] {
        stage.look_after(age).await;
        stage.is_looked_at(&order).await;
        assert_eq!(stage.world.test.count(&format!("{next}{least}'")).await, 1, "after {age}");
    }
    stage.look_after(3 * 24 * 60).await;
    stage.is_looked_at(&order).await;
    assert_eq!(stage.world.test.count("payments where look_at is not null").await, 0);
    stage.world.audit().await;
}
