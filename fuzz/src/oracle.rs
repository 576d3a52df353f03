//! prost-reflect, which knows the same contracts but builds messages, and its canonical JSON.

use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor};
use serde_json::Value;

/// What JSON means, or what is wrong with it.
pub fn read(descriptor: &MessageDescriptor, json: &[u8]) -> Result<DynamicMessage, String> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let options = DeserializeOptions::new();
    let message =
        DynamicMessage::deserialize_with_options(descriptor.clone(), &mut deserializer, &options)
            .map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(message)
}

/// Panics unless both messages are the same.
pub fn assert_same(actual: &DynamicMessage, expected: &DynamicMessage) {
    // NaN is not itself, and in google.protobuf.Any the same fields are not always the same bytes
    let is_same =
        actual == expected || json(actual).is_some_and(|actual| Some(actual) == json(expected));
    assert!(is_same, "\n{actual}\nis not\n{expected}");
}

/// The JSON of a message, if it has any.
pub fn json(message: &DynamicMessage) -> Option<Value> {
    serde_json::to_value(message).ok()
}
