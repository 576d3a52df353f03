//! One field of a message as the whole JSON: `response_body`.

use crate::contracts::{CANONICAL, Contracts, PLAIN, styles};

fn field(contracts: &Contracts, name: &str, field: &str, json: &str) -> String {
    let wire = contracts.wire(name, json);
    let mut out = b"before".to_vec();
    contracts.plans.field_to_json(contracts.id(name), field, &wire, &mut out).unwrap();
    String::from_utf8(out.split_off(6)).unwrap()
}

#[test]
fn a_field_is_written_without_the_message_around_it() {
    let cases = [
        ("test.Scalars", "text", r#"{"text":"a"}"#, r#""a""#),
        ("test.Scalars", "int64_value", r#"{"int64_value":1}"#, r#""1""#),
        ("test.Lists", "texts", r#"{"texts":["a","b"]}"#, r#"["a","b"]"#),
        ("test.Maps", "int32s", r#"{"int32s":{"1":2}}"#, r#"{"1":2}"#),
        ("test.WellKnown", "duration", r#"{"duration":"1s"}"#, r#""1s""#),
        ("test.Oneofs", "text", r#"{"text":""}"#, r#""""#),
    ];
    for contracts in styles() {
        for (name, name_of_field, json, expected) in cases {
            assert_eq!(field(contracts, name, name_of_field, json), expected, "{json}");
        }
    }
    let json = r#"{"scalars":{"text":"a"}}"#;
    assert_eq!(field(&CANONICAL, "test.Optionals", "scalars", json), r#"{"text":"a"}"#);
}

#[test]
fn an_absent_field_is_what_its_style_writes() {
    let cases = [
        ("test.Scalars", "text", r#""""#, r#""""#),
        ("test.Scalars", "color", r#""unspecified""#, r#""COLOR_UNSPECIFIED""#),
        ("test.Optionals", "int32_value", "null", "0"),
        ("test.Optionals", "scalars", "null", "{}"),
        ("test.Lists", "int32s", "[]", "[]"),
        ("test.Maps", "strings", "{}", "{}"),
        ("test.Oneofs", "text", "null", r#""""#),
        ("test.WellKnown", "value", "null", "null"),
        ("test.WellKnown", "string_value", "null", r#""""#),
        ("test.WellKnown", "timestamp", "null", r#""1970-01-01T00:00:00Z""#),
    ];
    for (name, name_of_field, plain, canonical) in cases {
        assert_eq!(field(&PLAIN, name, name_of_field, "{}"), plain, "{name_of_field}");
        assert_eq!(field(&CANONICAL, name, name_of_field, "{}"), canonical, "{name_of_field}");
    }
}

#[test]
fn what_is_wrong_with_a_field_is_told_with_its_name() {
    let id = PLAIN.id("test.Scalars");
    let mut out = b"before".to_vec();
    let error = PLAIN.plans.field_to_json(id, "text", b"\x7a\x01\xff", &mut out).unwrap_err();
    assert_eq!(error.to_string(), "text is not UTF-8");
    assert_eq!(out, b"before");
    let id = PLAIN.id("test.Optionals");
    let selection = PLAIN.plans.select_within(id, "scalars", "text").unwrap();
    let wire = b"\x8a\x01\x03\x7a\x01\xff";
    let written = PLAIN.plans.field_to_json_selected(&selection, "scalars", wire, &mut out);
    assert_eq!(written.unwrap_err().to_string(), "scalars.text is not UTF-8");
    let id = PLAIN.id("test.Scalars");
    assert!(PLAIN.plans.field_to_json(id, "nothing", b"", &mut out).is_err());
}

#[test]
fn a_part_of_a_field_can_be_selected() {
    let cases = [
        (
            "test.Tree",
            "children",
            r#"{"children":[{"name":"a"},{"name":"b"}],"name":"x"}"#,
            "name",
            r#"[{"name":"a"},{"name":"b"}]"#,
        ),
        (
            "test.Tree",
            "left",
            r#"{"left":{"name":"a","right":{"name":"b"}}}"#,
            "right.name",
            r#"{"right":{"name":"b"}}"#,
        ),
        ("test.Tree", "left", "{}", "name", "{}"),
        ("test.Tree", "children", "{}", "name", "[]"),
    ];
    for (name, field, json, names, expected) in cases {
        let wire = CANONICAL.wire(name, json);
        let selection = CANONICAL.plans.select_within(CANONICAL.id(name), field, names).unwrap();
        let mut out = Vec::new();
        CANONICAL.plans.field_to_json_selected(&selection, field, &wire, &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{json}");
    }
}
