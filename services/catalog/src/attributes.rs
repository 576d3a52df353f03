//! Attributes: what a product's type says of it, by name.

use prost_types::value::Kind;
use prost_types::{Struct, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number};

/// The largest attributes of a product, and the largest schema of them, in bytes of JSON.
pub const MAX_BYTES: usize = 64 * 1024;
/// Integers beyond it are not exact in a `Struct`, which has numbers of 64 bits with a fraction.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// An object of JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(Map<String, serde_json::Value>);

/// Why a `Struct` is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// JSON has no infinite numbers.
    #[error("must have finite numbers only")]
    Number,
    /// PostgreSQL cannot store it.
    #[error("must not contain the character U+0000")]
    Nul,
    /// More than [`MAX_BYTES`].
    #[error("must have at most 65536 bytes of JSON")]
    Size,
}

impl Attributes {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn map(&self) -> &Map<String, serde_json::Value> {
        &self.0
    }

    /// These with others in their places, as a merge patch (RFC 7396) has it for the members of an object:
    /// what the others do not name stays, and what is null there goes.
    pub fn patched(mut self, others: &Self) -> Self {
        for (name, value) in &others.0 {
            match value {
                serde_json::Value::Null => self.0.remove(name),
                value => self.0.insert(name.clone(), value.clone()),
            };
        }
        self
    }

    /// As a value of JSON.
    pub fn into_value(self) -> serde_json::Value {
        serde_json::Value::Object(self.0)
    }

    /// About how many bytes they take.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + 4 + bytes(value)).sum()
    }
}

impl TryFrom<Struct> for Attributes {
    type Error = Invalid;

    fn try_from(message: Struct) -> Result<Self, Invalid> {
        let attributes = Self(object(message)?);
        if attributes.bytes() > MAX_BYTES { Err(Invalid::Size) } else { Ok(attributes) }
    }
}

impl From<Attributes> for Struct {
    fn from(attributes: Attributes) -> Self {
        message(attributes.0)
    }
}

fn object(message: Struct) -> Result<Map<String, serde_json::Value>, Invalid> {
    let field = |(name, value)| Ok((text(name)?, json(value)?));
    message.fields.into_iter().map(field).collect()
}

fn json(value: Value) -> Result<serde_json::Value, Invalid> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::BoolValue(is)) => is.into(),
        Some(Kind::StringValue(value)) => text(value)?.into(),
        Some(Kind::NumberValue(value)) => number(value)?.into(),
        Some(Kind::ListValue(list)) => {
            list.values.into_iter().map(json).collect::<Result<Vec<_>, _>>()?.into()
        }
        Some(Kind::StructValue(message)) => object(message)?.into(),
    })
}

fn text(text: String) -> Result<String, Invalid> {
    if text.contains('\0') { Err(Invalid::Nul) } else { Ok(text) }
}

/// Integers as such: a schema tells them from others, and people do not write `2008.0`.
fn number(value: f64) -> Result<Number, Invalid> {
    if value.fract() == 0.0 && value.abs() <= MAX_EXACT {
        #[allow(clippy::cast_possible_truncation, reason = "it is an integer of 53 bits")]
        let integer = value as i64;
        return Ok(integer.into());
    }
    Number::from_f64(value).ok_or(Invalid::Number)
}

fn message(object: Map<String, serde_json::Value>) -> Struct {
    Struct { fields: object.into_iter().map(|(name, field)| (name, value(field))).collect() }
}

fn value(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(is) => Kind::BoolValue(is),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(values) => {
            let values = values.into_iter().map(value).collect();
            Kind::ListValue(prost_types::ListValue { values })
        }
        Json::Object(object) => Kind::StructValue(message(object)),
    };
    Value { kind: Some(kind) }
}

fn bytes(value: &serde_json::Value) -> usize {
    use serde_json::Value as Json;
    match value {
        Json::Null | Json::Bool(_) => 5,
        Json::Number(_) => 20,
        Json::String(text) => text.len() + 2,
        Json::Array(values) => values.iter().map(|value| bytes(value) + 1).sum::<usize>() + 2,
        Json::Object(object) => {
            object.iter().map(|(name, value)| name.len() + 4 + bytes(value)).sum::<usize>() + 2
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(serde_json::Value::from),
            any::<i32>().prop_map(serde_json::Value::from),
            (-1e9..1e9).prop_map(|number: f64| json!(number + 0.5)),
            "[^\0]{0,8}".prop_map(serde_json::Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
                prop::collection::btree_map("[a-z]{1,6}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_again(fields in prop::collection::btree_map("[a-z]{1,6}", any_json(), 0..6)) {
            let attributes = Attributes(fields.into_iter().collect());
            let message = Struct::from(attributes.clone());
            let read = Attributes::try_from(message).unwrap();
            // 0.5 may have been lost beside a large number
            prop_assert_eq!(read.bytes(), attributes.bytes());
            prop_assert_eq!(read, attributes);
        }
    }

    #[test]
    fn integers_stay_integers_and_what_json_cannot_say_is_refused() {
        assert_eq!(number(2008.0).unwrap().to_string(), "2008");
        assert_eq!(number(4.34).unwrap().to_string(), "4.34");
        assert_eq!(number(f64::NAN), Err(Invalid::Number));
        assert_eq!(text("a\0b".to_owned()), Err(Invalid::Nul));
    }

    #[test]
    fn attributes_are_bounded() {
        let long = Value { kind: Some(Kind::StringValue("x".repeat(MAX_BYTES))) };
        let message = Struct { fields: [("note".to_owned(), long)].into() };
        assert_eq!(Attributes::try_from(message), Err(Invalid::Size));
    }
}
