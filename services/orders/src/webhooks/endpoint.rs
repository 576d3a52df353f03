//! Endpoints: where accounts are told of what happens to orders.

use souk_kit::id::{UserId, WebhookEndpointId};
use time::OffsetDateTime;

/// An account has no more endpoints than this.
pub const MAX_ENDPOINTS: i64 = 20;

/// Who keeps endpoints: an account its own. Those of all orders are the shop's, and kept by all who may see these: who
/// no longer may has nothing to do with them any more.
#[derive(Debug, Clone, Copy)]
pub struct Keeper {
    pub account: UserId,
    pub sees_all_orders: bool,
}

/// What an owner says of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub url: String,
    pub description: String,
    /// Names of events, or `order.*`; none means all.
    pub events: Vec<String>,
    pub all_orders: bool,
    pub strict_order: bool,
}

/// What an owner changes of an endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    pub url: Option<String>,
    pub description: Option<String>,
    pub events: Option<Vec<String>>,
    pub all_orders: Option<bool>,
    pub strict_order: Option<bool>,
    pub enabled: Option<bool>,
}

/// An endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub id: WebhookEndpointId,
    /// The account that has created it.
    pub owner: UserId,
    pub settings: Settings,
    /// Since when it is not enabled, if it is not.
    pub disabled_at: Option<OffsetDateTime>,
    /// Why, where that is not its owner's choice.
    pub disabled: Option<Disabled>,
    /// Encrypted, as it is stored.
    pub secret: Vec<u8>,
    pub previous_until: Option<OffsetDateTime>,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

/// Why an endpoint was disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disabled {
    /// Nothing has arrived for as long as something was tried.
    Failing,
    /// It has said that it wants no more.
    Gone,
    /// A later release knows.
    Later,
}

impl Disabled {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Gone => "gone",
            Self::Later => "later",
        }
    }

    pub fn from_word(word: &str) -> Self {
        let known = [Self::Failing, Self::Gone];
        known.into_iter().find(|known| known.as_str() == word).unwrap_or(Self::Later)
    }
}
