//! The catalog, as its caller sees it: every call has the caller's own token.

use souk_kit::Channel;
use souk_kit::request::Context;
use souk_proto::souk::catalog::v2::catalog_service_client::CatalogServiceClient;
use tonic::Request;
use tonic::metadata::{Ascii, MetadataMap, MetadataValue};
use uuid::Uuid;

const AUTHORIZATION: &str = "authorization";
const IF_MATCH: &str = "if-match";
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// A client of the catalog. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Catalog {
    client: CatalogServiceClient<Channel>,
}

/// Who calls, and for which versions: what of a call's metadata the catalog has to know.
#[derive(Debug, Clone)]
pub struct Caller {
    token: Option<MetadataValue<Ascii>>,
    if_match: Option<MetadataValue<Ascii>>,
}

impl Caller {
    pub fn of(metadata: &MetadataMap) -> Self {
        let get = |name| metadata.get(name).cloned();
        Self { token: get(AUTHORIZATION), if_match: get(IF_MATCH) }
    }

    /// The same caller, who means this version.
    pub fn meaning(&self, etag: &str) -> Self {
        Self { if_match: etag.parse().ok(), ..self.clone() }
    }

    /// A call as part of another one.
    pub fn call<T>(&self, context: &Context, message: T) -> Request<T> {
        let mut request = context.outgoing(message);
        let metadata = request.metadata_mut();
        if let Some(token) = &self.token {
            metadata.insert(AUTHORIZATION, token.clone());
        }
        if let Some(if_match) = &self.if_match {
            metadata.insert(IF_MATCH, if_match.clone());
        }
        request
    }

    /// The same under a key of its own.
    pub fn keyed_call<T>(&self, context: &Context, message: T) -> Request<T> {
        let mut request = self.call(context, message);
        if let Ok(key) = MetadataValue::try_from(Uuid::new_v4().to_string()) {
            request.metadata_mut().insert(IDEMPOTENCY_KEY, key);
        }
        request
    }
}

impl Catalog {
    pub fn new(channel: Channel) -> Self {
        Self { client: CatalogServiceClient::new(channel) }
    }

    /// A client for one call.
    pub fn client(&self) -> CatalogServiceClient<Channel> {
        self.client.clone()
    }
}
