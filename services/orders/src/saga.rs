//! The saga: carries every accepted order to where it stays. An order is claimed, the next service
//! is called with no transaction open, and the result is written only if nobody else has taken the
//! order over. What a crash leaves behind is found by the same scan as everything else.

use std::sync::Arc;
use std::time::Duration;

use souk_db::Database;
use souk_kit::id::OrderId;
use souk_kit::request::Context;
use souk_kit::server::DRAIN_LIMIT;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::Error;
use crate::catalog::{Catalog, Outcome};
use crate::orders::{Order, append_event};
use crate::state::{Event, State};
use crate::store::{self, Change};

/// How often orders that are due are looked for.
const SCAN_INTERVAL: Duration = Duration::from_millis(500);
/// How many orders are carried at once: fewer than the catalog has connections, so that buyers of
/// one product, who wait for each other there, leave some to everybody else.
const SLOTS: usize = 8;
/// How long an order waits for a slot before it is left to a scan; less than the lease.
const SLOT_LIMIT: Duration = Duration::from_secs(5);
/// How long a step may take; less than the lease, so that its result still counts.
const STEP_LIMIT: Duration = Duration::from_secs(8);
/// How long the call of another service within it may take.
const CALL_LIMIT: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Carries orders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Saga {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    catalog: Arc<Catalog>,
    reservation_ttl: Duration,
    tasks: TaskTracker,
    changes: broadcast::Sender<OrderId>,
    slots: Arc<Semaphore>,
}

