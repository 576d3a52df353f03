//! What somebody sends to make it fall over is answered like anything else, and leaves the others alone.

use futures::stream;
use serde_json::{Value as Json, json};
use souk_kit::id;
use souk_proto::souk::catalog::v2::{
    CreateImportRequest, CreateProductTypeRequest, GetImportRequest, ImportProductsRequest,
    ImportProductsResponse, ListProductsRequest,
};
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::importing::row;
use crate::support::{Shop, World, deletion, object, reason};

async fn import(shop: &Shop, rows: Vec<ImportProductsRequest>) -> ImportProductsResponse {
    let request = shop.admin(stream::iter(rows));
    shop.client().import_products(request).await.unwrap().into_inner()
}

fn told(report: &ImportProductsResponse) -> Vec<(i32, &str)> {
    report.errors.iter().map(|error| (error.line, error.field.as_str())).collect()
}

/// A product of a type whose attributes may be anything.
async fn anything(shop: &Shop) {
    shop.product_type("any", object(json!({"type": "object"}))).await;
}

fn with(line: i32, sku: &str, attributes: Json) -> ImportProductsRequest {
    ImportProductsRequest {
        r#type: Some("any".to_owned()),
        attributes: Some(object(attributes)),
        ..row(line, sku)
    }
}

async fn attributes(world: &World, sku: &str) -> Json {
    let stored = format!("select attributes::text from products where sku = '{sku}'");
    serde_json::from_str(&world.test.ask::<String>(&stored).await).unwrap()
}

#[tokio::test]
async fn a_search_for_what_has_no_words_finds_nothing() {
    let world = World::new().await;
    let shop = world.shop().await;
    shop.product("BOOK", 1).await;
    for q in [
        "\u{2b9}",
        "\u{2ba}",
        "\u{2c8}",
        "\u{2bc}",
        "\u{2cb}",
        "\u{2c6} \u{2b9}",
        "'",
        "\\",
        "&",
        ":*",
    ] {
        let request = ListProductsRequest { q: q.to_owned(), ..ListProductsRequest::default() };
        let found = shop.client().list_products(request).await;
        let is_empty = found.as_ref().map(|found| found.get_ref().data.is_empty());
        let is_refused =
            found.as_ref().is_err_and(|refused| reason(refused) == "VALIDATION_FAILED");
        assert!(is_refused || matches!(is_empty, Ok(true)), "{q}: {found:?}");
    }
}

#[tokio::test]
async fn a_category_that_is_named_often_is_looked_at_once() {
    let world = World::new().await;
    let shop = world.shop().await;
    let category = shop.category("often").await;
    let product = shop.product_in("BOOK", 1, &[&category]).await;
    let named = [vec!["often".to_owned(); 10], vec![category.id.clone(); 10]].concat();
    let list = |category: Vec<String>, cursor: String| ListProductsRequest {
        category,
        category_match: 2,
        cursor,
        ..ListProductsRequest::default()
    };
    let found = shop.client().list_products(list(named, String::new())).await.unwrap().into_inner();
    assert_eq!(found.data[0].id, product.id);
    assert_eq!(found.pagination.unwrap().total, 1);
}

#[tokio::test]
async fn a_schema_that_takes_long_is_refused_before_any_product_has_it() {
    let world = World::new().await;
    let shop = world.shop().await;
    let mut doubling = json!({"type": "object", "$ref": "#/$defs/d0", "$defs": {"d24": {}}});
    for level in 0..24 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        doubling["$defs"][format!("d{level}")] = json!({"allOf": [next, next]});
    }
    let pattern = json!({"pattern": "(((a{0,100}){100}){8})"});
    let large = json!({"type": "object", "properties": {"a": pattern}});
    for schema in [doubling, large] {
        let request = CreateProductTypeRequest {
            name: "slow".to_owned(),
            schema: Some(object(schema)),
            ..CreateProductTypeRequest::default()
        };
        let refused = shop.client().create_product_type(shop.admin(request)).await.unwrap_err();
        assert_eq!(reason(&refused), "VALIDATION_FAILED", "{refused:?}");
    }
}

