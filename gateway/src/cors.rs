//! Which pages of other origins may call (the Fetch standard, CORS).

use std::convert::Infallible;
use std::future::ready;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::Either;
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_REQUEST_METHOD, AGE, ALLOW, CONTENT_DISPOSITION, CONTENT_RANGE,
    ETAG, LINK, LOCATION, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use souk_kit::request::{IDEMPOTENT_REPLAYED, REQUEST_ID};
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, Cors, CorsLayer, ResponseFuture};

use crate::answer::Answer;
use crate::edge::Edge;
use crate::forwarding::ForwardedHeader;

/// What scripts may read of an answer, besides what they always may.
const EXPOSED: [HeaderName; 24] = [
    ACCEPT_RANGES,
    AGE,
    ALLOW,
    CONTENT_DISPOSITION,
    CONTENT_RANGE,
    WWW_AUTHENTICATE,
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

/// A gateway whose answers say which pages may read them.
#[derive(Clone)]
pub(crate) struct Browsers {
    edge: Edge,
    telling: Cors<Edge>,
}

impl Browsers {
    /// `forwarded` may be read of answers, too.
    pub(crate) fn new(edge: Edge, origins: &[HeaderValue], forwarded: &[ForwardedHeader]) -> Self {
        Self { telling: layer(origins, forwarded).layer(edge.clone()), edge }
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
        // the layer would answer any OPTIONS by itself; of all else it says also to those who come from no
        // page that the answer varies with the origin: caches may keep it
        if request.method() == Method::OPTIONS {
            Either::Right(self.edge.call(request))
        } else {
            Either::Left(self.telling.call(request))
        }
    }
}

/// The answers to browsers that ask before they call.
pub(crate) struct Preflights(CorsLayer);

impl Preflights {
    /// `None` where no page of another origin may call.
    pub(crate) fn new(origins: &[HeaderValue]) -> Option<Self> {
        (!origins.is_empty()).then(|| Self(layer(origins, &[])))
    }

    pub(crate) async fn answer(&self, request: &Parts) -> Response<Answer> {
        // no async closure: the compiler trips over one here when it builds again
        let nothing =
            service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(Answer::empty()))));
        let asked = Request::from_parts(request.clone(), ());
        match self.0.layer(nothing).oneshot(asked).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Whether a browser asks before it calls. Other requests with `OPTIONS` ask what a route allows.
pub(crate) fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(ORIGIN)
        && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Lets pages of these origins call. Tokens are sent by scripts, never by the browser of itself, so
/// that no credentials are allowed.
fn layer(origins: &[HeaderValue], forwarded: &[ForwardedHeader]) -> CorsLayer {
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().cloned())
    };
    let exposed = EXPOSED.into_iter().chain(forwarded.iter().map(ForwardedHeader::name).cloned());
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(exposed.collect::<Vec<_>>())
        .max_age(REMEMBERED)
}
