//! The orders service: accepts an order once, and carries it to where it stays, whoever dies on
//! the way.

mod catalog;
mod error;
mod grpc;
mod orders;
mod saga;
mod state;
mod store;

use std::sync::Arc;
use std::time::Duration;

use souk_db::{Database, idempotency};
use souk_kit::Channel;
use souk_kit::auth::{ServiceToken, Verifier};
use souk_kit::cursor::Cursors;
use souk_kit::secret::MasterSecret;
use souk_kit::server::Service;
use souk_kit::stack;
use souk_proto::souk::orders::v1::orders_service_server::{OrdersServiceServer, SERVICE_NAME};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use error::Error;

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

const CATALOG: &str = "catalog";
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);
const MAX_MESSAGE: usize = 256 * 1024;

/// What the service needs besides its database.
#[derive(Debug)]
pub struct Options {
    /// Makes cursors tamper-evident.
    pub secret: MasterSecret,
    /// The secret with which the service gets its own tokens.
    pub client_secret: secrecy::SecretString,
    /// How long stock is held for an order that is not paid.
    pub reservation_ttl: Duration,
}

/// The orders service.
#[derive(Debug, Clone)]
pub struct Orders {
    database: Database,
    cursors: Cursors,
    verifier: Arc<Verifier>,
    catalog: Arc<catalog::Catalog>,
    saga: saga::Saga,
}

impl Orders {
    /// The service on its database, calling the auth service and the catalog.
    pub fn new(database: Database, options: Options, auth: Channel, catalog: Channel) -> Self {
        let token = ServiceToken::new(auth.clone(), CLIENT_ID, options.client_secret, CATALOG);
        let catalog = Arc::new(catalog::Catalog::new(catalog, token));
        Self {
            saga: saga::Saga::new(database.clone(), catalog.clone(), options.reservation_ttl),
            cursors: Cursors::new(&options.secret),
            verifier: Arc::new(Verifier::new(auth, AUDIENCE)),
            catalog,
            database,
        }
    }

    /// The gRPC service with its layers, to be served or called in process.
    pub fn service(&self) -> Service {
        let server = OrdersServiceServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE);
        Service {
            name: SERVICE_NAME,
            routes: stack::wrap(Routes::new(server), self.verifier.clone()),
            probe: self.database.probe(),
        }
    }

    /// The background work: the saga, forgetting idempotency records, keeping keys fresh. Ends
    /// with `shutdown`, when the steps under way are done.
    pub async fn run(&self, shutdown: CancellationToken) {
        let forget = async {
            loop {
                match idempotency::forget_expired(self.database.pool()).await {
                    // there may be more
                    Ok(1..) => continue,
                    Ok(0) => {}
                    Err(error) => tracing::warn!(%error, "cannot forget idempotency records"),
                }
                tokio::time::sleep(FORGET_INTERVAL).await;
            }
        };
        let housekeeping = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = forget => {}
                () = self.verifier.keep_fresh() => {}
            }
        };
        tokio::join!(housekeeping, self.saga.run(shutdown.clone()));
    }
}
