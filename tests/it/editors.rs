//! Who edits a product and who buys it do not get in each other's way.

use std::time::Duration;

use futures::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::support::{Suite, assert_ledger, product, unique};

const EDITORS: usize = 500;
const ORDERS: usize = 400;

#[tokio::test]
async fn of_many_editors_of_one_version_one_wins_while_its_product_is_sold() {
    let limits = [
        ("SOUK_MAX_CONNECTIONS", "2000"),
        ("SOUK_MAX_CONNECTIONS_PER_ADDRESS", "1000"),
        ("SOUK_RATE_LIMIT_PRINCIPAL", "100000"),
    ];
    let suite = Suite::start_with(&limits).await;
    let book = product(&suite, "BOOK", "5.00", i32::try_from(ORDERS).unwrap()).await.id;
    let path = format!("/v2/products/{book}");
    let (admin, buyer) = (suite.admin().await, suite.user().await);
    let tag = suite.http().get(&path).await.header("etag").to_owned();

    let http = suite.http();
    let items = json!([{ "product_id": book, "quantity": 1 }]);
    let sell = async {
        // 200 a second
        let mut pace = interval(Duration::from_millis(5));
        pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut orders = Vec::with_capacity(ORDERS);
        for _ in 0..ORDERS {
            pace.tick().await;
            let (http, buyer, items) = (http.clone(), buyer.clone(), items.clone());
            let order = async move { http.order(&buyer, &unique("key"), &items).await.unwrap() };
            orders.push(tokio::spawn(order));
        }
        join_all(orders).await.into_iter().map(|order| order.unwrap().status).collect::<Vec<_>>()
    };
    let edit = async |editor: usize| {
        let bearer = format!("Bearer {admin}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
            ("if-match", &tag),
        ];
        let name = json!({ "name": format!("The book of editor {editor}") }).to_string();
        // where the machine is slow some find no connection to the database in time: they come again
        loop {
            let edit = suite.http().send(Method::PATCH, &path, &headers, &name).await.unwrap();
            match edit.status {
                StatusCode::SERVICE_UNAVAILABLE => sleep(Duration::from_secs(1)).await,
                status => return status,
            }
        }
    };
    let (sold, edited) = tokio::join!(sell, join_all((0..EDITORS).map(edit)));

    assert!(sold.iter().all(|status| *status == StatusCode::CREATED), "{sold:?}");
    let count = |status| edited.iter().filter(|edited| **edited == status).count();
    assert_eq!(count(StatusCode::OK), 1, "{edited:?}");
    assert_eq!(count(StatusCode::PRECONDITION_FAILED), EDITORS - 1, "{edited:?}");
    let now = suite.http().get(&path).await.json();
    assert_eq!((now["available"].as_i64(), now["etag"].as_str()), (Some(0), Some("\"2\"")));
    assert_ledger(&mut suite.database("catalog").await).await;
}
