//! What the tests share: a running suite, and clients for it.

mod database;
mod documented;
mod http;
mod process;
mod socket;
mod stranger;
mod suite;
mod tokens;
mod wire;

use souk_kit::Channel;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::auth::v1::auth_service_client::AuthServiceClient;
use souk_proto::souk::catalog::v1::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v1::{CreateProductRequest, Product};
use souk_proto::souk::orders::v1::orders_service_client::OrdersServiceClient;
use tonic::Request;

pub use database::{Databases, SERVICES, server, template};
pub use http::{Http, Response};
pub use process::{
    PATIENCE, Process, cpu_time_of, memory_of, processes_of, run, souk, souk_at,
    souk_with_descriptors, status_of,
};
pub use socket::Socket;
pub use stranger::Stranger;
pub use suite::{ADMIN_EMAIL, ADMIN_PASSWORD, MASTER_SECRET, Scratch, Suite, is_one_process};
pub use tokens::forge;
pub use wire::{Answer, Http2, framed};

pub type Auth = AuthServiceClient<Channel>;
pub type Catalog = CatalogServiceClient<Channel>;
pub type Orders = OrdersServiceClient<Channel>;

/// A password that no list of leaks has.
pub const PASSWORD: &str = "four camels cross the market";

/// A request with an access token.
pub fn signed<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// A request with an access token and an idempotency key.
pub fn keyed<T>(token: &str, key: &str, message: T) -> Request<T> {
    let mut request = signed(token, message);
    request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

/// Creates a product, as the admin.
pub async fn product(suite: &Suite, sku: &str, price: &str, available: i32) -> Product {
    let request = CreateProductRequest {
        sku: sku.to_owned(),
        name: format!("The {sku}"),
        price: Some(Decimal { value: price.to_owned() }),
        available,
        ..CreateProductRequest::default()
    };
    let token = suite.admin().await;
    suite.catalog().create_product(signed(&token, request)).await.unwrap().into_inner()
}

/// A value that no other call has returned.
pub fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Asserts that the stock of every product is what its ledger says, and that nothing is negative.
pub async fn assert_ledger(database: &mut sqlx::PgConnection) {
    let wrong: Vec<(String, i32, i32, i64, i64)> = sqlx::query_as(
        "select sku, stock.available, stock.reserved,
                coalesce(sum(moves.available), 0), coalesce(sum(moves.reserved), 0)
         from products
         join stock on stock.product_id = products.id
         left join stock_moves moves on moves.product_id = products.id
         group by products.id, stock.product_id
         having stock.available <> coalesce(sum(moves.available), 0)
             or stock.reserved <> coalesce(sum(moves.reserved), 0)",
    )
    .fetch_all(&mut *database)
    .await
    .unwrap();
    assert!(wrong.is_empty(), "stock that the ledger does not explain: {wrong:?}");
    let held: Vec<(String, i32, i64)> = sqlx::query_as(
        "select sku, reserved, coalesce(held, 0) from products
         join stock on stock.product_id = products.id
         left join (
             select product_id, sum(quantity) as held
             from reservations, unnest(product_ids, quantities) as lines (product_id, quantity)
             where status = 'held' group by product_id
         ) as holds on holds.product_id = products.id
         where reserved <> coalesce(held, 0)",
    )
    .fetch_all(database)
    .await
    .unwrap();
    assert!(held.is_empty(), "reserved stock that no reservation holds: {held:?}");
}
