//! A purchase: an order with its payments, refunds and shipment. What an event makes of one, and what has to be done
//! next for it, are pure functions.

mod payments;
mod refunds;

use souk_kit::Money;
use souk_kit::id::{OrderId, PaymentId, RefundId, ShipmentId};
use souk_kit::idempotency::Key;
use time::OffsetDateTime;

use crate::order::Order;
use crate::payment::{Payment, PaymentState, Provider, Verdict};
use crate::refund::{Refund, RefundState, RefundVerdict};
use crate::shipment::Shipment;
use crate::shortage::Shortage;
use crate::state::{Action, Illegal, State};
use crate::stock::Stock;

/// An order with all that belongs to it.
#[derive(Debug, Clone)]
pub struct Purchase {
    pub order: Order,
    /// Oldest first.
    pub payments: Vec<Payment>,
    /// Oldest first.
    pub refunds: Vec<Refund>,
    pub shipment: Option<Shipment>,
}

/// What can happen to a purchase.
#[derive(Debug, Clone)]
pub enum Event {
    /// The catalog holds the stock until then.
    StockReserved { until: OffsetDateTime },
    /// The catalog has too little stock.
    StockShort { shortages: Vec<Shortage> },
    /// The time of the reservation is over; or the money came late, and the stock has gone.
    StockGone,
    /// The customer no longer wants it.
    Cancel,
    /// The customer pays.
    Pay(Attempt),
    /// The customer confirms a payment.
    Confirm { payment: PaymentId, call: (String, Key) },
    /// What a provider says of a payment, whether it was asked or not.
    PaymentDecided { payment: PaymentId, verdict: Verdict },
    /// The stock is pinned for money that came late, and is there.
    StockSecured,
    /// It is sent.
    Ship { id: ShipmentId, carrier: String, tracking_number: String },
    /// It has arrived.
    Deliver(ShipmentId),
    /// Money shall go back: all that is left, or some.
    Refund { id: RefundId, amount: Option<Money>, reason: String },
    /// What a provider says of a refund.
    RefundDecided { refund: RefundId, verdict: RefundVerdict },
}

/// An attempt to pay that begins.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub id: PaymentId,
    pub provider: Provider,
    pub method: String,
    /// The operation and the key of the call that asks for it.
    pub call: (String, Key),
}

/// What an event makes of a purchase.
#[derive(Debug, Clone)]
pub struct Turn {
    pub purchase: Purchase,
    pub action: Action,
    /// Why, where it is known.
    pub reason: String,
}

/// Why an event is not possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The state of the order does not allow it.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Less money is left than shall go back.
    #[error("no more than {available} is left to refund")]
    RefundTooLarge { available: Money },
    /// There are as many as there may be.
    #[error("an order has at most {limit} {what}")]
    LimitReached { what: &'static str, limit: usize },
    /// The order has no such payment or refund.
    #[error("the order has no such payment or refund")]
    Unknown,
}

/// What has to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Have the stock held.
    Reserve,
    /// Have it held for as long as money moves.
    Pin,
    /// The same for money that came late, whatever has become of the stock.
    Secure,
    /// Let it be held only until the reservation ends.
    Unpin,
    /// Let it leave with the order.
    Commit,
    /// Give back what is held.
    Release,
    /// Put back what had left.
    Return,
    /// Have the provider decide a payment.
    Charge(PaymentId),
    /// Tell the provider that the customer has confirmed.
    Confirm(PaymentId),
    /// Have the provider take what the customer's bank holds.
    Capture(PaymentId),
    /// Ask again about a payment that is not open, or has been left unconfirmed.
    LookUp(PaymentId),
    /// Have money go back.
    Refund(RefundId),
    /// The time of the reservation is over.
    Expire,
    /// Nothing until then; nothing at all when there is no then.
    Wait(Option<OffsetDateTime>),
}

impl Step {
    /// How it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reserve => "reserve",
            Self::Pin => "pin",
            Self::Secure => "secure",
            Self::Unpin => "unpin",
            Self::Commit => "commit",
            Self::Release => "release",
            Self::Return => "return",
            Self::Charge(_) => "charge",
            Self::Confirm(_) => "confirm",
            Self::LookUp(_) => "look_up",
            Self::Capture(_) => "capture",
            Self::Refund(_) => "refund",
            Self::Expire => "expire",
            Self::Wait(_) => "wait",
        }
    }

    /// Whether it has money come in.
    fn takes_money(self) -> bool {
        matches!(self, Self::Charge(_) | Self::Confirm(_) | Self::Capture(_))
    }
}

