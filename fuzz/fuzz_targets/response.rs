//! Wire bytes of services to JSON: they are refused, or the JSON is valid, reads back, and means the same
//! to the oracle.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::{Corpus, fuzz_target};
use prost_reflect::DynamicMessage;
use serde::de::IgnoredAny;
use souk_fuzz::{Message, message, oracle};
use souk_gateway::transcode::Style;

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((message, wire)) = message(data) else { return Corpus::Reject };
    let Ok(json) = message.write(wire) else { return Corpus::Keep };
    // whatever its depth, and however large its numbers
    serde_json::from_slice::<IgnoredAny>(&json).expect("JSON");
    if let (Some(read_back), Style::Canonical) = (message.read_back(&json), message.style) {
        compare(message, wire, &read_back);
    }
    if message.descriptor.full_name() == "uploads.Upload" {
        compare_body(message, wire);
    }
    Corpus::Keep
});

/// What was read back is what was there, but for what JSON leaves out.
fn compare(message: &Message, wire: &[u8], read_back: &[u8]) {
    let decode = |wire: &[u8]| DynamicMessage::decode(message.descriptor.clone(), wire);
    // the oracle also looks at values that later ones replace
    let Ok(expected) = decode(wire) else { return };
    let actual = decode(read_back).expect("a message");
    assert_eq!(oracle::json(&actual), oracle::json(&expected));
}

/// The body that is not copied is the same.
fn compare_body(message: &Message, wire: &[u8]) {
    let wire = Bytes::copy_from_slice(wire);
    let Ok(expected) = DynamicMessage::decode(message.descriptor.clone(), &*wire) else { return };
    let body = message.plans.http_body_of_field(message.id, "file", &wire).expect("a body");
    let expected = expected.get_field_by_name("file").expect("a field");
    let expected = expected.as_message().expect("a message");
    let content_type = expected.get_field_by_name("content_type").expect("a field");
    assert_eq!(content_type.as_str().map(str::as_bytes), Some(&*body.content_type));
    let data = expected.get_field_by_name("data").expect("a field");
    assert_eq!(data.as_bytes(), Some(&body.data));
}
