//! Columns of a file that are attributes of a product type.

use anyhow::Context as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use souk_kit::Channel;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{GetProductTypeRequest, ProductType};

use crate::attributes;
use crate::login::explain;

/// The column of what has no column of its own, as JSON.
const REST: &str = "attributes";
/// Integers beyond it are not exact in a `Struct`.
const MAX_EXACT: i64 = 1 << 53;

/// The columns that a type knows.
#[derive(Debug)]
pub struct AttributeColumns {
    /// The name of the type.
    pub name: String,
    columns: Vec<(String, Content)>,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy)]
enum Content {
    Text,
    Texts,
    Integer,
    Number,
    Boolean,
}

impl AttributeColumns {
    /// Those of the type of this name. Names that are taken mean something else.
    pub async fn fetch(channel: Channel, name: &str, taken: &[&str]) -> anyhow::Result<Self> {
        let request = GetProductTypeRequest { name: name.to_owned() };
        let found = CatalogServiceClient::new(channel).get_product_type(request).await;
        let found = found.map_err(|status| explain(&status));
        Ok(Self::of(found.with_context(|| format!("the type {name}"))?.into_inner(), taken))
    }

    /// Those of a type: the properties of its schema, as far as a cell can say them.
    pub fn of(product_type: ProductType, taken: &[&str]) -> Self {
        let schema = product_type.schema.unwrap_or_default();
        let properties = object(schema.fields.get("properties"));
        let column = |(name, property): (&String, &Value)| {
            if taken.contains(&name.as_str()) || name == REST {
                return None;
            }
            let property = object(Some(property));
            Some((name.clone(), Content::of(&property)?))
        };
        let columns = properties.fields.iter().filter_map(column).collect();
        Self { name: product_type.name, columns }
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str()).chain([REST])
    }

    /// Whether a column is one of them.
    pub fn has(&self, column: &str) -> bool {
        self.names().any(|name| name == column)
    }

    /// The cells of a product: what is read from them again.
    pub fn write(&self, mut attributes: Struct) -> Vec<String> {
        let mut cells = Vec::with_capacity(self.columns.len() + 1);
        for (name, content) in &self.columns {
            let cell = attributes.fields.get(name).and_then(|value| content.write(value));
            if cell.is_some() {
                attributes.fields.remove(name);
            }
            cells.push(cell.unwrap_or_default());
        }
        let is_all = attributes.fields.is_empty();
        let rest = attributes::to_json(&attributes);
        cells.push(if is_all { String::new() } else { rest.to_string() });
        cells
    }

    /// The attributes of a row, whose cells are found by the name of their column. An empty cell says nothing.
    ///
    /// # Errors
    ///
    /// The attribute whose cell cannot be read, and why.
    pub fn read<'r>(
        &self,
        cell: impl Fn(&str) -> Option<&'r str>,
    ) -> Result<Struct, (String, &'static str)> {
        let mut attributes = match cell(REST).filter(|text| !text.is_empty()) {
            Some(rest) => attributes::parse(rest)
                .map_err(|_| (REST.to_owned(), "must be an object of JSON"))?,
            None => Struct::default(),
        };
        for (name, content) in &self.columns {
            let Some(text) = cell(name).filter(|text| !text.is_empty()) else { continue };
            let value =
                content.read(text).map_err(|issue| (format!("attributes.{name}"), issue))?;
            attributes.fields.insert(name.clone(), Value { kind: Some(value) });
        }
        Ok(attributes)
    }
}

impl Content {
    fn of(property: &Struct) -> Option<Self> {
        match text(property.fields.get("type"))? {
            "string" => Some(Self::Text),
            "integer" => Some(Self::Integer),
            "number" => Some(Self::Number),
            "boolean" => Some(Self::Boolean),
            "array" => {
                let items = object(property.fields.get("items"));
                (text(items.fields.get("type")) == Some("string")).then_some(Self::Texts)
            }
            _ => None,
        }
    }

