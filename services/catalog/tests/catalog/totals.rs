//! The length of a list is what the list has, whoever comes and goes.

use std::time::Duration;

use futures::future::join_all;
use futures::stream;
use souk_proto::souk::catalog::v2::{
    DeleteProductRequest, ImportProductsRequest, ListCategoriesRequest, ListProductsRequest,
};
use souk_testing::{Dice, Moment, leave_after};

use crate::support::{Shop, World, deletion, new_category, new_product, price, sku};

/// Creates and deletes, twice sometimes, and leaves in the middle now and then.
async fn come_and_go(shop: &Shop, seed: u64) {
    let mut dice = Dice::new(seed);
    let mut products: Vec<String> = Vec::new();
    for turn in 0..25 {
        let moment = Moment::ALL[usize::try_from(dice.below(2)).unwrap()];
        let polls = match dice.below(3) {
            0 => usize::try_from(dice.below(4)).unwrap(),
            _ => usize::MAX,
        };
        match dice.below(5) {
            0 | 1 => {
                // the sku of another, sometimes
                let sku = if turn % 7 == 0 { "SAME".to_owned() } else { sku() };
                let request = shop.admin(new_product(&sku, 1));
                let mut client = shop.client();
                let created = leave_after(polls, moment, client.create_product(request)).await;
                if let Some(Ok(product)) = created {
                    products.push(product.into_inner().id);
                }
            }
            2 => {
                let Some(id) = products.pop() else { continue };
                let delete = || {
                    let (mut client, request) =
                        (shop.client(), shop.admin(DeleteProductRequest { id: id.clone() }));
                    async move { client.delete_product(request).await }
                };
                let twice = async { tokio::join!(delete(), delete()) };
                if let Some((one, other)) = leave_after(polls, moment, twice).await {
                    assert!(one.is_ok() != other.is_ok(), "a product is deleted once");
                }
            }
            3 => {
                let mut client = shop.client();
                let request = shop.admin(new_category(&format!("c-{seed}-{turn}")));
                let created = leave_after(polls, moment, client.create_category(request)).await;
                if let Some(Ok(category)) = created
                    && turn % 2 == 0
                {
                    let request = deletion(category.into_inner().id);
                    client.delete_category(shop.admin(request)).await.unwrap();
                }
            }
            _ => {
                let row = |line| ImportProductsRequest {
                    line,
                    sku: sku(),
                    name: "Imported".to_owned(),
                    price: Some(price("1.00")),
                    categories: vec![format!("imported-{}", line % 3)],
                    ..ImportProductsRequest::default()
                };
                let rows: Vec<_> = (1..=10).map(row).collect();
                let request = shop.admin(stream::iter(rows));
                let mut client = shop.client();
                let _ = leave_after(polls, moment, client.import_products(request)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn totals_are_exact_while_many_create_delete_and_import() {
    let world = World::new().await;
    let shops = [world.shop().await, world.shop().await];
    let coming_and_going = join_all((0..12).map(|seed| {
        let shop = &shops[usize::try_from(seed % 2).unwrap()];
        come_and_go(shop, seed)
    }));
    let auditing = async {
        loop {
            world.audit().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = coming_and_going => {}
        () = auditing => {}
    }
    world.audit().await;
    // and it is what the lists say
    let request = ListProductsRequest { page: Some(1), ..Default::default() };
    let list = shops[0].client().list_products(request).await.unwrap().into_inner();
    let products = world.test.count("products where deleted_at is null").await;
    assert_eq!(i64::from(list.pagination.unwrap().total), products);
    let request = ListCategoriesRequest { page: Some(1), ..Default::default() };
    let list = shops[0].client().list_categories(request).await.unwrap().into_inner();
    let categories = world.test.count("categories").await;
    assert_eq!(i64::from(list.pagination.unwrap().total), categories);
    assert!(products > 20 && categories > 5, "{products} products, {categories} categories");
}
