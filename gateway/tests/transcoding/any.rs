//! google.protobuf.Any, which only canonical JSON has.

use prost::Message as _;
use prost_reflect::{DynamicMessage, Value};

use crate::contracts::{CANONICAL, decode};

/// What is written for what is read.
fn rewritten(json: &str) -> String {
    let wire = CANONICAL.wire("test.Holder", json);
    String::from_utf8(CANONICAL.to_json(CANONICAL.descriptor("test.Holder"), &wire)).unwrap()
}

/// The wire bytes of an Any.
fn any(url: &str, value: Vec<u8>) -> Vec<u8> {
    let descriptor = CANONICAL.pool.get_message_by_name("google.protobuf.Any").unwrap();
    let mut any = DynamicMessage::new(descriptor);
    any.set_field_by_name("type_url", Value::String(url.to_owned()));
    any.set_field_by_name("value", Value::Bytes(value.into()));
    any.encode_to_vec()
}

fn refusal(json: &str) -> String {
    let id = CANONICAL.id("test.Holder");
    let read = CANONICAL.plans.json_to_wire(id, json.as_bytes(), &mut Vec::new());
    read.unwrap_err().to_string()
}

#[test]
fn an_any_has_the_members_of_what_it_holds_and_its_type() {
    let json =
        r#"{"any":{"@type":"type.googleapis.com/test.Tree","name":"root","left":{"name":"x"}}}"#;
    assert_eq!(rewritten(json), json);
    let wire = CANONICAL.wire("test.Holder", json);
    let holder = decode(CANONICAL.descriptor("test.Holder"), &wire);
    let any = holder.get_field_by_name("any").unwrap();
    let field = |name| any.as_message().unwrap().get_field_by_name(name).unwrap().into_owned();
    assert_eq!(field("type_url").as_str(), Some("type.googleapis.com/test.Tree"));
    let value = field("value");
    let held = decode(CANONICAL.descriptor("test.Tree"), value.as_bytes().unwrap());
    assert_eq!(held.to_string(), r#"name:"root",left{name:"x"}"#);
}

#[test]
fn what_is_no_object_in_json_stands_in_value() {
    for json in [
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Int32Value","value":12345}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.FieldMask","value":"a,bC"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Struct","value":{"a":[1,null]}}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Value","value":null}}"#,
        r#"{"any":{"@type":"example.org/x/google.protobuf.Timestamp","value":"1970-01-01T00:00:00Z"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.type.Decimal","value":"1.5"}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/google.protobuf.Any","value":{"@type":"type.googleapis.com/test.Nothing"}}}}"#,
        r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Any","value":{}}}"#,
        r#"{"any":{}}"#,
        r#"{"list":[{},{"@type":"type.googleapis.com/test.Nothing"}],"named":{"k":{}},"one":{}}"#,
    ] {
        assert_eq!(rewritten(json), json);
    }
}

#[test]
fn an_empty_message_may_stand_in_value_or_not() {
    let written = r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty"}}"#;
    let with_value = r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}}"#;
    assert_eq!(rewritten(written), written);
    assert_eq!(rewritten(with_value), written);
}

#[test]
fn the_type_may_be_anywhere_among_the_members() {
    let cases = [
        (
            r#"{"any":{"name":"root","@type":"type.googleapis.com/test.Tree"}}"#,
            r#"{"any":{"@type":"type.googleapis.com/test.Tree","name":"root"}}"#,
        ),
        (
            r#"{"any":{"value":"1s","@type":"type.googleapis.com/google.protobuf.Duration"}}"#,
            r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}}"#,
        ),
        // inside out, with names and strings that look like types, and a type that is escaped
        (
            r#"{"any":{"holder":{"name":"\"@type\":","list":[{"value":{"value":{"@type":"},"},
                "\u0040type":"a/google.protobuf.Struct"},"@type":"a/google.protobuf.Any"}]},
                "name":"@type" , "@type" : "a/test.Holder"}}"#,
            concat!(
                r#"{"any":{"@type":"a/test.Holder","name":"@type","holder":{"name":"\"@type\":","#,
                r#""list":[{"@type":"a/google.protobuf.Any","value":"#,
                r#"{"@type":"a/google.protobuf.Struct","value":{"@type":"},"}}}]}}}"#
            ),
        ),
    ];
    for (given, written) in cases {
        assert_eq!(rewritten(given), written);
    }
}

