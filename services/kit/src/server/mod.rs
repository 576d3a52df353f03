//! Server assembly: the gRPC listener of a process, with its services, health and reflection.

mod health;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::{BoxFuture, ready};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::Routes;

pub use health::Probe;

use crate::listener;
use crate::stack::Stack;

/// How long requests may take to finish once the process has been told to end.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// A service, ready to be served or called in process.
#[derive(Clone)]
pub struct Service {
    /// The full gRPC name: `souk.catalog.v1.CatalogService`.
    pub name: &'static str,
    /// What answers its calls, with everything around it.
    pub stack: Stack,
    /// Whether it can work: usually whether its database answers.
    pub probe: Probe,
}

/// Serves services on a listener until `shutdown`, then drains.
///
/// # Errors
///
/// The descriptors cannot be reflected.
pub async fn serve(
    listener: TcpListener,
    services: Vec<Service>,
    options: listener::Options,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    let (reporter, health_service) = tonic_health::server::health_reporter();
    let probes: Vec<_> =
        services.iter().map(|service| (service.name, service.probe.clone())).collect();
    health::begin(&reporter, &probes).await;
    tokio::spawn(health::report(reporter, probes, shutdown.clone()));
    // outside the services' layers: whoever reaches the port may ask for health and reflection
    let others = Routes::from(axum::Router::new().fallback(unimplemented))
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?)
        .prepare();
    let services = services.into_iter().map(|service| (service.name, service.stack)).collect();
    let dispatch = Dispatch { services: Arc::new(services), others };
    listener::serve(listener, dispatch, options, shutdown).await;
    Ok(())
}

fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(souk_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
}

async fn unimplemented() -> axum::response::Response {
    tonic::Status::unimplemented("there is no such rpc").into_http()
}

/// Finds the service of a call: by the first part of its path, `/package.Service/Method`.
#[derive(Clone)]
struct Dispatch {
    services: Arc<HashMap<&'static str, Stack>>,
    others: Routes,
}

impl tower::Service<Request<Incoming>> for Dispatch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if let Some(refusal) = refuse_foreign(&request) {
            return ready(Ok(refusal)).boxed();
        }
        let request = request.map(Body::new);
        let name = request.uri().path().split('/').nth(1).unwrap_or_default();
        match self.services.get(name) {
            Some(stack) => stack.clone().call(request),
            None => self.others.call(request).boxed(),
        }
    }
}

/// What is no call of gRPC at all (gRPC over HTTP/2, requests).
fn refuse_foreign(request: &Request<Incoming>) -> Option<Response<Body>> {
    let mut refusal = Response::new(Body::empty());
    if request.method() != Method::POST {
        *refusal.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    } else if !request.headers().get(CONTENT_TYPE).is_some_and(is_grpc) {
        *refusal.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    } else {
        return None;
    }
    Some(refusal)
}

/// `application/grpc`, perhaps with the format of its messages.
fn is_grpc(content_type: &HeaderValue) -> bool {
    let rest = content_type.as_bytes().strip_prefix(b"application/grpc");
    rest.is_some_and(|rest| rest.first().is_none_or(|next| b"+; ".contains(next)))
}
