//! The catalog service: products, categories, and a stock that is never oversold.

mod categories;
mod error;
mod grpc;
mod import;
mod products;
mod reservations;
mod stock;
mod store;

use std::sync::Arc;
use std::time::Duration;

use souk_db::Database;
use souk_kit::Channel;
use souk_kit::auth::Verifier;
use souk_kit::cursor::Cursors;
use souk_kit::secret::MasterSecret;
use souk_kit::server::Service;
use souk_kit::stack;
use souk_proto::souk::catalog::v1::catalog_service_server::{CatalogServiceServer, SERVICE_NAME};
use sqlx::migrate::Migrator;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use error::Error;

/// The schema of the service's database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The audience of tokens that are for this service only.
pub const AUDIENCE: &str = "catalog";

/// How often reservations whose time is over give their stock back.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);
const MAX_MESSAGE: usize = 1024 * 1024;

/// The catalog service.
#[derive(Debug, Clone)]
pub struct Catalog {
    database: Database,
    cursors: Cursors,
    verifier: Arc<Verifier>,
}

impl Catalog {
    /// The service on its database. `auth` publishes the keys that verify access tokens.
    pub fn new(database: Database, secret: &MasterSecret, auth: Channel) -> Self {
        let verifier = Arc::new(Verifier::new(auth, AUDIENCE));
        Self { database, cursors: Cursors::new(secret), verifier }
    }

    /// The gRPC service with its layers, to be served or called in process.
    pub fn service(&self) -> Service {
        let server = CatalogServiceServer::new(self.clone()).max_decoding_message_size(MAX_MESSAGE);
        Service {
            name: SERVICE_NAME,
            routes: stack::wrap(Routes::new(server), self.verifier.clone()),
            probe: self.database.probe(),
        }
    }

    /// The background work: expiring reservations, keeping keys fresh. Ends with `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let expire = async {
            loop {
                tokio::time::sleep(EXPIRY_INTERVAL).await;
                if let Err(error) = self.expire_reservations().await {
                    tracing::warn!(%error, "cannot expire reservations");
                }
            }
        };
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = expire => {}
            () = self.verifier.keep_fresh() => {}
        }
    }

    /// Whether no product was ever created: the first start.
    ///
    /// # Errors
    ///
    /// The database does not answer.
    pub async fn is_untouched(&self) -> Result<bool, Error> {
        Ok(store::products::none_ever(self.database.pool()).await?)
    }
}
