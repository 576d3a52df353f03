//! Products as a shop has them.

use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v1::{ListProductsResponse, Product};
use souk_proto::souk::types::v1::Pagination;

const DESCRIPTION: &str = "A sturdy everyday \"classic\" with a soft lining, two inner pockets and a \
    strap that does not slip.\nMade of recycled canvas — washes well at 30 °C, and is repaired for \
    free for as long as you keep it.";

/// The product with this number.
pub fn product(number: usize) -> Product {
    Product {
        id: format!("prod_01h455vb4pex5vsknk084sn{number:02}q"),
        sku: format!("BAG-CANVAS-{number:04}"),
        name: format!("Canvas bag, model {number}"),
        description: DESCRIPTION.to_owned(),
        price: Some(Decimal { value: format!("{}.90", 19 + number) }),
        available: 7 * number as i32,
        in_stock: number > 0,
        category_ids: vec![
            "cat_01h455vb4pex5vsknk084sn02q".to_owned(),
            "cat_01h455vb4pex5vsknk084sn03q".to_owned(),
        ],
        created_at: Some(prost_types::Timestamp { seconds: 1_735_689_600, nanos: 123_456_000 }),
        updated_at: Some(prost_types::Timestamp { seconds: 1_738_368_000, nanos: 0 }),
        etag: format!("W/\"{number:08x}\""),
    }
}

/// A page of so many products.
pub fn list(length: usize) -> ListProductsResponse {
    ListProductsResponse {
        data: (0..length).map(product).collect(),
        pagination: Some(Pagination {
            total_is_lower_bound: false,
            size: length as i32,
            next_cursor: Some(
                "eyJhZnRlciI6InByb2RfMDFoNDU1dmI0cGV4NXZza25rMDg0c24wMnEifQ".to_owned(),
            ),
            has_more: true,
            total: 1234,
            page: None,
            pages: None,
        }),
    }
}
