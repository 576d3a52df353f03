//! Payments through Razorpay. Its calls have no idempotency keys except for refunds: what may have taken effect
//! is looked up, and not asked for again.

mod webhook;
mod wire;

use std::cmp::Reverse;

use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;
use url::{Host, Url};

use self::wire::{Collection, explain};
use crate::payments::http::{self, Client, Limits, Repeat};

pub use self::webhook::{EVENT_ID_HEADER, Event, EventKind, SIGNATURE_HEADER};
pub use self::wire::{Charge, ChargeStatus, Order, OrderStatus, Refund, RefundStatus};

/// Where Razorpay is.
pub const BASE_URL: &str = "https://api.razorpay.com";

/// How many things are listed at once, at most.
const PAGE: usize = 100;
/// The longest receipt.
const MAX_RECEIPT: usize = 40;
/// The shortest idempotency key.
const MIN_KEY: usize = 10;
const KEY_HEADER: &str = "x-refund-idempotency";
/// How refusals for our keys begin that come with 400, as the documentation has it, and not with 401.
const WRONG_KEYS: [&str; 3] = [
    "authentication failed",
    "the api key provided is invalid",
    "the api secret provided is invalid",
];

/// Why a call to Razorpay brings no result.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The call itself has failed.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// Razorpay could not do what it is asked for, and was not asked.
    #[error("Razorpay cannot be called with this {0}")]
    Invalid(&'static str),
    /// There is already something under our id, but for another amount.
    #[error("Razorpay knows this {0} with another amount")]
    Mismatch(&'static str),
    /// What has come is no event of Razorpay's.
    #[error("the event cannot be read")]
    Event,
}

impl Error {
    /// Whether the call may have taken effect all the same.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Http(error) if error.is_unknown())
    }

    fn is_refusal(&self) -> bool {
        matches!(self, Self::Http(http::Error::Refused { .. }))
    }
}

/// Where and as whom Razorpay is called.
#[derive(Debug, Clone)]
pub struct Options {
    /// The name of the key.
    pub key_id: String,
    /// The key.
    pub key_secret: SecretString,
    /// What Razorpay signs events with.
    pub webhook_secret: SecretString,
    /// Where Razorpay is: [`BASE_URL`], if not in a test.
    pub base_url: Url,
}

/// A client of Razorpay.
#[derive(Debug, Clone)]
pub struct Razorpay {
    client: Client,
    options: Options,
}

impl Razorpay {
    /// A client with the usual limits.
    ///
    /// # Errors
    ///
    /// An option cannot be used, or there is no TLS here.
    pub fn new(options: Options) -> Result<Self, Error> {
        Self::with_limits(options, Limits::default())
    }

    /// A client with limits of its own.
    ///
    /// # Errors
    ///
    /// Those of [`Self::new`].
    pub fn with_limits(options: Options, limits: Limits) -> Result<Self, Error> {
        let secrets = [&options.key_secret, &options.webhook_secret];
        // anybody can sign with nothing
        if options.key_id.is_empty()
            || secrets.iter().any(|secret| secret.expose_secret().is_empty())
        {
            return Err(Error::Invalid("key or secret"));
        }
        if !is_private(&options.base_url) {
            return Err(Error::Invalid("base URL"));
        }
        Ok(Self { client: Client::new(limits, explain)?, options })
    }

    /// Makes an order under a receipt of ours, which must not have been used before. If it may have been made
    /// already, it is looked up and not made again; an error that is unknown says that this could not be done,
    /// or has found nothing yet: see [`Self::find_order`] before the next try.
    ///
    /// # Errors
    ///
    /// The call fails, or the order is there with another amount.
    pub async fn create_order(
        &self,
        amount_minor: i64,
        currency: &str,
        receipt: &str,
        deadline: Instant,
    ) -> Result<Order, Error> {
        let (amount, receipt) = (positive(amount_minor)?, named(receipt)?);
        let new = json!({ "amount": amount, "currency": currency, "receipt": receipt });
        let request = self.post(&["orders"], &new);
        let made = self.send(request, Repeat::Never, deadline).await;
        let order: Order = or_found(made, self.find_order(receipt, deadline)).await?;
        same("order", (order.amount_minor, &order.currency), (amount_minor, currency))?;
        Ok(order)
    }

