use std::time::Duration;

use souk_orders::http;
use souk_orders::razorpay::{ChargeStatus, Error, Options, OrderStatus, Razorpay};

use crate::fake::{Clients as _, Fake, Fault};
use crate::{soon, within};

const RECEIPT: &str = "pmt_01h455vb4pex5vsknk084sn02q";
const POST: &str = "POST /v1/orders";

#[tokio::test]
async fn an_order_has_our_amount_and_our_receipt() {
    let fake = Fake::new().await;
    let order = fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    assert_eq!((order.amount_minor, order.currency.as_str()), (50_000, "INR"));
    assert_eq!(order.receipt.as_deref(), Some(RECEIPT));
    assert_eq!(order.status, OrderStatus::Created);
    assert_eq!(fake.client().find_order(RECEIPT, soon()).await.unwrap(), Some(order));
}

#[tokio::test]
async fn an_order_whose_answer_is_lost_is_found_and_not_made_again() {
    let minute = Fault::Late(Duration::from_secs(60));
    let faults = [Fault::Lost, Fault::Broken, Fault::Status(504), Fault::Garbage, Fault::Huge];
    for fault in faults.into_iter().chain([minute]) {
        let fake = Fake::new().await;
        fake.fails_after_work([fault]);
        let order = fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
        assert_eq!(order.id, fake.orders()[0]["id"]);
        assert_eq!((fake.orders().len(), fake.count(POST)), (1, 1));
    }
}

#[tokio::test]
async fn an_order_is_sent_once_also_on_a_connection_that_was_there() {
    let fake = Fake::new().await;
    let client = fake.client();
    client.find_order(RECEIPT, soon()).await.unwrap();
    fake.fails_after_work([Fault::Lost]);
    client.create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    assert_eq!(fake.count(POST), 1);
}

#[tokio::test]
async fn an_order_that_may_yet_be_made_is_unknown_and_not_asked_for_again() {
    let fake = Fake::new().await;
    fake.fails([Fault::Lost]);
    let error = fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap_err();
    assert!(error.is_unknown());
    assert_eq!((fake.count(POST), fake.count("GET /v1/orders")), (1, 1));
}

#[tokio::test]
async fn an_order_that_nobody_can_look_for_is_unknown() {
    let fake = Fake::new().await;
    fake.fails_after_work([Fault::Lost]);
    fake.fails([Fault::Busy(429, "3600")]);
    let error = fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap_err();
    assert!(error.is_unknown());
}

#[tokio::test]
async fn an_order_that_is_not_let_in_has_not_been_made() {
    let fake = Fake::new().await;
    fake.fails([Fault::Busy(429, "1")]);
    let error = fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Http(http::Error::RateLimited { retry_after: Some(_) })));
    assert!(!error.is_unknown());
    assert_eq!(fake.calls().len(), 1);
}

