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
mod options;
mod problem;
mod routes;
mod table;
pub mod transcode;

use std::sync::Arc;

use souk_kit::Channel;
use souk_kit::auth::Verifier;
use souk_kit::listener::{self, Protocol};
use souk_kit::server::Probe;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use options::Options;

use crate::call::Calls;
use crate::edge::Edge;
use crate::table::Table;

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
