//! What prost calls in Rust what a contract names.

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};
use prost_reflect::{FieldDescriptor, MessageDescriptor, OneofDescriptor};

/// The path of a message's type under a crate.
pub fn path(root: &str, message: &MessageDescriptor) -> String {
    format!("{}::{}", parent(root, message), message.name().to_upper_camel_case())
}

/// The name of a field.
pub fn field(name: &str) -> String {
    let name = name.to_snake_case();
    if matches!(name.as_str(), "use" | "type" | "in" | "ref" | "for" | "match" | "move") {
        format!("r#{name}")
    } else {
        name
    }
}

/// The oneof that a field is a member of; not that of an `optional` field, which Rust does not show.
pub fn oneof_of(field: &FieldDescriptor) -> Option<OneofDescriptor> {
    field.containing_oneof().filter(|oneof| !oneof.is_synthetic())
}

/// The path of the enum variant that holds a member of a oneof.
pub fn variant(oneof: &OneofDescriptor, field: &FieldDescriptor) -> String {
    format!(
        "{}::{}::{}",
        inside("crate", oneof.parent_message()),
        oneof.name().to_upper_camel_case(),
        field.name().to_upper_camel_case()
    )
}

fn parent(root: &str, message: &MessageDescriptor) -> String {
    match message.parent_message() {
        Some(outer) => inside(root, &outer),
        None => format!("{root}::{}", message.package_name().replace('.', "::")),
    }
}

/// The module of what is defined in a message.
fn inside(root: &str, message: &MessageDescriptor) -> String {
    format!("{}::{}", parent(root, message), message.name().to_snake_case())
}
