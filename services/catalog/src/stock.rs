//! Stock: how many units there are, and the ledger of every change.

use souk_kit::auth::Subject;
use souk_kit::id::{OrderId, ProductId};
use souk_kit::request::Context;

use crate::{Catalog, Error, store};

/// More units of a product than this are not counted.
const MAX_ON_HAND: i32 = 1_000_000_000;

/// The stock of a product.
#[derive(Debug, Clone, Copy)]
pub struct Stock {
    pub product: ProductId,
    pub available: i32,
    pub reserved: i32,
    /// Whether the product is not deleted.
    pub live: bool,
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

    #[must_use]
    pub fn for_order(self, order: OrderId) -> Self {
        Self { order: Some(order), ..self }
    }

    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..self }
    }
}

/// Who moves stock, for the ledger: an account's id, or a service's name.
#[derive(Debug, Clone)]
pub struct Actor(pub String);

impl Actor {
    /// Who asks.
    pub fn of(context: &Context) -> Result<Self, Error> {
        match context.principal.as_ref().map(|principal| &principal.subject) {
            Some(Subject::User(id)) => Ok(Self(id.to_string())),
            Some(Subject::Service(name)) => Ok(Self(name.clone())),
            None => Err(Error::invalid("authorization", "is required")),
        }
    }

    /// The service itself.
    pub fn catalog() -> Self {
        Self(crate::AUDIENCE.to_owned())
    }
}

impl Catalog {
    pub(crate) async fn adjust_stock(
        &self,
        context: &Context,
        product: ProductId,
        delta: i32,
        reason: String,
    ) -> Result<Stock, Error> {
        let mut transaction = self.database.begin(context.remaining()).await?;
        let locked = store::stock::lock(&mut transaction, &[product]).await?;
        let stock = locked.into_iter().find(|stock| stock.live);
        let Some(Stock { available, reserved, .. }) = stock else {
            return Err(Error::ProductNotFound(product));
        };
        // what is reserved may come back: it has to fit as well
        let left = available.saturating_add(delta);
        if left < 0 || left.saturating_add(reserved) > MAX_ON_HAND {
            return Err(Error::InsufficientStock { product, available });
        }
        let entry = Entry::new(MoveKind::Adjust, Actor::of(context)?).because(reason);
        let moved = Move { product, available: delta, reserved: 0 };
        let stocks = store::stock::record(&mut transaction, &entry, &[moved]).await?;
        transaction.commit().await?;
        stocks.into_iter().next().ok_or(Error::ProductNotFound(product))
    }
}
