//! What becomes of the refunds of a purchase.

use souk_kit::Money;
use souk_kit::id::{self, PaymentId, RefundId};
use time::{Duration, OffsetDateTime};

use super::{Purchase, Refused};
use crate::payment::PaymentState;
use crate::refund::{MAX_REFUNDS, Refund, RefundState, RefundVerdict};
use crate::state::{Action, Illegal};

/// How long after a refund that nobody has asked for has failed there is another: twice that after the next one, and so
/// on up to 16 hours.
const FIRST_DELAY: Duration = Duration::hours(1);
/// Why a payment has failed whose money a bank holds, when what it was for has been sold.
const OUT_OF_STOCK: &str = "out_of_stock";

impl Purchase {
    pub(super) fn begin_refund(
        &mut self,
        id: RefundId,
        amount: Option<Money>,
        reason: &str,
        at: OffsetDateTime,
    ) -> Result<(), Refused> {
        let from = self.order.state;
        from.on(Action::BeginRefund)?;
        let paid_with = self.paid_with().map(|payment| payment.id);
        let paid_with = paid_with.ok_or(Illegal { from, action: Action::BeginRefund })?;
        // those that nobody has asked for are of other payments
        let asked_for = self.refunds.iter().filter(|refund| refund.payment == paid_with).count();
        if asked_for >= MAX_REFUNDS {
            return Err(Refused::LimitReached { what: "refunds", limit: MAX_REFUNDS });
        }
        let payment = self.payment_mut(paid_with)?;
        let available = payment.amount.minus(payment.refunded);
        let available = available.unwrap_or(Money::zero(payment.amount.currency()));
        let amount = amount.unwrap_or(available);
        let refunded = payment
            .refunded
            .plus(amount)
            .filter(|refunded| amount.minor() > 0 && refunded.minor() <= payment.amount.minor());
        payment.refunded = refunded.ok_or(Refused::RefundTooLarge { available })?;
        let payment = payment.id;
        self.refunds.push(new_refund(id, payment, amount, reason, at));
        Ok(())
    }

    pub(super) fn decide_refund(
        &mut self,
        id: RefundId,
        verdict: &RefundVerdict,
        at: OffsetDateTime,
    ) -> Result<Option<(Action, String)>, Refused> {
        let refund = self.refunds.iter_mut().find(|refund| refund.id == id);
        let refund = refund.ok_or(Refused::Unknown)?;
        if refund.state != RefundState::Pending {
            return Ok(None);
        }
        if let RefundVerdict::UnderWay { .. } = verdict {
            return Ok(None);
        }
        refund.updated_at = at;
        refund.look_at = None;
        let (payment, amount) = (refund.payment, refund.amount);
        match verdict {
            RefundVerdict::UnderWay { .. } => Ok(None),
            RefundVerdict::Succeeded { reference } => {
                refund.state = RefundState::Succeeded;
                refund.reference = Some(reference.clone());
                if self.payment_mut(payment)?.state == PaymentState::Surplus {
                    return Ok(Some((Action::ReturnSurplus, String::new())));
                }
                self.order.refunded = self.order.refunded.plus(amount).ok_or(Refused::Unknown)?;
                let is_all = self.order.refunded == self.order.paid;
                let action = if is_all { Action::RefundAll } else { Action::RefundPart };
                Ok(Some((action, String::new())))
            }
            RefundVerdict::Failed { code } => {
                refund.state = RefundState::Failed;
                let returned = self.payment_mut(payment)?;
                returned.refunded =
                    returned.refunded.minus(amount).unwrap_or(Money::zero(amount.currency()));
                if returned.state == PaymentState::Surplus {
                    self.try_again(payment, at);
                }
                Ok(Some((Action::FailRefund, code.clone())))
            }
        }
    }

    pub(super) fn refund_surplus(&mut self, id: PaymentId, at: OffsetDateTime) {
        let Ok(payment) = self.payment_mut(id) else { return };
        let amount = payment.amount;
        payment.refunded = amount;
        self.refunds.push(new_refund(id::new(), id, amount, "not wanted by the order", at));
    }

    /// Nobody keeps money that the order does not want: another refund, later each time.
    fn try_again(&mut self, id: PaymentId, at: OffsetDateTime) {
        let before = self.refunds.iter().filter(|refund| refund.payment == id).count();
        let delay = 1_i32 << before.saturating_sub(1).min(4);
        self.refund_surplus(id, at);
        if let Some(refund) = self.refunds.last_mut() {
            refund.look_at = Some(at + FIRST_DELAY * delay);
        }
    }

    /// The stock for money that came late has gone: the money goes back, or is not taken.
    pub(super) fn give_up_payment(&mut self, at: OffsetDateTime) {
        self.release(None, OUT_OF_STOCK, at);
        let Some(id) = self.paid_with().map(|payment| payment.id) else { return };
        if let Ok(payment) = self.payment_mut(id) {
            payment.state = PaymentState::Surplus;
            payment.updated_at = at;
        }
        self.refund_surplus(id, at);
    }
}

fn new_refund(
    id: RefundId,
    payment: PaymentId,
    amount: Money,
    reason: &str,
    at: OffsetDateTime,
) -> Refund {
    Refund {
        id,
        payment,
        state: RefundState::Pending,
        amount,
        reason: reason.to_owned(),
        reference: None,
        look_at: None,
        created_at: at,
        updated_at: at,
    }
}
