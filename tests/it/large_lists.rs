//! Lists of large rows, and of rows that this release cannot read: every page is an answer.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use http::StatusCode;
use prost::Message as _;
use serde_json::{Value, json};
use souk_proto::souk::orders::v1::ListOrdersRequest;
use sqlx::PgConnection;

use crate::support::{Http, Suite, product, signed, unique};

/// More bytes than this no page by cursor has.
const PAGE_BYTES: usize = 1024 * 1024;
/// Orders of 33 KB each: more than any page may have.
const ORDERS: usize = 110;
const LINES: usize = 100;

/// Every page of a list by cursor, from its first on.
async fn pages(http: &Http, token: &str, list: &str) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut path = list.to_owned();
    loop {
        let page = http.get_as(token, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(page.body.len() <= PAGE_BYTES, "a page has {} bytes", page.body.len());
        pages.push(page.json());
        match pages[pages.len() - 1]["pagination"]["next_cursor"].as_str() {
            Some(cursor) => path = format!("{list}&cursor={cursor}"),
            None => return pages,
        }
    }
}

/// What stands under a name in every row of every page, each once.
fn all(pages: &[Value], name: &str) -> BTreeSet<String> {
    let rows = pages.iter().flat_map(|page| page["data"].as_array().unwrap());
    let mut seen = BTreeSet::new();
    for row in rows {
        assert!(seen.insert(row[name].as_str().unwrap().to_owned()), "a page repeats a row");
    }
    seen
}

/// The order of a customer as often as it takes to make many.
async fn copy_order(database: &mut PgConnection, times: usize) {
    let copy = "with copies as (
             insert into orders (id, customer_id, idempotency_key, fingerprint, state, total_minor,
                 currency, request_id)
             select gen_random_uuid(), customer_id, 'copy-' || n, fingerprint, state, total_minor,
                 currency, request_id
             from orders, generate_series(1, $1) as n
             returning id
         )
         insert into order_lines (order_id, position, product_id, name, unit_price_minor, quantity)
         select copies.id, position, product_id, name, unit_price_minor, quantity
         from copies, order_lines";
    let times = i32::try_from(times).unwrap();
    sqlx::query(copy).bind(times).execute(&mut *database).await.unwrap();
    let counted = "update totals set count = count + $1";
    sqlx::query(counted).bind(times).execute(database).await.unwrap();
}

#[tokio::test]
async fn a_list_of_large_orders_comes_in_pages_that_fit_and_has_every_order_once() {
    let suite = Suite::start().await;
    let user = suite.user().await;
    let products = futures::stream::iter(0..LINES).map(|number| {
        let suite = &suite;
        async move { product(suite, &format!("P-{number}"), "5.00", 10).await.id }
    });
    let products: Vec<String> = products.buffer_unordered(10).collect().await;
    let mut catalog = suite.database("catalog").await;
    let long = "update products set name = rpad(name, 200, ' and more')";
    sqlx::query(long).execute(&mut catalog).await.unwrap();
    let items: Vec<Value> =
        products.iter().map(|id| json!({ "product_id": id, "quantity": 1 })).collect();
    let placed = suite.http().order(&user, &unique("key"), &items.into()).await.unwrap();
    assert_eq!(placed.status, StatusCode::CREATED);
    let mut orders = suite.database("orders").await;
    copy_order(&mut orders, ORDERS - 1).await;

    let pages = pages(&suite.http(), &user, "/v1/orders?size=100").await;
    assert!(pages.len() > 2, "pages end before they are full");
    assert!(pages.iter().all(|page| !page["data"].as_array().unwrap().is_empty()));
    assert_eq!(pages[0]["pagination"]["total"], ORDERS);
    assert_eq!(all(&pages, "id").len(), ORDERS, "a page skips an order");
    let request = ListOrdersRequest { size: Some(100), ..ListOrdersRequest::default() };
    let page = suite.orders().list_orders(signed(&user, request)).await.unwrap().into_inner();
    assert!(page.encoded_len() <= PAGE_BYTES);

    // a page by number cannot end early: it would skip rows
    let refused = suite.http().get_as(&user, "/v1/orders?size=100&page=1").await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let detail = &refused.json()["error"]["details"][0];
    assert_eq!(detail["field"], "size");
    let fits: usize = detail["issue"]
        .as_str()
        .and_then(|issue| issue.strip_prefix("must be at most ")?.split(' ').next()?.parse().ok())
        .expect("how many rows fit");
    let mut seen = BTreeSet::new();
    for number in 1..=ORDERS.div_ceil(fits) {
        let path = format!("/v1/orders?size={fits}&page={number}");
        let page = suite.http().get_as(&user, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        seen.append(&mut all(&[page.json()], "id"));
    }
    assert_eq!(seen.len(), ORDERS);
}

#[tokio::test]
async fn a_row_with_an_unknown_word_does_not_hide_its_neighbours() {
    let suite = Suite::start().await;
    let (user, mut skus) = (suite.user().await, BTreeSet::new());
    let mut ordered = BTreeSet::new();
    for number in 0..7 {
        let sku = format!("P-{number}");
        let book = product(&suite, &sku, "5.00", 10).await;
        skus.insert(sku);
        let items = json!([{ "product_id": book.id, "quantity": 1 }]);
        let order = suite.http().order(&user, &unique("key"), &items).await.unwrap();
        ordered.insert(order.json()["id"].as_str().unwrap().to_owned());
    }
    // two in a row, and the last
    let foreign = "update products set currency = 'ZZZ' where sku in ('P-2', 'P-3', 'P-6')";
    sqlx::query(foreign).execute(&mut suite.database("catalog").await).await.unwrap();
    let foreign = "update orders set currency = 'ZZZ'
        where id in (select id from orders order by id limit 2 offset 2)";
    sqlx::query(foreign).execute(&mut suite.database("orders").await).await.unwrap();
    for unreadable in ["P-2", "P-3", "P-6"] {
        skus.remove(unreadable);
    }
    let http = suite.http();
    for size in 1..=7 {
        let pages = pages(&http, &user, &format!("/v1/products?size={size}")).await;
        assert_eq!(all(&pages, "sku"), skus, "in pages of {size}");
        let pages = self::pages(&http, &user, &format!("/v1/orders?size={size}")).await;
        let seen = all(&pages, "id");
        assert!(seen.len() == 5 && seen.is_subset(&ordered), "in pages of {size}: {seen:?}");
    }
    let mut seen = BTreeSet::new();
    for number in 1..=4 {
        let page = http.get(&format!("/v1/products?size=2&page={number}")).await;
        assert_eq!(page.status, StatusCode::OK);
        seen.append(&mut all(&[page.json()], "sku"));
    }
    assert_eq!(seen, skus);
}
