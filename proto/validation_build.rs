//! Part of the build script: turns the `buf.validate` rules of the contracts into Rust.
//!
//! Only what the contracts use is known here; a rule of any other kind fails the build, so that
//! none is ever skipped in silence. (The published generators need `protoc` on every machine that
//! builds, or evaluate rules by reflection on every call.)

use std::fmt::Write as _;

use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};

/// Generates `impl crate::Validate` for every message of Souk.
pub fn generate(pool: &DescriptorPool) -> Result<String, String> {
    let mut code = String::new();
    let messages =
        pool.all_messages().filter(|message| is_ours(message) && !message.is_map_entry());
    for message in messages {
        let mut body = String::new();
        for field in message.fields() {
            check_field(pool, &field, &mut body)
                .map_err(|reason| format!("{}: {reason}", field.full_name()))?;
        }
        let (this, violations) = if body.is_empty() { ("_", "_") } else { ("this", "violations") };
        let _ = writeln!(
            code,
            "impl crate::Validate for {} {{\n    fn check(&self, violations: &mut \
             crate::Violations) {{\n        let ({this}, {violations}) = (self, violations);\n{body}    \
             }}\n}}",
            rust_path(&message)
        );
    }
    Ok(code)
}

fn check_field(
    pool: &DescriptorPool,
    field: &FieldDescriptor,
    body: &mut String,
) -> Result<(), String> {
    let rules = rules_of(pool, field);
    let name = field.name();
    let access = format!("this.{}", rust_name(name));
    let mut value_checks = String::new();
    let mut required = false;

    for (rule, value) in rules.iter().flat_map(DynamicMessage::fields) {
        match (rule.name(), value) {
            ("required", Value::Bool(true)) => required = true,
            ("repeated", Value::Message(list)) => check_list(list, &access, name, body)?,
            (kind, Value::Message(scalar)) => scalar_checks(kind, scalar, &mut value_checks)?,
            (other, _) => return Err(format!("the rule `{other}` is not known")),
        }
    }
    if let Kind::Message(message) = field.kind()
        && is_ours(&message)
    {
        value_checks.push_str("            crate::Validate::check(value, violations);\n");
    }

    let in_oneof = field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic());
    if field.kind() == Kind::String && !field.is_map() && !in_oneof {
        // PostgreSQL stores every character but this one
        value_checks.insert_str(0, "            violations.no_nul(value);\n");
    }

    let present = field.supports_presence();
    if required {
        if !present {
            return Err("`required` needs a field with presence".to_owned());
        }
        let _ = writeln!(body, "        violations.required({name:?}, {access}.is_some());");
    }
    if value_checks.is_empty() {
        return Ok(());
    }
    let _ = if field.is_list() {
        writeln!(
            body,
            "        for (index, value) in {access}.iter().enumerate() {{\n            \
             violations.item({name:?}, index, |violations| {{\n{value_checks}            }});\n        }}"
        )
    } else if in_oneof {
        return Err("rules on members of a oneof are not known".to_owned());
    } else if present {
        writeln!(
            body,
            "        if let Some(value) = &{access} {{\n            violations.field({name:?}, \
             |violations| {{\n{value_checks}            }});\n        }}"
        )
    } else {
        writeln!(
            body,
            "        violations.field({name:?}, |violations| {{\n            let value = \
             &{access};\n{value_checks}        }});"
        )
    };
    Ok(())
}

