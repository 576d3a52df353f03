//! The ways to call an RPC over HTTP besides its route.

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};

use crate::support::{Response, Socket, Suite, product};

const GET_PRODUCT: &str = "/souk.catalog.v1.CatalogService/GetProduct";

async fn post(suite: &Suite, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    suite.http().send(Method::POST, path, headers, body).await.unwrap()
}

#[tokio::test]
async fn an_order_is_placed_over_connect_and_a_retry_is_told_as_such() {
    let suite = Suite::start().await;
    let (product, bearer) =
        (product(&suite, "A", "9.50", 5).await, format!("Bearer {}", suite.user().await));
    let headers = [
        ("authorization", &*bearer),
        ("idempotency-key", "k"),
        ("content-type", "application/json"),
    ];
    let body = json!({"items": [{"productId": product.id, "quantity": 2}]}).to_string();
    let path = "/souk.orders.v1.OrdersService/CreateOrder";
    let first = post(&suite, path, &headers, &body).await;
    assert_eq!((first.status.as_u16(), &first.json()["total"]["value"]), (200, &"19.00".into()));
    let again = post(&suite, path, &headers, &body).await;
    assert_eq!((again.json(), again.header("idempotent-replayed")), (first.json(), "true"));
    let nobody = post(&suite, path, &headers[1..], &body).await;
    assert_eq!((nobody.status.as_u16(), &nobody.json()["code"]), (401, &"unauthenticated".into()));
}

#[tokio::test]
async fn a_browser_reads_a_product_over_grpc_web() {
    let suite = Suite::start().await;
    let product = product(&suite, "A", "9.50", 5).await;
    let message = format!("\n\u{1f}{}", product.id);
    let length = char::from(u8::try_from(message.len()).unwrap());
    let headers = [("content-type", "application/grpc-web+proto")];
    let answer = post(&suite, GET_PRODUCT, &headers, &format!("\0\0\0\0{length}{message}")).await;
    assert_eq!((answer.status.as_u16(), answer.body[0]), (200, 0));
    let text = String::from_utf8_lossy(&answer.body);
    assert!(text.contains(&product.id) && text.ends_with("grpc-status: 0\r\n"), "{text}");
}

/// Rows in lines.
fn rows(count: usize) -> String {
    (1..=count).fold(String::new(), |mut lines, line| {
        let _ = writeln!(lines, "{}", row(line, 1));
        lines
    })
}

fn row(line: usize, price: i32) -> Value {
    json!({"line": line, "sku": format!("P-{line}"), "name": "A product", "price": price, "stock": 1})
}

#[tokio::test]
async fn products_are_imported_in_lines_and_what_is_wrong_is_told_by_its_line() {
    let suite = Suite::start().await;
    let bearer = format!("Bearer {}", suite.admin().await);
    let headers = [("authorization", &*bearer), ("content-type", "application/x-ndjson")];
    let lines = format!("{}{}\n", rows(600), row(601, -1));
    let report = post(&suite, "/v1/products:import", &headers, &lines).await.json();
    assert_eq!((&report["created"], &report["rejected"]), (&600.into(), &1.into()));
    assert_eq!(
        (&report["errors"][0]["line"], &report["errors"][0]["field"]),
        (&601.into(), &"price".into())
    );
    let broken = post(&suite, "/v1/products:import", &headers, &format!("{}{{", rows(2))).await;
    assert_eq!((broken.status.as_u16(), broken.code().as_str()), (400, "MALFORMED_REQUEST"));
    assert!(broken.json()["error"]["message"].as_str().unwrap().contains("line 3"), "{broken:?}");
}

#[tokio::test]
async fn products_are_imported_over_a_websocket() {
    let suite = Suite::start().await;
    let admin = suite.admin().await;
    let socket = Socket::open(suite.http_address(), &admin, "/v1/products:import").await;
    let mut socket = socket.unwrap();
    for line in 1..=3 {
        socket.say(row(line, 1)).await;
    }
    socket.say("").await;
    let mut told = Vec::new();
    while let Some(message) = socket.hear().await {
        told.push(message);
    }
    assert_eq!(told[0]["result"]["created"], 3, "{told:?}");
    assert_eq!(told[1], json!({"end": {"reason": "complete"}}));
}
