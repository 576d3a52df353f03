//! The gRPC interface: decode, delegate, encode.

mod messages;

use souk_db::idempotency::Call;
use souk_db::{Database, Totals};
use souk_kit::cursor::Cursors;
use souk_kit::id::{OrderId, UserId};
use souk_kit::idempotency::Operation;
use souk_kit::page::Page;
use souk_kit::request::{Context, open, open_named};
use souk_kit::{Failure, wire};
use souk_proto::souk::orders::v1::orders_service_server::{OrdersService, SERVICE_NAME};
use souk_proto::souk::orders::v1::{
    CancelOrderRequest, CreateOrderRequest, GetOrderRequest, ListOrdersRequest, ListOrdersResponse,
    Order,
};
use tonic::metadata::MetadataValue;
use tonic::{Request, Response, Status};

use crate::cancelling::Cancelling;
use crate::placing::{Placed, Placing};
use crate::transition::Encoding;
use crate::{Error, reading};

/// The scope that sees the orders of everybody.
const READ_ALL: &str = "orders:read_all";
const CREATE_ORDER: Operation = Operation::new(SERVICE_NAME, "CreateOrder");
/// The RPCs that keep idempotency keys.
pub const KEYED: &[Operation] = &[CREATE_ORDER];
/// How orders are written for others.
pub const ENCODING: Encoding =
    Encoding { operation: CREATE_ORDER, answer: messages::answer, event: messages::event };

type Reply<T> = Result<Response<T>, Status>;

/// The use cases behind the contract.
#[derive(Debug, Clone)]
pub struct Handlers {
    pub database: Database,
    pub cursors: Cursors,
    pub totals: Totals,
    pub placing: Placing,
    pub cancelling: Cancelling,
}

#[tonic::async_trait]
impl OrdersService for Handlers {
    async fn create_order(&self, request: Request<CreateOrderRequest>) -> Reply<Order> {
        let (context, message) = open(request)?;
        let customer = customer(&context)?;
        let call = Call::of(&context, CREATE_ORDER, &message)?;
        let items = message.items.iter().enumerate().map(messages::item);
        let items = items.collect::<Result<Vec<_>, _>>()?;
        match self.placing.place(&context, customer, call, &items).await? {
            Placed::Answered { answer, replayed } => answer.reply(replayed),
            Placed::Pending(order) => {
                let mut response = Response::new(order.into());
                // accepted, and still under way (RFC 9110, section 15.3.3)
                response.metadata_mut().insert("x-http-code", MetadataValue::from_static("202"));
                Ok(response)
            }
        }
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Reply<Order> {
        let (context, id, _) = open_named(request, |message| parse_id(&message.id))?;
        let access = self.database.until(context.deadline);
        let order = reading::order(&access, id, visible_to(&context)?).await?;
        Ok(Response::new(order.into()))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Reply<ListOrdersResponse> {
        let (context, ListOrdersRequest { size, cursor, page }) = open(request)?;
        let customer = visible_to(&context)?;
        let list = reading::list_of(customer);
        let page = Page::parse(&self.cursors, &list, size, &cursor, page)?;
        let access = self.database.until(context.deadline);
        let _place = self.database.place_to_list().await;
        let (rows, position) =
            reading::list(&access, &self.cursors, &self.totals, customer, &page).await?;
        let data = rows.into_iter().map(Order::from).collect();
        let pagination = Some(wire::pagination(position));
        Ok(Response::new(ListOrdersResponse { data, pagination }))
    }

    async fn cancel_order(&self, request: Request<CancelOrderRequest>) -> Reply<Order> {
        let (context, id, _) = open_named(request, |message| parse_id(&message.id))?;
        let order = self.cancelling.cancel(&context, id, customer(&context)?).await?;
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

/// Reads the id that a path names. Text that can be no id names nothing.
fn parse_id(id: &str) -> Result<OrderId, Error> {
    id.parse().map_err(|_| Error::NoSuchId(id.to_owned()))
}
