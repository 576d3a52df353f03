mod owed;

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
        6 => (0..4_usize, 0..4_u8, 1..3_u8).prop_map(|(which, verdict, names)| {
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
                2 => Verdict::Authorized { reference: name(*names - 1) },
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
        Step::Secure if is_there && purchase.paid_with().is_none() => {
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
    let held: Vec<&Payment> =
        purchase.payments.iter().filter(|payment| payment.is_authorized()).collect();
    prop_assert!(held.len() <= 1, "one is about to be taken");
    let open = purchase.payments.iter().filter(|payment| payment.is_open()).count();
    prop_assert!(open - held.len() <= 1);
    if !held.is_empty() {
        prop_assert_eq!(order.state, State::Paying, "what is not wanted is let go");
        prop_assert!(succeeded.is_empty(), "nothing is taken for an order that is paid");
    }
    if order.state == State::PaymentFailed {
        prop_assert_eq!(open, 0, "who may pay again waits for nothing");
    }
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
        if payment.state == PaymentState::Surplus {
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

/// An order to which all of this has happened.
fn lived(lots: Vec<Lot>) -> Purchase {
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
    purchase
}

/// Leaves an order alone until it rests, and checks where its stock is then.
fn rest(mut purchase: Purchase) -> Result<(), TestCaseError> {
    // providers decide, the catalog answers, and time passes
    for _ in 0..60 {
        let event = match purchase.next(at(1_000_000)) {
            Step::Wait(None) => break,
            Step::Capture(payment) => {
                prop_assert_eq!(purchase.order.stock, Stock::Pinned, "stock before money");
                let charge = purchase.payment(payment).unwrap().reference.clone().unwrap();
                let verdict = Verdict::Succeeded { references: vec![charge] };
                Event::PaymentDecided { payment, verdict }
            }
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
        if let Some(turn) = purchase.after(&event, at(1_000_000)).unwrap() {
            purchase = turn.purchase;
        }
    }
    prop_assert_eq!(purchase.next(at(1_000_000)), Step::Wait(None));
    let stock = purchase.order.stock;
    match purchase.order.state {
        State::Rejected | State::Cancelled | State::Expired => {
            prop_assert_eq!(stock, Stock::Back);
        }
        State::Paid | State::Fulfilled | State::Delivered | State::PartiallyRefunded => {
            prop_assert_eq!(stock, Stock::Committed);
        }
        State::Refunded if purchase.shipment.is_none() => prop_assert_eq!(stock, Stock::Back),
        // what was sent stays with the customer
        State::Refunded => prop_assert_eq!(stock, Stock::Committed),
        state => prop_assert!(false, "{state} is no place to rest"),
    }
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
        rest(lived(lots))?;
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

/// An order that is about to be paid, and its payment, which a bank holds money for.
fn authorized() -> (Purchase, PaymentId) {
    let mut purchase = placed();
    carry(&mut purchase, true);
    let pay = event(&purchase, &Lot::Pay).unwrap();
    purchase = purchase.after(&pay, at(1)).unwrap().unwrap().purchase;
    carry(&mut purchase, true);
    let id = purchase.payments[0].id;
    (decided(purchase, id, Verdict::Authorized { reference: "charge".to_owned() }), id)
}

fn decided(purchase: Purchase, payment: PaymentId, verdict: Verdict) -> Purchase {
    let event = Event::PaymentDecided { payment, verdict };
    purchase.after(&event, at(2)).unwrap().map_or(purchase, |turn| turn.purchase)
}

#[test]
fn money_that_a_bank_holds_is_taken_once_the_stock_is_pinned() {
    let (purchase, id) = authorized();
    assert_eq!(purchase.next(at(2)), Step::Capture(id));
    let paid = decided(purchase, id, Verdict::Succeeded { references: vec!["charge".to_owned()] });
    assert_eq!((paid.order.state, paid.order.paid), (State::Paid, paid.order.total));
}

#[test]
fn money_that_a_bank_holds_late_is_not_taken_before_the_stock_is_found_again() {
    let mut purchase = placed();
    carry(&mut purchase, true);
    let pay = event(&purchase, &Lot::Pay).unwrap();
    purchase = purchase.after(&pay, at(1)).unwrap().unwrap().purchase;
    let id = purchase.payments[0].id;
    purchase = decided(purchase, id, Verdict::Failed { code: "no".to_owned(), look_at: None });
    purchase.order.stock = Stock::Held;
    purchase = purchase.after(&Event::StockGone, at(2)).unwrap().unwrap().purchase;
    carry(&mut purchase, true);
    assert_eq!((purchase.order.state, purchase.order.stock), (State::Expired, Stock::Back));
    let held = Verdict::Authorized { reference: "charge".to_owned() };
    purchase = decided(purchase, id, held.clone());
    assert_eq!((purchase.order.state, purchase.next(at(2))), (State::Paying, Step::Secure));
    let mut gone = purchase.clone();
    carry(&mut gone, false);
    assert_eq!(gone.order.state, State::Expired);
    assert_eq!(gone.payments[0].state, PaymentState::Failed);
    // and is not tried again, however often the provider tells of it
    let version = gone.order.version;
    assert_eq!(decided(gone, id, held).order.version, version);
    carry(&mut purchase, true);
    assert_eq!(purchase.next(at(2)), Step::Capture(id));
}

#[test]
fn money_that_a_bank_holds_for_an_order_that_nobody_wants_is_let_go_and_watched() {
    let (mut purchase, id) = authorized();
    purchase = decided(purchase, id, Verdict::Failed { code: "no".to_owned(), look_at: None });
    purchase = purchase.after(&Event::Cancel, at(2)).unwrap().unwrap().purchase;
    carry(&mut purchase, true);
    purchase = decided(purchase, id, Verdict::Authorized { reference: "other".to_owned() });
    assert_eq!(purchase.order.state, State::Cancelled);
    assert_eq!(purchase.payments[0].failure.as_deref(), Some("not_wanted"));
    assert_eq!(purchase.next(at(2)), Step::LookUp(id));
    // somebody takes it all the same
    let taken = Verdict::Succeeded { references: vec!["other".to_owned()] };
    purchase = decided(purchase, id, taken);
    assert_eq!(purchase.payments[0].state, PaymentState::Surplus);
    assert!(matches!(purchase.next(at(2)), Step::Refund(_)));
}

#[test]
fn money_that_nobody_wants_is_given_back_until_it_is() {
    let (mut purchase, id) = authorized();
    let taken = vec!["charge".to_owned(), "second".to_owned()];
    purchase = decided(purchase, id, Verdict::Succeeded { references: taken });
    purchase.order.stock = Stock::Committed;
    let Step::Refund(refund) = purchase.next(at(2)) else { panic!("{:?}", purchase.next(at(2))) };
    let verdict = RefundVerdict::Failed { code: "no".to_owned() };
    let failed = Event::RefundDecided { refund, verdict };
    purchase = purchase.after(&failed, at(2)).unwrap().unwrap().purchase;
    let Step::Wait(Some(later)) = purchase.next(at(2)) else { panic!("at once") };
    assert!(matches!(purchase.next(later), Step::Refund(next) if next != refund));
}
