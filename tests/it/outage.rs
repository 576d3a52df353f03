//! A PostgreSQL that goes without a word, as when a network parts or a host freezes: what is said of it
//! meanwhile is true, and it is back without a restart.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use serde_json::json;
use souk_testing::Proxy;
use tonic_health::pb::health_check_response::ServingStatus;

use crate::health::{SERVICES, becomes, health};
use crate::support::{Databases, PATIENCE, Suite, assert_ledger, product, server, unique};

/// How long anything may take that has to come back by itself.
const HEALED: Duration = Duration::from_secs(20);

async fn ready(suite: &Suite) -> StatusCode {
    suite.http().get("/readyz").await.status
}

/// Waits until something is so; how long it took.
async fn until(limit: Duration, what: &str, mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_fell_silent_is_told_of_and_is_back_without_a_restart() {
    let databases = Databases::create().await;
    let proxy = Proxy::before(&server().connect_options("postgres")).await;
    let suite = Suite::start_on(databases.by_way_of(proxy.port()), &[]);
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let (admin, user) = (suite.admin().await, suite.user().await);
    let http = suite.http();
    let stock = format!("/v1/products/{}/stock", book.id);
    let deliver = async |key: &str| {
        let bearer = format!("Bearer {admin}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let body = json!({ "delta": 5, "reason": "delivery" }).to_string();
        http.send(Method::POST, &stock, &headers, &body).await.unwrap()
    };
    let is_ready = async || ready(&suite).await == StatusCode::OK;
    until(PATIENCE, "it is ready", is_ready).await;

    // a transaction is under way, and stays open on the server's side of the silence
    let mut catalog = suite.database("catalog").await;
    let held = sqlx::raw_sql("begin; select * from stock for update");
    held.execute(&mut catalog).await.unwrap();
    let waiting = async || {
        let waiting = "select count(*) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'";
        let waiting = sqlx::query_scalar::<_, i64>(waiting);
        waiting.fetch_one(&mut suite.database("catalog").await).await.unwrap() > 0
    };
    let cut = async {
        until(PATIENCE, "the delivery waits", waiting).await;
        proxy.vanish();
        sqlx::raw_sql("rollback").execute(&mut catalog).await.unwrap();
    };
    let (first, ()) = tokio::join!(deliver("delivery"), cut);
    assert!(first.status.is_server_error(), "{}", first.status);

    until(PATIENCE, "it is not ready", async || ready(&suite).await != StatusCode::OK).await;
    let (list, me) = tokio::join!(http.get("/v1/products"), http.get_as(&user, "/v1/me"));
    for failed in [list, me] {
        assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(ready(&suite).await, StatusCode::SERVICE_UNAVAILABLE);
    for service in SERVICES {
        assert_eq!(health(&suite, service).await, Some(ServingStatus::NotServing));
    }

    proxy.reappear();
    let healed = until(HEALED, "it is ready", is_ready).await;
    let list = async || http.get("/v1/products").await.status == StatusCode::OK;
    let read = until(HEALED, "products are listed", list).await;
    // what waited for its answer is not known to have happened, and happens once
    let again = async || deliver("delivery").await.status == StatusCode::OK;
    let written = until(HEALED, "the delivery counts", again).await;
    println!("ready after {healed:?}, reads after {read:?} more, writes after {written:?} more");
    let items = json!([{ "product_id": book.id, "quantity": 1 }]);
    let placed = http.order(&user, &unique("key"), &items).await.unwrap();
    assert_eq!(placed.status, StatusCode::CREATED);
    for service in SERVICES {
        becomes(&suite, service, ServingStatus::Serving).await;
    }
    let found = http.get(&format!("/v1/products/{}", book.id)).await.json();
    assert_eq!(found["available"], 14, "ten, a delivery of five, and one sold");
    assert_ledger(&mut suite.database("catalog").await).await;
}
