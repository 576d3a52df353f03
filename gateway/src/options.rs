//! The limits of a gateway.

use std::time::Duration;

use http::HeaderValue;
use souk_kit::listener::{Networks, Tls};
use souk_kit::stack;

use crate::upstream::forwarding::ForwardedHeader;
use crate::valkey::Valkey;

/// The limits of a gateway.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it has for TLS; `None` is without.
    pub tls: Option<Tls>,
    /// The largest body of a request, in bytes, whatever its contract takes.
    pub max_body: usize,
    /// How many bytes of bodies that are still arriving are kept.
    pub body_bytes: usize,
    /// How long a client may take to send the head of a request, from its first byte.
    pub header_timeout: Duration,
    /// How long a client may pause while it sends a body.
    pub body_idle: Duration,
    /// How long a request may take, from its head to its answer.
    pub request_limit: Duration,
    /// How long a connection may have nothing to do before it is closed.
    pub connection_idle: Duration,
    /// How many connections are served at once; when there are more, the idlest are closed, and where
    /// none is idle others wait in the backlog of the listener.
    pub max_connections: usize,
    /// How many of them one client may have (an IPv4 address, or a /64 of IPv6); when it has more, its own
    /// idlest is closed.
    pub max_connections_per_address: usize,
    /// Whose word counts for the addresses of clients, and whose connections are those of many.
    pub trusted_proxies: Networks,
    /// How many requests one client may make in a minute; 0 is as many as it likes, also of those RPCs whose
    /// contract takes fewer.
    pub address_limit: u32,
    /// How many requests one principal may make in a minute; 0 is as many as it likes.
    pub principal_limit: u32,
    /// Where requests are counted that several gateways answer; `None` is each for itself.
    pub limit_store: Option<Valkey>,
    /// How long answers of public RPCs are given again whose contract allows it; zero is not at all.
    pub cache_ttl: Duration,
    /// Where several gateways keep such answers together; `None` is each for itself.
    pub cache_store: Option<Valkey>,
    /// How many calls may be under way at once; others are refused as OVERLOADED.
    pub max_calls: usize,
    /// The origins of pages whose scripts may call; `*` is any.
    pub origins: Vec<HeaderValue>,
    /// Which headers of requests the services get as metadata, and which metadata of their answers clients
    /// get as headers.
    pub forwarded_headers: Vec<ForwardedHeader>,
    /// How long requests may take to finish once the process has been told to end.
    pub drain_limit: Duration,
    /// What holds for streams.
    pub streams: Streams,
}

/// The limits of streams.
#[derive(Debug, Clone)]
pub struct Streams {
    /// How many may be under way at once; others are refused as OVERLOADED. They do not count as calls.
    pub max: usize,
    /// How many downloads, which do not count as these: answers whose messages are bytes of any media type.
    pub max_downloads: usize,
    /// How many bytes of their messages are kept at once: of those that clients have not read, and of those
    /// of WebSockets that are not whole. A stream ends that would need more. Downloads have as many.
    pub bytes: usize,
    /// How long a client may take to send one, its answer included.
    pub request_limit: Duration,
    /// How long an answer may last. Its client may then ask for it again.
    pub limit: Duration,
    /// How long the first message of an answer is awaited; then the answer begins without it. Less than
    /// a request may take.
    pub first: Duration,
    /// How often an answer in which nothing happens says so. Less than a connection may be idle.
    pub heartbeat: Duration,
    /// How long a client may take for one message, and for 16 KiB of a download. Less than it may take
    /// nothing of an answer, so that it can be told.
    pub patience: Duration,
    /// How long it may take for what is left of an answer whose end is known.
    pub rest_limit: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tls: None,
            max_body: 1024 * 1024,
            body_bytes: 64 * 1024 * 1024,
            header_timeout: Duration::from_secs(5),
            body_idle: Duration::from_secs(10),
            request_limit: Duration::from_secs(15),
            connection_idle: Duration::from_secs(60),
            max_connections: 10_000,
            max_connections_per_address: 2_500,
            trusted_proxies: Networks::default(),
            address_limit: 100,
            principal_limit: 1_000,
            limit_store: None,
            cache_ttl: Duration::ZERO,
            cache_store: None,
            // each service has its own limit: one that hangs leaves room to the others
            max_calls: 2 * stack::Limits::default().calls,
            origins: Vec::new(),
            forwarded_headers: Vec::new(),
            drain_limit: souk_kit::server::DRAIN_LIMIT,
            streams: Streams::default(),
        }
    }
}

impl Streams {
    /// The usual ones, but for requests that may take, and connections that may be idle, no longer.
    pub fn within(request_limit: Duration, connection_idle: Duration) -> Self {
        let usual = Self::default();
        Self {
            first: usual.first.min(request_limit / 2),
            heartbeat: usual.heartbeat.min(connection_idle / 2),
            patience: usual.patience.min(connection_idle / 2),
            ..usual
        }
    }
}

impl Default for Streams {
    fn default() -> Self {
        Self {
            max: 512,
            max_downloads: 512,
            bytes: 128 * 1024 * 1024,
            request_limit: Duration::from_secs(15 * 60),
            limit: Duration::from_secs(60 * 60),
            first: Duration::from_secs(5),
            heartbeat: Duration::from_secs(15),
            patience: Duration::from_secs(30),
            rest_limit: Duration::from_secs(60),
        }
    }
}
