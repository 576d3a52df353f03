//! The REST gateway: it serves the contracts as REST and JSON, and knows none of them.
//!
//! At start-up the contracts become routes and transcoding plans. A request then goes from
//! `server` (connections and their limits) through `front` (request id, deadline, the form of
//! errors) and axum's router to `call`: parameters and JSON become wire bytes, the service is
//! called over gRPC, and its wire bytes become JSON.

mod body;
mod call;
mod codec;
mod docs;
mod errors;
mod front;
mod health;
mod http_rules;
mod input;
mod location;
mod router;
mod routes;
mod server;
pub mod transcode;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use souk_kit::Channel;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::front::Front;

/// The limits of a gateway.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest body of a request, in bytes.
    pub max_body: usize,
    /// How long a client may take to send the head of a request, on an open connection too.
    pub header_timeout: Duration,
    /// How long a client may pause while it sends a body.
    pub body_idle: Duration,
    /// How long a request may take, from its head to its answer.
    pub request_limit: Duration,
    /// How long a connection may have nothing to do before it is closed.
    pub connection_idle: Duration,
    /// How many connections are served at once; others wait in the backlog of the listener.
    pub max_connections: usize,
    /// How many calls may be under way at once; others are refused as OVERLOADED.
    pub max_calls: usize,
    /// How long requests may take to finish once the process has been told to end.
    pub drain_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body: 1024 * 1024,
            header_timeout: Duration::from_secs(5),
            body_idle: Duration::from_secs(10),
            request_limit: Duration::from_secs(15),
            connection_idle: Duration::from_secs(60),
            max_connections: 10_000,
            max_calls: 4096,
            drain_limit: souk_kit::server::DRAIN_LIMIT,
        }
    }
}

/// The contracts as REST, ready to be served.
pub struct Gateway {
    front: Arc<Front>,
    options: Options,
}

impl Gateway {
    /// Compiles the contracts of the services that have a channel. The names are the full gRPC
    /// names: `souk.catalog.v1.CatalogService`. Services without a channel are not served.
    ///
    /// # Errors
    ///
    /// A service that no contract has, or a contract that cannot be served as REST.
    pub fn new<N: Into<String>>(
        channels: impl IntoIterator<Item = (N, Channel)>,
        options: Options,
    ) -> anyhow::Result<Self> {
        let channels: HashMap<String, Channel> =
            channels.into_iter().map(|(name, channel)| (name.into(), channel)).collect();
        let router = router::build(&channels, &options)?;
        let front = Arc::new(Front::new(router, options.request_limit));
        Ok(Self { front, options })
    }

    /// Serves HTTP/1.1 and HTTP/2 without TLS on a listener until `shutdown`, then lets requests
    /// finish, no longer than the drain limit.
    ///
    /// # Errors
    ///
    /// None for now: a listener that fails is tried again.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: CancellationToken,
    ) -> anyhow::Result<()> {
        server::serve(listener, self.front, self.options, shutdown).await;
        Ok(())
    }
}
