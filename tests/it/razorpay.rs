//! Paying through Razorpay over REST: the checkout of a customer, and what the provider tells by itself.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use souk_testing::razorpay::{Event, Fake, KEY_ID, KEY_SECRET, WEBHOOK_SECRET};

use crate::support::{PATIENCE, Response, Suite, assert_ledger, product};

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

async fn start(fake: &Fake) -> Suite {
    // as long as the process of the test
    let url: &'static str = Box::leak(fake.url.to_string().into_boxed_str());
    Suite::start_with(&[
        ("SOUK_RAZORPAY_URL", url),
        ("SOUK_RAZORPAY_KEY_ID", KEY_ID),
        ("SOUK_RAZORPAY_KEY_SECRET", KEY_SECRET),
        ("SOUK_RAZORPAY_WEBHOOK_SECRET", WEBHOOK_SECRET),
    ])
    .await
}

async fn tell(suite: &Suite, event: &Event, signature: &str) -> Response {
    let headers = [
        ("content-type", "application/json"),
        ("x-razorpay-signature", signature),
        ("x-razorpay-event-id", event.id.as_str()),
    ];
    let body = std::str::from_utf8(&event.body).unwrap();
    suite.http().send(Method::POST, "/webhooks/razorpay", &headers, body).await.unwrap()
}

#[tokio::test]
async fn an_order_is_paid_through_razorpay_and_refunded_over_rest() {
    let fake = Fake::new().await;
    let suite = start(&fake).await;
    let book = product(&suite, "BOOK", "5.49", 10).await.id;
    let (user, admin, http) = (suite.user().await, suite.admin().await, suite.http());
    let items = json!({ "items": [{ "product_id": book, "quantity": 2 }] });
    let placed = http.post(&user, "order", "/v1/orders", &items).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.json());
    let order = format!("/v1/orders/{}", text(&placed.json(), "id"));

    let pay = json!({ "provider": "razorpay", "method": "checkout" });
    let payment = http.post(&user, "pay", &format!("{order}/payments"), &pay).await;
    assert_eq!(payment.status, StatusCode::CREATED, "{}", payment.json());
    let payment = payment.json();
    assert_eq!(payment["status"], "requires_confirmation");
    let there = fake.orders().swap_remove(0);
    assert_eq!((&there["id"], &there["receipt"]), (&payment["provider_reference"], &payment["id"]));
    assert_eq!((&there["amount"], &there["currency"]), (&json!(1_098), &json!("USD")));

    let charge = fake.pay(&text(&payment, "provider_reference"), "authorized");
    let confirm = format!("{order}/payments/{}/confirm", text(&payment, "id"));
    let forged = json!({ "provider_payment_id": charge, "provider_signature": "0".repeat(64) });
    let refused = http.post(&user, "forged", &confirm, &forged).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", refused.json());
    assert_eq!(refused.json()["error"]["details"][0]["field"], "provider_signature");

    let event = fake.payment_event("payment.authorized", &charge);
    let refused = tell(&suite, &event, &"0".repeat(64)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.json());
    assert_eq!(refused.json()["error"]["code"], "MALFORMED_REQUEST");
    for _ in 0..2 {
        let received = tell(&suite, &event, &event.signature).await;
        assert_eq!(
            (received.status, received.json()),
            (StatusCode::OK, json!({ "status": "received" }))
        );
    }
    let becomes = async |state: &str| {
        let is_so = async {
            while http.get_as(&user, &order).await.json()["status"] != state {
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, is_so).await.unwrap_or_else(|_| panic!("never {state}"));
    };
    becomes("paid").await;
    assert_eq!(fake.payments()[0]["status"], "captured");
    // who comes back afterwards finds it paid
    let signature = Fake::checkout_signature(&text(&payment, "provider_reference"), &charge);
    let proof = json!({ "provider_payment_id": charge, "provider_signature": signature });
    let paid = http.post(&user, "proof", &confirm, &proof).await;
    assert_eq!(paid.status, StatusCode::OK, "{}", paid.json());
    assert_eq!(
        (&paid.json()["status"], &paid.json()["provider_reference"]),
        (&json!("succeeded"), &json!(charge))
    );

    let back = http.post(&admin, "refund", &format!("{order}/refunds"), &json!({})).await;
    assert_eq!(back.status, StatusCode::CREATED, "{}", back.json());
    becomes("refunded").await;
    assert_eq!(fake.refunds().len(), 1);
    assert_eq!(fake.payments()[0]["amount_refunded"], 1_098);
    assert_ledger(&mut suite.database("catalog").await).await;

    let nobody = http.send(Method::POST, "/webhooks/nobody", &[], "{}").await.unwrap();
    assert_eq!(nobody.status, StatusCode::NOT_FOUND, "{}", nobody.json());
}
