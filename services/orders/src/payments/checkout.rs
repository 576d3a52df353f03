//! Razorpay as a provider: what its orders, payments and refunds mean for ours. An attempt is an order there, which the
//! customer pays in a checkout; what has become of it, its payments say.

use std::sync::Arc;
use std::time::Duration as Limit;

use souk_kit::clock;
use time::{Duration, OffsetDateTime};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::Error;
use crate::payment::{LATEST, Payment, Verdict};
use crate::razorpay::{self, Charge, ChargeStatus, Razorpay, RefundStatus};
use crate::refund::{Refund, RefundVerdict};

const NAME: &str = "razorpay";
/// How long a customer has to pay.
const CONFIRM: Duration = Duration::minutes(15);
/// How long after it began an attempt is looked at whose money a bank holds, and the order does not want: Razorpay gives
/// it back after 3 days, or 5, unless somebody takes it.
const LAPSED: Duration = Duration::days(10);
/// How many calls are made at once. The saga has more places: whatever Razorpay does, other orders go on.
const MAX_CALLS: usize = 48;
/// How long the calls of one step may take, all together: more than Razorpay may say nothing.
const CALLS_LIMIT: Limit = Limit::from_secs(20);

/// Checks that there is such a method.
pub fn check(method: &str) -> Result<(), Error> {
    if method == "checkout" { Ok(()) } else { Err(Error::invalid("method", "must be checkout")) }
}

/// Razorpay. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Checkout {
    pub razorpay: Arc<Razorpay>,
    calls: Arc<Semaphore>,
}

/// The right to call Razorpay for one step.
pub struct Turn<'c> {
    razorpay: &'c Razorpay,
    deadline: Instant,
    _place: SemaphorePermit<'c>,
}

impl Checkout {
    pub fn new(razorpay: Razorpay) -> Self {
        Self { razorpay: Arc::new(razorpay), calls: Arc::new(Semaphore::new(MAX_CALLS)) }
    }

    /// Refused where too many calls are under way: the step is tried again later.
    pub fn turn(&self) -> Result<Turn<'_>, Error> {
        let place = self.calls.try_acquire().map_err(|_| Error::ProviderSilent(NAME))?;
        let deadline = Instant::now() + CALLS_LIMIT;
        Ok(Turn { razorpay: &self.razorpay, deadline, _place: place })
    }

    /// Whether what a checkout brings back is of this payment.
    pub fn verify(&self, payment: &Payment, charge: &str, signature: &str) -> bool {
        let order = payment.provider_order.as_deref();
        order.is_some_and(|order| self.razorpay.verify_checkout(order, charge, signature))
    }
}

impl Turn<'_> {
    /// Makes the order that the customer pays.
    pub async fn charge(&self, payment: &Payment) -> Result<Verdict, Error> {
        let (amount, currency) = money(payment);
        let receipt = payment.id.to_string();
        let made = self.razorpay.create_order(amount, currency, &receipt, self.deadline).await;
        match made {
            Ok(order) => Ok(confirm(payment, order.id)),
            // there is no order, and so nothing that could be paid
            Err(error) => Ok(Verdict::Failed { code: refusal(error)?, look_at: None }),
        }
    }

    /// What has become of an attempt; `None` when there is no order of it.
    pub async fn look_up(&self, payment: &Payment) -> Result<Option<Verdict>, Error> {
        let order = match &payment.provider_order {
            Some(order) => order.clone(),
            None => {
                let receipt = payment.id.to_string();
                let found = self.razorpay.find_order(&receipt, self.deadline).await;
                let Some(order) = found.map_err(failed)? else { return Ok(None) };
                order.id
            }
        };
        let charges = self.razorpay.payments_of(&order, self.deadline).await.map_err(failed)?;
        verdict(payment, order, &charges, clock::now()).map(Some)
    }

    /// Takes what the customer's bank holds.
    pub async fn capture(&self, payment: &Payment) -> Result<Verdict, Error> {
        let (amount, currency) = money(payment);
        let captured = self.razorpay.capture(reference(payment), amount, currency, self.deadline);
        let code = match captured.await {
            Ok(charge) if charge.status == ChargeStatus::Captured => {
                return Ok(Verdict::Succeeded { references: vec![charge.id] });
            }
            Ok(_) => "refunded".to_owned(),
            Err(error) => refusal(error)?,
        };
        Ok(Verdict::Failed { code, look_at: again(payment, clock::now()) })
    }

    /// Gives money back. One that may have been asked for before is looked up first, since nobody knows for how long
    /// Razorpay remembers keys.
    pub async fn refund(&self, payment: &Payment, refund: &Refund) -> Result<RefundVerdict, Error> {
        let (charge, key) = (reference(payment), refund.id.to_string());
        let found = self.razorpay.find_refund(charge, &key, self.deadline).await.map_err(failed)?;
        let made = match found {
            Some(found) => Ok(found),
            None => {
                let amount = refund.amount.minor();
                self.razorpay.refund(charge, amount, &key, self.deadline).await
            }
        };
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                let code = refusal(error)?;
                if self.is_gone(payment).await? {
                    return Ok(RefundVerdict::Succeeded { reference: charge.to_owned() });
                }
                return Ok(RefundVerdict::Failed { code });
            }
        };
        Ok(match made.status {
            RefundStatus::Processed => RefundVerdict::Succeeded { reference: made.id },
            RefundStatus::Pending => {
                let now = clock::now();
                let age = (now - refund.created_at).clamp(Duration::MINUTE, Duration::HOUR);
                RefundVerdict::UnderWay { look_at: now + age }
            }
            RefundStatus::Failed => RefundVerdict::Failed { code: "refund_failed".to_owned() },
        })
    }

    /// Whether all money of a payment has gone back already, whoever has given it back.
    async fn is_gone(&self, payment: &Payment) -> Result<bool, Error> {
        let Some(order) = &payment.provider_order else { return Ok(false) };
        let charges = self.razorpay.payments_of(order, self.deadline).await.map_err(failed)?;
        let ours = charges.iter().find(|charge| charge.id == reference(payment));
        Ok(ours.is_some_and(|charge| charge.status == ChargeStatus::Refunded))
    }
}

