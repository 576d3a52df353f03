//! What becomes of the payments of a purchase.

use souk_kit::Money;
use souk_kit::id::{self, PaymentId};
use souk_kit::idempotency::Key;
use time::OffsetDateTime;

use super::{Attempt, Purchase, Refused};
use crate::payment::{LATEST, MAX_PAYMENTS, Payment, PaymentState, Verdict};
use crate::state::{Action, Illegal, State};
use crate::stock::Stock;

/// Why a payment has failed whose money a bank holds, and the order does not want.
const NOT_WANTED: &str = "not_wanted";

impl Purchase {
    pub(super) fn begin_payment(
        &mut self,
        attempt: &Attempt,
        at: OffsetDateTime,
    ) -> Result<(), Refused> {
        // before there can be one too many: an order that cannot be paid says so
        let from = self.order.state;
        from.on(Action::Pay)?;
        // who pays, and does not, again and again, would hold the stock for as long as that takes
        if self.order.reserved_until.is_some_and(|ends| ends <= at) {
            return Err(Illegal { from, action: Action::Pay }.into());
        }
        if self.payments.len() >= MAX_PAYMENTS {
            return Err(Refused::LimitReached { what: "payments", limit: MAX_PAYMENTS });
        }
        self.doubt_pin();
        let Attempt { id, provider, method, call } = attempt.clone();
        let total = self.order.total;
        self.payments.push(Payment {
            id,
            number: self.next_number(),
            provider,
            method,
            state: PaymentState::Pending,
            amount: total,
            refunded: Money::zero(total.currency()),
            provider_order: None,
            reference: None,
            failure: None,
            call: Some(call),
            look_at: None,
            created_at: at,
            updated_at: at,
        });
        Ok(())
    }

    fn next_number(&self) -> i32 {
        self.payments.iter().map(|payment| payment.number).max().unwrap_or(0) + 1
    }

    pub(super) fn confirm(
        &mut self,
        id: PaymentId,
        call: &(String, Key),
        at: OffsetDateTime,
    ) -> Result<Option<(Action, String)>, Refused> {
        let from = self.order.state;
        let payment = self.payment_mut(id)?;
        match payment.state {
            PaymentState::RequiresConfirmation => {
                payment.state = PaymentState::Confirming;
                payment.call = Some(call.clone());
                payment.look_at = None;
                payment.updated_at = at;
                Ok(Some((Action::Confirm, String::new())))
            }
            PaymentState::Confirming | PaymentState::Authorized | PaymentState::Succeeded => {
                Ok(None)
            }
            PaymentState::Pending | PaymentState::Failed | PaymentState::Surplus => {
                Err(Illegal { from, action: Action::Confirm }.into())
            }
        }
    }

    pub(super) fn decide_payment(
        &mut self,
        id: PaymentId,
        verdict: &Verdict,
        at: OffsetDateTime,
    ) -> Result<Option<(Action, String)>, Refused> {
        let has_others = self.payments.iter().any(|other| other.id != id && other.is_open());
        let is_awaited = self.wants_money() && !has_others;
        let payment = self.payment_mut(id)?;
        match verdict {
            Verdict::Succeeded { references } => Ok(self.succeed(id, references, at)),
            Verdict::Authorized { reference } => Ok(self.authorize(id, reference, at)),
            // confirmed, and yet not: the customer may have come back before the provider knew of it
            Verdict::Confirm { reference, until }
                if matches!(payment.state, PaymentState::Pending | PaymentState::Confirming) =>
            {
                payment.state = PaymentState::RequiresConfirmation;
                payment.provider_order = Some(reference.clone());
                payment.look_at = Some(*until);
                payment.updated_at = at;
                let action = if is_awaited { Action::AskToConfirm } else { Action::Lapse };
                Ok(Some((action, String::new())))
            }
            Verdict::Failed { code, look_at } if payment.is_open() => {
                payment.state = PaymentState::Failed;
                payment.failure = Some(code.clone());
                payment.look_at = *look_at;
                payment.updated_at = at;
                let action = if is_awaited { Action::Decline } else { Action::Lapse };
                Ok(Some((action, code.clone())))
            }
            Verdict::Confirm { .. } | Verdict::Failed { .. } => Ok(None),
        }
    }

