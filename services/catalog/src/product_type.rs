//! Product types: what products of a kind have in common.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use jsonschema::error::{ValidationError, ValidationErrorKind};
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;
use souk_kit::page::Row;
use souk_proto::Violation;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::attributes::Attributes;
use crate::schema_bounds;

/// The list that cursors of types belong to, and under which types are counted.
pub const LIST: &str = "product_types";

/// How many things that are wrong with attributes are told.
const MAX_TOLD: usize = 50;

/// How many bytes a pattern may take when it is compiled, and again while it is used.
const PATTERN_BYTES: usize = 256 * 1024;

/// The longest name of a type.
const MAX_NAME: usize = 64;

/// The name of a product type: lowercase words joined by `-`, up to 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeName(String);

impl TypeName {
    /// The type that a text names; `None` where it can name none.
    pub fn parse(text: String) -> Option<Self> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'))
        };
        let is_name = text.len() <= MAX_NAME && text.split('-').all(is_word);
        is_name.then_some(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A product type.
#[derive(Debug, Clone)]
pub struct ProductType {
    /// Its place in lists.
    pub id: Uuid,
    pub name: TypeName,
    pub definition: Definition,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl Row for ProductType {
    fn key(&self) -> Uuid {
        self.id
    }

    fn bytes(&self) -> usize {
        self.definition.schema.bytes() + 3_000
    }
}

/// What a type says of its products.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// JSON Schema of their attributes.
    pub schema: Attributes,
    /// The attributes whose words a search finds.
    pub searchable: Vec<String>,
    /// The attributes that a list can be filtered by.
    pub filterable: Vec<String>,
}

/// What to change of a type; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct TypeChange {
    pub schema: Option<Attributes>,
    pub searchable: Option<Vec<String>>,
    pub filterable: Option<Vec<String>>,
}

/// What an attribute can be that is searched or filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Text,
    /// A list of texts.
    Texts,
    Number,
    Integer,
    Boolean,
}

impl Kind {
    /// What the schema of an attribute says that it is; `None` when it is none of these for certain.
    fn of(schema: &Value) -> Option<Self> {
        match schema.get("type")?.as_str()? {
            "string" => Some(Self::Text),
            "number" => Some(Self::Number),
            "integer" => Some(Self::Integer),
            "boolean" => Some(Self::Boolean),
            "array" if Self::of(schema.get("items")?)? == Self::Text => Some(Self::Texts),
            _ => None,
        }
    }
}

impl Definition {
    /// What is there after a change.
    pub fn with(self, change: TypeChange) -> Self {
        Self {
            schema: change.schema.unwrap_or(self.schema),
            searchable: change.searchable.unwrap_or(self.searchable),
            filterable: change.filterable.unwrap_or(self.filterable),
        }
    }

    /// What its attribute of this name is, where that is certain.
    pub fn kind(&self, attribute: &str) -> Option<Kind> {
        Kind::of(self.schema.map().get("properties")?.get(attribute)?)
    }

    /// Reads the schema, and looks whether everything fits together.
    ///
    /// # Errors
    ///
    /// A field, and what is wrong with it.
    pub fn compile(&self) -> Result<Schema, Violation> {
        let schema = self.schema.map();
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(violation("schema", "must have the type object".to_owned()));
        }
        let value = self.schema.clone().into_value();
        schema_bounds::check(&value)?;
        let validator = validator(&value)?;
        let kinds = |names: &[String], field: &str, allowed: &[Kind], what: &str| {
            let mut seen = BTreeSet::new();
            let wrong = names.iter().find(|name| {
                !seen.insert(*name) || !self.kind(name).is_some_and(|kind| allowed.contains(&kind))
            });
            wrong.map_or(Ok(()), |name| {
                let issue = format!("{name} must be a property of the schema, once, and {what}");
                Err(violation(field, issue))
            })
        };
        let (words, values) =
            ([Kind::Text, Kind::Texts], [Kind::Text, Kind::Number, Kind::Integer, Kind::Boolean]);
        kinds(&self.searchable, "searchable", &words, "text or a list of texts")?;
        kinds(&self.filterable, "filterable", &values, "text, a number or a boolean")?;
        Ok(Schema(Arc::new(validator)))
    }
}

/// Patterns take a time that grows with the text and no faster, and little memory; nothing outside the schema is
/// fetched.
fn validator(schema: &Value) -> Result<Validator, Violation> {
    let options = jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(
            PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES),
        )
        .should_validate_formats(true);
    options.build(schema).map_err(|error| {
        let field = path("schema", error.instance_path().as_str());
        violation(field, format!("is no JSON Schema (draft 2020-12): {}", error.masked()))
    })
}