#[tokio::test]
async fn a_row_without_a_line_is_rejected_and_never_passed_over() {
    let world = World::new().await;
    let shop = world.shop().await;
    let request = shop.admin(CreateImportRequest::default());
    let id = shop.client().create_import(request).await.unwrap().into_inner().id;
    let first = ImportProductsRequest { import_id: id.clone(), ..row(0, "A") };
    let report = import(&shop, vec![first, row(-3, "B"), row(1, "C")]).await;
    assert_eq!(told(&report), [(-3, "line"), (0, "line")]);
    assert_eq!((report.created, report.rejected), (1, 2));
    let request = shop.admin(GetImportRequest { id });
    let done = shop.client().get_import(request).await.unwrap().into_inner();
    assert_eq!((done.created, done.rejected, done.last_line), (1, 2, 1));
}

#[tokio::test]
async fn a_row_with_more_stock_than_there_is_room_for_is_rejected_and_the_others_stored() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("HELD", 10).await;
    shop.reserve(id::new(), &[(&product.id, 3)]).await.unwrap();
    let most = ImportProductsRequest { stock: Some(1_000_000_000), ..row(1, "HELD") };
    let report = import(&shop, vec![most, row(2, "OTHER")]).await;
    assert_eq!((told(&report), report.created), (vec![(1, "stock")], 1));
    assert_eq!(world.stock(&product.id).await, (7, 3));
    let fits = ImportProductsRequest { stock: Some(999_999_997), ..row(1, "HELD") };
    assert_eq!(import(&shop, vec![fits]).await.updated, 1);
    assert_eq!(world.stock(&product.id).await, (999_999_997, 3));
    world.audit().await;
}

#[tokio::test]
async fn an_import_sets_the_attributes_that_it_names_and_takes_those_that_are_null() {
    let world = World::new().await;
    let shop = world.shop().await;
    anything(&shop).await;
    import(&shop, vec![with(1, "A", json!({"kept": "1", "changed": "1", "gone": "1"}))]).await;
    let change = json!({"changed": "2", "new": "2", "gone": null});
    let report = import(&shop, vec![with(1, "A", change)]).await;
    assert_eq!((report.updated, report.rejected), (1, 0));
    let expected = json!({"kept": "1", "changed": "2", "new": "2"});
    assert_eq!(attributes(&world, "A").await, expected);
    // no attributes, no change; another type, none of those of the old one
    import(&shop, vec![row(1, "A")]).await;
    assert_eq!(attributes(&world, "A").await, expected);
    shop.product_type("other", object(json!({"type": "object"}))).await;
    let other = ImportProductsRequest { r#type: Some("other".to_owned()), ..row(1, "A") };
    import(&shop, vec![other]).await;
    assert_eq!(attributes(&world, "A").await, json!({}));
}

#[tokio::test]
async fn attributes_do_not_grow_beyond_their_limit_however_often_some_are_added() {
    let world = World::new().await;
    let shop = world.shop().await;
    anything(&shop).await;
    let half = "x".repeat(30_000);
    let rows = |name: &str| vec![with(1, "A", json!({name: half}))];
    assert_eq!(import(&shop, rows("a")).await.created, 1);
    assert_eq!(import(&shop, rows("b")).await.updated, 1);
    let report = import(&shop, rows("c")).await;
    assert_eq!((told(&report), report.updated), (vec![(1, "attributes")], 0));
    assert_eq!(attributes(&world, "A").await.as_object().unwrap().len(), 2);
}

#[tokio::test]
async fn a_category_is_no_heir_of_itself() {
    let world = World::new().await;
    let shop = world.shop().await;
    let category = shop.category("kept").await;
    let product = shop.product_in("BOOK", 1, &[&category]).await;
    for field in ["products_to", "children_to"] {
        let mut request = deletion(category.id.clone());
        match field {
            "products_to" => request.products_to.clone_from(&category.id),
            _ => request.children_to.clone_from(&category.id),
        }
        let refused = shop.client().delete_category(shop.admin(request)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        let broken = refused.get_details_bad_request().unwrap().field_violations;
        assert_eq!(broken[0].field, field);
    }
    assert_eq!(shop.get(&product.id).await.category_ids, [category.id]);
}

#[tokio::test]
async fn rows_that_are_large_are_stored_a_few_at_a_time() {
    let world = World::new().await;
    let shop = world.shop().await;
    anything(&shop).await;
    let text = "x".repeat(60_000);
    let rows = (1..=200).map(|line| with(line, &format!("LARGE-{line}"), json!({"text": text})));
    assert_eq!(import(&shop, rows.collect()).await.created, 200);
    let batches: i32 = world.test.ask("select batches from imports").await;
    // 12 MB, of which a batch has two
    assert!(batches >= 6, "{batches} batches");
}
