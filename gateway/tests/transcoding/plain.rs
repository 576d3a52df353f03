//! What only plain JSON has.

use prost::Message as _;
use prost_reflect::DescriptorPool;
use souk_gateway::transcode::{Plans, Style};

use crate::contracts::{PLAIN, decode};

#[test]
fn a_list_of_products_reads_as_its_contract_says() {
    let json = br#"{"data":[{"id":"prod_1","sku":"A","name":"\u00c5 \"B\"","price":599.00,
        "available":3,"in_stock":true,"category_ids":["cat_1"],"created_at":"2025-01-31T12:00:00+01:00"}],
        "pagination":{"size":20}}"#;
    let mut wire = Vec::new();
    let id = PLAIN.id("souk.catalog.v1.ListProductsResponse");
    PLAIN.plans.json_to_wire(id, json, &mut wire).unwrap();
    let list = souk_proto::souk::catalog::v1::ListProductsResponse::decode(&*wire).unwrap();
    assert_eq!(list.data[0].price.as_ref().unwrap().value, "599.00");

    let mut json = Vec::new();
    PLAIN.plans.wire_to_json(id, &list.encode_to_vec(), &mut json).unwrap();
    assert_eq!(
        String::from_utf8(json).unwrap(),
        concat!(
            r#"{"data":[{"id":"prod_1","sku":"A","name":"Å \"B\"","description":"","price":599.00,"#,
            r#""available":3,"in_stock":true,"category_ids":["cat_1"],"#,
            r#""created_at":"2025-01-31T11:00:00Z","updated_at":null,"etag":""}],"#,
            r#""pagination":{"size":20,"next_cursor":null,"has_more":false,"total":0,"#,
            r#""page":null,"pages":null,"total_is_lower_bound":false}}"#
        )
    );
}

#[test]
fn a_decimal_without_digits_is_zero() {
    let product = souk_proto::souk::catalog::v1::Product {
        price: Some(souk_proto::google::r#type::Decimal::default()),
        ..Default::default()
    };
    let json = PLAIN.to_json(PLAIN.descriptor("souk.catalog.v1.Product"), &product.encode_to_vec());
    assert!(String::from_utf8(json).unwrap().contains(r#""price":0,"#));
}

#[test]
fn fragments_merge_in_the_order_in_which_they_are_appended() {
    let id = PLAIN.id("test.Optionals");
    let mut wire = Vec::new();
    PLAIN.plans.json_to_wire(id, br#"{"text":"a","scalars":{"text":"b"}}"#, &mut wire).unwrap();
    PLAIN.plans.json_field_to_wire(id, "scalars", br#"{"bool_value":true}"#, &mut wire).unwrap();
    PLAIN.plans.json_to_wire(id, br#"{"text":"c"}"#, &mut wire).unwrap();
    let message = decode(PLAIN.descriptor("test.Optionals"), &wire);
    let expected = PLAIN.to_message(
        PLAIN.descriptor("test.Optionals"),
        br#"{"text":"c","scalars":{"text":"b","bool_value":true}}"#,
    );
    assert_eq!(message, expected);
}

#[test]
fn a_contract_that_json_cannot_say_is_refused_at_the_start() {
    let pool = DescriptorPool::global();
    let any = pool.get_message_by_name("google.protobuf.Any").unwrap();
    let error = Plans::compile([any], Style::Plain).unwrap_err();
    assert_eq!(error.name, "google.protobuf.Any");
}
