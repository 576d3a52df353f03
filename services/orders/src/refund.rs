//! Money that goes back.

use souk_kit::Money;
use souk_kit::id::{PaymentId, RefundId};
use time::OffsetDateTime;

/// An order has no more refunds than this that somebody asks for.
pub const MAX_REFUNDS: usize = 100;

/// Money that goes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// The provider's idempotency key.
    pub id: RefundId,
    pub payment: PaymentId,
    pub state: RefundState,
    pub amount: Money,
    pub reason: String,
    /// What the provider calls it.
    pub reference: Option<String>,
    /// Before then the provider is not asked, or not again.
    pub look_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundState {
    Pending,
    Succeeded,
    Failed,
}

/// What a provider says of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefundVerdict {
    /// The money is on its way, under this name.
    Succeeded { reference: String },
    /// It is under way, and worth a look at that time.
    UnderWay { look_at: OffsetDateTime },
    /// It does not go back, and why.
    Failed { code: String },
}

impl Refund {
    /// Whether the provider is to be asked at a moment.
    pub fn is_due(&self, now: OffsetDateTime) -> bool {
        self.state == RefundState::Pending && self.look_at.is_none_or(|at| at <= now)
    }
}

impl RefundState {
    const ALL: [Self; 3] = [Self::Pending, Self::Succeeded, Self::Failed];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// The state of a word of the database.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}
