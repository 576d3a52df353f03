//! The orders service: accepts an order once, and carries it to where it stays, whoever dies on
//! the way.

mod address;
mod addressing;
mod cancelling;
mod catalog;
mod changing;
mod crash;
mod error;
mod feed;
mod grpc;
mod history;
mod listing;
mod numbering;
mod order;
mod paying;
mod payment;
mod payments;
mod placing;
mod purchase;
mod reading;
mod receiving;
mod recent;
mod refund;
mod saga;
mod shipment;
mod shortage;
mod slots;
mod state;
mod stock;
mod store;
mod transition;
mod waiting;
mod watching;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use souk_db::{Access, Database, Totals, idempotency};
use souk_kit::Channel;
use souk_kit::auth::{ServiceToken, Verifier};
use souk_kit::cursor::Cursors;
use souk_kit::secret::MasterSecret;
use souk_kit::server::Service;
use souk_kit::stack::{Limits, Stack};
use souk_proto::souk::orders::v1::addresses_service_server::{self, AddressesServiceServer};
use souk_proto::souk::orders::v1::order_events_service_server::{self, OrderEventsServiceServer};
use souk_proto::souk::orders::v1::orders_service_server::{self, OrdersServiceServer};
use souk_proto::souk::orders::v1::payments_service_server::{self, PaymentsServiceServer};
use souk_proto::souk::orders::v1::provider_events_service_server::{
    self, ProviderEventsServiceServer,
};
use souk_proto::souk::orders::v1::shipments_service_server::{self, ShipmentsServiceServer};
use souk_proto::souk::orders::v1::webhook_endpoints_service_server::{
    self, WebhookEndpointsServiceServer,
};
use sqlx::migrate::Migrator;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use error::Error;
pub use payments::{http, razorpay};
pub use webhooks::address::Policy as WebhookPolicy;

use catalog::Catalog;
use changing::Changing;
use feed::Feed;
use grpc::Handlers;
use payments::Providers;
use placing::Placing;
use saga::Saga;
use slots::Slots;
use transition::Transitions;
use waiting::Waiting;
use webhooks::Webhooks;

/// The schema of the service's database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The audience of tokens that are for this service only.
pub const AUDIENCE: &str = "orders";
/// The name under which this service gets its own tokens.
pub const CLIENT_ID: &str = "orders";
/// What those tokens have to allow.
pub const CLIENT_SCOPES: &[&str] = &["stock:reserve"];
/// Which services they are for.
pub const CLIENT_AUDIENCES: &[&str] = &[CATALOG];

/// The services of the contract.
pub const SERVICES: [&str; 7] = [
    orders_service_server::SERVICE_NAME,
    payments_service_server::SERVICE_NAME,
    shipments_service_server::SERVICE_NAME,
    addresses_service_server::SERVICE_NAME,
    order_events_service_server::SERVICE_NAME,
    provider_events_service_server::SERVICE_NAME,
    webhook_endpoints_service_server::SERVICE_NAME,
];

const CATALOG: &str = "catalog";
/// How often what nobody needs any more is forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);
/// How long a statement of the background work may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(10);

/// What the service needs besides its database and its neighbours.
#[derive(Debug)]
pub struct Options {
    /// Makes cursors tamper-evident.
    pub secret: MasterSecret,
    /// The secret with which the service gets its own tokens.
    pub client_secret: secrecy::SecretString,
    /// How long stock is held for an order that is not paid.
    pub reservation_ttl: Duration,
    /// Orders of one product that are placed at once, at least 1: enough to fill the batches, and few
    /// enough that they leave room to those of other products.
    pub product_slots: usize,
    /// Whether orders can be paid in a sandbox, where no money moves.
    pub sandbox_payments: bool,
    /// What calls Razorpay, where orders can be paid through it.
    pub razorpay: Option<razorpay::Razorpay>,
    /// Where webhooks may go besides public addresses, by HTTPS.
    pub webhooks: WebhookPolicy,
    /// How much it does at once.
    pub limits: Limits,
}

/// The orders service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Orders {
    handlers: Handlers,
    saga: Saga,
    verifier: Arc<Verifier>,
    limits: Limits,
}

