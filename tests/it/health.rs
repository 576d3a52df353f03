//! Health: SERVING while the service can work, and not otherwise.

use sqlx::{AssertSqlSafe, ConnectOptions as _};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::{PATIENCE, Suite, server};

pub const SERVICES: [&str; 3] =
    ["souk.auth.v1.AuthService", "souk.catalog.v1.CatalogService", "souk.orders.v1.OrdersService"];

pub async fn health(suite: &Suite, service: &str) -> Option<ServingStatus> {
    let mut client = HealthClient::new(suite.channel(service));
    let request = HealthCheckRequest { service: service.to_owned() };
    match client.check(request).await {
        Ok(response) => Some(response.into_inner().status()),
        Err(status) if status.code() == Code::NotFound => None,
        Err(status) => panic!("{status}"),
    }
}

pub async fn becomes(suite: &Suite, service: &str, expected: ServingStatus) {
    let turned = async {
        while health(suite, service).await != Some(expected) {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let turned = tokio::time::timeout(PATIENCE, turned).await;
    turned.unwrap_or_else(|_| panic!("{service} does not become {expected:?}"));
}

#[tokio::test]
async fn a_service_whose_database_is_gone_is_not_serving_until_it_is_back() {
    let suite = Suite::start().await;
    for service in SERVICES {
        becomes(&suite, service, ServingStatus::Serving).await;
    }
    let mut catalog = suite.database("catalog").await;
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut catalog).await.unwrap();
    drop(catalog);
    let mut admin = server().connect_options("postgres").connect().await.unwrap();
    let close = format!("alter database {name} allow_connections false");
    sqlx::query(AssertSqlSafe(close)).execute(&mut admin).await.unwrap();
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
        .bind(&name)
        .execute(&mut admin)
        .await
        .unwrap();
    becomes(&suite, SERVICES[1], ServingStatus::NotServing).await;
    assert_eq!(health(&suite, SERVICES[0]).await, Some(ServingStatus::Serving));
    let response = suite.http().get("/v1/products").await;
    assert_eq!((response.status.as_u16(), response.header("retry-after")), (503, "1"));

    let open = format!("alter database {name} allow_connections true");
    sqlx::query(AssertSqlSafe(open)).execute(&mut admin).await.unwrap();
    becomes(&suite, SERVICES[1], ServingStatus::Serving).await;
    assert_eq!(suite.http().get("/v1/products").await.status, 200);
}
