//! Holding stock for orders, giving it back, and letting it leave. Every step is idempotent by the
//! order's id.

mod requests;
mod turns;

use std::collections::HashSet;
use std::time::Duration;

use souk_db::{Access, Batches, Database, Limits};
use souk_kit::id::OrderId;

use self::requests::Reservations;
use self::turns::{Pins, Turns};
use crate::Error;
use crate::error::is_full;
use crate::reservation::{Pin, Request, Reservation, Step, Turn};
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
    pins: Batches<Pins>,
    turns: Batches<Turns>,
}

impl Reserving {
    pub fn new(database: Database) -> Self {
        Self {
            requests: Batches::new(Reservations(database.clone()), Limits::WRITES),
            pins: Batches::new(Pins(database.clone()), Limits::WRITES),
            // who cancels waits some milliseconds longer, and no other customer for any of them; those that
            // go together wait for the stock of all of them
            turns: Batches::new(Turns(database.clone()), Limits { weight: 25, ..Limits::PATIENT }),
            database,
        }
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
        actor: Actor,
    ) -> Result<Reservation, Error> {
        // before anything else: a reserve that comes late, or at this moment, finds it
        reservations::bury(access, order, fence).await?;
        self.turn(Turn { order, step: Step::Release, fence: Some(fence), actor }).await
    }

    /// Keeps the reservation of an order from ending by itself, or no longer does. One that is not held stays
    /// as it is.
    pub async fn set_pinned(&self, pin: Pin) -> Result<Reservation, Error> {
        self.pins.submit(pin).await?.ok_or(Error::NeverReserved(pin.order))
    }

    /// Lets the stock of an order leave the warehouse.
    pub async fn commit(&self, order: OrderId, actor: Actor) -> Result<Reservation, Error> {
        self.turn(Turn { order, step: Step::Commit, fence: None, actor }).await
    }

    /// Takes the stock that has left with an order back.
    pub async fn take_back(&self, order: OrderId, actor: Actor) -> Result<Reservation, Error> {
        match self.turn(Turn { order, step: Step::Return, fence: None, actor }).await {
            Err(Error::Database(error)) if is_full(&error) => Err(Error::StockFull(order)),
            done => done,
        }
    }

    /// Takes a reservation one step further, and moves its stock if the step changes anything. A fence that is
    /// lower than one before changes nothing.
    async fn turn(&self, turn: Turn) -> Result<Reservation, Error> {
        let order = turn.order;
        self.turns.submit(turn).await?.map_err(|refused| refused.into_error(order))
    }

    /// Gives back what reservations hold whose time is over, on the database's clock: whether there
    /// may be more.
    pub async fn expire(&self) -> Result<bool, Error> {
        let access = self.database.within(STATEMENT_LIMIT);
        let due = reservations::due(&access, EXPIRY_BATCH).await?;
        if due.is_empty() {
            return Ok(false);
        }
        let turn = |&order: &OrderId| {
            let (step, actor) = (Step::Expire, Actor::catalog());
            Turn { order, step, fence: None, actor }
        };
        let turns: Vec<Turn> = due.iter().map(turn).collect();
        let turns: Vec<&Turn> = turns.iter().collect();
        for expired in reservations::step(&access, Step::Expire, &turns).await? {
            tracing::info!(order_id = %expired.order, "reservation expired");
        }
        Ok(due.len() as i64 == EXPIRY_BATCH)
    }
}
