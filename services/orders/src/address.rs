//! Where orders go.

use serde::{Deserialize, Serialize};
use souk_kit::id::AddressId;
use time::OffsetDateTime;

/// An account has no more addresses than this.
pub const MAX_ADDRESSES: i64 = 100;

/// Where something is sent to. The contract has checked what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostalAddress {
    pub name: String,
    pub line1: String,
    pub line2: String,
    pub city: String,
    pub region: String,
    pub postal_code: String,
    pub country: String,
    pub phone: String,
}

/// An address in the address book of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub id: AddressId,
    pub postal: PostalAddress,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}