    /// The order with this receipt. Should there be more than one, it is the one that has come furthest, then the
    /// oldest. Orders are found for 180 days.
    ///
    /// # Errors
    ///
    /// The call fails.
    pub async fn find_order(
        &self,
        receipt: &str,
        deadline: Instant,
    ) -> Result<Option<Order>, Error> {
        let query = [("receipt", named(receipt)?)];
        let mut orders: Vec<Order> = self.list(&["orders"], &query, 0, deadline).await?;
        // the documentation promises no more than that receipts contain what is asked for
        orders.retain(|order| order.receipt.as_deref() == Some(receipt));
        Ok(orders.into_iter().max_by_key(|order| (order.status, Reverse(order.created_at))))
    }

    /// The payments of an order, also those that have failed.
    ///
    /// # Errors
    ///
    /// The call fails.
    pub async fn payments_of(
        &self,
        order_id: &str,
        deadline: Instant,
    ) -> Result<Vec<Charge>, Error> {
        let path = ["orders", checked("order", order_id)?, "payments"];
        let payments: Collection<Charge> = self.get(&path, &[], deadline).await?;
        Ok(payments.items)
    }

    /// Takes the money of an authorized payment. One that is captured already is as well.
    ///
    /// # Errors
    ///
    /// The call fails, or the payment is captured with another amount.
    pub async fn capture(
        &self,
        payment_id: &str,
        amount_minor: i64,
        currency: &str,
        deadline: Instant,
    ) -> Result<Charge, Error> {
        let path = ["payments", checked("pay", payment_id)?, "capture"];
        let what = json!({ "amount": positive(amount_minor)?, "currency": currency });
        let answer = self.send(self.post(&path, &what), Repeat::Never, deadline).await;
        let captured = answer.and_then(|charge: Charge| {
            charge.status.is_captured().then_some(charge).ok_or(http::Error::Malformed.into())
        });
        // refusals have many words for a payment that is captured, and use them for others as well
        let charge = or_found(captured, self.captured(payment_id, deadline)).await?;
        same("payment", (charge.amount_minor, &charge.currency), (amount_minor, currency))?;
        Ok(charge)
    }

    async fn captured(&self, payment_id: &str, deadline: Instant) -> Result<Option<Charge>, Error> {
        let charge: Charge = self.get(&["payments", payment_id], &[], deadline).await?;
        Ok(charge.status.is_captured().then_some(charge))
    }

    /// Gives money of a captured payment back, once for each idempotency key. How long Razorpay remembers keys
    /// is not known: to take up a refund after hours, ask [`Self::find_refund`] first.
    ///
    /// # Errors
    ///
    /// The call fails, or the key is that of a refund of another amount.
    pub async fn refund(
        &self,
        payment_id: &str,
        amount_minor: i64,
        idempotency_key: &str,
        deadline: Instant,
    ) -> Result<Refund, Error> {
        let path = ["payments", checked("pay", payment_id)?, "refund"];
        let (amount, key) = (positive(amount_minor)?, key(idempotency_key)?);
        let new = json!({ "amount": amount, "receipt": key });
        let request = self.post(&path, &new).header(KEY_HEADER, key);
        let made = self.send(request, Repeat::Keyed, deadline).await;
        let found = self.find_refund(payment_id, idempotency_key, deadline);
        let refund: Refund = or_found(made, found).await?;
        if refund.amount_minor == amount_minor {
            Ok(refund)
        } else {
            Err(Error::Mismatch("refund"))
        }
    }

