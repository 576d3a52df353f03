//! Who takes money: one port, and what is behind it.

mod checkout;
pub mod http;
pub mod razorpay;
mod sandbox;

use souk_db::Database;
use souk_kit::clock;
use souk_kit::id::OrderId;
use time::OffsetDateTime;

use crate::Error;
use crate::payment::{Payment, Provider, Verdict};
use crate::refund::{Refund, RefundVerdict};

use checkout::Checkout;
use razorpay::Razorpay;
use sandbox::Sandbox;

/// The providers that this process has. Cheap to clone.
///
/// Each call may be repeated: ids of ours are the provider's idempotency keys. A call without an answer says nothing
/// of what has become of the money, and the provider is asked again.
#[derive(Debug, Clone)]
pub struct Providers {
    sandbox: Option<Sandbox>,
    razorpay: Option<Checkout>,
}

/// What a checkout brings back: the provider's name of a charge, and its signature.
#[derive(Debug, Clone)]
pub struct Proof {
    pub charge: String,
    pub signature: String,
}

/// The one that a payment is with.
enum One<'p> {
    Sandbox(&'p Sandbox),
    Razorpay(&'p Checkout),
}

impl Providers {
    pub fn new(database: Database, has_sandbox: bool, razorpay: Option<Razorpay>) -> Self {
        let sandbox = has_sandbox.then(|| Sandbox::new(database));
        Self { sandbox, razorpay: razorpay.map(Checkout::new) }
    }

    /// Checks that somebody takes money this way.
    pub fn check(&self, provider: &str, method: &str) -> Result<Provider, Error> {
        let known = Provider::from_name(provider).filter(|provider| match provider {
            Provider::Sandbox => self.sandbox.is_some(),
            Provider::Razorpay => self.razorpay.is_some(),
        });
        let provider =
            known.ok_or_else(|| Error::invalid("provider", "must be one that this server has"))?;
        match provider {
            Provider::Sandbox => sandbox::check(method)?,
            Provider::Razorpay => checkout::check(method)?,
        }
        Ok(provider)
    }

    /// Checks what a checkout has brought back for a payment. The sandbox has none.
    pub fn verify(&self, payment: &Payment, proof: &Proof) -> Result<(), Error> {
        let is_good = match self.of(payment)? {
            One::Sandbox(_) => true,
            One::Razorpay(checkout) => checkout.verify(payment, &proof.charge, &proof.signature),
        };
        if is_good {
            return Ok(());
        }
        Err(Error::invalid("provider_signature", "must be that of the provider for this payment"))
    }

    /// What reads the events of Razorpay.
    pub fn razorpay(&self) -> Option<&Razorpay> {
        Some(&self.razorpay.as_ref()?.razorpay)
    }

    /// Has an attempt decided. One that the provider may know of already is looked up first: what has been charged is
    /// never charged again.
    pub async fn charge(
        &self,
        order: OrderId,
        payment: &Payment,
        is_fresh: bool,
    ) -> Result<Verdict, Error> {
        match self.of(payment)? {
            One::Sandbox(sandbox) => {
                let before = if is_fresh { None } else { sandbox.look_up(payment).await? };
                match before {
                    Some(verdict) => Ok(verdict),
                    None => sandbox.charge(order, payment).await,
                }
            }
            One::Razorpay(checkout) => {
                let turn = checkout.turn()?;
                let before = if is_fresh { None } else { turn.look_up(payment).await? };
                match before {
                    Some(verdict) => Ok(verdict),
                    None => turn.charge(payment).await,
                }
            }
        }
    }

    /// What has become of an attempt; `None` when the provider has never heard of it.
    pub async fn look_up(&self, payment: &Payment) -> Result<Option<Verdict>, Error> {
        match self.of(payment)? {
            One::Sandbox(sandbox) => sandbox.look_up(payment).await,
            One::Razorpay(checkout) => checkout.turn()?.look_up(payment).await,
        }
    }

    /// When an attempt is looked at again that has not succeeded.
    pub fn look_again(&self, payment: &Payment) -> Option<OffsetDateTime> {
        match payment.provider {
            Provider::Sandbox => None,
            Provider::Razorpay => checkout::again(payment, clock::now()),
        }
    }

    /// Tells that the customer has confirmed an attempt; Razorpay knows, and is asked.
    pub async fn confirm(&self, payment: &Payment) -> Result<Verdict, Error> {
        match self.of(payment)? {
            One::Sandbox(sandbox) => sandbox.confirm(payment).await,
            One::Razorpay(checkout) => {
                let verdict = checkout.turn()?.look_up(payment).await?;
                verdict.ok_or(Error::ProviderSilent(payment.provider.name()))
            }
        }
    }

    /// Takes what the customer's bank holds. How that stands is looked up first: it may have been taken by a call
    /// whose answer was lost, or be there no longer.
    pub async fn capture(&self, payment: &Payment) -> Result<Verdict, Error> {
        match self.of(payment)? {
            // which has no banks
            One::Sandbox(_) => Err(Error::NoProvider(payment.provider.name())),
            One::Razorpay(checkout) => {
                let turn = checkout.turn()?;
                match turn.look_up(payment).await? {
                    Some(Verdict::Authorized { reference })
                        if payment.reference.as_ref() == Some(&reference) =>
                    {
                        turn.capture(payment).await
                    }
                    Some(verdict @ (Verdict::Succeeded { .. } | Verdict::Failed { .. })) => {
                        Ok(verdict)
                    }
                    // nobody holds this money any more
                    Some(Verdict::Authorized { .. } | Verdict::Confirm { .. }) | None => {
                        let look_at = self.look_again(payment);
                        Ok(Verdict::Failed { code: "authorization_ended".to_owned(), look_at })
                    }
                }
            }
        }
    }

    /// Has money go back.
    pub async fn refund(&self, payment: &Payment, refund: &Refund) -> Result<RefundVerdict, Error> {
        match self.of(payment)? {
            One::Sandbox(sandbox) => sandbox.refund(payment, refund).await,
            One::Razorpay(checkout) => checkout.turn()?.refund(payment, refund).await,
        }
    }

    fn of(&self, payment: &Payment) -> Result<One<'_>, Error> {
        let one = match payment.provider {
            Provider::Sandbox => self.sandbox.as_ref().map(One::Sandbox),
            Provider::Razorpay => self.razorpay.as_ref().map(One::Razorpay),
        };
        one.ok_or(Error::NoProvider(payment.provider.name()))
    }
}
