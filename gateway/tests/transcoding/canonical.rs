//! Canonical JSON, as protobuf.dev and the conformance tests of protobuf have it.

use crate::contracts::{CANONICAL, decode};

/// The JSON of a message that is given as JSON.
fn rewritten(name: &str, json: &str) -> String {
    let wire = CANONICAL.wire(name, json);
    String::from_utf8(CANONICAL.to_json(CANONICAL.descriptor(name), &wire)).unwrap()
}

fn refusal(name: &str, json: &str) -> (String, String) {
    let read = CANONICAL.plans.json_to_wire(CANONICAL.id(name), json.as_bytes(), &mut Vec::new());
    let error = read.unwrap_err();
    (error.field, error.issue.into_owned())
}

#[test]
fn what_is_read_is_written_in_its_canonical_form() {
    let cases = [
        // names, of JSON and of the contract
        (
            "test.Scalars",
            r#"{"int32Value":1,"int64_value":2}"#,
            r#"{"int32Value":1,"int64Value":"2"}"#,
        ),
        // zeros without presence are left out, with presence they are not
        ("test.Scalars", r#"{"text":"","int32Value":0,"boolValue":false,"color":0}"#, "{}"),
        ("test.Scalars", r#"{"doubleValue":-0.0}"#, r#"{"doubleValue":-0}"#),
        (
            "test.Optionals",
            r#"{"text":"","int32Value":0,"boolValue":false,"color":0,"scalars":{}}"#,
            r#"{"int32Value":0,"boolValue":false,"text":"","color":"COLOR_UNSPECIFIED","scalars":{}}"#,
        ),
        ("test.Optionals", r#"{"text":null,"scalars":null}"#, "{}"),
        ("test.Lists", r#"{"texts":[],"int32s":[],"scalars":[]}"#, "{}"),
        ("test.Lists", r#"{"texts":null,"scalars":[{}]}"#, r#"{"scalars":[{}]}"#),
        ("test.Maps", r#"{"strings":{},"bools":null}"#, "{}"),
        ("test.Maps", r#"{"strings":{"":""}}"#, r#"{"strings":{"":""}}"#),
        ("test.Oneofs", r#"{"text":"","flag":false}"#, r#"{"text":"","flag":false}"#),
        ("test.Oneofs", r#"{"text":null,"number":1}"#, r#"{"number":"1"}"#),
        ("test.Oneofs", r#"{"number":1,"text":null}"#, r#"{"number":"1"}"#),
        ("test.Oneofs", r#"{"nothing":null}"#, r#"{"nothing":null}"#),
        ("test.Oneofs", r#"{"nothing":"NULL_VALUE"}"#, r#"{"nothing":null}"#),
        ("test.Oneofs", r#"{"value":null}"#, r#"{"value":null}"#),
        // enum values by name or number, written by name
        ("test.Scalars", r#"{"color":"COLOR_RED"}"#, r#"{"color":"COLOR_RED"}"#),
        ("test.Scalars", r#"{"color":2}"#, r#"{"color":"COLOR_DARK_BLUE"}"#),
        ("test.Scalars", r#"{"color":77}"#, r#"{"color":77}"#),
        ("test.Aliases", r#"{"aliased":"ALIASED_ONE_AGAIN"}"#, r#"{"aliased":"ALIASED_ONE"}"#),
        // numbers in all their forms
        (
            "test.Scalars",
            r#"{"int32Value":"2\u003147483647","uint32Value":4294967295.0,"sint32Value":-1e3}"#,
            r#"{"int32Value":2147483647,"uint32Value":4294967295,"sint32Value":-1000}"#,
        ),
        (
            "test.Scalars",
            r#"{"doubleValue":"NaN","floatValue":"-Infinity"}"#,
            r#"{"doubleValue":"NaN","floatValue":"-Infinity"}"#,
        ),
        ("test.Scalars", r#"{"doubleValue":"1.5e3"}"#, r#"{"doubleValue":1500}"#),
        (
            "test.Scalars",
            r#"{"uint64Value":18446744073709551615,"fixed64Value":"1e5"}"#,
            r#"{"uint64Value":"18446744073709551615","fixed64Value":"100000"}"#,
        ),
        ("test.Scalars", r#"{"bytesValue":"-_8"}"#, r#"{"bytesValue":"+/8="}"#),
        // well-known types
        ("test.WellKnown", r#"{"mask":"foo,barBaz.quxX"}"#, r#"{"mask":"foo,barBaz.quxX"}"#),
        ("test.WellKnown", r#"{"mask":""}"#, r#"{"mask":""}"#),
        ("test.WellKnown", r#"{"decimal":{"value":"1.50"}}"#, r#"{"decimal":{"value":"1.50"}}"#),
        ("test.WellKnown", r#"{"decimal":{}}"#, r#"{"decimal":{}}"#),
        (
            "test.WellKnown",
            r#"{"timestamp":"1970-01-01T01:00:00.010+01:00","duration":"-0.5s"}"#,
            r#"{"timestamp":"1970-01-01T00:00:00.010Z","duration":"-0.500s"}"#,
        ),
        (
            "test.WellKnown",
            r#"{"boolValue":false,"int64Value":"0","stringValue":"","doubleValue":null}"#,
            r#"{"int64Value":"0","boolValue":false,"stringValue":""}"#,
        ),
        ("test.WellKnown", r#"{"value":null}"#, r#"{"value":null}"#),
        ("test.WellKnown", r#"{"list":[],"struct":{}}"#, r#"{"struct":{},"list":[]}"#),
        (
            "test.WellKnown",
            r#"{"struct":{"b":[1,"2",null,{"c":true}],"a":null}}"#,
            r#"{"struct":{"a":null,"b":[1,"2",null,{"c":true}]}}"#,
        ),
    ];
    for (name, given, written) in cases {
        assert_eq!(rewritten(name, given), written, "{given}");
    }
}

#[test]
fn what_is_not_canonical_is_refused() {
    let names =
        r#"must be one of "COLOR_UNSPECIFIED", "COLOR_RED", "COLOR_DARK_BLUE", "COLOR_NEGATIVE""#;
    let cases = [
        ("test.MapHolder", r#"{"unknown":1}"#, "unknown", "is not a known field: known are inner"),
        ("test.MapHolder", r#"{"INNER":1}"#, "INNER", "is not a known field: known are inner"),
        ("test.Scalars", r#"{"color":"red"}"#, "color", names),
        ("test.Scalars", r#"{"color":"1"}"#, "color", names),
        ("test.Scalars", r#"{"int32Value":1,"int32Value":1}"#, "int32Value", "is given twice"),
        ("test.Scalars", r#"{"int32Value":1,"int32_value":null}"#, "int32_value", "is given twice"),
        (
            "test.Maps",
            r#"{"strings":{"a":"1","b":"","\u0061":"2"}}"#,
            "strings.a",
            "is given twice",
        ),
        ("test.WellKnown", r#"{"struct":{"a":1,"a":1}}"#, "struct.a", "is given twice"),
        ("test.WellKnown", r#"{"decimal":1.5}"#, "decimal", "must be an object"),
        (
            "test.WellKnown",
            r#"{"mask":"foo,bar_bar"}"#,
            "mask",
            "must be names in lowerCamelCase with commas between",
        ),
        ("test.WellKnown", r#"{"empty":{"a":1}}"#, "empty.a", "is not a known field"),
    ];
    for (name, json, field, issue) in cases {
        assert_eq!(refusal(name, json), (field.to_owned(), issue.to_owned()), "{json}");
    }
}

#[test]
fn a_mask_that_would_not_read_back_is_not_written() {
    for path in ["fooBar", "foo_3_bar", "foo__bar", "foo_", "a_.b"] {
        let inner = [b"\x0a", &[path.len() as u8][..], path.as_bytes()].concat();
        let wire = [b"\x1a", &[inner.len() as u8][..], &inner].concat();
        let id = CANONICAL.id("test.WellKnown");
        let error = CANONICAL.plans.wire_to_json(id, &wire, &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "mask has a name that JSON cannot say", "{path}");
    }
}

#[test]
fn zeros_on_the_wire_are_left_out_like_absent_ones() {
    // an int32 in many bytes, an empty string, a fixed32
    let scalars = b"\x18\x80\x80\x80\x80\x00\x7a\x00\x4d\x00\x00\x00\x00";
    let json = CANONICAL.to_json(CANONICAL.descriptor("test.Scalars"), scalars);
    assert_eq!(json, b"{}");
    let json = CANONICAL.to_json(CANONICAL.descriptor("test.Lists"), b"\x1a\x00\x1a\x00");
    assert_eq!(json, b"{}");
    let json = CANONICAL.to_json(CANONICAL.descriptor("test.Lists"), b"\x1a\x00\x1a\x01\x00");
    assert_eq!(json, br#"{"int32s":[0]}"#);
}

#[test]
fn names_of_json_are_those_of_the_descriptor() {
    let wire = CANONICAL.wire("test.Scalars", r#"{"farAway":"x"}"#);
    let message = decode(CANONICAL.descriptor("test.Scalars"), &wire);
    assert_eq!(message.get_field_by_name("far_away").unwrap().as_str(), Some("x"));
}
