//! What was done to an order: who, when and why.

use time::OffsetDateTime;

/// A change of an order.
#[derive(Debug, Clone)]
pub struct Entry {
    pub action: String,
    /// The word of the state afterwards; empty for changes of before there was a history.
    pub state: String,
    /// An account, or the name of a service.
    pub actor: String,
    pub reason: String,
    pub request_id: String,
    pub at: OffsetDateTime,
}
