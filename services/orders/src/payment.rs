//! Attempts to pay an order.

use souk_kit::Money;
use souk_kit::id::PaymentId;
use souk_kit::idempotency::Key;
use time::{Duration, OffsetDateTime};

/// An order has no more attempts than this.
pub const MAX_PAYMENTS: usize = 20;
/// How long after it began an attempt may still pay its order, when it had failed before.
pub const LATEST: Duration = Duration::days(3);

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
    /// What the provider calls what the customer pays, or confirms: with Razorpay, its order.
    pub provider_order: Option<String>,
    /// What the provider calls the charge: money that is there, or that a bank holds or has held for us.
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
    Razorpay,
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
    /// The customer's bank holds the money for us, which is taken once the stock is there for sure.
    Authorized,
    Succeeded,
    /// There is no money; or a bank holds some that the order does not want: it is never taken, and goes back by
    /// itself.
    Failed,
    /// It succeeded, and the order does not want the money.
    Surplus,
}

/// What a provider says of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The money is there, under these names: more than one where the provider has charged more than once.
    Succeeded { references: Vec<String> },
    /// The customer's bank holds the money, under this name: it is there once it is taken.
    Authorized { reference: String },
    /// The customer has to confirm it until then.
    Confirm { reference: String, until: OffsetDateTime },
    /// There is no money, and why. It is worth a look again at that time.
    Failed { code: String, look_at: Option<OffsetDateTime> },
}

impl Provider {
    const ALL: [Self; 2] = [Self::Sandbox, Self::Razorpay];

    /// The name in requests and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox",
            Self::Razorpay => "razorpay",
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
            | PaymentState::Confirming
            | PaymentState::Authorized => true,
            PaymentState::Succeeded | PaymentState::Failed | PaymentState::Surplus => false,
        }
    }

    /// Whether the provider has been asked and has answered.
    pub fn is_decided(&self) -> bool {
        match self.state {
            PaymentState::Pending | PaymentState::Confirming | PaymentState::Authorized => false,
            PaymentState::RequiresConfirmation
            | PaymentState::Succeeded
            | PaymentState::Failed
            | PaymentState::Surplus => true,
        }
    }

    pub fn is_authorized(&self) -> bool {
        self.state == PaymentState::Authorized
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
    const ALL: [Self; 7] = [
        Self::Pending,
        Self::RequiresConfirmation,
        Self::Confirming,
        Self::Authorized,
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
            Self::Authorized => "authorized",
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
