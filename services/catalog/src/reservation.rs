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
    /// How recent the claim on the order is of whoever asks: what comes with a lower one than was there
    /// before is late.
    pub fence: i64,
    /// To be decided anew if it has ended, and pinned.
    pub again: bool,
}

/// The reservation of an order.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub order: OrderId,
    pub status: Status,
    pub shortages: Vec<Shortage>,
    pub expires_at: OffsetDateTime,
    /// Does not end by itself, while it is held.
    pub pinned: bool,
    /// The highest that has come.
    pub fence: i64,
}

/// Where a reservation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Held,
    Rejected,
    Released,
    Expired,
    Committed,
    Returned,
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
    Return,
}

/// A step that somebody asks for.
#[derive(Debug, Clone)]
pub struct Turn {
    pub order: OrderId,
    pub step: Step,
    /// How recent the claim on the order is of whoever asks, where that counts.
    pub fence: Option<i64>,
    pub actor: Actor,
}

/// A pin to be set, or taken off.
#[derive(Debug, Clone, Copy)]
pub struct Pin {
    pub order: OrderId,
    pub pinned: bool,
    pub fence: i64,
}

/// A step that the status does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a reservation that is {from} cannot {step}")]
pub struct Illegal {
    pub from: Status,
    pub step: Step,
}

impl Request {
    /// Whether a reservation that is there is the answer: what was asked for is done, or will not be.
    pub fn is_answered_by(&self, reservation: &Reservation) -> bool {
        match reservation.status {
            // the first word stands
            _ if !self.again => true,
            Status::Held if self.fence == reservation.fence => reservation.pinned,
            Status::Held => self.fence < reservation.fence,
            ended if ended.may_be_held_again() => self.fence <= reservation.fence,
            _ => true,
        }
    }
}

impl Turn {
    /// Whether a reservation that the step has not changed is the answer; `None` where it stood elsewhere, has ended
    /// and was held again: the step is still to be taken.
    pub fn outcome(&self, reservation: &Reservation) -> Result<Option<Reservation>, Illegal> {
        if self.fence.is_some_and(|fence| fence < reservation.fence) {
            return Ok(Some(reservation.clone()));
        }
        let end = reservation.status.after(self.step)?;
        Ok((end == reservation.status).then(|| reservation.clone()))
    }
}

impl Status {
    pub const ALL: [Self; 6] = [
        Self::Held,
        Self::Rejected,
        Self::Released,
        Self::Expired,
        Self::Committed,
        Self::Returned,
    ];

