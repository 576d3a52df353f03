//! Who names the version that was read changes that version, or nothing.

use prost_types::Struct;
use prost_types::value::Kind;
use serde_json::json;
use souk_kit::id::{self, OrderId, kind};
use souk_proto::souk::catalog::v2::catalog_service_server::SERVICE_NAME;
use souk_proto::souk::catalog::v2::{
    DeleteImageRequest, DeleteProductRequest, DeleteProductTypeRequest, GetCategoryRequest,
    GetImageRequest, GetProductTypeRequest, ReplaceCategoryRequest, ReplaceProductRequest,
    UpdateCategoryRequest, UpdateImageRequest, UpdateProductRequest, UpdateProductTypeRequest,
};
use souk_proto::{descriptors, policy_of};
use tonic::{Code, Request, Status};

use crate::support::{Shop, World, deletion, object, price, reason, sku};

/// The RPCs whose policy promises that versions are compared.
fn conditional() -> Vec<String> {
    let service = descriptors().get_service_by_name(SERVICE_NAME).unwrap();
    (service.methods())
        .filter(|method| policy_of(method).is_some_and(|policy| policy.conditional))
        .map(|method| method.full_name().to_owned())
        .collect()
}

/// Calls one of them with a name for what it is to change, if one of these versions is there.
async fn call(shop: &Shop, rpc: &str, id: &str, versions: &str, name: &str) -> Result<(), Status> {
    let (id, name, mut client) = (id.to_owned(), name.to_owned(), shop.client());
    match rpc.rsplit('.').next().unwrap() {
        "UpdateProduct" => {
            let message = UpdateProductRequest { id, name: Some(name), ..Default::default() };
            client.update_product(on(shop, versions, message)).await.map(drop)
        }
        "ReplaceProduct" => {
            let (sku, price) = (sku(), Some(price("7.00")));
            let message = ReplaceProductRequest { id, sku, name, price, ..Default::default() };
            client.replace_product(on(shop, versions, message)).await.map(drop)
        }
        "DeleteProduct" => {
            let message = DeleteProductRequest { id };
            client.delete_product(on(shop, versions, message)).await.map(drop)
        }
        "UpdateCategory" => {
            let message = UpdateCategoryRequest { id, name: Some(name), ..Default::default() };
            client.update_category(on(shop, versions, message)).await.map(drop)
        }
        "ReplaceCategory" => {
            let (slug, description) = (slug(), String::new());
            let message = ReplaceCategoryRequest { id, slug, name, description, parent_id: None };
            client.replace_category(on(shop, versions, message)).await.map(drop)
        }
        "DeleteCategory" => {
            client.delete_category(on(shop, versions, deletion(id))).await.map(drop)
        }
        "UpdateProductType" => {
            let (name, schema) = (id, Some(schema(&name)));
            let message = UpdateProductTypeRequest { name, schema, ..Default::default() };
            client.update_product_type(on(shop, versions, message)).await.map(drop)
        }
        "DeleteProductType" => {
            let message = DeleteProductTypeRequest { name: id };
            client.delete_product_type(on(shop, versions, message)).await.map(drop)
        }
        "UpdateImage" => {
            let message = UpdateImageRequest { id, alt: Some(name), ..Default::default() };
            client.update_image(on(shop, versions, message)).await.map(drop)
        }
        "DeleteImage" => {
            let message = DeleteImageRequest { id };
            client.delete_image(on(shop, versions, message)).await.map(drop)
        }
        other => panic!("nobody tries {other}"),
    }
}

/// A request of the admin for one of these versions.
fn on<T>(shop: &Shop, versions: &str, message: T) -> Request<T> {
    let mut request = shop.admin(message);
    request.metadata_mut().insert("if-match", versions.parse().unwrap());
    request
}

/// What an RPC changes.
#[derive(Clone, Copy)]
enum Subject {
    Product,
    ProductType,
    Category,
    Image,
}

impl Subject {
    fn of(rpc: &str) -> Self {
        match rpc {
            rpc if rpc.ends_with("Product") => Self::Product,
            rpc if rpc.ends_with("ProductType") => Self::ProductType,
            rpc if rpc.ends_with("Category") => Self::Category,
            rpc if rpc.ends_with("Image") => Self::Image,
            other => panic!("nobody knows what {other} changes"),
        }
    }
}

/// A new thing for an RPC: its id and its tag.
async fn made_for(shop: &Shop, rpc: &str) -> (String, String) {
    match Subject::of(rpc) {
        Subject::Product => {
            let product = shop.product(&sku(), 1).await;
            (product.id, product.etag)
        }
        Subject::ProductType => {
            let made = shop.product_type(&format!("t{}", slug()), schema("first")).await;
            (made.name, made.etag)
        }
        Subject::Category => {
            let category = shop.category(&slug()).await;
            (category.id, category.etag)
        }
        Subject::Image => {
            let image = shop.image(&shop.product(&sku(), 1).await.id).await;
            (image.id, image.etag)
        }
    }
}

/// A schema that has this title.
fn schema(title: &str) -> Struct {
    object(json!({"type": "object", "title": title}))
}

/// A slug that no other call has returned.
fn slug() -> String {
    sku().to_lowercase()
}

/// What is there now, as far as it matters here: its name and its tag.
async fn now(shop: &Shop, rpc: &str, id: &str) -> (String, String) {
    match Subject::of(rpc) {
        Subject::Product => {
            let product = shop.get(id).await;
            (product.name, product.etag)
        }
        Subject::ProductType => {
            let request = GetProductTypeRequest { name: id.to_owned() };
            let found = shop.client().get_product_type(request).await.unwrap().into_inner();
            let title = found.schema.unwrap().fields.remove("title").and_then(|title| title.kind);
            let Some(Kind::StringValue(title)) = title else { panic!("{title:?}") };
            (title, found.etag)
        }
        Subject::Category => {
            let request = GetCategoryRequest { id: id.to_owned() };
            let category = shop.client().get_category(request).await.unwrap().into_inner();
            (category.name, category.etag)
        }
        Subject::Image => {
            let request = GetImageRequest { id: id.to_owned() };
            let image = shop.client().get_image(request).await.unwrap().into_inner();
            (image.alt, image.etag)
        }
    }
}

