//! What is served as it is: pages, and what they load. All of it is made once.

use std::hash::{DefaultHasher, Hasher as _};
use std::io::Read as _;
use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, VARY,
};
use http::{HeaderMap, HeaderValue};

use crate::response::coding::Coding;
use crate::response::entity_tag;

/// A page changes only with the process that serves it.
const FIVE_MINUTES: &str = "public, max-age=300";
/// What has its hash in its address never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// What is served as it is.
#[derive(Debug)]
pub(super) struct Resource {
    media: &'static str,
    cache_control: &'static str,
    /// The Content-Security-Policy, where the page may load anything.
    policy: Option<&'static str>,
    body: Body,
    /// The same in every process of a release, which is all that a cache needs.
    hash: String,
}

#[derive(Debug)]
enum Body {
    Plain(Bytes),
    /// Compressed, and unpacked when the first client asks that does not take it so.
    Gzip(&'static [u8], OnceLock<Bytes>),
}

impl Resource {
    /// A page that may load what the policy says.
    pub(super) fn html(text: String, policy: &'static str) -> Self {
        let page = Self::new("text/html; charset=utf-8", FIVE_MINUTES, Body::Plain(text.into()));
        Self { policy: Some(policy), ..page }
    }

    /// A page for programs.
    pub(super) fn json(text: Bytes) -> Self {
        Self::new("application/json", FIVE_MINUTES, Body::Plain(text))
    }

    /// A page for programs, and for people with editors.
    pub(super) fn yaml(text: Bytes) -> Self {
        Self::new("application/yaml", FIVE_MINUTES, Body::Plain(text))
    }

    /// What pages load.
    pub(super) fn asset(media: &'static str, text: &'static str) -> Self {
        Self::new(media, FOR_EVER, Body::Plain(Bytes::from_static(text.as_bytes())))
    }

    /// What pages load, compressed.
    pub(super) fn gzip_asset(media: &'static str, gzip: &'static [u8]) -> Self {
        Self::new(media, FOR_EVER, Body::Gzip(gzip, OnceLock::new()))
    }

    fn new(media: &'static str, cache_control: &'static str, body: Body) -> Self {
        let bytes: &[u8] = match &body {
            Body::Plain(bytes) => bytes,
            Body::Gzip(gzip, _) => gzip,
        };
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        let hash = format!("{:016x}", hasher.finish());
        Self { media, cache_control, policy: None, body, hash }
    }

    /// Changes with it.
    pub(super) fn hash(&self) -> &str {
        &self.hash
    }

    /// Serves it.
    pub(super) fn route(self) -> MethodRouter {
        async fn serve(State(resource): State<Arc<Resource>>, request: HeaderMap) -> Response {
            resource.answer(&request)
        }
        get(serve).with_state(Arc::new(self))
    }

    /// Answers a request with these headers. Its conditions are not looked at here.
    pub(super) fn answer(&self, request: &HeaderMap) -> Response {
        let (bytes, is_gzip) = match &self.body {
            Body::Plain(bytes) => (bytes.clone(), false),
            Body::Gzip(gzip, _) if Coding::Gzip.is_taken(request) => {
                (Bytes::from_static(gzip), true)
            }
            Body::Gzip(gzip, plain) => (plain.get_or_init(|| unpacked(gzip)).clone(), false),
        };
        let fixed = [(CONTENT_TYPE, self.media), (CACHE_CONTROL, self.cache_control)];
        let mut response = (fixed, bytes).into_response();
        let headers = response.headers_mut();
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", self.hash)) {
            headers.insert(ETAG, tag);
        }
        if let Some(policy) = self.policy {
            headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        }
        if is_gzip {
            headers.insert(VARY, HeaderValue::from(ACCEPT_ENCODING));
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(Coding::Gzip.name()));
            entity_tag::set_coding(headers, Coding::Gzip.name());
        }
        response
    }
}

fn unpacked(gzip: &[u8]) -> Bytes {
    let mut plain = Vec::new();
    // the build has packed it: it cannot fail
    let _ = GzDecoder::new(gzip).read_to_end(&mut plain);
    plain.into()
}
