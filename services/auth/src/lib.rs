//! The auth service: accounts, sessions, and the access tokens that every other service verifies
//! on its own.

mod account;
mod activating;
mod appointing;
mod authenticating;
mod authorizing;
mod client;
mod error;
mod forgetting;
mod grpc;
mod hash;
mod hashing;
mod key;
mod password;
mod publishing;
mod reading;
mod refreshing;
mod registering;
mod revoking;
mod role;
mod session;
mod signing_in;
mod store;
mod token;
mod workers;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use souk_db::Database;
use souk_kit::Channel;
use souk_kit::auth::Verifier;
use souk_kit::secret::MasterSecret;
use souk_kit::server::Service;
use souk_kit::stack::{Limits, Stack};
use souk_proto::souk::auth::v1::auth_service_server::{AuthServiceServer, SERVICE_NAME};
use sqlx::migrate::Migrator;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

pub use client::Client;
pub use error::Error;
pub use password::Weakness;
pub use role::scope;

use appointing::Appointing;
use authorizing::Authorizing;
use client::Clients;
use grpc::Handlers;
use hashing::Hasher;
use publishing::Publishing;
use refreshing::Refreshing;
use registering::Registering;
use signing_in::SigningIn;
use token::Issuer;

/// The schema of the service's database.
pub static MIGRATOR: Migrator = sqlx::migrate!();

/// The audience of tokens that are for this service only.
pub const AUDIENCE: &str = "auth";

/// How often what nobody can use any more is forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(3600);

/// What the service needs besides its database.
#[derive(Debug, Clone)]
pub struct Options {
    /// The master secret: encrypts private keys at rest, and makes refresh tokens out of others.
    /// All processes of this service share one, and it stays the same.
    pub secret: MasterSecret,
    /// The services that may use client credentials.
    pub clients: Vec<Client>,
    /// How much it does at once.
    pub limits: Limits,
}

/// The auth service. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Auth {
    handlers: Handlers,
    appointing: Appointing,
    verifier: Arc<Verifier>,
    limits: Limits,
}

impl Auth {
    /// Takes up work on a migrated database, and makes a signing key if there is none. Any number
    /// of processes may do so at once.
    ///
    /// # Errors
    ///
    /// [`Error::WrongSecret`] if the keys in the database were encrypted with another secret; the
    /// contract asks for idempotency keys, and the service keeps none; the database's.
    pub async fn start(database: Database, options: Options) -> Result<Self, Error> {
        souk_kit::idempotency::check(SERVICE_NAME, &[])
            .map_err(|error| Error::Contract(error.into()))?;
        let key = activating::active_key(&database, &options.secret).await?;
        let issuer = Issuer::new(key);
        let hasher = Hasher::start().await?;
        let registering = Registering::new(database.clone(), hasher.clone());
        let appointing = Appointing::new(database.clone(), hasher.clone(), registering.clone());
        let handlers = Handlers {
            registering,
            signing_in: SigningIn::new(database.clone(), hasher.clone(), issuer.clone()),
            refreshing: Refreshing::new(
                database.clone(),
                issuer.clone(),
                options.secret.derive("refresh-token"),
            ),
            authorizing: Authorizing::new(Clients::new(options.clients), issuer),
            publishing: Publishing::new(database.clone()),
            database,
        };
        // its own keys it asks for inside: nobody stands between the service and itself
        let inner = Channel::in_process(AuthServiceServer::new(handlers.clone()));
        let verifier = Arc::new(Verifier::new(inner, AUDIENCE));
        Ok(Self { handlers, appointing, verifier, limits: options.limits })
    }

    /// The gRPC service with everything around it, to be served or called in process.
    pub fn service(&self) -> Service {
        let server = AuthServiceServer::new(self.handlers.clone());
        Service {
            name: SERVICE_NAME,
            stack: Stack::new(server, self.verifier.clone(), self.limits),
            probe: self.handlers.database.probe(),
        }
    }

    /// The background work: forgetting what is over, keeping keys fresh. Ends with `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.forget() => {}
            () = self.verifier.keep_fresh() => {}
        }
    }

    /// Makes sure that there is an account of this address and that it is an admin. True if it had
    /// to be created; one that was there becomes an admin only by its own password.
    ///
    /// # Errors
    ///
    /// The address or the password will not do, or is not that of the account; the database's.
    pub async fn ensure_admin(&self, email: &str, password: &SecretString) -> Result<bool, Error> {
        self.appointing.ensure_admin(email, password).await
    }

    async fn forget(&self) {
        loop {
            if let Err(error) = forgetting::forget_expired(&self.handlers.database).await {
                let error = souk_kit::failure::chain(&error);
                tracing::warn!(error, "cannot forget sessions that are over");
            }
            sleep(FORGET_INTERVAL).await;
        }
    }
}