impl Orders {
    /// The service on its database, calling the auth service and the catalog.
    ///
    /// # Errors
    ///
    /// The contract asks for idempotency keys where the service keeps none.
    pub fn new(
        database: Database,
        options: Options,
        auth: Channel,
        catalog: Channel,
    ) -> anyhow::Result<Self> {
        for service in SERVICES {
            souk_kit::idempotency::check(service, grpc::KEYED)?;
        }
        let token = ServiceToken::new(auth.clone(), CLIENT_ID, options.client_secret, CATALOG);
        let catalog = Arc::new(Catalog::new(catalog, token));
        let transitions = Transitions::new(database.clone(), grpc::ENCODING);
        let waiting = Waiting::default();
        let providers =
            Providers::new(database.clone(), options.sandbox_payments, options.razorpay);
        let saga = Saga::new(
            database.clone(),
            catalog.clone(),
            providers.clone(),
            transitions.clone(),
            waiting.clone(),
            options.reservation_ttl,
        );
        let handlers = Handlers {
            placing: Placing::new(
                database.clone(),
                catalog.clone(),
                transitions.clone(),
                saga.clone(),
                waiting.clone(),
                Slots::new(options.product_slots),
                grpc::ENCODING,
            ),
            changing: Changing::new(database.clone(), transitions, saga.clone(), waiting),
            providers,
            feed: Feed::new(database.clone()),
            webhooks: Webhooks::new(database.clone(), options.webhooks, &options.secret)?,
            cursors: Cursors::new(&options.secret),
            totals: Totals::new(database.clone()),
            catalog,
            database,
        };
        let verifier = Arc::new(Verifier::new(auth, AUDIENCE));
        Ok(Self { handlers, saga, verifier, limits: options.limits })
    }

    /// The gRPC services with everything around them, to be served or called in process; that of the orders themselves
    /// comes first.
    pub fn services(&self) -> Vec<Service> {
        let (handlers, verifier, limits) = (&self.handlers, &self.verifier, self.limits);
        let stacks = [
            Stack::new(OrdersServiceServer::new(handlers.clone()), verifier.clone(), limits),
            Stack::new(PaymentsServiceServer::new(handlers.clone()), verifier.clone(), limits),
            Stack::new(ShipmentsServiceServer::new(handlers.clone()), verifier.clone(), limits),
            Stack::new(AddressesServiceServer::new(handlers.clone()), verifier.clone(), limits),
            Stack::new(OrderEventsServiceServer::new(handlers.clone()), verifier.clone(), limits),
            Stack::new(
                ProviderEventsServiceServer::new(handlers.clone()),
                verifier.clone(),
                limits,
            ),
            Stack::new(
                WebhookEndpointsServiceServer::new(handlers.clone()),
                verifier.clone(),
                limits,
            ),
        ];
        let service = |(name, stack)| Service { name, stack, probe: handlers.database.probe() };
        SERVICES.into_iter().zip(stacks).map(service).collect()
    }

    /// The background work: the saga, webhooks, forgetting what is over, keeping keys fresh. Ends with
    /// `shutdown`, when the steps under way are done.
    pub async fn run(&self, shutdown: CancellationToken) {
        let housekeeping = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.forget() => {}
                () = self.verifier.keep_fresh() => {}
                () = self.handlers.feed.run() => {}
            }
        };
        let webhooks = self.handlers.webhooks.run(shutdown.clone());
        tokio::join!(housekeeping, self.saga.run(shutdown.clone()), webhooks);
    }

    async fn forget(&self) {
        loop {
            if let Err(error) = forget_all(&self.handlers.database).await {
                tracing::warn!(%error, "cannot forget what is over");
            }
            sleep(FORGET_INTERVAL).await;
        }
    }
}

/// Forgets idempotency records, events and webhooks whose time is over.
async fn forget_all(database: &Database) -> Result<(), sqlx::Error> {
    let access = || -> Access { database.within(STATEMENT_LIMIT) };
    let (records, events, told, webhooks) = tokio::join!(
        async {
            while idempotency::forget_expired(&access()).await? > 0 {}
            Ok(())
        },
        async {
            while store::events::forget_old(&access()).await? > 0 {}
            Ok(())
        },
        async {
            while store::provider_events::forget_old(&access()).await? > 0 {}
            Ok(())
        },
        async {
            while store::webhooks::forget_deliveries(&access()).await? > 0 {}
            while store::webhooks::forget_rest(&access()).await? > 0 {}
            Ok(())
        },
    );
    records.and(events).and(told).and(webhooks)
}
