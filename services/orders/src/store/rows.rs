use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use crate::payment::Payment;
use crate::purchase::Purchase;
use crate::refund::Refund;
use crate::shipment::Shipment;

/// The rows beside orders that changes write: those that are new or have changed.
#[derive(Default)]
pub struct Rows<'a> {
    pub payments: Vec<PaymentRow<'a>>,
    pub refunds: Vec<RefundRow<'a>>,
    pub shipments: Vec<ShipmentRow<'a>>,
}

#[derive(Serialize)]
pub struct PaymentRow<'a> {
    /// Which change it belongs to.
    place: i64,
    id: Uuid,
    number: i32,
    provider: &'static str,
    method: &'a str,
    state: &'static str,
    amount_minor: i64,
    provider_order: Option<&'a str>,
    reference: Option<&'a str>,
    failure: Option<&'a str>,
    operation: Option<&'a str>,
    key: Option<&'a str>,
    look_at: Option<String>,
}

#[derive(Serialize)]
pub struct RefundRow<'a> {
    place: i64,
    id: Uuid,
    payment_id: Uuid,
    state: &'static str,
    amount_minor: i64,
    reason: &'a str,
    reference: Option<&'a str>,
    look_at: Option<String>,
}

#[derive(Serialize)]
pub struct ShipmentRow<'a> {
    place: i64,
    id: Uuid,
    carrier: &'a str,
    tracking_number: &'a str,
    is_delivered: bool,
}

/// What changes write beside their orders, of which each is a purchase before and after.
pub fn of_changes<'a>(
    changes: impl Iterator<Item = (Option<&'a Purchase>, &'a Purchase)>,
) -> Rows<'a> {
    let mut rows = Rows::default();
    for (place, (before, purchase)) in (1_i64..).zip(changes) {
        let payments = purchase.payments.iter().filter(|payment| {
            before.and_then(|before| before.payment(payment.id)) != Some(payment)
        });
        rows.payments.extend(payments.map(|payment| payment_row(place, payment)));
        let refunds = purchase
            .refunds
            .iter()
            .filter(|refund| before.and_then(|before| before.refund(refund.id)) != Some(refund));
        rows.refunds.extend(refunds.map(|refund| refund_row(place, refund)));
        let shipment = purchase.shipment.iter().filter(|shipment| {
            before.and_then(|before| before.shipment.as_ref()) != Some(shipment)
        });
        rows.shipments.extend(shipment.map(|shipment| shipment_row(place, shipment)));
    }
    rows
}

fn payment_row(place: i64, payment: &Payment) -> PaymentRow<'_> {
    let call = payment.call.as_ref();
    PaymentRow {
        place,
        id: payment.id.uuid(),
        number: payment.number,
        provider: payment.provider.name(),
        method: &payment.method,
        state: payment.state.as_str(),
        amount_minor: payment.amount.minor(),
        provider_order: payment.provider_order.as_deref(),
        reference: payment.reference.as_deref(),
        failure: payment.failure.as_deref(),
        operation: call.map(|(operation, _)| operation.as_str()),
        key: call.map(|(_, key)| key.as_str()),
        look_at: payment.look_at.and_then(written),
    }
}

fn refund_row(place: i64, refund: &Refund) -> RefundRow<'_> {
    RefundRow {
        place,
        id: refund.id.uuid(),
        payment_id: refund.payment.uuid(),
        state: refund.state.as_str(),
        amount_minor: refund.amount.minor(),
        reason: &refund.reason,
        reference: refund.reference.as_deref(),
        look_at: refund.look_at.and_then(written),
    }
}

fn shipment_row(place: i64, shipment: &Shipment) -> ShipmentRow<'_> {
    ShipmentRow {
        place,
        id: shipment.id.uuid(),
        carrier: &shipment.carrier,
        tracking_number: &shipment.tracking_number,
        is_delivered: shipment.delivered_at.is_some(),
    }
}

fn written(at: OffsetDateTime) -> Option<String> {
    at.format(&Rfc3339).ok()
}