#[test]
fn an_any_that_is_wrong_is_refused_with_the_name_of_the_field() {
    let cases = [
        (r#"{"any":[]}"#, "any must be an object"),
        (r#"{"any":{"name":"x"}}"#, "any.@type must say what the object is"),
        (r#"{"any":{"@type":1}}"#, "any.@type must say what the object is"),
        (
            r#"{"list":[{},{"@type":"a/b.C"}]}"#,
            "list[1].@type names a/b.C, which is not a known type",
        ),
        (
            r#"{"any":{"@type":"test.Tree"}}"#,
            "any.@type names test.Tree, which is not a known type",
        ),
        (
            r#"{"any":{"@type":"a/test.Tree","x":1}}"#,
            "any.x is not a known field: known are name, left, right, children, named",
        ),
        (r#"{"any":{"@type":"a/test.Tree","name":1}}"#, "any.name must be a string"),
        (r#"{"any":{"@type":"a/test.Tree","@type":"a/test.Tree"}}"#, "any.@type is given twice"),
        (r#"{"any":{"@type":1,"@type":"a/test.Tree"}}"#, "any.@type is given twice"),
        (r#"{"any":{"@type":"a/test.Tree","name":"","name":""}}"#, "any.name is given twice"),
        (r#"{"any":{"@type":"a/google.protobuf.Duration"}}"#, "any.value must be given"),
        (
            r#"{"any":{"@type":"a/google.protobuf.Duration","value":null}}"#,
            "any.value must be a duration like 1.5s",
        ),
        (
            r#"{"any":{"@type":"a/google.protobuf.Duration","value":"1s","x":1}}"#,
            "any.x is not a known field",
        ),
        (
            r#"{"any":{"@type":"a/google.protobuf.Duration","value":"1s","value":"1s"}}"#,
            "any.value is given twice",
        ),
        (r#"{"any":{"name":"x","@type":"#, "any ends too early at byte 27"),
        (
            r#"{"any":{"@type":"a/test.Tree","name":"x"]]"#,
            "any has neither a comma nor a brace after a value at byte 40",
        ),
    ];
    for (json, message) in cases {
        assert_eq!(refusal(json), message, "{json}");
    }
}

#[test]
fn an_unknown_type_in_an_answer_is_named_for_the_log() {
    let any = any("a/b.C", Vec::new());
    let wire = [b"\x12", &[any.len() as u8][..], &any].concat();
    let id = CANONICAL.id("test.Holder");
    let error = CANONICAL.plans.wire_to_json(id, &wire, &mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), "any holds a/b.C, which is not a known type");
}

/// `depth` Any inside each other, with their types in front or at the end.
fn nested(depth: usize, is_first: bool) -> String {
    let name = r#""@type":"a/google.protobuf.Any""#;
    let (before, after) = match is_first {
        true => (format!(r#"{{{name},"value":"#), "}".to_owned()),
        false => (r#"{"value":"#.to_owned(), format!(",{name}}}")),
    };
    format!(r#"{{"any":{}{{}}{}}}"#, before.repeat(depth), after.repeat(depth))
}

#[test]
fn any_in_any_ends_where_other_nesting_ends() {
    for is_first in [true, false] {
        let wire = CANONICAL.wire("test.Holder", &nested(99, is_first));
        CANONICAL.to_json(CANONICAL.descriptor("test.Holder"), &wire);
        for depth in [100, 101, 100_000] {
            let message = refusal(&nested(depth, is_first));
            assert!(message.ends_with("is nested too deeply"), "{message}");
        }
    }
    // what a service sends
    let mut wire = Vec::new();
    for _ in 0..200 {
        wire = any("a/google.protobuf.Any", wire);
    }
    let id = CANONICAL.id("google.protobuf.Any");
    let error = CANONICAL.plans.wire_to_json(id, &wire, &mut Vec::new()).unwrap_err();
    assert_eq!(error.issue, "is nested too deeply");
}
