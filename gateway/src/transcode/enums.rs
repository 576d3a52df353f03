//! Enum values in JSON: their names, or in plain style these in lowercase and without the prefix that
//! protobuf's style guide asks for.

use std::collections::HashMap;

use prost_reflect::EnumDescriptor;

use super::error::Issue;
use super::escape::put_string;
use super::number::put_integer;
use super::style::Style;

#[derive(Debug)]
pub(super) struct EnumPlan {
    /// Sorted by number, each with its name as JSON writes it.
    values: Vec<(i32, Box<[u8]>)>,
    /// By the full name, and in plain style by the name without the prefix, too.
    numbers: HashMap<String, i32>,
    /// google.protobuf.NullValue, whose only value is JSON's null.
    pub is_null: bool,
    /// What to say of a name that is none of these.
    expected: String,
}

impl EnumPlan {
    pub(super) fn compile(descriptor: &EnumDescriptor, style: Style) -> Self {
        let mut values: Vec<(i32, Box<[u8]>)> = Vec::new();
        let mut numbers = HashMap::new();
        let mut names = Vec::new();
        let declared = &descriptor.enum_descriptor_proto().value;
        for (value, (number, name)) in declared.iter().zip(enum_names(descriptor, style)) {
            let mut json = Vec::new();
            put_string(&mut json, &name);
            names.push(String::from_utf8_lossy(&json).into_owned());
            values.push((number, json.into()));
            numbers.entry(name).or_insert(number);
            numbers.insert(value.name().to_owned(), number);
        }
        // of values that share a number, the first declared is written
        values.sort_by_key(|(number, _)| *number);
        values.dedup_by_key(|(number, _)| *number);
        let is_null = descriptor.full_name() == "google.protobuf.NullValue";
        let expected = format!("must be one of {}", names.join(", "));
        Self { values, numbers, is_null, expected }
    }

    /// The number of a value that is given by name.
    pub(super) fn number(&self, name: &str) -> Result<i32, Issue> {
        self.numbers.get(name).copied().ok_or_else(|| self.expected.clone().into())
    }

    /// Appends a value as JSON: its name, or its number if it has no name.
    pub(super) fn put_json(&self, out: &mut Vec<u8>, number: i32) {
        if self.is_null {
            out.extend_from_slice(b"null");
            return;
        }
        match self.values.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(place) => out.extend_from_slice(&self.values[place].1),
            Err(_) => put_integer(out, number),
        }
    }
}

/// The values of an enum in the order of their declaration, each with its name in JSON.
pub(crate) fn enum_names(descriptor: &EnumDescriptor, style: Style) -> Vec<(i32, String)> {
    let prefix = screaming_snake_case(descriptor.name());
    let values = descriptor.enum_descriptor_proto().value.iter();
    let name = |name: &str| match style {
        Style::Plain => short_name(name, &prefix),
        Style::Canonical => name.to_owned(),
    };
    values.map(|value| (value.number(), name(value.name()))).collect()
}

/// `ORDER_STATUS_PAID` becomes `paid`.
fn short_name(name: &str, prefix: &str) -> String {
    let short = name.strip_prefix(prefix).filter(|short| !short.is_empty());
    short.unwrap_or(name).to_ascii_lowercase()
}

/// `OrderStatus` becomes `ORDER_STATUS_`.
fn screaming_snake_case(name: &str) -> String {
    let mut out = String::new();
    let mut before = None::<char>;
    let mut chars = name.chars().peekable();
    while let Some(char) = chars.next() {
        let after_small =
            before.is_some_and(|before| before.is_ascii_lowercase() || before.is_ascii_digit());
        let starts_word = before.is_some_and(|before| before.is_ascii_uppercase())
            && chars.peek().is_some_and(char::is_ascii_lowercase);
        if char.is_ascii_uppercase() && (after_small || starts_word) {
            out.push('_');
        }
        out.push(char.to_ascii_uppercase());
        before = Some(char);
    }
    out.push('_');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_of_an_enum_is_its_name_in_capitals() {
        assert_eq!(screaming_snake_case("OrderStatus"), "ORDER_STATUS_");
        assert_eq!(screaming_snake_case("HTTPMethod"), "HTTP_METHOD_");
        assert_eq!(screaming_snake_case("Sha256Kind"), "SHA256_KIND_");
    }
}