    /// The word in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Rejected => "rejected",
            Self::Released => "released",
            Self::Expired => "expired",
            Self::Committed => "committed",
            Self::Returned => "returned",
        }
    }

    /// The status of a word of the database.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// Whether the order has got nothing, and may be decided anew.
    pub fn may_be_held_again(self) -> bool {
        match self {
            Self::Rejected | Self::Released | Self::Expired => true,
            Self::Held | Self::Committed | Self::Returned => false,
        }
    }

    /// The status after a step. A step whose end is reached already changes nothing.
    pub fn after(self, step: Step) -> Result<Self, Illegal> {
        match (self, step) {
            (Self::Held, Step::Release | Step::Expire | Step::Commit)
            | (Self::Committed, Step::Return) => Ok(step.end()),
            (Self::Committed, Step::Commit) => Ok(self),
            // nothing is held, and nothing has left: there is nothing to give back
            (
                Self::Rejected | Self::Released | Self::Expired | Self::Returned,
                Step::Release | Step::Expire | Step::Return,
            ) => Ok(self),
            (Self::Rejected | Self::Released | Self::Expired | Self::Returned, Step::Commit)
            | (Self::Committed, Step::Release | Step::Expire)
            | (Self::Held, Step::Return) => Err(Illegal { from: self, step }),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Step {
    pub const ALL: [Self; 4] = [Self::Release, Self::Expire, Self::Commit, Self::Return];

    /// What the step does to the stock, as the ledger calls it.
    pub fn move_kind(self) -> MoveKind {
        match self {
            Self::Release => MoveKind::Release,
            Self::Expire => MoveKind::Expire,
            Self::Commit => MoveKind::Commit,
            Self::Return => MoveKind::Return,
        }
    }

    /// Where it begins.
    pub fn start(self) -> Status {
        match self {
            Self::Release | Self::Expire | Self::Commit => Status::Held,
            Self::Return => Status::Committed,
        }
    }

    /// Where it leads.
    pub fn end(self) -> Status {
        match self {
            Self::Release => Status::Released,
            Self::Expire => Status::Expired,
            Self::Commit => Status::Committed,
            Self::Return => Status::Returned,
        }
    }

    /// What becomes of each unit: how many more of it can be ordered, and how many more are held.
    pub fn unit(self) -> (i32, i32) {
        match self {
            Self::Release | Self::Expire => (1, -1),
            Self::Commit => (0, -1),
            Self::Return => (1, 0),
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
    use souk_kit::id;

    use super::*;

    fn any_status() -> impl Strategy<Value = Status> {
        prop::sample::select(&Status::ALL[..])
    }

    /// A step, or another decision.
    fn any_turn() -> impl Strategy<Value = Option<Step>> {
        prop::option::weighted(0.8, prop::sample::select(&Step::ALL[..]))
    }

    /// Units of an order: in stock, held, with the order.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Units(i32, i32, i32);

    impl Units {
        fn of(status: Status) -> Self {
            match status {
                Status::Held => Self(0, 1, 0),
                Status::Committed => Self(0, 0, 1),
                Status::Rejected | Status::Released | Status::Expired | Status::Returned => {
                    Self(1, 0, 0)
                }
            }
        }

        fn after(self, step: Step) -> Self {
            let (available, held) = step.unit();
            Self(self.0 + available, self.1 + held, self.2 - available - held)
        }
    }

    proptest! {
        #[test]
        fn a_unit_is_in_one_place_and_one_that_has_left_leaves_no_second_time(
            turns in prop::collection::vec(any_turn(), 0..20)
        ) {
            let (mut status, mut units) = (Status::Held, Units::of(Status::Held));
            let (mut left, mut returned) = (0, 0);
            for turn in turns {
                let next = match turn {
                    Some(step) => status.after(step).unwrap_or(status),
                    None if status.may_be_held_again() => Status::Held,
                    None => status,
                };
                match turn {
                    Some(step) if next != status => units = units.after(step),
                    _ => units = Units::of(next),
                }
                prop_assert_eq!(units, Units::of(next));
                left += i32::from(next == Status::Committed && status != next);
                returned += i32::from(next == Status::Returned && status != next);
                prop_assert!(returned <= left && left <= 1);
                status = next;
            }
        }

        #[test]
        fn who_asks_again_is_not_done_before_the_order_has_its_stock_or_cannot_have_it(
            status in any_status(), pinned: bool, fence in 0_i64..3, asked in 0_i64..3
        ) {
            let request = |again| Request {
                order: id::new(),
                lines: Vec::new(),
                ttl: Duration::ZERO,
                actor: Actor::catalog(),
                fence: asked,
                again,
            };
            let reservation = Reservation {
                order: id::new(),
                status,
                shortages: Vec::new(),
                expires_at: OffsetDateTime::UNIX_EPOCH,
                pinned,
                fence,
            };
            prop_assert!(request(false).is_answered_by(&reservation));
            let is_kept = status == Status::Held && pinned && asked == fence;
            let is_over = matches!(status, Status::Committed | Status::Returned);
            let is_second = status != Status::Held && asked == fence;
            prop_assert_eq!(
                request(true).is_answered_by(&reservation),
                is_kept || is_over || is_second || asked < fence
            );
        }
    }

    #[test]
    fn a_step_leads_from_its_start_to_its_end_and_changes_nothing_elsewhere() {
        for (status, step) in
            Status::ALL.into_iter().flat_map(|one| Step::ALL.map(|step| (one, step)))
        {
            match status.after(step) {
                Ok(after) if status == step.start() => assert_eq!(after, step.end()),
                Ok(after) => assert_eq!(after, status, "{status} {step}"),
                Err(illegal) => assert_eq!(illegal, Illegal { from: status, step }),
            }
        }
    }

    #[test]
    fn every_step_may_be_repeated() {
        for (status, step) in
            Status::ALL.into_iter().flat_map(|one| Step::ALL.map(|step| (one, step)))
        {
            if let Ok(next) = status.after(step) {
                assert_eq!(next.after(step), Ok(next), "{status} {step}");
            }
        }
    }

    #[test]
    fn the_words_of_the_database_read_back() {
        for status in Status::ALL {
            assert_eq!(Status::from_word(status.as_str()), Some(status));
        }
    }
}
