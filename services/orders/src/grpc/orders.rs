//! Orders: placed, read and cancelled.

use souk_db::idempotency::Call;
use souk_kit::Failure;
use souk_kit::id::UserId;
use souk_kit::page::Page;
use souk_kit::request::{Context, open, open_named};
use souk_kit::wire;
use souk_proto::souk::orders::v1::orders_service_server::OrdersService;
use souk_proto::souk::orders::v1::{
    CancelOrderRequest, CreateOrderRequest, GetOrderRequest, GetTimelineRequest, ListOrdersRequest,
    ListOrdersResponse, Order, Timeline,
};
use souk_proto::souk::types::v1::Reason;
use tonic::Request;
use tonic::Response;
use tonic::metadata::MetadataValue;

use super::messages::{self, timeline};
use super::{
    CANCEL_ORDER, CREATE_ORDER, Handlers, READ_ALL, Reply, customer, parse_order, visible_to,
};
use crate::placing::Placed;
use crate::transition::Answering;
use crate::webhooks::asking;
use crate::{cancelling, reading};

#[tonic::async_trait]
impl OrdersService for Handlers {
    async fn create_order(&self, request: Request<CreateOrderRequest>) -> Reply<Order> {
        let (context, message) = open(request)?;
        let customer = customer(&context)?;
        let call = Call::of(&context, CREATE_ORDER, &message)?;
        let wanted = messages::wanted(message)?;
        match self.placing.place(&context, customer, call, wanted).await? {
            Placed::Answered { answer, replayed } => answer.reply(replayed),
            Placed::Pending(order) => Ok(under_way(Order::from(*order))),
        }
    }

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Reply<Order> {
        let (context, id, _) = open_named(request, |message| parse_order(&message.id))?;
        let order = reading::order(&self.until(&context), id, visible_to(&context)?).await?;
        Ok(Response::new(order.into()))
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Reply<ListOrdersResponse> {
        let (context, message) = open(request)?;
        let filters = messages::filters(&message, |asked| visible_list(&context, asked))?;
        let ListOrdersRequest { size, cursor, page, .. } = message;
        let page = Page::parse(&self.cursors, &filters.name(), size, &cursor, page)?;
        let _place = self.database.place_to_list().await;
        let access = self.until(&context);
        let (rows, position) =
            reading::list(&access, &self.cursors, &self.totals, &filters, &page).await?;
        let data = rows.into_iter().map(Order::from).collect();
        let pagination = Some(wire::pagination(position));
        Ok(Response::new(ListOrdersResponse { data, pagination }))
    }

    async fn cancel_order(&self, request: Request<CancelOrderRequest>) -> Reply<Order> {
        let (context, id, message) = open_named(request, |message| parse_order(&message.id))?;
        let customer = customer(&context)?;
        let call = Call::where_keyed(&context, CANCEL_ORDER, &message)?;
        let call = (call, messages::cancelled as Answering);
        let (answer, replayed) =
            cancelling::cancel(&self.changing, &context, id, customer, call).await?;
        answer.reply(replayed)
    }

    async fn get_timeline(&self, request: Request<GetTimelineRequest>) -> Reply<Timeline> {
        let (context, id, _) = open_named(request, |message| parse_order(&message.id))?;
        let access = self.until(&context);
        let visible = visible_to(&context)?;
        let history = reading::history(&access, &self.catalog, &context, id, visible).await?;
        let webhooks = asking::of_order(&access, id, visible).await?;
        Ok(Response::new(timeline(history, webhooks)))
    }
}

/// Whose orders a list has: those that are asked for, where the caller may see them.
fn visible_list(context: &Context, asked: Option<UserId>) -> Result<Option<UserId>, Failure> {
    match (visible_to(context)?, asked) {
        (None, asked) => Ok(asked),
        (Some(own), None) => Ok(Some(own)),
        (Some(own), Some(asked)) if own == asked => Ok(Some(own)),
        (Some(_), Some(_)) => Err(Failure::new(
            Reason::PermissionDenied,
            format!("the orders of others need the scope {READ_ALL}"),
        )),
    }
}

/// What is accepted, and still under way (RFC 9110, section 15.3.3).
pub fn under_way<T>(message: T) -> Response<T> {
    let mut response = Response::new(message);
    response.metadata_mut().insert("x-http-code", MetadataValue::from_static("202"));
    response
}
