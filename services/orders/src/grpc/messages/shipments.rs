//! Shipments as messages of the contract.

use souk_db::idempotency::Answer;
use souk_kit::id::OrderId;
use souk_kit::wire;
use souk_proto::souk::orders::v1::Shipment;
use uuid::Uuid;

use crate::purchase::Purchase;
use crate::shipment;

pub fn shipment(order: OrderId, shipment: &shipment::Shipment) -> Shipment {
    Shipment {
        id: shipment.id.to_string(),
        order_id: order.to_string(),
        carrier: shipment.carrier.clone(),
        tracking_number: shipment.tracking_number.clone(),
        created_at: Some(wire::timestamp(shipment.created_at)),
        delivered_at: shipment.delivered_at.map(wire::timestamp),
    }
}

/// What a call is answered that has noted something of the shipment.
pub fn shipment_answer(purchase: &Purchase, _: Uuid) -> Option<Answer> {
    Some(Answer::success(&shipment(purchase.id(), purchase.shipment.as_ref()?)))
}
