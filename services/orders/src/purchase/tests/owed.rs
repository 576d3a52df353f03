//! What is owed goes back, whatever is refused or fails.

use super::*;
use crate::refund::MAX_REFUNDS;

#[test]
fn staff_gives_money_back_however_often_that_of_another_payment_was_refused() {
    let (purchase, id) = authorized();
    let taken = vec!["charge".to_owned(), "second".to_owned()];
    let mut purchase = decided(purchase, id, Verdict::Succeeded { references: taken });
    purchase.order.stock = Stock::Committed;
    for _ in 0..MAX_REFUNDS {
        let refund = purchase.refunds.last().unwrap().id;
        let verdict = RefundVerdict::Failed { code: "no".to_owned() };
        let failed = Event::RefundDecided { refund, verdict };
        purchase = purchase.after(&failed, at(2)).unwrap().unwrap().purchase;
    }
    let asked = event(&purchase, &Lot::Refund(None)).unwrap();
    purchase = purchase.after(&asked, at(2)).unwrap().unwrap().purchase;
    assert_eq!(purchase.refunds.last().unwrap().payment, id);
}
