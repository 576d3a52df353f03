//! The auth service: accounts, sessions, and the access tokens that every other service verifies
//! on its own.

mod accounts;
mod clients;
mod error;
mod grpc;
mod keys;
mod passwords;
mod roles;
mod sessions;
mod store;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use souk_db::Database;
use souk_kit::auth::Verifier;
use souk_kit::secret::MasterSecret;
use souk_kit::server::Service;
use souk_kit::{Channel, stack};
use souk_proto::souk::auth::v1::auth_service_server::{AuthServiceServer, SERVICE_NAME};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use clients::Client;
pub use error::Error;
pub use passwords::Weakness;
pub use roles::scope;

use accounts::Accounts;
use clients::Clients;
use grpc::Handlers;
use keys::Keys;
use passwords::Hasher;
use sessions::Sessions;
use tokens::Issuer;

/// The audience of tokens that are for this service only.
pub const AUDIENCE: &str = "auth";

/// The schema.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// No request of this contract comes near it.
const MAX_REQUEST: usize = 64 * 1024;
/// How often expired tokens are deleted.
const TIDY_INTERVAL: Duration = Duration::from_secs(3600);

/// What the service needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// The master secret: encrypts private keys at rest, and makes refresh tokens out of others.
    /// All processes of this service share one, and it stays the same.
    pub secret: MasterSecret,
    /// The services that may use client credentials.
    pub clients: Vec<Client>,
}

/// The service. Clones share everything.
#[derive(Clone)]
pub struct Auth {
    database: Database,
    handlers: Handlers,
    verifier: Arc<Verifier>,
}

impl Auth {
    /// Takes up work on a migrated database, and makes a signing key if there is none. Any number
    /// of processes may do so at once.
    ///
    /// # Errors
    ///
    /// [`Error::WrongSecret`] if the keys in the database were encrypted with another secret; the
    /// database's.
    pub async fn start(database: Database, options: Options) -> Result<Self, Error> {
        let keys = Keys::new(database.clone());
        let issuer = Issuer::new(keys.active(&options.secret).await?);
        let accounts = Accounts::new(database.clone(), Hasher::start().await?);
        let handlers = Handlers {
            sessions: Sessions::new(
                database.clone(),
                accounts.clone(),
                issuer.clone(),
                options.secret.derive("refresh-token"),
            ),
            clients: Clients::new(options.clients, issuer),
            accounts,
            keys,
        };
        let inner = Channel::in_process(routes(&handlers));
        let verifier = Arc::new(Verifier::new(inner, AUDIENCE));
        Ok(Self { database, handlers, verifier })
    }

    /// The service, with its guard: to be served, or called in process.
    pub fn service(&self) -> Service {
        Service {
            name: SERVICE_NAME,
            routes: stack::wrap(routes(&self.handlers), self.verifier.clone()),
            probe: self.database.probe(),
        }
    }

    /// The background work, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.verifier.keep_fresh() => {}
            () = self.tidy() => {}
        }
    }

    /// Makes sure that there is an account of this address and that it is an admin. True if it had
    /// to be created; one that was there becomes an admin only by its own password.
    ///
    /// # Errors
    ///
    /// The address or the password will not do, or is not that of the account; the database's.
    pub async fn ensure_admin(&self, email: &str, password: &SecretString) -> Result<bool, Error> {
        self.handlers.accounts.ensure_admin(email, password).await
    }

    async fn tidy(&self) {
        loop {
            if let Err(error) = self.handlers.sessions.forget_expired().await {
                tracing::warn!(error = souk_kit::failure::chain(&error), "cannot tidy up sessions");
            }
            tokio::time::sleep(TIDY_INTERVAL).await;
        }
    }
}

/// The contract without the guard.
fn routes(handlers: &Handlers) -> Routes {
    Routes::new(AuthServiceServer::new(handlers.clone()).max_decoding_message_size(MAX_REQUEST))
}
