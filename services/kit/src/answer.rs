//! The body of an answer.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use souk_proto::souk::types::v1::Reason;
use tonic::Status;
use tonic::body::Body;
use tracing::Span;

use crate::failure::Failure;
use crate::permit::Permit;

/// An answer of which nothing is still to be made. However slowly its client takes it, the call is over.
struct Whole {
    data: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

/// Makes the rest of an answer.
pub(crate) async fn whole(response: Response<Body>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let made = match body.collect().await {
        Ok(made) => made,
        Err(status) => return status.into_http(),
    };
    let trailers = made.trailers().cloned();
    let data = Some(made.to_bytes()).filter(|data| !data.is_empty());
    Response::from_parts(parts, Body::new(Whole { data, trailers }))
}

impl http_body::Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = self.data.take().map(Frame::data);
        Poll::Ready(data.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.data.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        // not exact: the length of what trailers follow is no header of gRPC
        let mut size = SizeHint::new();
        size.set_lower(self.data.as_ref().map_or(0, |data| data.len() as u64));
        size
    }
}

/// An answer that comes in pieces: its call is under way, with its permit and its span, until the
/// last of them.
pub(crate) struct Pieces {
    pub body: Body,
    pub _permit: Permit,
    pub span: Span,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Self { body, span, .. } = &mut *self;
        let _entered = span.enter();
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| Pin::new(body).poll_frame(cx)));
        polled.unwrap_or_else(|_| {
            let failure = Failure::new(Reason::Internal, "internal error");
            Poll::Ready(Some(Err(Status::from(failure))))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
