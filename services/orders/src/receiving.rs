//! What providers tell by themselves. An event says only that it is time to ask: of money nothing is believed but what
//! the provider answers, on the one way on which the saga asks. So it does not matter how often an event comes, when,
//! or whether at all.

use souk_db::Access;
use souk_kit::Failure;
use souk_proto::souk::types::v1::Reason;

use crate::Error;
use crate::payment::Provider;
use crate::payments::Providers;
use crate::razorpay::{Event, EventKind, Razorpay};
use crate::store::provider_events::{self, Told};

/// No id of an event is longer.
const MAX_ID: usize = 255;

/// An event as it comes.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    pub body: &'a [u8],
    pub signature: Option<&'a str>,
    pub id: Option<&'a str>,
}

/// Takes an event, which is applied after that.
pub async fn receive(
    access: &Access,
    providers: &Providers,
    provider: &str,
    sent: Sent<'_>,
) -> Result<(), Error> {
    let unknown = || Error::NoSuch("provider", provider.to_owned());
    let told = match Provider::from_name(provider) {
        Some(Provider::Razorpay) => of_razorpay(providers.razorpay().ok_or_else(unknown)?, sent)?,
        Some(Provider::Sandbox) | None => return Err(unknown()),
    };
    let is_new = provider_events::receive(access, &told).await?;
    tracing::info!(provider, kind = told.kind, is_new, "an event of a provider");
    Ok(())
}

fn of_razorpay(razorpay: &Razorpay, sent: Sent<'_>) -> Result<Told, Error> {
    if !razorpay.verify_webhook(sent.body, sent.signature.unwrap_or_default()) {
        return Err(malformed("the signature is not one of the body"));
    }
    let id = sent.id.filter(|id| !id.is_empty() && id.len() <= MAX_ID);
    let id = id.ok_or_else(|| malformed("the event has no id"))?;
    let event = Razorpay::parse_webhook(sent.body).map_err(|_| malformed("it is no event"))?;
    let Event { kind, order_id, payment_id, receipt, .. } = event;
    // that of an order is our payment, that of a refund our refund
    let receipt = receipt.as_deref();
    Ok(Told {
        provider: Provider::Razorpay,
        event: id.to_owned(),
        kind: word(&kind).chars().take(MAX_ID).collect(),
        payment: receipt.and_then(|receipt| receipt.parse().ok()),
        provider_order: order_id,
        reference: payment_id,
        refund: receipt.and_then(|receipt| receipt.parse().ok()),
    })
}

fn word(kind: &EventKind) -> &str {
    match kind {
        EventKind::PaymentAuthorized => "payment.authorized",
        EventKind::PaymentCaptured => "payment.captured",
        EventKind::PaymentFailed => "payment.failed",
        EventKind::OrderPaid => "order.paid",
        EventKind::RefundProcessed => "refund.processed",
        EventKind::RefundFailed => "refund.failed",
        EventKind::Other(name) => name,
    }
}

fn malformed(message: &str) -> Error {
    Failure::new(Reason::MalformedRequest, message).into()
}
