//! Pages are bounded in bytes, not only in rows; and rows of another release are nobody's misfortune.

use prost::Message as _;
use souk_proto::souk::catalog::v2::ListProductsRequest;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::{Shop, World, sku};

const MIB: usize = 1024 * 1024;

/// The products of a list, page by page; and how many pages there were.
async fn listed(shop: &Shop, size: i32) -> (Vec<String>, usize) {
    let (mut products, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let request = ListProductsRequest { size: Some(size), cursor, ..Default::default() };
        let page = shop.client().list_products(request).await.unwrap().into_inner();
        assert!(page.encoded_len() <= MIB + MIB / 10, "{} bytes", page.encoded_len());
        products.extend(page.data.into_iter().map(|product| product.id));
        pages += 1;
        let pagination = page.pagination.unwrap();
        assert_eq!(pagination.has_more, pagination.next_cursor.is_some());
        match pagination.next_cursor {
            Some(next) => cursor = next,
            None => return (products, pages),
        }
    }
}

async fn some_products(shop: &Shop, count: usize) -> Vec<String> {
    let mut products = Vec::new();
    for _ in 0..count {
        products.push(shop.product(&sku(), 1).await.id);
    }
    products
}

#[tokio::test]
async fn a_page_of_large_products_ends_early_or_says_how_many_fit() {
    let world = World::new().await;
    let shop = world.shop().await;
    let products = some_products(&shop, 90).await;
    // more than a description may be today; a later release may allow it
    world.test.sql("update products set description = repeat('x', 50000)").await;
    let (seen, pages) = listed(&shop, 100).await;
    assert_eq!(seen, products);
    assert!(pages > 3, "{pages} pages");

    let by_number =
        |size| ListProductsRequest { size: Some(size), page: Some(1), ..Default::default() };
    let refused = shop.client().list_products(by_number(100)).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "size");
    // it says how many would do
    let fit = violations[0].description.split(' ').find_map(|word| word.parse().ok()).unwrap();
    let page = shop.client().list_products(by_number(fit)).await.unwrap().into_inner();
    assert_eq!(page.data.len(), usize::try_from(fit).unwrap());
    assert!(page.encoded_len() < 4 * MIB, "more than clients take");
}

#[tokio::test]
async fn a_product_larger_than_a_page_is_a_page_of_its_own() {
    let world = World::new().await;
    let shop = world.shop().await;
    let products = some_products(&shop, 3).await;
    world.test.sql("update products set description = repeat('x', 1040000)").await;
    assert_eq!(listed(&shop, 100).await, (products, 3));
}

#[tokio::test]
async fn a_product_that_cannot_be_read_does_not_take_the_others_with_it() {
    let world = World::new().await;
    let shop = world.shop().await;
    let mut products = some_products(&shop, 12).await;
    world
        .test
        .sql(
            "update products set currency = 'ZZZ' where id in (
                 select id from (select id, row_number() over (order by id) as place from products)
                     as places
                 where place in (1, 5, 6, 7, 12))",
        )
        .await;
    for broken in [11, 6, 5, 4, 0] {
        products.remove(broken);
    }
    for size in [1, 2, 3, 5, 100] {
        assert_eq!(listed(&shop, size).await.0, products, "pages of {size}");
    }
    let mut by_number = Vec::new();
    for page in 1..=4 {
        let request = ListProductsRequest { size: Some(3), page: Some(page), ..Default::default() };
        let page = shop.client().list_products(request).await.unwrap().into_inner();
        by_number.extend(page.data.into_iter().map(|product| product.id));
    }
    assert_eq!(by_number, products);
}