impl Saga {
    pub fn new(database: Database, catalog: Arc<Catalog>, reservation_ttl: Duration) -> Self {
        let inner = Inner {
            database,
            catalog,
            reservation_ttl,
            tasks: TaskTracker::new(),
            changes: broadcast::channel(1024).0,
            slots: Arc::new(Semaphore::new(SLOTS)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Takes an order on that the caller has claimed under `epoch`, apart from the caller's request.
    pub fn carry(&self, order: Order, epoch: i64) {
        let saga = self.clone();
        self.inner.tasks.spawn(async move {
            let slot = Arc::clone(&saga.inner.slots).acquire_owned();
            if let Ok(Ok(_slot)) = tokio::time::timeout(SLOT_LIMIT, slot).await {
                saga.advance(order, epoch).await;
            }
        });
    }

    /// Completes when the order may have changed. Ask before reading the order.
    pub fn changed(&self, id: OrderId) -> impl Future<Output = ()> + use<> {
        let mut changes = self.inner.changes.subscribe();
        async move {
            loop {
                match changes.recv().await {
                    Ok(changed) if changed == id => return,
                    Ok(_) => {}
                    // some changes were missed: this one may be among them
                    Err(_) => return,
                }
            }
        }
    }

    /// Looks for orders that are due, until `shutdown`; then lets what is under way finish.
    pub async fn run(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.scan().await {
                // a full batch: there may be more
                Ok(SLOTS) => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "cannot look for orders that are due"),
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(SCAN_INTERVAL) => {}
            }
        }
        self.inner.tasks.close();
        // what does not finish is found by the scan of the next start
        let _ = tokio::time::timeout(DRAIN_LIMIT, self.inner.tasks.wait()).await;
    }

    async fn scan(&self) -> Result<usize, Error> {
        // as many as there are hands: a claim that waits would outlive its lease
        let free = self.inner.slots.available_permits();
        let claimed = store::claim_due(self.inner.database.pool(), free).await?;
        let found = claimed.len();
        for (order, epoch) in claimed {
            let slot = Arc::clone(&self.inner.slots).acquire_owned().await;
            let saga = self.clone();
            self.inner.tasks.spawn(async move {
                let _slot = slot;
                saga.advance(order, epoch).await;
            });
        }
        Ok(found)
    }

    /// Takes an order as far as it goes now.
    async fn advance(&self, order: Order, epoch: i64) {
        let request_id = order.request_id.clone();
        let span = tracing::error_span!("saga", order_id = %order.id, request_id);
        self.steps(order, epoch).instrument(span).await;
    }

    async fn steps(&self, mut order: Order, epoch: i64) {
        let id = order.id;
        loop {
            // dropping a step is safe: whatever it did is found again when it is repeated
            let step = tokio::time::timeout(STEP_LIMIT, self.step(&order, epoch)).await;
            match step.unwrap_or(Err(Error::TooSlow(id))) {
                Ok(Some(next)) if next.is_settled() => break,
                Ok(Some(next)) => order = next,
                Ok(None) => {
                    tracing::debug!(order_id = %id, epoch, "somebody else has taken the order over");
                    break;
                }
                Err(error) => {
                    self.postpone(&order, epoch, error).await;
                    break;
                }
            }
        }
        // nobody may be waiting for it
        let _ = self.inner.changes.send(id);
    }

    /// The next step of an order: `None` when the order is no longer ours.
    async fn step(&self, order: &Order, epoch: i64) -> Result<Option<Order>, Error> {
        let context = Context::background(CALL_LIMIT).for_request(&order.request_id);
        match order.state {
            State::Pending => {
                let ttl = self.inner.reservation_ttl;
                let catalog = &self.inner.catalog;
                match catalog.reserve(&context, order.id, &order.lines, ttl).await? {
                    Outcome::Reserved(until) => {
                        let change = |next| Change::to(next).reserved_until(until);
                        self.apply(order, epoch, Event::StockReserved, change).await
                    }
                    Outcome::Short(shortages) => {
                        let change = |next| Change::to(next).short_of(shortages);
                        self.apply(order, epoch, Event::StockShort, change).await
                    }
                    Outcome::Ended => {
                        self.apply(order, epoch, Event::ReservationEnded, Change::to).await
                    }
                }
            }
            State::Reserved if order.reserved_until <= Some(OffsetDateTime::now_utc()) => {
                let change = |next| Change::to(next).due_after(store::LEASE);
                self.apply(order, epoch, Event::ReservationEnded, change).await
            }
            State::Cancelled | State::Expired => {
                self.inner.catalog.release(&context, order.id).await?;
                Ok(store::finish(self.inner.database.pool(), order.id, epoch).await?)
            }
            // not due after all: the clocks of the two databases differ a little
            State::Reserved => {
                let until = order.reserved_until;
                Ok(store::wait_until(self.inner.database.pool(), order.id, epoch, until).await?)
            }
            State::Paying
            | State::Paid
            | State::Fulfilled
            | State::Rejected
            | State::PaymentFailed
            | State::Refunded => {
                tracing::error!(order_id = %order.id, state = %order.state, "not ours to carry");
                Ok(None)
            }
        }
    }

    /// Writes what an event makes of the order, if it is still ours.
    async fn apply(
        &self,
        order: &Order,
        epoch: i64,
        event: Event,
        change: impl FnOnce(State) -> Change,
    ) -> Result<Option<Order>, Error> {
        let next = order
            .state
            .on(event)
            .map_err(|illegal| Error::IllegalTransition { order: order.id, illegal })?;
        let mut transaction = self.inner.database.begin(STEP_LIMIT).await?;
        let claim = (order.state, epoch);
        let changed = store::change(&mut transaction, order.id, claim, &change(next)).await?;
        if let Some(changed) = &changed {
            append_event(&mut transaction, changed).await?;
            transaction.commit().await?;
            tracing::info!(order_id = %order.id, state = %changed.state, "order changed");
        }
        Ok(changed)
    }

    /// Leaves the order for later. Every step is safe to repeat.
    async fn postpone(&self, order: &Order, epoch: i64, error: Error) {
        tracing::warn!(
            order_id = %order.id,
            state = %order.state,
            error = souk_kit::failure::chain(&error),
            "a step failed and will be tried again"
        );
        let postponed =
            store::postpone(self.inner.database.pool(), order.id, epoch, FIRST_RETRY, LAST_RETRY);
        if let Err(error) = postponed.await {
            // the lease ends by itself
            tracing::warn!(order_id = %order.id, %error, "cannot postpone the order");
        }
    }
}
