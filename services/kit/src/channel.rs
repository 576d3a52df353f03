//! The one client type: a service in another process, or one in this process that is called
//! without HTTP/2 in between. Layers, status, metadata and deadlines are the same in both.

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::{Endpoint, Uri};
use tower::Service;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How to reach a service. Cheap to clone.
#[derive(Clone)]
pub enum Channel {
    /// The service runs in another process.
    Remote(tonic::transport::Channel),
    /// The service runs in this process.
    InProcess(Routes),
}

impl Channel {
    /// A service at an address. It connects at the first call, and again whenever the connection
    /// is lost.
    pub fn remote(address: Uri) -> Self {
        let endpoint = Endpoint::from(address)
            .connect_timeout(Duration::from_secs(3))
            .tcp_nodelay(true)
            // error details travel in the trailers
            .http2_max_header_list_size(64 * 1024)
            .http2_keep_alive_interval(Duration::from_secs(10))
            .keep_alive_timeout(Duration::from_secs(5))
            .keep_alive_while_idle(true);
        Self::Remote(endpoint.connect_lazy())
    }

    /// A service of this process, with its layers.
    pub fn in_process(routes: Routes) -> Self {
        Self::InProcess(routes.prepare())
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
            Self::Remote(channel) => channel.poll_ready(cx).map_err(Error::from),
            Self::InProcess(routes) => {
                Service::<Request<Body>>::poll_ready(routes, cx).map_err(infallible)
            }
        }
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        match self {
            Self::Remote(channel) => channel.call(request).map(|done| Ok(done?)).boxed(),
            Self::InProcess(routes) => {
                routes.call(request).map(|done| done.map_err(infallible)).boxed()
            }
        }
    }
}

fn infallible(never: Infallible) -> Error {
    match never {}
}
