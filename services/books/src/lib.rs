//! Books: a typed API on top of the catalog, and an example of one. It keeps nothing: a book is a product of the
//! type `book`, and whoever calls it calls the catalog through it, with their own token.

mod book;
mod catalog;
mod error;
mod grpc;

use std::sync::Arc;

use souk_kit::Channel;
use souk_kit::auth::Verifier;
use souk_kit::server::{Probe, Service};
use souk_kit::stack::{Limits, Stack};
use souk_proto::souk::books::v1::book_service_server::{BookServiceServer, SERVICE_NAME};

pub use book::product_type;
pub use error::Error;

use catalog::Catalog;
use grpc::Handlers;

/// The audience of tokens that are for this service only.
pub const AUDIENCE: &str = "books";

/// The gRPC service with everything around it, to be served or called in process. `auth` publishes the keys that
/// verify access tokens; the service works when the catalog does, as `probe` says.
pub fn service(catalog: Channel, auth: Channel, probe: Probe, limits: Limits) -> Service {
    let server = BookServiceServer::new(Handlers { catalog: Catalog::new(catalog) });
    let verifier = Arc::new(Verifier::new(auth, AUDIENCE));
    Service { name: SERVICE_NAME, stack: Stack::new(server, verifier, limits), probe }
}
