//! What is sent of an order: all of it, once.

use souk_kit::id::ShipmentId;
use time::OffsetDateTime;

/// The shipment of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shipment {
    pub id: ShipmentId,
    pub carrier: String,
    pub tracking_number: String,
    pub created_at: OffsetDateTime,
    pub delivered_at: Option<OffsetDateTime>,
}
