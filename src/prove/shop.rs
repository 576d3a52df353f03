//! The suite as its clients see it: what can be asked, over whichever door, and what comes back.

use std::time::Duration;

use serde_json::{Value, json};
use souk_kit::{Channel, failure};
use souk_proto::google::r#type::Decimal;
use souk_proto::souk::orders::v1::orders_service_client::OrdersServiceClient;
use souk_proto::souk::orders::v1::payments_service_client::PaymentsServiceClient;
use souk_proto::souk::orders::v1::shipments_service_client::ShipmentsServiceClient;
use souk_proto::souk::orders::v1::{
    CancelOrderRequest, ConfirmPaymentRequest, CreateOrderItem, CreateOrderRequest,
    CreatePaymentRequest, CreateRefundRequest, CreateShipmentRequest, DeliverShipmentRequest,
    Order, Payment, Refund, Shipment,
};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Request, Response, Status};

use super::rest::Rest;

/// After how long a client gives a request up, of which it has heard nothing.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who signs a request.
pub type Token = MetadataValue<Ascii>;

/// Where the suite is.
#[derive(Debug, Clone)]
pub struct Shop {
    pub auth: Channel,
    pub catalog: Channel,
    /// The processes with orders.
    pub orders: Vec<Channel>,
    pub rest: Option<Rest>,
}

/// What can be asked of it.
#[derive(Debug, Clone)]
pub enum Ask {
    Order {
        items: Vec<(String, i32)>,
    },
    Cancel {
        order: String,
    },
    Pay {
        order: String,
        method: &'static str,
    },
    Confirm {
        order: String,
        payment: String,
    },
    /// All that is left, or so much.
    Refund {
        order: String,
        amount: Option<String>,
    },
    Ship {
        order: String,
    },
    Deliver {
        order: String,
        shipment: String,
    },
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is done, or begun: what has been made or changed, and how that stands.
    Done { id: String, status: String },
    /// It is not, for this reason; and the order that was made nevertheless.
    Refused { reason: String, order: Option<String> },
    /// Nobody knows: to be asked again.
    Nothing,
}

impl Shop {
    /// How many doors there are: processes with orders, and REST.
    pub fn doors(&self) -> usize {
        self.orders.len() + usize::from(self.rest.is_some())
    }

