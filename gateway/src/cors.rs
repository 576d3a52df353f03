//! Which pages of other origins may call (the Fetch standard, CORS).

use std::time::Duration;

use http::header::{ETAG, LINK, LOCATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method};
use souk_kit::request::{IDEMPOTENT_REPLAYED, REQUEST_ID};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

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

/// Lets pages of these origins call. Tokens are sent by scripts, never by the browser of itself, so
/// that no credentials are allowed.
pub(crate) fn layer(origins: &[HeaderValue]) -> CorsLayer {
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
