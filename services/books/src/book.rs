//! What a book is, and how the catalog has it: as a product with attributes.

use std::collections::BTreeMap;

use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use souk_kit::{Currency, Money};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::books::v1::{Book, CreateBookRequest};
use souk_proto::souk::catalog::v2::{CreateProductRequest, CreateProductTypeRequest, Product};
use uuid::Uuid;

use crate::Error;

/// The name of the product type.
pub const TYPE: &str = "book";
/// The most that a book may cost, in cents.
const MAX_PRICE: i64 = 1_000_000;

/// The type that the products have which are books: what it asks of their attributes, and what can be searched
/// and filtered by. Others may have more attributes than this API shows.
pub fn product_type() -> CreateProductTypeRequest {
    let text = |max: f64| object([("type", text("string")), ("maxLength", number(max))]);
    let filled = |max: f64| {
        object([
            ("type", self::text("string")),
            ("minLength", number(1.0)),
            ("maxLength", number(max)),
        ])
    };
    let isbn = object([("type", self::text("string")), ("pattern", self::text("^[0-9]{13}$"))]);
    let kind = |name: &str| object([("type", self::text(name))]);
    let properties = object([
        ("author", filled(100.0)),
        ("isbn", isbn),
        ("genre", text(50.0)),
        ("year", kind("integer")),
        ("language", text(20.0)),
        ("rating", kind("number")),
        ("ratings_count", kind("integer")),
    ]);
    let required = list(["author", "isbn"]);
    let schema = fields([
        ("type", self::text("object")),
        ("properties", properties),
        ("required", required),
    ]);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    CreateProductTypeRequest {
        name: TYPE.to_owned(),
        schema: Some(schema),
        searchable: names(&["author", "isbn", "genre"]),
        filterable: names(&["author", "isbn", "genre", "language", "year"]),
    }
}

/// The product that a new book is.
pub fn new_product(book: CreateBookRequest) -> Result<CreateProductRequest, Error> {
    let mut attributes = fields([("author", text(&book.author)), ("isbn", text(&book.isbn))]);
    if !book.genre.is_empty() {
        attributes.fields.insert("genre".to_owned(), text(&book.genre));
    }
    Ok(CreateProductRequest {
        // nobody asks for one; several books may have the same ISBN
        sku: format!("BOOK-{}", Uuid::now_v7().simple()),
        name: book.title,
        price: Some(price(book.price)?),
        currency: Currency::USD.code().to_owned(),
        available: i32::from(book.in_stock.unwrap_or(true)),
        r#type: TYPE.to_owned(),
        attributes: Some(attributes),
        ..CreateProductRequest::default()
    })
}

/// A price as the contract has it: more than 0, at most 10,000.
pub fn price(amount: Option<Decimal>) -> Result<Decimal, Error> {
    let amount = amount.ok_or_else(|| Error::invalid("price", "is required"))?;
    let money = Money::parse(&amount.value, Currency::USD);
    match money.map_err(|issue| Error::invalid("price", issue))?.minor() {
        0 => Err(Error::invalid("price", "must be greater than 0")),
        cents if cents > MAX_PRICE => Err(Error::invalid("price", "must be at most 10000")),
        _ => Ok(amount),
    }
}

/// The book that a product is; `None` when it is none, or is not priced in dollars.
pub fn book(product: Product) -> Option<Book> {
    if product.r#type != TYPE || product.currency != Currency::USD.code() {
        return None;
    }
    let attributes = product.attributes.unwrap_or_default();
    Some(Book {
        id: product.id,
        title: product.name,
        author: attribute(&attributes, "author"),
        isbn: attribute(&attributes, "isbn"),
        price: product.price,
        genre: attribute(&attributes, "genre"),
        in_stock: product.in_stock,
        created_at: product.created_at,
        updated_at: product.updated_at,
        etag: product.etag,
    })
}

/// The name that a field of a product has in a book.
pub fn field(of_product: &str) -> &str {
    match of_product {
        "name" => "title",
        "available" => "in_stock",
        other => other.strip_prefix("attributes.").unwrap_or(other),
    }
}

/// Sets an attribute, or removes it where the text is empty.
pub fn set(attributes: &mut Struct, name: &str, value: &str) {
    if value.is_empty() {
        attributes.fields.remove(name);
    } else {
        attributes.fields.insert(name.to_owned(), text(value));
    }
}

fn attribute(attributes: &Struct, name: &str) -> String {
    match attributes.fields.get(name).and_then(|value| value.kind.as_ref()) {
        Some(Kind::StringValue(text)) => text.clone(),
        _ => String::new(),
    }
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> Struct {
    let fields: BTreeMap<String, Value> =
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Struct { fields }
}

fn object<const N: usize>(values: [(&str, Value); N]) -> Value {
    Value { kind: Some(Kind::StructValue(fields(values))) }
}

fn list<const N: usize>(texts: [&str; N]) -> Value {
    let values = texts.into_iter().map(text).collect();
    Value { kind: Some(Kind::ListValue(ListValue { values })) }
}

fn text(text: &str) -> Value {
    Value { kind: Some(Kind::StringValue(text.to_owned())) }
}

fn number(number: f64) -> Value {
    Value { kind: Some(Kind::NumberValue(number)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(value: &str) -> Result<Decimal, Error> {
        price(Some(Decimal { value: value.to_owned() }))
    }

    #[test]
    fn a_book_costs_more_than_nothing_and_no_more_than_ten_thousand() {
        for value in ["0.01", "10000", "10000.00"] {
            assert!(amount(value).is_ok(), "{value}");
        }
        for value in ["0", "-1", "10000.01", "1.999", "x"] {
            assert!(amount(value).is_err(), "{value}");
        }
    }

    #[test]
    fn what_the_catalog_says_of_a_product_is_said_of_the_book() {
        for (of_product, of_book) in
            [("name", "title"), ("attributes.isbn", "isbn"), ("price", "price")]
        {
            assert_eq!(field(of_product), of_book);
        }
    }
}
