//! Calls that end at whatever instant leave nothing behind that others trip over: what is answered is
//! there, and nobody fails because somebody else has left.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::{join, join3};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use souk_proto::souk::auth::v1::{CreateTokenRequest, RevokeTokenRequest};
use souk_proto::souk::catalog::v1::{
    AdjustStockRequest, CreateCategoryRequest, ReleaseStockRequest, UpdateProductRequest,
};
use souk_proto::souk::orders::v1::{CancelOrderRequest, CreateOrderItem, CreateOrderRequest};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tonic::{Code, Request, Status};

use crate::support::{PATIENCE, Suite, assert_ledger, keyed, product, signed, unique};

/// How many kinds of writes are cut off, and how many of each by one client.
const KINDS: u64 = 8;
const ROUNDS: u64 = 100;
/// How long the calls may take that are cut off last, in microseconds.
const LONGEST: u64 = 5_000;
/// A product and an order that nobody has.
const NO_PRODUCT: &str = "prod_00000000000000000000000000";
const NO_ORDER: &str = "ord_00000000000000000000000000";
/// Less than the time after which the server itself ends a transaction that was left open.
const SOON: Duration = Duration::from_secs(3);

/// Another instant for each call.
fn instant(turn: u64) -> Duration {
    Duration::from_micros(turn * 7919 % LONGEST)
}

/// A request that its client gives up at some instant.
fn hasty<T>(mut request: Request<T>, turn: u64) -> Request<T> {
    request.set_timeout(instant(turn));
    request
}

/// Somebody who gives up every call over gRPC at some instant. None of them changes anything of anybody
/// else's.
struct Hasty<'a> {
    suite: &'a Suite,
    admin: String,
    service: String,
    user: String,
    product: &'a str,
}

impl<'a> Hasty<'a> {
    async fn of(suite: &'a Suite, product: &'a str) -> Self {
        let (admin, service, user) =
            (suite.admin().await, suite.service().await, suite.user().await);
        Self { suite, admin, service, user, product }
    }

    /// How many of their calls were cut off.
    async fn call(&self) -> usize {
        let mut cut_off = 0;
        for turn in 0..KINDS * ROUNDS {
            let done = self.write(turn).await;
            let late = [Code::DeadlineExceeded, Code::Cancelled];
            cut_off += usize::from(done.is_err_and(|status| late.contains(&status.code())));
        }
        cut_off
    }

    /// One write of every kind in turn.
    async fn write(&self, turn: u64) -> Result<(), Status> {
        let Self { suite, admin, service, user, product } = self;
        match turn % KINDS {
            0 => {
                let (id, reason) = (NO_PRODUCT.to_owned(), "never".to_owned());
                let adjust = AdjustStockRequest { id, delta: 1, reason };
                let adjust = hasty(keyed(admin, &unique("key"), adjust), turn);
                suite.catalog().adjust_stock(adjust).await.map(drop)
            }
            1 => {
                let (slug, name) = ("taken".to_owned(), "Taken".to_owned());
                let create = CreateCategoryRequest { slug, name, description: String::new() };
                suite.catalog().create_category(hasty(signed(admin, create), turn)).await.map(drop)
            }
            2 => {
                let id = NO_PRODUCT.to_owned();
                let name = Some("Nothing".to_owned());
                let update = UpdateProductRequest { id, name, ..UpdateProductRequest::default() };
                suite.catalog().update_product(hasty(signed(admin, update), turn)).await.map(drop)
            }
            3 => {
                let release = ReleaseStockRequest { order_id: NO_ORDER.to_owned() };
                suite.catalog().release_stock(hasty(signed(service, release), turn)).await.map(drop)
            }
            4 => {
                let revoke = RevokeTokenRequest {
                    token: "nobody's".to_owned(),
                    ..RevokeTokenRequest::default()
                };
                suite.auth().revoke_token(hasty(Request::new(revoke), turn)).await.map(drop)
            }
            5 => {
                let refresh = CreateTokenRequest {
                    grant_type: "refresh_token".to_owned(),
                    refresh_token: "nobody's".to_owned(),
                    ..CreateTokenRequest::default()
                };
                suite.auth().create_token(hasty(Request::new(refresh), turn)).await.map(drop)
            }
            6 => {
                let product_id = (*product).to_owned();
                let items = vec![CreateOrderItem { product_id, quantity: 1 }];
                let create = keyed(
                    user,
                    &unique("key"),
                    CreateOrderRequest { items, ..CreateOrderRequest::default() },
                );
                // later than others: some orders are accepted, and go on
                suite.orders().create_order(hasty(create, 3 * turn)).await.map(drop)
            }
            _ => {
                let cancel = CancelOrderRequest { id: NO_ORDER.to_owned() };
                suite.orders().cancel_order(hasty(signed(user, cancel), turn)).await.map(drop)
            }
        }
    }
}

