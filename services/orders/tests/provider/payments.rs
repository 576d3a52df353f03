use souk_orders::http;
use souk_orders::razorpay::{ChargeStatus, Error};

use crate::fake::{Clients as _, Fake, Fault};
use crate::soon;

/// An order, and a payment of it in this state.
async fn paid(fake: &Fake, status: &str) -> (String, String) {
    let order = fake.client().create_order(50_000, "INR", "payment-1", soon()).await.unwrap();
    let payment = fake.pay(&order.id, status);
    (order.id, payment)
}

#[tokio::test]
async fn an_authorized_payment_is_captured() {
    let fake = Fake::new().await;
    let (_, payment) = paid(&fake, "authorized").await;
    let charge = fake.client().capture(&payment, 50_000, "INR", soon()).await.unwrap();
    assert_eq!((charge.id, charge.status), (payment, ChargeStatus::Captured));
}

#[tokio::test]
async fn a_payment_that_is_captured_already_is_as_well() {
    let fake = Fake::new().await;
    let (_, payment) = paid(&fake, "captured").await;
    let charge = fake.client().capture(&payment, 50_000, "INR", soon()).await.unwrap();
    assert_eq!(charge.status, ChargeStatus::Captured);
}

#[tokio::test]
async fn a_capture_whose_answer_is_lost_is_looked_up() {
    let fake = Fake::new().await;
    let (_, payment) = paid(&fake, "authorized").await;
    fake.fails_after_work([Fault::Lost]);
    let charge = fake.client().capture(&payment, 50_000, "INR", soon()).await.unwrap();
    assert_eq!(charge.status, ChargeStatus::Captured);
    assert_eq!(fake.count(&format!("POST /v1/payments/{payment}/capture")), 1);
}

#[tokio::test]
async fn a_capture_that_may_yet_happen_is_unknown() {
    let fake = Fake::new().await;
    let (_, payment) = paid(&fake, "authorized").await;
    fake.fails([Fault::Status(500)]);
    let error = fake.client().capture(&payment, 50_000, "INR", soon()).await.unwrap_err();
    assert!(error.is_unknown());
}

#[tokio::test]
async fn a_payment_of_an_order_that_another_has_paid_stays_refused() {
    let fake = Fake::new().await;
    let (order, payment) = paid(&fake, "authorized").await;
    fake.pay(&order, "captured");
    let error = fake.client().capture(&payment, 50_000, "INR", soon()).await.unwrap_err();
    assert!(matches!(error, Error::Http(http::Error::Refused { status: 400, .. })));
}

#[tokio::test]
async fn a_payment_captured_with_another_amount_is_not_what_was_asked_for() {
    let fake = Fake::new().await;
    let (_, payment) = paid(&fake, "captured").await;
    let error = fake.client().capture(&payment, 50_001, "INR", soon()).await.unwrap_err();
    assert!(matches!(error, Error::Mismatch("payment")));
}

#[tokio::test]
async fn an_answer_that_says_anything_but_captured_is_not_believed() {
    let fake = Fake::new().await;
    let (_, payment) = paid(&fake, "failed").await;
    fake.answers_captures_without_capturing();
    let error = fake.client().capture(&payment, 50_000, "INR", soon()).await.unwrap_err();
    assert!(error.is_unknown());
}