#[tokio::test]
async fn a_receipt_that_is_taken_leads_to_its_order() {
    let fake = Fake::new().await;
    fake.refuses_used_receipts();
    let first = fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    let second = fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn an_order_of_another_amount_is_none_of_ours() {
    let fake = Fake::new().await;
    fake.refuses_used_receipts();
    fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    for (amount, currency) in [(50_001, "INR"), (50_000, "USD")] {
        let again = fake.client().create_order(amount, currency, RECEIPT, soon()).await;
        assert!(matches!(again, Err(Error::Mismatch("order"))));
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reason() {
    let fake = Fake::new().await;
    let error = fake.client().create_order(99, "INR", RECEIPT, soon()).await.unwrap_err();
    assert!(!error.is_unknown());
    let Error::Http(http::Error::Refused { status, code, description }) = error else { panic!() };
    assert_eq!((status, code.as_str()), (400, "BAD_REQUEST_ERROR"));
    assert_eq!(description, "Order amount less than minimum amount allowed");
}

#[tokio::test]
async fn a_refusal_settles_nothing_where_nobody_can_look() {
    let fake = Fake::new().await;
    fake.refuses_used_receipts();
    fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    fake.fails([Fault::Late(Duration::ZERO), Fault::Busy(429, "3600")]);
    let error = fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap_err();
    assert!(error.is_unknown());
}

#[tokio::test]
async fn a_receipt_is_found_as_a_whole_or_not_at_all() {
    let fake = Fake::new().await;
    fake.client().create_order(50_000, "INR", "payment-12", soon()).await.unwrap();
    assert_eq!(fake.client().find_order("payment-1", soon()).await.unwrap(), None);
}

#[tokio::test]
async fn of_two_orders_the_one_that_is_paid_counts_and_otherwise_the_older() {
    let fake = Fake::new().await;
    let client = fake.client();
    let older = client.create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    let newer = client.create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    assert_eq!(client.find_order(RECEIPT, soon()).await.unwrap().unwrap().id, older.id);
    fake.pay(&newer.id, "captured");
    assert_eq!(client.find_order(RECEIPT, soon()).await.unwrap().unwrap().id, newer.id);
}

#[tokio::test]
async fn payments_of_an_order_are_told_with_their_states() {
    let fake = Fake::new().await;
    let client = fake.client();
    let order = client.create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    let ids = ["created", "failed", "captured"].map(|status| fake.pay(&order.id, status));
    let charges = client.payments_of(&order.id, soon()).await.unwrap();
    assert_eq!(charges.iter().map(|charge| charge.id.clone()).collect::<Vec<_>>(), ids);
    let states: Vec<_> = charges.iter().map(|charge| charge.status).collect();
    assert_eq!(states, [ChargeStatus::Created, ChargeStatus::Failed, ChargeStatus::Captured]);
    assert_eq!(charges[1].error_code.as_deref(), Some("BAD_REQUEST_ERROR"));
    assert_eq!((charges[2].amount_minor, charges[2].method.as_deref()), (50_000, Some("upi")));
}

#[tokio::test]
async fn a_state_that_nobody_knows_is_not_guessed() {
    let fake = Fake::new().await;
    let order = fake.client().create_order(50_000, "INR", RECEIPT, soon()).await.unwrap();
    fake.pay(&order.id, "teleported");
    let error = fake.client().payments_of(&order.id, soon()).await.unwrap_err();
    assert!(matches!(error, Error::Http(http::Error::Malformed)));
}

#[tokio::test]
async fn what_makes_no_call_is_not_sent() {
    let fake = Fake::new().await;
    let client = fake.client();
    let long = "r".repeat(41);
    for (amount, receipt) in [(0, RECEIPT), (-1, RECEIPT), (1, ""), (1, long.as_str())] {
        let made = client.create_order(amount, "INR", receipt, soon()).await;
        assert!(matches!(made, Err(Error::Invalid(_))));
    }
    for id in ["", "order_", "pay_1", "order_1/2", "order_..", "order_%2e"] {
        assert!(matches!(client.payments_of(id, soon()).await, Err(Error::Invalid(_))));
    }
    assert_eq!(fake.calls().len(), 0);
}

#[test]
fn a_client_needs_secrets_and_privacy() {
    let options = |secret: &str, url: &str| Options {
        key_id: "rzp_test_key".into(),
        key_secret: secret.into(),
        webhook_secret: secret.into(),
        base_url: url.parse().unwrap(),
    };
    assert!(Razorpay::new(options("secret", "https://api.razorpay.com")).is_ok());
    for (secret, url) in [
        ("", "https://api.razorpay.com"),
        ("secret", "http://api.razorpay.com"),
        ("secret", "http://127.0.0.1.example.com"),
        ("secret", "file:///v1"),
    ] {
        assert!(matches!(Razorpay::new(options(secret, url)), Err(Error::Invalid(_))));
    }
}

#[tokio::test]
async fn a_look_up_ends_with_the_deadline_of_its_order() {
    let fake = Fake::new().await;
    let minute = || Fault::Late(Duration::from_secs(60));
    fake.fails_after_work([minute(), minute()]);
    let start = tokio::time::Instant::now();
    let made = fake.client().create_order(50_000, "INR", RECEIPT, within(400)).await;
    assert!(made.unwrap_err().is_unknown());
    assert!(start.elapsed() < Duration::from_millis(600));
}
