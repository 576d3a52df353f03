//! What was done to an order: who, when and why.

use std::fmt;

use souk_kit::id::{ProductId, UserId};
use time::OffsetDateTime;

use crate::purchase::Purchase;

/// All that has happened to an order, as far as orders know and the catalog tells.
#[derive(Debug, Clone)]
pub struct History {
    pub purchase: Purchase,
    pub changes: Vec<Entry>,
    pub stock: StockMoves,
}

/// What has moved in stock for an order.
#[derive(Debug, Clone)]
pub enum StockMoves {
    Known(Vec<StockMove>),
    /// The catalog has not told them in time.
    Unknown,
    /// They are nothing for who reads.
    Untold,
}

/// A line of the catalog's ledger.
#[derive(Debug, Clone)]
pub struct StockMove {
    pub product: ProductId,
    /// The word for what it is for, as the catalog calls it.
    pub kind: String,
    pub available: i32,
    pub reserved: i32,
    pub actor: Actor,
    pub at: OffsetDateTime,
}

/// A change of an order.
#[derive(Debug, Clone)]
pub struct Entry {
    pub action: String,
    /// The word of the state afterwards; empty for changes of before there was a history.
    pub state: String,
    pub actor: Actor,
    pub reason: String,
    pub request_id: String,
    pub at: OffsetDateTime,
}

/// Who has done something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    Account(UserId),
    /// By its name.
    Service(String),
    /// Somebody of the shop, for those who are not told whom.
    Staff,
}

impl Entry {
    /// As a customer sees it; as it is, where there is none.
    pub fn seen_by(self, customer: Option<UserId>) -> Self {
        Self { actor: self.actor.seen_by(customer), ..self }
    }
}

impl Actor {
    /// Whom a history names.
    pub fn from_word(word: &str) -> Self {
        word.parse().map_or_else(|_| Self::Service(word.to_owned()), Self::Account)
    }

    /// Customers know themselves. Who else has an account and does something to their orders works for the shop.
    fn seen_by(self, customer: Option<UserId>) -> Self {
        match (self, customer) {
            (Self::Account(id), Some(customer)) if id != customer => Self::Staff,
            (actor, _) => actor,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(id) => id.fmt(f),
            Self::Service(name) => f.write_str(name),
            Self::Staff => f.write_str("staff"),
        }
    }
}
