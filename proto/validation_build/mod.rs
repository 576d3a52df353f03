//! Part of the build script: turns the `buf.validate` rules of the contracts into Rust.
//!
//! Only what the contracts use is known here. A rule of any other kind, wherever it stands, fails
//! the build, so that none is ever skipped in silence. (The published generators for prost need
//! `protoc` on every machine that builds, or evaluate rules by reflection on every call.)

mod options;
mod predefined;
mod re2;
mod rules;
mod rust;

use std::fmt::Write as _;

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};

use self::options::{FIELD, MESSAGE, ONEOF, Rules, rules_of};
use self::predefined::Predefined;

/// Generates `impl crate::Validate` for every message of Souk.
///
/// # Errors
///
/// A rule that is not known, with the name of the element that has it.
pub fn generate(pool: &DescriptorPool) -> Result<String, String> {
    let predefined = Predefined::read(pool)?;
    let mut code = predefined.statics();
    for message in pool.all_messages().filter(|message| !message.is_map_entry()) {
        if is_ours(&message) {
            code.push_str(&implementation(pool, &predefined, &message)?);
        } else {
            refuse_rules_in(pool, &message)?;
        }
    }
    for extension in pool.all_extensions() {
        let rules = rules_of(pool, &extension.options(), FIELD);
        refuse(extension.full_name(), "extension field", rules)?;
    }
    Ok(code)
}

/// Generates `fn violations(name: &str, bytes: &[u8])`, which finds a message by its full name: for
/// the program that is compared with the oracle.
pub fn by_name(pool: &DescriptorPool) -> String {
    let arms = pool.all_messages().filter(|message| is_ours(message) && !message.is_map_entry());
    let arms = arms.fold(String::new(), |mut arms, message| {
        let path = rust::path("souk_proto", &message);
        let _ = writeln!(arms, "        {:?} => check::<{path}>(bytes),", message.full_name());
        arms
    });
    format!(
        "fn violations(name: &str, bytes: &[u8]) -> Vec<Violation> {{\n    match name {{\n{arms}        \
         _ => panic!(\"no message of ours: {{name}}\"),\n    }}\n}}\n"
    )
}

fn implementation(
    pool: &DescriptorPool,
    predefined: &Predefined,
    message: &MessageDescriptor,
) -> Result<String, String> {
    refuse(message.full_name(), "message", rules_of(pool, &message.options(), MESSAGE))?;
    let mut body = String::new();
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        body.push_str(&oneof_checks(pool, &oneof)?);
    }
    for field in message.fields() {
        let checks = field_checks(pool, predefined, &field)
            .map_err(|reason| format!("{}: {reason}", field.full_name()))?;
        body.push_str(&checks);
    }
    let (this, violations) = if body.is_empty() { ("_", "_") } else { ("this", "violations") };
    let path = rust::path("crate", message);
    Ok(format!(
        "impl crate::Validate for {path} {{\n    fn check(&self, violations: &mut \
         crate::Violations) {{\n        let ({this}, {violations}) = (self, violations);\n{body}    \
         }}\n}}\n"
    ))
}

fn oneof_checks(pool: &DescriptorPool, oneof: &OneofDescriptor) -> Result<String, String> {
    let mut checks = String::new();
    for (rule, value) in rules_of(pool, &oneof.options(), ONEOF) {
        match (rule.as_str(), value.as_bool()) {
            ("required", Some(true)) => {
                let (name, access) = (oneof.name(), rust::field(oneof.name()));
                let _ = writeln!(
                    checks,
                    "        violations.required({name:?}, this.{access}.is_some());"
                );
            }
            ("required", Some(false)) => {}
            _ => {
                let name = oneof.full_name();
                return Err(format!("{name}: the oneof rule `{rule}` is not known"));
            }
        }
    }
    Ok(checks)
}

fn field_checks(
    pool: &DescriptorPool,
    predefined: &Predefined,
    field: &FieldDescriptor,
) -> Result<String, String> {
    if field.is_map() && !is_map_of_text(field) {
        return Err("map fields are not known but from text to text".to_owned());
    }
    let mut checks = rules::of_field(field, &rules_of(pool, &field.options(), FIELD), predefined)?;
    // PostgreSQL stores every character but this one
    let no_nul = || "no_nul(value)".to_owned();
    if field.kind() == Kind::String {
        checks.value.insert(0, no_nul());
    }
    let calls = |checks: &[String]| {
        checks.iter().map(|check| format!("            violations.{check};\n")).collect::<String>()
    };
    let mut code = calls(&checks.field);
    if field.is_map() {
        checks.key.insert(0, no_nul());
        checks.value.insert(0, no_nul());
        code.push_str(&for_each_entry(field, &calls(&checks.key), &calls(&checks.value)));
        return Ok(code);
    }
    let mut value = calls(&checks.value);
    if field.kind().as_message().is_some_and(is_ours) {
        value.push_str("            crate::Validate::check(value, violations);\n");
    }
    if !value.is_empty() {
        code.push_str(&for_each_value(field, &value));
    }
    Ok(code)
}

fn is_map_of_text(field: &FieldDescriptor) -> bool {
    field.kind().as_message().is_some_and(|entry| {
        let kinds = [entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind()];
        kinds == [Kind::String, Kind::String]
    })
}

/// Applies checks, which call both `value`, to each key and each value of a map.
fn for_each_entry(field: &FieldDescriptor, keys: &str, values: &str) -> String {
    let (name, access) = (field.name(), rust::field(field.name()));
    format!(
        "        violations.entries({name:?}, &this.{access}, |violations, value| {{\n{keys}        \
         }}, |violations, value| {{\n{values}        }});\n"
    )
}

/// Applies checks, which call the value `value`, to each value that the field has.
fn for_each_value(field: &FieldDescriptor, checks: &str) -> String {
    let name = field.name();
    let access = format!("this.{}", rust::field(name));
    let block = format!("|violations| {{\n{checks}        }});\n");
    match rust::oneof_of(field) {
        Some(oneof) => format!(
            "        if let Some({}(value)) = &this.{} {{ violations.field({name:?}, {block}        \
             }}\n",
            rust::variant(&oneof, field),
            rust::field(oneof.name())
        ),
        None if field.is_list() => format!(
            "        for (index, value) in {access}.iter().enumerate() {{ \
             violations.item({name:?}, index, {block}        }}\n"
        ),
        None if field.supports_presence() => format!(
            "        if let Some(value) = &{access} {{ violations.field({name:?}, {block}        }}\n"
        ),
        None => format!(
            "        {{ let value = &{access}; violations.field({name:?}, {block}        }}\n"
        ),
    }
}

/// Messages of others are not checked: they must have no rules.
fn refuse_rules_in(pool: &DescriptorPool, message: &MessageDescriptor) -> Result<(), String> {
    refuse(message.full_name(), "message", rules_of(pool, &message.options(), MESSAGE))?;
    for oneof in message.oneofs() {
        refuse(oneof.full_name(), "oneof", rules_of(pool, &oneof.options(), ONEOF))?;
    }
    for field in message.fields() {
        refuse(field.full_name(), "field", rules_of(pool, &field.options(), FIELD))?;
    }
    Ok(())
}

fn refuse(element: &str, kind: &str, rules: Rules) -> Result<(), String> {
    match rules.first() {
        Some((rule, _)) => Err(format!("{element}: the {kind} rule `{rule}` is not known here")),
        None => Ok(()),
    }
}

fn is_ours(message: &MessageDescriptor) -> bool {
    message.package_name().starts_with("souk.")
}
