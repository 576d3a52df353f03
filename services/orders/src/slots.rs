//! How many orders of one product are placed at the same time. Those who want what everybody wants
//! wait for each other, and who wants something else does not wait behind them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use souk_kit::id::ProductId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

/// The longest that anybody waits. A catalog that gives no answer holds slots for as long as it gives
/// none, and orders are accepted all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// The slots of all products. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Slots {
    /// Orders of one product at once.
    of_each: usize,
    /// Of products that somebody orders at the moment.
    products: Arc<Mutex<HashMap<ProductId, Arc<Semaphore>>>>,
}

/// A slot of each product of an order, until it is dropped.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
    held: HashMap<ProductId, OwnedSemaphorePermit>,
}

impl Slots {
    pub fn new(of_each: usize) -> Self {
        Self { of_each, products: Arc::default() }
    }

    /// A slot of each of the products, as soon as all are free; `None` when that takes until
    /// `deadline`, or very long.
    pub async fn take(&self, products: &[ProductId], deadline: Instant) -> Option<Slot> {
        let latest = deadline.min(Instant::now() + PATIENCE);
        timeout_at(latest, self.all(products)).await.ok()
    }

    async fn all(&self, products: &[ProductId]) -> Slot {
        let mut slot = Slot { slots: self.clone(), held: HashMap::new() };
        while let Some((product, semaphore)) = slot.fill(products) {
            // who waits for one product holds none of another
            slot.give_back();
            if let Ok(permit) = semaphore.acquire_owned().await {
                slot.held.insert(product, permit);
            }
        }
        slot
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ProductId, Arc<Semaphore>>> {
        self.products.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Takes what is free, until one is not.
    fn fill(&mut self, products: &[ProductId]) -> Option<(ProductId, Arc<Semaphore>)> {
        let of_each = self.slots.of_each;
        let mut slots = self.slots.lock();
        for product in products {
            if self.held.contains_key(product) {
                continue;
            }
            let semaphore =
                slots.entry(*product).or_insert_with(|| Arc::new(Semaphore::new(of_each))).clone();
            match semaphore.clone().try_acquire_owned() {
                Ok(permit) => self.held.insert(*product, permit),
                Err(_) => return Some((*product, semaphore)),
            };
        }
        None
    }

    fn give_back(&mut self) {
        let mut slots = self.slots.lock();
        for (product, permit) in self.held.drain() {
            drop(permit);
            // nobody holds it or waits for it
            if slots.get(&product).is_some_and(|semaphore| Arc::strong_count(semaphore) == 1) {
                slots.remove(&product);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use souk_kit::id;

    use super::*;

    const SLOTS: usize = 24;

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn orders_of_other_products_do_not_wait() {
        let (slots, hot, other): (_, ProductId, ProductId) =
            (Slots::new(SLOTS), id::new(), id::new());
        let mut held = Vec::new();
        for _ in 0..SLOTS {
            held.push(slots.take(&[hot], far()).await.unwrap());
        }
        assert!(slots.take(&[hot], far()).now_or_never().is_none());
        assert!(slots.take(&[other], far()).now_or_never().is_some());
        held.pop();
        assert!(slots.take(&[hot], far()).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_waits_for_one_product_holds_none_of_another() {
        let (slots, hot, other): (_, ProductId, ProductId) =
            (Slots::new(SLOTS), id::new(), id::new());
        let mut held = Vec::new();
        for _ in 0..SLOTS {
            held.push(slots.take(&[hot], far()).await.unwrap());
        }
        let products = [other, hot];
        let mut both: Vec<_> = (0..SLOTS).map(|_| Box::pin(slots.take(&products, far()))).collect();
        assert!(both.iter_mut().all(|both| both.now_or_never().is_none()));
        assert!(slots.take(&[other], far()).now_or_never().is_some());
        held.clear();
        for both in both {
            held.push(both.await.unwrap());
        }
        assert!(slots.take(&[other], far()).now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_very_long_or_behind_a_deadline() {
        let (slots, hot): (_, ProductId) = (Slots::new(SLOTS), id::new());
        let mut held = Vec::new();
        for _ in 0..SLOTS {
            held.push(slots.take(&[hot], far()).await.unwrap());
        }
        let begun = Instant::now();
        assert!(slots.take(&[hot], far()).await.is_none());
        assert_eq!(begun.elapsed().as_secs(), 1);
        assert!(slots.take(&[hot], begun).await.is_none());
        assert_eq!(begun.elapsed().as_secs(), 1);
    }

    #[tokio::test]
    async fn a_product_that_nobody_orders_takes_no_memory() {
        let (slots, one, two): (_, ProductId, ProductId) =
            (Slots::new(SLOTS), id::new(), id::new());
        let mut held = Vec::new();
        for _ in 0..SLOTS {
            held.push(slots.take(&[one, two], far()).await.unwrap());
        }
        // somebody who leaves while waiting
        drop(slots.take(&[one, two], far()).now_or_never());
        held.clear();
        assert!(slots.lock().is_empty());
    }
}
