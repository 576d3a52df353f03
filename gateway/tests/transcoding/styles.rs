//! What holds in both styles.

use prost::Message as _;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::contracts::{CANONICAL, PLAIN, decode, styles};
use crate::oracle::{canonical_json, expected_json};
use crate::tree::{Tree, assert_same_json};

#[test]
fn every_message_of_every_contract_reads_like_the_oracle() {
    for contracts in styles() {
        let count = contracts.for_messages(10_000, |random, descriptor| {
            let wire = random.message(descriptor, 0).encode_to_vec();
            let message = decode(descriptor, &wire);
            let json = contracts.to_json(descriptor, &wire);
            let expected = expected_json(&message, contracts.style);
            let expected = expected.expect("the generator makes what JSON can say");
            assert_same_json(&Tree::parse(&json), &expected, descriptor.full_name());
            contracts.assert_same(&contracts.to_message(descriptor, &json), &message);
            true
        });
        println!("{count} messages of {} types are the same", contracts.messages.len());
    }
}

#[test]
fn canonical_json_is_understood_with_proto_names_and_with_those_of_json() {
    let count = CANONICAL.for_messages(5_000, |random, descriptor| {
        let message = random.message(descriptor, 0);
        let json = canonical_json(&message, random.one_in(2)).unwrap();
        let message = decode(descriptor, &message.encode_to_vec());
        CANONICAL.assert_same(&CANONICAL.to_message(descriptor, &json), &message);
        true
    });
    println!("{count} messages in canonical JSON are understood");
}

#[test]
fn canonical_json_is_understood_in_plain_style() {
    let count = PLAIN.for_messages(5_000, |random, descriptor| {
        let message = random.message(descriptor, 0);
        if !speaks_canonical(descriptor, &mut Vec::new()) {
            return false;
        }
        let json = canonical_json(&message, true).unwrap();
        let message = decode(descriptor, &message.encode_to_vec());
        PLAIN.assert_same(&PLAIN.to_message(descriptor, &json), &message);
        true
    });
    println!("{count} messages in canonical JSON are understood");
    assert!(count > 1_000);
}

/// Whether all that the message holds has canonical JSON that plain style accepts: not so Decimal,
/// which is an object there, and FieldMask, which has camel case there.
pub fn speaks_canonical(descriptor: &MessageDescriptor, seen: &mut Vec<String>) -> bool {
    let name = descriptor.full_name().to_owned();
    if ["google.type.Decimal", "google.protobuf.FieldMask"].contains(&&*name) {
        return false;
    }
    if seen.contains(&name) {
        return true;
    }
    seen.push(name);
    let kinds: Vec<_> = descriptor.fields().map(|field| field.kind()).collect();
    kinds.iter().filter_map(|kind| kind.as_message()).all(|inner| speaks_canonical(inner, seen))
}

/// Whether the message holds others that the wire does not name the fields of.
pub fn holds_any(descriptor: &MessageDescriptor) -> bool {
    descriptor.full_name() == "test.Holder"
}

#[test]
fn unusual_wire_bytes_mean_what_protobuf_says() {
    for contracts in styles() {
        let count = contracts.for_messages(5_000, |random, descriptor| {
            if holds_any(descriptor) {
                return true;
            }
            let wire = random.unusual_wire(descriptor, 0);
            let message = DynamicMessage::decode(descriptor.clone(), &*wire).unwrap();
            let Some(expected) = expected_json(&message, contracts.style) else {
                return false;
            };
            let mut json = Vec::new();
            let id = contracts.id(descriptor.full_name());
            match contracts.plans.wire_to_json(id, &wire, &mut json) {
                Ok(()) => {
                    assert_same_json(&Tree::parse(&json), &expected, descriptor.full_name());
                }
                // two durations have been merged; the oracle makes one of them
                Err(error) => assert_eq!(error.issue, "is a duration of two signs", "{error}"),
            }
            true
        });
        println!("{count} unusual messages are the same");
        assert!(count > 4_500);
    }
}
