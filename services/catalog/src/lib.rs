//! The catalog service: products, their images, categories, and a stock that is never oversold.

mod adjusting;
mod attributes;
mod category;
mod editing;
mod error;
mod exporting;
mod files;
mod grpc;
mod image;
mod imaging;
mod import;
mod importing;
mod listing;
mod product;
mod product_type;
mod reading;
mod reservation;
mod reserving;
mod schema_bounds;
mod stock;
mod store;
mod typing;

use std::sync::Arc;
use std::time::Duration;

use souk_db::{Database, idempotency, outbox};
use souk_kit::Channel;
use souk_kit::auth::Verifier;
use souk_kit::cursor::Cursors;
use souk_kit::secret::MasterSecret;
use souk_kit::server::Service;
use souk_kit::stack::{Limits, Stack};
use souk_proto::souk::catalog::v2::CreateProductTypeRequest;
use souk_proto::souk::catalog::v2::catalog_service_server::{CatalogServiceServer, SERVICE_NAME};
use sqlx::migrate::Migrator;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use error::Error;

use files::Files;
use grpc::v1::{self, Projection};
use grpc::{Handlers, KEYED};
use imaging::Imaging;
use importing::Importing;
use reading::Reading;
use reserving::Reserving;
use typing::Typing;

/// The schema of the service's database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The audience of tokens that are for this service only.
pub const AUDIENCE: &str = "catalog";

/// The largest message of a stream; the stack has refused larger requests of one message before.
const MAX_MESSAGE: usize = 1024 * 1024;
/// How often reservations whose time is over give their stock back.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);
/// How often it is looked whether products can be found by something else than before.
const REINDEX_INTERVAL: Duration = Duration::from_secs(1);
/// How often what nobody needs any more is forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);
/// How long a statement of the background work may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(10);

/// What the service needs besides its database and its neighbours.
#[derive(Debug, Clone)]
pub struct Options {
    /// Makes cursors tamper-evident.
    pub secret: MasterSecret,
    /// How much it does at once.
    pub limits: Limits,
    /// Where images are, and how large they may be.
    pub images: Images,
}

/// Where the files of images are, and how large they may be.
#[derive(Debug, Clone)]
pub struct Images {
    /// A folder, or the URL of a bucket: `s3://bucket/folder`, `gs://…`, `az://…`.
    pub store: String,
    /// How many bytes an image has at most.
    pub max_bytes: u64,
}

/// The catalog service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog {
    handlers: Handlers,
    verifier: Arc<Verifier>,
    limits: Limits,
}

impl Catalog {
    /// The service on its database. `auth` publishes the keys that verify access tokens.
    ///
    /// # Errors
    ///
    /// The contract asks for idempotency keys where the service keeps none, or there can be no images where
    /// they should be.
    pub fn new(database: Database, options: Options, auth: Channel) -> anyhow::Result<Self> {
        souk_kit::idempotency::check(SERVICE_NAME, KEYED)?;
        let typing = Typing::default();
        let Images { store, max_bytes } = options.images;
        let handlers = Handlers {
            reading: Reading::new(database.clone(), Cursors::new(&options.secret)),
            reserving: Reserving::new(database.clone()),
            importing: Importing::new(database.clone(), typing.clone()),
            imaging: Imaging::new(database.clone(), Files::open(&store)?, max_bytes),
            typing,
            database,
        };
        let verifier = Arc::new(Verifier::new(auth, AUDIENCE));
        Ok(Self { handlers, verifier, limits: options.limits })
    }

    /// The versions of the gRPC service, the newest first, with everything around them, to be served or
    /// called in process.
    pub fn services(&self) -> [Service; 2] {
        let server =
            CatalogServiceServer::new(self.handlers.clone()).max_decoding_message_size(MAX_MESSAGE);
        // one stack: together they do no more at once than one may
        let stack = Stack::new(Projection(server), self.verifier.clone(), self.limits);
        [SERVICE_NAME, v1::SERVICE_NAME].map(|name| Service {
            name,
            stack: stack.clone(),
            probe: self.handlers.database.probe(),
        })
    }

    /// The background work: expiring reservations, indexing products anew, deleting files that are not wanted,
    /// forgetting what is over, keeping keys fresh. Ends with `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.expire() => {}
            () = self.forget() => {}
            () = self.reindex() => {}
            () = self.handlers.imaging.sweep() => {}
            () = self.verifier.keep_fresh() => {}
        }
    }

    /// Whether no product was ever created: the first start.
    ///
    /// # Errors
    ///
    /// The database does not answer.
    pub async fn is_untouched(&self) -> Result<bool, Error> {
        let access = self.handlers.database.within(STATEMENT_LIMIT);
        self.handlers.reading.is_untouched(&access).await
    }

    /// Makes sure that there is a product type of this name. One that is there stays as it is.
    ///
    /// # Errors
    ///
    /// The type makes no sense, or the database does not answer.
    pub async fn ensure_type(&self, message: CreateProductTypeRequest) -> Result<(), Error> {
        let (name, definition) = grpc::new_product_type(message)?;
        let access = self.handlers.database.within(STATEMENT_LIMIT);
        match self.handlers.typing.create(&access, &name, &definition).await {
            Ok(_) | Err(Error::TypeNameTaken) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn expire(&self) {
        loop {
            match self.handlers.reserving.expire().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    let error = souk_kit::failure::chain(&error);
                    tracing::warn!(error, "cannot expire reservations");
                }
            }
            sleep(EXPIRY_INTERVAL).await;
        }
    }

    async fn reindex(&self) {
        loop {
            let access = self.handlers.database.within(STATEMENT_LIMIT);
            match self.handlers.typing.reindex(&access).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => {
                    let error = souk_kit::failure::chain(&error);
                    tracing::warn!(error, "cannot index products anew");
                }
            }
            sleep(REINDEX_INTERVAL).await;
        }
    }

    async fn forget(&self) {
        loop {
            let access = self.handlers.database.within(STATEMENT_LIMIT);
            match idempotency::forget_expired(&access).await {
                // there may be more
                Ok(1..) => continue,
                Ok(0) => {}
                Err(error) => tracing::warn!(%error, "cannot forget idempotency records"),
            }
            match outbox::forget_old(&access).await {
                Ok(1..) => continue,
                Ok(0) => {}
                Err(error) => tracing::warn!(%error, "cannot forget old events"),
            }
            match self.handlers.importing.forget_old().await {
                Ok(1..) => continue,
                Ok(0) => {}
                Err(error) => {
                    let error = souk_kit::failure::chain(&error);
                    tracing::warn!(error, "cannot forget old imports");
                }
            }
            sleep(FORGET_INTERVAL).await;
        }
    }
}
