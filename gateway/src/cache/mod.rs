//! Answers of public RPCs that are given again for a while, where the gateway is told to, and the contract
//! says that caches may keep them. What is kept is the message of the service: `fields`, codings and
//! entity tags are made of it for each request.

mod entry;
mod flights;
mod memory;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::{HeaderMap, Method};
use souk_kit::request::HTTP_STATUS;
use tonic::Status;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue, MetadataMap};

use crate::upstream::forwarding::Forwarded;
use crate::upstream::target::Target;
use crate::valkey::Valkey;
use entry::Entry;
use flights::Flights;
use memory::Memory;

/// Answers that are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Cache(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// How long one is good.
    ttl: Duration,
    /// Where several gateways keep them together.
    store: Option<Valkey>,
    /// Without that, or while it is away.
    memory: Memory,
    flights: Flights<Heard>,
    /// Headers on which answers may depend, and that come back with them.
    forwarded: Arc<Forwarded>,
}

/// What a service has said.
#[derive(Debug, Clone)]
struct Heard {
    wire: Bytes,
    /// The HTTP status that it has chosen, if it has.
    status: Option<AsciiMetadataValue>,
    /// What of its metadata is passed on.
    headers: HeaderMap,
}

/// What was found, or has been asked for.
#[derive(Debug)]
pub(crate) struct Kept {
    heard: Heard,
    /// How old it is; `None` when the service has just said it.
    age: Option<Duration>,
}

/// How old an answer is that was kept: an extension of its response.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Age(pub Duration);

impl Cache {
    pub(crate) fn new(ttl: Duration, store: Option<Valkey>, forwarded: Arc<Forwarded>) -> Self {
        let (memory, flights) = (Memory::default(), Flights::default());
        Self(Arc::new(Inner { ttl, store, memory, flights, forwarded }))
    }

    /// How old an answer may be that others have been told; `None` for a request that changes something,
    /// has a token, tells the service more than its message, or asks for news (RFC 9111, section 5.2.1).
    pub(crate) fn oldest_for(&self, method: &Method, headers: &HeaderMap) -> Option<Duration> {
        let is_for_all = matches!(*method, Method::GET | Method::HEAD)
            && !headers.contains_key(AUTHORIZATION)
            && !self.0.forwarded.is_any_in(headers);
        if !is_for_all {
            return None;
        }
        let mut oldest = Duration::MAX;
        let lines = headers.get_all(CACHE_CONTROL).iter().filter_map(|line| line.to_str().ok());
        for directive in lines.flat_map(|line| line.split(',')) {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            match name.trim().to_ascii_lowercase().as_str() {
                "no-cache" | "no-store" => return None,
                // what is no number of seconds is taken for none
                "max-age" => oldest = Duration::from_secs(value.trim().parse().unwrap_or(0)),
                _ => {}
            }
        }
        Some(oldest)
    }

    /// The answer to a call, one that was kept if it is no older than the caller takes. Of those who ask
    /// for the same at once, one asks the service; its caller may leave.
    ///
    /// # Errors
    ///
    /// The service's; they are not kept.
    pub(crate) async fn call(
        &self,
        target: &Arc<Target>,
        request: tonic::Request<Bytes>,
        oldest: Duration,
    ) -> Result<Kept, Status> {
        let key = key(target, request.get_ref());
        if let Some(entry) = self.find(&key).await {
            let age = entry.age();
            if age < self.0.ttl && age <= oldest {
                let heard = Heard { wire: entry.wire, status: None, headers: HeaderMap::new() };
                return Ok(Kept { heard, age: Some(age) });
            }
        }
        let (cache, target, of) = (self.clone(), target.clone(), key.clone());
        let heard = self.0.flights.join(key, async move {
            let (metadata, wire, _) = target.call(request).await?.into_parts();
            let status = metadata.get(HTTP_STATUS.as_str()).cloned();
            let heard = Heard { wire, status, headers: cache.0.forwarded.of(&metadata) };
            // one that has more than a message is an exception
            if heard.status.is_none() && heard.headers.is_empty() {
                cache.keep(of, heard.wire.clone()).await;
            }
            Ok(heard)
        });
        Ok(Kept { heard: heard.await?, age: None })
    }

    async fn find(&self, key: &Bytes) -> Option<Entry> {
        if let Some(store) = &self.0.store
            && let Some(found) = store.get(key).await
        {
            return found.and_then(Entry::read);
        }
        self.0.memory.get(key)
    }

    async fn keep(&self, key: Bytes, wire: Bytes) {
        let entry = Entry::new(&wire);
        if let Some(store) = &self.0.store
            && store.set(&key, &entry.write(), self.0.ttl).await.is_some()
        {
            return;
        }
        self.0.memory.insert(key, entry);
    }
}

impl Kept {
    /// As a service would have answered, with its age.
    pub(crate) fn into_response(self) -> tonic::Response<Bytes> {
        let mut response = tonic::Response::new(self.heard.wire);
        *response.metadata_mut() = MetadataMap::from_headers(self.heard.headers);
        if let (Some(status), Ok(name)) =
            (self.heard.status, AsciiMetadataKey::from_bytes(HTTP_STATUS.as_ref()))
        {
            response.metadata_mut().insert(name, status);
        }
        if let Some(age) = self.age {
            response.extensions_mut().insert(Age(age));
        }
        response
    }
}

/// What makes the same message is the same question.
fn key(target: &Target, wire: &[u8]) -> Bytes {
    [b"cache:", target.path.as_str().as_bytes(), b":", wire].concat().into()
}
