//! The saga: carries every accepted order to where it stays. An order is claimed, the next service
//! is called with no transaction open, and the result is written only if nobody else has taken the
//! order over. What a crash leaves behind is found by the same scan as everything else.

use std::sync::Arc;
use std::time::Duration;

use souk_db::{Access, Database};
use souk_kit::request::Context;
use souk_kit::server::DRAIN_LIMIT;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::catalog::{Catalog, Outcome};
use crate::order::Order;
use crate::state::{Event, State};
use crate::transition::{Author, Claim, Transitions};
use crate::waiting::Waiting;
use crate::{Error, store};

/// How often orders that are due are looked for.
const SCAN_INTERVAL: Duration = Duration::from_millis(500);
/// How many orders that were due are carried at once. They have this room to themselves: whatever new
/// orders come, retries, expiries and cancellations go on.
const ROOM: usize = 64;
/// How long a step may take; less than the lease, so that its result still counts.
const STEP_LIMIT: Duration = Duration::from_secs(8);
/// How long the call of another service within it may take.
const CALL_LIMIT: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// The name under which the saga stands in the audit log.
const ACTOR: &str = "orders";

/// Carries orders. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Saga {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    catalog: Arc<Catalog>,
    transitions: Transitions,
    waiting: Waiting,
    reservation_ttl: Duration,
    tasks: TaskTracker,
    room: Arc<Semaphore>,
}

impl Saga {
    pub fn new(
        database: Database,
        catalog: Arc<Catalog>,
        transitions: Transitions,
        waiting: Waiting,
        reservation_ttl: Duration,
    ) -> Self {
        let (tasks, room) = (TaskTracker::new(), Arc::new(Semaphore::new(ROOM)));
        let inner = Inner { database, catalog, transitions, waiting, reservation_ttl, tasks, room };
        Self { inner: Arc::new(inner) }
    }

    /// Runs something to its end apart from the request that asks for it; the saga drains it.
    pub fn detach<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.inner.tasks.spawn(work.in_current_span())
    }

    /// Takes an order as far as it goes now, under the claim of `epoch`: where it stays, or `None` when
    /// it is left to somebody else or to a later attempt.
    pub async fn carry(&self, order: Order, epoch: i64) -> Option<Order> {
        let span =
            tracing::error_span!("saga", order_id = %order.id, request_id = order.request_id);
        let settled = self.steps(order, epoch).instrument(span).await;
        if let Some(order) = &settled {
            self.inner.waiting.wake(order);
        }
        settled
    }

    /// Looks for orders that are due, until `shutdown`; then lets what is under way finish.
    pub async fn run(&self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            match self.scan().await {
                // as many as there was room for: there may be more
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    let error = souk_kit::failure::chain(&error);
                    tracing::warn!(error, "cannot look for orders that are due");
                }
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

    /// Carries orders that are due; whether there may be more.
    async fn scan(&self) -> Result<bool, Error> {
        // at least one place: a claim that waits would outlive its lease
        let first = self.inner.room.clone().acquire_owned().await.map_err(|_| Error::Late)?;
        let free = 1 + self.inner.room.available_permits();
        let (claimed, found) = store::claims::claim_due(&self.access(), free).await?;
        let mut places = Some(first);
        for (order, epoch) in claimed {
            let place = match places.take() {
                Some(place) => place,
                None => self.inner.room.clone().acquire_owned().await.map_err(|_| Error::Late)?,
            };
            let saga = self.clone();
            self.detach(async move {
                saga.carry(order, epoch).await;
                drop(place);
            });
        }
        Ok(found == free)
    }

    async fn steps(&self, mut order: Order, epoch: i64) -> Option<Order> {
        loop {
            // dropping a step is safe: whatever it did is found again when it is repeated
            let step = tokio::time::timeout(STEP_LIMIT, self.step(&order, epoch)).await;
            match step.unwrap_or(Err(Error::TooSlow(order.id))) {
                Ok(Step::Settled(order)) => return Some(order),
                Ok(Step::Changed(next)) => order = next,
                Ok(Step::Lost) => {
                    tracing::debug!(order_id = %order.id, epoch, "somebody else has the order");
                    return None;
                }
                Err(error) => {
                    self.postpone(&order, epoch, error).await;
                    return None;
                }
            }
        }
    }

    /// The next step of an order.
    async fn step(&self, order: &Order, epoch: i64) -> Result<Step, Error> {
        let context = Context::late(&order.request_id, CALL_LIMIT);
        match order.state {
            State::Pending => {
                let ttl = self.inner.reservation_ttl;
                let reserve = self.inner.catalog.reserve(&context, order.id, &order.lines, ttl);
                let event = match reserve.await? {
                    Outcome::Reserved(until) => Event::StockReserved { until },
                    Outcome::Short(shortages) => Event::StockShort { shortages },
                    Outcome::Ended => Event::ReservationEnded,
                };
                self.apply(order, epoch, &event).await
            }
            State::Reserved if order.reserved_until <= Some(OffsetDateTime::now_utc()) => {
                self.apply(order, epoch, &Event::ReservationEnded).await
            }
            State::Cancelled | State::Expired => {
                self.inner.catalog.release(&context, order.id).await?;
                self.look_again(order, epoch, None).await
            }
            // not due after all: the clocks of the two databases differ a little
            State::Reserved => self.look_again(order, epoch, order.reserved_until).await,
            State::Paying
            | State::Paid
            | State::Fulfilled
            | State::Rejected
            | State::PaymentFailed
            | State::Refunded
            | State::Later => {
                tracing::error!(order_id = %order.id, state = %order.state, "not ours to carry");
                Ok(Step::Lost)
            }
        }
    }

    /// Writes what an event makes of the order, if it is still ours.
    async fn apply(&self, order: &Order, epoch: i64, event: &Event) -> Result<Step, Error> {
        let author = Author { actor: ACTOR.to_owned(), request_id: order.request_id.clone() };
        let next = self.inner.transitions.apply(order, Claim::Held(epoch), event, author).await?;
        Ok(match next {
            Some(next) if next.state.gives_stock_back() => Step::Changed(next),
            Some(next) => Step::Settled(next),
            None => Step::Lost,
        })
    }

    async fn look_again(
        &self,
        order: &Order,
        epoch: i64,
        due_at: Option<OffsetDateTime>,
    ) -> Result<Step, Error> {
        let access = self.access();
        match store::claims::wait_until(&access, order.id, epoch, due_at).await? {
            true => Ok(Step::Settled(order.clone())),
            false => Ok(Step::Lost),
        }
    }

    /// Leaves the order for later. Every step is safe to repeat.
    async fn postpone(&self, order: &Order, epoch: i64, error: Error) {
        tracing::warn!(
            order_id = %order.id,
            state = %order.state,
            error = souk_kit::failure::chain(&error),
            "a step failed and will be tried again"
        );
        let access = self.access();
        let postponed =
            store::claims::postpone(&access, order.id, epoch, FIRST_RETRY, LAST_RETRY).await;
        if let Err(error) = postponed {
            // the lease ends by itself
            tracing::warn!(order_id = %order.id, %error, "cannot postpone the order");
        }
    }

    fn access(&self) -> Access {
        self.inner.database.within(STEP_LIMIT)
    }
}

/// What a step makes of an order.
enum Step {
    /// It stays as it is for now.
    Settled(Order),
    /// It goes on.
    Changed(Order),
    /// It is no longer ours.
    Lost,
}
