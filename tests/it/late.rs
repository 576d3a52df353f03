//! What takes too long: a read that hangs keeps nothing from others, and what has piled up goes at once.

use std::time::{Duration, Instant};

use futures::future::join_all;
use http::StatusCode;
use serde_json::json;
use souk_proto::souk::catalog::v1::{GetProductRequest, ListProductsRequest};
use souk_proto::souk::orders::v1::{GetOrderRequest, ListOrdersRequest};
use sqlx::PgConnection;
use tonic::{Code, Request, Status};

use crate::support::{Suite, assert_ledger, product, signed, unique};

/// How long a statement may go on that nobody waits for.
const SOON: Duration = Duration::from_secs(4);
/// How long what has piled up may take: at a hundred a second it would be minutes.
const DRAINED: Duration = Duration::from_secs(20);

fn impatient<T>(mut request: Request<T>) -> Request<T> {
    request.set_timeout(Duration::from_millis(300));
    request
}

#[tokio::test]
async fn a_read_that_hangs_ends_with_its_caller_and_leaves_its_connection_to_others() {
    let suite = Suite::start_with(&[("SOUK_DATABASE_CONNECTIONS", "2")]).await;
    let book = product(&suite, "BOOK", "5.00", 10).await;
    let user = suite.user().await;
    let items = json!([{ "product_id": book.id, "quantity": 1 }]);
    let order = suite.http().order(&user, &unique("key"), &items).await.unwrap().json();
    let order = order["id"].as_str().unwrap().to_owned();

    let (mut catalog, mut orders) =
        (suite.database("catalog").await, suite.database("orders").await);
    for (database, lock) in [
        (&mut catalog, "begin; lock table products in access exclusive mode"),
        (&mut orders, "begin; lock table orders in access exclusive mode"),
    ] {
        sqlx::raw_sql(lock).execute(database).await.unwrap();
    }
    let reads = (0..8).map(async |turn| -> Result<(), Status> {
        match turn % 4 {
            0 => {
                let get = impatient(Request::new(GetProductRequest { id: book.id.clone() }));
                suite.catalog().get_product(get).await.map(drop)
            }
            1 => {
                let list = impatient(Request::new(ListProductsRequest::default()));
                suite.catalog().list_products(list).await.map(drop)
            }
            2 => {
                let get = impatient(signed(&user, GetOrderRequest { id: order.clone() }));
                suite.orders().get_order(get).await.map(drop)
            }
            _ => {
                let list = impatient(signed(&user, ListOrdersRequest::default()));
                suite.orders().list_orders(list).await.map(drop)
            }
        }
    });
    for read in join_all(reads).await {
        let code = read.unwrap_err().code();
        assert!(matches!(code, Code::DeadlineExceeded | Code::Cancelled), "{code:?}");
    }
    // nobody waits any more, and the tables are still locked
    for (database, service) in [(&mut catalog, "catalog"), (&mut orders, "orders")] {
        let begun = Instant::now();
        while blocked_reads(database).await > 0 {
            assert!(begun.elapsed() < SOON, "{service} still works for callers that have left");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        sqlx::raw_sql("rollback").execute(database).await.unwrap();
    }
    let product = suite.http().get(&format!("/v1/products/{}", book.id)).await;
    assert_eq!(product.status, StatusCode::OK);
    let order = suite.http().get_as(&user, &format!("/v1/orders/{order}")).await;
    assert_eq!(order.status, StatusCode::OK);
}

/// Reads of the suite that wait for a lock, besides those of its own that no caller asks for.
async fn blocked_reads(database: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "select count(*) from pg_stat_activity where datname = current_database()
             and application_name = 'souk' and state = 'active' and wait_event_type = 'Lock'
             and query like 'select%'
             and query not like '%\\_webhooks(%' and query not like '%place\\_events(%'",
    )
    .fetch_one(database)
    .await
    .unwrap()
}

#[tokio::test]
async fn thousands_of_reservations_that_are_over_go_back_at_once() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 5_000).await;
    let mut catalog = suite.database("catalog").await;
    // as if nobody had run for a day
    let pile = "with held as (
            insert into reservations (order_id, status, product_ids, quantities, expires_at)
            select gen_random_uuid(), 'held', array[id], array[1], now() - interval '1 hour'
            from products, generate_series(1, 4000)
            returning order_id, product_ids[1] as product_id
        ), noted as (
            insert into stock_moves (order_id, product_id, kind, available, reserved, actor)
            select order_id, product_id, 'reserve', -1, 1, 'orders' from held
        )
        update stock set available = available - 4000, reserved = reserved + 4000";
    sqlx::query(pile).execute(&mut catalog).await.unwrap();
    let drained = async {
        let path = format!("/v1/products/{}", book.id);
        while suite.http().get(&path).await.json()["available"] != 5_000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DRAINED, drained).await.expect("all stock is back");
    assert_ledger(&mut catalog).await;
}

#[tokio::test]
async fn hundreds_of_orders_that_are_over_expire_at_once() {
    let suite = Suite::start().await;
    let book = product(&suite, "BOOK", "5.00", 1_000).await;
    let user = suite.user().await;
    let items = json!([{ "product_id": book.id, "quantity": 1 }]);
    let placed = suite.http().order(&user, &unique("key"), &items).await.unwrap();
    assert_eq!(placed.status, StatusCode::CREATED);
    let mut orders = suite.database("orders").await;
    let pile = "with copies as (
            insert into orders (id, customer_id, idempotency_key, fingerprint, state, total_minor,
                currency, request_id, reserved_until, due_at)
            select gen_random_uuid(), customer_id, 'copy-' || n, fingerprint, state, total_minor,
                currency, request_id, now() - interval '1 hour', now() - interval '1 hour'
            from orders, generate_series(1, 600) as n
            returning id
        )
        insert into order_lines (order_id, position, product_id, name, unit_price_minor, quantity)
        select copies.id, position, product_id, name, unit_price_minor, quantity
        from copies, order_lines";
    sqlx::query(pile).execute(&mut orders).await.unwrap();
    let drained = async {
        let expired = "select count(*) from orders where state = 'expired' and due_at is null";
        while sqlx::query_scalar::<_, i64>(expired).fetch_one(&mut orders).await.unwrap() < 600 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DRAINED, drained).await.expect("all orders are expired");
}
