//! What was acknowledged is still there: no order is lost, none is double, no payment is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use crate::prove::history::{Basket, Told};
use crate::prove::verdict::Finding;

/// What there is, from wherever it is known.
#[derive(Debug, Default)]
pub struct Seen {
    /// The state of each order.
    pub orders: BTreeMap<String, String>,
    /// What each order has.
    pub baskets: BTreeMap<String, Basket>,
    /// The order of each payment, and how that stands.
    pub payments: BTreeMap<String, (String, String)>,
    /// The order of each refund.
    pub refunds: BTreeMap<String, String>,
    /// Orders that were sent.
    pub shipped: BTreeSet<String>,
}

impl Seen {
    /// Units of each product that have left with orders.
    pub fn sold(&self) -> BTreeMap<&str, i64> {
        let mut sold = BTreeMap::new();
        let left = self.orders.iter().filter(|(id, state)| {
            let is_shipped = self.shipped.contains(*id);
            is_sold(state, is_shipped)
        });
        for basket in left.filter_map(|(id, _)| self.baskets.get(id)) {
            for (product, units) in &basket.lines {
                *sold.entry(product.as_str()).or_default() += units;
            }
        }
        sold
    }
}

/// Whether the units of an order in this state leave with it.
pub fn is_sold(state: &str, is_shipped: bool) -> bool {
    match state {
        "paid" | "fulfilled" | "delivered" | "partially_refunded" => true,
        // what was sent stays with the customer
        "refunded" => is_shipped,
        _ => false,
    }
}

/// Holds what there is to what was acknowledged, of so many keys.
pub fn hold_to(told: &Told, seen: &Seen, keys: usize) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut wrong = |rule, order: &str, what: String| findings.push(Finding::of(rule, order, what));
    let state = |order: &str| seen.orders.get(order).map_or("nowhere", String::as_str);
    for order in told.orders.values() {
        let is = state(&order.id);
        match is {
            "nowhere" => {
                wrong("no acknowledged order is lost", &order.id, "it is not there".into())
            }
            _ if order.is_rejected != (is == "rejected") => {
                let said = if order.is_rejected { "rejected" } else { "accepted" };
                wrong("an answer stands", &order.id, format!("{said} by its answer, {is} now"));
            }
            _ if seen.baskets.get(&order.id) != Some(&order.basket) => {
                let what = format!("{:?} was asked for", order.basket);
                wrong("an order is what was asked for", &order.id, what);
            }
            _ => {}
        }
    }
    if told.orders.len() == keys {
        let answered: BTreeSet<&String> = told.orders.values().map(|order| &order.id).collect();
        for order in seen.orders.keys().filter(|order| !answered.contains(order)) {
            wrong("one order per key", order, "no key was answered with it".into());
        }
    }
    for (order, payment) in &told.paid {
        match seen.payments.get(payment) {
            // the money was there; where its stock had gone meanwhile, it goes back
            Some((of, is)) if of == order && matches!(is.as_str(), "succeeded" | "surplus") => {}
            Some((_, is)) => {
                let what = format!("{payment} succeeded by its answer, and is {is}");
                wrong("no acknowledged payment is lost", order, what);
            }
            None => {
                let what = format!("{payment} is not there");
                wrong("no acknowledged payment is lost", order, what);
            }
        }
    }
    for order in told.cancelled.iter().filter(|order| state(order) != "cancelled") {
        wrong("a cancelled order stays so", order, format!("it is {}", state(order)));
    }
    for (order, refund) in &told.refunds {
        if seen.refunds.get(refund) != Some(order) {
            wrong("no acknowledged refund is lost", order, format!("{refund} is not there"));
        }
    }
    for order in told.shipped.iter().filter(|order| !seen.shipped.contains(*order)) {
        wrong("no acknowledged shipment is lost", order, "it is not there".into());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prove::history::{History, Ordered};

    fn two_cups() -> Basket {
        Basket { lines: [("cup".to_owned(), 2)].into(), cents: 1_000 }
    }

    fn told(rejected: &[(usize, &str, bool)]) -> Told {
        let history = History::default();
        for (buyer, id, is_rejected) in rejected {
            let (id, is_rejected, basket) = ((*id).to_owned(), *is_rejected, two_cups());
            history.ordered(*buyer, Ordered { id, account: 0, is_rejected, basket });
        }
        history.paid("one", "pay");
        history.refunded("one", "ref");
        history.shipped("one");
        history.cancelled("three");
        history.told()
    }

    fn seen() -> Seen {
        let text = |pair: (&str, &str)| (pair.0.to_owned(), pair.1.to_owned());
        Seen {
            orders: [("one", "fulfilled"), ("two", "rejected"), ("three", "cancelled")]
                .map(text)
                .into(),
            baskets: ["one", "two", "three"].map(|id| (id.to_owned(), two_cups())).into(),
            payments: [("pay".to_owned(), text(("one", "succeeded")))].into(),
            refunds: [text(("ref", "one"))].into(),
            shipped: ["one".to_owned()].into(),
        }
    }

    const ALL: [(usize, &str, bool); 3] =
        [(1, "one", false), (2, "two", true), (3, "three", false)];

    #[test]
    fn what_is_all_there_is_no_finding() {
        assert_eq!(hold_to(&told(&ALL), &seen(), 3), []);
    }

    #[test]
    fn an_order_that_is_lost_changed_or_too_many_is_found() {
        let rules = |told: Told, seen: Seen| -> Vec<&str> {
            hold_to(&told, &seen, 3).iter().map(|finding| finding.rule).collect()
        };
        let mut lost = seen();
        lost.orders.remove("one");
        assert_eq!(rules(told(&ALL), lost), ["no acknowledged order is lost"]);
        let mut sold = seen();
        sold.orders.insert("two".to_owned(), "reserved".to_owned());
        assert_eq!(rules(told(&ALL), sold), ["an answer stands"]);
        let mut mixed_up = seen();
        mixed_up.baskets.insert("one".to_owned(), Basket { cents: 500, ..two_cups() });
        assert_eq!(rules(told(&ALL), mixed_up), ["an order is what was asked for"]);
        let mut double = seen();
        double.orders.insert("four".to_owned(), "reserved".to_owned());
        assert_eq!(rules(told(&ALL), double), ["one order per key"]);
    }

    #[test]
    fn units_have_left_with_orders_that_were_paid_and_kept() {
        let mut seen = seen();
        assert_eq!(seen.sold(), [("cup", 2)].into());
        seen.orders.insert("one".to_owned(), "refunded".to_owned());
        assert_eq!(seen.sold(), [("cup", 2)].into(), "it was sent");
        seen.shipped.clear();
        assert_eq!(seen.sold(), [].into());
    }

    #[test]
    fn money_goods_and_words_that_are_gone_are_found() {
        let mut seen = seen();
        seen.payments.insert("pay".to_owned(), ("one".to_owned(), "failed".to_owned()));
        seen.refunds.clear();
        seen.shipped.clear();
        seen.orders.insert("three".to_owned(), "paid".to_owned());
        assert_eq!(hold_to(&told(&ALL), &seen, 3).len(), 4);
    }
}
