//! The gRPC interface: decode, delegate, encode.

use prost::Message as _;
use souk_db::idempotency::{Call, Fingerprint, Key};
use souk_kit::id::{OrderId, UserId};
use souk_kit::page::Page;
use souk_kit::request::{Context, open};
use souk_kit::{Failure, timestamp};
use souk_proto::souk::orders::v1::orders_service_server::OrdersService;
use souk_proto::souk::orders::v1::{
    CancelOrderRequest, CreateOrderItem, CreateOrderRequest, GetOrderRequest, ListOrdersRequest,
    ListOrdersResponse, Order, OrderItem, OrderStatus,
};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Request, Response, Status};

use crate::orders::{self, Item, Line};
use crate::state::State;
use crate::{Error, Orders};

/// The scope that sees the orders of everybody.
const READ_ALL: &str = "orders:read_all";
/// The operation that keys of CreateOrder belong to.
const CREATE_ORDER: &str = "souk.orders.v1.OrdersService/CreateOrder";

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl OrdersService for Orders {
    async fn create_order(&self, request: Request<CreateOrderRequest>) -> Reply<Order> {
        let key = idempotency_key(request.metadata())?;
        let (context, message) = open(request)?;
        let call = Call {
            principal: customer(&context)?.uuid(),
            operation: CREATE_ORDER,
            key,
            fingerprint: Fingerprint::of(&message.encode_to_vec()),
        };
        let items = message.items.iter().enumerate().map(item).collect::<Result<_, _>>()?;
        let placed = self.place(&context, call, items).await?;
        let pending = placed.order.status() == OrderStatus::Pending;
        let mut response = Response::new(placed.order);
        let metadata = response.metadata_mut();
        if pending {
            // accepted, and still under way (RFC 9110, section 15.3.3)
            metadata.insert("x-http-code", MetadataValue::from_static("202"));
        }
        if placed.replayed {
            metadata.insert("idempotent-replayed", MetadataValue::from_static("true"));
        }
        Ok(response)
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Reply<Order> {
        let (context, message) = open(request)?;
        let order = self.find(parse_id(&message.id)?, visible_to(&context)?).await?;
        Ok(Response::new(order.into()))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Reply<ListOrdersResponse> {
        let (context, ListOrdersRequest { size, cursor, page }) = open(request)?;
        let customer = visible_to(&context)?;
        // a cursor of one customer's list is none of another's
        let list = format!("orders of {}", customer.map_or("all".to_owned(), |id| id.to_string()));
        let page = Page::parse(&self.cursors, &list, size, &cursor, page)?;
        let (rows, pagination) = self.list(customer, &list, &page).await?;
        let data = rows.into_iter().map(Order::from).collect();
        Ok(Response::new(ListOrdersResponse { data, pagination: Some(pagination) }))
    }

    async fn cancel_order(&self, request: Request<CancelOrderRequest>) -> Reply<Order> {
        let (context, message) = open(request)?;
        let order = self.cancel(&context, parse_id(&message.id)?, customer(&context)?).await?;
        Ok(Response::new(order.into()))
    }
}

/// The person who asks.
fn customer(context: &Context) -> Result<UserId, Failure> {
    context.principal()?.user().ok_or_else(|| Error::NotAPerson.into())
}

/// Whose orders the caller sees: `None` means everybody's.
fn visible_to(context: &Context) -> Result<Option<UserId>, Failure> {
    if context.principal()?.scopes.contains(READ_ALL) {
        return Ok(None);
    }
    customer(context).map(Some)
}

fn idempotency_key(metadata: &MetadataMap) -> Result<Key, Error> {
    let key = metadata.get("idempotency-key").and_then(|key| key.to_str().ok());
    key.and_then(Key::parse).ok_or(Error::KeyMissing)
}

fn parse_id(id: &str) -> Result<OrderId, Error> {
    id.parse().map_err(|error| Error::invalid("id", error))
}

fn item((position, item): (usize, &CreateOrderItem)) -> Result<Item, Error> {
    let product = item.product_id.parse();
    let product =
        product.map_err(|error| Error::invalid(format!("items[{position}].product_id"), error))?;
    Ok(Item { product, quantity: item.quantity })
}

impl From<orders::Order> for Order {
    fn from(order: orders::Order) -> Self {
        let reserved_until = order.reserved_until.filter(|_| order.state == State::Reserved);
        Self {
            id: order.id.to_string(),
            status: OrderStatus::from(order.state).into(),
            items: order.lines.into_iter().map(OrderItem::from).collect(),
            total: Some(order.total.into()),
            currency: order.total.currency().code().to_owned(),
            created_at: Some(timestamp::to_proto(order.created_at)),
            updated_at: Some(timestamp::to_proto(order.updated_at)),
            customer_id: order.customer.to_string(),
            expires_at: reserved_until.map(timestamp::to_proto),
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
        }
    }
}
