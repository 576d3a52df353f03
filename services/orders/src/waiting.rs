//! Callers that wait for an order which somebody else in this process may bring to where it stays.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use souk_kit::id::OrderId;
use souk_kit::request::Context;
use tokio::sync::watch;

use crate::order::Order;

/// What a waiting call keeps of its deadline to still answer in time.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);

/// When a call stops to wait.
pub fn latest(context: &Context) -> Instant {
    context.deadline.checked_sub(ANSWER_MARGIN).unwrap_or(context.deadline)
}

type Settled = watch::Sender<Option<Arc<Order>>>;

/// The orders that somebody waits for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    orders: Arc<Mutex<HashMap<OrderId, Settled>>>,
}

impl Waiting {
    /// Begins to wait: what becomes of the order from now on is not missed.
    pub fn begin(&self, id: OrderId) -> Waiter {
        let mut orders = self.lock();
        let settled = orders.entry(id).or_insert_with(|| watch::channel(None).0).subscribe();
        Waiter { id, settled: Some(settled), waiting: self.clone() }
    }

    /// Tells those who wait for the order, and nobody else.
    pub fn wake(&self, order: &Order) {
        if let Some(settled) = self.lock().get(&order.id) {
            settled.send_replace(Some(Arc::new(order.clone())));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<OrderId, Settled>> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who waits for an order, until dropped.
#[derive(Debug)]
pub struct Waiter {
    id: OrderId,
    settled: Option<watch::Receiver<Option<Arc<Order>>>>,
    waiting: Waiting,
}

impl Waiter {
    /// The order once it is where it stays.
    pub async fn settled(&mut self) -> Arc<Order> {
        if let Some(settled) = &mut self.settled
            && let Ok(order) = settled.wait_for(Option::is_some).await
            && let Some(order) = order.clone()
        {
            return order;
        }
        std::future::pending().await
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut orders = self.waiting.lock();
        self.settled = None;
        if orders.get(&self.id).is_some_and(|settled| settled.receiver_count() == 0) {
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
