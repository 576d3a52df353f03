//! Lists: every item once, whatever others do meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::StatusCode;
use souk_proto::souk::catalog::v1::{DeleteProductRequest, ListProductsRequest, Product};

use crate::support::{Suite, product, signed, unique};

async fn page(suite: &Suite, request: ListProductsRequest) -> (Vec<Product>, Option<String>) {
    let page = suite.catalog().list_products(request).await.unwrap().into_inner();
    (page.data, page.pagination.unwrap().next_cursor)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_have_each_product_once_while_another_client_inserts_and_deletes() {
    let suite = Arc::new(Suite::start().await);
    let mut lasting = BTreeSet::new();
    let mut passing = Vec::new();
    for number in 0..120 {
        let product = product(&suite, &format!("P-{number}"), "1.00", 0).await;
        if number % 3 == 0 {
            passing.push(product.id);
        } else {
            lasting.insert(product.id);
        }
    }
    let listing = Arc::new(AtomicBool::new(true));
    let other = tokio::spawn({
        let (suite, listing) = (suite.clone(), listing.clone());
        async move {
            let token = suite.admin().await;
            while listing.load(Ordering::Relaxed) {
                product(&suite, &unique("NEW"), "1.00", 0).await;
                if let Some(id) = passing.pop() {
                    let request = signed(&token, DeleteProductRequest { id });
                    suite.catalog().delete_product(request).await.unwrap();
                }
            }
        }
    });

    let mut seen = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let request = ListProductsRequest { size: Some(7), cursor, page: None };
        let (products, next) = page(&suite, request).await;
        for product in products {
            assert!(seen.insert(product.id), "a page repeats a product");
        }
        // the list ends for whoever stops at what was there at the beginning
        match next {
            Some(next) if !lasting.is_subset(&seen) => cursor = next,
            _ => break,
        }
    }
    listing.store(false, Ordering::Relaxed);
    other.await.unwrap();
    assert!(lasting.is_subset(&seen), "a page skips a product");
}

#[tokio::test]
async fn the_last_page_says_so() {
    let suite = Suite::start().await;
    for number in 0..5 {
        product(&suite, &format!("P-{number}"), "1.00", 0).await;
    }
    let first = suite.http().get("/v1/products?size=3").await.json();
    let pagination = &first["pagination"];
    assert_eq!(pagination["size"], 3);
    assert_eq!(pagination["has_more"], true);
    assert_eq!(pagination["total"], 5);
    let cursor = pagination["next_cursor"].as_str().unwrap();
    let last = suite.http().get(&format!("/v1/products?size=3&cursor={cursor}")).await.json();
    assert_eq!(last["data"].as_array().unwrap().len(), 2);
    assert_eq!(last["pagination"]["next_cursor"], serde_json::Value::Null);
    assert_eq!(last["pagination"]["has_more"], false);
    assert_eq!(last["pagination"]["total"], 5);
}

#[tokio::test]
async fn a_page_number_comes_with_totals() {
    let suite = Suite::start().await;
    for number in 0..5 {
        product(&suite, &format!("P-{number}"), "1.00", 0).await;
    }
    let last = suite.http().get("/v1/products?size=2&page=3").await.json();
    assert_eq!(last["data"].as_array().unwrap().len(), 1);
    let pagination = &last["pagination"];
    assert_eq!(
        (&pagination["page"], &pagination["pages"], &pagination["total"]),
        (&3.into(), &3.into(), &5.into())
    );
}

#[tokio::test]
async fn a_cursor_of_another_list_or_an_altered_one_is_refused() {
    let suite = Suite::start().await;
    for number in 0..3 {
        product(&suite, &format!("P-{number}"), "1.00", 0).await;
    }
    let first = suite.http().get("/v1/products?size=1").await.json();
    let cursor = first["pagination"]["next_cursor"].as_str().unwrap();
    for path in [
        format!("/v1/categories?cursor={cursor}"),
        format!("/v1/products?cursor={}A", &cursor[..cursor.len() - 1]),
        "/v1/products?cursor=nonsense".to_owned(),
    ] {
        let refused = suite.http().get(&path).await;
        let expected = (StatusCode::UNPROCESSABLE_ENTITY, "CURSOR_INVALID".to_owned());
        // the last character may be an A already
        if path.ends_with(cursor) && !path.starts_with("/v1/categories") {
            continue;
        }
        assert_eq!((refused.status, refused.code()), expected, "{path}");
    }
    let both = suite.http().get(&format!("/v1/products?cursor={cursor}&page=1")).await;
    assert_eq!(both.code(), "VALIDATION_FAILED");
}

#[tokio::test]
async fn a_size_out_of_range_is_named() {
    let suite = Suite::start().await;
    for size in ["0", "101", "-1"] {
        let refused = suite.http().get(&format!("/v1/products?size={size}")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(refused.json()["error"]["details"][0]["field"], "size");
    }
    let refused = suite.http().get("/v1/products?size=many").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["error"]["details"][0]["field"], "size");
}
