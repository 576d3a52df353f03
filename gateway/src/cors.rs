//! Which pages of other origins may call (the Fetch standard, CORS).

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::Either;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ETAG, LINK, LOCATION, ORIGIN, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use souk_kit::request::{IDEMPOTENT_REPLAYED, REQUEST_ID};
use tower::{Layer as _, Service};
use tower_http::cors::{AllowHeaders, AllowOrigin, Cors, CorsLayer, ResponseFuture};

use crate::answer::Answer;
use crate::edge::Edge;

/// What scripts may read of an answer, besides what they always may.
const EXPOSED: [HeaderName; 18] = [
    ETAG,
    LINK,
    LOCATION,
    RETRY_AFTER,
    REQUEST_ID,
    IDEMPOTENT_REPLAYED,
    HeaderName::from_static("preference-applied"),
    HeaderName::from_static("deprecation"),
    HeaderName::from_static("sunset"),
    HeaderName::from_static("ratelimit"),
    HeaderName::from_static("ratelimit-policy"),
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
    HeaderName::from_static("grpc-status"),
    HeaderName::from_static("grpc-message"),
    HeaderName::from_static("grpc-status-details-bin"),
    HeaderName::from_static("grpc-encoding"),
];

/// How long a browser may remember what is allowed.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// A gateway that answers the questions of browsers before they call; all else goes on to it.
#[derive(Clone)]
pub(crate) struct Browsers {
    edge: Edge,
    asking: Cors<Edge>,
}

impl Browsers {
    pub(crate) fn new(edge: Edge, origins: &[HeaderValue]) -> Self {
        Self { asking: layer(origins).layer(edge.clone()), edge }
    }
}

impl Service<Request<Incoming>> for Browsers {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Either<
        ResponseFuture<<Edge as Service<Request<Incoming>>>::Future>,
        <Edge as Service<Request<Incoming>>>::Future,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        // the layer would answer any OPTIONS, also those that ask what a route allows
        let is_preflight = request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let has_origin = request.headers().contains_key(ORIGIN);
        if has_origin && (is_preflight || request.method() != Method::OPTIONS) {
            Either::Left(self.asking.call(request))
        } else {
            Either::Right(self.edge.call(request))
        }
    }
}

/// Lets pages of these origins call. Tokens are sent by scripts, never by the browser of itself, so
/// that no credentials are allowed.
fn layer(origins: &[HeaderValue]) -> CorsLayer {
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().cloned())
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(EXPOSED)
        .max_age(REMEMBERED)
}
