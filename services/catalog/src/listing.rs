//! Lists of products: which ones, and in which order.

use std::fmt::Write as _;

use serde_json::Value;
use souk_kit::Currency;
use souk_kit::cursor::Total;
use souk_kit::id::CategoryId;
use souk_kit::page::Row;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::product::{LIST, Market, Product};
use crate::product_type::{Definition, Kind, TypeName};

/// By relevance, no more products are listed: the newest of those that are found.
pub const MOST_RELEVANT: i32 = 1_000;
/// As far as the products of a list are counted that goes by cursors.
pub const COUNTED: i32 = 1_000;
/// As far as they are counted where pages have numbers: a page begins no later.
pub const COUNTED_FOR_PAGES: i32 = 10_000;

/// Which products a list has, and in which order.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    pub filter: Filter,
    pub sort: Sort,
}

/// How a page is found. Which is better depends on how many products keep the filter, and estimates of that are
/// wrong where it has to do with the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// All that keep the filter, which are few, and then in their order.
    Gather,
    /// Through all products in their order, of which many keep it.
    Walk,
}

/// What all products of a list have in common.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    pub currency: Option<Currency>,
    /// Several times, where some of them are wanted in any case.
    pub categories: Vec<Categories>,
    /// Words that are found; at least one letter or digit.
    pub words: Option<String>,
    pub in_stock: Option<bool>,
    /// In minor units of the currency, which there is then.
    pub min_price: Option<i64>,
    pub max_price: Option<i64>,
    pub product_type: Option<TypeName>,
    pub created_after: Option<OffsetDateTime>,
    /// The values of attributes, which their type declares filterable.
    pub attributes: Vec<(String, Value)>,
}

/// The categories that products are in.
#[derive(Debug, Clone, PartialEq)]
pub struct Categories {
    pub ids: Vec<CategoryId>,
    /// In all of them, or in any.
    pub all: bool,
}

/// A list as it is asked for: with names, of which the database knows what they mean.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// But for its categories and attributes.
    pub listing: Listing,
    pub categories: Vec<CategoryName>,
    /// In all of them, or in any.
    pub all_categories: bool,
    /// One more category, which must exist.
    pub category: Option<CategoryId>,
    pub attributes: Vec<(String, String)>,
}

/// What a category is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CategoryName {
    Id(CategoryId),
    Slug(String),
}

impl CategoryName {
    /// That of a text: slugs have no underscore.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Slug(text.to_owned()), Self::Id)
    }

    pub fn slug(&self) -> Option<&str> {
        match self {
            Self::Id(_) => None,
            Self::Slug(slug) => Some(slug),
        }
    }
}

/// The order of a list. Products that are alike in it are sorted by their ids, and so by age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Relevance,
    Price(Direction),
    Name(Direction),
    Created(Direction),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ascending,
    Descending,
}

impl Sort {
    /// The order of a name in the contract, which has checked it.
    pub fn parse(name: &str, has_words: bool) -> Option<Self> {
        let (name, direction) = match name.strip_prefix('-') {
            Some(name) => (name, Direction::Descending),
            None => (name, Direction::Ascending),
        };
        match name {
            "relevance" if has_words => Some(Self::Relevance),
            "" if has_words => Some(Self::Relevance),
            "" | "created_at" => Some(Self::Created(direction)),
            "price" => Some(Self::Price(direction)),
            "name" => Some(Self::Name(direction)),
            _ => None,
        }
    }
}

impl Listing {
    /// Whether it has all products, or all of a currency, oldest first.
    pub fn is_of_all(&self) -> bool {
        let all = Filter { currency: self.filter.currency, ..Filter::default() };
        self.sort == Sort::Created(Direction::Ascending) && self.filter == all
    }

    /// As far as its products are counted.
    pub fn most_counted(&self, is_numbered: bool) -> i32 {
        let most = if is_numbered { COUNTED_FOR_PAGES } else { COUNTED };
        if self.sort == Sort::Relevance { most.min(MOST_RELEVANT) } else { most }
    }

    /// The way to its pages, where it has so many products.
    pub fn way(&self, total: Total) -> Way {
        match total {
            Total::Exactly(few) if few <= COUNTED => Way::Gather,
            Total::Exactly(_) | Total::MoreThan(_) => Way::Walk,
        }
    }

