//! The etag of a product speaks of its content, and of nothing else.

use souk_kit::id::{self, OrderId};
use souk_proto::souk::catalog::v2::{Product, UpdateProductRequest};

use crate::support::{World, deletion};

fn version(product: &Product) -> (String, Option<prost_types::Timestamp>) {
    (product.etag.clone(), product.updated_at)
}

#[tokio::test]
async fn a_sale_changes_no_version() {
    let world = World::new().await;
    let shop = world.shop().await;
    let product = shop.product("BOOK", 10).await;
    let id = product.id.as_str();
    let (sold, returned, over): (OrderId, OrderId, OrderId) = (id::new(), id::new(), id::new());
    for order in [sold, returned, over] {
        shop.reserve(order, &[(id, 2)]).await.unwrap();
    }
    shop.commit(sold).await.unwrap();
    shop.release(returned).await.unwrap();
    world.test.sql("update reservations set expires_at = now() where status = 'held'").await;
    shop.work();
    crate::support::soon("it expires", || async { world.stock(id).await == (8, 0) }).await;
    shop.adjust("key", id, 5).await.unwrap();
    let after = shop.get(id).await;
    assert_eq!(after.available, 13);
    assert_eq!(version(&after), version(&product));
}

#[tokio::test]
async fn deleting_a_category_changes_the_products_that_were_in_it() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (books, maps) = (shop.category("books").await, shop.category("maps").await);
    let within = shop.product_in("IN-BOTH", 1, &[&books, &maps]).await;
    let beside = shop.product_in("IN-MAPS", 1, &[&maps]).await;
    let request = shop.admin(deletion(books.id));
    shop.client().delete_category(request).await.unwrap();
    let after = shop.get(&within.id).await;
    assert_eq!(after.category_ids, [maps.id]);
    assert_ne!(after.etag, within.etag);
    assert!(
        after.updated_at.map(|at| (at.seconds, at.nanos))
            > within.updated_at.map(|at| (at.seconds, at.nanos))
    );
    assert_eq!(version(&shop.get(&beside.id).await), version(&beside));
    world.audit().await;
}

#[tokio::test]
async fn of_changes_at_the_same_time_each_is_whole_and_a_version_has_one_content() {
    let world = World::new().await;
    let shop = world.shop().await;
    let (books, maps) = (shop.category("books").await, shop.category("maps").await);
    let product = shop.product_in("BOOK", 1, &[]).await;
    let change = |categories: Option<&str>, name: &str| {
        let category_ids = categories.map(str::to_owned).into_iter().collect();
        let name = Some(name.to_owned());
        shop.admin(UpdateProductRequest {
            id: product.id.clone(),
            name,
            category_ids,
            ..Default::default()
        })
    };
    for round in 0..25 {
        let name = format!("round {round}");
        let (mut first, mut second, mut third) = (shop.client(), shop.client(), shop.client());
        let (first, second, third) = tokio::join!(
            first.update_product(change(Some(&books.id), &name)),
            second.update_product(change(Some(&maps.id), &name)),
            third.update_product(change(None, &name)),
        );
        let now = shop.get(&product.id).await;
        assert_eq!(now.category_ids.len(), 1, "{now:?}");
        let told = [first, second, third].map(|changed| changed.unwrap().into_inner());
        let last = told.iter().find(|told| told.etag == now.etag).expect("the last change");
        assert_eq!(*last, now);
    }
}

#[tokio::test]
async fn a_category_that_is_deleted_while_products_come_into_it_leaves_them_another_version() {
    let world = World::new().await;
    let shop = world.shop().await;
    for round in 0..25 {
        let category = shop.category(&format!("round-{round}")).await;
        let product = shop.product_in(&format!("BOOK-{round}"), 1, &[]).await;
        let into = UpdateProductRequest {
            id: product.id.clone(),
            category_ids: vec![category.id.clone()],
            ..Default::default()
        };
        let (mut first, mut second) = (shop.client(), shop.client());
        let (changed, deleted) = tokio::join!(
            first.update_product(shop.admin(into)),
            second.delete_category(shop.admin(deletion(category.id))),
        );
        deleted.unwrap();
        let now = shop.get(&product.id).await;
        assert!(now.category_ids.is_empty());
        if let Ok(changed) = changed {
            assert_ne!(changed.into_inner().etag, now.etag, "round {round}");
        }
    }
}

#[tokio::test]
async fn a_change_of_its_content_changes_the_version() {
    let world = World::new().await;
    let shop = world.shop().await;
    let before = shop.product("BOOK", 1).await;
    let name = Some("Another name".to_owned());
    let change = UpdateProductRequest { id: before.id.clone(), name, ..Default::default() };
    let changed = shop.client().update_product(shop.admin(change)).await.unwrap().into_inner();
    assert_ne!(changed.etag, before.etag);
    assert_eq!(shop.get(&before.id).await, changed);
}
