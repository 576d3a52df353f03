//! What the catalog has, and what it says of it.

use std::collections::HashMap;
use std::time::Duration;

use souk_kit::{clock, wire};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::catalog::v2::{
    BatchGetProductsResponse, ListOrderStockMovesResponse, Product, Reservation, ReservationStatus,
    ReserveStockRequest, Shortage, StockLine, StockMove, StockMoveKind,
};

use super::{Call, Fault, Rpc};

#[derive(Debug, Default)]
pub struct State {
    pub products: HashMap<String, Stocked>,
    pub reservations: HashMap<String, Held>,
    pub ledger: Vec<StockMove>,
    pub faults: Vec<Planned>,
    pub calls: Vec<Call>,
}

#[derive(Debug, Clone)]
pub struct Stocked {
    pub name: String,
    pub price: String,
    pub available: i32,
    pub reserved: i32,
}

#[derive(Debug)]
pub struct Held {
    pub reservation: Reservation,
    pub lines: Vec<StockLine>,
    /// The highest that was heard.
    pub fence: i64,
}

#[derive(Debug)]
pub struct Planned {
    pub rpc: Rpc,
    /// Only calls for this product.
    pub product: Option<String>,
    pub fault: Fault,
    pub is_lasting: bool,
}

impl State {
    pub fn fault(&mut self, rpc: Rpc, products: &[String]) -> Option<Fault> {
        let fits = |planned: &Planned| {
            let product = planned.product.as_ref();
            planned.rpc == rpc && product.is_none_or(|product| products.contains(product))
        };
        let place = self.faults.iter().position(fits)?;
        let fault = self.faults[place].fault.clone();
        if !self.faults[place].is_lasting {
            self.faults.remove(place);
        }
        Some(fault)
    }

    pub fn quote(&self, ids: &[String]) -> BatchGetProductsResponse {
        let product = |id: &String| {
            let Stocked { name, price, available, .. } = self.products.get(id)?.clone();
            let (id, price) = (id.clone(), Some(Decimal { value: price }));
            let currency = "USD".to_owned();
            Some(Product { id, name, price, currency, available, ..Product::default() })
        };
        BatchGetProductsResponse { products: ids.iter().filter_map(product).collect() }
    }

    pub fn reserve(&mut self, request: ReserveStockRequest) -> Reservation {
        let ReserveStockRequest { order_id, lines, ttl, fence, again } = request;
        if let Some(held) = self.reservations.get_mut(&order_id) {
            let is_held = held.reservation.status() == ReservationStatus::Held;
            let has_left = matches!(
                held.reservation.status(),
                ReservationStatus::Committed | ReservationStatus::Returned
            );
            if !again || has_left || (!is_held && fence <= held.fence) {
                return held.reservation.clone();
            }
            if is_held {
                held.reservation.pinned |= fence >= held.fence;
                held.fence = held.fence.max(fence);
                return held.reservation.clone();
            }
        }
        let available = |line: &StockLine| {
            self.products.get(&line.product_id).map_or(0, |product| product.available)
        };
        let shortages: Vec<Shortage> = (lines.iter())
            .filter(|line| line.quantity > available(line))
            .map(|line| Shortage {
                product_id: line.product_id.clone(),
                requested: line.quantity,
                available: available(line),
            })
            .collect();
        let fits = shortages.is_empty();
        // to the microsecond, as a database has it
        let expires_at = clock::now() + Duration::try_from(ttl.unwrap()).unwrap();
        let status =
            if fits { ReservationStatus::Held } else { ReservationStatus::Rejected }.into();
        let reservation = Reservation {
            order_id: order_id.clone(),
            status,
            shortages,
            expires_at: fits.then(|| wire::timestamp(expires_at)),
            pinned: fits && again,
        };
        if fits {
            self.take(&lines, 1);
            self.note(&order_id, StockMoveKind::Reserve, &lines, (-1, 1));
        }
        let held = Held { reservation: reservation.clone(), lines, fence };
        self.reservations.insert(order_id, held);
        reservation
    }

    pub fn release(&mut self, order_id: String, fence: i64) -> Reservation {
        let unknown = || Held {
            reservation: Reservation {
                order_id: order_id.clone(),
                status: ReservationStatus::Released.into(),
                ..Reservation::default()
            },
            lines: Vec::new(),
            fence,
        };
        let held = self.reservations.entry(order_id.clone()).or_insert_with(unknown);
        if held.reservation.status() == ReservationStatus::Held && fence >= held.fence {
            self.give_back(&order_id, ReservationStatus::Released);
        }
        self.reservations[&order_id].reservation.clone()
    }

    /// Pins what is held, or takes the pin away.
    pub fn pin(&mut self, order: &str, fence: i64, pinned: bool) -> Reservation {
        let held = self.reservations.get_mut(order).expect("an order that has reserved");
        if held.reservation.status() == ReservationStatus::Held && fence >= held.fence {
            held.reservation.pinned = pinned;
            held.fence = fence;
        }
        held.reservation.clone()
    }

    pub fn commit(&mut self, order: &str) -> Reservation {
        let held = self.reservations.get_mut(order).expect("an order that has reserved");
        if held.reservation.status() == ReservationStatus::Held {
            held.reservation.set_status(ReservationStatus::Committed);
            for line in &held.lines {
                self.products.get_mut(&line.product_id).unwrap().reserved -= line.quantity;
            }
            let lines = held.lines.clone();
            self.note(order, StockMoveKind::Commit, &lines, (0, -1));
        }
        let reservation = &self.reservations[order].reservation;
        assert_eq!(reservation.status(), ReservationStatus::Committed, "{order}");
        reservation.clone()
    }

    pub fn put_back(&mut self, order: &str) -> Reservation {
        let held = self.reservations.get_mut(order).expect("an order that has reserved");
        if held.reservation.status() == ReservationStatus::Committed {
            held.reservation.set_status(ReservationStatus::Returned);
            for line in &held.lines {
                self.products.get_mut(&line.product_id).unwrap().available += line.quantity;
            }
        }
        held.reservation.clone()
    }

    pub fn give_back(&mut self, order: &str, status: ReservationStatus) {
        let held = self.reservations.get_mut(order).unwrap();
        held.reservation.set_status(status);
        held.reservation.expires_at = None;
        held.reservation.pinned = false;
        let lines = std::mem::take(&mut held.lines);
        self.take(&lines, -1);
    }

    /// A line of the ledger for each line of an order.
    pub fn note(
        &mut self,
        order: &str,
        kind: StockMoveKind,
        lines: &[StockLine],
        signs: (i32, i32),
    ) {
        let noted = lines.iter().map(|line| StockMove {
            product_id: line.product_id.clone(),
            kind: kind.into(),
            available: signs.0 * line.quantity,
            reserved: signs.1 * line.quantity,
            order_id: Some(order.to_owned()),
            reason: String::new(),
            actor: "orders".to_owned(),
            created_at: Some(wire::timestamp(clock::now())),
        });
        self.ledger.extend(noted);
    }

    pub fn moves(&self, order: &str) -> ListOrderStockMovesResponse {
        let is_ours = |moved: &&StockMove| moved.order_id.as_deref() == Some(order);
        ListOrderStockMovesResponse { data: self.ledger.iter().filter(is_ours).cloned().collect() }
    }

    pub fn take(&mut self, lines: &[StockLine], sign: i32) {
        for line in lines {
            let product = self.products.get_mut(&line.product_id).unwrap();
            product.available -= sign * line.quantity;
            product.reserved += sign * line.quantity;
        }
    }
}
