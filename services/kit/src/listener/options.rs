//! What a listener speaks, and its limits.

use std::time::Duration;

use bytes::Bytes;

use super::network::Networks;
use super::tls::Tls;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or HTTP/2: the first bytes say which.
    Http,
    /// HTTP/2 alone, for gRPC.
    Grpc,
}

/// The limits of a listener.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it speaks.
    pub protocol: Protocol,
    /// What it has for TLS; `None` is without. Handshakes are a part of the beginning of a connection.
    pub tls: Option<Tls>,
    /// Connections at once. When there are more, those go that have done nothing for longest, or whose
    /// clients have let us wait for longest: for the rest of what they ask, or to take what they were
    /// answered. Where all are at work, others wait in the backlog of the listener.
    pub connections: usize,
    /// Connections at once of one client (an IPv4 address, or a /64 of IPv6). When it has more, its own
    /// idlest goes; where all of them are at work, the newest is closed.
    pub connections_per_address: usize,
    /// Whose connections are those of many clients, and are not bounded so.
    pub proxies: Networks,
    /// Requests that one HTTP/2 connection may have under way.
    pub streams: u32,
    /// How long a client may take for the head of a request, from its first byte, and for the
    /// beginning of a connection.
    pub header_timeout: Duration,
    /// How long a connection may have nothing to do, and how long a client may take no bytes of an
    /// answer.
    pub idle: Duration,
    /// How long requests may take to finish once the process has been told to end.
    pub drain: Duration,
    /// The body of an answer that the HTTP layer itself makes for a request that it cannot read, by
    /// its status: the whole response. `None` leaves it empty.
    pub rejection: Option<fn(u16) -> Option<Bytes>>,
}
