//! Products: what can be bought, and for how much.

use souk_kit::id::{CategoryId, ImageId, ProductId};
use souk_kit::page::Row;
use souk_kit::{Currency, Money, money};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::attributes::Attributes;
use crate::product_type::TypeName;

/// The list that product cursors belong to, and under which products are counted.
pub const LIST: &str = "products";

/// A product, with what can be ordered of it at the moment.
#[derive(Debug, Clone)]
pub struct Product {
    pub id: ProductId,
    pub sku: String,
    pub name: String,
    pub description: String,
    pub price: Price,
    pub available: i32,
    pub category_ids: Vec<CategoryId>,
    pub product_type: Option<TypeName>,
    pub attributes: Attributes,
    /// In the order in which they are shown.
    pub image_ids: Vec<ImageId>,
    /// Counts the changes of everything but the stock.
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

impl Row for Product {
    fn key(&self) -> Uuid {
        self.id.uuid()
    }

    fn bytes(&self) -> usize {
        self.sku.len()
            + self.name.len()
            + self.description.len()
            + 35 * (self.category_ids.len() + self.image_ids.len())
            + self.attributes.bytes()
            + 400
    }
}

/// What a price may be: more than 0, at most 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price(Money);

/// Which products there are for somebody: those of all currencies, or of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market(Option<Currency>);

impl Market {
    /// All products.
    pub const ALL: Self = Self(None);
    /// Those that are priced in US dollars.
    pub const USD: Self = Self(Some(Currency::USD));

    /// Whether a product exists there.
    pub fn has(self, product: &Product) -> bool {
        self.0.is_none_or(|currency| currency == product.price.money().currency())
    }

    /// Its currency, if it has one.
    pub fn currency(self) -> Option<Currency> {
        self.0
    }

    /// The code of its currency, if it has one.
    pub fn code(self) -> Option<&'static str> {
        self.0.map(Currency::code)
    }
}

/// A product to create.
#[derive(Debug)]
pub struct NewProduct {
    pub sku: String,
    pub name: String,
    pub description: String,
    pub price: Price,
    pub available: i32,
    pub category_ids: Vec<CategoryId>,
    pub product_type: Option<TypeName>,
    pub attributes: Attributes,
}

/// What to change of a product; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct ProductChange {
    pub sku: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub price: Option<NewPrice>,
    pub category_ids: Option<Vec<CategoryId>>,
    /// The type, or none.
    pub product_type: Option<Option<TypeName>>,
    pub attributes: Option<Attributes>,
    /// All that the product has, in another order.
    pub image_ids: Option<Vec<ImageId>>,
}

/// A price to set: in the currency that the product has, or in another.
#[derive(Debug, Clone)]
pub enum NewPrice {
    /// An amount, which cannot be read before the currency is known.
    Amount(String),
    Price(Price),
}

impl NewPrice {
    /// The price of a product that has had this currency.
    pub fn after(&self, currency: Currency) -> Result<Price, NotAPrice> {
        match self {
            Self::Amount(text) => Price::parse(text, currency),
            Self::Price(price) => Ok(*price),
        }
    }
}

/// Why an amount is not a price.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAPrice {
    /// Not an amount at all.
    #[error(transparent)]
    Amount(#[from] money::Invalid),
    /// Nothing is free.
    #[error("must be greater than 0")]
    Zero,
    /// More than anything may cost.
    #[error("must be at most 1000000")]
    TooHigh,
}

impl Price {
    const MAX_UNITS: i64 = 1_000_000;

    /// Reads a price.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, NotAPrice> {
        let money = Money::parse(text, currency)?;
        let max = Self::MAX_UNITS * 10_i64.pow(money.currency().decimals());
        match money.minor() {
            0 => Err(NotAPrice::Zero),
            minor if minor > max => Err(NotAPrice::TooHigh),
            _ => Ok(Self(money)),
        }
    }

    /// A price that the database has kept.
    pub fn stored(money: Money) -> Self {
        Self(money)
    }

    pub fn money(self) -> Money {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_more_than_nothing_and_at_most_a_million() {
        let parse = |text: &str| Price::parse(text, Currency::USD);
        assert!(parse("0.01").is_ok());
        assert!(parse("1000000.00").is_ok());
        for text in ["0", "0.00", "1000000.01", "-1", "1.999", "", "abc"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
