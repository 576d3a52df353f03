use proptest::prelude::*;
use souk_kit::Currency;
use souk_kit::id;

use super::*;

const START: i64 = 1_800_000_000;

fn at(second: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(START + second).unwrap()
}

fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::USD).unwrap()
}

fn placed() -> Purchase {
    let order = Order {
        id: id::new(),
        number: Some(1001),
        customer: id::new(),
        key: Key::parse("key").unwrap(),
        state: State::Pending,
        stock: Stock::Unknown,
        lines: Vec::new(),
        total: usd(10_000),
        paid: usd(0),
        refunded: usd(0),
        ships_to: None,
        shortages: Vec::new(),
        reserved_until: None,
        version: 1,
        created_at: at(0),
        updated_at: at(0),
        request_id: "req".to_owned(),
    };
    order.into()
}

/// What may happen, in a form that can be drawn by lot: which payment or refund is meant, is a number.
#[derive(Debug, Clone)]
enum Lot {
    Reserved,
    Short,
    Gone,
    Secured,
    Cancel,
    Pay,
    Confirm(usize),
    /// A payment, a verdict, and under how many names there is money.
    Decided(usize, u8, u8),
    Ship,
    Deliver,
    Refund(Option<i64>),
    Refunded(usize, bool),
    /// The saga does what is next.
    Next(bool),
}

fn lot() -> impl Strategy<Value = Lot> {
    prop_oneof![
        2 => Just(Lot::Reserved),
        1 => Just(Lot::Short),
        1 => Just(Lot::Gone),
        1 => Just(Lot::Secured),
        1 => Just(Lot::Cancel),
        4 => Just(Lot::Pay),
        2 => (0..4_usize).prop_map(Lot::Confirm),
        6 => (0..4_usize, 0..3_u8, 1..3_u8).prop_map(|(which, verdict, names)| {
            Lot::Decided(which, verdict, names)
        }),
        1 => Just(Lot::Ship),
        1 => Just(Lot::Deliver),
        3 => prop::option::of(0..12_000_i64).prop_map(Lot::Refund),
        3 => (0..5_usize, any::<bool>()).prop_map(|(which, works)| Lot::Refunded(which, works)),
        8 => any::<bool>().prop_map(Lot::Next),
    ]
}

fn call() -> (String, Key) {
    ("pay".to_owned(), Key::parse("key").unwrap())
}

fn event(purchase: &Purchase, lot: &Lot) -> Option<Event> {
    let payment = |which: usize| Some(purchase.payments.get(which)?.id);
    Some(match lot {
        Lot::Reserved => Event::StockReserved { until: at(900) },
        Lot::Short => Event::StockShort { shortages: Vec::new() },
        Lot::Gone => Event::StockGone,
        Lot::Secured => Event::StockSecured,
        Lot::Cancel => Event::Cancel,
        Lot::Pay => Event::Pay(Attempt {
            id: id::new(),
            provider: Provider::Sandbox,
            method: "ok".to_owned(),
            call: call(),
        }),
        Lot::Confirm(which) => Event::Confirm { payment: payment(*which)?, call: call() },
        Lot::Decided(which, verdict, names) => {
            let id = payment(*which)?;
            let name = |name: u8| format!("{id}-{name}");
            let verdict = match verdict {
                0 => Verdict::Succeeded { references: (0..*names).map(name).collect() },
                1 => Verdict::Failed { code: "declined".to_owned(), look_at: None },
                _ => Verdict::Confirm { reference: name(0), until: at(900) },
            };
            Event::PaymentDecided { payment: id, verdict }
        }
        Lot::Ship => {
            Event::Ship { id: id::new(), carrier: String::new(), tracking_number: String::new() }
        }
        Lot::Deliver => Event::Deliver(purchase.shipment.as_ref()?.id),
        Lot::Refund(amount) => {
            Event::Refund { id: id::new(), amount: amount.map(usd), reason: String::new() }
        }
        Lot::Refunded(which, works) => {
            let refund = purchase.refunds.get(*which)?.id;
            let verdict = if *works {
                RefundVerdict::Succeeded { reference: "there".to_owned() }
            } else {
                RefundVerdict::Failed { code: "no".to_owned() }
            };
            Event::RefundDecided { refund, verdict }
        }
        Lot::Next(_) => return None,
    })
}

/// Does what the saga would do next about stock, as a catalog would answer that has enough, or nothing.
fn carry(purchase: &mut Purchase, is_there: bool) {
    let event = match purchase.next(at(1)) {
        Step::Reserve => Event::StockReserved { until: at(900) },
        Step::Pin if is_there => {
            purchase.order.stock = Stock::Pinned;
            return;
        }
        Step::Secure if is_there => Event::StockSecured,
        Step::Secure => Event::StockGone,
        step => {
            purchase.order.stock = match step {
                Step::Unpin => Stock::Held,
                Step::Commit => Stock::Committed,
                Step::Release | Step::Return => Stock::Back,
                _ => return,
            };
            return;
        }
    };
    if let Ok(Some(turn)) = purchase.after(&event, at(1)) {
        *purchase = turn.purchase;
    }
}

fn sum<'a>(amounts: impl Iterator<Item = &'a Money>) -> i64 {
    amounts.map(|amount| amount.minor()).sum()
}

