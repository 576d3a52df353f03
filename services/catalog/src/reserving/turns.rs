//! What several ask to happen to reservations that are there.

use std::collections::{HashMap, HashSet};

use souk_db::{Access, Database, Work};
use souk_kit::id::OrderId;

use super::ROUNDS;
use crate::Error;
use crate::reservation::{Illegal, Pin, Reservation, Step, Turn};
use crate::store::reservations;

/// Why a step is not taken.
#[derive(Debug, Clone, Copy)]
pub enum Refused {
    /// The order has never asked for stock.
    NeverReserved,
    Illegal(Illegal),
}

impl Refused {
    pub fn into_error(self, order: OrderId) -> Error {
        match self {
            Self::NeverReserved => Error::NeverReserved(order),
            Self::Illegal(illegal) => Error::Reservation { order, illegal },
        }
    }
}

/// Steps that are asked for while one statement is under way go together in the next.
pub struct Turns(pub Database);

impl Work for Turns {
    type Item = Turn;
    type Outcome = Result<Reservation, Refused>;

    async fn run(&self, turns: &[Turn]) -> Result<Vec<Self::Outcome>, sqlx::Error> {
        let access = self.0.for_many();
        let mut outcomes: Vec<Option<Self::Outcome>> = vec![None; turns.len()];
        for _ in 0..ROUNDS {
            let left = next_of_each(turns, &outcomes, |turn| turn.order);
            if left.is_empty() {
                break;
            }
            let (taken, others) = take(&access, &left).await?;
            for (place, turn) in left {
                outcomes[place] = match (taken.get(&turn.order), others.get(&turn.order)) {
                    (Some(reservation), _) => Some(Ok(reservation.clone())),
                    (None, None) => Some(Err(Refused::NeverReserved)),
                    // it stood elsewhere, or somebody else was faster: the step must have had its end already
                    (None, Some(now)) => turn.outcome(now).map_err(Refused::Illegal).transpose(),
                };
            }
        }
        outcomes.into_iter().collect::<Option<_>>().ok_or(sqlx::Error::RowNotFound)
    }
}

type ByOrder = HashMap<OrderId, Reservation>;

/// Takes the steps that can be taken: the reservations of which that is so, and the others.
async fn take(
    access: &Access,
    turns: &[(usize, &Turn)],
) -> Result<(ByOrder, ByOrder), sqlx::Error> {
    let mut taken = ByOrder::new();
    for step in Step::ALL {
        let of_step = turns.iter().map(|(_, turn)| *turn).filter(|turn| turn.step == step);
        let of_step: Vec<&Turn> = of_step.collect();
        if !of_step.is_empty() {
            taken.extend(by_order(reservations::step(access, step, &of_step).await?));
        }
    }
    let orders = turns.iter().map(|(_, turn)| turn.order);
    let others: Vec<OrderId> = orders.filter(|order| !taken.contains_key(order)).collect();
    Ok((taken, current(access, &others).await?))
}

/// Pins that are set and taken off while one statement is under way go together in the next.
pub struct Pins(pub Database);

impl Work for Pins {
    type Item = Pin;
    /// How the reservation is then; `None` where there has never been one.
    type Outcome = Option<Reservation>;

    async fn run(&self, pins: &[Pin]) -> Result<Vec<Option<Reservation>>, sqlx::Error> {
        let access = self.0.for_many();
        let mut outcomes: Vec<Option<Option<Reservation>>> = vec![None; pins.len()];
        loop {
            let left = next_of_each(pins, &outcomes, |pin| pin.order);
            if left.is_empty() {
                return Ok(outcomes.into_iter().map(Option::flatten).collect());
            }
            let asked: Vec<&Pin> = left.iter().map(|(_, pin)| *pin).collect();
            let mut now = by_order(reservations::set_pinned(&access, &asked).await?);
            let others = asked.iter().map(|pin| pin.order);
            let others: Vec<OrderId> = others.filter(|order| !now.contains_key(order)).collect();
            now.extend(current(&access, &others).await?);
            for (place, pin) in left {
                outcomes[place] = Some(now.get(&pin.order).cloned());
            }
        }
    }
}

/// The next item of each order that has no outcome yet, with its place.
fn next_of_each<'a, T, O>(
    items: &'a [T],
    outcomes: &[Option<O>],
    order: impl Fn(&T) -> OrderId,
) -> Vec<(usize, &'a T)> {
    let mut seen = HashSet::with_capacity(items.len());
    let open = items.iter().enumerate().filter(|(place, _)| outcomes[*place].is_none());
    open.filter(|(_, item)| seen.insert(order(item))).collect()
}

async fn current(access: &Access, orders: &[OrderId]) -> Result<ByOrder, sqlx::Error> {
    if orders.is_empty() {
        return Ok(ByOrder::new());
    }
    Ok(by_order(reservations::get_many(access, orders).await?))
}

fn by_order(reservations: Vec<Reservation>) -> ByOrder {
    reservations.into_iter().map(|reservation| (reservation.order, reservation)).collect()
}

#[cfg(test)]
mod tests {
    use souk_testing::TestDatabase;
    use uuid::Uuid;

    use super::*;
    use crate::MIGRATOR;
    use crate::reservation::Status;
    use crate::stock::Actor;

    const HELD: Uuid = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);

    async fn held() -> (TestDatabase, Database) {
        let test = TestDatabase::new(&MIGRATOR).await;
        test.sql(&format!(
            "insert into reservations (order_id, status, expires_at)
             values ('{HELD}', 'held', now() + interval '1 hour')"
        ))
        .await;
        let database = Database::open(test.options.clone(), &MIGRATOR, 2).await.unwrap();
        (test, database)
    }

    #[tokio::test]
    async fn of_pins_that_come_together_the_last_word_is_that_of_the_highest_fence() {
        let (_test, database) = held().await;
        let order = OrderId::from_uuid(HELD);
        let pin = |pinned, fence| Pin { order, pinned, fence };
        let stranger = Pin { order: souk_kit::id::new(), pinned: true, fence: 9 };
        let pins = [pin(true, 2), stranger, pin(false, 3), pin(true, 1)];
        let outcomes = Pins(database).run(&pins).await.unwrap();
        let seen = outcomes
            .iter()
            .map(|outcome| Some((outcome.as_ref()?.pinned, outcome.as_ref()?.fence)));
        assert_eq!(
            seen.collect::<Vec<_>>(),
            [Some((true, 2)), None, Some((false, 3)), Some((false, 3))]
        );
    }

    #[tokio::test]
    async fn of_steps_that_come_together_the_first_is_taken_and_the_others_hear_of_it() {
        let (_test, database) = held().await;
        let turn = |order, step| Turn { order, step, fence: None, actor: Actor::catalog() };
        let order = OrderId::from_uuid(HELD);
        let turns = [
            turn(order, Step::Commit),
            turn(souk_kit::id::new(), Step::Commit),
            turn(order, Step::Release),
            turn(order, Step::Commit),
        ];
        let outcomes = Turns(database).run(&turns).await.unwrap();
        let [taken, never, illegal, repeated] = &outcomes[..] else { panic!("four outcomes") };
        assert_eq!(taken.as_ref().unwrap().status, Status::Committed);
        assert!(matches!(never, Err(Refused::NeverReserved)));
        assert!(matches!(illegal, Err(Refused::Illegal(_))));
        assert_eq!(repeated.as_ref().unwrap().status, Status::Committed);
    }
}
