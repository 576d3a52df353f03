//! Reservations that several ask for at once.

use std::collections::{HashMap, HashSet};

use souk_db::{Database, Work};
use souk_kit::id::OrderId;
use uuid::Uuid;

use super::ROUNDS;
use crate::reservation::{Pin, Request, Reservation, Status};
use crate::store::reservations;

/// Reservations that are asked for while one statement is under way go together in the next. Two
/// statements never have a product in common: buyers of one product delay nobody else.
pub struct Reservations(pub Database);

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
            let pins: Vec<Pin> = left
                .into_iter()
                .filter(|request| known.holds_without_pin(request))
                .map(|&Request { order, fence, .. }| Pin { order, pinned: true, fence })
                .collect();
            if !pins.is_empty() {
                let pins: Vec<&Pin> = pins.iter().collect();
                known.learn(reservations::set_pinned(&access, &pins).await?);
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