    /// A bank holds money for an attempt. What the order does not want is never taken, and goes back to the customer by
    /// itself; it is watched until it has, since somebody else may take it.
    fn authorize(
        &mut self,
        id: PaymentId,
        reference: &str,
        at: OffsetDateTime,
    ) -> Option<(Action, String)> {
        let is_wanted = self.paid_with().is_none()
            && self.authorized().is_none()
            && matches!(self.order.state, State::Paying | State::PaymentFailed | State::Expired);
        let payment = self.payment_mut(id).ok()?;
        // known, wanted or not
        if payment.is_authorized() || payment.reference.as_deref() == Some(reference) {
            return None;
        }
        if payment.has_charged() {
            return None;
        }
        let is_wanted = is_wanted && at <= payment.created_at + LATEST;
        payment.reference = Some(reference.to_owned());
        payment.updated_at = at;
        if !is_wanted {
            payment.let_go(NOT_WANTED, at);
            return Some((Action::Lapse, NOT_WANTED.to_owned()));
        }
        payment.state = PaymentState::Authorized;
        payment.failure = None;
        payment.look_at = None;
        self.look_for_stock();
        Some((Action::Authorize, String::new()))
    }

    /// Lets go of what a bank holds for any other payment than this, or for any.
    pub(super) fn release(&mut self, kept: Option<PaymentId>, code: &str, at: OffsetDateTime) {
        let held = (self.payments.iter_mut())
            .filter(|payment| payment.is_authorized() && Some(payment.id) != kept);
        for payment in held {
            payment.let_go(code, at);
        }
    }

    /// Stock that went back may be sold: it has to be found again before the order counts as paid.
    fn look_for_stock(&mut self) {
        if self.order.stock == Stock::Back {
            self.order.stock = Stock::Unknown;
        }
        if self.order.state != State::Paying {
            self.doubt_pin();
        }
    }

    /// Whoever has lost the order may be about to take the pin off, or has done so unheard.
    fn doubt_pin(&mut self) {
        if self.order.stock == Stock::Pinned {
            self.order.stock = Stock::Held;
        }
    }

    /// A provider has the money of an attempt, under one name or more.
    fn succeed(
        &mut self,
        id: PaymentId,
        references: &[String],
        at: OffsetDateTime,
    ) -> Option<(Action, String)> {
        let is_known = |reference: &&String| {
            self.payments.iter().any(|payment| {
                payment.reference.as_ref() == Some(reference) && payment.has_charged()
            })
        };
        let mut fresh: Vec<String> =
            references.iter().filter(|reference| !is_known(reference)).cloned().collect();
        let is_wanted = self.paid_with().is_none()
            && matches!(self.order.state, State::Paying | State::PaymentFailed | State::Expired);
        let is_undecided =
            self.payment(id).is_some_and(|payment| payment.is_open() || payment.is_failed());
        let mut action = None;
        if is_undecided && !fresh.is_empty() {
            let reference = fresh.remove(0);
            action = Some(self.accept(id, reference, is_wanted, at));
        }
        for reference in fresh {
            self.note_surplus(id, reference, at);
            action = action.or(Some(Action::Oversupply));
        }
        Some((action?, String::new()))
    }

    /// The money of an attempt that had not succeeded is there.
    fn accept(
        &mut self,
        id: PaymentId,
        reference: String,
        is_wanted: bool,
        at: OffsetDateTime,
    ) -> Action {
        let is_pinned = self.order.state == State::Paying && self.order.stock == Stock::Pinned;
        let Ok(payment) = self.payment_mut(id) else { return Action::Lapse };
        payment.reference = Some(reference);
        payment.failure = None;
        payment.look_at = None;
        payment.updated_at = at;
        payment.state = if is_wanted { PaymentState::Succeeded } else { PaymentState::Surplus };
        let amount = payment.amount;
        if !is_wanted {
            self.refund_surplus(id, at);
            return Action::Oversupply;
        }
        self.release(Some(id), NOT_WANTED, at);
        if is_pinned {
            self.order.paid = amount;
            return Action::Collect;
        }
        self.look_for_stock();
        Action::Resume
    }

    /// A provider has charged once more for an attempt.
    fn note_surplus(&mut self, id: PaymentId, reference: String, at: OffsetDateTime) {
        let Some(payment) = self.payment(id).cloned() else { return };
        let surplus = Payment {
            id: id::new(),
            number: self.next_number(),
            state: PaymentState::Surplus,
            refunded: Money::zero(payment.amount.currency()),
            reference: Some(reference),
            failure: None,
            call: None,
            look_at: None,
            created_at: at,
            updated_at: at,
            ..payment
        };
        let id = surplus.id;
        self.payments.push(surplus);
        self.refund_surplus(id, at);
    }
}

impl Payment {
    /// Does not take what a bank holds. Whether nobody else has, is looked at now, and then again.
    fn let_go(&mut self, code: &str, at: OffsetDateTime) {
        self.state = PaymentState::Failed;
        self.failure = Some(code.to_owned());
        self.look_at = Some(at);
        self.updated_at = at;
    }
}
