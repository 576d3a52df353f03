//! Orders as messages of the contract.

use prost::Message as _;
use souk_db::idempotency::Answer;
use souk_kit::id::EventId;
use souk_kit::wire;
use souk_proto::souk::orders::v1::{CreateOrderItem, Order, OrderEvent, OrderItem, OrderStatus};
use tonic::Status;

use crate::Error;
use crate::order::{self, Item, Line};
use crate::state::State;

pub fn item((position, item): (usize, &CreateOrderItem)) -> Result<Item, Error> {
    let product = item.product_id.parse();
    let product =
        product.map_err(|error| Error::invalid(format!("items[{position}].product_id"), error))?;
    Ok(Item { product, quantity: item.quantity })
}

/// What a call that placed an order is answered. A rejected order is kept, and the call fails.
pub fn answer(order: &order::Order) -> Answer {
    if order.state == State::Rejected {
        let error = Error::OutOfStock { order: order.id, shortfalls: order.shortfalls() };
        return Answer::failure(&Status::from(error));
    }
    Answer::success(&Order::from(order.clone()))
}

/// The event of an order's last change.
pub fn event(id: EventId, order: &order::Order) -> Vec<u8> {
    let event = OrderEvent {
        id: id.to_string(),
        sequence: order.version,
        occurred_at: Some(wire::timestamp(order.updated_at)),
        order: Some(order.clone().into()),
    };
    event.encode_to_vec()
}

impl From<order::Order> for Order {
    fn from(order: order::Order) -> Self {
        let reserved_until = order.reserved_until.filter(|_| order.state == State::Reserved);
        Self {
            id: order.id.to_string(),
            status: OrderStatus::from(order.state).into(),
            items: order.lines.into_iter().map(OrderItem::from).collect(),
            total: Some(order.total.into()),
            currency: order.total.currency().code().to_owned(),
            created_at: Some(wire::timestamp(order.created_at)),
            updated_at: Some(wire::timestamp(order.updated_at)),
            customer_id: order.customer.to_string(),
            expires_at: reserved_until.map(wire::timestamp),
        }
    }
}

impl From<Line> for OrderItem {
    fn from(line: Line) -> Self {
        Self {
            product_id: line.product.to_string(),
            name: line.name,
            quantity: line.quantity,
            unit_price: Some(line.unit_price.into()),
            line_total: Some(line.total.into()),
        }
    }
}

impl From<State> for OrderStatus {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Reserved => Self::Reserved,
            State::Paying => Self::Paying,
            State::Paid => Self::Paid,
            State::Fulfilled => Self::Fulfilled,
            State::Rejected => Self::Rejected,
            State::PaymentFailed => Self::PaymentFailed,
            State::Cancelled => Self::Cancelled,
            State::Expired => Self::Expired,
            State::Refunded => Self::Refunded,
            State::Later => Self::Unspecified,
        }
    }
}
