//! Attributes as JSON, and back.

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};

pub fn to_json(attributes: &Struct) -> serde_json::Value {
    attributes.fields.iter().map(|(name, value)| (name.clone(), json(value))).collect()
}

/// Attributes from the text of an object.
pub fn parse(text: &str) -> Result<Struct, serde_json::Error> {
    let fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text)?;
    Ok(message(fields))
}

fn json(value: &Value) -> serde_json::Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::StringValue(text)) => text.as_str().into(),
        // integers as such
        Some(Kind::NumberValue(number)) if number.fract() == 0.0 && number.abs() < 9e15 => {
            serde_json::from_str(&number.to_string()).unwrap_or_default()
        }
        Some(Kind::NumberValue(number)) => (*number).into(),
        Some(Kind::BoolValue(is)) => (*is).into(),
        Some(Kind::ListValue(list)) => list.values.iter().map(json).collect(),
        Some(Kind::StructValue(inner)) => to_json(inner),
    }
}

fn message(fields: serde_json::Map<String, serde_json::Value>) -> Struct {
    Struct { fields: fields.into_iter().map(|(name, value)| (name, proto(value))).collect() }
}

fn proto(value: serde_json::Value) -> Value {
    let kind = match value {
        serde_json::Value::Null => Kind::NullValue(0),
        serde_json::Value::Bool(is) => Kind::BoolValue(is),
        serde_json::Value::Number(number) => {
            Kind::NumberValue(number.as_f64().unwrap_or(f64::INFINITY))
        }
        serde_json::Value::String(text) => Kind::StringValue(text),
        serde_json::Value::Array(values) => {
            Kind::ListValue(ListValue { values: values.into_iter().map(proto).collect() })
        }
        serde_json::Value::Object(fields) => Kind::StructValue(message(fields)),
    };
    Value { kind: Some(kind) }
}
