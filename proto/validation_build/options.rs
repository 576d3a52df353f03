//! Reads the rules that an element of a contract carries in its options.

use prost_reflect::{DescriptorPool, DynamicMessage, Value};

/// Rules and their values. Extensions have names in brackets, as in the text format.
pub type Rules = Vec<(String, Value)>;

/// The option that carries the rules of a field.
pub const FIELD: &str = "buf.validate.field";
/// The option that carries the rules of a message.
pub const MESSAGE: &str = "buf.validate.message";
/// The option that carries the rules of a oneof.
pub const ONEOF: &str = "buf.validate.oneof";
/// The option that makes an extension of a rules message a rule.
pub const PREDEFINED: &str = "buf.validate.predefined";

/// The rules that an option sets.
pub fn rules_of(pool: &DescriptorPool, options: &DynamicMessage, option: &str) -> Rules {
    let extension = pool.get_extension_by_name(option);
    let Some(extension) = extension.filter(|extension| options.has_extension(extension)) else {
        return Vec::new();
    };
    options.get_extension(&extension).as_message().map(each).unwrap_or_default()
}

/// Every rule that is set.
pub fn each(rules: &DynamicMessage) -> Rules {
    let fields = rules.fields().map(|(field, value)| (field.name().to_owned(), value.clone()));
    let extensions = rules
        .extensions()
        .map(|(extension, value)| (format!("[{}]", extension.full_name()), value.clone()));
    fields.chain(extensions).collect()
}
