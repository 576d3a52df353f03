//! Products: what can be bought, and for how much.

use souk_kit::id::{self, CategoryId, ProductId};
use souk_kit::page::Page;
use souk_kit::request::Context;
use souk_kit::{Currency, Money};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::types::v1::Pagination;
use time::OffsetDateTime;

use crate::stock::{Actor, Entry, Move, MoveKind};
use crate::{Catalog, Error, store};

/// The list that product cursors belong to.
pub const LIST: &str = "products";

/// A product.
#[derive(Debug, Clone)]
pub struct Product {
    pub id: ProductId,
    pub sku: String,
    pub name: String,
    pub description: String,
    pub price: Price,
    pub available: i32,
    pub category_ids: Vec<CategoryId>,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// What a price may be: more than 0, at most 1,000,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price(Money);

/// A product to create.
#[derive(Debug)]
pub struct NewProduct {
    pub sku: String,
    pub name: String,
    pub description: String,
    pub price: Price,
    pub available: i32,
    pub category_ids: Vec<CategoryId>,
}

/// What to change of a product; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub struct ProductChange {
    pub sku: Option<String>,
    pub name: Option<String>,
    pub description: Option<String>,
    pub price: Option<Price>,
    pub category_ids: Option<Vec<CategoryId>>,
}

impl Price {
    const MAX_UNITS: i64 = 1_000_000;

    /// Reads a price in the one currency of this version of the contract.
    pub fn parse(price: Option<&Decimal>) -> Result<Self, Error> {
        let price = price.ok_or_else(|| Error::invalid("price", "is required"))?;
        let money = Money::parse(&price.value, Currency::Usd)
            .map_err(|invalid| Error::invalid("price", invalid))?;
        let max = Self::MAX_UNITS * 10_i64.pow(money.currency().decimals());
        match money.minor() {
            0 => Err(Error::invalid("price", "must be greater than 0")),
            minor if minor > max => Err(Error::invalid("price", "must be at most 1000000")),
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

impl Catalog {
    pub(crate) async fn create_product(
        &self,
        context: &Context,
        new: NewProduct,
    ) -> Result<Product, Error> {
        let id = id::new();
        let mut transaction = self.database.begin(context.remaining()).await?;
        store::products::insert(&mut transaction, id, &new).await?;
        store::products::set_categories(&mut transaction, id, &new.category_ids).await?;
        if new.available > 0 {
            let entry = Entry::new(MoveKind::Create, Actor::of(context)?);
            let initial = Move { product: id, available: new.available, reserved: 0 };
            store::stock::record(&mut transaction, &entry, &[initial]).await?;
        }
        let product = store::products::get(&mut transaction, id).await?;
        transaction.commit().await?;
        product.ok_or(Error::ProductNotFound(id))
    }

    pub(crate) async fn product(&self, id: ProductId) -> Result<Product, Error> {
        let mut connection = self.database.pool().acquire().await?;
        let product = store::products::get(&mut connection, id).await?;
        product.ok_or(Error::ProductNotFound(id))
    }

    pub(crate) async fn products(&self, ids: &[ProductId]) -> Result<Vec<Product>, Error> {
        Ok(store::products::get_many(self.database.pool(), ids).await?)
    }

    pub(crate) async fn list_products(
        &self,
        page: &Page,
    ) -> Result<(Vec<Product>, Pagination), Error> {
        let rows = store::products::list(self.database.pool(), page.window()).await?;
        let total = match page.known_total() {
            Some(total) => total,
            None => store::products::count(self.database.pool()).await?,
        };
        Ok(page.finish(&self.cursors, LIST, rows, total, |product| product.id.uuid()))
    }

    pub(crate) async fn change_product(
        &self,
        context: &Context,
        id: ProductId,
        change: ProductChange,
    ) -> Result<Product, Error> {
        let mut transaction = self.database.begin(context.remaining()).await?;
        if !store::products::update(&mut transaction, id, &change).await? {
            return Err(Error::ProductNotFound(id));
        }
        if let Some(categories) = &change.category_ids {
            store::products::set_categories(&mut transaction, id, categories).await?;
        }
        let product = store::products::get(&mut transaction, id).await?;
        transaction.commit().await?;
        product.ok_or(Error::ProductNotFound(id))
    }

    pub(crate) async fn delete_product(&self, id: ProductId) -> Result<(), Error> {
        match store::products::delete(self.database.pool(), id).await? {
            true => Ok(()),
            false => Err(Error::ProductNotFound(id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_more_than_nothing_and_at_most_a_million() {
        let parse = |text: &str| Price::parse(Some(&Decimal { value: text.to_owned() }));
        assert!(parse("0.01").is_ok());
        assert!(parse("1000000.00").is_ok());
        for text in ["0", "0.00", "1000000.01", "-1", "1.999", "", "abc"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(Price::parse(None).is_err());
    }
}
