//! Placing, reading and cancelling orders.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use souk_proto::souk::catalog::v1::{
    DeleteProductRequest, GetProductRequest, UpdateProductRequest,
};
use souk_proto::souk::orders::v1::{
    CreateOrderItem, CreateOrderRequest, GetOrderRequest, Order, OrderStatus,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Suite, assert_ledger, keyed, product, signed, unique};

async fn available(suite: &Suite, id: &str) -> i32 {
    let request = GetProductRequest { id: id.to_owned() };
    suite.catalog().get_product(request).await.unwrap().into_inner().available
}

async fn get(suite: &Suite, token: &str, id: &str) -> Order {
    let request = GetOrderRequest { id: id.to_owned() };
    suite.orders().get_order(signed(token, request)).await.unwrap().into_inner()
}

fn id(order: &Value) -> String {
    order["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_order_placed_over_rest_reads_the_same_over_grpc() {
    let suite = Suite::start().await;
    let dune = product(&suite, "DUNE", "12.50", 10).await;
    let emma = product(&suite, "EMMA", "599.00", 10).await;
    let token = suite.user().await;

    let items = json!([
        { "product_id": dune.id, "quantity": 2 },
        { "product_id": emma.id, "quantity": 1 }
    ]);
    let response = suite.http().order(&token, &unique("key"), &items).await.unwrap();
    assert_eq!(response.status, StatusCode::CREATED);
    let placed = response.json();
    assert_eq!(response.header("location"), format!("/v1/orders/{}", id(&placed)));
    let text = String::from_utf8(response.body.to_vec()).unwrap();
    assert!(text.contains(r#""unit_price":599.00"#), "the digits are exact: {text}");
    assert!(text.contains(r#""total":624.00,"currency":"USD""#), "{text}");

    let order = get(&suite, &token, &id(&placed)).await;
    assert_eq!(order.status(), OrderStatus::Reserved);
    assert_eq!(placed["status"], "reserved");
    assert_eq!(order.total.unwrap().value, "624.00");
    let names: Vec<&str> = order.items.iter().map(|item| item.name.as_str()).collect();
    assert_eq!(names, ["The DUNE", "The EMMA"]);
    for (item, placed) in order.items.iter().zip(placed["items"].as_array().unwrap()) {
        assert_eq!(placed["product_id"], item.product_id);
        assert_eq!(placed["name"], item.name);
        assert_eq!(placed["quantity"], item.quantity);
    }
    assert_eq!(order.items[0].line_total.as_ref().unwrap().value, "25.00");
    let read = suite.http().get_as(&token, &format!("/v1/orders/{}", order.id)).await;
    assert_eq!(read.json(), placed);
    assert_eq!(available(&suite, &dune.id).await, 8);
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn a_retry_with_the_same_key_returns_the_same_order() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let token = suite.user().await;
    let items = json!([{ "product_id": book.id, "quantity": 3 }]);

    let first = suite.http().order(&token, "the-key", &items).await.unwrap();
    let again = suite.http().order(&token, "the-key", &items).await.unwrap();
    assert_eq!(again.status, StatusCode::CREATED);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(first.body, again.body);
    assert_eq!(first.header("location"), again.header("location"));

    let request = CreateOrderRequest {
        items: vec![CreateOrderItem { product_id: book.id.clone(), quantity: 3 }],
        ..CreateOrderRequest::default()
    };
    let over_grpc = suite.orders().create_order(keyed(&token, "the-key", request)).await.unwrap();
    assert_eq!(over_grpc.get_ref().id, id(&first.json()));
    assert_eq!(available(&suite, &book.id).await, 7);
}

#[tokio::test]
async fn a_retry_answers_the_same_when_the_world_has_changed() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let token = suite.user().await;
    let items = json!([{ "product_id": book.id, "quantity": 1 }]);
    let first = suite.http().order(&token, "the-key", &items).await.unwrap();
    let order = id(&first.json());

    let cancel = format!("/v1/orders/{order}/cancel");
    suite.http().json_as(&token, Method::POST, &cancel, &json!({})).await;
    let request = DeleteProductRequest { id: book.id.clone() };
    suite.catalog().delete_product(signed(&suite.admin().await, request)).await.unwrap();
    let again = suite.http().order(&token, "the-key", &items).await.unwrap();
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(get(&suite, &token, &order).await.status(), OrderStatus::Cancelled);

    // the record is forgotten after a day; the order still is not doubled
    let mut database = suite.database("orders").await;
    sqlx::query("delete from idempotency_keys").execute(&mut database).await.unwrap();
    let later = suite.http().order(&token, "the-key", &items).await.unwrap();
    assert_eq!(later.header("idempotent-replayed"), "true");
    assert_eq!(id(&later.json()), order);
}

#[tokio::test]
async fn a_key_that_was_used_for_another_order_is_refused() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let (one, other) = (suite.user().await, suite.user().await);
    let order = |quantity: i32| json!([{ "product_id": book.id, "quantity": quantity }]);

    suite.http().order(&one, "the-key", &order(1)).await.unwrap();
    let refused = suite.http().order(&one, "the-key", &order(2)).await.unwrap();
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(refused.code(), "IDEMPOTENCY_KEY_REUSED");
    let theirs = suite.http().order(&other, "the-key", &order(2)).await.unwrap();
    assert_eq!(theirs.status, StatusCode::CREATED, "keys belong to their account");
}

#[tokio::test]
async fn calls_at_once_with_the_same_key_place_one_order() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 100).await;
    let token = suite.user().await;
    let items = json!([{ "product_id": book.id, "quantity": 1 }]);
    let http = suite.http();
    let calls = (0..20).map(|_| http.order(&token, "the-key", &items));
    let mut ids = Vec::new();
    for response in futures::future::join_all(calls).await {
        let response = response.expect("an answer");
        match response.status {
            StatusCode::CREATED => ids.push(id(&response.json())),
            StatusCode::CONFLICT => {
                assert_eq!(response.code(), "IN_FLIGHT");
                assert_eq!(response.header("retry-after"), "1");
            }
            other => panic!("{other}: {:?}", response.body),
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
    assert_eq!(available(&suite, &book.id).await, 99);
}

#[tokio::test]
async fn an_order_needs_a_key_and_a_token() {
    let suite = Suite::start().await;
    let token = suite.user().await;
    let body = json!({ "items": [] });
    let without_key = suite.http().json_as(&token, Method::POST, "/v1/orders", &body).await;
    assert_eq!(without_key.status, StatusCode::BAD_REQUEST);
    assert_eq!(without_key.code(), "IDEMPOTENCY_KEY_MISSING");
    let anonymous = suite.http().json_as("", Method::POST, "/v1/orders", &body).await;
    assert_eq!(anonymous.status, StatusCode::UNAUTHORIZED);
    assert!(anonymous.header("www-authenticate").starts_with("Bearer"));
}

#[tokio::test]
async fn cancelling_gives_the_stock_back_once() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let token = suite.user().await;
    let items = json!([{ "product_id": book.id, "quantity": 4 }]);
    let order = id(&suite.http().order(&token, "key", &items).await.unwrap().json());
    assert_eq!(available(&suite, &book.id).await, 6);

    for _ in 0..2 {
        let path = format!("/v1/orders/{order}/cancel");
        let cancelled = suite.http().json_as(&token, Method::POST, &path, &json!({})).await;
        assert_eq!(cancelled.status, StatusCode::OK);
        assert_eq!(cancelled.json()["status"], "cancelled");
        assert_eq!(available(&suite, &book.id).await, 10);
    }
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn a_cancellation_may_have_a_key_which_stands_for_one_order() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let (token, http) = (suite.user().await, suite.http());
    let items = json!([{ "product_id": book.id, "quantity": 1 }]);
    let place = async |key: &str| {
        let order = id(&http.order(&token, key, &items).await.unwrap().json());
        format!("/v1/orders/{order}/cancel")
    };
    let (one, other) = (place("one").await, place("other").await);
    let cancelled = http.post(&token, "cancel", &one, &json!({})).await;
    assert_eq!((cancelled.status, cancelled.header("idempotent-replayed")), (StatusCode::OK, ""));
    let again = http.post(&token, "cancel", &one, &json!({})).await;
    assert_eq!((again.header("idempotent-replayed"), &again.body), ("true", &cancelled.body));
    let reused = http.post(&token, "cancel", &other, &json!({})).await;
    assert_eq!(reused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(reused.code(), "IDEMPOTENCY_KEY_REUSED");
    let bare = http.json_as(&token, Method::POST, &other, &json!({})).await;
    assert_eq!((bare.status, &bare.json()["status"]), (StatusCode::OK, &json!("cancelled")));
    assert_eq!(available(&suite, &book.id).await, 10);
}

#[tokio::test]
async fn an_order_that_is_short_takes_nothing_and_says_what_is_short() {
    let suite = Suite::start().await;
    let plenty = product(&suite, "PLENTY", "5.00", 100).await;
    let scarce = product(&suite, "SCARCE", "5.00", 2).await;
    let token = suite.user().await;
    let items = json!([
        { "product_id": plenty.id, "quantity": 1 },
        { "product_id": scarce.id, "quantity": 3 }
    ]);
    let refused = suite.http().order(&token, "key", &items).await.unwrap();
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let error = &refused.json()["error"];
    assert_eq!(error["code"], "OUT_OF_STOCK");
    assert_eq!(error["details"][0]["field"], "items[1].quantity");
    assert_eq!(error["metadata"]["product_id"], scarce.id);
    assert_eq!(error["metadata"]["available"], "2");
    assert_eq!(available(&suite, &plenty.id).await, 100);

    let again = suite.http().order(&token, "key", &items).await.unwrap();
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "OUT_OF_STOCK".to_owned()));
    assert_eq!(again.header("idempotent-replayed"), "true");
    let order = error["metadata"]["order_id"].as_str().unwrap();
    assert_eq!(get(&suite, &token, order).await.status(), OrderStatus::Rejected);
    let path = format!("/v1/orders/{order}/cancel");
    let cancelled = suite.http().json_as(&token, Method::POST, &path, &json!({})).await;
    assert_eq!(cancelled.status, StatusCode::CONFLICT);
    assert_eq!(cancelled.code(), "ILLEGAL_TRANSITION");
}

#[tokio::test]
async fn nobody_sees_or_cancels_the_orders_of_others() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let (owner, stranger) = (suite.user().await, suite.user().await);
    let items = json!([{ "product_id": book.id, "quantity": 1 }]);
    let order = id(&suite.http().order(&owner, "key", &items).await.unwrap().json());

    let path = format!("/v1/orders/{order}");
    assert_eq!(suite.http().get_as(&stranger, &path).await.status, StatusCode::NOT_FOUND);
    let cancel = format!("{path}/cancel");
    let cancelled = suite.http().json_as(&stranger, Method::POST, &cancel, &json!({})).await;
    assert_eq!(cancelled.status, StatusCode::NOT_FOUND);
    let theirs = suite.http().get_as(&stranger, "/v1/orders").await.json();
    assert_eq!(theirs["data"], json!([]));
    let all = suite.http().get_as(&suite.admin().await, "/v1/orders").await.json();
    assert_eq!(all["data"][0]["id"], order);
    assert_eq!(all["pagination"]["total"], 1);
}