/// `repeated` rules: those of the list go to `body`, those of its items are generated in place.
fn check_list(
    list: &DynamicMessage,
    access: &str,
    name: &str,
    body: &mut String,
) -> Result<(), String> {
    for (rule, value) in list.fields() {
        let _ = match (rule.name(), value) {
            ("min_items", Value::U64(min)) => {
                writeln!(body, "        violations.min_items({name:?}, {access}.len(), {min});")
            }
            ("max_items", Value::U64(max)) => {
                writeln!(body, "        violations.max_items({name:?}, {access}.len(), {max});")
            }
            ("unique", Value::Bool(true)) => {
                writeln!(body, "        violations.unique({name:?}, &{access});")
            }
            ("items", Value::Message(items)) => {
                let mut checks = String::new();
                for (kind, value) in items.fields() {
                    let Value::Message(scalar) = value else {
                        return Err(format!("the item rule `{}` is not known", kind.name()));
                    };
                    scalar_checks(kind.name(), scalar, &mut checks)?;
                }
                writeln!(
                    body,
                    "        for (index, value) in {access}.iter().enumerate() {{\n            \
                     violations.item({name:?}, index, |violations| {{\n{checks}            }});\n        }}"
                )
            }
            (other, _) => return Err(format!("the list rule `{other}` is not known")),
        };
    }
    Ok(())
}

/// The checks of one value, which the generated code calls `value`.
fn scalar_checks(kind: &str, rules: &DynamicMessage, checks: &mut String) -> Result<(), String> {
    for (rule, value) in rules.fields() {
        let check = match (kind, rule.name(), value) {
            ("string", "min_len", Value::U64(min)) => format!("min_len(value, {min})"),
            ("string", "max_len", Value::U64(max)) => format!("max_len(value, {max})"),
            ("string", "email", Value::Bool(true)) => "email(value)".to_owned(),
            ("string", "in", Value::List(allowed)) => {
                format!("one_of(value, &{:?})", strings(allowed)?)
            }
            ("string", "pattern", Value::String(pattern)) => {
                regex::Regex::new(pattern).map_err(|error| error.to_string())?;
                format!(
                    "pattern(value, {{ static PATTERN: std::sync::LazyLock<regex::Regex> = \
                     std::sync::LazyLock::new(|| crate::validation::compile({pattern:?})); \
                     &PATTERN }})"
                )
            }
            ("int32", "gte", Value::I32(min)) => format!("at_least(*value, {min})"),
            ("int32", "lte", Value::I32(max)) => format!("at_most(*value, {max})"),
            ("int32", "not_in", Value::List(refused)) => {
                let refused: Vec<i32> = refused.iter().filter_map(Value::as_i32).collect();
                format!("none_of(*value, &{refused:?})")
            }
            ("duration", "gte", Value::Message(min)) => {
                format!("at_least_seconds(value, {})", seconds(min))
            }
            ("duration", "lte", Value::Message(max)) => {
                format!("at_most_seconds(value, {})", seconds(max))
            }
            ("field_mask", "in", Value::List(allowed)) => {
                format!("mask_of(value, &{:?})", strings(allowed)?)
            }
            (_, other, _) => return Err(format!("the {kind} rule `{other}` is not known")),
        };
        let _ = writeln!(checks, "            violations.{check};");
    }
    Ok(())
}

fn rules_of(pool: &DescriptorPool, field: &FieldDescriptor) -> Option<DynamicMessage> {
    let extension = pool.get_extension_by_name("buf.validate.field")?;
    let options = field.options();
    options
        .has_extension(&extension)
        .then(|| options.get_extension(&extension).into_owned())?
        .as_message()
        .cloned()
}

fn strings(values: &[Value]) -> Result<Vec<&str>, String> {
    values.iter().map(|value| value.as_str().ok_or_else(|| "not a string".to_owned())).collect()
}

fn seconds(duration: &DynamicMessage) -> i64 {
    duration.get_field_by_name("seconds").and_then(|seconds| seconds.as_i64()).unwrap_or(0)
}

fn is_ours(message: &MessageDescriptor) -> bool {
    message.package_name().starts_with("souk.")
}

fn rust_path(message: &MessageDescriptor) -> String {
    format!("crate::{}", message.full_name().replace('.', "::"))
}

fn rust_name(field: &str) -> String {
    if matches!(field, "use" | "type" | "in" | "ref") {
        format!("r#{field}")
    } else {
        field.to_owned()
    }
}
