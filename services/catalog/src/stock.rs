//! Stock: how many units there are, and what the ledger says of every change.

use souk_kit::auth::Subject;
use souk_kit::id::{OrderId, ProductId};
use souk_kit::page::Row;
use souk_kit::request::Context;
use time::OffsetDateTime;
use uuid::Uuid;

/// How many units of a product there are at most, held ones among them: the schema of the database knows it, too.
pub const MAX_UNITS: i32 = 1_000_000_000;

/// The stock of a product.
#[derive(Debug, Clone, Copy)]
pub struct Stock {
    pub product: ProductId,
    pub available: i32,
    pub reserved: i32,
    /// With how many available units, or fewer, it is low.
    pub low_threshold: Option<i32>,
}

/// A line of the ledger.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Its place in the ledger.
    pub id: i64,
    pub units: Move,
    pub entry: Entry,
    pub at: OffsetDateTime,
}

impl Row for Moved {
    fn key(&self) -> Uuid {
        key_of(self.id)
    }

    fn bytes(&self) -> usize {
        self.entry.reason.len() + 400
    }
}

/// The key of a place in the ledger: newest first.
pub fn key_of(id: i64) -> Uuid {
    Uuid::from_u128(id.unsigned_abs().into())
}

/// The place in the ledger that a key is of.
pub fn place_of(key: Uuid) -> i64 {
    i64::try_from(key.as_u128()).unwrap_or(i64::MAX)
}

/// The list that cursors of the ledger of a product belong to.
pub fn list_of(product: ProductId) -> String {
    format!("stock_moves/{product}")
}

/// How many units shall be available, and how many are expected to be now.
#[derive(Debug, Clone, Copy)]
pub struct Level {
    pub available: i32,
    /// `None` is any number.
    pub expected: Option<i32>,
}

/// What a move in the ledger is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MoveKind {
    Create,
    Adjust,
    Set,
    Import,
    Reserve,
    Release,
    Expire,
    Commit,
    Return,
}

impl MoveKind {
    const ALL: [Self; 9] = [
        Self::Create,
        Self::Adjust,
        Self::Set,
        Self::Import,
        Self::Reserve,
        Self::Release,
        Self::Expire,
        Self::Commit,
        Self::Return,
    ];

    /// The kind of a word of the ledger.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Adjust => "adjust",
            Self::Set => "set",
            Self::Import => "import",
            Self::Reserve => "reserve",
            Self::Release => "release",
            Self::Expire => "expire",
            Self::Commit => "commit",
            Self::Return => "return",
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

    /// Whom the ledger names.
    pub fn stored(name: String) -> Self {
        Self(name)
    }

    /// The service itself.
    pub fn catalog() -> Self {
        Self("catalog".to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}
