//! Callers that wait for an order which somebody else in this process may change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use souk_kit::id::OrderId;
use souk_kit::request::Context;
use tokio::sync::watch;

use crate::purchase::Purchase;

/// What a waiting call keeps of its deadline to still answer in time.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);

/// How often who waits looks at the database: somebody in another process may have done what it waits for.
pub const LOOK: Duration = Duration::from_millis(500);

/// When a call stops to wait.
pub fn latest(context: &Context) -> Instant {
    context.deadline.checked_sub(ANSWER_MARGIN).unwrap_or(context.deadline)
}

type Latest = watch::Sender<Option<Arc<Purchase>>>;

/// The orders that somebody waits for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    orders: Arc<Mutex<HashMap<OrderId, Latest>>>,
}

impl Waiting {
    /// Begins to wait: what becomes of the order from now on is not missed.
    pub fn begin(&self, id: OrderId) -> Waiter {
        let mut orders = self.lock();
        let latest = orders.entry(id).or_insert_with(|| watch::channel(None).0).subscribe();
        Waiter { id, latest: Some(latest), waiting: self.clone() }
    }

    /// Tells those who wait for the order how it is now, and nobody else.
    pub fn wake(&self, purchase: Arc<Purchase>) {
        if let Some(latest) = self.lock().get(&purchase.id()) {
            latest.send_replace(Some(purchase));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, Latest>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for an order, until dropped.
#[derive(Debug)]
pub struct Waiter {
    id: OrderId,
    latest: Option<watch::Receiver<Option<Arc<Purchase>>>>,
    waiting: Waiting,
}

impl Waiter {
    /// The order once it is as somebody waits for.
    pub async fn until(&mut self, is_so: impl Fn(&Purchase) -> bool) -> Arc<Purchase> {
        if let Some(latest) = &mut self.latest
            && let Ok(latest) =
                latest.wait_for(|latest| latest.as_deref().is_some_and(&is_so)).await
            && let Some(purchase) = latest.clone()
        {
            return purchase;
        }
        std::future::pending().await
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut orders = self.waiting.lock();
        self.latest = None;
        if orders.get(&self.id).is_some_and(|latest| latest.receiver_count() == 0) {
            orders.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use souk_kit::id;

    use super::*;

    #[test]
    fn nobody_who_waits_leaves_nothing_behind() {
        let waiting = Waiting::default();
        let id = id::new();
        let (one, other) = (waiting.begin(id), waiting.begin(id));
        drop(one);
        assert_eq!(waiting.lock().len(), 1);
        drop(other);
        assert_eq!(waiting.lock().len(), 0);
    }
}
