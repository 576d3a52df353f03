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
    Delivered,
    Rejected,
    PaymentFailed,
    Cancelled,
    Expired,
    Refunded,
    PartiallyRefunded,
    /// A state that a later release has brought an order to. This one leaves the order alone.
    Later,
}

/// What can be done to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// It is accepted: there is no order before.
    Create,
    /// Its stock is held.
    Reserve,
    /// Its stock is short.
    Reject,
    /// Its stock has gone back, because nobody paid in time.
    Expire,
    /// The customer no longer wants it.
    Cancel,
    /// An attempt to pay begins.
    Pay,
    /// The provider wants the customer to confirm the attempt.
    AskToConfirm,
    /// The customer confirms it.
    Confirm,
    /// The customer's bank holds the money of an attempt: it is taken once the stock is there for sure.
    Authorize,
    /// The attempt has failed.
    Decline,
    /// The money is there, and the stock is.
    Collect,
    /// The money of an attempt that had failed, or was given up, is there after all: the stock must be found again.
    Resume,
    /// Money is there that the order does not want: it goes back.
    Oversupply,
    /// An attempt that the order no longer waits for has failed, or is looked at later; or a bank holds money that
    /// the order does not want, and lets it go.
    Lapse,
    /// It is sent.
    Fulfill,
    /// It has arrived.
    Deliver,
    /// Money begins to go back.
    BeginRefund,
    /// A part of the money has gone back.
    RefundPart,
    /// All of it has.
    RefundAll,
    /// The provider refuses a refund.
    FailRefund,
    /// Money that the order did not want has gone back.
    ReturnSurplus,
}

/// An action that the state does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order that is {from} does not allow {action}")]
pub struct Illegal {
    pub from: State,
    pub action: Action,
}

impl Action {
    /// Every action there is.
    pub const ALL: [Self; 21] = [
        Self::Create,
        Self::Reserve,
        Self::Reject,
        Self::Expire,
        Self::Cancel,
        Self::Pay,
        Self::AskToConfirm,
        Self::Confirm,
        Self::Authorize,
        Self::Decline,
        Self::Collect,
        Self::Resume,
        Self::Oversupply,
        Self::Lapse,
        Self::Fulfill,
        Self::Deliver,
        Self::BeginRefund,
        Self::RefundPart,
        Self::RefundAll,
        Self::FailRefund,
        Self::ReturnSurplus,
    ];

    /// What callers can ask for.
    const FOR_CALLERS: [Self; 6] =
        [Self::Cancel, Self::Pay, Self::Confirm, Self::Fulfill, Self::Deliver, Self::BeginRefund];

