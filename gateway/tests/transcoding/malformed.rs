//! What is not JSON, not the right JSON or not protobuf: refused, with the name of the field.

use prost_reflect::DynamicMessage;

use crate::contracts::PLAIN;

#[test]
fn an_error_names_the_field_and_what_is_wrong_with_it() {
    let cases = [
        (
            "souk.orders.v1.CreateOrderRequest",
            r#"{"items":[{"product_id":"a","quantity":1},{"product_id":"b","quantity":1.5}]}"#,
            "items[1].quantity",
            "must be an integer",
        ),
        (
            "souk.catalog.v1.CreateProductRequest",
            r#"{"price":"cheap"}"#,
            "price",
            "must be a number",
        ),
        (
            "souk.catalog.v1.CreateProductRequest",
            r#"{"price":{"value":"1"}}"#,
            "price",
            "must be a number",
        ),
        (
            "souk.catalog.v1.CreateProductRequest",
            r#"{"price":"1.0 "}"#,
            "price",
            "must be a number",
        ),
        ("souk.catalog.v1.CreateProductRequest", r#"{"price":"+1"}"#, "price", "must be a number"),
        (
            "souk.catalog.v1.CreateProductRequest",
            r#"{"categoryIds":[]}"#,
            "categoryIds",
            "is not a known field: known are sku, name, description, price, available, category_ids",
        ),
        (
            "souk.catalog.v1.CreateProductRequest",
            r#"{"category_ids":["a",1]}"#,
            "category_ids[1]",
            "must be a string",
        ),
        (
            "souk.catalog.v1.CreateProductRequest",
            r#"{"category_ids":["a",null]}"#,
            "category_ids[1]",
            "must be a string",
        ),
        (
            "souk.catalog.v1.CreateProductRequest",
            r#"{"category_ids":"a"}"#,
            "category_ids",
            "must be a list",
        ),
        (
            "souk.catalog.v1.CreateProductRequest",
            r#"{"sku":"a","sku":"a"}"#,
            "sku",
            "is given twice",
        ),
        (
            "souk.catalog.v1.CreateProductRequest",
            r#"{"sku":null,"sku":"a"}"#,
            "sku",
            "is given twice",
        ),
        ("souk.catalog.v1.CreateProductRequest", r#"[]"#, "", "must be an object"),
        (
            "test.Scalars",
            r#"{"int32_value":2147483648}"#,
            "int32_value",
            "must be an integer from -2147483648 to 2147483647",
        ),
        (
            "test.Scalars",
            r#"{"int32_value":1e400}"#,
            "int32_value",
            "must be an integer from -2147483648 to 2147483647",
        ),
        (
            "test.Scalars",
            r#"{"uint64_value":"-1"}"#,
            "uint64_value",
            "must be an integer from 0 to 18446744073709551615",
        ),
        ("test.Scalars", r#"{"int64_value":" 1"}"#, "int64_value", "must be an integer"),
        ("test.Scalars", r#"{"int64_value":"NaN"}"#, "int64_value", "must be an integer"),
        ("test.Scalars", r#"{"int64_value":true}"#, "int64_value", "must be an integer"),
        ("test.Scalars", r#"{"double_value":1e400}"#, "double_value", "is too large"),
        ("test.Scalars", r#"{"float_value":1e39}"#, "float_value", "is too large"),
        ("test.Scalars", r#"{"float_value":"inf"}"#, "float_value", "must be a number"),
        ("test.Scalars", r#"{"bool_value":"true"}"#, "bool_value", "must be true or false"),
        ("test.Scalars", r#"{"bytes_value":"!"}"#, "bytes_value", "must be base64"),
        (
            "test.Scalars",
            r#"{"color":"Red"}"#,
            "color",
            r#"must be one of "unspecified", "red", "dark_blue", "negative""#,
        ),
        ("test.Scalars", r#"{"color":1.5}"#, "color", "must be an integer"),
        ("test.Scalars", r#"{"color":[]}"#, "color", "must be the name of a value"),
        ("test.Maps", r#"{"int32s":{"a":1}}"#, "int32s.a", "must be an integer"),
        ("test.Maps", r#"{"bools":{"1":true}}"#, "bools.1", "must be true or false"),
        ("test.Maps", r#"{"strings":{"a":"","a":""}}"#, "strings.a", "is given twice"),
        ("test.Maps", r#"{"strings":{"a":null}}"#, "strings.a", "must be a string"),
        (
            "test.Maps",
            r#"{"messages":{"a":{"scalars":{"text":1}}}}"#,
            "messages.a.scalars.text",
            "must be a string",
        ),
        (
            "test.Oneofs",
            r#"{"text":"a","number":1}"#,
            "number",
            "cannot be given together with another of its alternatives",
        ),
        (
            "test.Oneofs",
            r#"{"nothing":null,"text":"a"}"#,
            "text",
            "cannot be given together with another of its alternatives",
        ),
        (
            "test.WellKnown",
            r#"{"timestamp":"2025-02-30T00:00:00Z"}"#,
            "timestamp",
            "must be a time like 2025-01-31T23:59:59Z",
        ),
        (
            "test.WellKnown",
            r#"{"timestamp":0}"#,
            "timestamp",
            "must be a time like 2025-01-31T23:59:59Z",
        ),
        ("test.WellKnown", r#"{"duration":"1"}"#, "duration", "must be a duration like 1.5s"),
        ("test.WellKnown", r#"{"mask":"a,"}"#, "mask", "must be names with commas between"),
        ("test.WellKnown", r#"{"struct":[]}"#, "struct", "must be an object"),
        ("test.WellKnown", r#"{"list":{}}"#, "list", "must be a list"),
        ("test.WellKnown", r#"{"empty":{"a":1}}"#, "empty.a", "is not a known field"),
        ("test.WellKnown", r#"{"value":{"a":[1e999]}}"#, "value.a[0]", "is too large"),
    ];
    for (name, json, field, issue) in cases {
        let mut wire = Vec::new();
        let error =
            PLAIN.plans.json_to_wire(PLAIN.id(name), json.as_bytes(), &mut wire).expect_err(json);
        assert_eq!((&*error.field, &*error.issue, error.offset), (field, issue, None), "{json}");
    }
}

#[test]
fn broken_json_is_refused_with_the_place_where_it_breaks() {
    let cases: [(&[u8], usize); 24] = [
        (b"", 0),
        (b" ", 1),
        (b"{", 1),
        (b"{\"text\"", 7),
        (b"{\"text\":", 8),
        (b"{\"text\":}", 8),
        (b"{\"text\":\"a", 10),
        (b"{\"text\":\"a\"", 11),
        (b"{\"text\":\"a\",}", 12),
        (b"{text:\"a\"}", 1),
        (b"{'text':1}", 1),
        (b"{\"text\":\"a\"}x", 12),
        (b"{\"text\":\"a\"}{}", 12),
        (b"{\"text\":\"\\x\"}", 9),
        (b"{\"text\":\"\\u12\"}", 9),
        (b"{\"text\":\"\\ud800\"}", 9),
        (b"{\"text\":\"\\udc00\"}", 9),
        (b"{\"text\":\"\\ud800\\u0041\"}", 9),
        (b"{\"text\":\"\n\"}", 9),
        (b"{\"text\":\"\xff\"}", 9),
        (b"{\"int32_value\":01}", 15),
        (b"{\"int32_value\":-}", 15),
        (b"{\"bool_value\":tru}", 14),
        (b"{\"text\":nil}", 8),
    ];
    for (json, offset) in cases {
        let mut wire = Vec::new();
        let error =
            PLAIN.plans.json_to_wire(PLAIN.id("test.Scalars"), json, &mut wire).unwrap_err();
        assert_eq!(error.offset, Some(offset), "{}: {error}", String::from_utf8_lossy(json));
    }
}

#[test]
fn nesting_ends_where_the_services_end_it() {
    let tree = |depth: usize| r#"{"left":"#.repeat(depth) + "{}" + &"}".repeat(depth);
    let values = |depth: usize| {
        format!("{}{}", r#"{"value":"#, "[".repeat(depth) + &"]".repeat(depth) + "}")
    };
    let id = PLAIN.id("test.Tree");
    let mut wire = Vec::new();
    PLAIN.plans.json_to_wire(id, tree(100).as_bytes(), &mut wire).unwrap();
    PLAIN.plans.wire_to_json(id, &wire, &mut Vec::new()).unwrap();
    DynamicMessage::decode(PLAIN.descriptor("test.Tree").clone(), &*wire).unwrap();
    for depth in [101, 100_000] {
        let error = PLAIN.plans.json_to_wire(id, tree(depth).as_bytes(), &mut wire).unwrap_err();
        assert_eq!(error.issue, "is nested too deeply");
    }
    let id = PLAIN.id("test.WellKnown");
    assert!(PLAIN.plans.json_to_wire(id, values(40).as_bytes(), &mut wire).is_ok());
    assert!(PLAIN.plans.json_to_wire(id, values(100_000).as_bytes(), &mut wire).is_err());
}

#[test]
fn wire_bytes_without_json_are_refused_with_the_name_of_the_field() {
    let cases: [(&str, &[u8], &str, &str); 9] = [
        ("test.Scalars", b"\x7a\x05ab", "", "ends too early"),
        ("test.Scalars", b"\x7a\x02\xff\xfe", "text", "is not UTF-8"),
        ("test.Scalars", b"\x78\x01", "text", "has the wrong wire type"),
        ("test.Scalars", b"\x1b\x1c", "int32_value", "has the wrong wire type"),
        ("test.Scalars", b"\x00\x01", "", "has a field with the number 0"),
        (
            "test.WellKnown",
            b"\x0a\x07\x08\xff\xff\xff\xff\xff\x7f",
            "timestamp",
            "is a time outside the years 1 to 9999",
        ),
        ("test.WellKnown", b"\x92\x01\x06\x0a\x04cent", "decimal", "is not a decimal number"),
        ("test.Lists", b"\x1a\x01\x80", "int32s", "ends too early"),
        ("test.Maps", b"\x0a\x04\x0a\x02\xc3\x28", "strings", "is not UTF-8"),
    ];
    for (name, wire, field, issue) in cases {
        let error = PLAIN.plans.wire_to_json(PLAIN.id(name), wire, &mut Vec::new()).unwrap_err();
        assert_eq!((&*error.field, &*error.issue), (field, issue), "{wire:?}");
    }
}