impl From<Order> for Purchase {
    fn from(order: Order) -> Self {
        Self { order, payments: Vec::new(), refunds: Vec::new(), shipment: None }
    }
}

impl Purchase {
    pub fn id(&self) -> OrderId {
        self.order.id
    }

    pub fn payment(&self, id: PaymentId) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.id == id)
    }

    pub fn refund(&self, id: RefundId) -> Option<&Refund> {
        self.refunds.iter().find(|refund| refund.id == id)
    }

    /// The payment that the order was paid with.
    pub fn paid_with(&self) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.state == PaymentState::Succeeded)
    }

    /// Whether a payment is under way that nobody has made good yet.
    pub fn wants_money(&self) -> bool {
        self.order.state == State::Paying && self.paid_with().is_none()
    }

    /// The payment whose money a bank holds for the order.
    pub fn authorized(&self) -> Option<&Payment> {
        self.payments.iter().find(|payment| payment.is_authorized())
    }

    /// What has to be done at a moment.
    pub fn next(&self, now: OffsetDateTime) -> Step {
        self.next_despite(&[], now)
    }

    /// The same where some steps have failed, which hold up none that does not need them: money that is owed waits
    /// neither for stock nor for what is not known of other money. None comes in as long as anything fails.
    pub fn next_despite(&self, failed: &[Step], now: OffsetDateTime) -> Step {
        let payments = self.payments.iter().filter_map(|payment| self.next_for(payment, now));
        let refunds = self.refunds.iter().filter(|refund| refund.is_due(now));
        let ends = self.ends().filter(|ends| *ends <= now);
        (self.next_for_stock().into_iter())
            .chain(payments)
            .chain(refunds.map(|refund| Step::Refund(refund.id)))
            .chain(ends.map(|_| Step::Expire))
            .find(|step| failed.is_empty() || !(step.takes_money() || failed.contains(step)))
            .unwrap_or_else(|| self.wait(now))
    }

    fn next_for_stock(&self) -> Option<Step> {
        let stock = self.order.stock;
        match self.order.state {
            State::Pending => Some(Step::Reserve),
            State::Paying if stock != Stock::Pinned => {
                let money = self.paid_with().or(self.authorized());
                Some(if money.is_some() { Step::Secure } else { Step::Pin })
            }
            // the money is there: all that is left is to say so
            State::Paying if self.paid_with().is_some() => Some(Step::Secure),
            State::PaymentFailed if stock == Stock::Pinned => Some(Step::Unpin),
            State::Paid | State::Fulfilled | State::Delivered | State::PartiallyRefunded => {
                (stock != Stock::Committed).then_some(Step::Commit)
            }
            State::Cancelled | State::Expired => (stock != Stock::Back).then_some(Step::Release),
            State::Refunded => match stock {
                Stock::Back => None,
                // what was sent stays with the customer
                Stock::Committed => self.shipment.is_none().then_some(Step::Return),
                Stock::Unknown | Stock::Held | Stock::Pinned => Some(Step::Commit),
            },
            State::Paying
            | State::Reserved
            | State::PaymentFailed
            | State::Rejected
            | State::Later => None,
        }
    }

    fn next_for(&self, payment: &Payment, now: OffsetDateTime) -> Option<Step> {
        let is_wanted = self.wants_money();
        match payment.state {
            PaymentState::Pending if is_wanted => Some(Step::Charge(payment.id)),
            PaymentState::Confirming if is_wanted => Some(Step::Confirm(payment.id)),
            PaymentState::Authorized if is_wanted => Some(Step::Capture(payment.id)),
            // the order was paid otherwise meanwhile
            PaymentState::Pending | PaymentState::Confirming | PaymentState::Authorized => {
                Some(Step::LookUp(payment.id))
            }
            PaymentState::RequiresConfirmation
            | PaymentState::Failed
            | PaymentState::Succeeded
            | PaymentState::Surplus => {
                let is_due = payment.look_at.is_some_and(|at| at <= now);
                is_due.then_some(Step::LookUp(payment.id))
            }
        }
    }

    /// When the time is over for which stock is held.
    fn ends(&self) -> Option<OffsetDateTime> {
        self.order.reserved_until.filter(|_| self.order.state.is_held_for_a_time())
    }

    /// Nothing until then. What is over is of a step that has failed, whose pause is another.
    fn wait(&self, now: OffsetDateTime) -> Step {
        let looks = self.payments.iter().filter_map(|payment| payment.look_at);
        let pending = self.refunds.iter().filter(|refund| refund.state == RefundState::Pending);
        let refunds = pending.filter_map(|refund| refund.look_at);
        let moments = looks.chain(refunds).chain(self.ends());
        Step::Wait(moments.filter(|at| *at > now).min())
    }

    /// The purchase after an event at a moment; `None` when it changes nothing.
    ///
    /// # Errors
    ///
    /// See [`Refused`].
    pub fn after(&self, event: &Event, at: OffsetDateTime) -> Result<Option<Turn>, Refused> {
        // no order changes before it was accepted, whatever a clock says
        let at = at.max(self.order.updated_at);
        let mut next = self.clone();
        let Some((action, reason)) = next.take(event, at)? else { return Ok(None) };
        next.order.state = self.order.state.on(action)?;
        next.order.version += 1;
        next.order.updated_at = at;
        Ok(Some(Turn { purchase: next, action, reason }))
    }

    /// Takes an event, and says what was done to the order and why.
    fn take(
        &mut self,
        event: &Event,
        at: OffsetDateTime,
    ) -> Result<Option<(Action, String)>, Refused> {
        let mut reason = String::new();
        let action = match event {
            Event::StockReserved { until } => {
                self.order.reserved_until = Some(*until);
                self.order.stock = Stock::Held;
                Action::Reserve
            }
            Event::StockShort { shortages } => {
                self.order.shortages.clone_from(shortages);
                self.order.stock = Stock::Back;
                Action::Reject
            }
            Event::StockGone => {
                self.give_up_payment(at);
                Action::Expire
            }
            Event::Cancel if self.order.state == State::Cancelled => return Ok(None),
            Event::Cancel => Action::Cancel,
            Event::Pay(attempt) => {
                self.begin_payment(attempt, at)?;
                Action::Pay
            }
            Event::Confirm { payment, call } => {
                return self.confirm(*payment, call, at);
            }
            Event::PaymentDecided { payment, verdict } => {
                return self.decide_payment(*payment, verdict, at);
            }
            Event::StockSecured => {
                self.order.stock = Stock::Pinned;
                self.order.paid = self.paid_with().ok_or(Refused::Unknown)?.amount;
                Action::Collect
            }
            Event::Ship { id, carrier, tracking_number } => {
                self.ship(*id, carrier, tracking_number, at)?;
                Action::Fulfill
            }
            Event::Deliver(id) => return self.deliver(*id, at),
            Event::Refund { id, amount, reason: why } => {
                self.begin_refund(*id, *amount, why, at)?;
                reason.clone_from(why);
                Action::BeginRefund
            }
            Event::RefundDecided { refund, verdict } => {
                return self.decide_refund(*refund, verdict, at);
            }
        };
        Ok(Some((action, reason)))
    }

    fn ship(
        &mut self,
        id: ShipmentId,
        carrier: &str,
        tracking_number: &str,
        at: OffsetDateTime,
    ) -> Result<(), Refused> {
        // nor what all of the money goes back for at this moment
        let goes_back = self.paid_with().is_some_and(|paid| paid.refunded == paid.amount);
        if self.shipment.is_some() || goes_back {
            return Err(Illegal { from: self.order.state, action: Action::Fulfill }.into());
        }
        self.shipment = Some(Shipment {
            id,
            carrier: carrier.to_owned(),
            tracking_number: tracking_number.to_owned(),
            created_at: at,
            delivered_at: None,
        });
        Ok(())
    }

    fn deliver(
        &mut self,
        id: ShipmentId,
        at: OffsetDateTime,
    ) -> Result<Option<(Action, String)>, Refused> {
        let shipment = self.shipment.as_mut().filter(|shipment| shipment.id == id);
        let shipment = shipment.ok_or(Refused::Unknown)?;
        if shipment.delivered_at.is_some() {
            return Ok(None);
        }
        shipment.delivered_at = Some(at);
        Ok(Some((Action::Deliver, String::new())))
    }

    fn payment_mut(&mut self, id: PaymentId) -> Result<&mut Payment, Refused> {
        self.payments.iter_mut().find(|payment| payment.id == id).ok_or(Refused::Unknown)
    }
}

#[cfg(test)]
mod tests;
