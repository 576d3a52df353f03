//! Payments and refunds as messages of the contract.

use souk_db::idempotency::Answer;
use souk_kit::id::{OrderId, PaymentId, RefundId};
use souk_kit::wire;
use souk_proto::souk::orders::v1::{Payment, PaymentStatus, Refund, RefundStatus};
use uuid::Uuid;

use crate::payment::{self, PaymentState};
use crate::purchase::Purchase;
use crate::refund::{self, RefundState};

pub fn payment(order: OrderId, payment: &payment::Payment) -> Payment {
    Payment {
        id: payment.id.to_string(),
        order_id: order.to_string(),
        provider: payment.provider.name().to_owned(),
        method: payment.method.clone(),
        status: PaymentStatus::from(payment.state).into(),
        amount: Some(payment.amount.into()),
        currency: payment.amount.currency().code().to_owned(),
        amount_refunded: Some(payment.refunded.into()),
        provider_reference: payment.reference.clone().or(payment.provider_order.clone()),
        failure_code: payment.failure.clone(),
        created_at: Some(wire::timestamp(payment.created_at)),
        updated_at: Some(wire::timestamp(payment.updated_at)),
    }
}

/// What a call is answered that has waited for a payment.
pub fn answer(order: OrderId, decided: &payment::Payment) -> Answer {
    Answer::success(&payment(order, decided))
}

/// What a call is answered that finds its payment decided.
pub fn decided_answer(purchase: &Purchase, id: Uuid) -> Option<Answer> {
    let found = purchase.payment(PaymentId::from_uuid(id)).filter(|found| found.is_decided())?;
    Some(answer(purchase.id(), found))
}

pub fn refund(order: OrderId, refund: &refund::Refund) -> Refund {
    Refund {
        id: refund.id.to_string(),
        order_id: order.to_string(),
        payment_id: refund.payment.to_string(),
        status: RefundStatus::from(refund.state).into(),
        amount: Some(refund.amount.into()),
        currency: refund.amount.currency().code().to_owned(),
        reason: refund.reason.clone(),
        provider_reference: refund.reference.clone(),
        created_at: Some(wire::timestamp(refund.created_at)),
        updated_at: Some(wire::timestamp(refund.updated_at)),
    }
}

/// What a call is answered that has begun a refund.
pub fn refund_answer(purchase: &Purchase, id: Uuid) -> Option<Answer> {
    let begun = purchase.refund(RefundId::from_uuid(id))?;
    Some(Answer::success(&refund(purchase.id(), begun)))
}

impl From<PaymentState> for PaymentStatus {
    fn from(state: PaymentState) -> Self {
        match state {
            // what the provider has not been told yet is nothing that a client could wait for
            PaymentState::Pending | PaymentState::Confirming | PaymentState::Authorized => {
                Self::Pending
            }
            PaymentState::RequiresConfirmation => Self::RequiresConfirmation,
            PaymentState::Succeeded => Self::Succeeded,
            PaymentState::Failed => Self::Failed,
            PaymentState::Surplus => Self::Surplus,
        }
    }
}

impl From<RefundState> for RefundStatus {
    fn from(state: RefundState) -> Self {
        match state {
            RefundState::Pending => Self::Pending,
            RefundState::Succeeded => Self::Succeeded,
            RefundState::Failed => Self::Failed,
        }
    }
}
