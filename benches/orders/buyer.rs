//! Buyers: each places one order after the other, and pays it or not, over gRPC or over REST.

use std::sync::Arc;

use anyhow::{Result, bail};
use serde_json::{Value, json};
use souk_proto::souk::orders::v1::orders_service_client::OrdersServiceClient;
use souk_proto::souk::orders::v1::payments_service_client::PaymentsServiceClient;
use souk_proto::souk::orders::v1::{
    CreateOrderItem, CreateOrderRequest, CreatePaymentRequest, OrderStatus, PaymentStatus,
};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::support::http::Connection;
use crate::support::load::Client;
use crate::support::shop::Shop;
use crate::support::suite::{Suite, connect};

/// Connections of all buyers together, over gRPC. Over REST each has its own.
const CONNECTIONS: usize = 4;

/// How buyers reach the shop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Grpc,
    Rest,
}

impl Api {
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "gRPC",
            Self::Rest => "REST",
        }
    }
}

/// What a buyer orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Two products of the whole range.
    Cold,
    /// The same, and to pay them.
    Paid,
    /// The product that everybody wants, alone.
    Hot,
    /// One product that is not the hot one.
    Other,
}

struct Grpc {
    orders: OrdersServiceClient<Channel>,
    payments: PaymentsServiceClient<Channel>,
}

enum Door {
    Grpc(Box<Grpc>),
    Rest(Connection),
}

pub struct Buyer {
    door: Door,
    wish: Wish,
    products: Arc<[String]>,
    token: String,
}

/// So many buyers with the same wish.
pub async fn crowd(
    shop: &Shop,
    suite: &Suite,
    api: Api,
    wish: Wish,
    size: usize,
) -> Result<Vec<Buyer>> {
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS.min(size) {
        channels.push(connect(&suite.orders).await?);
    }
    let mut buyers = Vec::with_capacity(size);
    for number in 0..size {
        let door = match api {
            Api::Grpc => {
                let channel = &channels[number % channels.len()];
                let orders = OrdersServiceClient::new(channel.clone());
                let payments = PaymentsServiceClient::new(channel.clone());
                Door::Grpc(Box::new(Grpc { orders, payments }))
            }
            Api::Rest => Door::Rest(Connection::open(&suite.http).await?),
        };
        let token = format!("Bearer {}", shop.tokens[number % shop.tokens.len()]);
        buyers.push(Buyer { door, wish, products: shop.products.clone(), token });
    }
    Ok(buyers)
}

impl Client for Buyer {
    /// `true` when the order is reserved, or paid, as the buyer wants it.
    async fn call(&mut self) -> Result<bool> {
        let products = self.choose();
        let key = format!("{:032x}", fastrand::u128(..));
        let (token, pays) = (self.token.as_str(), self.wish == Wish::Paid);
        match &mut self.door {
            Door::Grpc(door) => {
                let Grpc { orders, payments } = &mut **door;
                match order_over_grpc(orders, &products, token, &key).await? {
                    Some(order) if pays => pay_over_grpc(payments, order, token, &key).await,
                    order => Ok(order.is_some()),
                }
            }
            Door::Rest(connection) => {
                match order_over_rest(connection, &products, token, &key).await? {
                    Some(order) if pays => pay_over_rest(connection, &order, token, &key).await,
                    order => Ok(order.is_some()),
                }
            }
        }
    }
}

impl Buyer {
    fn choose(&self) -> Vec<String> {
        let count = self.products.len();
        let chosen = match self.wish {
            Wish::Hot => vec![0],
            Wish::Other => vec![fastrand::usize(1..count)],
            // from either half, so that they are two
            Wish::Cold | Wish::Paid => {
                vec![fastrand::usize(..count / 2), fastrand::usize(count / 2..count)]
            }
        };
        chosen.into_iter().map(|index| self.products[index].clone()).collect()
    }
}

/// The id of an order that is reserved.
async fn order_over_grpc(
    client: &mut OrdersServiceClient<Channel>,
    products: &[String],
    token: &str,
    key: &str,
) -> Result<Option<String>> {
    let item = |id: &String| CreateOrderItem { product_id: id.clone(), quantity: 1 };
    let items = products.iter().map(item).collect();
    let message = CreateOrderRequest { items, ..CreateOrderRequest::default() };
    let order = answered(client.create_order(signed(message, token, key)?).await)?;
    let order = order.filter(|order| order.status() == OrderStatus::Reserved);
    Ok(order.map(|order| order.id))
}

async fn pay_over_grpc(
    client: &mut PaymentsServiceClient<Channel>,
    order_id: String,
    token: &str,
    key: &str,
) -> Result<bool> {
    let (provider, method) = ("sandbox".to_owned(), "ok".to_owned());
    let message = CreatePaymentRequest { order_id, provider, method };
    let payment = answered(client.create_payment(signed(message, token, key)?).await)?;
    Ok(payment.is_some_and(|payment| payment.status() == PaymentStatus::Succeeded))
}

fn signed<T>(message: T, token: &str, key: &str) -> Result<Request<T>> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", token.parse()?);
    request.metadata_mut().insert("idempotency-key", key.parse()?);
    Ok(request)
}

/// Too much at once, or too late, is not what is counted, and no reason to stop.
fn answered<T>(answer: Result<Response<T>, Status>) -> Result<Option<T>> {
    match answer {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) => match status.code() {
            Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded => Ok(None),
            _ => bail!("a call failed: {status}"),
        },
    }
}

async fn order_over_rest(
    connection: &mut Connection,
    products: &[String],
    token: &str,
    key: &str,
) -> Result<Option<String>> {
    let items: Vec<_> =
        products.iter().map(|id| json!({ "product_id": id, "quantity": 1 })).collect();
    let answer = post(connection, "/v1/orders", token, key, &json!({ "items": items })).await?;
    Ok(answer.and_then(|order| Some(order["id"].as_str()?.to_owned())))
}

async fn pay_over_rest(
    connection: &mut Connection,
    order: &str,
    token: &str,
    key: &str,
) -> Result<bool> {
    let payment = json!({ "provider": "sandbox", "method": "ok" });
    let path = format!("/v1/orders/{order}/payments");
    let answer = post(connection, &path, token, key, &payment).await?;
    Ok(answer.is_some_and(|payment| payment["status"] == "succeeded"))
}

/// What was made.
async fn post(
    connection: &mut Connection,
    path: &str,
    token: &str,
    key: &str,
    body: &Value,
) -> Result<Option<Value>> {
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: souk\r\nauthorization: {token}\r\n\
         idempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = connection.send(request.as_bytes()).await?;
    match answer.status {
        201 => Ok(Some(serde_json::from_slice(answer.body)?)),
        202 | 429 | 503 | 504 => Ok(None),
        status => bail!("a call failed: {status} {}", String::from_utf8_lossy(answer.body)),
    }
}
