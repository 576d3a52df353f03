//! Orders: what they are, and what they cost.

use std::collections::{HashMap, HashSet};

use souk_kit::Money;
use souk_kit::id::{OrderId, ProductId, UserId};
use souk_kit::idempotency::Key;
use souk_kit::page::Row;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::address::PostalAddress;
use crate::shortage::{Shortage, Shortfall};
use crate::state::State;
use crate::stock::Stock;

/// An order.
#[derive(Debug, Clone)]
pub struct Order {
    pub id: OrderId,
    /// For people: grows with time, and has gaps. Orders of before there were numbers have none.
    pub number: Option<i64>,
    pub customer: UserId,
    /// The idempotency key that it was placed with.
    pub key: Key,
    pub state: State,
    pub stock: Stock,
    pub lines: Vec<Line>,
    pub total: Money,
    /// How much has been paid, and how much of that has gone back.
    pub paid: Money,
    pub refunded: Money,
    pub ships_to: Option<PostalAddress>,
    pub shortages: Vec<Shortage>,
    pub reserved_until: Option<OffsetDateTime>,
    /// Counts the changes of the order, from 1; the sequence of its events.
    pub version: i32,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
    /// The request that placed it.
    pub request_id: String,
}

/// A product of an order, with its name and price at the moment of the order.
#[derive(Debug, Clone)]
pub struct Line {
    pub product: ProductId,
    pub name: String,
    pub quantity: i32,
    pub unit_price: Money,
    pub total: Money,
}

/// A product that somebody wants.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    pub product: ProductId,
    pub quantity: i32,
}

/// A product as it is offered at this moment.
#[derive(Debug, Clone)]
pub struct Quote {
    pub product: ProductId,
    pub name: String,
    pub price: Money,
}

/// Why a request makes no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unorderable {
    /// The same product stands in it twice.
    #[error("must not be repeated; raise the quantity instead")]
    Repeated(usize),
    /// A product does not exist.
    #[error("must be a product that exists")]
    Unknown(usize),
    /// A line costs more than fits.
    #[error("makes an amount that is too large")]
    TooMuch(usize),
    /// Nothing is ordered.
    #[error("must not be empty")]
    Empty,
    /// The lines together cost more than fits, or are in more than one currency.
    #[error("must add up to an amount of one currency that fits")]
    NoSum,
}

impl Unorderable {
    /// The field of the request.
    pub fn field(&self) -> String {
        match self {
            Self::Repeated(position) | Self::Unknown(position) => {
                format!("items[{position}].product_id")
            }
            Self::TooMuch(position) => format!("items[{position}].quantity"),
            Self::Empty | Self::NoSum => "items".to_owned(),
        }
    }
}

/// Refuses a request that names a product twice.
pub fn refuse_repeats(items: &[Item]) -> Result<(), Unorderable> {
    let mut seen = HashSet::with_capacity(items.len());
    match items.iter().position(|item| !seen.insert(item.product.uuid())) {
        None => Ok(()),
        Some(position) => Err(Unorderable::Repeated(position)),
    }
}

/// The lines of an order at the prices of the moment.
pub fn price(items: &[Item], quotes: &[Quote]) -> Result<Vec<Line>, Unorderable> {
    let quotes: HashMap<Uuid, &Quote> =
        quotes.iter().map(|quote| (quote.product.uuid(), quote)).collect();
    let line = |(position, item): (usize, &Item)| {
        let quote = quotes.get(&item.product.uuid()).ok_or(Unorderable::Unknown(position))?;
        let total = quote.price.times(item.quantity).ok_or(Unorderable::TooMuch(position))?;
        Ok(Line {
            product: item.product,
            name: quote.name.clone(),
            quantity: item.quantity,
            unit_price: quote.price,
            total,
        })
    };
    items.iter().enumerate().map(line).collect()
}

/// What all lines cost together.
pub fn sum(lines: &[Line]) -> Result<Money, Unorderable> {
    let mut totals = lines.iter().map(|line| line.total);
    let first = totals.next().ok_or(Unorderable::Empty)?;
    totals.try_fold(first, Money::plus).ok_or(Unorderable::NoSum)
}

impl Order {
    /// What is short, by its place in the order.
    pub fn shortfalls(&self) -> Vec<Shortfall> {
        self.shortages
            .iter()
            .filter_map(|shortage| {
                let product = ProductId::from_uuid(shortage.product);
                let position = self.lines.iter().position(|line| line.product == product)?;
                let Shortage { requested, available, .. } = *shortage;
                Some(Shortfall { position, product, requested, available })
            })
            .collect()
    }
}

impl Row for Order {
    fn key(&self) -> Uuid {
        self.id.uuid()
    }

    fn bytes(&self) -> usize {
        let lines = self.lines.iter().map(|line| line.name.len() + 150);
        lines.sum::<usize>() + 400
    }
}
