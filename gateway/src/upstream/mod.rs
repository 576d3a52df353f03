//! The services behind the gateway.

mod codec;
pub(crate) mod forwarding;
pub(crate) mod pipe;
pub(crate) mod target;

use souk_kit::Channel;
use souk_kit::server::Probe;

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
