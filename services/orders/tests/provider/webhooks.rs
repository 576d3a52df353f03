use serde_json::{Value, json};
use souk_orders::razorpay::{Error, Event, EventKind, Razorpay};

use crate::fake::{Clients as _, Fake};

/// The body and its signature under the fake's secret, by `openssl dgst -sha256 -hmac`.
const BODY: &[u8] = br#"{"entity":"event","event":"payment.captured"}"#;
const SIGNATURE: &str = "4438e5da6ffdcff0db32ae856ce0373e26743e47ec7873295235403bd38068fe";
/// The same of `order_1|pay_2` under the secret of the key.
const CHECKOUT: &str = "1e668f77144ca8256c52571ecbaab5288c4e272071c43658608e2a53dd5d61dc";

fn payment() -> Value {
    json!({ "entity": {
        "id": "pay_2", "entity": "payment", "amount": 50_000, "currency": "INR",
        "status": "captured", "order_id": "order_1", "method": "card", "notes": [],
        "error_code": "",
    } })
}

fn parse(event: &str, payload: Value) -> Result<Event, Error> {
    let body = json!({
        "entity": "event", "account_id": "acc_0", "event": event, "payload": payload,
        "created_at": 1_567_674_606,
    });
    Razorpay::parse_webhook(body.to_string().as_bytes())
}

#[tokio::test]
async fn an_event_is_believed_if_razorpay_has_signed_these_very_bytes() {
    let razorpay = Fake::new().await.client();
    assert!(razorpay.verify_webhook(BODY, SIGNATURE));
    assert!(!razorpay.verify_webhook(&[BODY, b" "].concat(), SIGNATURE));
    assert!(!razorpay.verify_webhook(BODY, CHECKOUT));
}

#[tokio::test]
async fn a_signature_is_64_digits_and_nothing_else() {
    let razorpay = Fake::new().await.client();
    let padded = format!(" {SIGNATURE}");
    let doubled = SIGNATURE.repeat(2);
    let wide = format!("é{}", &SIGNATURE[2..]);
    let signed = format!("+{}", &SIGNATURE[1..]);
    for signature in ["", &SIGNATURE[..62], &SIGNATURE[..63], &padded, &doubled, &wide, &signed] {
        assert!(!razorpay.verify_webhook(BODY, signature), "{signature}");
    }
}

#[tokio::test]
async fn a_checkout_is_believed_if_razorpay_has_signed_its_order_and_its_payment() {
    let razorpay = Fake::new().await.client();
    assert!(razorpay.verify_checkout("order_1", "pay_2", CHECKOUT));
    assert!(!razorpay.verify_checkout("order_2", "pay_2", CHECKOUT));
    assert!(!razorpay.verify_checkout("order_1", "pay_1", CHECKOUT));
    assert!(!razorpay.verify_checkout("order_1", "pay_2", SIGNATURE));
}

#[test]
fn an_event_of_a_payment_names_it_and_its_order() {
    for (name, kind) in [
        ("payment.authorized", EventKind::PaymentAuthorized),
        ("payment.captured", EventKind::PaymentCaptured),
        ("payment.failed", EventKind::PaymentFailed),
    ] {
        let event = parse(name, json!({ "payment": payment() })).unwrap();
        assert_eq!(event.kind, kind);
        assert_eq!(event.order_id.as_deref(), Some("order_1"));
        assert_eq!(event.payment_id.as_deref(), Some("pay_2"));
        assert_eq!((event.amount_minor, event.currency.as_deref()), (Some(50_000), Some("INR")));
        assert_eq!((event.receipt, event.refund_id, event.error_code), (None, None, None));
    }
}

#[test]
fn an_order_that_is_paid_comes_with_our_receipt() {
    let order = json!({ "entity": {
        "id": "order_1", "amount": 50_000, "amount_paid": 50_000, "currency": "INR",
        "receipt": "payment-1", "status": "paid",
    } });
    let event = parse("order.paid", json!({ "payment": payment(), "order": order })).unwrap();
    assert_eq!(event.kind, EventKind::OrderPaid);
    assert_eq!(event.receipt.as_deref(), Some("payment-1"));
    assert_eq!(event.payment_id.as_deref(), Some("pay_2"));
}

#[test]
fn an_event_of_a_refund_comes_with_its_own_amount_and_key() {
    let refund = json!({ "entity": {
        "id": "rfnd_3", "amount": 20_000, "currency": "INR", "payment_id": "pay_2",
        "receipt": "refund-key", "status": "processed", "notes": {},
    } });
    for (name, kind) in [
        ("refund.processed", EventKind::RefundProcessed),
        ("refund.failed", EventKind::RefundFailed),
    ] {
        let payload = json!({ "payment": payment(), "refund": refund });
        let event = parse(name, payload).unwrap();
        assert_eq!((event.kind, event.amount_minor), (kind, Some(20_000)));
        assert_eq!(event.refund_id.as_deref(), Some("rfnd_3"));
        assert_eq!(event.payment_id.as_deref(), Some("pay_2"));
        assert_eq!(event.order_id.as_deref(), Some("order_1"));
        assert_eq!(event.receipt.as_deref(), Some("refund-key"));
    }
}

#[test]
fn events_of_other_kinds_are_told_apart_whatever_is_in_them() {
    for payload in [json!(null), json!([]), json!({ "payment": 1 }), json!({ "dispute": {} })] {
        let event = parse("payment.dispute.created", payload).unwrap();
        assert_eq!(event.kind, EventKind::Other("payment.dispute.created".into()));
        assert_eq!(event.payment_id, None);
    }
    let event = parse("payment.pending", json!({ "payment": payment() })).unwrap();
    assert_eq!(event.payment_id.as_deref(), Some("pay_2"));
}

#[test]
fn an_event_without_what_it_is_about_is_none() {
    for (name, payload) in [
        ("payment.captured", json!({})),
        ("payment.captured", json!([])),
        ("payment.captured", json!({ "payment": { "entity": { "id": "pay_2" } } })),
        ("payment.captured", json!({ "payment": { "entity": { "id": 2 } } })),
        ("order.paid", json!({ "order": { "entity": { "amount": 1, "currency": "INR" } } })),
        ("refund.processed", json!({ "payment": payment() })),
    ] {
        assert!(matches!(parse(name, payload), Err(Error::Event)), "{name}");
    }
    for body in [&b""[..], b"null", b"{}", b"\xff", br#"{"event": 1}"#] {
        assert!(matches!(Razorpay::parse_webhook(body), Err(Error::Event)));
    }
}
