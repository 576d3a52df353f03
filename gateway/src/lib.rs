//! The REST gateway: it serves contracts as REST and JSON, and knows none of them.
//!
//! At start-up the contracts become a model of what is exposed (`api`), and that becomes routes and
//! transcoding plans. A request then goes from the listener (connections and their limits) through
//! `edge` (request id, deadline, the form of errors) and `routing` (its route) to `call` or `stream`: its
//! token is checked, parameters and JSON become wire bytes, the service is called over gRPC, and its wire
//! bytes become JSON.
//!
//! [`multipart`], [`template`] and [`transcode`] are public for those who measure and fuzz them.

mod admission;
mod api;
mod cache;
mod call;
mod docs;
mod edge;
mod errors;
mod event_id;
mod field_path;
mod limits;
mod openapi;
mod options;
mod reply;
mod request;
mod response;
mod routing;
mod rpc;
mod stream;
pub mod template;
pub mod transcode;
mod upstream;
mod valkey;

use std::sync::Arc;

use souk_kit::auth::Verifier;
use souk_kit::listener::{self, Protocol};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use api::{Access, Contracts, Unsaid};
pub use openapi::Documents;
pub use options::{Options, Streams};
pub use request::multipart;
pub use transcode::Style;
pub use upstream::Upstream;
pub use upstream::forwarding::{ForwardedHeader, NotForwarded};
pub use valkey::Valkey;

use crate::admission::Gate;
use crate::api::Api;
use crate::edge::Edge;
use crate::edge::browsers::Browsers;
use crate::edge::pages::Pages;
use crate::limits::Limits;
use crate::routing::Table;
use crate::rpc::Rpcs;
use crate::upstream::target::Targets;

/// The contracts as REST, ready to be served.
pub struct Gateway {
    edge: Edge,
    options: Options,
    /// Tells streams that the process ends.
    ending: CancellationToken,
}

impl Gateway {
    /// Compiles the contracts of the services behind it. Services that are not among them are not
    /// served. `verifier` looks at access tokens before anything else of a request is read; the
    /// services look at them again. Without one, all RPCs must be public.
    ///
    /// # Errors
    ///
    /// A service that no contract has, a contract that cannot be served as REST, or an RPC that asks
    /// for a token that nobody can verify.
    pub fn new(
        contracts: &Contracts,
        upstreams: Vec<Upstream>,
        verifier: Option<Arc<Verifier>>,
        options: Options,
    ) -> anyhow::Result<Self> {
        let api = Api::of(contracts, upstreams.iter().map(|upstream| upstream.name.as_str()))?;
        if verifier.is_none() {
            refuse_tokens(&api)?;
        }
        let limits = Limits::new(&options);
        let targets = Targets::new(&api, &upstreams, &limits)?;
        let (routes, plans) = routing::compile(&api, &targets, contracts.style())?;
        let rpcs = Rpcs::compile(&api, &targets)?;
        let documents = Documents::of_api(&api, contracts.style())?;
        let pages = docs::pages(&api, documents).into_iter().chain(edge::health::pages(upstreams));
        let pages = Pages::new(pages)?;
        let table = Table::new(routes)?;
        let gate = Gate::new(verifier, limits, &options);
        let ending = CancellationToken::new();
        let edge = Edge::new(table, plans, rpcs, gate, pages, &options, ending.clone());
        Ok(Self { edge, options, ending })
    }

    /// Serves HTTP/1.1 and HTTP/2 on a listener until `shutdown`, then lets requests
    /// finish, no longer than the drain limit. Streams end at once, and say so.
    pub async fn serve(self, listener: TcpListener, shutdown: CancellationToken) {
        let limits = self.options;
        let options = listener::Options {
            protocol: Protocol::Http,
            tls: limits.tls,
            connections: limits.max_connections,
            connections_per_address: limits.max_connections_per_address,
            proxies: limits.trusted_proxies,
            streams: REQUESTS_PER_CONNECTION,
            header_timeout: limits.header_timeout,
            idle: limits.connection_idle,
            drain: limits.drain_limit,
            rejection: Some(edge::rejection),
        };
        let ending = async {
            shutdown.cancelled().await;
            self.ending.cancel();
        };
        if limits.origins.is_empty() {
            let serving = listener::serve(listener, self.edge, options, shutdown.clone());
            tokio::join!(serving, ending);
        } else {
            let browsers = Browsers::new(self.edge, &limits.origins, &limits.forwarded_headers);
            tokio::join!(listener::serve(listener, browsers, options, shutdown.clone()), ending);
        }
    }
}

fn refuse_tokens(api: &Api) -> Result<(), Unsaid> {
    match api.operations.iter().find(|operation| operation.rpc.needs_token()) {
        None => Ok(()),
        Some(operation) => Err(Unsaid::Verifier(operation.method.full_name().to_owned())),
    }
}

/// Requests that one HTTP/2 connection may have under way.
const REQUESTS_PER_CONNECTION: u32 = 128;
