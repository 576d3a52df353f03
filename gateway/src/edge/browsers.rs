//! What scripts of pages may read of what the gateway answers.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::future::Either;
use http::{HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use tower::{Layer as _, Service};
use tower_http::cors::{Cors, ResponseFuture};

use super::Edge;
use super::cors::layer;
use crate::response::answer::Answer;
use crate::upstream::forwarding::ForwardedHeader;

/// A gateway whose answers say which pages may read them.
#[derive(Clone)]
pub(crate) struct Browsers {
    edge: Edge,
    telling: Cors<Edge>,
}

impl Browsers {
    /// `forwarded` may be read of answers, too.
    pub(crate) fn new(edge: Edge, origins: &[HeaderValue], forwarded: &[ForwardedHeader]) -> Self {
        Self { telling: layer(origins, forwarded).layer(edge.clone()), edge }
    }
}

impl Service<Request<Incoming>> for Browsers {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Either<
        ResponseFuture<<Edge as Service<Request<Incoming>>>::Future>,
        <Edge as Service<Request<Incoming>>>::Future,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        // the layer would answer any OPTIONS by itself; of all else it says also to those who come from no
        // page that the answer varies with the origin: caches may keep it
        if request.method() == Method::OPTIONS {
            Either::Right(self.edge.call(request))
        } else {
            Either::Left(self.telling.call(request))
        }
    }
}
