//! Orders, live.

use futures::StreamExt as _;
use futures::stream::BoxStream;
use souk_kit::Failure;
use souk_kit::request::{LAST_EVENT_ID, open, open_named};
use souk_proto::souk::orders::v1::order_events_service_server::OrderEventsService;
use souk_proto::souk::orders::v1::{OrderEvent, WatchOrderRequest, WatchOrdersRequest};
use tonic::{Request, Response, Status};

use super::{Handlers, Reply, parse_order, visible_to};
use crate::{Error, reading, watching};

type Events = BoxStream<'static, Result<OrderEvent, Status>>;

#[tonic::async_trait]
impl OrderEventsService for Handlers {
    type WatchOrderStream = Events;

    async fn watch_order(&self, request: Request<WatchOrderRequest>) -> Reply<Events> {
        let last = last_event(&request);
        let (context, id, message) = open_named(request, |message| parse_order(&message.id))?;
        let after = match last {
            Some(last) => parse(&last, "after_sequence")?,
            None => message.after_sequence,
        };
        // whose order it is, and that there is one
        let order = reading::order(&self.until(&context), id, visible_to(&context)?).await?;
        let events = watching::order(&self.feed, &order, after).map(|event| {
            // where it is in the stream of all, who follows one does not learn
            event.map(|event| OrderEvent { position: String::new(), ..event })
        });
        Ok(Response::new(events.map(|event| event.map_err(Status::from)).boxed()))
    }

    type WatchOrdersStream = Events;

    async fn watch_orders(&self, request: Request<WatchOrdersRequest>) -> Reply<Events> {
        let last = last_event(&request);
        let (context, message) = open(request)?;
        let last = last.unwrap_or(message.after_position);
        let after = match last.as_str() {
            "" => None,
            last => Some(not_negative(parse(last, "after_position")?)?),
        };
        let events = watching::orders(&self.feed, visible_to(&context)?, after).await?;
        Ok(Response::new(events.map(|event| event.map_err(Status::from)).boxed()))
    }
}

fn not_negative(position: i64) -> Result<i64, Failure> {
    (position >= 0).then_some(position).ok_or_else(|| unreadable("after_position"))
}

/// What a client that comes back has seen last.
fn last_event<T>(request: &Request<T>) -> Option<String> {
    let last = request.metadata().get(LAST_EVENT_ID.as_str())?.to_str().ok()?;
    (!last.is_empty()).then(|| last.to_owned())
}

fn parse<T: std::str::FromStr>(text: &str, field: &str) -> Result<T, Failure> {
    text.parse().map_err(|_| unreadable(field))
}

fn unreadable(field: &str) -> Failure {
    Error::invalid(field, "must be that of an event which was seen").into()
}
