//! Deliveries: `AdjustStock` under a key counts once, however often it is sent.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::PgConnection;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{PATIENCE, Response, Suite, assert_ledger, product, unique};

/// Somebody who tells of deliveries of one product.
struct Warehouse<'a> {
    suite: &'a Suite,
    token: String,
    product: String,
}

impl<'a> Warehouse<'a> {
    async fn of(suite: &'a Suite) -> Self {
        let product = product(suite, "BOOK", "5.00", 10).await.id;
        Self { suite, token: suite.admin().await, product }
    }

    /// Tells of a delivery; under no key, where there is none.
    async fn deliver(&self, key: Option<&str>, delta: i32) -> Response {
        let bearer = format!("Bearer {}", self.token);
        let mut headers =
            vec![("authorization", bearer.as_str()), ("content-type", "application/json")];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let (path, body) = (self.path(), body(delta));
        self.suite.http().send(Method::POST, &path, &headers, &body).await.unwrap()
    }

    /// Tells of a delivery until it is answered.
    async fn insist(&self, key: &str, delta: i32) -> Response {
        let answered = async {
            loop {
                let response = self.deliver(Some(key), delta).await;
                // the first is still under way, or could not be done
                let is_final = !response.status.is_server_error() && response.code() != "IN_FLIGHT";
                if response.status == StatusCode::OK || is_final {
                    return response;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.expect("an answer")
    }

    /// Tells of a delivery and closes the connection before the answer.
    async fn hang_up(&self, key: &str, delta: i32) {
        let (path, body, token) = (self.path(), body(delta), &self.token);
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: souk\r\nauthorization: Bearer {token}\r\n\
             idempotency-key: {key}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len(),
        );
        let mut connection = TcpStream::connect(self.suite.http_address()).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        self.until_somebody_waits().await;
    }

    async fn until_somebody_waits(&self) {
        let mut database = self.suite.database("catalog").await;
        let waits = async {
            while !is_waited_for(&mut database).await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waits).await.expect("the delivery reaches the stock");
    }

    /// Keeps everybody else from the stock, for as long as the connection's transaction is open.
    async fn lock(&self) -> PgConnection {
        let mut database = self.suite.database("catalog").await;
        let lock = sqlx::raw_sql("begin; select * from stock for update");
        lock.execute(&mut database).await.unwrap();
        database
    }

    async fn available(&self) -> Value {
        let path = format!("/v1/products/{}", self.product);
        self.suite.http().get(&path).await.json()["available"].clone()
    }

    fn path(&self) -> String {
        format!("/v1/products/{}/stock", self.product)
    }
}

fn body(delta: i32) -> String {
    json!({ "delta": delta, "reason": "delivery" }).to_string()
}

async fn is_waited_for(database: &mut PgConnection) -> bool {
    sqlx::query_scalar(
        "select exists (select from pg_stat_activity
                        where datname = current_database() and wait_event_type = 'Lock')",
    )
    .fetch_one(database)
    .await
    .unwrap()
}

async fn unlock(mut database: PgConnection) {
    sqlx::raw_sql("rollback").execute(&mut database).await.unwrap();
}

#[tokio::test]
async fn a_delivery_that_is_sent_again_after_a_504_counts_once() {
    let limits = [("SOUK_REQUEST_TIMEOUT", "1"), ("SOUK_BODY_TIMEOUT", "1")];
    let suite = Suite::start_with(&limits).await;
    let warehouse = Warehouse::of(&suite).await;
    let lock = warehouse.lock().await;
    let late = warehouse.deliver(Some("delivery"), 5).await;
    assert_eq!(late.status, StatusCode::GATEWAY_TIMEOUT);
    // once before the stock is free again, and twice afterwards
    let early = warehouse.deliver(Some("delivery"), 5).await;
    assert!(!early.status.is_success(), "nothing was delivered yet");
    unlock(lock).await;
    let first = warehouse.insist("delivery", 5).await;
    let again = warehouse.insist("delivery", 5).await;
    assert_eq!((first.status, &first.body), (again.status, &again.body));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(warehouse.available().await, 15, "ten, and one delivery of five");
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn a_delivery_that_is_sent_again_after_a_cut_connection_counts_once() {
    let suite = Suite::start().await;
    let warehouse = Warehouse::of(&suite).await;
    let key = unique("delivery");
    let lock = warehouse.lock().await;
    warehouse.hang_up(&key, 5).await;
    unlock(lock).await;
    assert_eq!(warehouse.insist(&key, 5).await.json()["available"], 15);
    assert_eq!(warehouse.insist(&key, 5).await.header("idempotent-replayed"), "true");
    assert_eq!(warehouse.available().await, 15);
    assert_ledger(&mut suite.database("catalog").await).await;
}

#[tokio::test]
async fn a_key_stands_for_one_delivery_and_every_delivery_needs_one() {
    let suite = Suite::start().await;
    let warehouse = Warehouse::of(&suite).await;
    assert_eq!(warehouse.insist("one", 5).await.json()["available"], 15);
    assert_eq!(warehouse.insist("two", 5).await.json()["available"], 20);
    let other = warehouse.deliver(Some("one"), 6).await;
    let expected = (StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED".to_owned());
    assert_eq!((other.status, other.code()), expected);
    let without = warehouse.deliver(None, 5).await;
    let expected = (StatusCode::BAD_REQUEST, "IDEMPOTENCY_KEY_MISSING".to_owned());
    assert_eq!((without.status, without.code()), expected);
    assert_eq!(warehouse.available().await, 20);
}