/// When to look at an attempt again that has not succeeded: when it is twice as old, for as long as that may change.
pub fn again(payment: &Payment, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let age = (now - payment.created_at).max(Duration::MINUTE);
    let end = if payment.reference.is_some() { LAPSED } else { LATEST };
    (age < end).then(|| payment.created_at + (age + age).min(end))
}

/// What the payments of an order there say of an attempt here. Money that was given back, by us or because nobody took
/// it in time, is none.
fn verdict(
    payment: &Payment,
    order: String,
    charges: &[Charge],
    now: OffsetDateTime,
) -> Result<Verdict, Error> {
    let of = |status| charges.iter().filter(move |charge| charge.status == status);
    let with_money = of(ChargeStatus::Captured).chain(of(ChargeStatus::Authorized));
    let is_exact = |charge: &Charge| (charge.amount_minor, &*charge.currency) == money(payment);
    if !with_money.into_iter().all(is_exact) {
        return Err(failed(razorpay::Error::Mismatch("payment")));
    }
    let references: Vec<String> =
        of(ChargeStatus::Captured).map(|charge| charge.id.clone()).collect();
    if !references.is_empty() {
        return Ok(Verdict::Succeeded { references });
    }
    // one that is being taken stays the one; another may do where one was let go
    let known = |charge: &&Charge| payment.reference.as_ref() == Some(&charge.id);
    let authorized = of(ChargeStatus::Authorized)
        .find(|charge| known(charge) == payment.is_authorized())
        .or_else(|| of(ChargeStatus::Authorized).next());
    if let Some(charge) = authorized {
        return Ok(Verdict::Authorized { reference: charge.id.clone() });
    }
    let is_over =
        |charge: &Charge| matches!(charge.status, ChargeStatus::Failed | ChargeStatus::Refunded);
    match charges.first() {
        Some(last) if charges.iter().all(is_over) => {
            let code = last.error_code.clone().unwrap_or_else(|| "payment_failed".to_owned());
            Ok(Verdict::Failed { code, look_at: again(payment, now) })
        }
        _ => Ok(confirm(payment, order)),
    }
}

fn confirm(payment: &Payment, order: String) -> Verdict {
    Verdict::Confirm { reference: order, until: payment.created_at + CONFIRM }
}

fn money(payment: &Payment) -> (i64, &'static str) {
    (payment.amount.minor(), payment.amount.currency().code())
}

fn reference(payment: &Payment) -> &str {
    payment.reference.as_deref().unwrap_or_default()
}

/// Why Razorpay has decided against a call. Where it has not decided, the call is made again.
fn refusal(error: razorpay::Error) -> Result<String, Error> {
    match error {
        razorpay::Error::Http(crate::http::Error::Refused { code, .. }) => {
            Ok(if code.is_empty() { "refused".to_owned() } else { code })
        }
        error => Err(failed(error)),
    }
}

fn failed(error: razorpay::Error) -> Error {
    Error::Provider(NAME, error.into())
}
