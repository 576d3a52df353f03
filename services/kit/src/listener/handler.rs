//! What answers the requests of a listener.

use std::convert::Infallible;

use http::{Request, Response};
use hyper::body::Incoming;
use tower::Service;

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
