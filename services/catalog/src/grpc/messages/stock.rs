//! Stock, and what is held of it.

use souk_kit::id::ProductId;
use souk_kit::wire;
use souk_proto::souk::catalog::v2 as proto;

use super::parse_id;
use crate::Error;
use crate::reservation::{Line, Reservation, Shortage, Status};
use crate::stock::Stock;

pub fn lines(lines: &[proto::StockLine]) -> Result<Vec<Line>, Error> {
    lines
        .iter()
        .map(|line| {
            let product: ProductId = parse_id("lines.product_id", &line.product_id)?;
            Ok(Line { product, quantity: line.quantity })
        })
        .collect()
}

impl From<Stock> for proto::Stock {
    fn from(stock: Stock) -> Self {
        Self {
            product_id: stock.product.to_string(),
            available: stock.available,
            reserved: stock.reserved,
            on_hand: stock.available.saturating_add(stock.reserved),
        }
    }
}

impl From<Reservation> for proto::Reservation {
    fn from(reservation: Reservation) -> Self {
        let held = reservation.status == Status::Held;
        Self {
            order_id: reservation.order.to_string(),
            status: proto::ReservationStatus::from(reservation.status).into(),
            shortages: reservation.shortages.into_iter().map(Into::into).collect(),
            expires_at: held.then(|| wire::timestamp(reservation.expires_at)),
        }
    }
}

impl From<Shortage> for proto::Shortage {
    fn from(shortage: Shortage) -> Self {
        Self {
            product_id: ProductId::from_uuid(shortage.product).to_string(),
            requested: shortage.requested,
            available: shortage.available,
        }
    }
}

impl From<Status> for proto::ReservationStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Held => Self::Held,
            Status::Rejected => Self::Rejected,
            Status::Released => Self::Released,
            Status::Expired => Self::Expired,
            Status::Committed => Self::Committed,
        }
    }
}
