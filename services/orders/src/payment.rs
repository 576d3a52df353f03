//! Attempts to pay an order.

use souk_kit::Money;
use souk_kit::id::PaymentId;
use souk_kit::idempotency::Key;
use time::OffsetDateTime;

/// An order has no more attempts than this.
pub const MAX_PAYMENTS: usize = 20;

/// An attempt to pay an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    /// The provider's idempotency key.
    pub id: PaymentId,
    /// Which attempt of its order it is, from 1.
    pub number: i32,
    pub provider: Provider,
    pub method: String,
    pub state: PaymentState,
    pub amount: Money,
    /// How much went back, or is about to: kept by the database.
    pub refunded: Money,
    /// What the provider calls it.
    pub reference: Option<String>,
    /// Why it failed.
    pub failure: Option<String>,
    /// The call that waits for what becomes of it: an operation and the customer's key.
    pub call: Option<(String, Key)>,
    /// When the provider is asked again, without being told.
    pub look_at: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// Who takes money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Provider {
    Sandbox,
}

/// Where an attempt stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentState {
    /// The provider is to be asked, or has not answered.
    Pending,
    /// The customer is to confirm it.
    RequiresConfirmation,
    /// The customer has confirmed it, which the provider is to be told.
    Confirming,
    Succeeded,
    Failed,
    /// It succeeded, and the order does not want the money.
    Surplus,
}

/// What a provider says of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The money is there, under these names: more than one where the provider has charged more than once.
    Succeeded { references: Vec<String> },
    /// The customer has to confirm it until then.
    Confirm { reference: String, until: OffsetDateTime },
    /// There is no money, and why. It is worth a look again at that time.
    Failed { code: String, look_at: Option<OffsetDateTime> },
}

impl Provider {
    const ALL: [Self; 1] = [Self::Sandbox];

    /// The name in requests and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
        }
    }

    /// The provider with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.name() == name)
    }
}

impl Payment {
    /// Whether its order waits for what becomes of it.
    pub fn is_open(&self) -> bool {
        match self.state {
            PaymentState::Pending
            | PaymentState::RequiresConfirmation
            | PaymentState::Confirming => true,
            PaymentState::Succeeded | PaymentState::Failed | PaymentState::Surplus => false,
        }
    }

    /// Whether the provider has been asked and has answered.
    pub fn is_decided(&self) -> bool {
        !matches!(self.state, PaymentState::Pending | PaymentState::Confirming)
    }

    /// Whether the provider has had its money, whether or not it went back.
    pub fn has_charged(&self) -> bool {
        matches!(self.state, PaymentState::Succeeded | PaymentState::Surplus)
    }

    pub fn is_failed(&self) -> bool {
        self.state == PaymentState::Failed
    }
}

impl PaymentState {
    const ALL: [Self; 6] = [
        Self::Pending,
        Self::RequiresConfirmation,
        Self::Confirming,
        Self::Succeeded,
        Self::Failed,
        Self::Surplus,
    ];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::RequiresConfirmation => "requires_confirmation",
            Self::Confirming => "confirming",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Surplus => "surplus",
        }
    }

    /// The state of a word of the database.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }
}
