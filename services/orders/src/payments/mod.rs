//! Who takes money: one port, and what is behind it.

pub mod http;
pub mod razorpay;
mod sandbox;

use souk_db::Database;
use souk_kit::id::OrderId;

use crate::Error;
use crate::payment::{Payment, Provider, Verdict};
use crate::refund::{Refund, RefundVerdict};

use sandbox::Sandbox;

/// The providers that this process has. Cheap to clone.
///
/// Each call may be repeated: ids of ours are the provider's idempotency keys. A call without an answer says nothing
/// of what has become of the money, and the provider is asked again.
#[derive(Debug, Clone)]
pub struct Providers {
    sandbox: Option<Sandbox>,
}

impl Providers {
    pub fn new(database: Database, has_sandbox: bool) -> Self {
        Self { sandbox: has_sandbox.then(|| Sandbox::new(database)) }
    }

    /// Checks that somebody takes money this way.
    pub fn check(&self, provider: &str, method: &str) -> Result<Provider, Error> {
        let known = Provider::from_name(provider).filter(|provider| match provider {
            Provider::Sandbox => self.sandbox.is_some(),
        });
        let provider =
            known.ok_or_else(|| Error::invalid("provider", "must be one that this server has"))?;
        match provider {
            Provider::Sandbox => sandbox::check(method)?,
        }
        Ok(provider)
    }

    /// Has an attempt decided.
    pub async fn charge(&self, order: OrderId, payment: &Payment) -> Result<Verdict, Error> {
        self.sandbox(payment)?.charge(order, payment).await
    }

    /// What has become of an attempt; `None` when the provider has never heard of it.
    pub async fn look_up(&self, payment: &Payment) -> Result<Option<Verdict>, Error> {
        self.sandbox(payment)?.look_up(payment).await
    }

    /// Tells that the customer has confirmed an attempt.
    pub async fn confirm(&self, payment: &Payment) -> Result<Verdict, Error> {
        self.sandbox(payment)?.confirm(payment).await
    }

    /// Has money go back.
    pub async fn refund(&self, payment: &Payment, refund: &Refund) -> Result<RefundVerdict, Error> {
        self.sandbox(payment)?.refund(payment, refund).await
    }

    fn sandbox(&self, payment: &Payment) -> Result<&Sandbox, Error> {
        match payment.provider {
            Provider::Sandbox => {
                self.sandbox.as_ref().ok_or(Error::NoProvider(payment.provider.name()))
            }
        }
    }
}
