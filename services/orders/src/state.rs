//! The states of an order: one total function, and nothing else decides where an order may go.

use std::fmt;

use time::OffsetDateTime;

use crate::shortage::Shortage;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    Pending,
    Reserved,
    Paying,
    Paid,
    Fulfilled,
    Rejected,
    PaymentFailed,
    Cancelled,
    Expired,
    Refunded,
    /// A state that a later release has brought an order to. This one leaves the order alone.
    Later,
}

/// What can happen to an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The catalog holds the stock until then.
    StockReserved { until: OffsetDateTime },
    /// The catalog has too little stock.
    StockShort { shortages: Vec<Shortage> },
    /// The time of the reservation is over.
    ReservationEnded,
    /// The customer no longer wants it.
    Cancel,
}

impl Event {
    /// What happened to the order, as the audit log calls it.
    pub fn action(&self) -> &'static str {
        match self {
            Self::StockReserved { .. } => "order.reserve",
            Self::StockShort { .. } => "order.reject",
            Self::ReservationEnded => "order.expire",
            Self::Cancel => "order.cancel",
        }
    }
}

/// An event that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from} does not allow {action}")]
pub struct Illegal {
    pub from: State,
    pub action: &'static str,
}

impl State {
    /// Every state that this release knows.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Reserved,
        Self::Paying,
        Self::Paid,
        Self::Fulfilled,
        Self::Rejected,
        Self::PaymentFailed,
        Self::Cancelled,
        Self::Expired,
        Self::Refunded,
    ];

    /// The state after an event.
    pub fn on(self, event: &Event) -> Result<Self, Illegal> {
        match (self, event) {
            (Self::Pending, Event::StockReserved { .. }) => Ok(Self::Reserved),
            (Self::Pending, Event::StockShort { .. }) => Ok(Self::Rejected),
            // reserved, but the answer was lost for so long that the time ran out meanwhile
            (Self::Pending | Self::Reserved, Event::ReservationEnded) => Ok(Self::Expired),
            (Self::Pending | Self::Reserved, Event::Cancel) => Ok(Self::Cancelled),
            (Self::Reserved, Event::StockReserved { .. } | Event::StockShort { .. })
            | (
                Self::Paying
                | Self::Paid
                | Self::Fulfilled
                | Self::Rejected
                | Self::PaymentFailed
                | Self::Cancelled
                | Self::Expired
                | Self::Refunded
                | Self::Later,
                Event::StockReserved { .. }
                | Event::StockShort { .. }
                | Event::ReservationEnded
                | Event::Cancel,
            ) => Err(Illegal { from: self, action: event.action() }),
        }
    }

    /// The word in the database, in events, and (lowercase) in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reserved => "reserved",
            Self::Paying => "paying",
            Self::Paid => "paid",
            Self::Fulfilled => "fulfilled",
            Self::Rejected => "rejected",
            Self::PaymentFailed => "payment_failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
            Self::Later => "in a state of a later release",
        }
    }

    /// The state of a word of the database.
    pub fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Later)
    }

    /// Whether the saga has brought an order to where it stays for now, or only has to give stock
    /// back.
    pub fn is_settled(self) -> bool {
        self != Self::Pending
    }

    /// Whether the stock of an order in this state has to go back.
    pub fn gives_stock_back(self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let event = prop_oneof![
            Just(Event::StockReserved { until: OffsetDateTime::UNIX_EPOCH }),
            Just(Event::StockShort { shortages: Vec::new() }),
            Just(Event::ReservationEnded),
            Just(Event::Cancel),
        ];
        prop::collection::vec(event, 0..30)
    }

    proptest! {
        #[test]
        fn no_order_comes_back_from_a_final_state(events in events()) {
            let mut state = State::Pending;
            let mut changes = 0;
            for event in events {
                if let Ok(next) = state.on(&event) {
                    prop_assert_ne!(next, state, "an event that is taken changes the state");
                    state = next;
                    changes += 1;
                }
            }
            prop_assert!(changes <= 2, "pending, reserved, and one way out");
        }

        #[test]
        fn stock_is_reserved_at_most_once(events in events()) {
            let mut state = State::Pending;
            let mut reserved = 0;
            for event in events {
                if let Ok(next) = state.on(&event) {
                    reserved += i32::from(next == State::Reserved);
                    state = next;
                }
            }
            prop_assert!(reserved <= 1);
        }
    }

    #[test]
    fn an_illegal_event_is_an_error_that_says_so() {
        let illegal = State::Rejected.on(&Event::Cancel).unwrap_err();
        assert_eq!(illegal, Illegal { from: State::Rejected, action: "order.cancel" });
    }

    #[test]
    fn the_words_of_the_database_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.as_str()), state);
        }
    }

    #[test]
    fn nothing_can_happen_to_an_order_in_a_state_of_a_later_release() {
        assert_eq!(State::from_word("on_its_way"), State::Later);
        for event in [Event::ReservationEnded, Event::Cancel] {
            assert!(State::Later.on(&event).is_err());
        }
    }
}
