//! Somebody who orders, and what they ask for.

use std::time::Duration;

use souk_kit::id::UserId;
use souk_proto::souk::orders::v1::{
    CancelOrderRequest, CreateOrderItem, CreateOrderRequest, CreatePaymentRequest,
};
use souk_testing::signed;
use tonic::Request;

#[derive(Clone)]
pub struct Buyer {
    pub id: UserId,
    token: String,
}

impl Buyer {
    pub fn new(id: UserId, token: String) -> Self {
        Self { id, token }
    }

    pub fn order(&self, key: &str, items: &[(&str, i32)]) -> Request<CreateOrderRequest> {
        let item = |(product, quantity): &(&str, i32)| CreateOrderItem {
            product_id: (*product).to_owned(),
            quantity: *quantity,
        };
        let items = items.iter().map(item).collect();
        self.keyed(key, CreateOrderRequest { items, ..CreateOrderRequest::default() })
    }

    /// The same from somebody who has little time.
    pub fn hasty_order(&self, key: &str, items: &[(&str, i32)]) -> Request<CreateOrderRequest> {
        let mut request = self.order(key, items);
        // of which a half of a second is kept for the answer
        request.set_timeout(Duration::from_millis(600));
        request
    }

    pub fn cancellation(&self, order: &str) -> Request<CancelOrderRequest> {
        signed(&self.token, CancelOrderRequest { id: order.to_owned() })
    }

    pub fn keyed_cancellation(&self, key: &str, order: &str) -> Request<CancelOrderRequest> {
        self.keyed(key, CancelOrderRequest { id: order.to_owned() })
    }

    pub fn payment(&self, key: &str, order: &str, method: &str) -> Request<CreatePaymentRequest> {
        let (order_id, provider) = (order.to_owned(), "sandbox".to_owned());
        self.keyed(key, CreatePaymentRequest { order_id, provider, method: method.to_owned() })
    }

    /// A call with an idempotency key.
    pub fn keyed<T>(&self, key: &str, message: T) -> Request<T> {
        let mut request = signed(&self.token, message);
        request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
        request
    }

    pub fn sign<T>(&self, message: T) -> Request<T> {
        signed(&self.token, message)
    }
}
