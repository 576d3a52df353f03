//! What this process has written last of the orders that it has carried last.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use souk_kit::id::OrderId;

use crate::purchase::Purchase;

/// Orders that are remembered, and how much of them: lines, payments and refunds, of some hundred bytes each.
const REMEMBERED: usize = 4096;
const WEIGHT: u64 = 16_384;

/// A purchase, and the epoch of the claim under which it was written.
type Held = (Arc<Purchase>, i64);

/// Remembers orders. Whoever changes one as it is remembered learns from the database whether that is still true, and
/// need not read it first. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Recent {
    orders: Arc<Cache<OrderId, Held, Parts>>,
}

/// Weighs orders by what belongs to them.
#[derive(Clone)]
struct Parts;

impl Weighter<OrderId, Held> for Parts {
    fn weight(&self, _: &OrderId, (purchase, _): &Held) -> u64 {
        let parts = purchase.order.lines.len() + purchase.payments.len() + purchase.refunds.len();
        1 + parts as u64
    }
}

impl Default for Recent {
    fn default() -> Self {
        Self { orders: Arc::new(Cache::with_weighter(REMEMBERED, WEIGHT, Parts)) }
    }
}

impl Recent {
    /// Remembers an order, with the epoch of the claim under which it was written.
    pub fn remember(&self, purchase: Arc<Purchase>, epoch: i64) {
        self.orders.insert(purchase.id(), (purchase, epoch));
    }

    /// An order as it may still be, which is remembered no longer: it is about to change.
    pub fn take(&self, id: OrderId) -> Option<(Purchase, i64)> {
        let (_, (purchase, epoch)) = self.orders.remove(&id)?;
        Some((Arc::unwrap_or_clone(purchase), epoch))
    }
}