/// A schema, ready to be used. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Schema(Arc<Validator>);

impl Schema {
    pub fn allows(&self, attributes: &Value) -> bool {
        self.0.is_valid(attributes)
    }

    /// # Errors
    ///
    /// The attributes that break it, and how.
    pub fn check(&self, attributes: &Value) -> Result<(), Vec<Violation>> {
        let wrong: Vec<Violation> =
            self.0.iter_errors(attributes).flat_map(|error| told(&error)).take(MAX_TOLD).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }
}

/// What is wrong, as its sender can mend it: without the value, which they know.
fn told(error: &ValidationError<'_>) -> Vec<Violation> {
    let field = path("attributes", error.instance_path().as_str());
    let within = |name: &str, issue: &str| violation(format!("{field}.{name}"), issue.to_owned());
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            vec![within(property.as_str().unwrap_or_default(), "is required")]
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.iter().map(|name| within(name, "is not in the schema of the type")).collect()
        }
        _ => vec![violation(field, error.masked().to_string())],
    }
}

/// A JSON pointer (`/pages/0`) as the path of a field: `attributes.pages[0]`.
fn path(root: &str, pointer: &str) -> String {
    let mut path = root.to_owned();
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
            path.push_str(&format!("[{part}]"));
        } else {
            path.push('.');
            path.push_str(&part);
        }
    }
    path
}

fn violation(field: impl Into<String>, issue: String) -> Violation {
    Violation { field: field.into(), issue }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(schema: &Value) -> Definition {
        let schema = serde_json::from_value(schema.clone()).unwrap();
        Definition { schema, searchable: Vec::new(), filterable: Vec::new() }
    }

    fn books() -> Definition {
        let schema = json!({
            "type": "object",
            "properties": {
                "author": {"type": "string", "maxLength": 10},
                "year": {"type": "integer"},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["author"],
            "additionalProperties": false,
        });
        definition(&schema)
    }

    fn wrong(attributes: &Value) -> Vec<String> {
        let wrong = books().compile().unwrap().check(attributes).unwrap_err();
        wrong.into_iter().map(|Violation { field, issue }| format!("{field} {issue}")).collect()
    }

    #[test]
    fn what_is_wrong_with_attributes_names_each_by_its_path() {
        assert!(books().compile().unwrap().allows(&json!({"author": "Lee", "year": 1960})));
        assert_eq!(wrong(&json!({})), ["attributes.author is required"]);
        let extra = wrong(&json!({"author": "Lee", "isbn": "1"}));
        assert_eq!(extra, ["attributes.isbn is not in the schema of the type"]);
        let kinds = wrong(&json!({"author": "Lee", "year": "x", "tags": ["a", 1]}));
        assert!(kinds[0].starts_with("attributes.year "), "{kinds:?}");
        assert!(kinds[1].starts_with("attributes.tags[1] "), "{kinds:?}");
        assert!(!kinds.concat().contains('x'), "the value is not told: {kinds:?}");
    }

    #[test]
    fn a_name_is_words_that_a_path_can_have() {
        for name in ["book", "art-print", "2b"] {
            assert!(TypeName::parse(name.to_owned()).is_some(), "{name}");
        }
        for name in ["", "Book", "a--b", "-a", "a-", "a b", "é", &"a".repeat(65)] {
            assert_eq!(TypeName::parse(name.to_owned()), None, "{name}");
        }
    }

    #[test]
    fn a_schema_that_is_none_or_refers_elsewhere_is_refused() {
        for schema in [
            json!({"type": "array"}),
            json!({}),
            json!({"type": "object", "properties": 7}),
            json!({"type": "object", "$ref": "http://127.0.0.1/schema.json"}),
            json!({"type": "object", "properties": {"a": {"pattern": "("}}}),
            json!({"type": "object", "properties": {"a": {"pattern": "(((a{0,100}){100}){8})"}}}),
        ] {
            assert_eq!(
                definition(&schema).compile().err().unwrap().field.split('.').next(),
                Some("schema")
            );
        }
    }

    #[test]
    fn only_what_a_schema_has_can_be_searched_or_filtered_by() {
        let searchable = |name: &str| Definition { searchable: vec![name.to_owned()], ..books() };
        assert!(searchable("author").compile().is_ok());
        assert!(searchable("tags").compile().is_ok());
        assert_eq!(searchable("year").compile().err().unwrap().field, "searchable");
        let filterable = |name: &str| Definition { filterable: vec![name.to_owned()], ..books() };
        assert!(filterable("year").compile().is_ok());
        assert_eq!(filterable("publisher").compile().err().unwrap().field, "filterable");
    }
}
