//! Pages are bounded in bytes, not only in orders.

use prost::Message as _;
use souk_proto::souk::orders::v1::ListOrdersRequest;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::support::World;

const MIB: usize = 1024 * 1024;

#[tokio::test]
async fn a_page_of_large_orders_ends_early_or_says_how_many_fit() {
    const ORDERS: usize = 40;
    let world = World::new().await;
    let products: Vec<String> = (0..100).map(|_| world.catalog.product("1.00", 100)).collect();
    let items: Vec<(&str, i32)> = products.iter().map(|product| (product.as_str(), 1)).collect();
    let shop = world.shop().await;
    let buyer = world.buyer();
    for number in 0..ORDERS {
        shop.order(&buyer, &format!("key-{number}"), &items).await;
    }
    // as long as the names of products may be, in the largest letters
    world.test.sql("update order_lines set name = repeat('𝒮', 200)").await;

    let (mut seen, mut cursor, mut pages) = (0, String::new(), 0);
    loop {
        let request = ListOrdersRequest { size: Some(100), cursor, ..ListOrdersRequest::default() };
        let page = shop.client().list_orders(buyer.sign(request)).await.unwrap().into_inner();
        assert!(page.encoded_len() <= MIB + MIB / 10, "{} bytes", page.encoded_len());
        (seen, pages) = (seen + page.data.len(), pages + 1);
        let pagination = page.pagination.unwrap();
        assert_eq!(pagination.has_more, pagination.next_cursor.is_some());
        match pagination.next_cursor {
            Some(next) => cursor = next,
            None => break,
        }
    }
    assert_eq!(seen, ORDERS);
    assert!(pages > 1, "one page of {ORDERS} large orders");

    let by_number =
        |size| ListOrdersRequest { size: Some(size), page: Some(1), ..Default::default() };
    let refused = shop.client().list_orders(buyer.sign(by_number(100))).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let violations = refused.get_details_bad_request().unwrap().field_violations;
    assert_eq!(violations[0].field, "size");
    // it says how many would do
    let fit = violations[0].description.split(' ').find_map(|word| word.parse().ok()).unwrap();
    let page = shop.client().list_orders(buyer.sign(by_number(fit))).await.unwrap().into_inner();
    assert_eq!(page.data.len(), usize::try_from(fit).unwrap());
    assert!(page.encoded_len() < 4 * MIB, "more than clients take");
}
