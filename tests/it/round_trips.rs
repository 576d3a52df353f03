//! How often the database is asked, and how often it has to write before it may answer.

use http::StatusCode;
use serde_json::json;
use souk_testing::{Proxy, RoundTrip};

use crate::support::{Databases, Suite, product, server, unique};

/// What an order takes, from its acceptance to its answer.
const ORDER: &[&str] = &[
    // its products, at today's prices
    "select * from live_products where id = any",
    // it is accepted; its stock is reserved; it is reserved, and answered
    "insert into orders (id",
    "insert into reservations",
    "insert into orders (id",
];

fn writes(trip: &&RoundTrip) -> bool {
    let sql = trip.sql.to_lowercase();
    ["insert into", "update ", "delete from", "commit"].iter().any(|word| sql.contains(word))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_takes_at_most_five_round_trips_and_three_flushes() {
    let databases = Databases::create().await;
    let proxy = Proxy::before(&server().connect_options("postgres")).await;
    let suite = Suite::start_on(databases.by_way_of(proxy.port()), &[]);
    let one = product(&suite, "ONE", "5.00", 100).await.id;
    let two = product(&suite, "TWO", "7.00", 100).await.id;
    let user = suite.user().await;
    let items = json!([
        { "product_id": one, "quantity": 1 },
        { "product_id": two, "quantity": 2 },
    ]);
    let mut fewest: Option<Vec<RoundTrip>> = None;
    for _ in 0..30 {
        proxy.take_round_trips();
        let placed = suite.http().order(&user, &unique("key"), &items).await.unwrap();
        assert_eq!(placed.status, StatusCode::CREATED);
        // what services do from time to time may fall between, and a connection prepares a statement
        // when it meets it first
        let trips = proxy.take_round_trips();
        if fewest.as_ref().is_none_or(|fewest| trips.len() < fewest.len()) {
            fewest = Some(trips);
        }
    }
    let trips = fewest.unwrap();
    let told: Vec<&str> = trips.iter().map(|trip| trip.sql.as_str()).collect();
    assert!(trips.len() <= 5, "{told:#?}");
    assert!(trips.iter().filter(writes).count() <= 3, "{told:#?}");
    assert_eq!(trips.len(), ORDER.len(), "{told:#?}");
    for (statement, trip) in ORDER.iter().zip(&trips) {
        assert!(trip.sql.contains(statement), "{} instead of {statement}", trip.sql);
    }
}
