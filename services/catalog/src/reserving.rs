//! Holding stock for orders, giving it back, and letting it leave. Every step is idempotent by the
//! order's id.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use souk_db::{Access, Batches, Database, Limits, Work};
use souk_kit::id::OrderId;
use uuid::Uuid;

use crate::reservation::{Illegal, Request, Reservation, Status, Step};
use crate::stock::Actor;
use crate::store::reservations;
use crate::{Error, store};

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
        let mut decided: HashMap<OrderId, Reservation> = HashMap::with_capacity(requests.len());
        let mut seen = HashSet::with_capacity(requests.len());
        let mut left: Vec<&Request> =
            requests.iter().filter(|request| seen.insert(request.order.uuid())).collect();
        for _ in 0..ROUNDS {
            if left.is_empty() {
                break;
            }
            let access = self.0.for_many();
            let now = store::reservations::reserve(&access, &left).await?;
            decided.extend(now.into_iter().map(|reservation| (reservation.order, reservation)));
            left.retain(|request| !decided.contains_key(&request.order));
            if left.is_empty() {
                break;
            }
            // decided before, or released before they came: the first word stands
            let orders: Vec<OrderId> = left.iter().map(|request| request.order).collect();
            let before = store::reservations::get_many(&access, &orders).await?;
            decided.extend(before.into_iter().map(|reservation| (reservation.order, reservation)));
            left.retain(|request| !decided.contains_key(&request.order));
        }
        let outcome = |request: &Request| decided.get(&request.order).cloned();
        let outcomes: Option<Vec<Reservation>> = requests.iter().map(outcome).collect();
        outcomes.ok_or(sqlx::Error::RowNotFound)
    }

    fn keys(request: &Request) -> impl Iterator<Item = Uuid> {
        request.lines.iter().map(|line| line.product.uuid())
    }

    fn weight(request: &Request) -> usize {
        request.lines.len()
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
        actor: &Actor,
    ) -> Result<Reservation, Error> {
        // before anything else: a reserve that comes late, or at this moment, finds it
        store::reservations::bury(access, order).await?;
        step(access, order, Step::Release, actor).await
    }

    /// Lets the stock of an order leave the warehouse.
    pub async fn commit(
        &self,
        access: &Access,
        order: OrderId,
        actor: &Actor,
    ) -> Result<Reservation, Error> {
        step(access, order, Step::Commit, actor).await
    }

    /// Gives back what reservations hold whose time is over, on the database's clock: whether there
    /// may be more.
    pub async fn expire(&self) -> Result<bool, Error> {
        let access = self.database.within(STATEMENT_LIMIT);
        let due = store::reservations::due(&access, EXPIRY_BATCH).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let expired =
            store::reservations::end(&access, &due, Step::Expire, &Actor::catalog()).await?;
        for order in &expired {
            tracing::info!(order_id = %order, "reservation expired");
        }
        Ok(due.len() as i64 == EXPIRY_BATCH)
    }
}

/// Takes a reservation one step further, and moves its stock if the step changes anything.
async fn step(
    access: &Access,
    order: OrderId,
    step: Step,
    actor: &Actor,
) -> Result<Reservation, Error> {
    let ended = reservations::end(access, &[order], step, actor).await?;
    let illegal = |from| Error::Reservation { order, illegal: Illegal { from, step } };
    let found = reservations::get_many(access, &[order]).await?.pop();
    // nothing was ever held, which to a commit is the same as released
    let reservation = found.ok_or_else(|| illegal(Status::Released))?;
    if ended.is_empty() {
        // not held any more, or somebody else was faster: the step must have had its end already
        let after = reservation.status.after(step);
        if after != Ok(reservation.status) {
            return Err(illegal(reservation.status));
        }
    }
    Ok(reservation)
}