/// The same over HTTP, cut off by a client that closes its connection.
async fn cut_off_over_http(suite: &Suite) {
    let token = suite.admin().await;
    for turn in 0..KINDS * ROUNDS {
        let body = r#"{"delta":1,"reason":"never"}"#;
        let request = format!(
            "POST /v1/products/{NO_PRODUCT}/stock HTTP/1.1\r\nhost: souk\r\nauthorization: Bearer \
             {token}\r\nidempotency-key: {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            unique("key"),
            body.len(),
        );
        let mut connection = TcpStream::connect(suite.http_address()).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        tokio::time::sleep(instant(turn)).await;
    }
}

/// What an honest client was told to have done.
#[derive(Default)]
struct Acknowledged {
    categories: Vec<String>,
    deleted: Vec<String>,
    orders: Vec<String>,
}

/// A client that waits for its answers, for as long as others cut off theirs.
async fn honest(suite: &Suite, product: &str, others: &AtomicBool) -> Acknowledged {
    let (admin, user) = (suite.admin().await, suite.user().await);
    let (http, mut done) = (suite.http(), Acknowledged::default());
    let id = |answer: Value| answer["id"].as_str().unwrap().to_owned();
    while others.load(Ordering::Relaxed) {
        let category = json!({ "slug": unique("kept"), "name": "Kept" });
        let created = http.json_as(&admin, Method::POST, "/v1/categories", &category).await;
        assert_eq!(created.status, StatusCode::CREATED, "{:?}", created.body);
        done.categories.push(format!("/v1/categories/{}", id(created.json())));

        let passing = json!({ "sku": unique("gone"), "name": "Gone", "price": 1, "available": 1 });
        let created = http.json_as(&admin, Method::POST, "/v1/products", &passing).await;
        assert_eq!(created.status, StatusCode::CREATED, "{:?}", created.body);
        let path = format!("/v1/products/{}", id(created.json()));
        let deleted = http.json_as(&admin, Method::DELETE, &path, &json!({})).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "{:?}", deleted.body);
        done.deleted.push(path);

        let items = json!([{ "product_id": product, "quantity": 1 }]);
        let placed = http.order(&user, &unique("key"), &items).await.unwrap();
        // on a machine that is busy, some go on after their call
        let is_placed = matches!(placed.status, StatusCode::CREATED | StatusCode::ACCEPTED);
        assert!(is_placed, "{:?}", placed);
        done.orders.push(format!("/v1/orders/{}", id(placed.json())));

        assert_eq!(http.get_as(&user, "/v1/me").await.status, StatusCode::OK);
    }
    let deadline = Instant::now() + PATIENCE;
    for path in &done.orders {
        while http.get_as(&user, path).await.json()["status"] != "reserved" {
            assert!(Instant::now() < deadline, "an acknowledged order is not carried out: {path}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    done
}

/// Sessions of the test's databases whose transaction was begun and left.
async fn left_open(suite: &Suite) -> i64 {
    let mut database = suite.database("catalog").await;
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity
         where datname like replace(current_database(), '_catalog', '%')
           and state like 'idle in transaction%'",
    )
    .fetch_one(&mut database)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_is_there_while_thousands_of_calls_are_cut_off_anywhere() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 1_000_000).await.id;
    let taken = json!({ "slug": "taken", "name": "Taken" });
    let admin = suite.admin().await;
    suite.http().json_as(&admin, Method::POST, "/v1/categories", &taken).await;

    let others = AtomicBool::new(true);
    let attack = async {
        let hasty = (Hasty::of(&suite, &book).await, Hasty::of(&suite, &book).await);
        let calls = (hasty.0.call(), hasty.1.call(), cut_off_over_http(&suite));
        let (one, other, ()) = join3(calls.0, calls.1, calls.2).await;
        others.store(false, Ordering::Relaxed);
        one + other
    };
    let honest = honest(&suite, &book, &others);
    let (cut_off, done) = join(attack, honest).await;
    assert!(cut_off > 0, "calls were cut off");

    let deadline = Instant::now() + SOON;
    while left_open(&suite).await > 0 {
        assert!(Instant::now() < deadline, "a transaction was begun and left open");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let http = suite.http();
    assert!(!done.categories.is_empty());
    for category in done.categories {
        let found = http.get(&category).await;
        assert_eq!(found.status, StatusCode::OK, "an acknowledged category is lost");
    }
    for product in done.deleted {
        let found = http.get(&product).await;
        assert_eq!(found.status, StatusCode::NOT_FOUND, "a deleted product is back");
    }
    let mut database = suite.database("catalog").await;
    assert_ledger(&mut database).await;
    let moves: i64 = sqlx::query_scalar("select count(*) from stock_moves where kind = 'adjust'")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(moves, 0, "nothing was adjusted");
}
