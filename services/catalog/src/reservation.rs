//! Reservations: stock that is held for an order, all lines or none, and where one may go from where
//! it stands.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use souk_kit::id::{OrderId, ProductId};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::stock::{Actor, MoveKind};

/// Stock to hold for an order.
#[derive(Debug, Clone)]
pub struct Request {
    pub order: OrderId,
    /// Each product once.
    pub lines: Vec<Line>,
    /// How long, on the database's clock.
    pub ttl: Duration,
    pub actor: Actor,
}

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
            (Self::Held, _) => Ok(step.end()),
            (Self::Committed, Step::Commit) => Ok(self),
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
    pub fn move_kind(self) -> MoveKind {
        match self {
            Self::Release => MoveKind::Release,
            Self::Expire => MoveKind::Expire,
            Self::Commit => MoveKind::Commit,
        }
    }

    /// Where a held reservation goes.
    pub fn end(self) -> Status {
        match self {
            Self::Release => Status::Released,
            Self::Expire => Status::Expired,
            Self::Commit => Status::Committed,
        }
    }

    /// Whether what was held can be ordered again; otherwise it leaves the warehouse.
    pub fn gives_back(self) -> bool {
        match self {
            Self::Release | Self::Expire => true,
            Self::Commit => false,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.move_kind().as_str())
    }
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
