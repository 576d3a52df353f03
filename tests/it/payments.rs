//! Paying, refunding, sending and following orders over REST.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use souk_proto::souk::orders::v1::order_events_service_client::OrderEventsServiceClient;
use souk_proto::souk::orders::v1::payments_service_client::PaymentsServiceClient;
use souk_proto::souk::orders::v1::{GetPaymentRequest, PaymentStatus, WatchOrderRequest};

use crate::support::{PATIENCE, Socket, Suite, assert_ledger, product, signed};

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}")).to_owned()
}

/// An order that waits to be paid: its path.
async fn placed(suite: &Suite, token: &str, key: &str, body: &Value) -> String {
    let placed = suite.http().post(token, key, "/v1/orders", body).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{}", placed.json());
    format!("/v1/orders/{}", text(&placed.json(), "id"))
}

async fn status(suite: &Suite, token: &str, order: &str) -> String {
    text(&suite.http().get_as(token, order).await.json(), "status")
}

/// Waits until an order is in a state.
async fn becomes(suite: &Suite, token: &str, order: &str, state: &str) {
    let is_so = async {
        while status(suite, token, order).await != state {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, is_so).await.unwrap_or_else(|_| panic!("never {state}"));
}

#[tokio::test]
async fn an_order_goes_from_acceptance_to_delivery_and_back_over_rest() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await.id;
    let (user, admin) = (suite.user().await, suite.admin().await);
    let http = suite.http();

    let home = json!({
        "name": "Ada Lovelace", "line1": "12 St James's Square", "city": "London", "country": "GB"
    });
    let home = http.post(&user, "home", "/v1/addresses", &home).await;
    assert_eq!(home.status, StatusCode::CREATED, "{}", home.json());
    let address = text(&home.json(), "id");
    assert_eq!(home.header("location"), format!("/v1/addresses/{address}"));
    let one_line = json!({ "product_id": book, "quantity": 2, "address_id": address });
    let order = placed(&suite, &user, "order", &one_line).await;
    let read = http.get_as(&user, &order).await.json();
    assert_eq!(read["shipping_address"]["city"], "London");
    assert!(text(&read, "number").starts_with("S-"));

    let pay = json!({ "provider": "sandbox", "method": "ok" });
    let paid = http.post(&user, "pay", &format!("{order}/payments"), &pay).await;
    assert_eq!(paid.status, StatusCode::CREATED, "{}", paid.json());
    let payment = paid.json();
    assert_eq!(payment["status"], "succeeded");
    assert_eq!(paid.header("location"), format!("{order}/payments/{}", text(&payment, "id")));
    let again = http.post(&user, "pay", &format!("{order}/payments"), &pay).await;
    assert_eq!((again.status, again.body), (StatusCode::CREATED, paid.body));
    assert_eq!(again.headers["idempotent-replayed"], "true");
    let found = http.get_as(&user, paid.headers["location"].to_str().unwrap()).await;
    assert_eq!(found.json(), payment);
    let mut payments = PaymentsServiceClient::new(suite.channel("souk.orders.v1.PaymentsService"));
    let request = GetPaymentRequest {
        order_id: order.trim_start_matches("/v1/orders/").to_owned(),
        id: text(&payment, "id"),
    };
    let over_grpc = payments.get_payment(signed(&user, request)).await.unwrap().into_inner();
    assert_eq!(over_grpc.status(), PaymentStatus::Succeeded);

    let send = json!({ "carrier": "DHL", "tracking_number": "42" });
    let shipments = format!("{order}/shipments");
    let mine = http.post(&user, "send", &shipments, &send).await;
    assert_eq!(mine.status, StatusCode::FORBIDDEN);
    let sent = http.post(&admin, "send", &shipments, &send).await;
    assert_eq!(sent.status, StatusCode::CREATED, "{}", sent.json());
    let deliver = format!("{shipments}/{}/deliver", text(&sent.json(), "id"));
    let arrived = http.post(&admin, "there", &deliver, &json!({})).await;
    assert_eq!(arrived.status, StatusCode::OK, "{}", arrived.json());
    assert_eq!(status(&suite, &user, &order).await, "delivered");

    let refunds = format!("{order}/refunds");
    let part = json!({ "amount": 2.50, "reason": "a stain" });
    let refund = http.post(&admin, "part", &refunds, &part).await;
    assert_eq!(refund.status, StatusCode::CREATED, "{}", refund.json());
    becomes(&suite, &user, &order, "partially_refunded").await;
    let much = http.post(&admin, "much", &refunds, &json!({ "amount": 7.51 })).await;
    assert_eq!((much.status, much.code()), (StatusCode::CONFLICT, "REFUND_TOO_LARGE".to_owned()));
    http.post(&admin, "rest", &refunds, &json!({})).await;
    becomes(&suite, &user, &order, "refunded").await;
    let listed = http.get_as(&user, &refunds).await.json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);

    let timeline = http.get_as(&admin, &format!("{order}/timeline")).await;
    assert_eq!(timeline.status, StatusCode::OK);
    let timeline = timeline.json();
    let states: Vec<&str> = (timeline["changes"].as_array().unwrap().iter())
        .map(|change| change["status"].as_str().unwrap())
        .collect();
    let (first, last) = (states[..6].to_vec(), states.last().copied());
    assert_eq!(first, ["pending", "reserved", "paying", "paid", "fulfilled", "delivered"]);
    assert_eq!(last, Some("refunded"));
    let filtered = http.get_as(&user, "/v1/orders?status=refunded").await.json();
    assert_eq!(filtered["data"].as_array().unwrap().len(), 1);
    let filtered = http.get_as(&user, "/v1/orders?status=paid").await.json();
    assert!(filtered["data"].as_array().unwrap().is_empty());
    let left = http.get(&format!("/v1/products/{book}")).await.json();
    assert_eq!(left["available"], 8);
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn what_an_order_does_not_allow_is_told_with_what_it_does() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await.id;
    let user = suite.user().await;
    let http = suite.http();
    let order = placed(&suite, &user, "order", &json!({ "product_id": book })).await;
    let pay = json!({ "provider": "sandbox", "method": "ok" });
    http.post(&user, "pay", &format!("{order}/payments"), &pay).await;
    let cancel = format!("{order}/cancel");
    let refused = http.json_as(&user, Method::POST, &cancel, &json!({})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let error = refused.json()["error"].clone();
    assert_eq!(error["code"], "ILLEGAL_TRANSITION");
    assert_eq!(
        (&error["metadata"]["from"], &error["metadata"]["to"]),
        (&json!("paid"), &json!("cancelled"))
    );
    assert_eq!(error["metadata"]["allowed"], "order.fulfill,order.begin_refund");
    let elsewhere = json!({ "provider": "a bank", "method": "ok" });
    let unknown = http.post(&user, "bank", &format!("{order}/payments"), &elsewhere).await;
    assert_eq!(unknown.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(unknown.json()["error"]["details"][0]["field"], "provider");
}

#[tokio::test]
async fn an_order_is_followed_over_rest_and_over_grpc() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await.id;
    let user = suite.user().await;
    let http = suite.http();
    let order = placed(&suite, &user, "order", &json!({ "product_id": book })).await;
    let id = order.trim_start_matches("/v1/orders/").to_owned();
    let pay = json!({ "provider": "sandbox", "method": "ok" });
    let mut events =
        OrderEventsServiceClient::new(suite.channel("souk.orders.v1.OrderEventsService"));
    let request = signed(&user, WatchOrderRequest { id, after_sequence: 0 });
    let mut watched = events.watch_order(request).await.unwrap().into_inner();
    http.post(&user, "pay", &format!("{order}/payments"), &pay).await;
    for sequence in 1..=4 {
        let event = tokio::time::timeout(PATIENCE, watched.message()).await.unwrap();
        assert_eq!(event.unwrap().unwrap().sequence, sequence);
    }
    for path in [format!("{order}/watch"), "/v1/orders/watch".to_owned()] {
        // the second event that anybody has told of, and what comes after it
        let told = http.events(&user, &path, "1", 3).await;
        let ids: Vec<&str> = told.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["2", "3", "4"], "{path}");
        let states: Vec<&Value> = told.iter().map(|(_, event)| &event["order"]["status"]).collect();
        assert_eq!(states, ["reserved", "paying", "paid"]);
    }
    let stranger = suite.user().await;
    let refused = http.get_as(&stranger, &format!("{order}/watch")).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
}

