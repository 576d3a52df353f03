//! The gRPC interface: decode, delegate, encode. A file for each service.

mod addresses;
mod events;
mod messages;
mod orders;
mod payments;
mod provider_events;
mod shipments;
mod webhooks;

use std::sync::Arc;

use souk_db::{Access, Database, Totals};
use souk_kit::Failure;
use souk_kit::cursor::Cursors;
use souk_kit::id::{OrderId, UserId};
use souk_kit::idempotency::Operation;
use souk_kit::request::Context;
use souk_proto::souk::orders::v1::addresses_service_server::SERVICE_NAME as ADDRESSES;
use souk_proto::souk::orders::v1::orders_service_server::SERVICE_NAME as ORDERS;
use souk_proto::souk::orders::v1::payments_service_server::SERVICE_NAME as PAYMENTS;
use souk_proto::souk::orders::v1::shipments_service_server::SERVICE_NAME as SHIPMENTS;
use souk_proto::souk::orders::v1::webhook_endpoints_service_server::SERVICE_NAME as WEBHOOKS;
use tonic::{Response, Status};

use crate::Error;
use crate::catalog::Catalog;
use crate::changing::Changing;
use crate::feed::Feed;
use crate::payments::Providers;
use crate::placing::Placing;
use crate::transition::Encoding;
use crate::webhooks::Webhooks;

/// The scope that sees the orders of everybody.
const READ_ALL: &str = "orders:read_all";
const CREATE_ORDER: Operation = Operation::new(ORDERS, "CreateOrder");
const CANCEL_ORDER: Operation = Operation::new(ORDERS, "CancelOrder");
const CREATE_PAYMENT: Operation = Operation::new(PAYMENTS, "CreatePayment");
const CONFIRM_PAYMENT: Operation = Operation::new(PAYMENTS, "ConfirmPayment");
const CREATE_REFUND: Operation = Operation::new(PAYMENTS, "CreateRefund");
const CREATE_SHIPMENT: Operation = Operation::new(SHIPMENTS, "CreateShipment");
const DELIVER_SHIPMENT: Operation = Operation::new(SHIPMENTS, "DeliverShipment");
const CREATE_ADDRESS: Operation = Operation::new(ADDRESSES, "CreateAddress");
const CREATE_WEBHOOK_ENDPOINT: Operation = Operation::new(WEBHOOKS, "CreateWebhookEndpoint");
const ROTATE_WEBHOOK_SECRET: Operation = Operation::new(WEBHOOKS, "RotateWebhookSecret");
const TEST_WEBHOOK_ENDPOINT: Operation = Operation::new(WEBHOOKS, "TestWebhookEndpoint");
const REDELIVER_WEBHOOK: Operation = Operation::new(WEBHOOKS, "RedeliverWebhook");
/// The RPCs that keep idempotency keys.
pub const KEYED: &[Operation] = &[
    CREATE_ORDER,
    CANCEL_ORDER,
    CREATE_PAYMENT,
    CONFIRM_PAYMENT,
    CREATE_REFUND,
    CREATE_SHIPMENT,
    DELIVER_SHIPMENT,
    CREATE_ADDRESS,
    CREATE_WEBHOOK_ENDPOINT,
    ROTATE_WEBHOOK_SECRET,
    TEST_WEBHOOK_ENDPOINT,
    REDELIVER_WEBHOOK,
];
/// How orders are written for others.
pub const ENCODING: Encoding = Encoding {
    operation: CREATE_ORDER,
    answer: messages::answer,
    payment: messages::payments::answer,
    event: messages::event,
};

type Reply<T> = Result<Response<T>, Status>;

/// The use cases behind the contract.
#[derive(Debug, Clone)]
pub struct Handlers {
    pub database: Database,
    pub catalog: Arc<Catalog>,
    pub cursors: Cursors,
    pub totals: Totals,
    pub placing: Placing,
    pub changing: Changing,
    pub providers: Providers,
    pub feed: Feed,
    pub webhooks: Webhooks,
}

impl Handlers {
    fn until(&self, context: &Context) -> Access {
        self.database.until(context.deadline)
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

/// Reads the id of an order that a path names. Text that can be no id names nothing.
fn parse_order(id: &str) -> Result<OrderId, Error> {
    id.parse().map_err(|_| Error::NoSuch("order", id.to_owned()))
}