    /// The refund of a payment with this idempotency key.
    ///
    /// # Errors
    ///
    /// The call fails.
    pub async fn find_refund(
        &self,
        payment_id: &str,
        idempotency_key: &str,
        deadline: Instant,
    ) -> Result<Option<Refund>, Error> {
        let path = ["payments", checked("pay", payment_id)?, "refunds"];
        let mut seen = 0;
        loop {
            let refunds: Vec<Refund> = self.list(&path, &[], seen, deadline).await?;
            let count = refunds.len();
            let ours = |refund: &Refund| refund.receipt.as_deref() == Some(idempotency_key);
            let found = refunds.into_iter().find(ours);
            if found.is_some() || count < PAGE {
                return Ok(found);
            }
            seen += count;
        }
    }

    async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        skip: usize,
        deadline: Instant,
    ) -> Result<Vec<T>, Error> {
        let (count, skip) = (PAGE.to_string(), skip.to_string());
        let query = [query, &[("count", &count), ("skip", &skip)]].concat();
        let page: Collection<T> = self.get(path, &query, deadline).await?;
        Ok(page.items)
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        deadline: Instant,
    ) -> Result<T, Error> {
        let mut url = self.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(self.client.request(Method::GET, url), Repeat::Harmless, deadline).await
    }

    fn post(&self, path: &[&str], body: &Value) -> RequestBuilder {
        self.client
            .request(Method::POST, self.url(path))
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        repeat: Repeat,
        deadline: Instant,
    ) -> Result<T, Error> {
        let secret = self.options.key_secret.expose_secret();
        let request = request.basic_auth(&self.options.key_id, Some(secret));
        self.client.send(request, repeat, deadline).await.map_err(|error| match error {
            http::Error::Refused { description, .. } if is_about_keys(&description) => {
                http::Error::Authentication.into()
            }
            error => error.into(),
        })
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.options.base_url.clone();
        // URLs of HTTP have segments
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        url
    }
}

/// What came of a call that may have taken effect, or was refused perhaps because it had before: what it should
/// have made is looked up.
async fn or_found<T>(
    result: Result<T, Error>,
    look_up: impl Future<Output = Result<Option<T>, Error>>,
) -> Result<T, Error> {
    match result {
        Err(error) if error.is_unknown() || error.is_refusal() => match look_up.await {
            Ok(Some(found)) => Ok(found),
            // a refusal settles nothing where nobody can look
            Err(failed) if error.is_refusal() => Err(http::Error::Unanswered(failed.into()).into()),
            Ok(None) | Err(_) => Err(error),
        },
        result => result,
    }
}

/// Nobody between us and Razorpay may read our key; in a test there is nobody.
fn is_private(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

fn is_about_keys(description: &str) -> bool {
    let description = description.trim_end_matches('.').to_lowercase();
    WRONG_KEYS.contains(&description.as_str())
}

fn positive(amount_minor: i64) -> Result<i64, Error> {
    if amount_minor > 0 { Ok(amount_minor) } else { Err(Error::Invalid("amount")) }
}

fn named(receipt: &str) -> Result<&str, Error> {
    let is_fine = !receipt.is_empty() && receipt.chars().count() <= MAX_RECEIPT;
    if is_fine { Ok(receipt) } else { Err(Error::Invalid("receipt")) }
}

/// A key is the receipt of its refund, too.
fn key(key: &str) -> Result<&str, Error> {
    let is_fine = (MIN_KEY..=MAX_RECEIPT).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_fine { Ok(key) } else { Err(Error::Invalid("idempotency key")) }
}

/// Razorpay's ids have a prefix; they become parts of paths, and some have come through browsers.
fn checked<'a>(prefix: &'static str, id: &'a str) -> Result<&'a str, Error> {
    let rest = id.strip_prefix(prefix).and_then(|id| id.strip_prefix('_')).unwrap_or_default();
    let is_fine = !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_fine { Ok(id) } else { Err(Error::Invalid("id")) }
}

fn same(what: &'static str, there: (i64, &str), asked: (i64, &str)) -> Result<(), Error> {
    if there == asked { Ok(()) } else { Err(Error::Mismatch(what)) }
}
