//! Products of a type have the attributes that its schema asks for.

use prost_types::Struct;
use serde_json::json;
use souk_proto::souk::catalog::v2::{
    CreateProductRequest, CreateProductTypeRequest, DeleteProductRequest, DeleteProductTypeRequest,
    ListProductTypesRequest, ListProductsRequest, Product, UpdateProductRequest,
    UpdateProductTypeRequest,
};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::support::{Shop, World, new_product, object, reason, sku, soon};

/// Something that an author has written in a year.
fn schema() -> serde_json::Value {
    json!({
        "type": "object",
        "properties": {
            "author": {"type": "string", "minLength": 1},
            "year": {"type": "integer"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["author"],
        "additionalProperties": false,
    })
}

fn book(attributes: serde_json::Value) -> CreateProductRequest {
    CreateProductRequest {
        r#type: "book".to_owned(),
        attributes: Some(object(attributes)),
        ..new_product(&sku(), 1)
    }
}

async fn create(shop: &Shop, message: CreateProductRequest) -> Result<Product, Status> {
    Ok(shop.client().create_product(shop.admin(message)).await?.into_inner())
}

async fn update(shop: &Shop, message: UpdateProductRequest) -> Result<Product, Status> {
    Ok(shop.client().update_product(shop.admin(message)).await?.into_inner())
}

fn broken(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().expect("details").field_violations;
    violations.into_iter().map(|violation| violation.field).collect()
}

#[tokio::test]
async fn a_product_has_the_attributes_of_its_type_and_each_that_is_wrong_is_named() {
    let world = World::new().await;
    let shop = world.shop().await;
    shop.product_type("book", object(schema())).await;
    let attributes = json!({"author": "Harper Lee", "year": 1960, "tags": ["classic", "law"]});
    let made = create(&shop, book(attributes.clone())).await.unwrap();
    assert_eq!((made.r#type.as_str(), made.attributes.clone()), ("book", Some(object(attributes))));
    assert_eq!(shop.get(&made.id).await, made);

    let wrong = [
        (json!({}), vec!["attributes.author"]),
        (json!({"author": ""}), vec!["attributes.author"]),
        (json!({"author": "Lee", "year": 1960.5}), vec!["attributes.year"]),
        (json!({"author": "Lee", "tags": ["a", 1]}), vec!["attributes.tags[1]"]),
        (json!({"author": 1, "pages": 3}), vec!["attributes.author", "attributes.pages"]),
    ];
    for (attributes, fields) in wrong {
        let refused = create(&shop, book(attributes.clone())).await.unwrap_err();
        assert_eq!(reason(&refused), "VALIDATION_FAILED", "{attributes}");
        let mut broken = broken(&refused);
        broken.sort();
        assert_eq!(broken, fields, "{attributes}");
    }
    let unknown = CreateProductRequest { r#type: "film".to_owned(), ..new_product(&sku(), 1) };
    assert_eq!(broken(&create(&shop, unknown).await.unwrap_err()), ["type"]);
    let untyped = CreateProductRequest { r#type: String::new(), ..book(json!({"author": "Lee"})) };
    assert_eq!(broken(&create(&shop, untyped).await.unwrap_err()), ["attributes"]);
}

#[tokio::test]
async fn a_change_of_a_product_is_held_to_its_type_and_a_product_may_lose_it() {
    let world = World::new().await;
    let shop = world.shop().await;
    shop.product_type("book", object(schema())).await;
    let id = create(&shop, book(json!({"author": "Lee"}))).await.unwrap().id;
    let with = |attributes| UpdateProductRequest {
        id: id.clone(),
        attributes: Some(object(attributes)),
        ..UpdateProductRequest::default()
    };
    let refused = update(&shop, with(json!({"author": "Lee", "year": "x"}))).await.unwrap_err();
    assert_eq!(broken(&refused), ["attributes.year"]);
    let changed = update(&shop, with(json!({"author": "Lee", "year": 1960}))).await.unwrap();
    assert_eq!(changed.attributes, Some(object(json!({"author": "Lee", "year": 1960}))));

    // what is not about the type leaves it
    let name = UpdateProductRequest {
        id: id.clone(),
        name: Some("Another".to_owned()),
        ..UpdateProductRequest::default()
    };
    assert_eq!(update(&shop, name).await.unwrap().attributes, changed.attributes);

    let untyped = UpdateProductRequest {
        id: id.clone(),
        r#type: Some(String::new()),
        ..UpdateProductRequest::default()
    };
    let plain = update(&shop, untyped).await.unwrap();
    assert_eq!((plain.r#type.as_str(), plain.attributes), ("", Some(Struct::default())));
}

#[tokio::test]
async fn a_price_changes_in_the_currency_of_the_product_and_a_currency_only_with_its_price() {
    let world = World::new().await;
    let shop = world.shop().await;
    let yen = CreateProductRequest {
        currency: "JPY".to_owned(),
        price: Some(crate::support::price("599")),
        ..new_product(&sku(), 1)
    };
    let id = create(&shop, yen).await.unwrap().id;
    let change = |price: Option<&str>, currency: Option<&str>| UpdateProductRequest {
        id: id.clone(),
        price: price.map(crate::support::price),
        currency: currency.map(str::to_owned),
        ..UpdateProductRequest::default()
    };
    let refused = update(&shop, change(Some("5.50"), None)).await.unwrap_err();
    assert_eq!(broken(&refused), ["price"]);
    let refused = update(&shop, change(None, Some("USD"))).await.unwrap_err();
    assert_eq!(broken(&refused), ["currency"]);
    let refused = update(&shop, change(Some("5.50"), Some("ABC"))).await.unwrap_err();
    assert_eq!(broken(&refused), ["currency"]);
    let changed = update(&shop, change(Some("600"), None)).await.unwrap();
    assert_eq!((changed.price.unwrap().value, changed.currency), ("600".into(), "JPY".into()));
    let changed = update(&shop, change(Some("5.50"), Some("USD"))).await.unwrap();
    assert_eq!((changed.price.unwrap().value, changed.currency), ("5.50".into(), "USD".into()));
}

#[tokio::test]
async fn a_schema_that_products_would_break_is_refused_with_their_number() {
    let world = World::new().await;
    let shop = world.shop().await;
    shop.product_type("book", object(schema())).await;
    for year in [1950, 1960, 2000] {
        create(&shop, book(json!({"author": "Lee", "year": year}))).await.unwrap();
    }
    let deleted = create(&shop, book(json!({"author": "Lee", "year": 1}))).await.unwrap().id;
    let delete = shop.admin(DeleteProductRequest { id: deleted });
    shop.client().delete_product(delete).await.unwrap();

    let since = |year: i32| {
        let mut schema = schema();
        schema["properties"]["year"]["minimum"] = year.into();
        let (name, schema) = ("book".to_owned(), Some(object(schema)));
        shop.admin(UpdateProductTypeRequest { name, schema, ..UpdateProductTypeRequest::default() })
    };
    let refused = shop.client().update_product_type(since(1970)).await.unwrap_err();
    assert_eq!(
        (reason(&refused).as_str(), broken(&refused)),
        ("VALIDATION_FAILED", vec!["schema".into()])
    );
    assert_eq!(refused.get_details_error_info().unwrap().metadata["products"], "2");
    shop.client().update_product_type(since(1950)).await.unwrap();
    let refused = create(&shop, book(json!({"author": "Lee", "year": 1949}))).await.unwrap_err();
    assert_eq!(broken(&refused), ["attributes.year"]);
}

#[tokio::test]
async fn a_product_and_a_schema_that_it_breaks_are_never_both_stored() {
    let world = World::new().await;
    let (shop, other) = (world.shop().await, world.shop().await);
    for round in 0..10 {
        let name = format!("kind-{round}");
        shop.product_type(&name, object(json!({"type": "object"}))).await;
        let product = CreateProductRequest { r#type: name.clone(), ..new_product(&sku(), 1) };
        let strict = UpdateProductTypeRequest {
            name: name.clone(),
            schema: Some(object(json!({"type": "object", "required": ["author"]}))),
            ..UpdateProductTypeRequest::default()
        };
        let (mut client, strict) = (other.client(), shop.admin(strict));
        let (made, changed) =
            tokio::join!(create(&shop, product), client.update_product_type(strict));
        assert!(made.is_err() || changed.is_err(), "round {round}: both");
        assert!(made.is_ok() || changed.is_ok(), "round {round}: neither");
    }
}

#[tokio::test]
async fn a_type_that_products_have_stays_and_goes_with_the_last_of_them() {
    let world = World::new().await;
    let shop = world.shop().await;
    shop.product_type("book", object(schema())).await;
    let id = create(&shop, book(json!({"author": "Lee"}))).await.unwrap().id;
    let delete = || shop.admin(DeleteProductTypeRequest { name: "book".to_owned() });
    let refused = shop.client().delete_product_type(delete()).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::FailedPrecondition, "IN_USE"));
    shop.client().delete_product(shop.admin(DeleteProductRequest { id })).await.unwrap();
    shop.client().delete_product_type(delete()).await.unwrap();
    let list = ListProductTypesRequest::default();
    let list = shop.client().list_product_types(list).await.unwrap().into_inner();
    assert_eq!((list.data.len(), list.pagination.unwrap().total), (0, 0));
    // the name is free again
    shop.product_type("book", object(json!({"type": "object"}))).await;
}

#[tokio::test]
async fn a_definition_that_makes_no_sense_names_the_field() {
    let world = World::new().await;
    let shop = world.shop().await;
    let message = |schema: serde_json::Value| CreateProductTypeRequest {
        name: "book".to_owned(),
        schema: Some(object(schema)),
        ..CreateProductTypeRequest::default()
    };
    let wrong = [
        (message(json!({"type": "text"})), "schema"),
        (message(json!({"type": "object", "properties": {"a": {"type": 7}}})), "schema"),
        (
            CreateProductTypeRequest { searchable: vec!["x".into()], ..message(schema()) },
            "searchable",
        ),
        (
            CreateProductTypeRequest { filterable: vec!["tags".into()], ..message(schema()) },
            "filterable",
        ),
    ];
    for (message, field) in wrong {
        let refused = shop.client().create_product_type(shop.admin(message)).await.unwrap_err();
        assert_eq!(broken(&refused)[0].split('.').next(), Some(field), "{refused:?}");
    }
}

#[tokio::test]
async fn what_becomes_searchable_is_found_in_products_that_were_there_before() {
    let world = World::new().await;
    let shop = world.shop().await;
    shop.product_type("book", object(schema())).await;
    let mut versions = Vec::new();
    for _ in 0..3 {
        versions.push(create(&shop, book(json!({"author": "Harper Lee"}))).await.unwrap().etag);
    }
    let found = async || {
        let request = ListProductsRequest { q: "harper".to_owned(), ..Default::default() };
        shop.client().list_products(request).await.unwrap().into_inner().data
    };
    assert!(found().await.is_empty());
    shop.work();
    let author = UpdateProductTypeRequest {
        name: "book".to_owned(),
        searchable: vec!["author".to_owned()],
        ..UpdateProductTypeRequest::default()
    };
    shop.client().update_product_type(shop.admin(author)).await.unwrap();
    soon("all are found", || async { found().await.len() == 3 }).await;
    let now: Vec<String> = found().await.into_iter().map(|product| product.etag).collect();
    assert_eq!(now, versions, "nothing of them has changed");
    world.audit().await;

    let nothing = UpdateProductTypeRequest {
        name: "book".to_owned(),
        update_mask: Some(prost_types::FieldMask { paths: vec!["searchable".to_owned()] }),
        ..UpdateProductTypeRequest::default()
    };
    shop.client().update_product_type(shop.admin(nothing)).await.unwrap();
    soon("none is found", || async { found().await.is_empty() }).await;
}
