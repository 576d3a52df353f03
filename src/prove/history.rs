//! What was acknowledged, kept by those who were told: the audit holds the shop to it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::verdict::Finding;

/// What was acknowledged until now. Shared by all buyers.
#[derive(Debug, Default)]
pub struct History {
    sends: AtomicUsize,
    abandoned: AtomicUsize,
    told: Mutex<Told>,
}

/// All that somebody was told.
#[derive(Debug, Default, Clone)]
pub struct Told {
    /// The order of each key that was answered, by the number of its buyer.
    pub orders: BTreeMap<usize, Ordered>,
    /// Orders whose payment was acknowledged, with the payment.
    pub paid: BTreeSet<(String, String)>,
    /// Orders whose cancellation was.
    pub cancelled: BTreeSet<String>,
    /// Orders with a refund that was accepted.
    pub refunds: BTreeSet<(String, String)>,
    /// Orders that were sent.
    pub shipped: BTreeSet<String>,
    /// What each idempotency key of anything has made.
    made: BTreeMap<String, String>,
    /// What was wrong already when it was told.
    pub findings: Vec<Finding>,
}

/// The order of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered {
    pub id: String,
    pub account: usize,
    pub is_rejected: bool,
    /// What was asked for under the key.
    pub basket: Basket,
}

/// Units of each product, and what they cost together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Basket {
    pub lines: BTreeMap<String, i64>,
    pub cents: i64,
}

impl History {
    /// Something was sent.
    pub fn sent(&self) {
        self.sends.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection was dropped before its answer.
    pub fn abandoned(&self) {
        self.abandoned.fetch_add(1, Ordering::Relaxed);
    }

    pub fn sends(&self) -> (usize, usize) {
        (self.sends.load(Ordering::Relaxed), self.abandoned.load(Ordering::Relaxed))
    }

    /// A key was answered with an order.
    pub fn ordered(&self, buyer: usize, order: Ordered) {
        let mut told = self.lock();
        let Some(earlier) = told.orders.insert(buyer, order.clone()) else { return };
        if earlier.id != order.id {
            let what = format!("the key of buyer {buyer} was answered with {} before", earlier.id);
            told.findings.push(Finding::of("one order per key", &order.id, what));
        } else if earlier.is_rejected != order.is_rejected {
            let what = format!("the key of buyer {buyer} was answered both ways");
            told.findings.push(Finding::of("an answer stands", &order.id, what));
        }
    }

    /// A key has made something of an order; each has made one thing, however often it is asked.
    pub fn made(&self, key: &str, order: &str, id: &str) {
        let mut told = self.lock();
        let earlier = told.made.insert(key.to_owned(), id.to_owned());
        if let Some(earlier) = earlier.filter(|earlier| earlier != id) {
            let what = format!("the key {key} has made {earlier} and {id}");
            told.findings.push(Finding::of("a key does one thing", order, what));
        }
    }

    pub fn paid(&self, order: &str, payment: &str) {
        self.lock().paid.insert((order.to_owned(), payment.to_owned()));
    }

    pub fn cancelled(&self, order: &str) {
        self.lock().cancelled.insert(order.to_owned());
    }

    pub fn refunded(&self, order: &str, refund: &str) {
        self.lock().refunds.insert((order.to_owned(), refund.to_owned()));
    }

    pub fn shipped(&self, order: &str) {
        self.lock().shipped.insert(order.to_owned());
    }

    /// Something that must not happen.
    pub fn wrong(&self, rule: &'static str, subject: &str, what: impl Into<String>) {
        self.lock().findings.push(Finding::of(rule, subject, what));
    }

    /// All of it, as it stands.
    pub fn told(&self) -> Told {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// How many orders were acknowledged as paid.
    pub fn paid_orders(&self) -> usize {
        self.paid.iter().map(|(order, _)| order).collect::<BTreeSet<_>>().len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: &str, is_rejected: bool) -> Ordered {
        Ordered { id: id.to_owned(), account: 0, is_rejected, basket: Basket::default() }
    }

    fn broken(history: &History) -> Vec<&'static str> {
        history.told().findings.iter().map(|finding| finding.rule).collect()
    }

    #[test]
    fn a_key_that_is_answered_again_with_the_same_order_is_fine() {
        let history = History::default();
        history.ordered(1, order("ord_1", false));
        history.ordered(1, order("ord_1", false));
        history.made("pay", "ord_1", "pay_1");
        history.made("pay", "ord_1", "pay_1");
        assert_eq!((history.told().orders.len(), broken(&history).len()), (1, 0));
    }

    #[test]
    fn two_orders_of_a_key_two_answers_and_two_payments_of_a_key_are_findings() {
        let history = History::default();
        history.ordered(1, order("ord_1", false));
        history.ordered(1, order("ord_2", false));
        history.ordered(2, order("ord_3", false));
        history.ordered(2, order("ord_3", true));
        history.made("pay", "ord_1", "pay_1");
        history.made("pay", "ord_1", "pay_2");
        assert_eq!(
            broken(&history),
            ["one order per key", "an answer stands", "a key does one thing"]
        );
    }

    #[test]
    fn an_order_that_was_paid_twice_counts_once() {
        let history = History::default();
        history.paid("ord_1", "pay_1");
        history.paid("ord_1", "pay_2");
        assert_eq!(history.told().paid_orders(), 1);
    }
}
