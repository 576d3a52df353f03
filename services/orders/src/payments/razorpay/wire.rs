//! What comes from Razorpay: <https://razorpay.com/docs/api>.

use serde::{Deserialize, Deserializer};

use crate::payments::http::Reason;

/// Nobody needs more of an explanation than this many characters.
const MAX_TOLD: usize = 200;

#[derive(Debug, Deserialize)]
pub struct Collection<T> {
    pub items: Vec<T>,
}

/// What is to be paid, as Razorpay knows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Order {
    /// Razorpay's id of it, which a checkout needs.
    pub id: String,
    /// The amount, in the currency's minor unit.
    #[serde(rename = "amount")]
    pub amount_minor: i64,
    /// The currency, by its ISO code.
    pub currency: String,
    /// Our id of it.
    pub receipt: Option<String>,
    /// How far it has come.
    pub status: OrderStatus,
    /// When it was made, in seconds since 1970.
    pub created_at: i64,
}

/// How far an order has come; later ones are further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    /// Nobody has tried to pay it.
    Created,
    /// Somebody has.
    Attempted,
    /// A payment of it is captured, and stays its payment even if it is refunded.
    Paid,
}

/// A payment, or one that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Charge {
    /// Razorpay's id of it.
    pub id: String,
    /// How far it has come.
    pub status: ChargeStatus,
    /// The amount, in the currency's minor unit.
    #[serde(rename = "amount")]
    pub amount_minor: i64,
    /// The currency, by its ISO code.
    pub currency: String,
    /// Why it has failed.
    #[serde(default, deserialize_with = "text")]
    pub error_code: Option<String>,
    /// How it is paid: `card`, `upi` and so on.
    #[serde(default, deserialize_with = "text")]
    pub method: Option<String>,
}

/// How far a payment has come. A state that is not known here makes an answer unreadable: with money, nothing is
/// guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChargeStatus {
    /// It has begun.
    Created,
    /// The customer's bank holds the money for us.
    Authorized,
    /// The money is ours, though some of it may have been given back.
    Captured,
    /// All of the money has been given back.
    Refunded,
    /// It has failed; a late authorization may still come.
    Failed,
}

impl ChargeStatus {
    /// Whether the money is, or was, ours.
    pub fn is_captured(self) -> bool {
        matches!(self, Self::Captured | Self::Refunded)
    }
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Refund {
    /// Razorpay's id of it.
    pub id: String,
    /// The payment that it belongs to.
    pub payment_id: String,
    /// The amount, in the currency's minor unit.
    #[serde(rename = "amount")]
    pub amount_minor: i64,
    /// The currency, by its ISO code.
    pub currency: String,
    /// How far it has come.
    pub status: RefundStatus,
    /// Our idempotency key of it.
    pub receipt: Option<String>,
}

/// How far a refund has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RefundStatus {
    /// It is under way.
    Pending,
    /// The money is on its way to the customer.
    Processed,
    /// It has not worked, and does not with this key; another one may.
    Failed,
}

#[derive(Debug, Deserialize)]
struct Problem {
    error: ProblemDetails,
}

#[derive(Debug, Deserialize)]
struct ProblemDetails {
    #[serde(default, deserialize_with = "text")]
    code: Option<String>,
    #[serde(default, deserialize_with = "text")]
    description: Option<String>,
}

/// Razorpay's reason for a refusal, as far as it can be read.
pub fn explain(body: &[u8]) -> Reason {
    let Ok(Problem { error }) = serde_json::from_slice(body) else { return Reason::default() };
    let told = |text: Option<String>| text.unwrap_or_default().chars().take(MAX_TOLD).collect();
    Reason { code: told(error.code), description: told(error.description) }
}

/// Razorpay leaves texts out in three ways: no field, null, and nothing in it.
pub fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()))
}
