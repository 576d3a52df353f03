//! Whatever comes, in both directions and both styles: it is refused, or it means what it means to the
//! oracle. Nothing stops the gateway.

use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};
use souk_gateway::transcode::Style;

use crate::contracts::{decode, seed, styles};
use crate::generate::Random;
use crate::oracle::{canonical_json, expected_json};
use crate::styles::{holds_any, speaks_canonical};
use crate::tree::{Tree, assert_same_json};

fn oracle_reads(descriptor: &MessageDescriptor, json: &[u8]) -> Result<DynamicMessage, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let options = DeserializeOptions::new();
    let message =
        DynamicMessage::deserialize_with_options(descriptor.clone(), &mut deserializer, &options)
            .map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(message)
}

#[test]
fn damaged_json_is_refused_or_means_the_same_to_the_oracle() {
    for contracts in styles() {
        let is_plain = contracts.style == Style::Plain;
        let accepted = contracts.for_messages(10_000, |random, descriptor| {
            if holds_any(descriptor) || is_plain && !speaks_canonical(descriptor, &mut Vec::new()) {
                return false;
            }
            let proto_names = is_plain || random.one_in(2);
            let mut json = canonical_json(&random.message(descriptor, 0), proto_names).unwrap();
            random.damage(&mut json, b"\"\\{}[]:,.0123456789-+eEtrufalsn x\xc3\xa9\x00\xff");
            let mut wire = b"before".to_vec();
            let id = contracts.id(descriptor.full_name());
            if contracts.plans.json_to_wire(id, &json, &mut wire).is_err() {
                assert_eq!(wire, b"before");
                return false;
            }
            let text = String::from_utf8(json.clone()).unwrap();
            match oracle_reads(descriptor, &json) {
                Ok(message) => {
                    let expected = decode(descriptor, &message.encode_to_vec());
                    contracts.assert_same(&decode(descriptor, &wire[6..]), &expected);
                }
                Err(error) => assert!(is_more_lenient(&error), "{error}: {text}"),
            }
            true
        });
        println!("{accepted} damaged texts are still JSON and mean the same");
    }
}

/// What ProtoJSON lets us accept and the oracle does not know.
fn is_more_lenient(oracle_error: &str) -> bool {
    // `"1.0"` for an integer, and `1.0` or `-0` for an enum
    oracle_error.contains("invalid digit found in string")
        || oracle_error.contains("floating point") && oracle_error.contains("string or integer")
}

#[test]
fn damaged_wire_bytes_never_stop_the_gateway() {
    for contracts in styles() {
        let accepted = contracts.for_messages(10_000, |random, descriptor| {
            if holds_any(descriptor) {
                return false;
            }
            let mut wire = random.message(descriptor, 0).encode_to_vec();
            let alphabet: Vec<u8> = (0..=255).collect();
            random.damage(&mut wire, &alphabet);
            let mut json = b"before".to_vec();
            let id = contracts.id(descriptor.full_name());
            let ours = contracts.plans.wire_to_json(id, &wire, &mut json);
            let Ok(message) = DynamicMessage::decode(descriptor.clone(), &*wire) else {
                // the oracle also checks values that later ones replace
                return ours.is_ok();
            };
            match (ours, expected_json(&message, contracts.style)) {
                (Ok(()), Some(expected)) if !is_lost_on_the_oracle(&json) => {
                    assert_same_json(&Tree::parse(&json[6..]), &expected, descriptor.full_name());
                }
                (Ok(()), Some(_)) => (),
                (Ok(()), None) => (),
                (Err(error), _) => {
                    assert_eq!(json, b"before");
                    let is_wrong_entry = error.issue == "has the wrong wire type"
                        && is_map(descriptor, &error.field);
                    let stricter = is_stricter(&error.issue) || is_wrong_entry;
                    assert!(stricter, "{error}: {wire:?}");
                    return false;
                }
            }
            true
        });
        println!("{accepted} damaged messages still mean the same");
    }
}

/// In a wrapper, the oracle writes special floats as null; in a mask, it drops an underscore that
/// ends a name; the negative zero is none to it.
fn is_lost_on_the_oracle(json: &[u8]) -> bool {
    let text = String::from_utf8_lossy(json);
    let lost = ["\"NaN\"", "Infinity\"", "_\"", "_.", "_,", ":-0,", ":-0}"];
    lost.iter().any(|lost| text.contains(lost))
}

