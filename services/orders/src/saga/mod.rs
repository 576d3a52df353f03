//! The saga: carries every accepted order to where it stays. An order is claimed, the next service
//! is called with no transaction open, and the result is written only if nobody else has taken the
//! order over. What a crash leaves behind is found by the same scan as everything else.

mod money;
mod notes;
mod stock;

use std::sync::Arc;
use std::time::{Duration, Instant};

use souk_db::{Access, Batches, Database, Limits};
use souk_kit::clock;
use souk_kit::id::{OrderId, PaymentId, UserId};
use souk_kit::request::Context;
use souk_kit::server::DRAIN_LIMIT;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::catalog::Catalog;
use crate::crash::{self, Moment};
use crate::payment::Provider;
use crate::payments::Providers;
use crate::purchase::{Event, Purchase, Step};
use crate::recent::Recent;
use crate::stock::Stock;
use crate::store::claims::{self, LEASE, Looked};
use crate::transition::{Applied, Author, Claim, Transitions};
use crate::waiting::Waiting;
use crate::{Error, store};

use self::notes::Notes;
use self::stock::StockStep;

/// How often orders that are due are looked for.
const SCAN_INTERVAL: Duration = Duration::from_millis(500);
/// How many orders that were due are carried at once. They have this room to themselves: whatever new
/// orders come, retries, expiries and cancellations go on.
const ROOM: usize = 64;
/// How long a step may take; less than the lease, so that its result still counts.
const STEP_LIMIT: Duration = Duration::from_secs(8);
/// The same of a step for which a provider elsewhere is called, and of the lease that it needs.
const PROVIDER_LIMIT: Duration = Duration::from_secs(25);
const PROVIDER_LEASE: Duration = Duration::from_secs(30);
/// How long after a claim was good a provider may be called under it: what is left of the lease is what a step takes.
const SURE: Duration = LEASE.saturating_sub(STEP_LIMIT);
/// How long the call of another service within it may take.
const CALL_LIMIT: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const LAST_RETRY: Duration = Duration::from_secs(30);
/// The same where nothing is left to do but what somebody has to mend first.
const LAST_LASTING_RETRY: Duration = Duration::from_secs(3600);
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
    providers: Providers,
    transitions: Transitions,
    notes: Batches<Notes>,
    waiting: Waiting,
    recent: Recent,
    reservation_ttl: Duration,
    tasks: TaskTracker,
    room: Arc<Semaphore>,
}