    /// Asks once, at one of the doors.
    pub async fn ask(&self, door: usize, token: &Token, key: &str, ask: &Ask) -> Answer {
        let door = door % self.doors();
        let answer = async {
            match (self.orders.get(door), &self.rest) {
                (Some(orders), _) => over_grpc(orders.clone(), token, key, ask).await,
                (None, Some(rest)) => over_rest(rest, token, key, ask).await,
                (None, None) => Answer::Nothing,
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or(Answer::Nothing)
    }
}

/// A request with who asks, and its key.
pub fn signed<T>(message: T, token: &Token, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(PATIENCE);
    request.metadata_mut().insert("authorization", token.clone());
    if let Ok(key) = key.parse() {
        request.metadata_mut().insert("idempotency-key", key);
    }
    request
}

async fn over_grpc(channel: Channel, token: &Token, key: &str, ask: &Ask) -> Answer {
    let mut orders = OrdersServiceClient::new(channel.clone());
    let mut payments = PaymentsServiceClient::new(channel.clone());
    let mut shipments = ShipmentsServiceClient::new(channel);
    match ask.clone() {
        Ask::Order { items } => {
            let item = |(product_id, quantity)| CreateOrderItem { product_id, quantity };
            let items = items.into_iter().map(item).collect();
            let request = CreateOrderRequest { items, ..CreateOrderRequest::default() };
            answer(orders.create_order(signed(request, token, key)).await)
        }
        Ask::Cancel { order: id } => {
            answer(orders.cancel_order(signed(CancelOrderRequest { id }, token, key)).await)
        }
        Ask::Pay { order: order_id, method } => {
            let (provider, method) = ("sandbox".to_owned(), method.to_owned());
            let request = CreatePaymentRequest { order_id, provider, method };
            answer(payments.create_payment(signed(request, token, key)).await)
        }
        Ask::Confirm { order: order_id, payment: id } => {
            let request =
                ConfirmPaymentRequest { order_id, id, ..ConfirmPaymentRequest::default() };
            answer(payments.confirm_payment(signed(request, token, key)).await)
        }
        Ask::Refund { order: order_id, amount } => {
            let amount = amount.map(|value| Decimal { value });
            let request = CreateRefundRequest { order_id, amount, reason: String::new() };
            answer(payments.create_refund(signed(request, token, key)).await)
        }
        Ask::Ship { order: order_id } => {
            let request = CreateShipmentRequest { order_id, ..CreateShipmentRequest::default() };
            answer(shipments.create_shipment(signed(request, token, key)).await)
        }
        Ask::Deliver { order: order_id, shipment: id } => {
            let request = DeliverShipmentRequest { order_id, id };
            answer(shipments.deliver_shipment(signed(request, token, key)).await)
        }
    }
}

/// What an answer says of itself.
trait Made {
    fn made(self) -> (String, &'static str);
}

impl Made for Order {
    fn made(self) -> (String, &'static str) {
        let status = self.status().as_str_name();
        (self.id, status.trim_start_matches("ORDER_STATUS_"))
    }
}

impl Made for Payment {
    fn made(self) -> (String, &'static str) {
        let status = self.status().as_str_name();
        (self.id, status.trim_start_matches("PAYMENT_STATUS_"))
    }
}

impl Made for Refund {
    fn made(self) -> (String, &'static str) {
        let status = self.status().as_str_name();
        (self.id, status.trim_start_matches("REFUND_STATUS_"))
    }
}

impl Made for Shipment {
    fn made(self) -> (String, &'static str) {
        (self.id, "")
    }
}

fn answer<T: Made>(response: Result<Response<T>, Status>) -> Answer {
    match response {
        Ok(response) => {
            let (id, status) = response.into_inner().made();
            Answer::Done { id, status: status.to_lowercase() }
        }
        Err(status) => match failure::told(&status) {
            Some((reason, facts)) => refused(reason, facts.get("order_id").cloned()),
            // the connection's, not the service's
            None => Answer::Nothing,
        },
    }
}

async fn over_rest(rest: &Rest, token: &Token, key: &str, ask: &Ask) -> Answer {
    let token = token.to_str().unwrap_or_default();
    let post = async |path: String, body: Value| rest.post(&path, token, key, &body).await;
    let answered = match ask {
        Ask::Order { items } => {
            let item = |(product, quantity): &(String, i32)| json!({ "product_id": product, "quantity": quantity });
            let items: Vec<Value> = items.iter().map(item).collect();
            post("/v1/orders".to_owned(), json!({ "items": items })).await
        }
        Ask::Cancel { order } => post(format!("/v1/orders/{order}/cancel"), json!({})).await,
        Ask::Pay { order, method } => {
            let body = json!({ "provider": "sandbox", "method": method });
            post(format!("/v1/orders/{order}/payments"), body).await
        }
        Ask::Confirm { order, payment } => {
            post(format!("/v1/orders/{order}/payments/{payment}/confirm"), json!({})).await
        }
        Ask::Refund { order, amount } => {
            let body = amount.as_ref().map_or_else(|| json!({}), |it| json!({ "amount": it }));
            post(format!("/v1/orders/{order}/refunds"), body).await
        }
        Ask::Ship { order } => post(format!("/v1/orders/{order}/shipments"), json!({})).await,
        Ask::Deliver { order, shipment } => {
            post(format!("/v1/orders/{order}/shipments/{shipment}/deliver"), json!({})).await
        }
    };
    answered.map_or(Answer::Nothing, |(status, body)| read(status, &body))
}

/// What JSON says.
fn read(status: u16, body: &Value) -> Answer {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    match (status, text(&body["id"]), text(&body["error"]["code"])) {
        (200..300, Some(id), _) => {
            Answer::Done { id, status: text(&body["status"]).unwrap_or_default() }
        }
        (_, _, Some(reason)) => refused(reason, text(&body["error"]["metadata"]["order_id"])),
        _ => Answer::Nothing,
    }
}

/// A refusal, or one that passes.
fn refused(reason: String, order: Option<String>) -> Answer {
    match reason.as_str() {
        "IN_FLIGHT" | "UNAVAILABLE" | "OVERLOADED" | "DEADLINE_EXCEEDED" | "RATE_LIMITED"
        | "TOKEN_EXPIRED" => Answer::Nothing,
        _ => Answer::Refused { reason, order },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_doors_say_the_same() {
        let order = || Order { id: "ord_1".to_owned(), status: 7, ..Order::default() };
        let done = Answer::Done { id: "ord_1".to_owned(), status: "payment_failed".to_owned() };
        assert_eq!(answer(Ok(Response::new(order()))), done);
        assert_eq!(read(201, &json!({ "id": "ord_1", "status": "payment_failed" })), done);
    }

    #[test]
    fn what_passes_is_asked_again_and_what_is_refused_is_not() {
        let error =
            |code: &str| json!({ "error": { "code": code, "metadata": { "order_id": "ord_1" } } });
        assert_eq!(read(503, &error("UNAVAILABLE")), Answer::Nothing);
        assert_eq!(read(502, &json!({})), Answer::Nothing);
        assert_eq!(answer::<Order>(Err(Status::unavailable("no connection"))), Answer::Nothing);
        let short =
            Answer::Refused { reason: "OUT_OF_STOCK".to_owned(), order: Some("ord_1".to_owned()) };
        assert_eq!(read(409, &error("OUT_OF_STOCK")), short);
    }
}
