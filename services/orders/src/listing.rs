//! Which orders a list has.

use souk_kit::id::{ProductId, UserId};
use time::OffsetDateTime;

use crate::state::State;

/// The filters of a list: all that are set must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    pub customer: Option<UserId>,
    pub state: Option<State>,
    pub created_after: Option<OffsetDateTime>,
    pub created_before: Option<OffsetDateTime>,
    pub product: Option<ProductId>,
}

impl Filters {
    /// The name of the list, to which cursors belong: a cursor of one list is none of another's.
    pub fn name(&self) -> String {
        let mut name = self.counted_name();
        if let Some(state) = self.state {
            name.push_str(&format!(" in {state}"));
        }
        if let Some(after) = self.created_after {
            name.push_str(&format!(" after {}", after.unix_timestamp_nanos()));
        }
        if let Some(before) = self.created_before {
            name.push_str(&format!(" before {}", before.unix_timestamp_nanos()));
        }
        if let Some(product) = self.product {
            name.push_str(&format!(" with {}", product.uuid()));
        }
        name
    }

    /// The list of everybody's or of a customer's orders, which is counted as it grows.
    pub fn counted_name(&self) -> String {
        match self.customer {
            Some(customer) => format!("orders of {}", customer.uuid()),
            None => "orders".to_owned(),
        }
    }

    /// Whether nothing but whose orders they are is asked for.
    pub fn is_counted(&self) -> bool {
        *self == Self { customer: self.customer, ..Self::default() }
    }
}
