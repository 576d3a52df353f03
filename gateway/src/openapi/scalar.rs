//! What the scalar types and the well-known messages are in JSON.

use prost_reflect::{Kind, Value as Scalar};
use serde_json::{Value, json};

use super::Style;
use crate::transcode::enum_names;

/// The schema of a scalar; `None` for enums and messages.
pub(super) fn schema(kind: &Kind) -> Option<Value> {
    Some(match kind {
        Kind::Double => json!({ "type": "number", "format": "double" }),
        Kind::Float => json!({ "type": "number", "format": "float" }),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            json!({ "type": "integer", "format": "int32" })
        }
        Kind::Uint32 | Kind::Fixed32 => {
            json!({ "type": "integer", "format": "uint32", "minimum": 0 })
        }
        // JSON's readers do not have as many digits
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            json!({ "type": "string", "format": "int64", "pattern": "^-?[0-9]+$" })
        }
        Kind::Uint64 | Kind::Fixed64 => {
            json!({ "type": "string", "format": "uint64", "pattern": "^[0-9]+$" })
        }
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::String => json!({ "type": "string" }),
        Kind::Bytes => {
            json!({ "type": "string", "format": "byte", "contentEncoding": "base64" })
        }
        Kind::Enum(_) | Kind::Message(_) => return None,
    })
}

/// What else a number with a fraction may be: JSON has no word for these, so they are text.
pub(super) const NOT_FINITE: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The value that a scalar has when it is not written.
pub(super) fn zero(kind: &Kind, style: Style) -> Value {
    match kind {
        Kind::Message(_) => Value::Null,
        _ => json(&Scalar::default_value(kind), kind, style).unwrap_or_default(),
    }
}

/// A value of a rule in JSON; `None` for what has no such form here.
pub(super) fn json(value: &Scalar, kind: &Kind, style: Style) -> Option<Value> {
    Some(match (value, kind) {
        (Scalar::I32(number) | Scalar::EnumNumber(number), Kind::Enum(descriptor)) => {
            let names = enum_names(descriptor, style);
            names.into_iter().find(|(known, _)| known == number)?.1.into()
        }
        (Scalar::I32(number), _) => (*number).into(),
        (Scalar::U32(number), _) => (*number).into(),
        (Scalar::I64(number), _) => number.to_string().into(),
        (Scalar::U64(number), _) => number.to_string().into(),
        // the shortest text of a float is not that of the same number with more digits
        (Scalar::F32(number), _) => whole_or_not(number.to_string().parse().ok()?),
        (Scalar::F64(number), _) => whole_or_not(*number),
        (Scalar::Bool(value), _) => (*value).into(),
        (Scalar::String(text), _) => text.as_str().into(),
        (Scalar::Bytes(bytes), _) if bytes.is_empty() => "".into(),
        _ => return None,
    })
}

/// A number, without a fraction where it has none.
pub(super) fn whole_or_not(number: f64) -> Value {
    let is_whole = number.fract() == 0.0 && number.abs() < 1e15;
    if is_whole { (number as i64).into() } else { number.into() }
}

/// The schema of a message that is no object with its fields in JSON, or that has no fields of its own;
/// `None` for others.
pub(super) fn well_known(full_name: &str, style: Style) -> Option<Value> {
    if full_name == "google.type.Decimal" {
        return (style == Style::Plain).then(|| json!({ "type": "number", "format": "decimal" }));
    }
    Some(match full_name.strip_prefix("google.protobuf.")? {
        "Timestamp" => json!({ "type": "string", "format": "date-time" }),
        "Duration" => json!({ "type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$" }),
        "FieldMask" => json!({ "type": "string" }),
        "Struct" => json!({ "type": "object", "additionalProperties": true }),
        "Value" => json!({ "description": "Any JSON value." }),
        "ListValue" => json!({ "type": "array", "items": {} }),
        "Any" => json!({
            "type": "object",
            "properties": { "@type": { "type": "string", "format": "uri-reference" } },
            "required": ["@type"],
            "additionalProperties": true,
        }),
        "Empty" => json!({ "type": "object" }),
        _ => return None,
    })
}

/// What a wrapper (`google.protobuf.StringValue`) wraps.
pub(super) fn wrapped(full_name: &str) -> Option<Kind> {
    Some(match full_name.strip_prefix("google.protobuf.")? {
        "DoubleValue" => Kind::Double,
        "FloatValue" => Kind::Float,
        "Int64Value" => Kind::Int64,
        "UInt64Value" => Kind::Uint64,
        "Int32Value" => Kind::Int32,
        "UInt32Value" => Kind::Uint32,
        "BoolValue" => Kind::Bool,
        "StringValue" => Kind::String,
        "BytesValue" => Kind::Bytes,
        _ => return None,
    })
}