/// Whether the path leads to a map: the oracle does not look at the wire type of its entries.
fn is_map(descriptor: &MessageDescriptor, path: &str) -> bool {
    let mut message = Some(descriptor.clone());
    let mut is_map = false;
    for name in path.split('.') {
        let field = message.and_then(|message| {
            message.get_field_by_name(name).or_else(|| message.get_field_by_json_name(name))
        });
        let Some(field) = field else {
            return false;
        };
        is_map = field.is_map();
        message = field.kind().as_message().cloned();
        if let (true, Some(entry)) = (is_map, &message) {
            message = entry.map_entry_value_field().kind().as_message().cloned();
        }
    }
    is_map
}

/// What we refuse and the oracle reads: values that have no JSON.
fn is_stricter(issue: &str) -> bool {
    issue.contains("time")
        || issue.contains("duration")
        || issue.contains("number that JSON does not have")
        || issue.contains("name that JSON cannot say")
        || issue.contains("decimal")
}

#[test]
fn any_bytes_at_all_are_safe() {
    let mut random = Random::new(seed());
    for contracts in styles() {
        for descriptor in &contracts.messages {
            let id = contracts.id(descriptor.full_name());
            for _ in 0..300 {
                let bytes: Vec<u8> = (0..random.below(60)).map(|_| random.next() as u8).collect();
                let _ = contracts.plans.wire_to_json(id, &bytes, &mut Vec::new());
                let _ = contracts.plans.json_to_wire(id, &bytes, &mut Vec::new());
            }
        }
    }
}

/// Pieces of JSON in any order are more often almost right than any bytes are.
#[test]
fn any_pieces_of_json_are_safe() {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"",
        "\"@type\":",
        "\"value\":",
        "null",
        "true",
        "1",
        "-0.5e3",
        "\"type.googleapis.com/test.Holder\"",
        "\"type.googleapis.com/google.protobuf.Any\"",
        "\"any\":",
        "\"list\":",
        "\"named\":",
        "\"name\":",
        "\"left\":",
        "\"é\"",
        "\"\\u0040type\"",
        "\u{c}",
        " ",
        "é",
        "x",
        "\\",
    ];
    let mut random = Random::new(seed());
    for _ in 0..100_000 {
        let json: String = (0..random.below(20)).map(|_| random.pick(&pieces)).collect();
        for contracts in styles() {
            let name = random.pick(&["test.Tree", "test.WellKnown", "test.Groups"]);
            let name = if contracts.style == Style::Plain { name } else { "test.Holder" };
            let (plans, id) = (&contracts.plans, contracts.id(name));
            let mut wire = Vec::new();
            let read = plans.json_to_wire(id, json.as_bytes(), &mut wire);
            let paths = plans.mask_paths(id, json.as_bytes());
            let _ = plans.json_field_to_wire(id, "name", json.as_bytes(), &mut Vec::new());
            if read.is_ok() {
                assert!(paths.is_ok(), "{json}");
                plans.wire_to_json(id, &wire, &mut Vec::new()).unwrap();
            }
        }
    }
}

#[test]
fn damaged_messages_inside_any_are_safe() {
    let contracts = styles()[1];
    let descriptor = contracts.descriptor("test.Holder");
    let id = contracts.id("test.Holder");
    let mut random = Random::new(seed());
    for _ in 0..3_000 {
        let message = random.message(descriptor, 0);
        let mut wire = message.encode_to_vec();
        random.damage(&mut wire, &(0..=255).collect::<Vec<u8>>());
        let _ = contracts.plans.wire_to_json(id, &wire, &mut Vec::new());
        let mut json = canonical_json(&message, true).unwrap();
        random.damage(&mut json, b"\"\\{}[]:,.0123456789-+eEtrufalsn x@\xc3\xa9\x00\xff");
        let mut wire = Vec::new();
        if contracts.plans.json_to_wire(id, &json, &mut wire).is_ok() {
            contracts.to_json(descriptor, &wire);
        }
    }
}

#[test]
fn what_the_oracle_reads_is_a_message_and_most_damage_is_noticed() {
    for contracts in styles() {
        let refused = contracts.for_messages(10_000, |random, descriptor| {
            let whole = random.message(descriptor, 0).encode_to_vec();
            let id = contracts.id(descriptor.full_name());
            assert_eq!(contracts.plans.check(id, &whole), Ok(()));
            let (mut wire, alphabet) = (whole, (0..=255).collect::<Vec<u8>>());
            random.damage(&mut wire, &alphabet);
            let checked = contracts.plans.check(id, &wire);
            let read = DynamicMessage::decode(descriptor.clone(), &*wire);
            assert!(checked.is_ok() || read.is_err(), "{checked:?}: {wire:?}");
            checked.is_err()
        });
        assert!(refused > 1_000, "{refused}");
    }
}