/// What must be true of a purchase, whatever has happened.
fn check(purchase: &Purchase) -> Result<(), TestCaseError> {
    let order = &purchase.order;
    let succeeded: Vec<&Payment> = (purchase.payments.iter())
        .filter(|payment| payment.state == PaymentState::Succeeded)
        .collect();
    prop_assert!(succeeded.len() <= 1, "paid once");
    prop_assert!(purchase.payments.iter().filter(|payment| payment.is_open()).count() <= 1);
    if order.state.has_money() || order.state == State::Refunded {
        prop_assert_eq!(order.paid, order.total);
        prop_assert_eq!(succeeded.len(), 1, "paid with something");
    } else if order.state != State::Paying {
        prop_assert!(succeeded.is_empty(), "{} keeps no money", order.state);
    }
    for payment in &purchase.payments {
        let of_it = purchase
            .refunds
            .iter()
            .filter(|refund| refund.payment == payment.id && refund.state != RefundState::Failed);
        let sum = sum(of_it.map(|refund| &refund.amount));
        prop_assert_eq!(payment.refunded.minor(), sum);
        prop_assert!(sum <= payment.amount.minor(), "no more goes back than came");
        let has_failed = purchase
            .refunds
            .iter()
            .any(|refund| refund.payment == payment.id && refund.state == RefundState::Failed);
        if payment.state == PaymentState::Surplus && !has_failed {
            prop_assert_eq!(payment.refunded, payment.amount, "what is not wanted goes back");
        }
    }
    let names: Vec<&String> = (purchase.payments.iter())
        .filter(|payment| payment.has_charged())
        .filter_map(|payment| payment.reference.as_ref())
        .collect();
    let mut unique = names.clone();
    unique.sort();
    unique.dedup();
    prop_assert_eq!(names.len(), unique.len(), "a charge is counted once");
    prop_assert_eq!(order.state == State::Refunded, order.refunded == order.total);
    Ok(())
}

proptest! {
    #[test]
    fn money_adds_up_whatever_happens(lots in prop::collection::vec(lot(), 0..80)) {
        let mut purchase = placed();
        for lot in lots {
            if let Lot::Next(is_there) = lot {
                carry(&mut purchase, is_there);
            }
            // only what is under way about stock can be answered about it
            let is_answered = match lot {
                Lot::Gone => purchase.next(at(1_000)) == Step::Expire,
                Lot::Secured => purchase.next(at(1)) == Step::Secure,
                _ => true,
            };
            let Some(event) = event(&purchase, &lot).filter(|_| is_answered) else { continue };
            let before = purchase.order.version;
            if let Ok(Some(turn)) = purchase.after(&event, at(2)) {
                purchase = turn.purchase;
                prop_assert_eq!(purchase.order.version, before + 1);
            }
            check(&purchase)?;
        }
    }

    #[test]
    fn an_order_that_is_left_alone_comes_to_rest(lots in prop::collection::vec(lot(), 0..60)) {
        let mut purchase = placed();
        for lot in lots {
            if let Lot::Next(is_there) = lot {
                carry(&mut purchase, is_there);
            }
            let Some(event) = event(&purchase, &lot) else { continue };
            if matches!(event, Event::StockGone | Event::StockSecured) {
                continue;
            }
            if let Ok(Some(turn)) = purchase.after(&event, at(2)) {
                purchase = turn.purchase;
            }
        }
        // providers decide, the catalog answers, and time passes
        for _ in 0..60 {
            let event = match purchase.next(at(10_000)) {
                Step::Wait(None) => break,
                Step::Charge(payment) | Step::Confirm(payment) | Step::LookUp(payment) => {
                    if let Some(known) = purchase.payments.iter_mut().find(|it| it.id == payment) {
                        known.look_at = None;
                    }
                    let verdict = Verdict::Failed { code: "no".to_owned(), look_at: None };
                    Event::PaymentDecided { payment, verdict }
                }
                Step::Refund(refund) => {
                    let verdict = RefundVerdict::Succeeded { reference: "there".to_owned() };
                    Event::RefundDecided { refund, verdict }
                }
                Step::Expire => Event::StockGone,
                _ => {
                    carry(&mut purchase, true);
                    continue;
                }
            };
            if let Some(turn) = purchase.after(&event, at(10_000)).unwrap() {
                purchase = turn.purchase;
            }
        }
        prop_assert_eq!(purchase.next(at(10_000)), Step::Wait(None));
        let stock = purchase.order.stock;
        match purchase.order.state {
            State::Rejected | State::Cancelled | State::Expired => {
                prop_assert_eq!(stock, Stock::Back);
            }
            State::Paid | State::Fulfilled | State::Delivered | State::PartiallyRefunded => {
                prop_assert_eq!(stock, Stock::Committed);
            }
            State::Refunded if purchase.shipment.is_none() => prop_assert_eq!(stock, Stock::Back),
            State::Refunded => {}
            state => prop_assert!(false, "{state} is no place to rest"),
        }
    }
}

#[test]
fn money_moves_only_after_the_pin() {
    let mut purchase = placed();
    carry(&mut purchase, true);
    let pay = event(&purchase, &Lot::Pay).unwrap();
    purchase = purchase.after(&pay, at(1)).unwrap().unwrap().purchase;
    assert_eq!(purchase.next(at(1)), Step::Pin);
    carry(&mut purchase, true);
    assert!(matches!(purchase.next(at(1)), Step::Charge(_)));
}
