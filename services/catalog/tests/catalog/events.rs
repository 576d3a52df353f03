//! What happens to products is told in the transaction in which it happens, whoever does it.

use souk_kit::id::ProductId;
use souk_proto::souk::catalog::v2::{DeleteProductRequest, UpdateProductRequest};

use crate::support::{World, deletion, price, sku};

/// What was told of a product, in its order.
async fn told(world: &World, product: &str) -> Vec<(String, i64)> {
    let product: ProductId = product.parse().unwrap();
    sqlx::query_as("select kind, sequence from outbox where subject = $1 order by id")
        .bind(product.uuid())
        .fetch_all(&world.test.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn every_version_of_a_product_is_told_and_a_sale_is_none() {
    let world = World::new().await;
    let shop = world.shop().await;
    let category = shop.category("books").await;
    let product = shop.product_in(&sku(), 10, &[&category]).await;
    let update = UpdateProductRequest {
        id: product.id.clone(),
        price: Some(price("6.00")),
        ..UpdateProductRequest::default()
    };
    shop.client().update_product(shop.admin(update)).await.unwrap();
    shop.reserve(souk_kit::id::new(), &[(&product.id, 1)]).await.unwrap();
    shop.client().delete_category(shop.admin(deletion(category.id))).await.unwrap();
    let delete = DeleteProductRequest { id: product.id.clone() };
    shop.client().delete_product(shop.admin(delete)).await.unwrap();
    let expected = [
        ("product_created", 1),
        ("product_updated", 2),
        ("product_updated", 3),
        ("product_deleted", 4),
    ];
    let told = told(&world, &product.id).await;
    let told: Vec<_> = told.iter().map(|(kind, sequence)| (kind.as_str(), *sequence)).collect();
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_change_that_is_refused_is_not_told() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (one, other) = (shop.product("A", 1).await, shop.product("B", 1).await);
    let update = UpdateProductRequest {
        id: one.id.clone(),
        sku: Some(other.sku),
        ..UpdateProductRequest::default()
    };
    shop.client().update_product(shop.admin(update)).await.unwrap_err();
    assert_eq!(told(&world, &one.id).await.len(), 1);
}
