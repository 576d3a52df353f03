//! Groups, which are messages between two tags.

use prost::Message as _;
use prost_reflect::DynamicMessage;
use souk_gateway::transcode::Params;

use crate::contracts::{CANONICAL, PLAIN, decode, styles};

#[test]
fn a_group_is_an_object_in_json() {
    let json = concat!(
        r#"{"number":1,"single":{"text":"a","inner":{"numbers":[1,2]}},"#,
        r#""item":[{"text":"b"},{"groups":{"number":2}}],"chosen":{"flag":true}}"#
    );
    let wire = CANONICAL.wire("test.Groups", json);
    let descriptor = CANONICAL.descriptor("test.Groups");
    assert_eq!(String::from_utf8(CANONICAL.to_json(descriptor, &wire)).unwrap(), json);
    // the oracle reads the same groups, and writes them as we do
    let message = DynamicMessage::decode(descriptor.clone(), &*wire).unwrap();
    assert_eq!(message.encode_to_vec().len(), wire.len());
}

#[test]
fn a_parameter_may_be_in_a_group() {
    let mut wire = Vec::new();
    let mut params = Params::new(&PLAIN.plans, PLAIN.id("test.Groups"));
    params.append_query("single.text=a&single.inner.numbers=1&number=3", &mut wire).unwrap();
    let message = decode(PLAIN.descriptor("test.Groups"), &wire);
    let json = br#"{"single":{"text":"a","inner":{"numbers":[1]}},"number":3}"#;
    assert_eq!(message, PLAIN.to_message(PLAIN.descriptor("test.Groups"), json));
}

#[test]
fn groups_that_are_not_known_are_passed_over() {
    for contracts in styles() {
        // an unknown group with a group, a string and a number in it, then `lastOne`
        let wire = b"\xa3\x06\x0b\x0c\x12\x01\x04\x08\x04\xa4\x06\x68\x01";
        let json = contracts.to_json(contracts.descriptor("test.Groups"), wire);
        let json = String::from_utf8(json).unwrap();
        assert!(json.contains("true"), "{json}");
    }
}

#[test]
fn a_group_that_does_not_end_is_an_error() {
    for (wire, issue) in [
        (&b"\x23"[..], "ends too early"),
        (b"\x23\x2a\x01", "ends too early"),
        (b"\xa3\x06\x0b\x0c", "ends too early"),
        (b"\x24", "has the wrong wire type"),
        (b"\xa4\x06", "has the end of a group that has not begun"),
        (b"\x22\x00", "has the wrong wire type"),
    ] {
        let written = PLAIN.plans.wire_to_json(PLAIN.id("test.Groups"), wire, &mut Vec::new());
        assert_eq!(written.expect_err(issue).issue, issue, "{wire:?}");
    }
    // deep groups are passed over without recursion
    let wire = [b"\xa3\x06".repeat(100_000), b"\xa4\x06".repeat(100_000)].concat();
    PLAIN.to_json(PLAIN.descriptor("test.Groups"), &wire);
}
