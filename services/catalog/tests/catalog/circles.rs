//! Whoever writes the same products, types and categories waits for others, and never in a circle.

use std::time::Duration;

use futures::stream;
use serde_json::json;
use souk_proto::souk::catalog::v2::{
    ImportProductsRequest, ListCategoriesRequest, ListProductsRequest, Product,
    UpdateProductRequest, UpdateProductTypeRequest,
};
use tonic::{Code, Status};

use crate::importing::row;
use crate::support::{Shop, World, deletion, object};

const TURNS: usize = 40;
const PRODUCTS: i32 = 60;

/// A row of a product of a type, in two categories.
fn typed(line: i32, number: i32) -> ImportProductsRequest {
    ImportProductsRequest {
        r#type: Some("any".to_owned()),
        attributes: Some(object(json!({"number": number}))),
        categories: vec!["one".to_owned(), "other".to_owned()],
        ..row(line, &format!("SKU-{number}"))
    }
}

/// What is gone or has changed meanwhile is no fault of a call.
fn expect(done: Result<(), Status>) {
    if let Err(status) = done {
        assert!(matches!(status.code(), Code::NotFound | Code::Aborted), "{status:?}");
    }
}

/// Imports all of them, from the other end now and then.
async fn import(shop: &Shop) {
    for turn in 0..TURNS {
        let number = |line| if turn % 2 == 0 { line } else { PRODUCTS + 1 - line };
        let rows: Vec<_> = (1..=PRODUCTS).map(|line| typed(line, number(line))).collect();
        let request = shop.admin(stream::iter(rows));
        expect(shop.client().import_products(request).await.map(drop));
    }
}

async fn change(shop: &Shop, products: &[Product]) {
    for turn in 0..4 * TURNS {
        let id = products[turn * 7 % products.len()].id.clone();
        let attributes = Some(object(json!({"turn": turn})));
        let request = UpdateProductRequest { id, attributes, ..UpdateProductRequest::default() };
        expect(shop.client().update_product(shop.admin(request)).await.map(drop));
    }
}

/// Has all of them indexed anew.
async fn change_type(shop: &Shop) {
    for turn in 0..TURNS {
        let searchable = vec![if turn % 2 == 0 { "a" } else { "b" }.to_owned()];
        let name = "any".to_owned();
        let request = UpdateProductTypeRequest { name, searchable, ..Default::default() };
        expect(shop.client().update_product_type(shop.admin(request)).await.map(drop));
    }
}

/// Deletes the categories, which imports make again.
async fn delete_categories(shop: &Shop) {
    for _ in 0..TURNS {
        let found = shop.client().list_categories(ListCategoriesRequest::default()).await;
        for category in found.unwrap().into_inner().data {
            let request = shop.admin(deletion(category.id));
            expect(shop.client().delete_category(request).await.map(drop));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn imports_changes_indexing_and_deletions_never_wait_for_each_other_in_a_circle() {
    let world = World::new().await;
    let shop = world.shop().await;
    let schema = json!({
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
    });
    shop.product_type("any", object(schema)).await;
    let rows: Vec<_> = (1..=PRODUCTS).map(|line| typed(line, line)).collect();
    shop.client().import_products(shop.admin(stream::iter(rows))).await.unwrap();
    let list = ListProductsRequest { size: Some(PRODUCTS), ..ListProductsRequest::default() };
    let products = shop.client().list_products(list).await.unwrap().into_inner().data;
    shop.work();
    tokio::join!(
        import(&shop),
        import(&shop),
        change(&shop, &products),
        change_type(&shop),
        delete_categories(&shop),
    );
    // until PostgreSQL has counted
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let circles = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(world.test.ask::<i64>(circles).await, 0);
    world.audit().await;
}
