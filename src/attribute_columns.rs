//! Columns of a file that are attributes of a product type.

use anyhow::Context as _;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use souk_kit::Channel;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use souk_proto::souk::catalog::v2::{GetProductTypeRequest, ProductType};

use crate::login::explain;

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
    /// Those of the type of this name.
    pub async fn fetch(channel: Channel, name: &str) -> anyhow::Result<Self> {
        let request = GetProductTypeRequest { name: name.to_owned() };
        let found = CatalogServiceClient::new(channel).get_product_type(request).await;
        let found = found.map_err(|status| explain(&status));
        Ok(Self::of(found.with_context(|| format!("the type {name}"))?.into_inner()))
    }

    /// Those of a type: the properties of its schema, as far as a cell can say them.
    pub fn of(product_type: ProductType) -> Self {
        let schema = product_type.schema.unwrap_or_default();
        let properties = object(schema.fields.get("properties"));
        let column = |(name, property): (&String, &Value)| {
            let property = object(Some(property));
            Some((name.clone(), Content::of(&property)?))
        };
        let columns = properties.fields.iter().filter_map(column).collect();
        Self { name: product_type.name, columns }
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|(name, _)| name.as_str())
    }

    /// Whether a column is one of them.
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|(name, _)| name == column)
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
        let mut attributes = Struct::default();
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

    fn read(self, cell: &str) -> Result<Kind, &'static str> {
        let value = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
        match self {
            Self::Text => Ok(Kind::StringValue(cell.to_owned())),
            Self::Texts => {
                let values = cell.split('|').filter(|item| !item.is_empty()).map(value).collect();
                Ok(Kind::ListValue(ListValue { values }))
            }
            Self::Integer => match cell.parse::<i32>() {
                Ok(integer) => Ok(Kind::NumberValue(integer.into())),
                Err(_) => Err("must be a whole number"),
            },
            Self::Number => match cell.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Kind::NumberValue(number)),
                _ => Err("must be a number"),
            },
            Self::Boolean => cell.parse().map(Kind::BoolValue).map_err(|_| "must be true or false"),
        }
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
        AttributeColumns::of(ProductType {
            schema,
            name: "book".to_owned(),
            ..ProductType::default()
        })
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
        assert_eq!(wrong, ("attributes.year".to_owned(), "must be a whole number"));
    }
}