    /// The cell that is read as this value, if there is one.
    fn write(self, value: &Value) -> Option<String> {
        let cell = text_of(value)?;
        // who reads it takes spaces away, and an empty one for nothing
        let is_kept = !cell.is_empty() && cell.trim() == cell;
        (is_kept && self.read(&cell).ok() == value.kind).then_some(cell)
    }

    fn read(self, cell: &str) -> Result<Kind, &'static str> {
        let value = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
        match self {
            Self::Text => Ok(Kind::StringValue(cell.to_owned())),
            Self::Texts => {
                let values = cell.split('|').filter(|item| !item.is_empty()).map(value).collect();
                Ok(Kind::ListValue(ListValue { values }))
            }
            Self::Integer => match cell.parse::<i64>() {
                Ok(integer) if integer.abs() <= MAX_EXACT => Ok(Kind::NumberValue(integer as f64)),
                _ => Err("must be a whole number of at most 2^53"),
            },
            Self::Number => match cell.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Kind::NumberValue(number)),
                _ => Err("must be a number"),
            },
            Self::Boolean => cell.parse().map(Kind::BoolValue).map_err(|_| "must be true or false"),
        }
    }
}

/// A value as a cell says it, if one can.
fn text_of(value: &Value) -> Option<String> {
    match value.kind.as_ref()? {
        Kind::StringValue(text) => Some(text.clone()),
        Kind::NumberValue(number) => Some(number.to_string()),
        Kind::BoolValue(is) => Some(is.to_string()),
        Kind::ListValue(list) => {
            let items: Option<Vec<_>> = list.values.iter().map(text_of).collect();
            Some(items?.join("|"))
        }
        Kind::NullValue(_) | Kind::StructValue(_) => None,
    }
}

fn object(value: Option<&Value>) -> Struct {
    match value.and_then(|value| value.kind.as_ref()) {
        Some(Kind::StructValue(object)) => object.clone(),
        _ => Struct::default(),
    }
}

fn text(value: Option<&Value>) -> Option<&str> {
    match value?.kind.as_ref()? {
        Kind::StringValue(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books() -> AttributeColumns {
        let schema = souk_books::product_type().schema;
        let product_type =
            ProductType { schema, name: "book".to_owned(), ..ProductType::default() };
        AttributeColumns::of(product_type, &["sku", "name"])
    }

    #[test]
    fn a_cell_is_read_as_its_type_has_it_and_an_empty_one_says_nothing() {
        assert!(books().has("isbn") && !books().has("sku"));
        let cells = [("author", "Harper Lee"), ("year", "1960"), ("rating", "4.25"), ("genre", "")];
        let cell = |name: &str| cells.iter().find(|(column, _)| *column == name).map(|cell| cell.1);
        let read = books().read(cell).unwrap().fields;
        assert_eq!(read.keys().collect::<Vec<_>>(), ["author", "rating", "year"]);
        assert_eq!(read["year"].kind, Some(Kind::NumberValue(1960.0)));
        let wrong = books().read(|name| (name == "year").then_some("long ago")).unwrap_err();
        assert_eq!(wrong.0, "attributes.year");
    }

    #[test]
    fn what_is_written_is_read_again_whatever_it_is() {
        let columns = books();
        for text in [
            r#"{}"#,
            r#"{"author": "Jane Austen", "year": 1815, "rating": 4.5}"#,
            r#"{"author": " a space", "isbn": "", "year": 1815.5, "genre": null}"#,
            r#"{"year": 9007199254740992, "rating": "none", "size": {"pages": [1, 2]}}"#,
            r#"{"author": "two\nlines, and a \"quote\"", "name": "taken", "attributes": [true]}"#,
        ] {
            let attributes = attributes::parse(text).unwrap();
            let cells = columns.write(attributes.clone());
            let read = columns.read(|column| {
                let place = columns.names().position(|name| name == column);
                place.map(|place| cells[place].as_str())
            });
            assert_eq!(read, Ok(attributes), "{text}: {cells:?}");
        }
    }
}
