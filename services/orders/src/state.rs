//! The states of an order: one total function, and nothing else decides where an order may go.

use std::fmt;

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
}

/// What can happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The catalog holds the stock.
    StockReserved,
    /// The catalog has too little stock.
    StockShort,
    /// The time of the reservation is over.
    ReservationEnded,
    /// The customer no longer wants it.
    Cancel,
}

/// An event that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from} cannot take the event {event:?}")]
pub struct Illegal {
    pub from: State,
    pub event: Event,
}

impl State {
    /// Every state.
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
    pub fn on(self, event: Event) -> Result<Self, Illegal> {
        match (self, event) {
            (Self::Pending, Event::StockReserved) => Ok(Self::Reserved),
            (Self::Pending, Event::StockShort) => Ok(Self::Rejected),
            // reserved, but the answer was lost for so long that the time ran out meanwhile
            (Self::Pending | Self::Reserved, Event::ReservationEnded) => Ok(Self::Expired),
            (Self::Pending | Self::Reserved, Event::Cancel) => Ok(Self::Cancelled),
            (Self::Reserved, Event::StockReserved | Event::StockShort)
            | (
                Self::Paying
                | Self::Paid
                | Self::Fulfilled
                | Self::Rejected
                | Self::PaymentFailed
                | Self::Cancelled
                | Self::Expired
                | Self::Refunded,
                Event::StockReserved | Event::StockShort | Event::ReservationEnded | Event::Cancel,
            ) => Err(Illegal { from: self, event }),
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
        }
    }

    /// The state of a word of the database.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
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

    const EVENTS: [Event; 4] =
        [Event::StockReserved, Event::StockShort, Event::ReservationEnded, Event::Cancel];

    fn events() -> impl Strategy<Value = Vec<Event>> {
        prop::collection::vec(prop::sample::select(EVENTS.to_vec()), 0..30)
    }

    proptest! {
        #[test]
        fn no_order_comes_back_from_a_final_state(events in events()) {
            let mut state = State::Pending;
            let mut changes = 0;
            for event in events {
                if let Ok(next) = state.on(event) {
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
                if let Ok(next) = state.on(event) {
                    reserved += i32::from(next == State::Reserved);
                    state = next;
                }
            }
            prop_assert!(reserved <= 1);
        }
    }

    #[test]
    fn an_illegal_event_is_an_error_that_says_so() {
        let illegal = State::Rejected.on(Event::Cancel).unwrap_err();
        assert_eq!(illegal, Illegal { from: State::Rejected, event: Event::Cancel });
    }

    #[test]
    fn the_words_of_the_database_read_back() {
        for state in State::ALL {
            assert_eq!(State::from_word(state.as_str()), Some(state));
        }
    }
}
