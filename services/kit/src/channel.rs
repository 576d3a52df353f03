//! The one client type: a service in another process, or one in this process that is called
//! without HTTP/2 in between. Layers, status, metadata and deadlines are the same in both.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tonic::transport::{Endpoint, Uri};
use tower::Service;

use crate::stack::Inner;

/// Connections to a service in another process: one would be a bottleneck of many cores, and takes
/// every call with it when it breaks.
const CONNECTIONS: usize = 2;
/// The same for calls that last: a connection takes only so many calls at once.
const STREAM_CONNECTIONS: usize = 4;
/// How much a service may send ahead of one call that lasts. Of all of them together it may send as much
/// as HTTP/2 allows, so that none waits for what another leaves unread.
const STREAM_WINDOW: u32 = 64 * 1024;
const ALL_STREAMS_WINDOW: u32 = i32::MAX as u32;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How to reach a service. Cheap to clone.
#[derive(Clone)]
pub enum Channel {
    /// The service runs in another process.
    Remote(Remote),
    /// The service runs in this process.
    InProcess(Inner),
}

/// Connections to another process, used in turn.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Connections>,
    /// The connection that is ready for the next call.
    chosen: Option<tonic::transport::Channel>,
}

struct Connections {
    endpoint: Endpoint,
    all: Vec<tonic::transport::Channel>,
    turn: AtomicUsize,
}

impl Channel {
    /// A service at an address. It connects at the first call, and again whenever a connection is
    /// lost.
    pub fn remote(address: Uri) -> Self {
        let endpoint = Endpoint::from(address)
            .connect_timeout(Duration::from_secs(3))
            .tcp_nodelay(true)
            // error details travel in the trailers
            .http2_max_header_list_size(64 * 1024)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        Self::Remote(Remote::to(endpoint, CONNECTIONS))
    }

    /// The same service over connections of their own, for calls that last. However many there are, and
    /// however slowly their answers are taken, other calls do not wait for them.
    #[must_use]
    pub fn for_streams(&self) -> Self {
        match self {
            Self::Remote(remote) => {
                let endpoint = remote.shared.endpoint.clone();
                let endpoint = endpoint
                    .initial_stream_window_size(STREAM_WINDOW)
                    .initial_connection_window_size(ALL_STREAMS_WINDOW);
                Self::Remote(Remote::to(endpoint, STREAM_CONNECTIONS))
            }
            Self::InProcess(service) => Self::InProcess(service.clone()),
        }
    }

    /// A service of this process, with everything around it.
    pub fn in_process<S>(service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        Self::InProcess(Inner::new(service))
    }

    /// Whether the service runs in another process.
    pub fn is_remote(&self) -> bool {
        matches!(self, Self::Remote(_))
    }
}

impl Remote {
    fn to(endpoint: Endpoint, connections: usize) -> Self {
        let all = (0..connections).map(|_| endpoint.connect_lazy()).collect();
        let shared = Connections { endpoint, all, turn: AtomicUsize::new(0) };
        Self { shared: Arc::new(shared), chosen: None }
    }

    fn choose(&self) -> tonic::transport::Channel {
        let Connections { all, turn, .. } = &*self.shared;
        all[turn.fetch_add(1, Ordering::Relaxed) % all.len()].clone()
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Remote(_) => "Channel::Remote",
            Self::InProcess(_) => "Channel::InProcess",
        })
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        match self {
            Self::Remote(remote) => {
                if remote.chosen.is_none() {
                    remote.chosen = Some(remote.choose());
                }
                match &mut remote.chosen {
                    Some(connection) => connection.poll_ready(cx).map_err(Error::from),
                    None => Poll::Pending,
                }
            }
            Self::InProcess(service) => service.poll_ready(cx).map_err(infallible),
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Self::Remote(remote) => {
                let mut connection = remote.chosen.take().unwrap_or_else(|| remote.choose());
                connection.call(request).map(|done| Ok(done?)).boxed()
            }
            Self::InProcess(service) => {
                service.call(request).map(|done| done.map_err(infallible)).boxed()
            }
        }
    }
}

fn infallible(never: Infallible) -> Error {
    match never {}
}