impl Saga {
    pub fn new(
        database: Database,
        catalog: Arc<Catalog>,
        providers: Providers,
        transitions: Transitions,
        waiting: Waiting,
        reservation_ttl: Duration,
    ) -> Self {
        let inner = Inner {
            // who cancels waits some milliseconds longer, and no other customer for any of them
            notes: Batches::new(Notes(database.clone()), Limits::PATIENT),
            database,
            catalog,
            providers,
            transitions,
            waiting,
            recent: Recent::default(),
            reservation_ttl,
            tasks: TaskTracker::new(),
            room: Arc::new(Semaphore::new(ROOM)),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Runs something to its end apart from the request that asks for it; the saga drains it.
    pub fn detach<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.inner.tasks.spawn(work.in_current_span())
    }

    /// An order of a customer, or of anybody, as it may still be, and the epoch of the last claim on it.
    pub fn remembered(&self, id: OrderId, owner: Option<UserId>) -> Option<(Purchase, i64)> {
        let found = self.inner.recent.take(id)?;
        owner.is_none_or(|owner| found.0.order.customer == owner).then_some(found)
    }

    /// Takes an order as far as it goes now, under the claim of `epoch`, which was good at `since`: where it stays, or
    /// `None` when it is left to somebody else or to a later attempt. `fresh` is a payment that no provider can have
    /// heard of.
    pub async fn carry(
        &self,
        purchase: impl Into<Purchase>,
        (epoch, since): (i64, Instant),
        fresh: Option<PaymentId>,
    ) -> Option<Purchase> {
        let purchase = purchase.into();
        let order = &purchase.order;
        let span =
            tracing::error_span!("saga", order_id = %order.id, request_id = order.request_id);
        self.steps(purchase, (epoch, since), fresh).instrument(span).await
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
        // before it is claimed: the process may be stopped at any moment after that
        let since = Instant::now();
        let (claimed, found) = store::claims::claim_due(&self.access(), free).await?;
        let mut places = Some(first);
        for (purchase, epoch) in claimed {
            let place = match places.take() {
                Some(place) => place,
                None => self.inner.room.clone().acquire_owned().await.map_err(|_| Error::Late)?,
            };
            let saga = self.clone();
            self.detach(async move {
                saga.carry(purchase, (epoch, since), None).await;
                drop(place);
            });
        }
        Ok(found == free)
    }

    async fn steps(
        &self,
        mut purchase: Purchase,
        (epoch, mut since): (i64, Instant),
        fresh: Option<PaymentId>,
    ) -> Option<Purchase> {
        // what is written last says when the order is looked at again
        let mut is_noted = false;
        let mut failed = Vec::new();
        let mut last_retry = LAST_LASTING_RETRY;
        loop {
            let begin = Instant::now();
            let step = purchase.next_despite(&failed, clock::now());
            match step {
                Step::Wait(until) if !failed.is_empty() => {
                    self.postpone(&purchase, epoch, last_retry, until).await;
                    return None;
                }
                Step::Wait(_) if is_noted => return Some(purchase),
                _ => {}
            }
            // dropping a step is safe: whatever it did is found again when it is repeated
            let limit = if is_elsewhere(&purchase, step) { PROVIDER_LIMIT } else { STEP_LIMIT };
            let taken =
                tokio::time::timeout(limit, self.step(&purchase, (epoch, since), step, fresh));
            match taken.await.unwrap_or(Err(Error::TooSlow(purchase.id()))) {
                Ok(Taken::Known(stock)) => {
                    purchase.order.stock = stock;
                    is_noted = false;
                }
                Ok(Taken::Written(next)) => {
                    purchase = *next;
                    since = begin;
                    is_noted = true;
                    let written = Arc::new(purchase.clone());
                    self.inner.recent.remember(written.clone(), epoch);
                    self.inner.waiting.wake(written);
                }
                Ok(Taken::Lost) => {
                    tracing::debug!(epoch, "somebody else has the order");
                    return None;
                }
                Err(error) => {
                    tell(&purchase, step, &error);
                    failed.push(step);
                    if !error.is_lasting() {
                        last_retry = LAST_RETRY;
                    }
                }
            }
        }
    }

    /// Does what is to be done next for an order, and writes what comes of it, if it is still ours.
    async fn step(
        &self,
        purchase: &Purchase,
        (epoch, since): (i64, Instant),
        step: Step,
        fresh: Option<PaymentId>,
    ) -> Result<Taken, Error> {
        let context = Context::late(&purchase.order.request_id, CALL_LIMIT);
        if let Some(lease) = lease(purchase, step, since) {
            let asked = Instant::now();
            if !claims::prolong(&self.access(), purchase.id(), epoch, lease).await? {
                return Ok(Taken::Lost);
            }
            // stopped in between: the order may be somebody else's again
            if asked.elapsed() > SURE {
                return Err(Error::TooSlow(purchase.id()));
            }
        }
        crash::point(step.name(), Moment::Calls);
        let progress = match step {
            Step::Charge(id) => self.charge(purchase, id, fresh == Some(id)).await?,
            Step::Confirm(id) => self.confirm(purchase, id).await?,
            Step::Capture(id) => self.capture(purchase, id).await?,
            Step::LookUp(id) => self.look_up(purchase, id).await?,
            Step::Refund(id) => self.refund(purchase, id).await?,
            Step::Expire => Progress::Happened(Event::StockGone),
            Step::Wait(_) => Progress::Noted(purchase.order.stock),
            step => match StockStep::of(step) {
                Some(step) => self.step_for_stock(&context, purchase, epoch, step).await?,
                None => Progress::Noted(purchase.order.stock),
            },
        };
        crash::point(step.name(), Moment::Called);
        let taken = self.write(purchase, epoch, progress, step).await;
        crash::point(step.name(), Moment::Written);
        taken
    }

    /// Writes what has come of a step.
    async fn write(
        &self,
        purchase: &Purchase,
        epoch: i64,
        progress: Progress,
        step: Step,
    ) -> Result<Taken, Error> {
        crash::point(step.name(), Moment::Writes);
        match progress {
            Progress::Known(stock) => Ok(Taken::Known(stock)),
            Progress::Happened(event) => self.apply(purchase, epoch, &event).await,
            Progress::Noted(stock) => {
                let mut next = purchase.clone();
                next.order.stock = stock;
                self.note(next, epoch, None).await
            }
            Progress::Looked(looked, look_at) => {
                let mut next = purchase.clone();
                for payment in &mut next.payments {
                    if looked == Looked::Payment(payment.id) {
                        payment.look_at = look_at;
                    }
                }
                for refund in &mut next.refunds {
                    if looked == Looked::Refund(refund.id) {
                        refund.look_at = look_at;
                    }
                }
                self.note(next, epoch, Some((looked, look_at))).await
            }
        }
    }

    /// Writes what an event makes of the order.
    async fn apply(&self, purchase: &Purchase, epoch: i64, event: &Event) -> Result<Taken, Error> {
        let request_id = purchase.order.request_id.clone();
        let author = Author { actor: ACTOR.to_owned(), request_id };
        let claim = Claim::Held(epoch);
        match self.inner.transitions.apply(purchase, claim, event, author, None).await? {
            Applied::Changed(next) => Ok(Taken::Written(next)),
            // heard before: how far the order is, is written all the same
            Applied::Unchanged => self.note(purchase.clone(), epoch, None).await,
            Applied::Lost => Ok(Taken::Lost),
        }
    }

    fn access(&self) -> Access {
        self.inner.database.within(STEP_LIMIT)
    }
}

/// Says that a step has failed.
fn tell(purchase: &Purchase, step: Step, error: &Error) {
    let (order_id, state, step) = (purchase.id(), purchase.order.state, step.name());
    let is_lasting = error.is_lasting();
    let error = souk_kit::failure::chain(error);
    if is_lasting {
        tracing::error!(%order_id, %state, step, error, "a step fails until somebody mends it");
    } else {
        tracing::warn!(%order_id, %state, step, error, "a step failed and will be tried again");
    }
}

/// What comes of a step.
enum Progress {
    /// Where the stock is, which the next change writes.
    Known(Stock),
    /// Something that changes the order.
    Happened(Event),
    /// Where the stock is, which is to be written now.
    Noted(Stock),
    /// A provider was asked in vain, and when it is again.
    Looked(Looked, Option<OffsetDateTime>),
}

/// How long the claim on an order has to be good from now on for a step, where that has to be made sure of. A provider
/// elsewhere may take longer than a lease; and whoever was stopped since the claim was good may have lost the order
/// unheard, and with it the right to have money moved.
fn lease(purchase: &Purchase, step: Step, since: Instant) -> Option<Duration> {
    match provider(purchase, step)? {
        Provider::Sandbox => (since.elapsed() > SURE).then_some(LEASE),
        Provider::Razorpay => Some(PROVIDER_LEASE),
    }
}

/// Whether a step calls a provider that is elsewhere.
fn is_elsewhere(purchase: &Purchase, step: Step) -> bool {
    provider(purchase, step).is_some_and(|provider| match provider {
        Provider::Sandbox => false,
        Provider::Razorpay => true,
    })
}

/// The provider that a step calls.
fn provider(purchase: &Purchase, step: Step) -> Option<Provider> {
    let payment = match step {
        Step::Charge(id) | Step::Confirm(id) | Step::Capture(id) | Step::LookUp(id) => {
            purchase.payment(id)
        }
        Step::Refund(id) => purchase.refund(id).and_then(|refund| purchase.payment(refund.payment)),
        _ => None,
    };
    payment.map(|payment| payment.provider)
}

/// What a step makes of an order.
enum Taken {
    /// Where its stock is, which is not written yet.
    Known(Stock),
    /// It is written, and goes on.
    Written(Box<Purchase>),
    /// It is no longer ours.
    Lost,
}
