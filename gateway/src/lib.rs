//! The REST gateway: it serves the contracts as REST and JSON, and knows none of them.
//!
//! At start-up the contracts become routes and transcoding plans. A request then goes from the
//! listener (connections and their limits) through `edge` (request id, deadline, the form of errors)
//! and `table` (its route) to `call`: its token is checked, parameters and JSON become wire bytes, the
//! service is called over gRPC, and its wire bytes become JSON.

mod answer;
mod call;
mod caller;
mod codec;
mod docs;
mod edge;
mod health;
mod http_rules;
mod input;
mod location;
mod media;
mod problem;
mod routes;
mod table;
pub mod transcode;

use std::sync::Arc;
use std::time::Duration;

use souk_kit::Channel;
use souk_kit::auth::Verifier;
use souk_kit::listener::{self, Protocol};
use souk_kit::server::Probe;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::call::Calls;
use crate::edge::Edge;
use crate::table::Table;

/// The limits of a gateway.
#[derive(Debug, Clone)]
pub struct Options {
    /// The largest body of a request, in bytes, whatever its contract takes.
    pub max_body: usize,
    /// How many bytes of bodies that are still arriving are kept.
    pub body_bytes: usize,
    /// How long a client may take to send the head of a request, from its first byte.
    pub header_timeout: Duration,
    /// How long a client may pause while it sends a body.
    pub body_idle: Duration,
    /// How long a request may take, from its head to its answer.
    pub request_limit: Duration,
    /// How long a connection may have nothing to do before it is closed.
    pub connection_idle: Duration,
    /// How many connections are served at once; when there are more, the idlest are closed, and where
    /// none is idle others wait in the backlog of the listener.
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
            body_bytes: 64 * 1024 * 1024,
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

/// A service behind the gateway.
#[derive(Clone)]
pub struct Upstream {
    /// Its full gRPC name: `souk.catalog.v1.CatalogService`.
    pub name: String,
    /// How to reach it.
    pub channel: Channel,
    /// Whether it can work; `None` asks its health service.
    pub probe: Option<Probe>,
}

/// The contracts as REST, ready to be served.
pub struct Gateway {
    edge: Edge,
    options: Options,
}

impl Gateway {
    /// Compiles the contracts of the services behind it. Services that are not among them are not
    /// served. `verifier` looks at access tokens before anything else of a request is read; the
    /// services look at them again.
    ///
    /// # Errors
    ///
    /// A service that no contract has, or a contract that cannot be served as REST.
    pub fn new(
        upstreams: Vec<Upstream>,
        verifier: Arc<Verifier>,
        options: Options,
    ) -> anyhow::Result<Self> {
        let (routes, plans) = routes::compile(&upstreams)?;
        let pages = docs::router(docs::Pages::build()).merge(health::router(upstreams));
        let table = Table::new(routes)?;
        let calls = Calls::new(plans, verifier, &options);
        Ok(Self { edge: Edge::new(table, calls, pages, &options), options })
    }

    /// Serves HTTP/1.1 and HTTP/2 without TLS on a listener until `shutdown`, then lets requests
    /// finish, no longer than the drain limit.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let Options { header_timeout, connection_idle, max_connections, drain_limit, .. } =
            self.options;
        let options = listener::Options {
            protocol: Protocol::Http,
            connections: max_connections,
            streams: REQUESTS_PER_CONNECTION,
            header_timeout,
            idle: connection_idle,
            drain: drain_limit,
            rejection: Some(edge::rejection),
        };
        listener::serve(listener, self.edge, options, shutdown).await;
    }
}

/// Requests that one HTTP/2 connection may have under way.
const REQUESTS_PER_CONNECTION: u32 = 128;
