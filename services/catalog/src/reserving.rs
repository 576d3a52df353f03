//! Holding stock for orders, giving it back, and letting it leave. Every step is idempotent by the
//! order's id.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use souk_db::{Access, Batches, Database, Limits, Work};
use souk_kit::id::OrderId;
use uuid::Uuid;

use crate::Error;
use crate::error::is_full;
use crate::reservation::{Request, Reservation, Status, Step};
use crate::stock::Actor;
use crate::store::reservations;

/// How many expired reservations one statement gives back.
const EXPIRY_BATCH: i64 = 500;
/// How long it may take to look for what is due.
const STATEMENT_LIMIT: Duration = Duration::from_secs(5);
/// Orders that ask for the last units are decided one after the other; each round decides at least one.
const ROUNDS: usize = 1_000;

/// Reserves stock. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reserving {
    database: Database,
    requests: Batches<Reservations>,
}

/// Reservations that are asked for while one statement is under way go together in the next. Two
/// statements never have a product in common: buyers of one product delay nobody else.
struct Reservations(Database);

impl Work for Reservations {
    type Item = Request;
    type Outcome = Reservation;

    async fn run(&self, requests: &[Request]) -> Result<Vec<Reservation>, sqlx::Error> {
        let mut known = Known(HashMap::with_capacity(requests.len()));
        for _ in 0..ROUNDS {
            let mut left = known.unanswered(requests);
            if left.is_empty() {
                break;
            }
            let access = self.0.for_many();
            known.learn(reservations::reserve(&access, &left).await?);
            left.retain(|request| known.answer(request).is_none());
            if left.is_empty() {
                continue;
            }
            // decided before, or released before they came
            let orders: Vec<OrderId> = left.iter().map(|request| request.order).collect();
            known.learn(reservations::get_many(&access, &orders).await?);
            for request in left {
                if known.holds_without_pin(request) {
                    let Request { order, fence, .. } = *request;
                    known.learn(reservations::set_pinned(&access, order, true, fence).await?);
                }
            }
        }
        let outcomes: Option<Vec<Reservation>> =
            requests.iter().map(|request| known.answer(request).cloned()).collect();
        outcomes.ok_or(sqlx::Error::RowNotFound)
    }

    fn keys(request: &Request) -> impl Iterator<Item = Uuid> {
        request.lines.iter().map(|line| line.product.uuid())
    }

    fn weight(request: &Request) -> usize {
        request.lines.len()
    }
}

/// How the reservations of a batch stand, as far as that is known.
struct Known(HashMap<OrderId, Reservation>);

impl Known {
    fn learn(&mut self, reservations: impl IntoIterator<Item = Reservation>) {
        self.0.extend(reservations.into_iter().map(|reservation| (reservation.order, reservation)));
    }

    fn answer(&self, request: &Request) -> Option<&Reservation> {
        self.0.get(&request.order).filter(|reservation| request.is_answered_by(reservation))
    }

    /// The next request of each order.
    fn unanswered<'a>(&self, requests: &'a [Request]) -> Vec<&'a Request> {
        let mut seen = HashSet::with_capacity(requests.len());
        let is_next = |request: &&Request| {
            self.answer(request).is_none() && seen.insert(request.order.uuid())
        };
        requests.iter().filter(is_next).collect()
    }

    /// Whether all that is missing is a pin.
    fn holds_without_pin(&self, request: &Request) -> bool {
        let is_held = |reservation: &Reservation| reservation.status == Status::Held;
        self.answer(request).is_none() && self.0.get(&request.order).is_some_and(is_held)
    }
}

impl Reserving {
    pub fn new(database: Database) -> Self {
        Self { requests: Batches::new(Reservations(database.clone()), Limits::WRITES), database }
    }

    /// Holds the stock of an order: all lines or none.
    pub async fn reserve(&self, request: Request) -> Result<Reservation, Error> {
        let mut products = HashSet::with_capacity(request.lines.len());
        if let Some(twice) = request.lines.iter().find(|line| !products.insert(line.product.uuid()))
        {
            return Err(Error::invalid("lines", format!("{} is listed twice", twice.product)));
        }
        Ok(self.requests.submit(request).await?)
    }

    /// Gives the stock of an order back.
    pub async fn release(
        &self,
        access: &Access,
        order: OrderId,
        fence: i64,
        actor: &Actor,
    ) -> Result<Reservation, Error> {
        // before anything else: a reserve that comes late, or at this moment, finds it
        reservations::bury(access, order, fence).await?;
        step(access, order, Step::Release, Some(fence), actor).await
    }

    /// Keeps the reservation of an order from ending by itself, or no longer does. One that is not held stays
    /// as it is.
    pub async fn set_pinned(
        &self,
        access: &Access,
        order: OrderId,
        pinned: bool,
        fence: i64,
    ) -> Result<Reservation, Error> {
        match reservations::set_pinned(access, order, pinned, fence).await? {
            Some(reservation) => Ok(reservation),
            None => get(access, order).await,
        }
    }

    /// Lets the stock of an order leave the warehouse.
    pub async fn commit(
        &self,
        access: &Access,
        order: OrderId,
        actor: &Actor,
    ) -> Result<Reservation, Error> {
        step(access, order, Step::Commit, None, actor).await
    }

    /// Takes the stock that has left with an order back.
    pub async fn take_back(
        &self,
        access: &Access,
        order: OrderId,
        actor: &Actor,
    ) -> Result<Reservation, Error> {
        match step(access, order, Step::Return, None, actor).await {
            Err(Error::Database(error)) if is_full(&error) => Err(Error::StockFull(order)),
            done => done,
        }
    }

    /// Gives back what reservations hold whose time is over, on the database's clock: whether there
    /// may be more.
    pub async fn expire(&self) -> Result<bool, Error> {
        let access = self.database.within(STATEMENT_LIMIT);
        let due = reservations::due(&access, EXPIRY_BATCH).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let expired =
            reservations::step(&access, &due, Step::Expire, None, &Actor::catalog()).await?;
        for order in &expired {
            tracing::info!(order_id = %order, "reservation expired");
        }
        Ok(due.len() as i64 == EXPIRY_BATCH)
    }
}

/// Takes a reservation one step further, and moves its stock if the step changes anything. A fence that is
/// lower than one before changes nothing.
async fn step(
    access: &Access,
    order: OrderId,
    step: Step,
    fence: Option<i64>,
    actor: &Actor,
) -> Result<Reservation, Error> {
    loop {
        let taken = reservations::step(access, &[order], step, fence, actor).await?;
        let reservation = get(access, order).await?;
        let is_late = fence.is_some_and(|fence| fence < reservation.fence);
        if !taken.is_empty() || is_late {
            return Ok(reservation);
        }
        // it stood elsewhere, or somebody else was faster: the step must have had its end already
        match reservation.status.after(step) {
            Ok(end) if end == reservation.status => return Ok(reservation),
            // it has ended, and was held again
            Ok(_) => {}
            Err(illegal) => return Err(Error::Reservation { order, illegal }),
        }
    }
}

async fn get(access: &Access, order: OrderId) -> Result<Reservation, Error> {
    let found = reservations::get_many(access, &[order]).await?.pop();
    found.ok_or(Error::NeverReserved(order))
}
