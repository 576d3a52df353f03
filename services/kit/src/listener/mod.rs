//! Connections: how many there are, how long each may do nothing, and how they end. The gateway and
//! the gRPC server of a process have one each.
//!
//! Neither `axum::serve` nor tonic's server has a limit on the time that a client takes to say what it
//! wants, so this is an accept loop of our own.

mod accept;
mod activity;
mod connection;
mod descriptors;
mod registry;
mod shares;
mod stream;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::Service;

pub use activity::{Peer, Waiting};
pub use descriptors::{connections_that_fit, raise_descriptor_limit};
pub(crate) use shares::part_of;
pub use shares::{Share, Shares};

use accept::accept;
use connection::Server;
use registry::Registry;

/// How long to wait for the place of a connection that was told to go, before others are.
const EVICTION_PAUSE: Duration = Duration::from_millis(20);

/// Connections that wait to be accepted. The usual 128 are soon reached: the next ones are dropped without
/// a word, and their clients try again after 1, 3 and 7 seconds.
const BACKLOG: u32 = 4096;

/// What a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 or HTTP/2 without TLS: the first bytes say which.
    Http,
    /// HTTP/2 alone, for gRPC.
    Grpc,
}

/// The limits of a listener.
#[derive(Debug, Clone)]
pub struct Options {
    /// What it speaks.
    pub protocol: Protocol,
    /// Connections at once. When there are more, those go that have done nothing for longest, or have
    /// waited for longest for the rest of what they were asked; where all are at work, others wait in
    /// the backlog of the listener.
    pub connections: usize,
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

/// Answers the requests of a listener. The futures of its answers live no longer than their stream.
pub trait Handler<B>:
    Service<
        Request<Incoming>,
        Response = Response<B>,
        Error = Infallible,
        Future: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    > + Clone
    + Send
    + Sync
    + 'static
{
}

impl<B, S> Handler<B> for S where
    S: Service<
            Request<Incoming>,
            Response = Response<B>,
            Error = Infallible,
            Future: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
        > + Clone
        + Send
        + Sync
        + 'static
{
}

/// Listens at an address.
///
/// # Errors
///
/// The address is not ours, or taken.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // connections of a process that has ended do not keep the next from its port
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves connections until `shutdown`, then lets them finish, no longer than the drain limit.
pub async fn serve<S, B>(
    listener: TcpListener,
    handler: S,
    options: Options,
    shutdown: CancellationToken,
) where
    S: Handler<B>,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + Unpin + 'static,
{
    let slots = Arc::new(Semaphore::new(options.connections));
    let drain = options.drain;
    let server = Arc::new(Server::new(handler, options, shutdown.clone()));
    let registry = Registry::default();
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            let tcp = accept(&listener, &registry).await;
            let slot = room(&slots, &registry).await;
            // tasks that have ended are forgotten
            while connections.try_join_next().is_some() {}
            connections.spawn(server.clone().connection(tcp, slot, registry.enter()));
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accepting => {}
    }
    // nobody new: the port is free while the rest drains
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(drain, drained).await.is_err() {
        let left = connections.len();
        tracing::warn!(left, "connections were still open after the drain limit");
        connections.shutdown().await;
    }
}

/// A place for a connection, which others have to leave where there is none.
async fn room(slots: &Arc<Semaphore>, registry: &Registry) -> OwnedSemaphorePermit {
    loop {
        if let Ok(slot) = slots.clone().try_acquire_owned() {
            return slot;
        }
        registry.evict();
        if let Ok(Ok(slot)) = timeout(EVICTION_PAUSE, slots.clone().acquire_owned()).await {
            return slot;
        }
    }
}
