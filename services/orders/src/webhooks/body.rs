//! The bodies of webhooks. An order in them is exactly what `GET /v1/orders/{id}` answers: the gateway makes that
//! of the same message, and services do not depend on it. An end-to-end test holds the two against each other.

use bytes::Bytes;
use prost::Message as _;
use prost_types::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use souk_kit::id::WebhookEndpointId;
use souk_kit::wire;
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::orders::v1::{Order, OrderEvent, OrderItem, OrderStatus, PostalAddress};
use time::OffsetDateTime;

use super::delivery::Event;
use crate::Error;

#[derive(Serialize)]
struct Body<'a, D> {
    r#type: &'a str,
    timestamp: String,
    data: D,
}

#[derive(Serialize)]
struct OrderData<'a> {
    event_id: &'a str,
    sequence: i32,
    ordering_key: &'a str,
    action: &'a str,
    order: OrderJson<'a>,
}

#[derive(Serialize)]
struct TestData {
    event_id: String,
    endpoint_id: String,
}

/// Members in the order of the contract, and all of them always.
#[derive(Serialize)]
struct OrderJson<'a> {
    id: &'a str,
    status: Word,
    items: Vec<ItemJson<'a>>,
    total: Amount<'a>,
    currency: &'a str,
    created_at: Option<String>,
    updated_at: Option<String>,
    customer_id: &'a str,
    expires_at: Option<String>,
    number: &'a str,
    shipping_address: Option<AddressJson<'a>>,
    amount_paid: Amount<'a>,
    amount_refunded: Amount<'a>,
}

#[derive(Serialize)]
struct ItemJson<'a> {
    product_id: &'a str,
    name: &'a str,
    quantity: i32,
    unit_price: Amount<'a>,
    line_total: Amount<'a>,
}

#[derive(Serialize)]
struct AddressJson<'a> {
    name: &'a str,
    line1: &'a str,
    line2: &'a str,
    city: &'a str,
    region: &'a str,
    postal_code: &'a str,
    country: &'a str,
    phone: &'a str,
}

/// A state in lowercase, without its prefix; one of a later release is its number.
struct Word(i32);

impl Serialize for Word {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match OrderStatus::try_from(self.0) {
            Ok(status) => {
                let word = status.as_str_name().trim_start_matches("ORDER_STATUS_");
                serializer.serialize_str(&word.to_lowercase())
            }
            Err(_) => serializer.serialize_i32(self.0),
        }
    }
}

/// An amount with its digits.
struct Amount<'a>(Option<&'a Decimal>);

impl Serialize for Amount<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(Decimal { value }) = self.0 else { return serializer.serialize_none() };
        let digits = if value.is_empty() { "0" } else { value };
        let number: &RawValue = serde_json::from_str(digits).map_err(serde::ser::Error::custom)?;
        number.serialize(serializer)
    }
}

/// The body of an event's webhook.
pub fn of(event: &Event, endpoint: WebhookEndpointId) -> Result<Bytes, Error> {
    let Some(payload) = &event.payload else {
        let data = TestData { event_id: event.id.to_string(), endpoint_id: endpoint.to_string() };
        let timestamp = moment(&wire::timestamp(event.occurred_at));
        return write(&Body { r#type: &event.name, timestamp, data });
    };
    let told = OrderEvent::decode(payload.as_slice()).map_err(unreadable)?;
    let order = told.order.as_ref().ok_or_else(|| unreadable("an event without an order"))?;
    let occurred_at = told.occurred_at.unwrap_or_else(|| wire::timestamp(event.occurred_at));
    let data = OrderData {
        event_id: &told.id,
        sequence: told.sequence,
        ordering_key: &order.id,
        action: &told.action,
        order: OrderJson::from(order),
    };
    write(&Body { r#type: &event.name, timestamp: moment(&occurred_at), data })
}

fn write(body: &impl Serialize) -> Result<Bytes, Error> {
    serde_json::to_vec(body).map(Bytes::from).map_err(unreadable)
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    sqlx::Error::Decode(error.into()).into()
}

/// RFC 3339 in UTC, with 0, 3, 6 or 9 digits of a second's fraction.
fn moment(at: &Timestamp) -> String {
    let at = wire::time(at).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, second, nanos)) = (at.date(), at.time().as_hms_nano());
    let fraction = match nanos {
        0 => String::new(),
        nanos if nanos % 1_000_000 == 0 => format!(".{:03}", nanos / 1_000_000),
        nanos if nanos % 1_000 == 0 => format!(".{:06}", nanos / 1_000),
        nanos => format!(".{nanos:09}"),
    };
    format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

impl<'a> From<&'a Order> for OrderJson<'a> {
    fn from(order: &'a Order) -> Self {
        Self {
            id: &order.id,
            status: Word(order.status),
            items: order.items.iter().map(ItemJson::from).collect(),
            total: Amount(order.total.as_ref()),
            currency: &order.currency,
            created_at: order.created_at.as_ref().map(moment),
            updated_at: order.updated_at.as_ref().map(moment),
            customer_id: &order.customer_id,
            expires_at: order.expires_at.as_ref().map(moment),
            number: &order.number,
            shipping_address: order.shipping_address.as_ref().map(AddressJson::from),
            amount_paid: Amount(order.amount_paid.as_ref()),
            amount_refunded: Amount(order.amount_refunded.as_ref()),
        }
    }
}

impl<'a> From<&'a OrderItem> for ItemJson<'a> {
    fn from(item: &'a OrderItem) -> Self {
        Self {
            product_id: &item.product_id,
            name: &item.name,
            quantity: item.quantity,
            unit_price: Amount(item.unit_price.as_ref()),
            line_total: Amount(item.line_total.as_ref()),
        }
    }
}

impl<'a> From<&'a PostalAddress> for AddressJson<'a> {
    fn from(address: &'a PostalAddress) -> Self {
        let PostalAddress { name, line1, line2, city, region, postal_code, country, phone } =
            address;
        Self { name, line1, line2, city, region, postal_code, country, phone }
    }
}

#[cfg(test)]
mod tests;