    /// How the audit log and the timeline call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "order.create",
            Self::Reserve => "order.reserve",
            Self::Reject => "order.reject",
            Self::Expire => "order.expire",
            Self::Cancel => "order.cancel",
            Self::Pay => "order.pay",
            Self::AskToConfirm => "order.ask_to_confirm",
            Self::Confirm => "order.confirm",
            Self::Authorize => "order.authorize",
            Self::Decline => "order.decline",
            Self::Collect => "order.collect",
            Self::Resume => "order.resume",
            Self::Oversupply => "order.oversupply",
            Self::Lapse => "order.lapse",
            Self::Fulfill => "order.fulfill",
            Self::Deliver => "order.deliver",
            Self::BeginRefund => "order.begin_refund",
            Self::RefundPart => "order.refund_part",
            Self::RefundAll => "order.refund_all",
            Self::FailRefund => "order.fail_refund",
            Self::ReturnSurplus => "order.return_surplus",
        }
    }

    /// The state that a caller wants who asks for it.
    pub fn aim(self) -> State {
        match self {
            Self::Create => State::Pending,
            Self::Reserve => State::Reserved,
            Self::Reject => State::Rejected,
            Self::Expire => State::Expired,
            Self::Cancel => State::Cancelled,
            Self::Pay | Self::AskToConfirm | Self::Authorize | Self::Resume => State::Paying,
            Self::Confirm | Self::Collect | Self::Oversupply | Self::Lapse => State::Paid,
            Self::Decline => State::PaymentFailed,
            Self::Fulfill => State::Fulfilled,
            Self::Deliver => State::Delivered,
            Self::RefundPart => State::PartiallyRefunded,
            Self::BeginRefund | Self::RefundAll | Self::FailRefund | Self::ReturnSurplus => {
                State::Refunded
            }
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl State {
    /// Every state that this release knows.
    pub const ALL: [Self; 12] = [
        Self::Pending,
        Self::Reserved,
        Self::Paying,
        Self::Paid,
        Self::Fulfilled,
        Self::Delivered,
        Self::Rejected,
        Self::PaymentFailed,
        Self::Cancelled,
        Self::Expired,
        Self::Refunded,
        Self::PartiallyRefunded,
    ];

    /// The state after an action.
    pub fn on(self, action: Action) -> Result<Self, Illegal> {
        self.after(action).ok_or(Illegal { from: self, action })
    }

    fn after(self, action: Action) -> Option<Self> {
        match action {
            Action::Create => None,
            Action::Reserve => matches!(self, Self::Pending).then_some(Self::Reserved),
            Action::Reject => matches!(self, Self::Pending).then_some(Self::Rejected),
            // pending: reserved, but the answer was lost for so long that the time ran out meanwhile;
            // paying: the money came late, and what it was for has been sold
            Action::Expire => {
                matches!(self, Self::Pending | Self::Reserved | Self::PaymentFailed | Self::Paying)
                    .then_some(Self::Expired)
            }
            Action::Cancel => matches!(self, Self::Pending | Self::Reserved | Self::PaymentFailed)
                .then_some(Self::Cancelled),
            Action::Pay => {
                matches!(self, Self::Reserved | Self::PaymentFailed).then_some(Self::Paying)
            }
            Action::AskToConfirm | Action::Confirm => matches!(self, Self::Paying).then_some(self),
            Action::Decline => matches!(self, Self::Paying).then_some(Self::PaymentFailed),
            Action::Collect => matches!(self, Self::Paying).then_some(Self::Paid),
            Action::Authorize | Action::Resume => {
                matches!(self, Self::Paying | Self::PaymentFailed | Self::Expired)
                    .then_some(Self::Paying)
            }
            Action::Oversupply | Action::Lapse | Action::ReturnSurplus | Action::FailRefund => {
                self.may_have_payments().then_some(self)
            }
            Action::Fulfill => {
                matches!(self, Self::Paid | Self::PartiallyRefunded).then_some(Self::Fulfilled)
            }
            Action::Deliver => {
                matches!(self, Self::Fulfilled | Self::PartiallyRefunded).then_some(Self::Delivered)
            }
            Action::BeginRefund => self.has_money().then_some(self),
            Action::RefundPart => self.has_money().then_some(Self::PartiallyRefunded),
            Action::RefundAll => self.has_money().then_some(Self::Refunded),
        }
    }

    /// What a caller can ask for.
    pub fn allowed(self) -> impl Iterator<Item = Action> {
        Action::FOR_CALLERS.into_iter().filter(move |action| self.after(*action).is_some())
    }

    /// Whether somebody has paid, and not got all of it back.
    pub fn has_money(self) -> bool {
        match self {
            Self::Paid | Self::Fulfilled | Self::Delivered | Self::PartiallyRefunded => true,
            Self::Pending
            | Self::Reserved
            | Self::Paying
            | Self::Rejected
            | Self::PaymentFailed
            | Self::Cancelled
            | Self::Expired
            | Self::Refunded
            | Self::Later => false,
        }
    }

    /// Whether somebody may have tried to pay.
    fn may_have_payments(self) -> bool {
        match self {
            Self::Pending | Self::Reserved | Self::Rejected | Self::Later => false,
            Self::Paying
            | Self::Paid
            | Self::Fulfilled
            | Self::Delivered
            | Self::PaymentFailed
            | Self::Cancelled
            | Self::Expired
            | Self::Refunded
            | Self::PartiallyRefunded => true,
        }
    }

    /// Whether stock is held only until the reservation ends.
    pub fn is_held_for_a_time(self) -> bool {
        matches!(self, Self::Reserved | Self::PaymentFailed)
    }

    /// The word in the database, in events, and (lowercase) in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Reserved => "reserved",
            Self::Paying => "paying",
            Self::Paid => "paid",
            Self::Fulfilled => "fulfilled",
            Self::Delivered => "delivered",
            Self::Rejected => "rejected",
            Self::PaymentFailed => "payment_failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Later => "in a state of a later release",
        }
    }

    /// The state of a word of the database.
    pub fn from_word(word: &str) -> Self {
        Self::ALL.into_iter().find(|state| state.as_str() == word).unwrap_or(Self::Later)
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

    fn actions() -> impl Strategy<Value = Vec<Action>> {
        prop::collection::vec(prop::sample::select(Action::ALL.to_vec()), 0..60)
    }

    /// The states that legal actions lead through, from the beginning.
    fn way(actions: Vec<Action>) -> Vec<(Action, State)> {
        let mut state = State::Pending;
        let mut way = Vec::new();
        for action in actions {
            if let Ok(next) = state.on(action) {
                state = next;
                way.push((action, state));
            }
        }
        way
    }

    proptest! {
        #[test]
        fn stock_is_reserved_at_most_once(actions in actions()) {
            let reserved = way(actions).iter().filter(|(action, _)| *action == Action::Reserve).count();
            prop_assert!(reserved <= 1);
        }

        #[test]
        fn money_moves_only_after_stock_was_held_or_is_looked_for(actions in actions()) {
            let way = way(actions);
            // that money comes late is for payments to say, which these states know nothing of
            let is_held = |action: Action| {
                matches!(action, Action::Reserve | Action::Resume | Action::Authorize)
            };
            let paid = way.iter().position(|(_, state)| state.has_money());
            if let Some(paid) = paid {
                prop_assert!(way[..paid].iter().any(|(action, _)| is_held(*action)));
                prop_assert_eq!(way[paid].0, Action::Collect);
            }
        }

        #[test]
        fn an_order_is_paid_once(actions in actions()) {
            let collected = way(actions).iter().filter(|(action, _)| *action == Action::Collect).count();
            prop_assert!(collected <= 1);
        }

        #[test]
        fn nobody_leaves_a_final_state(actions in actions()) {
            let is_final =
                |state: &State| matches!(state, State::Rejected | State::Cancelled | State::Refunded);
            let way = way(actions);
            for pair in way.windows(2) {
                if is_final(&pair[0].1) {
                    prop_assert_eq!(pair[0].1, pair[1].1);
                }
            }
        }

        #[test]
        fn what_is_sent_was_paid(actions in actions()) {
            let way = way(actions);
            if let Some(sent) = way.iter().position(|(action, _)| *action == Action::Fulfill) {
                prop_assert!(way[..sent].iter().any(|(action, _)| *action == Action::Collect));
            }
        }
    }

    #[test]
    fn an_illegal_action_is_an_error_that_says_so() {
        let illegal = State::Rejected.on(Action::Cancel).unwrap_err();
        assert_eq!(illegal, Illegal { from: State::Rejected, action: Action::Cancel });
        assert_eq!(State::Rejected.allowed().count(), 0);
        let allowed: Vec<Action> = State::PaymentFailed.allowed().collect();
        assert_eq!(allowed, [Action::Cancel, Action::Pay]);
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
        for action in Action::ALL {
            assert!(State::Later.on(action).is_err(), "{action}");
        }
    }
}
