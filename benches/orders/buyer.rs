//! Buyers: each places one order after the other, over gRPC or over REST.

use std::sync::Arc;

use anyhow::{Result, bail};
use souk_proto::souk::orders::v1::orders_service_client::OrdersServiceClient;
use souk_proto::souk::orders::v1::{CreateOrderItem, CreateOrderRequest, OrderStatus};
use tonic::transport::Channel;
use tonic::{Code, Request};

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
    /// The product that everybody wants, alone.
    Hot,
    /// One product that is not the hot one.
    Other,
}

enum Door {
    Grpc(OrdersServiceClient<Channel>),
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
                Door::Grpc(OrdersServiceClient::new(channels[number % channels.len()].clone()))
            }
            Api::Rest => Door::Rest(Connection::open(&suite.http).await?),
        };
        let token = format!("Bearer {}", shop.tokens[number % shop.tokens.len()]);
        buyers.push(Buyer { door, wish, products: shop.products.clone(), token });
    }
    Ok(buyers)
}

impl Client for Buyer {
    /// `true` when the order is reserved.
    async fn call(&mut self) -> Result<bool> {
        let products = self.choose();
        let key = format!("{:032x}", fastrand::u128(..));
        match &mut self.door {
            Door::Grpc(client) => over_grpc(client, &products, &self.token, &key).await,
            Door::Rest(connection) => over_rest(connection, &products, &self.token, &key).await,
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
            Wish::Cold => vec![fastrand::usize(..count / 2), fastrand::usize(count / 2..count)],
        };
        chosen.into_iter().map(|index| self.products[index].clone()).collect()
    }
}

async fn over_grpc(
    client: &mut OrdersServiceClient<Channel>,
    products: &[String],
    token: &str,
    key: &str,
) -> Result<bool> {
    let item = |id: &String| CreateOrderItem { product_id: id.clone(), quantity: 1 };
    let message = CreateOrderRequest { items: products.iter().map(item).collect() };
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", token.parse()?);
    request.metadata_mut().insert("idempotency-key", key.parse()?);
    match client.create_order(request).await {
        Ok(order) => Ok(order.get_ref().status() == OrderStatus::Reserved),
        // too much at once, or too late: not what is counted, and no reason to stop
        Err(status) => match status.code() {
            Code::ResourceExhausted | Code::Unavailable | Code::DeadlineExceeded => Ok(false),
            _ => bail!("an order failed: {status}"),
        },
    }
}

async fn over_rest(
    connection: &mut Connection,
    products: &[String],
    token: &str,
    key: &str,
) -> Result<bool> {
    let items: Vec<_> =
        products.iter().map(|id| serde_json::json!({ "product_id": id, "quantity": 1 })).collect();
    let body = serde_json::json!({ "items": items }).to_string();
    let request = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: souk\r\nauthorization: {token}\r\n\
         idempotency-key: {key}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = connection.send(request.as_bytes()).await?;
    match answer.status {
        201 => Ok(true),
        202 | 429 | 503 | 504 => Ok(false),
        status => bail!("an order failed: {status} {}", String::from_utf8_lossy(answer.body)),
    }
}
