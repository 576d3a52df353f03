//! The rules that are known, each as a call of a check of `validation.rs`.

use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};

use super::predefined::Predefined;
use super::{options, rust};

/// Calls on `violations`.
#[derive(Default)]
pub struct Checks {
    /// Those of the field as a whole, which the generated code calls `this.<name>`.
    pub field: Vec<String>,
    /// Those of each value in it, which the generated code calls `value`.
    pub value: Vec<String>,
    /// Those of each key of a map, which the generated code calls `value` as well.
    pub key: Vec<String>,
}

/// The checks of a field.
///
/// # Errors
///
/// A rule that is not known, or that the field cannot have.
pub fn of_field(
    field: &FieldDescriptor,
    rules: &[(String, Value)],
    predefined: &Predefined,
) -> Result<Checks, String> {
    let mut checks = Checks::default();
    let (name, access) = (field.name(), format!("this.{}", rust::field(field.name())));
    for (rule, value) in rules {
        match (rule.as_str(), value) {
            ("required", Value::Bool(false)) => {}
            ("required", Value::Bool(true)) if rust::oneof_of(field).is_some() => {
                return Err("`required` is not known on members of a oneof".to_owned());
            }
            ("required", Value::Bool(true)) if field.supports_presence() => {
                checks.field.push(format!("required({name:?}, {access}.is_some())"));
            }
            ("required", Value::Bool(true)) => {
                return Err("`required` is not known on fields without presence".to_owned());
            }
            ("repeated", Value::Message(list)) if field.is_list() => {
                list_checks(field, &access, list, predefined, &mut checks)?;
            }
            ("map", Value::Message(map)) if field.is_map() => {
                map_checks(field, &access, map, predefined, &mut checks)?;
            }
            (kind, Value::Message(of_kind)) if !field.is_list() => {
                checks.value.extend(value_checks(&field.kind(), kind, of_kind, predefined)?);
            }
            (other, _) => return Err(format!("the field rule `{other}` is not known")),
        }
    }
    Ok(checks)
}

fn list_checks(
    field: &FieldDescriptor,
    access: &str,
    rules: &DynamicMessage,
    predefined: &Predefined,
    checks: &mut Checks,
) -> Result<(), String> {
    let name = field.name();
    for (rule, value) in options::each(rules) {
        match (rule.as_str(), &value) {
            ("min_items", Value::U64(min)) => {
                checks.field.push(format!("min_items({name:?}, {access}.len(), {min})"));
            }
            ("max_items", Value::U64(max)) => {
                checks.field.push(format!("max_items({name:?}, {access}.len(), {max})"));
            }
            ("unique", Value::Bool(false)) => {}
            ("unique", Value::Bool(true)) if field.kind() == Kind::String => {
                checks.field.push(format!("unique({name:?}, &{access})"));
            }
            ("items", Value::Message(items)) => {
                checks.value.extend(inner_checks(&field.kind(), "item", items, predefined)?);
            }
            (other, _) => return Err(format!("the list rule `{other}` is not known")),
        }
    }
    Ok(())
}

fn map_checks(
    field: &FieldDescriptor,
    access: &str,
    rules: &DynamicMessage,
    predefined: &Predefined,
    checks: &mut Checks,
) -> Result<(), String> {
    let name = field.name();
    for (rule, value) in options::each(rules) {
        match (rule.as_str(), &value) {
            ("min_pairs", Value::U64(min)) => {
                checks.field.push(format!("min_items({name:?}, {access}.len(), {min})"));
            }
            ("max_pairs", Value::U64(max)) => {
                checks.field.push(format!("max_items({name:?}, {access}.len(), {max})"));
            }
            ("keys", Value::Message(keys)) => {
                checks.key.extend(inner_checks(&Kind::String, "key", keys, predefined)?);
            }
            ("values", Value::Message(values)) => {
                checks.value.extend(inner_checks(&Kind::String, "value", values, predefined)?);
            }
            (other, _) => return Err(format!("the map rule `{other}` is not known")),
        }
    }
    Ok(())
}

/// The checks of each item, key or value inside a field.
fn inner_checks(
    kind: &Kind,
    part: &str,
    rules: &DynamicMessage,
    predefined: &Predefined,
) -> Result<Vec<String>, String> {
    let mut checks = Vec::new();
    for (name, of_kind) in options::each(rules) {
        let Value::Message(of_kind) = of_kind else {
            return Err(format!("the {part} rule `{name}` is not known"));
        };
        checks.extend(value_checks(kind, &name, &of_kind, predefined)?);
    }
    Ok(checks)
}

