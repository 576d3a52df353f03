//! What Razorpay tells without being asked, and how to know that it is Razorpay:
//! <https://razorpay.com/docs/webhooks>. Events come more than once and in any order.

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

use super::wire::text;
use super::{Error, Razorpay};

/// The header with the signature of an event.
pub const SIGNATURE_HEADER: &str = "x-razorpay-signature";
/// The header with the id of an event, which is the same however often it comes.
pub const EVENT_ID_HEADER: &str = "x-razorpay-event-id";

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What has happened.
    pub kind: EventKind,
    /// The order that it is about.
    pub order_id: Option<String>,
    /// The payment that it is about.
    pub payment_id: Option<String>,
    /// The refund that it is about.
    pub refund_id: Option<String>,
    /// The amount of the payment, order or refund that the kind names, in the currency's minor unit.
    pub amount_minor: Option<i64>,
    /// The currency, by its ISO code.
    pub currency: Option<String>,
    /// Our receipt: of a refund its idempotency key, of an order our id of the payment. Events of payments have
    /// none.
    pub receipt: Option<String>,
    /// Why a payment has failed.
    pub error_code: Option<String>,
}

/// What kinds of events matter to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// The customer's bank holds the money.
    PaymentAuthorized,
    /// The money is ours.
    PaymentCaptured,
    /// A payment has failed, which a later event may take back.
    PaymentFailed,
    /// An order is paid.
    OrderPaid,
    /// A refund has reached its end.
    RefundProcessed,
    /// A refund has not worked.
    RefundFailed,
    /// Anything else, by Razorpay's name.
    Other(String),
}

impl From<String> for EventKind {
    fn from(name: String) -> Self {
        match name.as_str() {
            "payment.authorized" => Self::PaymentAuthorized,
            "payment.captured" => Self::PaymentCaptured,
            "payment.failed" => Self::PaymentFailed,
            "order.paid" => Self::OrderPaid,
            "refund.processed" => Self::RefundProcessed,
            "refund.failed" => Self::RefundFailed,
            _ => Self::Other(name),
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    event: String,
    #[serde(default)]
    payload: Value,
}

#[derive(Default, Deserialize)]
struct Payload {
    payment: Option<Wrapped>,
    order: Option<Wrapped>,
    refund: Option<Wrapped>,
}

#[derive(Deserialize)]
struct Wrapped {
    entity: Entity,
}

/// A payment, an order or a refund: what their ids are is known from where they stand.
#[derive(Default, Deserialize)]
struct Entity {
    id: Option<String>,
    order_id: Option<String>,
    payment_id: Option<String>,
    amount: Option<i64>,
    currency: Option<String>,
    receipt: Option<String>,
    #[serde(default, deserialize_with = "text")]
    error_code: Option<String>,
}

impl Razorpay {
    /// Whether an event is from Razorpay: `signature_hex` is the header [`SIGNATURE_HEADER`], and the body is as
    /// it came, byte by byte.
    pub fn verify_webhook(&self, raw_body: &[u8], signature_hex: &str) -> bool {
        is_signed(&self.options.webhook_secret, &[raw_body], signature_hex)
    }

    /// Whether what a checkout brings back is from Razorpay. The order's id must be the one that we know, not
    /// the one that comes back.
    pub fn verify_checkout(&self, order_id: &str, payment_id: &str, signature_hex: &str) -> bool {
        let message = [order_id.as_bytes(), b"|", payment_id.as_bytes()];
        is_signed(&self.options.key_secret, &message, signature_hex)
    }

    /// Reads an event, which must have been verified before.
    ///
    /// # Errors
    ///
    /// [`Error::Event`]: it is no event, or lacks what its kind is about.
    pub fn parse_webhook(raw_body: &[u8]) -> Result<Event, Error> {
        let envelope: Envelope = serde_json::from_slice(raw_body).map_err(|_| Error::Event)?;
        let kind = EventKind::from(envelope.event);
        let payload = serde_json::from_value(envelope.payload);
        let event = match kind {
            // whatever it is about, it is not for us
            EventKind::Other(_) => event(kind, payload.unwrap_or_default()),
            _ => event(kind, payload.map_err(|_| Error::Event)?),
        };
        if is_complete(&event) { Ok(event) } else { Err(Error::Event) }
    }
}

fn event(kind: EventKind, Payload { payment, order, refund }: Payload) -> Event {
    let entity = |part: Option<Wrapped>| part.map(|part| part.entity).unwrap_or_default();
    let (payment, order, refund) = (entity(payment), entity(order), entity(refund));
    let order_id = order.id.clone().or(payment.order_id.clone());
    let payment_id = refund.payment_id.clone().or(payment.id.clone());
    let (refund_id, error_code) = (refund.id.clone(), payment.error_code.clone());
    // payments come along with orders, and with refunds
    let parts = [refund, order, payment];
    let Entity { amount: amount_minor, currency, receipt, .. } =
        parts.into_iter().find(|part| part.id.is_some()).unwrap_or_default();
    Event { kind, order_id, payment_id, refund_id, amount_minor, currency, receipt, error_code }
}

fn is_complete(event: &Event) -> bool {
    let subject = match event.kind {
        EventKind::PaymentAuthorized | EventKind::PaymentCaptured | EventKind::PaymentFailed => {
            &event.payment_id
        }
        EventKind::OrderPaid => &event.order_id,
        EventKind::RefundProcessed | EventKind::RefundFailed => &event.refund_id,
        EventKind::Other(_) => return true,
    };
    subject.is_some() && event.amount_minor.is_some() && event.currency.is_some()
}

/// Takes as long for every signature of the right length.
fn is_signed(secret: &SecretString, message: &[&[u8]], signature_hex: &str) -> bool {
    let mac = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes());
    let (Ok(mut mac), Some(signature)) = (mac, decode(signature_hex)) else { return false };
    for part in message {
        mac.update(part);
    }
    mac.verify_slice(&signature).is_ok()
}

/// 64 hexadecimal digits, and nothing else.
fn decode(hex: &str) -> Option<[u8; 32]> {
    let digits: &[u8; 64] = hex.as_bytes().try_into().ok()?;
    let digit =
        |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
    }
    Some(bytes)
}
