//! Stock, and what is held of it.

use souk_kit::id::ProductId;
use souk_kit::mask::Mask;
use souk_kit::wire;
use souk_proto::souk::catalog::v2 as proto;

use super::parse_id;
use crate::Error;
use crate::reservation::{Line, Reservation, Shortage, Status};
use crate::stock::{MoveKind, Moved, Stock};

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
            low_stock_threshold: stock.low_threshold,
        }
    }
}

/// The threshold that a change sets, or none; `None` when it changes nothing.
pub fn threshold(message: proto::UpdateStockRequest) -> Option<Option<i32>> {
    let threshold = message.low_stock_threshold.map(Some);
    Mask::of(message.update_mask).clearable("low_stock_threshold", threshold)
}

impl From<Moved> for proto::StockMove {
    fn from(moved: Moved) -> Self {
        let Moved { units, entry, at, .. } = moved;
        Self {
            product_id: units.product.to_string(),
            kind: proto::StockMoveKind::from(entry.kind).into(),
            available: units.available,
            reserved: units.reserved,
            order_id: entry.order.map(|order| order.to_string()),
            reason: entry.reason,
            actor: entry.actor.as_str().to_owned(),
            created_at: Some(wire::timestamp(at)),
        }
    }
}

impl From<MoveKind> for proto::StockMoveKind {
    fn from(kind: MoveKind) -> Self {
        match kind {
            MoveKind::Create => Self::Create,
            MoveKind::Adjust => Self::Adjust,
            MoveKind::Set => Self::Set,
            MoveKind::Import => Self::Import,
            MoveKind::Reserve => Self::Reserve,
            MoveKind::Release => Self::Release,
            MoveKind::Expire => Self::Expire,
            MoveKind::Commit => Self::Commit,
            MoveKind::Return => Self::Return,
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
            pinned: held && reservation.pinned,
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
            Status::Returned => Self::Returned,
        }
    }
}