/// The next event that a WebSocket brings.
async fn event(socket: &mut Socket) -> Value {
    socket.hear().await.expect("an event")["result"].clone()
}

#[tokio::test]
async fn orders_are_followed_over_websockets_which_go_on_where_they_broke_off() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await.id;
    let (user, stranger) = (suite.user().await, suite.user().await);
    let order = placed(&suite, &user, "order", &json!({ "product_id": book })).await;
    let watch = format!("{order}/watch");
    let ways = [
        (watch.as_str(), "after_sequence", "sequence"),
        ("/v1/orders/watch", "after_position", "position"),
    ];
    let open = async |path: String| Socket::open(suite.http_address(), &user, &path).await.unwrap();
    let mut live = Vec::new();
    for (path, after, _) in ways {
        let mut socket = open(format!("{path}?{after}=0")).await;
        for status in ["pending", "reserved"] {
            assert_eq!(event(&mut socket).await["order"]["status"], status, "{path}");
        }
        live.push(socket);
    }
    let pay = json!({ "provider": "sandbox", "method": "ok" });
    suite.http().post(&user, "pay", &format!("{order}/payments"), &pay).await;
    for ((path, after, place), mut socket) in ways.into_iter().zip(live) {
        let paying = event(&mut socket).await;
        assert_eq!(paying["order"]["status"], "paying", "{path}");
        drop(socket);
        let seen = paying[place].to_string().replace('"', "");
        let mut again = open(format!("{path}?{after}={seen}")).await;
        assert_eq!(event(&mut again).await["order"]["status"], "paid", "{path}");
    }
    let refused = Socket::open(suite.http_address(), &stranger, &watch).await;
    assert_eq!(refused.err(), Some(StatusCode::NOT_FOUND));
}
