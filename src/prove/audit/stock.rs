//! Orders and stock, which two services keep, agree.

use std::collections::BTreeMap;

use super::acknowledged::is_sold;
use super::books::{Books, Order};
use crate::prove::buyers::Product;
use crate::prove::verdict::Finding;

/// What the catalog must say of the units of an order.
fn expected(order: &Order) -> &'static [&'static str] {
    match order.state.as_str() {
        state if is_sold(state, order.is_shipped) => &["committed"],
        "refunded" => &["returned"],
        "reserved" | "payment_failed" | "paying" => &["held"],
        "rejected" => &["rejected"],
        _ => &["released", "expired", "rejected"],
    }
}

/// Holds orders and stock to each other: no order without its units, no units without their order, and none sold that
/// were not there.
pub fn compare(books: &Books, products: &[Product]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut sold: BTreeMap<&str, i64> = BTreeMap::new();
    for (id, order) in &books.orders {
        let reservation = books.reservations.get(id);
        let status = reservation.map_or("nothing", |reservation| &reservation.status);
        let wanted = expected(order);
        if !wanted.contains(&status) {
            let what = format!("the order is {}, its stock {status}", order.state);
            findings.push(Finding::of("orders and stock agree", id, what));
        }
        let has_units = matches!(status, "held" | "committed" | "returned");
        if has_units && reservation.is_some_and(|it| it.lines != order.lines) {
            let what = "other units are held than were ordered";
            findings.push(Finding::of("orders and stock agree", id, what));
        }
        if wanted == ["committed"] {
            for (product, units) in &order.lines {
                *sold.entry(product).or_default() += units;
            }
        }
    }
    for (id, reservation) in &books.reservations {
        let holds = matches!(reservation.status.as_str(), "held" | "committed");
        if holds && !books.orders.contains_key(id) {
            let what = format!("{} for an order that is not there", reservation.status);
            findings.push(Finding::of("orders and stock agree", id, what));
        }
    }
    for product in products {
        let (available, reserved) = books.stock.get(&product.id).copied().unwrap_or_default();
        let sold = sold.get(product.id.as_str()).copied().unwrap_or_default();
        if available + reserved + sold != i64::from(product.units) {
            let what = format!(
                "{available} available, {reserved} reserved, {sold} sold, of {}",
                product.units
            );
            findings.push(Finding::of("nothing is oversold", &product.id, what));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::books::Reservation;
    use super::*;

    fn books(state: &str, status: &str, available: i64, reserved: i64) -> Books {
        let lines: BTreeMap<String, i64> = [("cup".to_owned(), 2)].into();
        let order = Order { state: state.to_owned(), lines: lines.clone(), ..Order::default() };
        let reservation = Reservation { status: status.to_owned(), lines };
        Books {
            orders: [("one".to_owned(), order)].into(),
            reservations: [("one".to_owned(), reservation)].into(),
            stock: [("cup".to_owned(), (available, reserved))].into(),
            ..Books::default()
        }
    }

    fn found(books: &Books) -> usize {
        let cup = Product { id: "cup".to_owned(), cents: 100, units: 10 };
        compare(books, &[cup]).len()
    }

    #[test]
    fn orders_and_their_stock_agree() {
        for (state, status, available, reserved) in [
            ("paid", "committed", 8, 0),
            ("refunded", "returned", 10, 0),
            ("reserved", "held", 8, 2),
            ("expired", "expired", 10, 0),
        ] {
            assert_eq!(found(&books(state, status, available, reserved)), 0, "{state}");
        }
    }

    #[test]
    fn stock_of_an_order_that_has_ended_units_that_vanish_and_units_of_nobody_are_found() {
        assert_eq!(found(&books("cancelled", "held", 8, 2)), 1);
        assert_eq!(found(&books("paid", "expired", 10, 0)), 2);
        assert_eq!(found(&books("paid", "committed", 9, 0)), 1);
        let mut orphan = books("paid", "committed", 10, 0);
        orphan.orders.clear();
        assert_eq!(found(&orphan), 1);
    }
}