/// The checks of one value, which the generated code calls `value`.
fn value_checks(
    of: &Kind,
    kind: &str,
    rules: &DynamicMessage,
    predefined: &Predefined,
) -> Result<Vec<String>, String> {
    if !fits(kind, of) {
        return Err(format!("the rules `{kind}` are not known for a field of this type"));
    }
    let rules = options::each(rules);
    refuse_outside(kind, &rules)?;
    let mut checks = Vec::new();
    for (rule, value) in &rules {
        match (kind, rule.as_str(), value) {
            // documentation, and rules that are switched off
            (_, "example", _) | (_, "email" | "defined_only", Value::Bool(false)) => {}
            ("string", rule, Value::Bool(on)) if rule.starts_with('[') => {
                let check = predefined.check(rule)?;
                checks.extend(on.then_some(check));
            }
            ("string", "pattern", _) => {
                return Err("the string rule `pattern` has no words for people: use a rule of \
                            souk/types/v1/rules.proto, or add one there"
                    .to_owned());
            }
            ("enum", "defined_only", Value::Bool(true)) => {
                checks.push(format!("defined(*value, &{:?})", numbers(of)));
            }
            (kind, rule, value) => {
                let check = check(kind, rule, value)
                    .ok_or_else(|| format!("the {kind} rule `{rule}` is not known"))?;
                checks.push(check);
            }
        }
    }
    Ok(checks)
}

/// The check of a rule that needs nothing but its value.
fn check(kind: &str, rule: &str, value: &Value) -> Option<String> {
    Some(match (kind, rule, value) {
        ("string", "min_len", Value::U64(min)) => format!("min_len(value, {min})"),
        ("string", "max_len", Value::U64(max)) => format!("max_len(value, {max})"),
        ("string", "email", Value::Bool(true)) => "email(value)".to_owned(),
        ("string", "in", Value::List(allowed)) => {
            format!("one_of(value.as_str(), &{:?})", each_as(allowed, Value::as_str))
        }
        ("int32", "gte", Value::I32(min)) => format!("at_least(*value, {min})"),
        ("int32", "lte", Value::I32(max)) => format!("at_most(*value, {max})"),
        ("int64", "gte", Value::I64(min)) => format!("at_least(*value, {min})"),
        ("int64", "lte", Value::I64(max)) => format!("at_most(*value, {max})"),
        ("int32", "in", Value::List(allowed)) => {
            format!("one_of(*value, &{:?})", each_as(allowed, Value::as_i32))
        }
        ("int32" | "enum", "not_in", Value::List(refused)) => {
            format!("none_of(*value, &{:?})", each_as(refused, Value::as_i32))
        }
        ("bool", "const", Value::Bool(only)) => format!("only(*value, {only})"),
        ("duration", "gte", Value::Message(min)) => {
            format!("at_least_seconds(value, {})", seconds(min)?)
        }
        ("duration", "lte", Value::Message(max)) => {
            format!("at_most_seconds(value, {})", seconds(max)?)
        }
        ("field_mask", "in", Value::List(allowed)) => {
            format!("mask_of(value, &{:?})", each_as(allowed, Value::as_str))
        }
        _ => return None,
    })
}

/// Whether a field can have rules of a kind.
fn fits(rules: &str, kind: &Kind) -> bool {
    match kind {
        Kind::String => rules == "string",
        Kind::Int32 => rules == "int32",
        Kind::Int64 => rules == "int64",
        Kind::Bool => rules == "bool",
        Kind::Enum(_) => rules == "enum",
        Kind::Message(message) => match message.full_name() {
            "google.protobuf.Duration" => rules == "duration",
            "google.protobuf.FieldMask" => rules == "field_mask",
            _ => false,
        },
        _ => false,
    }
}

/// A range whose ends are the wrong way round means what lies outside of it.
fn refuse_outside(kind: &str, rules: &[(String, Value)]) -> Result<(), String> {
    let limit = |name| {
        rules.iter().find(|(rule, _)| rule == name).and_then(|(_, value)| match value {
            Value::I32(limit) => Some(i64::from(*limit)),
            Value::I64(limit) => Some(*limit),
            Value::Message(duration) => seconds(duration),
            _ => None,
        })
    };
    match (limit("gte"), limit("lte")) {
        (Some(min), Some(max)) if min > max => {
            Err(format!("the {kind} rules `gte` and `lte` are not known the wrong way round"))
        }
        _ => Ok(()),
    }
}

fn each_as<'a, T>(values: &'a [Value], read: impl Fn(&'a Value) -> Option<T>) -> Vec<T> {
    values.iter().filter_map(read).collect()
}

fn numbers(kind: &Kind) -> Vec<i32> {
    let values = kind.as_enum().map(|kind| kind.values().map(|value| value.number()).collect());
    values.unwrap_or_default()
}

/// The length of a duration of whole seconds; others are not known.
fn seconds(duration: &DynamicMessage) -> Option<i64> {
    let seconds = duration.get_field_by_name("seconds")?.as_i64();
    let nanos = duration.get_field_by_name("nanos")?.as_i32();
    seconds.filter(|_| nanos == Some(0))
}
