//! Reservations: stock that is held for an order, all lines or none. Every step is idempotent by
//! the order's id.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_kit::id::{OrderId, ProductId};
use souk_kit::request::Context;
use sqlx::PgConnection;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::stock::{Actor, Entry, Move, MoveKind, Stock};
use crate::{Catalog, Error, store};

/// How many expired reservations one round gives back.
const EXPIRY_BATCH: i64 = 100;
/// How long a round of expiry may take.
const EXPIRY_LIMIT: Duration = Duration::from_secs(10);

/// The reservation of an order.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub order: OrderId,
    pub status: Status,
    pub shortages: Vec<Shortage>,
    pub expires_at: OffsetDateTime,
}

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Held,
    Rejected,
    Released,
    Expired,
    Committed,
}

/// Some units of a product.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub product: ProductId,
    pub quantity: i32,
}

/// A product of which there is too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    pub product: Uuid,
    pub requested: i32,
    pub available: i32,
}

/// What can happen to a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Release,
    Expire,
    Commit,
}

/// A step that the status does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reservation that is {from} cannot {step}")]
pub struct Illegal {
    pub from: Status,
    pub step: Step,
}

impl Status {
    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Committed => "committed",
        }
    }

    /// The status of a word of the database.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Held, Self::Rejected, Self::Released, Self::Expired, Self::Committed]
            .into_iter()
            .find(|status| status.as_str() == word)
    }

    /// The status after a step. A step whose end is reached already changes nothing.
    pub fn after(self, step: Step) -> Result<Self, Illegal> {
        match (self, step) {
            (Self::Held, Step::Release) => Ok(Self::Released),
            (Self::Held, Step::Expire) => Ok(Self::Expired),
            (Self::Held | Self::Committed, Step::Commit) => Ok(Self::Committed),
            // nothing is held: there is nothing to give back
            (Self::Rejected | Self::Released | Self::Expired, Step::Release | Step::Expire) => {
                Ok(self)
            }
            (Self::Rejected | Self::Released | Self::Expired, Step::Commit)
            | (Self::Committed, Step::Release | Step::Expire) => Err(Illegal { from: self, step }),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Step {
    /// What the step does to the stock, as the ledger calls it.
    fn move_kind(self) -> MoveKind {
        match self {
            Self::Release => MoveKind::Release,
            Self::Expire => MoveKind::Expire,
            Self::Commit => MoveKind::Commit,
        }
    }

    fn direction(self) -> Direction {
        match self {
            Self::Release | Self::Expire => Direction::Back,
            Self::Commit => Direction::Out,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.move_kind().as_str())
    }
}

impl Catalog {
    pub(crate) async fn reserve_stock(
        &self,
        context: &Context,
        order: OrderId,
        mut lines: Vec<Line>,
        ttl: Duration,
    ) -> Result<Reservation, Error> {
        // one order for all: two reservations that share products never wait for each other
        lines.sort_by_key(|line| line.product.uuid());
        if let Some(pair) = lines.windows(2).find(|pair| pair[0].product == pair[1].product) {
            return Err(Error::invalid("lines", format!("{} is listed twice", pair[0].product)));
        }
        let mut transaction = self.database.begin(context.remaining()).await?;
        if !store::reservations::claim(&mut transaction, order, Status::Held, ttl).await? {
            // decided before, or released before it came: the first word stands
            transaction.rollback().await?;
            return self.reservation(order).await;
        }
        let stocks = store::stock::lock(&mut transaction, &products(&lines)).await?;
        let shortages = shortages(&lines, &stocks);
        if shortages.is_empty() {
            store::reservations::add_lines(&mut transaction, order, &lines).await?;
            let entry = Entry::new(MoveKind::Reserve, Actor::of(context)?).for_order(order);
            store::stock::record(&mut transaction, &entry, &moves(&lines, Direction::Hold)).await?;
        } else {
            store::reservations::reject(&mut transaction, order, &shortages).await?;
        }
        let reservation = store::reservations::get(&mut transaction, order).await?;
        transaction.commit().await?;
        reservation.ok_or_else(|| Error::Database(sqlx::Error::RowNotFound))
    }

    pub(crate) async fn release_stock(
        &self,
        context: &Context,
        order: OrderId,
    ) -> Result<Reservation, Error> {
        let mut transaction = self.database.begin(context.remaining()).await?;
        // the tombstone of an order that never reserved: a reserve that comes late finds it
        store::reservations::claim(&mut transaction, order, Status::Released, Duration::ZERO)
            .await?;
        let actor = Actor::of(context)?;
        let reservation = step(&mut transaction, order, Step::Release, &actor).await?;
        transaction.commit().await?;
        Ok(reservation)
    }

    pub(crate) async fn commit_stock(
        &self,
        context: &Context,
        order: OrderId,
    ) -> Result<Reservation, Error> {
        let mut transaction = self.database.begin(context.remaining()).await?;
        let actor = Actor::of(context)?;
        let reservation = step(&mut transaction, order, Step::Commit, &actor).await?;
        transaction.commit().await?;
        Ok(reservation)
    }

    /// Gives back what reservations hold whose time is over, on the database's clock.
    pub(crate) async fn expire_reservations(&self) -> Result<(), Error> {
        let due = store::reservations::due(self.database.pool(), EXPIRY_BATCH).await?;
        for order in due {
            match self.expire(order).await {
                Ok(()) => tracing::info!(order_id = %order, "reservation expired"),
                // committed since it was found to be due
                Err(Error::Reservation { .. }) => {}
                // the others are not to wait for this one
                Err(error) => {
                    let error = souk_kit::failure::chain(&error);
                    tracing::error!(order_id = %order, error, "cannot expire a reservation");
                }
            }
        }
        Ok(())
    }

    async fn expire(&self, order: OrderId) -> Result<(), Error> {
        let mut transaction = self.database.begin(EXPIRY_LIMIT).await?;
        step(&mut transaction, order, Step::Expire, &Actor::catalog()).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn reservation(&self, order: OrderId) -> Result<Reservation, Error> {
        let mut connection = self.database.pool().acquire().await?;
        let reservation = store::reservations::get(&mut connection, order).await?;
        reservation.ok_or_else(|| Error::Database(sqlx::Error::RowNotFound))
    }
}

/// Takes a reservation one step further, and moves its stock if the step changes anything.
async fn step(
    transaction: &mut PgConnection,
    order: OrderId,
    step: Step,
    actor: &Actor,
) -> Result<Reservation, Error> {
    let illegal = |illegal| Error::Reservation { order, illegal };
    let Some(reservation) = store::reservations::lock(transaction, order).await? else {
        // nothing was ever held, which to a commit is the same as released
        return Err(illegal(Illegal { from: Status::Released, step }));
    };
    let status = reservation.status.after(step).map_err(illegal)?;
    if status == reservation.status {
        return Ok(reservation);
    }
    let lines = store::reservations::lines(transaction, order).await?;
    store::stock::lock(transaction, &products(&lines)).await?;
    let entry = Entry::new(step.move_kind(), actor.clone()).for_order(order);
    store::stock::record(transaction, &entry, &moves(&lines, step.direction())).await?;
    store::reservations::set_status(transaction, order, status).await?;
    Ok(Reservation { status, ..reservation })
}

fn shortages(lines: &[Line], stocks: &[Stock]) -> Vec<Shortage> {
    let available = |product| {
        let stock = stocks.iter().find(|stock| stock.product == product && stock.live);
        stock.map_or(0, |stock| stock.available)
    };
    lines
        .iter()
        .map(|line| Shortage {
            product: line.product.uuid(),
            requested: line.quantity,
            available: available(line.product),
        })
        .filter(|shortage| shortage.available < shortage.requested)
        .collect()
}

fn products(lines: &[Line]) -> Vec<ProductId> {
    lines.iter().map(|line| line.product).collect()
}

/// Where units go.
#[derive(Debug, Clone, Copy)]
enum Direction {
    /// From available to reserved.
    Hold,
    /// From reserved back to available.
    Back,
    /// Out of the warehouse.
    Out,
}

fn moves(lines: &[Line], direction: Direction) -> Vec<Move> {
    lines
        .iter()
        .map(|line| {
            let (available, reserved) = match direction {
                Direction::Hold => (-line.quantity, line.quantity),
                Direction::Back => (line.quantity, -line.quantity),
                Direction::Out => (0, -line.quantity),
            };
            Move { product: line.product, available, reserved }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STATUSES: [Status; 5] =
        [Status::Held, Status::Rejected, Status::Released, Status::Expired, Status::Committed];

    fn any_step() -> impl Strategy<Value = Step> {
        prop_oneof![Just(Step::Release), Just(Step::Expire), Just(Step::Commit)]
    }

    proptest! {
        #[test]
        fn stock_that_was_given_back_never_leaves_and_stock_that_left_never_comes_back(
            steps in prop::collection::vec(any_step(), 0..20)
        ) {
            let mut status = Status::Held;
            let mut ends = 0;
            for step in steps {
                if let Ok(next) = status.after(step) {
                    ends += i32::from(next != status);
                    status = next;
                }
            }
            prop_assert!(ends <= 1);
        }
    }

    #[test]
    fn every_step_may_be_repeated() {
        for status in STATUSES {
            for step in [Step::Release, Step::Expire, Step::Commit] {
                if let Ok(next) = status.after(step) {
                    assert_eq!(next.after(step), Ok(next), "{status} {step}");
                }
            }
        }
    }

    #[test]
    fn the_words_of_the_database_read_back() {
        for status in STATUSES {
            assert_eq!(Status::from_word(status.as_str()), Some(status));
        }
    }
}