#[tokio::test]
async fn an_order_keeps_the_price_of_its_moment() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let token = suite.user().await;
    let items = json!([{ "product_id": book.id, "quantity": 2 }]);
    let order = id(&suite.http().order(&token, "key", &items).await.unwrap().json());
    let dearer = UpdateProductRequest {
        id: book.id,
        price: Some(souk_proto::google::r#type::Decimal { value: "9.99".to_owned() }),
        ..UpdateProductRequest::default()
    };
    suite.catalog().update_product(signed(&suite.admin().await, dearer)).await.unwrap();
    assert_eq!(get(&suite, &token, &order).await.total.unwrap().value, "10.00");
}

#[tokio::test]
async fn a_product_that_does_not_exist_is_named() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let token = suite.user().await;
    let missing = "prod_01h455vb4pex5vsknk084sn02q";
    let request = CreateOrderRequest {
        items: vec![
            CreateOrderItem { product_id: book.id, quantity: 1 },
            CreateOrderItem { product_id: missing.to_owned(), quantity: 1 },
        ],
        ..CreateOrderRequest::default()
    };
    let status = suite.orders().create_order(keyed(&token, "key", request)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    let violations = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "items[1].product_id");
}

#[tokio::test]
async fn an_order_that_is_not_paid_expires_and_gives_its_stock_back() {
    let suite = Suite::start_with(&[("SOUK_RESERVATION_TTL", "1")]).await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let token = suite.user().await;
    let items = json!([{ "product_id": book.id, "quantity": 4 }]);
    let order = id(&suite.http().order(&token, "key", &items).await.unwrap().json());
    let expired = async {
        while get(&suite, &token, &order).await.status() != OrderStatus::Expired
            || available(&suite, &book.id).await != 10
        {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, expired).await.expect("the order expires");
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn an_order_that_takes_longer_than_its_call_is_accepted_and_goes_on() {
    use sqlx::Connection as _;
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let token = suite.user().await;
    // somebody keeps the stock of the book busy
    let mut database = suite.database("catalog").await;
    let mut busy = database.begin().await.unwrap();
    sqlx::query("select from stock for update").execute(&mut *busy).await.unwrap();

    let order = || CreateOrderRequest {
        items: vec![CreateOrderItem { product_id: book.id.clone(), quantity: 1 }],
        ..CreateOrderRequest::default()
    };
    let mut request = keyed(&token, "key", order());
    request.set_timeout(std::time::Duration::from_secs(2));
    let accepted = suite.orders().create_order(request).await.unwrap();
    assert_eq!(accepted.metadata().get("x-http-code").unwrap(), "202");
    assert_eq!(accepted.get_ref().status(), OrderStatus::Pending);
    let again = suite.orders().create_order(keyed(&token, "key", order())).await.unwrap_err();
    assert_eq!(again.code(), Code::Aborted);
    assert_eq!(again.get_details_error_info().unwrap().reason, "IN_FLIGHT");

    busy.rollback().await.unwrap();
    let id = accepted.into_inner().id;
    let reserved = async {
        while get(&suite, &token, &id).await.status() != OrderStatus::Reserved {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, reserved).await.expect("the order goes on");
    let again = suite.orders().create_order(keyed(&token, "key", order())).await.unwrap();
    assert_eq!(again.get_ref().id, id);
    assert_eq!(available(&suite, &book.id).await, 9);
}
