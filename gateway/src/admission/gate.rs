//! What a call passes before it is made, whatever its protocol: who asks comes first, then the message,
//! then a permit. Nothing waits for a message while it holds what others need.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Body;
use souk_kit::admission::{Admitted, admit};
use souk_kit::auth::Verifier;
use souk_kit::body::{self, Budget};
use souk_kit::listener::{Networks, Origin, Pace, Peer};
use souk_kit::permit::{Permit, Permits};
use souk_kit::request::{Context, IDEMPOTENCY_KEY};
use souk_proto::souk::types::v1::Reason;
use tonic::metadata::{MetadataMap, MetadataValue};

use super::address;
use super::places::{Place, Places};
use crate::cache::Cache;
use crate::errors::problem::Problem;
use crate::limits::{Limits, Standings};
use crate::options::Options;
use crate::request::pieces::Pieces;
use crate::upstream::forwarding::{Forwarded, Forwarding};
use crate::upstream::target::Target;

/// What all calls have to pass.
pub(crate) struct Gate {
    verifier: Option<Arc<Verifier>>,
    limits: Limits,
    proxies: Networks,
    permits: Permits,
    places: Places,
    /// Those of downloads, which strangers may ask for: others find theirs, however many these are.
    downloads: Places,
    bodies: Budget,
    max_body: usize,
    body_idle: Duration,
    /// Headers that services know.
    pub forwarded: Arc<Forwarded>,
    /// Answers that are given again.
    pub cache: Option<Cache>,
}

/// Where a call comes from.
#[derive(Clone, Copy)]
pub(crate) struct Client<'a> {
    pub headers: &'a HeaderMap,
    pub context: &'a Context,
    /// The connection that it came over.
    pub peer: Option<&'a Peer>,
    /// What its limits leave.
    pub standings: &'a Standings,
    /// What it passes on, and gets back.
    pub forwarding: &'a Forwarding<'a>,
}

impl Gate {
    pub(crate) fn new(verifier: Option<Arc<Verifier>>, limits: Limits, options: &Options) -> Self {
        let forwarded = Arc::new(Forwarded::new(&options.forwarded_headers));
        Self {
            verifier,
            limits,
            proxies: options.trusted_proxies.clone(),
            permits: Permits::new(options.max_calls),
            places: Places::new(options.streams.max, options.streams.bytes),
            downloads: Places::new(options.streams.max_downloads, options.streams.bytes),
            bodies: Budget::new(options.body_bytes),
            max_body: options.max_body,
            body_idle: options.body_idle,
            cache: Some(options.cache_ttl)
                .filter(|ttl| !ttl.is_zero())
                .map(|ttl| Cache::new(ttl, options.cache_store.clone(), forwarded.clone())),
            forwarded,
        }
    }

    /// Counts a request, whatever it is for.
    pub(crate) async fn count(&self, client: Client<'_>) -> Result<(), Problem> {
        self.limits.admit_address(self.address(client), client.standings).await
    }

    fn address(&self, client: Client<'_>) -> Option<IpAddr> {
        client.peer.map(|peer| address::of_client(peer.address, client.headers, &self.proxies))
    }

    /// Lets a call in when the limits and the policy of its RPC allow it. One with a token that is good
    /// is counted for whom that names, and not for the address that it comes from: many may be behind
    /// one.
    pub(crate) async fn admit(
        &self,
        target: &Target,
        client: Client<'_>,
    ) -> Result<Admitted, Problem> {
        let Client { headers, context, standings, .. } = client;
        let address = self.address(client);
        self.limits.admit_call(target.limit.as_ref(), address, standings).await?;
        let verifier = self.verifier.as_deref();
        let admitted = admit(&target.rpc, verifier, headers).await;
        if headers.contains_key(AUTHORIZATION) {
            let principal = match (&admitted, verifier) {
                (Ok(Admitted { principal: None, .. }), Some(verifier)) => {
                    verifier.authenticate(headers).await.ok()
                }
                (Ok(admitted), _) => admitted.principal.clone(),
                (Err(_), _) => None,
            };
            self.limits.admit_caller(principal.as_deref(), address, standings).await?;
        }
        admitted.map_err(|failure| Problem::from_failure(failure, context))
    }

    /// The body of a request, of this many bytes at most.
    pub(crate) async fn read<B: Body<Data = Bytes> + Unpin>(
        &self,
        client: Client<'_>,
        body: &mut B,
        most: usize,
    ) -> Result<Bytes, Problem> {
        let _waiting = client.peer.map(Peer::waiting);
        let limits = body::Limits { size: self.largest(most), idle: self.body_idle };
        let shares = client.peer.map(|peer| &peer.bytes);
        Ok(self.bodies.read(body, limits, shares).await?)
    }

    /// The largest message that is read, in bytes, where the contract takes so many.
    pub(crate) fn largest(&self, most: usize) -> usize {
        self.max_body.min(most)
    }

    /// The pieces of a body, as they come.
    pub(crate) fn pieces<'a, B>(&'a self, client: Client<'a>, body: &'a mut B) -> Pieces<'a, B> {
        Pieces { body, budget: &self.bodies, idle: self.body_idle, peer: client.peer }
    }

    /// The right to be under way; it goes back when it is dropped.
    pub(crate) fn permit(&self, client: Client<'_>) -> Result<Permit, Problem> {
        self.permits.take(client.peer.map(|peer| &peer.calls)).ok_or_else(refused)
    }

    /// The same for a stream. These do not count as calls, since they may last.
    pub(crate) fn place(&self, client: Client<'_>) -> Result<Place, Problem> {
        self.place_of(&self.places, client)
    }

    /// The same for a download, and how fast it has to be taken.
    pub(crate) fn download(
        &self,
        client: Client<'_>,
        patience: Duration,
    ) -> Result<(Place, Pace), Problem> {
        Ok((self.place_of(&self.downloads, client)?, self.downloads.pace(patience)))
    }

    fn place_of(&self, places: &Places, client: Client<'_>) -> Result<Place, Problem> {
        let address = self.address(client).filter(|address| !self.proxies.contain(*address));
        let connection = client.peer.map(|peer| &peer.streams);
        places.take(address.map(Origin::of), connection).ok_or_else(refused)
    }
}

/// Where no permit is left, a call is refused, not queued.
fn refused() -> Problem {
    Problem::new(Reason::Overloaded, "too many calls at once")
}

impl Client<'_> {
    /// The call of an RPC as its service gets it.
    pub(crate) fn outgoing<T>(&self, target: &Target, message: T) -> tonic::Request<T> {
        let mut request = self.context.outgoing(message);
        for name in [AUTHORIZATION, IDEMPOTENCY_KEY] {
            forward(&name, self.headers, request.metadata_mut());
        }
        let known = &target.known_headers;
        self.forwarding.forwarded.put(known, self.headers, request.metadata_mut());
        request
    }
}

/// Passes a header on. One that gRPC cannot carry is left out, as if it had not been sent.
pub(crate) fn forward(name: &HeaderName, headers: &HeaderMap, metadata: &mut MetadataMap) {
    let value = headers.get(name).map(HeaderValue::as_bytes);
    if let Some(value) = value.and_then(|value| MetadataValue::try_from(value).ok())
        && let Ok(name) = tonic::metadata::AsciiMetadataKey::from_bytes(name.as_str().as_bytes())
    {
        metadata.insert(name, value);
    }
}
