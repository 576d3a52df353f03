use std::time::Duration;

use souk_orders::http;
use souk_orders::razorpay::{Error, RefundStatus};

use crate::fake::{Clients as _, Fake, Fault};
use crate::soon;

const KEY: &str = "rfd_01h455vb4pex5vsknk084sn02q";

async fn captured(fake: &Fake) -> String {
    let order = fake.client().create_order(50_000, "INR", "payment-1", soon()).await.unwrap();
    fake.pay(&order.id, "captured")
}

#[tokio::test]
async fn a_refund_carries_its_key_as_header_and_receipt() {
    let fake = Fake::new().await;
    let payment = captured(&fake).await;
    let refund = fake.client().refund(&payment, 20_000, KEY, soon()).await.unwrap();
    assert_eq!((refund.amount_minor, refund.status), (20_000, RefundStatus::Processed));
    assert_eq!((refund.receipt.as_deref(), &refund.payment_id), (Some(KEY), &payment));
    let call = fake.calls().pop().unwrap();
    assert_eq!(call.headers["x-refund-idempotency"], KEY);
    assert_eq!(call.body, format!(r#"{{"amount":20000,"receipt":"{KEY}"}}"#));
}

#[tokio::test]
async fn a_refund_whose_answer_is_lost_is_asked_for_again_and_made_once() {
    let fake = Fake::new().await;
    let payment = captured(&fake).await;
    fake.fails_after_work([Fault::Lost, Fault::Status(503)]);
    let refund = fake.client().refund(&payment, 20_000, KEY, soon()).await.unwrap();
    assert_eq!(refund.id, fake.refunds()[0]["id"]);
    assert_eq!((fake.refunds().len(), fake.count("POST /v1/payments")), (1, 3));
}

#[tokio::test]
async fn a_refund_whose_answers_are_all_lost_is_looked_up() {
    let fake = Fake::new().await;
    let payment = captured(&fake).await;
    fake.fails_after_work([Fault::Lost, Fault::Lost, Fault::Garbage]);
    let refund = fake.client().refund(&payment, 20_000, KEY, soon()).await.unwrap();
    assert_eq!(refund.id, fake.refunds()[0]["id"]);
}

#[tokio::test]
async fn a_refund_that_is_under_way_is_waited_for() {
    let fake = Fake::new().await;
    let payment = captured(&fake).await;
    fake.fails([Fault::Status(409)]);
    fake.client().refund(&payment, 20_000, KEY, soon()).await.unwrap();
    fake.fails([Fault::Status(409), Fault::Status(409), Fault::Status(409)]);
    let other = "another-key";
    assert!(fake.client().refund(&payment, 20_000, other, soon()).await.unwrap_err().is_unknown());
}

#[tokio::test]
async fn a_key_belongs_to_one_amount() {
    let fake = Fake::new().await;
    let payment = captured(&fake).await;
    fake.client().refund(&payment, 20_000, KEY, soon()).await.unwrap();
    let error = fake.client().refund(&payment, 10_000, KEY, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Mismatch("refund")));
    assert_eq!(fake.refunds().len(), 1);
}

#[tokio::test]
async fn no_more_is_refunded_than_was_paid() {
    let fake = Fake::new().await;
    let payment = captured(&fake).await;
    fake.client().refund(&payment, 50_000, KEY, soon()).await.unwrap();
    let more = fake.client().refund(&payment, 100, "another-key", soon()).await;
    assert!(matches!(more, Err(Error::Http(http::Error::Refused { status: 400, .. }))));
}

#[tokio::test]
async fn a_refund_is_found_among_many() {
    let fake = Fake::new().await;
    let payment = captured(&fake).await;
    for number in 0..101 {
        let key = format!("refund-{number:03}");
        fake.client().refund(&payment, 100, &key, soon()).await.unwrap();
    }
    let find = async |key| fake.client().find_refund(&payment, key, soon()).await.unwrap();
    assert_eq!(find("refund-100").await.unwrap().id, fake.refunds()[100]["id"]);
    assert_eq!(find("refund-101").await, None);
}

#[tokio::test]
async fn a_key_that_razorpay_would_not_take_is_not_sent() {
    let fake = Fake::new().await;
    let long = "k".repeat(41);
    for key in ["too-short", "not a good key", "nor:is:this:one", &long] {
        let refund = fake.client().refund("pay_1", 100, key, soon()).await;
        assert!(matches!(refund, Err(Error::Invalid("idempotency key"))));
    }
    assert_eq!(fake.calls().len(), 0);
}

#[tokio::test]
async fn a_slow_refund_is_made_once() {
    let fake = Fake::new().await;
    let payment = captured(&fake).await;
    fake.fails([Fault::Late(Duration::from_millis(600))]);
    fake.client().refund(&payment, 20_000, KEY, soon()).await.unwrap();
    assert_eq!(fake.refunds().len(), 1);
}
