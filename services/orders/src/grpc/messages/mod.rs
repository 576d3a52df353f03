//! Orders as messages of the contract.

mod addresses;
pub mod payments;
pub mod shipments;
pub mod webhooks;

use prost::Message as _;
use prost_types::Timestamp;
use souk_db::idempotency::Answer;
use souk_kit::id::{EventId, ProductId, UserId};
use souk_kit::{Failure, wire};
use souk_proto::souk::orders::v1::{
    CreateOrderItem, CreateOrderRequest, ListOrdersRequest, Order, OrderEvent, OrderItem,
    OrderStatus, Timeline, TimelineChange, TimelineStockMove, WebhookDelivery,
};
use time::OffsetDateTime;
use tonic::Status;
use uuid::Uuid;

use crate::Error;
use crate::history::{Entry, History, StockMove, StockMoves};
use crate::listing::Filters;
use crate::order::{self, Item, Line};
use crate::placing::{ShipsTo, Wanted};
use crate::purchase::Purchase;
use crate::state::{Action, State};
use crate::webhooks::delivery::Delivery;

/// What a request wants to order, and where it shall go.
pub fn wanted(request: CreateOrderRequest) -> Result<Wanted, Error> {
    let CreateOrderRequest { items, product_id, quantity, address_id, shipping_address } = request;
    let items = match (product_id, quantity) {
        (Some(_), _) | (_, Some(_)) if !items.is_empty() => {
            return Err(Error::invalid(
                "items",
                "must not be combined with product_id and quantity",
            ));
        }
        (Some(product), quantity) => {
            let product = product.parse().map_err(|error| Error::invalid("product_id", error))?;
            vec![Item { product, quantity: quantity.unwrap_or(1) }]
        }
        (None, Some(_)) => return Err(Error::invalid("product_id", "is required with quantity")),
        (None, None) if items.is_empty() => {
            return Err(Error::invalid("items", "must have at least 1 item"));
        }
        (None, None) => items.iter().enumerate().map(item).collect::<Result<_, _>>()?,
    };
    let ships_to = match (address_id, shipping_address) {
        (Some(_), Some(_)) => {
            let issue = "must not be combined with shipping_address";
            return Err(Error::invalid("address_id", issue));
        }
        (Some(id), None) => {
            let id = id.parse().map_err(|error| Error::invalid("address_id", error))?;
            Some(ShipsTo::Book(id))
        }
        (None, address) => address.map(|address| ShipsTo::Postal(address.into())),
    };
    Ok(Wanted { items, ships_to })
}

/// Which orders a request asks for; `visible` says whose, of those that it names.
pub fn filters(
    request: &ListOrdersRequest,
    visible: impl FnOnce(Option<UserId>) -> Result<Option<UserId>, Failure>,
) -> Result<Filters, Error> {
    let customer = request.customer_id.as_deref().map(str::parse).transpose();
    let product = request.product_id.as_deref().map(str::parse::<ProductId>).transpose();
    Ok(Filters {
        customer: visible(customer.map_err(|error| Error::invalid("customer_id", error))?)?,
        state: request.status.is_some().then(|| state(request.status())).flatten(),
        created_after: moment("created_after", request.created_after.as_ref())?,
        created_before: moment("created_before", request.created_before.as_ref())?,
        product: product.map_err(|error| Error::invalid("product_id", error))?,
    })
}

fn moment(field: &str, at: Option<&Timestamp>) -> Result<Option<OffsetDateTime>, Error> {
    // what no database can compare is no moment either
    let years = 1..=9999;
    at.map(|at| {
        let at = wire::time(at).filter(|at| years.contains(&at.year()));
        at.ok_or_else(|| Error::invalid(field, "must be a time of the years 1 to 9999"))
    })
    .transpose()
}

/// The state that a status is of.
fn state(status: OrderStatus) -> Option<State> {
    State::ALL.into_iter().find(|state| OrderStatus::from(*state) == status)
}

/// All that has happened to an order.
pub fn timeline(history: History, webhooks: Vec<Delivery>) -> Timeline {
    let History { purchase, changes, stock } = history;
    let id = purchase.id();
    let (stock_moves, stock_moves_unavailable) = match stock {
        StockMoves::Known(moves) => (moves, false),
        StockMoves::Unknown => (Vec::new(), true),
        StockMoves::Untold => (Vec::new(), false),
    };
    Timeline {
        order_id: id.to_string(),
        changes: changes.into_iter().map(TimelineChange::from).collect(),
        payments: purchase.payments.iter().map(|it| payments::payment(id, it)).collect(),
        refunds: purchase.refunds.iter().map(|it| payments::refund(id, it)).collect(),
        shipments: purchase.shipment.iter().map(|it| shipments::shipment(id, it)).collect(),
        webhooks: webhooks.into_iter().map(WebhookDelivery::from).collect(),
        stock_moves: stock_moves.into_iter().map(TimelineStockMove::from).collect(),
        stock_moves_unavailable,
    }
}

impl From<StockMove> for TimelineStockMove {
    fn from(moved: StockMove) -> Self {
        Self {
            product_id: moved.product.to_string(),
            kind: moved.kind,
            available: moved.available,
            reserved: moved.reserved,
            actor: moved.actor.to_string(),
            occurred_at: Some(wire::timestamp(moved.at)),
        }
    }
}

impl From<Entry> for TimelineChange {
    fn from(entry: Entry) -> Self {
        Self {
            action: entry.action,
            status: entry.state,
            actor: entry.actor.to_string(),
            reason: entry.reason,
            request_id: entry.request_id,
            occurred_at: Some(wire::timestamp(entry.at)),
        }
    }
}

fn item((position, item): (usize, &CreateOrderItem)) -> Result<Item, Error> {
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

/// What a call is answered that has cancelled an order.
pub fn cancelled(purchase: &Purchase, _: Uuid) -> Option<Answer> {
    Some(answer(&purchase.order))
}

/// The event of an order's last change.
pub fn event(id: EventId, order: &order::Order, action: Action) -> Vec<u8> {
    let event = OrderEvent {
        id: id.to_string(),
        sequence: order.version,
        occurred_at: Some(wire::timestamp(order.updated_at)),
        order: Some(order.clone().into()),
        position: String::new(),
        action: action.name().to_owned(),
    };
    event.encode_to_vec()
}

impl From<order::Order> for Order {
    fn from(order: order::Order) -> Self {
        let reserved_until = order.reserved_until.filter(|_| order.state.is_held_for_a_time());
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
            number: order.number.map(|number| format!("S-{number}")).unwrap_or_default(),
            shipping_address: order.ships_to.map(Into::into),
            amount_paid: Some(order.paid.into()),
            amount_refunded: Some(order.refunded.into()),
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
            State::Delivered => Self::Delivered,
            State::Rejected => Self::Rejected,
            State::PaymentFailed => Self::PaymentFailed,
            State::Cancelled => Self::Cancelled,
            State::Expired => Self::Expired,
            State::Refunded => Self::Refunded,
            State::PartiallyRefunded => Self::PartiallyRefunded,
            State::Later => Self::Unspecified,
        }
    }
}
