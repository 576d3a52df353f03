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

/// The money may be back before the stock has left the warehouse, and goods before both.
#[test]
fn the_stock_of_what_was_sent_leaves_though_all_of_the_money_is_back_already() {
    let (purchase, id) = authorized();
    let mut purchase =
        decided(purchase, id, Verdict::Succeeded { references: vec!["charge".to_owned()] });
    purchase.order.state = State::Refunded;
    purchase.order.stock = Stock::Pinned;
    purchase.shipment = Some(Shipment {
        id: souk_kit::id::new(),
        carrier: "a carrier".to_owned(),
        tracking_number: "1".to_owned(),
        created_at: at(2),
        delivered_at: None,
    });
    assert_eq!(purchase.next(at(2)), Step::Commit);
    purchase.order.stock = Stock::Committed;
    assert!(matches!(purchase.next(at(2)), Step::Wait(_)));
}

proptest! {
    #[test]
    fn money_that_is_owed_waits_for_nothing_that_fails(
        lots in prop::collection::vec(lot(), 0..60),
        is_silent in any::<bool>(),
    ) {
        let mut purchase = lived(lots);
        // the catalog refuses everything, and providers do all but take money and, perhaps, tell of it
        let mut failed = Vec::new();
        for _ in 0..60 {
            let step = purchase.next_despite(&failed, at(1_000_000));
            prop_assert!(failed.is_empty() || !step.takes_money(), "money comes in: {step:?}");
            prop_assert!(!failed.contains(&step), "twice: {step:?}");
            let event = match step {
                Step::Wait(_) => break,
                Step::Refund(refund) => {
                    let verdict = RefundVerdict::Succeeded { reference: "there".to_owned() };
                    Event::RefundDecided { refund, verdict }
                }
                Step::LookUp(payment) if !is_silent => {
                    if let Some(known) = purchase.payments.iter_mut().find(|it| it.id == payment) {
                        known.look_at = None;
                    }
                    let verdict = Verdict::Failed { code: "no".to_owned(), look_at: None };
                    Event::PaymentDecided { payment, verdict }
                }
                Step::Expire => Event::StockGone,
                step => {
                    failed.push(step);
                    continue;
                }
            };
            if let Some(turn) = purchase.after(&event, at(1_000_000)).unwrap() {
                purchase = turn.purchase;
            }
        }
        prop_assert!(matches!(purchase.next_despite(&failed, at(1_000_000)), Step::Wait(_)));
        let owed = purchase.refunds.iter().filter(|refund| refund.is_due(at(1_000_000)));
        prop_assert_eq!(owed.count(), 0);
        // and once somebody has mended it
        rest(purchase)?;
    }
}
