//! `souk.catalog.v1` as a projection: its calls go to the same RPCs of v2, whose messages are the same as far
//! as they go. What v1 does not know of an answer, its clients skip.

use std::task::{Context, Poll};

use http::Request;
use http::uri::PathAndQuery;
use souk_proto::souk::catalog::v1::catalog_service_server;
use souk_proto::souk::catalog::v2::catalog_service_server::SERVICE_NAME as SUCCESSOR;
use tonic::body::Body;
use tower::Service;

use crate::product::Market;

pub use catalog_service_server::SERVICE_NAME;

/// Sends the calls of v1 to the service of v2, which learns that they are.
#[derive(Debug, Clone)]
pub struct Projection<S>(pub S);

impl<S: Service<Request<Body>>> Service<Request<Body>> for Projection<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> S::Future {
        if let Some(path) = successor(request.uri().path()) {
            let mut parts = request.uri().clone().into_parts();
            parts.path_and_query = Some(path);
            if let Ok(uri) = parts.try_into() {
                *request.uri_mut() = uri;
                request.extensions_mut().insert(Version::V1);
            }
        }
        self.0.call(request)
    }
}

/// Where a path of v1 leads.
fn successor(path: &str) -> Option<PathAndQuery> {
    let method = path.strip_prefix('/')?.strip_prefix(SERVICE_NAME)?;
    PathAndQuery::try_from(format!("/{SUCCESSOR}{method}")).ok()
}

/// The version of the contract that a caller speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    pub fn of<T>(request: &tonic::Request<T>) -> Self {
        request.extensions().get().copied().unwrap_or(Self::V2)
    }
}

/// The products that there are for a call.
pub fn market<T>(request: &tonic::Request<T>) -> Market {
    match Version::of(request) {
        Version::V1 => Market::USD,
        Version::V2 => Market::ALL,
    }
}
