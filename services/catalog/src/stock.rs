//! Stock: how many units there are, and what the ledger says of every change.

use souk_kit::auth::Subject;
use souk_kit::id::{OrderId, ProductId};
use souk_kit::request::Context;

/// The stock of a product.
#[derive(Debug, Clone, Copy)]
pub struct Stock {
    pub product: ProductId,
    pub available: i32,
    pub reserved: i32,
}

/// What a move in the ledger is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveKind {
    Create,
    Adjust,
    Import,
    Reserve,
    Release,
    Expire,
    Commit,
}

impl MoveKind {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Adjust => "adjust",
            Self::Import => "import",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Commit => "commit",
        }
    }
}

/// A change of the stock of a product: units that come (more than 0) or go.
#[derive(Debug, Clone, Copy)]
pub struct Move {
    pub product: ProductId,
    pub available: i32,
    pub reserved: i32,
}

/// What the ledger says about a group of moves.
#[derive(Debug, Clone)]
pub struct Entry {
    pub kind: MoveKind,
    pub actor: Actor,
    pub order: Option<OrderId>,
    pub reason: String,
}

impl Entry {
    pub fn new(kind: MoveKind, actor: Actor) -> Self {
        Self { kind, actor, order: None, reason: String::new() }
    }
}

/// Who moves stock, for the ledger: an account's id, or a service's name.
#[derive(Debug, Clone)]
pub struct Actor(String);

impl Actor {
    /// Who asks; `None` where nobody has looked.
    pub fn of(context: &Context) -> Option<Self> {
        match &context.principal.as_ref()?.subject {
            Subject::User(id) => Some(Self(id.to_string())),
            Subject::Service(name) => Some(Self(name.clone())),
        }
    }

    /// The service itself.
    pub fn catalog() -> Self {
        Self("catalog".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