/// The RPC that changes some fields of what another is for.
fn update(rpc: &str) -> &'static str {
    match Subject::of(rpc) {
        Subject::Product => "UpdateProduct",
        Subject::ProductType => "UpdateProductType",
        Subject::Category => "UpdateCategory",
        Subject::Image => "UpdateImage",
    }
}

fn is_mismatch(status: &Status) -> bool {
    status.code() == Code::Aborted && reason(status) == "ETAG_MISMATCH"
}

#[tokio::test]
async fn what_the_contract_calls_conditional_changes_a_version_that_is_named_and_no_other() {
    let world = World::new().await;
    let shop = world.shop().await;
    for rpc in conditional() {
        let (id, first) = made_for(&shop, &rpc).await;
        call(&shop, update(&rpc), &id, &first, "before").await.unwrap();
        let before = now(&shop, &rpc, &id).await;
        let second = before.1.clone();
        let weak = format!("W/{second}");
        for versions in
            [first.as_str(), &weak, "1", "1,3", "3", "", "x", "2.0", "-2", "99999999999999999999"]
        {
            let refused = call(&shop, &rpc, &id, versions, "after").await.unwrap_err();
            assert!(is_mismatch(&refused), "{rpc} {versions}: {refused:?}");
            assert_eq!(now(&shop, &rpc, &id).await, before, "{rpc} {versions}");
        }
        call(&shop, &rpc, &id, &second, "after").await.unwrap();

        for versions in ["1", "\"1\"", "1,2", "\"2\", \"1\"", "*"] {
            let (id, _) = made_for(&shop, &rpc).await;
            call(&shop, &rpc, &id, versions, "after").await.unwrap();
        }
    }
    world.audit().await;
}

#[tokio::test]
async fn of_two_editors_of_one_version_exactly_one_wins() {
    let world = World::new().await;
    let shop = world.shop().await;
    for rpc in conditional() {
        for round in 0..10 {
            let (id, tag) = made_for(&shop, &rpc).await;
            let (one, other) = tokio::join!(
                call(&shop, &rpc, &id, &tag, "one"),
                call(&shop, update(&rpc), &id, &tag, "other"),
            );
            let is_deleted = one.is_ok() && rpc.contains("Delete");
            let (name, lost) = match (one, other) {
                (Ok(()), Err(lost)) => ("one", lost),
                (Err(lost), Ok(())) => ("other", lost),
                both => panic!("{rpc}, round {round}: {both:?}"),
            };
            if is_deleted {
                assert_eq!(lost.code(), Code::NotFound, "{rpc}: {lost:?}");
            } else {
                assert!(is_mismatch(&lost), "{rpc}: {lost:?}");
                assert_eq!(now(&shop, &rpc, &id).await, (name.to_owned(), "\"2\"".to_owned()));
            }
        }
    }
    world.audit().await;
}

#[tokio::test]
async fn what_does_not_exist_has_no_version_that_could_differ() {
    let world = World::new().await;
    let shop = world.shop().await;
    for rpc in conditional() {
        let (deleted, tag) = made_for(&shop, &rpc).await;
        call(&shop, &update(&rpc).replace("Update", "Delete"), &deleted, "*", "").await.unwrap();
        let never = match Subject::of(&rpc) {
            Subject::Product => id::new::<kind::Product>().to_string(),
            Subject::ProductType => "never".to_owned(),
            Subject::Category => id::new::<kind::Category>().to_string(),
            Subject::Image => id::new::<kind::Image>().to_string(),
        };
        for (id, versions) in [(&deleted, tag.as_str()), (&deleted, "*"), (&never, "1")] {
            let refused = call(&shop, &rpc, id, versions, "name").await.unwrap_err();
            assert_eq!(refused.code(), Code::NotFound, "{rpc} {versions}: {refused:?}");
        }
    }
}

#[tokio::test]
async fn a_sale_takes_no_editors_tag_away() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await;
    let order: OrderId = id::new();
    shop.reserve(order, &[(&product.id, 2)]).await.unwrap();
    call(&shop, "UpdateProduct", &product.id, &product.etag, "Held").await.unwrap();
    let tag = shop.get(&product.id).await.etag;
    shop.commit(order).await.unwrap();
    shop.adjust("key", &product.id, 5).await.unwrap();
    call(&shop, "UpdateProduct", &product.id, &tag, "Sold").await.unwrap();
    assert_eq!(world.stock(&product.id).await, (13, 0));
}

#[tokio::test]
async fn an_edit_that_changes_nothing_makes_a_version_all_the_same() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await;
    call(&shop, "UpdateProduct", &product.id, &product.etag, &product.name).await.unwrap();
    assert_ne!(shop.get(&product.id).await.etag, product.etag);
    let again = call(&shop, "UpdateProduct", &product.id, &product.etag, &product.name).await;
    assert!(is_mismatch(&again.unwrap_err()));
}

#[tokio::test]
async fn more_versions_than_anybody_has_read_are_no_condition() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 1).await;
    let refused = call(&shop, "DeleteProduct", &product.id, &["1"; 33].join(","), "").await;
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.code(), reason(&refused).as_str()),
        (Code::InvalidArgument, "MALFORMED_REQUEST")
    );
    assert_eq!(shop.get(&product.id).await, product);
}
