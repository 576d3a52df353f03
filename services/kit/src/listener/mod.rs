//! Connections: how many there are, how long each may do nothing, and how they end. The gateway and
//! the gRPC server of a process have one each.
//!
//! Neither `axum::serve` nor tonic's server has a limit on the time that a client takes to say what it
//! wants, so this is an accept loop of our own.

mod accept;
mod activity;
mod answer;
mod connection;
mod descriptors;
mod handler;
mod network;
mod options;
mod pace;
mod registry;
mod shares;
mod stream;
mod tls;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use activity::{Peer, Waiting};
pub use descriptors::{connections_that_fit, raise_descriptor_limit};
pub use handler::Handler;
pub use network::{Network, Networks, NotANetwork, Origin};
pub use options::{Options, Protocol};
pub use pace::Pace;
pub(crate) use shares::part_of;
pub use shares::{Share, Shares};
pub use tls::Tls;

use accept::accept;
use connection::Server;
use registry::Registry;

/// How long to wait for the place of a connection that was told to go, before others are.
const EVICTION_PAUSE: Duration = Duration::from_millis(20);

/// Connections that wait to be accepted. The usual 128 are soon reached: the next ones are dropped without
/// a word, and their clients try again after 1, 3 and 7 seconds.
const BACKLOG: u32 = 4096;

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
    let (drain, per_address) = (options.drain, options.connections_per_address);
    let (proxies, tls) = (options.proxies.clone(), options.tls.clone());
    let server = Arc::new(Server::new(handler, options, shutdown.clone()));
    let registry = Registry::default();
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            let (tcp, address) = accept(&listener, &registry).await;
            let is_proxy = proxies.contain(address);
            if !is_proxy && !registry.has_room_for(address, per_address) {
                tracing::debug!(%address, "a client has too many connections: the newest is closed");
                continue;
            }
            let slot = room(&slots, &registry).await;
            // tasks that have ended are forgotten
            while connections.try_join_next().is_some() {}
            let entry = registry.enter(address, is_proxy);
            connections.spawn(server.clone().connection(tcp, slot, entry));
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accepting => {}
        () = keep_fresh(tls.as_ref()) => {}
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

/// Looks after the certificate, where there is one, for ever.
async fn keep_fresh(tls: Option<&Tls>) {
    match tls {
        Some(tls) => match tls.keep_fresh().await {},
        None => std::future::pending().await,
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
