//! Which pages of other origins may call (the Fetch standard, CORS).

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_REQUEST_METHOD, AGE, ALLOW, CONTENT_DISPOSITION, CONTENT_RANGE,
    ETAG, LINK, LOCATION, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response};
use souk_kit::request::{IDEMPOTENT_REPLAYED, REQUEST_ID};
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer};

use crate::response::answer::Answer;
use crate::upstream::forwarding::ForwardedHeader;

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
pub(crate) fn layer(origins: &[HeaderValue], forwarded: &[ForwardedHeader]) -> CorsLayer {
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
