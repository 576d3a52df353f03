//! JSON of clients to wire bytes: it is refused, or it means what it means to the oracle and reads back.

#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use prost_reflect::DynamicMessage;
use souk_fuzz::{Message, message, oracle};
use souk_gateway::transcode::Style;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((message, json)) = message(data) else { return Corpus::Reject };
    let paths = message.plans.mask_paths(message.id, json);
    let Ok(wire) = message.read(json) else { return Corpus::Keep };
    if let Err(error) = paths {
        assert_eq!(error.issue, "changes too many fields at once");
    }
    message.read_back(&message.write(&wire).expect("JSON, as there was some"));
    if message.style == Style::Canonical {
        compare(message, json, &wire);
    }
    Corpus::Keep
});

/// What we accept means the same to the oracle.
fn compare(message: &Message, json: &[u8], wire: &[u8]) {
    let actual = DynamicMessage::decode(message.descriptor.clone(), wire).expect("a message");
    match oracle::read(&message.descriptor, json) {
        Ok(expected) => oracle::assert_same(&actual, &expected),
        Err(error) => assert!(is_more_lenient(&error), "{error}"),
    }
}

/// What ProtoJSON lets us accept and the oracle does not know.
fn is_more_lenient(oracle_error: &str) -> bool {
    // `"1.0"` for an integer, and `1.0` or `-0` for an enum
    oracle_error.contains("invalid digit found in string")
        || oracle_error.contains("floating point") && oracle_error.contains("string or integer")
        // google.protobuf.Any without anything, and with a google.protobuf.Empty
        || oracle_error.contains("expected '@type' field")
        || oracle_error.contains("expected 'value' field")
}
