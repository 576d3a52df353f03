//! Paying an order, and confirming a payment.

use souk_db::idempotency::{Answer, Call};
use souk_kit::id::{self, OrderId, PaymentId, UserId};
use souk_kit::request::Context;

use crate::Error;
use crate::changing::{Asked, Changed, Changing};
use crate::payment::Payment;
use crate::payments::Providers;
use crate::purchase::{Attempt, Event, Purchase};
use crate::transition::{Answering, Author, Recorded};

/// What has become of a call that waits for a payment.
#[derive(Debug)]
pub enum Paid {
    /// The payment, decided or not.
    Payment(Box<Payment>),
    /// What an earlier call with the same key was answered.
    Replayed(Answer),
}

/// Begins to pay an order, and waits for the provider while the caller does.
pub async fn pay(
    changing: &Changing,
    providers: &Providers,
    context: &Context,
    customer: UserId,
    order: OrderId,
    (call, answer): (Call, Answering),
    (provider, method): (&str, &str),
) -> Result<Paid, Error> {
    let provider = providers.check(provider, method)?;
    let payment: PaymentId = id::new();
    let waiting = (call.operation.clone(), call.key.clone());
    let attempt = Attempt { id: payment, provider, method: method.to_owned(), call: waiting };
    let asked = Asked {
        order,
        owner: Some(customer),
        event: Event::Pay(attempt),
        author: Author::of(context, customer),
        recorded: Some(Recorded { call, resource: payment.uuid(), answer }),
    };
    wait(changing, context, asked, payment).await
}

/// Confirms a payment that requires it, and waits for the provider while the caller does.
pub async fn confirm(
    changing: &Changing,
    context: &Context,
    customer: UserId,
    order: OrderId,
    payment: PaymentId,
    (call, answer): (Call, Answering),
) -> Result<Paid, Error> {
    let waiting = (call.operation.clone(), call.key.clone());
    let asked = Asked {
        order,
        owner: Some(customer),
        event: Event::Confirm { payment, call: waiting },
        author: Author::of(context, customer),
        recorded: Some(Recorded { call, resource: payment.uuid(), answer }),
    };
    wait(changing, context, asked, payment).await
}

async fn wait(
    changing: &Changing,
    context: &Context,
    asked: Asked,
    id: PaymentId,
) -> Result<Paid, Error> {
    let is_decided = |purchase: &Purchase| purchase.payment(id).is_some_and(Payment::is_decided);
    match changing.change(context, asked, is_decided).await? {
        Changed::Made { purchase, .. } => {
            let payment = purchase.payment(id).cloned().ok_or(Error::NoSuchPayment(id))?;
            Ok(Paid::Payment(Box::new(payment)))
        }
        Changed::Replayed(answer) => Ok(Paid::Replayed(answer)),
    }
}