    /// The list that cursors belong to.
    pub fn name(&self, market: Market) -> String {
        if market == Market::USD && self.is_of_all() {
            // as in the release before, whose cursors go on
            return LIST.to_owned();
        }
        let mut name = format!("{LIST}?v2");
        // whatever of it is another makes another text: this one is never shown
        let _ = write!(name, "{self:?}");
        name
    }
}

impl Filter {
    /// The one counter that has the number of its products, if there is one.
    pub fn counter(&self) -> Option<String> {
        let Self { currency, categories, product_type, .. } = self.clone();
        let counted = Self { currency, categories, product_type, ..Self::default() };
        if *self != counted {
            return None;
        }
        match (currency, self.categories.as_slice(), &self.product_type) {
            (None, [], None) => Some(LIST.to_owned()),
            (Some(currency), [], None) => Some(format!("{LIST}/currency/{}", currency.code())),
            (None, [], Some(name)) => Some(format!("{LIST}/type/{name}")),
            (Some(currency), [], Some(name)) => {
                Some(format!("{LIST}/type/{name}/{}", currency.code()))
            }
            (None, [Categories { ids, .. }], None) => match ids.as_slice() {
                [id] => Some(format!("categories/{}", id.uuid())),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Why a value is none that an attribute can have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFilterable {
    /// It is not declared.
    #[error("is not filterable: {} are", .0.join(", "))]
    Unknown(Vec<String>),
    /// The type declares none.
    #[error("is not filterable, and nothing of this type is")]
    Nothing,
    #[error("must be a whole number")]
    NotInteger,
    #[error("must be a number")]
    NotNumber,
    #[error("must be true or false")]
    NotBoolean,
}

/// The value that an attribute must have, as JSON.
pub fn attribute(of: &Definition, name: &str, text: &str) -> Result<Value, NotFilterable> {
    if of.filterable.is_empty() {
        return Err(NotFilterable::Nothing);
    }
    let unknown = || NotFilterable::Unknown(of.filterable.clone());
    if !of.filterable.iter().any(|filterable| filterable == name) {
        return Err(unknown());
    }
    match of.kind(name) {
        Some(Kind::Text) => Ok(text.into()),
        Some(Kind::Integer) => {
            text.parse::<i64>().map(Value::from).map_err(|_| NotFilterable::NotInteger)
        }
        Some(Kind::Number) => {
            let number = text.parse().ok().and_then(serde_json::Number::from_f64);
            number.map(Value::from).ok_or(NotFilterable::NotNumber)
        }
        Some(Kind::Boolean) => {
            text.parse::<bool>().map(Value::from).map_err(|_| NotFilterable::NotBoolean)
        }
        Some(Kind::Texts) | None => Err(unknown()),
    }
}

/// The first id that a product can have that was created after a time: ids have the millisecond in which they
/// were made (RFC 9562, section 5.7), and so has `created_at`.
pub fn first_id_after(time: OffsetDateTime) -> Uuid {
    let millis = time.unix_timestamp_nanos().div_euclid(1_000_000) + 1;
    // 48 bits of them
    let millis = millis.clamp(0, (1 << 48) - 1).unsigned_abs();
    Uuid::from_u128(millis << 80)
}

/// A product in a list.
#[derive(Debug, Clone)]
pub struct Listed {
    pub product: Product,
    pub sort_key: SortKey,
}

impl Row for Listed {
    fn key(&self) -> Uuid {
        self.product.id.uuid()
    }

    fn sort_key(&self) -> Vec<u8> {
        self.sort_key.to_bytes()
    }

    fn bytes(&self) -> usize {
        self.product.bytes()
    }
}

/// What a product is sorted by before its id.
#[derive(Debug, Clone, PartialEq)]
pub enum SortKey {
    Nothing,
    Price { currency: String, minor: i64 },
    Name(String),
    Relevance(f32),
}

impl SortKey {
    /// For a cursor.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Price { currency, minor } => [&minor.to_be_bytes(), currency.as_bytes()].concat(),
            Self::Name(name) => name.clone().into_bytes(),
            Self::Relevance(rank) => rank.to_be_bytes().into(),
        }
    }

    /// The key of a cursor of a list of this order. Cursors are ours, so it always is one.
    pub fn from_bytes(sort: Sort, bytes: &[u8]) -> Option<Self> {
        Some(match sort {
            Sort::Created(_) => Self::Nothing,
            Sort::Price(_) => {
                let (minor, currency) = bytes.split_at_checked(8)?;
                let minor = i64::from_be_bytes(minor.try_into().ok()?);
                Self::Price { currency: String::from_utf8(currency.to_vec()).ok()?, minor }
            }
            Sort::Name(_) => Self::Name(String::from_utf8(bytes.to_vec()).ok()?),
            Sort::Relevance => Self::Relevance(f32::from_be_bytes(bytes.try_into().ok()?)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::attributes::Attributes;

    fn books() -> Definition {
        let schema = serde_json::json!({"type": "object", "properties": {
            "author": {"type": "string"}, "year": {"type": "integer"},
            "rating": {"type": "number"}, "used": {"type": "boolean"},
        }});
        let schema: Attributes = serde_json::from_value(schema).unwrap();
        let filterable = ["author", "year", "rating", "used"].map(str::to_owned).into();
        Definition { schema, searchable: Vec::new(), filterable }
    }

    proptest! {
        #[test]
        fn a_sort_key_goes_through_a_cursor(minor in any::<i64>(), name in ".*", rank in 0.0_f32..1.0) {
            let price = SortKey::Price { currency: "EUR".to_owned(), minor };
            for (sort, key) in [
                (Sort::Price(Direction::Ascending), price),
                (Sort::Name(Direction::Descending), SortKey::Name(name)),
                (Sort::Relevance, SortKey::Relevance(rank)),
                (Sort::Created(Direction::Descending), SortKey::Nothing),
            ] {
                prop_assert_eq!(SortKey::from_bytes(sort, &key.to_bytes()), Some(key));
            }
        }

        #[test]
        fn ids_made_after_a_time_are_after_its_first(millis in 1_i64..4_000_000_000_000) {
            let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap();
            let id = |millis: i64| Uuid::from_u128((i128::from(millis).unsigned_abs() << 80) | (7 << 76) | 1);
            prop_assert!(id(millis) < first_id_after(at));
            prop_assert!(id(millis + 1) > first_id_after(at));
        }
    }

    #[test]
    fn the_value_of_an_attribute_is_read_as_its_type_has_it() {
        let read = |name, text| attribute(&books(), name, text);
        assert_eq!(read("author", "1984"), Ok("1984".into()));
        assert_eq!(read("year", "1984"), Ok(1984.into()));
        assert_eq!(read("rating", "4.34"), Ok(4.34.into()));
        assert_eq!(read("used", "true"), Ok(true.into()));
        assert_eq!(read("year", "x"), Err(NotFilterable::NotInteger));
        let unknown = read("publisher", "x").unwrap_err().to_string();
        assert_eq!(unknown, "is not filterable: author, year, rating, used are");
    }

    #[test]
    fn lists_that_differ_in_anything_have_different_names() {
        let of = |currency| {
            let filter = Filter { currency, ..Filter::default() };
            Listing { filter, sort: Sort::Created(Direction::Ascending) }
        };
        let all = of(None);
        let filter = Filter { in_stock: Some(true), ..Filter::default() };
        let sort = Sort::Name(Direction::Ascending);
        let lists = [
            all.clone(),
            of(Some(Currency::USD)),
            Listing { filter, ..all.clone() },
            Listing { sort, ..all.clone() },
        ];
        let names: std::collections::BTreeSet<_> =
            lists.iter().map(|list| list.name(Market::ALL)).collect();
        assert_eq!(names.len(), lists.len());
        assert_eq!(of(Some(Currency::USD)).name(Market::USD), LIST);
    }

    #[test]
    fn what_is_counted_already_is_not_counted_again() {
        let counter = |filter: Filter| filter.counter();
        assert_eq!(counter(Filter::default()).as_deref(), Some("products"));
        let currency = Some(Currency::USD);
        let usd = Filter { currency, ..Filter::default() };
        assert_eq!(counter(usd.clone()).as_deref(), Some("products/currency/USD"));
        assert_eq!(counter(Filter { in_stock: Some(true), ..usd }), None);
    }
}
